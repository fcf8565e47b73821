/*
 * The bundle's config.yaml: what the model is, how to feed it, the precision and scale of every tensor, and where it
 * comes from. Numbers are written with as few digits as read back equal, and so that YAML 1.1 readers take them for
 * numbers (1.0e-05, not 1e-05).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "deploy/deploy_priv.h"
#include "graph/quantize.h"
#include "lathe/file.h"
#include "lathe/mem.h"

static void put_text(struct lt_buf *b, char *t) {
    char *x = strchr(t, 'e');
    if (x && !strchr(t, '.'))
        lt_buf_printf(b, "%.*s.0%s", (int)(x - t), t, x);
    else
        lt_buf_puts(b, t);
}

static void put_num(struct lt_buf *b, double v) {
    char t[40];
    if (!isfinite(v)) {
        lt_buf_puts(b, "null");
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(t, sizeof(t), "%.*g", digits, v);
        if (strtod(t, NULL) == v) break;
    }
    put_text(b, t);
}

static void put_float(struct lt_buf *b, float v) {
    char t[40];
    for (int digits = 5; digits <= 9; digits++) {
        snprintf(t, sizeof(t), "%.*g", digits, (double)v);
        if (strtof(t, NULL) == v) break;
    }
    put_text(b, t);
}

/* A JSON string is a YAML double-quoted scalar. */
static void put_str(struct lt_buf *b, const char *s) {
    struct lt_jw w;
    lt_jw_init(&w, b);
    lt_jw_str(&w, s);
}

static void key_str(struct lt_buf *b, const char *key, const char *s) {
    lt_buf_puts(b, key);
    put_str(b, s);
    lt_buf_puts(b, "\n");
}

static void key_num(struct lt_buf *b, const char *key, double v) {
    lt_buf_puts(b, key);
    put_num(b, v);
    lt_buf_puts(b, "\n");
}

/* JSON as a YAML flow: the same but for a blank after ':', which YAML 1.1 wants. */
static void put_json(struct lt_buf *b, const struct lt_json *j) {
    switch (j->kind) {
    case LT_JSON_NULL:
        lt_buf_puts(b, "null");
        return;
    case LT_JSON_BOOL:
        lt_buf_puts(b, j->b ? "true" : "false");
        return;
    case LT_JSON_NUM:
        put_num(b, j->num);
        return;
    case LT_JSON_STR:
        put_str(b, j->str);
        return;
    case LT_JSON_ARR:
    case LT_JSON_OBJ:
        lt_buf_puts(b, j->kind == LT_JSON_ARR ? "[" : "{");
        for (int i = 0; i < j->n; i++) {
            lt_buf_puts(b, i ? ", " : "");
            if (j->kind == LT_JSON_OBJ) {
                put_str(b, j->child[i]->key);
                lt_buf_puts(b, ": ");
            }
            put_json(b, j->child[i]);
        }
        lt_buf_puts(b, j->kind == LT_JSON_ARR ? "]" : "}");
        return;
    }
}

static int param_of(const struct lt_graph *g, const struct lt_node *n, enum lt_param_role role) {
    for (int i = 0; i < n->n_params; i++)
        if (g->param[n->param[i]].role == role) return n->param[i];
    return -1;
}

static void put_layer(struct lt_buf *b, const struct lt_graph *g, const struct lt_weights *w,
                      const struct lt_plan *plan, int i, const char *reason) {
    const struct lt_node *n = &g->node[i];
    bool int8 = plan && plan->is_int8[i];
    lt_buf_puts(b, "  - {name: ");
    put_str(b, n->name);
    lt_buf_printf(b, ", op: %s, precision: %s, reason: ", lt_op_name(n->op), int8 ? "int8" : "f32");
    put_str(b, reason);
    if (int8) {
        int pw = param_of(g, n, LT_PARAM_WEIGHT), pb = param_of(g, n, LT_PARAM_BIAS);
        const struct lt_qparam *q = &plan->out[n->in[0]];
        int64_t oc = g->param[pw].dim[0], per = g->param[pw].count / oc;
        lt_buf_puts(b, ",\n     input: ");
        put_str(b, g->node[n->in[0]].name);
        lt_buf_puts(b, ", weight_scale: [");
        for (int64_t o = 0; o < oc; o++) {
            lt_buf_puts(b, o ? ", " : "");
            put_float(b, lt_weight_scale(w->data[pw] + o * per, per, pb >= 0 ? w->data[pb][o] : 0, q->scale,
                                         plan->weight_qmax));
        }
        lt_buf_puts(b, "]");
    }
    lt_buf_puts(b, "}\n");
}

static bool read_quantized(const struct lt_graph *g, const struct lt_plan *plan, int tensor) {
    for (int i = 0; plan && i < g->n_nodes; i++)
        if (plan->is_int8[i] && g->node[i].in[0] == tensor) return true;
    return false;
}

static void put_tensors(struct lt_buf *b, const struct lt_graph *g, const struct lt_plan *plan) {
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) n += read_quantized(g, plan, i);
    lt_buf_printf(b,
                  "# tensors that int8 layers read: q = clamp(round_half_even(x / scale)), zero point 0; all others "
                  "are f32\ntensors:%s\n",
                  n ? "" : " []");
    for (int i = 0; i < g->n_nodes; i++) {
        if (!read_quantized(g, plan, i)) continue;
        lt_buf_puts(b, "  - {name: ");
        put_str(b, g->node[i].name);
        lt_buf_printf(b, ", type: %s, scale: ", plan->out[i].is_signed ? "int8" : "uint8");
        put_float(b, plan->out[i].scale);
        lt_buf_puts(b, "}\n");
    }
}

static void put_floats(struct lt_buf *b, const char *key, const double *v, int n) {
    lt_buf_printf(b, "%s", key);
    for (int i = 0; v && i < n; i++) {
        lt_buf_puts(b, i ? ", " : "[");
        put_num(b, v[i]);
    }
    lt_buf_puts(b, v && n > 0 ? "]" : "null");
}

static void put_layers(struct lt_buf *b, const struct lt_graph *g, const struct lt_weights *w,
                       const struct lt_plan *plan, const struct lt_deploy_info *info) {
    int layers = 0, int8 = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        bool layer = g->node[i].op == LT_OP_CONV || g->node[i].op == LT_OP_LINEAR;
        layers += layer;
        int8 += layer && plan && plan->is_int8[i];
    }
    lt_buf_printf(b, "quantization: {layers: %d, int8: %d, f32: %d, weight_max: ", layers, int8, layers - int8);
    if (int8)
        lt_buf_printf(b, "%d}\n", plan->weight_qmax);
    else
        lt_buf_puts(b, "null}\n");
    lt_buf_puts(b, "# weights of int8 layers: symmetric, one scale an output channel; their bias is int32 with scale "
                   "input scale * weight scale\n");
    lt_buf_printf(b, "layers:%s\n", layers ? "" : " []");
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i].op == LT_OP_CONV || g->node[i].op == LT_OP_LINEAR)
            put_layer(b, g, w, plan, i, info->reason ? info->reason[i] : NULL);
    put_tensors(b, g, plan);
}

lt_status lt_bundle_config(const struct lt_graph *g, const struct lt_weights *w, const struct lt_plan *plan,
                           const struct lt_deploy_info *info, const struct lt_buf *model, struct lt_buf *out,
                           struct lt_err *e) {
    const struct lt_shape *in = &g->node[0].out;
    struct lt_json *device = NULL;
    struct lt_buf b = LT_BUF_INIT;
    lt_status s = LT_OK;
    if (info->device_json &&
        (s = lt_json_parse("device description", info->device_json, strlen(info->device_json), &device, e)))
        goto out;
    lt_buf_puts(&b, "# Deployment bundle written by lathe; see docs/formats/bundle.md.\nschema: 1\n");
    lt_buf_printf(&b, "model: {file: %s, bytes: %zu, crc32: \"%08x\"}\n", LT_BUNDLE_MODEL, model->len,
                  lt_crc32(0, model->data, model->len));
    lt_buf_printf(&b, "input: {name: image, type: float32, shape: [N, %lld, %lld, %lld]}\n", (long long)in->d[1],
                  (long long)in->d[2], (long long)in->d[3]);
    lt_buf_printf(&b, "output: {name: logits, type: float32, shape: [N, %lld]}\n",
                  (long long)lt_shape_count(&g->node[g->output].out));
    lt_buf_puts(&b, "# pixel / 255, then bilinear resize (half-pixel centres) to the resolution, then (x - mean) / sd "
                    "per channel\n");
    lt_buf_printf(&b, "preprocessing: {channels: %d, resolution: %d", info->channels, info->resolution);
    put_floats(&b, ", mean: ", info->mean, info->channels);
    put_floats(&b, ", sd: ", info->sd, info->channels);
    lt_buf_puts(&b, "}\n");
    key_str(&b, "architecture: ", info->arch);
    lt_buf_puts(&b, "accuracy:\n");
    key_num(&b, "  test: ", info->accuracy_test);
    key_num(&b, "  test_f32: ", info->accuracy_f32_test);
    key_num(&b, "  validation: ", info->accuracy_validation);
    lt_buf_puts(&b, "latency_ms:\n");
    key_num(&b, "  predicted: ", info->predicted_ms);
    key_num(&b, "  measured: ", info->measured_ms);
    lt_buf_puts(&b, "  measured_interval: [");
    put_num(&b, info->measured_lo_ms);
    lt_buf_puts(&b, ", ");
    put_num(&b, info->measured_hi_ms);
    lt_buf_puts(&b, "]\n");
    lt_buf_printf(&b, "  samples: %d\n", info->n_samples);
    key_num(&b, "  f32_measured: ", info->f32_measured_ms);
    key_num(&b, "size_bytes: ", info->size_bytes);
    lt_buf_puts(&b, "provenance:\n");
    key_str(&b, "  space: ", info->space);
    key_str(&b, "  data: ", info->data);
    key_str(&b, "  experiment: ", info->experiment);
    lt_buf_printf(&b, "  seed: %llu\n", (unsigned long long)info->seed);
    key_str(&b, "  runtime: ", info->runtime);
    lt_buf_puts(&b, "  device: ");
    if (device)
        put_json(&b, device);
    else
        lt_buf_puts(&b, "null");
    lt_buf_puts(&b, "\n");
    put_layers(&b, g, w, plan, info);
    if (!(s = lt_buf_ok(&b, e))) {
        lt_buf_add(out, b.data, b.len);
        s = lt_buf_ok(out, e);
    }
out:
    lt_json_free(device);
    lt_buf_release(&b);
    return s;
}
