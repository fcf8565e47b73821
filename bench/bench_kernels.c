/*
 * Our kernels on one thread: milliseconds (best of several runs), GFLOP/s of nominal work (padding counted), and time
 * relative to the 4-wide "generic" table; for weight gradients also relative to the same table's forward pass.
 *   bench_kernels [TABLE...]        tables to run; all that this CPU has by default
 */
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "runtime/kernels/kernels.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { BATCH = 32, BUF = 1 << 22 };

struct bench {
    const struct lt_kernels *k;
    struct lt_window d;
    struct lt_bn bn;
    struct lt_gemm g;
    float *a, *b, *c, *p, *q;
    int64_t count;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Best of at least 7 runs and 30 ms, in seconds. */
static double best(void (*run)(struct bench *), struct bench *b) {
    double least = 1e9, end = now() + 0.03;
    for (int i = 0; i < 7 || now() < end; i++) {
        double t = now();
        run(b);
        t = now() - t;
        if (t < least) least = t;
    }
    return least;
}

static void forward(struct bench *b) { b->k->dw_forward(&b->d, b->a, b->p, NULL, LT_ACT_RELU, b->b); }
static void data_grad(struct bench *b) { b->k->dw_backward_data(&b->d, b->b, b->p, b->a); }
static void weight_grad(struct bench *b) { b->k->dw_backward_weights(&b->d, b->a, b->b, b->q); }
static void stats(struct bench *b) { b->k->bn_stats(b->a, b->bn.rows, b->bn.c, b->p, b->q); }
static void bn_forward(struct bench *b) { b->k->bn_forward(&b->bn, b->a, NULL, b->b); }
static void bn_backward(struct bench *b) { b->k->bn_backward(&b->bn, b->a, b->b, b->c, b->p, b->q); }
static void act_backward(struct bench *b) { b->k->act_backward(LT_ACT_SILU, b->a, b->b, b->count, b->c); }
static void add(struct bench *b) { b->k->add(b->a, b->b, b->count, b->c); }
static void gemm(struct bench *b) { b->k->gemm(&b->g); }

static void depthwise(struct bench *b, const struct lt_kernels *base) {
    static const int shape[][4] = {{96, 14, 3, 1}, {96, 14, 5, 1}, {96, 14, 7, 1}, {160, 14, 7, 1}, {192, 7, 3, 1},
                                   {192, 7, 5, 1}, {192, 7, 7, 1}, {48, 28, 3, 1}, {48, 28, 5, 1},  {48, 28, 7, 1},
                                   {24, 28, 5, 1}, {96, 12, 5, 1}, {96, 10, 7, 1}, {96, 14, 3, 2},  {96, 14, 5, 2},
                                   {96, 14, 7, 2}, {48, 28, 5, 2}};
    printf("# %s: depthwise, batch %d\n#   c   h k s   forward ms GFLOP/s ratio | data gradient ms ratio | weight "
           "gradient ms ratio, to forward\n",
           b->k->name, BATCH);
    for (size_t i = 0; i < sizeof(shape) / sizeof(*shape); i++) {
        const int *s = shape[i], c = s[0], h = s[1], k = s[2], st = s[3], o = (h - 1) / st + 1;
        const struct lt_kernels *mine = b->k;
        double t[2][3];
        b->d = (struct lt_window){
            .n = BATCH, .h = h, .w = h, .c = c, .oh = o, .ow = o, .kernel = k, .stride = st, .pad = k / 2};
        for (int j = 0; j < 2; j++) {
            b->k = j ? base : mine;
            t[j][0] = best(forward, b);
            t[j][1] = best(data_grad, b);
            t[j][2] = best(weight_grad, b);
        }
        b->k = mine;
        printf("  %3d %3d %d %d     %8.3f %7.1f  %.2f  |       %8.3f  %.2f     |    %8.3f  %.2f  %.2f\n", c, h, k, st,
               1e3 * t[0][0], 2e-9 * BATCH * o * o * c * k * k / t[0][0], t[0][0] / t[1][0], 1e3 * t[0][1],
               t[0][1] / t[1][1], 1e3 * t[0][2], t[0][2] / t[1][2], t[0][2] / t[0][0]);
    }
}

static void others(struct bench *b, const struct lt_kernels *base) {
    static const struct {
        const char *name;
        void (*run)(struct bench *);
        double streams;
    } op[] = {{"bn stats", stats, 1},
              {"bn + relu6 forward", bn_forward, 2},
              {"bn + relu6 backward", bn_backward, 5},
              {"silu backward", act_backward, 3},
              {"add", add, 3}};
    static const int shape[][2] = {{96, 196}, {24, 784}, {160, 49}};
    printf("# %s: by channel and elementwise, batch %d\n#   c rows  what                   ms    GB/s ratio\n",
           b->k->name, BATCH);
    for (size_t i = 0; i < sizeof(shape) / sizeof(*shape); i++)
        for (size_t j = 0; j < sizeof(op) / sizeof(*op); j++) {
            const struct lt_kernels *mine = b->k;
            b->bn.rows = (int64_t)BATCH * shape[i][1];
            b->bn.c = shape[i][0];
            b->count = b->bn.rows * b->bn.c;
            double t = best(op[j].run, b), u;
            b->k = base;
            u = best(op[j].run, b);
            b->k = mine;
            printf("  %3d %4d  %-20s %8.3f %7.1f  %.2f\n", shape[i][0], shape[i][1], op[j].name, 1e3 * t,
                   4e-9 * op[j].streams * (double)b->count / t, t / u);
        }
    static const int size[][4] = {{6272, 96, 24, 0},  {6272, 24, 96, 0}, {6272, 16, 64, 0}, {96, 24, 6272, 1},
                                  {1568, 160, 96, 0}, {32, 10, 1280, 0}, {512, 512, 512, 0}};
    printf("# %s: matrix products\n#    m   n    k           ms GFLOP/s ratio\n", b->k->name);
    for (size_t i = 0; i < sizeof(size) / sizeof(*size); i++) {
        const int *s = size[i];
        const struct lt_kernels *mine = b->k;
        b->g = (struct lt_gemm){.m = s[0],
                                .n = s[1],
                                .k = s[2],
                                .ta = s[3],
                                .tb = !s[3],
                                .lda = s[3] ? s[0] : s[2],
                                .ldb = s[3] ? s[1] : s[2],
                                .ldc = s[1],
                                .a = b->a,
                                .b = b->b,
                                .c = b->c};
        double t = best(gemm, b), u;
        b->k = base;
        u = best(gemm, b);
        b->k = mine;
        printf("  %4d %3d %4d %s  %8.3f %7.1f  %.2f\n", s[0], s[1], s[2], s[3] ? "A^T B" : "A B^T", 1e3 * t,
               2e-9 * s[0] * s[1] * s[2] / t, t / u);
    }
}

int main(int argc, char **argv) {
    static const char *const all[] = {"avx512", "avx2", "generic"};
    float *m[9];
    struct lt_rng r;
    for (int i = 0; i < 9; i++) {
        if (!(m[i] = lt_aligned((i < 3 ? BUF : 16384) * sizeof(float)))) return 1;
        lt_rng_at(&r, 1, LT_RNG_BENCH, 0, (uint64_t)i);
        for (int j = 0; j < (i < 3 ? BUF : 16384); j++) m[i][j] = (float)lt_rng_u01(&r) - 0.5f;
    }
    struct bench b = {.a = m[0],
                      .b = m[1],
                      .c = m[2],
                      .p = m[3],
                      .q = m[4],
                      .bn = {.act = LT_ACT_RELU6, .mean = m[5], .rstd = m[6], .gamma = m[7], .beta = m[8]}};
    for (int i = 0; i < 3; i++) {
        bool wanted = argc < 2;
        for (int j = 1; j < argc; j++) wanted |= !strcmp(argv[j], all[i]);
        if (!wanted || !(b.k = lt_kernels_named(all[i]))) continue;
        depthwise(&b, lt_kernels_named("generic"));
        others(&b, lt_kernels_named("generic"));
    }
    for (int i = 0; i < 9; i++) lt_free(m[i]);
    return 0;
}
