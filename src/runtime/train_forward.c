/*
 * The forward pass of a TRAIN session: one function a kind of step. Every buffer is a place in the backend's workspace,
 * for the n samples of this call.
 */
#include "lathe/stats.h"
#include "runtime/train_priv.h"
#include <math.h>
#include <string.h>

static void layout(struct lt_train *s, const struct lt_tstep *t, const float *x) {
    const struct lt_tvalue *v = &s->plan.value[t->out];
    s->b->kernels->nchw_to_nhwc(x, s->n, v->c, (int64_t)v->h * v->w, lt_tvalue_at(s, t->out));
}

static void add_bias(struct lt_train *s, const struct lt_tstep *t) {
    const struct lt_tvalue *v = &s->plan.value[t->out];
    float *y = lt_tvalue_at(s, t->out);
    if (t->bias)
        s->b->kernels->affine(y, (int64_t)s->n * v->h * v->w, v->c, NULL, lt_tparam(s, t, 1), LT_ACT_NONE, NULL, y);
}

/* y [rows,O] = x [rows,I] * w [O,I]^T */
static void pointwise(struct lt_train *s, const struct lt_tstep *t) {
    const struct lt_tvalue *in = &s->plan.value[t->in[0]], *out = &s->plan.value[t->out];
    s->b->gemm(&(struct lt_gemm){.m = s->n * out->h * out->w,
                                 .n = out->c,
                                 .k = in->c,
                                 .a = lt_tvalue_at(s, t->in[0]),
                                 .lda = in->c,
                                 .b = lt_tparam(s, t, 0),
                                 .ldb = in->c,
                                 .tb = true,
                                 .c = lt_tvalue_at(s, t->out),
                                 .ldc = out->c});
    add_bias(s, t);
}

static void depthwise(struct lt_train *s, const struct lt_tstep *t) {
    struct lt_window d = t->window;
    float *packed = lt_tat(s, t->packed);
    d.n = s->n;
    lt_dw_pack(lt_tparam(s, t, 0), d.c, d.kernel, packed);
    s->b->kernels->dw_forward(&d, lt_tvalue_at(s, t->in[0]), packed, t->bias ? lt_tparam(s, t, 1) : NULL, LT_ACT_NONE,
                              lt_tvalue_at(s, t->out));
}

static lt_status dense(struct lt_train *s, const struct lt_tstep *t, struct lt_err *e) {
    struct lt_conv c = t->conv;
    lt_status r;
    c.n = s->n;
    r = s->b->ops->dense->forward(s->b, &c, lt_tvalue_at(s, t->in[0]), lt_tparam(s, t, 0), lt_tvalue_at(s, t->out),
                                  lt_tat(s, t->scratch), e);
    if (!r) add_bias(s, t);
    return r;
}

void lt_train_normalize(struct lt_train *s, const struct lt_tstep *t, float *y) {
    const struct lt_tvalue *v = &s->plan.value[t->out];
    bool fixed = s->mode == LT_BN_RUNNING;
    struct lt_bn b = {.rows = (int64_t)s->n * v->h * v->w,
                      .c = v->c,
                      .act = t->act,
                      .fixed = fixed,
                      .mean = fixed ? lt_tparam(s, t, 2) : s->mean + t->bn,
                      .rstd = s->rstd + t->bn,
                      .gamma = lt_tparam(s, t, 0),
                      .beta = lt_tparam(s, t, 1)};
    s->b->kernels->bn_forward(&b, lt_tvalue_at(s, t->in[0]), t->in[1] < 0 ? NULL : lt_tvalue_at(s, t->in[1]), y);
}

static void batch_norm(struct lt_train *s, const struct lt_tstep *t) {
    const struct lt_tvalue *v = &s->plan.value[t->out];
    const float *var = s->var + t->bn;
    if (s->mode == LT_BN_BATCH)
        s->b->kernels->bn_stats(lt_tvalue_at(s, t->in[0]), (int64_t)s->n * v->h * v->w, v->c, s->mean + t->bn,
                                s->var + t->bn);
    else
        var = lt_tparam(s, t, 3);
    lt_bn_rstd(var, v->c, s->g->node[t->node].eps, s->rstd + t->bn);
    lt_train_normalize(s, t, lt_tvalue_at(s, t->out));
}

static lt_status run(struct lt_train *s, const struct lt_tstep *t, const float *x, struct lt_err *e) {
    const struct lt_kernels *k = s->b->kernels;
    const struct lt_tvalue *in = t->in[0] < 0 ? NULL : &s->plan.value[t->in[0]], *out = &s->plan.value[t->out];
    const float *a = t->in[0] < 0 ? NULL : lt_tvalue_at(s, t->in[0]),
                *b = t->in[1] < 0 ? NULL : lt_tvalue_at(s, t->in[1]);
    float *y = lt_tvalue_at(s, t->out);
    int64_t hw = (int64_t)out->h * out->w;
    struct lt_window d = t->window;
    d.n = s->n;
    switch (t->kind) {
    case LT_T_LAYOUT:
        layout(s, t, x);
        break;
    case LT_T_POINTWISE:
        pointwise(s, t);
        break;
    case LT_T_DEPTHWISE:
        depthwise(s, t);
        break;
    case LT_T_DENSE:
        return dense(s, t, e);
    case LT_T_BN:
        batch_norm(s, t);
        break;
    case LT_T_ACT:
        k->act_forward(t->act, a, s->n * lt_tcount(out), y);
        break;
    case LT_T_POOL:
        k->pool_forward(&d, s->g->node[t->node].pool, a, y);
        break;
    case LT_T_GAP:
        k->gap_forward(a, s->n, (int64_t)in->h * in->w, in->c, y);
        break;
    case LT_T_ADD:
        k->add(a, b, s->n * lt_tcount(out), y);
        break;
    case LT_T_MUL:
        if (t->broadcast)
            k->mul_forward(a, b, s->n, hw, out->c, y);
        else
            k->mul_forward(a, b, (int)(s->n * hw), 1, out->c, y);
        break;
    case LT_T_FLATTEN:
        k->nhwc_to_nchw(a, s->n, in->c, (int64_t)in->h * in->w, y);
        break;
    case LT_T_SOFTMAX:
        lt_softmax(a, s->n, (int)lt_tcount(out), y);
        break;
    case LT_T_MOVE:
    case LT_T_LAYERNORM:
        lt_train_move_forward(s, t);
        break;
    }
    return LT_OK;
}

lt_status lt_train_forward(struct lt_train *s, const float *x, int n, enum lt_bn_mode mode, float *logits,
                           struct lt_err *e) {
    const struct lt_tvalue *out = &s->plan.value[s->plan.output];
    s->n = n;
    s->mode = mode;
    for (int i = 0; i < s->plan.n_steps; i++) {
        const struct lt_tstep *t = &s->plan.step[i];
        double start = s->profiling ? lt_now_s() : 0;
        lt_status r = run(s, t, x, e);
        if (r) return r;
        if (s->profiling) s->profile.s[0][t->node] += lt_now_s() - start;
    }
    if (logits)
        s->b->kernels->nhwc_to_nchw(lt_tvalue_at(s, s->plan.output), n, out->c, (int64_t)out->h * out->w, logits);
    return LT_OK;
}
