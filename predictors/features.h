/*
 * What an architecture looks like to a latency model: sums over its operator graph by class of operator and by part of
 * the network, and its choices. Shared by the predictors; everything comes from the graph and the space, so a new space
 * needs no code here.
 */
#ifndef PREDICTORS_FEATURES_H
#define PREDICTORS_FEATURES_H
#include "lathe/space.h"

struct lt_features; /* which columns there are, for one space */
lt_status lt_features_new(const struct lt_space *s, struct lt_features **out, struct lt_err *e); /* s is borrowed */
void lt_features_free(struct lt_features *f);
int lt_features_count(const struct lt_features *f);
int lt_features_analytic(
    const struct lt_features *f); /* the first of them, in units of work; the others are one-hot choices */
lt_status lt_features_of(const struct lt_features *f, const struct lt_arch *a, double *x /* [count] */,
                         struct lt_err *e);
#endif
