/*
 * Multiple-choice knapsack, solved exactly: one choice of every layer, the greatest sum of values, every sum of costs
 * within its budget. Costs and budgets are whole numbers (buckets of ms, bytes, bits); values are any finite numbers.
 * Dynamic programming over the budgets (Dudzinski, Walukiewicz, "Exact methods for the knapsack problem and its
 * generalizations", EJOR 28, 1987) where their product is small enough for a table, else over the list of combinations
 * that nothing dominates (Nemhauser, Ullmann, Management Science 15(9), 1969), with bounds.
 *
 *   struct lt_knapsack p = {.n_layers = 2, .n_costs = 1, .n_choices = (int[]){2, 3}, .value = v, .cost = c, .budget =
 * b}; lt_knapsack_solve(&p, choice, &best, e);
 *
 * The caller owns all arrays. Ties are broken by the order of choices, the same on every machine. Thread safe. Errors:
 * LT_EINVAL says which entry is wrong; LT_INFEASIBLE, which budget cannot be met, or that no combination meets all at
 * once; LT_ENOMEM also when there are more combinations than fit, which coarser buckets cure.
 */
#ifndef LATHE_KNAPSACK_H
#define LATHE_KNAPSACK_H
#include "lathe/status.h"
#ifdef __cplusplus
extern "C" {
#endif
enum { LT_KNAPSACK_MAX_COSTS = 8 };
struct lt_knapsack {
    int n_layers, n_costs;
    const int *n_choices;  /* [n_layers], 1 to 65535 */
    const double *value;   /* [all choices, layer after layer] */
    const int64_t *cost;   /* [all choices][n_costs], 0 or more */
    const int64_t *budget; /* [n_costs] */
};
/* choice: [n_layers], the chosen one of each layer. */
lt_status lt_knapsack_solve(const struct lt_knapsack *p, int *choice, double *value, struct lt_err *e);
#ifdef __cplusplus
}
#endif
#endif
