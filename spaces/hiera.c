/*
 * Block "hiera": a transformer block on a picture's grid with attention inside squares ("mask units") and pooled
 * queries (Ryali et al., "Hiera: A Hierarchical Vision Transformer without the Bells-and-Whistles", ICML 2023). With
 * stride 2 the queries are the largest of 2x2 each, so the block halves the grid; where channels change, the residual
 * goes through a linear layer and the same pooling. Pre-norm; feed-forward layer with GELU.
 */
#include "spaces/token_parts.h"

enum { HEADS, UNIT, MLP };
static const struct lt_block_field fields[] = {
    [HEADS] =
        {.key = "heads", .type = LT_FIELD_INT, .letter = 'h', .required = true, .min = 1, .max = 256, .help = "heads"},
    [UNIT] = {.key = "unit",
              .type = LT_FIELD_INT,
              .letter = 'u',
              .dflt = 0,
              .min = 0,
              .max = 256,
              .help = "side of the squares of its input that attention stays inside; 0: everywhere"},
    [MLP] = {.key = "mlp",
             .type = LT_FIELD_REAL,
             .letter = 'm',
             .dflt = 4,
             .min = 0.1,
             .max = 16,
             .help = "hidden features of the feed-forward layer as a multiple of the channels"},
    {.key = NULL},
};

static int pool(struct lt_graph *g, const struct lt_block *b, const char *suffix, int x) {
    char name[LT_NODE_NAME];

    if (b->stride == 1) return x;
    return lt_graph_pool(g, lt_block_name(name, b, suffix), x, LT_POOL_MAX, b->stride, b->stride, 0);
}

/* The grid as tokens, square by square. */
static int tokens(struct lt_graph *g, const struct lt_block *b, const char *suffix, int x, int unit) {
    char name[LT_NODE_NAME];

    lt_block_name(name, b, suffix);
    return unit ? lt_graph_window(g, name, x, unit) : lt_graph_tokens(g, name, x);
}

static int attend(struct lt_graph *g, const struct lt_block *b, int x) {
    char name[LT_NODE_NAME];
    const int unit = (int)b->v[UNIT], q_unit = unit / b->stride,
              width = x < 0 ? 1 : (int)g->node[x].out.d[3] / b->stride;
    int q = pool(g, b, "q_pool", lt_token_linear(g, b, "q", x, b->out_channels, true));
    int k = lt_token_linear(g, b, "k", x, b->out_channels, true);
    int v = lt_token_linear(g, b, "v", x, b->out_channels, true);

    q = tokens(g, b, "q_tokens", q, q_unit);
    k = tokens(g, b, "k_tokens", k, unit);
    v = tokens(g, b, "v_tokens", v, unit);
    x = lt_graph_attention(g, lt_block_name(name, b, "mix"), q, k, v,
                           &(struct lt_attention_attr){.heads = (int)b->v[HEADS], .block = q_unit * q_unit});
    lt_block_name(name, b, "grid");
    x = unit ? lt_graph_unwindow(g, name, x, q_unit, width) : lt_graph_grid(g, name, x, width);
    return lt_token_linear(g, b, "out", x, b->out_channels, true);
}

/* x [1,in,H,W] -> [1,out,H/stride,W/stride] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    const struct lt_token_ffn ffn = {
        .hidden = (int)(b->v[MLP] * b->out_channels + 0.5), .out = b->out_channels, .bias = true, .act = LT_ACT_GELU};
    int x = b->in, norm, y;

    if ((int)b->v[UNIT] % b->stride)
        return lt_token_refuse(g, b,
                               "squares of side %d cannot be pooled by stride %d: `unit` must be a multiple of it",
                               (int)b->v[UNIT], b->stride);
    norm = lt_token_norm(g, b, "norm1", x, false);
    if (b->in_channels != b->out_channels) x = lt_token_linear(g, b, "shortcut", norm, b->out_channels, true);
    x = pool(g, b, "shortcut_pool", x);
    y = attend(g, b, norm);
    x = lt_graph_add(g, lt_block_name(name, b, "add1"), x, y);
    y = lt_token_ffn(g, b, lt_token_norm(g, b, "norm2", x, false), &ffn);
    return lt_graph_add(g, lt_block_name(name, b, "add2"), x, y);
}

const struct lt_block_ops lt_block_hiera = {
    .name = "hiera",
    .about = "attention inside squares of a grid with pooled queries, then a feed-forward layer",
    .fields = fields,
    .build = build,
};
