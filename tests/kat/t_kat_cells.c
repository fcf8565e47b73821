/*
 * Published numbers of cell spaces. NAS-Bench-201 (Dong & Yang, ICLR 2020): size, parameters and FLOPs of its largest
 * and smallest network on each of its three data sets, as the benchmark's files give them; every row of its published
 * latency table. DARTS (Liu et al., ICLR 2019): 3,349,342 parameters on CIFAR-10 (what the authors' code prints for
 * DARTS_V2), 4.7 M on ImageNet; P-DARTS (Chen et al., ICCV 2019): 3.4 M; PC-DARTS (Xu
 * et al., ICLR 2020): 3.6 M.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/cost.h"
#include "lathe/csv.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/space.h"
#include "tests/tap.h"

#define C1 "nor_conv_1x1"
#define C3 "nor_conv_3x3"
#define ALL(op) "|" op "~0|+|" op "~0|" op "~1|+|" op "~0|" op "~1|" op "~2|"

/* A shipped space, with parts of its file replaced: pairs of texts, NULL-ended. */
static struct lt_space *load(const char *name, const char *const *change) {
    const char *srcdir = getenv("LT_SRCDIR");
    struct lt_buf b = LT_BUF_INIT;
    struct lt_yaml *root = NULL;
    struct lt_space *s = NULL;
    struct lt_err e = {0};
    char path[512];

    snprintf(path, sizeof(path), "%s/spaces/%s.yaml", srcdir ? srcdir : ".", name);
    lt_ok(!lt_file_read(path, 1 << 20, &b, &e), "%s is there: %s", name, e.msg);
    for (; change && change[0]; change += 2) {
        struct lt_buf t = LT_BUF_INIT;
        const char *at = strstr(b.data, change[0]);

        if (!lt_ok(at != NULL, "%s has what is to be replaced (%.9s)", name, change[1])) break;
        lt_buf_add(&t, b.data, (size_t)(at - b.data));
        lt_buf_puts(&t, change[1]);
        lt_buf_puts(&t, at + strlen(change[0]));
        lt_buf_release(&b);
        b = t;
    }
    if (!lt_yaml_parse(path, b.data, b.len, &root, &e)) lt_space_parse_yaml(root, &s, &e);
    lt_ok(s != NULL, "%s is read: %s", name, e.msg);
    lt_yaml_free(root);
    lt_buf_release(&b);
    return s;
}

static void equal(const char *got, const char *want, const char *what) {
    if (!lt_ok(got && !strcmp(got, want), "%s", what)) lt_note("got '%s'", got ? got : "(nothing)");
}

/* arch: behind the space's name and the colon. */
static void golden(const struct lt_space *s, const char *what, const char *arch, const char *convention, int64_t macs,
                   int64_t params) {
    struct lt_graph *g = NULL;
    struct lt_cost c = {0};
    struct lt_arch a;
    struct lt_err e = {0};
    char *text = lt_asprintf("%s:%s", lt_space_name(s), arch);

    lt_ok(text && !lt_arch_parse(s, text, &a, &e) && !lt_space_expand(s, &a, &g, &e), "%s expands: %s", what, e.msg);
    if (g) lt_graph_cost_as(g, lt_cost_convention_find(convention), &c);
    if (macs > 0) lt_ok(c.macs == macs, "%s: %" PRId64 " (%s)", what, c.macs, convention);
    lt_ok(c.params == params, "%s: %" PRId64 " parameters", what, c.params);
    lt_graph_free(g);
    lt_free(text);
}

static void nasbench201(void) {
    static const char *const gene[] = {"0>1", "0>2", "1>2", "0>3", "1>3", "2>3"};
    static const char *const op[] = {"none", "skip_connect", C1, C3, "avg_pool_3x3"};
    struct lt_space *s = load("nasbench201", NULL);
    struct lt_buf size = LT_BUF_INIT;
    bool same = true;

    if (!s) return;
    lt_space_size_text(s, &size);
    equal(size.data, "15625", "NAS-Bench-201 has 15,625 networks");
    lt_ok(lt_space_n_genes(s) == 6, "6 edges");
    for (int i = 0; i < 6; i++) {
        const struct lt_gene *g = lt_space_gene(s, i);

        same = same && !strcmp(g->name, gene[i]) && g->n_choices == 5;
        for (int k = 0; k < 5 && same; k++) same = !strcmp(g->label[k], op[k]) && g->value[k] == k;
    }
    lt_ok(same, "edges and operations have the benchmark's order and codes");
    golden(s, "CIFAR-10, largest", ALL(C3), "nasbench201", 220119690, 1531546);
    golden(s, "CIFAR-10, smallest", ALL("none"), "nasbench201", 7783050, 73306);
    golden(s, "CIFAR-10, skip_connect alone", ALL("skip_connect"), "nasbench201", 7783050, 73306);
    golden(s, "CIFAR-10, avg_pool_3x3 alone", ALL("avg_pool_3x3"), "nasbench201", 7783050, 73306);
    /* An edge that reaches nothing counts as every other. */
    golden(s, "CIFAR-10, one dead edge of 3x3", "|" C3 "~0|+|none~0|none~1|+|none~0|none~1|none~2|", "nasbench201",
           7783050 + (220119690 - 7783050) / 6, 73306 + (1531546 - 73306) / 6);
    lt_buf_release(&size);
    lt_space_free(s);
    if ((s = load("nasbench201", (const char *[]){"classes: 10\n", "classes: 100\n", NULL}))) {
        golden(s, "CIFAR-100, largest", ALL(C3), "nasbench201", 220125540, 1537396);
        golden(s, "CIFAR-100, smallest", ALL("none"), "nasbench201", 7788900, 79156);
    }
    lt_space_free(s);
    if ((s = load("nasbench201",
                  (const char *[]){"resolution: 32", "resolution: 16", "classes: 10\n", "classes: 120\n", NULL}))) {
        golden(s, "ImageNet16-120, largest", ALL(C3), "nasbench201", 55037560, 1538696);
        golden(s, "ImageNet16-120, smallest", ALL("none"), "nasbench201", 1953400, 80456);
    }
    lt_space_free(s);
}

/* Every row of the published table is read, and printed again as it was; no architecture comes twice. */
static void table(void) {
    const char *data = getenv("LATHE_DATA"), *srcdir = getenv("LT_SRCDIR");
    char *dir = data ? lt_strdup(data) : lt_asprintf("%s/../shared/data", srcdir ? srcdir : ".");
    char *path = lt_asprintf("%s/latency/nasbench201/archs.csv", dir ? dir : "");
    struct lt_space *s = load("nasbench201", NULL);
    struct lt_buf file = LT_BUF_INIT, row = LT_BUF_INIT;
    struct lt_err e = {0};
    char seen[15625] = {0};
    int n = 0, read = 0, same = 0, twice = 0;

    if (!s || !path || lt_file_read(path, 16 << 20, &file, &e)) {
        lt_skip("the published latency table is not there (%s)", e.msg);
        goto out;
    }
    char *line = strtok(file.data, "\n");
    lt_buf_clear(&row);
    for (int i = 0; i < lt_space_n_columns(s); i++) lt_buf_printf(&row, "%s%s", i ? "," : "", lt_space_column(s, i));
    equal(line, row.data, "the table's columns are the space's");
    for (; (line = strtok(NULL, "\n")); n++) {
        const char *cell[16] = {line};
        char copy[512];
        struct lt_arch a;
        int k = 1, code = 0;

        snprintf(copy, sizeof(copy), "%s", line);
        for (char *p = line; *p && k < 16; p++) {
            if (*p != ',') continue;
            *p = 0;
            cell[k++] = p + 1;
        }
        if (k != lt_space_n_columns(s) || lt_space_row_parse(s, cell, &a, &e)) continue;
        read++;
        lt_buf_clear(&row);
        same += !lt_space_row_print(s, &a, &row) && !strcmp(row.data, copy);
        for (int i = 0; i < 6; i++) code = code * 5 + a.g[i];
        twice += seen[code]++;
    }
    lt_ok(n == 15625 && read == n, "%d of %d rows are read: %s", read, n, e.msg);
    lt_ok(same == n, "%d rows are printed as they were", same);
    lt_ok(twice == 0, "no network comes twice");
out:
    lt_buf_release(&row);
    lt_buf_release(&file);
    lt_space_free(s);
    lt_free(path);
    lt_free(dir);
}

#define CONCAT(kind) kind "_concat=range(2, 6)"
static const char darts_v2[] =
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])";
static const char pc_darts[] =
    "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 0), ('dil_conv_3x3', 1), "
    "('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('avg_pool_3x3', 0), ('dil_conv_3x3', 1)], " CONCAT(
        "normal") ", reduce=[('sep_conv_5x5', 1), ('max_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 2), "
                  "('sep_conv_3x3', 0), ('sep_conv_3x3', 3), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2)], " CONCAT(
                      "reduce") ")";
static const char p_darts[] =
    "Genotype(normal=[('skip_connect', 0), ('dil_conv_3x3', 1), ('skip_connect', 0),('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 3), ('sep_conv_3x3',0), ('dil_conv_5x5', 4)], " CONCAT(
        "normal") ", reduce=[('avg_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('dil_conv_5x5', 2), "
                  "('max_pool_3x3', 0), ('dil_conv_3x3', 1), ('dil_conv_3x3', 1), ('dil_conv_5x5', 3)], " CONCAT(
                      "reduce") ")";

static const char cifar_stack[] = "    - {name: stem, steps: [{conv: 3}, bn], channels: 108}\n"
                                  "    - {name: s1, cell: normal, repeat: 6, channels: 36}\n"
                                  "    - {name: r1, cell: reduce, channels: 72}\n"
                                  "    - {name: s2, cell: normal, repeat: 6, channels: 72}\n"
                                  "    - {name: r2, cell: reduce, channels: 144}\n"
                                  "    - {name: s3, cell: normal, repeat: 6, channels: 144}\n";
/* The evaluation network for 224x224: 14 cells of 48 channels behind two stems. */
static const char imagenet_stack[] = "    - {name: stem0, steps: [{conv: 3, stride: 2, channels: 24}, bn, relu, {conv: "
                                     "3, stride: 2}, bn], channels: 48}\n"
                                     "    - {name: stem1, steps: [relu, {conv: 3, stride: 2}, bn], channels: 48}\n"
                                     "    - {name: s1, cell: normal, repeat: 4, channels: 48}\n"
                                     "    - {name: r1, cell: reduce, channels: 96}\n"
                                     "    - {name: s2, cell: normal, repeat: 4, channels: 96}\n"
                                     "    - {name: r2, cell: reduce, channels: 192}\n"
                                     "    - {name: s3, cell: normal, repeat: 4, channels: 192}\n";

static void darts(void) {
    struct lt_space *s = load("darts", NULL);
    struct lt_buf b = LT_BUF_INIT, t = LT_BUF_INIT;
    struct lt_err e = {0};
    struct lt_arch a;

    if (!s) return;
    lt_space_size_text(s, &b);
    /* (1 * 3 * 6 * 10 sets of inputs, 7 operations on each of 8 edges) of two cells */
    equal(b.data, "1076746950455072400", "DARTS has (180 * 7^8)^2 networks");
    golden(s, "DARTS_V2 on CIFAR-10", darts_v2, "default", 0, 3349342);
    golden(s, "PC-DARTS on CIFAR-10 (3.6 M)", pc_darts, "default", 0, 3634678);
    golden(s, "P-DARTS on CIFAR-10 (3.4 M)", p_darts, "default", 0, 3433798);
    lt_buf_clear(&b);
    lt_buf_printf(&t, "darts:%s", darts_v2);
    if (!lt_arch_parse(s, t.data, &a, &e)) lt_arch_print(s, &a, &b);
    equal(b.data,
          "darts:normal:|sep_conv_3x3~0|sep_conv_3x3~1|+|sep_conv_3x3~0|sep_conv_3x3~1|+|skip_connect~0|sep_conv_"
          "3x3~1|+|skip_connect~0|dil_conv_3x3~2|;reduce:|max_pool_3x3~0|max_pool_3x3~1|+|max_pool_3x3~1|skip_"
          "connect~2|+|max_pool_3x3~0|skip_connect~2|+|max_pool_3x3~1|skip_connect~2|",
          "a genotype is printed in the space's notation, inputs in order");
    lt_buf_release(&b);
    lt_buf_release(&t);
    lt_space_free(s);
    s = load("darts", (const char *[]){"resolution: 32", "resolution: 224", "classes: 10\n", "classes: 1000\n",
                                       cifar_stack, imagenet_stack, NULL});
    if (!s) return;
    /* the paper: 4.7 M parameters */
    golden(s, "DARTS_V2 on ImageNet", darts_v2, "default", 0, 4718752);
    lt_space_free(s);
}

int main(void) {
    nasbench201();
    table();
    darts();
    return lt_done();
}
