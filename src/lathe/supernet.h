/*
 * The weight-shared supernet: one set of parameters (those of the largest network); a subnetwork's parameter of the
 * same name is a view: first channels, centre of the kernel with a learned transform (7->5->3; Cai et al.,
 * "Once-for-All", ICLR 2020), first blocks. Trained by the sandwich rule with in-place distillation (Yu et al.,
 * "BigNAS", ECCV 2020): per step the largest on labels, the smallest and random ones on the largest's soft predictions.
 * A batch is cut into a fixed number of shards (a power of two), each computed by one thread with its own batch-norm
 * statistics; gradients are summed over shards in a fixed binary tree, so any number of ranks and threads gives the
 * same bits. Batch-norm statistics are not part of the supernet: they are recalibrated for each subnetwork on training
 * images, without touching any other's.
 */
#ifndef LATHE_SUPERNET_H
#define LATHE_SUPERNET_H
#include "lathe/space.h"
#include "lathe/data.h"
#include "lathe/runtime.h"
#include "lathe/comm.h"
#include "lathe/ui.h"
#ifdef __cplusplus
extern "C" {
#endif
struct lt_supernet;
lt_status lt_supernet_new(const struct lt_space *s, uint64_t seed, struct lt_supernet **out,
                          struct lt_err *e); /* He init; last BN gamma of residual blocks 0 */
void lt_supernet_free(struct lt_supernet *sn);
int64_t lt_supernet_n_params(const struct lt_supernet *sn); /* floats in the shared vector, transforms included */
float *lt_supernet_params(struct lt_supernet *sn);          /* the shared vector itself */
uint64_t lt_supernet_hash(const struct lt_supernet *sn);    /* of the values */
/* Subnet's parameters out of the shared ones; MEAN/VAR entries are set to 0/1. w was made for g. */
lt_status lt_supernet_gather(const struct lt_supernet *sn, const struct lt_graph *g, struct lt_weights *w,
                             struct lt_err *e);
/* grad_shared [n_params] += gradient of a subnet's parameters (through the kernel transforms). */
lt_status lt_supernet_scatter(const struct lt_supernet *sn, const struct lt_graph *g, const struct lt_weights *grad,
                              float *grad_shared, struct lt_err *e);

struct lt_train_cfg {
    double epochs;
    int64_t batch, shards, threads;
    double lr, momentum, weight_decay, label_smoothing, warmup_epochs, clip;
    int64_t random;
    bool distill;
    int schedule;
    double checkpoint_s;               /* seconds between checkpoints */
    int64_t calib_images, eval_images; /* for lt_supernet_evaluate during the search */
};
extern const struct lt_opt lt_train_opts[]; /* keys of the experiment's `supernet:` section */
struct lt_train_log {
    int n;
    struct lt_train_point {
        double epoch, loss_largest, loss_smallest, lr, images_per_s, seconds;
    } * point;
};
void lt_train_log_release(struct lt_train_log *l);
/* Trains to the end, from the newest whole checkpoint in dir if there is one (dir NULL = no checkpoints). Collective.
 * LT_EINTR when ui asks to stop: a checkpoint was written. NaN or exploding loss is LT_EFAIL naming step, loss and the
 * last good checkpoint. */
lt_status lt_supernet_train(struct lt_supernet *sn, const struct lt_data *train, const struct lt_data_cfg *aug,
                            const struct lt_train_cfg *cfg, uint64_t seed, struct lt_comm *comm, const char *dir,
                            const struct lt_ui *ui, struct lt_train_log *log, struct lt_err *e);
lt_status lt_supernet_save(const struct lt_supernet *sn, const char *path, struct lt_err *e);
lt_status lt_supernet_load(struct lt_supernet *sn, const char *path,
                           struct lt_err *e); /* wrong space, version or CRC: named */

/* A subnet ready to run: graph, its weights with recalibrated batch-norm statistics. */
lt_status lt_supernet_subnet(const struct lt_supernet *sn, struct lt_backend *b, const struct lt_arch *a,
                             const struct lt_data *train, int calib_images, uint64_t seed, struct lt_graph **g,
                             struct lt_weights **w, struct lt_err *e);
/* Correct predictions of a folded graph on the first n images of a part; `correct` [n] of 0/1 (NULL ok). */
lt_status lt_evaluate_graph(struct lt_backend *b, const struct lt_graph *folded, const struct lt_weights *w,
                            const struct lt_plan *plan, const struct lt_data *part, int n, int *n_correct,
                            uint8_t *correct, double *mean_loss, struct lt_err *e);
/* subnet + fold + evaluate. Not collective; the same on any rank. */
lt_status lt_supernet_evaluate(const struct lt_supernet *sn, struct lt_backend *b, const struct lt_arch *a,
                               const struct lt_data *train, const struct lt_data *validation, int calib_images,
                               int eval_images, uint64_t seed, double *accuracy, struct lt_err *e);
/* Training speed of one network: steps as training does them, for about `seconds`. Classes: "dense 1x1", "depthwise
 * 5x5", "norm and act", ... Times are per step of `batch` images, thread time divided by threads, so that rows and
 * outside_ms add up to step_ms; rates count the work of all threads (2 flops a MAC; bytes: a node's inputs, outputs and
 * weights once). sn's parameters are as before on return. batch must be a multiple of cfg->shards. */
#define LT_PROFILE_ROWS 16
struct lt_profile_row {
    char name[24];
    double ms[3], gflop_s[3], gb_s[3];
}; /* forward, data gradient, weight gradient */
struct lt_profile_report {
    int threads, batch;
    double images_per_s, step_ms, outside_ms;
    int n_rows;
    struct lt_profile_row row[LT_PROFILE_ROWS];
};
lt_status lt_supernet_profile(struct lt_supernet *sn, const struct lt_data *train, const struct lt_train_cfg *cfg,
                              const struct lt_arch *a, int batch, double seconds, int threads,
                              struct lt_profile_report *out, struct lt_err *e);
#ifdef __cplusplus
}
#endif
#endif
