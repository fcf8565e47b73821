/*
 * Rows of latency data sets: `table:` says which columns a row has and what each means (docs/space-language.md). A cell
 * is a gene's choice, the mean of a field over the layers that exist, or a text of the body.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "spaces/table.h"

#define MAX_COMPOSITIONS 1000000

int lt_space_n_columns(const struct lt_space *s) { return s->table ? s->table->n : 1; }

const char *lt_space_column(const struct lt_space *s, int i) { return s->table ? s->table->column[i].name : "arch"; }

/* ---- cells ---- */

static lt_status fail_cell(const struct lt_column *c, const char *cell, struct lt_err *e, const char *why) {
    return lt_fail(e, LT_EINVAL, "column %s: '%.60s' %s", c->name, cell, why);
}

/* A cell is the text of a choice, or a number equal to it. */
static bool same_cell(const char *text, const char *cell) {
    char *end_a, *end_b;
    double a, b;

    if (!strcmp(text, cell)) return true;
    a = strtod(text, &end_a);
    b = strtod(cell, &end_b);
    while (isspace((unsigned char)*end_b)) end_b++;
    return end_a != text && !*end_a && end_b != cell && !*end_b && a == b;
}

static lt_status parse_gene(const struct lt_space *s, const struct lt_column *c, const char *cell, struct lt_arch *a,
                            struct lt_err *e) {
    struct lt_buf why = LT_BUF_INIT;
    int n = s->gene[c->gene[0]].n_choices;
    lt_status st;

    for (int k = 0; k < n; k++) {
        if (!same_cell(c->cell[k], cell)) continue;
        a->g[c->gene[0]] = (uint8_t)k;
        return LT_OK;
    }
    lt_buf_puts(&why, "is none of ");
    for (int k = 0; k < n && k < 16; k++) lt_buf_printf(&why, "%s%s", k ? ", " : "", c->cell[k]);
    if (n > 16) lt_buf_puts(&why, ", ...");
    if (!(st = lt_buf_ok(&why, e))) st = fail_cell(c, cell, e, why.data);
    lt_buf_release(&why);
    return st;
}

/* ---- means ---- */

struct composition { /* how many of `left` layers take each choice */
    const double *v;
    int n, tried;
    double sum, slack;
    int count[LT_MAX_CHOICES], best[LT_MAX_CHOICES];
    double best_spread;
};

static void compose(struct composition *p, int k, int left, double sum, double squares) {
    if (++p->tried > MAX_COMPOSITIONS) return;
    if (k == p->n - 1) {
        p->count[k] = left;
        sum += left * p->v[k];
        squares += left * p->v[k] * p->v[k];
        if (fabs(sum - p->sum) > p->slack || squares >= p->best_spread) return;
        p->best_spread = squares;
        memcpy(p->best, p->count, sizeof(p->best));
        return;
    }
    for (int j = 0; j <= left; j++) {
        p->count[k] = j;
        compose(p, k + 1, left - j, sum + j * p->v[k], squares + j * p->v[k] * p->v[k]);
    }
}

/* The most even choices whose mean over the genes that exist is the cell's, smaller ones first. */
static lt_status parse_mean(const struct lt_space *s, const struct lt_column *c, const char *cell, struct lt_arch *a,
                            struct lt_err *e) {
    struct composition p = {
        .v = s->gene[c->gene[0]].value, .n = s->gene[c->gene[0]].n_choices, .best_spread = HUGE_VAL};
    int layers = 0, k = 0;
    char *end;
    double mean = strtod(cell, &end);

    while (isspace((unsigned char)*end)) end++;
    if (end == cell || *end || !isfinite(mean)) return fail_cell(c, cell, e, "is no number");
    for (int i = 0; i < c->n_genes; i++) layers += lt_space_gene_active(s, a, c->gene[i]);
    if (!layers) return LT_OK;
    p.sum = mean * layers;
    p.slack = 1e-6 * (fabs(p.sum) + 1);
    compose(&p, 0, layers, 0, 0);
    if (p.best_spread == HUGE_VAL) {
        char why[96];

        snprintf(why, sizeof(why), "is not the mean of choices of %d layers", layers);
        return fail_cell(c, cell, e, why);
    }
    for (int i = 0; i < c->n_genes; i++) {
        if (!lt_space_gene_active(s, a, c->gene[i])) continue;
        while (!p.best[k]) k++;
        p.best[k]--;
        a->g[c->gene[i]] = (uint8_t)k;
    }
    return LT_OK;
}

static double mean_of(const struct lt_space *s, const struct lt_column *c, const struct lt_arch *a) {
    double sum = 0;
    int n = 0;

    for (int i = 0; i < c->n_genes; i++) {
        if (!lt_space_gene_active(s, a, c->gene[i])) continue;
        sum += s->gene[c->gene[i]].value[a->g[c->gene[i]]];
        n++;
    }
    return n ? sum / n : 0;
}

/* ---- rows ---- */

lt_status lt_space_row_parse(const struct lt_space *s, const char *const *cell, struct lt_arch *out, struct lt_err *e) {
    struct lt_arch a = {.n = s->n_genes};
    lt_status st;

    if (!s->table) return lt_arch_parse(s, cell[0], out, e);
    for (int i = 0; i < s->table->n; i++) {
        const struct lt_column *c = &s->table->column[i];

        if (c->kind == LT_COLUMN_GENE && (st = parse_gene(s, c, cell[i], &a, e))) return st;
        if (c->kind == LT_COLUMN_FIXED && !same_cell(c->cell[0], cell[i]))
            return lt_fail(e, LT_EINVAL, "column %s: '%.60s' is not %s, as it is in the whole space", c->name, cell[i],
                           c->cell[0]);
    }
    for (int i = 0; i < s->table->n; i++) {
        const struct lt_column *c = &s->table->column[i];

        if (c->kind == LT_COLUMN_MEAN && (st = parse_mean(s, c, cell[i], &a, e))) return st;
    }
    for (int i = 0; i < s->table->n; i++) {
        const struct lt_column *c = &s->table->column[i];

        if (c->kind != LT_COLUMN_TEXT) continue;
        if ((st = s->ops->text_parse(s, s->body, c->text, cell[i], &a, e))) return st;
    }
    lt_space_canonical(s, &a);
    *out = a;
    return LT_OK;
}

void lt_space_row(const struct lt_space *s, const struct lt_arch *a, double *out) {
    if (!s->table) out[0] = NAN;
    for (int i = 0; s->table && i < s->table->n; i++) {
        const struct lt_column *c = &s->table->column[i];
        char *end;

        out[i] = NAN;
        if (c->kind == LT_COLUMN_MEAN) out[i] = mean_of(s, c, a);
        if (c->kind == LT_COLUMN_FIXED) {
            double v = strtod(c->cell[0], &end);

            if (end != c->cell[0] && !*end) out[i] = v;
        }
        if (c->kind == LT_COLUMN_GENE) {
            const char *text = c->cell[a->g[c->gene[0]]];
            double v = strtod(text, &end);

            out[i] = end != text && !*end ? v : s->gene[c->gene[0]].value[a->g[c->gene[0]]];
        }
    }
}

/* A CSV cell: quoted where it must be. */
static void put_cell(struct lt_buf *out, const char *text) {
    if (!strpbrk(text, ",\"\r\n")) {
        lt_buf_puts(out, text);
        return;
    }
    lt_buf_puts(out, "\"");
    for (const char *p = text; *p; p++) lt_buf_printf(out, *p == '"' ? "\"\"" : "%c", *p);
    lt_buf_puts(out, "\"");
}

/* The shortest decimal that reads back as v. */
static void put_number(struct lt_buf *out, double v) {
    char text[32];

    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    lt_buf_puts(out, text);
}

lt_status lt_space_row_print(const struct lt_space *s, const struct lt_arch *a, struct lt_buf *out) {
    struct lt_buf text = LT_BUF_INIT;
    lt_status st = LT_OK;

    if (!s->table) lt_arch_print(s, a, &text);
    for (int i = 0; s->table && i < s->table->n && !st; i++) {
        const struct lt_column *c = &s->table->column[i];

        if (i) lt_buf_puts(out, ",");
        if (c->kind == LT_COLUMN_GENE) {
            put_cell(out, c->cell[a->g[c->gene[0]]]);
        } else if (c->kind == LT_COLUMN_FIXED) {
            put_cell(out, c->cell[0]);
        } else if (c->kind == LT_COLUMN_MEAN) {
            put_number(out, mean_of(s, c, a));
        } else {
            lt_buf_clear(&text);
            st = s->ops->text_print(s, s->body, c->text, a, &text, NULL);
            if (text.data) put_cell(out, text.data);
        }
    }
    if (!s->table && text.data) put_cell(out, text.data);
    if (!st) st = text.failed ? LT_ENOMEM : lt_buf_ok(out, NULL);
    lt_buf_release(&text);
    return st;
}
