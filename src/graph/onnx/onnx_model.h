/*
 * An ONNX model under construction: protobuf-c messages in one arena, with lists that grow. The first failure sticks
 * and is reported by lt_om_pack; after it everything else is harmless. Private to src/graph/onnx.
 */
#ifndef LT_GRAPH_ONNX_MODEL_H
#define LT_GRAPH_ONNX_MODEL_H
#include "lathe/buf.h"
#include "lathe/mem.h"
#include "src/graph/onnx/onnx.pb-c.h"

struct lt_om {
    struct lt_arena *arena;
    Onnx__NodeProto **node;
    Onnx__TensorProto **init;
    size_t n_nodes, cap_nodes, n_inits, cap_inits;
    bool nomem;
};
lt_status lt_om_init(struct lt_om *m, struct lt_err *e);
void lt_om_release(struct lt_om *m);

void *lt_om_alloc(struct lt_om *m, size_t n);                    /* zeroed, dies with the model; NULL sets nomem */
char *lt_om_name(struct lt_om *m, const char *a, const char *b); /* a followed by b */

/* A node with one output; inputs are given as a NULL-terminated list. Returns the output's name as stored. Attributes
 * are added to the newest node. */
char *lt_om_node(struct lt_om *m, const char *op, const char *name, const char *output, ...) __attribute__((sentinel));
void lt_om_attr_int(struct lt_om *m, const char *name, int64_t v);
void lt_om_attr_ints(struct lt_om *m, const char *name, const int64_t *v, size_t n);
void lt_om_attr_float(struct lt_om *m, const char *name, float v);

/* Constants; values are copied into raw_data (little-endian). dims NULL = scalar. */
void lt_om_f32(struct lt_om *m, const char *name, const float *v, const int64_t *dim, int n_dims);
void lt_om_i32(struct lt_om *m, const char *name, const int32_t *v, const int64_t *dim, int n_dims);
void lt_om_i64(struct lt_om *m, const char *name, const int64_t *v, const int64_t *dim, int n_dims);
void lt_om_bytes(struct lt_om *m, const char *name, int onnx_type, const void *v, const int64_t *dim,
                 int n_dims); /* INT8, UINT8 */

/* Float tensor of the model's interface; dim -1 is written as the symbol "N". */
Onnx__ValueInfoProto *lt_om_value(struct lt_om *m, const char *name, const int64_t *dim, int n_dims);
struct lt_om_about {
    const char *graph_name, *version, *note;
    const char *const (*meta)[2];
    int n_meta;
    int64_t opset, ir_version;
};
lt_status lt_om_pack(struct lt_om *m, const struct lt_om_about *a, Onnx__ValueInfoProto *in,
                     Onnx__ValueInfoProto *out_value, struct lt_buf *out, struct lt_err *e);
#endif
