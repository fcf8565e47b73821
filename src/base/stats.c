/* Base room: statistics. Quantiles are type 7; the interval of the median is distribution-free, from order statistics.
 */
#include "lathe/stats.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lathe/mem.h"

double lt_mean(const double *x, int n) {
    double s = 0;
    for (int i = 0; i < n; i++) s += x[i];
    return n > 0 ? s / n : 0;
}

double lt_sd(const double *x, int n) {
    if (n < 2) return 0;
    double m = lt_mean(x, n), s = 0;
    for (int i = 0; i < n; i++) s += (x[i] - m) * (x[i] - m);
    return sqrt(s / (n - 1));
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void lt_sort_doubles(double *x, int n) {
    if (n > 0) qsort(x, (size_t)n, sizeof *x, ascending);
}

/* Sorted copy; LT_CHECKs memory: these arrays are small and callers have no error path to offer. */
static double *sorted(const double *x, int n) {
    double *v = lt_malloc((size_t)(n > 0 ? n : 1) * sizeof *v);
    LT_CHECK(v != NULL);
    if (n > 0) memcpy(v, x, (size_t)n * sizeof *v);
    lt_sort_doubles(v, n);
    return v;
}

double lt_quantile(const double *x, int n, double q) {
    if (n <= 0) return 0;
    double *v = sorted(x, n), h = (n - 1) * (q < 0 ? 0 : q > 1 ? 1 : q);
    int i = (int)h;
    double r = i + 1 < n ? v[i] + (h - i) * (v[i + 1] - v[i]) : v[n - 1];
    lt_free(v);
    return r;
}

double lt_median(const double *x, int n) { return lt_quantile(x, n, 0.5); }

bool lt_median_ci(const double *x, int n, double level, double *lo, double *hi) {
    /* P(x(k) <= median <= x(n+1-k)) = 1 - 2 P(B <= k-1), B ~ Binomial(n, 1/2): the largest k that still covers. */
    int k = 0;
    while (k + 1 <= n / 2 && 1 - 2 * gsl_cdf_binomial_P((unsigned)k, 0.5, (unsigned)n) >= level) k++;
    if (k == 0) return false;
    double *v = sorted(x, n);
    *lo = v[k - 1];
    *hi = v[n - k];
    lt_free(v);
    return true;
}

double lt_pearson(const double *a, const double *b, int n) {
    double ma = lt_mean(a, n), mb = lt_mean(b, n), sa = 0, sb = 0, sab = 0;
    for (int i = 0; i < n; i++) {
        sa += (a[i] - ma) * (a[i] - ma);
        sb += (b[i] - mb) * (b[i] - mb);
        sab += (a[i] - ma) * (b[i] - mb);
    }
    return sa > 0 && sb > 0 ? sab / sqrt(sa * sb) : 0;
}

struct item {
    double key;
    int at;
};

static int by_key(const void *a, const void *b) {
    const struct item *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? 1 : -1;
    return (x->at > y->at) - (x->at < y->at);
}

static void average_ranks(const double *x, int n, struct item *t, double *rank) {
    for (int i = 0; i < n; i++) t[i] = (struct item){x[i], i};
    qsort(t, (size_t)n, sizeof *t, by_key);
    for (int i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && t[j].key == t[i].key;) j++;
        for (int k = i; k < j; k++) rank[t[k].at] = 0.5 * (i + j - 1);
    }
}

double lt_spearman(const double *a, const double *b, int n) {
    if (n < 2) return 0;
    struct item *t = lt_malloc((size_t)n * sizeof *t);
    double *r = lt_malloc(2 * (size_t)n * sizeof *r);
    LT_CHECK(t && r);
    average_ranks(a, n, t, r);
    average_ranks(b, n, t, r + n);
    double rho = lt_pearson(r, r + n, n);
    lt_free(r);
    lt_free(t);
    return rho;
}

struct pair {
    double a, b;
};

static int by_a_then_b(const void *p, const void *q) {
    const struct pair *x = p, *y = q;
    if (x->a != y->a) return x->a > y->a ? 1 : -1;
    return (x->b > y->b) - (x->b < y->b);
}

/* Merge sort by b that counts exchanges. */
static int64_t exchanges(struct pair *v, struct pair *tmp, int n) {
    if (n < 2) return 0;
    int h = n / 2, i = 0, j = h, k = 0;
    int64_t swaps = exchanges(v, tmp, h) + exchanges(v + h, tmp, n - h);
    while (i < h && j < n) {
        if (v[j].b < v[i].b) {
            swaps += h - i;
            tmp[k++] = v[j++];
        } else {
            tmp[k++] = v[i++];
        }
    }
    while (i < h) tmp[k++] = v[i++];
    while (j < n) tmp[k++] = v[j++];
    memcpy(v, tmp, (size_t)n * sizeof *v);
    return swaps;
}

/* Knight, "A computer method for calculating Kendall's tau with ungrouped data", JASA 61, 1966; tau-b. */
double lt_kendall(const double *a, const double *b, int n) {
    if (n < 2) return 0;
    struct pair *v = lt_malloc(2 * (size_t)n * sizeof *v);
    LT_CHECK(v != NULL);
    for (int i = 0; i < n; i++) v[i] = (struct pair){a[i], b[i]};
    qsort(v, (size_t)n, sizeof *v, by_a_then_b);
    int64_t total = (int64_t)n * (n - 1) / 2, tie_a = 0, tie_b = 0, tie_ab = 0;
    for (int i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && v[j].a == v[i].a;) j++;
        tie_a += (int64_t)(j - i) * (j - i - 1) / 2;
        for (int k = i, l; k < j; k = l) {
            for (l = k + 1; l < j && v[l].b == v[k].b;) l++;
            tie_ab += (int64_t)(l - k) * (l - k - 1) / 2;
        }
    }
    int64_t swaps = exchanges(v, v + n, n);
    for (int i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && v[j].b == v[i].b;) j++;
        tie_b += (int64_t)(j - i) * (j - i - 1) / 2;
    }
    lt_free(v);
    double da = (double)(total - tie_a), db = (double)(total - tie_b);
    return da > 0 && db > 0 ? (double)(total - tie_a - tie_b + tie_ab - 2 * swaps) / sqrt(da * db) : 0;
}

double lt_mape(const double *pred, const double *truth, int n) {
    double s = 0;
    for (int i = 0; i < n; i++) s += fabs(pred[i] - truth[i]) / fabs(truth[i]);
    return n > 0 ? s / n : 0;
}

double lt_now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
