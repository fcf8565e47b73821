/*
 * Room: run. Stage predict: a latency predictor is fitted from the measurements, its error on held-out ones is
 * recorded, and the limits become numbers. What the space can attain of every constrained score is found and said
 * before anything expensive starts; a limit outside of it ends the run here.
 */
#include "run/attain.h"
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

static lt_status cheap(void *arg, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e) {
    const struct lt_run *r = arg;
    return lt_run_cheap_scores(r->x->space, r->predictor, a, n, out, e);
}

/* Ranges over the extremes and a sample of the space; latency as predicted, and as measured where it was. */
static lt_status find_range(struct lt_run *r, const struct lt_goal *goal, const struct set *m, struct lt_attain *t,
                            struct lt_err *e) {
    struct lt_scores sc;
    lt_attain_init(t);
    lt_status s = lt_attain_sample(t, r->x->space, goal, r->x->seed, ATTAIN_SAMPLES, cheap, r, e);
    for (int i = 0; i < m->n && !s; i++) {
        if ((s = lt_run_cheap_scores(r->x->space, NULL, &m->arch[i], 1, &sc, e))) break;
        sc.v[LT_SCORE_LATENCY_MS] = 1e3 * m->latency_s[i];
        sc.have[LT_SCORE_LATENCY_MS] = true;
        lt_attain_widen(t, goal, &sc, &m->arch[i]);
    }
    return s ? s : lt_attain_descend(t, r->x->space, goal, cheap, r, e);
}

/* The k-th goal of a sweep, or the only one: its range is recorded and must leave something to search. */
static lt_status check_goal(struct lt_run *r, int k, const struct set *m, struct lt_err *e) {
    struct lt_goal goal;
    struct lt_attain t;
    char key[LT_GOAL_KEY_BYTES];
    lt_run_goal(r, k, &goal, key);
    lt_status s = lt_comm_agree(r->comm, find_range(r, &goal, m, &t, e), e);
    if (!s) s = lt_attain_record(r, key, &goal, &t, e);
    return s ? s : lt_attain_check(&t, r->x->space, &goal, k ? NULL : r->ui, e);
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

/* A model that was trained on other devices, or a method that learns from this one alone. */
static lt_status open_predictor(struct lt_run *r, struct lt_err *e) {
    const char *model = r->x->predict.model;
    const struct lt_yaml *name = r->x->predictor ? lt_yaml_get(r->x->predictor, "name") : NULL;
    lt_status s;
    if (!model) return lt_predictor_open(r->x->predictor, r->x->space, r->x->seed, &r->predictor, e);
    if ((s = lt_predictor_load(model, r->x->space, &r->predictor, e))) return s;
    if (name && name->text && strcmp(name->text, lt_predictor_name(r->predictor)))
        return lt_fail(e, LT_EINVAL, "%s: a model of predictor '%s', but the experiment names '%s'", model,
                       lt_predictor_name(r->predictor), name->text);
    return LT_OK;
}

lt_status lt_stage_predict(struct lt_run *r, struct lt_err *e) {
    struct set m = {0};
    struct lt_predictor_error pe = {0};
    struct lt_buf b = LT_BUF_INIT;
    lt_status s = read_measured(r, &m, e);
    if (!s && m.n < 4)
        s = lt_fail(e, LT_EINVAL, "the space has only %d different architectures to measure; a predictor needs 4", m.n);
    if (!s) s = open_predictor(r, e);
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
    for (int k = 0; k < lt_run_n_goals(r) && !s; k++) s = check_goal(r, k, &m, e);
out:
    lt_buf_release(&b);
    set_release(&m);
    return s;
}
