/*
 * An INFER session as infer_steps.c builds it and infer.c runs it.
 */
#ifndef LT_RUNTIME_INFER_STEPS_H
#define LT_RUNTIME_INFER_STEPS_H
#include "runtime/infer_priv.h"
#include "runtime/session_priv.h"

struct lt_istep {
    enum lt_unit_kind kind;
    int node, last;
    enum lt_dtype dtype, out_dtype;
    struct lt_iconv *conv; /* or */
    lt_iel_fn fn;          /* or */
    struct lt_iel el;
    struct lt_iseq seq;
};

struct lt_infer {
    struct lt_session base;
    const struct lt_graph *g; /* borrowed */
    int batch, threads, weight_qmax;
    bool reference, keep, ready; /* ready: weights are in */
    struct lt_iplan p;
    uint8_t *arena;
    float *x; /* [batch,C,H,W]: the caller's input where it is too short or not ours to read later */
    int n_steps;
    struct lt_istep *step;
    const struct lt_kernels *kernels;
    lt_gemm_fn gemm;
    struct lt_idnnl *dnnl;
    int *tap;          /* [n_nodes] f32 value of a node, or -1 */
    float *scratch;    /* of lt_iseq steps, one at a time */
    struct lt_iel out; /* the output value in [N,C,H,W] order */
};

static inline void *lt_infer_buffer(const struct lt_infer *s, int value) {
    return value < 0 ? NULL : s->arena + s->p.value[value].offset;
}
/* Binds the plan's operations to buffers and kernels; what was made before a failure is in s, for its owner to free. */
lt_status lt_infer_make_steps(struct lt_infer *s, struct lt_err *e);
#endif
