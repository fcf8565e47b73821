/*
 * Kernels for x86-64 with AVX-512 F, VL, DQ and BW. The pragmas stand for compiler flags, so that this file builds like any other.
 */
#include "runtime/kernels/tables.h"
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")
#endif
#define LT_VL 16
#define LT_NARROWER (&lt_kernels_avx2_table)
#define LT_TABLE lt_kernels_avx512_table
#define LT_TABLE_NAME "avx512"
#include "runtime/kernels/table_impl.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int lt_kernels_avx512_not_here;                    /* ISO C wants a declaration */
#endif
