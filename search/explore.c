/* Bounded search for feasible, new architectures; contract in explore.h. */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "search/explore.h"

#define STARTS 16        /* repaired starting points before a space is called infeasible */
#define STEPS_PER_GENE 8 /* of a repair */
#define MANY 8           /* choices of a gene above which a repair does not try them all */
#define SCAN_SPACE 1e6   /* choice vectors of a space that is looked through in order */
#define SCAN_PROBES 2000 /* of one call */
#define SAME 2           /* proposals known already, after which one known is mutated */
#define KNOWN 8          /* proposals up to which known ones do not count as tries */
#define MUTANTS 4        /* of a repaired proposal, at least */
#define ROUNDS 3         /* of proposals and mutants, before a small space is looked through in order */
#define CHOOSE_FROM 3    /* best moves of a repair step among which chance decides: repaired points differ */

lt_status lt_explorer_init(struct lt_explorer *x, const struct lt_search_env *env, struct lt_err *e) {
    double vectors = 1;

    *x = (struct lt_explorer){.env = env, .cap_seen = 1024, .cap_near = 1};
    for (int g = 0; g < lt_space_n_genes(env->space); g++) {
        int k = lt_space_gene(env->space, g)->n_choices;

        vectors *= k;
        x->cap_near += k < MANY ? k : MANY;
    }
    x->scannable = vectors <= SCAN_SPACE;
    x->n_unscanned = x->scannable ? (int)vectors : 0;
    lt_space_smallest(env->space, &x->cursor);
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

bool lt_explorer_seen(const struct lt_explorer *x, const struct lt_arch *a) {
    return *slot(x->seen, x->cap_seen, key_of(x, a)) != 0;
}

static lt_status mark_seen(struct lt_explorer *x, uint64_t key, struct lt_err *e) {
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
    *slot(x->seen, x->cap_seen, key) = key;
    x->key = key;
    x->n_seen++;
    return LT_OK;
}

lt_status lt_explorer_take(struct lt_explorer *x, const struct lt_arch *a, bool *ok, struct lt_err *e) {
    uint64_t key = key_of(x, a);

    *ok = *slot(x->seen, x->cap_seen, key) == 0;
    return *ok ? mark_seen(x, key, e) : LT_OK;
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

static void put_near(struct lt_explorer *x, const struct lt_arch *a, int gene, int value, int *n) {
    if (value < 0 || value >= lt_space_gene(x->env->space, gene)->n_choices || value == a->g[gene]) return;
    x->near[*n] = *a;
    x->near[*n].g[gene] = (uint8_t)value;
    lt_space_canonical(x->env->space, &x->near[(*n)++]);
}

/* All architectures that differ in one active choice; where a choice has many values, in its steps of 1, 2 and 4. */
static int neighbours(struct lt_explorer *x, const struct lt_arch *a) {
    const struct lt_space *s = x->env->space;
    int n = 0;

    for (int g = 0; g < lt_space_n_genes(s); g++) {
        int k = lt_space_gene(s, g)->n_choices;

        if (!lt_space_gene_active(s, a, g)) continue;
        if (k <= MANY) {
            for (int v = 0; v < k; v++) put_near(x, a, g, v, &n);
        } else {
            for (int step = 1; step <= 4; step *= 2) {
                put_near(x, a, g, a->g[g] - step, &n);
                put_near(x, a, g, a->g[g] + step, &n);
            }
        }
    }
    return n;
}

/* Share of the network that a move gives up: of its MACs, or, where they are not known, of the scores with an upper
 * limit. */
static double given_up(const struct lt_goal *goal, const struct lt_scores *from, const struct lt_scores *to) {
    double most = 0;

    if (from->have[LT_SCORE_MACS] && to->have[LT_SCORE_MACS] && from->v[LT_SCORE_MACS] > 0)
        return fmax(0, 1 - to->v[LT_SCORE_MACS] / from->v[LT_SCORE_MACS]);
    for (int i = 0; i < goal->n_constraints; i++) {
        int k = goal->constraint[i].score;

        if (from->have[k] && to->have[k] && from->v[k] > 0 && isfinite(goal->constraint[i].max))
            most = fmax(most, 1 - to->v[k] / from->v[k]);
    }
    return most;
}

/* What a move is worth: violation removed for what is given up; moves that end feasible come first. */
static double merit(double before, double after, double loss) {
    return after == 0 ? 1e6 / (1e-3 + loss) : (before - after) / (1e-3 + loss);
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
            m = isinf(v) ? -after : merit(v, after, given_up(goal, &now, &x->score[i]));
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

static void put_value(const struct lt_goal *g, int score, double v, struct lt_buf *out) {
    const char *unit = lt_score_unit(g->names, score);

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

        lt_buf_printf(&b, "meets %s %s ", lt_score_name(x->env->goal->names, c->score), over ? "<=" : ">=");
        put_value(x->env->goal, c->score, bound, &b);
        lt_buf_puts(&b, ": the nearest found has ");
        put_value(x->env->goal, c->score, sc.v[c->score], &b);
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

/* The next canonical vector, in the order of the last gene first; false after the last one. */
static bool advance(const struct lt_space *s, struct lt_arch *a) {
    int g = lt_space_n_genes(s) - 1;

    for (; g >= 0; g--) {
        if (!lt_space_gene_active(s, a, g)) continue;
        if (++a->g[g] < lt_space_gene(s, g)->n_choices) break;
        a->g[g] = 0;
    }
    lt_space_canonical(s, a);
    return g >= 0;
}

static lt_status scan(struct lt_explorer *x, struct lt_arch *out, bool *ok, struct lt_err *e) {
    const struct lt_space *space = x->env->space;
    double v;
    lt_status s;

    for (int probes = 0; x->scannable && !x->scanned && probes < SCAN_PROBES;) {
        struct lt_arch a = x->cursor;

        x->scanned = !advance(space, &x->cursor) || --x->n_unscanned <= 0;
        if (lt_explorer_seen(x, &a)) continue;
        probes++;
        if ((s = lt_explorer_violation(x, &a, &v, e))) return s;
        if (v > 0) continue;
        *out = a;
        return lt_explorer_take(x, out, ok, e);
    }
    return LT_OK;
}

/* Takes an architecture that is new and feasible; *known, or violation left in *v, where it is not. */
static lt_status try_one(struct lt_explorer *x, const struct lt_arch *a, bool *known, double *v, bool *ok,
                         struct lt_err *e) {
    uint64_t key = key_of(x, a);
    lt_status s;

    *known = *slot(x->seen, x->cap_seen, key) != 0;
    if (*known || (s = lt_explorer_violation(x, a, v, e)) || *v > 0) return *known ? LT_OK : s;
    *ok = true;
    return mark_seen(x, key, e);
}

/* Up to `tries` proposals, more while they are known already, but then no more than KNOWN. *a is the last one. */
static lt_status propose(struct lt_explorer *x, struct lt_rng *r, int tries, lt_explorer_make_fn make, void *arg,
                         struct lt_arch *a, bool *ok, struct lt_err *e) {
    int n_known = 0;
    double v;
    bool known;
    lt_status s;

    for (int t = 0; (t < tries || (t < KNOWN && t < tries + n_known)) && !*ok; t++) {
        make(arg, r, a);
        if ((s = try_one(x, a, &known, &v, ok, e))) return s;
        if (!known || ++n_known <= SAME) continue;
        lt_space_mutate(x->env->space, r, 0, a); /* all come out alike: one step aside */
        if ((s = try_one(x, a, &known, &v, ok, e))) return s;
    }
    return LT_OK;
}

/* *a repaired, then up to `tries` mutants of it. */
static lt_status repair_and_mutate(struct lt_explorer *x, struct lt_rng *r, int tries, struct lt_arch *a, bool *ok,
                                   struct lt_err *e) {
    struct lt_arch base;
    double v;
    bool known;
    lt_status s;

    if ((s = lt_explorer_repair(x, r, a, &v, e))) return s;
    if (v > 0) *a = x->anchor;
    base = *a;
    for (int t = 0; t < tries && !*ok; t++) {
        if (t > 0) lt_space_mutate(x->env->space, r, 0.05, a);
        if ((s = try_one(x, a, &known, &v, ok, e))) return s;
        if (!known && v > 0) *a = base; /* do not wander away from what is feasible */
    }
    return LT_OK;
}

lt_status lt_explorer_new(struct lt_explorer *x, struct lt_rng *r, int tries, lt_explorer_make_fn make, void *arg,
                          struct lt_arch *out, bool *ok, struct lt_err *e) {
    struct lt_arch a = x->anchor;
    lt_status s;

    *ok = false;
    for (int round = 0; round < ROUNDS && !x->scanned && !*ok; round++) {
        if ((s = propose(x, r, tries, make, arg, &a, ok, e))) return s;
        if (!*ok && (s = repair_and_mutate(x, r, tries > MUTANTS ? tries : MUTANTS, &a, ok, e))) return s;
    }
    if (!*ok) return scan(x, out, ok, e);
    *out = a;
    return LT_OK;
}
