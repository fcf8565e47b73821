/*
 * Searcher "aging": regularized evolution, Real, Aggarwal, Huang, Le, "Regularized evolution for image classifier
 * architecture search", AAAI 2019. A queue of the latest results; the best of a few drawn from it has one choice
 * changed; the oldest leaves, however good it was. It needs no generations: the next child is made of whatever has been
 * told, so up to `ahead` evaluations run while it goes on. Deviations: nothing is evaluated twice, and a child that
 * comes to nothing is made again with one change more; with several objectives one drawn later wins when it dominates.
 */
#include <math.h>
#include "lathe/mem.h"
#include "search/explore.h"
#include "search/front.h"

#define GIVE_UP 20 /* children in a row that were all asked before or infeasible: what can be reached is exhausted */

struct config {
    int64_t samples, population, sample, tries;
};
static const struct lt_opt opts[] = {
    {.key = "samples",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "1000",
     .min = 1,
     .max = 10000000,
     .offset = offsetof(struct config, samples),
     .help = "architectures to evaluate"},
    {.key = "population",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "16",
     .min = 2,
     .max = 100000,
     .offset = offsetof(struct config, population),
     .help = "latest results that parents are drawn from; so many random ones come first"},
    {.key = "sample",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "10",
     .min = 1,
     .max = 100000,
     .offset = offsetof(struct config, sample),
     .help = "drawn from them; the best is the parent"},
    {.key = "tries",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "1",
     .min = 1,
     .max = 100000,
     .offset = offsetof(struct config, tries),
     .help = "mutants drawn before one is repaired; 1 turns a change that does not fit into an exchange"},
    {.key = NULL},
};

struct result {
    struct lt_arch a;
    double violation; /* INFINITY: unusable */
    double f[LT_MAX_SCORES];
};

struct aging {
    const struct config *cfg;
    struct lt_explorer x;
    struct result *queue; /* [population], a ring: result k is at k % population */
    int64_t asked, told, item;
    int misses; /* children in a row that came to nothing */
    bool exhausted;
};

static void close_aging(void *self) {
    struct aging *s = self;

    lt_explorer_release(&s->x);
    lt_free(s->queue);
    lt_free(s);
}

static lt_status open_aging(const struct lt_search_env *env, const void *cfg, void **self, struct lt_err *e) {
    struct aging *s = lt_calloc(1, sizeof(*s));
    lt_status st;

    if (!s) return lt_fail(e, LT_ENOMEM, "searcher 'aging': out of memory");
    s->cfg = cfg;
    if (!(s->queue = lt_malloc((size_t)s->cfg->population * sizeof(*s->queue)))) {
        st = lt_fail(e, LT_ENOMEM, "searcher 'aging': out of memory for a population of %d", (int)s->cfg->population);
        goto out;
    }
    if ((st = lt_explorer_init(&s->x, env, e))) goto out;
    *self = s;
    s = NULL;
out:
    if (s) close_aging(s);
    return st;
}

static bool better(const struct result *a, const struct result *b, int m) {
    bool strictly = false;

    if (a->violation != b->violation) return a->violation < b->violation;
    for (int i = 0; i < m; i++) {
        if (a->f[i] > b->f[i]) return false;
        strictly |= a->f[i] < b->f[i];
    }
    return strictly;
}

static void child(void *arg, struct lt_rng *r, struct lt_arch *out) {
    const struct aging *s = arg;
    const struct lt_space *space = s->x.env->space;
    int64_t n = s->told < s->cfg->population ? s->told : s->cfg->population;
    const struct result *best = NULL;

    for (int64_t i = 0; i < s->cfg->sample && n > 0 && s->asked >= s->cfg->population; i++) {
        const struct result *x = &s->queue[lt_rng_below(r, (uint32_t)n)];

        if (isfinite(x->violation) && (!best || better(x, best, s->x.env->goal->n_objectives))) best = x;
    }
    if (!best) {
        lt_space_sample(space, r, out);
        return;
    }
    *out = best->a;
    for (int i = 0; i <= s->misses; i++) lt_space_mutate(space, r, 0, out); /* exactly one choice, at first */
}

static lt_status ask(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e) {
    struct aging *s = self;
    struct lt_rng r;
    int got = 0;
    bool ok;
    lt_status st;

    if ((st = lt_explorer_start(&s->x, e))) return st;
    while (got < n && s->asked < s->cfg->samples && !s->exhausted) {
        if (s->asked >= s->cfg->population && s->told == 0) break; /* wait for a first result */
        lt_rng_at(&r, s->x.env->seed, LT_RNG_SEARCH, 0, (uint64_t)s->item++);
        if ((st = lt_explorer_new(&s->x, &r, (int)s->cfg->tries, child, s, &out[got], &ok, e))) return st;
        if (ok) {
            got++;
            s->asked++;
            s->misses = 0;
        } else if (s->x.scanned || ++s->misses == GIVE_UP) {
            s->exhausted = true;
        }
    }
    *n_out = got;
    return LT_OK;
}

static lt_status tell(void *self, const struct lt_arch *a, const struct lt_scores *sc, int n, struct lt_err *e) {
    struct aging *s = self;

    (void)e;
    for (int i = 0; i < n; i++) {
        struct result *x = &s->queue[s->told++ % s->cfg->population];

        x->a = a[i];
        x->violation = lt_goal_row(s->x.env->goal, &sc[i], x->f);
    }
    return LT_OK;
}

static int budget(const void *self) { return (int)((const struct aging *)self)->cfg->samples; }

const struct lt_searcher_ops lt_searcher_aging = {
    .name = "aging",
    .source = "Real et al., AAAI 2019",
    .about = "mutants of the best among the latest results; asks ahead",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .ahead = 16,
    .open = open_aging,
    .close = close_aging,
    .ask = ask,
    .tell = tell,
    .budget = budget,
};
