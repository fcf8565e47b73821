/* How long a tensor must be kept, and which tensors share memory. The facts were gathered by lt_graph_finish. */
#include "lathe/cost.h"

void lt_graph_liveness(const struct lt_graph *g, int *last_use) {
    for (int i = 0; i < g->n_nodes; i++) last_use[i] = g->node[i].last_use;
}

bool lt_node_in_place(const struct lt_graph *g, int node) {
    const struct lt_node *n = &g->node[node], *x;

    if (n->op == LT_OP_FLATTEN) return true;
    if (n->op != LT_OP_BN && n->op != LT_OP_ACT) return false;
    x = &g->node[n->in[0]];
    return x->op != LT_OP_INPUT && x->n_readers == 1;
}
