/* Between the two halves of what training devices teach predictor "fewshot". */
#ifndef PREDICTORS_FEWSHOT_LEARN_H
#define PREDICTORS_FEWSHOT_LEARN_H
#include "predictors/fewshot_priv.h"

#define LT_FEW_FREEDOM 4.0 /* of Student's t: of a device's residuals, of what is asked for in episodes */

/* What is known of the training rows. */
struct lt_few_rows {
    const struct lt_few *f;
    int n, p;
    int *row;    /* [n] rows of the data set, ascending: the order of measuring, as far as anybody knows */
    double *psi; /* [n][p] */
    double *g;   /* [n][p] psi times the factor of one device's prior */
    double *l;   /* [p][p] that factor */
    double *f_d; /* [n][devices] what the devices' weights say */
};

/* fewshot_episodes.c: the weights of the bank's hypotheses. */
lt_status lt_few_learn_weights(struct lt_few *f, const struct lt_few_rows *t, const struct lt_meta *m,
                               struct lt_err *e);
#endif
