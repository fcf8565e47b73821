/*
 * Analytic sums over the operator graph for predictor "fewshot". An operator counts three times: as it stands; if its
 * result reaches the output (converters drop it otherwise); and if, besides, something other than zeros reaches it
 * (an edge without operation hands on zeros, which compilers fold).
 */
#include <string.h>
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "predictors/fewshot_basis.h"

enum { MOST_PARTS = 40, PART_NAME = 40, ALL = 1, REACHES = 2, WORKS = 4 };
struct lt_few_parts {
    int n;
    char name[MOST_PARTS][PART_NAME];
};

/* `last`: nodes of a part stand together. */
static int find_part(const struct lt_few_parts *p, const char *node, int last, char name[PART_NAME]) {
    size_t n = strcspn(node, ".");

    if (n >= PART_NAME) n = PART_NAME - 1;
    memcpy(name, node, n);
    name[n] = 0;
    if (last >= 0 && !strcmp(p->name[last], name)) return last;
    for (int i = 0; i < p->n; i++) {
        if (!strcmp(p->name[i], name)) return i;
    }
    return -1;
}

lt_status lt_few_parts_new(const struct lt_space *s, struct lt_few_parts **out, struct lt_err *e) {
    struct lt_few_parts *p = lt_calloc(1, sizeof(*p));
    struct lt_graph *g = NULL;
    struct lt_arch a;
    lt_status st;

    if (!p) return lt_fail(e, LT_ENOMEM, "predictor 'fewshot': out of memory");
    lt_space_largest(s, &a);
    if ((st = lt_space_expand(s, &a, &g, e))) {
        lt_free(p);
        return st;
    }
    for (int i = 1; i < g->n_nodes && p->n < MOST_PARTS; i++) {
        char name[PART_NAME];
        if (find_part(p, g->node[i].name, -1, name) < 0) memcpy(p->name[p->n++], name, PART_NAME);
    }
    lt_graph_free(g);
    *out = p;
    return LT_OK;
}

int lt_few_raw_count(const struct lt_few_parts *p) { return LT_FEW_RAW_PART + p->n * LT_FEW_SUMS; }

static int class_of(const struct lt_node *n) {
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

/* bits[i]: ALL, REACHES, WORKS of node i. */
static void find_live(const struct lt_graph *g, unsigned char *bits) {
    memset(bits, ALL, (size_t)g->n_nodes);
    bits[0] |= WORKS;
    for (int i = 1; i < g->n_nodes; i++) {
        const struct lt_node *n = &g->node[i];
        if (n->op == LT_OP_ZERO) continue;
        for (int k = 0; k < n->n_in; k++) bits[i] |= bits[n->in[k]] & WORKS;
    }
    bits[g->output] |= REACHES;
    for (int i = g->n_nodes - 1; i > 0; i--) {
        const struct lt_node *n = &g->node[i];
        if (n->op == LT_OP_ZERO || !(bits[i] & REACHES)) continue;
        for (int k = 0; k < n->n_in; k++) bits[n->in[k]] |= REACHES;
    }
    for (int i = 1; i < g->n_nodes; i++)
        if (!(bits[i] & REACHES)) bits[i] &= (unsigned char)~WORKS;
}

static void add_to(double *out, const struct lt_cost_node *c) {
    out[0] += (double)c->macs;
    out[1] += (double)c->params;
    out[2] += (double)(c->read_bytes + c->written_bytes);
    out[3] += 1;
}

lt_status lt_few_raw(const struct lt_few_parts *p, const struct lt_space *s, const struct lt_arch *a, double *out,
                     struct lt_err *e) {
    struct lt_graph *g = NULL;
    unsigned char *bits = NULL;
    int part = -1;
    lt_status st = lt_space_expand(s, a, &g, e);

    if (st) return st;
    if (!(bits = lt_malloc((size_t)g->n_nodes))) {
        lt_graph_free(g);
        return lt_fail(e, LT_ENOMEM, "predictor 'fewshot': out of memory");
    }
    find_live(g, bits);
    memset(out, 0, (size_t)lt_few_raw_count(p) * sizeof(*out));
    for (int i = 1; i < g->n_nodes; i++) {
        const struct lt_node *n = &g->node[i];
        char name[PART_NAME];
        struct lt_cost_node c;
        double *class = out + class_of(n) * LT_FEW_SUMS;

        lt_node_cost(g, NULL, i, &c);
        if (c.written_bytes == 0) continue; /* folded, fused or a view */
        part = find_part(p, n->name, part, name);
        add_to(class, &c);
        add_to(out + LT_FEW_RAW_SMALL, &c);
        if (bits[i] & REACHES) add_to(class + LT_FEW_BLOCK, &c);
        if (bits[i] & WORKS) {
            add_to(class + 2 * LT_FEW_BLOCK, &c);
            add_to(out + LT_FEW_RAW_SMALL + LT_FEW_SUMS, &c);
        }
        if (part >= 0) add_to(out + LT_FEW_RAW_PART + part * LT_FEW_SUMS, &c);
    }
    lt_free(bits);
    lt_graph_free(g);
    return LT_OK;
}
