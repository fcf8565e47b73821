/* Parts that blocks on sequences share; see token_parts.h. */
#include <stdarg.h>
#include <stdio.h>
#include "spaces/token_parts.h"

int lt_token_refuse(struct lt_graph *g, const struct lt_block *b, const char *fmt, ...) {
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (!g->err.status) lt_fail(&g->err, LT_EINVAL, "%s: %s", b->prefix, text);
    return -1;
}

bool lt_token_no_stride(struct lt_graph *g, const struct lt_block *b) {
    if (b->stride == 1) return true;
    lt_token_refuse(g, b, "stride %d: this block has none, leave it out", b->stride);
    return false;
}

int lt_token_linear(struct lt_graph *g, const struct lt_block *b, const char *suffix, int x, int out, bool bias) {
    char name[LT_NODE_NAME];

    return lt_graph_conv(g, lt_block_name(name, b, suffix), x,
                         &(struct lt_conv_attr){.out = out, .kernel = 1, .stride = 1, .groups = 1, .bias = bias});
}

int lt_token_norm(struct lt_graph *g, const struct lt_block *b, const char *suffix, int x, bool rms) {
    char name[LT_NODE_NAME];

    return lt_graph_layernorm(g, lt_block_name(name, b, suffix), x, 1e-6f, rms);
}

int lt_token_ffn(struct lt_graph *g, const struct lt_block *b, int x, const struct lt_token_ffn *f) {
    char name[LT_NODE_NAME];
    int up = lt_token_linear(g, b, "ffn_up", x, f->hidden, f->bias);

    if (f->gated) {
        int gate = lt_token_linear(g, b, "ffn_gate", x, f->hidden, f->bias);

        gate = lt_graph_act(g, lt_block_name(name, b, "ffn_act"), gate, f->act);
        up = lt_graph_mul(g, lt_block_name(name, b, "ffn_mul"), up, gate);
    } else {
        up = lt_graph_act(g, lt_block_name(name, b, "ffn_act"), up, f->act);
    }
    return lt_token_linear(g, b, "ffn_down", up, f->out, f->bias);
}
