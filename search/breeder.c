/* Generations; contract in breeder.h. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "search/breeder.h"
#include "search/front.h"

void lt_breeder_close(void *self) {
    struct lt_breeder *b = self;

    lt_explorer_release(&b->x);
    lt_free(b->pool);
    lt_free(b);
}

lt_status lt_breeder_open(const struct lt_search_env *env, const struct lt_breeder_ops *ops, const void *cfg,
                          int64_t population, int64_t generations, int64_t tries, void **self, struct lt_err *e) {
    struct lt_breeder *b = lt_calloc(1, sizeof(*b));
    lt_status s;

    if (!b) return lt_fail(e, LT_ENOMEM, "searcher '%s': out of memory", ops->name);
    b->ops = ops;
    b->cfg = cfg;
    b->population = (int)population;
    b->generations = (int)generations;
    b->tries = (int)tries;
    b->generation = -1;
    if (!(b->pool = lt_malloc(2 * (size_t)population * sizeof(*b->pool)))) {
        s = lt_fail(e, LT_ENOMEM, "searcher '%s': out of memory for a population of %d", ops->name, b->population);
        goto out;
    }
    if ((s = lt_explorer_init(&b->x, env, e))) goto out;
    *self = b;
    b = NULL;
out:
    if (b) lt_breeder_close(b);
    return s;
}

static int by_rank(const void *a, const void *b) {
    const struct lt_member *x = *(struct lt_member *const *)a, *y = *(struct lt_member *const *)b;

    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    if (x->crowding != y->crowding) return x->crowding > y->crowding ? -1 : 1;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Insertion when memory is short: the order is the same. */
static void sort_slowly(struct lt_member *m, int n) {
    for (int i = 1; i < n; i++) {
        struct lt_member key = m[i], *p = &key, *q;
        int at = i;

        for (; at > 0 && (q = &m[at - 1], by_rank(&p, &q) < 0); at--) m[at] = m[at - 1];
        m[at] = key;
    }
}

void lt_members_sort(struct lt_member *m, int n) {
    struct lt_member **p = lt_malloc(((size_t)n + 1) * sizeof(*p)), *copy = lt_malloc(((size_t)n + 1) * sizeof(*copy));

    if (p && copy) {
        memcpy(copy, m, (size_t)n * sizeof(*m));
        for (int i = 0; i < n; i++) p[i] = &copy[i];
        qsort(p, (size_t)n, sizeof(*p), by_rank);
        for (int i = 0; i < n; i++) m[i] = *p[i];
    } else {
        sort_slowly(m, n);
    }
    lt_free(p);
    lt_free(copy);
}

lt_status lt_members_rank(const struct lt_goal *goal, struct lt_member *m, int *n, struct lt_err *e) {
    const int stride = LT_MAX_SCORES, k = goal->n_objectives;
    double *f, *violation;
    int kept = 0, *rank;
    lt_status s;

    for (int i = 0; i < *n; i++) {
        if (!isfinite(m[i].violation)) continue;
        if (kept != i) m[kept] = m[i];
        kept++;
    }
    *n = kept;
    f = lt_malloc((size_t)(kept + 1) * (size_t)stride * sizeof(*f));
    violation = lt_malloc((size_t)(kept + 1) * sizeof(*violation));
    rank = lt_malloc((size_t)(kept + 1) * sizeof(*rank));
    if (!f || !violation || !rank) {
        s = lt_fail(e, LT_ENOMEM, "search: out of memory for %d members", kept);
        goto out;
    }
    for (int i = 0; i < kept; i++) {
        memcpy(f + i * k, m[i].f, (size_t)k * sizeof(*f));
        violation[i] = m[i].violation;
    }
    if ((s = lt_front_ranks(f, k, violation, kept, k, rank, e))) goto out;
    for (int i = 0; i < kept; i++) {
        m[i].rank = rank[i];
        m[i].crowding = 0;
    }
out:
    lt_free(f);
    lt_free(violation);
    lt_free(rank);
    return s;
}

struct making {
    struct lt_breeder *b;
    int item;
};

static void make(void *arg, struct lt_rng *r, struct lt_arch *out) {
    struct making *m = arg;

    if (m->b->n_parents)
        m->b->ops->child(m->b, r, m->item, out);
    else
        lt_space_sample(m->b->x.env->space, r, out);
}

/* The next population behind its parents. Empty when nothing new and feasible was found. */
static lt_status breed(struct lt_breeder *b, struct lt_err *e) {
    struct making m = {.b = b};
    struct lt_rng r;
    struct lt_arch a;
    int n = b->n_pool, kept = 0;
    lt_status s;
    bool ok;

    if (b->generation >= 0) {
        if ((s = lt_members_rank(b->x.env->goal, b->pool, &n, e))) return s;
        if (n && (s = b->ops->survive(b, b->pool, n, &kept, e))) return s;
    }
    b->generation++;
    b->n_parents = b->n_pool = kept;
    b->asked = b->told = 0;
    for (m.item = 0; m.item < b->population; m.item++) {
        lt_rng_at(&r, b->x.env->seed, LT_RNG_SEARCH, (uint64_t)b->generation, (uint64_t)m.item);
        if ((s = lt_explorer_new(&b->x, &r, b->tries, make, &m, &a, &ok, e))) return s;
        if (!ok) continue;
        b->pool[b->n_pool++] = (struct lt_member){.a = a, .hash = b->x.key, .violation = INFINITY};
    }
    if (b->n_pool == b->n_parents) b->generation = b->generations; /* what is feasible is exhausted */
    return LT_OK;
}

lt_status lt_breeder_ask(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e) {
    struct lt_breeder *b = self;
    int left, i;
    lt_status s;

    if ((s = lt_explorer_start(&b->x, e))) return s;
    left = b->n_pool - b->n_parents - b->asked;
    if (left == 0 && b->told == b->asked && b->generation + 1 < b->generations) {
        if ((s = breed(b, e))) return s;
        left = b->n_pool - b->n_parents;
    } /* else: the next generation is made of all results of this one */
    for (i = 0; i < n && i < left; i++) out[i] = b->pool[b->n_parents + b->asked++].a;
    *n_out = i;
    return LT_OK;
}

lt_status lt_breeder_tell(void *self, const struct lt_arch *a, const struct lt_scores *s, int n, struct lt_err *e) {
    struct lt_breeder *b = self;

    (void)a; /* in the order in which they were asked: lt_searcher_tell has checked */
    (void)e;
    for (int i = 0; i < n; i++) {
        struct lt_member *m = &b->pool[b->n_parents + b->told++];

        m->violation = lt_goal_row(b->x.env->goal, &s[i], m->f);
    }
    return LT_OK;
}

int lt_breeder_budget(const void *self) {
    const struct lt_breeder *b = self;
    int64_t all = (int64_t)b->population * b->generations;

    return (int)(all < INT_MAX ? all : INT_MAX);
}

void lt_breeder_mate(const struct lt_breeder *b, struct lt_rng *r, lt_breeder_parent_fn parent, double crossover,
                     double mutations, struct lt_arch *out) {
    const struct lt_space *space = b->x.env->space;
    const struct lt_arch *mother = parent(b, r);
    double p = mutations / lt_space_n_genes(space);

    *out = *mother;
    if (lt_rng_u01(r) < crossover) lt_space_crossover(space, r, mother, parent(b, r), out);
    lt_space_mutate(space, r, p < 1 ? p : 1, out);
}
