/* Values of a graph's parameters in one aligned block. */
#include <string.h>
#include "lathe/graph.h"
#include "lathe/mem.h"

#define ALIGN_FLOATS 16 /* 64 bytes: a cache line, a 512-bit vector */

static int64_t padded(int64_t n) { return (n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS; }

lt_status lt_weights_new(const struct lt_graph *g, struct lt_weights **out, struct lt_err *e) {
    struct lt_weights *w = lt_calloc(1, sizeof(*w));
    int64_t at = 0;

    if (!w) goto nomem;
    w->n = g->n_params;
    for (int i = 0; i < g->n_params; i++) w->count += padded(g->param[i].count);
    w->data = lt_calloc(g->n_params > 0 ? (size_t)g->n_params : 1, sizeof(*w->data));
    w->storage = lt_aligned((size_t)(w->count > 0 ? w->count : 1) * sizeof(float));
    if (!w->data || !w->storage) goto nomem;
    memset(w->storage, 0, (size_t)w->count * sizeof(float));
    for (int i = 0; i < g->n_params; i++) {
        w->data[i] = w->storage + at;
        at += padded(g->param[i].count);
    }
    *out = w;
    return LT_OK;
nomem:
    lt_weights_free(w);
    return lt_fail(e, LT_ENOMEM, "weights of graph '%s': out of memory", g->name);
}

void lt_weights_free(struct lt_weights *w) {
    if (!w) return;
    lt_free(w->storage);
    lt_free(w->data);
    lt_free(w);
}
