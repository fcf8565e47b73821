/*
 * Networks and data for tests of training: random inverted-bottleneck networks that use every operator there is, and a
 * loss.
 */
#ifndef LT_TESTS_TRAIN_NET_H
#define LT_TESTS_TRAIN_NET_H
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "lathe/runtime.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NET_CONV(o, k, s, g, b)                                                                                        \
    (&(struct lt_conv_attr){.out = (o), .kernel = (k), .stride = (s), .groups = (g), .bias = (b)})

enum { NET_CLASSES = 5 };

static struct lt_err net_err;

__attribute__((unused)) static int net_block(struct lt_graph *g, struct lt_rng *r, int i, int x, bool smooth) {
    static const int kernels[] = {3, 5, 7};
    char nm[64];
#define NAME(s) (snprintf(nm, sizeof(nm), "b%d.%s", i, s), nm)
    int c = (int)g->node[x].out.d[1], mid = c * (1 + (int)lt_rng_below(r, 4)), stride = lt_rng_below(r, 3) ? 1 : 2,
        y = x;
    int out = lt_rng_below(r, 2) ? c : 5 + (int)lt_rng_below(r, 24);
    enum lt_act act = smooth ? LT_ACT_SIGMOID + lt_rng_below(r, 3) : LT_ACT_RELU + lt_rng_below(r, LT_N_ACTS - 1);
    enum lt_act relu = smooth ? LT_ACT_SILU : LT_ACT_RELU;
    y = lt_graph_act(g, NAME("act1"),
                     lt_graph_bn(g, NAME("bn1"), lt_graph_conv(g, NAME("expand"), y, NET_CONV(mid, 1, 1, 1, false))),
                     act);
    if (lt_rng_below(r, 4) == 0 && c % 2 == 0) /* a grouped convolution now and then */
        y = lt_graph_conv(g, NAME("grouped"), y, NET_CONV(mid, 3, stride, 2, lt_rng_below(r, 2)));
    else
        y = lt_graph_conv(g, NAME("dw"), y,
                          NET_CONV(mid, kernels[lt_rng_below(r, 3)], stride, mid, lt_rng_below(r, 4) == 0));
    y = lt_graph_act(g, NAME("act2"), lt_graph_bn(g, NAME("bn2"), y), act);
    if (lt_rng_below(r, 2)) {
        int s = lt_graph_gap(g, NAME("squeeze"), y);
        s = lt_graph_act(g, NAME("se.relu"),
                         lt_graph_conv(g, NAME("se.reduce"), s, NET_CONV(4 + (int)lt_rng_below(r, 9), 1, 1, 1, true)),
                         relu);
        s = lt_graph_act(g, NAME("se.gate"), lt_graph_conv(g, NAME("se.expand"), s, NET_CONV(mid, 1, 1, 1, true)),
                         !smooth && lt_rng_below(r, 2) ? LT_ACT_HSIGMOID : LT_ACT_SIGMOID);
        y = lt_graph_mul(g, NAME("se.mul"), y, s);
    }
    y = lt_graph_bn(g, NAME("bn3"), lt_graph_conv(g, NAME("project"), y, NET_CONV(out, 1, 1, 1, false)));
    if (out == c && stride == 1) {
        if (lt_rng_below(r, 3) == 0) y = lt_graph_act(g, NAME("act3"), y, LT_ACT_TANH);
        y = lt_rng_below(r, 2) ? lt_graph_add(g, NAME("add"), x, y) : lt_graph_add(g, NAME("add"), y, x);
    } else if (lt_rng_below(r, 2)) { /* a projected shortcut: two batch norms meet in a sum */
        int s = lt_graph_bn(g, NAME("bn4"), lt_graph_conv(g, NAME("shortcut"), x, NET_CONV(out, 1, stride, 1, false)));
        y = lt_graph_act(g, NAME("act4"), lt_graph_add(g, NAME("sum"), y, s), relu);
    }
    return y;
#undef NAME
}

/* smooth: nothing whose gradient jumps. */
__attribute__((unused)) static struct lt_graph *net_random(uint64_t seed, bool smooth) {
    struct lt_graph *g = NULL;
    struct lt_rng r;
    lt_rng_at(&r, 1, LT_RNG_TEST, 202, seed);
    if (lt_graph_new("random", &g, &net_err)) return NULL;
    int size = 9 + (int)lt_rng_below(&r, 9), blocks = 2 + (int)lt_rng_below(&r, 3);
    int x = lt_graph_input(g, "image", lt_rng_below(&r, 2) ? 1 : 3, size, size);
    x = lt_graph_conv(g, "stem", x,
                      NET_CONV(8 + 2 * (int)lt_rng_below(&r, 5), 3, 1 + (int)lt_rng_below(&r, 2), 1, false));
    x = lt_graph_act(g, "stem.act", lt_graph_bn(g, "stem.bn", x), smooth ? LT_ACT_SILU : LT_ACT_HSWISH);
    for (int i = 0; i < blocks; i++) x = net_block(g, &r, i, x, smooth);
    if (lt_rng_below(&r, 2))
        x = lt_graph_pool(g, "pool", x, !smooth && lt_rng_below(&r, 2) ? LT_POOL_MAX : LT_POOL_AVG, 3, 2, 1);
    if (lt_rng_below(&r, 2))
        x = lt_graph_gap(g, "gap", x);
    else if (lt_rng_below(&r, 2))
        x = lt_graph_flatten(g, "flatten", x);
    lt_graph_output(g, lt_graph_linear(g, "classifier", x, NET_CLASSES));
    if (lt_graph_finish(g, &net_err)) {
        lt_graph_free(g);
        return NULL;
    }
    return g;
}

/* Weights of about unit gain; gamma and var near 1, beta and mean near 0. */
__attribute__((unused)) static struct lt_weights *net_weights(const struct lt_graph *g, uint64_t seed) {
    struct lt_weights *w = NULL;
    struct lt_rng r;
    lt_rng_at(&r, seed, LT_RNG_TEST, 203, 0);
    if (lt_weights_new(g, &w, &net_err)) return NULL;
    for (int i = 0; i < g->n_params; i++) {
        const struct lt_param *p = &g->param[i];
        double fan = (double)(p->count / p->dim[0]), sd = p->role == LT_PARAM_WEIGHT ? 1.4 / sqrt(fan) : 0.2;
        double center = p->role == LT_PARAM_GAMMA || p->role == LT_PARAM_VAR ? 1 : 0;
        for (int64_t j = 0; j < p->count; j++) {
            double v = center + sd * lt_rng_normal(&r);
            w->data[i][j] = (float)(p->role == LT_PARAM_VAR ? 0.3 + fabs(v) : v);
        }
    }
    return w;
}

__attribute__((unused)) static float *net_noise(int64_t n, uint64_t seed) {
    float *x = lt_malloc((size_t)n * sizeof(float));
    struct lt_rng r;
    lt_rng_at(&r, seed, LT_RNG_TEST, 204, 0);
    for (int64_t i = 0; i < n && x; i++) x[i] = (float)lt_rng_normal(&r);
    return x;
}

/* max |a - b| over max |b| or over `least` if that is larger; 0 when both are all zero */
__attribute__((unused)) static double net_distance(const float *a, const float *b, int64_t n, double least) {
    double d = 0, top = least;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i])) return INFINITY;
        d = fmax(d, fabs((double)a[i] - b[i]));
        top = fmax(top, fabs((double)b[i]));
    }
    return d == 0 ? 0 : d / top;
}
#endif
