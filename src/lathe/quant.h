/*
 * Post-training mixed-precision quantization of a folded graph: per layer int8 or f32. Observers give activation
 * scales, a sensitivity metric orders the layers, bisection (Schaefer et al., "Mixed Precision Post Training
 * Quantization of Neural Networks with Sensitivity Guided Search", arXiv 2302.01382) with real evaluations finds how
 * many may be int8 within the accuracy drop, and measured per-layer latency decides whether int8 pays at all. Plug-ins:
 * metrics (quant/metrics.def). Not collective.
 */
#ifndef LATHE_QUANT_H
#define LATHE_QUANT_H
#include "lathe/runtime.h"
#include "lathe/data.h"
#include "lathe/opt.h"
#include "lathe/ui.h"
#ifdef __cplusplus
extern "C" {
#endif
enum lt_quant_format {
    LT_QUANT_INT8 = 1,
    LT_QUANT_F32 = 2
}; /* bits of cfg.formats; without F32 every layer is int8 or the plan is refused */
enum lt_quant_search { LT_QUANT_BISECTION, LT_QUANT_GREEDY };
enum lt_quant_probing { LT_QUANT_JOINT, LT_QUANT_LAYER }; /* of Hessian traces */
enum lt_quant_observer { LT_QUANT_MINMAX, LT_QUANT_PERCENTILE, LT_QUANT_MSE };
struct lt_quant_cfg {
    unsigned formats, metric; /* metric: bit i is row i of quant/metrics.def */
    int search, observer, probing;
    double percentile;        /* fraction of magnitudes kept by that observer */
    double max_accuracy_drop; /* fraction of images */
    double guard; /* standard errors of the paired difference that are added to the measured drop before it is judged */
    int64_t calib_images, eval_images; /* eval_images 0 = the whole validation part */
    int64_t sensitivity_images, probes,
        refine; /* of the metrics; Hutchinson probes and noise draws; single-layer trials after the bisection */
};
extern const struct lt_opt lt_quant_opts[];
/* Latency of one anchor node's fused unit (CONV/LINEAR and what was fused into it), with its share of conversions, in
 * seconds. */
struct lt_quant_gain {
    int node;
    double f32_s, int8_s;
};
struct lt_quant_layer {
    int node;
    double sensitivity;
    double f32_s, int8_s;
    bool int8;
    const char *reason; /* "int8", "slower in int8", "too sensitive", ... static text */
};
struct lt_quant_eval {
    int n_int8;
    double accuracy;
    double predicted_s;
    bool accepted;
};
struct lt_quant_result {
    struct lt_plan *plan;
    int n_layers;
    struct lt_quant_layer *layer; /* in graph order */
    int n_evals;
    struct lt_quant_eval *eval;    /* in the order they were made */
    double f32_accuracy, accuracy; /* on the validation images used */
    bool met; /* plan has int8 layers, was evaluated and met the limit; false: the untouched f32 model is returned */
};
struct lt_quant_job {
    const struct lt_graph *graph;
    const struct lt_weights *weights;         /* folded */
    const struct lt_data *calib, *validation; /* train part, search-validation part */
    const struct lt_quant_gain *gain;
    int n_gain; /* from the device; NULL = unknown, int8 assumed to pay for dense layers */
    int weight_qmax;
    uint64_t seed;
    struct lt_backend *backend;
    const struct lt_ui *ui;
};
/* Activation scales for every CONV/LINEAR input, into plan->out (streamed histograms). plan's is_int8 is untouched. */
lt_status lt_quant_observe(const struct lt_quant_job *job, const struct lt_quant_cfg *cfg, struct lt_plan *plan,
                           struct lt_err *e);
/* Correct predictions of a folded graph on the first n images of a part; `correct` [n] of 0/1 and mean_loss may be
 * NULL. */
lt_status lt_quant_accuracy(struct lt_backend *b, const struct lt_graph *folded, const struct lt_weights *w,
                            const struct lt_plan *plan, const struct lt_data *part, int n, int *n_correct,
                            uint8_t *correct, double *mean_loss, struct lt_err *e);
/* Each metric orders the layers in its own way (sensitivity per second saved, ascending) and is searched on its own; of
 * all plans that were evaluated and met the limit the one that saves most is kept. Bisection evaluates at most
 * floor(log2 N) + 1 plans a metric for N layers that int8 makes faster, refinement at most cfg->refine more. LT_EINTR
 * when the ui asks to stop. */
lt_status lt_quantize(const struct lt_quant_job *job, const struct lt_quant_cfg *cfg, struct lt_quant_result *out,
                      struct lt_err *e);
void lt_quant_result_release(struct lt_quant_result *r);
/* What lt_quantize costs at most, in forward passes of one image of a network with that many layers. */
double lt_quant_images(const struct lt_quant_cfg *cfg, int layers, int n_validation);
#ifdef __cplusplus
}
#endif
#endif
