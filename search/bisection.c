/*
 * Searcher "bisection": one-shot sensitivity and a search for the allowed degradation, as FastNAS (NVIDIA Model
 * Optimizer) prunes networks. One choice at a time is changed in the largest network that meets the limits, and what
 * that costs in the first objective is measured, as many evaluations as there are choices; the losses are made monotone
 * in what a choice costs (isotonic regression by pooling adjacent violators; Ayer et al., Ann. Math. Stat. 26, 1955);
 * then the smallest allowed loss is bisected with which every choice at its cheapest meets the limits. The network of
 * that loss, those of the next larger ones, and each of them with what is left of the budget spent greedily, are
 * evaluated. Deviations: further rounds measure around the best network found; limits are hard here, so a choice that
 * does not fit into the largest network is measured in the smallest one instead.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "search/bisection.h"

static const struct lt_opt opts[] = {
    {.key = "samples",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "2000",
     .min = 1,
     .max = 10000000,
     .offset = offsetof(struct lt_bisection_cfg, samples),
     .help = "architectures to evaluate at most"},
    {.key = "candidates",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "16",
     .min = 1,
     .max = 10000,
     .offset = offsetof(struct lt_bisection_cfg, candidates),
     .help = "of them, networks that are put together from the sensitivities, in a round"},
    {.key = "rounds",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "3",
     .min = 1,
     .max = 1000,
     .offset = offsetof(struct lt_bisection_cfg, rounds),
     .help = "the next one measures around the best network so far"},
    {.key = NULL},
};

static void close_bisection(void *self) {
    struct lt_bisection *s = self;

    lt_explorer_release(&s->x);
    lt_free(s->choice);
    lt_free(s->queue);
    lt_free(s->quality);
    lt_free(s);
}

static lt_status open_bisection(const struct lt_search_env *env, const void *cfg, void **self, struct lt_err *e) {
    struct lt_bisection *s = lt_calloc(1, sizeof(*s));
    lt_status st;
    int n = 0;

    if (!s) return lt_fail(e, LT_ENOMEM, "searcher 'bisection': out of memory");
    s->cfg = cfg;
    s->best_quality = NAN;
    for (int g = 0; g < lt_space_n_genes(env->space); g++) n += lt_space_gene(env->space, g)->n_choices;
    if (!(s->choice = lt_calloc((size_t)n + 1, sizeof(*s->choice)))) {
        st = lt_fail(e, LT_ENOMEM, "searcher 'bisection': out of memory for %d choices", n);
        goto out;
    }
    if ((st = lt_explorer_init(&s->x, env, e))) goto out;
    *self = s;
    s = NULL;
out:
    if (s) close_bisection(s);
    return st;
}

/* ---- measuring ---- */

lt_status lt_bisection_result_of(struct lt_bisection *s, const struct lt_arch *a, int *out, struct lt_err *e) {
    double v;
    bool ok;
    lt_status st;

    *out = -1;
    for (int i = 0; i < s->n; i++) {
        if (!lt_arch_equal(a, &s->queue[i])) continue;
        *out = i;
        return LT_OK;
    }
    if (s->n >= s->cfg->samples) return LT_OK;
    if ((st = lt_explorer_violation(&s->x, a, &v, e)) || v > 0) return st;
    if (s->n == s->cap) {
        int cap = s->cap ? 2 * s->cap : 64;
        struct lt_arch *q = lt_realloc(s->queue, (size_t)cap * sizeof(*q));
        double *y;

        if (!q) return lt_fail(e, LT_ENOMEM, "searcher 'bisection': out of memory for %d results", cap);
        s->queue = q;
        if (!(y = lt_realloc(s->quality, (size_t)cap * sizeof(*y))))
            return lt_fail(e, LT_ENOMEM, "searcher 'bisection': out of memory for %d results", cap);
        s->quality = y;
        s->cap = cap;
    }
    if ((st = lt_explorer_take(&s->x, a, &ok, e))) return st;
    s->queue[s->n] = *a;
    *out = s->n++;
    return LT_OK;
}

/* How much of the limits an architecture takes: sum of cheap scores in units of their upper limits; without limits
 * the number of MACs, else what the choice's place says. */
static lt_status price_of(struct lt_bisection *s, const struct lt_arch *a, int value, double *out, struct lt_err *e) {
    const struct lt_search_env *env = s->x.env;
    struct lt_scores sc;
    bool any = false;
    lt_status st;

    memset(&sc, 0, sizeof(sc));
    if ((st = env->probe->cheap(env->probe->arg, a, 1, &sc, e))) return st;
    *out = 0;
    for (int i = 0; i < env->goal->n_constraints; i++) {
        const struct lt_constraint *c = &env->goal->constraint[i];

        if (!isfinite(c->max) || !sc.have[c->score] || !isfinite(sc.v[c->score])) continue;
        *out += sc.v[c->score] / fmax(fabs(c->max), 1e-12);
        any = true;
    }
    if (!any) *out = sc.have[LT_SCORE_MACS] ? sc.v[LT_SCORE_MACS] : value;
    return LT_OK;
}

struct lt_arch lt_bisection_with(const struct lt_bisection *s, const struct lt_arch *a, int gene, int value) {
    struct lt_arch b = *a;

    b.g[gene] = (uint8_t)value;
    lt_space_canonical(s->x.env->space, &b);
    return b;
}

static lt_status measure(struct lt_bisection *s, struct lt_bisection_choice *c, struct lt_err *e) {
    const struct lt_space *space = s->x.env->space;
    struct lt_arch a = lt_bisection_with(s, &s->high, c->gene, c->value);
    lt_status st;

    c->result = c->against = -1;
    if ((st = price_of(s, &a, c->value, &c->price, e))) return st;
    if ((st = lt_bisection_result_of(s, &s->high, &c->against, e)) ||
        (st = lt_bisection_result_of(s, &a, &c->result, e)) || c->result >= 0)
        return st;
    if (!lt_space_gene_active(space, &s->low, c->gene)) return LT_OK;
    a = lt_bisection_with(s, &s->low, c->gene, s->high.g[c->gene]);
    if ((st = lt_bisection_result_of(s, &a, &c->against, e)) || c->against < 0) return st;
    a = lt_bisection_with(s, &s->low, c->gene, c->value);
    return lt_bisection_result_of(s, &a, &c->result, e);
}

/* What a round measures around `high`. */
static lt_status measure_all(struct lt_bisection *s, struct lt_err *e) {
    const struct lt_space *space = s->x.env->space;
    lt_status st;
    int k;

    s->n_choices = 0;
    if ((st = lt_bisection_result_of(s, &s->high, &k, e)) || (st = lt_bisection_result_of(s, &s->low, &k, e)))
        return st;
    for (int g = 0; g < lt_space_n_genes(space); g++) {
        s->first[g] = s->n_choices;
        for (int c = 0; c < lt_space_gene(space, g)->n_choices && lt_space_gene_active(space, &s->high, g); c++) {
            s->choice[s->n_choices] = (struct lt_bisection_choice){.gene = g, .value = c};
            if ((st = measure(s, &s->choice[s->n_choices++], e))) return st;
        }
        s->first[g + 1] = s->n_choices;
    }
    return LT_OK;
}

static lt_status plan(struct lt_bisection *s, struct lt_err *e) {
    const struct lt_space *space = s->x.env->space;
    struct lt_rng r;
    double v;
    lt_status st;

    lt_rng_at(&r, s->x.env->seed, LT_RNG_SEARCH, 0, 0);
    lt_space_largest(space, &s->high);
    if ((st = lt_explorer_repair(&s->x, &r, &s->high, &v, e))) return st;
    if (v > 0) s->high = s->x.anchor;
    lt_space_smallest(space, &s->low);
    if ((st = lt_explorer_repair(&s->x, &r, &s->low, &v, e))) return st;
    if (v > 0) s->low = s->x.anchor;
    if ((st = measure_all(s, e))) return st;
    s->planned = true;
    return LT_OK;
}

/* Another round around the best network so far, when there is something left to measure. */
static lt_status plan_again(struct lt_bisection *s, struct lt_err *e) {
    int n = s->n;
    lt_status st;

    s->high = s->queue[s->best];
    if ((st = measure_all(s, e))) return st;
    s->round++;
    s->phase = s->n > n ? LT_BISECTION_MEASURE : LT_BISECTION_ASSEMBLE;
    return LT_OK;
}

static lt_status ask(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e) {
    struct lt_bisection *s = self;
    int got = 0;
    lt_status st;

    if ((st = lt_explorer_start(&s->x, e)) || (!s->planned && (st = plan(s, e)))) return st;
    while (s->n_told == s->n) { /* all that follows is made of all results */
        if (s->phase == LT_BISECTION_MEASURE) s->phase = LT_BISECTION_ASSEMBLE;
        if (s->phase == LT_BISECTION_ASSEMBLE) {
            if ((st = lt_bisection_propose(s, e))) return st;
            s->phase = LT_BISECTION_DONE;
        } else if (s->round + 1 < s->cfg->rounds && s->n < s->cfg->samples) {
            if ((st = plan_again(s, e))) return st;
        } else {
            break;
        }
    }
    for (; got < n && s->n_asked < s->n; got++) out[got] = s->queue[s->n_asked++];
    *n_out = got;
    return LT_OK;
}

static lt_status tell(void *self, const struct lt_arch *a, const struct lt_scores *sc, int n, struct lt_err *e) {
    struct lt_bisection *s = self;
    const struct lt_objective *o = &s->x.env->goal->objective[0];

    (void)a;
    (void)e;
    for (int i = 0; i < n; i++) {
        double v = o->maximize ? sc[i].v[o->score] : -sc[i].v[o->score];

        v = sc[i].status == LT_OK && sc[i].have[o->score] && isfinite(v) ? v : -INFINITY;
        s->quality[s->n_told] = v;
        if (v > -INFINITY && lt_goal_violation(s->x.env->goal, &sc[i], NULL) == 0 && !(v <= s->best_quality)) {
            s->best = s->n_told;
            s->best_quality = v;
        }
        s->n_told++;
    }
    return LT_OK;
}

static int budget(const void *self) {
    const struct lt_bisection *s = self;
    double most = 2;

    for (int g = 0; g < lt_space_n_genes(s->x.env->space); g++)
        most += 2 * lt_space_gene(s->x.env->space, g)->n_choices;
    most = (most + (double)s->cfg->candidates) * (double)s->cfg->rounds;
    return (int)(most < (double)s->cfg->samples ? most : (double)s->cfg->samples);
}

const struct lt_searcher_ops lt_searcher_bisection = {
    .name = "bisection",
    .source = "FastNAS, NVIDIA Model Optimizer",
    .about = "what each choice costs, measured alone; then the least loss that fits",
    .opts = opts,
    .cfg_size = sizeof(struct lt_bisection_cfg),
    .open = open_bisection,
    .close = close_bisection,
    .ask = ask,
    .tell = tell,
    .budget = budget,
};
