/*
 * Predictor "linear": ridge regression of latency on the features of predictors/features.h, weighted by 1/latency^2 so
 * that relative errors count: it minimises sum_i ((y_i - b - x_i.w) / y_i)^2 + lambda |w|^2, with features scaled to
 * unit spread, one-hot choices scaled down by a factor, and a free intercept b. lambda and that factor are chosen by
 * the closed-form leave-one-out error r_i / (1 - h_i) (Allen, "The relationship between variable selection and data
 * augmentation and a method for prediction", Technometrics 16, 1974); here by its mean absolute value, which is the
 * leave-one-out MAPE. Predictive variance is that of the Bayesian reading: s^2 (1 + a' (A'A + lambda I)^-1 a) with s^2
 * the mean of r_i^2 / (1 - h_i). The singular vectors come from GSL's one-sided Jacobi rotations and not from LAPACK:
 * they use BLAS for short vectors only, which no BLAS splits among threads, so that predictions do not depend on how
 * many cores the process may use.
 */
#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/predictor.h"
#include "predictors/features.h"

/* Squared singular values below this share of the largest are dropped: a direction in which the training networks
 * spread 10^5 times less than in the widest is rounding of columns that repeat one another (latencies are known to 1%
 * at best), and its vector is not orthogonal to the others any more. */
#define NEGLIGIBLE 1e-10
/* The smallest and the largest lambda tried, for one observation: below, nothing is left to shrink; above, everything
 * is. */
#define LEAST_LAMBDA 1e-6
#define MOST_LAMBDA 10.0

struct config {
    bool genes;
    double lambda;
};
static const struct lt_opt opts[] = {
    {.key = "genes",
     .type = LT_OPT_BOOL,
     .unit = "",
     .dflt = "true",
     .offset = offsetof(struct config, genes),
     .help = "use the choices themselves beside sums over the graph"},
    {.key = "lambda",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "0",
     .min = 0,
     .max = 1e6,
     .offset = offsetof(struct config, lambda),
     .help = "strength of the penalty; 0 = chosen by leave-one-out"},
    {.key = NULL},
};

struct linear {
    const struct config *cfg;
    struct lt_features *features;
    int p; /* features in use: cfg->genes ? all : the analytic ones */
    /* the fit: y(x) = b + sum_j w_j (x_j - mean_j) * scale_j */
    double b, *mean, *scale, *w; /* [p] each */
    double floor_s;              /* predictions do not go below */
    double unit_s;               /* mean latency of the fit: what norm0, pull and sv2 are in units of */
    double s2;                   /* relative variance of an observation */
    double lambda;
    int k;         /* rank kept */
    double *basis; /* [k][p] right singular vectors of the centred, weighted design A */
    double *sv2;   /* [k] squared singular values, all positive */
    double *pull;  /* [p] u'A: what centring takes from a new row, see leverage */
    double norm0;  /* length of the intercept's column */
};

/* Everything of one fit that is thrown away after it. */
struct work {
    int n, p, k;          /* k = min(n, p) */
    double *raw;          /* [n][p] features */
    double *y;            /* [n] latencies in units of their mean, so that lambda means the same on any device */
    double *mean, *scale; /* [p] */
    double *a;            /* [max(n, p)][k] A (n >= p) or its transpose (n < p); then left singular vectors of that */
    double *q;            /* [k][k] and the right ones */
    double *s2;           /* [k] squared singular values, 0 where negligible */
    double *unit;         /* [n] direction of the intercept's column */
    double *t, *ut;       /* [n] target with the intercept projected out; [k] u't */
    double *pull;         /* [p] */
    double norm0;
    const double *u, *v; /* [n][k], [p][k] singular vectors of A in columns: a and q, or q and a */
};

static void work_release(struct work *w) {
    lt_free(w->raw);
    lt_free(w->y);
    lt_free(w->mean);
    lt_free(w->scale);
    lt_free(w->a);
    lt_free(w->q);
    lt_free(w->s2);
    lt_free(w->unit);
    lt_free(w->t);
    lt_free(w->ut);
    lt_free(w->pull);
}

static double *doubles(int rows, int cols) { return lt_calloc((size_t)rows * (size_t)cols, sizeof(double)); }

static bool work_init(struct work *w, int n, int p) {
    *w = (struct work){.n = n, .p = p, .k = n < p ? n : p};
    w->raw = doubles(n, p);
    w->y = doubles(n, 1);
    w->mean = doubles(p, 1);
    w->scale = doubles(p, 1);
    w->a = doubles(n, p);
    w->q = doubles(w->k, w->k);
    w->s2 = doubles(w->k, 1);
    w->unit = doubles(n, 1);
    w->t = doubles(n, 1);
    w->ut = doubles(w->k, 1);
    w->pull = doubles(p, 1);
    return w->raw && w->y && w->mean && w->scale && w->a && w->q && w->s2 && w->unit && w->t && w->ut && w->pull;
}

static lt_status open_linear(const struct lt_space *space, const void *cfg, uint64_t seed, void **self,
                             struct lt_err *e) {
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

static void release_fit(struct linear *l) {
    lt_free(l->mean);
    lt_free(l->scale);
    lt_free(l->w);
    lt_free(l->pull);
    lt_free(l->basis);
    lt_free(l->sv2);
}

static void close_linear(void *self) {
    struct linear *l = self;

    release_fit(l);
    lt_features_free(l->features);
    lt_free(l);
}

/* Mean and 1/spread of each column; constant columns get scale 0. gene_scale shrinks the one-hot columns. */
static void column_scales(struct work *w, int n_analytic, double gene_scale) {
    for (int j = 0; j < w->p; j++) {
        double m = 0, v = 0;

        for (int i = 0; i < w->n; i++) m += w->raw[(size_t)i * (size_t)w->p + (size_t)j] / w->n;
        for (int i = 0; i < w->n; i++) v += pow(w->raw[(size_t)i * (size_t)w->p + (size_t)j] - m, 2) / w->n;
        w->mean[j] = m;
        w->scale[j] = v > 1e-18 * m * m && v > 0 ? (j < n_analytic ? 1 : gene_scale) / sqrt(v) : 0;
    }
}

static lt_status singular_vectors(struct work *w, struct lt_err *e) {
    size_t k = (size_t)w->k;
    double largest = 0;
    gsl_matrix_view a = gsl_matrix_view_array(w->a, (size_t)(w->n >= w->p ? w->n : w->p), k),
                    q = gsl_matrix_view_array(w->q, k, k);
    gsl_vector_view s = gsl_vector_view_array(w->s2, k);
    gsl_error_handler_t *was = gsl_set_error_handler_off(); /* it would abort */
    int r = gsl_linalg_SV_decomp_jacobi(&a.matrix, &q.matrix, &s.vector);

    gsl_set_error_handler(was);
    if (r) return lt_fail(e, LT_EFAIL, "predictor 'linear': singular values: %s", gsl_strerror(r));
    for (size_t i = 0; i < k; i++) {
        w->s2[i] *= w->s2[i];
        largest = fmax(largest, w->s2[i]);
    }
    for (size_t i = 0; i < k; i++)
        if (w->s2[i] <= NEGLIGIBLE * largest) w->s2[i] = 0;
    w->u = w->n >= w->p ? w->a : w->q;
    w->v = w->n >= w->p ? w->q : w->a;
    return LT_OK;
}

/* Builds A, with the intercept's direction projected out of every column, and decomposes it: A = U S V'. */
static lt_status decompose(struct work *w, struct lt_err *e) {
    size_t n = (size_t)w->n, p = (size_t)w->p, k = (size_t)w->k, step_i = w->n >= w->p ? p : 1,
           step_j = w->n >= w->p ? 1 : n;
    double norm = 0, dot = 0;
    lt_status s;

    for (size_t i = 0; i < n; i++) norm += 1 / (w->y[i] * w->y[i]);
    w->norm0 = sqrt(norm);
    for (size_t i = 0; i < n; i++) {
        w->unit[i] = 1 / (w->y[i] * w->norm0);
        dot += w->unit[i];
    }
    for (size_t i = 0; i < n; i++) w->t[i] = 1 - dot * w->unit[i]; /* the target is y_i / y_i = 1 */
    for (size_t j = 0; j < p; j++) {
        dot = 0;
        for (size_t i = 0; i < n; i++) {
            double x = (w->raw[i * p + j] - w->mean[j]) * w->scale[j] / w->y[i];

            w->a[i * step_i + j * step_j] = x;
            dot += w->unit[i] * x;
        }
        w->pull[j] = dot;
        for (size_t i = 0; i < n; i++) w->a[i * step_i + j * step_j] -= dot * w->unit[i];
    }
    if ((s = singular_vectors(w, e))) return s;
    for (size_t c = 0; c < k; c++) {
        w->ut[c] = 0;
        for (size_t i = 0; i < n; i++) w->ut[c] += w->u[i * k + c] * w->t[i];
    }
    return LT_OK;
}

/* Leave-one-out MAPE for one lambda; *s2: mean of r_i^2 / (1 - h_i). */
static double leave_one_out(const struct work *w, double lambda, double *s2) {
    double sum = 0, var = 0;

    for (int i = 0; i < w->n; i++) {
        double fit = 0, h = w->unit[i] * w->unit[i], r;

        for (int c = 0; c < w->k; c++) {
            double f = w->s2[c] / (w->s2[c] + lambda), u = w->u[(size_t)i * (size_t)w->k + (size_t)c];

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

/* Keeps what prediction needs. */
static lt_status keep_fit(struct linear *l, const struct work *w, double unit_s, double lambda, double s2,
                          struct lt_err *e) {
    struct linear f = *l;
    double least = w->y[0], intercept = 0;
    size_t p = (size_t)w->p;

    f.mean = doubles(w->p, 1);
    f.scale = doubles(w->p, 1);
    f.w = doubles(w->p, 1);
    f.pull = doubles(w->p, 1);
    f.basis = doubles(w->k, w->p);
    f.sv2 = doubles(w->k, 1);
    if (!f.mean || !f.scale || !f.w || !f.pull || !f.basis || !f.sv2) {
        release_fit(&f);
        return lt_fail(e, LT_ENOMEM, "predictor 'linear': out of memory");
    }
    memcpy(f.mean, w->mean, p * sizeof(double));
    memcpy(f.scale, w->scale, p * sizeof(double));
    memcpy(f.pull, w->pull, p * sizeof(double));
    f.k = 0;
    for (int c = 0; c < w->k; c++) {
        double *v = f.basis + (size_t)f.k * p;

        if (w->s2[c] <= 0) continue;
        for (size_t j = 0; j < p; j++) {
            v[j] = w->v[j * (size_t)w->k + (size_t)c];
            f.w[j] += v[j] * sqrt(w->s2[c]) / (w->s2[c] + lambda) * w->ut[c] * unit_s;
        }
        f.sv2[f.k++] = w->s2[c];
    }
    for (int i = 0; i < w->n; i++) {
        intercept += w->unit[i];
        least = fmin(least, w->y[i]);
    }
    f.b = intercept * unit_s;
    for (size_t j = 0; j < p; j++) f.b -= f.pull[j] * f.w[j];
    f.b /= w->norm0;
    f.norm0 = w->norm0;
    f.floor_s = least * unit_s / 10;
    f.unit_s = unit_s;
    f.s2 = s2;
    f.lambda = lambda;
    release_fit(l);
    *l = f;
    return LT_OK;
}

static lt_status fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e) {
    static const double gene_scales[] = {1, 0.3, 0.1, 0};
    struct linear *l = self;
    int analytic = lt_features_analytic(l->features), n_scales = l->cfg->genes ? 4 : 1, best_g = 0;
    double *row = doubles(lt_features_count(l->features), 1), unit_s = 0, best = INFINITY, best_lambda = 0, best_s2 = 0,
           s2;
    struct work w = {0};
    lt_status s;

    if (!row || !work_init(&w, n, l->p)) {
        s = lt_fail(e, LT_ENOMEM, "predictor 'linear': out of memory for %d architectures of %d features", n, l->p);
        goto out;
    }
    for (int i = 0; i < n; i++) {
        if ((s = lt_features_of(l->features, &a[i], row, e))) goto out;
        memcpy(w.raw + (size_t)i * (size_t)w.p, row, (size_t)w.p * sizeof(*row));
        unit_s += latency_s[i] / n;
    }
    for (int i = 0; i < n; i++) w.y[i] = latency_s[i] / unit_s;
    for (int g = 0; g < n_scales; g++) {
        column_scales(&w, analytic, gene_scales[g]);
        if ((s = decompose(&w, e))) goto out;
        for (int i = 0; i <= 28; i++) {
            double lambda = l->cfg->lambda > 0 ? l->cfg->lambda
                                               : n * LEAST_LAMBDA * pow(MOST_LAMBDA / LEAST_LAMBDA, i / 28.0),
                   loo = leave_one_out(&w, lambda, &s2);

            if (loo < best) {
                best = loo;
                best_lambda = lambda;
                best_s2 = s2;
                best_g = g;
            }
        }
    }
    column_scales(&w, analytic, gene_scales[best_g]);
    if ((s = decompose(&w, e))) goto out;
    s = keep_fit(l, &w, unit_s, best_lambda, best_s2, e);
out:
    work_release(&w);
    lt_free(row);
    return s;
}

/* Relative variance of what is not known of a prediction: c^2 + a'(A'A + lambda I)^-1 a for the new row a, centred as
 * the fit's rows were. */
static double leverage(const struct linear *l, const double *z, double y) {
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

static lt_status predict(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s,
                         struct lt_err *e) {
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
