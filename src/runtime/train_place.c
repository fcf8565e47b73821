/*
 * Places in a workspace for blocks that come and go in a known order: first fit from below over a sorted list of gaps,
 * so memory that was just set free, and is still in cache, is used again first. Blocks start on 64-byte boundaries.
 */
#include "runtime/train_priv.h"
#include <string.h>

int lt_place_alloc(struct lt_place *p, size_t count) {
    LT_CHECK(p->n_blocks < p->cap_blocks);
    struct lt_block *b = &p->block[p->n_blocks];
    b->refs = 1;
    b->count = (count + 15) / 16 * 16;
    for (int i = 0; i < p->n_gaps; i++) {
        struct lt_gap *q = &p->gap[i];
        if (q->count < b->count) continue;
        b->at = q->at;
        q->at += b->count;
        q->count -= b->count;
        if (!q->count) {
            memmove(q, q + 1, (size_t)(p->n_gaps - i - 1) * sizeof(*q));
            p->n_gaps--;
        }
        return p->n_blocks++;
    }
    /* a gap that ends at the top grows */
    struct lt_gap *last = p->n_gaps ? &p->gap[p->n_gaps - 1] : NULL;
    if (last && last->at + last->count == p->top) {
        b->at = last->at;
        p->n_gaps--;
    } else {
        b->at = p->top;
    }
    p->top = b->at + b->count;
    return p->n_blocks++;
}

static void give_back(struct lt_place *p, size_t at, size_t count) {
    int i = 0;
    if (!count) return;
    while (i < p->n_gaps && p->gap[i].at < at) i++;
    bool joins_before = i > 0 && p->gap[i - 1].at + p->gap[i - 1].count == at;
    bool joins_after = i < p->n_gaps && at + count == p->gap[i].at;
    if (joins_before && joins_after) {
        p->gap[i - 1].count += count + p->gap[i].count;
        memmove(&p->gap[i], &p->gap[i + 1], (size_t)(p->n_gaps - i - 1) * sizeof(*p->gap));
        p->n_gaps--;
    } else if (joins_before) {
        p->gap[i - 1].count += count;
    } else if (joins_after) {
        p->gap[i].at = at;
        p->gap[i].count += count;
    } else {
        memmove(&p->gap[i + 1], &p->gap[i], (size_t)(p->n_gaps - i) * sizeof(*p->gap));
        p->gap[i] = (struct lt_gap){at, count};
        p->n_gaps++;
    }
}

void lt_place_unref(struct lt_place *p, int block) {
    struct lt_block *b = &p->block[block];
    LT_CHECK(b->refs > 0);
    if (--b->refs == 0) give_back(p, b->at, b->count);
}
