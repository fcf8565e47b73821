/*
 * Reads `table:`. {a..b} in names counts, the last one fastest: `{column: "e{0..19}", gene: "s{1..5}.b{0..3}.expand"}`
 * are 20 columns.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "spaces/table.h"

enum { MAX_RANGES = 4, MAX_TEXT = 160 };
struct pattern {
    const char *text;
    int n;
    struct {
        size_t start, len; /* of "{a..b}" */
        int from, to;
    } range[MAX_RANGES];
    int count; /* names that it stands for */
};

static lt_status no_memory(const struct lt_space *s, struct lt_err *e) {
    return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
}

static lt_status read_pattern(const struct lt_yaml *n, struct pattern *p, struct lt_err *e) {
    lt_status st = lt_yaml_expect(n, LT_YAML_SCALAR, e);
    int from, to, len;

    if (st) return st;
    *p = (struct pattern){.text = n->text, .count = 1};
    if (strlen(n->text) > MAX_TEXT / 2) return lt_yaml_fail(e, n, "more than %d characters", MAX_TEXT / 2);
    for (const char *at = n->text; (at = strchr(at, '{')); at += len) {
        len = 0;
        if (sscanf(at, "{%4d..%4d}%n", &from, &to, &len) != 2 || !len || from < 0 || to < from || to - from > 999)
            return lt_yaml_fail(e, n, "'%.20s' is no range like {0..4}", at);
        if (p->n == MAX_RANGES) return lt_yaml_fail(e, n, "more than %d ranges", MAX_RANGES);
        p->range[p->n].start = (size_t)(at - n->text);
        p->range[p->n].len = (size_t)len;
        p->range[p->n].from = from;
        p->range[p->n++].to = to;
        p->count *= to - from + 1;
        if (p->count > LT_MAX_COLUMNS) return lt_yaml_fail(e, n, "more than %d names", LT_MAX_COLUMNS);
    }
    return LT_OK;
}

/* The k-th name. */
static void pattern_at(const struct pattern *p, int k, char out[MAX_TEXT]) {
    int digit[MAX_RANGES] = {0};
    size_t at = 0, len = 0;

    for (int i = p->n - 1; i >= 0; i--) {
        int width = p->range[i].to - p->range[i].from + 1;

        digit[i] = p->range[i].from + k % width;
        k /= width;
    }
    for (int i = 0; i < p->n; i++) {
        len += (size_t)snprintf(out + len, MAX_TEXT - len, "%.*s%d", (int)(p->range[i].start - at), p->text + at,
                                digit[i]);
        at = p->range[i].start + p->range[i].len;
    }
    snprintf(out + len, MAX_TEXT - len, "%s", p->text + at);
}

static lt_status find_gene(const struct lt_space *s, const struct lt_yaml *n, const char *name, int *gene,
                           struct lt_err *e) {
    const char *names[LT_MAX_GENES + 1] = {NULL}, *near;

    if ((*gene = lt_space_find_gene(s, name)) >= 0) return LT_OK;
    for (int i = 0; i < s->n_genes; i++) names[i] = s->gene[i].name;
    near = lt_nearest(name, names);
    return lt_yaml_fail(e, n, "there is no choice '%s'%s%s%s", name, near ? ", did you mean '" : "", near ? near : "",
                        near ? "'" : "");
}

/* What cells say: the gene's labels, or `values: [one for each choice]`. */
static lt_status read_cells(struct lt_space *s, const struct lt_yaml *values, struct lt_column *c, struct lt_err *e) {
    const struct lt_gene *g = &s->gene[c->gene[0]];
    const char **cell = lt_arena_alloc(s->arena, (size_t)g->n_choices * sizeof(*cell));
    lt_status st;

    if (!cell) return no_memory(s, e);
    if (values && (st = lt_yaml_expect(values, LT_YAML_SEQ, e))) return st;
    if (values && values->n != g->n_choices)
        return lt_yaml_fail(e, values, "%d values for the %d choices of '%s'", values->n, g->n_choices, g->name);
    for (int k = 0; k < g->n_choices; k++) {
        if (values && (st = lt_yaml_expect(values->child[k], LT_YAML_SCALAR, e))) return st;
        if (!(cell[k] = lt_arena_strdup(s->arena, values ? values->child[k]->text : g->label[k])))
            return no_memory(s, e);
    }
    c->cell = cell;
    return LT_OK;
}

static lt_status add_column(struct lt_space *s, struct lt_table *t, const struct lt_yaml *n, const char *name,
                            struct lt_column **out, struct lt_err *e) {
    if (t->n == LT_MAX_COLUMNS) return lt_yaml_fail(e, n, "more than %d columns", LT_MAX_COLUMNS);
    for (int i = 0; i < t->n; i++) {
        if (!strcmp(t->column[i].name, name)) return lt_yaml_fail(e, n, "two columns are called '%s'", name);
    }
    *out = &t->column[t->n];
    if (!((*out)->name = lt_arena_strdup(s->arena, name))) return no_memory(s, e);
    t->n++;
    return LT_OK;
}

static lt_status read_genes(struct lt_space *s, struct lt_table *t, const struct lt_yaml *map,
                            const struct pattern *columns, struct lt_err *e) {
    const struct lt_yaml *n = lt_yaml_get(map, "gene");
    struct pattern genes;
    char name[MAX_TEXT];
    lt_status st;

    if ((st = read_pattern(n, &genes, e))) return st;
    if (genes.count != columns->count)
        return lt_yaml_fail(e, n, "%d choices for %d columns", genes.count, columns->count);
    for (int i = 0; i < genes.count; i++) {
        int *gene = lt_arena_alloc(s->arena, sizeof(*gene));
        struct lt_column *c;

        if (!gene) return no_memory(s, e);
        pattern_at(columns, i, name);
        if ((st = add_column(s, t, map, name, &c, e))) return st;
        pattern_at(&genes, i, name);
        c->kind = LT_COLUMN_GENE;
        c->gene = gene;
        c->n_genes = 1;
        if ((st = find_gene(s, n, name, gene, e)) || (st = read_cells(s, lt_yaml_get(map, "values"), c, e))) return st;
    }
    return LT_OK;
}

static bool same_choices(const struct lt_gene *a, const struct lt_gene *b) {
    if (a->n_choices != b->n_choices) return false;
    for (int k = 0; k < a->n_choices; k++) {
        if (a->value[k] != b->value[k]) return false;
    }
    return true;
}

/* Does the choice `by` decide whether `gene` exists? */
static bool decides(const struct lt_space *s, int by, int gene) {
    int n;
    const struct lt_cond *cond = lt_gene_conds(s, gene, &n);

    for (int k = 0; k < n; k++) {
        if (cond[k].gene == by) return true;
    }
    return false;
}

static lt_status read_mean(struct lt_space *s, const struct lt_yaml *map, struct lt_column *c, struct lt_err *e) {
    const struct lt_yaml *n = lt_yaml_get(map, "mean");
    struct pattern genes;
    char name[MAX_TEXT];
    int *gene;
    lt_status st;

    if ((st = read_pattern(n, &genes, e))) return st;
    if (!(gene = lt_arena_alloc(s->arena, (size_t)genes.count * sizeof(*gene)))) return no_memory(s, e);
    c->kind = LT_COLUMN_MEAN;
    c->gene = gene;
    for (; c->n_genes < genes.count; c->n_genes++) {
        pattern_at(&genes, c->n_genes, name);
        if ((st = find_gene(s, n, name, &gene[c->n_genes], e))) return st;
        if (!same_choices(&s->gene[gene[0]], &s->gene[gene[c->n_genes]]))
            return lt_yaml_fail(e, n, "'%s' has other choices than '%s'", name, s->gene[gene[0]].name);
        for (int i = 0; i < c->n_genes; i++) {
            if (decides(s, gene[c->n_genes], gene[i]) || decides(s, gene[i], gene[c->n_genes]))
                return lt_yaml_fail(e, n, "'%s' and '%s' have no mean: one decides whether the other exists",
                                    s->gene[gene[i]].name, name);
        }
    }
    return LT_OK;
}

static lt_status read_text(struct lt_space *s, const struct lt_yaml *n, struct lt_column *c, struct lt_err *e) {
    lt_status st = lt_yaml_expect(n, LT_YAML_SCALAR, e);

    if (st) return st;
    if (!s->ops->text_parse || !s->ops->text_print)
        return lt_yaml_fail(e, n, "a space of %s has no texts", s->ops->name);
    c->kind = LT_COLUMN_TEXT;
    if (!(c->text = lt_arena_strdup(s->arena, n->text))) return no_memory(s, e);
    return LT_OK;
}

/* The same in every row: a part of the architecture that is no choice. */
static lt_status read_fixed(struct lt_space *s, const struct lt_yaml *n, struct lt_column *c, struct lt_err *e) {
    const char **cell = lt_arena_alloc(s->arena, sizeof(*cell));
    lt_status st = lt_yaml_expect(n, LT_YAML_SCALAR, e);

    if (st) return st;
    if (!cell || !(cell[0] = lt_arena_strdup(s->arena, n->text))) return no_memory(s, e);
    c->kind = LT_COLUMN_FIXED;
    c->cell = cell;
    return LT_OK;
}

static lt_status read_entry(struct lt_space *s, struct lt_table *t, const struct lt_yaml *map, struct lt_err *e) {
    static const char *const known[] = {"column", "gene", "values", "mean", "text", "fixed", NULL};
    const struct lt_yaml *n, *gene, *mean, *text, *fixed;
    struct pattern columns;
    struct lt_column *c;
    lt_status st;

    if ((st = lt_yaml_expect(map, LT_YAML_MAP, e)) || (st = lt_yaml_known(map, known, e)) ||
        (st = lt_read_required(map, "column", &n, e)) || (st = read_pattern(n, &columns, e)))
        return st;
    gene = lt_yaml_get(map, "gene");
    mean = lt_yaml_get(map, "mean");
    text = lt_yaml_get(map, "text");
    fixed = lt_yaml_get(map, "fixed");
    if (!!gene + !!mean + !!text + !!fixed != 1)
        return lt_yaml_fail(e, map, "a column is one of `gene`, `mean`, `text` and `fixed`");
    if (gene) return read_genes(s, t, map, &columns, e);
    if (columns.n) return lt_yaml_fail(e, n, "ranges are for columns of genes");
    if ((st = add_column(s, t, n, n->text, &c, e))) return st;
    if (fixed) return read_fixed(s, fixed, c, e);
    return mean ? read_mean(s, map, c, e) : read_text(s, text, c, e);
}

lt_status lt_table_read(struct lt_space *s, const struct lt_yaml *root, struct lt_err *e) {
    const struct lt_yaml *list = lt_yaml_get(root, "table");
    struct lt_table *t;
    lt_status st;

    if (!list) return LT_OK;
    if ((st = lt_yaml_expect(list, LT_YAML_SEQ, e))) return st;
    if (list->n < 1) return lt_yaml_fail(e, list, "a table has at least one column");
    if (!(t = lt_arena_alloc(s->arena, sizeof(*t)))) return no_memory(s, e);
    for (int i = 0; i < list->n; i++) {
        if ((st = read_entry(s, t, list->child[i], e))) return st;
    }
    s->table = t;
    return LT_OK;
}
