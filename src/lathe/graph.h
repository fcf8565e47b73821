/*
 * The operator graph: what costs, measures, trains, quantizes or exports a network sees only this.
 *
 *   struct lt_graph *g = NULL;
 *   lt_graph_new("name", &g, e);
 *   int x = lt_graph_input(g, "image", 1, 28, 28);
 *   x = lt_graph_conv(g, "stem.conv", x, &(struct lt_conv_attr){.out = 16, .kernel = 3, .stride = 2, .groups = 1});
 *   x = lt_graph_bn(g, "stem.bn", x);  x = lt_graph_act(g, "stem.act", x, LT_ACT_RELU);  ...
 *   lt_graph_output(g, x);
 *   if ((s = lt_graph_finish(g, e))) ...           first builder error, with the node's name
 *
 * Plain data in one arena; nodes are in topological order (inputs have smaller indices); dims are per sample: the batch
 * dimension d[0] is 1 and sessions multiply it. Builders return the new node's index, or -1 after an error (which
 * sticks and is reported by finish; passing -1 on is harmless). Parameter names are unique: "<node>.weight", ".bias",
 * ".gamma", ".beta", ".mean", ".var"; a subnetwork's parameter is by definition a view of the supernet's parameter of
 * the same name: first channels, centre of the kernel. Thread safe for readers once finished. Not collective.
 *
 * A sequence of T tokens of C features is a tensor [1,C,T,1]: with channels last in memory that is the usual row-major
 * [T,C], a 1x1 CONV is a linear layer over the features, and LINEAR (which flattens) is one over all of them. A
 * single-output graph: several heads are joined by FLATTEN and CONCAT.
 */
#ifndef LATHE_GRAPH_H
#define LATHE_GRAPH_H
#include "lathe/status.h"
#include "lathe/buf.h"
#ifdef __cplusplus
extern "C" {
#endif
enum lt_op {
    LT_OP_INPUT,
    LT_OP_CONV,
    LT_OP_BN,
    LT_OP_LINEAR,
    LT_OP_ACT,
    LT_OP_POOL,
    LT_OP_GAP,
    LT_OP_ADD,
    LT_OP_MUL,
    LT_OP_FLATTEN,
    LT_OP_SOFTMAX,   /* over all of C*H*W */
    LT_OP_CONCAT,    /* of up to LT_MAX_IN inputs along `axis` */
    LT_OP_SLICE,     /* [start, stop) along `axis` */
    LT_OP_SHUFFLE,   /* channel shuffle: channel i*(C/groups)+j goes to j*groups+i (ShuffleNet) */
    LT_OP_ZERO,      /* zeros [1,C,H/stride,W/stride], rounded up: a missing path of a cell */
    LT_OP_LAYERNORM, /* over C at each position; gamma, beta; with `rms` the root mean square and gamma alone */
    LT_OP_TOKENS,    /* [1,C,H,W] -> [1,C,H*W,1], row by row; no arithmetic */
    LT_OP_GRID,      /* [1,C,T,1] -> [1,C,T/width,width]: the inverse */
    LT_OP_WINDOW,    /* [1,C,H,W] -> [1,C,H*W,1] in the order of window x window squares; `inverse` goes back */
    LT_OP_EMBED,     /* token numbers [1,1,T,1] -> [1,C,T,1] by a table [vocab,C] */
    LT_OP_POSITION,  /* adds a learned [T,C]; the first T of a longer table */
    LT_OP_PREPEND,   /* puts `count` learned tokens before the others */
    LT_OP_ATTENTION, /* softmax attention of q, k, v, all projected already */
    LT_OP_LINATTN,   /* linear attention of q, k, v with the feature map elu+1 (Katharopoulos et al., ICML 2020) */
    LT_OP_SHORTCONV, /* depthwise convolution over T, kernel taps; causal or centred; [C,1,kernel,1] weight */
    LT_N_OPS
};
enum lt_act {
    LT_ACT_NONE,
    LT_ACT_RELU,
    LT_ACT_RELU6,
    LT_ACT_HSWISH,
    LT_ACT_HSIGMOID,
    LT_ACT_SIGMOID,
    LT_ACT_SILU,
    LT_ACT_TANH,
    LT_ACT_GELU, /* x * Phi(x), exact */
    LT_N_ACTS
};
enum lt_pool { LT_POOL_MAX, LT_POOL_AVG }; /* average excludes padding from the count */
enum lt_dtype { LT_F32, LT_I8, LT_U8 };
enum lt_param_role { LT_PARAM_WEIGHT, LT_PARAM_BIAS, LT_PARAM_GAMMA, LT_PARAM_BETA, LT_PARAM_MEAN, LT_PARAM_VAR };
#define LT_MAX_IN 8
#define LT_MAX_NODE_PARAMS 4

struct lt_shape {
    int64_t d[4]; /* [1,C,H,W]; after GAP [1,C,1,1]; after FLATTEN or LINEAR [1,C,1,1] too */
};
struct lt_param {
    const char *name;
    enum lt_param_role role;
    int node; /* owner */
    int n_dims;
    int64_t dim[4]; /* conv [O,I/g,KH,KW]; linear [O,I]; embed [vocab,C]; position, prepend [T,C]; the others [C] */
    int64_t count;
};
struct lt_node {
    enum lt_op op;
    const char *name;
    int n_in, in[LT_MAX_IN];         /* MUL: in[1] may be [1,C,1,1] (broadcast over H,W) */
    int kernel, stride, pad, groups; /* CONV and POOL; square, symmetric padding */
    int dilation;                    /* CONV; 1 = none */
    int axis, start, stop;           /* CONCAT, SLICE: axis of [N,C,H,W], 1 = channels, 2 = H or tokens, 3;
                                        PREPEND: stop = how many */
    int heads, kv_heads;             /* ATTENTION, LINATTN; kv_heads divides heads */
    int window;                      /* ATTENTION: keys reach back (and, not causal, ahead) less than so far,
                                        0 = all; WINDOW: side of a square */
    int block;                       /* ATTENTION: only inside blocks of so many queries, 0 = all; where queries
                                        are pooled a block has block * T_k / T_q keys */
    bool causal, rms, inverse;
    float rope;                              /* ATTENTION: base of rotary positions, 0 = none: features i and i + d/2
                                                of a head turn by position * base^(-2i/d) (Su et al., 2021) */
    int width;                               /* GRID; WINDOW inverse: W of the result */
    enum lt_act act;                         /* ACT */
    enum lt_pool pool;                       /* POOL */
    float eps;                               /* BN, LAYERNORM */
    int n_params, param[LT_MAX_NODE_PARAMS]; /* CONV weight[,bias]; LINEAR weight,bias; BN gamma,beta,mean,var;
                                                LAYERNORM gamma[,beta]; EMBED, POSITION, PREPEND, SHORTCONV weight */
    struct lt_shape out;
    int n_readers, last_use; /* set by finish: uses as an input (being the graph's output counts as one), and the
                                last node that reads it (n_nodes for the graph's output, own index when unread) */
};
struct lt_graph {
    const char *name;
    int n_nodes, n_params, output; /* input is node 0 */
    struct lt_node *node;
    struct lt_param *param;
    struct lt_arena *arena;
    struct lt_err err; /* of the builders */
    int cap_nodes, cap_params;
};
#define LT_PAD_VALID (-2)
struct lt_conv_attr {
    int out, kernel, stride, groups;
    int dilation; /* 0 = 1 = none */
    int pad;      /* 0 or -1: kernel/2 * dilation; LT_PAD_VALID: none */
    bool bias;
};

lt_status lt_graph_new(const char *name, struct lt_graph **out, struct lt_err *e);
void lt_graph_free(struct lt_graph *g);
int lt_graph_input(struct lt_graph *g, const char *name, int channels, int height, int width);
int lt_graph_conv(struct lt_graph *g, const char *name, int in, const struct lt_conv_attr *a);
int lt_graph_bn(struct lt_graph *g, const char *name, int in);
int lt_graph_act(struct lt_graph *g, const char *name, int in, enum lt_act act);     /* LT_ACT_NONE returns `in` */
int lt_graph_linear(struct lt_graph *g, const char *name, int in, int out_features); /* flattens implicitly [C*H*W] */
int lt_graph_pool(struct lt_graph *g, const char *name, int in, enum lt_pool pool, int kernel, int stride, int pad);
int lt_graph_gap(struct lt_graph *g, const char *name, int in);
int lt_graph_add(struct lt_graph *g, const char *name, int a, int b);
int lt_graph_mul(struct lt_graph *g, const char *name, int a, int b);
int lt_graph_flatten(struct lt_graph *g, const char *name, int in);
int lt_graph_softmax(struct lt_graph *g, const char *name, int in);
int lt_graph_concat(struct lt_graph *g, const char *name, const int *in, int n, int axis); /* n at most LT_MAX_IN */
int lt_graph_slice(struct lt_graph *g, const char *name, int in, int axis, int start, int stop);
int lt_graph_shuffle(struct lt_graph *g, const char *name, int in, int groups);
int lt_graph_zero(struct lt_graph *g, const char *name, int in, int stride);
int lt_graph_layernorm(struct lt_graph *g, const char *name, int in, float eps, bool rms);
int lt_graph_tokens(struct lt_graph *g, const char *name, int in);
int lt_graph_grid(struct lt_graph *g, const char *name, int in, int width);
int lt_graph_window(struct lt_graph *g, const char *name, int in, int window);
int lt_graph_unwindow(struct lt_graph *g, const char *name, int in, int window, int width);
/* Token numbers are f32, rounded and clamped to 0 .. vocab-1. */
int lt_graph_embed(struct lt_graph *g, const char *name, int in, int vocab, int features);
int lt_graph_position(struct lt_graph *g, const char *name, int in);
int lt_graph_prepend(struct lt_graph *g, const char *name, int in, int count);
struct lt_attention_attr {
    int heads, kv_heads; /* kv_heads 0: as many as heads; q has heads*d features, k heads' share of it */
    int window, block;
    bool causal;
    float rope;
};
/* q [1,heads*d,Tq,1], k [1,kv_heads*d,Tk,1], v [1,kv_heads*dv,Tk,1] -> [1,heads*dv,Tq,1]; scores are divided by
 * sqrt(d). Where order matters (causal, window, rope) the queries are the last Tq of the Tk positions. */
int lt_graph_attention(struct lt_graph *g, const char *name, int q, int k, int v, const struct lt_attention_attr *a);
int lt_graph_linattn(struct lt_graph *g, const char *name, int q, int k, int v, const struct lt_attention_attr *a);
int lt_graph_shortconv(struct lt_graph *g, const char *name, int in, int kernel, bool causal);
void lt_graph_output(struct lt_graph *g, int node);
lt_status lt_graph_finish(struct lt_graph *g, struct lt_err *e);
/* The index of a node, of a parameter, by its name; -1 when absent. Linear in their number. */
int lt_graph_find(const struct lt_graph *g, const char *node_name);
int lt_graph_find_param(const struct lt_graph *g, const char *param_name);
const char *lt_op_name(enum lt_op op);
/* Gives the values of its input another shape, nothing else. */
static inline bool lt_op_renames(enum lt_op op) {
    return op == LT_OP_FLATTEN || op == LT_OP_TOKENS || op == LT_OP_GRID;
}
const char *lt_act_name(enum lt_act a);
bool lt_act_parse(const char *name, enum lt_act *out);
static inline int64_t lt_shape_count(const struct lt_shape *s) { return s->d[0] * s->d[1] * s->d[2] * s->d[3]; }
static inline bool lt_node_is_depthwise(const struct lt_node *n) {
    return n->op == LT_OP_CONV && n->groups > 1 && n->groups == n->out.d[1];
}
/* Hash of structure, attributes and shapes, not of names: equal for networks that cost the same to run. */
uint64_t lt_graph_hash(const struct lt_graph *g);
void lt_graph_print(const struct lt_graph *g, struct lt_buf *out); /* one line a node, for humans */

/* How a (batch-norm folded) graph is computed: which nodes run in int8, and the scale of every tensor that an int8 node
 * reads. Semantics (the same in the runtime, in the ONNX file and in the accuracy evaluation): an int8 CONV/LINEAR
 * reads its input quantized per tensor, q = clamp(round_half_even(x / scale), lo, hi) with lo,hi = 0,255 (unsigned) or
 * -128,127 (signed), zero point always 0; weights are s8, symmetric per output channel, scale_w[o] = max|w[o]| /
 * weight_qmax; bias is s32 with scale = scale_x * scale_w[o]; the accumulator is dequantized to f32, activation and
 * residual additions follow in f32. Other consumers of a tensor read its f32 value. */
struct lt_qparam {
    float scale; /* 0 = not quantized */
    bool is_signed;
};
struct lt_plan {
    int n_nodes;
    uint8_t *is_int8;      /* [n_nodes] 1 only for CONV and LINEAR */
    struct lt_qparam *out; /* [n_nodes] of the node's output tensor */
    int weight_qmax;       /* 127, or 63 where 16-bit saturation threatens (x86 without VNNI) */
};
lt_status lt_plan_new(const struct lt_graph *g, struct lt_plan **out, struct lt_err *e); /* all f32, weight_qmax 127 */
lt_status lt_plan_copy(const struct lt_plan *p, struct lt_plan **out, struct lt_err *e);
void lt_plan_free(struct lt_plan *p);
uint64_t lt_plan_hash(const struct lt_plan *p); /* of is_int8 and signedness only: what latency depends on; NULL ok */

/* Values of a graph's parameters: data[i] has graph->param[i].count floats in one allocation. Each starts on a 64-byte
 * boundary; `count` is the length of `storage` with the zeros between them. */
struct lt_weights {
    int n;
    float **data;
    float *storage;
    int64_t count;
};
lt_status lt_weights_new(const struct lt_graph *g, struct lt_weights **out, struct lt_err *e); /* zeroed */
void lt_weights_free(struct lt_weights *w);
/* Batch norm folded into the preceding CONV/LINEAR (which gains a bias); softmax kept. New graph and weights belong to
 * the caller. Node names of convolutions are kept. A BN that follows no conv/linear, or one whose input has other
 * readers, becomes a 1x1 depthwise CONV. w NULL folds the structure only (out_w is then not touched). */
lt_status lt_graph_fold_bn(const struct lt_graph *g, const struct lt_weights *w, struct lt_graph **out_g,
                           struct lt_weights **out_w, struct lt_err *e);
#ifdef __cplusplus
}
#endif
#endif
