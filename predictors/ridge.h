/*
 * Ridge regression of a latency on columns, weighted by 1/latency^2 so that relative errors count: it minimises
 * sum_i ((y_i - b - x_i.w) / y_i)^2 + lambda |w|^2, with columns scaled to unit spread times a factor of their own, and
 * a free intercept b. lambda is chosen by the closed-form leave-one-out error r_i / (1 - h_i) (Allen, "The relationship
 * between variable selection and data augmentation and a method for prediction", Technometrics 16, 1974); here by its
 * mean absolute value, which is the leave-one-out MAPE. Predictive variance is that of the Bayesian reading: s^2 (1 +
 * a' (A'A + lambda I)^-1 a) with s^2 the mean of r_i^2 / (1 - h_i).
 *
 *   lt_ridge_begin(&w, n, p, e); fill w->raw and w->latency_s;
 *   lt_ridge_try(w, factor, 0, e)                 any number of times; w->loo, w->lambda, w->s2 of this one
 *   lt_ridge_keep(w, &fit, e); lt_ridge_end(w);   keeps the last one tried
 */
#ifndef PREDICTORS_RIDGE_H
#define PREDICTORS_RIDGE_H
#include "predictors/model_file.h"

struct lt_ridge {                /* y(x) = b + sum_j w_j (x_j - mean_j) * scale_j */
    int p, k;                    /* columns; rank kept */
    double b, *mean, *scale, *w; /* [p] each */
    double floor_s;              /* predictions do not go below */
    double unit_s;               /* mean latency of the fit: what norm0, pull and sv2 are in units of */
    double s2;                   /* relative variance of an observation */
    double lambda;
    double *basis; /* [k][p] right singular vectors of the centred, weighted design A */
    double *sv2;   /* [k] squared singular values, all positive */
    double *pull;  /* [p] u'A: what centring takes from a new row */
    double norm0;  /* length of the intercept's column */
};

/* Everything of one fit that is thrown away after it. */
struct lt_ridge_work {
    int n, p, k;            /* k = min(n, p) */
    double *raw;            /* [n][p] columns: the caller fills */
    double *latency_s;      /* [n]: the caller fills */
    double loo, lambda, s2; /* of the last try */
    double unit_s;
    double *y;            /* [n] latencies in units of their mean, so that lambda means the same on any device */
    double *mean, *scale; /* [p] */
    double *a;            /* [n][p] A */
    double *gram, *q;     /* [k][k] AA' or A'A; its eigenvectors in rows */
    double *scratch;      /* [2 k] */
    double *sv2;          /* [k] squared singular values, 0 where negligible */
    double *unit;         /* [n] direction of the intercept's column */
    double *t, *ut;       /* [n] target with the intercept projected out; [k] u't */
    double *pull;         /* [p] */
    double norm0;
    double *u, *v; /* [n][k], [p][k] singular vectors of A in columns */
};

lt_status lt_ridge_begin(struct lt_ridge_work **out, int n, int p, struct lt_err *e);
void lt_ridge_end(struct lt_ridge_work *w);
/* factor [p]: 0 leaves a column out. lambda 0: chosen. */
lt_status lt_ridge_try(struct lt_ridge_work *w, const double *factor, double lambda, struct lt_err *e);
lt_status lt_ridge_keep(const struct lt_ridge_work *w, struct lt_ridge *out /* replaced */, struct lt_err *e);
void lt_ridge_release(struct lt_ridge *r);
/* x: [p], changed. */
double lt_ridge_predict(const struct lt_ridge *r, double *x, double *sd_s /* NULL ok */);
void lt_ridge_save(const struct lt_ridge *r, struct lt_blob_writer *w);
lt_status lt_ridge_load(const struct lt_blob_reader *r, int p, struct lt_ridge *out, struct lt_err *e);
#endif
