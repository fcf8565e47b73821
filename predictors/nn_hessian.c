/*
 * Small networks: the Hessian times a vector, by differentiating forward and backward along it (Pearlmutter 1994). For
 * the operators that the meta-gradient of HELP goes through: dense, graph convolution, concatenation, sum.
 * Along v, with r() the derivative: r(xW + b) = r(x) W + x V + vb, and the kink of a ReLU stays where it is.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif
#include <string.h>
#include "predictors/nn_priv.h"

static void gate(const lt_real *restrict y, size_t count, lt_real *restrict r) {
    for (size_t i = 0; i < count; i++) r[i] = y[i] > 0 ? r[i] : 0;
}

static void axpy(const lt_real *restrict x, lt_real scale, int cols, lt_real *restrict y) {
    for (int j = 0; j < cols; j++) y[j] += scale * x[j];
}

static void dense_forward(const struct lt_nn *n, const struct lt_nn_node *t, const lt_real *theta, const lt_real *v) {
    const struct lt_nn_node *x = &n->node[t->in[0]];
    int rows = lt_nn_rows(n, t);
    struct lt_nn_product p = {.m = rows, .n = t->cols, .k = x->cols, .a = x->y, .b = v + t->w, .c = t->ry};

    lt_nn_multiply(&p);
    if (x->learns) {
        p.adds = true;
        p.a = x->ry;
        p.b = theta + t->w;
        lt_nn_multiply(&p);
    }
    if (t->bias >= 0)
        for (int i = 0; i < rows; i++) axpy(v + t->bias, 1, t->cols, t->ry + (size_t)i * (size_t)t->cols);
    if (t->relu) gate(t->y, (size_t)rows * (size_t)t->cols, t->ry);
}

static void dense_backward(const struct lt_nn *n, const struct lt_nn_node *t, const lt_real *theta, const lt_real *v,
                           lt_real *hv) {
    const struct lt_nn_node *x = &n->node[t->in[0]];
    int rows = lt_nn_rows(n, t);
    struct lt_nn_product w = {.m = x->cols, .n = t->cols, .k = rows, .ta = true, .a = x->y, .b = t->rg, .c = hv + t->w},
                         d = {.m = rows,
                              .n = x->cols,
                              .k = t->cols,
                              .tb = true,
                              .adds = t->adds[0],
                              .a = t->rg,
                              .b = theta + t->w,
                              .c = x->rg};

    if (t->relu) gate(t->y, (size_t)rows * (size_t)t->cols, t->rg);
    if (t->bias >= 0) lt_nn_column_sums(t->rg, rows, t->cols, hv + t->bias);
    lt_nn_multiply(&w);
    if (!x->learns) return;
    w.adds = true;
    w.a = x->ry;
    w.b = t->g;
    lt_nn_multiply(&w);
    lt_nn_multiply(&d);
    d.adds = true;
    d.a = t->g;
    d.b = v + t->w;
    lt_nn_multiply(&d);
}

/* The operators that are linear in what they read have the same rule for values, gradients and derivatives: they run
 * with ry in the place of y, or rg in the place of g. */
static void swap_places(struct lt_nn *n, struct lt_nn_node *t, bool back) {
    for (int k = -1; k < 2; k++) {
        struct lt_nn_node *o = k < 0 ? t : t->in[k] >= 0 ? &n->node[t->in[k]] : NULL;
        lt_real **a, **b, *was;

        if (!o || (k == 1 && t->in[1] == t->in[0])) continue;
        a = back ? &o->g : &o->y;
        b = back ? &o->rg : &o->ry;
        was = *a;
        *a = *b;
        *b = was;
    }
}

static void linear_forward(struct lt_nn *n, struct lt_nn_node *t) {
    bool relu = t->relu;

    for (int k = 0; k < 2; k++) { /* what learns nothing does not move */
        const struct lt_nn_node *o = t->in[k] >= 0 ? &n->node[t->in[k]] : NULL;
        if (o && !o->learns) memset(o->ry, 0, (size_t)lt_nn_rows(n, o) * (size_t)o->cols * sizeof(*o->ry));
    }
    t->relu = false;
    swap_places(n, t, false);
    lt_nn_op_forward(n, t, NULL);
    swap_places(n, t, false);
    t->relu = relu;
    if (relu) gate(t->y, (size_t)lt_nn_rows(n, t) * (size_t)t->cols, t->ry);
}

static void linear_backward(struct lt_nn *n, struct lt_nn_node *t) {
    swap_places(n, t, true);
    lt_nn_op_backward(n, t, NULL, NULL); /* a ReLU's kink is read from y, which is in its place */
    swap_places(n, t, true);
}

static bool is_linear(enum lt_nn_op op) { return op == NN_PROPAGATE || op == NN_CONCAT || op == NN_ADD; }

void lt_nn_hessian(struct lt_nn *n, const lt_real *theta, const lt_real *v, lt_real weight, lt_real *hv) {
    struct lt_nn_node *last = &n->node[n->n - 1];

    LT_CHECK(n->purpose == LT_NN_HESSIAN && last->cols == 1);
    for (int i = 0; i < n->n; i++) {
        struct lt_nn_node *t = &n->node[i];

        if (!t->learns) continue;
        LT_CHECK(t->op == NN_DENSE || is_linear(t->op));
        if (t->op == NN_DENSE)
            dense_forward(n, t, theta, v);
        else
            linear_forward(n, t);
    }
    for (int i = 0; i < lt_nn_rows(n, last); i++) last->rg[i] = 2 * weight * last->ry[i];
    for (int i = n->n - 1; i >= 0; i--) {
        struct lt_nn_node *t = &n->node[i];

        if (!t->learns) continue;
        if (t->op == NN_DENSE)
            dense_backward(n, t, theta, v, hv);
        else
            linear_backward(n, t);
    }
}
