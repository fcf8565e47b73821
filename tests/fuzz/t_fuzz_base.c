/*
 * YAML, JSON and CSV readers fed with damaged text: a small corpus, mutated deterministically. Whatever comes in, the
 * answer is a tree or LT_EINVAL with a message, memory is given back, and a tree that was accepted can be written and
 * read again. Built with the sanitizers this finds what plain tests do not. t_fuzz_base                  everything;
 * LT_LONG=1 in the environment: 30 times as much t_fuzz_base yaml|json|csv FILE   replays one input
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lathe/csv.h"
#include "lathe/file.h"
#include "lathe/json.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "lathe/yaml.h"
#include "tests/tap.h"

enum { LONGEST = 4096 };
static char scratch[64];

/* Each takes one input and returns NULL, or what went wrong. */
static const char *try_yaml(const char *t, size_t n) {
    struct lt_yaml *y = NULL, *again = NULL;
    struct lt_buf b = LT_BUF_INIT, c = LT_BUF_INIT;
    struct lt_err e = {0};
    const char *wrong = NULL;
    lt_status s = lt_yaml_parse("f", t, n, &y, &e);
    if (s) {
        if (s != LT_EINVAL || strncmp(e.msg, "f:", 2) || y) wrong = "a refusal without its place";
    } else if (lt_yaml_emit(y, &b, &e) || lt_yaml_parse("g", b.data, b.len, &again, &e) ||
               lt_yaml_emit(again, &c, &e)) {
        wrong = "what was written is not read";
    } else if (strcmp(b.data, c.data)) {
        wrong = "what was written reads back as something else";
    }
    if (wrong && b.data) lt_note("written: %s; %s", b.data, e.msg);
    lt_yaml_free(y);
    lt_yaml_free(again);
    lt_buf_release(&b);
    lt_buf_release(&c);
    return wrong;
}

static const char *try_json(const char *t, size_t n) {
    struct lt_json *j = NULL, *again = NULL;
    struct lt_buf b = LT_BUF_INIT, c = LT_BUF_INIT;
    struct lt_jw w;
    struct lt_err e = {0};
    const char *wrong = NULL;
    lt_status s = lt_json_parse("f", t, n, &j, &e);
    if (s) {
        if (s != LT_EINVAL || strncmp(e.msg, "f:", 2) || j) wrong = "a refusal without its place";
        goto out;
    }
    lt_jw_init(&w, &b);
    lt_json_copy(&w, j);
    if (lt_json_parse("g", b.data, b.len, &again, &e)) {
        wrong = "what was written is not read";
        goto out;
    }
    lt_jw_init(&w, &c);
    lt_json_copy(&w, again);
    if (strcmp(b.data, c.data)) wrong = "what was written reads back as something else";
out:
    if (wrong) lt_note("%s", e.msg);
    lt_json_free(j);
    lt_json_free(again);
    lt_buf_release(&b);
    lt_buf_release(&c);
    return wrong;
}

static const char *try_csv(const char *t, size_t n) {
    struct lt_csv *c = NULL;
    struct lt_err e = {0};
    const char *wrong = NULL;
    unlink(scratch); /* thousands of fsyncs, or of the flushes that ext4 adds to a truncated file, would take minutes */
    FILE *f = fopen(scratch, "wb");
    LT_CHECK(f && fwrite(t, 1, n, f) == n && !fclose(f));
    lt_status s = lt_csv_load(scratch, &c, &e);
    if (s)
        return s != LT_EINVAL || strncmp(e.msg, scratch, strlen(scratch)) || c ? "a refusal without its place" : NULL;
    for (int i = 0; i < lt_csv_rows(c); i++) {
        for (int k = 0; k < lt_csv_cols(c); k++) {
            double d;
            if (strlen(lt_csv_cell(c, i, k)) > n) wrong = "a cell longer than the file";
            if (lt_csv_double(c, i, k, &d, &e) && !strstr(e.msg, "column")) wrong = "a refusal without its column";
        }
    }
    lt_csv_free(c);
    return wrong;
}

static const struct {
    const char *name;
    const char *(*run)(const char *, size_t);
    int rounds;
    const char *corpus[6], *pieces[16];
} reader[] = {
    {"yaml",
     try_yaml,
     20000,
     {"schema: 1\nseed: 42\nspace: {file: spaces/mobile28.yaml}\nsearch: {name: evolution, population: "
      "100}\nconstraints: {latency_ms: {max: 0.8}}\n",
      "stages:\n  - {kernel: [3, 5, 7], depth: [2, 3]}\n  - name: \"a \\u00e9 \\\" b\"\n    text: |\n      two\n      "
      "lines\n",
      "a: 'it''s'\nb: >\n  folded\n  text\nc: ~\nd: null\ne: ''\n", "[1, -2.5, {a: b}, [[[]]], \"\\x41\"]\n",
      "just: text # comment\n? long\n: value\n"},
     {": ", "- ", "\n", "  ", "[", "]", "{", "}", "\"", "'", "&a ", "*a", "!!int ", "---\n", "\\u", "|\n"}},
    {"json",
     try_json,
     50000,
     {"{\"schema\":1,\"arch\":\"mobile28:r28|k3e4\",\"latency_s\":[1.25e-3,2E+5,-0.0],\"ok\":true,\"none\":null}",
      "[\"\\u00e9\\ud83d\\ude00\\n\",[],{},[[[[1]]]]]", "  -12.5e-7  ", "\"text\""},
     {"\"", "\\", "{", "}", "[", "]", ",", ":", "\\ud800", "\\u0000", "1e999", "-", "0", "true", "null", "\x01"}},
    {"csv",
     try_csv,
     10000,
     {"arch,latency_ms,note\nr28|k3e4,0.81,\"a, b\"\nr24|k5e3,1.5e0,\"say \"\"x\"\"\"\n",
      "\xEF\xBB\xBF"
      "a;b\r\n1;2\r\n",
      "x\n1\n2\n3\n", "a,b,c\n,,\n\"\",\"\n\",1"},
     {",", "\"", "\n", "\r\n", "\"\"", "\r", "nan", "-", "1e999", ",,", "\xEF\xBB\xBF", "0x1", " ", "'", ";", "\xff"}},
};

static size_t mutate(struct lt_rng *r, const char *const *pieces, char *t, size_t n) {
    uint32_t changes = 1 + lt_rng_below(r, 6);
    for (uint32_t i = 0; i < changes; i++) {
        size_t at = n ? lt_rng_below(r, (uint32_t)n) : 0, len = n ? 1 + lt_rng_below(r, 12) : 0;
        switch (lt_rng_below(r, 6)) {
        case 0: /* another byte */
            if (n) t[at] = (char)lt_rng_below(r, 256);
            break;
        case 1: /* a flipped bit */
            if (n) t[at] ^= (char)(1u << lt_rng_below(r, 8));
            break;
        case 2: /* something cut out */
            if (len > n - at) len = n - at;
            memmove(t + at, t + at + len, n - at - len);
            n -= len;
            break;
        case 3: /* the end torn off */
            n = at;
            break;
        case 4: { /* a piece of syntax put in */
            const char *p = pieces[lt_rng_below(r, 16)];
            len = strlen(p);
            if (n + len > LONGEST) break;
            memmove(t + at + len, t + at, n - at);
            memcpy(t + at, p, len);
            n += len;
            break;
        }
        default: /* a part repeated */
            if (len > n - at) len = n - at;
            if (n + len > LONGEST) break;
            memmove(t + at + len, t + at, n - at);
            n += len;
        }
    }
    return n;
}

static int replay(const char *name, const char *file) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_err e = {0};
    for (int k = 0; k < 3; k++) {
        if (strcmp(name, reader[k].name)) continue;
        lt_status s = lt_file_read(file, 1 << 24, &b, &e);
        const char *wrong = s ? e.msg : reader[k].run(b.data, b.len);
        lt_ok(!wrong, "%s: %s", file, wrong ? wrong : "fine");
    }
    lt_buf_release(&b);
    unlink(scratch);
    return lt_done();
}

int main(int argc, char **argv) {
    const int times = getenv("LT_LONG") ? 30 : 1;
    snprintf(scratch, sizeof scratch, "t_fuzz_base.%ld.csv", (long)getpid());
    if (argc == 3) return replay(argv[1], argv[2]);
    for (int k = 0; k < 3; k++) {
        int bad = 0, ran = 0, n_corpus = 0;
        while (n_corpus < 6 && reader[k].corpus[n_corpus]) n_corpus++;
        for (int i = 0; i < reader[k].rounds * times && bad < 3; i++, ran++) {
            static char t[LONGEST];
            struct lt_rng r;
            lt_rng_at(&r, 1, LT_RNG_TEST, (uint64_t)k, (uint64_t)i);
            const char *from = reader[k].corpus[i % n_corpus];
            size_t n = strlen(from);
            memcpy(t, from, n);
            if (i >= n_corpus) n = mutate(&r, reader[k].pieces, t, n); /* the first ones are the corpus itself */
            /* An exact copy on the heap: the address sanitizer then sees every byte read beyond the end. */
            char *exact = lt_malloc(n);
            LT_CHECK(exact != NULL);
            memcpy(exact, t, n);
            int64_t live = lt_mem_live();
            const char *wrong = reader[k].run(exact, n);
            if (!wrong && lt_mem_live() != live) wrong = "memory is left behind";
            if (wrong) {
                char name[80];
                snprintf(name, sizeof name, "t_fuzz_base.%s.%d", reader[k].name, i);
                lt_file_write_atomic(name, exact, n, NULL);
                lt_note("%s: input %d: %s; kept as %s", reader[k].name, i, wrong, name);
                bad++;
            }
            lt_free(exact);
        }
        lt_ok(bad == 0, "%s: %d damaged inputs, seed 1", reader[k].name, ran);
    }
    unlink(scratch);
    lt_ok(lt_mem_live() == 0, "no memory is left behind");
    return lt_done();
}
