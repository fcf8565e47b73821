/* Additive scores; contract in additive.h. */
#include <math.h>
#include <string.h>
#include "lathe/knapsack.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "search/additive.h"
#include "search/dense.h"

lt_status lt_additive_init(struct lt_additive *m, int d, struct lt_err *e) {
    *m = (struct lt_additive){.d = d};
    m->weight = lt_calloc((size_t)d + 1, sizeof(*m->weight));
    m->chol = lt_malloc(((size_t)d * (size_t)d + 1) * sizeof(*m->chol));
    if (m->weight && m->chol) return LT_OK;
    lt_additive_release(m);
    return lt_fail(e, LT_ENOMEM, "search: out of memory for an additive model of %d weights", d);
}

void lt_additive_release(struct lt_additive *m) {
    lt_free(m->weight);
    lt_free(m->chol);
    *m = (struct lt_additive){0};
}

double lt_additive_value(const struct lt_additive *m, const double *x) {
    double v = m->base;

    for (int i = 0; i < m->d; i++) v += m->weight[i] * x[i];
    return v;
}

/* Upper triangle of X'X + ridge I. Features are mostly 0. */
static void normal_matrix(const double *x, int n, int d, double ridge, double *a) {
    memset(a, 0, (size_t)d * (size_t)d * sizeof(*a));
    for (int i = 0; i < n; i++) {
        const double *row = x + (size_t)i * (size_t)d;

        for (int j = 0; j < d; j++) {
            for (int k = j; k < d && row[j] != 0; k++) a[(size_t)j * (size_t)d + (size_t)k] += row[j] * row[k];
        }
    }
    for (int j = 0; j < d; j++) a[(size_t)j * (size_t)d + (size_t)j] += ridge;
}

/* (X'X + ridge I) w = X'(y - mean); the mean is the base. */
lt_status lt_additive_fit(struct lt_additive *m, const double *x, const double *y, int n, double ridge,
                          struct lt_err *e) {
    size_t d = (size_t)m->d;
    double sum = 0;

    if (d == 0) return LT_OK;
    for (;; ridge *= 10) {
        normal_matrix(x, n, m->d, ridge, m->chol);
        if (lt_dense_cholesky(m->chol, m->d)) break;
        if (!(ridge > 0 && ridge < 1e6))
            return lt_fail(e, LT_EFAIL, "search: %d results with %d features have no additive model", n, m->d);
    }
    m->base = lt_mean(y, n);
    memset(m->weight, 0, d * sizeof(*m->weight));
    for (int i = 0; i < n; i++) {
        for (size_t j = 0; j < d; j++) m->weight[j] += x[(size_t)i * d + j] * (y[i] - m->base);
    }
    lt_dense_solve(m->chol, m->d, m->weight, 1);
    lt_dense_back(m->chol, m->d, m->weight);
    for (int i = 0; i < n; i++) {
        double r = y[i] - lt_additive_value(m, x + (size_t)i * d);

        sum += r * r;
    }
    m->residual = sqrt(sum / n);
    return LT_OK;
}

void lt_additive_draw(const struct lt_additive *m, struct lt_rng *r, double scale, double *out) {
    for (int i = 0; i < m->d; i++) out[i] = lt_rng_normal(r);
    lt_dense_back(m->chol, m->d, out); /* covariance (U'U)^-1 */
    for (int i = 0; i < m->d; i++) out[i] = m->weight[i] + scale * m->residual * out[i];
}

/* ---- layers ---- */

static int root_of(int *parent, int i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

/* Genes whose existence depends on another belong to it. Seen by changing one gene at a time of a few architectures. */
static void join(const struct lt_space *s, const struct lt_arch *from, int *parent) {
    int n = lt_space_n_genes(s);

    for (int g = 0; g < n; g++) {
        if (!lt_space_gene_active(s, from, g)) continue;
        for (int v = 0; v < lt_space_gene(s, g)->n_choices; v++) {
            struct lt_arch b = *from;

            b.g[g] = (uint8_t)v;
            for (int h = 0; h < n; h++) {
                if (lt_space_gene_active(s, from, h) == lt_space_gene_active(s, &b, h)) continue;
                parent[root_of(parent, h)] = root_of(parent, g);
            }
        }
    }
}

/* All canonical combinations of a layer's genes; counts only when out is NULL. -1: too many. */
static int combine(const struct lt_gene_groups *g, int layer, uint8_t *out) {
    const struct lt_space *s = g->space;
    int count = 0, n = g->n_genes[layer], k;
    struct lt_arch a;

    lt_space_smallest(s, &a);
    do {
        if (count == 65535) return -1;
        if (out) {
            for (int i = 0; i < n; i++) out[count * n + i] = a.g[g->gene[layer][i]];
        }
        count++;
        for (k = n - 1; k >= 0; k--) {
            int gene = g->gene[layer][k];

            if (!lt_space_gene_active(s, &a, gene)) continue;
            if (++a.g[gene] < lt_space_gene(s, gene)->n_choices) break;
            a.g[gene] = 0;
        }
        lt_space_canonical(s, &a);
    } while (k >= 0);
    return count;
}

lt_status lt_gene_groups_init(struct lt_gene_groups *g, const struct lt_space *space, struct lt_err *e) {
    int genes = lt_space_n_genes(space), parent[LT_MAX_GENES], layer_of_root[LT_MAX_GENES];
    struct lt_arch a;
    struct lt_rng r;
    lt_status s = LT_ENOMEM;

    *g = (struct lt_gene_groups){.space = space};
    for (int i = 0; i < genes; i++) {
        parent[i] = i;
        layer_of_root[i] = -1;
    }
    lt_space_largest(space, &a);
    join(space, &a, parent);
    lt_space_smallest(space, &a);
    join(space, &a, parent);
    for (int i = 0; i < 8; i++) {
        lt_rng_at(&r, 0, LT_RNG_SEARCH, UINT64_MAX - 1, (uint64_t)i);
        lt_space_sample(space, &r, &a);
        join(space, &a, parent);
    }
    g->n_choices = lt_calloc((size_t)genes + 1, sizeof(*g->n_choices));
    g->n_genes = lt_calloc((size_t)genes + 1, sizeof(*g->n_genes));
    g->gene = lt_calloc((size_t)genes + 1, sizeof(*g->gene));
    g->gene_value = lt_calloc((size_t)genes + 1, sizeof(*g->gene_value));
    g->offset = lt_calloc((size_t)genes + 1, sizeof(*g->offset));
    if (!g->n_choices || !g->n_genes || !g->gene || !g->gene_value || !g->offset) goto out;
    for (int i = 0; i < genes; i++) {
        int root = root_of(parent, i);

        if (layer_of_root[root] < 0) layer_of_root[root] = g->n++;
        g->of[i] = layer_of_root[root];
        g->n_genes[g->of[i]]++;
        g->offset[i + 1] = g->offset[i] + lt_space_gene(space, i)->n_choices;
    }
    for (int l = 0; l < g->n; l++) {
        int at = 0;

        if (!(g->gene[l] = lt_malloc((size_t)g->n_genes[l] * sizeof(**g->gene)))) goto out;
        for (int i = 0; i < genes; i++) {
            if (g->of[i] == l) g->gene[l][at++] = i;
        }
        g->n_choices[l] = combine(g, l, NULL);
        if (g->n_choices[l] < 0) {
            s = lt_fail(e, LT_EINVAL,
                        "searcher 'exact': '%s' and the %d choices that depend on it have more than 65535 combinations",
                        lt_space_gene(space, g->gene[l][0])->name, g->n_genes[l] - 1);
            goto out;
        }
        g->n_all += g->n_choices[l];
        if (!(g->gene_value[l] = lt_malloc((size_t)g->n_choices[l] * (size_t)g->n_genes[l]))) goto out;
        combine(g, l, g->gene_value[l]);
    }
    return LT_OK;
out:
    if (s == LT_ENOMEM) s = lt_fail(e, LT_ENOMEM, "searcher 'exact': out of memory");
    lt_gene_groups_release(g);
    return s;
}

void lt_gene_groups_release(struct lt_gene_groups *g) {
    for (int l = 0; l < g->n && g->gene; l++) lt_free(g->gene[l]);
    for (int l = 0; l < g->n && g->gene_value; l++) lt_free(g->gene_value[l]);
    lt_free(g->gene);
    lt_free(g->gene_value);
    lt_free(g->n_choices);
    lt_free(g->n_genes);
    lt_free(g->offset);
    *g = (struct lt_gene_groups){0};
}

/* Sum of weights over the active genes of a layer's choice. */
static double sum_of(const struct lt_gene_groups *g, int layer, int choice, const bool *active, const double *weight) {
    const uint8_t *v = g->gene_value[layer] + (size_t)choice * (size_t)g->n_genes[layer];
    double sum = 0;

    for (int i = 0; i < g->n_genes[layer]; i++) {
        if (active[i]) sum += weight[g->offset[g->gene[layer][i]] + v[i]];
    }
    return sum;
}

static void active_of(const struct lt_gene_groups *g, int layer, int choice, struct lt_arch *a, bool *active) {
    const uint8_t *v = g->gene_value[layer] + (size_t)choice * (size_t)g->n_genes[layer];

    for (int i = 0; i < g->n_genes[layer]; i++) a->g[g->gene[layer][i]] = v[i];
    for (int i = 0; i < g->n_genes[layer]; i++) active[i] = lt_space_gene_active(g->space, a, g->gene[layer][i]);
}

/* Costs in whole steps above each layer's least one; budget[k] < 0: cannot be met. */
static void to_steps(const struct lt_gene_groups *g, const double *cost, const struct lt_additive_limit *limit, int n,
                     int buckets, int64_t *steps, int64_t *budget) {
    for (int k = 0; k < n; k++) {
        double room = limit[k].limit - limit[k].base, step;
        int64_t at = 0;

        for (int l = 0; l < g->n; at += g->n_choices[l++]) {
            double least = INFINITY;

            for (int c = 0; c < g->n_choices[l]; c++) least = fmin(least, cost[(at + c) * n + k]);
            for (int c = 0; c < g->n_choices[l]; c++) steps[(at + c) * n + k] = 0;
            room -= least;
        }
        budget[k] = room < 0 ? -1 : buckets;
        step = room > 0 ? room / buckets : 1e-300;
        at = 0;
        for (int l = 0; l < g->n; at += g->n_choices[l++]) {
            double least = INFINITY;

            for (int c = 0; c < g->n_choices[l]; c++) least = fmin(least, cost[(at + c) * n + k]);
            for (int c = 0; c < g->n_choices[l]; c++) {
                double q = (cost[(at + c) * n + k] - least) / step;

                steps[(at + c) * n + k] = q > 1e9 ? 1000000000 : (int64_t)(q + 0.5);
            }
        }
    }
}

lt_status lt_additive_solve(const struct lt_gene_groups *g, const double *weight, const struct lt_additive_limit *limit,
                            int n_limits, int buckets, struct lt_arch *out, struct lt_err *e) {
    int64_t budget[LT_KNAPSACK_MAX_COSTS], at = 0;
    double *value = lt_malloc((size_t)g->n_all * sizeof(*value)), best;
    double *cost = lt_malloc(((size_t)g->n_all * (size_t)n_limits + 1) * sizeof(*cost));
    int64_t *steps = lt_malloc(((size_t)g->n_all * (size_t)n_limits + 1) * sizeof(*steps));
    int *choice = lt_malloc(((size_t)g->n + 1) * sizeof(*choice));
    struct lt_knapsack p = {g->n, n_limits, g->n_choices, value, steps, budget};
    struct lt_arch a;
    lt_status s;

    if (!value || !cost || !steps || !choice) {
        s = lt_fail(e, LT_ENOMEM, "searcher 'exact': out of memory for %lld choices", (long long)g->n_all);
        goto out;
    }
    lt_space_smallest(g->space, &a);
    for (int l = 0; l < g->n; at += g->n_choices[l++]) {
        bool active[LT_MAX_GENES];

        for (int c = 0; c < g->n_choices[l]; c++) {
            active_of(g, l, c, &a, active);
            value[at + c] = sum_of(g, l, c, active, weight);
            for (int k = 0; k < n_limits; k++) cost[(at + c) * n_limits + k] = sum_of(g, l, c, active, limit[k].weight);
        }
    }
    to_steps(g, cost, limit, n_limits, buckets, steps, budget);
    for (int k = 0; k < n_limits; k++) {
        if (budget[k] >= 0) continue;
        s = lt_fail(e, LT_INFEASIBLE, "searcher 'exact': limit %d cannot be met by the additive model", k);
        goto out;
    }
    if ((s = lt_knapsack_solve(&p, choice, &best, e))) goto out;
    for (int l = 0; l < g->n; l++) {
        const uint8_t *v = g->gene_value[l] + (size_t)choice[l] * (size_t)g->n_genes[l];

        for (int i = 0; i < g->n_genes[l]; i++) a.g[g->gene[l][i]] = v[i];
    }
    lt_space_canonical(g->space, &a);
    *out = a;
out:
    lt_free(value);
    lt_free(cost);
    lt_free(steps);
    lt_free(choice);
    return s;
}
