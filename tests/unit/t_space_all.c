/*
 * Conformance over all shipped spaces: sampled networks come back from their strings and expand; mutation and crossover
 * give canonical, valid networks that are other ones; features and hashes of equal networks are equal. LT_POINTS sets
 * the number of random points (200; 1000 in `make check-long`).
 */
#include <math.h>
#include "lathe/mem.h"
#include "tests/unit/shipped_spaces.h"

#define SEED 17

static bool canonical(const struct lt_space *s, const struct lt_arch *a) {
    struct lt_arch c = *a;

    if (a->n != lt_space_n_genes(s)) return false;
    for (int i = 0; i < a->n; i++) {
        if (a->g[i] >= lt_space_gene(s, i)->n_choices || (!lt_space_gene_active(s, a, i) && a->g[i])) return false;
    }
    lt_space_canonical(s, &c);
    return !memcmp(c.g, a->g, sizeof(c.g));
}

static bool expands(const struct lt_space *s, const struct lt_arch *a, struct lt_err *e) {
    struct lt_graph *g = NULL;
    bool ok = !lt_space_expand(s, a, &g, e);

    lt_graph_free(g);
    return ok;
}

static bool comes_back(const struct lt_space *s, const struct lt_arch *a, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT, c = LT_BUF_INIT;
    struct lt_arch back;
    bool ok;

    lt_arch_print(s, a, &b);
    ok = !lt_arch_parse(s, b.data, &back, e) && lt_arch_equal(a, &back) && !memcmp(a->g, back.g, sizeof(a->g));
    if (ok) lt_arch_print(s, &back, &c);
    ok = ok && !strcmp(b.data, c.data) && lt_arch_hash(s, a) == lt_arch_hash(s, &back);
    lt_buf_release(&b);
    lt_buf_release(&c);
    return ok;
}

/* One-hot where a gene exists, and the same from an equal network. */
static bool good_features(const struct lt_space *s, const struct lt_arch *a) {
    int n = lt_space_n_features(s), ones = 0, active = 0;
    double *f = malloc((size_t)(n ? n : 1) * 2 * sizeof(*f));
    struct lt_arch copy = *a;
    bool ok;

    for (int i = 0; i < a->n; i++) { /* what does not exist may hold anything */
        active += lt_space_gene_active(s, a, i);
        if (!lt_space_gene_active(s, a, i)) copy.g[i] = 1;
    }
    lt_space_canonical(s, &copy);
    lt_space_features(s, a, f);
    lt_space_features(s, &copy, f + n);
    for (int i = 0; i < n; i++) ones += f[i] == 1;
    ok = ones == active && !memcmp(f, f + n, (size_t)n * sizeof(*f)) && lt_arch_equal(a, &copy);
    free(f);
    return ok;
}

static void space(const char *name, const struct lt_space *s) {
    int n = getenv("LT_LONG") ? 1000 : 200, text = 0, valid = 0, features = 0, mutants = 0, children = 0, moved = 0;
    struct lt_err e = {0};
    struct lt_arch a, b, c;
    struct lt_rng r;

    if (lt_space_n_genes(s) == 0) n = 1;
    lt_space_smallest(s, &a);
    lt_space_largest(s, &b);
    lt_ok(canonical(s, &a) && canonical(s, &b) && expands(s, &a, &e) && expands(s, &b, &e),
          "%s: the extremes expand: %s", name, e.msg);
    for (int i = 0; i < n; i++) {
        lt_rng_at(&r, SEED, LT_RNG_TEST, 0, (uint64_t)i);
        if (i % 2)
            lt_space_sample(s, &r, &a);
        else
            lt_space_sample_uniform(s, &r, &a);
        text += comes_back(s, &a, &e);
        valid += canonical(s, &a) && expands(s, &a, &e);
        features += good_features(s, &a);
        b = a;
        lt_space_mutate(s, &r, 0.1, &b);
        mutants += canonical(s, &b) && expands(s, &b, &e);
        moved += !lt_arch_equal(&a, &b);
        lt_space_crossover(s, &r, &a, &b, &c);
        children += canonical(s, &c) && expands(s, &c, &e);
    }
    lt_ok(text == n, "%s: %d of %d strings come back exactly: %s", name, text, n, e.msg);
    lt_ok(valid == n, "%s: %d of %d samples are canonical and expand: %s", name, valid, n, e.msg);
    lt_ok(features == n, "%s: %d of %d have one-hot features, equal for equal networks", name, features, n);
    lt_ok(mutants == n && children == n, "%s: %d mutants and %d children of %d are canonical and expand: %s", name,
          mutants, children, n, e.msg);
    lt_ok(moved == (lt_space_n_genes(s) ? n : 0), "%s: %d of %d mutants differ from what they came from", name, moved,
          n);
}

int main(void) {
    int64_t live = lt_mem_live();

    each_shipped_space(space);
    lt_ok(lt_mem_live() == live, "nothing leaks");
    return lt_done();
}
