/*
 * IDX files as MNIST and Fashion-MNIST use them: big-endian magic 0x00000803 (unsigned bytes, 3 dimensions) for images
 * and 0x00000801 for labels, dimensions as 32-bit big-endian numbers, then bytes. Plain or gzip.
 */
#include "supernet/data_priv.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include <string.h>

#define MAX_IMAGE_BYTES ((size_t)4 << 30)
#define MAX_LABEL_BYTES ((size_t)64 << 20)

static uint32_t be32(const char *p) {
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

/* dir/name or dir/name.gz, whichever exists; *path (lt_free) is the one that was read. */
static lt_status read_either(const char *dir, const char *name, size_t max_bytes, char **path, struct lt_buf *out,
                             struct lt_err *e) {
    char *plain = lt_asprintf("%s/%s", dir, name), *gz = lt_asprintf("%s/%s.gz", dir, name);
    lt_status s;
    if (!plain || !gz) {
        s = lt_fail(e, LT_ENOMEM, "path of %s", name);
    } else if (lt_path_exists(plain)) {
        s = lt_file_read_gz(plain, max_bytes, out, e);
        *path = plain;
        plain = NULL;
    } else if (lt_path_exists(gz)) {
        s = lt_file_read_gz(gz, max_bytes, out, e);
        *path = gz;
        gz = NULL;
    } else {
        s = lt_fail(
            e, LT_EIO,
            "%s: no such file, nor %s.gz. Debian's package dataset-fashion-mnist installs Fashion-MNIST in "
            "/usr/share/datasets/fashion-mnist (apt-get install dataset-fashion-mnist); data: dir: names the folder",
            plain, name);
    }
    lt_free(plain);
    lt_free(gz);
    return s;
}

/* Checks magic and size; dim[0..n_dims) are the dimensions. */
static lt_status header(const char *path, const struct lt_buf *b, uint32_t magic, int n_dims, uint32_t *dim,
                        struct lt_err *e) {
    size_t head = 4 + 4 * (size_t)n_dims;
    if (b->len < head)
        return lt_fail(e, LT_EIO, "%s: offset %zu: the file ends inside its header of %zu bytes", path, b->len, head);
    if (be32(b->data) != magic)
        return lt_fail(e, LT_EIO, "%s: offset 0: magic number 0x%08x, expected 0x%08x (%s)", path, be32(b->data), magic,
                       n_dims == 1 ? "IDX labels" : "IDX images");
    uint64_t want = 1;
    for (int i = 0; i < n_dims; i++) {
        dim[i] = be32(b->data + 4 + 4 * i);
        if (dim[i] == 0 || dim[i] > (i == 0 ? (uint32_t)INT32_MAX : DATA_MAX_SIDE))
            return lt_fail(e, LT_EIO, "%s: offset %d: dimension %d is %u, expected 1 to %u", path, 4 + 4 * i, i, dim[i],
                           i == 0 ? (unsigned)INT32_MAX : (unsigned)DATA_MAX_SIDE);
        want *= dim[i];
    }
    if (b->len - head != want)
        return lt_fail(e, LT_EIO, "%s: offset %zu: %zu bytes follow the header, which promises %llu", path, head,
                       b->len - head, (unsigned long long)want);
    return LT_OK;
}

lt_status data_read_idx(const struct lt_data_cfg *cfg, bool test, struct data_raw *out, struct lt_err *e) {
    const char *images_name = test ? "t10k-images-idx3-ubyte" : "train-images-idx3-ubyte";
    const char *labels_name = test ? "t10k-labels-idx1-ubyte" : "train-labels-idx1-ubyte";
    struct lt_buf images = LT_BUF_INIT, labels = LT_BUF_INIT;
    char *images_path = NULL, *labels_path = NULL;
    uint32_t dim[3], count;
    lt_status s;
    if (!cfg->dir || !*cfg->dir)
        return lt_fail(e, LT_EINVAL, "data: dir: missing; it names the folder that holds %s[.gz]", images_name);
    if ((s = read_either(cfg->dir, labels_name, MAX_LABEL_BYTES, &labels_path, &labels, e)) ||
        (s = header(labels_path, &labels, 0x801, 1, &count, e)) ||
        (s = read_either(cfg->dir, images_name, MAX_IMAGE_BYTES, &images_path, &images, e)) ||
        (s = header(images_path, &images, 0x803, 3, dim, e)))
        goto out;
    if (dim[0] != count) {
        s = lt_fail(e, LT_EIO, "%s: offset 4: %u images, but %s holds %u labels", images_path, dim[0], labels_path,
                    count);
        goto out;
    }
    for (uint32_t i = 0; i < count; i++)
        if ((uint8_t)labels.data[8 + i] >= cfg->classes) {
            s = lt_fail(e, LT_EINVAL, "%s: offset %u: label %u, expected 0 to %lld (data: classes: %lld)", labels_path,
                        8 + i, (uint8_t)labels.data[8 + i], (long long)cfg->classes - 1, (long long)cfg->classes);
            goto out;
        }
    out->n = count;
    out->channels = 1;
    out->height = (int)dim[1];
    out->width = (int)dim[2];
    out->classes = (int)cfg->classes;
    out->storage = lt_buf_take(&images);
    out->label_storage = lt_buf_take(&labels);
    out->pixels = (const uint8_t *)out->storage + 16;
    out->labels = (const uint8_t *)out->label_storage + 8;
out:
    lt_buf_release(&images);
    lt_buf_release(&labels);
    lt_free(images_path);
    lt_free(labels_path);
    return s;
}
