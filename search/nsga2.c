/*
 * Searcher "nsga2": Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II",
 * IEEE TEC 6(2), 2002. Parents and children together are ranked by constrained non-domination; the best fronts survive,
 * the last one of them by crowding; parents win binary tournaments. Choices are categories, so crossover is uniform and
 * a mutation draws another value. Deviation: no architecture is evaluated twice.
 */
#include "lathe/mem.h"
#include "search/breeder.h"
#include "search/front.h"

struct config {
    int64_t population, generations, tries;
    double crossover, mutation;
};
static const struct lt_opt opts[] = {
    {.key = "population",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "50",
     .min = 2,
     .max = 100000,
     .offset = offsetof(struct config, population),
     .help = "architectures evaluated a generation"},
    {.key = "generations",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "20",
     .min = 1,
     .max = 100000,
     .offset = offsetof(struct config, generations),
     .help = "generations, the random first one included"},
    {.key = "crossover",
     .type = LT_OPT_DOUBLE,
     .unit = "fraction",
     .dflt = "0.9",
     .min = 0,
     .max = 1,
     .offset = offsetof(struct config, crossover),
     .help = "share of children that have two parents"},
    {.key = "mutation",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "1",
     .min = 0,
     .max = 1000,
     .offset = offsetof(struct config, mutation),
     .help = "choices of a child that mutate, on average; at least one does"},
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

static lt_status survive(struct lt_breeder *b, struct lt_member *pool, int n, int *kept, struct lt_err *e) {
    double *crowding = lt_malloc((size_t)n * sizeof(*crowding));
    int *at = lt_malloc((size_t)n * sizeof(*at));
    lt_status s = LT_OK;

    if (!crowding || !at) {
        s = lt_fail(e, LT_ENOMEM, "searcher 'nsga2': out of memory for %d members", n);
        goto out;
    }
    lt_members_sort(pool, n);
    for (int from = 0, to; from < n && from < b->population; from = to) {
        for (to = from; to < n && pool[to].rank == pool[from].rank; to++) at[to - from] = to;
        if ((s = lt_front_crowding(pool->f, (int)(sizeof(*pool) / sizeof(double)), b->x.env->goal->n_objectives, at,
                                   to - from, crowding, e)))
            goto out;
        for (int i = from; i < to; i++) pool[i].crowding = crowding[i - from];
    }
    lt_members_sort(pool, n);
    *kept = n < b->population ? n : b->population;
out:
    lt_free(crowding);
    lt_free(at);
    return s;
}

/* Parents are sorted: the smaller number of two wins the tournament. */
static const struct lt_arch *tournament(const struct lt_breeder *b, struct lt_rng *r) {
    uint32_t i = lt_rng_below(r, (uint32_t)b->n_parents), j = lt_rng_below(r, (uint32_t)b->n_parents);

    return &b->pool[i < j ? i : j].a;
}

static void child(struct lt_breeder *b, struct lt_rng *r, int item, struct lt_arch *out) {
    const struct config *cfg = b->cfg;

    (void)item;
    lt_breeder_mate(b, r, tournament, cfg->crossover, cfg->mutation, out);
}

static const struct lt_breeder_ops breeder = {"nsga2", survive, child};
_Static_assert(sizeof(struct lt_member) % sizeof(double) == 0, "rows of f are a whole number of doubles apart");

static lt_status open_nsga2(const struct lt_search_env *env, const void *cfg, void **self, struct lt_err *e) {
    const struct config *c = cfg;

    return lt_breeder_open(env, &breeder, cfg, c->population, c->generations, c->tries, self, e);
}

const struct lt_searcher_ops lt_searcher_nsga2 = {
    .name = "nsga2",
    .source = "Deb et al., IEEE TEC 6(2), 2002",
    .about = "several objectives: fronts and crowding",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .open = open_nsga2,
    .close = lt_breeder_close,
    .ask = lt_breeder_ask,
    .tell = lt_breeder_tell,
    .budget = lt_breeder_budget,
};
