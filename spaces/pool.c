/* Block "pool": maximum or average pooling; as many channels go out as come in. */
#include "spaces/blocks.h"

enum { KERNEL, KIND };
static const char *const kinds[] = {"max", "avg", NULL};
static const struct lt_block_field fields[] = {
    [KERNEL] = {.key = "kernel",
                .type = LT_FIELD_INT,
                .letter = 'k',
                .dflt = 3,
                .min = 1,
                .max = 31,
                .odd = true,
                .help = "side of the window"},
    [KIND] = {.key = "kind",
              .type = LT_FIELD_NAME,
              .letter = 'o',
              .max = 1,
              .names = kinds,
              .help = "max, or avg (padding not counted)"},
    {.key = NULL},
};

/* x [1,C,H,W] -> [1,C,H/stride,W/stride] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    int k = (int)b->v[KERNEL];

    return lt_graph_pool(g, lt_block_name(name, b, "pool"), b->in, b->v[KIND] > 0 ? LT_POOL_AVG : LT_POOL_MAX, k,
                         b->stride, k / 2);
}

const struct lt_block_ops lt_block_pool = {
    .name = "pool",
    .about = "maximum or average pooling",
    .fields = fields,
    .build = build,
    .same_channels = true,
};
