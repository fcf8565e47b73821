/*
 * Does another runtime compute the same? The bundle's model is run by ONNX Runtime in a Python process on the inputs in
 * sample.bin, and its logits are compared with those that lathe computed. The script stands here as a string, so an
 * installed program needs no data file.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "deploy/deploy_priv.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/yaml.h"

#define TIMEOUT_S 180.0 /* importing onnxruntime from a cold disk takes seconds, not minutes */

/* Prints one line of JSON: {"status": "ok", ...} or {"status": "unavailable", "reason": ...}. argv: model, sample. */
static const char script[] =
    "import json, struct, sys\n"
    "def say(**k):\n"
    "    print(json.dumps(k)); sys.exit(0)\n"
    "try:\n"
    "    import numpy as np, onnxruntime as ort\n"
    "except ImportError as x:\n"
    "    say(status='unavailable', reason=str(x))\n"
    "raw = open(sys.argv[2], 'rb').read()\n"
    "n, c, h, w, k = struct.unpack('<5I', raw[12:32])\n"
    "v = np.frombuffer(raw, '<f4', offset=36)\n"
    "x, want = v[:n*c*h*w].reshape(n, c, h, w), v[n*c*h*w:].reshape(n, k)\n"
    "o = ort.SessionOptions()\n"
    "o.intra_op_num_threads = 1\n"
    "o.log_severity_level = 3\n"
    "s = ort.InferenceSession(sys.argv[1], o, providers=['CPUExecutionProvider'])\n"
    "got = s.run(None, {s.get_inputs()[0].name: x.astype(np.float32)})[0]\n"
    "if got.shape != want.shape:\n"
    "    say(status='mismatch', reason='output %s, expected %s' % (got.shape, want.shape))\n"
    "if not (np.isfinite(got).all() and np.isfinite(want).all()):\n"
    "    say(status='mismatch', reason='output is not finite')\n"
    "top = max(float(np.abs(want).max()), 1e-30)\n"
    "say(status='ok', max_diff=float(np.abs(got - want).max()) / top,\n"
    "    argmax_agree=float((got.argmax(1) == want.argmax(1)).mean()), version=ort.__version__)\n";

/* The last line of b that is not empty, NUL-terminated in place. */
static char *last_line(struct lt_buf *b) {
    while (b->len && (b->data[b->len - 1] == '\n' || b->data[b->len - 1] == '\r')) b->data[--b->len] = 0;
    char *nl = b->len ? strrchr(b->data, '\n') : NULL;
    return nl ? nl + 1 : b->len ? b->data : NULL;
}

static lt_status read_answer(const char *python, struct lt_buf *out, struct lt_buf *err, int exit_code,
                             double *max_diff, double *argmax_agree, struct lt_err *e) {
    struct lt_json *j = NULL;
    const char *status, *reason, *line = last_line(out), *why = last_line(err);
    double d, a;
    lt_status s;
    if (exit_code == 127 || exit_code == 126)
        return lt_fail(e, LT_EUNAVAIL, "%s cannot be run: %s", python, why ? why : "not found");
    if (exit_code || !line)
        return lt_fail(e, LT_EFAIL, "ONNX Runtime check by %s ended with %d: %s", python, exit_code,
                       why ? why : "no message");
    if ((s = lt_json_parse("ONNX Runtime check", line, strlen(line), &j, e)) ||
        (s = lt_json_str(j, "status", &status, e)))
        goto out;
    if (strcmp(status, "ok")) {
        if (!(s = lt_json_str(j, "reason", &reason, e)))
            s = !strcmp(status, "unavailable") ? lt_fail(e, LT_EUNAVAIL, "%s: %s", python, reason)
                                               : lt_fail(e, LT_EFAIL, "ONNX Runtime check: %s", reason);
        goto out;
    }
    if ((s = lt_json_num(j, "max_diff", &d, e)) || (s = lt_json_num(j, "argmax_agree", &a, e))) goto out;
    *max_diff = d;
    *argmax_agree = a;
out:
    lt_json_free(j);
    return s;
}

/* How far apart the logits may be: the bundle's own config says whether any layer is in int8. */
static lt_status read_tolerance(const char *config, double *out, struct lt_err *e) {
    struct lt_yaml *y = NULL;
    const struct lt_yaml *n;
    int64_t int8;
    lt_status s = lt_yaml_load(config, &y, e);
    if (s) return s;
    if (!(n = lt_yaml_get(lt_yaml_get(y, "quantization"), "int8")))
        s = lt_yaml_fail(e, y, "quantization: int8: is missing");
    else if (!(s = lt_yaml_int(n, 0, INT32_MAX, &int8, e)))
        *out = int8 ? LT_DEPLOY_TOLERANCE_INT8 : LT_DEPLOY_TOLERANCE_F32;
    lt_yaml_free(y);
    return s;
}

lt_status lt_deploy_verify(const char *dir, const char *python, double *max_diff, double *argmax_agree,
                           struct lt_err *e) {
    struct lt_buf out = LT_BUF_INIT, err = LT_BUF_INIT;
    struct lt_bundle_sample sample;
    char *model = lt_path_join(dir, LT_BUNDLE_MODEL), *inputs = lt_path_join(dir, LT_BUNDLE_SAMPLE),
         *config = lt_path_join(dir, LT_BUNDLE_CONFIG);
    double tolerance = 0;
    int exit_code = 0;
    lt_status s;
    if (!python || !*python) python = getenv("LT_PYTHON");
    if (!python || !*python) python = "python3";
    if (!model || !inputs || !config) {
        s = lt_fail(e, LT_ENOMEM, "%s: out of memory", dir);
        goto out;
    }
    if (!lt_path_exists(model)) {
        s = lt_fail(e, LT_EIO, "%s: not there; %s is no deployment bundle", model, dir);
        goto out;
    }
    if ((s = lt_bundle_sample_check(inputs, &sample, e)) || (s = read_tolerance(config, &tolerance, e))) goto out;
    const char *const argv[] = {python, "-c", script, model, inputs, NULL};
    if (!(s = lt_run_program(argv, TIMEOUT_S, &out, &err, &exit_code, e)))
        s = read_answer(python, &out, &err, exit_code, max_diff, argmax_agree, e);
    /* within it the first class can differ only where lathe's two best are less than twice as far apart */
    if (!s && !(*max_diff <= tolerance))
        s = lt_fail(e, LT_EFAIL,
                    "%s: ONNX Runtime and lathe differ by %.2e of the largest logit, more than %.0e; %.1f %% of the "
                    "first classes are equal",
                    model, *max_diff, tolerance, 100 * *argmax_agree);
out:
    lt_buf_release(&out);
    lt_buf_release(&err);
    lt_free(model);
    lt_free(inputs);
    lt_free(config);
    return s;
}
