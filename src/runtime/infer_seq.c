/*
 * What infer_seq.h declares of one operator: which function computes it, how much scratch it wants, its parameters.
 */
#include "runtime/infer_seq.h"
#include "lathe/mem.h"
#include <string.h>

static void layernorm(const struct lt_iseq *t) {
    int64_t c = t->node->out.d[1];
    t->k->layernorm(t->in[0], t->batch * lt_shape_count(&t->node->out) / c, (int)c, t->w[0],
                    t->node->rms ? NULL : t->w[1], t->node->eps, t->node->rms, t->dst);
}

static lt_iseq_fn function_of(enum lt_op op, bool reference) {
    switch (op) {
    case LT_OP_CONCAT:
        return lt_iseq_concat;
    case LT_OP_SLICE:
        return lt_iseq_slice;
    case LT_OP_SHUFFLE:
        return lt_iseq_shuffle;
    case LT_OP_ZERO:
        return lt_iseq_zero;
    case LT_OP_LAYERNORM:
        return layernorm;
    case LT_OP_WINDOW:
        return lt_iseq_window;
    case LT_OP_EMBED:
        return lt_iseq_embed;
    case LT_OP_POSITION:
        return lt_iseq_position;
    case LT_OP_PREPEND:
        return lt_iseq_prepend;
    case LT_OP_ATTENTION:
        return reference ? lt_iseq_attention_plain : lt_iseq_attention;
    case LT_OP_LINATTN:
        return reference ? lt_iseq_linattn_plain : lt_iseq_linattn;
    case LT_OP_SHORTCONV:
        return reference ? lt_iseq_shortconv_plain : lt_iseq_shortconv;
    default:
        return NULL;
    }
}

void lt_iseq_init(struct lt_iseq *t, const struct lt_graph *g, int node, bool reference, const struct lt_kernels *k,
                  lt_gemm_fn gemm) {
    *t = (struct lt_iseq){.fn = function_of(g->node[node].op, reference),
                          .g = g,
                          .node = &g->node[node],
                          .reference = reference,
                          .k = k,
                          .gemm = gemm};
}

int64_t lt_iseq_scratch(const struct lt_iseq *t) {
    if (t->reference)
        return t->node->op == LT_OP_ATTENTION || t->node->op == LT_OP_LINATTN ? lt_iseq_in(t, 1)->d[2] : 0;
    if (t->node->op == LT_OP_ATTENTION) return lt_attention_scratch(t);
    return t->node->op == LT_OP_LINATTN ? lt_linattn_scratch(t) : 0;
}

lt_status lt_iseq_weights(struct lt_iseq *t, const struct lt_weights *w, struct lt_err *e) {
    const struct lt_node *n = t->node;
    int64_t count = 0, at = 0;
    for (int i = 0; i < n->n_params; i++) count += t->g->param[n->param[i]].count;
    if (count && !t->params && !(t->params = lt_aligned((size_t)count * sizeof(float))))
        return lt_fail(e, LT_ENOMEM, "%s: %lld parameters", n->name, (long long)count);
    for (int i = 0; i < n->n_params; i++) {
        const float *from = w->data[n->param[i]];
        int64_t c = t->g->param[n->param[i]].count, channels = n->out.d[1], taps = n->kernel;
        t->w[i] = t->params + at;
        if (n->op == LT_OP_SHORTCONV && !t->reference)
            for (int64_t k = 0; k < c; k++) t->params[k % taps * channels + k / taps] = from[k];
        else
            memcpy(t->params + at, from, (size_t)c * sizeof(float));
        at += c;
    }
    return LT_OK;
}

void lt_iseq_release(struct lt_iseq *t) {
    lt_free(t->params);
    t->params = NULL;
}

struct lt_heads lt_heads_of(const struct lt_iseq *t) {
    const struct lt_shape *q = lt_iseq_in(t, 0), *k = lt_iseq_in(t, 1), *v = lt_iseq_in(t, 2);
    return (struct lt_heads){.tq = q->d[2],
                             .tk = k->d[2],
                             .heads = t->node->heads,
                             .kv = t->node->kv_heads,
                             .share = t->node->heads / t->node->kv_heads,
                             .d = (int)q->d[1] / t->node->heads,
                             .dv = (int)v->d[1] / t->node->kv_heads,
                             .ldq = q->d[1],
                             .ldk = k->d[1],
                             .ldv = v->d[1],
                             .ldo = t->node->out.d[1]};
}
