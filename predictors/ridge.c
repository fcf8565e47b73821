/* Room: predictors. Ridge regression; see ridge.h. The singular vectors come from the eigenvectors of the smaller of
 * A'A and AA'. */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/eigen.h"
#include "predictors/ridge.h"

/* Squared singular values below this share of the largest are dropped: a direction in which the training networks
 * spread 10^5 times less than in the widest is rounding of columns that repeat one another (latencies are known to 1%
 * at best). */
#define NEGLIGIBLE 1e-10
/* The smallest and the largest lambda tried, for one observation: below, nothing is left to shrink; above, everything
 * is. */
#define LEAST_LAMBDA 1e-6
#define MOST_LAMBDA 10.0

enum { LAMBDAS = 28 };

static double *doubles(int rows, int cols) { return lt_calloc((size_t)rows * (size_t)cols, sizeof(double)); }

void lt_ridge_end(struct lt_ridge_work *w) {
    if (!w) return;
    lt_free(w->raw);
    lt_free(w->latency_s);
    lt_free(w->y);
    lt_free(w->mean);
    lt_free(w->scale);
    lt_free(w->a);
    lt_free(w->gram);
    lt_free(w->q);
    lt_free(w->u);
    lt_free(w->v);
    lt_free(w->scratch);
    lt_free(w->sv2);
    lt_free(w->unit);
    lt_free(w->t);
    lt_free(w->ut);
    lt_free(w->pull);
    lt_free(w);
}

lt_status lt_ridge_begin(struct lt_ridge_work **out, int n, int p, struct lt_err *e) {
    struct lt_ridge_work *w = lt_calloc(1, sizeof(*w));

    if (!w) return lt_fail(e, LT_ENOMEM, "ridge regression: out of memory");
    w->n = n;
    w->p = p;
    w->k = n < p ? n : p;
    w->raw = doubles(n, p);
    w->latency_s = doubles(n, 1);
    w->y = doubles(n, 1);
    w->mean = doubles(p, 1);
    w->scale = doubles(p, 1);
    w->a = doubles(n, p);
    w->gram = doubles(w->k, w->k);
    w->q = doubles(w->k, w->k);
    w->u = doubles(n, w->k);
    w->v = doubles(p, w->k);
    w->scratch = doubles(w->k, 2);
    w->sv2 = doubles(w->k, 1);
    w->unit = doubles(n, 1);
    w->t = doubles(n, 1);
    w->ut = doubles(w->k, 1);
    w->pull = doubles(p, 1);
    if (!w->raw || !w->latency_s || !w->y || !w->mean || !w->scale || !w->a || !w->gram || !w->q || !w->u || !w->v ||
        !w->scratch || !w->sv2 || !w->unit || !w->t || !w->ut || !w->pull) {
        lt_ridge_end(w);
        return lt_fail(e, LT_ENOMEM, "ridge regression: out of memory for %d architectures of %d columns", n, p);
    }
    *out = w;
    return LT_OK;
}

/* Mean and factor/spread of each column; constant columns get scale 0. */
static void column_scales(struct lt_ridge_work *w, const double *factor) {
    for (int j = 0; j < w->p; j++) {
        double m = 0, v = 0;

        for (int i = 0; i < w->n; i++) m += w->raw[(size_t)i * (size_t)w->p + (size_t)j] / w->n;
        for (int i = 0; i < w->n; i++) v += pow(w->raw[(size_t)i * (size_t)w->p + (size_t)j] - m, 2) / w->n;
        w->mean[j] = m;
        w->scale[j] = v > 1e-18 * m * m && v > 0 ? factor[j] / sqrt(v) : 0;
    }
}

/* gram <- A A' or A' A, whichever is smaller. */
static void form_gram(struct lt_ridge_work *w) {
    size_t n = (size_t)w->n, p = (size_t)w->p, k = (size_t)w->k;

    memset(w->gram, 0, k * k * sizeof(*w->gram));
    if (w->n < w->p) {
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j <= i; j++) {
                double dot = 0;
                for (size_t c = 0; c < p; c++) dot += w->a[i * p + c] * w->a[j * p + c];
                w->gram[i * k + j] = w->gram[j * k + i] = dot;
            }
        }
        return;
    }
    for (size_t r = 0; r < n; r++) {
        const double *row = w->a + r * p;
        for (size_t i = 0; i < p; i++) {
            if (row[i] == 0) continue;
            for (size_t j = 0; j <= i; j++) w->gram[i * k + j] += row[i] * row[j];
        }
    }
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < i; j++) w->gram[j * k + i] = w->gram[i * k + j];
}

/* The other side's vectors: u = A v / s, or v = A'u / s; zero where s is. */
static void other_side(struct lt_ridge_work *w) {
    size_t n = (size_t)w->n, p = (size_t)w->p, k = (size_t)w->k;

    if (w->n < w->p) {
        memset(w->v, 0, p * k * sizeof(*w->v));
        for (size_t i = 0; i < n; i++)
            for (size_t c = 0; c < k; c++)
                if (w->sv2[c] > 0)
                    w->u[i * k + c] = w->q[c * k + i];
                else
                    w->u[i * k + c] = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < p; j++)
                for (size_t c = 0; c < k; c++) w->v[j * k + c] += w->a[i * p + j] * w->u[i * k + c];
        for (size_t j = 0; j < p; j++)
            for (size_t c = 0; c < k; c++) w->v[j * k + c] *= w->sv2[c] > 0 ? 1 / sqrt(w->sv2[c]) : 0;
        return;
    }
    memset(w->u, 0, n * k * sizeof(*w->u));
    for (size_t j = 0; j < p; j++)
        for (size_t c = 0; c < k; c++) w->v[j * k + c] = w->sv2[c] > 0 ? w->q[c * k + j] : 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < p; j++)
            for (size_t c = 0; c < k; c++) w->u[i * k + c] += w->a[i * p + j] * w->v[j * k + c];
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < k; c++) w->u[i * k + c] *= w->sv2[c] > 0 ? 1 / sqrt(w->sv2[c]) : 0;
}

static lt_status singular_vectors(struct lt_ridge_work *w, struct lt_err *e) {
    double largest = 0;

    form_gram(w);
    if (!lt_eigen_symmetric(w->gram, w->sv2, w->q, w->scratch, w->k))
        return lt_fail(e, LT_EFAIL, "ridge regression: no eigenvalues of %d architectures and %d columns", w->n, w->p);
    for (int c = 0; c < w->k; c++) largest = fmax(largest, w->sv2[c]);
    for (int c = 0; c < w->k; c++)
        if (!(w->sv2[c] > NEGLIGIBLE * largest)) w->sv2[c] = 0;
    other_side(w);
    return LT_OK;
}

/* Builds A, with the intercept's direction projected out of every column, and decomposes it: A = U S V'. */
static lt_status decompose(struct lt_ridge_work *w, struct lt_err *e) {
    size_t n = (size_t)w->n, p = (size_t)w->p, k = (size_t)w->k;
    double norm = 0, dot = 0;
    lt_status s;

    for (size_t i = 0; i < n; i++) norm += 1 / (w->y[i] * w->y[i]);
    w->norm0 = sqrt(norm);
    for (size_t i = 0; i < n; i++) {
        w->unit[i] = 1 / (w->y[i] * w->norm0);
        dot += w->unit[i];
    }
    for (size_t i = 0; i < n; i++) w->t[i] = 1 - dot * w->unit[i]; /* the target is y_i / y_i = 1 */
    memset(w->pull, 0, p * sizeof(*w->pull));
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < p; j++) {
            w->a[i * p + j] = (w->raw[i * p + j] - w->mean[j]) * w->scale[j] / w->y[i];
            w->pull[j] += w->unit[i] * w->a[i * p + j];
        }
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < p; j++) w->a[i * p + j] -= w->pull[j] * w->unit[i];
    if ((s = singular_vectors(w, e))) return s;
    for (size_t c = 0; c < k; c++) {
        w->ut[c] = 0;
        for (size_t i = 0; i < n; i++) w->ut[c] += w->u[i * k + c] * w->t[i];
    }
    return LT_OK;
}

/* Leave-one-out MAPE for one lambda; *s2: mean of r_i^2 / (1 - h_i). */
static double leave_one_out(const struct lt_ridge_work *w, double lambda, double *s2) {
    double sum = 0, var = 0;

    for (int i = 0; i < w->n; i++) {
        double fit = 0, h = w->unit[i] * w->unit[i], r;

        for (int c = 0; c < w->k; c++) {
            double f = w->sv2[c] / (w->sv2[c] + lambda), u = w->u[(size_t)i * (size_t)w->k + (size_t)c];

            fit += u * f * w->ut[c];
            h += u * u * f;
        }
        r = w->t[i] - fit;
        h = fmin(h, 1 - 1e-9);
        sum += fabs(r / (1 - h));
        var += r * r / (1 - h);
    }
    *s2 = var / w->n;
    return sum / w->n;
}

lt_status lt_ridge_try(struct lt_ridge_work *w, const double *factor, double lambda, struct lt_err *e) {
    lt_status s;

    w->unit_s = 0;
    for (int i = 0; i < w->n; i++) w->unit_s += w->latency_s[i] / w->n;
    for (int i = 0; i < w->n; i++) w->y[i] = w->latency_s[i] / w->unit_s;
    column_scales(w, factor);
    if ((s = decompose(w, e))) return s;
    w->loo = INFINITY;
    for (int i = 0; i <= LAMBDAS; i++) {
        double l = lambda > 0 ? lambda : w->n * LEAST_LAMBDA * pow(MOST_LAMBDA / LEAST_LAMBDA, i / (double)LAMBDAS), s2,
               loo = leave_one_out(w, l, &s2);

        if (loo < w->loo || i == 0) {
            w->loo = loo;
            w->lambda = l;
            w->s2 = s2;
        }
        if (lambda > 0) break;
    }
    return LT_OK;
}

void lt_ridge_release(struct lt_ridge *r) {
    lt_free(r->mean);
    lt_free(r->scale);
    lt_free(r->w);
    lt_free(r->pull);
    lt_free(r->basis);
    lt_free(r->sv2);
    *r = (struct lt_ridge){0};
}

static bool reserve(struct lt_ridge *f, int p, int k) {
    *f = (struct lt_ridge){.p = p};
    f->mean = doubles(p, 1);
    f->scale = doubles(p, 1);
    f->w = doubles(p, 1);
    f->pull = doubles(p, 1);
    f->basis = doubles(k, p);
    f->sv2 = doubles(k, 1);
    if (f->mean && f->scale && f->w && f->pull && f->basis && f->sv2) return true;
    lt_ridge_release(f);
    return false;
}

lt_status lt_ridge_keep(const struct lt_ridge_work *w, struct lt_ridge *out, struct lt_err *e) {
    struct lt_ridge f;
    double least = w->y[0], intercept = 0;
    size_t p = (size_t)w->p;

    if (!reserve(&f, w->p, w->k)) return lt_fail(e, LT_ENOMEM, "ridge regression: out of memory");
    memcpy(f.mean, w->mean, p * sizeof(double));
    memcpy(f.scale, w->scale, p * sizeof(double));
    memcpy(f.pull, w->pull, p * sizeof(double));
    f.k = 0;
    for (int c = 0; c < w->k; c++) {
        double *v = f.basis + (size_t)f.k * p;

        if (w->sv2[c] <= 0) continue;
        for (size_t j = 0; j < p; j++) {
            v[j] = w->v[j * (size_t)w->k + (size_t)c];
            f.w[j] += v[j] * sqrt(w->sv2[c]) / (w->sv2[c] + w->lambda) * w->ut[c] * w->unit_s;
        }
        f.sv2[f.k++] = w->sv2[c];
    }
    for (int i = 0; i < w->n; i++) {
        intercept += w->unit[i];
        least = fmin(least, w->y[i]);
    }
    f.b = intercept * w->unit_s;
    for (size_t j = 0; j < p; j++) f.b -= f.pull[j] * f.w[j];
    f.b /= w->norm0;
    f.norm0 = w->norm0;
    f.floor_s = least * w->unit_s / 10;
    f.unit_s = w->unit_s;
    f.s2 = w->s2;
    f.lambda = w->lambda;
    lt_ridge_release(out);
    *out = f;
    return LT_OK;
}

/* Relative variance of what is not known of a prediction: c^2 + a'(A'A + lambda I)^-1 a for the new row a, centred as
 * the fit's rows were. */
static double leverage(const struct lt_ridge *l, const double *z, double y) {
    double c = 1 / (y * l->norm0), h = c * c, rest = 0;

    for (int j = 0; j < l->p; j++) rest += pow(z[j] / y - c * l->pull[j], 2);
    for (int i = 0; i < l->k; i++) {
        const double *v = l->basis + (size_t)i * (size_t)l->p;
        double dot = 0;

        for (int j = 0; j < l->p; j++) dot += v[j] * (z[j] / y - c * l->pull[j]);
        h += dot * dot / (l->sv2[i] + l->lambda);
        rest -= dot * dot;
    }
    return h + fmax(rest, 0) / l->lambda; /* directions that no training row has */
}

double lt_ridge_predict(const struct lt_ridge *r, double *x, double *sd_s) {
    double y = r->b;

    for (int j = 0; j < r->p; j++) {
        x[j] = (x[j] - r->mean[j]) * r->scale[j];
        y += x[j] * r->w[j];
    }
    y = fmax(y, r->floor_s);
    if (sd_s) *sd_s = y * sqrt(r->s2 * (1 + leverage(r, x, y / r->unit_s)));
    return y;
}

void lt_ridge_save(const struct lt_ridge *r, struct lt_blob_writer *w) {
    double number[] = {r->b, r->floor_s, r->unit_s, r->s2, r->lambda, r->norm0};
    size_t p = (size_t)r->p, k = (size_t)r->k;

    lt_blob_put(w, "ridge", LT_BLOB_F64, number, 6);
    lt_blob_put(w, "ridge.mean", LT_BLOB_F64, r->mean, p);
    lt_blob_put(w, "ridge.scale", LT_BLOB_F64, r->scale, p);
    lt_blob_put(w, "ridge.weight", LT_BLOB_F64, r->w, p);
    lt_blob_put(w, "ridge.pull", LT_BLOB_F64, r->pull, p);
    lt_blob_put(w, "ridge.sv2", LT_BLOB_F64, r->sv2, k);
    lt_blob_put(w, "ridge.basis", LT_BLOB_F64, r->basis, k * p);
}

lt_status lt_ridge_load(const struct lt_blob_reader *r, int p, struct lt_ridge *out, struct lt_err *e) {
    size_t n = (size_t)p, k = lt_blob_count(r, "ridge.sv2");
    double number[6];
    struct lt_ridge f;
    lt_status s;

    if (k > n) return lt_blob_bad(r, "ridge.sv2", e, "rank %zu of %d columns", k, p);
    if (!reserve(&f, p, (int)k)) return lt_fail(e, LT_ENOMEM, "ridge regression: out of memory");
    f.k = (int)k;
    if ((s = lt_blob_get_finite(r, "ridge", number, 6, e)) || (s = lt_blob_get_finite(r, "ridge.mean", f.mean, n, e)) ||
        (s = lt_blob_get_finite(r, "ridge.scale", f.scale, n, e)) ||
        (s = lt_blob_get_finite(r, "ridge.weight", f.w, n, e)) ||
        (s = lt_blob_get_finite(r, "ridge.pull", f.pull, n, e)) ||
        (s = lt_blob_get_finite(r, "ridge.sv2", f.sv2, k, e)) ||
        (s = lt_blob_get_finite(r, "ridge.basis", f.basis, k * n, e))) {
        lt_ridge_release(&f);
        return s;
    }
    f.b = number[0];
    f.floor_s = number[1];
    f.unit_s = number[2];
    f.s2 = number[3];
    f.lambda = number[4];
    f.norm0 = number[5];
    lt_ridge_release(out);
    *out = f;
    return LT_OK;
}
