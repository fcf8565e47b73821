/*
 * Room: search. A score as a sum of one number for each active choice, fitted by ridge regression on the space's
 * features, and the best architecture under such sums: a multiple-choice knapsack (lathe/knapsack.h). Choices that
 * decide whether others exist (a stage's depth) form one layer with them, whose choices are all their combinations.
 */
#ifndef SEARCH_ADDITIVE_H
#define SEARCH_ADDITIVE_H
#include "lathe/rng.h"
#include "lathe/space.h"

/* score = base + sum over features of weight */
struct lt_additive {
    int d;
    double base, *weight;   /* [d] */
    double *chol, residual; /* [d][d] upper factor of the posterior's precision; standard deviation of what is left */
};
lt_status lt_additive_init(struct lt_additive *m, int d, struct lt_err *e);
void lt_additive_release(struct lt_additive *m);
/* n >= 1 rows of features. ridge: penalty of a weight, more than 0, in squared units of a feature: as that many results
 * would have it that show no effect; tiny for exact sums. */
lt_status lt_additive_fit(struct lt_additive *m, const double *x, const double *y, int n, double ridge,
                          struct lt_err *e);
double lt_additive_value(const struct lt_additive *m, const double *x);
/* Weights drawn from the posterior (Thompson sampling: Agrawal, Goyal, ICML 2013), times `scale`; out: [d]. */
void lt_additive_draw(const struct lt_additive *m, struct lt_rng *r, double scale, double *out);

/* Groups of genes: each layer of the knapsack with its choices as partial architectures. */
struct lt_gene_groups {
    const struct lt_space *space;
    int n;                /* layers */
    int of[LT_MAX_GENES]; /* gene -> layer */
    int *n_choices;       /* [n] */
    int64_t n_all;        /* choices of all layers */
    uint8_t **gene_value; /* [n][n_choices * genes of the layer] */
    int *n_genes, **gene; /* genes of each layer, in order */
    int *offset;          /* [n_genes of the space] feature of a gene's choice 0 */
};
/* LT_EINVAL when a layer would have more than 65535 combinations. */
lt_status lt_gene_groups_init(struct lt_gene_groups *g, const struct lt_space *space, struct lt_err *e);
void lt_gene_groups_release(struct lt_gene_groups *g);

/* The architecture of the greatest sum of `weight` (features) whose sums of cost[k] (features, base included) stay
 * within limit[k], in `buckets` steps each, rounded to the nearest. LT_INFEASIBLE when there is none. */
struct lt_additive_limit {
    const double *weight; /* [d] */
    double base, limit;
};
lt_status lt_additive_solve(const struct lt_gene_groups *g, const double *weight, const struct lt_additive_limit *limit,
                            int n_limits, int buckets, struct lt_arch *out, struct lt_err *e);
#endif
