/* What the files of predictor "fewshot" share; fewshot.c says what it is. */
#ifndef PREDICTORS_FEWSHOT_PRIV_H
#define PREDICTORS_FEWSHOT_PRIV_H
#include "predictors/fewshot_basis.h"
#include "predictors/fewshot_mix.h"

struct lt_few_config {
    int64_t hypotheses;
};
struct lt_few {
    const struct lt_few_config *cfg;
    const struct lt_space *space;
    uint64_t seed;
    struct lt_few_basis basis;
    struct lt_few_bank bank;
    int n_devices;
    double *device; /* [n_devices][p] weights of the training devices' latencies, each in units of its mean */
    /* the fit: latency / unit_s ~ N(psi'w, psi'v psi + noise * (1 + mean^2) / 2) */
    double *w, *v; /* [p], [p][p]; NULL before */
    double unit_s, noise, floor_s;
    double *memo; /* [2][basis.n_memo] psi'w, psi'v psi of an enumerated space */
};
/* fewshot_learn.c, fewshot_episodes.c: what training devices teach: the maps MEAN and DEVICE, and the weights of the
 * hypotheses. */
lt_status lt_few_learn(struct lt_few *f, const struct lt_meta *m, struct lt_err *e);
lt_status lt_few_set_devices(struct lt_few *f, struct lt_err *e); /* maps from f->device */
/* fewshot_adapt.c */
lt_status lt_few_adapt(struct lt_few *f, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e);
lt_status lt_few_fill_memo(struct lt_few *f, struct lt_err *e);
/* psi of n networks, new [n][p]. */
lt_status lt_few_psi_of(const struct lt_few_basis *b, const struct lt_arch *a, int n, double **out, struct lt_err *e);
/* Solves the mixture for measurements: those of the bank's hypotheses that a subset finds likely, where there are many
 * measurements. projected[c]: [n][map r] (NULL: absent), of which n0.. are the measurements' rows. */
lt_status lt_few_solve(const struct lt_few *f, const double *psi, const double *y, int n, struct lt_few_mix *out,
                       struct lt_err *e);
/* fewshot_propose.c */
lt_status lt_few_propose(const void *self, const struct lt_arch *done, const double *latency_s, int n_done,
                         const struct lt_arch *among, int n_among, int n, struct lt_arch *out, struct lt_err *e);
#endif
