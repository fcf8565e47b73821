/*
 * CSV with a header line (RFC 4180 quoting, CRLF accepted). Whole file in memory; cells are borrowed until lt_csv_free.
 * Errors name file:line and column. Rows of another length than the header are refused.
 */
#ifndef LATHE_CSV_H
#define LATHE_CSV_H
#include "lathe/status.h"
#ifdef __cplusplus
extern "C" {
#endif
struct lt_csv;
lt_status lt_csv_load(const char *path, struct lt_csv **out, struct lt_err *e);
void lt_csv_free(struct lt_csv *c);
int lt_csv_rows(const struct lt_csv *c); /* without the header */
int lt_csv_cols(const struct lt_csv *c);
const char *lt_csv_header(const struct lt_csv *c, int col);
int lt_csv_col(const struct lt_csv *c, const char *name); /* -1 when absent */
int lt_csv_line(const struct lt_csv *c, int row);         /* of the file, from 1, where a row begins */
const char *lt_csv_cell(const struct lt_csv *c, int row, int col);
/* Finite numbers only. */
lt_status lt_csv_double(const struct lt_csv *c, int row, int col, double *out, struct lt_err *e);
#ifdef __cplusplus
}
#endif
#endif
