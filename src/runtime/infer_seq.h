/*
 * Operators that move values about or work on sequences, in INFER sessions and (some: train_move.c) in
 * training: f32, channels-last, one thread. infer_seq.c opens them; infer_move.c copies; attention.c is the fast and
 * attention_plain.c the plain arithmetic.
 */
#ifndef LT_RUNTIME_INFER_SEQ_H
#define LT_RUNTIME_INFER_SEQ_H
#include "lathe/graph.h"
#include "runtime/kernels/kernels.h"

struct lt_iseq;
typedef void (*lt_iseq_fn)(const struct lt_iseq *t);
struct lt_iseq {
    lt_iseq_fn fn;
    const struct lt_graph *g; /* borrowed */
    const struct lt_node *node;
    int batch;
    bool reference;
    const struct lt_kernels *k;
    lt_gemm_fn gemm;
    const float *in[LT_MAX_IN];
    const float *w[LT_MAX_NODE_PARAMS];
    float *params; /* owned copy of the parameters, w points into it; SHORTCONV: [kernel][C] unless reference */
    float *dst, *scratch;
};
/* Everything but in, w, params, dst and scratch; fn NULL when the operator is none of these. */
void lt_iseq_init(struct lt_iseq *t, const struct lt_graph *g, int node, bool reference, const struct lt_kernels *k,
                  lt_gemm_fn gemm);
int64_t lt_iseq_scratch(const struct lt_iseq *t); /* floats */
lt_status lt_iseq_weights(struct lt_iseq *t, const struct lt_weights *w, struct lt_err *e);
void lt_iseq_release(struct lt_iseq *t);

static inline const struct lt_shape *lt_iseq_in(const struct lt_iseq *t, int i) {
    return &t->g->node[t->node->in[i]].out;
}
/* Elements that lie together in memory when a [1,C,H,W] tensor is cut along an axis: those of the axis and within. */
static inline int64_t lt_run(const struct lt_shape *s, int axis) {
    return axis == 1 ? s->d[1] : axis == 3 ? s->d[1] * s->d[3] : s->d[1] * s->d[3] * s->d[2];
}

/* Copies `pieces` runs of `run` floats, from every `from`-th to every `to`-th float. */
void lt_copy_runs(const float *x, int64_t from, float *y, int64_t to, int64_t run, int64_t pieces);

void lt_iseq_concat(const struct lt_iseq *t);
void lt_iseq_slice(const struct lt_iseq *t);
void lt_iseq_shuffle(const struct lt_iseq *t);
void lt_iseq_zero(const struct lt_iseq *t);
void lt_iseq_window(const struct lt_iseq *t);
void lt_iseq_embed(const struct lt_iseq *t);
void lt_iseq_position(const struct lt_iseq *t);
void lt_iseq_prepend(const struct lt_iseq *t);

/* Sizes of an attention, per sample. */
struct lt_heads {
    int64_t tq, tk;
    int heads, kv, share;       /* share: heads that read the same keys */
    int d, dv;                  /* features of a head */
    int64_t ldq, ldk, ldv, ldo; /* of a token */
};
struct lt_heads lt_heads_of(const struct lt_iseq *t);

void lt_iseq_attention(const struct lt_iseq *t);
int64_t lt_attention_scratch(const struct lt_iseq *t);
void lt_iseq_linattn(const struct lt_iseq *t);
int64_t lt_linattn_scratch(const struct lt_iseq *t);
void lt_iseq_shortconv(const struct lt_iseq *t);
void lt_iseq_attention_plain(const struct lt_iseq *t);
void lt_iseq_linattn_plain(const struct lt_iseq *t);
void lt_iseq_shortconv_plain(const struct lt_iseq *t);
#endif
