/* Base room: multiple-choice knapsack: checks, and the table of budgets; contract and sources in lathe/knapsack.h. */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "base/knapsack_priv.h"

#define TABLE_CELLS 4e8 /* of 2 bytes: layers times combinations of budgets */
#define TABLE_WIDTH 6e7

static lt_status check(const struct lt_knapsack *p, struct lt_err *e) {
    int64_t at = 0;

    if (p->n_layers < 1) return lt_fail(e, LT_EINVAL, "knapsack: %d layers; at least 1 is needed", p->n_layers);
    if (p->n_costs < 0 || p->n_costs > LT_KNAPSACK_MAX_COSTS)
        return lt_fail(e, LT_EINVAL, "knapsack: %d costs; at most %d are possible", p->n_costs, LT_KNAPSACK_MAX_COSTS);
    for (int l = 0; l < p->n_layers; l++) {
        if (p->n_choices[l] < 1 || p->n_choices[l] > 65535)
            return lt_fail(e, LT_EINVAL, "knapsack: layer %d has %d choices; 1 to 65535 are possible", l,
                           p->n_choices[l]);
        for (int c = 0; c < p->n_choices[l]; c++, at++) {
            if (!isfinite(p->value[at]))
                return lt_fail(e, LT_EINVAL,
                               "knapsack: the value of choice %d of layer %d is %g; a finite one is needed", c, l,
                               p->value[at]);
            for (int k = 0; k < p->n_costs; k++) {
                int64_t v = p->cost[at * p->n_costs + k];

                if (v < 0 || v > INT64_MAX / p->n_layers)
                    return lt_fail(e, LT_EINVAL,
                                   "knapsack: cost %d of choice %d of layer %d is %lld; 0 to %lld are possible", k, c,
                                   l, (long long)v, (long long)(INT64_MAX / p->n_layers));
            }
        }
    }
    return LT_OK;
}

/* Subtracts each layer's least cost, so that the table is only as wide as there is a choice. */
static lt_status reduce(const struct lt_knapsack *p, struct lt_reduced *r, struct lt_err *e) {
    int64_t at = 0, all = 0, most[LT_KNAPSACK_MAX_COSTS] = {0};

    *r = (struct lt_reduced){
        .n_layers = p->n_layers, .n_costs = p->n_costs, .n_choices = p->n_choices, .value = p->value};
    for (int l = 0; l < p->n_layers; l++) all += p->n_choices[l];
    r->cost = lt_malloc((size_t)all * (size_t)(p->n_costs ? p->n_costs : 1) * sizeof(*r->cost));
    r->first = lt_malloc((size_t)p->n_layers * sizeof(*r->first));
    if (!r->cost || !r->first) return lt_fail(e, LT_ENOMEM, "knapsack: out of memory for %lld choices", (long long)all);
    memcpy(r->budget, p->budget, (size_t)p->n_costs * sizeof(*r->budget));
    for (int l = 0; l < p->n_layers; at += p->n_choices[l], l++) {
        r->first[l] = at;
        for (int k = 0; k < p->n_costs; k++) {
            int64_t least = INT64_MAX, greatest = 0;

            for (int c = 0; c < p->n_choices[l]; c++) {
                int64_t v = p->cost[(at + c) * p->n_costs + k];

                if (v < least) least = v;
                if (v > greatest) greatest = v;
            }
            for (int c = 0; c < p->n_choices[l]; c++)
                r->cost[(at + c) * p->n_costs + k] = p->cost[(at + c) * p->n_costs + k] - least;
            r->budget[k] -= least;
            most[k] += greatest - least;
        }
    }
    for (int k = 0; k < p->n_costs; k++) {
        if (r->budget[k] < 0)
            return lt_fail(e, LT_INFEASIBLE, "knapsack: budget %d is %lld, and the cheapest choices cost %lld", k,
                           (long long)p->budget[k], (long long)(p->budget[k] - r->budget[k]));
        if (r->budget[k] > most[k]) r->budget[k] = most[k];
    }
    return LT_OK;
}

struct table {
    int64_t width, stride[LT_KNAPSACK_MAX_COSTS], size[LT_KNAPSACK_MAX_COSTS];
    double *now, *next; /* [width]: best value within each combination of budgets; -INFINITY: none */
    uint16_t *choice;   /* [layers][width] */
};

/* One choice for all combinations of budgets that can pay for it. Rows along the last budget are contiguous. */
static void relax(const struct lt_reduced *r, struct table *t, uint16_t *choice, int c, double value,
                  const int64_t *cost) {
    int last = r->n_costs - 1;
    int64_t b[LT_KNAPSACK_MAX_COSTS], shift = 0;

    for (int k = 0; k <= last; k++) {
        if (cost[k] >= t->size[k]) return;
        b[k] = cost[k];
        shift += cost[k] * t->stride[k];
    }
    for (;;) {
        int64_t from = last >= 0 ? cost[last] : 0, row = 0, to = last >= 0 ? t->size[last] : 1;
        const double *old;
        double *new;

        for (int k = 0; k < last; k++) row += b[k] * t->stride[k];
        old = t->now + row - shift;
        new = t->next + row;
        for (int64_t i = from; i < to; i++) {
            double v = old[i] + value;

            if (v > new[i]) {
                new[i] = v;
                choice[row + i] = (uint16_t)c;
            }
        }
        int k = last - 1;
        for (; k >= 0 && ++b[k] == t->size[k]; k--) b[k] = cost[k];
        if (k < 0) return;
    }
}

static lt_status by_table(const struct lt_reduced *r, struct table *t, int *choice, struct lt_err *e) {
    int64_t at = t->width - 1; /* the whole budgets */
    lt_status s = LT_OK;

    t->now = lt_calloc((size_t)t->width, sizeof(*t->now)); /* 0 everywhere: no layer, no value */
    t->next = lt_malloc((size_t)t->width * sizeof(*t->next));
    t->choice = lt_malloc((size_t)t->width * (size_t)r->n_layers * sizeof(*t->choice));
    if (!t->now || !t->next || !t->choice) {
        s = lt_fail(e, LT_ENOMEM, "knapsack: out of memory for %d layers and %lld combinations of budgets", r->n_layers,
                    (long long)t->width);
        goto out;
    }
    for (int l = 0; l < r->n_layers; l++) {
        double *swap = t->now;

        for (int64_t i = 0; i < t->width; i++) t->next[i] = -INFINITY;
        for (int c = 0; c < r->n_choices[l]; c++)
            relax(r, t, t->choice + l * t->width, c, r->value[r->first[l] + c],
                  r->cost + (r->first[l] + c) * r->n_costs);
        t->now = t->next;
        t->next = swap;
    }
    if (t->now[at] == -INFINITY) {
        s = lt_fail(e, LT_INFEASIBLE, "knapsack: each budget alone can be met, but no combination meets all %d at once",
                    r->n_costs);
        goto out;
    }
    for (int l = r->n_layers - 1; l >= 0; l--) {
        choice[l] = t->choice[l * t->width + at];
        for (int k = 0; k < r->n_costs; k++) at -= r->cost[(r->first[l] + choice[l]) * r->n_costs + k] * t->stride[k];
    }
out:
    lt_free(t->now);
    lt_free(t->next);
    lt_free(t->choice);
    return s;
}

lt_status lt_knapsack_solve(const struct lt_knapsack *p, int *choice, double *value, struct lt_err *e) {
    struct lt_reduced r = {0};
    struct table t = {.width = 1};
    double width = 1, sum = 0, combinations = 1;
    int *best = NULL;
    lt_status s;

    if ((s = check(p, e)) || (s = reduce(p, &r, e))) goto out;
    if (!(best = lt_malloc((size_t)p->n_layers * sizeof(*best)))) {
        s = lt_fail(e, LT_ENOMEM, "knapsack: out of memory");
        goto out;
    }
    for (int k = r.n_costs - 1; k >= 0; k--) {
        width *= (double)r.budget[k] + 1;
        if (width > TABLE_WIDTH) break;
        t.stride[k] = t.width;
        t.size[k] = r.budget[k] + 1;
        t.width *= t.size[k];
    }
    for (int l = 0; l < p->n_layers && combinations < width; l++) combinations *= p->n_choices[l];
    if (combinations >= width && width <= TABLE_WIDTH && width * p->n_layers <= TABLE_CELLS)
        s = by_table(&r, &t, best, e);
    else
        s = lt_knapsack_by_list(&r, best, e);
    if (s) goto out;
    for (int l = 0; l < p->n_layers; l++) sum += p->value[r.first[l] + best[l]];
    memcpy(choice, best, (size_t)p->n_layers * sizeof(*best));
    *value = sum;
out:
    lt_free(best);
    lt_free(r.cost);
    lt_free(r.first);
    return s;
}
