/* Builds and packs the protobuf messages of an ONNX model; knows the format, not our graph. */
#include "config.h"
#if LT_WITH_PROTOBUF_C
#include <stdarg.h>
#include <string.h>
#include "graph/onnx/onnx_model.h"

lt_status lt_om_init(struct lt_om *m, struct lt_err *e) {
    *m = (struct lt_om){.arena = lt_arena_new()};
    return m->arena ? LT_OK : lt_fail(e, LT_ENOMEM, "ONNX model: out of memory");
}

void lt_om_release(struct lt_om *m) {
    lt_arena_free(m->arena);
    lt_free(m->node);
    lt_free(m->init);
    *m = (struct lt_om){0};
}

void *lt_om_alloc(struct lt_om *m, size_t n) {
    void *p = m->nomem ? NULL : lt_arena_alloc(m->arena, n ? n : 1);
    if (!p) m->nomem = true;
    return p;
}

char *lt_om_name(struct lt_om *m, const char *a, const char *b) {
    size_t na = strlen(a), nb = strlen(b);
    char *s = lt_om_alloc(m, na + nb + 1);
    if (s) {
        memcpy(s, a, na);
        memcpy(s + na, b, nb);
    }
    return s;
}

/* One more pointer in a list; NULL p (memory exhausted before) is passed over. */
static bool push(struct lt_om *m, void *list, size_t *n, size_t *cap, void *p) {
    void ***v = list;
    if (!p) return false;
    if (*n == *cap) {
        size_t more = *cap ? 2 * *cap : 64;
        void **grown = lt_realloc(*v, more * sizeof(**v));
        if (!grown) {
            m->nomem = true;
            return false;
        }
        *v = grown;
        *cap = more;
    }
    (*v)[(*n)++] = p;
    return true;
}

char *lt_om_node(struct lt_om *m, const char *op, const char *name, const char *output, ...) {
    Onnx__NodeProto *p = lt_om_alloc(m, sizeof(*p));
    const char *in;
    size_t n = 0;
    va_list ap;
    if (!p) return NULL;
    onnx__node_proto__init(p);
    va_start(ap, output);
    while (va_arg(ap, const char *)) n++;
    va_end(ap);
    p->name = lt_om_name(m, name, "");
    p->op_type = lt_om_name(m, op, "");
    p->input = lt_om_alloc(m, n * sizeof(*p->input));
    p->output = lt_om_alloc(m, sizeof(*p->output));
    if (!p->input || !p->output) return NULL;
    va_start(ap, output);
    while ((in = va_arg(ap, const char *))) p->input[p->n_input++] = lt_om_name(m, in, "");
    va_end(ap);
    p->output[p->n_output++] = lt_om_name(m, output, "");
    if (m->nomem || !push(m, &m->node, &m->n_nodes, &m->cap_nodes, p)) return NULL;
    return p->output[0];
}

/* The newest node's new attribute, or NULL. A node has few of them, so the list is copied each time. */
static Onnx__AttributeProto *attr(struct lt_om *m, const char *name, Onnx__AttributeProto__AttributeType type) {
    Onnx__AttributeProto *a = lt_om_alloc(m, sizeof(*a)), **list;
    if (!a || !m->n_nodes) return NULL;
    Onnx__NodeProto *p = m->node[m->n_nodes - 1];
    if (!(list = lt_om_alloc(m, (p->n_attribute + 1) * sizeof(*list)))) return NULL;
    onnx__attribute_proto__init(a);
    a->name = lt_om_name(m, name, "");
    a->has_type = 1;
    a->type = type;
    if (p->n_attribute) memcpy(list, p->attribute, p->n_attribute * sizeof(*list));
    list[p->n_attribute++] = a;
    p->attribute = list;
    return a;
}

void lt_om_attr_int(struct lt_om *m, const char *name, int64_t v) {
    Onnx__AttributeProto *a = attr(m, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (a) {
        a->has_i = 1;
        a->i = v;
    }
}

void lt_om_attr_ints(struct lt_om *m, const char *name, const int64_t *v, size_t n) {
    Onnx__AttributeProto *a = attr(m, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    if (a && (a->ints = lt_om_alloc(m, n * sizeof(*v)))) {
        memcpy(a->ints, v, n * sizeof(*v));
        a->n_ints = n;
    }
}

void lt_om_attr_float(struct lt_om *m, const char *name, float v) {
    Onnx__AttributeProto *a = attr(m, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (a) {
        a->has_f = 1;
        a->f = v;
    }
}

/* Registers a constant and returns its raw bytes to fill, count * size of them. */
static uint8_t *constant(struct lt_om *m, const char *name, int type, size_t size, const int64_t *dim, int n_dims,
                         size_t *count) {
    Onnx__TensorProto *t = lt_om_alloc(m, sizeof(*t));
    if (!t) return NULL;
    onnx__tensor_proto__init(t);
    *count = 1;
    for (int i = 0; i < n_dims; i++) *count *= (size_t)dim[i];
    t->name = lt_om_name(m, name, "");
    t->has_data_type = 1;
    t->data_type = type;
    if (n_dims && (t->dims = lt_om_alloc(m, (size_t)n_dims * sizeof(*dim)))) {
        memcpy(t->dims, dim, (size_t)n_dims * sizeof(*dim));
        t->n_dims = (size_t)n_dims;
    }
    t->has_raw_data = 1;
    t->raw_data.len = *count * size;
    t->raw_data.data = lt_om_alloc(m, t->raw_data.len);
    if (m->nomem || !push(m, &m->init, &m->n_inits, &m->cap_inits, t)) return NULL;
    return t->raw_data.data;
}

static void put_le(uint8_t *p, uint64_t v, int n) {
    for (int i = 0; i < n; i++) p[i] = (uint8_t)(v >> (8 * i));
}

void lt_om_f32(struct lt_om *m, const char *name, const float *v, const int64_t *dim, int n_dims) {
    size_t n;
    uint8_t *p = constant(m, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 4, dim, n_dims, &n);
    for (size_t i = 0; p && i < n; i++) {
        uint32_t u;
        memcpy(&u, v + i, 4);
        put_le(p + 4 * i, u, 4);
    }
}

void lt_om_i32(struct lt_om *m, const char *name, const int32_t *v, const int64_t *dim, int n_dims) {
    size_t n;
    uint8_t *p = constant(m, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT32, 4, dim, n_dims, &n);
    for (size_t i = 0; p && i < n; i++) put_le(p + 4 * i, (uint32_t)v[i], 4);
}

void lt_om_i64(struct lt_om *m, const char *name, const int64_t *v, const int64_t *dim, int n_dims) {
    size_t n;
    uint8_t *p = constant(m, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 8, dim, n_dims, &n);
    for (size_t i = 0; p && i < n; i++) put_le(p + 8 * i, (uint64_t)v[i], 8);
}

void lt_om_bytes(struct lt_om *m, const char *name, int onnx_type, const void *v, const int64_t *dim, int n_dims) {
    size_t n;
    uint8_t *p = constant(m, name, onnx_type, 1, dim, n_dims, &n);
    if (p) memcpy(p, v, n);
}

Onnx__ValueInfoProto *lt_om_value(struct lt_om *m, const char *name, const int64_t *dim, int n_dims) {
    Onnx__ValueInfoProto *v = lt_om_alloc(m, sizeof(*v));
    Onnx__TypeProto *type = lt_om_alloc(m, sizeof(*type));
    Onnx__TypeProto__Tensor *t = lt_om_alloc(m, sizeof(*t));
    Onnx__TensorShapeProto *shape = lt_om_alloc(m, sizeof(*shape));
    Onnx__TensorShapeProto__Dimension *d = lt_om_alloc(m, (size_t)n_dims * sizeof(*d)),
                                      **list = lt_om_alloc(m, (size_t)n_dims * sizeof(*list));
    if (!v || !type || !t || !shape || !d || !list) return NULL;
    onnx__value_info_proto__init(v);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(t);
    onnx__tensor_shape_proto__init(shape);
    for (int i = 0; i < n_dims; i++) {
        onnx__tensor_shape_proto__dimension__init(&d[i]);
        list[i] = &d[i];
        if (dim[i] < 0) {
            d[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            d[i].dim_param = lt_om_name(m, "N", "");
        } else {
            d[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            d[i].dim_value = dim[i];
        }
    }
    shape->dim = list;
    shape->n_dim = (size_t)n_dims;
    t->has_elem_type = 1;
    t->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    t->shape = shape;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = t;
    v->name = lt_om_name(m, name, "");
    v->type = type;
    return v;
}

lt_status lt_om_pack(struct lt_om *m, const struct lt_om_about *a, Onnx__ValueInfoProto *in,
                     Onnx__ValueInfoProto *out_value, struct lt_buf *out, struct lt_err *e) {
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets[] = {&opset};
    Onnx__StringStringEntryProto *meta = lt_om_alloc(m, (size_t)a->n_meta * sizeof(*meta)),
                                 **metas = lt_om_alloc(m, (size_t)a->n_meta * sizeof(*metas));
    uint8_t *bytes;
    size_t n;
    for (int i = 0; meta && metas && i < a->n_meta; i++) {
        onnx__string_string_entry_proto__init(&meta[i]);
        meta[i].key = lt_om_name(m, a->meta[i][0], "");
        meta[i].value = lt_om_name(m, a->meta[i][1], "");
        metas[i] = &meta[i];
    }
    graph.name = lt_om_name(m, a->graph_name, "");
    model.producer_version = lt_om_name(m, a->version, "");
    model.doc_string = a->note ? lt_om_name(m, a->note, "") : NULL;
    if (m->nomem) return lt_fail(e, LT_ENOMEM, "ONNX model %s: out of memory", a->graph_name);
    opset.domain = (char[]){""};
    opset.has_version = 1;
    opset.version = a->opset;
    graph.node = m->node;
    graph.n_node = m->n_nodes;
    graph.initializer = m->init;
    graph.n_initializer = m->n_inits;
    graph.input = &in;
    graph.n_input = 1;
    graph.output = &out_value;
    graph.n_output = 1;
    model.has_ir_version = 1;
    model.ir_version = a->ir_version;
    model.producer_name = (char[]){"lathe"};
    model.graph = &graph;
    model.opset_import = opsets;
    model.n_opset_import = 1;
    model.metadata_props = metas;
    model.n_metadata_props = (size_t)a->n_meta;
    n = onnx__model_proto__get_packed_size(&model);
    if (n > INT32_MAX) /* protobuf's own limit of one message */
        return lt_fail(e, LT_EINVAL, "ONNX model %s: %zu bytes are more than the 2 GiB that the format allows",
                       a->graph_name, n);
    if (!(bytes = lt_malloc(n))) return lt_fail(e, LT_ENOMEM, "ONNX model %s: out of memory", a->graph_name);
    onnx__model_proto__pack(&model, bytes);
    lt_buf_add(out, bytes, n);
    lt_free(bytes);
    return lt_buf_ok(out, e);
}
#else
typedef int lt_onnx_model_not_built; /* ISO C wants something in a file */
#endif
