/*
 * Kernels for x86-64 with AVX2 and FMA. The pragmas stand for compiler flags, so that this file builds like any other.
 */
#include "runtime/kernels/tables.h"
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define LT_VL 8
#define LT_NARROWER (&lt_kernels_generic_table)
#define LT_TABLE lt_kernels_avx2_table
#define LT_TABLE_NAME "avx2"
#include "runtime/kernels/table_impl.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int lt_kernels_avx2_not_here;                    /* ISO C wants a declaration */
#endif
