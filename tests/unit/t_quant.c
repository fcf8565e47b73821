/* Observers against exact computation, Hutchinson against an exact trace, searches on synthetic landscapes, and the
 * whole quantizer on a small trained net. */
#include "tests/tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "lathe/supernet.h"
#include "quant/quant_priv.h"

enum { SEED = 5 };

/* ---- observers ---- */
static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static double exact_error(const float *x, int n, double scale, double lo, double hi) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        double d = scale * fmin(fmax(rint(x[i] / scale), lo), hi) - x[i];
        sum += d * d;
    }
    return sum / n;
}

static void test_observers(void) {
    enum { N = 40000 };
    float *x = lt_malloc(N * sizeof(*x)), *m = lt_malloc(N * sizeof(*m));
    struct lt_observer *a = lt_malloc(sizeof(*a)), *b = lt_malloc(sizeof(*b));
    struct lt_rng r;
    LT_CHECK(x && m && a && b);
    for (int kind = 0; kind < 3; kind++) { /* two-sided with a long tail; ReLU'd; lopsided (as after hard swish) */
        static const char *const name[] = {"two-sided", "relu", "lopsided"};
        lt_rng_at(&r, SEED, LT_RNG_TEST, 1, (uint64_t)kind);
        float lo = INFINITY, hi = -INFINITY;
        for (int i = 0; i < N; i++) {
            double z = lt_rng_normal(&r);
            z = kind == 0   ? z * exp(0.7 * lt_rng_normal(&r))
                : kind == 1 ? fmax(z, 0)
                            : fmax(3 * z, -0.375 * lt_rng_u01(&r));
            x[i] = (float)z;
            m[i] = fabsf(x[i]);
            lo = fminf(lo, x[i]);
            hi = fmaxf(hi, x[i]);
        }
        lt_observer_init(a);
        lt_observer_init(b);
        for (int at = 0, n; at < N; at += n) { /* in pieces of growing size, and backwards in one-sized ones */
            n = at / 2 + 1 < N - at ? at / 2 + 1 : N - at;
            LT_CHECK(lt_observer_add(a, x + at, n));
        }
        for (int at = N; at > 0; at -= 100) LT_CHECK(lt_observer_add(b, x + at - 100, 100));
        lt_ok(!memcmp(a, b, sizeof(*a)), "%s: the order of the samples does not matter", name[kind]);
        bool is_signed = kind != 1;
        double top = fmax(fabs((double)lo), hi), levels = is_signed ? 127 : 255;
        struct lt_qparam q = lt_observer_qparam(a, LT_QUANT_MINMAX, 0);
        float want = (float)(is_signed ? fmax(hi / 127.0, -lo / 128.0) : hi / 255.0);
        lt_ok(a->min == lo && a->max == hi && q.is_signed == is_signed && q.scale == want, "%s: minmax is exact (%g)",
              name[kind], (double)q.scale);
        qsort(m, N, sizeof(*m), by_value);
        for (int k = 0; k < 3; k++) {
            double p = (const double[]){0.9, 0.99, 0.9999}[k], exact = m[(int)ceil(p * N) - 1],
                   bin = a->range / LT_OBSERVER_BINS;
            q = lt_observer_qparam(a, LT_QUANT_PERCENTILE, p);
            double got = (double)q.scale * levels;
            lt_ok(q.is_signed == is_signed && got >= exact * (1 - 1e-6) && got <= fmin(exact + bin, top) * (1 + 1e-6),
                  "%s: percentile %g: %.5f, exact %.5f, bin %.5f", name[kind], p, got, exact, bin);
        }
        q = lt_observer_qparam(a, LT_QUANT_MSE, 0);
        double best = INFINITY, low = is_signed ? -128 : 0;
        for (int k = 1; k <= 512; k++) /* a finer grid over the full range, on the values themselves */
            best = fmin(best, exact_error(x, N, top * k / 512 / levels, low, levels));
        double got = exact_error(x, N, (double)q.scale, low, levels);
        lt_ok(q.is_signed == is_signed && got <= 1.03 * best, "%s: mse: squared error %.4g, best of 512 scales %.4g",
              name[kind], got, best);
    }
    /* One negative value in a million must not be cut away with its sign. */
    lt_observer_init(a);
    for (int i = 0; i < N; i++) x[i] = (float)(i % 100) / 100;
    x[17] = -1e-3f;
    LT_CHECK(lt_observer_add(a, x, N));
    bool keeps = true;
    for (int kind = 0; kind < 3; kind++) keeps &= lt_observer_qparam(a, (enum lt_quant_observer)kind, 0.5).is_signed;
    lt_ok(keeps, "no observer loses the sign");
    lt_observer_init(a);
    memset(x, 0, N * sizeof(*x));
    LT_CHECK(lt_observer_add(a, x, N));
    lt_ok(lt_observer_qparam(a, LT_QUANT_PERCENTILE, 0.99).scale == 1, "zeros get a scale");
    x[5] = 2;
    lt_observer_init(a);
    LT_CHECK(lt_observer_add(a, x, N));
    struct lt_qparam rare = lt_observer_qparam(a, LT_QUANT_PERCENTILE, 0.99);
    lt_ok(rare.scale * 255 >= 2 && rare.scale * 255 < 2.01f, "a tensor of nearly all zeros keeps its values: %g",
          (double)rare.scale);
    x[6] = NAN;
    lt_ok(!lt_observer_add(a, x, N), "NaN is refused");
    x[6] = INFINITY;
    lt_ok(!lt_observer_add(a, x, N), "infinity is refused");
    lt_free(x);
    lt_free(m);
    lt_free(a);
    lt_free(b);
}

/* ---- order and searches on synthetic landscapes ---- */
struct land {
    const double *harm;
    uint64_t seed;
    int item;
    double noise;
    int runs;
};

/* Images lost by a set: the layers' harms add up, plus noise of the set's own, so accuracy is not monotone. */
static int lost_by(const struct land *l, const uint8_t *on, int n) {
    double sum = 0;
    uint64_t h = 14695981039346656037u;
    struct lt_rng r;
    for (int i = 0; i < n; i++) {
        sum += on[i] ? l->harm[i] : 0;
        h = (h ^ on[i]) * 1099511628211u;
    }
    lt_rng_at(&r, l->seed, LT_RNG_TEST, h, (uint64_t)l->item);
    sum += sum > 0 ? l->noise * lt_rng_normal(&r) : 0;
    return sum < 0 ? 0 : sum > 900 ? 900 : (int)sum;
}

static lt_status run_land(struct lt_qsearch *q, const uint8_t *on, int *n_correct, struct lt_err *e) {
    struct land *l = q->arg;
    int lost = lost_by(l, on, q->n);
    (void)e;
    l->runs++;
    memset(q->correct, 1, (size_t)q->n_images);
    memset(q->correct, 0, (size_t)lost);
    *n_correct = q->n_images - lost;
    return LT_OK;
}

static void test_searches(void) {
    enum { MAX = 40, IMAGES = 1000, CASES = 4000 };
    int bound_broken = 0, lied = 0, greedy_worse = 0, refine_broken = 0, none = 0;
    uint8_t ones[IMAGES], correct[IMAGES], best[MAX];
    memset(ones, 1, sizeof(ones));
    for (int c = 0; c < CASES; c++) {
        struct lt_quant_cfg cfg = {.max_accuracy_drop = 0.05};
        double harm[MAX], saved[MAX];
        int order[MAX], n, log2n = 0;
        struct lt_rng r;
        lt_rng_at(&r, SEED, LT_RNG_TEST, 2, (uint64_t)c);
        n = 1 + (int)lt_rng_below(&r, MAX);
        for (int i = 0; i < n; i++) {
            harm[i] = 20 * pow(lt_rng_u01(&r), 3);
            saved[i] = 0.1 + lt_rng_u01(&r);
        }
        if (c % 10 == 0) /* nothing is good enough */
            for (int i = 0; i < n; i++) harm[i] = 500;
        while (n >> (log2n + 1)) log2n++;
        struct land l = {.harm = harm, .seed = SEED, .item = c, .noise = c % 3 ? 8 : 0};
        struct lt_qsearch q = {.run = run_land,
                               .arg = &l,
                               .cfg = &cfg,
                               .n = n,
                               .saved = saved,
                               .n_images = IMAGES,
                               .f32_n_correct = IMAGES,
                               .f32_correct = ones,
                               .correct = correct,
                               .best = best};
        LT_CHECK(!lt_quant_order(harm, saved, n, order, NULL));
        LT_CHECK(!lt_qsearch_bisect(&q, order, NULL));
        bound_broken += l.runs > log2n + 1;
        if (q.have_best) lied += lost_by(&l, best, n) > 50;
        double before = q.have_best ? q.best_saved : 0;
        int runs = l.runs;
        LT_CHECK(!lt_qsearch_greedy(&q, order, 6, NULL));
        refine_broken += l.runs - runs > 6;
        greedy_worse += q.have_best && q.best_saved < before;
        if (q.have_best)
            lied += lost_by(&l, best, n) > 50 || lost_by(&l, best, n) != IMAGES - q.best_n_correct;
        else if (c % 10 == 0)
            none++;
        lt_qsearch_release(&q);
    }
    lt_ok(bound_broken == 0, "bisection: at most floor(log2 N) + 1 evaluations in %d landscapes", CASES);
    lt_ok(lied == 0, "what is kept was evaluated and met the limit, monotone or not");
    lt_ok(refine_broken == 0 && greedy_worse == 0, "refinement stays in its budget and never gives up what was won");
    lt_ok(none == CASES / 10, "nothing is kept where nothing meets the limit");

    int order[4];
    LT_CHECK(!lt_quant_order((const double[]){2, 1, 4, NAN}, (const double[]){1, 1, 4, 9}, 4, order, NULL));
    lt_ok(order[0] == 2 && order[1] == 1 && order[2] == 0 && order[3] == 3,
          "least sensitivity per second saved first, not-a-number last");
    LT_CHECK(!lt_quant_order((const double[]){2, 3, 4}, (const double[]){2, 3, 4}, 3, order, NULL));
    lt_ok(order[0] == 2 && order[1] == 1 && order[2] == 0, "ties: the larger saving first");
    lt_ok(fabs(lt_quant_judged_drop(30, 10, 1000, 0) - 0.02) < 1e-15 && lt_quant_judged_drop(0, 0, 1000, 3) == 0 &&
              fabs(lt_quant_judged_drop(30, 10, 1000, 1) - (20 + sqrt(40 - 0.4)) / 1000) < 1e-12,
          "paired drop and its standard error");
}

/* ---- a small net, trained ---- */
struct net {
    struct lt_data_set *set;
    const struct lt_data *train, *val;
    struct lt_graph *g;
    struct lt_weights *w;
    struct lt_backend *b;
};

static lt_status make_net(struct net *t, struct lt_err *e) {
    struct lt_data_cfg dc;
    struct lt_session *s = NULL;
    struct lt_weights *grad = NULL, *vel = NULL;
    enum { BATCH = 32 };
    float x[BATCH * 100], logits[BATCH * 4], dl[BATCH * 4];
    uint8_t label[BATCH];
    lt_status st;
    if ((st = lt_opts_default(lt_data_opts, &dc, e)) ||
        (st = lt_opts_set(lt_data_opts, "format", "synthetic", &dc, e)) ||
        (st = lt_opts_set(lt_data_opts, "classes", "4", &dc, e)) ||
        (st = lt_opts_set(lt_data_opts, "channels", "1", &dc, e)) ||
        (st = lt_opts_set(lt_data_opts, "size", "10", &dc, e)) ||
        (st = lt_opts_set(lt_data_opts, "limit", "1400", &dc, e)) ||
        (st = lt_opts_set(lt_data_opts, "validation", "600", &dc, e)) || (st = lt_data_load(&dc, SEED, &t->set, e)))
        return st;
    lt_opts_release(lt_data_opts, &dc);
    t->train = lt_data_train(t->set);
    t->val = lt_data_validation(t->set);
    if ((st = lt_graph_new("small", &t->g, e))) return st;
    int n = lt_graph_input(t->g, "image", 1, 10, 10);
    n = lt_graph_act(
        t->g, "a0",
        lt_graph_conv(t->g, "c0", n,
                      &(struct lt_conv_attr){.out = 8, .kernel = 3, .stride = 1, .groups = 1, .bias = true}),
        LT_ACT_RELU);
    int skip = n;
    n = lt_graph_act(
        t->g, "a1",
        lt_graph_conv(t->g, "c1", n,
                      &(struct lt_conv_attr){.out = 8, .kernel = 3, .stride = 1, .groups = 8, .bias = true}),
        LT_ACT_HSWISH);
    n = lt_graph_conv(
        t->g, "c2", n,
        &(struct lt_conv_attr){.out = 8, .kernel = 1, .stride = 1, .groups = 1, .pad = LT_PAD_VALID, .bias = true});
    n = lt_graph_add(t->g, "sum", n, skip);
    n = lt_graph_act(
        t->g, "a3",
        lt_graph_conv(t->g, "c3", n,
                      &(struct lt_conv_attr){.out = 12, .kernel = 3, .stride = 2, .groups = 1, .bias = true}),
        LT_ACT_RELU);
    n = lt_graph_linear(t->g, "fc", lt_graph_flatten(t->g, "flat", n), 4);
    lt_graph_output(t->g, n);
    if ((st = lt_graph_finish(t->g, e)) || (st = lt_weights_new(t->g, &t->w, e)) ||
        (st = lt_weights_new(t->g, &grad, e)) || (st = lt_weights_new(t->g, &vel, e)) ||
        (st = lt_backend_open("auto", &t->b, e)))
        goto out;
    for (int i = 0; i < t->g->n_params; i++) {
        const struct lt_param *p = &t->g->param[i];
        struct lt_rng r;
        lt_rng_at(&r, SEED, LT_RNG_INIT, 0, (uint64_t)i);
        for (int64_t k = 0; k < p->count && p->role == LT_PARAM_WEIGHT; k++)
            t->w->data[i][k] = (float)(lt_rng_normal(&r) * sqrt(2.0 * (double)p->dim[0] / (double)p->count));
    }
    if ((st = lt_session_new(t->b, t->g, &(struct lt_session_opt){.kind = LT_SESSION_TRAIN, .batch = BATCH}, &s, e)))
        goto out;
    for (int step = 0; step < 40; step++) {
        int32_t item[BATCH];
        for (int i = 0; i < BATCH; i++) item[i] = (step * BATCH + i) % t->train->n;
        lt_data_batch(t->train, item, BATCH, 10, NULL, x, label);
        memset(grad->storage, 0, (size_t)grad->count * sizeof(float));
        if ((st = lt_session_weights(s, t->w, e)) || (st = lt_session_forward(s, x, BATCH, LT_BN_BATCH, logits, e)))
            goto out;
        lt_softmax_xent(logits, label, NULL, BATCH, 4, 0, 1, dl);
        if ((st = lt_session_backward(s, dl, grad, e))) goto out;
        for (int64_t k = 0; k < t->w->count; k++) {
            vel->storage[k] = 0.9f * vel->storage[k] + grad->storage[k];
            t->w->storage[k] -= 0.03f * vel->storage[k];
        }
    }
out:
    lt_session_free(s);
    lt_weights_free(grad);
    lt_weights_free(vel);
    return st;
}

static void free_net(struct net *t) {
    lt_backend_close(t->b);
    lt_weights_free(t->w);
    lt_graph_free(t->g);
    lt_data_free(t->set);
}

static struct lt_quant_job job_of(const struct net *t) {
    return (struct lt_quant_job){.graph = t->g,
                                 .weights = t->w,
                                 .calib = t->train,
                                 .validation = t->val,
                                 .weight_qmax = 127,
                                 .seed = SEED,
                                 .backend = t->b};
}

static struct lt_quant_cfg cfg_of(const char *metric) {
    struct lt_quant_cfg c;
    LT_CHECK(!lt_opts_default(lt_quant_opts, &c, NULL) && !lt_opts_set(lt_quant_opts, "metric", metric, &c, NULL));
    c.calib_images = 128;
    c.guard = 0;
    return c;
}

static void test_observe(const struct net *t) {
    struct lt_quant_job job = job_of(t);
    struct lt_quant_cfg cfg = cfg_of("qe");
    struct lt_plan *p;
    struct lt_err e = {0};
    float *x, top = 0, low = 0;
    int32_t *item;
    int n;
    LT_CHECK(!lt_plan_new(t->g, &p, NULL));
    cfg.observer = LT_QUANT_MINMAX;
    lt_status s = lt_quant_observe(&job, &cfg, p, &e);
    bool all = !s;
    for (int i = 0; i < t->g->n_nodes; i++) {
        bool read = false;
        for (int j = 0; j < t->g->n_nodes; j++)
            read |= (t->g->node[j].op == LT_OP_CONV || t->g->node[j].op == LT_OP_LINEAR) && t->g->node[j].in[0] == i;
        all &= (p->out[i].scale > 0) == read;
    }
    lt_ok(all, "every tensor that a layer reads has a scale, no other has: %s", e.msg);
    lt_ok(p->out[lt_graph_find(t->g, "a1")].is_signed && !p->out[lt_graph_find(t->g, "a0")].is_signed &&
              !p->out[lt_graph_find(t->g, "flat")].is_signed,
          "signed after hard swish, unsigned after relu");
    LT_CHECK(!lt_quant_draw(t->train, cfg.calib_images, SEED, &item, &n, NULL) &&
             (x = lt_malloc((size_t)n * 100 * sizeof(*x))));
    uint8_t label[128];
    lt_data_batch(t->train, item, n, 10, NULL, x, label);
    for (int i = 0; i < n * 100; i++) {
        top = fmaxf(top, x[i]);
        low = fminf(low, x[i]);
    }
    lt_ok(n == 128 && p->out[0].scale == (float)fmax(top / 127.0, -low / 128.0),
          "the input's scale is that of the calibration images: %g", (double)p->out[0].scale);
    lt_free(x);
    lt_free(item);
    lt_plan_free(p);
}

static void test_accuracy(const struct net *t) {
    int n_correct = -1, again = -1;
    uint8_t correct[600];
    double loss = -1;
    struct lt_err e = {0};
    lt_status s = lt_quant_accuracy(t->b, t->g, t->w, NULL, t->val, 600, &n_correct, correct, &loss, &e);
    int sum = 0;
    for (int i = 0; i < 600; i++) sum += correct[i];
    lt_ok(!s && sum == n_correct && loss > 0 && loss < log(4), "accuracy of the trained net: %.3f, loss %.3f",
          n_correct / 600.0, loss);
    lt_ok(n_correct > 420, "it has learnt something to lose");
    s = lt_quant_accuracy(t->b, t->g, t->w, NULL, t->val, 77, &again, NULL, NULL, &e);
    sum = 0;
    for (int i = 0; i < 77; i++) sum += correct[i];
    lt_ok(!s && again == sum, "the first 77 images are the first 77 images");
    uint8_t other[600];
    double other_loss = 0;
    s = lt_evaluate_graph(t->b, t->g, t->w, NULL, t->val, 600, &again, other, &other_loss, &e);
    lt_ok(!s && again == n_correct && !memcmp(other, correct, 600) && fabs(other_loss - loss) < 1e-6 * (1 + loss),
          "the supernet's evaluation says the same");
    again = -7;
    s = lt_quant_accuracy(t->b, t->g, t->w, NULL, t->val, 601, &again, NULL, NULL, &e);
    lt_ok(s == LT_EINVAL && again == -7, "more images than there are: %s", e.msg);
}

static int evals_allowed(int n, int metrics, int64_t refine) {
    int k = 0;
    while (n >> (k + 1)) k++;
    return metrics * (k + 1) + (int)refine;
}

/* The result's plan, run again from outside: same accuracy, limit met, only candidates in int8. */
static void check_result(const struct net *t, const struct lt_quant_job *job, const struct lt_quant_cfg *cfg,
                         const struct lt_quant_result *r, const char *what) {
    int f32, got;
    LT_CHECK(!lt_quant_accuracy(t->b, t->g, t->w, NULL, t->val, t->val->n, &f32, NULL, NULL, NULL));
    LT_CHECK(!lt_quant_accuracy(t->b, t->g, t->w, r->plan, t->val, t->val->n, &got, NULL, NULL, NULL));
    double n = t->val->n;
    lt_ok(r->f32_accuracy == f32 / n && r->accuracy == got / n && (f32 - got) / n <= cfg->max_accuracy_drop + 1e-12,
          "%s: accuracy %.4f of %.4f, limit %.4f, holds when run again", what, r->accuracy, r->f32_accuracy,
          cfg->max_accuracy_drop);
    bool same = r->n_layers == 5 && r->plan->weight_qmax == job->weight_qmax;
    for (int i = 0; i < r->n_layers; i++)
        same &= r->layer[i].reason && r->plan->is_int8[r->layer[i].node] == r->layer[i].int8 &&
                r->layer[i].int8 == !strcmp(r->layer[i].reason, "int8");
    lt_ok(same, "%s: plan and layers agree", what);
}

static void test_quantize(const struct net *t) {
    struct lt_quant_job job = job_of(t);
    struct lt_quant_result r = {0}, r2 = {0};
    struct lt_err e = {0};
    int c[5] = {lt_graph_find(t->g, "c0"), lt_graph_find(t->g, "c1"), lt_graph_find(t->g, "c2"),
                lt_graph_find(t->g, "c3"), lt_graph_find(t->g, "fc")};
    struct lt_quant_gain gain[5];
    for (int i = 0; i < 5; i++)
        gain[i] = (struct lt_quant_gain){.node = c[i], .f32_s = 1e-4 * (i + 1), .int8_s = 0.5e-4 * (i + 1)};
    static const char *const metric[] = {"qe", "noise", "hessian", "qe,noise,hessian"};
    for (int m = 0; m < 4; m++) {
        struct lt_quant_cfg cfg = cfg_of(metric[m]);
        job.gain = gain;
        job.n_gain = 5;
        job.weight_qmax = 1; /* three weight values: rounding hurts */
        cfg.max_accuracy_drop = 0.02;
        lt_status s = lt_quantize(&job, &cfg, &r, &e);
        if (!lt_ok(!s, "%s: runs: %s", metric[m], e.msg)) continue;
        check_result(t, &job, &cfg, &r, metric[m]);
        lt_ok(r.met && r.n_evals >= 2 && r.n_evals <= evals_allowed(5, m == 3 ? 3 : 1, cfg.refine),
              "%s: %d evaluations", metric[m], r.n_evals);
        double images = lt_quant_images(&cfg, 5, job.validation->n), least = (r.n_evals + 1.0) * job.validation->n;
        lt_ok(images >= least + cfg.calib_images && images <= 20 * least + 2000.0 * cfg.sensitivity_images,
              "%s: the estimate of %g image passes covers the %g of its evaluations", metric[m], images, least);
        s = lt_quantize(&job, &cfg, &r2, &e);
        lt_ok(!s && r2.accuracy == r.accuracy && !memcmp(r.plan->is_int8, r2.plan->is_int8, (size_t)t->g->n_nodes) &&
                  !memcmp(r.plan->out, r2.plan->out, (size_t)t->g->n_nodes * sizeof(*r.plan->out)),
              "%s: the same again", metric[m]);
        lt_quant_result_release(&r);
        lt_quant_result_release(&r2);
    }
    struct lt_quant_cfg cfg = cfg_of("qe");
    job.weight_qmax = 127;
    gain[1].int8_s = 2.1e-4;                /* slower */
    gain[2].int8_s = gain[2].f32_s * 0.985; /* faster by less than 2 % */
    job.n_gain = 4;                         /* nothing known of fc */
    cfg.max_accuracy_drop = 0.05;
    lt_status s = lt_quantize(&job, &cfg, &r, &e);
    if (lt_ok(!s, "8 bits with measured gains: %s", e.msg)) {
        check_result(t, &job, &cfg, &r, "8 bits");
        lt_ok(r.met && r.layer[0].int8 && r.layer[3].int8, "layers that gain are int8");
        lt_ok(!strcmp(r.layer[1].reason, "slower in int8") && !strcmp(r.layer[2].reason, "slower in int8") &&
                  !r.layer[1].int8 && !r.layer[2].int8,
              "layers that do not gain 2 %% stay f32");
        lt_ok(!strcmp(r.layer[4].reason, "int8 not measured") && !r.layer[4].int8,
              "a layer that was not measured stays f32");
        lt_ok(fabs(r.eval[r.n_evals - 1].predicted_s - (0.5e-4 + 2e-4 + 3e-4 + 2e-4)) < 1e-12, "predicted time %g",
              r.eval[r.n_evals - 1].predicted_s);
        lt_ok(r.plan->out[c[1] - 1].scale == 0, "no scale for what no int8 layer reads");
        lt_quant_result_release(&r);
    }
    job.gain = NULL;
    job.n_gain = 0;
    s = lt_quantize(&job, &cfg, &r, &e);
    if (lt_ok(!s, "without measurements: %s", e.msg)) {
        check_result(t, &job, &cfg, &r, "without measurements");
        lt_ok(!strcmp(r.layer[1].reason, "int8 not measured") && r.layer[0].int8 && isnan(r.eval[0].predicted_s),
              "dense layers only, no predicted time");
        lt_quant_result_release(&r);
    }
    cfg.search = LT_QUANT_GREEDY;
    s = lt_quantize(&job, &cfg, &r, &e);
    if (lt_ok(!s && r.n_evals <= 4, "greedy: one evaluation a layer: %s", e.msg))
        check_result(t, &job, &cfg, &r, "greedy");
    lt_quant_result_release(&r);
    cfg.search = LT_QUANT_BISECTION;
    cfg.formats = LT_QUANT_INT8;
    s = lt_quantize(&job, &cfg, &r, &e);
    lt_ok(!s && r.n_evals == 1 && r.met && r.layer[1].int8, "int8 alone: every layer, one evaluation");
    lt_quant_result_release(&r);
    job.weight_qmax = 1;
    cfg.max_accuracy_drop = 0;
    s = lt_quantize(&job, &cfg, &r, &e);
    bool none = !s && !r.met && r.accuracy == r.f32_accuracy;
    for (int i = 0; none && i < t->g->n_nodes; i++) none = !r.plan->is_int8[i] && r.plan->out[i].scale == 0;
    lt_ok(none && !strcmp(r.layer[0].reason, "too sensitive"), "a limit that cannot be met: the untouched f32 model");
    lt_quant_result_release(&r);
    cfg.formats = LT_QUANT_F32;
    s = lt_quantize(&job, &cfg, &r, &e);
    lt_ok(!s && r.n_evals == 0 && !r.met && !strcmp(r.layer[0].reason, "int8 not allowed"),
          "f32 alone: nothing is evaluated but f32");
    lt_ok(lt_quant_images(&cfg, 5, job.validation->n) == job.validation->n, "and nothing else is estimated");
    lt_quant_result_release(&r);
    cfg.formats = 0;
    s = lt_quantize(&job, &cfg, &r, &e);
    lt_ok(s == LT_EINVAL && !r.plan, "no formats: %s", e.msg);
}

static bool stop_at_once(void *arg) { return ++*(int *)arg > 2; }

static void test_stop(const struct net *t) {
    struct lt_quant_job job = job_of(t);
    struct lt_quant_cfg cfg = cfg_of("qe");
    struct lt_quant_result r = {0};
    struct lt_err e = {0};
    int asked = 0;
    int64_t live = lt_mem_live();
    job.ui = &(struct lt_ui){.arg = &asked, .stop = stop_at_once};
    cfg.max_accuracy_drop = 1;
    cfg.search = LT_QUANT_GREEDY;
    lt_status s = lt_quantize(&job, &cfg, &r, &e);
    lt_ok(s == LT_EINTR && !r.plan && asked >= 3 && lt_mem_live() - live <= 16, "stops when asked: %s", e.msg);
}

/* ---- Hutchinson ---- */
static void test_trace(const struct net *data) {
    struct lt_graph *g;
    struct lt_weights *w, *grad;
    struct lt_backend *b;
    struct lt_session *s;
    struct lt_qimages im = {0};
    struct lt_err e = {0};
    LT_CHECK(!lt_graph_new("smooth", &g, NULL));
    int n = lt_graph_input(g, "image", 1, 10, 10);
    n = lt_graph_act(
        g, "t0",
        lt_graph_conv(g, "c0", n,
                      &(struct lt_conv_attr){.out = 4, .kernel = 3, .stride = 2, .groups = 1, .bias = true}),
        LT_ACT_TANH);
    n = lt_graph_act(
        g, "t1",
        lt_graph_conv(g, "c1", n,
                      &(struct lt_conv_attr){.out = 4, .kernel = 3, .stride = 2, .groups = 1, .bias = true}),
        LT_ACT_TANH);
    n = lt_graph_linear(g, "fc", lt_graph_gap(g, "gap", n), 4);
    lt_graph_output(g, n);
    LT_CHECK(!lt_graph_finish(g, NULL) && !lt_weights_new(g, &w, NULL) && !lt_weights_new(g, &grad, NULL) &&
             !lt_backend_open("reference", &b, NULL));
    struct lt_rng r;
    lt_rng_at(&r, SEED, LT_RNG_TEST, 3, 0);
    for (int i = 0; i < g->n_params; i++)
        for (int64_t k = 0; k < g->param[i].count; k++) w->data[i][k] = (float)(0.5 * lt_rng_normal(&r));
    struct lt_quant_job job = {
        .graph = g, .weights = w, .calib = data->train, .weight_qmax = 127, .seed = SEED, .backend = b};
    LT_CHECK(!lt_qimages_load(&job, 32, &im, NULL));
    LT_CHECK(!lt_session_new(b, g, &(struct lt_session_opt){.kind = LT_SESSION_TRAIN, .batch = 32}, &s, NULL));
    int layer[3] = {lt_graph_find(g, "c0"), lt_graph_find(g, "c1"), lt_graph_find(g, "fc")};
    double exact[3] = {0}, trace[3];
    float logits[32 * 4], dl[32 * 4];
    const float h = 1e-2f;
    for (int j = 0; j < 3; j++) { /* exact: diagonal entries by central differences of the gradient */
        int p = lt_quant_weight_param(g, layer[j]);
        for (int64_t k = 0; k < g->param[p].count; k++) {
            float was = w->data[p][k], d[2];
            for (int side = 0; side < 2; side++) {
                w->data[p][k] = was + (side ? -h : h);
                memset(grad->storage, 0, (size_t)grad->count * sizeof(float));
                LT_CHECK(!lt_session_weights(s, w, NULL) &&
                         !lt_session_forward(s, im.x, 32, LT_BN_RUNNING, logits, NULL));
                lt_softmax_xent(logits, im.label, NULL, 32, 4, 0, 1, dl);
                LT_CHECK(!lt_session_backward(s, dl, grad, NULL));
                d[side] = grad->data[p][k];
            }
            w->data[p][k] = was;
            exact[j] += ((double)d[0] - d[1]) / (2 * (double)h);
        }
    }
    /* c0 and fc have fewer weights than that (36, 16) and are traced exactly: differences of f32 gradients remain. c1
     * has 144; a third of its directions carries nearly all of the curvature. */
    lt_status st = lt_quant_hessian_trace(&job, &im, LT_QUANT_LAYER, 100, layer, 3, trace, &e);
    for (int j = 0; j < 3; j++)
        lt_ok(!st && fabs(trace[j] - exact[j]) <= (j == 1 ? 0.05 : 0.01) * fabs(exact[j]),
              "100 products, layer %d: %.4f, exact trace %.4f", j, trace[j], exact[j]);
    /* Ten directions and ten probes. */
    st = lt_quant_hessian_trace(&job, &im, LT_QUANT_LAYER, 30, layer, 2, trace, &e);
    for (int j = 0; j < 2; j++)
        lt_ok(!st && fabs(trace[j] - exact[j]) <= 0.1 * fabs(exact[j]), "30 products, layer %d: %.4f, exact trace %.4f",
              j, trace[j], exact[j]);
    st = lt_quant_hessian_trace(&job, &im, LT_QUANT_LAYER, 2, layer, 3, trace, &e);
    lt_ok(!st && isfinite(trace[0]) && isfinite(trace[1]) && isfinite(trace[2]), "2 products: two plain probes");
    /* The standard error is sqrt(2 (|H_ii|_F^2 - sum of diagonal squares) + cross terms) / 20, up to 5 % of the trace
     * here; three of them. */
    st = lt_quant_hessian_trace(&job, &im, LT_QUANT_JOINT, 400, layer, 3, trace, &e);
    for (int j = 0; j < 3; j++)
        lt_ok(!st && fabs(trace[j] - exact[j]) <= 0.15 * fabs(exact[j]),
              "400 joint probes, layer %d: %.4f, exact trace %.4f", j, trace[j], exact[j]);
    lt_qimages_release(&im);
    lt_session_free(s);
    lt_backend_close(b);
    lt_weights_free(w);
    lt_weights_free(grad);
    lt_graph_free(g);
}

static void test_options(void) {
    struct lt_quant_cfg c;
    struct lt_err e = {0};
    int metrics = 0;
    LT_CHECK(!lt_opts_default(lt_quant_opts, &c, NULL));
    lt_ok(c.formats == (LT_QUANT_INT8 | LT_QUANT_F32) && c.metric == 7 && fabs(c.max_accuracy_drop - 0.005) < 1e-12 &&
              fabs(c.percentile - 0.9999) < 1e-12 && c.observer == LT_QUANT_PERCENTILE &&
              c.search == LT_QUANT_BISECTION,
          "defaults");
    for (int i = 0; i < lt_quant_metric_count(); i++) {
        LT_CHECK(!lt_opts_set(lt_quant_opts, "metric", lt_quant_metric_at(i)->name, &c, NULL));
        metrics += c.metric == 1u << i;
    }
    lt_ok(metrics == lt_quant_metric_count() && metrics == 3, "every metric is a choice, in the order of metrics.def");
    lt_status s = lt_opts_set(lt_quant_opts, "metric", "hesian", &c, &e);
    lt_ok(s == LT_EINVAL, "an unknown metric: %s", e.msg);
    lt_opts_release(lt_quant_opts, &c);
}

int main(void) {
    struct net t = {0};
    struct lt_err e = {0};
    lt_note("seed %d", SEED);
    test_observers();
    test_searches();
    test_options();
    lt_status s = make_net(&t, &e);
    if (lt_ok(!s, "a small net is trained: %s", e.msg)) {
        test_accuracy(&t);
        test_observe(&t);
        test_quantize(&t);
        test_stop(&t);
        test_trace(&t);
    }
    free_net(&t);
    lt_ok(lt_mem_live() == 0, "no block is left");
    return lt_done();
}
