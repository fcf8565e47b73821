/* Room: predictors. Symmetric eigenproblem; see eigen.h. */
#include "predictors/eigen.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST_STEPS = 60 };

/* a <- H a H with H = I - beta v v', for v that is zero before `from`; rows of q are turned along: q <- H q. */
static void reflect(double *a, double *q, const double *v, double beta, double *p, int from, int n) {
    size_t w = (size_t)n;
    double k = 0;

    for (int i = from; i < n; i++) {
        double dot = 0;
        for (int j = from; j < n; j++) dot += a[(size_t)i * w + (size_t)j] * v[j];
        p[i] = beta * dot;
        k += 0.5 * beta * p[i] * v[i];
    }
    for (int i = from; i < n; i++) p[i] -= k * v[i];
    for (int i = from; i < n; i++)
        for (int j = from; j < n; j++) a[(size_t)i * w + (size_t)j] -= v[i] * p[j] + p[i] * v[j];
    memset(p, 0, w * sizeof(*p));
    for (int i = from; i < n; i++)
        for (int j = 0; j < n; j++) p[j] += v[i] * q[(size_t)i * w + (size_t)j];
    for (int i = from; i < n; i++)
        for (int j = 0; j < n; j++) q[(size_t)i * w + (size_t)j] -= beta * v[i] * p[j];
}

/* a becomes tridiagonal, q the product of the reflections: q a0 q' = a. Column k of a is used for its own reflection,
 * which leaves zeros there that nobody reads. */
static void tridiagonal(double *a, double *q, double *p, double *v, int n) {
    size_t w = (size_t)n;

    memset(q, 0, w * w * sizeof(*q));
    for (size_t i = 0; i < w; i++) q[i * w + i] = 1;
    for (int k = 0; k + 2 < n; k++) {
        double norm = 0, scale = 0, head;
        for (int i = k + 1; i < n; i++) scale = fmax(scale, fabs(a[(size_t)i * w + (size_t)k]));
        if (scale == 0) continue;
        for (int i = k + 1; i < n; i++) {
            v[i] = a[(size_t)i * w + (size_t)k] / scale;
            norm += v[i] * v[i];
        }
        head = copysign(sqrt(norm), v[k + 1]);
        v[k + 1] += head;
        /* |v|^2 = 2 (norm + |head v_0|) with the old v_0 */
        reflect(a, q, v, 1 / (head * v[k + 1]), p, k + 1, n);
        a[(size_t)(k + 1) * w + (size_t)k] = -head * scale;
    }
}

static void rotate(double *x, double *y, double c, double s, int n) { /* rows i and i + 1 */
    for (int k = 0; k < n; k++) {
        double t = y[k];
        y[k] = s * x[k] + c * t;
        x[k] = c * x[k] - s * t;
    }
}

/* One QL step on rows l..m of the tridiagonal matrix with diagonal d and subdiagonal e. */
static void step(double *d, double *e, double *q, int l, int m, int n) {
    double g = (d[l + 1] - d[l]) / (2 * e[l]), r = hypot(g, 1), s = 1, c = 1, p = 0;

    g = d[m] - d[l] + e[l] / (g + copysign(r, g));
    for (int i = m - 1; i >= l; i--) {
        double f = s * e[i], b = c * e[i];
        r = hypot(f, g);
        e[i + 1] = r;
        if (r == 0) {
            d[i + 1] -= p;
            e[m] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        rotate(q + (size_t)i * (size_t)n, q + (size_t)(i + 1) * (size_t)n, c, s, n);
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0;
}

bool lt_eigen_symmetric(double *a, double *value, double *vector, double *work, int n) {
    double *e = work, size = 0;
    size_t w = (size_t)n;

    tridiagonal(a, vector, work, work + n, n);
    for (size_t i = 0; i < w; i++) {
        value[i] = a[i * w + i];
        e[i] = i + 1 < w ? a[(i + 1) * w + i] : 0;
        size = fmax(size, fabs(value[i]) + fabs(e[i]));
    }
    for (int l = 0; l < n; l++) {
        for (int k = 0;; k++) {
            int m = l;
            while (m < n - 1 && fabs(e[m]) > DBL_EPSILON * size) m++;
            if (m == l) break;
            if (k == MOST_STEPS) return false;
            step(value, e, vector, l, m, n);
        }
    }
    return true;
}
