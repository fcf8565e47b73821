/*
 * The `cells:` body of a space: a network is a stack of cells, a cell is a small directed graph, and what may be chosen
 * is the operation of an edge (Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", CVPR
 * 2018). Two kinds of choice:
 *   every edge      each edge has one of its operations (Dong & Yang, "NAS-Bench-201", ICLR 2020);
 *   keep: k         each node keeps k of its possible inputs, each with an operation (Liu et al., "DARTS", ICLR 2019).
 *                   The kept inputs are one choice (one of the C(p,k) sets), so that no two choice vectors are one
 *                   network.
 * All cells of a kind share their choices. An operation is a list of steps, written in the file. Private to spaces/.
 */
#ifndef SPACES_CELL_H
#define SPACES_CELL_H
#include "spaces/space_priv.h"

enum {
    CELL_MAX_STEPS = 16,
    CELL_MAX_OPS = 32,
    CELL_MAX_INPUTS = 4,
    CELL_MAX_NODES = 12, /* inputs too */
    CELL_MAX_EDGES = 64,
    CELL_MAX_KINDS = 8,
    CELL_MAX_ENTRIES = 32,
    CELL_MAX_REPEAT = 64,
};

enum cell_step_kind { CELL_CONV, CELL_DW, CELL_BN, CELL_ACT, CELL_MAX, CELL_AVG, CELL_ZERO, CELL_FACTORIZED };

struct cell_step {
    enum cell_step_kind kind;
    int kernel, dilation, pad, groups; /* pad -1: keeps the size */
    int stride;                        /* 0: takes the edge's if no step before it did */
    int channels;                      /* of CONV, 0: those of the cell times expand */
    double expand;
    enum lt_act act;
    int line, col;
};
struct cell_steps {
    int n;
    struct cell_step step[CELL_MAX_STEPS];
};
struct cell_op {
    const char *name;
    struct cell_steps plain, strided; /* strided: on edges with a stride above 1 */
    bool has_strided;
    bool zero; /* nothing but a ZERO step: contributes nothing to a sum */
    int line, col;
};

struct cell_edge {
    int from, to;
    int n_ops, op[CELL_MAX_OPS]; /* choices */
    int gene;                    /* -1: one operation only; in kinds with `keep` always */
};
enum cell_output { CELL_OUT_LAST, CELL_OUT_CONCAT, CELL_OUT_SUM };
struct cell_kind {
    const char *name;
    int n_inputs, n_nodes; /* n_nodes: inputs too */
    int stride;            /* of edges that leave an input */
    int preprocess;        /* operation on every input, -1 none */
    enum cell_output output;
    int keep;                     /* inputs a node keeps, 0: all edges are there */
    int n_ops, op[CELL_MAX_OPS];  /* keep: the operations of every edge */
    int set_gene[CELL_MAX_NODES]; /* keep: which inputs; -1 where there is but one set */
    int op_gene[CELL_MAX_NODES][CELL_MAX_INPUTS + CELL_MAX_NODES]; /* keep: of the i-th kept input; -1: one operation */
    int n_edges;
    struct cell_edge edge[CELL_MAX_EDGES]; /* not keep: by `to`, then in the file's order or by `from` */
    int n_genes, gene[CELL_MAX_EDGES];
    int line, col;
};

struct cell_entry { /* of the stack */
    const char *name;
    int kind;          /* -1: steps */
    int steps;         /* index of an unnamed operation, when kind is -1 */
    bool has_channels; /* else those that come in */
    struct lt_choice channels, repeat;
    int line, col;
};

struct cell_space {
    bool drop; /* unused: drop */
    int n_ops, n_named;
    struct cell_op op[CELL_MAX_OPS + CELL_MAX_ENTRIES]; /* named ones first, then the stack's own steps */
    int n_kinds;
    struct cell_kind kind[CELL_MAX_KINDS];
    int n_entries;
    struct cell_entry entry[CELL_MAX_ENTRIES];
    int history; /* outputs that a cell looks back on: the largest n_inputs */
};

/* One network's cell, the choices made. */
struct cell_link {
    int from, op;
};
struct cell_plan {
    int n[CELL_MAX_NODES];
    struct cell_link link[CELL_MAX_NODES][CELL_MAX_NODES];
};
void cell_resolve(const struct cell_kind *k, const struct lt_arch *a, struct cell_plan *p);
/* The members of set number `index` of the keep-element subsets of 0..n-1, in lexicographic order; and back. */
void cell_set_members(int n, int keep, int index, int *out);
int cell_set_index(int n, int keep, const int *member);
int cell_set_count(int n, int keep);

/* cell_ops.c */
lt_status cell_read_operation(struct lt_space *s, const struct lt_yaml *n, const char *name, struct cell_op *out,
                              struct lt_err *e);
struct cell_place { /* where an operation stands */
    const char *prefix;
    int in, channels, stride;
};
/* Output node, `in` itself for an operation without steps, -1 after an error (in g's builder error or in e). */
int cell_build_op(const struct lt_space *s, const struct cell_op *op, const struct cell_place *p, struct lt_graph *g,
                  struct lt_err *e);

/* cell_yaml.c */
lt_status cell_read(struct lt_space *s, const struct lt_yaml *root, void **body, struct lt_err *e);
/* cell_genes.c */
lt_status cell_add_genes(struct lt_space *s, struct cell_space *c, struct lt_err *e);
/* cell_build.c */
lt_status cell_build(const struct lt_space *s, const void *body, const struct lt_segment *seg, const struct lt_arch *a,
                     struct lt_graph *g, struct lt_carry *x, struct lt_err *e);
/* cell_text.c */
void cell_print(const struct lt_space *s, const void *body, const struct lt_arch *a, const char **sep,
                struct lt_buf *out);
lt_status cell_parse(const struct lt_space *s, const void *body, struct lt_cursor *c, const char **sep,
                     struct lt_arch *a);
lt_status cell_text_print(const struct lt_space *s, const void *body, const char *name, const struct lt_arch *a,
                          struct lt_buf *out, struct lt_err *e);
lt_status cell_text_parse(const struct lt_space *s, const void *body, const char *name, const char *cell,
                          struct lt_arch *a, struct lt_err *e);

/* cell_view.c */
void cell_view(const struct cell_space *c, const struct lt_arch *a, int kind, struct lt_cell_view *out);
#endif
