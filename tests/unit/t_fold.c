/* Batch-norm folding keeps what a network computes: both graphs run through a plain evaluator in double. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/graph.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "tests/tap.h"

#define MAX_N 48

static double act(enum lt_act a, double v) {
    switch (a) {
    case LT_ACT_RELU:
        return v > 0 ? v : 0;
    case LT_ACT_HSIGMOID:
        return fmin(fmax(v / 6 + 0.5, 0), 1);
    default:
        return tanh(v);
    }
}

static void conv(const struct lt_node *n, const struct lt_shape *in, const double *x, const float *w, const float *b,
                 double *y) {
    int64_t C = in->d[1], H = in->d[2], W = in->d[3], O = n->out.d[1], OH = n->out.d[2], OW = n->out.d[3],
            gc = C / n->groups, go = O / n->groups;

    for (int64_t o = 0; o < O; o++)
        for (int64_t i = 0; i < OH; i++)
            for (int64_t j = 0; j < OW; j++) {
                double s = b ? b[o] : 0;
                for (int64_t c = 0; c < gc; c++)
                    for (int64_t p = 0; p < n->kernel; p++)
                        for (int64_t q = 0; q < n->kernel; q++) {
                            int64_t h = i * n->stride - n->pad + p, v = j * n->stride - n->pad + q;
                            if (h >= 0 && h < H && v >= 0 && v < W)
                                s += x[((o / go * gc + c) * H + h) * W + v] *
                                     w[((o * gc + c) * n->kernel + p) * n->kernel + q];
                        }
                y[(o * OH + i) * OW + j] = s;
            }
}

/* Value of the output node; caller frees. Operators that the test's networks use. */
static double *evaluate(const struct lt_graph *g, const struct lt_weights *w, const double *image) {
    double *v[MAX_N] = {NULL}, *result;

    for (int i = 0; i < g->n_nodes; i++) {
        const struct lt_node *n = &g->node[i];
        const struct lt_shape *in = n->n_in ? &g->node[n->in[0]].out : NULL;
        const double *x = n->n_in ? v[n->in[0]] : NULL;
        int64_t count = lt_shape_count(&n->out), plane = n->out.d[2] * n->out.d[3];
        double *y = v[i] = malloc((size_t)count * sizeof(*y));

        switch (n->op) {
        case LT_OP_INPUT:
            memcpy(y, image, (size_t)count * sizeof(*y));
            break;
        case LT_OP_CONV:
            conv(n, in, x, w->data[n->param[0]], n->n_params > 1 ? w->data[n->param[1]] : NULL, y);
            break;
        case LT_OP_LINEAR:
            for (int64_t o = 0; o < n->out.d[1]; o++) {
                y[o] = w->data[n->param[1]][o];
                for (int64_t k = 0; k < lt_shape_count(in); k++)
                    y[o] += x[k] * w->data[n->param[0]][o * lt_shape_count(in) + k];
            }
            break;
        case LT_OP_BN:
            for (int64_t k = 0; k < count; k++) {
                int64_t c = k / plane;
                y[k] = (x[k] - w->data[n->param[2]][c]) / sqrt((double)w->data[n->param[3]][c] + n->eps) *
                           w->data[n->param[0]][c] +
                       w->data[n->param[1]][c];
            }
            break;
        case LT_OP_ACT:
            for (int64_t k = 0; k < count; k++) y[k] = act(n->act, x[k]);
            break;
        case LT_OP_GAP:
            for (int64_t c = 0; c < n->out.d[1]; c++) {
                y[c] = 0;
                for (int64_t k = 0; k < in->d[2] * in->d[3]; k++)
                    y[c] += x[c * in->d[2] * in->d[3] + k] / (double)(in->d[2] * in->d[3]);
            }
            break;
        case LT_OP_ADD:
            for (int64_t k = 0; k < count; k++) y[k] = x[k] + v[n->in[1]][k];
            break;
        case LT_OP_MUL:
            for (int64_t k = 0; k < count; k++)
                y[k] = x[k] * v[n->in[1]][g->node[n->in[1]].out.d[2] == 1 ? k / plane : k];
            break;
        default:
            abort();
        }
    }
    result = v[g->output];
    v[g->output] = NULL;
    for (int i = 0; i < g->n_nodes; i++) free(v[i]);
    return result;
}

static const struct lt_conv_attr c3 = {.out = 6, .kernel = 3, .stride = 1, .groups = 1},
                                 dw = {.out = 6, .kernel = 3, .stride = 2, .groups = 6},
                                 biased = {.out = 6, .kernel = 1, .stride = 1, .groups = 2, .bias = true};

/* kind: where batch norms stand. */
static struct lt_graph *network(int kind) {
    struct lt_graph *g = NULL;
    int x, y;

    if (lt_graph_new("net", &g, NULL)) return NULL;
    x = lt_graph_input(g, "image", 3, 7, 7);
    switch (kind) {
    case 0: /* after dense, depthwise, grouped convolutions and a linear layer */
        x = lt_graph_act(g, "a1", lt_graph_bn(g, "b1", lt_graph_conv(g, "c1", x, &c3)), LT_ACT_RELU);
        x = lt_graph_act(g, "a2", lt_graph_bn(g, "b2", lt_graph_conv(g, "c2", x, &dw)), LT_ACT_TANH);
        x = lt_graph_bn(g, "b3", lt_graph_conv(g, "c3", x, &biased));
        x = lt_graph_bn(g, "b4", lt_graph_linear(g, "fc", lt_graph_gap(g, "gap", x), 5));
        break;
    case 1: /* of the image, of a sum, and of a batch norm */
        x = lt_graph_conv(g, "c1", lt_graph_bn(g, "b0", x), &c3);
        y = lt_graph_bn(g, "b2", lt_graph_bn(g, "b1", lt_graph_conv(g, "c2", x, &c3)));
        x = lt_graph_bn(g, "b4", lt_graph_bn(g, "b3", lt_graph_add(g, "add", x, y)));
        break;
    case 2: /* of a convolution that somebody else reads too, with squeeze-excite */
        x = lt_graph_conv(g, "c1", x, &c3);
        y = lt_graph_act(g, "a1", lt_graph_bn(g, "b1", x), LT_ACT_RELU);
        x = lt_graph_add(g, "add", x, y);
        y = lt_graph_act(g, "se", lt_graph_conv(g, "c2", lt_graph_gap(g, "gap", x), &biased), LT_ACT_HSIGMOID);
        x = lt_graph_mul(g, "mul", x, y);
        break;
    default: /* of a convolution that is the output itself: nothing to fold into */
        y = lt_graph_conv(g, "c1", x, &c3);
        lt_graph_bn(g, "b1", y);
        x = y;
        break;
    }
    lt_graph_output(g, x);
    if (!lt_graph_finish(g, NULL)) return g;
    lt_graph_free(g);
    return NULL;
}

static void keeps_values(int kind, int n_conv, uint64_t seed) {
    struct lt_graph *g = network(kind), *f = NULL;
    struct lt_weights *w = NULL, *fw = NULL;
    double image[3 * 49], *a = NULL, *b = NULL, worst = 0, size = 0;
    int n_bn = 0, convs = 0;
    struct lt_rng r;
    struct lt_err e = {0};

    lt_rng_at(&r, seed, LT_RNG_TEST, 1, (uint64_t)kind);
    for (int i = 0; i < 3 * 49; i++) image[i] = lt_rng_normal(&r);
    if (lt_weights_new(g, &w, &e)) return;
    for (int i = 0; i < g->n_params; i++) {
        for (int64_t k = 0; k < g->param[i].count; k++)
            w->data[i][k] = (float)(g->param[i].role == LT_PARAM_VAR ? 0.1 + lt_rng_u01(&r) : lt_rng_normal(&r));
    }
    lt_ok(!lt_graph_fold_bn(g, w, &f, &fw, &e), "network %d is folded", kind);
    for (int i = 0; i < f->n_nodes; i++) {
        n_bn += f->node[i].op == LT_OP_BN;
        convs += f->node[i].op == LT_OP_CONV;
    }
    a = evaluate(g, w, image);
    b = evaluate(f, fw, image);
    for (int64_t k = 0; k < lt_shape_count(&g->node[g->output].out); k++) {
        worst = fmax(worst, fabs(a[k] - b[k]));
        size = fmax(size, fabs(a[k]));
    }
    /* Folded weights are rounded to float once (6e-8 each) and pass through a few layers of sums: 1e-5 of the largest
     * value leaves room. */
    lt_ok(size > 0.01 && worst < 1e-5 * size, "network %d computes the same (%.2g of %.2g)", kind, worst, size);
    lt_ok(n_bn == 0 && convs == n_conv, "network %d has no batch norm left and %d convolutions", kind, convs);
    lt_ok(lt_graph_find(f, "c1") >= 0 && !strcmp(f->name, g->name), "network %d keeps names", kind);
    free(a);
    free(b);
    lt_weights_free(w);
    lt_weights_free(fw);
    lt_graph_free(g);
    lt_graph_free(f);
}

int main(void) {
    static const int convs[] = {3, 4, 3, 2};
    const uint64_t seed = 7;
    int64_t live = lt_mem_live(), n, tries = 0;
    bool clean = true;

    lt_note("seed %d", (int)seed);
    for (int k = 0; k < 4; k++) keeps_values(k, convs[k], seed);

    for (n = 1; n < 1000; n++) {
        struct lt_graph *g = network(0), *f = NULL;
        struct lt_weights *w = NULL, *fw = NULL;
        lt_status s;

        if (lt_weights_new(g, &w, NULL)) break;
        lt_mem_fail_at(n);
        s = lt_graph_fold_bn(g, w, &f, &fw, NULL);
        lt_mem_fail_at(0);
        clean &= s ? s == LT_ENOMEM && !f && !fw : f && fw;
        lt_graph_free(g);
        lt_graph_free(f);
        lt_weights_free(w);
        lt_weights_free(fw);
        clean &= lt_mem_live() == live;
        if (!s) break;
        tries = n;
    }
    lt_ok(clean && tries > 5 && n < 1000, "each of %d allocations may fail: outputs untouched, no leak", (int)tries);
    return lt_done();
}
