/*
 * Every registered searcher through one suite: deterministic from its seed, the same sequence for any batch size,
 * nothing asked twice, hard constraints hold, infeasible goals are said to be so at once, small spaces are exhausted,
 * failed evaluations are survived. Then goals and fronts, and that evolution finds an optimum.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "lathe/searcher.h"
#include "tests/tap.h"

#define SEED 3
#define MAX_ASKED 4096

static struct lt_space *space(const char *text) {
    struct lt_yaml *root = NULL;
    struct lt_space *s = NULL;
    struct lt_err e = {0};

    if (lt_yaml_parse("toy.yaml", text, strlen(text), &root, &e) || lt_space_parse_yaml(root, &s, &e))
        lt_ok(false, "space: %s", e.msg);
    lt_yaml_free(root);
    return s;
}

/* 3 * 2 * (3*3 + 9*9) * 2 * (4 + 16 + 64) = 90720 networks */
static const char middle[] =
    "schema: 1\nname: middle\ninput: {channels: 1, resolution: [12, 16, 20]}\nclasses: 10\nstem: {block: conv, "
    "channels: 8, kernel: 3, stride: 2}\nstages:\n"
    "  - {name: s1, block: mbconv, channels: [8, 16], depth: [1, 2], kernel: [3, 5, 7], expand: [2, 3, 4]}\n"
    "  - {name: s2, block: mbconv, channels: [16, 24], depth: [1, 2, 3], stride: 2, kernel: [3, 5], expand: [2, 4]}\n";
/* 2 * (2 + 4) = 12 networks */
static const char tiny[] = "schema: 1\nname: tiny\ninput: {channels: 1, resolution: 12}\nclasses: 10\nstages:\n"
                           "  - {name: s1, block: conv, channels: [8, 16], depth: [1, 2], kernel: [1, 3]}\n";

/* ---- a toy evaluation ---- */

struct toy {
    const struct lt_space *s;
    int64_t probes;
    lt_status fail_after;
    int64_t fail_at;
};

static lt_status cheap(void *arg, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e) {
    struct toy *t = arg;

    for (int i = 0; i < n; i++) {
        struct lt_graph *g = NULL;
        struct lt_cost c;
        lt_status s;

        if (t->fail_at && t->probes >= t->fail_at) return lt_fail(e, t->fail_after, "the probe broke");
        t->probes++;
        if ((s = lt_space_expand(t->s, &a[i], &g, e))) return s;
        lt_graph_cost(g, NULL, &c);
        lt_graph_free(g);
        out[i].v[LT_SCORE_MACS] = (double)c.macs;
        out[i].v[LT_SCORE_PARAMS] = (double)c.params;
        out[i].v[LT_SCORE_LATENCY_MS] = 0.01 * c.n_ops + (double)c.macs / 1e7;
        out[i].have[LT_SCORE_MACS] = out[i].have[LT_SCORE_PARAMS] = out[i].have[LT_SCORE_LATENCY_MS] = true;
    }
    return LT_OK;
}

/* Additive in the choices, each gene with random positive gains; so more blocks are better. */
static double accuracy(const struct lt_space *s, const struct lt_arch *a) {
    double sum = 0;

    for (int g = 0; g < a->n; g++) {
        struct lt_rng r;

        if (!lt_space_gene_active(s, a, g)) continue;
        lt_rng_at(&r, SEED, LT_RNG_TEST, (uint64_t)g, a->g[g]);
        sum += lt_rng_u01(&r) / a->n;
    }
    return sum;
}

static lt_status evaluate(struct toy *t, const struct lt_arch *a, struct lt_scores *out) {
    lt_status s = cheap(t, a, 1, out, NULL);

    t->probes--;
    out->v[LT_SCORE_ACCURACY] = accuracy(t->s, a);
    out->have[LT_SCORE_ACCURACY] = true;
    return s;
}

/* ---- running one ---- */

static const struct lt_goal free_goal = {.n_objectives = 1, .objective = {{LT_SCORE_ACCURACY, true}}};

static struct lt_goal bounded(double max_ms) {
    struct lt_goal g = free_goal;

    g.n_constraints = 1;
    g.constraint[0] = (struct lt_constraint){LT_SCORE_LATENCY_MS, -INFINITY, max_ms};
    return g;
}

struct run {
    struct lt_arch a[MAX_ASKED];
    int n;
    double best;
    int best_at;
    int64_t probes;
    int budget;
    lt_status status;
    struct lt_err err;
};

/* Asks in batches of `batch` and tells each batch, until the searcher is finished. Every `failing`-th evaluation fails
 * (0 = none). */
static void run(struct run *r, const struct lt_space *s, const struct lt_goal *goal, const char *yaml, uint64_t seed,
                int batch, int failing) {
    struct toy toy = {.s = s};
    struct lt_probe probe = {&toy, cheap};
    struct lt_search_env env = {s, goal, &probe, seed};
    struct lt_yaml *root = NULL;
    struct lt_searcher *x = NULL;
    struct lt_scores *sc = calloc(MAX_ASKED, sizeof(*sc));

    memset(r, 0, sizeof(*r));
    r->best = -1;
    if (!(r->status = lt_yaml_parse("x.yaml", yaml, strlen(yaml), &root, &r->err)))
        r->status = lt_searcher_open(root, &env, &x, &r->err);
    if (x) r->budget = lt_searcher_budget(x);
    while (!r->status) {
        int n = 0;

        if ((r->status =
                 lt_searcher_ask(x, r->n + batch > MAX_ASKED ? MAX_ASKED - r->n : batch, r->a + r->n, &n, &r->err)) ||
            !n)
            break;
        for (int i = 0; i < n; i++) {
            memset(&sc[i], 0, sizeof(sc[i]));
            if (failing && (r->n + i) % failing == 0) {
                sc[i].status = LT_EFAIL;
                continue;
            }
            evaluate(&toy, &r->a[r->n + i], &sc[i]);
            if (sc[i].v[LT_SCORE_ACCURACY] > r->best) {
                r->best = sc[i].v[LT_SCORE_ACCURACY];
                r->best_at = r->n + i;
            }
        }
        if ((r->status = lt_searcher_tell(x, r->a + r->n, sc, n, &r->err))) break;
        r->n += n;
        if (r->n == MAX_ASKED) break;
    }
    r->probes = toy.probes;
    lt_searcher_close(x);
    lt_yaml_free(root);
    free(sc);
}

static int by_genes(const void *a, const void *b) {
    return memcmp(((const struct lt_arch *)a)->g, ((const struct lt_arch *)b)->g, LT_MAX_GENES);
}

static int duplicates(const struct run *r) {
    struct lt_arch *a = malloc(sizeof(r->a));
    int d = 0;

    memcpy(a, r->a, sizeof(r->a));
    qsort(a, (size_t)r->n, sizeof(*a), by_genes);
    for (int i = 1; i < r->n; i++) d += by_genes(&a[i], &a[i - 1]) == 0;
    free(a);
    return d;
}

static int violations(const struct lt_space *s, const struct lt_goal *goal, const struct run *r) {
    struct toy toy = {.s = s};
    int bad = 0;

    for (int i = 0; i < r->n; i++) {
        struct lt_scores sc = {.status = LT_OK};
        struct lt_arch c = r->a[i];

        cheap(&toy, &r->a[i], 1, &sc, NULL);
        lt_space_canonical(s, &c);
        bad += lt_goal_violation(goal, &sc, NULL) > 0 || memcmp(&c, &r->a[i], sizeof(c));
    }
    return bad;
}

/* Options that make every searcher ask for 400. Searchers name their sizes as they like; the suite knows the shipped
 * ones and falls back to defaults. */
static void config(const char *name, char yaml[128]) {
    const char *more = !strcmp(name, "evolution") ? ", population: 40, generations: 10"
                       : !strcmp(name, "random")  ? ", samples: 400"
                                                  : "";

    snprintf(yaml, 128, "{name: %s%s}", name, more);
}

static bool same(const struct run *a, const struct run *b) {
    return a->n == b->n && !memcmp(a->a, b->a, (size_t)a->n * sizeof(a->a[0]));
}

static void suite(const struct lt_space *s, const struct lt_space *small, const char *name) {
    static struct run a, b;
    struct lt_goal goal = bounded(0.25), tight = bounded(0.155), impossible = bounded(0.001),
                   contradictory = bounded(0.3);
    int64_t live = lt_mem_live();
    char yaml[128];

    config(name, yaml);
    run(&a, s, &goal, yaml, SEED, 7, 0);
    lt_ok(!a.status && a.n > 50, "%s asks for %d (%s)", name, a.n, a.err.msg);
    lt_ok(a.budget == 0 || a.n <= a.budget, "%s keeps its budget of %d", name, a.budget);
    lt_ok(duplicates(&a) == 0, "%s asks nothing twice", name);
    lt_ok(violations(s, &goal, &a) == 0, "%s: constraints hold, architectures are canonical", name);
    run(&b, s, &goal, yaml, SEED, 7, 0);
    lt_ok(same(&a, &b), "%s: same seed, same search", name);
    run(&b, s, &goal, yaml, SEED, 1, 0);
    lt_ok(same(&a, &b), "%s: one at a time is the same search", name);
    run(&b, s, &goal, yaml, SEED, 333, 0);
    lt_ok(same(&a, &b), "%s: so are large batches", name);
    run(&b, s, &goal, yaml, SEED + 1, 7, 0);
    lt_ok(!same(&a, &b), "%s: another seed, another search", name);

    run(&b, s, &tight, yaml, SEED, 50, 0);
    lt_ok(!b.status && b.n > 0 && violations(s, &tight, &b) == 0 && duplicates(&b) == 0,
          "%s finds %d in a tight corner with %d probes (%s)", name, b.n, (int)b.probes, b.err.msg);

    run(&b, s, &impossible, yaml, SEED, 50, 0);
    lt_ok(b.status == LT_INFEASIBLE && b.n == 0 && strstr(b.err.msg, "latency_ms <= 0.001 ms") &&
              strstr(b.err.msg, "middle:"),
          "%s, impossible: %s", name, b.err.msg);
    lt_ok(b.probes < 20000, "%s says so after %d probes", name, (int)b.probes);
    contradictory.constraint[contradictory.n_constraints++] = (struct lt_constraint){LT_SCORE_PARAMS, 1e7, INFINITY};
    run(&b, s, &contradictory, yaml, SEED, 50, 0);
    lt_ok(b.status == LT_INFEASIBLE && strstr(b.err.msg, "params >= 1e+07"), "%s, contradictory: %s", name, b.err.msg);

    run(&b, small, &free_goal, yaml, SEED, 5, 0);
    lt_ok(!b.status && b.n == 12 && duplicates(&b) == 0, "%s exhausts a space of 12 (%d)", name, b.n);
    run(&b, s, &goal, yaml, SEED, 7, 3);
    lt_ok(!b.status && b.n > 50 && duplicates(&b) == 0, "%s survives failed evaluations", name);
    run(&b, s, &goal, yaml, SEED, 7, 1);
    lt_ok(!b.status && b.n > 50, "%s survives when all fail", name);
    lt_ok(lt_mem_live() == live, "%s leaks nothing", name);
}

static void protocol(const struct lt_space *s, const char *name) {
    struct toy toy = {.s = s};
    struct lt_probe probe = {&toy, cheap};
    struct lt_goal goal = bounded(0.25);
    struct lt_search_env env = {s, &goal, &probe, SEED};
    struct lt_yaml *root = NULL;
    struct lt_searcher *x = NULL;
    struct lt_arch a[4], swapped[2];
    struct lt_scores sc[4] = {{.status = LT_OK}};
    struct lt_err e = {0};
    char yaml[128];
    int n = 0;

    config(name, yaml);
    if (lt_yaml_parse("x.yaml", yaml, strlen(yaml), &root, &e) || lt_searcher_open(root, &env, &x, &e) ||
        lt_searcher_ask(x, 4, a, &n, &e) || n != 4) {
        lt_ok(false, "%s asks: %s", name, e.msg);
        return;
    }
    for (int i = 0; i < 4; i++) evaluate(&toy, &a[i], &sc[i]);
    swapped[0] = a[1];
    swapped[1] = a[0];
    lt_ok(lt_searcher_tell(x, swapped, sc, 2, &e) == LT_EINVAL, "%s: results out of order are refused: %s", name,
          e.msg);
    lt_ok(lt_searcher_tell(x, a, sc, 5, &e) == LT_EINVAL, "%s: more results than asked are refused: %s", name, e.msg);
    lt_ok(!lt_searcher_tell(x, a, sc, 1, &e) && !lt_searcher_tell(x, a + 1, sc + 1, 3, &e),
          "%s: results may come in parts", name);
    lt_ok(lt_searcher_ask(x, 0, a, &n, &e) == LT_EINVAL, "%s: asking for none is refused", name);
    lt_searcher_close(x);
    x = NULL;
    toy.probes = 0;
    toy.fail_at = 30;
    toy.fail_after = LT_EIO;
    if (lt_searcher_open(root, &env, &x, &e)) return;
    e.status = LT_OK;
    for (int i = 0; i < 40 && !e.status; i++) {
        if (lt_searcher_ask(x, 4, a, &n, &e) || lt_searcher_tell(x, a, sc, n, &e)) break;
    }
    lt_ok(e.status == LT_EIO && strstr(e.msg, "the probe broke"), "%s: an error of the probe comes through: %s", name,
          e.msg);
    lt_searcher_close(x);
    lt_yaml_free(root);
}

/* Each allocation of opening and of the first asks may fail: an error, no leak. */
static void out_of_memory(const struct lt_space *s, const char *name) {
    struct toy toy = {.s = s};
    struct lt_probe probe = {&toy, cheap};
    struct lt_goal goal = bounded(0.25);
    struct lt_search_env env = {s, &goal, &probe, SEED};
    int64_t live = lt_mem_live(), n;
    struct lt_yaml *root = NULL;
    struct lt_err e = {0};
    struct lt_arch a[2];
    char yaml[64];
    bool clean = true;

    snprintf(yaml, sizeof(yaml), "{name: %s}", name);
    if (lt_yaml_parse("x.yaml", yaml, strlen(yaml), &root, &e)) return;
    for (n = 1; n <= 400; n++) {
        struct lt_searcher *x = NULL;
        lt_status st;
        int got;

        lt_mem_fail_at(n);
        st = lt_searcher_open(root, &env, &x, &e);
        if (!st) st = lt_searcher_ask(x, 2, a, &got, &e);
        lt_mem_fail_at(0);
        clean &= !st || st == LT_ENOMEM;
        lt_searcher_close(x);
    }
    lt_yaml_free(root);
    lt_ok(clean && lt_mem_live() == live, "%s: each of its first 400 allocations may fail", name);
}

/* The best of all networks under the goal, by enumeration. */
static double optimum(const struct lt_space *s, const struct lt_goal *goal, int *n_feasible) {
    struct lt_arch a = {.n = lt_space_n_genes(s)}, c;
    struct toy toy = {.s = s};
    double best = -1;
    int k;

    *n_feasible = 0;
    do {
        c = a;
        lt_space_canonical(s, &c);
        if (!memcmp(&c, &a, sizeof(c))) {
            struct lt_scores sc = {.status = LT_OK};

            evaluate(&toy, &c, &sc);
            if (lt_goal_violation(goal, &sc, NULL) == 0) {
                ++*n_feasible;
                best = fmax(best, sc.v[LT_SCORE_ACCURACY]);
            }
        }
        for (k = 0; k < a.n && ++a.g[k] == lt_space_gene(s, k)->n_choices; k++) a.g[k] = 0;
    } while (k < a.n);
    return best;
}

static void evolution_converges(const struct lt_space *s) {
    static struct run evo, rnd;
    static const char yaml[] = "{name: evolution, population: 40, generations: 25}";
    struct lt_goal goal = bounded(0.22);
    int feasible, found = 0, better = 0;
    double best = optimum(s, &goal, &feasible);

    for (int k = 0; k < 5; k++) {
        run(&evo, s, &goal, yaml, (uint64_t)k, 40, 0);
        run(&rnd, s, &goal, "{name: random, samples: 1000}", (uint64_t)k, 40, 0);
        found += evo.best >= best - 1e-12;
        better += evo.best >= rnd.best;
        lt_note("seed %d: optimum %.5f of %d feasible; evolution %.5f after %d of %d evaluations, random %.5f", k, best,
                feasible, evo.best, evo.best_at + 1, evo.n, rnd.best);
    }
    lt_ok(found >= 4, "evolution finds the constrained optimum in %d of 5 runs of 1000 evaluations", found);
    lt_ok(better == 5, "and is never worse than random search");
}

/* ---- goals ---- */

static struct lt_scores point(double acc, double ms, bool known) {
    struct lt_scores s = {.status = LT_OK};

    s.v[LT_SCORE_ACCURACY] = acc;
    s.v[LT_SCORE_LATENCY_MS] = ms;
    s.have[LT_SCORE_ACCURACY] = s.have[LT_SCORE_LATENCY_MS] = known;
    return s;
}

static void goals(void) {
    const struct lt_goal g = {.n_objectives = 2,
                              .objective = {{LT_SCORE_ACCURACY, true}, {LT_SCORE_LATENCY_MS, false}},
                              .n_constraints = 2,
                              .constraint = {{LT_SCORE_LATENCY_MS, -INFINITY, 2}, {LT_SCORE_ACCURACY, 0.5, INFINITY}}};
    struct lt_scores s[9] = {point(0.9, 1.0, true),  point(0.8, 1.0, true),  point(0.95, 1.9, true),
                             point(0.99, 3.0, true), point(0.4, 0.1, true),  point(0.7, 0.5, true),
                             point(0.9, 1.0, true),  point(0.99, 0.1, true), point(0, 0, false)};
    enum lt_score sc;
    int front[9], n, worst, round_trips = 0;

    s[7].status = LT_EFAIL;
    lt_ok(lt_goal_violation(&g, &s[0], &worst) == 0 && worst == -1, "feasible");
    lt_ok(fabs(lt_goal_violation(&g, &s[3], &worst) - 0.5) < 1e-12 && worst == 0, "50%% too slow");
    lt_ok(fabs(lt_goal_violation(&g, &s[4], &worst) - 0.2) < 1e-12 && worst == 1, "20%% too inaccurate");
    lt_ok(lt_goal_violation(&g, &s[8], NULL) == 0, "unknown counts as met");
    s[8] = point(NAN, 1, true);
    lt_ok(isinf(lt_goal_violation(&g, &s[8], NULL)), "NaN does not");
    lt_ok(lt_goal_dominates(&g, &s[0], &s[1]) && !lt_goal_dominates(&g, &s[1], &s[0]),
          "more accurate at equal latency dominates");
    lt_ok(!lt_goal_dominates(&g, &s[0], &s[2]) && !lt_goal_dominates(&g, &s[2], &s[0]) &&
              !lt_goal_dominates(&g, &s[0], &s[6]),
          "trade-offs and equals do not");
    lt_ok(lt_goal_dominates(&g, &s[1], &s[3]) && !lt_goal_dominates(&g, &s[3], &s[1]), "feasible dominates infeasible");
    lt_ok(lt_goal_dominates(&g, &s[4], &s[3]), "less infeasible dominates more infeasible");
    lt_ok(lt_goal_dominates(&g, &s[1], &s[7]) && !lt_goal_dominates(&g, &s[7], &s[1]),
          "a failed evaluation dominates nothing");
    n = lt_pareto_front(&g, s, 9, front);
    lt_ok(n == 4 && front[0] == 0 && front[1] == 2 && front[2] == 5 && front[3] == 6,
          "the front: feasible, not dominated, equals kept, in input order");
    for (int i = 0; i < LT_N_SCORES; i++)
        round_trips += lt_score_parse(lt_score_name((enum lt_score)i), &sc) && (int)sc == i;
    lt_ok(round_trips == LT_N_SCORES && !lt_score_parse("speed", &sc), "names of scores");
}

static void bad_config(const struct lt_space *s) {
    static const struct {
        const char *yaml, *says;
    } t[] = {{"{name: evolutoin}", "did you mean 'evolution'"},
             {"{name: evolution, populaton: 10}", "population"},
             {"{name: evolution, population: 1}", "x.yaml:1:31"},
             {"{name: random, samples: many}", "x.yaml:1:25"}};
    static const struct lt_goal empty;
    static struct run r;

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        run(&r, s, &free_goal, t[i].yaml, SEED, 1, 0);
        lt_ok(r.status == LT_EINVAL && strstr(r.err.msg, t[i].says), "bad configuration %d: %s", (int)i, r.err.msg);
    }
    run(&r, s, &empty, "{name: random}", SEED, 1, 0);
    lt_ok(r.status == LT_EINVAL && strstr(r.err.msg, "no objective"), "a goal without objective: %s", r.err.msg);
}

int main(void) {
    struct lt_space *s = space(middle), *small = space(tiny);

    lt_note("seed %d", SEED);
    if (!s || !small) return lt_done();
    for (int i = 0; i < lt_searcher_count(); i++) {
        suite(s, small, lt_searcher_at(i)->name);
        protocol(s, lt_searcher_at(i)->name);
        out_of_memory(s, lt_searcher_at(i)->name);
    }
    evolution_converges(s);
    goals();
    bad_config(s);
    lt_space_free(s);
    lt_space_free(small);
    return lt_done();
}
