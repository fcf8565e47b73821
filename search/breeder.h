/*
 * Room: search. What searchers that work in generations share (evolution, nsga2, nsga3): the population, asking it in
 * order, waiting for its results, and the next one made of survivors. A searcher says who survives and how a child is
 * made. The outcome does not depend on how many are asked ahead.
 */
#ifndef SEARCH_BREEDER_H
#define SEARCH_BREEDER_H
#include "search/explore.h"

struct lt_member {
    struct lt_arch a;
    uint64_t hash;
    double violation; /* INFINITY: unusable */
    double f[LT_MAX_SCORES];
    int rank, niche;
    double crowding;
};

struct lt_breeder;
struct lt_breeder_ops {
    const char *name;
    /* Moves the survivors of pool[0..n) to its front; *kept of them, at most `population`. All usable, ranks set. */
    lt_status (*survive)(struct lt_breeder *b, struct lt_member *pool, int n, int *kept, struct lt_err *e);
    /* Child number `item` of a generation, made of pool[0..n_parents); n_parents >= 1. */
    void (*child)(struct lt_breeder *b, struct lt_rng *r, int item, struct lt_arch *out);
};
struct lt_breeder {
    struct lt_explorer x;
    const struct lt_breeder_ops *ops;
    const void *cfg;
    int population, generations, tries;
    int generation;         /* of the present population; -1 before the first */
    struct lt_member *pool; /* [2 * population]: parents first, then the present population */
    int n_parents, n_pool;  /* pool[n_parents..n_pool) is the present population */
    int asked, told;        /* of it */
};
lt_status lt_breeder_open(const struct lt_search_env *env, const struct lt_breeder_ops *ops, const void *cfg,
                          int64_t population, int64_t generations, int64_t tries, void **self, struct lt_err *e);
/* These four are the searcher's own. */
void lt_breeder_close(void *self);
lt_status lt_breeder_ask(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e);
lt_status lt_breeder_tell(void *self, const struct lt_arch *a, const struct lt_scores *s, int n, struct lt_err *e);
int lt_breeder_budget(const void *self);

/* A child as both NSGAs make it: a copy of one parent, with probability `crossover` crossed with another, then
 * `mutations` of its choices drawn again on average. `parent` draws one of b->pool[0..n_parents). */
typedef const struct lt_arch *(*lt_breeder_parent_fn)(const struct lt_breeder *b, struct lt_rng *r);
void lt_breeder_mate(const struct lt_breeder *b, struct lt_rng *r, lt_breeder_parent_fn parent, double crossover,
                     double mutations, struct lt_arch *out);

/* Sorts by rank, then by falling crowding, then by hash. */
void lt_members_sort(struct lt_member *m, int n);
/* Ranks of all; unusable members are dropped. Returns through *n. */
lt_status lt_members_rank(const struct lt_goal *goal, struct lt_member *m, int *n, struct lt_err *e);
#endif
