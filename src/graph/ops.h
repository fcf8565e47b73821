/*
 * What the graph's rooms share: one row an operator (name, number of inputs, shape rule), the rules themselves, and
 * what builders are made of. Private to src/graph.
 */
#ifndef LT_GRAPH_OPS_H
#define LT_GRAPH_OPS_H
#include "lathe/graph.h"

/* Fills n->out from the shapes of its inputs and its attributes; n->out.d[1] holds the wanted channels of CONV, LINEAR
 * and EMBED on entry. */
typedef lt_status (*lt_shape_fn)(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);

#define LT_ANY_IN (-1) /* 1 to LT_MAX_IN inputs */
struct lt_op_info {
    const char *name;
    int n_in;
    lt_shape_fn shape; /* NULL: the builder knows */
};
extern const struct lt_op_info lt_op_table[LT_N_OPS];

/* shape.c */
lt_status lt_shape_conv(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_linear(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_pool(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_gap(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_same(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_add(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_mul(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_flatten(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_concat(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_slice(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_shuffle(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_zero(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
/* shape_seq.c: sequences of tokens */
lt_status lt_shape_tokens(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_grid(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_window(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_embed(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_position(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_prepend(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_attention(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_linattn(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);
lt_status lt_shape_shortconv(const struct lt_graph *g, struct lt_node *n, struct lt_err *e);

lt_status lt_shape_check_size(const struct lt_node *n, struct lt_err *e); /* n->out neither empty nor too large */
static inline const struct lt_shape *lt_shape_in(const struct lt_graph *g, const struct lt_node *n, int i) {
    return &g->node[n->in[i]].out;
}
#define LT_SHAPE_FMT "[%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "]"
#define LT_SHAPE_ARG(s) (s)->d[0], (s)->d[1], (s)->d[2], (s)->d[3]

/* Keeps the first error of the builders only: later ones are consequences. Always returns -1. */
int lt_graph_stick(struct lt_graph *g, lt_status s, const char *fmt, ...) LT_PRINTF(3, 4);
/* Checks inputs, infers the shape and appends; the new node's index, -1 after an error. */
int lt_graph_append(struct lt_graph *g, const char *name, const struct lt_node *proto);
/* Adds a parameter to a node; false after an error. dim: 1 to 4 positive numbers. */
bool lt_graph_add_param(struct lt_graph *g, int node, enum lt_param_role role, int n_dims, const int64_t *dim);
/* Appends a node of another graph, with its parameters; its inputs are map[] of what they were there. */
int lt_graph_append_copy(struct lt_graph *g, const struct lt_graph *from, int node, const int *map);

/* The node that BN node `bn` is folded into: a CONV or LINEAR, or the BN itself when it becomes a 1x1 depthwise CONV.
 */
int lt_bn_target(const struct lt_graph *g, int bn);
bool lt_conv_gains_bias(const struct lt_graph *g, int i); /* is batch norm folded into this CONV or LINEAR? */
/* MACs of a node as lathe/cost.h defines them: the convention `default`. */
int64_t lt_node_macs(const struct lt_graph *g, int i);
int64_t lt_node_params(const struct lt_graph *g, int i);

/* 64-bit mixing step of splitmix64 (Steele, Lea, Flood, OOPSLA 2014): a good hash of h and v in sequence. */
static inline uint64_t lt_mix64(uint64_t h, uint64_t v) {
    uint64_t z = h + 0x9e3779b97f4a7c15ull + v * 0xff51afd7ed558ccdull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
#endif
