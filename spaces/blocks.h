/*
 * The block library behind the YAML: a block kind is one .c file with one `const struct lt_block_ops lt_block_<name>`,
 * one line in blocks.def and one in local.mk. It lists its fields; the framework reads them, turns lists into genes
 * (one a block), prints and parses them in arch strings, and calls build() with the chosen values. A block must be a
 * view of the same block with larger values: first channels, centre of the kernel, same parameter names.
 */
#ifndef SPACES_BLOCKS_H
#define SPACES_BLOCKS_H
#include "lathe/graph.h"

#define LT_MAX_FIELDS 16

enum lt_field_type {
    LT_FIELD_INT,
    LT_FIELD_REAL,
    LT_FIELD_ACT, /* an activation's name, never a choice; absent = the space's `act`, or dflt with has_act */
    LT_FIELD_NAME /* one of `names`; its value is the number of the name */
};
struct lt_block_field {
    const char *key; /* in the YAML */
    enum lt_field_type type;
    char letter; /* in arch strings; unique in the block, not 'c' or 'd' (channels, depth); 0 for LT_FIELD_ACT */
    bool required;
    double dflt, min, max;
    bool odd; /* kernels: the centre of a larger one must exist */
    const char *help;
    bool has_act;             /* LT_FIELD_ACT: dflt is the default */
    const char *const *names; /* LT_FIELD_NAME: NULL-ended; dflt, min and max are then numbers of names */
};

/* What goes from block to block: nodes of the graph. node[0] is the main stream. */
#define LT_MAX_CARRY 8
struct lt_carry {
    int n, node[LT_MAX_CARRY];
};

struct lt_block {       /* one block of one architecture */
    const char *prefix; /* of its node names: "s1.b0" or "stem" */
    int in;             /* node that it reads */
    int in_channels, out_channels;
    int stride;
    int divisor;             /* for its inner channels, see lt_make_divisible */
    double v[LT_MAX_FIELDS]; /* chosen value of each field, in table order; activations as enum lt_act */
    int index;               /* number of the block in its stage */
    struct lt_carry *carry;  /* for blocks that read or leave more than the main stream: node[0] is `in` before, and the
                                framework sets it to what build() returns; NULL outside of a space */
};

struct lt_block_ops {
    const char *name, *about;
    const struct lt_block_field *fields;                        /* ended by a NULL key; at most LT_MAX_FIELDS */
    int (*build)(struct lt_graph *g, const struct lt_block *b); /* output node, or -1 after a builder error */
    bool same_channels; /* as many go out as come in: a stage of such blocks alone needs no `channels` */
};

extern const struct lt_block_ops lt_block_skip;
int lt_block_count(void);
const struct lt_block_ops *lt_block_at(int i);

/* Nearest multiple of divisor, at least one, and never more than 10% below v (Sandler et al., "MobileNetV2", CVPR 2018,
 * reference code). Non-decreasing in v. */
int lt_make_divisible(double v, int divisor);

/* "<prefix>.<suffix>" in a buffer of the caller's; names longer than LT_NODE_NAME are refused when the space is read.
 */
#define LT_NODE_NAME 128
const char *lt_block_name(char buf[LT_NODE_NAME], const struct lt_block *b, const char *suffix);

/* Dense convolution without bias, called `suffix`, and its batch norm, called `bn`. */
int lt_block_conv_bn(struct lt_graph *g, const struct lt_block *b, const char *suffix, const char *bn, int x, int out,
                     int kernel, int stride);
#endif
