/*
 * Adapting predictor "fewshot" to a device. The mixture's Gaussian processes are linear in psi, so what they say
 * together is kept as one Gaussian over the weights of psi: mean w, covariance v (of the mixture: the hypotheses' own
 * uncertainty and their disagreement). Prediction then does not depend on how many measurements or hypotheses there
 * are.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/fewshot_math.h"
#include "predictors/fewshot_priv.h"

/* With more measurements than FEW, hypotheses are chosen with that many of them, and with all of them only the likely
 * ones are solved: KEPT_MANY, or KEPT_MOST above MANY measurements. STATED of them make up the deviation. */
enum { FEW = 48, MANY = 300, KEPT_MANY = 16, KEPT_MOST = 3, STATED = 16 };

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "predictor 'fewshot': out of memory"); }

lt_status lt_few_psi_of(const struct lt_few_basis *b, const struct lt_arch *a, int n, double **out, struct lt_err *e) {
    double *psi = lt_few_doubles((size_t)n, (size_t)b->p);
    lt_status s = psi ? LT_OK : no_memory(e);

    for (int i = 0; !s && i < n; i++) s = lt_few_psi(b, &a[i], psi + (size_t)i * (size_t)b->p, e);
    if (s) {
        lt_free(psi);
        return s;
    }
    *out = psi;
    return LT_OK;
}

/* Grams of all components for n rows of psi. */
static lt_status grams(const struct lt_few_basis *b, const double *psi, int n, double *gram[LT_FEW_N],
                       struct lt_err *e) {
    for (int c = 0; c < LT_FEW_N; c++) {
        double *g;

        if (!b->map[c].r) continue;
        g = lt_few_project(b, c, psi, n);
        gram[c] = lt_few_doubles((size_t)n, (size_t)n);
        if (g && gram[c]) lt_few_mul_bt(g, g, gram[c], n, b->map[c].r, n);
        lt_free(g);
        if (!g || !gram[c]) return no_memory(e);
    }
    return LT_OK;
}

/* The `most` heaviest of a mixture's hypotheses, as numbers of the mixture, ascending. Returns how many. */
static int heaviest(const struct lt_few_mix *m, int most, int *out) {
    int n = 0;

    if (most > m->m) most = m->m;
    for (int k = 0; k < m->m; k++) {
        int heavier = 0;
        for (int q = 0; q < m->m; q++) heavier += m->w[q] > m->w[k] || (m->w[q] == m->w[k] && q < k);
        if (heavier < most) out[n++] = k;
    }
    return n;
}

lt_status lt_few_solve(const struct lt_few *f, const double *psi, const double *y, int n, struct lt_few_mix *out,
                       struct lt_err *e) {
    double *gram[LT_FEW_N] = {NULL}, *some = NULL, *some_y = NULL;
    int hyp[KEPT_MANY], kept = f->bank.n;
    size_t p = (size_t)f->basis.p;
    lt_status s;

    if (n > FEW) {
        struct lt_few_mix m = {0};

        some = lt_few_doubles(FEW, p);
        some_y = lt_few_doubles(FEW, 1);
        s = some && some_y ? LT_OK : no_memory(e);
        for (int i = 0; !s && i < FEW; i++) {
            size_t from = (size_t)i * (size_t)n / FEW;
            memcpy(some + (size_t)i * p, psi + from * p, p * sizeof(*some));
            some_y[i] = y[from];
        }
        if (s || (s = lt_few_solve(f, some, some_y, FEW, &m, e))) goto out;
        kept = heaviest(&m, n > MANY ? KEPT_MOST : KEPT_MANY, hyp);
        lt_few_mix_release(&m);
    }
    if (!(s = grams(&f->basis, psi, n, gram, e)))
        s = lt_few_mix_solve(&f->bank, n > FEW ? hyp : NULL, kept, gram, y, n, out, e);
out:
    for (int c = 0; c < LT_FEW_N; c++) lt_free(gram[c]);
    lt_free(some);
    lt_free(some_y);
    return s;
}

/* Everything that moment matching needs of one component: to[p][n] = L_c (psi L_c)', the prior covariance between
 * weights and measurements. */
static lt_status cross(const struct lt_few_basis *b, int c, const double *psi, int n, double *to, struct lt_err *e) {
    double *g = lt_few_project(b, c, psi, n);

    if (!g) return no_memory(e);
    lt_few_mul_bt(b->map[c].l, g, to, b->p, b->map[c].r, n);
    lt_free(g);
    return LT_OK;
}

/* One hypothesis: its mean weights, and share times its covariance and its distance from the mean of all. */
static void add_hypothesis(const struct lt_few *f, const struct lt_few_mix *m, int k, double share,
                           double *const to[LT_FEW_N], const double *w, double *v, double *wide, double *half) {
    const double *t = f->bank.theta + (size_t)m->hyp[k] * LT_FEW_THETA;
    size_t p = (size_t)f->basis.p, n = (size_t)m->n;

    memset(wide, 0, p * n * sizeof(*wide)); /* [p][n] */
    for (int c = 0; c < LT_FEW_N; c++)
        for (size_t i = 0; to[c] && t[c] > 0 && i < p * n; i++) wide[i] += t[c] * to[c][i];
    memset(half, 0, p * n * sizeof(*half));
    lt_few_mul(wide, m->inv + (size_t)k * n * n, half, (int)p, (int)n, (int)n);
    for (size_t i = 0; i < p; i++) { /* the disagreement comes in as one more column */
        for (size_t j = 0; j <= i; j++) v[i * p + j] -= share * lt_few_dot(half + i * n, wide + j * n, (int)n);
        half[i * n] = lt_few_dot(wide + i * n, m->alpha + (size_t)k * n, (int)n) - w[i];
    }
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j <= i; j++) v[i * p + j] += share * half[i * n] * half[j * n];
}

static lt_status collapse(const struct lt_few *f, const struct lt_few_mix *m, const double *psi, double *w, double *v,
                          struct lt_err *e) {
    const struct lt_few_basis *b = &f->basis;
    size_t p = (size_t)b->p, n = (size_t)m->n;
    double *to[LT_FEW_N] = {NULL}, *mean = lt_few_doubles(n, 1), *wide = lt_few_doubles(p, n),
           *half = lt_few_doubles(p, n), sum = 0;
    int top[STATED], kept = heaviest(m, STATED, top);
    lt_status s = mean && wide && half ? LT_OK : no_memory(e);

    for (int q = 0; q < kept; q++) sum += m->w[top[q]];
    for (int c = 0; !s && c < LT_FEW_N; c++) {
        double prior = 0;

        if (!b->map[c].r) continue;
        if (!(to[c] = lt_few_doubles(p, n))) s = no_memory(e);
        if (s || (s = cross(b, c, psi, m->n, to[c], e))) break;
        memset(mean, 0, n * sizeof(*mean));
        for (int k = 0; k < m->m; k++) {
            double share = m->w[k] * f->bank.theta[(size_t)m->hyp[k] * LT_FEW_THETA + (size_t)c];
            for (size_t i = 0; i < n; i++) mean[i] += share * m->alpha[(size_t)k * n + i];
        }
        lt_few_mul(to[c], mean, w, (int)p, (int)n, 1);
        for (int q = 0; q < kept; q++)
            prior += m->w[top[q]] / sum * f->bank.theta[(size_t)m->hyp[top[q]] * LT_FEW_THETA + (size_t)c];
        for (size_t i = 0; prior > 0 && i < p * p; i++) v[i] += prior * b->cov[c][i];
    }
    for (int q = 0; !s && q < kept; q++) add_hypothesis(f, m, top[q], m->w[top[q]] / sum, to, w, v, wide, half);
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < i; j++) v[j * p + i] = v[i * p + j];
    for (int c = 0; c < LT_FEW_N; c++) lt_free(to[c]);
    lt_free(mean);
    lt_free(wide);
    lt_free(half);
    return s;
}

lt_status lt_few_fill_memo(struct lt_few *f, struct lt_err *e) {
    size_t n = (size_t)f->basis.n_memo;
    double *memo;
    lt_status s;

    if (!n) return LT_OK;
    if (!(memo = lt_few_doubles(2, n))) return no_memory(e);
    lt_few_table_means(&f->basis, f->w, memo);
    if ((s = lt_few_table_variances(&f->basis, f->v, memo + n, e))) {
        lt_free(memo);
        return s;
    }
    lt_free(f->memo);
    f->memo = memo;
    return LT_OK;
}

lt_status lt_few_adapt(struct lt_few *f, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e) {
    struct lt_few new = *f;
    struct lt_few_mix m = {0};
    double *psi = NULL, *y = lt_few_doubles((size_t)n, 1);
    size_t p = (size_t)f->basis.p;
    lt_status s;

    new.memo = NULL;
    new.w = lt_few_doubles(p, 1);
    new.v = lt_few_doubles(p, p);
    if (!y || !new.w || !new.v) {
        s = no_memory(e);
        goto out;
    }
    new.unit_s = lt_few_median(latency_s, n, y);
    new.floor_s = latency_s[0];
    for (int i = 0; i < n; i++) {
        y[i] = latency_s[i] / new.unit_s;
        new.floor_s = fmin(new.floor_s, latency_s[i]);
    }
    new.floor_s /= 10;
    if ((s = lt_few_psi_of(&f->basis, a, n, &psi, e)) || (s = lt_few_solve(f, psi, y, n, &m, e)) ||
        (s = collapse(f, &m, psi, new.w, new.v, e)))
        goto out;
    new.noise = 0;
    for (int k = 0; k < m.m; k++) new.noise += m.w[k] * f->bank.theta[(size_t)m.hyp[k] * LT_FEW_THETA + LT_FEW_NOISE];
    if ((s = lt_few_fill_memo(&new, e))) goto out;
    lt_free(f->w);
    lt_free(f->v);
    lt_free(f->memo);
    *f = new;
    new.w = new.v = new.memo = NULL;
out:
    lt_free(new.w);
    lt_free(new.v);
    lt_free(new.memo);
    lt_few_mix_release(&m);
    lt_free(psi);
    lt_free(y);
    return s;
}
