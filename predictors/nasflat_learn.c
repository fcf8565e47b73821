/* NASFLAT: learning from the training devices, and tuning to a new one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/ui.h"
#include "predictors/nasflat_priv.h"

#define DROPOUT 0.1
enum { PAIRS = 4, ROUND_ORDER = 1 << 20, ROUND_TUNE = 1 << 24, FOLDS = 5, HW = 8 };

/* What a training needs besides the data. */
struct trainer {
    const struct nasflat *f;
    struct nasflat_net net;
    float *theta, *grad, *sum;
    struct lt_nn_adam adam;
    struct lt_rng rng;
};

static lt_status trainer_new(const struct nasflat *f, int slots, struct trainer *t, struct lt_err *e) {
    lt_status s;
    size_t n;

    *t = (struct trainer){.f = f};
    if ((s = nasflat_network(f, slots, NASFLAT_CHUNK, true, LT_NN_GRADIENT, &t->net, e))) return s;
    n = (size_t)lt_nn_n_params(t->net.nn);
    t->adam = (struct lt_nn_adam){.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 1e-5, .n = (int)n};
    t->adam.m = lt_aligned(5 * n * sizeof(float));
    if (!t->adam.m) return lt_fail(e, LT_ENOMEM, "predictor 'nasflat': out of memory for %zu weights", n);
    memset(t->adam.m, 0, 5 * n * sizeof(float));
    t->adam.v = t->adam.m + n;
    t->grad = t->adam.m + 2 * n;
    t->sum = t->adam.m + 3 * n;
    t->theta = t->adam.m + 4 * n;
    return LT_OK;
}

static void trainer_release(struct trainer *t) {
    nasflat_network_release(&t->net);
    lt_free(t->adam.m);
}

/* Adds the gradient of one chunk's pairs, times share; latencies of the `n` architectures that have been put. */
static void chunk(struct trainer *t, const double *latency_s, int n, double share) {
    float rank[NASFLAT_CHUNK]; /* what is compared, whatever the unit */
    int32_t pair[2 * PAIRS * NASFLAT_CHUNK], all[NASFLAT_CHUNK * (NASFLAT_CHUNK - 1)],
        index[NASFLAT_CHUNK * NASFLAT_CHUNK];
    int n_all = 0, n_pairs;
    struct lt_nn *nn = t->net.nn;

    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) {
            if (latency_s[i] == latency_s[j]) continue;
            all[2 * n_all] = i;
            all[2 * n_all + 1] = j;
            index[n_all] = n_all;
            n_all++;
        }
    n_pairs = n_all < PAIRS * n ? n_all : PAIRS * n;
    if (!n_pairs) return;
    for (int i = 0; i < n; i++) {
        rank[i] = 0;
        for (int j = 0; j < n; j++) rank[i] += latency_s[j] < latency_s[i];
    }
    for (int i = 0; i < n_pairs; i++) {
        int k = i + (int)lt_rng_below(&t->rng, (uint32_t)(n_all - i)), p = index[k];

        index[k] = index[i];
        pair[2 * i] = all[2 * p];
        pair[2 * i + 1] = all[2 * p + 1];
    }
    for (int k = 0; k < 3; k++) {
        float *keep = lt_nn_value(nn, t->net.drop[k]);

        for (int i = 0; i < n * lt_nn_cols(nn, t->net.drop[k]); i++)
            keep[i] = lt_rng_u32(&t->rng) < (uint32_t)(DROPOUT * 4294967296.0) ? 0 : (float)(1 / (1 - DROPOUT));
    }
    lt_nn_forward(nn, n, t->theta);
    lt_nn_hinge(nn, rank, pair, n_pairs, t->f->cfg->margin);
    lt_nn_backward(nn, t->theta, t->grad);
    for (int i = 0; i < t->adam.n; i++) t->sum[i] += (float)share * t->grad[i];
}

static void step(struct trainer *t, double rate) {
    t->adam.rate = rate;
    lt_nn_adam_step(&t->adam, t->sum, t->theta);
    memset(t->sum, 0, (size_t)t->adam.n * sizeof(*t->sum));
}

/* ---- training devices ---- */

struct source {
    int n; /* usable rows */
    int32_t *row;
};

/* Chunks of one device each, in random order; a batch is several chunks. */
static lt_status learn(struct trainer *t, const struct lt_meta *m, struct source *source, struct lt_err *e) {
    const struct nasflat_config *c = t->f->cfg;
    int per_batch = (int)(c->batch + NASFLAT_CHUNK - 1) / NASFLAT_CHUNK, n = 0, done = 0, epochs = (int)c->epochs;
    int32_t *order;

    for (int d = 0; d < m->n_devices; d++) n += (source[d].n + NASFLAT_CHUNK - 1) / NASFLAT_CHUNK;
    if (!(order = lt_malloc((size_t)n * sizeof(*order))))
        return lt_fail(e, LT_ENOMEM, "predictor 'nasflat': out of memory");
    for (int k = 0; k < epochs; k++) {
        int at = 0;

        if (lt_ui_stop(m->ui)) {
            lt_free(order);
            return lt_fail(e, LT_EINTR, "predictor 'nasflat': stopped in epoch %d of %d", k, epochs);
        }
        lt_rng_at(&t->rng, t->f->seed, LT_RNG_SHUFFLE, ROUND_ORDER, (uint64_t)k);
        for (int d = 0; d < m->n_devices; d++) {
            lt_rng_shuffle(&t->rng, source[d].row, source[d].n);
            for (int i = 0; i < source[d].n; i += NASFLAT_CHUNK) order[at++] = d << 20 | i / NASFLAT_CHUNK;
        }
        lt_rng_shuffle(&t->rng, order, n);
        for (int i = 0; i < n; i++) {
            const struct source *v = &source[order[i] >> 20];
            int from = (order[i] & 0xfffff) * NASFLAT_CHUNK,
                count = v->n - from < NASFLAT_CHUNK ? v->n - from : NASFLAT_CHUNK;
            double y[NASFLAT_CHUNK];

            for (int j = 0; j < count; j++) {
                y[j] = m->set->device[m->device[order[i] >> 20]].latency_s[v->row[from + j]];
                nasflat_put(t->f, &t->net, j, &m->set->arch[v->row[from + j]], order[i] >> 20);
            }
            chunk(t, y, count, 1.0 / per_batch);
            if (++done % per_batch == 0 || i == n - 1) step(t, lt_nn_cosine(c->rate, 1e-6, k, epochs));
        }
        lt_ui_progress(m->ui, "learning from devices", k + 1, epochs, NULL);
    }
    lt_free(order);
    return LT_OK;
}

static lt_status choose_rows(const struct nasflat *f, const struct lt_meta *m, struct source *source,
                             struct lt_err *e) {
    int most = f->cfg->samples ? (int)f->cfg->samples : f->view->cell ? 512 : 800;

    for (int d = 0; d < m->n_devices; d++) {
        struct source *v = &source[d];
        struct lt_rng r;

        if (!(v->row = lt_malloc((size_t)m->n_rows * sizeof(*v->row))))
            return lt_fail(e, LT_ENOMEM, "predictor 'nasflat': out of memory");
        for (int i = 0; i < m->n_rows; i++)
            if (m->set->device[m->device[d]].latency_s[m->row[i]] > 0) v->row[v->n++] = m->row[i];
        lt_rng_at(&r, f->seed, LT_RNG_SHUFFLE, ROUND_ORDER - 1, (uint64_t)d);
        lt_rng_shuffle(&r, v->row, v->n);
        if (v->n > most) v->n = most;
    }
    return LT_OK;
}

static bool all_finite(const float *x, int n) {
    for (int i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

lt_status nasflat_meta_fit(void *self, const struct lt_meta *m, struct lt_err *e) {
    struct nasflat *f = self;
    struct source *source = lt_calloc((size_t)m->n_devices, sizeof(*source));
    struct trainer t = {0};
    float *theta = NULL;
    lt_status s;

    if (!source) return lt_fail(e, LT_ENOMEM, "predictor 'nasflat': out of memory");
    if ((s = choose_rows(f, m, source, e)) || (s = trainer_new(f, m->n_devices + 1, &t, e))) goto out;
    lt_nn_init(t.net.nn, t.theta, f->seed, 0);
    if ((s = learn(&t, m, source, e))) goto out;
    if (!all_finite(t.theta, t.adam.n)) {
        s = lt_fail(e, LT_EFAIL, "predictor 'nasflat': training diverged; try a smaller rate than %g", f->cfg->rate);
        goto out;
    }
    if (!(theta = lt_aligned((size_t)t.adam.n * sizeof(*theta)))) {
        s = lt_fail(e, LT_ENOMEM, "predictor 'nasflat': out of memory");
        goto out;
    }
    memcpy(theta, t.theta, (size_t)t.adam.n * sizeof(*theta));
    lt_free(f->theta);
    lt_free(f->tuned);
    f->theta = theta;
    f->tuned = NULL;
    f->n_theta = t.adam.n;
    f->n_devices = m->n_devices;
out:
    for (int d = 0; d < m->n_devices; d++) lt_free(source[d].row);
    lt_free(source);
    trainer_release(&t);
    return s;
}

/* ---- a new device ---- */

/* t->theta: what was learned, with the target's embedding copied from the training device that ranks its measurements
 * best, tuned on the measurements of `keep`. */
static void tune(struct trainer *t, struct nasflat_net *plain, const struct lt_arch *a, const double *latency_s,
                 int32_t *keep, int n, struct lt_arch *some, double *work) {
    const struct nasflat *f = t->f;
    int best = 0, epochs = (int)f->cfg->tune_epochs;
    double best_rho = -2, *y = work, *score = work + n;

    for (int i = 0; i < n; i++) {
        some[i] = a[keep[i]];
        y[i] = latency_s[keep[i]];
    }
    for (int d = 0; d < f->n_devices; d++) {
        double rho;

        nasflat_scores(f, plain, f->theta, some, n, d, score);
        rho = lt_nn_rank_correlation(score, y, n);
        if (rho > best_rho) {
            best_rho = rho;
            best = d;
        }
    }
    memcpy(t->theta, f->theta, (size_t)t->adam.n * sizeof(float));
    memcpy(t->theta + t->net.table + f->n_devices * HW, f->theta + t->net.table + best * HW, HW * sizeof(float));
    memset(t->adam.m, 0, 4 * (size_t)t->adam.n * sizeof(float));
    t->adam.step = 0;
    for (int k = 0; k < epochs; k++) {
        lt_rng_at(&t->rng, f->seed, LT_RNG_SHUFFLE, ROUND_TUNE, (uint64_t)k);
        lt_rng_shuffle(&t->rng, keep, n);
        for (int i = 0; i < n; i += NASFLAT_CHUNK) {
            int count = n - i < NASFLAT_CHUNK ? n - i : NASFLAT_CHUNK;
            double value[NASFLAT_CHUNK];

            for (int j = 0; j < count; j++) {
                nasflat_put(f, &t->net, j, &a[keep[i + j]], f->n_devices);
                value[j] = latency_s[keep[i + j]];
            }
            chunk(t, value, count, 1);
            step(t, lt_nn_cosine(f->cfg->tune_rate, 1e-6, k, epochs));
        }
    }
}

double nasflat_apply(const struct nasflat_map *m, double score) {
    double y = m->a + m->b * score;

    return m->is_log ? exp(fmin(y, 50)) : fmax(y, m->floor_s);
}

/* Least squares; a slope that would turn the ranking round is 0. */
static void fit_map(const double *score, const double *latency_s, const int32_t *keep, int n, bool is_log,
                    struct nasflat_map *m) {
    double sx = 0, sy = 0, sxx = 0, sxy = 0, least = INFINITY;

    for (int i = 0; i < n; i++) {
        sx += score[i] / n;
        sy += (is_log ? log(latency_s[keep[i]]) : latency_s[keep[i]]) / n;
        least = fmin(least, latency_s[keep[i]]);
    }
    for (int i = 0; i < n; i++) {
        double y = is_log ? log(latency_s[keep[i]]) : latency_s[keep[i]];

        sxx += (score[i] - sx) * (score[i] - sx);
        sxy += (score[i] - sx) * (y - sy);
    }
    m->is_log = is_log;
    m->b = sxx > 0 && sxy > 0 ? sxy / sxx : 0;
    m->a = sy - m->b * sx;
    m->floor_s = least / 10;
}

struct fitting {
    struct trainer t;
    struct nasflat_net plain;
    const struct lt_arch *a;
    const double *latency_s;
    int n;
    struct lt_arch *some;
    int32_t *keep;
    double *work, *score;
};

/* Scores of what `keep` names after tuning, in its order. */
static void scores_of(struct fitting *w, int n) {
    for (int i = 0; i < n; i++) w->some[i] = w->a[w->keep[i]];
    nasflat_scores(w->t.f, &w->plain, w->t.theta, w->some, n, w->t.f->n_devices, w->score);
}

/* Relative root mean square error of both maps on measurements left out of the tuning. */
static void cross_validate(struct fitting *w, double error[2]) {
    int folds = w->n < FOLDS ? w->n : FOLDS;

    error[0] = error[1] = 0;
    for (int k = 0; k < folds; k++) {
        struct nasflat_map m[2];
        int kept = 0, left = 0;

        for (int i = 0; i < w->n; i++)
            if (i % folds != k) w->keep[kept++] = i;
        tune(&w->t, &w->plain, w->a, w->latency_s, w->keep, kept, w->some, w->work);
        scores_of(w, kept);
        for (int l = 0; l < 2; l++) fit_map(w->score, w->latency_s, w->keep, kept, l, &m[l]);
        for (int i = k; i < w->n; i += folds) w->keep[left++] = i;
        scores_of(w, left);
        for (int i = 0; i < left; i++)
            for (int l = 0; l < 2; l++) {
                double r = nasflat_apply(&m[l], w->score[i]) / w->latency_s[w->keep[i]] - 1;
                error[l] += fmin(r * r, 4) / w->n;
            }
    }
    error[0] = sqrt(error[0]);
    error[1] = sqrt(error[1]);
}

lt_status nasflat_fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e) {
    struct nasflat *f = self;
    struct fitting w = {.a = a, .latency_s = latency_s, .n = n};
    double error[2];
    float *tuned = NULL;
    struct nasflat_map map;
    lt_status s;

    if ((s = trainer_new(f, f->n_devices + 1, &w.t, e)) ||
        (s = nasflat_network(f, f->n_devices + 1, NASFLAT_CHUNK, false, LT_NN_FORWARD, &w.plain, e)))
        goto out;
    w.some = lt_malloc((size_t)n * sizeof(*w.some));
    w.keep = lt_malloc((size_t)n * sizeof(*w.keep));
    w.work = lt_malloc((size_t)(3 * n) * sizeof(*w.work));
    tuned = lt_aligned((size_t)f->n_theta * sizeof(*tuned));
    if (!w.some || !w.keep || !w.work || !tuned) {
        s = lt_fail(e, LT_ENOMEM, "predictor 'nasflat': out of memory for %d architectures", n);
        goto out;
    }
    w.score = w.work + 2 * n;
    cross_validate(&w, error);
    for (int i = 0; i < n; i++) w.keep[i] = i;
    tune(&w.t, &w.plain, a, latency_s, w.keep, n, w.some, w.work);
    scores_of(&w, n);
    fit_map(w.score, latency_s, w.keep, n, error[1] < error[0], &map);
    map.error = fmax(fmin(error[0], error[1]), 1e-3);
    if (!all_finite(w.t.theta, f->n_theta) || !isfinite(map.a) || !isfinite(map.b)) {
        s = lt_fail(e, LT_EFAIL, "predictor 'nasflat': tuning diverged; try a smaller tune_rate than %g",
                    f->cfg->tune_rate);
        goto out;
    }
    memcpy(tuned, w.t.theta, (size_t)f->n_theta * sizeof(*tuned));
    lt_free(f->tuned);
    f->tuned = tuned;
    f->map = map;
    tuned = NULL;
out:
    trainer_release(&w.t);
    nasflat_network_release(&w.plain);
    lt_free(w.some);
    lt_free(w.keep);
    lt_free(w.work);
    lt_free(tuned);
    return s;
}
