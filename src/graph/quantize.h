/*
 * The int8 form of values, as lathe/graph.h defines it, in one place: activation, weight scale, weight, bias. Plain
 * arithmetic in float and double without reassociation, so that every user gets the same integers. Rounding is the
 * default mode, half to even.
 */
#ifndef LT_GRAPH_QUANTIZE_H
#define LT_GRAPH_QUANTIZE_H
#include "lathe/graph.h"
#include <math.h>

/* Clamped true quotient; NaN gives the lowest value. */
static inline int lt_act_quantize(float x, struct lt_qparam q) {
    float lo = q.is_signed ? -128 : 0, hi = q.is_signed ? 127 : 255, v = x / q.scale;
    return (int)rintf(v > lo ? v > hi ? hi : v : lo);
}

/*
 * scale_w of one output channel: max|w| / qmax, 1 for a channel of zeros. A channel whose weights are nothing beside
 * its bias (a dead channel after batch-norm folding) would need a bias beyond 32 bits: its scale is raised until |bias|
 * is 2^30 steps. That costs such a channel at most n_weights * 255 / 2^31 of its bias.
 */
static inline float lt_weight_scale(const float *w, int64_t n, float bias, float scale_x, int qmax) {
    float top = 0;
    for (int64_t i = 0; i < n; i++) top = fmaxf(top, fabsf(w[i]));
    float sw = top > 0 ? top / (float)qmax : 1;
    double need = fabs((double)bias) / ((double)scale_x * 1073741824.0);
    return need > (double)sw ? (float)need : sw;
}

static inline int8_t lt_weight_quantize(float w, float scale_w, int qmax) {
    return (int8_t)lrintf(fminf(fmaxf(w / scale_w, (float)-qmax), (float)qmax));
}

/* Clamped in double, because INT32_MAX is no float. With lt_weight_scale nothing is clamped. */
static inline int32_t lt_bias_quantize(float b, float scale_x, float scale_w) {
    return (int32_t)lrint(fmin(fmax((double)b / ((double)scale_x * (double)scale_w), -2147483648.0), 2147483647.0));
}
#endif
