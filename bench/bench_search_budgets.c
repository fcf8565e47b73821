/* NAS-Bench-201, one device, one objective under a latency budget: curves of the best found over evaluations. */
#include "bench/bench_search.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MARKS = 5, MAX_SEEDS = 100 };
static const int mark[MARKS] = {50, 100, 200, 400, 500};
static const struct {
    const char *name, *yaml;
    bool is_slow; /* a fifth of the seeds */
} method[] = {
    {"random", "{name: random, samples: 500}", false},
    {"evolution", "{name: evolution, population: 25, generations: 20, tries: 1}", false},
    {"aging", "{name: aging, samples: 500}", false},
    {"linas", "{name: linas, samples: 500}", true},
    {"nsga2", "{name: nsga2, population: 20, generations: 25, tries: 1}", false},
    {"reinforce", "{name: reinforce, samples: 500}", false},
    {"bisection", "{name: bisection}", false},
    {"exact", "{name: exact, samples: 500}", true},
};
enum { METHODS = sizeof(method) / sizeof(*method) };

struct job {
    const struct bench_table *t;
    double limit, best;
    double at[MARKS]; /* best after so many evaluations */
};

static lt_status cheap(void *arg, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e) {
    const struct job *j = arg;

    (void)e;
    for (int i = 0; i < n; i++) {
        out[i].v[LT_SCORE_LATENCY_MS] = j->t->latency[0][bench_table_row(j->t, &a[i])];
        out[i].have[LT_SCORE_LATENCY_MS] = true;
    }
    return LT_OK;
}

static void evaluate(void *arg, const struct lt_arch *a, struct lt_scores *out) {
    const struct job *j = arg;

    cheap(arg, a, 1, out, NULL);
    out->v[LT_SCORE_ACCURACY] = j->t->accuracy[bench_table_row(j->t, a)];
    out->have[LT_SCORE_ACCURACY] = true;
}

static bool seen(void *arg, int k, const struct lt_arch *a, const struct lt_scores *s) {
    struct job *j = arg;

    (void)a;
    j->best = fmax(j->best, s->v[LT_SCORE_ACCURACY]);
    for (int m = 0; m < MARKS; m++) {
        if (k < mark[m]) j->at[m] = j->best;
    }
    return k + 1 < mark[MARKS - 1];
}

static void one_budget(const struct bench_table *t, double percentile, int seeds, FILE *csv) {
    static double found[METHODS][MARKS][MAX_SEEDS];
    double limit = lt_quantile(t->latency[0], t->n, percentile), best = 0;
    struct lt_goal goal = {.n_objectives = 1,
                           .objective = {{LT_SCORE_ACCURACY, true}},
                           .n_constraints = 1,
                           .constraint = {{LT_SCORE_LATENCY_MS, -INFINITY, limit}}};
    int feasible = 0;

    for (int i = 0; i < t->n; i++) {
        if (t->latency[0][i] > limit) continue;
        feasible++;
        best = fmax(best, t->accuracy[i]);
    }
    printf("\n%s, latency <= %.4g ms (percentile %.0f; %d of %d feasible), best feasible %.2f%%\n", t->device[0], limit,
           100 * percentile, feasible, t->n, 100 * best);
    printf("%-10s", "searcher");
    for (int m = 0; m < MARKS; m++) printf("   after %3d     ", mark[m]);
    printf(" regret ratio to random at %d\n", mark[3]);
    for (int i = 0; i < METHODS; i++) {
        int n = method[i].is_slow ? (seeds + 4) / 5 : seeds;

        for (int k = 0; k < n; k++) {
            struct job j = {.t = t, .limit = limit};
            struct lt_probe probe = {&j, cheap};
            struct lt_search_env env = {.space = t->space, .goal = &goal, .probe = &probe, .seed = (uint64_t)k};

            bench_run(method[i].yaml, &env, evaluate, &j, seen, &j);
            for (int m = 0; m < MARKS; m++) {
                found[i][m][k] = 100 * j.at[m];
                if (csv)
                    fprintf(csv, "%.0f,%s,%d,%d,%.4f,%.4f\n", 100 * percentile, method[i].name, k, mark[m],
                            100 * j.at[m], 100 * best);
            }
        }
        printf("%-10s", method[i].name);
        for (int m = 0; m < MARKS; m++)
            printf(" %6.2f +-%5.2f %s", lt_mean(found[i][m], n), lt_sd(found[i][m], n),
                   i == 0                                                  ? " "
                   : lt_mean(found[i][m], n) > lt_mean(found[0][m], seeds) ? "+"
                                                                           : "-");
        printf("  %.2f  (%d seeds)\n",
               (100 * best - lt_mean(found[i][3], n)) / (100 * best - lt_mean(found[0][3], seeds)), n);
        fflush(stdout);
    }
}

int bench_budgets(int seeds, const char *csv_path) {
    static const char *const devices[] = {"pixel3"};
    struct bench_table *t = bench_table_load(devices, 1);
    FILE *csv = t && csv_path ? fopen(csv_path, "w") : NULL;

    if (!t) return 0;
    if (csv) fprintf(csv, "percentile,searcher,seed,evaluations,accuracy,best\n");
    printf(
        "NAS-Bench-201, CIFAR-100 test accuracy in %%, mean +- standard deviation over seeds 0, 1, ...; + better than "
        "random search in the mean, - not\n");
    one_budget(t, 0.1, seeds, csv);
    one_budget(t, 0.3, seeds, csv);
    one_budget(t, 0.6, seeds, csv);
    if (csv) fclose(csv);
    bench_table_free(t);
    return 0;
}
