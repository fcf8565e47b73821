/* Units and option tables: one table for YAML, --set, help and the text written out. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "lathe/mem.h"
#include "lathe/opt.h"
#include "tests/tap.h"

static void units(void) {
    static const struct {
        const char *text, *unit;
        double want;
    } good[] = {
        {"0.8", "ms", 0.8},
        {"0.8 ms", "ms", 0.8},
        {"0.8ms", "ms", 0.8},
        {"800 us", "ms", 0.8},
        {"0.0008 s", "ms", 0.8},
        {"2 min", "s", 120},
        {"1 h", "s", 3600},
        {"5 ns", "ns", 5},
        {"3", "", 3},
        {"-1e3", "", -1000},
        {"1 KiB", "bytes", 1024},
        {"2 MiB", "KiB", 2048},
        {"1 GiB", "bytes", 1073741824.0},
        {"1 kB", "bytes", 1000},
        {"3 MB", "bytes", 3e6},
        {"1 GB", "MB", 1000},
        {"7 bytes", "bytes", 7},
        {"0.5%", "fraction", 0.005},
        {"0.5 %", "fraction", 0.005},
        {"0.005", "fraction", 0.005},
        {"25", "%", 25},
        {"1.5 GB/s", "bytes/s", 1.5e9},
        {"2 Tflop/s", "Gflop/s", 2000},
        {"250 mJ", "J", 0.25},
        {"900 mW", "W", 0.9},
        {"3 MMAC", "MACs", 3e6},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double v = -77;
        struct lt_err e = {0};
        lt_status s = lt_unit_parse(good[i].text, good[i].unit, &v, &e);
        /* Two roundings: the division and the product. */
        lt_ok(!s && fabs(v - good[i].want) <= 4e-16 * fabs(good[i].want), "'%s' in [%s] is %.17g %s", good[i].text,
              good[i].unit, v, e.msg);
    }
    static const struct {
        const char *text, *unit;
    } bad[] = {
        {"", "ms"},     {"ms", "ms"}, {"5 KiB", "ms"},        {"5 parsec", "ms"}, {"5 ms", ""}, {"nan", ""},
        {"inf", "ms"},  {"-inf", ""}, {"1e999", ""},          {"0x10", ""},       {" 5", ""},   {"5 ms ms", "ms"},
        {"5 MS", "ms"}, {"5,5", ""},  {"1e308 GiB", "bytes"}, {"5%", "ms"},       {"--5", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double v = -77;
        struct lt_err e = {0};
        lt_ok(lt_unit_parse(bad[i].text, bad[i].unit, &v, &e) == LT_EINVAL && v == -77 && e.msg[0],
              "refused in [%s]: %s", bad[i].unit, e.msg);
    }
}

struct config {
    int64_t epochs, memory;
    double budget, drop;
    bool distill;
    char *name;
    int metric;
    unsigned precisions;
};
#define AT(f) offsetof(struct config, f)
static const struct lt_opt table[] = {
    {"epochs", LT_OPT_INT, "", "6", 1, 1000, AT(epochs), NULL, "passes over the training part"},
    {"memory", LT_OPT_INT, "bytes", "1 MiB", 0, 0, AT(memory), NULL, "what a session may use"},
    {"budget", LT_OPT_DOUBLE, "ms", "0.8", 0.001, 1e6, AT(budget), NULL, "latency allowed"},
    {"max_drop", LT_OPT_DOUBLE, "fraction", "0.5%", 0, 1, AT(drop), NULL, "accuracy that may be lost"},
    {"distill", LT_OPT_BOOL, "", "true", 0, 0, AT(distill), NULL, "learn from the largest network"},
    {"name", LT_OPT_STRING, "", NULL, 0, 0, AT(name), NULL, "a label"},
    {"metric", LT_OPT_ENUM, "", "noise", 0, 0, AT(metric), "qe|noise|hessian", "what ranks the layers"},
    {"precisions", LT_OPT_SET, "", "f32,int8", 0, 0, AT(precisions), "f32|int8|int4", "what may be used"},
    {NULL, LT_OPT_INT, NULL, NULL, 0, 0, 0, NULL, NULL},
};

static lt_status read_text(const char *text, const char *const *skip, struct config *c, struct lt_err *e) {
    struct lt_yaml *y = NULL;
    lt_status s = lt_yaml_parse("x.yaml", text, strlen(text), &y, e);
    if (!s) s = lt_opts_read(table, y, skip, c, e);
    lt_yaml_free(y);
    return s;
}

static void tables(void) {
    struct config c = {0}, d = {0};
    struct lt_err e = {0};
    lt_ok(!lt_opts_default(table, &c, &e), "defaults");
    lt_ok(c.epochs == 6 && c.memory == 1048576 && c.budget == 0.8 && fabs(c.drop - 0.005) < 1e-18 && c.distill &&
              !c.name && c.metric == 1 && c.precisions == 3,
          "have their values");
    lt_opts_release(table, &c);
    const char *const others[] = {"stages", NULL};
    lt_status s = read_text("epochs: 12\nmemory: 2 KiB\nbudget: 1200 us\nmax_drop: 0.01\ndistill: no\nname: \"a "
                            "\\\"b\\\"\\n# c\"\nmetric: hessian\nprecisions: [int4]\nstages: [1]\n",
                            others, &c, &e);
    if (lt_ok(!s, "a map is read %s", e.msg)) {
        lt_ok(c.epochs == 12 && c.memory == 2048 && c.budget == 1.2 && c.drop == 0.01 && !c.distill &&
                  !strcmp(c.name, "a \"b\"\n# c") && c.metric == 2 && c.precisions == 4,
              "values land");
        struct lt_buf b = LT_BUF_INIT;
        lt_opts_emit(table, &c, &b);
        s = read_text(b.data, NULL, &d, &e);
        lt_ok(!s && d.epochs == c.epochs && d.memory == c.memory && d.budget == c.budget && d.drop == c.drop &&
                  d.distill == c.distill && d.name && !strcmp(d.name, c.name) && d.metric == c.metric &&
                  d.precisions == c.precisions,
              "what is written out reads back equal: %s", b.data);
        lt_opts_release(table, &d);
        lt_buf_release(&b);
    }
    lt_ok(!lt_opts_set(table, "metric", "qe", &c, &e) && c.metric == 0, "--set of an enumeration");
    lt_ok(!lt_opts_set(table, "precisions", "f32, int4", &c, &e) && c.precisions == 5, "--set of a set");
    lt_ok(!lt_opts_set(table, "name", "other", &c, &e) && !strcmp(c.name, "other"), "--set replaces a string");
    lt_ok(lt_opts_set(table, "metirc", "qe", &c, &e) == LT_EINVAL && strstr(e.msg, "'metric'"),
          "--set of a misspelt key: %s", e.msg);
    lt_ok(lt_opts_set(table, "epochs", "0", &c, &e) == LT_EINVAL && c.epochs == 12 && strstr(e.msg, "1 to 1000"),
          "--set out of range: %s", e.msg);
    lt_ok(lt_opts_set(table, "memory", "1.5 bytes", &c, &e) == LT_EINVAL && c.memory == 2048,
          "--set of half a byte: %s", e.msg);
    lt_ok(lt_opts_set(table, "memory", "99999999999999999999", &c, &e) == LT_EINVAL && c.memory == 2048,
          "--set of more than 64 bits: %s", e.msg);
    lt_ok(!lt_opts_set(table, "memory", "1e6", &c, &e) && c.memory == 1000000, "--set of 1e6 as a whole number");
    lt_opts_release(table, &c);

    static const struct {
        const char *text, *start, *part;
    } bad[] = {
        {"epochs: 3\nmetric: hessain\n", "x.yaml:2:9: metric:", "qe|noise|hessian"},
        {"precisions: [f32, int9]\n", "x.yaml:1:19:", "int9"},
        {"precisions: []\n", "x.yaml:1:13:", "at least one of f32|int8|int4"},
        {"name: kept\nepochs: many\n", "x.yaml:2:9: epochs:", "many"},
        {"budget: 3 KiB\n", "x.yaml:1:9: budget:", "ms"},
        {"budget: -1\n", "x.yaml:1:9: budget:", "range"},
        {"budgte: 1\n", "x.yaml:1:1:", "'budget'"},
        {"distill: 1\n", "x.yaml:1:10: distill:", "true"},
        {"epochs: [1]\n", "x.yaml:1:9: epochs:", "list"},
        {"stages: 1\n", "x.yaml:1:1:", "unknown key"},
        {"[1]\n", "x.yaml:1:1:", "list"},
        {"name:\n", "x.yaml:", "name"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        s = read_text(bad[i].text, NULL, &d, &e);
        lt_ok(s == LT_EINVAL && !strncmp(e.msg, bad[i].start, strlen(bad[i].start)) && strstr(e.msg, bad[i].part),
              "refused, case %zu: %s", i, s ? e.msg : "(was read)");
    }
    lt_ok(!lt_opts_read(table, NULL, NULL, &d, &e) && d.epochs == 6, "no map means defaults");
    lt_opts_release(table, &d);

    struct lt_buf b = LT_BUF_INIT;
    lt_opts_help(table, &b);
    bool all = true;
    for (const struct lt_opt *o = table; o->key; o++) all = all && strstr(b.data, o->key) && strstr(b.data, o->help);
    lt_ok(all && strstr(b.data, "qe|noise|hessian") && strstr(b.data, "1 to 1000") && strstr(b.data, "default 0.8"),
          "help names keys, choices, ranges and defaults");
    lt_buf_release(&b);
}

int main(void) {
    units();
    tables();
    lt_ok(lt_mem_live() == 0, "no memory is left behind");
    return lt_done();
}
