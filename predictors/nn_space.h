/*
 * What an architecture looks like to a network: one row of choices, or a graph of operations with a row each.
 *
 * The row has a column for every choice of every gene, zeros where the gene has no effect; genes that say how many
 * layers there are ("depth") are left out, since the layers that are absent are zeros already. Where all labels of a
 * gene are pairs ("k3_e6") with fewer parts than pairs, the parts have the columns: FBNet's 22 x (k3, k5, e1, e1_g2,
 * e3, e6), as HELP writes it, and zeros for the one label that is no pair (skip).
 *
 * The graph: a space whose genes are the edges of a cell (names that end in two nodes, from and to: "0>1", "op01")
 * becomes the graph of those edges, as HELP and BRP-NAS have it: an edge hears the edges that end where it starts. Any
 * other space becomes the chain of its layers (the genes that share what stands before the last '.'), with a one-hot
 * place for each. Nodes: input, operations, output.
 */
#ifndef PREDICTORS_NN_SPACE_H
#define PREDICTORS_NN_SPACE_H
#include "lathe/space.h"

#define LT_NN_MAX_NODES (LT_MAX_GENES + 2)
struct lt_nn_space {
    const struct lt_space *space;
    int n_flat;              /* columns of the row */
    bool cell;               /* the graph is a cell's, not a chain */
    int n_nodes, n_features; /* of the graph, input and output included */
    /* [nodes + 1][nodes + 1]: row i has ones at the nodes that it hears, without itself; the last one hears all. */
    double *hears;
    struct lt_nn_column *column; /* [genes of the space] */
};
lt_status lt_nn_space_new(const struct lt_space *space, struct lt_nn_space **out, struct lt_err *e);
void lt_nn_space_free(struct lt_nn_space *s);
void lt_nn_space_flat(const struct lt_nn_space *s, const struct lt_arch *a, float *x /* [n_flat] */);
/* x: [n_nodes][n_features]. works [n_nodes], NULL ok: 0 where the node does nothing (absent, or its choice is called
 * none). */
void lt_nn_space_graph(const struct lt_nn_space *s, const struct lt_arch *a, float *x, float *works);
/* With one more node, which hears all, and with the rows of what a node hears added to its own: the first propagation,
 * once and for all. x: [n_nodes + 1][n_features]. */
void lt_nn_space_sums(const struct lt_nn_space *s, const struct lt_arch *a, float *x);
#endif
