/*
 * Latency data sets: both layouts, what is excluded and counted, resolutions, and every kind of bad input by file and
 * line. Then the published tables, where they are.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lathe/file.h"
#include "lathe/latency_set.h"
#include "lathe/mem.h"
#include "tests/tap.h"

static char dir[] = "/tmp/lathe-set-XXXXXX";
static struct lt_space *space;
enum { N = 6 };
static char text[N][160]; /* architectures */

static void put(const char *file, const char *content) {
    char path[300];
    struct lt_err e = {0};

    snprintf(path, sizeof(path), "%s/%s", dir, file);
    if (lt_file_write_atomic(path, content, strlen(content), &e)) lt_ok(false, "%s: %s", path, e.msg);
}

static void put_archs(const char *last) {
    struct lt_buf b = LT_BUF_INIT;

    lt_buf_puts(&b, "arch\n");
    for (int i = 0; i < N - 1; i++) lt_buf_printf(&b, "\"%s\"\n", text[i]);
    lt_buf_printf(&b, "\"%s\"\n", last);
    put("archs.csv", b.data);
    lt_buf_release(&b);
}

static lt_status load(const char *const *devices, struct lt_latency_set **set, struct lt_err *e) {
    *set = NULL;
    e->msg[0] = 0;
    return lt_latency_set_load(dir, space, devices, set, e);
}

static void reads(void) {
    struct lt_latency_set *s;
    struct lt_buf b = LT_BUF_INIT;
    struct lt_err e = {0};
    int64_t live = lt_mem_live();

    put_archs(text[0]); /* the last repeats the first */
    put("latency/a.csv", "latency_ms\n1.5\n2.25\n3.125\n4.7\n5.9\n6.01\n");
    put("latency/b.csv", "latency_ms\n15\n22\nnan\n-3\n59\n0\n");
    put("latency/c.csv", "\xEF\xBB\xBFlatency_ms,other\r\n0.5,x\r\n1,x\r\n1.5,x\r\n,x\r\n9,x\r\ninf,x\r\n");
    if (!lt_ok(!load(NULL, &s, &e), "a set is read: %s", e.msg)) return;
    lt_ok(s->n == N && s->n_devices == 3 && s->n_duplicates == 1 && s->first_duplicate == N - 1,
          "%d rows, %d devices, %d repeated", s->n, s->n_devices, s->n_duplicates);
    lt_ok(!strcmp(s->device[1].name, "b") && s->device[1].n_used == 3 && s->device[1].n_not_number == 1 &&
              s->device[1].n_not_positive == 2 && s->device[1].first_excluded_line == 4,
          "what is excluded is counted by reason");
    lt_ok(isnan(s->device[1].latency_s[2]) && isnan(s->device[1].latency_s[5]) &&
              fabs(s->device[1].latency_s[4] - 59e-3) < 1e-12,
          "and NAN; the others are seconds");
    lt_ok(s->device[2].n_used == 4 && s->device[2].n_not_number == 2, "an empty cell and inf are no numbers");
    lt_ok(s->device[0].resolution_s > 0 && s->device[0].resolution_s < 1e-5 && s->device[1].resolution_s == 1e-3 &&
              fabs(s->device[2].resolution_s - 5e-4) < 1e-12,
          "resolutions: %g, %g, %g s", s->device[0].resolution_s, s->device[1].resolution_s, s->device[2].resolution_s);
    lt_latency_set_report(s, &b);
    lt_ok(b.data && strstr(b.data, "1 of 6 rows repeat") &&
              strstr(b.data, "latency/b.csv: 3 of 6 latencies excluded: 1 "
                             "not a number, 2 not positive; the first in "
                             "line 4"),
          "and reported");
    lt_ok(lt_latency_set_find(s, "c") == 2 && lt_latency_set_find(s, "d") == -1, "devices are found by name");
    lt_latency_set_free(s);
    lt_ok(!load((const char *const[]){"c", "a", NULL}, &s, &e) && s->n_devices == 2 && !strcmp(s->device[0].name, "c"),
          "only the devices asked for, in that order: %s", e.msg);
    lt_latency_set_free(s);
    lt_buf_release(&b);
    lt_ok(lt_mem_live() == live, "nothing leaks");
}

static void refuses(const char *file, const char *content, const char *says, const char *what) {
    struct lt_latency_set *s;
    struct lt_err e = {0};
    int64_t live = lt_mem_live();
    lt_status st;

    put(file, content);
    st = load(NULL, &s, &e);
    lt_ok(st == LT_EINVAL && strstr(e.msg, says) && lt_mem_live() == live, "%s: %s", what, e.msg);
    lt_latency_set_free(s);
    put("latency/a.csv", "latency_ms\n1\n2\n3\n4\n5\n6\n");
    put_archs(text[N - 1]);
}

static void bad(void) {
    struct lt_latency_set *s;
    struct lt_err e = {0};
    char path[300];

    snprintf(path, sizeof(path), "%s/latency/b.csv", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/latency/c.csv", dir);
    unlink(path);
    refuses("latency/a.csv", "latency_ms\n1\n2\n3\n4\n5\n", "a.csv: 5 rows, but ", "too few rows");
    refuses("latency/a.csv", "latency_ms\n1\n2\n3\n4\n5\n6\n7\n", "a.csv: 7 rows, but ", "too many rows");
    refuses("latency/a.csv", "latency_ms\n1\n2 ms\n3\n4\n5\n6\n", "a.csv:3: column 'latency_ms': '2 ms'", "text");
    refuses("latency/a.csv", "latency_s\n1\n2\n3\n4\n5\n6\n", "no column 'latency_ms'", "another column");
    refuses("latency/a.csv", "latency_ms\n2\n2\n2\n2\n2\n2\n", "all 6 latencies of device 'a' are 2 ms", "constant");
    refuses("latency/a.csv", "latency_ms\n0\n-1\nnan\n0\n0\n0\n", "none of its 6 latencies", "nothing usable");
    refuses("latency/a.csv", "", "empty", "an empty file");
    refuses("archs.csv", "arch\n", "no row", "no architecture");
    refuses("archs.csv", "name\nx\n", "no column 'arch'", "no column of architectures");
    put_archs("tiny:r99");
    refuses("latency/a.csv", "latency_ms\n1\n2\n3\n4\n5\n6\n", "archs.csv:7: ", "an unknown architecture");
    lt_ok(load((const char *const[]){"aa", NULL}, &s, &e) == LT_EINVAL && strstr(e.msg, "did you mean 'a'"),
          "a missing device: %s", e.msg);
    lt_ok(load((const char *const[]){"a", "a", NULL}, &s, &e) == LT_EINVAL && strstr(e.msg, "twice"),
          "a device twice: %s", e.msg);
    lt_ok(lt_latency_set_load("/nonexistent", space, NULL, &s, &e) == LT_EIO, "no folder: %s", e.msg);
}

/* Tables with architecture and latencies in one row. */
static void tables(void) {
    struct lt_latency_set *s = NULL;
    struct lt_buf b = LT_BUF_INIT;
    struct lt_err e = {0};
    char path[300];

    snprintf(path, sizeof(path), "%s/tables", dir);
    lt_mkdirs(path, &e);
    lt_buf_puts(&b, "arch,latency_mean_encoder,latency_mean_decoder,latency_std_encoder\n");
    for (int i = 0; i < N; i++) lt_buf_printf(&b, "\"%s\",%d,%d.5,9\n", text[i], i + 1, i == 2 ? -7 : 2 * i);
    put("tables/big.csv", b.data);
    lt_buf_clear(&b);
    lt_buf_puts(&b, "latency_ms,arch\n");
    for (int i = 0; i < 3; i++) lt_buf_printf(&b, "%d,\"%s\"\n", 7 + i, text[i]);
    put("tables/small.csv", b.data);
    if (!lt_ok(!lt_latency_set_load(path, space, NULL, &s, &e), "a folder of tables: %s", e.msg)) return;
    lt_ok(s->n == N + 3 && s->n_devices == 4 && s->n_duplicates == 3, "their rows one after another: %d, %d devices",
          s->n, s->n_devices);
    lt_ok(!strcmp(s->device[0].name, "big") && !strcmp(s->device[1].name, "big.encoder") &&
              !strcmp(s->device[3].name, "small"),
          "names");
    lt_ok(fabs(s->device[0].latency_s[4] - 13.5e-3) < 1e-12 && fabs(s->device[1].latency_s[4] - 5e-3) < 1e-12 &&
              isnan(s->device[0].latency_s[2]) && !isnan(s->device[1].latency_s[2]) && isnan(s->device[0].latency_s[N]),
          "the sum, the parts; a sum of an unusable part is unusable");
    lt_ok(s->device[3].n_used == 3 && s->device[3].n_excluded == 0, "rows of other tables are not excluded ones");
    lt_latency_set_free(s);
    s = NULL;
    snprintf(path, sizeof(path), "%s/tables/big.csv", dir);
    lt_ok(!lt_latency_set_load(path, space, (const char *const[]){"big.decoder", NULL}, &s, &e) && s->n == N &&
              s->n_devices == 1 && s->device[0].n_not_positive == 1,
          "one file, one part of it: %s", e.msg);
    lt_latency_set_free(s);
    lt_ok(lt_latency_set_load(path, space, (const char *const[]){"big.middle", NULL}, &s, &e) == LT_EINVAL,
          "no such part: %s", e.msg);
    lt_buf_release(&b);
}

static void measured(void) {
    struct lt_arch *a = NULL;
    struct lt_buf b = LT_BUF_INIT;
    struct lt_err e = {0};
    double *y = NULL;
    char path[300];
    int n = 0;

    snprintf(path, sizeof(path), "%s/mine.csv", dir);
    lt_buf_printf(&b, "latency_ms,arch\n2.5,\"%s\"\n3,\"%s\"\n", text[0], text[1]);
    put("mine.csv", b.data);
    lt_ok(!lt_arch_table_load(path, space, &a, &y, &n, &e) && n == 2 && fabs(y[0] - 2.5e-3) < 1e-12,
          "measured rows: %s", e.msg);
    lt_free(a);
    lt_free(y);
    lt_buf_printf(&b, "nan,\"%s\"\n", text[2]);
    put("mine.csv", b.data);
    lt_ok(lt_arch_table_load(path, space, &a, &y, &n, &e) == LT_EINVAL && strstr(e.msg, "mine.csv:4: latency_ms 'nan'"),
          "one that is no number: %s", e.msg);
    lt_buf_release(&b);
}

/* Each allocation of reading may fail. */
static void out_of_memory(void) {
    int64_t live = lt_mem_live();
    bool clean = true;
    int n;

    for (n = 1; n < 3000; n++) {
        struct lt_latency_set *s;
        struct lt_err e = {0};
        lt_status st;

        lt_mem_fail_at(n);
        st = load(NULL, &s, &e);
        lt_mem_fail_at(0);
        clean &= !st || st == LT_ENOMEM;
        lt_latency_set_free(s);
        if (!st) break;
    }
    lt_ok(clean && n > 10 && n < 3000 && lt_mem_live() == live, "each of %d allocations may fail", n - 1);
}

/* The published tables: rows, devices, whole milliseconds of phones. */
static void published(const char *name, const char *sub, int rows, int devices, const char *coarse) {
    const char *env = getenv("LATHE_DATA"), *src = getenv("LT_SRCDIR");
    char path[1024], yaml[1024];
    struct lt_space *sp = NULL;
    struct lt_latency_set *s = NULL;
    struct lt_err e = {0};

    if (env)
        snprintf(path, sizeof(path), "%s/latency/%s", env, sub);
    else
        snprintf(path, sizeof(path), "%s/../shared/data/latency/%s", src ? src : ".", sub);
    snprintf(yaml, sizeof(yaml), "%s/spaces/%s.yaml", src ? src : ".", name);
    if (!lt_path_exists(path)) {
        lt_skip("no data set in %s", path);
        return;
    }
    if (lt_ok(!lt_space_load(yaml, &sp, &e) && !lt_latency_set_load(path, sp, NULL, &s, &e), "%s: %s", path, e.msg)) {
        int d = coarse ? lt_latency_set_find(s, coarse) : 0;
        lt_ok(s->n == rows && s->n_devices == devices && s->n_duplicates == 0, "%s: %d architectures, %d devices", name,
              s->n, s->n_devices);
        lt_ok(!coarse || s->device[d].resolution_s == 1e-3, "%s: whole milliseconds on %s", name,
              coarse ? coarse : "-");
    }
    lt_latency_set_free(s);
    lt_space_free(sp);
}

int main(void) {
    const char *src = getenv("LT_SRCDIR");
    char path[1024], command[64];
    struct lt_err e = {0};

    snprintf(path, sizeof(path), "%s/spaces/tiny.yaml", src ? src : ".");
    if (!mkdtemp(dir) || !lt_ok(!lt_space_load(path, &space, &e), "the space: %s", e.msg)) return lt_done();
    snprintf(path, sizeof(path), "%s/latency", dir);
    lt_mkdirs(path, &e);
    for (int i = 0, k = 0; i < N; k++) { /* different ones */
        struct lt_buf b = LT_BUF_INIT;
        struct lt_arch a;
        struct lt_rng r;
        bool again = false;
        lt_rng_at(&r, 1, LT_RNG_TEST, 0, (uint64_t)k);
        lt_space_sample(space, &r, &a);
        lt_arch_print(space, &a, &b);
        for (int j = 0; j < i; j++) again |= !strcmp(text[j], b.data);
        if (!again) snprintf(text[i++], sizeof(text[0]), "%s", b.data);
        lt_buf_release(&b);
    }
    reads();
    bad();
    tables();
    measured();
    out_of_memory();
    published("nasbench201", "nasbench201", 15625, 19, "samsung_s7");
    published("fbnet", "fbnet", 5000, 19, "samsung_s7");
    published("ofa-mobilenetv3", "ofa", 5000, 9, NULL);
    lt_space_free(space);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (system(command)) lt_note("%s: not removed", dir);
    return lt_done();
}
