/*
 * The graph and its builders. A graph is plain data in one arena; builders append nodes in topological order, infer
 * shapes at once and keep the first error until lt_graph_finish reports it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/graph.h"
#include "lathe/mem.h"
#include "graph/ops.h"

#define BN_EPS 1e-5f

lt_status lt_graph_new(const char *name, struct lt_graph **out, struct lt_err *e) {
    struct lt_arena *arena = lt_arena_new();
    struct lt_graph *g = arena ? lt_arena_alloc(arena, sizeof(*g)) : NULL;
    char *copy = g ? lt_arena_strdup(arena, name) : NULL;

    if (!copy) {
        lt_arena_free(arena);
        return lt_fail(e, LT_ENOMEM, "graph '%s': out of memory", name);
    }
    g->arena = arena;
    g->name = copy;
    g->output = -1;
    *out = g;
    return LT_OK;
}

void lt_graph_free(struct lt_graph *g) {
    if (g) lt_arena_free(g->arena);
}

/* Keeps the first error only: later ones are consequences. Always returns -1. */
static int stick(struct lt_graph *g, lt_status s, const char *fmt, ...) LT_PRINTF(3, 4);
static int stick(struct lt_graph *g, lt_status s, const char *fmt, ...) {
    va_list ap;

    if (g->err.status) return -1;
    va_start(ap, fmt);
    lt_vfail(&g->err, s, fmt, ap);
    va_end(ap);
    return -1;
}

/* An array in the arena with room for one more; the old one stays behind (at most as much again, and it dies with the
 * graph). */
static void *grown(struct lt_arena *a, void *old, int n, int *cap, size_t size) {
    int want = *cap ? *cap * 2 : 64;
    void *p;

    if (n < *cap) return old;
    if (!(p = lt_arena_alloc(a, (size_t)want * size))) return NULL;
    if (n) memcpy(p, old, (size_t)n * size);
    *cap = want;
    return p;
}

/* Checks inputs, infers the shape and appends. */
static int append(struct lt_graph *g, const char *name, const struct lt_node *proto) {
    const struct lt_op_info *op = &lt_op_table[proto->op];
    struct lt_node n = *proto;
    void *p;

    if (g->err.status) return -1;
    if (!name || !*name) return stick(g, LT_EINVAL, "%s node %d has no name", op->name, g->n_nodes);
    if (!g->n_nodes && proto->op != LT_OP_INPUT) return stick(g, LT_EINVAL, "%s: the input node must come first", name);
    n.n_in = op->n_in;
    for (int i = 0; i < n.n_in; i++) {
        if (n.in[i] < 0 || n.in[i] >= g->n_nodes)
            return stick(g, LT_EINVAL, "%s: input %d is node %d, which does not exist", name, i, n.in[i]);
    }
    if (!(n.name = lt_arena_strdup(g->arena, name))) return stick(g, LT_ENOMEM, "%s: out of memory", name);
    if (op->shape && op->shape(g, &n, &g->err)) return -1;
    if (!(p = grown(g->arena, g->node, g->n_nodes, &g->cap_nodes, sizeof(n))))
        return stick(g, LT_ENOMEM, "%s: out of memory", name);
    g->node = p;
    g->node[g->n_nodes] = n;
    return g->n_nodes++;
}

/* Adds a parameter to the last node; false after an error. dim: 1 to 4 positive numbers. */
static bool add_param(struct lt_graph *g, int node, enum lt_param_role role, int n_dims, const int64_t *dim) {
    static const char *const suffix[] = {"weight", "bias", "gamma", "beta", "mean", "var"};
    struct lt_node *n = &g->node[node];
    size_t len = strlen(n->name) + strlen(suffix[role]) + 2;
    char *name = lt_arena_alloc(g->arena, len);
    struct lt_param *p = name ? grown(g->arena, g->param, g->n_params, &g->cap_params, sizeof(*p)) : NULL;

    if (!p) {
        stick(g, LT_ENOMEM, "%s: out of memory", n->name);
        return false;
    }
    snprintf(name, len, "%s.%s", n->name, suffix[role]);
    g->param = p;
    p += g->n_params;
    *p = (struct lt_param){.name = name, .role = role, .node = node, .n_dims = n_dims, .count = 1};
    for (int i = 0; i < n_dims; i++) {
        p->dim[i] = dim[i];
        if (__builtin_mul_overflow(p->count, dim[i], &p->count) || p->count > (int64_t)1 << 34) {
            stick(g, LT_EINVAL, "%s: more than 2^34 values", name);
            return false;
        }
    }
    n->param[n->n_params++] = g->n_params++;
    return true;
}

int lt_graph_input(struct lt_graph *g, const char *name, int channels, int height, int width) {
    struct lt_node n = {.op = LT_OP_INPUT, .out = {{1, channels, height, width}}};

    if (g->err.status) return -1;
    if (g->n_nodes) return stick(g, LT_EINVAL, "%s: a graph has one input, and it comes first", name);
    if (channels < 1 || height < 1 || width < 1 || channels > 65536 || height > 65536 || width > 65536)
        return stick(g, LT_EINVAL, "%s: input shape [1,%d,%d,%d]: each must be in 1..65536", name, channels, height,
                     width);
    return append(g, name, &n);
}

int lt_graph_conv(struct lt_graph *g, const char *name, int in, const struct lt_conv_attr *a) {
    int pad = a->pad == LT_PAD_VALID ? 0 : a->pad <= 0 ? a->kernel / 2 : a->pad;
    struct lt_node n = {.op = LT_OP_CONV,
                        .in = {in},
                        .kernel = a->kernel,
                        .stride = a->stride,
                        .pad = pad,
                        .groups = a->groups,
                        .out = {{1, a->out, 0, 0}}};
    int i = append(g, name, &n);

    if (i < 0) return -1;
    const int64_t w[4] = {a->out, g->node[in].out.d[1] / a->groups, a->kernel, a->kernel};
    if (!add_param(g, i, LT_PARAM_WEIGHT, 4, w) || (a->bias && !add_param(g, i, LT_PARAM_BIAS, 1, w))) return -1;
    return i;
}

int lt_graph_bn(struct lt_graph *g, const char *name, int in) {
    struct lt_node n = {.op = LT_OP_BN, .in = {in}, .eps = BN_EPS};
    int i = append(g, name, &n);

    if (i < 0) return -1;
    const int64_t c = g->node[i].out.d[1];
    if (!add_param(g, i, LT_PARAM_GAMMA, 1, &c) || !add_param(g, i, LT_PARAM_BETA, 1, &c) ||
        !add_param(g, i, LT_PARAM_MEAN, 1, &c) || !add_param(g, i, LT_PARAM_VAR, 1, &c))
        return -1;
    return i;
}

int lt_graph_act(struct lt_graph *g, const char *name, int in, enum lt_act act) {
    struct lt_node n = {.op = LT_OP_ACT, .in = {in}, .act = act};

    if (act == LT_ACT_NONE) return g->err.status ? -1 : in;
    if ((int)act < 0 || act >= LT_N_ACTS)
        return stick(g, LT_EINVAL, "%s: activation %d does not exist", name, (int)act);
    return append(g, name, &n);
}

int lt_graph_linear(struct lt_graph *g, const char *name, int in, int out_features) {
    struct lt_node n = {.op = LT_OP_LINEAR, .in = {in}, .out = {{1, out_features, 0, 0}}};
    int i = append(g, name, &n);

    if (i < 0) return -1;
    const int64_t w[2] = {out_features, lt_shape_count(&g->node[in].out)};
    if (!add_param(g, i, LT_PARAM_WEIGHT, 2, w) || !add_param(g, i, LT_PARAM_BIAS, 1, w)) return -1;
    return i;
}

int lt_graph_pool(struct lt_graph *g, const char *name, int in, enum lt_pool pool, int kernel, int stride, int pad) {
    return append(
        g, name,
        &(struct lt_node){.op = LT_OP_POOL, .in = {in}, .pool = pool, .kernel = kernel, .stride = stride, .pad = pad});
}

int lt_graph_gap(struct lt_graph *g, const char *name, int in) {
    return append(g, name, &(struct lt_node){.op = LT_OP_GAP, .in = {in}});
}

int lt_graph_add(struct lt_graph *g, const char *name, int a, int b) {
    return append(g, name, &(struct lt_node){.op = LT_OP_ADD, .in = {a, b}});
}

int lt_graph_mul(struct lt_graph *g, const char *name, int a, int b) {
    return append(g, name, &(struct lt_node){.op = LT_OP_MUL, .in = {a, b}});
}

int lt_graph_flatten(struct lt_graph *g, const char *name, int in) {
    return append(g, name, &(struct lt_node){.op = LT_OP_FLATTEN, .in = {in}});
}

int lt_graph_softmax(struct lt_graph *g, const char *name, int in) {
    return append(g, name, &(struct lt_node){.op = LT_OP_SOFTMAX, .in = {in}});
}

void lt_graph_output(struct lt_graph *g, int node) {
    if (g->err.status) return;
    if (node < 0 || node >= g->n_nodes)
        stick(g, LT_EINVAL, "graph '%s': output is node %d, which does not exist", g->name, node);
    else
        g->output = node;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void check_names(struct lt_graph *g) {
    const char **names = lt_malloc((size_t)g->n_nodes * sizeof(*names));

    if (!names) {
        stick(g, LT_ENOMEM, "graph '%s': out of memory", g->name);
        return;
    }
    for (int i = 0; i < g->n_nodes; i++) names[i] = g->node[i].name;
    qsort(names, (size_t)g->n_nodes, sizeof(*names), by_name);
    for (int i = 1; i < g->n_nodes; i++) {
        if (!strcmp(names[i - 1], names[i])) {
            stick(g, LT_EINVAL, "%s: two nodes of graph '%s' have this name", names[i], g->name);
            break;
        }
    }
    lt_free(names);
}

lt_status lt_graph_finish(struct lt_graph *g, struct lt_err *e) {
    if (!g->err.status && g->output < 0) stick(g, LT_EINVAL, "graph '%s' has no output", g->name);
    if (!g->err.status) check_names(g);
    if (g->err.status) return lt_fail(e, g->err.status, "%s", g->err.msg);
    for (int i = 0; i < g->n_nodes; i++) {
        g->node[i].n_readers = 0;
        g->node[i].last_use = i;
        for (int k = 0; k < g->node[i].n_in; k++) {
            struct lt_node *x = &g->node[g->node[i].in[k]];
            x->n_readers++;
            x->last_use = i;
        }
    }
    g->node[g->output].n_readers++;
    g->node[g->output].last_use = g->n_nodes;
    return LT_OK;
}

int lt_graph_find(const struct lt_graph *g, const char *node_name) {
    for (int i = 0; i < g->n_nodes; i++) {
        if (!strcmp(g->node[i].name, node_name)) return i;
    }
    return -1;
}

int lt_graph_find_param(const struct lt_graph *g, const char *param_name) {
    for (int i = 0; i < g->n_params; i++) {
        if (!strcmp(g->param[i].name, param_name)) return i;
    }
    return -1;
}
