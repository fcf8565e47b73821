/* Room: cli. `lathe predictor train`: rows of a data set are drawn for training, a method learns from them, and the
 * model file says all of it. */
#include "cli/cmd_predictor.h"
#include "lathe/mem.h"
#include "lathe/stats.h"

#include <stdio.h>
#include <string.h>

enum { DEFAULT_SAMPLES = 900 };

struct training {
    struct lt_space *space;
    struct lt_latency_set *set;
    struct lt_yaml *config;
    struct lt_predictor *p;
    int *device, *row, n_devices, n;
};

static void training_release(struct training *t) {
    lt_predictor_close(t->p);
    lt_yaml_free(t->config);
    lt_latency_set_free(t->set);
    lt_space_free(t->space);
    lt_free(t->device);
    lt_free(t->row);
}

/* {name: METHOD, key: value, ...} */
static lt_status configure(struct training *t, const struct cli *c, const char *method, const struct cli_list *set,
                           struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    lt_status s;
    lt_buf_printf(&b, "{name: %s", method);
    for (int i = 0; i < set->n; i++) {
        const char *eq = strchr(set->item[i], '=');
        if (!eq || eq == set->item[i]) {
            lt_buf_release(&b);
            return cli_usage(e, c, "--set %s: key=value is needed", set->item[i]);
        }
        lt_buf_printf(&b, ", %.*s: %s", (int)(eq - set->item[i]), set->item[i], eq + 1);
    }
    lt_buf_puts(&b, "}");
    if (!(s = lt_buf_ok(&b, e))) s = lt_yaml_parse("--method, --set", b.data, b.len, &t->config, e);
    lt_buf_release(&b);
    return s;
}

static lt_status draw(struct training *t, const struct cli *c, int64_t samples, bool given, bool first, uint64_t seed,
                      struct lt_err *e) {
    lt_status s;
    t->n_devices = t->set->n_devices;
    if (!given && samples > t->set->n * 4 / 5) samples = t->set->n * 4 / 5;
    if (samples < 2)
        return lt_fail(e, LT_EINVAL, "%s: %d architectures are too few to train on", t->set->dir, t->set->n);
    int wanted = samples > t->set->n ? t->set->n + 1 : (int)samples;
    t->device = lt_calloc((size_t)t->n_devices, sizeof(*t->device));
    t->row = lt_calloc((size_t)t->set->n, sizeof(*t->row));
    if (!t->device || !t->row) return lt_fail(e, LT_ENOMEM, "training");
    for (int i = 0; i < t->n_devices; i++) t->device[i] = i;
    if ((s = lt_predictor_split(t->set, t->device, t->n_devices, wanted, first, seed, t->row, &t->n, e))) return s;
    char how[64];
    snprintf(how, sizeof(how), "drawn at random by seed %llu", (unsigned long long)seed);
    lt_ui_say(c->ui, LT_UI_INFO,
              "%d of %d architectures are for training, %s; the model keeps their list, and eval judges on the others",
              t->n, t->set->n, first ? "the first of the file" : how);
    for (int d = 0; d < t->n_devices; d++) {
        int has = 0;
        for (int i = 0; i < t->n; i++) has += t->set->device[d].latency_s[t->row[i]] > 0;
        if (has < wanted)
            lt_ui_say(c->ui, LT_UI_WARN, "%s: device '%s' has a usable latency of only %d of them",
                      t->set->device[d].file, t->set->device[d].name, has);
    }
    return LT_OK;
}

static lt_status learn(struct training *t, const struct cli *c, struct lt_err *e) {
    struct lt_meta meta = {t->set, t->device, t->n_devices, t->row, t->n, c->ui};
    const char *name = lt_predictor_name(t->p);
    struct lt_arch *a = NULL;
    double *y = NULL;
    int n = 0;
    lt_status s;
    if (lt_predictor_kind(t->p)->meta_fit) return lt_predictor_meta_fit(t->p, &meta, e);
    if (t->n_devices != 1)
        return lt_fail(e, LT_EINVAL,
                       "method '%s' learns one device from its own measurements and knows no others: give one with "
                       "--devices, not %d, or take a method that transfers (fewshot, help, nasflat)",
                       name, t->n_devices);
    a = lt_malloc((size_t)t->n * sizeof(*a));
    y = lt_malloc((size_t)t->n * sizeof(*y));
    if (!a || !y) {
        s = lt_fail(e, LT_ENOMEM, "training");
        goto out;
    }
    for (int i = 0; i < t->n; i++) {
        double v = t->set->device[0].latency_s[t->row[i]];
        if (!(v > 0)) continue; /* counted and said before */
        a[n] = t->set->arch[t->row[i]];
        y[n++] = v;
    }
    if (!(s = lt_predictor_fit(t->p, a, y, n, e))) s = lt_predictor_name_device(t->p, t->set->device[0].name, e);
out:
    lt_free(a);
    lt_free(y);
    return s;
}

lt_status predictor_train(struct cli *c, int argc, char **argv, struct lt_err *e) {
    struct cli_list words = {0}, devices = {0}, set = {0};
    const char *space = NULL, *data = NULL, *method = "fewshot", *to = NULL, *split = "random";
    const char **names = NULL;
    int64_t samples = -1, seed = 42;
    int n_names = 0;
    bool help = false;
    struct training t = {0};
    char *command = NULL;
    double began;
    const struct cli_opt opts[] = {
        {"space", 0, CLI_TEXT, &space, "SPACE", "the data set's search space: a file, or a name"},
        {"data", 'd', CLI_TEXT, &data, "DIR", "latency data set: archs.csv and latency/<device>.csv, or a table"},
        {"devices", 0, CLI_LIST, &devices, "A,B,...", "devices to learn from [all of the data set]"},
        {"samples-per-device", 'n', CLI_INT, &samples, "N", "architectures to learn from [900, at most 4/5 of them]"},
        {"split", 0, CLI_TEXT, &split, "random|first", "which: drawn by the seed, or the first of the file [random]"},
        {"method", 0, CLI_TEXT, &method, "NAME", "predictor; docs/predictors.md says which when [fewshot]"},
        {"set", 0, CLI_LIST, &set, "KEY=VALUE", "an option of the method; may be given several times"},
        {"seed", 's', CLI_INT, &seed, "SEED", "seed [42]"},
        {"output", 'o', CLI_TEXT, &to, "FILE", "the model"},
        {0},
    };
    lt_status s = cli_parse(c, opts, argc, argv, &words, &help, e);
    if (s || help) return s;
    if (words.n) return cli_usage(e, c, "train takes no '%s'", words.item[0]);
    if (!space || !data || !to) return cli_usage(e, c, "train needs --space, --data and -o");
    if (seed < 0) return cli_usage(e, c, "--seed %lld is negative", (long long)seed);
    bool first = !strcmp(split, "first");
    if (!first && strcmp(split, "random")) return cli_usage(e, c, "--split '%s' is neither random nor first", split);
    bool given = samples != -1;
    if (given && samples < 2) return cli_usage(e, c, "--samples-per-device %lld is less than 2", (long long)samples);
    if (!given) samples = DEFAULT_SAMPLES;
    if (!(command = predictor_command(argc, argv))) {
        s = lt_fail(e, LT_ENOMEM, "train");
        goto out;
    }
    if ((s = predictor_names(&devices, &names, &n_names, e)) || (s = configure(&t, c, method, &set, e)) ||
        (s = lt_space_load(space, &t.space, e)) ||
        (s = lt_predictor_open(t.config, t.space, (uint64_t)seed, &t.p, e)) ||
        (s = lt_latency_set_load(data, t.space, names, &t.set, e)))
        goto out;
    predictor_say_excluded(c, t.set);
    if ((s = draw(&t, c, samples, given, first, (uint64_t)seed, e))) goto out;
    began = lt_now_s();
    if ((s = learn(&t, c, e)) || (s = lt_predictor_save(t.p, to, command, e))) goto out;
    lt_ui_say(c->ui, LT_UI_INFO, "%s: '%s' trained on %d device%s and %d architectures in %.2f s", to,
              lt_predictor_name(t.p), t.n_devices, t.n_devices == 1 ? "" : "s", t.n, lt_now_s() - began);
out:
    lt_free(command);
    lt_free(names);
    training_release(&t);
    return s;
}
