/*
 * What training devices teach predictor "fewshot".
 *
 * 1. Each device's latencies as weights of psi: ridge regression under the prior of the components, its strength chosen
 *    on every fourth row, refitted with Student-t weights (outliers count little) and with a free offset for every
 *    stretch of rows that were measured one after the other, since clocks change while a table is measured.
 * 2. How believable each hypothesis is: fewshot_episodes.c.
 */
#include "predictors/fewshot_learn.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/fewshot_math.h"

enum { STRETCH = 30, ROBUST_ROUNDS = 3, STRENGTHS = 6 };
static const double strengths[STRENGTHS] = {1e-4, 1e-3, 1e-2, 0.1, 1, 10};
#define ONE_DEVICE_CHOICE 0.3 /* shares of the components in the prior of one device, beside 1 for the others */

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "predictor 'fewshot': out of memory"); }

static int by_row(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static void table_release(struct lt_few_rows *t) {
    lt_free(t->row);
    lt_free(t->psi);
    lt_free(t->g);
    lt_free(t->l);
    lt_free(t->f_d);
}

static lt_status table_init(struct lt_few_rows *t, const struct lt_few *f, const struct lt_meta *m, struct lt_err *e) {
    size_t n = (size_t)m->n_rows, p = (size_t)f->basis.p;
    lt_status s = LT_OK;

    *t = (struct lt_few_rows){.f = f, .n = m->n_rows, .p = f->basis.p};
    t->row = lt_calloc(n ? n : 1, sizeof(*t->row));
    t->psi = lt_few_doubles(n, p);
    t->g = lt_few_doubles(n, p);
    t->l = lt_few_doubles(p, p);
    t->f_d = lt_few_doubles(n, (size_t)m->n_devices);
    if (!t->row || !t->psi || !t->g || !t->l || !t->f_d) return no_memory(e);
    memcpy(t->row, m->row, n * sizeof(*t->row));
    qsort(t->row, n, sizeof(*t->row), by_row);
    for (int c = LT_FEW_SMALL; c < LT_FEW_N; c++)
        for (size_t i = 0; f->basis.cov[c] && i < p * p; i++)
            t->l[i] += (c == LT_FEW_CHOICE ? ONE_DEVICE_CHOICE : 1) * f->basis.cov[c][i];
    for (size_t i = 0; i < p; i++) t->l[i * p + i] += i ? 1e-6 : 1;
    if (!lt_few_cholesky(t->l, t->p)) return lt_fail(e, LT_EFAIL, "predictor 'fewshot': the prior is not positive");
    for (size_t i = 0; !s && i < n; i++) s = lt_few_psi(&f->basis, &m->set->arch[t->row[i]], t->psi + i * p, e);
    if (!s) lt_few_mul(t->psi, t->l, t->g, t->n, t->p, t->p);
    return s;
}

/* One device: rows it has, its latencies over their mean. */
struct one {
    int n, q;          /* rows; columns of x: p of g, and the stretches */
    double *x, *y;     /* [n][q], [n] */
    double *w, *t, *u; /* [n] weights; scratch */
    double *a, *rhs;   /* [q][q], [q] */
};

static void one_release(struct one *o) {
    lt_free(o->x);
    lt_free(o->y);
    lt_free(o->w);
    lt_free(o->t);
    lt_free(o->u);
    lt_free(o->a);
    lt_free(o->rhs);
}

static lt_status one_init(struct one *o, const struct lt_few_rows *t, const double *latency_s, double *unit_s,
                          struct lt_err *e) {
    size_t p = (size_t)t->p, q;

    *o = (struct one){.q = t->p + (t->n + STRETCH - 1) / STRETCH};
    q = (size_t)o->q;
    o->x = lt_few_doubles((size_t)t->n, q);
    o->y = lt_few_doubles((size_t)t->n, 1);
    o->w = lt_few_doubles((size_t)t->n, 1);
    o->t = lt_few_doubles((size_t)t->n, 1);
    o->u = lt_few_doubles((size_t)t->n, 1);
    o->a = lt_few_doubles(q, q);
    o->rhs = lt_few_doubles(q, 1);
    if (!o->x || !o->y || !o->w || !o->t || !o->u || !o->a || !o->rhs) return no_memory(e);
    *unit_s = 0;
    for (int i = 0; i < t->n; i++) {
        double y = latency_s[t->row[i]];

        if (!(y > 0)) continue;
        memcpy(o->x + (size_t)o->n * q, t->g + (size_t)i * p, p * sizeof(double));
        o->x[(size_t)o->n * q + p + (size_t)(i / STRETCH)] = 1;
        o->w[o->n] = 1;
        o->y[o->n++] = y;
        *unit_s += y;
    }
    *unit_s /= o->n;
    for (int i = 0; i < o->n; i++) o->y[i] /= *unit_s;
    return LT_OK;
}

/* rhs <- argmin sum w (y - x b)^2 + strength |b|^2, over the rows whose weight is not 0. gram: kept when not NULL. */
static bool one_fit(struct one *o, const double *gram, double strength) {
    size_t q = (size_t)o->q;

    if (gram) {
        memcpy(o->a, gram, q * q * sizeof(*gram));
    } else {
        memset(o->a, 0, q * q * sizeof(*o->a));
        lt_few_gram(o->x, o->w, o->a, o->n, o->q);
    }
    memset(o->rhs, 0, q * sizeof(*o->rhs));
    for (int i = 0; i < o->n; i++)
        for (size_t j = 0; j < q; j++) o->rhs[j] += o->w[i] * o->y[i] * o->x[(size_t)i * q + j];
    for (size_t j = 0; j < q; j++) o->a[j * q + j] += strength;
    if (!lt_few_cholesky(o->a, o->q)) return false;
    lt_few_backsolve(o->a, o->rhs, o->q);
    return true;
}

static double residual(const struct one *o, int i) {
    return o->y[i] - lt_few_dot(o->x + (size_t)i * (size_t)o->q, o->rhs, o->q);
}

/* The strength with the least mean absolute error, each cut at four times the median, on every fourth row. */
static lt_status choose_strength(struct one *o, double *out, struct lt_err *e) {
    size_t q = (size_t)o->q;
    double *gram = lt_few_doubles(q, q), best = INFINITY;

    if (!gram) return no_memory(e);
    for (int i = 0; i < o->n; i++) o->w[i] = i % 4 != 3;
    lt_few_gram(o->x, o->w, gram, o->n, o->q);
    *out = strengths[STRENGTHS - 1];
    for (int k = 0; k < STRENGTHS; k++) {
        int n = 0;
        double err = 0, middle;

        if (!one_fit(o, gram, strengths[k])) continue;
        for (int i = 3; i < o->n; i += 4) o->t[n++] = fabs(residual(o, i));
        middle = lt_few_median(o->t, n, o->u);
        for (int i = 0; i < n; i++) err += fmin(o->t[i], 4 * middle) / n;
        if (err < best) {
            best = err;
            *out = strengths[k];
        }
    }
    for (int i = 0; i < o->n; i++) o->w[i] = 1;
    lt_free(gram);
    return LT_OK;
}

static lt_status learn_device(struct lt_few_rows *t, const double *latency_s, double *weights, struct lt_err *e) {
    struct one o;
    double strength = 1, unit_s, mean = 0;
    size_t p = (size_t)t->p;
    lt_status s = one_init(&o, t, latency_s, &unit_s, e);

    if (s || (s = choose_strength(&o, &strength, e))) goto out;
    for (int round = 0; round <= ROBUST_ROUNDS; round++) {
        double scale;

        if (!one_fit(&o, NULL, strength)) {
            s = lt_fail(e, LT_EFAIL, "predictor 'fewshot': a device's regression is singular");
            goto out;
        }
        for (int i = 0; i < o.n; i++) o.t[i] = fabs(residual(&o, i));
        scale = 1.4826 * lt_few_median(o.t, o.n, o.u) + 1e-6;
        for (int i = 0; i < o.n; i++) o.w[i] = LT_FEW_FREEDOM / (LT_FEW_FREEDOM + pow(o.t[i] / scale, 2));
    }
    memset(weights, 0, p * sizeof(*weights));
    lt_few_mul(t->l, o.rhs, weights, t->p, t->p, 1);
    for (int i = 0; i < t->n; i++) mean += lt_few_dot(t->psi + (size_t)i * p, weights, t->p) / t->n;
    if (!(mean > 0)) mean = 1; /* offsets took everything: a device that hardly depends on the network */
    for (size_t j = 0; j < p; j++) weights[j] /= mean;
out:
    one_release(&o);
    return s;
}

lt_status lt_few_set_devices(struct lt_few *f, struct lt_err *e) {
    size_t p = (size_t)f->basis.p, d = (size_t)f->n_devices;
    double *mean = lt_few_doubles(p, 1), *differ = lt_few_doubles(p, d);
    lt_status s = mean && differ ? LT_OK : no_memory(e);

    for (size_t k = 0; !s && k < d; k++)
        for (size_t j = 0; j < p; j++) mean[j] += f->device[k * p + j] / (double)d;
    for (size_t k = 0; !s && k < d; k++)
        for (size_t j = 0; j < p; j++) differ[j * d + k] = (f->device[k * p + j] - mean[j]) / sqrt((double)d);
    if (!s) s = lt_few_set_map(&f->basis, LT_FEW_MEAN, mean, 1, e);
    if (!s) s = lt_few_set_map(&f->basis, LT_FEW_DEVICE, differ, (int)d, e);
    lt_free(mean);
    lt_free(differ);
    return s;
}

lt_status lt_few_learn(struct lt_few *f, const struct lt_meta *m, struct lt_err *e) {
    struct lt_few_rows t = {0};
    size_t p;
    double *device = NULL;
    lt_status s;

    if ((s = lt_few_basis_prepare(&f->basis, f->seed, e)) || (s = lt_few_basis_enumerate(&f->basis, e)) ||
        (s = table_init(&t, f, m, e)))
        goto out;
    p = (size_t)f->basis.p;
    if (!(device = lt_few_doubles((size_t)m->n_devices, p))) {
        s = no_memory(e);
        goto out;
    }
    for (int d = 0; d < m->n_devices; d++) {
        if (lt_ui_stop(m->ui)) {
            s = lt_fail(e, LT_EINTR, "interrupted");
            goto out;
        }
        if ((s = learn_device(&t, m->set->device[m->device[d]].latency_s, device + (size_t)d * p, e))) goto out;
        for (int i = 0; i < t.n; i++)
            t.f_d[(size_t)i * (size_t)m->n_devices + (size_t)d] =
                lt_few_dot(t.psi + (size_t)i * p, device + (size_t)d * p, t.p);
    }
    if ((s = lt_few_learn_weights(f, &t, m, e))) goto out;
    lt_free(f->device);
    f->device = device;
    f->n_devices = m->n_devices;
    device = NULL;
    s = lt_few_set_devices(f, e);
out:
    table_release(&t);
    lt_free(device);
    return s;
}
