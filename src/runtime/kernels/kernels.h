/*
 * Our own f32 kernels: what a network computes besides dense convolutions, and depthwise convolutions in all three directions.
 * Everything is channels-last (N,H,W,C in memory, dense) unless it says otherwise; a "row" is one pixel, so rows = n*h*w.
 *
 *   const struct lt_kernels *k = lt_kernels_best();
 *   lt_dw_pack(w, c, kernel, packed);                    [C,1,K,K] -> [K*K][C]
 *   k->dw_forward(&win, x, packed, bias, LT_ACT_RELU, y);
 *
 * Single-threaded pure functions without allocation: callers split work by samples or rows. Same inputs give the same bits at every
 * call of the same table; tables differ from one another by rounding. Nothing is read or written outside the stated ranges and no
 * alignment is needed (64 bytes is fastest). Outputs are overwritten unless "+=" is said, and must not overlap inputs unless "may be" is said.
 */
#ifndef LT_RUNTIME_KERNELS_H
#define LT_RUNTIME_KERNELS_H
#include "lathe/graph.h"

/* Geometry of depthwise convolution and pooling. Input [n,h,w,c], output [n,oh,ow,c]; oh = (h + 2*pad - span) / stride + 1 or less,
 * span = (kernel - 1) * dilation + 1. */
struct lt_window {
    int n, h, w, c, oh, ow, kernel, stride, pad;
    int dilation;                                        /* 0 = 1 = none; of depthwise convolution only */
};
static inline int lt_dilation(int d) { return d > 1 ? d : 1; }

/* Batch norm over rows [rows][c]. fixed: mean and rstd are constants (running statistics), not functions of x: matters to backward only. */
struct lt_bn {
    int64_t rows;
    int c;
    enum lt_act act;                                     /* y = act(gamma * (x - mean) * rstd + beta) */
    bool fixed;
    const float *mean, *rstd, *gamma, *beta;             /* [c]; rstd = 1 / sqrt(var + eps), see lt_bn_rstd */
};

/* C[m,n] (+)= A[m,k] * B[k,n], row-major. ta: A is stored [k,m] with row length lda; tb: B is stored [n,k] with row length ldb. */
struct lt_gemm {
    int m, n, k, lda, ldb, ldc;
    bool ta, tb, accumulate;
    const float *a, *b;
    float *c;
};
typedef void (*lt_gemm_fn)(const struct lt_gemm *g);     /* ours, or a wrapper of oneDNN's or CBLAS's sgemm */

struct lt_kernels {
    const char *name;                                    /* "reference", "generic", "avx2", "avx512" */

    /* Depthwise convolution, weights packed [K*K][C] by lt_dw_pack. bias [c] or NULL. Any kernel, stride, pad and c >= 1;
     * kernel 3, 5, 7 with stride 1, 2 are fast. */
    void (*dw_forward)(const struct lt_window *d, const float *x, const float *wp, const float *bias, enum lt_act act, float *y);
    void (*dw_backward_data)(const struct lt_window *d, const float *dy, const float *wp, float *dx);
    void (*dw_backward_weights)(const struct lt_window *d, const float *x, const float *dy, float *gp);   /* gp [K*K][C] += */

    /* Batch norm. stats: mean and biased variance of each channel (two-level, shifted sums). */
    void (*bn_stats)(const float *x, int64_t rows, int c, float *mean, float *var);
    void (*bn_forward)(const struct lt_bn *b, const float *x, const float *res /* NULL, or added after act */, float *y);   /* y may be x or res */
    /* dgamma, dbeta [c] of this batch are written (not added); dx may be dy. The gradient of `res` is dy itself. */
    void (*bn_backward)(const struct lt_bn *b, const float *x, const float *dy, float *dx, float *dgamma, float *dbeta);
    /* y = act(scale * x + shift) + res by channel; scale NULL = 1, shift NULL = 0 (so bias + activation too), res NULL = 0; y may be x or res. */
    void (*affine)(const float *x, int64_t rows, int c, const float *scale, const float *shift, enum lt_act act, const float *res, float *y);
    void (*column_sums)(const float *x, int64_t rows, int c, float *sum);               /* sum [c] += : bias gradient */

    /* Elementwise over count values. */
    void (*act_forward)(enum lt_act act, const float *x, int64_t count, float *y);      /* y may be x */
    void (*act_backward)(enum lt_act act, const float *x, const float *dy, int64_t count, float *dx);   /* x: before act; dx may be dy */
    void (*add)(const float *a, const float *b, int64_t count, float *y);               /* y may be a or b */

    /* y[n,p,c] = x[n,p,c] * s[n,c] with p over hw pixels (hw 1: plain elementwise product). y may be x. */
    void (*mul_forward)(const float *x, const float *s, int n, int64_t hw, int c, float *y);
    void (*mul_backward)(const float *x, const float *s, const float *dy, int n, int64_t hw, int c, float *dx, float *ds);  /* dx may be dy */

    /* Global average pool x [n,hw,c] -> y [n,c]. */
    void (*gap_forward)(const float *x, int n, int64_t hw, int c, float *y);
    void (*gap_backward)(const float *dy, int n, int64_t hw, int c, float *dx);
    /* Pooling. Average excludes padding from the count. Max: the first maximum in row order gets the gradient, found again from x;
     * NaN is never a maximum, and a window without any pixel gives 0. */
    void (*pool_forward)(const struct lt_window *d, enum lt_pool kind, const float *x, float *y);
    void (*pool_backward)(const struct lt_window *d, enum lt_pool kind, const float *x /* max only */, const float *dy, float *dx);

    void (*nchw_to_nhwc)(const float *x, int n, int c, int64_t hw, float *y);
    void (*nhwc_to_nchw)(const float *x, int n, int c, int64_t hw, float *y);

    lt_gemm_fn gemm;

    /* Over the c features of each row: y = gamma * (x - mean) / sqrt(var + eps) + beta; rms: y = gamma * x / sqrt(mean of squares + eps). beta
     * NULL = 0. y may be x. */
    void (*layernorm)(const float *x, int64_t rows, int c, const float *gamma, const float *beta, float eps, bool rms, float *y);
    void (*softmax)(float *x, int64_t count);                                           /* in place */
    void (*elu1)(const float *x, int64_t count, float *y);                              /* elu(x) + 1; y may be x */

    /* Quantization as lathe/graph.h defines it (true division, round half to even, clamp; NaN gives the lowest value).
     * The byte stored is q + zp: zp 0 for u8 and s8, or 128 to keep signed values in u8. */
    void (*quantize)(const float *x, int64_t count, struct lt_qparam q, int zp, uint8_t *out);
};

const struct lt_kernels *lt_kernels_reference(void);     /* plain loops */
const struct lt_kernels *lt_kernels_best(void);          /* fastest that this CPU runs */
const struct lt_kernels *lt_kernels_named(const char *name); /* NULL when unknown or not runnable on this CPU */

/* [C,1,K,K] -> [K*K][C], and the gradient's way back: grad [C,1,K,K] += unpacked gp. */
void lt_dw_pack(const float *w, int c, int kernel, float *packed);
void lt_dw_unpack_add(const float *gp, int c, int kernel, float *grad);
/* Gradient of layernorm by plain loops: dgamma, dbeta (NULL with rms) [c] += ; dx may be NULL (not wanted) or dy. */
void lt_layernorm_backward(const float *x, const float *dy, int64_t rows, int c, const float *gamma, float eps, bool rms, float *dx,
                           float *dgamma, float *dbeta);
void lt_bn_rstd(const float *var, int c, float eps, float *rstd);   /* 1 / sqrt(var + eps); rstd may be var */

/*
 * Dense or grouped convolution through im2col and a matrix product (ours or the caller's), for builds without oneDNN.
 * x [n,h,w,ic], y [n,oh,ow,oc], weights plain [O,I/g,K,K]; scratch has lt_conv_scratch floats. 1x1 stride 1 without padding copies nothing.
 */
struct lt_conv {
    int n, h, w, ic, oc, oh, ow, kernel, stride, pad, groups;
    int dilation;                                        /* 0 = 1 = none */
};
int64_t lt_conv_scratch(const struct lt_conv *d);
void lt_conv_forward(const struct lt_conv *d, lt_gemm_fn gemm, const float *x, const float *w, const float *bias /* NULL ok */, float *y,
                     float *scratch);
void lt_conv_backward_data(const struct lt_conv *d, lt_gemm_fn gemm, const float *dy, const float *w, float *dx, float *scratch);
void lt_conv_backward_weights(const struct lt_conv *d, lt_gemm_fn gemm, const float *x, const float *dy, float *gw /* += */, float *scratch);
/* The same by plain loops: forward sums in double, gradients add in f32 in output order. */
void lt_conv_forward_plain(const struct lt_conv *d, const float *x, const float *w, const float *bias, float *y);
void lt_conv_backward_data_plain(const struct lt_conv *d, const float *dy, const float *w, float *dx);
void lt_conv_backward_weights_plain(const struct lt_conv *d, const float *x, const float *dy, float *gw /* += */);
#endif
