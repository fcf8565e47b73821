/* Room: cli. `lathe report`: the page of a run folder, made again from its summary. */
#include "cli/cli.h"
#include "lathe/json.h"
#include "lathe/report.h"

lt_status cmd_report(struct cli *c, int argc, char **argv, struct lt_err *e) {
    struct cli_list words = {0};
    struct lt_buf b = LT_BUF_INIT;
    bool help = false, plots = false;
    lt_status s = cli_parse(c, NULL, argc, argv, &words, &help, e);
    if (s || help) return s;
    if (words.n != 1) return cli_usage(e, c, "one run folder is needed, as in 'lathe report runs/quickstart'");
    if ((s = lt_report_write(words.item[0], &plots, e))) return s;
    if (c->json) {
        struct lt_jw w;
        lt_jw_init(&w, &b);
        lt_jw_obj(&w);
        lt_jw_kint(&w, "schema", 1);
        lt_jw_kstr(&w, "run", words.item[0]);
        lt_jw_kbool(&w, "plots", plots);
        lt_jw_obj_end(&w);
        lt_buf_puts(&b, "\n");
    } else {
        lt_buf_printf(&b, "%s/report.html%s\n", words.item[0], plots ? "" : " (without plots: Chart.js was not found)");
    }
    s = cli_print(c, &b, e);
    lt_buf_release(&b);
    return s;
}
