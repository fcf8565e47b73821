/*
 * All allocation goes through here so that tests can count it and make it fail. NULL on failure (the caller returns
 * LT_ENOMEM). lt_free takes NULL. lt_aligned is 64-byte aligned and freed by lt_free as well.
 * An arena owns many small objects that die together; memory from it is zeroed and 64-byte aligned when size >= 64.
 */
#ifndef LATHE_MEM_H
#define LATHE_MEM_H
#include "lathe/status.h"
#ifdef __cplusplus
extern "C" {
#endif
void *lt_malloc(size_t n);
void *lt_calloc(size_t n, size_t size); /* checks n*size for overflow */
void *lt_realloc(void *p, size_t n);    /* p from lt_malloc/lt_calloc/lt_realloc only */
void *lt_aligned(size_t n);             /* 64-byte aligned, contents undefined */
char *lt_strdup(const char *s);
char *lt_asprintf(const char *fmt, ...) LT_PRINTF(1, 2);
void lt_free(void *p);

struct lt_arena;
struct lt_arena *lt_arena_new(void);
void *lt_arena_alloc(struct lt_arena *a, size_t n); /* NULL on failure */
char *lt_arena_strdup(struct lt_arena *a, const char *s);
void lt_arena_free(struct lt_arena *a);

/* Tests only: fail the n-th allocation from now (1 = next; 0 = never), and the number of live blocks. */
void lt_mem_fail_at(int64_t n);
int64_t lt_mem_live(void);
#ifdef __cplusplus
}
#endif
#endif
