/*
 * Shared by the kernel tests: the tables of this machine, exact-size buffers (so that the address sanitizer sees a step
 * outside; a guard value catches writes without it), and comparison relative to the sum of magnitudes of what was added
 * up.
 */
#ifndef LT_TESTS_T_KERNELS_H
#define LT_TESTS_T_KERNELS_H
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "runtime/kernels/kernels.h"
#include "tests/tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_VECTOR_TABLES 3
static const char *const vector_table[N_VECTOR_TABLES] = {"generic", "avx2", "avx512"};
enum { SEED = 20240607 };
static const float guard = 1234.5f;

struct vec {
    float *v;
    int64_t n;
};

static inline struct vec vec_new(int64_t n) {
    struct vec a = {lt_malloc((size_t)(n + 1) * sizeof(float)), n};
    if (!a.v) abort();
    for (int64_t i = 0; i <= n; i++) a.v[i] = guard;
    return a;
}

/* Normal numbers, the item-th stream. */
static inline struct vec vec_random(int64_t n, uint64_t item) {
    struct vec a = vec_new(n);
    struct lt_rng r;
    lt_rng_at(&r, SEED, LT_RNG_TEST, 1, item);
    for (int64_t i = 0; i < n; i++) a.v[i] = (float)lt_rng_normal(&r);
    return a;
}

static inline struct vec vec_copy(struct vec a) {
    struct vec b = vec_new(a.n);
    memcpy(b.v, a.v, (size_t)a.n * sizeof(float));
    return b;
}

static inline struct vec vec_abs(struct vec a) {
    struct vec b = vec_copy(a);
    for (int64_t i = 0; i < a.n; i++) b.v[i] = fabsf(b.v[i]);
    return b;
}

static inline void vec_free(struct vec *a) {
    lt_free(a->v);
    a->v = NULL;
}

/* |got - want| <= tol * mag everywhere, mag being 1 where absent; and the guard stands. */
static inline bool vec_near(struct vec got, struct vec want, const float *mag, double tol) {
    for (int64_t i = 0; i < got.n; i++) {
        double diff = fabs((double)got.v[i] - want.v[i]);
        if (!(diff <= tol * (mag ? mag[i] : 1))) {
            lt_note("element %lld: %.9g, expected %.9g, magnitude %g", (long long)i, got.v[i], want.v[i],
                    mag ? mag[i] : 1.0);
            return false;
        }
    }
    return got.v[got.n] == guard;
}

static inline bool vec_same(struct vec a, struct vec b) {
    return a.n == b.n && !memcmp(a.v, b.v, (size_t)(a.n + 1) * sizeof(float));
}
#endif
