/*
 * Room: run. What can be attained, before anything is searched: the range of every score that is known without an
 * expensive evaluation, and whether each limit can be met. Exact where every architecture can be enumerated (a table)
 * or the space can compute it (costs that add up); else over the extremes and a sample, with a descent of the score
 * before a limit is called impossible. Same on every rank; not collective.
 */
#ifndef LT_RUN_ATTAIN_H
#define LT_RUN_ATTAIN_H
#include "lathe/searcher.h"
#include "run/evaluator.h"

typedef lt_status (*lt_cheap_fn)(void *arg, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e);
struct lt_attain {
    double min[LT_MAX_SCORES], max[LT_MAX_SCORES]; /* min > max: not known */
    bool exact;                                    /* all architectures were enumerated */
    bool exact_range[LT_MAX_SCORES];               /* of one score: computed by the space */
    int samples, n_feasible;
    double violation; /* the least of one architecture */
    struct lt_scores nearest;
    struct lt_arch nearest_arch;
};
void lt_attain_init(struct lt_attain *t);
void lt_attain_widen(struct lt_attain *t, const struct lt_goal *g, const struct lt_scores *s, const struct lt_arch *a);
/* Adds the largest, the smallest and `samples` random architectures; and what the space can compute exactly. */
lt_status lt_attain_sample(struct lt_attain *t, const struct lt_space *space, const struct lt_goal *g, uint64_t seed,
                           int samples, lt_cheap_fn cheap, void *arg, struct lt_err *e);
/* Adds what a descent of each limited score finds, where nothing seen so far meets the limit. */
lt_status lt_attain_descend(struct lt_attain *t, const struct lt_space *space, const struct lt_goal *g,
                            lt_cheap_fn cheap, void *arg, struct lt_err *e);
/* All that the evaluator can enumerate. */
lt_status lt_attain_enumerate(struct lt_attain *t, const struct lt_evaluator *ev, const struct lt_goal *g,
                              struct lt_err *e);
/* The record "attain" under key. */
void lt_attain_write(struct lt_buf *b, const char *key, const struct lt_goal *g, const struct lt_attain *t);
/* Collective: the same in the journal, unless it is there. */
struct lt_run;
lt_status lt_attain_record(struct lt_run *r, const char *key, const struct lt_goal *g, const struct lt_attain *t,
                           struct lt_err *e);
/* Of a run with an evaluator that does not train: what it can say before anything is evaluated. */
lt_status lt_run_attainable(struct lt_run *r, const struct lt_goal *goal, struct lt_attain *t, struct lt_err *e);
/* Says the ranges; LT_INFEASIBLE names the binding constraint and the nearest architecture. */
lt_status lt_attain_check(const struct lt_attain *t, const struct lt_space *space, const struct lt_goal *g,
                          const struct lt_ui *ui, struct lt_err *e);
#endif
