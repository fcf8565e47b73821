/* Room: predictors. Rows of a CSV file as architectures and latencies. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/latency_set_priv.h"

void lt_arch_columns_release(struct lt_arch_columns *k) {
    lt_free(k->col);
    lt_free(k->cell);
    *k = (struct lt_arch_columns){0};
}

static lt_status no_columns(const char *path, const struct lt_space *s, const char *missing, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    lt_status st;

    for (int i = 0; i < lt_space_n_columns(s) && i < 64; i++)
        lt_buf_printf(&b, "%s%s", i ? "," : "", lt_space_column(s, i));
    if (lt_space_n_columns(s) == 1 && !strcmp(missing, "arch"))
        st = lt_fail(e, LT_EINVAL, "%s: no column 'arch', which space '%s' needs", path, lt_space_name(s));
    else
        st = lt_fail(e, LT_EINVAL, "%s: no column '%s'; space '%s' needs %.600s, or 'arch'", path, missing,
                     lt_space_name(s), b.data ? b.data : "");
    lt_buf_release(&b);
    return st;
}

lt_status lt_arch_columns_find(const struct lt_csv *c, const char *path, const struct lt_space *s,
                               struct lt_arch_columns *out, struct lt_err *e) {
    struct lt_arch_columns k = {.n = lt_space_n_columns(s)};
    const char *missing = NULL;

    k.col = lt_calloc((size_t)k.n + 1, sizeof(*k.col));
    k.cell = lt_calloc((size_t)k.n + 1, sizeof(*k.cell));
    if (!k.col || !k.cell) {
        lt_arch_columns_release(&k);
        return lt_fail(e, LT_ENOMEM, "%s: out of memory", path);
    }
    for (int i = 0; i < k.n; i++) {
        k.col[i] = lt_csv_col(c, lt_space_column(s, i));
        if (k.col[i] < 0 && !missing) missing = lt_space_column(s, i);
    }
    if (k.n == 1 && !strcmp(lt_space_column(s, 0), "arch")) k.text = true;
    if (missing && lt_csv_col(c, "arch") >= 0) {
        missing = NULL;
        k.text = true;
        k.n = 1;
        k.col[0] = lt_csv_col(c, "arch");
    }
    if (missing) {
        lt_arch_columns_release(&k);
        return no_columns(path, s, missing, e);
    }
    *out = k;
    return LT_OK;
}

lt_status lt_arch_columns_read(const struct lt_csv *c, const char *path, const struct lt_space *s,
                               struct lt_arch_columns *k, int row, struct lt_arch *out, struct lt_err *e) {
    struct lt_err why = {0};
    lt_status st;

    for (int i = 0; i < k->n; i++) k->cell[i] = lt_csv_cell(c, row, k->col[i]);
    st = k->text ? lt_arch_parse(s, k->cell[0], out, &why) : lt_space_row_parse(s, k->cell, out, &why);
    return st ? lt_fail(e, st, "%s:%d: %.900s", path, lt_csv_line(c, row), why.msg) : LT_OK;
}

lt_status lt_latency_cell(const struct lt_csv *c, const char *path, int row, int col, double *latency_ms, int *kind,
                          struct lt_err *e) {
    const char *t = lt_csv_cell(c, row, col);
    char *end;
    double v = strtod(t, &end);

    while (*end == ' ' || *end == '\t') end++;
    if (*end)
        return lt_fail(e, LT_EINVAL, "%s:%d: column '%s': '%s' is not a latency in ms", path, lt_csv_line(c, row),
                       lt_csv_header(c, col), t);
    *kind = end == t || !isfinite(v) ? LT_CELL_NOT_NUMBER : v > 0 ? LT_CELL_USABLE : LT_CELL_NOT_POSITIVE;
    *latency_ms = v;
    return LT_OK;
}

static lt_status read_latency(const struct lt_csv *c, const char *path, int row, int col, double *out_s,
                              struct lt_err *e) {
    double ms;
    int kind;
    lt_status s = lt_latency_cell(c, path, row, col, &ms, &kind, e);

    if (s) return s;
    if (kind != LT_CELL_USABLE)
        return lt_fail(e, LT_EINVAL, "%s:%d: latency_ms '%s' is not a positive number", path, lt_csv_line(c, row),
                       lt_csv_cell(c, row, col));
    *out_s = 1e-3 * ms;
    return LT_OK;
}

lt_status lt_arch_table_load(const char *path, const struct lt_space *space, struct lt_arch **arch, double **latency_s,
                             int *n, struct lt_err *e) {
    struct lt_csv *c = NULL;
    struct lt_arch_columns k = {0};
    struct lt_arch *a = NULL;
    double *y = NULL;
    int rows, col;
    lt_status s = lt_csv_load(path, &c, e);

    if (s) goto out;
    rows = lt_csv_rows(c);
    if (rows == 0) {
        s = lt_fail(e, LT_EINVAL, "%s: a header and no row", path);
        goto out;
    }
    col = lt_csv_col(c, "latency_ms");
    if (latency_s && col < 0) {
        s = lt_fail(e, LT_EINVAL, "%s: no column 'latency_ms'", path);
        goto out;
    }
    a = lt_malloc((size_t)rows * sizeof(*a));
    y = lt_malloc((size_t)rows * sizeof(*y));
    if (!a || !y) {
        s = lt_fail(e, LT_ENOMEM, "%s: out of memory", path);
        goto out;
    }
    if ((s = lt_arch_columns_find(c, path, space, &k, e))) goto out;
    for (int i = 0; i < rows; i++) {
        if ((s = lt_arch_columns_read(c, path, space, &k, i, &a[i], e))) goto out;
        if (latency_s && (s = read_latency(c, path, i, col, &y[i], e))) goto out;
    }
    *arch = a;
    a = NULL;
    *n = rows;
    if (latency_s) {
        *latency_s = y;
        y = NULL;
    }
out:
    lt_arch_columns_release(&k);
    lt_csv_free(c);
    lt_free(a);
    lt_free(y);
    return s;
}
