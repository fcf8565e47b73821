/*
 * Building, checking and costing graphs: microseconds for one MobileNetV3-Large 1.0 at 224 pixels, names made as the
 * blocks of search spaces make them. One line a part; the budget for all of it is 100 us.
 */
#include "lathe/cost.h"
#include "lathe/stats.h"
#include <stdio.h>
#include <stdlib.h>

enum { RUNS = 2000 };

static int named(struct lt_graph *g, const char *block, const char *what, int x, struct lt_conv_attr a,
                 enum lt_act act) {
    char conv[64], bn[64], name[64];
    snprintf(conv, sizeof(conv), "%s.%s", block, what);
    snprintf(bn, sizeof(bn), "%s.%s.bn", block, what);
    snprintf(name, sizeof(name), "%s.%s.act", block, what);
    return lt_graph_act(g, name, lt_graph_bn(g, bn, lt_graph_conv(g, conv, x, &a)), act);
}

static int squeeze(struct lt_graph *g, const char *block, int x) {
    static const char *const what[] = {"gap", "down", "relu", "up", "gate", "mul"};
    char n[6][64];
    int c = (int)g->node[x].out.d[1], mid = (c / 4 + 4) / 8 * 8, y;
    if (10 * mid < 9 * (c / 4)) mid += 8; /* never below nine tenths */
    for (int i = 0; i < 6; i++) snprintf(n[i], sizeof(n[i]), "%s.se.%s", block, what[i]);
    y = lt_graph_conv(g, n[1], lt_graph_gap(g, n[0], x),
                      &(struct lt_conv_attr){.out = mid, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
    y = lt_graph_conv(g, n[3], lt_graph_act(g, n[2], y, LT_ACT_RELU),
                      &(struct lt_conv_attr){.out = c, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
    return lt_graph_mul(g, n[5], x, lt_graph_act(g, n[4], y, LT_ACT_HSIGMOID));
}

/* Howard et al., "Searching for MobileNetV3", ICCV 2019, table 1. */
static lt_status mobilenet(struct lt_graph **out, struct lt_err *e) {
    static const struct {
        int k, exp, out, se, hs, s;
    } t[] = {{3, 16, 16, 0, 0, 1},   {3, 64, 24, 0, 0, 2},   {3, 72, 24, 0, 0, 1},   {5, 72, 40, 1, 0, 2},
             {5, 120, 40, 1, 0, 1},  {5, 120, 40, 1, 0, 1},  {3, 240, 80, 0, 1, 2},  {3, 200, 80, 0, 1, 1},
             {3, 184, 80, 0, 1, 1},  {3, 184, 80, 0, 1, 1},  {3, 480, 112, 1, 1, 1}, {3, 672, 112, 1, 1, 1},
             {5, 672, 160, 1, 1, 2}, {5, 960, 160, 1, 1, 1}, {5, 960, 160, 1, 1, 1}};
    struct lt_graph *g = NULL;
    lt_status s = lt_graph_new("mobilenetv3-large", &g, e);
    if (s) return s;
    int x = lt_graph_input(g, "image", 3, 224, 224);
    x = named(g, "stem", "conv", x, (struct lt_conv_attr){.out = 16, .kernel = 3, .stride = 2, .groups = 1},
              LT_ACT_HSWISH);
    for (int i = 0; i < 15; i++) {
        enum lt_act act = t[i].hs ? LT_ACT_HSWISH : LT_ACT_RELU;
        char block[32], add[48];
        int y = x;
        snprintf(block, sizeof(block), "s%d.b%d", i / 3, i);
        if (t[i].exp != g->node[x].out.d[1])
            y = named(g, block, "expand", y,
                      (struct lt_conv_attr){.out = t[i].exp, .kernel = 1, .stride = 1, .groups = 1}, act);
        y = named(g, block, "dw", y,
                  (struct lt_conv_attr){.out = t[i].exp, .kernel = t[i].k, .stride = t[i].s, .groups = t[i].exp}, act);
        if (t[i].se) y = squeeze(g, block, y);
        y = named(g, block, "project", y, (struct lt_conv_attr){.out = t[i].out, .kernel = 1, .stride = 1, .groups = 1},
                  LT_ACT_NONE);
        snprintf(add, sizeof(add), "%s.add", block);
        x = t[i].s == 1 && t[i].out == g->node[x].out.d[1] ? lt_graph_add(g, add, x, y) : y;
    }
    x = named(g, "head", "conv", x, (struct lt_conv_attr){.out = 960, .kernel = 1, .stride = 1, .groups = 1},
              LT_ACT_HSWISH);
    x = lt_graph_act(g, "wide.act", lt_graph_linear(g, "wide", lt_graph_gap(g, "gap", x), 1280), LT_ACT_HSWISH);
    lt_graph_output(g, lt_graph_linear(g, "classifier", x, 1000));
    if ((s = lt_graph_finish(g, e)))
        lt_graph_free(g);
    else
        *out = g;
    return s;
}

static void line(const char *what, const double *t) {
    printf("%-28s median %7.1f us, lowest %7.1f us\n", what, 1e6 * lt_median(t, RUNS), 1e6 * lt_quantile(t, RUNS, 0));
}

int main(void) {
    static double build[RUNS], cost[RUNS], hash[RUNS], fold[RUNS], all[RUNS];
    struct lt_cost c = {0};
    uint64_t sum = 0;
    struct lt_err e;
    for (int i = -50; i < RUNS; i++) {
        struct lt_graph *g = NULL, *f = NULL;
        double t[5];
        t[0] = lt_now_s();
        if (mobilenet(&g, &e)) {
            fprintf(stderr, "bench_graph: %s\n", e.msg);
            return 1;
        }
        t[1] = lt_now_s();
        lt_graph_cost(g, NULL, &c);
        t[2] = lt_now_s();
        sum += lt_graph_hash(g);
        t[3] = lt_now_s();
        if (lt_graph_fold_bn(g, NULL, &f, NULL, &e)) return 1;
        t[4] = lt_now_s();
        if (i == 0) printf("%d nodes, %d parameters\n", g->n_nodes, g->n_params);
        lt_graph_free(f);
        lt_graph_free(g);
        if (i < 0) continue;
        build[i] = t[1] - t[0];
        cost[i] = t[2] - t[1];
        hash[i] = t[3] - t[2];
        fold[i] = t[4] - t[3];
        all[i] = t[2] - t[0];
    }
    printf("MobileNetV3-Large: %.1f M MACs, %lld parameters (hashes sum to %llx)\n", (double)c.macs / 1e6,
           (long long)c.params, (unsigned long long)sum);
    line("build and infer shapes", build);
    line("cost", cost);
    line("build, infer shapes and cost", all);
    line("hash", hash);
    line("fold batch norm", fold);
    return 0;
}
