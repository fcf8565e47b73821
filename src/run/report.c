/* Run room: report.html out of summary.json. The page itself is report_page.html, compiled in. */
#include "lathe/buf.h"
#include "lathe/file.h"
#include "lathe/json.h"
#include "lathe/mem.h"
#include "lathe/report.h"
#include "run/page.h"
#include "run/report_page.inc"

enum { MAX_SUMMARY_BYTES = 64 << 20 };

lt_status lt_report_write(const char *run_dir, bool *has_plots, struct lt_err *e) {
    struct lt_buf summary = LT_BUF_INIT;
    struct lt_json *tree = NULL;
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
    s = lt_page_write(report_page, &summary, to, has_plots, e);
out:
    lt_json_free(tree);
    lt_buf_release(&summary);
    lt_free(to);
    lt_free(in);
    return s;
}
