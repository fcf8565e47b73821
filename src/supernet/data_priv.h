/*
 * The data room's inside: what a format reader hands over, and the set that owns it. Readers are data_idx.c,
 * data_cifar10.c and data_synthetic.c; data.c splits, computes statistics and hashes; data_batch.c turns rows into
 * float batches.
 */
#ifndef LT_SUPERNET_DATA_PRIV_H
#define LT_SUPERNET_DATA_PRIV_H
#include "lathe/data.h"

#define DATA_MAX_SIDE 1024 /* pixels; row buffers live on the stack */

enum data_format { DATA_IDX, DATA_CIFAR10, DATA_SYNTHETIC };

/* One file pair (or group) as read: n images [n,C,H,W] and n labels. `storage` and `label_storage` own the bytes. */
struct data_raw {
    int64_t n;
    int channels, height, width, classes;
    const uint8_t *pixels, *labels;
    void *storage, *label_storage; /* lt_free */
};
void data_raw_release(struct data_raw *r);
lt_status data_read_idx(const struct lt_data_cfg *cfg, bool test, struct data_raw *out, struct lt_err *e);
lt_status data_read_cifar10(const struct lt_data_cfg *cfg, bool test, struct data_raw *out, struct lt_err *e);
lt_status data_make_synthetic(const struct lt_data_cfg *cfg, uint64_t seed, bool test, struct data_raw *out,
                              struct lt_err *e);
lt_status data_read(const struct lt_data_cfg *cfg, uint64_t seed, bool test, struct data_raw *out, struct lt_err *e);

struct lt_data_set {
    struct data_raw raw;
    int32_t *perm;                          /* [raw.n] rows: validation first, then train */
    struct lt_data train, validation, test; /* views; n = 0 for what this set does not hold */
    uint64_t hash;
};
/* View of rows index[0..n) of the set's images; statistics are left zero. */
struct lt_data data_view(const struct data_raw *r, const int32_t *index, int n);
/* Of the pixels, labels and order of one part: what a checkpoint compares. */
uint64_t data_part_hash(const struct lt_data *d);
#endif
