/*
 * Data sets: options, reading by format, the split into train and validation by seed, statistics of the train part, and
 * the hash that a checkpoint compares. The test part is read elsewhere (data_test.c), on demand of the final step
 * alone.
 */
#include "supernet/data_priv.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include <math.h>
#include <string.h>

const struct lt_opt lt_data_opts[] = {
    {"format", LT_OPT_ENUM, "", "idx", 0, 0, offsetof(struct lt_data_cfg, format), "idx|cifar10|synthetic",
     "file layout: idx (MNIST, Fashion-MNIST; plain or .gz), cifar10 (binary version), synthetic (made from the seed)"},
    {"dir", LT_OPT_STRING, "", "/usr/share/datasets/fashion-mnist", 0, 0, offsetof(struct lt_data_cfg, dir), NULL,
     "folder that holds the files"},
    {"validation", LT_OPT_INT, "", "5000", 1, 1e9, offsetof(struct lt_data_cfg, validation), NULL,
     "training images held out to compare candidates"},
    {"limit", LT_OPT_INT, "", "0", 0, 1e9, offsetof(struct lt_data_cfg, limit), NULL,
     "use only the first so many images of each part's files; 0 = all"},
    {"flip", LT_OPT_BOOL, "", "true", 0, 0, offsetof(struct lt_data_cfg, flip), NULL,
     "augmentation: horizontal flip with probability one half"},
    {"crop", LT_OPT_INT, "", "2", 0, 64, offsetof(struct lt_data_cfg, crop), NULL,
     "augmentation: random crop after padding by so many pixels on each side"},
    {"classes", LT_OPT_INT, "", "10", 2, 255, offsetof(struct lt_data_cfg, classes), NULL,
     "number of classes (idx and synthetic)"},
    {"channels", LT_OPT_INT, "", "1", 1, 4, offsetof(struct lt_data_cfg, channels), NULL, "channels (synthetic)"},
    {"size", LT_OPT_INT, "", "28", 4, DATA_MAX_SIDE, offsetof(struct lt_data_cfg, size), NULL,
     "height and width in pixels (synthetic)"},
    {0}};

void data_raw_release(struct data_raw *r) {
    lt_free(r->storage);
    lt_free(r->label_storage);
    memset(r, 0, sizeof(*r));
}

struct lt_data data_view(const struct data_raw *r, const int32_t *index, int n) {
    return (struct lt_data){.n = n,
                            .channels = r->channels,
                            .height = r->height,
                            .width = r->width,
                            .classes = r->classes,
                            .pixels = r->pixels,
                            .labels = r->labels,
                            .index = index};
}

const char *lt_data_source(const struct lt_data_cfg *cfg) {
    return cfg->format == DATA_SYNTHETIC || !cfg->dir || !*cfg->dir ? "synthetic" : cfg->dir;
}

lt_status data_read(const struct lt_data_cfg *cfg, uint64_t seed, bool test, struct data_raw *out, struct lt_err *e) {
    lt_status s;
    switch (cfg->format) {
    case DATA_IDX:
        s = data_read_idx(cfg, test, out, e);
        break;
    case DATA_CIFAR10:
        s = data_read_cifar10(cfg, test, out, e);
        break;
    case DATA_SYNTHETIC:
        s = data_make_synthetic(cfg, seed, test, out, e);
        break;
    default:
        return lt_fail(e, LT_EINVAL, "data: format %d is not one of idx, cifar10, synthetic", cfg->format);
    }
    if (s) return s;
    if (cfg->limit > 0 && out->n > cfg->limit) out->n = cfg->limit;
    return LT_OK;
}

/* Mean and standard deviation per channel in [0,1] units, by exact integer sums. A constant channel gets sd 1. */
static void statistics(struct lt_data *d) {
    int64_t plane = (int64_t)d->height * d->width;
    uint64_t sum[4] = {0}, square[4] = {0};
    for (int i = 0; i < d->n; i++) {
        const uint8_t *image = d->pixels + d->index[i] * plane * d->channels;
        for (int c = 0; c < d->channels; c++, image += plane) {
            uint64_t s = 0, q = 0;
            for (int64_t p = 0; p < plane; p++) {
                s += image[p];
                q += (uint32_t)image[p] * image[p];
            }
            sum[c] += s;
            square[c] += q;
        }
    }
    for (int c = 0; c < d->channels; c++) {
        double count = (double)d->n * (double)plane, mean = (double)sum[c] / count;
        double var = (double)square[c] / count - mean * mean;
        d->mean[c] = (float)(mean / 255);
        d->sd[c] = var > 1e-6 ? (float)(sqrt(var) / 255) : 1.0f;
    }
}

uint64_t data_part_hash(const struct lt_data *d) {
    size_t image = (size_t)d->channels * d->height * d->width;
    int64_t head[5] = {d->n, d->channels, d->height, d->width, d->classes};
    uint64_t h = lt_hash64(head, sizeof(head), 0);
    h = lt_hash64(d->index, (size_t)d->n * sizeof(*d->index), h);
    for (int i = 0; i < d->n; i++) {
        h = lt_hash64(d->pixels + d->index[i] * image, image, h);
        h = lt_hash64(d->labels + d->index[i], 1, h);
    }
    return h;
}

lt_status lt_data_load(const struct lt_data_cfg *cfg, uint64_t seed, struct lt_data_set **out, struct lt_err *e) {
    lt_status s;
    struct lt_data_set *d = lt_calloc(1, sizeof(*d));
    if (!d) return lt_fail(e, LT_ENOMEM, "data set");
    if ((s = data_read(cfg, seed, false, &d->raw, e))) goto out;
    int64_t n = d->raw.n;
    if (cfg->validation < 0 || cfg->validation >= n) {
        s = lt_fail(e, LT_EINVAL, "data: validation: %lld of %lld training images would leave none to train on",
                    (long long)cfg->validation, (long long)n);
        goto out;
    }
    if (!(d->perm = lt_malloc((size_t)n * sizeof(*d->perm)))) {
        s = lt_fail(e, LT_ENOMEM, "data set: order of %lld images", (long long)n);
        goto out;
    }
    for (int32_t i = 0; i < n; i++) d->perm[i] = i;
    struct lt_rng r;
    lt_rng_at(&r, seed, LT_RNG_SPLIT, 0, 0);
    lt_rng_shuffle(&r, d->perm, (int32_t)n);
    int validation = (int)cfg->validation;
    d->validation = data_view(&d->raw, d->perm, validation);
    d->train = data_view(&d->raw, d->perm + validation, (int)n - validation);
    statistics(&d->train);
    memcpy(d->validation.mean, d->train.mean, sizeof(d->train.mean));
    memcpy(d->validation.sd, d->train.sd, sizeof(d->train.sd));
    d->hash = lt_hash64(&cfg->validation, sizeof(cfg->validation), seed);
    d->hash = lt_hash64(d->raw.labels, (size_t)n, d->hash);
    d->hash = lt_hash64(d->raw.pixels, (size_t)n * d->raw.channels * d->raw.height * d->raw.width, d->hash);
    d->hash = lt_hash64(d->perm, (size_t)n * sizeof(*d->perm), d->hash);
    *out = d;
    d = NULL;
out:
    lt_data_free(d);
    return s;
}

void lt_data_free(struct lt_data_set *d) {
    if (!d) return;
    data_raw_release(&d->raw);
    lt_free(d->perm);
    lt_free(d);
}

const struct lt_data *lt_data_train(const struct lt_data_set *d) { return &d->train; }

const struct lt_data *lt_data_validation(const struct lt_data_set *d) { return &d->validation; }

uint64_t lt_data_hash(const struct lt_data_set *d) { return d->hash; }
