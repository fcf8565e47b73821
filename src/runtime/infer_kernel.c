/*
 * Convolutions of an INFER session by our own kernels: depthwise ones directly, others as a matrix product, sample by
 * sample. int8 is computed on integers held in floats: a sum is exact below 2^24 and good to float rounding beyond,
 * like the epilogue is.
 */
#include "runtime/infer_priv.h"
#include "lathe/mem.h"
#include <string.h>

struct kconv {
    struct lt_iconv c;
    bool depthwise;
    bool linear;               /* over the whole input: one pixel of ih*iw*ic channels */
    struct lt_conv d;          /* n = 1 */
    float *w;                  /* plain or packed; int8: integers */
    float *scale, *shift;      /* [O]; of the epilogue; scale only for int8 */
    float *in, *out, *scratch; /* of one sample: bytes as floats; where dst cannot be written directly; im2col */
};

static void kconv_free(struct lt_iconv *base) {
    struct kconv *c = (struct kconv *)base;
    lt_free(c->w);
    lt_free(c->scale);
    lt_free(c->shift);
    lt_free(c->in);
    lt_free(c->out);
    lt_free(c->scratch);
    lt_free(c);
}

static lt_status kconv_weights(struct lt_iconv *base, const struct lt_iweights *w, struct lt_err *e) {
    struct kconv *c = (struct kconv *)base;
    const struct lt_iconv_spec *s = &base->spec;
    int64_t n = (int64_t)s->oc * (s->ic / s->groups) * s->kh * s->kw;
    int64_t hw = (int64_t)s->kh * s->kw;
    float *plain = c->depthwise ? lt_malloc((size_t)n * sizeof(float)) : c->w;
    if (!plain) return lt_fail(e, LT_ENOMEM, "weights");
    for (int64_t i = 0; i < n; i++) {
        int64_t to = i; /* a linear layer's [O,C,H,W] as [O,H,W,C], the order of its input in memory */
        if (c->linear) to = (i / (s->ic * hw) * hw + i % hw) * s->ic + i / hw % s->ic;
        plain[to] = s->int8 ? (float)w->q[i] : w->w[i];
    }
    for (int o = 0; o < s->oc; o++) {
        c->scale[o] = s->int8 ? w->scale[o] : 1;
        c->shift[o] = s->int8 ? (float)w->bias[o] * w->scale[o] : w->b ? w->b[o] : 0;
    }
    if (c->depthwise) {
        lt_dw_pack(plain, s->oc, s->kh, c->w);
        lt_free(plain);
    }
    return LT_OK;
}

static void convolve(struct kconv *c, const float *x, float *y) {
    const struct lt_iconv_spec *s = &c->c.spec;
    if (c->depthwise) {
        struct lt_window win = {.n = 1,
                                .h = s->ih,
                                .w = s->iw,
                                .c = s->oc,
                                .oh = s->oh,
                                .ow = s->ow,
                                .kernel = s->kh,
                                .stride = s->stride,
                                .pad = s->pad,
                                .dilation = s->dilation};
        bool all = !s->int8 && !s->residual; /* then the kernel does the whole epilogue */
        s->kernels->dw_forward(&win, x, c->w, all ? c->shift : NULL, all ? s->act1 : LT_ACT_NONE, y);
    } else {
        lt_conv_forward(&c->d, s->gemm, x, c->w, NULL, y, c->scratch);
    }
}

static int kconv_run(struct lt_iconv *base) {
    struct kconv *c = (struct kconv *)base;
    const struct lt_iconv_spec *s = &base->spec;
    const struct lt_kernels *k = s->kernels;
    int64_t in = (int64_t)s->ih * s->iw * s->ic, rows = (int64_t)s->oh * s->ow, out = rows * s->oc;
    for (int n = 0; n < s->n; n++) {
        const float *x = c->in ? c->in : (const float *)base->src + n * in;
        float *y = s->dst == LT_F32 ? (float *)base->dst + n * out : c->out, *acc = c->out ? c->out : y;
        if (s->int8) {
            const uint8_t *q = (const uint8_t *)base->src + n * in;
            const int zp = lt_iq_zp(s->in_q);
            for (int64_t i = 0; i < in; i++) c->in[i] = (float)(q[i] - zp);
        }
        convolve(c, x, acc);
        if (!c->depthwise || s->int8 || s->residual)
            k->affine(acc, rows, s->oc, s->int8 ? c->scale : NULL, c->shift, s->act1, s->residual ? y : NULL, y);
        if (s->act2 != LT_ACT_NONE) k->act_forward(s->act2, y, out, y);
        if (s->dst != LT_F32) k->quantize(y, out, s->out_q, lt_iq_zp(s->out_q), (uint8_t *)base->dst + n * out);
    }
    return 0;
}

lt_status lt_iconv_kernel_new(const struct lt_iconv_spec *s, struct lt_iconv **out, struct lt_err *e) {
    struct kconv *c;
    int64_t in = (int64_t)s->ih * s->iw * s->ic, n_out = (int64_t)s->oh * s->ow * s->oc;
    if (!(c = lt_calloc(1, sizeof(*c)))) return lt_fail(e, LT_ENOMEM, "convolution");
    c->c = (struct lt_iconv){.weights = kconv_weights, .run = kconv_run, .free = kconv_free, .spec = *s};
    c->depthwise = s->groups > 1 && s->groups == s->ic && s->oc == s->ic && s->kh == s->kw;
    c->d = (struct lt_conv){.n = 1,
                            .h = s->ih,
                            .w = s->iw,
                            .ic = s->ic,
                            .oc = s->oc,
                            .oh = s->oh,
                            .ow = s->ow,
                            .kernel = s->kh,
                            .stride = s->stride,
                            .pad = s->pad,
                            .groups = s->groups,
                            .dilation = s->dilation};
    c->linear = s->kh == s->ih && s->kw == s->iw && !s->pad && s->groups == 1 && s->dilation == 1;
    if (c->linear) {
        c->d.ic = (int)in;
        c->d.h = c->d.w = c->d.kernel = c->d.stride = 1;
    } else if (s->kh != s->kw) {
        lt_free(c);
        return lt_fail(e, LT_EUNAVAIL, "no kernel for %dx%d windows", s->kh, s->kw);
    }
    size_t w = (size_t)s->oc * (size_t)(s->ic / s->groups) * (size_t)(s->kh * s->kw);
    if (!(c->w = lt_aligned(w * sizeof(float))) || !(c->scale = lt_malloc((size_t)s->oc * sizeof(float))) ||
        !(c->shift = lt_malloc((size_t)s->oc * sizeof(float))) ||
        (s->int8 && !(c->in = lt_aligned((size_t)in * sizeof(float)))) ||
        ((s->residual || s->dst != LT_F32) && !(c->out = lt_aligned((size_t)n_out * sizeof(float)))) ||
        (!c->depthwise && !(c->scratch = lt_aligned((size_t)lt_conv_scratch(&c->d) * sizeof(float) + 64)))) {
        kconv_free(&c->c);
        return lt_fail(e, LT_ENOMEM, "convolution");
    }
    *out = &c->c;
    return LT_OK;
}
