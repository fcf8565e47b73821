/*
 * oneDNN's C interface changed from 2.x to 3.x: memory descriptors became handles, operation descriptors disappeared.
 * What training needs of it is here in both forms, and nowhere else. lt_md owns a descriptor; lt_md_ref is how
 * functions that have the same name in both take and return one.
 */
#ifndef LT_RUNTIME_DNNL_COMPAT_H
#define LT_RUNTIME_DNNL_COMPAT_H
#include <oneapi/dnnl/dnnl.h>

enum lt_conv_pass { LT_CONV_FORWARD, LT_CONV_DATA, LT_CONV_WEIGHTS };

#if DNNL_VERSION_MAJOR < 3
typedef dnnl_memory_desc_t lt_md;
typedef const dnnl_memory_desc_t *lt_md_ref;

static inline dnnl_status_t lt_md_make(lt_md *md, int n, const dnnl_dims_t dims, dnnl_data_type_t type,
                                       dnnl_format_tag_t tag) {
    return dnnl_memory_desc_init_by_tag(md, n, dims, type, tag);
}

static inline void lt_md_release(lt_md *md) { (void)md; }

static inline lt_md_ref lt_md_of(const lt_md *md) { return md; }

static inline dnnl_status_t lt_post_sum(dnnl_post_ops_t po) { return dnnl_post_ops_append_sum(po, 1); }

/* hint: the forward descriptor, for the two backward passes. */
static inline dnnl_status_t lt_conv_pd(dnnl_primitive_desc_t *out, dnnl_engine_t engine, enum lt_conv_pass pass,
                                       lt_md_ref src, lt_md_ref wei, lt_md_ref dst, const dnnl_dims_t stride,
                                       const dnnl_dims_t pad_l, const dnnl_dims_t pad_r,
                                       const_dnnl_primitive_attr_t attr, const_dnnl_primitive_desc_t hint) {
    dnnl_convolution_desc_t d;
    dnnl_status_t r;
    if (pass == LT_CONV_FORWARD)
        r = dnnl_convolution_forward_desc_init(&d, dnnl_forward_training, dnnl_convolution_direct, src, wei, NULL, dst,
                                               stride, pad_l, pad_r);
    else if (pass == LT_CONV_DATA)
        r = dnnl_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, src, wei, dst, stride, pad_l, pad_r);
    else
        r = dnnl_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, src, wei, NULL, dst, stride, pad_l,
                                                        pad_r);
    return r ? r : dnnl_primitive_desc_create(out, &d, attr, engine, hint);
}
#else
typedef dnnl_memory_desc_t lt_md;
typedef const_dnnl_memory_desc_t lt_md_ref;

static inline dnnl_status_t lt_md_make(lt_md *md, int n, const dnnl_dims_t dims, dnnl_data_type_t type,
                                       dnnl_format_tag_t tag) {
    return dnnl_memory_desc_create_with_tag(md, n, dims, type, tag);
}

static inline void lt_md_release(lt_md *md) {
    if (*md) dnnl_memory_desc_destroy(*md);
}

static inline lt_md_ref lt_md_of(const lt_md *md) { return *md; }

static inline dnnl_status_t lt_post_sum(dnnl_post_ops_t po) {
    return dnnl_post_ops_append_sum(po, 1, 0, dnnl_data_type_undef);
}

static inline dnnl_status_t lt_conv_pd(dnnl_primitive_desc_t *out, dnnl_engine_t engine, enum lt_conv_pass pass,
                                       lt_md_ref src, lt_md_ref wei, lt_md_ref dst, const dnnl_dims_t stride,
                                       const dnnl_dims_t pad_l, const dnnl_dims_t pad_r,
                                       const_dnnl_primitive_attr_t attr, const_dnnl_primitive_desc_t hint) {
    const dnnl_dims_t dilate = {0, 0};
    if (pass == LT_CONV_FORWARD)
        return dnnl_convolution_forward_primitive_desc_create(out, engine, dnnl_forward_training,
                                                              dnnl_convolution_direct, src, wei, NULL, dst, stride,
                                                              dilate, pad_l, pad_r, attr);
    if (pass == LT_CONV_DATA)
        return dnnl_convolution_backward_data_primitive_desc_create(out, engine, dnnl_convolution_direct, src, wei, dst,
                                                                    stride, dilate, pad_l, pad_r, hint, attr);
    return dnnl_convolution_backward_weights_primitive_desc_create(out, engine, dnnl_convolution_direct, src, wei, NULL,
                                                                   dst, stride, dilate, pad_l, pad_r, hint, attr);
}
#endif
#endif
