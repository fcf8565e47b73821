/*
 * Enumerated spaces of predictor "fewshot": the analytic sums of every network, and, once fitted, what psi'w and
 * psi'v psi are for each.
 *
 * Most analytic columns of psi are linear in the choices and in a few of the others (an operator that is always there
 * costs the same wherever it stands). Those few are found once, by a Cholesky factorisation of the columns' Gram matrix
 * with pivots, so that psi = to z with a shorter z: 1, the choices, and the few. Then v is brought over to z, where its
 * quadratic form is a table of pairs of choices and a small triangle, and networks that differ in their last genes
 * alone share the rest.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/fewshot_math.h"
#include "predictors/fewshot_priv.h"

/* A column that the chosen ones give to this root mean square is one of them in other words: the sums are rounded to
 * 24 bits, and columns have variance 1 over sampled networks. */
#define SAME 1e-6

struct lt_few_table {
    int n, r;         /* numbers in z; analytic columns among them */
    int *pivot;       /* [r] which of the kept ones */
    double *to;       /* [p][n] psi = to z, z = 1, choices, pivots */
    uint16_t *choice; /* [networks][n_genes] index in z; 0: the gene has no effect */
};

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "predictor 'fewshot': out of memory"); }

void lt_few_table_free(struct lt_few_table *t) {
    if (!t) return;
    lt_free(t->pivot);
    lt_free(t->to);
    lt_free(t->choice);
    lt_free(t);
}

double lt_few_basis_networks(const struct lt_few_basis *b) {
    double count = 1;
    for (int g = 0; g < b->n_genes; g++) count *= b->first[g + 1] - b->first[g];
    return count;
}

/* Network number i; false when it is another one in other words, which nobody asks for. */
static bool network(const struct lt_few_basis *b, int i, struct lt_arch *a) {
    struct lt_arch canonical;

    *a = (struct lt_arch){.n = b->n_genes};
    for (int g = b->n_genes - 1; g >= 0; g--) {
        int n = b->first[g + 1] - b->first[g];
        a->g[g] = (uint8_t)(i % n);
        i /= n;
    }
    canonical = *a;
    lt_space_canonical(b->space, &canonical);
    return lt_arch_equal(a, &canonical);
}

/* sums[c][c]: means over the networks of the products of 1, the choices and the kept columns. */
static void add_up(const struct lt_few_basis *b, struct lt_few_table *t, double *sums, double *row) {
    size_t kept = (size_t)b->n_kept, genes = (size_t)b->n_genes, head = 1 + (size_t)b->n_choices, c = head + kept;
    int n = 0;

    for (int i = 0; i < b->n_memo; i++) {
        uint16_t *at = t->choice + (size_t)i * genes;
        struct lt_arch a;

        if (!network(b, i, &a)) continue;
        n++;
        for (size_t g = 0; g < genes; g++)
            if (lt_space_gene_active(b->space, &a, (int)g)) at[g] = (uint16_t)(1 + b->first[g] + a.g[g]);
        for (size_t k = 0; k < kept; k++) row[k] = (double)b->memo[(size_t)i * kept + k];
        sums[0]++;
        for (size_t g = 0; g < genes; g++) {
            if (!at[g]) continue;
            sums[at[g] * c]++;
            for (size_t q = 0; q <= g; q++) sums[at[g] * c + at[q]] += at[q] > 0;
        }
        for (size_t k = 0; k < kept; k++) {
            double *to = sums + (head + k) * c;

            to[0] += row[k];
            for (size_t g = 0; g < genes; g++) to[at[g]] += at[g] ? row[k] : 0;
            for (size_t q = 0; q <= k; q++) to[head + q] += row[k] * row[q];
        }
    }
    for (size_t i = 0; i < c; i++)
        for (size_t j = 0; j <= i; j++) sums[j * c + i] = sums[i * c + j] /= n ? n : 1;
}

/* One more column into the factor: l[i][step] for all i, and what is left of each. */
static void take(const double *sums, double *l, double *left, int *chosen, int step, int column, int c) {
    size_t w = (size_t)c, s = (size_t)step;
    double root = sqrt(left[column]);

    chosen[step] = column;
    for (size_t i = 0; i < w; i++) {
        double x = sums[i * w + (size_t)column] - lt_few_dot(l + i * w, l + (size_t)column * w, step);

        l[i * w + s] = (int)i == column ? root : left[i] < 0 ? 0 : x / root;
        if (left[i] >= 0 && (int)i != column) left[i] = fmax(0, left[i] - l[i * w + s] * l[i * w + s]);
    }
    left[column] = -1; /* chosen: rows below it in the factor are 0 */
}

/* The columns that say everything: 1 and the choices first, then the kept ones, the one least known so far first. l:
 * [c][c] their factor, rows by column, in the order chosen. Returns how many. */
static int choose_columns(const struct lt_few_basis *b, const double *sums, double *l, double *left, int *chosen) {
    int head = 1 + b->n_choices, c = head + b->n_kept, n = 0;

    for (int i = 0; i < c; i++) left[i] = sums[(size_t)i * (size_t)c + (size_t)i];
    for (int i = 0; i < head; i++)
        if (left[i] > SAME * SAME) take(sums, l, left, chosen, n++, i, c);
    for (;;) {
        int best = head;

        for (int i = head; i < c; i++)
            if (left[i] > left[best]) best = i;
        if (!(left[best] > SAME * SAME)) return n;
        take(sums, l, left, chosen, n++, best, c);
    }
}

/* Row of `to` for kept column k: itself where it is a pivot, else what the chosen ones make of it. */
static void express(const struct lt_few_basis *b, struct lt_few_table *t, const double *l, const int *chosen, int n,
                    int k, double *x) {
    size_t head = 1 + (size_t)b->n_choices, c = head + (size_t)b->n_kept, w = (size_t)t->n;
    double *row = t->to + (head + (size_t)k) * w;

    for (int q = 0; q < t->r; q++) {
        if (t->pivot[q] != k) continue;
        row[head + (size_t)q] = 1;
        return;
    }
    for (int i = n - 1; i >= 0; i--) { /* x L = the row of l: from the last chosen one up */
        x[i] = l[(head + (size_t)k) * c + (size_t)i];
        for (int j = i + 1; j < n; j++) x[i] -= x[j] * l[(size_t)chosen[j] * c + (size_t)i];
        x[i] /= l[(size_t)chosen[i] * c + (size_t)i];
    }
    for (int i = 0, pivot = 0; i < n; i++) row[chosen[i] < (int)head ? chosen[i] : (int)head + pivot++] = x[i];
}

lt_status lt_few_table_make(struct lt_few_basis *b, struct lt_err *e) {
    size_t head = 1 + (size_t)b->n_choices, c = head + (size_t)b->n_kept;
    double *sums = lt_few_doubles(c, c), *l = lt_few_doubles(c, c), *row = lt_few_doubles(3, c);
    int *chosen = lt_calloc(c, sizeof(*chosen)), n;
    struct lt_few_table *t = lt_calloc(1, sizeof(*t));
    lt_status s = LT_OK;

    if (t) {
        t->choice = lt_calloc((size_t)b->n_memo * (size_t)b->n_genes, sizeof(*t->choice));
        t->pivot = lt_calloc(c, sizeof(*t->pivot));
    }
    if (!sums || !l || !row || !chosen || !t || !t->choice || !t->pivot) {
        s = no_memory(e);
        goto out;
    }
    add_up(b, t, sums, row);
    n = choose_columns(b, sums, l, row, chosen);
    for (int i = 0; i < n; i++)
        if (chosen[i] >= (int)head) t->pivot[t->r++] = chosen[i] - (int)head;
    t->n = (int)head + t->r;
    if (!(t->to = lt_few_doubles(c, (size_t)t->n))) {
        s = no_memory(e);
        goto out;
    }
    for (size_t i = 0; i < head; i++) t->to[i * (size_t)t->n + i] = 1;
    for (size_t j = 1; j < head; j++)
        t->to[j * (size_t)t->n] = -b->mean[j - 1]; /* psi's choices are about their mean */
    for (int k = 0; k < b->n_kept; k++) express(b, t, l, chosen, n, k, row + c);
    b->table = t;
    t = NULL;
out:
    lt_few_table_free(t);
    lt_free(sums);
    lt_free(l);
    lt_free(row);
    lt_free(chosen);
    return s;
}

lt_status lt_few_basis_enumerate(struct lt_few_basis *b, struct lt_err *e) {
    double count = lt_few_basis_networks(b), *psi;
    float *memo;
    lt_status s = LT_OK;

    if (b->n_memo || !b->n_kept || count > LT_FEW_MOST_ENUMERATED) return LT_OK;
    psi = lt_few_doubles(1, (size_t)b->p);
    memo = lt_calloc((size_t)count * (size_t)b->n_kept, sizeof(*memo));
    if (!psi || !memo) s = no_memory(e);
    for (int i = 0; !s && i < (int)count; i++) {
        struct lt_arch a;

        if (!network(b, i, &a)) continue;
        s = lt_few_psi(b, &a, psi, e);
        for (int k = 0; !s && k < b->n_kept; k++)
            memo[(size_t)i * (size_t)b->n_kept + (size_t)k] = (float)psi[1 + b->n_choices + k];
    }
    lt_free(psi);
    if (!s) {
        b->memo = memo;
        b->n_memo = (int)count;
        if (!(s = lt_few_table_make(b, e))) return LT_OK;
        b->memo = NULL;
        b->n_memo = 0;
    }
    lt_free(memo);
    return s;
}

void lt_few_table_means(const struct lt_few_basis *b, const double *w, double *out) {
    size_t kept = (size_t)b->n_kept;
    double base = w[0];

    for (int j = 0; j < b->n_choices; j++) base -= b->mean[j] * w[1 + j];
    for (int i = 0; i < b->n_memo; i++) {
        const float *x = b->memo + (size_t)i * kept;
        const uint16_t *at = b->table->choice + (size_t)i * (size_t)b->n_genes;
        double sum = base;

        for (int g = b->n_genes - 1; g >= 0; g--) sum += at[g] ? w[at[g]] : 0;
        for (size_t k = 0; k < kept; k++) sum += w[1 + (size_t)b->n_choices + k] * (double)x[k];
        out[i] = sum;
    }
}

/* What the first genes of a network add: to the variance by themselves, and to each pivot's share of it. */
struct prefix {
    double *part, *with; /* [n_genes + 1], [n_genes + 1][r] */
};

/* q[n][n]: v in terms of z; q's pivots triangular with doubled entries beside the diagonal. */
static void sum_up(const struct lt_few_basis *b, const double *q, struct prefix *y, double *x, double *out) {
    const struct lt_few_table *t = b->table;
    size_t n = (size_t)t->n, r = (size_t)t->r, head = n - r, genes = (size_t)b->n_genes;

    for (int i = 0; i < b->n_memo; i++) {
        const uint16_t *at = t->choice + (size_t)i * genes;
        const float *raw = b->memo + (size_t)i * (size_t)b->n_kept;
        size_t g = 0;

        for (; i && g < genes && at[g] == (at - genes)[g]; g++) continue;
        for (; g < genes; g++) {
            const double *of = q + at[g] * n;
            double *with = y->with + (g + 1) * r, part = y->part[g];

            if (at[g]) {
                part += of[at[g]] + 2 * of[0];
                for (size_t k = 0; k < g; k++) part += at[k] ? 2 * of[at[k]] : 0;
            }
            y->part[g + 1] = part;
            for (size_t k = 0; k < r; k++) with[k] = with[k - r] + (at[g] ? 2 * of[head + k] : 0);
        }
        for (size_t k = 0; k < r; k++) x[k] = (double)raw[t->pivot[k]];
        out[i] = y->part[genes];
        for (size_t k = 0; k < r; k++)
            out[i] += x[k] * (y->with[genes * r + k] + lt_few_dot(q + (head + k) * n + head, x, (int)k + 1));
    }
}

lt_status lt_few_table_variances(const struct lt_few_basis *b, const double *v, double *out, struct lt_err *e) {
    const struct lt_few_table *t = b->table;
    size_t n = (size_t)t->n, r = (size_t)t->r, p = (size_t)b->p, head = n - r, genes = (size_t)b->n_genes;
    double *half = lt_few_doubles(p, n), *turned = lt_few_doubles(n, p), *q = lt_few_doubles(n, n),
           *x = lt_few_doubles(r, 1);
    struct prefix y = {lt_few_doubles(genes + 1, 1), lt_few_doubles(genes + 1, r)};
    lt_status s = half && turned && q && x && y.part && y.with ? LT_OK : no_memory(e);

    if (s) goto out;
    lt_few_mul(v, t->to, half, (int)p, (int)p, (int)n);
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < n; j++) turned[j * p + i] = t->to[i * n + j];
    lt_few_mul(turned, half, q, (int)n, (int)p, (int)n);
    y.part[0] = q[0];
    for (size_t k = 0; k < r; k++) y.with[k] = 2 * q[head + k];
    for (size_t k = head; k < n; k++)
        for (size_t j = head; j < k; j++) q[k * n + j] *= 2;
    sum_up(b, q, &y, x, out);
out:
    lt_free(half);
    lt_free(turned);
    lt_free(q);
    lt_free(x);
    lt_free(y.part);
    lt_free(y.with);
    return s;
}
