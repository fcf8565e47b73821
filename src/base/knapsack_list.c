/*
 * Base room: multiple-choice knapsack by lists: layer by layer all combinations of sums that can still become the best
 * one. Dropped are those that cannot pay for the cheapest rest, that cannot reach a solution already known even with
 * the best rest, and those that another dominates (with one cost all of them, with more those that one of the last few
 * kept in the order of costs dominates).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "base/knapsack_priv.h"

#define MOST 4000000 /* combinations of a layer */
#define WINDOW 64    /* kept ones that a new one is compared with, with more than one cost */

struct state {
    int64_t cost[LT_KNAPSACK_MAX_COSTS];
    double value;
    int32_t parent;
    uint16_t choice;
    uint16_t n_costs;
};

/* What a layer keeps for walking back. */
struct trace {
    int32_t *parent;
    uint16_t *choice;
};

static int by_cost(const void *a, const void *b) {
    const struct state *x = a, *y = b;

    for (int k = 0; k < x->n_costs; k++) {
        if (x->cost[k] != y->cost[k]) return x->cost[k] < y->cost[k] ? -1 : 1;
    }
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    if (x->parent != y->parent) return x->parent < y->parent ? -1 : 1;
    return x->choice < y->choice ? -1 : x->choice > y->choice;
}

static bool dominates(const struct state *x, const struct state *y) {
    if (x->value < y->value) return false;
    for (int k = 0; k < x->n_costs; k++) {
        if (x->cost[k] > y->cost[k]) return false;
    }
    return true;
}

static int prune(struct state *s, int n) {
    int kept = 0;

    qsort(s, (size_t)n, sizeof(*s), by_cost);
    for (int i = 0; i < n; i++) {
        bool drop = false;

        for (int j = kept - 1; j >= 0 && j >= kept - WINDOW && !drop; j--) {
            drop = dominates(&s[j], &s[i]);
            if (s[0].n_costs == 1) break; /* values rise along the kept ones: the last one decides */
        }
        if (!drop) s[kept++] = s[i];
    }
    return kept;
}

/* A solution to compare with: for each weight on costs, the choice of best value less weighted cost. -INFINITY: none
 * found that is feasible. */
static double known(const struct lt_reduced *r) {
    double best = -INFINITY;

    for (int step = 0; step < 60; step++) {
        double weight = step == 59 ? 1e300 : pow(2, step - 30), value = 0;
        int64_t sum[LT_KNAPSACK_MAX_COSTS] = {0};
        bool fits = true;

        for (int l = 0; l < r->n_layers; l++) {
            int at = 0;
            double most = -INFINITY;

            for (int c = 0; c < r->n_choices[l]; c++) {
                double share = 0, v;

                for (int k = 0; k < r->n_costs; k++)
                    share += (double)r->cost[(r->first[l] + c) * r->n_costs + k] / (double)(r->budget[k] + 1);
                v = r->value[r->first[l] + c] - (share > 0 ? weight * share : 0);
                if (v > most) {
                    most = v;
                    at = c;
                }
            }
            value += r->value[r->first[l] + at];
            for (int k = 0; k < r->n_costs; k++) sum[k] += r->cost[(r->first[l] + at) * r->n_costs + k];
        }
        for (int k = 0; k < r->n_costs; k++) fits &= sum[k] <= r->budget[k];
        if (fits) best = fmax(best, value);
    }
    return best;
}

static lt_status grow(struct state **s, int64_t *cap, int64_t need, struct lt_err *e) {
    struct state *p;

    if (need <= *cap) return LT_OK;
    while (*cap < need) *cap *= 2;
    if (*cap > 2 * (int64_t)MOST || !(p = lt_realloc(*s, (size_t)*cap * sizeof(*p))))
        return lt_fail(e, LT_ENOMEM,
                       "knapsack: more than %d combinations that nothing dominates: coarser costs are needed", MOST);
    *s = p;
    return LT_OK;
}

/* All combinations of the layers so far with one choice of layer l. */
static lt_status extend(const struct lt_reduced *r, int l, const struct state *old, int n, double rest, double floor,
                        struct state **new, int64_t *cap, int *n_new, struct lt_err *e) {
    int64_t count = 0;
    lt_status s;

    for (int i = 0; i < n; i++) {
        for (int c = 0; c < r->n_choices[l]; c++) {
            struct state t = old[i];
            bool fits = true;

            t.value += r->value[r->first[l] + c];
            if (t.value + rest < floor) continue;
            for (int k = 0; k < r->n_costs; k++) {
                t.cost[k] += r->cost[(r->first[l] + c) * r->n_costs + k];
                fits &= t.cost[k] <= r->budget[k];
            }
            if (!fits) continue;
            t.parent = i;
            t.choice = (uint16_t)c;
            if (count == MOST &&
                (count = prune(*new, (int)count)) > MOST / 8 * 7) /* sorting again would take for ever */
                return lt_fail(e, LT_ENOMEM,
                               "knapsack: more than %d combinations that nothing dominates: coarser costs are needed",
                               MOST);
            if ((s = grow(new, cap, count + 1, e))) return s;
            (*new)[count++] = t;
        }
    }
    *n_new = prune(*new, (int)count);
    return LT_OK;
}

lt_status lt_knapsack_by_list(const struct lt_reduced *r, int *choice, struct lt_err *e) {
    struct trace *trace = lt_calloc((size_t)r->n_layers, sizeof(*trace));
    int64_t cap_old = 1024, cap_new = 1024;
    struct state *old = lt_malloc((size_t)cap_old * sizeof(*old)), *new = lt_malloc((size_t)cap_new * sizeof(*new));
    double rest = 0, floor = known(r);
    int n = 1, best = 0;
    lt_status s = LT_OK;

    if (!trace || !old || !new) {
        s = lt_fail(e, LT_ENOMEM, "knapsack: out of memory");
        goto out;
    }
    floor -= 1e-9 * (1 + fabs(floor)); /* sums in another order differ by rounding */
    for (int l = 0; l < r->n_layers; l++) {
        double most = -INFINITY;

        for (int c = 0; c < r->n_choices[l]; c++) most = fmax(most, r->value[r->first[l] + c]);
        rest += most;
    }
    memset(&old[0], 0, sizeof(old[0]));
    old[0].n_costs = (uint16_t)r->n_costs;
    for (int l = 0; l < r->n_layers; l++) {
        struct state *swap = old;
        int64_t cap = cap_old;
        double most = -INFINITY;

        for (int c = 0; c < r->n_choices[l]; c++) most = fmax(most, r->value[r->first[l] + c]);
        rest -= most;
        if ((s = extend(r, l, old, n, rest, floor, &new, &cap_new, &n, e))) goto out;
        trace[l].parent = lt_malloc(((size_t)n + 1) * sizeof(*trace[l].parent));
        trace[l].choice = lt_malloc(((size_t)n + 1) * sizeof(*trace[l].choice));
        if (!trace[l].parent || !trace[l].choice) {
            s = lt_fail(e, LT_ENOMEM, "knapsack: out of memory for %d combinations", n);
            goto out;
        }
        for (int i = 0; i < n; i++) {
            trace[l].parent[i] = new[i].parent;
            trace[l].choice[i] = new[i].choice;
        }
        old = new;
        new = swap;
        cap_old = cap_new;
        cap_new = cap;
    }
    if (n == 0) {
        s = lt_fail(e, LT_INFEASIBLE, "knapsack: each budget alone can be met, but no combination meets all %d at once",
                    r->n_costs);
        goto out;
    }
    for (int i = 1; i < n; i++) {
        if (old[i].value > old[best].value) best = i;
    }
    for (int l = r->n_layers - 1; l >= 0; l--) {
        choice[l] = trace[l].choice[best];
        best = trace[l].parent[best];
    }
out:
    for (int l = 0; trace && l < r->n_layers; l++) {
        lt_free(trace[l].parent);
        lt_free(trace[l].choice);
    }
    lt_free(trace);
    lt_free(old);
    lt_free(new);
    return s;
}
