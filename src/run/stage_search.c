/*
 * Room: run. Stage search: the engine with this run's scores: predicted latency and analytic costs for the searcher's
 * probe, accuracy from the supernet. Ends with the Pareto front of everything evaluated.
 */
#include "run/engine.h"
#include "run/stages.h"
#include "lathe/mem.h"

#include <math.h>
#include <string.h>

static lt_status cheap(void *arg, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e) {
    const struct lt_run *r = arg;
    return lt_run_cheap_scores(r->x->space, r->predictor, a, n, out, e);
}

static lt_status evaluate(void *arg, const struct lt_arch *a, struct lt_scores *out, struct lt_err *e) {
    struct lt_run *r = arg;
    double accuracy;
    lt_status s = lt_run_cheap_scores(r->x->space, r->predictor, a, 1, out, e);
    if (s) return s;
    s = lt_supernet_evaluate(r->supernet, r->backend, a, lt_data_train(r->data), lt_data_validation(r->data),
                             (int)r->x->train.calib_images, (int)r->x->train.eval_images, r->x->seed, &accuracy, e);
    if (s) return s;
    out->v[LT_SCORE_ACCURACY] = accuracy;
    out->have[LT_SCORE_ACCURACY] = true;
    return LT_OK;
}

/* Nothing evaluated meets the limits: which one binds at the point that is nearest to all of them. */
static lt_status infeasible(const struct lt_run *r, const struct lt_candidate *c, int n, struct lt_err *e) {
    struct lt_buf limits = LT_BUF_INIT, has = LT_BUF_INIT;
    int near = -1, binding = -1;
    double least = INFINITY;
    for (int i = 0; i < n; i++) {
        int worst;
        double v = lt_goal_violation(&r->goal, &c[i].scores, &worst);
        if (c[i].scores.status || !(v < least)) continue;
        least = v;
        near = i;
        binding = worst;
    }
    lt_goal_text(&r->goal, &limits);
    const char *wanted = limits.data ? limits.data : "the limits";
    lt_status s = LT_INFEASIBLE;
    if (near < 0 || binding < 0) {
        lt_fail(e, s, "none of %d evaluated architectures meets %s", n, wanted);
    } else {
        for (int k = 0; k < LT_N_SCORES; k++)
            if (c[near].scores.have[k])
                lt_buf_printf(&has, "%s%s %.4g", has.len ? ", " : "", lt_score_name((enum lt_score)k),
                              c[near].scores.v[k]);
        lt_fail(e, s, "none of %d evaluated architectures meets %s; nearest: %s with %s; the binding constraint: %s", n,
                wanted, c[near].text, has.data ? has.data : "", lt_score_name(r->goal.constraint[binding].score));
    }
    lt_buf_release(&has);
    lt_buf_release(&limits);
    return s;
}

static lt_status write_search(struct lt_run *r, int asked, struct lt_buf *b, struct lt_err *e) {
    struct lt_candidate *c = NULL;
    struct lt_scores *sc = NULL;
    struct lt_goal goal;
    struct lt_jw w;
    const char *name = lt_yaml_get(r->x->search, "name")->text;
    int n = 0, *front = NULL, n_front;
    lt_status s = lt_run_candidates(r, &c, &n, e);
    if (s) return s;
    sc = lt_calloc((size_t)n + 1, sizeof(*sc));
    front = lt_calloc((size_t)n + 1, sizeof(*front));
    if (!sc || !front) {
        s = lt_fail(e, LT_ENOMEM, "front");
        goto out;
    }
    for (int i = 0; i < n; i++) sc[i] = c[i].scores;
    lt_front_goal(&r->goal, &goal);
    n_front = lt_pareto_front(&goal, sc, n, front);
    if (!n_front) {
        s = infeasible(r, c, n, e);
        goto out;
    }
    lt_record_begin(&w, b, "search", NULL);
    lt_jw_kstr(&w, "searcher", name);
    lt_jw_kint(&w, "evaluations", asked);
    lt_jw_key(&w, "front");
    lt_jw_arr(&w);
    for (int i = 0; i < n_front; i++) lt_jw_str(&w, c[front[i]].text);
    lt_jw_arr_end(&w);
    lt_record_end(&w);
out:
    lt_free(front);
    lt_free(sc);
    lt_free(c);
    return s;
}

lt_status lt_stage_search(struct lt_run *r, struct lt_err *e) {
    struct lt_searcher *searcher = NULL;
    struct lt_buf b = LT_BUF_INIT;
    struct lt_probe probe = {.arg = r, .cheap = cheap};
    struct lt_search_env env = {.space = r->x->space, .goal = &r->goal, .probe = &probe, .seed = r->x->seed};
    int asked = 0;
    lt_status s;
    if (lt_store_find(r->store, "search", NULL)) return LT_OK;
    s = lt_searcher_open(r->x->search, &env, &searcher, e);
    if ((s = lt_comm_agree(r->comm, s, e))) goto out;
    struct lt_engine_job job = {.space = r->x->space,
                                .searcher = searcher,
                                .comm = r->comm,
                                .store = r->store,
                                .ui = r->ui,
                                .evaluate = evaluate,
                                .arg = r};
    if ((s = lt_engine_run(&job, &asked, e))) goto out;
    s = write_search(r, asked, &b, e);
    if (!s && r->comm->rank == 0) s = lt_store_add(r->store, &b, e);
    s = lt_store_commit(r->store, s, e);
out:
    lt_searcher_close(searcher);
    lt_buf_release(&b);
    return s;
}
