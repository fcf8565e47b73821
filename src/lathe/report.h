/*
 * The report of a run: one self-contained HTML page that opens offline, made from the run folder's summary.json alone,
 * so that `lathe report RUN` can make it again. Plots are drawn by Chart.js, whose text is copied into the page when it
 * is installed; without it the page holds the tables and says so.
 */
#ifndef LATHE_REPORT_H
#define LATHE_REPORT_H
#include "lathe/status.h"
#ifdef __cplusplus
extern "C" {
#endif
/* Reads run_dir/summary.json, writes run_dir/report.html whole or not at all. *has_plots (NULL ok): Chart.js was found.
 * Not collective. */
lt_status lt_report_write(const char *run_dir, bool *has_plots, struct lt_err *e);
#ifdef __cplusplus
}
#endif
#endif
