/*
 * What the rest of src/runtime sees of oneDNN: no type of its own appears here. Builds with LT_WITH_DNNL only.
 */
#ifndef LT_RUNTIME_DNNL_UTIL_H
#define LT_RUNTIME_DNNL_UTIL_H
#include "runtime/session_priv.h"

extern const struct lt_dense lt_dense_dnnl; /* conv_train.c */
void lt_gemm_dnnl(const struct lt_gemm *g);
void lt_dnnl_use_threads(int n);           /* of this thread */
void lt_dnnl_describe(struct lt_buf *out); /* "oneDNN 2.6.3 avx512_core_vnni" */
#endif
