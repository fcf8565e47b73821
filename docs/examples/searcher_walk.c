/*
 * Example searcher "walk": a local search. Asks for mutants of the best architecture known so far, first of the
 * smallest one. Every draw is keyed by (seed, number of the candidate, try), so asking for four at once gives the same
 * as asking four times, and asking again after a restart asks for the same; tries are bounded.
 */
#include "lathe/mem.h"
#include "lathe/searcher.h"

enum { MAX_TRIES = 64, MAX_ASKED = 4096 };
struct cfg {
    int64_t samples;
};
struct self {
    struct lt_search_env env;
    int64_t samples;
    struct lt_arch best;
    struct lt_scores best_scores;
    bool has_best, is_over;
    int n_asked;
    uint64_t asked[MAX_ASKED];
};

static const struct lt_opt opts[] = {
    {"samples", LT_OPT_INT, "", "20", 1, MAX_ASKED, offsetof(struct cfg, samples), NULL, "architectures to evaluate"},
    {0}};

static lt_status open(const struct lt_search_env *env, const void *cfg, void **out, struct lt_err *e) {
    struct self *w = lt_calloc(1, sizeof *w);
    if (!w) return lt_fail(e, LT_ENOMEM, "searcher walk");
    w->env = *env;
    w->samples = ((const struct cfg *)cfg)->samples;
    lt_space_smallest(env->space, &w->best);
    *out = w;
    return LT_OK;
}

static bool is_new(const struct self *w, uint64_t hash) {
    for (int i = 0; i < w->n_asked; i++)
        if (w->asked[i] == hash) return false;
    return true;
}

/* The next candidate; *found = false when none of the tries is new and feasible. */
static lt_status next(struct self *w, struct lt_arch *out, bool *found, struct lt_err *e) {
    *found = false;
    for (uint64_t t = 0; t < MAX_TRIES && !*found; t++) {
        struct lt_arch a = w->best;
        struct lt_scores cheap = {0};
        struct lt_rng r;
        lt_rng_at(&r, w->env.seed, LT_RNG_SEARCH, (uint64_t)w->n_asked, t);
        if (w->n_asked || t) lt_space_mutate(w->env.space, &r, 0.1, &a);
        lt_status s = w->env.probe->cheap(w->env.probe->arg, &a, 1, &cheap, e);
        if (s) return s;
        uint64_t hash = lt_arch_hash(w->env.space, &a);
        if (lt_goal_violation(w->env.goal, &cheap, NULL) > 0 || !is_new(w, hash)) continue;
        w->asked[w->n_asked++] = hash;
        *out = a;
        *found = true;
    }
    return LT_OK;
}

static lt_status ask(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e) {
    struct self *w = self;
    int got = 0;
    while (got < n && w->n_asked < w->samples && !w->is_over) {
        bool found;
        lt_status s = next(w, &out[got], &found, e);
        if (s) return s;
        got += found;
        w->is_over = !found;
    }
    if (!w->n_asked)
        return lt_fail(e, LT_INFEASIBLE, "walk: no feasible architecture within %d mutations of the smallest",
                       MAX_TRIES);
    *n_out = got; /* 0: the search is over */
    return LT_OK;
}

static lt_status tell(void *self, const struct lt_arch *a, const struct lt_scores *s, int n, struct lt_err *e) {
    struct self *w = self;
    (void)e;
    for (int i = 0; i < n; i++) {
        if (s[i].status) continue; /* a failed evaluation is a result, not the end */
        if (w->has_best && !lt_goal_dominates(w->env.goal, &s[i], &w->best_scores)) continue;
        w->best = a[i];
        w->best_scores = s[i];
        w->has_best = true;
    }
    return LT_OK;
}

const struct lt_searcher_ops lt_searcher_walk = {
    .name = "walk",
    .source = "none",
    .about = "mutants of the best so far",
    .opts = opts,
    .cfg_size = sizeof(struct cfg),
    .ahead = 4, /* how many results may be missing without harm; the experiment may say otherwise */
    .open = open,
    .close = lt_free,
    .ask = ask,
    .tell = tell,
};
