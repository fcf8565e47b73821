/*
 * CIFAR-10, binary version (Krizhevsky, 2009): records of one label byte and 3072 pixel bytes (red, green, blue planes
 * of 32x32); data_batch_1.bin to data_batch_5.bin train, test_batch.bin tests.
 */
#include "supernet/data_priv.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include <string.h>

enum { SIDE = 32, CHANNELS = 3, CLASSES = 10, IMAGE = CHANNELS * SIDE * SIDE, RECORD = IMAGE + 1 };
#define MAX_FILE_BYTES ((size_t)1 << 30)

static lt_status read_records(const char *dir, const char *name, struct lt_buf *out, struct lt_err *e) {
    char *path = lt_asprintf("%s/%s", dir, name);
    lt_status s;
    if (!path) return lt_fail(e, LT_ENOMEM, "path of %s", name);
    if (!lt_path_exists(path)) {
        s = lt_fail(e, LT_EIO, "%s: no such file; data: dir: names the folder with the binary version of CIFAR-10",
                    path);
        goto out;
    }
    if ((s = lt_file_read_gz(path, MAX_FILE_BYTES, out, e))) goto out;
    if (out->len == 0 || out->len % RECORD != 0) {
        s = lt_fail(e, LT_EIO, "%s: offset %zu: %zu bytes are not a whole number of records of %d bytes", path,
                    out->len - out->len % RECORD, out->len, RECORD);
        goto out;
    }
    for (size_t i = 0; i < out->len; i += RECORD)
        if ((uint8_t)out->data[i] >= CLASSES) {
            s = lt_fail(e, LT_EINVAL, "%s: offset %zu: label %u, expected 0 to %d", path, i, (uint8_t)out->data[i],
                        CLASSES - 1);
            goto out;
        }
out:
    lt_free(path);
    return s;
}

lt_status data_read_cifar10(const struct lt_data_cfg *cfg, bool test, struct data_raw *out, struct lt_err *e) {
    static const char *const train_name[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                             "data_batch_4.bin", "data_batch_5.bin"};
    static const char *const test_name[] = {"test_batch.bin"};
    const char *const *name = test ? test_name : train_name;
    int n_files = test ? 1 : 5;
    struct lt_buf pixels = LT_BUF_INIT, labels = LT_BUF_INIT, file = LT_BUF_INIT;
    lt_status s = LT_OK;
    if (!cfg->dir || !*cfg->dir)
        return lt_fail(e, LT_EINVAL, "data: dir: missing; it names the folder that holds %s", name[0]);
    for (int f = 0; f < n_files; f++) {
        lt_buf_clear(&file);
        if ((s = read_records(cfg->dir, name[f], &file, e))) goto out;
        for (size_t i = 0; i < file.len; i += RECORD) {
            lt_buf_add(&labels, file.data + i, 1);
            lt_buf_add(&pixels, file.data + i + 1, IMAGE);
        }
    }
    if ((s = lt_buf_ok(&pixels, e)) || (s = lt_buf_ok(&labels, e))) goto out;
    out->n = (int64_t)labels.len;
    out->channels = CHANNELS;
    out->height = out->width = SIDE;
    out->classes = CLASSES;
    out->storage = lt_buf_take(&pixels);
    out->label_storage = lt_buf_take(&labels);
    out->pixels = out->storage;
    out->labels = out->label_storage;
out:
    lt_buf_release(&pixels);
    lt_buf_release(&labels);
    lt_buf_release(&file);
    return s;
}
