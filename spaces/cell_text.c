/*
 * Cells as text, and back. One notation for all kinds, that of NAS-Bench-201 (Dong & Yang, ICLR 2020): nodes in order,
 * joined by '+', each a list of its edges |operation~from|operation~from|.
 *   nasbench201:|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|
 *   darts:normal:|sep_conv_3x3~0|sep_conv_3x3~1|+|...|;reduce:|max_pool_3x3~0|...|
 * Spaces of `keep` cells read the notation of DARTS (Liu et al., ICLR 2019) too:
 *   darts:Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=[...], ...)
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "spaces/cell.h"
#include "spaces/table.h"

/* A tie is printed where the choice was made. */
static int own_gene(const struct lt_choice *c) { return c->own ? c->gene : -1; }

static int channels_gene(const struct cell_entry *t) { return t->has_channels ? own_gene(&t->channels) : -1; }

static int varied_kinds(const struct cell_space *c) {
    int n = 0;

    for (int i = 0; i < c->n_kinds; i++) n += c->kind[i].n_genes > 0;
    return n;
}

/* ---- print ---- */

static void print_kind(const struct cell_space *c, const struct cell_kind *k, const struct lt_arch *a,
                       struct lt_buf *out) {
    struct cell_plan p;

    cell_resolve(k, a, &p);
    for (int to = k->n_inputs; to < k->n_nodes; to++) {
        lt_buf_puts(out, to > k->n_inputs ? "+|" : "|");
        for (int i = 0; i < p.n[to]; i++)
            lt_buf_printf(out, "%s~%d|", c->op[p.link[to][i].op].name, p.link[to][i].from);
    }
}

static void print_choice(const struct lt_space *s, const char *letter, int gene, const struct lt_arch *a,
                         const char **comma, struct lt_buf *out) {
    if (gene < 0) return;
    lt_buf_printf(out, "%s%s%s", *comma, letter, lt_space_gene(s, gene)->label[a->g[gene]]);
    *comma = ",";
}

void cell_print(const struct lt_space *s, const void *body, const struct lt_arch *a, const char **sep,
                struct lt_buf *out) {
    const struct cell_space *c = body;

    for (int i = 0; i < c->n_entries; i++) {
        const struct cell_entry *t = &c->entry[i];
        const char *comma = "";

        if (channels_gene(t) < 0 && own_gene(&t->repeat) < 0) continue;
        lt_buf_printf(out, "%s%s:", *sep, t->name);
        print_choice(s, "c", channels_gene(t), a, &comma, out);
        print_choice(s, "d", own_gene(&t->repeat), a, &comma, out);
        *sep = ";";
    }
    for (int i = 0; i < c->n_kinds; i++) {
        if (!c->kind[i].n_genes) continue;
        lt_buf_puts(out, *sep);
        if (varied_kinds(c) > 1) lt_buf_printf(out, "%s:", c->kind[i].name);
        print_kind(c, &c->kind[i], a, out);
        *sep = ";";
    }
    if (**sep == ';') *sep = "|";
}

/* ---- parse ---- */

/* One of op[0..n), by name; *choice is its place in op. */
static lt_status read_op(const struct cell_space *c, const int *op, int n, const char *end, struct lt_cursor *at,
                         int *choice) {
    size_t len = strcspn(at->at, end);
    struct lt_buf wanted = LT_BUF_INIT;
    lt_status st;

    for (int i = 0; i < n; i++) {
        if (strlen(c->op[op[i]].name) == len && !memcmp(c->op[op[i]].name, at->at, len)) {
            at->at += len;
            *choice = i;
            return LT_OK;
        }
    }
    for (int i = 0; i < n; i++) lt_buf_printf(&wanted, "%s%s", !i ? "" : i + 1 < n ? ", " : " or ", c->op[op[i]].name);
    if (!(st = lt_buf_ok(&wanted, at->e))) st = lt_cursor_fail(at, wanted.data);
    lt_buf_release(&wanted);
    return st;
}

static lt_status read_number(struct lt_cursor *at, int min, int max, const char *what, int *out) {
    char wanted[64];
    int v = 0;
    size_t len = strspn(at->at, "0123456789");

    if (len >= 1 && len <= 3) {
        for (size_t i = 0; i < len; i++) v = v * 10 + (at->at[i] - '0');
        if (v >= min && v <= max && (len == 1 || at->at[0] != '0')) {
            at->at += len;
            *out = v;
            return LT_OK;
        }
    }
    snprintf(wanted, sizeof(wanted), "%s %d..%d", what, min, max);
    return lt_cursor_fail(at, wanted);
}

/* What keep-cells have chosen: input and operation, in ascending order of inputs. */
static void set_links(const struct cell_kind *k, int to, const int *from, const int *choice, struct lt_arch *a) {
    if (k->set_gene[to] >= 0) a->g[k->set_gene[to]] = (uint8_t)cell_set_index(to, k->keep, from);
    for (int j = 0; j < k->keep; j++) {
        if (k->op_gene[to][j] >= 0) a->g[k->op_gene[to][j]] = (uint8_t)choice[j];
    }
}

static lt_status parse_kept(const struct cell_space *c, const struct cell_kind *k, int to, struct lt_cursor *at,
                            struct lt_arch *a) {
    int from[CELL_MAX_INPUTS], choice[CELL_MAX_INPUTS];
    lt_status st;

    for (int j = 0; j < k->keep; j++) {
        if ((st = read_op(c, k->op, k->n_ops, "~|+,", at, &choice[j])) || (st = lt_cursor_expect(at, "~")) ||
            (st = read_number(at, j ? from[j - 1] + 1 : 0, to - k->keep + j, "a node in ascending order,", &from[j])) ||
            (st = lt_cursor_expect(at, "|")))
            return st;
    }
    set_links(k, to, from, choice, a);
    return LT_OK;
}

static lt_status parse_kind(const struct cell_space *c, const struct cell_kind *k, struct lt_cursor *at,
                            struct lt_arch *a) {
    char wanted[16];
    int choice;
    lt_status st;

    for (int to = k->n_inputs, i = 0; to < k->n_nodes; to++) {
        if ((st = lt_cursor_expect(at, to > k->n_inputs ? "+|" : "|"))) return st;
        if (k->keep && (st = parse_kept(c, k, to, at, a))) return st;
        for (; i < k->n_edges && k->edge[i].to == to; i++) {
            const struct cell_edge *edge = &k->edge[i];

            snprintf(wanted, sizeof(wanted), "~%d|", edge->from);
            if ((st = read_op(c, edge->op, edge->n_ops, "~|+,", at, &choice)) || (st = lt_cursor_expect(at, wanted)))
                return st;
            if (edge->gene >= 0) a->g[edge->gene] = (uint8_t)choice;
        }
    }
    return LT_OK;
}

/* ---- the notation of DARTS ---- */

static void blanks(struct lt_cursor *at) { at->at += strspn(at->at, " "); }

static lt_status token(struct lt_cursor *at, const char *literal) {
    blanks(at);
    return lt_cursor_expect(at, literal);
}

static lt_status quoted_op(const struct cell_space *c, const struct cell_kind *k, struct lt_cursor *at, int *choice) {
    char quote[2] = {0};
    lt_status st;

    blanks(at);
    if (*at->at != '\'' && *at->at != '"') return lt_cursor_fail(at, "an operation's name in quotes");
    quote[0] = *at->at++;
    if ((st = read_op(c, k->op, k->n_ops, quote, at, choice))) return st;
    return lt_cursor_expect(at, quote);
}

/* [('sep_conv_3x3', 0), ('skip_connect', 1), ...]: `keep` pairs for each node, in any order of inputs. */
static lt_status genotype_kind(const struct cell_space *c, const struct cell_kind *k, struct lt_cursor *at,
                               struct lt_arch *a) {
    int from[CELL_MAX_INPUTS], choice[CELL_MAX_INPUTS];
    lt_status st = token(at, "[");

    for (int to = k->n_inputs; !st && to < k->n_nodes; to++) {
        for (int n = 0; !st && n < k->keep; n++) {
            int f = 0, o = 0, j = n;

            if (((to > k->n_inputs || n) && (st = token(at, ","))) || (st = token(at, "(")) ||
                (st = quoted_op(c, k, at, &o)) || (st = token(at, ",")))
                return st;
            blanks(at);
            if ((st = read_number(at, 0, to - 1, "a node", &f))) return st;
            for (int i = 0; i < n; i++) {
                if (from[i] == f) return lt_cursor_fail(at, "another input (this one is there already)");
            }
            for (; j > 0 && from[j - 1] > f; j--) {
                from[j] = from[j - 1];
                choice[j] = choice[j - 1];
            }
            from[j] = f;
            choice[j] = o;
            st = token(at, ")");
        }
        if (!st) set_links(k, to, from, choice, a);
    }
    return st ? st : token(at, "]");
}

/* "range(2, 6)" or "[2, 3, 4, 5]": the cell's own nodes, all of them. */
static lt_status genotype_concat(const struct cell_kind *k, struct lt_cursor *at) {
    char range[2][32];
    lt_status st;

    blanks(at);
    snprintf(range[0], sizeof(range[0]), "range(%d, %d)", k->n_inputs, k->n_nodes);
    snprintf(range[1], sizeof(range[1]), "range(%d,%d)", k->n_inputs, k->n_nodes);
    for (int i = 0; i < 2; i++) {
        if (strncmp(at->at, range[i], strlen(range[i]))) continue;
        at->at += strlen(range[i]);
        return LT_OK;
    }
    if (*at->at != '[') return lt_cursor_fail(at, range[0]);
    at->at++;
    for (int i = k->n_inputs; i < k->n_nodes; i++) {
        int v;

        if (i > k->n_inputs && (st = token(at, ","))) return st;
        blanks(at);
        if ((st = read_number(at, i, i, "all of the cell's own nodes, here", &v))) return st;
    }
    return token(at, "]");
}

static lt_status parse_genotype(const struct cell_space *c, struct lt_cursor *at, struct lt_arch *a) {
    lt_status st = lt_cursor_expect(at, "Genotype(");

    for (int i = 0, first = 1; !st && i < c->n_kinds; i++) {
        const struct cell_kind *k = &c->kind[i];

        if (!k->n_genes) continue;
        if (!k->keep) return lt_cursor_fail(at, "the space's own notation; a Genotype holds cells that keep inputs");
        if ((!first && (st = token(at, ","))) || (st = token(at, k->name)) || (st = token(at, "=")) ||
            (st = genotype_kind(c, k, at, a)) || (st = token(at, ",")) || (st = token(at, k->name)) ||
            (st = lt_cursor_expect(at, "_concat")) || (st = token(at, "=")) || (st = genotype_concat(k, at)))
            return st;
        first = 0;
    }
    return st ? st : token(at, ")");
}

/* ---- of a whole body ---- */

lt_status cell_parse(const struct lt_space *s, const void *body, struct lt_cursor *at, const char **sep,
                     struct lt_arch *a) {
    const struct cell_space *c = body;
    lt_status st = LT_OK;

    (void)s;
    for (int i = 0; i < c->n_entries; i++) {
        const struct cell_entry *t = &c->entry[i];
        bool both = channels_gene(t) >= 0 && own_gene(&t->repeat) >= 0;

        if (channels_gene(t) < 0 && own_gene(&t->repeat) < 0) continue;
        if ((st = lt_cursor_expect(at, *sep)) || (st = lt_cursor_expect(at, t->name)) ||
            (st = lt_cursor_expect(at, ":")) ||
            (channels_gene(t) >= 0 && (st = lt_cursor_choice(at, channels_gene(t), "c", a))) ||
            (own_gene(&t->repeat) >= 0 && (st = lt_cursor_choice(at, own_gene(&t->repeat), both ? ",d" : "d", a))))
            return st;
        *sep = ";";
    }
    for (int i = 0; i < c->n_kinds; i++) {
        if (!c->kind[i].n_genes) continue;
        if ((st = lt_cursor_expect(at, *sep))) return st;
        *sep = ";";
        if (!strncmp(at->at, "Genotype(", 9)) {
            st = parse_genotype(c, at, a);
            break;
        }
        if (varied_kinds(c) > 1 && ((st = lt_cursor_expect(at, c->kind[i].name)) || (st = lt_cursor_expect(at, ":"))))
            return st;
        if ((st = parse_kind(c, &c->kind[i], at, a))) return st;
    }
    if (**sep == ';') *sep = "|";
    return st;
}

/* ---- text cells of latency tables: the choices of one kind of cell, by its name ---- */

static const struct cell_kind *text_kind(const struct lt_space *s, const struct cell_space *c, const char *name,
                                         struct lt_err *e) {
    const char *names[CELL_MAX_KINDS + 1] = {NULL}, *near;
    int n = 0;

    for (int i = 0; i < c->n_kinds; i++) {
        if (!c->kind[i].n_genes) continue;
        if (!strcmp(c->kind[i].name, name)) return &c->kind[i];
        names[n++] = c->kind[i].name;
    }
    near = lt_nearest(name, names);
    lt_fail(e, LT_EINVAL, "space '%s': there is no text '%s'%s%s%s; a text is a cell with choices", s->name, name,
            near ? ", did you mean '" : "", near ? near : "", near ? "'" : "");
    return NULL;
}

lt_status cell_text_print(const struct lt_space *s, const void *body, const char *name, const struct lt_arch *a,
                          struct lt_buf *out, struct lt_err *e) {
    const struct cell_kind *k = text_kind(s, body, name, e);

    if (!k) return LT_EINVAL;
    print_kind(body, k, a, out);
    return LT_OK;
}

/* Is the gene in a column of its own? */
static bool in_column(const struct lt_space *s, int gene) {
    for (int i = 0; s->table && i < s->table->n; i++) {
        const struct lt_column *c = &s->table->column[i];

        if (c->kind == LT_COLUMN_GENE && c->gene[0] == gene) return true;
    }
    return false;
}

/* What other columns have said must not be contradicted. */
lt_status cell_text_parse(const struct lt_space *s, const void *body, const char *name, const char *cell,
                          struct lt_arch *a, struct lt_err *e) {
    const struct cell_kind *k = text_kind(s, body, name, e);
    struct lt_cursor at = {s, cell, cell, e};
    struct lt_arch found = *a;
    lt_status st;

    if (!k) return LT_EINVAL;
    if ((st = parse_kind(body, k, &at, &found))) return st;
    if (*at.at) return lt_cursor_fail(&at, "the end");
    for (int i = 0; i < k->n_genes; i++) {
        const struct lt_gene *g = &s->gene[k->gene[i]];

        if (found.g[k->gene[i]] != a->g[k->gene[i]] && in_column(s, k->gene[i]))
            return lt_fail(e, LT_EINVAL, "cell '%s' has %s on %s, but its own column says %s", cell,
                           g->label[found.g[k->gene[i]]], g->name, g->label[a->g[k->gene[i]]]);
    }
    *a = found;
    return LT_OK;
}
