/*
 * Head "ssdlite": boxes and classes from several feature maps (Liu et al., "SSD", ECCV 2016, with separable
 * convolutions as in Sandler et al., "MobileNetV2", CVPR 2018). Feature maps: the taps, the last one, and `extra` ones,
 * each half the size: 1x1 convolution to half the channels, depthwise 3x3 of stride 2, 1x1. On each map, for boxes and
 * for classes, a depthwise 3x3 with batch norm and activation and a 1x1 with bias. The output joins all of them.
 */
#include <stdio.h>
#include "spaces/head.h"

struct builder {
    struct lt_graph *g;
    enum lt_act act;
    int map; /* number of the feature map */
};

static int conv(const struct builder *b, const char *what, int x, int out, int kernel, int stride, bool depthwise) {
    char name[LT_NODE_NAME];
    int groups = depthwise && x >= 0 ? (int)b->g->node[x].out.d[1] : 1;

    snprintf(name, sizeof(name), "head.m%d.%s", b->map, what);
    x = lt_graph_conv(
        b->g, name, x,
        &(struct lt_conv_attr){.out = depthwise ? groups : out, .kernel = kernel, .stride = stride, .groups = groups});
    snprintf(name, sizeof(name), "head.m%d.%s_bn", b->map, what);
    x = lt_graph_bn(b->g, name, x);
    snprintf(name, sizeof(name), "head.m%d.%s_act", b->map, what);
    return lt_graph_act(b->g, name, x, b->act);
}

/* depthwise 3x3, then 1x1 with bias, flattened */
static int predict(const struct builder *b, const char *what, int x, int out) {
    char name[LT_NODE_NAME];

    snprintf(name, sizeof(name), "%s_dw", what);
    x = conv(b, name, x, 0, 3, 1, true);
    snprintf(name, sizeof(name), "head.m%d.%s", b->map, what);
    x = lt_graph_conv(b->g, name, x,
                      &(struct lt_conv_attr){.out = out, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
    snprintf(name, sizeof(name), "head.m%d.%s_flat", b->map, what);
    return lt_graph_flatten(b->g, name, x);
}

static int join(struct lt_graph *g, const char *name, const int *part, int n) {
    return n == 1 ? part[0] : lt_graph_concat(g, name, part, n, 1);
}

int lt_head_ssdlite(const struct lt_space *s, const struct lt_head_layer *l, struct lt_graph *g, int x,
                    const struct lt_carry *taps) {
    struct builder b = {.g = g, .act = l->act};
    int map[LT_MAX_CARRY + 8], n = 0, box[LT_MAX_CARRY + 8], class[LT_MAX_CARRY + 8], both[2], joined[4], k = 0;

    for (int i = 1; i < taps->n; i++) map[n++] = taps->node[i];
    map[n++] = x;
    for (int i = 0; i < l->n_extra; i++) {
        b.map = n;
        x = conv(&b, "half", x, (l->extra[i] + 1) / 2, 1, 1, false);
        x = conv(&b, "dw", x, 0, 3, 2, true);
        map[n++] = x = conv(&b, "full", x, l->extra[i], 1, 1, false);
    }
    for (int i = 0; i < n; i++) {
        int anchors = i ? l->anchors : l->first_anchors;

        b.map = i;
        box[i] = predict(&b, "box", map[i], 4 * anchors);
        class[i] = predict(&b, "class", map[i], s->classes * anchors);
    }
    for (int i = 0; i < n; i += LT_MAX_IN) { /* a node joins at most LT_MAX_IN */
        int m = n - i < LT_MAX_IN ? n - i : LT_MAX_IN;
        char name[32];

        snprintf(name, sizeof(name), "head.boxes%d", i / LT_MAX_IN);
        joined[k++] = join(g, name, box + i, m);
        snprintf(name, sizeof(name), "head.classes%d", i / LT_MAX_IN);
        joined[k++] = join(g, name, class + i, m);
    }
    both[0] = k > 2 ? join(g, "head.first", joined, 2) : joined[0];
    both[1] = k > 2 ? join(g, "head.rest", joined + 2, k - 2) : joined[1];
    return lt_graph_concat(g, "head.all", both, 2, 1);
}
