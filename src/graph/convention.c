/*
 * Ways in which papers and tools count MACs and parameters, by name. They differ in which operators count and in the
 * weight of each; everything else of a cost is as in `default`.
 */
#include <string.h>
#include "lathe/cost.h"
#include "graph/ops.h"

/* What counts of node i under a convention. `head`: the final projection, or -1. */
typedef void (*count_fn)(const struct lt_graph *g, int i, int head, struct lt_cost_node *c);

struct convention {
    struct lt_cost_convention about;
    count_fn count; /* edits the counts of `default`; NULL leaves them */
};

static bool is_layer(const struct lt_node *n) { return n->op == LT_OP_CONV || n->op == LT_OP_LINEAR; }

static void conv_linear(const struct lt_graph *g, int i, int head, struct lt_cost_node *c) {
    (void)head;
    if (!is_layer(&g->node[i])) c->macs = 0;
}

static void flops(const struct lt_graph *g, int i, int head, struct lt_cost_node *c) {
    (void)g;
    (void)i;
    (void)head;
    c->macs *= 2;
}

static void nasbench201(const struct lt_graph *g, int i, int head, struct lt_cost_node *c) {
    const struct lt_node *n = &g->node[i];

    (void)head;
    if (!is_layer(n))
        c->macs = 0;
    else if (n->n_params > 1)
        c->macs += lt_shape_count(&n->out);
}

static void no_classifier(const struct lt_graph *g, int i, int head, struct lt_cost_node *c) {
    (void)g;
    if (i == head) c->macs = c->params = 0;
}

static void no_embedding(const struct lt_graph *g, int i, int head, struct lt_cost_node *c) {
    enum lt_op op = g->node[i].op;

    if (op == LT_OP_EMBED || op == LT_OP_POSITION || i == head) c->macs = c->params = 0;
}

static const struct convention table[] = {
    {{"default", "one MAC = one multiply-accumulate of every operator"}, NULL},
    {{"conv-linear", "convolutions and linear layers only; products inside attention are not seen"}, conv_linear},
    {{"flops", "two floating-point operations per multiply-accumulate of every operator"}, flops},
    {{"nasbench201", "convolutions and linear layers, and one for each addition of their biases"}, nasbench201},
    {{"no-classifier", "default without the final projection, neither its MACs nor its parameters"}, no_classifier},
    {{"no-embedding", "default without embedding and position tables and the final projection"}, no_embedding},
};
enum { N_CONVENTIONS = sizeof(table) / sizeof(*table) };

const struct lt_cost_convention *lt_cost_convention_at(int i) {
    return i >= 0 && i < N_CONVENTIONS ? &table[i].about : NULL;
}

int lt_cost_convention_find(const char *name) {
    for (int i = 0; i < N_CONVENTIONS; i++)
        if (!strcmp(name, table[i].about.name)) return i;
    return -1;
}

/* The last CONV or LINEAR when nothing but shapes and activations follow it: the classifier; else -1. */
static int head_of(const struct lt_graph *g) {
    int i = g->output;

    while (!is_layer(&g->node[i])) {
        enum lt_op op = g->node[i].op;

        if (op != LT_OP_ACT && op != LT_OP_SOFTMAX && !lt_op_renames(op)) return -1;
        i = g->node[i].in[0];
    }
    return i;
}

void lt_graph_cost_as(const struct lt_graph *g, int convention, struct lt_cost *out) {
    count_fn count;
    struct lt_cost c;
    int head = head_of(g);

    LT_CHECK(convention >= 0 && convention < N_CONVENTIONS);
    lt_graph_cost(g, NULL, &c);
    if ((count = table[convention].count)) {
        c.macs = c.params = 0;
        for (int i = 0; i < g->n_nodes; i++) {
            struct lt_cost_node nc = {.macs = lt_node_macs(g, i), .params = lt_node_params(g, i)};

            count(g, i, head, &nc);
            c.macs += nc.macs;
            c.params += nc.params;
        }
    }
    *out = c;
}
