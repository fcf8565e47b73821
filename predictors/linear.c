/*
 * Predictor "linear": ridge regression of latency on the features of predictors/features.h, weighted by 1/latency^2 so that relative errors count.
 *   minimise sum_i ((y_i - b - x_i.w) / y_i)^2 + lambda |w|^2,  features scaled to unit spread, one-hot choices scaled down by a factor, intercept b free
 * lambda and that factor are chosen by the closed-form leave-one-out error r_i / (1 - h_i) (Allen, "The relationship between variable selection and data augmentation and a
 * method for prediction", Technometrics 16, 1974); here by its mean absolute value, which is the leave-one-out MAPE. Predictive variance is that of the Bayesian reading:
 * s^2 (1 + a' (A'A + lambda I)^-1 a) with s^2 the mean of r_i^2 / (1 - h_i).
 */
#include <gsl/gsl_blas.h>
#include <gsl/gsl_eigen.h>
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/predictor.h"
#include "predictors/features.h"

struct config { bool genes; double lambda; };
static const struct lt_opt opts[] = {
    {.key = "genes", .type = LT_OPT_BOOL, .unit = "", .dflt = "true", .offset = offsetof(struct config, genes), .help = "use the choices themselves beside sums over the graph"},
    {.key = "lambda", .type = LT_OPT_DOUBLE, .unit = "", .dflt = "0", .min = 0, .max = 1e6, .offset = offsetof(struct config, lambda),
     .help = "strength of the penalty; 0 = chosen by leave-one-out"},
    {.key = NULL},
};

struct linear {
    const struct config *cfg;
    struct lt_features *features;
    int p;                          /* features in use: cfg->genes ? all : the analytic ones */
    /* the fit: y(x) = b + sum_j w_j (x_j - mean_j) * scale_j */
    double b, *mean, *scale, *w;    /* [p] each */
    double floor_s;                 /* predictions do not go below */
    double unit_s;                  /* mean latency of the fit: what norm0, pull and sv2 are in units of */
    double s2;                      /* relative variance of an observation */
    double lambda;
    gsl_matrix *basis;              /* [p x k] right singular vectors of the centred, weighted design */
    gsl_vector *sv2;                /* [k] squared singular values */
    double *pull;                   /* [p] u'A: what centring takes from a new row, see predict */
    double norm0;                   /* length of the intercept's column */
};

/* Everything of one fit that is thrown away after it. */
struct work {
    int n, p, k;                    /* k = min(n, p) */
    gsl_matrix *x;                  /* [n x p] scaled features, then weighted and centred: A */
    gsl_matrix *gram, *vec;         /* [k x k] */
    gsl_vector *val;                /* [k] */
    gsl_matrix *u;                  /* [n x k] left singular vectors */
    gsl_vector *t, *ut, *unit;      /* target [n] with the intercept projected out, u't [k], intercept's direction [n] */
};

static void work_release(struct work *k)
{
    gsl_matrix_free(k->x);
    gsl_matrix_free(k->gram);
    gsl_matrix_free(k->vec);
    gsl_vector_free(k->val);
    gsl_matrix_free(k->u);
    gsl_vector_free(k->t);
    gsl_vector_free(k->ut);
    gsl_vector_free(k->unit);
}

static bool work_init(struct work *k, int n, int p)
{
    *k = (struct work){.n = n, .p = p, .k = n < p ? n : p};
    k->x = gsl_matrix_alloc((size_t)n, (size_t)p);
    k->gram = gsl_matrix_alloc((size_t)k->k, (size_t)k->k);
    k->vec = gsl_matrix_alloc((size_t)k->k, (size_t)k->k);
    k->val = gsl_vector_alloc((size_t)k->k);
    k->u = gsl_matrix_calloc((size_t)n, (size_t)k->k);
    k->t = gsl_vector_alloc((size_t)n);
    k->ut = gsl_vector_alloc((size_t)k->k);
    k->unit = gsl_vector_alloc((size_t)n);
    if (k->x && k->gram && k->vec && k->val && k->u && k->t && k->ut && k->unit) return true;
    work_release(k);
    return false;
}

static lt_status open_linear(const struct lt_space *space, const void *cfg, uint64_t seed, void **self, struct lt_err *e)
{
    struct linear *l = lt_calloc(1, sizeof(*l));
    lt_status s;

    (void)seed; /* nothing here is random */
    if (!l) return lt_fail(e, LT_ENOMEM, "predictor 'linear': out of memory");
    l->cfg = cfg;
    if ((s = lt_features_new(space, &l->features, e))) {
        lt_free(l);
        return s;
    }
    l->p = l->cfg->genes ? lt_features_count(l->features) : lt_features_analytic(l->features);
    *self = l;
    return LT_OK;
}

static void release_fit(struct linear *l)
{
    lt_free(l->mean);
    lt_free(l->scale);
    lt_free(l->w);
    lt_free(l->pull);
    gsl_matrix_free(l->basis);
    gsl_vector_free(l->sv2);
    l->mean = l->scale = l->w = l->pull = NULL;
    l->basis = NULL;
    l->sv2 = NULL;
}

static void close_linear(void *self)
{
    struct linear *l = self;

    release_fit(l);
    lt_features_free(l->features);
    lt_free(l);
}

/* Mean and 1/spread of each column of raw [n x p]; constant columns get scale 0. gene_scale shrinks the one-hot columns. */
static void column_scales(const struct linear *l, const double *raw, int n, double gene_scale, double *mean, double *scale)
{
    int p = l->p, analytic = lt_features_analytic(l->features);

    for (int j = 0; j < p; j++) {
        double m = 0, v = 0;

        for (int i = 0; i < n; i++) m += raw[(size_t)i * (size_t)p + (size_t)j] / n;
        for (int i = 0; i < n; i++) v += pow(raw[(size_t)i * (size_t)p + (size_t)j] - m, 2) / n;
        mean[j] = m;
        scale[j] = v > 1e-18 * m * m && v > 0 ? (j < analytic ? 1 : gene_scale) / sqrt(v) : 0;
    }
}

/* Builds A and its decomposition A = U S V'. Latencies are in units of the mean latency of the fit, so that the penalty means the same on any device. */
static void decompose(struct work *k, const double *raw, const double *y, const double *mean, const double *scale)
{
    gsl_eigen_symmv_workspace *ws;
    double norm = 0, dot;

    for (int i = 0; i < k->n; i++) {
        gsl_vector_set(k->unit, (size_t)i, 1 / y[i]);
        norm += 1 / (y[i] * y[i]);
        for (int j = 0; j < k->p; j++) gsl_matrix_set(k->x, (size_t)i, (size_t)j, (raw[(size_t)i * (size_t)k->p + (size_t)j] - mean[j]) * scale[j] / y[i]);
    }
    gsl_vector_scale(k->unit, 1 / sqrt(norm));
    gsl_vector_set_all(k->t, 1); /* y_i / y_i */
    gsl_blas_ddot(k->unit, k->t, &dot);
    gsl_blas_daxpy(-dot, k->unit, k->t);
    for (int j = 0; j < k->p; j++) {
        gsl_vector_view c = gsl_matrix_column(k->x, (size_t)j);

        gsl_blas_ddot(k->unit, &c.vector, &dot);
        gsl_blas_daxpy(-dot, k->unit, &c.vector);
    }
    /* eigenvectors of the smaller of AA' and A'A */
    if (k->n <= k->p)
        gsl_blas_dgemm(CblasNoTrans, CblasTrans, 1, k->x, k->x, 0, k->gram);
    else
        gsl_blas_dgemm(CblasTrans, CblasNoTrans, 1, k->x, k->x, 0, k->gram);
    if (!(ws = gsl_eigen_symmv_alloc((size_t)k->k))) LT_BUG("out of memory for a decomposition of order %d", k->k);
    gsl_eigen_symmv(k->gram, k->val, k->vec, ws);
    gsl_eigen_symmv_free(ws);
    gsl_eigen_symmv_sort(k->val, k->vec, GSL_EIGEN_SORT_VAL_DESC);
    for (int c = 0; c < k->k; c++) {
        if (gsl_vector_get(k->val, (size_t)c) < 1e-12 * gsl_vector_get(k->val, 0)) gsl_vector_set(k->val, (size_t)c, 0);
    }
    if (k->n <= k->p) {
        gsl_matrix_memcpy(k->u, k->vec);
    } else {
        gsl_blas_dgemm(CblasNoTrans, CblasNoTrans, 1, k->x, k->vec, 0, k->u);
        for (int c = 0; c < k->k; c++) {
            gsl_vector_view u = gsl_matrix_column(k->u, (size_t)c);
            double s2 = gsl_vector_get(k->val, (size_t)c);

            gsl_vector_scale(&u.vector, s2 > 0 ? 1 / sqrt(s2) : 0);
        }
    }
    gsl_blas_dgemv(CblasTrans, 1, k->u, k->t, 0, k->ut);
}

/* Leave-one-out MAPE for one lambda; *s2: mean of r_i^2 / (1 - h_i). */
static double leave_one_out(const struct work *k, double lambda, double *s2)
{
    double sum = 0, var = 0;

    for (int i = 0; i < k->n; i++) {
        double fit = 0, h = pow(gsl_vector_get(k->unit, (size_t)i), 2), r;

        for (int c = 0; c < k->k; c++) {
            double v = gsl_vector_get(k->val, (size_t)c), f = v > 0 ? v / (v + lambda) : 0, u = gsl_matrix_get(k->u, (size_t)i, (size_t)c);

            fit += u * f * gsl_vector_get(k->ut, (size_t)c);
            h += u * u * f;
        }
        r = gsl_vector_get(k->t, (size_t)i) - fit;
        h = fmin(h, 1 - 1e-9);
        sum += fabs(r / (1 - h));
        var += r * r / (1 - h);
    }
    *s2 = var / k->n;
    return sum / k->n;
}

/* Keeps what prediction needs. y is in units of `unit_s`. */
static lt_status keep_fit(struct linear *l, const struct work *k, const double *raw, const double *y, double unit_s, double lambda, double s2, double *mean, double *scale,
                          struct lt_err *e)
{
    struct linear f = *l;
    double dot = 0, norm = 0, ymin = y[0], intercept = 0;

    f.mean = f.scale = NULL; /* the old ones are still l's */
    f.w = lt_calloc((size_t)k->p, sizeof(double));
    f.pull = lt_calloc((size_t)k->p, sizeof(double));
    f.basis = gsl_matrix_calloc((size_t)k->p, (size_t)k->k);
    f.sv2 = gsl_vector_alloc((size_t)k->k);
    if (!f.w || !f.pull || !f.basis || !f.sv2) {
        release_fit(&f);
        return lt_fail(e, LT_ENOMEM, "predictor 'linear': out of memory");
    }
    gsl_vector_memcpy(f.sv2, k->val);
    if (k->n <= k->p)
        gsl_blas_dgemm(CblasTrans, CblasNoTrans, 1, k->x, k->u, 0, f.basis); /* V S; divided by S below */
    else
        gsl_matrix_memcpy(f.basis, k->vec);
    for (int c = 0; c < k->k; c++) {
        double v = gsl_vector_get(k->val, (size_t)c), s = sqrt(v);
        gsl_vector_view col = gsl_matrix_column(f.basis, (size_t)c);

        if (k->n <= k->p) gsl_vector_scale(&col.vector, v > 0 ? 1 / s : 0);
        if (v <= 0) continue;
        for (int j = 0; j < k->p; j++) f.w[j] += gsl_matrix_get(f.basis, (size_t)j, (size_t)c) * s / (v + lambda) * gsl_vector_get(k->ut, (size_t)c);
    }
    for (int i = 0; i < k->n; i++) {
        norm += 1 / (y[i] * y[i]);
        ymin = fmin(ymin, y[i]);
    }
    f.norm0 = sqrt(norm);
    for (int i = 0; i < k->n; i++) {
        double u = gsl_vector_get(k->unit, (size_t)i);

        intercept += u;
        for (int j = 0; j < k->p; j++) f.pull[j] += u * (raw[(size_t)i * (size_t)k->p + (size_t)j] - mean[j]) * scale[j] / y[i];
    }
    for (int j = 0; j < k->p; j++) dot += f.pull[j] * f.w[j];
    f.b = (intercept - dot) / f.norm0 * unit_s;
    for (int j = 0; j < k->p; j++) f.w[j] *= unit_s;
    f.floor_s = ymin * unit_s / 10;
    f.unit_s = unit_s;
    f.s2 = s2;
    f.lambda = lambda;
    f.mean = mean;
    f.scale = scale;
    release_fit(l);
    *l = f;
    return LT_OK;
}

static lt_status fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e)
{
    static const double gene_scales[] = {1, 0.3, 0.1, 0};
    struct linear *l = self;
    int p = l->p, all = lt_features_count(l->features), best_g = 0, n_scales = l->cfg->genes ? 4 : 1;
    double *raw = lt_malloc((size_t)n * (size_t)p * sizeof(*raw)), *row = lt_malloc((size_t)all * sizeof(*row)), *y = lt_malloc((size_t)n * sizeof(*y));
    double *mean = lt_malloc((size_t)p * sizeof(*mean)), *scale = lt_malloc((size_t)p * sizeof(*scale)), unit_s = 0, best = INFINITY, best_lambda = 0, best_s2 = 0, s2;
    struct work k = {0};
    lt_status s;

    if (!raw || !row || !y || !mean || !scale || !work_init(&k, n, p)) {
        s = lt_fail(e, LT_ENOMEM, "predictor 'linear': out of memory for %d architectures of %d features", n, p);
        goto out;
    }
    for (int i = 0; i < n; i++) {
        if ((s = lt_features_of(l->features, &a[i], row, e))) goto out;
        memcpy(raw + (size_t)i * (size_t)p, row, (size_t)p * sizeof(*raw));
        unit_s += latency_s[i] / n;
    }
    for (int i = 0; i < n; i++) y[i] = latency_s[i] / unit_s;
    for (int g = 0; g < n_scales; g++) {
        column_scales(l, raw, n, gene_scales[g], mean, scale);
        decompose(&k, raw, y, mean, scale);
        for (int i = 0; i <= 40; i++) {
            double lambda = l->cfg->lambda > 0 ? l->cfg->lambda : n * pow(10, -9 + 0.25 * i), loo = leave_one_out(&k, lambda, &s2);

            if (loo < best) {
                best = loo;
                best_lambda = lambda;
                best_s2 = s2;
                best_g = g;
            }
        }
    }
    column_scales(l, raw, n, gene_scales[best_g], mean, scale);
    decompose(&k, raw, y, mean, scale);
    if (!(s = keep_fit(l, &k, raw, y, unit_s, best_lambda, best_s2, mean, scale, e))) mean = scale = NULL;
out:
    work_release(&k);
    lt_free(raw);
    lt_free(row);
    lt_free(y);
    lt_free(mean);
    lt_free(scale);
    return s;
}

/* Relative variance of what is not known of a prediction: c^2 + a'(A'A + lambda I)^-1 a for the new row a, centred as the fit's rows were. */
static double leverage(const struct linear *l, const double *z, double y)
{
    double c = 1 / (y * l->norm0), h = c * c, rest = 0;
    size_t k = l->sv2->size;

    for (int j = 0; j < l->p; j++) rest += pow(z[j] / y - c * l->pull[j], 2);
    for (size_t i = 0; i < k; i++) {
        double dot = 0;

        for (int j = 0; j < l->p; j++) dot += gsl_matrix_get(l->basis, (size_t)j, i) * (z[j] / y - c * l->pull[j]);
        h += dot * dot / (gsl_vector_get(l->sv2, i) + l->lambda);
        rest -= gsl_vector_get(l->sv2, i) > 0 ? dot * dot : 0;
    }
    return h + fmax(rest, 0) / l->lambda; /* directions that no training row has */
}

static lt_status predict(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s, struct lt_err *e)
{
    const struct linear *l = self;
    double *row = lt_malloc((size_t)lt_features_count(l->features) * sizeof(*row));
    lt_status s = LT_OK;

    if (!row) return lt_fail(e, LT_ENOMEM, "predictor 'linear': out of memory");
    for (int i = 0; i < n && !s; i++) {
        double y = l->b;

        if ((s = lt_features_of(l->features, &a[i], row, e))) break;
        for (int j = 0; j < l->p; j++) {
            row[j] = (row[j] - l->mean[j]) * l->scale[j];
            y += row[j] * l->w[j];
        }
        mean_s[i] = fmax(y, l->floor_s);
        if (sd_s) sd_s[i] = mean_s[i] * sqrt(l->s2 * (1 + leverage(l, row, mean_s[i] / l->unit_s)));
    }
    lt_free(row);
    return s;
}

const struct lt_predictor_ops lt_predictor_linear = {
    .name = "linear",
    .source = "Allen, Technometrics 16, 1974 (leave-one-out ridge)",
    .about = "ridge regression on work by operator class, weighted for relative error",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .open = open_linear,
    .close = close_linear,
    .fit = fit,
    .predict = predict,
};
