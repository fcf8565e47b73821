/*
 * Room: run. What a run will take: a probe of the real training step (all its shards, all its ranks, a small part of an
 * epoch), the two extreme networks measured on the device, and one evaluation of the kind that the search makes. Writes
 * nothing.
 */
#include "run/run.h"
#include "run/stages.h"
#include "lathe/mem.h"
#include "lathe/stats.h"

#include <math.h>

/* A few steps of training on the real data; the supernet is a throw-away one afterwards. */
static lt_status probe_training(struct lt_run *r, struct lt_estimate *out, struct lt_err *e) {
    struct lt_train_cfg cfg = r->x->train;
    struct lt_train_log log = {0};
    const struct lt_data *train = lt_data_train(r->data);
    double per_epoch = (double)train->n, t, first;
    lt_status s = LT_OK;
    /* Two runs of different length: their difference is free of what is done once (graphs, buffers, primitives). */
    int steps[2] = {2, 6};
    double took[2] = {0, 0};
    for (int k = 0; k < 2; k++) {
        lt_supernet_free(r->supernet);
        r->supernet = NULL;
        s = lt_supernet_new(r->x->space, r->x->seed, &r->supernet, e);
        if ((s = lt_comm_agree(r->comm, s, e))) return s;
        cfg.epochs = (double)cfg.batch * steps[k] / per_epoch;
        cfg.warmup_epochs = 0;
        t = lt_now_s();
        s = lt_supernet_train(r->supernet, train, &r->x->data, &cfg, r->x->seed, r->comm, NULL, NULL, &log, e);
        took[k] = lt_now_s() - t;
        lt_train_log_release(&log);
        if ((s = lt_comm_agree(r->comm, s, e))) return s;
    }
    first = (took[1] - took[0]) / (steps[1] - steps[0]);
    if (!(first > 0)) first = took[1] / steps[1];
    if ((s = lt_comm_bcast(r->comm, &first, sizeof(first), 0, e))) return s;
    out->images_per_s = (double)cfg.batch / first;
    out->train_s = r->x->train.epochs * per_epoch / out->images_per_s;
    return LT_OK;
}

static lt_status probe_device(struct lt_run *r, struct lt_estimate *out, struct lt_err *e) {
    struct lt_arch a;
    double wall = 0;
    lt_status s = lt_device_open(r->x->device, &r->device, e);
    for (int i = 0; i < 2 && !s; i++) {
        struct lt_graph *g = NULL;
        struct lt_measurement m = {0};
        struct lt_scores *sc = i ? &out->smallest : &out->largest;
        if (i)
            lt_space_smallest(r->x->space, &a);
        else
            lt_space_largest(r->x->space, &a);
        s = lt_run_cheap_scores(r->x->space, NULL, &a, 1, sc, e);
        if (!s) s = lt_space_expand(r->x->space, &a, &g, e);
        if (!s) s = lt_device_measure(r->device, g, NULL, NULL, &m, e);
        if (!s) {
            sc->v[LT_SCORE_LATENCY_MS] = 1e3 * m.median_s;
            sc->have[LT_SCORE_LATENCY_MS] = true;
            wall += m.wall_s;
        }
        lt_measurement_release(&m);
        lt_graph_free(g);
    }
    out->measure_s = wall / 2 * (double)r->x->predict.samples;
    out->verify_s = wall / 2 * (double)(r->x->verify.candidates + 2);
    return s;
}

/* A few evaluations of random architectures, after one that is not counted: it sets up what the backend keeps. */
static lt_status probe_search(struct lt_run *r, struct lt_estimate *out, struct lt_err *e) {
    enum { COUNTED = 3 };
    struct lt_searcher *searcher = NULL;
    struct lt_search_env env = {.space = r->x->space, .goal = &out->goal, .seed = r->x->seed};
    struct lt_arch a;
    double accuracy, t = 0;
    lt_status s = LT_OK;
    for (int i = 0; i <= COUNTED && !s; i++) {
        struct lt_rng rng;
        lt_rng_at(&rng, r->x->seed, LT_RNG_SAMPLE, 1, (uint64_t)i);
        lt_space_sample(r->x->space, &rng, &a);
        if (i == 1) t = lt_now_s();
        s = lt_supernet_evaluate(r->supernet, r->backend, &a, lt_data_train(r->data), lt_data_validation(r->data),
                                 (int)r->x->train.calib_images, (int)r->x->train.eval_images, r->x->seed, &accuracy, e);
    }
    double each = (lt_now_s() - t) / COUNTED;
    if (!s && !(s = lt_searcher_open(r->x->search, &env, &searcher, e)))
        out->evaluations = lt_searcher_budget(searcher);
    lt_searcher_close(searcher);
    out->search_s = each * out->evaluations / r->comm->size;
    return s;
}

lt_status lt_run_estimate(const struct lt_experiment *x, struct lt_comm *comm, const struct lt_ui *ui,
                          struct lt_estimate *out, struct lt_err *e) {
    struct lt_run r = {.x = x, .comm = comm, .ui = ui};
    struct lt_estimate est = {0};
    lt_status s = lt_run_open_data(&r, e);
    if (s) goto out;
    if ((s = probe_training(&r, &est, e))) goto out;
    if (comm->rank == 0) s = probe_device(&r, &est, e);
    if ((s = lt_comm_agree(comm, s, e))) goto out;
    if ((s = lt_comm_bcast(comm, &est, sizeof(est), 0, e))) goto out;
    lt_experiment_goal(x, &est.largest, &est.goal);
    if (comm->rank == 0) s = probe_search(&r, &est, e);
    if ((s = lt_comm_agree(comm, s, e))) goto out;
    est.total_s = est.train_s + est.measure_s + est.search_s + est.verify_s;
    est.feasible = true;
    for (int i = 0; i < est.goal.n_constraints; i++) {
        const struct lt_constraint *c = &est.goal.constraint[i];
        if (est.smallest.have[c->score] && est.smallest.v[c->score] > c->max) est.feasible = false;
        if (est.largest.have[c->score] && est.largest.v[c->score] < c->min) est.feasible = false;
    }
    *out = est;
out:
    lt_run_release(&r);
    return s;
}
