/*
 * INFER sessions: fused units of infer_plan.c bound to buffers and kernels once, then run in a tight loop.
 * Backends differ in what provides convolutions and in fusion: "reference" computes node by node with plain loops and
 * reuses no buffer. A session always computes its whole batch; for fewer samples the rest of the input is zero.
 */
#include "config.h"
#include "runtime/infer_priv.h"
#include "runtime/session_priv.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include <stdlib.h>
#include <string.h>

struct step {
    enum lt_unit_kind kind;
    int node, last;
    enum lt_dtype dtype, out_dtype;
    struct lt_iconv *conv; /* or */
    lt_iel_fn fn;
    struct lt_iel el;
};

struct infer {
    struct lt_session base;
    const struct lt_graph *g; /* borrowed */
    int batch, threads, weight_qmax;
    bool reference, keep, ready; /* ready: weights are in */
    struct lt_iplan p;
    uint8_t *arena;
    float *x; /* [batch,C,H,W]: the caller's input where it is too short or not ours to read later */
    int n_steps;
    struct step *step;
    const struct lt_kernels *kernels;
    lt_gemm_fn gemm;
    struct lt_idnnl *dnnl;
    int *tap;          /* [n_nodes] f32 value of a node, or -1 */
    struct lt_iel out; /* the output value in [N,C,H,W] order */
};

static void *buffer(const struct infer *s, int value) { return value < 0 ? NULL : s->arena + s->p.value[value].offset; }

static void conv_spec(const struct infer *s, const struct lt_iunit *u, const struct lt_ivalue *dst,
                      struct lt_iconv_spec *c) {
    const struct lt_node *n = &s->g->node[u->node];
    const struct lt_shape *in = &s->g->node[u->in[0]].out, *out = &n->out;
    *c = (struct lt_iconv_spec){.n = s->batch,
                                .ic = (int)in->d[1],
                                .ih = (int)in->d[2],
                                .iw = (int)in->d[3],
                                .oc = (int)out->d[1],
                                .oh = (int)out->d[2],
                                .ow = (int)out->d[3],
                                .kh = n->kernel,
                                .kw = n->kernel,
                                .stride = n->stride,
                                .pad = n->pad,
                                .groups = n->groups,
                                .int8 = u->int8,
                                .in_q = u->in_q,
                                .dst = LT_F32,
                                .act1 = u->act1,
                                .act2 = u->act2,
                                .residual = u->residual >= 0,
                                .weight_qmax = s->weight_qmax,
                                .threads = s->threads,
                                .kernels = s->kernels,
                                .gemm = s->gemm,
                                .dnnl = s->dnnl};
    if (n->op == LT_OP_LINEAR) { /* a convolution over the whole input: [O, C*H*W] is [O,C,H,W] */
        c->kh = c->ih;
        c->kw = c->iw;
        c->stride = c->groups = 1;
        c->pad = 0;
        c->oh = c->ow = 1;
    }
    if (dst->quantized) {
        c->dst = LT_U8;
        c->out_q = dst->q;
    }
}

#if LT_WITH_DNNL
/*
 * Depthwise f32 at one thread: time of our kernel / time of oneDNN 2.6.3 at batch 1 on Zen 4, over 15 shapes (20 to 300
 * channels, 4 to 28 pixels): AVX-512 0.59 to 1.03; AVX2 1.1 to 1.4 for 3x3 and strided 5x5, 0.94 for 5x5 with stride 1,
 * 0.82 to 1.05 for 7x7.
 */
static bool ours_is_faster(const struct lt_iconv_spec *c) {
    if (c->int8 || c->threads > 1 || c->groups < 2 || c->groups != c->ic || c->ic != c->oc) return false;
    if (!strcmp(c->kernels->name, "avx512")) return true;
    return !strcmp(c->kernels->name, "avx2") && (c->kh > 5 || (c->kh == 5 && c->stride == 1));
}
#endif

static lt_status make_conv(struct infer *s, const struct lt_iunit *u, const struct lt_iop *op, struct step *st,
                           struct lt_err *e) {
    struct lt_iconv_spec spec;
    lt_status r = LT_EUNAVAIL;
    conv_spec(s, u, &s->p.value[op->dst], &spec);
    if (!s->reference) {
#if LT_WITH_DNNL
        if (!ours_is_faster(&spec)) r = lt_iconv_dnnl_new(&spec, &st->conv, e);
#endif
        if (r == LT_EUNAVAIL) r = lt_iconv_kernel_new(&spec, &st->conv, e);
    }
    if (r == LT_EUNAVAIL) r = lt_iconv_plain_new(&spec, &st->conv, e);
    if (r) return r;
    st->conv->src = buffer(s, op->src);
    st->conv->dst = buffer(s, op->dst);
    return LT_OK;
}

static lt_status make_unit_step(struct infer *s, const struct lt_iop *op, struct step *st, struct lt_err *e) {
    const struct lt_iunit *u = &s->p.unit[op->unit];
    const struct lt_node *n = &s->g->node[u->node];
    const struct lt_shape *in = &s->g->node[u->in[0]].out;
    st->node = u->node;
    st->last = u->last;
    st->dtype = u->int8 ? LT_I8 : LT_F32;
    st->out_dtype = !s->p.value[op->dst].quantized ? LT_F32 : s->p.value[op->dst].q.is_signed ? LT_I8 : LT_U8;
    if (n->op == LT_OP_CONV || n->op == LT_OP_LINEAR) return make_conv(s, u, op, st, e);
    st->el = (struct lt_iel){.k = s->kernels,
                             .n = s->batch,
                             .c = in->d[1],
                             .h = in->d[2],
                             .w = in->d[3],
                             .oh = n->out.d[2],
                             .ow = n->out.d[3],
                             .kernel = n->kernel,
                             .stride = n->stride,
                             .pad = n->pad,
                             .act = n->act,
                             .pool = n->pool,
                             .a = buffer(s, op->src),
                             .b = buffer(s, op->src2),
                             .dst = buffer(s, op->dst)};
    switch (n->op) {
    case LT_OP_ACT:
        st->fn = lt_iel_act;
        break;
    case LT_OP_POOL:
        st->fn = lt_iel_pool;
        break;
    case LT_OP_GAP:
        st->fn = lt_iel_gap;
        break;
    case LT_OP_ADD:
        st->fn = lt_iel_add;
        break;
    case LT_OP_SOFTMAX:
        st->fn = lt_iel_softmax;
        break;
    case LT_OP_FLATTEN:
        st->fn = lt_iel_nchw;
        break;
    case LT_OP_MUL: {
        const struct lt_shape *b = &s->g->node[u->in[1]].out;
        st->fn = lt_iel_mul;
        st->el.broadcast = b->d[2] * b->d[3] == 1 && in->d[2] * in->d[3] > 1;
        break;
    }
    default:
        LT_BUG("%s: operator %s in an inference session", n->name, lt_op_name(n->op));
    }
    return LT_OK;
}

static lt_status make_steps(struct infer *s, struct lt_err *e) {
    const struct lt_graph *g = s->g;
    lt_status r;
    if (!(s->step = lt_calloc((size_t)s->p.n_ops, sizeof(*s->step))))
        return lt_fail(e, LT_ENOMEM, "%s: inference steps", g->name);
    for (int i = 0; i < s->p.n_ops; i++) {
        const struct lt_iop *op = &s->p.op[i];
        const struct lt_ivalue *v = &s->p.value[op->dst];
        const struct lt_shape *sh = &g->node[v->node].out;
        struct step *st = &s->step[s->n_steps++];
        st->kind = op->kind;
        if (op->kind == LT_UNIT_OP) {
            if ((r = make_unit_step(s, op, st, e))) return r;
            continue;
        }
        st->node = st->last = v->node;
        st->el = (struct lt_iel){.k = s->kernels,
                                 .n = s->batch,
                                 .c = sh->d[1],
                                 .h = sh->d[2],
                                 .w = sh->d[3],
                                 .q = v->q,
                                 .a = buffer(s, op->src),
                                 .dst = buffer(s, op->dst)};
        st->dtype = st->out_dtype = !v->quantized ? LT_F32 : v->q.is_signed ? LT_I8 : LT_U8;
        st->fn = op->kind == LT_UNIT_QUANTIZE ? lt_iel_quantize : op->src < 0 ? lt_iel_nhwc : lt_iel_copy;
    }
    const struct lt_ivalue *v = &s->p.value[s->p.out_value];
    const struct lt_shape *sh = &g->node[v->node].out;
    s->out = (struct lt_iel){
        .k = s->kernels, .n = s->batch, .c = sh->d[1], .h = sh->d[2], .w = sh->d[3], .a = buffer(s, s->p.out_value)};
    return LT_OK;
}

static void infer_free(struct lt_session *base) {
    struct infer *s = (struct infer *)base;
    if (!s) return;
    for (int i = 0; i < s->n_steps; i++)
        if (s->step[i].conv) s->step[i].conv->free(s->step[i].conv);
#if LT_WITH_DNNL
    lt_idnnl_close(s->dnnl);
#endif
    lt_iplan_release(&s->p);
    lt_free(s->step);
    lt_free(s->arena);
    lt_free(s->x);
    lt_free(s->tap);
    lt_free(s);
}

static lt_status infer_weights(struct lt_session *base, const struct lt_weights *w, struct lt_err *e) {
    struct infer *s = (struct infer *)base;
    if (w->n != s->g->n_params)
        return lt_fail(e, LT_EINVAL, "%s: %d parameters for a graph of %d", s->g->name, w->n, s->g->n_params);
    lt_runtime_use_threads(s->threads);
    s->ready = false;
    for (int i = 0; i < s->n_steps; i++) {
        struct lt_iconv *c = s->step[i].conv;
        if (!c) continue;
        const struct lt_node *n = &s->g->node[s->step[i].node];
        struct lt_iweights iw = {0};
        lt_status r =
            lt_iweights_make(&c->spec, w->data[n->param[0]], n->n_params > 1 ? w->data[n->param[1]] : NULL, &iw, e);
        if (!r) r = c->weights(c, &iw, e);
        lt_iweights_release(&iw);
        if (r) return r;
    }
    s->ready = true;
    return LT_OK;
}

static int run_step(struct step *st) {
    if (st->conv) return st->conv->run(st->conv);
    st->fn(&st->el);
    return 0;
}

static lt_status step_failed(const struct infer *s, const struct step *st, int code, struct lt_err *e) {
    return lt_fail(e, LT_EFAIL, "%s: computing it failed with library error %d", s->g->node[st->node].name, code);
}

/* Where step 0 reads: the caller's x, or a copy with zeros behind the n samples that there are. */
static void bind_input(struct infer *s, const float *x, int n) {
    size_t per = (size_t)lt_shape_count(&s->g->node[0].out);
    if (n < s->batch) {
        memcpy(s->x, x, (size_t)n * per * sizeof(float));
        memset(s->x + (size_t)n * per, 0, (size_t)(s->batch - n) * per * sizeof(float));
        x = s->x;
    }
    s->step[0].el.a = x;
}

static lt_status check_run(const struct infer *s, int n, struct lt_err *e) {
    if (!s->ready) return lt_fail(e, LT_EINVAL, "%s: the session has no weights yet", s->g->name);
    if (n < 1 || n > s->batch)
        return lt_fail(e, LT_EINVAL, "%s: %d samples for a session of %d", s->g->name, n, s->batch);
    return LT_OK;
}

static lt_status infer_forward(struct lt_session *base, const float *x, int n, enum lt_bn_mode mode, float *logits,
                               struct lt_err *e) {
    struct infer *s = (struct infer *)base;
    lt_status r = check_run(s, n, e);
    (void)mode;
    if (r) return r;
    lt_runtime_use_threads(s->threads);
    bind_input(s, x, n);
    for (int i = 0; i < s->n_steps; i++) {
        int code = run_step(&s->step[i]);
        if (code) return step_failed(s, &s->step[i], code, e);
    }
    if (logits) {
        struct lt_iel out = s->out;
        out.n = n;
        out.dst = logits;
        lt_iel_nchw(&out);
    }
    return LT_OK;
}

static const float *infer_tap(const struct lt_session *base, int node) {
    const struct infer *s = (const struct infer *)base;
    if (!s->keep || node < 0 || node >= s->g->n_nodes) return NULL;
    return buffer(s, s->tap[node]);
}

static const struct lt_session_vt vt = {
    .free = infer_free,
    .weights = infer_weights,
    .forward = infer_forward,
    .tap = infer_tap,
};

lt_status lt_infer_session_new(struct lt_backend *b, const struct lt_graph *g, const struct lt_session_opt *opt,
                               struct lt_session **out, struct lt_err *e) {
    struct infer *s = NULL;
    lt_status r;
    if (opt->batch < 1) return lt_fail(e, LT_EINVAL, "%s: batch %d", g->name, opt->batch);
    if (opt->threads < 0) return lt_fail(e, LT_EINVAL, "%s: %d threads", g->name, opt->threads);
    if (!(s = lt_calloc(1, sizeof(*s)))) return lt_fail(e, LT_ENOMEM, "%s: inference session", g->name);
    s->base.vt = &vt;
    s->g = g;
    s->batch = opt->batch;
    s->threads = opt->threads ? opt->threads : 1;
    s->weight_qmax = opt->plan ? opt->plan->weight_qmax : 127;
    s->reference = b->ops->reference;
    s->kernels = b->kernels;
    s->gemm = b->gemm ? b->gemm : b->kernels->gemm;
    s->keep = opt->keep;
    if (s->weight_qmax < 1 || s->weight_qmax > 127) {
        r = lt_fail(e, LT_EINVAL, "%s: weight_qmax %d, must be 1 to 127", g->name, s->weight_qmax);
        goto out;
    }
    struct lt_iplan_opt po = {.plan = opt->plan,
                              .batch = opt->batch,
                              .fuse = !s->reference,
                              .keep = opt->keep || s->reference,
                              .direct_q = !s->reference};
    if ((r = lt_iplan_make(g, &po, &s->p, e))) goto out;
    s->arena = lt_aligned(s->p.arena_bytes);
    s->x = lt_aligned((size_t)lt_shape_count(&g->node[0].out) * (size_t)opt->batch * sizeof(float));
    s->tap = lt_calloc((size_t)g->n_nodes, sizeof(int));
    if (!s->arena || !s->x || !s->tap) {
        r = lt_fail(e, LT_ENOMEM, "%s: %zu bytes of activations", g->name, s->p.arena_bytes);
        goto out;
    }
    memset(s->arena, 0, s->p.arena_bytes); /* the slack that vector kernels may read is defined */
    for (int i = 0; i < g->n_nodes; i++) s->tap[i] = lt_iplan_value(&s->p, i, NULL);
    lt_runtime_use_threads(s->threads);
#if LT_WITH_DNNL
    if (!s->reference && (r = lt_idnnl_open(&s->dnnl, e))) goto out;
#endif
    if ((r = make_steps(s, e))) goto out;
    *out = &s->base;
    s = NULL;
out:
    infer_free(s ? &s->base : NULL);
    return r;
}

/* ---- timing by unit ---- */
lt_status lt_session_time_units(struct lt_session *base, const float *x, int runs, struct lt_unit_time **out, int *n,
                                struct lt_err *e) {
    if (base->vt != &vt) return lt_fail(e, LT_EINVAL, "only inference sessions have fused units to time");
    struct infer *s = (struct infer *)base;
    const int warm = 5;
    lt_status r = check_run(s, s->batch, e);
    struct lt_unit_time *u = NULL;
    double *t = NULL;
    if (r) return r;
    if (runs < 1) return lt_fail(e, LT_EINVAL, "%d runs", runs);
    u = lt_calloc((size_t)s->n_steps, sizeof(*u));
    t = lt_malloc((size_t)s->n_steps * (size_t)runs * sizeof(*t));
    if (!u || !t) {
        r = lt_fail(e, LT_ENOMEM, "unit times");
        goto out;
    }
    lt_runtime_use_threads(s->threads);
    bind_input(s, x, s->batch);
    for (int k = -warm; k < runs; k++) {
        double then = lt_now_s();
        for (int i = 0; i < s->n_steps; i++) {
            int code = run_step(&s->step[i]);
            double now = lt_now_s();
            if (code) {
                r = step_failed(s, &s->step[i], code, e);
                goto out;
            }
            if (k >= 0) t[i * runs + k] = now - then;
            then = now;
        }
    }
    for (int i = 0; i < s->n_steps; i++) {
        const struct step *st = &s->step[i];
        u[i] = (struct lt_unit_time){.kind = st->kind,
                                     .node = st->node,
                                     .last = st->last,
                                     .dtype = st->dtype,
                                     .out_dtype = st->out_dtype,
                                     .median_s = lt_median(t + (int64_t)i * runs, runs)};
    }
    *out = u;
    *n = s->n_steps;
    u = NULL;
out:
    lt_free(u);
    lt_free(t);
    return r;
}
