/* Room: predictors. */
#include "predictors/fewshot_mix.h"
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "predictors/fewshot_math.h"

/* How often a measurement is worthless, before anything is known; how far off it then is, relative; how many of all may
 * be, and from which probability on one is taken to be. */
#define OUTLIER_RATE 0.02
#define OUTLIER_SIZE 0.5
#define MOST_OUTLIERS 0.25
#define OUTLIER_CERTAIN 0.5
#define TINY_NOISE 1e-9
/* Evidence of more measurements than these counts as the square root of their number: no hypothesis is quite true
 * (clocks drift while a device is measured), and full evidence is too sure of the best one. */
#define TRUSTED 10.0

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "predictor 'fewshot': out of memory"); }

/* A standard deviation: 0 with probability absent, else 10^lo .. 10^hi, uniform in the exponent. */
static double draw(struct lt_rng *r, double absent, double lo, double hi) {
    double there = lt_rng_u01(r), at = lt_rng_u01(r), sd = pow(10, lo + (hi - lo) * at);
    return there < absent ? 0 : sd * sd;
}

lt_status lt_few_bank_new(int n, uint64_t seed, struct lt_few_bank *out, struct lt_err *e) {
    struct lt_few_bank b = {n, lt_few_doubles((size_t)n, LT_FEW_THETA), lt_few_doubles((size_t)n, 1)};

    if (!b.theta || !b.log_w) {
        lt_few_bank_release(&b);
        return no_memory(e);
    }
    for (int h = 0; h < n; h++) {
        double *t = b.theta + (size_t)h * LT_FEW_THETA;
        struct lt_rng r;

        lt_rng_at(&r, seed, LT_RNG_SAMPLE, 0xfe, (uint64_t)h);
        t[LT_FEW_CONSTANT] = 1;
        t[LT_FEW_MEAN] = lt_rng_u01(&r) < 0.35 ? 0 : 1;
        t[LT_FEW_DEVICE] = t[LT_FEW_MEAN] > 0 ? draw(&r, 0, -1.5, 0.5) : draw(&r, 0.5, -1, 0.5);
        t[LT_FEW_SMALL] = draw(&r, 0.3, -2, -0.3);
        t[LT_FEW_TOTAL] = draw(&r, 0.4, -2, -0.3);
        t[LT_FEW_LIVE] = draw(&r, 0.3, -2, -0.3);
        t[LT_FEW_PART] = draw(&r, 0.6, -2, -0.3);
        t[LT_FEW_LABEL] = draw(&r, 0.3, -2, -0.3);
        t[LT_FEW_CELL] = draw(&r, 0.3, -2, -0.3);
        t[LT_FEW_CHOICE] = draw(&r, 0.3, -2.5, -0.7);
        t[LT_FEW_NOISE] = draw(&r, 0, -2.7, -0.7);
        b.log_w[h] = -log(n);
    }
    *out = b;
    return LT_OK;
}

void lt_few_bank_release(struct lt_few_bank *b) {
    lt_free(b->theta);
    lt_free(b->log_w);
    *b = (struct lt_few_bank){0};
}

void lt_few_mix_release(struct lt_few_mix *m) {
    lt_free(m->hyp);
    lt_free(m->y);
    lt_free(m->inv);
    lt_free(m->alpha);
    lt_free(m->log_e);
    lt_free(m->w);
    lt_free(m->extra);
    *m = (struct lt_few_mix){0};
}

static double log_normal(double e, double var) { return -0.5 * (e * e / var + log(2 * M_PI * var)); }

/* One hypothesis. out [n]: probability that i is the outlier. cov, work: [n][n]. */
static bool solve_one(const struct lt_few_bank *b, struct lt_few_mix *m, int at, double *const gram[LT_FEW_N],
                      double *out, double *cov, double *work) {
    const double *t = b->theta + (size_t)m->hyp[at] * LT_FEW_THETA;
    size_t n = (size_t)m->n;
    double *inv = m->inv + (size_t)at * n * n, *alpha = m->alpha + (size_t)at * n, log_det, best = 0, sum = 0;

    memset(cov, 0, n * n * sizeof(*cov));
    for (int c = 0; c < LT_FEW_N; c++)
        for (size_t i = 0; gram[c] && t[c] > 0 && i < n * n; i++) cov[i] += t[c] * gram[c][i];
    for (size_t i = 0; i < n; i++) cov[i * n + i] += lt_few_noise(t[LT_FEW_NOISE], m->y[i]) + TINY_NOISE + m->extra[i];
    if (!lt_few_cholesky(cov, m->n)) return false;
    log_det = lt_few_inverse(cov, inv, work, m->n);
    memset(alpha, 0, n * sizeof(*alpha));
    lt_few_mul(inv, m->y, alpha, m->n, m->n, 1);
    m->log_e[at] = -0.5 * (lt_few_dot(alpha, m->y, m->n) + log_det + (double)n * log(2 * M_PI));
    for (size_t i = 0; i < n; i++) { /* log odds of "only i" against "none" */
        double var = 1 / inv[i * n + i], err = alpha[i] * var, wide = OUTLIER_SIZE * (m->y[i] - err);

        out[i] =
            m->extra[i] > 0 ? -INFINITY : log(OUTLIER_RATE) + log_normal(err, var + wide * wide) - log_normal(err, var);
        best = fmax(best, out[i]);
    }
    for (size_t i = 0; i < n; i++) sum += out[i] = exp(out[i] - best);
    sum += exp(-best);
    m->log_e[at] += best + log(sum);
    for (size_t i = 0; i < n; i++) work[i] = alpha[i] / inv[i * n + i] * (out[i] /= sum);
    for (size_t i = 0; i < n; i++) alpha[i] -= lt_few_dot(inv + i * n, work, m->n);
    return true;
}

static void weigh(const struct lt_few_bank *b, struct lt_few_mix *m) {
    double best = -INFINITY, sum = 0, trust = m->n > TRUSTED ? sqrt(TRUSTED / m->n) : 1;

    for (int k = 0; k < m->m; k++) {
        m->w[k] = b->log_w[m->hyp[k]] + trust * m->log_e[k];
        best = fmax(best, m->w[k]);
    }
    for (int k = 0; k < m->m; k++) sum += m->w[k] = exp(m->w[k] - best);
    for (int k = 0; k < m->m; k++) m->w[k] /= sum;
}

lt_status lt_few_mix_solve(const struct lt_few_bank *b, const int *hyp, int m, double *const gram[LT_FEW_N],
                           const double *y, int n, struct lt_few_mix *out, struct lt_err *e) {
    size_t w = (size_t)n;
    struct lt_few_mix x = {.n = n, .m = m};
    double *cov = lt_few_doubles(w, w), *work = lt_few_doubles(w > 1 ? w : 2, w), *odds = lt_few_doubles((size_t)m, w);
    int most = (int)(n * MOST_OUTLIERS);
    lt_status s = LT_OK;

    x.hyp = lt_calloc((size_t)m, sizeof(*x.hyp));
    x.y = lt_few_doubles(w, 1);
    x.inv = lt_few_doubles((size_t)m * w, w);
    x.alpha = lt_few_doubles((size_t)m, w);
    x.log_e = lt_few_doubles((size_t)m, 1);
    x.w = lt_few_doubles((size_t)m, 1);
    x.extra = lt_few_doubles(w, 1);
    if (!cov || !work || !odds || !x.hyp || !x.y || !x.inv || !x.alpha || !x.log_e || !x.w || !x.extra) {
        s = no_memory(e);
        goto out;
    }
    for (int k = 0; k < m; k++) x.hyp[k] = hyp ? hyp[k] : k;
    memcpy(x.y, y, w * sizeof(*y));
    for (int round = 0;; round++) {
        double likely = 0;
        int worst = -1;

        for (int k = 0; k < m; k++) {
            if (!solve_one(b, &x, k, gram, odds + (size_t)k * w, cov, work)) {
                s = lt_fail(e, LT_EFAIL, "predictor 'fewshot': a covariance of the measurements is not positive");
                goto out;
            }
        }
        weigh(b, &x);
        for (int i = 0; i < n; i++) {
            double p = 0;
            for (int k = 0; k < m; k++) p += x.w[k] * odds[(size_t)k * w + (size_t)i];
            if (p > likely) {
                likely = p;
                worst = i;
            }
        }
        if (likely <= OUTLIER_CERTAIN || round >= most) break;
        x.extra[worst] = pow(OUTLIER_SIZE * y[worst], 2);
    }
    *out = x;
    x = (struct lt_few_mix){0};
out:
    lt_few_mix_release(&x);
    lt_free(cov);
    lt_free(work);
    lt_free(odds);
    return s;
}
