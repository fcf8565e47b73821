/* Architectures as points: extremes, sampling, mutation, crossover, the canonical form and its hash. */
#include <string.h>
#include "lathe/file.h"
#include "spaces/space_priv.h"

/* lt_space_gene_active where a search spends its time. */
static inline bool active(const struct lt_space *s, const struct lt_arch *a, int gene) {
    return lt_conds_hold(s->info[gene].n_conds, s->info[gene].cond, a);
}

void lt_space_canonical(const struct lt_space *s, struct lt_arch *a) {
    a->n = s->n_genes;
    for (int i = 0; i < s->n_genes; i++) {
        if (!active(s, a, i)) a->g[i] = 0;
    }
    memset(a->g + s->n_genes, 0, sizeof(a->g) - (size_t)s->n_genes);
    if (s->ops->canonical) s->ops->canonical(s, s->body, a);
}

void lt_space_largest(const struct lt_space *s, struct lt_arch *out) { *out = s->largest; }

void lt_space_smallest(const struct lt_space *s, struct lt_arch *out) { *out = s->smallest; }

void lt_space_sample(const struct lt_space *s, struct lt_rng *r, struct lt_arch *out) {
    for (int i = 0; i < s->n_genes; i++) out->g[i] = (uint8_t)lt_rng_below(r, (uint32_t)s->gene[i].n_choices);
    lt_space_canonical(s, out);
}

/* Another value than the present one, uniformly. Every gene has at least two. */
static void redraw(const struct lt_space *s, struct lt_rng *r, struct lt_arch *a, int gene) {
    uint32_t v = lt_rng_below(r, (uint32_t)s->gene[gene].n_choices - 1);

    a->g[gene] = (uint8_t)(v >= a->g[gene] ? v + 1 : v);
}

/* Genes that have just come to exist start anywhere, not at 0. A gene that decides comes before those that it decides
 * on, so one pass in order does it. */
static void draw_new(const struct lt_space *s, struct lt_rng *r, const struct lt_arch *old, struct lt_arch *a) {
    for (int i = 0; i < s->n_genes; i++) {
        if (active(s, a, i) && !active(s, old, i)) a->g[i] = (uint8_t)lt_rng_below(r, (uint32_t)s->gene[i].n_choices);
    }
}

void lt_space_mutate(const struct lt_space *s, struct lt_rng *r, double p_gene, struct lt_arch *a) {
    struct lt_arch old = *a;
    int there[LT_MAX_GENES], n = 0;
    bool changed = false;

    for (int i = 0; i < s->n_genes; i++) {
        if (!active(s, &old, i)) continue;
        there[n++] = i;
        if (!active(s, a, i)) continue; /* its block has just gone */
        if (lt_rng_u01(r) < p_gene) {
            redraw(s, r, a, i);
            changed = true;
        }
    }
    if (!changed && n) redraw(s, r, a, there[lt_rng_below(r, (uint32_t)n)]);
    draw_new(s, r, &old, a);
    lt_space_canonical(s, a);
}

void lt_space_crossover(const struct lt_space *s, struct lt_rng *r, const struct lt_arch *a, const struct lt_arch *b,
                        struct lt_arch *out) {
    struct lt_arch c = {.n = s->n_genes};
    uint32_t coins = 0;

    for (int i = 0; i < s->n_genes; i++) {
        bool in_a = active(s, a, i), in_b = active(s, b, i);
        bool from_b;

        if (i % 32 == 0) coins = lt_rng_u32(r);
        from_b = coins >> (i % 32) & 1;

        if (!in_a && !in_b && active(s, &c, i)) /* of two conditions, each parent had one */
            c.g[i] = (uint8_t)lt_rng_below(r, (uint32_t)s->gene[i].n_choices);
        else
            c.g[i] = (in_b && (from_b || !in_a)) ? b->g[i] : a->g[i];
    }
    lt_space_canonical(s, &c);
    *out = c;
}

uint64_t lt_arch_hash(const struct lt_space *s, const struct lt_arch *a) {
    struct lt_arch c = *a;

    lt_space_canonical(s, &c);
    return lt_hash64(c.g, (size_t)s->n_genes, s->hash);
}

bool lt_arch_equal(const struct lt_arch *a, const struct lt_arch *b) {
    return a->n == b->n && !memcmp(a->g, b->g, (size_t)a->n);
}
