/*
 * Softmax and its cross-entropy, in double over the few classes of a row: the loss is what training is judged by, and
 * its cost is nothing.
 */
#include "lathe/runtime.h"
#include <math.h>

/* log sum exp of a row, without overflow */
static double log_sum(const float *x, int k) {
    double top = x[0], sum = 0;
    for (int j = 1; j < k; j++) top = x[j] > top ? x[j] : top;
    for (int j = 0; j < k; j++) sum += exp(x[j] - top);
    return top + log(sum);
}

void lt_softmax(const float *logits, int n, int k, float *prob) {
    for (int64_t i = 0; i < n; i++) {
        double lse = log_sum(logits + i * k, k);
        for (int j = 0; j < k; j++) prob[i * k + j] = (float)exp(logits[i * k + j] - lse);
    }
}

/*
 * Targets t are (1 - smoothing) * onehot + smoothing / k, or the soft ones, or their sum;
 * loss = -sum t log p, d(loss)/d(logit) = p * sum t - t.
 */
double lt_softmax_xent(const float *logits, const uint8_t *labels, const float *soft, int n, int k, double smoothing,
                       float scale, float *dlogits) {
    double loss = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *x = logits + i * k;
        double lse = log_sum(x, k), mass = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int j = 0; j < k; j++) {
                double t =
                    (soft ? soft[i * k + j] : 0) + (labels ? smoothing / k + (labels[i] == j ? 1 - smoothing : 0) : 0);
                if (pass == 0) {
                    mass += t;
                    loss -= t * (x[j] - lse);
                } else if (dlogits) {
                    dlogits[i * k + j] = (float)((exp(x[j] - lse) * mass - t) * scale / n);
                }
            }
    }
    return loss / n;
}
