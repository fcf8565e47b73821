/*
 * Block "patches": an image becomes a sequence (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021): a
 * convolution whose stride is its kernel, tokens row by row, a learned class token before them, learned positions.
 */
#include "spaces/token_parts.h"

enum { PATCH, CLASS_TOKEN, POSITIONS };
static const struct lt_block_field fields[] = {
    [PATCH] = {.key = "patch",
               .type = LT_FIELD_INT,
               .letter = 'p',
               .required = true,
               .min = 1,
               .max = 64,
               .help = "side of a patch in pixels"},
    [CLASS_TOKEN] = {.key = "class_token",
                     .type = LT_FIELD_INT,
                     .letter = 't',
                     .dflt = 1,
                     .min = 0,
                     .max = 8,
                     .help = "learned tokens before the patches"},
    [POSITIONS] = {.key = "positions",
                   .type = LT_FIELD_INT,
                   .letter = 'o',
                   .dflt = 1,
                   .min = 0,
                   .max = 1,
                   .help = "1: a learned vector is added at each position"},
    {.key = NULL},
};

/* x [1,C,H,W] -> [1,out,H/patch*W/patch + class_token,1] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    int patch = (int)b->v[PATCH], x;

    if (!lt_token_no_stride(g, b)) return -1; /* that is the patch */
    x = lt_graph_conv(
        g, lt_block_name(name, b, "conv"), b->in,
        &(struct lt_conv_attr){
            .out = b->out_channels, .kernel = patch, .stride = patch, .groups = 1, .pad = LT_PAD_VALID, .bias = true});
    x = lt_graph_tokens(g, lt_block_name(name, b, "tokens"), x);
    if (b->v[CLASS_TOKEN] > 0) x = lt_graph_prepend(g, lt_block_name(name, b, "class"), x, (int)b->v[CLASS_TOKEN]);
    if (b->v[POSITIONS] > 0) x = lt_graph_position(g, lt_block_name(name, b, "position"), x);
    return x;
}

const struct lt_block_ops lt_block_patches = {
    .name = "patches",
    .about = "an image cut into patches that become tokens",
    .fields = fields,
    .build = build,
};

/*
 * Block "grid_patches": the same, but patches may overlap and stay a grid, and positions are added to it (Hiera).
 */
enum { KERNEL };
static const struct lt_block_field grid_fields[] = {
    [KERNEL] = {.key = "kernel",
                .type = LT_FIELD_INT,
                .letter = 'k',
                .required = true,
                .min = 1,
                .max = 31,
                .odd = true,
                .help = "side of a patch; the stride is the block's"},
    {.key = NULL},
};

/* x [1,C,H,W] -> [1,out,H/stride,W/stride] */
static int build_grid(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    int x = lt_graph_conv(
        g, lt_block_name(name, b, "conv"), b->in,
        &(struct lt_conv_attr){
            .out = b->out_channels, .kernel = (int)b->v[KERNEL], .stride = b->stride, .groups = 1, .bias = true});
    int width = x < 0 ? 1 : (int)g->node[x].out.d[3];

    x = lt_graph_tokens(g, lt_block_name(name, b, "tokens"), x);
    x = lt_graph_position(g, lt_block_name(name, b, "position"), x);
    return lt_graph_grid(g, lt_block_name(name, b, "grid"), x, width);
}

const struct lt_block_ops lt_block_grid_patches = {
    .name = "grid_patches",
    .about = "an image cut into patches that stay a grid, with learned positions",
    .fields = grid_fields,
    .build = build_grid,
};
