/*
 * A subnetwork's accuracy: its parameters as views, batch-norm statistics recalibrated on training images by forward
 * passes, batch norm folded, inference. Nothing is written to the supernet, so no subnetwork's evaluation can change
 * another's.
 */
#include "supernet/supernet_priv.h"
#include "lathe/mem.h"
#include <math.h>
#include <string.h>

enum { CALIB_BATCH = 64, EVAL_BATCH = 100 };

/* n different items of [0, total), drawn by the seed. */
static void draw_items(uint64_t seed, int32_t total, int32_t n, int32_t *work /* [total] */) {
    struct lt_rng r;
    lt_rng_at(&r, seed, LT_RNG_CALIBRATE, 0, 0);
    for (int32_t i = 0; i < total; i++) work[i] = i;
    for (int32_t i = 0; i < n; i++) {
        int32_t j = i + (int32_t)lt_rng_below(&r, (uint32_t)(total - i)), swap = work[i];
        work[i] = work[j];
        work[j] = swap;
    }
}

/* Running sums of the pooled statistics: of n * mean and of n * (variance + mean^2), in doubles, parallel to the
 * weights' storage. */
struct pool {
    double *mean, *square;
};

static void pool_add(const struct lt_graph *g, const struct lt_weights *batch, int n, struct pool *p) {
    int64_t at = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct lt_node *node = &g->node[i];
        if (node->op != LT_OP_BN) continue;
        const float *mean = batch->data[node->param[2]], *var = batch->data[node->param[3]];
        for (int64_t c = 0; c < g->param[node->param[2]].count; c++, at++) {
            p->mean[at] += n * (double)mean[c];
            p->square[at] += n * ((double)var[c] + (double)mean[c] * mean[c]);
        }
    }
}

/* Mean and unbiased variance over all n images and positions, as one pass over them would give. */
static void pool_finish(const struct lt_graph *g, const struct pool *p, int n, struct lt_weights *w) {
    int64_t at = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct lt_node *node = &g->node[i];
        if (node->op != LT_OP_BN) continue;
        double count = (double)n * (double)(node->out.d[2] * node->out.d[3]);
        for (int64_t c = 0; c < g->param[node->param[2]].count; c++, at++) {
            double mean = p->mean[at] / n, var = p->square[at] / n - mean * mean;
            w->data[node->param[2]][c] = (float)mean;
            w->data[node->param[3]][c] = (float)(fmax(var, 0) * (count > 1 ? count / (count - 1) : 1));
        }
    }
}

static lt_status recalibrate(struct lt_backend *b, const struct lt_graph *g, struct lt_weights *w,
                             const struct lt_data *train, int n, uint64_t seed, struct lt_err *e) {
    int res = (int)g->node[0].out.d[2], batches = (n + CALIB_BATCH - 1) / CALIB_BATCH;
    int64_t features = 0;
    struct lt_session *s = NULL;
    struct lt_weights *stats = NULL;
    struct pool p = {0};
    lt_status st;
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i].op == LT_OP_BN) features += g->param[g->node[i].param[2]].count;
    int32_t *item = lt_malloc((size_t)train->n * sizeof(*item));
    float *x = lt_aligned((size_t)CALIB_BATCH * train->channels * res * res * sizeof(float));
    p.mean = lt_calloc((size_t)features + 1, sizeof(*p.mean));
    p.square = lt_calloc((size_t)features + 1, sizeof(*p.square));
    if (!item || !x || !p.mean || !p.square) {
        st = lt_fail(e, LT_ENOMEM, "recalibration of '%s'", g->name);
        goto out;
    }
    draw_items(seed, train->n, n, item);
    if ((st = lt_weights_new(g, &stats, e)) ||
        (st = lt_session_new(
             b, g, &(struct lt_session_opt){.kind = LT_SESSION_TRAIN, .batch = CALIB_BATCH, .forward_only = true}, &s,
             e)) ||
        (st = lt_session_weights(s, w, e)))
        goto out;
    for (int k = 0; k < batches; k++) {
        /* equal parts, so that no batch is too small to have a variance */
        int from = (int)((int64_t)n * k / batches), to = (int)((int64_t)n * (k + 1) / batches);
        lt_data_batch(train, item + from, to - from, res, NULL, x, NULL);
        memset(stats->storage, 0, (size_t)stats->count * sizeof(float));
        if ((st = lt_session_forward(s, x, to - from, LT_BN_BATCH, NULL, e)) || (st = lt_session_bn_stats(s, stats, e)))
            goto out;
        pool_add(g, stats, to - from, &p);
    }
    pool_finish(g, &p, n, w);
out:
    lt_session_free(s);
    lt_weights_free(stats);
    lt_free(item);
    lt_free(x);
    lt_free(p.mean);
    lt_free(p.square);
    return st;
}

lt_status lt_supernet_subnet(const struct lt_supernet *sn, struct lt_backend *b, const struct lt_arch *a,
                             const struct lt_data *train, int calib_images, uint64_t seed, struct lt_graph **out_g,
                             struct lt_weights **out_w, struct lt_err *e) {
    struct lt_graph *g = NULL;
    struct lt_weights *w = NULL;
    int n = calib_images < train->n ? calib_images : train->n;
    lt_status st;
    if (n < 1) return lt_fail(e, LT_EINVAL, "recalibration on %d images: expected at least 1", calib_images);
    if (train->channels != lt_space_input_channels(sn->space))
        return lt_fail(e, LT_EINVAL, "data: images have %d channels, space '%s' expects %d", train->channels,
                       lt_space_name(sn->space), lt_space_input_channels(sn->space));
    if ((st = lt_space_expand(sn->space, a, &g, e)) || (st = lt_weights_new(g, &w, e)) ||
        (st = lt_supernet_gather(sn, g, w, e)) || (st = recalibrate(b, g, w, train, n, seed, e)))
        goto out;
    *out_g = g;
    *out_w = w;
    g = NULL;
    w = NULL;
out:
    lt_graph_free(g);
    lt_weights_free(w);
    return st;
}

lt_status lt_evaluate_graph(struct lt_backend *b, const struct lt_graph *folded, const struct lt_weights *w,
                            const struct lt_plan *plan, const struct lt_data *part, int n, int *n_correct,
                            uint8_t *correct, double *mean_loss, struct lt_err *e) {
    int res = (int)folded->node[0].out.d[2], classes = (int)folded->node[folded->output].out.d[1], hits = 0;
    bool probabilities = folded->node[folded->output].op == LT_OP_SOFTMAX;
    double loss = 0;
    struct lt_session *s = NULL;
    lt_status st;
    if (part->channels != folded->node[0].out.d[1] || part->classes > classes)
        return lt_fail(e, LT_EINVAL, "graph '%s' takes %lld channels and gives %d classes, the data have %d and %d",
                       folded->name, (long long)folded->node[0].out.d[1], classes, part->channels, part->classes);
    if (n > part->n) n = part->n;
    if (n < 1) return lt_fail(e, LT_EINVAL, "evaluation of graph '%s' on no images", folded->name);
    float *x = lt_aligned((size_t)EVAL_BATCH * part->channels * res * res * sizeof(float));
    float *logits = lt_aligned((size_t)EVAL_BATCH * classes * sizeof(float));
    if (!x || !logits) {
        st = lt_fail(e, LT_ENOMEM, "evaluation of graph '%s'", folded->name);
        goto out;
    }
    if ((st = lt_session_new(b, folded,
                             &(struct lt_session_opt){.kind = LT_SESSION_INFER, .batch = EVAL_BATCH, .plan = plan}, &s,
                             e)) ||
        (st = lt_session_weights(s, w, e)))
        goto out;
    for (int from = 0; from < n; from += EVAL_BATCH) {
        int count = n - from < EVAL_BATCH ? n - from : EVAL_BATCH;
        int32_t item[EVAL_BATCH];
        uint8_t label[EVAL_BATCH];
        for (int i = 0; i < count; i++) item[i] = from + i;
        lt_data_batch(part, item, count, res, NULL, x, label);
        if ((st = lt_session_forward(s, x, count, LT_BN_RUNNING, logits, e))) goto out;
        for (int i = 0; i < count; i++) {
            const float *v = logits + (int64_t)i * classes;
            int best = 0;
            double z = 0;
            for (int c = 1; c < classes; c++)
                if (v[c] > v[best]) best = c;
            for (int c = 0; c < classes && !probabilities; c++) z += exp((double)v[c] - v[best]);
            loss += probabilities ? -log(fmax(v[label[i]], 1e-30)) : log(z) + v[best] - v[label[i]];
            hits += best == label[i];
            if (correct) correct[from + i] = best == label[i];
        }
    }
    *n_correct = hits;
    if (mean_loss) *mean_loss = loss / n;
out:
    lt_session_free(s);
    lt_free(x);
    lt_free(logits);
    return st;
}

lt_status lt_supernet_evaluate(const struct lt_supernet *sn, struct lt_backend *b, const struct lt_arch *a,
                               const struct lt_data *train, const struct lt_data *validation, int calib_images,
                               int eval_images, uint64_t seed, double *accuracy, struct lt_err *e) {
    struct lt_graph *g = NULL, *folded = NULL;
    struct lt_weights *w = NULL, *folded_w = NULL;
    int n = eval_images < validation->n ? eval_images : validation->n, hits;
    lt_status st;
    if ((st = lt_supernet_subnet(sn, b, a, train, calib_images, seed, &g, &w, e)) ||
        (st = lt_graph_fold_bn(g, w, &folded, &folded_w, e)) ||
        (st = lt_evaluate_graph(b, folded, folded_w, NULL, validation, n, &hits, NULL, NULL, e)))
        goto out;
    *accuracy = (double)hits / n;
out:
    lt_graph_free(g);
    lt_weights_free(w);
    lt_graph_free(folded);
    lt_weights_free(folded_w);
    return st;
}
