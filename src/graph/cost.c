/*
 * Analytic costs for one sample; conventions in lathe/cost.h. A `tensor` below is one piece of memory: the output of a
 * node and of the nodes that work in place on it.
 */
#include <string.h>
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "graph/ops.h"

bool lt_node_in_place(const struct lt_graph *g, int node) {
    const struct lt_node *n = &g->node[node], *x;

    if (lt_op_renames(n->op)) return true;
    if (n->op != LT_OP_BN && n->op != LT_OP_ACT) return false;
    for (x = &g->node[n->in[0]];; x = &g->node[x->in[0]]) { /* through other names of the memory */
        if (x->op == LT_OP_INPUT || x->n_readers != 1) return false;
        if (!lt_op_renames(x->op)) return true;
    }
}

static int root(const struct lt_graph *g, int i) {
    while (lt_node_in_place(g, i)) i = g->node[i].in[0];
    return i;
}

struct tensor {
    int end;        /* last node that reads it; n_nodes when it is the graph's output */
    bool f32, int8; /* kinds of its readers */
};

/* Bytes of an element as kept in memory; an unread tensor is f32. */
static int element_bytes(const struct tensor *t) { return (t->int8 ? 1 : 0) + (t->f32 || !t->int8 ? 4 : 0); }

/* What reader `j` and the end of node `i`, which lies in tensor `t`, say about it. */
static void read_by(const struct lt_graph *g, const struct lt_plan *plan, int j, struct tensor *t) {
    if (lt_node_in_place(g, j)) return;
    if (plan && plan->is_int8[j])
        t->int8 = true;
    else
        t->f32 = true;
}

static void lives_to(const struct lt_graph *g, int i, struct tensor *t) {
    if (g->node[i].last_use > t->end) t->end = g->node[i].last_use;
    if (g->node[i].last_use == g->n_nodes) t->f32 = true;
}

/* The memory of one node, by following the nodes that continue in it. */
static void visit(const struct lt_graph *g, const struct lt_plan *plan, int i, struct tensor *t) {
    int stop = g->node[i].last_use < g->n_nodes ? g->node[i].last_use : g->n_nodes - 1;

    lives_to(g, i, t);
    for (int j = i + 1; j <= stop; j++) {
        const struct lt_node *r = &g->node[j];

        for (int k = 0; k < r->n_in; k++) {
            if (r->in[k] != i) continue;
            read_by(g, plan, j, t);
            if (lt_node_in_place(g, j)) visit(g, plan, j, t);
            break;
        }
    }
}

/* All of them in one pass: t[root[i]] is the tensor of node i. */
static void find_tensors(const struct lt_graph *g, const struct lt_plan *plan, struct tensor *t, int *root_of) {
    for (int i = 0; i < g->n_nodes; i++) {
        const struct lt_node *n = &g->node[i];

        root_of[i] = lt_node_in_place(g, i) ? root_of[n->in[0]] : i;
        t[i] = (struct tensor){.end = i};
        lives_to(g, i, &t[root_of[i]]);
        for (int k = 0; k < n->n_in; k++) read_by(g, plan, i, &t[root_of[n->in[k]]]);
    }
}

/* What a deployed file needs for this node. */
static int64_t stored_bytes(const struct lt_graph *g, const struct lt_plan *plan, int i) {
    const struct lt_node *n = &g->node[i];
    int64_t channels = n->out.d[1], weights = 0;

    if (n->op == LT_OP_BN) return lt_bn_target(g, i) == i ? 8 * channels : 0;
    if (n->op != LT_OP_CONV && n->op != LT_OP_LINEAR) {
        for (int k = 0; k < n->n_params; k++) weights += 4 * g->param[n->param[k]].count;
        return weights;
    }
    weights = g->param[n->param[0]].count;
    weights = plan && plan->is_int8[i] ? weights + 4 * channels : 4 * weights;
    return weights + (n->n_params > 1 || lt_conv_gains_bias(g, i) ? 4 * channels : 0);
}

/* Parameters that the node reads in one run. */
static int64_t parameter_bytes(const struct lt_graph *g, const struct lt_plan *plan, int i) {
    const struct lt_node *n = &g->node[i];

    return n->op == LT_OP_EMBED ? 4 * lt_shape_count(&n->out) : stored_bytes(g, plan, i);
}

static int64_t input_bytes(const struct lt_graph *g, const struct lt_plan *plan, int i) {
    const struct lt_node *n = &g->node[i];
    int64_t elements = 0;

    if (n->op == LT_OP_ZERO) return 0;
    if (n->op == LT_OP_SLICE) return 4 * lt_shape_count(&n->out);
    for (int k = 0; k < n->n_in; k++) elements += lt_shape_count(&g->node[n->in[k]].out);
    return elements * (plan && plan->is_int8[i] ? 1 : 4);
}

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/* Keys that a query of a softmax attention meets; borders and the causal triangle are not cut off. */
static int64_t keys_of_query(const struct lt_node *n, int64_t queries, int64_t keys) {
    int64_t k = n->block ? n->block * keys / queries : keys;

    if (n->window) k = min64(k, n->causal ? n->window : 2 * (int64_t)n->window - 1);
    return k;
}

int64_t lt_node_macs(const struct lt_graph *g, int i) {
    const struct lt_node *n = &g->node[i];
    const struct lt_shape *in[3] = {NULL};
    int64_t d, dv;

    for (int k = 0; k < n->n_in && k < 3; k++) in[k] = &g->node[n->in[k]].out;
    switch (n->op) {
    case LT_OP_CONV:
    case LT_OP_LINEAR:
        return g->param[n->param[0]].count * n->out.d[2] * n->out.d[3];
    case LT_OP_SHORTCONV:
        return g->param[n->param[0]].count * n->out.d[2];
    case LT_OP_ATTENTION:
        d = in[0]->d[1] / n->heads;
        dv = in[2]->d[1] / n->kv_heads;
        return n->heads * in[0]->d[2] * keys_of_query(n, in[0]->d[2], in[1]->d[2]) * (d + dv);
    case LT_OP_LINATTN:
        d = in[0]->d[1] / n->heads;
        dv = in[2]->d[1] / n->kv_heads;
        return n->kv_heads * in[1]->d[2] * d * dv + n->heads * in[0]->d[2] * d * (dv + 1);
    default:
        return 0;
    }
}

int64_t lt_node_params(const struct lt_graph *g, int node) {
    const struct lt_node *n = &g->node[node];
    int64_t sum = 0;

    for (int i = 0; i < n->n_params; i++) {
        const struct lt_param *p = &g->param[n->param[i]];

        if (p->role != LT_PARAM_MEAN && p->role != LT_PARAM_VAR) sum += p->count;
    }
    return sum;
}

static void node_cost(const struct lt_graph *g, const struct lt_plan *plan, int node, const struct tensor *t,
                      struct lt_cost_node *out) {
    const struct lt_node *n = &g->node[node];
    struct lt_cost_node c = {.macs = lt_node_macs(g, node), .params = lt_node_params(g, node)};

    if (n->op != LT_OP_INPUT && !lt_node_in_place(g, node)) {
        c.read_bytes = parameter_bytes(g, plan, node) + input_bytes(g, plan, node);
        c.written_bytes = lt_shape_count(&n->out) * element_bytes(t);
    }
    *out = c;
}

void lt_node_cost(const struct lt_graph *g, const struct lt_plan *plan, int node, struct lt_cost_node *out) {
    int r = root(g, node);
    struct tensor t = {.end = r};

    visit(g, plan, r, &t);
    node_cost(g, plan, node, &t, out);
}

/* Tensors whose last reader is node i end there; one that nobody reads ends at once. */
static int64_t ends_here(const struct lt_graph *g, const struct tensor *t, const int *root_of, int i) {
    const struct lt_node *n = &g->node[i];
    int64_t bytes = 0;

    for (int k = 0; k < n->n_in; k++) {
        int r = root_of[n->in[k]];
        bool again = false;

        for (int j = 0; j < k; j++) again |= root_of[n->in[j]] == r;
        if (t[r].end == i && !again) bytes += lt_shape_count(&g->node[r].out) * element_bytes(&t[r]);
    }
    if (t[i].end == i && n->n_readers == 0 && root_of[i] == i) bytes += lt_shape_count(&n->out) * element_bytes(&t[i]);
    return bytes;
}

enum { SMALL = 1024 }; /* nodes of a graph for which the stack suffices */

void lt_graph_cost(const struct lt_graph *g, const struct lt_plan *plan, struct lt_cost *out) {
    struct tensor small_t[SMALL], *t = small_t;
    int small_root[SMALL], *root_of = small_root;
    struct lt_cost c = {0};
    struct lt_cost_node nc;
    int64_t live = 0;

    if (g->n_nodes > SMALL) {
        if (!(t = lt_malloc((size_t)g->n_nodes * (sizeof(*t) + sizeof(*root_of)))))
            LT_BUG("out of memory for the cost of %d nodes", g->n_nodes);
        root_of = (int *)(void *)(t + g->n_nodes);
    }
    find_tensors(g, plan, t, root_of);
    for (int i = 0; i < g->n_nodes; i++) {
        node_cost(g, plan, i, &t[root_of[i]], &nc);
        c.macs += nc.macs;
        c.params += nc.params;
        c.moved_bytes += nc.read_bytes + nc.written_bytes;
        c.size_bytes += stored_bytes(g, plan, i);
        if (root_of[i] == i) {
            if (g->node[i].op != LT_OP_INPUT) c.n_ops++;
            live += lt_shape_count(&g->node[i].out) * element_bytes(&t[i]);
        }
        if (live > c.peak_act_bytes) c.peak_act_bytes = live;
        live -= ends_here(g, t, root_of, i);
    }
    *out = c;
    if (t != small_t) lt_free(t);
}
