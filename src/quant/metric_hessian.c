/*
 * Sensitivity by curvature: |trace(H_ii)| / n_i * ||w_i - Q(w_i)||^2, the second-order estimate of what rounding layer
 * i costs in loss. Sources: Dong et al., "HAWQ-V2: Hessian aware trace-weighted quantization", NeurIPS 2020 (trace
 * times squared error); Hutchinson, "A stochastic estimator of the trace of the influence matrix", 1990 (Rademacher
 * probes). Schaefer et al., arXiv 2302.01382, use the mean trace without the error.
 *
 * H v is a central difference of gradients along v, through a training session on the folded graph. A probe covers all
 * layers at once: v_i' (H v)_i = v_i' H_ii v_i + terms with v_i' H_ij v_j, whose mean is zero. Each layer's part of v
 * is scaled to its own weights, so that one step suits layers of very different magnitude.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "quant/quant_priv.h"

/* Of a layer's root mean square weight: with it the rounding error of f32 gradients falls and the change of curvature
 * along the way rises. */
#define STEP 5e-3
#define BATCH 64

struct work {
    const struct lt_graph *g;
    struct lt_session *ses;
    struct lt_weights *w, *grad[2];
    float *logits, *dlogits;
    int classes;
};

static lt_status gradient(struct work *k, const struct lt_qimages *im, struct lt_weights *grad, struct lt_err *e) {
    lt_status s = lt_session_weights(k->ses, k->w, e);
    memset(grad->storage, 0, (size_t)grad->count * sizeof(float));
    for (int at = 0, n; !s && at < im->n; at += n) {
        n = im->n - at < BATCH ? im->n - at : BATCH;
        if ((s = lt_session_forward(k->ses, im->x + at * im->per, n, LT_BN_RUNNING, k->logits, e))) break;
        lt_softmax_xent(k->logits, im->label + at, NULL, n, k->classes, 0, (float)n / (float)im->n, k->dlogits);
        s = lt_session_backward(k->ses, k->dlogits, grad, e);
    }
    return s;
}

static double rms(const float *v, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)v[i] * v[i];
    return sqrt(sum / (double)(n > 0 ? n : 1));
}

/* One bit a weight: 32 signs from each number drawn. */
static void move(struct work *k, const struct lt_quant_job *job, int probe, const int *layer, int n, const double *step,
                 double sign) {
    for (int j = 0; j < n; j++) {
        int p = lt_quant_weight_param(k->g, layer[j]);
        struct lt_rng r;
        uint32_t bits = 0;
        lt_rng_at(&r, job->seed, LT_RNG_QUANT, 1000000 + (uint64_t)probe, (uint64_t)layer[j]);
        for (int64_t i = 0; i < k->g->param[p].count; i++, bits >>= 1) {
            if (i % 32 == 0) bits = lt_rng_u32(&r);
            k->w->data[p][i] = (float)(job->weights->data[p][i] + sign * step[j] * (bits & 1 ? 1 : -1));
        }
    }
}

lt_status lt_quant_hessian_trace(const struct lt_quant_job *job, const struct lt_qimages *im, int probes,
                                 const int *layer, int n, double *trace, struct lt_err *e) {
    const struct lt_graph *g = job->graph;
    struct work k = {.g = g, .classes = (int)lt_shape_count(&g->node[g->output].out)};
    struct lt_session_opt opt = {.kind = LT_SESSION_TRAIN, .batch = im->n < BATCH ? im->n : BATCH};
    double *step = lt_calloc((size_t)(n > 0 ? n : 1), sizeof(double)),
           *sum = lt_calloc((size_t)(n > 0 ? n : 1), sizeof(double));
    lt_status s;
    k.logits = lt_malloc((size_t)k.classes * BATCH * sizeof(float));
    k.dlogits = lt_malloc((size_t)k.classes * BATCH * sizeof(float));
    if (!step || !sum || !k.logits || !k.dlogits) {
        s = lt_fail(e, LT_ENOMEM, "Hessian traces: out of memory");
        goto out;
    }
    if ((s = lt_weights_new(g, &k.w, e)) || (s = lt_weights_new(g, &k.grad[0], e)) ||
        (s = lt_weights_new(g, &k.grad[1], e)) || (s = lt_session_new(job->backend, g, &opt, &k.ses, e)))
        goto out;
    for (int i = 0; i < g->n_params; i++)
        memcpy(k.w->data[i], job->weights->data[i], (size_t)g->param[i].count * sizeof(float));
    for (int j = 0; j < n; j++) {
        int p = lt_quant_weight_param(g, layer[j]);
        step[j] = fmax(STEP * rms(job->weights->data[p], g->param[p].count), 1e-6);
    }
    for (int t = 0; t < probes; t++) {
        if (lt_ui_stop(job->ui)) {
            s = lt_fail(e, LT_EINTR, "interrupted while layers were ranked for quantization");
            goto out;
        }
        for (int side = 0; side < 2; side++) {
            move(&k, job, t, layer, n, step, side ? -1 : 1);
            if ((s = gradient(&k, im, k.grad[side], e))) goto out;
        }
        /* w holds w - step * v: the sign of v is read off it. */
        for (int j = 0; j < n; j++) {
            int p = lt_quant_weight_param(g, layer[j]);
            const float *a = k.grad[0]->data[p], *b = k.grad[1]->data[p], *w = k.w->data[p],
                        *w0 = job->weights->data[p];
            double dot = 0;
            for (int64_t i = 0; i < g->param[p].count; i++)
                dot += (w[i] < w0[i] ? 1 : -1) * ((double)a[i] - (double)b[i]);
            sum[j] += dot / (2 * step[j]);
        }
    }
    for (int j = 0; j < n; j++) trace[j] = sum[j] / (probes > 0 ? probes : 1);
out:
    lt_session_free(k.ses);
    lt_weights_free(k.w);
    lt_weights_free(k.grad[0]);
    lt_weights_free(k.grad[1]);
    lt_free(k.logits);
    lt_free(k.dlogits);
    lt_free(step);
    lt_free(sum);
    return s;
}

static double images(const struct lt_quant_cfg *cfg, int n) {
    enum { GRADIENTS = 2, PASSES = 3 }; /* a gradient costs about three forward passes */
    (void)n;
    return (double)GRADIENTS * PASSES * (double)cfg->probes * (double)cfg->sensitivity_images;
}

static lt_status score(const struct lt_quant_job *job, const struct lt_quant_cfg *cfg, const int *layer, int n,
                       double *out, struct lt_err *e) {
    struct lt_qimages im = {0};
    double *trace = lt_calloc((size_t)(n > 0 ? n : 1), sizeof(double));
    lt_status s;
    if (!trace) return lt_fail(e, LT_ENOMEM, "Hessian metric: out of memory");
    if (!(s = lt_qimages_load(job, cfg->sensitivity_images, &im, e)) &&
        !(s = lt_quant_hessian_trace(job, &im, (int)cfg->probes, layer, n, trace, e)))
        for (int k = 0; k < n; k++) {
            int p = lt_quant_weight_param(job->graph, layer[k]);
            out[k] = fabs(trace[k]) / (double)job->graph->param[p].count * lt_quant_weight_error(job, layer[k]);
        }
    lt_qimages_release(&im);
    lt_free(trace);
    return s;
}

const struct lt_quant_metric_ops lt_quant_metric_hessian = {
    "hessian", "Dong et al., NeurIPS 2020 (HAWQ-V2); Hutchinson 1990", score, images};
