/*
 * Inside a TRAIN session. train_steps.c turns the graph into steps; train_plan.c gives every tensor a place in one
 * workspace by walking through forward and backward in time order; train_forward.c and train_backward.c run the steps;
 * train_session.c is the session itself.
 *
 * Values are tensors that exist in memory (channels-last). A batch norm with what follows it (activation, residual sum)
 * is one step, so the value of its own output never exists. A training plan keeps what backward reads, but not a
 * normalised tensor (without residual): it is computed again from the batch norm's input, which is kept anyway. That
 * halves the memory, and on Zen 4 it is faster: forward writes into memory that is in cache, and backward reads half as
 * much that is not. Gradients take the places that backward has set free.
 */
#ifndef LT_RUNTIME_TRAIN_PRIV_H
#define LT_RUNTIME_TRAIN_PRIV_H
#include "runtime/session_priv.h"

enum lt_tkind {
    LT_T_LAYOUT,    /* the caller's [n,C,H,W] into channels-last */
    LT_T_POINTWISE, /* 1x1 convolution or linear layer: a matrix product over rows */
    LT_T_DEPTHWISE,
    LT_T_DENSE, /* any other convolution: the backend's lt_dense */
    LT_T_BN,    /* batch norm (+ activation) (+ residual sum) */
    LT_T_ACT,
    LT_T_POOL,
    LT_T_GAP,
    LT_T_ADD,
    LT_T_MUL,
    LT_T_FLATTEN, /* channels-last into the [C*H*W] order of a linear layer's weights */
    LT_T_SOFTMAX,
    LT_T_MOVE,     /* concatenation, slice, shuffle, zeros: train_move.c */
    LT_T_LAYERNORM /* there too */
};

/* Where a step's backward puts the gradient of one of its inputs. Offsets are in floats, in the workspace. */
struct lt_tdx {
    bool need;  /* somebody reads it; otherwise `at` may be a place to throw it away */
    bool write; /* the operator computes into `at`; otherwise `at` is dy's own place (sums pass their gradient on) */
    bool accumulate; /* ... adding to what is there (matrix products can) */
    bool add;        /* afterwards: sum = with + at */
    size_t at, with, sum;
};

struct lt_tstep {
    enum lt_tkind kind;
    int node;                /* whose parameters and whose time it is */
    int in[LT_MAX_IN], out;  /* values; in[1] of BN: the residual. -1: none */
    enum lt_act act;         /* BN, ACT */
    bool bias;               /* POINTWISE, DEPTHWISE, DENSE */
    bool broadcast;          /* MUL: in[1] is [n,c] */
    bool flip;               /* POINTWISE: the weight gradient is computed transposed, in back_scratch */
    struct lt_conv conv;     /* DENSE; n is set at run time, as in window */
    struct lt_window window; /* DEPTHWISE, POOL */
    int bn;                  /* BN: offset of its channels in the session's statistics */
    size_t packed;           /* DEPTHWISE: weights as the kernel reads them, from forward to backward */
    size_t scratch;          /* of forward */
    bool backward;           /* has anything to do backward */
    bool again[LT_MAX_IN];   /* compute that input (a batch norm's output) again before backward */
    size_t dy, back_scratch;
    struct lt_tdx dx[LT_MAX_IN];
};

struct lt_tvalue {
    int c, h, w;
    bool need_grad;
    int bn_step;            /* backward has it computed again by this step; -1: kept, or not needed */
    int fwd_uses, bwd_uses; /* steps that still read it */
    int block;              /* of the planner: value, gradient */
    int grad;
    size_t at, back_at; /* in forward, in backward: floats from the start of the workspace */
};

struct lt_tplan {
    int n_steps, n_values;
    struct lt_tstep *step;
    struct lt_tvalue *value;
    int input, output; /* values */
    int n_bn_channels;
    size_t ws_count; /* floats */
    void *memory;    /* what the arrays above live in */
};
lt_status lt_tsteps_make(const struct lt_graph *g, struct lt_tplan *p,
                         struct lt_err *e); /* train_steps.c: all but places and uses */
lt_status lt_tplan_make(const struct lt_backend *b, const struct lt_graph *g, int batch, bool forward_only,
                        struct lt_tplan *out, struct lt_err *e);
void lt_tplan_release(struct lt_tplan *p);

/* Places in a workspace, given in time order: the lowest gap that is large enough. Blocks may have several holders. */
struct lt_place {
    int n_blocks, cap_blocks, n_gaps;
    struct lt_block {
        size_t at, count;
        int refs;
    } * block;
    struct lt_gap {
        size_t at, count;
    } * gap;    /* ascending; room for cap_blocks + 1 */
    size_t top; /* floats in use at the highest moment */
};
int lt_place_alloc(struct lt_place *p, size_t count); /* one holder */
void lt_place_unref(struct lt_place *p, int block);

struct lt_train {
    struct lt_session base;
    struct lt_backend *b; /* borrowed, as the graph */
    const struct lt_graph *g;
    const struct lt_weights *w;
    int batch, n; /* n: of the last forward */
    enum lt_bn_mode mode;
    bool forward_only;
    uint64_t serial;                           /* of the last forward: ours while equal to the backend's */
    bool has_stats;                            /* mean and var are of a batch */
    float *mean, *var, *rstd, *dgamma, *dbeta; /* [n_bn_channels] */
    struct lt_tplan plan;
    struct lt_profile profile;
    bool profiling;
};
lt_status lt_train_forward(struct lt_train *s, const float *x, int n, enum lt_bn_mode mode, float *logits,
                           struct lt_err *e);
void lt_train_normalize(struct lt_train *s, const struct lt_tstep *bn,
                        float *y); /* a batch norm with the statistics of this pass */
void lt_train_move_forward(struct lt_train *s, const struct lt_tstep *t); /* MOVE, LAYERNORM */
void lt_train_move_backward(const struct lt_train *s, const struct lt_tstep *t, struct lt_weights *grad);
lt_status lt_train_backward(struct lt_train *s, const float *dlogits, struct lt_weights *grad, struct lt_err *e);

static inline float *lt_tat(const struct lt_train *s, size_t at) { return s->b->ws + at; }
static inline float *lt_tvalue_at(const struct lt_train *s, int v) { return s->b->ws + s->plan.value[v].at; }
static inline int64_t lt_tcount(const struct lt_tvalue *v) { return (int64_t)v->c * v->h * v->w; }
static inline const float *lt_tparam(const struct lt_train *s, const struct lt_tstep *t, int i) {
    return s->w->data[s->g->node[t->node].param[i]];
}

/* Dense convolution providers that need no library. */
extern const struct lt_dense lt_dense_plain, lt_dense_im2col;
#endif
