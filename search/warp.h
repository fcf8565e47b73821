/*
 * Room: search. Values of unknown distribution turned into normal ones and back: by rank, so that networks that do not
 * train at all, or latencies of a few empty ones, cannot take up a predictor's whole range (as the Gaussian copula of
 * Salinas, Shen, Perrone, ICML 2020).
 */
#ifndef SEARCH_WARP_H
#define SEARCH_WARP_H
#include "lathe/status.h"

struct lt_warp {
    int n, cap;
    double *y, *z;                /* [n] rising: values, and the normal quantiles of their mean ranks */
    double low_slope, high_slope; /* beyond the ends */
};
void lt_warp_release(struct lt_warp *w);
/* n >= 1 finite values; z: [n], what they become. */
lt_status lt_warp_fit(struct lt_warp *w, const double *y, int n, double *z, struct lt_err *e);
double lt_warp_back(const struct lt_warp *w, double z);
#endif
