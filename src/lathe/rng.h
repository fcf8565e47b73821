/*
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11), keyed by what a
 * number is for: (seed, purpose, round, item). Never by rank, thread or call order; so no stream is stored and item i
 * draws the same numbers wherever it runs. Adding a purpose at the end never shifts another. Also a gsl_rng_type
 * (lathe/rng_gsl.h).
 */
#ifndef LATHE_RNG_H
#define LATHE_RNG_H
#include "lathe/status.h"
#ifdef __cplusplus
extern "C" {
#endif
enum lt_rng_purpose {
    LT_RNG_TEST = 0,
    LT_RNG_INIT,
    LT_RNG_SPLIT,
    LT_RNG_SHUFFLE,
    LT_RNG_AUGMENT,
    LT_RNG_SUBNET,
    LT_RNG_MEASURE_SET,
    LT_RNG_HOLDOUT,
    LT_RNG_SEARCH,
    LT_RNG_CALIBRATE,
    LT_RNG_QUANT,
    LT_RNG_FAKE_DEVICE,
    LT_RNG_BENCH,
    LT_RNG_SAMPLE
};
struct lt_rng {
    uint32_t key[2], ctr[4], out[4];
    int used;
    bool has_normal;
    double normal;
};
void lt_philox4x32(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]); /* 10 rounds */
void lt_rng_at(struct lt_rng *r, uint64_t seed, enum lt_rng_purpose purpose, uint64_t round, uint64_t item);
uint32_t lt_rng_u32(struct lt_rng *r);
double lt_rng_u01(struct lt_rng *r);                 /* [0,1), 53 bits */
uint32_t lt_rng_below(struct lt_rng *r, uint32_t n); /* [0,n), unbiased; n >= 1 */
double lt_rng_normal(struct lt_rng *r);
void lt_rng_shuffle(struct lt_rng *r, int32_t *v, int32_t n); /* Fisher-Yates */
#ifdef __cplusplus
}
#endif
#endif
