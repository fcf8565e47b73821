/*
 * Learning rates: linear warm-up, then cosine decay to zero (Loshchilov and Hutter, "SGDR", ICLR 2017), one cycle
 * (Smith and Topin, "Super-Convergence", 2019: up over the first 30%, down as a cosine), or constant.
 */
#include "supernet/train_priv.h"
#include <math.h>

double train_rate(const struct lt_train_cfg *cfg, int64_t step, int64_t total, int64_t steps_per_epoch) {
    double at = (double)step + 0.5, warm = cfg->warmup_epochs * (double)steps_per_epoch;
    if (cfg->schedule == TRAIN_ONECYCLE) {
        double up = 0.3 * (double)total, start = cfg->lr / 25;
        if (at < up) return start + (cfg->lr - start) * at / up;
        return cfg->lr * 0.5 * (1 + cos(M_PI * (at - up) / ((double)total - up)));
    }
    if (warm > 0.5 * (double)total) /* a run shorter than its warm-up still has to come down */
        warm = 0.5 * (double)total;
    if (at < warm) return cfg->lr * at / warm;
    if (cfg->schedule == TRAIN_CONSTANT) return cfg->lr;
    return cfg->lr * 0.5 * (1 + cos(M_PI * (at - warm) / ((double)total - warm)));
}
