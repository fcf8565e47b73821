/* Room: cli. `lathe predictor`: latency predictors that are trained on many devices and adapt to one by a few
 * measurements. One verb a function; propose, adapt and predict are here. */
#include "cli/cmd_predictor.h"
#include "lathe/csv.h"
#include "lathe/json.h"
#include "lathe/mem.h"
#include "lathe/stats.h"

#include <math.h>
#include <string.h>

enum { MOST_PROPOSED = 100000 };

lt_status predictor_model_load(struct predictor_model *m, const char *path, const char *space, struct lt_err *e) {
    struct predictor_model r = {0};
    lt_status s = LT_OK;
    if (space) s = lt_space_load(space, &r.space, e);
    if (!s) s = lt_predictor_load(path, r.space, &r.p, e);
    if (s) {
        lt_space_free(r.space);
        return s;
    }
    *m = r;
    return LT_OK;
}

void predictor_model_release(struct predictor_model *m) {
    lt_predictor_close(m->p);
    lt_space_free(m->space);
}

lt_status predictor_names(const struct cli_list *given, const char ***out, int *n, struct lt_err *e) {
    size_t bytes = 0, count = 1;
    const char **v;
    char *text;
    int k = 0;
    for (int i = 0; i < given->n; i++) {
        bytes += strlen(given->item[i]) + 1;
        count++;
        for (const char *p = given->item[i]; *p; p++) count += *p == ',';
    }
    *out = NULL;
    *n = 0;
    if (!given->n) return LT_OK;
    if (!(v = lt_calloc(1, count * sizeof(*v) + bytes))) return lt_fail(e, LT_ENOMEM, "devices");
    text = (char *)(v + count);
    for (int i = 0; i < given->n; i++) {
        size_t len = strlen(given->item[i]) + 1;
        memcpy(text, given->item[i], len);
        for (char *p = text; p;) {
            char *comma = strchr(p, ',');
            if (comma) *comma++ = 0;
            if (!*p) {
                lt_free(v);
                return lt_fail(e, LT_EINVAL, "--devices %s: an empty name", given->item[i]);
            }
            v[k++] = p;
            p = comma;
        }
        text += len;
    }
    *out = v;
    *n = k;
    return LT_OK;
}

char *predictor_command(int argc, char **argv) {
    struct lt_buf b = LT_BUF_INIT;
    lt_buf_puts(&b, "lathe predictor");
    for (int i = 0; i < argc; i++) {
        bool plain = argv[i][0] && !argv[i][strcspn(argv[i], " \t\n'\"$&|;<>()*?")];
        lt_buf_printf(&b, plain ? " %s" : " '%s'", argv[i]);
    }
    return lt_buf_take(&b);
}

void predictor_say_excluded(const struct cli *c, const struct lt_latency_set *set) {
    struct lt_buf b = LT_BUF_INIT;
    lt_latency_set_report(set, &b);
    for (char *p = b.data; p && *p;) {
        char *end = strchr(p, '\n');
        if (end) *end++ = 0;
        lt_ui_say(c->ui, LT_UI_WARN, "%s", p);
        p = end;
    }
    lt_buf_release(&b);
}

static lt_status one_model(struct cli *c, const struct cli_list *words, const char *verb, struct lt_err *e) {
    if (words->n != 1) return cli_usage(e, c, "%s needs one model file, not %d", verb, words->n);
    return LT_OK;
}

/* The header of a table that holds `arch` and the space's columns. */
static void table_header(const struct lt_space *s, struct lt_buf *b) {
    lt_buf_puts(b, "arch");
    for (int i = 0; i < lt_space_n_columns(s); i++)
        if (strcmp(lt_space_column(s, i), "arch")) lt_buf_printf(b, ",%s", lt_space_column(s, i));
}

static lt_status table_row(const struct lt_space *s, const struct lt_arch *a, struct lt_buf *b, struct lt_err *e) {
    struct lt_buf text = LT_BUF_INIT;
    lt_status st = LT_OK;
    lt_arch_print(s, a, &text);
    lt_buf_printf(b, "\"%s\"", text.data ? text.data : ""); /* arch texts hold commas, never quotes */
    lt_buf_release(&text);
    if (lt_space_n_columns(s) > 1 || strcmp(lt_space_column(s, 0), "arch")) {
        lt_buf_puts(b, ",");
        st = lt_space_row_print(s, a, b);
        if (st) return lt_fail(e, st, "architecture");
    }
    return lt_buf_ok(b, e);
}

static void json_arch(const struct lt_space *s, const struct lt_arch *a, struct lt_jw *w, struct lt_buf *b) {
    struct lt_buf text = LT_BUF_INIT;
    lt_arch_print(s, a, &text);
    lt_jw_init(w, b);
    lt_jw_obj(w);
    lt_jw_kint(w, "schema", 1);
    lt_jw_kstr(w, "arch", text.data);
    lt_buf_release(&text);
}

struct measured {
    struct lt_arch *arch, *among;
    double *latency_s;
    int n, n_among;
};

static void measured_release(struct measured *m) {
    lt_free(m->arch);
    lt_free(m->among);
    lt_free(m->latency_s);
}

lt_status predictor_propose(struct cli *c, int argc, char **argv, struct lt_err *e) {
    struct cli_list words = {0};
    const char *space = NULL, *measured = NULL, *among = NULL;
    int64_t n = 10;
    bool help = false;
    struct predictor_model m = {0};
    struct measured x = {0};
    struct lt_arch *out = NULL;
    struct lt_buf b = LT_BUF_INIT;
    const struct cli_opt opts[] = {
        {"number", 'n', CLI_INT, &n, "N", "how many architectures [10]"},
        {"measured", 'm', CLI_TEXT, &measured, "FILE.csv", "what has been measured already: which ones next"},
        {"among", 'a', CLI_TEXT, &among, "FILE.csv", "choose among these [the whole space]"},
        {"space", 0, CLI_TEXT, &space, "SPACE", "the model's space, where it is not found by its name"},
        {0},
    };
    lt_status s = cli_parse(c, opts, argc, argv, &words, &help, e);
    if (s || help) return s;
    if ((s = one_model(c, &words, "propose", e))) return s;
    if (n < 1 || n > MOST_PROPOSED)
        return cli_usage(e, c, "-n %lld is not between 1 and %d", (long long)n, MOST_PROPOSED);
    if ((s = predictor_model_load(&m, words.item[0], space, e))) return s;
    const struct lt_space *sp = lt_predictor_space(m.p);
    if (measured && (s = lt_arch_table_load(measured, sp, &x.arch, &x.latency_s, &x.n, e))) goto out;
    if (among && (s = lt_arch_table_load(among, sp, &x.among, NULL, &x.n_among, e))) goto out;
    if (!(out = lt_malloc((size_t)n * sizeof(*out)))) {
        s = lt_fail(e, LT_ENOMEM, "architectures");
        goto out;
    }
    if ((s = lt_predictor_propose(m.p, x.arch, x.latency_s, x.n, x.among, x.n_among, (int)n, out, e))) goto out;
    if (!c->json) {
        table_header(sp, &b);
        lt_buf_puts(&b, ",latency_ms\n");
    }
    for (int i = 0; i < (int)n && !s; i++) {
        struct lt_jw w;
        if (c->json) {
            json_arch(sp, &out[i], &w, &b);
            lt_jw_obj_end(&w);
        } else {
            s = table_row(sp, &out[i], &b, e);
            lt_buf_puts(&b, ",");
        }
        lt_buf_puts(&b, "\n");
    }
    if (!s && !c->json)
        lt_ui_say(c->ui, LT_UI_INFO, "fill in latency_ms and give the table to `lathe predictor adapt %s --measured`",
                  words.item[0]);
    if (!s) s = cli_print(c, &b, e);
out:
    lt_buf_release(&b);
    lt_free(out);
    measured_release(&x);
    predictor_model_release(&m);
    return s;
}

/* How far off each measurement is when the others alone are used; median, as a share. NAN: too few. */
static double leave_one_out(struct lt_predictor *p, const struct measured *x) {
    struct lt_arch *a = lt_malloc((size_t)x->n * sizeof(*a));
    double *y = lt_malloc((size_t)x->n * 2 * sizeof(*y)), r = NAN;
    int k;
    for (k = 0; k < x->n && a && y && x->n > 3; k++) {
        double mean;
        int m = 0;
        for (int i = 0; i < x->n; i++) {
            if (i == k) continue;
            a[m] = x->arch[i];
            y[m++] = x->latency_s[i];
        }
        if (lt_predictor_fit(p, a, y, m, NULL) || lt_predictor_predict(p, &x->arch[k], 1, &mean, NULL, NULL)) break;
        y[x->n + k] = fabs(mean / x->latency_s[k] - 1);
    }
    if (a && y && k == x->n && x->n > 3) r = lt_median(y + x->n, x->n);
    lt_free(a);
    lt_free(y);
    return r;
}

lt_status predictor_adapt(struct cli *c, int argc, char **argv, struct lt_err *e) {
    struct cli_list words = {0};
    const char *space = NULL, *measured = NULL, *to = NULL;
    bool help = false;
    struct predictor_model m = {0};
    struct measured x = {0};
    char *command = NULL;
    double began, took, off = NAN;
    const struct cli_opt opts[] = {
        {"measured", 'm', CLI_TEXT, &measured, "FILE.csv", "architectures with their latency_ms on the device"},
        {"output", 'o', CLI_TEXT, &to, "FILE", "the adapted model"},
        {"space", 0, CLI_TEXT, &space, "SPACE", "the model's space, where it is not found by its name"},
        {0},
    };
    lt_status s = cli_parse(c, opts, argc, argv, &words, &help, e);
    if (s || help) return s;
    if ((s = one_model(c, &words, "adapt", e))) return s;
    if (!measured) return cli_usage(e, c, "adapt needs --measured FILE.csv");
    if (!to) return cli_usage(e, c, "adapt needs -o FILE");
    if ((s = predictor_model_load(&m, words.item[0], space, e))) return s;
    if (!(command = predictor_command(argc, argv))) {
        s = lt_fail(e, LT_ENOMEM, "adapt");
        goto out;
    }
    if ((s = lt_arch_table_load(measured, lt_predictor_space(m.p), &x.arch, &x.latency_s, &x.n, e))) goto out;
    began = lt_now_s();
    if ((s = lt_predictor_fit(m.p, x.arch, x.latency_s, x.n, e))) goto out;
    took = lt_now_s() - began;
    if (took * x.n < 5) {
        off = leave_one_out(m.p, &x);
        if ((s = lt_predictor_fit(m.p, x.arch, x.latency_s, x.n, e))) goto out;
    }
    if ((s = lt_predictor_save(m.p, to, command, e))) goto out;
    lt_ui_say(c->ui, LT_UI_INFO, "%s: '%s' adapted to %d measurements in %.3g ms", to, lt_predictor_name(m.p), x.n,
              1e3 * took);
    if (!isnan(off))
        lt_ui_say(c->ui, LT_UI_INFO, "each of them from the others alone: median error %.1f %%", 100 * off);
out:
    lt_free(command);
    measured_release(&x);
    predictor_model_release(&m);
    return s;
}

static lt_status gather(const struct cli_list *words, const char *archs, const struct lt_space *sp, struct measured *x,
                        struct lt_err *e) {
    lt_status s = LT_OK;
    if (archs) return lt_arch_table_load(archs, sp, &x->arch, NULL, &x->n, e);
    x->n = words->n - 1;
    if (!(x->arch = lt_malloc((size_t)x->n * sizeof(*x->arch)))) return lt_fail(e, LT_ENOMEM, "architectures");
    for (int i = 0; i < x->n && !s; i++) s = lt_arch_parse(sp, words->item[i + 1], &x->arch[i], e);
    return s;
}

static lt_status put_predictions(const struct cli *c, const struct lt_space *sp, const struct measured *x,
                                 const double *mean_s, const double *sd_s, bool csv, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    lt_status s = LT_OK;
    if (csv) {
        table_header(sp, &b);
        lt_buf_puts(&b, ",mean_ms,sd_ms\n");
    }
    for (int i = 0; i < x->n && !s; i++) {
        struct lt_jw w;
        if (c->json) {
            json_arch(sp, &x->arch[i], &w, &b);
            lt_jw_knum(&w, "mean_ms", 1e3 * mean_s[i]);
            lt_jw_knum(&w, "sd_ms", 1e3 * sd_s[i]);
            lt_jw_obj_end(&w);
            lt_buf_puts(&b, "\n");
        } else if (csv) {
            s = table_row(sp, &x->arch[i], &b, e);
            lt_buf_printf(&b, ",%.9g,%.6g\n", 1e3 * mean_s[i], 1e3 * sd_s[i]);
        } else {
            lt_buf_printf(&b, "%12.5g ms  +- %9.3g ms  ", 1e3 * mean_s[i], 1e3 * sd_s[i]);
            lt_arch_print(sp, &x->arch[i], &b);
            lt_buf_puts(&b, "\n");
        }
    }
    if (!s) s = cli_print(c, &b, e);
    lt_buf_release(&b);
    return s;
}

lt_status predictor_predict(struct cli *c, int argc, char **argv, struct lt_err *e) {
    struct cli_list words = {0};
    const char *space = NULL, *archs = NULL;
    bool help = false, csv = false;
    struct predictor_model m = {0};
    struct measured x = {0};
    double *mean = NULL;
    const struct cli_opt opts[] = {
        {"archs", 'a', CLI_TEXT, &archs, "FILE.csv", "architectures, in the space's columns or as `arch`"},
        {"csv", 0, CLI_FLAG, &csv, NULL, "as CSV: arch, columns, mean_ms, sd_ms"},
        {"space", 0, CLI_TEXT, &space, "SPACE", "the model's space, where it is not found by its name"},
        {0},
    };
    lt_status s = cli_parse(c, opts, argc, argv, &words, &help, e);
    if (s || help) return s;
    if (words.n < 1) return cli_usage(e, c, "predict needs a model file");
    if ((words.n > 1) == (archs != NULL))
        return cli_usage(e, c, "predict needs --archs FILE.csv, or architectures after the model file");
    if (csv && c->json) return cli_usage(e, c, "--csv and --json are two ways of printing");
    if ((s = predictor_model_load(&m, words.item[0], space, e))) return s;
    const struct lt_space *sp = lt_predictor_space(m.p);
    if ((s = gather(&words, archs, sp, &x, e))) goto out;
    if (!(mean = lt_malloc((size_t)x.n * 2 * sizeof(*mean)))) {
        s = lt_fail(e, LT_ENOMEM, "predictions");
        goto out;
    }
    if ((s = lt_predictor_predict(m.p, x.arch, x.n, mean, mean + x.n, e))) goto out;
    if (!lt_predictor_fitted(m.p))
        lt_ui_say(c->ui, LT_UI_WARN,
                  "%s has not been adapted to a device: what it says is what the devices that it was "
                  "trained on have in common",
                  words.item[0]);
    s = put_predictions(c, sp, &x, mean, mean + x.n, csv, e);
out:
    lt_free(mean);
    measured_release(&x);
    predictor_model_release(&m);
    return s;
}

lt_status cmd_predictor(struct cli *c, int argc, char **argv, struct lt_err *e) {
    static const struct {
        const char *name;
        lt_status (*run)(struct cli *c, int argc, char **argv, struct lt_err *e);
    } verb[] = {{"train", predictor_train},
                {"propose", predictor_propose},
                {"adapt", predictor_adapt},
                {"predict", predictor_predict},
                {"eval", predictor_eval}};
    struct cli_list words = {0};
    bool help = false;
    lt_status s;
    for (int i = 0; argc > 1 && i < (int)(sizeof(verb) / sizeof(*verb)); i++)
        if (!strcmp(argv[1], verb[i].name)) return verb[i].run(c, argc - 1, argv + 1, e);
    if ((s = cli_parse(c, NULL, argc < 2 ? argc : 2, argv, &words, &help, e)) || help) return s;
    if (words.n) return cli_usage(e, c, "'%s' is not one of train, propose, adapt, predict, eval", words.item[0]);
    return cli_usage(e, c, "one of train, propose, adapt, predict, eval is needed");
}
