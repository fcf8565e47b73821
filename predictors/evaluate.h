/*
 * How well a predictor does on a device after a few measurements: the samples are chosen, the predictor is adapted to
 * them and nothing else, and judged on all architectures that it has not seen, neither in training nor as samples.
 * Samples are counted strictly: whatever is measured on the target is one.
 */
#ifndef PREDICTORS_EVALUATE_H
#define PREDICTORS_EVALUATE_H
#include "lathe/predictor.h"
#include "lathe/ui.h"

/* RANDOM: drawn from all measured rows. PROPOSED: by the predictor, among half of the rows (at most 2000) drawn anew in
 * every trial. REFERENCE: the same ones on every device: those published with HELP for its spaces, else a spread over
 * the choices. */
enum lt_choose { LT_CHOOSE_RANDOM, LT_CHOOSE_PROPOSED, LT_CHOOSE_REFERENCE };
struct lt_eval_options {
    int samples; /* 0: the predictor is judged as it is */
    int trials;
    int rounds; /* PROPOSED: in so many portions, each proposed after the one before has been measured */
    enum lt_choose choose;
    int most;       /* judge on so many of the unseen architectures, drawn by the seed; 0 = all */
    double band[2]; /* quantiles of the unseen architectures' latencies */
    uint64_t seed;
    const struct lt_ui *ui;
};
enum lt_eval_metric {
    LT_EVAL_SPEARMAN,
    LT_EVAL_SPEARMAN_BAND,
    LT_EVAL_KENDALL,
    LT_EVAL_MAPE,
    LT_EVAL_MEDAPE,
    LT_EVAL_WITHIN5,
    LT_EVAL_WITHIN10,
    LT_EVAL_COVERAGE90,
    LT_N_EVAL
};
extern const char *const lt_eval_metric_name[LT_N_EVAL];
enum { LT_EVAL_LEVELS = 20 };
struct lt_eval {
    int samples, trials; /* trials that were run: 1 where nothing is random */
    int n_unseen;        /* of the last trial */
    double mean[LT_N_EVAL], sd[LT_N_EVAL];
    /* How often the truth lies within the central interval of probability k / LT_EVAL_LEVELS; mean over trials. */
    double calibration[LT_EVAL_LEVELS + 1];
    double adapt_s, predict_s;       /* mean over trials: one adaptation; prediction of one architecture */
    double *truth_s, *mean_s, *sd_s; /* [n_unseen] of the last trial */
};
lt_status lt_predictor_eval(struct lt_predictor *p, const struct lt_latency_set *set, int device, const uint64_t *seen,
                            int n_seen, const struct lt_eval_options *o, struct lt_eval *out, struct lt_err *e);
void lt_eval_release(struct lt_eval *v);

/* The split of `lathe predictor train`: rows drawn by the seed (first: in the file's order instead) until each device
 * has a latency of n of them, or has no more. out: [set->n]; *n_out is n where all devices share their rows. */
lt_status lt_predictor_split(const struct lt_latency_set *set, const int *device, int n_devices, int n, bool first,
                             uint64_t seed, int *out, int *n_out, struct lt_err *e);
/* Rows of the set that serve as its space's reference architectures; fewer than n when the set lacks them. */
lt_status lt_reference_rows(const struct lt_latency_set *set, const int *pool, int n_pool, int n, int *out, int *n_out,
                            struct lt_err *e);
#endif
