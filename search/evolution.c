/*
 * Searcher "evolution": constrained evolution as in Once-for-All (Cai et al., ICLR 2020) and HAT (Wang et al., ACL
 * 2020): a random feasible population; then, each generation, the best architectures so far are parents, and the next
 * population is made of their mutants and crossovers that meet the constraints on cheap scores. Deviations: children
 * that fail are repaired instead of redrawn for ever; no architecture is asked twice; parents are ranked by
 * non-domination, so several objectives work; ties are broken by architecture hash.
 */
#include <limits.h>
#include <stdlib.h>
#include "lathe/mem.h"
#include "search/explore.h"

struct config {
    int64_t population, generations, tries;
    double parents, mutants, mutation;
};
static const struct lt_opt opts[] = {
    {.key = "population",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "100",
     .min = 2,
     .max = 100000,
     .offset = offsetof(struct config, population),
     .help = "architectures evaluated a generation"},
    {.key = "generations",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "30",
     .min = 1,
     .max = 100000,
     .offset = offsetof(struct config, generations),
     .help = "generations, the random first one included"},
    {.key = "parents",
     .type = LT_OPT_DOUBLE,
     .unit = "fraction",
     .dflt = "0.25",
     .min = 0.01,
     .max = 1,
     .offset = offsetof(struct config, parents),
     .help = "parents, as a share of the population"},
    {.key = "mutants",
     .type = LT_OPT_DOUBLE,
     .unit = "fraction",
     .dflt = "0.5",
     .min = 0,
     .max = 1,
     .offset = offsetof(struct config, mutants),
     .help = "share of children made by mutation; the others by crossover"},
    {.key = "mutation",
     .type = LT_OPT_DOUBLE,
     .unit = "fraction",
     .dflt = "0.1",
     .min = 0,
     .max = 1,
     .offset = offsetof(struct config, mutation),
     .help = "probability that a choice mutates"},
    {.key = "tries",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "20",
     .min = 1,
     .max = 100000,
     .offset = offsetof(struct config, tries),
     .help = "draws before a child is repaired"},
    {.key = NULL},
};

struct member {
    struct lt_arch a;
    struct lt_scores s;
    uint64_t hash;
    int rank, dominators;
};

struct evolution {
    const struct config *cfg;
    struct lt_explorer x;
    int64_t generation;    /* of the present population; -1 before the first */
    struct member *pool;   /* parents first, then the present population */
    int n_parents, n_pool; /* pool[n_parents..n_pool) is the present population */
    int asked, told;       /* of it */
};

static void close_evolution(void *self) {
    struct evolution *s = self;

    lt_explorer_release(&s->x);
    lt_free(s->pool);
    lt_free(s);
}

static lt_status open_evolution(const struct lt_search_env *env, const void *cfg, void **self, struct lt_err *e) {
    struct evolution *s = lt_calloc(1, sizeof(*s));
    lt_status st;

    if (!s) return lt_fail(e, LT_ENOMEM, "searcher 'evolution': out of memory");
    s->cfg = cfg;
    s->generation = -1;
    if (!(s->pool = lt_malloc(2 * (size_t)s->cfg->population * sizeof(*s->pool)))) {
        st = lt_fail(e, LT_ENOMEM, "searcher 'evolution': out of memory for a population of %d",
                     (int)s->cfg->population);
        goto out;
    }
    if ((st = lt_explorer_init(&s->x, env, e))) goto out;
    *self = s;
    s = NULL;
out:
    if (s) close_evolution(s);
    return st;
}

static int by_rank(const void *a, const void *b) {
    const struct member *x = a, *y = b;

    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Parents of the next generation: the pool by non-domination (fronts peeled off one after another), then by hash.
 * Failed evaluations are no parents. */
static void select_parents(struct evolution *s) {
    const struct lt_goal *goal = s->x.env->goal;
    int want = (int)((double)s->cfg->population * s->cfg->parents + 0.5), left, n = 0;

    for (int i = 0; i < s->n_pool; i++) {
        if (s->pool[i].s.status == LT_OK) s->pool[n++] = s->pool[i];
    }
    for (int i = 0; i < n; i++) {
        s->pool[i].rank = -1;
        s->pool[i].dominators = 0;
        for (int j = 0; j < n; j++) s->pool[i].dominators += lt_goal_dominates(goal, &s->pool[j].s, &s->pool[i].s);
    }
    left = n;
    for (int front = 0; left > 0; front++) {
        for (int i = 0; i < n; i++) {
            if (s->pool[i].rank < 0 && s->pool[i].dominators == 0) {
                s->pool[i].rank = front;
                left--;
            }
        }
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n && s->pool[i].rank == front; j++) {
                if (s->pool[j].rank < 0) s->pool[j].dominators -= lt_goal_dominates(goal, &s->pool[i].s, &s->pool[j].s);
            }
        }
    }
    qsort(s->pool, (size_t)n, sizeof(*s->pool), by_rank);
    if (want < 1) want = 1;
    s->n_parents = n < want ? n : want;
}

struct breeding {
    struct evolution *s;
    bool mutant;
};

static void child(void *arg, struct lt_rng *r, struct lt_arch *out) {
    struct breeding *b = arg;
    struct evolution *s = b->s;
    const struct lt_space *space = s->x.env->space;
    const struct lt_arch *mother, *father;

    if (!s->n_parents) {
        lt_space_sample(space, r, out);
        return;
    }
    mother = &s->pool[lt_rng_below(r, (uint32_t)s->n_parents)].a;
    if (b->mutant) {
        *out = *mother;
        lt_space_mutate(space, r, s->cfg->mutation, out);
        return;
    }
    father = &s->pool[lt_rng_below(r, (uint32_t)s->n_parents)].a;
    lt_space_crossover(space, r, mother, father, out);
}

/* The next population behind the parents. Empty when nothing new and feasible was found. */
static lt_status breed(struct evolution *s, struct lt_err *e) {
    struct breeding b = {.s = s};
    struct lt_rng r;
    struct lt_arch a;
    lt_status st;
    bool ok;

    if (s->generation >= 0) select_parents(s);
    s->generation++;
    s->n_pool = s->n_parents;
    s->asked = s->told = 0;
    for (int64_t i = 0; i < s->cfg->population; i++) {
        lt_rng_at(&r, s->x.env->seed, LT_RNG_SEARCH, (uint64_t)s->generation, (uint64_t)i);
        b.mutant = (double)i < s->cfg->mutants * (double)s->cfg->population;
        if ((st = lt_explorer_new(&s->x, &r, (int)s->cfg->tries, child, &b, &a, &ok, e))) {
            s->n_pool = s->n_parents;
            s->generation--;
            return st;
        }
        if (ok) s->pool[s->n_pool++] = (struct member){.a = a, .hash = lt_arch_hash(s->x.env->space, &a)};
    }
    if (s->n_pool == s->n_parents) s->generation = s->cfg->generations; /* what is feasible is exhausted */
    return LT_OK;
}

static lt_status ask(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e) {
    struct evolution *s = self;
    int left, i;
    lt_status st;

    if ((st = lt_explorer_start(&s->x, e))) return st;
    left = s->n_pool - s->n_parents - s->asked;
    if (left == 0) {
        if (s->told < s->asked)
            return lt_fail(
                e, LT_EINVAL,
                "searcher 'evolution': %d results of generation %d are missing; the next one is made of them",
                s->asked - s->told, (int)s->generation);
        if (s->generation + 1 < s->cfg->generations && (st = breed(s, e))) return st;
        left = s->n_pool - s->n_parents - s->asked;
    }
    for (i = 0; i < n && i < left; i++) out[i] = s->pool[s->n_parents + s->asked++].a;
    *n_out = i;
    return LT_OK;
}

static lt_status tell(void *self, const struct lt_arch *a, const struct lt_scores *sc, int n, struct lt_err *e) {
    struct evolution *s = self;

    (void)a; /* in the order in which they were asked: lt_searcher_tell has checked */
    (void)e;
    for (int i = 0; i < n; i++) s->pool[s->n_parents + s->told++].s = sc[i];
    return LT_OK;
}

static int budget(const void *self) {
    const struct evolution *s = self;

    return (int)(s->cfg->population * s->cfg->generations < INT_MAX ? s->cfg->population * s->cfg->generations
                                                                    : INT_MAX);
}

const struct lt_searcher_ops lt_searcher_evolution = {
    .name = "evolution",
    .source = "Cai et al., ICLR 2020; Wang et al., ACL 2020",
    .about = "mutants and crossovers of the best feasible architectures",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .open = open_evolution,
    .close = close_evolution,
    .ask = ask,
    .tell = tell,
    .budget = budget,
};
