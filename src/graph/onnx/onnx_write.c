/*
 * Graph, weights and plan -> ONNX bytes (opset 13, the first with per-channel QuantizeLinear/DequantizeLinear).
 *
 * Tensors: a node's output carries the node's name; "image" and "logits" are the model's interface. ONNX tensors have
 * rank 4 ([N,C,H,W]) or, after Flatten and Gemm, rank 2 ([N,C]); ours always have four dims, so a tensor is converted
 * where a reader wants the other rank. An int8 layer reads DequantizeLinear(QuantizeLinear(x)), made once a tensor; its
 * weights are int8 constants with one scale per output channel (axis 0) and its bias an int32 constant with scale
 * scale_x * scale_w[o]. Every other reader takes x itself. Hard swish exists from opset 14 on, so it is x *
 * HardSigmoid(x) with alpha 1/6 and beta 1/2, which is its definition.
 */
#include "config.h"
#include "lathe/onnx.h"
#include "lathe/mem.h"
#if LT_WITH_PROTOBUF_C
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "graph/onnx/onnx_writer.h"
#include "graph/quantize.h"

#define OPSET 13
#define IR_VERSION 8

/* The name that a node's value gets: the interface names are taken, so an inner node that happens to use one steps
 * aside. */
static char *value_name(struct lt_ow *o, int i) {
    const char *name = o->g->node[i].name;
    bool taken = !strcmp(name, "image") || !strcmp(name, "logits");
    return lt_om_name(&o->m, name, taken ? "/value" : "");
}

/* The node's value in the wanted rank. Going from rank 2 to rank 4 is only asked for where H = W = 1. */
char *lt_ow_ranked(struct lt_ow *o, int i, int rank) {
    struct lt_ow_value *v = &o->v[i];
    if (v->r[rank]) return v->r[rank];
    char *from = v->r[!rank], *name = value_name(o, i);
    if (!from || !name) return NULL;
    if (rank == R2) {
        char *to = lt_om_name(&o->m, name, "/flat");
        if (to && (v->r[R2] = lt_om_node(&o->m, "Flatten", to, to, from, NULL))) lt_om_attr_int(&o->m, "axis", 1);
    } else {
        char *to = lt_om_name(&o->m, name, "/image");
        if (!o->have_axes) lt_om_i64(&o->m, "axes_hw", (int64_t[]){2, 3}, (int64_t[]){2}, 1);
        o->have_axes = true;
        if (to) v->r[R4] = lt_om_node(&o->m, "Unsqueeze", to, to, from, "axes_hw", NULL);
    }
    return v->r[rank];
}

static const char *zero_point(struct lt_ow *o, bool is_signed) {
    static const char *const name[2] = {"zero_u8", "zero_s8"};
    if (!o->have_zero[is_signed])
        lt_om_bytes(&o->m, name[is_signed],
                    is_signed ? ONNX__TENSOR_PROTO__DATA_TYPE__INT8 : ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, (char[]){0},
                    NULL, 0);
    o->have_zero[is_signed] = true;
    return name[is_signed];
}

/* The node's value as an int8 layer reads it. */
static char *quantized(struct lt_ow *o, int i, int rank) {
    struct lt_ow_value *v = &o->v[i];
    if (v->q[rank]) return v->q[rank];
    char *x = lt_ow_ranked(o, i, rank), *base = value_name(o, i);
    if (!x || !base) return NULL;
    char *scale = lt_om_name(&o->m, base, "/scale"), *q = lt_om_name(&o->m, x, "/quantized"),
         *dq = lt_om_name(&o->m, x, "/dequantized");
    const char *zp = zero_point(o, o->plan->out[i].is_signed);
    if (!scale || !q || !dq) return NULL;
    if (!v->q[!rank]) lt_om_f32(&o->m, scale, &o->plan->out[i].scale, NULL, 0);
    lt_om_node(&o->m, "QuantizeLinear", q, q, x, scale, zp, NULL);
    return v->q[rank] = lt_om_node(&o->m, "DequantizeLinear", dq, dq, q, scale, zp, NULL);
}

static lt_status check_finite(const struct lt_graph *g, const struct lt_weights *w, struct lt_err *e) {
    if (w->n != g->n_params)
        return lt_fail(e, LT_EINVAL, "%s: %d parameters in the graph, %d in the weights", g->name, g->n_params, w->n);
    for (int i = 0; i < g->n_params; i++)
        for (int64_t k = 0; k < g->param[i].count; k++)
            if (!isfinite(w->data[i][k]))
                return lt_fail(e, LT_EINVAL, "%s: value %lld is %g; a model with such weights is not exported",
                               g->param[i].name, (long long)k, (double)w->data[i][k]);
    return LT_OK;
}

static int param_of(const struct lt_graph *g, const struct lt_node *n, enum lt_param_role role) {
    for (int i = 0; i < n->n_params; i++)
        if (g->param[n->param[i]].role == role) return n->param[i];
    return -1;
}

/* int8 weights and int32 bias of a layer as constants behind DequantizeLinear; *wname and *bname get the names of the
 * float values. */
static lt_status quantized_params(struct lt_ow *o, const struct lt_node *n, int pw, int pb, char **wname, char **bname,
                                  struct lt_err *e) {
    const struct lt_param *p = &o->g->param[pw];
    int64_t oc = p->dim[0], per = p->count / oc;
    float sx = o->plan->out[n->in[0]].scale;
    int qmax = o->plan->weight_qmax;
    size_t c = (size_t)oc;
    float *scale = lt_om_alloc(&o->m, c * sizeof(float)), *bscale = lt_om_alloc(&o->m, c * sizeof(float));
    int32_t *bias = lt_om_alloc(&o->m, c * sizeof(int32_t)); /* zeroed: zero points too */
    int8_t *q = lt_om_alloc(&o->m, (size_t)p->count);
    char *zp = lt_om_name(&o->m, p->name, "/zero_point"), *sc = lt_om_name(&o->m, p->name, "/scale");
    char *wq = lt_om_name(&o->m, p->name, "/quantized");
    if (!scale || !bscale || !bias || !q || !zp || !sc || !wq)
        return lt_fail(e, LT_ENOMEM, "ONNX weights of %s: out of memory", n->name);
    lt_om_bytes(&o->m, zp, ONNX__TENSOR_PROTO__DATA_TYPE__INT8, q, &oc, 1);
    for (int64_t k = 0; k < oc; k++) {
        const float *row = o->w->data[pw] + k * per;
        scale[k] = lt_weight_scale(row, per, pb >= 0 ? o->w->data[pb][k] : 0, sx, qmax);
        bscale[k] = sx * scale[k];
        if (!isfinite(scale[k]) || !(bscale[k] > 0))
            return lt_fail(e, LT_EINVAL,
                           "%s: channel %lld cannot be int8: weight scale %g and input scale %g leave no 32-bit bias",
                           p->name, (long long)k, (double)scale[k], (double)sx);
        for (int64_t i = 0; i < per; i++) q[k * per + i] = lt_weight_quantize(row[i], scale[k], qmax);
    }
    lt_om_f32(&o->m, sc, scale, &oc, 1);
    lt_om_bytes(&o->m, wq, ONNX__TENSOR_PROTO__DATA_TYPE__INT8, q, p->dim, p->n_dims);
    *wname =
        lt_om_node(&o->m, "DequantizeLinear", lt_om_name(&o->m, p->name, "/dequantize"), p->name, wq, sc, zp, NULL);
    lt_om_attr_int(&o->m, "axis", 0);
    if (pb < 0) return LT_OK;
    const char *b = o->g->param[pb].name;
    char *bzp = lt_om_name(&o->m, b, "/zero_point"), *bsc = lt_om_name(&o->m, b, "/scale"),
         *bq = lt_om_name(&o->m, b, "/quantized");
    if (!bzp || !bsc || !bq) return lt_fail(e, LT_ENOMEM, "ONNX bias of %s: out of memory", n->name);
    lt_om_i32(&o->m, bzp, bias, &oc, 1);
    for (int64_t k = 0; k < oc; k++) bias[k] = lt_bias_quantize(o->w->data[pb][k], sx, scale[k]);
    lt_om_f32(&o->m, bsc, bscale, &oc, 1);
    lt_om_i32(&o->m, bq, bias, &oc, 1);
    *bname = lt_om_node(&o->m, "DequantizeLinear", lt_om_name(&o->m, b, "/dequantize"), b, bq, bsc, bzp, NULL);
    lt_om_attr_int(&o->m, "axis", 0);
    return LT_OK;
}

static void window_attrs(struct lt_ow *o, const struct lt_node *n) {
    int64_t k[2] = {n->kernel, n->kernel}, s[2] = {n->stride, n->stride}, p[4] = {n->pad, n->pad, n->pad, n->pad};
    lt_om_attr_ints(&o->m, "kernel_shape", k, 2);
    lt_om_attr_ints(&o->m, "pads", p, 4);
    lt_om_attr_ints(&o->m, "strides", s, 2);
}

static lt_status write_layer(struct lt_ow *o, int i, const char *out, struct lt_err *e) {
    const struct lt_node *n = &o->g->node[i];
    bool int8 = o->plan && o->plan->is_int8[i], conv = n->op == LT_OP_CONV;
    int rank = conv ? R4 : R2, pw = param_of(o->g, n, LT_PARAM_WEIGHT), pb = param_of(o->g, n, LT_PARAM_BIAS);
    char *w = NULL, *b = NULL;
    lt_status s;
    if (int8 && !(o->plan->out[n->in[0]].scale > 0 && isfinite(o->plan->out[n->in[0]].scale)))
        return lt_fail(e, LT_EINVAL, "%s: int8, but its input %s has no scale", n->name, o->g->node[n->in[0]].name);
    if (int8) {
        if ((s = quantized_params(o, n, pw, pb, &w, &b, e))) return s;
    } else {
        w = lt_om_name(&o->m, o->g->param[pw].name, "");
        if (w) lt_om_f32(&o->m, w, o->w->data[pw], o->g->param[pw].dim, o->g->param[pw].n_dims);
        if (pb >= 0 && (b = lt_om_name(&o->m, o->g->param[pb].name, "")))
            lt_om_f32(&o->m, b, o->w->data[pb], o->g->param[pb].dim, 1);
    }
    char *x = int8 ? quantized(o, n->in[0], rank) : lt_ow_ranked(o, n->in[0], rank);
    if (o->m.nomem || !x || !w) return LT_OK; /* lt_om_pack reports it */
    o->v[i].r[rank] =
        lt_om_node(&o->m, conv ? "Conv" : "Gemm", out, out, x, w, b, NULL); /* without a bias b ends the list */
    if (conv) {
        window_attrs(o, n);
        lt_om_attr_int(&o->m, "group", n->groups);
        if (n->dilation > 1) lt_om_attr_ints(&o->m, "dilations", (int64_t[]){n->dilation, n->dilation}, 2);
    } else {
        lt_om_attr_int(&o->m, "transB", 1);
    }
    return LT_OK;
}

/* An activation on any rank. Two-step ones get an inner tensor "<out>/gate". */
static char *write_act(struct lt_ow *o, enum lt_act a, const char *x, const char *out) {
    static const char *const simple[LT_N_ACTS] = {
        [LT_ACT_RELU] = "Relu", [LT_ACT_SIGMOID] = "Sigmoid", [LT_ACT_TANH] = "Tanh"};
    struct lt_om *m = &o->m;
    if (simple[a]) return lt_om_node(m, simple[a], out, out, x, NULL);
    if (a == LT_ACT_RELU6) {
        if (!o->have_clip) {
            lt_om_f32(m, "relu6_lo", (float[]){0}, NULL, 0);
            lt_om_f32(m, "relu6_hi", (float[]){6}, NULL, 0);
        }
        o->have_clip = true;
        return lt_om_node(m, "Clip", out, out, x, "relu6_lo", "relu6_hi", NULL);
    }
    if (a == LT_ACT_GELU) return lt_ow_gelu(o, x, out);
    bool hard = a == LT_ACT_HSWISH || a == LT_ACT_HSIGMOID, gated = a != LT_ACT_HSIGMOID;
    const char *gate = gated ? lt_om_name(m, out, "/gate") : out;
    if (!gate) return NULL;
    char *r = lt_om_node(m, hard ? "HardSigmoid" : "Sigmoid", gate, gate, x, NULL);
    if (hard) {
        lt_om_attr_float(m, "alpha", 1.0f / 6.0f);
        lt_om_attr_float(m, "beta", 0.5f);
    }
    return gated && r ? lt_om_node(m, "Mul", out, out, x, gate, NULL) : r;
}

/* A rank in which all inputs are already there, else rank 4. Inputs with H*W > 1 are always there in rank 4. */
static int common_rank(const struct lt_ow *o, const struct lt_node *n) {
    for (int k = 0; k < n->n_in; k++)
        if (!o->v[n->in[k]].r[R2] || o->v[n->in[k]].r[R4]) return R4;
    return R2;
}

static lt_status write_node(struct lt_ow *o, int i, struct lt_err *e) {
    const struct lt_node *n = &o->g->node[i];
    struct lt_ow_value *v = &o->v[i];
    struct lt_om *m = &o->m;
    bool last = i == o->g->output;
    int rank = common_rank(o, n);
    /* The output must be [N,classes] and be called logits: a rank-2 result takes the name at once, a rank-4 one is
     * flattened in finish(). */
    char *inner = value_name(o, i), *out = last && rank == R2 ? lt_om_name(m, "logits", "") : inner;
    if (!inner || !out) return LT_OK;
    switch (n->op) {
    case LT_OP_INPUT:
        v->r[R4] = lt_om_name(m, "image", "");
        return LT_OK;
    case LT_OP_CONV:
        return write_layer(o, i, inner, e);
    case LT_OP_LINEAR:
        return write_layer(o, i, last ? "logits" : inner, e);
    case LT_OP_FLATTEN: {
        char *x = lt_ow_ranked(o, n->in[0], rank);
        if (x && (v->r[R2] = lt_om_node(m, "Flatten", inner, last ? "logits" : inner, x, NULL)))
            lt_om_attr_int(m, "axis", 1);
        return LT_OK;
    }
    case LT_OP_ACT: {
        char *x = lt_ow_ranked(o, n->in[0], rank);
        if (x) v->r[rank] = write_act(o, n->act, x, out);
        return LT_OK;
    }
    case LT_OP_SOFTMAX: {
        bool image = n->out.d[2] * n->out.d[3] > 1; /* over all values of the sample: flat, and back */
        char *x = lt_ow_ranked(o, n->in[0], image ? R2 : rank), *flat = image ? lt_om_name(m, inner, "/softmax") : out,
             *y;
        if (!x || !flat || !(y = lt_om_node(m, "Softmax", image ? flat : inner, flat, x, NULL))) return LT_OK;
        lt_om_attr_int(m, "axis", 1);
        v->r[rank] =
            image ? lt_ow_reshape(o, y, inner, "", (int64_t[]){0, n->out.d[1], n->out.d[2], n->out.d[3]}, 4) : y;
        return LT_OK;
    }
    case LT_OP_POOL: {
        bool max = n->pool == LT_POOL_MAX;
        char *x = lt_ow_ranked(o, n->in[0], R4);
        if (!x) return LT_OK;
        v->r[R4] = lt_om_node(m, max ? "MaxPool" : "AveragePool", inner, inner, x, NULL);
        window_attrs(o, n);
        if (!max) lt_om_attr_int(m, "count_include_pad", 0);
        return LT_OK;
    }
    case LT_OP_GAP: {
        char *x = lt_ow_ranked(o, n->in[0], R4);
        if (x) v->r[R4] = lt_om_node(m, "GlobalAveragePool", inner, inner, x, NULL);
        return LT_OK;
    }
    case LT_OP_ADD:
    case LT_OP_MUL: {
        char *a = lt_ow_ranked(o, n->in[0], rank), *b = lt_ow_ranked(o, n->in[1], rank);
        if (a && b) v->r[rank] = lt_om_node(m, n->op == LT_OP_ADD ? "Add" : "Mul", inner, out, a, b, NULL);
        return LT_OK;
    }
    default:
        return lt_ow_op(o, i, inner, e);
    }
}

static lt_status finish(struct lt_ow *o, const char *note, struct lt_buf *out, struct lt_err *e) {
    const struct lt_node *last = &o->g->node[o->g->output];
    const struct lt_shape *in = &o->g->node[0].out;
    struct lt_om *m = &o->m;
    char qmax[16], layers[16];
    int n_int8 = 0;
    char *r2 = o->v[o->g->output].r[R2], *r4 = o->v[o->g->output].r[R4];
    if (r4 && (!r2 || strcmp(r2, "logits")) && lt_om_node(m, "Flatten", "logits", "logits", r4, NULL))
        lt_om_attr_int(m, "axis", 1);
    for (int i = 0; o->plan && i < o->plan->n_nodes; i++) n_int8 += o->plan->is_int8[i];
    snprintf(layers, sizeof(layers), "%d", n_int8);
    snprintf(qmax, sizeof(qmax), "%d", n_int8 ? o->plan->weight_qmax : 0);
    const char *const meta[][2] = {
        {"lathe.version", PACKAGE_VERSION}, {"lathe.int8_layers", layers}, {"lathe.weight_qmax", qmax}};
    struct lt_om_about about = {.graph_name = o->g->name ? o->g->name : "network",
                                .version = PACKAGE_VERSION,
                                .note = note,
                                .meta = meta,
                                .n_meta = n_int8 ? 3 : 2,
                                .opset = OPSET,
                                .ir_version = IR_VERSION};
    return lt_om_pack(m, &about, lt_om_value(m, "image", (int64_t[]){-1, in->d[1], in->d[2], in->d[3]}, 4),
                      lt_om_value(m, "logits", (int64_t[]){-1, lt_shape_count(&last->out)}, 2), out, e);
}

lt_status lt_onnx_write(const struct lt_graph *folded, const struct lt_weights *w, const struct lt_plan *plan,
                        const char *producer_note, struct lt_buf *out, struct lt_err *e) {
    struct lt_ow o = {.g = folded, .w = w, .plan = plan};
    lt_status s;
    if (plan && plan->n_nodes != folded->n_nodes)
        return lt_fail(e, LT_EINVAL, "%s: plan of %d nodes for a graph of %d (plans belong to the folded graph)",
                       folded->name, plan->n_nodes, folded->n_nodes);
    if (plan && (plan->weight_qmax < 1 || plan->weight_qmax > 127))
        return lt_fail(e, LT_EINVAL, "%s: weight_qmax %d is outside 1..127", folded->name, plan->weight_qmax);
    if ((s = check_finite(folded, w, e)) || (s = lt_om_init(&o.m, e))) return s;
    if (!(o.v = lt_om_alloc(&o.m, (size_t)folded->n_nodes * sizeof(*o.v)))) {
        s = lt_fail(e, LT_ENOMEM, "ONNX model of %s: out of memory", folded->name);
        goto out;
    }
    for (int i = 0; i < folded->n_nodes; i++)
        if ((s = write_node(&o, i, e))) goto out;
    s = finish(&o, producer_note, out, e);
out:
    lt_om_release(&o.m);
    return s;
}
#else
lt_status lt_onnx_write(const struct lt_graph *folded, const struct lt_weights *w, const struct lt_plan *plan,
                        const char *producer_note, struct lt_buf *out, struct lt_err *e) {
    (void)w, (void)plan, (void)producer_note, (void)out;
    return lt_fail(
        e, LT_EUNAVAIL,
        "%s: this build cannot write ONNX; install libprotobuf-c-dev and protobuf-c-compiler and configure again",
        folded->name);
}
#endif
