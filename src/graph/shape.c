/*
 * Shape inference, one rule an operator. Shapes are [1,C,H,W] of one sample; a rule refuses what does not fit and says
 * which node, the shape it saw and what would be right. Nothing here allocates.
 */
#include <inttypes.h>
#include <stdio.h>
#include "graph/ops.h"

/* Larger tensors are a mistake in the description; the limit also keeps every later product within int64_t. */
#define MAX_DIM ((int64_t)1 << 24)
#define MAX_ELEMENTS ((int64_t)1 << 34)

lt_status lt_shape_check_size(const struct lt_node *n, struct lt_err *e) {
    int64_t elements = 1, d;

    for (int i = 0; i < 4; i++) {
        d = n->out.d[i];
        if (d < 1 || d > MAX_DIM || elements > MAX_ELEMENTS / d)
            return lt_fail(e, LT_EINVAL, "%s: output shape " LT_SHAPE_FMT " is %s", n->name, LT_SHAPE_ARG(&n->out),
                           d < 1 ? "empty" : "too large");
        elements *= d;
    }
    return LT_OK;
}

/* From the first to the last tap of a kernel. */
static int64_t reach(const struct lt_node *n) {
    return (n->kernel - 1) * (int64_t)(n->dilation > 1 ? n->dilation : 1) + 1;
}

/* Windows of a square kernel along one axis; 0 when the padded axis is shorter than the kernel. */
static int64_t windows(int64_t size, const struct lt_node *n) {
    int64_t span = size + 2 * (int64_t)n->pad - reach(n);

    return span < 0 ? 0 : span / n->stride + 1;
}

static lt_status check_window(const struct lt_node *n, const struct lt_shape *x, struct lt_err *e) {
    if (n->kernel < 1 || n->stride < 1 || n->pad < 0)
        return lt_fail(e, LT_EINVAL,
                       "%s: kernel %d, stride %d, pad %d: kernel and stride must be at least 1, pad at least 0",
                       n->name, n->kernel, n->stride, n->pad);
    if (n->kernel > 4096 || n->stride > 4096)
        return lt_fail(e, LT_EINVAL, "%s: kernel %d, stride %d: at most 4096", n->name, n->kernel, n->stride);
    if (n->op == LT_OP_CONV && (n->dilation < 1 || n->dilation > 4096))
        return lt_fail(e, LT_EINVAL, "%s: dilation %d, must be 1 to 4096", n->name, n->dilation);
    if (n->pad >= reach(n))
        return lt_fail(e, LT_EINVAL, "%s: pad %d must be smaller than the kernel (%" PRId64 "%s)", n->name, n->pad,
                       reach(n), n->dilation > 1 ? " with its dilation" : "");
    if (windows(x->d[2], n) < 1 || windows(x->d[3], n) < 1)
        return lt_fail(e, LT_EINVAL, "%s: kernel %d with pad %d does not fit into input " LT_SHAPE_FMT, n->name,
                       n->kernel, n->pad, LT_SHAPE_ARG(x));
    return LT_OK;
}

lt_status lt_shape_conv(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *x = lt_shape_in(g, n, 0);
    int64_t out = n->out.d[1];
    lt_status s;

    if (out < 1) return lt_fail(e, LT_EINVAL, "%s: %" PRId64 " output channels, must be at least 1", n->name, out);
    if (n->groups < 1 || x->d[1] % n->groups || out % n->groups)
        return lt_fail(e, LT_EINVAL, "%s: %d groups must divide both %" PRId64 " input and %" PRId64 " output channels",
                       n->name, n->groups, x->d[1], out);
    if ((s = check_window(n, x, e))) return s;
    n->out = (struct lt_shape){{1, out, windows(x->d[2], n), windows(x->d[3], n)}};
    return lt_shape_check_size(n, e);
}

lt_status lt_shape_linear(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    (void)g;
    if (n->out.d[1] < 1)
        return lt_fail(e, LT_EINVAL, "%s: %" PRId64 " output features, must be at least 1", n->name, n->out.d[1]);
    n->out = (struct lt_shape){{1, n->out.d[1], 1, 1}};
    return lt_shape_check_size(n, e);
}

lt_status lt_shape_pool(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *x = lt_shape_in(g, n, 0);
    lt_status s;

    if ((s = check_window(n, x, e))) return s;
    n->out = (struct lt_shape){{1, x->d[1], windows(x->d[2], n), windows(x->d[3], n)}};
    return lt_shape_check_size(n, e);
}

lt_status lt_shape_gap(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    n->out = (struct lt_shape){{1, lt_shape_in(g, n, 0)->d[1], 1, 1}};
    return lt_shape_check_size(n, e);
}

lt_status lt_shape_same(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    n->out = *lt_shape_in(g, n, 0);
    return lt_shape_check_size(n, e);
}

lt_status lt_shape_add(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *a = lt_shape_in(g, n, 0), *b = lt_shape_in(g, n, 1);

    for (int i = 0; i < 4; i++) {
        if (a->d[i] != b->d[i])
            return lt_fail(e, LT_EINVAL, "%s: cannot add " LT_SHAPE_FMT " and " LT_SHAPE_FMT ": shapes must be equal",
                           n->name, LT_SHAPE_ARG(a), LT_SHAPE_ARG(b));
    }
    n->out = *a;
    return lt_shape_check_size(n, e);
}

lt_status lt_shape_mul(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *a = lt_shape_in(g, n, 0), *b = lt_shape_in(g, n, 1);
    bool per_channel = b->d[2] == 1 && b->d[3] == 1;

    if (a->d[1] != b->d[1] || (!per_channel && (a->d[2] != b->d[2] || a->d[3] != b->d[3])))
        return lt_fail(e, LT_EINVAL,
                       "%s: cannot multiply " LT_SHAPE_FMT " by " LT_SHAPE_FMT
                       ": the second must have the shape of the first or [1,C,1,1]",
                       n->name, LT_SHAPE_ARG(a), LT_SHAPE_ARG(b));
    n->out = *a;
    return lt_shape_check_size(n, e);
}

lt_status lt_shape_flatten(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    n->out = (struct lt_shape){{1, lt_shape_count(lt_shape_in(g, n, 0)), 1, 1}};
    return lt_shape_check_size(n, e);
}

static bool axis_exists(const struct lt_node *n) { return n->axis >= 1 && n->axis <= 3; }

lt_status lt_shape_concat(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *a = lt_shape_in(g, n, 0);
    int64_t sum = 0;

    if (!axis_exists(n)) return lt_fail(e, LT_EINVAL, "%s: axis %d of [N,C,H,W], must be 1, 2 or 3", n->name, n->axis);
    for (int k = 0; k < n->n_in; k++) {
        const struct lt_shape *b = lt_shape_in(g, n, k);

        for (int i = 0; i < 4; i++) {
            if (i != n->axis && a->d[i] != b->d[i])
                return lt_fail(e, LT_EINVAL,
                               "%s: cannot join " LT_SHAPE_FMT " and " LT_SHAPE_FMT
                               " along axis %d: all others must be equal",
                               n->name, LT_SHAPE_ARG(a), LT_SHAPE_ARG(b), n->axis);
        }
        sum += b->d[n->axis];
    }
    n->out = *a;
    n->out.d[n->axis] = sum;
    return lt_shape_check_size(n, e);
}

lt_status lt_shape_slice(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *x = lt_shape_in(g, n, 0);

    if (!axis_exists(n)) return lt_fail(e, LT_EINVAL, "%s: axis %d of [N,C,H,W], must be 1, 2 or 3", n->name, n->axis);
    if (n->start < 0 || n->stop <= n->start || n->stop > x->d[n->axis])
        return lt_fail(e, LT_EINVAL, "%s: slice from %d to %d of axis %d of " LT_SHAPE_FMT ", must lie within it",
                       n->name, n->start, n->stop, n->axis, LT_SHAPE_ARG(x));
    n->out = *x;
    n->out.d[n->axis] = n->stop - n->start;
    return LT_OK;
}

lt_status lt_shape_shuffle(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *x = lt_shape_in(g, n, 0);

    if (n->groups < 1 || x->d[1] % n->groups)
        return lt_fail(e, LT_EINVAL, "%s: %d groups must divide the %" PRId64 " channels", n->name, n->groups, x->d[1]);
    n->out = *x;
    return LT_OK;
}

/* As a convolution of that stride that keeps the size: rounded up. */
lt_status lt_shape_zero(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *x = lt_shape_in(g, n, 0);

    if (n->stride < 1 || n->stride > 4096)
        return lt_fail(e, LT_EINVAL, "%s: stride %d, must be 1 to 4096", n->name, n->stride);
    n->out = (struct lt_shape){{1, x->d[1], (x->d[2] - 1) / n->stride + 1, (x->d[3] - 1) / n->stride + 1}};
    return LT_OK;
}
