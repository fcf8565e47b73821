/*
 * Latency predictors. Plug-ins in predictors/. Single-threaded, deterministic from seed. Latencies in seconds.
 *
 *   lt_predictor_open(cfg, space, seed, &p, e);
 *   lt_predictor_meta_fit(p, &meta, e);             optional: learn from many devices (methods that transfer)
 *   lt_predictor_propose(p, NULL, NULL, 0, NULL, 0, 10, a, e);   which archs to measure on a new device, or which next
 *   lt_predictor_fit(p, a, latency_s, 10, e);       adapt to that device; may be called again with more: replaces
 *   lt_predictor_predict(p, archs, n, mean_s, sd_s, e);
 *   lt_predictor_save(p, path, command, e); lt_predictor_load(path, space, &p, e);
 *
 * fit alone, without meta_fit, works for every method that does not say otherwise. Nothing a predictor answers depends
 * on the order of the rows given to fit, and scaling the target's latencies scales its answers.
 */
#ifndef LATHE_PREDICTOR_H
#define LATHE_PREDICTOR_H
#include "lathe/latency_set.h"
#include "lathe/opt.h"
#include "lathe/space.h"
#include "lathe/ui.h"
#ifdef __cplusplus
extern "C" {
#endif
/* What a method that transfers learns from: some rows of some devices of a data set. */
struct lt_meta {
    const struct lt_latency_set *set;
    const int *device; /* [n_devices] columns of the set */
    int n_devices;
    const int *row; /* [n_rows] rows of the set; a device's unusable entries (NAN) are left out by the method. A method
                     * with references (`prefers`) takes those of the set, too, when they are not among these. */
    int n_rows;
    const struct lt_ui *ui; /* progress of long trainings, and whether to stop (LT_EINTR); NULL: silent */
};
struct lt_blob_writer; /* named sections of a model file: predictors/model_file.h */
struct lt_blob_reader;
struct lt_predictor_ops {
    const char *name, *source, *about;
    const struct lt_opt *opts;
    size_t cfg_size;
    lt_status (*open)(const struct lt_space *space, const void *cfg, uint64_t seed, void **self, struct lt_err *e);
    void (*close)(void *self);
    lt_status (*fit)(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e);
    lt_status (*predict)(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s /* NULL ok */,
                         struct lt_err *e);
    /* NULL: the method knows no other devices. */
    lt_status (*meta_fit)(void *self, const struct lt_meta *m, struct lt_err *e);
    /* n different archs worth measuring next, in order of worth, none of them among the n_done measured ones
     * (latency_s NULL when n_done is 0). `among`: the candidates, never NULL here (the room draws them from the space
     * where the caller named none); n <= n_among - n_done. NULL: the room's default, a spread over the choices. */
    lt_status (*propose)(const void *self, const struct lt_arch *done, const double *latency_s, int n_done,
                         const struct lt_arch *among, int n_among, int n, struct lt_arch *out, struct lt_err *e);
    /* At most `most` archs that the method wants measured on every device (HELP's references); how many. They are among
     * the candidates where the caller named none. NULL: it wants none in particular. */
    int (*prefers)(const void *self, struct lt_arch *out, int most);
    /* State after meta_fit and fit; load comes after open with the same configuration. NULL: cannot be kept. */
    lt_status (*save)(const void *self, struct lt_blob_writer *w, struct lt_err *e);
    lt_status (*load)(void *self, const struct lt_blob_reader *r, struct lt_err *e);
    bool needs_meta; /* fit without meta_fit is refused by the room */
    int least;       /* fewest measurements that fit takes; 0 = 2 */
    bool zero_shot;  /* predict answers before any fit (roofline; a method that transfers, in training-device units) */
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
lt_status lt_predictor_meta_fit(struct lt_predictor *p, const struct lt_meta *m, struct lt_err *e);
/* among NULL: candidates are drawn from the space (its smallest and largest network are two of them). */
lt_status lt_predictor_propose(const struct lt_predictor *p, const struct lt_arch *done, const double *latency_s,
                               int n_done, const struct lt_arch *among, int n_among, int n, struct lt_arch *out,
                               struct lt_err *e);
/* At most `most` archs that the method wants measured on every device; how many. */
int lt_predictor_prefers(const struct lt_predictor *p, struct lt_arch *out, int most);
const struct lt_space *lt_predictor_space(const struct lt_predictor *p);
const struct lt_predictor_ops *lt_predictor_kind(const struct lt_predictor *p);
bool lt_predictor_fitted(const struct lt_predictor *p); /* to a device's own measurements */
/* Names of the devices that it has learned from: those of meta_fit, or the one that the caller names after a fit. */
lt_status lt_predictor_name_device(struct lt_predictor *p, const char *name, struct lt_err *e);
int lt_predictor_n_devices(const struct lt_predictor *p);
const char *lt_predictor_device(const struct lt_predictor *p, int i);
/* Whole or not at all. `command`: how it was made, for people (NULL ok). */
lt_status lt_predictor_save(const struct lt_predictor *p, const char *path, const char *command, struct lt_err *e);
/* space NULL: the one named in the file is looked up and owned by the predictor. A file of another space, torn or not
 * ours, is refused by name. */
lt_status lt_predictor_load(const char *path, const struct lt_space *space, struct lt_predictor **out,
                            struct lt_err *e);
/* Archs whose latencies meta_fit or fit has seen (by lt_arch_hash, ascending); kept in the file, so that an evaluation
 * can leave them out. */
const uint64_t *lt_predictor_seen(const struct lt_predictor *p, int *n);
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
