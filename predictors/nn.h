/*
 * Small networks that are trained: a fixed list of operators on matrices, forward, backward, and the product of the
 * Hessian with a vector (Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6, 1994).
 * Everything is single precision and computed by one thread with the house's own matrix product, so results do not
 * depend on how many threads a BLAS would use. Nothing is allocated after lt_nn_ready.
 *
 *   n = lt_nn_new(); x = lt_nn_input(n, 1, 132, false); h = lt_nn_dense(n, x, 100, true, LT_NN_LINEAR); ...
 *   lt_nn_ready(n, 200, LT_NN_GRADIENT, e);            at most 200 items at a time
 *   lt_nn_init(n, theta, seed, 0);                     theta: lt_nn_n_params(n) numbers, the caller's
 *   memcpy(lt_nn_value(n, x), ...); lt_nn_forward(n, items, theta);
 *   lt_nn_gradient(n, y)[i] = dL/dy_i; lt_nn_backward(n, theta, gtheta);
 *
 * A tensor has `per` rows for each item, or `per` rows in all when it is shared by the items. Where an operator takes
 * two tensors, the second may have fewer rows: shared, or one for each item; its rows are then repeated. Parameters are
 * one vector that is not part of the network, so that one network runs with many of them. Each parameter is used once.
 */
#ifndef PREDICTORS_NN_H
#define PREDICTORS_NN_H
#include "lathe/rng.h"
#include "lathe/status.h"

#ifdef LT_NN_DOUBLE /* the gradient test compiles these files in double precision */
typedef double lt_real;
#else
typedef float lt_real;
#endif

enum lt_nn_start {                /* how parameters start */
                   LT_NN_LINEAR,  /* uniform within 1/sqrt(inputs), the bias too */
                   LT_NN_GRAPH,   /* uniform within 1/sqrt(outputs), the bias too */
                   LT_NN_SMALL,   /* weights uniform within 0.05, bias within 1/sqrt(outputs) */
                   LT_NN_TABLE,   /* normal, no bias: an embedding that a one-hot row picks from */
                   LT_NN_NO_BIAS, /* as LINEAR, without bias */
};
enum lt_nn_purpose { LT_NN_FORWARD, LT_NN_GRADIENT, LT_NN_HESSIAN };

struct lt_nn;
struct lt_nn *lt_nn_new(void); /* building calls are no-ops on NULL and after a failure, which lt_nn_ready reports */
void lt_nn_free(struct lt_nn *n);

/* Operators; each returns its tensor. */
int lt_nn_input(struct lt_nn *n, int per, int cols, bool shared);
int lt_nn_dense(struct lt_nn *n, int x, int cols, bool relu, enum lt_nn_start start);
/* The same with parameters reserved before: w [cols of x][cols], bias -1 for none. */
int lt_nn_dense_at(struct lt_nn *n, int x, int cols, bool relu, int w, int bias);
int lt_nn_param(struct lt_nn *n, int count, double bound, double value); /* uniform within bound around value */
/* y_i = sum_j a[i][j] x_j over the nodes of each item: a [to][nodes of x], copied. */
int lt_nn_propagate(struct lt_nn *n, int x, const double *a, int to);
int lt_nn_pool(struct lt_nn *n, int x, int weight /* input, one column, rows of x */); /* weighted sum over nodes */
int lt_nn_concat(struct lt_nn *n, int a, int b);
int lt_nn_add(struct lt_nn *n, int a, int b, double scale, bool relu); /* act(scale * (a + b)) */
int lt_nn_mul(struct lt_nn *n, int a, int b);
int lt_nn_relu(struct lt_nn *n, int x);
int lt_nn_sigmoid(struct lt_nn *n, int x);
int lt_nn_norm(struct lt_nn *n, int x); /* layer normalisation with scale and shift */
/* Graph attention of NASFLAT: y_e = sum_l softmax_l(a[e][l] * leaky(v . (x_l * x_e))) x_l with a learned v. */
int lt_nn_attend(struct lt_nn *n, int x, const double *a);

lt_status lt_nn_ready(struct lt_nn *n, int max_items, enum lt_nn_purpose purpose, struct lt_err *e);
int lt_nn_n_params(const struct lt_nn *n); /* a multiple of 16; the unused ones stay 0 */
void lt_nn_init(const struct lt_nn *n, lt_real *theta, uint64_t seed, uint64_t round);
int lt_nn_cols(const struct lt_nn *n, int t);
int lt_nn_rows_of(const struct lt_nn *n, int t, int items);
bool lt_nn_is_input(const struct lt_nn *n, int t);
lt_real *lt_nn_value(const struct lt_nn *n, int t);
lt_real *lt_nn_gradient(const struct lt_nn *n, int t);
lt_real *lt_nn_output(const struct lt_nn *n); /* value of the last tensor */

void lt_nn_forward(struct lt_nn *n, int items, const lt_real *theta);
/* The gradient of the last tensor is set by the caller; gtheta is overwritten. */
void lt_nn_backward(struct lt_nn *n, const lt_real *theta, lt_real *gtheta);
/* After forward and backward at theta: hv = H v, where the caller's loss has the gradient 2 (y - target) weight_i, so
 * that its own second derivative is 2 * weight of each item. */
void lt_nn_hessian(struct lt_nn *n, const lt_real *theta, const lt_real *v, lt_real weight, lt_real *hv);

/* Losses on the last tensor (one column, one row an item): set its gradient, return the loss. */
double lt_nn_mse(struct lt_nn *n, const lt_real *target);
double lt_nn_l1(struct lt_nn *n, const lt_real *target);
/* Mean over pairs (i, j), target_i > target_j, of max(0, margin - (y_i - y_j)). */
double lt_nn_hinge(struct lt_nn *n, const lt_real *target, const int32_t *pair, int n_pairs, double margin);
/* Spearman's correlation of a few numbers (n^2 steps), without memory of its own. */
double lt_nn_rank_correlation(const double *a, const double *b, int n);

struct lt_nn_adam {
    double rate, beta1, beta2, eps, decay; /* decay: decoupled (AdamW) */
    int step;
    int n;
    lt_real *m, *v; /* [n] zero before the first step */
};
void lt_nn_adam_step(struct lt_nn_adam *a, const lt_real *g, lt_real *theta);
double lt_nn_cosine(double from, double to, int step, int steps);
#endif
