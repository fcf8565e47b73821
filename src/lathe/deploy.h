/*
 * Deployment bundle: model.onnx (opset 13; QDQ where quantized, per-channel weights; batch norm folded; dynamic batch),
 * config.yaml (per-tensor precision and scales, provenance, accuracy, predicted and measured latency with interval),
 * and verification of the file against ONNX Runtime where a Python with onnxruntime and numpy is found.
 */
#ifndef LATHE_DEPLOY_H
#define LATHE_DEPLOY_H
#include "lathe/graph.h"
#include "lathe/buf.h"
#include "lathe/json.h"
#include "lathe/onnx.h"
#ifdef __cplusplus
extern "C" {
#endif
struct lt_deploy_info { /* NaN / NULL = unknown, written as null */
    const char *arch, *space, *data, *experiment, *device_json, *runtime;
    uint64_t seed;
    double accuracy_test, accuracy_f32_test, accuracy_validation, predicted_ms, measured_ms, measured_lo_ms,
        measured_hi_ms, f32_measured_ms, size_bytes;
    int n_samples; /* of the measurement */
    const double *mean, *sd;
    int channels, resolution;  /* preprocessing: pixel/255, (x-mean)/sd, bilinear half-pixel resize */
    const char *const *reason; /* [n_nodes] why a layer has its precision; NULL ok */
};
/* Writes dir/model.onnx, dir/config.yaml, dir/sample.bin (a few inputs and lathe's logits, for verification) whole or
 * not at all. x [n,C,H,W], logits [n,classes]. */
lt_status lt_deploy_write(const char *dir, const struct lt_graph *folded, const struct lt_weights *w,
                          const struct lt_plan *plan, const struct lt_deploy_info *info, const float *x,
                          const float *logits, int n, struct lt_err *e);
/* Runs ONNX Runtime on dir/model.onnx with dir/sample.bin through `python` (NULL: $LT_PYTHON, then python3).
 * LT_EUNAVAIL with the reason when it cannot. *max_diff = largest |logit difference| relative to the largest |logit|,
 * *argmax_agree = share of equal argmax. A difference above the tolerance for the bundle's precision is LT_EFAIL; both
 * numbers are set then too, and only then among all failures. */
#define LT_DEPLOY_TOLERANCE_F32 1e-4  /* sums in another order differ by 1e-6 to 2e-5 */
#define LT_DEPLOY_TOLERANCE_INT8 0.02 /* a rounding tie moves an activation by one step, up to 1/127 of its range */
lt_status lt_deploy_verify(const char *dir, const char *python, double *max_diff, double *argmax_agree,
                           struct lt_err *e);
#ifdef __cplusplus
}
#endif
#endif
