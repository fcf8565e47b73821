/* Room: predictors. Shared by the readers of latency data. */
#ifndef PREDICTORS_LATENCY_SET_PRIV_H
#define PREDICTORS_LATENCY_SET_PRIV_H
#include "lathe/csv.h"
#include "lathe/latency_set.h"

/* Where a file holds the columns that name an architecture: the space's own, else `arch`. */
struct lt_arch_columns {
    bool text;   /* one column with the architecture string */
    int n, *col; /* the columns of the file */
    const char **cell;
};
lt_status lt_arch_columns_find(const struct lt_csv *c, const char *path, const struct lt_space *s,
                               struct lt_arch_columns *out, struct lt_err *e);
void lt_arch_columns_release(struct lt_arch_columns *k);
lt_status lt_arch_columns_read(const struct lt_csv *c, const char *path, const struct lt_space *s,
                               struct lt_arch_columns *k, int row, struct lt_arch *out, struct lt_err *e);

/* A latency cell in ms. *kind: 0 usable, 1 not a number (nan, inf, nothing), 2 not positive; else text: LT_EINVAL. */
enum { LT_CELL_USABLE, LT_CELL_NOT_NUMBER, LT_CELL_NOT_POSITIVE };
lt_status lt_latency_cell(const struct lt_csv *c, const char *path, int row, int col, double *latency_ms, int *kind,
                          struct lt_err *e);
/* Adds a device to the set with no usable latency yet; room for it is there. NULL: out of memory. */
struct lt_latency_device *lt_latency_set_add(struct lt_latency_set *s, const char *name, const char *file);
/* Counts the cell; latency_s NAN unless usable. */
void lt_latency_device_put(struct lt_latency_device *d, int row, double latency_ms, int kind, int line);

/* Tables that hold architectures and latencies: a file, or a folder of files. devices as in lt_latency_set_load. */
lt_status lt_latency_tables_load(struct lt_latency_set *s, const char *path, const char *const *devices,
                                 struct lt_err *e);
bool lt_path_is_folder(const char *path);
/* Names (without .csv) of the *.csv files of a folder, sorted, NULL-ended; in the arena. */
lt_status lt_csv_names(struct lt_arena *arena, const char *dir, const char ***names, int *n, struct lt_err *e);
/* "there is no device 'x'; did you mean 'y'; there are y, z" */
lt_status lt_no_device(const char *dir, const char *name, const char *const *names, struct lt_err *e);
#endif
