/* Block "conv": dense convolution, batch norm, activation; with `residual` the input is added where shapes allow it. */
#include "spaces/blocks.h"

enum { KERNEL, ACT, RESIDUAL };
static const struct lt_block_field fields[] = {
    [KERNEL] = {.key = "kernel",
                .type = LT_FIELD_INT,
                .letter = 'k',
                .dflt = 3,
                .min = 1,
                .max = 31,
                .odd = true,
                .help = "side of the square kernel"},
    [ACT] = {.key = "act", .type = LT_FIELD_ACT, .help = "activation after batch norm"},
    [RESIDUAL] = {.key = "residual",
                  .type = LT_FIELD_INT,
                  .letter = 'x',
                  .dflt = 0,
                  .min = 0,
                  .max = 1,
                  .help = "1: the input is added at the end, where the shape stays"},
    {.key = NULL},
};

/* x [1,in,H,W] -> [1,out,H/stride,W/stride] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    int x = lt_graph_conv(
        g, lt_block_name(name, b, "conv"), b->in,
        &(struct lt_conv_attr){.out = b->out_channels, .kernel = (int)b->v[KERNEL], .stride = b->stride, .groups = 1});

    x = lt_graph_bn(g, lt_block_name(name, b, "bn"), x);
    x = lt_graph_act(g, lt_block_name(name, b, "act"), x, (enum lt_act)b->v[ACT]);
    if (b->v[RESIDUAL] > 0 && b->stride == 1 && b->in_channels == b->out_channels)
        x = lt_graph_add(g, lt_block_name(name, b, "add"), b->in, x);
    return x;
}

const struct lt_block_ops lt_block_conv = {
    .name = "conv",
    .about = "dense convolution, batch norm, activation",
    .fields = fields,
    .build = build,
};
