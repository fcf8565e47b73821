/*
 * Room: run. Is the searcher better than random search with as many evaluations, by more than noise?
 *
 * One comparison: of the 2n evaluations of both, how many of the very best are the searcher's before the first one of
 * random search. Were the searcher's candidates no better than random ones, every order would be as likely, whatever
 * the distribution and whatever the noise of a single evaluation (the precedence test; Nelson, Technometrics 5, 1963),
 * so a lead of L has probability n/(2n) * (n-1)/(2n-1) * ... of L factors. Several, each with another seed: the paired
 * differences of the best found, their mean with a bootstrap interval over the seeds (Efron, 1979; percentiles).
 */
#ifndef LT_RUN_BASELINE_H
#define LT_RUN_BASELINE_H
#include "run/stages.h"

/* Collective. Searches with the run's searcher (records "eval") and the baseline (records "base"); writes the record
 * "baseline" under the goal's key. *out: of the run's own search. */
lt_status lt_run_compare(struct lt_run *r, const struct lt_goal *goal, const char *key, struct lt_engine_result *out,
                         struct lt_err *e);

/* Values of the first objective, larger = better, NAN where infeasible or failed. Returns the lead; *p its probability.
 * Equal values count for the baseline. */
int lt_precedence(const double *searcher, const double *baseline, int n, double *p);
/* Percentile interval of the mean of d[n] over 10,000 resamples. */
void lt_bootstrap_mean(const double *d, int n, uint64_t seed, double level, double *lo, double *hi);
#endif
