/*
 * Plain-loop kernels: the definition that every other table is tested against, and the "reference" backend's arithmetic.
 * Sums are kept in double. Channels-last; see kernels.h for the contracts.
 */
#include "graph/quantize.h"
#include "runtime/kernels/kernels.h"
#include <math.h>
#include <string.h>

static float clamp(float x, float lo, float hi)
{
    return x < lo ? lo : x > hi ? hi : x;                /* NaN goes through */
}

static float act1(enum lt_act a, float x)
{
    switch (a) {
    case LT_ACT_RELU: return x < 0 ? 0 : x;
    case LT_ACT_RELU6: return clamp(x, 0, 6);
    case LT_ACT_HSWISH: return x * clamp(x + 3, 0, 6) / 6;
    case LT_ACT_HSIGMOID: return clamp(x + 3, 0, 6) / 6;
    case LT_ACT_SIGMOID: return 1 / (1 + expf(-x));
    case LT_ACT_SILU: return x / (1 + expf(-x));
    case LT_ACT_TANH: return tanhf(x);
    case LT_ACT_GELU: return 0.5f * x * erfcf(-0.70710678f * x);
    default: return x;
    }
}

/* act'(x); at a kink that of the flat side */
static float act1_grad(enum lt_act a, float x)
{
    float s;
    switch (a) {
    case LT_ACT_RELU: return x > 0;
    case LT_ACT_RELU6: return x > 0 && x < 6;
    case LT_ACT_HSWISH: return x > -3 ? x < 3 ? x / 3 + 0.5f : 1 : 0;
    case LT_ACT_HSIGMOID: return x > -3 && x < 3 ? 1.0f / 6 : 0;
    case LT_ACT_SIGMOID: s = 1 / (1 + expf(-x)); return s * (1 - s);
    case LT_ACT_SILU: s = 1 / (1 + expf(-x)); return s * (1 + x * (1 - s));
    case LT_ACT_TANH: s = tanhf(x); return 1 - s * s;
    case LT_ACT_GELU: return 0.5f * erfcf(-0.70710678f * x) + x * 0.39894228f * expf(-0.5f * x * x);
    default: return 1;
    }
}

/* Input pixel under tap (ky,kx) of output (oy,ox) of sample n, or -1 in the padding. */
static int64_t pixel(const struct lt_window *d, int n, int oy, int ox, int ky, int kx)
{
    const int step = lt_dilation(d->dilation), y = oy * d->stride - d->pad + ky * step, x = ox * d->stride - d->pad + kx * step;
    return y >= 0 && y < d->h && x >= 0 && x < d->w ? ((int64_t)n * d->h + y) * d->w + x : -1;
}

static int64_t out_pixel(const struct lt_window *d, int n, int oy, int ox)
{
    return ((int64_t)n * d->oh + oy) * d->ow + ox;
}

#define EACH_OUTPUT(d) \
    for (int n = 0; n < (d)->n; n++) \
        for (int oy = 0; oy < (d)->oh; oy++) \
            for (int ox = 0; ox < (d)->ow; ox++)
#define EACH_TAP(d) \
    for (int ky = 0; ky < (d)->kernel; ky++) \
        for (int kx = 0; kx < (d)->kernel; kx++)

static void dw_forward(const struct lt_window *d, const float *x, const float *wp, const float *bias, enum lt_act act, float *y)
{
    const int64_t c = d->c;
    EACH_OUTPUT(d)
        for (int64_t ch = 0; ch < c; ch++) {
            double acc = bias ? bias[ch] : 0;
            EACH_TAP(d) {
                int64_t p = pixel(d, n, oy, ox, ky, kx);
                if (p >= 0)
                    acc += (double)x[p * c + ch] * wp[(ky * d->kernel + kx) * c + ch];
            }
            y[out_pixel(d, n, oy, ox) * c + ch] = act1(act, (float)acc);
        }
}

static void dw_backward_data(const struct lt_window *d, const float *dy, const float *wp, float *dx)
{
    const int64_t c = d->c;
    for (int n = 0; n < d->n; n++)
        for (int iy = 0; iy < d->h; iy++)
            for (int ix = 0; ix < d->w; ix++)
                for (int64_t ch = 0; ch < c; ch++) {
                    double acc = 0;
                    EACH_TAP(d) {
                        int ty = iy + d->pad - ky * lt_dilation(d->dilation), tx = ix + d->pad - kx * lt_dilation(d->dilation);
                        if (ty >= 0 && tx >= 0 && ty % d->stride == 0 && tx % d->stride == 0 && ty / d->stride < d->oh && tx / d->stride < d->ow)
                            acc += (double)dy[out_pixel(d, n, ty / d->stride, tx / d->stride) * c + ch] * wp[(ky * d->kernel + kx) * c + ch];
                    }
                    dx[(((int64_t)n * d->h + iy) * d->w + ix) * c + ch] = (float)acc;
                }
}

static void dw_backward_weights(const struct lt_window *d, const float *x, const float *dy, float *gp)
{
    const int64_t c = d->c;
    EACH_TAP(d)
        for (int64_t ch = 0; ch < c; ch++) {
            double acc = 0;
            EACH_OUTPUT(d) {
                int64_t p = pixel(d, n, oy, ox, ky, kx);
                if (p >= 0)
                    acc += (double)x[p * c + ch] * dy[out_pixel(d, n, oy, ox) * c + ch];
            }
            gp[(ky * d->kernel + kx) * c + ch] += (float)acc;
        }
}

static void bn_stats(const float *x, int64_t rows, int c, float *mean, float *var)
{
    for (int64_t ch = 0; ch < c; ch++) {
        double m = 0, v = 0;
        for (int64_t r = 0; r < rows; r++)
            m += x[r * c + ch];
        m /= (double)rows;
        for (int64_t r = 0; r < rows; r++)
            v += (x[r * c + ch] - m) * (x[r * c + ch] - m);
        mean[ch] = (float)m;
        var[ch] = (float)(v / (double)rows);
    }
}

static void bn_forward(const struct lt_bn *b, const float *x, const float *res, float *y)
{
    for (int64_t r = 0; r < b->rows; r++)
        for (int64_t ch = 0; ch < b->c; ch++) {
            int64_t i = r * b->c + ch;
            float v = act1(b->act, (x[i] - b->mean[ch]) * (b->gamma[ch] * b->rstd[ch]) + b->beta[ch]);
            y[i] = res ? v + res[i] : v;
        }
}

static void bn_backward(const struct lt_bn *b, const float *x, const float *dy, float *dx, float *dgamma, float *dbeta)
{
    for (int64_t ch = 0; ch < b->c; ch++) {
        double sum = 0, dot = 0, scale = (double)b->gamma[ch] * b->rstd[ch];
        for (int64_t r = 0; r < b->rows; r++) {
            int64_t i = r * b->c + ch;
            float xm = x[i] - b->mean[ch], g = dy[i] * act1_grad(b->act, xm * (float)scale + b->beta[ch]);
            sum += g;
            dot += (double)g * xm;
        }
        for (int64_t r = 0; r < b->rows; r++) {
            int64_t i = r * b->c + ch;
            float xm = x[i] - b->mean[ch];
            double g = dy[i] * act1_grad(b->act, xm * (float)scale + b->beta[ch]);
            if (!b->fixed)
                g -= (sum + (double)xm * b->rstd[ch] * b->rstd[ch] * dot) / (double)b->rows;
            dx[i] = (float)(scale * g);
        }
        dgamma[ch] = (float)(dot * b->rstd[ch]);
        dbeta[ch] = (float)sum;
    }
}

static void affine(const float *x, int64_t rows, int c, const float *scale, const float *shift, enum lt_act act, const float *res, float *y)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t ch = 0; ch < c; ch++) {
            int64_t i = r * c + ch;
            float v = act1(act, x[i] * (scale ? scale[ch] : 1) + (shift ? shift[ch] : 0));
            y[i] = res ? v + res[i] : v;
        }
}

static void column_sums(const float *x, int64_t rows, int c, float *sum)
{
    for (int64_t ch = 0; ch < c; ch++) {
        double s = 0;
        for (int64_t r = 0; r < rows; r++)
            s += x[r * c + ch];
        sum[ch] += (float)s;
    }
}

static void act_forward(enum lt_act act, const float *x, int64_t count, float *y)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = act1(act, x[i]);
}

static void act_backward(enum lt_act act, const float *x, const float *dy, int64_t count, float *dx)
{
    for (int64_t i = 0; i < count; i++)
        dx[i] = dy[i] * act1_grad(act, x[i]);
}

static void add(const float *a, const float *b, int64_t count, float *y)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = a[i] + b[i];
}

static void mul_forward(const float *x, const float *s, int n, int64_t hw, int c, float *y)
{
    for (int64_t i = 0, count = n * hw * c; i < count; i++)
        y[i] = x[i] * s[i / (hw * c) * c + i % c];
}

static void mul_backward(const float *x, const float *s, const float *dy, int n, int64_t hw, int c, float *dx, float *ds)
{
    for (int64_t k = 0; k < n; k++, x += hw * c, dy += hw * c, dx += hw * c)
        for (int64_t ch = 0; ch < c; ch++) {
            double dot = 0;
            for (int64_t i = ch; i < hw * c; i += c) {
                dot += (double)x[i] * dy[i];
                dx[i] = dy[i] * s[k * c + ch];
            }
            ds[k * c + ch] = (float)dot;
        }
}

static void gap_forward(const float *x, int n, int64_t hw, int c, float *y)
{
    for (int64_t k = 0; k < n; k++)
        for (int64_t ch = 0; ch < c; ch++) {
            double s = 0;
            for (int64_t p = 0; p < hw; p++)
                s += x[(k * hw + p) * c + ch];
            y[k * c + ch] = (float)(s / (double)hw);
        }
}

static void gap_backward(const float *dy, int n, int64_t hw, int c, float *dx)
{
    for (int64_t i = 0, count = n * hw * c; i < count; i++)
        dx[i] = dy[i / (hw * c) * c + i % c] / (float)hw;
}

/* Pixel of the maximum of one window and channel, -1 when there is none; the number of pixels in *count. */
static int64_t argmax(const struct lt_window *d, int n, int oy, int ox, int64_t ch, const float *x, int *count)
{
    float best = -INFINITY;
    int64_t at = -1;
    *count = 0;
    EACH_TAP(d) {
        int64_t p = pixel(d, n, oy, ox, ky, kx);
        if (p < 0)
            continue;
        ++*count;
        if (x && x[p * d->c + ch] > best) {
            best = x[p * d->c + ch];
            at = p;
        }
    }
    return at;
}

static void pool_forward(const struct lt_window *d, enum lt_pool kind, const float *x, float *y)
{
    const int64_t c = d->c;
    EACH_OUTPUT(d)
        for (int64_t ch = 0; ch < c; ch++) {
            int count;
            int64_t at = argmax(d, n, oy, ox, ch, x, &count);
            float *out = y + out_pixel(d, n, oy, ox) * c + ch;
            double s = 0;
            if (!count)
                *out = 0;
            else if (kind == LT_POOL_MAX)
                *out = at < 0 ? -INFINITY : x[at * c + ch];
            else {
                EACH_TAP(d) {
                    int64_t p = pixel(d, n, oy, ox, ky, kx);
                    if (p >= 0)
                        s += x[p * c + ch];
                }
                *out = (float)(s / count);
            }
        }
}

static void pool_backward(const struct lt_window *d, enum lt_pool kind, const float *x, const float *dy, float *dx)
{
    const int64_t c = d->c;
    memset(dx, 0, (size_t)d->n * (size_t)d->h * (size_t)d->w * (size_t)c * sizeof(float));
    EACH_OUTPUT(d)
        for (int64_t ch = 0; ch < c; ch++) {
            int count;
            float g = dy[out_pixel(d, n, oy, ox) * c + ch];
            int64_t at = argmax(d, n, oy, ox, ch, kind == LT_POOL_MAX ? x : NULL, &count);
            if (kind == LT_POOL_MAX) {
                if (at >= 0)
                    dx[at * c + ch] += g;
                continue;
            }
            EACH_TAP(d) {
                int64_t p = pixel(d, n, oy, ox, ky, kx);
                if (p >= 0)
                    dx[p * c + ch] += g / (float)count;
            }
        }
}

static void nchw_to_nhwc(const float *x, int n, int c, int64_t hw, float *y)
{
    for (int64_t k = 0; k < n; k++)
        for (int64_t p = 0; p < hw; p++)
            for (int64_t ch = 0; ch < c; ch++)
                y[(k * hw + p) * c + ch] = x[(k * c + ch) * hw + p];
}

static void nhwc_to_nchw(const float *x, int n, int c, int64_t hw, float *y)
{
    for (int64_t k = 0; k < n; k++)
        for (int64_t p = 0; p < hw; p++)
            for (int64_t ch = 0; ch < c; ch++)
                y[(k * c + ch) * hw + p] = x[(k * hw + p) * c + ch];
}

static void gemm(const struct lt_gemm *g)
{
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t j = 0; j < g->n; j++) {
            double s = g->accumulate ? g->c[i * g->ldc + j] : 0;
            for (int64_t l = 0; l < g->k; l++)
                s += (double)g->a[g->ta ? l * g->lda + i : i * g->lda + l] * g->b[g->tb ? j * g->ldb + l : l * g->ldb + j];
            g->c[i * g->ldc + j] = (float)s;
        }
}

static void layernorm(const float *x, int64_t rows, int c, const float *gamma, const float *beta, float eps, bool rms, float *y)
{
    for (int64_t r = 0; r < rows; r++, x += c, y += c) {
        double mean = 0, square = 0;
        for (int i = 0; i < c && !rms; i++)
            mean += (double)x[i] / c;
        for (int i = 0; i < c; i++)
            square += (x[i] - mean) * (x[i] - mean) / c;
        for (int i = 0; i < c; i++)
            y[i] = (float)((x[i] - mean) / sqrt(square + eps) * gamma[i] + (beta ? beta[i] : 0));
    }
}

static void softmax(float *x, int64_t count)
{
    double top = x[0], sum = 0;
    for (int64_t i = 1; i < count; i++)
        top = x[i] > top ? x[i] : top;
    for (int64_t i = 0; i < count; i++)
        sum += exp(x[i] - top);
    for (int64_t i = 0; i < count; i++)
        x[i] = (float)(exp(x[i] - top) / sum);
}

static void elu1(const float *x, int64_t count, float *y)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = x[i] > 0 ? x[i] + 1 : expf(x[i]);
}

static void quantize(const float *x, int64_t count, struct lt_qparam q, int zp, uint8_t *out)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = (uint8_t)(lt_act_quantize(x[i], q) + zp);
}

static const struct lt_kernels table = {
    .name = "reference",
    .dw_forward = dw_forward, .dw_backward_data = dw_backward_data, .dw_backward_weights = dw_backward_weights,
    .bn_stats = bn_stats, .bn_forward = bn_forward, .bn_backward = bn_backward, .affine = affine, .column_sums = column_sums,
    .act_forward = act_forward, .act_backward = act_backward, .add = add,
    .mul_forward = mul_forward, .mul_backward = mul_backward, .gap_forward = gap_forward, .gap_backward = gap_backward,
    .pool_forward = pool_forward, .pool_backward = pool_backward, .nchw_to_nhwc = nchw_to_nhwc, .nhwc_to_nchw = nhwc_to_nchw,
    .gemm = gemm, .layernorm = layernorm, .softmax = softmax, .elu1 = elu1, .quantize = quantize};

const struct lt_kernels *lt_kernels_reference(void)
{
    return &table;
}
