/*
 * The search benchmark, by parts: bench_search [PART ...]; without one those that take seconds (speed, exact), or, with
 * BENCH_ALL in the environment as `make bench-search` sets it, all.
 *   speed    50,000 evaluations of constrained evolution on predictors that cost nothing
 *   exact    the exact solver
 *   budgets  NAS-Bench-201, best accuracy under a latency limit over evaluations, all searchers against random search
 *   fronts   NAS-Bench-201, hypervolume of accuracy against latency over evaluations, LINAS against NSGA-II
 * Environment: LATHE_DATA, the folder that holds latency/nasbench201; BENCH_SEEDS, seeds instead of 100 (slow
 * searchers: a fifth) and 10;
 * BENCH_CSV, a file for the curves of `budgets`.
 */
#include "bench/bench_search.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    static const char *const part[] = {"speed", "exact", "budgets", "fronts"};
    const char *seeds = getenv("BENCH_SEEDS");
    int n = seeds ? atoi(seeds) : 0;

    if (n < 0 || n > 100) n = 0;
    for (int k = 0; k < 4; k++) {
        bool wanted = argc < 2 && (k < 2 || getenv("BENCH_ALL"));

        for (int i = 1; i < argc; i++) wanted |= !strcmp(argv[i], part[k]);
        if (!wanted) continue;
        if (k == 0) bench_speed();
        if (k == 1) bench_exact();
        if (k == 2) bench_budgets(n ? n : 100, getenv("BENCH_CSV"));
        if (k == 3) bench_fronts(n ? n : 10);
    }
    if (argc < 2 && !getenv("BENCH_ALL"))
        printf("\nbudgets, fronts: these take minutes; `make bench-search` runs them\n");
    return 0;
}
