/*
 * Room: run. Stage quantize: the chosen network, layer by layer int8 or f32. What int8 gains at each layer is measured
 * on the device; sensitivity and real evaluations decide how many layers may use it; and the quantized network is
 * deployed only when it is measured to be faster and inside the budget.
 */
#include "run/stages.h"
#include "lathe/cost.h"
#include "lathe/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_layer(const struct lt_node *n) { return n->op == LT_OP_CONV || n->op == LT_OP_LINEAR; }

/* Every layer in int8 that the device has, with the activation scales that this needs. */
static lt_status all_int8(struct lt_run *r, const struct lt_quant_job *job, struct lt_plan **out, struct lt_err *e) {
    struct lt_plan *p = NULL;
    lt_status s = lt_plan_new(job->graph, &p, e);
    if (s) return s;
    p->weight_qmax = job->weight_qmax;
    if ((s = lt_quant_observe(job, &r->x->quant, p, e))) {
        lt_plan_free(p);
        return s;
    }
    for (int i = 0; i < p->n_nodes; i++) {
        const struct lt_node *n = &job->graph->node[i];
        p->is_int8[i] = is_layer(n) && lt_device_supports(r->device, n->op, LT_I8) && p->out[n->in[0]].scale > 0;
    }
    *out = p;
    return LT_OK;
}

/* Adds the time of a conversion in equal parts to the int8 layers that read the tensor. */
static void share_conversion(const struct lt_graph *g, const struct lt_plan *p, const struct lt_unit_time *u,
                             double *int8_s) {
    int readers = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < g->n_nodes; i++) {
            if (!p->is_int8[i] || (g->node[i].in[0] != u->node && g->node[i].in[0] != u->last)) continue;
            if (pass)
                int8_s[i] += u->median_s / readers;
            else
                readers++;
        }
        if (!readers) return;
    }
}

/* Times of each layer in f32 and in int8, in the network. */
static lt_status measure_gains(struct lt_run *r, const struct lt_quant_job *job, struct lt_quant_gain **out, int *n_out,
                               struct lt_err *e) {
    const struct lt_graph *g = job->graph;
    struct lt_unit_time *f = NULL, *q = NULL;
    struct lt_plan *plan = NULL;
    struct lt_quant_gain *gain = lt_calloc((size_t)g->n_nodes, sizeof(*gain));
    double *time = lt_calloc((size_t)g->n_nodes * 2, sizeof(*time)), *f32_s = time,
           *int8_s = time ? time + g->n_nodes : NULL;
    int nf = 0, nq = 0, n = 0;
    lt_status s = gain && time ? LT_OK : lt_fail(e, LT_ENOMEM, "layer times");
    if (!s) s = all_int8(r, job, &plan, e);
    if (!s) s = lt_device_measure_units(r->device, g, NULL, 0, &f, &nf, e);
    if (!s) s = lt_device_measure_units(r->device, g, plan, 0, &q, &nq, e);
    if (s) goto out;
    for (int i = 0; i < nf; i++)
        if (f[i].kind == LT_UNIT_OP) f32_s[f[i].node] += f[i].median_s;
    for (int i = 0; i < nq; i++) {
        if (q[i].kind == LT_UNIT_OP)
            int8_s[q[i].node] += q[i].median_s;
        else if (q[i].kind == LT_UNIT_QUANTIZE)
            share_conversion(g, plan, &q[i], int8_s);
    }
    for (int i = 0; i < g->n_nodes; i++) {
        if (!is_layer(&g->node[i]) || !(f32_s[i] > 0) || !(int8_s[i] > 0)) continue;
        /* a layer that the device cannot run in int8 never pays */
        gain[n++] =
            (struct lt_quant_gain){.node = i, .f32_s = f32_s[i], .int8_s = plan->is_int8[i] ? int8_s[i] : INFINITY};
    }
    *out = gain;
    *n_out = n;
    gain = NULL;
out:
    lt_plan_free(plan);
    lt_free(f);
    lt_free(q);
    lt_free(time);
    lt_free(gain);
    return s;
}

static lt_status record_units(struct lt_run *r, const struct lt_quant_job *job, const char *text, struct lt_err *e) {
    struct lt_quant_gain *gain = NULL;
    struct lt_buf b = LT_BUF_INIT;
    struct lt_err why = {0};
    struct lt_jw w;
    int n = 0;
    lt_status s = lt_run_device(r, e);
    if (s) return s;
    s = measure_gains(r, job, &gain, &n, &why);
    if (s && s != LT_EUNAVAIL) return lt_fail(e, s, "%s", why.msg);
    lt_record_begin(&w, &b, "units", text);
    lt_jw_kstr(&w, "note", s ? why.msg : NULL);
    lt_jw_key(&w, "unit");
    lt_jw_arr(&w);
    for (int i = 0; i < n; i++) {
        lt_jw_obj(&w);
        lt_jw_kint(&w, "node", gain[i].node);
        lt_jw_kstr(&w, "name", job->graph->node[gain[i].node].name);
        lt_jw_knum(&w, "f32_s", gain[i].f32_s);
        lt_jw_knum(&w, "int8_s", gain[i].int8_s); /* null: not in int8 there */
        lt_jw_obj_end(&w);
    }
    lt_jw_arr_end(&w);
    lt_record_end(&w);
    lt_free(gain);
    s = lt_store_add(r->store, &b, e);
    lt_buf_release(&b);
    return s;
}

static lt_status read_gains(const struct lt_json *rec, const struct lt_graph *g, struct lt_quant_gain **out, int *n_out,
                            struct lt_err *e) {
    const struct lt_json *list = lt_json_get(rec, "unit");
    struct lt_quant_gain *v;
    if (!list || list->kind != LT_JSON_ARR || !list->n) return LT_OK; /* the device cannot time layers */
    if (!(v = lt_calloc((size_t)list->n, sizeof(*v)))) return lt_fail(e, LT_ENOMEM, "layer times");
    for (int i = 0; i < list->n; i++) {
        double node = lt_json_num_or(list->child[i], "node", -1);
        if (!(node >= 0 && node < g->n_nodes)) {
            lt_free(v);
            return lt_fail(e, LT_EIO, "the recorded layer times name operator %g of %d", node, g->n_nodes);
        }
        v[i] = (struct lt_quant_gain){.node = (int)node,
                                      .f32_s = lt_json_num_or(list->child[i], "f32_s", 0),
                                      .int8_s = lt_json_num_or(list->child[i], "int8_s", INFINITY)};
    }
    *out = v;
    *n_out = list->n;
    return LT_OK;
}

/* The scores of the network as it would be deployed; the upper end of the measured latency, as in stage verify. */
static void int8_scores(const struct lt_measurement *m, const struct lt_cost *c, double accuracy,
                        struct lt_scores *out) {
    *out = (struct lt_scores){.v = {[LT_SCORE_ACCURACY] = accuracy,
                                    [LT_SCORE_LATENCY_MS] = 1e3 * m->hi_s,
                                    [LT_SCORE_SIZE_KB] = (double)c->size_bytes / 1000,
                                    [LT_SCORE_MACS] = (double)c->macs,
                                    [LT_SCORE_PARAMS] = (double)c->params,
                                    [LT_SCORE_PEAK_ACT_BYTES] = (double)c->peak_act_bytes}};
    for (int i = 0; i < LT_N_SCORES; i++) out->have[i] = true;
}

static void write_layers(struct lt_jw *w, const struct lt_graph *g, const struct lt_quant_result *q) {
    lt_jw_key(w, "layers");
    lt_jw_arr(w);
    for (int i = 0; i < q->n_layers; i++) {
        const struct lt_quant_layer *l = &q->layer[i];
        lt_jw_obj(w);
        lt_jw_kint(w, "node", l->node);
        lt_jw_kstr(w, "name", g->node[l->node].name);
        lt_jw_kbool(w, "int8", l->int8);
        lt_jw_knum(w, "f32_s", l->f32_s);
        lt_jw_knum(w, "int8_s", l->int8_s);
        lt_jw_knum(w, "sensitivity", l->sensitivity);
        lt_jw_kstr(w, "reason", l->reason);
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
    lt_jw_key(w, "evals");
    lt_jw_arr(w);
    for (int i = 0; i < q->n_evals; i++) {
        lt_jw_obj(w);
        lt_jw_kint(w, "n_int8", q->eval[i].n_int8);
        lt_jw_knum(w, "accuracy", q->eval[i].accuracy);
        lt_jw_knum(w, "predicted_s", q->eval[i].predicted_s);
        lt_jw_kbool(w, "accepted", q->eval[i].accepted);
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
}

/* Rank 0: searches the precisions, measures what came out, decides whether to keep it. */
static lt_status quantize(struct lt_run *r, struct lt_quant_job *job, const char *text, struct lt_err *e) {
    struct lt_quant_result q = {0};
    struct lt_quant_gain *gain = NULL;
    struct lt_measurement m = {0};
    struct lt_measured f32;
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw w;
    struct lt_cost cost;
    char why[240];
    bool kept = false;
    int n_gain = 0, n_int8 = 0;
    lt_status s = read_gains(lt_store_find(r->store, "units", text), job->graph, &gain, &n_gain, e);
    if (!s) s = lt_measured_read(lt_store_find(r->store, "verify", text), &f32, e);
    if (!s) s = lt_run_device(r, e);
    if (s) goto out;
    job->gain = gain;
    job->n_gain = n_gain;
    if ((s = lt_quantize(job, &r->x->quant, &q, e))) goto out;
    for (int i = 0; i < job->graph->n_nodes; i++) n_int8 += q.plan->is_int8[i];
    lt_record_begin(&w, &b, "quantize", text);
    lt_jw_kbool(&w, "met", q.met);
    lt_jw_knum(&w, "f32_accuracy", q.f32_accuracy);
    lt_jw_knum(&w, "accuracy", q.accuracy);
    write_layers(&w, job->graph, &q);
    lt_jw_key(&w, "plan");
    lt_plan_json(q.plan, &w);
    lt_graph_cost(job->graph, q.plan, &cost);
    lt_jw_knum(&w, "size_kb", (double)cost.size_bytes / 1000);
    if (!q.met || !n_int8) {
        snprintf(why, sizeof(why), "no layer is worth int8 within the accuracy limit");
    } else {
        if ((s = lt_run_measure(r, job->graph, q.plan, &w, &m, e))) goto out;
        struct lt_scores sc;
        char outside[80] = "";
        int worst;
        int8_scores(&m, &cost, q.accuracy, &sc);
        bool faster = m.median_s < f32.median_s, inside = lt_goal_violation(&r->goal, &sc, &worst) == 0;
        kept = faster && inside;
        if (!inside) {
            int k = r->goal.constraint[worst].score;
            snprintf(outside, sizeof(outside), ": outside the limits with %s %.4g", lt_score_name(r->goal.names, k),
                     sc.v[k]);
        }
        snprintf(why, sizeof(why), "measured %.4g ms with %d int8 layers, %.4g ms in f32%s", 1e3 * m.median_s, n_int8,
                 1e3 * f32.median_s, !faster ? ": not faster" : outside);
    }
    lt_jw_kbool(&w, "kept", kept);
    lt_jw_kstr(&w, "why", why);
    lt_record_end(&w);
    lt_ui_say(r->ui, LT_UI_INFO, "quantization %s: %s; validation accuracy %.2f %% (f32 %.2f %%)",
              kept ? "kept" : "not kept", why, 100 * q.accuracy, 100 * q.f32_accuracy);
    s = lt_store_add(r->store, &b, e);
out:
    lt_measurement_release(&m);
    lt_quant_result_release(&q);
    lt_free(gain);
    lt_buf_release(&b);
    return s;
}

lt_status lt_stage_quantize(struct lt_run *r, struct lt_err *e) {
    struct lt_arch a;
    struct lt_graph *g = NULL;
    struct lt_weights *weights = NULL;
    const char *text;
    lt_status s = lt_run_chosen(r, &a, &text, e);
    if (s || !r->x->quantize || lt_store_find(r->store, "quantize", text)) return s;
    if ((s = lt_run_check_stop(r, e))) return s;
    if (r->comm->rank == 0) s = lt_run_subnet(r, &a, &g, &weights, e);
    struct lt_quant_job job = {
        .graph = g,
        .weights = weights,
        .calib = lt_data_train(r->data),
        .validation = lt_data_validation(r->data),
        .seed = r->x->seed,
        .backend = r->backend,
        .ui = r->comm->rank == 0 ? r->ui : NULL,
        /* without VNNI, u8 times s8 pairs are added in 16 bits, which 7-bit weights cannot overflow */
        .weight_qmax = lt_runtime_has_vnni() ? 127 : 63};
    if (!lt_store_find(r->store, "units", text)) {
        if (!s && r->comm->rank == 0) s = record_units(r, &job, text, e);
        if ((s = lt_store_commit(r->store, s, e))) goto out;
    }
    if (!s && r->comm->rank == 0) s = quantize(r, &job, text, e);
    s = lt_store_commit(r->store, s, e);
out:
    lt_weights_free(weights);
    lt_graph_free(g);
    return s;
}
