/*
 * Room: run. Stage search: for each goal (one, or one a limit of a sweep) the feasibility, then the engine with this
 * run's scores; at last the Pareto front and one answer a goal out of everything evaluated, and the comparison with the
 * baseline where one is wanted.
 */
#include "run/attain.h"
#include "run/baseline.h"
#include "run/engine.h"
#include "run/stages.h"
#include "lathe/mem.h"

#include <math.h>
#include <string.h>

enum { ATTAIN_SAMPLES = 1000 };

static lt_status cheap(void *arg, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e) {
    const struct lt_run *r = arg;
    if (!r->x->evaluator->ops->trains) return lt_evaluator_cheap(r->x->evaluator, a, n, out, e);
    return lt_run_cheap_scores(r->x->space, r->predictor, a, n, out, e);
}

static lt_status evaluate(void *arg, const struct lt_arch *a, struct lt_scores *io, char why[LT_WHY_BYTES],
                          bool *abandoned, struct lt_err *e) {
    struct lt_run *r = arg;
    const struct lt_evaluator *ev = r->x->evaluator;
    double accuracy;
    lt_status s;
    if (!ev->ops->trains) return ev->ops->evaluate(ev->self, a, r->ui, io, why, abandoned, e);
    s = lt_supernet_evaluate(r->supernet, r->backend, a, lt_data_train(r->data), lt_data_validation(r->data),
                             (int)r->x->train.calib_images, (int)r->x->train.eval_images, r->x->seed, &accuracy, e);
    if (s) return s;
    io->v[LT_SCORE_ACCURACY] = accuracy;
    io->have[LT_SCORE_ACCURACY] = true;
    return LT_OK;
}

/* Nothing evaluated meets the limits: which one binds at the point that is nearest to all of them. */
static lt_status infeasible(const struct lt_goal *goal, const struct lt_candidate *c, int n, struct lt_err *e) {
    struct lt_buf limits = LT_BUF_INIT, has = LT_BUF_INIT;
    int near = -1, binding = -1, failed = 0;
    double least = INFINITY;
    for (int i = 0; i < n; i++) {
        int worst;
        double v = lt_goal_violation(goal, &c[i].scores, &worst);
        failed += c[i].scores.status != LT_OK;
        if (c[i].scores.status || !(v < least)) continue;
        least = v;
        near = i;
        binding = worst;
    }
    lt_goal_text(goal, &limits);
    const char *wanted = limits.data ? limits.data : "the limits";
    lt_status s = LT_INFEASIBLE;
    if (n && failed == n) {
        s = lt_fail(e, LT_EFAIL, "all %d evaluations failed; the first: %s: %s", n, c[0].text,
                    c[0].why ? c[0].why : "no reason is recorded");
    } else if (near < 0 || binding < 0) {
        lt_fail(e, s, "none of %d evaluated architectures meets %s", n, wanted);
    } else {
        for (int k = 0; k < LT_MAX_SCORES; k++)
            if (c[near].scores.have[k])
                lt_buf_printf(&has, "%s%s %.4g", has.len ? ", " : "", lt_score_name(goal->names, k),
                              c[near].scores.v[k]);
        lt_fail(e, s, "none of %d evaluated architectures meets %s; nearest: %s with %s; the binding constraint: %s", n,
                wanted, c[near].text, has.data ? has.data : "",
                lt_score_name(goal->names, goal->constraint[binding].score));
    }
    lt_buf_release(&has);
    lt_buf_release(&limits);
    return s;
}

/* The archive as scores, and the front of one goal in it; -1: out of memory. */
struct archive {
    struct lt_candidate *c;
    struct lt_scores *sc;
    int n, *front;
};

static lt_status archive_read(const struct lt_run *r, struct archive *a, struct lt_err *e) {
    lt_status s = lt_run_candidates(r, &a->c, &a->n, e);
    if (s) return s;
    a->sc = lt_calloc((size_t)a->n + 1, sizeof(*a->sc));
    a->front = lt_calloc((size_t)a->n + 1, sizeof(*a->front));
    if (!a->sc || !a->front) return lt_fail(e, LT_ENOMEM, "front");
    for (int i = 0; i < a->n; i++) a->sc[i] = a->c[i].scores;
    return LT_OK;
}

static void archive_release(struct archive *a) {
    lt_free(a->front);
    lt_free(a->sc);
    lt_free(a->c);
}

/* Returns how many it has. */
static int put_front(const struct lt_run *r, const struct lt_goal *goal, struct archive *a, struct lt_jw *w) {
    struct lt_goal shown;
    lt_front_goal(r, goal, &shown);
    int n = lt_pareto_front(&shown, a->sc, a->n, a->front);
    lt_jw_key(w, "front");
    lt_jw_arr(w);
    for (int i = 0; i < n; i++) lt_jw_str(w, a->c[a->front[i]].text);
    lt_jw_arr_end(w);
    return n;
}

/* The best of the archive by the first objective, the others deciding between equals; the first asked among those. */
static const char *best_of(const struct lt_goal *goal, const struct archive *a) {
    const struct lt_candidate *best = NULL;
    for (int i = 0; i < a->n; i++) {
        const struct lt_scores *s = &a->sc[i];
        bool better = false, equal = best != NULL;
        if (s->status || lt_goal_violation(goal, s, NULL) > 0 || !s->have[goal->objective[0].score]) continue;
        for (int k = 0; k < goal->n_objectives && equal; k++) {
            const struct lt_objective *o = &goal->objective[k];
            double x = s->v[o->score], y = best->scores.v[o->score];
            better = o->maximize ? x > y : x < y;
            equal = x == y;
        }
        if (!best || better) best = &a->c[i];
    }
    return best ? best->text : NULL;
}

/* Of a sweep, the goal that everything meets which meets any. */
static int loosest(const struct lt_run *r) {
    struct lt_goal goal;
    char key[LT_GOAL_KEY_BYTES];
    const int at = r->x->sweep.limit;
    double most = 0;
    int best = 0;
    for (int k = 0; k < lt_run_n_goals(r) && r->x->sweep.n; k++) {
        lt_run_goal(r, k, &goal, key);
        double v = r->x->sweep.is_max ? goal.constraint[at].max : -goal.constraint[at].min;
        if (k && v <= most) continue;
        most = v;
        best = k;
    }
    return best;
}

/* One answer a limit; a limit that nothing meets does not take the others' away. */
static void put_answers(const struct lt_run *r, struct archive *a, struct lt_jw *w) {
    struct lt_goal goal;
    struct lt_err why;
    char key[LT_GOAL_KEY_BYTES];
    lt_jw_key(w, "answers");
    lt_jw_arr(w);
    for (int k = 0; k < lt_run_n_goals(r); k++) {
        lt_run_goal(r, k, &goal, key);
        lt_jw_obj(w);
        lt_jw_kstr(w, "goal", key);
        lt_jw_kstr(w, "best", best_of(&goal, a));
        if (!put_front(r, &goal, a, w)) {
            infeasible(&goal, a->c, a->n, &why);
            lt_ui_say(r->ui, LT_UI_WARN, "%s", why.msg);
        }
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
}

/* One record for everything found: of a sweep, one answer a limit out of one archive. */
static lt_status write_search(struct lt_run *r, int told, struct lt_buf *b, struct lt_err *e) {
    struct archive a = {0};
    struct lt_goal goal;
    struct lt_jw w;
    char key[LT_GOAL_KEY_BYTES];
    lt_status s = archive_read(r, &a, e);
    lt_record_begin(&w, b, "search", NULL);
    lt_jw_kstr(&w, "searcher", lt_yaml_get(r->x->search, "name")->text);
    lt_jw_kint(&w, "evaluations", told);
    lt_run_goal(r, loosest(r), &goal, key);
    if (!s && !put_front(r, &goal, &a, &w)) s = infeasible(&goal, a.c, a.n, e);
    lt_run_goal(r, 0, &goal, key);
    if (!s && !r->x->evaluator->ops->trains) lt_jw_kstr(&w, "best", best_of(&goal, &a));
    if (!s && r->x->sweep.n) put_answers(r, &a, &w);
    lt_record_end(&w);
    archive_release(&a);
    return s;
}

lt_status lt_run_attainable(struct lt_run *r, const struct lt_goal *goal, struct lt_attain *t, struct lt_err *e) {
    lt_attain_init(t);
    if (r->x->evaluator->ops->count) return lt_attain_enumerate(t, r->x->evaluator, goal, e);
    if (!r->x->evaluator->costs && !r->x->evaluator->ops->cheap) return LT_OK; /* nothing is known before evaluations */
    lt_status s = lt_attain_sample(t, r->x->space, goal, r->x->seed, ATTAIN_SAMPLES, cheap, r, e);
    return s ? s : lt_attain_descend(t, r->x->space, goal, cheap, r, e);
}

/* Before anything is evaluated; a run that trains has done it in its stage predict. Of a sweep, the ranges are the same
 * each time, and said once. */
static lt_status check_goal(struct lt_run *r, int k, struct lt_err *e) {
    struct lt_attain t;
    struct lt_goal goal;
    char key[LT_GOAL_KEY_BYTES];
    lt_run_goal(r, k, &goal, key);
    lt_status s = lt_comm_agree(r->comm, lt_run_attainable(r, &goal, &t, e), e);
    if (!s) s = lt_attain_record(r, key, &goal, &t, e);
    return s ? s : lt_attain_check(&t, r->x->space, &goal, k ? NULL : r->ui, e);
}

/* Multiples of the largest network's scores become numbers. */
lt_status lt_run_find_largest(struct lt_run *r, struct lt_err *e) {
    struct lt_arch a;
    lt_space_largest(r->x->space, &a);
    lt_status s = lt_evaluator_cheap(r->x->evaluator, &a, 1, &r->largest, e);
    if (!s) lt_experiment_goal(r->x, &r->largest, &r->goal);
    for (int i = 0; i < r->x->n_limits && !s; i++) {
        const struct lt_limit *l = &r->x->limit[i];
        if ((l->min.of_largest || l->max.of_largest) && !r->largest.have[l->score])
            s = lt_fail(e, LT_EINVAL,
                        "%s: constraints.%s: the largest network's is not known before it is evaluated; limits are "
                        "absolute",
                        r->x->path, lt_score_name(&r->x->names, l->score));
    }
    return lt_comm_agree(r->comm, s, e);
}

lt_status lt_run_search_goal(struct lt_run *r, const struct lt_goal *goal, const struct lt_yaml *searcher,
                             uint64_t seed, const char *type, const char *what, void *listener, lt_told_fn told,
                             struct lt_engine_result *out, struct lt_err *e) {
    struct lt_searcher *x = NULL;
    struct lt_probe probe = {.arg = r, .cheap = cheap};
    struct lt_search_env env = {
        .space = r->x->space, .goal = goal, .probe = &probe, .seed = seed, .ahead = (int)r->x->engine.ahead};
    struct lt_engine_job job = {.space = r->x->space,
                                .goal = goal,
                                .comm = r->comm,
                                .store = r->store,
                                .ui = r->ui,
                                .type = type,
                                .what = what,
                                .arg = r,
                                .cheap = cheap,
                                .evaluate = evaluate,
                                .local = r->x->evaluator->ops->local,
                                .listener = listener,
                                .told = told};
    lt_status s = lt_comm_agree(r->comm, lt_searcher_open(searcher, &env, &x, e), e);
    job.searcher = x;
    if (!s) s = lt_engine_run(&job, out, e);
    lt_searcher_close(x);
    return s;
}

static lt_status search_all(struct lt_run *r, int *told, struct lt_err *e) {
    lt_status s = LT_OK;
    struct lt_goal goal;
    char key[LT_GOAL_KEY_BYTES];
    const bool trains = r->x->evaluator->ops->trains;
    if (!trains && (s = lt_run_find_largest(r, e))) return s;
    for (int k = 0; k < lt_run_n_goals(r) && !trains && !s; k++)
        s = check_goal(r, k, e);          /* all before the first search */
    if (!trains) lt_store_solo(r->store); /* the run ends here, and only rank 0 has something left to say */
    *told = 0;
    for (int k = 0; k < lt_run_n_goals(r) && !s; k++) {
        struct lt_engine_result res = {0};
        lt_run_goal(r, k, &goal, key);
        if (*key) lt_ui_say(r->ui, LT_UI_INFO, "search with %s", key);
        if (r->x->engine.baseline == LT_BASELINE_NONE)
            s = lt_run_search_goal(r, &goal, r->x->search, r->x->seed, "eval", "search", NULL, NULL, &res, e);
        else
            s = lt_run_compare(r, &goal, key, &res, e);
        *told += res.told;
    }
    return s;
}

lt_status lt_stage_search(struct lt_run *r, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    int told = 0;
    lt_status s;
    if (lt_store_find(r->store, "search", NULL)) return LT_OK;
    if ((s = search_all(r, &told, e))) return s;
    if (r->comm->rank == 0 && !(s = write_search(r, told, &b, e))) s = lt_store_add(r->store, &b, e);
    s = lt_store_commit(r->store, s, e);
    lt_buf_release(&b);
    return s;
}
