/* In which order layers become int8: the least sensitivity for each second saved first. */
#include <math.h>
#include <stdlib.h>
#include "lathe/mem.h"
#include "quant/quant_priv.h"

struct item {
    double cost, saved;
    int index;
};

static int compare(const void *pa, const void *pb) {
    const struct item *a = pa, *b = pb;
    if (a->cost != b->cost) return a->cost < b->cost ? -1 : 1;
    if (a->saved != b->saved) return a->saved > b->saved ? -1 : 1;
    return a->index - b->index;
}

lt_status lt_quant_order(const double *sensitivity, const double *saved, int n, int *order, struct lt_err *e) {
    struct item *v = lt_calloc((size_t)(n > 0 ? n : 1), sizeof(*v));
    if (!v) return lt_fail(e, LT_ENOMEM, "layer order: out of memory");
    for (int i = 0; i < n; i++) {
        double cost = sensitivity[i] / saved[i];
        v[i] = (struct item){.cost = isnan(cost) ? INFINITY : cost, .saved = saved[i], .index = i};
    }
    qsort(v, (size_t)n, sizeof(*v), compare);
    for (int i = 0; i < n; i++) order[i] = v[i].index;
    lt_free(v);
    return LT_OK;
}
