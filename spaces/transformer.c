/*
 * Block "transformer": tokens are mixed, then each passes a feed-forward layer; residuals around both (Vaswani et al.,
 * "Attention is All You Need", NeurIPS 2017). `mixer` says how:
 * - attention: softmax attention; with kv_heads grouped (Ainslie et al., "GQA", EMNLP 2023), with `window` sliding
 *   (Beltagy et al., "Longformer", 2020), with `causal` as language models have it, with `rope` rotary positions
 *   (Su et al., "RoFormer", 2021);
 * - linear: linear attention, whose cost does not grow with the square of the length (Katharopoulos et al., ICML 2020):
 *   the operator that stands for state-space layers too;
 * - conv: gated short convolution (the operator of LFM2, Liquid AI, 2025): in-projection to three parts, product of the
 *   first two, causal depthwise convolution, product with the third, out-projection.
 */
#include "spaces/token_parts.h"

enum {
    MIXER,
    HEADS,
    HEAD_DIM,
    QKV,
    KV_HEADS,
    WINDOW,
    KERNEL,
    FFN,
    MLP,
    GATED,
    ACT,
    NORM,
    POST,
    BIAS,
    QKV_BIAS,
    CAUSAL
};
enum { ATTENTION, LINEAR, CONV };
static const char *const mixers[] = {"attention", "linear", "conv", NULL};
static const char *const norms[] = {"layer", "rms", NULL};
static const struct lt_block_field fields[] = {
    [MIXER] = {.key = "mixer",
               .type = LT_FIELD_NAME,
               .letter = 'x',
               .dflt = ATTENTION,
               .max = 2,
               .names = mixers,
               .help = "how tokens are mixed: attention, linear attention, gated short convolution"},
    [HEADS] = {.key = "heads",
               .type = LT_FIELD_INT,
               .letter = 'h',
               .dflt = 0,
               .min = 0,
               .max = 256,
               .help = "heads of the queries; 0: channels / head_dim"},
    [HEAD_DIM] = {.key = "head_dim",
                  .type = LT_FIELD_INT,
                  .letter = 's',
                  .dflt = 0,
                  .min = 0,
                  .max = 1024,
                  .help = "features of a head; 0: qkv / heads"},
    [QKV] = {.key = "qkv",
             .type = LT_FIELD_INT,
             .letter = 'q',
             .dflt = 0,
             .min = 0,
             .max = 16384,
             .help = "features of all heads, where head_dim is 0; 0: the channels"},
    [KV_HEADS] =
        {.key = "kv_heads",
         .type = LT_FIELD_INT,
         .letter = 'k',
         .dflt = 0,
         .min = 0,
         .max = 256,
         .help = "heads of keys and values, or the next smaller number that divides those of the queries; 0: as many"},
    [WINDOW] = {.key = "window",
                .type = LT_FIELD_INT,
                .letter = 'w',
                .dflt = 0,
                .min = 0,
                .max = 1 << 20,
                .help = "how far attention reaches, in tokens; 0: everywhere"},
    [KERNEL] = {.key = "kernel",
                .type = LT_FIELD_INT,
                .letter = 'n',
                .dflt = 3,
                .min = 1,
                .max = 31,
                .help = "taps of the short convolution"},
    [FFN] = {.key = "ffn",
             .type = LT_FIELD_INT,
             .letter = 'f',
             .dflt = 0,
             .min = 0,
             .max = 65536,
             .help = "hidden features of the feed-forward layer; 0: mlp * channels"},
    [MLP] = {.key = "mlp",
             .type = LT_FIELD_REAL,
             .letter = 'm',
             .dflt = 4,
             .min = 0.1,
             .max = 16,
             .help = "hidden features of the feed-forward layer as a multiple of the channels"},
    [GATED] = {.key = "gated",
               .type = LT_FIELD_INT,
               .letter = 'g',
               .dflt = 0,
               .min = 0,
               .max = 1,
               .help = "1: gated feed-forward layer of three matrices"},
    [ACT] =
        {.key = "act", .type = LT_FIELD_ACT, .has_act = true, .dflt = LT_ACT_GELU, .help = "of the feed-forward layer"},
    [NORM] = {.key = "norm",
              .type = LT_FIELD_NAME,
              .letter = 'r',
              .dflt = 0,
              .max = 1,
              .names = norms,
              .help = "layer norm, or root mean square norm"},
    [POST] = {.key = "post_norm",
              .type = LT_FIELD_INT,
              .letter = 'p',
              .dflt = 0,
              .min = 0,
              .max = 1,
              .help = "1: norms come after the residual additions instead of before the halves"},
    [BIAS] = {.key = "bias",
              .type = LT_FIELD_INT,
              .letter = 'b',
              .dflt = 1,
              .min = 0,
              .max = 1,
              .help = "linear layers have a bias"},
    [QKV_BIAS] = {.key = "qkv_bias",
                  .type = LT_FIELD_INT,
                  .letter = 'i',
                  .dflt = -1,
                  .min = -1,
                  .max = 1,
                  .help = "queries, keys and values have a bias; -1: as `bias` says"},
    [CAUSAL] = {.key = "causal",
                .type = LT_FIELD_INT,
                .letter = 'u',
                .dflt = 0,
                .min = 0,
                .max = 2,
                .help = "1: a token sees only those before it; 2: and positions are rotary"},
    {.key = NULL},
};

static const float rope_base = 10000;

static int attend(struct lt_graph *g, const struct lt_block *b, int x) {
    char name[LT_NODE_NAME];
    const double *v = b->v;
    int dim = (int)v[HEAD_DIM], heads = (int)v[HEADS], kv_heads = (int)v[KV_HEADS];
    bool qkv_bias = v[QKV_BIAS] < 0 ? v[BIAS] > 0 : v[QKV_BIAS] > 0;

    if (!heads) heads = dim ? b->out_channels / dim : 1;
    if (heads < 1) heads = 1;
    if (!dim) dim = (v[QKV] > 0 ? (int)v[QKV] : b->out_channels) / heads;
    if (!dim)
        return lt_token_refuse(g, b, "%d heads for %d features: a head needs at least one", heads,
                               v[QKV] > 0 ? (int)v[QKV] : b->out_channels);
    if (!kv_heads || kv_heads > heads) kv_heads = heads;
    while (heads % kv_heads) kv_heads--;
    struct lt_attention_attr a = {.heads = heads,
                                  .kv_heads = kv_heads,
                                  .window = (int)v[WINDOW],
                                  .causal = v[CAUSAL] > 0,
                                  .rope = v[CAUSAL] > 1 ? rope_base : 0};
    int q = lt_token_linear(g, b, "q", x, heads * dim, qkv_bias);
    int k = lt_token_linear(g, b, "k", x, kv_heads * dim, qkv_bias);
    int w = lt_token_linear(g, b, "v", x, kv_heads * dim, qkv_bias);

    if (v[MIXER] == LINEAR) {
        a.window = 0;
        a.rope = 0;
        x = lt_graph_linattn(g, lt_block_name(name, b, "mix"), q, k, w, &a);
    } else {
        x = lt_graph_attention(g, lt_block_name(name, b, "mix"), q, k, w, &a);
    }
    return lt_token_linear(g, b, "out", x, b->out_channels, v[BIAS] > 0);
}

static int gated_conv(struct lt_graph *g, const struct lt_block *b, int x) {
    char name[LT_NODE_NAME];
    int c = b->out_channels;
    bool bias = b->v[BIAS] > 0;
    int in = lt_token_linear(g, b, "conv_in", x, c, bias), before = lt_token_linear(g, b, "conv_before", x, c, bias);
    int after = lt_token_linear(g, b, "conv_after", x, c, bias);

    x = lt_graph_mul(g, lt_block_name(name, b, "conv_mul"), in, before);
    x = lt_graph_shortconv(g, lt_block_name(name, b, "conv"), x, (int)b->v[KERNEL], b->v[CAUSAL] > 0);
    x = lt_graph_mul(g, lt_block_name(name, b, "conv_gate"), x, after);
    return lt_token_linear(g, b, "conv_out", x, c, bias);
}

/* What comes last three encoder layers deep is kept for blocks that attend to it: node[2] the latest. */
static void keep(struct lt_carry *c, int x) {
    if (!c || c->n < 2) return;
    for (int i = 4; i > 2; i--) c->node[i] = c->node[i - 1];
    c->node[2] = x;
    if (c->n < 5) c->n++;
}

/* x [1,C,T,1] -> [1,C,T,1] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    const double *v = b->v;
    const bool rms = v[NORM] > 0, post = v[POST] > 0;
    const struct lt_token_ffn ffn = {.hidden = v[FFN] > 0 ? (int)v[FFN] : (int)(v[MLP] * b->out_channels + 0.5),
                                     .out = b->out_channels,
                                     .gated = v[GATED] > 0,
                                     .bias = v[BIAS] > 0,
                                     .act = (enum lt_act)v[ACT]};
    int x = b->in, y;

    if (!lt_token_no_stride(g, b)) return -1;
    if (b->in_channels != b->out_channels) x = lt_token_linear(g, b, "resize", x, b->out_channels, v[BIAS] > 0);
    y = post ? x : lt_token_norm(g, b, "norm1", x, rms);
    y = v[MIXER] == CONV ? gated_conv(g, b, y) : attend(g, b, y);
    x = lt_graph_add(g, lt_block_name(name, b, "add1"), x, y);
    if (post) x = lt_token_norm(g, b, "norm1", x, rms);
    y = lt_token_ffn(g, b, post ? x : lt_token_norm(g, b, "norm2", x, rms), &ffn);
    x = lt_graph_add(g, lt_block_name(name, b, "add2"), x, y);
    if (post) x = lt_token_norm(g, b, "norm2", x, rms);
    keep(b->carry, x);
    return x;
}

const struct lt_block_ops lt_block_transformer = {
    .name = "transformer",
    .about = "attention, linear attention or gated short convolution over tokens, then a feed-forward layer",
    .fields = fields,
    .build = build,
};
