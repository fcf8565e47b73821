/*
 * Features: for each class of operator (dense 1x1, dense kxk, depthwise by kernel size, linear, the rest) its MACs,
 * bytes and number of operators; the same sums by part of the network (stem, stages, head: what stands before the first
 * '.' of node names), since how fast an operator runs depends on its shape; then one-hot choices.
 */
#include <string.h>
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "predictors/features.h"

#define MAX_PARTS 40
#define PART_NAME 40
enum { DENSE_1, DENSE_K, DW_3, DW_5, DW_7, DW_OTHER, LINEAR, OTHER, N_CLASSES };
enum { MACS, BYTES, OPS, N_SUMS };
enum { PART_DENSE, PART_DW, PART_BYTES, PART_OPS, N_PART_SUMS };
#define N_GLOBAL (N_CLASSES * N_SUMS)

struct lt_features {
    const struct lt_space *space;
    int n_parts;
    char part[MAX_PARTS][PART_NAME];
};

/* Copies the part's name; nodes without a '.' are parts of their own. */
static void part_name(const char *node, char out[PART_NAME]) {
    size_t n = strcspn(node, ".");

    if (n >= PART_NAME) n = PART_NAME - 1;
    memcpy(out, node, n);
    out[n] = 0;
}

static int find_part(const struct lt_features *f, const char *node) {
    char name[PART_NAME];

    part_name(node, name);
    for (int i = 0; i < f->n_parts; i++) {
        if (!strcmp(f->part[i], name)) return i;
    }
    return -1;
}

/* The largest network has every part that any network of the space has. */
lt_status lt_features_new(const struct lt_space *s, struct lt_features **out, struct lt_err *e) {
    struct lt_features *f = lt_calloc(1, sizeof(*f));
    struct lt_graph *g = NULL;
    struct lt_arch a;
    lt_status st;

    if (!f) return lt_fail(e, LT_ENOMEM, "features: out of memory");
    f->space = s;
    lt_space_largest(s, &a);
    if ((st = lt_space_expand(s, &a, &g, e))) {
        lt_free(f);
        return st;
    }
    for (int i = 1; i < g->n_nodes && f->n_parts < MAX_PARTS; i++) {
        if (find_part(f, g->node[i].name) < 0) part_name(g->node[i].name, f->part[f->n_parts++]);
    }
    lt_graph_free(g);
    *out = f;
    return LT_OK;
}

void lt_features_free(struct lt_features *f) { lt_free(f); }

int lt_features_analytic(const struct lt_features *f) { return N_GLOBAL + f->n_parts * N_PART_SUMS; }

int lt_features_count(const struct lt_features *f) { return lt_features_analytic(f) + lt_space_n_features(f->space); }

static int class_of(const struct lt_node *n) {
    if (n->op == LT_OP_LINEAR) return LINEAR;
    if (n->op != LT_OP_CONV) return OTHER;
    if (!lt_node_is_depthwise(n)) return n->kernel == 1 ? DENSE_1 : DENSE_K;
    return n->kernel == 3 ? DW_3 : n->kernel == 5 ? DW_5 : n->kernel == 7 ? DW_7 : DW_OTHER;
}

lt_status lt_features_of(const struct lt_features *f, const struct lt_arch *a, double *x, struct lt_err *e) {
    struct lt_graph *g = NULL;
    lt_status st = lt_space_expand(f->space, a, &g, e);

    if (st) return st;
    memset(x, 0, (size_t)lt_features_analytic(f) * sizeof(*x));
    for (int i = 1; i < g->n_nodes; i++) {
        const struct lt_node *n = &g->node[i];
        struct lt_cost_node c;
        double *global = x + class_of(n) * N_SUMS, *part;
        int p = find_part(f, n->name);

        lt_node_cost(g, NULL, i, &c);
        if (c.written_bytes == 0) continue; /* folded, fused or a view */
        global[MACS] += (double)c.macs;
        global[BYTES] += (double)(c.read_bytes + c.written_bytes);
        global[OPS] += 1;
        if (p < 0) continue;
        part = x + N_GLOBAL + p * N_PART_SUMS;
        part[lt_node_is_depthwise(n) ? PART_DW : PART_DENSE] += (double)c.macs;
        part[PART_BYTES] += (double)(c.read_bytes + c.written_bytes);
        part[PART_OPS] += 1;
    }
    lt_space_features(f->space, a, x + lt_features_analytic(f));
    lt_graph_free(g);
    return LT_OK;
}
