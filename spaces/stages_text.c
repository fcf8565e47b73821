/*
 * The stages of an architecture string: "s1:c24,k3e4,k5e3". For each stage with a choice: its channels (c), the choices
 * that all its blocks share, and either one item a block, whose number is the depth, or the depth (d). An item is the
 * letters and labels of the genes that exist; a label that is a word ends with '-' before more; '-' alone where a block
 * has none.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "spaces/stages.h"

static bool has_genes(const struct lt_stage *t) {
    return t->channels.own || t->depth.own || t->item.n > 0 || t->site_items;
}

/* Does the gene exist in a block that exists? While a text is read the depth is not yet known. */
static bool shown(const struct lt_space *s, const struct lt_stage *t, int gene, const struct lt_arch *a) {
    const struct lt_cond *c;
    int n;

    c = lt_gene_conds(s, gene, &n);
    for (int i = 0; i < n; i++) {
        if (c[i].gene != t->depth.gene && !lt_cond_has(&c[i], a->g[c[i].gene])) return false;
    }
    return true;
}

static bool is_word(const char *label) { return isalpha((unsigned char)label[0]); }

/* ---- print ---- */

static void put(const struct lt_space *s, const struct lt_arch *a, int gene, const char *before, char letter,
                struct lt_buf *out) {
    lt_buf_printf(out, "%s%c%s", before, letter, s->gene[gene].label[a->g[gene]]);
}

static void print_item(const struct lt_space *s, const struct lt_stage *t, const struct lt_item *item,
                       const struct lt_arch *a, struct lt_buf *out) {
    const char *dash = "";
    bool any = false;

    for (int i = 0; i < item->n; i++) {
        int gene = item->part[i].gene;
        const char *label = s->gene[gene].label[a->g[gene]];

        if (!shown(s, t, gene, a)) continue;
        lt_buf_puts(out, dash);
        if (item->part[i].letter) lt_buf_printf(out, "%c", item->part[i].letter);
        lt_buf_puts(out, label);
        dash = is_word(label) ? "-" : "";
        any = true;
    }
    if (!any) lt_buf_puts(out, "-");
}

static void print_stage(const struct lt_space *s, const struct lt_stage *t, const struct lt_arch *a,
                        struct lt_buf *out) {
    int depth = (int)lt_choice_value(s, &t->depth, a);
    const char *comma = "";

    if (t->channels.own) {
        put(s, a, t->channels.gene, comma, 'c', out);
        comma = ",";
    }
    if (t->item.n) {
        lt_buf_puts(out, comma);
        print_item(s, t, &t->item, a, out);
        comma = ",";
    }
    if (!t->site_items && t->depth.own) put(s, a, t->depth.gene, comma, 'd', out);
    for (int b = 0; t->site_items && b < depth; b++) {
        lt_buf_puts(out, comma);
        comma = ",";
        print_item(s, t, &t->site[b].item, a, out);
    }
}

void lt_stages_print(const struct lt_space *s, const void *body, const struct lt_arch *a, const char **sep,
                     struct lt_buf *out) {
    const struct lt_stages *all = body;

    for (int i = 0; i < all->n; i++) {
        const struct lt_stage *t = &all->stage[i];

        if (!has_genes(t) || !lt_stage_exists(s, t, a)) continue;
        lt_buf_printf(out, "%s%s:", *sep, t->name);
        print_stage(s, t, a, out);
        *sep = "|";
    }
}

/* ---- parse ---- */

static lt_status parse_item(struct lt_cursor *c, const struct lt_stage *t, const struct lt_item *item,
                            struct lt_arch *a) {
    char before[3] = {0};
    const char *dash = "";
    bool any = false;
    lt_status st;

    for (int i = 0; i < item->n; i++) {
        int gene = item->part[i].gene;

        if (!shown(c->s, t, gene, a)) continue;
        snprintf(before, sizeof(before), "%s%.1s", dash, item->part[i].letter ? &item->part[i].letter : "");
        if ((st = lt_cursor_choice(c, gene, before, a))) return st;
        dash = is_word(c->s->gene[gene].label[a->g[gene]]) ? "-" : "";
        any = true;
    }
    return any ? LT_OK : lt_cursor_expect(c, "-");
}

/* Sets the depth gene to the number of blocks that were listed. */
static lt_status set_depth(struct lt_cursor *c, const struct lt_stage *t, int n, struct lt_arch *a) {
    struct lt_buf wanted = LT_BUF_INIT;
    lt_status st;

    if (!t->depth.own) {
        if ((int)lt_choice_value(c->s, &t->depth, a) == n) return LT_OK;
        lt_buf_printf(&wanted, "stage '%s' with %d blocks (%d so far)", t->name,
                      (int)lt_choice_value(c->s, &t->depth, a), n);
    } else {
        for (int k = 0; k < t->depth.n; k++) {
            if ((int)t->depth.v[k] != n) continue;
            a->g[t->depth.gene] = (uint8_t)k;
            return LT_OK;
        }
        lt_buf_printf(&wanted, "stage '%s' with ", t->name);
        for (int k = 0; k < t->depth.n; k++)
            lt_buf_printf(&wanted, "%s%d", !k ? "" : k + 1 < t->depth.n ? ", " : " or ", (int)t->depth.v[k]);
        lt_buf_printf(&wanted, " blocks (%d so far)", n);
    }
    if (!(st = lt_buf_ok(&wanted, c->e))) st = lt_cursor_fail(c, wanted.data);
    lt_buf_release(&wanted);
    return st;
}

static lt_status parse_stage(struct lt_cursor *c, const struct lt_stage *t, struct lt_arch *a) {
    const char *comma = "";
    lt_status st;
    int b = 0;

    if (t->channels.own) {
        if ((st = lt_cursor_choice(c, t->channels.gene, "c", a))) return st;
        comma = ",";
    }
    if (t->item.n) {
        if ((st = lt_cursor_expect(c, comma)) || (st = parse_item(c, t, &t->item, a))) return st;
        comma = ",";
    }
    if (!t->site_items) {
        if (!t->depth.own) return LT_OK;
        st = lt_cursor_expect(c, comma);
        return st ? st : lt_cursor_choice(c, t->depth.gene, "d", a);
    }
    do {
        if (b == t->n_sites) return set_depth(c, t, b + 1, a);
        if ((st = lt_cursor_expect(c, comma)) || (st = parse_item(c, t, &t->site[b].item, a))) return st;
        comma = ",";
        b++;
    } while (*c->at == ',');
    return set_depth(c, t, b, a);
}

lt_status lt_stages_parse(const struct lt_space *s, const void *body, struct lt_cursor *c, const char **sep,
                          struct lt_arch *a) {
    const struct lt_stages *all = body;
    lt_status st;

    for (int i = 0; i < all->n; i++) {
        const struct lt_stage *t = &all->stage[i];

        if (!has_genes(t) || !lt_stage_exists(s, t, a)) continue;
        if ((st = lt_cursor_expect(c, *sep)) || (st = lt_cursor_expect(c, t->name)) ||
            (st = lt_cursor_expect(c, ":")) || (st = parse_stage(c, t, a)))
            return st;
        *sep = "|";
    }
    return LT_OK;
}
