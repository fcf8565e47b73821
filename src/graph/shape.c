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

#define SHAPE_FMT "[%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "]"
#define SHAPE_ARG(s) (s)->d[0], (s)->d[1], (s)->d[2], (s)->d[3]

static const struct lt_shape *in_shape(const struct lt_graph *g, const struct lt_node *n, int i) {
    return &g->node[n->in[i]].out;
}

static lt_status check_size(const struct lt_node *n, struct lt_err *e) {
    int64_t elements = 1, d;

    for (int i = 0; i < 4; i++) {
        d = n->out.d[i];
        if (d < 1 || d > MAX_DIM || elements > MAX_ELEMENTS / d)
            return lt_fail(e, LT_EINVAL, "%s: output shape " SHAPE_FMT " is %s", n->name, SHAPE_ARG(&n->out),
                           d < 1 ? "empty" : "too large");
        elements *= d;
    }
    return LT_OK;
}

/* Windows of a square kernel along one axis; 0 when the padded axis is shorter than the kernel. */
static int64_t windows(int64_t size, const struct lt_node *n) {
    int64_t span = size + 2 * (int64_t)n->pad - n->kernel;

    return span < 0 ? 0 : span / n->stride + 1;
}

static lt_status check_window(const struct lt_node *n, const struct lt_shape *x, struct lt_err *e) {
    if (n->kernel < 1 || n->stride < 1 || n->pad < 0)
        return lt_fail(e, LT_EINVAL,
                       "%s: kernel %d, stride %d, pad %d: kernel and stride must be at least 1, pad at least 0",
                       n->name, n->kernel, n->stride, n->pad);
    if (n->kernel > 4096 || n->stride > 4096)
        return lt_fail(e, LT_EINVAL, "%s: kernel %d, stride %d: at most 4096", n->name, n->kernel, n->stride);
    if (n->pad >= n->kernel)
        return lt_fail(e, LT_EINVAL, "%s: pad %d must be smaller than the kernel (%d)", n->name, n->pad, n->kernel);
    if (windows(x->d[2], n) < 1 || windows(x->d[3], n) < 1)
        return lt_fail(e, LT_EINVAL, "%s: kernel %d with pad %d does not fit into input " SHAPE_FMT, n->name, n->kernel,
                       n->pad, SHAPE_ARG(x));
    return LT_OK;
}

lt_status lt_shape_conv(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *x = in_shape(g, n, 0);
    int64_t out = n->out.d[1];
    lt_status s;

    if (out < 1) return lt_fail(e, LT_EINVAL, "%s: %" PRId64 " output channels, must be at least 1", n->name, out);
    if (n->groups < 1 || x->d[1] % n->groups || out % n->groups)
        return lt_fail(e, LT_EINVAL, "%s: %d groups must divide both %" PRId64 " input and %" PRId64 " output channels",
                       n->name, n->groups, x->d[1], out);
    if ((s = check_window(n, x, e))) return s;
    n->out = (struct lt_shape){{1, out, windows(x->d[2], n), windows(x->d[3], n)}};
    return check_size(n, e);
}

lt_status lt_shape_linear(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    (void)g;
    if (n->out.d[1] < 1)
        return lt_fail(e, LT_EINVAL, "%s: %" PRId64 " output features, must be at least 1", n->name, n->out.d[1]);
    n->out = (struct lt_shape){{1, n->out.d[1], 1, 1}};
    return check_size(n, e);
}

lt_status lt_shape_pool(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *x = in_shape(g, n, 0);
    lt_status s;

    if ((s = check_window(n, x, e))) return s;
    n->out = (struct lt_shape){{1, x->d[1], windows(x->d[2], n), windows(x->d[3], n)}};
    return check_size(n, e);
}

lt_status lt_shape_gap(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    n->out = (struct lt_shape){{1, in_shape(g, n, 0)->d[1], 1, 1}};
    return check_size(n, e);
}

lt_status lt_shape_same(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    n->out = *in_shape(g, n, 0);
    return check_size(n, e);
}

lt_status lt_shape_add(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *a = in_shape(g, n, 0), *b = in_shape(g, n, 1);

    for (int i = 0; i < 4; i++) {
        if (a->d[i] != b->d[i])
            return lt_fail(e, LT_EINVAL, "%s: cannot add " SHAPE_FMT " and " SHAPE_FMT ": shapes must be equal",
                           n->name, SHAPE_ARG(a), SHAPE_ARG(b));
    }
    n->out = *a;
    return check_size(n, e);
}

lt_status lt_shape_mul(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    const struct lt_shape *a = in_shape(g, n, 0), *b = in_shape(g, n, 1);
    bool per_channel = b->d[2] == 1 && b->d[3] == 1;

    if (a->d[1] != b->d[1] || (!per_channel && (a->d[2] != b->d[2] || a->d[3] != b->d[3])))
        return lt_fail(e, LT_EINVAL,
                       "%s: cannot multiply " SHAPE_FMT " by " SHAPE_FMT
                       ": the second must have the shape of the first or [1,C,1,1]",
                       n->name, SHAPE_ARG(a), SHAPE_ARG(b));
    n->out = *a;
    return check_size(n, e);
}

lt_status lt_shape_flatten(const struct lt_graph *g, struct lt_node *n, struct lt_err *e) {
    n->out = (struct lt_shape){{1, lt_shape_count(in_shape(g, n, 0)), 1, 1}};
    return check_size(n, e);
}
