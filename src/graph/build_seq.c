/*
 * Builders of the operators on sequences of tokens, [1,C,T,1].
 */
#include "graph/ops.h"

int lt_graph_tokens(struct lt_graph *g, const char *name, int in) {
    return lt_graph_append(g, name, &(struct lt_node){.op = LT_OP_TOKENS, .in = {in}});
}

int lt_graph_grid(struct lt_graph *g, const char *name, int in, int width) {
    return lt_graph_append(g, name, &(struct lt_node){.op = LT_OP_GRID, .in = {in}, .width = width});
}

int lt_graph_window(struct lt_graph *g, const char *name, int in, int window) {
    return lt_graph_append(g, name, &(struct lt_node){.op = LT_OP_WINDOW, .in = {in}, .window = window});
}

int lt_graph_unwindow(struct lt_graph *g, const char *name, int in, int window, int width) {
    return lt_graph_append(
        g, name, &(struct lt_node){.op = LT_OP_WINDOW, .in = {in}, .window = window, .width = width, .inverse = true});
}

int lt_graph_embed(struct lt_graph *g, const char *name, int in, int vocab, int features) {
    struct lt_node n = {.op = LT_OP_EMBED, .in = {in}, .out = {{1, features, 0, 0}}};
    int i;

    if (vocab < 1 || vocab > 1 << 24) /* token numbers are floats: exact up to here */
        return lt_graph_stick(g, LT_EINVAL, "%s: a vocabulary of %d, must be 1 to %d", name, vocab, 1 << 24);
    if ((i = lt_graph_append(g, name, &n)) < 0) return -1;
    const int64_t w[2] = {vocab, features};
    return lt_graph_add_param(g, i, LT_PARAM_WEIGHT, 2, w) ? i : -1;
}

int lt_graph_position(struct lt_graph *g, const char *name, int in) {
    int i = lt_graph_append(g, name, &(struct lt_node){.op = LT_OP_POSITION, .in = {in}});

    if (i < 0) return -1;
    const int64_t w[2] = {g->node[i].out.d[2], g->node[i].out.d[1]};
    return lt_graph_add_param(g, i, LT_PARAM_WEIGHT, 2, w) ? i : -1;
}

int lt_graph_prepend(struct lt_graph *g, const char *name, int in, int count) {
    int i = lt_graph_append(g, name, &(struct lt_node){.op = LT_OP_PREPEND, .in = {in}, .stop = count});

    if (i < 0) return -1;
    const int64_t w[2] = {count, g->node[i].out.d[1]};
    return lt_graph_add_param(g, i, LT_PARAM_WEIGHT, 2, w) ? i : -1;
}

static int attend(struct lt_graph *g, enum lt_op op, const char *name, int q, int k, int v,
                  const struct lt_attention_attr *a) {
    return lt_graph_append(g, name,
                           &(struct lt_node){.op = op,
                                             .in = {q, k, v},
                                             .heads = a->heads,
                                             .kv_heads = a->kv_heads ? a->kv_heads : a->heads,
                                             .window = a->window,
                                             .block = a->block,
                                             .causal = a->causal,
                                             .rope = a->rope});
}

int lt_graph_attention(struct lt_graph *g, const char *name, int q, int k, int v, const struct lt_attention_attr *a) {
    return attend(g, LT_OP_ATTENTION, name, q, k, v, a);
}

int lt_graph_linattn(struct lt_graph *g, const char *name, int q, int k, int v, const struct lt_attention_attr *a) {
    return attend(g, LT_OP_LINATTN, name, q, k, v, a);
}

int lt_graph_shortconv(struct lt_graph *g, const char *name, int in, int kernel, bool causal) {
    struct lt_node n = {.op = LT_OP_SHORTCONV, .in = {in}, .kernel = kernel, .causal = causal};
    int i = lt_graph_append(g, name, &n);

    if (i < 0) return -1;
    const int64_t w[4] = {g->node[i].out.d[1], 1, kernel, 1};
    return lt_graph_add_param(g, i, LT_PARAM_WEIGHT, 4, w) ? i : -1;
}
