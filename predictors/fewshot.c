/*
 * Predictor "fewshot": adapts to a device that can be measured only a few times.
 *
 * A latency is a function drawn from a Gaussian process whose prior is a sum of components (fewshot_basis.h): the
 * training devices' mean and their differences, analytic sums over the operator graph, a cost for every choice that is
 * like that of analytically similar choices. How much of each there is, and how much noise, is what nobody knows on a
 * new device: when a training device is of its kind their mean is nearly everything, when none is they mislead. So a
 * bank of hypotheses is drawn once, weighted by episodes in which a training device, and those like it, are left out
 * (fewshot_learn.c), and weighted again by the evidence of the measurements at hand, outliers included
 * (fewshot_mix.c). What to measure next is what lowers the expected uncertainty most (fewshot_propose.c).
 *
 * Without training devices the same is done without the first two components.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/fewshot_math.h"
#include "predictors/fewshot_priv.h"

static const struct lt_opt opts[] = {
    {.key = "hypotheses",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "256",
     .min = 16,
     .max = 4096,
     .offset = offsetof(struct lt_few_config, hypotheses),
     .help = "how many mixtures of the prior's components are weighed against each other"},
    {.key = NULL},
};

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "predictor 'fewshot': out of memory"); }

static void release_fit(struct lt_few *f) {
    lt_free(f->w);
    lt_free(f->v);
    lt_free(f->memo);
    f->w = f->v = f->memo = NULL;
}

static void close_fewshot(void *self) {
    struct lt_few *f = self;

    release_fit(f);
    lt_free(f->device);
    lt_few_bank_release(&f->bank);
    lt_few_basis_release(&f->basis);
    lt_free(f);
}

static lt_status open_fewshot(const struct lt_space *space, const void *cfg, uint64_t seed, void **self,
                              struct lt_err *e) {
    struct lt_few *f = lt_calloc(1, sizeof(*f));
    lt_status s;

    if (!f) return no_memory(e);
    f->cfg = cfg;
    f->space = space;
    f->seed = seed;
    if ((s = lt_few_basis_init(&f->basis, space, e)) ||
        (s = lt_few_bank_new((int)f->cfg->hypotheses, seed, &f->bank, e))) {
        close_fewshot(f);
        return s;
    }
    *self = f;
    return LT_OK;
}

static lt_status meta_fit(void *self, const struct lt_meta *m, struct lt_err *e) {
    struct lt_few *f = self;
    lt_status s = lt_few_learn(f, m, e);

    if (!s) release_fit(f);
    return s;
}

static lt_status fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e) {
    struct lt_few *f = self;
    lt_status s = lt_few_basis_prepare(&f->basis, f->seed, e);

    return s ? s : lt_few_adapt(f, a, latency_s, n, e);
}

static void state(const struct lt_few *f, double mean, double var, int i, double *mean_s, double *sd_s) {
    mean_s[i] = fmax(mean * f->unit_s, f->floor_s);
    if (sd_s) sd_s[i] = sqrt(fmax(var, 0) + lt_few_noise(f->noise, mean)) * f->unit_s;
}

/* In an additive space psi is a constant row and one entry a gene: a few numbers are added up. */
static lt_status predict_additive(const struct lt_few *f, const struct lt_arch *a, int n, double *mean_s, double *sd_s,
                                  struct lt_err *e) {
    const struct lt_few_basis *b = &f->basis;
    size_t p = (size_t)b->p;
    double *row = lt_few_doubles(1, p), *of_row = lt_few_doubles(1, p), mean0, var0;

    if (!row || !of_row) {
        lt_free(row);
        lt_free(of_row);
        return no_memory(e);
    }
    row[0] = 1;
    for (int j = 0; j < b->n_choices; j++) row[1 + j] = -b->mean[j];
    mean0 = lt_few_dot(row, f->w, b->p);
    if (sd_s) lt_few_mul(f->v, row, of_row, b->p, b->p, 1);
    var0 = lt_few_dot(row, of_row, b->p);
    for (int i = 0; i < n; i++) {
        double mean = mean0, var = var0;

        for (int g = 0; g < b->n_genes; g++) mean += f->w[1 + b->first[g] + a[i].g[g]];
        for (int g = 0; sd_s && g < b->n_genes; g++) {
            size_t at = (size_t)(1 + b->first[g] + a[i].g[g]);
            const double *v = f->v + at * p + 1;
            double twice = of_row[at];

            for (int q = 0; q < g; q++) twice += v[b->first[q] + a[i].g[q]];
            var += 2 * twice + v[at - 1];
        }
        state(f, mean, var, i, mean_s, sd_s);
    }
    lt_free(row);
    lt_free(of_row);
    return LT_OK;
}

static double quadratic(const double *v, const double *x, int p) {
    double sum = 0;
    for (int i = 0; i < p; i++) {
        const double *row = v + (size_t)i * (size_t)p;
        if (x[i] != 0) sum += x[i] * (2 * lt_few_dot(row, x, i) + row[i] * x[i]);
    }
    return sum;
}

static lt_status predict(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s,
                         struct lt_err *e) {
    const struct lt_few *f = self;
    double *psi;
    lt_status s = LT_OK;

    if (f->basis.additive) return predict_additive(f, a, n, mean_s, sd_s, e);
    if (f->memo) {
        const double *var = f->memo + f->basis.n_memo;

        for (int i = 0; i < n; i++) {
            int at = lt_few_basis_index(&f->basis, &a[i]);
            state(f, f->memo[at], var[at], i, mean_s, sd_s);
        }
        return LT_OK;
    }
    if (!(psi = lt_few_doubles(1, (size_t)f->basis.p))) return no_memory(e);
    for (int i = 0; !s && i < n; i++) {
        if ((s = lt_few_psi(&f->basis, &a[i], psi, e))) break;
        state(f, lt_few_dot(f->w, psi, f->basis.p), sd_s ? quadratic(f->v, psi, f->basis.p) : 0, i, mean_s, sd_s);
    }
    lt_free(psi);
    return s;
}

static lt_status save(const void *self, struct lt_blob_writer *w, struct lt_err *e) {
    const struct lt_few *f = self;
    size_t p = (size_t)f->basis.p;

    (void)e;
    lt_blob_note(w, "features", "%d columns%s", f->basis.p, f->basis.additive ? ", additive" : "");
    lt_few_basis_save(&f->basis, w);
    lt_blob_put(w, "weights", LT_BLOB_F64, f->bank.log_w, (size_t)f->bank.n);
    lt_blob_put(w, "devices", LT_BLOB_F64, f->device, (size_t)f->n_devices * p);
    if (!f->w) return LT_OK;
    lt_blob_put(w, "fit.mean", LT_BLOB_F64, f->w, p);
    lt_blob_put(w, "fit.covariance", LT_BLOB_F64, f->v, p * p);
    lt_blob_put(w, "fit.numbers", LT_BLOB_F64, (double[]){f->unit_s, f->noise, f->floor_s}, 3);
    return LT_OK;
}

static lt_status load_fit(struct lt_few *f, const struct lt_blob_reader *r, struct lt_err *e) {
    size_t p = (size_t)f->basis.p;
    double x[3];
    lt_status s;

    if (!lt_blob_has(r, "fit.mean")) return LT_OK;
    if (!p) return lt_blob_bad(r, "fit.mean", e, "a fit without a basis");
    f->w = lt_few_doubles(p, 1);
    f->v = lt_few_doubles(p, p);
    if (!f->w || !f->v) return no_memory(e);
    if ((s = lt_blob_get_finite(r, "fit.mean", f->w, p, e)) ||
        (s = lt_blob_get_finite(r, "fit.covariance", f->v, p * p, e)) ||
        (s = lt_blob_get_finite(r, "fit.numbers", x, 3, e)))
        return s;
    f->unit_s = x[0];
    f->noise = x[1];
    f->floor_s = x[2];
    return lt_few_fill_memo(f, e);
}

static lt_status load(void *self, const struct lt_blob_reader *r, struct lt_err *e) {
    struct lt_few *f = self;
    size_t n = lt_blob_count(r, "devices"), p;
    lt_status s;

    if ((s = lt_few_basis_load(&f->basis, r, e)) ||
        (s = lt_blob_get_finite(r, "weights", f->bank.log_w, (size_t)f->bank.n, e)))
        return s;
    p = (size_t)f->basis.p;
    if (n && (!p || n % p)) return lt_blob_bad(r, "devices", e, "%zu numbers are no rows of %zu columns", n, p);
    if (n) {
        if (!(f->device = lt_few_doubles(n, 1))) return no_memory(e);
        f->n_devices = (int)(n / p);
        if ((s = lt_blob_get_finite(r, "devices", f->device, n, e)) || (s = lt_few_set_devices(f, e))) return s;
    }
    return load_fit(f, r, e);
}

const struct lt_predictor_ops lt_predictor_fewshot = {
    .name = "fewshot",
    .source = "Gaussian processes with a prior learned from other devices, averaged by evidence",
    .about =
        "adapts to a new device from about ten measurements; states calibrated deviations; proposes what to measure",
    .opts = opts,
    .cfg_size = sizeof(struct lt_few_config),
    .open = open_fewshot,
    .close = close_fewshot,
    .fit = fit,
    .predict = predict,
    .meta_fit = meta_fit,
    .propose = lt_few_propose,
    .save = save,
    .load = load,
};
