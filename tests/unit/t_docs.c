/*
 * docs/formats/experiment.md holds every key of every option table with its type, unit, default and range, in the
 * section it belongs to, and no key that there is not. A failure prints the row that is expected, but for its meaning.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/data.h"
#include "lathe/device.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/predictor.h"
#include "lathe/quant.h"
#include "lathe/searcher.h"
#include "lathe/supernet.h"
#include "run/experiment.h"
#include "tests/tap.h"

static const char *const type_name[] = {"whole number", "number", "true or false", "text", "one of", "any of"};

/* "| `key` | type | unit | `default` | range |", as the page has it before the meaning. */
static void expected(const struct lt_opt *o, struct lt_buf *out) {
    lt_buf_clear(out);
    lt_buf_printf(out, "\n| `%s` | %s | %s | ", o->key, type_name[o->type], o->unit ? o->unit : "");
    lt_buf_printf(out, o->dflt ? "`%s` | " : "none | ", o->dflt ? o->dflt : "");
    for (const char *c = o->choices; c && *c;) {
        size_t n = strcspn(c, "|");
        lt_buf_printf(out, "%s`%.*s`", c == o->choices ? "" : ", ", (int)n, c);
        c += n + (c[n] == '|');
    }
    if (!o->choices && (o->min != 0 || o->max != 0)) lt_buf_printf(out, "%.10g to %.10g", o->min, o->max);
    lt_buf_puts(out, " |");
}

/* The text from a heading to the next one, to be freed. Empty when the heading is missing. */
static char *section_of(const char *page, const char *heading) {
    const char *at = strstr(page, heading), *end;
    if (!at) return lt_strdup("");
    at += strlen(heading) - 1; /* the line feed stays: a row begins behind one */
    end = strstr(at, "\n#");
    return lt_asprintf("%.*s", end ? (int)(end - at) : (int)strlen(at), at);
}

static void check(const char *page, const char *kind, const char *name, const struct lt_opt *opts) {
    struct lt_buf want = LT_BUF_INIT;
    char heading[120];
    int n = 0, rows = 0;
    if (*kind)
        snprintf(heading, sizeof(heading), "\n### %s `%s`\n", kind, name);
    else
        snprintf(heading, sizeof(heading), "\n## `%s`\n", name);
    char *text = section_of(page, heading);
    LT_CHECK(text != NULL);
    lt_ok(*text != 0, "%s%s%s has a section", kind, *kind ? " " : "", name);
    for (const struct lt_opt *o = opts; o && o->key; o++, n++) {
        expected(o, &want);
        bool found = want.data && strstr(text, want.data);
        lt_ok(found, "%s%s%s.%s as it is", kind, *kind ? " " : "", name, o->key);
        if (!found) lt_note("missing:%s", want.data + 1);
    }
    for (const char *at = text; (at = strstr(at, "\n| `")); at++) rows++;
    lt_ok(rows == n, "%s%s%s has no other keys: %d rows", kind, *kind ? " " : "", name, rows);
    lt_free(text);
    lt_buf_release(&want);
}

int main(void) {
    const char *src = getenv("LT_SRCDIR");
    char *path = lt_path_join(src ? src : ".", "docs/formats/experiment.md");
    struct lt_buf page = LT_BUF_INIT;
    struct lt_err e = {0};
    lt_status s = path ? lt_file_read(path, 1 << 20, &page, &e) : LT_ENOMEM;
    lt_ok(!s, "the page is read: %s", e.msg);
    lt_free(path);
    if (s) return lt_done();
    check(page.data, "", "data", lt_data_opts);
    check(page.data, "", "supernet", lt_train_opts);
    check(page.data, "", "predictor", lt_predict_opts);
    check(page.data, "", "search", lt_search_opts);
    for (int i = 0; i < lt_evaluator_count(); i++)
        check(page.data, "evaluator", lt_evaluator_at(i)->name, lt_evaluator_at(i)->opts);
    check(page.data, "", "verify", lt_verify_opts);
    check(page.data, "", "quantize", lt_quant_opts);
    check(page.data, "", "deploy", lt_deploy_opts);
    for (int i = 0; i < lt_device_count(); i++)
        check(page.data, "device", lt_device_ops_at(i)->name, lt_device_ops_at(i)->opts);
    for (int i = 0; i < lt_predictor_count(); i++)
        check(page.data, "predictor", lt_predictor_at(i)->name, lt_predictor_at(i)->opts);
    for (int i = 0; i < lt_searcher_count(); i++)
        check(page.data, "searcher", lt_searcher_at(i)->name, lt_searcher_at(i)->opts);
    char *scores = section_of(page.data, "\n## `objectives`\n");
    for (int i = 0; i < LT_N_SCORES; i++) {
        char row[64];
        snprintf(row, sizeof(row), "\n| `%s` |", lt_score_name(NULL, i));
        lt_ok(scores && strstr(scores, row), "score %s", lt_score_name(NULL, i));
    }
    lt_free(scores);
    lt_buf_release(&page);
    return lt_done();
}
