/* Room: cli. `lathe check`: an experiment is verified without running it: file, space, data, device; then how long it
 * will take and what can be attained. */
#include "cli/cli.h"
#include "cli/cmd_run.h"
#include "lathe/mem.h"
#include "run/run.h"

#include <math.h>
#include <stdio.h>

static void duration(struct lt_buf *b, const char *what, double s) {
    lt_buf_printf(b, "  %-28s ", what);
    if (s < 120)
        lt_buf_printf(b, "%6.1f s\n", s);
    else
        lt_buf_printf(b, "%6.1f min\n", s / 60);
}

static void write_ranges(struct lt_buf *b, const struct lt_estimate *t, const char *head, const char *low,
                         const char *high) {
    struct lt_buf limits = LT_BUF_INIT;
    lt_buf_printf(b, "  %-16s %14s %14s %14s\n", head, low, high, "limit");
    for (int k = 0; k < LT_MAX_SCORES; k++) {
        if (!t->smallest.have[k]) continue;
        lt_buf_printf(b, "  %-16s %14.6g %14.6g", lt_score_name(t->goal.names, k), t->smallest.v[k], t->largest.v[k]);
        for (int i = 0; i < t->goal.n_constraints; i++) {
            const struct lt_constraint *l = &t->goal.constraint[i];
            if ((int)l->score != k) continue;
            if (isfinite(l->max)) lt_buf_printf(b, "  <= %.6g", l->max);
            if (isfinite(l->min)) lt_buf_printf(b, "  >= %.6g", l->min);
        }
        lt_buf_puts(b, "\n");
    }
    lt_goal_text(&t->goal, &limits);
    if (!t->feasible) lt_buf_printf(b, "  not attainable: %s\n", limits.data);
    lt_buf_release(&limits);
}

static void write_text(struct lt_buf *b, const struct lt_experiment *x, const struct lt_estimate *t, int ranks) {
    lt_buf_printf(b, "%s: valid; space '%s', %d rank%s\n", x->path, lt_space_name(x->space), ranks,
                  ranks == 1 ? "" : "s");
    if (!t->trains) {
        if (t->evaluations > 0) lt_buf_printf(b, "  at most %d evaluations\n", t->evaluations);
        write_ranges(b, t, t->exact ? "attainable" : "sampled", "least", "most");
        return;
    }
    lt_buf_printf(b, "  training at %.0f images/s (all networks of a step)\n", t->images_per_s);
    duration(b, "train", t->train_s);
    duration(b, "measure", t->measure_s);
    if (t->evaluations > 0) {
        char what[64];
        snprintf(what, sizeof(what), "search, %d evaluations", t->evaluations);
        duration(b, what, t->search_s);
    }
    duration(b, "verify", t->verify_s);
    if (x->quantize) duration(b, "quantize, at most", t->quantize_s);
    duration(b, "final test", t->final_s);
    duration(b, "in all, about", t->total_s);
    write_ranges(b, t, "attainable", "smallest", "largest");
}

static void write_json(struct lt_buf *b, const struct lt_experiment *x, const struct lt_estimate *t, int ranks) {
    struct lt_jw w;
    lt_jw_init(&w, b);
    lt_jw_obj(&w);
    lt_jw_kint(&w, "schema", 1);
    lt_jw_kstr(&w, "type", "check");
    lt_jw_kstr(&w, "experiment", x->path);
    lt_jw_kint(&w, "ranks", ranks);
    lt_jw_knum(&w, "images_per_s", t->images_per_s);
    lt_jw_knum(&w, "train_s", t->train_s);
    lt_jw_knum(&w, "measure_s", t->measure_s);
    lt_jw_knum(&w, "search_s", t->search_s);
    lt_jw_knum(&w, "verify_s", t->verify_s);
    lt_jw_knum(&w, "quantize_s", t->quantize_s);
    lt_jw_knum(&w, "final_s", t->final_s);
    lt_jw_knum(&w, "total_s", t->total_s);
    lt_jw_kint(&w, "evaluations", t->evaluations);
    lt_jw_kbool(&w, "feasible", t->feasible);
    for (int i = 0; i < 2; i++) {
        const struct lt_scores *s = i ? &t->largest : &t->smallest;
        lt_jw_key(&w, i ? "largest" : "smallest");
        lt_jw_obj(&w);
        for (int k = 0; k < LT_MAX_SCORES; k++)
            if (s->have[k]) lt_jw_knum(&w, lt_score_name(t->goal.names, k), s->v[k]);
        lt_jw_obj_end(&w);
    }
    lt_jw_obj_end(&w);
    lt_buf_puts(b, "\n");
}

lt_status cmd_check(struct cli *c, int argc, char **argv, struct lt_err *e) {
    struct cli_list words = {0}, sets = {0};
    struct lt_experiment *x = NULL;
    struct lt_estimate t;
    struct lt_buf b = LT_BUF_INIT;
    bool help = false, quick = false;
    const struct cli_opt opts[] = {
        {"set", 's', CLI_LIST, &sets, "KEY=VALUE", "change a key of the experiment: supernet.epochs=2"},
        {"quick", 'q', CLI_FLAG, &quick, NULL, "verify the file and the space only; no data, no device, no estimate"},
        {0},
    };
    lt_status s = cli_parse(c, opts, argc, argv, &words, &help, e);
    if (s || help) return s;
    if ((s = cli_load_experiment(c, &words, &sets, &x, e))) goto out;
    if (quick) {
        if (!c->json)
            lt_buf_printf(&b, "%s: valid\n", x->path);
        else
            lt_buf_puts(&b, "{\"schema\":1,\"type\":\"check\",\"valid\":true}\n");
    } else {
        if ((s = lt_run_estimate(x, c->comm, c->ui, &t, e))) goto out;
        if (c->json)
            write_json(&b, x, &t, c->comm->size);
        else
            write_text(&b, x, &t, c->comm->size);
    }
    s = lt_comm_agree(c->comm, cli_print(c, &b, e), e);
    if (!s && !quick && !t.feasible)
        s = lt_fail(e, LT_INFEASIBLE, "%s: %s", x->path,
                    t.trains ? "no architecture meets its limits: even the extreme networks are outside" : t.why.msg);
out:
    lt_buf_release(&b);
    lt_experiment_free(x);
    return s;
}
