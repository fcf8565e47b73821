/*
 * What predictor "linear" computes with: eigenvectors of symmetric matrices, singular or not; ridge regression with
 * more columns than rows and with fewer, its leave-one-out error against refits, and its answers on its own rows;
 * forward selection, which finds the columns that matter and takes no noise.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "predictors/eigen.h"
#include "predictors/ridge.h"
#include "predictors/select.h"
#include "tests/tap.h"

#define SEED 3

static double *doubles(int n) { return calloc((size_t)n, sizeof(double)); }

/* B B' of rank `rank`. */
static void eigen(int n, int rank) {
    double *a = doubles(n * n), *copy = doubles(n * n), *b = doubles(n * rank), *value = doubles(n),
           *vector = doubles(n * n), *work = doubles(2 * n), off = 0, orth = 0, size = 0;
    int zeros = 0;
    struct lt_rng r;

    lt_rng_at(&r, SEED, LT_RNG_TEST, (uint64_t)n, (uint64_t)rank);
    for (int i = 0; i < n * rank; i++) b[i] = lt_rng_normal(&r) * (i % 3 ? 1 : 1e3);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int k = 0; k < rank; k++) copy[i * n + j] = a[i * n + j] += b[i * rank + k] * b[j * rank + k];
    bool converged = lt_eigen_symmetric(a, value, vector, work, n);
    for (int k = 0; k < n; k++) size = fmax(size, fabs(value[k]));
    for (int k = 0; k < n; k++) {
        zeros += fabs(value[k]) <= 1e-12 * size;
        for (int i = 0; i < n; i++) {
            double y = 0, dot = 0;
            for (int j = 0; j < n; j++) {
                y += copy[i * n + j] * vector[k * n + j];
                dot += vector[i * n + j] * vector[k * n + j];
            }
            off = fmax(off, fabs(y - value[k] * vector[k * n + i]) / size);
            orth = fmax(orth, fabs(dot - (i == k)));
        }
    }
    /* backward stable: n times the rounding of the largest eigenvalue */
    lt_ok(converged && off < 1e-15 * (n + 10) && orth < 1e-14 * (n + 10) && zeros == n - rank,
          "eigenvectors of %d x %d of rank %d: residual %.1e, orthogonal to %.1e, %d zeros", n, n, rank, off, orth,
          zeros);
    free(a);
    free(copy);
    free(b);
    free(value);
    free(vector);
    free(work);
}

/* Columns of very different size, the first ten of which make y, and noise. Row `without` is left out (-1: none). */
static struct lt_ridge_work *data(int n, int p, double noise, int without) {
    struct lt_ridge_work *w = NULL;
    struct lt_rng r;
    int row = 0;

    if (lt_ridge_begin(&w, without >= 0 ? n - 1 : n, p, NULL)) return NULL;
    lt_rng_at(&r, SEED, LT_RNG_TEST, 7, (uint64_t)p);
    for (int i = 0; i < n; i++) {
        double y = 10, x;
        for (int j = 0; j < p; j++) {
            x = j < 40 ? lt_rng_normal(&r) : lt_rng_below(&r, 4) == 0;
            if (j < 10) y += 0.3 * x;
            if (i != without) w->raw[(size_t)row * (size_t)p + (size_t)j] = j < 40 ? 1e9 + 1e8 * x : x;
        }
        y *= 1 + noise * lt_rng_normal(&r);
        if (i == without) continue;
        w->latency_s[row++] = y;
    }
    return w;
}

static void ridge(int n, int p, double noise) {
    enum { LEFT_OUT = 12 };
    struct lt_ridge_work *w = data(n, p, noise, -1), *v;
    struct lt_ridge f = {0}, g = {0};
    double *factor = doubles(p), *x = doubles(p), own = 0, orth = 0, far = 0, closed = 0;

    for (int j = 0; j < p; j++) factor[j] = 1;
    lt_ok(!lt_ridge_try(w, factor, 0, NULL) && !lt_ridge_keep(w, &f, NULL), "ridge of %d x %d: leave-one-out %.2f%%", n,
          p, 100 * w->loo);
    for (int c = 0; c < f.k; c++)
        for (int d = 0; d <= c; d++) {
            double t = 0;
            for (int j = 0; j < p; j++) t += f.basis[c * p + j] * f.basis[d * p + j];
            orth = fmax(orth, fabs(t - (c == d)));
        }
    lt_ok(f.k <= n - 1 && f.k <= p && orth < 1e-6, "its %d directions are orthogonal to %.1e", f.k, orth);
    for (int i = 0; i < n; i++) {
        memcpy(x, w->raw + (size_t)i * (size_t)p, (size_t)p * sizeof(*x));
        own += fabs(lt_ridge_predict(&f, x, NULL) / w->latency_s[i] - 1) / n;
    }
    lt_ok(own <= w->loo, "it knows its own rows better (%.3f%%) than those left out", 100 * own);
    /* Against refits with the same penalty. The columns' means and spreads are then of one row less, which shifts the
     * penalty by 1/n; hence the tolerance. */
    for (int k = 0; k < LEFT_OUT; k++) {
        int i = k * (n / LEFT_OUT);
        double fit = 0, h = w->unit[i] * w->unit[i];
        for (int c = 0; c < w->k; c++) {
            double s = w->sv2[c] / (w->sv2[c] + w->lambda), u = w->u[i * w->k + c];
            fit += u * s * w->ut[c];
            h += u * u * s;
        }
        closed += fabs((w->t[i] - fit) / (1 - h)) / LEFT_OUT;
        v = data(n, p, noise, i);
        memcpy(x, w->raw + (size_t)i * (size_t)p, (size_t)p * sizeof(*x));
        if (!lt_ridge_try(v, factor, w->lambda, NULL) && !lt_ridge_keep(v, &g, NULL))
            far += fabs(lt_ridge_predict(&g, x, NULL) / w->latency_s[i] - 1) / LEFT_OUT;
        lt_ridge_end(v);
    }
    lt_ok(fabs(far / closed - 1) < 0.1, "the closed form is what refits say: %.3f%%, %.3f%%", 100 * closed, 100 * far);
    lt_ridge_release(&f);
    lt_ridge_release(&g);
    lt_ridge_end(w);
    free(factor);
    free(x);
}

static void selects(int n, int p) {
    struct lt_ridge_work *w = data(n, p, 0.01, -1);
    bool *use = calloc((size_t)p, sizeof(*use));
    int right = 0, wrong = 0;

    lt_ok(!lt_select_columns(w->raw, w->latency_s, n, p, use, NULL), "selection from %d columns", p);
    for (int j = 0; j < p; j++) *(j < 10 ? &right : &wrong) += use[j];
    lt_ok(right == 10 && wrong <= 2, "all of the 10 columns that matter, and %d of the %d others", wrong, p - 10);
    lt_ridge_end(w);
    free(use);
}

int main(void) {
    static const int size[][2] = {{1, 1}, {2, 2}, {2, 1}, {7, 7}, {60, 20}, {150, 150}, {224, 199}};
    int64_t live = lt_mem_live();

    lt_note("seed %d", SEED);
    for (size_t i = 0; i < sizeof(size) / sizeof(*size); i++) eigen(size[i][0], size[i][1]);
    ridge(120, 30, 0.02);
    ridge(200, 150, 0.02);
    ridge(120, 224, 0.02);
    selects(200, 60);
    selects(200, 224);
    lt_ok(lt_mem_live() == live, "nothing leaks");
    return lt_done();
}
