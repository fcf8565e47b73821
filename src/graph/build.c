/*
 * Builders of the operators of convolutional networks. Each fills a prototype; lt_graph_append checks it against its
 * inputs.
 */
#include <string.h>
#include "graph/ops.h"

#define BN_EPS 1e-5f

int lt_graph_input(struct lt_graph *g, const char *name, int channels, int height, int width) {
    struct lt_node n = {.op = LT_OP_INPUT, .out = {{1, channels, height, width}}};

    if (g->err.status) return -1;
    if (g->n_nodes) return lt_graph_stick(g, LT_EINVAL, "%s: a graph has one input, and it comes first", name);
    if (channels < 1 || height < 1 || width < 1 || channels > 65536 || height > 65536 || width > 65536)
        return lt_graph_stick(g, LT_EINVAL, "%s: input shape [1,%d,%d,%d]: each must be in 1..65536", name, channels,
                              height, width);
    return lt_graph_append(g, name, &n);
}

int lt_graph_conv(struct lt_graph *g, const char *name, int in, const struct lt_conv_attr *a) {
    int dilation = a->dilation ? a->dilation : 1;
    bool fits = a->kernel > 0 && a->kernel <= 4096 && dilation > 0 && dilation <= 4096; /* else refused below */
    int pad = a->pad == LT_PAD_VALID ? 0 : a->pad > 0 ? a->pad : fits ? a->kernel / 2 * dilation : 0;
    struct lt_node n = {.op = LT_OP_CONV,
                        .in = {in},
                        .kernel = a->kernel,
                        .stride = a->stride,
                        .pad = pad,
                        .groups = a->groups,
                        .dilation = dilation,
                        .out = {{1, a->out, 0, 0}}};
    int i = lt_graph_append(g, name, &n);

    if (i < 0) return -1;
    const int64_t w[4] = {a->out, g->node[in].out.d[1] / a->groups, a->kernel, a->kernel};
    if (!lt_graph_add_param(g, i, LT_PARAM_WEIGHT, 4, w) || (a->bias && !lt_graph_add_param(g, i, LT_PARAM_BIAS, 1, w)))
        return -1;
    return i;
}

int lt_graph_bn(struct lt_graph *g, const char *name, int in) {
    struct lt_node n = {.op = LT_OP_BN, .in = {in}, .eps = BN_EPS};
    int i = lt_graph_append(g, name, &n);

    if (i < 0) return -1;
    const int64_t c = g->node[i].out.d[1];
    if (!lt_graph_add_param(g, i, LT_PARAM_GAMMA, 1, &c) || !lt_graph_add_param(g, i, LT_PARAM_BETA, 1, &c) ||
        !lt_graph_add_param(g, i, LT_PARAM_MEAN, 1, &c) || !lt_graph_add_param(g, i, LT_PARAM_VAR, 1, &c))
        return -1;
    return i;
}

int lt_graph_act(struct lt_graph *g, const char *name, int in, enum lt_act act) {
    struct lt_node n = {.op = LT_OP_ACT, .in = {in}, .act = act};

    if (act == LT_ACT_NONE) return g->err.status ? -1 : in;
    if ((int)act < 0 || act >= LT_N_ACTS)
        return lt_graph_stick(g, LT_EINVAL, "%s: activation %d does not exist", name, (int)act);
    return lt_graph_append(g, name, &n);
}

int lt_graph_linear(struct lt_graph *g, const char *name, int in, int out_features) {
    struct lt_node n = {.op = LT_OP_LINEAR, .in = {in}, .out = {{1, out_features, 0, 0}}};
    int i = lt_graph_append(g, name, &n);

    if (i < 0) return -1;
    const int64_t w[2] = {out_features, lt_shape_count(&g->node[in].out)};
    if (!lt_graph_add_param(g, i, LT_PARAM_WEIGHT, 2, w) || !lt_graph_add_param(g, i, LT_PARAM_BIAS, 1, w)) return -1;
    return i;
}

int lt_graph_pool(struct lt_graph *g, const char *name, int in, enum lt_pool pool, int kernel, int stride, int pad) {
    return lt_graph_append(
        g, name,
        &(struct lt_node){.op = LT_OP_POOL, .in = {in}, .pool = pool, .kernel = kernel, .stride = stride, .pad = pad});
}

int lt_graph_gap(struct lt_graph *g, const char *name, int in) {
    return lt_graph_append(g, name, &(struct lt_node){.op = LT_OP_GAP, .in = {in}});
}

int lt_graph_add(struct lt_graph *g, const char *name, int a, int b) {
    return lt_graph_append(g, name, &(struct lt_node){.op = LT_OP_ADD, .in = {a, b}});
}

int lt_graph_mul(struct lt_graph *g, const char *name, int a, int b) {
    return lt_graph_append(g, name, &(struct lt_node){.op = LT_OP_MUL, .in = {a, b}});
}

int lt_graph_flatten(struct lt_graph *g, const char *name, int in) {
    return lt_graph_append(g, name, &(struct lt_node){.op = LT_OP_FLATTEN, .in = {in}});
}

int lt_graph_softmax(struct lt_graph *g, const char *name, int in) {
    return lt_graph_append(g, name, &(struct lt_node){.op = LT_OP_SOFTMAX, .in = {in}});
}

int lt_graph_concat(struct lt_graph *g, const char *name, const int *in, int n, int axis) {
    struct lt_node node = {.op = LT_OP_CONCAT, .n_in = n, .axis = axis};

    if (n < 1 || n > LT_MAX_IN)
        return lt_graph_stick(g, LT_EINVAL, "%s: %d inputs to concatenate, must be 1 to %d (join more in steps)", name,
                              n, LT_MAX_IN);
    memcpy(node.in, in, (size_t)n * sizeof(*in));
    return lt_graph_append(g, name, &node);
}

int lt_graph_slice(struct lt_graph *g, const char *name, int in, int axis, int start, int stop) {
    return lt_graph_append(
        g, name, &(struct lt_node){.op = LT_OP_SLICE, .in = {in}, .axis = axis, .start = start, .stop = stop});
}

int lt_graph_shuffle(struct lt_graph *g, const char *name, int in, int groups) {
    return lt_graph_append(g, name, &(struct lt_node){.op = LT_OP_SHUFFLE, .in = {in}, .groups = groups});
}

int lt_graph_zero(struct lt_graph *g, const char *name, int in, int stride) {
    return lt_graph_append(g, name, &(struct lt_node){.op = LT_OP_ZERO, .in = {in}, .stride = stride});
}

int lt_graph_layernorm(struct lt_graph *g, const char *name, int in, float eps, bool rms) {
    struct lt_node n = {.op = LT_OP_LAYERNORM, .in = {in}, .eps = eps, .rms = rms};
    int i;

    if (!(eps >= 0 && eps < 1))
        return lt_graph_stick(g, LT_EINVAL, "%s: eps %g, must be at least 0 and below 1", name, (double)eps);
    if ((i = lt_graph_append(g, name, &n)) < 0) return -1;
    const int64_t c = g->node[i].out.d[1];
    if (!lt_graph_add_param(g, i, LT_PARAM_GAMMA, 1, &c) || (!rms && !lt_graph_add_param(g, i, LT_PARAM_BETA, 1, &c)))
        return -1;
    return i;
}
