/*
 * Architectures as one line, and back:
 *   mobile28:r28|w1|s1:c24,k3e4,k5e3|s2:c40,k7e4
 * After the space's name come, each only where it is a choice: named choices (name=label), resolution (r), width (w),
 * the body's items, and the head's channels. There is exactly one text for an architecture. Parse errors name the
 * column and the choices.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "spaces/space_priv.h"

static bool is_own(const struct lt_choice *c) { return c->own && c->gene >= 0; }

void lt_arch_print(const struct lt_space *s, const struct lt_arch *a, struct lt_buf *out) {
    const char *sep = ":";

    lt_buf_puts(out, s->name);
    for (int i = 0; i < s->n_choices; i++) {
        const struct lt_choice *c = s->named[i].c;

        if (!is_own(c) || !lt_space_gene_active(s, a, c->gene)) continue;
        lt_buf_printf(out, "%s%s=%s", sep, s->named[i].name, s->gene[c->gene].label[a->g[c->gene]]);
        sep = "|";
    }
    if (is_own(&s->resolution)) {
        lt_buf_printf(out, "%sr%s", sep, s->gene[s->resolution.gene].label[a->g[s->resolution.gene]]);
        sep = "|";
    }
    if (is_own(&s->width)) {
        lt_buf_printf(out, "%sw%s", sep, s->gene[s->width.gene].label[a->g[s->width.gene]]);
        sep = "|";
    }
    s->ops->print(s, s->body, a, &sep, out);
    lt_head_print(s, a, &sep, out);
}

/* ---- parse ---- */

/* The text, the column (1-based) of where we are, what would be right, and what is there. */
lt_status lt_cursor_fail(const struct lt_cursor *c, const char *wanted) {
    int len = (int)strcspn(c->at, ",|");

    if (len > 24) len = 24;
    return lt_fail(c->e, LT_EINVAL, "architecture '%.400s', column %d: expected %s, found %s%.*s%s", c->text,
                   (int)(c->at - c->text) + 1, wanted, *c->at ? "'" : "the end", *c->at && !len ? 1 : len, c->at,
                   *c->at ? "'" : "");
}

lt_status lt_cursor_expect(struct lt_cursor *c, const char *literal) {
    char wanted[LT_NODE_NAME + 2];
    size_t n = strlen(literal);

    if (!strncmp(c->at, literal, n)) {
        c->at += n;
        return LT_OK;
    }
    snprintf(wanted, sizeof(wanted), "'%s'", literal);
    return lt_cursor_fail(c, wanted);
}

/* Does the label stand at `at`, and does it end there? */
static size_t match(const char *label, const char *at) {
    size_t n = strlen(label);
    unsigned char after;

    if (strncmp(label, at, n)) return 0;
    after = (unsigned char)at[n];
    if (isalpha((unsigned char)label[0])) return isalnum(after) || after == '_' ? 0 : n;
    return isdigit(after) || after == '.' ? 0 : n;
}

lt_status lt_cursor_choice(struct lt_cursor *c, int gene, const char *before, struct lt_arch *a) {
    const struct lt_gene *g = &c->s->gene[gene];
    size_t skip = strlen(before), n, longest = 0;
    struct lt_buf wanted = LT_BUF_INIT;
    lt_status st;

    if (!strncmp(c->at, before, skip)) {
        for (int k = 0; k < g->n_choices; k++) {
            if ((n = match(g->label[k], c->at + skip)) <= longest) continue;
            a->g[gene] = (uint8_t)k;
            longest = n;
        }
    }
    if (longest) {
        c->at += skip + longest;
        return LT_OK;
    }
    lt_buf_printf(&wanted, "%s as ", g->name);
    for (int k = 0; k < g->n_choices && k < 32; k++)
        lt_buf_printf(&wanted, "%s%s%s", !k ? "" : k + 1 < g->n_choices ? ", " : " or ", before, g->label[k]);
    if (g->n_choices > 32) lt_buf_puts(&wanted, ", ...");
    if (!(st = lt_buf_ok(&wanted, c->e))) st = lt_cursor_fail(c, wanted.data);
    lt_buf_release(&wanted);
    return st;
}

static lt_status named_choices(struct lt_cursor *c, const char **sep, struct lt_arch *a) {
    char before[LT_NODE_NAME];
    lt_status st;

    for (int i = 0; i < c->s->n_choices; i++) {
        const struct lt_choice *v = c->s->named[i].c;

        if (!is_own(v) || !lt_space_gene_active(c->s, a, v->gene)) continue;
        snprintf(before, sizeof(before), "%s=", c->s->named[i].name);
        if ((st = lt_cursor_expect(c, *sep)) || (st = lt_cursor_choice(c, v->gene, before, a))) return st;
        *sep = "|";
    }
    return LT_OK;
}

lt_status lt_arch_parse(const struct lt_space *s, const char *text, struct lt_arch *out, struct lt_err *e) {
    struct lt_cursor c = {s, text, text, e};
    struct lt_arch a = {.n = s->n_genes};
    const char *sep = ":";
    lt_status st;

    if ((st = lt_cursor_expect(&c, s->name)) || (st = named_choices(&c, &sep, &a))) return st;
    if (is_own(&s->resolution)) {
        if ((st = lt_cursor_expect(&c, sep)) || (st = lt_cursor_choice(&c, s->resolution.gene, "r", &a))) return st;
        sep = "|";
    }
    if (is_own(&s->width)) {
        if ((st = lt_cursor_expect(&c, sep)) || (st = lt_cursor_choice(&c, s->width.gene, "w", &a))) return st;
        sep = "|";
    }
    if ((st = s->ops->parse(s, s->body, &c, &sep, &a)) || (st = lt_head_parse(&c, &sep, &a))) return st;
    if (*c.at) return lt_cursor_fail(&c, "the end");
    lt_space_canonical(s, &a);
    *out = a;
    return LT_OK;
}
