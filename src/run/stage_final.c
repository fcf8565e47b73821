/* Room: run. Stage final: the table of the run, with accuracies on the test part and latencies as they were measured.
 */
#include "run/final.h"
#include "lathe/cost.h"
#include "lathe/mem.h"

#include <math.h>
#include <string.h>

/* Where the latency of a row was measured, and what was predicted. */
static const struct lt_json *measured_in(const struct lt_run *r, const struct lt_final_row *row, const char *text) {
    if (row->quantized) return lt_store_find(r->store, "quantize", text);
    if (!strcmp(row->role, "largest") || !strcmp(row->role, "smallest"))
        return lt_store_find(r->store, "measure", text);
    return lt_store_find(r->store, "verify", text);
}

static lt_status write_row(struct lt_run *r, const struct lt_final_row *row, struct lt_jw *w, struct lt_err *e) {
    struct lt_scores cheap;
    struct lt_measured m = {NAN, NAN, NAN, 0, false};
    char *text = lt_run_arch_text(r->x->space, &row->arch);
    if (!text) return lt_fail(e, LT_ENOMEM, "final table");
    lt_status s = lt_run_cheap_scores(r->x->space, r->predictor, &row->arch, 1, &cheap, e);
    const struct lt_json *rec = measured_in(r, row, text);
    if (!s && rec) s = lt_measured_read(rec, &m, e);
    if (s) goto out;
    lt_jw_obj(w);
    lt_jw_kstr(w, "role", row->role);
    lt_jw_kstr(w, "role_text", row->text);
    lt_jw_kstr(w, "arch", text);
    lt_jw_kstr(w, "precision", row->quantized ? "int8 and f32" : "f32");
    lt_jw_knum(w, "accuracy", row->n_test ? (double)row->n_test_correct / row->n_test : NAN);
    lt_jw_knum(w, "accuracy_validation", row->n_val ? (double)row->n_val_correct / row->n_val : NAN);
    lt_jw_kint(w, "test_images", row->n_test);
    lt_jw_knum(w, "latency_ms", 1e3 * m.median_s);
    lt_jw_knum(w, "lo_ms", 1e3 * m.lo_s);
    lt_jw_knum(w, "hi_ms", 1e3 * m.hi_s);
    lt_jw_kbool(w, "unstable", m.unstable);
    lt_jw_knum(w, "predicted_ms", cheap.v[LT_SCORE_LATENCY_MS] - (row->quantized ? 1e3 * lt_run_int8_gain_s(rec) : 0));
    lt_jw_knum(w, "size_kb", row->quantized ? lt_json_num_or(rec, "size_kb", NAN) : cheap.v[LT_SCORE_SIZE_KB]);
    lt_jw_knum(w, "macs", cheap.v[LT_SCORE_MACS]);
    lt_jw_obj_end(w);
out:
    lt_free(text);
    return s;
}

lt_status lt_stage_final(struct lt_run *r, struct lt_err *e) {
    struct lt_final_row row[LT_FINAL_MAX] = {{.role = "largest", .text = "largest, f32"},
                                             {.role = "smallest", .text = "smallest, f32"}};
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw w;
    const char *text;
    int n = 2;
    lt_status s;
    if (lt_store_find(r->store, "final", NULL)) return LT_OK;
    if ((s = lt_run_check_stop(r, e))) return s;
    lt_space_largest(r->x->space, &row[0].arch);
    lt_space_smallest(r->x->space, &row[1].arch);
    struct lt_arch chosen;
    if ((s = lt_run_chosen(r, &chosen, &text, e))) return s;
    const struct lt_json *q = lt_store_find(r->store, "quantize", text), *kept = q ? lt_json_get(q, "kept") : NULL;
    if (kept && kept->b) {
        row[n++] = (struct lt_final_row){.role = "chosen", .text = "chosen, f32", .arch = chosen};
        row[n++] =
            (struct lt_final_row){.role = "deployed", .text = "deployed, quantized", .arch = chosen, .quantized = true};
    } else {
        row[n++] = (struct lt_final_row){.role = "deployed", .text = "deployed, f32", .arch = chosen};
    }
    if ((s = lt_final_evaluate(r, row, n, e))) return s;
    lt_record_begin(&w, &b, "final", NULL);
    lt_jw_key(&w, "rows");
    lt_jw_arr(&w);
    for (int i = 0; i < n && !s; i++) s = write_row(r, &row[i], &w, e);
    lt_jw_arr_end(&w);
    lt_record_end(&w);
    if (!s && r->comm->rank == 0) s = lt_store_add(r->store, &b, e);
    s = lt_store_commit(r->store, s, e);
    lt_buf_release(&b);
    return s;
}
