/* What the two files of the predictor benchmark share. */
#ifndef BENCH_BENCH_PREDICTOR_H
#define BENCH_BENCH_PREDICTOR_H
#include "lathe/predictor.h"

#ifndef BENCH_SRCDIR
#define BENCH_SRCDIR "."
#endif
enum { BENCH_METHODS = 16 };
struct bench_task {
    const char *name, *space, *dir, *train, *test;
    int rows;       /* architectures of each training device */
    int samples[2]; /* on each test device; 0: no more */
    bool classes;   /* left out of --quick */
    const char *anchor;
};
struct bench_options {
    bool quick, each, fast; /* fast: no methods were named */
    int trials, most, n_methods;
    uint64_t seed;
    const char *data, *only, *method[BENCH_METHODS];
};
lt_status bench_open(const char *method, const struct lt_space *space, uint64_t seed, struct lt_predictor **out,
                     struct lt_err *e);
lt_status bench_space(const char *name, struct lt_space **out, struct lt_err *e);
lt_status bench_hat(const struct bench_options *b, struct lt_err *e);
#endif
