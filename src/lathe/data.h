/*
 * Labelled image data sets: uint8 pixels in memory, normalised, augmented and resized into float batches.
 * lt_data_load reads the training part only and splits it into train / validation by seed; the test part can only be
 * had through lathe/data_test.h, which one file (src/run/final.c) includes. Formats: "idx" (MNIST layout, plain or .gz:
 * train-images-idx3-ubyte...), "cifar10" (binary layout: data_batch_1..5.bin, test_batch.bin), "synthetic" (made from
 * the seed: class-dependent patterns with noise, for tests without data). Bad files (missing, truncated gzip, wrong
 * magic, label >= classes, counts that differ) are LT_EIO/LT_EINVAL naming file and offset.
 */
#ifndef LATHE_DATA_H
#define LATHE_DATA_H
#include "lathe/opt.h"
#include "lathe/rng.h"
#ifdef __cplusplus
extern "C" {
#endif
struct lt_data_cfg {
    int format;
    char *dir;
    int64_t validation;
    int64_t limit;
    bool flip;
    int64_t crop;
    int64_t classes, channels, size;
};
/* format, dir, validation, limit (0 = all), flip, crop (pad pixels), and classes/channels/size for synthetic */
extern const struct lt_opt lt_data_opts[];
const char *lt_data_source(const struct lt_data_cfg *cfg); /* the folder, or "synthetic" */
/* One part; images share storage with the other part. */
struct lt_data {
    int n, channels, height, width, classes;
    const uint8_t *pixels; /* whole file, [.,C,H,W] */
    const uint8_t *labels;
    const int32_t *index; /* [n] rows of this part */
    float mean[4], sd[4]; /* per channel of the train part, in [0,1] units */
};
struct lt_data_set;
lt_status lt_data_load(const struct lt_data_cfg *cfg, uint64_t seed, struct lt_data_set **out, struct lt_err *e);
void lt_data_free(struct lt_data_set *d);
const struct lt_data *lt_data_train(const struct lt_data_set *d);
const struct lt_data *lt_data_validation(const struct lt_data_set *d);
uint64_t lt_data_hash(const struct lt_data_set *d); /* of pixels, labels and split */
/* Images item[0..n) of the part -> x [n,C,res,res] normalised f32 and labels [n]. Bilinear (half-pixel) resize when res
 * differs from the stored size. augment: random crop after `crop` pixels of zero padding and horizontal flip, drawn per
 * image from (seed, LT_RNG_AUGMENT, epoch, image); NULL = none. */
struct lt_augment {
    uint64_t seed;
    uint64_t epoch;
    bool flip;
    int crop;
};
void lt_data_batch(const struct lt_data *d, const int32_t *item, int n, int resolution, const struct lt_augment *aug,
                   float *x, uint8_t *labels);
#ifdef __cplusplus
}
#endif
#endif
