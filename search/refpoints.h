/*
 * Room: search. Reference directions in the space of objectives, evenly spread over the unit simplex (Das, Dennis,
 * "Normal-boundary intersection", SIAM J. Optim. 8(3), 1998), and the frame that NSGA-III moves points into before it
 * asks which direction is nearest: the ideal point to the origin, the intercepts of the plane through the extreme
 * points to 1 (Deb, Jain, IEEE TEC 18(4), 2014).
 */
#ifndef SEARCH_REFPOINTS_H
#define SEARCH_REFPOINTS_H
#include "lathe/searcher.h"

struct lt_refpoints {
    int m, n;
    double *w;                                         /* [n][m], each row sums to 1 */
    double ideal[LT_MAX_SCORES], scale[LT_MAX_SCORES]; /* of the last fit */
};
/* divisions 0: the most that give no more than `most` points, at least 1. Where that is fewer than m, so that all
 * points lie on the border, a second layer of half the size is put inside when it fits. */
lt_status lt_refpoints_init(struct lt_refpoints *r, int m, int divisions, int most, struct lt_err *e);
void lt_refpoints_release(struct lt_refpoints *r);
/* The frame of n rows to be minimised, `stride` doubles apart. */
lt_status lt_refpoints_fit(struct lt_refpoints *r, const double *f, int stride, int n, struct lt_err *e);
/* The direction nearest to a row in the frame; *distance is perpendicular to it. */
int lt_refpoints_nearest(const struct lt_refpoints *r, const double *f, double *distance);
#endif
