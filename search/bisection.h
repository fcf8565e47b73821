/*
 * Room: search. Inside of searcher "bisection": what has been measured, and the networks put together from it. Private
 * to bisection*.c.
 */
#ifndef SEARCH_BISECTION_H
#define SEARCH_BISECTION_H
#include "search/explore.h"

struct lt_bisection_cfg {
    int64_t samples, candidates, rounds;
};

/* One choice of one gene: where it was measured. Results are numbered in ask order; -1: not measured. */
struct lt_bisection_choice {
    int gene, value;
    int result, against; /* loss = quality[against] - quality[result] */
    double price;        /* share of the limits that the largest network has with it */
    double loss;         /* INFINITY: never to be taken */
};

enum lt_bisection_phase { LT_BISECTION_MEASURE, LT_BISECTION_ASSEMBLE, LT_BISECTION_DONE };
struct lt_bisection {
    const struct lt_bisection_cfg *cfg;
    struct lt_explorer x;
    enum lt_bisection_phase phase;
    bool planned;
    struct lt_arch high, low;           /* the largest and the smallest that meet the limits */
    struct lt_bisection_choice *choice; /* by gene */
    int n_choices, first[LT_MAX_GENES + 1];
    struct lt_arch *queue;
    double *quality; /* of results; -INFINITY: failed */
    int n, n_asked, n_told, cap;
    int best; /* number of the best result that meets all limits, the told ones included; 0 while none does */
    double best_quality; /* of it; NAN while none does */
    int64_t round;
};

/* Number of the result of an architecture, asked now unless it has been; -1 when it is infeasible or the budget is
 * spent. */
lt_status lt_bisection_result_of(struct lt_bisection *s, const struct lt_arch *a, int *out, struct lt_err *e);
struct lt_arch lt_bisection_with(const struct lt_bisection *s, const struct lt_arch *a, int gene, int value);
/* Asks for the networks of the least allowed loss that meets the limits, and of the next larger ones. */
lt_status lt_bisection_propose(struct lt_bisection *s, struct lt_err *e);
#endif
