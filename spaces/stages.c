/* The body `stages:`: from chosen values to the nodes of a block, and what its hash is made of. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "spaces/stages.h"

void lt_stage_block_cond(const struct lt_stage *t, int b, struct lt_cond *cond, int *n) {
    struct lt_cond c = {.gene = t->depth.gene};
    bool always = true;

    if (t->depth.gene < 0) return;
    for (int k = 0; k < t->depth.n; k++) {
        if (t->depth.v[k] > b)
            lt_cond_add(&c, k);
        else
            always = false;
    }
    if (!always) cond[(*n)++] = c;
}

/* By its own conditions and those of the genes that they name. */
bool lt_stage_exists(const struct lt_space *s, const struct lt_stage *t, const struct lt_arch *a) {
    for (int i = 0; i < t->n_conds; i++) {
        if (!lt_space_gene_active(s, a, t->cond[i].gene) || !lt_cond_has(&t->cond[i], a->g[t->cond[i].gene]))
            return false;
    }
    return true;
}

/* Carries what a later head reads. */
static lt_status keep_tap(const struct lt_stage *t, int block, const char *prefix, struct lt_graph *g,
                          struct lt_carry *x, struct lt_err *e) {
    char name[LT_NODE_NAME];
    int node = x->node[0];

    if (t->tap == LT_TAP_NONE || node < 0 || (t->tap == LT_TAP_EXPAND && block > 0)) return LT_OK;
    if (t->tap == LT_TAP_EXPAND) {
        snprintf(name, sizeof(name), "%s.expand_act", prefix);
        if ((node = lt_graph_find(g, name)) < 0)
            return lt_fail(e, LT_EINVAL, "%s:%d:%d: stage '%s' has no expansion that could be tapped", t->file, t->line,
                           t->col, t->name);
    }
    x->node[t->tap_slot] = node;
    if (x->n <= t->tap_slot) x->n = t->tap_slot + 1;
    return LT_OK;
}

static lt_status build(const struct lt_space *s, const void *body, const struct lt_segment *seg,
                       const struct lt_arch *a, struct lt_graph *g, struct lt_carry *x, struct lt_err *e) {
    const struct lt_stage *t = &((const struct lt_stages *)body)->stage[seg->user[0]];
    const struct lt_site *site = &t->site[seg->user[1]];
    const struct lt_cand *c = &site->cand[seg->user[2] >= 0 ? a->g[seg->user[2]] : 0];
    const struct lt_shape in = g->node[x->node[0]].out;
    char prefix[LT_NODE_NAME];
    struct lt_block blk = {.prefix = prefix,
                           .in = x->node[0],
                           .in_channels = (int)in.d[1],
                           .out_channels = c->ops->same_channels ? (int)in.d[1] : lt_channels(s, &site->channels, a),
                           .stride = site->stride,
                           .divisor = s->divisor,
                           .index = seg->user[1],
                           .carry = x};

    if (t->is_stem)
        snprintf(prefix, sizeof(prefix), "%s", t->name);
    else
        snprintf(prefix, sizeof(prefix), "%s.b%d", t->name, seg->user[1]);
    if (t->labelled) snprintf(prefix + strlen(prefix), sizeof(prefix) - strlen(prefix), ".%s", c->label);
    if (in.d[2] < blk.stride || (in.d[3] < blk.stride && !s->tokens))
        return lt_fail(e, LT_EINVAL,
                       "%s:%d:%d: stage '%s' would reduce a feature map of shape [1,%" PRId64 ",%" PRId64 ",%" PRId64
                       "] by stride %d at resolution %d: too small",
                       t->file, t->line, t->col, t->name, in.d[1], in.d[2], in.d[3], blk.stride,
                       lt_space_resolution(s, a));
    for (int f = 0; c->ops->fields[f].key; f++) blk.v[f] = lt_choice_value(s, &c->field[f], a);
    x->node[0] = c->ops->build(g, &blk);
    return keep_tap(t, seg->user[1], prefix, g, x, e);
}

/* ---- hash ---- */

static void hash_site(const struct lt_space *s, struct lt_buf *b, const struct lt_stage *t,
                      const struct lt_site *site) {
    lt_buf_printf(b, "stride %d;", site->stride);
    if (!t->one_channels) lt_choice_hash(s, b, &site->channels);
    for (int k = 0; k < t->n_cands; k++) {
        lt_buf_printf(b, "%s %s;", site->cand[k].label, site->cand[k].ops->name);
        for (int f = 0; site->cand[k].ops->fields[f].key; f++) lt_choice_hash(s, b, &site->cand[k].field[f]);
    }
}

static void hash(const struct lt_space *s, const void *body, struct lt_buf *text) {
    const struct lt_stages *all = body;

    for (int i = 0; i < all->n; i++) {
        const struct lt_stage *t = &all->stage[i];

        lt_buf_printf(text, "stage %s %d tap %d;", t->name, t->is_stem, t->tap);
        lt_choice_hash(s, text, &t->channels);
        lt_choice_hash(s, text, &t->depth);
        for (int b = 0; b < t->n_sites; b++) hash_site(s, text, t, &t->site[b]);
    }
}

static const char *const keys[] = {"stages", "stem", "blocks", NULL};

const struct lt_body_ops lt_body_stages = {
    .name = "stages",
    .keys = keys,
    .read = lt_stages_read,
    .build = build,
    .print = lt_stages_print,
    .parse = lt_stages_parse,
    .hash = hash,
};
