/*
 * Hash of what a network computes and costs, whatever its nodes are called and in whichever topological order they
 * stand: each node is hashed from its attributes, shape and the hashes of its inputs (those of ADD commute), and the
 * graph is the sum of its nodes and its output.
 */
#include <string.h>
#include "lathe/graph.h"
#include "lathe/mem.h"
#include "graph/ops.h"

static uint32_t float_bits(float f) {
    uint32_t u;

    memcpy(&u, &f, sizeof(u));
    return u;
}

/* What only some operators have; nothing for a convolution without dilation. */
static uint64_t more_attributes(const struct lt_graph *g, const struct lt_node *n, uint64_t z) {
    if (n->op == LT_OP_CONV && n->dilation > 1) return lt_mix64(z, (uint64_t)n->dilation);
    if (n->op < LT_OP_CONCAT) return z;
    const uint32_t value[] = {(uint32_t)n->axis,   (uint32_t)n->start,
                              (uint32_t)n->stop,   (uint32_t)n->heads,
                              (uint32_t)n->block,  (uint32_t)n->kv_heads,
                              (uint32_t)n->window, (uint32_t)n->width,
                              n->causal,           n->rms,
                              n->inverse,          float_bits(n->rope),
                              float_bits(n->eps)};
    for (size_t i = 0; i < sizeof(value) / sizeof(*value); i++) z = lt_mix64(z, value[i]);
    if (n->op == LT_OP_EMBED) z = lt_mix64(z, (uint64_t)g->param[n->param[0]].dim[0]); /* its output does not tell */
    return z;
}

static uint64_t node_hash(const struct lt_graph *g, const struct lt_node *n, const uint64_t *h) {
    uint64_t z = lt_mix64(0x6c61746865ull, (uint64_t)n->op);

    z = lt_mix64(z, (uint64_t)n->act);
    z = lt_mix64(z, (uint64_t)n->pool);
    z = lt_mix64(z, (uint64_t)n->kernel);
    z = lt_mix64(z, (uint64_t)n->stride);
    z = lt_mix64(z, (uint64_t)n->pad);
    z = lt_mix64(z, (uint64_t)n->groups);
    z = more_attributes(g, n, z);
    for (int i = 0; i < 4; i++) z = lt_mix64(z, (uint64_t)n->out.d[i]);
    for (int i = 0; i < n->n_params; i++) z = lt_mix64(z, (uint64_t)g->param[n->param[i]].role);
    if (n->op == LT_OP_ADD) return lt_mix64(z, h[n->in[0]] + h[n->in[1]]);
    for (int i = 0; i < n->n_in; i++) z = lt_mix64(z, h[n->in[i]]);
    return z;
}

uint64_t lt_graph_hash(const struct lt_graph *g) {
    uint64_t small[256], sum = 0, z, *h = small;

    if (g->n_nodes > 256 && !(h = lt_malloc((size_t)g->n_nodes * sizeof(*h))))
        LT_BUG("out of memory for the hash of %d nodes", g->n_nodes);
    for (int i = 0; i < g->n_nodes; i++) {
        h[i] = node_hash(g, &g->node[i], h);
        sum += h[i];
    }
    z = lt_mix64(sum, g->output >= 0 ? h[g->output] : 0);
    if (h != small) lt_free(h);
    return z;
}
