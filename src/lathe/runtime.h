/*
 * Runs a graph: backends ("reference": plain loops; "native": our vector kernels with oneDNN for dense convolutions
 * where built) and sessions. Activations live channels-last (N,H,W,C in memory) between operators, so any channel count
 * needs no padding and f32 and int8 share one layout; the caller's input x is dense [N,C,H,W] f32 and logits are
 * [N,classes] f32.
 *
 *   lt_backend_open("auto", &b, e);                     one per thread: not thread safe (caches and scratch)
 *   lt_session_new(b, g, &(struct lt_session_opt){.kind = LT_SESSION_TRAIN, .batch = 32}, &s, e);
 *   lt_session_weights(s, w, e);
 *   lt_session_forward(s, x, n, LT_BN_BATCH, logits, e);
 *   lt_session_backward(s, dlogits, grad, e);           grad += d(loss)/d(param)
 *
 * A session computes with the calling thread only (results then depend on nothing but inputs); data parallelism is over
 * sessions. TRAIN sessions of one backend share its memory: backward must follow a forward of the same session with no
 * other session's forward on that backend in between (otherwise it is refused with LT_EINVAL).
 * While forward or backward runs, no signal handler may run on that thread's stack: oneDNN's generated matrix kernels
 * use the stack pointer as an ordinary register. Block signals in threads that compute and take them in another
 * (sigwait), or give handlers SA_ONSTACK.
 * TRAIN sessions do not do TOKENS, GRID, WINDOW, EMBED, POSITION, PREPEND, SHORTCONV and attention: LT_EUNAVAIL with
 * the node's name. INFER sessions take a graph without BN (lt_graph_fold_bn), optionally a plan; they may use `threads`
 * > 1 (convolutions and linear layers do). They do every operator.
 */
#ifndef LATHE_RUNTIME_H
#define LATHE_RUNTIME_H
#include "lathe/graph.h"
#ifdef __cplusplus
extern "C" {
#endif
struct lt_backend;
struct lt_session;
enum lt_session_kind { LT_SESSION_TRAIN, LT_SESSION_INFER };
/* TRAIN sessions: statistics of this batch, or of the MEAN/VAR parameters. */
enum lt_bn_mode { LT_BN_BATCH, LT_BN_RUNNING };
struct lt_session_opt {
    enum lt_session_kind kind;
    int batch;                  /* largest n of forward */
    int threads;                /* INFER only; 0 = 1 */
    const struct lt_plan *plan; /* INFER only; NULL = f32; copied */
    bool keep;                  /* INFER only: keep every materialised tensor for lt_session_tap */
    bool forward_only;          /* TRAIN only: no backward will follow, keep nothing for it */
};
/* One row a backend: backends.def lists them. */
struct lt_backend_ops;
lt_status lt_backend_open(const char *name /* "auto", "reference", "native" */, struct lt_backend **out,
                          struct lt_err *e);
void lt_backend_close(struct lt_backend *b);
const char *lt_backend_name(const struct lt_backend *b);
int lt_backend_count(void);
const char *lt_backend_name_at(int i);
bool lt_backend_supports(const struct lt_backend *b, const struct lt_node *n, enum lt_dtype t);
void lt_runtime_describe(struct lt_buf *out); /* "oneDNN 2.6.3 avx512_core_bf16; kernels avx512; ..." : provenance */
const char *lt_runtime_cpu_model(void);       /* of /proc/cpuinfo, "unknown" elsewhere */
bool lt_runtime_has_vnni(void);               /* int8 dot products without 16-bit saturation */

lt_status lt_session_new(struct lt_backend *b, const struct lt_graph *g, const struct lt_session_opt *opt,
                         struct lt_session **out, struct lt_err *e);
void lt_session_free(struct lt_session *s);
/* TRAIN: pointers are borrowed and read at every forward/backward. INFER: converted (quantized, packed) now, may be
 * freed after. */
lt_status lt_session_weights(struct lt_session *s, const struct lt_weights *w, struct lt_err *e);
lt_status lt_session_forward(struct lt_session *s, const float *x, int n, enum lt_bn_mode mode,
                             float *logits /* NULL ok */, struct lt_err *e);
lt_status lt_session_backward(struct lt_session *s, const float *dlogits, struct lt_weights *grad, struct lt_err *e);
/* TRAIN, after forward with LT_BN_BATCH: adds this batch's mean and biased variance to the MEAN and VAR entries of
 * `sums`. */
lt_status lt_session_bn_stats(const struct lt_session *s, struct lt_weights *sums, struct lt_err *e);
/* INFER with keep: f32 value of a node's output, channels-last [n,H,W,C]; NULL when that node was fused into another.
 */
const float *lt_session_tap(const struct lt_session *s, int node);

/* Time by node: what ran, how long. TRAIN: enable, run, read. kind: 0 forward, 1 data gradient, 2 weight gradient
 * (BN/ACT: 0 and 1). */
struct lt_profile {
    int n_nodes;
    double *s[3];
    int64_t calls;
};
lt_status lt_session_profile(struct lt_session *s, bool on, struct lt_err *e);
const struct lt_profile *lt_session_profile_get(const struct lt_session *s);

/* Softmax cross-entropy helpers shared by trainer and tests. logits, dlogits [n,k]; returns mean loss; dlogits = d(mean
 * loss)/d(logits) * scale. hard: labels [n] with label smoothing; soft: target probabilities [n,k]. Either may be NULL;
 * with both the losses are added. */
double lt_softmax_xent(const float *logits, const uint8_t *labels, const float *soft, int n, int k, double smoothing,
                       float scale, float *dlogits);
void lt_softmax(const float *logits, int n, int k, float *prob);
#ifdef __cplusplus
}
#endif
#endif
