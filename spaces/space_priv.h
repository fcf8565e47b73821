/*
 * Inside of a space: what its YAML said, and the genes made of it. Private to spaces/.
 * Gene order: resolution, width, then for each stage (the stem is the first) channels, depth, block 0's fields, block
 * 1's fields, ..., then head.channels; so the genes that decide whether another is active come before it. Values that
 * are not a choice have no gene.
 */
#ifndef SPACES_SPACE_PRIV_H
#define SPACES_SPACE_PRIV_H
#include "lathe/space.h"
#include "lathe/mem.h"
#include "spaces/blocks.h"

#define LT_MAX_CHOICES 64
#define LT_MAX_STAGES 32

struct lt_choice {
    int n; /* >= 1; strictly ascending */
    double v[LT_MAX_CHOICES];
    int gene; /* -1 when n == 1, and for block fields, whose genes are found through the stage */
    int line, col;
};

struct lt_stage {
    const char *name;
    const struct lt_block_ops *block;
    bool is_stem; /* one block, named like the stage */
    int line, col;
    int stride; /* of the first block */
    struct lt_choice channels, depth;
    int n_fields;
    struct lt_choice field[LT_MAX_FIELDS]; /* ACT: n = 1, v[0] = enum lt_act */
    int n_block_genes;                     /* fields with a choice */
    int slot[LT_MAX_FIELDS];               /* field -> 0..n_block_genes-1, or -1 */
    int first_block_gene; /* gene of block b, field f: first_block_gene + b * n_block_genes + slot[f] */
};

struct lt_gene_place {
    int stage, block;
}; /* block -1: not a gene of a block; stage -1: global */

struct lt_space {
    struct lt_arena *arena;
    const char *name, *file;
    int classes, in_channels, divisor;
    enum lt_act act, head_act;
    struct lt_choice resolution, width;
    int n_stages;
    struct lt_stage stage[LT_MAX_STAGES];
    bool has_head;
    struct lt_choice head;
    int n_genes, n_features;
    struct lt_gene gene[LT_MAX_GENES];
    struct lt_gene_place place[LT_MAX_GENES];
    uint64_t hash;
};

static inline int lt_stage_max_depth(const struct lt_stage *t) { return (int)t->depth.v[t->depth.n - 1]; }

static inline double lt_choice_value(const struct lt_choice *c, const struct lt_arch *a) {
    return c->v[c->gene >= 0 ? a->g[c->gene] : 0];
}

static inline int lt_stage_depth(const struct lt_stage *t, const struct lt_arch *a) {
    return (int)lt_choice_value(&t->depth, a);
}

/* Gene of a block's field, -1 when fixed. */
static inline int lt_block_gene(const struct lt_stage *t, int block, int field) {
    return t->slot[field] < 0 ? -1 : t->first_block_gene + block * t->n_block_genes + t->slot[field];
}

/* After the YAML has been read: makes the genes, the hash, and expands the extremes. */
lt_status lt_space_finish(struct lt_space *s, struct lt_err *e);
/* As a label: whole numbers without a point. */
void lt_value_print(double v, char buf[32]);
/* Number of canonical archs; false when it does not fit. */
bool lt_space_count(const struct lt_space *s, unsigned __int128 *out);
#endif
