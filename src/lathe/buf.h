/*
 * A growing byte buffer, always NUL terminated. LT_BUF_INIT or zeroed memory is a valid empty buffer.
 * Append functions never fail visibly: on exhausted memory `failed` is set and later appends are ignored; check once
 * with lt_buf_ok() before use. lt_buf_release frees; lt_buf_take gives the bytes away (free with lt_free).
 */
#ifndef LATHE_BUF_H
#define LATHE_BUF_H
#include "lathe/status.h"
#ifdef __cplusplus
extern "C" {
#endif
struct lt_buf {
    char *data;
    size_t len, cap;
    bool failed;
};
#define LT_BUF_INIT                                                                                                    \
    { NULL, 0, 0, false }
void lt_buf_add(struct lt_buf *b, const void *p, size_t n);
void lt_buf_puts(struct lt_buf *b, const char *s);
void lt_buf_printf(struct lt_buf *b, const char *fmt, ...) LT_PRINTF(2, 3);
void lt_buf_clear(struct lt_buf *b); /* keeps capacity */
void lt_buf_release(struct lt_buf *b);
char *lt_buf_take(struct lt_buf *b); /* never NULL unless failed */
lt_status lt_buf_ok(const struct lt_buf *b, struct lt_err *e);
#ifdef __cplusplus
}
#endif
#endif
