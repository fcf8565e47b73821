/*
 * What the parts of the ONNX writer share: the model under construction, the graph it comes from, and which tensor
 * holds a node's value. onnx_write.c has the interface and the operators of convolutional networks, onnx_ops.c those
 * that move values and work on tokens, onnx_attention.c attention. Private to src/graph/onnx.
 */
#ifndef LT_GRAPH_ONNX_WRITER_H
#define LT_GRAPH_ONNX_WRITER_H
#include "graph/onnx/onnx_model.h"
#include "lathe/graph.h"

/* What exists of a node's value in the model: names, NULL while not made. */
struct lt_ow_value {
    char *r[2], *q[2];
}; /* index 0: rank 4, 1: rank 2; q: after QuantizeLinear and DequantizeLinear */
enum { R4 = 0, R2 = 1 };

/* A constant that says which of q queries meet which of k keys; layers of one form share it. */
struct lt_ow_mask {
    int64_t q, k;
    int window;
    bool causal;
    float no;
    char *name;
};
#define LT_OW_MASKS 8

struct lt_ow {
    struct lt_om m;
    const struct lt_graph *g;
    const struct lt_weights *w;
    const struct lt_plan *plan;
    struct lt_ow_value *v; /* [n_nodes] */
    bool have_zero[2], have_axes, have_clip, have_gelu;
    struct lt_ow_mask mask[LT_OW_MASKS]; /* the first ones made */
    int n_masks;
};
/* The node's value in the wanted rank; NULL when memory is exhausted. Going from rank 2 to rank 4 is only asked for
 * where H = W = 1. */
char *lt_ow_ranked(struct lt_ow *o, int i, int rank);

/* Nodes named <out>/<what> (what "": out itself), each returns the name of its output. dims: 0 = the batch. */
char *lt_ow_reshape(struct lt_ow *o, const char *x, const char *out, const char *what, const int64_t *dim, int n);
char *lt_ow_transpose(struct lt_ow *o, const char *x, const char *out, const char *what, const int64_t *perm, int n);
char *lt_ow_gelu(struct lt_ow *o, const char *x, const char *out);
/* Writes node i as tensor `out`, rank 4. */
lt_status lt_ow_op(struct lt_ow *o, int i, const char *out, struct lt_err *e);
lt_status lt_ow_attention(struct lt_ow *o, int i, const char *out, struct lt_err *e);
lt_status lt_ow_linattn(struct lt_ow *o, int i, const char *out, struct lt_err *e);
#endif
