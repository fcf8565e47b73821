/*
 * What the graph's rooms share: one row an operator (name, number of inputs, shape rule) and the rules themselves.
 * Private to src/graph.
 */
#ifndef LT_GRAPH_OPS_H
#define LT_GRAPH_OPS_H
#include "lathe/graph.h"

/* Fills n->out from the shapes of its inputs and its attributes; n->out.d[1] holds the wanted channels of CONV and
 * LINEAR on entry. */
typedef lt_status (*lt_shape_fn)(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);

struct lt_op_info {
    const char *name;
    int n_in;
    lt_shape_fn shape; /* NULL: the builder knows */
};
extern const struct lt_op_info lt_op_table[LT_N_OPS];

lt_status lt_shape_conv(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_linear(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_pool(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_gap(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_same(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_add(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_mul(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_flatten(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);

/* The node that BN node `bn` is folded into: a CONV or LINEAR, or the BN itself when it becomes a 1x1 depthwise CONV.
 */
int lt_bn_target(const struct lt_graph *g, int bn);

/* 64-bit mixing step of splitmix64 (Steele, Lea, Flood, OOPSLA 2014): a good hash of h and v in sequence. */
static inline uint64_t lt_mix64(uint64_t h, uint64_t v) {
    uint64_t z = h + 0x9e3779b97f4a7c15ull + v * 0xff51afd7ed558ccdull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
#endif
