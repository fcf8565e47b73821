/*
 * INFER sessions of every backend: against an evaluation by this test (one node after another, double accumulation, its
 * own fake quantization), against each other, and against themselves with other options. Networks are random inverted
 * bottlenecks.
 */
#include "lathe/graph.h"
#include "lathe/infer_profile.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "lathe/runtime.h"
#include "tests/conform/infer_eval.h"
#include "tests/tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_NETS = 8, BATCH = 3 };

/* ---- comparing ---- */
static double worst(const float *a, const float *b, int64_t n, double *scale) {
    double d = 0, top = 1e-6;
    for (int64_t i = 0; i < n; i++) {
        double k = fabs((double)a[i] - (double)b[i]);
        d = k > d || isnan(k) ? k : d;
        top = fmax(top, fabs((double)b[i]));
    }
    *scale = top;
    return d / top;
}

static struct lt_session *session(struct lt_backend *b, const struct lt_graph *g, const struct lt_weights *w,
                                  struct lt_session_opt o) {
    struct lt_session *s = NULL;
    o.kind = LT_SESSION_INFER;
    if (lt_session_new(b, g, &o, &s, &err) || lt_session_weights(s, w, &err)) {
        lt_ok(false, "session: %s", err.msg);
        lt_session_free(s);
        return NULL;
    }
    return s;
}

static int classes(const struct lt_graph *g) { return (int)lt_shape_count(&g->node[g->output].out); }

/* Scales from the range of this test's f32 evaluation. */
static struct lt_plan *calibrated(const struct eval *v, struct lt_rng *r, bool all, int qmax) {
    struct lt_plan *p = NULL;
    if (lt_plan_new(v->g, &p, &err)) return NULL;
    p->weight_qmax = qmax;
    for (int i = 0; i < v->g->n_nodes; i++) {
        const struct lt_node *n = &v->g->node[i];
        double lo = 0, hi = 0;
        for (int64_t k = 0; k < v->n * lt_shape_count(&n->out); k++) {
            lo = fmin(lo, (double)v->out[i][k]);
            hi = fmax(hi, (double)v->out[i][k]);
        }
        p->is_int8[i] = (n->op == LT_OP_CONV || n->op == LT_OP_LINEAR) && (all || lt_rng_below(r, 2));
        p->out[i].is_signed = lo < 0;
        p->out[i].scale =
            (float)fmax(1e-4, 0.9 * (lo < 0 ? fmax(-lo, hi) / 127 : hi / 255)); /* 0.9: let something saturate */
    }
    return p;
}

/* channels-last tap as [N,C,H,W] */
static float *tapped(const struct lt_session *s, const struct lt_graph *g, int node, int n) {
    const float *t = lt_session_tap(s, node);
    int64_t c = g->node[node].out.d[1], hw = g->node[node].out.d[2] * g->node[node].out.d[3];
    float *out = t ? lt_malloc((size_t)(n * c * hw) * sizeof(float)) : NULL;
    for (int64_t b = 0; out && b < n; b++)
        for (int64_t i = 0; i < c; i++)
            for (int64_t p = 0; p < hw; p++) out[(b * c + i) * hw + p] = t[(b * hw + p) * c + i];
    return out;
}

/*
 * Every materialised tensor of a session equals this test's evaluation of the nodes behind it from the nearest
 * materialised tensors. Errors do not pile up, so int8 is exact (same integers) up to rounding of the f32 epilogue:
 * 2e-5 of the tensor's largest value (tanh and exp of vector libraries, dequantization in float).
 */
static double local_error(const struct lt_session *s, const struct eval *v, int *checked) {
    const struct lt_graph *g = v->g;
    float **val = lt_calloc((size_t)g->n_nodes, sizeof(float *));
    double bad = 0, top;
    *checked = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        int64_t count = v->n * lt_shape_count(&g->node[i].out);
        float *t = tapped(s, g, i, v->n), *mine = lt_malloc((size_t)count * sizeof(float));
        eval_node(v, i, val, mine);
        if (t) {
            bad = fmax(bad, worst(t, mine, count, &top));
            ++*checked;
            lt_free(mine);
            mine = t;
        }
        val[i] = mine;
    }
    for (int i = 0; i < g->n_nodes; i++) lt_free(val[i]);
    lt_free(val);
    return bad;
}

static void check_net(struct lt_backend *b, int seed) {
    const char *name = lt_backend_name(b);
    bool reference = !strcmp(name, "reference");
    struct lt_graph *g = random_net(seed);
    struct lt_weights *w = g ? random_weights(g, seed) : NULL;
    float *x = w ? random_input(g, BATCH, seed) : NULL, *y = NULL, *y2 = NULL;
    struct eval f = {.g = g, .w = w, .n = BATCH, .x = x};
    struct lt_rng r;
    lt_rng_at(&r, 1, LT_RNG_TEST, 104, (uint64_t)seed);
    if (!x) {
        lt_ok(false, "net %d: %s", seed, err.msg);
        goto out;
    }
    int k = classes(g);
    double top;
    y = lt_calloc((size_t)(BATCH * k), sizeof(float));
    y2 = lt_calloc((size_t)(BATCH * k), sizeof(float));
    eval_all(&f);

    struct lt_session *s = session(b, g, w, (struct lt_session_opt){.batch = BATCH});
    if (!s) goto out;
    lt_ok(!lt_session_forward(s, x, BATCH, LT_BN_RUNNING, y, &err), "%s net %d: forward", name, seed);
    double d = worst(y, f.out[g->output], BATCH * k, &top);
    lt_ok(d < 1e-4, "%s net %d: f32 logits against plain evaluation: %.2g", name, seed, d);
    memset(y2, 0, sizeof(float) * (size_t)(BATCH * k));
    lt_session_forward(s, x, BATCH - 1, LT_BN_RUNNING, y2, &err);
    lt_ok(!memcmp(y, y2, sizeof(float) * (size_t)((BATCH - 1) * k)) && y2[(BATCH - 1) * k] == 0, "%s net %d: n < batch",
          name, seed);
    lt_session_free(s);

    s = session(b, g, w, (struct lt_session_opt){.batch = BATCH, .keep = true});
    if (s && !lt_session_forward(s, x, BATCH, LT_BN_RUNNING, y2, &err))
        lt_ok(!memcmp(y, y2, sizeof(float) * (size_t)(BATCH * k)),
              "%s net %d: the same with every tensor kept (no buffer reused)", name, seed);
    lt_session_free(s);

    s = session(b, g, w, (struct lt_session_opt){.batch = BATCH, .threads = 2});
    if (s && !lt_session_forward(s, x, BATCH, LT_BN_RUNNING, y2, &err)) {
        d = worst(y2, y, BATCH * k, &top);
        lt_ok(d < 1e-5, "%s net %d: 2 threads as 1: %.2g", name, seed, d);
    }
    lt_session_free(s);

    for (int c = 0; c < 3; c++) { /* all int8, mixed, mixed with 6 bit weights (no VNNI) */
        struct lt_plan *p = calibrated(&f, &r, c == 0, c == 2 ? 63 : 127);
        struct eval q = {.g = g, .w = w, .plan = p, .n = BATCH, .x = x};
        int checked = 0;
        s = p ? session(b, g, w, (struct lt_session_opt){.batch = BATCH, .plan = p, .keep = true}) : NULL;
        if (s && !lt_session_forward(s, x, BATCH, LT_BN_RUNNING, y, &err)) {
            d = local_error(s, &q, &checked);
            lt_ok(d < 2e-5 && checked > 5, "%s net %d plan %d: %d tensors each exact from the ones before: %.2g", name,
                  seed, c, checked, d);
            eval_all(&q);
            d = worst(y, q.out[g->output], BATCH * k, &top);
            /* Different summation order may move a value over a rounding edge: one of 255 steps somewhere, diluted by
             * the layers behind it. */
            lt_ok(d < (reference ? 0.02 : 0.03), "%s net %d plan %d: logits against fake quantization in float: %.2g",
                  name, seed, c, d);
            eval_free(&q);
        } else {
            lt_ok(false, "%s net %d plan %d: %s", name, seed, c, err.msg);
        }
        lt_session_free(s);
        s = p ? session(b, g, w, (struct lt_session_opt){.batch = BATCH, .plan = p}) : NULL;
        if (s && !lt_session_forward(s, x, BATCH, LT_BN_RUNNING, y2, &err)) {
            d = worst(y2, y, BATCH * k, &top);
            lt_ok(d < 0.03, "%s net %d plan %d: fused requantization and reused buffers: %.2g", name, seed, c, d);
        }
        lt_session_free(s);
        lt_plan_free(p);
    }
out:
    if (g) eval_free(&f);
    lt_free(y);
    lt_free(y2);
    lt_free(x);
    lt_weights_free(w);
    lt_graph_free(g);
}

/*
 * Fused requantization against quantize(f32 result): conv (int8) -> act -> depthwise 1x1 with weight 1 (int8), which
 * shows the quantized tensor as q * scale. At most 1 step apart, and rarely (a tie that float rounding turns).
 */
static void check_requantize(struct lt_backend *b) {
    for (int a = 0; a < LT_N_ACTS; a++)
        for (int sgn = 0; sgn < 2; sgn++) {
            struct lt_graph *g = NULL;
            struct lt_weights *w = NULL;
            struct lt_plan *p = NULL;
            struct lt_session *kept = NULL, *fused = NULL;
            float *x = NULL, *y = NULL, *v = NULL;
            int c = 24, hw = 9, far = 0, off = 0;
            if (lt_graph_new("requantize", &g, &err)) return;
            int in = lt_graph_input(g, "image", 6, hw, hw), n;
            n = lt_graph_conv(g, "first", in,
                              &(struct lt_conv_attr){.out = c, .kernel = 3, .stride = 1, .groups = 1, .bias = true});
            int t = n = lt_graph_act(g, "act", n, (enum lt_act)a);
            n = lt_graph_conv(g, "show", n,
                              &(struct lt_conv_attr){.out = c, .kernel = 1, .stride = 1, .groups = c, .bias = false});
            lt_graph_output(g, n);
            if (lt_graph_finish(g, &err) || lt_plan_new(g, &p, &err) || !(w = random_weights(g, 7)) ||
                !(x = random_input(g, 1, 7))) {
                lt_ok(false, "requantize: %s", err.msg);
                goto next;
            }
            for (int i = 0; i < c; i++) w->data[lt_graph_find_param(g, "show.weight")][i] = 1;
            p->is_int8[lt_graph_find(g, "first")] = p->is_int8[lt_graph_find(g, "show")] = 1;
            p->out[in] = (struct lt_qparam){.scale = 0.025f, .is_signed = true};
            p->out[t] = (struct lt_qparam){
                .scale = a == LT_ACT_SIGMOID || a == LT_ACT_HSIGMOID || a == LT_ACT_TANH ? 0.0041f : 0.017f,
                .is_signed = sgn};
            kept = session(b, g, w, (struct lt_session_opt){.batch = 1, .plan = p, .keep = true});
            fused = session(b, g, w, (struct lt_session_opt){.batch = 1, .plan = p});
            y = lt_calloc((size_t)(c * hw * hw), sizeof(float));
            if (!kept || !fused || !y || lt_session_forward(kept, x, 1, LT_BN_RUNNING, NULL, &err) ||
                lt_session_forward(fused, x, 1, LT_BN_RUNNING, y, &err) || !(v = tapped(kept, g, t, 1))) {
                lt_ok(false, "requantize %s: %s", lt_act_name((enum lt_act)a), err.msg);
                goto next;
            }
            for (int i = 0; i < c * hw * hw; i++) {
                int steps = abs((int)lrint((double)y[i] / (double)p->out[t].scale) - quantized(v[i], p->out[t]));
                far += steps > 1;
                off += steps == 1;
            }
            lt_ok(far == 0 && off <= c * hw * hw / 200,
                  "%s: fused requantization after %s to %s: %d of %d values 1 step off, %d further", lt_backend_name(b),
                  lt_act_name((enum lt_act)a), sgn ? "s8" : "u8", off, c * hw * hw, far);
        next:
            lt_session_free(kept);
            lt_session_free(fused);
            lt_free(x);
            lt_free(y);
            lt_free(v);
            lt_plan_free(p);
            lt_weights_free(w);
            lt_graph_free(g);
        }
}

static void check_units(struct lt_backend *b) {
    struct lt_graph *g = random_net(0);
    struct lt_weights *w = g ? random_weights(g, 0) : NULL;
    float *x = w ? random_input(g, 1, 0) : NULL;
    struct eval f = {.g = g, .w = w, .n = 1, .x = x};
    struct lt_plan *p = NULL;
    struct lt_session *s = NULL;
    struct lt_unit_time *u = NULL;
    struct lt_rng r;
    int n = 0, convs = 0, int8 = 0, quantize = 0, bad = 0, want = 0, want8 = 0;
    lt_rng_at(&r, 1, LT_RNG_TEST, 105, 0);
    if (!x) goto out;
    eval_all(&f);
    p = calibrated(&f, &r, false, 127);
    s = p ? session(b, g, w, (struct lt_session_opt){.batch = 1, .plan = p}) : NULL;
    if (!s || lt_session_time_units(s, x, 7, &u, &n, &err)) {
        lt_ok(false, "time units: %s", err.msg);
        goto out;
    }
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i].op == LT_OP_CONV || g->node[i].op == LT_OP_LINEAR) {
            want++;
            want8 += p->is_int8[i];
        }
    for (int i = 0; i < n; i++) {
        const struct lt_node *a = &g->node[u[i].node];
        bad += !(u[i].median_s >= 0) || u[i].median_s > 1 || u[i].last < u[i].node;
        if (u[i].kind == LT_UNIT_OP && (a->op == LT_OP_CONV || a->op == LT_OP_LINEAR)) {
            convs++;
            int8 += u[i].dtype == LT_I8;
            bad += (u[i].dtype == LT_I8) != p->is_int8[u[i].node];
        }
        quantize += u[i].kind == LT_UNIT_QUANTIZE;
    }
    lt_ok(!bad && convs == want && int8 == want8 && quantize > 0,
          "%s: %d units timed, %d of %d conv/linear, %d of %d int8, %d quantize", lt_backend_name(b), n, convs, want,
          int8, want8, quantize);
    lt_ok(lt_session_time_units(s, x, 0, &u, &n, &err) == LT_EINVAL, "%s: 0 runs are refused", lt_backend_name(b));
out:
    if (g) eval_free(&f);
    lt_free(u);
    lt_session_free(s);
    lt_plan_free(p);
    lt_free(x);
    lt_weights_free(w);
    lt_graph_free(g);
}

static void check_errors(struct lt_backend *b) {
    struct lt_graph *g = NULL;
    struct lt_plan *p = NULL;
    struct lt_weights *w = NULL;
    struct lt_session *s = NULL;
    struct lt_session_opt o = {.kind = LT_SESSION_INFER, .batch = 1};
    const char *name = lt_backend_name(b);
    float x[16] = {0}, y[16 * 4];
    if (lt_graph_new("errors", &g, &err)) return;
    int n = lt_graph_conv(g, "c1", lt_graph_input(g, "image", 1, 4, 4),
                          &(struct lt_conv_attr){.out = 4, .kernel = 3, .stride = 1, .groups = 1});
    lt_graph_output(g, lt_graph_bn(g, "b1", n));
    if (lt_graph_finish(g, &err) || lt_plan_new(g, &p, &err) || lt_weights_new(g, &w, &err)) {
        lt_ok(false, "errors: %s", err.msg);
        goto out;
    }
    lt_ok(lt_session_new(b, g, &o, &s, &err) == LT_EINVAL && strstr(err.msg, "b1") && !s,
          "%s: batch norm is refused: %s", name, err.msg);
    lt_graph_free(g);
    lt_plan_free(p);
    lt_weights_free(w);
    g = NULL;
    p = NULL;
    w = NULL;
    if (lt_graph_new("errors", &g, &err)) return;
    n = lt_graph_conv(g, "c1", lt_graph_input(g, "image", 1, 4, 4),
                      &(struct lt_conv_attr){.out = 4, .kernel = 3, .stride = 1, .groups = 1});
    lt_graph_output(g, lt_graph_act(g, "a1", n, LT_ACT_RELU));
    if (lt_graph_finish(g, &err) || lt_plan_new(g, &p, &err) || lt_weights_new(g, &w, &err)) {
        lt_ok(false, "errors: %s", err.msg);
        goto out;
    }
    o.plan = p;
    p->is_int8[1] = 1;
    lt_ok(lt_session_new(b, g, &o, &s, &err) == LT_EINVAL && strstr(err.msg, "image") && !s,
          "%s: int8 without a scale is refused: %s", name, err.msg);
    p->is_int8[1] = 0;
    p->is_int8[2] = 1;
    lt_ok(lt_session_new(b, g, &o, &s, &err) == LT_EINVAL && strstr(err.msg, "a1") && !s,
          "%s: int8 activation is refused: %s", name, err.msg);
    o.plan = NULL;
    lt_ok(!lt_session_new(b, g, &o, &s, &err), "%s: session", name);
    lt_ok(lt_session_forward(s, x, 1, LT_BN_RUNNING, y, &err) == LT_EINVAL,
          "%s: forward without weights is refused: %s", name, err.msg);
    lt_ok(!lt_session_weights(s, w, &err), "%s: weights", name);
    lt_ok(lt_session_forward(s, x, 2, LT_BN_RUNNING, y, &err) == LT_EINVAL, "%s: n > batch is refused: %s", name,
          err.msg);
    lt_ok(!lt_session_tap(s, 1), "%s: no taps without keep", name);
out:
    lt_session_free(s);
    lt_plan_free(p);
    lt_weights_free(w);
    lt_graph_free(g);
}

int main(void) {
    for (int i = 0; i < lt_backend_count(); i++) {
        struct lt_backend *b = NULL;
        lt_status s = lt_backend_open(lt_backend_name_at(i), &b, &err);
        if (s == LT_EUNAVAIL) {
            lt_skip("%s: %s", lt_backend_name_at(i), err.msg);
            continue;
        }
        lt_ok(!s, "open %s", lt_backend_name_at(i));
        if (s) continue;
        for (int k = 0; k < N_NETS; k++) check_net(b, k);
        check_requantize(b);
        check_units(b);
        check_errors(b);
        lt_backend_close(b);
    }
    return lt_done();
}
