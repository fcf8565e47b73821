/*
 * Block "fused_mbconv": an inverted bottleneck whose expansion and depthwise convolution are one dense kxk convolution
 * (Xiong et al., "MobileDets", CVPR 2021; Tan and Le, "EfficientNetV2", ICML 2021). kxk expand + BN + act, 1x1 project
 * + BN, residual when stride 1 and as many channels go out as come in.
 */
#include "spaces/blocks.h"

enum { KERNEL, EXPAND, ACT, SKIP };
static const char *const skips[] = {"none", "identity", NULL};
static const struct lt_block_field fields[] = {
    [KERNEL] = {.key = "kernel",
                .type = LT_FIELD_INT,
                .letter = 'k',
                .dflt = 3,
                .min = 1,
                .max = 31,
                .odd = true,
                .help = "side of the kernel"},
    [EXPAND] = {.key = "expand",
                .type = LT_FIELD_REAL,
                .letter = 'e',
                .required = true,
                .min = 1,
                .max = 32,
                .help = "hidden channels = expand * input channels"},
    [ACT] = {.key = "act", .type = LT_FIELD_ACT, .help = "activation after the expansion"},
    [SKIP] = {.key = "skip",
              .type = LT_FIELD_NAME,
              .letter = 'i',
              .dflt = 1,
              .max = 1,
              .names = skips,
              .help = "residual connection where shapes allow it: identity, or none"},
    {.key = NULL},
};

/* x [1,in,H,W] -> [1,out,H/stride,W/stride] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    int hidden = lt_make_divisible(b->in_channels * b->v[EXPAND], b->divisor);
    int x = lt_block_conv_bn(g, b, "fused", "fused_bn", b->in, hidden, (int)b->v[KERNEL], b->stride);

    x = lt_graph_act(g, lt_block_name(name, b, "fused_act"), x, (enum lt_act)b->v[ACT]);
    x = lt_block_conv_bn(g, b, "project", "project_bn", x, b->out_channels, 1, 1);
    if (b->stride == 1 && b->in_channels == b->out_channels && b->v[SKIP] > 0)
        x = lt_graph_add(g, lt_block_name(name, b, "add"), b->in, x);
    return x;
}

const struct lt_block_ops lt_block_fused_mbconv = {
    .name = "fused_mbconv",
    .about = "inverted bottleneck with a dense expansion",
    .fields = fields,
    .build = build,
};
