/*
 * What it costs to look at a space: architectures sampled with MACs and parameters from tables of blocks, and one
 * network expanded, costed and folded. Prints times and their ratio to expanding every network; judges nothing.
 *   bench_space [space file] [architectures]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "lathe/cost.h"
#include "lathe/space.h"

static double now(void) {
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void draw(const struct lt_space *s, int i, struct lt_arch *a) {
    struct lt_rng r;

    lt_rng_at(&r, 1, LT_RNG_BENCH, 0, (uint64_t)i);
    lt_space_sample(s, &r, a);
}

static double tables(const struct lt_space *s, int n, double *macs, double *params) {
    struct lt_space_costs *c = NULL;
    struct lt_arch a[256];
    struct lt_totals t[256];
    struct lt_err e = {0};
    double start = now();

    *macs = *params = 0;
    if (lt_space_costs_new(s, &c, &e)) goto fail;
    for (int i = 0; i < n; i += 256) {
        int k = n - i < 256 ? n - i : 256;

        for (int j = 0; j < k; j++) draw(s, i + j, &a[j]);
        if (lt_space_costs_totals(c, a, k, t, &e)) goto fail;
        for (int j = 0; j < k; j++) {
            *macs += t[j].macs;
            *params += t[j].trained_params;
        }
    }
    lt_space_costs_free(c);
    return now() - start;
fail:
    fprintf(stderr, "%s\n", e.msg);
    exit(1);
}

int main(int argc, char **argv) {
    const char *file = argc > 1 ? argv[1] : "ofa-mobilenetv3";
    int n = argc > 2 ? atoi(argv[2]) : 1000000, m = 2000;
    struct lt_space *s = NULL;
    struct lt_err e = {0};
    double macs, params, t, start, expand, cost = 0;

    start = now();
    if (lt_space_load(file, &s, &e)) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    printf("%s: loaded in %.2f ms\n", lt_space_name(s), 1e3 * (now() - start));
    start = now();
    for (int i = 0; i < n; i++) {
        struct lt_arch a;

        draw(s, i, &a);
    }
    printf("sampling alone: %.3f us an architecture\n", 1e6 * (now() - start) / n);
    t = tables(s, n, &macs, &params);
    printf("sampled %d with MACs and parameters in %.2f s (mean %.1f M MACs, %.2f M parameters)\n", n, t,
           macs / n / 1e6, params / n / 1e6);
    start = now();
    for (int i = 0; i < m; i++) {
        struct lt_graph *g = NULL;
        struct lt_cost c;
        struct lt_arch a;

        draw(s, i, &a);
        if (lt_space_expand(s, &a, &g, &e)) {
            fprintf(stderr, "%s\n", e.msg);
            return 1;
        }
        lt_graph_cost(g, NULL, &c);
        cost += (double)c.macs;
        lt_graph_free(g);
    }
    expand = (now() - start) / m;
    printf("expanded and costed in %.1f us a network; the tables are %.0f times as fast\n", 1e6 * expand,
           expand * n / t);
    lt_space_free(s);
    return cost > 0 ? 0 : 1;
}
