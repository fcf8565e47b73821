/*
 * Block "bottleneck": 1x1, kxk, 1x1 convolutions with batch norm, and a shortcut (He et al., "Deep Residual Learning
 * for Image Recognition", CVPR 2016), the stride in the kxk convolution as in the widely used "v1.5". The shortcut is a
 * 1x1 convolution where the shape changes, after average pooling with `shortcut: pool` (He et al., "Bag of Tricks",
 * CVPR 2019, ResNet-D; the choice of Cai et al., "Once-for-All", ICLR 2020).
 */
#include "spaces/blocks.h"

enum { KERNEL, EXPAND, ACT, SHORTCUT };
static const char *const shortcuts[] = {"conv", "pool", NULL};
static const struct lt_block_field fields[] = {
    [KERNEL] = {.key = "kernel",
                .type = LT_FIELD_INT,
                .letter = 'k',
                .dflt = 3,
                .min = 1,
                .max = 31,
                .odd = true,
                .help = "side of the middle kernel"},
    [EXPAND] = {.key = "expand",
                .type = LT_FIELD_REAL,
                .letter = 'e',
                .dflt = 0.25,
                .min = 0.01,
                .max = 4,
                .help = "inner channels = expand * output channels"},
    [ACT] = {.key = "act", .type = LT_FIELD_ACT, .help = "activation"},
    [SHORTCUT] = {.key = "shortcut",
                  .type = LT_FIELD_NAME,
                  .letter = 'h',
                  .max = 1,
                  .names = shortcuts,
                  .help =
                      "where the shape changes: a strided 1x1 convolution, or average pooling and a 1x1 convolution"},
    {.key = NULL},
};

static int shortcut(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    int x = b->in, stride = b->stride;

    if (stride == 1 && b->in_channels == b->out_channels) return x;
    if (b->v[SHORTCUT] > 0 && stride > 1) {
        /* As many positions as the strided convolution has: an odd size is padded (and padding is not counted). */
        int pad = x >= 0 && g->node[x].out.d[2] % stride ? stride - 1 : 0;

        x = lt_graph_pool(g, lt_block_name(name, b, "short_pool"), x, LT_POOL_AVG, stride, stride, pad);
        stride = 1;
    }
    return lt_block_conv_bn(g, b, "short", "short_bn", x, b->out_channels, 1, stride);
}

/* x [1,in,H,W] -> [1,out,H/stride,W/stride] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    enum lt_act act = (enum lt_act)b->v[ACT];
    int inner = lt_make_divisible(b->out_channels * b->v[EXPAND], b->divisor), x;

    x = lt_block_conv_bn(g, b, "reduce", "reduce_bn", b->in, inner, 1, 1);
    x = lt_graph_act(g, lt_block_name(name, b, "reduce_act"), x, act);
    x = lt_block_conv_bn(g, b, "conv", "conv_bn", x, inner, (int)b->v[KERNEL], b->stride);
    x = lt_graph_act(g, lt_block_name(name, b, "conv_act"), x, act);
    x = lt_block_conv_bn(g, b, "expand", "expand_bn", x, b->out_channels, 1, 1);
    x = lt_graph_add(g, lt_block_name(name, b, "add"), shortcut(g, b), x);
    return lt_graph_act(g, lt_block_name(name, b, "act"), x, act);
}

const struct lt_block_ops lt_block_bottleneck = {
    .name = "bottleneck",
    .about = "residual bottleneck of ResNet-50 (v1.5)",
    .fields = fields,
    .build = build,
};
