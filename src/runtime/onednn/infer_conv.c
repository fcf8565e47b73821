/*
 * Convolutions of an INFER session by oneDNN: channels-last activations, weights packed once in the layout the
 * primitive asks for, activation, residual sum and requantization as post-operations, execution arguments prebuilt.
 *
 * Channels-last costs next to nothing here: at batch 1 on Zen 4 with oneDNN 2.6.3, format "any" chose the same
 * implementation with AVX-512 (ratio 1.00 for 1x1, depthwise and dense 3x3); with AVX2 a blocked one for depthwise,
 * which takes 0.93 to 1.3 times as long. Signed sources are u8 with zero point 128: without VNNI oneDNN halves the
 * weights of an s8 source, which loses a bit, and s8 is no faster.
 */
#include "runtime/infer_priv.h"
#include "runtime/onednn/infer_compat.h"
#include "lathe/mem.h"
#include <string.h>

struct lt_idnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

lt_status lt_idnnl_open(struct lt_idnnl **out, struct lt_err *e) {
    struct lt_idnnl *d = lt_calloc(1, sizeof(*d));
    if (!d) return lt_fail(e, LT_ENOMEM, "oneDNN engine");
    if (dnnl_engine_create(&d->engine, dnnl_cpu, 0) ||
        dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags)) {
        lt_idnnl_close(d);
        return lt_fail(e, LT_EFAIL, "oneDNN: no CPU engine");
    }
    *out = d;
    return LT_OK;
}

void lt_idnnl_close(struct lt_idnnl *d) {
    if (!d) return;
    if (d->stream) dnnl_stream_destroy(d->stream);
    if (d->engine) dnnl_engine_destroy(d->engine);
    lt_free(d);
}

enum { SRC, WEI, BIAS, DST, SCALE, SRC_ZP, DST_ZP, N_ARGS }; /* the last three are arguments in oneDNN 3 only */

struct dconv {
    struct lt_iconv c;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t prim;
    dnnl_memory_t mem[N_ARGS];
    dnnl_exec_arg_t arg[N_ARGS];
    int n_args;
    void *weights; /* packed */
    void *bias;    /* [O] f32 or s32, see LT_INT8_BIAS */
    float *scale;  /* [O] int8: accumulator to result */
    int32_t zp;    /* 128 */
};

static void clear(struct dconv *c) {
    for (int i = 0; i < N_ARGS; i++) {
        if (c->mem[i]) dnnl_memory_destroy(c->mem[i]);
        c->mem[i] = NULL;
    }
    if (c->prim) dnnl_primitive_destroy(c->prim);
    if (c->pd) dnnl_primitive_desc_destroy(c->pd);
    lt_free(c->weights);
    lt_free(c->bias);
    lt_free(c->scale);
    c->prim = NULL;
    c->pd = NULL;
    c->weights = c->bias = NULL;
    c->scale = NULL;
    c->n_args = 0;
}

static void dconv_free(struct lt_iconv *c) {
    clear((struct dconv *)c);
    lt_free(c);
}

/* factor: what the result is multiplied with at the end, 1/scale of a requantized destination. */
static dnnl_status_t append_act(dnnl_post_ops_t po, enum lt_act a, float factor) {
    dnnl_status_t r;
    switch (a) {
    case LT_ACT_NONE:
        return dnnl_success;
    case LT_ACT_RELU:
        return lt_post_eltwise(po, factor, dnnl_eltwise_relu, 0, 0);
    case LT_ACT_RELU6:
        return lt_post_eltwise(po, factor, dnnl_eltwise_clip, 0, 6);
    case LT_ACT_HSWISH:
        return lt_post_eltwise(po, factor, dnnl_eltwise_hardswish, 1.0f / 6, 0.5f);
    case LT_ACT_HSIGMOID:
        if ((r = lt_post_eltwise(po, 1, dnnl_eltwise_linear, 1.0f / 6, 0.5f))) return r;
        return lt_post_eltwise(po, factor, dnnl_eltwise_clip, 0, 1);
    case LT_ACT_SIGMOID:
        return lt_post_eltwise(po, factor, dnnl_eltwise_logistic, 0, 0);
    case LT_ACT_SILU:
        return lt_post_eltwise(po, factor, dnnl_eltwise_swish, 1, 0);
    case LT_ACT_TANH:
        return lt_post_eltwise(po, factor, dnnl_eltwise_tanh, 0, 0);
    case LT_ACT_GELU:
        return lt_post_eltwise(po, factor, dnnl_eltwise_gelu_erf, 0, 0);
    default:
        return dnnl_unimplemented;
    }
}

/*
 * Attributes of a spec. The scale that turns the accumulator into the destination is folded as far forward as the
 * activation allows: ReLU commutes with it, ReLU6 with its bound scaled, and an unsigned destination saturates at 0
 * (ReLU) by itself. scale [O]: scale_x * scale_w[o], times 1/scale_out where the destination is requantized and nothing
 * stands in between.
 */
static dnnl_status_t make_attr(const struct lt_iconv_spec *s, float *scale, dnnl_primitive_attr_t *out) {
    dnnl_primitive_attr_t a = NULL;
    dnnl_post_ops_t po = NULL;
    dnnl_status_t r;
    bool requant = s->dst == LT_U8;
    float inv = requant ? 1 / s->out_q.scale : 1;
    if ((r = dnnl_primitive_attr_create(&a)) || (r = dnnl_post_ops_create(&po))) goto out;
    if (requant && (s->act1 == LT_ACT_NONE || s->act1 == LT_ACT_RELU || s->act1 == LT_ACT_RELU6)) {
        float top = 6 * inv;
        for (int o = 0; o < s->oc; o++) scale[o] *= inv;
        if (s->act1 == LT_ACT_RELU && s->out_q.is_signed)
            r = append_act(po, LT_ACT_RELU, 1);
        else if (s->act1 == LT_ACT_RELU6 && (s->out_q.is_signed || top < 255))
            r = lt_post_eltwise(po, 1, dnnl_eltwise_clip, 0, top);
    } else {
        r = append_act(po, s->act1, inv);
    }
    if (r || (s->residual && (r = lt_post_sum(po))) || (r = append_act(po, s->act2, 1))) goto out;
    if ((r = dnnl_primitive_attr_set_post_ops(a, po))) goto out;
    if (s->int8 && (r = lt_attr_int8(a, s->oc, s->groups > 1, scale, s->in_q.is_signed, requant && s->out_q.is_signed)))
        goto out;
    *out = a;
    a = NULL;
out:
    if (po) dnnl_post_ops_destroy(po);
    if (a) dnnl_primitive_attr_destroy(a);
    return r;
}

static dnnl_status_t weight_md(const struct lt_iconv_spec *s, bool packed, lt_md *md) {
    dnnl_data_type_t t = s->int8 ? dnnl_s8 : dnnl_f32;
    if (s->groups > 1) {
        dnnl_dims_t d = {s->groups, s->oc / s->groups, s->ic / s->groups, s->kh, s->kw};
        return lt_md_make(md, 5, d, t, packed ? dnnl_format_tag_any : dnnl_goihw);
    }
    dnnl_dims_t d = {s->oc, s->ic, s->kh, s->kw};
    return lt_md_make(md, 4, d, t, packed ? dnnl_format_tag_any : dnnl_oihw);
}

static dnnl_status_t make_pd(const struct lt_iconv_spec *s, float *scale, dnnl_primitive_desc_t *out) {
    dnnl_dims_t sd = {s->n, s->ic, s->ih, s->iw}, dd = {s->n, s->oc, s->oh, s->ow}, bd = {s->oc},
                stride = {s->stride, s->stride};
    dnnl_dims_t pad = {s->pad, s->pad}, dilate = {s->dilation - 1, s->dilation - 1};
    lt_md sm, wm, bm, dm;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t r;
    memset(&sm, 0, sizeof(sm));
    memset(&wm, 0, sizeof(wm));
    memset(&bm, 0, sizeof(bm));
    memset(&dm, 0, sizeof(dm));
    if (!(r = lt_md_make(&sm, 4, sd, s->int8 ? dnnl_u8 : dnnl_f32, dnnl_nhwc)) && !(r = weight_md(s, true, &wm)) &&
        !(r = lt_md_make(&bm, 1, bd, s->int8 ? LT_INT8_BIAS : dnnl_f32, dnnl_x)) &&
        !(r = lt_md_make(&dm, 4, dd, s->dst == LT_U8 ? dnnl_u8 : dnnl_f32, dnnl_nhwc)) &&
        !(r = make_attr(s, scale, &attr)))
        r = lt_infer_conv_pd(out, s->dnnl->engine, lt_md_of(&sm), lt_md_of(&wm), lt_md_of(&bm), lt_md_of(&dm), stride,
                             dilate, pad, attr);
    if (attr) dnnl_primitive_attr_destroy(attr);
    lt_md_release(&sm);
    lt_md_release(&wm);
    lt_md_release(&bm);
    lt_md_release(&dm);
    return r;
}

static dnnl_status_t bind(struct dconv *c, int i, int arg, lt_md_ref md, void *p) {
    dnnl_status_t r = dnnl_memory_create(&c->mem[i], md, c->c.spec.dnnl->engine, p);
    c->arg[c->n_args].arg = arg;
    c->arg[c->n_args++].memory = c->mem[i];
    return r;
}

#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t bind_vector(struct dconv *c, int i, int arg, dnnl_data_type_t type, int n, void *p) {
    dnnl_dims_t d = {n};
    lt_md md = NULL;
    dnnl_status_t r = lt_md_make(&md, 1, d, type, dnnl_x);
    if (!r) r = bind(c, i, arg, lt_md_of(&md), p);
    lt_md_release(&md);
    return r;
}

/* Scales and zero points are arguments of the primitive. */
static dnnl_status_t bind_int8(struct dconv *c) {
    const struct lt_iconv_spec *s = &c->c.spec;
    dnnl_status_t r = bind_vector(c, SCALE, DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, dnnl_f32, s->oc, c->scale);
    if (!r && s->in_q.is_signed)
        r = bind_vector(c, SRC_ZP, DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC, dnnl_s32, 1, &c->zp);
    if (!r && s->dst == LT_U8 && s->out_q.is_signed)
        r = bind_vector(c, DST_ZP, DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_DST, dnnl_s32, 1, &c->zp);
    return r;
}
#else
static dnnl_status_t bind_int8(struct dconv *c) {
    (void)c;
    return dnnl_success; /* constants of the primitive: lt_attr_int8 */
}
#endif

static dnnl_status_t pack(struct dconv *c, const void *plain) {
    const struct lt_iconv_spec *s = &c->c.spec;
    lt_md md;
    dnnl_memory_t from = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t prim = NULL;
    dnnl_status_t r = weight_md(s, false, &md);
    if (r) return r;
    if (!(r = dnnl_memory_create(&from, lt_md_of(&md), s->dnnl->engine, (void *)plain))) {
        dnnl_exec_arg_t arg[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, c->mem[WEI]}};
        lt_md_ref to = dnnl_primitive_desc_query_md(c->pd, dnnl_query_weights_md, 0);
        if (!(r = dnnl_reorder_primitive_desc_create(&pd, lt_md_of(&md), s->dnnl->engine, to, s->dnnl->engine, NULL)) &&
            !(r = dnnl_primitive_create(&prim, pd)) && !(r = dnnl_primitive_execute(prim, s->dnnl->stream, 2, arg)))
            r = dnnl_stream_wait(s->dnnl->stream);
    }
    if (prim) dnnl_primitive_destroy(prim);
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (from) dnnl_memory_destroy(from);
    lt_md_release(&md);
    return r;
}

/* make_pd has turned c->scale into what the primitive multiplies with: a bias that is added after that has the same
 * factor. */
static void set_bias(struct dconv *c, const struct lt_iweights *w) {
    const struct lt_iconv_spec *s = &c->c.spec;
    for (int o = 0; o < s->oc; o++) {
        if (!s->int8)
            ((float *)c->bias)[o] = w->b ? w->b[o] : 0;
        else if (LT_INT8_BIAS == dnnl_s32)
            ((int32_t *)c->bias)[o] = w->bias[o];
        else
            ((float *)c->bias)[o] = (float)w->bias[o] * c->scale[o];
    }
}

static lt_status dconv_weights(struct lt_iconv *base, const struct lt_iweights *w, struct lt_err *e) {
    struct dconv *c = (struct dconv *)base;
    const struct lt_iconv_spec *s = &base->spec;
    dnnl_status_t r;
    clear(c);
    c->zp = 128;
    if (!(c->scale = lt_aligned(((size_t)s->oc * sizeof(float) + 127) & ~(size_t)63)) ||
        !(c->bias = lt_aligned(((size_t)s->oc * 4 + 127) & ~(size_t)63)))
        return lt_fail(e, LT_ENOMEM, "packed weights");
    if (s->int8) memcpy(c->scale, w->scale, (size_t)s->oc * sizeof(float));
    if ((r = make_pd(s, c->scale, &c->pd)) || (r = dnnl_primitive_create(&c->prim, c->pd))) goto failed;
    set_bias(c, w);
    lt_md_ref wm = dnnl_primitive_desc_query_md(c->pd, dnnl_query_weights_md, 0);
    if (!(c->weights = lt_aligned((dnnl_memory_desc_get_size(wm) + 127) & ~(size_t)63)))
        return lt_fail(e, LT_ENOMEM, "packed weights");
    if ((r = bind(c, SRC, DNNL_ARG_SRC, dnnl_primitive_desc_query_md(c->pd, dnnl_query_src_md, 0),
                  (void *)base->src)) ||
        (r = bind(c, WEI, DNNL_ARG_WEIGHTS, wm, c->weights)) ||
        (r = bind(c, BIAS, DNNL_ARG_BIAS, dnnl_primitive_desc_query_md(c->pd, dnnl_query_weights_md, 1), c->bias)) ||
        (r = bind(c, DST, DNNL_ARG_DST, dnnl_primitive_desc_query_md(c->pd, dnnl_query_dst_md, 0), base->dst)) ||
        (s->int8 && (r = bind_int8(c))) || (r = pack(c, s->int8 ? (const void *)w->q : (const void *)w->w)))
        goto failed;
    return LT_OK;
failed:
    return r == dnnl_out_of_memory ? lt_fail(e, LT_ENOMEM, "oneDNN convolution")
                                   : lt_fail(e, LT_EFAIL, "oneDNN convolution: status %d", (int)r);
}

static int dconv_run(struct lt_iconv *base) {
    struct dconv *c = (struct dconv *)base;
    return (int)dnnl_primitive_execute(c->prim, c->c.spec.dnnl->stream, c->n_args, c->arg);
}

/*
 * Without 8-bit dot products x86 adds two u8 x s8 products in 16 bits with saturation: 2 * 255 * 64 is the largest that
 * fits. A plan with larger weights would be computed wrongly there, so such a layer is left to our kernels, which are
 * exact and slower.
 */
static bool may_saturate(int weight_qmax) {
#if defined(__x86_64__) || defined(__i386__)
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    bool vnni =
        (isa & 0x67) == 0x67 || (isa & 0x400); /* AVX512_CORE_VNNI or later, AVX2_VNNI: the values are bit sets */
    return !vnni && weight_qmax > 64;
#else
    (void)weight_qmax;
    return false;
#endif
}

lt_status lt_iconv_dnnl_new(const struct lt_iconv_spec *s, struct lt_iconv **out, struct lt_err *e) {
    dnnl_primitive_desc_t pd = NULL;
    const char *impl = NULL;
    struct dconv *c;
    if (s->int8 && may_saturate(s->weight_qmax)) return lt_fail(e, LT_EUNAVAIL, "oneDNN would saturate 16 bits");
    float *ones = lt_malloc((size_t)s->oc * sizeof(float));
    if (!ones) return lt_fail(e, LT_ENOMEM, "oneDNN convolution");
    for (int o = 0; o < s->oc; o++) ones[o] = 1;
    dnnl_status_t r =
        make_pd(s, ones, &pd); /* is there a fast implementation? the real one is made with the weights' scales */
    lt_free(ones);
    if (!r) r = dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &impl);
    bool slow = !r && !strncmp(impl, "ref", 3);
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (r == dnnl_out_of_memory) return lt_fail(e, LT_ENOMEM, "oneDNN convolution");
    if (r || slow) return lt_fail(e, LT_EUNAVAIL, "oneDNN has no fast convolution for this shape");
    if (!(c = lt_calloc(1, sizeof(*c)))) return lt_fail(e, LT_ENOMEM, "oneDNN convolution");
    c->c = (struct lt_iconv){.weights = dconv_weights, .run = dconv_run, .free = dconv_free, .spec = *s};
    *out = &c->c;
    return LT_OK;
}
