/* Linear algebra of the predictors; contract in dense.h. */
#include <math.h>
#include <string.h>
#include "search/dense.h"

enum { LANES = 4, COLUMNS = 32 };
typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double)), may_alias));

/* y -= sum of four rows, each times a number. */
static void subtract_4(double *y, const double *const r[4], const double f[4], int n) {
    int j = 0;

    for (; j + LANES <= n; j += LANES) {
        lanes v = *(const lanes *)(y + j);

        v -= f[0] * *(const lanes *)(r[0] + j);
        v -= f[1] * *(const lanes *)(r[1] + j);
        v -= f[2] * *(const lanes *)(r[2] + j);
        v -= f[3] * *(const lanes *)(r[3] + j);
        *(lanes *)(y + j) = v;
    }
    for (; j < n; j++) {
        double v = y[j];

        for (int k = 0; k < 4; k++) v -= f[k] * r[k][j];
        y[j] = v;
    }
}

static void subtract(double *y, const double *r, double f, int n) {
    int j = 0;

    for (; j + LANES <= n; j += LANES) *(lanes *)(y + j) -= f * *(const lanes *)(r + j);
    for (; j < n; j++) y[j] -= f * r[j];
}

/* Right-looking, four rows at a time. */
bool lt_dense_cholesky(double *a, int n) {
    for (int k = 0; k < n; k += 4) {
        int end = k + 4 < n ? k + 4 : n;

        for (int i = k; i < end; i++) {
            double *row = a + (size_t)i * (size_t)n, d;

            for (int p = k; p < i; p++) {
                const double *up = a + (size_t)p * (size_t)n;

                subtract(row + i, up + i, up[i], n - i);
            }
            if (!(row[i] > 0)) return false;
            d = sqrt(row[i]);
            for (int j = i; j < n; j++) row[j] /= d;
        }
        for (int i = end; i < n; i++) {
            const double *r[4];
            double f[4];

            for (int p = 0; p < 4; p++) {
                r[p] = a + (size_t)(k + p) * (size_t)n + i;
                f[p] = *r[p];
            }
            subtract_4(a + (size_t)i * (size_t)n + i, r, f, n - i);
        }
    }
    return true;
}

/* Columns in strips that stay in the cache. */
void lt_dense_solve(const double *u, int n, double *x, int k) {
    for (int from = 0; from < k; from += COLUMNS) {
        int w = k - from < COLUMNS ? k - from : COLUMNS;

        for (int p = 0; p < n; p += 4) {
            int end = p + 4 < n ? p + 4 : n;

            for (int i = p; i < end; i++) {
                double *row = x + (size_t)i * (size_t)k + from;

                for (int q = p; q < i; q++)
                    subtract(row, x + (size_t)q * (size_t)k + from, u[(size_t)q * (size_t)n + (size_t)i], w);
                for (int j = 0; j < w; j++) row[j] /= u[(size_t)i * (size_t)n + (size_t)i];
            }
            for (int i = end; i < n; i++) {
                const double *r[4];
                double f[4];

                for (int q = 0; q < 4; q++) {
                    r[q] = x + (size_t)(p + q) * (size_t)k + from;
                    f[q] = u[(size_t)(p + q) * (size_t)n + (size_t)i];
                }
                subtract_4(x + (size_t)i * (size_t)k + from, r, f, w);
            }
        }
    }
}

void lt_dense_back(const double *u, int n, double *x) {
    for (int i = n - 1; i >= 0; i--) {
        double v = x[i];

        for (int j = i + 1; j < n; j++) v -= u[(size_t)i * (size_t)n + (size_t)j] * x[j];
        x[i] = v / u[(size_t)i * (size_t)n + (size_t)i];
    }
}

void lt_dense_dots(const double *a, int n, const double *b, int m, int d, bool from_diagonal, double *c) {
    for (int i = 0; i < n; i++) {
        const double *x = a + (size_t)i * (size_t)d;

        for (int j = from_diagonal ? i : 0; j < m; j++) {
            const double *y = b + (size_t)j * (size_t)d;
            lanes sum = {0};
            double rest = 0;
            int t = 0;

            for (; t + LANES <= d; t += LANES) sum += *(const lanes *)(x + t) * *(const lanes *)(y + t);
            for (; t < d; t++) rest += x[t] * y[t];
            c[(size_t)i * (size_t)m + (size_t)j] = sum[0] + sum[1] + sum[2] + sum[3] + rest;
        }
    }
}
