/* Exact hypervolume; contract and sources in hypervolume.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "search/hypervolume.h"

lt_status lt_hv_init(struct lt_hv *hv, int m, const double *ref, struct lt_err *e) {
    *hv = (struct lt_hv){.m = m, .cap = 64};
    if (m < 1 || m > LT_MAX_SCORES)
        return lt_fail(e, LT_EINVAL, "hypervolume: %d objectives; 1 to %d are possible", m, LT_MAX_SCORES);
    memcpy(hv->ref, ref, (size_t)m * sizeof(*ref));
    if (!(hv->row = lt_malloc((size_t)hv->cap * (size_t)m * sizeof(double))))
        return lt_fail(e, LT_ENOMEM, "hypervolume: out of memory");
    return LT_OK;
}

void lt_hv_release(struct lt_hv *hv) {
    lt_free(hv->row);
    *hv = (struct lt_hv){0};
}

void lt_hv_clear(struct lt_hv *hv) { hv->n = 0; }

static bool below(const double *a, const double *b, int m) { /* a <= b everywhere */
    for (int i = 0; i < m; i++) {
        if (!(a[i] <= b[i])) return false;
    }
    return true;
}

static bool inside(const struct lt_hv *hv, const double *row) {
    for (int i = 0; i < hv->m; i++) {
        if (!(row[i] < hv->ref[i])) return false;
    }
    return true;
}

lt_status lt_hv_add(struct lt_hv *hv, const double *row, struct lt_err *e) {
    size_t size = (size_t)hv->m * sizeof(double);
    int kept = 0, at;

    if (!inside(hv, row)) return LT_OK;
    for (int i = 0; i < hv->n; i++) {
        if (below(hv->row + i * hv->m, row, hv->m)) return LT_OK;
    }
    if (hv->n == hv->cap) {
        double *r = lt_realloc(hv->row, 2 * (size_t)hv->cap * size);

        if (!r) return lt_fail(e, LT_ENOMEM, "hypervolume: out of memory");
        hv->row = r;
        hv->cap *= 2;
    }
    for (int i = 0; i < hv->n; i++) {
        if (below(row, hv->row + i * hv->m, hv->m)) continue;
        if (kept != i) memcpy(hv->row + kept * hv->m, hv->row + i * hv->m, size);
        kept++;
    }
    for (at = kept; at > 0 && hv->row[(at - 1) * hv->m] > row[0]; at--) continue;
    memmove(hv->row + (at + 1) * hv->m, hv->row + at * hv->m, (size_t)(kept - at) * size);
    memcpy(hv->row + at * hv->m, row, size);
    hv->n = kept + 1;
    return LT_OK;
}

lt_status lt_hv_set(struct lt_hv *hv, const double *rows, int n, struct lt_err *e) {
    lt_status s = LT_OK;

    hv->n = 0;
    for (int i = 0; i < n && !s; i++) s = lt_hv_add(hv, rows + (size_t)i * (size_t)hv->m, e);
    return s;
}

/* ---- volumes of non-dominated rows ---- */

static double volume_2(const double *row, int n, const double *ref) { /* sorted by the first value */
    double v = 0, top = ref[1];

    for (int i = 0; i < n; i++) {
        v += (ref[0] - row[2 * i]) * (top - row[2 * i + 1]);
        top = row[2 * i + 1];
    }
    return v;
}

static int by_last_of_3(const void *a, const void *b) {
    const double *x = a, *y = b;

    return x[2] < y[2] ? -1 : x[2] > y[2];
}

/* rows are reordered; stairs holds n + 2 pairs: a front of the first two values, x ascending, y descending, between
 * sentinels. */
static double volume_3(double *row, int n, const double *ref, double (*stairs)[2]) {
    int k = 2;
    double area = 0, v = 0;

    qsort(row, (size_t)n, 3 * sizeof(double), by_last_of_3);
    stairs[0][0] = -INFINITY;
    stairs[0][1] = ref[1];
    stairs[1][0] = ref[0];
    stairs[1][1] = -INFINITY;
    for (int i = 0; i < n; i++) {
        const double *p = row + 3 * i;
        int at = 0, from, end;

        while (stairs[at + 1][0] <= p[0]) at++; /* the step that covers p's x */
        if (stairs[at][1] > p[1]) {
            double right, y = stairs[at][1], x = p[0];

            from = stairs[at][0] == p[0] ? at : at + 1;
            for (end = from; stairs[end][1] >= p[1]; end++) {
                right = stairs[end][0];
                if (right > x) {
                    area += (right - x) * (y - p[1]);
                    x = right;
                }
                y = stairs[end][1];
            }
            area += (stairs[end][0] - x) * (y - p[1]);
            memmove(stairs + from + 1, stairs + end, (size_t)(k - end) * sizeof(*stairs));
            stairs[from][0] = p[0];
            stairs[from][1] = p[1];
            k += 1 - (end - from);
        }
        v += area * ((i + 1 < n ? row[3 * (i + 1) + 2] : ref[2]) - p[2]);
    }
    return v;
}

static lt_status volume(double *row, int n, int m, const double *ref, double *out, struct lt_err *e);

/* What p adds to rows[0..n): its box less the volume of the rows moved into that box. */
static lt_status exclusive(const double *p, const double *rows, int n, int m, const double *ref, double *out,
                           struct lt_err *e) {
    struct lt_hv box;
    double all = 1, taken = 0, moved[LT_MAX_SCORES];
    lt_status s;

    for (int d = 0; d < m; d++) all *= ref[d] - p[d];
    if (n == 0) {
        *out = all;
        return LT_OK;
    }
    if ((s = lt_hv_init(&box, m, ref, e))) return s;
    for (int i = 0; i < n && !s; i++) {
        for (int d = 0; d < m; d++) moved[d] = fmax(p[d], rows[i * m + d]);
        s = lt_hv_add(&box, moved, e);
    }
    if (!s && !(s = volume(box.row, box.n, m, ref, &taken, e))) *out = all - taken;
    lt_hv_release(&box);
    return s;
}

/* Of non-dominated rows sorted by the first value; may reorder them. */
static lt_status volume(double *row, int n, int m, const double *ref, double *out, struct lt_err *e) {
    double sum = 0, part;
    lt_status s = LT_OK;

    if (m == 1) {
        *out = n ? ref[0] - row[0] : 0;
    } else if (m == 2) {
        *out = volume_2(row, n, ref);
    } else if (m == 3) {
        double(*stairs)[2] = lt_malloc(((size_t)n + 3) * sizeof(*stairs));

        if (!stairs) return lt_fail(e, LT_ENOMEM, "hypervolume: out of memory");
        *out = volume_3(row, n, ref, stairs);
        lt_free(stairs);
    } else {
        for (int i = 0; i < n && !s; i++) {
            if (!(s = exclusive(row + i * m, row + (i + 1) * m, n - i - 1, m, ref, &part, e))) sum += part;
        }
        if (!s) *out = sum;
    }
    return s;
}

lt_status lt_hv_volume(const struct lt_hv *hv, double *out, struct lt_err *e) {
    size_t size = (size_t)hv->n * (size_t)hv->m * sizeof(double);
    double *copy;
    lt_status s;

    if (hv->m <= 2) return volume(hv->row, hv->n, hv->m, hv->ref, out, e);
    if (!(copy = lt_malloc(size + 1))) return lt_fail(e, LT_ENOMEM, "hypervolume: out of memory");
    memcpy(copy, hv->row, size);
    s = volume(copy, hv->n, hv->m, hv->ref, out, e);
    lt_free(copy);
    return s;
}

/* Strips between the points of the front, each clipped by p. */
static double gain_2(const struct lt_hv *hv, const double *p) {
    double v = 0, x = p[0], y = hv->ref[1];

    for (int i = 0; i < hv->n; i++) {
        const double *q = hv->row + 2 * i;

        if (q[0] > x) {
            if (y > p[1]) v += (q[0] - x) * (y - p[1]);
            x = q[0];
        }
        y = q[1];
        if (y <= p[1]) return v;
    }
    return v + (hv->ref[0] - x) * (y - p[1]);
}

lt_status lt_hv_gain(const struct lt_hv *hv, const double *row, double *out, struct lt_err *e) {
    *out = 0;
    if (!inside(hv, row)) return LT_OK;
    if (hv->m == 1) {
        *out = (hv->n ? fmin(hv->row[0], hv->ref[0]) : hv->ref[0]) - row[0];
        *out = fmax(*out, 0);
        return LT_OK;
    }
    if (hv->m == 2) {
        *out = gain_2(hv, row);
        return LT_OK;
    }
    for (int i = 0; i < hv->n; i++) {
        if (below(hv->row + i * hv->m, row, hv->m)) return LT_OK;
    }
    return exclusive(row, hv->row, hv->n, hv->m, hv->ref, out, e);
}
