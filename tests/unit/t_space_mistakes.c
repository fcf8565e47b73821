/*
 * Mistakes in the language of space files: each is refused with the line and column where it stands and words that say
 * what would be right; nothing leaks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lathe/mem.h"
#include "lathe/space.h"
#include "tests/tap.h"

#define TOP "schema: 1\nname: t\ninput: {channels: 3, resolution: 16}\nclasses: 4\n"
#define TEXT "schema: 1\nname: t\ninput: {tokens: 7}\nclasses: 4\n"
#define ONE "stages:\n  - {name: s, block: conv, channels: 8, depth: [1, 2]}\n"

/* As many kinds of blocks with as many keys as there can be. */
#define KINDS(p)                                                                                                       \
    "  " p "0: {block: transformer}\n  " p "1: {block: transformer}\n  " p "2: {block: transformer}\n  " p             \
    "3: {block: transformer}\n  " p "4: {block: transformer}\n  " p "5: {block: transformer}\n  " p                    \
    "6: {block: transformer}\n  " p "7: {block: transformer}\n"
#define NAMES(p) p "0, " p "1, " p "2, " p "3, " p "4, " p "5, " p "6, " p "7"

static const struct {
    const char *text, *place, *says;
} bad[] = {
    {TOP "stages:\n  - {name: s, block: mbconvv, channels: 8, depth: 1, expand: 2}\n", "6:22", "did you mean 'mbconv'"},
    {TOP "stages:\n  - {name: s, block: [conv, skipp], channels: 8, depth: 1}\n", "6:29", "did you mean 'skip'"},
    {TOP "stages:\n  - {name: s, block: [conv, conv], channels: 8, depth: 1}\n", "6:29", "listed twice"},
    {TOP "stages:\n  - {name: s, block: [], channels: 8, depth: 1}\n", "6:22", "at least one kind"},
    {TOP "stages:\n  - {name: s, block: mbconv, channels: 10, depth: 1, expand: 1, groups: 3}\ndivisor: 2\n", "6:5",
     "groups"},
    {TOP "stages:\n  - {name: s, block: conv, channels: 8, depth: []}\n", "6:48", "empty list"},
    {TOP "stages:\n  - {name: s, block: conv, channels: 8, depth: 1, stride: 4}\n"
         "  - {name: z, block: conv, channels: 8, depth: 1, stride: 8}\n",
     "7:5", "too small"},
    {TOP ONE "  - {name: s, block: conv, channels: 8, depth: 1}\n", "7:12", "two stages are called 's'"},
    {TOP "stages:\n  - {name: s, block: conv, channels: 8, depth: 1, kernel: {choice: [3, 5], when: {z.depth: 1}, "
         "else: 3}}\n"
         "  - {name: z, block: conv, channels: 8, depth: [1, 2]}\n",
     "6:83", "can only look back"},
    {TOP "choices: {m: [a, b]}\nstages:\n"
         "  - {name: s, block: conv, channels: 8, depth: 1, kernel: {choice: [3, 5], when: {mm: a}, else: 3}}\n",
     "7:83", "there is no choice 'mm', did you mean 'm'"},
    {TOP "choices: {m: [a, b]}\nstages:\n"
         "  - {name: s, block: conv, channels: 8, depth: 1, kernel: {choice: [3, 5], when: {m: c}, else: 3}}\n",
     "7:86", "'c'"},
    {TOP "choices: {m: [a, b]}\nstages:\n"
         "  - {name: s, block: conv, channels: 8, depth: 1, kernel: {choice: [3, 5], when: {m: a}}}\n",
     "7:59", "'else' is missing"},
    {TOP "choices: {m: [1, 2]}\n" ONE, "5:11", "nothing in the space depends on 'm'"},
    {TOP "choices: {width: [1, 2]}\n" ONE, "5:11", "not free"},
    {TOP "choices: {w: [8, 16]}\nstages:\n  - {name: s, block: conv, channels: ww * 2, depth: 1}\n", "7:38",
     "did you mean 'w'"},
    {TOP "choices: {w: [8, 16]}\nstages:\n  - {name: s, block: conv, channels: w * , depth: 1}\n", "7:41",
     "a number or a name"},
    {TOP "choices: {w: [8, 16]}\nstages:\n  - {name: s, block: conv, channels: w / 3, depth: 1}\n", "7:38",
     "no whole number"},
    {TOP "choices: {w: [8, 16]}\nstages:\n  - {name: s, block: conv, channels: 'round8(w', depth: 1}\n", "7:47",
     "expected ')'"},
    {TOP
     "choices: {w: [1, 2]}\nstages:\n  - {name: s, block: conv, channels: {tie: w, values: [8, 16, 24]}, depth: 1}\n",
     "7:55", "3 values for the 2 choices"},
    {TOP "stages:\n  - {name: s, block: conv, channels: 8, depth: [1, 2], kernel: {each: [3, 5, 7]}}\n", "6:71",
     "3 values for the 2 blocks"},
    {TOP "stages:\n  - {name: s, block: [mbconv, skip], channels: 8, depth: 2, kernel: {choice: [3, 5], per: stage}, "
         "expand: 2}\n",
     "6:69", "chosen block by block"},
    {TOP "stages:\n  - {name: s, block: mbconv, channels: 8, depth: 1, expand: 2, skip: maybe}\n", "6:70", "identity"},
    {TOP "stages:\n  - {repeat: 2, as: i, stages: [{name: s, block: conv, channels: 8, depth: 1}]}\n", "6:40", "{i}"},
    {TOP "blocks: {k3: {block: conv, kernle: 3}}\nstages:\n  - {name: s, block: k3, channels: 8, depth: 1}\n", "5:28",
     "kernel"},
    {TOP ONE "head: [{op: conv, channels: 8}, {op: clasifier}]\n", "7:38", "did you mean 'classifier'"},
    {TOP ONE "head: [{op: conv, channels: 8, kernel: 2}, {op: pool}, {op: classifier}]\n", "7:40", "odd"},
    {TOP ONE "table: [{column: d, gene: s.dept}]\n", "7:27", "did you mean 's.depth'"},
    {TOP "cells:\n  operations: {skip: [], act: [relu]}\n  choices: [skip, act]\n  kinds:\n"
         "    - {name: k, inputs: 2, nodes: 10, output: last}\n  stack:\n"
         "    - {name: a, cell: k, channels: 3}\n",
     "9:7", "65 edges between all nodes, at most 64"},
    {TEXT "blocks:\n" KINDS("a") KINDS("b") KINDS("c") KINDS("d") "stages:\n  - {name: s, block: [" NAMES(
         "a") ", " NAMES("b") ", " NAMES("c") ", " NAMES("d") "], channels: 8, depth: 1, zzz: 1}\n",
     "39:175", "'zzz'"},
    {TOP "choices:\n  c0: [1, 2]\n  c1: {choice: [1, 2], when: {c0: 2}, else: 1}\nstages:\n"
         "  - {name: s, block: conv, channels: 8 * c0 * c1, depth: 1}\ntable: [{column: m, mean: 'c{0..1}'}]\n",
     "10:27", "one decides whether the other exists"},
    {TOP ONE "networks: [{name: n, arch: 't:s:d3', macs: 1, source: x}]\n", "7:28", "column 5"},
    {TOP ONE "networks: [{name: n, arch: 't:s:d2', macs: many, source: x}]\n", "7:44", "no count"},
    {TOP ONE "include: nowhere.yaml\n", "7:10", "cannot be read"},
    {TOP ONE "override: {stages.x.depth: 1}\n", "7:12", "there is no 'x'"},
    {TOP "stages:\n  - {name: s, block: conv, channels: 8, depth: 1, tap: expand}\n", "6:5", "no expansion"},
    {TOP "stages:\n  - {name: s, block: hiera, channels: 8, depth: 1, heads: 1, unit: 3, stride: 2}\n", "6:5",
     "squares of side 3 cannot be pooled by stride 2"},
    {TOP "stages:\n  - {name: s, block: hiera, channels: 8, depth: 1, heads: 1, unit: 1, stride: 2}\n", "6:5",
     "must be a multiple"},
    {TOP "stem: {block: patches, channels: 8, patch: 4, stride: 2}\n" ONE, "5:7", "leave it out"},
    {TOP "stages:\n  - {name: s, block: next_transformer, channels: 32, depth: 1}\n", "6:5", "attention and the rest"},
    {TEXT "stem: {block: embedding, channels: 8, vocab: 5, target: 1}\n"
          "stages:\n  - {name: s, block: transformer, channels: 8, depth: 1}\n",
     "5:7", "7 tokens are not two sequences"},
    {TEXT "stem: {block: embedding, channels: 8, vocab: 5}\n"
          "stages:\n  - {name: s, block: transformer, channels: 8, depth: 1, stride: 2}\n",
     "7:5", "stride 2: this block has none"},
    {TEXT "stem: {block: embedding, channels: 8, vocab: 5}\n"
          "stages:\n  - {name: s, block: transformer, channels: 8, depth: 1, heads: 9}\n",
     "7:5", "9 heads for 8 features"},
    {TEXT "stem: {block: embedding, channels: 8, vocab: 5}\n"
          "stages:\n  - {name: s, block: decoder, channels: 8, depth: 1, heads: 1, cross_heads: 1, ffn: 8}\n",
     "7:5", "the last 1 encoder layers, there are 0"},
};

static lt_status read_space(const char *text, struct lt_space **out, struct lt_err *e) {
    struct lt_yaml *root = NULL;
    lt_status s = lt_yaml_parse("t.yaml", text, strlen(text), &root, e);

    if (!s) s = lt_space_parse_yaml(root, out, e);
    lt_yaml_free(root);
    return s;
}

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");

    if (!f) return;
    fputs(text, f);
    fclose(f);
}

/* a includes b includes a */
static void cyclic(void) {
    struct lt_space *s = NULL;
    struct lt_err e = {0};
    char a[64], b[64], text[128];

    snprintf(a, sizeof(a), "cycle_a_%d.yaml", (int)getpid());
    snprintf(b, sizeof(b), "./cycle_b_%d.yaml", (int)getpid());
    snprintf(text, sizeof(text), "include: %s\n", b);
    write_file(a, text);
    snprintf(text, sizeof(text), "schema: 1\ninclude: %s\n", a);
    write_file(b, text);
    lt_ok(lt_space_load(a, &s, &e) == LT_EINVAL && strstr(e.msg, ":2:10: ") && strstr(e.msg, "includes itself"),
          "a cycle of includes: %s", e.msg);
    unlink(a);
    unlink(b);
}

int main(void) {
    int64_t live = lt_mem_live();

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct lt_space *s = NULL;
        struct lt_err e = {0};
        char place[32];

        snprintf(place, sizeof(place), "t.yaml:%s:", bad[i].place);
        lt_ok(read_space(bad[i].text, &s, &e) == LT_EINVAL && !s && !strncmp(e.msg, place, strlen(place)) &&
                  strstr(e.msg, bad[i].says),
              "mistake %d: wanted %s, got: %s", (int)i, bad[i].place, e.msg);
        lt_space_free(s);
    }
    cyclic();
    lt_ok(lt_mem_live() == live, "mistakes leak nothing");
    return lt_done();
}
