/*
 * Room: cli. `lathe space sample`: architectures drawn gene by gene, uniformly over all architectures, evenly over a
 * cost, or under conditions. Sample i depends on the seed and i alone.
 */
#include "cli/space_cmd.h"
#include "lathe/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 64, STEPS = 2000, FLUSH = 1 << 20 };

struct sampler {
    struct space_job *j;
    int metric; /* of --balance, -1 none */
    struct space_range range;
    int32_t *stratum; /* [n] which slice of the range item i comes from */
    bool archs;       /* uniform over architectures */
};

static void draw(const struct sampler *t, struct lt_rng *r, struct lt_arch *a) {
    if (t->archs)
        lt_space_sample_uniform(t->j->sp, r, a);
    else
        lt_space_sample(t->j->sp, r, a);
}

/* How far a is from what is asked: conditions missed, and distance to the wanted cost beyond half a slice. */
static lt_status distance(const struct sampler *t, const struct lt_arch *a, double target, double *out,
                          struct lt_err *e) {
    double v[SPACE_N_METRICS], width = t->range.hi - t->range.lo;
    lt_status s = space_violation(t->j, a, out, e);
    if (s || t->metric < 0) return s;
    if ((s = space_costs(t->j, a, 1u << t->metric, v, e))) return s;
    double by = fabs(v[t->metric] - target) - 0.5 * width / (double)(t->j->n < 100 ? t->j->n : 100);
    if (by > 0) *out += by / (width > 0 ? width : 1);
    return LT_OK;
}

static lt_status nothing_found(const struct sampler *t, int64_t item, double left, struct lt_err *e) {
    struct space_job *j = t->j;
    struct lt_buf b = LT_BUF_INIT;
    lt_status s;
    for (int i = 0; i < j->n_conditions; i++) lt_buf_printf(&b, "%s%s", i ? ", " : "", j->condition[i].text);
    for (int i = 0; i < j->n_conditions; i++) {
        struct space_range r;
        int m = j->condition[i].metric;
        if (m < 0 || space_find_range(j, (enum space_metric)m, &r, NULL)) continue;
        lt_buf_printf(&b, "; %s reaches from %.6g to %.6g", space_metric_names[m], r.lo, r.hi);
    }
    s = lt_buf_ok(&b, e);
    if (!s)
        s = lt_fail(e, LT_INFEASIBLE,
                    "sample %lld: after %d draws and %d steps no network of space %s meets %s (missed by %.2g)",
                    (long long)item, TRIES, STEPS, lt_space_name(j->sp), b.data, left);
    lt_buf_release(&b);
    return s;
}

/* Draws until one fits; then walks: a mutation that is no farther away is taken. */
static lt_status one(const struct sampler *t, int64_t item, struct lt_arch *out, struct lt_err *e) {
    double target = 0, best = INFINITY, d;
    struct lt_arch a, at;
    struct lt_rng r;
    lt_status s;
    for (int k = 0; k < TRIES; k++) {
        lt_rng_at(&r, (uint64_t)t->j->seed, LT_RNG_SAMPLE, (uint64_t)k, (uint64_t)item);
        draw(t, &r, &a);
        if (t->metric >= 0 && !k)
            target = t->range.lo +
                     (t->range.hi - t->range.lo) * ((double)t->stratum[item] + lt_rng_u01(&r)) / (double)t->j->n;
        if ((s = distance(t, &a, target, &d, e))) return s;
        if (d < best) {
            best = d;
            at = a;
        }
        if (best <= 0) break;
    }
    for (int k = 0; best > 0 && k < STEPS; k++) {
        a = at;
        lt_space_mutate(t->j->sp, &r, 0.02, &a);
        if ((s = distance(t, &a, target, &d, e))) return s;
        if (d > best) continue;
        best = d;
        at = a;
    }
    if (best > 0) {
        if ((s = space_violation(t->j, &at, &d, e))) return s;
        if (d > 0) return nothing_found(t, item, best, e);
    } /* a gap in the costs: the nearest network stands for it */
    *out = at;
    return LT_OK;
}

/* ---- output ---- Costs are those that need no graph, so that a million of them take seconds. */

static void header(const struct space_job *j, struct lt_buf *b) {
    if (!j->csv) return;
    for (int i = 0; i < lt_space_n_columns(j->sp); i++)
        lt_buf_printf(b, "%s%s", i ? "," : "", lt_space_column(j->sp, i));
    for (int i = 0; j->with_costs && i <= SPACE_TABLED; i++) lt_buf_printf(b, ",%s", space_metric_names[i]);
    lt_buf_puts(b, "\n");
}

static lt_status put(struct space_job *j, const struct lt_arch *a, struct lt_err *e) {
    double v[SPACE_N_METRICS];
    struct lt_buf text = LT_BUF_INIT;
    struct lt_jw w;
    lt_status s = LT_OK;
    if (j->with_costs && (s = space_costs(j, a, (2u << SPACE_TABLED) - 1, v, e))) return s;
    if (j->csv)
        s = lt_space_row_print(j->sp, a, &text);
    else
        lt_arch_print(j->sp, a, &text);
    if (!s && !(s = lt_buf_ok(&text, e)) && j->c->json) {
        lt_jw_init(&w, &j->out);
        lt_jw_obj(&w);
        lt_jw_kint(&w, "schema", 1);
        lt_jw_kstr(&w, "arch", text.data);
        for (int i = 0; j->with_costs && i <= SPACE_TABLED; i++) lt_jw_kint(&w, space_metric_names[i], (int64_t)v[i]);
        lt_jw_obj_end(&w);
    } else if (!s) {
        lt_buf_puts(&j->out, text.data);
        for (int i = 0; j->with_costs && i <= SPACE_TABLED; i++)
            lt_buf_printf(&j->out, j->csv ? ",%s%.0f" : " %s=%.0f", j->csv ? "" : space_metric_names[i], v[i]);
    }
    lt_buf_puts(&j->out, "\n");
    lt_buf_release(&text);
    return s;
}

/* Every slice of the range as often as every other, in an order that the seed decides. */
static lt_status make_strata(struct sampler *t, struct lt_err *e) {
    int32_t *order;
    struct lt_rng r;
    lt_status s = space_find_range(t->j, (enum space_metric)t->metric, &t->range, e);
    if (s) return s;
    if (!(order = lt_malloc((size_t)(t->j->n + 1) * sizeof(*order))))
        return lt_fail(e, LT_ENOMEM, "%lld samples", (long long)t->j->n);
    for (int32_t i = 0; i < t->j->n; i++) order[i] = i;
    lt_rng_at(&r, (uint64_t)t->j->seed, LT_RNG_SAMPLE, TRIES, 0);
    lt_rng_shuffle(&r, order, (int32_t)t->j->n);
    t->stratum = order;
    return LT_OK;
}

lt_status space_sample(struct space_job *j, struct lt_err *e) {
    struct sampler t = {.j = j, .metric = -1};
    lt_status s;
    t.archs = j->uniform && !strcmp(j->uniform, "archs");
    if (j->uniform && !t.archs && strcmp(j->uniform, "genes"))
        return cli_usage(e, j->c, "--uniform is 'genes' or 'archs', not '%s'", j->uniform);
    if (j->balance && t.archs) return cli_usage(e, j->c, "--balance and --uniform archs exclude each other");
    if (j->csv && j->c->json) return cli_usage(e, j->c, "--csv and --json exclude each other");
    if (j->balance && (s = space_metric_parse(j, j->balance, &t.metric, e))) return s;
    if ((s = space_conditions_parse(j, e)) || (t.metric >= 0 && (s = make_strata(&t, e)))) return s;
    header(j, &j->out);
    for (int64_t i = 0; i < j->n && !s; i++) {
        struct lt_arch a;
        if (lt_ui_stop(j->c->ui))
            s = lt_fail(e, LT_EINTR, "stopped after %lld of %lld samples", (long long)i, (long long)j->n);
        else if (!(s = one(&t, i, &a, e)) && !(s = put(j, &a, e)) && j->out.len > FLUSH) {
            s = cli_print(j->c, &j->out, e);
            lt_buf_clear(&j->out);
        }
    }
    lt_free(t.stratum);
    return s;
}
