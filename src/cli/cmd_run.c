/* Room: cli. `lathe run`, and the stages of a run under their own names. */
#include "cli/cli.h"
#include "cli/cmd_run.h"
#include "lathe/file.h"
#include "lathe/json.h"
#include "lathe/mem.h"
#include "lathe/report.h"
#include "lathe/stats.h"
#include "run/run.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* What this command itself took. A continued run is charged only for what was left to do. */
struct usage {
    double wall_s, peak_bytes; /* memory: the ranks' largest resident sizes, added up */
};

/* Collective. */
static lt_status usage_of_all(struct lt_comm *comm, double started_s, struct usage *out, struct lt_err *e) {
    struct rusage own;
    double mine, *all = NULL;
    size_t *each = NULL;
    lt_status s = LT_OK;
    getrusage(RUSAGE_SELF, &own);
    mine = 1024.0 * (double)own.ru_maxrss;
    all = lt_calloc((size_t)comm->size, sizeof(*all));
    each = lt_calloc((size_t)comm->size, sizeof(*each));
    if (!all || !each) s = lt_fail(e, LT_ENOMEM, "memory of the ranks");
    if ((s = lt_comm_agree(comm, s, e))) goto out;
    for (int i = 0; i < comm->size; i++) each[i] = sizeof(mine);
    if ((s = lt_comm_allgatherv(comm, &mine, sizeof(mine), all, each, e))) goto out;
    for (int i = 0; i < comm->size; i++) out->peak_bytes += all[i];
    out->wall_s = lt_now_s() - started_s;
out:
    lt_free(all);
    lt_free(each);
    return s;
}

lt_status cli_load_experiment(struct cli *c, const struct cli_list *words, const struct cli_list *sets,
                              struct lt_experiment **out, struct lt_err *e) {
    if (words->n != 1)
        return cli_usage(e, c, words->n ? "one experiment at a time" : "which experiment? A YAML file is needed");
    lt_status s = lt_experiment_load(words->item[0], sets->item, sets->n, out, e);
    return lt_comm_agree(c->comm, s, e);
}

/* --json: the summary without its long lists, as one line. */
static void json_line(struct lt_buf *b, const char *dir, const struct usage *u, const struct lt_json *sum) {
    static const char *const keep[] = {"name",    "space", "evaluator", "device",
                                       "seed",    "ranks", "stage",     "constraints_text",
                                       "answers", "final", "deploy",    NULL};
    struct lt_jw w;
    lt_jw_init(&w, b);
    lt_jw_obj(&w);
    lt_jw_kint(&w, "schema", 1);
    lt_jw_kstr(&w, "type", "run");
    lt_jw_kstr(&w, "dir", dir);
    for (int i = 0; keep[i]; i++) {
        lt_jw_key(&w, keep[i]);
        lt_json_copy(&w, lt_json_get(sum, keep[i]));
    }
    lt_jw_knum(&w, "wall_s", u->wall_s);
    lt_jw_knum(&w, "peak_bytes", u->peak_bytes);
    lt_jw_obj_end(&w);
    lt_buf_puts(b, "\n");
}

static lt_status put_json(struct lt_buf *b, const char *dir, const struct usage *u, struct lt_err *e) {
    struct lt_buf text = LT_BUF_INIT;
    struct lt_json *root = NULL;
    char *path = lt_path_join(dir, "summary.json");
    lt_status s = path ? lt_file_read(path, (size_t)1 << 30, &text, e) : lt_fail(e, LT_ENOMEM, "summary");
    if (!s) s = lt_json_parse(path, text.data, text.len, &root, e);
    if (!s) json_line(b, dir, u, root);
    lt_json_free(root);
    lt_buf_release(&text);
    lt_free(path);
    return s;
}

/* What the run ended with: rank 0. */
static lt_status tell_result(struct cli *c, const char *dir, bool whole, const struct usage *u, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    bool plots = false;
    lt_status s = whole ? lt_report_write(dir, &plots, e) : LT_OK;
    if (!s) s = c->json ? put_json(&b, dir, u, e) : lt_summary_text(dir, &b, e);
    if (!s && whole && !c->json) {
        char *bundle = lt_path_join(dir, "deploy");
        if (bundle && lt_path_exists(bundle)) lt_buf_printf(&b, "\n  deployment: %s\n", bundle);
        lt_buf_printf(&b, "  report:     %s/report.html%s\n", dir,
                      plots ? "" : " (without plots: Chart.js was not found)");
        lt_free(bundle);
    }
    if (!s && !c->json)
        lt_buf_printf(&b, "  this command took %d:%02d and at most %.0f MiB of memory (%d rank%s)\n",
                      (int)u->wall_s / 60, (int)u->wall_s % 60, u->peak_bytes / 1048576, c->comm->size,
                      c->comm->size == 1 ? "" : "s");
    if (!s) s = cli_print(c, &b, e);
    lt_buf_release(&b);
    return s;
}

lt_status cli_run_stage(struct cli *c, const struct lt_experiment *x, const char *dir, const char *until, bool force,
                        struct lt_err *e) {
    struct lt_run_opt opt = {.dir = dir, .until = until, .force = force};
    struct usage used = {0};
    double started_s = lt_now_s();
    lt_status s = lt_run_experiment(x, c->comm, &opt, c->ui, e);
    if (!s) s = usage_of_all(c->comm, started_s, &used, e);
    if (s) return s;
    if (c->comm->rank == 0) {
        char *where = lt_run_dir(x, dir);
        s = where ? tell_result(c, where, !until || !strcmp(until, "deploy"), &used, e)
                  : lt_fail(e, LT_ENOMEM, "run folder");
        lt_free(where);
    }
    return lt_comm_agree(c->comm, s, e);
}

static lt_status run_until(struct cli *c, int argc, char **argv, const char *until, struct lt_err *e) {
    struct cli_list words = {0}, sets = {0};
    struct lt_experiment *x = NULL;
    const char *dir = NULL, *stage = until;
    bool help = false, force = false;
    const struct cli_opt opts[] = {
        {"output", 'o', CLI_TEXT, &dir, "DIR", "run folder; runs/<experiment name> otherwise"},
        {"set", 's', CLI_LIST, &sets, "KEY=VALUE", "change a key of the experiment: supernet.epochs=2"},
        {"force", 'f', CLI_FLAG, &force, NULL, "another run in the folder is moved aside"},
        {until ? NULL : "until", 'u', CLI_TEXT, &stage, "STAGE",
         "stop after measure, predict, train, search, verify, quantize, final or deploy"},
        {0},
    };
    lt_status s = cli_parse(c, opts, argc, argv, &words, &help, e);
    if (s || help) return s;
    if (!(s = cli_load_experiment(c, &words, &sets, &x, e))) s = cli_run_stage(c, x, dir, stage, force, e);
    lt_experiment_free(x);
    return s;
}

lt_status cmd_run(struct cli *c, int argc, char **argv, struct lt_err *e) { return run_until(c, argc, argv, NULL, e); }

lt_status cmd_search(struct cli *c, int argc, char **argv, struct lt_err *e) {
    return run_until(c, argc, argv, "search", e);
}

lt_status cmd_quantize(struct cli *c, int argc, char **argv, struct lt_err *e) {
    return run_until(c, argc, argv, "quantize", e);
}

lt_status cmd_deploy(struct cli *c, int argc, char **argv, struct lt_err *e) {
    return run_until(c, argc, argv, "deploy", e);
}
