/*
 * What the rooms of src/runtime/ share behind lathe/runtime.h: the backend, and the table of functions that each kind
 * of session fills. session.c dispatches without knowing either kind; train_*.c and infer*.c provide one constructor
 * each.
 */
#ifndef LT_RUNTIME_SESSION_PRIV_H
#define LT_RUNTIME_SESSION_PRIV_H
#include "lathe/runtime.h"
#include "runtime/kernels/kernels.h"

/* NULL where a kind has nothing to offer: session.c answers LT_EINVAL (or NULL) for it. */
struct lt_session_vt {
    void (*free)(struct lt_session *s);
    lt_status (*weights)(struct lt_session *s, const struct lt_weights *w, struct lt_err *e);
    lt_status (*forward)(struct lt_session *s, const float *x, int n, enum lt_bn_mode mode, float *logits,
                         struct lt_err *e);
    lt_status (*backward)(struct lt_session *s, const float *dlogits, struct lt_weights *grad, struct lt_err *e);
    lt_status (*bn_stats)(const struct lt_session *s, struct lt_weights *sums, struct lt_err *e);
    const float *(*tap)(const struct lt_session *s, int node);
    lt_status (*profile)(struct lt_session *s, bool on, struct lt_err *e);
    const struct lt_profile *(*profile_get)(const struct lt_session *s);
};
struct lt_session {
    const struct lt_session_vt *vt;
}; /* first member of every session */

/*
 * How a backend computes dense and grouped convolutions in training; x, y and their gradients channels-last, w and gw
 * [O,I/g,K,K]. scratch: the most floats that any of the three needs. Providers may keep what they built by shape in
 * b->dense_state.
 */
struct lt_dense {
    const char *name;
    lt_status (*open)(struct lt_backend *b, struct lt_err *e); /* NULL: no state */
    void (*close)(struct lt_backend *b);
    int64_t (*scratch)(const struct lt_conv *d);
    lt_status (*forward)(struct lt_backend *b, const struct lt_conv *d, const float *x, const float *w, float *y,
                         float *scratch, struct lt_err *e);
    lt_status (*backward_data)(struct lt_backend *b, const struct lt_conv *d, const float *dy, const float *w,
                               float *dx, float *scratch, struct lt_err *e);
    lt_status (*backward_weights)(struct lt_backend *b, const struct lt_conv *d, const float *x, const float *dy,
                                  float *gw /* += */, float *scratch, struct lt_err *e);
};
/* One row a backend: backends.def lists them, the first available one is "auto". */
struct lt_backend_ops {
    const char *name;
    bool reference; /* plain loops: what the others are compared with */
    bool (*supports)(const struct lt_node *n, enum lt_dtype t);
    const struct lt_kernels *(*kernels)(void);
    const struct lt_dense *dense;
    lt_gemm_fn (*gemm)(void); /* NULL: that of the kernel table */
};
struct lt_backend {
    const struct lt_backend_ops *ops;
    const struct lt_kernels *kernels;
    lt_gemm_fn gemm;
    void *dense_state; /* of ops->dense */
    float *ws;         /* activations and gradients of the session that computed last */
    size_t ws_count;   /* floats */
    uint64_t serial;   /* of the forward pass whose activations ws holds */
};

lt_status lt_train_session_new(struct lt_backend *b, const struct lt_graph *g, const struct lt_session_opt *opt,
                               struct lt_session **out, struct lt_err *e);
bool lt_train_supports(const struct lt_node *n);
lt_status lt_infer_session_new(struct lt_backend *b, const struct lt_graph *g, const struct lt_session_opt *opt,
                               struct lt_session **out, struct lt_err *e);

/* Makes libraries below us compute with n threads when called from this thread; other threads keep theirs. */
void lt_runtime_use_threads(int n);
#endif
