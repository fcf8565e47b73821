/* Searcher "linas": its predictors and the genetic search on them. Source in linas.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "search/front.h"
#include "search/linas.h"

#define FEW 3                           /* results that the first predictors need at least */
#define INNER_ROUND (UINT64_C(1) << 32) /* keeps the draws of the inner search apart from others of a round */

void lt_linas_turn_out(const struct lt_linas *s, const struct lt_linas_candidate *c, const double *z,
                       struct lt_scores *out) {
    *out = c->s;
    for (int j = 0; j < s->n_models; j++)
        out->v[s->model_score[j]] = lt_warp_back(&s->warp[j], c->mean[j] + z[j] * c->sd[j]);
}

void lt_linas_hope(const struct lt_linas *s, const struct lt_linas_candidate *c, struct lt_scores *out) {
    const struct lt_goal *goal = s->x.env->goal;
    double z[LT_MAX_SCORES] = {0};

    for (int j = 0; j < s->n_models; j++) {
        for (int i = 0; i < goal->n_objectives; i++) {
            if (goal->objective[i].score == s->model_score[j])
                z[j] = goal->objective[i].maximize ? s->cfg->optimism : -s->cfg->optimism;
        }
    }
    lt_linas_turn_out(s, c, z, out);
}

/* What the predictors expect, into the scores of results that are missing. */
static lt_status expect(struct lt_linas *s, int from, struct lt_err *e) {
    const struct lt_space *space = s->x.env->space;
    int k = s->n - from, d = lt_space_n_features(space);
    double *x, *y;
    lt_status st = LT_OK;

    if (k < 1) return LT_OK;
    x = lt_malloc((size_t)k * (size_t)d * sizeof(*x));
    y = lt_malloc(2 * (size_t)k * sizeof(*y));
    if (!x || !y) {
        st = lt_fail(e, LT_ENOMEM, "searcher 'linas': out of memory");
        goto out;
    }
    for (int i = 0; i < k; i++) {
        struct lt_linas_result *r = &s->result[from + i];

        memset(&r->s, 0, sizeof(r->s));
        if ((st = s->x.env->probe->cheap(s->x.env->probe->arg, &r->a, 1, &r->s, e))) goto out;
        lt_space_features(space, &r->a, x + (size_t)i * (size_t)d);
    }
    for (int j = 0; j < s->n_models; j++) {
        if ((st = lt_surrogate_predict(&s->model[j], x, k, y, y + k, e))) goto out;
        for (int i = 0; i < k; i++) {
            s->result[from + i].s.v[s->model_score[j]] = lt_warp_back(&s->warp[j], y[i]);
            s->result[from + i].s.have[s->model_score[j]] = true;
        }
    }
out:
    lt_free(x);
    lt_free(y);
    return st;
}

lt_status lt_linas_fit(struct lt_linas *s, bool *ok, struct lt_err *e) {
    const struct lt_space *space = s->x.env->space;
    int d = lt_space_n_features(space), n;
    double *x = lt_malloc((size_t)s->n * (size_t)d * sizeof(*x)), *y = lt_malloc(2 * (size_t)s->n * sizeof(*y));
    lt_status st = LT_OK;

    *ok = true;
    if (!x || !y) {
        st = lt_fail(e, LT_ENOMEM, "searcher 'linas': out of memory for %d results", s->n);
        goto out;
    }
    for (int j = 0; j < s->n_models && *ok; j++) {
        int score = s->model_score[j];

        n = 0;
        for (int i = 0; i < s->n_told; i++) {
            const struct lt_linas_result *r = &s->result[i];

            if (r->s.status || !r->s.have[score] || !isfinite(r->s.v[score])) continue;
            lt_space_features(space, &r->a, x + (size_t)n * (size_t)d);
            y[n++] = r->s.v[score];
        }
        if (n < FEW) {
            *ok = false;
            break;
        }
        if ((st = lt_warp_fit(&s->warp[j], y, n, y + s->n, e)) ||
            (st = lt_surrogate_fit(&s->model[j], x, y + s->n, n, e)))
            goto out;
    }
    if (*ok) st = expect(s, s->n_told, e);
out:
    lt_free(x);
    lt_free(y);
    return st;
}

/* ---- the inner search ---- */

/* False: known. A table that is half full takes no more; what comes twice then is sorted out when it is taken. */
static bool remember(struct lt_linas_pool *p, uint64_t key) {
    uint64_t i = key & (uint64_t)(p->cap_hash - 1);

    for (; p->hash[i]; i = (i + 1) & (uint64_t)(p->cap_hash - 1)) {
        if (p->hash[i] == key) return false;
    }
    if (2 * p->n_hash < p->cap_hash) {
        p->hash[i] = key;
        p->n_hash++;
    }
    return true;
}

/* A row as the inner search sees it. */
static void row_of(const struct lt_linas *s, const struct lt_linas_candidate *c, struct lt_member *m) {
    struct lt_scores hoped;

    lt_linas_hope(s, c, &hoped);
    *m = (struct lt_member){.a = c->a, .hash = c->hash};
    m->violation = lt_goal_row(s->x.env->goal, &hoped, m->f);
}

/* Predicts pool[from..n). */
static lt_status predict(struct lt_linas *s, struct lt_linas_pool *p, int from, struct lt_err *e) {
    const struct lt_space *space = s->x.env->space;
    int k = p->n - from, d = lt_space_n_features(space);
    double *x, *y;
    lt_status st = LT_OK;

    if (k < 1) return LT_OK;
    x = lt_malloc((size_t)k * (size_t)d * sizeof(*x));
    y = lt_malloc(2 * (size_t)k * sizeof(*y));
    if (!x || !y) {
        st = lt_fail(e, LT_ENOMEM, "searcher 'linas': out of memory");
        goto out;
    }
    for (int i = 0; i < k; i++) lt_space_features(space, &p->c[from + i].a, x + (size_t)i * (size_t)d);
    for (int j = 0; j < s->n_models; j++) {
        if ((st = lt_surrogate_predict(&s->model[j], x, k, y, y + k, e))) goto out;
        for (int i = 0; i < k; i++) {
            struct lt_linas_candidate *c = &p->c[from + i];

            c->mean[j] = y[i];
            c->s.v[s->model_score[j]] = lt_warp_back(&s->warp[j], y[i]);
            c->s.have[s->model_score[j]] = true;
            c->sd[j] = y[k + i];
        }
    }
out:
    lt_free(x);
    lt_free(y);
    return st;
}

/* One child of the sorted parents; of random ones when there are none. */
static void draw(const struct lt_linas *s, struct lt_rng *r, const struct lt_member *parent, int n,
                 struct lt_arch *out) {
    const struct lt_space *space = s->x.env->space;
    uint32_t i, j;

    if (n < 2 || lt_rng_below(r, 10) == 0) {
        lt_space_sample(space, r, out);
        return;
    }
    i = lt_rng_below(r, (uint32_t)n);
    j = lt_rng_below(r, (uint32_t)n);
    *out = parent[i < j ? i : j].a;
    if (lt_rng_below(r, 2)) {
        i = lt_rng_below(r, (uint32_t)n);
        lt_space_crossover(space, r, out, &parent[i].a, out);
        if (lt_rng_below(r, 2)) return;
    }
    lt_space_mutate(space, r, 1.0 / lt_space_n_genes(space), out);
}

/* Children that are new to the search and to the pool and meet the constraints on cheap scores. */
static lt_status add_children(struct lt_linas *s, struct lt_linas_pool *p, int generation,
                              const struct lt_member *parent, int n_parents, struct lt_err *e) {
    const struct lt_probe *probe = s->x.env->probe;
    struct lt_rng r;
    lt_status st;

    for (int64_t i = 0; i < s->cfg->inner_population; i++) {
        lt_rng_at(&r, s->x.env->seed, LT_RNG_SEARCH, (uint64_t)s->round,
                  INNER_ROUND * (uint64_t)(generation + 1) + (uint64_t)i);
        for (int64_t t = 0; t < s->cfg->tries; t++) {
            struct lt_linas_candidate *c = &p->c[p->n];

            draw(s, &r, parent, n_parents, &c->a);
            if (lt_explorer_seen(&s->x, &c->a)) continue;
            c->hash = lt_arch_hash(s->x.env->space, &c->a);
            if (!remember(p, c->hash ? c->hash : 1)) continue;
            memset(&c->s, 0, sizeof(c->s));
            if ((st = probe->cheap(probe->arg, &c->a, 1, &c->s, e))) return st;
            if (c->s.status || lt_goal_violation(s->x.env->goal, &c->s, NULL) > 0) continue;
            p->n++;
            break;
        }
    }
    return LT_OK;
}

/* The first parents: what has been told, best first. */
static int first_parents(const struct lt_linas *s, struct lt_member *m) {
    int n = 0;

    for (int i = 0; i < s->n_told; i++) {
        const struct lt_linas_result *r = &s->result[i];

        m[n] = (struct lt_member){.a = r->a, .hash = lt_arch_hash(s->x.env->space, &r->a)};
        m[n].violation = lt_goal_row(s->x.env->goal, &r->s, m[n].f);
        if (isfinite(m[n].violation)) n++;
    }
    return n;
}

static lt_status keep_best(const struct lt_linas *s, struct lt_member *m, int *n, struct lt_err *e) {
    const int stride = (int)(sizeof(*m) / sizeof(double)), most = (int)s->cfg->inner_population;
    double *crowding;
    int *at;
    lt_status st;

    if ((st = lt_members_rank(s->x.env->goal, m, n, e))) return st;
    lt_members_sort(m, *n);
    crowding = lt_malloc(((size_t)*n + 1) * sizeof(*crowding));
    at = lt_malloc(((size_t)*n + 1) * sizeof(*at));
    if (!crowding || !at) st = lt_fail(e, LT_ENOMEM, "searcher 'linas': out of memory");
    for (int from = 0, to; !st && from < *n && from < most; from = to) {
        for (to = from; to < *n && m[to].rank == m[from].rank; to++) at[to - from] = to;
        st = lt_front_crowding(m->f, stride, s->x.env->goal->n_objectives, at, to - from, crowding, e);
        for (int i = from; i < to && !st; i++) m[i].crowding = crowding[i - from];
    }
    lt_members_sort(m, *n);
    if (*n > most) *n = most;
    lt_free(crowding);
    lt_free(at);
    return st;
}

lt_status lt_linas_inner(struct lt_linas *s, struct lt_linas_pool *p, struct lt_err *e) {
    int population = (int)s->cfg->inner_population, generations = (int)s->cfg->inner_generations, n, from;
    struct lt_member *m;
    lt_status st = LT_OK;

    *p = (struct lt_linas_pool){.cap = population * generations + 1, .cap_hash = 1024};
    while (p->cap_hash < 2 * (int64_t)p->cap * s->cfg->tries && p->cap_hash < 1 << 24) p->cap_hash *= 2;
    p->c = lt_malloc((size_t)p->cap * sizeof(*p->c));
    p->hash = lt_calloc((size_t)p->cap_hash, sizeof(*p->hash));
    m = lt_malloc((size_t)(s->n_told + 2 * population) * sizeof(*m));
    if (!p->c || !p->hash || !m) {
        st = lt_fail(e, LT_ENOMEM, "searcher 'linas': out of memory for the inner search");
        goto out;
    }
    n = first_parents(s, m);
    if ((st = keep_best(s, m, &n, e))) goto out;
    for (int g = 0; g < generations; g++) {
        from = p->n;
        if ((st = add_children(s, p, g, m, n, e)) || (st = predict(s, p, from, e))) goto out;
        for (int i = from; i < p->n; i++) row_of(s, &p->c[i], &m[n++]);
        if ((st = keep_best(s, m, &n, e))) goto out;
    }
out:
    lt_free(m);
    return st;
}
