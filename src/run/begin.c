/*
 * Room: run. The beginning of a run's journal: what the run is, and whether a journal that is already there is of the
 * same experiment.
 */
#include "config.h"
#include "run/stages.h"
#include "lathe/file.h"
#include "lathe/mem.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void hex(char out[24], uint64_t v) { snprintf(out, 24, "%016llx", (unsigned long long)v); }

static uint64_t evaluator_hash(const struct lt_run *r) {
    const struct lt_evaluator *ev = r->x->evaluator;
    return ev->ops->hash ? ev->ops->hash(ev->self) : 0;
}

/* The first record: what this run is. Rank 0. */
static lt_status write_begin(struct lt_run *r, const struct lt_flat *flat, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT, runtime = LT_BUF_INIT;
    struct lt_jw w;
    char text[32];
    time_t now = time(NULL);
    struct tm tm;
    lt_record_begin(&w, &b, "begin", NULL);
    lt_jw_kint(&w, "schema", 1);
    lt_jw_kstr(&w, "name", r->x->name);
    lt_jw_key(&w, "experiment");
    lt_jw_obj(&w);
    for (int i = 0; i < flat->n; i++)
        if (!lt_experiment_key_is_free(flat->item[i].key)) lt_jw_kstr(&w, flat->item[i].key, flat->item[i].value);
    lt_jw_obj_end(&w);
    lt_jw_kstr(&w, "space", lt_space_name(r->x->space));
    hex(text, lt_space_hash(r->x->space));
    lt_jw_kstr(&w, "space_hash", text);
    if (r->data) {
        hex(text, lt_data_hash(r->data));
        lt_jw_kstr(&w, "data_hash", text);
    } else {
        hex(text, evaluator_hash(r));
        lt_jw_kstr(&w, "evaluator_hash", text);
    }
    lt_jw_key(&w, "meta");
    lt_jw_obj(&w);
    lt_jw_kstr(&w, "version", PACKAGE_VERSION);
    lt_runtime_describe(&runtime);
    lt_jw_kstr(&w, "runtime", runtime.data);
    lt_jw_kstr(&w, "cpu", lt_runtime_cpu_model());
    lt_jw_kint(&w, "ranks", r->comm->size);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    lt_jw_kstr(&w, "time", text);
    lt_jw_obj_end(&w);
    lt_record_end(&w);
    lt_status s = lt_buf_ok(&runtime, e);
    if (!s) s = lt_store_add(r->store, &b, e);
    lt_buf_release(&runtime);
    lt_buf_release(&b);
    return s;
}

/* What differs, in words, and which records of the old run are still right in the new one. */
struct change {
    struct lt_buf text;
    bool measure, train, eval; /* stale; eval: results of an evaluator that does not train */
};

static void differs(struct change *c, const char *key, const char *was, const char *now) {
    static const char *const of_eval[] = {"space", "evaluator", NULL};
    static const char *const of_measure[] = {"seed", "space", "device.", "predictor.samples", "evaluator", NULL},
                             *const of_train[] = {"seed", "space", "data", "supernet.", "evaluator", NULL};
    lt_buf_printf(&c->text, "%s%s: %s in the run, %s now", c->text.len ? "; " : "", key, was ? was : "absent",
                  now ? now : "absent");
    for (int i = 0; of_measure[i]; i++)
        if (!strncmp(key, of_measure[i], strlen(of_measure[i]))) c->measure = true;
    for (int i = 0; of_train[i]; i++)
        if (!strncmp(key, of_train[i], strlen(of_train[i]))) c->train = true;
    for (int i = 0; of_eval[i]; i++)
        if (!strncmp(key, of_eval[i], strlen(of_eval[i]))) c->eval = true;
}

/* Names what differs between the run in the folder and this experiment; empty: nothing. */
static lt_status compare_begin(const struct lt_run *r, const struct lt_flat *flat, struct change *diff,
                               struct lt_err *e) {
    const struct lt_json *rec = lt_store_find(r->store, "begin", NULL),
                         *old = rec ? lt_json_get(rec, "experiment") : NULL;
    const char *was;
    char now[24];
    if (!old || old->kind != LT_JSON_OBJ) {
        lt_buf_puts(&diff->text, "the journal there is not one of a run");
        diff->measure = diff->train = diff->eval = true;
        return LT_OK;
    }
    for (int i = 0; i < flat->n; i++) {
        const struct lt_flat_item *f = &flat->item[i];
        if (lt_experiment_key_is_free(f->key)) continue;
        const struct lt_json *o = lt_json_get(old, f->key);
        was = o && o->kind == LT_JSON_STR ? o->str : NULL;
        if (!was || strcmp(was, f->value)) differs(diff, f->key, was, f->value);
    }
    for (int i = 0; i < old->n; i++) {
        bool there = false;
        for (int k = 0; k < flat->n && !there; k++) there = !strcmp(flat->item[k].key, old->child[i]->key);
        if (!there) differs(diff, old->child[i]->key, old->child[i]->str, NULL);
    }
    hex(now, lt_space_hash(r->x->space));
    if (!lt_json_str(rec, "space_hash", &was, NULL) && strcmp(was, now)) differs(diff, "space contents", was, now);
    if (r->data) {
        hex(now, lt_data_hash(r->data));
        if (!lt_json_str(rec, "data_hash", &was, NULL) && strcmp(was, now)) differs(diff, "data contents", was, now);
    } else {
        hex(now, evaluator_hash(r));
        if (!lt_json_str(rec, "evaluator_hash", &was, NULL) && strcmp(was, now))
            differs(diff, "evaluator contents", was, now);
    }
    return lt_buf_ok(&diff->text, e);
}

/* Queues again the records that a changed experiment leaves valid. Rank 0. */
static lt_status keep_records(const struct lt_run *r, const struct change *c, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw w;
    const char *type;
    lt_status s = LT_OK;
    for (int i = 0; i < lt_store_count(r->store) && !s; i++) {
        const struct lt_json *rec = lt_store_at(r->store, i);
        if (lt_json_str(rec, "type", &type, NULL)) continue;
        bool measure = !c->measure && (!strcmp(type, "measure") || !strcmp(type, "device"));
        bool eval = !c->eval && (!strcmp(type, "eval") || !strcmp(type, "base") || !strcmp(type, "known"));
        if (!measure && !eval && (c->train || strcmp(type, "train"))) continue;
        if (eval && strcmp(type, "eval") && lt_store_find(r->store, "eval", lt_json_text(rec, "key"))) continue;
        if (eval && !strcmp(type, "known") && lt_store_find(r->store, "base", lt_json_text(rec, "key"))) continue;
        lt_jw_init(&w, &b);
        lt_jw_obj(&w);
        for (int k = 0; k < rec->n; k++) {
            if (!strcmp(rec->child[k]->key, "crc")) continue;
            lt_jw_key(&w, rec->child[k]->key);
            if (eval && !strcmp(rec->child[k]->key, "type"))
                lt_jw_str(&w, "known");
            else
                lt_json_copy(&w, rec->child[k]);
        }
        lt_jw_obj_end(&w);
        s = lt_store_add(r->store, &b, e);
    }
    lt_buf_release(&b);
    return s;
}

/* --force: the other run is moved aside; what it measured and trained is taken over where that is still right. */
static lt_status restart(struct lt_run *r, const struct lt_flat *flat, const struct change *c, struct lt_err *e) {
    lt_status s = LT_OK;
    if (r->comm->rank == 0 && !(s = write_begin(r, flat, e))) s = keep_records(r, c, e);
    if ((s = lt_comm_agree(r->comm, s, e)) || (s = lt_store_restart(r->store, !c->train, e))) return s;
    if (!r->x->evaluator->ops->trains)
        lt_ui_say(r->ui, LT_UI_WARN, "%s: the other run there was moved aside%s", lt_store_dir(r->store),
                  c->eval ? "" : "; taken over from it: evaluations");
    else
        lt_ui_say(r->ui, LT_UI_WARN, "%s: the other run there was moved aside%s%s%s", lt_store_dir(r->store),
                  c->measure && c->train ? "" : "; taken over from it:", c->measure ? "" : " measurements",
                  c->train ? "" : " training");
    return LT_OK;
}

/* The experiment may be the same and the machine another one: measurements made there say nothing about this one. */
static lt_status compare_device(const struct lt_run *r, struct change *diff, struct lt_err *e) {
    const struct lt_json *rec = lt_store_find(r->store, "device", NULL);
    struct lt_device *d = NULL;
    const char *was;
    char now[24] = "";
    bool other = false;
    lt_status s = LT_OK;
    if (!rec || diff->measure || !r->x->device) return LT_OK;
    if ((s = lt_json_str(rec, "hash", &was, e))) return s;
    if (r->comm->rank == 0 && !(s = lt_device_open(r->x->device, &d, e))) hex(now, lt_device_hash(d));
    lt_device_close(d);
    if ((s = lt_comm_agree(r->comm, s, e))) return s;
    if ((s = lt_comm_or(r->comm, *now && strcmp(was, now), &other, e))) return s;
    if (other) differs(diff, "device.hash", was, *now ? now : "another");
    return lt_buf_ok(&diff->text, e);
}

/* Without --force the run goes on, for training and search need no device; but who waits for them should know how it
 * will end. Rank 0; a device that cannot even be opened here says enough for itself when it is needed. */
static void warn_device(const struct lt_run *r) {
    const struct lt_json *rec = lt_store_find(r->store, "device", NULL);
    struct lt_device *d = NULL;
    const char *was;
    char now[24];
    if (r->comm->rank || !rec || lt_store_find(r->store, "final", NULL) || lt_json_str(rec, "hash", &was, NULL) ||
        lt_device_open(r->x->device, &d, NULL))
        return;
    hex(now, lt_device_hash(d));
    if (strcmp(was, now))
        lt_ui_say(r->ui, LT_UI_WARN,
                  "%s: its measurements were made on another device or machine: what is left to measure must be "
                  "measured there, or --force starts again here",
                  lt_store_dir(r->store));
    lt_device_close(d);
}

/* A new journal gets its first record; an old one must be of this experiment. */
lt_status lt_run_begin(struct lt_run *r, bool force, struct lt_err *e) {
    struct lt_flat flat = {0};
    struct change diff = {.eval = r->x->evaluator->ops->trains}; /* their accuracies belong to weights */
    lt_status s = lt_experiment_flatten(r->x, &flat, e);
    if ((s = lt_comm_agree(r->comm, s, e))) goto out;
    if (lt_store_count(r->store)) {
        if ((s = lt_comm_agree(r->comm, compare_begin(r, &flat, &diff, e), e))) goto out;
        if (force && (s = compare_device(r, &diff, e))) goto out;
        if (diff.text.len && !force) {
            s = lt_fail(e, LT_EINVAL,
                        "%s holds another run: %.700s. Choose another folder (-o), or --force to move it aside and "
                        "keep what is still right",
                        lt_store_dir(r->store), diff.text.data);
            goto out;
        }
        if (diff.text.len && (s = restart(r, &flat, &diff, e))) goto out;
        if (!force) warn_device(r);
    } else {
        if (r->comm->rank == 0) s = write_begin(r, &flat, e);
        if ((s = lt_store_commit(r->store, s, e))) goto out;
    }
    if (r->comm->rank == 0) {
        char *path = lt_store_path(r->store, "experiment.yaml");
        s = path ? lt_file_write_atomic(path, r->x->resolved, strlen(r->x->resolved), e)
                 : lt_fail(e, LT_ENOMEM, "experiment.yaml");
        lt_free(path);
    }
    s = lt_comm_agree(r->comm, s, e);
out:
    lt_buf_release(&diff.text);
    lt_flat_release(&flat);
    return s;
}
