/*
 * Recorded latencies: a CSV file with a column `arch` (the graph's name) or `graph_hash` (16 hexadecimal digits), and
 * `latency_ms`. Hashes are of the graph with batch norm folded. Optional: `plan_hash`; a row without one is f32. A
 * graph that is not in the table is LT_EUNAVAIL.
 */
#include "devices/devices.h"
#include "lathe/csv.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct row {
    uint64_t key, plan;
    double seconds;
};

struct state {
    char *file;
    int64_t batch;
    bool by_name;
    int n;
    struct row *row; /* sorted */
    uint64_t hash;   /* of the rows */
};
#define AT(f) offsetof(struct state, f)

static const struct lt_opt opts[] = {
    {"file", LT_OPT_STRING, "", NULL, 0, 0, AT(file), NULL, "CSV with columns arch or graph_hash, and latency_ms"},
    {"batch", LT_OPT_INT, "", "1", 1, 65536, AT(batch), NULL, "samples per run that the recorded times are of"},
    {0}};

static int by_key(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->plan < y->plan ? -1 : x->plan > y->plan;
}

static uint64_t name_key(const char *name) { return lt_hash64(name, strlen(name), 0); }

static lt_status hex(const struct state *s, const struct lt_csv *c, int row, int col, uint64_t *out, struct lt_err *e) {
    const char *text = lt_csv_cell(c, row, col);
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 16);
    if (errno || *end || end == text || *text == '-')
        return lt_fail(e, LT_EINVAL, "%s: row %d: %s '%s' is not a hexadecimal hash", s->file, row + 1,
                       lt_csv_header(c, col), text);
    *out = v;
    return LT_OK;
}

static lt_status fill(struct state *s, const struct lt_csv *c, struct lt_err *e) {
    int key = lt_csv_col(c, "graph_hash"), plan = lt_csv_col(c, "plan_hash"), ms = lt_csv_col(c, "latency_ms");
    uint64_t f32 = lt_plan_hash(NULL);
    lt_status r;
    s->by_name = key < 0;
    if (s->by_name) key = lt_csv_col(c, "arch");
    if (key < 0 || ms < 0)
        return lt_fail(e, LT_EINVAL, "%s: column %s is missing", s->file, ms < 0 ? "latency_ms" : "arch or graph_hash");
    if (!(s->row = lt_calloc((size_t)lt_csv_rows(c) + 1, sizeof(*s->row)))) return lt_fail(e, LT_ENOMEM, "%s", s->file);
    for (int i = 0; i < lt_csv_rows(c); i++) {
        struct row *t = &s->row[s->n++];
        double v;
        t->plan = f32;
        if (s->by_name)
            t->key = name_key(lt_csv_cell(c, i, key));
        else if ((r = hex(s, c, i, key, &t->key, e)))
            return r;
        if (plan >= 0 && *lt_csv_cell(c, i, plan) && (r = hex(s, c, i, plan, &t->plan, e))) return r;
        if ((r = lt_csv_double(c, i, ms, &v, e))) return r;
        if (!(v > 0)) return lt_fail(e, LT_EINVAL, "%s: row %d: latency_ms %g must be above 0", s->file, i + 1, v);
        t->seconds = v / 1e3;
    }
    qsort(s->row, (size_t)s->n, sizeof(*s->row), by_key);
    for (int i = 1; i < s->n; i++)
        if (!by_key(&s->row[i - 1], &s->row[i]))
            return lt_fail(e, LT_EINVAL, "%s: two rows for one %s", s->file, s->by_name ? "arch" : "graph_hash");
    for (int i = 0; i < s->n; i++) {
        s->hash = lt_hash64(&s->row[i].key, sizeof(uint64_t), s->hash);
        s->hash = lt_hash64(&s->row[i].plan, sizeof(uint64_t), s->hash);
        s->hash = lt_hash64(&s->row[i].seconds, sizeof(double), s->hash);
    }
    return LT_OK;
}

static lt_status open_table(void *self, struct lt_err *e) {
    struct state *s = self;
    struct lt_csv *c = NULL;
    if (!s->file) return lt_fail(e, LT_EINVAL, "device table: option `file` is missing");
    lt_status r = lt_csv_load(s->file, &c, e);
    if (!r) r = fill(s, c, e);
    lt_csv_free(c);
    return r;
}

static void close_table(void *self) { lt_free(((struct state *)self)->row); }

static bool supports(const void *self, enum lt_op op, enum lt_dtype t) {
    (void)self;
    (void)op;
    return t == LT_F32 || t == LT_I8;
}

static lt_status measure(void *self, const struct lt_graph *g, const struct lt_plan *plan,
                         const struct lt_measure_opt *o, struct lt_measurement *out, struct lt_err *e) {
    const struct state *s = self;
    struct row want = {.key = s->by_name ? name_key(g->name) : lt_graph_hash(g), .plan = lt_plan_hash(plan)};
    if (o->batch > 0 && o->batch != (int)s->batch)
        return lt_fail(e, LT_EUNAVAIL, "%s: recorded at batch %d, asked at %d", s->file, (int)s->batch, o->batch);
    const struct row *t = s->n ? bsearch(&want, s->row, (size_t)s->n, sizeof(want), by_key) : NULL;
    if (!t)
        return lt_fail(e, LT_EUNAVAIL, "%s: no latency of %s (graph_hash %016llx, plan_hash %016llx)", s->file, g->name,
                       (unsigned long long)lt_graph_hash(g), (unsigned long long)want.plan);
    return lt_measurement_exact(out, t->seconds, (int)s->batch, e);
}

static void describe(const void *self, struct lt_jw *w) {
    const struct state *s = self;
    char hash[24];
    for (int i = 0; i < 16; i++) hash[i] = "0123456789abcdef"[s->hash >> (60 - 4 * i) & 15];
    hash[16] = 0;
    lt_jw_kstr(w, "file", s->file);
    lt_jw_kint(w, "rows", s->n);
    lt_jw_kstr(w, "rows_hash", hash);
    lt_jw_kint(w, "batch", s->batch);
}

const struct lt_device_ops lt_device_table = {
    .name = "table",
    .about = "recorded latencies from a CSV file",
    .opts = opts,
    .state_size = sizeof(struct state),
    .open = open_table,
    .close = close_table,
    .supports = supports,
    .measure = measure,
    .describe = describe,
};
