/*
 * Which kernels this CPU runs, and what all of them share: parameter layouts.
 */
#include "runtime/kernels/tables.h"
#include <math.h>
#include <string.h>

/* i-th vector table, fastest first; NULL where the CPU lacks it. */
#define N_TABLES 3
static const struct lt_kernels *table_at(int i)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (i == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &lt_kernels_avx512_table : NULL;
    if (i == 1)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &lt_kernels_avx2_table : NULL;
#endif
    return i == N_TABLES - 1 ? &lt_kernels_generic_table : NULL;
}

const struct lt_kernels *lt_kernels_best(void)
{
    for (int i = 0; i < N_TABLES; i++)
        if (table_at(i))
            return table_at(i);
    return lt_kernels_reference();
}

const struct lt_kernels *lt_kernels_named(const char *name)
{
    if (!strcmp(name, lt_kernels_reference()->name))
        return lt_kernels_reference();
    for (int i = 0; i < N_TABLES; i++)
        if (table_at(i) && !strcmp(name, table_at(i)->name))
            return table_at(i);
    return NULL;
}

void lt_dw_pack(const float *w, int c, int kernel, float *packed)
{
    const int kk = kernel * kernel;
    for (int64_t ch = 0; ch < c; ch++)
        for (int64_t t = 0; t < kk; t++)
            packed[t * c + ch] = w[ch * kk + t];
}

void lt_dw_unpack_add(const float *gp, int c, int kernel, float *grad)
{
    const int kk = kernel * kernel;
    for (int64_t ch = 0; ch < c; ch++)
        for (int64_t t = 0; t < kk; t++)
            grad[ch * kk + t] += gp[t * c + ch];
}

void lt_bn_rstd(const float *var, int c, float eps, float *rstd)
{
    for (int i = 0; i < c; i++)
        rstd[i] = (float)(1 / sqrt((double)var[i] + eps));
}
