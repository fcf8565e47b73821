/*
 * Parts that blocks on sequences share: linear layers over features (1x1 convolutions of [1,C,T,1]), norms, the
 * feed-forward half. Private to spaces/. All return a node, or -1 after a builder error.
 */
#ifndef SPACES_TOKEN_PARTS_H
#define SPACES_TOKEN_PARTS_H
#include "spaces/blocks.h"

/* x [1,C,T,1] -> [1,out,T,1] */
int lt_token_linear(struct lt_graph *g, const struct lt_block *b, const char *suffix, int x, int out, bool bias);
/* Layer norm, or root mean square norm. */
int lt_token_norm(struct lt_graph *g, const struct lt_block *b, const char *suffix, int x, bool rms);
/* Two linear layers around an activation; gated: act(gate(x)) * up(x) before the last one (Shazeer, "GLU Variants
 * Improve Transformer", 2020). */
struct lt_token_ffn {
    int hidden, out;
    bool gated, bias;
    enum lt_act act;
};
int lt_token_ffn(struct lt_graph *g, const struct lt_block *b, int x, const struct lt_token_ffn *f);

/* A builder error "<prefix>: ..."; always -1. */
int lt_token_refuse(struct lt_graph *g, const struct lt_block *b, const char *fmt, ...) LT_PRINTF(3, 4);
/* For blocks that do not stride: false after a builder error. */
bool lt_token_no_stride(struct lt_graph *g, const struct lt_block *b);
#endif
