/*
 * Gradients by central finite differences, every operator, on the reference backend (whose convolutions accumulate in
 * double); then every registered backend against the reference on random networks.
 *
 * An operator stands between a 1x1 convolution, whose weight gradient needs the operator's data gradient, and a linear
 * layer that mixes its outputs into a cross-entropy. Differences are taken at two step sizes and on both sides: where
 * they disagree the loss has a kink nearby (ReLU, maximum) and says nothing; most places must agree.
 */
#include "lathe/graph.h"
#include "tests/tap.h"
#include "tests/train_net.h"

enum { BATCH = 3, SEED = 7 };

typedef int (*op_fn)(struct lt_graph *g, int x, int arg, int arg2);

static int op_conv(struct lt_graph *g, int x, int kernel, int stride) {
    return lt_graph_conv(g, "op", x, NET_CONV(6, kernel, stride, 1, true));
}
static int op_grouped(struct lt_graph *g, int x, int kernel, int stride) {
    return lt_graph_conv(g, "op", x, NET_CONV(6, kernel, stride, 2, true));
}
static int op_depthwise(struct lt_graph *g, int x, int kernel, int stride) {
    return lt_graph_conv(g, "op", x, NET_CONV(4, kernel, stride, 4, true));
}
static int op_valid(struct lt_graph *g, int x, int kernel, int stride) {
    return lt_graph_conv(
        g, "op", x,
        &(struct lt_conv_attr){.out = 3, .kernel = kernel, .stride = stride, .groups = 1, .pad = LT_PAD_VALID});
}
static int op_multiplier(struct lt_graph *g, int x, int kernel, int stride) {
    return lt_graph_conv(g, "op", x, NET_CONV(8, kernel, stride, 4, false));
}
static int op_act(struct lt_graph *g, int x, int act, int unused) {
    (void)unused;
    return lt_graph_act(g, "op", x, (enum lt_act)act);
}
static int op_bn(struct lt_graph *g, int x, int act, int residual) {
    int y = lt_graph_act(g, "act", lt_graph_bn(g, "op", lt_graph_conv(g, "c", x, NET_CONV(4, 1, 1, 1, false))),
                         (enum lt_act)act);
    return residual == 1 ? lt_graph_add(g, "sum", x, y) : residual == 2 ? lt_graph_add(g, "sum", y, x) : y;
}
static int op_bn_branches(struct lt_graph *g, int x, int act, int unused) {
    int a = lt_graph_bn(g, "a", x), b = lt_graph_bn(g, "b", x); /* x is read by two, and twice more by the sums */
    (void)unused;
    a = lt_graph_act(g, "act", lt_graph_add(g, "s1", a, x), (enum lt_act)act);
    return lt_graph_add(g, "s3", lt_graph_add(g, "s2", a, b), x);
}
static int op_pool(struct lt_graph *g, int x, int kind, int kernel) {
    return lt_graph_pool(g, "op", x, (enum lt_pool)kind, kernel, 2, kernel / 2);
}
static int op_gap(struct lt_graph *g, int x, int a, int b) {
    (void)a, (void)b;
    return lt_graph_gap(g, "op", x);
}
static int op_add(struct lt_graph *g, int x, int same, int b) {
    (void)b;
    return lt_graph_add(g, "op", x, same ? x : lt_graph_act(g, "tanh", x, LT_ACT_TANH));
}
static int op_mul(struct lt_graph *g, int x, int same, int b) {
    (void)b;
    return lt_graph_mul(
        g, "op", x,
        same ? x : lt_graph_act(g, "gate", lt_graph_conv(g, "g", x, NET_CONV(4, 1, 1, 1, true)), LT_ACT_SIGMOID));
}
/* Both operands of a product have their gradient from a sum already. */
static int op_mul_sum(struct lt_graph *g, int x, int a, int b) {
    int y = lt_graph_act(g, "t1", x, LT_ACT_TANH), z = lt_graph_act(g, "t2", x, LT_ACT_SILU);
    (void)a, (void)b;
    int m = lt_graph_mul(g, "op", y, z),
        sum = lt_graph_add(g, "s1", y, z); /* in this order: backward, the sum is first */
    return lt_graph_add(g, "s2", m, sum);
}
static int op_squeeze(struct lt_graph *g, int x, int a, int b) {
    int s = lt_graph_gap(g, "gap", x);
    (void)a, (void)b;
    s = lt_graph_act(g, "silu", lt_graph_conv(g, "reduce", s, NET_CONV(3, 1, 1, 1, true)), LT_ACT_SILU);
    s = lt_graph_act(g, "gate", lt_graph_conv(g, "expand", s, NET_CONV(4, 1, 1, 1, true)), LT_ACT_SIGMOID);
    return lt_graph_mul(g, "op", x, s);
}
static int op_flatten(struct lt_graph *g, int x, int a, int b) {
    (void)a, (void)b;
    return lt_graph_flatten(g, "op", x);
}
static int op_softmax(struct lt_graph *g, int x, int a, int b) {
    (void)a, (void)b;
    return lt_graph_softmax(g, "op", lt_graph_gap(g, "gap", x));
}

static int op_dilated(struct lt_graph *g, int x, int kernel, int dilation) {
    return lt_graph_conv(g, "op", x,
                         &(struct lt_conv_attr){
                             .out = 5, .kernel = kernel, .stride = 1, .groups = 1, .dilation = dilation, .bias = true});
}
static int op_dilated_depthwise(struct lt_graph *g, int x, int stride, int dilation) {
    return lt_graph_conv(
        g, "op", x, &(struct lt_conv_attr){.out = 4, .kernel = 3, .stride = stride, .groups = 4, .dilation = dilation});
}
/* x twice and two that are computed from it; the batch norm's output is read by nobody else. */
static int op_concat(struct lt_graph *g, int x, int axis, int unused) {
    int a = lt_graph_act(g, "tanh", x, LT_ACT_TANH), b = lt_graph_bn(g, "bn", x);
    (void)unused;
    return lt_graph_concat(g, "op", (int[]){x, a, b, x}, 4, axis);
}
static int op_slice(struct lt_graph *g, int x, int axis, int unused) {
    (void)unused;
    return lt_graph_add(g, "sum", lt_graph_slice(g, "op", x, axis, 1, 3), lt_graph_slice(g, "op2", x, axis, 2, 4));
}
static int op_shuffle(struct lt_graph *g, int x, int groups, int unused) {
    (void)unused;
    x = lt_graph_conv(g, "six", x, NET_CONV(6, 1, 1, 1, false));
    return lt_graph_act(g, "act", lt_graph_shuffle(g, "op", x, groups), LT_ACT_SILU);
}
static int op_zero(struct lt_graph *g, int x, int stride, int unused) {
    (void)unused;
    int z = lt_graph_zero(g, "op", x, stride);
    return lt_graph_concat(g, "join", (int[]){lt_graph_pool(g, "pool", x, LT_POOL_AVG, 3, stride, 1), z}, 2, 1);
}
static int op_image_too(struct lt_graph *g, int x, int a, int b) { /* an input that wants no gradient */
    (void)a, (void)b;
    return lt_graph_concat(g, "op", (int[]){0, x}, 2, 1);
}
static int op_layernorm(struct lt_graph *g, int x, int rms, int after_bn) {
    if (after_bn) x = lt_graph_act(g, "act", lt_graph_bn(g, "bn", x), LT_ACT_SILU);
    return lt_graph_add(g, "sum", lt_graph_layernorm(g, "op", x, 1e-2f, rms), x);
}

static struct lt_graph *build(op_fn op, int a, int b) {
    struct lt_graph *g = NULL;
    if (lt_graph_new("op", &g, &net_err)) return NULL;
    int x = lt_graph_input(g, "image", 3, 6, 6);
    x = lt_graph_conv(g, "pre", x, NET_CONV(4, 1, 1, 1, false));
    x = op(g, x, a, b);
    lt_graph_output(g, lt_graph_linear(g, "post", x, NET_CLASSES));
    if (lt_graph_finish(g, &net_err)) {
        lt_note("%s", net_err.msg);
        lt_graph_free(g);
        return NULL;
    }
    return g;
}

struct problem {
    struct lt_session *s;
    const float *x;
    const uint8_t *labels;
    enum lt_bn_mode mode;
    bool failed;
};

static double loss(struct problem *p, float *dlogits) {
    float logits[BATCH * NET_CLASSES];
    if (lt_session_forward(p->s, p->x, BATCH, p->mode, logits, &net_err)) p->failed = true;
    return lt_softmax_xent(logits, p->labels, NULL, BATCH, NET_CLASSES, 0.1, 1, dlogits);
}

/* Checks up to 24 entries of a parameter. Returns the worst error in units of the tolerance; counts what could be
 * compared. */
static double check_param(struct problem *p, float *w, const float *grad, int64_t count, int *n_checked, int *n_seen) {
    double worst = 0, top = 0;
    int64_t step = count > 24 ? count / 24 : 1;
    double here = loss(p, NULL);
    for (int64_t j = 0; j < count; j++) top = fmax(top, fabs(grad[j]));
    for (int64_t j = 0; j < count; j += step) {
        float keep = w[j];
        double d[2], side = 0, h = 2e-3;
        for (int k = 0; k < 2; k++, h /= 2) {
            float up = keep + (float)h, down = keep - (float)h;
            w[j] = up;
            double a = loss(p, NULL);
            w[j] = down;
            double b = loss(p, NULL);
            d[k] = (a - b) / ((double)up - down);
            side = fabs((a - here) - (here - b)) / h; /* the two one-sided slopes: a kink right here */
        }
        w[j] = keep;
        ++*n_seen;
        /* f32 forward: about 1e-7 of a loss near 1.4, over a step of 2e-3: 1e-4; truncation falls with the square of
         * the step. */
        double tol = 4e-4 + 0.01 * top;
        if (fabs(d[0] - d[1]) > tol || side > tol) continue;
        ++*n_checked;
        worst = fmax(worst, fabs(d[1] - grad[j]) / tol);
    }
    return worst;
}

static void check_op(const char *name, op_fn op, int a, int b, enum lt_bn_mode mode, struct lt_backend *be) {
    struct lt_graph *g = build(op, a, b);
    struct lt_weights *w = g ? net_weights(g, SEED) : NULL, *grad = NULL;
    struct problem p = {.mode = mode};
    float *x = net_noise(BATCH * 3 * 6 * 6, SEED), dlogits[BATCH * NET_CLASSES];
    const uint8_t labels[BATCH] = {1, 3, 0};
    double worst = 0;
    int checked = 0, seen = 0;
    if (!lt_ok(g && w && x && !lt_weights_new(g, &grad, &net_err) &&
                   !lt_session_new(be, g, &(struct lt_session_opt){.kind = LT_SESSION_TRAIN, .batch = BATCH}, &p.s,
                                   &net_err) &&
                   !lt_session_weights(p.s, w, &net_err),
               "%s: set up", name))
        goto out;
    p.x = x;
    p.labels = labels;
    loss(&p, dlogits);
    if (!lt_ok(!lt_session_backward(p.s, dlogits, grad, &net_err), "%s: backward runs", name)) goto out;
    for (int i = 0; i < g->n_params; i++) {
        bool stats = g->param[i].role == LT_PARAM_MEAN || g->param[i].role == LT_PARAM_VAR;
        double d = stats ? 0 : check_param(&p, w->data[i], grad->data[i], g->param[i].count, &checked, &seen);
        double written = 0;
        for (int64_t j = 0; j < g->param[i].count && stats; j++) written += fabs(grad->data[i][j]);
        if (d > 1 || written > 0)
            lt_note("%s %s: error %.3g tolerances, statistics written %g", name, g->param[i].name, d, written);
        worst = fmax(worst, written > 0 ? INFINITY : d);
    }
    lt_ok(!p.failed && worst <= 1, "%s: gradients within tolerance (worst %.2f of it)", name, worst);
    lt_ok(checked * 10 >= seen * 7, "%s: %d of %d places are smooth enough to compare", name, checked, seen);
out:
    lt_session_free(p.s);
    lt_weights_free(grad);
    lt_weights_free(w);
    lt_graph_free(g);
    lt_free(x);
}

static void check_all_ops(struct lt_backend *be) {
    char nm[96];
#define CHECK(op, a, b, mode, ...) (snprintf(nm, sizeof(nm), __VA_ARGS__), check_op(nm, op, a, b, mode, be))
    for (int k = 1; k <= 7; k += 2)
        for (int s = 1; s <= 2; s++) {
            CHECK(op_conv, k, s, LT_BN_BATCH, "dense %dx%d stride %d", k, k, s);
            CHECK(op_depthwise, k, s, LT_BN_BATCH, "depthwise %dx%d stride %d", k, k, s);
        }
    for (int s = 1; s <= 2; s++) {
        CHECK(op_grouped, 3, s, LT_BN_BATCH, "grouped 3x3 stride %d", s);
        CHECK(op_multiplier, 3, s, LT_BN_BATCH, "two outputs a channel, stride %d", s);
        CHECK(op_valid, 3, s, LT_BN_BATCH, "dense 3x3 without padding, stride %d", s);
    }
    for (int act = LT_ACT_RELU; act < LT_N_ACTS; act++) {
        CHECK(op_act, act, 0, LT_BN_BATCH, "%s", lt_act_name((enum lt_act)act));
        for (int mode = LT_BN_BATCH; mode <= LT_BN_RUNNING; mode++)
            CHECK(op_bn, act, 0, (enum lt_bn_mode)mode, "batch norm, %s, %s statistics", lt_act_name((enum lt_act)act),
                  mode ? "running" : "batch");
    }
    for (int mode = LT_BN_BATCH; mode <= LT_BN_RUNNING; mode++) {
        const char *of = mode ? "running" : "batch";
        CHECK(op_bn, LT_ACT_NONE, 0, (enum lt_bn_mode)mode, "batch norm, %s statistics", of);
        CHECK(op_bn, LT_ACT_NONE, 1, (enum lt_bn_mode)mode, "residual + batch norm, %s statistics", of);
        CHECK(op_bn, LT_ACT_SILU, 2, (enum lt_bn_mode)mode, "batch norm, silu, + residual, %s statistics", of);
        CHECK(op_bn_branches, LT_ACT_SILU, 0, (enum lt_bn_mode)mode,
              "batch norms of one tensor that meet, %s statistics", of);
    }
    for (int k = 2; k <= 3; k++) {
        CHECK(op_pool, LT_POOL_MAX, k, LT_BN_BATCH, "max pool %d", k);
        CHECK(op_pool, LT_POOL_AVG, k, LT_BN_BATCH, "average pool %d", k);
    }
    CHECK(op_gap, 0, 0, LT_BN_BATCH, "global average pool");
    CHECK(op_flatten, 0, 0, LT_BN_BATCH, "flatten");
    CHECK(op_add, 0, 0, LT_BN_BATCH, "sum");
    CHECK(op_add, 1, 0, LT_BN_BATCH, "sum with itself");
    CHECK(op_mul, 0, 0, LT_BN_BATCH, "product");
    CHECK(op_mul, 1, 0, LT_BN_BATCH, "product with itself");
    CHECK(op_mul_sum, 0, 0, LT_BN_BATCH, "product and sum of the same two");
    CHECK(op_squeeze, 0, 0, LT_BN_BATCH, "squeeze and excite");
    CHECK(op_softmax, 0, 0, LT_BN_BATCH, "softmax");
#undef CHECK
}

static void check_moves(struct lt_backend *be) {
    char nm[96];
#define CHECK(op, a, b, mode, ...) (snprintf(nm, sizeof(nm), __VA_ARGS__), check_op(nm, op, a, b, mode, be))
    const char *on = lt_backend_name(be);
    for (int d = 2; d <= 3; d++) {
        CHECK(op_dilated, 3, d, LT_BN_BATCH, "%s: dense, dilation %d", on, d);
        for (int s = 1; s <= 2; s++)
            CHECK(op_dilated_depthwise, s, d, LT_BN_BATCH, "%s: depthwise stride %d, dilation %d", on, s, d);
    }
    for (int axis = 1; axis <= 3; axis++) {
        CHECK(op_concat, axis, 0, LT_BN_BATCH, "%s: concatenation along axis %d", on, axis);
        CHECK(op_slice, axis, 0, LT_BN_BATCH, "%s: slice of axis %d", on, axis);
    }
    CHECK(op_image_too, 0, 0, LT_BN_BATCH, "%s: concatenation with the image", on);
    for (int k = 2; k <= 3; k++) CHECK(op_shuffle, k, 0, LT_BN_BATCH, "%s: shuffle by %d", on, k);
    for (int s = 1; s <= 2; s++) CHECK(op_zero, s, 0, LT_BN_BATCH, "%s: zeros of stride %d", on, s);
    for (int rms = 0; rms < 2; rms++)
        for (int bn = 0; bn < 2; bn++)
            CHECK(op_layernorm, rms, bn, LT_BN_BATCH, "%s: %s%s", on,
                  rms ? "root mean square normalization" : "layer normalization", bn ? " after batch norm" : "");
#undef CHECK
}

/*
 * Whole networks, whose memory plans reuse places in ways that a single operator's do not. Along a direction (half the
 * gradient's own, half random) of one parameter array at a time the loss must change as the gradient says. Only smooth
 * operators here: of thousands of values some always stand at a kink.
 */
static double along(struct problem *p, float *w, const float *grad, int64_t n, uint64_t seed, bool *smooth) {
    float *keep = lt_malloc((size_t)n * sizeof(float)), *d = net_noise(n, seed);
    double g2 = 0, d2 = 0, slope = 0, change[2], h;
    if (!keep || !d) {
        p->failed = true;
        goto out;
    }
    memcpy(keep, w, (size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        g2 += (double)grad[i] * grad[i];
        d2 += (double)d[i] * d[i];
    }
    for (int64_t i = 0; i < n; i++) {
        d[i] = (float)(d[i] / sqrt(d2) + (g2 > 0 ? grad[i] / sqrt(g2) : 0));
        slope += (double)d[i] * grad[i];
    }
    h = fmin(4e-3,
             4e-3 /
                 sqrt(g2 + 1e-9)); /* the loss changes by some 1e-3: far above rounding, little enough to be linear */
    for (int k = 0; k < 2; k++, h /= 2) {
        double side[2];
        for (int up = 0; up < 2; up++) {
            for (int64_t i = 0; i < n; i++) w[i] = keep[i] + (float)((up ? h : -h) * d[i]);
            side[up] = loss(p, NULL);
        }
        change[k] = (side[1] - side[0]) / (2 * h);
    }
    memcpy(w, keep, (size_t)n * sizeof(float));
    /* rounding of a loss is some 3e-7, over a step of 2e-3 and for slopes that vanish; 0.3% otherwise */
    double tol = 2e-4 + 0.003 * fabs(slope);
    *smooth = fabs(change[0] - change[1]) < tol;
    slope = fabs(change[1] - slope) / tol;
out:
    lt_free(keep);
    lt_free(d);
    return slope;
}

/* Cells of parallel paths, joined, shuffled and cut: smooth operators only. */
static struct lt_graph *cells(uint64_t seed) {
    struct lt_graph *g = NULL;
    struct lt_rng r;
    char nm[64];
    lt_rng_at(&r, 3, LT_RNG_TEST, 205, seed);
    if (lt_graph_new("cells", &g, &net_err)) return NULL;
    int x = lt_graph_input(g, "image", 3, 7, 8), id = 0;
#define NAME(s) (snprintf(nm, sizeof(nm), "n%d.%s", id++, s), nm)
    x = lt_graph_conv(g, NAME("stem"), x, NET_CONV(6, 3, 1, 1, false));
    for (int cell = 0; cell < 3; cell++) {
        int in[6], n = 2 + (int)lt_rng_below(&r, 4), axis = 1 + (int)lt_rng_below(&r, 3);
        for (int k = 0; k < n; k++) {
            in[k] = x;
            switch (lt_rng_below(&r, 6)) {
            case 0:
                in[k] = lt_graph_conv(g, NAME("dw"), x,
                                      &(struct lt_conv_attr){.out = 6,
                                                             .kernel = 3,
                                                             .stride = 1,
                                                             .groups = lt_rng_below(&r, 2) ? 6 : 1,
                                                             .dilation = 1 + (int)lt_rng_below(&r, 2)});
                in[k] = lt_graph_bn(g, NAME("bn"), in[k]);
                in[k] = lt_graph_act(g, NAME("silu"), in[k], LT_ACT_SILU);
                break;
            case 1:
                in[k] = lt_graph_layernorm(g, NAME("norm"), x, 1e-2f, lt_rng_below(&r, 2));
                break;
            case 2:
                in[k] = lt_graph_zero(g, NAME("none"), x, 1);
                break;
            case 3:
                in[k] = lt_graph_bn(g, NAME("bn"), x);
                in[k] = lt_graph_act(g, NAME("gelu"), in[k], LT_ACT_GELU);
                break;
            case 4:
                in[k] = lt_graph_add(g, NAME("sum"), in[lt_rng_below(&r, (uint32_t)k + 1)], x);
                break;
            default: /* x itself */
                break;
            }
        }
        int y = lt_graph_concat(g, NAME("join"), in, n, axis);
        if (axis == 1) y = lt_graph_shuffle(g, NAME("mix"), y, lt_rng_below(&r, 2) ? 2 : 3);
        y = lt_graph_slice(g, NAME("cut"), y, axis, 1, 1 + (int)g->node[x].out.d[axis]);
        x = lt_rng_below(&r, 2) ? lt_graph_add(g, NAME("residual"), x, y) : y;
    }
#undef NAME
    lt_graph_output(g, lt_graph_linear(g, "post", lt_graph_gap(g, "gap", x), NET_CLASSES));
    if (!lt_graph_finish(g, &net_err)) return g;
    lt_note("%s", net_err.msg);
    lt_graph_free(g);
    return NULL;
}

static void check_network(struct lt_backend *be, struct lt_graph *g, uint64_t seed) {
    struct lt_weights *w = g ? net_weights(g, seed) : NULL, *grad = NULL;
    struct problem p = {.mode = seed % 2 ? LT_BN_RUNNING : LT_BN_BATCH};
    float *x = g ? net_noise(BATCH * lt_shape_count(&g->node[0].out), seed) : NULL, dlogits[BATCH * NET_CLASSES];
    const uint8_t labels[BATCH] = {1, 4, 0};
    double worst = 0;
    int seen = 0, checked = 0;
    if (!lt_ok(w && x && !lt_weights_new(g, &grad, &net_err) &&
                   !lt_session_new(be, g, &(struct lt_session_opt){.kind = LT_SESSION_TRAIN, .batch = BATCH}, &p.s,
                                   &net_err) &&
                   !lt_session_weights(p.s, w, &net_err),
               "network %d: set up", (int)seed))
        goto out;
    p.x = x;
    p.labels = labels;
    loss(&p, dlogits);
    p.failed = p.failed || lt_session_backward(p.s, dlogits, grad, &net_err);
    for (int i = 0; i < g->n_params; i++) {
        bool smooth = false;
        if (g->param[i].role == LT_PARAM_MEAN || g->param[i].role == LT_PARAM_VAR) continue;
        double d = along(&p, w->data[i], grad->data[i], g->param[i].count, seed + (uint64_t)i, &smooth);
        seen++;
        checked += smooth;
        if (smooth && d > 1) lt_note("network %d, %s: %.2f tolerances", (int)seed, g->param[i].name, d);
        worst = smooth ? fmax(worst, d) : worst;
    }
    lt_ok(!p.failed && worst <= 1 && checked * 10 >= seen * 7,
          "network %d (%d nodes): slopes of %d of %d parameters as the gradient says (%.2f of tolerance)", (int)seed,
          g->n_nodes, checked, seen, worst);
out:
    lt_session_free(p.s);
    lt_weights_free(grad);
    lt_weights_free(w);
    lt_graph_free(g);
    lt_free(x);
}

/* The loss itself: hard, soft, both; smoothing; against differences in its logits and a sum written out here. */
static void check_xent(void) {
    enum { N = 3, K = 5 };
    float *z = net_noise(N * K, 11), *q = net_noise(N * K, 12), soft[N * K], d[N * K], none[N * K];
    const uint8_t labels[N] = {0, 4, 2};
    lt_softmax(q, N, K, soft);
    z[3] += 80; /* far apart: must not overflow */
    for (int mode = 1; mode <= 3; mode++) {
        const uint8_t *hard = mode & 1 ? labels : NULL;
        const float *s = mode & 2 ? soft : NULL;
        double worst = 0, l = lt_softmax_xent(z, hard, s, N, K, 0.2, 3, d),
               again = lt_softmax_xent(z, hard, s, N, K, 0.2, 3, NULL), sum = 0;
        for (int i = 0; i < N; i++) {
            double part = 0, top = -1e30;
            for (int j = 0; j < K; j++) top = fmax(top, z[i * K + j]);
            for (int j = 0; j < K; j++) part += exp(z[i * K + j] - top);
            for (int j = 0; j < K; j++)
                sum -= ((s ? s[i * K + j] : 0) + (hard ? 0.04 + (labels[i] == j ? 0.8 : 0) : 0)) *
                       (z[i * K + j] - top - log(part)) / N;
        }
        for (int i = 0; i < N * K; i++) {
            float keep = z[i], up = keep + 1e-2f, down = keep - 1e-2f;
            z[i] = up;
            double a = lt_softmax_xent(z, hard, s, N, K, 0.2, 1, none);
            z[i] = down;
            double b = lt_softmax_xent(z, hard, s, N, K, 0.2, 1, none);
            z[i] = keep;
            worst = fmax(worst, fabs(3 * (a - b) / ((double)up - down) - d[i]));
        }
        lt_ok(fabs(l - sum) < 1e-6 * fabs(sum) && l == again, "cross-entropy %d is the sum written out (%.6f)", mode,
              l);
        lt_ok(worst < 1e-4, "cross-entropy %d: gradient within 1e-4 of differences (%.2g)", mode, worst);
    }
    double total = 0;
    lt_softmax(z, N, K, soft);
    for (int i = 0; i < N * K; i++) total += soft[i];
    lt_ok(fabs(total - N) < 1e-5, "softmax rows sum to 1");
    lt_free(z);
    lt_free(q);
}

struct pass {
    float logits[4 * NET_CLASSES];
    struct lt_weights *grad;
};

static bool one_pass(const char *backend, const struct lt_graph *g, const struct lt_weights *w, const float *x, int n,
                     enum lt_bn_mode mode, struct pass *out) {
    struct lt_backend *be = NULL;
    struct lt_session *s = NULL;
    float dlogits[4 * NET_CLASSES];
    const uint8_t labels[4] = {1, 3, 0, 4};
    bool ok = !lt_backend_open(backend, &be, &net_err) &&
              !lt_session_new(be, g, &(struct lt_session_opt){.kind = LT_SESSION_TRAIN, .batch = 4}, &s, &net_err) &&
              !lt_session_weights(s, w, &net_err) && !lt_weights_new(g, &out->grad, &net_err) &&
              !lt_session_forward(s, x, n, mode, out->logits, &net_err);
    if (ok) {
        lt_softmax_xent(out->logits, labels, NULL, n, NET_CLASSES, 0, 1, dlogits);
        ok = !lt_session_backward(s, dlogits, out->grad, &net_err);
    }
    if (!ok) lt_note("%s: %s", backend, net_err.msg);
    lt_session_free(s);
    lt_backend_close(be);
    return ok;
}

/*
 * Rounding differs by the order of sums: some 1e-6 of the largest entry a layer, and batch norm over few values
 * amplifies it. 2e-3 of an array's largest entry is far above that, and far below what a wrong index, sign or factor
 * gives. A gradient that is 0 but for rounding (a shift before a batch norm) is measured by a thousandth of the largest
 * gradient of the network.
 */
static void against_reference(const char *backend) {
    for (uint64_t seed = 0; seed < 36; seed++) {
        struct lt_graph *g = seed < 24 ? net_random(seed, false) : cells(seed);
        struct lt_weights *w = g ? net_weights(g, seed) : NULL;
        float *x = g ? net_noise(4 * lt_shape_count(&g->node[0].out), seed) : NULL;
        struct pass a = {.grad = NULL}, b = {.grad = NULL};
        enum lt_bn_mode mode = seed % 3 ? LT_BN_BATCH : LT_BN_RUNNING;
        int n = seed % 4 ? 4 : 3;
        double worst = 0;
        if (lt_ok(w && x && one_pass("reference", g, w, x, n, mode, &a) && one_pass(backend, g, w, x, n, mode, &b),
                  "%s: network %d runs", backend, (int)seed)) {
            double top = 0;
            for (int i = 0; i < g->n_params; i++)
                for (int64_t j = 0; j < g->param[i].count; j++) top = fmax(top, fabs(a.grad->data[i][j]));
            worst = net_distance(b.logits, a.logits, n * NET_CLASSES, 0);
            for (int i = 0; i < g->n_params; i++) {
                double d = net_distance(b.grad->data[i], a.grad->data[i], g->param[i].count, 1e-3 * top);
                if (d > 2e-3) lt_note("network %d, %s: %.2g", (int)seed, g->param[i].name, d);
                worst = fmax(worst, d);
            }
            lt_ok(worst <= 2e-3, "%s: network %d (%d nodes) as the reference, within 2e-3 (%.1e)", backend, (int)seed,
                  g->n_nodes, worst);
        }
        lt_weights_free(a.grad);
        lt_weights_free(b.grad);
        lt_weights_free(w);
        lt_graph_free(g);
        lt_free(x);
    }
}

int main(void) {
    struct lt_backend *be = NULL;
    lt_note("seed %d", SEED);
    if (lt_ok(!lt_backend_open("reference", &be, &net_err), "the reference backend opens")) check_all_ops(be);
    for (uint64_t seed = 0; be && seed < 8; seed++) check_network(be, net_random(seed, true), seed);
    for (uint64_t seed = 0; be && seed < 16; seed++) check_network(be, cells(seed), 100 + seed);
    lt_backend_close(be);
    check_xent();
    for (int i = 0; i < lt_backend_count(); i++) {
        against_reference(lt_backend_name_at(i));
        if (!lt_ok(!lt_backend_open(lt_backend_name_at(i), &be, &net_err), "%s opens", lt_backend_name_at(i))) continue;
        check_moves(be);
        lt_backend_close(be);
    }
    return lt_done();
}
