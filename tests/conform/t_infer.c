/*
 * INFER sessions of every backend: against an evaluation by this test (one node after another, double accumulation, its own fake
 * quantization), against each other, and against themselves with other options. Networks are random inverted bottlenecks.
 */
#include "lathe/graph.h"
#include "lathe/infer_profile.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "lathe/runtime.h"
#include "tests/tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_NETS = 8, BATCH = 3 };

static struct lt_err err;

/* ---- random networks ---- */
static int block(struct lt_graph *g, struct lt_rng *r, int i, int x)
{
    static const int kernels[] = {3, 5, 7};
    static const enum lt_act acts[] = {LT_ACT_RELU, LT_ACT_RELU6, LT_ACT_HSWISH, LT_ACT_SILU, LT_ACT_TANH, LT_ACT_NONE};
    char nm[64];
#define NAME(s) (snprintf(nm, sizeof(nm), "b%d.%s", i, s), nm)
    int c = (int)g->node[x].out.d[1], mid = c * (1 + (int)lt_rng_below(r, 4)), stride = lt_rng_below(r, 3) ? 1 : 2, y = x;
    int out = lt_rng_below(r, 2) ? c : 8 + (int)lt_rng_below(r, 24);
    enum lt_act act = acts[lt_rng_below(r, 6)];
    if (g->node[x].out.d[2] < 6)
        stride = 1;
    y = lt_graph_act(g, NAME("act1"), lt_graph_conv(g, NAME("expand"), y, &(struct lt_conv_attr){.out = mid, .kernel = 1, .stride = 1, .groups = 1,
                     .bias = true}), act);
    y = lt_graph_act(g, NAME("act2"), lt_graph_conv(g, NAME("dw"), y, &(struct lt_conv_attr){.out = mid, .kernel = kernels[lt_rng_below(r, 3)],
                     .stride = stride, .groups = mid, .bias = true}), act);
    if (lt_rng_below(r, 2)) {
        int s = lt_graph_gap(g, NAME("squeeze"), y);
        s = lt_graph_act(g, NAME("se.relu"), lt_graph_conv(g, NAME("se.reduce"), s, &(struct lt_conv_attr){.out = 4 + (int)lt_rng_below(r, 9),
                         .kernel = 1, .stride = 1, .groups = 1, .bias = true}), LT_ACT_RELU);
        s = lt_graph_act(g, NAME("se.gate"), lt_graph_conv(g, NAME("se.expand"), s, &(struct lt_conv_attr){.out = mid, .kernel = 1, .stride = 1,
                         .groups = 1, .bias = true}), lt_rng_below(r, 2) ? LT_ACT_HSIGMOID : LT_ACT_SIGMOID);
        y = lt_graph_mul(g, NAME("se.mul"), y, s);
    }
    y = lt_graph_conv(g, NAME("project"), y, &(struct lt_conv_attr){.out = out, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
    if (out == c && stride == 1) {
        y = lt_rng_below(r, 2) ? lt_graph_add(g, NAME("add"), x, y) : lt_graph_add(g, NAME("add"), y, x);
        if (lt_rng_below(r, 3) == 0)
            y = lt_graph_act(g, NAME("act3"), y, LT_ACT_RELU);
    }
    return y;
#undef NAME
}

static struct lt_graph *random_net(int seed)
{
    struct lt_graph *g = NULL;
    struct lt_rng r;
    lt_rng_at(&r, 1, LT_RNG_TEST, 101, (uint64_t)seed);
    if (lt_graph_new("random", &g, &err))
        return NULL;
    int size = 11 + (int)lt_rng_below(&r, 10), blocks = 2 + (int)lt_rng_below(&r, 3);
    int x = lt_graph_input(g, "image", lt_rng_below(&r, 2) ? 1 : 3, size, size);
    x = lt_graph_conv(g, "stem", x, &(struct lt_conv_attr){.out = 8 + (int)lt_rng_below(&r, 12), .kernel = 3, .stride = 1 + (int)lt_rng_below(&r, 2),
                      .groups = 1, .bias = true});
    x = lt_graph_act(g, "stem.act", x, LT_ACT_HSWISH);
    if (lt_rng_below(&r, 2))
        x = lt_graph_pool(g, "pool", x, lt_rng_below(&r, 2) ? LT_POOL_MAX : LT_POOL_AVG, 3, 2, 1);
    for (int i = 0; i < blocks; i++)
        x = block(g, &r, i, x);
    if (lt_rng_below(&r, 2)) {                           /* two branches that are both convolutions, and a grouped one */
        int a = lt_graph_conv(g, "left", x, &(struct lt_conv_attr){.out = 16, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
        int b = lt_graph_conv(g, "right", x, &(struct lt_conv_attr){.out = 16, .kernel = 3, .stride = 1, .groups = 1, .bias = false});
        x = lt_graph_add(g, "join", a, b);
        x = lt_graph_conv(g, "grouped", x, &(struct lt_conv_attr){.out = 32, .kernel = 3, .stride = 1, .groups = 4, .bias = true});
        x = lt_graph_act(g, "grouped.act", x, LT_ACT_RELU);
    }
    switch (seed % 3) {
    case 0: x = lt_graph_linear(g, "head", lt_graph_flatten(g, "flat", lt_graph_gap(g, "gap", x)), 10); break;
    case 1: x = lt_graph_softmax(g, "prob", lt_graph_linear(g, "head", lt_graph_gap(g, "gap", x), 10)); break;
    default: x = lt_graph_linear(g, "head", lt_graph_act(g, "hidden.act", lt_graph_linear(g, "hidden", lt_graph_flatten(g, "flat", x), 24),
                                 LT_ACT_RELU), 10); break;
    }
    lt_graph_output(g, x);
    if (lt_graph_finish(g, &err)) {
        lt_graph_free(g);
        return NULL;
    }
    return g;
}

static struct lt_weights *random_weights(const struct lt_graph *g, int seed)
{
    struct lt_weights *w = NULL;
    struct lt_rng r;
    lt_rng_at(&r, 1, LT_RNG_TEST, 102, (uint64_t)seed);
    if (lt_weights_new(g, &w, &err))
        return NULL;
    for (int i = 0; i < g->n_params; i++) {
        const struct lt_param *p = &g->param[i];
        double k = p->role == LT_PARAM_WEIGHT ? sqrt(1.5 * (double)p->dim[0] / (double)p->count) : 0.1;
        for (int64_t j = 0; j < p->count; j++)
            w->data[i][j] = (float)(k * lt_rng_normal(&r));
    }
    int dead = lt_graph_find_param(g, "head.weight");    /* a channel that batch-norm folding left with a bias and next to no weights */
    for (int64_t j = 0; dead >= 0 && j < g->param[dead].count / g->param[dead].dim[0]; j++)
        w->data[dead][j] *= 1e-12f;
    return w;
}

static float *random_input(const struct lt_graph *g, int n, int seed)
{
    int64_t count = n * lt_shape_count(&g->node[0].out);
    float *x = lt_aligned((size_t)count * sizeof(float));
    struct lt_rng r;
    lt_rng_at(&r, 1, LT_RNG_TEST, 103, (uint64_t)seed);
    for (int64_t i = 0; x && i < count; i++)
        x[i] = (float)lt_rng_normal(&r);
    return x;
}

/* ---- this test's own evaluation; all tensors [N,C,H,W] ---- */
struct eval { const struct lt_graph *g; const struct lt_weights *w; const struct lt_plan *plan; int n; const float *x; float **out; };

static double act(enum lt_act a, double v)
{
    double h = fmin(fmax(v + 3, 0), 6) / 6;
    switch (a) {
    case LT_ACT_RELU: return fmax(v, 0);
    case LT_ACT_RELU6: return fmin(fmax(v, 0), 6);
    case LT_ACT_HSWISH: return v * h;
    case LT_ACT_HSIGMOID: return h;
    case LT_ACT_SIGMOID: return 1 / (1 + exp(-v));
    case LT_ACT_SILU: return v / (1 + exp(-v));
    case LT_ACT_TANH: return tanh(v);
    default: return v;
    }
}

static int quantized(float x, struct lt_qparam q)
{
    double v = rint((double)(x / q.scale));              /* round half to even */
    return (int)fmin(fmax(v, q.is_signed ? -128 : 0), q.is_signed ? 127 : 255);
}

/* One output of a CONV or LINEAR (taken as a convolution over all of its input). */
static double conv_point(const struct eval *v, const struct lt_node *n, bool int8, const float *in, int b, int o, int oy, int ox)
{
    const struct lt_shape *si = &v->g->node[n->in[0]].out;
    int64_t ic = si->d[1], ih = si->d[2], iw = si->d[3], k = n->kernel, kw = k, groups = n->groups, stride = n->stride, pad = n->pad;
    if (n->op == LT_OP_LINEAR) {
        k = ih;
        kw = iw;
        groups = stride = 1;
        pad = 0;
    }
    int64_t icg = ic / groups, first = o / (n->out.d[1] / groups) * icg, per = icg * k * kw;
    const float *w = v->w->data[n->param[0]] + o * per;
    struct lt_qparam q = int8 ? v->plan->out[n->in[0]] : (struct lt_qparam){0};
    float top = 0, bias = n->n_params > 1 ? v->w->data[n->param[1]][o] : 0, sw;
    for (int64_t i = 0; i < per; i++)
        top = fmaxf(top, fabsf(w[i]));
    sw = top > 0 && int8 ? top / (float)v->plan->weight_qmax : 1;
    if (int8)                                            /* a bias keeps below 2^30 steps */
        sw = fmaxf(sw, (float)(fabs((double)bias) / ((double)q.scale * 1073741824.0)));
    double acc = int8 ? rint((double)bias / ((double)q.scale * (double)sw)) : (double)bias;
    for (int64_t i = 0; i < icg; i++)
        for (int64_t ky = 0; ky < k; ky++)
            for (int64_t kx = 0; kx < kw; kx++) {
                int64_t y = oy * stride - pad + ky, x = ox * stride - pad + kx;
                if (y < 0 || y >= ih || x < 0 || x >= iw)
                    continue;
                float a = in[((b * ic + first + i) * ih + y) * iw + x], wt = w[(i * k + ky) * kw + kx];
                acc += int8 ? (double)quantized(a, q) * rint((double)(wt / sw)) : (double)a * (double)wt;
            }
    return int8 ? acc * (double)q.scale * (double)sw : acc;
}

static double pool_point(const struct lt_node *n, const struct lt_shape *si, const float *in, int oy, int ox)
{
    double best = -INFINITY, sum = 0;
    int taken = 0;
    for (int ky = 0; ky < n->kernel; ky++)
        for (int kx = 0; kx < n->kernel; kx++) {
            int64_t y = oy * n->stride - n->pad + ky, x = ox * n->stride - n->pad + kx;
            if (y < 0 || y >= si->d[2] || x < 0 || x >= si->d[3])
                continue;
            double a = (double)in[y * si->d[3] + x];
            best = fmax(best, a);
            sum += a;
            taken++;
        }
    return n->pool == LT_POOL_MAX ? best : sum / taken;
}

static void eval_node(const struct eval *v, int i, float *const *in_of, float *out)
{
    const struct lt_node *n = &v->g->node[i];
    int64_t c = n->out.d[1], h = n->out.d[2], wd = n->out.d[3], hw = h * wd, per = c * hw;
    const struct lt_shape *si = n->n_in ? &v->g->node[n->in[0]].out : &n->out;
    const float *a = n->n_in ? in_of[n->in[0]] : v->x, *b = n->n_in > 1 ? in_of[n->in[1]] : NULL;
    bool int8 = v->plan && v->plan->is_int8[i];
    if (n->op == LT_OP_INPUT || n->op == LT_OP_FLATTEN) {
        memcpy(out, a, (size_t)(v->n * per) * sizeof(float));
        return;
    }
    for (int s = 0; s < v->n; s++) {
        double total = 0;
        if (n->op == LT_OP_SOFTMAX)
            for (int64_t k = 0; k < per; k++)
                total += exp((double)a[s * per + k]);
        for (int64_t o = 0; o < c; o++)
            for (int64_t p = 0; p < hw; p++) {
                int64_t at = (s * c + o) * hw + p;
                const float *plane = a + (s * si->d[1] + o) * si->d[2] * si->d[3];
                int oy = (int)(p / wd), ox = (int)(p % wd);
                double r = 0;
                switch (n->op) {
                case LT_OP_CONV:
                case LT_OP_LINEAR: r = conv_point(v, n, int8, a, s, (int)o, oy, ox); break;
                case LT_OP_ACT: r = act(n->act, (double)a[at]); break;
                case LT_OP_POOL: r = pool_point(n, si, plane, oy, ox); break;
                case LT_OP_GAP:
                    for (int64_t k = 0; k < si->d[2] * si->d[3]; k++)
                        r += (double)plane[k];
                    r /= (double)(si->d[2] * si->d[3]);
                    break;
                case LT_OP_ADD: r = (double)a[at] + (double)b[at]; break;
                case LT_OP_MUL: {
                    const struct lt_shape *sb = &v->g->node[n->in[1]].out;
                    r = (double)a[at] * (double)(sb->d[2] * sb->d[3] == hw ? b[at] : b[s * c + o]);
                    break;
                }
                case LT_OP_SOFTMAX: r = exp((double)a[at]) / total; break;
                default: break;
                }
                out[at] = (float)r;
            }
    }
}

static void eval_free(struct eval *v)
{
    for (int i = 0; v->out && i < v->g->n_nodes; i++)
        lt_free(v->out[i]);
    lt_free(v->out);
    v->out = NULL;
}

static void eval_all(struct eval *v)
{
    v->out = lt_calloc((size_t)v->g->n_nodes, sizeof(float *));
    for (int i = 0; i < v->g->n_nodes; i++) {
        v->out[i] = lt_calloc((size_t)(v->n * lt_shape_count(&v->g->node[i].out)), sizeof(float));
        eval_node(v, i, v->out, v->out[i]);
    }
}

/* ---- comparing ---- */
static double worst(const float *a, const float *b, int64_t n, double *scale)
{
    double d = 0, top = 1e-6;
    for (int64_t i = 0; i < n; i++) {
        double k = fabs((double)a[i] - (double)b[i]);
        d = k > d || isnan(k) ? k : d;
        top = fmax(top, fabs((double)b[i]));
    }
    *scale = top;
    return d / top;
}

static struct lt_session *session(struct lt_backend *b, const struct lt_graph *g, const struct lt_weights *w, struct lt_session_opt o)
{
    struct lt_session *s = NULL;
    o.kind = LT_SESSION_INFER;
    if (lt_session_new(b, g, &o, &s, &err) || lt_session_weights(s, w, &err)) {
        lt_ok(false, "session: %s", err.msg);
        lt_session_free(s);
        return NULL;
    }
    return s;
}

static int classes(const struct lt_graph *g)
{
    return (int)lt_shape_count(&g->node[g->output].out);
}

/* Scales from the range of this test's f32 evaluation. */
static struct lt_plan *calibrated(const struct eval *v, struct lt_rng *r, bool all, int qmax)
{
    struct lt_plan *p = NULL;
    if (lt_plan_new(v->g, &p, &err))
        return NULL;
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
        p->out[i].scale = (float)fmax(1e-4, 0.9 * (lo < 0 ? fmax(-lo, hi) / 127 : hi / 255));  /* 0.9: let something saturate */
    }
    return p;
}

/* channels-last tap as [N,C,H,W] */
static float *tapped(const struct lt_session *s, const struct lt_graph *g, int node, int n)
{
    const float *t = lt_session_tap(s, node);
    int64_t c = g->node[node].out.d[1], hw = g->node[node].out.d[2] * g->node[node].out.d[3];
    float *out = t ? lt_malloc((size_t)(n * c * hw) * sizeof(float)) : NULL;
    for (int64_t b = 0; out && b < n; b++)
        for (int64_t i = 0; i < c; i++)
            for (int64_t p = 0; p < hw; p++)
                out[(b * c + i) * hw + p] = t[(b * hw + p) * c + i];
    return out;
}

/*
 * Every materialised tensor of a session equals this test's evaluation of the nodes behind it from the nearest materialised tensors. Errors do
 * not pile up, so int8 is exact (same integers) up to rounding of the f32 epilogue: 2e-5 of the tensor's largest value (tanh and exp of vector
 * libraries, dequantization in float).
 */
static double local_error(const struct lt_session *s, const struct eval *v, int *checked)
{
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
    for (int i = 0; i < g->n_nodes; i++)
        lt_free(val[i]);
    lt_free(val);
    return bad;
}

static void check_net(struct lt_backend *b, int seed)
{
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
    if (!s)
        goto out;
    lt_ok(!lt_session_forward(s, x, BATCH, LT_BN_RUNNING, y, &err), "%s net %d: forward", name, seed);
    double d = worst(y, f.out[g->output], BATCH * k, &top);
    lt_ok(d < 1e-4, "%s net %d: f32 logits against plain evaluation: %.2g", name, seed, d);
    memset(y2, 0, sizeof(float) * (size_t)(BATCH * k));
    lt_session_forward(s, x, BATCH - 1, LT_BN_RUNNING, y2, &err);
    lt_ok(!memcmp(y, y2, sizeof(float) * (size_t)((BATCH - 1) * k)) && y2[(BATCH - 1) * k] == 0, "%s net %d: n < batch", name, seed);
    lt_session_free(s);

    s = session(b, g, w, (struct lt_session_opt){.batch = BATCH, .keep = true});
    if (s && !lt_session_forward(s, x, BATCH, LT_BN_RUNNING, y2, &err))
        lt_ok(!memcmp(y, y2, sizeof(float) * (size_t)(BATCH * k)), "%s net %d: the same with every tensor kept (no buffer reused)", name, seed);
    lt_session_free(s);

    s = session(b, g, w, (struct lt_session_opt){.batch = BATCH, .threads = 2});
    if (s && !lt_session_forward(s, x, BATCH, LT_BN_RUNNING, y2, &err)) {
        d = worst(y2, y, BATCH * k, &top);
        lt_ok(d < 1e-5, "%s net %d: 2 threads as 1: %.2g", name, seed, d);
    }
    lt_session_free(s);

    for (int c = 0; c < 3; c++) {                        /* all int8, mixed, mixed with 6 bit weights (no VNNI) */
        struct lt_plan *p = calibrated(&f, &r, c == 0, c == 2 ? 63 : 127);
        struct eval q = {.g = g, .w = w, .plan = p, .n = BATCH, .x = x};
        int checked = 0;
        s = p ? session(b, g, w, (struct lt_session_opt){.batch = BATCH, .plan = p, .keep = true}) : NULL;
        if (s && !lt_session_forward(s, x, BATCH, LT_BN_RUNNING, y, &err)) {
            d = local_error(s, &q, &checked);
            lt_ok(d < 2e-5 && checked > 5, "%s net %d plan %d: %d tensors each exact from the ones before: %.2g", name, seed, c, checked, d);
            eval_all(&q);
            d = worst(y, q.out[g->output], BATCH * k, &top);
            /* Different summation order may move a value over a rounding edge: one of 255 steps somewhere, diluted by the layers behind it. */
            lt_ok(d < (reference ? 0.02 : 0.03), "%s net %d plan %d: logits against fake quantization in float: %.2g", name, seed, c, d);
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
    if (g)
        eval_free(&f);
    lt_free(y);
    lt_free(y2);
    lt_free(x);
    lt_weights_free(w);
    lt_graph_free(g);
}

/*
 * Fused requantization against quantize(f32 result): conv (int8) -> act -> depthwise 1x1 with weight 1 (int8), which shows the quantized tensor
 * as q * scale. At most 1 step apart, and rarely (a tie that float rounding turns).
 */
static void check_requantize(struct lt_backend *b)
{
    for (int a = 0; a < LT_N_ACTS; a++)
        for (int sgn = 0; sgn < 2; sgn++) {
            struct lt_graph *g = NULL;
            struct lt_weights *w = NULL;
            struct lt_plan *p = NULL;
            struct lt_session *kept = NULL, *fused = NULL;
            float *x = NULL, *y = NULL, *v = NULL;
            int c = 24, hw = 9, far = 0, off = 0;
            if (lt_graph_new("requantize", &g, &err))
                return;
            int in = lt_graph_input(g, "image", 6, hw, hw), n;
            n = lt_graph_conv(g, "first", in, &(struct lt_conv_attr){.out = c, .kernel = 3, .stride = 1, .groups = 1, .bias = true});
            int t = n = lt_graph_act(g, "act", n, (enum lt_act)a);
            n = lt_graph_conv(g, "show", n, &(struct lt_conv_attr){.out = c, .kernel = 1, .stride = 1, .groups = c, .bias = false});
            lt_graph_output(g, n);
            if (lt_graph_finish(g, &err) || lt_plan_new(g, &p, &err) || !(w = random_weights(g, 7)) || !(x = random_input(g, 1, 7))) {
                lt_ok(false, "requantize: %s", err.msg);
                goto next;
            }
            for (int i = 0; i < c; i++)
                w->data[lt_graph_find_param(g, "show.weight")][i] = 1;
            p->is_int8[lt_graph_find(g, "first")] = p->is_int8[lt_graph_find(g, "show")] = 1;
            p->out[in] = (struct lt_qparam){.scale = 0.025f, .is_signed = true};
            p->out[t] = (struct lt_qparam){.scale = a == LT_ACT_SIGMOID || a == LT_ACT_HSIGMOID || a == LT_ACT_TANH ? 0.0041f : 0.017f, .is_signed = sgn};
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
            lt_ok(far == 0 && off <= c * hw * hw / 200, "%s: fused requantization after %s to %s: %d of %d values 1 step off, %d further",
                  lt_backend_name(b), lt_act_name((enum lt_act)a), sgn ? "s8" : "u8", off, c * hw * hw, far);
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

static void check_units(struct lt_backend *b)
{
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
    if (!x)
        goto out;
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
    lt_ok(!bad && convs == want && int8 == want8 && quantize > 0, "%s: %d units timed, %d of %d conv/linear, %d of %d int8, %d quantize", 
          lt_backend_name(b), n, convs, want, int8, want8, quantize);
    lt_ok(lt_session_time_units(s, x, 0, &u, &n, &err) == LT_EINVAL, "%s: 0 runs are refused", lt_backend_name(b));
out:
    if (g)
        eval_free(&f);
    lt_free(u);
    lt_session_free(s);
    lt_plan_free(p);
    lt_free(x);
    lt_weights_free(w);
    lt_graph_free(g);
}

static void check_errors(struct lt_backend *b)
{
    struct lt_graph *g = NULL;
    struct lt_plan *p = NULL;
    struct lt_weights *w = NULL;
    struct lt_session *s = NULL;
    struct lt_session_opt o = {.kind = LT_SESSION_INFER, .batch = 1};
    const char *name = lt_backend_name(b);
    float x[16] = {0}, y[16 * 4];
    if (lt_graph_new("errors", &g, &err))
        return;
    int n = lt_graph_conv(g, "c1", lt_graph_input(g, "image", 1, 4, 4), &(struct lt_conv_attr){.out = 4, .kernel = 3, .stride = 1, .groups = 1});
    lt_graph_output(g, lt_graph_bn(g, "b1", n));
    if (lt_graph_finish(g, &err) || lt_plan_new(g, &p, &err) || lt_weights_new(g, &w, &err)) {
        lt_ok(false, "errors: %s", err.msg);
        goto out;
    }
    lt_ok(lt_session_new(b, g, &o, &s, &err) == LT_EINVAL && strstr(err.msg, "b1") && !s, "%s: batch norm is refused: %s", name, err.msg);
    lt_graph_free(g);
    lt_plan_free(p);
    lt_weights_free(w);
    g = NULL;
    p = NULL;
    w = NULL;
    if (lt_graph_new("errors", &g, &err))
        return;
    n = lt_graph_conv(g, "c1", lt_graph_input(g, "image", 1, 4, 4), &(struct lt_conv_attr){.out = 4, .kernel = 3, .stride = 1, .groups = 1});
    lt_graph_output(g, lt_graph_act(g, "a1", n, LT_ACT_RELU));
    if (lt_graph_finish(g, &err) || lt_plan_new(g, &p, &err) || lt_weights_new(g, &w, &err)) {
        lt_ok(false, "errors: %s", err.msg);
        goto out;
    }
    o.plan = p;
    p->is_int8[1] = 1;
    lt_ok(lt_session_new(b, g, &o, &s, &err) == LT_EINVAL && strstr(err.msg, "image") && !s, "%s: int8 without a scale is refused: %s", name, err.msg);
    p->is_int8[1] = 0;
    p->is_int8[2] = 1;
    lt_ok(lt_session_new(b, g, &o, &s, &err) == LT_EINVAL && strstr(err.msg, "a1") && !s, "%s: int8 activation is refused: %s", name, err.msg);
    o.plan = NULL;
    lt_ok(!lt_session_new(b, g, &o, &s, &err), "%s: session", name);
    lt_ok(lt_session_forward(s, x, 1, LT_BN_RUNNING, y, &err) == LT_EINVAL, "%s: forward without weights is refused: %s", name, err.msg);
    lt_ok(!lt_session_weights(s, w, &err), "%s: weights", name);
    lt_ok(lt_session_forward(s, x, 2, LT_BN_RUNNING, y, &err) == LT_EINVAL, "%s: n > batch is refused: %s", name, err.msg);
    lt_ok(!lt_session_tap(s, 1), "%s: no taps without keep", name);
out:
    lt_session_free(s);
    lt_plan_free(p);
    lt_weights_free(w);
    lt_graph_free(g);
}

int main(void)
{
    for (int i = 0; i < lt_backend_count(); i++) {
        struct lt_backend *b = NULL;
        lt_status s = lt_backend_open(lt_backend_name_at(i), &b, &err);
        if (s == LT_EUNAVAIL) {
            lt_skip("%s: %s", lt_backend_name_at(i), err.msg);
            continue;
        }
        lt_ok(!s, "open %s", lt_backend_name_at(i));
        if (s)
            continue;
        for (int k = 0; k < N_NETS; k++)
            check_net(b, k);
        check_requantize(b);
        check_units(b);
        check_errors(b);
        lt_backend_close(b);
    }
    return lt_done();
}
