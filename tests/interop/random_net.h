/*
 * Random networks with random weights for tests: inverted bottlenecks with and without squeeze-excite, dense
 * convolutions, pools, strides, every activation, odd channel counts. Deterministic in (seed, item).
 */
#ifndef LT_TESTS_RANDOM_NET_H
#define LT_TESTS_RANDOM_NET_H
#include <math.h>
#include <stdio.h>
#include "lathe/graph.h"
#include "lathe/rng.h"

struct rnet {
    struct lt_graph *g;
    struct lt_rng r;
    int x, n;
    char name[8][64]; /* names of one expression, in whichever order they are made */
};

static inline const char *rnet_name(struct rnet *t, const char *what) {
    char *name = t->name[t->n % 8];
    snprintf(name, sizeof(t->name[0]), "b%d.%s", t->n++, what);
    return name;
}

static inline int rnet_pick(struct rnet *t, const int *v, int n) { return v[lt_rng_below(&t->r, (uint32_t)n)]; }

static inline enum lt_act rnet_act(struct rnet *t) { return (enum lt_act)lt_rng_below(&t->r, LT_N_ACTS); }

static inline int rnet_conv(struct rnet *t, int in, int out, int kernel, int stride, int groups, enum lt_act act) {
    int c = lt_graph_conv(t->g, rnet_name(t, "conv"), in,
                          &(struct lt_conv_attr){.out = out,
                                                 .kernel = kernel,
                                                 .stride = stride,
                                                 .groups = groups,
                                                 .pad = -1,
                                                 .bias = lt_rng_below(&t->r, 4) == 0});
    if (lt_rng_below(&t->r, 5)) c = lt_graph_bn(t->g, rnet_name(t, "bn"), c);
    return lt_graph_act(t->g, rnet_name(t, "act"), c, act);
}

/* Squeeze-excite, its gate made by 1x1 convolutions or by linear layers (which leave rank 2 in ONNX). */
static inline int rnet_gate(struct rnet *t, int x) {
    int c = (int)t->g->node[x].out.d[1], mid = 1 + c / 4;
    int s = lt_graph_gap(t->g, rnet_name(t, "squeeze"), x);
    bool linear = lt_rng_below(&t->r, 2);
    s = linear ? lt_graph_linear(t->g, rnet_name(t, "down"), s, mid) : rnet_conv(t, s, mid, 1, 1, 1, LT_ACT_NONE);
    s = lt_graph_act(t->g, rnet_name(t, "relu"), s, LT_ACT_RELU);
    s = linear ? lt_graph_linear(t->g, rnet_name(t, "up"), s, c) : rnet_conv(t, s, c, 1, 1, 1, LT_ACT_NONE);
    s = lt_graph_act(t->g, rnet_name(t, "gate"), s, lt_rng_below(&t->r, 2) ? LT_ACT_HSIGMOID : LT_ACT_SIGMOID);
    return lt_graph_mul(t->g, rnet_name(t, "excite"), x, s);
}

static inline int rnet_bottleneck(struct rnet *t, int x) {
    int in = (int)t->g->node[x].out.d[1], kernel = rnet_pick(t, (const int[]){3, 5, 7}, 3),
        stride = lt_rng_below(&t->r, 3) ? 1 : 2;
    int mid = in * (1 + (int)lt_rng_below(&t->r, 4)),
        out = stride == 1 && lt_rng_below(&t->r, 2) ? in : 3 + (int)lt_rng_below(&t->r, 20);
    enum lt_act a = rnet_act(t);
    int y = rnet_conv(t, x, mid, 1, 1, 1, a);
    y = rnet_conv(t, y, mid, kernel, stride, mid, a);
    if (lt_rng_below(&t->r, 2)) y = rnet_gate(t, y);
    y = rnet_conv(t, y, out, 1, 1, 1, LT_ACT_NONE);
    return out == in && stride == 1 ? lt_graph_add(t->g, rnet_name(t, "residual"), y, x) : y;
}

static inline int rnet_pool(struct rnet *t, int x) {
    int size = (int)t->g->node[x].out.d[2];
    enum lt_pool p = lt_rng_below(&t->r, 2) ? LT_POOL_MAX : LT_POOL_AVG;
    if (size < 4) return x;
    return lt_rng_below(&t->r, 2) ? lt_graph_pool(t->g, rnet_name(t, "pool"), x, p, 3, 2, 1)
                                  : lt_graph_pool(t->g, rnet_name(t, "pool"), x, p, 2, 2, 0);
}

/* The finished graph and weights for it. */
static inline lt_status rnet_finish(struct rnet *t, struct lt_graph **g, struct lt_weights **w, struct lt_err *e) {
    lt_status s;
    if ((s = lt_graph_finish(t->g, e)) || (s = lt_weights_new(t->g, w, e))) {
        lt_graph_free(t->g);
        return s;
    }
    for (int i = 0; i < t->g->n_params; i++) {
        const struct lt_param *p = &t->g->param[i];
        double fan = (double)p->count / (double)p->dim[0];
        for (int64_t k = 0; k < p->count; k++) {
            double z = lt_rng_normal(&t->r);
            float *v = &(*w)->data[i][k];
            switch (p->role) {
            case LT_PARAM_WEIGHT:
                *v = (float)(z * sqrt(2 / fan));
                break;
            case LT_PARAM_GAMMA:
                *v = (float)(1 + 0.3 * z);
                break;
            case LT_PARAM_VAR:
                *v = (float)exp(0.5 * z);
                break;
            default:
                *v = (float)(0.2 * z);
            }
        }
    }
    *g = t->g;
    return LT_OK;
}

/* A finished graph with batch norm in it, and weights. */
static inline lt_status rnet_make(uint64_t seed, uint64_t item, struct lt_graph **g, struct lt_weights **w,
                                  struct lt_err *e) {
    struct rnet t = {0};
    lt_status s;
    int blocks;
    lt_rng_at(&t.r, seed, LT_RNG_TEST, 1, item);
    if ((s = lt_graph_new("random", &t.g, e))) return s;
    int size = 9 + (int)lt_rng_below(&t.r, 12), channels = lt_rng_below(&t.r, 2) ? 3 : 1;
    t.x = lt_graph_input(t.g, lt_rng_below(&t.r, 2) ? "image" : "x", channels, size, size);
    t.x = rnet_conv(&t, t.x, 4 + (int)lt_rng_below(&t.r, 12), 3, 1 + (int)lt_rng_below(&t.r, 2), 1, rnet_act(&t));
    blocks = 1 + (int)lt_rng_below(&t.r, 3);
    for (int i = 0; i < blocks; i++) {
        switch (lt_rng_below(&t.r, 4)) {
        case 0:
            t.x = rnet_conv(&t, t.x, 5 + (int)lt_rng_below(&t.r, 9), rnet_pick(&t, (const int[]){1, 3}, 2), 1, 1,
                            rnet_act(&t));
            break;
        case 1:
            t.x = rnet_pool(&t, t.x);
            break;
        default:
            t.x = rnet_bottleneck(&t, t.x);
        }
    }
    switch (lt_rng_below(&t.r, 3)) {
    case 0:
        t.x = lt_graph_gap(t.g, "gap", t.x);
        break;
    case 1:
        t.x = lt_graph_flatten(t.g, "flatten", t.x);
        break;
    default:
        t.x = lt_graph_flatten(t.g, "flatten", lt_graph_gap(t.g, "gap", t.x));
    }
    if (lt_rng_below(&t.r, 2))
        t.x = lt_graph_act(t.g, "hidden.act", lt_graph_linear(t.g, "hidden", t.x, 12), rnet_act(&t));
    t.x = lt_graph_linear(t.g, lt_rng_below(&t.r, 2) ? "logits" : "classifier", t.x, 10);
    lt_graph_output(t.g, t.x);
    return rnet_finish(&t, g, w, e);
}
#endif
