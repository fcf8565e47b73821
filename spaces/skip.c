/*
 * Block "skip": nothing, where the shape stays; else a 1x1 convolution, batch norm and activation (as the identity
 * candidate of Wu et al., "FBNet", CVPR 2019, released code).
 */
#include "spaces/blocks.h"

enum { ACT };
static const struct lt_block_field fields[] = {
    [ACT] = {.key = "act", .type = LT_FIELD_ACT, .help = "activation where a convolution is needed"},
    {.key = NULL},
};

/* x [1,in,H,W] -> [1,out,H/stride,W/stride] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    int x = b->in;

    if (b->stride == 1 && b->in_channels == b->out_channels) return x;
    x = lt_block_conv_bn(g, b, "skip", "skip_bn", x, b->out_channels, 1, b->stride);
    return lt_graph_act(g, lt_block_name(name, b, "skip_act"), x, (enum lt_act)b->v[ACT]);
}

const struct lt_block_ops lt_block_skip = {
    .name = "skip",
    .about = "the identity; 1x1 convolution, batch norm, activation where the shape changes",
    .fields = fields,
    .build = build,
};
