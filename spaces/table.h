/* Columns of a space's latency tables. Private to spaces/table*.c. */
#ifndef SPACES_TABLE_H
#define SPACES_TABLE_H
#include "spaces/space_priv.h"

#define LT_MAX_COLUMNS 256
enum lt_column_kind { LT_COLUMN_GENE, LT_COLUMN_MEAN, LT_COLUMN_TEXT, LT_COLUMN_FIXED };
struct lt_column {
    const char *name;
    enum lt_column_kind kind;
    int n_genes;
    const int *gene;         /* GENE: one; MEAN: of the layers */
    const char *const *cell; /* GENE: [n_choices] what a cell says for each choice; FIXED: [1] */
    const char *text;        /* TEXT: for the body */
};
struct lt_table {
    int n;
    struct lt_column column[LT_MAX_COLUMNS];
};
#endif
