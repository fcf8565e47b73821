/* Reads values (value.h): every number with its range, every list as a choice, with the place in messages. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "spaces/space_priv.h"

#define MAX_COMBINATIONS 4096

void lt_value_print(double v, char buf[32]) { snprintf(buf, 32, "%.6g", v); }

static lt_status no_memory(const struct lt_yaml *n, struct lt_err *e) {
    return lt_fail(e, LT_ENOMEM, "%s: out of memory", n->file);
}

void lt_value_const(struct lt_choice *out, struct lt_arena *a, double v, const struct lt_yaml *at) {
    double *p = lt_arena_alloc(a, sizeof(*p));

    if (p) *p = v;
    *out = (struct lt_choice){.n = 1, .v = p, .gene = -1};
    if (at) out->file = at->file, out->line = at->line, out->col = at->col;
}

double lt_choice_value(const struct lt_space *s, const struct lt_choice *c, const struct lt_arch *a) {
    if (c->expr) return lt_expr_eval(c->expr, s, a);
    if (c->gene < 0) return c->v[0];
    if (c->conditional && !lt_space_gene_active(s, a, c->gene)) return c->otherwise;
    return c->v[a->g[c->gene]];
}

double lt_choice_max(const struct lt_choice *c) {
    double max = c->v[0];

    for (int i = 1; i < c->n; i++) max = c->v[i] > max ? c->v[i] : max;
    return c->conditional && c->otherwise > max ? c->otherwise : max;
}

static void add_once(int gene, int *list, int *n) {
    for (int i = 0; i < *n; i++) {
        if (list[i] == gene) return;
    }
    list[(*n)++] = gene;
}

void lt_choice_genes(const struct lt_space *s, const struct lt_choice *c, int *gene, int *n) {
    const struct lt_cond *cond;
    int k;

    if (c->expr) {
        lt_expr_genes(s, c->expr, gene, n);
        return;
    }
    if (c->gene < 0) return;
    add_once(c->gene, gene, n);
    if (!c->conditional) return;
    cond = lt_gene_conds(s, c->gene, &k);
    for (int i = 0; i < k; i++) add_once(cond[i].gene, gene, n);
}

/* ---- one number ---- */

static bool is_number(const char *text) {
    char *end;

    strtod(text, &end);
    while (isspace((unsigned char)*end)) end++;
    return end != text && !*end;
}

static bool is_expression(const struct lt_yaml *n) {
    return n->kind == LT_YAML_SCALAR && !is_number(n->text) &&
           (isalpha((unsigned char)n->text[0]) || n->text[0] == '(' || n->text[0] == '-' ||
            isdigit((unsigned char)n->text[0]));
}

static lt_status check_range(const struct lt_yaml *n, const struct lt_rule *r, double v, struct lt_err *e) {
    char text[32];

    lt_value_print(v, text);
    if (!(v >= r->min && v <= r->max))
        return lt_yaml_fail(e, n, "the value %s is outside %.6g..%.6g", text, r->min, r->max);
    if (r->whole && v != floor(v)) return lt_yaml_fail(e, n, "the value %s is no whole number", text);
    if (r->odd && fmod(v, 2) == 0) return lt_yaml_fail(e, n, "%s is even; a kernel must be odd", text);
    return LT_OK;
}

static lt_status read_number(const struct lt_yaml *n, const struct lt_rule *r, double *out, struct lt_err *e) {
    char text[32];
    int64_t whole;
    lt_status s;
    double v;
    int k;

    if (r->names) {
        if ((s = lt_yaml_pick(n, n->key ? n->key : "value", r->names, &k, e))) return s;
        *out = k;
        return LT_OK;
    }
    if (r->whole) {
        if ((s = lt_yaml_int(n, (int64_t)r->min, (int64_t)r->max, &whole, e))) return s;
        if (r->odd && whole % 2 == 0) return lt_yaml_fail(e, n, "%d is even; a kernel must be odd", (int)whole);
        *out = (double)whole;
        return LT_OK;
    }
    if ((s = lt_yaml_double(n, "", r->min, r->max, &v, e))) return s;
    lt_value_print(v, text);
    /* Labels in arch strings must give back the very number. */
    if (strchr(text, 'e') || strtod(text, NULL) != v)
        return lt_yaml_fail(e, n, "%s has more than 6 significant digits", n->text);
    *out = v;
    return LT_OK;
}

/* ---- lists ---- */

static lt_status make_gene(const struct lt_scope *sc, const struct lt_yaml *n, const char *key, const struct lt_rule *r,
                           struct lt_choice *c, struct lt_err *e) {
    const char *label[LT_MAX_CHOICES];
    struct lt_gene_spec spec = {
        .n = c->n, .value = c->v, .n_conds = sc->n_conds, .line = n->line, .col = n->col, .file = n->file};
    char name[LT_NODE_NAME];

    if (c->n < 2) return LT_OK;
    snprintf(name, sizeof(name), "%s%s%s", sc->prefix ? sc->prefix : "", sc->prefix ? "." : "", key);
    spec.name = name;
    memcpy(spec.cond, sc->cond, sizeof(spec.cond));
    if (r->names) {
        for (int i = 0; i < c->n; i++) label[i] = r->names[(int)c->v[i]];
        spec.label = label;
    }
    c->own = true;
    return lt_space_add_gene(sc->s, &spec, &c->gene, e);
}

static lt_status read_list(const struct lt_scope *sc, const struct lt_yaml *n, const char *key, const struct lt_rule *r,
                           struct lt_choice *out, struct lt_err *e) {
    struct lt_choice c = {.gene = -1, .file = n->file, .line = n->line, .col = n->col};
    double *v;
    lt_status s;

    if (!r->list) return lt_yaml_fail(e, n, "this cannot be a choice; give one value");
    if (n->n < 1) return lt_yaml_fail(e, n, "an empty list is no choice; give at least one value");
    if (n->n > LT_MAX_CHOICES) return lt_yaml_fail(e, n, "%d choices, at most %d are possible", n->n, LT_MAX_CHOICES);
    if (!(v = lt_arena_alloc(sc->s->arena, (size_t)n->n * sizeof(*v)))) return no_memory(n, e);
    for (c.n = 0; c.n < n->n; c.n++) {
        if ((s = read_number(n->child[c.n], r, &v[c.n], e))) return s;
        for (int k = 0; k < c.n; k++) {
            if (r->names && v[k] == v[c.n])
                return lt_yaml_fail(e, n->child[c.n], "'%s' is listed twice", n->child[c.n]->text);
        }
        if (!r->names && c.n && v[c.n] <= v[c.n - 1])
            return lt_yaml_fail(e, n->child[c.n], "%.6g after %.6g: choices must be listed in ascending order", v[c.n],
                                v[c.n - 1]);
    }
    c.v = v;
    if ((s = make_gene(sc, n, key, r, &c, e))) return s;
    *out = c;
    return LT_OK;
}

/* ---- expressions ---- */

/* The next combination of the genes' choices; false after the last. */
static bool next(const struct lt_space *s, const int *gene, int n, struct lt_arch *a) {
    for (int i = 0; i < n; i++) {
        if (++a->g[gene[i]] < s->gene[gene[i]].n_choices) return true;
        a->g[gene[i]] = 0;
    }
    return false;
}

/* One gene: a table of its values. Several: the expression itself, after all combinations have been checked. */
static lt_status read_expression(const struct lt_scope *sc, const struct lt_yaml *n, const struct lt_rule *r,
                                 struct lt_choice *out, struct lt_err *e) {
    struct lt_choice c = {.gene = -1, .exact = true, .file = n->file, .line = n->line, .col = n->col};
    struct lt_space *s = sc->s;
    int gene[LT_MAX_GENES], n_genes = 0, tried = 0;
    struct lt_arch a = {0};
    const struct lt_expr *x;
    lt_status st;
    double *v = NULL;

    if ((st = lt_expr_parse(sc, n, &x, e))) return st;
    lt_expr_genes(s, x, gene, &n_genes);
    a.n = s->n_genes;
    if (n_genes <= 1) {
        c.n = n_genes ? s->gene[gene[0]].n_choices : 1;
        c.gene = n_genes ? gene[0] : -1;
        if (!(c.v = v = lt_arena_alloc(s->arena, (size_t)c.n * sizeof(*v)))) return no_memory(n, e);
        for (int k = 0; k < c.n; k++) {
            if (n_genes) a.g[gene[0]] = (uint8_t)k;
            v[k] = lt_expr_eval(x, s, &a);
            if ((st = check_range(n, r, v[k], e))) return st;
        }
    } else {
        c.expr = x;
        do {
            if ((st = check_range(n, r, lt_expr_eval(x, s, &a), e))) return st;
        } while (++tried < MAX_COMBINATIONS && next(s, gene, n_genes, &a));
    }
    *out = c;
    return LT_OK;
}

/* ---- maps: {choice: [...], when: {...}, else: v} and {tie: name, values: [...]} ---- */

static lt_status read_tie(const struct lt_scope *sc, const struct lt_yaml *map, const struct lt_rule *r,
                          struct lt_choice *out, struct lt_err *e) {
    static const char *const known[] = {"tie", "values", NULL};
    const struct lt_yaml *tie = lt_yaml_get(map, "tie"), *values = lt_yaml_get(map, "values");
    struct lt_choice c;
    lt_status st;
    double *v;

    if ((st = lt_yaml_known(map, known, e)) || (st = lt_yaml_expect(tie, LT_YAML_SCALAR, e))) return st;
    if (!values) return read_expression(sc, tie, r, out, e);
    if ((st = read_expression(sc, tie, &(struct lt_rule){.list = true, .min = -1e300, .max = 1e300}, &c, e))) return st;
    if (c.gene < 0) return lt_yaml_fail(e, tie, "'%s' is not one choice", tie->text);
    if ((st = lt_yaml_expect(values, LT_YAML_SEQ, e))) return st;
    if (values->n != c.n)
        return lt_yaml_fail(e, values, "%d values for the %d choices of '%s'", values->n, c.n, tie->text);
    if (!(v = lt_arena_alloc(sc->s->arena, (size_t)c.n * sizeof(*v)))) return no_memory(map, e);
    for (int k = 0; k < c.n; k++) {
        if ((st = read_number(values->child[k], r, &v[k], e))) return st;
    }
    c.v = v;
    c.exact = false;
    c.file = map->file, c.line = map->line, c.col = map->col;
    *out = c;
    return LT_OK;
}

static lt_status read_when(const struct lt_scope *sc, const struct lt_yaml *map, const char *key,
                           const struct lt_rule *r, struct lt_choice *out, struct lt_err *e) {
    static const char *const known[] = {"choice", "when", "else", "per", NULL};
    const struct lt_yaml *list, *when = lt_yaml_get(map, "when"), *other = lt_yaml_get(map, "else");
    struct lt_scope inner = *sc;
    double v = 0;
    lt_status st;

    if ((st = lt_yaml_known(map, known, e)) || (st = lt_read_required(map, "choice", &list, e)) ||
        (st = lt_yaml_expect(list, LT_YAML_SEQ, e)))
        return st;
    if (other && !when) return lt_yaml_fail(e, other, "'else' is for a choice with 'when'");
    if (when) {
        if (!other) return lt_yaml_fail(e, map, "'else' is missing: the value where the condition does not hold");
        if ((st = lt_when_read(sc->s, when, &inner.n_conds, inner.cond, e)) || (st = read_number(other, r, &v, e)))
            return st;
    }
    if ((st = read_list(&inner, list, key, r, out, e))) return st;
    out->conditional = when != NULL;
    out->otherwise = v;
    return LT_OK;
}

lt_status lt_value_read(const struct lt_scope *sc, const struct lt_yaml *n, const char *key, const struct lt_rule *r,
                        struct lt_choice *out, struct lt_err *e) {
    double v;
    lt_status st;

    if (n->kind == LT_YAML_SEQ) return read_list(sc, n, key, r, out, e);
    if (n->kind == LT_YAML_MAP && r->list && lt_yaml_get(n, "tie")) return read_tie(sc, n, r, out, e);
    if (n->kind == LT_YAML_MAP && r->list) return read_when(sc, n, key, r, out, e);
    if (is_expression(n) && r->list && !r->names) return read_expression(sc, n, r, out, e);
    if ((st = read_number(n, r, &v, e))) return st;
    lt_value_const(out, sc->s->arena, v, n);
    return out->v ? LT_OK : no_memory(n, e);
}

/* ---- conditions ---- */

static lt_status add_values(struct lt_cond *cond, const struct lt_gene *g, const struct lt_yaml *n, struct lt_err *e) {
    const char *names[LT_MAX_CHOICES + 1] = {NULL};
    lt_status st;
    int k;

    if (n->kind == LT_YAML_SEQ) {
        if (n->n < 1) return lt_yaml_fail(e, n, "an empty list is no condition");
        for (int i = 0; i < n->n; i++) {
            if ((st = add_values(cond, g, n->child[i], e))) return st;
        }
        return LT_OK;
    }
    for (int i = 0; i < g->n_choices; i++) names[i] = g->label[i];
    if ((st = lt_yaml_pick(n, "choice", names, &k, e))) return st;
    lt_cond_add(cond, k);
    return LT_OK;
}

lt_status lt_when_read(struct lt_space *s, const struct lt_yaml *when, int *n_conds, struct lt_cond *cond,
                       struct lt_err *e) {
    lt_status st = lt_yaml_expect(when, LT_YAML_MAP, e);

    if (st) return st;
    if (when->n < 1) return lt_yaml_fail(e, when, "an empty condition; give {name: value}");
    for (int i = 0; i < when->n; i++) {
        const struct lt_yaml *n = when->child[i];
        const struct lt_named *by = lt_space_named(s, n->key);
        int gene = by ? by->c->gene : lt_space_find_gene(s, n->key);

        if (gene < 0) {
            const char *names[LT_MAX_GENES + 1] = {NULL}, *near;

            if (by || lt_space_comes_later(s, n->key))
                return lt_fail(e, LT_EINVAL, "%s:%d:%d: when: '%s' is %s", n->file, n->key_line, n->key_col, n->key,
                               by ? "not a choice" : "chosen later; a condition can only look back");
            for (int g = 0; g < s->n_genes; g++) names[g] = s->gene[g].name;
            near = lt_nearest(n->key, names);
            return lt_fail(e, LT_EINVAL, "%s:%d:%d: when: there is no choice '%s'%s%s%s", n->file, n->key_line,
                           n->key_col, n->key, near ? ", did you mean '" : "", near ? near : "", near ? "'" : "");
        }
        if (by && by->used) *by->used = true;
        if (*n_conds == LT_MAX_CONDS) return lt_yaml_fail(e, when, "more than %d conditions together", LT_MAX_CONDS);
        cond[*n_conds] = (struct lt_cond){.gene = gene};
        if ((st = add_values(&cond[*n_conds], &s->gene[gene], n, e))) return st;
        (*n_conds)++;
    }
    return LT_OK;
}

/* ---- channels ---- */

static const struct lt_rule channels_rule = {.whole = true, .list = true, .min = 1, .max = 16384};

/* Two channel counts that are rounded to the same number at every width would be one network under two names. */
static lt_status check_rounding(const struct lt_space *s, const struct lt_yaml *n, const struct lt_choice *c,
                                struct lt_err *e) {
    if (n->kind != LT_YAML_SEQ || c->exact || s->width.expr) return LT_OK;
    for (int k = 1; k < c->n; k++) {
        bool same = true;

        for (int w = 0; w < s->width.n && same; w++)
            same = lt_make_divisible(c->v[k - 1] * s->width.v[w], s->divisor) ==
                   lt_make_divisible(c->v[k] * s->width.v[w], s->divisor);
        if (same)
            return lt_yaml_fail(e, n->child[k], "%d and %d channels are both rounded to %d (divisor: %d)",
                                (int)c->v[k - 1], (int)c->v[k],
                                lt_make_divisible(c->v[k] * s->width.v[s->width.n - 1], s->divisor), s->divisor);
    }
    return LT_OK;
}

lt_status lt_channels_read(const struct lt_scope *sc, const struct lt_yaml *n, struct lt_choice *out,
                           struct lt_err *e) {
    lt_status st = lt_value_read(sc, n, "channels", &channels_rule, out, e);

    return st ? st : check_rounding(sc->s, n, out, e);
}

void lt_choice_hash(const struct lt_space *s, struct lt_buf *b, const struct lt_choice *c) {
    if (c->expr) lt_buf_puts(b, lt_expr_text(c->expr));
    for (int i = 0; i < c->n; i++) lt_buf_printf(b, "%s%.17g", i ? "," : "", c->v[i]);
    if (c->gene >= 0 && !c->own) lt_buf_printf(b, "@%s", s->gene[c->gene].name);
    if (c->conditional) lt_buf_printf(b, "else %.17g", c->otherwise);
    if (c->exact) lt_buf_puts(b, "!");
    lt_buf_puts(b, ";");
}
