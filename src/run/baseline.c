/* Room: run. Random search at equal budget, and what the difference is worth; see baseline.h. */
#include "run/baseline.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "lathe/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 10000 };
static const double level = 0.95;
static const uint64_t other_seeds = 0x9e3779b97f4a7c15u; /* the baseline draws from elsewhere than the searcher */

static double largest(const double *v, int n) {
    double best = NAN;
    for (int i = 0; i < n; i++)
        if (isnan(best) || v[i] > best) best = v[i];
    return best;
}

int lt_precedence(const double *searcher, const double *baseline, int n, double *p) {
    double first = largest(baseline, n);
    int lead = 0;
    for (int i = 0; i < n; i++) lead += isnan(first) ? !isnan(searcher[i]) : searcher[i] > first;
    *p = 1;
    for (int i = 0; i < lead; i++) *p *= (double)(n - i) / (2 * n - i);
    return lead;
}

void lt_bootstrap_mean(const double *d, int n, uint64_t seed, double lev, double *lo, double *hi) {
    double *m = lt_malloc(RESAMPLES * sizeof(*m));
    *lo = *hi = NAN;
    if (!m) return;
    for (int k = 0; k < RESAMPLES; k++) {
        struct lt_rng rng;
        lt_rng_at(&rng, seed, LT_RNG_SAMPLE, 2, (uint64_t)k);
        m[k] = 0;
        for (int i = 0; i < n; i++) m[k] += d[lt_rng_below(&rng, (uint32_t)n)] / n;
    }
    *lo = lt_quantile(m, RESAMPLES, (1 - lev) / 2);
    *hi = lt_quantile(m, RESAMPLES, (1 + lev) / 2);
    lt_free(m);
}

/* Listens to a search: the values it was told, larger = better. Rank 0. */
struct values {
    const struct lt_goal *goal;
    double *v;
    int n, cap;
    bool failed;
};

static void listen(void *arg, const char *text, const struct lt_scores *s) {
    struct values *l = arg;
    const struct lt_objective *o = &l->goal->objective[0];
    (void)text;
    if (l->n == l->cap) {
        int cap = l->cap ? 2 * l->cap : 256;
        double *v = lt_realloc(l->v, (size_t)cap * sizeof(*v));
        if (!v) {
            l->failed = true;
            return;
        }
        l->v = v;
        l->cap = cap;
    }
    bool good = !s->status && s->have[o->score] && lt_goal_violation(l->goal, s, NULL) == 0;
    l->v[l->n++] = good ? (o->maximize ? s->v[o->score] : -s->v[o->score]) : NAN;
}

/* One searcher and one random search with as many evaluations. */
static lt_status pair(struct lt_run *r, const struct lt_goal *goal, int repeat, struct values *mine,
                      struct values *random, struct lt_engine_result *out, struct lt_err *e) {
    struct lt_engine_result res;
    struct lt_yaml *cfg = NULL;
    char text[80], what[40];
    uint64_t seed = r->x->seed + (uint64_t)repeat;
    mine->goal = random->goal = goal;
    mine->n = random->n = 0;
    snprintf(what, sizeof(what), repeat ? "search, repeat %d" : "search", repeat);
    lt_status s =
        lt_run_search_goal(r, goal, r->x->search, seed, repeat ? "base" : "eval", what, mine, listen, &res, e);
    if (s) return s;
    if (!repeat) *out = res;
    snprintf(text, sizeof(text), "{name: random, samples: %d}", res.told > 0 ? res.told : 1);
    s = lt_comm_agree(r->comm, lt_yaml_parse("baseline", text, strlen(text), &cfg, e), e);
    snprintf(what, sizeof(what), repeat ? "baseline, repeat %d" : "baseline", repeat);
    if (!s) s = lt_run_search_goal(r, goal, cfg, seed ^ other_seeds, "base", what, random, listen, &res, e);
    lt_yaml_free(cfg);
    if (!s && (mine->failed || random->failed)) s = lt_fail(e, LT_ENOMEM, "values of a search");
    return lt_comm_agree(r->comm, s, e);
}

/* What one comparison, or several, found. */
struct verdict {
    int n, repeats, lead;
    double p, *best[2]; /* [repeats] of the searcher, of random search */
    double mean, lo, hi;
    bool exceeds, better;
};

static void judge(struct verdict *v, uint64_t seed) {
    int used = 0;
    double *d = lt_calloc((size_t)v->repeats, sizeof(*d));
    v->mean = v->lo = v->hi = NAN;
    for (int i = 0; i < v->repeats && d; i++)
        if (!isnan(v->best[0][i]) && !isnan(v->best[1][i])) d[used++] = v->best[0][i] - v->best[1][i];
    if (used) v->mean = lt_mean(d, used);
    if (used > 1) lt_bootstrap_mean(d, used, seed, level, &v->lo, &v->hi);
    lt_free(d);
    v->better = v->repeats > 1 ? v->lo > 0 : v->p < 1 - level;
    v->exceeds = v->better || (v->repeats > 1 && v->hi < 0);
}

static void put_best(struct lt_buf *b, double v, const char *unit) {
    if (isnan(v))
        lt_buf_puts(b, "none within the limits");
    else
        lt_buf_printf(b, "%.4g%s%s", v, *unit ? " " : "", unit);
}

static void say(const struct verdict *v, const struct lt_goal *goal, const char *searcher, struct lt_buf *b) {
    const char *name = lt_score_name(goal->names, goal->objective[0].score),
               *unit = lt_score_unit(goal->names, goal->objective[0].score);
    double sign = goal->objective[0].maximize ? 1 : -1, times = strcmp(unit, "fraction") ? 1 : 100;
    if (times > 1) unit = "%";
    lt_buf_printf(b, "%s against random search, %d evaluations each: best %s ", searcher, v->n, name);
    put_best(b, times * sign * v->best[0][0], unit);
    lt_buf_puts(b, " against ");
    put_best(b, times * sign * v->best[1][0], unit);
    lt_buf_puts(b, "; ");
    if (v->repeats > 1)
        lt_buf_printf(b,
                      "over %d seeds the best is better by %.4g on average, %.0f %% interval [%.4g, %.4g] (paired by "
                      "seed, bootstrapped over seeds): the difference %s the noise",
                      v->repeats, times * v->mean, 100 * level, times * v->lo, times * v->hi,
                      v->exceeds ? "exceeds" : "does not exceed");
    else
        lt_buf_printf(b,
                      "%d of its evaluations %s better than the best of random search, by chance with probability %.2g "
                      "(precedence test over the evaluations of this one run): the difference %s the noise",
                      v->lead, v->lead == 1 ? "is" : "are", v->p, v->exceeds ? "exceeds" : "does not exceed");
}

static void put_list(struct lt_jw *w, const char *key, const double *v, int n, double sign) {
    lt_jw_key(w, key);
    lt_jw_arr(w);
    for (int i = 0; i < n; i++) lt_jw_num(w, sign * v[i]);
    lt_jw_arr_end(w);
}

/* Best so far after each evaluation: the curves of the report. */
static void put_curve(struct lt_jw *w, const char *key, double *v, int n, double sign) {
    double best = NAN;
    for (int i = 0; i < n; i++) {
        if (isnan(best) || v[i] > best) best = v[i];
        v[i] = best;
    }
    put_list(w, key, v, n, sign);
}

static void write_record(struct lt_run *r, const struct lt_goal *goal, const char *key, const struct verdict *v,
                         struct values *mine, struct values *random, struct lt_buf *b) {
    const char *searcher = lt_yaml_get(r->x->search, "name")->text;
    double sign = goal->objective[0].maximize ? 1 : -1;
    struct lt_buf text = LT_BUF_INIT;
    struct lt_jw w;
    say(v, goal, searcher, &text);
    lt_record_begin(&w, b, "baseline", key);
    lt_jw_kstr(&w, "searcher", searcher);
    lt_jw_kstr(&w, "baseline", "random");
    lt_jw_kstr(&w, "score", lt_score_name(goal->names, goal->objective[0].score));
    lt_jw_kint(&w, "evaluations", v->n);
    lt_jw_kint(&w, "repeats", v->repeats);
    put_list(&w, "best_searcher", v->best[0], v->repeats, sign);
    put_list(&w, "best_baseline", v->best[1], v->repeats, sign);
    lt_jw_kint(&w, "lead", v->lead);
    lt_jw_knum(&w, "p", v->p);
    lt_jw_knum(&w, "better_by", v->mean);
    lt_jw_knum(&w, "lo", v->lo);
    lt_jw_knum(&w, "hi", v->hi);
    lt_jw_kbool(&w, "exceeds_noise", v->exceeds);
    lt_jw_kstr(&w, "text", text.data);
    put_curve(&w, "curve_searcher", mine->v, mine->n, sign);
    put_curve(&w, "curve_baseline", random->v, random->n, sign);
    lt_record_end(&w);
    lt_ui_say(r->ui, LT_UI_INFO, "%s", text.data ? text.data : "");
    lt_buf_release(&text);
}

lt_status lt_run_compare(struct lt_run *r, const struct lt_goal *goal, const char *key, struct lt_engine_result *out,
                         struct lt_err *e) {
    struct values first[2] = {{0}}, more[2] = {{0}};
    struct verdict v = {.repeats = (int)r->x->engine.repeats};
    struct lt_buf b = LT_BUF_INIT;
    lt_status s = LT_OK;
    for (int i = 0; i < 2; i++)
        if (!(v.best[i] = lt_calloc((size_t)v.repeats, sizeof(double)))) s = lt_fail(e, LT_ENOMEM, "comparison");
    s = lt_comm_agree(r->comm, s, e);
    for (int k = 0; k < v.repeats && !s; k++) {
        struct values *m = k ? &more[0] : &first[0], *q = k ? &more[1] : &first[1];
        if ((s = pair(r, goal, k, m, q, out, e))) break;
        v.best[0][k] = largest(m->v, m->n);
        v.best[1][k] = largest(q->v, q->n);
    }
    if (!s && r->comm->rank == 0 && !lt_store_find(r->store, "baseline", key)) {
        v.n = first[0].n < first[1].n ? first[0].n : first[1].n; /* a small space may end before the budget */
        v.lead = lt_precedence(first[0].v, first[1].v, v.n, &v.p);
        judge(&v, r->x->seed);
        write_record(r, goal, key, &v, &first[0], &first[1], &b);
        s = lt_store_add(r->store, &b, e);
    }
    s = lt_store_commit(r->store, s, e);
    for (int i = 0; i < 2; i++) {
        lt_free(v.best[i]);
        lt_free(first[i].v);
        lt_free(more[i].v);
    }
    lt_buf_release(&b);
    return s;
}
