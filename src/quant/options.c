/* Keys of the experiment's `quantize:` section. */
#include <stddef.h>
#include "quant/quant_priv.h"

#define METRIC_NAME(name) "|" #name
#define LT_QUANT_METRIC(name) METRIC_NAME(name)
/* "|qe|noise|hessian" without its first bar. */
static const char metric_choices[] =
#include "quant/metrics.def"
    ;
#undef LT_QUANT_METRIC

#define AT(field) offsetof(struct lt_quant_cfg, field)
const struct lt_opt lt_quant_opts[] = {
    {"formats", LT_OPT_SET, "", "int8,f32", 0, 0, AT(formats), "int8|f32",
     "what a layer may be; int8 alone: all layers or none"},
    {"metric", LT_OPT_SET, "", "qe,noise,hessian", 0, 0, AT(metric), metric_choices + 1,
     "how sensitivity is estimated; each one orders a search of its own"},
    {"search", LT_OPT_ENUM, "", "bisection", 0, 0, AT(search), "bisection|greedy",
     "greedy evaluates once for every layer"},
    {"observer", LT_OPT_ENUM, "", "percentile", 0, 0, AT(observer), "minmax|percentile|mse",
     "how an activation's range is chosen"},
    {"percentile", LT_OPT_DOUBLE, "fraction", "99.99%", 0.5, 1, AT(percentile), NULL,
     "share of magnitudes that the percentile observer keeps"},
    {"max_accuracy_drop", LT_OPT_DOUBLE, "fraction", "0.5%", 0, 1, AT(max_accuracy_drop), NULL,
     "largest loss of accuracy against the same network in f32"},
    {"guard", LT_OPT_DOUBLE, "", "1", 0, 5, AT(guard), NULL,
     "standard errors added to the measured drop before it is compared with the limit; where int8 changes the outcome "
     "of 1% of the images, one is 0.14% of 5000 validation images, 0.2% of 2500 and 0.7% of 200"},
    {"calib_images", LT_OPT_INT, "", "512", 1, 1e6, AT(calib_images), NULL,
     "training images that set activation ranges"},
    {"eval_images", LT_OPT_INT, "", "0", 0, 1e9, AT(eval_images), NULL,
     "validation images of each evaluation; 0 = all"},
    {"sensitivity_images", LT_OPT_INT, "", "128", 1, 1e6, AT(sensitivity_images), NULL,
     "training images behind noise and hessian"},
    {"probes", LT_OPT_INT, "", "16", 1, 1e4, AT(probes), NULL,
     "random directions of hessian; noise draws one pair for every 8"},
    {"probing", LT_OPT_ENUM, "", "joint", 0, 0, AT(probing), "joint|layer",
     "hessian probes all layers at once, or each layer with all probes: exact to a few per cent from 100 on, and as "
     "many "
     "times the work as there are layers"},
    {"refine", LT_OPT_INT, "", "8", 0, 1e4, AT(refine), NULL, "single layers tried after the bisection"},
    {0},
};
