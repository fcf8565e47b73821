/*
 * Room: run. A whole job: the stages of an experiment in order, each leaving records in the journal and picking up
 * where the journal ends.
 *
 *   lt_experiment_load(path, ...) -> lt_run_experiment(x, comm, &opt, ui, e)      collective
 *
 * Stages: measure, predict, train, search, verify, quantize, final, deploy. Measuring and predicting come first, so
 * that a budget that no architecture can meet is known in half a minute and not after the training.
 */
#ifndef LT_RUN_RUN_H
#define LT_RUN_RUN_H
#include "lathe/comm.h"
#include "lathe/json.h"
#include "lathe/ui.h"
#include "run/experiment.h"

struct lt_run_opt {
    const char *dir;   /* NULL: runs/<experiment name> */
    const char *until; /* last stage wanted, with what it needs; NULL: all */
    bool force;        /* another experiment's run in dir is moved aside */
};
/* NULL-terminated names, in order. */
extern const char *const lt_stage_names[];
char *lt_run_dir(const struct lt_experiment *x, const char *dir); /* lt_free */
lt_status lt_run_experiment(const struct lt_experiment *x, struct lt_comm *comm, const struct lt_run_opt *opt,
                            const struct lt_ui *ui, struct lt_err *e);

/* The end of a run for humans, out of dir/summary.json. */
lt_status lt_summary_text(const char *dir, struct lt_buf *out, struct lt_err *e);

/* What a run will take, found without running it; collective, but only rank 0 measures. */
struct lt_estimate {
    bool trains;         /* false: evaluations, ranges, goal and feasible only */
    double images_per_s; /* of one sandwich step, counted once per image of the batch */
    double train_s, measure_s, search_s, verify_s, quantize_s, final_s, total_s;
    int evaluations;                    /* 0: the searcher does not say */
    struct lt_scores smallest, largest; /* latency as measured now; without training the attainable range */
    bool exact;                         /* that range is of all architectures */
    struct lt_goal goal;                /* of a sweep the first, or the first that cannot be met */
    struct lt_err why;                  /* it cannot, without training: which limit, and the nearest architecture */
    bool feasible; /* the smallest network is inside every upper limit, the largest above every lower one */
};
lt_status lt_run_estimate(const struct lt_experiment *x, struct lt_comm *comm, const struct lt_ui *ui,
                          struct lt_estimate *out, struct lt_err *e);
#endif
