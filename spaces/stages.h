/*
 * The body `stages:`: a stem and stages of blocks, one after the other. A stage has a depth and channels; each of its
 * blocks is one of the stage's candidates (kinds of blocks with their fields). Private to spaces/stages*.c.
 */
#ifndef SPACES_STAGES_H
#define SPACES_STAGES_H
#include "spaces/space_priv.h"

#define LT_MAX_STAGES 64
#define LT_MAX_DEPTH 64
#define LT_MAX_CANDS 32
#define LT_MAX_ITEM_GENES 48
enum { LT_TAP_NONE, LT_TAP_OUTPUT, LT_TAP_EXPAND };

struct lt_cand {
    const struct lt_block_ops *ops;
    const char *label;         /* in arch strings */
    const struct lt_yaml *def; /* its entry of `blocks:`, NULL when it is a kind of the library; while reading */
    struct lt_choice field[LT_MAX_FIELDS];
};
/* The genes that one item of an arch string shows, in order. */
struct lt_item {
    int n;
    struct {
        int gene;
        char letter; /* 0: a label without letter */
    } part[LT_MAX_ITEM_GENES];
};
struct lt_site { /* one block */
    int stride;
    struct lt_choice channels;
    struct lt_cand *cand; /* [stage.n_cands] */
    struct lt_item item;
};
struct lt_stage {
    const char *name, *file;
    bool is_stem; /* one block, named like the stage */
    int line, col;
    int n_conds; /* `when` */
    struct lt_cond cond[LT_MAX_CONDS];
    struct lt_choice channels, depth;
    bool one_channels;  /* the same for all blocks */
    bool same_channels; /* what comes in goes out */
    int n_cands;
    bool labelled; /* node names hold the candidate's label */
    int kind_gene; /* of the stage, -1: none or one a block */
    int n_sites;   /* of the deepest network */
    struct lt_site *site;
    struct lt_item item; /* choices of the stage, channels and depth aside */
    bool site_items;     /* some block has a choice */
    int tap;             /* kept for the head: LT_TAP_... */
    int tap_slot;        /* where it is carried */
};
struct lt_stages {
    int n;
    struct lt_stage stage[LT_MAX_STAGES];
};

lt_status lt_stages_read(struct lt_space *s, const struct lt_yaml *root, void **body, struct lt_err *e);
void lt_stages_print(const struct lt_space *s, const void *body, const struct lt_arch *a, const char **sep,
                     struct lt_buf *out);
lt_status lt_stages_parse(const struct lt_space *s, const void *body, struct lt_cursor *c, const char **sep,
                          struct lt_arch *a);
/* Which kinds of blocks: fills cand[LT_MAX_CANDS] and t->n_cands. *per_stage: one choice for all blocks of the stage.
 */
lt_status lt_stage_read_cands(struct lt_space *s, const struct lt_yaml *map, struct lt_stage *t, struct lt_cand *cand,
                              bool *per_stage, struct lt_err *e);
/* Reads the fields of all blocks of t, and makes its genes, items and segments. `map` is the stage in the file. */
lt_status lt_stage_read_blocks(struct lt_space *s, const struct lt_yaml *map, struct lt_stage *t,
                               const struct lt_cand *cand, bool per_stage, const struct lt_scope *sc, int stage,
                               struct lt_err *e);
/* Appends the condition under which block b of the stage exists, where that is a question. */
void lt_stage_block_cond(const struct lt_stage *t, int b, struct lt_cond *cond, int *n);
bool lt_stage_exists(const struct lt_space *s, const struct lt_stage *t, const struct lt_arch *a);
/* The node of `{each: [...]}` for block b, or n itself. */
lt_status lt_stage_each(const struct lt_yaml *n, int b, int n_blocks, const struct lt_yaml **out, struct lt_err *e);
#endif
