/*
 * Room: search. Points in the space of objectives: ranks by non-domination and crowding. A point is a row of m values,
 * all to be minimised (lt_goal_row turns a score into one), and its violation of the constraints: 0 = feasible,
 * INFINITY = unusable (a failed evaluation, an objective that is no number).
 */
#ifndef SEARCH_FRONT_H
#define SEARCH_FRONT_H
#include "lathe/searcher.h"

/* One told result as a row of goal->n_objectives numbers to be minimised; returns its violation. */
double lt_goal_row(const struct lt_goal *goal, const struct lt_scores *s, double *f);

/* Ranks by constrained non-domination, as lt_goal_dominates has it: 0 is the best front; feasible ones by fronts, then
 * infeasible ones by violation, equal violations by fronts; unusable ones get -1. n log n for one and two objectives
 * (Jensen, "Reducing the run-time complexity of multiobjective EAs", IEEE TEC 7(5), 2003), for more the efficient
 * non-dominated sort with binary search (Zhang, Tian, Cheng, Jin, IEEE TEC 19(2), 2015). Rows are `stride` apart. */
lt_status lt_front_ranks(const double *f, int stride, const double *violation, int n, int m, int *rank,
                         struct lt_err *e);

/* Crowding distance (Deb et al., IEEE TEC 6(2), 2002) of the points at[0..k) among each other; INFINITY at the ends. */
lt_status lt_front_crowding(const double *f, int stride, int m, const int *at, int k, double *out, struct lt_err *e);
#endif
