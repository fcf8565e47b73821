/*
 * Search spaces: reading YAML (and refusing it, with the place), counting, strings, sampling, mutation, crossover, and
 * the promise that every network is a view of the largest.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "lathe/space.h"
#include "tests/tap.h"

#define SEED 11

static lt_status read_space(const char *text, struct lt_space **out, struct lt_err *e) {
    struct lt_yaml *root = NULL;
    lt_status s = lt_yaml_parse("t.yaml", text, strlen(text), &root, e);

    if (!s) s = lt_space_parse_yaml(root, out, e);
    lt_yaml_free(root);
    return s;
}

static struct lt_space *must(const char *text) {
    struct lt_space *s = NULL;
    struct lt_err e = {0};

    if (read_space(text, &s, &e)) lt_ok(false, "space is read: %s", e.msg);
    return s;
}

static const char tiny[] = "schema: 1\nname: tiny\ninput: {channels: 3, resolution: [8, 12]}\nclasses: 4\nwidth: [0.5, "
                           "1]\nstem: {block: conv, channels: 8, kernel: [1, 3]}\n"
                           "stages:\n  - {name: a, block: mbconv, channels: [8, 24], depth: [1, 2], stride: 2, kernel: "
                           "[3, 5], expand: [1, 1.5]}\n"
                           "  - {name: b, block: conv, channels: 16, depth: [1, 3]}\nhead: {channels: [16, 32]}\n";
static const char rich[] =
    "schema: 1\nname: rich-1.0\ninput: {channels: 1, resolution: [20, 24, 28]}\nclasses: 10\nact: hswish\nwidth: "
    "[0.75, 1, 1.25]\n"
    "stem: {block: conv, channels: [16, 24], kernel: [3, 5], stride: 2, act: relu6}\nstages:\n"
    "  - {name: s1, block: mbconv, channels: [16, 24, 40], depth: [1, 2, 3], kernel: [3, 5, 7], expand: [1, 2, 4], se: "
    "[0, 0.25]}\n"
    "  - {name: s2, block: mbconv, channels: [40, 48], depth: [2, 4], stride: 2, kernel: [3, 7], expand: 3}\n"
    "  - {name: s3, block: mbconv, channels: 96, depth: 2, stride: 2, kernel: 5, expand: [3, 6], se: 0.5, act: silu}\n"
    "head: {channels: [128, 192], act: relu}\n";
static const char fixed[] = "schema: 1\nname: one\ninput: {channels: 1, resolution: 8}\nclasses: 2\nstages: [{name: s, "
                            "block: conv, channels: 8, depth: 1}]\n";

/* ---- bad files ---- */

#define TOP "schema: 1\nname: t\ninput: {channels: 1, resolution: 8}\nclasses: 2\n"
#define STAGES "stages:\n  - {name: s, block: conv, channels: 8, depth: 1}\n"

static const struct {
    const char *text, *place, *says;
} bad[] = {
    {"schema: 2\nname: t\nmagic: 1\n", "t.yaml:1:9", "schema"},
    {"name: t\ninput: {channels: 1, resolution: 8}\nclasses: 2\n" STAGES, "t.yaml:1:1", "'schema' is missing"},
    {"[1, 2]\n", "t.yaml:1:1", ""},
    {TOP STAGES "clases: 3\n", "t.yaml:7:1", "classes"},
    {TOP, "t.yaml:1:1", "'stages' is missing"},
    {TOP "stages: []\n", "t.yaml:5:9", "at least one stage"},
    {TOP "stages: 3\n", "t.yaml:5:9", ""},
    {"schema: 1\nname: 7 up\ninput: {channels: 1, resolution: 8}\nclasses: 2\n" STAGES, "t.yaml:2:7", "is no name"},
    {"schema: 1\nname: t\ninput: {channels: 1, resolution: 8, size: 3}\nclasses: 2\n" STAGES, "t.yaml:3:37", "size"},
    {"schema: 1\nname: t\ninput: {channels: 0, resolution: 8}\nclasses: 2\n" STAGES, "t.yaml:3:19", ""},
    {"schema: 1\nname: t\ninput: {channels: 1, resolution: -8}\nclasses: 2\n" STAGES, "t.yaml:3:34", ""},
    {"schema: 1\nname: t\ninput: {channels: 1, resolution: [8, 12, 10]}\nclasses: 2\n" STAGES, "t.yaml:3:42",
     "ascending"},
    {"schema: 1\nname: t\ninput: {channels: 1, resolution: [8, 8]}\nclasses: 2\n" STAGES, "t.yaml:3:38", "ascending"},
    {"schema: 1\nname: t\ninput: {channels: [1, 3], resolution: 8}\nclasses: 2\n" STAGES, "t.yaml:3:19",
     "cannot be a choice"},
    {TOP "act: rely\n" STAGES, "t.yaml:5:6", "relu"},
    {TOP "act: [relu, silu]\n" STAGES, "t.yaml:5:6", "cannot be a choice"},
    {TOP "width: [0.1234567, 1]\n" STAGES, "t.yaml:5:9", "significant digits"},
    {TOP "width: .nan\n" STAGES, "t.yaml:5:8", ""},
    {TOP "divisor: 0\n" STAGES, "t.yaml:5:10", ""},
    {TOP "stages:\n  - {name: s, block: convv, channels: 8, depth: 1}\n", "t.yaml:6:22", "did you mean 'conv'"},
    {TOP "stages:\n  - {name: s, channels: 8, depth: 1}\n", "t.yaml:6:5", "'block' is missing"},
    {TOP "stages:\n  - {name: s, block: conv, channels: 8, depth: 1, kernl: 3}\n", "t.yaml:6:51", "kernel"},
    {TOP "stages:\n  - {name: s, block: conv, channels: 8, depth: 1, kernel: [3, 4]}\n", "t.yaml:6:63", "odd"},
    {TOP "stages:\n  - {name: s, block: conv, channels: 8, depth: 1, kernel: []}\n", "t.yaml:6:59", "empty list"},
    {TOP "stages:\n  - {name: s, block: conv, channels: 8, depth: 1, kernel: 33}\n", "t.yaml:6:59", ""},
    {TOP "stages:\n  - {name: s, block: conv, channels: 8, depth: 0}\n", "t.yaml:6:48", ""},
    {TOP "stages:\n  - {name: s, block: conv, channels: 8}\n", "t.yaml:6:5", "'depth' is missing"},
    {TOP "stages:\n  - {name: s, block: conv, channels: wide, depth: 1}\n", "t.yaml:6:38", ""},
    {TOP "stages:\n  - {name: s, block: conv, channels: [16, 17], depth: 1}\n", "t.yaml:6:43", "both rounded to 16"},
    {TOP "stages:\n  - {name: s, block: conv, channels: 8, depth: 1, stride: [1, 2]}\n", "t.yaml:6:59",
     "cannot be a choice"},
    {TOP "stages:\n  - {name: s, block: mbconv, channels: 8, depth: 1}\n", "t.yaml:6:5", "'expand' is missing"},
    {TOP "stages:\n  - {name: s, block: mbconv, channels: 8, depth: 1, expand: 0.5}\n", "t.yaml:6:61", ""},
    {TOP "stages:\n  - {name: head, block: conv, channels: 8, depth: 1}\n", "t.yaml:6:12", "not free"},
    {TOP STAGES "  - {name: s, block: conv, channels: 8, depth: 1}\n", "t.yaml:7:12", "two stages"},
    {TOP STAGES "  - {name: s-2, block: conv, channels: 8, depth: 1}\n", "t.yaml:7:12", "is no name"},
    {TOP "stem: {block: conv, channels: 8, depth: 2}\n" STAGES, "t.yaml:5:34", "depth"},
    {TOP STAGES "head: {channel: 8}\n", "t.yaml:7:8", "channels"},
    {TOP STAGES "head: [8]\n", "t.yaml:7:8", ""},
    {TOP "stages:\n  - {name: s, block: conv, channels: 8, depth: 1, stride: 8}\n  - {name: z, block: conv, channels: "
         "8, depth: 1, stride: 2}\n",
     "t.yaml:7:5", "[1,8,1,1]"},
    {TOP "stages:\n  - {name: s, block: mbconv, channels: 8, depth: 64, kernel: [3, 5], expand: [1, 2], se: [0, 1]}\n  "
         "- {name: z, block: conv, channels: 8, depth: 1, kernel: [1, 3]}\n",
     "t.yaml:7:59", "at most 192"},
};

static void bad_files(void) {
    int64_t live = lt_mem_live();

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct lt_space *s = NULL;
        struct lt_err e = {0};
        lt_status st = read_space(bad[i].text, &s, &e);
        size_t n = strlen(bad[i].place);

        lt_ok(st == LT_EINVAL && !s && !strncmp(e.msg, bad[i].place, n) && e.msg[n] == ':' &&
                  strstr(e.msg, bad[i].says),
              "bad file %d: wanted %s, got: %s", (int)i, bad[i].place, e.msg);
        lt_space_free(s);
    }
    lt_ok(lt_mem_live() == live, "bad files leak nothing");
    {
        struct lt_space *s = NULL;
        struct lt_err e = {0};

        lt_ok(lt_space_load("no-such-space", &s, &e) == LT_EINVAL && !s && strstr(e.msg, "spaces/no-such-space.yaml"),
              "a name that is nowhere: %s", e.msg);
        lt_ok(lt_space_load("/nowhere/x.yaml", &s, &e) && !s && strstr(e.msg, "/nowhere/x.yaml"),
              "a path that is nowhere: %s", e.msg);
    }
}

static void out_of_memory(void) {
    int64_t live = lt_mem_live(), n;
    bool clean = true;

    for (n = 1; n < 20000; n++) {
        struct lt_space *s = NULL;
        lt_status st;

        lt_mem_fail_at(n);
        st = read_space(tiny, &s, NULL);
        lt_mem_fail_at(0);
        clean &= (st == LT_ENOMEM && !s) || (!st && s);
        lt_space_free(s);
        clean &= lt_mem_live() == live;
        if (!st) break;
    }
    lt_ok(clean && n > 20 && n < 20000, "each of %d allocations may fail while reading: no leak", (int)n - 1);
}

/* ---- counting ---- */

static int by_genes(const void *a, const void *b) {
    return memcmp(((const struct lt_arch *)a)->g, ((const struct lt_arch *)b)->g, LT_MAX_GENES);
}

/* Canonical forms of all gene vectors, sorted, duplicates removed; *n = their number. */
static struct lt_arch *enumerate(const struct lt_space *s, int *n) {
    struct lt_arch a = {.n = lt_space_n_genes(s)}, *all;
    int total = 1, i = 0, k, kept = 0;

    for (int g = 0; g < a.n; g++) total *= lt_space_gene(s, g)->n_choices;
    all = malloc((size_t)total * sizeof(*all));
    do {
        all[i] = a;
        lt_space_canonical(s, &all[i++]);
        for (k = 0; k < a.n && ++a.g[k] == lt_space_gene(s, k)->n_choices; k++) a.g[k] = 0;
    } while (k < a.n);
    qsort(all, (size_t)i, sizeof(*all), by_genes);
    for (k = 0; k < i; k++) {
        if (!k || by_genes(&all[k], &all[kept - 1])) all[kept++] = all[k];
    }
    *n = kept;
    return all;
}

static void counting(void) {
    static const char three[] =
        "schema: 1\nname: t\ninput: {channels: 1, resolution: 16}\nclasses: 2\nstages:\n"
        "  - {name: a, block: mbconv, channels: [8, 16], depth: [1, 3], kernel: [3, 5, 7], expand: [2, 3]}\n"
        "  - {name: b, block: mbconv, channels: 8, depth: 2, expand: 2, se: [0, 0.5]}\n";
    static const char *const text[] = {tiny, three, fixed};

    for (int i = 0; i < 3; i++) {
        struct lt_space *s = must(text[i]);
        struct lt_buf size = LT_BUF_INIT;
        struct lt_arch *all;
        int n, clashes = 0, networks = 0;

        if (!s) continue;
        all = enumerate(s, &n);
        lt_space_size_text(s, &size);
        lt_ok(atoi(size.data) == n, "space %d has %d networks, counted %s", i, n, size.data);
        lt_ok(fabs(lt_space_log10_size(s) - log10(n)) < 1e-12, "and its logarithm");
        for (int k = 0; k < n && i == 0; k++) {
            for (int j = 0; j < k; j++) clashes += lt_arch_hash(s, &all[k]) == lt_arch_hash(s, &all[j]);
            networks++;
        }
        lt_ok(clashes == 0, "no two of %d hash alike", networks);
        free(all);
        lt_buf_release(&size);
        lt_space_free(s);
    }
    {
        /* 192 choices of 3 values: 3^192 is beyond 128 bits */
        struct lt_space *s = must("schema: 1\nname: t\ninput: {channels: 1, resolution: 16}\nclasses: 2\nstages:\n"
                                  "  - {name: a, block: mbconv, channels: 8, depth: 64, kernel: [3, 5, 7], expand: [1, "
                                  "2, 3], se: [0, 0.5, 1]}\n");
        struct lt_space *t = must("schema: 1\nname: t\ninput: {channels: 1, resolution: 16}\nclasses: 2\nstages:\n"
                                  "  - {name: a, block: conv, channels: 8, depth: 64, kernel: [1, 3, 5, 7]}\n  - "
                                  "{name: b, block: conv, channels: 8, depth: 1}\n");
        struct lt_buf size = LT_BUF_INIT;

        lt_space_size_text(s, &size);
        lt_ok(!strcmp(size.data,
                      "40483766022843281411184472189571654752207506882090305742200116101065766026718820758174775041"),
              "a huge space: %s", size.data);
        lt_buf_clear(&size);
        lt_space_size_text(t, &size);
        lt_ok(!strcmp(size.data, "340282366920938463463374607431768211456"), "4^64 = 2^128: %s", size.data);
        lt_buf_release(&size);
        lt_space_free(s);
        lt_space_free(t);
    }
}

/* ---- strings ---- */

static void strings(void) {
    static const char *const text[] = {tiny, rich, fixed};
    struct lt_err e = {0};

    for (int i = 0; i < 3; i++) {
        struct lt_space *s = must(text[i]);
        int bad_trips = 0;
        struct lt_buf b = LT_BUF_INIT, c = LT_BUF_INIT;

        if (!s) continue;
        for (int k = 0; k < 10000; k++) {
            struct lt_arch a, back;
            struct lt_rng r;

            lt_rng_at(&r, SEED, LT_RNG_TEST, 2, (uint64_t)(i * 10000 + k));
            lt_space_sample(s, &r, &a);
            lt_buf_clear(&b);
            lt_buf_clear(&c);
            lt_arch_print(s, &a, &b);
            if (lt_arch_parse(s, b.data, &back, &e) || !lt_arch_equal(&a, &back) || memcmp(a.g, back.g, sizeof(a.g))) {
                if (!bad_trips++) lt_note("%s: %s", b.data, e.msg);
                continue;
            }
            lt_arch_print(s, &back, &c);
            bad_trips += strcmp(b.data, c.data) != 0;
        }
        lt_ok(bad_trips == 0, "10000 strings of space %d come back exactly (last: %s)", i, b.data);
        lt_buf_release(&b);
        lt_buf_release(&c);
        lt_space_free(s);
    }
}

static void bad_strings(void) {
    static const struct {
        const char *text;
        int column;
        const char *says;
    } t[] = {
        {"", 1, "'tiny', found the end"},
        {"tinx:r8", 1, "'tiny', found 'tinx:r8'"},
        {"tiny", 5, "':', found the end"},
        {"tiny:r9|w1", 6, "resolution as r8 or r12, found 'r9'"},
        {"tiny:w1", 6, "resolution"},
        {"tiny:r8|w0.5|stem:k3|a:c8,k3e1|b:d1|head:c16 ", 45, "the end, found ' '"},
        {"tiny:r8|w0.50|stem:k3|a:c8,k3e1|b:d1|head:c16", 9, "width as w0.5 or w1, found 'w0.50'"},
        {"tiny:r8|w1|stem:k5|a:c8,k3e1|b:d1|head:c16", 17, "stem.kernel as k1 or k3"},
        {"tiny:r8|w1|stem:k3|b:d1|head:c16", 20, "'a'"},
        {"tiny:r8|w1|stem:k3|a:c8|b:d1|head:c16", 24, "','"},
        {"tiny:r8|w1|stem:k3|a:c8,k3e2|b:d1|head:c16", 27, "a.b0.expand as e1 or e1.5, found 'e2'"},
        {"tiny:r8|w1|stem:k3|a:c8,k3e1,k5|b:d1|head:c16", 32, "a.b1.expand"},
        {"tiny:r8|w1|stem:k3|a:c8,k3e1,k5e1,k3e1|b:d1|head:c16", 34, "1 or 2 blocks"},
        {"tiny:r8|w1|stem:k3|a:c8,k3e1|b:d2|head:c16", 32, "b.depth as d1 or d3"},
        {"tiny:r8|w1|stem:k3|a:c8,k3e1|b:d1", 34, "'|', found the end"},
        {"tiny:r8|w1|stem:k3|a:c8,k3e1|b:d1|head:c16|x", 43, "the end"},
    };
    struct lt_space *s = must(tiny);
    struct lt_arch a;
    struct lt_err e = {0};

    if (!s) return;
    lt_ok(!lt_arch_parse(s, "tiny:r8|w1|stem:k3|a:c8,k3e1|b:d1|head:c16", &a, &e), "a good string: %s", e.msg);
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        char column[32];
        lt_status st;

        snprintf(column, sizeof(column), "column %d:", t[i].column);
        st = lt_arch_parse(s, t[i].text, &a, &e);
        lt_ok(st == LT_EINVAL && strstr(e.msg, column) && strstr(e.msg, t[i].says), "bad string %d: %s", (int)i, e.msg);
    }
    a.g[0] = 200;
    {
        struct lt_graph *g = NULL;

        lt_ok(lt_space_expand(s, &a, &g, &e) == LT_EINVAL && !g && strstr(e.msg, "resolution"),
              "a choice out of range does not expand: %s", e.msg);
        a = (struct lt_arch){.n = 2};
        lt_ok(lt_space_expand(s, &a, &g, &e) == LT_EINVAL && !g && strstr(e.msg, "tiny"),
              "nor does a foreign architecture: %s", e.msg);
    }
    lt_space_free(s);
}

/* ---- variation ---- */

static bool is_canonical(const struct lt_space *s, const struct lt_arch *a) {
    struct lt_arch c = *a;
    bool ok = a->n == lt_space_n_genes(s);

    lt_space_canonical(s, &c);
    for (int i = 0; i < a->n; i++) ok &= a->g[i] < lt_space_gene(s, i)->n_choices;
    return ok && !memcmp(c.g, a->g, sizeof(c.g));
}

static void variation(void) {
    static const char *const text[] = {tiny, rich};
    static const double p[] = {0, 0.1, 1};

    for (int i = 0; i < 2; i++) {
        struct lt_space *s = must(text[i]);
        int unchanged = 0, loose = 0, foreign = 0, fresh = 0, deeper = 0;
        int64_t seen[LT_MAX_GENES][8] = {{0}}, rare = 0;
        struct lt_arch a, b, c;
        struct lt_rng r;

        if (!s) continue;
        for (int k = 0; k < 6000; k++) {
            lt_rng_at(&r, SEED, LT_RNG_TEST, 3, (uint64_t)k);
            lt_space_sample(s, &r, &a);
            lt_space_sample(s, &r, &b);
            loose += !is_canonical(s, &a);
            for (int g = 0; g < a.n; g++) {
                if (lt_space_gene_active(s, &a, g)) seen[g][a.g[g]]++;
            }
            c = a;
            lt_space_mutate(s, &r, p[k % 3], &c);
            loose += !is_canonical(s, &c);
            unchanged += lt_arch_equal(&a, &c);
            for (int g = 0; g < a.n; g++) {
                if (lt_space_gene_active(s, &c, g) && !lt_space_gene_active(s, &a, g)) {
                    deeper++;
                    fresh += c.g[g] != 0;
                }
            }
            lt_space_crossover(s, &r, &a, &b, &c);
            loose += !is_canonical(s, &c);
            for (int g = 0; g < a.n; g++) {
                if (!lt_space_gene_active(s, &c, g)) continue;
                foreign += !(lt_space_gene_active(s, &a, g) && c.g[g] == a.g[g]) &&
                           !(lt_space_gene_active(s, &b, g) && c.g[g] == b.g[g]);
            }
        }
        lt_ok(loose == 0, "space %d: samples, mutants and children are canonical", i);
        lt_ok(unchanged == 0, "a mutant always differs");
        lt_ok(foreign == 0, "an active gene of a child comes from a parent in which it is active");
        lt_ok(deeper > 100 && fresh > deeper / 4,
              "blocks that a mutation adds start anywhere (%d of %d genes not at 0)", fresh, deeper);
        for (int g = 0; g < lt_space_n_genes(s); g++) {
            int64_t total = 0, n = lt_space_gene(s, g)->n_choices;

            for (int k = 0; k < n; k++) total += seen[g][k];
            /* binomial: 5 standard deviations from total / n */
            for (int k = 0; k < n; k++)
                rare += fabs((double)seen[g][k] - (double)total / (double)n) >
                        5 * sqrt((double)total * (1.0 / (double)n) * (1 - 1.0 / (double)n));
        }
        lt_ok(rare == 0, "samples are uniform in every gene");
        lt_rng_at(&r, SEED, LT_RNG_TEST, 4, 0);
        lt_space_crossover(s, &r, &a, &a, &c);
        lt_ok(lt_arch_equal(&a, &c), "the child of twins is their twin");
        lt_space_free(s);
    }
    {
        struct lt_space *s = must(fixed);
        struct lt_arch a, b;
        struct lt_rng r;

        lt_rng_at(&r, SEED, LT_RNG_TEST, 5, 0);
        lt_space_sample(s, &r, &a);
        b = a;
        lt_space_mutate(s, &r, 1, &b);
        lt_ok(lt_space_n_genes(s) == 0 && lt_arch_equal(&a, &b), "a space of one network is left in peace");
        lt_space_free(s);
    }
}

/* ---- expansion ---- */

static int view_faults(const struct lt_graph *sub, const struct lt_graph *big) {
    int faults = 0;

    for (int i = 0; i < sub->n_params; i++) {
        const struct lt_param *p = &sub->param[i], *q;
        int k = lt_graph_find_param(big, p->name);

        if (k < 0) {
            faults++;
            continue;
        }
        q = &big->param[k];
        faults += p->role != q->role || p->n_dims != q->n_dims;
        for (int d = 0; d < p->n_dims; d++) faults += p->dim[d] > q->dim[d];
        if (p->n_dims == 4) faults += (q->dim[2] - p->dim[2]) % 2 != 0;
    }
    return faults;
}

static void views(void) {
    static const char *const text[] = {tiny, rich};

    for (int i = 0; i < 2; i++) {
        struct lt_space *s = must(text[i]);
        struct lt_arch a, large, small;
        struct lt_graph *big = NULL, *g = NULL;
        struct lt_cost cb, cs, c;
        int faults = 0, outside = 0, misnamed = 0, out = 0;
        struct lt_buf name = LT_BUF_INIT;
        struct lt_err e = {0};

        if (!s) continue;
        lt_space_largest(s, &large);
        lt_space_smallest(s, &small);
        if (lt_space_expand(s, &small, &g, &e) || lt_space_expand(s, &large, &big, &e)) {
            lt_ok(false, "the extremes expand: %s", e.msg);
            continue;
        }
        lt_graph_cost(big, NULL, &cb);
        lt_graph_cost(g, NULL, &cs);
        lt_graph_free(g);
        for (int k = 0; k < 1000; k++) {
            struct lt_rng r;

            lt_rng_at(&r, SEED, LT_RNG_TEST, 6, (uint64_t)k);
            lt_space_sample(s, &r, &a);
            g = NULL;
            if (lt_space_expand(s, &a, &g, &e)) {
                faults++;
                continue;
            }
            faults += view_faults(g, big);
            lt_graph_cost(g, NULL, &c);
            outside += c.macs > cb.macs || c.params > cb.params || c.macs < cs.macs || c.params < cs.params;
            out += lt_shape_count(&g->node[g->output].out) != lt_space_classes(s) ||
                   g->node[g->output].op != LT_OP_LINEAR || g->node[0].out.d[2] != lt_space_resolution(s, &a) ||
                   g->node[0].out.d[1] != lt_space_input_channels(s);
            lt_buf_clear(&name);
            lt_arch_print(s, &a, &name);
            misnamed += strcmp(name.data, g->name) != 0;
            lt_graph_free(g);
        }
        lt_ok(faults == 0, "space %d: each of 1000 networks is a view of the largest (%d faults)", i, faults);
        lt_ok(outside == 0, "and costs no more than it, and no less than the smallest");
        lt_ok(out == 0 && misnamed == 0, "graphs end in logits and are named by their string");
        lt_buf_release(&name);
        lt_graph_free(big);
        lt_space_free(s);
    }
}

static void node_names(void) {
    static const char *const want[] = {"image",
                                       "stem.conv",
                                       "stem.bn",
                                       "stem.act",
                                       "a.b0.dw",
                                       "a.b0.dw_bn",
                                       "a.b0.dw_act",
                                       "a.b0.project",
                                       "a.b0.project_bn",
                                       "a.b1.expand",
                                       "a.b1.expand_bn",
                                       "a.b1.expand_act",
                                       "a.b1.dw",
                                       "a.b1.dw_bn",
                                       "a.b1.dw_act",
                                       "a.b1.project",
                                       "a.b1.project_bn",
                                       "a.b1.add",
                                       "b.b0.conv",
                                       "b.b0.bn",
                                       "b.b0.act",
                                       "head.conv",
                                       "head.bn",
                                       "head.act",
                                       "gap",
                                       "fc"};
    struct lt_space *s = must(tiny), *t = must(rich);
    struct lt_graph *g = NULL;
    struct lt_arch a;
    struct lt_err e = {0};
    bool same = true;

    if (!s || !t) return;
    lt_ok(!lt_arch_parse(s, "tiny:r12|w1|stem:k3|a:c24,k5e1,k3e1.5|b:d1|head:c32", &a, &e) &&
              !lt_space_expand(s, &a, &g, &e),
          "expanded: %s", e.msg);
    if (g) {
        for (int i = 0; i < g->n_nodes; i++)
            same &= i < (int)(sizeof(want) / sizeof(*want)) && !strcmp(g->node[i].name, want[i]);
        lt_ok(same && g->n_nodes == (int)(sizeof(want) / sizeof(*want)), "node names, in order");
        lt_ok(g->node[lt_graph_find(g, "a.b0.dw")].out.d[2] == 6 && g->node[lt_graph_find(g, "a.b0.dw")].out.d[1] == 8,
              "expansion 1 keeps the stem's 8 channels; stride 2 halves 12 to 6");
        lt_ok(g->node[lt_graph_find(g, "a.b1.dw")].out.d[1] == 40, "24 * 1.5 = 36 is rounded to 40");
        lt_graph_free(g);
    }
    g = NULL;
    lt_space_largest(t, &a);
    lt_ok(!lt_space_expand(t, &a, &g, &e), "a rich space expands");
    if (g) {
        int se = lt_graph_find(g, "s1.b0.se_mul"), act = lt_graph_find(g, "s1.b0.dw_act"),
            last = lt_graph_find(g, "s3.b0.dw_act"), stem = lt_graph_find(g, "stem.act");

        lt_ok(se > 0 && g->node[se].in[0] == act && g->node[lt_graph_find(g, "s1.b0.project")].in[0] == se,
              "squeeze-excite sits between depthwise and projection");
        lt_ok(g->node[act].act == LT_ACT_HSWISH && g->node[last].act == LT_ACT_SILU &&
                  g->node[stem].act == LT_ACT_RELU6,
              "activations: the space's, the stage's, the stem's");
        lt_graph_free(g);
    }
    lt_space_free(s);
    lt_space_free(t);
}

/* ---- features, hash ---- */

static void features(void) {
    struct lt_space *s = must(tiny);
    double f[128];
    struct lt_arch a;
    int ones = 0, active = 0, wrong = 0, at = 0;

    if (!s) return;
    lt_space_smallest(s, &a);
    lt_space_features(s, &a, f);
    for (int g = 0; g < a.n; g++) {
        bool on = lt_space_gene_active(s, &a, g);

        active += on;
        for (int k = 0; k < lt_space_gene(s, g)->n_choices; k++, at++) {
            ones += f[at] == 1;
            wrong += f[at] != (on && k == a.g[g] ? 1 : 0);
        }
    }
    lt_ok(at == lt_space_n_features(s) && wrong == 0 && ones == active && active < a.n,
          "one-hot where active: %d ones, %d of %d genes active", ones, active, (int)a.n);
    lt_space_free(s);
}

static void hashes(void) {
    static const struct {
        const char *from, *to;
    } edit[] = {{"tiny", "tinz"},
                {"[8, 12]", "[8, 11]"},
                {"classes: 4", "classes: 5"},
                {"[1, 1.5]", "[1, 1.25]"},
                {"stride: 2", "stride: 1"},
                {"[16, 32]", "[16, 40]"},
                {"block: conv, channels: 16", "block: conv, channels: 24"},
                {"schema: 1\n", "schema: 1\nact: silu\n"}};
    struct lt_space *s = must(tiny), *t;
    uint64_t h = lt_space_hash(s);

    t = must(
        "# comment\nschema: 1\nname: tiny\nabout: the same\ninput: {resolution: [8, 12], channels: 3}\nclasses: "
        "4\nwidth: [0.5, 1]\n"
        "stem: {block: conv, channels: 8, kernel: [1, 3], stride: 1}\nstages:\n"
        "  - {name: a, block: mbconv, channels: [8, 24], depth: [1, 2], stride: 2, kernel: [3, 5], expand: [1, 1.5]}\n"
        "  - {name: b, block: conv, kernel: [3], channels: 16, depth: [1, 3]}\nhead: {channels: [16, 32], act: "
        "relu}\n");
    lt_ok(lt_space_hash(t) == h, "layout, comments, order and spelled-out defaults do not change a space's hash");
    lt_space_free(t);
    for (size_t i = 0; i < sizeof(edit) / sizeof(*edit); i++) {
        char text[2048];
        const char *at = strstr(tiny, edit[i].from);

        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - tiny), tiny, edit[i].to, at + strlen(edit[i].from));
        t = must(text);
        lt_ok(t && lt_space_hash(t) != h, "edit %d does (%.10s...)", (int)i, edit[i].from);
        lt_space_free(t);
    }
    lt_space_free(s);
}

int main(void) {
    lt_note("seed %d", SEED);
    bad_files();
    out_of_memory();
    counting();
    strings();
    bad_strings();
    variation();
    views();
    node_names();
    features();
    hashes();
    return lt_done();
}
