/*
 * Block "mbconv": the inverted bottleneck (Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
 * CVPR 2018), with squeeze-and-excitation after the depthwise convolution where asked (Hu et al., CVPR 2018; placed and
 * gated as in Howard et al., "Searching for MobileNetV3", ICCV 2019; counted on the input channels as in Tan et al.,
 * "MnasNet", CVPR 2019, with `se_of: input`). 1x1 expand + BN + act, kxk depthwise + BN + act, [squeeze-excite], 1x1
 * project + BN, residual when stride 1 and as many channels go out as come in. With `groups` the 1x1 convolutions are
 * grouped, and channels are shuffled after the first (Wu et al., "FBNet", CVPR 2019).
 */
#include "spaces/blocks.h"

enum { KERNEL, EXPAND, SE, ACT, SE_OF, SE_ACT, SE_GATE, SE_DIVISOR, GROUPS, ALWAYS, SKIP };
static const char *const se_of[] = {"hidden", "input", NULL};
static const char *const skips[] = {"none", "identity", NULL};
static const struct lt_block_field fields[] = {
    [KERNEL] = {.key = "kernel",
                .type = LT_FIELD_INT,
                .letter = 'k',
                .dflt = 3,
                .min = 1,
                .max = 31,
                .odd = true,
                .help = "side of the depthwise kernel"},
    [EXPAND] = {.key = "expand",
                .type = LT_FIELD_REAL,
                .letter = 'e',
                .required = true,
                .min = 1,
                .max = 32,
                .help = "hidden channels = expand * input channels; 1 = no expansion"},
    [SE] = {.key = "se",
            .type = LT_FIELD_REAL,
            .letter = 's',
            .dflt = 0,
            .min = 0,
            .max = 1,
            .help = "squeezed channels = se * hidden channels; 0 = no squeeze-excite"},
    [ACT] = {.key = "act",
             .type = LT_FIELD_ACT,
             .help = "activation after the expansion and the depthwise convolution"},
    [SE_OF] = {.key = "se_of",
               .type = LT_FIELD_NAME,
               .letter = 'f',
               .dflt = 0,
               .max = 1,
               .names = se_of,
               .help = "what `se` is a share of: the hidden or the input channels"},
    [SE_ACT] =
        {.key = "se_act", .type = LT_FIELD_ACT, .has_act = true, .dflt = LT_ACT_RELU, .help = "activation inside"},
    [SE_GATE] = {.key = "se_gate",
                 .type = LT_FIELD_ACT,
                 .has_act = true,
                 .dflt = LT_ACT_HSIGMOID,
                 .help = "gate of the squeeze-excite"},
    [SE_DIVISOR] = {.key = "se_divisor",
                    .type = LT_FIELD_INT,
                    .letter = 'v',
                    .dflt = 0,
                    .min = 0,
                    .max = 256,
                    .help = "squeezed channels are rounded to a multiple of it; 0 = the space's divisor"},
    [GROUPS] = {.key = "groups",
                .type = LT_FIELD_INT,
                .letter = 'g',
                .dflt = 1,
                .min = 1,
                .max = 64,
                .help = "groups of the 1x1 convolutions; above 1, channels are shuffled after the first"},
    [ALWAYS] = {.key = "always_expand",
                .type = LT_FIELD_INT,
                .letter = 'a',
                .dflt = 0,
                .min = 0,
                .max = 1,
                .help = "1: the first 1x1 convolution is there at expand 1 too"},
    [SKIP] = {.key = "skip",
              .type = LT_FIELD_NAME,
              .letter = 'i',
              .dflt = 1,
              .max = 1,
              .names = skips,
              .help = "residual connection where shapes allow it: identity, or none"},
    {.key = NULL},
};

/* x [1,C,H,W] times a gate [1,C,1,1] computed from its means. */
static int squeeze_excite(struct lt_graph *g, const struct lt_block *b, int x, int hidden) {
    char name[LT_NODE_NAME];
    double of = b->v[SE_OF] > 0 ? b->in_channels : hidden;
    int squeezed = lt_make_divisible(of * b->v[SE], b->v[SE_DIVISOR] > 0 ? (int)b->v[SE_DIVISOR] : b->divisor);
    int y = lt_graph_gap(g, lt_block_name(name, b, "se_gap"), x);

    y = lt_graph_conv(g, lt_block_name(name, b, "se_reduce"), y,
                      &(struct lt_conv_attr){.out = squeezed, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
    y = lt_graph_act(g, lt_block_name(name, b, "se_act"), y, (enum lt_act)b->v[SE_ACT]);
    y = lt_graph_conv(g, lt_block_name(name, b, "se_expand"), y,
                      &(struct lt_conv_attr){.out = hidden, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
    y = lt_graph_act(g, lt_block_name(name, b, "se_gate"), y, (enum lt_act)b->v[SE_GATE]);
    return lt_graph_mul(g, lt_block_name(name, b, "se_mul"), x, y);
}

/* 1x1 convolution to `hidden` channels, batch norm, activation, and the shuffle of a grouped one. */
static int expand(struct lt_graph *g, const struct lt_block *b, int hidden) {
    char name[LT_NODE_NAME];
    int groups = (int)b->v[GROUPS];
    int x = lt_graph_conv(g, lt_block_name(name, b, "expand"), b->in,
                          &(struct lt_conv_attr){.out = hidden, .kernel = 1, .stride = 1, .groups = groups});

    x = lt_graph_bn(g, lt_block_name(name, b, "expand_bn"), x);
    x = lt_graph_act(g, lt_block_name(name, b, "expand_act"), x, (enum lt_act)b->v[ACT]);
    return groups > 1 ? lt_graph_shuffle(g, lt_block_name(name, b, "shuffle"), x, groups) : x;
}

/* x [1,in,H,W] -> [1,out,H/stride,W/stride] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    int x = b->in, hidden = b->in_channels;

    if (b->v[EXPAND] > 1) {
        hidden = lt_make_divisible(b->in_channels * b->v[EXPAND], b->divisor);
        if (hidden < b->in_channels)
            hidden = b->in_channels; /* keeps "more expansion" a superset of less where in_channels is no multiple */
    }
    if (b->v[EXPAND] > 1 || b->v[ALWAYS] > 0) x = expand(g, b, hidden);
    x = lt_graph_conv(
        g, lt_block_name(name, b, "dw"), x,
        &(struct lt_conv_attr){.out = hidden, .kernel = (int)b->v[KERNEL], .stride = b->stride, .groups = hidden});
    x = lt_graph_bn(g, lt_block_name(name, b, "dw_bn"), x);
    x = lt_graph_act(g, lt_block_name(name, b, "dw_act"), x, (enum lt_act)b->v[ACT]);
    if (b->v[SE] > 0) x = squeeze_excite(g, b, x, hidden);
    x = lt_graph_conv(
        g, lt_block_name(name, b, "project"), x,
        &(struct lt_conv_attr){.out = b->out_channels, .kernel = 1, .stride = 1, .groups = (int)b->v[GROUPS]});
    x = lt_graph_bn(g, lt_block_name(name, b, "project_bn"), x);
    if (b->stride == 1 && b->in_channels == b->out_channels && b->v[SKIP] > 0)
        x = lt_graph_add(g, lt_block_name(name, b, "add"), b->in, x);
    return x;
}

const struct lt_block_ops lt_block_mbconv = {
    .name = "mbconv",
    .about = "inverted bottleneck with optional squeeze-excite",
    .fields = fields,
    .build = build,
};
