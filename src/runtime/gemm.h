/* Matrix products of libraries. Private to src/runtime. */
#ifndef LT_RUNTIME_GEMM_H
#define LT_RUNTIME_GEMM_H
#include "runtime/kernels/kernels.h"

lt_gemm_fn lt_gemm_best(void); /* for this build and this processor; always the same one there */
const char *lt_gemm_best_name(void);
#endif
