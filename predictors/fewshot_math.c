/* Room: predictors. */
#include "lathe/stats.h"
#include "predictors/fewshot_math.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"

double *lt_few_doubles(size_t rows, size_t cols) {
    size_t n = rows * cols;
    return lt_calloc(n ? n : 1, sizeof(double));
}

/* In fours, which compilers turn into vector instructions; every sum is the same as one by one. */
static void add_scaled(double *restrict y, double a, const double *restrict x, int n) {
    int i = 0;

    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) y[i + k] += a * x[i + k];
    for (; i < n; i++) y[i] += a * x[i];
}

void lt_few_mul(const double *a, const double *b, double *c, int n, int k, int m) {
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < k; j++) {
            double f = a[(size_t)i * (size_t)k + (size_t)j];

            if (f != 0) add_scaled(c + (size_t)i * (size_t)m, f, b + (size_t)j * (size_t)m, m);
        }
    }
}

void lt_few_mul_bt(const double *a, const double *b, double *c, int n, int k, int m) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++)
            c[(size_t)i * (size_t)m + (size_t)j] += lt_few_dot(a + (size_t)i * (size_t)k, b + (size_t)j * (size_t)k, k);
}

void lt_few_gram(const double *a, const double *w, double *c, int n, int p) {
    for (int i = 0; i < n; i++) {
        const double *x = a + (size_t)i * (size_t)p;

        for (int j = 0; j < p; j++) {
            double f = x[j] * (w ? w[i] : 1);

            if (f != 0) add_scaled(c + (size_t)j * (size_t)p, f, x, j + 1);
        }
    }
    for (int j = 0; j < p; j++)
        for (int k = 0; k < j; k++) c[(size_t)k * (size_t)p + (size_t)j] = c[(size_t)j * (size_t)p + (size_t)k];
}

bool lt_few_cholesky(double *a, int n) {
    size_t w = (size_t)n;

    for (size_t j = 0; j < w; j++) {
        for (size_t i = j; i < w; i++) {
            double s = a[i * w + j] - lt_few_dot(a + i * w, a + j * w, (int)j);

            if (i == j) {
                if (!(s > 0)) return false;
                a[j * w + j] = sqrt(s);
            } else {
                a[i * w + j] = s / a[j * w + j];
            }
        }
        for (size_t k = j + 1; k < w; k++) a[j * w + k] = 0;
    }
    return true;
}

void lt_few_backsolve(const double *l, double *x, int n) {
    size_t w = (size_t)n;

    for (size_t i = 0; i < w; i++) x[i] = (x[i] - lt_few_dot(l + i * w, x, (int)i)) / l[i * w + i];
    for (size_t i = w; i-- > 0;) {
        x[i] /= l[i * w + i];
        for (size_t k = 0; k < i; k++) x[k] -= l[i * w + k] * x[i];
    }
}

double lt_few_inverse(const double *l, double *inv, double *work, int n) {
    size_t w = (size_t)n;
    double log_det = 0;

    memset(work, 0, w * w * sizeof(*work)); /* rows of the factor's inverse */
    for (size_t i = 0; i < w; i++) {
        for (size_t k = 0; k < i; k++)
            if (l[i * w + k] != 0) add_scaled(work + i * w, -l[i * w + k], work + k * w, (int)k + 1);
        work[i * w + i] = 1;
        for (size_t k = 0; k <= i; k++) work[i * w + k] /= l[i * w + i];
        log_det += 2 * log(l[i * w + i]);
    }
    memset(inv, 0, w * w * sizeof(*inv));
    lt_few_gram(work, NULL, inv, n, n);
    return log_det;
}

double lt_few_median(const double *x, int n, double *scratch) {
    memcpy(scratch, x, (size_t)n * sizeof(*x));
    lt_sort_doubles(scratch, n);
    return 0.5 * (scratch[(n - 1) / 2] + scratch[n / 2]);
}
