/*
 * Bisection on the number of layers, in a given order, that may be int8.
 * Source: Schaefer et al., arXiv 2302.01382. Accuracy is not monotone in that number, so the result need not be the
 * longest prefix that meets the limit; but a set is only ever accepted after it was evaluated itself. At most
 * floor(log2 n) + 1 evaluations.
 */
#include <string.h>
#include "lathe/mem.h"
#include "quant/quant_priv.h"

lt_status lt_qsearch_bisect(struct lt_qsearch *q, const int *order, struct lt_err *e) {
    uint8_t *on = lt_calloc((size_t)(q->n > 0 ? q->n : 1), 1);
    int lo = 1, hi = q->n;
    lt_status s = LT_OK;
    if (!on) return lt_fail(e, LT_ENOMEM, "bisection: out of memory");
    while (lo <= hi) {
        int mid = lo + (hi - lo) / 2;
        bool accepted;
        memset(on, 0, (size_t)q->n);
        for (int i = 0; i < mid; i++) on[order[i]] = 1;
        if ((s = lt_qsearch_try(q, on, &accepted, e))) break;
        if (accepted)
            lo = mid + 1;
        else
            hi = mid - 1;
    }
    lt_free(on);
    return s;
}
