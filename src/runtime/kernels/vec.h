/*
 * One vector of floats, as wide as LT_VL says (16: AVX-512, 8: AVX2 with FMA, 4: GCC vectors for any machine), and the operations that the
 * *_impl.h files need. Included by one kernels_<isa>.c each, after the compiler was told the instruction set. a + b, a - b, a * b, a / b work on vf.
 */
#ifndef LT_RUNTIME_KERNELS_VEC_H
#define LT_RUNTIME_KERNELS_VEC_H
#include "lathe/graph.h"
#include <string.h>
#if LT_VL > 4
#include <immintrin.h>
#endif

/* Unrolled vector code is not for the undefined-behaviour sanitizer (a check at every load makes it slow to compile); the address sanitizer and
 * the functions around it are. */
#define LT_INLINE static inline __attribute__((always_inline, no_sanitize("undefined")))

typedef float vf __attribute__((vector_size(LT_VL * 4)));

#if LT_VL == 16
#define LT_MAX_BLOCK 14                                  /* accumulators of a depthwise row block: 32 registers */
LT_INLINE vf v_load(const float *p) { return _mm512_loadu_ps(p); }
LT_INLINE void v_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
LT_INLINE vf v_set(float a) { return _mm512_set1_ps(a); }
LT_INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
LT_INLINE vf v_above(vf x, vf lo) { return _mm512_max_ps(lo, x); }
LT_INLINE vf v_below(vf x, vf hi) { return _mm512_min_ps(hi, x); }
LT_INLINE vf v_gt(vf a, vf b, vf yes, vf no) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), no, yes); }
LT_INLINE vf v_eq(vf a, vf b, vf yes, vf no) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), no, yes); }
LT_INLINE vf v_loadn(const float *p, int n) { return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
LT_INLINE void v_storen(float *p, vf v, int n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v); }
#elif LT_VL == 8
#define LT_MAX_BLOCK 7                                   /* 16 registers */
LT_INLINE vf v_load(const float *p) { return _mm256_loadu_ps(p); }
LT_INLINE void v_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
LT_INLINE vf v_set(float a) { return _mm256_set1_ps(a); }
LT_INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
LT_INLINE vf v_above(vf x, vf lo) { return _mm256_max_ps(lo, x); }
LT_INLINE vf v_below(vf x, vf hi) { return _mm256_min_ps(hi, x); }
LT_INLINE vf v_gt(vf a, vf b, vf yes, vf no) { return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_GT_OQ)); }
LT_INLINE vf v_eq(vf a, vf b, vf yes, vf no) { return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_EQ_OQ)); }
LT_INLINE __m256i v_mask(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
LT_INLINE vf v_loadn(const float *p, int n) { return _mm256_maskload_ps(p, v_mask(n)); }
LT_INLINE void v_storen(float *p, vf v, int n) { _mm256_maskstore_ps(p, v_mask(n), v); }
#else
typedef float vf_unaligned __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t vi_cmp __attribute__((vector_size(16)));
#if defined(__aarch64__)
#define LT_MAX_BLOCK 14
#else
#define LT_MAX_BLOCK 7
#endif
LT_INLINE vf v_load(const float *p) { return *(const vf_unaligned *)p; }
LT_INLINE void v_store(float *p, vf v) { *(vf_unaligned *)p = v; }
LT_INLINE vf v_set(float a) { return (vf){a, a, a, a}; }
LT_INLINE vf v_fma(vf a, vf b, vf c) { return a * b + c; }
LT_INLINE vf v_select(vi_cmp m, vf yes, vf no) { return (vf)(((vi_cmp)yes & m) | ((vi_cmp)no & ~m)); }
LT_INLINE vf v_above(vf x, vf lo) { return v_select(x < lo, lo, x); }
LT_INLINE vf v_below(vf x, vf hi) { return v_select(x > hi, hi, x); }
LT_INLINE vf v_gt(vf a, vf b, vf yes, vf no) { return v_select(a > b, yes, no); }
LT_INLINE vf v_eq(vf a, vf b, vf yes, vf no) { return v_select(a == b, yes, no); }
LT_INLINE vf v_loadn(const float *p, int n)
{
    return (vf){n > 0 ? p[0] : 0, n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, n > 3 ? p[3] : 0};
}
LT_INLINE void v_storen(float *p, vf v, int n)
{
    for (int i = 0; i < n && i < 4; i++)
        p[i] = v[i];
}
#endif
/* v_above and v_below clamp and let NaN through. v_gt: a > b ? yes : no by element. v_loadn and v_storen touch the first n < LT_VL elements
 * only; the others are zero. */

/* Keeps v in a register where a compiler would otherwise load it again for every use, as a memory operand: with 16-wide vectors there is one
 * load a cycle. Not with 16 registers, which are all in use already. */
#if LT_VL == 16
#define V_PIN(v) __asm__("" : "+v"(v))
#elif defined(__aarch64__)
#define V_PIN(v) __asm__("" : "+w"(v))
#else
#define V_PIN(v) ((void)0)
#endif

typedef int32_t vi __attribute__((vector_size(LT_VL * 4)));
typedef uint8_t vb __attribute__((vector_size(LT_VL)));

/* The low byte of each element. Written out: from __builtin_convertvector GCC 12 makes an extraction for every element with AVX2. */
#if LT_VL == 16
LT_INLINE vb v_bytes(vi a) { return (vb)_mm512_cvtepi32_epi8((__m512i)a); }
#elif LT_VL == 8
LT_INLINE vb v_bytes(vi a)
{
    __m256i low = _mm256_and_si256((__m256i)a, _mm256_set1_epi32(255));   /* then nothing saturates below */
    __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)), all = _mm_packus_epi16(half, half);
    vb b;
    memcpy(&b, &all, sizeof(b));
    return b;
}
#else
LT_INLINE vb v_bytes(vi a) { return __builtin_convertvector(a & 255, vb); }
#endif

/* n == LT_VL is a constant in every full-vector caller, so these cost nothing there. */
LT_INLINE vf v_get(const float *p, int n) { return n == LT_VL ? v_load(p) : v_loadn(p, n); }
LT_INLINE void v_put(float *p, vf v, int n)
{
    if (n == LT_VL)
        v_store(p, v);
    else
        v_storen(p, v, n);
}

/* Adding 1.5 * 2^23 rounds half to even and leaves the integer in the low bits: |x| < 2^22. */
#define LT_ROUND_MAGIC 12582912.0f
#define LT_ROUND_BITS 0x4B400000
LT_INLINE vi v_to_int(vf x) { return (vi)(x + v_set(LT_ROUND_MAGIC)) - LT_ROUND_BITS; }

/* e^x: range reduction by ln 2 in two parts, Taylor to degree 7 on |r| <= ln2/2 (remainder 5e-9), scaled by exponent bits.
 * Saturates at the ends of the normal range; NaN stays NaN. */
LT_INLINE vf v_exp(vf x)
{
    x = v_below(v_above(x, v_set(-87.0f)), v_set(88.0f));
    vf t = x * v_set(1.44269504f) + v_set(LT_ROUND_MAGIC), k = t - v_set(LT_ROUND_MAGIC);
    vf r = v_fma(k, v_set(-0.693145752f), x);            /* the first part has 12 trailing zero bits: k * part is exact */
    r = v_fma(k, v_set(-1.42860677e-6f), r);
    vf p = v_set(1.0f / 5040);
    p = v_fma(p, r, v_set(1.0f / 720));
    p = v_fma(p, r, v_set(1.0f / 120));
    p = v_fma(p, r, v_set(1.0f / 24));
    p = v_fma(p, r, v_set(1.0f / 6));
    p = v_fma(p, r, v_set(0.5f));
    p = v_fma(p, r, v_set(1.0f));
    p = v_fma(p, r, v_set(1.0f));
    return p * (vf)((((vi)t - LT_ROUND_BITS) + 127) << 23);
}

LT_INLINE vf v_sigmoid(vf x) { return v_set(1) / (v_set(1) + v_exp(v_set(0) - x)); }
LT_INLINE vf v_tanh(vf x) { return v_set(1) - v_set(2) / (v_exp(x + x) + v_set(1)); }    /* absolute, not relative accuracy near 0 */

LT_INLINE vf v_abs(vf x) { return (vf)((vi)x & 0x7fffffff); }

/* Phi(x), the normal distribution: half the complementary error function, 7.1.26 of Abramowitz and Stegun; error below 1e-7. */
LT_INLINE vf v_phi(vf x)
{
    vf a = v_abs(x) * v_set(0.70710678f), t = v_set(1) / v_fma(a, v_set(0.3275911f), v_set(1));
    vf p = v_set(1.061405429f);
    p = v_fma(p, t, v_set(-1.453152027f));
    p = v_fma(p, t, v_set(1.421413741f));
    p = v_fma(p, t, v_set(-0.284496736f));
    p = v_fma(p, t, v_set(0.254829592f));
    vf tail = p * t * v_exp(v_set(0) - a * a) * v_set(0.5f);
    return v_gt(x, v_set(0), v_set(1) - tail, tail);
}

/* act is a constant where these are inlined. */
LT_INLINE vf v_act(const int act, vf x)
{
    const vf zero = v_set(0), six = v_set(6), sixth = v_set(1.0f / 6);
    switch (act) {
    case LT_ACT_RELU: return v_above(x, zero);
    case LT_ACT_RELU6: return v_below(v_above(x, zero), six);
    case LT_ACT_HSWISH: return x * v_below(v_above(x + v_set(3), zero), six) * sixth;
    case LT_ACT_HSIGMOID: return v_below(v_above(x + v_set(3), zero), six) * sixth;
    case LT_ACT_SIGMOID: return v_sigmoid(x);
    case LT_ACT_SILU: return x * v_sigmoid(x);
    case LT_ACT_TANH: return v_tanh(x);
    case LT_ACT_GELU: return x * v_phi(x);
    default: return x;
    }
}

/* dy * act'(x), x before the activation. At a kink the derivative is that of the flat side. */
LT_INLINE vf v_act_grad(const int act, vf x, vf dy)
{
    const vf zero = v_set(0), one = v_set(1), three = v_set(3);
    vf s;
    switch (act) {
    case LT_ACT_RELU: return v_gt(x, zero, dy, zero);
    case LT_ACT_RELU6: return v_gt(x, zero, v_gt(v_set(6), x, dy, zero), zero);
    case LT_ACT_HSWISH:
        s = v_fma(x, v_set(1.0f / 3), v_set(0.5f));
        return dy * v_gt(x, zero - three, v_gt(three, x, s, one), zero);
    case LT_ACT_HSIGMOID: return v_gt(x, zero - three, v_gt(three, x, dy * v_set(1.0f / 6), zero), zero);
    case LT_ACT_SIGMOID: s = v_sigmoid(x); return dy * s * (one - s);
    case LT_ACT_SILU: s = v_sigmoid(x); return dy * s * v_fma(x, one - s, one);
    case LT_ACT_TANH: s = v_tanh(x); return dy * (one - s * s);
    case LT_ACT_GELU: return dy * v_fma(x * v_set(0.39894228f), v_exp(v_set(-0.5f) * x * x), v_phi(x));
    default: return dy;
    }
}

/* Calls f(args..., act) with act a compile-time constant. */
#define LT_BY_ACT(act, f, ...) \
    switch (act) { \
    case LT_ACT_RELU: f(__VA_ARGS__, LT_ACT_RELU); break; \
    case LT_ACT_RELU6: f(__VA_ARGS__, LT_ACT_RELU6); break; \
    case LT_ACT_HSWISH: f(__VA_ARGS__, LT_ACT_HSWISH); break; \
    case LT_ACT_HSIGMOID: f(__VA_ARGS__, LT_ACT_HSIGMOID); break; \
    case LT_ACT_SIGMOID: f(__VA_ARGS__, LT_ACT_SIGMOID); break; \
    case LT_ACT_SILU: f(__VA_ARGS__, LT_ACT_SILU); break; \
    case LT_ACT_TANH: f(__VA_ARGS__, LT_ACT_TANH); break; \
    case LT_ACT_GELU: f(__VA_ARGS__, LT_ACT_GELU); break; \
    default: f(__VA_ARGS__, LT_ACT_NONE); break; \
    }
#endif
