/* Base room: the growing byte buffer. */
#include "lathe/buf.h"

#include <stdio.h>
#include <string.h>

#include "lathe/mem.h"

static bool reserve(struct lt_buf *b, size_t more) {
    if (b->failed) return false;
    if (more >= SIZE_MAX / 2 - b->len) return b->failed = true, false;
    size_t need = b->len + more + 1;
    if (need <= b->cap) return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need) cap *= 2;
    char *p = lt_realloc(b->data, cap);
    if (!p) return b->failed = true, false;
    b->data = p;
    b->cap = cap;
    return true;
}

void lt_buf_add(struct lt_buf *b, const void *p, size_t n) {
    if (!reserve(b, n)) return;
    if (n) memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void lt_buf_puts(struct lt_buf *b, const char *s) { lt_buf_add(b, s, strlen(s)); }

void lt_buf_printf(struct lt_buf *b, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n < 0) {
        b->failed = true;
    } else if (reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    va_end(ap);
}

void lt_buf_clear(struct lt_buf *b) {
    b->len = 0;
    b->failed = false;
    if (b->data) b->data[0] = '\0';
}

void lt_buf_release(struct lt_buf *b) {
    lt_free(b->data);
    *b = (struct lt_buf)LT_BUF_INIT;
}

char *lt_buf_take(struct lt_buf *b) {
    if (!b->data && !b->failed) lt_buf_puts(b, "");
    char *p = b->failed ? NULL : b->data;
    if (!p) lt_free(b->data);
    *b = (struct lt_buf)LT_BUF_INIT;
    return p;
}

lt_status lt_buf_ok(const struct lt_buf *b, struct lt_err *e) {
    return b->failed ? lt_fail(e, LT_ENOMEM, "out of memory while building a text of more than %zu bytes", b->len)
                     : LT_OK;
}
