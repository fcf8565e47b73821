/*
 * Room: run. Stage measure: latencies of a set of subnetworks on the device, the largest and the smallest among them.
 * Rank 0 measures, the other ranks sleep, so that the machine is quiet. One record a measurement: a stopped run goes on
 * with the next.
 */
#include "run/stages.h"
#include "lathe/mem.h"

#include <stdio.h>

static lt_status measure_one(struct lt_run *r, const struct lt_arch *a, const char *text, int item, struct lt_buf *b,
                             struct lt_err *e) {
    struct lt_graph *g = NULL;
    struct lt_measurement m = {0};
    struct lt_jw w;
    lt_status s = lt_run_device(r, e);
    if (!s) s = lt_space_expand(r->x->space, a, &g, e);
    if (s) goto out;
    lt_record_begin(&w, b, "measure", text);
    lt_jw_kint(&w, "item", item);
    lt_jw_kstr(&w, "arch", text);
    lt_jw_kstr(&w, "role", item == 0 ? "largest" : item == 1 ? "smallest" : "random");
    if ((s = lt_run_measure(r, g, NULL, &w, &m, e))) goto out;
    lt_record_end(&w);
    s = lt_store_add(r->store, b, e);
out:
    lt_measurement_release(&m);
    lt_graph_free(g);
    return s;
}

lt_status lt_stage_measure(struct lt_run *r, struct lt_err *e) {
    int n = (int)r->x->predict.samples;
    struct lt_arch *a = lt_calloc((size_t)n, sizeof(*a));
    struct lt_buf b = LT_BUF_INIT;
    char *text = NULL;
    lt_status s = lt_comm_agree(r->comm, a ? LT_OK : lt_fail(e, LT_ENOMEM, "set to measure"), e);
    if (s) goto out;
    n = lt_run_measure_set(r->x->space, r->x->seed, n, a);
    for (int i = 0; i < n; i++) {
        char note[64] = "";
        lt_free(text);
        text = lt_run_arch_text(r->x->space, &a[i]);
        if ((s = lt_comm_agree(r->comm, text ? LT_OK : lt_fail(e, LT_ENOMEM, "architecture"), e))) goto out;
        if (lt_store_find(r->store, "measure", text)) continue;
        if ((s = lt_run_check_stop(r, e))) goto out;
        if (r->comm->rank == 0) s = measure_one(r, &a[i], text, i, &b, e);
        if ((s = lt_store_commit(r->store, s, e))) goto out;
        struct lt_measured m;
        if ((s = lt_measured_read(lt_store_find(r->store, "measure", text), &m, e))) goto out;
        snprintf(note, sizeof(note), "last %.4g ms%s", 1e3 * m.median_s, m.unstable ? " (unstable)" : "");
        lt_ui_progress(r->ui, "measure", i + 1, n, note);
    }
out:
    lt_free(text);
    lt_buf_release(&b);
    lt_free(a);
    return s;
}
