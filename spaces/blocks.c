/* The registry of block kinds and what they share. */
#include <stdio.h>
#include "spaces/blocks.h"

#define LT_BLOCK(name) extern const struct lt_block_ops lt_block_##name;
#include "spaces/blocks.def"
#undef LT_BLOCK

static const struct lt_block_ops *const blocks[] = {
#define LT_BLOCK(name) &lt_block_##name,
#include "spaces/blocks.def"
#undef LT_BLOCK
};

int lt_block_count(void) { return (int)(sizeof(blocks) / sizeof(*blocks)); }

const struct lt_block_ops *lt_block_at(int i) { return blocks[i]; }

int lt_make_divisible(double v, int divisor) {
    int64_t n = (int64_t)(v + divisor / 2.0) / divisor * divisor;

    if (n < divisor) n = divisor;
    if ((double)n < 0.9 * v) n += divisor;
    return (int)n;
}

const char *lt_block_name(char buf[LT_NODE_NAME], const struct lt_block *b, const char *suffix) {
    snprintf(buf, LT_NODE_NAME, "%s.%s", b->prefix, suffix);
    return buf;
}

int lt_block_conv_bn(struct lt_graph *g, const struct lt_block *b, const char *suffix, const char *bn, int x, int out,
                     int kernel, int stride) {
    char name[LT_NODE_NAME];

    x = lt_graph_conv(g, lt_block_name(name, b, suffix), x,
                      &(struct lt_conv_attr){.out = out, .kernel = kernel, .stride = stride, .groups = 1});
    return lt_graph_bn(g, lt_block_name(name, b, bn), x);
}
