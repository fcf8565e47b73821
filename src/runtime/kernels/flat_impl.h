/*
 * Elementwise kernels, pooling and quantization. Included once per instruction set.
 */

/* for i over whole vectors with n = LT_VL, then once over the rest with n < LT_VL; the body sees i and n. */
#define EACH_FLAT(count, body) do { \
        int64_t i = 0; \
        for (; i + LT_VL <= (count); i += LT_VL) { enum { n = LT_VL }; body } \
        if (i < (count)) { const int n = (int)((count) - i); body } \
    } while (0)

LT_INLINE void act_all(const float *x, int64_t count, float *y, const int act)
{
    EACH_FLAT(count, v_put(y + i, v_act(act, v_get(x + i, n)), n););
}

static void act_forward(enum lt_act act, const float *x, int64_t count, float *y)
{
    LT_BY_ACT(act, act_all, x, count, y)
}

LT_INLINE void act_grad_all(const float *x, const float *dy, int64_t count, float *dx, const int act)
{
    EACH_FLAT(count, v_put(dx + i, v_act_grad(act, v_get(x + i, n), v_get(dy + i, n)), n););
}

static void act_backward(enum lt_act act, const float *x, const float *dy, int64_t count, float *dx)
{
    LT_BY_ACT(act, act_grad_all, x, dy, count, dx)
}

static void add(const float *a, const float *b, int64_t count, float *y)
{
    EACH_FLAT(count, v_put(y + i, v_get(a + i, n) + v_get(b + i, n), n););
}

/* The integer as a float; v_gt puts NaN to the lowest value. */
LT_INLINE vf quantized(vf x, vf scale, vf lo, vf hi)
{
    vf v = x / scale;
    return v_below(v_gt(v, lo, v, lo), hi);
}

static void quantize(const float *x, int64_t count, struct lt_qparam q, int zp, uint8_t *out)
{
    const vf scale = v_set(q.scale), lo = v_set(q.is_signed ? -128 : 0), hi = v_set(q.is_signed ? 127 : 255);
    EACH_FLAT(count, {
        vb b = v_bytes(v_to_int(quantized(v_get(x + i, n), scale, lo, hi)) + zp);
        memcpy(out + i, &b, (size_t)n);
    });
}

/* Window clipped to the image. */
struct pool_span { int iy, ix, y0, y1, x0, x1, count; };
LT_INLINE struct pool_span pool_clip(const struct lt_window *d, int oy, int ox)
{
    struct pool_span s = {.iy = oy * d->stride - d->pad, .ix = ox * d->stride - d->pad};
    dw_clip(s.iy, d->kernel, d->h, &s.y0, &s.y1);
    dw_clip(s.ix, d->kernel, d->w, &s.x0, &s.x1);
    s.count = (s.y1 - s.y0) * (s.x1 - s.x0);
    return s;
}

#define POOL_EACH_TAP(s) for (int ky = (s).y0; ky < (s).y1; ky++) for (int kx = (s).x0; kx < (s).x1; kx++)
#define POOL_AT(d, s) (((ptrdiff_t)((s).iy + ky) * (d)->w + (s).ix + kx) * (d)->c)

LT_INLINE void pool_vector(const struct lt_window *d, enum lt_pool kind, const struct pool_span *s, const float *x, float *y, const int n)
{
    vf acc = v_set(kind == LT_POOL_MAX && s->count ? -__builtin_inff() : 0);
    POOL_EACH_TAP(*s) {
        vf v = v_get(x + POOL_AT(d, *s), n);
        acc = kind == LT_POOL_MAX ? v_gt(v, acc, v, acc) : acc + v;
    }
    if (kind == LT_POOL_AVG && s->count)
        acc = acc / v_set((float)s->count);
    v_put(y, acc, n);
}

static void pool_forward(const struct lt_window *d, enum lt_pool kind, const float *x, float *y)
{
    for (int k = 0; k < d->n; k++, x += (ptrdiff_t)d->h * d->w * d->c)
        for (int oy = 0; oy < d->oh; oy++)
            for (int ox = 0; ox < d->ow; ox++, y += d->c) {
                const struct pool_span s = pool_clip(d, oy, ox);
                int at = 0;
                for (; at + LT_VL <= d->c; at += LT_VL)
                    pool_vector(d, kind, &s, x + at, y + at, LT_VL);
                if (at < d->c)
                    pool_vector(d, kind, &s, x + at, y + at, d->c - at);
            }
}

LT_INLINE void pool_vector_grad(const struct lt_window *d, enum lt_pool kind, const struct pool_span *s, const float *x, const float *dy, float *dx,
                                const int n)
{
    vf g = v_get(dy, n), best = v_set(-__builtin_inff()), where = v_set(-1), t = v_set(0);
    const vf one = v_set(1), zero = v_set(0);
    if (kind == LT_POOL_AVG)
        g = g / v_set((float)s->count);
    else
        POOL_EACH_TAP(*s) {
            vf v = v_get(x + POOL_AT(d, *s), n);
            where = v_gt(v, best, t, where);             /* the first of equals keeps it */
            best = v_gt(v, best, v, best);
            t = t + one;
        }
    t = zero;
    POOL_EACH_TAP(*s) {
        float *to = dx + POOL_AT(d, *s);
        v_put(to, v_get(to, n) + (kind == LT_POOL_AVG ? g : v_eq(where, t, g, zero)), n);
        t = t + one;
    }
}

static void pool_backward(const struct lt_window *d, enum lt_pool kind, const float *x, const float *dy, float *dx)
{
    const ptrdiff_t plane = (ptrdiff_t)d->h * d->w * d->c;
    memset(dx, 0, (size_t)d->n * (size_t)plane * sizeof(float));
    for (int k = 0; k < d->n; k++, dx += plane)
        for (int oy = 0; oy < d->oh; oy++)
            for (int ox = 0; ox < d->ow; ox++, dy += d->c) {
                const struct pool_span s = pool_clip(d, oy, ox);
                const float *xk = kind == LT_POOL_MAX ? x + k * plane : NULL;
                int at = 0;
                for (; at + LT_VL <= d->c; at += LT_VL)
                    pool_vector_grad(d, kind, &s, xk ? xk + at : NULL, dy + at, dx + at, LT_VL);
                if (at < d->c)
                    pool_vector_grad(d, kind, &s, xk ? xk + at : NULL, dy + at, dx + at, d->c - at);
            }
}

/* y [cols][rows] = x [rows][cols] transposed, by tiles that stay in the L1 cache. */
static void transpose(const float *x, int64_t rows, int64_t cols, float *y)
{
    if (rows == 1 || cols == 1) {
        memcpy(y, x, (size_t)(rows * cols) * sizeof(float));
        return;
    }
    for (int64_t r0 = 0; r0 < rows; r0 += 16)
        for (int64_t c0 = 0; c0 < cols; c0 += 16)
            for (int64_t c = c0; c < c0 + 16 && c < cols; c++)
                for (int64_t r = r0; r < r0 + 16 && r < rows; r++)
                    y[c * rows + r] = x[r * cols + c];
}

static void nchw_to_nhwc(const float *x, int n, int c, int64_t hw, float *y)
{
    for (int64_t k = 0; k < n; k++)
        transpose(x + k * hw * c, c, hw, y + k * hw * c);
}

static void nhwc_to_nchw(const float *x, int n, int c, int64_t hw, float *y)
{
    for (int64_t k = 0; k < n; k++)
        transpose(x + k * hw * c, hw, c, y + k * hw * c);
}
