/*
 * What computes here, for provenance: library versions, instruction sets, the processor's name.
 */
#include "config.h"
#include "lathe/runtime.h"
#include "runtime/gemm.h"
#include "runtime/kernels/kernels.h"
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif
#if LT_WITH_DNNL
#include "runtime/onednn/dnnl_util.h"
#endif

#define MAX_MODEL 128
/* Thread-local so that callers need no buffer and threads no lock. */
static _Thread_local char model[MAX_MODEL];

const char *lt_runtime_cpu_model(void) {
    char line[512];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(model, sizeof(model), "unknown");
    while (f && fgets(line, sizeof(line), f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) || !colon) continue;
        colon += 1 + strspn(colon + 1, " \t");
        colon[strcspn(colon, "\n")] = 0;
        snprintf(model, sizeof(model), "%.*s", MAX_MODEL - 1, colon);
        break;
    }
    if (f) fclose(f);
    return model;
}

bool lt_runtime_has_vnni(void) {
#if defined(__x86_64__) || defined(__i386__)
    unsigned a, b, c, d, lo, hi;
    bool avx512 = false, avx = false;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return false;
    __asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0)); /* which registers the system saves: bits 1-2 AVX, 5-7 AVX-512 */
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) avx512 = (c & 1u << 11) && (lo & 0xe6) == 0xe6;
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) avx = (a & 1u << 4) && (lo & 6) == 6;
    return avx512 || avx;
#else
    return true; /* elsewhere nothing here adds products in 16 bits */
#endif
}

void lt_runtime_describe(struct lt_buf *out) {
#if LT_WITH_DNNL
    lt_dnnl_describe(out);
    lt_buf_puts(out, "; ");
#endif
    lt_buf_printf(out, "kernels %s; matrix products %s", lt_kernels_best()->name, lt_gemm_best_name());
}
