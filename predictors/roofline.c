/*
 * Predictor "roofline": the machine as three numbers, fitted to what was measured. An operator takes max(MACs / peak,
 * bytes / bandwidth) + overhead (Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for
 * multicore architectures", CACM 52, 2009); a network is the sum of its operators. Good from a handful of measurements
 * on; it has no idea of shapes. The fit minimises squared log error by pattern search over the three logarithms.
 *
 * Without any measurement of a device it answers from its data sheet (options peak, bandwidth, overhead), or from the
 * numbers of the devices that it has been trained on: then the means of their ratios are the prior of a fit, too, with
 * their spread as its width. How fast a device is as a whole is always its own measurements' affair.
 */
#include <math.h>
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "predictors/model_file.h"

enum { MOST_ROWS = 200 };
enum { PEAK, BANDWIDTH, OVERHEAD, N_CONST };
enum { BALANCE, LAUNCH, N_RATIO }; /* MACs for a byte; MACs for the overhead: what a device is like at any speed */
struct op {
    double macs, bytes;
};
struct work {
    int n_ops;
    struct op *op;
}; /* of one architecture */

/* Data sheets are optimistic: what an unmeasured prediction is off by, as a share. */
#define SHEET_SD 0.7
/* Priors are no narrower than this factor. */
#define LEAST_SPREAD 0.7

struct config {
    double peak, bandwidth, overhead;
};
struct roofline {
    const struct lt_space *space;
    const struct config *cfg;
    bool known;        /* c can answer */
    double c[N_CONST]; /* log of MAC/s, bytes/s, s per operator */
    double rel_sd;
    bool has_prior;                        /* of the training devices: */
    double prior[N_RATIO], width[N_RATIO]; /* mean and spread of the logarithms of their ratios */
    double noise;                          /* residual of their own fits */
};
static const struct lt_opt opts[] = {
    {.key = "peak",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "0",
     .min = 0,
     .max = 1e9,
     .offset = offsetof(struct config, peak),
     .help = "10^9 MACs a second, for a device without measurements; 0 = not known"},
    {.key = "bandwidth",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "0",
     .min = 0,
     .max = 1e9,
     .offset = offsetof(struct config, bandwidth),
     .help = "10^9 bytes a second; needed with peak"},
    {.key = "overhead",
     .type = LT_OPT_DOUBLE,
     .unit = "us",
     .dflt = "1",
     .min = 1e-6,
     .max = 1e9,
     .offset = offsetof(struct config, overhead),
     .help = "of an operator; used with peak"},
    {.key = NULL},
};

static lt_status open_roofline(const struct lt_space *space, const void *cfg, uint64_t seed, void **self,
                               struct lt_err *e) {
    struct roofline *r = lt_calloc(1, sizeof(*r));

    (void)seed;
    if (!r) return lt_fail(e, LT_ENOMEM, "predictor 'roofline': out of memory");
    r->space = space;
    r->cfg = cfg;
    if ((r->cfg->peak > 0) != (r->cfg->bandwidth > 0)) {
        lt_free(r);
        return lt_fail(e, LT_EINVAL, "predictor 'roofline': peak and bandwidth are needed together");
    }
    if (r->cfg->peak > 0) {
        r->known = true;
        r->c[PEAK] = log(1e9 * r->cfg->peak);
        r->c[BANDWIDTH] = log(1e9 * r->cfg->bandwidth);
        r->c[OVERHEAD] = log(1e-6 * r->cfg->overhead);
        r->rel_sd = SHEET_SD;
    }
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

static double ratio(const double *c, int k) { return k == BALANCE ? c[PEAK] - c[BANDWIDTH] : c[PEAK] + c[OVERHEAD]; }

/* prior NULL: none. */
static double loss(const struct work *w, const double *latency_s, int n, const double *c,
                   const struct roofline *prior) {
    double sum = 0;

    for (int i = 0; i < n; i++) sum += pow(log(latency(&w[i], c) / latency_s[i]), 2);
    for (int k = 0; k < N_RATIO && prior; k++)
        sum += pow(prior->noise * (ratio(c, k) - prior->prior[k]) / prior->width[k], 2);
    return sum / n;
}

/* Steps: factors of 8 down to 1%. */
static double search(const struct work *w, const double *latency_s, int n, const struct roofline *prior, double *c) {
    double best = loss(w, latency_s, n, c, prior);

    for (double step = log(8); step > 0.002;) {
        bool moved = false;

        for (int k = 0; k < 2 * N_CONST; k++) {
            double old = c[k / 2], now;

            c[k / 2] += k % 2 ? step : -step;
            now = loss(w, latency_s, n, c, prior);
            if (now < best * (1 - 1e-9)) {
                best = now;
                moved = true;
            } else {
                c[k / 2] = old;
            }
        }
        if (!moved) step /= 2;
    }
    return best;
}

/* Start with a third of the time each. */
static void start(const struct work *w, const double *latency_s, int n, double *c) {
    double macs = 0, bytes = 0, ops = 0, total = 0;

    for (int i = 0; i < n; i++) {
        for (int k = 0; k < w[i].n_ops; k++) {
            macs += w[i].op[k].macs;
            bytes += w[i].op[k].bytes;
        }
        ops += w[i].n_ops;
        total += latency_s[i];
    }
    c[PEAK] = log(3 * fmax(macs, 1) / total);
    c[BANDWIDTH] = log(3 * fmax(bytes, 1) / total);
    c[OVERHEAD] = log(total / (3 * fmax(ops, 1)));
}

static void release_work(struct work *w, int n) {
    for (int i = 0; i < n && w; i++) lt_free(w[i].op);
    lt_free(w);
}

static lt_status fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e) {
    struct roofline *r = self;
    struct work *w = lt_calloc((size_t)n, sizeof(*w));
    double c[N_CONST], rest = 0;
    int freedom = n > N_CONST ? n - N_CONST : 1;
    lt_status s = LT_OK;

    if (!w) return lt_fail(e, LT_ENOMEM, "predictor 'roofline': out of memory");
    for (int i = 0; i < n; i++)
        if ((s = collect(r->space, &a[i], &w[i], e))) goto out;
    start(w, latency_s, n, c);
    search(w, latency_s, n, r->has_prior ? r : NULL, c);
    rest = loss(w, latency_s, n, c, NULL) * n;
    for (int k = 0; k < N_CONST; k++) r->c[k] = c[k];
    r->rel_sd = fmax(sqrt(rest / freedom), 1e-4);
    if (r->has_prior) r->rel_sd = sqrt((rest + pow(r->noise, 2) * N_RATIO) / (freedom + N_RATIO));
    r->known = true;
out:
    release_work(w, n);
    return s;
}

/* Mean and spread of the devices' ratios; how far off the mean of their numbers leaves them. */
static void keep_prior(struct roofline *r, const double *c, const double *noise, int n) {
    double spread2 = 0;

    r->noise = 0;
    for (int d = 0; d < n; d++) r->noise += noise[d] / n;
    for (int k = 0; k < N_CONST; k++) {
        double m = 0, v = 0;
        for (int d = 0; d < n; d++) m += c[d * N_CONST + k] / n;
        for (int d = 0; d < n; d++) v += pow(c[d * N_CONST + k] - m, 2) / (n > 1 ? n - 1 : 1);
        r->c[k] = m;
        spread2 += v / N_CONST;
    }
    for (int k = 0; k < N_RATIO; k++) {
        double m = 0, v = 0;
        for (int d = 0; d < n; d++) m += ratio(c + d * N_CONST, k) / n;
        for (int d = 0; d < n; d++) v += pow(ratio(c + d * N_CONST, k) - m, 2) / (n > 1 ? n - 1 : 1);
        r->prior[k] = m;
        r->width[k] = fmax(sqrt(v), LEAST_SPREAD);
    }
    r->rel_sd = fmax(sqrt(spread2 + r->noise * r->noise), 1e-4);
    r->has_prior = r->known = true;
}

/* Three numbers a device need no more than MOST_ROWS networks; rows come in an order that has no meaning. */
static lt_status meta_fit(void *self, const struct lt_meta *m, struct lt_err *e) {
    struct roofline *r = self;
    int rows = m->n_rows < MOST_ROWS ? m->n_rows : MOST_ROWS;
    struct work *all = lt_calloc((size_t)m->n_rows, sizeof(*all)), *w = lt_calloc((size_t)m->n_rows, sizeof(*w));
    double *y = lt_calloc((size_t)m->n_rows, sizeof(*y)), *c = lt_calloc((size_t)m->n_devices * N_CONST, sizeof(*c)),
           *noise = lt_calloc((size_t)m->n_devices, sizeof(*noise));
    lt_status s = LT_OK;

    if (!all || !w || !y || !c || !noise) {
        s = lt_fail(e, LT_ENOMEM, "predictor 'roofline': out of memory");
        goto out;
    }
    for (int i = 0; i < rows; i++)
        if ((s = collect(r->space, &m->set->arch[m->row[i]], &all[i], e))) goto out;
    for (int d = 0; d < m->n_devices; d++) {
        const double *latency_s = m->set->device[m->device[d]].latency_s;
        int n = 0;
        for (int i = 0; i < rows; i++) {
            if (isnan(latency_s[m->row[i]])) continue;
            w[n] = all[i]; /* borrowed */
            y[n++] = latency_s[m->row[i]];
        }
        if (n < 2) {
            s = lt_fail(e, LT_EINVAL, "%s: device '%s' has a latency of only %d of %d architectures", m->set->dir,
                        m->set->device[m->device[d]].name, n, rows);
            goto out;
        }
        start(w, y, n, c + (size_t)d * N_CONST);
        noise[d] = sqrt(search(w, y, n, NULL, c + (size_t)d * N_CONST));
    }
    keep_prior(r, c, noise, m->n_devices);
out:
    release_work(all, all ? rows : 0);
    lt_free(w);
    lt_free(y);
    lt_free(c);
    lt_free(noise);
    return s;
}

static lt_status predict(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s,
                         struct lt_err *e) {
    const struct roofline *r = self;

    if (!r->known)
        return lt_fail(e, LT_EINVAL,
                       "predictor 'roofline': neither measurements, nor devices to learn from, nor peak and "
                       "bandwidth are given");
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

static lt_status save(const void *self, struct lt_blob_writer *w, struct lt_err *e) {
    const struct roofline *r = self;
    double number[] = {r->known, r->has_prior, r->rel_sd, r->noise};

    (void)e;
    lt_blob_note(w, "features", "MACs and bytes of every operator");
    lt_blob_put(w, "roofline", LT_BLOB_F64, number, 4);
    lt_blob_put(w, "roofline.constants", LT_BLOB_F64, r->c, N_CONST);
    lt_blob_put(w, "roofline.prior", LT_BLOB_F64, r->prior, N_RATIO);
    lt_blob_put(w, "roofline.width", LT_BLOB_F64, r->width, N_RATIO);
    return LT_OK;
}

static lt_status load(void *self, const struct lt_blob_reader *b, struct lt_err *e) {
    struct roofline *r = self, f = *r;
    double number[4];
    lt_status s;

    if ((s = lt_blob_get_finite(b, "roofline", number, 4, e)) ||
        (s = lt_blob_get_finite(b, "roofline.constants", f.c, N_CONST, e)) ||
        (s = lt_blob_get_finite(b, "roofline.prior", f.prior, N_RATIO, e)) ||
        (s = lt_blob_get_finite(b, "roofline.width", f.width, N_RATIO, e)))
        return s;
    f.known = number[0] != 0;
    f.has_prior = number[1] != 0;
    f.rel_sd = number[2];
    f.noise = number[3];
    if (f.has_prior && !(f.width[0] > 0 && f.width[1] > 0))
        return lt_blob_bad(b, "roofline.width", e, "a width that is not positive");
    *r = f;
    return LT_OK;
}

const struct lt_predictor_ops lt_predictor_roofline = {
    .name = "roofline",
    .source = "Williams, Waterman, Patterson, CACM 52, 2009",
    .about = "peak, bandwidth and overhead per operator, from measurements, other devices or a data sheet",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .open = open_roofline,
    .close = close_roofline,
    .fit = fit,
    .predict = predict,
    .meta_fit = meta_fit,
    .save = save,
    .load = load,
    .zero_shot = true,
};
