/*
 * Inside of a space: genes, the body that its file describes, the head. Private to spaces/.
 * Gene order: named choices, resolution, width, the body's genes, the head's; a gene that decides whether another
 * exists comes before it. Values that are not a choice have no gene.
 */
#ifndef SPACES_SPACE_PRIV_H
#define SPACES_SPACE_PRIV_H
#include "lathe/space.h"
#include "lathe/mem.h"
#include "spaces/blocks.h"
#include "spaces/value.h"

#define LT_MAX_CHOICES 255
#define LT_MAX_NAMED 256

/* ==== The interface between a space and its body: the part of a network between the input and the head ====
 * `stages:` (a chain of blocks, stages.c) is one body, `cells:` (cell.c) another; bodies.def lists them. A body reads
 * its part of the file, adds its genes, and lists SEGMENTS: the links of the chain that it expands to, each with the
 * genes that its nodes depend on. Sampling, mutation, crossover, canonical form, counting, features, tables of latency
 * data and costs are then the framework's: they see genes, conditions and segments alone. */

static inline bool lt_cond_has(const struct lt_cond *c, int k) { return c->on[k >> 6] >> (k & 63) & 1; }
static inline void lt_cond_add(struct lt_cond *c, int k) { c->on[k >> 6] |= (uint64_t)1 << (k & 63); }

struct lt_gene_spec {
    const char *name;         /* copied */
    int n;                    /* choices, 2..LT_MAX_CHOICES */
    const double *value;      /* [n] copied; NULL: 0, 1, 2, ... */
    const char *const *label; /* [n] copied; NULL: printed from the values. With labels the choices have no order of
                                 size: the smallest and the largest network then take the one of fewest, most MACs */
    int n_conds;
    struct lt_cond cond[LT_MAX_CONDS]; /* all of them must hold */
    int line, col;
    const char *file; /* NULL: the space's */
};
/* Errors: too many genes, too many choices, a name that is taken; each with the place. */
lt_status lt_space_add_gene(struct lt_space *s, const struct lt_gene_spec *spec, int *gene, struct lt_err *e);
int lt_space_find_gene(const struct lt_space *s, const char *name); /* -1 */
/* The gene's conditions and those of the genes that they name, each gene once; *n of them. */
const struct lt_cond *lt_gene_conds(const struct lt_space *s, int gene, int *n);

/* struct lt_carry (blocks.h) goes from segment to segment; it starts as {1, {image}}. The head reads node[0]. */
struct lt_segment {
    const char *name; /* for messages */
    const char *file; /* NULL: the space's */
    int line, col;
    int n_conds;
    struct lt_cond cond[LT_MAX_CONDS]; /* not expanded unless all hold */
    int n_genes;
    const int *gene; /* [n_genes] all that its nodes depend on besides the shapes of what is carried in; copied */
    int user[4];     /* the body's own: which stage, which block, ... */
    const struct lt_cond *all; /* set by lt_space_add_segment, which flattens cond into it; n_conds is its length */
};
lt_status lt_space_add_segment(struct lt_space *s, const struct lt_segment *seg,
                               struct lt_err *e); /* copied, in order */

struct lt_cursor { /* of the parser of architecture strings */
    const struct lt_space *s;
    const char *text, *at;
    struct lt_err *e;
};
lt_status lt_cursor_fail(const struct lt_cursor *c,
                         const char *wanted); /* "..., column 12: expected <wanted>, found" */
lt_status lt_cursor_expect(struct lt_cursor *c, const char *literal);
/* `before` and then one of the gene's labels. */
lt_status lt_cursor_choice(struct lt_cursor *c, int gene, const char *before, struct lt_arch *a);

struct lt_body_ops {
    const char *name;
    const char *const *keys; /* of the root map that belong to it, NULL-ended; the first one selects this body */
    /* Reads those keys; adds genes and segments; returns its own data (in s->arena) in *body. By then s->in_channels,
     * resolution, classes, divisor, act, width and the named choices are read. */
    lt_status (*read)(struct lt_space *s, const struct lt_yaml *root, void **body, struct lt_err *e);
    /* Adds the nodes of a segment that exists and replaces what is carried. Builder errors stick in g; others in e. */
    lt_status (*build)(const struct lt_space *s, const void *body, const struct lt_segment *seg,
                       const struct lt_arch *a, struct lt_graph *g, struct lt_carry *x, struct lt_err *e);
    /* Its items of an architecture string: *sep is ":" before the first item of the string, then "|". */
    void (*print)(const struct lt_space *s, const void *body, const struct lt_arch *a, const char **sep,
                  struct lt_buf *out);
    lt_status (*parse)(const struct lt_space *s, const void *body, struct lt_cursor *c, const char **sep,
                       struct lt_arch *a);
    /* Everything that changes the meaning of an arch and is neither a gene's name, values, labels nor conditions. */
    void (*hash)(const struct lt_space *s, const void *body, struct lt_buf *text);
    /* Optional: what canonicalises beyond "genes that do not exist are 0". */
    void (*canonical)(const struct lt_space *s, const void *body, struct lt_arch *a);
    /* Optional: a text cell of latency tables (`text: <name>` of a column): print, and parse or check. */
    lt_status (*text_print)(const struct lt_space *s, const void *body, const char *name, const struct lt_arch *a,
                            struct lt_buf *out, struct lt_err *e);
    lt_status (*text_parse)(const struct lt_space *s, const void *body, const char *name, const char *cell,
                            struct lt_arch *a, struct lt_err *e);
};
int lt_body_count(void);
const struct lt_body_ops *lt_body_at(int i);

/* ==== The space ==== */

struct lt_named { /* what expressions and conditions may refer to */
    const char *name;
    const struct lt_choice *c;
    bool *used; /* NULL: need not be */
    int line, col;
};

struct lt_gene_info {
    int n_conds; /* flattened: with those of the genes that they name */
    const struct lt_cond *cond;
    bool unordered;
};

struct lt_head;
struct lt_table;
struct lt_counter;

struct lt_space {
    struct lt_arena *arena;
    const char *name, *file;
    int classes, in_channels, divisor;
    int tokens; /* > 0: the input is so many token numbers, not an image */
    enum lt_act act;
    struct lt_choice resolution, width;
    const struct lt_yaml *root; /* while the file is read */
    int n_named, n_choices;     /* the first n_choices of named[] are those of `choices:` */
    struct lt_named named[LT_MAX_NAMED];
    const struct lt_body_ops *ops;
    void *body;
    const struct lt_head *head; /* its segment is the last */
    int n_segments, cap_segments;
    struct lt_segment *segment;
    int n_genes, n_features;
    struct lt_gene gene[LT_MAX_GENES];
    struct lt_gene_info info[LT_MAX_GENES];
    struct lt_arch smallest, largest;
    const struct lt_table *table;
    struct lt_counter *counter;
    int n_networks;
    const struct lt_space_network *network;
    uint64_t hash;
};

const struct lt_named *lt_space_named(const struct lt_space *s, const char *name);
lt_status lt_space_add_named(struct lt_space *s, const char *name, const struct lt_choice *c, bool *used,
                             struct lt_err *e);

/* Do all conditions hold, given that the genes which they name exist (the list is flattened)? */
static inline bool lt_conds_hold(int n, const struct lt_cond *c, const struct lt_arch *a) {
    for (int i = 0; i < n; i++) {
        if (!lt_cond_has(&c[i], a->g[c[i].gene])) return false;
    }
    return true;
}
bool lt_segment_exists(const struct lt_space *s, const struct lt_segment *seg, const struct lt_arch *a);
/* Appends a segment's nodes, the head's too, and checks what came of it. */
lt_status lt_segment_build(const struct lt_space *s, const struct lt_segment *seg, const struct lt_arch *a,
                           struct lt_graph *g, struct lt_carry *x, struct lt_err *e);
bool lt_segment_is_head(const struct lt_space *s, const struct lt_segment *seg);

/* Channels as a network has them: times width and rounded, unless they are given by an expression. */
int lt_channels(const struct lt_space *s, const struct lt_choice *c, const struct lt_arch *a);

bool lt_space_comes_later(const struct lt_space *s, const char *name);
/* The name of the file that a node stands in, as long-lived as the space; NULL on exhausted memory. */
const char *lt_space_file_of(struct lt_space *s, const struct lt_yaml *n);
lt_status lt_networks_read(struct lt_space *s, const struct lt_yaml *root, struct lt_err *e);
int lt_space_input(const struct lt_space *s, const struct lt_arch *a, struct lt_graph *g); /* the input node */

/* After the YAML has been read: the hash, the extremes (expanded), the counts. */
lt_status lt_space_finish(struct lt_space *s, struct lt_err *e);
/* The file with what it includes and overrides; a tree whose nodes live in `arena`, or root itself. */
lt_status lt_space_include(struct lt_arena *arena, const struct lt_yaml *root, const struct lt_yaml **out,
                           struct lt_err *e);
/* ---- the head ---- */
lt_status lt_head_read(struct lt_space *s, const struct lt_yaml *root, struct lt_err *e);
int lt_head_build(const struct lt_space *s, const struct lt_arch *a, struct lt_graph *g, const struct lt_carry *taps);
bool lt_head_reads_taps(const struct lt_space *s); /* all that is carried, not the main stream alone */
void lt_head_print(const struct lt_space *s, const struct lt_arch *a, const char **sep, struct lt_buf *out);
lt_status lt_head_parse(struct lt_cursor *c, const char **sep, struct lt_arch *a);
void lt_head_hash(const struct lt_space *s, struct lt_buf *text);
/* ---- tables of latency data ---- */
lt_status lt_table_read(struct lt_space *s, const struct lt_yaml *root, struct lt_err *e);
/* ---- counting ---- */
lt_status lt_counter_new(struct lt_space *s, struct lt_err *e);
#endif
