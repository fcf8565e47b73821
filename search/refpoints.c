/* Reference directions; contract and sources in refpoints.h. */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "search/refpoints.h"

#define MOST 1000000 /* reference points */

/* Points of a simplex lattice: binomial(p + m - 1, m - 1), at most MOST + 1. */
static int lattice_size(int m, int p) {
    double c = 1;

    for (int i = 1; i < m; i++) c = c * (p + i) / i;
    return c > MOST ? MOST + 1 : (int)(c + 0.5);
}

/* All ways to write p as a sum of m whole numbers, in order. */
static void lattice(int m, int p, double shrink, double *w) {
    int part[LT_MAX_SCORES] = {0}, n = lattice_size(m, p);

    part[m - 1] = p;
    for (int i = 0; i < n; i++) {
        int k = m - 1, rest;

        for (int d = 0; d < m; d++) w[i * m + d] = shrink * part[d] / p + (1 - shrink) / m;
        while (k > 0 && part[k] == 0) k--; /* the last that is not 0 gives one to its left, the rest goes to the end */
        if (k == 0) break;
        rest = part[k] - 1;
        part[k] = 0;
        part[k - 1]++;
        part[m - 1] = rest;
    }
}

lt_status lt_refpoints_init(struct lt_refpoints *r, int m, int divisions, int most, struct lt_err *e) {
    int p = divisions, inner = 0;

    *r = (struct lt_refpoints){.m = m};
    if (m < 1 || m > LT_MAX_SCORES)
        return lt_fail(e, LT_EINVAL, "reference points: %d objectives; 1 to %d are possible", m, LT_MAX_SCORES);
    if (p == 0) {
        p = 1;
        while (m > 1 && lattice_size(m, p + 1) <= most) p++;
    }
    if (lattice_size(m, p) > MOST)
        return lt_fail(e, LT_EINVAL, "reference points: %d divisions of %d objectives give more than %d", p, m, MOST);
    r->n = lattice_size(m, p);
    if (divisions == 0 && p < m) {
        while (r->n + lattice_size(m, inner + 1) <= most && inner + 1 < p) inner++;
    }
    if (inner) r->n += lattice_size(m, inner);
    if (!(r->w = lt_malloc((size_t)r->n * (size_t)m * sizeof(*r->w))))
        return lt_fail(e, LT_ENOMEM, "reference points: out of memory for %d of them", r->n);
    lattice(m, p, 1, r->w);
    if (inner) lattice(m, inner, 0.5, r->w + (size_t)lattice_size(m, p) * (size_t)m);
    for (int d = 0; d < m; d++) r->scale[d] = 1;
    return LT_OK;
}

void lt_refpoints_release(struct lt_refpoints *r) {
    lt_free(r->w);
    *r = (struct lt_refpoints){0};
}

/* Solves a x = 1 by elimination with row pivots; false when singular. */
static bool solve_ones(double *a, double *x, int m) {
    for (int i = 0; i < m; i++) x[i] = 1;
    for (int k = 0; k < m; k++) {
        int p = k;

        for (int i = k + 1; i < m; i++) {
            if (fabs(a[i * m + k]) > fabs(a[p * m + k])) p = i;
        }
        if (!(fabs(a[p * m + k]) > 1e-12)) return false;
        for (int j = 0; j < m; j++) {
            double t = a[k * m + j];

            a[k * m + j] = a[p * m + j];
            a[p * m + j] = t;
        }
        double t = x[k];
        x[k] = x[p];
        x[p] = t;
        for (int i = k + 1; i < m; i++) {
            double q = a[i * m + k] / a[k * m + k];

            for (int j = k; j < m; j++) a[i * m + j] -= q * a[k * m + j];
            x[i] -= q * x[k];
        }
    }
    for (int k = m - 1; k >= 0; k--) {
        for (int j = k + 1; j < m; j++) x[k] -= a[k * m + j] * x[j];
        x[k] /= a[k * m + k];
    }
    return true;
}

/* The row that is best along one axis, when all others count a million times (achievement scalarizing function). */
static const double *extreme(const struct lt_refpoints *r, const double *f, int stride, int n, int axis) {
    const double *best = f;
    double least = INFINITY;

    for (int i = 0; i < n; i++) {
        double v = 0;

        for (int d = 0; d < r->m; d++)
            v = fmax(v,
                     (f[(size_t)i * (size_t)stride + (size_t)d] - r->ideal[d]) / r->scale[d] * (d == axis ? 1 : 1e6));
        if (v < least) {
            least = v;
            best = f + (size_t)i * (size_t)stride;
        }
    }
    return best;
}

lt_status lt_refpoints_fit(struct lt_refpoints *r, const double *f, int stride, int n, struct lt_err *e) {
    double range[LT_MAX_SCORES], x[LT_MAX_SCORES], *a;
    int m = r->m;

    if (n < 1) return LT_OK;
    if (!(a = lt_malloc((size_t)m * (size_t)m * sizeof(*a))))
        return lt_fail(e, LT_ENOMEM, "reference points: out of memory");
    for (int d = 0; d < m; d++) {
        double hi = -INFINITY;

        r->ideal[d] = INFINITY;
        for (int i = 0; i < n; i++) {
            r->ideal[d] = fmin(r->ideal[d], f[(size_t)i * (size_t)stride + (size_t)d]);
            hi = fmax(hi, f[(size_t)i * (size_t)stride + (size_t)d]);
        }
        range[d] = hi - r->ideal[d] > 0 ? hi - r->ideal[d] : 1;
        r->scale[d] = range[d];
    }
    for (int k = 0; k < m; k++) { /* in units of the ranges, so that the pivots' limit means something */
        const double *p = extreme(r, f, stride, n, k);

        for (int d = 0; d < m; d++) a[k * m + d] = (p[d] - r->ideal[d]) / range[d];
    }
    if (solve_ones(a, x, m)) {
        bool sound = true;

        for (int d = 0; d < m; d++) sound &= x[d] > 1 / 1.5 && x[d] < 1e6; /* an intercept far outside is noise */
        for (int d = 0; d < m && sound; d++) r->scale[d] = range[d] / x[d];
    }
    lt_free(a);
    return LT_OK;
}

int lt_refpoints_nearest(const struct lt_refpoints *r, const double *f, double *distance) {
    double least = INFINITY, q[LT_MAX_SCORES];
    int best = 0;

    for (int d = 0; d < r->m; d++) q[d] = (f[d] - r->ideal[d]) / r->scale[d];
    for (int i = 0; i < r->n; i++) {
        const double *w = r->w + (size_t)i * (size_t)r->m;
        double along = 0, len = 0, off = 0;

        for (int d = 0; d < r->m; d++) {
            along += q[d] * w[d];
            len += w[d] * w[d];
        }
        along /= len;
        for (int d = 0; d < r->m; d++) off += (q[d] - along * w[d]) * (q[d] - along * w[d]);
        if (off < least) {
            least = off;
            best = i;
        }
    }
    *distance = sqrt(least);
    return best;
}
