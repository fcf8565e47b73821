/* Base room: inside of the knapsack solver: the problem with each layer's least costs subtracted. */
#ifndef LT_BASE_KNAPSACK_PRIV_H
#define LT_BASE_KNAPSACK_PRIV_H
#include "lathe/knapsack.h"

struct lt_reduced {
    int n_layers, n_costs;
    const int *n_choices;
    const double *value;
    int64_t *cost, *first; /* first: of each layer, among all choices */
    int64_t budget[LT_KNAPSACK_MAX_COSTS];
};
/* By lists of combinations that nothing dominates, for budgets too wide for a table. */
lt_status lt_knapsack_by_list(const struct lt_reduced *r, int *choice, struct lt_err *e);
#endif
