/*
 * Batch norm, affine, sums by channel, squeeze-excite products: everything with one parameter or one sum per channel. Included once per
 * instruction set. Work goes by groups of G channel vectors, whose parameters and sums stay in registers while all rows stream by; G = 4, 2, 1,
 * and for what is left of a vector one with n < LT_VL elements. All of it is bound by memory once tensors leave the cache.
 */

/* Calls f(args..., first channel, G, n) for groups that cover c channels. */
#define BY_GROUP(c, f, ...) do { \
        int at_ = 0; \
        for (; at_ + 4 * LT_VL <= (c); at_ += 4 * LT_VL) \
            f(__VA_ARGS__, at_, 4, LT_VL); \
        if (at_ + 2 * LT_VL <= (c)) { \
            f(__VA_ARGS__, at_, 2, LT_VL); \
            at_ += 2 * LT_VL; \
        } \
        if (at_ + LT_VL <= (c)) { \
            f(__VA_ARGS__, at_, 1, LT_VL); \
            at_ += LT_VL; \
        } \
        if (at_ < (c)) \
            f(__VA_ARGS__, at_, 1, (c) - at_); \
    } while (0)
#define EACH_VECTOR _Pragma("GCC unroll 4") for (int v = 0; v < G; v++)
#define ROWS_PER_SUM 256                                 /* rows summed in f32 before they go to a double */

/* total[i] += part, both of G vectors */
LT_INLINE void sum_up(double *total, const vf *part, const int G)
{
    float t[4 * LT_VL] __attribute__((aligned(64)));
    EACH_VECTOR v_store(t + v * LT_VL, part[v]);
    for (int i = 0; i < G * LT_VL; i++)
        total[i] += t[i];
}

/* Sums of x - shift and of its square, the shift being the mean of the first rows: var = E[d^2] - E[d]^2 does not cancel where |mean| >> sd. */
LT_INLINE void stats_group(const float *x, int64_t rows, ptrdiff_t c, float *mean, float *var, int at, const int G, const int n)
{
    double s1[4 * LT_VL] = {0}, s2[4 * LT_VL] = {0};
    vf shift[4], a[4], b[4];
    float first[4 * LT_VL] __attribute__((aligned(64)));
    const int probe = rows < 16 ? (int)rows : 16;
    EACH_VECTOR {
        shift[v] = v_set(0);
        for (int r = 0; r < probe; r++)
            shift[v] = v_fma(v_get(x + r * c + at + v * LT_VL, n), v_set(1.0f / (float)probe), shift[v]);
        v_store(first + v * LT_VL, shift[v]);
    }
    for (int64_t r0 = 0; r0 < rows; r0 += ROWS_PER_SUM) {
        int64_t r1 = r0 + ROWS_PER_SUM < rows ? r0 + ROWS_PER_SUM : rows;
        EACH_VECTOR a[v] = b[v] = v_set(0);
        for (int64_t r = r0; r < r1; r++)
            EACH_VECTOR {
                vf d = v_get(x + r * c + at + v * LT_VL, n) - shift[v];
                a[v] += d;
                b[v] = v_fma(d, d, b[v]);
            }
        sum_up(s1, a, G);
        sum_up(s2, b, G);
    }
    for (int i = 0; i < (n == LT_VL ? G * LT_VL : n); i++) {
        double m = s1[i] / (double)rows, q = s2[i] / (double)rows - m * m;
        mean[at + i] = (float)(first[i] + m);
        var[at + i] = q > 0 ? (float)q : q == q ? 0 : (float)q;   /* NaN stays */
    }
}

static void bn_stats(const float *x, int64_t rows, int c, float *mean, float *var)
{
    BY_GROUP(c, stats_group, x, rows, c, mean, var);
}

struct affine_arg { const float *x, *mean, *scale, *scale2, *shift, *res; float *y; int64_t rows; ptrdiff_t c; };
/* y = act((x - mean) * scale * scale2 + shift) + res; mean, scales, shift may be NULL */
LT_INLINE void affine_group(const struct affine_arg *g, const int has_mean, const int has_res, const int act, int at, const int G, const int n)
{
    vf m[4], s[4], b[4];
    EACH_VECTOR {
        int ch = at + v * LT_VL;
        m[v] = has_mean ? v_get(g->mean + ch, n) : v_set(0);
        s[v] = g->scale ? v_get(g->scale + ch, n) : v_set(1);
        if (g->scale2)
            s[v] = s[v] * v_get(g->scale2 + ch, n);
        b[v] = g->shift ? v_get(g->shift + ch, n) : v_set(0);
    }
    for (int64_t r = 0; r < g->rows; r++)
        EACH_VECTOR {
            ptrdiff_t i = r * g->c + at + v * LT_VL;
            vf x = v_get(g->x + i, n);
            if (has_mean)
                x = x - m[v];
            x = v_act(act, v_fma(x, s[v], b[v]));
            if (has_res)
                x = x + v_get(g->res + i, n);
            v_put(g->y + i, x, n);
        }
}

LT_INLINE void affine_all(const struct affine_arg *g, const int has_mean, const int has_res, const int act)
{
    BY_GROUP(g->c, affine_group, g, has_mean, has_res, act);
}
static void affine_plain(const struct affine_arg *g, enum lt_act act) { LT_BY_ACT(act, affine_all, g, 0, 0) }
static void affine_res(const struct affine_arg *g, enum lt_act act) { LT_BY_ACT(act, affine_all, g, 0, 1) }
static void affine_mean(const struct affine_arg *g, enum lt_act act) { LT_BY_ACT(act, affine_all, g, 1, 0) }
static void affine_mean_res(const struct affine_arg *g, enum lt_act act) { LT_BY_ACT(act, affine_all, g, 1, 1) }

static void affine(const float *x, int64_t rows, int c, const float *scale, const float *shift, enum lt_act act, const float *res, float *y)
{
    const struct affine_arg g = {.x = x, .scale = scale, .shift = shift, .res = res, .y = y, .rows = rows, .c = c};
    (res ? affine_res : affine_plain)(&g, act);
}

static void bn_forward(const struct lt_bn *b, const float *x, const float *res, float *y)
{
    const struct affine_arg g = {.x = x, .mean = b->mean, .scale = b->gamma, .scale2 = b->rstd, .shift = b->beta, .res = res, .y = y,
                                 .rows = b->rows, .c = b->c};
    (res ? affine_mean_res : affine_mean)(&g, b->act);
}

/* With g = dy * act'(pre), d = x - mean: dbeta = sum g, dgamma = rstd * sum g d, dx = gamma rstd (g - mean(g) - d rstd^2 mean(g d)).
 * Source: Ioffe, Szegedy, "Batch Normalization", ICML 2015, section 3. The pre-activation is computed again rather than kept. */
LT_INLINE void bn_backward_group(const struct lt_bn *p, const float *x, const float *dy, float *dx, float *dgamma, float *dbeta, const int act, int at,
                                 const int G, const int n)
{
    double s1[4 * LT_VL] = {0}, s2[4 * LT_VL] = {0};
    float t1[4 * LT_VL] __attribute__((aligned(64))), t2[4 * LT_VL] __attribute__((aligned(64)));
    const ptrdiff_t c = p->c;
    const int64_t rows = p->rows;
    vf m[4], s[4], b[4], k1[4], k2[4];
    EACH_VECTOR {
        int ch = at + v * LT_VL;
        m[v] = v_get(p->mean + ch, n);
        s[v] = v_get(p->gamma + ch, n) * v_get(p->rstd + ch, n);
        b[v] = v_get(p->beta + ch, n);
    }
    for (int64_t r0 = 0; r0 < rows; r0 += ROWS_PER_SUM) {
        int64_t r1 = r0 + ROWS_PER_SUM < rows ? r0 + ROWS_PER_SUM : rows;
        EACH_VECTOR k1[v] = k2[v] = v_set(0);
        for (int64_t r = r0; r < r1; r++)
            EACH_VECTOR {
                ptrdiff_t i = r * c + at + v * LT_VL;
                vf d = v_get(x + i, n) - m[v], g = v_act_grad(act, v_fma(d, s[v], b[v]), v_get(dy + i, n));
                k1[v] += g;
                k2[v] = v_fma(g, d, k2[v]);
            }
        sum_up(s1, k1, G);
        sum_up(s2, k2, G);
    }
    for (int i = 0; i < G * LT_VL; i++)
        t1[i] = t2[i] = 0;
    for (int i = 0; i < (n == LT_VL ? G * LT_VL : n); i++) {
        double rstd = p->rstd[at + i], scale = p->gamma[at + i] * rstd;
        dgamma[at + i] = (float)(s2[i] * rstd);
        dbeta[at + i] = (float)s1[i];
        if (!p->fixed) {
            t1[i] = (float)(-scale * s1[i] / (double)rows);
            t2[i] = (float)(-scale * rstd * rstd * s2[i] / (double)rows);
        }
    }
    EACH_VECTOR {
        k1[v] = v_load(t1 + v * LT_VL);
        k2[v] = v_load(t2 + v * LT_VL);
    }
    for (int64_t r = 0; r < rows; r++)
        EACH_VECTOR {
            ptrdiff_t i = r * c + at + v * LT_VL;
            vf d = v_get(x + i, n) - m[v], g = v_act_grad(act, v_fma(d, s[v], b[v]), v_get(dy + i, n));
            v_put(dx + i, v_fma(g, s[v], v_fma(d, k2[v], k1[v])), n);
        }
}

LT_INLINE void bn_backward_all(const struct lt_bn *p, const float *x, const float *dy, float *dx, float *dgamma, float *dbeta, const int act)
{
    BY_GROUP(p->c, bn_backward_group, p, x, dy, dx, dgamma, dbeta, act);
}

static void bn_backward(const struct lt_bn *p, const float *x, const float *dy, float *dx, float *dgamma, float *dbeta)
{
    LT_BY_ACT(p->act, bn_backward_all, p, x, dy, dx, dgamma, dbeta)
}

/* out = (add ? out : 0) + factor * column sums */
LT_INLINE void sums_group(const float *x, int64_t rows, ptrdiff_t c, double factor, bool add, float *out, int at, const int G, const int n)
{
    double s[4 * LT_VL] = {0};
    vf a[4];
    for (int64_t r0 = 0; r0 < rows; r0 += ROWS_PER_SUM) {
        int64_t r1 = r0 + ROWS_PER_SUM < rows ? r0 + ROWS_PER_SUM : rows;
        EACH_VECTOR a[v] = v_set(0);
        for (int64_t r = r0; r < r1; r++)
            EACH_VECTOR a[v] += v_get(x + r * c + at + v * LT_VL, n);
        sum_up(s, a, G);
    }
    for (int i = 0; i < (n == LT_VL ? G * LT_VL : n); i++)
        out[at + i] = (add ? out[at + i] : 0) + (float)(factor * s[i]);
}

static void column_sums(const float *x, int64_t rows, int c, float *sum)
{
    BY_GROUP(c, sums_group, x, rows, c, 1.0, true, sum);
}

static void gap_forward(const float *x, int n, int64_t hw, int c, float *y)
{
    for (int64_t k = 0; k < n; k++)
        BY_GROUP(c, sums_group, x + k * hw * c, hw, c, 1.0 / (double)hw, false, y + k * c);
}

static void gap_backward(const float *dy, int n, int64_t hw, int c, float *dx)
{
    const vf f = v_set(1.0f / (float)hw);
    for (int64_t k = 0; k < n; k++, dy += c)
        for (int64_t p = 0; p < hw; p++, dx += c) {
            int i = 0;
            for (; i + LT_VL <= c; i += LT_VL)
                v_store(dx + i, v_load(dy + i) * f);
            if (i < c)
                v_storen(dx + i, v_loadn(dy + i, c - i) * f, c - i);
        }
}

static void mul_forward(const float *x, const float *s, int n, int64_t hw, int c, float *y)
{
    for (int64_t k = 0; k < n; k++) {
        const struct affine_arg g = {.x = x + k * hw * c, .scale = s + k * c, .y = y + k * hw * c, .rows = hw, .c = c};
        affine_all(&g, 0, 0, LT_ACT_NONE);
    }
}

LT_INLINE void mul_backward_group(const float *x, const float *s, const float *dy, int64_t hw, ptrdiff_t c, float *dx, float *ds, int at, const int G,
                                  const int n)
{
    double t[4 * LT_VL] = {0};
    vf a[4], f[4];
    EACH_VECTOR f[v] = v_get(s + at + v * LT_VL, n);
    for (int64_t r0 = 0; r0 < hw; r0 += ROWS_PER_SUM) {
        int64_t r1 = r0 + ROWS_PER_SUM < hw ? r0 + ROWS_PER_SUM : hw;
        EACH_VECTOR a[v] = v_set(0);
        for (int64_t r = r0; r < r1; r++)
            EACH_VECTOR {
                ptrdiff_t i = r * c + at + v * LT_VL;
                vf g = v_get(dy + i, n);
                a[v] = v_fma(v_get(x + i, n), g, a[v]);
                v_put(dx + i, g * f[v], n);
            }
        sum_up(t, a, G);
    }
    for (int i = 0; i < (n == LT_VL ? G * LT_VL : n); i++)
        ds[at + i] = (float)t[i];
}

static void mul_backward(const float *x, const float *s, const float *dy, int n, int64_t hw, int c, float *dx, float *ds)
{
    for (int64_t k = 0; k < n; k++)
        BY_GROUP(c, mul_backward_group, x + k * hw * c, s + k * c, dy + k * hw * c, hw, c, dx + k * hw * c, ds + k * c);
}
