/* Values to normal ones and back; contract in warp.h. */
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "search/warp.h"

void lt_warp_release(struct lt_warp *w) {
    lt_free(w->y);
    lt_free(w->z);
    *w = (struct lt_warp){0};
}

static int by_number(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Slope between an end and what lies a sixth of all values inside. */
static double slope(const struct lt_warp *w, int end, int inner) {
    double d = w->z[end] - w->z[inner];

    return d != 0 ? (w->y[end] - w->y[inner]) / d : 0;
}

/* First place in y with a value of at least v. */
static int place(const double *y, int n, double v) {
    int lo = 0, hi = n;

    while (lo < hi) {
        int mid = (lo + hi) / 2;

        if (y[mid] < v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

lt_status lt_warp_fit(struct lt_warp *w, const double *y, int n, double *z, struct lt_err *e) {
    int distinct = 0;

    if (n > w->cap) {
        int cap = n + n / 2 + 16;

        lt_warp_release(w);
        w->y = lt_malloc((size_t)cap * sizeof(*w->y));
        w->z = lt_malloc((size_t)cap * sizeof(*w->z));
        if (!w->y || !w->z) {
            lt_warp_release(w);
            return lt_fail(e, LT_ENOMEM, "search: out of memory for %d values", n);
        }
        w->cap = cap;
    }
    memcpy(w->y, y, (size_t)n * sizeof(*y));
    qsort(w->y, (size_t)n, sizeof(*w->y), by_number);
    for (int from = 0, to; from < n; from = to) {
        for (to = from; to < n && w->y[to] == w->y[from]; to++) continue;
        w->y[distinct] = w->y[from];
        w->z[distinct++] = gsl_cdf_ugaussian_Pinv(0.5 * (from + to) / n);
    }
    w->n = distinct;
    w->low_slope = slope(w, 0, (distinct - 1) / 6 + (distinct > 1));
    w->high_slope = slope(w, distinct - 1, distinct - 1 - (distinct - 1) / 6 - (distinct > 1));
    for (int i = 0; i < n; i++) z[i] = w->z[place(w->y, w->n, y[i])];
    return LT_OK;
}

double lt_warp_back(const struct lt_warp *w, double z) {
    int i;

    if (!(z > w->z[0])) return w->y[0] + w->low_slope * (z - w->z[0]);
    if (z >= w->z[w->n - 1]) return w->y[w->n - 1] + w->high_slope * (z - w->z[w->n - 1]);
    i = place(w->z, w->n, z);
    return w->y[i - 1] + (w->y[i] - w->y[i - 1]) * (z - w->z[i - 1]) / (w->z[i] - w->z[i - 1]);
}
