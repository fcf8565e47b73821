/* Room: predictors. The error of a predictor on architectures that it was not fitted to. */
#include <math.h>
#include "lathe/mem.h"
#include "lathe/predictor.h"
#include "lathe/stats.h"

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
        s = lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", lt_predictor_name(p));
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
