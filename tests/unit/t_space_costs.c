/*
 * Costs from tables of blocks equal those of the expanded and folded network, number by number, in every shipped space.
 */
#include <stdlib.h>
#include <string.h>
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "lathe/space.h"
#include "tests/unit/shipped_spaces.h"
#include "tests/tap.h"

#define SEED 5

/* 0: equal. Notes the first difference. */
static int differs(const struct lt_space *s, const struct lt_arch *a, const struct lt_totals *t, struct lt_err *e) {
    struct lt_graph *g = NULL, *folded = NULL;
    struct lt_totals want;
    struct lt_cost plain, cost;
    int wrong = 1;

    if (lt_space_expand(s, a, &g, e) || lt_graph_fold_bn(g, NULL, &folded, NULL, e)) goto out;
    lt_graph_totals(folded, &want);
    lt_graph_cost(g, NULL, &plain);
    lt_graph_cost(folded, NULL, &cost);
    wrong = memcmp(want.sum, t->sum, sizeof(want.sum)) || t->macs != (double)cost.macs ||
            t->params != (double)cost.params || t->moved_bytes != (double)cost.moved_bytes ||
            t->n_ops != (double)cost.n_ops || t->trained_params != (double)plain.params ||
            t->trained_macs != (double)plain.macs;
    if (wrong)
        lt_note("%s: macs %.0f (%.0f), params %.0f (%.0f), bytes %.0f (%.0f), ops %.0f (%d), trained %.0f (%.0f)",
                g->name, t->macs, (double)cost.macs, t->params, (double)cost.params, t->moved_bytes,
                (double)cost.moved_bytes, t->n_ops, cost.n_ops, t->trained_params, (double)plain.params);
out:
    lt_graph_free(g);
    lt_graph_free(folded);
    return wrong;
}

static void space(const char *name, const struct lt_space *s) {
    struct lt_space_costs *c = NULL;
    struct lt_err e = {0};
    int wrong = 0, tried = 0;

    if (lt_space_costs_new(s, &c, &e)) {
        lt_ok(false, "%s: %s", name, e.msg);
        return;
    }
    for (int i = 0; i < 60 && !wrong; i++, tried++) {
        struct lt_arch a[2];
        struct lt_totals t[2];
        struct lt_rng r;

        lt_rng_at(&r, SEED, LT_RNG_TEST, 0, (uint64_t)i);
        if (i == 0) {
            lt_space_largest(s, &a[0]);
            lt_space_smallest(s, &a[1]);
        } else {
            lt_space_sample(s, &r, &a[0]);
            lt_space_sample_uniform(s, &r, &a[1]);
        }
        if (lt_space_costs_totals(c, a, 2, t, &e)) {
            lt_note("%s", e.msg);
            wrong++;
            break;
        }
        wrong += differs(s, &a[0], &t[0], &e) + differs(s, &a[1], &t[1], &e);
    }
    lt_ok(!wrong, "%s: totals of %d networks are those of their graphs %s", name, 2 * tried, e.msg);
    lt_space_costs_free(c);
}

int main(void) {
    int64_t live = lt_mem_live();

    each_shipped_space(space);
    lt_ok(lt_mem_live() == live, "nothing leaks");
    return lt_done();
}
