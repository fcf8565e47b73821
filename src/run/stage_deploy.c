/* Room: run. Stage deploy: the bundle of the chosen network, and its comparison with ONNX Runtime where that is
 * installed. Rank 0. */
#include "run/stages.h"
#include "lathe/cost.h"
#include "lathe/deploy.h"
#include "lathe/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SAMPLES = 16, FORMAT_NONE = 1 };

/* Logits of the first validation images, for whoever checks the file. */
static lt_status sample_logits(struct lt_run *r, const struct lt_graph *g, const struct lt_weights *w,
                               const struct lt_plan *plan, int res, float **x, float **logits, int *n,
                               struct lt_err *e) {
    const struct lt_data *val = lt_data_validation(r->data);
    struct lt_session *ses = NULL;
    int32_t item[SAMPLES];
    uint8_t label[SAMPLES];
    int k = val->n < SAMPLES ? val->n : SAMPLES;
    int64_t classes = lt_shape_count(&g->node[g->output].out);
    lt_status s;
    for (int i = 0; i < k; i++) item[i] = i;
    *x = lt_calloc((size_t)k * (size_t)val->channels * (size_t)res * (size_t)res, sizeof(float));
    *logits = lt_calloc((size_t)k * (size_t)classes, sizeof(float));
    if (!*x || !*logits) return lt_fail(e, LT_ENOMEM, "deployment samples");
    lt_data_batch(val, item, k, res, NULL, *x, label);
    s = lt_session_new(r->backend, g, &(struct lt_session_opt){.kind = LT_SESSION_INFER, .batch = k, .plan = plan},
                       &ses, e);
    if (!s) s = lt_session_weights(ses, w, e);
    if (!s) s = lt_session_forward(ses, *x, k, LT_BN_RUNNING, *logits, e);
    lt_session_free(ses);
    *n = k;
    return s;
}

/* Why each layer has its precision, by node; borrowed texts. */
static void read_reasons(const struct lt_json *quantize, const char **reason, int n_nodes) {
    const struct lt_json *l = quantize ? lt_json_get(quantize, "layers") : NULL;
    for (int i = 0; l && i < l->n; i++) {
        double node = lt_json_num_or(l->child[i], "node", -1);
        const char *text;
        if (node >= 0 && node < n_nodes && !lt_json_str(l->child[i], "reason", &text, NULL)) reason[(int)node] = text;
    }
}

static const struct lt_json *final_row(const struct lt_run *r, const char *role) {
    const struct lt_json *rec = lt_store_find(r->store, "final", NULL), *rows = rec ? lt_json_get(rec, "rows") : NULL;
    const char *is;
    for (int i = 0; rows && i < rows->n; i++)
        if (!lt_json_str(rows->child[i], "role", &is, NULL) && !strcmp(is, role)) return rows->child[i];
    return NULL;
}

/* A deployment that ONNX Runtime computes otherwise: compared, and not verified. */
static bool refused(const struct lt_json *record) {
    const struct lt_json *v = record ? lt_json_get(record, "verified") : NULL;
    return v && !v->b && isfinite(lt_json_num_or(record, "max_diff", NAN));
}

static lt_status write_bundle(struct lt_run *r, const char *dir, struct lt_err *e) {
    struct lt_graph *g = NULL;
    struct lt_weights *w = NULL;
    struct lt_plan *plan = NULL;
    struct lt_arch a;
    struct lt_buf device = LT_BUF_INIT, runtime = LT_BUF_INIT;
    struct lt_measured m = {NAN, NAN, NAN, 0, false}, f32 = {NAN, NAN, NAN, 0, false};
    struct lt_cost cost;
    struct lt_jw jw;
    float *x = NULL, *logits = NULL;
    double mean[4], sd[4];
    const char **reason = NULL, *text;
    const struct lt_data *train = lt_data_train(r->data);
    int n = 0, res = 0;
    lt_status s = lt_run_chosen(r, &a, &text, e);
    if (!s) s = lt_run_subnet(r, &a, &g, &w, e);
    if (!s) s = lt_run_deployed_plan(r, g, &plan, e);
    if (s) goto out;
    res = lt_space_resolution(r->x->space, &a);
    if ((s = sample_logits(r, g, w, plan, res, &x, &logits, &n, e))) goto out;
    if (!(reason = lt_calloc((size_t)g->n_nodes, sizeof(*reason)))) {
        s = lt_fail(e, LT_ENOMEM, "deployment");
        goto out;
    }
    const struct lt_json *q = lt_store_find(r->store, "quantize", text), *v = lt_store_find(r->store, "verify", text),
                         *dep = final_row(r, "deployed"), *chosen = final_row(r, "chosen"),
                         *eval = lt_store_find(r->store, "eval", text);
    const double saved_s = plan ? lt_run_int8_gain_s(q) : 0;
    read_reasons(q, reason, g->n_nodes);
    if ((s = lt_measured_read(v, &f32, e)) || (s = lt_measured_read(plan ? q : v, &m, e))) goto out;
    lt_jw_init(&jw, &device);
    lt_device_describe(r->device, &jw);
    lt_runtime_describe(&runtime);
    if ((s = lt_buf_ok(&device, e)) || (s = lt_buf_ok(&runtime, e))) goto out;
    lt_graph_cost(g, plan, &cost);
    for (int i = 0; i < 4; i++) {
        mean[i] = (double)train->mean[i];
        sd[i] = (double)train->sd[i];
    }
    struct lt_deploy_info info = {.arch = text,
                                  .space = lt_space_name(r->x->space),
                                  .data = lt_data_source(&r->x->data),
                                  .experiment = r->x->name,
                                  .device_json = device.data,
                                  .runtime = runtime.data,
                                  .seed = r->x->seed,
                                  .accuracy_test = lt_json_num_or(dep, "accuracy", NAN),
                                  .accuracy_f32_test = lt_json_num_or(chosen ? chosen : dep, "accuracy", NAN),
                                  .accuracy_validation = lt_json_num_or(dep, "accuracy_validation", NAN),
                                  .predicted_ms = 1e3 * (lt_json_num_or(v, "predicted_s", NAN) - saved_s),
                                  .measured_ms = 1e3 * m.median_s,
                                  .measured_lo_ms = 1e3 * m.lo_s,
                                  .measured_hi_ms = 1e3 * m.hi_s,
                                  .f32_measured_ms = 1e3 * f32.median_s,
                                  .size_bytes = (double)cost.size_bytes,
                                  .n_samples = m.n_samples,
                                  .mean = mean,
                                  .sd = sd,
                                  .channels = train->channels,
                                  .resolution = res,
                                  .reason = reason};
    if (isnan(info.accuracy_validation))
        info.accuracy_validation = lt_json_num_or(eval ? lt_json_get(eval, "scores") : NULL, "accuracy", NAN);
    s = lt_deploy_write(dir, g, w, plan, &info, x, logits, n, e);
out:
    lt_free(reason);
    lt_free(x);
    lt_free(logits);
    lt_buf_release(&device);
    lt_buf_release(&runtime);
    lt_plan_free(plan);
    lt_weights_free(w);
    lt_graph_free(g);
    return s;
}

static lt_status deploy(struct lt_run *r, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_err why = {0};
    struct lt_jw w;
    double diff = NAN, agree = NAN;
    bool verified = false;
    char *dir = lt_store_path(r->store, "deploy");
    lt_status s = dir ? lt_run_device(r, e) : lt_fail(e, LT_ENOMEM, "deployment");
    if (s) goto out;
    s = write_bundle(r, dir, e);
    if (s == LT_EUNAVAIL) { /* no ONNX in this build: the run is still a result */
        lt_ui_say(r->ui, LT_UI_WARN, "nothing is exported: %s", e ? e->msg : "not available in this build");
        snprintf(why.msg, sizeof(why.msg), "%s", e ? e->msg : "");
        s = LT_OK;
    } else if (!s && r->x->deploy.verify) {
        s = lt_deploy_verify(dir, NULL, &diff, &agree, &why);
        verified = !s;
        if (s == LT_EUNAVAIL) {
            lt_ui_say(r->ui, LT_UI_INFO, "the exported file was not compared with ONNX Runtime: %s", why.msg);
            s = LT_OK;
        } else if (s == LT_EFAIL && isfinite(diff)) { /* the record comes first: it keeps both numbers */
            s = LT_OK;
        } else if (s) {
            lt_fail(e, s, "%s", why.msg);
        } else {
            lt_ui_say(r->ui, LT_UI_INFO,
                      "ONNX Runtime gives the same answers: largest difference %.2e, %.1f %% of classes equal", diff,
                      100 * agree);
        }
    } else if (!s) {
        snprintf(why.msg, sizeof(why.msg), "not asked for");
    }
    if (!s) {
        lt_record_begin(&w, &b, "deploy", NULL);
        lt_jw_kstr(&w, "dir", "deploy");
        lt_jw_kstr(&w, "format", "onnx-qdq");
        lt_jw_kbool(&w, "verified", verified);
        lt_jw_knum(&w, "max_diff", diff);
        lt_jw_knum(&w, "argmax_agree", agree);
        lt_jw_kstr(&w, "note", why.msg[0] ? why.msg : NULL);
        lt_record_end(&w);
        s = lt_store_add(r->store, &b, e);
    }
out:
    lt_buf_release(&b);
    lt_free(dir);
    return s;
}

lt_status lt_stage_deploy(struct lt_run *r, struct lt_err *e) {
    lt_status s = LT_OK;
    const struct lt_json *rec;
    const char *note;
    if (r->x->deploy.format == FORMAT_NONE) return LT_OK;
    if (!lt_store_find(r->store, "deploy", NULL)) {
        if (r->comm->rank == 0) s = deploy(r, e);
        if ((s = lt_store_commit(r->store, s, e))) return s;
    }
    rec = lt_store_find(r->store, "deploy", NULL);
    if (!r->x->deploy.verify || !refused(rec)) return LT_OK;
    return lt_fail(e, LT_EFAIL, "%s", lt_json_str(rec, "note", &note, NULL) ? "the exported file is wrong" : note);
}
