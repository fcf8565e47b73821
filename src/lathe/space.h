/*
 * A search space: choices read from a YAML file, and how a choice vector becomes an operator graph.
 * What searches sees only lt_arch. An arch is canonical when genes that have no effect (blocks beyond a stage's depth)
 * are 0; all functions here return canonical archs, hashes are of the canonical form and its space. Thread safe for
 * readers. Not collective. Format: docs/formats/space.md.
 */
#ifndef LATHE_SPACE_H
#define LATHE_SPACE_H
#include "lathe/graph.h"
#include "lathe/rng.h"
#include "lathe/yaml.h"
#ifdef __cplusplus
extern "C" {
#endif
#define LT_MAX_GENES 192
struct lt_arch {
    int32_t n;
    uint8_t g[LT_MAX_GENES]; /* g[i] in [0, cardinality of gene i) */
};
struct lt_gene {
    const char *name; /* "s2.b1.kernel", "resolution", ... */
    int n_choices;
    const char *const *label; /* [n_choices] "3", "5", "7" */
    const double *value;      /* [n_choices] the number behind the label */
};
struct lt_space;
/* A path, or a name that is looked up as <name>.yaml in ./spaces and the installed spaces folder. Verifies that the
 * smallest and the largest network expand. */
lt_status lt_space_load(const char *name_or_path, struct lt_space **out, struct lt_err *e);
lt_status lt_space_parse_yaml(const struct lt_yaml *root, struct lt_space **out, struct lt_err *e);
void lt_space_free(struct lt_space *s);
const char *lt_space_name(const struct lt_space *s);
uint64_t lt_space_hash(const struct lt_space *s); /* of everything that changes meaning of an arch */
int lt_space_n_genes(const struct lt_space *s);
const struct lt_gene *lt_space_gene(const struct lt_space *s, int i);
double lt_space_log10_size(const struct lt_space *s); /* number of canonical archs */
/* Number of canonical archs, exactly, in decimal. */
void lt_space_size_text(const struct lt_space *s, struct lt_buf *out);
int lt_space_classes(const struct lt_space *s);
int lt_space_input_channels(const struct lt_space *s);
int lt_space_resolution(const struct lt_space *s, const struct lt_arch *a);
int lt_space_max_resolution(const struct lt_space *s); /* of a space of tokens, the longest input */
bool lt_space_takes_tokens(const struct lt_space *s);  /* the input is token numbers, not an image */

void lt_space_largest(const struct lt_space *s, struct lt_arch *out);
void lt_space_smallest(const struct lt_space *s, struct lt_arch *out);
void lt_space_sample(const struct lt_space *s, struct lt_rng *r, struct lt_arch *out);         /* each gene uniform */
void lt_space_sample_uniform(const struct lt_space *s, struct lt_rng *r, struct lt_arch *out); /* over all archs */
/* At least one effective gene changes. */
void lt_space_mutate(const struct lt_space *s, struct lt_rng *r, double p_gene, struct lt_arch *a);
void lt_space_crossover(const struct lt_space *s, struct lt_rng *r, const struct lt_arch *a, const struct lt_arch *b,
                        struct lt_arch *out);
void lt_space_canonical(const struct lt_space *s, struct lt_arch *a);
bool lt_space_gene_active(const struct lt_space *s, const struct lt_arch *a, int gene);
uint64_t lt_arch_hash(const struct lt_space *s, const struct lt_arch *a);
bool lt_arch_equal(const struct lt_arch *a, const struct lt_arch *b);
/* One line, parsed back exactly: "mobile28:r28|c16|s1:c24,k3e4,k5e3|..." ; errors name the column. */
void lt_arch_print(const struct lt_space *s, const struct lt_arch *a, struct lt_buf *out);
lt_status lt_arch_parse(const struct lt_space *s, const char *text, struct lt_arch *out, struct lt_err *e);

/* The network of an arch. Caller frees. Graph name = arch string. Output = logits (no softmax). */
lt_status lt_space_expand(const struct lt_space *s, const struct lt_arch *a, struct lt_graph **out, struct lt_err *e);
/* A row of a latency data set. The columns are those that the space's file declares (`table:`), else the one column
 * "arch" with the architecture string. A cell is a gene's value, a number that stands for one of its choices, or the
 * mean of a field over the layers that exist (then the arch that comes back is the most even one of that mean). A space
 * may accept further columns that it can check (nasbench201: the cell's string). */
int lt_space_n_columns(const struct lt_space *s);
const char *lt_space_column(const struct lt_space *s, int i);
lt_status lt_space_row_parse(const struct lt_space *s, const char *const *cell /* [n_columns] */, struct lt_arch *out,
                             struct lt_err *e);
void lt_space_row(const struct lt_space *s, const struct lt_arch *a, double *out /* [n_columns], NAN for text */);
lt_status lt_space_row_print(const struct lt_space *s, const struct lt_arch *a, struct lt_buf *out); /* CSV, no \n */

/* Analytic sums of the batch-norm folded f32 network, for each class of operator. */
enum lt_op_class {
    LT_CLASS_DENSE_1X1,
    LT_CLASS_DENSE_KXK,
    LT_CLASS_GROUPED,
    LT_CLASS_DEPTHWISE, /* and SHORTCONV */
    LT_CLASS_MATMUL,    /* LINEAR, attention */
    LT_CLASS_POOL,
    LT_CLASS_OTHER, /* whatever moves memory only */
    LT_N_CLASSES
};
enum lt_sum { LT_SUM_MACS, LT_SUM_PARAMS, LT_SUM_BYTES /* read and written, weights too */, LT_SUM_OPS, LT_N_SUMS };
struct lt_totals {
    double sum[LT_N_CLASSES][LT_N_SUMS];
    double macs, params, moved_bytes, n_ops; /* over all classes */
    /* Of the network before folding, as publications count: a batch norm that will become a convolution of its own has
     * parameters and no MACs. */
    double trained_macs, trained_params;
};
void lt_graph_totals(const struct lt_graph *folded, struct lt_totals *out); /* trained: 0 */
/* Totals of many archs without expanding each: per-block tables that are filled as blocks are met. One thread. The
 * numbers are those that lt_graph_cost and lt_node_cost give for the expanded and folded graph. */
struct lt_space_costs;
lt_status lt_space_costs_new(const struct lt_space *s, struct lt_space_costs **out, struct lt_err *e);
void lt_space_costs_free(struct lt_space_costs *c);
lt_status lt_space_costs_totals(struct lt_space_costs *c, const struct lt_arch *a, int n, struct lt_totals *out,
                                struct lt_err *e);

/* The cells of a space of cells (docs/formats/cells.md) as small graphs, for drawings; other spaces have none. */
#define LT_MAX_CELL_LINKS 64
struct lt_cell_link {
    int from, to;
    const char *operation;
    int operation_index; /* among the space's operations */
    bool nothing;        /* contributes zeros */
};
struct lt_cell_view {
    const char *name;
    int n_inputs, n_nodes; /* nodes: inputs too, which come first */
    const char *joined;    /* "concat" or "sum" of all own nodes is the output; NULL: the last node is */
    int n_links;
    struct lt_cell_link link[LT_MAX_CELL_LINKS];
};
int lt_space_n_cells(const struct lt_space *s);
void lt_space_cell(const struct lt_space *s, const struct lt_arch *a, int i, struct lt_cell_view *out);

/* What a space attains: of MACs and parameters of the network as built (with batch norm), and of its peak memory in
 * f32. Exact where that can be computed, else the least and most of 4000 samples. */
enum lt_measure { LT_MEASURE_MACS, LT_MEASURE_PARAMS, LT_MEASURE_PEAK_BYTES, LT_N_MEASURES };
struct lt_space_range {
    bool exact;
    double min[LT_N_MEASURES], max[LT_N_MEASURES];
};
lt_status lt_space_attainable(const struct lt_space *s, struct lt_space_range *out, struct lt_err *e);
/* An arch inside the bounds: sampled, and where none is met, by mutations towards them; LT_INFEASIBLE after `tries`. */
struct lt_space_bounds {
    double min[LT_N_MEASURES], max[LT_N_MEASURES]; /* 0 = none */
};
lt_status lt_space_sample_within(const struct lt_space *s, struct lt_space_costs *c, const struct lt_space_bounds *b,
                                 int tries, struct lt_rng *r, struct lt_arch *out, struct lt_err *e);
/* An arch whose MACs are near to a value drawn uniformly from the attainable range. */
lt_status lt_space_sample_balanced(const struct lt_space *s, struct lt_space_costs *c,
                                   const struct lt_space_range *range, int tries, struct lt_rng *r, struct lt_arch *out,
                                   struct lt_err *e);

/* Published networks that a space's file names (`networks:`), with the counts that must come out. */
struct lt_space_network {
    const char *name, *source;
    struct lt_arch arch;
    int convention;          /* lathe/cost.h */
    double macs, macs_slack; /* |count - macs| <= macs_slack; macs < 0: not stated */
    double params, params_slack;
    double folded_params, folded_slack; /* with batch norm folded, as tools that convert networks count */
};
int lt_space_n_networks(const struct lt_space *s);
const struct lt_space_network *lt_space_network(const struct lt_space *s, int i);
/* The counts of all networks; the message names the network, what is counted and what was published. */
lt_status lt_space_check_networks(const struct lt_space *s, struct lt_err *e);

/* Features for predictors, in [0,1]: per gene one-hot (zeros when inactive). */
int lt_space_n_features(const struct lt_space *s);
void lt_space_features(const struct lt_space *s, const struct lt_arch *a, double *out);
#ifdef __cplusplus
}
#endif
#endif
