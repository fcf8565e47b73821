/* Room: run. Reads and checks an experiment; see experiment.h. */
#include "run/experiment.h"
#include "run/experiment_priv.h"
#include "base/yaml_text.h"
#include "run/yaml_edit.h"
#include "lathe/device.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/predictor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef LT_PKGDATADIR
#define LT_PKGDATADIR "/usr/local/share/lathe"
#endif

const struct lt_opt lt_predict_opts[] = {
    {.key = "samples",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "100",
     .min = 4,
     .max = 200,
     .offset = offsetof(struct lt_predict_cfg, samples),
     .help = "subnetworks measured on the device to fit the predictor, the largest and the smallest among them"},
    {.key = "holdout",
     .type = LT_OPT_DOUBLE,
     .unit = "fraction",
     .dflt = "0.2",
     .min = 0.01,
     .max = 0.5,
     .offset = offsetof(struct lt_predict_cfg, holdout),
     .help = "share of them held out to report the predictor's error"},
    {.key = "model",
     .type = LT_OPT_STRING,
     .unit = "",
     .dflt = NULL,
     .offset = offsetof(struct lt_predict_cfg, model),
     .help = "file of `lathe predictor train`, of the same method: it is adapted to what the run measures; its own "
             "options hold"},
    {0},
};
const struct lt_opt lt_verify_opts[] = {
    {.key = "candidates",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "5",
     .min = 1,
     .max = 100,
     .offset = offsetof(struct lt_verify_cfg, candidates),
     .help = "how many of the best networks are measured on the device in one round"},
    {.key = "rounds",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "3",
     .min = 1,
     .max = 20,
     .offset = offsetof(struct lt_verify_cfg, rounds),
     .help = "rounds, each with a tightened limit, until one meets the budget as measured"},
    {0},
};
const struct lt_opt lt_deploy_opts[] = {
    {.key = "format",
     .type = LT_OPT_ENUM,
     .unit = "",
     .dflt = "onnx-qdq",
     .offset = offsetof(struct lt_deploy_cfg, format),
     .choices = "onnx-qdq|none",
     .help = "what is written: an ONNX file with quantize/dequantize pairs, or nothing"},
    {.key = "verify",
     .type = LT_OPT_BOOL,
     .unit = "",
     .dflt = "true",
     .offset = offsetof(struct lt_deploy_cfg, verify),
     .help = "compare the file with ONNX Runtime, where that is installed"},
    {0},
};

const struct lt_opt lt_search_opts[] = {
    {.key = "ahead",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "0",
     .min = 0,
     .max = 100000,
     .offset = offsetof(struct lt_search_cfg, ahead),
     .help = "window: how many results may be missing when the next candidate is asked for; 0: the searcher's own"},
    {.key = "baseline",
     .type = LT_OPT_ENUM,
     .unit = "",
     .dflt = "none",
     .offset = offsetof(struct lt_search_cfg, baseline),
     .choices = "none|random",
     .help = "random search with as many evaluations, to compare with"},
    {.key = "repeats",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "1",
     .min = 1,
     .max = 1000,
     .offset = offsetof(struct lt_search_cfg, repeats),
     .help = "how often the comparison with the baseline is made, each time with another seed"},
    {0},
};

static const char *const sections[] = {"schema",   "name",     "seed",      "space",  "evaluator",  "data",
                                       "supernet", "device",   "predictor", "search", "objectives", "constraints",
                                       "verify",   "quantize", "deploy",    NULL};

lt_status lt_experiment_find(const char *experiment_path, const char *name, const struct lt_yaml *at, char **out,
                             struct lt_err *e) {
    const char *slash = strrchr(experiment_path, '/');
    char *dir = slash ? lt_asprintf("%.*s", (int)(slash - experiment_path), experiment_path) : lt_strdup(".");
    char *tried[4] = {NULL};
    lt_status s = LT_OK;
    int n = 0, found = -1;
    if (!dir) return lt_fail(e, LT_ENOMEM, "%s", name);
    if (name[0] == '/') {
        tried[n++] = lt_strdup(name);
    } else {
        tried[n++] = lt_asprintf("%s%s%s", slash ? dir : "", slash ? "/" : "", name);
        tried[n++] = lt_asprintf("%s/../%s", dir, name);
        tried[n++] = lt_strdup(name);
        tried[n++] = lt_path_join(LT_PKGDATADIR, name);
    }
    for (int i = 0; i < n && !s; i++) {
        if (!tried[i])
            s = lt_fail(e, LT_ENOMEM, "%s", name);
        else if (found < 0 && lt_path_exists(tried[i]))
            found = i;
    }
    if (!s && found < 0) {
        if (n == 1)
            s = lt_yaml_fail(e, at, "%s does not exist", name);
        else
            s = lt_yaml_fail(e, at, "%s does not exist; looked for %s, %s, %s and %s", name, tried[0], tried[1],
                             tried[2], tried[3]);
    }
    if (!s) {
        *out = tried[found];
        tried[found] = NULL;
    }
    for (int i = 0; i < n; i++) lt_free(tried[i]);
    lt_free(dir);
    return s;
}

const struct lt_yaml *lt_experiment_root(const struct lt_experiment *x) { return lt_yaml_edit_root(x->doc); }

const struct lt_yaml *lt_experiment_section(const struct lt_experiment *x, const char *key) {
    const struct lt_yaml *n = lt_yaml_get(lt_yaml_edit_root(x->doc), key);
    return n && n->kind == LT_YAML_NULL ? NULL : n;
}

static const struct lt_yaml *section(const struct lt_experiment *x, const char *key) {
    return lt_experiment_section(x, key);
}

static lt_status read_space(struct lt_experiment *x, struct lt_err *e) {
    static const char *const known[] = {"file", "name", NULL};
    const struct lt_yaml *root = lt_yaml_edit_root(x->doc), *n = section(x, "space"), *file, *name;
    lt_status s;
    if (!n) return lt_yaml_fail(e, root, "space: is required, as in 'space: {file: spaces/mobile28.yaml}'");
    if ((s = lt_yaml_expect(n, LT_YAML_MAP, e)) || (s = lt_yaml_known(n, known, e))) return s;
    file = lt_yaml_get(n, "file");
    name = lt_yaml_get(n, "name");
    if (!file == !name) return lt_yaml_fail(e, n, "needs one of 'file' and 'name'");
    if ((s = lt_yaml_expect(file ? file : name, LT_YAML_SCALAR, e))) return s;
    if (file)
        s = lt_experiment_find(x->path, file->text, file, &x->space_path, e);
    else if (!(x->space_path = lt_strdup(name->text)))
        s = lt_fail(e, LT_ENOMEM, "space");
    return s ? s : lt_space_load(x->space_path, &x->space, e);
}

static lt_status read_data(struct lt_experiment *x, struct lt_err *e) {
    const struct lt_yaml *root = lt_yaml_edit_root(x->doc), *n = section(x, "data");
    lt_status s;
    char *found = NULL;
    if (!n)
        return lt_yaml_fail(e, root,
                            "data: is required, as in 'data: {format: idx, dir: /usr/share/datasets/fashion-mnist}'");
    if ((s = lt_opts_read(lt_data_opts, n, NULL, &x->data, e))) return s;
    const struct lt_yaml *dir = lt_yaml_get(n, "dir");
    /* Missing data are the data loader's to complain about, with the package that has them; here only another place is
     * tried. */
    if (dir && x->data.dir && x->data.dir[0] && !lt_path_exists(x->data.dir) &&
        !lt_experiment_find(x->path, x->data.dir, dir, &found, NULL)) {
        lt_free(x->data.dir);
        x->data.dir = found;
    }
    return LT_OK;
}

/* A section that is one option table. */
static lt_status read_table(struct lt_experiment *x, const char *key, const struct lt_opt *t, void *cfg,
                            struct lt_buf *resolved, struct lt_err *e) {
    const struct lt_yaml *n = section(x, key);
    struct lt_buf flow = LT_BUF_INIT;
    lt_status s;
    if (n && (s = lt_yaml_expect(n, LT_YAML_MAP, e))) return s;
    if ((s = lt_opts_read(t, n, NULL, cfg, e))) return s;
    lt_opts_emit(t, cfg, &flow);
    lt_experiment_trim(&flow);
    lt_experiment_put_section(resolved, key, NULL, NULL, flow.data);
    s = lt_buf_ok(&flow, e);
    lt_buf_release(&flow);
    return s;
}

/* The trainer says the same; here it is said before anything has been measured, and with its place. */
static lt_status check_batch(const struct lt_experiment *x, struct lt_err *e) {
    const struct lt_yaml *n = section(x, "supernet"), *in_shards = n ? lt_yaml_get(n, "shards") : NULL,
                         *in_batch = n ? lt_yaml_get(n, "batch") : NULL;
    int64_t shards = x->train.shards, batch = x->train.batch;
    if (shards & (shards - 1)) return lt_yaml_fail(e, in_shards, "%lld is not a power of two", (long long)shards);
    if (batch % shards || batch / shards < 2)
        return lt_yaml_fail(e, in_batch ? in_batch : in_shards,
                            "a batch of %lld images does not divide into %lld shards of at least 2 each",
                            (long long)batch, (long long)shards);
    return LT_OK;
}

/* `precisions` says what the device may be asked to run; a device that has such an option reads it itself. */
struct precision_cfg {
    unsigned precisions;
};
static const struct lt_opt precision_opts[] = {
    {.key = "precisions",
     .type = LT_OPT_SET,
     .unit = "",
     .dflt = "f32,int8",
     .offset = offsetof(struct precision_cfg, precisions),
     .choices = "f32|int8",
     .help = "number formats that may be deployed on the device"},
    {0},
};

static const char name_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static char *default_name(const char *path) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
    char *name = lt_asprintf("%.*s", dot && dot != base ? (int)(dot - base) : (int)strlen(base), base);
    for (size_t i = 0; name && name[i]; i++) /* like a name in the file, or the resolved text would not be read */
        if (!strchr(name_chars, name[i]) || (!i && name[i] == '.')) name[i] = '_';
    return name;
}

static lt_status read_top(struct lt_experiment *x, struct lt_buf *resolved, struct lt_err *e) {
    const struct lt_yaml *root = lt_yaml_edit_root(x->doc), *n;
    int64_t v = 42;
    lt_status s;
    if ((s = lt_yaml_known(root, sections, e))) return s;
    if (!(n = lt_yaml_get(root, "schema"))) return lt_yaml_fail(e, root, "schema: is required and must be 1");
    int64_t schema;
    if ((s = lt_yaml_int(n, 0, INT32_MAX, &schema, e))) return s;
    if (schema != 1) return lt_yaml_fail(e, n, "version %lld; this lathe reads version 1", (long long)schema);
    if ((n = lt_yaml_get(root, "seed")) && (s = lt_yaml_int(n, 0, INT64_MAX, &v, e))) return s;
    x->seed = (uint64_t)v;
    if ((n = lt_yaml_get(root, "name"))) {
        if ((s = lt_yaml_expect(n, LT_YAML_SCALAR, e))) return s;
        if (!n->text[0] || n->text[0] == '.' || strspn(n->text, name_chars) != strlen(n->text))
            return lt_yaml_fail(e, n, "'%s' names a folder: letters, digits, '.', '_' and '-'", n->text);
        x->name = lt_strdup(n->text);
    } else {
        x->name = default_name(x->path);
    }
    if (!x->name) return lt_fail(e, LT_ENOMEM, "%s", x->path);
    lt_buf_puts(resolved, "schema: 1\nname: ");
    lt_yaml_scalar(resolved, x->name, false);
    lt_buf_printf(resolved, "\nseed: %llu\n", (unsigned long long)x->seed);
    return LT_OK;
}

static lt_status read_evaluator(struct lt_experiment *x, struct lt_buf *resolved, struct lt_err *e) {
    static const char *const of_training[] = {"data",   "supernet", "device", "predictor",
                                              "verify", "quantize", "deploy", NULL};
    const struct lt_evaluator_ops *ops = NULL;
    const struct lt_yaml *cfg = NULL;
    lt_status s = lt_experiment_plugin(x, &lt_plugin_evaluator, NULL, NULL, NULL, &cfg, resolved, e);
    if (s) return s;
    for (int i = 0; i < lt_evaluator_count(); i++)
        if (!strcmp(lt_evaluator_at(i)->name, lt_yaml_get(cfg, "name")->text)) ops = lt_evaluator_at(i);
    for (int i = 0; of_training[i] && !ops->trains; i++)
        if (section(x, of_training[i]))
            return lt_yaml_fail(e, section(x, of_training[i]),
                                "has no meaning with evaluator '%s', which trains and measures nothing", ops->name);
    struct lt_evaluator_env env = {.experiment_path = x->path, .at = cfg, .space = x->space, .names = &x->names};
    return lt_evaluator_open(ops, cfg, &env, &x->evaluator, e);
}

/* The sections of a run that trains, up to the search. */
static lt_status read_training(struct lt_experiment *x, unsigned *precisions, struct lt_buf *text, struct lt_err *e) {
    static const char *const predict_keys[] = {"samples", "holdout", "model", NULL}, *const precision_keys[] = {
                                                                                         "precisions", NULL};
    struct precision_cfg prec = {3};
    struct lt_buf flow = LT_BUF_INIT;
    lt_status s = read_data(x, e);
    if (s) return s;
    lt_opts_emit(lt_data_opts, &x->data, &flow);
    lt_experiment_trim(&flow);
    lt_experiment_put_section(text, "data", NULL, NULL, flow.data);
    lt_buf_release(&flow);
    if ((s = read_table(x, "supernet", lt_train_opts, &x->train, text, e)) || (s = check_batch(x, e))) return s;
    const struct lt_yaml *dev = section(x, "device"), *dev_name = dev ? lt_yaml_get(dev, "name") : NULL;
    const struct lt_device_ops *dops = lt_device_ops_find(dev_name && dev_name->text ? dev_name->text : "host");
    bool theirs = dops && lt_opts_have(dops->opts, "precisions");
    if ((s = lt_experiment_plugin(x, &lt_plugin_device, theirs ? NULL : precision_keys, theirs ? NULL : precision_opts,
                                  &prec, &x->device, text, e)))
        return s;
    if (theirs && dev && lt_yaml_get(dev, "precisions")) {
        static const char *const only[] = {NULL};
        struct lt_yaml one = {.kind = LT_YAML_MAP, .file = dev->file, .line = dev->line, .col = dev->col, .n = 1};
        struct lt_yaml *child = (struct lt_yaml *)lt_yaml_get(dev, "precisions");
        one.child = &child;
        if ((s = lt_opts_read(precision_opts, &one, only, &prec, e))) return s;
    }
    *precisions = prec.precisions;
    if ((s = lt_experiment_plugin(x, &lt_plugin_predictor, predict_keys, lt_predict_opts, &x->predict, &x->predictor,
                                  text, e)))
        return s;
    if (x->predict.model && !lt_path_exists(x->predict.model)) /* found out before hours of measuring */
        return lt_yaml_fail(e, section(x, "predictor"), "model: there is no file '%s'", x->predict.model);
    return LT_OK;
}

static lt_status read_deployment(struct lt_experiment *x, unsigned precisions, struct lt_buf *text, struct lt_err *e) {
    lt_status s = read_table(x, "verify", lt_verify_opts, &x->verify, text, e);
    if (s) return s;
    if (section(x, "quantize")) {
        if ((s = read_table(x, "quantize", lt_quant_opts, &x->quant, text, e))) return s;
        x->quantize = (precisions & 2u) != 0;
    } else if ((s = lt_opts_default(lt_quant_opts, &x->quant, e))) {
        return s;
    }
    return read_table(x, "deploy", lt_deploy_opts, &x->deploy, text, e);
}

static lt_status read_all(struct lt_experiment *x, struct lt_buf *text, struct lt_err *e) {
    static const char *const search_keys[] = {"ahead", "baseline", "repeats", NULL};
    unsigned precisions = 3;
    lt_status s;
    if ((s = read_top(x, text, e)) || (s = read_space(x, e))) return s;
    /* a name is looked up otherwise than a file: it stays what it was */
    lt_buf_printf(text, "space: {%s: ", lt_yaml_get(section(x, "space"), "file") ? "file" : "name");
    lt_yaml_scalar(text, x->space_path, true);
    lt_buf_puts(text, "}\n");
    if ((s = read_evaluator(x, text, e))) return s;
    const bool trains = x->evaluator->ops->trains;
    if (trains && (s = read_training(x, &precisions, text, e))) return s;
    if ((s = lt_experiment_plugin(x, &lt_plugin_searcher, search_keys, lt_search_opts, &x->engine, &x->search, text,
                                  e)))
        return s;
    if ((s = lt_experiment_read_goal(x, text, e))) return s;
    return trains ? read_deployment(x, precisions, text, e) : LT_OK;
}

lt_status lt_experiment_load(const char *path, const char *const *set, int n_set, struct lt_experiment **out,
                             struct lt_err *e) {
    struct lt_experiment *x = lt_calloc(1, sizeof(*x));
    struct lt_buf text = LT_BUF_INIT;
    lt_status s;
    if (!x || !(x->path = lt_strdup(path))) {
        s = lt_fail(e, LT_ENOMEM, "%s", path);
        goto out;
    }
    if ((s = lt_yaml_edit_load(path, &x->doc, e))) goto out;
    for (int i = 0; i < n_set; i++)
        if ((s = lt_yaml_edit_set(x->doc, set[i], e))) goto out;
    if ((s = read_all(x, &text, e)) || (s = lt_buf_ok(&text, e))) goto out;
    x->resolved = lt_buf_take(&text);
    *out = x;
    x = NULL;
out:
    lt_buf_release(&text);
    lt_experiment_free(x);
    return s;
}

void lt_experiment_free(struct lt_experiment *x) {
    if (!x) return;
    lt_opts_release(lt_data_opts, &x->data);
    lt_opts_release(lt_predict_opts, &x->predict);
    lt_opts_release(lt_train_opts, &x->train);
    lt_opts_release(lt_quant_opts, &x->quant);
    lt_opts_release(lt_deploy_opts, &x->deploy);
    lt_evaluator_free(x->evaluator);
    lt_space_free(x->space);
    lt_yaml_edit_free(x->doc);
    lt_free(x->resolved);
    lt_free(x->space_path);
    lt_free(x->name);
    lt_free(x->path);
    lt_free(x);
}
