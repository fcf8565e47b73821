/* Room: run. The order of the stages, and what is opened before them; see run.h. */
#include "config.h"
#include "run/run.h"
#include "run/stages.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/stats.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct stage { const char *name; unsigned needs; lt_status (*run)(struct lt_run *r, struct lt_err *e); };
enum { MEASURE = 1 << 0, PREDICT = 1 << 1, TRAIN = 1 << 2, SEARCH = 1 << 3, VERIFY = 1 << 4, QUANTIZE = 1 << 5, FINAL = 1 << 6, DEPLOY = 1 << 7, N_STAGES = 8 };

static const struct stage stages[N_STAGES] = {
    {"measure", 0, lt_stage_measure},
    {"predict", MEASURE, lt_stage_predict},
    {"train", 0, lt_stage_train},
    {"search", PREDICT | TRAIN, lt_stage_search},
    {"verify", SEARCH, lt_stage_verify},
    {"quantize", VERIFY, lt_stage_quantize},
    {"final", QUANTIZE, lt_stage_final},
    {"deploy", FINAL, lt_stage_deploy},
};
const char *const lt_stage_names[] = {"measure", "predict", "train", "search", "verify", "quantize", "final", "deploy", NULL};

static unsigned with_needs(unsigned wanted)
{
    for (int i = N_STAGES - 1; i >= 0; i--)
        if (wanted & (1u << i)) wanted |= stages[i].needs;
    return wanted;
}

char *lt_run_dir(const struct lt_experiment *x, const char *dir)
{
    return dir ? lt_strdup(dir) : lt_asprintf("runs/%s", x->name);
}

static void hex(char out[24], uint64_t v)
{
    snprintf(out, 24, "%016llx", (unsigned long long)v);
}

/* The first record: what this run is. Rank 0. */
static lt_status write_begin(struct lt_run *r, const struct lt_flat *flat, struct lt_err *e)
{
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
    hex(text, lt_data_hash(r->data));
    lt_jw_kstr(&w, "data_hash", text);
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

static void differs(struct lt_buf *b, const char *key, const char *was, const char *now)
{
    lt_buf_printf(b, "%s%s: %s in the run, %s now", b->len ? "; " : "", key, was ? was : "absent", now ? now : "absent");
}

/* Names what differs between the run in the folder and this experiment; empty: nothing. */
static lt_status compare_begin(const struct lt_run *r, const struct lt_flat *flat, struct lt_buf *diff, struct lt_err *e)
{
    const struct lt_json *rec = lt_store_find(r->store, "begin", NULL), *old = rec ? lt_json_get(rec, "experiment") : NULL;
    const char *was;
    char now[24];
    if (!old || old->kind != LT_JSON_OBJ) {
        lt_buf_puts(diff, "the journal there is not one of a run");
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
    if (!lt_json_str(rec, "space_hash", &was, NULL) && strcmp(was, now)) differs(diff, "contents of the space", was, now);
    hex(now, lt_data_hash(r->data));
    if (!lt_json_str(rec, "data_hash", &was, NULL) && strcmp(was, now)) differs(diff, "contents of the data", was, now);
    return lt_buf_ok(diff, e);
}

/* A new journal gets its first record; an old one must be of this experiment. */
static lt_status begin(struct lt_run *r, bool force, struct lt_err *e)
{
    struct lt_flat flat = {0};
    struct lt_buf diff = LT_BUF_INIT;
    lt_status s = lt_experiment_flatten(r->x, &flat, e);
    if ((s = lt_comm_agree(r->comm, s, e))) goto out;
    if (lt_store_count(r->store)) {
        if ((s = lt_comm_agree(r->comm, compare_begin(r, &flat, &diff, e), e))) goto out;
        if (diff.len && !force) {
            s = lt_fail(e, LT_EINVAL, "%s holds another run: %.700s. Choose another folder (-o), or --force to move it aside", lt_store_dir(r->store), diff.data);
            goto out;
        }
        if (diff.len && (s = lt_store_restart(r->store, e))) goto out;
        if (diff.len) lt_ui_say(r->ui, LT_UI_WARN, "%s: the other run there was moved aside", lt_store_dir(r->store));
    }
    if (!lt_store_count(r->store)) {
        if (r->comm->rank == 0) s = write_begin(r, &flat, e);
        if ((s = lt_store_commit(r->store, s, e))) goto out;
    }
    if (r->comm->rank == 0) {
        char *path = lt_store_path(r->store, "experiment.yaml");
        s = path ? lt_file_write_atomic(path, r->x->resolved, strlen(r->x->resolved), e) : lt_fail(e, LT_ENOMEM, "experiment.yaml");
        lt_free(path);
    }
    s = lt_comm_agree(r->comm, s, e);
out:
    lt_buf_release(&diff);
    lt_flat_release(&flat);
    return s;
}

static lt_status check_data(const struct lt_run *r, struct lt_err *e)
{
    const struct lt_data *d = lt_data_train(r->data);
    const struct lt_space *sp = r->x->space;
    if (d->classes != lt_space_classes(sp))
        return lt_fail(e, LT_EINVAL, "%s: the data have %d classes, space '%s' has %d", r->x->path, d->classes, lt_space_name(sp), lt_space_classes(sp));
    if (d->channels != lt_space_input_channels(sp))
        return lt_fail(e, LT_EINVAL, "%s: the data have %d channels, space '%s' takes %d", r->x->path, d->channels, lt_space_name(sp), lt_space_input_channels(sp));
    return LT_OK;
}

lt_status lt_run_open_data(struct lt_run *r, struct lt_err *e)
{
    uint64_t mine = 0, root;
    lt_status s = lt_data_load(&r->x->data, r->x->seed, &r->data, e);
    if (!s) s = check_data(r, e);
    if (!s) s = lt_backend_open("auto", &r->backend, e);
    if ((s = lt_comm_agree(r->comm, s, e))) return s;
    root = mine = lt_data_hash(r->data);
    if ((s = lt_comm_bcast(r->comm, &root, sizeof(root), 0, e))) return s;
    if (mine != root) s = lt_fail(e, LT_EIO, "the data here differ from those of rank 0");
    return lt_comm_agree(r->comm, s, e);
}

void lt_run_release(struct lt_run *r)
{
    lt_predictor_close(r->predictor);
    lt_device_close(r->device);
    lt_supernet_free(r->supernet);
    lt_backend_close(r->backend);
    lt_data_free(r->data);
    lt_store_close(r->store);
}

lt_status lt_run_experiment(const struct lt_experiment *x, struct lt_comm *comm, const struct lt_run_opt *opt, const struct lt_ui *ui, struct lt_err *e)
{
    struct lt_run r = {.x = x, .comm = comm, .ui = ui, .until = opt->until, .started_s = lt_now_s()};
    unsigned wanted = 1u << (N_STAGES - 1);
    char *dir = lt_run_dir(x, opt->dir);
    lt_status s = dir ? LT_OK : lt_fail(e, LT_ENOMEM, "run folder");
    if (opt->until) {
        const char *near = lt_nearest(opt->until, lt_stage_names);
        wanted = 0;
        for (int i = 0; i < N_STAGES; i++)
            if (!strcmp(stages[i].name, opt->until)) wanted = 1u << i;
        if (!wanted) s = lt_fail(e, LT_EINVAL, "stage '%s' is not known%s%s", opt->until, near ? "; did you mean " : "", near ? near : "");
    }
    wanted = with_needs(wanted);
    if ((s = lt_comm_agree(comm, s, e))) goto out;
    lt_experiment_goal(x, NULL, &r.goal);
    if ((s = lt_run_open_data(&r, e))) goto out;
    if ((s = lt_store_open(dir, comm, ui, &r.store, e))) goto out;
    if ((s = begin(&r, opt->force, e))) goto out;
    for (int i = 0; i < N_STAGES && !s; i++) {
        if (!(wanted & (1u << i))) continue;
        lt_ui_say(ui, LT_UI_DEBUG, "stage %s, after %.1f s", stages[i].name, lt_now_s() - r.started_s);
        s = stages[i].run(&r, e);
        if (comm->rank == 0) { /* also after a failure: what is known by then */
            struct lt_err why = {0};
            lt_status t = lt_summary_write(&r, s ? NULL : stages[i].name, &why);
            if (t && !s) s = lt_fail(e, t, "%s", why.msg);
        }
        s = lt_comm_agree(comm, s, e);
    }
out:
    lt_run_release(&r);
    lt_free(dir);
    return s;
}
