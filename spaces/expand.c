/* From a choice vector to an operator graph: input, stem, stages of blocks, head, global pooling, classifier. */
#include <inttypes.h>
#include <stdio.h>
#include "spaces/space_priv.h"

static int channels(const struct lt_space *s, const struct lt_choice *c, const struct lt_arch *a) {
    return lt_make_divisible(lt_choice_value(c, a) * lt_choice_value(&s->width, a), s->divisor);
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

/* Appends stage t to node x; returns the new last node, or -1 with *e filled. */
static int add_stage(const struct lt_space *s, const struct lt_stage *t, const struct lt_arch *a, struct lt_graph *g,
                     int x, struct lt_err *e) {
    char prefix[LT_NODE_NAME];

    for (int b = 0; b < lt_stage_depth(t, a); b++) {
        const struct lt_shape in = g->node[x].out;
        struct lt_block blk = {.prefix = prefix,
                               .in = x,
                               .in_channels = (int)in.d[1],
                               .out_channels = channels(s, &t->channels, a),
                               .stride = b ? 1 : t->stride,
                               .divisor = s->divisor};

        if (t->is_stem)
            snprintf(prefix, sizeof(prefix), "%s", t->name);
        else
            snprintf(prefix, sizeof(prefix), "%s.b%d", t->name, b);
        if (in.d[2] < blk.stride || in.d[3] < blk.stride) {
            lt_fail(e, LT_EINVAL,
                    "%s:%d:%d: stage '%s' would reduce a feature map of shape [1,%" PRId64 ",%" PRId64 ",%" PRId64
                    "] by stride %d at resolution %d: too small",
                    s->file, t->line, t->col, t->name, in.d[1], in.d[2], in.d[3], blk.stride,
                    lt_space_resolution(s, a));
            return -1;
        }
        for (int f = 0; f < t->n_fields; f++) {
            int gene = lt_block_gene(t, b, f);
            blk.v[f] = t->field[f].v[gene >= 0 ? a->g[gene] : 0];
        }
        if ((x = t->block->build(g, &blk)) < 0) {
            lt_fail(e, g->err.status, "%s:%d:%d: stage '%s': %s", s->file, t->line, t->col, t->name, g->err.msg);
            return -1;
        }
    }
    return x;
}

lt_status lt_space_expand(const struct lt_space *s, const struct lt_arch *a, struct lt_graph **out, struct lt_err *e) {
    struct lt_buf name = LT_BUF_INIT;
    struct lt_graph *g = NULL;
    struct lt_err err = {0};
    lt_status st;
    int x;

    if ((st = check_arch(s, a, e))) return st;
    lt_arch_print(s, a, &name);
    if ((st = lt_buf_ok(&name, e)) || (st = lt_graph_new(name.data, &g, e))) goto out;
    x = lt_graph_input(g, "image", s->in_channels, lt_space_resolution(s, a), lt_space_resolution(s, a));
    if (x < 0) {
        st = lt_graph_finish(g, e);
        goto out;
    }
    for (int i = 0; i < s->n_stages; i++) {
        if ((x = add_stage(s, &s->stage[i], a, g, x, &err)) < 0) {
            st = lt_fail(e, err.status, "%s", err.msg);
            goto out;
        }
    }
    if (s->has_head) {
        x = lt_graph_conv(
            g, "head.conv", x,
            &(struct lt_conv_attr){.out = channels(s, &s->head, a), .kernel = 1, .stride = 1, .groups = 1});
        x = lt_graph_bn(g, "head.bn", x);
        x = lt_graph_act(g, "head.act", x, s->head_act);
    }
    x = lt_graph_gap(g, "gap", x);
    x = lt_graph_linear(g, "fc", x, s->classes);
    lt_graph_output(g, x);
    if ((st = lt_graph_finish(g, e))) goto out;
    *out = g;
    g = NULL;
out:
    lt_graph_free(g);
    lt_buf_release(&name);
    return st;
}
