/*
 * Matrix products of libraries behind lt_gemm_fn, and the number of threads that libraries below us compute with.
 */
#include "config.h"
#include "runtime/gemm.h"
#include "runtime/session_priv.h"
#if LT_WITH_DNNL
#include "runtime/onednn/dnnl_util.h"
#endif
#if LT_WITH_CBLAS && !LT_WITH_DNNL
#include <cblas.h>

void lt_gemm_cblas(const struct lt_gemm *g)
{
    cblas_sgemm(CblasRowMajor, g->ta ? CblasTrans : CblasNoTrans, g->tb ? CblasTrans : CblasNoTrans, g->m, g->n, g->k, 1, g->a, g->lda, g->b, g->ldb,
                g->accumulate, g->c, g->ldc);
}

/* OpenBLAS has one number of threads for the whole process, and another BLAS may have none: then this is absent. */
extern void openblas_set_num_threads(int n) __attribute__((weak));
extern int openblas_get_num_threads(void) __attribute__((weak));
#endif

void lt_runtime_use_threads(int n)
{
#if LT_WITH_DNNL
    lt_dnnl_use_threads(n);
#elif LT_WITH_CBLAS
    (void)n;                                             /* one, always: no thread may change the results of another */
    if (openblas_set_num_threads && openblas_get_num_threads && openblas_get_num_threads() != 1)
        openblas_set_num_threads(1);
#else
    (void)n;
#endif
}
