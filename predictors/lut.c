/*
 * Predictor "lut": an additive table, one non-negative entry for every choice of every gene, and a base (the lookup
 * tables of FBNet: Wu et al., CVPR 2019, and of ProxylessNAS: Cai, Zhu, Han, ICLR 2019). There the entries are measured
 * operator by operator; here they are found from whole networks, by ridge regression of relative errors towards the
 * analytic cost of each choice, so that a few measurements are enough to begin with:
 *   1. every choice's MACs, bytes and operators, from networks that differ in that choice alone;
 *   2. latency = non-negative mixture of the three and a constant, fitted to the measurements: the prior table;
 *   3. entries >= 0 minimising sum ((y - table) / y)^2 + lambda sum ((entry - prior) / scale)^2, by coordinate descent;
 *      lambda by cross-validation, whose error is also the stated deviation.
 */
#include <math.h>
#include <string.h>
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "predictors/model_file.h"

enum { MACS, BYTES, OPS, N_WORK, BASES = 8, FOLDS = 5, LAMBDAS = 9, SWEEPS = 100 };
struct lut {
    const struct lt_space *space;
    uint64_t seed;
    int genes, p;         /* p: choices of all genes; entry p is the base */
    int *first;           /* [genes] of the choices of a gene */
    double *work[N_WORK]; /* [p + 1] analytic cost of each choice, mean network = 1; NULL before the first fit */
    double *entry;        /* [p + 1] seconds */
    double rel_sd;
};
static const struct lt_opt opts[] = {{.key = NULL}};

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "predictor 'lut': out of memory"); }

static void close_lut(void *self) {
    struct lut *l = self;

    for (int k = 0; k < N_WORK; k++) lt_free(l->work[k]);
    lt_free(l->first);
    lt_free(l->entry);
    lt_free(l);
}

static lt_status open_lut(const struct lt_space *space, const void *cfg, uint64_t seed, void **self, struct lt_err *e) {
    struct lut *l = lt_calloc(1, sizeof(*l));

    (void)cfg;
    if (!l) return no_memory(e);
    l->space = space;
    l->seed = seed;
    l->genes = lt_space_n_genes(space);
    if (!(l->first = lt_calloc((size_t)l->genes + 1, sizeof(*l->first)))) {
        close_lut(l);
        return no_memory(e);
    }
    for (int g = 0; g < l->genes; g++) {
        l->first[g] = l->p;
        l->p += lt_space_gene(space, g)->n_choices;
    }
    if (!(l->entry = lt_calloc((size_t)l->p + 1, sizeof(*l->entry)))) {
        close_lut(l);
        return no_memory(e);
    }
    *self = l;
    return LT_OK;
}

static lt_status network_work(const struct lt_space *s, const struct lt_arch *a, double out[N_WORK], struct lt_err *e) {
    struct lt_graph *g = NULL;
    struct lt_cost c;
    lt_status st = lt_space_expand(s, a, &g, e);

    if (st) return st;
    lt_graph_cost(g, NULL, &c);
    out[MACS] = (double)c.macs;
    out[BYTES] = (double)c.moved_bytes;
    out[OPS] = c.n_ops;
    lt_graph_free(g);
    return LT_OK;
}

/* Adds to the table what each choice of gene g costs more than its cheapest, in network `base`. */
static lt_status add_gene(struct lut *l, const struct lt_arch *base, int g, double *seen, struct lt_err *e) {
    int n = lt_space_gene(l->space, g)->n_choices, first = l->first[g];
    double least[N_WORK] = {INFINITY, INFINITY, INFINITY}, (*w)[N_WORK] = lt_calloc((size_t)n, sizeof(*w));
    lt_status s = LT_OK;

    if (!w) return no_memory(e);
    for (int c = 0; c < n && !s; c++) {
        struct lt_arch a = *base;
        a.g[g] = (uint8_t)c;
        lt_space_canonical(l->space, &a);
        s = network_work(l->space, &a, w[c], e);
        for (int k = 0; k < N_WORK && !s; k++) least[k] = fmin(least[k], w[c][k]);
    }
    for (int c = 0; c < n && !s; c++) {
        for (int k = 0; k < N_WORK; k++) l->work[k][first + c] += w[c][k] - least[k];
        seen[first + c] += 1;
    }
    lt_free(w);
    return s;
}

static double sum_of(const struct lut *l, const double *table, const struct lt_arch *a) {
    double y = table[l->p];

    for (int g = 0; g < l->genes; g++)
        if (lt_space_gene_active(l->space, a, g)) y += table[l->first[g] + a->g[g]];
    return y;
}

static lt_status analyse(struct lut *l, struct lt_err *e) {
    double *seen = lt_calloc((size_t)l->p + 1, sizeof(*seen)), rest[N_WORK] = {0}, mean[N_WORK] = {0};
    struct lt_arch base[BASES];
    lt_status s = LT_OK;

    if (l->work[0]) { /* done before */
        lt_free(seen);
        return LT_OK;
    }
    for (int k = 0; k < N_WORK && seen; k++)
        if (!(l->work[k] = lt_calloc((size_t)l->p + 1, sizeof(double)))) s = no_memory(e);
    if (!seen || s) {
        s = no_memory(e);
        goto out;
    }
    for (int b = 0; b < BASES && !s; b++) {
        struct lt_rng r;
        lt_rng_at(&r, l->seed, LT_RNG_SAMPLE, 3, (uint64_t)b);
        lt_space_sample(l->space, &r, &base[b]);
        for (int g = 0; g < l->genes && !s; g++)
            if (lt_space_gene_active(l->space, &base[b], g)) s = add_gene(l, &base[b], g, seen, e);
    }
    for (int j = 0; j < l->p && !s; j++)
        for (int k = 0; k < N_WORK; k++) l->work[k][j] /= fmax(seen[j], 1);
    for (int b = 0; b < BASES && !s; b++) {
        double w[N_WORK];
        if ((s = network_work(l->space, &base[b], w, e))) break;
        for (int k = 0; k < N_WORK; k++) {
            mean[k] += w[k] / BASES;
            rest[k] += (w[k] - sum_of(l, l->work[k], &base[b])) / BASES;
        }
    }
    for (int k = 0; k < N_WORK && !s; k++) {
        l->work[k][l->p] = fmax(rest[k], 0);
        for (int j = 0; j <= l->p; j++) l->work[k][j] /= fmax(mean[k], 1);
    }
out:
    for (int k = 0; k < N_WORK && s; k++) {
        lt_free(l->work[k]);
        l->work[k] = NULL;
    }
    lt_free(seen);
    return s;
}

/* Rows of a fit: which entries each architecture has, and its latency in units of their mean. */
struct task {
    const struct lut *l;
    int n, q;                                   /* q = p + 1 entries */
    int *at;                                    /* [n][genes] entry or -1 */
    double *y;                                  /* [n] */
    double *h;                                  /* [q][q] normal matrix of the rows in use */
    double *rhs, *prior, *scale, *entry, *best; /* [q] */
};

static double table_of(const struct task *t, const double *table, int i) {
    double y = table[t->q - 1];

    for (int g = 0; g < t->l->genes; g++) {
        int j = t->at[(size_t)i * (size_t)t->l->genes + (size_t)g];
        if (j >= 0) y += table[j];
    }
    return y;
}

/* Entries are non-negative; H symmetric with a positive diagonal. Minimises x'Hx/2 - r'x from what x holds. */
static void descend(const double *h, const double *r, double *x, int n) {
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        double moved = 0, size = 0;
        for (int j = 0; j < n; j++) {
            const double *row = h + (size_t)j * (size_t)n;
            double dot = r[j], now;
            for (int k = 0; k < n; k++) dot -= row[k] * x[k];
            now = fmax(x[j] + dot / row[j], 0);
            moved = fmax(moved, fabs(now - x[j]));
            size = fmax(size, now);
            x[j] = now;
        }
        if (moved <= 1e-6 * size) break;
    }
}

/* Row i is in use unless it belongs to the fold left out (-1: none). */
static bool used(int i, int fold, int folds) { return fold < 0 || i % folds != fold; }

/* The mixture of work and a constant that fits best, as a table. */
static void find_prior(struct task *t, int fold, int folds) {
    enum { M = N_WORK + 1 };
    double h[M * M] = {0}, r[M] = {0}, x[M];

    for (int i = 0; i < t->n; i++) {
        double a[M];
        if (!used(i, fold, folds)) continue;
        for (int k = 0; k < N_WORK; k++) a[k] = table_of(t, t->l->work[k], i) / t->y[i];
        a[N_WORK] = 1 / t->y[i];
        for (int j = 0; j < M; j++) {
            for (int k = 0; k < M; k++) h[j * M + k] += a[j] * a[k];
            r[j] += a[j];
        }
    }
    for (int j = 0; j < M; j++) { /* the four are alike: a quarter each unless the rows say otherwise */
        h[j * M + j] += 1e-3;
        r[j] += 1e-3 / M;
        x[j] = 1.0 / M;
    }
    for (int k = 0; k < 10; k++) descend(h, r, x, M); /* so alike that it takes long */
    for (int j = 0; j < t->q; j++) {
        t->prior[j] = j == t->q - 1 ? x[N_WORK] : 0;
        for (int k = 0; k < N_WORK; k++) t->prior[j] += x[k] * t->l->work[k][j];
    }
}

/* How far an entry may be from its prior: as much as it is, or as the other choices of its gene are on average. */
static void find_scales(struct task *t) {
    double least = 1e-3 / t->l->genes;

    for (int g = 0; g < t->l->genes; g++) {
        int n = lt_space_gene(t->l->space, g)->n_choices, first = t->l->first[g];
        double mean = 0;
        for (int c = 0; c < n; c++) mean += t->prior[first + c] / n;
        for (int c = 0; c < n; c++) t->scale[first + c] = 0.5 * (t->prior[first + c] + mean) + least;
    }
    t->scale[t->q - 1] = t->prior[t->q - 1] + 0.1;
}

static void normal_matrix(struct task *t, int fold, int folds) {
    size_t q = (size_t)t->q;
    int m = t->l->genes + 1;

    memset(t->h, 0, q * q * sizeof(*t->h));
    memset(t->rhs, 0, q * sizeof(*t->rhs));
    for (int i = 0; i < t->n; i++) {
        double w = 1 / t->y[i];
        const int *at = t->at + (size_t)i * (size_t)t->l->genes;
        if (!used(i, fold, folds)) continue;
        for (int a = 0; a < m; a++) {
            int j = a < m - 1 ? at[a] : t->q - 1;
            if (j < 0) continue;
            t->rhs[j] += w;
            for (int b = 0; b < m; b++) {
                int k = b < m - 1 ? at[b] : t->q - 1;
                if (k >= 0) t->h[(size_t)j * q + (size_t)k] += w * w;
            }
        }
    }
}

/* Entries for one lambda; the normal matrix is as normal_matrix left it, before and after. */
static void solve(struct task *t, double lambda) {
    size_t q = (size_t)t->q;

    for (size_t j = 0; j < q; j++) {
        double w = lambda / (t->scale[j] * t->scale[j]);
        t->h[j * q + j] += w;
        t->rhs[j] += w * t->prior[j];
        t->entry[j] = t->prior[j];
    }
    descend(t->h, t->rhs, t->entry, t->q);
    for (size_t j = 0; j < q; j++) {
        double w = lambda / (t->scale[j] * t->scale[j]);
        t->h[j * q + j] -= w;
        t->rhs[j] -= w * t->prior[j];
    }
}

static double lambda_at(int k) { return pow(10, 1.0 - 0.75 * k); }

/* Cross-validation: the best lambda; *off: root mean square of the relative errors of what was left out. */
static double choose_lambda(struct task *t, double *off) {
    int folds = t->n < FOLDS ? t->n : FOLDS, best = 0;
    double error[LAMBDAS] = {0};

    for (int f = 0; f < folds; f++) {
        find_prior(t, f, folds);
        find_scales(t);
        normal_matrix(t, f, folds);
        for (int k = 0; k < LAMBDAS; k++) {
            solve(t, lambda_at(k));
            for (int i = f; i < t->n; i += folds) error[k] += pow(table_of(t, t->entry, i) / t->y[i] - 1, 2) / t->n;
        }
    }
    for (int k = 1; k < LAMBDAS; k++)
        if (error[k] < error[best]) best = k;
    *off = sqrt(error[best]);
    return lambda_at(best);
}

static void task_release(struct task *t) {
    lt_free(t->at);
    lt_free(t->y);
    lt_free(t->h);
    lt_free(t->rhs);
}

static lt_status task_init(struct task *t, const struct lut *l, const struct lt_arch *a, const double *latency_s, int n,
                           double unit_s, struct lt_err *e) {
    size_t q = (size_t)l->p + 1, genes = (size_t)l->genes;

    *t = (struct task){.l = l, .n = n, .q = l->p + 1};
    t->at = lt_malloc((size_t)n * genes * sizeof(*t->at) + 1);
    t->y = lt_malloc((size_t)n * sizeof(*t->y));
    t->h = lt_malloc(q * q * sizeof(*t->h));
    t->rhs = lt_calloc(4 * q, sizeof(*t->rhs));
    if (!t->at || !t->y || !t->h || !t->rhs) return no_memory(e);
    t->prior = t->rhs + q;
    t->scale = t->prior + q;
    t->entry = t->scale + q;
    for (int i = 0; i < n; i++) {
        t->y[i] = latency_s[i] / unit_s;
        for (int g = 0; g < l->genes; g++)
            t->at[(size_t)i * genes + (size_t)g] =
                lt_space_gene_active(l->space, &a[i], g) ? l->first[g] + a[i].g[g] : -1;
    }
    return LT_OK;
}

static lt_status fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e) {
    struct lut *l = self;
    struct task t = {0};
    double unit_s = 0, lambda;
    lt_status s = analyse(l, e);

    for (int i = 0; i < n; i++) unit_s += latency_s[i] / n;
    if (s || (s = task_init(&t, l, a, latency_s, n, unit_s, e))) goto out;
    lambda = choose_lambda(&t, &l->rel_sd);
    l->rel_sd = fmax(l->rel_sd, 1e-4);
    find_prior(&t, -1, 1);
    find_scales(&t);
    normal_matrix(&t, -1, 1);
    solve(&t, lambda);
    for (int j = 0; j <= l->p; j++) l->entry[j] = t.entry[j] * unit_s;
out:
    task_release(&t);
    return s;
}

static lt_status predict(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s,
                         struct lt_err *e) {
    const struct lut *l = self;
    double floor_s = 1e-9;

    (void)e;
    for (int i = 0; i < n; i++) {
        mean_s[i] = fmax(sum_of(l, l->entry, &a[i]), floor_s);
        if (sd_s) sd_s[i] = mean_s[i] * l->rel_sd;
    }
    return LT_OK;
}

static lt_status save(const void *self, struct lt_blob_writer *w, struct lt_err *e) {
    const struct lut *l = self;

    (void)e;
    lt_blob_note(w, "features", "%d choices of %d genes, and a base", l->p, l->genes);
    lt_blob_put(w, "lut.entry", LT_BLOB_F64, l->entry, (size_t)l->p + 1);
    lt_blob_put_num(w, "lut.rel_sd", l->rel_sd);
    return LT_OK;
}

static lt_status load(void *self, const struct lt_blob_reader *r, struct lt_err *e) {
    struct lut *l = self;
    lt_status s = lt_blob_get_finite(r, "lut.entry", l->entry, (size_t)l->p + 1, e);

    return s ? s : lt_blob_get_finite(r, "lut.rel_sd", &l->rel_sd, 1, e);
}

const struct lt_predictor_ops lt_predictor_lut = {
    .name = "lut",
    .source = "lookup tables as in FBNet (CVPR 2019) and ProxylessNAS (ICLR 2019), from whole networks",
    .about = "an additive table of non-negative entries by choice, shrunk towards their analytic cost",
    .opts = opts,
    .cfg_size = 1,
    .open = open_lut,
    .close = close_lut,
    .fit = fit,
    .predict = predict,
    .save = save,
    .load = load,
};
