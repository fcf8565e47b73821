/*
 * A graph as an ONNX model (opset 13; QDQ where quantized, per-channel weights; batch norm folded; dynamic batch).
 * Every operator has a form: layer normalization, GELU and attention are written out in operators of that opset, causal
 * linear attention through all its scores (the result is the same, the cost is not).
 * Needs protobuf-c in the build.
 */
#ifndef LATHE_ONNX_H
#define LATHE_ONNX_H
#include "lathe/buf.h"
#include "lathe/graph.h"
#ifdef __cplusplus
extern "C" {
#endif
/* ONNX bytes; softmax not added: output "logits" [N,classes], input "image" [N,C,H,W]. LT_EUNAVAIL without protobuf-c.
 * plan NULL = f32. Deterministic bytes. */
lt_status lt_onnx_write(const struct lt_graph *folded, const struct lt_weights *w, const struct lt_plan *plan,
                        const char *producer_note, struct lt_buf *out, struct lt_err *e);
#ifdef __cplusplus
}
#endif
#endif
