/* YAML: every value knows its place, everything unusual is refused with it, and what is written reads back as the same
 * tree. */
#include <math.h>
#include <string.h>

#include "lathe/mem.h"
#include "lathe/yaml.h"
#include "tests/tap.h"

static struct lt_yaml *parse(const char *t) {
    struct lt_yaml *y = NULL;
    struct lt_err e;
    if (lt_yaml_parse("t.yaml", t, strlen(t), &y, &e)) lt_note("%s", e.msg);
    return y;
}

static void places(void) {
    struct lt_yaml *y =
        parse("# comment\na: 1\nbig:\n  list: [x, 'y z', \"q\"]\n  nothing:\n  deep: {k: v}\nempty: ''\n");
    if (!lt_ok(y && y->kind == LT_YAML_MAP && y->n == 3, "a document")) return;
    const struct lt_yaml *a = lt_yaml_get(y, "a"), *big = lt_yaml_get(y, "big"), *list = lt_yaml_get(big, "list");
    lt_ok(a->line == 2 && a->col == 4 && a->key_line == 2 && a->key_col == 1 && !strcmp(a->text, "1") && !a->quoted,
          "a plain value and its key");
    lt_ok(list && list->kind == LT_YAML_SEQ && list->n == 3 && list->line == 4 && list->col == 9, "a list");
    lt_ok(list->child[1]->col == 13 && list->child[1]->quoted && !strcmp(list->child[1]->text, "y z") &&
              !list->child[1]->key,
          "a quoted entry");
    lt_ok(lt_yaml_get(big, "nothing")->kind == LT_YAML_NULL, "an empty value is null");
    lt_ok(lt_yaml_get(y, "empty")->kind == LT_YAML_SCALAR && !*lt_yaml_get(y, "empty")->text, "an empty text is not");
    lt_ok(!strcmp(lt_yaml_get(lt_yaml_get(big, "deep"), "k")->text, "v"), "a flow map");
    lt_ok(!lt_yaml_get(y, "zzz") && !lt_yaml_get(a, "a") && !lt_yaml_get(NULL, "a"), "absent keys");
    lt_ok(!strcmp(list->child[0]->file, "t.yaml"), "the file is known everywhere");
    struct lt_err e;
    lt_ok(lt_yaml_fail(&e, a, "no %d", 5) == LT_EINVAL && !strcmp(e.msg, "t.yaml:2:4: a: no 5"), "a complaint: %s",
          e.msg);
    lt_ok(lt_yaml_expect(list, LT_YAML_MAP, &e) == LT_EINVAL && !strncmp(e.msg, "t.yaml:4:9: list: ", 18),
          "another kind: %s", e.msg);
    lt_yaml_free(y);
    lt_yaml_free(NULL);
}

static void refused(void) {
    static const struct {
        const char *text, *start, *part;
    } bad[] = {
        {"", "t.yaml:", "empty"},
        {"# only a comment\n", "t.yaml:", "empty"},
        {"a: 1\nb: 2\na: 3\n", "t.yaml:3:1:", "line 1"},
        {"a: &x 1\n", "t.yaml:1:4:", "anchor"},
        {"&x a: 1\n", "t.yaml:1:1:", "anchor"},
        {"a: &x [1]\n", "t.yaml:1:4:", "anchor"},
        {"a: &x {b: 1}\n", "t.yaml:1:4:", "anchor"},
        {"a: *x\n", "t.yaml:1:4:", "alias"},
        {"a: !!int 1\n", "t.yaml:1:4:", "tag"},
        {"a: !foo [1]\n", "t.yaml:1:4:", "tag"},
        {"a: !foo {b: 1}\n", "t.yaml:1:4:", "tag"},
        {"a: 1\n---\nb: 2\n", "t.yaml:2:1:", "second document"},
        {"a: [1, 2\nb: 3\n", "t.yaml:", "not YAML"},
        {"a: 1\n b: 2\n", "t.yaml:2:", "not YAML"},
        {"a:\n\t- 1\n", "t.yaml:2:1:", "not YAML"},
        {"[1, 2]: 3\n", "t.yaml:1:1:", "key"},
        {"{a: 1}: 3\n", "t.yaml:1:1:", "key"},
        {"a: \"b\n", "t.yaml:", "not YAML"},
        {"a: \"\\q\"\n", "t.yaml:1:", "not YAML"},
        {"a: \"x\\0y\"\n", "t.yaml:1:4:", "NUL"},
        {"a: 1\nb: \xff\xfe\n", "t.yaml:2:4:", "not YAML"},
        {"a: \x01\n", "t.yaml:1:4:", "not YAML"},
        {"a: @x\n", "t.yaml:1:4:", "not YAML"},
        {"a: %x\n", "t.yaml:1:4:", "not YAML"},
        {"- 1\nb: 2\n", "t.yaml:2:1:", "not YAML"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lt_yaml *y = (void *)&bad;
        struct lt_err e = {0};
        lt_status s = lt_yaml_parse("t.yaml", bad[i].text, strlen(bad[i].text), &y, &e);
        lt_ok(s == LT_EINVAL && y == (void *)&bad && !strncmp(e.msg, bad[i].start, strlen(bad[i].start)) &&
                  strstr(e.msg, bad[i].part),
              "refused, case %zu: %s", i, e.msg);
    }
    struct lt_buf b = LT_BUF_INIT;
    struct lt_yaml *y = NULL;
    struct lt_err e;
    lt_buf_puts(&b, "a: ");
    for (int i = 0; i < 50000; i++) lt_buf_puts(&b, "[");
    lt_ok(lt_yaml_parse("t", b.data, b.len, &y, &e) == LT_EINVAL && !y, "50000 levels: %s", e.msg);
    lt_buf_clear(&b);
    for (int i = 0; i < 10001; i++) lt_buf_printf(&b, "k%d: 1\n", i);
    lt_ok(lt_yaml_parse("t", b.data, b.len, &y, &e) == LT_EINVAL && strstr(e.msg, "10000 keys"), "too many keys: %s",
          e.msg);
    lt_buf_clear(&b);
    lt_buf_puts(&b, "[0");
    for (int i = 0; i < 200001; i++) lt_buf_puts(&b, ",0");
    lt_buf_puts(&b, "]");
    lt_ok(lt_yaml_parse("t", b.data, b.len, &y, &e) == LT_EINVAL && strstr(e.msg, "200000"), "too many values: %s",
          e.msg);
    lt_buf_release(&b);
    lt_ok(lt_yaml_load("/nonexistent/x.yaml", &y, &e) == LT_EIO && strstr(e.msg, "/nonexistent/x.yaml"),
          "no such file: %s", e.msg);
}

static void unknown_keys(void) {
    static const char *const known[] = {"epochs", "batch", "sandwich", "learning_rate", NULL};
    struct lt_yaml *y = parse("batch: 1\n  \nepohcs: 2\n");
    struct lt_err e;
    lt_ok(lt_yaml_known(y, known, &e) == LT_EINVAL && !strncmp(e.msg, "t.yaml:3:1:", 11) && strstr(e.msg, "'epochs'"),
          "a transposed key: %s", e.msg);
    lt_yaml_free(y);
    y = parse("zzzzzz: 1\n");
    lt_ok(lt_yaml_known(y, known, &e) == LT_EINVAL && strstr(e.msg, "epochs, batch, sandwich, learning_rate"),
          "nothing near, so all are listed: %s", e.msg);
    lt_yaml_free(y);
    y = parse("{batch: 1, epochs: 2}\n");
    lt_ok(lt_yaml_known(y, known, &e) == LT_OK, "known keys in any order");
    lt_yaml_free(y);
    y = parse("[1]\n");
    lt_ok(lt_yaml_known(y, known, &e) == LT_EINVAL, "a list has no keys: %s", e.msg);
    lt_yaml_free(y);
    static const struct {
        const char *word, *near;
    } w[] = {
        {"bacth", "batch"},
        {"batches", "batch"},
        {"epoch", "epochs"},
        {"lerning_rate", "learning_rate"},
        {"learning-rate", "learning_rate"},
        {"Batch", "batch"},
        {"q", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof w / sizeof *w; i++) {
        const char *n = lt_nearest(w[i].word, known);
        lt_ok(w[i].near ? n && !strcmp(n, w[i].near) : !n, "nearest to '%s' is %s", w[i].word, n ? n : "nothing");
    }
    char longest[200];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    lt_ok(!lt_nearest(longest, known), "a very long word is near nothing");
}

static void picks(void) {
    static const char *const colours[] = {"red", "green", NULL};
    struct lt_err e = {0};
    struct lt_yaml *y = parse("{a: green, b: gren, c: [red], d: 7}");
    int k = 7;
    lt_ok(!lt_yaml_pick(lt_yaml_get(y, "a"), "colour", colours, &k, &e) && k == 1, "a name is picked");
    k = 7;
    lt_ok(lt_yaml_pick(lt_yaml_get(y, "b"), "colour", colours, &k, &e) == LT_EINVAL && k == 7 &&
              strstr(e.msg, "unknown colour 'gren', did you mean 'green'; there are red, green"),
          "the nearest name and all of them: %s", e.msg);
    lt_ok(lt_yaml_pick(lt_yaml_get(y, "d"), "colour", colours, &k, &e) == LT_EINVAL && !strstr(e.msg, "did you mean"),
          "no near name: %s", e.msg);
    lt_ok(lt_yaml_pick(lt_yaml_get(y, "c"), "colour", colours, &k, &e) == LT_EINVAL && k == 7, "a list is no name: %s",
          e.msg);
    lt_yaml_free(y);
}

static void numbers(void) {
    struct lt_yaml *y = parse("i: 12\nneg: -3\nf: 1.5\nt: abc\nq: '12'\nhuge: 99999999999999999999\nms: 800 us\nnan: "
                              ".nan\nnan2: nan\ninf: inf\nlist: [1]\npc: 0.5%\n"
                              "over: 1e308 h\nhex: 0x10\n");
    struct lt_err e;
    int64_t i = 77;
    double d = 77;
    lt_ok(!lt_yaml_int(lt_yaml_get(y, "i"), 0, 100, &i, &e) && i == 12, "a whole number");
    lt_ok(!lt_yaml_int(lt_yaml_get(y, "neg"), -3, -3, &i, &e) && i == -3, "a negative one at its bounds");
    i = 77;
    lt_ok(lt_yaml_int(lt_yaml_get(y, "i"), 13, 100, &i, &e) == LT_EINVAL && i == 77 &&
              !strncmp(e.msg, "t.yaml:1:4: i: ", 15) && strstr(e.msg, "13 to 100"),
          "out of range: %s", e.msg);
    static const char *const no_int[] = {"f", "t", "q", "huge", "list", "hex", "ms"};
    for (int k = 0; k < 7; k++)
        lt_ok(lt_yaml_int(lt_yaml_get(y, no_int[k]), INT64_MIN, INT64_MAX, &i, &e) == LT_EINVAL && i == 77,
              "not a whole number: %s", e.msg);
    lt_ok(!lt_yaml_double(lt_yaml_get(y, "ms"), "ms", 0, 1, &d, &e) && fabs(d - 0.8) < 1e-15, "a number with a unit");
    lt_ok(!lt_yaml_double(lt_yaml_get(y, "pc"), "fraction", 0, 1, &d, &e) && fabs(d - 0.005) < 1e-18,
          "a percentage is a fraction");
    d = 77;
    static const char *const no_double[] = {"t", "nan", "nan2", "inf", "list", "ms", "over", "hex"};
    for (int k = 0; k < 8; k++)
        lt_ok(lt_yaml_double(lt_yaml_get(y, no_double[k]), k == 6 ? "ms" : "", -INFINITY, INFINITY, &d, &e) ==
                      LT_EINVAL &&
                  d == 77,
              "not a number here: %s", e.msg);
    lt_ok(lt_yaml_double(lt_yaml_get(y, "ms"), "bytes", 0, 1, &d, &e) == LT_EINVAL && strstr(e.msg, "KiB"),
          "the wrong unit: %s", e.msg);
    lt_ok(lt_yaml_double(lt_yaml_get(y, "f"), "", 2, 3, &d, &e) == LT_EINVAL && d == 77, "out of range: %s", e.msg);
    lt_yaml_free(y);
}

static bool same(const struct lt_yaml *a, const struct lt_yaml *b) {
    if (a->kind != b->kind || a->n != b->n || !a->key != !b->key || !a->text != !b->text) return false;
    if ((a->key && strcmp(a->key, b->key)) || (a->text && strcmp(a->text, b->text))) return false;
    for (int i = 0; i < a->n; i++)
        if (!same(a->child[i], b->child[i])) return false;
    return true;
}

static void round_trip(void) {
    static const char *const doc[] = {
        "a: 1\nb: [x, 'y', {c: d}]\n",
        "just text\n",
        "[]\n",
        "{}\n",
        "a: {}\nb: []\nc: ''\nd: ~\ne: 'null'\nf: '~'\ng:\n",
        "a: '- x'\nb: '# no comment'\nc: 'k: v'\nd: ' lead'\ne: 'trail '\nf: -5\ng: -x\nh: '?'\n",
        ("t: \"tab\\there, newline\\nhere, quote \\\" backslash \\\\ bell \\a del \\x7f nel \\N ls \\L nbsp \\_ bom "
         "\\uFEFF smile \\U0001F600\"\n"),
        "lit: |\n  two\n  lines\nfold: >\n  folded\n  text\n",
        "\"odd: key\": 1\n'': 2\n'# x': 3\n\"l\\n2\": 4\n",
        "p: 5%\nat: '@x'\nu: gr\xc3\xbc\xc3\x9f\ndots: '...'\neq: '='\nurl: http://x/y#z\n",
        "'...'\n",
    };
    for (size_t i = 0; i < sizeof doc / sizeof *doc; i++) {
        struct lt_buf once = LT_BUF_INIT, twice = LT_BUF_INIT;
        struct lt_yaml *y = parse(doc[i]), *z = NULL;
        struct lt_err e = {0};
        bool ok = y && !lt_yaml_emit(y, &once, &e) && (z = parse(once.data)) && same(y, z) &&
                  !lt_yaml_emit(z, &twice, &e) && !strcmp(once.data, twice.data);
        lt_ok(ok, "written, read back and written again, document %zu", i);
        if (!ok) lt_note("%s -> %s -> %s", doc[i], once.data ? once.data : "-", twice.data ? twice.data : "-");
        lt_yaml_free(y);
        lt_yaml_free(z);
        lt_buf_release(&once);
        lt_buf_release(&twice);
    }
}

int main(void) {
    places();
    refused();
    unknown_keys();
    picks();
    numbers();
    round_trip();
    lt_ok(lt_mem_live() == 0, "no memory is left behind");
    return lt_done();
}
