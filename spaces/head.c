/*
 * The head: none (global pooling, classifier), the short form `head: {channels, act}` (1x1 convolution before them), or
 * a list of layers that says all.
 */
#include <stdio.h>
#include <string.h>
#include "spaces/head.h"

static const char *const op_names[LT_N_HEAD_OPS + 1] = {
    [LT_HEAD_CONV] = "conv",     [LT_HEAD_BN] = "bn",           [LT_HEAD_ACT] = "act",
    [LT_HEAD_POOL] = "pool",     [LT_HEAD_TOKEN] = "token",     [LT_HEAD_LAYERNORM] = "layernorm",
    [LT_HEAD_LINEAR] = "linear", [LT_HEAD_SSDLITE] = "ssdlite", [LT_HEAD_CLASSIFIER] = "classifier",
};

/* ---- read ---- */

static lt_status read_channels(struct lt_space *s, const struct lt_yaml *map, const char *prefix,
                               struct lt_head_layer *l, struct lt_err *e) {
    const struct lt_scope sc = {.s = s, .prefix = prefix, .index = -1, .count = -1};
    const struct lt_yaml *n;
    lt_status st;

    if ((st = lt_read_required(map, "channels", &n, e))) return st;
    return lt_channels_read(&sc, n, &l->channels, e);
}

static lt_status read_list_of_ints(const struct lt_yaml *map, const char *key, int max, int *v, int *n,
                                   struct lt_err *e) {
    const struct lt_yaml *list = lt_yaml_get(map, key);
    int64_t x;
    lt_status st;

    *n = 0;
    if (!list) return LT_OK;
    if ((st = lt_yaml_expect(list, LT_YAML_SEQ, e))) return st;
    if (list->n > max) return lt_yaml_fail(e, list, "at most %d values", max);
    for (int i = 0; i < list->n; i++) {
        if ((st = lt_yaml_int(list->child[i], 1, 16384, &x, e))) return st;
        v[(*n)++] = (int)x;
    }
    return LT_OK;
}

static lt_status read_layer(struct lt_space *s, const struct lt_yaml *map, int index, struct lt_head_layer *l,
                            struct lt_err *e) {
    static const char *const keys[LT_N_HEAD_OPS][10] = {
        [LT_HEAD_CONV] = {"op", "channels", "kernel", "stride", "bn", "bias", "act", "depthwise", NULL},
        [LT_HEAD_BN] = {"op", NULL},
        [LT_HEAD_ACT] = {"op", "act", NULL},
        [LT_HEAD_POOL] = {"op", NULL},
        [LT_HEAD_LAYERNORM] = {"op", "rms", NULL},
        [LT_HEAD_TOKEN] = {"op", "index", NULL},
        [LT_HEAD_LINEAR] = {"op", "channels", "act", NULL},
        [LT_HEAD_SSDLITE] = {"op", "act", "anchors", "first_anchors", "extra", NULL},
        [LT_HEAD_CLASSIFIER] = {"op", NULL},
    };
    const struct lt_yaml *n;
    char name[32];
    lt_status st;
    int op;

    if ((st = lt_yaml_expect(map, LT_YAML_MAP, e)) || (st = lt_read_required(map, "op", &n, e)) ||
        (st = lt_yaml_pick(n, "layer", op_names, &op, e)) || (st = lt_yaml_known(map, keys[op], e)))
        return st;
    snprintf(name, sizeof(name), "head.l%d", index);
    *l = (struct lt_head_layer){.op = (enum lt_head_op)op,
                                .name = lt_arena_strdup(s->arena, name),
                                .bias = op == LT_HEAD_LINEAR,
                                .act = op == LT_HEAD_LINEAR ? LT_ACT_NONE : s->act,
                                .channels = {.gene = -1}};
    if (!l->name) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    if ((n = lt_yaml_get(map, "act")) && (st = lt_read_act(n, &l->act, e))) return st;
    if ((st = lt_read_bool(map, "depthwise", false, &l->depthwise, e)) ||
        (st = lt_read_bool(map, "bn", true, &l->bn, e)) || (st = lt_read_bool(map, "rms", false, &l->rms, e)) ||
        (st = lt_read_bool(map, "bias", op == LT_HEAD_CONV && !l->bn, &l->bias, e)) ||
        (st = lt_read_int(map, "kernel", 1, 31, 1, &l->kernel, e)) ||
        (st = lt_read_int(map, "stride", 1, 8, 1, &l->stride, e)) ||
        (st = lt_read_int(map, "index", 0, 65535, 0, &l->index, e)) ||
        (st = lt_read_int(map, "anchors", 1, 32, 6, &l->anchors, e)) ||
        (st = lt_read_int(map, "first_anchors", 1, 32, l->anchors, &l->first_anchors, e)) ||
        (st = read_list_of_ints(map, "extra", 8, l->extra, &l->n_extra, e)))
        return st;
    if (l->kernel % 2 == 0)
        return lt_yaml_fail(e, lt_yaml_get(map, "kernel"), "%d is even; a kernel must be odd", l->kernel);
    if ((op == LT_HEAD_CONV && !l->depthwise) || op == LT_HEAD_LINEAR) return read_channels(s, map, name, l, e);
    return LT_OK;
}

static lt_status read_short(struct lt_space *s, const struct lt_yaml *map, struct lt_head *h, struct lt_err *e) {
    static const char *const known[] = {"channels", "act", NULL};
    const struct lt_yaml *n;
    lt_status st;

    if (map) {
        struct lt_head_layer *l = &h->layer[h->n++];

        *l = (struct lt_head_layer){
            .op = LT_HEAD_CONV, .name = "head", .kernel = 1, .stride = 1, .bn = true, .act = s->act};
        if ((st = lt_yaml_expect(map, LT_YAML_MAP, e)) || (st = lt_yaml_known(map, known, e)) ||
            (st = read_channels(s, map, "head", l, e)))
            return st;
        if ((n = lt_yaml_get(map, "act")) && (st = lt_read_act(n, &l->act, e))) return st;
    }
    h->layer[h->n++] = (struct lt_head_layer){.op = LT_HEAD_POOL, .channels = {.gene = -1}};
    h->layer[h->n++] = (struct lt_head_layer){.op = LT_HEAD_CLASSIFIER, .channels = {.gene = -1}};
    return LT_OK;
}

static bool has_channels(const struct lt_head_layer *l) { return l->channels.v || l->channels.expr; }

static lt_status add_segment(struct lt_space *s, const struct lt_yaml *map, struct lt_err *e) {
    struct lt_segment seg = {.name = "head", .file = s->file, .line = map ? map->line : 1, .col = map ? map->col : 1};
    int gene[LT_MAX_GENES], n = 0;

    for (int i = 0; i < s->head->n; i++) {
        const struct lt_head_layer *l = &s->head->layer[i];

        if (!has_channels(l)) continue;
        lt_choice_genes(s, &l->channels, gene, &n);
        if (!l->channels.exact) lt_choice_genes(s, &s->width, gene, &n);
    }
    seg.gene = gene;
    seg.n_genes = n;
    return lt_space_add_segment(s, &seg, e);
}

lt_status lt_head_read(struct lt_space *s, const struct lt_yaml *root, struct lt_err *e) {
    const struct lt_yaml *n = lt_yaml_get(root, "head");
    struct lt_head *h = lt_arena_alloc(s->arena, sizeof(*h));
    lt_status st;

    if (!h) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    s->head = h;
    if (n && n->kind == LT_YAML_SEQ) {
        if (n->n < 1 || n->n > LT_MAX_HEAD)
            return lt_yaml_fail(e, n, "%d layers; a head has 1 to %d", n->n, LT_MAX_HEAD);
        for (; h->n < n->n; h->n++) {
            if ((st = read_layer(s, n->child[h->n], h->n, &h->layer[h->n], e))) return st;
        }
    } else if ((st = read_short(s, n, h, e))) {
        return st;
    }
    return add_segment(s, n, e);
}

/* ---- build ---- */

static const char *sub(char buf[LT_NODE_NAME], const struct lt_head_layer *l, const char *suffix) {
    snprintf(buf, LT_NODE_NAME, "%s.%s", l->name, suffix);
    return buf;
}

static int conv(const struct lt_space *s, const struct lt_head_layer *l, const struct lt_arch *a, struct lt_graph *g,
                int x) {
    char name[LT_NODE_NAME];
    int in = x < 0 ? 0 : (int)g->node[x].out.d[1];
    int out = l->depthwise ? in : lt_channels(s, &l->channels, a);

    x = lt_graph_conv(
        g, sub(name, l, "conv"), x,
        &(struct lt_conv_attr){
            .out = out, .kernel = l->kernel, .stride = l->stride, .groups = l->depthwise ? in : 1, .bias = l->bias});
    if (l->bn) x = lt_graph_bn(g, sub(name, l, "bn"), x);
    return lt_graph_act(g, sub(name, l, "act"), x, l->act);
}

bool lt_head_reads_taps(const struct lt_space *s) { return s->head->layer[s->head->n - 1].op == LT_HEAD_SSDLITE; }

int lt_head_build(const struct lt_space *s, const struct lt_arch *a, struct lt_graph *g, const struct lt_carry *taps) {
    int x = taps->node[0];
    char name[LT_NODE_NAME];

    for (int i = 0; i < s->head->n; i++) {
        const struct lt_head_layer *l = &s->head->layer[i];

        switch (l->op) {
        case LT_HEAD_CONV:
            x = conv(s, l, a, g, x);
            break;
        case LT_HEAD_BN:
            x = lt_graph_bn(g, sub(name, l, "bn"), x);
            break;
        case LT_HEAD_ACT:
            x = lt_graph_act(g, sub(name, l, "act"), x, l->act);
            break;
        case LT_HEAD_POOL:
            x = lt_graph_gap(g, "gap", x);
            break;
        case LT_HEAD_LAYERNORM:
            x = lt_graph_layernorm(g, sub(name, l, "norm"), x, l->rms ? 1e-6f : 1e-5f, l->rms);
            break;
        case LT_HEAD_TOKEN:
            x = lt_graph_slice(g, sub(name, l, "token"), x, 2, l->index, l->index + 1);
            break;
        case LT_HEAD_LINEAR:
            x = lt_graph_linear(g, sub(name, l, "linear"), x, lt_channels(s, &l->channels, a));
            x = lt_graph_act(g, sub(name, l, "act"), x, l->act);
            break;
        case LT_HEAD_SSDLITE:
            x = lt_head_ssdlite(s, l, g, x, taps);
            break;
        default:
            x = lt_graph_linear(g, "fc", x, s->classes);
        }
    }
    return x;
}

/* ---- text and hash ---- */

void lt_head_print(const struct lt_space *s, const struct lt_arch *a, const char **sep, struct lt_buf *out) {
    const char *before = "head:";

    for (int i = 0; i < s->head->n; i++) {
        const struct lt_choice *c = &s->head->layer[i].channels;

        if (!c->own || c->gene < 0) continue;
        lt_buf_printf(out, "%s%sc%s", *sep, before, s->gene[c->gene].label[a->g[c->gene]]);
        *sep = ",";
        before = "";
    }
}

lt_status lt_head_parse(struct lt_cursor *c, const char **sep, struct lt_arch *a) {
    const char *before = "head:";
    lt_status st;

    for (int i = 0; i < c->s->head->n; i++) {
        const struct lt_choice *v = &c->s->head->layer[i].channels;

        if (!v->own || v->gene < 0) continue;
        if ((st = lt_cursor_expect(c, *sep)) || (st = lt_cursor_expect(c, before)) ||
            (st = lt_cursor_choice(c, v->gene, "c", a)))
            return st;
        *sep = ",";
        before = "";
    }
    return LT_OK;
}

void lt_head_hash(const struct lt_space *s, struct lt_buf *text) {
    for (int i = 0; i < s->head->n; i++) {
        const struct lt_head_layer *l = &s->head->layer[i];

        lt_buf_printf(text, "head %s %d %d %d %d %d %d %d %d %d %d;", op_names[l->op], (int)l->act, l->kernel,
                      l->stride, l->index, l->bn, l->bias, l->depthwise, l->rms, l->anchors, l->first_anchors);
        for (int k = 0; k < l->n_extra; k++) lt_buf_printf(text, "extra %d;", l->extra[k]);
        if (has_channels(l)) lt_choice_hash(s, text, &l->channels);
    }
}
