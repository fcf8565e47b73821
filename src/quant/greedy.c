/*
 * Greedy growth: every layer that is not int8 yet is tried in the given order and stays int8 if the limit is still met.
 * On its own it is the second search of Schaefer et al., arXiv 2302.01382; after a bisection and with a small budget it
 * picks up layers that stand behind a sensitive one.
 */
#include <string.h>
#include "lathe/mem.h"
#include "quant/quant_priv.h"

lt_status lt_qsearch_greedy(struct lt_qsearch *q, const int *order, int64_t budget, struct lt_err *e) {
    uint8_t *on = lt_calloc((size_t)(q->n > 0 ? q->n : 1), 1);
    lt_status s = LT_OK;
    if (!on) return lt_fail(e, LT_ENOMEM, "greedy search: out of memory");
    if (q->have_best) memcpy(on, q->best, (size_t)q->n);
    for (int i = 0; i < q->n && budget > 0; i++) {
        bool accepted;
        if (on[order[i]]) continue;
        on[order[i]] = 1;
        int before = q->n_seen;
        if ((s = lt_qsearch_try(q, on, &accepted, e))) break;
        budget -= q->n_seen - before; /* a remembered set costs nothing */
        if (!accepted) on[order[i]] = 0;
    }
    lt_free(on);
    return s;
}
