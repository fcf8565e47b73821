/* Searcher "random": feasible samples, each once. The yardstick for the others (Bergstra, Bengio, "Random search for
 * hyper-parameter optimization", JMLR 13, 2012). */
#include "lathe/mem.h"
#include "search/explore.h"

#define GIVE_UP 20 /* samples in a row that were all asked before or infeasible: the feasible part is exhausted */

struct config {
    int64_t samples, tries;
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
    {.key = "tries",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "50",
     .min = 1,
     .max = 100000,
     .offset = offsetof(struct config, tries),
     .help = "draws before a sample is repaired"},
    {.key = NULL},
};

struct random {
    const struct config *cfg;
    struct lt_explorer x;
    int asked;
    int64_t item;
    bool exhausted;
};

static void close_random(void *self) {
    struct random *s = self;

    lt_explorer_release(&s->x);
    lt_free(s);
}

static lt_status open_random(const struct lt_search_env *env, const void *cfg, void **self, struct lt_err *e) {
    struct random *s = lt_calloc(1, sizeof(*s));
    lt_status st;

    if (!s) return lt_fail(e, LT_ENOMEM, "searcher 'random': out of memory");
    s->cfg = cfg;
    if ((st = lt_explorer_init(&s->x, env, e))) {
        lt_free(s);
        return st;
    }
    *self = s;
    return LT_OK;
}

static void sample(void *arg, struct lt_rng *r, struct lt_arch *out) { lt_space_sample(arg, r, out); }

static lt_status ask(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e) {
    struct random *s = self;
    struct lt_rng r;
    int misses = 0, got = 0;
    bool ok;
    lt_status st;

    if ((st = lt_explorer_start(&s->x, e))) return st;
    while (got < n && s->asked < s->cfg->samples && !s->exhausted) {
        lt_rng_at(&r, s->x.env->seed, LT_RNG_SEARCH, 0, (uint64_t)s->item++);
        if ((st = lt_explorer_new(&s->x, &r, (int)s->cfg->tries, sample, (void *)s->x.env->space, &out[got], &ok, e)))
            return st;
        if (ok) {
            got++;
            s->asked++;
            misses = 0;
        } else if (s->x.scanned || ++misses == GIVE_UP) {
            s->exhausted = true;
        }
    }
    *n_out = got;
    return LT_OK;
}

static lt_status tell(void *self, const struct lt_arch *a, const struct lt_scores *sc, int n, struct lt_err *e) {
    (void)self;
    (void)a;
    (void)sc;
    (void)n;
    (void)e;
    return LT_OK;
}

static int budget(const void *self) { return (int)((const struct random *)self)->cfg->samples; }

const struct lt_searcher_ops lt_searcher_random = {
    .name = "random",
    .source = "Bergstra, Bengio, JMLR 13, 2012",
    .about = "feasible samples, each once",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .open = open_random,
    .close = close_random,
    .ask = ask,
    .tell = tell,
    .budget = budget,
};
