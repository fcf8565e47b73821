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

/* One sample and channel vector, sizes and steps in floats. Forward: x -> y. Data gradient of stride 1: the same with dy as x, dx as y, and the
 * kernel turned round (w at its end, negative steps). Stride 2: likewise but not turned. Weight gradient: x and dy -> sums [K*K][LT_VL] in y. */
struct dw_plane {
    const float *x, *w, *dy, *bias;
    float *y;
    ptrdiff_t c, wrow, wstep;           /* pixel, kernel row, tap */
    int h, w_in, oh, ow, pad;
    float min, max;                     /* clamp: none, relu and relu6 at once */
};
/* A block of P output pixels of one row: what exists of the input under it. */
struct dw_block {
    const float *x, *w;                 /* first existing input pixel (row and column); first existing kernel row */
    ptrdiff_t xrow;                     /* input row per kernel row */
    int lo, hi, n_ky;                   /* existing columns, counted from the first one under the block; existing kernel rows */
};

LT_INLINE int dw_min(int a, int b) { return a < b ? a : b; }
LT_INLINE int dw_max(int a, int b) { return a > b ? a : b; }

/* Existing part [*lo, *hi) of `count` positions that start at `at` of a line of n. */
LT_INLINE void dw_clip(int at, int count, int n, int *lo, int *hi)
{
    *lo = dw_min(count, dw_max(0, -at));
    *hi = dw_max(*lo, dw_min(count, n - at));
}

#define DW_COLUMNS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15) F(16) F(17) F(18) F(19) \
    F(20) F(21) F(22) F(23) F(24) F(25) F(26) F(27) F(28) F(29) F(30) F(31) F(32)
#define DW_PIXELS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13)
#define DW_TAPS(F, ...) F(__VA_ARGS__, 0) F(__VA_ARGS__, 1) F(__VA_ARGS__, 2) F(__VA_ARGS__, 3) F(__VA_ARGS__, 4) F(__VA_ARGS__, 5) F(__VA_ARGS__, 6)
/* Column j meets output pixel (j - kx) / S at tap kx. The index is masked because dead code is type-checked too. */
#define DW_MEETS(j, kx) ((kx) < K && (j) >= (kx) && ((j) - (kx)) % S == 0 && ((j) - (kx)) / S < P)
/* Column j of n is under the block and in the image. */
#define DW_EXISTS(j, n) ((j) < (n) && ((j) >= K / 2 || (j) >= lo) && ((j) < (n) - K / 2 || (j) < hi))
#define DW_PIXEL(j, kx) ((((j) - (kx)) / S) & 15)

LT_INLINE void dw_forward_block(const int P, const int K, const int S, const struct dw_plane *g, const struct dw_block *b, float *yp)
{
    vf acc[16], tap[DW_MAX_K];
    const float *xr = b->x, *wr = b->w;
    const ptrdiff_t c = g->c, wstep = g->wstep;
    const int lo = b->lo, hi = b->hi;
    vf init = g->bias ? v_load(g->bias) : v_set(0);
#define F(p) if ((p) < P) acc[p] = init;
    DW_PIXELS(F)
#undef F
    for (int ky = 0; ky < b->n_ky; ky++, xr += b->xrow, wr += g->wrow) {
        const float *xp = xr;
#define F(_, kx) if ((kx) < K) tap[kx] = v_load(wr + (kx) * wstep);
        DW_TAPS(F, _)
#undef F
#define G(j, kx) if (DW_MEETS(j, kx)) acc[DW_PIXEL(j, kx)] = v_fma(v, tap[kx], acc[DW_PIXEL(j, kx)]);
#define F(j) if (DW_EXISTS(j, (P - 1) * S + K)) { vf v = v_load(xp); V_PIN(v); DW_TAPS(G, j) xp += c; }
        DW_COLUMNS(F)
#undef F
#undef G
    }
    vf min = v_set(g->min), max = v_set(g->max);
#define F(p) if ((p) < P) { v_store(yp, v_below(v_above(acc[p], min), max)); yp += c; }
    DW_PIXELS(F)
#undef F
}

LT_INLINE void dw_forward_plane(const int P, const int K, const int S, const struct dw_plane *g)
{
    struct dw_block b = {.xrow = g->w_in * g->c};
    for (int oy = 0; oy < g->oh; oy++) {
        int ky0, ky1, iy = oy * S - g->pad;
        dw_clip(iy, K, g->h, &ky0, &ky1);
        b.n_ky = ky1 - ky0;
        b.w = b.n_ky ? g->w + ky0 * g->wrow : g->w;
        for (int at = 0; at < g->ow; at += P) {
            int ox = dw_min(at, g->ow - P), ix = ox * S - g->pad;
            dw_clip(ix, (P - 1) * S + K, g->w_in, &b.lo, &b.hi);
            b.x = b.n_ky ? g->x + ((iy + ky0) * g->w_in + ix + b.lo) * g->c : g->x;
            dw_forward_block(P, K, S, g, &b, g->y + (oy * g->ow + ox) * g->c);
        }
    }
}

/* The first `skip` pixels of the block were done already. */
LT_INLINE void dw_weights_block(const int P, const int K, const int S, const struct dw_plane *g, const struct dw_block *b, const float *dp, int skip,
                                float *sp)
{
    vf dy[16], sum[DW_MAX_K];
    const float *xr = b->x;
    const ptrdiff_t c = g->c;
    const int lo = b->lo, hi = b->hi;
#define F(p) if ((p) < P) { dy[p] = (p) < skip ? v_set(0) : v_load(dp); dp += c; }
    DW_PIXELS(F)
#undef F
    for (int ky = 0; ky < b->n_ky; ky++, xr += b->xrow, sp += K * LT_VL) {
        const float *xp = xr;
#define F(_, kx) if ((kx) < K) sum[kx] = v_load(sp + (kx) * LT_VL);
        DW_TAPS(F, _)
#undef F
#define G(j, kx) if (DW_MEETS(j, kx)) sum[kx] = v_fma(v, dy[DW_PIXEL(j, kx)], sum[kx]);
#define F(j) if (DW_EXISTS(j, (P - 1) * S + K)) { vf v = v_load(xp); V_PIN(v); DW_TAPS(G, j) xp += c; }
        DW_COLUMNS(F)
#undef F
#undef G
#define F(_, kx) if ((kx) < K) v_store(sp + (kx) * LT_VL, sum[kx]);
        DW_TAPS(F, _)
#undef F
    }
}

LT_INLINE void dw_weights_plane(const int P, const int K, const int S, const struct dw_plane *g)
{
    struct dw_block b = {.xrow = g->w_in * g->c};
    for (int oy = 0; oy < g->oh; oy++) {
        int ky0, ky1, iy = oy * S - g->pad;
        dw_clip(iy, K, g->h, &ky0, &ky1);
        b.n_ky = ky1 - ky0;
        for (int at = 0; at < g->ow && b.n_ky; at += P) {
            int ox = dw_min(at, g->ow - P), ix = ox * S - g->pad;
            dw_clip(ix, (P - 1) * S + K, g->w_in, &b.lo, &b.hi);
            b.x = g->x + ((iy + ky0) * g->w_in + ix + b.lo) * g->c;
            dw_weights_block(P, K, S, g, &b, g->dy + (oy * g->ow + ox) * g->c, at - ox, g->y + ky0 * K * LT_VL);
        }
    }
}

/* Data gradient of stride 2: x is dy here. Pixel p of the block (the first one with (ix + pad) even) meets column j, counted from
 * ox = (ix0 + pad) / 2 - (K - 1) / 2, at tap kx = p + K - 1 - 2 j. */
#define DW_MEETS2(j, kx) ((kx) < K && 2 * (j) + (kx) >= K - 1 && 2 * (j) + (kx) - (K - 1) < P)
#define DW_PIXEL2(j, kx) ((2 * (j) + (kx) - (K - 1)) & 15)
LT_INLINE void dw_data2_block(const int P, const int K, const struct dw_plane *g, const struct dw_block *b, int skip, int keep, float *yp)
{
    vf acc[16], tap[DW_MAX_K];
    const float *xr = b->x, *wr = b->w;
    const ptrdiff_t c = g->c;
    const int lo = b->lo, hi = b->hi;
#define F(p) if ((p) < P) acc[p] = v_set(0);
    DW_PIXELS(F)
#undef F
    for (int ky = 0; ky < b->n_ky; ky++, xr += b->xrow, wr += 2 * K * c) {
        const float *xp = xr;
#define F(_, kx) if ((kx) < K) tap[kx] = v_load(wr + (kx) * c);
        DW_TAPS(F, _)
#undef F
#define G(j, kx) if (DW_MEETS2(j, kx)) acc[DW_PIXEL2(j, kx)] = v_fma(v, tap[kx], acc[DW_PIXEL2(j, kx)]);
#define F(j) if (DW_EXISTS(j, (P + K - 2) / 2 + 1)) { vf v = v_load(xp); V_PIN(v); DW_TAPS(G, j) xp += c; }
        DW_COLUMNS(F)
#undef F
#undef G
    }
    /* pixels [skip, keep) are of this row; yp is that of pixel `skip` */
#define F(p) if ((p) < P && (p) >= skip && (p) < keep) { v_store(yp, acc[p]); yp += c; }
    DW_PIXELS(F)
#undef F
}

/* Blocks start where (ix + pad) is even, from the one that holds pixel 0 to the one that ends with the row or one beyond. Here w_in = width of
 * dy and ow = width of dx. */
LT_INLINE int dw_data2_first(int pad) { return -(pad & 1); }
LT_INLINE int dw_data2_last(int pad, int w, int P) { return dw_max(((w - P + pad + 1) & ~1) - pad, dw_data2_first(pad)); }

LT_INLINE void dw_data2_plane(const int P, const int K, const struct dw_plane *g)
{
    const int last = dw_data2_last(g->pad, g->ow, P);
    struct dw_block b = {.xrow = -g->w_in * g->c};
    for (int iy = 0; iy < g->oh; iy++) {
        /* taps ky = ky0, ky0 + 2, ... meet rows oy0, oy0 - 1, ... */
        int ky0 = (iy + g->pad) & 1, oy0 = (iy + g->pad) / 2, skip = dw_max(0, oy0 - (g->h - 1));
        b.n_ky = dw_max(0, dw_min((K - 1 - ky0) / 2, oy0) - skip + 1);
        b.w = b.n_ky ? g->w + (ky0 + 2 * skip) * K * g->c : g->w;
        for (int at = dw_data2_first(g->pad); at < g->ow; at += P) {
            int ix = dw_min(at, last), ox = (ix + g->pad) / 2 - (K - 1) / 2, out = dw_max(0, -ix);
            dw_clip(ox, (P + K - 2) / 2 + 1, g->w_in, &b.lo, &b.hi);
            b.x = b.n_ky ? g->x + ((oy0 - skip) * g->w_in + ox + b.lo) * g->c : g->x;
            dw_data2_block(P, K, g, &b, out, dw_min(P, g->ow - ix), g->y + (iy * g->ow + ix + out) * g->c);
        }
    }
}

typedef void (*dw_plane_fn)(const struct dw_plane *g);
/* Block sizes P: all that ordinary rows divide into; a few, of the same code, where sanitizers make unrolled code slow to compile. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DW_FEW
#endif
#endif
#if defined(DW_FEW) || defined(__SANITIZE_ADDRESS__)
#define DW_SIZES_7(F, ...) F(1, __VA_ARGS__) F(2, __VA_ARGS__) F(7, __VA_ARGS__)
#define DW_SIZES_14(F, ...) F(14, __VA_ARGS__)
#define DW_EVEN_7(F, ...) F(2, __VA_ARGS__) F(8, __VA_ARGS__)
#define DW_EVEN_14(F, ...) F(14, __VA_ARGS__)
#else
#define DW_SIZES_7(F, ...) F(1, __VA_ARGS__) F(2, __VA_ARGS__) F(3, __VA_ARGS__) F(4, __VA_ARGS__) F(5, __VA_ARGS__) F(6, __VA_ARGS__) F(7, __VA_ARGS__)
#define DW_SIZES_14(F, ...) F(8, __VA_ARGS__) F(10, __VA_ARGS__) F(12, __VA_ARGS__) F(14, __VA_ARGS__)
#define DW_EVEN_7(F, ...) F(2, __VA_ARGS__) F(4, __VA_ARGS__) F(6, __VA_ARGS__) F(8, __VA_ARGS__)
#define DW_EVEN_14(F, ...) F(10, __VA_ARGS__) F(12, __VA_ARGS__) F(14, __VA_ARGS__)
#endif
#if LT_MAX_BLOCK == 14
#define DW_SIZES(F, ...) DW_SIZES_7(F, __VA_ARGS__) DW_SIZES_14(F, __VA_ARGS__)
#define DW_EVEN(F, ...) DW_EVEN_7(F, __VA_ARGS__) DW_EVEN_14(F, __VA_ARGS__)
#else
#define DW_SIZES DW_SIZES_7
#define DW_EVEN DW_EVEN_7
#endif

#define DW_DEFINE(P, K, S) \
    static void dw_forward_##P##_##K##_##S(const struct dw_plane *g) { dw_forward_plane(P, K, S, g); } \
    static void dw_weights_##P##_##K##_##S(const struct dw_plane *g) { dw_weights_plane(P, K, S, g); }
#define DW_DEFINE2(P, K) static void dw_data2_##P##_##K(const struct dw_plane *g) { dw_data2_plane(P, K, g); }
DW_SIZES(DW_DEFINE, 3, 1) DW_SIZES(DW_DEFINE, 5, 1) DW_SIZES(DW_DEFINE, 7, 1)
DW_SIZES(DW_DEFINE, 3, 2) DW_SIZES(DW_DEFINE, 5, 2) DW_SIZES(DW_DEFINE, 7, 2)
DW_EVEN(DW_DEFINE2, 3) DW_EVEN(DW_DEFINE2, 5) DW_EVEN(DW_DEFINE2, 7)

#define DW_ENTRY(P, f, K, S) [P] = f##_##P##_##K##_##S,
#define DW_ENTRY2(P, K) [P] = dw_data2_##P##_##K,
#define DW_TABLE(f) { \
    {{DW_SIZES(DW_ENTRY, f, 3, 1)}, {DW_SIZES(DW_ENTRY, f, 5, 1)}, {DW_SIZES(DW_ENTRY, f, 7, 1)}}, \
    {{DW_SIZES(DW_ENTRY, f, 3, 2)}, {DW_SIZES(DW_ENTRY, f, 5, 2)}, {DW_SIZES(DW_ENTRY, f, 7, 2)}}}
static const dw_plane_fn dw_forward_fn[2][3][15] = DW_TABLE(dw_forward);    /* [stride - 1][kernel / 2 - 1][P] */
static const dw_plane_fn dw_weights_fn[2][3][15] = DW_TABLE(dw_weights);
static const dw_plane_fn dw_data2_fn[3][15] = {{DW_EVEN(DW_ENTRY2, 3)}, {DW_EVEN(DW_ENTRY2, 5)}, {DW_EVEN(DW_ENTRY2, 7)}};

static bool dw_is_fast(const struct lt_window *d)
{
    return (d->kernel == 3 || d->kernel == 5 || d->kernel == 7) && (d->stride == 1 || d->stride == 2) && d->dilation <= 1;
}

/* Size of the blocks that cover a row of w pixels: as few blocks as possible, as equal as possible, none wider than the row. */
static int dw_block_size(const dw_plane_fn *fn, int w)
{
    for (int n = (w + LT_MAX_BLOCK - 1) / LT_MAX_BLOCK;; n++)
        for (int p = (w + n - 1) / n; p <= LT_MAX_BLOCK && p <= w; p++)
            if (fn[p])
                return p;
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

/* The function of a table row that does d, or NULL when plain loops must. */
static dw_plane_fn dw_fit(const struct lt_window *d, const dw_plane_fn *fns)
{
    if (!fns)
        return NULL;
    const int P = dw_block_size(fns, d->ow);
    return dw_fits(-d->pad, (d->ow - P) * d->stride - d->pad, (P - 1) * d->stride + d->kernel, d->kernel, d->w) ? fns[P] : NULL;
}

/* The activations that are no clamp: count pixels of one channel vector, just written. */
static void dw_act(enum lt_act act, float *y, int count, ptrdiff_t c)
{
#define F(a) for (int i = 0; i < count; i++) v_store(y + i * c, v_act(a, v_load(y + i * c)));
    switch (act) {
    case LT_ACT_HSWISH: F(LT_ACT_HSWISH) break;
    case LT_ACT_HSIGMOID: F(LT_ACT_HSIGMOID) break;
    case LT_ACT_SIGMOID: F(LT_ACT_SIGMOID) break;
    case LT_ACT_SILU: F(LT_ACT_SILU) break;
    case LT_ACT_TANH: F(LT_ACT_TANH) break;
    case LT_ACT_GELU: F(LT_ACT_GELU) break;
    default: break;                                      /* none, relu, relu6 are clamps and done */
    }
#undef F
}

/* As dw_clip for taps `step` pixels apart. */
LT_INLINE void dw_clip_taps(int at, int count, int step, int n, int *lo, int *hi)
{
    *lo = at < 0 ? dw_min(count, (step - 1 - at) / step) : 0;
    *hi = dw_max(*lo, n > at ? dw_min(count, (n - at + step - 1) / step) : 0);
}

/* Any kernel, stride and dilation, one channel vector: plain but vector loops. */
static void dw_forward_any(const struct lt_window *d, const float *x, const float *wp, const float *bias, float min, float max, float *y)
{
    const ptrdiff_t c = d->c;
    const int step = lt_dilation(d->dilation);
    for (int oy = 0; oy < d->oh; oy++) {
        for (int ox = 0; ox < d->ow; ox++) {
            vf acc = bias ? v_load(bias) : v_set(0);
            int y0, y1, x0, x1, iy = oy * d->stride - d->pad, ix = ox * d->stride - d->pad;
            dw_clip_taps(iy, d->kernel, step, d->h, &y0, &y1);
            dw_clip_taps(ix, d->kernel, step, d->w, &x0, &x1);
            for (int ky = y0; ky < y1; ky++)
                for (int kx = x0; kx < x1; kx++)
                    acc = v_fma(v_load(x + ((ptrdiff_t)(iy + ky * step) * d->w + ix + kx * step) * c), v_load(wp + (ky * d->kernel + kx) * c), acc);
            v_store(y + ((ptrdiff_t)oy * d->ow + ox) * c, v_below(v_above(acc, v_set(min)), v_set(max)));
        }
    }
}

static void dw_forward(const struct lt_window *d, const float *x, const float *wp, const float *bias, enum lt_act act, float *y)
{
    if (d->c < LT_VL) {
        LT_NARROWER->dw_forward(d, x, wp, bias, act, y);
        return;
    }
    const ptrdiff_t c = d->c;
    const dw_plane_fn fn = dw_fit(d, dw_is_fast(d) ? dw_forward_fn[d->stride - 1][d->kernel / 2 - 1] : NULL);
    struct dw_plane g = {.c = c, .wrow = d->kernel * c, .wstep = c, .h = d->h, .w_in = d->w, .oh = d->oh, .ow = d->ow, .pad = d->pad,
                         .min = act == LT_ACT_RELU || act == LT_ACT_RELU6 ? 0 : -__builtin_inff(), .max = act == LT_ACT_RELU6 ? 6 : __builtin_inff()};
    for (int n = 0; n < d->n; n++, x += (ptrdiff_t)d->h * d->w * c, y += (ptrdiff_t)d->oh * d->ow * c)
        for (int at = 0; at < d->c; at += LT_VL) {
            int ch = dw_min(at, d->c - LT_VL);
            g.x = x + ch;
            g.w = wp + ch;
            g.bias = bias ? bias + ch : NULL;
            g.y = y + ch;
            if (fn)
                fn(&g);
            else
                dw_forward_any(d, g.x, g.w, g.bias, g.min, g.max, g.y);
            if (act > LT_ACT_RELU6)
                dw_act(act, g.y, d->oh * d->ow, c);
        }
}

static void dw_data_any(const struct lt_window *d, const float *dy, const float *wp, float *dx)
{
    const ptrdiff_t c = d->c;
    const int step = lt_dilation(d->dilation);
    for (int iy = 0; iy < d->h; iy++)
        for (int ix = 0; ix < d->w; ix++) {
            vf acc = v_set(0);
            for (int ky = 0; ky < d->kernel; ky++) {
                int ty = iy + d->pad - ky * step;
                if (ty < 0 || ty % d->stride || ty / d->stride >= d->oh)
                    continue;
                for (int kx = 0; kx < d->kernel; kx++) {
                    int tx = ix + d->pad - kx * step;
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
    if (d->c < LT_VL) {
        LT_NARROWER->dw_backward_data(d, dy, wp, dx);
        return;
    }
    const ptrdiff_t c = d->c;
    const int k = d->kernel;
    struct dw_plane g = {.c = c, .wrow = k * c, .wstep = c, .h = d->oh, .w_in = d->ow, .oh = d->h, .ow = d->w, .pad = d->pad,
                         .min = -__builtin_inff(), .max = __builtin_inff()};
    dw_plane_fn fn = NULL;
    if (dw_is_fast(d) && d->stride == 1) {
        const struct lt_window turned = {.h = d->oh, .w = d->ow, .oh = d->h, .ow = d->w, .kernel = k, .stride = 1, .pad = k - 1 - d->pad};
        fn = dw_fit(&turned, dw_forward_fn[0][k / 2 - 1]);
        g.pad = turned.pad;
        g.wrow = -g.wrow;
        g.wstep = -g.wstep;
    } else if (dw_is_fast(d)) {
        const int w = d->w + (d->pad & 1), most = LT_MAX_BLOCK == 14 ? 14 : 8, blocks = (w + most - 1) / most;
        int P = ((w + blocks - 1) / blocks + 1) & ~1;
        while (!dw_data2_fn[k / 2 - 1][P])
            P += 2;                                      /* ends: the largest there is, `most`, is in every table */
        const int first = (dw_data2_first(d->pad) + d->pad) / 2 - k / 2, last = (dw_data2_last(d->pad, d->w, P) + d->pad) / 2 - k / 2;
        fn = dw_fits(first, last, (P + k - 2) / 2 + 1, k, d->ow) ? dw_data2_fn[k / 2 - 1][P] : NULL;
    }
    const float *w = d->stride == 1 ? wp + (k * k - 1) * c : wp;
    for (int n = 0; n < d->n; n++, dx += (ptrdiff_t)d->h * d->w * c, dy += (ptrdiff_t)d->oh * d->ow * c)
        for (int at = 0; at < d->c; at += LT_VL) {
            int ch = dw_min(at, d->c - LT_VL);
            g.x = dy + ch;
            g.w = w + ch;
            g.y = dx + ch;
            if (fn)
                fn(&g);
            else
                dw_data_any(d, dy + ch, wp + ch, dx + ch);
        }
}

static vf dw_weight_any(const struct lt_window *d, int ky, int kx, const float *x, const float *dy)
{
    const int step = lt_dilation(d->dilation);
    vf acc = v_set(0);
    for (int oy = 0; oy < d->oh; oy++) {
        int iy = oy * d->stride - d->pad + ky * step;
        if (iy < 0 || iy >= d->h)
            continue;
        for (int ox = 0; ox < d->ow; ox++) {
            int ix = ox * d->stride - d->pad + kx * step;
            if (ix >= 0 && ix < d->w)
                acc = v_fma(v_load(x + ((ptrdiff_t)iy * d->w + ix) * d->c), v_load(dy + ((ptrdiff_t)oy * d->ow + ox) * d->c), acc);
        }
    }
    return acc;
}

/* Sums of one sample are formed apart and then added to gp: rounding grows with h*w, not with n*h*w. */
static void dw_backward_weights(const struct lt_window *d, const float *x, const float *dy, float *gp)
{
    if (d->c < LT_VL) {
        LT_NARROWER->dw_backward_weights(d, x, dy, gp);
        return;
    }
    const ptrdiff_t c = d->c;
    const int k = d->kernel, kk = k * k;
    const dw_plane_fn fn = dw_fit(d, dw_is_fast(d) ? dw_weights_fn[d->stride - 1][k / 2 - 1] : NULL);
    float sum[DW_MAX_K * DW_MAX_K * LT_VL] __attribute__((aligned(64)));
    struct dw_plane g = {.c = c, .h = d->h, .w_in = d->w, .oh = d->oh, .ow = d->ow, .pad = d->pad, .y = sum};
    for (int n = 0; n < d->n; n++, x += (ptrdiff_t)d->h * d->w * c, dy += (ptrdiff_t)d->oh * d->ow * c)
        for (int at = 0; at < d->c; at += LT_VL) {
            int ch = dw_min(at, d->c - LT_VL), done = at - ch;   /* the first `done` channels were added with the vector before */
            g.x = x + ch;
            g.dy = dy + ch;
            if (fn) {
                memset(sum, 0, (size_t)kk * LT_VL * sizeof(float));
                fn(&g);
            }
            for (int t = 0; t < kk; t++) {
                float *to = gp + t * c + ch, *s = fn ? sum + t * LT_VL : sum;
                if (!fn)
                    v_store(s, dw_weight_any(d, t / k, t % k, g.x, g.dy));
                if (!done)
                    v_store(to, v_load(to) + v_load(s));
                else
                    for (int i = done; i < LT_VL; i++)
                        to[i] += s[i];
            }
        }
}
