/* Searcher "linas": which of the inner search's finds are worth an evaluation. Source in linas.c. */
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "search/front.h"
#include "search/hypervolume.h"
#include "search/linas.h"

#define DRAWS 16      /* of the values that a candidate may turn out to have */
#define DRAWS_MANY 6  /* with three objectives and more, where a volume is dear */
#define SHORTLIST 120 /* candidates that are weighed then */

/* The frame of a round: objectives in units of what has been seen, and the front in it. */
struct frame {
    int m, n_draws;
    double low[LT_MAX_SCORES], unit[LT_MAX_SCORES];
    double draw[DRAWS][LT_MAX_SCORES]; /* standard normal, by model */
    struct lt_hv hv;
};

static void into(const struct frame *f, const double *row, double *out) {
    for (int d = 0; d < f->m; d++) out[d] = (row[d] - f->low[d]) / f->unit[d];
}

/* The reference point: a tenth behind the worst of all results, so that both ends of the front may grow. */
static lt_status frame_init(const struct lt_linas *s, struct frame *f, struct lt_err *e) {
    const struct lt_goal *goal = s->x.env->goal;
    double ref[LT_MAX_SCORES], row[LT_MAX_SCORES], *rows, violation;
    int n = 0;
    lt_status st;

    *f = (struct frame){.m = goal->n_objectives};
    rows = lt_malloc((size_t)s->n * (size_t)f->m * sizeof(*rows) + 8);
    if (!rows) {
        st = lt_fail(e, LT_ENOMEM, "searcher 'linas': out of memory for %d results", s->n);
        goto out;
    }
    for (int i = 0; i < s->n; i++) {
        violation = lt_goal_row(goal, &s->result[i].s, rows + n * f->m);
        if (violation == 0) n++;
    }
    for (int d = 0; d < f->m; d++) {
        double worst = -INFINITY;

        f->low[d] = INFINITY;
        for (int i = 0; i < n; i++) {
            f->low[d] = fmin(f->low[d], rows[i * f->m + d]);
            worst = fmax(worst, rows[i * f->m + d]);
        }
        if (n == 0) f->low[d] = worst = 0;
        f->unit[d] = worst - f->low[d] > 0 ? worst - f->low[d] : fmax(fabs(worst), 1e-9);
        ref[d] = (worst - f->low[d]) / f->unit[d] + 0.1;
        if (n == 0) ref[d] = INFINITY; /* nothing feasible is known: see weigh() */
    }
    if ((st = lt_hv_init(&f->hv, f->m, ref, e))) goto out;
    for (int i = 0; i < n && !st; i++) {
        into(f, rows + i * f->m, row);
        st = lt_hv_add(&f->hv, row, e);
    }
out:
    lt_free(rows);
    return st;
}

/* Midpoints of equal shares of the normal distribution, in another order for each predictor. */
static void frame_draws(const struct lt_linas *s, struct frame *f) {
    struct lt_rng r;
    int32_t order[DRAWS];

    f->n_draws = f->m > 2 ? DRAWS_MANY : DRAWS;
    lt_rng_at(&r, s->x.env->seed, LT_RNG_SEARCH, (uint64_t)s->round, UINT64_MAX);
    for (int j = 0; j < s->n_models; j++) {
        for (int k = 0; k < f->n_draws; k++) order[k] = k;
        if (j > 0) lt_rng_shuffle(&r, order, f->n_draws);
        for (int k = 0; k < f->n_draws; k++) f->draw[k][j] = gsl_cdf_ugaussian_Pinv((order[k] + 0.5) / f->n_draws);
    }
}

/* Gain of hypervolume, averaged over draws; a value that breaks a predicted constraint gains nothing. While nothing
 * feasible is known, the chance to be feasible. */
static lt_status weigh(const struct lt_linas *s, const struct frame *f, const struct lt_linas_candidate *c,
                       double (*draw)[LT_MAX_SCORES], int n_draws, double *out, struct lt_err *e) {
    const struct lt_goal *goal = s->x.env->goal;
    double row[LT_MAX_SCORES], scaled[LT_MAX_SCORES], gain, sum = 0;
    struct lt_scores sc;
    lt_status st;

    for (int k = 0; k < n_draws; k++) {
        lt_linas_turn_out(s, c, draw[k], &sc);
        if (lt_goal_row(goal, &sc, row) > 0) continue;
        if (isinf(f->hv.ref[0])) {
            sum++;
            continue;
        }
        into(f, row, scaled);
        if ((st = lt_hv_gain(&f->hv, scaled, &gain, e))) return st;
        sum += gain;
    }
    *out = sum / n_draws;
    return LT_OK;
}

/* The first objective, when luck is as the inner search hopes; larger is better. */
static double hope_for_first(const struct lt_linas *s, const struct frame *f, const struct lt_linas_candidate *c) {
    double row[LT_MAX_SCORES];
    struct lt_scores hoped;

    lt_linas_hope(s, c, &hoped);
    if (lt_goal_row(s->x.env->goal, &hoped, row) > 0) return -1;
    return 1 + exp(-(row[0] - f->low[0]) / f->unit[0]);
}

/* Keeps the candidates that the inner search would: by rank of what is hoped for. */
static lt_status shorten(const struct lt_linas *s, struct lt_linas_pool *p, struct lt_err *e) {
    int m = s->x.env->goal->n_objectives, n = p->n, kept = 0, *rank, cut = 0, count = 0;
    double *rows, *violation;
    lt_status st;

    rows = lt_malloc((size_t)n * LT_MAX_SCORES * sizeof(*rows));
    violation = lt_malloc((size_t)n * sizeof(*violation));
    rank = lt_malloc((size_t)n * sizeof(*rank));
    if (!rows || !violation || !rank) {
        st = lt_fail(e, LT_ENOMEM, "searcher 'linas': out of memory");
        goto out;
    }
    for (int i = 0; i < n; i++) {
        struct lt_scores hoped;

        lt_linas_hope(s, &p->c[i], &hoped);
        violation[i] = lt_goal_row(s->x.env->goal, &hoped, rows + i * m);
    }
    if ((st = lt_front_ranks(rows, m, violation, n, m, rank, e))) goto out;
    for (; count < SHORTLIST && cut < n; cut++) {
        for (int i = 0; i < n; i++) count += rank[i] == cut;
    }
    for (int i = 0; i < n && kept < 2 * SHORTLIST; i++) {
        if (rank[i] >= 0 && rank[i] < cut) p->c[kept++] = p->c[i];
    }
    p->n = kept;
out:
    lt_free(rows);
    lt_free(violation);
    lt_free(rank);
    return st;
}

/* Appends candidate i of the pool, which then counts as a result of its predicted values. */
static lt_status take(struct lt_linas *s, struct frame *f, struct lt_linas_pool *p, int i, struct lt_err *e) {
    double row[LT_MAX_SCORES], scaled[LT_MAX_SCORES];
    struct lt_linas_candidate c = p->c[i];
    lt_status st;
    bool ok;

    if ((st = lt_linas_reserve(s, e)) || (st = lt_explorer_take(&s->x, &c.a, &ok, e))) return st;
    p->c[i] = p->c[--p->n];
    if (!ok) return LT_OK;
    s->result[s->n++] = (struct lt_linas_result){.a = c.a, .s = c.s};
    if (lt_goal_row(s->x.env->goal, &c.s, row) > 0 || isinf(f->hv.ref[0])) return LT_OK;
    into(f, row, scaled);
    return lt_hv_add(&f->hv, scaled, e);
}

/* When nothing promises a gain: the most uncertain one. */
static double uncertainty(const struct lt_linas *s, const struct lt_linas_candidate *c) {
    double sum = 0;

    for (int j = 0; j < s->n_models; j++) sum += c->sd[j];
    return sum;
}

lt_status lt_linas_select(struct lt_linas *s, struct lt_linas_pool *p, int n, struct lt_err *e) {
    double middle[1][LT_MAX_SCORES] = {{0}};
    struct frame f;
    lt_status st;

    if ((st = frame_init(s, &f, e))) goto out;
    frame_draws(s, &f);
    if (f.m > 2 && (st = shorten(s, p, e))) goto out;
    for (int left = n; left > 0 && p->n > 0; left--) {
        /* by turns what is expected on average, chances included; what the predictors hold for most likely, for chances
         * are large where little is known and would have all of a batch there; and, with several objectives, what is
         * hoped to be best in the first one, which decides in the end */
        bool likely = left % 2 == 0, first = f.m > 1 && left % 4 == 1;
        double best = -2, unsure = -1, v, u;
        int at = -1;

        for (int i = 0; i < p->n; i++) {
            if (first)
                v = hope_for_first(s, &f, &p->c[i]);
            else if ((st = weigh(s, &f, &p->c[i], likely ? middle : f.draw, likely ? 1 : f.n_draws, &v, e)))
                goto out;
            u = uncertainty(s, &p->c[i]);
            if (at >= 0 && (v < best || (v == best && u < unsure))) continue;
            if (at >= 0 && v == best && u == unsure && p->c[i].hash > p->c[at].hash) continue;
            best = v;
            unsure = u;
            at = i;
        }
        if ((st = take(s, &f, p, at, e))) goto out;
    }
out:
    lt_hv_release(&f.hv);
    return st;
}

lt_status lt_linas_propose(struct lt_linas *s, struct lt_err *e) {
    struct lt_linas_pool p = {0};
    int64_t left = s->cfg->samples - s->n;
    lt_status st = lt_linas_inner(s, &p, e);

    if (!st) st = lt_linas_select(s, &p, (int)(s->cfg->batch < left ? s->cfg->batch : left), e);
    lt_free(p.c);
    lt_free(p.hash);
    return st;
}
