/*
 * From a cell to nodes. A node of a cell is the sum of what its edges bring; an edge of nothing but zeros brings
 * nothing, and a node that nothing reaches is ZERO. With `unused: keep` every edge is there, whether or not its result
 * reaches the output, as implementations do that walk over all edges (and the benchmarks whose numbers they are);
 * with `unused: drop` only what the output needs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "spaces/cell.h"

struct walk {
    const struct lt_space *s;
    const struct cell_space *c;
    const struct cell_kind *k;
    const char *prefix;
    int channels;
    struct cell_plan plan;
    bool needed[CELL_MAX_NODES];
    int node[CELL_MAX_NODES]; /* in the graph; -1: not there */
    struct lt_graph *g;
    struct lt_err *e;
};

/* Which nodes the output needs, backwards from it. */
static void find_needed(struct walk *w) {
    const struct cell_kind *k = w->k;

    for (int i = 0; i < k->n_nodes; i++)
        w->needed[i] = !w->c->drop || (i >= k->n_inputs && (k->output != CELL_OUT_LAST || i == k->n_nodes - 1));
    for (int to = k->n_nodes - 1; to >= k->n_inputs; to--) {
        bool reached = false;

        for (int i = 0; w->needed[to] && i < w->plan.n[to]; i++) {
            const struct cell_link *l = &w->plan.link[to][i];

            if (w->c->op[l->op].zero) continue;
            w->needed[l->from] = reached = true;
        }
        if (w->needed[to] && !reached) w->needed[w->plan.link[to][0].from] = true; /* gives the zeros their shape */
    }
}

static int edge(struct walk *w, int to, int i) {
    const struct cell_link *l = &w->plan.link[to][i];
    const struct cell_op *op = &w->c->op[l->op];
    char prefix[LT_NODE_NAME];
    int nth = 1;

    for (int j = 0; j < i; j++) nth += w->plan.link[to][j].from == l->from;
    if (nth > 1)
        snprintf(prefix, sizeof(prefix), "%s.e%d_%d_%d.%s", w->prefix, l->from, to, nth, op->name);
    else
        snprintf(prefix, sizeof(prefix), "%s.e%d_%d.%s", w->prefix, l->from, to, op->name);
    return cell_build_op(w->s, op,
                         &(struct cell_place){.prefix = prefix,
                                              .in = w->node[l->from],
                                              .channels = w->channels,
                                              .stride = l->from < w->k->n_inputs ? w->k->stride : 1},
                         w->g, w->e);
}

/* The sum of x[0..n), named by what it is the value of. */
static int sum(struct walk *w, const char *what, const int *x, int n) {
    char name[LT_NODE_NAME];
    int y = x[0];

    for (int i = 1; i < n && y >= 0; i++) {
        snprintf(name, sizeof(name), "%s.%s.add%d", w->prefix, what, i);
        y = lt_graph_add(w->g, name, y, x[i]);
    }
    return y;
}

/* -1 after an error. */
static int add_node(struct walk *w, int to) {
    int x[CELL_MAX_NODES + CELL_MAX_EDGES], n = 0;
    char what[16];

    for (int i = 0; i < w->plan.n[to]; i++) {
        if (w->c->op[w->plan.link[to][i].op].zero) continue;
        if ((x[n++] = edge(w, to, i)) < 0) return -1;
    }
    if (!n) return edge(w, to, 0);
    snprintf(what, sizeof(what), "n%d", to);
    return sum(w, what, x, n);
}

/* The cell's inputs, newest output last; brought to the cell's channels and size by `preprocess`. */
static int inputs(struct walk *w, const struct lt_carry *x) {
    const struct cell_kind *k = w->k;
    char prefix[LT_NODE_NAME];

    for (int i = 0; i < k->n_inputs; i++) {
        int back = k->n_inputs - 1 - i, in = x->node[back < x->n ? back : x->n - 1];
        const struct lt_shape *new = &w->g->node[x->node[0]].out, *old = &w->g->node[in].out;
        int64_t stride = old->d[2] / new->d[2];

        w->node[i] = in;
        if (k->preprocess < 0 || !w->needed[i]) continue;
        snprintf(prefix, sizeof(prefix), "%s.in%d.%s", w->prefix, i, w->c->op[k->preprocess].name);
        w->node[i] = cell_build_op(
            w->s, &w->c->op[k->preprocess],
            &(struct cell_place){
                .prefix = prefix, .in = in, .channels = w->channels, .stride = stride < 1 ? 1 : (int)stride},
            w->g, w->e);
        if (w->node[i] < 0) return -1;
    }
    return 0;
}

static int output(struct walk *w) {
    const struct cell_kind *k = w->k;
    const int *node = w->node + k->n_inputs;
    int n = k->n_nodes - k->n_inputs;
    char name[LT_NODE_NAME];

    if (k->output == CELL_OUT_LAST || n == 1) return node[n - 1];
    if (k->output == CELL_OUT_SUM) return sum(w, "out", node, n);
    snprintf(name, sizeof(name), "%s.out", w->prefix);
    return lt_graph_concat(w->g, name, node, n, 1);
}

static bool read_later(const struct walk *w, int node) {
    if (node == w->k->n_nodes - 1 || w->k->output != CELL_OUT_LAST) return true;
    for (int to = node + 1; to < w->k->n_nodes; to++) {
        bool reached = false;

        for (int i = 0; i < w->plan.n[to]; i++) reached |= !w->c->op[w->plan.link[to][i].op].zero;
        if (!reached && w->plan.link[to][0].from == node && w->needed[to]) return true;
        for (int i = 0; i < w->plan.n[to]; i++) {
            const struct cell_link *l = &w->plan.link[to][i];

            if (l->from == node && !w->c->op[l->op].zero && w->needed[to]) return true;
        }
    }
    return false;
}

/* A node that nothing reaches and nobody reads is no work for anybody, whatever `unused` says. */
static bool is_idle(const struct walk *w, int to) {
    for (int i = 0; i < w->plan.n[to]; i++) {
        if (!w->c->op[w->plan.link[to][i].op].zero) return false;
    }
    return !read_later(w, to);
}

static int build_cell(struct walk *w, const struct lt_carry *x) {
    if (inputs(w, x) < 0) return -1;
    for (int to = w->k->n_inputs; to < w->k->n_nodes; to++) {
        w->node[to] = -1;
        if (!w->needed[to] || is_idle(w, to)) continue;
        if ((w->node[to] = add_node(w, to)) < 0) return -1;
    }
    return output(w);
}

/* The image is no output: the cells that come first look back on the oldest output there is. */
static void carry(struct lt_carry *x, int node, int history, bool first) {
    int n = first ? 1 : x->n + 1 < history ? x->n + 1 : history;

    for (int i = n - 1; i > 0; i--) x->node[i] = x->node[i - 1];
    x->node[0] = node;
    x->n = n;
}

lt_status cell_build(const struct lt_space *s, const void *body, const struct lt_segment *seg, const struct lt_arch *a,
                     struct lt_graph *g, struct lt_carry *x, struct lt_err *e) {
    const struct cell_space *c = body;
    const struct cell_entry *t = &c->entry[seg->user[0]];
    struct lt_err err = {0};
    int node, channels = t->has_channels ? lt_channels(s, &t->channels, a) : (int)g->node[x->node[0]].out.d[1];

    if (t->kind < 0) {
        node = cell_build_op(
            s, &c->op[t->steps],
            &(struct cell_place){.prefix = seg->name, .in = x->node[0], .channels = channels, .stride = 1}, g, &err);
    } else {
        struct walk w = {
            .s = s, .c = c, .k = &c->kind[t->kind], .prefix = seg->name, .channels = channels, .g = g, .e = &err};

        cell_resolve(w.k, a, &w.plan);
        find_needed(&w);
        node = build_cell(&w, x);
    }
    if (err.status) return lt_fail(e, err.status, "%s", err.msg);
    if (node < 0) return g->err.status ? LT_OK : lt_fail(e, LT_EINVAL, "%s: the cell is not built", seg->name);
    carry(x, node, c->history, !seg->user[0] && !seg->user[1]);
    return LT_OK;
}
