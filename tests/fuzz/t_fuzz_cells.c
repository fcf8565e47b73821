/*
 * Damaged cells: architecture strings of NAS-Bench-201 and DARTS, cells of latency tables, and space files of cells,
 * cut, flipped and mixed deterministically. The answer is an architecture that prints and parses back as itself, or a
 * refusal that names the place; a refusal changes nothing of the caller's; memory is given back. LT_LONG=1: 20 times as
 * much.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "lathe/space.h"
#include "tests/tap.h"

enum { SEED = 11, MAX = 8192 };

static const char small[] =
    "schema: 1\nname: small\ninput: {channels: 3, resolution: 16}\nclasses: 4\ndivisor: 1\ncells:\n  unused: drop\n"
    "  operations:\n    none: [zero]\n    skip: {steps: [], strided: [relu, factorized, bn]}\n"
    "    conv: [relu, {conv: 3, stride: 1}, bn]\n    sep: [relu, {dw: 3, dilation: 2}, {conv: 1, groups: 1}, bn]\n"
    "    pool: [{max: 3, pad: 1}]\n  choices: [skip, conv, sep, pool]\n  kinds:\n"
    "    - {name: a, inputs: 2, nodes: 3, keep: 2, preprocess: conv, output: concat}\n"
    "    - {name: b, inputs: 1, nodes: 2, output: sum, choices: [none, conv], edges: [{from: 0, to: 1}, {from: 0, to: "
    "2, "
    "operation: [conv, sep]}, {from: 1, to: 2, operation: conv}]}\n"
    "  stack:\n    - {name: stem, steps: [{conv: 3}, bn], channels: 8}\n    - {name: s1, cell: b, repeat: [1, 2], "
    "channels: 8}\n"
    "    - {name: s2, cell: a, repeat: 1, channels: [8, 12]}\n    - {name: last, steps: [bn, relu]}\n";

static size_t damage(struct lt_rng *r, char *t, size_t n, const char *pieces) {
    uint32_t times = 1 + lt_rng_below(r, 3), n_pieces = (uint32_t)strlen(pieces);

    for (uint32_t i = 0; i < times && n; i++) {
        size_t at = lt_rng_below(r, (uint32_t)n), len = 1 + lt_rng_below(r, 12), from;

        if (len > n - at) len = n - at;
        switch (lt_rng_below(r, 5)) {
        case 0:
            t[at] = (char)(1 + lt_rng_below(r, 255));
            break;
        case 1:
            t[at] = pieces[lt_rng_below(r, n_pieces)];
            break;
        case 2: /* a lost middle */
            memmove(t + at, t + at + len, n - at - len);
            n -= len;
            break;
        case 3: /* doubled */
            if (n + len >= MAX) break;
            memmove(t + at + len, t + at, n - at);
            n += len;
            break;
        default: /* from elsewhere */
            from = lt_rng_below(r, (uint32_t)(n - len + 1));
            memmove(t + at, t + from, len);
        }
    }
    t[n] = 0;
    return n;
}

static int rounds(int n) { return getenv("LT_LONG") ? 20 * n : n; }

/* Does an accepted architecture hold together? */
static bool sound(const struct lt_space *s, const struct lt_arch *a) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_arch again;
    bool ok;

    lt_arch_print(s, a, &b);
    ok = b.data && !lt_arch_parse(s, b.data, &again, NULL) && lt_arch_equal(a, &again);
    lt_buf_release(&b);
    return ok;
}

static void strings(const char *name, const struct lt_space *s, int n) {
    int accepted = 0, refused = 0, wrong = 0;
    char text[MAX];

    for (int i = 0; i < n; i++) {
        struct lt_arch a, before;
        struct lt_rng r;
        struct lt_err e = {0};
        struct lt_buf b = LT_BUF_INIT;
        lt_status st;

        lt_rng_at(&r, SEED, LT_RNG_TEST, 0, (uint64_t)i);
        lt_space_sample(s, &r, &a);
        lt_arch_print(s, &a, &b);
        snprintf(text, sizeof(text), "%s", b.data ? b.data : "");
        damage(&r, text, strlen(text), "|+~;:0123456789ncspo_,-'()[]= ");
        memset(&before, 0x5a, sizeof(before));
        a = before;
        st = lt_arch_parse(s, text, &a, &e);
        accepted += !st;
        refused += st == LT_EINVAL;
        if (st ? memcmp(&a, &before, sizeof(a)) || !strstr(e.msg, "column") : !sound(s, &a)) {
            if (!wrong++) lt_note("%s: '%s': %s", name, text, e.msg);
        }
        lt_buf_release(&b);
    }
    lt_ok(!wrong && refused > n / 2 && accepted + refused == n, "%s: %d damaged strings refused, %d still right", name,
          refused, accepted);
}

/* Rows of the latency table: operations by number, and the cell's string beside them. */
static void rows(const struct lt_space *s, int n) {
    int accepted = 0, wrong = 0, k = lt_space_n_columns(s);

    for (int i = 0; i < n; i++) {
        char text[16][512];
        const char *cell[16];
        struct lt_arch a, b;
        struct lt_rng r;
        struct lt_err e = {0};
        struct lt_buf row = LT_BUF_INIT;
        char *at;

        lt_rng_at(&r, SEED, LT_RNG_TEST, 1, (uint64_t)i);
        lt_space_sample(s, &r, &a);
        if (lt_space_row_print(s, &a, &row)) continue;
        at = row.data;
        for (int c = 0; c < k && c < 16; c++) {
            size_t len = strcspn(at, ",");

            snprintf(text[c], sizeof(text[c]), "%.*s", (int)len, at);
            at += len + (at[len] == ',');
            cell[c] = text[c];
        }
        int c = (int)lt_rng_below(&r, (uint32_t)k);
        damage(&r, text[c], strlen(text[c]), "|+~0123456789.e-n");
        memset(&b, 0x5a, sizeof(b));
        if (!lt_space_row_parse(s, cell, &b, &e)) {
            accepted++;
            wrong += !sound(s, &b);
        } else {
            wrong += !e.msg[0];
        }
        lt_buf_release(&row);
    }
    lt_ok(!wrong && accepted < n / 2, "%d damaged rows, %d of them still right", n, accepted);
}

static void files(int n) {
    int accepted = 0, wrong = 0;
    char text[MAX];

    for (int i = 0; i < n; i++) {
        struct lt_yaml *root = NULL;
        struct lt_space *s = NULL;
        struct lt_err e = {0};
        struct lt_rng r;
        struct lt_arch a;

        lt_rng_at(&r, SEED, LT_RNG_TEST, 2, (uint64_t)i);
        memcpy(text, small, sizeof(small));
        size_t len = i ? damage(&r, text, sizeof(small) - 1, "{}[]:, -0123456789ab\n") : sizeof(small) - 1;
        if (lt_yaml_parse("damaged", text, len, &root, &e)) {
            wrong += !strstr(e.msg, "damaged:");
            continue;
        }
        if (lt_space_parse_yaml(root, &s, &e)) {
            if (!e.msg[0] && !wrong++) lt_note("no message: %s", text);
        } else {
            accepted++;
            lt_space_sample(s, &r, &a);
            if (!sound(s, &a) && !wrong++) lt_note("unsound: %s", text);
        }
        if (!i) lt_ok(s != NULL, "the undamaged file is right: %s", e.msg);
        lt_space_free(s);
        lt_yaml_free(root);
    }
    lt_ok(!wrong && accepted > 0, "%d damaged files, %d of them still right", n, accepted);
}

int main(void) {
    static const char *const names[] = {"nasbench201", "darts"};
    const char *srcdir = getenv("LT_SRCDIR");
    int64_t live = lt_mem_live();

    for (int i = 0; i < 2; i++) {
        struct lt_space *s = NULL;
        struct lt_err e = {0};
        char path[512];

        snprintf(path, sizeof(path), "%s/spaces/%s.yaml", srcdir ? srcdir : ".", names[i]);
        if (!lt_ok(!lt_space_load(path, &s, &e), "%s is read: %s", names[i], e.msg)) continue;
        strings(names[i], s, rounds(4000));
        if (!i) rows(s, rounds(2000));
        lt_space_free(s);
    }
    files(rounds(5000));
    lt_ok(lt_mem_live() == live, "all memory is given back");
    return lt_done();
}
