/* CSV: RFC 4180 quoting, line ends, and refusals that name line and column. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lathe/csv.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "tests/tap.h"

static char path[64];

static lt_status load(const char *text, size_t n, struct lt_csv **c, struct lt_err *e) {
    LT_CHECK(!lt_file_write_atomic(path, text, n, NULL));
    return lt_csv_load(path, c, e);
}

static void good(void) {
    struct lt_csv *c = NULL;
    struct lt_err e = {0};
    const char *t = "\xEF\xBB\xBFid,\"name, long\",v\r\n1,\"say \"\"hi\"\"\",2.5\r\n\r\n2,\"two\nlines\",-3e2\n3,,x";
    if (!lt_ok(!load(t, strlen(t), &c, &e), "quotes, CRLF, a byte order mark, no last newline %s", e.msg)) return;
    lt_ok(lt_csv_rows(c) == 3 && lt_csv_cols(c) == 3, "three rows and columns");
    lt_ok(!strcmp(lt_csv_header(c, 0), "id") && !strcmp(lt_csv_header(c, 1), "name, long"), "the header");
    lt_ok(lt_csv_col(c, "v") == 2 && lt_csv_col(c, "V") == -1, "a column by its name");
    lt_ok(!strcmp(lt_csv_cell(c, 0, 1), "say \"hi\"") && !strcmp(lt_csv_cell(c, 1, 1), "two\nlines") &&
              !strcmp(lt_csv_cell(c, 2, 1), ""),
          "cells");
    double d = 7;
    lt_ok(!lt_csv_double(c, 1, 2, &d, &e) && d == -300, "a number");
    d = 7;
    char want[128];
    snprintf(want, sizeof want, "%s:6: column 'v'", path);
    lt_ok(lt_csv_double(c, 2, 2, &d, &e) == LT_EINVAL && d == 7 && !strncmp(e.msg, want, strlen(want)), "no number: %s",
          e.msg);
    lt_csv_free(c);
    lt_csv_free(NULL);

    t = "a,b\n1,\n";
    lt_ok(!load(t, strlen(t), &c, &e) && lt_csv_rows(c) == 1 && !*lt_csv_cell(c, 0, 1), "an empty last cell");
    lt_csv_free(c);
    t = "a\n";
    lt_ok(!load(t, strlen(t), &c, &e) && lt_csv_rows(c) == 0 && lt_csv_cols(c) == 1, "only a header");
    lt_csv_free(c);
    t = "x,y,z,w\nnan,inf,1e999,0x1g\n";
    lt_ok(!load(t, strlen(t), &c, &e), "nonsense numbers load as text");
    for (int k = 0; k < 4; k++)
        lt_ok(lt_csv_double(c, 0, k, &d, &e) == LT_EINVAL && d == 7, "but are no numbers: %s", e.msg);
    lt_csv_free(c);
}

#define TEXT(t) t, sizeof t - 1
static void bad(void) {
    static const struct {
        const char *text;
        size_t n;
        const char *where, *part;
    } t[] = {
        {TEXT(""), "", "empty"},
        {TEXT("\n\n"), "", "empty"},
        {TEXT("a,b\n1\n"), ":2:", "1 cells, the header has 2"},
        {TEXT("a,b\n1,2\n\n1,2,3\n"), ":4:", "3 cells"},
        {TEXT("a,b\n1,\"x\n\n"), ":2:", "closing quote"},
        {TEXT("a,b\n\"x\"y,2\n"), ":2:", "after a closing quote"},
        {TEXT("a,b\n\"x\"\ry,2\n"), ":2:", "after a closing quote"},
        {TEXT("a,b\n1,\0\n"), "", "NUL"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct lt_csv *c = (void *)&t;
        struct lt_err e = {0};
        char want[128];
        snprintf(want, sizeof want, "%s%s", path, t[i].where);
        lt_status s = load(t[i].text, t[i].n, &c, &e);
        lt_ok(s == LT_EINVAL && c == (void *)&t && !strncmp(e.msg, want, strlen(want)) && strstr(e.msg, t[i].part),
              "refused, case %zu: %s", i, s ? e.msg : "(was read)");
    }
    struct lt_csv *c = NULL;
    struct lt_err e;
    lt_ok(lt_csv_load("/nonexistent/x.csv", &c, &e) == LT_EIO && !c, "no such file: %s", e.msg);
}

int main(void) {
    snprintf(path, sizeof path, "t_csv.%ld.csv", (long)getpid());
    good();
    bad();
    unlink(path);
    lt_ok(lt_mem_live() == 0, "no memory is left behind");
    return lt_done();
}
