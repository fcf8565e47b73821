/* The light predictors: linear algebra against plain sums, regression on functions whose answer is known, its
 * uncertainty, values to normal ones and back. */
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "lathe/stats.h"
#include "search/dense.h"
#include "search/surrogate.h"
#include "search/warp.h"
#include "tests/tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 61, K = 45, D = 30, GENES = 10, CHOICES = 3 };

static struct lt_rng rng;

static void dense(void) {
    static double b[N * D], a[N * N], u[N * N], x[N * K], y[N * K], c[N * N];
    double worst = 0, scale = 0;

    for (int n = 1; n <= N; n += 12) {
        for (int i = 0; i < n * D; i++) b[i] = lt_rng_normal(&rng);
        lt_dense_dots(b, n, b, n, D, false, a);
        lt_dense_dots(b, n, b, n, D, true, c);
        for (int i = 0; i < n; i++) {
            for (int j = i; j < n; j++) {
                double s = 0;

                for (int t = 0; t < D; t++) s += b[i * D + t] * b[j * D + t];
                worst = fmax(worst, fabs(s - a[i * n + j]) + fabs(s - c[i * n + j]));
            }
            a[i * n + i] += 1;
        }
        memcpy(u, a, sizeof(u));
        if (!lt_dense_cholesky(u, n)) worst = INFINITY;
        for (int i = 0; i < n * K; i++) x[i] = y[i] = lt_rng_normal(&rng);
        lt_dense_solve(u, n, x, K);
        for (int i = 0; i < n; i++) { /* U' x must give y again, and U' U the matrix */
            for (int k = 0; k < K; k++) {
                double s = 0;

                for (int j = 0; j <= i; j++) s += u[j * n + i] * x[j * K + k];
                worst = fmax(worst, fabs(s - y[i * K + k]));
            }
            for (int j = i; j < n; j++) {
                double s = 0;

                for (int t = 0; t <= i; t++) s += u[t * n + i] * u[t * n + j];
                worst = fmax(worst, fabs(s - a[i * n + j]));
                scale = fmax(scale, fabs(s));
            }
        }
        for (int i = 0; i < n; i++) x[i] = y[i];
        lt_dense_back(u, n, x);
        for (int i = 0; i < n; i++) {
            double s = 0;

            for (int j = i; j < n; j++) s += u[i * n + j] * x[j];
            worst = fmax(worst, fabs(s - y[i]));
        }
    }
    /* sums of at most 61 products of numbers up to `scale` */
    lt_ok(worst < 1e-12 * (1 + scale) * N, "factor and solutions give the matrix and the right sides again: %.1e off",
          worst);
    a[0] = -1;
    lt_ok(!lt_dense_cholesky(a, 1), "a matrix that is not positive definite is told");
}

/* One-hot features of random choices. */
static void draw(double *x, int n, int choice[][GENES]) {
    memset(x, 0, (size_t)n * D * sizeof(*x));
    for (int i = 0; i < n; i++) {
        for (int g = 0; g < GENES; g++) {
            choice[i][g] = (int)lt_rng_below(&rng, CHOICES);
            x[i * D + g * CHOICES + choice[i][g]] = 1;
        }
    }
}

static double additive(const int *c) {
    double s = 0;

    for (int g = 0; g < GENES; g++) s += sin(3 * g + 1) * c[g] + 0.5 * cos(g) * c[g] * c[g];
    return s;
}

static double interacting(const int *c) {
    double s = 0;

    for (int g = 0; g + 1 < GENES; g += 3) s += (c[g] == c[g + 1]) * (1 + 0.3 * g) + 0.3 * c[g];
    return s;
}

static void regression(void) {
    static double x[300 * D], q[200 * D];
    static int c[300][GENES], cq[200][GENES];
    double y[300], truth[200], mean[200], sd[200];
    struct lt_surrogate g;
    struct lt_err e = {0};
    int inside = 0;

    lt_surrogate_init(&g, D);
    draw(x, 300, c);
    draw(q, 200, cq);
    for (int i = 0; i < 300; i++) y[i] = 70 + additive(c[i]);
    for (int i = 0; i < 200; i++) truth[i] = 70 + additive(cq[i]);
    if (lt_surrogate_fit(&g, x, y, 60, &e) || lt_surrogate_predict(&g, q, 200, mean, sd, &e)) lt_note("%s", e.msg);
    lt_ok(lt_pearson(mean, truth, 200) > 0.99, "a sum over choices is learned from 60 of 59,049: correlation %.4f",
          lt_pearson(mean, truth, 200));
    lt_ok(g.linear > 0, "by a kernel with a linear part");
    for (int i = 0; i < 300; i++) y[i] = interacting(c[i]);
    for (int i = 0; i < 200; i++) truth[i] = interacting(cq[i]);
    if (lt_surrogate_fit(&g, x, y, 300, &e) || lt_surrogate_predict(&g, q, 200, mean, sd, &e)) lt_note("%s", e.msg);
    for (int i = 0; i < 200; i++) inside += fabs(mean[i] - truth[i]) < 2 * sd[i];
    lt_ok(lt_pearson(mean, truth, 200) > 0.85, "choices that act in pairs are learned from 300: correlation %.3f",
          lt_pearson(mean, truth, 200));
    lt_ok(inside > 160, "and %d of 200 lie within two standard deviations", inside);
    if (lt_surrogate_predict(&g, x, 200, mean, truth, &e)) lt_note("%s", e.msg);
    lt_ok(lt_mean(truth, 200) < 0.8 * lt_mean(sd, 200), "what it was fitted to is less uncertain: %.3f, elsewhere %.3f",
          lt_mean(truth, 200), lt_mean(sd, 200));
    for (int i = 0; i < 5; i++) y[i] = 3;
    lt_ok(!lt_surrogate_fit(&g, x, y, 5, &e) && !lt_surrogate_predict(&g, q, 3, mean, sd, &e) &&
              fabs(mean[1] - 3) < 1e-9 && isfinite(sd[1]),
          "constant values are predicted as such");
    lt_surrogate_release(&g);
}

static void warp(void) {
    double y[] = {1, 70, 71, 71, 72, 73, 0.5, 60}, z[8], worst = 0;
    struct lt_warp w = {0};
    struct lt_err e;
    bool rising = true;
    int n = (int)(sizeof(y) / sizeof(*y));

    if (lt_warp_fit(&w, y, n, z, &e)) return;
    for (int i = 0; i < n; i++) {
        worst = fmax(worst, fabs(lt_warp_back(&w, z[i]) - y[i]));
        for (int j = 0; j < n; j++) rising &= (y[i] < y[j]) == (z[i] < z[j]);
    }
    lt_ok(worst < 1e-12 && rising, "values become normal ones in their order, and come back");
    lt_ok(lt_warp_back(&w, 9) > 73 && lt_warp_back(&w, -9) < 0.5, "beyond the ends it goes on");
    y[0] = 4;
    lt_ok(!lt_warp_fit(&w, y, 1, z, &e) && z[0] == 0 && lt_warp_back(&w, 2) == 4, "one value is all there is");
    lt_warp_release(&w);
}

int main(void) {
    int64_t live = lt_mem_live();

    lt_rng_at(&rng, 7, LT_RNG_TEST, 3, 0);
    dense();
    regression();
    warp();
    lt_ok(lt_mem_live() == live, "nothing leaks");
    return lt_done();
}
