/*
 * Kernels with the compiler's own 4-wide vectors: SSE2 on x86-64, NEON on aarch64, whatever there is elsewhere.
 */
#include "runtime/kernels/tables.h"
#define LT_VL 4
#define LT_NARROWER lt_kernels_reference()
#define LT_TABLE lt_kernels_generic_table
#define LT_TABLE_NAME "generic"
#include "runtime/kernels/table_impl.h"
