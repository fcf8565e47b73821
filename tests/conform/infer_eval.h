/*
 * What the tests of INFER sessions compare with: random networks, and an evaluation one node after another in
 * [N,C,H,W], with double accumulation and its own fake quantization. Static functions; each test that includes this is
 * one program.
 */
#ifndef LT_TESTS_INFER_EVAL_H
#define LT_TESTS_INFER_EVAL_H
#include "lathe/graph.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "tests/conform/infer_eval_seq.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct lt_err err;

/* ---- random networks ---- */
/* Names of one expression, in whichever order they are made. */
struct names {
    char s[8][64];
    int at;
};

static const char *name_of(struct names *n, int block, const char *what) {
    char *buf = n->s[n->at++ % 8];
    snprintf(buf, sizeof(n->s[0]), "b%d.%s", block, what);
    return buf;
}

static int block(struct lt_graph *g, struct lt_rng *r, int i, int x) {
    static const int kernels[] = {3, 5, 7};
    static const enum lt_act acts[] = {LT_ACT_RELU, LT_ACT_RELU6, LT_ACT_HSWISH, LT_ACT_SILU, LT_ACT_TANH, LT_ACT_NONE};
    struct names nm = {.at = 0};
#define NAME(s) name_of(&nm, i, s)
    int c = (int)g->node[x].out.d[1], mid = c * (1 + (int)lt_rng_below(r, 4)), stride = lt_rng_below(r, 3) ? 1 : 2,
        y = x;
    int out = lt_rng_below(r, 2) ? c : 8 + (int)lt_rng_below(r, 24);
    enum lt_act act = acts[lt_rng_below(r, 6)];
    if (g->node[x].out.d[2] < 6) stride = 1;
    y = lt_graph_act(
        g, NAME("act1"),
        lt_graph_conv(g, NAME("expand"), y,
                      &(struct lt_conv_attr){.out = mid, .kernel = 1, .stride = 1, .groups = 1, .bias = true}),
        act);
    y = lt_graph_act(
        g, NAME("act2"),
        lt_graph_conv(
            g, NAME("dw"), y,
            &(struct lt_conv_attr){
                .out = mid, .kernel = kernels[lt_rng_below(r, 3)], .stride = stride, .groups = mid, .bias = true}),
        act);
    if (lt_rng_below(r, 2)) {
        int s = lt_graph_gap(g, NAME("squeeze"), y);
        s = lt_graph_act(
            g, NAME("se.relu"),
            lt_graph_conv(g, NAME("se.reduce"), s,
                          &(struct lt_conv_attr){
                              .out = 4 + (int)lt_rng_below(r, 9), .kernel = 1, .stride = 1, .groups = 1, .bias = true}),
            LT_ACT_RELU);
        s = lt_graph_act(
            g, NAME("se.gate"),
            lt_graph_conv(g, NAME("se.expand"), s,
                          &(struct lt_conv_attr){.out = mid, .kernel = 1, .stride = 1, .groups = 1, .bias = true}),
            lt_rng_below(r, 2) ? LT_ACT_HSIGMOID : LT_ACT_SIGMOID);
        y = lt_graph_mul(g, NAME("se.mul"), y, s);
    }
    y = lt_graph_conv(g, NAME("project"), y,
                      &(struct lt_conv_attr){.out = out, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
    if (out == c && stride == 1) {
        y = lt_rng_below(r, 2) ? lt_graph_add(g, NAME("add"), x, y) : lt_graph_add(g, NAME("add"), y, x);
        if (lt_rng_below(r, 3) == 0) y = lt_graph_act(g, NAME("act3"), y, LT_ACT_RELU);
    }
    return y;
#undef NAME
}

__attribute__((unused)) static struct lt_graph *random_net(int seed) {
    struct lt_graph *g = NULL;
    struct lt_rng r;
    lt_rng_at(&r, 1, LT_RNG_TEST, 101, (uint64_t)seed);
    if (lt_graph_new("random", &g, &err)) return NULL;
    int size = 11 + (int)lt_rng_below(&r, 10), blocks = 2 + (int)lt_rng_below(&r, 3);
    int x = lt_graph_input(g, "image", lt_rng_below(&r, 2) ? 1 : 3, size, size);
    x = lt_graph_conv(g, "stem", x,
                      &(struct lt_conv_attr){.out = 8 + (int)lt_rng_below(&r, 12),
                                             .kernel = 3,
                                             .stride = 1 + (int)lt_rng_below(&r, 2),
                                             .groups = 1,
                                             .bias = true});
    x = lt_graph_act(g, "stem.act", x, LT_ACT_HSWISH);
    if (lt_rng_below(&r, 2)) x = lt_graph_pool(g, "pool", x, lt_rng_below(&r, 2) ? LT_POOL_MAX : LT_POOL_AVG, 3, 2, 1);
    for (int i = 0; i < blocks; i++) x = block(g, &r, i, x);
    if (lt_rng_below(&r, 2)) { /* two branches that are both convolutions, and a grouped one */
        int a = lt_graph_conv(g, "left", x,
                              &(struct lt_conv_attr){.out = 16, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
        int b = lt_graph_conv(g, "right", x,
                              &(struct lt_conv_attr){.out = 16, .kernel = 3, .stride = 1, .groups = 1, .bias = false});
        x = lt_graph_add(g, "join", a, b);
        x = lt_graph_conv(g, "grouped", x,
                          &(struct lt_conv_attr){.out = 32, .kernel = 3, .stride = 1, .groups = 4, .bias = true});
        x = lt_graph_act(g, "grouped.act", x, LT_ACT_RELU);
    }
    switch (seed % 3) {
    case 0:
        x = lt_graph_linear(g, "head", lt_graph_flatten(g, "flat", lt_graph_gap(g, "gap", x)), 10);
        break;
    case 1:
        x = lt_graph_softmax(g, "prob", lt_graph_linear(g, "head", lt_graph_gap(g, "gap", x), 10));
        break;
    default:
        x = lt_graph_linear(g, "head",
                            lt_graph_act(g, "hidden.act",
                                         lt_graph_linear(g, "hidden", lt_graph_flatten(g, "flat", x), 24), LT_ACT_RELU),
                            10);
        break;
    }
    lt_graph_output(g, x);
    if (lt_graph_finish(g, &err)) {
        lt_graph_free(g);
        return NULL;
    }
    return g;
}

static struct lt_weights *random_weights(const struct lt_graph *g, int seed) {
    struct lt_weights *w = NULL;
    struct lt_rng r;
    lt_rng_at(&r, 1, LT_RNG_TEST, 102, (uint64_t)seed);
    if (lt_weights_new(g, &w, &err)) return NULL;
    for (int i = 0; i < g->n_params; i++) {
        const struct lt_param *p = &g->param[i];
        double k = p->role == LT_PARAM_WEIGHT ? sqrt(1.5 * (double)p->dim[0] / (double)p->count) : 0.1;
        for (int64_t j = 0; j < p->count; j++) w->data[i][j] = (float)(k * lt_rng_normal(&r));
    }
    int dead = lt_graph_find_param(
        g, "head.weight"); /* a channel that batch-norm folding left with a bias and next to no weights */
    for (int64_t j = 0; dead >= 0 && j < g->param[dead].count / g->param[dead].dim[0]; j++) w->data[dead][j] *= 1e-12f;
    return w;
}

static float *random_input(const struct lt_graph *g, int n, int seed) {
    int64_t count = n * lt_shape_count(&g->node[0].out);
    float *x = lt_aligned((size_t)count * sizeof(float));
    struct lt_rng r;
    lt_rng_at(&r, 1, LT_RNG_TEST, 103, (uint64_t)seed);
    for (int64_t i = 0; x && i < count; i++) x[i] = (float)lt_rng_normal(&r);
    return x;
}

/* ---- this test's own evaluation; all tensors [N,C,H,W] ---- */
struct eval {
    const struct lt_graph *g;
    const struct lt_weights *w;
    const struct lt_plan *plan;
    int n;
    const float *x;
    float **out;
};

static double act(enum lt_act a, double v) {
    double h = fmin(fmax(v + 3, 0), 6) / 6;
    switch (a) {
    case LT_ACT_RELU:
        return fmax(v, 0);
    case LT_ACT_RELU6:
        return fmin(fmax(v, 0), 6);
    case LT_ACT_HSWISH:
        return v * h;
    case LT_ACT_HSIGMOID:
        return h;
    case LT_ACT_SIGMOID:
        return 1 / (1 + exp(-v));
    case LT_ACT_SILU:
        return v / (1 + exp(-v));
    case LT_ACT_TANH:
        return tanh(v);
    case LT_ACT_GELU:
        return v * 0.5 * (1 + erf(v / sqrt(2)));
    default:
        return v;
    }
}

static int quantized(float x, struct lt_qparam q) {
    double v = rint((double)(x / q.scale)); /* round half to even */
    return (int)fmin(fmax(v, q.is_signed ? -128 : 0), q.is_signed ? 127 : 255);
}

/* One output of a CONV or LINEAR (taken as a convolution over all of its input). */
static double conv_point(const struct eval *v, const struct lt_node *n, bool int8, const float *in, int b, int o,
                         int oy, int ox) {
    const struct lt_shape *si = &v->g->node[n->in[0]].out;
    int64_t ic = si->d[1], ih = si->d[2], iw = si->d[3], k = n->kernel, kw = k, groups = n->groups, stride = n->stride,
            pad = n->pad, dilation = n->dilation;
    if (n->op == LT_OP_LINEAR) {
        k = ih;
        kw = iw;
        groups = stride = dilation = 1;
        pad = 0;
    }
    int64_t icg = ic / groups, first = o / (n->out.d[1] / groups) * icg, per = icg * k * kw;
    const float *w = v->w->data[n->param[0]] + o * per;
    struct lt_qparam q = int8 ? v->plan->out[n->in[0]] : (struct lt_qparam){0};
    float top = 0, bias = n->n_params > 1 ? v->w->data[n->param[1]][o] : 0, sw;
    for (int64_t i = 0; i < per; i++) top = fmaxf(top, fabsf(w[i]));
    sw = top > 0 && int8 ? top / (float)v->plan->weight_qmax : 1;
    if (int8) /* a bias keeps below 2^30 steps */
        sw = fmaxf(sw, (float)(fabs((double)bias) / ((double)q.scale * 1073741824.0)));
    double acc = int8 ? rint((double)bias / ((double)q.scale * (double)sw)) : (double)bias;
    for (int64_t i = 0; i < icg; i++)
        for (int64_t ky = 0; ky < k; ky++)
            for (int64_t kx = 0; kx < kw; kx++) {
                int64_t y = oy * stride - pad + ky * dilation, x = ox * stride - pad + kx * dilation;
                if (y < 0 || y >= ih || x < 0 || x >= iw) continue;
                float a = in[((b * ic + first + i) * ih + y) * iw + x], wt = w[(i * k + ky) * kw + kx];
                acc += int8 ? (double)quantized(a, q) * rint((double)(wt / sw)) : (double)a * (double)wt;
            }
    return int8 ? acc * (double)q.scale * (double)sw : acc;
}

static double pool_point(const struct lt_node *n, const struct lt_shape *si, const float *in, int oy, int ox) {
    double best = -INFINITY, sum = 0;
    int taken = 0;
    for (int ky = 0; ky < n->kernel; ky++)
        for (int kx = 0; kx < n->kernel; kx++) {
            int64_t y = oy * n->stride - n->pad + ky, x = ox * n->stride - n->pad + kx;
            if (y < 0 || y >= si->d[2] || x < 0 || x >= si->d[3]) continue;
            double a = (double)in[y * si->d[3] + x];
            best = fmax(best, a);
            sum += a;
            taken++;
        }
    return n->pool == LT_POOL_MAX ? best : sum / taken;
}

static void eval_node(const struct eval *v, int i, float *const *in_of, float *out) {
    const struct lt_node *n = &v->g->node[i];
    int64_t c = n->out.d[1], h = n->out.d[2], wd = n->out.d[3], hw = h * wd, per = c * hw;
    const struct lt_shape *si = n->n_in ? &v->g->node[n->in[0]].out : &n->out;
    const float *a = n->n_in ? in_of[n->in[0]] : v->x, *b = n->n_in > 1 ? in_of[n->in[1]] : NULL;
    bool int8 = v->plan && v->plan->is_int8[i];
    if (n->op == LT_OP_INPUT || n->op == LT_OP_FLATTEN) {
        memcpy(out, a, (size_t)(v->n * per) * sizeof(float));
        return;
    }
    for (int s = 0; s < v->n && n->op >= LT_OP_CONCAT; s++) {
        struct cube in[LT_MAX_IN];
        for (int k = 0; k < n->n_in; k++) {
            const struct lt_shape *t = &v->g->node[n->in[k]].out;
            in[k] = (struct cube){in_of[n->in[k]] + s * lt_shape_count(t), t->d[1], t->d[2], t->d[3]};
        }
        eval_seq(v->g, v->w, n, in, out + s * per);
    }
    for (int s = 0; s < v->n && n->op < LT_OP_CONCAT; s++) {
        double total = 0;
        if (n->op == LT_OP_SOFTMAX)
            for (int64_t k = 0; k < per; k++) total += exp((double)a[s * per + k]);
        for (int64_t o = 0; o < c; o++)
            for (int64_t p = 0; p < hw; p++) {
                int64_t at = (s * c + o) * hw + p;
                const float *plane = a + (s * si->d[1] + o) * si->d[2] * si->d[3];
                int oy = (int)(p / wd), ox = (int)(p % wd);
                double r = 0;
                switch (n->op) {
                case LT_OP_CONV:
                case LT_OP_LINEAR:
                    r = conv_point(v, n, int8, a, s, (int)o, oy, ox);
                    break;
                case LT_OP_ACT:
                    r = act(n->act, (double)a[at]);
                    break;
                case LT_OP_POOL:
                    r = pool_point(n, si, plane, oy, ox);
                    break;
                case LT_OP_GAP:
                    for (int64_t k = 0; k < si->d[2] * si->d[3]; k++) r += (double)plane[k];
                    r /= (double)(si->d[2] * si->d[3]);
                    break;
                case LT_OP_ADD:
                    r = (double)a[at] + (double)b[at];
                    break;
                case LT_OP_MUL: {
                    const struct lt_shape *sb = &v->g->node[n->in[1]].out;
                    r = (double)a[at] * (double)(sb->d[2] * sb->d[3] == hw ? b[at] : b[s * c + o]);
                    break;
                }
                case LT_OP_SOFTMAX:
                    r = exp((double)a[at]) / total;
                    break;
                default:
                    break;
                }
                out[at] = (float)r;
            }
    }
}

static void eval_free(struct eval *v) {
    for (int i = 0; v->out && i < v->g->n_nodes; i++) lt_free(v->out[i]);
    lt_free(v->out);
    v->out = NULL;
}

static void eval_all(struct eval *v) {
    v->out = lt_calloc((size_t)v->g->n_nodes, sizeof(float *));
    for (int i = 0; i < v->g->n_nodes; i++) {
        v->out[i] = lt_calloc((size_t)(v->n * lt_shape_count(&v->g->node[i].out)), sizeof(float));
        eval_node(v, i, v->out, v->out[i]);
    }
}
#endif
