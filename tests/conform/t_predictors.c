/*
 * Every registered predictor through one suite: learns a synthetic machine, ranks held-out networks, is deterministic,
 * depends on neither the order of rows nor the unit of time, survives a file, proposes what is new, refuses nonsense.
 * Methods that transfer learn from five other synthetic machines first. Then what only "linear" promises: an additive
 * machine is learnt almost exactly, and its intervals cover.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lathe/cost.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/predictor.h"
#include "lathe/stats.h"
#include "tests/tap.h"

#define SEED 5
#define N 240

static const char text[] =
    "schema: 1\nname: %s\ninput: {channels: 1, resolution: [16, 20, 24]}\nclasses: 10\nstem: {block: conv, channels: "
    "16, kernel: 3, stride: 2}\nstages:\n"
    "  - {name: s1, block: mbconv, channels: [16, 24], depth: [1, 2], kernel: [3, 5, 7], expand: [2, 3]}\n"
    "  - {name: s2, block: mbconv, channels: [24, 40], depth: [1, 2, 3], stride: 2, kernel: [3, 5], expand: [2, 4], "
    "se: [0, 0.25]}\n"
    "head: {channels: 64}\n";

static struct lt_space *named_space(const char *name) {
    struct lt_yaml *root = NULL;
    struct lt_space *s = NULL;
    struct lt_err e = {0};
    char yaml[1024];

    snprintf(yaml, sizeof(yaml), text, name);
    if (lt_yaml_parse("toy.yaml", yaml, strlen(yaml), &root, &e) || lt_space_parse_yaml(root, &s, &e))
        lt_ok(false, "space: %s", e.msg);
    lt_yaml_free(root);
    return s;
}

/*
 * A machine: every operator costs some time and its work, where depthwise convolutions run at a quarter of the speed;
 * plus relative noise. Seconds. The first: 2 us, dense 8 GMAC/s, bandwidth 10 GB/s, added and not overlapped.
 */
static const struct speed {
    double op_s, dense, depthwise, bytes;
} target = {2e-6, 8e9, 2e9, 1e10}, others[] = {{1e-6, 2e10, 3e9, 2e10},
                                               {5e-6, 6e9, 2e9, 8e9},
                                               {3e-6, 1.2e10, 1.5e9, 1e10},
                                               {8e-6, 3e9, 1e9, 6e9},
                                               {1e-6, 9e9, 3e9, 3e9}};
enum { N_OTHERS = sizeof(others) / sizeof(*others), N_META = 150 };

static double machine_of(const struct lt_space *s, const struct speed *m, const struct lt_arch *a, double noise,
                         struct lt_rng *r) {
    struct lt_graph *g = NULL;
    double t = 0;

    if (lt_space_expand(s, a, &g, NULL)) return NAN;
    for (int i = 1; i < g->n_nodes; i++) {
        struct lt_cost_node c;

        lt_node_cost(g, NULL, i, &c);
        if (!c.written_bytes) continue;
        t += m->op_s + (double)c.macs / (lt_node_is_depthwise(&g->node[i]) ? m->depthwise : m->dense) +
             (double)(c.read_bytes + c.written_bytes) / m->bytes;
    }
    lt_graph_free(g);
    return t * exp(noise * lt_rng_normal(r));
}

static double machine(const struct lt_space *s, const struct lt_arch *a, double noise, struct lt_rng *r) {
    return machine_of(s, &target, a, noise, r);
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

/* The other machines as a data set in `dir`. */
static struct lt_latency_set *other_machines(const struct lt_space *s, const char *dir) {
    struct lt_buf archs = LT_BUF_INIT, latency[N_OTHERS] = {{0}};
    struct lt_latency_set *set = NULL;
    struct lt_err e = {0};
    char path[256];

    lt_buf_puts(&archs, "arch\n");
    for (int d = 0; d < N_OTHERS; d++) lt_buf_puts(&latency[d], "latency_ms\n");
    for (int i = 0; i < N_META; i++) {
        struct lt_rng r;
        struct lt_arch a;
        lt_rng_at(&r, SEED, LT_RNG_TEST, 2, (uint64_t)i);
        lt_space_sample(s, &r, &a);
        lt_buf_puts(&archs, "\"");
        lt_arch_print(s, &a, &archs);
        lt_buf_puts(&archs, "\"\n");
        for (int d = 0; d < N_OTHERS; d++)
            lt_buf_printf(&latency[d], "%.9g\n", 1e3 * machine_of(s, &others[d], &a, 0.02, &r));
    }
    snprintf(path, sizeof(path), "%s/latency", dir);
    lt_mkdirs(path, &e);
    snprintf(path, sizeof(path), "%s/archs.csv", dir);
    lt_file_write_atomic(path, archs.data, archs.len, &e);
    for (int d = 0; d < N_OTHERS; d++) {
        snprintf(path, sizeof(path), "%s/latency/m%d.csv", dir, d);
        lt_file_write_atomic(path, latency[d].data, latency[d].len, &e);
        lt_buf_release(&latency[d]);
    }
    lt_buf_release(&archs);
    lt_ok(!lt_latency_set_load(dir, s, NULL, &set, &e) && set->n_devices == N_OTHERS && set->n == N_META,
          "the other machines are a data set: %s", e.msg);
    return set;
}

static lt_status learn_others(struct lt_predictor *p, const struct lt_latency_set *set, bool backwards,
                              struct lt_err *e) {
    int device[N_OTHERS], row[N_META];
    struct lt_meta m = {set, device, N_OTHERS, row, N_META, NULL};

    if (!lt_predictor_kind(p)->meta_fit) return LT_OK;
    for (int d = 0; d < N_OTHERS; d++) device[d] = backwards ? N_OTHERS - 1 - d : d;
    for (int i = 0; i < N_META; i++) row[i] = backwards ? N_META - 1 - i : i;
    return lt_predictor_meta_fit(p, &m, e);
}

/* Options that make a slow method quick enough for a suite: what is tested here is not how good it is. tiny: for tests
 * that fit hundreds of times. */
static const struct {
    const char *name, *quick, *tiny;
} settings[] = {
    {"mlp", ", steps: 500, width: 64, rate: 1e-3, batch: 32", ", steps: 3, width: 8, layers: 1, batch: 4"},
    {"gcn", ", epochs: 60, hidden: 32, rate: 3e-3", ", epochs: 2, hidden: 4"},
    {"help", ", episodes: 400, hidden: 32, query: 50, rate: 1e-3, draws: 3",
     ", episodes: 2, hidden: 4, query: 10, draws: 2"},
    {"nasflat", ", epochs: 20, width: 16, tune_epochs: 6", ", epochs: 1, samples: 16, width: 4, tune_epochs: 1"},
    {NULL, "", ""}};

static const char *options_of(const char *name, bool tiny) {
    int i = 0;
    while (settings[i].name && strcmp(settings[i].name, name)) i++;
    return tiny ? settings[i].tiny : settings[i].quick;
}

static struct lt_predictor *open_named(const struct lt_space *s, const char *yaml, lt_status *st, struct lt_err *e) {
    struct lt_yaml *root = NULL;
    struct lt_predictor *p = NULL;

    *st = lt_yaml_parse("p.yaml", yaml, strlen(yaml), &root, e);
    if (!*st) *st = lt_predictor_open(root, s, SEED, &p, e);
    lt_yaml_free(root);
    return p;
}

static struct lt_predictor *open_learned(const struct lt_space *s, const struct lt_predictor_ops *ops, bool tiny,
                                         const struct lt_latency_set *set, bool backwards, struct lt_err *e) {
    char yaml[256];
    lt_status st;
    struct lt_predictor *p;

    snprintf(yaml, sizeof(yaml), "{name: %s%s}", ops->name, options_of(ops->name, tiny));
    p = open_named(s, yaml, &st, e);
    if (p && (st = learn_others(p, set, backwards, e))) {
        lt_predictor_close(p);
        return NULL;
    }
    return p;
}

static double off(const double *a, const double *b, int n, double factor) {
    double worst = 0;
    for (int i = 0; i < n; i++) worst = fmax(worst, fabs(a[i] / (factor * b[i]) - 1));
    return worst;
}

static void refuses(const struct lt_space *s, const struct lt_predictor_ops *ops) {
    char yaml[256];
    double a, bad = -1;
    struct lt_err e = {0};
    lt_status st;
    struct lt_predictor *p;

    snprintf(yaml, sizeof(yaml), "{name: %s%s}", ops->name, options_of(ops->name, false));
    p = open_named(s, yaml, &st, &e);
    if (!lt_ok(p && !strcmp(lt_predictor_name(p), ops->name), "%s opens: %s", ops->name, e.msg)) return;
    lt_ok(lt_predictor_predict(p, arch, 1, &a, NULL, &e) == LT_EINVAL,
          "%s does not predict before it knows anything: %s", ops->name, e.msg);
    lt_ok(lt_predictor_fit(p, arch, &bad, 1, &e) == LT_EINVAL, "%s needs more than one architecture: %s", ops->name,
          e.msg);
    for (int i = 0; i < 3; i++) {
        double y[20];

        for (int k = 0; k < 20; k++) y[k] = 1e-3 * (k + 1);
        y[i] = i == 0 ? NAN : i == 1 ? 0 : -1;
        lt_ok(lt_predictor_fit(p, arch, y, 20, &e) == LT_EINVAL, "%s refuses a latency of %g", ops->name, y[i]);
    }
    if (ops->needs_meta)
        lt_ok(lt_predictor_fit(p, arch, truth, 20, &e) == LT_EINVAL && strstr(e.msg, "train"),
              "%s does not adapt before it was trained: %s", ops->name, e.msg);
    lt_predictor_close(p);
}

static void suite(const struct lt_space *s, const struct lt_predictor_ops *ops, const struct lt_latency_set *set) {
    double a[N], sa[N], b[N], sb[N], pred[N], y[N];
    struct lt_arch back[N];
    struct lt_predictor *p, *q;
    struct lt_predictor_error err = {0};
    struct lt_err e = {0};
    lt_status st;
    int64_t live = lt_mem_live();
    int positive = 0, held = 0, few = ops->least > 4 ? ops->least : 4;

    refuses(s, ops);
    e.msg[0] = 0;
    p = open_learned(s, ops, false, set, false, &e);
    q = open_learned(s, ops, false, set, true, &e);
    if (!lt_ok(p && q, "%s opens and learns: %s", ops->name, e.msg)) return;
    st = lt_predictor_fit_holdout(p, arch, truth, N, 0.2, SEED, &err, pred, &e);
    lt_ok(!st && err.n_train == 192 && err.n_holdout == 48, "%s is fitted with 48 held out: %s", ops->name, e.msg);
    lt_ok(err.spearman > 0.9,
          "%s ranks held-out networks: Spearman %.3f, Kendall %.3f, MAPE %.1f%%, coverage of 90%% intervals %.0f%%",
          ops->name, err.spearman, err.kendall, 100 * err.mape, 100 * err.coverage90);
    for (int i = 0; i < N; i++) held += !isnan(pred[i]);
    lt_ok(held == 48, "%s gives the 48 held-out predictions", ops->name);
    lt_ok(!lt_predictor_predict(p, arch, N, a, sa, &e), "%s predicts", ops->name);
    for (int i = 0; i < N; i++) positive += a[i] > 0 && isfinite(a[i]) && sa[i] > 0 && isfinite(sa[i]);
    lt_ok(positive == N, "%s: means and deviations are positive", ops->name);
    for (int i = 0; i < N; i++) {
        back[i] = arch[N - 1 - i];
        y[i] = truth[N - 1 - i];
    }
    lt_ok(!lt_predictor_fit(q, back, y, N, &e) && !lt_predictor_predict(q, arch, N, b, sb, &e) &&
              !memcmp(a, b, sizeof(a)) && !memcmp(sa, sb, sizeof(sa)),
          "%s: same data, same bits, in any order, whatever was fitted before", ops->name);
    for (int i = 0; i < N; i++) lt_predictor_predict(q, &arch[i], 1, &b[i], NULL, &e);
    /* Products of another number of rows may be summed in another order. */
    lt_ok(off(a, b, N, 1) < 1e-5, "%s: one at a time is the same (%.1e)", ops->name, off(a, b, N, 1));
    for (int i = 0; i < N; i++) y[i] *= 1000;
    st = lt_predictor_fit(q, back, y, N, &e);
    if (!st) st = lt_predictor_predict(q, arch, N, b, sb, &e);
    /* Networks are trained in single precision, where rounding differs. */
    lt_ok(!st && off(b, a, N, 1000) < 2e-3 && off(sb, sa, N, 1000) < 0.02,
          "%s: a thousand times slower is a thousand times the answer (%.1e, %.1e)", ops->name, off(b, a, N, 1000),
          off(sb, sa, N, 1000));
    st = lt_predictor_fit(q, arch, truth, few, &e);
    if (!st) st = lt_predictor_predict(q, arch, N, b, sb, &e);
    lt_ok(!st && lt_spearman(b, truth, N) > 0.3, "%s makes something of %d measurements: Spearman %.2f %s", ops->name,
          few, lt_spearman(b, truth, N), e.msg);
    lt_predictor_close(p);
    lt_predictor_close(q);
    lt_ok(lt_mem_live() == live, "%s leaks nothing", ops->name);
}

static void proposes(const struct lt_space *s, const struct lt_predictor_ops *ops, const struct lt_latency_set *set) {
    enum { ASKED = 12, DONE = 10 };
    struct lt_err e = {0};
    struct lt_predictor *p = open_learned(s, ops, true, set, false, &e);
    struct lt_arch out[ASKED], again[ASKED], twice[2 * N];
    int different = 0, fresh = 0, inside = 0;

    if (!p) return;
    memset(out, 0, sizeof(out));
    memset(again, 0, sizeof(again));
    lt_ok(!lt_predictor_propose(p, NULL, NULL, 0, NULL, 0, ASKED, out, &e), "%s proposes: %s", ops->name, e.msg);
    for (int i = 0; i < ASKED; i++) {
        bool first = true;
        for (int k = 0; k < i; k++) first &= !lt_arch_equal(&out[i], &out[k]);
        different += first;
    }
    lt_ok(different == ASKED, "%s: %d different architectures of %d", ops->name, different, ASKED);
    for (int i = 0; i < N; i++) twice[i] = twice[2 * N - 1 - i] = arch[i];
    lt_ok(!lt_predictor_propose(p, arch, truth, DONE, twice, 2 * N, ASKED, out, &e) &&
              !lt_predictor_propose(p, arch, truth, DONE, arch, N, ASKED, again, &e),
          "%s proposes what to measure next: %s", ops->name, e.msg);
    for (int i = 0; i < ASKED; i++) {
        bool new = true, known = false;
        for (int k = 0; k < DONE; k++) new &= !lt_arch_equal(&out[i], &arch[k]);
        for (int k = 0; k < N; k++) known |= lt_arch_equal(&out[i], &arch[k]);
        fresh += new;
        inside += known;
    }
    lt_ok(fresh == ASKED && inside == ASKED, "%s: none that is measured, all of the candidates", ops->name);
    for (int i = 0; i < ASKED; i++) different += lt_arch_equal(&out[i], &again[i]);
    lt_ok(different == 2 * ASKED, "%s: the order and repetition of the candidates do not matter", ops->name);
    lt_ok(lt_predictor_propose(p, arch, truth, DONE, arch, DONE + 2, 3, out, &e) == LT_EINVAL,
          "%s: too few are refused: %s", ops->name, e.msg);
    lt_predictor_close(p);
}

static void keeps(const struct lt_space *s, const struct lt_predictor_ops *ops, const struct lt_latency_set *set,
                  const char *dir) {
    double a[N], sa[N], b[N], sb[N];
    struct lt_err e = {0};
    struct lt_predictor *p = open_learned(s, ops, true, set, false, &e), *q = NULL, *r = NULL;
    struct lt_space *other = named_space("other");
    char path[256];
    int n_seen = 0, n_again = 0;
    int64_t live;

    if (!p || !other) return;
    live = lt_mem_live();
    snprintf(path, sizeof(path), "%s/%s.ltp", dir, ops->name);
    if (!ops->save) {
        lt_ok(lt_predictor_save(p, path, NULL, &e) == LT_EUNAVAIL, "%s is not kept in files", ops->name);
    } else {
        lt_ok(!lt_predictor_save(p, path, "before any fit", &e) && !lt_predictor_load(path, s, &q, &e),
              "%s: a file before any measurement: %s", ops->name, e.msg);
        lt_ok(!lt_predictor_fit(p, arch, truth, 30, &e) && !lt_predictor_fit(q, arch, truth, 30, &e) &&
                  !lt_predictor_predict(p, arch, N, a, sa, &e) && !lt_predictor_predict(q, arch, N, b, sb, &e) &&
                  !memcmp(a, b, sizeof(a)) && !memcmp(sa, sb, sizeof(sa)),
              "%s: what comes back from the file adapts to the same bits: %s", ops->name, e.msg);
        lt_ok(!lt_predictor_save(p, path, "a test", &e) && !lt_predictor_load(path, s, &r, &e) &&
                  !lt_predictor_predict(r, arch, N, b, sb, &e) && !memcmp(a, b, sizeof(a)) &&
                  !memcmp(sa, sb, sizeof(sa)),
              "%s: round trip of the adapted model: %s", ops->name, e.msg);
        lt_predictor_seen(p, &n_seen);
        if (r) lt_predictor_seen(r, &n_again);
        lt_ok(r && n_seen >= 30 && n_seen == n_again && lt_predictor_n_devices(r) == (ops->meta_fit ? N_OTHERS : 0) &&
                  lt_predictor_fitted(r),
              "%s: the file knows %d architectures and its devices", ops->name, n_again);
        lt_predictor_close(q);
        q = NULL;
        lt_ok(lt_predictor_load(path, other, &q, &e) == LT_EINVAL && strstr(e.msg, "not of space"),
              "%s: of another space it is refused: %s", ops->name, e.msg);
    }
    lt_predictor_close(r);
    lt_predictor_close(q);
    lt_predictor_close(p);
    lt_space_free(other);
    (void)live;
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

/* Each allocation of opening, learning and fitting may fail: an error, no leak. */
static void out_of_memory(const struct lt_space *s, const struct lt_predictor_ops *ops,
                          const struct lt_latency_set *set) {
    int64_t live = lt_mem_live(), n, step = 1;
    int tries = 0, rows = ops->least > 3 ? ops->least : 3;
    struct lt_err e = {0};
    bool clean = true, done = false;

    for (n = 1; n < 2000000 && !done; n += step) {
        struct lt_predictor *p;
        struct lt_arch a[2];
        lt_status st = LT_ENOMEM;

        lt_mem_fail_at(n);
        e.status = LT_OK;
        p = open_learned(s, ops, true, set, false, &e);
        if (!p) st = e.status;
        if (p && !(st = lt_predictor_fit(p, arch, truth, rows, &e)))
            st = lt_predictor_propose(p, NULL, NULL, 0, arch, 20, 2, a, &e);
        lt_mem_fail_at(0);
        clean &= !st || st == LT_ENOMEM;
        lt_predictor_close(p);
        done = !st;
        if (++tries > 60) step = 1 + n / 20; /* the first ones all, then ever fewer */
    }
    lt_ok(clean && done && lt_mem_live() == live, "%s: each of about %d allocations may fail", ops->name, (int)n - 1);
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
    struct lt_space *s = named_space("toy");
    struct lt_latency_set *set;
    char dir[] = "/tmp/lathe-predictors-XXXXXX", command[64];

    lt_note("seed %d", SEED);
    if (!s || !mkdtemp(dir)) return lt_done();
    set = other_machines(s, dir);
    for (int i = 0; i < lt_predictor_count() && set; i++) {
        const struct lt_predictor_ops *ops = lt_predictor_at(i);
        measure(s, 0.02);
        suite(s, ops, set);
        proposes(s, ops, set);
        keeps(s, ops, set, dir);
        out_of_memory(s, ops, set);
    }
    linear_is_accurate(s);
    linear_stays_in_bounds();
    bad_config(s);
    lt_latency_set_free(set);
    lt_space_free(s);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (system(command)) lt_note("%s: not removed", dir);
    return lt_done();
}
