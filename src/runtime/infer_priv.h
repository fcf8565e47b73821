/*
 * Inside an INFER session: a folded graph becomes fused units, units read and write values (buffers in one arena), and
 * a run is a tight loop over steps with everything prebuilt. infer_plan.c makes units, values and the arena;
 * infer_steps.c makes steps, infer.c runs them. infer_conv.c (plain loops), infer_kernel.c (our vector kernels) and
 * onednn/infer_conv.c provide convolutions behind struct lt_iconv; infer_seq.h has what moves values or works on
 * tokens.
 *
 * All activations are channels-last. int8 values are stored as bytes q + zp with zp = 0 (unsigned) or 128 (signed): one
 * storage type serves both, and x86 without VNNI multiplies u8 by s8 only (oneDNN would halve the weights of an s8
 * source there; with a zero point it does not).
 */
#ifndef LT_RUNTIME_INFER_PRIV_H
#define LT_RUNTIME_INFER_PRIV_H
#include "lathe/graph.h"
#include "lathe/infer_profile.h"
#include "runtime/infer_seq.h"
#include "runtime/kernels/kernels.h"

struct lt_iunit {
    int node, last;         /* anchor, and the last node fused in */
    enum lt_act act1, act2; /* conv (act1) (+ residual) (act2); of a lone ACT: act1 */
    int residual;           /* node whose f32 value is added, or -1 */
    int in[LT_MAX_IN];      /* nodes read, aliases resolved */
    int n_in;
    bool int8; /* then in[0] is read quantized with in_q */
    struct lt_qparam in_q;
    bool direct_q; /* conv writes its quantized value itself, no f32 value exists */
};

struct lt_ivalue {
    int node;
    bool quantized;
    struct lt_qparam q;
    int64_t count;   /* elements per sample */
    int first, last; /* positions (of steps) during which it lives; last includes readers */
    int shares;      /* value whose buffer it overwrites (in-place residual), or -1 */
    size_t offset, bytes;
};

/* What runs: a unit, or an inserted conversion. Positions of values are indices of these. */
struct lt_iop {
    enum lt_unit_kind kind;
    int unit;                /* OP only */
    int src[LT_MAX_IN], dst; /* values; -1 none. QUANTIZE, LAYOUT: src[0] -> dst (src[0] -1: the caller's x) */
};

struct lt_iplan {
    const struct lt_graph *g;
    int n_units, n_values, n_ops;
    struct lt_iunit *unit;
    struct lt_ivalue *value;
    struct lt_iop *op;
    int out_value; /* f32 value of the graph's output */
    size_t arena_bytes;
};
struct lt_iplan_opt {
    const struct lt_plan *plan; /* NULL = f32 */
    int batch;
    bool fuse, keep; /* keep: no buffer is reused */
    bool direct_q;   /* convolutions can requantize themselves */
};
lt_status lt_iplan_make(const struct lt_graph *g, const struct lt_iplan_opt *o, struct lt_iplan *out, struct lt_err *e);
void lt_iplan_release(struct lt_iplan *p);
int lt_iplan_value(const struct lt_iplan *p, int node, const struct lt_qparam *q /* NULL = f32 */); /* -1 when absent */

/* A convolution or a linear layer (a convolution over its whole input) with its epilogue; sizes are of one group
 * structure, batch included. */
struct lt_iconv_spec {
    int n, ic, ih, iw, oc, oh, ow, kh, kw, stride, pad, groups;
    int dilation; /* 1 = none */
    bool int8;
    struct lt_qparam in_q;
    enum lt_dtype dst; /* LT_F32, or LT_U8: requantized with out_q */
    struct lt_qparam out_q;
    enum lt_act act1, act2;
    bool residual; /* dst holds the residual on entry (f32 only) */
    int weight_qmax, threads;
    const struct lt_kernels *kernels;
    lt_gemm_fn gemm;
    struct lt_idnnl *dnnl; /* what oneDNN convolutions of a session share; NULL elsewhere */
};
/* int8 form of a layer's parameters, as lathe/graph.h defines it. */
struct lt_iweights {
    const float *w, *b; /* [O, I/g, KH, KW], [O] or NULL */
    int8_t *q;          /* int8: same order */
    float *scale;       /* int8: [O] scale_x * scale_w[o] */
    int32_t *bias;      /* int8: [O] */
};
struct lt_iconv {
    lt_status (*weights)(struct lt_iconv *c, const struct lt_iweights *w, struct lt_err *e);
    int (*run)(struct lt_iconv *c); /* 0, or a provider's error number */
    void (*free)(struct lt_iconv *c);
    struct lt_iconv_spec spec;
    const void *src; /* f32, or bytes */
    void *dst;
};
lt_status lt_iweights_make(const struct lt_iconv_spec *s, const float *w, const float *b, struct lt_iweights *out,
                           struct lt_err *e);
void lt_iweights_release(struct lt_iweights *w);
/* Providers. Each fails with LT_EUNAVAIL when it cannot do the spec (or is not built); src and dst are set before
 * weights and stay. */
lt_status lt_iconv_plain_new(const struct lt_iconv_spec *s, struct lt_iconv **out, struct lt_err *e);
lt_status lt_iconv_kernel_new(const struct lt_iconv_spec *s, struct lt_iconv **out, struct lt_err *e);
lt_status lt_idnnl_open(struct lt_idnnl **out, struct lt_err *e);
void lt_idnnl_close(struct lt_idnnl *d);
lt_status lt_iconv_dnnl_new(const struct lt_iconv_spec *s, struct lt_iconv **out, struct lt_err *e);

/* What is neither a convolution nor in infer_seq.h: f32, channels-last; sizes of one sample but n. */
struct lt_iel {
    const struct lt_kernels *k;
    int n;
    int64_t c, h, w, oh, ow;
    int kernel, stride, pad;
    enum lt_act act;
    enum lt_pool pool;
    bool broadcast; /* MUL: b is [n,1,1,c] */
    struct lt_qparam q;
    const float *a, *b;
    void *dst; /* float; QUANTIZE: bytes */
};
typedef void (*lt_iel_fn)(const struct lt_iel *t);
void lt_iel_copy(const struct lt_iel *t);
void lt_iel_nhwc(const struct lt_iel *t); /* [n,c,h,w] -> [n,h,w,c] */
void lt_iel_nchw(const struct lt_iel *t); /* the inverse */
void lt_iel_quantize(const struct lt_iel *t);
void lt_iel_act(const struct lt_iel *t);
void lt_iel_pool(const struct lt_iel *t);
void lt_iel_gap(const struct lt_iel *t);
void lt_iel_add(const struct lt_iel *t);
void lt_iel_mul(const struct lt_iel *t);
void lt_iel_softmax(const struct lt_iel *t); /* over c*h*w */

float lt_iact(enum lt_act a, float x); /* plain */
static inline int lt_iq_zp(struct lt_qparam q) { return q.is_signed ? 128 : 0; }
#endif
