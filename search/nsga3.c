/*
 * Searcher "nsga3": Deb, Jain, "An evolutionary many-objective optimization algorithm using reference-point-based
 * nondominated sorting approach", Part I, IEEE TEC 18(4), 2014; constraints as in part II (Jain, Deb, same issue). As
 * NSGA-II, but the last front that survives is chosen so that evenly spread reference directions (refpoints.h) are
 * served alike. Meant for three objectives and more. Deviations: as for NSGA-II; niches of equal count and members of
 * equal distance are ordered, not drawn.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "search/breeder.h"
#include "search/refpoints.h"

struct config {
    int64_t population, generations, tries, divisions;
    double crossover, mutation;
};
static const struct lt_opt opts[] = {
    {.key = "population",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "92",
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
    {.key = "divisions",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "0",
     .min = 0,
     .max = 1000,
     .offset = offsetof(struct config, divisions),
     .help = "steps between two corners of the plane of reference points; 0 = as many as give no more points than the "
             "population"},
    {.key = NULL},
};

/* Survivors of the front pool[from..to), which does not fit whole: niche by niche, the least served first; in an empty
 * niche the member nearest to its direction, else the next nearest. */
static void fill(struct lt_breeder *b, struct lt_member *pool, int from, int to, int *count) {
    for (int place = from; place < b->population; place++) {
        int best = -1;

        for (int i = place; i < to; i++) {
            const struct lt_member *x = &pool[i], *y = &pool[best < 0 ? i : best];

            if (best < 0 || count[x->niche] < count[y->niche] ||
                (count[x->niche] == count[y->niche] &&
                 (x->crowding < y->crowding || (x->crowding == y->crowding && x->hash < y->hash))))
                best = i;
        }
        if (best != place) {
            struct lt_member t = pool[place];

            pool[place] = pool[best];
            pool[best] = t;
        }
        count[pool[place].niche]++;
    }
}

static lt_status survive(struct lt_breeder *b, struct lt_member *pool, int n, int *kept, struct lt_err *e) {
    const struct config *cfg = b->cfg;
    int m = b->x.env->goal->n_objectives, from, to;
    struct lt_refpoints ref = {0};
    int *count = NULL;
    lt_status s;

    if ((s = lt_refpoints_init(&ref, m, (int)cfg->divisions, b->population, e))) return s;
    lt_members_sort(pool, n);
    *kept = n < b->population ? n : b->population;
    for (to = *kept; to < n && pool[to].rank == pool[to - 1].rank; to++) continue;
    for (from = to - 1; from > 0 && pool[from - 1].rank == pool[to - 1].rank; from--) continue; /* the last front */
    if (!(count = lt_calloc((size_t)ref.n, sizeof(*count)))) {
        s = lt_fail(e, LT_ENOMEM, "searcher 'nsga3': out of memory for %d reference points", ref.n);
        goto out;
    }
    if ((s = lt_refpoints_fit(&ref, pool->f, (int)(sizeof(*pool) / sizeof(double)), to, e))) goto out;
    for (int i = 0; i < to; i++) {
        pool[i].niche = lt_refpoints_nearest(&ref, pool[i].f, &pool[i].crowding); /* the distance, here */
        if (i < from) count[pool[i].niche]++;
    }
    if (to > *kept) fill(b, pool, from, to, count);
out:
    lt_free(count);
    lt_refpoints_release(&ref);
    return s;
}

/* Any parent; of one that misses a limit and another, the one that misses less (part II). */
static const struct lt_arch *parent(const struct lt_breeder *b, struct lt_rng *r) {
    const struct lt_member *x = &b->pool[lt_rng_below(r, (uint32_t)b->n_parents)], *y;

    if (x->violation == 0) return &x->a;
    y = &b->pool[lt_rng_below(r, (uint32_t)b->n_parents)];
    return y->violation < x->violation ? &y->a : &x->a;
}

static void child(struct lt_breeder *b, struct lt_rng *r, int item, struct lt_arch *out) {
    const struct config *cfg = b->cfg;

    (void)item;
    lt_breeder_mate(b, r, parent, cfg->crossover, cfg->mutation, out);
}

static const struct lt_breeder_ops breeder = {"nsga3", survive, child};
_Static_assert(sizeof(struct lt_member) % sizeof(double) == 0, "rows of f are a whole number of doubles apart");

static lt_status open_nsga3(const struct lt_search_env *env, const void *cfg, void **self, struct lt_err *e) {
    const struct config *c = cfg;

    return lt_breeder_open(env, &breeder, cfg, c->population, c->generations, c->tries, self, e);
}

const struct lt_searcher_ops lt_searcher_nsga3 = {
    .name = "nsga3",
    .source = "Deb, Jain, IEEE TEC 18(4), 2014",
    .about = "three objectives and more: fronts and reference directions",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .open = open_nsga3,
    .close = lt_breeder_close,
    .ask = lt_breeder_ask,
    .tell = lt_breeder_tell,
    .budget = lt_breeder_budget,
};
