/* Room: predictors. Evaluation on devices; see evaluate.h. */
#include "predictors/evaluate.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/stats.h"

enum { CANDIDATES = 2000 };
#define HALF_OF_90 1.6449 /* central 90% of a normal distribution, in standard deviations */

const char *const lt_eval_metric_name[LT_N_EVAL] = {"spearman", "spearman_band", "kendall",  "mape",
                                                    "medape",   "within5",       "within10", "coverage90"};

void lt_eval_release(struct lt_eval *v) {
    lt_free(v->truth_s);
    lt_free(v->mean_s);
    lt_free(v->sd_s);
    v->truth_s = v->mean_s = v->sd_s = NULL;
}

lt_status lt_predictor_split(const struct lt_latency_set *set, const int *device, int n_devices, int n, bool first,
                             uint64_t seed, int *out, int *n_out, struct lt_err *e) {
    int32_t *row = lt_malloc(((size_t)set->n + 1) * sizeof(*row));
    int *has = lt_calloc((size_t)n_devices + 1, sizeof(*has)), most = 0, taken = 0;
    struct lt_rng r;
    lt_status s = LT_OK;

    if (!row || !has) {
        s = lt_fail(e, LT_ENOMEM, "%s: out of memory", set->dir);
        goto out;
    }
    for (int i = 0; i < set->n; i++) row[i] = i;
    lt_rng_at(&r, seed, LT_RNG_SPLIT, 0, 0);
    if (!first) lt_rng_shuffle(&r, row, set->n);
    for (int i = 0; i < set->n; i++) {
        bool wanted = false;
        for (int d = 0; d < n_devices; d++) wanted |= has[d] < n && set->device[device[d]].latency_s[row[i]] > 0;
        if (!wanted) continue;
        out[taken++] = row[i];
        for (int d = 0; d < n_devices; d++) has[d] += set->device[device[d]].latency_s[row[i]] > 0;
    }
    for (int d = 0; d < n_devices; d++) most = has[d] > most ? has[d] : most;
    if (most < n)
        s = lt_fail(e, LT_EINVAL,
                    "%s: %d architectures are wanted of each device, and none has more than %d usable rows", set->dir,
                    n, most);
    else
        *n_out = taken;
out:
    lt_free(row);
    lt_free(has);
    return s;
}

struct trial {
    const struct lt_latency_set *set;
    const double *latency_s; /* [set->n] of the device */
    const struct lt_eval_options *o;
    uint64_t *hash;                   /* [set->n] */
    int *pool, n_pool;                /* rows with a latency */
    int *unseen, n_unseen;            /* of these, those that training has not seen */
    uint64_t *taken;                  /* [samples] hashes, ascending */
    int *row, n;                      /* samples chosen */
    struct lt_arch *arch;             /* [samples] */
    double *y;                        /* [samples] */
    struct lt_arch *x;                /* [set->n] scratch: candidates; architectures to predict */
    double *truth, *mean, *sd, *work; /* [set->n] */
    double *metric;                   /* [trials][LT_N_EVAL] */
};

static void trial_release(struct trial *t) {
    lt_free(t->hash);
    lt_free(t->pool);
    lt_free(t->unseen);
    lt_free(t->taken);
    lt_free(t->row);
    lt_free(t->arch);
    lt_free(t->y);
    lt_free(t->x);
    lt_free(t->truth);
    lt_free(t->mean);
    lt_free(t->sd);
    lt_free(t->work);
    lt_free(t->metric);
}

static bool contains(const uint64_t *v, int n, uint64_t x) {
    int lo = 0, hi = n;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (v[mid] < x)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && v[lo] == x;
}

static lt_status trial_init(struct trial *t, const struct lt_latency_set *set, int device, const uint64_t *seen,
                            int n_seen, const struct lt_eval_options *o, struct lt_err *e) {
    size_t n = (size_t)set->n + 1, k = (size_t)o->samples + 1;

    *t = (struct trial){.set = set, .latency_s = set->device[device].latency_s, .o = o};
    t->hash = lt_malloc(n * sizeof(*t->hash));
    t->pool = lt_malloc(n * sizeof(*t->pool));
    t->unseen = lt_malloc(n * sizeof(*t->unseen));
    t->taken = lt_malloc(k * sizeof(*t->taken));
    t->row = lt_malloc(k * sizeof(*t->row));
    t->arch = lt_malloc(k * sizeof(*t->arch));
    t->y = lt_malloc(k * sizeof(*t->y));
    t->x = lt_malloc(n * sizeof(*t->x));
    t->truth = lt_malloc(n * sizeof(*t->truth));
    t->mean = lt_malloc(n * sizeof(*t->mean));
    t->sd = lt_malloc(n * sizeof(*t->sd));
    t->work = lt_malloc(n * sizeof(*t->work));
    t->metric = lt_malloc((size_t)o->trials * LT_N_EVAL * sizeof(*t->metric));
    if (!t->hash || !t->pool || !t->unseen || !t->taken || !t->row || !t->arch || !t->y || !t->x || !t->truth ||
        !t->mean || !t->sd || !t->work || !t->metric)
        return lt_fail(e, LT_ENOMEM, "evaluation: out of memory for %d architectures", set->n);
    for (int i = 0; i < set->n; i++) {
        t->hash[i] = lt_arch_hash(set->space, &set->arch[i]);
        if (!(t->latency_s[i] > 0)) continue;
        t->pool[t->n_pool++] = i;
        if (!contains(seen, n_seen, t->hash[i])) t->unseen[t->n_unseen++] = i;
    }
    if (t->n_pool < o->samples + 10 || t->n_unseen < o->samples + 10)
        return lt_fail(e, LT_EINVAL,
                       "%s: device '%s' has %d usable latencies, %d of them on architectures that the model has not "
                       "seen: too few to take %d samples and to judge on at least 10",
                       set->dir, set->device[device].name, t->n_pool, t->n_unseen, o->samples);
    if (o->most > 0 && t->n_unseen > o->most + o->samples) {
        struct lt_rng r;
        lt_rng_at(&r, o->seed, LT_RNG_SAMPLE, 4, 0);
        for (int i = 0; i < o->most; i++) { /* the first of a shuffle */
            int k = i + (int)lt_rng_below(&r, (uint32_t)(t->n_unseen - i)), row = t->unseen[i];
            t->unseen[i] = t->unseen[k];
            t->unseen[k] = row;
        }
        t->n_unseen = o->most;
    }
    return LT_OK;
}

static void take(struct trial *t, int row) {
    t->row[t->n] = row;
    t->arch[t->n] = t->set->arch[row];
    t->y[t->n++] = t->latency_s[row];
}

/* The row of an architecture that was proposed; candidates are rows of the pool. */
static int row_of(const struct trial *t, const struct lt_arch *a) {
    uint64_t h = lt_arch_hash(t->set->space, a);
    for (int i = 0; i < t->n_pool; i++)
        if (t->hash[t->pool[i]] == h) return t->pool[i];
    return -1;
}

static lt_status choose_proposed(struct trial *t, struct lt_predictor *p, struct lt_rng *r, struct lt_err *e) {
    int n_among = t->n_pool / 2 < CANDIDATES ? t->n_pool / 2 : CANDIDATES, rounds = t->o->rounds > 0 ? t->o->rounds : 1;
    struct lt_arch *next = lt_malloc((size_t)t->o->samples * sizeof(*next));
    int wanted;
    lt_status s = LT_OK;

    if (!next) return lt_fail(e, LT_ENOMEM, "evaluation: out of memory");
    if (n_among < 2 * t->o->samples) n_among = t->n_pool < 2 * t->o->samples ? t->n_pool : 2 * t->o->samples;
    lt_rng_shuffle(r, t->pool, t->n_pool);
    for (int i = 0; i < n_among; i++) t->x[i] = t->set->arch[t->pool[i]];
    /* What the method wants measured is a candidate in every trial, where the set has it. */
    wanted = lt_predictor_prefers(p, next, t->o->samples);
    for (int i = 0, at = n_among - 1; i < wanted && at >= 0; i++)
        if (row_of(t, &next[i]) >= 0) t->x[at--] = next[i];
    for (int k = 0; k < rounds && !s; k++) {
        int upto = (int)((int64_t)t->o->samples * (k + 1) / rounds), n = upto - t->n;
        if (n < 1) continue;
        if ((s = lt_predictor_propose(p, t->arch, t->y, t->n, t->x, n_among, n, next, e))) break;
        for (int i = 0; i < n; i++) {
            int row = row_of(t, &next[i]);
            if (row < 0) {
                s = lt_fail(e, LT_EFAIL, "predictor '%s' proposed an architecture that is no candidate",
                            lt_predictor_name(p));
                break;
            }
            take(t, row);
        }
    }
    lt_free(next);
    return s;
}

/* Different architectures, drawn from all rows. */
static void choose_random(struct trial *t, struct lt_rng *r) {
    lt_rng_shuffle(r, t->pool, t->n_pool);
    for (int i = 0; i < t->n_pool && t->n < t->o->samples; i++) {
        bool again = false;
        for (int k = 0; k < t->n && !again; k++) again = t->hash[t->row[k]] == t->hash[t->pool[i]];
        if (!again) take(t, t->pool[i]);
    }
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int by_int(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static lt_status choose(struct trial *t, struct lt_predictor *p, int k, struct lt_err *e) {
    struct lt_rng r;
    lt_status s = LT_OK;

    t->n = 0;
    qsort(t->pool, (size_t)t->n_pool, sizeof(*t->pool), by_int); /* what a trial draws depends on its number alone */
    lt_rng_at(&r, t->o->seed, LT_RNG_SAMPLE, 2, (uint64_t)k);
    if (t->o->samples < 1) return LT_OK;
    if (t->o->choose == LT_CHOOSE_PROPOSED) {
        s = choose_proposed(t, p, &r, e);
    } else if (t->o->choose == LT_CHOOSE_REFERENCE) {
        int n = 0, *rows = lt_malloc((size_t)t->o->samples * sizeof(*rows));
        s = rows ? lt_reference_rows(t->set, t->pool, t->n_pool, t->o->samples, rows, &n, e)
                 : lt_fail(e, LT_ENOMEM, "evaluation: out of memory");
        for (int i = 0; i < n && !s; i++) take(t, rows[i]);
        lt_free(rows);
    } else {
        choose_random(t, &r);
    }
    if (!s && t->n < t->o->samples)
        s = lt_fail(e, LT_EINVAL, "%s: only %d different architectures to take %d samples from", t->set->dir, t->n,
                    t->o->samples);
    return s;
}

static double share(const double *v, int n, double limit) {
    int k = 0;
    for (int i = 0; i < n; i++) k += v[i] <= limit;
    return (double)k / n;
}

/* Metrics of truth, mean and sd of n architectures; mean and sd are sorted out into the band last. */
static void judge(struct trial *t, int n, double *m) {
    double lo = lt_quantile(t->truth, n, t->o->band[0]), hi = lt_quantile(t->truth, n, t->o->band[1]), inside = 0;
    double *in_truth, *in_mean;
    int band = 0;

    for (int i = 0; i < n; i++) {
        t->work[i] = fabs(t->mean[i] / t->truth[i] - 1);
        inside += fabs(t->mean[i] - t->truth[i]) <= HALF_OF_90 * t->sd[i];
    }
    m[LT_EVAL_SPEARMAN] = lt_spearman(t->mean, t->truth, n);
    m[LT_EVAL_KENDALL] = lt_kendall(t->mean, t->truth, n);
    m[LT_EVAL_MAPE] = lt_mean(t->work, n);
    m[LT_EVAL_MEDAPE] = lt_median(t->work, n);
    m[LT_EVAL_WITHIN5] = share(t->work, n, 0.05);
    m[LT_EVAL_WITHIN10] = share(t->work, n, 0.10);
    m[LT_EVAL_COVERAGE90] = inside / n;
    in_truth = t->work;
    in_mean = lt_malloc((size_t)n * sizeof(*in_mean));
    for (int i = 0; i < n && in_mean; i++) {
        if (t->truth[i] < lo || t->truth[i] > hi) continue;
        in_truth[band] = t->truth[i];
        in_mean[band++] = t->mean[i];
    }
    m[LT_EVAL_SPEARMAN_BAND] = in_mean && band > 1 ? lt_spearman(in_mean, in_truth, band) : NAN;
    lt_free(in_mean);
}

/* Adds the trial's shares; the interval of probability 1 holds everything. */
static void calibrate(const struct trial *t, int n, double *level) {
    for (int i = 0; i < n; i++) {
        double off = fabs(t->mean[i] - t->truth[i]), z = off > 0 ? off / t->sd[i] : 0;
        int k = (int)ceil(LT_EVAL_LEVELS * erf(z / sqrt(2))); /* off / 0 is infinite: outside of all but the last */
        for (k = k > 0 ? k : 1; k <= LT_EVAL_LEVELS; k++) level[k] += 1.0 / n;
    }
}

static lt_status run_trial(struct trial *t, struct lt_predictor *p, int k, struct lt_eval *v, struct lt_err *e) {
    int n = 0;
    double at;
    lt_status s = choose(t, p, k, e);

    if (s) return s;
    for (int i = 0; i < t->n; i++) t->taken[i] = t->hash[t->row[i]];
    qsort(t->taken, (size_t)t->n, sizeof(*t->taken), by_value);
    for (int i = 0; i < t->n_unseen; i++) {
        if (contains(t->taken, t->n, t->hash[t->unseen[i]])) continue;
        t->x[n] = t->set->arch[t->unseen[i]];
        t->truth[n++] = t->latency_s[t->unseen[i]];
    }
    at = lt_now_s();
    if (t->n && (s = lt_predictor_fit(p, t->arch, t->y, t->n, e))) return s;
    v->adapt_s += lt_now_s() - at;
    at = lt_now_s();
    if ((s = lt_predictor_predict(p, t->x, n, t->mean, t->sd, e))) return s;
    v->predict_s += (lt_now_s() - at) / n;
    for (int i = 0; i < n; i++)
        if (!isfinite(t->mean[i]) || !(t->sd[i] >= 0))
            return lt_fail(e, LT_EFAIL, "predictor '%s' answers %g s with deviation %g s", lt_predictor_name(p),
                           t->mean[i], t->sd[i]);
    judge(t, n, t->metric + (size_t)k * LT_N_EVAL);
    calibrate(t, n, v->calibration);
    v->n_unseen = n;
    return LT_OK;
}

static void summarize(const struct trial *t, int trials, struct lt_eval *v) {
    for (int m = 0; m < LT_N_EVAL; m++) {
        for (int k = 0; k < trials; k++) t->work[k] = t->metric[(size_t)k * LT_N_EVAL + (size_t)m];
        v->mean[m] = lt_mean(t->work, trials);
        v->sd[m] = lt_sd(t->work, trials);
    }
    for (int k = 0; k <= LT_EVAL_LEVELS; k++) v->calibration[k] /= trials;
    v->adapt_s /= trials;
    v->predict_s /= trials;
    v->trials = trials;
    v->samples = t->o->samples;
}

lt_status lt_predictor_eval(struct lt_predictor *p, const struct lt_latency_set *set, int device, const uint64_t *seen,
                            int n_seen, const struct lt_eval_options *o, struct lt_eval *out, struct lt_err *e) {
    bool draws = o->samples > 0 && o->choose != LT_CHOOSE_REFERENCE;
    int trials = draws ? o->trials : 1;
    struct lt_eval v = {0};
    struct trial t;
    lt_status s = trial_init(&t, set, device, seen, n_seen, o, e);

    if (trials > set->n) trials = set->n;
    for (int k = 0; k < trials && !s; k++) {
        if (lt_ui_stop(o->ui))
            s = lt_fail(e, LT_EINTR, "stopped after %d of %d trials", k, trials);
        else
            s = run_trial(&t, p, k, &v, e);
        if (!s) lt_ui_progress(o->ui, set->device[device].name, k + 1, trials, "");
    }
    if (s) goto out;
    summarize(&t, trials, &v);
    v.truth_s = t.truth;
    v.mean_s = t.mean;
    v.sd_s = t.sd;
    t.truth = t.mean = t.sd = NULL;
    *out = v;
out:
    trial_release(&t);
    return s;
}
