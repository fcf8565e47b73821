/* Base room: an arena for many small objects that die together. Blocks double up to 1 MiB; large requests get their
 * own. */
#include "lathe/mem.h"

#include <string.h>

struct block {
    struct block *next;
    size_t cap, used;
};
struct lt_arena {
    struct block *head;
    size_t next_cap;
};
enum { FIRST = 4096, LARGEST = 1 << 20, ALIGN_BIG = 64, ALIGN_SMALL = 16 };

static size_t up(size_t n, size_t a) { return (n + a - 1) / a * a; }

struct lt_arena *lt_arena_new(void) {
    struct lt_arena *a = lt_calloc(1, sizeof *a);
    if (a) a->next_cap = FIRST;
    return a;
}

void *lt_arena_alloc(struct lt_arena *a, size_t n) {
    if (n > SIZE_MAX / 2) return NULL;
    size_t align = n >= ALIGN_BIG ? ALIGN_BIG : ALIGN_SMALL;
    struct block *b = a->head;
    size_t at = b ? up(b->used, align) : 0;
    if (!b || at > b->cap || b->cap - at < n) {
        size_t cap = n > a->next_cap ? n : a->next_cap;
        b = lt_malloc(up(sizeof *b, ALIGN_BIG) + cap);
        if (!b) return NULL;
        *b = (struct block){.next = a->head, .cap = cap};
        a->head = b;
        if (a->next_cap < LARGEST) a->next_cap *= 2;
        at = 0;
    }
    char *p = (char *)b + up(sizeof *b, ALIGN_BIG) + at;
    b->used = at + n;
    memset(p, 0, n);
    return p;
}

char *lt_arena_strdup(struct lt_arena *a, const char *s) {
    size_t n = strlen(s) + 1;
    char *p = lt_arena_alloc(a, n);
    return p ? memcpy(p, s, n) : NULL;
}

void lt_arena_free(struct lt_arena *a) {
    if (!a) return;
    for (struct block *b = a->head, *next; b; b = next) {
        next = b->next;
        lt_free(b);
    }
    lt_free(a);
}
