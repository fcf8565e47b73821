/*
 * Interactions: what two choices do together beyond what each does. Either the numbers of the space's table of columns
 * (depth times width), centred, with their squares and products; or the products of the choices of any two genes.
 */
#ifndef PREDICTORS_PAIRS_H
#define PREDICTORS_PAIRS_H
#include "lathe/space.h"

enum lt_pairs_kind { LT_PAIRS_NONE, LT_PAIRS_COLUMNS, LT_PAIRS_CHOICES, LT_N_PAIRS };
enum { LT_PAIRS_MOST = 700 }; /* more columns than this are not made */
struct lt_pairs {
    const struct lt_space *space;
    enum lt_pairs_kind kind;
    int m, n;                /* numeric columns of the table, or one-hot columns; columns that come out */
    int *gene;               /* CHOICES: [m] gene of a one-hot column */
    double *centre, *spread; /* COLUMNS: [table columns] of the architectures seen; spread 0: left out */
    double *row;             /* scratch */
};
/* n = 0 when the space has nothing of the kind, or too much. */
lt_status lt_pairs_init(struct lt_pairs *p, const struct lt_space *s, enum lt_pairs_kind kind, struct lt_err *e);
void lt_pairs_release(struct lt_pairs *p);
void lt_pairs_centre(struct lt_pairs *p, const struct lt_arch *a, int n);
void lt_pairs_of(const struct lt_pairs *p, const struct lt_arch *a, double *out /* [n] */);
#endif
