/*
 * Convolutions of an INFER session by plain loops (the reference: exact s32 accumulation in int8), and the int8 form of
 * parameters that all providers share. Channels-last; [N,C,H,W] order in sizes; weights [O,I/g,KH,KW].
 */
#include "graph/quantize.h"
#include "runtime/infer_priv.h"
#include "lathe/mem.h"
#include <math.h>
#include <stdlib.h>

float lt_iact(enum lt_act a, float x) {
    switch (a) {
    case LT_ACT_RELU:
        return x > 0 ? x : 0;
    case LT_ACT_RELU6:
        return fminf(fmaxf(x, 0), 6);
    case LT_ACT_HSWISH:
        return x * fminf(fmaxf(x / 6 + 0.5f, 0), 1);
    case LT_ACT_HSIGMOID:
        return fminf(fmaxf(x / 6 + 0.5f, 0), 1);
    case LT_ACT_SIGMOID:
        return 1 / (1 + expf(-x));
    case LT_ACT_SILU:
        return x / (1 + expf(-x));
    case LT_ACT_TANH:
        return tanhf(x);
    case LT_ACT_GELU:
        return 0.5f * x * erfcf(-0.70710678f * x);
    default:
        return x;
    }
}

lt_status lt_iweights_make(const struct lt_iconv_spec *s, const float *w, const float *b, struct lt_iweights *out,
                           struct lt_err *e) {
    int64_t per = (int64_t)(s->ic / s->groups) * s->kh * s->kw;
    struct lt_iweights q = {.w = w, .b = b};
    if (s->int8) {
        q.q = lt_malloc((size_t)(s->oc * per));
        q.scale = lt_malloc((size_t)s->oc * sizeof(float));
        q.bias = lt_calloc((size_t)s->oc, sizeof(int32_t));
        if (!q.q || !q.scale || !q.bias) {
            lt_iweights_release(&q);
            return lt_fail(e, LT_ENOMEM, "quantized weights");
        }
        for (int o = 0; o < s->oc; o++) {
            const float *row = w + o * per;
            float sw = lt_weight_scale(row, per, b ? b[o] : 0, s->in_q.scale, s->weight_qmax);
            for (int64_t i = 0; i < per; i++) q.q[o * per + i] = lt_weight_quantize(row[i], sw, s->weight_qmax);
            q.scale[o] = s->in_q.scale * sw;
            if (b) q.bias[o] = lt_bias_quantize(b[o], s->in_q.scale, sw);
        }
    }
    *out = q;
    return LT_OK;
}

void lt_iweights_release(struct lt_iweights *w) {
    lt_free(w->q);
    lt_free(w->scale);
    lt_free(w->bias);
    *w = (struct lt_iweights){0};
}

struct plain {
    struct lt_iconv c;
    struct lt_iweights w; /* own copies */
    float *wf, *bf;
};

static int64_t n_weights(const struct lt_iconv_spec *s) { return (int64_t)s->oc * (s->ic / s->groups) * s->kh * s->kw; }

static void plain_clear(struct plain *p) {
    lt_iweights_release(&p->w);
    lt_free(p->wf);
    lt_free(p->bf);
    p->wf = p->bf = NULL;
}

static void plain_free(struct lt_iconv *c) {
    plain_clear((struct plain *)c);
    lt_free(c);
}

static lt_status plain_weights(struct lt_iconv *c, const struct lt_iweights *w, struct lt_err *e) {
    struct plain *p = (struct plain *)c;
    const struct lt_iconv_spec *s = &c->spec;
    int64_t n = n_weights(s);
    plain_clear(p);
    if (s->int8) {
        p->w.q = lt_malloc((size_t)n);
        p->w.scale = lt_malloc((size_t)s->oc * sizeof(float));
        p->w.bias = lt_malloc((size_t)s->oc * sizeof(int32_t));
        if (!p->w.q || !p->w.scale || !p->w.bias) return lt_fail(e, LT_ENOMEM, "quantized weights");
        for (int64_t i = 0; i < n; i++) p->w.q[i] = w->q[i];
        for (int o = 0; o < s->oc; o++) {
            p->w.scale[o] = w->scale[o];
            p->w.bias[o] = w->bias[o];
        }
        return LT_OK;
    }
    p->wf = lt_malloc((size_t)n * sizeof(float));
    p->bf = lt_calloc((size_t)s->oc, sizeof(float));
    if (!p->wf || !p->bf) return lt_fail(e, LT_ENOMEM, "weights");
    for (int64_t i = 0; i < n; i++) p->wf[i] = w->w[i];
    for (int o = 0; w->b && o < s->oc; o++) p->bf[o] = w->b[o];
    return LT_OK;
}

/* Source index of input channel 0 at kernel tap (y,x), or -1 in the padding. */
static int64_t tap(const struct lt_iconv_spec *s, int n, int oy, int ox, int ky, int kx) {
    int y = oy * s->stride - s->pad + ky * s->dilation, x = ox * s->stride - s->pad + kx * s->dilation;
    return y < 0 || y >= s->ih || x < 0 || x >= s->iw ? -1 : (((int64_t)n * s->ih + y) * s->iw + x) * s->ic;
}

static float point_f32(const struct plain *p, const float *src, int n, int oy, int ox, int o) {
    const struct lt_iconv_spec *s = &p->c.spec;
    int icg = s->ic / s->groups, first = o / (s->oc / s->groups) * icg;
    const float *w = p->wf + (int64_t)o * icg * s->kh * s->kw;
    float acc = 0;
    for (int ky = 0; ky < s->kh; ky++)
        for (int kx = 0; kx < s->kw; kx++) {
            int64_t at = tap(s, n, oy, ox, ky, kx);
            for (int i = 0; at >= 0 && i < icg; i++) acc += src[at + first + i] * w[(i * s->kh + ky) * s->kw + kx];
        }
    return acc + p->bf[o];
}

static float point_i8(const struct plain *p, const uint8_t *src, int n, int oy, int ox, int o) {
    const struct lt_iconv_spec *s = &p->c.spec;
    int icg = s->ic / s->groups, first = o / (s->oc / s->groups) * icg, zp = lt_iq_zp(s->in_q);
    const int8_t *w = p->w.q + (int64_t)o * icg * s->kh * s->kw;
    int64_t acc = p->w.bias[o]; /* the sum without bias fits s32; a saturated bias must not wrap */
    for (int ky = 0; ky < s->kh; ky++)
        for (int kx = 0; kx < s->kw; kx++) {
            int64_t at = tap(s, n, oy, ox, ky, kx);
            for (int i = 0; at >= 0 && i < icg; i++)
                acc += (src[at + first + i] - zp) * w[(i * s->kh + ky) * s->kw + kx];
        }
    return (float)acc * p->w.scale[o];
}

static int plain_run(struct lt_iconv *c) {
    const struct plain *p = (const struct plain *)c;
    const struct lt_iconv_spec *s = &c->spec;
    float *df = c->dst;
    uint8_t *dq = c->dst;
    int64_t k = 0;
    for (int n = 0; n < s->n; n++)
        for (int oy = 0; oy < s->oh; oy++)
            for (int ox = 0; ox < s->ow; ox++)
                for (int o = 0; o < s->oc; o++, k++) {
                    float v = s->int8 ? point_i8(p, c->src, n, oy, ox, o) : point_f32(p, c->src, n, oy, ox, o);
                    v = lt_iact(s->act1, v);
                    if (s->residual) v += df[k];
                    v = lt_iact(s->act2, v);
                    if (s->dst == LT_F32)
                        df[k] = v;
                    else
                        dq[k] = (uint8_t)(lt_act_quantize(v, s->out_q) + lt_iq_zp(s->out_q));
                }
    return 0;
}

lt_status lt_iconv_plain_new(const struct lt_iconv_spec *s, struct lt_iconv **out, struct lt_err *e) {
    struct plain *p = lt_calloc(1, sizeof(*p));
    if (!p) return lt_fail(e, LT_ENOMEM, "convolution");
    p->c = (struct lt_iconv){.weights = plain_weights, .run = plain_run, .free = plain_free, .spec = *s};
    *out = &p->c;
    return LT_OK;
}
