/*
 * Forward selection: of many columns, the few that matter. In every step the column is taken that makes the closed-form
 * leave-one-out error of the relative least squares fit smallest (ridge.h has the error; here without a penalty), until
 * none makes it smaller by more than the best of so many columns of noise would.
 */
#ifndef PREDICTORS_SELECT_H
#define PREDICTORS_SELECT_H
#include "lathe/status.h"

/* raw [n][p], y [n] > 0; use [p]: true for the columns taken. */
lt_status lt_select_columns(const double *raw, const double *y, int n, int p, bool *use, struct lt_err *e);
#endif
