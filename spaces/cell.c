/* The body `cells:` as the framework sees it; see cell.h. */
#include "spaces/cell.h"

static void hash_steps(const struct cell_steps *t, struct lt_buf *b) {
    for (int i = 0; i < t->n; i++) {
        const struct cell_step *st = &t->step[i];

        lt_buf_printf(b, "%d k%d d%d p%d g%d s%d c%d x%.17g a%d,", (int)st->kind, st->kernel, st->dilation, st->pad,
                      st->groups, st->stride, st->channels, st->expand, (int)st->act);
    }
    lt_buf_puts(b, ";");
}

static void hash(const struct lt_space *s, const void *body, struct lt_buf *b) {
    const struct cell_space *c = body;

    lt_buf_printf(b, "cells drop %d;", c->drop);
    for (int i = 0; i < c->n_ops; i++) {
        lt_buf_printf(b, "op %s:", c->op[i].name);
        hash_steps(&c->op[i].plain, b);
        if (c->op[i].has_strided) hash_steps(&c->op[i].strided, b);
    }
    for (int i = 0; i < c->n_kinds; i++) {
        const struct cell_kind *k = &c->kind[i];

        lt_buf_printf(b, "kind %s %d/%d stride %d pre %d out %d keep %d;", k->name, k->n_inputs, k->n_nodes, k->stride,
                      k->preprocess, (int)k->output, k->keep);
        for (int j = 0; j < k->n_ops; j++) lt_buf_printf(b, "%d,", k->op[j]);
        for (int j = 0; j < k->n_edges; j++) {
            lt_buf_printf(b, "%d>%d:", k->edge[j].from, k->edge[j].to);
            for (int o = 0; o < k->edge[j].n_ops; o++) lt_buf_printf(b, "%d,", k->edge[j].op[o]);
        }
    }
    for (int i = 0; i < c->n_entries; i++) {
        const struct cell_entry *t = &c->entry[i];

        lt_buf_printf(b, "entry %s %d %d %d;", t->name, t->kind, t->steps, t->has_channels);
        lt_choice_hash(s, b, &t->repeat);
        if (t->has_channels) lt_choice_hash(s, b, &t->channels);
    }
}

static const char *const keys[] = {"cells", NULL};

const struct lt_body_ops lt_body_cells = {
    .name = "cells",
    .keys = keys,
    .read = cell_read,
    .build = cell_build,
    .print = cell_print,
    .parse = cell_parse,
    .hash = hash,
    .text_print = cell_text_print,
    .text_parse = cell_text_parse,
};

int lt_space_n_cells(const struct lt_space *s) {
    return s->ops == &lt_body_cells ? ((const struct cell_space *)s->body)->n_kinds : 0;
}

void lt_space_cell(const struct lt_space *s, const struct lt_arch *a, int i, struct lt_cell_view *out) {
    cell_view(s->body, a, i, out);
}
