/* Base room: CSV with a header line, RFC 4180 quoting. The whole file in memory; cells point into it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/buf.h"
#include "lathe/csv.h"
#include "lathe/file.h"
#include "lathe/mem.h"

struct lt_csv {
    char *path;
    struct lt_buf text;
    const char **cell;
    int *line;
    int rows, cols;
}; /* cell: header first, then rows; line [rows + 1] */
enum { MAX_BYTES = 1 << 30 };

struct scan {
    struct lt_csv *c;
    const char **cell;
    size_t n, cap;
    int *line;
    int n_lines, cap_lines;
};

static lt_status push(struct scan *s, const char *text, struct lt_err *e) {
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 256;
        const char **v = lt_realloc(s->cell, cap * sizeof *v);
        if (!v) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->c->path);
        s->cell = v;
        s->cap = cap;
    }
    s->cell[s->n++] = text;
    return LT_OK;
}

static lt_status push_line(struct scan *s, int line, struct lt_err *e) {
    if (s->n_lines == s->cap_lines) {
        int cap = s->cap_lines ? 2 * s->cap_lines : 64;
        int *v = lt_realloc(s->line, (size_t)cap * sizeof *v);
        if (!v) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->c->path);
        s->line = v;
        s->cap_lines = cap;
    }
    s->line[s->n_lines++] = line;
    return LT_OK;
}

static lt_status scan_all(struct scan *s, struct lt_err *e) {
    struct lt_csv *c = s->c;
    char *p = c->text.data;
    lt_status st;
    if (c->text.len >= 3 && !memcmp(p, "\xEF\xBB\xBF", 3)) p += 3;
    for (int line = 1; *p; line++) {
        if (*p == '\n' || (*p == '\r' && p[1] == '\n')) { /* blank lines carry nothing */
            p += *p == '\r' ? 2 : 1;
            continue;
        }
        int cols = 0, first_line = line;
        for (bool more = true; more; cols++) {
            char *from = p, *to = p;
            if (*p == '"') {
                from = to = ++p;
                while (*p && !(*p == '"' && p[1] != '"')) {
                    if (*p == '"') p++;
                    if (*p == '\n') line++;
                    *to++ = *p++;
                }
                if (!*p)
                    return lt_fail(e, LT_EINVAL, "%s:%d: a quoted cell without its closing quote", c->path, first_line);
                p++;
                if (*p && *p != ',' && *p != '\n' && !(*p == '\r' && p[1] == '\n'))
                    return lt_fail(e, LT_EINVAL, "%s:%d: column %d: text after a closing quote", c->path, line,
                                   cols + 1);
            } else {
                while (*p && *p != ',' && *p != '\n' && !(*p == '\r' && p[1] == '\n')) p++;
                to = p;
            }
            char end = *p;
            more = end == ',';
            if (end == '\r') p++;
            if (*p) p++;
            *to = '\0';
            if ((st = push(s, from, e))) return st;
        }
        if (s->n_lines == 0) c->cols = cols;
        if (cols != c->cols)
            return lt_fail(e, LT_EINVAL, "%s:%d: %d cells, the header has %d", c->path, first_line, cols, c->cols);
        if ((st = push_line(s, first_line, e))) return st;
    }
    if (s->n_lines == 0) return lt_fail(e, LT_EINVAL, "%s: empty, a header line is needed", c->path);
    return LT_OK;
}

lt_status lt_csv_load(const char *path, struct lt_csv **out, struct lt_err *e) {
    struct scan s = {.c = lt_calloc(1, sizeof *s.c)};
    lt_status st;
    if (!s.c || !(s.c->path = lt_strdup(path))) {
        st = lt_fail(e, LT_ENOMEM, "%s: out of memory", path);
        goto out;
    }
    if ((st = lt_file_read(path, MAX_BYTES, &s.c->text, e))) goto out;
    if (strlen(s.c->text.data) != s.c->text.len) {
        st = lt_fail(e, LT_EINVAL, "%s: holds a NUL byte, so it is not CSV", path);
        goto out;
    }
    if ((st = scan_all(&s, e))) goto out;
    s.c->cell = s.cell;
    s.c->line = s.line;
    s.c->rows = s.n_lines - 1;
    s.cell = NULL;
    s.line = NULL;
    *out = s.c;
    s.c = NULL;
out:
    lt_free(s.cell);
    lt_free(s.line);
    lt_csv_free(s.c);
    return st;
}

void lt_csv_free(struct lt_csv *c) {
    if (!c) return;
    lt_buf_release(&c->text);
    lt_free(c->cell);
    lt_free(c->line);
    lt_free(c->path);
    lt_free(c);
}

int lt_csv_rows(const struct lt_csv *c) { return c->rows; }
int lt_csv_cols(const struct lt_csv *c) { return c->cols; }
int lt_csv_line(const struct lt_csv *c, int row) { return c->line[row + 1]; }
const char *lt_csv_header(const struct lt_csv *c, int col) { return c->cell[col]; }

int lt_csv_col(const struct lt_csv *c, const char *name) {
    for (int i = 0; i < c->cols; i++)
        if (!strcmp(c->cell[i], name)) return i;
    return -1;
}

const char *lt_csv_cell(const struct lt_csv *c, int row, int col) {
    return c->cell[(size_t)(row + 1) * (size_t)c->cols + (size_t)col];
}

lt_status lt_csv_double(const struct lt_csv *c, int row, int col, double *out, struct lt_err *e) {
    const char *t = lt_csv_cell(c, row, col);
    char *end;
    double v = strtod(t, &end);
    if (end == t || *end || !isfinite(v))
        return lt_fail(e, LT_EINVAL, "%s:%d: column '%s': '%s' is not a finite number", c->path, c->line[row + 1],
                       c->cell[col], t);
    *out = v;
    return LT_OK;
}
