/*
 * Counting canonical architectures, and drawing them uniformly. In the order of the genes, the number of ways to go on
 * depends only on those earlier genes that a later condition names; it is computed once for each of their values. A
 * uniform architecture is the one whose number (in that order) is drawn.
 */
#include <stddef.h>
#include <string.h>
#include "spaces/big.h"
#include "spaces/space_priv.h"

enum { MAX_LIVE = 1 << 16 };
struct level { /* before gene i is chosen */
    int n;     /* earlier genes that a condition from here on names */
    int gene[LT_MAX_GENES];
    int64_t stride[LT_MAX_GENES], size;
    struct lt_big **ways; /* [size] NULL: not yet computed */
};
struct lt_counter {
    struct level level[LT_MAX_GENES + 1];
};

static lt_status no_memory(const struct lt_space *s, struct lt_err *e) {
    return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
}

static bool named_from(const struct lt_space *s, int gene, int from) {
    for (int i = from; i < s->n_genes; i++) {
        for (int k = 0; k < s->info[i].n_conds; k++) {
            if (s->info[i].cond[k].gene == gene) return true;
        }
    }
    return false;
}

static lt_status make_level(struct lt_space *s, int i, struct level *l, struct lt_err *e) {
    l->size = 1;
    for (int g = 0; g < i; g++) {
        if (!named_from(s, g, i)) continue;
        l->gene[l->n] = g;
        l->stride[l->n++] = l->size;
        l->size *= s->gene[g].n_choices;
        if (l->size > MAX_LIVE)
            return lt_fail(e, LT_EINVAL,
                           "%s:1:1: at '%s', the conditions that follow depend on too many choices together", s->file,
                           i < s->n_genes ? s->gene[i].name : "the end");
    }
    l->ways = lt_arena_alloc(s->arena, (size_t)l->size * sizeof(struct lt_big *));
    return l->ways ? LT_OK : no_memory(s, e);
}

static int64_t place(const struct level *l, const struct lt_arch *a) {
    int64_t k = 0;

    for (int i = 0; i < l->n; i++) k += l->stride[i] * a->g[l->gene[i]];
    return k;
}

/* Ways to choose gene i and those after it. Uses a as scratch from gene i on. */
static lt_status ways(struct lt_space *s, int i, struct lt_arch *a, const struct lt_big **out, struct lt_err *e) {
    struct level *l = &s->counter->level[i];
    struct lt_big **at = &l->ways[place(l, a)], sum, *kept;
    const struct lt_big *rest;
    bool fits = true;
    lt_status st;
    int n;

    if (*at) {
        *out = *at;
        return LT_OK;
    }
    if (i == s->n_genes) {
        lt_big_set(&sum, 1);
    } else {
        n = lt_space_gene_active(s, a, i) ? s->gene[i].n_choices : 1;
        a->g[i] = 0;
        if (n > 1 && named_from(s, i, i + 1)) {
            lt_big_set(&sum, 0);
            for (int k = 0; k < n; k++) {
                a->g[i] = (uint8_t)k;
                if ((st = ways(s, i + 1, a, &rest, e))) return st;
                fits = fits && lt_big_add(&sum, rest);
            }
            a->g[i] = 0;
        } else {
            if ((st = ways(s, i + 1, a, &rest, e))) return st;
            sum.n = rest->n; /* numbers are kept in as many words as they need */
            memcpy(sum.w, rest->w, (size_t)rest->n * sizeof(sum.w[0]));
            fits = lt_big_mul_small(&sum, (uint32_t)n);
        }
    }
    if (!fits) return lt_fail(e, LT_EINVAL, "%s:1:1: more than 2^2048 networks", s->file);
    if (!(kept = lt_arena_alloc(s->arena, offsetof(struct lt_big, w) + (size_t)(sum.n ? sum.n : 1) * sizeof(sum.w[0]))))
        return no_memory(s, e);
    memcpy(kept, &sum, offsetof(struct lt_big, w) + (size_t)(sum.n ? sum.n : 1) * sizeof(sum.w[0]));
    *out = *at = kept;
    return LT_OK;
}

lt_status lt_counter_new(struct lt_space *s, struct lt_err *e) {
    struct lt_arch a = {.n = s->n_genes};
    const struct lt_big *total;
    lt_status st;

    if (!(s->counter = lt_arena_alloc(s->arena, sizeof(*s->counter)))) return no_memory(s, e);
    for (int i = 0; i <= s->n_genes; i++) {
        if ((st = make_level(s, i, &s->counter->level[i], e))) return st;
    }
    return ways(s, 0, &a, &total, e);
}

static const struct lt_big *total(const struct lt_space *s) { return s->counter->level[0].ways[0]; }

double lt_space_log10_size(const struct lt_space *s) { return lt_big_log10(total(s)); }

void lt_space_size_text(const struct lt_space *s, struct lt_buf *out) { lt_big_print(total(s), out); }

/* ---- from number to architecture ---- */

void lt_space_sample_uniform(const struct lt_space *s, struct lt_rng *r, struct lt_arch *out) {
    struct lt_arch a = {.n = s->n_genes};
    struct lt_big rank;

    lt_big_below(total(s), r, &rank);
    for (int i = 0; i < s->n_genes; i++) {
        const struct level *next = &s->counter->level[i + 1];
        bool decides = false;

        if (!lt_space_gene_active(s, &a, i)) continue;
        for (int k = 0; k < next->n; k++) decides = decides || next->gene[k] == i;
        if (!decides) {
            a.g[i] = (uint8_t)lt_big_div_small(&rank, (uint32_t)s->gene[i].n_choices);
            continue;
        }
        for (int k = 0; k < s->gene[i].n_choices; k++) {
            const struct lt_big *w;

            a.g[i] = (uint8_t)k;
            w = next->ways[place(next, &a)];
            if (lt_big_cmp(&rank, w) < 0) break;
            lt_big_sub(&rank, w);
        }
    }
    lt_space_canonical(s, &a);
    *out = a;
}
