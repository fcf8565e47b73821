/*
 * Room: run. Evaluator "table": what others measured, as a latency data set (docs/formats/latency-set.md) with
 * accuracies beside it: archs.csv, accuracy.csv (each column a score under its header), latency/<device>.csv (score
 * latency_ms@<device>; latency_ms for the one named by `device`). So searchers can be compared in seconds, without
 * training. Latencies are known at once, columns of accuracy.csv only by asking, as in a real search.
 */
#include "lathe/csv.h"
#include "lathe/file.h"
#include "lathe/latency_set.h"
#include "lathe/mem.h"
#include "run/evaluator.h"
#include "run/experiment.h"

#include <dirent.h>
#include <math.h>
#include <string.h>

struct config {
    char *dir, *device;
};
static const struct lt_opt opts[] = {
    {.key = "dir",
     .type = LT_OPT_STRING,
     .unit = "",
     .offset = offsetof(struct config, dir),
     .help = "folder with archs.csv, accuracy.csv and latency/"},
    {.key = "device",
     .type = LT_OPT_STRING,
     .unit = "",
     .offset = offsetof(struct config, device),
     .help = "the device behind latency_ms; others are latency_ms@<device>"},
    {0},
};

enum { MAX_DEVICES = LT_MAX_SCORES, NAME_BYTES = 64 };
static const char at_device[] = "latency_ms@";

struct column {
    int score, col;
    double *v; /* [n] */
};
struct table {
    const struct lt_space *space;
    struct lt_score_names *names;
    char *dir, *accuracy_path, *device;
    struct lt_csv *csv;         /* of accuracy.csv; NULL without one */
    struct lt_latency_set *set; /* NULL when no latency is wanted */
    struct lt_arch *archs;      /* then they are here */
    const struct lt_arch *arch; /* [n] */
    int n;
    int n_columns, n_devices;
    struct column column[LT_MAX_SCORES];
    char device_name[MAX_DEVICES][NAME_BYTES + 1];
    int n_latencies;
    struct {
        int score, device;
    } latency[LT_MAX_SCORES];
    int n_slots, *slot; /* row + 1 by hash */
    uint64_t hash;
};

static void close_table(void *self) {
    struct table *t = self;
    for (int i = 0; i < t->n_columns; i++) lt_free(t->column[i].v);
    lt_latency_set_free(t->set);
    lt_free(t->archs);
    lt_csv_free(t->csv);
    lt_free(t->slot);
    lt_free(t->device);
    lt_free(t->accuracy_path);
    lt_free(t->dir);
    lt_free(t);
}

static lt_status open_table(const struct lt_evaluator_env *env, const void *cfg, void **self, struct lt_err *e) {
    const struct config *c = cfg;
    struct table *t;
    lt_status s;
    if (!c->dir || !*c->dir)
        return lt_yaml_fail(e, env->at,
                            "evaluator 'table' needs the folder of the table, as in {name: table, dir: nasbench201}");
    if (!(t = lt_calloc(1, sizeof(*t)))) return lt_fail(e, LT_ENOMEM, "table");
    t->space = env->space;
    t->names = env->names;
    const struct lt_yaml *dir = lt_yaml_get(env->at, "dir");
    if ((s = lt_experiment_find(env->experiment_path, c->dir, dir ? dir : env->at, &t->dir, e))) goto out;
    t->accuracy_path = lt_path_join(t->dir, "accuracy.csv");
    t->device = c->device && *c->device ? lt_strdup(c->device) : NULL;
    if (!t->accuracy_path || (c->device && *c->device && !t->device)) {
        s = lt_fail(e, LT_ENOMEM, "table");
        goto out;
    }
    if (lt_path_exists(t->accuracy_path) && (s = lt_csv_load(t->accuracy_path, &t->csv, e))) goto out;
    *self = t;
    return LT_OK;
out:
    close_table(t);
    return s;
}

/* Every name that the table has, for a message. */
static void known_names(const struct table *t, struct lt_buf *b) {
    for (int i = 0; t->csv && i < lt_csv_cols(t->csv); i++)
        lt_buf_printf(b, "%s%s", b->len ? ", " : "", lt_csv_header(t->csv, i));
    if (t->device) lt_buf_printf(b, "%slatency_ms", b->len ? ", " : "");
    lt_buf_printf(b, "%slatency_ms@<device>", b->len ? ", " : "");
}

static lt_status want_device(struct table *t, const char *device, int score, struct lt_err *e) {
    int k = 0;
    for (int i = 0; i < t->n_latencies; i++)
        if (t->latency[i].score == score) return LT_OK;
    if (!*device || strlen(device) > NAME_BYTES || strchr(device, '/'))
        return lt_fail(e, LT_EINVAL, "'%.80s' is not the name of a device", device);
    char *file = lt_asprintf("%s/latency/%s.csv", t->dir, device);
    lt_status s = file ? LT_OK : lt_fail(e, LT_ENOMEM, "table");
    if (!s && !lt_path_exists(file)) {
        struct lt_buf all = LT_BUF_INIT;
        char *folder = lt_path_join(t->dir, "latency");
        DIR *d = folder ? opendir(folder) : NULL;
        for (struct dirent *f; d && (f = readdir(d));) {
            size_t n = strlen(f->d_name);
            if (n > 4 && !strcmp(f->d_name + n - 4, ".csv"))
                lt_buf_printf(&all, "%s%.*s", all.len ? ", " : "", (int)n - 4, f->d_name);
        }
        if (d) closedir(d);
        s = lt_fail(e, LT_EINVAL, "there is no device '%s' in %s: %s; there are: %.500s", device, t->dir, file,
                    all.data ? all.data : "none");
        lt_free(folder);
        lt_buf_release(&all);
    }
    lt_free(file);
    if (s) return s;
    while (k < t->n_devices && strcmp(t->device_name[k], device) != 0) k++;
    if (k == t->n_devices) strcpy(t->device_name[t->n_devices++], device);
    t->latency[t->n_latencies].score = score;
    t->latency[t->n_latencies++].device = k;
    return LT_OK;
}

static lt_status want(void *self, const char *name, int score, struct lt_err *e) {
    struct table *t = self;
    int col = t->csv ? lt_csv_col(t->csv, name) : -1;
    if (col < 0 && !strncmp(name, at_device, sizeof(at_device) - 1))
        return want_device(t, name + sizeof(at_device) - 1, score, e);
    if (col < 0 && score == LT_SCORE_LATENCY_MS && t->device) return want_device(t, t->device, score, e);
    if (col < 0) {
        struct lt_buf b = LT_BUF_INIT;
        known_names(t, &b);
        lt_status s =
            lt_fail(e, LT_EINVAL, "unknown score '%s': %s has %.600s%s", name, t->dir, b.data ? b.data : "nothing",
                    score == LT_SCORE_LATENCY_MS ? "; latency_ms needs `device` in the evaluator section" : "");
        lt_buf_release(&b);
        return s;
    }
    for (int i = 0; i < t->n_columns; i++)
        if (t->column[i].score == score) return LT_OK;
    t->column[t->n_columns++] = (struct column){.score = score, .col = col};
    return LT_OK;
}

static lt_status read_columns(struct table *t, struct lt_err *e) {
    if (t->csv && lt_csv_rows(t->csv) != t->n)
        return lt_fail(e, LT_EINVAL, "%s: %d rows, but %s/archs.csv has %d: row i of both must be one architecture",
                       t->accuracy_path, lt_csv_rows(t->csv), t->dir, t->n);
    /* the other columns are recorded too, as far as there is room */
    for (int i = 0; t->csv && i < lt_csv_cols(t->csv); i++) {
        int score;
        if (lt_score_add(t->names, lt_csv_header(t->csv, i), &score, NULL)) continue;
        lt_status s = want(t, lt_csv_header(t->csv, i), score, e);
        if (s) return s;
    }
    for (int k = 0; k < t->n_columns; k++) {
        struct column *c = &t->column[k];
        if (!(c->v = lt_calloc((size_t)t->n + 1, sizeof(*c->v)))) return lt_fail(e, LT_ENOMEM, "table");
        for (int i = 0; i < t->n; i++) {
            lt_status s = lt_csv_double(t->csv, i, c->col, &c->v[i], e);
            if (s) return s;
            if (c->score == LT_SCORE_ACCURACY && (c->v[i] < 0 || c->v[i] > 1))
                return lt_fail(e, LT_EINVAL,
                               "%s: row %d: accuracy %g is not a fraction from 0 to 1; a column of percentages needs "
                               "another header",
                               t->accuracy_path, i + 1, c->v[i]);
        }
        t->hash = lt_hash64(c->v, (size_t)t->n * sizeof(*c->v), t->hash);
    }
    return LT_OK;
}

static int find_row(const struct table *t, const struct lt_arch *a) {
    for (int i = (int)(lt_arch_hash(t->space, a) & (uint64_t)(t->n_slots - 1)); t->slot[i];
         i = (i + 1) & (t->n_slots - 1))
        if (lt_arch_equal(&t->arch[t->slot[i] - 1], a)) return t->slot[i] - 1;
    return -1;
}

static lt_status index_rows(struct table *t, struct lt_err *e) {
    for (t->n_slots = 16; t->n_slots < 2 * t->n;) t->n_slots *= 2;
    if (!(t->slot = lt_calloc((size_t)t->n_slots, sizeof(*t->slot)))) return lt_fail(e, LT_ENOMEM, "table");
    for (int i = 0; i < t->n; i++) {
        int row = find_row(t, &t->arch[i]);
        if (row >= 0) {
            struct lt_buf b = LT_BUF_INIT;
            lt_arch_print(t->space, &t->arch[i], &b);
            lt_status s = lt_fail(e, LT_EINVAL, "%s/archs.csv: rows %d and %d are the same architecture %s", t->dir,
                                  row + 1, i + 1, b.data ? b.data : "");
            lt_buf_release(&b);
            return s;
        }
        uint64_t h = lt_arch_hash(t->space, &t->arch[i]);
        int k = (int)(h & (uint64_t)(t->n_slots - 1));
        while (t->slot[k]) k = (k + 1) & (t->n_slots - 1);
        t->slot[k] = i + 1;
        t->hash = lt_hash64(&h, sizeof(h), t->hash);
    }
    double size = pow(10, lt_space_log10_size(t->space));
    if (2.0 * t->n < size)
        return lt_fail(
            e, LT_EINVAL,
            "%s: %d of the %.4g architectures of space '%s': a search asks for any of them, so a table needs "
            "at least half",
            t->dir, t->n, size, lt_space_name(t->space));
    return LT_OK;
}

/* No latency is wanted: the architectures alone. */
static lt_status read_archs(struct table *t, struct lt_err *e) {
    char *path = lt_path_join(t->dir, "archs.csv");
    lt_status s = path ? lt_arch_table_load(path, t->space, &t->archs, NULL, &t->n, e) : lt_fail(e, LT_ENOMEM, "table");
    lt_free(path);
    return s;
}

static lt_status ready(void *self, struct lt_err *e) {
    struct table *t = self;
    const char *devices[MAX_DEVICES + 1] = {NULL};
    lt_status s;
    t->hash = 1;
    for (int i = 0; i < t->n_devices; i++) devices[i] = t->device_name[i];
    if ((s = t->n_devices ? lt_latency_set_load(t->dir, t->space, devices, &t->set, e) : read_archs(t, e))) return s;
    t->arch = t->set ? t->set->arch : t->archs;
    if (t->set) t->n = t->set->n;
    for (int k = 0; k < t->n_devices; k++) {
        const struct lt_latency_device *d = &t->set->device[k];
        if (d->n_excluded)
            return lt_fail(e, LT_EINVAL, "%s:%d: not a positive number (%d such rows); a search asks for any row",
                           d->file, d->first_excluded_line, d->n_excluded);
        t->hash = lt_hash64(d->latency_s, (size_t)t->n * sizeof(double), t->hash);
    }
    if ((s = index_rows(t, e)) || (s = read_columns(t, e))) return s;
    lt_csv_free(t->csv);
    t->csv = NULL;
    return LT_OK;
}

static void put(struct lt_scores *s, int score, double v) {
    s->v[score] = v;
    s->have[score] = true;
}

static void put_latencies(const struct table *t, int row, struct lt_scores *out) {
    for (int k = 0; k < t->n_latencies; k++)
        put(out, t->latency[k].score, 1e3 * t->set->device[t->latency[k].device].latency_s[row]);
}

static void put_columns(const struct table *t, int row, struct lt_scores *out) {
    for (int k = 0; k < t->n_columns; k++) put(out, t->column[k].score, t->column[k].v[row]);
}

static lt_status cheap(void *self, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e) {
    const struct table *t = self;
    (void)e;
    for (int i = 0; i < n; i++) {
        int row = find_row(t, &a[i]);
        if (row < 0)
            out[i].status = LT_EFAIL; /* not in the table: no candidate */
        else
            put_latencies(t, row, &out[i]);
    }
    return LT_OK;
}

static lt_status evaluate(void *self, const struct lt_arch *a, const struct lt_ui *ui, struct lt_scores *io,
                          char why[LT_WHY_BYTES], bool *abandoned, struct lt_err *e) {
    const struct table *t = self;
    int row = find_row(t, a);
    (void)ui;
    (void)abandoned;
    (void)e;
    if (row < 0) {
        io->status = LT_EFAIL;
        strcpy(why, "not in the table");
    } else {
        put_columns(t, row, io);
    }
    return LT_OK;
}

static int count(const void *self) { return ((const struct table *)self)->n; }

static void at(const void *self, int i, struct lt_arch *a, struct lt_scores *out) {
    const struct table *t = self;
    *a = t->arch[i];
    *out = (struct lt_scores){0};
    put_latencies(t, i, out);
    put_columns(t, i, out);
}

static uint64_t hash(const void *self) { return ((const struct table *)self)->hash; }

const struct lt_evaluator_ops lt_evaluator_table = {
    .name = "table",
    .about = "looked up in a folder of measured architectures",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .local = true,
    .open = open_table,
    .close = close_table,
    .want = want,
    .ready = ready,
    .cheap = cheap,
    .evaluate = evaluate,
    .count = count,
    .at = at,
    .hash = hash,
};
