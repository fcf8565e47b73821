/* Runs a folded graph over images: accuracy, activation ranges, and the image sets that the metrics use. */
#include <string.h>
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "quant/quant_priv.h"

#define BATCH 64

lt_status lt_quant_draw(const struct lt_data *part, int64_t n, uint64_t seed, int32_t **item, int *n_out,
                        struct lt_err *e) {
    struct lt_rng r;
    int32_t *v = lt_malloc((size_t)(part->n > 0 ? part->n : 1) * sizeof(*v));
    if (!v) return lt_fail(e, LT_ENOMEM, "calibration images: out of memory");
    for (int i = 0; i < part->n; i++) v[i] = i;
    lt_rng_at(&r, seed, LT_RNG_QUANT, 0, 0);
    lt_rng_shuffle(&r, v, part->n);
    *item = v;
    *n_out = n < part->n ? (int)n : part->n;
    return LT_OK;
}

lt_status lt_qimages_load(const struct lt_quant_job *job, int64_t n, struct lt_qimages *out, struct lt_err *e) {
    const struct lt_shape *in = &job->graph->node[0].out;
    struct lt_qimages q = {.per = lt_shape_count(in), .classes = job->calib->classes};
    int32_t *item = NULL;
    lt_status s = lt_quant_draw(job->calib, n, job->seed, &item, &q.n, e);
    if (s) return s;
    q.x = lt_malloc((size_t)(q.n > 0 ? q.n : 1) * (size_t)q.per * sizeof(float));
    q.label = lt_malloc((size_t)(q.n > 0 ? q.n : 1));
    if (!q.x || !q.label) {
        lt_qimages_release(&q);
        s = lt_fail(e, LT_ENOMEM, "calibration images: out of memory");
    } else {
        lt_data_batch(job->calib, item, q.n, (int)in->d[2], NULL, q.x, q.label);
        *out = q;
    }
    lt_free(item);
    return s;
}

void lt_qimages_release(struct lt_qimages *q) {
    lt_free(q->x);
    lt_free(q->label);
    memset(q, 0, sizeof(*q));
}

/* Calls `each` after the forward pass of every batch. */
struct pass {
    struct lt_session *session;
    float *x, *logits;
    uint8_t *label;
    int first, n; /* of this batch */
};
typedef lt_status (*batch_fn)(void *arg, const struct pass *p, struct lt_err *e);

static lt_status run_over(struct lt_backend *b, const struct lt_graph *g, const struct lt_weights *w,
                          const struct lt_plan *plan, bool keep, const struct lt_data *part, const int32_t *item, int n,
                          batch_fn each, void *arg, struct lt_err *e) {
    const struct lt_shape *in = &g->node[0].out;
    struct lt_session_opt opt = {.kind = LT_SESSION_INFER, .batch = n < BATCH ? n : BATCH, .plan = plan, .keep = keep};
    struct pass p = {0};
    lt_status s;
    if (part->channels != in->d[1])
        return lt_fail(e, LT_EINVAL, "%s: takes %lld channels, the data has %d", g->name, (long long)in->d[1],
                       part->channels);
    p.x = lt_malloc((size_t)lt_shape_count(in) * BATCH * sizeof(float));
    p.logits = lt_malloc((size_t)lt_shape_count(&g->node[g->output].out) * BATCH * sizeof(float));
    p.label = lt_malloc(BATCH);
    if (!p.x || !p.logits || !p.label) {
        s = lt_fail(e, LT_ENOMEM, "evaluation of %s: out of memory", g->name);
        goto out;
    }
    if ((s = lt_session_new(b, g, &opt, &p.session, e)) || (s = lt_session_weights(p.session, w, e))) goto out;
    for (p.first = 0; p.first < n; p.first += p.n) {
        p.n = n - p.first < BATCH ? n - p.first : BATCH;
        lt_data_batch(part, item + p.first, p.n, (int)in->d[2], NULL, p.x, p.label);
        if ((s = lt_session_forward(p.session, p.x, p.n, LT_BN_RUNNING, p.logits, e)) || (s = each(arg, &p, e)))
            goto out;
    }
out:
    lt_session_free(p.session);
    lt_free(p.x);
    lt_free(p.logits);
    lt_free(p.label);
    return s;
}

struct tally {
    int classes, n_correct;
    uint8_t *correct;
    double loss;
};

static lt_status count(void *arg, const struct pass *p, struct lt_err *e) {
    struct tally *t = arg;
    (void)e;
    for (int i = 0; i < p->n; i++) {
        const float *row = p->logits + (int64_t)i * t->classes;
        int best = 0;
        for (int k = 1; k < t->classes; k++)
            if (row[k] > row[best]) best = k;
        uint8_t right = best == p->label[i];
        t->n_correct += right;
        if (t->correct) t->correct[p->first + i] = right;
    }
    t->loss += p->n * lt_softmax_xent(p->logits, p->label, NULL, p->n, t->classes, 0, 1, NULL);
    return LT_OK;
}

lt_status lt_quant_accuracy(struct lt_backend *b, const struct lt_graph *folded, const struct lt_weights *w,
                            const struct lt_plan *plan, const struct lt_data *part, int n, int *n_correct,
                            uint8_t *correct, double *mean_loss, struct lt_err *e) {
    struct tally t = {.classes = (int)lt_shape_count(&folded->node[folded->output].out), .correct = correct};
    int32_t *item;
    lt_status s;
    if (n < 1 || n > part->n)
        return lt_fail(e, LT_EINVAL, "evaluation of %s: %d images wanted, the part has %d", folded->name, n, part->n);
    if (!(item = lt_malloc((size_t)n * sizeof(*item))))
        return lt_fail(e, LT_ENOMEM, "evaluation of %s: out of memory", folded->name);
    for (int i = 0; i < n; i++) item[i] = i;
    if (!(s = run_over(b, folded, w, plan, false, part, item, n, count, &t, e))) {
        *n_correct = t.n_correct;
        if (mean_loss) *mean_loss = t.loss / n;
    }
    lt_free(item);
    return s;
}

struct watch {
    const struct lt_graph *g;
    struct lt_observer **o; /* [n_nodes], NULL where nothing reads */
};

/* A FLATTEN is only a name for its input's values, and the network's input may not be kept: look where the values are.
 */
static lt_status look(void *arg, const struct pass *p, struct lt_err *e) {
    const struct watch *a = arg;
    for (int i = 0; i < a->g->n_nodes; i++) {
        const float *v;
        int from = i;
        if (!a->o[i]) continue;
        while (!(v = lt_session_tap(p->session, from)) && lt_op_renames(a->g->node[from].op))
            from = a->g->node[from].in[0];
        if (!v && a->g->node[from].op == LT_OP_INPUT) v = p->x;
        if (!v)
            return lt_fail(e, LT_EFAIL, "%s: the runtime did not keep the values of %s", a->g->name,
                           a->g->node[i].name);
        if (!lt_observer_add(a->o[i], v, p->n * lt_shape_count(&a->g->node[i].out)))
            return lt_fail(e, LT_EINVAL, "%s: the values of %s are not finite on calibration images", a->g->name,
                           a->g->node[i].name);
    }
    return LT_OK;
}

lt_status lt_quant_observe(const struct lt_quant_job *job, const struct lt_quant_cfg *cfg, struct lt_plan *plan,
                           struct lt_err *e) {
    const struct lt_graph *g = job->graph;
    struct watch a = {.g = g, .o = lt_calloc((size_t)g->n_nodes, sizeof(*a.o))};
    int32_t *item = NULL;
    int n;
    lt_status s = LT_OK;
    if (!a.o) return lt_fail(e, LT_ENOMEM, "observers: out of memory");
    for (int i = 0; i < g->n_nodes; i++) {
        int in = g->node[i].in[0];
        if ((g->node[i].op != LT_OP_CONV && g->node[i].op != LT_OP_LINEAR) || a.o[in]) continue;
        if (!(a.o[in] = lt_malloc(sizeof(**a.o)))) {
            s = lt_fail(e, LT_ENOMEM, "observers: out of memory");
            goto out;
        }
        lt_observer_init(a.o[in]);
    }
    if ((s = lt_quant_draw(job->calib, cfg->calib_images, job->seed, &item, &n, e))) goto out;
    if (n < 1) {
        s = lt_fail(e, LT_EINVAL, "calibration needs at least one image");
        goto out;
    }
    if ((s = run_over(job->backend, g, job->weights, NULL, true, job->calib, item, n, look, &a, e))) goto out;
    for (int i = 0; i < g->n_nodes; i++)
        plan->out[i] = a.o[i] ? lt_observer_qparam(a.o[i], (enum lt_quant_observer)cfg->observer, cfg->percentile)
                              : (struct lt_qparam){0};
out:
    for (int i = 0; i < g->n_nodes; i++) lt_free(a.o[i]);
    lt_free(a.o);
    lt_free(item);
    return s;
}
