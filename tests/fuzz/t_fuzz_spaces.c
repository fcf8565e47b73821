/*
 * The language of space files, damaged: whole files with every part of the language are cut, mixed and spliced. The
 * answer is a space whose networks come back from their strings and whose count and samples agree, or a refusal with a
 * place; memory is given back. LT_LONG=1 in the environment: 20 times as much.
 */
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/space.h"
#include "tests/tap.h"

enum { SEED = 9, ROUNDS = 6000, CAP = 4096 };

static const char *const base[] = {
    "schema: 1\nname: f1\ninput: {channels: 3, resolution: [16, 24]}\nclasses: 4\nwidth: [0.5, 1]\nact: hswish\n"
    "choices:\n  m: [small, large]\n  w: [8, 16, 24]\n  k: {choice: [3, 5], when: {m: large}, else: 3}\n"
    "blocks:\n  a: {block: mbconv, kernel: 3, expand: [1, 2]}\n  b: {block: tucker, in_rate: 0.5, out_rate: [0.5, 1]}\n"
    "stem: {block: conv, channels: 8, kernel: 3, stride: 2}\nstages:\n"
    "  - {name: s1, block: [a, b, skip], channels: w, depth: [1, 2], stride: 2}\n"
    "  - {name: s2, block: {choice: [mbconv, fused_mbconv], per: stage}, channels: round8(w * 1.5), depth: s1.depth, "
    "kernel: "
    "{choice: [3, 5], per: stage}, expand: 2, when: {m: large}}\n"
    "  - {repeat: 2, as: i, stages: [{name: 'r{i}', block: conv, channels: 8 * i, depth: 1, kernel: k}]}\n"
    "head: {channels: [16, 32]}\n",
    "schema: 1\nname: f2\ninput: {channels: 2, resolution: 12}\nclasses: 3\ndivisor: 4\nstages:\n"
    "  - {name: s1, block: mbconv, channels: {each: [8, [8, 12]]}, stride: {each: [2, 1]}, depth: 2, kernel: {each: "
    "[3, [3, "
    "5]]}, expand: [1, 2], groups: 2, se: [0, 0.25], first: {expand: 1}, tap: output}\n"
    "  - {name: s2, block: [bottleneck, skip], channels: 16, depth: 1, expand: 0.5}\n"
    "head: [{op: conv, channels: 8}, {op: ssdlite, anchors: 2, extra: [8]}]\n"
    "table:\n  - {column: 'k', gene: s1.b1.kernel, values: [a, b]}\n  - {column: m, mean: 's1.b{0..1}.se'}\n"
    "networks:\n  - {name: n, arch: 'f2:s1:s0,k3e1s0c8|s2:skip', macs: 1.5M, source: x}\n"
    "override: {stages.s2.depth: 1}\n",
};

static size_t damage(struct lt_rng *r, char *t, size_t n) {
    static const char pieces[] = "[]{}:,- \n0123456789.*()smkwabe'\"";
    uint32_t times = 1 + lt_rng_below(r, 2);

    for (uint32_t i = 0; i < times && n > 1; i++) {
        size_t at = lt_rng_below(r, (uint32_t)n), len = 1 + lt_rng_below(r, 24), from;

        if (len > n - at) len = n - at;
        from = lt_rng_below(r, (uint32_t)(n - len + 1));
        switch (lt_rng_below(r, 7)) {
        case 0:
            t[at] = pieces[lt_rng_below(r, sizeof(pieces) - 1)];
            break;
        case 1:
            memmove(t + at, t + at + len, n - at - len);
            n -= len;
            break;
        case 2:
            if (n + len >= CAP) break;
            memmove(t + at + len, t + at, n - at);
            n += len;
            break;
        case 3:
            memmove(t + at, t + from, len);
            break;
        default:
            for (; at < n && !(t[at] >= '0' && t[at] <= '9'); at++) {}
            if (at < n) t[at] = (char)('0' + (int)lt_rng_below(r, 10));
        }
    }
    return n;
}

/* NULL, or what is wrong with a space that was accepted. */
static const char *sound(const struct lt_space *s, struct lt_rng *r, int *expanded) {
    struct lt_err e = {0};

    for (int i = 0; i < 3; i++) {
        struct lt_buf b = LT_BUF_INIT;
        struct lt_graph *g = NULL;
        struct lt_arch a, back;
        const char *wrong = NULL;

        if (i == 0)
            lt_space_largest(s, &a);
        else if (i == 1)
            lt_space_sample(s, r, &a);
        else
            lt_space_sample_uniform(s, r, &a);
        lt_arch_print(s, &a, &b);
        if (lt_arch_parse(s, b.data, &back, &e) || !lt_arch_equal(&a, &back)) wrong = "a string does not come back";
        if (!lt_space_expand(s, &a, &g, &e))
            (*expanded)++;
        else if (i == 0 || !strstr(e.msg, "f.yaml:"))
            wrong = "a network does not expand and the message has no place";
        if (wrong) lt_note("%s: %s", b.data, e.msg);
        lt_graph_free(g);
        lt_buf_release(&b);
        if (wrong) return wrong;
    }
    return NULL;
}

int main(void) {
    int rounds = getenv("LT_LONG") ? 20 * ROUNDS : ROUNDS, accepted = 0, refused = 0, expanded = 0, wrong = 0;
    int64_t live = lt_mem_live();

    lt_note("seed %d", SEED);
    for (int i = 0; i < 2; i++) {
        struct lt_yaml *y = NULL;
        struct lt_space *s = NULL;
        struct lt_err e = {0};

        lt_ok(!lt_yaml_parse("f.yaml", base[i], strlen(base[i]), &y, &e) && !lt_space_parse_yaml(y, &s, &e),
              "file %d is sound: %s", i, e.msg);
        lt_space_free(s);
        lt_yaml_free(y);
    }
    for (int i = 0; i < rounds; i++) {
        char t[CAP];
        struct lt_rng r;
        struct lt_yaml *y = NULL;
        struct lt_space *s = NULL;
        struct lt_err e = {0};
        const char *why = NULL;
        size_t n = strlen(base[i % 2]);
        lt_status st;

        lt_rng_at(&r, SEED, LT_RNG_TEST, 0, (uint64_t)i);
        memcpy(t, base[i % 2], n);
        n = damage(&r, t, n);
        if (!(st = lt_yaml_parse("f.yaml", t, n, &y, &e))) st = lt_space_parse_yaml(y, &s, &e);
        lt_yaml_free(y);
        if (!st) {
            accepted++;
            why = sound(s, &r, &expanded);
        } else {
            refused++;
            if (s || !strstr(e.msg, "f.yaml:")) why = "a refusal without a place";
        }
        if (why && wrong++ < 3) lt_note("round %d: %s: %s\n%.*s", i, why, e.msg, (int)n, t);
        lt_space_free(s);
        if (lt_mem_live() != live) {
            lt_note("round %d leaks", i);
            wrong++;
            live = lt_mem_live();
        }
    }
    lt_ok(wrong == 0, "%d damaged files: %d accepted, %d networks expanded, %d refused", rounds, accepted, expanded,
          refused);
    lt_ok(accepted > rounds / 25 && refused > rounds / 25, "both answers are met");
    return lt_done();
}
