/*
 * The vector tables, one per instruction set; kernels.c alone decides which may run. Narrower ones serve wider ones for few channels.
 */
#ifndef LT_RUNTIME_KERNELS_TABLES_H
#define LT_RUNTIME_KERNELS_TABLES_H
#include "runtime/kernels/kernels.h"
extern const struct lt_kernels lt_kernels_generic_table;
#if defined(__x86_64__)
extern const struct lt_kernels lt_kernels_avx2_table, lt_kernels_avx512_table;
#endif
#endif
