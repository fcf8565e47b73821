/* Room: run. Pages out of a template and JSON; see page.h. */
#include "config.h"

#include <string.h>

#include "lathe/file.h"
#include "run/page.h"

enum { MAX_LIBRARY_BYTES = 4 << 20 };

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

lt_status lt_page_write(const char *page, const struct lt_buf *json, const char *path, bool *has_plots,
                        struct lt_err *e) {
    static const char data_mark[] = "@DATA@", chart_mark[] = "@CHARTJS@";
    struct lt_buf library = LT_BUF_INIT, out = LT_BUF_INIT;
    const char *data_at = strstr(page, data_mark), *chart_at = strstr(page, chart_mark);
    bool found = false;
    lt_status s = read_chartjs(&library, &found, e);
    if (s) goto out;
    LT_CHECK(data_at && chart_at && data_at < chart_at);
    lt_buf_add(&out, page, (size_t)(data_at - page));
    add_script_safe(&out, json->data, json->len);
    data_at += sizeof data_mark - 1;
    lt_buf_add(&out, data_at, (size_t)(chart_at - data_at));
    lt_buf_add(&out, library.data ? library.data : "", library.len);
    lt_buf_puts(&out, chart_at + sizeof chart_mark - 1);
    if ((s = lt_buf_ok(&out, e))) goto out;
    if ((s = lt_file_write_atomic(path, out.data, out.len, e))) goto out;
    if (has_plots) *has_plots = found;
out:
    lt_buf_release(&out);
    lt_buf_release(&library);
    return s;
}
