/*
 * Room: run. What a run will take: a probe of the real training step (all its shards, all its ranks, a small part of an
 * epoch), the two extreme networks measured on the device, and a few evaluations of the kind that the search makes,
 * from which follows what quantization and the final test cost, for they too run networks over images. Writes nothing.
 */
#include "run/attain.h"
#include "run/run.h"
#include "run/stages.h"
#include "lathe/cost.h"
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
    out->verify_s = wall / 2 * (double)r->x->verify.candidates;
    /* the quantized network as a whole, and its layers in both precisions */
    out->quantize_s = r->x->quantize ? wall / 2 * 3 : 0;
    return s;
}

/* What the probed evaluations say of a network of middling size. */
struct middling {
    double image_s; /* a forward pass of one image */
    double macs;    /* of it and of ... */
    int layers;     /* ... convolutions and linear layers, on average */
};

static lt_status size_up(const struct lt_run *r, const struct lt_arch *a, int counted, struct middling *out,
                         struct lt_err *e) {
    double macs = 0;
    int layers = 0;
    for (int i = 0; i < counted; i++) {
        struct lt_graph *g = NULL;
        struct lt_cost c;
        lt_status s;
        if ((s = lt_space_expand(r->x->space, &a[i], &g, e))) return s;
        lt_graph_cost(g, NULL, &c);
        macs += (double)c.macs;
        for (int k = 0; k < g->n_nodes; k++) layers += g->node[k].op == LT_OP_CONV || g->node[k].op == LT_OP_LINEAR;
        lt_graph_free(g);
    }
    out->macs = macs / counted;
    out->layers = (layers + counted - 1) / counted;
    return LT_OK;
}

/* The final table: four networks over the test part, which nobody may look at before: 10,000 images, as Fashion-MNIST
 * and CIFAR-10 have them, unless the experiment limits it. A network costs what its multiply-adds are. */
static double final_s(const struct lt_run *r, const struct lt_estimate *est, const struct middling *mid) {
    double test = 1e4, val = fmin(lt_data_validation(r->data)->n, (double)r->x->train.eval_images), longest, sum;
    if (r->x->data.limit > 0) test = fmin(test, (double)r->x->data.limit);
    double row = (test + val + (double)r->x->train.calib_images) * mid->image_s;
    longest = row * fmax(1, est->largest.v[LT_SCORE_MACS] / mid->macs);
    sum = longest + row * (est->smallest.v[LT_SCORE_MACS] / mid->macs + (r->x->quantize ? 2 : 1));
    return fmax(longest, sum / r->comm->size);
}

/* A few evaluations of random architectures, after one that is not counted: it sets up what the backend keeps. Every
 * other time that networks spend on images follows from theirs. */
static lt_status probe_search(struct lt_run *r, struct lt_estimate *out, struct lt_err *e) {
    enum { COUNTED = 3 };
    struct lt_searcher *searcher = NULL;
    struct lt_search_env env = {.space = r->x->space, .goal = &out->goal, .seed = r->x->seed};
    struct middling mid;
    struct lt_arch a[COUNTED + 1];
    double accuracy, t = 0;
    lt_status s = LT_OK;
    for (int i = 0; i <= COUNTED && !s; i++) {
        struct lt_rng rng;
        lt_rng_at(&rng, r->x->seed, LT_RNG_SAMPLE, 1, (uint64_t)i);
        lt_space_sample(r->x->space, &rng, &a[i]);
        if (i == 1) t = lt_now_s();
        s = lt_supernet_evaluate(r->supernet, r->backend, &a[i], lt_data_train(r->data), lt_data_validation(r->data),
                                 (int)r->x->train.calib_images, (int)r->x->train.eval_images, r->x->seed, &accuracy, e);
    }
    double each = (lt_now_s() - t) / COUNTED;
    if (!s) s = size_up(r, a + 1, COUNTED, &mid, e);
    if (!s && !(s = lt_searcher_open(r->x->search, &env, &searcher, e)))
        out->evaluations = lt_searcher_budget(searcher);
    lt_searcher_close(searcher);
    out->search_s = each * out->evaluations / r->comm->size;
    if (s) return s;
    int n_val = lt_data_validation(r->data)->n;
    double calib = (double)r->x->train.calib_images, shown = fmin(n_val, (double)r->x->train.eval_images);
    mid.image_s = each / fmax(1, calib + shown);
    if (r->x->quantize) out->quantize_s += mid.image_s * (calib + lt_quant_images(&r->x->quant, mid.layers, n_val));
    out->final_s = final_s(r, out, &mid);
    return LT_OK;
}

/* Nothing is trained or measured: the ranges, and how many evaluations there will be. */
static lt_status estimate_search(struct lt_run *r, struct lt_estimate *out, struct lt_err *e) {
    struct lt_attain t;
    struct lt_searcher *searcher = NULL;
    struct lt_search_env env = {.space = r->x->space, .goal = &out->goal, .seed = r->x->seed};
    lt_status s = lt_run_attainable(r, &r->goal, &t, e);
    out->goal = r->goal;
    out->exact = t.exact;
    for (int k = 0; k < LT_MAX_SCORES && !s; k++) {
        out->smallest.have[k] = out->largest.have[k] = t.min[k] <= t.max[k];
        out->smallest.v[k] = t.min[k];
        out->largest.v[k] = t.max[k];
    }
    if (!s && !(s = lt_searcher_open(r->x->search, &env, &searcher, e))) {
        out->evaluations = lt_searcher_budget(searcher) * lt_run_n_goals(r);
        if (r->x->engine.baseline) out->evaluations *= 2 * (int)r->x->engine.repeats;
    }
    lt_searcher_close(searcher);
    out->feasible = true;
    for (int k = 0; k < lt_run_n_goals(r) && !s; k++) {
        struct lt_goal goal;
        char key[LT_GOAL_KEY_BYTES];
        lt_run_goal(r, k, &goal, key);
        if (k) s = lt_run_attainable(r, &goal, &t, e);
        if (s || !out->feasible || !lt_attain_check(&t, r->x->space, &goal, NULL, &out->why)) continue;
        out->feasible = false;
        out->goal = goal;
    }
    return s;
}

lt_status lt_run_estimate(const struct lt_experiment *x, struct lt_comm *comm, const struct lt_ui *ui,
                          struct lt_estimate *out, struct lt_err *e) {
    struct lt_run r = {.x = x, .comm = comm, .ui = ui};
    struct lt_estimate est = {.trains = x->evaluator->ops->trains};
    lt_status s = LT_OK;
    if (!est.trains) {
        if (!(s = lt_run_find_largest(&r, e))) s = lt_comm_agree(comm, estimate_search(&r, &est, e), e);
        if (!s) *out = est;
        return s;
    }
    s = lt_run_open_data(&r, e);
    if (s) goto out;
    if ((s = probe_training(&r, &est, e))) goto out;
    if (comm->rank == 0) s = probe_device(&r, &est, e);
    if ((s = lt_comm_agree(comm, s, e))) goto out;
    if ((s = lt_comm_bcast(comm, &est, sizeof(est), 0, e))) goto out;
    lt_experiment_goal(x, &est.largest, &est.goal);
    if (comm->rank == 0) s = probe_search(&r, &est, e);
    if ((s = lt_comm_agree(comm, s, e))) goto out;
    est.total_s = est.train_s + est.measure_s + est.search_s + est.verify_s + est.quantize_s + est.final_s;
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
