/*
 * Statistics used everywhere. Inputs are not modified unless said. NaN inputs are the caller's error. Not collective,
 * thread safe.
 */
#ifndef LATHE_STATS_H
#define LATHE_STATS_H
#include "lathe/status.h"
#ifdef __cplusplus
extern "C" {
#endif
double lt_mean(const double *x, int n);
double lt_sd(const double *x, int n);                 /* standard deviation with n - 1; 0 for n < 2 */
void lt_sort_doubles(double *x, int n);               /* ascending, in place; no NaN */
double lt_median(const double *x, int n);             /* copies */
double lt_quantile(const double *x, int n, double q); /* type 7 */
/* Distribution-free interval of the median from order statistics (binomial, Clopper-Pearson style): the smallest
 * symmetric pair with coverage >= level. Returns false when n is too small for that level (n < 6 at 0.95). */
bool lt_median_ci(const double *x, int n, double level, double *lo, double *hi);
double lt_pearson(const double *a, const double *b, int n);
double lt_spearman(const double *a, const double *b, int n);    /* average ranks for ties; 0 when constant */
double lt_kendall(const double *a, const double *b, int n);     /* tau-b, O(n log n) */
double lt_mape(const double *pred, const double *truth, int n); /* fraction, not percent */
double lt_now_s(void);                                          /* monotonic clock */
#ifdef __cplusplus
}
#endif
#endif
