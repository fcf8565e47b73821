/*
 * HELP: meta-training. An episode takes up to eight of the training devices; each adapts to ten random architectures of
 * its pool and is judged on 200 others; Adam follows the gradient through the adaptation. The pool of a device is what
 * lies between the 10% and 90% quantiles of its latencies, as published.
 *
 * Every 50 episodes the network is judged on a twentieth of the architectures, which no episode uses: each training
 * device adapts to its references and ranks them. The best network is kept. (Published: chosen so too, on further
 * devices; here all devices are for training.)
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/stats.h"
#include "lathe/mem.h"
#include "lathe/ui.h"
#include "predictors/help_priv.h"

enum { ROUND_ORDER = 1 << 20, ROUND_NOISE = 1 << 21 }; /* apart from what others draw for the same purpose */

bool help_scale(const double *reference_s, int n, float *embedding, double *low_s, double *high_s) {
    double lo = INFINITY, hi = -INFINITY;

    for (int i = 0; i < n; i++) {
        lo = fmin(lo, reference_s[i]);
        hi = fmax(hi, reference_s[i]);
    }
    if (!(hi > lo)) return false;
    for (int i = 0; i < n; i++) embedding[i] = (float)((reference_s[i] - lo) / (hi - lo));
    *low_s = lo;
    *high_s = hi;
    return true;
}

struct device {
    int n;        /* pool */
    int32_t *row; /* [rows] pool: rows of x, reordered as episodes draw */
    float *y;     /* [rows] labels */
    float embedding[HELP_MOST_REFERENCES];
};
/* The published steps, 1e-4, are for the 3200 architectures that a device of FBNet has there; with a quarter of them
 * that learns by heart before it learns. */
enum { JUDGED_EVERY = 20, MOST_JUDGED = 200, JUDGE_EPISODES = 50, FEW = 1600 };
struct training {
    struct help *h;
    const struct lt_meta *m;
    struct help_meta *out;
    int n; /* rows: those of the meta set, then the references */
    float *x;
    struct device *device;
    struct lt_help_net *net;
    int tasks, support, query, episodes;
    float *grad, *noise;
    int32_t *order, judged[MOST_JUDGED]; /* rows that judge */
    int n_judged;
    float *theta, *best;             /* adapted; the best that was learned */
    double rate, best_rank, *square; /* [devices] scratch */
    struct lt_nn_adam adam;
};

/* Rows come in an order that has nothing to do with latency. */
static bool judges(const struct training *t, int row) {
    return row % JUDGED_EVERY == JUDGED_EVERY - 1 && row / JUDGED_EVERY < t->n_judged;
}

static lt_status prepare_device(struct training *t, int d, struct lt_err *e) {
    const struct lt_latency_device *l = &t->m->set->device[t->m->device[d]];
    struct device *v = &t->device[d];
    double *sorted = lt_malloc((size_t)t->m->n_rows * sizeof(*sorted)), low, high, lo, hi;
    int n = 0;

    v->row = lt_malloc((size_t)t->n * sizeof(*v->row));
    v->y = lt_malloc((size_t)t->n * sizeof(*v->y));
    if (!sorted || !v->row || !v->y) {
        lt_free(sorted);
        return lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory");
    }
    if (!help_scale(t->out->reference_s + d * t->out->n_references, t->out->n_references, v->embedding, &low, &high)) {
        lt_free(sorted);
        return lt_fail(e, LT_EINVAL,
                       "predictor 'help': device '%s' has the same latency, %g ms, on all %d reference architectures",
                       l->name, 1e3 * t->out->reference_s[d * t->out->n_references], t->out->n_references);
    }
    for (int i = 0; i < t->m->n_rows; i++)
        if (l->latency_s[t->m->row[i]] > 0) sorted[n++] = l->latency_s[t->m->row[i]];
    lt_sort_doubles(sorted, n);
    lo = sorted[n / 10];
    hi = sorted[n - 1 - n / 10];
    lt_free(sorted);
    for (int i = 0; i < t->n; i++) {
        double y = i < t->m->n_rows ? l->latency_s[t->m->row[i]]
                                    : t->out->reference_s[d * t->out->n_references + i - t->m->n_rows];

        v->y[i] = (float)(HELP_LOW + HELP_RANGE * (y - low) / (high - low));
        if (i < t->m->n_rows && y >= lo && y <= hi && !judges(t, i)) v->row[v->n++] = i;
    }
    if (v->n < 2) return lt_fail(e, LT_EINVAL, "predictor 'help': device '%s' has %d usable latencies", l->name, n);
    return LT_OK;
}

static lt_status prepare(struct training *t, const int *reference, struct lt_err *e) {
    const struct help_config *c = t->h->cfg;
    const struct lt_latency_set *set = t->m->set;
    int size = help_row_size(t->h), refs = t->out->n_references, pool = INT32_MAX;
    bool few;
    lt_status s;

    t->n = t->m->n_rows + refs;
    t->n_judged = t->m->n_rows / JUDGED_EVERY < MOST_JUDGED ? t->m->n_rows / JUDGED_EVERY : MOST_JUDGED;
    for (int i = 0; i < t->n_judged; i++) t->judged[i] = i * JUDGED_EVERY + JUDGED_EVERY - 1;
    t->x = lt_malloc((size_t)t->n * (size_t)size * sizeof(*t->x));
    t->device = lt_calloc((size_t)t->m->n_devices, sizeof(*t->device));
    t->order = lt_malloc((size_t)(t->m->n_devices + refs) * sizeof(*t->order));
    t->square = lt_malloc((size_t)t->m->n_devices * sizeof(*t->square));
    t->out->reference_s = lt_malloc((size_t)(t->m->n_devices * refs) * sizeof(double));
    t->out->n_devices = t->m->n_devices;
    if (!t->x || !t->square || !t->device || !t->order || !t->out->reference_s)
        return lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory for %d architectures", t->n);
    for (int i = 0; i < t->n; i++)
        help_encode(t->h, &set->arch[i < t->m->n_rows ? t->m->row[i] : reference[i - t->m->n_rows]],
                    t->x + (size_t)i * (size_t)size);
    for (int r = 0; r < refs; r++) {
        t->out->reference[r] = set->arch[reference[r]];
        for (int d = 0; d < t->m->n_devices; d++)
            t->out->reference_s[d * refs + r] = set->device[t->m->device[d]].latency_s[reference[r]];
    }
    for (int d = 0; d < t->m->n_devices; d++) {
        if ((s = prepare_device(t, d, e))) return s;
        if (t->device[d].n < pool) pool = t->device[d].n;
    }
    t->tasks = c->tasks < t->m->n_devices ? (int)c->tasks : t->m->n_devices;
    t->support = c->support < pool / 2 ? (int)c->support : pool / 2;
    t->query = c->query < pool - t->support ? (int)c->query : pool - t->support;
    few = !t->h->view->cell && pool < FEW;
    t->episodes = c->episodes ? (int)c->episodes : t->h->view->cell ? 2000 : few ? 1000 : 4000;
    t->rate = c->rate > 0 ? c->rate : few ? 1e-3 : 1e-4;
    return LT_OK;
}

static lt_status start(struct training *t, struct lt_err *e) {
    int n;
    lt_status s = help_network(t->h, t->out, t->support > t->out->n_references ? t->support : t->out->n_references,
                               t->query, &t->net, e);

    if (s) return s;
    n = lt_help_net_learned(t->net);
    t->out->n_learned = n;
    t->out->learned = lt_aligned((size_t)n * sizeof(float));
    t->grad = lt_aligned((size_t)n * sizeof(float));
    t->noise = lt_malloc((size_t)t->net->n_latent * sizeof(float));
    t->adam = (struct lt_nn_adam){.rate = t->rate, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .n = n};
    t->adam.m = lt_calloc((size_t)n, sizeof(float));
    t->adam.v = lt_calloc((size_t)n, sizeof(float));
    t->best = lt_aligned((size_t)n * sizeof(float));
    t->theta = lt_aligned((size_t)t->net->n_theta * sizeof(float));
    if (!t->best || !t->theta || !t->out->learned || !t->grad || !t->noise || !t->adam.m || !t->adam.v)
        return lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory for %d weights", n);
    lt_help_net_init(t->net, t->out->learned, t->h->seed);
    return LT_OK;
}

/* The first `count` of v become a random choice without repetition. */
static void draw(struct lt_rng *r, int32_t *v, int n, int count) {
    for (int i = 0; i < count; i++) {
        int j = i + (int)lt_rng_below(r, (uint32_t)(n - i));
        int32_t x = v[i];

        v[i] = v[j];
        v[j] = x;
    }
}

static void episode(struct training *t, int number) {
    struct lt_rng r;

    lt_rng_at(&r, t->h->seed, LT_RNG_SHUFFLE, ROUND_ORDER, (uint64_t)number);
    memset(t->grad, 0, (size_t)t->out->n_learned * sizeof(*t->grad));
    for (int d = 0; d < t->m->n_devices; d++) t->order[d] = d;
    draw(&r, t->order, t->m->n_devices, t->tasks);
    for (int k = 0; k < t->tasks; k++) {
        struct device *v = &t->device[t->order[k]];
        struct lt_help_task task = {.reference = v->embedding,
                                    .noise = t->noise,
                                    .all_x = t->x,
                                    .y = v->y,
                                    .support = v->row,
                                    .query = v->row + t->support,
                                    .n_support = t->support,
                                    .n_query = t->query};

        draw(&r, v->row, v->n, t->support + t->query);
        for (int i = 0; i < t->net->n_latent; i++) t->noise[i] = (float)lt_rng_normal(&r);
        lt_help_net_task(t->net, t->out->learned, &task, t->h->cfg->kl, 1.0 / t->tasks, t->grad);
    }
    lt_nn_adam_step(&t->adam, t->grad, t->out->learned);
}

/* Mean rank correlation over the training devices, each adapted to its references, on rows that judge; and the root
 * mean square of the label's error. */
static double judge(struct training *t, double *error) {
    int refs = t->out->n_references, n = t->n_judged;
    double rank = 0, guess[MOST_JUDGED], truth[MOST_JUDGED];
    float y[MOST_JUDGED];

    memset(t->noise, 0, (size_t)t->net->n_latent * sizeof(*t->noise));
    for (int r = 0; r < refs; r++) t->order[r] = t->m->n_rows + r;
    for (int d = 0; d < t->m->n_devices; d++) {
        struct device *v = &t->device[d];
        struct lt_help_task task = {.reference = v->embedding,
                                    .noise = t->noise,
                                    .all_x = t->x,
                                    .y = v->y,
                                    .support = t->order,
                                    .n_support = refs};
        int k = 0;

        t->square[d] = 0;
        lt_help_net_adapt(t->net, t->out->learned, &task, t->theta);
        lt_help_net_predict(t->net, t->theta, v->embedding, t->x, t->judged, n, y);
        for (int i = 0; i < n; i++) {
            if (isnan(v->y[t->judged[i]])) continue;
            guess[k] = y[i];
            truth[k++] = v->y[t->judged[i]];
        }
        for (int i = 0; i < k; i++) t->square[d] += pow(guess[i] - truth[i], 2) / k;
        rank += lt_nn_rank_correlation(guess, truth, k) / t->m->n_devices;
    }
    lt_sort_doubles(t->square, t->m->n_devices);
    *error = sqrt(t->square[t->m->n_devices / 2]);
    return rank;
}

/* Keeps what was learned when it is the best so far. */
static void keep_best(struct training *t) {
    double error, rank = judge(t, &error);

    if (!isfinite(error) || (t->best_rank >= rank && t->out->error > 0)) return;
    t->best_rank = rank;
    t->out->error = error;
    memcpy(t->best, t->out->learned, (size_t)t->out->n_learned * sizeof(float));
}

lt_status help_meta_fit(void *self, const struct lt_meta *m, struct lt_err *e) {
    struct help *h = self;
    struct help_meta out = {0};
    struct training t = {.h = h, .m = m, .out = &out};
    int reference[HELP_MOST_REFERENCES];
    lt_status s;

    if ((s = help_choose_references(h, m, reference, &out.n_references, e)) || (s = prepare(&t, reference, e)) ||
        (s = start(&t, e)))
        goto out;
    for (int i = 0; i < t.episodes; i++) {
        if (i % 50 == 0) {
            if (lt_ui_stop(m->ui)) {
                s = lt_fail(e, LT_EINTR, "predictor 'help': stopped in episode %d of %d", i, t.episodes);
                goto out;
            }
            lt_ui_progress(m->ui, "learning from devices", i, t.episodes, NULL);
        }
        episode(&t, i);
        if (t.n_judged > 2 && ((i + 1) % JUDGE_EPISODES == 0 || i == t.episodes - 1)) keep_best(&t);
    }
    lt_ui_progress(m->ui, "learning from devices", t.episodes, t.episodes, NULL);
    for (int i = 0; i < out.n_learned; i++) {
        if (isfinite(out.learned[i]) && isfinite(out.error)) continue;
        s = lt_fail(e, LT_EFAIL, "predictor 'help': training diverged; try a smaller rate than %g", t.rate);
        goto out;
    }
    if (out.error > 0) memcpy(out.learned, t.best, (size_t)out.n_learned * sizeof(float));
    help_release_meta(&h->meta);
    help_release_fit(&h->fit);
    h->meta = out;
    out = (struct help_meta){0};
out:
    for (int d = 0; t.device && d < m->n_devices; d++) {
        lt_free(t.device[d].row);
        lt_free(t.device[d].y);
    }
    lt_help_net_free(t.net);
    lt_free(t.device);
    lt_free(t.x);
    lt_free(t.order);
    lt_free(t.grad);
    lt_free(t.noise);
    lt_free(t.square);
    lt_free(t.best);
    lt_free(t.theta);
    lt_free(t.adam.m);
    lt_free(t.adam.v);
    help_release_meta(&out);
    return s;
}
