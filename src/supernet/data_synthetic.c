/*
 * Synthetic images for tests without data: each class is a smooth pattern (a few random plane waves, drawn from the
 * seed), each image is its class's pattern, shifted by a few pixels, at random contrast, under noise. A small network
 * learns it in seconds, a linear one does not learn all of it because of the shifts.
 */
#include "supernet/data_priv.h"
#include "lathe/mem.h"
#include <math.h>

enum { WAVES = 3, DEFAULT_TRAIN = 4096, DEFAULT_TEST = 1024 };

struct wave {
    double fx, fy, phase;
};

lt_status data_make_synthetic(const struct lt_data_cfg *cfg, uint64_t seed, bool test, struct data_raw *out,
                              struct lt_err *e) {
    int side = (int)cfg->size, channels = (int)cfg->channels, classes = (int)cfg->classes;
    int64_t n = cfg->limit > 0 ? cfg->limit : test ? DEFAULT_TEST : DEFAULT_TRAIN, plane = (int64_t)side * side;
    if (side < 4 || side > DATA_MAX_SIDE || channels < 1 || channels > 4 || classes < 2 || classes > 255)
        return lt_fail(e, LT_EINVAL,
                       "data: synthetic: classes %d, channels %d, size %d: expected 2 to 255, 1 to 4, 4 to %d", classes,
                       channels, side, DATA_MAX_SIDE);
    uint8_t *pixels = lt_malloc((size_t)(n * plane) * channels), *labels = lt_malloc((size_t)n);
    struct wave *wave = lt_malloc((size_t)classes * channels * WAVES * sizeof(*wave));
    if (!pixels || !labels || !wave) {
        lt_free(pixels);
        lt_free(labels);
        lt_free(wave);
        return lt_fail(e, LT_ENOMEM, "synthetic data: %lld images", (long long)n);
    }
    struct lt_rng r;
    for (int c = 0; c < classes; c++) {
        lt_rng_at(&r, seed, LT_RNG_SAMPLE, 0, (uint64_t)c);
        for (int k = 0; k < channels * WAVES; k++) /* up to 3 periods a side */
            wave[c * channels * WAVES + k] =
                (struct wave){2 * M_PI * (lt_rng_u01(&r) * 6 - 3) / side, 2 * M_PI * (lt_rng_u01(&r) * 6 - 3) / side,
                              2 * M_PI * lt_rng_u01(&r)};
    }
    for (int64_t i = 0; i < n; i++) {
        lt_rng_at(&r, seed, LT_RNG_SAMPLE, test ? 2 : 1, (uint64_t)i);
        int label = (int)lt_rng_below(&r, (uint32_t)classes);
        double dx = lt_rng_u01(&r) * 4 - 2, dy = lt_rng_u01(&r) * 4 - 2, contrast = 20 + 15 * lt_rng_u01(&r);
        labels[i] = (uint8_t)label;
        for (int c = 0; c < channels; c++) {
            const struct wave *w = wave + (label * channels + c) * WAVES;
            uint8_t *p = pixels + (i * channels + c) * plane;
            for (int y = 0; y < side; y++)
                for (int x = 0; x < side; x++) {
                    double v = 0;
                    for (int k = 0; k < WAVES; k++) v += cos(w[k].fx * (x + dx) + w[k].fy * (y + dy) + w[k].phase);
                    v = 128 + contrast * v + 60 * (lt_rng_u01(&r) - 0.5);
                    p[y * side + x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
                }
        }
    }
    lt_free(wave);
    *out = (struct data_raw){.n = n,
                             .channels = channels,
                             .height = side,
                             .width = side,
                             .classes = classes,
                             .pixels = pixels,
                             .labels = labels,
                             .storage = pixels,
                             .label_storage = labels};
    return LT_OK;
}
