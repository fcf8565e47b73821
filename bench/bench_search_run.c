/* The search benchmark: running a searcher, and the table. */
#include "bench/bench_search.h"
#include "lathe/csv.h"
#include "lathe/latency_set.h"
#include "lathe/mem.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void bench_die(const char *what, const struct lt_err *e) {
    fprintf(stderr, "bench_search: %s: %s\n", what, e->msg);
    exit(1);
}

int bench_run(const char *yaml, const struct lt_search_env *env, bench_eval_fn eval, void *eval_arg, bench_seen_fn seen,
              void *seen_arg) {
    struct lt_err e = {0};
    struct lt_yaml *root = NULL;
    struct lt_searcher *x = NULL;
    struct lt_arch *queue;
    struct lt_scores s;
    int w, asked = 0, told = 0, got;
    bool go_on = true;

    if (lt_yaml_parse("bench.yaml", yaml, strlen(yaml), &root, &e) || lt_searcher_open(root, env, &x, &e))
        bench_die(yaml, &e);
    w = lt_searcher_ahead(x);
    if (!(queue = lt_malloc((size_t)w * sizeof(*queue)))) exit(1);
    while (go_on) {
        int room = w - (asked - told), at = asked % w;

        got = 0;
        if (room > w - at) room = w - at; /* the ring's end */
        if (room > 0 && lt_searcher_ask(x, room, queue + at, &got, &e)) bench_die(yaml, &e);
        asked += got;
        if (got > 0) continue;
        if (asked == told) break;
        memset(&s, 0, sizeof(s));
        eval(eval_arg, &queue[told % w], &s);
        if (lt_searcher_tell(x, &queue[told % w], &s, 1, &e)) bench_die(yaml, &e);
        go_on = !seen || seen(seen_arg, told, &queue[told % w], &s);
        told++;
    }
    lt_free(queue);
    lt_searcher_close(x);
    lt_yaml_free(root);
    return told;
}

/* ---- the table ---- */

static int number_of(const struct lt_space *s, const struct lt_arch *a) {
    int k = 0;

    for (int g = 0; g < lt_space_n_genes(s); g++) k = k * lt_space_gene(s, g)->n_choices + a->g[g];
    return k;
}

int bench_table_row(const struct bench_table *t, const struct lt_arch *a) { return t->at[number_of(t->space, a)]; }

static double *column(const char *dir, const char *file, const char *name, int n) {
    struct lt_csv *c = NULL;
    struct lt_err e = {0};
    char *path = lt_asprintf("%s/%s", dir, file);
    double *v = lt_malloc((size_t)n * sizeof(*v));
    int col;

    if (!path || !v) exit(1);
    if (lt_csv_load(path, &c, &e)) bench_die(path, &e);
    col = lt_csv_col(c, name);
    if (col < 0 || lt_csv_rows(c) != n) {
        fprintf(stderr, "bench_search: %s: %d rows with a column %s are expected\n", path, n, name);
        exit(1);
    }
    for (int i = 0; i < n; i++) {
        if (lt_csv_double(c, i, col, &v[i], &e)) bench_die(path, &e);
    }
    lt_csv_free(c);
    lt_free(path);
    return v;
}

/* Rows in the space's own columns. */
static void read_archs(struct bench_table *t, const char *dir) {
    char *path = lt_asprintf("%s/archs.csv", dir);
    int size = 1;
    struct lt_err e = {0};

    if (!path) exit(1);
    if (lt_arch_table_load(path, t->space, &t->arch, NULL, &t->n, &e)) bench_die(path, &e);
    for (int g = 0; g < lt_space_n_genes(t->space); g++) size *= lt_space_gene(t->space, g)->n_choices;
    if (!(t->at = lt_calloc((size_t)size, sizeof(*t->at)))) exit(1);
    for (int i = 0; i < t->n; i++) t->at[number_of(t->space, &t->arch[i])] = i;
    lt_free(path);
}

struct bench_table *bench_table_load(const char *const *devices, int n_devices) {
    const char *data = getenv("LATHE_DATA"), *src = getenv("LT_SRCDIR") ? getenv("LT_SRCDIR") : LT_BENCH_SRCDIR;
    char *dir =
        data ? lt_asprintf("%s/latency/nasbench201", data) : lt_asprintf("%s/../shared/data/latency/nasbench201", src);
    char *yaml = lt_asprintf("%s/spaces/nasbench201.yaml", src);
    struct bench_table *t = lt_calloc(1, sizeof(*t));
    struct lt_err e = {0};

    if (!dir || !yaml || !t) exit(1);
    if (access(dir, R_OK) != 0) {
        printf("skipped: the table of NAS-Bench-201 is not in %s (LATHE_DATA names the folder above latency/)\n", dir);
        lt_free(dir);
        lt_free(yaml);
        lt_free(t);
        return NULL;
    }
    if (lt_space_load(yaml, &t->space, &e)) bench_die(yaml, &e);
    read_archs(t, dir);
    t->accuracy = column(dir, "accuracy.csv", "cifar100_test", t->n);
    for (int i = 0; i < t->n; i++) t->accuracy[i] /= 100;
    for (int d = 0; d < n_devices; d++) {
        char file[64];

        snprintf(file, sizeof(file), "latency/%s.csv", devices[d]);
        t->latency[t->n_devices] = column(dir, file, "latency_ms", t->n);
        t->device[t->n_devices++] = devices[d];
    }
    lt_free(dir);
    lt_free(yaml);
    return t;
}

void bench_table_free(struct bench_table *t) {
    if (!t) return;
    lt_space_free(t->space);
    for (int d = 0; d < t->n_devices; d++) lt_free(t->latency[d]);
    lt_free(t->accuracy);
    lt_free(t->arch);
    lt_free(t->at);
    lt_free(t);
}
