/* Scores, goals and Pareto fronts: what searchers, the engine and the report compare architectures by. */
#include <math.h>
#include <string.h>
#include "lathe/searcher.h"

static const struct {
    const char *name, *unit;
} scores[LT_N_SCORES] = {
    [LT_SCORE_ACCURACY] = {"accuracy", "fraction"},
    [LT_SCORE_LATENCY_MS] = {"latency_ms", "ms"},
    [LT_SCORE_SIZE_KB] = {"size_kb", "kB"},
    [LT_SCORE_MACS] = {"macs", ""},
    [LT_SCORE_PARAMS] = {"params", ""},
    [LT_SCORE_PEAK_ACT_BYTES] = {"peak_act_bytes", "bytes"},
};

const char *lt_score_name(enum lt_score s) { return (int)s >= 0 && s < LT_N_SCORES ? scores[s].name : "?"; }
const char *lt_score_unit(enum lt_score s) { return (int)s >= 0 && s < LT_N_SCORES ? scores[s].unit : ""; }

bool lt_score_parse(const char *name, enum lt_score *out) {
    for (int i = 0; i < LT_N_SCORES; i++) {
        if (!strcmp(name, scores[i].name)) {
            *out = (enum lt_score)i;
            return true;
        }
    }
    return false;
}

double lt_goal_max(const struct lt_goal *g, enum lt_score score) {
    double max = INFINITY;

    for (int i = 0; i < g->n_constraints; i++) {
        if (g->constraint[i].score == score) max = fmin(max, g->constraint[i].max);
    }
    return max;
}

/* Relative excess over a bound; a value that is no number is as bad as can be. */
static double excess(const struct lt_constraint *c, double v) {
    if (isnan(v)) return INFINITY;
    if (v > c->max) return (v - c->max) / fmax(fabs(c->max), 1e-12);
    if (v < c->min) return (c->min - v) / fmax(fabs(c->min), 1e-12);
    return 0;
}

double lt_goal_violation(const struct lt_goal *g, const struct lt_scores *s, int *worst) {
    double sum = 0, most = 0, x;

    if (worst) *worst = -1;
    for (int i = 0; i < g->n_constraints; i++) {
        const struct lt_constraint *c = &g->constraint[i];

        if (!s->have[c->score]) continue;
        x = excess(c, s->v[c->score]);
        sum += x;
        if (x > most) {
            most = x;
            if (worst) *worst = i;
        }
    }
    return sum;
}

static bool usable(const struct lt_goal *g, const struct lt_scores *s) {
    if (s->status != LT_OK) return false;
    for (int i = 0; i < g->n_objectives; i++) {
        if (!s->have[g->objective[i].score] || isnan(s->v[g->objective[i].score])) return false;
    }
    return true;
}

bool lt_goal_dominates(const struct lt_goal *g, const struct lt_scores *a, const struct lt_scores *b) {
    double va = lt_goal_violation(g, a, NULL), vb = lt_goal_violation(g, b, NULL);
    bool better = false, ua = usable(g, a), ub = usable(g, b);

    if (!ua || !ub) return ua && !ub;
    if (va != vb && (va > 0 || vb > 0)) return va < vb;
    for (int i = 0; i < g->n_objectives; i++) {
        double x = a->v[g->objective[i].score], y = b->v[g->objective[i].score];

        if (g->objective[i].maximize ? x < y : x > y) return false;
        better |= x != y;
    }
    return better;
}

int lt_pareto_front(const struct lt_goal *g, const struct lt_scores *s, int n, int *out) {
    int count = 0;

    for (int i = 0; i < n; i++) {
        bool kept = usable(g, &s[i]) && lt_goal_violation(g, &s[i], NULL) == 0;

        for (int j = 0; j < n && kept; j++) kept = !lt_goal_dominates(g, &s[j], &s[i]);
        if (kept) out[count++] = i;
    }
    return count;
}
