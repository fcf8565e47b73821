/* The exact solver against exhaustive enumeration, by table and by list, and its errors. */
#include "lathe/knapsack.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "base/knapsack_priv.h"
#include "tests/tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CASES = 1000, MAX_LAYERS = 6, MAX_CHOICES = 5 };

struct problem {
    int n_choices[MAX_LAYERS];
    double value[MAX_LAYERS * MAX_CHOICES];
    int64_t cost[MAX_LAYERS * MAX_CHOICES * 3], budget[3];
    struct lt_knapsack p;
};

/* wide: costs in the millions, which no table of several budgets can hold. */
static void draw(struct problem *q, int number, bool wide) {
    struct lt_rng r;
    int at = 0, costs, layers;

    lt_rng_at(&r, 17, LT_RNG_TEST, wide, (uint64_t)number);
    layers = 1 + (int)lt_rng_below(&r, MAX_LAYERS);
    costs = (int)lt_rng_below(&r, 4);
    for (int l = 0; l < layers; l++) {
        q->n_choices[l] = 1 + (int)lt_rng_below(&r, MAX_CHOICES);
        for (int c = 0; c < q->n_choices[l]; c++, at++) {
            q->value[at] = number % 3 ? lt_rng_u01(&r) - 0.3 : lt_rng_below(&r, 4); /* every third one with many ties */
            for (int k = 0; k < costs; k++) q->cost[at * costs + k] = lt_rng_below(&r, wide ? 5000000 : 12);
        }
    }
    for (int k = 0; k < costs; k++) q->budget[k] = (int64_t)(lt_rng_u01(&r) * layers * (wide ? 4000000 : 9));
    q->p = (struct lt_knapsack){layers, costs, q->n_choices, q->value, q->cost, q->budget};
}

/* The best value of all combinations; -INFINITY when none fits. */
static double enumerate(const struct lt_knapsack *p) {
    int pick[MAX_LAYERS] = {0}, l;
    double best = -INFINITY;

    do {
        int64_t sum[3] = {0};
        double v = 0;
        int at = 0;
        bool fits = true;

        for (l = 0; l < p->n_layers; at += p->n_choices[l++]) {
            v += p->value[at + pick[l]];
            for (int k = 0; k < p->n_costs; k++) sum[k] += p->cost[(at + pick[l]) * p->n_costs + k];
        }
        for (int k = 0; k < p->n_costs; k++) fits &= sum[k] <= p->budget[k];
        if (fits) best = fmax(best, v);
        for (l = 0; l < p->n_layers && ++pick[l] == p->n_choices[l]; l++) pick[l] = 0;
    } while (l < p->n_layers);
    return best;
}

/* What a choice is worth and whether it fits; NAN when it does not or is no choice. */
static double judge(const struct lt_knapsack *p, const int *choice) {
    int64_t sum[3] = {0};
    double v = 0;
    int at = 0;

    for (int l = 0; l < p->n_layers; at += p->n_choices[l++]) {
        if (choice[l] < 0 || choice[l] >= p->n_choices[l]) return NAN;
        v += p->value[at + choice[l]];
        for (int k = 0; k < p->n_costs; k++) sum[k] += p->cost[(at + choice[l]) * p->n_costs + k];
    }
    for (int k = 0; k < p->n_costs; k++) {
        if (sum[k] > p->budget[k]) return NAN;
    }
    return v;
}

static void against_enumeration(bool wide) {
    int wrong = 0, infeasible = 0, several = 0;

    for (int i = 0; i < CASES; i++) {
        struct problem q;
        struct lt_err e = {0};
        int choice[MAX_LAYERS] = {-1};
        double best, value = NAN;
        lt_status s;

        draw(&q, i, wide);
        best = enumerate(&q.p);
        several += q.p.n_costs > 1;
        s = lt_knapsack_solve(&q.p, choice, &value, &e);
        if (best == -INFINITY) {
            infeasible++;
            wrong += s != LT_INFEASIBLE;
        } else if (s || fabs(value - best) > 1e-12 * (1 + fabs(best)) || fabs(judge(&q.p, choice) - value) > 1e-12) {
            wrong++;
            if (wrong < 4) lt_note("case %d: %.17g, exhaustive %.17g (%s)", i, value, best, e.msg);
        }
    }
    lt_ok(!wrong, "%d of %d random instances (%s; %d with several budgets, %d infeasible) equal exhaustive enumeration",
          CASES - wrong, CASES, wide ? "wide budgets" : "small budgets", several, infeasible);
}

/* One wide budget goes through the list, a narrow one through the table: the same problem through both. */
static void both_ways(void) {
    int differ = 0, choice[40];
    double value[400];
    int64_t cost[400], budget = 900;
    int n[40];
    struct lt_knapsack p = {40, 1, n, value, cost, &budget};

    for (int i = 0; i < 20; i++) {
        struct lt_rng r;
        struct lt_reduced q = {.n_layers = 40, .n_costs = 1, .n_choices = n, .value = value, .cost = cost};
        int64_t at[40];
        struct lt_err e = {0};
        double best, v = 0;
        int pick[40];

        lt_rng_at(&r, 5, LT_RNG_TEST, 1, (uint64_t)i);
        for (int l = 0; l < 40; l++) {
            n[l] = 10;
            at[l] = 10 * l;
            for (int c = 0; c < 10; c++) {
                cost[10 * l + c] = c == 0 ? 0 : lt_rng_below(&r, 100);
                value[10 * l + c] = sqrt((double)cost[10 * l + c]) * (0.5 + lt_rng_u01(&r));
            }
        }
        q.first = at;
        q.budget[0] = budget;
        if (lt_knapsack_solve(&p, choice, &best, &e) || lt_knapsack_by_list(&q, pick, &e)) {
            lt_note("%s", e.msg);
            differ++;
            continue;
        }
        for (int l = 0; l < 40; l++) v += value[10 * l + pick[l]];
        differ += fabs(v - best) > 1e-9;
    }
    lt_ok(differ == 0, "table and list agree on 20 problems of 40 layers x 10 choices");
}

static void errors(void) {
    int n[2] = {2, 1}, choice[2] = {7, 7};
    double v[3] = {1, NAN, 2}, value = -1;
    int64_t c[3] = {1, 2, 3}, budget = 3;
    struct lt_knapsack p = {2, 1, n, v, c, &budget};
    struct lt_err e = {0};
    int64_t live = lt_mem_live();
    bool clean = true;

    lt_ok(lt_knapsack_solve(&p, choice, &value, &e) == LT_EINVAL && strstr(e.msg, "choice 1 of layer 0"), "NaN: %s",
          e.msg);
    v[1] = 5;
    lt_ok(lt_knapsack_solve(&p, choice, &value, &e) == LT_INFEASIBLE && strstr(e.msg, "cheapest choices cost 4"), "%s",
          e.msg);
    lt_ok(choice[0] == 7 && value == -1, "outputs stay on failure");
    budget = 4;
    lt_ok(!lt_knapsack_solve(&p, choice, &value, &e) && value == 3 && choice[0] == 0, "an exact fit is allowed");
    c[0] = -1;
    lt_ok(lt_knapsack_solve(&p, choice, &value, &e) == LT_EINVAL && strstr(e.msg, "is -1"), "%s", e.msg);
    c[0] = 1;
    n[1] = 0;
    lt_ok(lt_knapsack_solve(&p, choice, &value, &e) == LT_EINVAL && strstr(e.msg, "layer 1 has 0"), "%s", e.msg);
    n[1] = 1;
    for (int i = 1; i < 10; i++) {
        lt_mem_fail_at(i);
        lt_status s = lt_knapsack_solve(&p, choice, &value, &e);
        lt_mem_fail_at(0);
        clean &= !s || s == LT_ENOMEM;
    }
    lt_ok(clean && lt_mem_live() == live, "each allocation may fail");
}

int main(void) {
    against_enumeration(false);
    against_enumeration(true);
    both_ways();
    errors();
    return lt_done();
}
