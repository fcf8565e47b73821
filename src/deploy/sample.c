/* sample.bin: a few inputs and the logits that lathe computed for them, little-endian. Layout in
 * docs/formats/bundle.md. */
#include <string.h>
#include "deploy/deploy_priv.h"
#include "lathe/file.h"
#include "lathe/mem.h"

#define MAGIC "LTSAMPLE"
#define VERSION 1
#define HEADER 36 /* magic 8; version, n, C, H, W, classes, CRC-32 of the rest: 7 times 4 */
#define MAX_BYTES ((size_t)1 << 30)

static void put_u32(struct lt_buf *b, uint32_t v) {
    uint8_t p[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    lt_buf_add(b, p, 4);
}

static uint32_t get_u32(const char *p) {
    const uint8_t *u = (const uint8_t *)p;
    return u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static void put_floats(struct lt_buf *b, const float *v, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, v + i, 4);
        put_u32(b, u);
    }
}

lt_status lt_bundle_sample_write(const struct lt_bundle_sample *s, const float *x, const float *logits,
                                 struct lt_buf *out, struct lt_err *e) {
    struct lt_buf body = LT_BUF_INIT;
    lt_status st;
    put_floats(&body, x, (int64_t)s->n * s->channels * s->height * s->width);
    put_floats(&body, logits, (int64_t)s->n * s->classes);
    if (!(st = lt_buf_ok(&body, e))) {
        lt_buf_puts(out, MAGIC);
        put_u32(out, VERSION);
        put_u32(out, (uint32_t)s->n);
        put_u32(out, (uint32_t)s->channels);
        put_u32(out, (uint32_t)s->height);
        put_u32(out, (uint32_t)s->width);
        put_u32(out, (uint32_t)s->classes);
        put_u32(out, lt_crc32(0, body.data, body.len));
        lt_buf_add(out, body.data, body.len);
        st = lt_buf_ok(out, e);
    }
    lt_buf_release(&body);
    return st;
}

lt_status lt_bundle_sample_check(const char *path, struct lt_bundle_sample *out, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    uint32_t h[7];
    lt_status s;
    if ((s = lt_file_read(path, MAX_BYTES, &b, e))) goto out;
    if (b.len < HEADER || memcmp(b.data, MAGIC, 8)) {
        s = lt_fail(e, LT_EIO, "%s: not a sample file (it does not begin with %s)", path, MAGIC);
        goto out;
    }
    for (int i = 0; i < 7; i++) h[i] = get_u32(b.data + 8 + 4 * i);
    if (h[0] != VERSION) {
        s = lt_fail(e, LT_EIO, "%s: sample version %u, this program reads %d", path, h[0], VERSION);
        goto out;
    }
    double floats = (double)h[1] * ((double)h[2] * h[3] * h[4] + h[5]);
    if (!h[1] || !h[2] || !h[3] || !h[4] || !h[5] || floats * 4 + HEADER != (double)b.len) {
        s = lt_fail(e, LT_EIO, "%s: %zu bytes, but %u samples of %ux%ux%u and %u classes need %.0f", path, b.len, h[1],
                    h[2], h[3], h[4], h[5], floats * 4 + HEADER);
        goto out;
    }
    uint32_t crc = lt_crc32(0, b.data + HEADER, b.len - HEADER);
    if (crc != h[6]) {
        s = lt_fail(e, LT_EIO, "%s: CRC is %08x, recorded %08x: the file is damaged", path, crc, h[6]);
        goto out;
    }
    *out = (struct lt_bundle_sample){
        .n = (int)h[1], .channels = (int)h[2], .height = (int)h[3], .width = (int)h[4], .classes = (int)h[5]};
out:
    lt_buf_release(&b);
    return s;
}
