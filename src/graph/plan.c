/* Precision plans: which nodes run in int8 and with which scales. Plain data, one entry a node. */
#include <string.h>
#include "lathe/graph.h"
#include "lathe/mem.h"
#include "graph/ops.h"

static lt_status plan_alloc(int n, struct lt_plan **out, struct lt_err *e) {
    struct lt_plan *p = lt_calloc(1, sizeof(*p));
    size_t count = n > 0 ? (size_t)n : 1;

    if (p) {
        p->is_int8 = lt_calloc(count, sizeof(*p->is_int8));
        p->out = lt_calloc(count, sizeof(*p->out));
    }
    if (!p || !p->is_int8 || !p->out) {
        lt_plan_free(p);
        return lt_fail(e, LT_ENOMEM, "precision plan of %d nodes: out of memory", n);
    }
    p->n_nodes = n;
    *out = p;
    return LT_OK;
}

lt_status lt_plan_new(const struct lt_graph *g, struct lt_plan **out, struct lt_err *e) {
    lt_status s = plan_alloc(g->n_nodes, out, e);

    if (!s) (*out)->weight_qmax = 127;
    return s;
}

lt_status lt_plan_copy(const struct lt_plan *p, struct lt_plan **out, struct lt_err *e) {
    struct lt_plan *c;
    lt_status s = plan_alloc(p->n_nodes, &c, e);

    if (s) return s;
    memcpy(c->is_int8, p->is_int8, (size_t)p->n_nodes * sizeof(*p->is_int8));
    memcpy(c->out, p->out, (size_t)p->n_nodes * sizeof(*p->out));
    c->weight_qmax = p->weight_qmax;
    *out = c;
    return LT_OK;
}

void lt_plan_free(struct lt_plan *p) {
    if (!p) return;
    lt_free(p->is_int8);
    lt_free(p->out);
    lt_free(p);
}

/* A plan without int8 nodes runs like no plan at all, whatever scales were observed: both hash to 0. */
uint64_t lt_plan_hash(const struct lt_plan *p) {
    uint64_t h = 1;
    bool any = false;

    for (int i = 0; p && i < p->n_nodes; i++) {
        h = lt_mix64(h, (uint64_t)p->is_int8[i] * 2 + (p->out[i].scale != 0 && p->out[i].is_signed));
        any |= p->is_int8[i] != 0;
    }
    return any ? h : 0;
}
