/*
 * Searcher "exact": scores as sums over choices, and the best architecture under such sums found exactly (multiple-
 * choice knapsack by dynamic programming, lathe/knapsack.h), as Puzzle (Bercovich et al., 2024) assembles networks from
 * scored blocks. Scores that the probe knows are fitted to probes; the first objective, when only an evaluation gives
 * it, to what has been evaluated: random architectures first, then in every round the optimum of the fitted sums and
 * optima of sums drawn from their posterior (Thompson sampling; Agrawal, Goyal, ICML 2013). Where the objective is
 * cheap and additive, the first architecture asked is the optimum itself. Further objectives are not looked at.
 */
#include <math.h>
#include <string.h>
#include "lathe/knapsack.h"
#include "lathe/mem.h"
#include "search/additive.h"
#include "search/explore.h"

#define GIVE_UP 20 /* draws in a row that found nothing new */
#define TIGHTEN 8  /* solutions of one proposal that may turn out to miss a limit */

struct config {
    int64_t samples, initial, batch, buckets, tries;
};
static const struct lt_opt opts[] = {
    {.key = "samples",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "200",
     .min = 1,
     .max = 1000000,
     .offset = offsetof(struct config, samples),
     .help = "architectures to evaluate"},
    {.key = "initial",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "50",
     .min = 2,
     .max = 100000,
     .offset = offsetof(struct config, initial),
     .help = "random ones first, which the sums are fitted to; none when the objective is cheap"},
    {.key = "batch",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "8",
     .min = 1,
     .max = 10000,
     .offset = offsetof(struct config, batch),
     .help = "evaluated between two fits"},
    {.key = "buckets",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "2000",
     .min = 10,
     .max = 1000000,
     .offset = offsetof(struct config, buckets),
     .help = "steps that a limit is divided into"},
    {.key = "tries",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "20",
     .min = 1,
     .max = 100000,
     .offset = offsetof(struct config, tries),
     .help = "draws before one is repaired"},
    {.key = NULL},
};

struct limit {
    int score;
    double sign, bound; /* sign * value <= bound */
    bool is_cheap;
    struct lt_additive model;
};

struct exact {
    const struct config *cfg;
    struct lt_explorer x;
    struct lt_gene_groups groups;
    struct limit limit[LT_KNAPSACK_MAX_COSTS];
    int n_limits, d;
    struct lt_additive objective;
    bool objective_is_cheap, prepared, exhausted;
    struct lt_arch *arch; /* in ask order; [n_told, n_asked) are awaited, [n_asked, n) are the next asks */
    struct lt_scores *score;
    int n, n_told, n_asked, cap;
    int64_t round;
};

static void close_exact(void *self) {
    struct exact *s = self;

    for (int k = 0; k < s->n_limits; k++) lt_additive_release(&s->limit[k].model);
    lt_additive_release(&s->objective);
    lt_gene_groups_release(&s->groups);
    lt_explorer_release(&s->x);
    lt_free(s->arch);
    lt_free(s->score);
    lt_free(s);
}

static lt_status open_exact(const struct lt_search_env *env, const void *cfg, void **self, struct lt_err *e) {
    struct exact *s = lt_calloc(1, sizeof(*s));
    lt_status st;

    if (!s) return lt_fail(e, LT_ENOMEM, "searcher 'exact': out of memory");
    s->cfg = cfg;
    s->d = lt_space_n_features(env->space);
    if ((st = lt_explorer_init(&s->x, env, e)) || (st = lt_gene_groups_init(&s->groups, env->space, e)) ||
        (st = lt_additive_init(&s->objective, s->d, e))) {
        close_exact(s);
        return st;
    }
    *self = s;
    return LT_OK;
}

static lt_status reserve(struct exact *s, struct lt_err *e) {
    int cap = s->cap ? 2 * s->cap : 64;
    struct lt_arch *a;
    struct lt_scores *v;

    if (s->n < s->cap) return LT_OK;
    if (!(a = lt_realloc(s->arch, (size_t)cap * sizeof(*a)))) goto out;
    s->arch = a;
    if (!(v = lt_realloc(s->score, (size_t)cap * sizeof(*v)))) goto out;
    s->score = v;
    s->cap = cap;
    return LT_OK;
out:
    return lt_fail(e, LT_ENOMEM, "searcher 'exact': out of memory for %d results", cap);
}

/* ---- sums ---- */

/* Fits one score to those of n scored architectures that have it; *fitted: how many had. */
static lt_status fit(const struct exact *s, struct lt_additive *m, const struct lt_arch *a, const struct lt_scores *sc,
                     int n, int score, double sign, double ridge, int *fitted, struct lt_err *e) {
    double *x = lt_malloc((size_t)n * (size_t)s->d * sizeof(*x) + 8), *y = lt_malloc((size_t)n * sizeof(*y) + 8);
    lt_status st = LT_OK;

    *fitted = 0;
    if (!x || !y) {
        st = lt_fail(e, LT_ENOMEM, "searcher 'exact': out of memory for %d results", n);
        goto out;
    }
    for (int i = 0; i < n; i++) {
        if (sc[i].status || !sc[i].have[score] || !isfinite(sc[i].v[score])) continue;
        lt_space_features(s->x.env->space, &a[i], x + (size_t)*fitted * (size_t)s->d);
        y[(*fitted)++] = sign * sc[i].v[score];
    }
    if (*fitted) st = lt_additive_fit(m, x, y, *fitted, ridge, e);
out:
    lt_free(x);
    lt_free(y);
    return st;
}

static lt_status add_limit(struct exact *s, int score, double sign, double bound, bool is_cheap, struct lt_err *e) {
    struct limit *l = &s->limit[s->n_limits];

    if (!isfinite(bound) || s->n_limits == LT_KNAPSACK_MAX_COSTS) return LT_OK; /* more are left to repair */
    *l = (struct limit){.score = score, .sign = sign, .bound = sign * bound, .is_cheap = is_cheap};
    s->n_limits++;
    return lt_additive_init(&l->model, s->d, e);
}

/* Probes for the sums of cheap scores, and what they tell about which are cheap. */
static lt_status prepare(struct exact *s, struct lt_err *e) {
    const struct lt_search_env *env = s->x.env;
    int n = 3 * s->d + 32, fitted, first = env->goal->objective[0].score, sound = 0;
    struct lt_arch *a = lt_malloc((size_t)n * sizeof(*a));
    struct lt_scores *sc = lt_calloc((size_t)n, sizeof(*sc));
    struct lt_rng r;
    lt_status st;

    if (!a || !sc) {
        st = lt_fail(e, LT_ENOMEM, "searcher 'exact': out of memory for %d probes", n);
        goto out;
    }
    for (int i = 0; i < n; i++) {
        lt_rng_at(&r, env->seed, LT_RNG_SEARCH, UINT64_MAX - 2, (uint64_t)i);
        lt_space_sample(env->space, &r, &a[i]);
    }
    if ((st = env->probe->cheap(env->probe->arg, a, n, sc, e))) goto out;
    while (sound + 1 < n && sc[sound].status) sound++; /* one that can be costed says which scores are cheap */
    for (int i = 0; i < env->goal->n_constraints; i++) {
        const struct lt_constraint *c = &env->goal->constraint[i];

        if ((st = add_limit(s, c->score, 1, c->max, sc[sound].have[c->score], e)) ||
            (st = add_limit(s, c->score, -1, c->min, sc[sound].have[c->score], e)))
            goto out;
    }
    for (int k = 0; k < s->n_limits; k++) {
        struct limit *l = &s->limit[k];

        if (l->is_cheap && (st = fit(s, &l->model, a, sc, n, l->score, l->sign, 1e-9, &fitted, e))) goto out;
    }
    s->objective_is_cheap = sc[sound].have[first];
    if (s->objective_is_cheap)
        st = fit(s, &s->objective, a, sc, n, first, env->goal->objective[0].maximize ? 1 : -1, 1e-9, &fitted, e);
    s->prepared = !st;
out:
    lt_free(a);
    lt_free(sc);
    if (st) {
        for (int k = 0; k < s->n_limits; k++) lt_additive_release(&s->limit[k].model);
        s->n_limits = 0;
    }
    return st;
}

/* The optimum of `weight`, tightened until the probe agrees that it is feasible. *ok = false: none found. */
static lt_status solve(struct exact *s, const double *weight, struct lt_arch *out, bool *ok, struct lt_err *e) {
    const struct lt_search_env *env = s->x.env;
    struct lt_additive_limit limit[LT_KNAPSACK_MAX_COSTS];
    lt_status st;

    *ok = false;
    for (int k = 0; k < s->n_limits; k++)
        limit[k] = (struct lt_additive_limit){s->limit[k].model.weight, s->limit[k].model.base, s->limit[k].bound};
    for (int t = 0; t < TIGHTEN && !*ok; t++) {
        struct lt_scores sc;

        st = lt_additive_solve(&s->groups, weight, limit, s->n_limits, (int)s->cfg->buckets, out, e);
        if (st == LT_INFEASIBLE) return LT_OK;
        if (st) return st;
        memset(&sc, 0, sizeof(sc));
        if ((st = env->probe->cheap(env->probe->arg, out, 1, &sc, e))) return st;
        *ok = !sc.status && lt_goal_violation(env->goal, &sc, NULL) == 0;
        for (int k = 0; k < s->n_limits; k++) {
            double v = s->limit[k].sign * sc.v[s->limit[k].score], over = v - s->limit[k].bound;

            if (s->limit[k].is_cheap && over > 0) limit[k].limit -= 1.1 * over;
        }
    }
    return LT_OK;
}

/* ---- proposals ---- */

struct near {
    const struct exact *s;
    const struct lt_arch *of; /* NULL: anywhere */
    int count;
};

/* The architecture itself, then mutants of it. */
static void propose_near(void *arg, struct lt_rng *r, struct lt_arch *out) {
    struct near *m = arg;
    const struct lt_space *space = m->s->x.env->space;

    if (!m->of) {
        lt_space_sample(space, r, out);
        return;
    }
    *out = *m->of;
    if (m->count++) lt_space_mutate(space, r, 1.0 / lt_space_n_genes(space), out);
}

static lt_status append(struct exact *s, const struct lt_arch *near, int item, bool *ok, struct lt_err *e) {
    struct near m = {s, near, 0};
    struct lt_rng r;
    lt_status st;

    if ((st = reserve(s, e))) return st;
    lt_rng_at(&r, s->x.env->seed, LT_RNG_SEARCH, (uint64_t)s->round, (uint64_t)item);
    if ((st = lt_explorer_new(&s->x, &r, (int)s->cfg->tries, propose_near, &m, &s->arch[s->n], ok, e))) return st;
    if (*ok) s->n++;
    return LT_OK;
}

static lt_status propose_random(struct exact *s, int64_t n, struct lt_err *e) {
    lt_status st;
    bool ok;

    for (int misses = 0, item = 0; n > 0 && !s->exhausted; item++) {
        if ((st = append(s, NULL, item, &ok, e))) return st;
        if (ok) {
            n--;
            misses = 0;
        } else if (s->x.scanned || ++misses == GIVE_UP) {
            s->exhausted = true;
        }
    }
    s->round++;
    return LT_OK;
}

static lt_status propose(struct exact *s, int64_t n, struct lt_err *e) {
    double *w = lt_malloc((size_t)s->d * sizeof(*w) + 8);
    struct lt_arch best;
    struct lt_rng r;
    lt_status st = LT_OK;
    bool ok, taken;

    if (!w) return lt_fail(e, LT_ENOMEM, "searcher 'exact': out of memory");
    for (int64_t i = 0; i < n; i++) {
        lt_rng_at(&r, s->x.env->seed, LT_RNG_SEARCH, (uint64_t)s->round, UINT64_MAX - (uint64_t)i);
        lt_additive_draw(&s->objective, &r, i == 0 || s->objective_is_cheap ? 0 : 1, w);
        if ((i == 0 || !s->objective_is_cheap) && (st = solve(s, w, &best, &ok, e))) break;
        if ((st = append(s, ok ? &best : NULL, (int)i, &taken, e))) break;
    }
    lt_free(w);
    s->round++;
    return st;
}

static lt_status refill(struct exact *s, struct lt_err *e) {
    const struct lt_goal *goal = s->x.env->goal;
    int64_t left = s->cfg->samples - s->n, initial = s->objective_is_cheap ? 0 : s->cfg->initial;
    int n = s->n, fitted = 1, known;
    lt_status st;

    if (left <= 0 || s->exhausted) return LT_OK;
    if (s->n == 0 && initial > 0) return propose_random(s, initial < left ? initial : left, e);
    if (2 * s->n_told < s->n && 2 * s->n_told < initial) return LT_OK; /* wait: too little to learn from */
    if (!s->objective_is_cheap && (st = fit(s, &s->objective, s->arch, s->score, s->n_told, goal->objective[0].score,
                                            goal->objective[0].maximize ? 1 : -1, 0.5, &fitted, e)))
        return st;
    for (int k = 0; k < s->n_limits; k++) {
        struct limit *l = &s->limit[k];

        if (l->is_cheap) continue;
        if ((st = fit(s, &l->model, s->arch, s->score, s->n_told, l->score, l->sign, 0.5, &known, e))) return st;
        fitted = fitted < known ? fitted : known;
    }
    if (fitted && (st = propose(s, s->cfg->batch < left ? s->cfg->batch : left, e))) return st;
    if (s->n == n) return propose_random(s, s->cfg->batch < left ? s->cfg->batch : left, e);
    return LT_OK;
}

static lt_status ask(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e) {
    struct exact *s = self;
    int got = 0;
    lt_status st;

    if ((st = lt_explorer_start(&s->x, e)) || (!s->prepared && (st = prepare(s, e)))) return st;
    while (got < n) {
        if (s->n_asked == s->n && (st = refill(s, e))) return st;
        if (s->n_asked == s->n) break;
        out[got++] = s->arch[s->n_asked++];
    }
    *n_out = got;
    return LT_OK;
}

static lt_status tell(void *self, const struct lt_arch *a, const struct lt_scores *sc, int n, struct lt_err *e) {
    struct exact *s = self;

    (void)a;
    (void)e;
    for (int i = 0; i < n; i++) s->score[s->n_told++] = sc[i];
    return LT_OK;
}

static int budget(const void *self) { return (int)((const struct exact *)self)->cfg->samples; }

const struct lt_searcher_ops lt_searcher_exact = {
    .name = "exact",
    .source = "Bercovich et al., 2024; Dudzinski, Walukiewicz, EJOR 28, 1987",
    .about = "sums over choices, optimised exactly by dynamic programming; asks ahead",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .ahead = 16,
    .open = open_exact,
    .close = close_exact,
    .ask = ask,
    .tell = tell,
    .budget = budget,
};
