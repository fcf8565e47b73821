/*
 * Predictor "fewshot": its Gaussian processes against closed forms on tiny cases, its shortcuts (additive spaces,
 * enumerated spaces) against the long way, what it does with outliers, repeated and equal measurements, and, where the
 * published latency tables are at hand, devices of a class that it has never seen.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "predictors/fewshot_math.h"
#include "predictors/fewshot_priv.h"
#include "predictors/predictor_priv.h"
#include "tests/tap.h"

#define SEED 11

static struct lt_space *shipped(const char *name) {
    const char *dir = getenv("LT_SRCDIR");
    char path[1024];
    struct lt_space *s = NULL;
    struct lt_err e = {0};

    snprintf(path, sizeof(path), "%s/spaces/%s.yaml", dir ? dir : ".", name);
    if (lt_space_load(path, &s, &e)) lt_ok(false, "%s: %s", path, e.msg);
    return s;
}

static struct lt_predictor *opened(const struct lt_space *s, const char *name) {
    struct lt_predictor *p = NULL;
    struct lt_err e = {0};
    const struct lt_predictor_ops *ops = lt_predictor_named(name);

    if (!ops || lt_predictor_open_kind(ops, NULL, NULL, s, SEED, &p, &e)) lt_ok(false, "%s: %s", name, e.msg);
    return p;
}

static void algebra(void) {
    double a[9] = {4, 2, 0.6, 2, 5, 1, 0.6, 1, 3}, l[9], inv[9], work[9], one[9] = {0}, x[3] = {1, -2, 0.5}, y[3] = {0},
           worst = 0;
    double det = 4 * (5 * 3 - 1) - 2 * (2 * 3 - 0.6) + 0.6 * (2 - 5 * 0.6);

    memcpy(l, a, sizeof(a));
    lt_ok(lt_few_cholesky(l, 3), "a positive definite matrix has a factor");
    lt_ok(fabs(lt_few_inverse(l, inv, work, 3) - log(det)) < 1e-12, "log det = %.6f", log(det));
    lt_few_mul(a, inv, one, 3, 3, 3);
    for (int i = 0; i < 9; i++) worst = fmax(worst, fabs(one[i] - (i % 4 == 0)));
    lt_ok(worst < 1e-14, "a matrix times its inverse: off by %.1e", worst);
    lt_few_backsolve(l, x, 3);
    lt_few_mul(a, x, y, 3, 3, 1);
    lt_ok(fabs(y[0] - 1) + fabs(y[1] + 2) + fabs(y[2] - 0.5) < 1e-14, "and the solution of a system solves it");
    l[0] = -1;
    lt_ok(!lt_few_cholesky(l, 1), "a negative one has none");
}

static double log_normal(double y, double var) { return -0.5 * (y * y / var + log(2 * M_PI * var)); }

/* Two measurements of a constant of variance 1 under relative and absolute noise: everything by hand. */
static void tiny_process(void) {
    double theta[LT_FEW_THETA] = {0}, log_w = 0, gram[4] = {1, 1, 1, 1}, y[2] = {0.9, 1.1}, *grams[LT_FEW_N] = {gram},
           v[2], det, a[2], none, only[2], sum, hand[2];
    struct lt_few_bank b = {1, theta, &log_w};
    struct lt_few_mix m = {0};
    struct lt_err e = {0};

    theta[LT_FEW_CONSTANT] = 1;
    theta[LT_FEW_NOISE] = 0.01;
    for (int i = 0; i < 2; i++) v[i] = 1 + lt_few_noise(0.01, y[i]) + 1e-9;
    det = v[0] * v[1] - 1;
    a[0] = (v[1] * y[0] - y[1]) / det;
    a[1] = (v[0] * y[1] - y[0]) / det;
    none = -0.5 * (a[0] * y[0] + a[1] * y[1] + log(det)) - log(2 * M_PI);
    for (int i = 0; i < 2; i++) { /* "only i": the other one alone, and i far off the other's prediction of it */
        double mean = y[1 - i] / v[1 - i], var = v[i] - 1 / v[1 - i];
        only[i] = log(0.02) + log_normal(y[1 - i], v[1 - i]) + log_normal(y[i] - mean, var + pow(0.5 * mean, 2));
    }
    sum = exp(none) + exp(only[0]) + exp(only[1]);
    for (int i = 0; i < 2; i++) hand[i] = (exp(none) * a[i] + exp(only[1 - i]) * y[i] / v[i]) / sum;
    if (!lt_ok(!lt_few_mix_solve(&b, NULL, 1, grams, y, 2, &m, &e), "two measurements: %s", e.msg)) return;
    lt_ok(fabs(m.log_e[0] - log(sum)) < 1e-10, "evidence %.6f, by hand %.6f", m.log_e[0], log(sum));
    lt_ok(fabs(m.alpha[0] - hand[0]) + fabs(m.alpha[1] - hand[1]) < 1e-10 && m.w[0] == 1,
          "weights of the measurements %.6f %.6f, by hand %.6f %.6f", m.alpha[0], m.alpha[1], hand[0], hand[1]);
    lt_few_mix_release(&m);
}

static void finds_outliers(void) {
    enum { N = 8 };
    double theta[LT_FEW_THETA] = {0}, log_w = 0, gram[N * N], y[N], *grams[LT_FEW_N] = {gram}, mean = 0;
    struct lt_few_bank b = {1, theta, &log_w};
    struct lt_few_mix m = {0};

    theta[LT_FEW_CONSTANT] = 1;
    theta[LT_FEW_NOISE] = 1e-4;
    for (int i = 0; i < N * N; i++) gram[i] = 1;
    for (int i = 0; i < N; i++) y[i] = 1 + 0.01 * (i % 3 - 1);
    y[2] = 1.8;
    y[5] = 1.5;
    if (!lt_ok(!lt_few_mix_solve(&b, NULL, 1, grams, y, N, &m, NULL), "a mixture with two outliers")) return;
    for (int i = 0; i < N; i++) mean += m.alpha[i];
    /* The constant is known to 1%/sqrt(6); an outlier's raised noise of 50% still lets it pull by 1e-4. */
    lt_ok(m.extra[2] > 0 && m.extra[5] > 0 && fabs(mean - 0.998) < 0.012, "both are found; the constant is %.4f", mean);
    lt_ok(m.extra[0] == 0 && m.extra[7] == 0, "and nothing else is taken for one");
    lt_few_mix_release(&m);
}

/* A made-up machine: work by class, depthwise slow, an overhead an operator. */
static double machine(const struct lt_space *s, const struct lt_arch *a) {
    struct lt_graph *g = NULL;
    double t = 0;

    if (lt_space_expand(s, a, &g, NULL)) return NAN;
    for (int i = 1; i < g->n_nodes; i++) {
        struct lt_cost_node c;

        lt_node_cost(g, NULL, i, &c);
        if (c.written_bytes)
            t += 3e-6 + (double)c.macs / (lt_node_is_depthwise(&g->node[i]) ? 1e9 : 6e9) +
                 (double)(c.read_bytes + c.written_bytes) / 1e10;
    }
    lt_graph_free(g);
    return t;
}

enum { N_ARCHS = 120 };
static struct lt_arch arch[N_ARCHS];
static double truth[N_ARCHS];

static void measure(const struct lt_space *s) {
    for (int i = 0; i < N_ARCHS; i++) {
        struct lt_rng r;
        lt_rng_at(&r, SEED, LT_RNG_TEST, 1, (uint64_t)i);
        lt_space_sample(s, &r, &arch[i]);
        truth[i] = machine(s, &arch[i]);
    }
}

/* What predict answers against psi'w and psi'v psi. */
static void shortcuts(const char *name, bool additive) {
    struct lt_space *s = shipped(name);
    struct lt_predictor *p = s ? opened(s, "fewshot") : NULL;
    struct lt_few *f;
    double mean[N_ARCHS], sd[N_ARCHS], off_mean = 0, off_sd = 0, *psi = NULL;
    struct lt_err e = {0};

    if (!p) goto out;
    measure(s);
    f = p->self;
    if (!lt_ok(!lt_predictor_fit(p, arch, truth, 20, &e) && !lt_predictor_predict(p, arch, N_ARCHS, mean, sd, &e) &&
                   f->basis.additive == additive,
               "%s: fitted to 20, %s: %s", name, additive ? "additive" : "not additive", e.msg))
        goto out;
    psi = lt_few_doubles(1, (size_t)f->basis.p);
    for (int i = 0; psi && i < N_ARCHS; i++) {
        double m, var = 0;

        lt_few_psi(&f->basis, &arch[i], psi, &e);
        m = lt_few_dot(psi, f->w, f->basis.p);
        for (int j = 0; j < f->basis.p; j++) var += psi[j] * lt_few_dot(f->v + j * f->basis.p, psi, f->basis.p);
        off_mean = fmax(off_mean, fabs(mean[i] / (m * f->unit_s) - 1));
        off_sd = fmax(off_sd, fabs(sd[i] / (sqrt(fmax(var, 0) + lt_few_noise(f->noise, m)) * f->unit_s) - 1));
    }
    /* Sums of some 500 terms in another order. */
    lt_ok(off_mean < 1e-10 && off_sd < 1e-6, "%s: predictions are psi'w, deviations psi'v psi (%.1e, %.1e)", name,
          off_mean, off_sd);
    lt_ok(lt_spearman(mean, truth, N_ARCHS) > 0.95, "%s: 20 measurements of a machine that adds up work: Spearman %.3f",
          name, lt_spearman(mean, truth, N_ARCHS));
out:
    lt_free(psi);
    lt_predictor_close(p);
    lt_space_free(s);
}

static void enumerates(void) {
    struct lt_space *s = shipped("nasbench201");
    struct lt_few_basis b;
    struct lt_err e = {0};
    double *before = NULL, *after = NULL;

    if (!s || lt_few_basis_init(&b, s, &e)) return;
    measure(s);
    lt_ok(!lt_few_basis_prepare(&b, SEED, &e) && !lt_few_psi_of(&b, arch, N_ARCHS, &before, &e) &&
              !lt_few_basis_enumerate(&b, &e) && b.n_memo == 15625 && !lt_few_psi_of(&b, arch, N_ARCHS, &after, &e),
          "nasbench201 is enumerated: %s", e.msg);
    lt_ok(before && after && !memcmp(before, after, sizeof(double) * (size_t)N_ARCHS * (size_t)b.p),
          "and what is looked up is what expanding gives, to the bit");
    lt_free(before);
    lt_free(after);
    lt_few_basis_release(&b);
    lt_space_free(s);
}

/* Enumerated, a fit fills a table: every network of it against psi'w and psi'v psi. */
static void tabulates(void) {
    struct lt_space *s = shipped("nasbench201");
    struct lt_predictor *p = s ? opened(s, "fewshot") : NULL;
    struct lt_few *f;
    struct lt_arch a = {.n = 6};
    double *psi = NULL, *of = NULL, off_mean = 0, off_sd = 0;
    struct lt_err e = {0};

    if (!p) goto out;
    measure(s);
    f = p->self;
    if (!lt_ok(!lt_few_basis_prepare(&f->basis, SEED, &e) && !lt_few_basis_enumerate(&f->basis, &e) &&
                   !lt_predictor_fit(p, arch, truth, 20, &e) && f->memo,
               "nasbench201, enumerated and fitted to 20: %s", e.msg))
        goto out;
    psi = lt_few_doubles(1, (size_t)f->basis.p);
    of = lt_few_doubles(1, (size_t)f->basis.p);
    for (int i = 0; psi && of && i < 15625; i++) {
        double mean = NAN, sd = NAN, m, var;

        for (int g = 5, rest = i; g >= 0; g--, rest /= 5) a.g[g] = (uint8_t)(rest % 5);
        lt_predictor_predict(p, &a, 1, &mean, &sd, &e);
        lt_few_psi(&f->basis, &a, psi, &e);
        m = lt_few_dot(psi, f->w, f->basis.p);
        memset(of, 0, (size_t)f->basis.p * sizeof(*of));
        lt_few_mul(psi, f->v, of, 1, f->basis.p, f->basis.p);
        var = fmax(lt_few_dot(psi, of, f->basis.p), 0) + lt_few_noise(f->noise, m);
        off_mean = fmax(off_mean, fabs(mean / fmax(m * f->unit_s, f->floor_s) - 1));
        off_sd = fmax(off_sd, fabs(sd / (sqrt(var) * f->unit_s) - 1));
    }
    /* Means: the same sums in another order. Deviations: columns that are sums of others are left out, and those sums
     * hold to the 6e-8 to which they are rounded; what was measured is 3e-8 to 2e-7. */
    lt_ok(psi && of && off_mean < 1e-10 && off_sd < 1e-6, "the table of all 15,625 is psi'w and psi'v psi (%.1e, %.1e)",
          off_mean, off_sd);
out:
    lt_free(psi);
    lt_free(of);
    lt_predictor_close(p);
    lt_space_free(s);
}

static double mape_on_rest(struct lt_predictor *p, int n) {
    double mean[N_ARCHS];
    struct lt_err e = {0};

    if (lt_predictor_fit(p, arch, truth, n, &e) || lt_predictor_predict(p, arch + n, N_ARCHS - n, mean, NULL, &e)) {
        lt_note("%s", e.msg);
        return INFINITY;
    }
    return lt_mape(mean, truth + n, N_ARCHS - n);
}

static void odd_measurements(void) {
    struct lt_space *s = shipped("mobile28");
    struct lt_predictor *p = s ? opened(s, "fewshot") : NULL, *linear = s ? opened(s, "linear") : NULL;
    struct lt_arch same[12];
    double y[12], mean[N_ARCHS], sd[N_ARCHS], clean, dirty, other, worst = 0;
    struct lt_err e = {0};

    if (!p || !linear) goto out;
    measure(s);
    clean = mape_on_rest(p, 90);
    other = mape_on_rest(linear, 90);
    lt_ok(clean < 0.01 && clean < 2 * other + 0.002, "90 measurements, no other device: MAPE %.2f%%, linear %.2f%%",
          100 * clean, 100 * other);
    clean = mape_on_rest(p, 24);
    truth[7] *= 3;
    dirty = mape_on_rest(p, 24);
    truth[7] /= 3;
    lt_ok(dirty < 2 * clean + 0.02, "24 measurements, one of them three times too slow: MAPE %.1f%%, without it %.1f%%",
          100 * dirty, 100 * clean);
    for (int i = 0; i < 12; i++) {
        same[i] = arch[i / 6];
        y[i] = truth[i / 6] * (1 + 0.01 * (i % 6 - 2.5));
    }
    if (!lt_ok(!lt_predictor_fit(p, same, y, 12, &e) && !lt_predictor_predict(p, arch, 2, mean, sd, &e),
               "two networks measured six times each: %s", e.msg))
        goto out;
    lt_ok(fabs(mean[0] / truth[0] - 1) < 0.03 && fabs(mean[1] / truth[1] - 1) < 0.03,
          "both are known: %.1f%%, %.1f%% off", 100 * (mean[0] / truth[0] - 1), 100 * (mean[1] / truth[1] - 1));
    for (int i = 0; i < 12; i++) y[i] = 2e-3;
    lt_ok(!lt_predictor_fit(p, arch, y, 12, &e) && !lt_predictor_predict(p, arch, N_ARCHS, mean, sd, &e),
          "equal latencies are fitted: %s", e.msg);
    for (int i = 0; i < N_ARCHS; i++) worst = fmax(worst, fabs(mean[i] / 2e-3 - 1));
    lt_ok(worst < 0.05 && sd[N_ARCHS - 1] > 0, "and say that all networks take as long (%.2g%% off)", 100 * worst);
out:
    lt_predictor_close(p);
    lt_predictor_close(linear);
    lt_space_free(s);
}

/* Learns from `from` on 400 networks, adapts to `to` by 10 proposed ones of them; Spearman on others. */
static double stranger(const struct lt_space *s, const char *folder, const char *const *from, int n_from,
                       const char *to, double *covered) {
    enum { LEARN = 400, ASK = 1000 };
    const char *names[16] = {NULL};
    struct lt_latency_set *set = NULL;
    struct lt_predictor *p = opened(s, "fewshot");
    struct lt_meta m = {0};
    struct lt_arch chosen[10];
    int device[16], row[LEARN], target;
    double y[10], mean[ASK], sd[ASK], *lat, rho = NAN;
    struct lt_err e = {0};

    for (int i = 0; i < n_from; i++) names[i] = from[i];
    names[n_from] = to;
    if (!p || lt_latency_set_load(folder, s, names, &set, &e)) goto out;
    for (int i = 0; i < n_from; i++) device[i] = lt_latency_set_find(set, from[i]);
    target = lt_latency_set_find(set, to);
    for (int i = 0; i < LEARN; i++) row[i] = i;
    m = (struct lt_meta){set, device, n_from, row, LEARN, NULL};
    if (lt_predictor_meta_fit(p, &m, &e) || lt_predictor_propose(p, NULL, NULL, 0, set->arch, LEARN, 10, chosen, &e))
        goto out;
    lat = set->device[target].latency_s;
    for (int i = 0; i < 10; i++)
        for (int r = 0; r < LEARN; r++)
            if (lt_arch_equal(&chosen[i], &set->arch[r])) y[i] = lat[r];
    if (lt_predictor_fit(p, chosen, y, 10, &e) || lt_predictor_predict(p, set->arch + 3000, ASK, mean, sd, &e))
        goto out;
    rho = lt_spearman(mean, lat + 3000, ASK);
    *covered = 0;
    for (int i = 0; i < ASK; i++) *covered += fabs(mean[i] - lat[3000 + i]) < 1.645 * sd[i];
    *covered /= ASK;
out:
    if (isnan(rho)) lt_note("%s: %s", to, e.msg);
    lt_latency_set_free(set);
    lt_predictor_close(p);
    return rho;
}

static void strangers(void) {
    static const char *const gpu_cpu_phone[] = {"1080ti_1",    "1080ti_32",  "silver_4114",   "silver_4210r",
                                                "samsung_a50", "samsung_s7", "essential_ph_1"},
                             *const phones[] = {"essential_ph_1", "pixel3", "samsung_a50", "samsung_s7"};
    const char *data = getenv("LATHE_DATA"), *src = getenv("LT_SRCDIR");
    char root[1024], path[1200];
    struct lt_space *fbnet, *nas;
    double covered = 0, rho;
    FILE *there;

    snprintf(root, sizeof(root), data ? "%s" : "%s/../shared/data", data ? data : src ? src : ".");
    snprintf(path, sizeof(path), "%s/latency/fbnet/archs.csv", root);
    if (!(there = fopen(path, "r"))) {
        lt_skip("no published latency tables at %s", root);
        return;
    }
    fclose(there);
    fbnet = shipped("fbnet");
    nas = shipped("nasbench201");
    if (fbnet && nas) {
        /* Limits: what was measured (0.93 to 0.97), less what other random numbers change: few rows, one choice of ten.
         */
        snprintf(path, sizeof(path), "%s/latency/fbnet", root);
        rho = stranger(fbnet, path, gpu_cpu_phone, 7, "pixel3", &covered);
        lt_ok(rho > 0.9, "FBNet, GPUs, CPUs and phones to another phone that adds up: Spearman %.3f, covered %.0f%%",
              rho, 100 * covered);
        rho = stranger(fbnet, path, phones, 4, "titanx_1", &covered);
        lt_ok(rho > 0.88, "FBNet, phones to a GPU: Spearman %.3f, covered %.0f%%", rho, 100 * covered);
        snprintf(path, sizeof(path), "%s/latency/nasbench201", root);
        rho = stranger(nas, path, phones, 4, "titanx_256", &covered);
        lt_ok(rho > 0.93, "NAS-Bench-201, phones to a GPU: Spearman %.3f, covered %.0f%%", rho, 100 * covered);
        lt_ok(covered > 0.8, "and its intervals are honest");
    }
    lt_space_free(fbnet);
    lt_space_free(nas);
}

int main(void) {
    int64_t live = lt_mem_live();

    lt_note("seed %d", SEED);
    algebra();
    tiny_process();
    finds_outliers();
    shortcuts("fbnet", true);
    shortcuts("nasbench201", false);
    enumerates();
    tabulates();
    odd_measurements();
    strangers();
    lt_ok(lt_mem_live() == live, "nothing leaks");
    return lt_done();
}
