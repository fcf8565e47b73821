/* Room: predictors. Forward selection of columns; see select.h. */
#include "predictors/select.h"
#include <math.h>
#include <string.h>
#include "lathe/mem.h"

enum { MOST = 60 };
/* What is left of a column beside the chosen ones must be this share of it, squared: less is rounding. */
#define NEW_DIRECTION 1e-8

struct selection {
    int n, p;
    double *a;            /* [p][n] columns, weighted by 1/y, what the chosen ones say of them taken out */
    double *size2;        /* [p] squared length before that; 0: not a candidate any more */
    double *r, *h;        /* [n] residuals, leverages */
    const double *weight; /* [n] 1/y */
};

static double loo_with(const struct selection *s, const double *q, double norm2) {
    double dot = 0, sum = 0;

    for (int i = 0; i < s->n; i++) dot += q[i] * s->r[i];
    dot /= norm2;
    for (int i = 0; i < s->n; i++) sum += fabs((s->r[i] - dot * q[i]) / fmax(1 - s->h[i] - q[i] * q[i] / norm2, 1e-9));
    return sum / s->n;
}

static double norm2_of(const double *v, int n) {
    double t = 0;
    for (int i = 0; i < n; i++) t += v[i] * v[i];
    return t;
}

/* Takes direction q into the fit and out of all columns. */
static void take(struct selection *s, const double *q, double norm2) {
    double dot = 0;

    for (int i = 0; i < s->n; i++) dot += q[i] * s->r[i];
    for (int i = 0; i < s->n; i++) {
        s->r[i] -= dot / norm2 * q[i];
        s->h[i] += q[i] * q[i] / norm2;
    }
    for (int j = 0; j < s->p; j++) {
        double *c = s->a + (size_t)j * (size_t)s->n;
        if (s->size2[j] == 0 || c == q) continue;
        dot = 0;
        for (int i = 0; i < s->n; i++) dot += q[i] * c[i];
        for (int i = 0; i < s->n; i++) c[i] -= dot / norm2 * q[i];
    }
}

static lt_status prepare(struct selection *s, const double *raw, double *unit, struct lt_err *e) {
    size_t n = (size_t)s->n, p = (size_t)s->p;

    if (!(s->a = lt_malloc(n * p * sizeof(*s->a))) || !(s->size2 = lt_calloc(p, sizeof(*s->size2))) ||
        !(s->r = lt_calloc(2 * n, sizeof(*s->r))))
        return lt_fail(e, LT_ENOMEM, "selection: out of memory for %d architectures of %d columns", s->n, s->p);
    s->h = s->r + n;
    for (size_t j = 0; j < p; j++) {
        double m = 0, v = 0;
        for (size_t i = 0; i < n; i++) m += raw[i * p + j] / s->n;
        for (size_t i = 0; i < n; i++) v += pow(raw[i * p + j] - m, 2) / s->n;
        for (size_t i = 0; i < n; i++)
            s->a[j * n + i] = v > 1e-18 * m * m && v > 0 ? (raw[i * p + j] - m) / sqrt(v) * s->weight[i] : 0;
        s->size2[j] = norm2_of(s->a + j * n, s->n);
    }
    for (size_t i = 0; i < n; i++) {
        s->r[i] = 1;
        unit[i] = s->weight[i];
    }
    take(s, unit, norm2_of(unit, s->n)); /* the intercept */
    return LT_OK;
}

lt_status lt_select_columns(const double *raw, const double *y, int n, int p, bool *use, struct lt_err *e) {
    double *weight = lt_malloc((size_t)n * 2 * sizeof(*weight)), now = INFINITY, worth = 1 - log(p + 1) / n;
    struct selection s = {.n = n, .p = p, .weight = weight};
    lt_status st;

    if (!weight) return lt_fail(e, LT_ENOMEM, "selection: out of memory");
    for (int j = 0; j < p; j++) use[j] = false;
    for (int i = 0; i < n; i++) weight[i] = 1 / y[i];
    if ((st = prepare(&s, raw, weight + n, e))) goto out;
    for (int k = 0; k < MOST && k < n / 4; k++) {
        double best = INFINITY, best2 = 1;
        int at = -1;
        for (int j = 0; j < p; j++) {
            const double *c = s.a + (size_t)j * (size_t)n;
            double norm2, loo;
            if (s.size2[j] == 0) continue;
            norm2 = norm2_of(c, n);
            if (norm2 <= NEW_DIRECTION * s.size2[j]) continue;
            loo = loo_with(&s, c, norm2);
            if (loo >= best) continue;
            best = loo;
            best2 = norm2;
            at = j;
        }
        if (at < 0 || (k && best > worth * now)) break;
        now = best;
        use[at] = true;
        take(&s, s.a + (size_t)at * (size_t)n, best2);
        s.size2[at] = 0;
    }
out:
    lt_free(weight);
    lt_free(s.a);
    lt_free(s.size2);
    lt_free(s.r);
    return st;
}
