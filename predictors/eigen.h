/*
 * Eigenvalues and eigenvectors of a symmetric matrix: Householder's tridiagonal form, then implicit QL steps with
 * shifts (Bowdler, Martin, Reinsch, Wilkinson, "The QR and QL algorithms for symmetric matrices", Numerische Mathematik
 * 11, 1968). Plain loops in one thread: the same bits whatever BLAS there is and however many cores. (One-sided Jacobi
 * rotations as in GSL stop too early from about 150 columns on: its estimates of rounding grow with every rotation.)
 */
#ifndef PREDICTORS_EIGEN_H
#define PREDICTORS_EIGEN_H
#include <stdbool.h>

/* a[n][n]: both triangles, destroyed. value[n], in no order; row i of vector[n][n] belongs to value[i]. work[2 * n].
 * false: no convergence, which only NAN or infinity can cause. */
bool lt_eigen_symmetric(double *a, double *value, double *vector, double *work, int n);
#endif
