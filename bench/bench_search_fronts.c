/* NAS-Bench-201, accuracy against latency on four devices: after how many evaluations does LINAS have the hypervolume
 * that NSGA-II has at its end? Both scores come only from evaluations. */
#include "bench/bench_search.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "search/hypervolume.h"
#include <math.h>
#include <stdio.h>

enum { EVALUATIONS = 500, MAX_SEEDS = 100, DEVICES = 4 };

struct front_job {
    const struct bench_table *t;
    int device;
    struct lt_hv hv;
    double at[EVALUATIONS]; /* hypervolume after so many + 1 */
};

static lt_status nothing(void *arg, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e) {
    (void)arg;
    (void)a;
    (void)n;
    (void)out;
    (void)e;
    return LT_OK;
}

static void evaluate(void *arg, const struct lt_arch *a, struct lt_scores *out) {
    const struct front_job *j = arg;
    int row = bench_table_row(j->t, a);

    out->v[LT_SCORE_ACCURACY] = j->t->accuracy[row];
    out->v[LT_SCORE_LATENCY_MS] = j->t->latency[j->device][row];
    out->have[LT_SCORE_ACCURACY] = out->have[LT_SCORE_LATENCY_MS] = true;
}

static bool seen(void *arg, int k, const struct lt_arch *a, const struct lt_scores *s) {
    struct front_job *j = arg;
    const double row[2] = {-s->v[LT_SCORE_ACCURACY], s->v[LT_SCORE_LATENCY_MS]};
    struct lt_err e;

    (void)a;
    if (lt_hv_add(&j->hv, row, &e) || lt_hv_volume(&j->hv, &j->at[k], &e)) bench_die("hypervolume", &e);
    return k + 1 < EVALUATIONS;
}

static void run(struct front_job *j, const char *yaml, int seed, const double *ref) {
    static const struct lt_goal goal = {.n_objectives = 2,
                                        .objective = {{LT_SCORE_ACCURACY, true}, {LT_SCORE_LATENCY_MS, false}}};
    struct lt_probe probe = {j, nothing};
    struct lt_search_env env = {.space = j->t->space, .goal = &goal, .probe = &probe, .seed = (uint64_t)seed};
    struct lt_err e;
    int n;

    if (lt_hv_init(&j->hv, 2, ref, &e)) bench_die("hypervolume", &e);
    n = bench_run(yaml, &env, evaluate, j, seen, j);
    for (; n > 0 && n < EVALUATIONS; n++) j->at[n] = j->at[n - 1];
    lt_hv_release(&j->hv);
}

/* Evaluations until a hypervolume is reached; EVALUATIONS + 1 when it is not. */
static int reached(const double *at, double volume) {
    int k = 0;

    while (k < EVALUATIONS && at[k] < volume) k++;
    return k + 1;
}

int bench_fronts(int seeds) {
    static const char *const devices[DEVICES] = {"pixel3", "1080ti_1", "gold_6240", "titanx_32"};
    const char *nsga2 = "{name: nsga2, population: 50, generations: 10}", *linas = "{name: linas, samples: 500}",
               *random = "{name: random, samples: 500}";
    struct bench_table *t = bench_table_load(devices, DEVICES);
    static double mean[3][EVALUATIONS], needed[MAX_SEEDS];
    double ratio = 0;

    if (!t) return 0;
    printf(
        "\nNAS-Bench-201, CIFAR-100 accuracy against latency, both known only from evaluations; hypervolume in %% of "
        "the whole table's,\nmean over seeds 0 to %d; reference point: accuracy 0, the table's greatest latency; "
        "baseline %s after %d evaluations\n",
        seeds - 1, nsga2, EVALUATIONS);
    printf("%-12s %8s %8s %8s   %s\n", "device", "random", "nsga2", "linas",
           "linas needs for nsga2's: evaluations (ratio)");
    for (int d = 0; d < DEVICES; d++) {
        double ref[2] = {0, 0}, all, target;
        struct front_job j = {.t = t, .device = d};
        struct lt_err e;
        int mean_reached;

        for (int i = 0; i < t->n; i++) ref[1] = fmax(ref[1], t->latency[d][i]);
        if (lt_hv_init(&j.hv, 2, ref, &e)) bench_die("hypervolume", &e);
        for (int i = 0; i < t->n; i++) {
            if (lt_hv_add(&j.hv, (double[]){-t->accuracy[i], t->latency[d][i]}, &e)) bench_die("hypervolume", &e);
        }
        if (lt_hv_volume(&j.hv, &all, &e)) bench_die("hypervolume", &e);
        lt_hv_release(&j.hv);
        for (int m = 0; m < 3; m++) {
            for (int k = 0; k < EVALUATIONS; k++) mean[m][k] = 0;
        }
        for (int s = 0; s < seeds; s++) {
            double end;

            run(&j, random, s, ref);
            for (int k = 0; k < EVALUATIONS; k++) mean[0][k] += j.at[k] / seeds;
            run(&j, nsga2, s, ref);
            end = j.at[EVALUATIONS - 1];
            for (int k = 0; k < EVALUATIONS; k++) mean[1][k] += j.at[k] / seeds;
            run(&j, linas, s, ref);
            for (int k = 0; k < EVALUATIONS; k++) mean[2][k] += j.at[k] / seeds;
            needed[s] = reached(j.at, end);
        }
        target = mean[1][EVALUATIONS - 1];
        mean_reached = reached(mean[2], target);
        printf("%-12s %8.3f %8.3f %8.3f   %d (%.2f) by the mean curve; seed by seed %.0f +- %.0f, %.2f on average\n",
               devices[d], 100 * mean[0][EVALUATIONS - 1] / all, 100 * target / all,
               100 * mean[2][EVALUATIONS - 1] / all, mean_reached, (double)mean_reached / EVALUATIONS,
               lt_mean(needed, seeds), lt_sd(needed, seeds), lt_mean(needed, seeds) / EVALUATIONS);
        fflush(stdout);
        ratio += (double)mean_reached / EVALUATIONS / DEVICES;
    }
    printf("linas has nsga2's hypervolume after %.2f of its evaluations, mean of the four devices; 0.50 aimed at\n",
           ratio);
    bench_table_free(t);
    return 0;
}
