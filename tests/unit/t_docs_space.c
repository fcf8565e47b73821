/*
 * docs/space-language.md: every YAML example is read, its extremes and 20 random networks expand and come back from
 * their strings; the refused ones are refused with the words that the page says. Examples without `schema` stand for
 * parts of a file. docs/formats/cells.md: its example in the same way. docs/formats/space.md: its example, and the
 * fields of every kind of block, as their tables say.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/space.h"
#include "spaces/blocks.h"
#include "tests/tap.h"

static char dir[64];

static bool has_key(const char *text, const char *key) {
    size_t n = strlen(key);

    for (const char *at = text; at; at = strchr(at, '\n')) {
        if (*at == '\n') at++;
        if (!strncmp(at, key, n) && at[n] == ':') return true;
    }
    return false;
}

/* The example as a whole file; "# file: NAME" at its start names it. */
static void write_example(const char *text, char path[160]) {
    struct lt_buf b = LT_BUF_INIT;
    char name[64] = "example.yaml";
    FILE *f;

    sscanf(text, "# file: %60s", name);
    snprintf(path, 160, "%s/%s", dir, name);
    if (!has_key(text, "schema") && !has_key(text, "include"))
        lt_buf_puts(&b, "schema: 1\nname: example\ninput: {channels: 3, resolution: 32}\nclasses: 10\n");
    lt_buf_puts(&b, text);
    f = fopen(path, "w");
    if (f) {
        fwrite(b.data, 1, b.len, f);
        fclose(f);
    }
    lt_buf_release(&b);
}

static bool good(const struct lt_space *s, const struct lt_arch *a, struct lt_err *e) {
    struct lt_graph *g = NULL;
    struct lt_buf b = LT_BUF_INIT;
    struct lt_arch back;
    bool ok;

    lt_arch_print(s, a, &b);
    ok = !lt_arch_parse(s, b.data, &back, e) && lt_arch_equal(a, &back) && !lt_space_expand(s, a, &g, e);
    lt_graph_free(g);
    lt_buf_release(&b);
    return ok;
}

static void example(int line, const char *text) {
    const char *refused = strncmp(text, "# refused: ", 11) ? NULL : text + 11;
    struct lt_space *s = NULL;
    struct lt_err e = {0};
    char path[160], says[200] = "";
    lt_status st;
    int n = 0;

    write_example(text, path);
    st = lt_space_load(path, &s, &e);
    if (refused) {
        snprintf(says, sizeof(says), "%.*s", (int)strcspn(refused, "\n"), refused);
        lt_ok(st == LT_EINVAL && strstr(e.msg, says), "example of line %d is refused: %s", line, e.msg);
    } else if (lt_ok(!st, "example of line %d is read: %s", line, e.msg)) {
        struct lt_arch a;
        struct lt_rng r;

        lt_space_largest(s, &a);
        n += good(s, &a, &e);
        lt_space_smallest(s, &a);
        n += good(s, &a, &e);
        for (int i = 0; i < 20; i++) {
            lt_rng_at(&r, 1, LT_RNG_TEST, 0, (uint64_t)i);
            lt_space_sample_uniform(s, &r, &a);
            n += good(s, &a, &e);
        }
        lt_ok(n == 22 && !lt_space_check_networks(s, &e), "and %d of 22 networks are sound: %s", n, e.msg);
        if (strstr(text, "name: small\n")) {
            struct lt_buf b = LT_BUF_INIT;

            lt_space_size_text(s, &b);
            lt_space_largest(s, &a);
            lt_buf_puts(&b, " ");
            lt_arch_print(s, &a, &b);
            lt_ok(!strcmp(b.data, "336 small:r128|s2:c32,k5e6,k5e6,k5e6"), "what the page says of it: %s", b.data);
            lt_buf_release(&b);
        }
    }
    lt_space_free(s);
}

/* The fenced examples; those that others include are written first. */
static int examples(const char *page, bool files_only) {
    int n = 0;

    for (const char *at = page; (at = strstr(at, "\n```yaml\n"));) {
        const char *start = at + 9, *end = strstr(start, "\n```");
        char *text, path[160];
        int line = 2;

        if (!end) break;
        for (const char *p = page; p < at; p++) line += *p == '\n';
        text = lt_asprintf("%.*s\n", (int)(end - start), start);
        if (files_only && !strncmp(text, "# file", 6)) write_example(text, path);
        if (!files_only) example(line, text);
        lt_free(text);
        n++;
        at = end;
    }
    return n;
}

/* "| `key` | what | choice? | range | default |" of a field, as docs/formats/space.md has it. */
static void field_row(const struct lt_block_field *f, struct lt_buf *b) {
    lt_buf_printf(b, "\n| `%s` | %s | %s | ", f->key, f->help, f->type == LT_FIELD_ACT ? "no" : "yes");
    if (f->type == LT_FIELD_ACT) {
        lt_buf_printf(b, "an activation | %s |", f->has_act ? lt_act_name((enum lt_act)f->dflt) : "the space's");
    } else if (f->type == LT_FIELD_NAME) {
        for (int k = 0; f->names[k]; k++) lt_buf_printf(b, "%s%s", k ? ", " : "", f->names[k]);
        lt_buf_printf(b, " | %s |", f->names[(int)f->dflt]);
    } else {
        lt_buf_printf(b, "%s%.6g..%.6g | ", f->odd ? "odd, " : "", f->min, f->max);
        if (f->required)
            lt_buf_puts(b, "required |");
        else
            lt_buf_printf(b, "%.6g |", f->dflt);
    }
}

/* Every kind of block has its section with all its fields. */
static void reference(const char *page) {
    for (int i = 0; i < lt_block_count(); i++) {
        const struct lt_block_ops *o = lt_block_at(i);
        struct lt_buf b = LT_BUF_INIT;
        const char *at;
        bool ok;

        lt_buf_printf(&b, "\nBlock `%s`: %s.\n\n| key | what | choice? | range | default |\n|---|---|---|---|---|",
                      o->name, o->about);
        for (const struct lt_block_field *f = o->fields; f->key; f++) field_row(f, &b);
        lt_buf_puts(&b, "\n");
        at = b.data ? strstr(page, b.data) : NULL;
        ok = lt_ok(at != NULL, "docs/formats/space.md has block '%s' as it is", o->name);
        if (!ok) lt_note("expected:%s", b.data ? b.data : "");
        lt_buf_release(&b);
    }
}

int main(void) {
    const char *src = getenv("LT_SRCDIR");
    struct lt_buf page = LT_BUF_INIT;
    struct lt_err e = {0};
    char path[600];

    snprintf(dir, sizeof(dir), "docs_space.%d", (int)getpid());
    mkdir(dir, 0777);
    snprintf(path, sizeof(path), "%s/docs/space-language.md", src ? src : ".");
    if (lt_ok(!lt_file_read(path, 1 << 20, &page, &e), "the page is there: %s", e.msg)) {
        examples(page.data, true);
        lt_ok(examples(page.data, false) > 15, "it has examples");
    }
    lt_buf_clear(&page);
    snprintf(path, sizeof(path), "%s/docs/formats/cells.md", src ? src : ".");
    if (lt_ok(!lt_file_read(path, 1 << 20, &page, &e), "the page of cells is there: %s", e.msg))
        lt_ok(examples(page.data, false) == 1, "it has an example");
    lt_buf_clear(&page);
    snprintf(path, sizeof(path), "%s/docs/formats/space.md", src ? src : ".");
    if (lt_ok(!lt_file_read(path, 1 << 20, &page, &e), "the reference is there: %s", e.msg)) {
        reference(page.data);
        lt_ok(examples(page.data, false) == 1, "it has an example");
    }
    lt_buf_release(&page);
    snprintf(path, sizeof(path), "%s/example.yaml", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/wide.yaml", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/narrow.yaml", dir);
    unlink(path);
    rmdir(dir);
    return lt_done();
}
