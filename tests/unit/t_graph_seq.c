/* The operators that move values and those of sequences: shapes, refusals, hash, text, folding, and their costs by hand
 * and as published. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "lathe/cost.h"
#include "tests/interop/random_seq.h"
#include "tests/tap.h"

#define ATTN(...) (&(struct lt_attention_attr){__VA_ARGS__})

static struct lt_err err;

static struct lt_graph *begin(int c, int h, int w) {
    struct lt_graph *g = NULL;

    LT_CHECK(!lt_graph_new("g", &g, NULL));
    lt_graph_input(g, "x", c, h, w);
    return g;
}

static bool has_shape(const struct lt_graph *g, int i, int64_t c, int64_t h, int64_t w) {
    const int64_t *d = i < 0 ? NULL : g->node[i].out.d;

    return d && d[0] == 1 && d[1] == c && d[2] == h && d[3] == w;
}

static int64_t param_count(const struct lt_graph *g, const char *name) {
    int i = lt_graph_find_param(g, name);

    return i < 0 ? -1 : g->param[i].count;
}

static void shapes(void) {
    struct lt_graph *g = begin(6, 8, 4);
    int t = lt_graph_tokens(g, "t", 0), q = lt_graph_slice(g, "q", t, 2, 0, 8), big, n;

    lt_ok(has_shape(g, t, 6, 32, 1), "tokens");
    lt_ok(has_shape(g, lt_graph_grid(g, "grid", t, 16), 6, 2, 16), "grid");
    lt_ok(has_shape(g, lt_graph_window(g, "w", 0, 2), 6, 32, 1), "window");
    lt_ok(has_shape(g, lt_graph_unwindow(g, "u", t, 2, 8), 6, 4, 8), "window back");
    lt_ok(has_shape(g, q, 6, 8, 1) && has_shape(g, lt_graph_slice(g, "s1", 0, 1, 5, 6), 1, 8, 4) &&
              has_shape(g, lt_graph_slice(g, "s3", 0, 3, 1, 3), 6, 8, 2),
          "slices of three axes");
    lt_ok(has_shape(g, lt_graph_concat(g, "c1", (int[]){0, 0, 0}, 3, 1), 18, 8, 4) &&
              has_shape(g, lt_graph_concat(g, "c2", (int[]){t, q}, 2, 2), 6, 40, 1) &&
              has_shape(g, lt_graph_concat(g, "c3", (int[]){0}, 1, 3), 6, 8, 4),
          "joined along three axes");
    lt_ok(has_shape(g, lt_graph_shuffle(g, "sh", 0, 3), 6, 8, 4), "shuffle");
    lt_ok(has_shape(g, lt_graph_zero(g, "z", 0, 3), 6, 3, 2), "zeros of a stride, rounded up as a convolution's");
    lt_ok(has_shape(g, lt_graph_layernorm(g, "ln", 0, 1e-5f, false), 6, 8, 4) && param_count(g, "ln.gamma") == 6 &&
              param_count(g, "ln.beta") == 6,
          "layer normalization has gamma and beta");
    lt_graph_layernorm(g, "rms", 0, 1e-5f, true);
    lt_ok(param_count(g, "rms.gamma") == 6 && param_count(g, "rms.beta") < 0, "root mean square has gamma alone");
    n = lt_graph_position(g, "p", t);
    lt_ok(has_shape(g, n, 6, 32, 1) && param_count(g, "p.weight") == 192, "positions");
    n = lt_graph_prepend(g, "cls", t, 3);
    lt_ok(has_shape(g, n, 6, 35, 1) && param_count(g, "cls.weight") == 18, "learned tokens in front");
    n = lt_graph_embed(g, "e", lt_graph_slice(g, "one", t, 1, 0, 1), 100, 12);
    lt_ok(has_shape(g, n, 12, 32, 1) && param_count(g, "e.weight") == 1200, "embedding");
    lt_ok(has_shape(g, lt_graph_attention(g, "a1", t, t, t, ATTN(.heads = 3, .causal = true, .rope = 10)), 6, 32, 1),
          "self-attention");
    lt_ok(has_shape(g, lt_graph_attention(g, "a2", q, t, t, ATTN(.heads = 2, .block = 2)), 6, 8, 1),
          "pooled queries in blocks");
    big = lt_graph_concat(g, "big", (int[]){t, t}, 2, 1);
    lt_ok(has_shape(g, lt_graph_attention(g, "a3", big, t, big, ATTN(.heads = 4, .kv_heads = 2)), 24, 32, 1),
          "shared keys, wider values");
    lt_ok(has_shape(g, lt_graph_linattn(g, "l", q, t, t, ATTN(.heads = 6)), 6, 8, 1), "linear attention");
    n = lt_graph_shortconv(g, "sc", t, 4, true);
    lt_ok(has_shape(g, n, 6, 32, 1) && param_count(g, "sc.weight") == 24, "short convolution");
    n = lt_graph_conv(g, "d", 0,
                      &(struct lt_conv_attr){.out = 5, .kernel = 3, .stride = 1, .groups = 1, .dilation = 2});
    lt_ok(has_shape(g, n, 5, 8, 4) && g->node[n].pad == 2, "a dilated convolution keeps the size by default");
    n = lt_graph_conv(
        g, "dv", 0,
        &(struct lt_conv_attr){.out = 5, .kernel = 2, .stride = 2, .groups = 1, .dilation = 3, .pad = LT_PAD_VALID});
    lt_ok(has_shape(g, n, 5, 3, 1), "its reach is (kernel - 1) * dilation + 1");
    lt_ok(g->err.status == LT_OK, "no error");
    lt_graph_free(g);
}

/* Case k of what must be refused: the node is called "bad" and the message says what `says` says. */
static int wrong(struct lt_graph *g, int k, const char **says) {
    int t = lt_graph_tokens(g, "t", 0), q = lt_graph_slice(g, "q", t, 2, 0, 8),
        one = lt_graph_slice(g, "one", t, 1, 0, 1);
#define BAD(text, call)                                                                                                \
    case __COUNTER__ - FIRST:                                                                                          \
        *says = text;                                                                                                  \
        return call
    enum { FIRST = __COUNTER__ + 1 };
    switch (k) {
        BAD("9 inputs", lt_graph_concat(g, "bad", (int[9]){0}, 9, 1));
        BAD("0 inputs", lt_graph_concat(g, "bad", &t, 0, 1));
        BAD("cannot join [1,6,8,4] and [1,6,32,1] along axis 1", lt_graph_concat(g, "bad", (int[]){0, t}, 2, 1));
        BAD("axis 0", lt_graph_concat(g, "bad", &t, 1, 0));
        BAD("node 99", lt_graph_concat(g, "bad", (int[]){0, 99}, 2, 1));
        BAD("axis 4", lt_graph_slice(g, "bad", 0, 4, 0, 1));
        BAD("from 2 to 2", lt_graph_slice(g, "bad", 0, 1, 2, 2));
        BAD("from 0 to 7 of axis 1", lt_graph_slice(g, "bad", 0, 1, 0, 7));
        BAD("from -1", lt_graph_slice(g, "bad", 0, 1, -1, 3));
        BAD("4 groups must divide the 6", lt_graph_shuffle(g, "bad", 0, 4));
        BAD("stride 0", lt_graph_zero(g, "bad", 0, 0));
        BAD("eps", lt_graph_layernorm(g, "bad", 0, -1, false));
        BAD("takes tokens", lt_graph_grid(g, "bad", 0, 2));
        BAD("width 5 must divide the 32", lt_graph_grid(g, "bad", t, 5));
        BAD("3 x 3 do not cut 8 x 4", lt_graph_window(g, "bad", 0, 3));
        BAD("0 x 0", lt_graph_window(g, "bad", 0, 0));
        BAD("width 3", lt_graph_unwindow(g, "bad", t, 1, 3));
        BAD("3 x 3 do not cut 4 x 8", lt_graph_unwindow(g, "bad", t, 3, 8));
        BAD("token numbers [1,1,T,1]", lt_graph_embed(g, "bad", t, 10, 4));
        BAD("vocabulary of 0", lt_graph_embed(g, "bad", one, 0, 4));
        BAD("0 features", lt_graph_embed(g, "bad", one, 10, 0));
        BAD("takes tokens", lt_graph_position(g, "bad", 0));
        BAD("0 tokens", lt_graph_prepend(g, "bad", t, 0));
        BAD("takes tokens", lt_graph_attention(g, "bad", 0, t, t, ATTN(.heads = 1)));
        BAD("0 heads", lt_graph_attention(g, "bad", t, t, t, ATTN(.heads = 0)));
        BAD("6 heads and 4", lt_graph_attention(g, "bad", t, t, t, ATTN(.heads = 6, .kv_heads = 4)));
        BAD("4 heads must divide the 6", lt_graph_attention(g, "bad", t, t, t, ATTN(.heads = 4)));
        BAD("keys of 6 features, must be 3", lt_graph_attention(g, "bad", t, t, t, ATTN(.heads = 2, .kv_heads = 1)));
        BAD("as many tokens", lt_graph_attention(g, "bad", t, t, q, ATTN(.heads = 1)));
        BAD("a head has 3", lt_graph_attention(g, "bad", t, t, t, ATTN(.heads = 2, .rope = 10000)));
        BAD("window -1", lt_graph_attention(g, "bad", t, t, t, ATTN(.heads = 1, .window = -1)));
        BAD("32 queries for 8 keys", lt_graph_attention(g, "bad", t, q, q, ATTN(.heads = 1, .causal = true)));
        BAD("blocks of 5", lt_graph_attention(g, "bad", t, t, t, ATTN(.heads = 1, .block = 5)));
        BAD("no order", lt_graph_attention(g, "bad", q, t, t, ATTN(.heads = 1, .block = 2, .causal = true)));
        BAD("no window", lt_graph_linattn(g, "bad", t, t, t, ATTN(.heads = 1, .window = 3)));
        BAD("8 queries over 32 keys", lt_graph_linattn(g, "bad", q, t, t, ATTN(.heads = 1, .causal = true)));
        BAD("no centre", lt_graph_shortconv(g, "bad", t, 4, false));
        BAD("kernel 0", lt_graph_shortconv(g, "bad", t, 0, true));
        BAD("dilation -1",
            lt_graph_conv(g, "bad", 0,
                          &(struct lt_conv_attr){.out = 1, .kernel = 3, .stride = 1, .groups = 1, .dilation = -1}));
        BAD("at most 4096", lt_graph_conv(g, "bad", 0,
                                          &(struct lt_conv_attr){
                                              .out = 1, .kernel = 1 << 30, .stride = 1, .groups = 1, .dilation = 4}));
        BAD("does not fit",
            lt_graph_conv(g, "bad", 0,
                          &(struct lt_conv_attr){
                              .out = 1, .kernel = 3, .stride = 1, .groups = 1, .dilation = 4, .pad = LT_PAD_VALID}));
        BAD("pad 5 must be smaller",
            lt_graph_conv(
                g, "bad", 0,
                &(struct lt_conv_attr){.out = 1, .kernel = 3, .stride = 1, .groups = 1, .dilation = 2, .pad = 5}));
    }
    *says = NULL;
    return t;
}

static void refusals(void) {
    const char *says = "";

    for (int k = 0; says; k++) {
        struct lt_graph *g = begin(6, 8, 4);
        int i = wrong(g, k, &says);

        lt_graph_output(g, i);
        if (says)
            lt_ok(i == -1 && lt_graph_finish(g, &err) == LT_EINVAL && !strncmp(err.msg, "bad: ", 5) &&
                      strstr(err.msg, says),
                  "refused: %s", err.msg);
        lt_graph_free(g);
    }
}

/* A network whose attribute number `change` differs. */
static struct lt_graph *variant(int change) {
    struct lt_graph *g = begin(8, 8, 8);
    int x, t;

    x = lt_graph_conv(
        g, "c", 0,
        &(struct lt_conv_attr){.out = 8, .kernel = 3, .stride = 1, .groups = 1, .dilation = change == 1 ? 2 : 1});
    x = lt_graph_shuffle(g, "s", x, change == 2 ? 2 : 4);
    x = lt_graph_slice(g, "cut", lt_graph_concat(g, "cat", (int[]){x, x}, 2, change == 3 ? 2 : 3), change == 3 ? 2 : 3,
                       change == 4 ? 1 : 0, change == 4 ? 9 : 8);
    t = lt_graph_window(g, "w", x, change == 5 ? 2 : 4);
    t = lt_graph_layernorm(g, "n", t, change == 13 ? 1e-6f : 1e-5f, change == 6);
    t = lt_graph_attention(g, "a", t, t, t,
                           ATTN(.heads = change == 7 ? 4 : 2, .causal = change == 8, .window = change == 9 ? 3 : 0,
                                .block = change == 10 ? 16 : 0, .rope = change == 11 ? 10 : 0));
    t = lt_graph_shortconv(g, "sc", t, 3, change == 12);
    lt_graph_output(g, lt_graph_unwindow(g, "u", t, 4, 8));
    LT_CHECK(!lt_graph_finish(g, NULL));
    return g;
}

static struct lt_graph *vocabulary(int n) {
    struct lt_graph *g = begin(1, 4, 1);

    lt_graph_output(g, lt_graph_embed(g, "e", 0, n, 8));
    LT_CHECK(!lt_graph_finish(g, NULL));
    return g;
}

static void hashes(void) {
    uint64_t h[16];
    int same = 0;

    for (int i = 0; i < 16; i++) {
        struct lt_graph *g = i < 14 ? variant(i) : vocabulary(i);

        h[i] = lt_graph_hash(g);
        for (int k = 0; k < i; k++) same += h[k] == h[i];
        lt_graph_free(g);
    }
    lt_ok(!same, "each of 14 attributes changes the hash");
}

static void text(void) {
    struct lt_graph *g = variant(11);
    struct lt_buf b = LT_BUF_INIT;

    lt_graph_print(g, &b);
    lt_ok(!lt_buf_ok(&b, NULL) && strstr(b.data, "attention") && strstr(b.data, "heads 2 rope 10") &&
              strstr(b.data, "axis 3 from 0 to 8") && strstr(b.data, "4 x 4 back") && strstr(b.data, "groups 4"),
          "printed for humans");
    lt_buf_release(&b);
    lt_graph_free(g);
}

/* Nothing but batch norm changes, and all values arrive. */
static void folding(void) {
    int good = 0, n = 30;

    for (int i = 0; i < n; i++) {
        struct lt_graph *g, *f = NULL, *ff = NULL;
        struct lt_weights *w, *fw = NULL;
        bool same = true;
        int bn = 0;

        LT_CHECK(!rseq_make(5, (uint64_t)i, &g, &w, NULL) && !lt_graph_fold_bn(g, w, &f, &fw, &err) &&
                 !lt_graph_fold_bn(f, NULL, &ff, NULL, &err));
        for (int k = 0; k < g->n_nodes; k++) bn += g->node[k].op == LT_OP_BN;
        for (int k = 0; !bn && k < g->n_params; k++)
            same &= !strcmp(g->param[k].name, f->param[k].name) &&
                    !memcmp(w->data[k], fw->data[k], (size_t)g->param[k].count * sizeof(float));
        good += same && lt_graph_hash(ff) == lt_graph_hash(f) && f->n_nodes == g->n_nodes - bn;
        lt_weights_free(w);
        lt_weights_free(fw);
        lt_graph_free(g);
        lt_graph_free(f);
        lt_graph_free(ff);
    }
    lt_ok(good == n, "%d of %d random networks keep everything but batch norm", good, n);
}

static int64_t macs_of(const struct lt_graph *g, int i) {
    struct lt_cost_node c;

    lt_node_cost(g, NULL, i, &c);
    return c.macs;
}

static void costs_by_hand(void) {
    struct lt_graph *g = begin(12, 20, 1);
    int q = lt_graph_slice(g, "q", 0, 2, 10, 20), k = lt_graph_slice(g, "k", 0, 1, 0, 4),
        v = lt_graph_slice(g, "v", 0, 1, 0, 6);
    int full = lt_graph_attention(g, "full", q, k, v, ATTN(.heads = 3, .kv_heads = 1));
    int causal = lt_graph_attention(g, "causal", q, k, v, ATTN(.heads = 3, .kv_heads = 1, .causal = true));
    int window = lt_graph_attention(g, "window", q, k, v, ATTN(.heads = 3, .kv_heads = 1, .causal = true, .window = 5));
    int both = lt_graph_attention(g, "both", 0, 0, 0, ATTN(.heads = 3, .window = 4));
    int block = lt_graph_attention(g, "block", q, k, v, ATTN(.heads = 3, .kv_heads = 1, .block = 2));
    int linear = lt_graph_linattn(g, "linear", q, k, v, ATTN(.heads = 3, .kv_heads = 1));
    int conv = lt_graph_shortconv(g, "conv", 0, 3, true),
        embed = lt_graph_embed(g, "embed", lt_graph_slice(g, "n", 0, 1, 0, 1), 50, 7);
    struct lt_cost_node c;

    lt_graph_output(g, conv);
    LT_CHECK(!lt_graph_finish(g, NULL));
    lt_ok(macs_of(g, full) == 3 * 10 * 20 * (4 + 6), "attention: heads * queries * keys * (d + dv)");
    lt_ok(macs_of(g, causal) == 6000, "the causal triangle is not cut off");
    lt_ok(macs_of(g, window) == 3 * 10 * 5 * 10, "a causal window of 5 is 5 keys");
    lt_ok(macs_of(g, both) == 3 * 20 * 7 * 8, "a window of 4 to both sides is 7 keys");
    lt_ok(macs_of(g, block) == 3 * 10 * 4 * 10, "a block of 2 queries of 10 meets 4 keys of 20");
    lt_ok(macs_of(g, linear) == 20 * 4 * 6 + 3 * 10 * 4 * (6 + 1), "linear attention: state, read-out, normalizer");
    lt_ok(macs_of(g, conv) == 12 * 20 * 3, "short convolution");
    lt_node_cost(g, NULL, embed, &c);
    lt_ok(c.macs == 0 && c.params == 350 && c.read_bytes == 4 * (20 + 20 * 7) && c.written_bytes == 4 * 140,
          "an embedding reads the rows it needs");
    lt_node_cost(g, NULL, q, &c);
    lt_ok(c.read_bytes == 4 * 120 && c.written_bytes == 4 * 120, "a slice moves what it cuts out");
    lt_graph_free(g);
}

static int conv_bn(struct lt_graph *g, const char *name, int x, int out, int kernel, int stride) {
    char b[80];

    x = lt_graph_conv(g, name, x, &(struct lt_conv_attr){.out = out, .kernel = kernel, .stride = stride, .groups = 1});
    snprintf(b, sizeof(b), "%s.bn", name);
    return lt_graph_bn(g, b, x);
}

/* The cell of 3x3 convolutions only (ReLU left out: it costs nothing). */
static int dense_cell(struct lt_graph *g, int s, int k, int x, int c) {
    int node[4] = {x, -1, -1, -1};
    char name[64];

    for (int to = 1; to < 4; to++)
        for (int from = 0; from < to; from++) {
            snprintf(name, sizeof(name), "s%d.c%d.e%d%d", s, k, from, to);
            int y = conv_bn(g, name, node[from], c, 3, 1);
            snprintf(name, sizeof(name), "s%d.c%d.sum%d%d", s, k, from, to);
            node[to] = from ? lt_graph_add(g, name, node[to], y) : y;
        }
    return node[3];
}

static void published(void) {
    struct lt_graph *g = begin(3, 32, 32);
    struct lt_cost c, d, n;
    int x = conv_bn(g, "stem", 0, 16, 3, 1), nb = lt_cost_convention_find("nasbench201");

    for (int s = 0, ch = 16; s < 3; s++, ch *= 2) {
        for (int k = 0; k < 5; k++) x = dense_cell(g, s, k, x, ch);
        if (s == 2) break;
        char a[32], b[32], down[32], pool[32], sum[32];
        snprintf(a, sizeof(a), "r%d.a", s);
        snprintf(b, sizeof(b), "r%d.b", s);
        snprintf(down, sizeof(down), "r%d.down", s);
        snprintf(pool, sizeof(pool), "r%d.pool", s);
        snprintf(sum, sizeof(sum), "r%d.sum", s);
        int y = conv_bn(g, b, conv_bn(g, a, x, 2 * ch, 3, 2), 2 * ch, 3, 1);
        x = lt_graph_pool(g, pool, x, LT_POOL_AVG, 2, 2, 0);
        x = lt_graph_conv(g, down, x, &(struct lt_conv_attr){.out = 2 * ch, .kernel = 1, .stride = 1, .groups = 1});
        x = lt_graph_add(g, sum, x, y);
    }
    x = lt_graph_linear(g, "head", lt_graph_gap(g, "gap", lt_graph_bn(g, "last", x)), 10);
    lt_graph_output(g, x);
    LT_CHECK(!lt_graph_finish(g, &err));
    lt_graph_cost_as(g, nb, &c);
    lt_graph_cost_as(g, lt_cost_convention_find("default"), &d);
    lt_ok(c.macs == 220119690 && c.params == 1531546,
          "NAS-Bench-201, 3x3 only: 220.12 M and 1.531546 M as that benchmark counts: %" PRId64 ", %" PRId64, c.macs,
          c.params);
    lt_ok(d.macs == c.macs - 10, "which is the default and 10 additions of a bias");
    lt_graph_cost_as(g, lt_cost_convention_find("no-classifier"), &n);
    lt_ok(n.macs == d.macs - 640 && n.params == d.params - 650 && n.peak_act_bytes == d.peak_act_bytes,
          "without the classifier");
    lt_graph_cost_as(g, lt_cost_convention_find("flops"), &n);
    lt_ok(n.macs == 2 * d.macs && n.params == d.params, "floating-point operations are twice the MACs");
    lt_graph_free(g);
}

static int layer(struct lt_graph *g, const char *block, const char *name, int x, int out) {
    char n[64];

    snprintf(n, sizeof(n), "%s.%s", block, name);
    return lt_graph_conv(g, n, x,
                         &(struct lt_conv_attr){.out = out, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
}

static void vit_b16(void) {
    struct lt_graph *g = begin(3, 224, 224);
    struct lt_cost c, l, n;
    int x = lt_graph_conv(
        g, "patch", 0,
        &(struct lt_conv_attr){.out = 768, .kernel = 16, .stride = 16, .groups = 1, .pad = LT_PAD_VALID, .bias = true});

    x = lt_graph_position(g, "position", lt_graph_prepend(g, "class", lt_graph_tokens(g, "tokens", x), 1));
    for (int i = 0; i < 12; i++) {
        char b[16], name[4][32];
        snprintf(b, sizeof(b), "b%d", i);
        for (int k = 0; k < 4; k++)
            snprintf(name[k], sizeof(name[k]), "b%d.%s", i, (const char *[]){"n1", "a", "add1", "n2"}[k]);
        int y = lt_graph_layernorm(g, name[0], x, 1e-6f, false);
        y = lt_graph_attention(g, name[1], layer(g, b, "q", y, 768), layer(g, b, "k", y, 768), layer(g, b, "v", y, 768),
                               ATTN(.heads = 12));
        x = lt_graph_add(g, name[2], x, layer(g, b, "o", y, 768));
        y = lt_graph_act(g, strcat(b, ".gelu"),
                         layer(g, name[1], "up", lt_graph_layernorm(g, name[3], x, 1e-6f, false), 3072), LT_ACT_GELU);
        x = lt_graph_add(g, strcat(b, ".add"), x, layer(g, name[3], "down", y, 768));
    }
    x = lt_graph_slice(g, "first", lt_graph_layernorm(g, "norm", x, 1e-6f, false), 2, 0, 1);
    lt_graph_output(g, lt_graph_linear(g, "head", x, 1000));
    LT_CHECK(!lt_graph_finish(g, &err));
    lt_graph_cost(g, NULL, &c);
    lt_ok(c.params == 86567656, "ViT-B/16 has its published 86,567,656 parameters: %" PRId64, c.params);
    lt_ok(c.macs == 17563828224, "and 17.56 G MACs: %" PRId64, c.macs);
    lt_graph_cost_as(g, lt_cost_convention_find("conv-linear"), &l);
    lt_ok(c.macs - l.macs == 12LL * 2 * 197 * 197 * 768, "conv-linear does not see the products of attention");
    lt_graph_cost_as(g, lt_cost_convention_find("no-embedding"), &n);
    lt_ok(c.params - n.params == 197 * 768 + 769000 && c.macs - n.macs == 768000,
          "no-embedding leaves out positions and the classifier");
    lt_graph_free(g);
}

/* A backbone, whose last convolution is no classifier. */
static void backbone(void) {
    struct lt_graph *g = begin(3, 8, 8);
    struct lt_cost c, n;

    lt_graph_output(g, lt_graph_act(g, "relu", conv_bn(g, "conv", 0, 4, 3, 1), LT_ACT_RELU));
    LT_CHECK(!lt_graph_finish(g, NULL));
    lt_graph_cost(g, NULL, &c);
    lt_graph_cost_as(g, lt_cost_convention_find("no-classifier"), &n);
    lt_ok(n.macs == c.macs && n.params == c.params, "a network that ends in batch norm has no final projection");
    lt_graph_free(g);
}

static void conventions(void) {
    int n = 0;

    for (const struct lt_cost_convention *c; (c = lt_cost_convention_at(n)); n++)
        lt_ok(lt_cost_convention_find(c->name) == n && strlen(c->about) > 10, "convention %s", c->name);
    lt_ok(n >= 6 && lt_cost_convention_find("mine") == -1 && !lt_cost_convention_at(-1), "%d conventions", n);
}

int main(void) {
    shapes();
    refusals();
    hashes();
    text();
    folding();
    costs_by_hand();
    published();
    vit_b16();
    backbone();
    conventions();
    return lt_done();
}
