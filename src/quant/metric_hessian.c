/*
 * Sensitivity by curvature: |trace(H_ii)| / n_i * ||w_i - Q(w_i)||^2, the second-order estimate of what rounding layer
 * i costs in loss. Source: Dong et al., "HAWQ-V2: Hessian aware trace-weighted quantization", NeurIPS 2020 (trace times
 * squared error). Schaefer et al., arXiv 2302.01382, use the mean trace without the error.
 *
 * H v is a central difference of gradients along v, through a training session on the folded graph. Two ways of
 * probing: joint: a Rademacher probe covers all layers at once (Hutchinson, "A stochastic estimator of the trace of the
 * influence matrix", 1990): v_i' (H v)_i = v_i' H_ii v_i + terms with v_i' H_ij v_j, whose mean is zero. Cheap, and
 * good enough to order layers whose sensitivities differ by factors. layer: one layer at a time. A layer with no more
 * weights than products is traced exactly, weight by weight. For others a third of the products finds directions of
 * large curvature, a third traces H on them exactly, and the rest estimates the trace on what is orthogonal to them
 * (Meyer et al., "Hutch++: Optimal stochastic trace estimation", SOSA 2021): the Hessian of a classifier has few large
 * eigenvalues, which make most of the variance of plain probes.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "quant/quant_priv.h"

/* Length of a step along a direction of root mean square 1, in those of the layer's weights: with it the rounding error
 * of f32 gradients falls and the change of curvature along the way rises. */
#define STEP 5e-3
#define MAX_RANK 64 /* directions of large curvature: memory is this many times the layer */
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
static void signs(uint64_t seed, int layer, int64_t probe, int64_t n, double *v) {
    struct lt_rng r;
    uint32_t bits = 0;
    lt_rng_at(&r, seed, LT_RNG_QUANT, 1000000 + (uint64_t)probe, (uint64_t)layer);
    for (int64_t i = 0; i < n; i++, bits >>= 1) {
        if (i % 32 == 0) bits = lt_rng_u32(&r);
        v[i] = bits & 1 ? 1 : -1;
    }
}

static double dot(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* What is left of v [n] beside the orthonormal q [rank][n]; twice, because once leaves rounding errors behind. */
static void deflate(const double *q, int rank, int64_t n, double *v) {
    for (int j = 0; j < 2 * rank; j++) {
        const double *d = q + j % rank * n;
        double part = dot(d, v, n);
        for (int64_t i = 0; i < n; i++) v[i] -= part * d[i];
    }
}

static int64_t n_weights(const struct lt_graph *g, int layer) {
    return g->param[lt_quant_weight_param(g, layer)].count;
}

/* Each layer's part of v is scaled to its own weights, so that one step suits layers of very different magnitude. */
static double step_of(const struct lt_quant_job *job, int layer, const double *v) {
    int64_t n = n_weights(job->graph, layer);
    double size = sqrt(dot(v, v, n) / (double)n);
    return STEP * fmax(rms(job->weights->data[lt_quant_weight_param(job->graph, layer)], n), 1e-6) / fmax(size, 1e-30);
}

/* H v restricted to the layers' weights; v and out hold theirs one after another. */
static lt_status product(struct work *k, const struct lt_quant_job *job, const struct lt_qimages *im, const int *layer,
                         int n, const double *v, double *out, struct lt_err *e) {
    const double *from = v;
    lt_status s;
    if (lt_ui_stop(job->ui)) return lt_fail(e, LT_EINTR, "interrupted while layers were ranked for quantization");
    for (int side = 0; side < 2; side++, from = v) {
        for (int j = 0; j < n; from += n_weights(k->g, layer[j]), j++) {
            int p = lt_quant_weight_param(k->g, layer[j]);
            double step = (side ? -1 : 1) * step_of(job, layer[j], from);
            for (int64_t i = 0; i < k->g->param[p].count; i++)
                k->w->data[p][i] = (float)(job->weights->data[p][i] + step * from[i]);
        }
        if ((s = gradient(k, im, k->grad[side], e))) return s;
    }
    for (int j = 0; j < n; j++) {
        int p = lt_quant_weight_param(k->g, layer[j]);
        int64_t count = k->g->param[p].count;
        double step = step_of(job, layer[j], from);
        for (int64_t i = 0; i < count; i++)
            out[i] = ((double)k->grad[0]->data[p][i] - (double)k->grad[1]->data[p][i]) / (2 * step);
        memcpy(k->w->data[p], job->weights->data[p], (size_t)count * sizeof(float));
        from += count;
        out += count;
    }
    return LT_OK;
}

/* v, hv: of all layers, of work. */
static lt_status trace_joint(struct work *k, const struct lt_quant_job *job, const struct lt_qimages *im,
                             const int *layer, int n, int products, double *v, double *hv, double *out,
                             struct lt_err *e) {
    lt_status s;
    for (int t = 0; t < products; t++) {
        int64_t at = 0;
        for (int j = 0; j < n; at += n_weights(k->g, layer[j]), j++)
            signs(job->seed, layer[j], t, n_weights(k->g, layer[j]), v + at);
        if ((s = product(k, job, im, layer, n, v, hv, e))) return s;
        at = 0;
        for (int j = 0; j < n; at += n_weights(k->g, layer[j]), j++)
            out[j] += dot(v + at, hv + at, n_weights(k->g, layer[j])) / products;
    }
    return LT_OK;
}

/* v, hv: [n] of work; q: [rank][n] of work. */
static lt_status trace_layer(struct work *k, const struct lt_quant_job *job, const struct lt_qimages *im, int layer,
                             int products, double *v, double *hv, double *q, double *out, struct lt_err *e) {
    int rank = 0, used = 0, sketched, probes;
    int64_t n = n_weights(k->g, layer);
    double sum = 0, rest = 0;
    lt_status s;
    if (n <= products) {
        memset(v, 0, (size_t)n * sizeof(*v));
        for (int64_t i = 0; i < n; i++) {
            v[i] = 1;
            if ((s = product(k, job, im, &layer, 1, v, hv, e))) return s;
            sum += hv[i];
            v[i] = 0;
        }
        *out = sum;
        return LT_OK;
    }
    sketched = products / 3 < MAX_RANK ? products / 3 : MAX_RANK;
    for (; used < sketched; used++) {
        double *d = q + rank * n, before, after;
        signs(job->seed, layer, used, n, v);
        if ((s = product(k, job, im, &layer, 1, v, d, e))) return s;
        before = dot(d, d, n);
        deflate(q, rank, n, d);
        after = dot(d, d, n);
        if (!(after > 1e-12 * before)) continue; /* nothing new but rounding */
        for (int64_t i = 0; i < n; i++) d[i] /= sqrt(after);
        rank++;
    }
    for (int j = 0; j < rank; j++) {
        if ((s = product(k, job, im, &layer, 1, q + j * n, hv, e))) return s;
        sum += dot(q + j * n, hv, n);
    }
    probes = products - sketched - rank;
    for (int j = 0; j < probes; j++) {
        signs(job->seed, layer, used++, n, v);
        deflate(q, rank, n, v);
        if ((s = product(k, job, im, &layer, 1, v, hv, e))) return s;
        rest += dot(v, hv, n);
    }
    *out = sum + (probes > 0 ? rest / probes : 0);
    return LT_OK;
}

lt_status lt_quant_hessian_trace(const struct lt_quant_job *job, const struct lt_qimages *im,
                                 enum lt_quant_probing probing, int products, const int *layer, int n, double *trace,
                                 struct lt_err *e) {
    const struct lt_graph *g = job->graph;
    struct work k = {.g = g, .classes = (int)lt_shape_count(&g->node[g->output].out)};
    struct lt_session_opt opt = {.kind = LT_SESSION_TRAIN, .batch = im->n < BATCH ? im->n : BATCH};
    bool joint = probing == LT_QUANT_JOINT;
    int rank = products / 3 < MAX_RANK ? products / 3 : MAX_RANK;
    double *v = NULL, *t = lt_calloc((size_t)(n > 0 ? n : 1), sizeof(*t));
    int64_t room = 1; /* of the largest vector */
    lt_status s;
    for (int j = 0; j < n; j++) {
        int64_t count = n_weights(g, layer[j]);
        if (joint)
            room += count;
        else if (count > room)
            room = count;
    }
    v = lt_malloc((size_t)(joint ? 2 : rank + 2) * (size_t)room * sizeof(*v));
    k.logits = lt_malloc((size_t)k.classes * BATCH * sizeof(float));
    k.dlogits = lt_malloc((size_t)k.classes * BATCH * sizeof(float));
    if (!t || !v || !k.logits || !k.dlogits) {
        s = lt_fail(e, LT_ENOMEM, "Hessian traces: out of memory");
        goto out;
    }
    if ((s = lt_weights_new(g, &k.w, e)) || (s = lt_weights_new(g, &k.grad[0], e)) ||
        (s = lt_weights_new(g, &k.grad[1], e)) || (s = lt_session_new(job->backend, g, &opt, &k.ses, e)))
        goto out;
    for (int i = 0; i < g->n_params; i++)
        memcpy(k.w->data[i], job->weights->data[i], (size_t)g->param[i].count * sizeof(float));
    if (joint && (s = trace_joint(&k, job, im, layer, n, products, v, v + room, t, e))) goto out;
    for (int j = 0; j < n && !joint; j++)
        if ((s = trace_layer(&k, job, im, layer[j], products, v, v + room, v + 2 * room, &t[j], e))) goto out;
    for (int j = 0; j < n; j++) trace[j] = t[j];
out:
    lt_session_free(k.ses);
    lt_weights_free(k.w);
    lt_weights_free(k.grad[0]);
    lt_weights_free(k.grad[1]);
    lt_free(k.logits);
    lt_free(k.dlogits);
    lt_free(v);
    lt_free(t);
    return s;
}

static double images(const struct lt_quant_cfg *cfg, int n) {
    enum { GRADIENTS = 2, PASSES = 3 }; /* a gradient costs about three forward passes */
    return (double)GRADIENTS * PASSES * (double)cfg->probes * (cfg->probing == LT_QUANT_JOINT ? 1 : n) *
           (double)cfg->sensitivity_images;
}

static lt_status score(const struct lt_quant_job *job, const struct lt_quant_cfg *cfg, const int *layer, int n,
                       double *out, struct lt_err *e) {
    struct lt_qimages im = {0};
    double *trace = lt_calloc((size_t)(n > 0 ? n : 1), sizeof(double));
    lt_status s;
    if (!trace) return lt_fail(e, LT_ENOMEM, "Hessian metric: out of memory");
    if (!(s = lt_qimages_load(job, cfg->sensitivity_images, &im, e)) &&
        !(s = lt_quant_hessian_trace(job, &im, (enum lt_quant_probing)cfg->probing, (int)cfg->probes, layer, n, trace,
                                     e)))
        for (int k = 0; k < n; k++) {
            int p = lt_quant_weight_param(job->graph, layer[k]);
            out[k] = fabs(trace[k]) / (double)job->graph->param[p].count * lt_quant_weight_error(job, layer[k]);
        }
    lt_qimages_release(&im);
    lt_free(trace);
    return s;
}

const struct lt_quant_metric_ops lt_quant_metric_hessian = {
    "hessian", "Dong et al., NeurIPS 2020 (HAWQ-V2); Hutchinson 1990; Meyer et al., SOSA 2021", score, images};
