/*
 * Predictor "linear": ridge regression (ridge.h) of latency on the features of predictors/features.h: sums over the
 * graph, and one-hot choices scaled down by a factor that leave-one-out chooses. Interactions (pairs.h) are added where
 * they make the leave-one-out error smaller by more than chance would: on a transformer, latency is depth times width,
 * which no sum of columns is.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/features.h"
#include "predictors/pairs.h"
#include "predictors/ridge.h"
#include "predictors/select.h"

/* Interactions must earn this share of the leave-one-out error: many columns are tried, and the least of several noisy
 * numbers is too small. */
#define WORTH_IT 0.97

/* With fewer measurements the best of so many columns is chance. */
enum { LEAST_FOR_PAIRS = 40 };
enum { AUTO, NONE, COLUMNS, CHOICES };
struct config {
    bool genes;
    double lambda;
    int interactions;
};
static const struct lt_opt opts[] = {
    {.key = "genes",
     .type = LT_OPT_BOOL,
     .unit = "",
     .dflt = "true",
     .offset = offsetof(struct config, genes),
     .help = "use the choices themselves beside sums over the graph"},
    {.key = "lambda",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "0",
     .min = 0,
     .max = 1e6,
     .offset = offsetof(struct config, lambda),
     .help = "strength of the penalty; 0 = chosen by leave-one-out"},
    {.key = "interactions",
     .type = LT_OPT_ENUM,
     .unit = "",
     .dflt = "auto",
     .choices = "auto|none|columns|choices",
     .offset = offsetof(struct config, interactions),
     .help = "products of the space's table columns, or of choices; auto = what leave-one-out says"},
    {.key = NULL},
};

struct linear {
    const struct config *cfg;
    const struct lt_space *space;
    struct lt_features *features;
    int p; /* features in use: cfg->genes ? all : the analytic ones */
    struct lt_pairs pairs;
    struct lt_ridge ridge; /* p + pairs.n columns */
};

static lt_status open_linear(const struct lt_space *space, const void *cfg, uint64_t seed, void **self,
                             struct lt_err *e) {
    struct linear *l = lt_calloc(1, sizeof(*l));
    lt_status s;

    (void)seed; /* nothing here is random */
    if (!l) return lt_fail(e, LT_ENOMEM, "predictor 'linear': out of memory");
    l->cfg = cfg;
    l->space = space;
    if ((s = lt_features_new(space, &l->features, e)) || (s = lt_pairs_init(&l->pairs, space, LT_PAIRS_NONE, e))) {
        lt_features_free(l->features);
        lt_free(l);
        return s;
    }
    l->p = l->cfg->genes ? lt_features_count(l->features) : lt_features_analytic(l->features);
    *self = l;
    return LT_OK;
}

static void close_linear(void *self) {
    struct linear *l = self;

    lt_ridge_release(&l->ridge);
    lt_pairs_release(&l->pairs);
    lt_features_free(l->features);
    lt_free(l);
}

/* Fills the design's rows; base: [n][p], read from the graph where NULL. */
static lt_status fill(const struct linear *l, const struct lt_pairs *pairs, const struct lt_arch *a,
                      const double *latency_s, const double *base, struct lt_ridge_work *w, struct lt_err *e) {
    double *row = lt_calloc((size_t)lt_features_count(l->features) + 1, sizeof(*row));
    lt_status s = LT_OK;

    if (!row) return lt_fail(e, LT_ENOMEM, "predictor 'linear': out of memory");
    for (int i = 0; i < w->n && !s; i++) {
        double *x = w->raw + (size_t)i * (size_t)w->p;
        if (base)
            memcpy(x, base + (size_t)i * (size_t)l->p, (size_t)l->p * sizeof(*x));
        else if (!(s = lt_features_of(l->features, &a[i], row, e)))
            memcpy(x, row, (size_t)l->p * sizeof(*x));
        lt_pairs_of(pairs, &a[i], x + l->p);
        w->latency_s[i] = latency_s[i];
    }
    lt_free(row);
    return s;
}

/* How much each group of columns may matter; 0 leaves it out. */
struct weight {
    double sums, gene, pair;
    bool selected; /* only the columns that forward selection takes */
};

static void factors(const struct linear *l, const struct weight *f, const bool *use, int p, double *factor) {
    int analytic = lt_features_analytic(l->features);

    for (int j = 0; j < p; j++) {
        factor[j] = j < analytic ? f->sums : j < l->p ? f->gene : f->pair;
        if (f->selected && !use[j]) factor[j] = 0;
    }
}

/* Tries them all and leaves w as the best. */
static lt_status best_weight(const struct linear *l, struct lt_ridge_work *w, const struct weight *f, int n,
                             const bool *use, double *factor, struct weight *best, double *loo, struct lt_err *e) {
    int at = 0;
    lt_status s;

    *loo = INFINITY;
    for (int k = 0; k < n; k++) {
        factors(l, &f[k], use, w->p, factor);
        if ((s = lt_ridge_try(w, factor, l->cfg->lambda, e))) return s;
        if (w->loo >= *loo) continue;
        *loo = w->loo;
        at = k;
    }
    *best = f[at];
    if (at == n - 1) return LT_OK;
    factors(l, best, use, w->p, factor);
    return lt_ridge_try(w, factor, l->cfg->lambda, e);
}

/* What `interactions: auto` tries: the kinds that this space has. */
static bool wanted(int option, enum lt_pairs_kind kind) {
    return option == AUTO || (option == COLUMNS && kind == LT_PAIRS_COLUMNS) ||
           (option == CHOICES && kind == LT_PAIRS_CHOICES);
}

struct found {
    double loo;
    struct lt_pairs pairs;
    struct lt_ridge ridge;
};

static lt_status try_pairs(const struct linear *l, enum lt_pairs_kind kind, const struct lt_arch *a,
                           const double *latency_s, int n, const double *base, double gene, struct found *found,
                           struct lt_err *e) {
    /* beside what there is; a few of all; alone, where the table's columns say it all */
    const struct weight tries[] = {
        {1, gene, 1, false}, {1, gene, 0.3, false}, {1, gene, 0.1, false}, {1, 1, 1, true}, {0, 0, 1, false}};
    bool *use = NULL;
    struct lt_pairs pairs;
    struct lt_ridge_work *w = NULL;
    struct weight best;
    double *factor = NULL, loo;
    lt_status s = lt_pairs_init(&pairs, l->space, kind, e);

    if (s) return s;
    if (!pairs.n) {
        if (l->cfg->interactions != AUTO)
            s = lt_fail(e, LT_EINVAL, "predictor 'linear': space '%s' has no such interactions, or more than %d",
                        lt_space_name(l->space), LT_PAIRS_MOST);
        goto out;
    }
    lt_pairs_centre(&pairs, a, n);
    if ((s = lt_ridge_begin(&w, n, l->p + pairs.n, e))) goto out;
    if (!(factor = lt_calloc((size_t)w->p, sizeof(*factor))) || !(use = lt_calloc((size_t)w->p, sizeof(*use)))) {
        s = lt_fail(e, LT_ENOMEM, "predictor 'linear': out of memory");
        goto out;
    }
    if ((s = fill(l, &pairs, a, latency_s, base, w, e)) ||
        (s = lt_select_columns(w->raw, w->latency_s, n, w->p, use, e)) ||
        (s = best_weight(l, w, tries, kind == LT_PAIRS_COLUMNS ? 5 : 4, use, factor, &best, &loo, e)))
        goto out;
    if (l->cfg->interactions != AUTO || loo < WORTH_IT * found->loo) {
        if ((s = lt_ridge_keep(w, &found->ridge, e))) goto out;
        lt_pairs_release(&found->pairs);
        found->pairs = pairs;
        found->loo = loo;
        pairs = (struct lt_pairs){0};
    }
out:
    lt_free(factor);
    lt_free(use);
    lt_ridge_end(w);
    lt_pairs_release(&pairs);
    return s;
}

static lt_status fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e) {
    static const struct weight tries[] = {{1, 1, 0, false}, {1, 0.3, 0, false}, {1, 0.1, 0, false}, {1, 0, 0, false}};
    struct linear *l = self;
    struct weight best = {1, 1, 0, false};
    struct found found = {.loo = INFINITY};
    struct lt_ridge_work *w = NULL;
    double *factor = lt_calloc((size_t)l->p + 1, sizeof(*factor));
    lt_status s;

    if (!factor) return lt_fail(e, LT_ENOMEM, "predictor 'linear': out of memory");
    if ((s = lt_pairs_init(&found.pairs, l->space, LT_PAIRS_NONE, e)) || (s = lt_ridge_begin(&w, n, l->p, e)) ||
        (s = fill(l, &found.pairs, a, latency_s, NULL, w, e)) ||
        (s = best_weight(l, w, tries, l->cfg->genes ? 4 : 1, NULL, factor, &best, &found.loo, e)) ||
        (s = lt_ridge_keep(w, &found.ridge, e)))
        goto out;
    for (int k = LT_PAIRS_COLUMNS; k < LT_N_PAIRS && !s; k++)
        if (wanted(l->cfg->interactions, (enum lt_pairs_kind)k) &&
            (n >= LEAST_FOR_PAIRS || l->cfg->interactions != AUTO))
            s = try_pairs(l, (enum lt_pairs_kind)k, a, latency_s, n, w->raw, best.gene, &found, e);
    if (s) goto out;
    lt_ridge_release(&l->ridge);
    lt_pairs_release(&l->pairs);
    l->ridge = found.ridge;
    l->pairs = found.pairs;
    found = (struct found){0};
out:
    lt_ridge_end(w);
    lt_ridge_release(&found.ridge);
    lt_pairs_release(&found.pairs);
    lt_free(factor);
    return s;
}

static lt_status predict(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s,
                         struct lt_err *e) {
    const struct linear *l = self;
    double *row = lt_malloc((size_t)(lt_features_count(l->features) + l->pairs.n) * sizeof(*row));
    lt_status s = LT_OK;

    if (!row) return lt_fail(e, LT_ENOMEM, "predictor 'linear': out of memory");
    for (int i = 0; i < n && !s; i++) {
        if ((s = lt_features_of(l->features, &a[i], row, e))) break;
        lt_pairs_of(&l->pairs, &a[i], row + l->p); /* over the choices where those are not in use */
        mean_s[i] = lt_ridge_predict(&l->ridge, row, sd_s ? &sd_s[i] : NULL);
    }
    lt_free(row);
    return s;
}

static lt_status save(const void *self, struct lt_blob_writer *w, struct lt_err *e) {
    const struct linear *l = self;
    int32_t kind = l->pairs.kind;
    size_t m = (size_t)lt_space_n_columns(l->space);

    (void)e;
    lt_blob_note(w, "features", "%d columns: sums over the graph%s; %d of interactions", l->p + l->pairs.n,
                 l->cfg->genes ? " and choices" : "", l->pairs.n);
    lt_blob_put(w, "pairs", LT_BLOB_I32, &kind, 1);
    lt_blob_put(w, "pairs.centre", LT_BLOB_F64, l->pairs.centre, m);
    lt_blob_put(w, "pairs.spread", LT_BLOB_F64, l->pairs.spread, m);
    lt_ridge_save(&l->ridge, w);
    return LT_OK;
}

static lt_status load(void *self, const struct lt_blob_reader *r, struct lt_err *e) {
    struct linear *l = self;
    struct lt_pairs pairs = {0};
    int32_t kind;
    size_t m = (size_t)lt_space_n_columns(l->space);
    lt_status s = lt_blob_get(r, "pairs", LT_BLOB_I32, &kind, 1, e);

    if (s) return s;
    if (kind < 0 || kind >= LT_N_PAIRS) return lt_blob_bad(r, "pairs", e, "there is no kind %d", kind);
    if (lt_blob_count(r, "ridge.weight") == 0) return LT_OK; /* kept before any fit */
    if ((s = lt_pairs_init(&pairs, l->space, (enum lt_pairs_kind)kind, e)) ||
        (s = lt_blob_get_finite(r, "pairs.centre", pairs.centre, m, e)) ||
        (s = lt_blob_get_finite(r, "pairs.spread", pairs.spread, m, e)) ||
        (s = lt_ridge_load(r, l->p + pairs.n, &l->ridge, e))) {
        lt_pairs_release(&pairs);
        return s;
    }
    lt_pairs_release(&l->pairs);
    l->pairs = pairs;
    return LT_OK;
}

const struct lt_predictor_ops lt_predictor_linear = {
    .name = "linear",
    .source = "Allen, Technometrics 16, 1974 (leave-one-out ridge)",
    .about = "ridge regression on work by operator class and choices, with interactions, weighted for relative error",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .open = open_linear,
    .close = close_linear,
    .fit = fit,
    .predict = predict,
    .save = save,
    .load = load,
};
