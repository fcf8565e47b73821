/*
 * Room: search. A light predictor of one expensive score from a space's features: Gaussian process regression in closed
 * form (Rasmussen, Williams, "Gaussian processes for machine learning", 2006, algorithm 2.1), whose kernel is a linear
 * one, an RBF one or half of each. The linear kernel alone is ridge regression with its exact uncertainty. Kernel,
 * length and noise are the ones of the greatest marginal likelihood on a small grid. Costs n^3 / 3 a fit; meant for at
 * most a few thousand results. One thread; the same bits for the same input on one machine.
 */
#ifndef SEARCH_SURROGATE_H
#define SEARCH_SURROGATE_H
#include "lathe/status.h"

struct lt_surrogate {
    int d, n, cap;
    double *x;                     /* [n][d] what it was fitted to */
    double *dot, *chol;            /* [n][n], upper triangles */
    double *y, *alpha;             /* [n] */
    double gauge;                  /* mean squared length of a row */
    double mean, sd, amplitude;    /* of the values; of the process, in units of sd squared */
    double linear, length2, noise; /* chosen */
    int n_chosen;                  /* number of results at the last choice; 0 = never */
};
void lt_surrogate_init(struct lt_surrogate *g, int n_features);
void lt_surrogate_release(struct lt_surrogate *g);
/* n >= 1 rows of features and their values, finite. The grid is searched again when n has grown by a quarter. */
lt_status lt_surrogate_fit(struct lt_surrogate *g, const double *x, const double *y, int n, struct lt_err *e);
/* k rows; mean and standard deviation of the noise-free value. */
lt_status lt_surrogate_predict(const struct lt_surrogate *g, const double *x, int k, double *mean, double *sd,
                               struct lt_err *e);
#endif
