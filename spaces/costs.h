/*
 * Costs of segments: a table for each segment, filled as its combinations are met. A segment's cost depends on its own
 * genes and on the shapes that are carried in (a state). Private to spaces/.
 */
#ifndef SPACES_COSTS_H
#define SPACES_COSTS_H
#include "spaces/space_priv.h"

struct lt_seg_cost { /* one segment at one combination */
    double sum[LT_N_CLASSES][LT_N_SUMS];
    double trained_macs, trained_params;
    int64_t peak_bytes; /* largest sum of live tensors while its nodes run */
    int next;           /* state that it leaves */
};
/* The state before the first segment. */
lt_status lt_costs_start(struct lt_space_costs *c, const struct lt_arch *a, int *state, struct lt_err *e);
/* The state in which the last segment before the head is entered. */
lt_status lt_costs_last(struct lt_space_costs *c, int *state, struct lt_err *e);
int lt_costs_last_segment(const struct lt_space *s, const struct lt_arch *a); /* before the head; -1 none */
/* Segment `seg` (which exists in `a`) entered in `state`. The pointer stays valid. */
lt_status lt_costs_segment(struct lt_space_costs *c, int seg, int state, const struct lt_arch *a,
                           const struct lt_seg_cost **out, struct lt_err *e);
lt_status lt_costs_measure(struct lt_space_costs *c, const struct lt_arch *a, double v[LT_N_MEASURES],
                           struct lt_err *e);
int lt_costs_carried(const struct lt_space_costs *c, int state); /* tensors */
int64_t lt_costs_filled(const struct lt_space_costs *c);         /* combinations met so far */
#endif
