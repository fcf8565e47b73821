/* Example block "sepconv": a depthwise convolution, then a 1x1 convolution, each with batch norm and activation (Howard
 * et al., "MobileNets", 2017). */
#include "spaces/blocks.h"

enum { KERNEL, ACT };
static const struct lt_block_field fields[] = {
    [KERNEL] = {.key = "kernel",
                .type = LT_FIELD_INT,
                .letter = 'k',
                .dflt = 3,
                .min = 1,
                .max = 31,
                .odd = true,
                .help = "side of the depthwise kernel"},
    [ACT] = {.key = "act", .type = LT_FIELD_ACT, .help = "activation after each convolution"},
    {.key = NULL},
};

/* x [1,in,H,W] -> [1,out,H/stride,W/stride] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    enum lt_act act = (enum lt_act)b->v[ACT];
    int x = lt_graph_conv(
        g, lt_block_name(name, b, "dw"), b->in,
        &(struct lt_conv_attr){
            .out = b->in_channels, .kernel = (int)b->v[KERNEL], .stride = b->stride, .groups = b->in_channels});
    x = lt_graph_bn(g, lt_block_name(name, b, "dw_bn"), x);
    x = lt_graph_act(g, lt_block_name(name, b, "dw_act"), x, act);
    x = lt_graph_conv(g, lt_block_name(name, b, "point"), x,
                      &(struct lt_conv_attr){.out = b->out_channels, .kernel = 1, .stride = 1, .groups = 1});
    x = lt_graph_bn(g, lt_block_name(name, b, "point_bn"), x);
    return lt_graph_act(g, lt_block_name(name, b, "point_act"), x, act);
}

const struct lt_block_ops lt_block_sepconv = {
    .name = "sepconv",
    .about = "depthwise separable convolution",
    .fields = fields,
    .build = build,
};
