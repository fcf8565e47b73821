/*
 * Points in the space of objectives: ranks against peeling by brute force, crowding by hand, hypervolume against
 * formulas, exact decomposition and Monte Carlo, reference directions by their count and geometry.
 */
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "search/front.h"
#include "search/hypervolume.h"
#include "search/refpoints.h"
#include "tests/tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 60, M = 5 };

static struct lt_rng rng;

/* grid > 0: coordinates on a grid, so that many are equal. */
static void points(double *f, int n, int m, int grid) {
    for (int i = 0; i < n * m; i++) f[i] = grid ? (double)lt_rng_below(&rng, (uint32_t)grid) / grid : lt_rng_u01(&rng);
}

static bool dominates(const double *f, const double *violation, int i, int j, int m) {
    bool better = false;

    if (!isfinite(violation[i]) || !isfinite(violation[j])) return false;
    if (violation[i] != violation[j]) return violation[i] < violation[j];
    for (int d = 0; d < m; d++) {
        if (f[i * m + d] > f[j * m + d]) return false;
        better |= f[i * m + d] < f[j * m + d];
    }
    return better;
}

/* Fronts peeled off one after another. */
static void peel(const double *f, const double *violation, int n, int m, int *rank) {
    int left = 0;

    for (int i = 0; i < n; i++) {
        rank[i] = isfinite(violation[i]) ? -2 : -1;
        left += rank[i] == -2;
    }
    for (int front = 0; left > 0; front++) {
        bool in[N];

        for (int i = 0; i < n; i++) {
            in[i] = rank[i] == -2;
            for (int j = 0; j < n && in[i]; j++) in[i] = !(rank[j] == -2 && dominates(f, violation, j, i, m));
        }
        for (int i = 0; i < n; i++) {
            if (!in[i]) continue;
            rank[i] = front;
            left--;
        }
    }
}

static void ranks(void) {
    double f[N * M], violation[N];
    int fast[N], slow[N];
    struct lt_err e;

    for (int m = 1; m <= M; m++) {
        int wrong = 0;

        for (int t = 0; t < 300; t++) {
            int n = 1 + (int)lt_rng_below(&rng, N);

            points(f, n, m, t % 3 ? 1 + t % 7 : 0);
            for (int i = 0; i < n; i++) {
                uint32_t k = lt_rng_below(&rng, 8);

                violation[i] = t % 2 || k < 5 ? 0 : k == 7 ? INFINITY : 0.5 * k;
            }
            peel(f, violation, n, m, slow);
            if (lt_front_ranks(f, m, violation, n, m, fast, &e) || memcmp(fast, slow, (size_t)n * sizeof(*fast)))
                wrong++;
        }
        lt_ok(wrong == 0, "ranks of 300 random sets with %d objectives equal those of brute force", m);
    }
}

static void crowding(void) {
    const double f[] = {0, 4, 1, 2, 2, 1, 4, 0, 9, 9};
    const int at[] = {0, 1, 2, 3};
    double c[4];
    struct lt_err e;

    lt_ok(!lt_front_crowding(f, 2, 2, at, 4, c, &e) && isinf(c[0]) && isinf(c[3]) &&
              fabs(c[1] - (2 / 4. + 3 / 4.)) < 1e-12 && fabs(c[2] - (3 / 4. + 2 / 4.)) < 1e-12,
          "crowding: the ends are infinite, others sum the gaps of their neighbours");
}

/* Inclusion and exclusion: exact, exponential. */
static double by_subsets(const double *f, int n, int m, const double *ref) {
    double sum = 0;

    for (int s = 1; s < 1 << n; s++) {
        double v = 1;

        for (int d = 0; d < m; d++) {
            double low = -INFINITY;

            for (int i = 0; i < n; i++) {
                if (s >> i & 1) low = fmax(low, f[i * m + d]);
            }
            v *= fmax(0, ref[d] - low);
        }
        sum += __builtin_popcount((unsigned)s) % 2 ? v : -v;
    }
    return sum;
}

static double monte_carlo(const double *f, int n, int m, int draws) {
    int hits = 0;

    for (int t = 0; t < draws; t++) {
        double x[M];
        bool hit = false;

        for (int d = 0; d < m; d++) x[d] = lt_rng_u01(&rng);
        for (int i = 0; i < n && !hit; i++) {
            hit = true;
            for (int d = 0; d < m && hit; d++) hit = f[i * m + d] <= x[d];
        }
        hits += hit;
    }
    return (double)hits / draws;
}

static double hypervolume(const double *f, int n, int m, const double *ref) {
    struct lt_hv hv;
    struct lt_err e;
    double v = NAN;

    if (!lt_hv_init(&hv, m, ref, &e) && !lt_hv_set(&hv, f, n, &e) && lt_hv_volume(&hv, &v, &e)) v = NAN;
    lt_hv_release(&hv);
    return v;
}

static void volumes(void) {
    const double ref[M] = {1, 1, 1, 1, 1}, low[M] = {0.7, 0.8, 0.6, 0.9, 0.75};
    double f[N * M];

    for (int m = 1; m <= M; m++) {
        double worst = 0, worst_gain = 0;

        for (int t = 0; t < 60; t++) {
            int n = 1 + (int)lt_rng_below(&rng, 10);
            struct lt_hv hv;
            struct lt_err e;
            double gain = NAN, before;
            const double *r = t % 2 ? ref : low; /* with the lower one some points lie outside */

            points(f, n + 1, m, t % 3 ? 0 : 4);
            before = by_subsets(f, n, m, r);
            worst = fmax(worst, fabs(hypervolume(f, n, m, r) - before));
            if (!lt_hv_init(&hv, m, r, &e) && !lt_hv_set(&hv, f, n, &e) && lt_hv_gain(&hv, f + n * m, &gain, &e))
                gain = NAN;
            worst_gain = fmax(worst_gain, fabs(gain - (by_subsets(f, n + 1, m, r) - before)));
            if (isnan(gain)) worst_gain = NAN;
            lt_hv_release(&hv);
        }
        /* sums of up to 2^10 terms of alternating sign: 1e-11 is rounding */
        lt_ok(worst < 1e-11, "hypervolume with %d objectives equals inclusion-exclusion: %.1e off", m, worst);
        lt_ok(worst_gain < 1e-11, "what a further point adds, too: %.1e off", worst_gain);
    }
    for (int m = 2; m <= 4; m++) {
        const int draws = 100000;
        double exact, sampled;

        points(f, N, m, 0);
        exact = hypervolume(f, N, m, ref);
        sampled = monte_carlo(f, N, m, draws);
        lt_ok(fabs(exact - sampled) < 5 * sqrt(exact * (1 - exact) / draws) + 1e-9,
              "%d points, %d objectives: %.5f, Monte Carlo %.5f (5 standard errors)", N, m, exact, sampled);
    }
    f[0] = 0.25, f[1] = 0.5;
    lt_ok(hypervolume(f, 1, 2, ref) == 0.375 && hypervolume(f, 0, 3, ref) == 0,
          "one point is its box, none is nothing");
}

static void directions(void) {
    static const struct {
        int m, divisions, most, n;
    } t[] = {{3, 12, 0, 91}, {2, 0, 100, 100}, {3, 0, 92, 91}, {5, 6, 0, 210}, {8, 0, 156, 156 - 0}, {1, 0, 10, 1}};
    struct lt_refpoints r;
    struct lt_err e;

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        bool sums = true;

        if (lt_refpoints_init(&r, t[i].m, t[i].divisions, t[i].most, &e)) {
            lt_ok(false, "%s", e.msg);
            continue;
        }
        for (int k = 0; k < r.n; k++) {
            double sum = 0;

            for (int d = 0; d < r.m; d++) sum += r.w[k * r.m + d];
            sums &= fabs(sum - 1) < 1e-12;
            for (int j = 0; j < k; j++) sums &= memcmp(r.w + k * r.m, r.w + j * r.m, (size_t)r.m * sizeof(double)) != 0;
        }
        lt_ok(sums && (t[i].divisions || t[i].m < 4 ? r.n == t[i].n : r.n <= t[i].most && r.n > 0),
              "%d objectives, %d divisions: %d directions, all different, each summing to 1", t[i].m, t[i].divisions,
              r.n);
        lt_refpoints_release(&r);
    }
    {
        /* the plane x/2 + y/4 + z/8 = 1 moved by (1, 1, 1) */
        const double f[] = {3, 1, 1, 1, 5, 1, 1, 1, 9, 2, 2, 3};
        double distance;
        int k;

        if (lt_refpoints_init(&r, 3, 4, 0, &e) || lt_refpoints_fit(&r, f, 3, 4, &e)) {
            lt_ok(false, "%s", e.msg);
            return;
        }
        lt_ok(fabs(r.scale[0] - 2) < 1e-9 && fabs(r.scale[1] - 4) < 1e-9 && fabs(r.scale[2] - 8) < 1e-9 &&
                  r.ideal[0] == 1,
              "the frame finds ideal point and intercepts");
        k = lt_refpoints_nearest(&r, f + 9, &distance); /* (1/2, 1/4, 1/4) in the frame, which is a direction */
        lt_ok(distance < 1e-12 && fabs(r.w[3 * k] - 0.5) < 1e-12, "and a point on a direction is at distance 0 of it");
        lt_refpoints_release(&r);
    }
}

int main(void) {
    int64_t live = lt_mem_live();

    lt_rng_at(&rng, 11, LT_RNG_TEST, 2, 0);
    ranks();
    crowding();
    volumes();
    directions();
    lt_ok(lt_mem_live() == live, "nothing leaks");
    return lt_done();
}
