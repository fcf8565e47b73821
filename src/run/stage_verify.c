/*
 * Room: run. Stage verify: the best few of the search are measured on the device; what is chosen meets the budget as
 * measured, with the upper end of its interval. When none of them does, the predictions are corrected by what was
 * measured, the next candidates are picked with that, and it is said.
 */
#include "run/stages.h"
#include "lathe/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct lt_candidate c;
    uint64_t hash;
    double value;
    bool measured, meets, unstable;
    double ms, hi_ms;
};

static int by_value(const void *pa, const void *pb) {
    const struct entry *a = pa, *b = pb;
    double la = a->c.scores.v[LT_SCORE_LATENCY_MS], lb = b->c.scores.v[LT_SCORE_LATENCY_MS];
    if (a->value != b->value) return a->value > b->value ? -1 : 1;
    if (la != lb) return la < lb ? -1 : 1;
    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

/* Feasible candidates, best first by the first objective. */
static lt_status rank_candidates(const struct lt_run *r, struct entry **out, int *n_out, struct lt_err *e) {
    struct lt_candidate *c = NULL;
    struct entry *v = NULL;
    const struct lt_objective *o = &r->goal.objective[0];
    int n = 0, k = 0;
    lt_status s = lt_run_candidates(r, &c, &n, e);
    if (s) return s;
    if (!(v = lt_calloc((size_t)n + 1, sizeof(*v)))) {
        lt_free(c);
        return lt_fail(e, LT_ENOMEM, "candidates");
    }
    for (int i = 0; i < n; i++) {
        if (c[i].scores.status || lt_goal_violation(&r->goal, &c[i].scores, NULL) > 0) continue;
        v[k] = (struct entry){.c = c[i], .hash = lt_arch_hash(r->x->space, &c[i].arch)};
        v[k].value = o->maximize ? c[i].scores.v[o->score] : -c[i].scores.v[o->score];
        k++;
    }
    lt_free(c);
    qsort(v, (size_t)k, sizeof(*v), by_value);
    *out = v;
    *n_out = k;
    return LT_OK;
}

static lt_status measure_one(struct lt_run *r, const struct entry *v, int order, double limit, struct lt_buf *b,
                             struct lt_err *e) {
    struct lt_graph *g = NULL;
    struct lt_measurement m = {0};
    struct lt_jw w;
    lt_status s = lt_run_device(r, e);
    if (!s) s = lt_space_expand(r->x->space, &v->c.arch, &g, e);
    if (s) goto out;
    for (int attempt = 1; attempt <= 2; attempt++) { /* what did not settle gets one more chance */
        lt_buf_clear(b);
        lt_measurement_release(&m);
        lt_record_begin(&w, b, "verify", v->c.text);
        lt_jw_kstr(&w, "arch", v->c.text);
        lt_jw_kint(&w, "rank_order", order);
        lt_jw_knum(&w, "predicted_s", 1e-3 * v->c.scores.v[LT_SCORE_LATENCY_MS]);
        lt_jw_kint(&w, "attempts", attempt);
        if ((s = lt_run_measure(r, g, NULL, &w, &m, e))) goto out;
        if (m.status == LT_OK) break;
    }
    lt_jw_kbool(&w, "meets", 1e3 * m.hi_s <= limit);
    lt_record_end(&w);
    s = lt_store_add(r->store, b, e);
out:
    lt_measurement_release(&m);
    lt_graph_free(g);
    return s;
}

static lt_status write_chosen(struct lt_run *r, const char *text, const char *reason, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw w;
    lt_status s = LT_OK;
    lt_record_begin(&w, &b, "chosen", NULL);
    lt_jw_kstr(&w, "arch", text);
    lt_jw_kstr(&w, "reason", reason);
    lt_record_end(&w);
    if (r->comm->rank == 0) s = lt_store_add(r->store, &b, e);
    lt_buf_release(&b);
    return lt_store_commit(r->store, s, e);
}

/* One round: up to `want` more candidates whose corrected prediction is inside the limit. *best: index of the best that
 * meets it, or -1. */
static lt_status verify_round(struct lt_run *r, struct entry *v, int n, int want, double limit, double correction,
                              int *n_measured, int *best, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    lt_status s = LT_OK;
    int done = 0;
    for (int i = 0; i < n && done < want; i++) {
        if (v[i].measured || v[i].c.scores.v[LT_SCORE_LATENCY_MS] * correction > limit) continue;
        if (!lt_store_find(r->store, "verify", v[i].c.text)) {
            if ((s = lt_run_check_stop(r, e))) goto out;
            if (r->comm->rank == 0) s = measure_one(r, &v[i], i, limit, &b, e);
            if ((s = lt_store_commit(r->store, s, e))) goto out;
        }
        struct lt_measured m;
        if ((s = lt_measured_read(lt_store_find(r->store, "verify", v[i].c.text), &m, e))) goto out;
        v[i].measured = true;
        v[i].ms = 1e3 * m.median_s;
        v[i].hi_ms = 1e3 * (isnan(m.hi_s) ? m.median_s : m.hi_s);
        v[i].meets = v[i].hi_ms <= limit;
        v[i].unstable = m.unstable;
        done++;
        ++*n_measured;
        lt_ui_progress(r->ui, "verify", done, want, v[i].meets ? "meets the budget" : "above the budget");
    }
    *best = -1;
    for (int i = 0; i < n && *best < 0; i++)
        if (v[i].meets) *best = i;
out:
    lt_buf_release(&b);
    return s;
}

lt_status lt_stage_verify(struct lt_run *r, struct lt_err *e) {
    struct entry *v = NULL;
    double limit = lt_goal_max(&r->goal, LT_SCORE_LATENCY_MS), correction = 1;
    int n = 0, best = -1, measured = 0;
    lt_status s;
    if (lt_store_find(r->store, "chosen", NULL)) return LT_OK;
    if ((s = lt_comm_agree(r->comm, rank_candidates(r, &v, &n, e), e))) goto out;
    for (int round = 0; round < r->x->verify.rounds && best < 0; round++) {
        int before = measured;
        if ((s = verify_round(r, v, n, (int)r->x->verify.candidates, limit, correction, &measured, &best, e))) goto out;
        if (best >= 0 || measured == before) break;
        /* none met it: how much slower than predicted they are, at worst, tightens the next pick */
        double worst = 1, nearest = INFINITY;
        for (int i = 0; i < n; i++) {
            if (!v[i].measured) continue;
            double ratio = v[i].hi_ms / v[i].c.scores.v[LT_SCORE_LATENCY_MS];
            nearest = fmin(nearest, v[i].hi_ms);
            worst = fmax(worst, ratio);
        }
        correction = fmax(correction * 1.01, worst);
        lt_ui_say(r->ui, LT_UI_WARN,
                  "none of %d measured networks is within %.4g ms (nearest %.4g ms, up to %.1f %% above the "
                  "prediction): picking again with the limit tightened to %.4g ms",
                  measured, limit, nearest, 100 * (worst - 1), limit / correction);
    }
    if (best < 0) {
        int near = -1;
        for (int i = 0; i < n; i++)
            if (v[i].measured && (near < 0 || v[i].hi_ms < v[near].hi_ms)) near = i;
        s = near < 0
                ? lt_fail(e, LT_INFEASIBLE,
                          "no evaluated architecture is predicted within latency_ms <= %.4g (the binding constraint)",
                          limit)
                : lt_fail(e, LT_INFEASIBLE,
                          "none of %d measured architectures meets latency_ms <= %.4g (the binding constraint) on the "
                          "device; nearest: %s with %.4g ms (up to %.4g)",
                          measured, limit, v[near].c.text, v[near].ms, v[near].hi_ms);
        goto out;
    }
    char reason[256];
    const char *unstable = v[best].unstable ? "; unstable: measured twice, and it did not settle" : "";
    if (isfinite(limit))
        snprintf(reason, sizeof(reason), "best of %d measured that meet the budget: %.4g ms (up to %.4g) of %.4g ms%s",
                 measured, v[best].ms, v[best].hi_ms, limit, unstable);
    else
        snprintf(reason, sizeof(reason), "best of the search; %d measured%s", measured, unstable);
    lt_ui_say(r->ui, LT_UI_INFO, "chosen: %s, %s", v[best].c.text, reason);
    s = write_chosen(r, v[best].c.text, reason, e);
out:
    lt_free(v);
    return s;
}
