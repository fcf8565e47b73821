/*
 * Shape inference of the operators on sequences of tokens, [1,C,T,1].
 */
#include <inttypes.h>
#include "graph/ops.h"

static lt_status check_tokens(const struct lt_node *n, const struct lt_shape *x, struct lt_err *e) {
    if (x->d[3] == 1) return LT_OK;
    return lt_fail(e, LT_EINVAL, "%s: %s takes tokens [1,C,T,1], but its input is " LT_SHAPE_FMT, n->name,
                   lt_op_name(n->op), LT_SHAPE_ARG(x));
}

lt_status lt_shape_tokens(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *x = lt_shape_in(g, n, 0);

    n->out = (struct lt_shape){{1, x->d[1], x->d[2] * x->d[3], 1}};
    return lt_shape_check_size(n, e);
}

lt_status lt_shape_grid(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *x = lt_shape_in(g, n, 0);
    lt_status s = check_tokens(n, x, e);

    if (s) return s;
    if (n->width < 1 || x->d[2] % n->width)
        return lt_fail(e, LT_EINVAL, "%s: width %d must divide the %" PRId64 " tokens", n->name, n->width, x->d[2]);
    n->out = (struct lt_shape){{1, x->d[1], x->d[2] / n->width, n->width}};
    return LT_OK;
}

lt_status lt_shape_window(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *x = lt_shape_in(g, n, 0);
    int64_t h = x->d[2], w = x->d[3];
    lt_status s;

    if (n->inverse) {
        if ((s = check_tokens(n, x, e))) return s;
        if (n->width < 1 || x->d[2] % n->width)
            return lt_fail(e, LT_EINVAL, "%s: width %d must divide the %" PRId64 " tokens", n->name, n->width, x->d[2]);
        w = n->width;
        h = x->d[2] / w;
    }
    if (n->window < 1 || h % n->window || w % n->window)
        return lt_fail(e, LT_EINVAL,
                       "%s: windows of %d x %d do not cut %" PRId64 " x %" PRId64 " evenly: both must be multiples",
                       n->name, n->window, n->window, h, w);
    n->out = n->inverse ? (struct lt_shape){{1, x->d[1], h, w}} : (struct lt_shape){{1, x->d[1], h * w, 1}};
    return lt_shape_check_size(n, e);
}

lt_status lt_shape_embed(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *x = lt_shape_in(g, n, 0);

    if (n->out.d[1] < 1)
        return lt_fail(e, LT_EINVAL, "%s: %" PRId64 " features, must be at least 1", n->name, n->out.d[1]);
    if (x->d[1] != 1 || x->d[3] != 1)
        return lt_fail(e, LT_EINVAL, "%s: takes token numbers [1,1,T,1], but its input is " LT_SHAPE_FMT, n->name,
                       LT_SHAPE_ARG(x));
    n->out = (struct lt_shape){{1, n->out.d[1], x->d[2], 1}};
    return lt_shape_check_size(n, e);
}

lt_status lt_shape_position(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    n->out = *lt_shape_in(g, n, 0);
    return check_tokens(n, &n->out, e);
}

lt_status lt_shape_prepend(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    lt_status s = check_tokens(n, lt_shape_in(g, n, 0), e);

    if (s) return s;
    if (n->stop < 1) return lt_fail(e, LT_EINVAL, "%s: %d tokens to put in front, at least 1", n->name, n->stop);
    n->out = *lt_shape_in(g, n, 0);
    n->out.d[2] += n->stop;
    return lt_shape_check_size(n, e);
}

/* What softmax and linear attention share. */
static lt_status check_qkv(const struct lt_graph *g, const struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *q = lt_shape_in(g, n, 0), *k = lt_shape_in(g, n, 1), *v = lt_shape_in(g, n, 2);
    lt_status s;

    for (int i = 0; i < 3; i++)
        if ((s = check_tokens(n, lt_shape_in(g, n, i), e))) return s;
    if (n->heads < 1 || n->kv_heads < 1 || n->heads % n->kv_heads)
        return lt_fail(e, LT_EINVAL, "%s: %d heads and %d for keys and values: the latter must divide the former",
                       n->name, n->heads, n->kv_heads);
    if (q->d[1] % n->heads)
        return lt_fail(e, LT_EINVAL, "%s: %d heads must divide the %" PRId64 " features of the queries", n->name,
                       n->heads, q->d[1]);
    if (k->d[1] != q->d[1] / n->heads * n->kv_heads)
        return lt_fail(e, LT_EINVAL,
                       "%s: keys of %" PRId64 " features, must be %" PRId64 ": %d heads of %" PRId64
                       " as the queries have",
                       n->name, k->d[1], q->d[1] / n->heads * n->kv_heads, n->kv_heads, q->d[1] / n->heads);
    if (v->d[1] % n->kv_heads || v->d[2] != k->d[2])
        return lt_fail(e, LT_EINVAL,
                       "%s: values " LT_SHAPE_FMT " for keys " LT_SHAPE_FMT
                       ": as many tokens, and features that %d heads divide",
                       n->name, LT_SHAPE_ARG(v), LT_SHAPE_ARG(k), n->kv_heads);
    return LT_OK;
}

static void attention_out(const struct lt_graph *g, struct lt_node *n) {
    n->out = (struct lt_shape){{1, lt_shape_in(g, n, 2)->d[1] / n->kv_heads * n->heads, lt_shape_in(g, n, 0)->d[2], 1}};
}

lt_status lt_shape_attention(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *q = lt_shape_in(g, n, 0), *k = lt_shape_in(g, n, 1);
    lt_status s = check_qkv(g, n, e);

    if (s) return s;
    if (n->window < 0 || n->block < 0 || !(n->rope >= 0 && n->rope <= 1e12f))
        return lt_fail(e, LT_EINVAL, "%s: window %d, block %d, rope %g: none may be negative (0 = none)", n->name,
                       n->window, n->block, (double)n->rope);
    if (n->rope > 0 && q->d[1] / n->heads % 2)
        return lt_fail(e, LT_EINVAL, "%s: rotary positions turn pairs of features, but a head has %" PRId64, n->name,
                       q->d[1] / n->heads);
    if ((n->causal || n->window || n->rope > 0) && q->d[2] > k->d[2])
        return lt_fail(e, LT_EINVAL,
                       "%s: %" PRId64 " queries for %" PRId64
                       " keys: causal, windowed or rotary attention takes the queries as the last of the keys",
                       n->name, q->d[2], k->d[2]);
    if (n->block) {
        if (q->d[2] % n->block || k->d[2] % (q->d[2] / n->block))
            return lt_fail(e, LT_EINVAL,
                           "%s: blocks of %d of the %" PRId64 " queries do not cut them and the %" PRId64
                           " keys evenly",
                           n->name, n->block, q->d[2], k->d[2]);
        if (q->d[2] != k->d[2] && (n->causal || n->window || n->rope > 0))
            return lt_fail(e, LT_EINVAL,
                           "%s: blocks of pooled queries (%" PRId64 " for %" PRId64
                           " keys) have no order: no causal, windowed or rotary attention",
                           n->name, q->d[2], k->d[2]);
    }
    attention_out(g, n);
    return lt_shape_check_size(n, e);
}

lt_status lt_shape_linattn(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    lt_status s = check_qkv(g, n, e);

    if (s) return s;
    if (n->window || n->block || n->rope != 0)
        return lt_fail(e, LT_EINVAL, "%s: linear attention has no window, no block and no rotary positions", n->name);
    if (n->causal && lt_shape_in(g, n, 0)->d[2] != lt_shape_in(g, n, 1)->d[2])
        return lt_fail(e, LT_EINVAL,
                       "%s: causal linear attention of %" PRId64 " queries over %" PRId64 " keys: must be as many",
                       n->name, lt_shape_in(g, n, 0)->d[2], lt_shape_in(g, n, 1)->d[2]);
    attention_out(g, n);
    return lt_shape_check_size(n, e);
}

lt_status lt_shape_shortconv(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    if (n->kernel < 1 || n->kernel > 4096)
        return lt_fail(e, LT_EINVAL, "%s: kernel %d, must be 1 to 4096", n->name, n->kernel);
    if (!n->causal && n->kernel % 2 == 0)
        return lt_fail(e, LT_EINVAL, "%s: kernel %d has no centre: odd, or causal", n->name, n->kernel);
    n->out = *lt_shape_in(g, n, 0);
    return check_tokens(n, &n->out, e);
}
