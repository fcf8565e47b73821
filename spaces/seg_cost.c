/*
 * The cost of one segment: its nodes are built between stand-ins ("@...") for the tensors that come in and for whoever
 * reads those that leave, so that everything that depends on the number of readers (what works in place, what batch
 * norm folds into) comes out as in the whole network.
 */
#include <stdio.h>
#include <string.h>
#include "lathe/cost.h"
#include "graph/ops.h"
#include "spaces/seg_cost.h"

static enum lt_producer producer(const struct lt_graph *g, int i) {
    const struct lt_node *n = &g->node[i];

    if (n->op == LT_OP_INPUT) return LT_FROM_INPUT;
    if (n->op == LT_OP_BN) return lt_bn_target(g, i) != i ? LT_FROM_CONV : LT_FROM_OTHER;
    return n->op == LT_OP_CONV || n->op == LT_OP_LINEAR ? LT_FROM_CONV : LT_FROM_OTHER;
}

void lt_state_of(const struct lt_graph *g, const struct lt_carry *x, struct lt_state *out) {
    memset(out, 0, sizeof(*out));
    out->n = x->n;
    for (int i = 0; i < x->n; i++) {
        out->shape[i] = g->node[x->node[i]].out;
        out->from[i] = producer(g, x->node[i]);
        out->same[i] = i;
        for (int k = i - 1; k >= 0; k--) {
            if (x->node[k] == x->node[i]) out->same[i] = k;
        }
        for (int k = 0; k < g->n_nodes && !out->read[i]; k++) {
            for (int j = 0; j < g->node[k].n_in; j++)
                out->read[i] |= g->node[k].in[j] == x->node[i] && g->node[k].name[0] != '@';
        }
    }
}

/* A tensor of the given shape, made of the input by nodes "@...". */
static int stand_in(struct lt_graph *g, int input, int i, const struct lt_state *st) {
    const struct lt_shape *want = &st->shape[i], *have = &g->node[input].out;
    char name[16];
    int x = input;

    for (int axis = 2; axis < 4; axis++) {
        snprintf(name, sizeof(name), "@s%d_%d", i, axis);
        if (have->d[axis] > want->d[axis]) x = lt_graph_slice(g, name, x, axis, 0, (int)want->d[axis]);
    }
    snprintf(name, sizeof(name), "@c%d", i);
    x = lt_graph_conv(g, name, x,
                      &(struct lt_conv_attr){.out = (int)want->d[1], .kernel = 1, .stride = 1, .groups = 1});
    snprintf(name, sizeof(name), "@a%d", i);
    return st->from[i] == LT_FROM_CONV ? x : lt_graph_add(g, name, x, x);
}

static void reader(struct lt_graph *g, char kind, int i, int node) {
    char name[16];

    snprintf(name, sizeof(name), "@%c%d", kind, i);
    lt_graph_conv(g, name, node, &(struct lt_conv_attr){.out = 1, .kernel = 1, .stride = 1, .groups = 1});
}

static lt_status before_segment(const struct lt_space *s, const struct lt_state *st, const struct lt_arch *a,
                                struct lt_graph *g, struct lt_carry *x, struct lt_err *e) {
    int64_t h = 1, w = 1;
    int input;

    x->n = st->n;
    if (st->from[0] == LT_FROM_INPUT && st->n == 1) {
        x->node[0] = lt_space_input(s, a, g);
    } else {
        for (int i = 0; i < st->n; i++) {
            if (st->shape[i].d[2] > h) h = st->shape[i].d[2];
            if (st->shape[i].d[3] > w) w = st->shape[i].d[3];
        }
        input = lt_graph_input(g, "@", 1, (int)h, (int)w);
        for (int i = 0; i < st->n; i++) x->node[i] = st->same[i] < i ? x->node[st->same[i]] : stand_in(g, input, i, st);
    }
    for (int i = 0; i < st->n; i++) {
        if (st->read[i] && st->same[i] == i) reader(g, 'q', i, x->node[i]);
    }
    for (int i = 0; i < st->n; i++) {
        if (x->node[i] < 0) return lt_fail(e, g->err.status, "%s", g->err.msg);
    }
    return LT_OK;
}

/* Whoever reads later what else is carried out. */
static void readers(struct lt_graph *g, const struct lt_carry *x) {
    for (int i = 1; i < x->n; i++) reader(g, 'r', i, x->node[i]);
    lt_graph_output(g, x->node[0]);
}

static enum lt_op_class class_of(const struct lt_node *n) {
    switch (n->op) {
    case LT_OP_CONV:
        if (lt_node_is_depthwise(n)) return LT_CLASS_DEPTHWISE;
        if (n->groups > 1) return LT_CLASS_GROUPED;
        return n->kernel == 1 ? LT_CLASS_DENSE_1X1 : LT_CLASS_DENSE_KXK;
    case LT_OP_SHORTCONV:
        return LT_CLASS_DEPTHWISE;
    case LT_OP_LINEAR:
    case LT_OP_ATTENTION:
    case LT_OP_LINATTN:
        return LT_CLASS_MATMUL;
    case LT_OP_POOL:
    case LT_OP_GAP:
        return LT_CLASS_POOL;
    default:
        return LT_CLASS_OTHER;
    }
}

void lt_graph_sums(const struct lt_graph *g, double sum[LT_N_CLASSES][LT_N_SUMS]) {
    for (int i = 0; i < g->n_nodes; i++) {
        double *to = sum[class_of(&g->node[i])];
        struct lt_cost_node c;

        if (g->node[i].op == LT_OP_INPUT || g->node[i].name[0] == '@') continue;
        lt_node_cost(g, NULL, i, &c);
        to[LT_SUM_MACS] += (double)c.macs;
        to[LT_SUM_PARAMS] += (double)c.params;
        to[LT_SUM_BYTES] += (double)(c.read_bytes + c.written_bytes);
        to[LT_SUM_OPS] += !lt_node_in_place(g, i);
    }
}

/* ---- peak memory ---- */

static int root(const struct lt_graph *g, int i) {
    while (lt_node_in_place(g, i)) i = g->node[i].in[0];
    return i;
}

/* Largest sum of live f32 tensors at the nodes from `first` on, the stand-ins' own aside. As lt_graph_cost counts. */
static int64_t peak_from(const struct lt_graph *g, int first, int end[]) {
    int64_t live = 0, peak = 0;

    for (int i = 0; i < g->n_nodes; i++) end[i] = i;
    for (int i = 0; i < g->n_nodes; i++) {
        int r = root(g, i);

        if (g->node[i].last_use > end[r]) end[r] = g->node[i].last_use;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        if (!lt_node_in_place(g, i)) live += 4 * lt_shape_count(&g->node[i].out);
        if ((i >= first || g->node[i].op == LT_OP_INPUT) && g->node[i].name[0] != '@' && live > peak) peak = live;
        for (int k = 0; k < i + 1; k++) {
            if (root(g, k) == k && end[k] == i) live -= 4 * lt_shape_count(&g->node[k].out);
        }
    }
    return peak;
}

static lt_status measure(const struct lt_graph *g, int first, struct lt_seg_cost *out, struct lt_err *e) {
    struct lt_graph *folded = NULL;
    struct lt_cost_node c;
    int *end = lt_malloc((size_t)g->n_nodes * sizeof(*end));
    lt_status st;

    if (!end) return lt_fail(e, LT_ENOMEM, "costs: out of memory");
    memset(out, 0, sizeof(*out));
    for (int i = first; i < g->n_nodes; i++) {
        if (g->node[i].name[0] == '@') continue;
        lt_node_cost(g, NULL, i, &c);
        out->trained_macs += (double)c.macs;
        out->trained_params += (double)c.params;
    }
    out->peak_bytes = peak_from(g, first, end);
    if (!(st = lt_graph_fold_bn(g, NULL, &folded, NULL, e))) lt_graph_sums(folded, out->sum);
    lt_graph_free(folded);
    lt_free(end);
    return st;
}

lt_status lt_segment_cost(const struct lt_space *s, const struct lt_segment *seg, const struct lt_state *before,
                          const struct lt_arch *a, struct lt_seg_cost *out, struct lt_state *after, struct lt_err *e) {
    struct lt_graph *g = NULL;
    struct lt_carry x = {0}, in;
    lt_status st;
    int first;

    if ((st = lt_graph_new("segment", &g, e)) || (st = before_segment(s, before, a, g, &x, e))) goto out;
    first = g->n_nodes;
    in = x;
    if ((st = lt_segment_build(s, seg, a, g, &x, e))) goto out;
    if (before->last) x.n = 1;
    readers(g, &x);
    if ((st = lt_graph_finish(g, e)) || (st = measure(g, first, out, e))) goto out;
    lt_state_of(g, &x, after);
    for (int i = 0; i < x.n; i++) { /* a stand-in that passes through is still what it stands for */
        for (int k = 0; k < before->n; k++) {
            if (x.node[i] != in.node[k]) continue;
            after->from[i] = before->from[k];
            after->read[i] = after->read[i] || before->read[k];
        }
    }
out:
    lt_graph_free(g);
    return st;
}
