/* Natural numbers of fixed capacity, least significant word first. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "spaces/big.h"

static void trim(struct lt_big *a) {
    while (a->n && !a->w[a->n - 1]) a->n--;
}

bool lt_big_add(struct lt_big *a, const struct lt_big *b) {
    uint64_t carry = 0;
    int n = a->n > b->n ? a->n : b->n;

    for (int i = 0; i < n || carry; i++) {
        if (i == LT_BIG_WORDS) return false;
        carry += (uint64_t)(i < a->n ? a->w[i] : 0) + (i < b->n ? b->w[i] : 0);
        a->w[i] = (uint32_t)carry;
        carry >>= 32;
        if (i >= a->n) a->n = i + 1;
    }
    return true;
}

void lt_big_sub(struct lt_big *a, const struct lt_big *b) {
    int64_t borrow = 0;

    for (int i = 0; i < a->n; i++) {
        int64_t v = (int64_t)a->w[i] - (i < b->n ? b->w[i] : 0) + borrow;

        borrow = v < 0 ? -1 : 0;
        a->w[i] = (uint32_t)v;
    }
    trim(a);
}

bool lt_big_mul_small(struct lt_big *a, uint32_t m) {
    uint64_t carry = 0;

    for (int i = 0; i < a->n; i++) {
        carry += (uint64_t)a->w[i] * m;
        a->w[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) {
        if (a->n == LT_BIG_WORDS) return false;
        a->w[a->n++] = (uint32_t)carry;
    }
    trim(a);
    return true;
}

uint32_t lt_big_div_small(struct lt_big *a, uint32_t d) {
    uint64_t rest = 0;

    for (int i = a->n - 1; i >= 0; i--) {
        rest = rest << 32 | a->w[i];
        a->w[i] = (uint32_t)(rest / d);
        rest %= d;
    }
    trim(a);
    return (uint32_t)rest;
}

int lt_big_cmp(const struct lt_big *a, const struct lt_big *b) {
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    for (int i = a->n - 1; i >= 0; i--) {
        if (a->w[i] != b->w[i]) return a->w[i] < b->w[i] ? -1 : 1;
    }
    return 0;
}

/* Bits as many as n has, drawn again while they are not below it: twice on average at most. */
void lt_big_below(const struct lt_big *n, struct lt_rng *r, struct lt_big *out) {
    uint32_t top = n->w[n->n - 1], mask = 0;

    while (mask < top) mask = mask << 1 | 1;
    do {
        out->n = n->n;
        for (int i = 0; i < n->n; i++) out->w[i] = lt_rng_u32(r);
        out->w[n->n - 1] &= mask;
        trim(out);
    } while (lt_big_cmp(out, n) >= 0);
}

void lt_big_print(const struct lt_big *a, struct lt_buf *out) {
    char digits[LT_BIG_WORDS * 10 + 1];
    int at = (int)sizeof(digits) - 1;
    struct lt_big b = *a;

    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + (int)lt_big_div_small(&b, 10));
    } while (b.n);
    lt_buf_puts(out, digits + at);
}

double lt_big_log10(const struct lt_big *a) {
    long double v = 0;

    for (int i = a->n - 1; i >= 0 && i >= a->n - 4; i--) v = v * 4294967296.0L + a->w[i];
    return (double)(log10l(v) + (a->n > 4 ? (a->n - 4) * log10l(4294967296.0L) : 0));
}
