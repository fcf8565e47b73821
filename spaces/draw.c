/* Sampling towards costs: balanced over MACs, and inside bounds; both with a bounded number of tries. */
#include <math.h>
#include "spaces/costs.h"

/* How far v is outside of the bounds, relative to their sizes; 0 inside. */
static double outside(const struct lt_space_bounds *b, const double v[LT_N_MEASURES]) {
    double d = 0;

    for (int m = 0; m < LT_N_MEASURES; m++) {
        if (b->max[m] > 0 && v[m] > b->max[m]) d += (v[m] - b->max[m]) / b->max[m];
        if (b->min[m] > 0 && v[m] < b->min[m]) d += (b->min[m] - v[m]) / b->min[m];
    }
    return d;
}

/* Mutates a while that brings it nearer; *d is the distance. */
static lt_status approach(const struct lt_space *s, struct lt_space_costs *c, struct lt_rng *r,
                          const struct lt_space_bounds *b, int tries, struct lt_arch *a, double *d, struct lt_err *e) {
    double v[LT_N_MEASURES];
    lt_status st;

    for (int i = 0; i<tries && * d> 0; i++) {
        struct lt_arch trial = *a;
        double now;

        lt_space_mutate(s, r, 0.05, &trial);
        if ((st = lt_costs_measure(c, &trial, v, e))) return st;
        if ((now = outside(b, v)) > *d) continue;
        *a = trial;
        *d = now;
    }
    return LT_OK;
}

lt_status lt_space_sample_within(const struct lt_space *s, struct lt_space_costs *c, const struct lt_space_bounds *b,
                                 int tries, struct lt_rng *r, struct lt_arch *out, struct lt_err *e) {
    double v[LT_N_MEASURES], d, nearest = HUGE_VAL;
    struct lt_arch a, best = {0};
    lt_status st;
    int half = tries / 2 + 1;

    for (int i = 0; i < half; i++) {
        lt_space_sample(s, r, &a);
        if ((st = lt_costs_measure(c, &a, v, e))) return st;
        if ((d = outside(b, v)) < nearest) {
            nearest = d;
            best = a;
        }
        if (d == 0) break;
    }
    if ((st = approach(s, c, r, b, tries - half, &best, &nearest, e))) return st;
    if (nearest > 0)
        return lt_fail(
            e, LT_INFEASIBLE,
            "no network of space '%s' inside the bounds was found in %d tries; the nearest is outside by %.3g %%",
            lt_space_name(s), tries, 100 * nearest);
    *out = best;
    return LT_OK;
}

lt_status lt_space_sample_balanced(const struct lt_space *s, struct lt_space_costs *c,
                                   const struct lt_space_range *range, int tries, struct lt_rng *r, struct lt_arch *out,
                                   struct lt_err *e) {
    double lo = range->min[LT_MEASURE_MACS], hi = range->max[LT_MEASURE_MACS], v[LT_N_MEASURES], d;
    double wanted = lo + lt_rng_u01(r) * (hi - lo), near = 0.005 * (hi - lo);
    struct lt_space_bounds b = {.min = {[LT_MEASURE_MACS] = wanted - near}, .max = {[LT_MEASURE_MACS] = wanted + near}};
    struct lt_arch a;
    lt_status st;

    /* Starts at the end of the range that is nearer, or in the middle: most networks lie there. */
    if (wanted < lo + 0.15 * (hi - lo))
        lt_space_smallest(s, &a);
    else if (wanted > hi - 0.15 * (hi - lo))
        lt_space_largest(s, &a);
    else
        lt_space_sample(s, r, &a);
    if ((st = lt_costs_measure(c, &a, v, e))) return st;
    d = outside(&b, v);
    if ((st = approach(s, c, r, &b, tries, &a, &d, e))) return st;
    *out = a;
    return LT_OK;
}
