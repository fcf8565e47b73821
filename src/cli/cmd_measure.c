/*
 * Room: cli. `lathe measure`: architectures, given or sampled, are measured on a device; the result is a latency data
 * set: archs.csv (one a row: its text and the space's genes), latency/<device>.csv (latency_ms, same rows) and
 * latency/<device>.jsonl (every measurement with its raw samples). The rows of all devices of one folder are the same
 * architectures: a second device measures those that are there, and others are refused. Without -o it is a table on
 * stdout.
 */
#include "cli/cli.h"
#include "lathe/csv.h"
#include "lathe/device.h"
#include "lathe/file.h"
#include "lathe/json.h"
#include "lathe/mem.h"
#include "lathe/space.h"

#include <stdio.h>
#include <string.h>

struct job {
    struct lt_space *space;
    struct lt_device *device;
    struct lt_arch *arch;
    int n;
    bool kept; /* the folder's archs.csv holds just these architectures already */
    struct lt_buf archs, latency, raw, table;
};

static void header(struct job *j) {
    lt_buf_puts(&j->archs, "arch");
    for (int i = 0; i < lt_space_n_genes(j->space); i++)
        lt_buf_printf(&j->archs, ",%s", lt_space_gene(j->space, i)->name);
    lt_buf_puts(&j->archs, "\n");
    lt_buf_puts(&j->latency, "latency_ms\n");
}

static void add_row(struct job *j, const struct lt_arch *a, const struct lt_measurement *m, bool json) {
    struct lt_buf text = LT_BUF_INIT;
    struct lt_jw w;
    lt_arch_print(j->space, a, &text);
    const char *name = text.data ? text.data : "";
    lt_buf_printf(&j->archs, "\"%s\"", name); /* arch texts hold commas, never quotes */
    for (int i = 0; i < lt_space_n_genes(j->space); i++)
        lt_buf_printf(&j->archs, ",%s",
                      lt_space_gene_active(j->space, a, i) ? lt_space_gene(j->space, i)->label[a->g[i]] : "");
    lt_buf_puts(&j->archs, "\n");
    lt_buf_printf(&j->latency, "%.17g\n", 1e3 * m->median_s);
    lt_jw_init(&w, &j->raw);
    lt_jw_obj(&w);
    lt_jw_kint(&w, "schema", 1);
    lt_jw_kstr(&w, "arch", name);
    lt_jw_key(&w, "measurement");
    lt_measurement_json(m, true, &w);
    lt_jw_obj_end(&w);
    lt_buf_puts(&j->raw, "\n");
    if (json) {
        lt_jw_init(&w, &j->table);
        lt_jw_obj(&w);
        lt_jw_kint(&w, "schema", 1);
        lt_jw_kstr(&w, "arch", name);
        lt_jw_key(&w, "measurement");
        lt_measurement_json(m, false, &w);
        lt_jw_obj_end(&w);
        lt_buf_puts(&j->table, "\n");
    } else {
        lt_buf_printf(&j->table, "%10.4f ms [%.4f, %.4f]%s %s\n", 1e3 * m->median_s, 1e3 * m->lo_s, 1e3 * m->hi_s,
                      m->status ? "?" : " ", name);
    }
    lt_buf_release(&text);
}

static lt_status measure(struct cli *c, struct job *j, struct lt_err *e) {
    header(j);
    for (int i = 0; i < j->n; i++) {
        struct lt_graph *g = NULL;
        struct lt_measurement m = {0};
        char note[48];
        if (lt_ui_stop(c->ui))
            return lt_fail(e, LT_EINTR, "stopped after %d of %d measurements; nothing is written", i, j->n);
        lt_status s = lt_space_expand(j->space, &j->arch[i], &g, e);
        if (!s) s = lt_device_measure(j->device, g, NULL, NULL, &m, e);
        if (!s) {
            add_row(j, &j->arch[i], &m, c->json);
            snprintf(note, sizeof(note), "last %.4g ms", 1e3 * m.median_s);
            lt_ui_progress(c->ui, "measure", i + 1, j->n, note);
        }
        lt_measurement_release(&m);
        lt_graph_free(g);
        if (s) return s;
    }
    return LT_OK;
}

static lt_status write_file(const char *dir, const char *name, const struct lt_buf *b, struct lt_err *e) {
    char *path = lt_path_join(dir, name);
    lt_status s = path ? lt_buf_ok(b, e) : lt_fail(e, LT_ENOMEM, "%s", name);
    if (!s) s = lt_file_write_atomic(path, b->data, b->len, e);
    lt_free(path);
    return s;
}

static lt_status write_set(const struct job *j, const char *dir, struct lt_err *e) {
    char *sub = lt_path_join(dir, "latency"), *csv = lt_asprintf("latency/%s.csv", lt_device_name(j->device)),
         *raw = lt_asprintf("latency/%s.jsonl", lt_device_name(j->device));
    lt_status s = sub && csv && raw ? lt_mkdirs(sub, e) : lt_fail(e, LT_ENOMEM, "%s", dir);
    if (!s && !j->kept) s = write_file(dir, "archs.csv", &j->archs, e);
    if (!s) s = write_file(dir, raw, &j->raw, e);
    if (!s) s = write_file(dir, csv, &j->latency, e);
    lt_free(raw);
    lt_free(csv);
    lt_free(sub);
    return s;
}

static lt_status pick(struct job *j, const struct cli_list *words, int64_t n, int64_t seed, struct lt_err *e) {
    lt_status s;
    j->n = words->n > 1 ? words->n - 1 : (int)n;
    if (!(j->arch = lt_calloc((size_t)j->n + 1, sizeof(*j->arch)))) return lt_fail(e, LT_ENOMEM, "architectures");
    for (int i = 0; i < j->n; i++) {
        struct lt_rng r;
        if (words->n > 1) {
            const char *w = words->item[i + 1];
            if (!strcmp(w, "largest"))
                lt_space_largest(j->space, &j->arch[i]);
            else if (!strcmp(w, "smallest"))
                lt_space_smallest(j->space, &j->arch[i]);
            else if ((s = lt_arch_parse(j->space, w, &j->arch[i], e)))
                return s;
            continue;
        }
        lt_rng_at(&r, (uint64_t)seed, LT_RNG_MEASURE_SET, 0, (uint64_t)i);
        lt_space_sample(j->space, &r, &j->arch[i]);
    }
    return LT_OK;
}

/* The architectures of an archs.csv; none of them when there is no such file. */
static lt_status read_archs(const struct job *j, const char *path, struct lt_arch **out, int *n, struct lt_err *e) {
    struct lt_csv *csv = NULL;
    struct lt_arch *a = NULL;
    struct lt_err why = {0};
    lt_status s;
    if (!lt_path_exists(path)) return LT_OK;
    if ((s = lt_csv_load(path, &csv, e))) return s;
    int rows = lt_csv_rows(csv), col = lt_csv_col(csv, "arch");
    if (col < 0 || !rows) {
        s = lt_fail(e, LT_EINVAL, "%s: %s", path, rows ? "there is no column 'arch'" : "there is no architecture");
        goto out;
    }
    if (!(a = lt_calloc((size_t)rows, sizeof(*a)))) {
        s = lt_fail(e, LT_ENOMEM, "%s", path);
        goto out;
    }
    for (int i = 0; i < rows; i++) {
        if ((s = lt_arch_parse(j->space, lt_csv_cell(csv, i, col), &a[i], &why))) {
            s = lt_fail(e, s, "%s: architecture %d is not of this space: %s", path, i + 1, why.msg);
            goto out;
        }
    }
    *out = a;
    *n = rows;
    a = NULL;
out:
    lt_free(a);
    lt_csv_free(csv);
    return s;
}

/* What is to be measured, before any of it is: `given` says that the user chose the architectures. */
static lt_status settle(struct cli *c, struct job *j, const char *dir, bool given, const struct cli_list *words,
                        int64_t n, int64_t seed, struct lt_err *e) {
    char *path = dir ? lt_path_join(dir, "archs.csv") : NULL;
    struct lt_arch *old = NULL;
    int n_old = 0;
    lt_status s = dir && !path ? lt_fail(e, LT_ENOMEM, "%s", dir) : LT_OK;
    if (!s && dir) s = read_archs(j, path, &old, &n_old, e);
    if (s) goto out;
    if (n_old && !given) {
        j->arch = old;
        j->n = n_old;
        j->kept = true;
        old = NULL;
        lt_ui_say(c->ui, LT_UI_INFO, "measuring the %d architectures of %s", n_old, path);
        goto out;
    }
    if ((s = pick(j, words, n, seed, e)) || !n_old) goto out;
    j->kept = n_old == j->n;
    for (int i = 0; i < n_old && j->kept; i++) j->kept = lt_arch_equal(&old[i], &j->arch[i]);
    if (!j->kept)
        s = lt_fail(e, LT_EINVAL,
                    "%s: holds other architectures, and the latencies beside it are of those; name none to measure "
                    "them, or write to another folder",
                    path);
out:
    lt_free(old);
    lt_free(path);
    return s;
}

lt_status cmd_measure(struct cli *c, int argc, char **argv, struct lt_err *e) {
    struct cli_list words = {0};
    struct job j = {0};
    struct lt_yaml *cfg = NULL;
    const char *device = "host", *dir = NULL;
    char *text = NULL;
    const int64_t unset = INT64_MIN;
    int64_t n = unset, seed = unset;
    bool help = false;
    const struct cli_opt opts[] = {
        {"device", 'd', CLI_TEXT, &device, "DEVICE", "a name, or '{name: host, threads: 2}' [host]"},
        {"number", 'n', CLI_INT, &n, "N", "how many are sampled when no ARCH is given [10, or what DIR holds]"},
        {"seed", 's', CLI_INT, &seed, "SEED", "of the sample [42]"},
        {"output", 'o', CLI_TEXT, &dir, "DIR", "write a latency data set there, or add a device to it"},
        {0},
    };
    lt_status s = cli_parse(c, opts, argc, argv, &words, &help, e);
    if (s || help) return s;
    if (!words.n)
        return cli_usage(e, c,
                         "which space? A file or a name is needed; after it architectures, 'largest' or 'smallest'");
    bool given = words.n > 1 || n != unset || seed != unset;
    if (n == unset) n = 10;
    if (seed == unset) seed = 42;
    if (n < 1 || n > 100000) return cli_usage(e, c, "-n %lld is not between 1 and 100000", (long long)n);
    if ((s = lt_space_load(words.item[0], &j.space, e)) || (s = settle(c, &j, dir, given, &words, n, seed, e)))
        goto out;
    text = strchr(device, ':') ? lt_strdup(device) : lt_asprintf("{name: %s}", device);
    if (!text) {
        s = lt_fail(e, LT_ENOMEM, "device");
        goto out;
    }
    if ((s = lt_yaml_parse("--device", text, strlen(text), &cfg, e)) || (s = lt_device_open(cfg, &j.device, e)))
        goto out;
    if ((s = measure(c, &j, e))) goto out;
    s = dir ? write_set(&j, dir, e) : cli_print(c, &j.table, e);
out:
    lt_device_close(j.device);
    lt_yaml_free(cfg);
    lt_free(text);
    lt_free(j.arch);
    lt_space_free(j.space);
    lt_buf_release(&j.archs);
    lt_buf_release(&j.latency);
    lt_buf_release(&j.raw);
    lt_buf_release(&j.table);
    return s;
}
