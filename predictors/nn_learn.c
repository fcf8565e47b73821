/* Small networks: losses and steps. See nn.h. Adam: Kingma and Ba, ICLR 2015; decoupled decay and the cosine:
 * Loshchilov and Hutter, ICLR 2019 and 2017. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif
#include <math.h>
#include <string.h>
#include "predictors/nn_priv.h"

double lt_nn_mse(struct lt_nn *n, const lt_real *target) {
    const struct lt_nn_node *v = &n->node[n->n - 1];
    double sum = 0;

    for (int i = 0; i < n->items; i++) {
        lt_real d = v->y[i] - target[i];

        sum += (double)d * d / n->items;
        v->g[i] = 2 * d / (lt_real)n->items;
    }
    return sum;
}

double lt_nn_l1(struct lt_nn *n, const lt_real *target) {
    const struct lt_nn_node *v = &n->node[n->n - 1];
    double sum = 0;

    for (int i = 0; i < n->items; i++) {
        lt_real d = v->y[i] - target[i];

        sum += fabs((double)d) / n->items;
        v->g[i] = (lt_real)((d > 0) - (d < 0)) / (lt_real)n->items;
    }
    return sum;
}

double lt_nn_hinge(struct lt_nn *n, const lt_real *target, const int32_t *pair, int n_pairs, double margin) {
    const struct lt_nn_node *v = &n->node[n->n - 1];
    lt_real share = 1 / (lt_real)(n_pairs > 0 ? n_pairs : 1);
    double sum = 0;

    memset(v->g, 0, (size_t)n->items * sizeof(*v->g));
    for (int p = 0; p < n_pairs; p++) {
        int i = pair[2 * p], j = pair[2 * p + 1];
        double loss;

        if (target[i] < target[j]) {
            int k = i;
            i = j;
            j = k;
        }
        loss = margin - (double)(v->y[i] - v->y[j]);
        if (loss <= 0) continue;
        sum += loss * share;
        v->g[i] -= share;
        v->g[j] += share;
    }
    return sum;
}

double lt_nn_rank_correlation(const double *a, const double *b, int n) {
    double ab = 0, aa = 0, bb = 0;

    for (int i = 0; i < n; i++) {
        double x = 0, y = 0; /* ranks, minus their mean and doubled */

        for (int j = 0; j < n; j++) {
            x += (a[j] < a[i]) - (a[j] > a[i]);
            y += (b[j] < b[i]) - (b[j] > b[i]);
        }
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

void lt_nn_adam_step(struct lt_nn_adam *a, const lt_real *g, lt_real *theta) {
    double c1, c2;
    lt_real b1 = (lt_real)a->beta1, b2 = (lt_real)a->beta2, rate, eps, keep, *restrict m = a->m, *restrict v = a->v;
    lt_real *restrict t = theta;
    const lt_real *restrict d = g;

    a->step++;
    c1 = 1 - pow(a->beta1, a->step);
    c2 = sqrt(1 - pow(a->beta2, a->step));
    rate = (lt_real)(a->rate * c2 / c1); /* rate * (m / c1) / (sqrt(v) / c2 + eps) */
    eps = (lt_real)(a->eps * c2);
    keep = (lt_real)(1 - a->rate * a->decay);
    for (int i = 0; i < a->n; i++) {
        m[i] = b1 * m[i] + (1 - b1) * d[i];
        v[i] = b2 * v[i] + (1 - b2) * d[i] * d[i];
#ifdef LT_NN_DOUBLE
        t[i] = keep * t[i] - rate * m[i] / (sqrt(v[i]) + eps);
#else
        t[i] = keep * t[i] - rate * m[i] / (sqrtf(v[i]) + eps);
#endif
    }
}

double lt_nn_cosine(double from, double to, int step, int steps) {
    return to + (from - to) * (1 + cos(3.14159265358979323846 * step / (steps > 0 ? steps : 1))) / 2;
}
