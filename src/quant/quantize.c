/* From a folded f32 network to a plan: which layers int8 makes faster, in which order they may become int8, how many of
 * them. */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "quant/quant_priv.h"

#define MIN_GAIN 0.02 /* a layer must be this much faster in int8; less is within the noise of measuring it */

static const char *const int8_yes = "int8", *const slower = "slower in int8", *const sensitive = "too sensitive",
                         *const unmeasured = "int8 not measured", *const not_allowed = "int8 not allowed";

struct build {
    const struct lt_quant_job *job;
    const struct lt_quant_cfg *cfg;
    struct lt_quant_result r;
    struct lt_qsearch q;
    struct lt_plan *plan;  /* scales of all tensors; is_int8 of the set that ran last */
    int *cand;             /* [q.n] indices into r.layer */
    int *node;             /* [q.n] */
    double *saved, *score; /* [q.n] */
    double *first_score;   /* [q.n] of the metric whose search found the best plan */
    int *order, *best_order;
};

static int64_t layer_macs(const struct lt_graph *g, int i) {
    const struct lt_param *p = &g->param[lt_quant_weight_param(g, i)];
    return p->count * g->node[i].out.d[2] * g->node[i].out.d[3];
}

static const struct lt_quant_gain *gain_of(const struct lt_quant_job *job, int node) {
    for (int i = 0; i < job->n_gain && job->gain; i++)
        if (job->gain[i].node == node) return &job->gain[i];
    return NULL;
}

/* All CONV and LINEAR nodes, and what can be said of them before any evaluation. reason NULL = a candidate. */
static lt_status list_layers(struct build *b, struct lt_err *e) {
    const struct lt_graph *g = b->job->graph;
    bool forced = !(b->cfg->formats & LT_QUANT_F32), allowed = b->cfg->formats & LT_QUANT_INT8;
    size_t most = (size_t)(g->n_nodes > 0 ? g->n_nodes : 1);
    if (!(b->r.layer = lt_calloc(most, sizeof(*b->r.layer))))
        return lt_fail(e, LT_ENOMEM, "layers of %s: out of memory", g->name);
    for (int i = 0; i < g->n_nodes; i++) {
        if (g->node[i].op != LT_OP_CONV && g->node[i].op != LT_OP_LINEAR) continue;
        const struct lt_quant_gain *k = gain_of(b->job, i);
        struct lt_quant_layer *l = &b->r.layer[b->r.n_layers++];
        *l = (struct lt_quant_layer){
            .node = i, .sensitivity = NAN, .f32_s = k ? k->f32_s : NAN, .int8_s = k ? k->int8_s : NAN};
        if (!allowed)
            l->reason = not_allowed;
        else if (forced)
            l->reason = NULL;
        else if (b->job->gain)
            l->reason = !k || !isfinite(k->f32_s) || !isfinite(k->int8_s) ? unmeasured
                        : k->int8_s < k->f32_s * (1 - MIN_GAIN)           ? NULL
                                                                          : slower;
        else
            l->reason = g->node[i].op == LT_OP_CONV && g->node[i].groups > 1 ? unmeasured : NULL;
    }
    return LT_OK;
}

static lt_status run_set(struct lt_qsearch *q, const uint8_t *on, int *n_correct, struct lt_err *e) {
    struct build *b = q->arg;
    memset(b->plan->is_int8, 0, (size_t)b->plan->n_nodes);
    for (int i = 0; i < q->n; i++) b->plan->is_int8[b->node[i]] = on[i];
    return lt_quant_accuracy(b->job->backend, b->job->graph, b->job->weights, b->plan, b->job->validation, q->n_images,
                             n_correct, q->correct, NULL, e);
}

static lt_status list_candidates(struct build *b, struct lt_err *e) {
    size_t most = (size_t)(b->r.n_layers > 0 ? b->r.n_layers : 1);
    b->cand = lt_calloc(most, sizeof(int));
    b->node = lt_calloc(most, sizeof(int));
    b->order = lt_calloc(most, sizeof(int));
    b->best_order = lt_calloc(most, sizeof(int));
    b->saved = lt_calloc(most, sizeof(double));
    b->score = lt_calloc(most, sizeof(double));
    b->first_score = lt_calloc(most, sizeof(double));
    b->q.best = lt_calloc(most, 1);
    if (!b->cand || !b->node || !b->order || !b->best_order || !b->saved || !b->score || !b->first_score || !b->q.best)
        return lt_fail(e, LT_ENOMEM, "quantization search: out of memory");
    b->q.base_s = b->job->gain ? 0 : NAN;
    for (int i = 0; i < b->r.n_layers; i++) {
        const struct lt_quant_layer *l = &b->r.layer[i];
        if (b->job->gain && isfinite(l->f32_s)) b->q.base_s += l->f32_s;
        if (l->reason) continue;
        double s = b->job->gain ? l->f32_s - l->int8_s : (double)layer_macs(b->job->graph, l->node);
        b->cand[b->q.n] = i;
        b->node[b->q.n] = l->node;
        b->saved[b->q.n++] = isfinite(s) ? s : 0; /* only forced layers can have none, or lose */
    }
    b->q.run = run_set;
    b->q.arg = b;
    b->q.ui = b->job->ui;
    b->q.cfg = b->cfg;
    b->q.saved = b->saved;
    return LT_OK;
}

static lt_status evaluate_f32(struct build *b, struct lt_err *e) {
    const struct lt_data *v = b->job->validation;
    struct lt_qsearch *q = &b->q;
    lt_status s;
    q->n_images = b->cfg->eval_images > 0 && b->cfg->eval_images < v->n ? (int)b->cfg->eval_images : v->n;
    if (q->n_images < 1) return lt_fail(e, LT_EINVAL, "quantization needs validation images, and there are none");
    q->f32_correct = lt_calloc((size_t)q->n_images, 1);
    q->correct = lt_calloc((size_t)q->n_images, 1);
    if (!q->f32_correct || !q->correct) return lt_fail(e, LT_ENOMEM, "quantization search: out of memory");
    if ((s = lt_quant_accuracy(b->job->backend, b->job->graph, b->job->weights, NULL, v, q->n_images, &q->f32_n_correct,
                               q->f32_correct, NULL, e)))
        return s;
    b->r.f32_accuracy = (double)q->f32_n_correct / q->n_images;
    return LT_OK;
}

static lt_status search_one(struct build *b, const struct lt_quant_metric_ops *m, struct lt_err *e) {
    double before = b->q.have_best ? b->q.best_saved : -INFINITY;
    bool had = b->q.have_best, first = b->q.n_seen == 0;
    lt_status s;
    if ((s = m->score(b->job, b->cfg, b->node, b->q.n, b->score, e)) ||
        (s = lt_quant_order(b->score, b->saved, b->q.n, b->order, e)))
        return s;
    if (b->cfg->search == LT_QUANT_GREEDY) {
        struct lt_qsearch *q = &b->q;
        q->have_best = false; /* each metric's search starts from f32; the best of all is put back below */
        uint8_t *keep = lt_malloc((size_t)q->n);
        int keep_correct = q->best_n_correct;
        if (!keep) return lt_fail(e, LT_ENOMEM, "greedy search: out of memory");
        memcpy(keep, q->best, (size_t)q->n);
        s = lt_qsearch_greedy(q, b->order, q->n, e);
        if (!s && had && (!q->have_best || q->best_saved < before)) {
            memcpy(q->best, keep, (size_t)q->n);
            q->best_saved = before;
            q->best_n_correct = keep_correct;
            q->have_best = true;
        }
        lt_free(keep);
    } else {
        s = lt_qsearch_bisect(&b->q, b->order, e);
    }
    if (!s && (first || (b->q.have_best && b->q.best_saved > before))) {
        memcpy(b->first_score, b->score, (size_t)b->q.n * sizeof(double));
        memcpy(b->best_order, b->order, (size_t)b->q.n * sizeof(int));
    }
    return s;
}

static lt_status search_all(struct build *b, struct lt_err *e) {
    unsigned metrics = b->cfg->metric ? b->cfg->metric : 1;
    int n = 0, done = 0;
    lt_status s;
    if (!(b->cfg->formats & LT_QUANT_F32)) { /* int8 everywhere, or not at all */
        bool accepted;
        uint8_t *on = lt_malloc((size_t)b->q.n);
        if (!on) return lt_fail(e, LT_ENOMEM, "quantization search: out of memory");
        memset(on, 1, (size_t)b->q.n);
        s = lt_qsearch_try(&b->q, on, &accepted, e);
        lt_free(on);
        return s;
    }
    for (int i = 0; i < lt_quant_metric_count(); i++) n += metrics >> i & 1;
    for (int i = 0; i < lt_quant_metric_count(); i++) {
        if (!(metrics >> i & 1)) continue;
        lt_ui_progress(b->job->ui, "quantize", done++, n, lt_quant_metric_at(i)->name);
        if ((s = search_one(b, lt_quant_metric_at(i), e))) return s;
    }
    lt_ui_progress(b->job->ui, "quantize", n, n, NULL);
    return b->cfg->search == LT_QUANT_BISECTION ? lt_qsearch_greedy(&b->q, b->best_order, b->cfg->refine, e) : LT_OK;
}

/* The found plan, or the untouched f32 model, and a word about every layer. */
static void conclude(struct build *b) {
    struct lt_qsearch *q = &b->q;
    struct lt_plan *p = b->plan;
    memset(p->is_int8, 0, (size_t)p->n_nodes);
    b->r.met = q->have_best;
    b->r.accuracy = q->have_best ? (double)q->best_n_correct / q->n_images : b->r.f32_accuracy;
    for (int k = 0; k < q->n; k++) {
        struct lt_quant_layer *l = &b->r.layer[b->cand[k]];
        l->int8 = q->have_best && q->best[k];
        l->reason = l->int8 ? int8_yes : sensitive;
        l->sensitivity = b->first_score[k];
        p->is_int8[l->node] = l->int8;
    }
    b->r.plan = p;
    b->r.n_evals = q->n_seen;
    b->r.eval = q->eval;
    b->plan = NULL;
    q->eval = NULL;
}

/* Scales of tensors that no int8 layer reads are dropped: a plan says what is done, not what was considered. */
static void drop_unused_scales(const struct lt_graph *g, struct lt_plan *p) {
    for (int i = 0; i < g->n_nodes; i++) {
        bool used = false;
        for (int j = 0; j < g->n_nodes; j++) used |= p->is_int8[j] && g->node[j].in[0] == i;
        if (!used) p->out[i] = (struct lt_qparam){0};
    }
}

lt_status lt_quantize(const struct lt_quant_job *job, const struct lt_quant_cfg *cfg, struct lt_quant_result *out,
                      struct lt_err *e) {
    struct build b = {.job = job, .cfg = cfg};
    lt_status s;
    if (job->weight_qmax < 1 || job->weight_qmax > 127)
        return lt_fail(e, LT_EINVAL, "weight_qmax %d is outside 1..127", job->weight_qmax);
    if (!(cfg->formats & (LT_QUANT_INT8 | LT_QUANT_F32)))
        return lt_fail(e, LT_EINVAL, "quantize: formats is empty; it may hold int8 and f32");
    if ((s = list_layers(&b, e)) || (s = list_candidates(&b, e)) || (s = lt_plan_new(job->graph, &b.plan, e)) ||
        (s = evaluate_f32(&b, e)))
        goto out;
    b.plan->weight_qmax = job->weight_qmax;
    if (b.q.n > 0 && ((s = lt_quant_observe(job, cfg, b.plan, e)) || (s = search_all(&b, e)))) goto out;
    conclude(&b);
    drop_unused_scales(job->graph, b.r.plan);
    *out = b.r;
    memset(&b.r, 0, sizeof(b.r));
out:
    lt_quant_result_release(&b.r);
    lt_plan_free(b.plan);
    lt_free(b.q.f32_correct);
    lt_free(b.q.correct);
    lt_free(b.q.best);
    lt_qsearch_release(&b.q);
    lt_free(b.cand);
    lt_free(b.node);
    lt_free(b.order);
    lt_free(b.best_order);
    lt_free(b.saved);
    lt_free(b.score);
    lt_free(b.first_score);
    return s;
}

double lt_quant_images(const struct lt_quant_cfg *cfg, int layers, int n_validation) {
    enum { KEPT = 2 }; /* a pass whose every tensor is kept and counted costs about two */
    double each = cfg->eval_images > 0 && cfg->eval_images < n_validation ? (double)cfg->eval_images : n_validation;
    double evals = 1, images = (double)KEPT * (double)cfg->calib_images; /* f32, and the observers */
    unsigned metrics = cfg->metric ? cfg->metric : 1;
    if (layers < 1 || !(cfg->formats & LT_QUANT_INT8)) return each;
    if (!(cfg->formats & LT_QUANT_F32)) return images + 2 * each;
    for (int i = 0; i < lt_quant_metric_count(); i++) {
        const struct lt_quant_metric_ops *m = lt_quant_metric_at(i);
        if (!(metrics >> i & 1)) continue;
        evals += cfg->search == LT_QUANT_GREEDY ? layers : floor(log2(layers)) + 1;
        if (m->images) images += m->images(cfg, layers);
    }
    if (cfg->search == LT_QUANT_BISECTION) evals += cfg->refine < layers ? (double)cfg->refine : layers;
    return images + evals * each;
}

void lt_quant_result_release(struct lt_quant_result *r) {
    if (!r) return;
    lt_plan_free(r->plan);
    lt_free(r->layer);
    lt_free(r->eval);
    memset(r, 0, sizeof(*r));
}
