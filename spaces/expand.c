/* From a choice vector to an operator graph: input, the body's segments, head. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "spaces/space_priv.h"

int lt_channels(const struct lt_space *s, const struct lt_choice *c, const struct lt_arch *a) {
    double v = lt_choice_value(s, c, a);

    return c->exact ? (int)v : lt_make_divisible(v * lt_choice_value(s, &s->width, a), s->divisor);
}

static lt_status check_arch(const struct lt_space *s, const struct lt_arch *a, struct lt_err *e) {
    if (a->n != s->n_genes)
        return lt_fail(e, LT_EINVAL, "an architecture of %d genes does not belong to space '%s', which has %d",
                       (int)a->n, s->name, s->n_genes);
    for (int i = 0; i < s->n_genes; i++) {
        if (a->g[i] >= s->gene[i].n_choices)
            return lt_fail(e, LT_EINVAL, "%s has choice number %d; space '%s' has %d", s->gene[i].name, a->g[i],
                           s->name, s->gene[i].n_choices);
    }
    return LT_OK;
}

bool lt_segment_is_head(const struct lt_space *s, const struct lt_segment *seg) {
    return seg == &s->segment[s->n_segments - 1];
}

lt_status lt_segment_build(const struct lt_space *s, const struct lt_segment *seg, const struct lt_arch *a,
                           struct lt_graph *g, struct lt_carry *x, struct lt_err *e) {
    struct lt_err err = {0};
    lt_status st = LT_OK;

    if (lt_segment_is_head(s, seg)) {
        x->node[0] = lt_head_build(s, a, g, x);
        x->n = 1;
    } else {
        st = s->ops->build(s, s->body, seg, a, g, x, &err);
    }
    if (st) return lt_fail(e, st, "%s", err.msg);
    if (x->node[0] < 0 || g->err.status)
        return lt_fail(e, g->err.status ? g->err.status : LT_EINVAL, "%s:%d:%d: stage '%s': %s",
                       seg->file ? seg->file : s->file, seg->line, seg->col, seg->name, g->err.msg);
    return LT_OK;
}

int lt_space_input(const struct lt_space *s, const struct lt_arch *a, struct lt_graph *g) {
    if (s->tokens) return lt_graph_input(g, "tokens", 1, lt_space_resolution(s, a), 1);
    return lt_graph_input(g, "image", s->in_channels, lt_space_resolution(s, a), lt_space_resolution(s, a));
}

lt_status lt_space_expand(const struct lt_space *s, const struct lt_arch *a, struct lt_graph **out, struct lt_err *e) {
    struct lt_buf name = LT_BUF_INIT;
    struct lt_graph *g = NULL;
    struct lt_carry x = {.n = 1};
    lt_status st;

    if ((st = check_arch(s, a, e))) return st;
    lt_arch_print(s, a, &name);
    if ((st = lt_buf_ok(&name, e)) || (st = lt_graph_new(name.data, &g, e))) goto out;
    if ((x.node[0] = lt_space_input(s, a, g)) < 0) {
        st = lt_graph_finish(g, e);
        goto out;
    }
    for (int i = 0; i < s->n_segments; i++) {
        if (!lt_segment_exists(s, &s->segment[i], a)) continue;
        if ((st = lt_segment_build(s, &s->segment[i], a, g, &x, e))) goto out;
    }
    lt_graph_output(g, x.node[0]);
    if ((st = lt_graph_finish(g, e))) goto out;
    *out = g;
    g = NULL;
out:
    lt_graph_free(g);
    lt_buf_release(&name);
    return st;
}
