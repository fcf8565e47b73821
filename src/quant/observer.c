/*
 * Streamed histograms of activations: two arrays of bins, for positive and negative magnitudes, so memory does not
 * depend on the number of samples and a two-sided tensor never loses its sign. The range is a power of two that doubles
 * when a larger magnitude comes; pairs of bins are then merged, which is exact, so the result does not depend on the
 * order of the samples.
 */
#include <math.h>
#include <string.h>
#include "quant/quant_priv.h"

#define BINS LT_OBSERVER_BINS
#define MSE_CANDIDATES 128

void lt_observer_init(struct lt_observer *o) { memset(o, 0, sizeof(*o)); }

static void widen(struct lt_observer *o, double top) {
    int exponent;
    frexp(top, &exponent); /* top < 2^exponent strictly */
    double wanted = ldexp(1, exponent);
    if (o->range == 0) o->range = wanted;
    while (o->range < wanted) {
        for (int s = 0; s < 2; s++) {
            for (int i = 0; i < BINS / 2; i++) o->bin[s][i] = o->bin[s][2 * i] + o->bin[s][2 * i + 1];
            memset(o->bin[s] + BINS / 2, 0, BINS / 2 * sizeof(o->bin[s][0]));
        }
        o->range *= 2;
    }
}

bool lt_observer_add(struct lt_observer *o, const float *x, int64_t n) {
    float lo = o->n ? o->min : INFINITY, hi = o->n ? o->max : -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) return false;
        lo = fminf(lo, x[i]);
        hi = fmaxf(hi, x[i]);
    }
    if (n <= 0) return true;
    o->min = lo;
    o->max = hi;
    o->n += n;
    double top = fmax(fabs((double)lo), fabs((double)hi));
    if (top > 0 && top >= o->range) widen(o, top);
    double per = o->range > 0 ? BINS / o->range : 0;
    for (int64_t i = 0; i < n; i++) {
        if (x[i] == 0)
            o->n_zero++;
        else
            o->bin[x[i] < 0][(int)(fabs((double)x[i]) * per)]++;
    }
    return true;
}

/* The magnitude below which a fraction p of all values lies, to the upper edge of its bin and never above the largest.
 */
static double magnitude_quantile(const struct lt_observer *o, double p) {
    double top = fmax(fabs((double)o->min), fabs((double)o->max)), want = p * (double)o->n;
    int64_t below = o->n_zero;
    for (int i = 0; i < BINS; i++) {
        below += o->bin[0][i] + o->bin[1][i];
        if ((double)below >= want && below > o->n_zero) /* a tensor of nearly all zeros still gets its smallest bin */
            return fmin(top, (i + 1) * o->range / BINS);
    }
    return top;
}

static double squared_error(const struct lt_observer *o, double scale, double lo, double hi) {
    double sum = 0, step = o->range / BINS;
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < BINS; i++) {
            if (!o->bin[s][i]) continue;
            double x = (s ? -1 : 1) * (i + 0.5) * step, q = fmin(fmax(rint(x / scale), lo), hi);
            sum += (double)o->bin[s][i] * (q * scale - x) * (q * scale - x);
        }
    return sum;
}

struct lt_qparam lt_observer_qparam(const struct lt_observer *o, enum lt_quant_observer kind, double percentile) {
    bool is_signed = o->n && o->min < 0;
    double hi = is_signed ? 127 : 255, top = o->n ? fmax(fabs((double)o->min), fabs((double)o->max)) : 0, scale;
    if (!(top > 0)) /* a tensor of zeros: any scale is exact */
        return (struct lt_qparam){.scale = 1, .is_signed = is_signed};
    if (kind == LT_QUANT_MINMAX) {
        scale = is_signed ? fmax((double)o->max / 127, (double)-o->min / 128) : top / 255;
    } else if (kind == LT_QUANT_PERCENTILE) {
        scale = magnitude_quantile(o, percentile) / hi;
    } else {
        double best = INFINITY;
        scale = top / hi;
        for (int k = MSE_CANDIDATES; k > MSE_CANDIDATES / 8; k--) { /* from the full range down to an eighth of it */
            double s = top * k / MSE_CANDIDATES / hi, err = squared_error(o, s, is_signed ? -128 : 0, hi);
            if (err < best) {
                best = err;
                scale = s;
            }
        }
    }
    /* A denormal scale would make x / scale infinite. */
    return (struct lt_qparam){.scale = fmaxf((float)scale, 1e-30f), .is_signed = is_signed};
}
