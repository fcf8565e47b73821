/* Room: run. summary.json: what a reader or the report wants to know, gathered from the journal. Format:
 * docs/formats/run-folder.md. */
#include "config.h"
#include "run/stages.h"
#include "lathe/file.h"
#include "lathe/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool true_of(const struct lt_json *obj, const char *key) {
    const struct lt_json *b = obj ? lt_json_get(obj, key) : NULL;
    return b && b->kind == LT_JSON_BOOL && b->b;
}

static void put_train(struct lt_jw *w, const struct lt_json *rec) {
    const struct lt_json *curve = lt_json_list(rec, "curve"), *meta = rec ? lt_json_get(rec, "meta") : NULL,
                         *speed = lt_json_list(meta, "images_per_s"), *sec = lt_json_list(meta, "seconds");
    static const char *const keys[] = {"epoch", "loss_largest", "loss_smallest", "lr"};
    lt_jw_key(w, "train");
    lt_jw_arr(w);
    for (int i = 0; curve && i < curve->n; i++) {
        lt_jw_obj(w);
        for (int k = 0; k < 4; k++) lt_jw_knum(w, keys[k], lt_json_num_or(curve->child[i], keys[k], NAN));
        lt_jw_knum(w, "images_per_s", speed && i < speed->n ? speed->child[i]->num : NAN);
        lt_jw_knum(w, "seconds", sec && i < sec->n ? sec->child[i]->num : NAN);
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
}

static void put_measured(struct lt_jw *w, const struct lt_run *r) {
    const struct lt_json *hold = lt_json_list(lt_store_find(r->store, "predict", NULL), "holdout");
    lt_jw_key(w, "measured");
    lt_jw_arr(w);
    for (int i = 0; i < lt_store_count(r->store); i++) {
        const struct lt_json *rec = lt_store_at(r->store, i);
        const char *type = lt_json_text(rec, "type"), *arch = lt_json_text(rec, "arch");
        struct lt_measured m;
        double predicted = NAN;
        if (!type || !arch || strcmp(type, "measure") || lt_measured_read(rec, &m, NULL)) continue;
        for (int k = 0; hold && k < hold->n; k++) {
            const char *a = lt_json_text(hold->child[k], "arch");
            if (a && !strcmp(a, arch)) predicted = lt_json_num_or(hold->child[k], "predicted_s", NAN);
        }
        lt_jw_obj(w);
        lt_jw_kstr(w, "arch", arch);
        lt_jw_kstr(w, "role", lt_json_text(rec, "role"));
        lt_jw_knum(w, "measured_ms", 1e3 * m.median_s);
        lt_jw_knum(w, "lo_ms", 1e3 * m.lo_s);
        lt_jw_knum(w, "hi_ms", 1e3 * m.hi_s);
        lt_jw_kbool(w, "unstable", m.unstable);
        lt_jw_knum(w, "predicted_ms", 1e3 * predicted);
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
}

/* Of a sweep, any of its goals. */
static bool meets_any(const struct lt_run *r, const struct lt_scores *s) {
    struct lt_goal goal;
    char key[LT_GOAL_KEY_BYTES];
    if (!r->x->sweep.n) return lt_goal_violation(&r->goal, s, NULL) <= 0;
    for (int k = 0; k < lt_run_n_goals(r); k++) {
        lt_run_goal(r, k, &goal, key);
        if (lt_goal_violation(&goal, s, NULL) <= 0) return true;
    }
    return false;
}

static void put_candidates(struct lt_jw *w, const struct lt_run *r, const struct lt_candidate *c, int n,
                           const char *chosen) {
    const struct lt_json *front = lt_json_list(lt_store_find(r->store, "search", NULL), "front");
    bool known[LT_MAX_SCORES] = {false};
    for (int k = 0; k < LT_MAX_SCORES; k++) { /* a run that trains has all built-in ones, absent or not */
        known[k] = r->x->evaluator->ops->trains;
        for (int i = 0; i < n && !known[k]; i++) known[k] = c[i].scores.have[k];
    }
    lt_jw_key(w, "candidates");
    lt_jw_arr(w);
    for (int i = 0; i < n; i++) {
        bool on_front = false;
        for (int k = 0; front && k < front->n && !on_front; k++)
            on_front = front->child[k]->str && !strcmp(front->child[k]->str, c[i].text);
        lt_jw_obj(w);
        lt_jw_kstr(w, "arch", c[i].text);
        for (int k = 0; k < LT_N_SCORES + r->x->names.n; k++)
            if (known[k]) lt_jw_knum(w, lt_score_name(r->goal.names, k), c[i].scores.have[k] ? c[i].scores.v[k] : NAN);
        if (c[i].scores.status) lt_jw_kstr(w, "failed", c[i].why ? c[i].why : "");
        lt_jw_kbool(w, "feasible", !c[i].scores.status && meets_any(r, &c[i].scores));
        lt_jw_kbool(w, "front", on_front);
        lt_jw_kbool(w, "chosen", chosen && !strcmp(chosen, c[i].text));
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
}

static void put_verified(struct lt_jw *w, const struct lt_run *r, const char *chosen) {
    lt_jw_key(w, "verified");
    lt_jw_arr(w);
    for (int i = 0; i < lt_store_count(r->store); i++) {
        const struct lt_json *rec = lt_store_at(r->store, i), *eval;
        const char *type = lt_json_text(rec, "type"), *arch = lt_json_text(rec, "arch");
        struct lt_measured m;
        if (!type || !arch || strcmp(type, "verify") || lt_measured_read(rec, &m, NULL)) continue;
        eval = lt_store_find(r->store, "eval", arch);
        lt_jw_obj(w);
        lt_jw_kstr(w, "arch", arch);
        lt_jw_knum(w, "accuracy", lt_json_num_or(eval ? lt_json_get(eval, "scores") : NULL, "accuracy", NAN));
        lt_jw_knum(w, "predicted_ms", 1e3 * lt_json_num_or(rec, "predicted_s", NAN));
        lt_jw_knum(w, "measured_ms", 1e3 * m.median_s);
        lt_jw_knum(w, "lo_ms", 1e3 * m.lo_s);
        lt_jw_knum(w, "hi_ms", 1e3 * m.hi_s);
        lt_jw_kbool(w, "unstable", m.unstable);
        lt_jw_kbool(w, "meets", true_of(rec, "meets"));
        lt_jw_kbool(w, "chosen", chosen && !strcmp(chosen, arch));
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
}

static void put_layers(struct lt_jw *w, const struct lt_json *quantize) {
    const struct lt_json *l = lt_json_list(quantize, "layers");
    bool kept = true_of(quantize, "kept");
    int n8 = 0;
    lt_jw_key(w, "layers");
    lt_jw_arr(w);
    for (int i = 0; l && i < l->n; i++) {
        const struct lt_json *c = l->child[i];
        bool int8 = true_of(c, "int8") && kept;
        n8 += int8;
        lt_jw_obj(w);
        lt_jw_kstr(w, "name", lt_json_text(c, "name"));
        lt_jw_kbool(w, "int8", int8);
        double f32_s = lt_json_num_or(c, "f32_s", NAN), int8_s = lt_json_num_or(c, "int8_s", NAN);
        lt_jw_knum(w, "f32_us", f32_s > 0 ? 1e6 * f32_s : NAN);
        lt_jw_knum(w, "int8_us", int8_s > 0 ? 1e6 * int8_s : NAN);
        lt_jw_knum(w, "sensitivity", lt_json_num_or(c, "sensitivity", NAN));
        lt_jw_kstr(w, "reason", true_of(c, "int8") && !kept ? "quantized network not kept" : lt_json_text(c, "reason"));
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
    if (l) {
        struct lt_buf b = LT_BUF_INIT;
        lt_buf_printf(&b, "%d of %d layers in int8, the others in f32; quantization %s: %s", n8, l->n,
                      kept ? "kept" : "not kept", lt_json_text(quantize, "why"));
        lt_jw_kstr(w, "layers_text", b.data);
        lt_buf_release(&b);
    } else {
        lt_jw_kstr(w, "layers_text", NULL);
    }
}

static void put_final(struct lt_jw *w, const struct lt_run *r) {
    const struct lt_json *rec = lt_store_find(r->store, "final", NULL), *rows = lt_json_list(rec, "rows"),
                         *dep = lt_store_find(r->store, "deploy", NULL);
    lt_jw_key(w, "final");
    if (rows) {
        lt_json_copy(w, rows);
    } else {
        lt_jw_arr(w);
        lt_jw_arr_end(w);
    }
    lt_jw_key(w, "deploy");
    if (!dep) {
        lt_jw_null(w);
        return;
    }
    static const char *const keys[] = {"dir", "verified", "max_diff", "argmax_agree", "note"};
    lt_jw_obj(w);
    for (int i = 0; i < 5; i++) {
        lt_jw_key(w, keys[i]);
        lt_json_copy(w, lt_json_get(dep, keys[i]));
    }
    lt_jw_obj_end(w);
}

static void put_texts(struct lt_jw *w, const struct lt_run *r) {
    const struct lt_json *p = lt_store_find(r->store, "predict", NULL), *t = lt_store_find(r->store, "train", NULL),
                         *meta = t ? lt_json_get(t, "meta") : NULL;
    struct lt_buf b = LT_BUF_INIT;
    lt_goal_text(&r->goal, &b);
    for (int k = 1; k < lt_run_n_goals(r); k++) {
        struct lt_goal goal;
        char key[LT_GOAL_KEY_BYTES];
        lt_run_goal(r, k, &goal, key);
        lt_buf_printf(&b, "; then %s", key);
    }
    lt_jw_kstr(w, "constraints_text", b.data);
    lt_jw_knum(w, "latency_limit_ms", lt_goal_max(&r->goal, LT_SCORE_LATENCY_MS));
    lt_buf_clear(&b);
    if (p && lt_json_num_or(p, "n_holdout", 0) < 1)
        lt_buf_printf(&b, "predictor '%s': fitted from %d measurements, none held out: its error is not known",
                      lt_json_text(p, "predictor"), (int)lt_json_num_or(p, "n_train", 0));
    else if (p)
        lt_buf_printf(&b, "predictor '%s': fitted from %d measurements; %d held out: Spearman %.3f, mean error %.2f %%",
                      lt_json_text(p, "predictor"), (int)lt_json_num_or(p, "n_train", 0),
                      (int)lt_json_num_or(p, "n_holdout", 0), lt_json_num_or(p, "spearman", NAN),
                      100 * lt_json_num_or(p, "mape", NAN));
    lt_jw_kstr(w, "predictor_text", p ? b.data : NULL);
    lt_buf_clear(&b);
    if (t) lt_buf_printf(&b, "%g epochs in %.0f s", r->x->train.epochs, lt_json_num_or(meta, "wall_s", NAN));
    lt_jw_kstr(w, "train_text", t ? b.data : NULL);
    lt_buf_release(&b);
}

static void put_pair(struct lt_jw *w, const char *key, const char *value) {
    if (!value) return;
    lt_jw_arr(w);
    lt_jw_str(w, key);
    lt_jw_str(w, value);
    lt_jw_arr_end(w);
}

static void put_provenance(struct lt_jw *w, const struct lt_run *r) {
    const struct lt_json *begin = lt_store_find(r->store, "begin", NULL),
                         *meta = begin ? lt_json_get(begin, "meta") : NULL,
                         *dev = lt_store_find(r->store, "device", NULL);
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw jw;
    lt_jw_key(w, "provenance");
    lt_jw_arr(w);
    put_pair(w, "lathe", lt_json_text(meta, "version"));
    put_pair(w, "runtime", lt_json_text(meta, "runtime"));
    put_pair(w, "processor", lt_json_text(meta, "cpu"));
    put_pair(w, "started", lt_json_text(meta, "time"));
    if (dev) {
        lt_jw_init(&jw, &b);
        lt_json_copy(&jw, lt_json_get(dev, "device"));
        put_pair(w, "device", b.data);
    }
    put_pair(w, "space hash", lt_json_text(begin, "space_hash"));
    put_pair(w, "data hash", lt_json_text(begin, "data_hash"));
    put_pair(w, "weights hash", lt_json_text(lt_store_find(r->store, "train", NULL), "hash"));
    put_pair(w, "experiment", r->x->resolved);
    lt_jw_arr_end(w);
    lt_buf_release(&b);
}

lt_status lt_summary_write(const struct lt_run *r, const char *stage, struct lt_err *e) {
    const struct lt_json *begin = lt_store_find(r->store, "begin", NULL),
                         *chosen_rec = lt_store_find(r->store, "chosen", NULL),
                         *dev = lt_store_find(r->store, "device", NULL);
    const char *chosen = lt_json_text(chosen_rec, "arch");
    struct lt_candidate *c = NULL;
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw w;
    int n = 0;
    char *path = NULL;
    lt_status s = lt_run_candidates(r, &c, &n, e);
    if (s) return s;
    lt_jw_init(&w, &b);
    lt_jw_obj(&w);
    lt_jw_kint(&w, "schema", 1);
    lt_jw_kstr(&w, "name", r->x->name);
    lt_jw_kstr(&w, "space", lt_space_name(r->x->space));
    const char *device = r->x->device ? lt_yaml_get(r->x->device, "name")->text : NULL;
    lt_jw_kstr(&w, "evaluator", r->x->evaluator->ops->name);
    lt_jw_kstr(&w, "device", dev ? lt_json_text(lt_json_get(dev, "device"), "name") : device);
    lt_jw_kint(&w, "seed", (int64_t)r->x->seed);
    lt_jw_kint(&w, "ranks", (int64_t)lt_json_num_or(begin ? lt_json_get(begin, "meta") : NULL, "ranks", r->comm->size));
    lt_jw_kstr(&w, "stage", stage);
    put_texts(&w, r);
    put_train(&w, lt_store_find(r->store, "train", NULL));
    put_measured(&w, r);
    if (!chosen) chosen = lt_json_text(lt_store_find(r->store, "search", NULL), "best");
    put_candidates(&w, r, c, n, chosen);
    lt_summary_search(&w, r, c, n);
    put_verified(&w, r, chosen);
    put_layers(&w, chosen_rec ? lt_store_find(r->store, "quantize", chosen) : NULL);
    put_final(&w, r);
    put_provenance(&w, r);
    lt_jw_obj_end(&w);
    lt_buf_puts(&b, "\n");
    if ((s = lt_buf_ok(&b, e))) goto out;
    if (!(path = lt_store_path(r->store, "summary.json"))) {
        s = lt_fail(e, LT_ENOMEM, "summary.json");
        goto out;
    }
    s = lt_file_write_atomic(path, b.data, b.len, e);
out:
    lt_free(path);
    lt_free(c);
    lt_buf_release(&b);
    return s;
}
