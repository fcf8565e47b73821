/*
 * Blocks "target" and "decoder" of an encoder-decoder (Vaswani et al., NeurIPS 2017; arbitrary encoder-decoder
 * attention: Wang et al., "HAT: Hardware-Aware Transformers", ACL 2020). "target" embeds the target tokens that
 * block "embedding" left aside; "decoder" attends to the target, then to the outputs of the last encoder layers, then
 * passes a feed-forward layer. Norms come after the additions.
 */
#include "spaces/token_parts.h"

enum { VOCAB };
static const struct lt_block_field target_fields[] = {
    [VOCAB] = {.key = "vocab",
               .type = LT_FIELD_INT,
               .letter = 'v',
               .required = true,
               .min = 1,
               .max = 1 << 24,
               .help = "tokens that the table knows"},
    {.key = NULL},
};

/* Tokens left aside [1,1,T,1] -> [1,out,T,1] */
static int build_target(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];

    if (!lt_token_no_stride(g, b)) return -1;
    if (!b->carry || b->carry->n < 3)
        return lt_token_refuse(g, b,
                               "no target tokens: block `target` comes after a stem `embedding` with `target: 1` and "
                               "stages of `transformer`");
    return lt_graph_embed(g, lt_block_name(name, b, "table"), b->carry->node[1], (int)b->v[VOCAB], b->out_channels);
}

const struct lt_block_ops lt_block_target = {
    .name = "target",
    .about = "the embedded target tokens of an encoder-decoder",
    .fields = target_fields,
    .build = build_target,
};

enum { HEADS, CROSS_HEADS, LAYERS, QKV, FFN, ACT };
static const struct lt_block_field fields[] = {
    [HEADS] = {.key = "heads",
               .type = LT_FIELD_INT,
               .letter = 'h',
               .required = true,
               .min = 1,
               .max = 256,
               .help = "heads of the attention to the target"},
    [CROSS_HEADS] = {.key = "cross_heads",
                     .type = LT_FIELD_INT,
                     .letter = 'x',
                     .required = true,
                     .min = 1,
                     .max = 256,
                     .help = "heads of the attention to the encoder"},
    [LAYERS] = {.key = "encoder_layers",
                .type = LT_FIELD_INT,
                .letter = 'l',
                .dflt = 1,
                .min = 1,
                .max = 3,
                .help = "how many of the last encoder layers are attended to"},
    [QKV] = {.key = "qkv",
             .type = LT_FIELD_INT,
             .letter = 'q',
             .dflt = 0,
             .min = 0,
             .max = 16384,
             .help = "features of all heads; 0: the channels"},
    [FFN] = {.key = "ffn",
             .type = LT_FIELD_INT,
             .letter = 'f',
             .required = true,
             .min = 1,
             .max = 65536,
             .help = "hidden features of the feed-forward layer"},
    [ACT] =
        {.key = "act", .type = LT_FIELD_ACT, .has_act = true, .dflt = LT_ACT_RELU, .help = "of the feed-forward layer"},
    {.key = NULL},
};

/* x + attention of x to y. */
static int attend(struct lt_graph *g, const struct lt_block *b, const char *const part[6], int x, int y, int heads,
                  bool causal) {
    char name[LT_NODE_NAME];
    int qkv = b->v[QKV] > 0 ? (int)b->v[QKV] : b->out_channels;
    int q = lt_token_linear(g, b, part[0], x, qkv, true), k = lt_token_linear(g, b, part[1], y, qkv, true);
    int v = lt_token_linear(g, b, part[2], y, qkv, true);
    int z = lt_graph_attention(g, lt_block_name(name, b, part[3]), q, k, v,
                               &(struct lt_attention_attr){.heads = heads, .causal = causal});

    z = lt_token_linear(g, b, part[4], z, b->out_channels, true);
    return lt_graph_add(g, lt_block_name(name, b, part[5]), x, z);
}

/* x [1,C,T,1] -> [1,C,T,1] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    static const char *const self[6] = {"q", "k", "v", "mix", "out", "add1"};
    static const char *const cross[6] = {"cross_q", "cross_k", "cross_v", "cross_mix", "cross_out", "add2"};
    char name[LT_NODE_NAME];
    const struct lt_token_ffn ffn = {
        .hidden = (int)b->v[FFN], .out = b->out_channels, .bias = true, .act = (enum lt_act)b->v[ACT]};
    const int n = (int)b->v[LAYERS];
    int x = b->in, y;

    if (!lt_token_no_stride(g, b)) return -1;
    if (!b->carry || b->carry->n < 2 + n)
        return lt_token_refuse(g, b,
                               "attends to the last %d encoder layers, there are %d: block `decoder` comes after "
                               "stages of `transformer` and block `target`",
                               n, b->carry && b->carry->n > 2 ? b->carry->n - 2 : 0);
    if (b->in_channels != b->out_channels) x = lt_token_linear(g, b, "resize", x, b->out_channels, true);
    x = attend(g, b, self, x, x, (int)b->v[HEADS], true);
    x = lt_token_norm(g, b, "norm1", x, false);
    y = b->carry->node[2];
    if (n > 1) y = lt_graph_concat(g, lt_block_name(name, b, "encoder"), &b->carry->node[2], n, 2);
    x = attend(g, b, cross, x, y, (int)b->v[CROSS_HEADS], false);
    x = lt_token_norm(g, b, "norm2", x, false);
    y = lt_token_ffn(g, b, x, &ffn);
    x = lt_graph_add(g, lt_block_name(name, b, "add3"), x, y);
    return lt_token_norm(g, b, "norm3", x, false);
}

const struct lt_block_ops lt_block_decoder = {
    .name = "decoder",
    .about = "attention to the target, attention to the encoder, feed-forward layer",
    .fields = fields,
    .build = build,
};
