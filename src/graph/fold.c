/*
 * Batch norm folded into the layer before it, as every deployment does:
 *   y = gamma * (conv(x) + b - mean) / sqrt(var + eps) + beta = conv'(x) + b',   w' = w * k, b' = (b - mean) * k +
 * beta, k = gamma / sqrt(var + eps) (Jacob et al., "Quantization and Training of Neural Networks for Efficient
 * Integer-Arithmetic-Only Inference", CVPR 2018, section 3.2). Computed in double and rounded once. A BN that has no
 * layer of its own to fold into becomes a 1x1 depthwise convolution.
 */
#include <math.h>
#include <string.h>
#include "lathe/graph.h"
#include "lathe/mem.h"
#include "graph/ops.h"

int lt_bn_target(const struct lt_graph *g, int bn) {
    int x = g->node[bn].in[0];

    if (g->node[x].n_readers != 1) return bn;
    if (g->node[x].op == LT_OP_CONV || g->node[x].op == LT_OP_LINEAR) return x;
    return g->node[x].op == LT_OP_BN ? lt_bn_target(g, x) : bn; /* a BN of a BN lands where the first did */
}

bool lt_conv_gains_bias(const struct lt_graph *g, int i) {
    const struct lt_node *n = &g->node[i];

    return n->n_readers == 1 && n->last_use < g->n_nodes && g->node[n->last_use].op == LT_OP_BN;
}

/* Structure: target[i] of a BN as above, map[i] = new node of old node i. */
static lt_status fold_structure(const struct lt_graph *g, const int *target, int *map, struct lt_graph **out,
                                struct lt_err *e) {
    struct lt_graph *f = NULL;
    lt_status s = lt_graph_new(g->name, &f, e);

    if (s) return s;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct lt_node *n = &g->node[i];

        if (n->op == LT_OP_CONV) {
            bool bias = n->n_params > 1 || lt_conv_gains_bias(g, i);

            map[i] = lt_graph_conv(f, n->name, map[n->in[0]],
                                   &(struct lt_conv_attr){.out = (int)n->out.d[1],
                                                          .kernel = n->kernel,
                                                          .stride = n->stride,
                                                          .groups = n->groups,
                                                          .dilation = n->dilation,
                                                          .pad = n->pad ? n->pad : LT_PAD_VALID,
                                                          .bias = bias});
        } else if (n->op != LT_OP_BN) {
            map[i] = lt_graph_append_copy(f, g, i, map);
        } else if (target[i] != i) {
            map[i] = map[n->in[0]];
        } else {
            int c = (int)n->out.d[1];

            map[i] =
                lt_graph_conv(f, n->name, map[n->in[0]],
                              &(struct lt_conv_attr){
                                  .out = c, .kernel = 1, .stride = 1, .groups = c, .pad = LT_PAD_VALID, .bias = true});
        }
    }
    lt_graph_output(f, map[g->output]);
    if ((s = lt_graph_finish(f, e))) {
        lt_graph_free(f);
        return s;
    }
    *out = f;
    return LT_OK;
}

static void fold_values(const struct lt_graph *g, const struct lt_weights *w, const int *target, const int *map,
                        const struct lt_graph *f, struct lt_weights *fw) {
    for (int i = 0; i < g->n_nodes; i++) {
        const struct lt_node *n = &g->node[i];

        if (n->op != LT_OP_BN) {
            const struct lt_node *t = &f->node[map[i]];

            for (int k = 0; k < n->n_params; k++)
                memcpy(fw->data[t->param[k]], w->data[n->param[k]],
                       (size_t)g->param[n->param[k]].count * sizeof(float));
        } else {
            const struct lt_node *t = &f->node[map[target[i]]];
            float *tw = fw->data[t->param[0]], *tb = fw->data[t->param[1]];
            const float *gamma = w->data[n->param[0]], *beta = w->data[n->param[1]], *mean = w->data[n->param[2]],
                        *var = w->data[n->param[3]];
            int64_t channels = n->out.d[1],
                    row = f->param[t->param[0]].count / channels; /* weights of one output channel */

            for (int64_t c = 0; c < channels; c++) {
                double k = gamma[c] / sqrt((double)var[c] + n->eps);

                if (target[i] == i) tw[c] = 1;
                for (int64_t j = 0; j < row; j++) tw[c * row + j] = (float)(tw[c * row + j] * k);
                tb[c] = (float)((tb[c] - (double)mean[c]) * k + beta[c]);
            }
        }
    }
}

lt_status lt_graph_fold_bn(const struct lt_graph *g, const struct lt_weights *w, struct lt_graph **out_g,
                           struct lt_weights **out_w, struct lt_err *e) {
    struct lt_graph *f = NULL;
    struct lt_weights *fw = NULL;
    int *target = lt_malloc(2 * (size_t)g->n_nodes * sizeof(*target)), *map;
    lt_status s;

    if (!target) return lt_fail(e, LT_ENOMEM, "folding of graph '%s': out of memory", g->name);
    map = target + g->n_nodes;
    for (int i = 0; i < g->n_nodes; i++) target[i] = g->node[i].op == LT_OP_BN ? lt_bn_target(g, i) : -1;
    if ((s = fold_structure(g, target, map, &f, e))) goto out;
    if (w) {
        if ((s = lt_weights_new(f, &fw, e))) goto out;
        fold_values(g, w, target, map, f, fw);
        *out_w = fw;
    }
    *out_g = f;
    f = NULL;
    fw = NULL;
out:
    lt_weights_free(fw);
    lt_graph_free(f);
    lt_free(target);
    return s;
}
