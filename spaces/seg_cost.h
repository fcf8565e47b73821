/* The cost of one segment by itself, between stand-ins for what is carried in and out. Private to spaces/costs*.c. */
#ifndef SPACES_SEG_COST_H
#define SPACES_SEG_COST_H
#include "spaces/costs.h"

enum lt_producer { LT_FROM_INPUT, LT_FROM_CONV, LT_FROM_OTHER }; /* who made a tensor: decides what folds into it */
struct lt_state {
    int n;
    struct lt_shape shape[LT_MAX_CARRY];
    int same[LT_MAX_CARRY]; /* the earlier one that is the same tensor, or its own number */
    enum lt_producer from[LT_MAX_CARRY];
    bool read[LT_MAX_CARRY]; /* by an earlier segment already */
    bool last;               /* only the head comes after the segment: what else it carries out is read by nobody */
};
/* `out->next` is left alone; *after is the state that the segment leaves. */
lt_status lt_segment_cost(const struct lt_space *s, const struct lt_segment *seg, const struct lt_state *before,
                          const struct lt_arch *a, struct lt_seg_cost *out, struct lt_state *after, struct lt_err *e);
/* Adds the costs of a folded graph's nodes, but not of those called "@...". */
void lt_graph_sums(const struct lt_graph *g, double sum[LT_N_CLASSES][LT_N_SUMS]);
void lt_state_of(const struct lt_graph *g, const struct lt_carry *x,
                 struct lt_state *out); /* g finished, or input alone */
#endif
