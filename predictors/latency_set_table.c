/*
 * Room: predictors. Tables that hold an architecture and its latencies in one row, as HAT publishes them (Wang et al.,
 * "HAT: Hardware-Aware Transformers for Efficient Natural Language Processing", ACL 2020). The rows of several tables
 * are put one after another; a device has latencies on the rows of its own table alone.
 */
#include <stdio.h>
#include <string.h>
#include "lathe/file.h"
#include "lathe/mem.h"
#include "predictors/latency_set_priv.h"

enum { MAX_PARTS = 16, NAME = 256 };

struct table {
    const char *name;
    char *path;
    struct lt_csv *csv;
    struct lt_arch_columns arch;
    int n_parts, col[MAX_PARTS];
    const char *part[MAX_PARTS];
    bool whole;           /* the sum, or the only part, is wanted */
    bool want[MAX_PARTS]; /* parts that are wanted as devices of their own */
};

/* Deviations stand beside the latencies. */
static bool is_latency(const char *header) {
    return !strncmp(header, "latency", 7) && !strstr(header, "std") && !strstr(header, "_sd");
}

/* "latency_mean_encoder" is part "encoder". */
static const char *part_name(const char *header) {
    static const char *const lead[] = {"latency_mean_", "latency_ms_", "latency_"};

    for (int i = 0; i < 3; i++)
        if (!strncmp(header, lead[i], strlen(lead[i]))) return header + strlen(lead[i]);
    return header;
}

static lt_status open_table(struct table *t, const struct lt_space *space, struct lt_err *e) {
    lt_status s = lt_csv_load(t->path, &t->csv, e);

    if (s || (s = lt_arch_columns_find(t->csv, t->path, space, &t->arch, e))) return s;
    for (int c = 0; c < lt_csv_cols(t->csv); c++) {
        if (!is_latency(lt_csv_header(t->csv, c))) continue;
        if (t->n_parts == MAX_PARTS)
            return lt_fail(e, LT_EINVAL, "%s: more than %d columns of latencies", t->path, MAX_PARTS);
        t->col[t->n_parts] = c;
        t->part[t->n_parts++] = part_name(lt_csv_header(t->csv, c));
    }
    if (!t->n_parts) return lt_fail(e, LT_EINVAL, "%s: no column of latencies (latency_ms, ...)", t->path);
    if (lt_csv_rows(t->csv) < 1) return lt_fail(e, LT_EINVAL, "%s: a header and no row", t->path);
    return LT_OK;
}

/* Marks what of the table is wanted; returns how many devices that makes. */
static int want(struct table *t, const char *const *devices) {
    size_t len = strlen(t->name);
    int n = 0;

    for (int i = 0; devices && devices[i]; i++) {
        if (!strcmp(devices[i], t->name)) t->whole = true;
        for (int k = 0; k < t->n_parts && t->n_parts > 1; k++)
            if (!strncmp(devices[i], t->name, len) && devices[i][len] == '.' &&
                !strcmp(devices[i] + len + 1, t->part[k]))
                t->want[k] = true;
    }
    if (!devices) t->whole = true;
    for (int k = 0; k < t->n_parts; k++) {
        if (!devices && t->n_parts > 1) t->want[k] = true;
        n += t->want[k];
    }
    return n + t->whole;
}

static lt_status no_memory(const char *path, struct lt_err *e) {
    return lt_fail(e, LT_ENOMEM, "%s: out of memory", path);
}

/* device[0] is the sum, device[1 + k] part k; NULL where not wanted. */
static lt_status read_rows(struct lt_latency_set *s, struct table *t, int first_row, struct lt_err *e) {
    struct lt_latency_device *device[MAX_PARTS + 1] = {NULL};
    char name[NAME];
    lt_status st;

    if (t->whole && !(device[0] = lt_latency_set_add(s, t->name, t->path))) return no_memory(t->path, e);
    for (int k = 0; k < t->n_parts; k++) {
        if (!t->want[k]) continue;
        snprintf(name, sizeof(name), "%s.%s", t->name, t->part[k]);
        if (!(device[k + 1] = lt_latency_set_add(s, name, t->path))) return no_memory(t->path, e);
    }
    for (int i = 0; i < lt_csv_rows(t->csv); i++) {
        double sum = 0, ms;
        int worst = LT_CELL_USABLE, kind;
        if ((st = lt_arch_columns_read(t->csv, t->path, s->space, &t->arch, i, &s->arch[first_row + i], e))) return st;
        for (int k = 0; k < t->n_parts; k++) {
            if ((st = lt_latency_cell(t->csv, t->path, i, t->col[k], &ms, &kind, e))) return st;
            if (worst == LT_CELL_USABLE) worst = kind;
            sum += ms;
            if (device[k + 1]) lt_latency_device_put(device[k + 1], first_row + i, ms, kind, lt_csv_line(t->csv, i));
        }
        if (device[0]) lt_latency_device_put(device[0], first_row + i, sum, worst, lt_csv_line(t->csv, i));
    }
    return LT_OK;
}

/* Whether a name among `devices` can be one of the table's: itself, or a part of it. */
static bool concerns(const char *table, const char *const *devices) {
    size_t len = strlen(table);

    for (int i = 0; devices && devices[i]; i++)
        if (!strncmp(devices[i], table, len) && (!devices[i][len] || devices[i][len] == '.')) return true;
    return !devices;
}

static lt_status list_tables(struct lt_latency_set *s, const char *path, const char *const *devices, struct table **out,
                             int *n_out, struct lt_err *e) {
    const char **names, *one[2] = {NULL, NULL};
    bool folder = lt_path_is_folder(path);
    struct table *t;
    int n = 1, m = 0;
    lt_status st;

    if (folder) {
        if ((st = lt_csv_names(s->arena, path, &names, &n, e))) return st;
        if (!n) return lt_fail(e, LT_EINVAL, "%s: neither archs.csv nor another table is in it", path);
    } else {
        const char *base = strrchr(path, '/');
        char *name = lt_arena_strdup(s->arena, base ? base + 1 : path);
        if (!name) return no_memory(path, e);
        if (strlen(name) > 4 && !strcmp(name + strlen(name) - 4, ".csv")) name[strlen(name) - 4] = 0;
        one[0] = name;
        names = one;
    }
    if (!(t = lt_arena_alloc(s->arena, (size_t)n * sizeof(*t)))) return no_memory(path, e);
    for (int i = 0; i < n; i++) {
        if (!concerns(names[i], devices)) continue;
        t[m].name = names[i];
        if (!(t[m].path = folder ? lt_asprintf("%s/%s.csv", path, names[i]) : lt_strdup(path))) {
            for (int k = 0; k < m; k++) lt_free(t[k].path);
            return no_memory(path, e);
        }
        m++;
    }
    if (!m && devices[0]) return lt_no_device(path, devices[0], names, e);
    *out = t;
    *n_out = m;
    return LT_OK;
}

/* Every name that was asked for has become a device. */
static lt_status all_found(const struct lt_latency_set *s, const struct table *t, int n, const char *path,
                           const char *const *devices, struct lt_err *e) {
    const char *names[64] = {NULL};
    int m = 0;

    for (int i = 0; i < n && m < 63; i++) names[m++] = t[i].name;
    for (int i = 0; devices && devices[i]; i++)
        if (lt_latency_set_find(s, devices[i]) < 0) return lt_no_device(path, devices[i], names, e);
    return LT_OK;
}

lt_status lt_latency_tables_load(struct lt_latency_set *s, const char *path, const char *const *devices,
                                 struct lt_err *e) {
    struct table *t = NULL;
    int n = 0, n_devices = 0, row = 0;
    lt_status st = list_tables(s, path, devices, &t, &n, e);

    for (int i = 0; i < n && !st; i++) {
        if ((st = open_table(&t[i], s->space, e))) break;
        n_devices += want(&t[i], devices);
        s->n += lt_csv_rows(t[i].csv);
    }
    if (!st) {
        s->arch = lt_arena_alloc(s->arena, ((size_t)s->n + 1) * sizeof(*s->arch));
        s->device = lt_arena_alloc(s->arena, ((size_t)n_devices + 1) * sizeof(*s->device));
        if (!s->arch || !s->device) st = no_memory(path, e);
    }
    for (int i = 0; i < n && !st; i++) {
        st = read_rows(s, &t[i], row, e);
        row += lt_csv_rows(t[i].csv);
    }
    if (!st) st = all_found(s, t, n, path, devices, e);
    for (int i = 0; i < n; i++) {
        lt_arch_columns_release(&t[i].arch);
        lt_csv_free(t[i].csv);
        lt_free(t[i].path);
    }
    return st;
}
