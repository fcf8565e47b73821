/*
 * The backward pass of a TRAIN session: steps in reverse. A step reads dy, the gradient of its output, adds the
 * gradients of its parameters to the caller's (graph order), and leaves those of its inputs where the plan says.
 */
#include "lathe/stats.h"
#include "runtime/train_priv.h"
#include <string.h>

struct back {
    struct lt_train *s;
    const struct lt_tstep *t;
    const struct lt_tvalue *in, *out;
    const float *x; /* first input; meaningless where the plan did not keep it */
    const float *dy;
    float *dx; /* of the first input, NULL when not computed */
    struct lt_weights *grad;
};

static float *back_at(const struct lt_train *s, int value) { return lt_tat(s, s->plan.value[value].back_at); }

static float *grad_of(const struct back *b, int i) { return b->grad->data[b->s->g->node[b->t->node].param[i]]; }

static void bias_gradient(const struct back *b) {
    if (b->t->bias)
        b->s->b->kernels->column_sums(b->dy, (int64_t)b->s->n * b->out->h * b->out->w, b->out->c, grad_of(b, 1));
}

/* gw [O,I] += dy [rows,O]^T * x [rows,I], or its transpose */
static void pointwise_weights(const struct back *b) {
    int rows = b->s->n * b->out->h * b->out->w, ic = b->in->c, oc = b->out->c;
    struct lt_gemm g = {.m = oc,
                        .n = ic,
                        .k = rows,
                        .a = b->dy,
                        .lda = oc,
                        .ta = true,
                        .b = b->x,
                        .ldb = ic,
                        .c = grad_of(b, 0),
                        .ldc = ic,
                        .accumulate = true};
    if (b->t->flip) {
        float *gt = lt_tat(b->s, b->t->back_scratch), *gw = grad_of(b, 0);
        g = (struct lt_gemm){
            .m = ic, .n = oc, .k = rows, .a = b->x, .lda = ic, .ta = true, .b = b->dy, .ldb = oc, .c = gt, .ldc = oc};
        b->s->b->gemm(&g);
        for (int o = 0; o < oc; o++)
            for (int i = 0; i < ic; i++) gw[o * ic + i] += gt[i * oc + o];
    } else {
        b->s->b->gemm(&g);
    }
    bias_gradient(b);
}

static void pointwise_data(const struct back *b) {
    int rows = b->s->n * b->out->h * b->out->w;
    /* dx [rows,I] (+)= dy [rows,O] * w [O,I] */
    b->s->b->gemm(&(struct lt_gemm){.m = rows,
                                    .n = b->in->c,
                                    .k = b->out->c,
                                    .a = b->dy,
                                    .lda = b->out->c,
                                    .b = lt_tparam(b->s, b->t, 0),
                                    .ldb = b->in->c,
                                    .c = b->dx,
                                    .ldc = b->in->c,
                                    .accumulate = b->t->dx[0].accumulate});
}

static void depthwise_weights(const struct back *b) {
    struct lt_window d = b->t->window;
    float *gp = lt_tat(b->s, b->t->back_scratch);
    d.n = b->s->n;
    memset(gp, 0, (size_t)d.kernel * (size_t)d.kernel * (size_t)d.c * sizeof(float));
    b->s->b->kernels->dw_backward_weights(&d, b->x, b->dy, gp);
    lt_dw_unpack_add(gp, d.c, d.kernel, grad_of(b, 0));
    bias_gradient(b);
}

static void depthwise_data(const struct back *b) {
    struct lt_window d = b->t->window;
    d.n = b->s->n;
    b->s->b->kernels->dw_backward_data(&d, b->dy, lt_tat(b->s, b->t->packed), b->dx);
}

static lt_status dense_weights(const struct back *b, struct lt_err *e) {
    struct lt_backend *be = b->s->b;
    struct lt_conv c = b->t->conv;
    c.n = b->s->n;
    bias_gradient(b);
    return be->ops->dense->backward_weights(be, &c, b->x, b->dy, grad_of(b, 0), lt_tat(b->s, b->t->back_scratch), e);
}

static lt_status dense_data(const struct back *b, struct lt_err *e) {
    struct lt_backend *be = b->s->b;
    struct lt_conv c = b->t->conv;
    c.n = b->s->n;
    return be->ops->dense->backward_data(be, &c, b->dy, lt_tparam(b->s, b->t, 0), b->dx,
                                         lt_tat(b->s, b->t->back_scratch), e);
}

static void batch_norm(const struct back *b) {
    struct lt_train *s = b->s;
    const struct lt_tstep *t = b->t;
    bool fixed = s->mode == LT_BN_RUNNING;
    struct lt_bn n = {.rows = (int64_t)s->n * b->out->h * b->out->w,
                      .c = b->out->c,
                      .act = t->act,
                      .fixed = fixed,
                      .mean = fixed ? lt_tparam(s, t, 2) : s->mean + t->bn,
                      .rstd = s->rstd + t->bn,
                      .gamma = lt_tparam(s, t, 0),
                      .beta = lt_tparam(s, t, 1)};
    float *dgamma = grad_of(b, 0), *dbeta = grad_of(b, 1);
    s->b->kernels->bn_backward(&n, b->x, b->dy, b->dx, s->dgamma, s->dbeta);
    for (int c = 0; c < n.c; c++) {
        dgamma[c] += s->dgamma[c];
        dbeta[c] += s->dbeta[c];
    }
}

/* dx = y * (dy - sum(y * dy)) */
static void softmax(const struct back *b) {
    int64_t k = lt_tcount(b->out);
    const float *y = back_at(b->s, b->t->out);
    for (int64_t i = 0; i < b->s->n; i++) {
        double dot = 0;
        for (int64_t j = 0; j < k; j++) dot += (double)y[i * k + j] * b->dy[i * k + j];
        for (int64_t j = 0; j < k; j++) b->dx[i * k + j] = y[i * k + j] * (b->dy[i * k + j] - (float)dot);
    }
}

static void multiply(const struct back *b) {
    const struct lt_tstep *t = b->t;
    int64_t hw = (int64_t)b->out->h * b->out->w;
    float *ds = lt_tat(b->s, t->dx[1].at);
    const float *second = back_at(b->s, t->in[1]);
    if (t->broadcast)
        b->s->b->kernels->mul_backward(b->x, second, b->dy, b->s->n, hw, b->out->c, b->dx, ds);
    else
        b->s->b->kernels->mul_backward(b->x, second, b->dy, (int)(b->s->n * hw), 1, b->out->c, b->dx, ds);
}

static lt_status parameters(const struct back *b, struct lt_err *e) {
    switch (b->t->kind) {
    case LT_T_POINTWISE:
        pointwise_weights(b);
        break;
    case LT_T_DEPTHWISE:
        depthwise_weights(b);
        break;
    case LT_T_DENSE:
        return dense_weights(b, e);
    default:
        break; /* BN and LAYERNORM compute their own together with the data's */
    }
    return LT_OK;
}

static lt_status data(const struct back *b, struct lt_err *e) {
    const struct lt_kernels *k = b->s->b->kernels;
    const struct lt_tstep *t = b->t;
    int64_t n = b->s->n;
    struct lt_window d = t->window;
    d.n = b->s->n;
    switch (t->kind) {
    case LT_T_POINTWISE:
        pointwise_data(b);
        break;
    case LT_T_DEPTHWISE:
        depthwise_data(b);
        break;
    case LT_T_DENSE:
        return dense_data(b, e);
    case LT_T_BN:
        batch_norm(b);
        break;
    case LT_T_ACT:
        k->act_backward(t->act, b->x, b->dy, n * lt_tcount(b->out), b->dx);
        break;
    case LT_T_POOL:
        k->pool_backward(&d, b->s->g->node[t->node].pool, b->x, b->dy, b->dx);
        break;
    case LT_T_GAP:
        k->gap_backward(b->dy, b->s->n, (int64_t)b->in->h * b->in->w, b->in->c, b->dx);
        break;
    case LT_T_MUL:
        multiply(b);
        break;
    case LT_T_FLATTEN:
        k->nchw_to_nhwc(b->dy, b->s->n, b->in->c, (int64_t)b->in->h * b->in->w, b->dx);
        break;
    case LT_T_SOFTMAX:
        softmax(b);
        break;
    case LT_T_MOVE:
    case LT_T_LAYERNORM:
        lt_train_move_backward(b->s, t, b->grad);
        break;
    case LT_T_LAYOUT:
    case LT_T_ADD:
        break; /* nothing to compute: the image, and sums pass dy on */
    }
    return LT_OK;
}

/* Contributions to gradients that were there before. Those passed on first: computing may write over dy. */
static void add_up(const struct back *b, bool written) {
    for (int j = 0; j < LT_MAX_IN; j++) {
        const struct lt_tdx *d = &b->t->dx[j];
        if (d->add && d->write == written)
            b->s->b->kernels->add(lt_tat(b->s, d->with), lt_tat(b->s, d->at),
                                  b->s->n * lt_tcount(&b->s->plan.value[b->t->in[j]]), lt_tat(b->s, d->sum));
    }
}

/* Normalised inputs that forward did not keep. */
static void compute_again(struct lt_train *s, const struct lt_tstep *t) {
    for (int j = 0; j < LT_MAX_IN; j++) {
        if (!t->again[j]) continue;
        const struct lt_tstep *bn = &s->plan.step[s->plan.value[t->in[j]].bn_step];
        double start = s->profiling ? lt_now_s() : 0;
        lt_train_normalize(s, bn, back_at(s, t->in[j]));
        if (s->profiling) s->profile.s[1][bn->node] += lt_now_s() - start;
    }
}

static lt_status run(struct lt_train *s, const struct lt_tstep *t, struct lt_weights *grad, struct lt_err *e) {
    compute_again(s, t);
    struct back b = {.s = s,
                     .t = t,
                     .in = &s->plan.value[t->in[0]],
                     .out = &s->plan.value[t->out],
                     .x = back_at(s, t->in[0]),
                     .dy = lt_tat(s, t->dy),
                     .dx = t->dx[0].write ? lt_tat(s, t->dx[0].at) : NULL,
                     .grad = grad};
    double start = s->profiling ? lt_now_s() : 0, middle;
    lt_status r = parameters(&b, e);
    if (r) return r;
    middle = s->profiling ? lt_now_s() : 0;
    add_up(&b, false);
    if (b.dx && (r = data(&b, e))) return r;
    add_up(&b, true);
    if (s->profiling) {
        s->profile.s[2][t->node] += middle - start;
        s->profile.s[1][t->node] += lt_now_s() - middle;
    }
    return LT_OK;
}

lt_status lt_train_backward(struct lt_train *s, const float *dlogits, struct lt_weights *grad, struct lt_err *e) {
    const struct lt_tvalue *out = &s->plan.value[s->plan.output];
    bool seeded = false;
    for (int i = s->plan.n_steps - 1; i >= 0; i--) {
        const struct lt_tstep *t = &s->plan.step[i];
        lt_status r;
        if (!t->backward) continue;
        if (!seeded) /* the last step that has a gradient is the output's */
            s->b->kernels->nchw_to_nhwc(dlogits, s->n, out->c, (int64_t)out->h * out->w, lt_tat(s, t->dy));
        seeded = true;
        if ((r = run(s, t, grad, e))) return r;
    }
    return LT_OK;
}
