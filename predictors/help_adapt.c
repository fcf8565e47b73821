/* HELP: adaptation to a device from its measurements. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/help_priv.h"

enum { ROUND_DRAWS = 1 << 22, FOLDS = 20 };

struct adapting {
    struct help *h;
    const struct lt_arch *a;
    const double *latency_s;
    int n;
    struct help_fit *out;
    struct lt_help_net *net;
    double reference_s[HELP_MOST_REFERENCES];
    float *x, *y, *noise, *theta, *guess;
    int32_t *row;
};

/* Mean latency of each reference over the rows that measured it, NAN where none did. */
static int measured_references(struct adapting *t) {
    const struct help_meta *m = &t->h->meta;
    int missing = 0;

    for (int r = 0; r < m->n_references; r++) {
        double sum = 0;
        int k = 0;

        for (int i = 0; i < t->n; i++) {
            if (!lt_arch_equal(&t->a[i], &m->reference[r])) continue;
            sum += t->latency_s[i];
            k++;
        }
        t->reference_s[r] = k ? sum / k : NAN;
        missing += !k;
    }
    return missing;
}

/* Adapts to rows of x with z drawn for the given number, or its mean for -1. */
static void adapt(struct adapting *t, const float *embedding, const float *x, const float *y, const int32_t *row, int n,
                  int number, float *theta) {
    struct lt_help_task task = {
        .reference = embedding, .noise = t->noise, .all_x = x, .y = y, .support = row, .n_support = n};
    struct lt_rng r;

    lt_rng_at(&r, t->h->seed, LT_RNG_SHUFFLE, ROUND_DRAWS, (uint64_t)(number + 1));
    for (int i = 0; i < t->net->n_latent; i++) t->noise[i] = number < 0 ? 0 : (float)lt_rng_normal(&r);
    lt_help_net_adapt(t->net, t->h->meta.learned, &task, theta);
}

/*
 * Estimates the references that were not measured. Every training device, adapted to its own references, predicts what
 * was measured here; with the factor c_d that fits it best, it says c_d times its own latency of a reference, and it
 * has the weight 1 / (mean squared relative error)^2.
 */
static lt_status estimate_references(struct adapting *t, struct lt_err *e) {
    const struct help_meta *m = &t->h->meta;
    int refs = m->n_references, size = help_row_size(t->h);
    float *x = lt_malloc((size_t)(refs * size) * sizeof(*x)), embedding[HELP_MOST_REFERENCES], y[HELP_MOST_REFERENCES];
    double sum[HELP_MOST_REFERENCES] = {0}, weights = 0;
    int32_t row[HELP_MOST_REFERENCES];

    if (!x) return lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory");
    for (int r = 0; r < refs; r++) {
        help_encode(t->h, &m->reference[r], x + (size_t)r * (size_t)size);
        row[r] = r;
    }
    for (int d = 0; d < m->n_devices; d++) {
        const double *own = m->reference_s + d * refs;
        double low, high, c = 0, error = 0, w;

        if (!help_scale(own, refs, embedding, &low, &high)) continue;
        for (int r = 0; r < refs; r++) y[r] = (float)(HELP_LOW + HELP_RANGE * (own[r] - low) / (high - low));
        adapt(t, embedding, x, y, row, refs, -1, t->theta);
        lt_help_net_predict(t->net, t->theta, embedding, t->x, NULL, t->n, t->guess);
        for (int i = 0; i < t->n; i++) {
            double p = fmax(low + ((double)t->guess[i] - HELP_LOW) / HELP_RANGE * (high - low), low / 10);

            t->guess[i] = (float)log(t->latency_s[i] / p);
            c += t->guess[i] / t->n;
        }
        for (int i = 0; i < t->n; i++) error += pow(t->guess[i] - c, 2) / t->n;
        w = 1 / pow(error + 1e-6, 2);
        weights += w;
        for (int r = 0; r < refs; r++) sum[r] += w * exp(c) * own[r];
    }
    for (int r = 0; r < refs; r++)
        if (isnan(t->reference_s[r])) t->reference_s[r] = weights > 0 ? sum[r] / weights : NAN;
    lt_free(x);
    return LT_OK;
}

static lt_status scale(struct adapting *t, struct lt_err *e) {
    const struct help_meta *m = &t->h->meta;
    struct help_fit *f = t->out;
    lt_status s;

    if (measured_references(t) && (s = estimate_references(t, e))) return s;
    if (!help_scale(t->reference_s, m->n_references, f->embedding, &f->low_s, &f->high_s))
        return lt_fail(e, LT_EINVAL,
                       "predictor 'help': the device has the same latency, %g ms, on all %d reference architectures",
                       1e3 * t->reference_s[0], m->n_references);
    f->floor_s = INFINITY;
    for (int i = 0; i < t->n; i++) {
        t->y[i] = (float)(HELP_LOW + HELP_RANGE * (t->latency_s[i] - f->low_s) / (f->high_s - f->low_s));
        f->floor_s = fmin(f->floor_s, t->latency_s[i] / 10);
    }
    return LT_OK;
}

/* Mean squared error of the label on measurements left out of the adaptation, in at most FOLDS parts. */
static double left_out(struct adapting *t) {
    int folds = t->n < FOLDS ? t->n : FOLDS;
    double sum = 0;

    if (t->n < 2) return 0;
    for (int k = 0; k < folds; k++) {
        int kept = 0;

        for (int i = 0; i < t->n; i++)
            if (i % folds != k) t->row[kept++] = i;
        adapt(t, t->out->embedding, t->x, t->y, t->row, kept, -1, t->theta);
        for (int i = k; i < t->n; i += folds) t->row[kept++] = i;
        lt_help_net_predict(t->net, t->theta, t->out->embedding, t->x, t->row, t->n, t->guess);
        for (int i = t->n - 1; i >= 0 && t->row[i] % folds == k; i--)
            sum += pow(t->guess[i] - t->y[t->row[i]], 2) / t->n;
    }
    return sum;
}

static lt_status keep_measured(struct adapting *t, struct lt_err *e) {
    struct help_fit *f = t->out;

    f->arch = lt_malloc((size_t)t->n * sizeof(*f->arch));
    f->latency_s = lt_malloc((size_t)t->n * sizeof(*f->latency_s));
    f->theta = lt_aligned((size_t)t->h->cfg->draws * (size_t)t->net->n_theta * sizeof(float));
    if (!f->arch || !f->latency_s || !f->theta) return lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory");
    memcpy(f->arch, t->a, (size_t)t->n * sizeof(*f->arch));
    memcpy(f->latency_s, t->latency_s, (size_t)t->n * sizeof(*f->latency_s));
    f->n = t->n;
    return LT_OK;
}

lt_status help_fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e) {
    struct help *h = self;
    struct help_fit out = {0};
    struct adapting t = {.h = h, .a = a, .latency_s = latency_s, .n = n, .out = &out};
    int size = help_row_size(h), most = n > h->meta.n_references ? n : h->meta.n_references;
    lt_status s;

    if ((s = help_network(h, &h->meta, most, n < 256 ? n : 256, &t.net, e))) goto out;
    t.x = lt_malloc((size_t)n * (size_t)size * sizeof(float));
    t.y = lt_malloc((size_t)n * sizeof(float));
    t.guess = lt_malloc((size_t)n * sizeof(float));
    t.row = lt_malloc((size_t)n * sizeof(*t.row));
    t.noise = lt_malloc((size_t)t.net->n_latent * sizeof(float));
    t.theta = lt_aligned((size_t)t.net->n_theta * sizeof(float));
    if (!t.x || !t.y || !t.guess || !t.row || !t.noise || !t.theta) {
        s = lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory for %d architectures", n);
        goto out;
    }
    for (int i = 0; i < n; i++) help_encode(h, &a[i], t.x + (size_t)i * (size_t)size);
    if ((s = keep_measured(&t, e)) || (s = scale(&t, e))) goto out;
    out.error2 = fmax(fmax(left_out(&t), h->meta.error * h->meta.error), 1e-8);
    for (int i = 0; i < n; i++) t.row[i] = i;
    for (int d = 0; d < (int)h->cfg->draws; d++)
        adapt(&t, out.embedding, t.x, t.y, t.row, n, d, out.theta + (size_t)d * (size_t)t.net->n_theta);
    for (size_t i = 0; i < (size_t)h->cfg->draws * (size_t)t.net->n_theta; i++) {
        if (isfinite(out.theta[i])) continue;
        s = lt_fail(e, LT_EFAIL, "predictor 'help': adaptation diverged; measure the proposed architectures");
        goto out;
    }
    help_release_fit(&h->fit);
    h->fit = out;
    out = (struct help_fit){0};
out:
    help_release_fit(&out);
    lt_help_net_free(t.net);
    lt_free(t.x);
    lt_free(t.y);
    lt_free(t.guess);
    lt_free(t.row);
    lt_free(t.noise);
    lt_free(t.theta);
    return s;
}
