/*
 * INFER sessions of every backend on the operators that move values and on those of sequences: odd sizes against an
 * evaluation by this test, and small cases whose result is known.
 */
#include "lathe/graph.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "lathe/runtime.h"
#include "tests/conform/infer_eval.h"
#include "tests/tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 3 };
#define CONV(...) ((struct lt_conv_attr){__VA_ARGS__})
#define ATTN(...) (&(struct lt_attention_attr){__VA_ARGS__})

/* ---- the networks: each builds from an image and returns its output ---- */
static int conv(struct lt_graph *g, const char *name, int x, struct lt_conv_attr a) {
    if (!a.stride) a.stride = 1;
    if (!a.groups) a.groups = 1;
    return lt_graph_conv(g, name, x, &a);
}

static int linear(struct lt_graph *g, const char *name, int x, int out) {
    return conv(g, name, x, CONV(.out = out, .kernel = 1, .bias = true));
}

static int net_moves(struct lt_graph *g) {
    int x = lt_graph_input(g, "image", 6, 7, 5), a, b, y;
    a = lt_graph_act(g, "a.act", conv(g, "a", x, CONV(.out = 9, .kernel = 3, .bias = true)), LT_ACT_GELU);
    b = conv(g, "b", x, CONV(.out = 5, .kernel = 5, .dilation = 2, .bias = true));
    y = lt_graph_concat(g, "channels", (int[]){a, b, x, a}, 4, 1); /* 29 */
    y = lt_graph_slice(g, "cut", y, 1, 2, 26);                     /* 24 */
    y = lt_graph_shuffle(g, "mix", y, 3);
    y = conv(g, "dilated.dw", y, CONV(.out = 24, .kernel = 3, .groups = 24, .dilation = 3, .bias = true));
    y = conv(g, "dilated.s2", y, CONV(.out = 24, .kernel = 3, .groups = 4, .dilation = 2, .stride = 2));
    a = lt_graph_zero(g, "none",
                      lt_graph_slice(g, "cut2", lt_graph_concat(g, "c2", (int[]){x, x, x, x}, 4, 1), 1, 0, 24), 2);
    y = lt_graph_add(g, "join", y, a);
    a = lt_graph_concat(g, "rows", (int[]){y, y, a}, 3, 2);
    b = lt_graph_slice(g, "row.cut", a, 2, 1, 10);
    b = lt_graph_concat(g, "columns", (int[]){b, b}, 2, 3);
    return lt_graph_slice(g, "column.cut", b, 3, 1, 5);
}

static int vit_block(struct lt_graph *g, int i, int x, int heads, int kv, int dv) {
    struct names nm = {.at = 0};
    int c = (int)g->node[x].out.d[1], d = c / heads, y, q, k, v;
#define NAME(s) name_of(&nm, i, s)
    y = lt_graph_layernorm(g, NAME("norm1"), x, 1e-5f, i % 2);
    q = linear(g, NAME("q"), y, c);
    k = linear(g, NAME("k"), y, kv * d);
    v = linear(g, NAME("v"), y, kv * dv);
    y = lt_graph_attention(
        g, NAME("attention"), q, k, v,
        ATTN(.heads = heads, .kv_heads = kv, .causal = i == 1, .window = i == 1 ? 9 : 0, .rope = i == 1 ? 10000.f : 0));
    x = lt_graph_add(g, NAME("add1"), x, linear(g, NAME("project"), y, c));
    y = lt_graph_layernorm(g, NAME("norm2"), x, 1e-6f, false);
    y = lt_graph_act(g, NAME("gelu"), linear(g, NAME("up"), y, 2 * c + 3), LT_ACT_GELU);
    return lt_graph_add(g, NAME("add2"), x, linear(g, NAME("down"), y, c));
#undef NAME
}

static int net_vit(struct lt_graph *g) {
    int x = lt_graph_input(g, "image", 3, 22, 26);
    x = conv(g, "patch", x, CONV(.out = 36, .kernel = 2, .stride = 2, .pad = LT_PAD_VALID, .bias = true));
    x = lt_graph_prepend(g, "class", lt_graph_tokens(g, "tokens", x), 1);
    x = lt_graph_position(g, "position", x);
    x = vit_block(g, 0, x, 3, 3, 12);
    x = vit_block(g, 1, x, 6, 2, 7); /* 144 tokens: more than two blocks of queries */
    x = lt_graph_layernorm(g, "norm", x, 1e-5f, false);
    return lt_graph_linear(g, "head", lt_graph_slice(g, "first", x, 2, 0, 1), 11);
}

/* Windowed stages: pooled queries, attention in windows, and back to an image. */
static int net_windows(struct lt_graph *g) {
    int x = lt_graph_input(g, "image", 12, 12, 8), q, t;
    t = lt_graph_window(g, "window", x, 4);
    t = lt_graph_attention(g, "inside", t, t, t, ATTN(.heads = 2, .block = 16));
    q = lt_graph_grid(g, "squares", t, 4); /* 24 x 4: pooling two by two keeps the windows apart */
    q = lt_graph_tokens(g, "pooled", lt_graph_pool(g, "pool", q, LT_POOL_MAX, 2, 2, 0));
    q = lt_graph_attention(g, "units", linear(g, "q", q, 12), linear(g, "k", t, 12), linear(g, "v", t, 20),
                           ATTN(.heads = 4, .block = 4));
    return lt_graph_unwindow(g, "back", q, 2, 4);
}

static int net_language(struct lt_graph *g) {
    int x = lt_graph_input(g, "numbers", 1, 75, 1), y, gate;
    x = lt_graph_embed(g, "table", x, 50, 20);
    y = linear(g, "in", lt_graph_layernorm(g, "norm", x, 1e-5f, true), 40);
    gate = lt_graph_slice(g, "gate", y, 1, 0, 20);
    y = lt_graph_mul(g, "gated", lt_graph_slice(g, "value", y, 1, 20, 40), gate);
    x = lt_graph_add(g, "add", x, lt_graph_shortconv(g, "short", y, 3, true));
    x = lt_graph_shortconv(g, "centred", x, 5, false);
    y = lt_graph_linattn(g, "causal", linear(g, "q", x, 20), linear(g, "k", x, 10), linear(g, "v", x, 14),
                         ATTN(.heads = 4, .kv_heads = 2, .causal = true));
    y = lt_graph_linattn(g, "all", linear(g, "q2", lt_graph_slice(g, "some", y, 2, 3, 40), 20), linear(g, "k2", x, 20),
                         y, ATTN(.heads = 4));
    y = lt_graph_attention(g, "windowed", y, y, y, ATTN(.heads = 2, .window = 5));
    return lt_graph_attention(g, "cross", lt_graph_slice(g, "last", y, 2, 30, 37), y, y,
                              ATTN(.heads = 7, .kv_heads = 7, .causal = true));
}

static int net_flat(struct lt_graph *g) { /* heads of different sizes, joined */
    int x = lt_graph_input(g, "image", 4, 6, 6), a = linear(g, "a", x, 3), y;
    int b = conv(g, "b", x, CONV(.out = 5, .kernel = 3, .stride = 2, .bias = true));
    int t = lt_graph_tokens(g, "t", b);
    y = lt_graph_concat(g, "join", (int[]){lt_graph_flatten(g, "fa", a), lt_graph_flatten(g, "fb", t)}, 2, 1);
    return lt_graph_concat(g, "again", (int[]){y, lt_graph_linear(g, "fc", t, 6)}, 2, 1);
}

static struct lt_graph *build(int (*net)(struct lt_graph *)) {
    struct lt_graph *g = NULL;
    if (lt_graph_new("net", &g, &err)) return NULL;
    lt_graph_output(g, net(g));
    if (!lt_graph_finish(g, &err)) return g;
    lt_graph_free(g);
    return NULL;
}

static float *run(struct lt_backend *b, const struct lt_graph *g, const struct lt_weights *w, const float *x, bool keep,
                  int threads) {
    struct lt_session *s = NULL;
    struct lt_session_opt o = {.kind = LT_SESSION_INFER, .batch = BATCH, .keep = keep, .threads = threads};
    float *y = lt_calloc((size_t)(BATCH * lt_shape_count(&g->node[g->output].out)), sizeof(float));
    if (!y || lt_session_new(b, g, &o, &s, &err) || lt_session_weights(s, w, &err) ||
        lt_session_forward(s, x, BATCH, LT_BN_RUNNING, y, &err)) {
        lt_free(y);
        y = NULL;
    }
    lt_session_free(s);
    return y;
}

static double distance(const float *a, const float *b, int64_t n) {
    double d = 0, top = 1e-6;
    for (int64_t i = 0; i < n; i++) {
        double k = fabs((double)a[i] - (double)b[i]);
        d = k > d || isnan(k) ? k : d;
        top = fmax(top, fabs((double)b[i]));
    }
    return d / top;
}

static void check_net(struct lt_backend *b, const char *what, int (*net)(struct lt_graph *)) {
    const char *name = lt_backend_name(b);
    struct lt_graph *g = build(net);
    struct lt_weights *w = g ? random_weights(g, 3) : NULL;
    float *x = w ? random_input(g, BATCH, 3) : NULL, *y = NULL, *kept = NULL, *two = NULL;
    struct eval v = {.g = g, .w = w, .n = BATCH, .x = x};
    if (!x) {
        lt_ok(false, "%s: %s", what, err.msg);
        goto out;
    }
    for (int64_t i = 0; net == net_language && i < BATCH * 75; i++) x[i] = (float)(int)(20 * x[i]); /* some outside */
    int64_t count = BATCH * lt_shape_count(&g->node[g->output].out);
    eval_all(&v);
    y = run(b, g, w, x, false, 1);
    kept = run(b, g, w, x, true, 1);
    two = run(b, g, w, x, false, 2);
    double d = y ? distance(y, v.out[g->output], count) : INFINITY;
    /* f32 sums of up to a hundred terms, through up to 20 layers */
    lt_ok(d < 2e-5, "%s: %s as evaluated element by element: %.2g %s", name, what, d, y ? "" : err.msg);
    lt_ok(y && kept && !memcmp(y, kept, (size_t)count * sizeof(float)), "%s: %s with every tensor kept", name, what);
    lt_ok(y && two && distance(y, two, count) < 1e-5, "%s: %s with 2 threads", name, what);
out:
    if (g) eval_free(&v);
    lt_free(y);
    lt_free(kept);
    lt_free(two);
    lt_free(x);
    lt_weights_free(w);
    lt_graph_free(g);
}

/*
 * Convolutions and linear layers in int8 between operators that are not: against fake quantization in float. A value
 * that lands on the other side of a rounding edge is one step of 255 somewhere; layers behind it dilute that.
 */
static void check_int8(struct lt_backend *b, const char *what, int (*net)(struct lt_graph *)) {
    struct lt_graph *g = build(net);
    struct lt_weights *w = g ? random_weights(g, 5) : NULL;
    float *x = w ? random_input(g, BATCH, 5) : NULL, *y = NULL;
    struct lt_plan *p = NULL;
    struct lt_session *s = NULL;
    struct eval f = {.g = g, .w = w, .n = BATCH, .x = x}, q = f;
    if (!x || lt_plan_new(g, &p, &err)) {
        lt_ok(false, "%s int8: %s", what, err.msg);
        goto out;
    }
    eval_all(&f);
    for (int i = 0; i < g->n_nodes; i++) {
        float lo = 0, hi = 0;
        for (int64_t k = 0; k < BATCH * lt_shape_count(&g->node[i].out); k++) {
            lo = fminf(lo, f.out[i][k]);
            hi = fmaxf(hi, f.out[i][k]);
        }
        p->is_int8[i] = g->node[i].op == LT_OP_CONV || g->node[i].op == LT_OP_LINEAR;
        p->out[i].is_signed = lo < 0;
        p->out[i].scale = fmaxf(1e-4f, lo < 0 ? fmaxf(-lo, hi) / 127 : hi / 255);
    }
    q.plan = p;
    eval_all(&q);
    int64_t count = lt_shape_count(&g->node[g->output].out) * BATCH;
    y = lt_calloc((size_t)count, sizeof(float));
    struct lt_session_opt o = {.kind = LT_SESSION_INFER, .batch = BATCH, .plan = p};
    bool ran = y && !lt_session_new(b, g, &o, &s, &err) && !lt_session_weights(s, w, &err) &&
               !lt_session_forward(s, x, BATCH, LT_BN_RUNNING, y, &err);
    double d = ran ? distance(y, q.out[g->output], count) : INFINITY;
    lt_ok(d < 0.03, "%s: %s with int8 layers: %.2g %s", lt_backend_name(b), what, d, ran ? "" : err.msg);
out:
    if (g) eval_free(&f);
    if (g) eval_free(&q);
    lt_session_free(s);
    lt_plan_free(p);
    lt_free(x);
    lt_free(y);
    lt_weights_free(w);
    lt_graph_free(g);
}

/* ---- known results ---- */
static int net_there_and_back(struct lt_graph *g) {
    int x = lt_graph_input(g, "image", 6, 4, 6);
    int y = lt_graph_unwindow(g, "back", lt_graph_window(g, "there", x, 2), 2, 6);
    y = lt_graph_shuffle(g, "three", lt_graph_shuffle(g, "two", y, 2), 3); /* groups, then C/groups */
    y = lt_graph_grid(g, "grid", lt_graph_tokens(g, "tokens", y), 6);
    return lt_graph_concat(
        g, "whole", (int[]){lt_graph_slice(g, "left", y, 3, 0, 2), lt_graph_slice(g, "right", y, 3, 2, 6)}, 2, 3);
}

static void identities(struct lt_backend *b) {
    struct lt_graph *g = build(net_there_and_back);
    struct lt_weights *w = g ? random_weights(g, 1) : NULL;
    float *x = w ? random_input(g, BATCH, 1) : NULL, *y = x ? run(b, g, w, x, false, 1) : NULL;
    lt_ok(y && !memcmp(x, y, (size_t)(BATCH * 6 * 4 * 6) * sizeof(float)),
          "%s: window and back, shuffle by 2 and by 3 of 6 channels, tokens and grid, cut and join are the identity",
          lt_backend_name(b));
    lt_free(x);
    lt_free(y);
    lt_weights_free(w);
    lt_graph_free(g);
}

/* Queries 1 and -1 (d = 1) on keys 0 and ln 3: weights 1:3 and 3:1; values 8 and 16. */
static int net_one_head(struct lt_graph *g) {
    int x = lt_graph_input(g, "qkv", 3, 2, 1);
    return lt_graph_attention(g, "attention", lt_graph_slice(g, "q", x, 1, 0, 1), lt_graph_slice(g, "k", x, 1, 1, 2),
                              lt_graph_slice(g, "v", x, 1, 2, 3), ATTN(.heads = 1));
}

static int net_norm(struct lt_graph *g) {
    return lt_graph_layernorm(g, "norm", lt_graph_input(g, "x", 4, 1, 1), 0, false);
}

static int net_rms(struct lt_graph *g) {
    return lt_graph_layernorm(g, "norm", lt_graph_input(g, "x", 2, 1, 1), 0, true);
}

static void check_known(struct lt_backend *b, const char *what, int (*net)(struct lt_graph *), const float *one, int n,
                        const float *want, int m) {
    struct lt_graph *g = build(net);
    struct lt_weights *w = NULL;
    float x[BATCH * 8] = {0}, *y = NULL;
    memcpy(x, one, (size_t)n * sizeof(float));
    if (g && !lt_weights_new(g, &w, &err)) {
        for (int i = 0; g->n_params && i < g->param[0].count; i++) w->data[0][i] = 1; /* gamma */
        y = run(b, g, w, x, false, 1);
    }
    lt_ok(y && distance(y, want, m) < 1e-6, "%s: %s", lt_backend_name(b), what);
    lt_free(y);
    lt_weights_free(w);
    lt_graph_free(g);
}

static void known(struct lt_backend *b) {
    static const float qkv[] = {1, -1, 0, 1.0986123f, 8, 16}, attended[] = {14, 10};
    static const float x[] = {1, 3, 5, 7}, normed[] = {-1.3416408f, -0.4472136f, 0.4472136f, 1.3416408f};
    static const float pair[] = {3, 4}, unit[] = {0.8485281f, 1.1313708f}; /* by sqrt(12.5) */
    check_known(b, "attention of one head by hand", net_one_head, qkv, 6, attended, 2);
    check_known(b, "layer normalization by hand", net_norm, x, 4, normed, 4);
    check_known(b, "root mean square normalization by hand", net_rms, pair, 2, unit, 2);
}

/* A causal query sees nothing behind it: changing the last token changes the last output alone. */
static int net_causal(struct lt_graph *g) {
    int x = lt_graph_input(g, "x", 8, 70, 1), y;
    y = lt_graph_attention(g, "a", x, x, x, ATTN(.heads = 2, .causal = true, .rope = 100));
    y = lt_graph_linattn(g, "l", y, y, y, ATTN(.heads = 2, .causal = true));
    return lt_graph_shortconv(g, "s", y, 4, true);
}

static void causality(struct lt_backend *b) {
    struct lt_graph *g = build(net_causal);
    struct lt_weights *w = g ? random_weights(g, 4) : NULL;
    float *x = w ? random_input(g, BATCH, 4) : NULL, *y = x ? run(b, g, w, x, false, 1) : NULL, *z;
    int same = 0, changed = 0;
    for (int c = 0; y && c < 8; c++) x[c * 70 + 69] += 1;
    z = y ? run(b, g, w, x, false, 1) : NULL;
    for (int i = 0; z && i < 8 * 70; i++) {
        same += i % 70 < 69 && y[i] == z[i];
        changed += i % 70 == 69 && y[i] != z[i];
    }
    lt_ok(same == 8 * 69 && changed == 8, "%s: what is causal does not see ahead", lt_backend_name(b));
    lt_free(x);
    lt_free(y);
    lt_free(z);
    lt_weights_free(w);
    lt_graph_free(g);
}

static void training_is_refused(struct lt_backend *b) {
    struct lt_graph *g = build(net_causal);
    struct lt_session *s = NULL;
    struct lt_session_opt o = {.kind = LT_SESSION_TRAIN, .batch = 1};
    lt_ok(g && lt_session_new(b, g, &o, &s, &err) == LT_EUNAVAIL && strstr(err.msg, "a: ") && !s,
          "%s: training of attention is refused: %s", lt_backend_name(b), err.msg);
    lt_graph_free(g);
}

int main(void) {
    for (int i = 0; i < lt_backend_count(); i++) {
        struct lt_backend *b = NULL;
        if (lt_backend_open(lt_backend_name_at(i), &b, &err)) {
            lt_skip("%s: %s", lt_backend_name_at(i), err.msg);
            continue;
        }
        check_net(b, "moves and dilation", net_moves);
        check_net(b, "a vision transformer", net_vit);
        check_net(b, "windows", net_windows);
        check_net(b, "a language model's operators", net_language);
        check_net(b, "joined heads", net_flat);
        check_int8(b, "moves and dilation", net_moves);
        check_int8(b, "a vision transformer", net_vit);
        check_int8(b, "joined heads", net_flat);
        identities(b);
        known(b);
        causality(b);
        training_is_refused(b);
        lt_backend_close(b);
    }
    return lt_done();
}
