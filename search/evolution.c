/*
 * Searcher "evolution": constrained evolution as in Once-for-All (Cai et al., ICLR 2020) and HAT (Wang et al., ACL
 * 2020): a random feasible population; then, each generation, the best architectures so far are parents, and the next
 * population is made of their mutants and crossovers that meet the constraints on cheap scores. Deviations: children
 * that fail are repaired instead of redrawn for ever; no architecture is asked twice; parents are ranked by
 * non-domination, so several objectives work; ties are broken by architecture hash.
 */
#include "search/breeder.h"

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

static lt_status survive(struct lt_breeder *b, struct lt_member *pool, int n, int *kept, struct lt_err *e) {
    const struct config *cfg = b->cfg;
    int want = (int)((double)b->population * cfg->parents + 0.5);

    (void)e;
    lt_members_sort(pool, n);
    if (want < 1) want = 1;
    *kept = n < want ? n : want;
    return LT_OK;
}

static void child(struct lt_breeder *b, struct lt_rng *r, int item, struct lt_arch *out) {
    const struct config *cfg = b->cfg;
    const struct lt_space *space = b->x.env->space;
    const struct lt_arch *mother = &b->pool[lt_rng_below(r, (uint32_t)b->n_parents)].a, *father;

    if (item < cfg->mutants * b->population) {
        *out = *mother;
        lt_space_mutate(space, r, cfg->mutation, out);
        return;
    }
    father = &b->pool[lt_rng_below(r, (uint32_t)b->n_parents)].a;
    lt_space_crossover(space, r, mother, father, out);
}

static const struct lt_breeder_ops breeder = {"evolution", survive, child};

static lt_status open_evolution(const struct lt_search_env *env, const void *cfg, void **self, struct lt_err *e) {
    const struct config *c = cfg;

    return lt_breeder_open(env, &breeder, cfg, c->population, c->generations, c->tries, self, e);
}

const struct lt_searcher_ops lt_searcher_evolution = {
    .name = "evolution",
    .source = "Cai et al., ICLR 2020; Wang et al., ACL 2020",
    .about = "mutants and crossovers of the best feasible architectures",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .open = open_evolution,
    .close = lt_breeder_close,
    .ask = lt_breeder_ask,
    .tell = lt_breeder_tell,
    .budget = lt_breeder_budget,
};
