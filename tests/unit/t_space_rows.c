/*
 * Rows of latency tables: every row of the published tables of two spaces is read and written back, and rows of every
 * kind of column are refused with the column's name.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/csv.h"
#include "lathe/mem.h"
#include "lathe/space.h"
#include "tests/tap.h"

static lt_status read_space(const char *text, struct lt_space **out, struct lt_err *e) {
    struct lt_yaml *root = NULL;
    lt_status s = lt_yaml_parse("t.yaml", text, strlen(text), &root, e);

    if (!s) s = lt_space_parse_yaml(root, out, e);
    lt_yaml_free(root);
    return s;
}

/* The table of a shipped space; NULL where the data is absent. */
static struct lt_csv *published(const char *name) {
    const char *data = getenv("LATHE_DATA"), *src = getenv("LT_SRCDIR");
    struct lt_csv *csv = NULL;
    char path[600];

    if (data)
        snprintf(path, sizeof(path), "%s/latency/%s/archs.csv", data, name);
    else
        snprintf(path, sizeof(path), "%s/../shared/data/latency/%s/archs.csv", src ? src : ".", name);
    return lt_csv_load(path, &csv, NULL) ? NULL : csv;
}

/* Is the cell of a gene that exists in this architecture? Others say nothing, and come back as the first choice. */
static bool says_something(const struct lt_space *s, const struct lt_arch *a, const char *column) {
    char gene[64];
    int k;

    if (!strcmp(lt_space_name(s), "fbnet") || column[0] == 'd' || column[0] == 'r') return true;
    k = atoi(column + strcspn(column, "0123456789"));
    snprintf(gene, sizeof(gene), "s%d.b%d.%s", k / 4 + 1, k % 4, column[0] == 'k' ? "kernel" : "expand");
    for (int i = 0; i < lt_space_n_genes(s); i++) {
        if (!strcmp(lt_space_gene(s, i)->name, gene)) return lt_space_gene_active(s, a, i);
    }
    return false;
}

/* One row: reads, checks each cell as number and as text, and that the printed row reads as the same network. */
static bool round_trip(const struct lt_space *s, const struct lt_csv *csv, int row, struct lt_err *e) {
    const char *cell[256];
    double v[256];
    struct lt_arch a, back;
    struct lt_buf b = LT_BUF_INIT;
    int n = lt_space_n_columns(s), k = 0;
    bool ok = true;
    char *at;

    for (int i = 0; i < n; i++) cell[i] = lt_csv_cell(csv, row, lt_csv_col(csv, lt_space_column(s, i)));
    if (lt_space_row_parse(s, cell, &a, e) || lt_space_row_print(s, &a, &b)) return false;
    lt_space_row(s, &a, v);
    for (at = strtok(b.data, ","); at && k < n; at = strtok(NULL, ","), k++) {
        if (says_something(s, &a, lt_space_column(s, k))) ok &= !strcmp(at, cell[k]) && v[k] == atof(cell[k]);
        cell[k] = at;
    }
    ok &= k == n && !at && !lt_space_row_parse(s, cell, &back, e) && lt_arch_equal(&a, &back);
    lt_buf_release(&b);
    return ok;
}

static void shipped(const char *space, const char *table) {
    const char *src = getenv("LT_SRCDIR");
    struct lt_space *s = NULL;
    struct lt_csv *csv = published(table);
    struct lt_err e = {0};
    char path[600];
    int good = 0;

    snprintf(path, sizeof(path), "%s/spaces/%s.yaml", src ? src : ".", space);
    lt_ok(!lt_space_load(path, &s, &e), "%s is read: %s", space, e.msg);
    if (!csv) {
        lt_skip("no table of %s under LATHE_DATA", table);
    } else if (s) {
        for (int i = 0; i < lt_csv_rows(csv); i++) good += round_trip(s, csv, i, &e);
        lt_ok(good == lt_csv_rows(csv) && good == 5000, "%d of %d rows of %s are read and written back: %s", good,
              lt_csv_rows(csv), table, e.msg);
    }
    lt_csv_free(csv);
    lt_space_free(s);
}

#define BASE                                                                                                           \
    "schema: 1\nname: t\ninput: {channels: 1, resolution: 16}\nclasses: 2\nstages:\n"                                  \
    "  - {name: a, block: mbconv, channels: 8, depth: [1, 2, 4], kernel: [3, 5], expand: [1, 2, 4]}\n"

static void columns(void) {
    static const char text[] = BASE "table:\n  - {column: n, gene: a.depth, values: [one, two, four]}\n"
                                    "  - {column: e, mean: 'a.b{0..3}.expand'}\n  - {column: k0, gene: a.b0.kernel}\n";
    static const struct {
        const char *cell[3], *says;
    } bad[] = {{{"three", "1", "3"}, "column n: 'three' is none of one, two, four"},
               {{"one", "1", "4"}, "column k0: '4'"},
               {{"one", "1.5", "3"}, "column e: '1.5' is not the mean of choices of 1 layers"},
               {{"one", "x", "3"}, "column e: 'x' is no number"}};
    static const struct {
        const char *mean, *arch;
    } even[] = {{"2", "e2,e2,e2,e2"}, {"1.5", "e1,e1,e2,e2"}, {"2.5", "e2,e2,e2,e4"}, {"1", "e1,e1,e1,e1"}};
    struct lt_space *s = NULL;
    struct lt_err e = {0};
    struct lt_arch a;
    double v[3];

    lt_ok(!read_space(text, &s, &e) && lt_space_n_columns(s) == 3 && !strcmp(lt_space_column(s, 1), "e"),
          "a table is read: %s", e.msg);
    if (!s) return;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        lt_ok(lt_space_row_parse(s, bad[i].cell, &a, &e) == LT_EINVAL && strstr(e.msg, bad[i].says), "bad row %d: %s",
              (int)i, e.msg);
    for (size_t i = 0; i < sizeof(even) / sizeof(*even); i++) {
        const char *const cell[] = {"four", even[i].mean, "3"};
        struct lt_buf b = LT_BUF_INIT;
        char kept[64] = "";

        if (!lt_space_row_parse(s, cell, &a, &e)) lt_arch_print(s, &a, &b);
        for (const char *p = b.data ? b.data : ""; *p; p++) { /* without the kernels */
            if (*p == 'k')
                p++;
            else
                strncat(kept, p, 1);
        }
        lt_space_row(s, &a, v);
        lt_ok(!strncmp(kept, "t:a:", 4) && !strcmp(kept + 4, even[i].arch) && v[1] == atof(even[i].mean),
              "a mean of %s over four layers: %s", even[i].mean, kept);
        lt_buf_release(&b);
    }
    lt_space_free(s);
}

static void without_table(void) {
    struct lt_space *s = NULL;
    struct lt_err e = {0};
    struct lt_arch a, back;
    struct lt_buf b = LT_BUF_INIT, c = LT_BUF_INIT;
    const char *cell[1];
    double v;

    if (read_space(BASE, &s, &e)) return;
    lt_space_largest(s, &a);
    lt_arch_print(s, &a, &c);
    cell[0] = c.data;
    lt_space_row(s, &a, &v);
    if (lt_space_row_print(s, &a, &b)) return;
    lt_ok(lt_space_n_columns(s) == 1 && !strcmp(lt_space_column(s, 0), "arch") && isnan(v) && b.data[0] == '"' &&
              !lt_space_row_parse(s, cell, &back, &e) && lt_arch_equal(&a, &back),
          "without a table a row is the quoted string: %s", b.data);
    lt_buf_release(&b);
    lt_buf_release(&c);
    lt_space_free(s);
}

static void bad_tables(void) {
    static const struct {
        const char *table, *says;
    } bad[] = {{"table: []\n", "t.yaml:7:8"},
               {"table:\n  - {column: x}\n", "one of `gene`"},
               {"table:\n  - {column: x, gene: a.dept}\n", "t.yaml:8:23"},
               {"table:\n  - {column: x, gene: a.depth, values: [1]}\n", "1 values for the 3 choices"},
               {"table:\n  - {column: 'x{0..2}', gene: a.depth}\n", "1 choices for 3 columns"},
               {"table:\n  - {column: 'x{0..', gene: a.depth}\n", "no range"},
               {"table:\n  - {column: x, gene: a.depth}\n  - {column: x, gene: a.depth}\n", "two columns"},
               {"table:\n  - {column: x, text: cell}\n", "has no texts"}};
    int64_t live = lt_mem_live();

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char text[1024];
        struct lt_space *s = NULL;
        struct lt_err e = {0};

        snprintf(text, sizeof(text), "%s%s", BASE, bad[i].table);
        lt_ok(read_space(text, &s, &e) == LT_EINVAL && strstr(e.msg, bad[i].says), "bad table %d: %s", (int)i, e.msg);
        lt_space_free(s);
    }
    lt_ok(lt_mem_live() == live, "bad tables leak nothing");
}

int main(void) {
    shipped("fbnet", "fbnet");
    shipped("ofa-mobilenetv3", "ofa");
    columns();
    without_table();
    bad_tables();
    return lt_done();
}
