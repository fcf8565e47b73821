/* Room: run. What the stages of a run share; nothing outside src/run includes this. */
#ifndef LT_RUN_STAGES_H
#define LT_RUN_STAGES_H
#include "lathe/data.h"
#include "lathe/device.h"
#include "lathe/predictor.h"
#include "lathe/supernet.h"
#include "run/engine.h"
#include "run/experiment.h"
#include "run/run.h"
#include "run/store.h"

struct lt_run {
    const struct lt_experiment *x;
    struct lt_comm *comm;
    struct lt_store *store;
    const struct lt_ui *ui;
    const char *until;
    struct lt_data_set *data;
    struct lt_backend *backend;     /* this rank's */
    struct lt_supernet *supernet;   /* NULL before training */
    struct lt_device *device;       /* rank 0, once something is measured */
    struct lt_predictor *predictor; /* NULL before predict */
    struct lt_goal goal;            /* constraints in numbers; complete after predict */
    struct lt_scores largest;       /* of the largest f32 network: costs, and latency as measured */
    double started_s;
};

/* Stages: collective; each returns at once when its last record is in the journal. */
lt_status lt_stage_measure(struct lt_run *r, struct lt_err *e);
lt_status lt_stage_predict(struct lt_run *r, struct lt_err *e);
lt_status lt_stage_train(struct lt_run *r, struct lt_err *e);
lt_status lt_stage_search(struct lt_run *r, struct lt_err *e);
lt_status lt_stage_verify(struct lt_run *r, struct lt_err *e);
lt_status lt_stage_quantize(struct lt_run *r, struct lt_err *e);
lt_status lt_stage_final(struct lt_run *r, struct lt_err *e);
lt_status lt_stage_deploy(struct lt_run *r, struct lt_err *e);

/* summary.json of what the journal holds so far. Rank 0. */
lt_status lt_summary_write(const struct lt_run *r, const char *stage, struct lt_err *e);

/* Its part about the search: axes, answers of a sweep, comparison with a baseline, what failed. */
struct lt_candidate;
void lt_summary_search(struct lt_jw *w, const struct lt_run *r, const struct lt_candidate *c, int n);

/* Collective: data (the same on all ranks) and backend. */
lt_status lt_run_open_data(struct lt_run *r, struct lt_err *e);
/* Collective. Writes the first record of a new journal, or compares that of an old one; force: see restart() in
 * begin.c. */
lt_status lt_run_begin(struct lt_run *r, bool force, struct lt_err *e);
void lt_run_release(struct lt_run *r);
/* Collective: LT_EINTR on all ranks when any has been asked to stop. */
lt_status lt_run_check_stop(struct lt_run *r, struct lt_err *e);
char *lt_run_arch_text(const struct lt_space *s, const struct lt_arch *a); /* lt_free; NULL without memory */
/* The goals of a run: one, or one for each limit of a sweep. key: empty, or "latency_ms <= 4", under which the journal
 * keeps what belongs to it. r->goal is the first. */
enum { LT_GOAL_KEY_BYTES = LT_SCORE_NAME_LEN + 40 };
int lt_run_n_goals(const struct lt_run *r);
void lt_run_goal(const struct lt_run *r, int k, struct lt_goal *out, char key[LT_GOAL_KEY_BYTES]);
/* Collective; without training: scores of the largest network as far as they are cheap, and the goal in numbers. */
lt_status lt_run_find_largest(struct lt_run *r, struct lt_err *e);
/* Analytic costs of an arch in f32; latency too when the run has a predictor. */
lt_status lt_run_cheap_scores(const struct lt_space *space, const struct lt_predictor *p, const struct lt_arch *a,
                              int n, struct lt_scores *out, struct lt_err *e);
/* The n-th architecture of the measured set: 0 the largest, 1 the smallest, then random ones, all different. Returns
 * how many there are (<= n). */
int lt_run_measure_set(const struct lt_space *s, uint64_t seed, int n, struct lt_arch *out);
/* Rank 0: opens the device once and records or checks who it is. */
lt_status lt_run_device(struct lt_run *r, struct lt_err *e);
/* Rank 0: measures, and writes the keys "measurement" and "meta" into an open record. */
lt_status lt_run_measure(struct lt_run *r, const struct lt_graph *g, const struct lt_plan *plan, struct lt_jw *w,
                         struct lt_measurement *m, struct lt_err *e);
/* Reads "measurement" of a record: medians and interval in seconds. */
struct lt_measured {
    double median_s, lo_s, hi_s;
    int n_samples;
    bool unstable;
};
lt_status lt_measured_read(const struct lt_json *record, struct lt_measured *out, struct lt_err *e);
/* What the int8 layers of a "quantize" record save, from the measured layer times: the predictor knows f32 networks
 * only. NaN where the device has no layer times. */
double lt_run_int8_gain_s(const struct lt_json *quantize);
/* "scores" of a record. */
void lt_scores_write(struct lt_jw *w, const struct lt_score_names *names, const struct lt_scores *s);
void lt_scores_read(const struct lt_json *obj, const struct lt_score_names *names, struct lt_scores *s);
double lt_json_num_or(const struct lt_json *obj, const char *key, double dflt); /* dflt too for null */
/* The string, the list under a key of an object (NULL ok); NULL when there is none. */
const char *lt_json_text(const struct lt_json *obj, const char *key);
const struct lt_json *lt_json_list(const struct lt_json *obj, const char *key);
/* The goal whose Pareto front is shown: the objectives; a single one is shown against latency, or without a run that
 * trains against the first other score that is limited, if any. Two objectives then, the axes of plots; or one. */
void lt_front_goal(const struct lt_run *r, const struct lt_goal *g, struct lt_goal *out);

/* One search of the run's space with the run's scores: stage_search.c. Records are of this type. Collective. */
lt_status lt_run_search_goal(struct lt_run *r, const struct lt_goal *goal, const struct lt_yaml *searcher,
                             uint64_t seed, const char *type, const char *what, void *listener, lt_told_fn told,
                             struct lt_engine_result *out, struct lt_err *e);

/* Every candidate in the journal in ask order; borrowed texts. */
struct lt_candidate {
    struct lt_arch arch;
    const char *text, *why; /* why: it failed; NULL */
    struct lt_scores scores;
};
lt_status lt_run_candidates(const struct lt_run *r, struct lt_candidate **out, int *n, struct lt_err *e); /* lt_free */

/* The chosen subnetwork, batch-norm statistics recalibrated and folded; and its plan when quantization was kept (else
 * *plan = NULL). */
lt_status lt_run_subnet(struct lt_run *r, const struct lt_arch *a, struct lt_graph **g, struct lt_weights **w,
                        struct lt_err *e);
lt_status lt_run_chosen(const struct lt_run *r, struct lt_arch *out, const char **text, struct lt_err *e);
lt_status lt_plan_read(const struct lt_json *obj, const struct lt_graph *folded, struct lt_plan **out,
                       struct lt_err *e);
void lt_plan_json(const struct lt_plan *p, struct lt_jw *w);
/* The plan that is deployed; NULL: f32. */
lt_status lt_run_deployed_plan(const struct lt_run *r, const struct lt_graph *folded, struct lt_plan **out,
                               struct lt_err *e);
#endif
