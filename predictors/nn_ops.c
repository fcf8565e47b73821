/* Small networks: what each operator computes, forward and backward. See nn.h. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* plain loops over columns: worth vector instructions whatever the caller's flags */
#endif
#include <math.h>
#include <string.h>
#include "predictors/nn_priv.h"
#ifndef LT_NN_DOUBLE
#include "runtime/kernels/kernels.h"

void lt_nn_multiply(const struct lt_nn_product *p) {
    struct lt_gemm g = {.m = p->m,
                        .n = p->n,
                        .k = p->k,
                        .lda = p->ta ? p->m : p->k,
                        .ldb = p->tb ? p->k : p->n,
                        .ldc = p->n,
                        .ta = p->ta,
                        .tb = p->tb,
                        .accumulate = p->adds,
                        .a = p->a,
                        .b = p->b,
                        .c = p->c};

    lt_kernels_best()->gemm(&g);
}
#else
void lt_nn_multiply(const struct lt_nn_product *p) {
    for (int i = 0; i < p->m; i++) {
        for (int j = 0; j < p->n; j++) {
            double s = p->adds ? p->c[(size_t)i * (size_t)p->n + (size_t)j] : 0;

            for (int l = 0; l < p->k; l++)
                s += p->a[p->ta ? l * p->m + i : i * p->k + l] * p->b[p->tb ? j * p->k + l : l * p->n + j];
            p->c[(size_t)i * (size_t)p->n + (size_t)j] = (lt_real)s;
        }
    }
}
#endif

void lt_nn_column_sums(const lt_real *x, int rows, int cols, lt_real *restrict sum) {
    memset(sum, 0, (size_t)cols * sizeof(*sum));
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++) sum[j] += x[(size_t)i * (size_t)cols + (size_t)j];
}

static void add_rows(const lt_real *restrict x, lt_real scale, int cols, lt_real *restrict y) {
    for (int j = 0; j < cols; j++) y[j] += scale * x[j];
}

static void clear(const struct lt_nn *n, const struct lt_nn_node *v) {
    memset(v->g, 0, (size_t)lt_nn_rows(n, v) * (size_t)v->cols * sizeof(*v->g));
}

/* The gradient below a ReLU whose output is y. */
static void gate(const lt_real *restrict y, size_t count, lt_real *restrict g) {
    for (size_t i = 0; i < count; i++) g[i] = y[i] > 0 ? g[i] : 0;
}

static void bias_act(lt_real *restrict y, int rows, int cols, const lt_real *restrict bias, bool relu) {
    for (int i = 0; i < rows; i++, y += cols) {
        if (bias)
            for (int j = 0; j < cols; j++) y[j] += bias[j];
        if (relu)
            for (int j = 0; j < cols; j++) y[j] = y[j] > 0 ? y[j] : 0;
    }
}

static void dense_forward(const struct lt_nn *n, const struct lt_nn_node *v, const lt_real *theta) {
    const struct lt_nn_node *x = &n->node[v->in[0]];
    int rows = lt_nn_rows(n, v);

    lt_nn_multiply(
        &(struct lt_nn_product){.m = rows, .n = v->cols, .k = x->cols, .a = x->y, .b = theta + v->w, .c = v->y});
    bias_act(v->y, rows, v->cols, v->bias >= 0 ? theta + v->bias : NULL, v->relu);
}

static void dense_backward(const struct lt_nn *n, const struct lt_nn_node *v, const lt_real *theta, lt_real *gtheta) {
    const struct lt_nn_node *x = &n->node[v->in[0]];
    int rows = lt_nn_rows(n, v);

    if (v->relu) gate(v->y, (size_t)rows * (size_t)v->cols, v->g);
    if (v->bias >= 0) lt_nn_column_sums(v->g, rows, v->cols, gtheta + v->bias);
    lt_nn_multiply(&(struct lt_nn_product){
        .m = x->cols, .n = v->cols, .k = rows, .ta = true, .a = x->y, .b = v->g, .c = gtheta + v->w});
    if (!x->learns) return;
    lt_nn_multiply(&(struct lt_nn_product){.m = rows,
                                           .n = x->cols,
                                           .k = v->cols,
                                           .tb = true,
                                           .adds = v->adds[0],
                                           .a = v->g,
                                           .b = theta + v->w,
                                           .c = x->g});
}

/* y += A x (or its transpose) for every item. */
static void propagate(const struct lt_nn *n, const struct lt_nn_node *v, const lt_real *in, bool back, lt_real *out) {
    const struct lt_nn_node *x = &n->node[v->in[0]];
    int items = v->shared ? 1 : n->items, from = x->per, cols = v->cols;

    for (int i = 0; i < items; i++) {
        for (int t = 0; t < v->per; t++) {
            for (int f = 0; f < from; f++) {
                lt_real a = (lt_real)v->graph[t * from + f];
                size_t top = ((size_t)i * (size_t)v->per + (size_t)t) * (size_t)cols,
                       low = ((size_t)i * (size_t)from + (size_t)f) * (size_t)cols;

                if (a == 0) continue;
                if (back)
                    add_rows(in + top, a, cols, out + low);
                else
                    add_rows(in + low, a, cols, out + top);
            }
        }
    }
}

static void pool_forward(const struct lt_nn *n, const struct lt_nn_node *v) {
    const struct lt_nn_node *x = &n->node[v->in[0]], *w = &n->node[v->in[1]];

    memset(v->y, 0, (size_t)n->items * (size_t)v->cols * sizeof(*v->y));
    for (int r = 0; r < lt_nn_rows(n, x); r++)
        add_rows(x->y + (size_t)r * (size_t)v->cols, w->y[lt_nn_row_of(x, w, r)], v->cols,
                 v->y + (size_t)(r / x->per) * (size_t)v->cols);
}

static void pool_backward(const struct lt_nn *n, const struct lt_nn_node *v) {
    const struct lt_nn_node *x = &n->node[v->in[0]], *w = &n->node[v->in[1]];

    if (!v->adds[0]) clear(n, x);
    for (int r = 0; r < lt_nn_rows(n, x); r++)
        add_rows(v->g + (size_t)(r / x->per) * (size_t)v->cols, w->y[lt_nn_row_of(x, w, r)], v->cols,
                 x->g + (size_t)r * (size_t)v->cols);
}

static void concat_forward(const struct lt_nn *n, const struct lt_nn_node *v) {
    const struct lt_nn_node *a = &n->node[v->in[0]], *b = &n->node[v->in[1]];
    lt_real *y = v->y;

    for (int r = 0; r < lt_nn_rows(n, v); r++, y += v->cols) {
        memcpy(y, a->y + (size_t)r * (size_t)a->cols, (size_t)a->cols * sizeof(*y));
        memcpy(y + a->cols, b->y + (size_t)lt_nn_row_of(a, b, r) * (size_t)b->cols, (size_t)b->cols * sizeof(*y));
    }
}

static void concat_backward(const struct lt_nn *n, const struct lt_nn_node *v) {
    const struct lt_nn_node *a = &n->node[v->in[0]], *b = &n->node[v->in[1]];
    const lt_real *g = v->g;

    if (a->learns && !v->adds[0]) clear(n, a);
    if (b->learns && !v->adds[1]) clear(n, b);
    for (int r = 0; r < lt_nn_rows(n, v); r++, g += v->cols) {
        if (a->learns) add_rows(g, 1, a->cols, a->g + (size_t)r * (size_t)a->cols);
        if (b->learns) add_rows(g + a->cols, 1, b->cols, b->g + (size_t)lt_nn_row_of(a, b, r) * (size_t)b->cols);
    }
}

static void two_forward(const struct lt_nn *n, const struct lt_nn_node *v) {
    const struct lt_nn_node *a = &n->node[v->in[0]], *b = &n->node[v->in[1]];
    int cols = v->cols;

    for (int r = 0; r < lt_nn_rows(n, v); r++) {
        const lt_real *restrict p = a->y + (size_t)r * (size_t)cols;
        const lt_real *restrict q = b->y + (size_t)lt_nn_row_of(a, b, r) * (size_t)cols;
        lt_real *restrict y = v->y + (size_t)r * (size_t)cols;

        if (v->op == NN_MUL)
            for (int j = 0; j < cols; j++) y[j] = p[j] * q[j];
        else
            for (int j = 0; j < cols; j++) y[j] = v->scale * (p[j] + q[j]);
    }
    if (v->relu) bias_act(v->y, lt_nn_rows(n, v), cols, NULL, true);
}

static void add_product(const lt_real *restrict g, const lt_real *restrict x, int cols, lt_real *restrict out) {
    for (int j = 0; j < cols; j++) out[j] += g[j] * x[j];
}

static void two_backward(const struct lt_nn *n, const struct lt_nn_node *v) {
    const struct lt_nn_node *a = &n->node[v->in[0]], *b = &n->node[v->in[1]];
    size_t cols = (size_t)v->cols;

    if (v->relu) gate(v->y, (size_t)lt_nn_rows(n, v) * cols, v->g);
    if (a->learns && !v->adds[0]) clear(n, a);
    if (b->learns && !v->adds[1]) clear(n, b);
    for (int r = 0; r < lt_nn_rows(n, v); r++) {
        const lt_real *g = v->g + (size_t)r * cols;
        size_t i = (size_t)r * cols, j = (size_t)lt_nn_row_of(a, b, r) * cols;

        if (v->op == NN_MUL) {
            if (a->learns) add_product(g, b->y + j, v->cols, a->g + i);
            if (b->learns) add_product(g, a->y + i, v->cols, b->g + j);
        } else {
            if (a->learns) add_rows(g, v->scale, v->cols, a->g + i);
            if (b->learns) add_rows(g, v->scale, v->cols, b->g + j);
        }
    }
}

static void relu_forward(const struct lt_nn *n, const struct lt_nn_node *v) {
    const lt_real *restrict x = n->node[v->in[0]].y;
    lt_real *restrict y = v->y;
    size_t count = (size_t)lt_nn_rows(n, v) * (size_t)v->cols;

    for (size_t i = 0; i < count; i++) y[i] = x[i] > 0 ? x[i] : 0;
}

static void relu_backward(const struct lt_nn *n, const struct lt_nn_node *v) {
    lt_real *restrict out = n->node[v->in[0]].g;
    const lt_real *restrict y = v->y, *restrict g = v->g;
    size_t count = (size_t)lt_nn_rows(n, v) * (size_t)v->cols;

    if (!v->adds[0]) memset(out, 0, count * sizeof(*out));
    for (size_t i = 0; i < count; i++) out[i] += y[i] > 0 ? g[i] : 0;
}

#ifdef LT_NN_DOUBLE
static lt_real exponential(lt_real x) { return exp(x); }
#else
/* e^x for |x| <= 87 as 2^n (1 + r + ... + r^6 / 6!), |r| <= ln 2 / 2: wrong by 2 units in the last place, and without a
 * call, so that loops of it become vector instructions. */
static inline float exponential(float x) {
    union {
        int32_t i;
        float f;
    } two;
    float n = (float)(int32_t)(x * 1.44269504f + (x > 0 ? 0.5f : -0.5f)), r = x - n * 0.693359375f + n * 2.12194440e-4f;

    two.i = ((int32_t)n + 127) << 23;
    return two.f * (1 + r * (1 + r * (1 / 2.f + r * (1 / 6.f + r * (1 / 24.f + r * (1 / 120.f + r * (1 / 720.f)))))));
}
#endif

static void sigmoid_forward(const struct lt_nn *n, const struct lt_nn_node *v) {
    const lt_real *restrict x = n->node[v->in[0]].y;
    lt_real *restrict y = v->y;
    size_t count = (size_t)lt_nn_rows(n, v) * (size_t)v->cols;

    for (size_t i = 0; i < count; i++) {
        lt_real t = x[i] < -80 ? -80 : x[i] > 80 ? 80 : x[i];

        y[i] = 1 / (1 + exponential(-t));
    }
}

static void sigmoid_backward(const struct lt_nn *n, const struct lt_nn_node *v) {
    lt_real *restrict out = n->node[v->in[0]].g;
    const lt_real *restrict y = v->y, *restrict g = v->g;
    size_t count = (size_t)lt_nn_rows(n, v) * (size_t)v->cols;

    if (!v->adds[0]) memset(out, 0, count * sizeof(*out));
    for (size_t i = 0; i < count; i++) out[i] += g[i] * y[i] * (1 - y[i]);
}

static void norm_forward(const struct lt_nn *n, const struct lt_nn_node *v, const lt_real *theta) {
    int cols = v->cols, rows = lt_nn_rows(n, v);
    lt_real *rdev = v->aux + (size_t)rows * (size_t)cols;

    for (int r = 0; r < rows; r++) {
        const lt_real *x = n->node[v->in[0]].y + (size_t)r * (size_t)cols;
        lt_real *z = v->aux + (size_t)r * (size_t)cols, *y = v->y + (size_t)r * (size_t)cols, m = 0, s = 0;

        for (int j = 0; j < cols; j++) m += x[j];
        m /= (lt_real)cols;
        for (int j = 0; j < cols; j++) s += (x[j] - m) * (x[j] - m);
        rdev[r] = (lt_real)(1 / sqrt((double)s / cols + 1e-5));
        for (int j = 0; j < cols; j++) {
            z[j] = (x[j] - m) * rdev[r];
            y[j] = z[j] * theta[v->w + j] + theta[v->bias + j];
        }
    }
}

static void norm_backward(const struct lt_nn *n, const struct lt_nn_node *v, const lt_real *theta, lt_real *gtheta) {
    const struct lt_nn_node *x = &n->node[v->in[0]];
    int cols = v->cols, rows = lt_nn_rows(n, v);
    const lt_real *rdev = v->aux + (size_t)rows * (size_t)cols;

    memset(gtheta + v->w, 0, (size_t)cols * sizeof(*gtheta));
    lt_nn_column_sums(v->g, rows, cols, gtheta + v->bias);
    for (int r = 0; r < rows; r++) {
        const lt_real *g = v->g + (size_t)r * (size_t)cols, *z = v->aux + (size_t)r * (size_t)cols;
        lt_real *out = x->g + (size_t)r * (size_t)cols, mean = 0, dot = 0;

        add_product(g, z, cols, gtheta + v->w);
        for (int j = 0; j < cols; j++) {
            mean += g[j] * theta[v->w + j] / (lt_real)cols;
            dot += g[j] * theta[v->w + j] * z[j] / (lt_real)cols;
        }
        for (int j = 0; j < cols; j++)
            out[j] = (v->adds[0] ? out[j] : 0) + rdev[r] * (g[j] * theta[v->w + j] - mean - z[j] * dot);
    }
}

void lt_nn_op_forward(struct lt_nn *n, struct lt_nn_node *v, const lt_real *theta) {
    switch (v->op) {
    case NN_INPUT:
        break;
    case NN_DENSE:
        dense_forward(n, v, theta);
        break;
    case NN_PROPAGATE:
        memset(v->y, 0, (size_t)lt_nn_rows(n, v) * (size_t)v->cols * sizeof(*v->y));
        propagate(n, v, n->node[v->in[0]].y, false, v->y);
        break;
    case NN_POOL:
        pool_forward(n, v);
        break;
    case NN_CONCAT:
        concat_forward(n, v);
        break;
    case NN_ADD:
    case NN_MUL:
        two_forward(n, v);
        break;
    case NN_RELU:
        relu_forward(n, v);
        break;
    case NN_SIGMOID:
        sigmoid_forward(n, v);
        break;
    case NN_NORM:
        norm_forward(n, v, theta);
        break;
    case NN_ATTEND:
        lt_nn_attend_forward(n, v, theta);
        break;
    }
}

void lt_nn_op_backward(struct lt_nn *n, struct lt_nn_node *v, const lt_real *theta, lt_real *gtheta) {
    const struct lt_nn_node *x = v->in[0] >= 0 ? &n->node[v->in[0]] : NULL;

    switch (v->op) {
    case NN_INPUT:
        break;
    case NN_DENSE:
        dense_backward(n, v, theta, gtheta);
        break;
    case NN_PROPAGATE:
        if (!v->adds[0]) clear(n, x);
        propagate(n, v, v->g, true, x->g);
        break;
    case NN_POOL:
        pool_backward(n, v);
        break;
    case NN_CONCAT:
        concat_backward(n, v);
        break;
    case NN_ADD:
    case NN_MUL:
        two_backward(n, v);
        break;
    case NN_RELU:
        relu_backward(n, v);
        break;
    case NN_SIGMOID:
        sigmoid_backward(n, v);
        break;
    case NN_NORM:
        norm_backward(n, v, theta, gtheta);
        break;
    case NN_ATTEND:
        lt_nn_attend_backward(n, v, theta, gtheta);
        break;
    }
}
