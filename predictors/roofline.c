/*
 * Predictor "roofline": the machine as three numbers, fitted to what was measured. An operator takes max(MACs / peak,
 * bytes / bandwidth) + overhead (Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for
 * multicore architectures", CACM 52, 2009); a network is the sum of its operators. Good from a handful of measurements
 * on; it has no idea of shapes. The fit minimises squared log error by pattern search over the three logarithms.
 */
#include <math.h>
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "lathe/predictor.h"

enum { PEAK, BANDWIDTH, OVERHEAD, N_CONST };
struct op {
    double macs, bytes;
};
struct work {
    int n_ops;
    struct op *op;
}; /* of one architecture */

struct roofline {
    const struct lt_space *space;
    double c[N_CONST]; /* log of MAC/s, bytes/s, s per operator */
    double rel_sd;
};
static const struct lt_opt opts[] = {{.key = NULL}};

static lt_status open_roofline(const struct lt_space *space, const void *cfg, uint64_t seed, void **self,
                               struct lt_err *e) {
    struct roofline *r = lt_calloc(1, sizeof(*r));

    (void)cfg;
    (void)seed;
    if (!r) return lt_fail(e, LT_ENOMEM, "predictor 'roofline': out of memory");
    r->space = space;
    *self = r;
    return LT_OK;
}

static void close_roofline(void *self) { lt_free(self); }

static lt_status collect(const struct lt_space *space, const struct lt_arch *a, struct work *out, struct lt_err *e) {
    struct lt_graph *g = NULL;
    struct work w = {0};
    lt_status s = lt_space_expand(space, a, &g, e);

    if (s) return s;
    if (!(w.op = lt_malloc((size_t)g->n_nodes * sizeof(*w.op)))) {
        s = lt_fail(e, LT_ENOMEM, "predictor 'roofline': out of memory");
        goto out;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        struct lt_cost_node c;

        lt_node_cost(g, NULL, i, &c);
        if (c.written_bytes) w.op[w.n_ops++] = (struct op){(double)c.macs, (double)(c.read_bytes + c.written_bytes)};
    }
    *out = w;
out:
    lt_graph_free(g);
    return s;
}

static double latency(const struct work *w, const double *c) {
    double inv_peak = exp(-c[PEAK]), inv_bw = exp(-c[BANDWIDTH]), t = w->n_ops * exp(c[OVERHEAD]);

    for (int i = 0; i < w->n_ops; i++) t += fmax(w->op[i].macs * inv_peak, w->op[i].bytes * inv_bw);
    return t;
}

static double loss(const struct work *w, const double *latency_s, int n, const double *c) {
    double sum = 0;

    for (int i = 0; i < n; i++) sum += pow(log(latency(&w[i], c) / latency_s[i]), 2);
    return sum / n;
}

static lt_status fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e) {
    struct roofline *r = self;
    struct work *w = lt_calloc((size_t)n, sizeof(*w));
    double macs = 0, bytes = 0, ops = 0, total = 0, best, c[N_CONST];
    lt_status s = LT_OK;

    if (!w) return lt_fail(e, LT_ENOMEM, "predictor 'roofline': out of memory");
    for (int i = 0; i < n; i++) {
        if ((s = collect(r->space, &a[i], &w[i], e))) goto out;
        for (int k = 0; k < w[i].n_ops; k++) {
            macs += w[i].op[k].macs;
            bytes += w[i].op[k].bytes;
        }
        ops += w[i].n_ops;
        total += latency_s[i];
    }
    /* Start with a third of the time each. Steps: factors of 8 down to 1%. */
    c[PEAK] = log(3 * macs / total);
    c[BANDWIDTH] = log(3 * bytes / total);
    c[OVERHEAD] = log(total / (3 * ops));
    best = loss(w, latency_s, n, c);
    for (double step = log(8); step > 0.002;) {
        bool moved = false;

        for (int k = 0; k < 2 * N_CONST; k++) {
            double old = c[k / 2], now;

            c[k / 2] += k % 2 ? step : -step;
            now = loss(w, latency_s, n, c);
            if (now < best * (1 - 1e-9)) {
                best = now;
                moved = true;
            } else {
                c[k / 2] = old;
            }
        }
        if (!moved) step /= 2;
    }
    for (int k = 0; k < N_CONST; k++) r->c[k] = c[k];
    r->rel_sd = sqrt(best * n / (n > N_CONST ? n - N_CONST : 1));
out:
    for (int i = 0; i < n; i++) lt_free(w[i].op);
    lt_free(w);
    return s;
}

static lt_status predict(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s,
                         struct lt_err *e) {
    const struct roofline *r = self;

    for (int i = 0; i < n; i++) {
        struct work w = {0};
        lt_status s = collect(r->space, &a[i], &w, e);

        if (s) return s;
        mean_s[i] = latency(&w, r->c);
        if (sd_s) sd_s[i] = mean_s[i] * r->rel_sd;
        lt_free(w.op);
    }
    return LT_OK;
}

const struct lt_predictor_ops lt_predictor_roofline = {
    .name = "roofline",
    .source = "Williams, Waterman, Patterson, CACM 52, 2009",
    .about = "peak, bandwidth and overhead per operator, fitted to the measurements",
    .opts = opts,
    .cfg_size = 1,
    .open = open_roofline,
    .close = close_roofline,
    .fit = fit,
    .predict = predict,
};
