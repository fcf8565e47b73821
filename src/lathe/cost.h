/*
 * Analytic costs of a graph for one sample: MACs, parameters, bytes moved, peak activation memory.
 * macs: one per multiply-accumulate of every operator that has any: CONV, LINEAR, SHORTCONV, both products of ATTENTION
 * (all queries times the keys that each of them meets: all of them, those of its block, or those of a full window: as
 * implementations compute and papers count, neither the borders of a window nor the causal triangle are cut off), and
 * LINATTN (state, read-out and normalizer). Bias, normalization, activation, softmax and pooling are not counted, as
 * the field does. params counts weights, biases, gamma, beta and learned tables, not running statistics; size_bytes is
 * what a deployed file needs: folded weights (4 bytes f32, 1 byte int8 + 4 per output channel scale) + 4 per bias;
 * peak_act_bytes is the largest sum of live tensors over the topological order with BN/ACT done in place and FLATTEN,
 * TOKENS and GRID being the memory that they read (liveness), f32 or 1 byte where the plan says so. The network that is
 * costed is the deployed one: batch norm folded, and a BN or ACT whose input nobody else reads is part of the node
 * before it (no bytes of its own, no operator in n_ops). A tensor that only int8 nodes read takes 1 byte an element;
 * one that both int8 and f32 nodes read exists twice (5 bytes). The image is a tensor too; what an operator needs
 * inside (scores of attention) is not counted. Nothing here fails; only graphs of more than 1024 nodes make it
 * allocate. Not collective; thread safe.
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
/* True when node i's output occupies the memory of its input: FLATTEN, TOKENS and GRID always, BN and ACT when nobody
 * else reads that memory and it is not the image. */
bool lt_node_in_place(const struct lt_graph *g, int node);

/*
 * Papers and tools do not agree on what a network's MACs and parameters are; the ways that matter, by name:
 *   default        as above: torchprofile and most papers of vision networks (some call these MACs FLOPs)
 *   conv-linear    CONV and LINEAR only: tools that hook layer modules (thop, ptflops) and the code of ProxylessNAS
 *                  and Once-for-all; the same as default for convolutional networks, less for transformers
 *   flops          2 per MAC: papers of language models, hardware peaks
 *   nasbench201    conv-linear plus one per element for adding a bias, nothing for batch norm, pooling and additions:
 *                  the counter of NAS-Bench-201 (Dong and Yang, ICLR 2020); 220.12 M for its cell of 3x3 only
 *   no-classifier  default without the final projection: DARTS-like cells, feature extractors (backbones)
 *   no-embedding   default without EMBED and POSITION and the final projection: HAT (Wang et al., ACL 2020) and the
 *                  non-embedding parameters of language models
 *
 * The final projection is the last CONV or LINEAR when only activations and changes of shape follow it; otherwise a
 * network has none. Bytes, peak and n_ops are those of lt_graph_cost under every convention.
 */
struct lt_cost_convention {
    const char *name, *about;
};
const struct lt_cost_convention *lt_cost_convention_at(int i); /* NULL behind the last; 0 is `default` */
int lt_cost_convention_find(const char *name);                 /* -1 when there is none of that name */
void lt_graph_cost_as(const struct lt_graph *g, int convention, struct lt_cost *out);
#ifdef __cplusplus
}
#endif
#endif
