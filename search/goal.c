/* Scores, goals and Pareto fronts: what searchers, the engine and the report compare architectures by. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/searcher.h"

static const struct {
    const char *name, *unit;
} builtin[LT_N_SCORES] = {
    [LT_SCORE_ACCURACY] = {"accuracy", "fraction"},
    [LT_SCORE_LATENCY_MS] = {"latency_ms", "ms"},
    [LT_SCORE_SIZE_KB] = {"size_kb", "kB"},
    [LT_SCORE_MACS] = {"macs", ""},
    [LT_SCORE_PARAMS] = {"params", ""},
    [LT_SCORE_PEAK_ACT_BYTES] = {"peak_act_bytes", "bytes"},
};

const char *lt_score_name(const struct lt_score_names *names, int score) {
    if (score >= 0 && score < LT_N_SCORES) return builtin[score].name;
    return names && score >= LT_N_SCORES && score < LT_N_SCORES + names->n ? names->name[score - LT_N_SCORES] : "?";
}

const char *lt_score_unit(const struct lt_score_names *names, int score) {
    static const struct {
        const char *tail, *unit;
    } by_tail[] = {{"_ms", "ms"}, {"_us", "us"},       {"_s", "s"},   {"_kb", "kB"},
                   {"_kB", "kB"}, {"_bytes", "bytes"}, {"_mj", "mJ"}, {"_mw", "mW"}};
    const char *name = lt_score_name(names, score), *at = strchr(name, '@');
    size_t len = at ? (size_t)(at - name) : strlen(name);

    for (int i = 0; i < LT_N_SCORES; i++) { /* also "macs@..." and "accuracy@..." */
        if (len == strlen(builtin[i].name) && !strncmp(name, builtin[i].name, len)) return builtin[i].unit;
    }
    for (size_t i = 0; i < sizeof(by_tail) / sizeof(*by_tail); i++) {
        size_t n = strlen(by_tail[i].tail);

        if (len > n && !strncmp(name + len - n, by_tail[i].tail, n)) return by_tail[i].unit;
    }
    return "";
}

bool lt_score_parse(const struct lt_score_names *names, const char *name, int *out) {
    for (int i = 0; i < LT_N_SCORES + (names ? names->n : 0); i++) {
        if (strcmp(name, lt_score_name(names, i)) != 0) continue;
        *out = i;
        return true;
    }
    return false;
}

lt_status lt_score_add(struct lt_score_names *names, const char *name, int *out, struct lt_err *e) {
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-@";
    size_t len = strlen(name);

    if (lt_score_parse(names, name, out)) return LT_OK;
    if (!len || len > LT_SCORE_NAME_LEN || strspn(name, chars) != len || strchr("0123456789.-@", *name))
        return lt_fail(e, LT_EINVAL,
                       "'%.60s' cannot name a score: at most %d letters, digits, '_', '.', '-' and '@' are needed, a "
                       "letter first",
                       name, LT_SCORE_NAME_LEN);
    if (names->n == LT_MAX_SCORES - LT_N_SCORES)
        return lt_fail(e, LT_EINVAL, "score '%s': there are %d others already, the most there can be", name,
                       LT_MAX_SCORES);
    memcpy(names->name[names->n], name, len + 1);
    *out = LT_N_SCORES + names->n++;
    return LT_OK;
}

double lt_goal_max(const struct lt_goal *g, int score) {
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

/* Lexicographic order on the objectives, better first; equal ones in input order. A point is dominated only by points
 * before it. */
static bool before(const struct lt_goal *g, const struct lt_scores *s, int a, int b) {
    for (int i = 0; i < g->n_objectives; i++) {
        double x = s[a].v[g->objective[i].score], y = s[b].v[g->objective[i].score];

        if (x != y) return g->objective[i].maximize ? x > y : x < y;
    }
    return a < b;
}

static void sift(const struct lt_goal *g, const struct lt_scores *s, int *v, int at, int n) {
    for (int child; (child = 2 * at + 1) < n; at = child) {
        int t = v[at];

        if (child + 1 < n && before(g, s, v[child], v[child + 1])) child++;
        if (!before(g, s, t, v[child])) return;
        v[at] = v[child];
        v[child] = t;
    }
}

static int by_index(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

int lt_pareto_front(const struct lt_goal *g, const struct lt_scores *s, int n, int *out) {
    int m = 0, count = 0;

    for (int i = 0; i < n; i++) {
        if (usable(g, &s[i]) && lt_goal_violation(g, &s[i], NULL) == 0) out[m++] = i;
    }
    for (int i = m / 2 - 1; i >= 0; i--) sift(g, s, out, i, m); /* heap sort: in place, no order of libraries */
    for (int i = m - 1; i > 0; i--) {
        int t = out[0];

        out[0] = out[i];
        out[i] = t;
        sift(g, s, out, 0, i);
    }
    for (int i = 0; i < m; i++) {
        bool kept = true;

        /* with two objectives the last kept point has the best second one so far: it decides alone */
        for (int j = count - 1; j >= 0 && kept; j--) {
            kept = !lt_goal_dominates(g, &s[out[j]], &s[out[i]]);
            if (g->n_objectives <= 2) break;
        }
        if (kept) out[count++] = out[i];
    }
    qsort(out, (size_t)count, sizeof(*out), by_index);
    return count;
}
