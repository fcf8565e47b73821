/*
 * Random networks of the operators that move values about and of those on tokens: cells of parallel paths, vision
 * transformers with every kind of attention, models over token numbers. Deterministic in (seed, item).
 */
#ifndef LT_TESTS_RANDOM_SEQ_H
#define LT_TESTS_RANDOM_SEQ_H
#include "tests/interop/random_net.h"

static inline int rseq_linear(struct rnet *t, int x, int out) {
    return lt_graph_conv(t->g, rnet_name(t, "linear"), x,
                         &(struct lt_conv_attr){.out = out, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
}

/* A path of a cell, from [C,H,W] to the same channels. */
static inline int rseq_path(struct rnet *t, int x, int stride) {
    int c = (int)t->g->node[x].out.d[1];
    bool dense = lt_rng_below(&t->r, 2);
    switch (lt_rng_below(&t->r, 4)) {
    case 0:
        return lt_graph_zero(t->g, rnet_name(t, "none"), x, stride);
    case 1:
        return lt_graph_pool(t->g, rnet_name(t, "pool"), x, LT_POOL_AVG, 3, stride, 1);
    default:
        x = lt_graph_conv(t->g, rnet_name(t, "dilated"), x,
                          &(struct lt_conv_attr){.out = c,
                                                 .kernel = lt_rng_below(&t->r, 2) ? 3 : 5,
                                                 .stride = stride,
                                                 .groups = dense ? 1 : c,
                                                 .dilation = 1 + (int)lt_rng_below(&t->r, 3)});
        return lt_graph_act(t->g, rnet_name(t, "act"), lt_graph_bn(t->g, rnet_name(t, "bn"), x), rnet_act(t));
    }
}

static inline int rseq_cells(struct rnet *t) {
    int size = 9 + (int)lt_rng_below(&t->r, 8), x = lt_graph_input(t->g, "image", 3, size, size);
    x = rnet_conv(t, x, 4 * (1 + (int)lt_rng_below(&t->r, 3)), 3, 1, 1, LT_ACT_GELU);
    for (int i = 0; i < 2; i++) {
        int stride = 1 + (int)lt_rng_below(&t->r, 2), in[4], n = 2 + (int)lt_rng_below(&t->r, 3);
        int c = (int)t->g->node[x].out.d[1];
        for (int k = 0; k < n; k++) in[k] = rseq_path(t, x, stride);
        in[0] = lt_graph_add(t->g, rnet_name(t, "sum"), in[0], in[1]);
        x = lt_graph_concat(t->g, rnet_name(t, "paths"), in, n, 1);
        x = lt_graph_shuffle(t->g, rnet_name(t, "shuffle"), x, lt_rng_below(&t->r, 2) ? n : 2);
        x = lt_graph_slice(t->g, rnet_name(t, "part"), x, 1, 1, 1 + c);
    }
    int left = lt_graph_slice(t->g, "left", x, 3, 0, 2), top = lt_graph_slice(t->g, "top", x, 2, 1, 3);
    int both[2] = {lt_graph_flatten(t->g, "flat.left", left), lt_graph_flatten(t->g, "flat.top", top)};
    return lt_graph_concat(t->g, "both", both, 2, 1);
}

static inline struct lt_attention_attr rseq_attention(struct rnet *t, int64_t tokens, bool may_turn) {
    struct lt_attention_attr a = {.heads = 4, .kv_heads = rnet_pick(t, (const int[]){1, 2, 4}, 3)};
    a.causal = lt_rng_below(&t->r, 2);
    if (lt_rng_below(&t->r, 2)) a.window = 1 + (int)lt_rng_below(&t->r, 6);
    if (tokens % 4 == 0 && lt_rng_below(&t->r, 2)) a.block = (int)tokens / 4;
    if (may_turn && lt_rng_below(&t->r, 2)) a.rope = lt_rng_below(&t->r, 2) ? 10000 : 50;
    return a;
}

static inline int rseq_block(struct rnet *t, int x) {
    int c = (int)t->g->node[x].out.d[1],
        y = lt_graph_layernorm(t->g, rnet_name(t, "norm"), x, 1e-5f, lt_rng_below(&t->r, 2));
    struct lt_attention_attr a = rseq_attention(t, t->g->node[x].out.d[2], c % 8 == 0);
    int q = rseq_linear(t, y, c), k = rseq_linear(t, y, c / 4 * a.kv_heads), v = rseq_linear(t, y, 3 * a.kv_heads);
    if (lt_rng_below(&t->r, 4) == 0) {
        a = (struct lt_attention_attr){.heads = 4, .kv_heads = a.kv_heads, .causal = a.causal};
        y = lt_graph_linattn(t->g, rnet_name(t, "linear_attention"), q, k, v, &a);
    } else {
        y = lt_graph_attention(t->g, rnet_name(t, "attention"), q, k, v, &a);
    }
    y = rseq_linear(t, y, c);
    x = lt_graph_add(t->g, rnet_name(t, "add"), x, y);
    y = lt_graph_layernorm(t->g, rnet_name(t, "norm"), x, 1e-6f, lt_rng_below(&t->r, 2));
    y = lt_graph_act(t->g, rnet_name(t, "gelu"), rseq_linear(t, y, 2 * c + 1), LT_ACT_GELU);
    return lt_graph_add(t->g, rnet_name(t, "add"), x, rseq_linear(t, y, c));
}

static inline int rseq_vision(struct rnet *t) {
    int side = 2 + (int)lt_rng_below(&t->r, 3), size = 4 * side, c = 4 * (2 + (int)lt_rng_below(&t->r, 5));
    bool windows = lt_rng_below(&t->r, 2);
    int x = lt_graph_input(t->g, "image", 3, size, size);
    x = lt_graph_conv(
        t->g, "patches", x,
        &(struct lt_conv_attr){.out = c, .kernel = 2, .stride = 2, .groups = 1, .pad = LT_PAD_VALID, .bias = true});
    if (windows) { /* pooled queries of each window meet its keys */
        int w = lt_graph_window(t->g, "window", x, 2), q = lt_graph_grid(t->g, "squares", w, 2);
        q = lt_graph_tokens(t->g, "pooled", lt_graph_pool(t->g, "pool", q, LT_POOL_MAX, 2, 2, 0));
        q = lt_graph_attention(t->g, "units", rseq_linear(t, q, c), rseq_linear(t, w, c), rseq_linear(t, w, c),
                               &(struct lt_attention_attr){.heads = 2, .block = 1});
        x = lt_graph_unwindow(t->g, "back", q, 1, side);
    }
    x = lt_graph_tokens(t->g, "tokens", x);
    if (lt_rng_below(&t->r, 2)) x = lt_graph_prepend(t->g, "class", x, 1 + (int)lt_rng_below(&t->r, 3));
    x = lt_graph_position(t->g, "position", x);
    for (int i = 0; i < 2; i++) x = rseq_block(t, x);
    return lt_rng_below(&t->r, 2) ? lt_graph_gap(t->g, "mean", x) : lt_graph_slice(t->g, "first", x, 2, 0, 1);
}

static inline int rseq_language(struct rnet *t) {
    int tokens = 5 + (int)lt_rng_below(&t->r, 16), x = lt_graph_input(t->g, "numbers", 1, tokens, 1);
    x = lt_graph_embed(t->g, "table", x, 9 + (int)lt_rng_below(&t->r, 30), 16);
    for (int i = 0; i < 2; i++) {
        bool causal = lt_rng_below(&t->r, 2);
        int y = rseq_linear(t, lt_graph_layernorm(t->g, rnet_name(t, "norm"), x, 1e-5f, true), 32);
        int gate = lt_graph_slice(t->g, rnet_name(t, "gate"), y, 1, 0, 16);
        y = lt_graph_slice(t->g, rnet_name(t, "value"), y, 1, 16, 32);
        y = lt_graph_shortconv(t->g, rnet_name(t, "short"), lt_graph_mul(t->g, rnet_name(t, "gated"), y, gate),
                               causal ? 4 : 3, causal);
        x = rseq_block(t, lt_graph_add(t->g, rnet_name(t, "add"), x, y));
    }
    return lt_graph_slice(t->g, "last", x, 2, tokens - 1, tokens);
}

/* A finished graph with 10 outputs, and weights. */
static inline lt_status rseq_make(uint64_t seed, uint64_t item, struct lt_graph **g, struct lt_weights **w,
                                  struct lt_err *e) {
    struct rnet t = {0};
    lt_status s;
    lt_rng_at(&t.r, seed, LT_RNG_TEST, 3, item);
    if ((s = lt_graph_new("random", &t.g, e))) return s;
    t.x = item % 3 == 0 ? rseq_cells(&t) : item % 3 == 1 ? rseq_vision(&t) : rseq_language(&t);
    lt_graph_output(t.g, lt_graph_linear(t.g, "classifier", t.x, 10));
    return rnet_finish(&t, g, w, e);
}
#endif
