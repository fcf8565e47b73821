/* Room: run. What the stages share; see stages.h. */
#include "run/stages.h"
#include "lathe/cost.h"
#include "lathe/file.h"
#include "lathe/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

lt_status lt_run_check_stop(struct lt_run *r, struct lt_err *e) {
    bool stop = false;
    lt_status s = lt_comm_or(r->comm, lt_ui_stop(r->ui), &stop, e);
    if (s) return s;
    return stop ? lt_fail(e, LT_EINTR, "stopped; everything finished is in %s, and the same command continues",
                          lt_store_dir(r->store))
                : LT_OK;
}

char *lt_run_arch_text(const struct lt_space *s, const struct lt_arch *a) {
    struct lt_buf b = LT_BUF_INIT;
    lt_arch_print(s, a, &b);
    if (b.failed) {
        lt_buf_release(&b);
        return NULL;
    }
    return lt_buf_take(&b);
}

int lt_run_n_goals(const struct lt_run *r) { return r->x->sweep.n ? r->x->sweep.n : 1; }

void lt_run_goal(const struct lt_run *r, int k, struct lt_goal *out, char key[LT_GOAL_KEY_BYTES]) {
    const struct lt_sweep *w = &r->x->sweep;
    lt_experiment_goal_at(r->x, &r->largest, k, out);
    *key = 0;
    if (!w->n) return;
    const struct lt_constraint *c = &out->constraint[w->limit];
    snprintf(key, LT_GOAL_KEY_BYTES, "%s %s %.6g", lt_score_name(out->names, c->score),
             w->is_max ? "<=" : ">=", w->is_max ? c->max : c->min);
}

static void set(struct lt_scores *s, int k, double v) {
    s->v[k] = v;
    s->have[k] = true;
}

lt_status lt_run_cheap_scores(const struct lt_space *space, const struct lt_predictor *p, const struct lt_arch *a,
                              int n, struct lt_scores *out, struct lt_err *e) {
    double *mean = NULL;
    lt_status s = LT_OK;
    if (p && n > 0) {
        if (!(mean = lt_calloc((size_t)n, sizeof(*mean)))) return lt_fail(e, LT_ENOMEM, "predictions");
        if ((s = lt_predictor_predict(p, a, n, mean, NULL, e))) goto out;
    }
    for (int i = 0; i < n; i++) {
        struct lt_graph *g = NULL;
        struct lt_cost c;
        if ((s = lt_space_expand(space, &a[i], &g, e))) goto out;
        lt_graph_cost(g, NULL, &c);
        lt_graph_free(g);
        out[i] = (struct lt_scores){0};
        set(&out[i], LT_SCORE_SIZE_KB, (double)c.size_bytes / 1000);
        set(&out[i], LT_SCORE_MACS, (double)c.macs);
        set(&out[i], LT_SCORE_PARAMS, (double)c.params);
        set(&out[i], LT_SCORE_PEAK_ACT_BYTES, (double)c.peak_act_bytes);
        if (mean) set(&out[i], LT_SCORE_LATENCY_MS, 1e3 * mean[i]);
    }
out:
    lt_free(mean);
    return s;
}

int lt_run_measure_set(const struct lt_space *s, uint64_t seed, int n, struct lt_arch *out) {
    int k = 0;
    lt_space_largest(s, &out[k++]);
    if (k < n) {
        lt_space_smallest(s, &out[k]);
        k += !lt_arch_equal(&out[0], &out[1]);
    }
    for (int item = 0, missed = 0; k < n && missed < 1000; item++) {
        struct lt_rng r;
        bool known = false;
        lt_rng_at(&r, seed, LT_RNG_MEASURE_SET, 0, (uint64_t)item);
        lt_space_sample(s, &r, &out[k]);
        for (int i = 0; i < k && !known; i++) known = lt_arch_equal(&out[i], &out[k]);
        missed = known ? missed + 1 : 0; /* a space smaller than n ends here */
        k += !known;
    }
    return k;
}

lt_status lt_run_device(struct lt_run *r, struct lt_err *e) {
    const struct lt_json *rec = lt_store_find(r->store, "device", NULL);
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw w;
    const char *was;
    char now[24];
    lt_status s;
    if (r->device) return LT_OK;
    if ((s = lt_device_open(r->x->device, &r->device, e))) return s;
    snprintf(now, sizeof(now), "%016llx", (unsigned long long)lt_device_hash(r->device));
    if (rec) {
        if ((s = lt_json_str(rec, "hash", &was, e))) return s;
        if (!strcmp(was, now)) return LT_OK;
        return lt_fail(e, LT_EIO,
                       "%s: its measurements were made on another device or machine (%s, here %s); continue there, "
                       "choose another folder (-o), or start again (--force)",
                       lt_store_dir(r->store), was, now);
    }
    lt_record_begin(&w, &b, "device", NULL);
    lt_jw_kstr(&w, "hash", now);
    lt_jw_key(&w, "device");
    lt_device_describe(r->device, &w);
    lt_record_end(&w);
    s = lt_store_add(r->store, &b, e);
    lt_buf_release(&b);
    return s;
}

lt_status lt_run_measure(struct lt_run *r, const struct lt_graph *g, const struct lt_plan *plan, struct lt_jw *w,
                         struct lt_measurement *m, struct lt_err *e) {
    lt_status s = lt_device_measure(r->device, g, plan, NULL, m, e);
    if (s) return s;
    lt_jw_key(w, "measurement");
    lt_measurement_json(m, true, w);
    lt_jw_key(w, "meta");
    lt_jw_obj(w);
    lt_jw_knum(w, "wall_s", m->wall_s);
    lt_jw_obj_end(w);
    return LT_OK;
}

lt_status lt_measured_read(const struct lt_json *record, struct lt_measured *out, struct lt_err *e) {
    const struct lt_json *m = lt_json_get(record, "measurement"), *ci = m ? lt_json_get(m, "ci") : NULL;
    const char *status;
    struct lt_measured v = {.lo_s = NAN, .hi_s = NAN};
    lt_status s;
    if (!m) return lt_fail(e, LT_EIO, "a record in the journal has no measurement");
    if ((s = lt_json_num(m, "median_s", &v.median_s, e)) || (s = lt_json_str(m, "status", &status, e))) return s;
    v.unstable = strcmp(status, lt_status_name(LT_OK)) != 0;
    v.n_samples = (int)lt_json_num_or(m, "n", 0);
    if (ci && ci->kind == LT_JSON_ARR && ci->n == 2) {
        v.lo_s = ci->child[0]->kind == LT_JSON_NUM ? ci->child[0]->num : NAN;
        v.hi_s = ci->child[1]->kind == LT_JSON_NUM ? ci->child[1]->num : NAN;
    }
    *out = v;
    return LT_OK;
}

double lt_run_int8_gain_s(const struct lt_json *quantize) {
    const struct lt_json *l = quantize ? lt_json_get(quantize, "layers") : NULL;
    double sum = l ? 0 : NAN;
    for (int i = 0; l && i < l->n; i++) {
        const struct lt_json *int8 = lt_json_get(l->child[i], "int8");
        double f32_s = lt_json_num_or(l->child[i], "f32_s", 0), int8_s = lt_json_num_or(l->child[i], "int8_s", 0);
        if (int8 && int8->b) sum += f32_s > 0 && int8_s > 0 ? f32_s - int8_s : NAN;
    }
    return sum;
}

void lt_scores_write(struct lt_jw *w, const struct lt_score_names *names, const struct lt_scores *s) {
    lt_jw_obj(w);
    for (int i = 0; i < LT_MAX_SCORES; i++)
        if (s->have[i]) lt_jw_knum(w, lt_score_name(names, i), s->v[i]);
    lt_jw_obj_end(w);
}

void lt_scores_read(const struct lt_json *obj, const struct lt_score_names *names, struct lt_scores *s) {
    for (int i = 0; obj && i < LT_MAX_SCORES; i++) {
        const struct lt_json *n = lt_json_get(obj, lt_score_name(names, i));
        if (n && n->kind == LT_JSON_NUM) set(s, i, n->num);
    }
}

const char *lt_json_text(const struct lt_json *obj, const char *key) {
    const char *t = NULL;
    return obj && !lt_json_str(obj, key, &t, NULL) ? t : NULL;
}

const struct lt_json *lt_json_list(const struct lt_json *obj, const char *key) {
    const struct lt_json *l = obj ? lt_json_get(obj, key) : NULL;
    return l && l->kind == LT_JSON_ARR ? l : NULL;
}

double lt_json_num_or(const struct lt_json *obj, const char *key, double dflt) {
    const struct lt_json *n = obj ? lt_json_get(obj, key) : NULL;
    return n && n->kind == LT_JSON_NUM ? n->num : dflt;
}

/* With one objective the other axis is latency: what a reader wants to trade it against. The remaining limits are met
 * by every point of a front anyway, and as axes of their own they would only fill it with points that are worse in
 * both. */
void lt_front_goal(const struct lt_run *r, const struct lt_goal *g, struct lt_goal *out) {
    struct lt_objective other = {LT_SCORE_LATENCY_MS, false};
    bool found = r->x->evaluator->ops->trains && g->objective[0].score != LT_SCORE_LATENCY_MS;
    *out = *g;
    if (g->n_objectives > 1) return;
    for (int i = 0; i < g->n_constraints && !found && !r->x->evaluator->ops->trains; i++) {
        const struct lt_constraint *c = &g->constraint[i];
        found = c->score != g->objective[0].score;
        other = (struct lt_objective){c->score, !isfinite(c->max)};
    }
    if (found) out->objective[out->n_objectives++] = other;
}

lt_status lt_run_candidates(const struct lt_run *r, struct lt_candidate **out, int *n, struct lt_err *e) {
    int count = 0, total = lt_store_count(r->store);
    struct lt_candidate *c = lt_calloc((size_t)total + 1, sizeof(*c));
    if (!c) return lt_fail(e, LT_ENOMEM, "candidates");
    for (int i = 0; i < total; i++) {
        const struct lt_json *rec = lt_store_at(r->store, i);
        const char *type, *status;
        lt_status s;
        if (lt_json_str(rec, "type", &type, NULL) || strcmp(type, "eval")) continue;
        if ((s = lt_json_str(rec, "arch", &c[count].text, e)) ||
            (s = lt_arch_parse(r->x->space, c[count].text, &c[count].arch, e))) {
            lt_free(c);
            return s;
        }
        lt_scores_read(lt_json_get(rec, "scores"), r->goal.names, &c[count].scores);
        if (!lt_json_str(rec, "status", &status, NULL) && strcmp(status, lt_status_name(LT_OK)))
            c[count].scores.status = LT_EFAIL;
        c[count].why = lt_json_text(rec, "why");
        count++;
    }
    *out = c;
    *n = count;
    return LT_OK;
}

lt_status lt_run_subnet(struct lt_run *r, const struct lt_arch *a, struct lt_graph **g, struct lt_weights **w,
                        struct lt_err *e) {
    struct lt_graph *raw = NULL;
    struct lt_weights *raw_w = NULL;
    lt_status s = lt_supernet_subnet(r->supernet, r->backend, a, lt_data_train(r->data), (int)r->x->train.calib_images,
                                     r->x->seed, &raw, &raw_w, e);
    if (!s) s = lt_graph_fold_bn(raw, raw_w, g, w, e);
    lt_weights_free(raw_w);
    lt_graph_free(raw);
    return s;
}

lt_status lt_run_chosen(const struct lt_run *r, struct lt_arch *out, const char **text, struct lt_err *e) {
    const struct lt_json *rec = lt_store_find(r->store, "chosen", NULL);
    lt_status s;
    if (!rec) return lt_fail(e, LT_EFAIL, "%s: no architecture has been chosen yet", lt_store_dir(r->store));
    if ((s = lt_json_str(rec, "arch", text, e))) return s;
    return lt_arch_parse(r->x->space, *text, out, e);
}

void lt_plan_json(const struct lt_plan *p, struct lt_jw *w) {
    lt_jw_obj(w);
    lt_jw_kint(w, "weight_qmax", p->weight_qmax);
    lt_jw_kint(w, "n_nodes", p->n_nodes);
    lt_jw_key(w, "int8");
    lt_jw_arr(w);
    for (int i = 0; i < p->n_nodes; i++)
        if (p->is_int8[i]) lt_jw_int(w, i);
    lt_jw_arr_end(w);
    lt_jw_key(w, "scale");
    lt_jw_arr(w);
    for (int i = 0; i < p->n_nodes; i++) {
        if (!(p->out[i].scale > 0)) continue;
        lt_jw_obj(w);
        lt_jw_kint(w, "node", i);
        lt_jw_knum(w, "scale", (double)p->out[i].scale);
        lt_jw_kbool(w, "signed", p->out[i].is_signed);
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
    lt_jw_obj_end(w);
}

lt_status lt_plan_read(const struct lt_json *obj, const struct lt_graph *folded, struct lt_plan **out,
                       struct lt_err *e) {
    const struct lt_json *int8 = lt_json_get(obj, "int8"), *scale = lt_json_get(obj, "scale");
    struct lt_plan *p = NULL;
    double n;
    lt_status s = lt_json_num(obj, "n_nodes", &n, e);
    if (s) return s;
    if ((int)n != folded->n_nodes || !int8 || !scale)
        return lt_fail(e, LT_EIO, "the recorded plan is for a network of %d operators, not %d", (int)n,
                       folded->n_nodes);
    if ((s = lt_plan_new(folded, &p, e))) return s;
    p->weight_qmax = (int)lt_json_num_or(obj, "weight_qmax", 127);
    for (int i = 0; i < int8->n && !s; i++) {
        double k = int8->child[i]->num;
        if (!(k >= 0 && k < p->n_nodes))
            s = lt_fail(e, LT_EIO, "the recorded plan names operator %g", k);
        else
            p->is_int8[(int)k] = 1;
    }
    for (int i = 0; i < scale->n && !s; i++) {
        double k = lt_json_num_or(scale->child[i], "node", -1);
        const struct lt_json *sign = lt_json_get(scale->child[i], "signed");
        if (!(k >= 0 && k < p->n_nodes))
            s = lt_fail(e, LT_EIO, "the recorded plan names operator %g", k);
        else
            p->out[(int)k] = (struct lt_qparam){(float)lt_json_num_or(scale->child[i], "scale", 0), sign && sign->b};
    }
    if (s) {
        lt_plan_free(p);
        return s;
    }
    *out = p;
    return LT_OK;
}

lt_status lt_run_deployed_plan(const struct lt_run *r, const struct lt_graph *folded, struct lt_plan **out,
                               struct lt_err *e) {
    struct lt_arch a;
    const char *text;
    lt_status s = lt_run_chosen(r, &a, &text, e);
    if (s) return s;
    const struct lt_json *rec = lt_store_find(r->store, "quantize", text),
                         *kept = rec ? lt_json_get(rec, "kept") : NULL;
    *out = NULL;
    if (!kept || !kept->b) return LT_OK;
    return lt_plan_read(lt_json_get(rec, "plan"), folded, out, e);
}
