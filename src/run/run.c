/* Room: run. The order of the stages, and what is opened before them; see run.h. */
#include "run/run.h"
#include "run/stages.h"
#include "lathe/mem.h"
#include "lathe/stats.h"

#include <string.h>

struct stage {
    const char *name;
    unsigned needs;
    lt_status (*run)(struct lt_run *r, struct lt_err *e);
};
enum {
    MEASURE = 1 << 0,
    PREDICT = 1 << 1,
    TRAIN = 1 << 2,
    SEARCH = 1 << 3,
    VERIFY = 1 << 4,
    QUANTIZE = 1 << 5,
    FINAL = 1 << 6,
    DEPLOY = 1 << 7,
    N_STAGES = 8
};

static const struct stage stages[N_STAGES] = {
    {"measure", 0, lt_stage_measure},    {"predict", MEASURE, lt_stage_predict},
    {"train", 0, lt_stage_train},        {"search", PREDICT | TRAIN, lt_stage_search},
    {"verify", SEARCH, lt_stage_verify}, {"quantize", VERIFY, lt_stage_quantize},
    {"final", QUANTIZE, lt_stage_final}, {"deploy", FINAL, lt_stage_deploy},
};
const char *const lt_stage_names[] = {"measure",  "predict", "train",  "search", "verify",
                                      "quantize", "final",   "deploy", NULL};

static unsigned with_needs(unsigned wanted) {
    for (int i = N_STAGES - 1; i >= 0; i--)
        if (wanted & (1u << i)) wanted |= stages[i].needs;
    return wanted;
}

char *lt_run_dir(const struct lt_experiment *x, const char *dir) {
    return dir ? lt_strdup(dir) : lt_asprintf("runs/%s", x->name);
}

static lt_status check_data(const struct lt_run *r, struct lt_err *e) {
    const struct lt_data *d = lt_data_train(r->data);
    const struct lt_space *sp = r->x->space;
    if (d->classes != lt_space_classes(sp))
        return lt_fail(e, LT_EINVAL, "%s: the data have %d classes, space '%s' has %d", r->x->path, d->classes,
                       lt_space_name(sp), lt_space_classes(sp));
    if (d->channels != lt_space_input_channels(sp))
        return lt_fail(e, LT_EINVAL, "%s: the data have %d channels, space '%s' takes %d", r->x->path, d->channels,
                       lt_space_name(sp), lt_space_input_channels(sp));
    return LT_OK;
}

lt_status lt_run_open_data(struct lt_run *r, struct lt_err *e) {
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

void lt_run_release(struct lt_run *r) {
    lt_predictor_close(r->predictor);
    lt_device_close(r->device);
    lt_supernet_free(r->supernet);
    lt_backend_close(r->backend);
    lt_data_free(r->data);
    lt_store_close(r->store);
}

lt_status lt_run_experiment(const struct lt_experiment *x, struct lt_comm *comm, const struct lt_run_opt *opt,
                            const struct lt_ui *ui, struct lt_err *e) {
    struct lt_run r = {.x = x, .comm = comm, .ui = ui, .until = opt->until, .started_s = lt_now_s()};
    unsigned wanted = 1u << (N_STAGES - 1);
    const char *finished = NULL;
    const bool trains = x->evaluator->ops->trains;
    char *dir = lt_run_dir(x, opt->dir);
    lt_status s = dir ? LT_OK : lt_fail(e, LT_ENOMEM, "run folder");
    if (opt->until) {
        const char *near = lt_nearest(opt->until, lt_stage_names);
        wanted = 0;
        for (int i = 0; i < N_STAGES; i++)
            if (!strcmp(stages[i].name, opt->until)) wanted = 1u << i;
        if (!wanted)
            s = lt_fail(e, LT_EINVAL, "stage '%s' is not known%s%s", opt->until, near ? "; did you mean " : "",
                        near ? near : "");
    }
    wanted = with_needs(wanted);
    if (!s && !trains) {
        if (opt->until && strcmp(opt->until, "search") != 0)
            s = lt_fail(e, LT_EINVAL, "stage '%s' is not part of a run with evaluator '%s': it ends with its search",
                        opt->until, x->evaluator->ops->name);
        wanted = SEARCH;
    }
    if ((s = lt_comm_agree(comm, s, e))) goto out;
    lt_experiment_goal(x, NULL, &r.goal);
    if (trains && (s = lt_run_open_data(&r, e))) goto out;
    if ((s = lt_store_open(dir, comm, ui, &r.store, e))) goto out;
    if ((s = lt_run_begin(&r, opt->force, e))) goto out;
    for (int i = 0; i < N_STAGES && !s; i++) {
        if (!(wanted & (1u << i))) continue;
        lt_ui_say(ui, LT_UI_DEBUG, "stage %s, after %.1f s", stages[i].name, lt_now_s() - r.started_s);
        s = stages[i].run(&r, e);
        if (!s) finished = stages[i].name;
        if (comm->rank == 0) { /* also after a failure: what is known by then */
            struct lt_err why = {0};
            lt_status t = lt_summary_write(&r, finished, &why);
            if (t && !s) s = lt_fail(e, t, "%s", why.msg);
        }
        s = lt_comm_agree(comm, s, e);
    }
out:
    lt_run_release(&r);
    lt_free(dir);
    return s;
}
