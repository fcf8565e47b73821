/*
 * Room: run. Objectives and constraints of an experiment: any named score, limits with units, ranges, multiples of the
 * largest network, and sweeps (a list in the place of one limit); see experiment.h.
 */
#include "run/experiment.h"
#include "run/experiment_priv.h"
#include "lathe/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lt_status score_of(struct lt_experiment *x, const struct lt_yaml *n, int *out, struct lt_err *e) {
    const char *name = !strcmp(n->key, "peak_act") ? lt_score_name(NULL, LT_SCORE_PEAK_ACT_BYTES) : n->key;
    struct lt_yaml at = *n;
    struct lt_err why = {0};
    lt_status s = lt_evaluator_want(x->evaluator, name, out, &why);
    if (!s) return LT_OK;
    at.line = n->key_line;
    at.col = n->key_col;
    return s == LT_EINVAL ? lt_yaml_fail(e, &at, "%s", why.msg) : lt_fail(e, s, "%s", why.msg);
}

static lt_status one_objective(struct lt_experiment *x, const struct lt_yaml *c, struct lt_err *e) {
    struct lt_goal *g = &x->goal;
    struct lt_objective o = {0};
    lt_status s;
    if ((s = score_of(x, c, &o.score, e)) || (s = lt_yaml_expect(c, LT_YAML_SCALAR, e))) return s;
    if (!strcmp(c->text, "maximize"))
        o.maximize = true;
    else if (strcmp(c->text, "minimize"))
        return lt_yaml_fail(e, c, "'%s' is not one of maximize, minimize", c->text);
    for (int i = 0; i < g->n_objectives; i++)
        if (g->objective[i].score == o.score) return lt_yaml_fail(e, c, "the same score twice");
    if (g->n_objectives == LT_MAX_SCORES) return lt_yaml_fail(e, c, "more than %d objectives", LT_MAX_SCORES);
    g->objective[g->n_objectives++] = o;
    return LT_OK;
}

static lt_status read_objectives(struct lt_experiment *x, struct lt_buf *resolved, struct lt_err *e) {
    const struct lt_yaml *n = lt_experiment_section(x, "objectives");
    lt_status s;
    if (!n && x->evaluator->ops->trains) {
        x->goal.n_objectives = 1;
        x->goal.objective[0] = (struct lt_objective){LT_SCORE_ACCURACY, true};
    } else if (!n) {
        return lt_yaml_fail(e, lt_experiment_root(x),
                            "objectives: are required with evaluator '%s', as in 'objectives: {accuracy: maximize}'",
                            x->evaluator->ops->name);
    }
    if (n && (s = lt_yaml_expect(n, LT_YAML_MAP, e))) return s;
    if (n && !n->n) return lt_yaml_fail(e, n, "at least one, as in '{accuracy: maximize}'");
    for (int i = 0; n && i < n->n; i++)
        if ((s = one_objective(x, n->child[i], e))) return s;
    lt_buf_puts(resolved, "objectives: {");
    for (int i = 0; i < x->goal.n_objectives; i++)
        lt_buf_printf(resolved, "%s%s: %s", i ? ", " : "", lt_score_name(&x->names, x->goal.objective[i].score),
                      x->goal.objective[i].maximize ? "maximize" : "minimize");
    lt_buf_puts(resolved, "}\n");
    return LT_OK;
}

static lt_status read_bound(const struct lt_experiment *x, const struct lt_yaml *n, int score, struct lt_bound *out,
                            struct lt_err *e) {
    static const char largest[] = "largest";
    const char *unit = lt_score_unit(&x->names, score);
    lt_status s = lt_yaml_expect(n, LT_YAML_SCALAR, e);
    if (s) return s;
    size_t len = strlen(n->text), tail = sizeof(largest) - 1;
    char *end;
    double v = strtod(n->text, &end);
    if (len > tail && !strcmp(n->text + len - tail, largest)) {
        while (*end == ' ') end++;
        if (end != n->text + len - tail || !(v > 0) || !isfinite(v) || v > 1000)
            return lt_yaml_fail(e, n, "'%s': expected a positive factor and the word largest, as in '0.45 largest'",
                                n->text);
        *out = (struct lt_bound){.set = true, .of_largest = true, .value = v};
        return LT_OK;
    }
    if (score < LT_N_SCORES)
        s = lt_yaml_double(n, score == LT_SCORE_MACS ? "MACs" : unit, 0, score == LT_SCORE_ACCURACY ? 1 : 1e18, &v, e);
    else
        s = lt_yaml_double(n, unit, -1e300, 1e300, &v, e);
    if (s) return s;
    *out = (struct lt_bound){.set = true, .value = v};
    return LT_OK;
}

static void put_bound(const struct lt_experiment *x, struct lt_buf *b, const struct lt_bound *v, int score) {
    const char *unit = lt_score_unit(&x->names, score);
    bool said = *unit && strcmp(unit, "fraction") != 0 && strcmp(unit, "bytes") != 0;
    char text[40]; /* the shortest that reads back equal, for it is shown to people */
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v->value);
        if (strtod(text, NULL) == v->value) break;
    }
    lt_buf_printf(b, "%s%s%s", text, v->of_largest ? " largest" : said ? " " : "", v->of_largest || !said ? "" : unit);
}

/* A limit, or a list of them: the sweep. */
static lt_status read_side(struct lt_experiment *x, const struct lt_yaml *n, const struct lt_limit *l, bool is_max,
                           struct lt_bound *out, struct lt_err *e) {
    struct lt_sweep *w = &x->sweep;
    lt_status s;
    if (n->kind != LT_YAML_SEQ) return read_bound(x, n, l->score, out, e);
    if (w->n) return lt_yaml_fail(e, n, "a second list of limits; one score at a time can be swept");
    if (n->n < 1 || n->n > LT_MAX_SWEEP)
        return lt_yaml_fail(e, n, "a list of 1 to %d limits is needed, not of %d", LT_MAX_SWEEP, n->n);
    for (int i = 0; i < n->n; i++) {
        if ((s = read_bound(x, n->child[i], l->score, &w->value[i], e))) return s;
        for (int k = 0; k < i; k++)
            if (w->value[k].of_largest == w->value[i].of_largest && w->value[k].value == w->value[i].value)
                return lt_yaml_fail(e, n->child[i], "the same limit twice");
    }
    w->n = n->n;
    w->limit = x->n_limits;
    w->is_max = is_max;
    *out = w->value[0];
    return LT_OK;
}

static void put_side(const struct lt_experiment *x, struct lt_buf *b, const struct lt_limit *l, bool is_max) {
    const struct lt_bound *v = is_max ? &l->max : &l->min;
    const struct lt_sweep *w = &x->sweep;
    if (!v->set) return;
    lt_buf_printf(b, "%s%s: ", is_max && l->min.set ? ", " : "", is_max ? "max" : "min");
    if (w->n && w->is_max == is_max && &x->limit[w->limit] == l) {
        for (int i = 0; i < w->n; i++) {
            lt_buf_puts(b, i ? ", " : "[");
            put_bound(x, b, &w->value[i], l->score);
        }
        lt_buf_puts(b, "]");
    } else {
        put_bound(x, b, v, l->score);
    }
}

static lt_status one_limit(struct lt_experiment *x, const struct lt_yaml *c, struct lt_err *e) {
    static const char *const known[] = {"min", "max", NULL};
    struct lt_limit l = {0};
    const struct lt_yaml *lo, *hi;
    lt_status s;
    if ((s = score_of(x, c, &l.score, e)) || (s = lt_yaml_expect(c, LT_YAML_MAP, e)) ||
        (s = lt_yaml_known(c, known, e)))
        return s;
    for (int i = 0; i < x->n_limits; i++)
        if (x->limit[i].score == l.score) return lt_yaml_fail(e, c, "the same score twice");
    if (x->n_limits == LT_MAX_SCORES) return lt_yaml_fail(e, c, "more than %d constraints", LT_MAX_SCORES);
    lo = lt_yaml_get(c, "min");
    hi = lt_yaml_get(c, "max");
    if (!lo && !hi) return lt_yaml_fail(e, c, "needs 'min' or 'max'");
    if (lo && (s = read_side(x, lo, &l, false, &l.min, e))) return s;
    if (hi && (s = read_side(x, hi, &l, true, &l.max, e))) return s;
    const struct lt_sweep *w = &x->sweep;
    bool swept = w->n && w->limit == x->n_limits;
    for (int i = 0; i < (swept ? w->n : 1) && lo && hi; i++) {
        const struct lt_bound *min = swept && !w->is_max ? &w->value[i] : &l.min,
                              *max = swept && w->is_max ? &w->value[i] : &l.max;
        if (min->of_largest == max->of_largest && min->value > max->value)
            return lt_yaml_fail(e, c, "min %g is above max %g", min->value, max->value);
    }
    if (x->evaluator->ops->trains && l.score == LT_SCORE_ACCURACY && (l.min.of_largest || l.max.of_largest))
        return lt_yaml_fail(e, c, "limits are absolute (the largest network is not evaluated before the search)");
    x->limit[x->n_limits++] = l;
    return LT_OK;
}

static lt_status read_constraints(struct lt_experiment *x, struct lt_buf *resolved, struct lt_err *e) {
    const struct lt_yaml *n = lt_experiment_section(x, "constraints");
    lt_status s;
    if (n && (s = lt_yaml_expect(n, LT_YAML_MAP, e))) return s;
    for (int i = 0; n && i < n->n; i++)
        if ((s = one_limit(x, n->child[i], e))) return s;
    lt_buf_puts(resolved, "constraints: {");
    for (int i = 0; i < x->n_limits; i++) {
        lt_buf_printf(resolved, "%s%s: {", i ? ", " : "", lt_score_name(&x->names, x->limit[i].score));
        put_side(x, resolved, &x->limit[i], false);
        put_side(x, resolved, &x->limit[i], true);
        lt_buf_puts(resolved, "}");
    }
    lt_buf_puts(resolved, "}\n");
    return LT_OK;
}

lt_status lt_experiment_read_goal(struct lt_experiment *x, struct lt_buf *resolved, struct lt_err *e) {
    lt_status s;
    x->goal.names = &x->names;
    if ((s = read_objectives(x, resolved, e)) || (s = read_constraints(x, resolved, e))) return s;
    return lt_evaluator_ready(x->evaluator, e);
}
