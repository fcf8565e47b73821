/*
 * Batch assembly: crop, flip, normalise and bilinear resize (half-pixel centres, edges clamped) of uint8 images into
 * [n,C,res,res] f32. Pixels go through a table per channel; each source row is resized horizontally once, output rows
 * blend two such rows. Nothing is kept between calls: the tables cost about a microsecond.
 */
#include "supernet/data_priv.h"
#include <string.h>

struct axis {
    int lo[DATA_MAX_SIDE], hi[DATA_MAX_SIDE];
    float w[DATA_MAX_SIDE];
}; /* value = src[lo] + w * (src[hi] - src[lo]) */

static void axis_fill(struct axis *a, int source, int target) {
    for (int i = 0; i < target; i++) {
        double p = (i + 0.5) * source / target - 0.5;
        if (p < 0) p = 0;
        int lo = (int)p;
        if (lo > source - 1) lo = source - 1;
        a->lo[i] = lo;
        a->hi[i] = lo + 1 < source ? lo + 1 : lo;
        a->w[i] = (float)(p - lo);
    }
}

/* One row of the cropped and flipped window, normalised: column x of the window is column x + dx of the image, zero
 * pixels outside. */
static void source_row(const uint8_t *image, int height, int width, int y, int dx, bool flip, const float *lut,
                       float *out) {
    float zero = lut[0];
    if (y < 0 || y >= height) {
        for (int x = 0; x < width; x++) out[x] = zero;
        return;
    }
    const uint8_t *row = image + (int64_t)y * width;
    int from = dx < 0 ? -dx : 0, to = dx > 0 ? width - dx : width;
    if (from > width) from = width;
    if (to < from) to = from;
    if (flip) {
        float *last = out + width - 1;
        for (int x = 0; x < from; x++) last[-x] = zero;
        for (int x = from; x < to; x++) last[-x] = lut[row[x + dx]];
        for (int x = to; x < width; x++) last[-x] = zero;
    } else {
        for (int x = 0; x < from; x++) out[x] = zero;
        for (int x = from; x < to; x++) out[x] = lut[row[x + dx]];
        for (int x = to; x < width; x++) out[x] = zero;
    }
}

struct shift {
    int dx, dy;
    bool flip;
};

static void plane_resized(const uint8_t *image, int height, int width, const struct shift *t, const float *lut,
                          const struct axis *ax, const struct axis *ay, int res, float *out) {
    float src[DATA_MAX_SIDE], cache[2][DATA_MAX_SIDE];
    int held[2] = {-1, -1}; /* window row held by each half of the cache */
    for (int y = 0; y < res; y++) {
        const float *pair[2];
        for (int k = 0; k < 2; k++) {
            int want = k ? ay->hi[y] : ay->lo[y], slot = want & 1;
            if (held[slot] != want) {
                source_row(image, height, width, want + t->dy, t->dx, t->flip, lut, src);
                for (int x = 0; x < res; x++)
                    cache[slot][x] = src[ax->lo[x]] + ax->w[x] * (src[ax->hi[x]] - src[ax->lo[x]]);
                held[slot] = want;
            }
            pair[k] = cache[slot];
        }
        float w = ay->w[y], *o = out + (int64_t)y * res;
        for (int x = 0; x < res; x++) o[x] = pair[0][x] + w * (pair[1][x] - pair[0][x]);
    }
}

void lt_data_batch(const struct lt_data *d, const int32_t *item, int n, int resolution, const struct lt_augment *aug,
                   float *x, uint8_t *labels) {
    LT_CHECK(resolution > 0 && resolution <= DATA_MAX_SIDE && d->channels <= 4);
    int64_t plane = (int64_t)d->height * d->width, out_plane = (int64_t)resolution * resolution;
    bool same = resolution == d->height && resolution == d->width;
    float lut[4][256];
    struct axis ax, ay;
    for (int c = 0; c < d->channels; c++)
        for (int v = 0; v < 256; v++) lut[c][v] = ((float)v / 255.0f - d->mean[c]) / d->sd[c];
    if (!same) {
        axis_fill(&ax, d->width, resolution);
        axis_fill(&ay, d->height, resolution);
    }
    for (int i = 0; i < n; i++) {
        LT_CHECK(item[i] >= 0 && item[i] < d->n);
        int32_t row = d->index[item[i]];
        struct shift t = {0};
        if (aug && (aug->flip || aug->crop > 0)) {
            struct lt_rng r;
            lt_rng_at(&r, aug->seed, LT_RNG_AUGMENT, aug->epoch, (uint64_t)row);
            if (aug->crop > 0) {
                t.dx = (int)lt_rng_below(&r, 2 * (uint32_t)aug->crop + 1) - aug->crop;
                t.dy = (int)lt_rng_below(&r, 2 * (uint32_t)aug->crop + 1) - aug->crop;
            }
            t.flip = aug->flip && (lt_rng_u32(&r) & 1);
        }
        if (labels) labels[i] = d->labels[row];
        for (int c = 0; c < d->channels; c++, x += out_plane) {
            const uint8_t *image = d->pixels + ((int64_t)row * d->channels + c) * plane;
            if (same)
                for (int y = 0; y < d->height; y++)
                    source_row(image, d->height, d->width, y + t.dy, t.dx, t.flip, lut[c], x + (int64_t)y * d->width);
            else
                plane_resized(image, d->height, d->width, &t, lut[c], &ax, &ay, resolution, x);
        }
    }
}
