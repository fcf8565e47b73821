/* A graph as text for humans: one line a node. Not parsed back by anything. */
#include <inttypes.h>
#include <stdio.h>
#include "lathe/graph.h"

static void attributes(const struct lt_node *n, struct lt_buf *out) {
    switch (n->op) {
    case LT_OP_CONV:
        lt_buf_printf(out, " kernel %d stride %d pad %d", n->kernel, n->stride, n->pad);
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
        lt_buf_printf(out, "%4d %-8s %-20s %-18s", i, lt_op_name(n->op), n->name, shape);
        for (int k = 0; k < n->n_in; k++) lt_buf_printf(out, "%s%d", k ? "," : " <- ", n->in[k]);
        attributes(n, out);
        lt_buf_puts(out, i == g->output ? " (output)\n" : "\n");
    }
}
