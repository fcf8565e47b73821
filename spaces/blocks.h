/*
 * The block library behind the YAML: a block kind is one .c file with one `const struct lt_block_ops lt_block_<name>`,
 * one line in blocks.def and one in local.mk. It lists its fields; the framework reads them, turns lists into genes
 * (one a block), prints and parses them in arch strings, and calls build() with the chosen values. A block must be a
 * view of the same block with larger values: first channels, centre of the kernel, same parameter names.
 */
#ifndef SPACES_BLOCKS_H
#define SPACES_BLOCKS_H
#include "lathe/graph.h"

#define LT_MAX_FIELDS 8

enum lt_field_type {
    LT_FIELD_INT,
    LT_FIELD_REAL,
    LT_FIELD_ACT /* an activation's name, never a choice; absent = the space's `act` */
};
struct lt_block_field {
    const char *key; /* in the YAML */
    enum lt_field_type type;
    char letter; /* in arch strings; unique in the block, not 'c' or 'd' (channels, depth); 0 for LT_FIELD_ACT */
    bool required;
    double dflt, min, max;
    bool odd; /* kernels: the centre of a larger one must exist */
    const char *help;
};

struct lt_block {       /* one block of one architecture */
    const char *prefix; /* of its node names: "s1.b0" or "stem" */
    int in;             /* node that it reads */
    int in_channels, out_channels;
    int stride;
    int divisor;             /* for its inner channels, see lt_make_divisible */
    double v[LT_MAX_FIELDS]; /* chosen value of each field, in table order; activations as enum lt_act */
};

struct lt_block_ops {
    const char *name, *about;
    const struct lt_block_field *fields;                        /* ended by a NULL key; at most LT_MAX_FIELDS */
    int (*build)(struct lt_graph *g, const struct lt_block *b); /* output node, or -1 after a builder error */
};

int lt_block_count(void);
const struct lt_block_ops *lt_block_at(int i);

/* Nearest multiple of divisor, at least one, and never more than 10% below v (Sandler et al., "MobileNetV2", CVPR 2018,
 * reference code). Non-decreasing in v. */
int lt_make_divisible(double v, int divisor);

/* "<prefix>.<suffix>" in a buffer of the caller's; names longer than LT_NODE_NAME are refused when the space is read.
 */
#define LT_NODE_NAME 128
const char *lt_block_name(char buf[LT_NODE_NAME], const struct lt_block *b, const char *suffix);
#endif
