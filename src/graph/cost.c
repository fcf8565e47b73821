/*
 * Analytic costs for one sample; conventions in lathe/cost.h. A `tensor` below is one piece of memory: the output of a
 * node and of the nodes that work in place on it.
 */
#include "lathe/cost.h"
#include "graph/ops.h"

bool lt_node_in_place(const struct lt_graph *g, int node) {
    const struct lt_node *n = &g->node[node], *x;

    if (n->op == LT_OP_FLATTEN) return true;
    if (n->op != LT_OP_BN && n->op != LT_OP_ACT) return false;
    x = &g->node[n->in[0]];
    return x->op != LT_OP_INPUT && x->n_readers == 1;
}

struct tensor {
    int end;        /* last node that reads it; n_nodes when it is the graph's output */
    bool f32, int8; /* kinds of its readers */
};

/* Collects who reads node i's memory, following the nodes that continue in it. */
static void visit(const struct lt_graph *g, const struct lt_plan *plan, int i, struct tensor *t) {
    const struct lt_node *n = &g->node[i];
    int stop = n->last_use < g->n_nodes ? n->last_use : g->n_nodes - 1;

    if (n->last_use > t->end) t->end = n->last_use;
    if (n->last_use == g->n_nodes) t->f32 = true;
    for (int j = i + 1; j <= stop; j++) {
        const struct lt_node *r = &g->node[j];

        if (!((r->n_in > 0 && r->in[0] == i) || (r->n_in > 1 && r->in[1] == i))) continue;
        if (lt_node_in_place(g, j))
            visit(g, plan, j, t);
        else if (plan && plan->is_int8[j])
            t->int8 = true;
        else
            t->f32 = true;
    }
}

static int root(const struct lt_graph *g, int i) {
    while (lt_node_in_place(g, i)) i = g->node[i].in[0];
    return i;
}

/* Bytes of an element as kept in memory; an unread tensor is f32. */
static int element_bytes(const struct tensor *t) { return (t->int8 ? 1 : 0) + (t->f32 || !t->int8 ? 4 : 0); }

static struct tensor tensor_of(const struct lt_graph *g, const struct lt_plan *plan, int i) {
    struct tensor t = {.end = i};

    visit(g, plan, root(g, i), &t);
    return t;
}

/* Will the CONV/LINEAR have a bias once batch norm is folded? */
static bool gains_bias(const struct lt_graph *g, int i) {
    const struct lt_node *n = &g->node[i];

    return n->n_readers == 1 && n->last_use < g->n_nodes && g->node[n->last_use].op == LT_OP_BN;
}

/* What a deployed file needs for this node. */
static int64_t stored_bytes(const struct lt_graph *g, const struct lt_plan *plan, int i) {
    const struct lt_node *n = &g->node[i];
    int64_t channels = n->out.d[1], weights;

    if (n->op == LT_OP_BN) return lt_bn_target(g, i) == i ? 8 * channels : 0;
    if (n->op != LT_OP_CONV && n->op != LT_OP_LINEAR) return 0;
    weights = g->param[n->param[0]].count;
    weights = plan && plan->is_int8[i] ? weights + 4 * channels : 4 * weights;
    return weights + (n->n_params > 1 || gains_bias(g, i) ? 4 * channels : 0);
}

void lt_node_cost(const struct lt_graph *g, const struct lt_plan *plan, int node, struct lt_cost_node *out) {
    const struct lt_node *n = &g->node[node];
    struct lt_cost_node c = {0};
    struct tensor t;

    if (n->op == LT_OP_CONV || n->op == LT_OP_LINEAR) c.macs = g->param[n->param[0]].count * n->out.d[2] * n->out.d[3];
    for (int i = 0; i < n->n_params; i++) {
        const struct lt_param *p = &g->param[n->param[i]];

        if (p->role != LT_PARAM_MEAN && p->role != LT_PARAM_VAR) c.params += p->count;
    }
    if (n->op != LT_OP_INPUT && !lt_node_in_place(g, node)) {
        c.read_bytes = stored_bytes(g, plan, node);
        for (int k = 0; k < n->n_in; k++)
            c.read_bytes += lt_shape_count(&g->node[n->in[k]].out) * (plan && plan->is_int8[node] ? 1 : 4);
        t = tensor_of(g, plan, node);
        c.written_bytes = lt_shape_count(&n->out) * element_bytes(&t);
    }
    *out = c;
}

void lt_graph_cost(const struct lt_graph *g, const struct lt_plan *plan, struct lt_cost *out) {
    struct lt_cost c = {0};
    struct lt_cost_node nc;
    int64_t live = 0;

    for (int i = 0; i < g->n_nodes; i++) {
        const struct lt_node *n = &g->node[i];
        struct tensor t;

        lt_node_cost(g, plan, i, &nc);
        c.macs += nc.macs;
        c.params += nc.params;
        c.moved_bytes += nc.read_bytes + nc.written_bytes;
        c.size_bytes += stored_bytes(g, plan, i);
        if (!lt_node_in_place(g, i)) {
            if (n->op != LT_OP_INPUT) c.n_ops++;
            t = tensor_of(g, plan, i);
            live += lt_shape_count(&n->out) * element_bytes(&t);
        }
        if (live > c.peak_act_bytes) c.peak_act_bytes = live;
        /* Tensors whose last reader was this node end here; a tensor that nobody reads ends at once. */
        for (int k = 0; k < n->n_in; k++) {
            int r = root(g, n->in[k]);

            t = tensor_of(g, plan, r);
            if (t.end == i && !(k == 1 && root(g, n->in[0]) == r))
                live -= lt_shape_count(&g->node[r].out) * element_bytes(&t);
        }
        t = tensor_of(g, plan, i);
        if (t.end == i && n->n_readers == 0 && !lt_node_in_place(g, i))
            live -= lt_shape_count(&n->out) * element_bytes(&t);
    }
    *out = c;
}
