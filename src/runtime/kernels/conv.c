/*
 * Dense and grouped convolution, channels-last, through im2col and a matrix product that the caller chooses; and by plain loops.
 * Weights are plain [O,I/g,K,K] outside and [O][K][K][I/g] inside, so that a patch is a sequence of contiguous pixels.
 */
#include "runtime/kernels/kernels.h"
#include <string.h>

static bool is_pointwise(const struct lt_conv *d)
{
    return d->kernel == 1 && d->stride == 1 && d->pad == 0 && d->groups == 1;
}

static int64_t patch(const struct lt_conv *d)
{
    return (int64_t)d->kernel * d->kernel * (d->ic / d->groups);
}

static int64_t out_pixels(const struct lt_conv *d)
{
    return (int64_t)d->oh * d->ow;
}

int64_t lt_conv_scratch(const struct lt_conv *d)
{
    return d->oc * patch(d) + (is_pointwise(d) ? 0 : out_pixels(d) * patch(d));
}

/* [O,I/g,K,K] -> [O][K*K][I/g] */
static void weights_in(const struct lt_conv *d, const float *w, float *out)
{
    const int64_t kk = (int64_t)d->kernel * d->kernel, ig = d->ic / d->groups;
    for (int64_t o = 0; o < d->oc; o++)
        for (int64_t i = 0; i < ig; i++)
            for (int64_t t = 0; t < kk; t++)
                out[(o * kk + t) * ig + i] = w[(o * ig + i) * kk + t];
}

static void weights_out_add(const struct lt_conv *d, const float *in, float *gw)
{
    const int64_t kk = (int64_t)d->kernel * d->kernel, ig = d->ic / d->groups;
    for (int64_t o = 0; o < d->oc; o++)
        for (int64_t i = 0; i < ig; i++)
            for (int64_t t = 0; t < kk; t++)
                gw[(o * ig + i) * kk + t] += in[(o * kk + t) * ig + i];
}

/* Index of the first channel of a group at a tap of an output pixel in one sample, or -1 in the padding. */
static int64_t source(const struct lt_conv *d, int64_t oy, int64_t ox, int64_t ky, int64_t kx)
{
    const int64_t step = lt_dilation(d->dilation), y = oy * d->stride - d->pad + ky * step, x = ox * d->stride - d->pad + kx * step;
    return y >= 0 && y < d->h && x >= 0 && x < d->w ? (y * d->w + x) * d->ic : -1;
}

#define EACH_TAP_OF_EACH_OUTPUT(d) \
    for (int64_t oy = 0; oy < (d)->oh; oy++) \
        for (int64_t ox = 0; ox < (d)->ow; ox++) \
            for (int64_t ky = 0; ky < (d)->kernel; ky++) \
                for (int64_t kx = 0; kx < (d)->kernel; kx++)

/* One sample and group, x at the group's first channel -> col [oh*ow][K*K][I/g]. */
static void im2col(const struct lt_conv *d, const float *x, float *col)
{
    const size_t ig = (size_t)(d->ic / d->groups);
    EACH_TAP_OF_EACH_OUTPUT(d) {
        int64_t at = source(d, oy, ox, ky, kx);
        if (at < 0)
            memset(col, 0, ig * sizeof(float));
        else
            memcpy(col, x + at, ig * sizeof(float));
        col += ig;
    }
}

static void col2im_add(const struct lt_conv *d, const float *col, float *x)
{
    const int64_t ig = d->ic / d->groups;
    EACH_TAP_OF_EACH_OUTPUT(d) {
        int64_t at = source(d, oy, ox, ky, kx);
        for (int64_t i = 0; i < ig && at >= 0; i++)
            x[at + i] += col[i];
        col += ig;
    }
}

void lt_conv_forward(const struct lt_conv *d, lt_gemm_fn gemm, const float *x, const float *w, const float *bias, float *y, float *scratch)
{
    const int64_t p = patch(d), in = (int64_t)d->h * d->w * d->ic, out = out_pixels(d) * d->oc;
    const int og = d->oc / d->groups, ig = d->ic / d->groups;
    float *wp = scratch, *col = scratch + d->oc * p;
    struct lt_gemm g = {.m = (int)out_pixels(d), .n = og, .k = (int)p, .lda = (int)p, .ldb = (int)p, .ldc = d->oc, .tb = true, .accumulate = bias != NULL};
    if (bias)
        for (int64_t r = 0; r < d->n * out_pixels(d); r++)
            memcpy(y + r * d->oc, bias, (size_t)d->oc * sizeof(float));
    if (is_pointwise(d)) {
        g.m *= d->n;
        g.lda = d->ic;
        g.a = x;
        g.b = w;
        g.c = y;
        gemm(&g);
        return;
    }
    weights_in(d, w, wp);
    for (int n = 0; n < d->n; n++)
        for (int k = 0; k < d->groups; k++) {
            im2col(d, x + n * in + k * ig, col);
            g.a = col;
            g.b = wp + k * og * p;
            g.c = y + n * out + k * og;
            gemm(&g);
        }
}

void lt_conv_backward_data(const struct lt_conv *d, lt_gemm_fn gemm, const float *dy, const float *w, float *dx, float *scratch)
{
    const int64_t p = patch(d), in = (int64_t)d->h * d->w * d->ic, out = out_pixels(d) * d->oc;
    const int og = d->oc / d->groups, ig = d->ic / d->groups;
    float *wp = scratch, *col = scratch + d->oc * p;
    struct lt_gemm g = {.m = (int)out_pixels(d), .n = (int)p, .k = og, .lda = d->oc, .ldb = (int)p, .ldc = (int)p};
    if (is_pointwise(d)) {
        g.m *= d->n;
        g.a = dy;
        g.b = w;
        g.c = dx;
        gemm(&g);
        return;
    }
    weights_in(d, w, wp);
    memset(dx, 0, (size_t)(d->n * in) * sizeof(float));
    for (int n = 0; n < d->n; n++)
        for (int k = 0; k < d->groups; k++) {
            g.a = dy + n * out + k * og;
            g.b = wp + k * og * p;
            g.c = col;
            gemm(&g);
            col2im_add(d, col, dx + n * in + k * ig);
        }
}

void lt_conv_backward_weights(const struct lt_conv *d, lt_gemm_fn gemm, const float *x, const float *dy, float *gw, float *scratch)
{
    const int64_t p = patch(d), in = (int64_t)d->h * d->w * d->ic, out = out_pixels(d) * d->oc;
    const int og = d->oc / d->groups, ig = d->ic / d->groups;
    float *wp = scratch, *col = scratch + d->oc * p;
    struct lt_gemm g = {.m = og, .n = (int)p, .k = (int)out_pixels(d), .lda = d->oc, .ldb = (int)p, .ldc = (int)p, .ta = true, .accumulate = true};
    if (is_pointwise(d)) {
        g.k *= d->n;
        g.a = dy;
        g.b = x;
        g.c = gw;
        gemm(&g);
        return;
    }
    memset(wp, 0, (size_t)(d->oc * p) * sizeof(float));
    for (int n = 0; n < d->n; n++)
        for (int k = 0; k < d->groups; k++) {
            im2col(d, x + n * in + k * ig, col);
            g.a = dy + n * out + k * og;
            g.b = col;
            g.c = wp + k * og * p;
            gemm(&g);
        }
    weights_out_add(d, wp, gw);
}

#define EACH_OUTPUT(d) \
    for (int64_t n = 0; n < (d)->n; n++) \
        for (int64_t oy = 0; oy < (d)->oh; oy++) \
            for (int64_t ox = 0; ox < (d)->ow; ox++) \
                for (int64_t o = 0; o < (d)->oc; o++)
/* Body sees: at, index into x of input channel i at the tap; wi, index into w. */
#define EACH_PRODUCT(d, body) do { \
        const int64_t ig = (d)->ic / (d)->groups, first = o / ((d)->oc / (d)->groups) * ig, in = (int64_t)(d)->h * (d)->w * (d)->ic; \
        for (int64_t ky = 0; ky < (d)->kernel; ky++) \
            for (int64_t kx = 0; kx < (d)->kernel; kx++) { \
                int64_t px = source(d, oy, ox, ky, kx); \
                for (int64_t i = 0; i < ig && px >= 0; i++) { \
                    int64_t at = n * in + px + first + i, wi = ((o * ig + i) * (d)->kernel + ky) * (d)->kernel + kx; \
                    body; \
                } \
            } \
    } while (0)

static int64_t out_index(const struct lt_conv *d, int64_t n, int64_t oy, int64_t ox, int64_t o)
{
    return ((n * d->oh + oy) * d->ow + ox) * d->oc + o;
}

void lt_conv_forward_plain(const struct lt_conv *d, const float *x, const float *w, const float *bias, float *y)
{
    EACH_OUTPUT(d) {
        double acc = bias ? bias[o] : 0;
        EACH_PRODUCT(d, acc += (double)x[at] * w[wi]);
        y[out_index(d, n, oy, ox, o)] = (float)acc;
    }
}

void lt_conv_backward_data_plain(const struct lt_conv *d, const float *dy, const float *w, float *dx)
{
    memset(dx, 0, (size_t)d->n * (size_t)d->h * (size_t)d->w * (size_t)d->ic * sizeof(float));
    EACH_OUTPUT(d) {
        float g = dy[out_index(d, n, oy, ox, o)];
        EACH_PRODUCT(d, dx[at] += g * w[wi]);
    }
}

void lt_conv_backward_weights_plain(const struct lt_conv *d, const float *x, const float *dy, float *gw)
{
    EACH_OUTPUT(d) {
        float g = dy[out_index(d, n, oy, ox, o)];
        EACH_PRODUCT(d, gw[wi] += g * x[at]);
    }
}
