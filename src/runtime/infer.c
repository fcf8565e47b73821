/*
 * INFER sessions: fused units of infer_plan.c bound to buffers and kernels once, then run in a tight loop.
 * Backends differ in what provides convolutions and in fusion: "reference" computes node by node with plain loops and
 * reuses no buffer. A session always computes its whole batch; for fewer samples the rest of the input is zero.
 */
#include "config.h"
#include "runtime/infer_steps.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include <stdlib.h>
#include <string.h>

static void infer_free(struct lt_session *base) {
    struct lt_infer *s = (struct lt_infer *)base;
    if (!s) return;
    for (int i = 0; i < s->n_steps; i++) {
        if (s->step[i].conv) s->step[i].conv->free(s->step[i].conv);
        lt_iseq_release(&s->step[i].seq);
    }
#if LT_WITH_DNNL
    lt_idnnl_close(s->dnnl);
#endif
    lt_iplan_release(&s->p);
    lt_free(s->step);
    lt_free(s->arena);
    lt_free(s->x);
    lt_free(s->scratch);
    lt_free(s->tap);
    lt_free(s);
}

static lt_status infer_weights(struct lt_session *base, const struct lt_weights *w, struct lt_err *e) {
    struct lt_infer *s = (struct lt_infer *)base;
    if (w->n != s->g->n_params)
        return lt_fail(e, LT_EINVAL, "%s: %d parameters for a graph of %d", s->g->name, w->n, s->g->n_params);
    lt_runtime_use_threads(s->threads);
    s->ready = false;
    for (int i = 0; i < s->n_steps; i++) {
        struct lt_iconv *c = s->step[i].conv;
        if (s->step[i].seq.fn) {
            lt_status r = lt_iseq_weights(&s->step[i].seq, w, e);
            if (r) return r;
        }
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

static int run_step(struct lt_istep *st) {
    if (st->conv) return st->conv->run(st->conv);
    if (st->seq.fn)
        st->seq.fn(&st->seq);
    else
        st->fn(&st->el);
    return 0;
}

static lt_status step_failed(const struct lt_infer *s, const struct lt_istep *st, int code, struct lt_err *e) {
    return lt_fail(e, LT_EFAIL, "%s: computing it failed with library error %d", s->g->node[st->node].name, code);
}

/* Where step 0 reads: the caller's x, or a copy with zeros behind the n samples that there are. */
static void bind_input(struct lt_infer *s, const float *x, int n) {
    size_t per = (size_t)lt_shape_count(&s->g->node[0].out);
    if (n < s->batch) {
        memcpy(s->x, x, (size_t)n * per * sizeof(float));
        memset(s->x + (size_t)n * per, 0, (size_t)(s->batch - n) * per * sizeof(float));
        x = s->x;
    }
    s->step[0].el.a = x;
}

static lt_status check_run(const struct lt_infer *s, int n, struct lt_err *e) {
    if (!s->ready) return lt_fail(e, LT_EINVAL, "%s: the session has no weights yet", s->g->name);
    if (n < 1 || n > s->batch)
        return lt_fail(e, LT_EINVAL, "%s: %d samples for a session of %d", s->g->name, n, s->batch);
    return LT_OK;
}

static lt_status infer_forward(struct lt_session *base, const float *x, int n, enum lt_bn_mode mode, float *logits,
                               struct lt_err *e) {
    struct lt_infer *s = (struct lt_infer *)base;
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
    const struct lt_infer *s = (const struct lt_infer *)base;
    if (!s->keep || node < 0 || node >= s->g->n_nodes) return NULL;
    return lt_infer_buffer(s, s->tap[node]);
}

static const struct lt_session_vt vt = {
    .free = infer_free,
    .weights = infer_weights,
    .forward = infer_forward,
    .tap = infer_tap,
};

lt_status lt_infer_session_new(struct lt_backend *b, const struct lt_graph *g, const struct lt_session_opt *opt,
                               struct lt_session **out, struct lt_err *e) {
    struct lt_infer *s = NULL;
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
    if ((r = lt_infer_make_steps(s, e))) goto out;
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
    struct lt_infer *s = (struct lt_infer *)base;
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
        const struct lt_istep *st = &s->step[i];
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
