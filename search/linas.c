/*
 * Searcher "linas": predictors in the loop, as in LINAS (Cummings et al., "A hardware-aware framework for accelerating
 * neural architecture search across modalities", 2022) and SimQ-NAS (Sridhar et al., 2023). Light predictors are fitted
 * to what has been evaluated; an inner genetic search with non-domination runs on them; a few of what it finds are
 * evaluated, and so on. Deviations: the few are chosen by the hypervolume that they promise to add, the predictors'
 * uncertainty included, instead of evaluating the whole inner population (expected hypervolume improvement: Emmerich,
 * Giannakoglou, Naujoks, IEEE TEC 10(4), 2006); scores that are cheap are computed, not predicted; results that are
 * still missing stand in with what is expected of them, so it asks ahead.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "search/linas.h"

#define GIVE_UP 20 /* draws in a row that found nothing new: what is feasible is exhausted */
#define config lt_linas_cfg

static const struct lt_opt opts[] = {
    {.key = "samples",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "500",
     .min = 1,
     .max = 1000000,
     .offset = offsetof(struct config, samples),
     .help = "architectures to evaluate"},
    {.key = "initial",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "20",
     .min = 2,
     .max = 100000,
     .offset = offsetof(struct config, initial),
     .help = "random ones first, which the first predictors are made of"},
    {.key = "batch",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "8",
     .min = 1,
     .max = 10000,
     .offset = offsetof(struct config, batch),
     .help = "evaluated between two fits of the predictors"},
    {.key = "inner_population",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "50",
     .min = 4,
     .max = 10000,
     .offset = offsetof(struct config, inner_population),
     .help = "population of the search on the predictors"},
    {.key = "inner_generations",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "12",
     .min = 1,
     .max = 10000,
     .offset = offsetof(struct config, inner_generations),
     .help = "generations of it, in every round"},
    {.key = "optimism",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "1",
     .min = 0,
     .max = 100,
     .offset = offsetof(struct config, optimism),
     .help = "standard deviations by which the inner search trusts in luck"},
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

static void close_linas(void *self) {
    struct lt_linas *s = self;

    for (int i = 0; i < s->n_models; i++) {
        lt_surrogate_release(&s->model[i]);
        lt_warp_release(&s->warp[i]);
    }
    lt_explorer_release(&s->x);
    lt_free(s->result);
    lt_free(s);
}

static lt_status open_linas(const struct lt_search_env *env, const void *cfg, void **self, struct lt_err *e) {
    struct lt_linas *s = lt_calloc(1, sizeof(*s));
    lt_status st;

    if (!s) return lt_fail(e, LT_ENOMEM, "searcher 'linas': out of memory");
    s->cfg = cfg;
    if ((st = lt_explorer_init(&s->x, env, e))) {
        lt_free(s);
        return st;
    }
    *self = s;
    return LT_OK;
}

lt_status lt_linas_reserve(struct lt_linas *s, struct lt_err *e) {
    struct lt_linas_result *r;
    int cap = s->cap ? 2 * s->cap : 64;

    if (s->n < s->cap) return LT_OK;
    if (!(r = lt_realloc(s->result, (size_t)cap * sizeof(*r))))
        return lt_fail(e, LT_ENOMEM, "searcher 'linas': out of memory for %d results", cap);
    s->result = r;
    s->cap = cap;
    return LT_OK;
}

/* Which scores of the goal need a predictor: those that the probe does not know. */
static lt_status prepare(struct lt_linas *s, struct lt_err *e) {
    const struct lt_search_env *env = s->x.env;
    struct lt_scores sc;
    bool wanted[LT_MAX_SCORES] = {false};
    lt_status st;

    memset(&sc, 0, sizeof(sc));
    if ((st = env->probe->cheap(env->probe->arg, &s->x.anchor, 1, &sc, e))) return st;
    for (int i = 0; i < env->goal->n_objectives; i++) wanted[env->goal->objective[i].score] = true;
    for (int i = 0; i < env->goal->n_constraints; i++) wanted[env->goal->constraint[i].score] = true;
    for (int i = 0; i < LT_MAX_SCORES; i++) {
        if (!wanted[i] || sc.have[i]) continue;
        lt_surrogate_init(&s->model[s->n_models], lt_space_n_features(env->space));
        s->model_score[s->n_models++] = i;
    }
    s->prepared = true;
    return LT_OK;
}

static void sample(void *arg, struct lt_rng *r, struct lt_arch *out) { lt_space_sample(arg, r, out); }

/* n random ones, fewer when they run out. */
static lt_status propose_random(struct lt_linas *s, int n, struct lt_err *e) {
    struct lt_rng r;
    lt_status st;
    bool ok;

    for (int misses = 0, item = 0; n > 0 && !s->exhausted; item++) {
        struct lt_linas_result *out;

        if ((st = lt_linas_reserve(s, e))) return st;
        out = &s->result[s->n];
        memset(out, 0, sizeof(*out));
        lt_rng_at(&r, s->x.env->seed, LT_RNG_SEARCH, (uint64_t)s->round, (uint64_t)item);
        if ((st = lt_explorer_new(&s->x, &r, (int)s->cfg->tries, sample, (void *)s->x.env->space, &out->a, &ok, e)))
            return st;
        if (ok) {
            s->n++;
            n--;
            misses = 0;
        } else if (s->x.scanned || ++misses == GIVE_UP) {
            s->exhausted = true;
        }
    }
    s->round++;
    return LT_OK;
}

/* Something to ask, unless it has to wait or is finished. */
static lt_status refill(struct lt_linas *s, struct lt_err *e) {
    int64_t left = s->cfg->samples - s->n, initial = s->cfg->initial;
    int n = s->n;
    bool ok = false;
    lt_status st;

    if (left <= 0 || s->exhausted) return LT_OK;
    if (s->n == 0) return propose_random(s, (int)(initial < left ? initial : left), e);
    if (2 * s->n_told < s->n && 2 * s->n_told < initial) return LT_OK; /* wait: too little to learn from */
    if (s->n_told == 0) return LT_OK;
    if ((st = lt_linas_fit(s, &ok, e))) return st;
    if (ok) {
        if ((st = lt_linas_propose(s, e))) return st;
        s->round++;
    }
    if (s->n == n) return propose_random(s, (int)(s->cfg->batch < left ? s->cfg->batch : left), e);
    return LT_OK;
}

static lt_status ask(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e) {
    struct lt_linas *s = self;
    int got = 0;
    lt_status st;

    if ((st = lt_explorer_start(&s->x, e)) || (!s->prepared && (st = prepare(s, e)))) return st;
    while (got < n) {
        if (s->n_asked == s->n && (st = refill(s, e))) return st;
        if (s->n_asked == s->n) break;
        out[got++] = s->result[s->n_asked++].a;
    }
    *n_out = got;
    return LT_OK;
}

static lt_status tell(void *self, const struct lt_arch *a, const struct lt_scores *sc, int n, struct lt_err *e) {
    struct lt_linas *s = self;

    (void)a;
    (void)e;
    for (int i = 0; i < n; i++) {
        s->result[s->n_told].s = sc[i];
        s->result[s->n_told++].told = true;
    }
    return LT_OK;
}

static int budget(const void *self) { return (int)((const struct lt_linas *)self)->cfg->samples; }

const struct lt_searcher_ops lt_searcher_linas = {
    .name = "linas",
    .source = "Cummings et al., 2022; Sridhar et al., 2023",
    .about = "predictors of what was evaluated, an inner search on them; asks ahead",
    .opts = opts,
    .cfg_size = sizeof(struct lt_linas_cfg),
    .ahead = 8,
    .open = open_linas,
    .close = close_linas,
    .ask = ask,
    .tell = tell,
    .budget = budget,
};
