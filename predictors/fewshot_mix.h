/*
 * The Gaussian processes of predictor "fewshot": a bank of hypotheses (how much of each component of the prior there is
 * and how much noise), each of them solved in closed form from the n measurements, weighted by its evidence.
 *
 * One measurement may be an outlier (a background job, a clock that changed): for each hypothesis the alternatives
 * "none" and "only number i" are weighed too, all from one inverse, since leaving out i has the closed form alpha -
 * K^-1[.,i] alpha_i / K^-1[i,i] (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006,
 * section 5.4.2). When an outlier is more likely than not its noise is raised and the next one is looked for.
 */
#ifndef PREDICTORS_FEWSHOT_MIX_H
#define PREDICTORS_FEWSHOT_MIX_H
#include "predictors/fewshot_basis.h"

enum { LT_FEW_THETA = LT_FEW_N + 1, LT_FEW_NOISE = LT_FEW_N };
struct lt_few_bank {
    int n;
    double *theta; /* [n][THETA] variances: of the components, of the noise */
    double *log_w; /* [n] prior weight */
};
lt_status lt_few_bank_new(int n, uint64_t seed, struct lt_few_bank *out, struct lt_err *e);
void lt_few_bank_release(struct lt_few_bank *b);

struct lt_few_mix {
    int n, m;      /* measurements, hypotheses looked at */
    int *hyp;      /* [m] in the bank, ascending */
    double *y;     /* [n] in units of their median */
    double *inv;   /* [m][n][n] inverse of the covariance of the measurements */
    double *alpha; /* [m][n] mean(x) = sum_i k_h(x, x_i) alpha_hi, outliers averaged over */
    double *log_e; /* [m] log evidence */
    double *w;     /* [m] posterior weight, sum 1 */
    double *extra; /* [n] noise added to an outlier */
};
/* Noise variance of a measurement y under theta: half of it relative, half of it absolute. */
static inline double lt_few_noise(double theta, double y) { return theta * (0.5 * y * y + 0.5); }
/* gram [LT_FEW_N][n][n]: of each component (NULL: the component is absent). hyp NULL: all of the bank. */
lt_status lt_few_mix_solve(const struct lt_few_bank *b, const int *hyp, int m, double *const gram[LT_FEW_N],
                           const double *y, int n, struct lt_few_mix *out, struct lt_err *e);
void lt_few_mix_release(struct lt_few_mix *m);
#endif
