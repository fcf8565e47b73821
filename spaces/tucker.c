/*
 * Block "tucker": a kxk convolution compressed on both sides, as a Tucker decomposition of it (Xiong et al.,
 * "MobileDets", CVPR 2021). 1x1 to in_rate * input channels + BN + act, kxk to out_rate * output channels + BN + act,
 * 1x1 to the output channels + BN, residual when stride 1 and as many channels go out as come in.
 */
#include "spaces/blocks.h"

enum { KERNEL, IN_RATE, OUT_RATE, ACT, SKIP };
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
    [IN_RATE] = {.key = "in_rate",
                 .type = LT_FIELD_REAL,
                 .letter = 'p',
                 .required = true,
                 .min = 0.01,
                 .max = 4,
                 .help = "channels into the kxk convolution = in_rate * input channels"},
    [OUT_RATE] = {.key = "out_rate",
                  .type = LT_FIELD_REAL,
                  .letter = 'q',
                  .required = true,
                  .min = 0.01,
                  .max = 4,
                  .help = "channels out of the kxk convolution = out_rate * output channels"},
    [ACT] = {.key = "act", .type = LT_FIELD_ACT, .help = "activation after the first two convolutions"},
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
    enum lt_act act = (enum lt_act)b->v[ACT];
    int in_rank = lt_make_divisible(b->in_channels * b->v[IN_RATE], b->divisor);
    int out_rank = lt_make_divisible(b->out_channels * b->v[OUT_RATE], b->divisor);
    int x = lt_block_conv_bn(g, b, "compress", "compress_bn", b->in, in_rank, 1, 1);

    x = lt_graph_act(g, lt_block_name(name, b, "compress_act"), x, act);
    x = lt_block_conv_bn(g, b, "core", "core_bn", x, out_rank, (int)b->v[KERNEL], b->stride);
    x = lt_graph_act(g, lt_block_name(name, b, "core_act"), x, act);
    x = lt_block_conv_bn(g, b, "restore", "restore_bn", x, b->out_channels, 1, 1);
    if (b->stride == 1 && b->in_channels == b->out_channels && b->v[SKIP] > 0)
        x = lt_graph_add(g, lt_block_name(name, b, "add"), b->in, x);
    return x;
}

const struct lt_block_ops lt_block_tucker = {
    .name = "tucker",
    .about = "convolution compressed on both sides",
    .fields = fields,
    .build = build,
};
