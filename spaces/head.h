/* The head of a network: layers from the body's last feature map to the output. Private to spaces/head*.c. */
#ifndef SPACES_HEAD_H
#define SPACES_HEAD_H
#include "spaces/space_priv.h"

#define LT_MAX_HEAD 16
enum lt_head_op {
    LT_HEAD_CONV,
    LT_HEAD_BN,
    LT_HEAD_ACT,
    LT_HEAD_POOL,
    LT_HEAD_LAYERNORM,
    LT_HEAD_TOKEN,
    LT_HEAD_LINEAR,
    LT_HEAD_CLASSIFIER,
    LT_HEAD_SSDLITE,
    LT_N_HEAD_OPS
};
struct lt_head_layer {
    enum lt_head_op op;
    const char *name; /* prefix of its nodes */
    struct lt_choice channels;
    int kernel, stride, index; /* index: of the token */
    bool bn, bias, depthwise, rms;
    enum lt_act act;
    int anchors, first_anchors, n_extra, extra[8]; /* SSDLITE: boxes a cell, channels of the extra feature maps */
};
struct lt_head {
    int n;
    struct lt_head_layer layer[LT_MAX_HEAD];
};
int lt_head_ssdlite(const struct lt_space *s, const struct lt_head_layer *l, struct lt_graph *g, int x,
                    const struct lt_carry *taps);
#endif
