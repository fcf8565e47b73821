/* The registry of sensitivity metrics, from metrics.def. */
#include "quant/quant_priv.h"

#define LT_QUANT_METRIC(name) extern const struct lt_quant_metric_ops lt_quant_metric_##name;
#include "quant/metrics.def"
#undef LT_QUANT_METRIC

static const struct lt_quant_metric_ops *const table[] = {
#define LT_QUANT_METRIC(name) &lt_quant_metric_##name,
#include "quant/metrics.def"
#undef LT_QUANT_METRIC
};

int lt_quant_metric_count(void) { return (int)(sizeof(table) / sizeof(table[0])); }

const struct lt_quant_metric_ops *lt_quant_metric_at(int i) {
    return i >= 0 && i < lt_quant_metric_count() ? table[i] : NULL;
}
