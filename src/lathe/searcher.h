/*
 * A searcher only answers ask and tell: it knows no MPI, no clock, no files. It runs replicated on every rank from the
 * same inputs; results are told in ask order; resume is replay (ask again, the store answers). Every random draw is
 * lt_rng_at(seed, LT_RNG_SEARCH, round, item). Scores are indexed by enum lt_score; `cheap` scores (costs, predicted
 * latency) can be had at any time through the probe, expensive ones (accuracy) only by asking. Constraints are hard: an
 * asked arch meets every constraint on cheap scores, by bounded tries and repair, never by unbounded rejection; when
 * none can be found ask returns LT_INFEASIBLE with the nearest point and the binding constraint in the message.
 */
#ifndef LATHE_SEARCHER_H
#define LATHE_SEARCHER_H
#include "lathe/space.h"
#include "lathe/opt.h"
#ifdef __cplusplus
extern "C" {
#endif
enum lt_score {
    LT_SCORE_ACCURACY, /* fraction in [0,1] */
    LT_SCORE_LATENCY_MS,
    LT_SCORE_SIZE_KB, /* 1 kB = 1000 bytes of f32 weights as deployed */
    LT_SCORE_MACS,
    LT_SCORE_PARAMS,
    LT_SCORE_PEAK_ACT_BYTES,
    LT_N_SCORES
};
/* "accuracy", "latency_ms", "size_kb", "macs", "params", "peak_act_bytes" */
const char *lt_score_name(enum lt_score s);
const char *lt_score_unit(enum lt_score s); /* "fraction", "ms", "kB", "", "", "bytes" */
bool lt_score_parse(const char *name, enum lt_score *out);
struct lt_scores {
    double v[LT_N_SCORES];
    bool have[LT_N_SCORES];
    lt_status status; /* not LT_OK: the evaluation failed */
};
struct lt_objective {
    enum lt_score score;
    bool maximize;
};
struct lt_constraint {
    enum lt_score score;
    double min, max; /* -INFINITY / INFINITY when open */
};
struct lt_goal {
    int n_objectives;
    struct lt_objective objective[LT_N_SCORES];
    int n_constraints;
    struct lt_constraint constraint[LT_N_SCORES];
};
/* The upper limit of a score; INFINITY when it has none. */
double lt_goal_max(const struct lt_goal *g, enum lt_score score);
/* Sum over constraints of relative excess; 0 = feasible. *worst (NULL ok) = index of the most violated constraint, -1
 * when none. Unknown scores count as met. */
double lt_goal_violation(const struct lt_goal *g, const struct lt_scores *s, int *worst);
/* Pareto dominance on the objectives (all known); a feasible one dominates an infeasible one. */
bool lt_goal_dominates(const struct lt_goal *g, const struct lt_scores *a, const struct lt_scores *b);
/* Indices of the feasible ones that no other dominates, in input order; returns their number. The axes are the goal's
 * objectives: a caller that optimises accuracy alone and wants its front against latency adds that objective. */
int lt_pareto_front(const struct lt_goal *g, const struct lt_scores *s, int n, int *out);

struct lt_probe {
    void *arg;
    lt_status (*cheap)(void *arg, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e);
};
struct lt_search_env {
    const struct lt_space *space;
    const struct lt_goal *goal;
    const struct lt_probe *probe;
    uint64_t seed;
};
struct lt_searcher_ops {
    const char *name, *source, *about;
    const struct lt_opt *opts;
    size_t cfg_size;
    lt_status (*open)(const struct lt_search_env *env, const void *cfg, void **self, struct lt_err *e);
    void (*close)(void *self);
    /* Writes up to n archs that have not been asked before (cheap constraints met); *n_out = 0 means the search is
     * finished. */
    lt_status (*ask)(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e);
    lt_status (*tell)(void *self, const struct lt_arch *a, const struct lt_scores *s, int n, struct lt_err *e);
    int (*budget)(const void *self); /* evaluations it will ask for in all, for progress; 0 unknown */
};
struct lt_searcher;
int lt_searcher_count(void);
const struct lt_searcher_ops *lt_searcher_at(int i);
lt_status lt_searcher_open(const struct lt_yaml *cfg /* map with name: */, const struct lt_search_env *env,
                           struct lt_searcher **out, struct lt_err *e);
void lt_searcher_close(struct lt_searcher *s);
lt_status lt_searcher_ask(struct lt_searcher *s, int n, struct lt_arch *out, int *n_out, struct lt_err *e);
lt_status lt_searcher_tell(struct lt_searcher *s, const struct lt_arch *a, const struct lt_scores *sc, int n,
                           struct lt_err *e);
int lt_searcher_budget(const struct lt_searcher *s);
#ifdef __cplusplus
}
#endif
#endif
