/*
 * Blocks "next_conv" and "next_transformer" of Li et al., "Next-ViT: Next Generation Vision Transformer for Efficient
 * Deployment in Realistic Industrial Scenarios", 2022. The first: grouped 3x3 convolution (heads of 32 channels) and
 * feed-forward layer, both with residuals. The second: attention on part of the channels with keys and values pooled,
 * then the grouped convolution on the rest, joined, and a feed-forward layer. Batch norm; an average pooling and a 1x1
 * convolution come first where stride or channels change. Keys and values are pooled over squares of the grid.
 */
#include "spaces/token_parts.h"

enum { MLP, POOL, SHARE };
static const struct lt_block_field conv_fields[] = {
    [MLP] = {.key = "mlp",
             .type = LT_FIELD_REAL,
             .letter = 'm',
             .dflt = 3,
             .min = 0.1,
             .max = 16,
             .help = "hidden channels of the feed-forward layer as a multiple of the channels"},
    {.key = NULL},
};
static const struct lt_block_field fields[] = {
    [MLP] = {.key = "mlp",
             .type = LT_FIELD_REAL,
             .letter = 'm',
             .dflt = 2,
             .min = 0.1,
             .max = 16,
             .help = "hidden channels of the feed-forward layer as a multiple of the channels"},
    [POOL] = {.key = "pool",
              .type = LT_FIELD_INT,
              .letter = 'p',
              .dflt = 1,
              .min = 1,
              .max = 32,
              .help = "keys and values are averaged over squares of this side"},
    [SHARE] = {.key = "share",
               .type = LT_FIELD_REAL,
               .letter = 'a',
               .dflt = 0.75,
               .min = 0.1,
               .max = 0.9,
               .help = "channels of the attention, as a share of all, in multiples of 32"},
    {.key = NULL},
};
static const int head_dim = 32;

static int conv(struct lt_graph *g, const struct lt_block *b, const char *suffix, int x, int out, int kernel,
                int groups, bool bias) {
    char name[LT_NODE_NAME];

    return lt_graph_conv(
        g, lt_block_name(name, b, suffix), x,
        &(struct lt_conv_attr){.out = out, .kernel = kernel, .stride = 1, .groups = groups, .bias = bias});
}

static int norm(struct lt_graph *g, const struct lt_block *b, const char *suffix, int x) {
    char name[LT_NODE_NAME];

    return lt_graph_bn(g, lt_block_name(name, b, suffix), x);
}

/* To `out` channels and the block's stride. */
static int embed(struct lt_graph *g, const struct lt_block *b, const char *const part[3], int x, int in, int out,
                 int stride) {
    char name[LT_NODE_NAME];

    if (stride > 1) x = lt_graph_pool(g, lt_block_name(name, b, part[0]), x, LT_POOL_AVG, stride, stride, 0);
    if (in == out && stride == 1) return x;
    return norm(g, b, part[2], conv(g, b, part[1], x, out, 1, 1, false));
}

/* x + grouped convolution: heads of 32 channels, batch norm, ReLU, projection. */
static int head_conv(struct lt_graph *g, const struct lt_block *b, int x, int channels) {
    char name[LT_NODE_NAME];
    int y = conv(g, b, "heads", x, channels, 3, channels >= head_dim ? channels / head_dim : 1, false);

    y = lt_graph_act(g, lt_block_name(name, b, "heads_act"), norm(g, b, "heads_bn", y), LT_ACT_RELU);
    y = conv(g, b, "heads_out", y, channels, 1, 1, false);
    return lt_graph_add(g, lt_block_name(name, b, "heads_add"), x, y);
}

/* x + two 1x1 convolutions around a ReLU, of its norm. */
static int feed_forward(struct lt_graph *g, const struct lt_block *b, int x) {
    char name[LT_NODE_NAME];
    int hidden = lt_make_divisible(b->v[MLP] * b->out_channels, head_dim);
    int y = conv(g, b, "ffn_up", norm(g, b, "norm2", x), hidden, 1, 1, true);

    y = lt_graph_act(g, lt_block_name(name, b, "ffn_act"), y, LT_ACT_RELU);
    y = conv(g, b, "ffn_down", y, b->out_channels, 1, 1, true);
    return lt_graph_add(g, lt_block_name(name, b, "ffn_add"), x, y);
}

/* x [1,in,H,W] -> [1,out,H/stride,W/stride] */
static int build_conv(struct lt_graph *g, const struct lt_block *b) {
    static const char *const part[3] = {"embed_pool", "embed", "embed_bn"};
    int x = embed(g, b, part, b->in, b->in_channels, b->out_channels, b->stride);

    return feed_forward(g, b, head_conv(g, b, x, b->out_channels));
}

const struct lt_block_ops lt_block_next_conv = {
    .name = "next_conv",
    .about = "grouped convolution and feed-forward layer of Next-ViT",
    .fields = conv_fields,
    .build = build_conv,
};

/* x + attention of its norm; keys and values pooled. */
static int attend(struct lt_graph *g, const struct lt_block *b, int x, int channels) {
    char name[LT_NODE_NAME];
    const int side = (int)b->v[POOL], width = x < 0 ? 1 : (int)g->node[x].out.d[3];
    int n = norm(g, b, "norm1", x), kv = n, q, k, v;

    if (side > 1) {
        kv = lt_graph_pool(g, lt_block_name(name, b, "kv_pool"), n, LT_POOL_AVG, side, side, 0);
        kv = norm(g, b, "kv_bn", kv);
    }
    q = lt_graph_tokens(g, lt_block_name(name, b, "q_tokens"), conv(g, b, "q", n, channels, 1, 1, true));
    k = lt_graph_tokens(g, lt_block_name(name, b, "k_tokens"), conv(g, b, "k", kv, channels, 1, 1, true));
    v = lt_graph_tokens(g, lt_block_name(name, b, "v_tokens"), conv(g, b, "v", kv, channels, 1, 1, true));
    q = lt_graph_attention(g, lt_block_name(name, b, "mix"), q, k, v,
                           &(struct lt_attention_attr){.heads = channels >= head_dim ? channels / head_dim : 1});
    q = lt_graph_grid(g, lt_block_name(name, b, "grid"), q, width);
    q = conv(g, b, "out", q, channels, 1, 1, true);
    return lt_graph_add(g, lt_block_name(name, b, "add"), x, q);
}

/* x [1,in,H,W] -> [1,out,H/stride,W/stride] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    static const char *const part[3] = {"embed_pool", "embed", "embed_bn"};
    static const char *const rest[3] = {"rest_pool", "rest", "rest_bn"};
    char name[LT_NODE_NAME];
    int channels = lt_make_divisible(b->v[SHARE] * b->out_channels, head_dim);
    int in[2];

    if (channels >= b->out_channels)
        return lt_token_refuse(g, b, "%d channels cannot be cut into multiples of %d for attention and the rest",
                               b->out_channels, head_dim);
    in[0] = embed(g, b, part, b->in, b->in_channels, channels, b->stride);
    in[0] = attend(g, b, in[0], channels);
    in[1] = embed(g, b, rest, in[0], channels, b->out_channels - channels, 1);
    in[1] = head_conv(g, b, in[1], b->out_channels - channels);
    return feed_forward(g, b, lt_graph_concat(g, lt_block_name(name, b, "join"), in, 2, 1));
}

const struct lt_block_ops lt_block_next_transformer = {
    .name = "next_transformer",
    .about = "pooled attention beside a grouped convolution, then the feed-forward layer of Next-ViT",
    .fields = fields,
    .build = build,
};
