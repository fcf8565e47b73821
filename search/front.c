/* Ranks by non-domination and crowding; contract in front.h. */
#include <math.h>
#include <stdlib.h>
#include "lathe/mem.h"
#include "search/front.h"

double lt_goal_row(const struct lt_goal *goal, const struct lt_scores *s, double *f) {
    bool usable = s->status == LT_OK;

    for (int i = 0; i < goal->n_objectives; i++) {
        int k = goal->objective[i].score;

        usable &= s->have[k] && isfinite(s->v[k]);
        f[i] = goal->objective[i].maximize ? -s->v[k] : s->v[k];
    }
    return usable ? lt_goal_violation(goal, s, NULL) : INFINITY;
}

/* What sorting needs, so that qsort has all in one element. */
struct item {
    const double *f;
    double violation;
    int index, m;
};

/* By violation, then lexicographically, so that a point comes after all that dominate it. */
static int by_row(const void *a, const void *b) {
    const struct item *x = a, *y = b;

    if (x->violation != y->violation) return x->violation < y->violation ? -1 : 1;
    for (int i = 0; i < x->m; i++) {
        if (x->f[i] != y->f[i]) return x->f[i] < y->f[i] ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

static bool equal_rows(const struct item *x, const struct item *y) {
    for (int i = 0; i < x->m; i++) {
        if (x->f[i] != y->f[i]) return false;
    }
    return true;
}

/* Of two different rows, x before y in lexicographic order. */
static bool covers(const double *x, const double *y, int m) {
    for (int i = 1; i < m; i++) {
        if (x[i] > y[i]) return false;
    }
    return true;
}

/* Fronts of sorted items of one violation: last[k] is the item last put into front k, prev[] chains to those before it.
 * Returns how many fronts there are. */
static int peel(const struct item *it, int n, int m, int *rank, int *last, int *prev) {
    int fronts = 0;

    for (int i = 0; i < n; i++) {
        int lo = 0, hi = fronts;

        if (i > 0 && equal_rows(&it[i - 1], &it[i])) {
            lo = rank[it[i - 1].index];
        } else if (m == 1) {
            lo = fronts;
        } else {
            while (lo < hi) {
                int mid = (lo + hi) / 2, j = last[mid];

                /* with two objectives the last one of a front has its least second value */
                for (; j >= 0 && !covers(it[j].f, it[i].f, m); j = m == 2 ? -1 : prev[j]) continue;
                if (j >= 0)
                    lo = mid + 1;
                else
                    hi = mid;
            }
        }
        if (lo == fronts) last[fronts++] = -1;
        prev[i] = last[lo];
        last[lo] = i;
        rank[it[i].index] = lo;
    }
    return fronts;
}

lt_status lt_front_ranks(const double *f, int stride, const double *violation, int n, int m, int *rank,
                         struct lt_err *e) {
    struct item *it = lt_malloc(((size_t)n + 1) * sizeof(*it));
    int *last = lt_malloc((2 * (size_t)n + 1) * sizeof(*last)), usable = 0, base = 0;
    lt_status s = LT_OK;

    if (!it || !last) {
        s = lt_fail(e, LT_ENOMEM, "search: out of memory for the ranks of %d points", n);
        goto out;
    }
    for (int i = 0; i < n; i++) {
        rank[i] = -1;
        if (isfinite(violation[i])) it[usable++] = (struct item){f + (size_t)i * (size_t)stride, violation[i], i, m};
    }
    qsort(it, (size_t)usable, sizeof(*it), by_row);
    for (int from = 0, to; from < usable; from = to) {
        int fronts;

        for (to = from + 1; to < usable && it[to].violation == it[from].violation; to++) continue;
        fronts = peel(it + from, to - from, m, rank, last, last + n);
        for (int i = from; i < to; i++) rank[it[i].index] += base;
        base += fronts;
    }
out:
    lt_free(it);
    lt_free(last);
    return s;
}

struct along {
    double v;
    int i;
};

static int by_value(const void *a, const void *b) {
    const struct along *x = a, *y = b;

    if (x->v != y->v) return x->v < y->v ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

lt_status lt_front_crowding(const double *f, int stride, int m, const int *at, int k, double *out, struct lt_err *e) {
    struct along *o = lt_malloc(((size_t)k + 1) * sizeof(*o));

    if (!o) return lt_fail(e, LT_ENOMEM, "search: out of memory for the crowding of %d points", k);
    for (int i = 0; i < k; i++) out[i] = 0;
    for (int d = 0; d < m && k > 0; d++) {
        double range;

        for (int i = 0; i < k; i++) o[i] = (struct along){f[(size_t)at[i] * (size_t)stride + (size_t)d], i};
        qsort(o, (size_t)k, sizeof(*o), by_value);
        range = o[k - 1].v - o[0].v;
        out[o[0].i] = out[o[k - 1].i] = INFINITY;
        for (int i = 1; i + 1 < k && range > 0; i++) out[o[i].i] += (o[i + 1].v - o[i - 1].v) / range;
    }
    lt_free(o);
    return LT_OK;
}
