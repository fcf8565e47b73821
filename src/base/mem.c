/*
 * Base room: allocation. Every block has a 64-byte header that holds its size class, so that one lt_free serves aligned
 * and plain blocks, and so that tests can count live blocks and make the n-th allocation fail.
 */
#include "lathe/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 64 };
struct header {
    size_t n;
};

/* Test hooks: the only process-wide state here; atomic, and idle (0) outside tests. */
static _Atomic int64_t fail_countdown;
static _Atomic int64_t live_blocks;

static bool must_fail(void) {
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) <= 0) return false;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

void *lt_aligned(size_t n) {
    if (must_fail() || n > SIZE_MAX - 2 * HEADER) return NULL;
    void *p;
    if (posix_memalign(&p, HEADER, HEADER + n))
        return NULL; /* not rounded up: the address sanitizer then sees every byte beyond n */
    ((struct header *)p)->n = n;
    atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
    return (char *)p + HEADER;
}

void *lt_malloc(size_t n) { return lt_aligned(n); }

void *lt_calloc(size_t n, size_t size) {
    if (size && n > SIZE_MAX / size) return NULL;
    void *p = lt_aligned(n * size);
    if (p) memset(p, 0, n * size);
    return p;
}

void *lt_realloc(void *p, size_t n) {
    if (!p) return lt_aligned(n);
    size_t old = ((struct header *)(void *)((char *)p - HEADER))->n;
    void *q = lt_aligned(n);
    if (!q) return NULL;
    memcpy(q, p, old < n ? old : n);
    lt_free(p);
    return q;
}

void lt_free(void *p) {
    if (!p) return;
    atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
    free((char *)p - HEADER);
}

char *lt_strdup(const char *s) {
    size_t n = strlen(s) + 1;
    char *p = lt_malloc(n);
    return p ? memcpy(p, s, n) : NULL;
}

char *lt_asprintf(const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *p = n < 0 ? NULL : lt_malloc((size_t)n + 1);
    if (p) vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return p;
}

void lt_mem_fail_at(int64_t n) { atomic_store(&fail_countdown, n); }
int64_t lt_mem_live(void) { return atomic_load(&live_blocks); }
