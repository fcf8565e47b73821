/*
 * Sensitivity by noise: mean rise of the loss when Gaussian noise is added to one layer's weights. Needs forward passes
 * only. Source: Schaefer et al., arXiv 2302.01382: E_z[L(w + lambda max|w| z) - L(w)]. Deviation: z and -z are drawn in
 * pairs, which cancels the gradient's part of the difference; lambda is ours.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "quant/quant_priv.h"

#define LAMBDA 0.02 /* some ten times the rounding error at 8 bits, so that the rise is well above float noise */
#define BATCH 64

static lt_status mean_loss(struct lt_session *ses, const struct lt_weights *w, const struct lt_qimages *im,
                           float *logits, double *loss, struct lt_err *e) {
    double sum = 0;
    lt_status s = lt_session_weights(ses, w, e);
    for (int at = 0, n; !s && at < im->n; at += n) {
        n = im->n - at < BATCH ? im->n - at : BATCH;
        if (!(s = lt_session_forward(ses, im->x + at * im->per, n, LT_BN_RUNNING, logits, e)))
            sum += n * lt_softmax_xent(logits, im->label + at, NULL, n, im->classes, 0, 1, NULL);
    }
    if (!s) *loss = sum / im->n;
    return s;
}

static int64_t pairs_of(const struct lt_quant_cfg *cfg) { return (cfg->probes + 7) / 8; }

static double images(const struct lt_quant_cfg *cfg, int n) {
    return (double)cfg->sensitivity_images * (1 + 2.0 * (double)pairs_of(cfg) * n);
}

static lt_status score(const struct lt_quant_job *job, const struct lt_quant_cfg *cfg, const int *layer, int n,
                       double *out, struct lt_err *e) {
    const struct lt_graph *g = job->graph;
    struct lt_session_opt opt = {.kind = LT_SESSION_INFER, .batch = BATCH};
    struct lt_session *ses = NULL;
    struct lt_qimages im = {0};
    struct lt_weights *w = NULL;
    float *logits = NULL;
    int64_t pairs = pairs_of(cfg);
    double base;
    lt_status s;
    if ((s = lt_qimages_load(job, cfg->sensitivity_images, &im, e)) || (s = lt_weights_new(g, &w, e))) goto out;
    im.classes = (int)lt_shape_count(&g->node[g->output].out);
    if (!(logits = lt_malloc((size_t)im.classes * BATCH * sizeof(float)))) {
        s = lt_fail(e, LT_ENOMEM, "noise metric: out of memory");
        goto out;
    }
    for (int i = 0; i < g->n_params; i++)
        memcpy(w->data[i], job->weights->data[i], (size_t)g->param[i].count * sizeof(float));
    if ((s = lt_session_new(job->backend, g, &opt, &ses, e)) || (s = mean_loss(ses, w, &im, logits, &base, e)))
        goto out;
    for (int k = 0; k < n; k++) {
        int p = lt_quant_weight_param(g, layer[k]);
        const float *orig = job->weights->data[p];
        double top = 0, rise = 0;
        if (lt_ui_stop(job->ui)) {
            s = lt_fail(e, LT_EINTR, "interrupted while layers were ranked for quantization");
            goto out;
        }
        for (int64_t i = 0; i < g->param[p].count; i++) top = fmax(top, fabs((double)orig[i]));
        for (int64_t j = 0; j < 2 * pairs; j++) {
            struct lt_rng r;
            double loss;
            lt_rng_at(&r, job->seed, LT_RNG_QUANT, 1 + (uint64_t)(j / 2), (uint64_t)layer[k]);
            for (int64_t i = 0; i < g->param[p].count; i++)
                w->data[p][i] = (float)(orig[i] + (j % 2 ? -1 : 1) * LAMBDA * top * lt_rng_normal(&r));
            if ((s = mean_loss(ses, w, &im, logits, &loss, e))) goto out;
            rise += (loss - base) / (double)(2 * pairs);
        }
        memcpy(w->data[p], orig, (size_t)g->param[p].count * sizeof(float));
        out[k] = fmax(rise, 0);
    }
out:
    lt_session_free(ses);
    lt_qimages_release(&im);
    lt_weights_free(w);
    lt_free(logits);
    return s;
}

const struct lt_quant_metric_ops lt_quant_metric_noise = {"noise", "Schaefer et al., arXiv 2302.01382, noise", score,
                                                          images};
