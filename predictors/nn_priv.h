/* Inside of predictors/nn*.c. */
#ifndef PREDICTORS_NN_PRIV_H
#define PREDICTORS_NN_PRIV_H
#include "predictors/nn.h"

#define LT_NN_MAX 128
enum lt_nn_op {
    NN_INPUT,
    NN_DENSE,
    NN_PROPAGATE,
    NN_POOL,
    NN_CONCAT,
    NN_ADD,
    NN_MUL,
    NN_RELU,
    NN_SIGMOID,
    NN_NORM,
    NN_ATTEND
};

struct lt_nn_node {
    enum lt_nn_op op;
    int in[2];     /* tensors read, -1 none */
    int per, cols; /* rows for each item (or in all, when shared), columns */
    bool shared, relu;
    bool learns;      /* a parameter is at or above it: its gradient is needed */
    bool adds[2];     /* its gradient for in[k] is added to one that is there already */
    int w, bias;      /* places in theta, -1 none */
    lt_real scale;    /* ADD */
    double *graph;    /* PROPAGATE, ATTEND: [per][nodes of the input] */
    lt_real *y, *g;   /* value, gradient */
    lt_real *ry, *rg; /* their derivatives along a direction of theta */
    lt_real *aux;     /* NORM: normalised rows, then 1/deviation; ATTEND: scores, attention, scratch */
};
struct lt_nn_place {
    int at, count;
    double bound, value;
    bool normal;
};
struct lt_nn {
    int n, items, max_items, n_params, n_places;
    bool failed;
    enum lt_nn_purpose purpose;
    struct lt_nn_node node[LT_NN_MAX];
    struct lt_nn_place place[2 * LT_NN_MAX];
    lt_real *memory;
};
static inline int lt_nn_rows(const struct lt_nn *n, const struct lt_nn_node *v) {
    return v->shared ? v->per : v->per * n->items;
}
/* The row of b that goes with row i of a. */
static inline int lt_nn_row_of(const struct lt_nn_node *a, const struct lt_nn_node *b, int i) {
    if (b->shared) return b->per == 1 ? 0 : i % b->per;
    return b->per == a->per ? i : i / a->per;
}
struct lt_nn_product { /* C [m][n] (+)= A B; ta: A is stored [k][m]; tb: B is stored [n][k]; rows are dense */
    int m, n, k;
    bool ta, tb, adds;
    const lt_real *a, *b;
    lt_real *c;
};
void lt_nn_multiply(const struct lt_nn_product *p);
void lt_nn_op_forward(struct lt_nn *n, struct lt_nn_node *v, const lt_real *theta);
void lt_nn_op_backward(struct lt_nn *n, struct lt_nn_node *v, const lt_real *theta, lt_real *gtheta);
void lt_nn_attend_forward(struct lt_nn *n, struct lt_nn_node *v, const lt_real *theta);
void lt_nn_attend_backward(struct lt_nn *n, struct lt_nn_node *v, const lt_real *theta, lt_real *gtheta);
size_t lt_nn_attend_aux(const struct lt_nn_node *v, const struct lt_nn_node *x, size_t items);
void lt_nn_column_sums(const lt_real *x, int rows, int cols, lt_real *sum); /* overwrites */
#endif
