/*
 * The little dense algebra that predictor "fewshot" needs, in plain loops: sums run in an order that depends on nothing
 * but the sizes, so that results depend neither on a BLAS nor on threads. Row-major.
 */
#ifndef PREDICTORS_FEWSHOT_MATH_H
#define PREDICTORS_FEWSHOT_MATH_H
#include <stdbool.h>
#include <stddef.h>

double *lt_few_doubles(size_t rows, size_t cols); /* zeros; NULL when out of memory; lt_free */
/* c[n][m] += a[n][k] * b[k][m]; c += a * b' with b[m][k]. */
void lt_few_mul(const double *a, const double *b, double *c, int n, int k, int m);
void lt_few_mul_bt(const double *a, const double *b, double *c, int n, int k, int m);
/* c[p][p] += a' diag(w) a of a[n][p]; both triangles. w NULL: ones. */
void lt_few_gram(const double *a, const double *w, double *c, int n, int p);
/* a[n][n] symmetric positive definite: its lower factor in place, zeros above; false when it is not. */
bool lt_few_cholesky(double *a, int n);
void lt_few_backsolve(const double *l, double *x, int n); /* x <- (l l')^-1 x */
/* inv[n][n] <- (l l')^-1; work[n][n]. Returns log det(l l'). */
double lt_few_inverse(const double *l, double *inv, double *work, int n);
double lt_few_median(const double *x, int n, double *scratch /* [n] */);
static inline double lt_few_dot(const double *a, const double *b, int n) {
    double s[4] = {0, 0, 0, 0};
    int i = 0;

    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) s[k] += a[i + k] * b[i + k];
    for (; i < n; i++) s[0] += a[i] * b[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}
#endif
