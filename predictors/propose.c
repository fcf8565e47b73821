/* Room: predictors. Which architectures to measure: the candidates, and the default choice among them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/predictor_priv.h"

enum { CANDIDATES = 2000 };

/* Squared distance of choices, each gene weighing the same. */
static double distance(const double *a, const double *b, int n) {
    double d = 0;
    for (int j = 0; j < n; j++) d += (a[j] - b[j]) * (a[j] - b[j]);
    return d;
}

lt_status lt_propose_spread(const struct lt_space *s, const struct lt_arch *done, int n_done,
                            const struct lt_arch *among, int n_among, int n, struct lt_arch *out, struct lt_err *e) {
    int p = lt_space_n_features(s), first = 0;
    size_t width = (size_t)p;
    double *x = lt_malloc((size_t)n_among * width * sizeof(*x)), *near = lt_malloc((size_t)n_among * sizeof(*near)),
           *row = lt_calloc(width + 1, sizeof(*row)), least = INFINITY;
    lt_status st = LT_OK;

    if (!x || !near || !row) {
        st = lt_fail(e, LT_ENOMEM, "proposal: out of memory for %d candidates", n_among);
        goto out;
    }
    for (int i = 0; i < n_among; i++) {
        lt_space_features(s, &among[i], x + (size_t)i * width);
        for (int j = 0; j < p; j++) row[j] += x[(size_t)i * width + (size_t)j] / n_among;
        near[i] = INFINITY;
    }
    for (int i = 0; i < n_among; i++) {
        double d = distance(x + (size_t)i * width, row, p);
        if (d < least) {
            least = d;
            first = i;
        }
    }
    for (int k = 0; k < n_done; k++) {
        lt_space_features(s, &done[k], row);
        for (int i = 0; i < n_among; i++) near[i] = fmin(near[i], distance(x + (size_t)i * width, row, p));
    }
    for (int k = 0; k < n; k++) {
        int best = first;
        if (k || n_done) {
            best = 0;
            for (int i = 1; i < n_among; i++)
                if (near[i] > near[best]) best = i;
        }
        out[k] = among[best];
        for (int i = 0; i < n_among; i++)
            near[i] = fmin(near[i], distance(x + (size_t)i * width, x + (size_t)best * width, p));
        near[best] = -1;
    }
out:
    lt_free(x);
    lt_free(near);
    lt_free(row);
    return st;
}

struct candidate {
    uint64_t hash;
    int i;
};

static int by_hash(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->i - y->i;
}

static bool contains(const struct candidate *v, int n, uint64_t hash) {
    int lo = 0, hi = n;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (v[mid].hash < hash)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && v[lo].hash == hash;
}

/* Different candidates that are not measured yet, in an order that depends on nothing but what they are. */
static lt_status distinct(const struct lt_space *s, const struct lt_arch *done, int n_done, const struct lt_arch *among,
                          int n_among, struct lt_arch *out, int *n_out, struct lt_err *e) {
    struct candidate *c = lt_malloc(((size_t)n_among + 1) * sizeof(*c)),
                     *d = lt_malloc(((size_t)n_done + 1) * sizeof(*d));
    int n = 0;

    if (!c || !d) {
        lt_free(c);
        lt_free(d);
        return lt_fail(e, LT_ENOMEM, "proposal: out of memory");
    }
    for (int i = 0; i < n_among; i++) c[i] = (struct candidate){lt_arch_hash(s, &among[i]), i};
    for (int i = 0; i < n_done; i++) d[i] = (struct candidate){lt_arch_hash(s, &done[i]), i};
    if (n_among) qsort(c, (size_t)n_among, sizeof(*c), by_hash);
    if (n_done) qsort(d, (size_t)n_done, sizeof(*d), by_hash);
    for (int i = 0; i < n_among; i++) {
        if ((i && c[i].hash == c[i - 1].hash) || contains(d, n_done, c[i].hash)) continue;
        out[n++] = among[c[i].i];
    }
    lt_free(c);
    lt_free(d);
    *n_out = n;
    return LT_OK;
}

static void draw(const struct lt_space *s, uint64_t seed, struct lt_arch *out) {
    for (int i = 0; i < CANDIDATES; i++) {
        struct lt_rng r;
        lt_rng_at(&r, seed, LT_RNG_MEASURE_SET, 1, (uint64_t)i);
        if (i == 0)
            lt_space_smallest(s, &out[i]);
        else if (i == 1)
            lt_space_largest(s, &out[i]);
        else
            lt_space_sample(s, &r, &out[i]);
    }
}

int lt_predictor_prefers(const struct lt_predictor *p, struct lt_arch *out, int most) {
    return p->ops->prefers ? p->ops->prefers(p->self, out, most) : 0;
}

lt_status lt_predictor_propose(const struct lt_predictor *p, const struct lt_arch *done, const double *latency_s,
                               int n_done, const struct lt_arch *among, int n_among, int n, struct lt_arch *out,
                               struct lt_err *e) {
    struct lt_arch *drawn = NULL, *pool = NULL;
    int n_pool = 0;
    lt_status s;

    if (n < 1) return lt_fail(e, LT_EINVAL, "%d architectures to propose; at least 1 is needed", n);
    if (!among) {
        n_among = CANDIDATES;
        if (!(drawn = lt_malloc((CANDIDATES + LT_MOST_PREFERRED) * sizeof(*drawn))))
            return lt_fail(e, LT_ENOMEM, "proposal: out of memory");
        draw(p->space, p->seed, drawn);
        n_among += lt_predictor_prefers(p, drawn + CANDIDATES, LT_MOST_PREFERRED);
        among = drawn;
    }
    if (!(pool = lt_malloc(((size_t)n_among + 1) * sizeof(*pool)))) {
        s = lt_fail(e, LT_ENOMEM, "proposal: out of memory");
        goto out;
    }
    if ((s = distinct(p->space, done, n_done, among, n_among, pool, &n_pool, e))) goto out;
    if (n > n_pool) {
        s = lt_fail(e, LT_EINVAL, "%d architectures to propose, but only %d different ones that are not measured", n,
                    n_pool);
        goto out;
    }
    s = p->ops->propose ? p->ops->propose(p->self, done, latency_s, n_done, pool, n_pool, n, out, e)
                        : lt_propose_spread(p->space, done, n_done, pool, n_pool, n, out, e);
out:
    lt_free(drawn);
    lt_free(pool);
    return s;
}
