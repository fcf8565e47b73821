/* ONNX bytes are read back with the same message definitions: structure, constants, shapes, what is quantized; bad
 * plans and weights are refused. */
#include "config.h"
#include "tests/tap.h"
#if LT_WITH_PROTOBUF_C
#include <float.h>
#include <math.h>
#include <string.h>
#include "lathe/deploy.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "src/graph/onnx/onnx.pb-c.h"
#include "tests/interop/random_seq.h"

static const Onnx__NodeProto *producer(const Onnx__GraphProto *g, const char *tensor) {
    for (size_t i = 0; i < g->n_node; i++)
        if (!strcmp(g->node[i]->output[0], tensor)) return g->node[i];
    return NULL;
}

static const Onnx__TensorProto *constant(const Onnx__GraphProto *g, const char *name) {
    for (size_t i = 0; i < g->n_initializer; i++)
        if (!strcmp(g->initializer[i]->name, name)) return g->initializer[i];
    return NULL;
}

static int count_op(const Onnx__GraphProto *g, const char *op) {
    int n = 0;
    for (size_t i = 0; i < g->n_node; i++) n += !strcmp(g->node[i]->op_type, op);
    return n;
}

static const Onnx__AttributeProto *attr(const Onnx__NodeProto *n, const char *name) {
    for (size_t i = 0; n && i < n->n_attribute; i++)
        if (!strcmp(n->attribute[i]->name, name)) return n->attribute[i];
    return NULL;
}

/* Every input is the model's input, a constant, or made by an earlier node; every name is made once. */
static bool well_formed(const Onnx__GraphProto *g) {
    for (size_t i = 0; i < g->n_node; i++) {
        for (size_t k = 0; k < g->node[i]->n_input; k++) {
            const char *in = g->node[i]->input[k];
            bool known = !strcmp(in, "image") || constant(g, in);
            for (size_t j = 0; j < i; j++) known |= !strcmp(g->node[j]->output[0], in);
            if (!known) return false;
        }
        if (constant(g, g->node[i]->output[0]) || !strcmp(g->node[i]->output[0], "image")) return false;
        for (size_t j = 0; j < i; j++)
            if (!strcmp(g->node[j]->output[0], g->node[i]->output[0]) || !strcmp(g->node[j]->name, g->node[i]->name))
                return false;
    }
    for (size_t i = 0; i < g->n_initializer; i++)
        for (size_t j = 0; j < i; j++)
            if (!strcmp(g->initializer[i]->name, g->initializer[j]->name)) return false;
    return true;
}

/* conv(3x3, stride 2) -> hswish -> conv 1x1 (read twice) + conv 1x1 -> add -> gap -> linear */
static void small_net(struct lt_graph **g, struct lt_weights **w) {
    struct lt_rng r;
    LT_CHECK(!lt_graph_new("small", g, NULL));
    int x = lt_graph_input(*g, "x", 3, 8, 8);
    x = lt_graph_conv(*g, "stem", x,
                      &(struct lt_conv_attr){.out = 4, .kernel = 3, .stride = 2, .groups = 1, .bias = true});
    x = lt_graph_act(*g, "stem.act", x, LT_ACT_HSWISH);
    int a = lt_graph_conv(
        *g, "a", x,
        &(struct lt_conv_attr){.out = 4, .kernel = 1, .stride = 1, .groups = 1, .pad = LT_PAD_VALID, .bias = true});
    int b = lt_graph_conv(*g, "b", x,
                          &(struct lt_conv_attr){.out = 4, .kernel = 5, .stride = 1, .groups = 4, .bias = false});
    x = lt_graph_add(*g, "sum", lt_graph_add(*g, "ab", a, b), x);
    x = lt_graph_linear(*g, "fc", lt_graph_gap(*g, "gap", x), 5);
    lt_graph_output(*g, x);
    LT_CHECK(!lt_graph_finish(*g, NULL) && !lt_weights_new(*g, w, NULL));
    lt_rng_at(&r, 3, LT_RNG_TEST, 0, 0);
    for (int i = 0; i < (*g)->n_params; i++)
        for (int64_t k = 0; k < (*g)->param[i].count; k++) (*w)->data[i][k] = (float)lt_rng_normal(&r);
}

static Onnx__ModelProto *parse(const struct lt_buf *b) {
    return onnx__model_proto__unpack(NULL, b->len, (const uint8_t *)b->data);
}

static float get_f32(const Onnx__TensorProto *t, size_t i) {
    float v;
    const uint8_t *p = t->raw_data.data + 4 * i;
    uint32_t u = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    memcpy(&v, &u, 4);
    return v;
}

static int32_t get_i32(const Onnx__TensorProto *t, size_t i) {
    const uint8_t *p = t->raw_data.data + 4 * i;
    return (int32_t)(p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

static void test_f32(const struct lt_graph *g, const struct lt_weights *w) {
    struct lt_buf b = LT_BUF_INIT, again = LT_BUF_INIT;
    lt_ok(!lt_onnx_write(g, w, NULL, "a note", &b, NULL), "f32 model is written");
    lt_ok(!lt_onnx_write(g, w, NULL, "a note", &again, NULL) && b.len == again.len &&
              !memcmp(b.data, again.data, b.len),
          "same bytes again");
    Onnx__ModelProto *m = parse(&b);
    lt_ok(m && m->ir_version == 8 && m->n_opset_import == 1 && m->opset_import[0]->version == 13,
          "reads back: IR 8, opset 13");
    lt_ok(m && !strcmp(m->producer_name, "lathe") && !strcmp(m->producer_version, PACKAGE_VERSION) &&
              !strcmp(m->doc_string, "a note"),
          "producer, version, note");
    const Onnx__GraphProto *p = m->graph;
    lt_ok(well_formed(p), "names are unique and made before they are read");
    const Onnx__TensorShapeProto *in = p->input[0]->type->tensor_type->shape,
                                 *out = p->output[0]->type->tensor_type->shape;
    lt_ok(p->n_input == 1 && !strcmp(p->input[0]->name, "image") && in->n_dim == 4 &&
              !strcmp(in->dim[0]->dim_param, "N") && in->dim[1]->dim_value == 3 && in->dim[2]->dim_value == 8 &&
              in->dim[3]->dim_value == 8,
          "input image [N,3,8,8]");
    lt_ok(p->n_output == 1 && !strcmp(p->output[0]->name, "logits") && out->n_dim == 2 &&
              !strcmp(out->dim[0]->dim_param, "N") && out->dim[1]->dim_value == 5,
          "output logits [N,5]");
    lt_ok(count_op(p, "Conv") == 3 && count_op(p, "Gemm") == 1 && count_op(p, "QuantizeLinear") == 0 &&
              count_op(p, "HardSigmoid") == 1 && count_op(p, "Mul") == 1 && count_op(p, "Add") == 2,
          "operators");
    const Onnx__NodeProto *stem = producer(p, "stem"), *dw = producer(p, "b");
    const Onnx__AttributeProto *pads = attr(stem, "pads"), *strides = attr(stem, "strides"), *group = attr(dw, "group");
    lt_ok(pads && pads->n_ints == 4 && pads->ints[0] == 1 && pads->ints[3] == 1 && strides && strides->n_ints == 2 &&
              strides->ints[1] == 2 && group && group->i == 4 && dw->n_input == 2 && stem->n_input == 3,
          "attributes and optional bias");
    const Onnx__TensorProto *t = constant(p, "stem.weight");
    bool same = t && t->n_dims == 4 && t->dims[0] == 4 && t->dims[1] == 3 && t->dims[2] == 3 && t->dims[3] == 3 &&
                t->raw_data.len == 4 * 108;
    for (size_t i = 0; same && i < 108; i++) same = get_f32(t, i) == w->data[lt_graph_find_param(g, "stem.weight")][i];
    lt_ok(same, "stem.weight: shape and values");
    onnx__model_proto__free_unpacked(m, NULL);
    lt_buf_release(&b);
    lt_buf_release(&again);
}

static void test_int8(const struct lt_graph *g, const struct lt_weights *w) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_plan *plan;
    LT_CHECK(!lt_plan_new(g, &plan, NULL));
    int act = lt_graph_find(g, "stem.act"), gap = lt_graph_find(g, "gap");
    plan->weight_qmax = 63;
    plan->is_int8[lt_graph_find(g, "a")] = plan->is_int8[lt_graph_find(g, "b")] =
        plan->is_int8[lt_graph_find(g, "fc")] = 1;
    plan->out[act] = (struct lt_qparam){.scale = 0.05f, .is_signed = true};
    plan->out[gap] = (struct lt_qparam){.scale = 0.02f};
    lt_ok(!lt_onnx_write(g, w, plan, NULL, &b, NULL), "mixed model is written");
    Onnx__ModelProto *m = parse(&b);
    const Onnx__GraphProto *p = m->graph;
    lt_ok(well_formed(p), "names are unique and made before they are read");
    lt_ok(count_op(p, "QuantizeLinear") == 2, "one QuantizeLinear a tensor, though two layers read stem.act");
    lt_ok(count_op(p, "DequantizeLinear") == 2 + 3 + 2, "DequantizeLinear: tensors, weights, biases");
    const Onnx__NodeProto *a = producer(p, "a"), *sum = producer(p, "sum"), *fc = producer(p, "logits"),
                          *ab = producer(p, "ab");
    const Onnx__NodeProto *dq = producer(p, a->input[0]), *q = dq ? producer(p, dq->input[0]) : NULL;
    lt_ok(dq && q && !strcmp(dq->op_type, "DequantizeLinear") && !strcmp(q->op_type, "QuantizeLinear") &&
              !strcmp(q->input[0], "stem.act"),
          "int8 layer reads DQ(Q(stem.act))");
    lt_ok(!strcmp(sum->input[1], "stem.act") && !strcmp(ab->input[0], "a") && fc && !strcmp(fc->op_type, "Gemm"),
          "f32 readers take the unquantized tensor");
    const Onnx__TensorProto *zp = constant(p, q->input[2]), *sc = constant(p, q->input[1]),
                            *zp_fc = constant(p, producer(p, producer(p, fc->input[0])->input[0])->input[2]);
    lt_ok(zp && zp->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT8 && zp->n_dims == 0 && zp->raw_data.len == 1 &&
              zp->raw_data.data[0] == 0 && get_f32(sc, 0) == 0.05f && !attr(q, "axis") && !attr(dq, "axis") &&
              zp_fc->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
          "scales, signedness by the zero point's type, no axis");
    const Onnx__NodeProto *wdq = producer(p, a->input[1]), *bdq = producer(p, a->input[2]);
    const Onnx__TensorProto *wq = constant(p, wdq->input[0]), *ws = constant(p, wdq->input[1]),
                            *wz = constant(p, wdq->input[2]);
    const Onnx__TensorProto *bq = constant(p, bdq->input[0]), *bs = constant(p, bdq->input[1]);
    const float *wf = w->data[lt_graph_find_param(g, "a.weight")], *bf = w->data[lt_graph_find_param(g, "a.bias")];
    bool good = wq && wq->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT8 && wq->raw_data.len == 16 &&
                ws->raw_data.len == 16 && wz->n_dims == 1 && wz->dims[0] == 4 && attr(wdq, "axis") &&
                attr(wdq, "axis")->i == 0 && bq->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT32;
    for (size_t o = 0; good && o < 4; o++) {
        float top = 0, scale = get_f32(ws, o);
        for (size_t i = 0; i < 4; i++) top = fmaxf(top, fabsf(wf[4 * o + i]));
        good = scale == top / 63.0f && get_f32(bs, o) == 0.05f * scale &&
               get_i32(bq, o) == (int32_t)lrint((double)bf[o] / (0.05f * (double)scale));
        for (size_t i = 0; good && i < 4; i++)
            good = (int8_t)wq->raw_data.data[4 * o + i] == lrintf(wf[4 * o + i] / scale);
    }
    lt_ok(good, "int8 weights by channel within 63, int32 bias, their scales");
    onnx__model_proto__free_unpacked(m, NULL);
    lt_buf_release(&b);

    /* A dead channel: its bias would need 10^12 steps of its weights' scale. */
    struct lt_weights *dead;
    struct lt_buf d = LT_BUF_INIT;
    LT_CHECK(!lt_weights_new(g, &dead, NULL));
    for (int i = 0; i < g->n_params; i++) memcpy(dead->data[i], w->data[i], (size_t)g->param[i].count * sizeof(float));
    for (int i = 0; i < 4; i++) dead->data[lt_graph_find_param(g, "a.weight")][i] = 1e-10f;
    dead->data[lt_graph_find_param(g, "a.bias")][0] = 0.75f;
    lt_ok(!lt_onnx_write(g, dead, plan, NULL, &d, NULL), "dead channel is written");
    m = parse(&d);
    bq = constant(m->graph, producer(m->graph, "a.bias")->input[0]);
    bs = constant(m->graph, producer(m->graph, "a.bias")->input[1]);
    lt_ok(fabs((double)get_i32(bq, 0) * (double)get_f32(bs, 0) - 0.75) < 1e-6, "its bias survives: %g",
          (double)get_i32(bq, 0) * (double)get_f32(bs, 0));
    onnx__model_proto__free_unpacked(m, NULL);
    lt_buf_release(&d);
    lt_weights_free(dead);
    lt_plan_free(plan);
}

static void test_refusals(const struct lt_graph *g, struct lt_weights *w) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_err e = {0};
    struct lt_plan *plan;
    lt_status s;
    LT_CHECK(!lt_plan_new(g, &plan, NULL));
    plan->is_int8[lt_graph_find(g, "a")] = 1;
    s = lt_onnx_write(g, w, plan, NULL, &b, &e);
    lt_ok(s == LT_EINVAL && strstr(e.msg, "stem.act") && b.len == 0, "int8 without a scale: %s", e.msg);
    plan->is_int8[lt_graph_find(g, "a")] = 0;
    plan->n_nodes--;
    s = lt_onnx_write(g, w, plan, NULL, &b, &e);
    lt_ok(s == LT_EINVAL && b.len == 0, "plan of another graph: %s", e.msg);
    plan->n_nodes++;
    plan->weight_qmax = 0;
    s = lt_onnx_write(g, w, plan, NULL, &b, &e);
    lt_ok(s == LT_EINVAL && strstr(e.msg, "weight_qmax"), "weight_qmax 0: %s", e.msg);
    lt_plan_free(plan);
    float *v = &w->data[lt_graph_find_param(g, "fc.weight")][3], was = *v;
    *v = NAN;
    s = lt_onnx_write(g, w, NULL, NULL, &b, &e);
    lt_ok(s == LT_EINVAL && strstr(e.msg, "fc.weight") && b.len == 0, "NaN weight: %s", e.msg);
    *v = was;

    struct lt_graph *bn;
    struct lt_weights *bw;
    LT_CHECK(!lt_graph_new("bn", &bn, NULL));
    lt_graph_output(bn, lt_graph_bn(bn, "norm", lt_graph_input(bn, "x", 2, 4, 4)));
    LT_CHECK(!lt_graph_finish(bn, NULL) && !lt_weights_new(bn, &bw, NULL));
    s = lt_onnx_write(bn, bw, NULL, NULL, &b, &e);
    lt_ok(s == LT_EINVAL && strstr(e.msg, "norm"), "unfolded batch norm: %s", e.msg);
    lt_weights_free(bw);
    lt_graph_free(bn);
    lt_buf_release(&b);
}

/* Every allocation fails once: a clean status, nothing left behind. */
static void test_no_memory(const struct lt_graph *g, const struct lt_weights *w) {
    int64_t live = lt_mem_live();
    int failures = 0;
    bool clean = true, done = false;
    for (int64_t n = 1; !done && n < 10000; n++) {
        struct lt_buf b = LT_BUF_INIT;
        struct lt_err e = {0};
        lt_mem_fail_at(n);
        lt_status s = lt_onnx_write(g, w, NULL, "note", &b, &e);
        lt_mem_fail_at(0);
        done = s == LT_OK;
        failures += !done;
        clean &= done || s == LT_ENOMEM;
        lt_buf_release(&b);
        clean &= lt_mem_live() == live;
    }
    lt_ok(done && clean && failures > 3, "each of %d allocations may fail", failures);
}

static void test_random(void) {
    int good = 0, n = 60;
    for (int i = 0; i < n; i++) {
        struct lt_graph *g, *f;
        struct lt_weights *w, *fw;
        struct lt_buf b = LT_BUF_INIT;
        struct lt_plan *plan;
        struct lt_rng r;
        LT_CHECK(!rnet_make(11, (uint64_t)i, &g, &w, NULL) && !lt_graph_fold_bn(g, w, &f, &fw, NULL) &&
                 !lt_plan_new(f, &plan, NULL));
        lt_rng_at(&r, 11, LT_RNG_TEST, 9, (uint64_t)i);
        for (int k = 0; k < f->n_nodes; k++) {
            plan->is_int8[k] = (f->node[k].op == LT_OP_CONV || f->node[k].op == LT_OP_LINEAR) && lt_rng_below(&r, 2);
            plan->out[k] = (struct lt_qparam){.scale = 0.1f, .is_signed = true};
        }
        if (!lt_onnx_write(f, fw, plan, NULL, &b, NULL)) {
            Onnx__ModelProto *m = parse(&b);
            good += m && well_formed(m->graph) && producer(m->graph, "logits");
            onnx__model_proto__free_unpacked(m, NULL);
        }
        lt_buf_release(&b);
        lt_plan_free(plan);
        lt_weights_free(w);
        lt_weights_free(fw);
        lt_graph_free(g);
        lt_graph_free(f);
    }
    lt_ok(good == n, "%d of %d random mixed networks (seed 11) are well formed", good, n);
}

/* Operators that move values and those on tokens: well formed, every parameter once. */
static void test_tokens(void) {
    int good = 0, n = 60;
    for (int i = 0; i < n; i++) {
        struct lt_graph *g, *f;
        struct lt_weights *w, *fw;
        struct lt_buf b = LT_BUF_INIT;
        LT_CHECK(!rseq_make(13, (uint64_t)i, &g, &w, NULL) && !lt_graph_fold_bn(g, w, &f, &fw, NULL));
        if (!lt_onnx_write(f, fw, NULL, NULL, &b, NULL)) {
            Onnx__ModelProto *m = parse(&b);
            bool all = m && well_formed(m->graph) && producer(m->graph, "logits");
            for (int k = 0; all && k < f->n_params; k++) {
                const Onnx__TensorProto *t = constant(m->graph, f->param[k].name);
                all = t && (int64_t)t->raw_data.len == 4 * f->param[k].count;
            }
            good += all;
            onnx__model_proto__free_unpacked(m, NULL);
        }
        if (i < 3) test_no_memory(f, fw);
        lt_buf_release(&b);
        lt_weights_free(w);
        lt_weights_free(fw);
        lt_graph_free(g);
        lt_graph_free(f);
    }
    lt_ok(good == n, "%d of %d random networks on tokens (seed 13) are well formed and have every parameter", good, n);

    struct lt_graph *g;
    struct lt_weights *w;
    struct lt_buf b = LT_BUF_INIT;
    struct lt_err e = {0};
    LT_CHECK(!lt_graph_new("dilated", &g, NULL));
    int x = lt_graph_input(g, "x", 4, 8, 1);
    x = lt_graph_conv(g, "c", lt_graph_grid(g, "grid", x, 4),
                      &(struct lt_conv_attr){.out = 4, .kernel = 3, .stride = 1, .groups = 1, .dilation = 2});
    lt_graph_output(g, x);
    LT_CHECK(!lt_graph_finish(g, NULL) && !lt_weights_new(g, &w, NULL));
    lt_status s = lt_onnx_write(g, w, NULL, NULL, &b, &e);
    Onnx__ModelProto *m = s ? NULL : parse(&b);
    const Onnx__AttributeProto *a = m ? attr(producer(m->graph, "c"), "dilations") : NULL;
    lt_ok(a && a->n_ints == 2 && a->ints[0] == 2 && a->ints[1] == 2, "dilation is written");
    if (m) onnx__model_proto__free_unpacked(m, NULL);
    lt_buf_release(&b);
    lt_weights_free(w);
    lt_graph_free(g);
}

/* Softmax is over all values of a sample, ONNX's over one axis: an image is flattened for it and gets its shape back.
 */
static void test_softmax_of_image(void) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_graph *g;
    struct lt_weights *w;
    LT_CHECK(!lt_graph_new("soft", &g, NULL));
    int x = lt_graph_softmax(g, "soft", lt_graph_input(g, "x", 3, 2, 2));
    lt_graph_output(g,
                    lt_graph_conv(g, "c", x, &(struct lt_conv_attr){.out = 2, .kernel = 1, .stride = 1, .groups = 1}));
    LT_CHECK(!lt_graph_finish(g, NULL) && !lt_weights_new(g, &w, NULL) && !lt_onnx_write(g, w, NULL, "", &b, NULL));
    Onnx__ModelProto *m = parse(&b);
    const Onnx__GraphProto *p = m->graph;
    const Onnx__NodeProto *back = producer(p, "soft"), *soft = back ? producer(p, back->input[0]) : NULL,
                          *flat = soft ? producer(p, soft->input[0]) : NULL;
    lt_ok(well_formed(p) && flat && !strcmp(back->op_type, "Reshape") && !strcmp(soft->op_type, "Softmax") &&
              !strcmp(flat->op_type, "Flatten"),
          "softmax of an image is over the whole image");
    onnx__model_proto__free_unpacked(m, NULL);
    lt_buf_release(&b);
    lt_weights_free(w);
    lt_graph_free(g);
}

/* A mask is as large as all scores, so layers of one form have it in common. */
static void test_masks_are_shared(void) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_graph *g;
    struct lt_weights *w;
    char name[16];
    int masks = 0;
    LT_CHECK(!lt_graph_new("masks", &g, NULL));
    int x = lt_graph_input(g, "x", 4, 6, 1);
    for (int i = 0; i < 6; i++) {
        struct lt_attention_attr a = {.heads = 2, .causal = true, .window = i % 3 == 1 ? 2 : 0};
        snprintf(name, sizeof(name), "a%d", i);
        x = i % 3 == 2 ? lt_graph_linattn(g, name, x, x, x, &a) : lt_graph_attention(g, name, x, x, x, &a);
    }
    lt_graph_output(g, x);
    LT_CHECK(!lt_graph_finish(g, NULL) && !lt_weights_new(g, &w, NULL) && !lt_onnx_write(g, w, NULL, "", &b, NULL));
    Onnx__ModelProto *m = parse(&b);
    for (size_t i = 0; i < m->graph->n_initializer; i++)
        masks += strstr(m->graph->initializer[i]->name, "/mask") != NULL;
    lt_ok(well_formed(m->graph) && masks == 3, "6 attentions of 3 forms have 3 masks: %d", masks);
    onnx__model_proto__free_unpacked(m, NULL);
    lt_buf_release(&b);
    lt_weights_free(w);
    lt_graph_free(g);
}

int main(void) {
    struct lt_graph *g;
    struct lt_weights *w;
    small_net(&g, &w);
    test_f32(g, w);
    test_int8(g, w);
    test_refusals(g, w);
    test_no_memory(g, w);
    test_random();
    test_tokens();
    test_softmax_of_image();
    test_masks_are_shared();
    lt_weights_free(w);
    lt_graph_free(g);
    lt_ok(lt_mem_live() == 0, "no block is left");
    return lt_done();
}
#else
int main(void) {
    lt_skip("built without protobuf-c");
    return lt_done();
}
#endif
