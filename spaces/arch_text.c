/*
 * Architectures as one line, and back:
 *   mobile28:r28|w1|s1:c24,k3e4,k5e3|s2:c40,k7e4
 * After the space's name come, each only where it is a choice: resolution (r), width (w), and for each stage its
 * channels (c), and either one item a block with the block's letters, or the depth (d) when blocks have no choices. The
 * number of items is the depth. There is exactly one text for an architecture. Parse errors name the column and the
 * choices.
 */
#include <stdio.h>
#include <string.h>
#include "spaces/space_priv.h"

static bool stage_has_genes(const struct lt_stage *t) {
    return t->channels.gene >= 0 || t->depth.gene >= 0 || t->n_block_genes > 0;
}

/* ---- print ---- */

static void put(const struct lt_space *s, const struct lt_arch *a, int gene, const char *before, char letter,
                struct lt_buf *out) {
    lt_buf_printf(out, "%s%c%s", before, letter, s->gene[gene].label[a->g[gene]]);
}

static void print_stage(const struct lt_space *s, const struct lt_stage *t, const struct lt_arch *a,
                        struct lt_buf *out) {
    const char *comma = "";

    if (t->channels.gene >= 0) {
        put(s, a, t->channels.gene, comma, 'c', out);
        comma = ",";
    }
    if (!t->n_block_genes) {
        if (t->depth.gene >= 0) put(s, a, t->depth.gene, comma, 'd', out);
        return;
    }
    for (int b = 0; b < lt_stage_depth(t, a); b++) {
        lt_buf_puts(out, comma);
        comma = ",";
        for (int f = 0; f < t->n_fields; f++) {
            if (t->slot[f] >= 0) put(s, a, lt_block_gene(t, b, f), "", t->block->fields[f].letter, out);
        }
    }
}

void lt_arch_print(const struct lt_space *s, const struct lt_arch *a, struct lt_buf *out) {
    const char *sep = ":";

    lt_buf_puts(out, s->name);
    if (s->resolution.gene >= 0) {
        put(s, a, s->resolution.gene, sep, 'r', out);
        sep = "|";
    }
    if (s->width.gene >= 0) {
        put(s, a, s->width.gene, sep, 'w', out);
        sep = "|";
    }
    for (int i = 0; i < s->n_stages; i++) {
        if (!stage_has_genes(&s->stage[i])) continue;
        lt_buf_printf(out, "%s%s:", sep, s->stage[i].name);
        print_stage(s, &s->stage[i], a, out);
        sep = "|";
    }
    if (s->has_head && s->head.gene >= 0) {
        lt_buf_printf(out, "%shead:", sep);
        put(s, a, s->head.gene, "", 'c', out);
    }
}

/* ---- parse ---- */

struct cursor {
    const struct lt_space *s;
    const char *text, *at;
    struct lt_err *e;
};

/* The text, the column (1-based) of where we are, what would be right, and what is there. */
static lt_status fail(const struct cursor *c, const char *wanted) {
    int len = (int)strcspn(c->at, ",|");

    if (len > 24) len = 24;
    return lt_fail(c->e, LT_EINVAL, "architecture '%.400s', column %d: expected %s, found %s%.*s%s", c->text,
                   (int)(c->at - c->text) + 1, wanted, *c->at ? "'" : "the end", *c->at && !len ? 1 : len, c->at,
                   *c->at ? "'" : "");
}

static lt_status expect(struct cursor *c, const char *literal) {
    char wanted[LT_NODE_NAME + 2];
    size_t n = strlen(literal);

    if (!strncmp(c->at, literal, n)) {
        c->at += n;
        return LT_OK;
    }
    snprintf(wanted, sizeof(wanted), "'%s'", literal);
    return fail(c, wanted);
}

/* "<letter><label>" of a gene's choices. */
static lt_status choice(struct cursor *c, int gene, char letter, struct lt_arch *a) {
    const struct lt_gene *g = &c->s->gene[gene];
    struct lt_buf wanted = LT_BUF_INIT;
    lt_status st;

    if (*c->at == letter) {
        size_t len = strspn(c->at + 1, "0123456789.");

        for (int k = 0; k < g->n_choices; k++) {
            if (strlen(g->label[k]) == len && !memcmp(g->label[k], c->at + 1, len)) {
                a->g[gene] = (uint8_t)k;
                c->at += 1 + len;
                return LT_OK;
            }
        }
    }
    lt_buf_printf(&wanted, "%s as ", g->name);
    for (int k = 0; k < g->n_choices; k++)
        lt_buf_printf(&wanted, "%s%c%s", !k ? "" : k + 1 < g->n_choices ? ", " : " or ", letter, g->label[k]);
    if (!(st = lt_buf_ok(&wanted, c->e))) st = fail(c, wanted.data);
    lt_buf_release(&wanted);
    return st;
}

/* Sets the depth gene to the number of blocks that were listed. */
static lt_status set_depth(struct cursor *c, const struct lt_stage *t, int n, struct lt_arch *a) {
    struct lt_buf wanted = LT_BUF_INIT;
    lt_status st;

    for (int k = 0; k < t->depth.n; k++) {
        if ((int)t->depth.v[k] != n) continue;
        if (t->depth.gene >= 0) a->g[t->depth.gene] = (uint8_t)k;
        return LT_OK;
    }
    lt_buf_printf(&wanted, "stage '%s' with ", t->name);
    for (int k = 0; k < t->depth.n; k++)
        lt_buf_printf(&wanted, "%s%d", !k ? "" : k + 1 < t->depth.n ? ", " : " or ", (int)t->depth.v[k]);
    lt_buf_printf(&wanted, " blocks (%d so far)", n);
    if (!(st = lt_buf_ok(&wanted, c->e))) st = fail(c, wanted.data);
    lt_buf_release(&wanted);
    return st;
}

static lt_status parse_stage(struct cursor *c, const struct lt_stage *t, struct lt_arch *a) {
    bool first = true;
    lt_status st;
    int b = 0;

    if (t->channels.gene >= 0) {
        if ((st = choice(c, t->channels.gene, 'c', a))) return st;
        first = false;
    }
    if (!t->n_block_genes) {
        if (t->depth.gene < 0) return LT_OK;
        if (!first && (st = expect(c, ","))) return st;
        return choice(c, t->depth.gene, 'd', a);
    }
    do {
        if (b == lt_stage_max_depth(t)) return set_depth(c, t, b + 1, a);
        if (!first && (st = expect(c, ","))) return st;
        first = false;
        for (int f = 0; f < t->n_fields; f++) {
            if (t->slot[f] >= 0 && (st = choice(c, lt_block_gene(t, b, f), t->block->fields[f].letter, a))) return st;
        }
        b++;
    } while (*c->at == ',');
    return set_depth(c, t, b, a);
}

lt_status lt_arch_parse(const struct lt_space *s, const char *text, struct lt_arch *out, struct lt_err *e) {
    struct cursor c = {s, text, text, e};
    struct lt_arch a = {.n = s->n_genes};
    const char *sep = ":";
    lt_status st;

    if ((st = expect(&c, s->name))) return st;
    if (s->resolution.gene >= 0) {
        if ((st = expect(&c, sep)) || (st = choice(&c, s->resolution.gene, 'r', &a))) return st;
        sep = "|";
    }
    if (s->width.gene >= 0) {
        if ((st = expect(&c, sep)) || (st = choice(&c, s->width.gene, 'w', &a))) return st;
        sep = "|";
    }
    for (int i = 0; i < s->n_stages; i++) {
        if (!stage_has_genes(&s->stage[i])) continue;
        if ((st = expect(&c, sep)) || (st = expect(&c, s->stage[i].name)) || (st = expect(&c, ":")) ||
            (st = parse_stage(&c, &s->stage[i], &a)))
            return st;
        sep = "|";
    }
    if (s->has_head && s->head.gene >= 0) {
        if ((st = expect(&c, sep)) || (st = expect(&c, "head:")) || (st = choice(&c, s->head.gene, 'c', &a))) return st;
    }
    if (*c.at) return fail(&c, "the end");
    lt_space_canonical(s, &a);
    *out = a;
    return LT_OK;
}
