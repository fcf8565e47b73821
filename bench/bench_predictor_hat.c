/* The benchmark's part on HAT's tables of transformers: one device each, hundreds of measurements of the device itself.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "bench/bench_predictor.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "predictors/evaluate.h"

/* Root mean square error in ms and MAPE of HAT's predictor: measured with its published configuration on a random
 * 80/10/10 split. */
static const struct table {
    const char *file, *space;
    double rmse_ms, mape;
} tables[] = {{"iwslt14deen_gpu_titanxp", "hat", 14.15, 7.38}, {"wmt14ende_cpu_raspberrypi", "hat", 571.2, 3.69},
              {"wmt14ende_gpu_titanxp", "hat", 14.80, 5.59},   {"wmt14enfr_gpu_titanxp", "hat", 5.08, 2.22},
              {"wmt14ende_cpu_xeon", "hat", 16.65, 5.76},      {"wmt14enfr_cpu_xeon", "hat", 13.69, 4.21}};

struct hat {
    const struct lt_latency_set *set;
    int32_t *row; /* shuffled */
    struct lt_arch *a;
    double *y, *mean;
};

/* Fits on the first n of the shuffled rows, judges on the last tenth. */
static lt_status fit_and_judge(struct hat *h, const char *method, int n, uint64_t seed, double *rmse_ms, double *mape,
                               double *fit_s, struct lt_err *e) {
    struct lt_predictor *p = NULL;
    int total = h->set->n, test = total / 10;
    double sum = 0;
    lt_status s = bench_open(method, h->set->space, seed, &p, e);
    if (s) return s;
    for (int i = 0; i < total; i++) {
        h->a[i] = h->set->arch[h->row[i]];
        h->y[i] = h->set->device[0].latency_s[h->row[i]];
    }
    *fit_s = lt_now_s();
    s = lt_predictor_fit(p, h->a, h->y, n, e);
    *fit_s = lt_now_s() - *fit_s;
    if (!s) s = lt_predictor_predict(p, h->a + total - test, test, h->mean, NULL, e);
    for (int i = 0; i < test && !s; i++) sum += pow(1e3 * (h->mean[i] - h->y[total - test + i]), 2);
    *rmse_ms = sqrt(sum / test);
    *mape = s ? NAN : 100 * lt_mape(h->mean, h->y + total - test, test);
    lt_predictor_close(p);
    return s;
}

static lt_status one_table(const struct table *t, const struct bench_options *b, struct lt_err *e) {
    static const struct {
        const char *method;
        int n;
    } fits[] = {{"mlp", 1600}, {"linear", 200}, {"fewshot", 200}, {"linear", 1600}};
    struct lt_space *space = NULL;
    struct lt_latency_set *set = NULL;
    struct hat h = {0};
    char *path = lt_asprintf("%s/hat/%s.csv", b->data, t->file);
    lt_status s = path ? bench_space(t->space, &space, e) : lt_fail(e, LT_ENOMEM, "bench");
    if (s || (s = lt_latency_set_load(path, space, (const char *const[]){t->file, NULL}, &set, e))) goto out;
    h.set = set;
    h.row = lt_calloc((size_t)set->n, sizeof(*h.row));
    h.a = lt_calloc((size_t)set->n, sizeof(*h.a));
    h.y = lt_calloc((size_t)set->n * 2, sizeof(*h.y));
    if (!h.row || !h.a || !h.y) {
        s = lt_fail(e, LT_ENOMEM, "bench");
        goto out;
    }
    h.mean = h.y + set->n;
    for (size_t k = 0; k < sizeof(fits) / sizeof(*fits); k++) {
        double rmse = 0, mape = 0, took = 0;
        bool there = false;
        int splits = b->quick || fits[k].n > 1000 ? 1 : 3; /* many measurements take long */
        for (int i = 0; i < lt_predictor_count(); i++) there |= !strcmp(lt_predictor_at(i)->name, fits[k].method);
        if (!there || (b->quick && !strcmp(fits[k].method, "mlp"))) continue;
        for (int r = 0; r < splits && !s; r++) {
            double one_rmse, one_mape, one_s;
            struct lt_rng rng;
            for (int i = 0; i < set->n; i++) h.row[i] = i;
            lt_rng_at(&rng, b->seed, LT_RNG_SPLIT, 7, (uint64_t)r);
            lt_rng_shuffle(&rng, h.row, set->n);
            if ((s = fit_and_judge(&h, fits[k].method, fits[k].n, b->seed + (uint64_t)r, &one_rmse, &one_mape, &one_s,
                                   e)))
                goto out;
            rmse += one_rmse / splits;
            mape += one_mape / splits;
            took += one_s / splits;
        }
        printf("| %s | %s | %d | %.2f | %.2f | %.2f | %.2f |\n", t->file, fits[k].method, fits[k].n, rmse, t->rmse_ms,
               mape, took);
        fflush(stdout);
    }
out:
    lt_free(path);
    lt_free(h.row);
    lt_free(h.a);
    lt_free(h.y);
    lt_latency_set_free(set);
    lt_space_free(space);
    return s;
}

lt_status bench_hat(const struct bench_options *b, struct lt_err *e) {
    printf("\n### HAT\n\nEach table alone: fitted to so many of its rows, judged on 200 others; means over 3 random "
           "splits for "
           "200 measurements, one for 1600.\n\n"
           "| table | method | measurements | RMSE ms | HAT's MLP, 1600 | MAPE %% | fit s "
           "|\n|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
        struct lt_err why = {0};
        lt_status s = one_table(&tables[i], b, &why);
        if (s == LT_EINVAL || s == LT_EIO)
            printf("| %s | not here: %s |\n", tables[i].file, why.msg);
        else if (s)
            return lt_fail(e, s, "%s", why.msg);
    }
    return LT_OK;
}
