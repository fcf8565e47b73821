/*
 * What predictor "fewshot" sees of an architecture, and which functions of it it thinks likely.
 *
 * psi(x), p numbers: 1; the choices one-hot; and, where the space is not additive, analytic sums over the operator
 * graph. Every component c of the prior is a linear map L_c: its functions are w'psi with w ~ N(0, L_c L_c'), scaled so
 * that a typical network's variance is 1:
 *   CONSTANT, MEAN, DEVICE   a constant; the mean of the training devices; how they differ from it (set by learning)
 *   SMALL, TOTAL, LIVE, PART sums over the whole graph; by class of operator; the same over what reaches the output and
 *                            over what has something to work on; by part of the network
 *   LABEL    how often each choice is made, whatever the layer: a cost for every label of genes of the same labels
 *   CELL     a cost for every choice of every gene, where choices of similar analytic cost cost similarly, wherever in
 *            the network they are made, and in proportion to that cost
 *   CHOICE   a cost for every choice, independent of the others'
 * Where changing a gene adds the same analytic amounts whatever the others are (checked on sampled networks), the space
 * is additive: psi is the one-hot alone and every component a map of it. Small spaces are enumerated.
 */
#ifndef PREDICTORS_FEWSHOT_BASIS_H
#define PREDICTORS_FEWSHOT_BASIS_H
#include "lathe/space.h"
#include "predictors/model_file.h"

enum {
    LT_FEW_CONSTANT,
    LT_FEW_MEAN,
    LT_FEW_DEVICE,
    LT_FEW_SMALL,
    LT_FEW_TOTAL,
    LT_FEW_LIVE,
    LT_FEW_PART,
    LT_FEW_LABEL,
    LT_FEW_CELL,
    LT_FEW_CHOICE,
    LT_FEW_N
};
struct lt_few_map {
    int r;
    double *l; /* [p][r]; NULL while r is 0 */
};
struct lt_few_parts;
struct lt_few_table;
enum { LT_FEW_MOST_ENUMERATED = 20000 };
struct lt_few_basis {
    const struct lt_space *space;
    bool ready, additive;
    int n_genes, n_choices, p;
    int *first;           /* [n_genes] of a gene's choices in the one-hot */
    double *mean;         /* [n_choices] of the one-hot over sampled networks */
    int n_kept;           /* analytic columns in psi; 0 when additive */
    int *kept;            /* [n_kept] index among the raw ones */
    double *centre, *per; /* [n_kept] psi = (raw - centre) * per */
    struct lt_few_map map[LT_FEW_N];
    double *cov[LT_FEW_N]; /* [p][p] L_c L_c'; NULL where the map is empty */
    int n_memo;            /* networks of an enumerated space, 0 = none */
    float *memo;
    struct lt_few_table *table; /* of an enumerated space */
    struct lt_few_parts *parts;
};
lt_status lt_few_basis_init(struct lt_few_basis *b, const struct lt_space *s, struct lt_err *e);
void lt_few_basis_release(struct lt_few_basis *b);
/* Expands some hundred networks, drawn from the seed. Does nothing when it is ready. */
lt_status lt_few_basis_prepare(struct lt_few_basis *b, uint64_t seed, struct lt_err *e);
void lt_few_basis_forget(struct lt_few_basis *b);                              /* back to what init has made */
int lt_few_basis_index(const struct lt_few_basis *b, const struct lt_arch *a); /* into memo */
lt_status lt_few_psi(const struct lt_few_basis *b, const struct lt_arch *a, double *out /* [p] */, struct lt_err *e);
/* map c times n rows of psi, new [n][r]; NULL when out of memory. */
double *lt_few_project(const struct lt_few_basis *b, int c, const double *psi, int n);
/* l is copied. */
lt_status lt_few_set_map(struct lt_few_basis *b, int c, const double *l, int r, struct lt_err *e);
void lt_few_basis_save(const struct lt_few_basis *b, struct lt_blob_writer *w);
lt_status lt_few_basis_load(struct lt_few_basis *b, const struct lt_blob_reader *r, struct lt_err *e);

/* fewshot_table.c. Keeps the analytic sums of all networks of a space of at most LT_FEW_MOST_ENUMERATED, so that none
 * is expanded any more. */
lt_status lt_few_basis_enumerate(struct lt_few_basis *b, struct lt_err *e);
double lt_few_basis_networks(const struct lt_few_basis *b);
/* b->table, for n_memo and memo that are there. */
lt_status lt_few_table_make(struct lt_few_basis *b, struct lt_err *e);
void lt_few_table_free(struct lt_few_table *t);
/* [n_memo] psi'w; psi'v psi, v [p][p], symmetric. */
void lt_few_table_means(const struct lt_few_basis *b, const double *w, double *out);
lt_status lt_few_table_variances(const struct lt_few_basis *b, const double *v, double *out, struct lt_err *e);

/* Raw analytic sums: by class of operator and sum, over all operators, over those whose result reaches the output, and
 * over those of them that do not work on zeros alone; macs, params, bytes, operators of all and of the last; by part.
 */
enum {
    LT_FEW_CLASSES = 7,
    LT_FEW_SUMS = 4,
    LT_FEW_BLOCK = LT_FEW_CLASSES * LT_FEW_SUMS,
    LT_FEW_RAW_LIVE = LT_FEW_BLOCK,
    LT_FEW_RAW_SMALL = 3 * LT_FEW_BLOCK,
    LT_FEW_RAW_PART = LT_FEW_RAW_SMALL + 2 * LT_FEW_SUMS,
};
lt_status lt_few_parts_new(const struct lt_space *s, struct lt_few_parts **out, struct lt_err *e);
int lt_few_raw_count(const struct lt_few_parts *p);
lt_status lt_few_raw(const struct lt_few_parts *p, const struct lt_space *s, const struct lt_arch *a, double *out,
                     struct lt_err *e);
#endif
