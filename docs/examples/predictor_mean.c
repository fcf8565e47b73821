/* Example predictor "mean": says the mean of what was measured, and its standard deviation. The baseline that every
 * other has to beat. */
#include "lathe/mem.h"
#include "lathe/predictor.h"
#include "lathe/stats.h"

struct cfg {
    double inflate;
};
struct self {
    double inflate, mean_s, sd_s;
};

static const struct lt_opt opts[] = {{"inflate", LT_OPT_DOUBLE, "", "1", 0.1, 10, offsetof(struct cfg, inflate), NULL,
                                      "factor on the stated standard deviation"},
                                     {0}};

static lt_status open(const struct lt_space *space, const void *cfg, uint64_t seed, void **out, struct lt_err *e) {
    (void)space;
    (void)seed;
    struct self *p = lt_calloc(1, sizeof *p);
    if (!p) return lt_fail(e, LT_ENOMEM, "predictor mean");
    p->inflate = ((const struct cfg *)cfg)->inflate;
    *out = p;
    return LT_OK;
}

static lt_status fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e) {
    struct self *p = self;
    (void)a;
    if (n < 2) return lt_fail(e, LT_EINVAL, "predictor mean: %d measurements, at least 2 are needed", n);
    p->mean_s = lt_mean(latency_s, n);
    p->sd_s = p->inflate * lt_sd(latency_s, n);
    return LT_OK;
}

static lt_status predict(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s,
                         struct lt_err *e) {
    const struct self *p = self;
    (void)a;
    (void)e;
    for (int i = 0; i < n; i++) {
        mean_s[i] = p->mean_s;
        if (sd_s) sd_s[i] = p->sd_s;
    }
    return LT_OK;
}

const struct lt_predictor_ops lt_predictor_mean = {
    .name = "mean",
    .source = "none",
    .about = "the mean of the measurements",
    .opts = opts,
    .cfg_size = sizeof(struct cfg),
    .open = open,
    .close = lt_free,
    .fit = fit,
    .predict = predict,
};
