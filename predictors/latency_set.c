/* Room: predictors. Latency data sets: a folder of architectures and of latencies on devices; see lathe/latency_set.h.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "lathe/file.h"
#include "lathe/mem.h"
#include "predictors/latency_set_priv.h"

enum { MAX_DEVICES = 4096 };

bool lt_path_is_folder(const char *path) {
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

void lt_latency_set_free(struct lt_latency_set *s) {
    if (s) lt_arena_free(s->arena); /* the set lives in it too */
}

int lt_latency_set_find(const struct lt_latency_set *s, const char *device) {
    for (int i = 0; i < s->n_devices; i++)
        if (!strcmp(s->device[i].name, device)) return i;
    return -1;
}

static int is_csv(const struct dirent *d) {
    size_t n = strlen(d->d_name);
    return n > 4 && d->d_name[0] != '.' && !strcmp(d->d_name + n - 4, ".csv");
}

static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

lt_status lt_csv_names(struct lt_arena *arena, const char *dir, const char ***names, int *n, struct lt_err *e) {
    struct dirent **d = NULL;
    int count = scandir(dir, &d, is_csv, by_bytes);
    const char **v = NULL;
    lt_status s = LT_OK;

    if (count < 0) return lt_fail(e, LT_EIO, "%s: %s", dir, strerror(errno));
    if (count > MAX_DEVICES) s = lt_fail(e, LT_EINVAL, "%s: %d files are more than %d", dir, count, MAX_DEVICES);
    if (!s && !(v = lt_arena_alloc(arena, ((size_t)count + 1) * sizeof(*v))))
        s = lt_fail(e, LT_ENOMEM, "%s: out of memory", dir);
    for (int i = 0; i < count; i++) {
        size_t len = strlen(d[i]->d_name);
        char *name = s ? NULL : lt_arena_alloc(arena, len);
        if (!s && !name) s = lt_fail(e, LT_ENOMEM, "%s: out of memory", dir);
        if (name) memcpy(name, d[i]->d_name, len - 4); /* the arena gives zeroed memory */
        if (v) v[i] = name;
        free(d[i]); /* scandir's */
    }
    free(d);
    if (s) return s;
    v[count] = NULL;
    *names = v;
    *n = count;
    return LT_OK;
}

lt_status lt_no_device(const char *dir, const char *name, const char *const *names, struct lt_err *e) {
    const char *near = lt_nearest(name, names);
    struct lt_buf all = LT_BUF_INIT;
    lt_status s;

    for (int i = 0; names[i] && i < 60; i++) lt_buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    s = lt_fail(e, LT_EINVAL, "%s: no device '%s'%s%s%s; there %s %.600s", dir, name, near ? ", did you mean '" : "",
                near ? near : "", near ? "'" : "", names[0] ? "are" : "is none", all.data ? all.data : "");
    lt_buf_release(&all);
    return s;
}

struct lt_latency_device *lt_latency_set_add(struct lt_latency_set *s, const char *name, const char *file) {
    struct lt_latency_device *d = &s->device[s->n_devices];

    *d = (struct lt_latency_device){.name = lt_arena_strdup(s->arena, name), .file = lt_arena_strdup(s->arena, file)};
    d->latency_s = lt_arena_alloc(s->arena, ((size_t)s->n + 1) * sizeof(*d->latency_s));
    if (!d->name || !d->file || !d->latency_s) return NULL;
    for (int i = 0; i < s->n; i++) d->latency_s[i] = NAN;
    s->n_devices++;
    return d;
}

void lt_latency_device_put(struct lt_latency_device *d, int row, double latency_ms, int kind, int line) {
    if (kind == LT_CELL_USABLE) {
        d->latency_s[row] = 1e-3 * latency_ms;
        d->n_used++;
        return;
    }
    d->n_excluded++;
    *(kind == LT_CELL_NOT_NUMBER ? &d->n_not_number : &d->n_not_positive) += 1;
    if (!d->first_excluded_line) d->first_excluded_line = line;
}

/* The coarsest step of which all latencies are multiples; a table of measured times has none, or that of its digits. */
static double resolution(const double *y, int n) {
    static const double step_ms[] = {100,  50,   20,   10,   5,    2,    1,    0.5,  0.2, 0.1,
                                     0.05, 0.02, 0.01, 5e-3, 2e-3, 1e-3, 1e-4, 1e-5, 1e-6};

    for (size_t k = 0; k < sizeof(step_ms) / sizeof(*step_ms); k++) {
        bool all = true;
        for (int i = 0; i < n && all; i++) {
            double q = 1e3 * y[i] / step_ms[k];
            if (!isnan(q)) all = fabs(q - round(q)) < 1e-7 * fmax(1, q * 1e-3) && q > 0.5;
        }
        if (all) return 1e-3 * step_ms[k];
    }
    return 0;
}

/* What no method could learn from is refused by name; and the resolution. */
static lt_status judge_device(struct lt_latency_device *d, int n, struct lt_err *e) {
    double least = INFINITY, most = 0;

    if (d->n_used < 1)
        return lt_fail(e, LT_EINVAL, "%s: none of its %d latencies of device '%s' is a positive number", d->file,
                       d->n_excluded, d->name);
    for (int i = 0; i < n; i++) {
        if (isnan(d->latency_s[i])) continue;
        least = fmin(least, d->latency_s[i]);
        most = fmax(most, d->latency_s[i]);
    }
    if (d->n_used > 1 && most - least <= 1e-12 * most)
        return lt_fail(e, LT_EINVAL, "%s: all %d latencies of device '%s' are %g ms: nothing can be learned from them",
                       d->file, d->n_used, d->name, 1e3 * most);
    d->resolution_s = resolution(d->latency_s, n);
    return LT_OK;
}

static lt_status read_device(struct lt_latency_set *s, const char *dir, const char *name, struct lt_err *e) {
    char *path = lt_asprintf("%s/latency/%s.csv", dir, name);
    struct lt_csv *c = NULL;
    struct lt_latency_device *d;
    int col;
    lt_status st = path ? lt_csv_load(path, &c, e) : lt_fail(e, LT_ENOMEM, "%s: out of memory", dir);

    if (st) goto out;
    if ((col = lt_csv_col(c, "latency_ms")) < 0) {
        st = lt_fail(e, LT_EINVAL, "%s: no column 'latency_ms'", path);
        goto out;
    }
    if (lt_csv_rows(c) != s->n) {
        st = lt_fail(e, LT_EINVAL, "%s: %d rows, but %s/archs.csv has %d: row i of both must be one architecture", path,
                     lt_csv_rows(c), dir, s->n);
        goto out;
    }
    if (!(d = lt_latency_set_add(s, name, path))) {
        st = lt_fail(e, LT_ENOMEM, "%s: out of memory", path);
        goto out;
    }
    for (int i = 0; i < s->n; i++) {
        double ms;
        int kind;
        if ((st = lt_latency_cell(c, path, i, col, &ms, &kind, e))) goto out;
        lt_latency_device_put(d, i, ms, kind, lt_csv_line(c, i));
    }
out:
    lt_csv_free(c);
    lt_free(path);
    return st;
}

static lt_status read_archs(struct lt_latency_set *s, const char *path, struct lt_err *e) {
    struct lt_csv *c = NULL;
    struct lt_arch_columns k = {0};
    lt_status st = lt_csv_load(path, &c, e);

    if (st || (st = lt_arch_columns_find(c, path, s->space, &k, e))) goto out;
    s->n = lt_csv_rows(c);
    if (s->n < 1) {
        st = lt_fail(e, LT_EINVAL, "%s: a header and no row", path);
        goto out;
    }
    if (!(s->arch = lt_arena_alloc(s->arena, (size_t)s->n * sizeof(*s->arch)))) {
        st = lt_fail(e, LT_ENOMEM, "%s: out of memory", path);
        goto out;
    }
    for (int i = 0; i < s->n && !st; i++) st = lt_arch_columns_read(c, path, s->space, &k, i, &s->arch[i], e);
out:
    lt_arch_columns_release(&k);
    lt_csv_free(c);
    return st;
}

/* archs.csv and latency/. */
static lt_status read_folder(struct lt_latency_set *s, const char *dir, const char *archs, const char *const *devices,
                             struct lt_err *e) {
    char *latency = lt_path_join(dir, "latency");
    const char **names;
    int n, wanted = 0;
    lt_status st =
        latency ? lt_csv_names(s->arena, latency, &names, &n, e) : lt_fail(e, LT_ENOMEM, "%s: out of memory", dir);

    lt_free(latency);
    if (st) return st;
    for (int i = 0; devices && devices[i]; i++, wanted++) {
        int k = 0;
        while (names[k] && strcmp(names[k], devices[i])) k++;
        if (!names[k]) return lt_no_device(dir, devices[i], names, e);
        for (k = 0; k < i; k++)
            if (!strcmp(devices[k], devices[i])) return lt_fail(e, LT_EINVAL, "device '%s' twice", devices[i]);
    }
    if (!devices) wanted = n;
    if ((st = read_archs(s, archs, e))) return st;
    if (!(s->device = lt_arena_alloc(s->arena, ((size_t)wanted + 1) * sizeof(*s->device))))
        return lt_fail(e, LT_ENOMEM, "%s: out of memory", dir);
    for (int i = 0; i < wanted && !st; i++) st = read_device(s, dir, devices ? devices[i] : names[i], e);
    return st;
}

struct seen {
    uint64_t hash;
    int row;
};

static int by_hash(const void *a, const void *b) {
    const struct seen *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->row - y->row;
}

static lt_status count_duplicates(struct lt_latency_set *s, struct lt_err *e) {
    struct seen *v = lt_malloc(((size_t)s->n + 1) * sizeof(*v));

    if (!v) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->dir);
    for (int i = 0; i < s->n; i++) v[i] = (struct seen){lt_arch_hash(s->space, &s->arch[i]), i};
    qsort(v, (size_t)s->n, sizeof(*v), by_hash);
    s->first_duplicate = -1;
    for (int i = 1; i < s->n; i++) {
        if (v[i].hash != v[i - 1].hash) continue;
        s->n_duplicates++;
        if (s->first_duplicate < 0 || v[i].row < s->first_duplicate) s->first_duplicate = v[i].row;
    }
    lt_free(v);
    return LT_OK;
}

lt_status lt_latency_set_load(const char *dir, const struct lt_space *space, const char *const *devices,
                              struct lt_latency_set **out, struct lt_err *e) {
    struct lt_arena *arena = lt_arena_new();
    struct lt_latency_set *s = arena ? lt_arena_alloc(arena, sizeof(*s)) : NULL;
    char *archs = lt_path_join(dir, "archs.csv");
    lt_status st;

    if (!s || !archs) {
        st = lt_fail(e, LT_ENOMEM, "%s: out of memory", dir);
        goto out;
    }
    s->arena = arena;
    s->space = space;
    if (!(s->dir = lt_arena_strdup(arena, dir))) {
        st = lt_fail(e, LT_ENOMEM, "%s: out of memory", dir);
        goto out;
    }
    if (!lt_path_exists(dir))
        st = lt_fail(e, LT_EIO, "%s: there is no such folder or file", dir);
    else if (lt_path_is_folder(dir) && lt_path_exists(archs))
        st = read_folder(s, dir, archs, devices, e);
    else
        st = lt_latency_tables_load(s, dir, devices, e);
    for (int i = 0; !st && i < s->n_devices; i++) st = judge_device(&s->device[i], s->n, e);
    if (!st && s->n_devices < 1) st = lt_fail(e, LT_EINVAL, "%s: no table of a device's latencies", dir);
    if (st || (st = count_duplicates(s, e))) goto out;
    *out = s;
    arena = NULL;
out:
    lt_free(archs);
    lt_arena_free(arena);
    return st;
}

void lt_latency_set_report(const struct lt_latency_set *s, struct lt_buf *out) {
    if (s->n_duplicates)
        lt_buf_printf(out, "%s: %d of %d rows repeat the architecture of an earlier row, the first is row %d; kept\n",
                      s->dir, s->n_duplicates, s->n, s->first_duplicate + 1);
    for (int i = 0; i < s->n_devices; i++) {
        const struct lt_latency_device *d = &s->device[i];
        if (!d->n_excluded) continue;
        lt_buf_printf(out, "%s: %d of %d latencies excluded: %d not a number, %d not positive; the first in line %d\n",
                      d->file, d->n_excluded, d->n_excluded + d->n_used, d->n_not_number, d->n_not_positive,
                      d->first_excluded_line);
    }
}
