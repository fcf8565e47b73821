/* A graph as text for humans: one line a node. Not parsed back by anything. */
#include <inttypes.h>
#include <stdio.h>
#include "lathe/graph.h"

static void attention(const struct lt_node *n, struct lt_buf *out) {
    lt_buf_printf(out, " heads %d", n->heads);
    if (n->kv_heads != n->heads) lt_buf_printf(out, " kv_heads %d", n->kv_heads);
    if (n->causal) lt_buf_puts(out, " causal");
    if (n->window) lt_buf_printf(out, " window %d", n->window);
    if (n->block) lt_buf_printf(out, " block %d", n->block);
    if (n->rope > 0) lt_buf_printf(out, " rope %g", (double)n->rope);
}

static void attributes(const struct lt_node *n, struct lt_buf *out) {
    switch (n->op) {
    case LT_OP_CONV:
        lt_buf_printf(out, " kernel %d stride %d pad %d", n->kernel, n->stride, n->pad);
        if (n->dilation > 1) lt_buf_printf(out, " dilation %d", n->dilation);
        if (lt_node_is_depthwise(n))
            lt_buf_puts(out, " depthwise");
        else if (n->groups > 1)
            lt_buf_printf(out, " groups %d", n->groups);
        break;
    case LT_OP_POOL:
        lt_buf_printf(out, " %s kernel %d stride %d pad %d", n->pool == LT_POOL_MAX ? "max" : "average", n->kernel,
                      n->stride, n->pad);
        break;
    case LT_OP_ACT:
        lt_buf_printf(out, " %s", lt_act_name(n->act));
        break;
    case LT_OP_CONCAT:
        lt_buf_printf(out, " axis %d", n->axis);
        break;
    case LT_OP_SLICE:
        lt_buf_printf(out, " axis %d from %d to %d", n->axis, n->start, n->stop);
        break;
    case LT_OP_SHUFFLE:
        lt_buf_printf(out, " groups %d", n->groups);
        break;
    case LT_OP_ZERO:
        lt_buf_printf(out, " stride %d", n->stride);
        break;
    case LT_OP_LAYERNORM:
        if (n->rms) lt_buf_puts(out, " rms");
        break;
    case LT_OP_WINDOW:
        lt_buf_printf(out, " %d x %d%s", n->window, n->window, n->inverse ? " back" : "");
        break;
    case LT_OP_ATTENTION:
    case LT_OP_LINATTN:
        attention(n, out);
        break;
    case LT_OP_SHORTCONV:
        lt_buf_printf(out, " kernel %d%s", n->kernel, n->causal ? " causal" : "");
        break;
    default:
        break;
    }
}

void lt_graph_print(const struct lt_graph *g, struct lt_buf *out) {
    lt_buf_printf(out, "graph %s: %d nodes, %d parameters\n", g->name, g->n_nodes, g->n_params);
    for (int i = 0; i < g->n_nodes; i++) {
        const struct lt_node *n = &g->node[i];
        char shape[96];

        snprintf(shape, sizeof(shape), "[%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "]", n->out.d[0], n->out.d[1],
                 n->out.d[2], n->out.d[3]);
        lt_buf_printf(out, "%4d %-9s %-20s %-18s", i, lt_op_name(n->op), n->name, shape);
        for (int k = 0; k < n->n_in; k++) lt_buf_printf(out, "%s%d", k ? "," : " <- ", n->in[k]);
        attributes(n, out);
        lt_buf_puts(out, i == g->output ? " (output)\n" : "\n");
    }
}
