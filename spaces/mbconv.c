/*
 * Block "mbconv": the inverted bottleneck (Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
 * CVPR 2018), with squeeze-and-excitation after the depthwise convolution where asked (Hu et al., CVPR 2018; placed and
 * gated as in Howard et al., "Searching for MobileNetV3", ICCV 2019). 1x1 expand + BN + act, kxk depthwise + BN + act,
 * [squeeze-excite], 1x1 project + BN, residual when stride 1 and as many channels go out as come in.
 */
#include "spaces/blocks.h"

enum { KERNEL, EXPAND, SE, ACT };
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
    {.key = NULL},
};

/* x [1,C,H,W] times a gate [1,C,1,1] computed from its means. */
static int squeeze_excite(struct lt_graph *g, const struct lt_block *b, int x, int hidden) {
    char name[LT_NODE_NAME];
    int squeezed = lt_make_divisible(hidden * b->v[SE], b->divisor);
    int y = lt_graph_gap(g, lt_block_name(name, b, "se_gap"), x);

    y = lt_graph_conv(g, lt_block_name(name, b, "se_reduce"), y,
                      &(struct lt_conv_attr){.out = squeezed, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
    y = lt_graph_act(g, lt_block_name(name, b, "se_act"), y, LT_ACT_RELU);
    y = lt_graph_conv(g, lt_block_name(name, b, "se_expand"), y,
                      &(struct lt_conv_attr){.out = hidden, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
    y = lt_graph_act(g, lt_block_name(name, b, "se_gate"), y, LT_ACT_HSIGMOID);
    return lt_graph_mul(g, lt_block_name(name, b, "se_mul"), x, y);
}

/* x [1,in,H,W] -> [1,out,H/stride,W/stride] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    enum lt_act act = (enum lt_act)b->v[ACT];
    int x = b->in, hidden = b->in_channels;

    if (b->v[EXPAND] > 1) {
        hidden = lt_make_divisible(b->in_channels * b->v[EXPAND], b->divisor);
        if (hidden < b->in_channels)
            hidden = b->in_channels; /* keeps "more expansion" a superset of less where in_channels is no multiple */
        x = lt_graph_conv(g, lt_block_name(name, b, "expand"), x,
                          &(struct lt_conv_attr){.out = hidden, .kernel = 1, .stride = 1, .groups = 1});
        x = lt_graph_bn(g, lt_block_name(name, b, "expand_bn"), x);
        x = lt_graph_act(g, lt_block_name(name, b, "expand_act"), x, act);
    }
    x = lt_graph_conv(
        g, lt_block_name(name, b, "dw"), x,
        &(struct lt_conv_attr){.out = hidden, .kernel = (int)b->v[KERNEL], .stride = b->stride, .groups = hidden});
    x = lt_graph_bn(g, lt_block_name(name, b, "dw_bn"), x);
    x = lt_graph_act(g, lt_block_name(name, b, "dw_act"), x, act);
    if (b->v[SE] > 0) x = squeeze_excite(g, b, x, hidden);
    x = lt_graph_conv(g, lt_block_name(name, b, "project"), x,
                      &(struct lt_conv_attr){.out = b->out_channels, .kernel = 1, .stride = 1, .groups = 1});
    x = lt_graph_bn(g, lt_block_name(name, b, "project_bn"), x);
    if (b->stride == 1 && b->in_channels == b->out_channels)
        x = lt_graph_add(g, lt_block_name(name, b, "add"), b->in, x);
    return x;
}

const struct lt_block_ops lt_block_mbconv = {
    .name = "mbconv",
    .about = "inverted bottleneck with optional squeeze-excite",
    .fields = fields,
    .build = build,
};
