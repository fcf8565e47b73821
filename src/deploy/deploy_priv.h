/* What the files of src/deploy share: the names in a bundle, the sample file, running a program. */
#ifndef LT_DEPLOY_PRIV_H
#define LT_DEPLOY_PRIV_H
#include "lathe/deploy.h"

#define LT_BUNDLE_MODEL "model.onnx"
#define LT_BUNDLE_CONFIG "config.yaml"
#define LT_BUNDLE_SAMPLE "sample.bin"

/* config.yaml's text. model: the bytes of model.onnx, of which size and CRC are recorded. */
lt_status lt_bundle_config(const struct lt_graph *g, const struct lt_weights *w, const struct lt_plan *plan,
                           const struct lt_deploy_info *info, const struct lt_buf *model, struct lt_buf *out,
                           struct lt_err *e);

/* sample.bin, see docs/formats/bundle.md. */
struct lt_bundle_sample {
    int n, channels, height, width, classes;
};
lt_status lt_bundle_sample_write(const struct lt_bundle_sample *s, const float *x, const float *logits,
                                 struct lt_buf *out, struct lt_err *e);
lt_status lt_bundle_sample_check(const char *path, struct lt_bundle_sample *out,
                                 struct lt_err *e); /* magic, version, sizes, CRC */

/* Runs argv[0] (searched in PATH, no shell) with nothing on stdin. Output beyond 1 MiB is dropped. LT_EUNAVAIL when it
 * cannot be started, LT_EFAIL after timeout_s (the whole process group is killed). *exit_code: its own, or 128 + the
 * signal. */
lt_status lt_run_program(const char *const *argv, double timeout_s, struct lt_buf *out, struct lt_buf *err,
                         int *exit_code, struct lt_err *e);
#endif
