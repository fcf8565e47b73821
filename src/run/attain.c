/* Room: run. What can be attained; see attain.h. */
#include "run/attain.h"
#include "lathe/mem.h"
#include "run/stages.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void lt_attain_init(struct lt_attain *t) {
    *t = (struct lt_attain){.violation = INFINITY};
    for (int k = 0; k < LT_MAX_SCORES; k++) {
        t->min[k] = INFINITY;
        t->max[k] = -INFINITY;
    }
}

void lt_attain_widen(struct lt_attain *t, const struct lt_goal *g, const struct lt_scores *s, const struct lt_arch *a) {
    if (s->status) return;
    for (int k = 0; k < LT_MAX_SCORES; k++) {
        if (!s->have[k]) continue;
        t->min[k] = fmin(t->min[k], s->v[k]);
        t->max[k] = fmax(t->max[k], s->v[k]);
    }
    double v = lt_goal_violation(g, s, NULL);
    t->n_feasible += v == 0;
    if (v < t->violation) {
        t->violation = v;
        t->nearest = *s;
        t->nearest_arch = *a;
    }
    t->samples++;
}

/* Costs that somebody wants, as the space computes their extremes. What was seen must lie inside: if it does not, the
 * two count differently, and what was seen holds. */
static lt_status compute(struct lt_attain *t, const struct lt_space *space, struct lt_err *e) {
    static const int score[LT_N_MEASURES] = {[LT_MEASURE_MACS] = LT_SCORE_MACS,
                                             [LT_MEASURE_PARAMS] = LT_SCORE_PARAMS,
                                             [LT_MEASURE_PEAK_BYTES] = LT_SCORE_PEAK_ACT_BYTES};
    struct lt_space_range range;
    bool wanted = false;
    for (int m = 0; m < LT_N_MEASURES; m++) wanted = wanted || t->min[score[m]] <= t->max[score[m]];
    if (!wanted) return LT_OK;
    lt_status s = lt_space_attainable(space, &range, e);
    for (int m = 0; m < LT_N_MEASURES && !s && range.exact; m++) {
        int k = score[m];
        if (t->min[k] > t->max[k] || range.min[m] > t->min[k] || range.max[m] < t->max[k]) continue;
        t->min[k] = range.min[m];
        t->max[k] = range.max[m];
        t->exact_range[k] = true;
    }
    return s;
}

lt_status lt_attain_sample(struct lt_attain *t, const struct lt_space *space, const struct lt_goal *g, uint64_t seed,
                           int samples, lt_cheap_fn cheap, void *arg, struct lt_err *e) {
    struct lt_arch a;
    struct lt_scores sc;
    for (int i = 0; i < samples; i++) {
        struct lt_rng rng;
        lt_rng_at(&rng, seed, LT_RNG_SAMPLE, 0, (uint64_t)i);
        if (i == 0)
            lt_space_largest(space, &a);
        else if (i == 1)
            lt_space_smallest(space, &a);
        else
            lt_space_sample(space, &rng, &a);
        lt_status s = cheap(arg, &a, 1, &sc, e);
        if (s) return s;
        lt_attain_widen(t, g, &sc, &a);
    }
    return compute(t, space, e);
}

/* From the best architecture so far: the single change that lowers `sign` times the score most, as long as one does. */
static lt_status descend(struct lt_attain *t, const struct lt_space *space, const struct lt_goal *g, int score,
                         double sign, lt_cheap_fn cheap, void *arg, struct lt_err *e) {
    enum { MAX_ROUNDS = 200 };
    struct lt_arch at = t->nearest_arch;
    double least = sign * t->nearest.v[score];
    bool better = true;
    for (int round = 0; better && round < MAX_ROUNDS; round++) {
        struct lt_arch best = at;
        better = false;
        for (int k = 0; k < lt_space_n_genes(space); k++) {
            if (!lt_space_gene_active(space, &at, k)) continue;
            for (int c = 0; c < lt_space_gene(space, k)->n_choices; c++) {
                struct lt_arch a = at;
                struct lt_scores sc;
                if (c == at.g[k]) continue;
                a.g[k] = (uint8_t)c;
                lt_space_canonical(space, &a);
                lt_status s = cheap(arg, &a, 1, &sc, e);
                if (s) return s;
                if (sc.status || !sc.have[score]) continue;
                lt_attain_widen(t, g, &sc, &a);
                if (!(sign * sc.v[score] < least)) continue;
                least = sign * sc.v[score];
                best = a;
                better = true;
            }
        }
        at = best;
    }
    return LT_OK;
}

lt_status lt_attain_descend(struct lt_attain *t, const struct lt_space *space, const struct lt_goal *g,
                            lt_cheap_fn cheap, void *arg, struct lt_err *e) {
    for (int i = 0; i < g->n_constraints && t->samples; i++) {
        const struct lt_constraint *c = &g->constraint[i];
        lt_status s = LT_OK;
        if (t->min[c->score] > t->max[c->score] || t->exact_range[c->score]) continue;
        if (t->min[c->score] > c->max) s = descend(t, space, g, c->score, 1, cheap, arg, e);
        if (!s && t->max[c->score] < c->min) s = descend(t, space, g, c->score, -1, cheap, arg, e);
        if (s) return s;
    }
    return LT_OK;
}

lt_status lt_attain_enumerate(struct lt_attain *t, const struct lt_evaluator *ev, const struct lt_goal *g,
                              struct lt_err *e) {
    struct lt_arch a;
    struct lt_scores sc;
    int n = ev->ops->count(ev->self);
    for (int i = 0; i < n; i++) {
        ev->ops->at(ev->self, i, &a, &sc);
        lt_status s = lt_evaluator_costs(ev, &a, &sc, e);
        if (s) return s;
        lt_attain_widen(t, g, &sc, &a);
    }
    t->exact = true;
    return LT_OK;
}

void lt_attain_write(struct lt_buf *b, const char *key, const struct lt_goal *g, const struct lt_attain *t) {
    struct lt_jw w;
    lt_record_begin(&w, b, "attain", key);
    lt_jw_kint(&w, "samples", t->samples);
    if (t->exact) lt_jw_kint(&w, "feasible", t->n_feasible);
    lt_jw_key(&w, "range");
    lt_jw_obj(&w);
    for (int k = 0; k < LT_MAX_SCORES; k++) {
        if (t->min[k] > t->max[k]) continue;
        lt_jw_key(&w, lt_score_name(g->names, k));
        lt_jw_obj(&w);
        lt_jw_knum(&w, "min", t->min[k]);
        lt_jw_knum(&w, "max", t->max[k]);
        lt_jw_kstr(&w, "how", t->exact || t->exact_range[k] ? "exact" : "sampled");
        for (int i = 0; i < g->n_constraints; i++) {
            if (g->constraint[i].score != k) continue;
            lt_jw_knum(&w, "limit_min", g->constraint[i].min);
            lt_jw_knum(&w, "limit_max", g->constraint[i].max);
        }
        lt_jw_obj_end(&w);
    }
    lt_jw_obj_end(&w);
    lt_record_end(&w);
}

lt_status lt_attain_record(struct lt_run *r, const char *key, const struct lt_goal *g, const struct lt_attain *t,
                           struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    lt_status s = LT_OK;
    if (lt_store_find(r->store, "attain", key)) return LT_OK;
    if (r->comm->rank == 0) {
        lt_attain_write(&b, key, g, t);
        s = lt_store_add(r->store, &b, e);
    }
    s = lt_store_commit(r->store, s, e);
    lt_buf_release(&b);
    return s;
}

static void put_scores(const struct lt_goal *g, const struct lt_scores *s, struct lt_buf *b) {
    bool any = false;
    for (int k = 0; k < LT_MAX_SCORES; k++) {
        if (!s->have[k]) continue;
        const char *unit = lt_score_unit(g->names, k);
        lt_buf_printf(b, "%s%s %.4g%s%s", any ? ", " : "", lt_score_name(g->names, k), s->v[k], *unit ? " " : "", unit);
        any = true;
    }
}

/* text: of the nearest architecture. */
static lt_status impossible(const struct lt_attain *t, const struct lt_space *space, const struct lt_goal *g,
                            const struct lt_constraint *c, const char *text, struct lt_err *e) {
    const char *name = lt_score_name(g->names, c->score);
    struct lt_buf has = LT_BUF_INIT;
    lt_status s;
    put_scores(g, &t->nearest, &has);
    bool above = t->min[c->score] > c->max, below = t->max[c->score] < c->min;
    char who[60];
    snprintf(who, sizeof(who), t->exact ? "all its %d networks" : "%d networks tried", t->samples);
    if (t->exact_range[c->score]) snprintf(who, sizeof(who), "its networks");
    if (above || below)
        s = lt_fail(e, LT_INFEASIBLE,
                    "no architecture of space '%s' meets %s %s %.4g (the binding constraint): %s reach from %.4g to "
                    "%.4g; nearest to all limits: %s with %s",
                    lt_space_name(space), name, above ? "<=" : ">=", above ? c->max : c->min, who, t->min[c->score],
                    t->max[c->score], text, has.data ? has.data : "");
    else
        s = lt_fail(e, LT_INFEASIBLE,
                    "none of all %d architectures of space '%s' meets all limits together, though each limit alone can "
                    "be met; nearest: %s with %s; the binding constraint: %s",
                    t->samples, lt_space_name(space), text, has.data ? has.data : "", name);
    lt_buf_release(&has);
    return s;
}

lt_status lt_attain_check(const struct lt_attain *t, const struct lt_space *space, const struct lt_goal *g,
                          const struct lt_ui *ui, struct lt_err *e) {
    const struct lt_constraint *bad = NULL;
    for (int i = 0; i < g->n_constraints; i++) {
        const struct lt_constraint *c = &g->constraint[i];
        if (t->min[c->score] > t->max[c->score]) continue; /* not known before the search: accuracy */
        char floor[40] = "", ceiling[40] = "";
        if (isfinite(c->min)) snprintf(floor, sizeof(floor), " at least %.4g", c->min);
        if (isfinite(c->max)) snprintf(ceiling, sizeof(ceiling), " at most %.4g", c->max);
        lt_ui_say(ui, LT_UI_INFO, "%s: attainable from %.4g to %.4g (%s), wanted%s%s%s",
                  lt_score_name(g->names, c->score), t->min[c->score], t->max[c->score],
                  t->exact || t->exact_range[c->score] ? "exact" : "sampled", floor, *floor && *ceiling ? " and" : "",
                  ceiling);
        if (!bad && (t->min[c->score] > c->max || t->max[c->score] < c->min)) bad = c;
    }
    if (!bad && t->exact && !t->n_feasible) {
        int worst = 0;
        lt_goal_violation(g, &t->nearest, &worst);
        bad = &g->constraint[worst];
    }
    if (!bad) return LT_OK;
    char *text = lt_run_arch_text(space, &t->nearest_arch);
    lt_status s = text ? impossible(t, space, g, bad, text, e) : lt_fail(e, LT_ENOMEM, "architecture");
    lt_free(text);
    return s;
}
