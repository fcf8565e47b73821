/*
 * Room: search. Two steps of linear algebra on matrices of a few hundred rows, in plain loops over contiguous rows:
 * fast enough, and the same bits whichever BLAS stands behind GSL and on every processor that a build runs on, so that
 * replicated searchers agree. Row-major.
 */
#ifndef SEARCH_DENSE_H
#define SEARCH_DENSE_H
#include "lathe/status.h"

/* A = U'U in place, from and into the upper triangle of a[n][n]; the rest is not touched. False: not positive definite.
 */
bool lt_dense_cholesky(double *a, int n);
/* x := U'^-1 x for k columns, x[n][k]. */
void lt_dense_solve(const double *u, int n, double *x, int k);
/* x := U^-1 x for one column. */
void lt_dense_back(const double *u, int n, double *x);
/* c[i][j] = sum over t of a[i][t] b[j][t]; from_diagonal: only j >= i. */
void lt_dense_dots(const double *a, int n, const double *b, int m, int d, bool from_diagonal, double *c);
#endif
