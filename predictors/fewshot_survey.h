/* What is found out about a space before psi and the prior are made; thrown away after it. */
#ifndef PREDICTORS_FEWSHOT_SURVEY_H
#define PREDICTORS_FEWSHOT_SURVEY_H
#include "predictors/fewshot_basis.h"

enum { LT_FEW_SAMPLES = 128, LT_FEW_CONTEXTS = 2 };
struct lt_few_survey {
    struct lt_few_basis *b;
    int n_raw;
    struct lt_arch context[LT_FEW_CONTEXTS];
    double *raw, *onehot;  /* [LT_FEW_SAMPLES][n_raw], [LT_FEW_SAMPLES][n_choices] */
    double *base, *step;   /* [n_raw] the first context; [n_choices][n_raw] a choice instead of its, in it */
    double *extra, *times; /* [n_choices][BLOCK] more than the cheapest choice of the gene; [n_choices] contexts */
    double *row;           /* [n_raw] */
};
/* fewshot_maps.c */
int lt_few_group_of(int raw); /* the component that a raw column belongs to */
lt_status lt_few_make_maps(struct lt_few_survey *v, struct lt_err *e);
#endif
