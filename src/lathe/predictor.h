/*
 * Latency predictors. fit from measured architectures, predict mean and standard deviation. Plug-ins in predictors/.
 * Single-threaded, deterministic from seed. Latencies in seconds. An arch is expanded to its graph by the predictor
 * where it wants analytic features.
 */
#ifndef LATHE_PREDICTOR_H
#define LATHE_PREDICTOR_H
#include "lathe/space.h"
#include "lathe/opt.h"
#ifdef __cplusplus
extern "C" {
#endif
struct lt_predictor_ops {
    const char *name, *source, *about;
    const struct lt_opt *opts;
    size_t cfg_size;
    lt_status (*open)(const struct lt_space *space, const void *cfg, uint64_t seed, void **self, struct lt_err *e);
    void (*close)(void *self);
    lt_status (*fit)(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e);
    lt_status (*predict)(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s /* NULL ok */,
                         struct lt_err *e);
};
struct lt_predictor;
int lt_predictor_count(void);
const struct lt_predictor_ops *lt_predictor_at(int i);
lt_status lt_predictor_open(const struct lt_yaml *cfg /* map with name:, NULL = default */,
                            const struct lt_space *space, uint64_t seed, struct lt_predictor **out, struct lt_err *e);
void lt_predictor_close(struct lt_predictor *p);
const char *lt_predictor_name(const struct lt_predictor *p);
lt_status lt_predictor_fit(struct lt_predictor *p, const struct lt_arch *a, const double *latency_s, int n,
                           struct lt_err *e);
lt_status lt_predictor_predict(const struct lt_predictor *p, const struct lt_arch *a, int n, double *mean_s,
                               double *sd_s, struct lt_err *e);
struct lt_predictor_error {
    int n_train, n_holdout;
    double spearman, kendall, mape, coverage90;
};
/* Fits on all but every k-th (k = round(1/holdout), order shuffled by seed), reports on those, then refits on all. */
lt_status lt_predictor_fit_holdout(struct lt_predictor *p, const struct lt_arch *a, const double *latency_s, int n,
                                   double holdout, uint64_t seed, struct lt_predictor_error *out,
                                   double *holdout_pred_s /* [n], NAN where trained on; NULL ok */, struct lt_err *e);
#ifdef __cplusplus
}
#endif
#endif
