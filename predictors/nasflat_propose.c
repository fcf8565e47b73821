/*
 * NASFLAT: which architectures to measure, by their encodings: the candidates are put into as many clusters as are to
 * be measured (k-means with spread first centres: Arthur and Vassilvitskii, "k-means++", SODA 2007), and the one
 * nearest to the middle of each is taken. The published encodings come from networks trained for that; ours is the
 * choices and, once learned, the scores on the training devices, each kind of column weighing the same.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "predictors/nasflat_priv.h"

enum { CANDIDATES = 600, ITERATIONS = 25, ROUND_CENTRES = 1 << 25, MOST_DEVICES = 16 };

struct clusters {
    const struct nasflat *f;
    int n, k, cols;
    struct lt_arch *a;     /* [n] */
    double *x, *centre;    /* [n][cols], [k][cols] */
    double *near, *column; /* [n] */
    int32_t *of;           /* [n] */
};

static double distance(const double *a, const double *b, int n) {
    double d = 0;

    for (int i = 0; i < n; i++) d += (a[i] - b[i]) * (a[i] - b[i]);
    return d;
}

/* Columns of zero mean; those of a kind share a variance of 1. */
static void scale(struct clusters *c, int from, int to) {
    double total = 0;

    for (int j = from; j < to; j++) {
        double mean = 0;

        for (int i = 0; i < c->n; i++) mean += c->x[i * c->cols + j] / c->n;
        for (int i = 0; i < c->n; i++) {
            c->x[i * c->cols + j] -= mean;
            total += pow(c->x[i * c->cols + j], 2) / c->n;
        }
    }
    for (int j = from; j < to && total > 0; j++)
        for (int i = 0; i < c->n; i++) c->x[i * c->cols + j] /= sqrt(total);
}

static lt_status encode(struct clusters *c, int flat, int devices, struct lt_err *e) {
    float *row = lt_malloc((size_t)flat * sizeof(*row));
    struct nasflat_net net;
    lt_status s = LT_OK;

    if (!row) return lt_fail(e, LT_ENOMEM, "predictor 'nasflat': out of memory");
    for (int i = 0; i < c->n; i++) {
        lt_nn_space_flat(c->f->view, &c->a[i], row);
        for (int j = 0; j < flat; j++) c->x[i * c->cols + j] = row[j];
    }
    lt_free(row);
    scale(c, 0, flat);
    if (!devices) return LT_OK;
    if ((s = nasflat_network(c->f, c->f->n_devices + 1, NASFLAT_CHUNK, false, LT_NN_FORWARD, &net, e))) return s;
    for (int d = 0; d < devices; d++) {
        double sd;

        nasflat_scores(c->f, &net, c->f->theta, c->a, c->n, d, c->column);
        sd = lt_sd(c->column, c->n);
        for (int i = 0; i < c->n; i++) c->x[i * c->cols + flat + d] = sd > 0 ? c->column[i] / sd : 0;
    }
    nasflat_network_release(&net);
    scale(c, flat, flat + devices);
    return LT_OK;
}

/* The first centres: the next one with a probability that grows with the squared distance from those there are. */
static void first_centres(struct clusters *c) {
    struct lt_rng r;

    lt_rng_at(&r, c->f->seed, LT_RNG_SHUFFLE, ROUND_CENTRES, 0);
    for (int i = 0; i < c->n; i++) c->near[i] = INFINITY;
    for (int k = 0; k < c->k; k++) {
        double total = 0, at;
        int pick = k ? c->n - 1 : (int)lt_rng_below(&r, (uint32_t)c->n);

        for (int i = 0; i < c->n && k; i++) total += c->near[i];
        at = lt_rng_u01(&r) * total;
        for (int i = 0; i < c->n && k; i++) {
            if ((at -= c->near[i]) > 0) continue;
            pick = i;
            break;
        }
        memcpy(c->centre + k * c->cols, c->x + pick * c->cols, (size_t)c->cols * sizeof(double));
        for (int i = 0; i < c->n; i++)
            c->near[i] = fmin(c->near[i], distance(c->x + i * c->cols, c->centre + k * c->cols, c->cols));
    }
}

static void iterate(struct clusters *c) {
    for (int round = 0; round < ITERATIONS; round++) {
        for (int i = 0; i < c->n; i++) {
            double best = INFINITY;

            for (int k = 0; k < c->k; k++) {
                double d = distance(c->x + i * c->cols, c->centre + k * c->cols, c->cols);

                if (d >= best) continue;
                best = d;
                c->of[i] = k;
            }
        }
        for (int k = 0; k < c->k; k++) {
            int members = 0;

            for (int i = 0; i < c->n; i++) members += c->of[i] == k;
            if (!members) continue;
            memset(c->centre + k * c->cols, 0, (size_t)c->cols * sizeof(double));
            for (int i = 0; i < c->n; i++)
                for (int j = 0; j < c->cols && c->of[i] == k; j++)
                    c->centre[k * c->cols + j] += c->x[i * c->cols + j] / members;
        }
    }
}

/* near < 0 marks what is taken. */
static void take(struct clusters *c, struct lt_arch *out) {
    for (int i = 0; i < c->n; i++) c->near[i] = 0;
    for (int k = 0; k < c->k; k++) {
        double best = INFINITY;
        int pick = 0;

        for (int i = 0; i < c->n; i++) {
            double d = distance(c->x + i * c->cols, c->centre + k * c->cols, c->cols);

            if (c->near[i] < 0 || d >= best) continue;
            best = d;
            pick = i;
        }
        c->near[pick] = -1;
        out[k] = c->a[pick];
    }
}

lt_status nasflat_propose(const void *self, const struct lt_arch *done, const double *latency_s, int n_done,
                          const struct lt_arch *among, int n_among, int n, struct lt_arch *out, struct lt_err *e) {
    const struct nasflat *f = self;
    int devices = f->theta ? (f->n_devices < MOST_DEVICES ? f->n_devices : MOST_DEVICES) : 0, flat = f->view->n_flat;
    int most = n_among < CANDIDATES ? n_among : n > CANDIDATES / 4 ? n_among : CANDIDATES;
    struct clusters c = {.f = f, .k = n, .cols = flat + devices};
    lt_status s = LT_ENOMEM;

    (void)latency_s;
    c.a = lt_malloc((size_t)most * sizeof(*c.a));
    c.x = lt_malloc((size_t)most * (size_t)c.cols * sizeof(*c.x));
    c.centre = lt_malloc((size_t)n * (size_t)c.cols * sizeof(*c.centre));
    c.near = lt_malloc(2 * (size_t)most * sizeof(*c.near));
    c.of = lt_malloc((size_t)most * sizeof(*c.of));
    if (!c.a || !c.x || !c.centre || !c.near || !c.of) {
        lt_fail(e, LT_ENOMEM, "predictor 'nasflat': out of memory for %d candidates", most);
        goto out;
    }
    c.column = c.near + most;
    for (int i = 0; i < n_among && c.n < most; i++) {
        const struct lt_arch *a = &among[i]; /* evenly spread where there are too many */
        bool had = false;

        if (most < n_among && (int64_t)i * most / n_among == (int64_t)(i + 1) * most / n_among) continue;
        for (int k = 0; k < n_done && !had; k++) had = lt_arch_equal(&done[k], a);
        if (!had) c.a[c.n++] = *a;
    }
    if (c.n < n) {
        s = lt_fail(e, LT_EINVAL, "predictor 'nasflat': %d candidates for %d proposals", c.n, n);
        goto out;
    }
    if ((s = encode(&c, flat, devices, e))) goto out;
    first_centres(&c);
    iterate(&c);
    take(&c, out);
out:
    lt_free(c.a);
    lt_free(c.x);
    lt_free(c.centre);
    lt_free(c.near);
    lt_free(c.of);
    return s;
}
