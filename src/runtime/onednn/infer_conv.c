/*
 * Convolutions of an INFER session by oneDNN: channels-last activations, weights packed once in the layout the primitive asks for, activation,
 * residual sum and requantization as post-operations, execution arguments prebuilt.
 *
 * Channels-last costs nothing here: at batch 1 on Zen 4 with oneDNN 2.6.3, format "any" chose the same implementation (AVX-512: ratio 1.00 for
 * 1x1, depthwise and dense 3x3) or a blocked one that was no faster (AVX2 depthwise: blocked takes 1.01 to 1.3 times as long).
 * Signed sources are u8 with zero point 128: without VNNI oneDNN halves the weights of an s8 source, which loses a bit, and s8 is no faster.
 */
#include "runtime/infer_priv.h"
#include "runtime/onednn/dnnl_compat.h"
#include "lathe/mem.h"
#include <string.h>

struct lt_idnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

lt_status lt_idnnl_open(struct lt_idnnl **out, struct lt_err *e)
{
    struct lt_idnnl *d = lt_calloc(1, sizeof(*d));
    if (!d)
        return lt_fail(e, LT_ENOMEM, "oneDNN engine");
    if (dnnl_engine_create(&d->engine, dnnl_cpu, 0) || dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags)) {
        lt_idnnl_close(d);
        return lt_fail(e, LT_EFAIL, "oneDNN: no CPU engine");
    }
    *out = d;
    return LT_OK;
}

void lt_idnnl_close(struct lt_idnnl *d)
{
    if (!d)
        return;
    if (d->stream)
        dnnl_stream_destroy(d->stream);
    if (d->engine)
        dnnl_engine_destroy(d->engine);
    lt_free(d);
}

enum { SRC, WEI, BIAS, DST, N_ARGS };

struct dconv {
    struct lt_iconv c;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t prim;
    dnnl_memory_t mem[N_ARGS];
    dnnl_exec_arg_t arg[N_ARGS];
    void *weights;                      /* packed */
    void *bias;                         /* [O] f32 or s32 */
};

static void clear(struct dconv *c)
{
    for (int i = 0; i < N_ARGS; i++) {
        if (c->mem[i])
            dnnl_memory_destroy(c->mem[i]);
        c->mem[i] = NULL;
    }
    if (c->prim)
        dnnl_primitive_destroy(c->prim);
    if (c->pd)
        dnnl_primitive_desc_destroy(c->pd);
    lt_free(c->weights);
    lt_free(c->bias);
    c->prim = NULL;
    c->pd = NULL;
    c->weights = c->bias = NULL;
}

static void dconv_free(struct lt_iconv *c)
{
    clear((struct dconv *)c);
    lt_free(c);
}

/* factor: what the result is multiplied with at the end, 1/scale of a requantized destination. */
static dnnl_status_t append_act(dnnl_post_ops_t po, enum lt_act a, float factor)
{
    dnnl_status_t r;
    switch (a) {
    case LT_ACT_NONE: return dnnl_success;
    case LT_ACT_RELU: return dnnl_post_ops_append_eltwise(po, factor, dnnl_eltwise_relu, 0, 0);
    case LT_ACT_RELU6: return dnnl_post_ops_append_eltwise(po, factor, dnnl_eltwise_clip, 0, 6);
    case LT_ACT_HSWISH: return dnnl_post_ops_append_eltwise(po, factor, dnnl_eltwise_hardswish, 0, 0);
    case LT_ACT_HSIGMOID:
        if ((r = dnnl_post_ops_append_eltwise(po, 1, dnnl_eltwise_linear, 1.0f / 6, 0.5f)))
            return r;
        return dnnl_post_ops_append_eltwise(po, factor, dnnl_eltwise_clip, 0, 1);
    case LT_ACT_SIGMOID: return dnnl_post_ops_append_eltwise(po, factor, dnnl_eltwise_logistic, 0, 0);
    case LT_ACT_SILU: return dnnl_post_ops_append_eltwise(po, factor, dnnl_eltwise_swish, 1, 0);
    case LT_ACT_TANH: return dnnl_post_ops_append_eltwise(po, factor, dnnl_eltwise_tanh, 0, 0);
    default: return dnnl_unimplemented;
    }
}

/*
 * Attributes of a spec. The scale that turns the accumulator into the destination is folded as far forward as the activation allows:
 * ReLU commutes with it, ReLU6 with its bound scaled, and an unsigned destination saturates at 0 (ReLU) by itself.
 *   scale [O]: scale_x * scale_w[o], times 1/scale_out where the destination is requantized and nothing stands in between.
 */
static dnnl_status_t make_attr(const struct lt_iconv_spec *s, float *scale, dnnl_primitive_attr_t *out)
{
    dnnl_primitive_attr_t a = NULL;
    dnnl_post_ops_t po = NULL;
    dnnl_status_t r;
    bool requant = s->dst == LT_U8;
    float inv = requant ? 1 / s->out_q.scale : 1;
    if ((r = dnnl_primitive_attr_create(&a)) || (r = dnnl_post_ops_create(&po)))
        goto out;
    if (requant && (s->act1 == LT_ACT_NONE || s->act1 == LT_ACT_RELU || s->act1 == LT_ACT_RELU6)) {
        float top = 6 * inv;
        for (int o = 0; o < s->oc; o++)
            scale[o] *= inv;
        if (s->act1 == LT_ACT_RELU && s->out_q.is_signed)
            r = append_act(po, LT_ACT_RELU, 1);
        else if (s->act1 == LT_ACT_RELU6 && (s->out_q.is_signed || top < 255))
            r = dnnl_post_ops_append_eltwise(po, 1, dnnl_eltwise_clip, 0, top);
    } else {
        r = append_act(po, s->act1, inv);
    }
    if (r || (s->residual && (r = dnnl_post_ops_append_sum(po, 1))) || (r = append_act(po, s->act2, 1)))
        goto out;
    if ((r = dnnl_primitive_attr_set_post_ops(a, po)))
        goto out;
    if (s->int8) {
        const int32_t zp = 128;
        if ((r = dnnl_primitive_attr_set_output_scales(a, s->oc, 1 << 1, scale)) ||
            (s->in_q.is_signed && (r = dnnl_primitive_attr_set_zero_points(a, DNNL_ARG_SRC, 1, 0, &zp))) ||
            (requant && s->out_q.is_signed && (r = dnnl_primitive_attr_set_zero_points(a, DNNL_ARG_DST, 1, 0, &zp))))
            goto out;
    }
    *out = a;
    a = NULL;
out:
    if (po)
        dnnl_post_ops_destroy(po);
    if (a)
        dnnl_primitive_attr_destroy(a);
    return r;
}

static dnnl_status_t weight_md(const struct lt_iconv_spec *s, bool packed, dnnl_memory_desc_t *md)
{
    dnnl_data_type_t t = s->int8 ? dnnl_s8 : dnnl_f32;
    if (s->groups > 1) {
        dnnl_dims_t d = {s->groups, s->oc / s->groups, s->ic / s->groups, s->kh, s->kw};
        return dnnl_memory_desc_init_by_tag(md, 5, d, t, packed ? dnnl_format_tag_any : dnnl_goihw);
    }
    dnnl_dims_t d = {s->oc, s->ic, s->kh, s->kw};
    return dnnl_memory_desc_init_by_tag(md, 4, d, t, packed ? dnnl_format_tag_any : dnnl_oihw);
}

static dnnl_status_t make_pd(const struct lt_iconv_spec *s, float *scale, dnnl_primitive_desc_t *out)
{
    dnnl_dims_t sd = {s->n, s->ic, s->ih, s->iw}, dd = {s->n, s->oc, s->oh, s->ow}, bd = {s->oc}, stride = {s->stride, s->stride};
    dnnl_dims_t pad = {s->pad, s->pad};
    dnnl_memory_desc_t sm, wm, bm, dm;
    dnnl_convolution_desc_t desc;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t r;
    if ((r = dnnl_memory_desc_init_by_tag(&sm, 4, sd, s->int8 ? dnnl_u8 : dnnl_f32, dnnl_nhwc)) || (r = weight_md(s, true, &wm)) ||
        (r = dnnl_memory_desc_init_by_tag(&bm, 1, bd, s->int8 ? dnnl_s32 : dnnl_f32, dnnl_x)) ||
        (r = dnnl_memory_desc_init_by_tag(&dm, 4, dd, s->dst == LT_U8 ? dnnl_u8 : dnnl_f32, dnnl_nhwc)) ||
        (r = dnnl_convolution_forward_desc_init(&desc, dnnl_forward_inference, dnnl_convolution_direct, &sm, &wm, &bm, &dm, stride, pad, pad)) ||
        (r = make_attr(s, scale, &attr)))
        return r;
    r = dnnl_primitive_desc_create(out, &desc, attr, s->dnnl->engine, NULL);
    dnnl_primitive_attr_destroy(attr);
    return r;
}

static dnnl_status_t bind(struct dconv *c, int i, int arg, const dnnl_memory_desc_t *md, void *p)
{
    dnnl_status_t r = dnnl_memory_create(&c->mem[i], md, c->c.spec.dnnl->engine, p);
    c->arg[i].arg = arg;
    c->arg[i].memory = c->mem[i];
    return r;
}

static dnnl_status_t pack(struct dconv *c, const void *plain)
{
    const struct lt_iconv_spec *s = &c->c.spec;
    dnnl_memory_desc_t md;
    dnnl_memory_t from = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t prim = NULL;
    dnnl_status_t r = weight_md(s, false, &md);
    if (r || (r = dnnl_memory_create(&from, &md, s->dnnl->engine, (void *)plain)))
        return r;
    const dnnl_memory_desc_t *to = dnnl_primitive_desc_query_md(c->pd, dnnl_query_weights_md, 0);
    dnnl_exec_arg_t arg[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, c->mem[WEI]}};
    if (!(r = dnnl_reorder_primitive_desc_create(&pd, &md, s->dnnl->engine, to, s->dnnl->engine, NULL)) &&
        !(r = dnnl_primitive_create(&prim, pd)) && !(r = dnnl_primitive_execute(prim, s->dnnl->stream, 2, arg)))
        r = dnnl_stream_wait(s->dnnl->stream);
    if (prim)
        dnnl_primitive_destroy(prim);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    dnnl_memory_destroy(from);
    return r;
}

static lt_status dconv_weights(struct lt_iconv *base, const struct lt_iweights *w, struct lt_err *e)
{
    struct dconv *c = (struct dconv *)base;
    const struct lt_iconv_spec *s = &base->spec;
    float *scale = NULL;
    lt_status st = LT_OK;
    dnnl_status_t r;
    clear(c);
    if (!(scale = lt_malloc((size_t)s->oc * sizeof(float))) || !(c->bias = lt_aligned(((size_t)s->oc * 4 + 127) & ~(size_t)63))) {
        st = lt_fail(e, LT_ENOMEM, "packed weights");
        goto out;
    }
    memset(c->bias, 0, (size_t)s->oc * 4);
    if (s->int8) {
        memcpy(scale, w->scale, (size_t)s->oc * sizeof(float));
        memcpy(c->bias, w->bias, (size_t)s->oc * sizeof(int32_t));
    } else if (w->b) {
        memcpy(c->bias, w->b, (size_t)s->oc * sizeof(float));
    }
    if ((r = make_pd(s, scale, &c->pd)) || (r = dnnl_primitive_create(&c->prim, c->pd)))
        goto failed;
    const dnnl_memory_desc_t *wm = dnnl_primitive_desc_query_md(c->pd, dnnl_query_weights_md, 0);
    if (!(c->weights = lt_aligned((dnnl_memory_desc_get_size(wm) + 127) & ~(size_t)63))) {
        st = lt_fail(e, LT_ENOMEM, "packed weights");
        goto out;
    }
    if ((r = bind(c, SRC, DNNL_ARG_SRC, dnnl_primitive_desc_query_md(c->pd, dnnl_query_src_md, 0), (void *)base->src)) ||
        (r = bind(c, WEI, DNNL_ARG_WEIGHTS, wm, c->weights)) ||
        (r = bind(c, BIAS, DNNL_ARG_BIAS, dnnl_primitive_desc_query_md(c->pd, dnnl_query_weights_md, 1), c->bias)) ||
        (r = bind(c, DST, DNNL_ARG_DST, dnnl_primitive_desc_query_md(c->pd, dnnl_query_dst_md, 0), base->dst)) ||
        (r = pack(c, s->int8 ? (const void *)w->q : (const void *)w->w)))
        goto failed;
out:
    lt_free(scale);
    return st;
failed:
    st = r == dnnl_out_of_memory ? lt_fail(e, LT_ENOMEM, "oneDNN convolution") : lt_fail(e, LT_EFAIL, "oneDNN convolution: status %d", (int)r);
    goto out;
}

static int dconv_run(struct lt_iconv *base)
{
    struct dconv *c = (struct dconv *)base;
    return (int)dnnl_primitive_execute(c->prim, c->c.spec.dnnl->stream, N_ARGS, c->arg);
}

/*
 * Without 8-bit dot products x86 adds two u8 x s8 products in 16 bits with saturation: 2 * 255 * 64 is the largest that fits. A plan with larger
 * weights would be computed wrongly there, so such a layer is left to our kernels, which are exact and slower.
 */
static bool may_saturate(int weight_qmax)
{
#if defined(__x86_64__) || defined(__i386__)
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    bool vnni = (isa & 0x67) == 0x67 || (isa & 0x400);   /* AVX512_CORE_VNNI or later, AVX2_VNNI: the values are bit sets */
    return !vnni && weight_qmax > 64;
#else
    (void)weight_qmax;
    return false;
#endif
}

lt_status lt_iconv_dnnl_new(const struct lt_iconv_spec *s, struct lt_iconv **out, struct lt_err *e)
{
    dnnl_primitive_desc_t pd = NULL;
    const char *impl = NULL;
    struct dconv *c;
    if (s->int8 && may_saturate(s->weight_qmax))
        return lt_fail(e, LT_EUNAVAIL, "oneDNN would saturate 16 bits");
    float *ones = lt_malloc((size_t)s->oc * sizeof(float));
    if (!ones)
        return lt_fail(e, LT_ENOMEM, "oneDNN convolution");
    for (int o = 0; o < s->oc; o++)
        ones[o] = 1;
    dnnl_status_t r = make_pd(s, ones, &pd);             /* is there a fast implementation? the real one is made with the weights' scales */
    lt_free(ones);
    if (!r)
        r = dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &impl);
    bool slow = !r && !strncmp(impl, "ref", 3);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (r == dnnl_out_of_memory)
        return lt_fail(e, LT_ENOMEM, "oneDNN convolution");
    if (r || slow)
        return lt_fail(e, LT_EUNAVAIL, "oneDNN has no fast convolution for this shape");
    if (!(c = lt_calloc(1, sizeof(*c))))
        return lt_fail(e, LT_ENOMEM, "oneDNN convolution");
    c->c = (struct lt_iconv){.weights = dconv_weights, .run = dconv_run, .free = dconv_free, .spec = *s};
    *out = &c->c;
    return LT_OK;
}
