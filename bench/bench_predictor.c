/*
 * Latency predictors on published latency tables, as Markdown: what a predictor reaches on devices that it has never
 * seen from 10 or 20 measurements of each, with what is published beside it. bench_predictor [--quick] [--seed N]
 * [--only TASK] [METHOD...]. The tables are looked for in $LATHE_DATA/latency, else ../shared/data/latency beside the
 * source; without them it says so and ends. Published figures are of the papers' own test devices, most of which are
 * not among the tables, so they tell the order of magnitude and are no comparison device by device.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "bench/bench_predictor.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "predictors/evaluate.h"

#define NINE(batch)                                                                                                    \
    "1080ti_1,1080ti_32,1080ti_" batch ",essential_ph_1,pixel3,samsung_a50,samsung_s7,silver_4114,silver_4210r"
#define GPU_1 "1080ti_1,2080ti_1,titanx_1,titanxp_1"
#define GPU_N(batch)                                                                                                   \
    "1080ti_32,1080ti_" batch ",2080ti_32,2080ti_" batch ",titanx_32,titanx_" batch ",titanxp_32,titanxp_" batch
#define CPU "gold_6240,silver_4114,silver_4210r"
#define PHONE "essential_ph_1,pixel3,samsung_a50,samsung_s7"

static const struct bench_task tasks[] = {
    {"nb201",
     "nasbench201",
     "nasbench201",
     NINE("256"),
     GPU_1 "," GPU_N("256") ",gold_6240",
     900,
     {10, 20},
     false,
     "HELP as published, its six test devices, band, 20 measurements 0.932; best known with 10: 0.957 band, 0.973 all"},
    {"nb201 no GPU batch 1",
     "nasbench201",
     "nasbench201",
     GPU_N("256") "," CPU "," PHONE,
     GPU_1,
     900,
     {10},
     true,
     NULL},
    {"nb201 no GPU batched",
     "nasbench201",
     "nasbench201",
     GPU_1 "," CPU "," PHONE,
     GPU_N("256"),
     900,
     {10},
     true,
     NULL},
    {"nb201 no CPU", "nasbench201", "nasbench201", GPU_1 "," GPU_N("256") "," PHONE, CPU, 900, {10}, true, NULL},
    {"nb201 no phone", "nasbench201", "nasbench201", GPU_1 "," GPU_N("256") "," CPU, PHONE, 900, {10}, true, NULL},
    {"fbnet",
     "fbnet",
     "fbnet",
     NINE("64"),
     GPU_1 "," GPU_N("64") ",gold_6240",
     900,
     {10, 20},
     false,
     "HELP as published, its three test devices, band, 20 measurements 0.910; best known 0.943 with 10, 0.950 with 20"},
    {"fbnet no GPU batch 1", "fbnet", "fbnet", GPU_N("64") "," CPU "," PHONE, GPU_1, 900, {10}, true, NULL},
    {"fbnet no GPU batched", "fbnet", "fbnet", GPU_1 "," CPU "," PHONE, GPU_N("64"), 900, {10}, true, NULL},
    {"fbnet no CPU", "fbnet", "fbnet", GPU_1 "," GPU_N("64") "," PHONE, CPU, 900, {10}, true, NULL},
    {"fbnet no phone", "fbnet", "fbnet", GPU_1 "," GPU_N("64") "," CPU, PHONE, 900, {10}, true, NULL},
    {"F1: few -> phones",
     "fbnet",
     "fbnet",
     "2080ti_1,essential_ph_1,silver_4114,titanxp_1,titanxp_32",
     "samsung_a50,samsung_s7,pixel3",
     800,
     {10, 20},
     true,
     "NASFLAT, 20 (F1 on its devices): 0.809"},
    {"F2: CPU, phones -> GPUs",
     "fbnet",
     "fbnet",
     "essential_ph_1,gold_6240,pixel3,silver_4114",
     "1080ti_1,1080ti_32,2080ti_32,titanx_1,titanxp_1",
     800,
     {10, 20},
     true,
     "NASFLAT, 20 (F2): 0.871"},
    {"F3: phones -> GPUs",
     "fbnet",
     "fbnet",
     "essential_ph_1,samsung_a50,pixel3,samsung_s7",
     "1080ti_1,1080ti_32,2080ti_1,titanxp_1,titanxp_32",
     800,
     {10, 20},
     true,
     "NASFLAT, 20 (F3): 0.814"},
    {"F4: mixed -> mixed",
     "fbnet",
     "fbnet",
     "1080ti_64,2080ti_1,gold_6240,samsung_s7,silver_4210r,titanxp_1,titanxp_32",
     "1080ti_1,essential_ph_1,samsung_a50",
     800,
     {10, 20},
     true,
     "NASFLAT, 20 (F4): 0.734"},
    {"FA: GPUs -> CPU, phones",
     "fbnet",
     "fbnet",
     GPU_1 "," GPU_N("64"),
     "gold_6240,essential_ph_1,samsung_s7,samsung_a50",
     800,
     {10, 20},
     true,
     "NASFLAT, 20 (FA): 0.577"},
    {"ofa -> v100",
     "ofa-mobilenetv3",
     "ofa",
     "2080ti_1,2080ti_32,2080ti_64,titan_xp_1,titan_xp_32,titan_xp_64",
     "v100_1,v100_32,v100_64",
     900,
     {10},
     false,
     NULL},
    {"ofa -> 2080ti",
     "ofa-mobilenetv3",
     "ofa",
     "titan_xp_1,titan_xp_32,titan_xp_64,v100_1,v100_32,v100_64",
     "2080ti_1,2080ti_32,2080ti_64",
     900,
     {10},
     false,
     NULL},
    {"ofa -> titan_xp",
     "ofa-mobilenetv3",
     "ofa",
     "2080ti_1,2080ti_32,2080ti_64,v100_1,v100_32,v100_64",
     "titan_xp_1,titan_xp_32,titan_xp_64",
     900,
     {10},
     false,
     NULL},
    {0},
};

struct job {
    const struct bench_task *task;
    const struct lt_latency_set *set;
    int train[32], test[32], n_train, n_test;
    int *row, n_rows;
    uint64_t *seen;
    int n_seen;
};

/* But for those in `but`. */
static int find_devices(const struct lt_latency_set *set, const char *names, const int *but, int n_but, int *out) {
    char text[512], *save = NULL;
    int n = 0;
    snprintf(text, sizeof(text), "%s", names);
    for (char *p = strtok_r(text, ",", &save); p && n < 32; p = strtok_r(NULL, ",", &save)) {
        int d = lt_latency_set_find(set, p), known = 0;
        for (int i = 0; i < n_but; i++) known |= but[i] == d;
        if (known) continue;
        if (d >= 0)
            out[n++] = d;
        else
            printf("(no table of device %s)\n", p);
    }
    return n;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static lt_status job_init(struct job *j, const struct bench_task *t, const struct lt_latency_set *set, uint64_t seed,
                          struct lt_err *e) {
    *j = (struct job){.task = t, .set = set};
    j->n_train = find_devices(set, t->train, NULL, 0, j->train);
    j->n_test = find_devices(set, t->test, j->train, j->n_train, j->test);
    j->row = lt_calloc((size_t)set->n, sizeof(*j->row));
    j->seen = lt_calloc((size_t)set->n, sizeof(*j->seen));
    if (!j->row || !j->seen) return lt_fail(e, LT_ENOMEM, "bench");
    lt_status s = lt_predictor_split(set, j->train, j->n_train, t->rows, false, seed, j->row, &j->n_rows, e);
    for (int i = 0; i < j->n_rows && !s; i++) j->seen[i] = lt_arch_hash(set->space, &set->arch[j->row[i]]);
    j->n_seen = j->n_rows;
    qsort(j->seen, (size_t)j->n_rows, sizeof(*j->seen), by_value);
    return s;
}

static double coarseness(const struct lt_latency_set *set, int d) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < set->n; i++)
        if (set->device[d].latency_s[i] > 0) {
            sum += set->device[d].latency_s[i];
            n++;
        }
    return set->device[d].resolution_s * n / sum;
}

struct row {
    double metric[LT_N_EVAL], fine_mape, adapt_s, rate;
    int n_fine;
};

/* One way of taking samples, on all test devices. */
static lt_status judge(struct lt_predictor *p, const struct job *j, const struct bench_options *b, int samples,
                       enum lt_choose choose, bool each, struct row *out, struct lt_err *e) {
    struct lt_eval_options o = {.samples = samples,
                                .choose = choose,
                                .trials = choose == LT_CHOOSE_RANDOM ? b->trials : (b->trials + 1) / 2,
                                .rounds = 1,
                                .most = b->most,
                                .band = {0.1, 0.9},
                                .seed = b->seed};
    struct row r = {.n_fine = 0};
    for (int i = 0; i < j->n_test; i++) {
        struct lt_eval v = {0};
        lt_status s = lt_predictor_eval(p, j->set, j->test[i], j->seen, j->n_seen, &o, &v, e);
        if (s) return s;
        for (int m = 0; m < LT_N_EVAL; m++) r.metric[m] += v.mean[m] / j->n_test;
        r.adapt_s += v.adapt_s / j->n_test;
        r.rate += 1 / v.predict_s / j->n_test;
        if (coarseness(j->set, j->test[i]) < 0.01) {
            r.fine_mape += v.mean[LT_EVAL_MAPE];
            r.n_fine++;
        }
        if (each)
            printf("|   %s | %d | | %.4f | %.4f | %.3f | %.2f | %.2f | %.0f | | | |\n", j->set->device[j->test[i]].name,
                   samples, v.mean[LT_EVAL_SPEARMAN_BAND], v.mean[LT_EVAL_SPEARMAN], v.mean[LT_EVAL_KENDALL],
                   100 * v.mean[LT_EVAL_MAPE], 100 * v.mean[LT_EVAL_MEDAPE], 100 * v.mean[LT_EVAL_COVERAGE90]);
        lt_eval_release(&v);
    }
    *out = r;
    return LT_OK;
}

static lt_status run_method(const char *method, const struct job *j, const struct bench_options *b, struct lt_err *e) {
    static const char *const how[] = {"random", "proposed", "reference"};
    struct lt_predictor *p = NULL;
    struct lt_meta meta = {j->set, j->train, j->n_train, j->row, j->n_rows, NULL};
    double began = lt_now_s(), train_s = 0;
    lt_status s = bench_open(method, j->set->space, b->seed, &p, e);
    if (s) return s;
    bool transfers = lt_predictor_kind(p)->meta_fit != NULL;
    if (transfers && (s = lt_predictor_meta_fit(p, &meta, e))) goto out;
    train_s = transfers ? lt_now_s() - began : 0;
    for (int k = 0; k < 2 && j->task->samples[k]; k++) {
        for (int c = LT_CHOOSE_RANDOM; c <= LT_CHOOSE_PROPOSED; c++) {
            struct row r;
            if ((s = judge(p, j, b, j->task->samples[k], (enum lt_choose)c, b->each, &r, e))) goto out;
            printf("| %s | %d | %s | %.4f | %.4f | %.3f | %.2f | %.2f | %.0f | %.2f | %.1f | %.2g |\n", method,
                   j->task->samples[k], how[c], r.metric[LT_EVAL_SPEARMAN_BAND], r.metric[LT_EVAL_SPEARMAN],
                   r.metric[LT_EVAL_KENDALL], r.n_fine ? 100 * r.fine_mape / r.n_fine : NAN,
                   100 * r.metric[LT_EVAL_MEDAPE], 100 * r.metric[LT_EVAL_COVERAGE90], train_s, 1e3 * r.adapt_s,
                   r.rate);
            fflush(stdout);
        }
    }
out:
    lt_predictor_close(p);
    return s;
}

lt_status bench_open(const char *method, const struct lt_space *space, uint64_t seed, struct lt_predictor **out,
                     struct lt_err *e) {
    char text[256];
    struct lt_yaml *cfg = NULL;
    snprintf(text, sizeof(text), "{name: %s}", method);
    lt_status s = lt_yaml_parse("method", text, strlen(text), &cfg, e);
    if (!s) s = lt_predictor_open(cfg, space, seed, out, e);
    lt_yaml_free(cfg);
    return s;
}

/* Data of the task's space; the last one is kept, since neighbours share it. */
struct loaded {
    const char *name;
    struct lt_space *space;
    struct lt_latency_set *set;
};

static lt_status load(struct loaded *l, const struct bench_task *t, const struct bench_options *b, struct lt_err *e) {
    if (l->name && !strcmp(l->name, t->dir)) return LT_OK;
    lt_latency_set_free(l->set);
    lt_space_free(l->space);
    *l = (struct loaded){0};
    char *dir = lt_asprintf("%s/%s", b->data, t->dir);
    lt_status s = dir ? bench_space(t->space, &l->space, e) : lt_fail(e, LT_ENOMEM, "bench");
    if (!s) s = lt_latency_set_load(dir, l->space, NULL, &l->set, e);
    if (!s) l->name = t->dir;
    lt_free(dir);
    return s;
}

lt_status bench_space(const char *name, struct lt_space **out, struct lt_err *e) {
    const char *src = getenv("LT_SRCDIR");
    char *path = lt_asprintf("%s/spaces/%s.yaml", src ? src : BENCH_SRCDIR, name);
    lt_status s = path ? lt_space_load(path, out, e) : lt_fail(e, LT_ENOMEM, "bench");
    lt_free(path);
    return s;
}

static lt_status run_tasks(const struct bench_options *b, struct lt_err *e) {
    struct loaded l = {0};
    lt_status s = LT_OK;
    for (const struct bench_task *t = tasks; t->name && !s; t++) {
        struct job j = {0};
        if (b->only && strncmp(b->only, t->name, strlen(b->only))) continue;
        if (b->quick && t->classes && strncmp(t->name, "F3", 2)) continue;
        if ((s = load(&l, t, b, e)) || (s = job_init(&j, t, l.set, b->seed, e))) break;
        printf("\n### %s\n\nTrained on %d architectures of %s; tested on", t->name, t->rows, t->train);
        for (int i = 0; i < j.n_test; i++) printf("%s %s", i ? "," : "", l.set->device[j.test[i]].name);
        printf(".%s%s\n\n", t->anchor ? " Published: " : "", t->anchor ? t->anchor : "");
        printf("| method | samples | chosen | Spearman 10-90 %% | all | Kendall | MAPE %% | median %% | 90 %% interval "
               "holds %% | "
               "train s | adapt ms | predictions/s |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n");
        for (int i = 0; i < b->n_methods && !s; i++) {
            struct lt_err why = {0};
            if (b->fast && t->classes && i > 1) continue; /* their features come from graphs, which takes long */
            lt_status r = run_method(b->method[i], &j, b, &why);
            if (r == LT_EUNAVAIL || r == LT_EINVAL)
                printf("| %s | not here: %s |\n", b->method[i], why.msg);
            else if (r)
                s = lt_fail(e, r, "%s", why.msg);
        }
        lt_free(j.row);
        lt_free(j.seen);
    }
    lt_latency_set_free(l.set);
    lt_space_free(l.space);
    return s;
}

static const char *data_folder(void) {
    static char path[1024];
    const char *env = getenv("LATHE_DATA");
    if (env)
        snprintf(path, sizeof(path), "%s/latency", env);
    else
        snprintf(path, sizeof(path), "%s/../shared/data/latency", BENCH_SRCDIR);
    return path;
}

int main(int argc, char **argv) {
    struct bench_options b = {.trials = 3, .most = 1000, .seed = 42, .data = data_folder()};
    struct lt_err e = {0};
    struct rusage use;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--quick"))
            b.quick = true;
        else if (!strcmp(argv[i], "--each"))
            b.each = true;
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            b.seed = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--only") && i + 1 < argc)
            b.only = argv[++i];
        else if (b.n_methods < BENCH_METHODS)
            b.method[b.n_methods++] = argv[i];
    }
    if (b.quick) {
        b.trials = 2;
        b.most = 1000;
    }
    if (!b.n_methods) { /* those that take seconds */
        static const char *const fast[] = {"fewshot", "lut", "linear", "roofline"};
        b.fast = true;
        for (int i = 0; i < 4; i++)
            for (int k = 0; k < lt_predictor_count(); k++)
                if (!strcmp(fast[i], lt_predictor_at(k)->name)) b.method[b.n_methods++] = fast[i];
    }
    if (!lt_path_exists(b.data)) {
        printf("SKIP: no latency tables in %s (set LATHE_DATA)\n", b.data);
        return 0;
    }
    printf("Means over the test devices. MAPE over devices whose resolution is finer than 1 %% of the mean. %d trials "
           "for random "
           "samples, %d for proposed ones; seed %llu; at most %d unseen architectures a device.\n",
           b.trials, (b.trials + 1) / 2, (unsigned long long)b.seed, b.most);
    lt_status s = run_tasks(&b, &e);
    if (!s && (!b.only || !strncmp(b.only, "hat", 3))) s = bench_hat(&b, &e);
    getrusage(RUSAGE_SELF, &use);
    printf("\nProcessor time %.0f s, peak memory %.0f MB.\n", (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec,
           (double)use.ru_maxrss / 1024);
    if (s) fprintf(stderr, "bench_predictor: %s\n", e.msg);
    return lt_status_exit_code(s);
}
