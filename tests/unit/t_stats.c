/* Statistics against brute force, tables, and coverage by simulation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/mem.h"
#include "lathe/rng.h"
#include "lathe/stats.h"
#include "tests/tap.h"

static bool near(double a, double b) { return fabs(a - b) <= 1e-12 * (1 + fabs(b)); } /* a handful of roundings */

static void simple(void) {
    const double x[] = {4, 1, 3, 2}, keep[] = {4, 1, 3, 2}, one[] = {7};
    lt_ok(lt_mean(x, 4) == 2.5 && near(lt_sd(x, 4), sqrt(5.0 / 3)), "mean and standard deviation");
    lt_ok(lt_sd(one, 1) == 0 && lt_mean(one, 1) == 7 && lt_median(one, 1) == 7, "of one value");
    lt_ok(lt_median(x, 4) == 2.5 && lt_median(x, 3) == 3, "medians of even and odd counts");
    /* R: quantile(c(4,1,3,2), c(0, .1, .25, .5, .9, 1), type = 7) */
    const double q[] = {0, 0.1, 0.25, 0.5, 0.9, 1}, want[] = {1, 1.3, 1.75, 2.5, 3.7, 4};
    for (int i = 0; i < 6; i++)
        lt_ok(near(lt_quantile(x, 4, q[i]), want[i]), "quantile %g is %g", q[i], lt_quantile(x, 4, q[i]));
    lt_ok(!memcmp(x, keep, sizeof x), "inputs stay as they were");
    const double p[] = {110, 90}, t[] = {100, 100};
    lt_ok(near(lt_mape(p, t, 2), 0.1), "MAPE is a fraction");
    double before = lt_now_s();
    lt_ok(lt_now_s() >= before && before > 0, "the clock does not run backwards");
}

/* Rank (1-based) of the lower end for 95%, as in printed tables of the interval that the sign test gives for a median.
 */
static void median_interval(void) {
    static const struct {
        int n, k;
    } t[] = {{6, 1},  {8, 1},  {9, 2},   {11, 2},  {12, 3},  {15, 4},  {17, 5},
             {20, 6}, {25, 8}, {30, 10}, {40, 14}, {50, 18}, {100, 40}};
    double x[1000], lo, hi;
    for (int i = 0; i < 1000; i++) x[i] = i + 1;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        bool ok = lt_median_ci(x, t[i].n, 0.95, &lo, &hi);
        lt_ok(ok && lo == t[i].k && hi == t[i].n + 1 - t[i].k, "95%% interval of the median of %d: ranks %g to %g",
              t[i].n, lo, hi);
    }
    lo = hi = -1;
    lt_ok(!lt_median_ci(x, 5, 0.95, &lo, &hi) && !lt_median_ci(x, 1, 0.95, &lo, &hi) &&
              !lt_median_ci(x, 0, 0.95, &lo, &hi) && lo == -1 && hi == -1,
          "too few values have no 95%% interval");
    lt_ok(lt_median_ci(x, 5, 0.9, &lo, &hi) && lo == 1 && hi == 5, "five have a 90%% one");

    struct lt_rng r;
    enum { TRIALS = 4000, N = 25 };
    int hit = 0;
    lt_note("seed 21");
    lt_rng_at(&r, 21, LT_RNG_TEST, 0, 0);
    for (int i = 0; i < TRIALS; i++) {
        for (int j = 0; j < N; j++) x[j] = -log(1 - lt_rng_u01(&r)); /* skewed: exponential, median log 2 */
        lt_median_ci(x, N, 0.95, &lo, &hi);
        hit += lo <= log(2) && log(2) <= hi;
    }
    /* Exact coverage for n = 25, k = 8: 0.9567; 5 standard deviations of the share are 0.016. */
    lt_ok(fabs((double)hit / TRIALS - 0.9567) < 0.016, "the interval covers the median in %.4f of %d trials",
          (double)hit / TRIALS, TRIALS);
}

static double kendall_slow(const double *a, const double *b, int n) {
    double c = 0, ta = 0, tb = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) {
            double x = (a[i] > a[j]) - (a[i] < a[j]), y = (b[i] > b[j]) - (b[i] < b[j]);
            c += x * y;
            ta += x * x;
            tb += y * y;
        }
    return ta > 0 && tb > 0 ? c / sqrt(ta * tb) : 0;
}

static double rank_slow(const double *x, int n, int i) {
    double less = 0, equal = 0;
    for (int j = 0; j < n; j++) less += x[j] < x[i], equal += x[j] == x[i];
    return less + (equal - 1) / 2;
}

static void correlations(void) {
    struct lt_rng r;
    double a[200], b[200], ra[200], rb[200];
    int wrong_k = 0, wrong_s = 0, cases = 0;
    lt_note("seed 22");
    lt_rng_at(&r, 22, LT_RNG_TEST, 0, 0);
    for (int i = 0; i < 300; i++, cases++) {
        int n = 2 + (int)lt_rng_below(&r, 198);
        uint32_t levels = 1 + lt_rng_below(&r, i % 3 ? 10 : 100000); /* many ties in two of three cases */
        for (int j = 0; j < n; j++) {
            a[j] = lt_rng_below(&r, levels);
            b[j] = i % 2 ? lt_rng_below(&r, levels) : a[j] + lt_rng_below(&r, 3);
        }
        for (int j = 0; j < n; j++) ra[j] = rank_slow(a, n, j), rb[j] = rank_slow(b, n, j);
        wrong_k += !near(lt_kendall(a, b, n), kendall_slow(a, b, n));
        wrong_s += !near(lt_spearman(a, b, n), lt_pearson(ra, rb, n));
    }
    lt_ok(wrong_k == 0, "Kendall's tau-b equals brute force in %d of %d cases", cases - wrong_k, cases);
    lt_ok(wrong_s == 0, "Spearman's rho equals brute force in %d of %d cases", cases - wrong_s, cases);

    const double up[] = {1, 2, 3, 4, 5}, cube[] = {1, 8, 27, 64, 125}, down[] = {5, 4, 3, 2, 1},
                 flat[] = {2, 2, 2, 2, 2};
    lt_ok(near(lt_pearson(up, down, 5), -1) && lt_pearson(up, cube, 5) < 0.95 && lt_pearson(up, cube, 5) > 0.9,
          "Pearson");
    lt_ok(near(lt_spearman(up, cube, 5), 1) && near(lt_spearman(up, down, 5), -1) && lt_spearman(up, flat, 5) == 0,
          "Spearman of monotone and constant data");
    lt_ok(near(lt_kendall(up, cube, 5), 1) && near(lt_kendall(up, down, 5), -1) && lt_kendall(flat, up, 5) == 0,
          "Kendall of monotone and constant data");
    const double ties_a[] = {12, 2, 1, 12, 2}, ties_b[] = {1, 4, 7, 1, 0};
    /* The example of the documentation of scipy.stats.kendalltau. */
    lt_ok(near(lt_kendall(ties_a, ties_b, 5), -0.47140452079103168), "Kendall with ties %.15f",
          lt_kendall(ties_a, ties_b, 5));
    lt_ok(lt_kendall(up, up, 1) == 0 && lt_spearman(up, up, 1) == 0 && lt_spearman(up, up, 0) == 0, "too few values");
}

int main(void) {
    simple();
    median_interval();
    correlations();
    lt_ok(lt_mem_live() == 0, "no memory is left behind");
    return lt_done();
}
