/*
 * Stochastic gradient descent with Nesterov momentum, replicated on every rank from the same sum, so that parameters
 * never travel. Weight decay touches the weights of convolutions and the classifier; not BN, biases, nor the kernel
 * transforms, whose neutral value is the identity.
 */
#include "supernet/train_priv.h"
#include <math.h>

double train_norm(const float *v, int64_t n) {
    double sum[8] = {0}; /* fixed order, and independent chains for the processor */
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) sum[k] += (double)v[i + k] * v[i + k];
    for (; i < n; i++) sum[0] += (double)v[i] * v[i];
    return sqrt(((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7])));
}

static void update(float *restrict p, float *restrict v, const float *restrict grad, int64_t n, float scale, float rate,
                   float momentum, float decay) {
    for (int64_t i = 0; i < n; i++) {
        float g = scale * grad[i] + decay * p[i];
        v[i] = momentum * v[i] + g;
        p[i] -= rate * (g + momentum * v[i]);
    }
}

void train_sgd(const struct lt_supernet *sn, float *params, float *velocity, const float *grad, float scale, float rate,
               float momentum, float weight_decay) {
    int64_t end = 0;
    for (int i = 0; i < sn->n_entries; i++) {
        const struct shared_param *s = &sn->entry[i];
        int64_t o = s->offset;
        update(params + o, velocity + o, grad + o, s->count, scale, rate, momentum,
               s->role == LT_PARAM_WEIGHT ? weight_decay : 0);
        end = o + s->count;
    }
    update(params + end, velocity + end, grad + end, sn->n_params - end, scale, rate, momentum, 0); /* transforms */
}
