/*
 * A supernet's values in a file (.ltw), written whole or not at all:
 *   "LTWEIGHT", u32 version, u32 byte-order mark 0x01020304, u64 space hash, i64 n_params, u32 length and bytes of the
 * space's name, f32 values [n_params], u32 CRC-32 of all before it. Numbers in the machine's order: a file of another
 * order is refused.
 */
#include "supernet/supernet_priv.h"
#include "lathe/file.h"
#include <string.h>

enum { VERSION = 1, ORDER = 0x01020304, FIXED = 8 + 4 + 4 + 8 + 8 + 4 };
static const char magic[9] = "LTWEIGHT";

lt_status lt_supernet_save(const struct lt_supernet *sn, const char *path, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    const char *name = lt_space_name(sn->space);
    uint32_t version = VERSION, order = ORDER, length = (uint32_t)strlen(name);
    uint64_t hash = lt_space_hash(sn->space);
    int64_t n = sn->n_params;
    lt_buf_add(&b, magic, 8);
    lt_buf_add(&b, &version, sizeof(version));
    lt_buf_add(&b, &order, sizeof(order));
    lt_buf_add(&b, &hash, sizeof(hash));
    lt_buf_add(&b, &n, sizeof(n));
    lt_buf_add(&b, &length, sizeof(length));
    lt_buf_add(&b, name, length);
    lt_buf_add(&b, sn->params, (size_t)n * sizeof(float));
    uint32_t crc = lt_crc32(0, b.data, b.len);
    lt_buf_add(&b, &crc, sizeof(crc));
    lt_status st = lt_buf_ok(&b, e);
    if (!st) st = lt_file_write_atomic(path, b.data, b.len, e);
    lt_buf_release(&b);
    return st;
}

lt_status lt_supernet_load(struct lt_supernet *sn, const char *path, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    uint32_t version, order, length, crc;
    uint64_t hash;
    int64_t n;
    lt_status st = lt_file_read(path, (size_t)16 << 30, &b, e);
    if (st) goto out;
    if (b.len < FIXED + sizeof(crc) || memcmp(b.data, magic, 8)) {
        st = lt_fail(e, LT_EIO, "%s: offset 0: not a file of supernet weights (%zu bytes)", path, b.len);
        goto out;
    }
    memcpy(&version, b.data + 8, 4);
    memcpy(&order, b.data + 12, 4);
    memcpy(&hash, b.data + 16, 8);
    memcpy(&n, b.data + 24, 8);
    memcpy(&length, b.data + 32, 4);
    if (order != ORDER || version != VERSION) {
        st = lt_fail(e, LT_EIO,
                     "%s: offset 8: version %u, byte order %08x; this build reads version %d, byte order %08x", path,
                     version, order, VERSION, ORDER);
        goto out;
    }
    memcpy(&crc, b.data + b.len - 4, 4);
    if (crc != lt_crc32(0, b.data, b.len - 4)) {
        st = lt_fail(e, LT_EIO, "%s: torn or damaged: the checksum of its %zu bytes does not match", path, b.len);
        goto out;
    }
    if (hash != lt_space_hash(sn->space) || n != sn->n_params || length > b.len - FIXED) {
        st = lt_fail(
            e, LT_EINVAL,
            "%s: weights of space '%.*s' (%lld values, hash %016llx), not of space '%s' (%lld values, hash %016llx)",
            path, (int)(length > 200 || length > b.len - FIXED ? 0 : length), b.data + FIXED, (long long)n,
            (unsigned long long)hash, lt_space_name(sn->space), (long long)sn->n_params,
            (unsigned long long)lt_space_hash(sn->space));
        goto out;
    }
    if (b.len != FIXED + (size_t)length + (size_t)n * sizeof(float) + 4) {
        st = lt_fail(e, LT_EIO, "%s: %zu bytes, but the header promises %lld values", path, b.len, (long long)n);
        goto out;
    }
    memcpy(sn->params, b.data + FIXED + length, (size_t)n * sizeof(float));
out:
    lt_buf_release(&b);
    return st;
}
