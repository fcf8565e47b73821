/*
 * TRAIN sessions: a plan bound to a backend. Activations live in the backend's one workspace, so a session is cheap to
 * make (one per sampled subnetwork) and a forward pass of one session takes the place of those of all others on the
 * same backend.
 */
#include "lathe/mem.h"
#include "runtime/train_priv.h"
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

static void train_free(struct lt_session *base) {
    struct lt_train *s = (struct lt_train *)base;
    if (!s) return;
    lt_tplan_release(&s->plan);
    lt_free(s->mean);
    lt_free(s->profile.s[0]);
    lt_free(s);
}

static lt_status train_weights(struct lt_session *base, const struct lt_weights *w, struct lt_err *e) {
    struct lt_train *s = (struct lt_train *)base;
    if (w->n != s->g->n_params)
        return lt_fail(e, LT_EINVAL, "%s: %d parameters for a graph of %d", s->g->name, w->n, s->g->n_params);
    s->w = w;
    return LT_OK;
}

/* Grows by half at least, so that subnetworks in rising order of size do not allocate each time. */
static lt_status reserve(struct lt_backend *b, size_t count, struct lt_err *e) {
    if (count <= b->ws_count) return LT_OK;
    size_t want = b->ws_count + b->ws_count / 2 > count ? b->ws_count + b->ws_count / 2 : count, huge = (size_t)2 << 20;
    size_t bytes = (want * sizeof(float) + huge - 1) / huge * huge;
    lt_free(b->ws); /* nobody's activations outlive this: a forward pass begins */
    b->ws_count = 0;
    if (!(b->ws = lt_aligned(bytes))) return lt_fail(e, LT_ENOMEM, "%zu bytes of activations and gradients", bytes);
    b->ws_count = bytes / sizeof(float);
#if defined(__linux__)
    uintptr_t first = ((uintptr_t)b->ws + huge - 1) / huge * huge, end = ((uintptr_t)b->ws + bytes) / huge * huge;
    if (end > first)
        (void)madvise((void *)first, end - first,
                      MADV_HUGEPAGE); /* a wish: fewer TLB misses where the system grants it */
#endif
    return LT_OK;
}

static lt_status train_forward(struct lt_session *base, const float *x, int n, enum lt_bn_mode mode, float *logits,
                               struct lt_err *e) {
    struct lt_train *s = (struct lt_train *)base;
    lt_status r;
    if (!s->w) return lt_fail(e, LT_EINVAL, "%s: the session has no weights yet", s->g->name);
    if (n < 1 || n > s->batch)
        return lt_fail(e, LT_EINVAL, "%s: %d samples for a session of %d", s->g->name, n, s->batch);
    s->serial = ++s->b->serial;
    s->has_stats = false;
    lt_runtime_use_threads(1);
    if ((r = reserve(s->b, s->plan.ws_count, e)) || (r = lt_train_forward(s, x, n, mode, logits, e))) {
        s->serial = 0;
        return r;
    }
    s->has_stats = mode == LT_BN_BATCH;
    s->profile.calls += s->profiling;
    return LT_OK;
}

static lt_status train_backward(struct lt_session *base, const float *dlogits, struct lt_weights *grad,
                                struct lt_err *e) {
    struct lt_train *s = (struct lt_train *)base;
    if (s->forward_only) return lt_fail(e, LT_EINVAL, "%s: the session is for forward only", s->g->name);
    if (grad->n != s->g->n_params)
        return lt_fail(e, LT_EINVAL, "%s: %d gradients for a graph of %d parameters", s->g->name, grad->n,
                       s->g->n_params);
    if (!s->serial || s->serial != s->b->serial)
        return lt_fail(
            e, LT_EINVAL,
            "%s: backward must follow a forward pass of this session, with none of another on the same backend between",
            s->g->name);
    s->serial = 0; /* gradients take the place of activations */
    lt_runtime_use_threads(1);
    return lt_train_backward(s, dlogits, grad, e);
}

static lt_status train_bn_stats(const struct lt_session *base, struct lt_weights *sums, struct lt_err *e) {
    const struct lt_train *s = (const struct lt_train *)base;
    if (sums->n != s->g->n_params)
        return lt_fail(e, LT_EINVAL, "%s: %d sums for a graph of %d parameters", s->g->name, sums->n, s->g->n_params);
    if (!s->has_stats)
        return lt_fail(e, LT_EINVAL, "%s: no batch statistics: the last forward pass did not compute them", s->g->name);
    for (int i = 0; i < s->plan.n_steps; i++) {
        const struct lt_tstep *t = &s->plan.step[i];
        const int *param = s->g->node[t->node].param;
        if (t->kind != LT_T_BN) continue;
        for (int c = 0; c < s->plan.value[t->out].c; c++) {
            sums->data[param[2]][c] += s->mean[t->bn + c];
            sums->data[param[3]][c] += s->var[t->bn + c];
        }
    }
    return LT_OK;
}

static lt_status train_profile(struct lt_session *base, bool on, struct lt_err *e) {
    struct lt_train *s = (struct lt_train *)base;
    int n = s->g->n_nodes;
    s->profiling = false;
    if (!on) return LT_OK;
    if (!s->profile.s[0] && !(s->profile.s[0] = lt_malloc((size_t)n * 3 * sizeof(double))))
        return lt_fail(e, LT_ENOMEM, "%s: profile", s->g->name);
    memset(s->profile.s[0], 0, (size_t)n * 3 * sizeof(double));
    s->profile.s[1] = s->profile.s[0] + n;
    s->profile.s[2] = s->profile.s[1] + n;
    s->profile.n_nodes = n;
    s->profile.calls = 0;
    s->profiling = true;
    return LT_OK;
}

static const struct lt_profile *train_profile_get(const struct lt_session *base) {
    const struct lt_train *s = (const struct lt_train *)base;
    return s->profile.s[0] ? &s->profile : NULL;
}

static const struct lt_session_vt vt = {
    .free = train_free,
    .weights = train_weights,
    .forward = train_forward,
    .backward = train_backward,
    .bn_stats = train_bn_stats,
    .profile = train_profile,
    .profile_get = train_profile_get,
};

lt_status lt_train_session_new(struct lt_backend *b, const struct lt_graph *g, const struct lt_session_opt *opt,
                               struct lt_session **out, struct lt_err *e) {
    struct lt_train *s = NULL;
    lt_status r;
    if (!(s = lt_calloc(1, sizeof(*s)))) return lt_fail(e, LT_ENOMEM, "%s: training session", g->name);
    s->base.vt = &vt;
    s->b = b;
    s->g = g;
    s->batch = opt->batch;
    s->forward_only = opt->forward_only;
    if ((r = lt_tplan_make(b, g, opt->batch, opt->forward_only, &s->plan, e))) goto out;
    size_t n = (size_t)s->plan.n_bn_channels;
    if (!(s->mean = lt_aligned((5 * n + 16) * sizeof(float)))) {
        r = lt_fail(e, LT_ENOMEM, "%s: batch statistics", g->name);
        goto out;
    }
    s->var = s->mean + n;
    s->rstd = s->var + n;
    s->dgamma = s->rstd + n;
    s->dbeta = s->dgamma + n;
    *out = &s->base;
    s = NULL;
out:
    train_free(s ? &s->base : NULL);
    return r;
}
