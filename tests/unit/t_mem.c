/* Memory: buffers and arenas, and the n-th allocation failing, for every n: a clean LT_ENOMEM, outputs untouched,
 * nothing left behind. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lathe/buf.h"
#include "lathe/csv.h"
#include "lathe/file.h"
#include "lathe/json.h"
#include "lathe/mem.h"
#include "lathe/opt.h"
#include "lathe/ui.h"
#include "lathe/yaml.h"
#include "tests/tap.h"

static void basics(void) {
    int64_t live = lt_mem_live();
    unsigned char *p = lt_calloc(10, 10), *q;
    bool zero = true;
    for (int i = 0; i < 100; i++) zero = zero && p[i] == 0;
    lt_ok(zero && lt_mem_live() == live + 1, "calloc is zeroed and counted");
    for (int i = 0; i < 100; i++) p[i] = (unsigned char)i;
    q = lt_realloc(p, 1000);
    bool kept = q != NULL;
    for (int i = 0; i < 100 && kept; i++) kept = q[i] == i;
    q = lt_realloc(q, 10);
    lt_ok(kept && q && q[9] == 9 && lt_mem_live() == live + 1, "realloc keeps what fits");
    lt_free(q);
    lt_free(NULL);
    void *a = lt_aligned(100), *b = lt_malloc(0);
    lt_ok((uintptr_t)a % 64 == 0 && b, "aligned memory; nothing is something");
    lt_free(a);
    lt_free(b);
    lt_ok(!lt_calloc(SIZE_MAX / 2, 4) && !lt_malloc(SIZE_MAX) && !lt_aligned(SIZE_MAX - 64),
          "sizes that overflow are refused");
    p = lt_realloc(NULL, 5);
    char *s = lt_strdup("abc"), *t = lt_asprintf("%d-%s", 42, "x");
    lt_ok(p && !strcmp(s, "abc") && !strcmp(t, "42-x"), "texts");
    lt_free(p);
    lt_free(s);
    lt_free(t);
    lt_mem_fail_at(2);
    p = lt_malloc(1);
    lt_ok(p && !lt_malloc(1), "the second allocation fails when asked to");
    q = lt_malloc(1);
    lt_ok(q != NULL, "and only that one");
    lt_free(p);
    lt_free(q);
    lt_ok(lt_mem_live() == live, "all is given back");
}

static void arenas(void) {
    int64_t live = lt_mem_live();
    struct lt_arena *a = lt_arena_new();
    bool aligned = true, zero = true, apart = true;
    unsigned char *last = NULL;
    size_t last_n = 0;
    for (size_t i = 1; i < 4000; i++) {
        size_t n = i * 37 % 300;
        unsigned char *p = lt_arena_alloc(a, n);
        aligned = aligned && (uintptr_t)p % (n >= 64 ? 64 : 16) == 0;
        for (size_t k = 0; k < n; k++) zero = zero && p[k] == 0;
        memset(p, 0xff, n);
        apart = apart && (!last || p >= last + last_n || p + n <= last);
        last = p;
        last_n = n;
    }
    lt_ok(aligned && zero && apart, "an arena's pieces are aligned, zeroed and apart");
    lt_ok(lt_arena_alloc(a, 5 << 20) && !lt_arena_alloc(a, SIZE_MAX - 5), "large ones too, impossible ones not");
    lt_ok(!strcmp(lt_arena_strdup(a, "text"), "text"), "texts");
    lt_arena_free(a);
    lt_arena_free(NULL);
    lt_ok(lt_mem_live() == live, "they die together");
}

static void buffers(void) {
    int64_t live = lt_mem_live();
    struct lt_buf b = LT_BUF_INIT;
    struct lt_err e;
    char *s = lt_buf_take(&b);
    lt_ok(s && !*s, "an empty buffer is an empty text");
    lt_free(s);
    for (int i = 0; i < 1000; i++) lt_buf_printf(&b, "%d,", i);
    lt_ok(b.len == 10 * 2 + 90 * 3 + 900 * 4 && !strncmp(b.data, "0,1,2,", 6) && b.data[b.len] == '\0',
          "it grows and ends in NUL");
    lt_buf_clear(&b);
    lt_buf_add(&b, "a\0b", 3);
    lt_ok(b.len == 3 && !memcmp(b.data, "a\0b", 4) && !lt_buf_ok(&b, &e), "cleared and filled with bytes");
    lt_buf_release(&b);
    lt_mem_fail_at(1);
    lt_buf_puts(&b, "lost");
    lt_buf_puts(&b, "ignored");
    lt_ok(b.failed && lt_buf_ok(&b, &e) == LT_ENOMEM && !lt_buf_take(&b), "no memory is seen once, at the end");
    lt_ok(lt_mem_live() == live, "all is given back");
}

static void errors(void) {
    struct lt_err e = {0};
    lt_ok(lt_fail(&e, LT_EIO, "%s", "inner") == LT_EIO && e.status == LT_EIO, "an error is filled");
    lt_ok(lt_fail(&e, LT_EINVAL, "outer: %s", e.msg) == LT_EINVAL && !strcmp(e.msg, "outer: inner"),
          "and may be wrapped in place");
    lt_ok(lt_fail(NULL, LT_EFAIL, "x") == LT_EFAIL, "nobody needs to listen");
    char longer[3000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    lt_fail(&e, LT_EFAIL, "%s", longer);
    lt_ok(strlen(e.msg) == sizeof e.msg - 1, "a long message is cut");
    static const int code[] = {0, 2, 1, 1, 3, 1, 4, 75, 1};
    bool ok = true;
    for (int s = LT_OK; s <= LT_EFAIL; s++)
        ok = ok && lt_status_exit_code((lt_status)s) == code[s] && lt_status_name((lt_status)s)[0];
    lt_ok(ok && !strcmp(lt_status_name((lt_status)99), "unknown"), "exit codes and names");
}

struct seen {
    int messages, bars;
    char text[64];
};
static void on_message(void *arg, enum lt_ui_level level, const char *text) {
    struct seen *s = arg;
    s->messages += level == LT_UI_WARN;
    snprintf(s->text, sizeof s->text, "%s", text);
}
static void on_progress(void *arg, const char *what, double done, double total, const char *note) {
    ((struct seen *)arg)->bars += !strcmp(what, "w") && done == 1 && total == 2 && !note;
}
static bool on_stop(void *arg) { return ((struct seen *)arg)->bars == 1; }

static void interface(void) {
    struct seen s = {0};
    struct lt_ui ui = {&s, on_message, on_progress, on_stop}, silent = {0};
    lt_ui_say(&ui, LT_UI_WARN, "n=%d", 3);
    lt_ok(s.messages == 1 && !strcmp(s.text, "n=3") && !lt_ui_stop(&ui), "a message arrives");
    lt_ui_progress(&ui, "w", 1, 2, NULL);
    lt_ok(s.bars == 1 && lt_ui_stop(&ui), "progress and the wish to stop too");
    lt_ui_say(&silent, LT_UI_INFO, "x");
    lt_ui_say(NULL, LT_UI_INFO, "x");
    lt_ui_progress(NULL, "w", 1, 2, NULL);
    lt_ok(!lt_ui_stop(NULL) && !lt_ui_stop(&silent) && s.messages == 1, "nobody listening is fine");
}

static const char yaml_text[] =
    "a: [1, 2, {b: c}]\nname: \"some \\\"text\\\"\"\nlist: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\nnumber: 5\nset: [x, y]\n";
static char path[64], copy[64];
struct config {
    char *name;
    int64_t number;
    unsigned set;
};
static const struct lt_opt table[] = {
    {"name", LT_OPT_STRING, "", "default", 0, 0, offsetof(struct config, name), NULL, ""},
    {"number", LT_OPT_INT, "", "1", 0, 0, offsetof(struct config, number), NULL, ""},
    {"set", LT_OPT_SET, "", NULL, 0, 0, offsetof(struct config, set), "x|y", ""},
    {NULL, LT_OPT_INT, NULL, NULL, 0, 0, 0, NULL, NULL},
};

/* Each returns the status and cleans up after itself; on failure its output must be as before. */
static lt_status do_yaml(struct lt_err *e) {
    struct lt_yaml *y = NULL;
    struct lt_buf b = LT_BUF_INIT;
    lt_status s = lt_yaml_parse("t", yaml_text, strlen(yaml_text), &y, e);
    LT_CHECK(!s == !!y);
    if (!s) s = lt_yaml_emit(y, &b, e);
    lt_buf_release(&b);
    lt_yaml_free(y);
    return s;
}
static lt_status do_yaml_file(struct lt_err *e) {
    struct lt_yaml *y = NULL;
    lt_status s = lt_yaml_load(path, &y, e);
    LT_CHECK(!s == !!y);
    lt_yaml_free(y);
    return s;
}
static lt_status do_options(struct lt_err *e) {
    struct lt_yaml *y = NULL;
    struct config c = {0};
    const char *const skip[] = {"a", "list", NULL};
    lt_status s = lt_yaml_parse("t", yaml_text, strlen(yaml_text), &y, e);
    if (!s) s = lt_opts_read(table, y, skip, &c, e);
    if (!s) s = lt_opts_set(table, "name", "other", &c, e);
    LT_CHECK(s || (c.number == 5 && c.set == 3));
    lt_opts_release(table, &c);
    lt_yaml_free(y);
    return s;
}
static lt_status do_json(struct lt_err *e) {
    const char *t = "{\"a\":[1,2,3,4,5,6,7,8,9,10,{\"b\":\"c\\n\"}],\"d\":{}}";
    struct lt_json *j = NULL;
    lt_status s = lt_json_parse("t", t, strlen(t), &j, e);
    LT_CHECK(!s == !!j);
    lt_json_free(j);
    return s;
}
static lt_status do_json_write(struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw w;
    lt_jw_init(&w, &b);
    lt_jw_obj(&w);
    for (int i = 0; i < 50; i++) lt_jw_kstr(&w, "key", "value");
    lt_jw_obj_end(&w);
    lt_status s = lt_buf_ok(&b, e);
    lt_buf_release(&b);
    return s;
}
static lt_status do_csv(struct lt_err *e) {
    struct lt_csv *c = NULL;
    lt_status s = lt_csv_load(path, &c, e);
    LT_CHECK(!s == !!c);
    lt_csv_free(c);
    return s;
}
static lt_status do_files(struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    lt_status s = lt_file_read(path, 1 << 20, &b, e);
    if (!s) s = lt_file_write_atomic(copy, b.data, b.len, e);
    if (!s) s = lt_file_read_gz(copy, 1 << 20, &b, e);
    lt_buf_release(&b);
    return s;
}
static lt_status do_paths(struct lt_err *e) {
    struct lt_lock *l = NULL;
    lt_status s = lt_mkdirs(".", e);
    if (!s) s = lt_sweep_temporaries(".", e);
    if (!s) s = lt_lock_acquire(copy, true, &l, e);
    lt_lock_release(l);
    return s;
}

static void every_failure(const char *what, lt_status (*f)(struct lt_err *)) {
    int64_t live = lt_mem_live();
    int wrong = 0, n = 1;
    for (;; n++) {
        struct lt_err e = {0};
        lt_mem_fail_at(n);
        lt_status s = f(&e);
        lt_mem_fail_at(0);
        if (lt_mem_live() != live)
            lt_note("%s: allocation %d leaves %lld blocks", what, n, (long long)(lt_mem_live() - live)), wrong++;
        if (s == LT_OK) break;
        if (s != LT_ENOMEM || !e.msg[0] || n > 10000) {
            lt_note("%s: allocation %d: %s: %s", what, n, lt_status_name(s), e.msg);
            wrong++;
            break;
        }
    }
    lt_ok(wrong == 0 && n > 1, "%s: each of %d allocations may fail", what, n - 1);
}

int main(void) {
    basics();
    arenas();
    buffers();
    errors();
    interface();
    snprintf(path, sizeof path, "t_mem.%ld.in", (long)getpid());
    snprintf(copy, sizeof copy, "t_mem.%ld.out", (long)getpid());
    const char *text = "h1,h2\n\"b\nc\",2\n";
    LT_CHECK(!lt_file_write_atomic(path, text, strlen(text), NULL));
    every_failure("CSV file", do_csv);
    LT_CHECK(!lt_file_write_atomic(path, yaml_text, strlen(yaml_text), NULL));
    every_failure("YAML text", do_yaml);
    every_failure("YAML file", do_yaml_file);
    every_failure("option table", do_options);
    every_failure("JSON text", do_json);
    every_failure("JSON writer", do_json_write);
    every_failure("files", do_files);
    every_failure("paths and locks", do_paths);
    unlink(path);
    unlink(copy);
    lt_ok(lt_mem_live() == 0, "no memory is left behind");
    return lt_done();
}
