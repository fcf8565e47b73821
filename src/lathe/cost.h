/*
 * Analytic costs of a graph for one sample: MACs, parameters, bytes moved, peak activation memory.
 * Conventions: 1 MAC = one multiply-add of CONV and LINEAR (bias, BN, activation and pooling not counted, as the field
 * does); params counts weights, biases, gamma and beta, not running statistics; size_bytes is what a deployed file
 * needs: folded weights (4 bytes f32, 1 byte int8 + 4 per output channel scale) + 4 per bias; peak_act_bytes is the
 * largest sum of live tensors over the topological order with BN/ACT done in place (liveness), f32 or 1 byte where the
 * plan says so. The network that is costed is the deployed one: batch norm folded, and a BN or ACT whose input nobody
 * else reads is part of the node before it (no bytes of its own, no operator in n_ops). A tensor that only int8 nodes
 * read takes 1 byte an element; one that both int8 and f32 nodes read exists twice (5 bytes). The image is a tensor
 * too. Nothing here allocates or fails. Not collective; thread safe.
 */
#ifndef LATHE_COST_H
#define LATHE_COST_H
#include "lathe/graph.h"
#ifdef __cplusplus
extern "C" {
#endif
struct lt_cost {
    int64_t macs, params, size_bytes, moved_bytes, peak_act_bytes;
    int n_ops;
};
struct lt_cost_node {
    int64_t macs, params, read_bytes, written_bytes;
};
void lt_graph_cost(const struct lt_graph *g, const struct lt_plan *plan /* NULL = f32 */, struct lt_cost *out);
void lt_node_cost(const struct lt_graph *g, const struct lt_plan *plan, int node, struct lt_cost_node *out);
/* True when node i's output occupies the memory of its input: FLATTEN always, BN and ACT when nobody else reads the
 * input and it is not the image. */
bool lt_node_in_place(const struct lt_graph *g, int node);
#ifdef __cplusplus
}
#endif
#endif
