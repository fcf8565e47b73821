/* Room: run. Self-contained HTML pages: a template with two places, @DATA@ for JSON and after it @CHARTJS@ for the text
 * of Chart.js, found where configure or the distribution put it. */
#ifndef LT_RUN_PAGE_H
#define LT_RUN_PAGE_H
#include "lathe/buf.h"

/* Whole or not at all. *has_plots (NULL ok): Chart.js was found. */
lt_status lt_page_write(const char *page, const struct lt_buf *json, const char *path, bool *has_plots,
                        struct lt_err *e);
#endif
