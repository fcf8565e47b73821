/*
 * What to measure next: greedily the candidate that lowers most the sum over the likely hypotheses of the logarithm of
 * the summed variance of all candidates (the criterion of Cohn, Ghahramani and Jordan, "Active learning with
 * statistical models", JAIR 4, 1996, averaged over hypotheses; the logarithm makes a hypothesis count by what share of
 * its uncertainty goes away). What is measured already is conditioned on, and weighs the hypotheses.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/fewshot_math.h"
#include "predictors/fewshot_priv.h"

enum { MOST_CANDIDATES = 240, MOST_HYPOTHESES = 16 };

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "predictor 'fewshot': out of memory"); }

struct candidate {
    uint64_t hash, key; /* key: decides which candidates are looked at when there are many */
    const struct lt_arch *a;
};

static uint64_t mixed(uint64_t x) { /* splitmix64 */
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static int by_key(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;

    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Candidates that are not measured, each once, in an order that depends on nothing but which they are. */
static int choose_candidates(const struct lt_few *f, const struct lt_arch *done, int n_done,
                             const struct lt_arch *among, int n_among, struct candidate *out) {
    int n = 0, kept = 0;

    for (int i = 0; i < n_among; i++) {
        uint64_t hash = lt_arch_hash(f->space, &among[i]);
        bool measured = false;

        for (int k = 0; k < n_done && !measured; k++) measured = hash == lt_arch_hash(f->space, &done[k]);
        if (!measured) out[n++] = (struct candidate){hash, mixed(hash ^ f->seed), &among[i]};
    }
    qsort(out, (size_t)n, sizeof(*out), by_key);
    for (int i = 0; i < n; i++)
        if (!kept || out[kept - 1].hash != out[i].hash) out[kept++] = out[i];
    return kept;
}

/* Covariances of all rows (measured ones first) under a hypothesis, as they change while rows are observed. */
struct belief {
    double w, noise, *cov; /* [m][m] */
};

static void observe(struct belief *b, int m, int row, double noise, double *column) {
    size_t n = (size_t)m;
    double var = b->cov[(size_t)row * n + (size_t)row] + noise;

    memcpy(column, b->cov + (size_t)row * n, n * sizeof(*column));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) b->cov[i * n + j] -= column[i] * column[j] / var;
}

static int best_row(const struct belief *b, int n_beliefs, int m, int from, const bool *taken) {
    size_t n = (size_t)m;
    double best = INFINITY;
    int row = -1;

    for (size_t r = (size_t)from; r < n; r++) {
        double score = 0;

        if (taken[r]) continue;
        for (int h = 0; h < n_beliefs; h++) {
            const double *c = b[h].cov + r * n;
            double left = 0, gain = 0;

            for (size_t i = (size_t)from; i < n; i++) left += b[h].cov[i * n + i];
            gain = lt_few_dot(c + from, c + from, m - from) / (fmax(c[r], 0) + b[h].noise);
            score += b[h].w * log(fmax(left - gain, 1e-12));
        }
        if (score < best) {
            best = score;
            row = (int)r;
        }
    }
    return row;
}

/* The likely hypotheses, given what is measured. */
static lt_status choose_hypotheses(const struct lt_few *f, const double *psi, const double *latency_s, int n_done,
                                   struct belief *b, int *hyp, int *n, double *y, struct lt_err *e) {
    struct lt_few_mix m = {0};
    double *w = lt_few_doubles((size_t)f->bank.n, 1), sum = 0, unit_s;
    lt_status s = w ? LT_OK : no_memory(e);

    for (int h = 0; !s && h < f->bank.n; h++) w[h] = exp(f->bank.log_w[h]);
    if (!s && n_done > 1) {
        unit_s = lt_few_median(latency_s, n_done, y);
        for (int i = 0; i < n_done; i++) y[i] = latency_s[i] / unit_s;
        if (!(s = lt_few_solve(f, psi, y, n_done, &m, e))) {
            memset(w, 0, (size_t)f->bank.n * sizeof(*w));
            for (int k = 0; k < m.m; k++) w[m.hyp[k]] = m.w[k];
        }
    }
    for (*n = 0; !s && *n < MOST_HYPOTHESES && *n < f->bank.n; ++*n) {
        int best = 0;
        for (int h = 1; h < f->bank.n; h++)
            if (w[h] > w[best]) best = h;
        if (w[best] <= 0) break;
        hyp[*n] = best;
        b[*n].w = w[best];
        b[*n].noise = f->bank.theta[(size_t)best * LT_FEW_THETA + LT_FEW_NOISE] + 1e-9;
        sum += w[best];
        w[best] = 0;
    }
    for (int k = 0; !s && k < *n; k++) b[k].w /= sum;
    lt_few_mix_release(&m);
    lt_free(w);
    return s;
}

static lt_status fill_beliefs(const struct lt_few *f, const double *psi, int m, struct belief *b, const int *hyp, int n,
                              struct lt_err *e) {
    double *gram = lt_few_doubles((size_t)m, (size_t)m);
    lt_status s = gram ? LT_OK : no_memory(e);

    for (int h = 0; !s && h < n; h++)
        if (!(b[h].cov = lt_few_doubles((size_t)m, (size_t)m))) s = no_memory(e);
    for (int c = 0; !s && c < LT_FEW_N; c++) {
        double *g;

        if (!f->basis.map[c].r) continue;
        if (!(g = lt_few_project(&f->basis, c, psi, m))) {
            s = no_memory(e);
            break;
        }
        memset(gram, 0, (size_t)m * (size_t)m * sizeof(*gram));
        lt_few_mul_bt(g, g, gram, m, f->basis.map[c].r, m);
        lt_free(g);
        for (int h = 0; h < n; h++) {
            double t = f->bank.theta[(size_t)hyp[h] * LT_FEW_THETA + (size_t)c];
            for (size_t i = 0; t > 0 && i < (size_t)m * (size_t)m; i++) b[h].cov[i] += t * gram[i];
        }
    }
    lt_free(gram);
    return s;
}

/* Rows of psi: n_done measured, then the candidates. */
static lt_status choose(const struct lt_few *f, const double *psi, const double *latency_s, int n_done, int m, int n,
                        int *out, struct lt_err *e) {
    struct belief b[MOST_HYPOTHESES] = {{0}};
    int hyp[MOST_HYPOTHESES], n_beliefs = 0;
    bool *taken = lt_calloc((size_t)m, sizeof(*taken));
    double *column = lt_few_doubles((size_t)m, 1), *y = lt_few_doubles((size_t)n_done, 1);
    lt_status s = taken && column && y ? LT_OK : no_memory(e);

    for (int i = 0; !s && i < n_done; i++) y[i] = 1;
    if (s || (s = choose_hypotheses(f, psi, latency_s, n_done, b, hyp, &n_beliefs, y, e)) ||
        (s = fill_beliefs(f, psi, m, b, hyp, n_beliefs, e)))
        goto out;
    for (int i = 0; i < n_done; i++)
        for (int h = 0; h < n_beliefs; h++) observe(&b[h], m, i, lt_few_noise(b[h].noise, y[i]), column);
    for (int k = 0; k < n; k++) {
        int row = best_row(b, n_beliefs, m, n_done, taken);

        taken[row] = true;
        out[k] = row - n_done;
        for (int h = 0; h < n_beliefs; h++) observe(&b[h], m, row, b[h].noise, column);
    }
out:
    for (int h = 0; h < MOST_HYPOTHESES; h++) lt_free(b[h].cov);
    lt_free(taken);
    lt_free(column);
    lt_free(y);
    return s;
}

lt_status lt_few_propose(const void *self, const struct lt_arch *done, const double *latency_s, int n_done,
                         const struct lt_arch *among, int n_among, int n, struct lt_arch *out, struct lt_err *e) {
    const struct lt_few *known = self;
    struct lt_few f = *known; /* prepared here where nothing was learned; maps are shared, not changed */
    struct candidate *c = lt_calloc((size_t)n_among, sizeof(*c));
    struct lt_arch *rows = NULL;
    double *psi = NULL;
    int *chosen = lt_calloc((size_t)n, sizeof(*chosen)), m;
    bool own = !known->basis.ready;
    lt_status s = LT_OK;

    if (own) f.basis = (struct lt_few_basis){0};
    if (!c || !chosen) s = no_memory(e);
    if (!s && own && !(s = lt_few_basis_init(&f.basis, f.space, e))) s = lt_few_basis_prepare(&f.basis, f.seed, e);
    if (s) goto out;
    m = choose_candidates(&f, done, n_done, among, n_among, c);
    if (m < n) {
        s = lt_fail(e, LT_EINVAL, "predictor 'fewshot': %d to propose, %d candidates are not measured", n, m);
        goto out;
    }
    if (m > MOST_CANDIDATES) m = n > MOST_CANDIDATES ? n : MOST_CANDIDATES;
    if (!(rows = lt_calloc((size_t)(n_done + m), sizeof(*rows)))) {
        s = no_memory(e);
        goto out;
    }
    for (int i = 0; i < n_done; i++) rows[i] = done[i];
    for (int i = 0; i < m; i++) rows[n_done + i] = *c[i].a;
    if ((s = lt_few_psi_of(&f.basis, rows, n_done + m, &psi, e)) ||
        (s = choose(&f, psi, latency_s, n_done, n_done + m, n, chosen, e)))
        goto out;
    for (int k = 0; k < n; k++) out[k] = *c[chosen[k]].a;
out:
    if (own) lt_few_basis_release(&f.basis);
    lt_free(c);
    lt_free(chosen);
    lt_free(rows);
    lt_free(psi);
    return s;
}
