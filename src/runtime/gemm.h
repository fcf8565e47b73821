/* Matrix products of libraries. Private to src/runtime. */
#ifndef LT_RUNTIME_GEMM_H
#define LT_RUNTIME_GEMM_H
#include "runtime/kernels/kernels.h"

void lt_gemm_cblas(const struct lt_gemm *g);     /* builds with CBLAS and without oneDNN */
#endif
