/* Gaussian process regression; contract and source in surrogate.h. */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "search/dense.h"
#include "search/surrogate.h"

void lt_surrogate_init(struct lt_surrogate *g, int n_features) { *g = (struct lt_surrogate){.d = n_features}; }

void lt_surrogate_release(struct lt_surrogate *g) {
    lt_free(g->x);
    lt_free(g->dot);
    lt_free(g->chol);
    lt_free(g->y);
    lt_free(g->alpha);
    *g = (struct lt_surrogate){0};
}

static lt_status reserve(struct lt_surrogate *g, int n, struct lt_err *e) {
    size_t cap = (size_t)n + (size_t)n / 2 + 16;
    int d = g->d, n_chosen = g->n_chosen;
    double linear = g->linear, length2 = g->length2, noise = g->noise;

    if (n <= g->cap) return LT_OK;
    lt_surrogate_release(g);
    *g = (struct lt_surrogate){
        .d = d, .cap = (int)cap, .n_chosen = n_chosen, .linear = linear, .length2 = length2, .noise = noise};
    g->x = lt_malloc(cap * (size_t)d * sizeof(double));
    g->dot = lt_malloc(cap * cap * sizeof(double));
    g->chol = lt_malloc(cap * cap * sizeof(double));
    g->y = lt_malloc(cap * sizeof(double));
    g->alpha = lt_malloc(cap * sizeof(double));
    if (g->x && g->dot && g->chol && g->y && g->alpha) return LT_OK;
    lt_surrogate_release(g);
    g->d = d;
    return lt_fail(e, LT_ENOMEM, "search: out of memory for a predictor of %d results", n);
}

static double kernel(const struct lt_surrogate *g, double dot, double aa, double bb) {
    double k = g->linear * dot / g->gauge;

    if (g->linear < 1) k += (1 - g->linear) * exp(-fmax(aa + bb - 2 * dot, 0) / (2 * g->length2 * g->gauge));
    return k;
}

/* Factor and weights for the present kernel; false when it is not positive definite. *fit: logarithm of the likelihood.
 */
static bool factor(struct lt_surrogate *g, double *fit) {
    size_t n = (size_t)g->n;
    double half_log_det = 0, s2 = 0;

    for (size_t i = 0; i < n; i++) {
        g->chol[i * n + i] = kernel(g, g->dot[i * n + i], g->dot[i * n + i], g->dot[i * n + i]) + g->noise;
        for (size_t j = i + 1; j < n; j++)
            g->chol[i * n + j] = kernel(g, g->dot[i * n + j], g->dot[i * n + i], g->dot[j * n + j]);
    }
    if (!lt_dense_cholesky(g->chol, g->n)) return false;
    memcpy(g->alpha, g->y, n * sizeof(double));
    lt_dense_solve(g->chol, g->n, g->alpha, 1);
    for (size_t i = 0; i < n; i++) {
        half_log_det += log(g->chol[i * n + i]);
        s2 += g->alpha[i] * g->alpha[i];
    }
    lt_dense_back(g->chol, g->n, g->alpha);
    g->amplitude = fmax(s2 / (double)n, 1e-9);
    *fit = -0.5 * (double)n * log(g->amplitude) - half_log_det;
    return isfinite(*fit);
}

static void choose(struct lt_surrogate *g) {
    static const double linears[] = {1, 0.5, 0}, lengths2[] = {0.1, 0.3, 1}, noises[] = {1e-3, 1e-2, 0.1, 1};
    double best = -INFINITY, fit, keep[3] = {1, 1, 1};

    for (int l = 0; l < 3; l++) {
        for (int h = 0; h < (l == 0 ? 1 : 3); h++) { /* the linear kernel has no length */
            for (int k = 0; k < 4; k++) {
                g->linear = linears[l];
                g->length2 = lengths2[h];
                g->noise = noises[k];
                if (!factor(g, &fit) || fit <= best) continue;
                best = fit;
                memcpy(keep, (double[]){g->linear, g->length2, g->noise}, sizeof(keep));
            }
        }
    }
    g->linear = keep[0];
    g->length2 = keep[1];
    g->noise = keep[2];
    g->n_chosen = g->n;
}

lt_status lt_surrogate_fit(struct lt_surrogate *g, const double *x, const double *y, int n, struct lt_err *e) {
    double fit, sum = 0;
    lt_status s;

    if ((s = reserve(g, n, e))) return s;
    g->n = n;
    memcpy(g->x, x, (size_t)n * (size_t)g->d * sizeof(*x));
    g->mean = lt_mean(y, n);
    g->sd = lt_sd(y, n);
    if (!(g->sd > 1e-12 * (fabs(g->mean) + 1e-12))) g->sd = 1;
    for (int i = 0; i < n; i++) g->y[i] = (y[i] - g->mean) / g->sd;
    lt_dense_dots(g->x, n, g->x, n, g->d, true, g->dot);
    for (int i = 0; i < n; i++) sum += g->dot[(size_t)i * (size_t)n + (size_t)i];
    g->gauge = sum > 0 ? sum / n : 1;
    if (!g->n_chosen || 4 * n >= 5 * g->n_chosen) choose(g);
    while (!factor(g, &fit) && g->noise < 1e6) g->noise *= 10;
    return LT_OK;
}

lt_status lt_surrogate_predict(const struct lt_surrogate *g, const double *x, int k, double *mean, double *sd,
                               struct lt_err *e) {
    size_t n = (size_t)g->n, d = (size_t)g->d, m = (size_t)k;
    double *c, *xx;
    lt_status s = LT_OK;

    if (k < 1) return LT_OK;
    c = lt_malloc(n * m * sizeof(*c)); /* [n][k] */
    xx = lt_malloc(m * sizeof(*xx));
    if (!c || !xx) {
        s = lt_fail(e, LT_ENOMEM, "search: out of memory for %d predictions", k);
        goto out;
    }
    lt_dense_dots(g->x, g->n, x, k, g->d, false, c);
    for (size_t j = 0; j < m; j++) {
        xx[j] = 0;
        for (size_t t = 0; t < d; t++) xx[j] += x[j * d + t] * x[j * d + t];
        mean[j] = 0;
        sd[j] = kernel(g, xx[j], xx[j], xx[j]);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < m; j++) {
            c[i * m + j] = kernel(g, c[i * m + j], g->dot[i * n + i], xx[j]);
            mean[j] += g->alpha[i] * c[i * m + j];
        }
    }
    lt_dense_solve(g->chol, g->n, c, k);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < m; j++) sd[j] -= c[i * m + j] * c[i * m + j];
    }
    for (size_t j = 0; j < m; j++) {
        mean[j] = g->mean + g->sd * mean[j];
        sd[j] = g->sd * sqrt(g->amplitude * fmax(sd[j], 1e-9));
    }
out:
    lt_free(c);
    lt_free(xx);
    return s;
}
