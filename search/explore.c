/* Bounded search for feasible, new architectures; contract in explore.h. */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "search/explore.h"

#define STARTS 16        /* repaired starting points before a space is called infeasible */
#define STEPS_PER_GENE 8 /* of a repair */
#define CHOOSE_FROM 3    /* best moves of a repair step among which chance decides: repaired points differ */

lt_status lt_explorer_init(struct lt_explorer *x, const struct lt_search_env *env, struct lt_err *e) {
    *x = (struct lt_explorer){.env = env, .cap_seen = 1024, .cap_near = 2 * lt_space_n_genes(env->space) + 1};
    x->seen = lt_calloc((size_t)x->cap_seen, sizeof(*x->seen));
    x->near = lt_malloc((size_t)x->cap_near * sizeof(*x->near));
    x->score = lt_malloc((size_t)x->cap_near * sizeof(*x->score));
    if (x->seen && x->near && x->score) return LT_OK;
    lt_explorer_release(x);
    return lt_fail(e, LT_ENOMEM, "search: out of memory");
}

void lt_explorer_release(struct lt_explorer *x) {
    lt_free(x->seen);
    lt_free(x->near);
    lt_free(x->score);
    *x = (struct lt_explorer){0};
}

static uint64_t key_of(const struct lt_explorer *x, const struct lt_arch *a) {
    uint64_t h = lt_arch_hash(x->env->space, a);

    return h ? h : 1;
}

/* Slot of a key, or of the empty place where it belongs. */
static uint64_t *slot(uint64_t *table, int cap, uint64_t key) {
    uint64_t i = key & (uint64_t)(cap - 1);

    while (table[i] && table[i] != key) i = (i + 1) & (uint64_t)(cap - 1);
    return &table[i];
}

static bool is_seen(const struct lt_explorer *x, const struct lt_arch *a) {
    return *slot(x->seen, x->cap_seen, key_of(x, a)) != 0;
}

static lt_status mark_seen(struct lt_explorer *x, const struct lt_arch *a, struct lt_err *e) {
    if (2 * (x->n_seen + 1) > x->cap_seen) {
        uint64_t *t = lt_calloc(2 * (size_t)x->cap_seen, sizeof(*t));

        if (!t) return lt_fail(e, LT_ENOMEM, "search: out of memory");
        for (int i = 0; i < x->cap_seen; i++) {
            if (x->seen[i]) *slot(t, 2 * x->cap_seen, x->seen[i]) = x->seen[i];
        }
        lt_free(x->seen);
        x->seen = t;
        x->cap_seen *= 2;
    }
    *slot(x->seen, x->cap_seen, key_of(x, a)) = key_of(x, a);
    x->n_seen++;
    return LT_OK;
}

static lt_status probe(struct lt_explorer *x, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e) {
    memset(out, 0, (size_t)n * sizeof(*out));
    return x->env->probe->cheap(x->env->probe->arg, a, n, out, e);
}

lt_status lt_explorer_violation(struct lt_explorer *x, const struct lt_arch *a, double *out, struct lt_err *e) {
    struct lt_scores sc;
    lt_status s = probe(x, a, 1, &sc, e);

    if (!s) *out = sc.status ? INFINITY : lt_goal_violation(x->env->goal, &sc, NULL);
    return s;
}

/* All architectures that differ in one active choice by one step. */
static int neighbours(struct lt_explorer *x, const struct lt_arch *a) {
    const struct lt_space *s = x->env->space;
    int n = 0;

    for (int g = 0; g < lt_space_n_genes(s); g++) {
        if (!lt_space_gene_active(s, a, g)) continue;
        for (int d = -1; d <= 1; d += 2) {
            if (a->g[g] + d < 0 || a->g[g] + d >= lt_space_gene(s, g)->n_choices) continue;
            x->near[n] = *a;
            x->near[n].g[g] = (uint8_t)(a->g[g] + d);
            lt_space_canonical(s, &x->near[n++]);
        }
    }
    return n;
}

/* What a move is worth: violation removed for each share of MACs given up; moves that end feasible come first. */
static double merit(double before, double after, const struct lt_scores *from, const struct lt_scores *to) {
    double loss = 1;

    if (from->have[LT_SCORE_MACS] && to->have[LT_SCORE_MACS] && from->v[LT_SCORE_MACS] > 0)
        loss = 1e-3 + fmax(0, 1 - to->v[LT_SCORE_MACS] / from->v[LT_SCORE_MACS]);
    return after == 0 ? 1e6 / loss : (before - after) / loss;
}

lt_status lt_explorer_repair(struct lt_explorer *x, struct lt_rng *r, struct lt_arch *a, double *violation,
                             struct lt_err *e) {
    const struct lt_goal *goal = x->env->goal;
    struct lt_scores now;
    double v, best[CHOOSE_FROM];
    int which[CHOOSE_FROM], n, kept;
    lt_status s;

    if ((s = probe(x, a, 1, &now, e))) return s;
    v = now.status ? INFINITY : lt_goal_violation(goal, &now, NULL);
    for (int step = 0; v > 0 && step < STEPS_PER_GENE * lt_space_n_genes(x->env->space); step++) {
        n = neighbours(x, a);
        if (n && (s = probe(x, x->near, n, x->score, e))) return s;
        kept = 0;
        for (int i = 0; i < n; i++) {
            double after = x->score[i].status ? INFINITY : lt_goal_violation(goal, &x->score[i], NULL), m;
            int at;

            if (!(after < v)) continue;
            m = isinf(v) ? -after : merit(v, after, &now, &x->score[i]);
            for (at = kept; at > 0 && best[at - 1] < m; at--) {
                if (at < CHOOSE_FROM) {
                    best[at] = best[at - 1];
                    which[at] = which[at - 1];
                }
            }
            if (at == CHOOSE_FROM) continue;
            best[at] = m;
            which[at] = i;
            if (kept < CHOOSE_FROM) kept++;
        }
        if (!kept) break;
        n = which[lt_rng_below(r, (uint32_t)kept)];
        *a = x->near[n];
        now = x->score[n];
        v = lt_goal_violation(goal, &now, NULL);
    }
    *violation = v;
    return LT_OK;
}

static void put_value(enum lt_score score, double v, struct lt_buf *out) {
    const char *unit = lt_score_unit(score);

    lt_buf_printf(out, "%.6g%s%s", v, *unit ? " " : "", unit);
}

/* Says which constraint binds, and how near the nearest point came. */
static lt_status infeasible(struct lt_explorer *x, const struct lt_arch *nearest, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_scores sc;
    lt_status s = probe(x, nearest, 1, &sc, e);
    int worst = -1;

    if (s) return s;
    if (!sc.status) lt_goal_violation(x->env->goal, &sc, &worst);
    lt_buf_printf(&b, "no architecture of space '%s' ", lt_space_name(x->env->space));
    if (worst < 0) {
        lt_buf_puts(&b, "could be costed; the last try was ");
    } else {
        const struct lt_constraint *c = &x->env->goal->constraint[worst];
        bool over = sc.v[c->score] > c->max;
        double bound = over ? c->max : c->min;

        lt_buf_printf(&b, "meets %s %s ", lt_score_name(c->score), over ? "<=" : ">=");
        put_value(c->score, bound, &b);
        lt_buf_puts(&b, ": the nearest found has ");
        put_value(c->score, sc.v[c->score], &b);
        lt_buf_printf(&b, " (%.1f%% too %s): ", 100 * fabs(sc.v[c->score] - bound) / fmax(fabs(bound), 1e-12),
                      over ? "much" : "little");
    }
    lt_arch_print(x->env->space, nearest, &b);
    if (!(s = lt_buf_ok(&b, e))) s = lt_fail(e, LT_INFEASIBLE, "%s", b.data);
    lt_buf_release(&b);
    return s;
}

lt_status lt_explorer_start(struct lt_explorer *x, struct lt_err *e) {
    struct lt_arch a, nearest;
    double v, least = INFINITY;
    struct lt_rng r;
    lt_status s;

    if (x->started) return LT_OK;
    lt_space_smallest(x->env->space, &nearest);
    for (int i = 0; i < STARTS && !x->started; i++) {
        lt_rng_at(&r, x->env->seed, LT_RNG_SEARCH, UINT64_MAX, (uint64_t)i); /* a round that no generation has */
        if (i == 0)
            lt_space_smallest(x->env->space, &a);
        else if (i == 1)
            lt_space_largest(x->env->space, &a);
        else
            lt_space_sample(x->env->space, &r, &a);
        if ((s = lt_explorer_repair(x, &r, &a, &v, e))) return s;
        if (v < least) {
            least = v;
            nearest = a;
        }
        x->started = v == 0;
    }
    if (!x->started) return infeasible(x, &nearest, e);
    x->anchor = nearest;
    return LT_OK;
}

lt_status lt_explorer_new(struct lt_explorer *x, struct lt_rng *r, int tries, lt_explorer_make_fn make, void *arg,
                          struct lt_arch *out, bool *ok, struct lt_err *e) {
    struct lt_arch a = x->anchor;
    double v;
    lt_status s;

    *ok = false;
    for (int phase = 0; phase < 2; phase++) {
        for (int t = 0; t < tries; t++) {
            if (phase == 0)
                make(arg, r, &a);
            else if (t == 0 && (s = lt_explorer_repair(x, r, &a, &v, e)))
                return s;
            else if (t > 0)
                lt_space_mutate(x->env->space, r, 0.05, &a);
            if (is_seen(x, &a)) continue;
            if ((s = lt_explorer_violation(x, &a, &v, e))) return s;
            if (v > 0) {
                if (phase == 1) a = x->anchor; /* do not wander away from what is feasible */
                continue;
            }
            *out = a;
            *ok = true;
            return mark_seen(x, &a, e);
        }
    }
    return LT_OK;
}
