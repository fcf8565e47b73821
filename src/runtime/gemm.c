/*
 * Matrix products of libraries behind lt_gemm_fn, and the number of threads that libraries below us compute with.
 */
#include "config.h"
#include "runtime/gemm.h"
#include "runtime/session_priv.h"
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if LT_WITH_DNNL
#include "runtime/onednn/dnnl_util.h"
#elif LT_WITH_CBLAS
#include <cblas.h>
#endif

#if LT_WITH_CBLAS && !LT_WITH_DNNL
static void gemm_cblas(const struct lt_gemm *g) {
    cblas_sgemm(CblasRowMajor, g->ta ? CblasTrans : CblasNoTrans, g->tb ? CblasTrans : CblasNoTrans, g->m, g->n, g->k,
                1, g->a, g->lda, g->b, g->ldb, g->accumulate, g->c, g->ldc);
}

/* OpenBLAS has one number of threads for the whole process, and another BLAS may have none: then this is absent. */
extern void openblas_set_num_threads(int n) __attribute__((weak));
extern int openblas_get_num_threads(void) __attribute__((weak));
#endif

/* AMD family 19h with AVX-512 (Zen 4): a 512-bit operation takes two cycles, so partly used columns cost what they
 * would in full. */
static bool halves_512(void) {
#if defined(__x86_64__)
    unsigned a, b, c, d;
    if (!__get_cpuid(0, &a, &b, &c, &d) || b != signature_AMD_ebx || !__get_cpuid(1, &a, &b, &c, &d)) return false;
    return (a >> 8 & 0xf) + (a >> 20 & 0xff) == 0x19 && !strcmp(lt_kernels_best()->name, "avx512");
#else
    return false;
#endif
}

static lt_gemm_fn library(void) {
#if LT_WITH_DNNL
    return lt_gemm_dnnl;
#elif LT_WITH_CBLAS
    return gemm_cblas;
#else
    return lt_kernels_best()->gemm;
#endif
}

/*
 * The library's, but where 512-bit operations are halved: there our AVX2 product is faster for rows times weights
 * (batch 32, GFLOP/s: 96 to 24 channels 98, oneDNN 80; 24 to 96 112, oneDNN 100), not for weight gradients. A choice by
 * processor, never by timing, so that one machine always gives the same bits.
 */
static void gemm_mixed(const struct lt_gemm *g) {
    if (g->ta)
        library()(g);
    else
        lt_kernels_named("avx2")->gemm(g);
}

lt_gemm_fn lt_gemm_best(void) { return halves_512() ? gemm_mixed : library(); }

const char *lt_gemm_best_name(void) {
    const char *name = LT_WITH_DNNL ? "oneDNN" : LT_WITH_CBLAS ? "CBLAS" : "own";
    if (!halves_512()) return name;
    return LT_WITH_DNNL ? "own avx2, oneDNN" : LT_WITH_CBLAS ? "own avx2, CBLAS" : "own avx2, avx512";
}

void lt_runtime_use_threads(int n) {
#if LT_WITH_DNNL
    lt_dnnl_use_threads(n);
#elif LT_WITH_CBLAS
    (void)n; /* one, always: no thread may change the results of another */
    if (openblas_set_num_threads && openblas_get_num_threads && openblas_get_num_threads() != 1)
        openblas_set_num_threads(1);
#else
    (void)n;
#endif
}
