/*
 * What an INFER session computes besides convolutions: layout changes, quantization, element-wise operators, pooling,
 * softmax; thin calls of the kernel table that the session's backend uses. f32, channels-last, one thread.
 */
#include "runtime/infer_priv.h"
#include <string.h>

static int64_t count(const struct lt_iel *t) { return t->n * t->c * t->h * t->w; }

void lt_iel_copy(const struct lt_iel *t) { memcpy(t->dst, t->a, (size_t)count(t) * sizeof(float)); }

void lt_iel_nhwc(const struct lt_iel *t) { t->k->nchw_to_nhwc(t->a, t->n, (int)t->c, t->h * t->w, t->dst); }

void lt_iel_nchw(const struct lt_iel *t) { t->k->nhwc_to_nchw(t->a, t->n, (int)t->c, t->h * t->w, t->dst); }

void lt_iel_quantize(const struct lt_iel *t) { t->k->quantize(t->a, count(t), t->q, lt_iq_zp(t->q), t->dst); }

void lt_iel_act(const struct lt_iel *t) { t->k->act_forward(t->act, t->a, count(t), t->dst); }

void lt_iel_pool(const struct lt_iel *t) {
    struct lt_window d = {.n = t->n,
                          .h = (int)t->h,
                          .w = (int)t->w,
                          .c = (int)t->c,
                          .oh = (int)t->oh,
                          .ow = (int)t->ow,
                          .kernel = t->kernel,
                          .stride = t->stride,
                          .pad = t->pad};
    t->k->pool_forward(&d, t->pool, t->a, t->dst);
}

void lt_iel_gap(const struct lt_iel *t) { t->k->gap_forward(t->a, t->n, t->h * t->w, (int)t->c, t->dst); }

void lt_iel_add(const struct lt_iel *t) { t->k->add(t->a, t->b, count(t), t->dst); }

void lt_iel_mul(const struct lt_iel *t) {
    if (t->broadcast)
        t->k->mul_forward(t->a, t->b, t->n, t->h * t->w, (int)t->c, t->dst);
    else
        t->k->mul_forward(t->a, t->b, t->n, 1, (int)(t->c * t->h * t->w), t->dst);
}

void lt_iel_softmax(const struct lt_iel *t) { lt_softmax(t->a, t->n, (int)(t->c * t->h * t->w), t->dst); }
