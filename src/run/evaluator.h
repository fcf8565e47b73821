/*
 * Room: run. Where scores come from: the supernet of the run itself, a table of what others measured, or any program.
 * Plug-ins: one file and one line in evaluators.def each.
 *
 *   lt_evaluator_open(ops, cfg, &env, &ev, e);       nothing large is read yet
 *   lt_evaluator_want(ev, "latency_ms@pixel3", e)    each score that the experiment names; LT_EINVAL: it has none such
 *   lt_evaluator_ready(ev, e);                       reads what it needs
 *   cheap() / evaluate() as the engine calls them (run/engine.h)
 *   lt_evaluator_free(ev);
 */
#ifndef LT_RUN_EVALUATOR_H
#define LT_RUN_EVALUATOR_H
#include "lathe/searcher.h"
#include "lathe/ui.h"
#include "run/engine.h"

struct lt_evaluator_env {
    const char *experiment_path; /* what relative paths are beside */
    const struct lt_yaml *at;    /* the section, for places */
    const struct lt_space *space;
    struct lt_score_names *names;
};
struct lt_evaluator_ops {
    const char *name, *about;
    const struct lt_opt *opts;
    size_t cfg_size;
    bool trains; /* its scores come out of the run's own stages: open and all below are NULL */
    bool local;  /* an evaluation costs less than a message between ranks */
    lt_status (*open)(const struct lt_evaluator_env *env, const void *cfg, void **self, struct lt_err *e);
    void (*close)(void *self);
    /* The score is known under this name; its number is score. */
    lt_status (*want)(void *self, const char *name, int score, struct lt_err *e);
    lt_status (*ready)(void *self, struct lt_err *e);
    lt_status (*cheap)(void *self, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e);
    lt_status (*evaluate)(void *self, const struct lt_arch *a, const struct lt_ui *ui, struct lt_scores *io,
                          char why[LT_WHY_BYTES], bool *abandoned, struct lt_err *e);
    /* Every architecture there is, with all its scores, i in [0, *n); NULL: cannot be enumerated. */
    int (*count)(const void *self);
    void (*at)(const void *self, int i, struct lt_arch *a, struct lt_scores *out);
    uint64_t (*hash)(const void *self); /* of the contents behind the options */
};
int lt_evaluator_count(void);
const struct lt_evaluator_ops *lt_evaluator_at(int i);

struct lt_evaluator {
    const struct lt_evaluator_ops *ops;
    struct lt_evaluator_env env;
    void *cfg, *self;
    unsigned costs; /* bits of the built-in scores that are counted from the graph, because somebody wants them */
};
lt_status lt_evaluator_open(const struct lt_evaluator_ops *ops, const struct lt_yaml *cfg /* without name */,
                            const struct lt_evaluator_env *env, struct lt_evaluator **out, struct lt_err *e);
lt_status lt_evaluator_want(struct lt_evaluator *ev, const char *name, int *score, struct lt_err *e);
lt_status lt_evaluator_ready(struct lt_evaluator *ev, struct lt_err *e);
/* Adds the scores that are counted from the graph, those that somebody wants. */
lt_status lt_evaluator_costs(const struct lt_evaluator *ev, const struct lt_arch *a, struct lt_scores *io,
                             struct lt_err *e);
lt_status lt_evaluator_cheap(struct lt_evaluator *ev, const struct lt_arch *a, int n, struct lt_scores *out,
                             struct lt_err *e);
void lt_evaluator_free(struct lt_evaluator *ev);
#endif
