/*
 * The network of HELP and its meta-gradient. Lee, Lee, Chong, Hwang, "HELP: hardware-adaptive efficient latency
 * prediction for NAS via meta-learning", NeurIPS 2021.
 *
 * An architecture goes through two dense layers (or, where it is a cell, four graph convolutions and the node that sees
 * all), a device through two dense layers from its latencies on the reference architectures; three more give the
 * latency. Before it adapts, a device scales the columns that those three read and shifts their outputs by z, drawn
 * from a normal that a small network reads off the reference latencies. Then two steps of gradient descent on the
 * measured architectures, with a learned step for every weight. Learning minimises the error after those steps, through
 * them.
 */
#ifndef PREDICTORS_HELP_NET_H
#define PREDICTORS_HELP_NET_H
#include "predictors/nn.h"

struct lt_help_shape {
    int nodes;           /* rows of an architecture: 1, or the nodes of a cell with the one that sees all as the last */
    int cols;            /* of a row; a cell's rows are sums over neighbours already */
    const double *graph; /* [nodes][nodes], NULL without a cell */
    int references, hidden;
};
struct lt_help_net {
    struct lt_help_shape shape;
    struct lt_nn *step[2], *query, *z;
    int x, hw;        /* inputs of the first three */
    int n_theta, n_z; /* parameters of the network; of the one that gives z */
    int w[3], b[3];   /* the layers that z changes: [2 hidden] rows each */
    int n_latent;     /* numbers in z: 3 * (2 hidden + 1) */
    lt_real *memory, *t[3], *g[2], *v, *u, *hv, *zv, *zg, *y;
    int max_support, max_query;
};
/* What one device offers in one episode. x: [count][nodes * cols], gathered by row. */
struct lt_help_task {
    const lt_real *reference; /* [references] scaled to 0..1 */
    const lt_real *noise;     /* [n_latent] standard normal */
    const lt_real *all_x;
    const int32_t *support, *query; /* rows of all_x */
    int n_support, n_query;
    const lt_real *y; /* label of every row of all_x */
};
/* Learned: theta [n_theta], step sizes [n_theta], z [n_z], one after another. */
lt_status lt_help_net_new(const struct lt_help_shape *s, int max_support, int max_query, struct lt_help_net **out,
                          struct lt_err *e);
void lt_help_net_free(struct lt_help_net *n);
int lt_help_net_learned(const struct lt_help_net *n);
void lt_help_net_init(const struct lt_help_net *n, lt_real *learned, uint64_t seed);
/* Adds the gradient of (mean squared error on the queries + kl * divergence of z) * share to grad; returns that. */
double lt_help_net_task(struct lt_help_net *n, const lt_real *learned, const struct lt_help_task *t, double kl,
                        double share, lt_real *grad);
/* Parameters adapted to the supports of a task: [n_theta]. */
void lt_help_net_adapt(struct lt_help_net *n, const lt_real *learned, const struct lt_help_task *t, lt_real *theta);
/* Labels of `count` rows of all_x (row NULL: the first ones), at most max_query at a time. */
void lt_help_net_predict(struct lt_help_net *n, const lt_real *theta, const lt_real *reference, const lt_real *all_x,
                         const int32_t *row, int count, lt_real *y);
#endif
