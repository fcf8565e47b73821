/* Genes, the conditions under which they exist, and the segments that a body lists. */
#include <stdio.h>
#include <string.h>
#include "spaces/space_priv.h"

static lt_status no_memory(const struct lt_space *s, struct lt_err *e) {
    return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
}

/* Adds c to a list in which every gene stands once. */
static lt_status merge(struct lt_cond *list, int *n, int max, const struct lt_cond *c) {
    for (int i = 0; i < *n; i++) {
        if (list[i].gene != c->gene) continue;
        for (int w = 0; w < 4; w++) list[i].on[w] &= c->on[w];
        return LT_OK;
    }
    if (*n == max) return LT_EINVAL;
    list[(*n)++] = *c;
    return LT_OK;
}

/* The conditions with those of the genes that they name. */
static lt_status flatten(const struct lt_space *s, int n, const struct lt_cond *cond, struct lt_cond **out, int *n_out,
                         struct lt_err *e) {
    struct lt_cond list[32];
    int k = 0;

    for (int i = 0; i < n; i++) {
        const struct lt_gene_info *parent = &s->info[cond[i].gene];

        for (int j = 0; j < parent->n_conds; j++) {
            if (merge(list, &k, 32, &parent->cond[j])) goto deep;
        }
        if (merge(list, &k, 32, &cond[i])) goto deep;
    }
    *n_out = k;
    *out = NULL;
    if (!k) return LT_OK;
    if (!(*out = lt_arena_alloc(s->arena, (size_t)k * sizeof(**out)))) return no_memory(s, e);
    memcpy(*out, list, (size_t)k * sizeof(**out));
    return LT_OK;
deep:
    return lt_fail(e, LT_EINVAL, "%s: a choice depends on more than 32 others", s->file);
}

int lt_space_find_gene(const struct lt_space *s, const char *name) {
    for (int i = 0; i < s->n_genes; i++) {
        if (!strcmp(s->gene[i].name, name)) return i;
    }
    return -1;
}

const struct lt_cond *lt_gene_conds(const struct lt_space *s, int gene, int *n) {
    *n = s->info[gene].n_conds;
    return s->info[gene].cond;
}

lt_status lt_space_add_gene(struct lt_space *s, const struct lt_gene_spec *spec, int *gene, struct lt_err *e) {
    struct lt_gene_info info = {.unordered = spec->label != NULL};
    const char *file = spec->file ? spec->file : s->file, *name, **label;
    struct lt_cond *cond;
    double *value;
    char buf[32];
    lt_status st;

    if (s->n_genes >= LT_MAX_GENES)
        return lt_fail(e, LT_EINVAL, "%s:%d:%d: '%s' is choice number %d of the space; at most %d are possible", file,
                       spec->line, spec->col, spec->name, s->n_genes + 1, LT_MAX_GENES);
    if (spec->n < 2 || spec->n > LT_MAX_CHOICES)
        return lt_fail(e, LT_EINVAL, "%s:%d:%d: '%s' has %d choices; 2 to %d are possible", file, spec->line, spec->col,
                       spec->name, spec->n, LT_MAX_CHOICES);
    if (lt_space_find_gene(s, spec->name) >= 0)
        return lt_fail(e, LT_EINVAL, "%s:%d:%d: two choices are called '%s'", file, spec->line, spec->col, spec->name);
    label = lt_arena_alloc(s->arena, (size_t)spec->n * sizeof(*label));
    value = lt_arena_alloc(s->arena, (size_t)spec->n * sizeof(*value));
    name = lt_arena_strdup(s->arena, spec->name);
    if (!label || !value || !name) return no_memory(s, e);
    for (int i = 0; i < spec->n; i++) {
        value[i] = spec->value ? spec->value[i] : i;
        if (!spec->label) lt_value_print(value[i], buf);
        if (!(label[i] = lt_arena_strdup(s->arena, spec->label ? spec->label[i] : buf))) return no_memory(s, e);
    }
    if ((st = flatten(s, spec->n_conds, spec->cond, &cond, &info.n_conds, e))) return st;
    info.cond = cond;
    s->gene[s->n_genes] = (struct lt_gene){name, spec->n, label, value};
    s->info[s->n_genes] = info;
    s->n_features += spec->n;
    *gene = s->n_genes++;
    return LT_OK;
}

bool lt_space_gene_active(const struct lt_space *s, const struct lt_arch *a, int gene) {
    return lt_conds_hold(s->info[gene].n_conds, s->info[gene].cond, a);
}

/* ---- names that expressions and conditions use ---- */

const struct lt_named *lt_space_named(const struct lt_space *s, const char *name) {
    for (int i = 0; i < s->n_named; i++) {
        if (!strcmp(s->named[i].name, name)) return &s->named[i];
    }
    return NULL;
}

lt_status lt_space_add_named(struct lt_space *s, const char *name, const struct lt_choice *c, bool *used,
                             struct lt_err *e) {
    if (s->n_named == LT_MAX_NAMED)
        return lt_fail(e, LT_EINVAL, "%s:%d:%d: more than %d names", c->file ? c->file : s->file, c->line, c->col,
                       LT_MAX_NAMED);
    if (!(name = lt_arena_strdup(s->arena, name))) return no_memory(s, e);
    s->named[s->n_named++] = (struct lt_named){name, c, used, c->line, c->col};
    return LT_OK;
}

/* ---- segments ---- */

lt_status lt_space_add_segment(struct lt_space *s, const struct lt_segment *seg, struct lt_err *e) {
    struct lt_segment copy = *seg;
    struct lt_cond *cond;
    int *gene, n;
    lt_status st;

    if (s->n_segments == s->cap_segments) {
        int cap = s->cap_segments ? 2 * s->cap_segments : 32;
        struct lt_segment *v = lt_arena_alloc(s->arena, (size_t)cap * sizeof(*v));

        if (!v) return no_memory(s, e);
        if (s->n_segments) memcpy(v, s->segment, (size_t)s->n_segments * sizeof(*v));
        s->segment = v;
        s->cap_segments = cap;
    }
    gene = lt_arena_alloc(s->arena, (size_t)(seg->n_genes ? seg->n_genes : 1) * sizeof(*gene));
    copy.name = lt_arena_strdup(s->arena, seg->name);
    if (!gene || !copy.name) return no_memory(s, e);
    if (seg->n_genes) memcpy(gene, seg->gene, (size_t)seg->n_genes * sizeof(*gene));
    copy.gene = gene;
    if ((st = flatten(s, seg->n_conds, seg->cond, &cond, &n, e))) return st;
    copy.n_conds = n;
    copy.all = cond;
    s->segment[s->n_segments++] = copy;
    return LT_OK;
}

bool lt_segment_exists(const struct lt_space *s, const struct lt_segment *seg, const struct lt_arch *a) {
    (void)s;
    return lt_conds_hold(seg->n_conds, seg->all, a);
}
