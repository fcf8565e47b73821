/* Room: run. The last step: the only code that reads the test part of a data set, once, after every decision has been
 * taken. */
#ifndef LT_RUN_FINAL_H
#define LT_RUN_FINAL_H
#include "run/stages.h"

enum { LT_FINAL_MAX = 4 };
struct lt_final_row {
    const char *role, *text; /* "largest", ...; and in words */
    struct lt_arch arch;
    bool quantized;
    int n_test, n_test_correct, n_val, n_val_correct;
};
/* Fills the counts of each row, rows spread over the ranks. Collective. */
lt_status lt_final_evaluate(struct lt_run *r, struct lt_final_row *row, int n, struct lt_err *e);
#endif
