/*
 * Small networks: the graph attention layer of NASFLAT (Akhauri and Abdelfattah, "On latency predictors for neural
 * architecture search", MLSys 2024). For each item, with x [nodes][cols]: s = x diag(v) x', p_e = softmax over l of
 * a[e][l] leaky(s[e][l]), y = p x. As published, the scores are multiplied by the adjacency and not masked by it: a
 * node that is no neighbour has the score 0.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif
#include <math.h>
#include <string.h>
#include "predictors/nn_priv.h"

#define LEAK ((lt_real)0.2)

/* For each item: scores and attention [nodes][nodes]; then scratch for one item: x diag(v) and its gradient
 * [nodes][cols], the gradients of attention and scores. */
size_t lt_nn_attend_aux(const struct lt_nn_node *v, const struct lt_nn_node *x, size_t items) {
    size_t n2 = (size_t)v->per * (size_t)v->per;

    return 2 * n2 * items + 2 * (size_t)x->per * (size_t)x->cols + n2;
}

struct view {
    int n, cols;
    const lt_real *x, *v;
    lt_real *s, *p, *xv, *gxv, *gs;
};

static struct view at(const struct lt_nn *n, const struct lt_nn_node *v, const lt_real *theta, int item) {
    int items = v->shared ? 1 : n->items;
    size_t n2 = (size_t)v->per * (size_t)v->per, nc = (size_t)v->per * (size_t)v->cols;
    struct view w = {.n = v->per, .cols = v->cols, .x = n->node[v->in[0]].y + (size_t)item * nc, .v = theta + v->w};

    w.s = v->aux + 2 * n2 * (size_t)item;
    w.p = w.s + n2;
    w.xv = v->aux + 2 * n2 * (size_t)items;
    w.gxv = w.xv + nc;
    w.gs = w.gxv + nc;
    for (size_t r = 0; r < nc; r += (size_t)v->cols)
        for (int j = 0; j < w.cols; j++) w.xv[r + (size_t)j] = w.x[r + (size_t)j] * w.v[j];
    return w;
}

void lt_nn_attend_forward(struct lt_nn *n, struct lt_nn_node *v, const lt_real *theta) {
    for (int i = 0; i < (v->shared ? 1 : n->items); i++) {
        struct view w = at(n, v, theta, i);

        lt_nn_multiply(
            &(struct lt_nn_product){.m = w.n, .n = w.n, .k = w.cols, .tb = true, .a = w.x, .b = w.xv, .c = w.s});
        for (int e = 0; e < w.n; e++) {
            const lt_real *s = w.s + e * w.n;
            lt_real *p = w.p + e * w.n;
            double top = -INFINITY, sum = 0;

            for (int l = 0; l < w.n; l++) {
                p[l] = (lt_real)v->graph[e * w.n + l] * (s[l] > 0 ? s[l] : LEAK * s[l]);
                top = fmax(top, p[l]);
            }
            for (int l = 0; l < w.n; l++) sum += p[l] = (lt_real)exp(p[l] - top);
            for (int l = 0; l < w.n; l++) p[l] = (lt_real)(p[l] / sum);
        }
        lt_nn_multiply(&(struct lt_nn_product){
            .m = w.n, .n = w.cols, .k = w.n, .a = w.p, .b = w.x, .c = v->y + (size_t)i * (size_t)w.n * (size_t)w.cols});
    }
}

/* gs: gradient of the scores from that of the attention, in place. */
static void softmax_backward(const struct lt_nn_node *v, struct view *w) {
    for (int e = 0; e < w->n; e++) {
        lt_real *g = w->gs + e * w->n, dot = 0;
        const lt_real *p = w->p + e * w->n, *s = w->s + e * w->n;

        for (int l = 0; l < w->n; l++) dot += g[l] * p[l];
        for (int l = 0; l < w->n; l++)
            g[l] = p[l] * (g[l] - dot) * (lt_real)v->graph[e * w->n + l] * (s[l] > 0 ? 1 : LEAK);
    }
}

void lt_nn_attend_backward(struct lt_nn *n, struct lt_nn_node *v, const lt_real *theta, lt_real *gtheta) {
    memset(gtheta + v->w, 0, (size_t)v->cols * sizeof(*gtheta));
    for (int i = 0; i < (v->shared ? 1 : n->items); i++) {
        struct view w = at(n, v, theta, i);
        size_t nc = (size_t)w.n * (size_t)w.cols;
        const lt_real *gy = v->g + (size_t)i * nc;
        lt_real *gx = n->node[v->in[0]].g + (size_t)i * nc;

        lt_nn_multiply(
            &(struct lt_nn_product){.m = w.n, .n = w.n, .k = w.cols, .tb = true, .a = gy, .b = w.x, .c = w.gs});
        softmax_backward(v, &w);
        lt_nn_multiply(&(struct lt_nn_product){
            .m = w.n, .n = w.cols, .k = w.n, .ta = true, .adds = v->adds[0], .a = w.p, .b = gy, .c = gx});
        lt_nn_multiply(
            &(struct lt_nn_product){.m = w.n, .n = w.cols, .k = w.n, .adds = true, .a = w.gs, .b = w.xv, .c = gx});
        lt_nn_multiply(
            &(struct lt_nn_product){.m = w.n, .n = w.cols, .k = w.n, .ta = true, .a = w.gs, .b = w.x, .c = w.gxv});
        for (size_t r = 0; r < nc; r += (size_t)w.cols) {
            for (int j = 0; j < w.cols; j++) {
                gx[r + (size_t)j] += w.gxv[r + (size_t)j] * w.v[j];
                gtheta[v->w + j] += w.gxv[r + (size_t)j] * w.x[r + (size_t)j];
            }
        }
    }
}
