/* Room: cli. `lathe predictor eval`: how well a model does on devices after a few measurements. */
#include "cli/cmd_predictor.h"
#include "lathe/json.h"
#include "lathe/mem.h"
#include "lathe/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TRIALS = 10000 };

static lt_status parse_band(const struct cli *c, const char *text, double band[2], struct lt_err *e) {
    char end;
    if (sscanf(text, "%lf,%lf%c", &band[0], &band[1], &end) != 2 ||
        !(band[0] >= 0 && band[1] <= 1 && band[0] < band[1]))
        return cli_usage(e, c, "--band '%s': two quantiles between 0 and 1 are needed, as 0.1,0.9", text);
    return LT_OK;
}

static lt_status parse_choose(const struct cli *c, const char *text, enum lt_choose *out, struct lt_err *e) {
    static const char *const names[] = {"random", "proposed", "reference", NULL};
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], text)) continue;
        *out = (enum lt_choose)i;
        return LT_OK;
    }
    return cli_usage(e, c, "--choose '%s' is none of random, proposed, reference", text);
}

/* Resolution of a device's latencies as a share of their median. */
static double coarseness(const struct lt_latency_set *set, int d) {
    double *v = lt_malloc((size_t)set->n * sizeof(*v)), r = NAN;
    int n = 0;
    for (int i = 0; v && i < set->n; i++)
        if (set->device[d].latency_s[i] > 0) v[n++] = set->device[d].latency_s[i];
    if (v && n) r = set->device[d].resolution_s / lt_median(v, n);
    lt_free(v);
    return r;
}

static void put_json(const struct predictor_result *r, struct lt_buf *b) {
    struct lt_jw w;
    lt_jw_init(&w, b);
    lt_jw_obj(&w);
    lt_jw_kstr(&w, "device", r->device);
    lt_jw_kint(&w, "samples", r->v.samples);
    lt_jw_kint(&w, "trials", r->v.trials);
    for (int m = 0; m < LT_N_EVAL; m++) {
        char key[40];
        snprintf(key, sizeof(key), "%s_sd", lt_eval_metric_name[m]);
        lt_jw_knum(&w, lt_eval_metric_name[m], r->v.mean[m]);
        lt_jw_knum(&w, key, r->v.sd[m]);
    }
    lt_jw_obj_end(&w);
    lt_buf_puts(b, "\n");
}

static void put_csv(const struct predictor_result *r, int n, struct lt_buf *b) {
    lt_buf_puts(b, "device,samples,trials");
    for (int m = 0; m < LT_N_EVAL; m++) lt_buf_printf(b, ",%s,%s_sd", lt_eval_metric_name[m], lt_eval_metric_name[m]);
    lt_buf_puts(b, "\n");
    for (int i = 0; i < n; i++) {
        lt_buf_printf(b, "\"%s\",%d,%d", r[i].device, r[i].v.samples, r[i].v.trials);
        for (int m = 0; m < LT_N_EVAL; m++) lt_buf_printf(b, ",%.6g,%.6g", r[i].v.mean[m], r[i].v.sd[m]);
        lt_buf_puts(b, "\n");
    }
}

static void put_line(struct lt_buf *b, const char *name, const double *v) {
    lt_buf_printf(b, "%-28s %8.4f %8.4f %8.4f %7.2f %% %7.2f %% %6.1f %% %6.1f %% %6.1f %%", name, v[LT_EVAL_SPEARMAN],
                  v[LT_EVAL_SPEARMAN_BAND], v[LT_EVAL_KENDALL], 100 * v[LT_EVAL_MAPE], 100 * v[LT_EVAL_MEDAPE],
                  100 * v[LT_EVAL_WITHIN5], 100 * v[LT_EVAL_WITHIN10], 100 * v[LT_EVAL_COVERAGE90]);
}

static void put_table(const struct predictor_result *r, int n, const struct lt_eval_options *o, struct lt_buf *b) {
    double mean[LT_N_EVAL] = {0};
    char band[32];
    snprintf(band, sizeof(band), "%g-%g%%", 100 * o->band[0], 100 * o->band[1]);
    lt_buf_printf(b, "%-28s %8s %8s %8s %9s %9s %8s %8s %8s\n", "device", "Spearman", band, "Kendall", "MAPE", "median",
                  "in 5 %", "in 10 %", "90% int.");
    for (int i = 0; i < n; i++) {
        put_line(b, r[i].device, r[i].v.mean);
        if (r[i].resolution > 0.01) lt_buf_printf(b, "  whole steps of %.1f %% of its median", 100 * r[i].resolution);
        lt_buf_puts(b, "\n");
        if (r[i].v.trials > 1) {
            put_line(b, "  +-", r[i].v.sd);
            lt_buf_puts(b, "\n");
        }
        for (int m = 0; m < LT_N_EVAL; m++) mean[m] += r[i].v.mean[m] / n;
    }
    if (n > 1) {
        put_line(b, "mean", mean);
        lt_buf_puts(b, "\n");
    }
}

struct evaluation {
    struct predictor_model m;
    struct lt_latency_set *set;
    struct predictor_result *r;
    uint64_t *seen;
    int n_seen, n_done;
};

static void evaluation_release(struct evaluation *x) {
    for (int i = 0; i < x->n_done; i++) lt_eval_release(&x->r[i].v);
    lt_free(x->r);
    lt_free(x->seen);
    lt_latency_set_free(x->set);
    predictor_model_release(&x->m);
}

static lt_status run(struct evaluation *x, const struct cli *c, const struct lt_eval_options *o, struct lt_err *e) {
    const uint64_t *seen = lt_predictor_seen(x->m.p, &x->n_seen);
    lt_status s = LT_OK;
    x->r = lt_calloc((size_t)x->set->n_devices, sizeof(*x->r));
    x->seen = lt_malloc(((size_t)x->n_seen + 1) * sizeof(*x->seen));
    if (!x->r || !x->seen) return lt_fail(e, LT_ENOMEM, "evaluation");
    if (x->n_seen) memcpy(x->seen, seen, (size_t)x->n_seen * sizeof(*seen)); /* every adaptation changes them */
    for (int d = 0; d < x->set->n_devices && !s; d++) {
        for (int k = 0; k < lt_predictor_n_devices(x->m.p); k++)
            if (!strcmp(lt_predictor_device(x->m.p, k), x->set->device[d].name))
                lt_ui_say(c->ui, LT_UI_WARN,
                          "the model was trained on device '%s': its figures are no measure for a new one",
                          x->set->device[d].name);
        x->r[d].device = x->set->device[d].name;
        x->r[d].resolution = coarseness(x->set, d);
        if (!(s = lt_predictor_eval(x->m.p, x->set, d, x->seen, x->n_seen, o, &x->r[d].v, e))) {
            x->n_done++;
            lt_ui_say(c->ui, LT_UI_DEBUG, "%s: %d unseen architectures; adaptation %.2f ms, %.3g predictions a second",
                      x->r[d].device, x->r[d].v.n_unseen, 1e3 * x->r[d].v.adapt_s, 1 / x->r[d].v.predict_s);
        }
    }
    return s;
}

lt_status predictor_eval(struct cli *c, int argc, char **argv, struct lt_err *e) {
    struct cli_list words = {0}, devices = {0};
    const char *space = NULL, *data = NULL, *choose = "random", *band = "0.1,0.9", *html = NULL, **names = NULL;
    int64_t samples = 10, trials = 10, seed = 42, rounds = 1;
    int n_names = 0;
    bool help = false, csv = false, plots = false;
    struct evaluation x = {0};
    struct lt_eval_options o = {.ui = c->ui};
    struct lt_buf b = LT_BUF_INIT;
    const struct cli_opt opts[] = {
        {"data", 'd', CLI_TEXT, &data, "DIR", "latency data set"},
        {"devices", 0, CLI_LIST, &devices, "X,Y,...", "devices to adapt to [all of the data set]"},
        {"samples", 'n', CLI_INT, &samples, "N",
         "measurements on each, everything counted [10]; 0: the model as it is"},
        {"choose", 0, CLI_TEXT, &choose, "random|proposed|reference", "which architectures are measured [random]"},
        {"rounds", 0, CLI_INT, &rounds, "N", "proposed: in so many portions, one after the other [1]"},
        {"trials", 't', CLI_INT, &trials, "N", "random trials [10]"},
        {"band", 0, CLI_TEXT, &band, "LO,HI", "quantiles of latency, for spearman_band [0.1,0.9]"},
        {"seed", 's', CLI_INT, &seed, "SEED", "of the trials [42]"},
        {"csv", 0, CLI_FLAG, &csv, NULL, "as CSV"},
        {"html", 0, CLI_TEXT, &html, "FILE", "write a page with scatter and calibration plots, too"},
        {"space", 0, CLI_TEXT, &space, "SPACE", "the model's space, where it is not found by its name"},
        {0},
    };
    lt_status s = cli_parse(c, opts, argc, argv, &words, &help, e);
    if (s || help) return s;
    if (words.n != 1) return cli_usage(e, c, "eval needs one model file, not %d", words.n);
    if (!data) return cli_usage(e, c, "eval needs --data DIR");
    if (samples < 0 || samples > 1000000)
        return cli_usage(e, c, "--samples %lld is not between 0 and 1000000", (long long)samples);
    if (trials < 1 || trials > MOST_TRIALS)
        return cli_usage(e, c, "--trials %lld is not between 1 and %d", (long long)trials, MOST_TRIALS);
    if (rounds < 1 || rounds > 1000)
        return cli_usage(e, c, "--rounds %lld is not between 1 and 1000", (long long)rounds);
    if (seed < 0) return cli_usage(e, c, "--seed %lld is negative", (long long)seed);
    if (csv && c->json) return cli_usage(e, c, "--csv and --json are two ways of printing");
    if ((s = parse_band(c, band, o.band, e)) || (s = parse_choose(c, choose, &o.choose, e))) return s;
    o.samples = (int)samples;
    o.trials = (int)trials;
    o.rounds = (int)rounds;
    o.seed = (uint64_t)seed;
    if ((s = predictor_model_load(&x.m, words.item[0], space, e)) ||
        (s = predictor_names(&devices, &names, &n_names, e)) ||
        (s = lt_latency_set_load(data, lt_predictor_space(x.m.p), names, &x.set, e)))
        goto out;
    predictor_say_excluded(c, x.set);
    if ((s = run(&x, c, &o, e))) goto out;
    if (html) {
        if ((s = predictor_page(html, x.m.p, words.item[0], &o, x.r, x.n_done, &plots, e))) goto out;
        lt_ui_say(c->ui, plots ? LT_UI_INFO : LT_UI_WARN,
                  plots ? "%s written" : "%s written, without plots: Chart.js was not found", html);
    }
    for (int i = 0; i < x.n_done && c->json; i++) put_json(&x.r[i], &b);
    if (csv) put_csv(x.r, x.n_done, &b);
    if (!csv && !c->json) put_table(x.r, x.n_done, &o, &b);
    s = cli_print(c, &b, e);
out:
    lt_buf_release(&b);
    lt_free(names);
    evaluation_release(&x);
    return s;
}
