/*
 * Room: cli. `lathe measure`: architectures, given or sampled, are measured on a device; the result is a latency data
 * set: archs.csv (one a row: its text and the space's genes), latency/<device>.csv (latency_ms, same rows) and
 * latency/<device>.jsonl (every measurement with its raw samples). Without -o it is a table on stdout.
 */
#include "cli/cli.h"
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
    if (!s) s = write_file(dir, raw, &j->raw, e);
    if (!s) s = write_file(dir, csv, &j->latency, e);
    if (!s) s = write_file(dir, "archs.csv", &j->archs, e);
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

lt_status cmd_measure(struct cli *c, int argc, char **argv, struct lt_err *e) {
    struct cli_list words = {0};
    struct job j = {0};
    struct lt_yaml *cfg = NULL;
    const char *device = "host", *dir = NULL;
    char *text = NULL;
    int64_t n = 10, seed = 42;
    bool help = false;
    const struct cli_opt opts[] = {
        {"device", 'd', CLI_TEXT, &device, "DEVICE", "a name, or '{name: host, threads: 2}' [host]"},
        {"number", 'n', CLI_INT, &n, "N", "how many are sampled when no ARCH is given [10]"},
        {"seed", 's', CLI_INT, &seed, "SEED", "of the sample [42]"},
        {"output", 'o', CLI_TEXT, &dir, "DIR", "write a latency data set there"},
        {0},
    };
    lt_status s = cli_parse(c, opts, argc, argv, &words, &help, e);
    if (s || help) return s;
    if (!words.n)
        return cli_usage(e, c,
                         "which space? A file or a name is needed; after it architectures, 'largest' or 'smallest'");
    if (n < 1 || n > 100000) return cli_usage(e, c, "-n %lld is not between 1 and 100000", (long long)n);
    if ((s = lt_space_load(words.item[0], &j.space, e)) || (s = pick(&j, &words, n, seed, e))) goto out;
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
