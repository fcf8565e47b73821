/*
 * A searcher only answers ask and tell: it knows no MPI, no clock, no files. Rank 0 runs it; results are told in ask
 * order; resume is replay (ask again, the store answers). Every random draw is lt_rng_at(seed, LT_RNG_SEARCH, round,
 * item). `cheap` scores (costs, predicted or tabulated latency) can be had at any time through the probe, expensive
 * ones (accuracy) only by asking. Constraints are hard: an asked arch meets every constraint on cheap scores, by
 * bounded tries and repair, never by unbounded rejection; when none can be found ask returns LT_INFEASIBLE with the
 * nearest point and the binding constraint in the message.
 *
 * Asking ahead. Evaluations overlap, so candidates are asked while results are missing; which ones are missing is
 * fixed, so that the outcome depends on neither the number of ranks nor their speed. With a window of W:
 *
 *   - before candidate k (counted from 0) is asked, exactly the results 0 .. k-W have been told (none while k < W), so
 *     at most W results are ever missing, and with W = 1 none is missing when the next is asked;
 *   - a searcher that cannot make the next candidate yet (a generation is not complete) answers an ask with *n_out = 0
 *     while results are missing: "wait". The next missing result is then told, alone, and it is asked again; when it
 *     answers, the window moves on from there. *n_out = 0 with no result missing ends the search.
 *
 * The caller may ask for several at once (only while the window has room for all of them) and tell several at once;
 * what comes out must be the same as one by one. W is the experiment's `search: {ahead: W}`, else the searcher's own
 * `ahead`. A searcher whose choices depend on the latest results (aging evolution, a predictor in the loop) states
 * there how many may be missing without harm; one that works in generations, or looks at no results, leaves it 0 (the
 * engine's default, LT_AHEAD_DEFAULT) and gives the same result for every W.
 */
#ifndef LATHE_SEARCHER_H
#define LATHE_SEARCHER_H
#include "lathe/space.h"
#include "lathe/opt.h"
#ifdef __cplusplus
extern "C" {
#endif
/* Scores are numbered: the built-in ones first, then those that an experiment names (columns of a table, what a command
 * prints, a score on another device: "latency_ms@pixel3"), from LT_N_SCORES on, in struct lt_score_names. */
enum lt_score {
    LT_SCORE_ACCURACY, /* fraction in [0,1] */
    LT_SCORE_LATENCY_MS,
    LT_SCORE_SIZE_KB, /* 1 kB = 1000 bytes of f32 weights as deployed */
    LT_SCORE_MACS,
    LT_SCORE_PARAMS,
    LT_SCORE_PEAK_ACT_BYTES,
    LT_N_SCORES,        /* built-in ones */
    LT_MAX_SCORES = 24, /* with the named ones */
    LT_SCORE_NAME_LEN = 48
};
struct lt_score_names {
    int n;                                                         /* named ones; their numbers start at LT_N_SCORES */
    char name[LT_MAX_SCORES - LT_N_SCORES][LT_SCORE_NAME_LEN + 1]; /* letters, digits and "_.-@" */
};
/* Built-in: "accuracy", "latency_ms", "size_kb", "macs", "params", "peak_act_bytes". names NULL: there are no others.
 */
const char *lt_score_name(const struct lt_score_names *names, int score);
/* "fraction", "ms", "kB", "", "", "bytes"; of a named one as its name says, up to an '@': "_ms", "_us", "_s", "_kb",
 * "_bytes", "_mj", "_mw", else "". */
const char *lt_score_unit(const struct lt_score_names *names, int score);
bool lt_score_parse(const struct lt_score_names *names, const char *name, int *out);
/* The number of a name; a new one is added. LT_EINVAL: not a name of a score, or too many. */
lt_status lt_score_add(struct lt_score_names *names, const char *name, int *out, struct lt_err *e);
struct lt_scores {
    double v[LT_MAX_SCORES];
    bool have[LT_MAX_SCORES];
    lt_status status; /* not LT_OK: the evaluation failed */
};
struct lt_objective {
    int score;
    bool maximize;
};
struct lt_constraint {
    int score;
    double min, max; /* -INFINITY / INFINITY when open */
};
struct lt_goal {
    int n_objectives;
    struct lt_objective objective[LT_MAX_SCORES];
    int n_constraints;
    struct lt_constraint constraint[LT_MAX_SCORES];
    const struct lt_score_names *names; /* borrowed; NULL: built-in scores only */
};
/* The upper limit of a score; INFINITY when it has none. */
double lt_goal_max(const struct lt_goal *g, int score);
/* Sum over constraints of relative excess; 0 = feasible. *worst (NULL ok) = index of the most violated constraint, -1
 * when none. Unknown scores count as met. */
double lt_goal_violation(const struct lt_goal *g, const struct lt_scores *s, int *worst);
/* Pareto dominance on the objectives (all known); a feasible one dominates an infeasible one. */
bool lt_goal_dominates(const struct lt_goal *g, const struct lt_scores *a, const struct lt_scores *b);
/* Indices of the feasible ones that no other dominates, in input order; returns their number. The axes are the goal's
 * objectives: a caller that optimises accuracy alone and wants its front against latency adds that objective. About
 * n log n + n * front for two objectives and more. */
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
    int ahead; /* the experiment's window; 0: the searcher's own */
};
struct lt_searcher_ops {
    const char *name, *source, *about;
    const struct lt_opt *opts; /* its own; `name`, `ahead`, `baseline` and `repeats` are the engine's */
    size_t cfg_size;
    int ahead; /* window when the experiment gives none; 0 = LT_AHEAD_DEFAULT. See "Asking ahead" above */
    lt_status (*open)(const struct lt_search_env *env, const void *cfg, void **self, struct lt_err *e);
    void (*close)(void *self);
    /* Writes up to n archs that have not been asked before (cheap constraints met); *n_out = 0: finished, or, while
     * results are missing, wait for the next. */
    lt_status (*ask)(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e);
    lt_status (*tell)(void *self, const struct lt_arch *a, const struct lt_scores *s, int n, struct lt_err *e);
    int (*budget)(const void *self); /* evaluations it will ask for in all, for progress; 0 unknown */
};
#define LT_AHEAD_DEFAULT 256
struct lt_searcher;
int lt_searcher_count(void);
const struct lt_searcher_ops *lt_searcher_at(int i);
int lt_searcher_ahead(const struct lt_searcher *s); /* its window, at least 1 */
/* cfg: a map with name: and the searcher's own keys. */
lt_status lt_searcher_open(const struct lt_yaml *cfg, const struct lt_search_env *env, struct lt_searcher **out,
                           struct lt_err *e);
void lt_searcher_close(struct lt_searcher *s);
lt_status lt_searcher_ask(struct lt_searcher *s, int n, struct lt_arch *out, int *n_out, struct lt_err *e);
lt_status lt_searcher_tell(struct lt_searcher *s, const struct lt_arch *a, const struct lt_scores *sc, int n,
                           struct lt_err *e);
int lt_searcher_budget(const struct lt_searcher *s);
#ifdef __cplusplus
}
#endif
#endif
