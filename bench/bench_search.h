/*
 * The search benchmark's parts: running a searcher as the engine does, without ranks and store, and the table of an
 * exhaustively evaluated space. bench_search.c says what is measured.
 */
#ifndef BENCH_SEARCH_H
#define BENCH_SEARCH_H
#include "lathe/searcher.h"

typedef void (*bench_eval_fn)(void *arg, const struct lt_arch *a, struct lt_scores *out);
/* Every evaluation as it is told, in order; false stops. */
typedef bool (*bench_seen_fn)(void *arg, int k, const struct lt_arch *a, const struct lt_scores *s);
/* Runs `{name: ..., ...}` with the window contract of lathe/searcher.h; ends the program on an error. Returns the
 * number of evaluations told. */
int bench_run(const char *yaml, const struct lt_search_env *env, bench_eval_fn eval, void *eval_arg, bench_seen_fn seen,
              void *seen_arg);
void bench_die(const char *what, const struct lt_err *e);

/* NAS-Bench-201: all architectures with accuracy and latencies. Score numbers beyond the built-in ones are devices. */
struct bench_table {
    struct lt_space *space;
    int n, n_devices;
    struct lt_arch *arch;
    double *accuracy;   /* [n], CIFAR-100 test, fraction */
    double *latency[4]; /* [n] ms */
    int *at;            /* choice vector as a number to the base of 5 -> row */
    const char *device[4];
};
/* NULL and a reason on stdout when the data are not there. */
struct bench_table *bench_table_load(const char *const *devices, int n_devices);
void bench_table_free(struct bench_table *t);
int bench_table_row(const struct bench_table *t, const struct lt_arch *a);

int bench_speed(void);
int bench_budgets(int seeds, const char *csv);
int bench_fronts(int seeds);
int bench_exact(void);
#endif
