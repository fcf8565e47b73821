/*
 * The model file of a predictor (.ltp): a JSON header that says what it is, then named sections of numbers, then a
 * CRC-32 of everything before it. docs/formats/predictor-model.md. Numbers are little-endian in the file on every
 * machine.
 *
 * A method's `save` puts its sections; a failure sticks and is reported when the file is written, so that puts need no
 * checks. Its `load` gets them: a section that is absent, of another type or of another length is LT_EIO with the
 * file's and the section's name. The CRC makes accidents unlikely, not impossible: what is used as an index or a size
 * is checked by the method (lt_blob_bad says so in the usual words).
 */
#ifndef PREDICTORS_MODEL_FILE_H
#define PREDICTORS_MODEL_FILE_H
#include "lathe/buf.h"
#include "lathe/json.h"
#include "lathe/predictor.h"
#include "lathe/status.h"

enum lt_blob_type { LT_BLOB_BYTES, LT_BLOB_I32, LT_BLOB_U64, LT_BLOB_F32, LT_BLOB_F64, LT_N_BLOB_TYPES };

/* Writing. v: n values of the type; n 0 is a section too, v NULL otherwise a lack of memory. A name is used once. */
void lt_blob_put(struct lt_blob_writer *w, const char *name, enum lt_blob_type t, const void *v, size_t n);
void lt_blob_put_num(struct lt_blob_writer *w, const char *name, double v); /* F64, one */
/* A line for people in the header, as "features: 70 columns". Nothing reads it back. */
void lt_blob_note(struct lt_blob_writer *w, const char *key, const char *fmt, ...) LT_PRINTF(3, 4);

/* Reading. */
bool lt_blob_has(const struct lt_blob_reader *r, const char *name);
size_t lt_blob_count(const struct lt_blob_reader *r, const char *name); /* values in it; 0 when absent */
lt_status lt_blob_get(const struct lt_blob_reader *r, const char *name, enum lt_blob_type t, void *out, size_t n,
                      struct lt_err *e); /* exactly n */
lt_status lt_blob_get_num(const struct lt_blob_reader *r, const char *name, double *out, struct lt_err *e);
/* As many as there are (*n); lt_free. Not NULL on success, even for none. */
lt_status lt_blob_get_new(const struct lt_blob_reader *r, const char *name, enum lt_blob_type t, void **out, size_t *n,
                          struct lt_err *e);
/* Finite values only, else LT_EIO; for what a NaN would spoil. */
lt_status lt_blob_get_finite(const struct lt_blob_reader *r, const char *name, double *out, size_t n, struct lt_err *e);
/* "<file>: section '<name>': <why>", LT_EIO. */
lt_status lt_blob_bad(const struct lt_blob_reader *r, const char *name, struct lt_err *e, const char *fmt, ...)
    LT_PRINTF(4, 5);

/* For predictor.c: the whole file. */
lt_status lt_blob_writer_new(struct lt_blob_writer **out, struct lt_err *e);
struct lt_jw *lt_blob_header(struct lt_blob_writer *w); /* inside the header's object */
lt_status lt_blob_write(struct lt_blob_writer *w, const char *path, struct lt_err *e);
void lt_blob_writer_free(struct lt_blob_writer *w);
lt_status lt_blob_read(const char *path, struct lt_blob_reader **out, struct lt_err *e);
const struct lt_json *lt_blob_read_header(const struct lt_blob_reader *r);
const char *lt_blob_path(const struct lt_blob_reader *r);
void lt_blob_reader_free(struct lt_blob_reader *r);
#endif
