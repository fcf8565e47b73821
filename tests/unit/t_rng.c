/* Philox: published known answers, keyed streams, moments of what is drawn. */
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/rng_gsl.h"
#include "lathe/rng.h"
#include "tests/tap.h"

/* kat_vectors of Random123 (Salmon et al.), philox4x32 with 10 rounds. */
static const struct {
    uint32_t ctr[4], key[2], want[4];
} kat[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

static void known_answers(void) {
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        lt_philox4x32(kat[i].ctr, kat[i].key, out);
        lt_ok(!memcmp(out, kat[i].want, sizeof out), "philox4x32-10 known answer %d", i);
    }
}

static uint64_t first(uint64_t seed, enum lt_rng_purpose p, uint64_t round, uint64_t item) {
    struct lt_rng r;
    lt_rng_at(&r, seed, p, round, item);
    uint64_t hi = lt_rng_u32(&r);
    return hi << 32 | lt_rng_u32(&r);
}

static void streams(void) {
    const uint64_t big = (uint64_t)1 << 32;
    uint64_t base = first(42, LT_RNG_SEARCH, 1, 2);
    lt_ok(base == first(42, LT_RNG_SEARCH, 1, 2), "the same key draws the same numbers");
    lt_ok(base != first(43, LT_RNG_SEARCH, 1, 2), "another seed draws others");
    lt_ok(base != first(42 + big, LT_RNG_SEARCH, 1, 2), "the high word of the seed counts");
    lt_ok(base != first(42, LT_RNG_INIT, 1, 2), "another purpose draws others");
    lt_ok(base != first(42, LT_RNG_SEARCH, 2, 2), "another round draws others");
    lt_ok(base != first(42, LT_RNG_SEARCH, 1 + big, 2), "the high word of the round counts");
    lt_ok(base != first(42, LT_RNG_SEARCH, 1, 3), "another item draws others");
    lt_ok(base != first(42, LT_RNG_SEARCH, 1, 2 + big), "the high word of the item counts");
    lt_ok(base != first(42, LT_RNG_SEARCH, 2, 1), "round and item do not commute");

    enum { N = 4096 };
    static uint64_t v[N];
    int same = 0;
    for (int i = 0; i < N; i++) v[i] = first(7, LT_RNG_AUGMENT, (uint64_t)(i / 64), (uint64_t)(i % 64));
    for (int i = 0; i < N; i++)
        for (int j = 0; j < i; j++) same += v[i] == v[j];
    lt_ok(same == 0, "%d neighbouring streams begin differently", N);
}

/* Each bound is 5 standard deviations of the estimate: with fixed keys it either always passes or always fails. */
static void moments(void) {
    enum { N = 200000 };
    struct lt_rng r;
    double s1 = 0, s2 = 0, lag = 0, last = 0.5;
    lt_note("seed 1, purpose LT_RNG_TEST");
    lt_rng_at(&r, 1, LT_RNG_TEST, 0, 0);
    bool inside = true;
    for (int i = 0; i < N; i++) {
        double u = lt_rng_u01(&r);
        inside = inside && u >= 0 && u < 1;
        s1 += u;
        s2 += (u - 0.5) * (u - 0.5);
        lag += (u - 0.5) * (last - 0.5);
        last = u;
    }
    lt_ok(inside, "u01 is in [0,1)");
    lt_ok(fabs(s1 / N - 0.5) < 5 * sqrt(1 / 12.0 / N), "mean of u01 %.6f", s1 / N);
    lt_ok(fabs(s2 / N - 1 / 12.0) < 5 * sqrt(1 / 180.0 / N), "variance of u01 %.6f", s2 / N);
    lt_ok(fabs(lag / N) < 5 / 12.0 / sqrt(N), "no correlation with the draw before (%.2e)", lag / N);

    double m[5] = {0};
    lt_rng_at(&r, 1, LT_RNG_TEST, 0, 1);
    for (int i = 0; i < N; i++) {
        double z = lt_rng_normal(&r), p = z;
        for (int k = 1; k <= 4; k++, p *= z) m[k] += p / N;
    }
    lt_ok(fabs(m[1]) < 5 / sqrt(N), "mean of the normal %.5f", m[1]);
    lt_ok(fabs(m[2] - 1) < 5 * sqrt(2.0 / N), "variance of the normal %.5f", m[2]);
    lt_ok(fabs(m[3]) < 5 * sqrt(15.0 / N), "third moment of the normal %.5f", m[3]);
    lt_ok(fabs(m[4] - 3) < 5 * sqrt(96.0 / N), "fourth moment of the normal %.5f", m[4]);

    int count[7] = {0};
    double chi = 0;
    lt_rng_at(&r, 1, LT_RNG_TEST, 0, 2);
    for (int i = 0; i < 70000; i++) count[lt_rng_below(&r, 7)]++;
    for (int i = 0; i < 7; i++) chi += (count[i] - 10000.0) * (count[i] - 10000.0) / 10000.0;
    lt_ok(chi < 35, "below(7) is uniform: chi-square with 6 degrees of freedom %.2f", chi); /* P(> 35) = 4e-6 */
    bool ok = true;
    for (int i = 0; i < 1000; i++) ok = ok && lt_rng_below(&r, 1) == 0 && lt_rng_below(&r, 0xffffffffu) < 0xffffffffu;
    lt_ok(ok, "below at its ends");
    /* 3 * 2^30 values: a plain 32-bit remainder would draw the lower third twice as often as the rest. */
    int low = 0;
    for (int i = 0; i < 30000; i++) low += lt_rng_below(&r, 3u << 30) < 1u << 30;
    lt_ok(abs(low - 10000) < 5 * 82, "below is unbiased for large n (%d of 30000 in the lowest third)", low);
}

static void shuffles(void) {
    struct lt_rng r;
    int32_t v[100];
    bool seen[100] = {false}, all = true;
    lt_rng_at(&r, 3, LT_RNG_TEST, 0, 0);
    for (int i = 0; i < 100; i++) v[i] = i;
    lt_rng_shuffle(&r, v, 100);
    int fixed = 0;
    for (int i = 0; i < 100; i++) {
        fixed += v[i] == i;
        if (v[i] >= 0 && v[i] < 100) seen[v[i]] = true;
    }
    for (int i = 0; i < 100; i++) all = all && seen[i];
    lt_ok(all && fixed < 20, "a shuffle is a permutation and moves things (%d stay)", fixed);
    int count[6] = {0};
    double chi = 0;
    for (int i = 0; i < 6000; i++) {
        int32_t w[3] = {0, 1, 2};
        lt_rng_shuffle(&r, w, 3);
        count[w[0] * 2 + (w[1] > w[2])]++;
    }
    for (int i = 0; i < 6; i++) chi += (count[i] - 1000.0) * (count[i] - 1000.0) / 1000.0;
    lt_ok(chi < 33, "all orders of three are equally likely: chi-square with 5 degrees of freedom %.2f", chi);
    int32_t one = 9;
    struct lt_rng before = r;
    lt_rng_shuffle(&r, &one, 1);
    lt_rng_shuffle(&r, NULL, 0);
    lt_ok(one == 9 && !memcmp(&r, &before, sizeof r), "shuffling one thing or none draws nothing");
}

static void as_gsl(void) {
    gsl_rng *g = gsl_rng_alloc(lt_rng_gsl_type);
    struct lt_rng r;
    lt_rng_gsl_at(g, 5, LT_RNG_SEARCH, 6, 7);
    lt_rng_at(&r, 5, LT_RNG_SEARCH, 6, 7);
    bool same = true;
    for (int i = 0; i < 100; i++) same = same && gsl_rng_get(g) == lt_rng_u32(&r);
    lt_ok(same, "as a gsl_rng_type it draws the same numbers");
    lt_ok(gsl_rng_min(g) == 0 && gsl_rng_max(g) == 0xffffffffUL, "its range is 32 bits");
    /* Any gsl_ran_* works on it: the mean of n gamma(2, 3) draws is 6 with standard error sqrt(18/n) = 0.03. */
    enum { N = 20000 };
    unsigned first[3] = {0}, again[3] = {0};
    const double p[3] = {0.2, 0.3, 0.5};
    double sum = 0;
    lt_rng_gsl_at(g, 5, LT_RNG_TEST, 1, 0);
    for (int i = 0; i < N; i++) sum += gsl_ran_gamma(g, 2, 3);
    lt_ok(fabs(sum / N - 6) < 0.15, "mean of gsl_ran_gamma(2, 3): %.3f", sum / N);
    gsl_ran_multinomial(g, 3, 1000, p, first);
    lt_rng_gsl_at(g, 5, LT_RNG_TEST, 1, 0);
    for (int i = 0; i < N; i++) sum -= gsl_ran_gamma(g, 2, 3);
    gsl_ran_multinomial(g, 3, 1000, p, again);
    lt_ok(fabs(sum) < 1e-6 && first[0] + first[1] + first[2] == 1000 && !memcmp(first, again, sizeof first),
          "the same key repeats gsl_ran_* draws (%u %u %u)", first[0], first[1], first[2]);
    gsl_rng_set(g, 11);
    lt_rng_at(&r, 11, LT_RNG_TEST, 0, 0);
    lt_ok(gsl_rng_uniform(g) == lt_rng_u01(&r), "gsl_rng_set alone is the test stream of that seed");
    gsl_rng_free(g);
}

int main(void) {
    known_answers();
    streams();
    moments();
    shuffles();
    as_gsl();
    return lt_done();
}
