/*
 * A latency data set: a folder with archs.csv (one architecture a row, in the space's columns) and
 * latency/<device>.csv (column latency_ms, same rows). docs/formats/latency-set.md. A table that holds both (columns of
 * the space, then columns that begin with latency, in ms, as HAT publishes them) is read too, and so is a folder of
 * such tables: each is a device named after its file; where it has several latencies (encoder and decoder) the device
 * is their sum and <device>.<part> each. Nothing is dropped silently: what cannot be used is counted by reason.
 * Read-only after loading; thread safe for readers.
 */
#ifndef LATHE_LATENCY_SET_H
#define LATHE_LATENCY_SET_H
#include "lathe/space.h"
#ifdef __cplusplus
extern "C" {
#endif
struct lt_latency_device {
    const char *name, *file; /* file name without .csv; path that was read */
    double *latency_s;       /* [n] NAN where unusable, or where the device's table does not have the row */
    int n_used, n_excluded;  /* excluded: not a number, or not positive */
    int n_not_number, n_not_positive;
    int first_excluded_line; /* of file; 0 none */
    double resolution_s;     /* of the clock or of the rounding: 1e-3 for whole milliseconds; 0 none seen */
};
struct lt_latency_set {
    const struct lt_space *space; /* borrowed */
    const char *dir;
    int n;                /* rows */
    struct lt_arch *arch; /* [n] */
    int n_duplicates;     /* rows whose arch an earlier row has: kept, and counted */
    int first_duplicate;  /* row; -1 none */
    int n_devices;
    struct lt_latency_device *device;
    struct lt_arena *arena;
};
/* devices: names to load, NULL-ended; NULL loads all. Errors name file and line. */
lt_status lt_latency_set_load(const char *dir, const struct lt_space *space, const char *const *devices,
                              struct lt_latency_set **out, struct lt_err *e);
void lt_latency_set_free(struct lt_latency_set *s);
int lt_latency_set_find(const struct lt_latency_set *s, const char *device); /* -1 */
/* What was excluded and why, a line each; nothing when all is used. */
void lt_latency_set_report(const struct lt_latency_set *s, struct lt_buf *out);

/* A table of architectures (the space's columns, or `arch`), with latencies (column latency_ms) when latency_s is not
 * NULL; lt_free both. Every cell must be usable: errors name file and line. */
lt_status lt_arch_table_load(const char *path, const struct lt_space *space, struct lt_arch **arch, double **latency_s,
                             int *n, struct lt_err *e);
#ifdef __cplusplus
}
#endif
#endif
