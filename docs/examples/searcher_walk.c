/*
 * Example searcher "walk": a local search. Asks for mutants of the best architecture known so far, first of the
 * smallest one. Every draw is keyed by (seed, round, try), so asking again after a restart asks for the same; tries are
 * bounded.
 */
#include "lathe/mem.h"
#include "lathe/searcher.h"

enum { MAX_TRIES = 64, MAX_ASKED = 4096 };
struct cfg {
    int64_t rounds;
};
struct self {
    struct lt_search_env env;
    int64_t rounds, round;
    struct lt_arch best;
    struct lt_scores best_scores;
    bool has_best;
    int n_asked;
    uint64_t asked[MAX_ASKED];
};

static const struct lt_opt opts[] = {
    {"rounds", LT_OPT_INT, "", "20", 1, MAX_ASKED, offsetof(struct cfg, rounds), NULL, "how often to ask"}, {0}};

static lt_status open(const struct lt_search_env *env, const void *cfg, void **out, struct lt_err *e) {
    struct self *w = lt_calloc(1, sizeof *w);
    if (!w) return lt_fail(e, LT_ENOMEM, "searcher walk");
    w->env = *env;
    w->rounds = ((const struct cfg *)cfg)->rounds;
    lt_space_smallest(env->space, &w->best);
    *out = w;
    return LT_OK;
}

static bool is_new(struct self *w, const struct lt_arch *a) {
    uint64_t h = lt_arch_hash(w->env.space, a);
    for (int i = 0; i < w->n_asked; i++)
        if (w->asked[i] == h) return false;
    w->asked[w->n_asked++] = h;
    return true;
}

static lt_status ask(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e) {
    struct self *w = self;
    *n_out = 0;
    if (w->round >= w->rounds) return LT_OK; /* nothing asked: the search is over */
    for (uint64_t t = 0; t < MAX_TRIES && *n_out < n && w->n_asked < MAX_ASKED; t++) {
        struct lt_arch a = w->best;
        struct lt_scores cheap = {0};
        struct lt_rng r;
        lt_rng_at(&r, w->env.seed, LT_RNG_SEARCH, (uint64_t)w->round, t);
        if (w->round || t) lt_space_mutate(w->env.space, &r, 0.1, &a);
        lt_status s = w->env.probe->cheap(w->env.probe->arg, &a, 1, &cheap, e);
        if (s) return s;
        if (lt_goal_violation(w->env.goal, &cheap, NULL) > 0 || !is_new(w, &a)) continue;
        out[(*n_out)++] = a;
    }
    w->round++;
    if (*n_out == 0 && !w->has_best)
        return lt_fail(e, LT_INFEASIBLE, "walk: no feasible architecture within %d mutations of the smallest",
                       MAX_TRIES);
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
    .open = open,
    .close = lt_free,
    .ask = ask,
    .tell = tell,
};
