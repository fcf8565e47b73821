/*
 * oneDNN's matrix product, its version, and its threads.
 */
#include "runtime/onednn/dnnl_compat.h"
#include "runtime/onednn/dnnl_util.h"

void lt_gemm_dnnl(const struct lt_gemm *g) {
    /* It fails for want of memory only; ours needs none. */
    if (dnnl_sgemm(g->ta ? 'T' : 'N', g->tb ? 'T' : 'N', g->m, g->n, g->k, 1, g->a, g->lda, g->b, g->ldb, g->accumulate,
                   g->c, g->ldc))
        lt_kernels_best()->gemm(g);
}

/* Weak: oneDNN may have been built without OpenMP. The number belongs to the calling thread, not to the process. */
extern void omp_set_num_threads(int n) __attribute__((weak));
extern int omp_get_max_threads(void) __attribute__((weak));

void lt_dnnl_use_threads(int n) {
    if (omp_set_num_threads && omp_get_max_threads && omp_get_max_threads() != n) omp_set_num_threads(n);
}

void lt_dnnl_describe(struct lt_buf *out) {
    static const struct {
        dnnl_cpu_isa_t isa;
        const char *name;
    } names[] = {
        {dnnl_cpu_isa_sse41, "sse41"},
        {dnnl_cpu_isa_avx, "avx"},
        {dnnl_cpu_isa_avx2, "avx2"},
        {dnnl_cpu_isa_avx2_vnni, "avx2_vnni"},
        {dnnl_cpu_isa_avx512_core, "avx512_core"},
        {dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"},
        {dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"},
        {dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"},
    };
    const dnnl_version_t *v = dnnl_version();
    const char *name = "other instructions";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].isa == dnnl_get_effective_cpu_isa()) name = names[i].name;
    lt_buf_printf(out, "oneDNN %d.%d.%d %s", v->major, v->minor, v->patch, name);
}
