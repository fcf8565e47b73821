/*
 * How believable each hypothesis of predictor "fewshot" is: episodes in which one training device is the unseen one and
 * the others (all of them, or all but those most like it, so that also strangers are met) are known. Ten measurements
 * of it are given, others are asked for. The weights maximise the evidence of what was given together with the
 * (tempered) likelihood of what was asked for, by expectation maximisation, smoothed towards equal weights.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "predictors/fewshot_learn.h"
#include "predictors/fewshot_math.h"

enum { GIVEN = 10, ASKED = 60, REPEATS = 2, LEFT_OUT = 4, EM_ROUNDS = 100 };
#define TEMPER 10.0   /* how many independent answers the ASKED ones are worth */
#define SMOOTHING 1.0 /* equal weights count as much as the episodes */

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "predictor 'fewshot': out of memory"); }

/* One episode: device d is new, `known` are the others that are there. */
struct episode {
    int d, n_known, n, given, asked;
    const int *known;
    int row[GIVEN + ASKED];
    double y[GIVEN + ASKED];
};
struct study {
    const struct lt_few_rows *t;
    const struct lt_meta *m;
    double *part[LT_FEW_N]; /* [n][r] psi L_c of the rows, for what does not depend on the devices */
    int n_episodes;
    double *score; /* [episodes][hypotheses] */
};

/* Grams of the episode's rows: all with all. */
static lt_status episode_grams(const struct study *st, const struct episode *ep, double *gram[LT_FEW_N],
                               struct lt_err *e) {
    const struct lt_few *f = st->t->f;
    int n = ep->n, devices = st->m->n_devices;

    for (int c = 0; c < LT_FEW_N; c++) {
        int r = c == LT_FEW_MEAN ? 1 : c == LT_FEW_DEVICE ? ep->n_known : f->basis.map[c].r;
        double *x;

        if (!r) continue;
        gram[c] = lt_few_doubles((size_t)n, (size_t)n);
        x = lt_few_doubles((size_t)n, (size_t)r);
        if (!gram[c] || !x) {
            lt_free(x);
            return no_memory(e);
        }
        for (int i = 0; i < n; i++) {
            const double *y = st->t->f_d + (size_t)ep->row[i] * (size_t)devices;
            double mean = 0;

            if (c != LT_FEW_MEAN && c != LT_FEW_DEVICE) {
                memcpy(x + (size_t)i * (size_t)r, st->part[c] + (size_t)ep->row[i] * (size_t)r, (size_t)r * sizeof(*x));
                continue;
            }
            for (int k = 0; k < ep->n_known; k++) mean += y[ep->known[k]] / ep->n_known;
            for (int k = 0; k < r; k++)
                x[i * r + k] = c == LT_FEW_MEAN ? mean : (y[ep->known[k]] - mean) / sqrt(ep->n_known);
        }
        lt_few_mul_bt(x, x, gram[c], n, r, n);
        lt_free(x);
    }
    return LT_OK;
}

/* Log likelihood of what is asked for under hypothesis k, a mean over the rows asked. */
static double answer(const struct lt_few *f, const struct episode *ep, double *const gram[LT_FEW_N],
                     const struct lt_few_mix *m, int k) {
    const double *t = f->bank.theta + (size_t)m->hyp[k] * LT_FEW_THETA, *inv;
    double sum = 0, cross[GIVEN], half;
    size_t given = (size_t)ep->given, n = (size_t)ep->n;

    inv = m->inv + (size_t)k * given * given;
    for (size_t i = given; i < n; i++) {
        double mean, var = lt_few_noise(t[LT_FEW_NOISE], ep->y[i]);

        memset(cross, 0, sizeof(cross));
        for (int c = 0; c < LT_FEW_N; c++) {
            if (!gram[c] || t[c] <= 0) continue;
            var += t[c] * gram[c][i * n + i];
            for (size_t j = 0; j < given; j++) cross[j] += t[c] * gram[c][i * n + j];
        }
        mean = lt_few_dot(cross, m->alpha + (size_t)k * given, ep->given);
        for (size_t j = 0; j < given; j++) {
            half = lt_few_dot(inv + j * given, cross, ep->given);
            var -= cross[j] * half;
        }
        var = fmax(var, 1e-9);
        sum -= 0.5 * log(2 * M_PI * var) +
               0.5 * (LT_FEW_FREEDOM + 1) * log1p(pow(mean - ep->y[i], 2) / var / LT_FEW_FREEDOM);
    }
    return sum / ep->asked;
}

static lt_status run_episode(struct study *st, const struct episode *ep, struct lt_err *e) {
    const struct lt_few *f = st->t->f;
    double *gram[LT_FEW_N] = {NULL}, *inner[LT_FEW_N] = {NULL};
    struct lt_few_mix m = {0};
    size_t given = (size_t)ep->given, n = (size_t)ep->n;
    lt_status s = episode_grams(st, ep, gram, e);

    for (int c = 0; !s && c < LT_FEW_N; c++) {
        if (!gram[c]) continue;
        if (!(inner[c] = lt_few_doubles(given, given))) s = no_memory(e);
        for (size_t i = 0; !s && i < given; i++) memcpy(inner[c] + i * given, gram[c] + i * n, given * sizeof(double));
    }
    if (!s && !(s = lt_few_mix_solve(&f->bank, NULL, f->bank.n, inner, ep->y, ep->given, &m, e))) {
        for (int k = 0; k < m.m; k++)
            st->score[(size_t)st->n_episodes * (size_t)f->bank.n + (size_t)k] =
                m.log_e[k] + TEMPER * answer(f, ep, gram, &m, k);
        st->n_episodes++;
    }
    for (int c = 0; c < LT_FEW_N; c++) {
        lt_free(gram[c]);
        lt_free(inner[c]);
    }
    lt_few_mix_release(&m);
    return s;
}

/* Correlation of two devices' latencies, as their weights say them. */
static double likeness(const struct study *st, int a, int b) {
    int devices = st->m->n_devices;
    double ab = 0, aa = 0, bb = 0;

    for (int r = 0; r < st->t->n; r++) {
        const double *y = st->t->f_d + (size_t)r * (size_t)devices;
        ab += (y[a] - 1) * (y[b] - 1);
        aa += (y[a] - 1) * (y[a] - 1);
        bb += (y[b] - 1) * (y[b] - 1);
    }
    return ab / (sqrt(aa * bb) + 1e-300);
}

/* The other devices, the most similar to d first. */
static void order_others(const struct study *st, int d, int *other) {
    int n = 0;

    for (int k = 0; k < st->m->n_devices; k++) {
        int at = n;
        if (k == d) continue;
        for (; at > 0 && likeness(st, d, other[at - 1]) < likeness(st, d, k); at--) other[at] = other[at - 1];
        other[at] = k;
        n++;
    }
}

/* Rows for an episode with device d, drawn without repetition among those that it has; their latencies in units of the
 * median of the given ones. */
static bool draw_rows(const struct study *st, struct episode *ep, int *usable, uint64_t round) {
    const double *latency_s = st->m->set->device[st->m->device[ep->d]].latency_s;
    struct lt_rng r;
    int n = 0;
    double unit_s, scratch[GIVEN];

    for (int i = 0; i < st->t->n; i++)
        if (latency_s[st->t->row[i]] > 0) usable[n++] = i;
    ep->n = n < GIVEN + ASKED ? n : GIVEN + ASKED;
    ep->given = ep->n > 2 * GIVEN ? GIVEN : ep->n / 2;
    ep->asked = ep->n - ep->given;
    if (ep->given < 2) return false;
    lt_rng_at(&r, st->t->f->seed, LT_RNG_SAMPLE, 0xfee, round);
    lt_rng_shuffle(&r, usable, n);
    for (int i = 0; i < ep->n; i++) {
        ep->row[i] = usable[i];
        ep->y[i] = latency_s[st->t->row[usable[i]]];
    }
    unit_s = lt_few_median(ep->y, ep->given, scratch);
    for (int i = 0; i < ep->n; i++) ep->y[i] /= unit_s;
    return true;
}

static lt_status run_device(struct study *st, int d, int *usable, int *other, struct lt_err *e) {
    int others = st->m->n_devices - 1, half = others / 2, tried[LEFT_OUT] = {0, 1, 3, half};
    lt_status s = LT_OK;

    order_others(st, d, other);
    for (int k = 0; !s && k < LEFT_OUT; k++) {
        int out = tried[k] < others - 1 ? tried[k] : others - 1;
        bool again = false;

        for (int q = 0; q < k; q++) again |= (tried[q] < others - 1 ? tried[q] : others - 1) == out;
        for (int rep = 0; !s && !again && rep < REPEATS; rep++) {
            struct episode ep = {.d = d, .known = other + out, .n_known = others - out};
            if (draw_rows(st, &ep, usable, (uint64_t)((d * LEFT_OUT + k) * REPEATS + rep))) s = run_episode(st, &ep, e);
        }
    }
    return s;
}

/* Expectation maximisation of the hypotheses' weights. */
static lt_status maximise(struct lt_few *f, struct study *st, struct lt_err *e) {
    size_t n = (size_t)f->bank.n;
    double *w = lt_few_doubles(n, 1), *next = lt_few_doubles(n, 1);
    lt_status s = w && next ? LT_OK : no_memory(e);

    for (size_t h = 0; !s && h < n; h++) w[h] = 1 / (double)n;
    for (int i = 0; !s && i < st->n_episodes; i++) {
        double *x = st->score + (size_t)i * n, best = x[0];
        for (size_t h = 0; h < n; h++) best = fmax(best, x[h]);
        for (size_t h = 0; h < n; h++) x[h] = exp(x[h] - best);
    }
    for (int round = 0; !s && st->n_episodes && round < EM_ROUNDS; round++) {
        for (size_t h = 0; h < n; h++) next[h] = SMOOTHING / (double)n / (1 + SMOOTHING);
        for (int i = 0; i < st->n_episodes; i++) {
            const double *x = st->score + (size_t)i * n;
            double sum = lt_few_dot(x, w, (int)n);
            for (size_t h = 0; h < n; h++) next[h] += w[h] * x[h] / sum / st->n_episodes / (1 + SMOOTHING);
        }
        memcpy(w, next, n * sizeof(*w));
    }
    for (size_t h = 0; !s && h < n; h++) f->bank.log_w[h] = log(w[h]);
    lt_free(w);
    lt_free(next);
    return s;
}

lt_status lt_few_learn_weights(struct lt_few *f, const struct lt_few_rows *t, const struct lt_meta *m,
                               struct lt_err *e) {
    struct study st = {.t = t, .m = m};
    int *usable = lt_calloc((size_t)t->n, sizeof(*usable)), *other = lt_calloc((size_t)m->n_devices, sizeof(*other));
    lt_status s = LT_OK;

    st.score = lt_few_doubles((size_t)m->n_devices * LEFT_OUT * REPEATS, (size_t)f->bank.n);
    if (!usable || !other || !st.score) s = no_memory(e);
    for (int c = 0; !s && c < LT_FEW_N; c++)
        if (c != LT_FEW_MEAN && c != LT_FEW_DEVICE && f->basis.map[c].r &&
            !(st.part[c] = lt_few_project(&f->basis, c, t->psi, t->n)))
            s = no_memory(e);
    for (int d = 0; !s && m->n_devices > 1 && d < m->n_devices; d++) {
        if (lt_ui_stop(m->ui)) s = lt_fail(e, LT_EINTR, "interrupted");
        if (!s) s = run_device(&st, d, usable, other, e);
    }
    if (!s) s = maximise(f, &st, e);
    for (int c = 0; c < LT_FEW_N; c++) lt_free(st.part[c]);
    lt_free(st.score);
    lt_free(usable);
    lt_free(other);
    return s;
}
