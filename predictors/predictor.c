/* Predictors: the registry, opening by name, checks that every plug-in may rely on, and the error on held-out
 * architectures. */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/predictor.h"
#include "lathe/stats.h"

#define LT_PREDICTOR(name) extern const struct lt_predictor_ops lt_predictor_##name;
#include "predictors/predictors.def"
#undef LT_PREDICTOR

static const struct lt_predictor_ops *const predictors[] = {
#define LT_PREDICTOR(name) &lt_predictor_##name,
#include "predictors/predictors.def"
#undef LT_PREDICTOR
};

#define N_PREDICTORS ((int)(sizeof(predictors) / sizeof(*predictors)))

struct lt_predictor {
    const struct lt_predictor_ops *ops;
    void *cfg, *self;
    bool fitted;
};

int lt_predictor_count(void) { return N_PREDICTORS; }
const struct lt_predictor_ops *lt_predictor_at(int i) { return predictors[i]; }
const char *lt_predictor_name(const struct lt_predictor *p) { return p->ops->name; }

static lt_status find(const struct lt_yaml *cfg, const struct lt_predictor_ops **out, struct lt_err *e) {
    const char *names[N_PREDICTORS + 1] = {NULL};
    const struct lt_yaml *name = cfg ? lt_yaml_get(cfg, "name") : NULL;
    int i = 0;
    lt_status s = LT_OK;

    for (int k = 0; k < N_PREDICTORS; k++) names[k] = predictors[k]->name;
    if (name && (s = lt_yaml_pick(name, "predictor", names, &i, e))) return s;
    *out = predictors[i];
    return LT_OK;
}

lt_status lt_predictor_open(const struct lt_yaml *cfg, const struct lt_space *space, uint64_t seed,
                            struct lt_predictor **out, struct lt_err *e) {
    static const char *const skip[] = {"name", "samples", "holdout",
                                       NULL}; /* the last two belong to the run that collects the data */
    struct lt_predictor *p = NULL;
    const struct lt_predictor_ops *ops;
    lt_status s;

    if ((s = find(cfg, &ops, e))) return s;
    if (!(p = lt_calloc(1, sizeof(*p)))) return lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", ops->name);
    p->ops = ops;
    if (!(p->cfg = lt_calloc(1, ops->cfg_size ? ops->cfg_size : 1))) {
        s = lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", ops->name);
        goto out;
    }
    if ((s = lt_opts_read(ops->opts, cfg, skip, p->cfg, e)) || (s = ops->open(space, p->cfg, seed, &p->self, e)))
        goto out;
    *out = p;
    p = NULL;
out:
    lt_predictor_close(p);
    return s;
}

void lt_predictor_close(struct lt_predictor *p) {
    if (!p) return;
    if (p->self) p->ops->close(p->self);
    if (p->cfg) lt_opts_release(p->ops->opts, p->cfg);
    lt_free(p->cfg);
    lt_free(p);
}

lt_status lt_predictor_fit(struct lt_predictor *p, const struct lt_arch *a, const double *latency_s, int n,
                           struct lt_err *e) {
    lt_status s;

    if (n < 2)
        return lt_fail(e, LT_EINVAL, "predictor '%s': %d measured architectures are too few, at least 2 are needed",
                       p->ops->name, n);
    for (int i = 0; i < n; i++) {
        if (!isfinite(latency_s[i]) || latency_s[i] <= 0)
            return lt_fail(e, LT_EINVAL, "predictor '%s': latency %g s of architecture %d is not a positive number",
                           p->ops->name, latency_s[i], i);
    }
    if (!(s = p->ops->fit(p->self, a, latency_s, n, e))) p->fitted = true;
    return s;
}

lt_status lt_predictor_predict(const struct lt_predictor *p, const struct lt_arch *a, int n, double *mean_s,
                               double *sd_s, struct lt_err *e) {
    if (!p->fitted) return lt_fail(e, LT_EINVAL, "predictor '%s' has not been fitted", p->ops->name);
    return p->ops->predict(p->self, a, n, mean_s, sd_s, e);
}

/* Errors of predictions `mean`, `sd` against `truth`. */
static void judge(const double *mean, const double *sd, const double *truth, int n, struct lt_predictor_error *out) {
    int inside = 0;

    for (int i = 0; i < n; i++)
        inside += fabs(mean[i] - truth[i]) <= 1.6449 * sd[i]; /* central 90% of a normal distribution */
    out->spearman = lt_spearman(mean, truth, n);
    out->kendall = lt_kendall(mean, truth, n);
    out->mape = lt_mape(mean, truth, n);
    out->coverage90 = (double)inside / n;
}

lt_status lt_predictor_fit_holdout(struct lt_predictor *p, const struct lt_arch *a, const double *latency_s, int n,
                                   double holdout, uint64_t seed, struct lt_predictor_error *out,
                                   double *holdout_pred_s, struct lt_err *e) {
    int every = holdout > 0 ? (int)lround(1 / holdout) : n + 1, n_train = 0, n_hold = 0;
    struct lt_predictor_error r = {.spearman = NAN, .kendall = NAN, .mape = NAN, .coverage90 = NAN};
    int32_t *order = lt_malloc((size_t)(n > 0 ? n : 1) * 2 * sizeof(*order)), *held = order ? order + n : NULL;
    struct lt_arch *x = lt_malloc((size_t)(n > 0 ? n : 1) * sizeof(*x));
    double *y = lt_malloc((size_t)(n > 0 ? n : 1) * 4 * sizeof(*y)), *truth, *mean, *sd;
    struct lt_rng rng;
    lt_status s;

    if (!order || !x || !y) {
        s = lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", p->ops->name);
        goto out;
    }
    if (holdout < 0 || holdout > 0.5) {
        s = lt_fail(e, LT_EINVAL, "holdout %g: must be between 0 and 0.5", holdout);
        goto out;
    }
    truth = y + n;
    mean = truth + n;
    sd = mean + n;
    for (int i = 0; i < n; i++) order[i] = i;
    lt_rng_at(&rng, seed, LT_RNG_HOLDOUT, 0, 0);
    lt_rng_shuffle(&rng, order, n);
    for (int i = 0; i < n; i++) {
        if (i % every == every - 1) {
            held[n_hold++] = order[i];
        } else {
            x[n_train] = a[order[i]];
            y[n_train++] = latency_s[order[i]];
        }
    }
    if (n_hold) {
        if ((s = lt_predictor_fit(p, x, y, n_train, e))) goto out;
        for (int i = 0; i < n_hold; i++) {
            x[i] = a[held[i]];
            truth[i] = latency_s[held[i]];
        }
        if ((s = lt_predictor_predict(p, x, n_hold, mean, sd, e))) goto out;
        judge(mean, sd, truth, n_hold, &r);
    }
    if ((s = lt_predictor_fit(p, a, latency_s, n, e))) goto out;
    r.n_train = n_train;
    r.n_holdout = n_hold;
    *out = r;
    if (holdout_pred_s) {
        for (int i = 0; i < n; i++) holdout_pred_s[i] = NAN;
        for (int i = 0; i < n_hold; i++) holdout_pred_s[held[i]] = mean[i];
    }
out:
    lt_free(order);
    lt_free(x);
    lt_free(y);
    return s;
}
