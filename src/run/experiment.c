/* Room: run. Reads and checks an experiment; see experiment.h. */
#include "run/experiment.h"
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

static const char *const sections[] = {"schema",      "name",   "seed",      "space",  "data",
                                       "supernet",    "device", "predictor", "search", "objectives",
                                       "constraints", "verify", "quantize",  "deploy", NULL};

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

static const struct lt_yaml *section(const struct lt_experiment *x, const char *key) {
    const struct lt_yaml *n = lt_yaml_get(lt_yaml_edit_root(x->doc), key);
    return n && n->kind == LT_YAML_NULL ? NULL : n;
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

static bool has_key(const struct lt_opt *t, const char *key) {
    for (; t && t->key; t++)
        if (!strcmp(t->key, key)) return true;
    return false;
}

/* One row a kind of plug-in: how to list its names and option tables; the first one is the default. */
struct kind {
    const char *section;
    int (*count)(void);
    void (*at)(int i, const char **name, const struct lt_opt **opts, size_t *size);
};

static void device_at(int i, const char **name, const struct lt_opt **opts, size_t *size) {
    const struct lt_device_ops *o = lt_device_ops_at(i);
    *name = o->name;
    *opts = o->opts;
    *size = o->state_size;
}

static void predictor_at(int i, const char **name, const struct lt_opt **opts, size_t *size) {
    const struct lt_predictor_ops *o = lt_predictor_at(i);
    *name = o->name;
    *opts = o->opts;
    *size = o->cfg_size;
}

static void searcher_at(int i, const char **name, const struct lt_opt **opts, size_t *size) {
    const struct lt_searcher_ops *o = lt_searcher_at(i);
    *name = o->name;
    *opts = o->opts;
    *size = o->cfg_size;
}

static const struct kind device_kind = {"device", lt_device_count, device_at};
static const struct kind predictor_kind = {"predictor", lt_predictor_count, predictor_at};
static const struct kind searcher_kind = {"search", lt_searcher_count, searcher_at};

/* Appends "key: {a: b, ...}\n" where `flow` is what lt_opts_emit wrote, merged behind `first` ("name: host"). */
static void put_section(struct lt_buf *b, const char *key, const char *first, const char *second, const char *flow) {
    const char *rest = flow ? flow : "{}";
    lt_buf_printf(b, "%s: {%s", key, first ? first : "");
    bool any = first && *first;
    const char *more[2] = {second, rest};
    for (int i = 0; i < 2; i++) {
        size_t len = more[i] ? strlen(more[i]) : 0;
        if (len <= 2) continue; /* "{}" */
        if (any) lt_buf_puts(b, ", ");
        lt_buf_add(b, more[i] + 1, len - 2);
        any = true;
    }
    lt_buf_puts(b, "}\n");
}

static void trim(struct lt_buf *b) {
    while (b->len && (b->data[b->len - 1] == '\n' || b->data[b->len - 1] == ' ')) b->data[--b->len] = 0;
}

/*
 * A section that names a plug-in. Keys in `ours` (may be NULL) belong to the run and are read by our_opts; all others
 * must be known to the plug-in, and are checked by its own option table now, so that `lathe check` finds every mistake
 * without opening a device.
 */
static lt_status read_plugin(struct lt_experiment *x, const struct kind *k, const char *const *ours,
                             const struct lt_opt *our_opts, void *our_cfg, const struct lt_yaml **out,
                             struct lt_buf *resolved, struct lt_err *e) {
    static const char *const name_key[] = {"name", NULL};
    const struct lt_yaml *n = section(x, k->section), *name, *map, *own = NULL;
    const struct lt_opt *opts = NULL;
    const char *names[64];
    size_t size = 0;
    void *cfg = NULL;
    struct lt_buf a = LT_BUF_INIT, b = LT_BUF_INIT, first = LT_BUF_INIT;
    int n_names = 0, found = -1;
    lt_status s;
    k->at(0, &names[0], &opts, &size);
    lt_buf_printf(&first, "{name: %s}", names[0]);
    if (!n && (s = lt_yaml_edit_parse(x->doc, k->section, first.data, &n, e))) goto out;
    if ((s = lt_yaml_expect(n, LT_YAML_MAP, e))) goto out;
    if (!(name = lt_yaml_get(n, "name"))) {
        s = lt_yaml_fail(e, n, "needs a name, as in '%s'", first.data);
        goto out;
    }
    if ((s = lt_yaml_expect(name, LT_YAML_SCALAR, e))) goto out;
    opts = NULL;
    for (int i = 0; i < k->count() && n_names < 63; i++) {
        const struct lt_opt *o;
        size_t z;
        k->at(i, &names[n_names], &o, &z);
        if (!strcmp(names[n_names], name->text)) {
            found = i;
            opts = o;
            size = z;
        }
        n_names++;
    }
    names[n_names] = NULL;
    if (found < 0) {
        for (int i = 0; i < n_names; i++) lt_buf_printf(&a, "%s%s", i ? ", " : "", names[i]);
        const char *near = lt_nearest(name->text, names);
        s = near ? lt_yaml_fail(e, name, "%s '%s' is not known; did you mean '%s'? known: %s", k->section, name->text,
                                near, a.data)
                 : lt_yaml_fail(e, name, "%s '%s' is not known; known: %s", k->section, name->text,
                                a.data ? a.data : "none");
        goto out;
    }
    map = n;
    if (ours && (s = lt_yaml_edit_without(x->doc, n, ours, &map, e))) goto out;
    /* check the plug-in's keys; a typo of one of ours is reported with the plug-in's nearest key, so ours are looked at
     * first */
    for (int i = 0; i < map->n; i++) {
        const char *key = map->child[i]->key;
        if (!strcmp(key, "name") || has_key(opts, key)) continue;
        const char *known[64] = {"name"};
        int m = 1;
        for (const struct lt_opt *t = opts; t && t->key && m < 60; t++) known[m++] = t->key;
        for (int j = 0; ours && ours[j] && m < 62; j++) known[m++] = ours[j];
        known[m] = NULL;
        s = lt_yaml_known(n, known, e);
        goto out;
    }
    if (our_opts) {
        const char *skip[64] = {"name"};
        int m = 1;
        for (const struct lt_opt *t = opts; t && t->key && m < 60; t++) skip[m++] = t->key;
        skip[m] = NULL;
        if ((s = lt_opts_read(our_opts, n, skip, our_cfg, e))) goto out;
        lt_opts_emit(our_opts, our_cfg, &a);
    }
    if (opts) {
        if (!(cfg = lt_calloc(1, size ? size : 1))) {
            s = lt_fail(e, LT_ENOMEM, "%s", k->section);
            goto out;
        }
        if ((s = lt_opts_read(opts, map, name_key, cfg, e))) goto out;
        lt_opts_emit(opts, cfg, &b);
    } else if ((s = lt_yaml_edit_without(x->doc, map, name_key, &own, e)) || (s = lt_yaml_known(own, name_key, e))) {
        goto out;
    }
    lt_buf_clear(&first);
    lt_buf_printf(&first, "name: %s", name->text);
    trim(&a);
    trim(&b);
    put_section(resolved, k->section, first.data, a.data, b.data);
    if ((s = lt_buf_ok(&a, e)) || (s = lt_buf_ok(&b, e)) || (s = lt_buf_ok(&first, e))) goto out;
    *out = map;
out:
    if (cfg) lt_opts_release(opts, cfg);
    lt_free(cfg);
    lt_buf_release(&first);
    lt_buf_release(&b);
    lt_buf_release(&a);
    return s;
}

static lt_status score_of(const struct lt_yaml *n, enum lt_score *out, struct lt_err *e) {
    const char *names[LT_N_SCORES + 1];
    for (int i = 0; i < LT_N_SCORES; i++) names[i] = lt_score_name((enum lt_score)i);
    names[LT_N_SCORES] = NULL;
    if (lt_score_parse(n->key, out)) return LT_OK;
    struct lt_yaml at = *n;
    at.line = n->key_line;
    at.col = n->key_col;
    const char *near = lt_nearest(n->key, names);
    if (near) return lt_yaml_fail(e, &at, "unknown score '%s'; did you mean '%s'?", n->key, near);
    return lt_yaml_fail(
        e, &at, "unknown score '%s'; known: accuracy, latency_ms, size_kb, macs, params, peak_act_bytes", n->key);
}

static lt_status read_objectives(struct lt_experiment *x, struct lt_buf *resolved, struct lt_err *e) {
    const struct lt_yaml *n = section(x, "objectives");
    lt_status s;
    if (!n) {
        x->goal.n_objectives = 1;
        x->goal.objective[0] = (struct lt_objective){LT_SCORE_ACCURACY, true};
        lt_buf_puts(resolved, "objectives: {accuracy: maximize}\n");
        return LT_OK;
    }
    if ((s = lt_yaml_expect(n, LT_YAML_MAP, e))) return s;
    if (!n->n) return lt_yaml_fail(e, n, "at least one, as in '{accuracy: maximize}'");
    lt_buf_puts(resolved, "objectives: {");
    for (int i = 0; i < n->n; i++) {
        const struct lt_yaml *c = n->child[i];
        struct lt_objective o;
        if ((s = score_of(c, &o.score, e)) || (s = lt_yaml_expect(c, LT_YAML_SCALAR, e))) return s;
        if (!strcmp(c->text, "maximize"))
            o.maximize = true;
        else if (!strcmp(c->text, "minimize"))
            o.maximize = false;
        else
            return lt_yaml_fail(e, c, "'%s' is not one of maximize, minimize", c->text);
        x->goal.objective[x->goal.n_objectives++] = o;
        lt_buf_printf(resolved, "%s%s: %s", i ? ", " : "", c->key, c->text);
    }
    lt_buf_puts(resolved, "}\n");
    return LT_OK;
}

static lt_status read_bound(const struct lt_yaml *n, enum lt_score score, struct lt_bound *out, struct lt_err *e) {
    static const char largest[] = "largest";
    lt_status s = lt_yaml_expect(n, LT_YAML_SCALAR, e);
    if (s) return s;
    size_t len = strlen(n->text), tail = sizeof(largest) - 1;
    char *end;
    double v = strtod(n->text, &end);
    if (len > tail && !strcmp(n->text + len - tail, largest)) {
        while (*end == ' ') end++;
        if (end != n->text + len - tail || !(v > 0) || !isfinite(v) || v > 1000)
            return lt_yaml_fail(e, n, "'%s': expected a positive factor and the word largest, as in '0.45 largest'",
                                n->text);
        *out = (struct lt_bound){.set = true, .of_largest = true, .value = v};
        return LT_OK;
    }
    switch (score) {
    case LT_SCORE_ACCURACY:
        s = lt_yaml_double(n, "fraction", 0, 1, &v, e);
        break;
    case LT_SCORE_LATENCY_MS:
        s = lt_yaml_double(n, "ms", 0, 1e9, &v, e);
        break;
    case LT_SCORE_PEAK_ACT_BYTES:
        s = lt_yaml_double(n, "bytes", 0, 1e15, &v, e);
        break;
    case LT_SCORE_SIZE_KB:
        /* a bare number is in kB, as the score's name says; with a unit it is converted */
        if (end != n->text && !*end) {
            s = lt_yaml_double(n, "", 0, 1e12, &v, e);
        } else if (!(s = lt_yaml_double(n, "bytes", 0, 1e15, &v, e))) {
            v /= 1000;
        }
        break;
    default:
        s = lt_yaml_double(n, "", 0, 1e18, &v, e);
        break;
    }
    if (s) return s;
    *out = (struct lt_bound){.set = true, .value = v};
    return LT_OK;
}

static void put_bound(struct lt_buf *b, const char *key, const struct lt_bound *v, enum lt_score score, bool comma) {
    if (!v->set) return;
    const char *unit = score == LT_SCORE_LATENCY_MS ? " ms" : score == LT_SCORE_SIZE_KB ? " kB" : "";
    char text[40]; /* the shortest that reads back equal, for it is shown to people */
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v->value);
        if (strtod(text, NULL) == v->value) break;
    }
    lt_buf_printf(b, "%s%s: %s%s", comma ? ", " : "", key, text, v->of_largest ? " largest" : unit);
}

static lt_status read_constraints(struct lt_experiment *x, struct lt_buf *resolved, struct lt_err *e) {
    static const char *const known[] = {"min", "max", NULL};
    const struct lt_yaml *n = section(x, "constraints");
    lt_status s;
    lt_buf_puts(resolved, "constraints: {");
    if (n && (s = lt_yaml_expect(n, LT_YAML_MAP, e))) return s;
    for (int i = 0; n && i < n->n; i++) {
        const struct lt_yaml *c = n->child[i], *lo, *hi;
        struct lt_limit l = {0};
        if ((s = score_of(c, &l.score, e)) || (s = lt_yaml_expect(c, LT_YAML_MAP, e)) ||
            (s = lt_yaml_known(c, known, e)))
            return s;
        lo = lt_yaml_get(c, "min");
        hi = lt_yaml_get(c, "max");
        if (!lo && !hi) return lt_yaml_fail(e, c, "needs 'min' or 'max'");
        if (lo && (s = read_bound(lo, l.score, &l.min, e))) return s;
        if (hi && (s = read_bound(hi, l.score, &l.max, e))) return s;
        if (lo && hi && l.min.of_largest == l.max.of_largest && l.min.value > l.max.value)
            return lt_yaml_fail(e, c, "min %g is above max %g", l.min.value, l.max.value);
        if (l.score == LT_SCORE_ACCURACY && (l.min.of_largest || l.max.of_largest))
            return lt_yaml_fail(e, c, "limits are absolute (the largest network is not evaluated before the search)");
        x->limit[x->n_limits++] = l;
        lt_buf_printf(resolved, "%s%s: {", i ? ", " : "", c->key);
        put_bound(resolved, "min", &l.min, l.score, false);
        put_bound(resolved, "max", &l.max, l.score, l.min.set);
        lt_buf_puts(resolved, "}");
    }
    lt_buf_puts(resolved, "}\n");
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
    trim(&flow);
    put_section(resolved, key, NULL, NULL, flow.data);
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

lt_status lt_experiment_load(const char *path, const char *const *set, int n_set, struct lt_experiment **out,
                             struct lt_err *e) {
    static const char *const predict_keys[] = {"samples", "holdout", NULL}, *const precision_keys[] = {"precisions",
                                                                                                       NULL};
    struct lt_experiment *x = lt_calloc(1, sizeof(*x));
    struct lt_buf text = LT_BUF_INIT;
    struct precision_cfg prec = {3};
    lt_status s;
    if (!x || !(x->path = lt_strdup(path))) {
        s = lt_fail(e, LT_ENOMEM, "%s", path);
        goto out;
    }
    if ((s = lt_yaml_edit_load(path, &x->doc, e))) goto out;
    for (int i = 0; i < n_set; i++)
        if ((s = lt_yaml_edit_set(x->doc, set[i], e))) goto out;
    if ((s = read_top(x, &text, e))) goto out;
    if ((s = read_space(x, e))) goto out;
    /* a name is looked up otherwise than a file: it stays what it was */
    lt_buf_printf(&text, "space: {%s: ", lt_yaml_get(section(x, "space"), "file") ? "file" : "name");
    lt_yaml_scalar(&text, x->space_path, true);
    lt_buf_puts(&text, "}\n");
    if ((s = read_data(x, e))) goto out;
    struct lt_buf flow = LT_BUF_INIT;
    lt_opts_emit(lt_data_opts, &x->data, &flow);
    trim(&flow);
    put_section(&text, "data", NULL, NULL, flow.data);
    lt_buf_release(&flow);
    if ((s = read_table(x, "supernet", lt_train_opts, &x->train, &text, e)) || (s = check_batch(x, e))) goto out;
    const struct lt_yaml *dev = section(x, "device"), *dev_name = dev ? lt_yaml_get(dev, "name") : NULL;
    const struct lt_device_ops *dops = lt_device_ops_find(dev_name && dev_name->text ? dev_name->text : "host");
    bool theirs = dops && has_key(dops->opts, "precisions");
    if ((s = read_plugin(x, &device_kind, theirs ? NULL : precision_keys, theirs ? NULL : precision_opts, &prec,
                         &x->device, &text, e)))
        goto out;
    if (theirs && dev && lt_yaml_get(dev, "precisions")) {
        static const char *const only[] = {NULL};
        struct lt_yaml one = {.kind = LT_YAML_MAP, .file = dev->file, .line = dev->line, .col = dev->col, .n = 1};
        struct lt_yaml *child = (struct lt_yaml *)lt_yaml_get(dev, "precisions");
        one.child = &child;
        if ((s = lt_opts_read(precision_opts, &one, only, &prec, e))) goto out;
    }
    if ((s = read_plugin(x, &predictor_kind, predict_keys, lt_predict_opts, &x->predict, &x->predictor, &text, e)))
        goto out;
    if ((s = read_plugin(x, &searcher_kind, NULL, NULL, NULL, &x->search, &text, e))) goto out;
    if ((s = read_objectives(x, &text, e)) || (s = read_constraints(x, &text, e))) goto out;
    if ((s = read_table(x, "verify", lt_verify_opts, &x->verify, &text, e))) goto out;
    if (section(x, "quantize")) {
        if ((s = read_table(x, "quantize", lt_quant_opts, &x->quant, &text, e))) goto out;
        x->quantize = (prec.precisions & 2u) != 0;
    } else if ((s = lt_opts_default(lt_quant_opts, &x->quant, e))) {
        goto out;
    }
    if ((s = read_table(x, "deploy", lt_deploy_opts, &x->deploy, &text, e))) goto out;
    if ((s = lt_buf_ok(&text, e))) goto out;
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
    lt_opts_release(lt_train_opts, &x->train);
    lt_opts_release(lt_quant_opts, &x->quant);
    lt_opts_release(lt_deploy_opts, &x->deploy);
    lt_space_free(x->space);
    lt_yaml_edit_free(x->doc);
    lt_free(x->resolved);
    lt_free(x->space_path);
    lt_free(x->name);
    lt_free(x->path);
    lt_free(x);
}
