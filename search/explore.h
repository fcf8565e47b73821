/*
 * What searchers share: which architectures have been asked, whether one meets the constraints on cheap scores, and how
 * one that does not is repaired. Everything is bounded: a search ends, or says that nothing feasible was found, after a
 * number of probes that the caller can state.
 */
#ifndef SEARCH_EXPLORE_H
#define SEARCH_EXPLORE_H
#include "lathe/searcher.h"

struct lt_explorer {
    const struct lt_search_env *env;
    uint64_t *seen;       /* open addressing over architecture hashes; 0 = empty */
    int n_seen, cap_seen; /* cap is a power of two */
    bool started;
    struct lt_arch anchor; /* feasible, once started */
    uint64_t key;          /* of what lt_explorer_new found last: its hash, 1 instead of 0 */
    /* the place in a small space up to which all architectures have been looked at */
    struct lt_arch cursor;
    bool scannable, scanned;
    int n_unscanned; /* steps that the cursor may take still: no more than there are choice vectors */
    /* of one repair step: neighbours and their scores */
    struct lt_arch *near;
    struct lt_scores *score;
    int cap_near;
};
lt_status lt_explorer_init(struct lt_explorer *x, const struct lt_search_env *env, struct lt_err *e);
void lt_explorer_release(struct lt_explorer *x);

/* Makes sure that something feasible exists and keeps it as the anchor: the extremes and a few samples, repaired.
 * LT_INFEASIBLE names the binding constraint and the nearest point found. Called at the first ask; later calls return
 * at once. */
lt_status lt_explorer_start(struct lt_explorer *x, struct lt_err *e);

/* Violation of the constraints on cheap scores; 0 = feasible. */
lt_status lt_explorer_violation(struct lt_explorer *x, const struct lt_arch *a, double *out, struct lt_err *e);

/* Greedy descent of the violation over single choices moved by one step, preferring moves that remove few MACs for what
 * they gain; random among the best three. *violation is what remains; 0 = repaired. At most 8 steps a gene. */
lt_status lt_explorer_repair(struct lt_explorer *x, struct lt_rng *r, struct lt_arch *a, double *violation,
                             struct lt_err *e);

/* One new feasible architecture: up to `tries` proposals of make() (a few known ones do not count), then the last one
 * repaired, then mutants of that, all of it up to three times; in a small space (at most 10^6 choice vectors) then the
 * next one in order. *ok = false when none was found; x->scanned says that there is none left. */
typedef void (*lt_explorer_make_fn)(void *arg, struct lt_rng *r, struct lt_arch *out);
lt_status lt_explorer_new(struct lt_explorer *x, struct lt_rng *r, int tries, lt_explorer_make_fn make, void *arg,
                          struct lt_arch *out, bool *ok, struct lt_err *e);
/* The same for an architecture that the caller has found feasible: *ok = false when it was asked before. */
lt_status lt_explorer_take(struct lt_explorer *x, const struct lt_arch *a, bool *ok, struct lt_err *e);
bool lt_explorer_seen(const struct lt_explorer *x, const struct lt_arch *a);
#endif
