/*
 * Room: run. Stage predict: a latency predictor is fitted from the measurements, its error on held-out ones is
 * recorded, and the limits become numbers. What the space can attain of every constrained score is found and said
 * before anything expensive starts; a limit outside of it ends the run here.
 */
#include "run/stages.h"
#include "lathe/mem.h"
#include "lathe/stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ATTAIN_SAMPLES = 1000 };

struct set {
    int n;
    struct lt_arch *arch;
    double *latency_s, *holdout_s;
    const char **text;
};

static void set_release(struct set *m) {
    lt_free(m->arch);
    lt_free(m->latency_s);
    lt_free(m->holdout_s);
    lt_free(m->text);
}

static lt_status read_measured(const struct lt_run *r, struct set *m, struct lt_err *e) {
    int total = lt_store_count(r->store);
    lt_status s;
    m->arch = lt_calloc((size_t)total + 1, sizeof(*m->arch));
    m->latency_s = lt_calloc((size_t)total + 1, sizeof(*m->latency_s));
    m->holdout_s = lt_calloc((size_t)total + 1, sizeof(*m->holdout_s));
    m->text = lt_calloc((size_t)total + 1, sizeof(*m->text));
    if (!m->arch || !m->latency_s || !m->holdout_s || !m->text) return lt_fail(e, LT_ENOMEM, "measurements");
    for (int i = 0; i < total; i++) {
        const struct lt_json *rec = lt_store_at(r->store, i);
        struct lt_measured v;
        const char *type;
        if (lt_json_str(rec, "type", &type, NULL) || strcmp(type, "measure")) continue;
        if ((s = lt_json_str(rec, "arch", &m->text[m->n], e)) ||
            (s = lt_arch_parse(r->x->space, m->text[m->n], &m->arch[m->n], e)) || (s = lt_measured_read(rec, &v, e)))
            return s;
        m->latency_s[m->n++] = v.median_s;
    }
    return LT_OK;
}

static void write_predict(struct lt_buf *b, const struct lt_run *r, const struct set *m,
                          const struct lt_predictor_error *pe) {
    struct lt_jw w;
    lt_record_begin(&w, b, "predict", NULL);
    lt_jw_kstr(&w, "predictor", lt_predictor_name(r->predictor));
    lt_jw_kint(&w, "n_train", pe->n_train);
    lt_jw_kint(&w, "n_holdout", pe->n_holdout);
    lt_jw_knum(&w, "spearman", pe->spearman);
    lt_jw_knum(&w, "kendall", pe->kendall);
    lt_jw_knum(&w, "mape", pe->mape);
    lt_jw_knum(&w, "coverage90", pe->coverage90);
    lt_jw_key(&w, "holdout");
    lt_jw_arr(&w);
    for (int i = 0; i < m->n; i++) {
        if (isnan(m->holdout_s[i])) continue;
        lt_jw_obj(&w);
        lt_jw_kstr(&w, "arch", m->text[i]);
        lt_jw_knum(&w, "measured_s", m->latency_s[i]);
        lt_jw_knum(&w, "predicted_s", m->holdout_s[i]);
        lt_jw_obj_end(&w);
    }
    lt_jw_arr_end(&w);
    lt_record_end(&w);
}

/* Ranges over the extremes and a sample of the space; latency as predicted, and as measured where it was. */
struct attain {
    double min[LT_N_SCORES], max[LT_N_SCORES];
    struct lt_scores nearest;
    struct lt_arch nearest_arch;
    double violation;
    int samples;
};

static void widen(struct attain *t, const struct lt_goal *g, const struct lt_scores *s, const struct lt_arch *a) {
    for (int k = 0; k < LT_N_SCORES; k++) {
        if (!s->have[k]) continue;
        t->min[k] = fmin(t->min[k], s->v[k]);
        t->max[k] = fmax(t->max[k], s->v[k]);
    }
    double v = lt_goal_violation(g, s, NULL);
    if (v < t->violation) {
        t->violation = v;
        t->nearest = *s;
        t->nearest_arch = *a;
    }
    t->samples++;
}

static lt_status find_range(const struct lt_run *r, const struct set *m, struct attain *t, struct lt_err *e) {
    struct lt_arch a;
    struct lt_scores sc;
    lt_status s;
    t->violation = INFINITY;
    t->samples = 0;
    for (int k = 0; k < LT_N_SCORES; k++) {
        t->min[k] = INFINITY;
        t->max[k] = -INFINITY;
    }
    for (int i = 0; i < ATTAIN_SAMPLES; i++) {
        struct lt_rng rng;
        lt_rng_at(&rng, r->x->seed, LT_RNG_SAMPLE, 0, (uint64_t)i);
        if (i == 0)
            lt_space_largest(r->x->space, &a);
        else if (i == 1)
            lt_space_smallest(r->x->space, &a);
        else
            lt_space_sample(r->x->space, &rng, &a);
        if ((s = lt_run_cheap_scores(r->x->space, r->predictor, &a, 1, &sc, e))) return s;
        widen(t, &r->goal, &sc, &a);
    }
    for (int i = 0; i < m->n; i++) {
        if ((s = lt_run_cheap_scores(r->x->space, NULL, &m->arch[i], 1, &sc, e))) return s;
        sc.v[LT_SCORE_LATENCY_MS] = 1e3 * m->latency_s[i];
        sc.have[LT_SCORE_LATENCY_MS] = true;
        widen(t, &r->goal, &sc, &m->arch[i]);
    }
    return LT_OK;
}

static void write_attain(struct lt_buf *b, const struct lt_goal *g, const struct attain *t) {
    struct lt_jw w;
    lt_record_begin(&w, b, "attain", NULL);
    lt_jw_kint(&w, "samples", t->samples);
    lt_jw_key(&w, "range");
    lt_jw_obj(&w);
    for (int k = 0; k < LT_N_SCORES; k++) {
        if (t->min[k] > t->max[k]) continue;
        lt_jw_key(&w, lt_score_name((enum lt_score)k));
        lt_jw_obj(&w);
        lt_jw_knum(&w, "min", t->min[k]);
        lt_jw_knum(&w, "max", t->max[k]);
        for (int i = 0; i < g->n_constraints; i++) {
            if ((int)g->constraint[i].score != k) continue;
            lt_jw_knum(&w, "limit_min", g->constraint[i].min);
            lt_jw_knum(&w, "limit_max", g->constraint[i].max);
        }
        lt_jw_obj_end(&w);
    }
    lt_jw_obj_end(&w);
    lt_record_end(&w);
}

static lt_status check_attainable(const struct lt_run *r, const struct attain *t, struct lt_err *e) {
    char *text = NULL;
    for (int i = 0; i < r->goal.n_constraints; i++) {
        const struct lt_constraint *c = &r->goal.constraint[i];
        const char *name = lt_score_name(c->score);
        if (t->min[c->score] > t->max[c->score]) continue; /* not known before the search: accuracy */
        char floor[40] = "", ceiling[40] = "";
        if (isfinite(c->min)) snprintf(floor, sizeof(floor), " at least %.4g", c->min);
        if (isfinite(c->max)) snprintf(ceiling, sizeof(ceiling), " at most %.4g", c->max);
        lt_ui_say(r->ui, LT_UI_INFO, "%s: attainable from %.4g to %.4g, wanted%s%s%s", name, t->min[c->score],
                  t->max[c->score], floor, *floor && *ceiling ? " and" : "", ceiling);
        bool above = t->min[c->score] > c->max, below = t->max[c->score] < c->min;
        if (!above && !below) continue;
        if (!(text = lt_run_arch_text(r->x->space, &t->nearest_arch))) return lt_fail(e, LT_ENOMEM, "architecture");
        const struct lt_scores *n = &t->nearest;
        lt_status s = lt_fail(e, LT_INFEASIBLE,
                              "no architecture of space '%s' meets %s %s %.4g (the binding constraint): %d networks "
                              "reach from %.4g to %.4g; nearest to all limits: %s "
                              "with latency %.4g ms, size %.4g kB, %.4g MACs",
                              lt_space_name(r->x->space), name, above ? "<=" : ">=", above ? c->max : c->min,
                              t->samples, t->min[c->score], t->max[c->score], text, n->v[LT_SCORE_LATENCY_MS],
                              n->v[LT_SCORE_SIZE_KB], n->v[LT_SCORE_MACS]);
        lt_free(text);
        return s;
    }
    return LT_OK;
}

/* Scores of the largest network: what relative limits refer to. */
static lt_status find_largest(struct lt_run *r, const struct set *m, struct lt_err *e) {
    struct lt_arch a;
    lt_status s;
    lt_space_largest(r->x->space, &a);
    if ((s = lt_run_cheap_scores(r->x->space, NULL, &a, 1, &r->largest, e))) return s;
    for (int i = 0; i < m->n; i++) {
        if (!lt_arch_equal(&a, &m->arch[i])) continue;
        r->largest.v[LT_SCORE_LATENCY_MS] = 1e3 * m->latency_s[i];
        r->largest.have[LT_SCORE_LATENCY_MS] = true;
    }
    lt_experiment_goal(r->x, &r->largest, &r->goal);
    return LT_OK;
}

lt_status lt_stage_predict(struct lt_run *r, struct lt_err *e) {
    struct set m = {0};
    struct lt_predictor_error pe = {0};
    struct attain t;
    struct lt_buf b = LT_BUF_INIT;
    lt_status s = read_measured(r, &m, e);
    if (!s && m.n < 4)
        s = lt_fail(e, LT_EINVAL, "the space has only %d different architectures to measure; a predictor needs 4", m.n);
    if (!s) s = lt_predictor_open(r->x->predictor, r->x->space, r->x->seed, &r->predictor, e);
    if (!s)
        s = lt_predictor_fit_holdout(r->predictor, m.arch, m.latency_s, m.n, r->x->predict.holdout, r->x->seed, &pe,
                                     m.holdout_s, e);
    if (!s) s = find_largest(r, &m, e);
    if ((s = lt_comm_agree(r->comm, s, e))) goto out;
    if (pe.n_holdout > 0)
        lt_ui_say(r->ui, LT_UI_INFO,
                  "predictor '%s' from %d measurements; on %d held-out ones: Spearman %.3f, error %.2f %%",
                  lt_predictor_name(r->predictor), m.n, pe.n_holdout, pe.spearman, 100 * pe.mape);
    else
        lt_ui_say(r->ui, LT_UI_WARN,
                  "predictor '%s' from %d measurements, too few to hold any out: its error is not known",
                  lt_predictor_name(r->predictor), m.n);
    if (!lt_store_find(r->store, "predict", NULL)) {
        write_predict(&b, r, &m, &pe);
        if (r->comm->rank == 0) s = lt_store_add(r->store, &b, e);
        if ((s = lt_store_commit(r->store, s, e))) goto out;
    }
    if ((s = lt_comm_agree(r->comm, find_range(r, &m, &t, e), e))) goto out;
    if (!lt_store_find(r->store, "attain", NULL)) {
        write_attain(&b, &r->goal, &t);
        if (r->comm->rank == 0) s = lt_store_add(r->store, &b, e);
        if ((s = lt_store_commit(r->store, s, e))) goto out;
    }
    s = check_attainable(r, &t, e);
out:
    lt_buf_release(&b);
    set_release(&m);
    return s;
}
