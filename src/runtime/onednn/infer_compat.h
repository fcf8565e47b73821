/*
 * What inference needs of oneDNN beyond dnnl_compat.h, for 2.x and 3.x: 3.x has no scale of a post-operation and no
 * constant scales and zero points (they are arguments of the primitive), and adds the bias after scaling.
 */
#ifndef LT_RUNTIME_INFER_COMPAT_H
#define LT_RUNTIME_INFER_COMPAT_H
#include "runtime/onednn/dnnl_compat.h"
#include <stdbool.h>

#if DNNL_VERSION_MAJOR < 3
#define LT_INT8_BIAS dnnl_s32 /* in accumulator steps, added before scaling */

static inline dnnl_status_t lt_post_eltwise(dnnl_post_ops_t po, float factor, dnnl_alg_kind_t alg, float alpha,
                                            float beta) {
    return dnnl_post_ops_append_eltwise(po, factor, alg, alpha, beta);
}

/* scale [oc]; a signed tensor is stored as u8 with zero point 128. */
static inline dnnl_status_t lt_attr_int8(dnnl_primitive_attr_t a, int oc, bool grouped, const float *scale,
                                         bool src_signed, bool dst_signed) {
    const int32_t zp = 128;
    dnnl_status_t r = dnnl_primitive_attr_set_output_scales(a, oc, 1 << 1, scale);
    (void)grouped;
    if (!r && src_signed) r = dnnl_primitive_attr_set_zero_points(a, DNNL_ARG_SRC, 1, 0, &zp);
    if (!r && dst_signed) r = dnnl_primitive_attr_set_zero_points(a, DNNL_ARG_DST, 1, 0, &zp);
    return r;
}

static inline dnnl_status_t lt_infer_conv_pd(dnnl_primitive_desc_t *out, dnnl_engine_t engine, lt_md_ref src,
                                             lt_md_ref wei, lt_md_ref bias, lt_md_ref dst, const dnnl_dims_t stride,
                                             const dnnl_dims_t dilate, const dnnl_dims_t pad,
                                             const_dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t d;
    dnnl_status_t r = dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_inference, dnnl_convolution_direct,
                                                                 src, wei, bias, dst, stride, dilate, pad, pad);
    return r ? r : dnnl_primitive_desc_create(out, &d, attr, engine, NULL);
}
#else
#define LT_INT8_BIAS dnnl_f32 /* in result units, added after scaling */

static inline dnnl_status_t lt_post_eltwise(dnnl_post_ops_t po, float factor, dnnl_alg_kind_t alg, float alpha,
                                            float beta) {
    dnnl_status_t r = dnnl_post_ops_append_eltwise(po, alg, alpha, beta);
    return r || factor == 1 ? r : dnnl_post_ops_append_eltwise(po, dnnl_eltwise_linear, factor, 0);
}

static inline dnnl_status_t lt_attr_int8(dnnl_primitive_attr_t a, int oc, bool grouped, const float *scale,
                                         bool src_signed, bool dst_signed) {
    dnnl_status_t r = dnnl_primitive_attr_set_scales_mask(a, DNNL_ARG_WEIGHTS, grouped ? 1 << 0 | 1 << 1 : 1 << 0);
    (void)oc;
    (void)scale;
    if (!r && src_signed) r = dnnl_primitive_attr_set_zero_points_mask(a, DNNL_ARG_SRC, 0);
    if (!r && dst_signed) r = dnnl_primitive_attr_set_zero_points_mask(a, DNNL_ARG_DST, 0);
    return r;
}

static inline dnnl_status_t lt_infer_conv_pd(dnnl_primitive_desc_t *out, dnnl_engine_t engine, lt_md_ref src,
                                             lt_md_ref wei, lt_md_ref bias, lt_md_ref dst, const dnnl_dims_t stride,
                                             const dnnl_dims_t dilate, const dnnl_dims_t pad,
                                             const_dnnl_primitive_attr_t attr) {
    return dnnl_convolution_forward_primitive_desc_create(out, engine, dnnl_forward_inference, dnnl_convolution_direct,
                                                          src, wei, bias, dst, stride, dilate, pad, pad, attr);
}
#endif
#endif
