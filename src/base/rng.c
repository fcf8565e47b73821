/*
 * Base room: Philox4x32-10. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
 * A stream is keyed by (seed, purpose, round, item): the seed and purpose are hashed into the key by one Philox block,
 * round and item are counter words.
 */
#include "lathe/rng.h"

#include <math.h>

void lt_philox4x32(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = ctr[0], c1 = ctr[1], c2 = ctr[2], c3 = ctr[3], k0 = key[0], k1 = key[1];
    for (int r = 0; r < 10; r++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void lt_rng_at(struct lt_rng *r, uint64_t seed, enum lt_rng_purpose purpose, uint64_t round, uint64_t item) {
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t what[4] = {(uint32_t)purpose, (uint32_t)(round >> 32), (uint32_t)(item >> 32), 0x6c617468u};
    uint32_t mixed[4];
    lt_philox4x32(what, key, mixed);
    *r = (struct lt_rng){.key = {mixed[0], mixed[1]}, .ctr = {0, (uint32_t)round, (uint32_t)item, mixed[2]}, .used = 4};
}

uint32_t lt_rng_u32(struct lt_rng *r) {
    if (r->used == 4) {
        lt_philox4x32(r->ctr, r->key, r->out);
        if (++r->ctr[0] == 0) r->ctr[3]++; /* after 2^32 blocks: go on in the next stream word */
        r->used = 0;
    }
    return r->out[r->used++];
}

double lt_rng_u01(struct lt_rng *r) {
    uint64_t hi = lt_rng_u32(r), lo = lt_rng_u32(r);
    return (double)((hi << 32 | lo) >> 11) * 0x1p-53;
}

/* Lemire, "Fast random integer generation in an interval", ACM TOMACS 29, 2019. */
uint32_t lt_rng_below(struct lt_rng *r, uint32_t n) {
    uint64_t m = (uint64_t)lt_rng_u32(r) * n;
    if ((uint32_t)m < n) {
        uint32_t reject_below = (0u - n) % n;
        while ((uint32_t)m < reject_below) m = (uint64_t)lt_rng_u32(r) * n;
    }
    return (uint32_t)(m >> 32);
}

/* Box-Muller; the second value is kept. */
double lt_rng_normal(struct lt_rng *r) {
    if (r->has_normal) {
        r->has_normal = false;
        return r->normal;
    }
    double u = 1.0 - lt_rng_u01(r), v = 6.283185307179586476925 * lt_rng_u01(r), a = sqrt(-2.0 * log(u));
    r->normal = a * sin(v);
    r->has_normal = true;
    return a * cos(v);
}

void lt_rng_shuffle(struct lt_rng *r, int32_t *v, int32_t n) {
    for (int32_t i = n - 1; i > 0; i--) {
        int32_t j = (int32_t)lt_rng_below(r, (uint32_t)i + 1), t = v[i];
        v[i] = v[j];
        v[j] = t;
    }
}
