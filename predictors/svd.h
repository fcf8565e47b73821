/* A small singular value decomposition whose bits depend on its input alone. Private to predictors/. */
#ifndef PREDICTORS_SVD_H
#define PREDICTORS_SVD_H
/*
 * M [m x k], m >= k, stored by columns ([k][m]): M = L S R'. On return m holds L (columns of length 1, or 0 where the
 * singular value is negligible), s2 [k] the squared singular values (0 where negligible), in no particular order, r
 * [k][k] the columns of R. One-sided Jacobi rotations (Hestenes, "Inversion of matrices by biorthogonalization and
 * related results", J. SIAM 6, 1958).
 */
void lt_svd(double *m, int rows, int k, double *s2, double *r);
#endif
