/* Natural numbers of up to 2048 bits, for counting: exact sizes of spaces, and drawing below them. */
#ifndef SPACES_BIG_H
#define SPACES_BIG_H
#include "lathe/buf.h"
#include "lathe/rng.h"

#define LT_BIG_WORDS 64 /* 192 genes of 255 choices need 1536 bits */
struct lt_big {
    int n; /* words in use; 0 = zero */
    uint32_t w[LT_BIG_WORDS];
};
static inline void lt_big_set(struct lt_big *a, uint32_t v) {
    a->n = v > 0;
    a->w[0] = v;
}
bool lt_big_add(struct lt_big *a, const struct lt_big *b); /* false: too large, a undefined */
void lt_big_sub(struct lt_big *a, const struct lt_big *b); /* a >= b */
bool lt_big_mul_small(struct lt_big *a, uint32_t m);       /* false: too large */
uint32_t lt_big_div_small(struct lt_big *a, uint32_t d);   /* returns the remainder; d > 0 */
int lt_big_cmp(const struct lt_big *a, const struct lt_big *b);
void lt_big_below(const struct lt_big *n, struct lt_rng *r, struct lt_big *out); /* uniform in [0,n), n > 0 */
void lt_big_print(const struct lt_big *a, struct lt_buf *out);
double lt_big_log10(const struct lt_big *a); /* of 0: -HUGE_VAL */
#endif
