/*
 * The graph itself: plain data in one arena. Builders (build.c, build_seq.c) append nodes in topological order through
 * lt_graph_append, which infers shapes at once and keeps the first error until lt_graph_finish reports it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "lathe/graph.h"
#include "lathe/mem.h"
#include "graph/ops.h"

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

int lt_graph_stick(struct lt_graph *g, lt_status s, const char *fmt, ...) {
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

int lt_graph_append(struct lt_graph *g, const char *name, const struct lt_node *proto) {
    const struct lt_op_info *op = &lt_op_table[proto->op];
    struct lt_node n = *proto;
    void *p;

    if (g->err.status) return -1;
    if (!name || !*name) return lt_graph_stick(g, LT_EINVAL, "%s node %d has no name", op->name, g->n_nodes);
    if (!g->n_nodes && proto->op != LT_OP_INPUT)
        return lt_graph_stick(g, LT_EINVAL, "%s: the input node must come first", name);
    if (op->n_in != LT_ANY_IN) n.n_in = op->n_in;
    for (int i = 0; i < n.n_in; i++) {
        if (n.in[i] < 0 || n.in[i] >= g->n_nodes)
            return lt_graph_stick(g, LT_EINVAL, "%s: input %d is node %d, which does not exist", name, i, n.in[i]);
    }
    if (!(n.name = lt_arena_strdup(g->arena, name))) return lt_graph_stick(g, LT_ENOMEM, "%s: out of memory", name);
    if (op->shape && op->shape(g, &n, &g->err)) return -1;
    if (!(p = grown(g->arena, g->node, g->n_nodes, &g->cap_nodes, sizeof(n))))
        return lt_graph_stick(g, LT_ENOMEM, "%s: out of memory", name);
    g->node = p;
    g->node[g->n_nodes] = n;
    return g->n_nodes++;
}

bool lt_graph_add_param(struct lt_graph *g, int node, enum lt_param_role role, int n_dims, const int64_t *dim) {
    static const char *const suffix[] = {".weight", ".bias", ".gamma", ".beta", ".mean", ".var"};
    struct lt_node *n = &g->node[node];
    size_t len = strlen(n->name), tail = strlen(suffix[role]) + 1;
    char *name = lt_arena_alloc(g->arena, len + tail);
    struct lt_param *p = name ? grown(g->arena, g->param, g->n_params, &g->cap_params, sizeof(*p)) : NULL;

    if (!p) {
        lt_graph_stick(g, LT_ENOMEM, "%s: out of memory", n->name);
        return false;
    }
    memcpy(name, n->name, len);
    memcpy(name + len, suffix[role], tail);
    g->param = p;
    p += g->n_params;
    *p = (struct lt_param){.name = name, .role = role, .node = node, .n_dims = n_dims, .count = 1};
    for (int i = 0; i < n_dims; i++) {
        p->dim[i] = dim[i];
        if (__builtin_mul_overflow(p->count, dim[i], &p->count) || p->count > (int64_t)1 << 34) {
            lt_graph_stick(g, LT_EINVAL, "%s: more than 2^34 values", name);
            return false;
        }
    }
    n->param[n->n_params++] = g->n_params++;
    return true;
}

int lt_graph_append_copy(struct lt_graph *g, const struct lt_graph *from, int node, const int *map) {
    const struct lt_node *x = &from->node[node];
    struct lt_node n = *x;
    int i;

    for (int k = 0; k < n.n_in; k++) n.in[k] = map[x->in[k]];
    n.n_params = 0;
    if ((i = lt_graph_append(g, x->name, &n)) < 0) return -1;
    for (int k = 0; k < x->n_params; k++) {
        const struct lt_param *p = &from->param[x->param[k]];

        if (!lt_graph_add_param(g, i, p->role, p->n_dims, p->dim)) return -1;
    }
    return i;
}

void lt_graph_output(struct lt_graph *g, int node) {
    if (g->err.status) return;
    if (node < 0 || node >= g->n_nodes)
        lt_graph_stick(g, LT_EINVAL, "graph '%s': output is node %d, which does not exist", g->name, node);
    else
        g->output = node;
}

static uint64_t name_hash(const char *s) {
    uint64_t h = 0;

    for (; *s; s++) h = h * 0x100000001b3ull + (unsigned char)*s;
    return lt_mix64(0, h);
}

/* Names in an open hash table of twice their number. */
static void check_names(struct lt_graph *g) {
    int small[1024], *slot = small;
    uint32_t size = 64;

    while (size < 2 * (uint32_t)g->n_nodes) size *= 2;
    if (size > 1024 && !(slot = lt_malloc(size * sizeof(*slot)))) {
        lt_graph_stick(g, LT_ENOMEM, "graph '%s': out of memory", g->name);
        return;
    }
    memset(slot, -1, size * sizeof(*slot));
    for (int i = 0; i < g->n_nodes; i++) {
        const char *name = g->node[i].name;
        uint32_t at = (uint32_t)name_hash(name) & (size - 1);

        for (; slot[at] >= 0; at = (at + 1) & (size - 1)) {
            if (strcmp(g->node[slot[at]].name, name)) continue;
            lt_graph_stick(g, LT_EINVAL, "%s: two nodes of graph '%s' have this name", name, g->name);
            goto out;
        }
        slot[at] = i;
    }
out:
    if (slot != small) lt_free(slot);
}

lt_status lt_graph_finish(struct lt_graph *g, struct lt_err *e) {
    if (!g->err.status && g->output < 0) lt_graph_stick(g, LT_EINVAL, "graph '%s' has no output", g->name);
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
