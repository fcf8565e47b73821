/*
 * Depthwise convolution, channels-last, vectors over channels. Included once per instruction set (LT_VL, LT_NARROWER).
 *
 * One idea serves all three directions: a block is P neighbouring pixels of one output row. Every vector of the input row is loaded once and
 * used by all (pixel, tap) pairs it meets, with P values and the K taps of one kernel row in registers: P*K multiply-adds per P+2K loads.
 * Fully unrolled for constant P, K and stride. Only the first and the last K/2 columns of a block may lie in the padding (that is what
 * dw_fits checks, and true of every ordinary geometry), so the interior has no branches; anything else takes plain vector loops.
 * The weight gradient swaps roles: P output gradients stay in registers, K sums of one kernel row are taken from and put back to the L1 cache.
 *
 * Channels that do not fill a vector: the last vector is moved back to overlap the one before (recomputing a few channels), and fewer
 * channels than a vector go to the next narrower table; so there are no masks and nothing is read outside.
 */
#define DW_MAX_K 7

struct dw_block {
    const float *x, *w;                 /* first existing input pixel (row and column); first existing kernel row */
    float *y;                           /* forward, data gradient: first output pixel. weight gradient: sums of the first existing kernel row */
    const float *dy;                    /* weight gradient: first output pixel */
    const float *bias;
    ptrdiff_t xrow, c, wrow, wstep;     /* steps in floats: input row per kernel row, pixel, kernel row, tap */
    int lo, hi;                         /* columns that exist, counted from the first one under the block */
    int n_ky;                           /* existing kernel rows */
    int skip, keep;                     /* weight gradient: the first `skip` pixels were done already. strided data gradient: store [skip, keep) */
    float min, max;                     /* clamp: none, relu and relu6 at once */
};

#define DW_COLUMNS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15) F(16) F(17) F(18) F(19) \
    F(20) F(21) F(22) F(23) F(24) F(25) F(26) F(27) F(28) F(29) F(30) F(31) F(32)
#define DW_PIXELS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13)
#define DW_TAPS(F, ...) F(__VA_ARGS__, 0) F(__VA_ARGS__, 1) F(__VA_ARGS__, 2) F(__VA_ARGS__, 3) F(__VA_ARGS__, 4) F(__VA_ARGS__, 5) F(__VA_ARGS__, 6)
/* Column j meets output pixel (j - kx) / S at tap kx. The index is masked because dead code is type-checked too. */
#define DW_MEETS(j, kx) ((kx) < K && (j) >= (kx) && ((j) - (kx)) % S == 0 && ((j) - (kx)) / S < P)
/* Column j of n is under the block and in the image. */
#define DW_EXISTS(j, n) ((j) < (n) && ((j) >= K / 2 || (j) >= lo) && ((j) < (n) - K / 2 || (j) < hi))
#define DW_PIXEL(j, kx) ((((j) - (kx)) / S) & 15)

LT_INLINE void dw_forward_block(const int P, const int K, const int S, const struct dw_block *b)
{
    vf acc[16], tap[DW_MAX_K];
    const float *xr = b->x, *wr = b->w;
    const ptrdiff_t c = b->c, wstep = b->wstep;
    const int lo = b->lo, hi = b->hi;
    vf init = b->bias ? v_load(b->bias) : v_set(0);
#define F(p) if ((p) < P) acc[p] = init;
    DW_PIXELS(F)
#undef F
    for (int ky = 0; ky < b->n_ky; ky++, xr += b->xrow, wr += b->wrow) {
        const float *xp = xr;
#define F(_, kx) if ((kx) < K) tap[kx] = v_load(wr + (kx) * wstep);
        DW_TAPS(F, _)
#undef F
#define G(j, kx) if (DW_MEETS(j, kx)) acc[DW_PIXEL(j, kx)] = v_fma(v, tap[kx], acc[DW_PIXEL(j, kx)]);
#define F(j) if (DW_EXISTS(j, (P - 1) * S + K)) { vf v = v_load(xp); DW_TAPS(G, j) xp += c; }
        DW_COLUMNS(F)
#undef F
#undef G
    }
    vf min = v_set(b->min), max = v_set(b->max);
    float *yp = b->y;
#define F(p) if ((p) < P) { v_store(yp, v_below(v_above(acc[p], min), max)); yp += c; }
    DW_PIXELS(F)
#undef F
}

LT_INLINE void dw_weights_block(const int P, const int K, const int S, const struct dw_block *b)
{
    vf dy[16], sum[DW_MAX_K];
    const float *xr = b->x, *dp = b->dy;
    float *sp = b->y;
    const ptrdiff_t c = b->c;
    const int lo = b->lo, hi = b->hi;
#define F(p) if ((p) < P) { dy[p] = (p) < b->skip ? v_set(0) : v_load(dp); dp += c; }
    DW_PIXELS(F)
#undef F
    for (int ky = 0; ky < b->n_ky; ky++, xr += b->xrow, sp += K * LT_VL) {
        const float *xp = xr;
#define F(_, kx) if ((kx) < K) sum[kx] = v_load(sp + (kx) * LT_VL);
        DW_TAPS(F, _)
#undef F
#define G(j, kx) if (DW_MEETS(j, kx)) sum[kx] = v_fma(v, dy[DW_PIXEL(j, kx)], sum[kx]);
#define F(j) if (DW_EXISTS(j, (P - 1) * S + K)) { vf v = v_load(xp); DW_TAPS(G, j) xp += c; }
        DW_COLUMNS(F)
#undef F
#undef G
#define F(_, kx) if ((kx) < K) v_store(sp + (kx) * LT_VL, sum[kx]);
        DW_TAPS(F, _)
#undef F
    }
}

/* Data gradient of stride 2: x is dy here. Pixel p of the block (the first one with (ix + pad) even) meets column j, counted from
 * ox = (ix0 + pad) / 2 - (K - 1) / 2, at tap kx = p + K - 1 - 2 j. */
#define DW_MEETS2(j, kx) ((kx) < K && 2 * (j) + (kx) >= K - 1 && 2 * (j) + (kx) - (K - 1) < P)
#define DW_PIXEL2(j, kx) ((2 * (j) + (kx) - (K - 1)) & 15)
LT_INLINE void dw_data2_block(const int P, const int K, const struct dw_block *b)
{
    vf acc[16], tap[DW_MAX_K];
    const float *xr = b->x, *wr = b->w;
    const ptrdiff_t c = b->c;
    const int lo = b->lo, hi = b->hi;
#define F(p) if ((p) < P) acc[p] = v_set(0);
    DW_PIXELS(F)
#undef F
    for (int ky = 0; ky < b->n_ky; ky++, xr += b->xrow, wr += b->wrow) {
        const float *xp = xr;
#define F(_, kx) if ((kx) < K) tap[kx] = v_load(wr + (kx) * c);
        DW_TAPS(F, _)
#undef F
#define G(j, kx) if (DW_MEETS2(j, kx)) acc[DW_PIXEL2(j, kx)] = v_fma(v, tap[kx], acc[DW_PIXEL2(j, kx)]);
#define F(j) if (DW_EXISTS(j, (P + K - 2) / 2 + 1)) { vf v = v_load(xp); DW_TAPS(G, j) xp += c; }
        DW_COLUMNS(F)
#undef F
#undef G
    }
    float *yp = b->y;                   /* of pixel `skip` */
#define F(p) if ((p) < P && (p) >= b->skip && (p) < b->keep) { v_store(yp, acc[p]); yp += c; }
    DW_PIXELS(F)
#undef F
}

typedef void (*dw_block_fn)(const struct dw_block *b);
#define DW_DEFINE(P, K, S) \
    static void dw_forward_##P##_##K##_##S(const struct dw_block *b) { dw_forward_block(P, K, S, b); } \
    static void dw_weights_##P##_##K##_##S(const struct dw_block *b) { dw_weights_block(P, K, S, b); }
#define DW_DEFINE2(P, K) static void dw_data2_##P##_##K(const struct dw_block *b) { dw_data2_block(P, K, b); }
#define DW_EACH_KS(F, P) F(P, 3, 1) F(P, 5, 1) F(P, 7, 1) F(P, 3, 2) F(P, 5, 2) F(P, 7, 2)
#define DW_EACH_K(F, P) F(P, 3) F(P, 5) F(P, 7)

DW_EACH_KS(DW_DEFINE, 1) DW_EACH_KS(DW_DEFINE, 2) DW_EACH_KS(DW_DEFINE, 3) DW_EACH_KS(DW_DEFINE, 4) DW_EACH_KS(DW_DEFINE, 5)
DW_EACH_KS(DW_DEFINE, 6) DW_EACH_KS(DW_DEFINE, 7)
DW_EACH_K(DW_DEFINE2, 2) DW_EACH_K(DW_DEFINE2, 4) DW_EACH_K(DW_DEFINE2, 6) DW_EACH_K(DW_DEFINE2, 8)
#if LT_MAX_BLOCK == 14
DW_EACH_KS(DW_DEFINE, 8) DW_EACH_KS(DW_DEFINE, 10) DW_EACH_KS(DW_DEFINE, 12) DW_EACH_KS(DW_DEFINE, 14)
DW_EACH_K(DW_DEFINE2, 10) DW_EACH_K(DW_DEFINE2, 12) DW_EACH_K(DW_DEFINE2, 14)
#endif

#define DW_ROW7(f, K, S) NULL, f##_1_##K##_##S, f##_2_##K##_##S, f##_3_##K##_##S, f##_4_##K##_##S, f##_5_##K##_##S, f##_6_##K##_##S, f##_7_##K##_##S
#define DW_ROW2(K) NULL, NULL, dw_data2_2_##K, NULL, dw_data2_4_##K, NULL, dw_data2_6_##K, NULL, dw_data2_8_##K
#if LT_MAX_BLOCK == 14
#define DW_ROW(f, K, S) {DW_ROW7(f, K, S), f##_8_##K##_##S, NULL, f##_10_##K##_##S, NULL, f##_12_##K##_##S, NULL, f##_14_##K##_##S}
#define DW_ROW_2(K) {DW_ROW2(K), NULL, dw_data2_10_##K, NULL, dw_data2_12_##K, NULL, dw_data2_14_##K}
#else
#define DW_ROW(f, K, S) {DW_ROW7(f, K, S)}
#define DW_ROW_2(K) {DW_ROW2(K)}
#endif
#define DW_TABLE(f) { \
    {DW_ROW(f, 3, 1), DW_ROW(f, 5, 1), DW_ROW(f, 7, 1)}, \
    {DW_ROW(f, 3, 2), DW_ROW(f, 5, 2), DW_ROW(f, 7, 2)}}
static const dw_block_fn dw_forward_fn[2][3][15] = DW_TABLE(dw_forward);    /* [stride - 1][kernel / 2 - 1][P] */
static const dw_block_fn dw_weights_fn[2][3][15] = DW_TABLE(dw_weights);
static const dw_block_fn dw_data2_fn[3][15] = {DW_ROW_2(3), DW_ROW_2(5), DW_ROW_2(7)};

static bool dw_is_fast(const struct lt_window *d)
{
    return (d->kernel == 3 || d->kernel == 5 || d->kernel == 7) && (d->stride == 1 || d->stride == 2);
}

LT_INLINE int dw_min(int a, int b) { return a < b ? a : b; }
LT_INLINE int dw_max(int a, int b) { return a > b ? a : b; }

/* Size of the blocks that cover a row of w pixels: as few blocks as possible, as equal as possible, none wider than the row. */
static int dw_block_size(const dw_block_fn *fn, int w)
{
    for (int n = (w + LT_MAX_BLOCK - 1) / LT_MAX_BLOCK;; n++)
        for (int p = (w + n - 1) / n; p <= LT_MAX_BLOCK && p <= w; p++)
            if (fn[p])
                return p;
}

/* Existing part [*lo, *hi) of `count` positions that start at `at` of a line of n. */
LT_INLINE void dw_clip(int at, int count, int n, int *lo, int *hi)
{
    *lo = dw_min(count, dw_max(0, -at));
    *hi = dw_max(*lo, dw_min(count, n - at));
}

/* May blocks of P output pixels be used: never more than K/2 columns of one outside, on either side. First column `at` of the first and of the
 * last block; `cols` columns each, of a row of n. */
static bool dw_fits(int first, int last, int cols, int kernel, int n)
{
    int lo, hi, lo2, hi2;
    dw_clip(first, cols, n, &lo, &hi);
    dw_clip(last, cols, n, &lo2, &hi2);
    return lo <= kernel / 2 && hi2 >= cols - kernel / 2 && lo2 <= kernel / 2 && hi >= cols - kernel / 2 && hi > lo && hi2 > lo2;
}

/* The same for forward and weight gradient; P as dw_block_size gives it, 0 when plain loops must do. */
static int dw_fit(const struct lt_window *d, const dw_block_fn *fns)
{
    int P = dw_block_size(fns, d->ow);
    return dw_fits(-d->pad, (d->ow - P) * d->stride - d->pad, (P - 1) * d->stride + d->kernel, d->kernel, d->w) ? P : 0;
}

static void dw_act_row(enum lt_act act, float *y, int w, ptrdiff_t c)
{
#define F(a) for (int i = 0; i < w; i++) v_store(y + i * c, v_act(a, v_load(y + i * c)));
    switch (act) {
    case LT_ACT_HSWISH: F(LT_ACT_HSWISH) break;
    case LT_ACT_HSIGMOID: F(LT_ACT_HSIGMOID) break;
    case LT_ACT_SIGMOID: F(LT_ACT_SIGMOID) break;
    case LT_ACT_SILU: F(LT_ACT_SILU) break;
    case LT_ACT_TANH: F(LT_ACT_TANH) break;
    default: break;                                      /* none, relu, relu6 are clamps and done */
    }
#undef F
}

/* Correlation of one sample and one channel vector: forward, and the data gradient of stride 1 with the kernel turned round (wstep < 0). */
static void dw_plane(const struct lt_window *d, const dw_block_fn *fns, int P, struct dw_block *b, const float *x, const float *wp, enum lt_act act,
                     float *y)
{
    const dw_block_fn fn = fns[P];
    const ptrdiff_t c = d->c;
    const int cols = (P - 1) * d->stride + d->kernel;
    for (int oy = 0; oy < d->oh; oy++) {
        int ky0, ky1, iy = oy * d->stride - d->pad;
        dw_clip(iy, d->kernel, d->h, &ky0, &ky1);
        b->n_ky = ky1 - ky0;
        b->w = b->n_ky ? wp + ky0 * b->wrow : wp;
        for (int at = 0; at < d->ow; at += P) {
            int ox = dw_min(at, d->ow - P), ix = ox * d->stride - d->pad;
            dw_clip(ix, cols, d->w, &b->lo, &b->hi);
            b->x = b->n_ky && b->hi > b->lo ? x + ((ptrdiff_t)(iy + ky0) * d->w + ix + b->lo) * c : x;
            b->y = y + ((ptrdiff_t)oy * d->ow + ox) * c;
            fn(b);
        }
        if (act > LT_ACT_RELU6)
            dw_act_row(act, y + (ptrdiff_t)oy * d->ow * c, d->ow, c);
    }
}

/* Any kernel and stride, one channel vector: plain but vector loops. */
static void dw_plane_any(const struct lt_window *d, const float *x, const float *wp, const float *bias, enum lt_act act, float *y)
{
    const ptrdiff_t c = d->c;
    for (int oy = 0; oy < d->oh; oy++) {
        for (int ox = 0; ox < d->ow; ox++) {
            vf acc = bias ? v_load(bias) : v_set(0);
            int y0, y1, x0, x1, iy = oy * d->stride - d->pad, ix = ox * d->stride - d->pad;
            dw_clip(iy, d->kernel, d->h, &y0, &y1);
            dw_clip(ix, d->kernel, d->w, &x0, &x1);
            for (int ky = y0; ky < y1; ky++)
                for (int kx = x0; kx < x1; kx++)
                    acc = v_fma(v_load(x + ((ptrdiff_t)(iy + ky) * d->w + ix + kx) * c), v_load(wp + (ky * d->kernel + kx) * c), acc);
            if (act == LT_ACT_RELU || act == LT_ACT_RELU6)
                acc = v_below(v_above(acc, v_set(0)), v_set(act == LT_ACT_RELU6 ? 6 : __builtin_inff()));
            v_store(y + ((ptrdiff_t)oy * d->ow + ox) * c, acc);
        }
        if (act > LT_ACT_RELU6)
            dw_act_row(act, y + (ptrdiff_t)oy * d->ow * c, d->ow, c);
    }
}

static void dw_forward(const struct lt_window *d, const float *x, const float *wp, const float *bias, enum lt_act act, float *y)
{
    const ptrdiff_t c = d->c;
    if (d->c < LT_VL) {
        LT_NARROWER->dw_forward(d, x, wp, bias, act, y);
        return;
    }
    struct dw_block b = {.xrow = d->w * c, .c = c, .wrow = d->kernel * c, .wstep = c, .min = -__builtin_inff(), .max = __builtin_inff()};
    if (act == LT_ACT_RELU || act == LT_ACT_RELU6)
        b.min = 0;
    if (act == LT_ACT_RELU6)
        b.max = 6;
    const dw_block_fn *fns = dw_is_fast(d) ? dw_forward_fn[d->stride - 1][d->kernel / 2 - 1] : NULL;
    const int P = fns ? dw_fit(d, fns) : 0;
    for (int n = 0; n < d->n; n++, x += (ptrdiff_t)d->h * d->w * c, y += (ptrdiff_t)d->oh * d->ow * c)
        for (int at = 0; at < d->c; at += LT_VL) {
            int ch = dw_min(at, d->c - LT_VL);
            b.bias = bias ? bias + ch : NULL;
            if (P)
                dw_plane(d, fns, P, &b, x + ch, wp + ch, act, y + ch);
            else
                dw_plane_any(d, x + ch, wp + ch, b.bias, act, y + ch);
        }
}

/* Blocks start where (ix + pad) is even, from the one that holds pixel 0 to the one that ends with the row or one beyond. */
static int dw_data2_first(const struct lt_window *d) { return -(d->pad & 1); }
static int dw_data2_last(const struct lt_window *d, int P) { return dw_max(((d->w - P + d->pad + 1) & ~1) - d->pad, dw_data2_first(d)); }
static int dw_data2_source(const struct lt_window *d, int ix) { return (ix + d->pad) / 2 - (d->kernel - 1) / 2; }

static void dw_data2_plane(const struct lt_window *d, const dw_block_fn *fns, int P, struct dw_block *b, const float *dy, const float *wp, float *dx)
{
    const dw_block_fn fn = fns[P];
    const ptrdiff_t c = d->c;
    const int K = d->kernel, cols = (P + K - 2) / 2 + 1, first = dw_data2_first(d), last = dw_data2_last(d, P);
    for (int iy = 0; iy < d->h; iy++) {
        /* taps ky = ky0, ky0 + 2, ... meet rows oy0, oy0 - 1, ... */
        int ky0 = (iy + d->pad) & 1, oy0 = (iy + d->pad) / 2;
        int skip = dw_max(0, oy0 - (d->oh - 1)), n_ky = dw_max(0, dw_min((K - 1 - ky0) / 2, oy0) - skip + 1);
        b->n_ky = n_ky;
        b->w = n_ky ? wp + (ky0 + 2 * skip) * K * c : wp;
        for (int at = first; at < d->w; at += P) {
            int ix = dw_min(at, last), ox = dw_data2_source(d, ix);
            dw_clip(ox, cols, d->ow, &b->lo, &b->hi);
            b->x = n_ky && b->hi > b->lo ? dy + ((ptrdiff_t)(oy0 - skip) * d->ow + ox + b->lo) * c : dy;
            b->skip = dw_max(0, -ix);
            b->keep = dw_min(P, d->w - ix);
            b->y = dx + ((ptrdiff_t)iy * d->w + ix + b->skip) * c;
            fn(b);
        }
    }
}

static void dw_data_any(const struct lt_window *d, const float *dy, const float *wp, float *dx)
{
    const ptrdiff_t c = d->c;
    for (int iy = 0; iy < d->h; iy++)
        for (int ix = 0; ix < d->w; ix++) {
            vf acc = v_set(0);
            for (int ky = 0; ky < d->kernel; ky++) {
                int ty = iy + d->pad - ky;
                if (ty < 0 || ty % d->stride || ty / d->stride >= d->oh)
                    continue;
                for (int kx = 0; kx < d->kernel; kx++) {
                    int tx = ix + d->pad - kx;
                    if (tx < 0 || tx % d->stride || tx / d->stride >= d->ow)
                        continue;
                    acc = v_fma(v_load(dy + ((ptrdiff_t)(ty / d->stride) * d->ow + tx / d->stride) * c), v_load(wp + (ky * d->kernel + kx) * c), acc);
                }
            }
            v_store(dx + ((ptrdiff_t)iy * d->w + ix) * c, acc);
        }
}

static void dw_backward_data(const struct lt_window *d, const float *dy, const float *wp, float *dx)
{
    const ptrdiff_t c = d->c;
    if (d->c < LT_VL) {
        LT_NARROWER->dw_backward_data(d, dy, wp, dx);
        return;
    }
    const struct lt_window t = {.h = d->oh, .w = d->ow, .c = d->c, .oh = d->h, .ow = d->w, .kernel = d->kernel, .stride = 1, .pad = d->kernel - 1 - d->pad};
    const dw_block_fn *fns = dw_is_fast(d) ? (d->stride == 1 ? dw_forward_fn[0] : dw_data2_fn)[d->kernel / 2 - 1] : NULL;
    struct dw_block b = {.c = c, .min = -__builtin_inff(), .max = __builtin_inff()};
    int P = 0;
    if (fns && d->stride == 1) {
        b.xrow = d->ow * c;
        b.wrow = -d->kernel * c;
        b.wstep = -c;
        P = dw_fit(&t, fns);
    } else if (fns) {
        int w = d->w + (d->pad & 1), most = LT_MAX_BLOCK == 14 ? 14 : 8, n = (w + most - 1) / most;
        b.xrow = -d->ow * c;
        b.wrow = 2 * d->kernel * c;
        P = ((w + n - 1) / n + 1) & ~1;
        if (!dw_fits(dw_data2_source(d, dw_data2_first(d)), dw_data2_source(d, dw_data2_last(d, P)), (P + d->kernel - 2) / 2 + 1, d->kernel, d->ow))
            P = 0;
    }
    const float *last = wp + (d->kernel * d->kernel - 1) * c;
    for (int n = 0; n < d->n; n++, dx += (ptrdiff_t)d->h * d->w * c, dy += (ptrdiff_t)d->oh * d->ow * c)
        for (int at = 0; at < d->c; at += LT_VL) {
            int ch = dw_min(at, d->c - LT_VL);
            if (!P)
                dw_data_any(d, dy + ch, wp + ch, dx + ch);
            else if (d->stride == 1)
                dw_plane(&t, fns, P, &b, dy + ch, last + ch, LT_ACT_NONE, dx + ch);
            else
                dw_data2_plane(d, fns, P, &b, dy + ch, wp + ch, dx + ch);
        }
}

static void dw_weights_plane(const struct lt_window *d, const dw_block_fn *fns, int P, struct dw_block *b, const float *x, const float *dy, float *sum)
{
    const dw_block_fn fn = fns[P];
    const ptrdiff_t c = d->c;
    const int cols = (P - 1) * d->stride + d->kernel;
    for (int oy = 0; oy < d->oh; oy++) {
        int ky0, ky1, iy = oy * d->stride - d->pad;
        dw_clip(iy, d->kernel, d->h, &ky0, &ky1);
        b->n_ky = ky1 - ky0;
        if (!b->n_ky)
            continue;
        b->y = sum + ky0 * d->kernel * LT_VL;
        for (int at = 0; at < d->ow; at += P) {
            int ox = dw_min(at, d->ow - P), ix = ox * d->stride - d->pad;
            dw_clip(ix, cols, d->w, &b->lo, &b->hi);
            if (b->hi <= b->lo)
                continue;
            b->x = x + ((ptrdiff_t)(iy + ky0) * d->w + ix + b->lo) * c;
            b->dy = dy + ((ptrdiff_t)oy * d->ow + ox) * c;
            b->skip = at - ox;
            fn(b);
        }
    }
}

static vf dw_weight_any(const struct lt_window *d, int ky, int kx, const float *x, const float *dy)
{
    vf acc = v_set(0);
    for (int oy = 0; oy < d->oh; oy++) {
        int iy = oy * d->stride - d->pad + ky;
        if (iy < 0 || iy >= d->h)
            continue;
        for (int ox = 0; ox < d->ow; ox++) {
            int ix = ox * d->stride - d->pad + kx;
            if (ix >= 0 && ix < d->w)
                acc = v_fma(v_load(x + ((ptrdiff_t)iy * d->w + ix) * d->c), v_load(dy + ((ptrdiff_t)oy * d->ow + ox) * d->c), acc);
        }
    }
    return acc;
}

/* Sums of one sample are formed apart and then added to gp: rounding grows with h*w, not with n*h*w. */
static void dw_backward_weights(const struct lt_window *d, const float *x, const float *dy, float *gp)
{
    const ptrdiff_t c = d->c;
    if (d->c < LT_VL) {
        LT_NARROWER->dw_backward_weights(d, x, dy, gp);
        return;
    }
    const int kk = d->kernel * d->kernel;
    const dw_block_fn *fns = dw_is_fast(d) ? dw_weights_fn[d->stride - 1][d->kernel / 2 - 1] : NULL;
    struct dw_block b = {.xrow = d->w * c, .c = c};
    float sum[DW_MAX_K * DW_MAX_K * LT_VL] __attribute__((aligned(64)));
    const int P = fns ? dw_fit(d, fns) : 0;
    for (int n = 0; n < d->n; n++, x += (ptrdiff_t)d->h * d->w * c, dy += (ptrdiff_t)d->oh * d->ow * c)
        for (int at = 0; at < d->c; at += LT_VL) {
            int ch = dw_min(at, d->c - LT_VL), done = at - ch;   /* the first `done` channels were added with the vector before */
            if (P) {
                memset(sum, 0, (size_t)kk * LT_VL * sizeof(float));
                dw_weights_plane(d, fns, P, &b, x + ch, dy + ch, sum);
            }
            for (int t = 0; t < kk; t++) {
                float *g = gp + t * c + ch, *s = sum + t * LT_VL;
                if (!P)
                    v_store(s = sum, dw_weight_any(d, t / d->kernel, t % d->kernel, x + ch, dy + ch));
                if (!done)
                    v_store(g, v_load(g) + v_load(s));
                else
                    for (int i = done; i < LT_VL; i++)
                        g[i] += s[i];
            }
        }
}
