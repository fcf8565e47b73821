/* Block "separable": a depthwise convolution with batch norm and activation, then a 1x1 convolution with batch norm and
 * no activation (the SepConv of Tan et al., "MnasNet", CVPR 2019). */
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
    [ACT] = {.key = "act", .type = LT_FIELD_ACT, .help = "activation after the depthwise convolution"},
    {.key = NULL},
};

/* x [1,in,H,W] -> [1,out,H/stride,W/stride] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    int x = lt_graph_conv(
        g, lt_block_name(name, b, "dw"), b->in,
        &(struct lt_conv_attr){
            .out = b->in_channels, .kernel = (int)b->v[KERNEL], .stride = b->stride, .groups = b->in_channels});

    x = lt_graph_bn(g, lt_block_name(name, b, "dw_bn"), x);
    x = lt_graph_act(g, lt_block_name(name, b, "dw_act"), x, (enum lt_act)b->v[ACT]);
    x = lt_graph_conv(g, lt_block_name(name, b, "project"), x,
                      &(struct lt_conv_attr){.out = b->out_channels, .kernel = 1, .stride = 1, .groups = 1});
    return lt_graph_bn(g, lt_block_name(name, b, "project_bn"), x);
}

const struct lt_block_ops lt_block_separable = {
    .name = "separable",
    .about = "depthwise and 1x1 convolution, linear at the end",
    .fields = fields,
    .build = build,
};
