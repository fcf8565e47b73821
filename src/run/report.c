/*
 * Run room: report.html out of summary.json. The page itself is report_page.html, compiled in; this file only fills its
 * two places: @DATA@ with the summary and @CHARTJS@ with the text of Chart.js, found where configure or the
 * distribution put it.
 */
#include "config.h"

#include <string.h>

#include "lathe/buf.h"
#include "lathe/file.h"
#include "lathe/json.h"
#include "lathe/mem.h"
#include "lathe/report.h"
#include "run/report_page.inc"

enum { MAX_SUMMARY_BYTES = 64 << 20, MAX_LIBRARY_BYTES = 4 << 20 };

/* Inside <script> only "</" can end the element early; "<\/" is the same string to JSON. "<!--" would open a comment
 * state. */
static void add_script_safe(struct lt_buf *out, const char *s, size_t n) {
    size_t from = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        if (s[i] != '<' || (s[i + 1] != '/' && s[i + 1] != '!')) continue;
        lt_buf_add(out, s + from, i - from);
        lt_buf_puts(out, "\\u003c");
        from = i + 1;
    }
    lt_buf_add(out, s + from, n - from);
}

static lt_status read_chartjs(struct lt_buf *out, bool *found, struct lt_err *e) {
    *found = false;
#if LT_WITH_CHARTJS
    if (!lt_path_exists(LT_CHARTJS_PATH)) return LT_OK;
    lt_status s = lt_file_read(LT_CHARTJS_PATH, MAX_LIBRARY_BYTES, out, e);
    if (s) return s;
    *found = strstr(out->data, "</script") == NULL; /* a library that would end the element is of no use */
    if (!*found) lt_buf_clear(out);
#else
    (void)out;
    (void)e;
#endif
    return LT_OK;
}

lt_status lt_report_write(const char *run_dir, bool *has_plots, struct lt_err *e) {
    static const char data_mark[] = "@DATA@", chart_mark[] = "@CHARTJS@";
    struct lt_buf summary = LT_BUF_INIT, library = LT_BUF_INIT, page = LT_BUF_INIT;
    struct lt_json *tree = NULL;
    bool found = false;
    lt_status s;
    char *in = lt_path_join(run_dir, "summary.json"), *to = lt_path_join(run_dir, "report.html");
    if (!in || !to) {
        s = lt_fail(e, LT_ENOMEM, "report of %s", run_dir);
        goto out;
    }
    if (!lt_path_exists(in)) {
        s = lt_fail(e, LT_EINVAL, "%s: no such file; a run folder is what 'lathe run' wrote", in);
        goto out;
    }
    if ((s = lt_file_read(in, MAX_SUMMARY_BYTES, &summary, e))) goto out;
    if ((s = lt_json_parse(in, summary.data, summary.len, &tree, e))) goto out;
    if (tree->kind != LT_JSON_OBJ || !lt_json_get(tree, "final") || !lt_json_get(tree, "candidates")) {
        s = lt_fail(e, LT_EINVAL, "%s: not the summary of a run: keys 'final' and 'candidates' are missing", in);
        goto out;
    }
    if ((s = read_chartjs(&library, &found, e))) goto out;

    const char *data_at = strstr(report_page, data_mark), *chart_at = strstr(report_page, chart_mark);
    LT_CHECK(data_at && chart_at && data_at < chart_at);
    lt_buf_add(&page, report_page, (size_t)(data_at - report_page));
    add_script_safe(&page, summary.data, summary.len);
    data_at += sizeof data_mark - 1;
    lt_buf_add(&page, data_at, (size_t)(chart_at - data_at));
    lt_buf_add(&page, library.data ? library.data : "", library.len);
    lt_buf_puts(&page, chart_at + sizeof chart_mark - 1);
    if ((s = lt_buf_ok(&page, e))) goto out;
    if ((s = lt_file_write_atomic(to, page.data, page.len, e))) goto out;
    if (has_plots) *has_plots = found;
out:
    lt_json_free(tree);
    lt_buf_release(&page);
    lt_buf_release(&library);
    lt_buf_release(&summary);
    lt_free(to);
    lt_free(in);
    return s;
}
