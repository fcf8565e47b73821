/* Room: cli. `lathe train`: a run up to its training, or with --profile where the time of a training step goes, beside
 * what this machine can do at most. */
#include "cli/cli.h"
#include "cli/cmd_run.h"
#include "lathe/supernet.h"
#include "run/peaks.h"

#include <math.h>
#include <string.h>

enum { PROFILE_MIN_BATCH = 2 };

/* What keeps a class of operators below a third of both peaks, as far as it is known. */
static const char *why_slow(const char *name, double share) {
    if (!strncmp(name, "dense", 5) && strcmp(name, "dense 1x1"))
        return "with few input channels a channels-last vector is nearly empty, so instructions are the limit";
    if (!strncmp(name, "depthwise", 9))
        return "short rows: loads and stores of the row borders outweigh the arithmetic";
    if (share < 0.01) return "too little work a step: the fixed cost of a call is the limit";
    return "no reason is known: worth a profiler's look";
}

static void write_row(struct lt_buf *b, const struct lt_profile_row *r, double step_ms, const struct lt_peaks *peak) {
    static const char *const pass[3] = {"forward", "data gradient", "weight gradient"};
    for (int k = 0; k < 3; k++) {
        if (!(r->ms[k] > 0)) continue;
        double compute = 1e9 * r->gflop_s[k] / peak->flops, memory = 1e9 * r->gb_s[k] / peak->bytes_s,
               best = fmax(compute, memory);
        lt_buf_printf(b, "  %-16s %-16s %9.2f %6.1f %% %9.1f %8.2f %7.0f %% %s\n", r->name, pass[k], r->ms[k],
                      100 * r->ms[k] / step_ms, r->gflop_s[k], r->gb_s[k], 100 * best,
                      compute > memory ? "of compute" : "of memory");
        if (best < 1.0 / 3) lt_buf_printf(b, "      below a third: %s\n", why_slow(r->name, r->ms[k] / step_ms));
    }
}

static void write_json(struct lt_buf *b, const struct lt_profile_report *p, const struct lt_peaks *peak,
                       const char *arch) {
    struct lt_jw w;
    lt_jw_init(&w, b);
    lt_jw_obj(&w);
    lt_jw_kint(&w, "schema", 1);
    lt_jw_kstr(&w, "type", "profile");
    lt_jw_kstr(&w, "arch", arch);
    lt_jw_kint(&w, "threads", p->threads);
    lt_jw_kint(&w, "batch", p->batch);
    lt_jw_knum(&w, "images_per_s", p->images_per_s);
    lt_jw_knum(&w, "step_ms", p->step_ms);
    lt_jw_knum(&w, "outside_ms", p->outside_ms);
    lt_jw_knum(&w, "peak_gflop_s", peak->flops / 1e9);
    lt_jw_knum(&w, "peak_gb_s", peak->bytes_s / 1e9);
    lt_jw_key(&w, "rows");
    lt_jw_arr(&w);
    for (int i = 0; i < p->n_rows; i++) {
        static const char *const keys[3] = {"ms", "gflop_s", "gb_s"};
        const double *v[3] = {p->row[i].ms, p->row[i].gflop_s, p->row[i].gb_s};
        lt_jw_obj(&w);
        lt_jw_kstr(&w, "name", p->row[i].name);
        for (int k = 0; k < 3; k++) {
            lt_jw_key(&w, keys[k]);
            lt_jw_arr(&w);
            for (int j = 0; j < 3; j++) lt_jw_num(&w, v[k][j]);
            lt_jw_arr_end(&w);
        }
        lt_jw_obj_end(&w);
    }
    lt_jw_arr_end(&w);
    lt_jw_obj_end(&w);
    lt_buf_puts(b, "\n");
}

static lt_status profile(struct cli *c, const struct lt_experiment *x, const char *which, int64_t threads,
                         int64_t batch, struct lt_err *e) {
    struct lt_data_set *data = NULL;
    struct lt_supernet *sn = NULL;
    struct lt_profile_report p = {0};
    struct lt_peaks peak;
    struct lt_arch a;
    struct lt_buf b = LT_BUF_INIT, name = LT_BUF_INIT;
    lt_status s = LT_OK;
    if (!strcmp(which, "largest"))
        lt_space_largest(x->space, &a);
    else if (!strcmp(which, "smallest"))
        lt_space_smallest(x->space, &a);
    else
        s = lt_arch_parse(x->space, which, &a, e);
    if (!s) s = lt_data_load(&x->data, x->seed, &data, e);
    if (!s) s = lt_supernet_new(x->space, x->seed, &sn, e);
    if (!s) s = lt_supernet_profile(sn, lt_data_train(data), &x->train, &a, (int)batch, 3.0, (int)threads, &p, e);
    if (!s) s = lt_machine_peaks(p.threads, 0.5, &peak, e);
    if (s) goto out;
    lt_arch_print(x->space, &a, &name);
    if (c->json) {
        write_json(&b, &p, &peak, name.data);
    } else {
        lt_buf_printf(&b,
                      "%s\n%d threads, batch %d: %.0f images/s, %.1f ms a step, of which %.1f ms outside the network\n",
                      name.data, p.threads, p.batch, p.images_per_s, p.step_ms, p.outside_ms);
        lt_buf_printf(&b, "this machine at most: %.1f Gflop/s (pointwise convolution in cache), %.1f GB/s (triad)\n",
                      peak.flops / 1e9, peak.bytes_s / 1e9);
        lt_buf_printf(&b, "  %-16s %-16s %9s %8s %9s %8s %9s\n", "operators", "pass", "ms a step", "share", "Gflop/s",
                      "GB/s", "reached");
        for (int i = 0; i < p.n_rows; i++) write_row(&b, &p.row[i], p.step_ms, &peak);
    }
    s = cli_print(c, &b, e);
out:
    lt_buf_release(&b);
    lt_buf_release(&name);
    lt_supernet_free(sn);
    lt_data_free(data);
    return s;
}

lt_status cmd_train(struct cli *c, int argc, char **argv, struct lt_err *e) {
    struct cli_list words = {0}, sets = {0};
    struct lt_experiment *x = NULL;
    const char *arch = "largest", *dir = NULL;
    int64_t threads = 0, batch = 128; /* 128: what published training speeds are usually stated for */
    bool help = false, prof = false, force = false;
    const struct cli_opt opts[] = {
        {"profile", 'p', CLI_FLAG, &prof, NULL, "train a few seconds and print where the time goes; writes nothing"},
        {"arch", 'a', CLI_TEXT, &arch, "ARCH", "with --profile: largest (default), smallest, or an architecture"},
        {"threads", 't', CLI_INT, &threads, "N", "with --profile: threads; all processors otherwise"},
        {"batch", 'b', CLI_INT, &batch, "N", "with --profile: images a step; 128 otherwise"},
        {"output", 'o', CLI_TEXT, &dir, "DIR", "run folder; runs/<experiment name> otherwise"},
        {"set", 's', CLI_LIST, &sets, "KEY=VALUE", "change a key of the experiment: supernet.epochs=2"},
        {"force", 'f', CLI_FLAG, &force, NULL, "another run in the folder is moved aside"},
        {0},
    };
    lt_status s = cli_parse(c, opts, argc, argv, &words, &help, e);
    if (s || help) return s;
    if (threads < 0 || threads > 1024)
        return cli_usage(e, c, "--threads: %lld is not between 1 and 1024", (long long)threads);
    if (batch < PROFILE_MIN_BATCH || batch > 65536)
        return cli_usage(e, c, "--batch: %lld is not between %d and 65536", (long long)batch, PROFILE_MIN_BATCH);
    if ((s = cli_load_experiment(c, &words, &sets, &x, e))) goto out;
    if (prof) {
        if (c->comm->rank == 0) s = profile(c, x, arch, threads, batch, e);
        s = lt_comm_agree(c->comm, s, e);
    } else {
        s = cli_run_stage(c, x, dir, "train", force, e);
    }
out:
    lt_experiment_free(x);
    return s;
}
