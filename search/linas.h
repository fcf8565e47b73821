/*
 * Room: search. Inside of searcher "linas": what has been evaluated, the predictors made of it, and the inner search on
 * them. Private to linas*.c.
 */
#ifndef SEARCH_LINAS_H
#define SEARCH_LINAS_H
#include "search/breeder.h"
#include "search/surrogate.h"
#include "search/warp.h"

struct lt_linas_cfg {
    int64_t samples, initial, batch, inner_population, inner_generations, tries;
    double optimism;
};

/* A result, or, while it is missing, what the predictors expect of it. */
struct lt_linas_result {
    struct lt_arch a;
    struct lt_scores s;
    bool told;
};

struct lt_linas {
    const struct lt_linas_cfg *cfg;
    struct lt_explorer x;
    struct lt_linas_result *result; /* in ask order; [n_told, n_asked) are awaited, [n_asked, n) are the next asks */
    int n, n_told, n_asked, cap;
    int64_t round;
    bool exhausted;
    /* scores of the goal that only an evaluation gives */
    int n_models, model_score[LT_MAX_SCORES];
    struct lt_surrogate model[LT_MAX_SCORES]; /* of values made normal by the warp */
    struct lt_warp warp[LT_MAX_SCORES];
    bool prepared;
};

/* Room for one more result. */
lt_status lt_linas_reserve(struct lt_linas *s, struct lt_err *e);
/* Predictors from what has been told; *ok = false when too little is known for any. */
lt_status lt_linas_fit(struct lt_linas *s, bool *ok, struct lt_err *e);
/* The next batch by predictors: appends up to cfg->batch architectures that are feasible on cheap scores and have been
 * taken from the explorer. */
lt_status lt_linas_propose(struct lt_linas *s, struct lt_err *e);

/* A candidate of the inner search. */
struct lt_linas_candidate {
    struct lt_arch a;
    uint64_t hash;
    struct lt_scores s;                            /* cheap scores, and the predicted mean of the others */
    double mean[LT_MAX_SCORES], sd[LT_MAX_SCORES]; /* by model, before the warp is taken back */
};
struct lt_linas_pool {
    struct lt_linas_candidate *c;
    int n, cap;
    uint64_t *hash; /* open addressing; of what is in the pool */
    int cap_hash, n_hash;
};
lt_status lt_linas_inner(struct lt_linas *s, struct lt_linas_pool *pool, struct lt_err *e);
/* Appends up to n of the pool: each in turn the one that promises to add most hypervolume, chances included. */
lt_status lt_linas_select(struct lt_linas *s, struct lt_linas_pool *pool, int n, struct lt_err *e);
/* The scores of a candidate whose predicted values turn out `z` standard deviations off, by model. */
void lt_linas_turn_out(const struct lt_linas *s, const struct lt_linas_candidate *c, const double *z,
                       struct lt_scores *out);
/* The same when its objectives turn out better by `optimism` standard deviations. */
void lt_linas_hope(const struct lt_linas *s, const struct lt_linas_candidate *c, struct lt_scores *out);
#endif
