/*
 * Every registered predictor through one suite: learns a synthetic machine, ranks held-out networks, is deterministic,
 * refuses nonsense. Then what only "linear" promises: an additive machine is learnt almost exactly, and its intervals
 * cover.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "lathe/predictor.h"
#include "lathe/stats.h"
#include "tests/tap.h"

#define SEED 5
#define N 240

static const char text[] =
    "schema: 1\nname: toy\ninput: {channels: 1, resolution: [16, 20, 24]}\nclasses: 10\nstem: {block: conv, channels: "
    "16, kernel: 3, stride: 2}\nstages:\n"
    "  - {name: s1, block: mbconv, channels: [16, 24], depth: [1, 2], kernel: [3, 5, 7], expand: [2, 3]}\n"
    "  - {name: s2, block: mbconv, channels: [24, 40], depth: [1, 2, 3], stride: 2, kernel: [3, 5], expand: [2, 4], "
    "se: [0, 0.25]}\n"
    "head: {channels: 64}\n";

static struct lt_space *space(void) {
    struct lt_yaml *root = NULL;
    struct lt_space *s = NULL;
    struct lt_err e = {0};

    if (lt_yaml_parse("toy.yaml", text, strlen(text), &root, &e) || lt_space_parse_yaml(root, &s, &e))
        lt_ok(false, "space: %s", e.msg);
    lt_yaml_free(root);
    return s;
}

/*
 * A machine: every operator costs 2 us and its work, where depthwise convolutions run at a quarter of the speed; plus
 * relative noise. Seconds. Dense 8 GMAC/s, bandwidth 10 GB/s, added and not overlapped.
 */
static double machine(const struct lt_space *s, const struct lt_arch *a, double noise, struct lt_rng *r) {
    struct lt_graph *g = NULL;
    double t = 0;

    if (lt_space_expand(s, a, &g, NULL)) return NAN;
    for (int i = 1; i < g->n_nodes; i++) {
        struct lt_cost_node c;

        lt_node_cost(g, NULL, i, &c);
        if (!c.written_bytes) continue;
        t += 2e-6 + (double)c.macs / (lt_node_is_depthwise(&g->node[i]) ? 2e9 : 8e9) +
             (double)(c.read_bytes + c.written_bytes) / 1e10;
    }
    lt_graph_free(g);
    return t * exp(noise * lt_rng_normal(r));
}

static struct lt_arch arch[N];
static double truth[N];

static void measure(const struct lt_space *s, double noise) {
    struct lt_rng r;

    for (int i = 0; i < N; i++) {
        lt_rng_at(&r, SEED, LT_RNG_TEST, 1, (uint64_t)i);
        lt_space_sample(s, &r, &arch[i]);
        truth[i] = machine(s, &arch[i], noise, &r);
    }
}

static struct lt_predictor *open_named(const struct lt_space *s, const char *yaml, lt_status *st, struct lt_err *e) {
    struct lt_yaml *root = NULL;
    struct lt_predictor *p = NULL;

    *st = lt_yaml_parse("p.yaml", yaml, strlen(yaml), &root, e);
    if (!*st) *st = lt_predictor_open(root, s, SEED, &p, e);
    lt_yaml_free(root);
    return p;
}

static void suite(const struct lt_space *s, const struct lt_predictor_ops *ops) {
    char yaml[64];
    double a[N], sa[N], b[N], sb[N], pred[N], bad = -1;
    struct lt_predictor *p, *q;
    struct lt_predictor_error err = {0};
    struct lt_err e = {0};
    lt_status st;
    int64_t live = lt_mem_live();
    int positive = 0, held = 0;

    snprintf(yaml, sizeof(yaml), "{name: %s}", ops->name);
    p = open_named(s, yaml, &st, &e);
    if (!lt_ok(p && !strcmp(lt_predictor_name(p), ops->name), "%s opens: %s", ops->name, e.msg)) return;
    lt_ok(lt_predictor_predict(p, arch, 1, a, NULL, &e) == LT_EINVAL, "%s does not predict before it is fitted: %s",
          ops->name, e.msg);
    lt_ok(lt_predictor_fit(p, arch, &bad, 1, &e) == LT_EINVAL, "%s needs more than one architecture: %s", ops->name,
          e.msg);
    for (int i = 0; i < 3; i++) {
        double y[3] = {1e-3, 2e-3, 3e-3};

        y[i] = i == 0 ? NAN : i == 1 ? 0 : -1;
        lt_ok(lt_predictor_fit(p, arch, y, 3, &e) == LT_EINVAL, "%s refuses a latency of %g", ops->name, y[i]);
    }
    e.msg[0] = 0;
    st = lt_predictor_fit_holdout(p, arch, truth, N, 0.2, SEED, &err, pred, &e);
    lt_ok(!st && err.n_train == 192 && err.n_holdout == 48, "%s is fitted with 48 held out: %s", ops->name, e.msg);
    lt_ok(err.spearman > 0.93,
          "%s ranks held-out networks: Spearman %.3f, Kendall %.3f, MAPE %.1f%%, coverage of 90%% intervals %.0f%%",
          ops->name, err.spearman, err.kendall, 100 * err.mape, 100 * err.coverage90);
    for (int i = 0; i < N; i++) held += !isnan(pred[i]);
    lt_ok(held == 48, "%s gives the 48 held-out predictions", ops->name);
    lt_ok(!lt_predictor_predict(p, arch, N, a, sa, &e), "%s predicts", ops->name);
    for (int i = 0; i < N; i++) positive += a[i] > 0 && isfinite(a[i]) && sa[i] > 0 && isfinite(sa[i]);
    lt_ok(positive == N, "%s: means and deviations are positive", ops->name);
    q = open_named(s, yaml, &st, &e);
    if (!q) return;
    lt_ok(!lt_predictor_fit(q, arch, truth, N, &e) && !lt_predictor_predict(q, arch, N, b, sb, &e) &&
              !memcmp(a, b, sizeof(a)) && !memcmp(sa, sb, sizeof(sa)),
          "%s: same data, same bits, whatever was fitted before", ops->name);
    for (int i = 0; i < N; i++) lt_predictor_predict(q, &arch[i], 1, &b[i], NULL, &e);
    lt_ok(!memcmp(a, b, sizeof(a)), "%s: one at a time is the same", ops->name);
    lt_ok(!lt_predictor_fit(q, arch, truth, 4, &e) && !lt_predictor_predict(q, arch, N, b, sb, &e) &&
              lt_spearman(b, truth, N) > 0.5,
          "%s makes something of 4 measurements", ops->name);
    lt_predictor_close(p);
    lt_predictor_close(q);
    lt_ok(lt_mem_live() == live, "%s leaks nothing", ops->name);
}

static void linear_is_accurate(const struct lt_space *s) {
    struct lt_predictor_error err = {0};
    struct lt_predictor *p = NULL;
    struct lt_err e = {0};
    lt_status st;

    measure(s, 0);
    lt_ok(!lt_predictor_open(NULL, s, SEED, &p, &e) && !strcmp(lt_predictor_name(p), "linear"),
          "linear is the default");
    /* The machine is additive in work by class: what remains is the penalty's pull */
    st = lt_predictor_fit_holdout(p, arch, truth, N, 0.25, SEED, &err, NULL, &e);
    lt_ok(!st && err.mape < 0.002, "an additive machine without noise: MAPE %.4f%%", 100 * err.mape);
    measure(s, 0.03);
    /* 3% noise: mean |noise| = 2.4%; a fit from 180 samples may add half as much */
    st = lt_predictor_fit_holdout(p, arch, truth, N, 0.25, SEED, &err, NULL, &e);
    lt_ok(!st && err.mape < 0.036, "with 3%% noise: MAPE %.2f%%", 100 * err.mape);
    /* 60 held out: 90% +- 4 standard deviations of the binomial (3.9%) */
    lt_ok(err.coverage90 > 0.745, "its 90%% intervals cover %.0f%%", 100 * err.coverage90);
    {
        double mean[N], sd[N], wide = 0, narrow = 0;

        lt_predictor_fit(p, arch, truth, 40, &e);
        lt_predictor_predict(p, arch, N, mean, sd, &e);
        for (int i = 0; i < N; i++) *(i < 40 ? &narrow : &wide) += sd[i] / mean[i] / (i < 40 ? 40 : N - 40);
        lt_ok(wide > narrow, "it knows less about networks that it has not seen (%.2f%% > %.2f%%)", 100 * wide,
              100 * narrow);
    }
    lt_predictor_close(p);
}

/* Each allocation of opening and fitting may fail: an error, no leak. */
static void out_of_memory(const struct lt_space *s, const char *name) {
    int64_t live = lt_mem_live(), n;
    char yaml[64];
    struct lt_yaml *root = NULL;
    struct lt_err e = {0};
    bool clean = true;

    snprintf(yaml, sizeof(yaml), "{name: %s}", name);
    if (lt_yaml_parse("p.yaml", yaml, strlen(yaml), &root, &e)) return;
    for (n = 1; n < 5000; n++) {
        struct lt_predictor *p = NULL;
        lt_status st;

        lt_mem_fail_at(n);
        st = lt_predictor_open(root, s, SEED, &p, &e);
        if (!st) st = lt_predictor_fit(p, arch, truth, 3, &e);
        lt_mem_fail_at(0);
        clean &= !st || st == LT_ENOMEM;
        lt_predictor_close(p);
        if (!st) break;
    }
    lt_yaml_free(root);
    lt_ok(clean && n > 10 && n < 5000 && lt_mem_live() == live, "%s: each of %d allocations may fail", name,
          (int)n - 1);
}

static void bad_config(const struct lt_space *s) {
    static const struct {
        const char *yaml, *says;
    } t[] = {{"{name: linera}", "did you mean 'linear'"},
             {"{name: linear, lamda: 1}", "lambda"},
             {"{name: linear, lambda: -1}", "p.yaml:1:24"},
             {"{name: [linear]}", "p.yaml:1:8"},
             {"{name: roofline, genes: true}", "genes"}};

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        struct lt_err e = {0};
        lt_status st;
        struct lt_predictor *p = open_named(s, t[i].yaml, &st, &e);

        lt_ok(!p && st == LT_EINVAL && strstr(e.msg, t[i].says), "bad configuration %d: %s", (int)i, e.msg);
        lt_predictor_close(p);
    }
}

/*
 * A run's own situation: the shipped space, 100 measurements with 1% noise, about as many features, so that columns
 * repeat one another. No prediction may leave what the smallest and the largest network, which were measured, allow.
 */
static void linear_stays_in_bounds(void) {
    enum { ROUNDS = 12, MEASURED = 100, ASKED = 400 };
    const char *dir = getenv("LT_SRCDIR");
    char path[1024];
    struct lt_space *s = NULL;
    struct lt_err e = {0};
    int outside = 0, far = 0;

    snprintf(path, sizeof(path), "%s/spaces/mobile28.yaml", dir ? dir : ".");
    if (lt_space_load(path, &s, &e)) {
        lt_ok(false, "%s: %s", path, e.msg);
        return;
    }
    for (int k = 0; k < ROUNDS; k++) {
        struct lt_predictor *p = NULL;
        struct lt_arch a[MEASURED], asked;
        double y[MEASURED], mean[MEASURED], m;

        for (int i = 0; i < MEASURED; i++) {
            struct lt_rng r;
            lt_rng_at(&r, SEED, LT_RNG_TEST, (uint64_t)k, (uint64_t)i);
            if (i > 1)
                lt_space_sample(s, &r, &a[i]);
            else if (i == 1)
                lt_space_largest(s, &a[i]);
            else
                lt_space_smallest(s, &a[i]);
            y[i] = machine(s, &a[i], 0.01, &r);
        }
        if (lt_predictor_open(NULL, s, SEED, &p, &e) || lt_predictor_fit(p, a, y, MEASURED, &e) ||
            lt_predictor_predict(p, a, MEASURED, mean, NULL, &e)) {
            lt_ok(false, "fit of %s: %s", path, e.msg);
            lt_predictor_close(p);
            break;
        }
        for (int i = 0; i < MEASURED; i++) far += fabs(mean[i] / y[i] - 1) > 0.1;
        for (int i = 0; i < ASKED; i++) {
            struct lt_rng r;
            lt_rng_at(&r, SEED, LT_RNG_TEST, 1000 + (uint64_t)k, (uint64_t)i);
            lt_space_sample(s, &r, &asked);
            if (lt_predictor_predict(p, &asked, 1, &m, NULL, &e)) m = NAN;
            outside += !(m > 0.9 * y[0] && m < 1.1 * y[1]);
        }
        lt_predictor_close(p);
    }
    lt_ok(far == 0, "linear: every measured network is predicted within 10%% (%d are not)", far);
    lt_ok(outside == 0, "linear: no prediction leaves smallest..largest by more than 10%% (%d do)", outside);
    lt_space_free(s);
}

int main(void) {
    struct lt_space *s = space();

    lt_note("seed %d", SEED);
    if (!s) return lt_done();
    for (int i = 0; i < lt_predictor_count(); i++) {
        measure(s, 0.02);
        suite(s, lt_predictor_at(i));
        out_of_memory(s, lt_predictor_at(i)->name);
    }
    linear_is_accurate(s);
    linear_stays_in_bounds();
    bad_config(s);
    lt_space_free(s);
    return lt_done();
}
