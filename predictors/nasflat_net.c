/*
 * NASFLAT's network. Every node of the graph of operations has an embedding of what it is (40) and one of the device
 * (8); two graph layers refine both into an embedding of what the operation is on this device, in this graph; three
 * more with the refined ones give an architecture's score. A graph layer is the mean of dense graph flow   sigmoid(W_o
 * op) * (A x W) + x W graph attention    norm(sigmoid(W'_o op) * attention(x W'))
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/nasflat_priv.h"

enum { OP = 40, HW = 8, NODE = 48, HIDDEN = 96, MLP = 200 };

static int layer(struct lt_nn *n, int x, int op, const double *graph, int nodes, int width, bool relu) {
    int s = lt_nn_dense(n, x, width, false, LT_NN_NO_BIAS), k = lt_nn_dense(n, x, width, false, LT_NN_NO_BIAS),
        gate = lt_nn_sigmoid(n, lt_nn_dense(n, op, width, false, LT_NN_LINEAR)), flow, attention;

    flow = lt_nn_add(n, lt_nn_mul(n, gate, lt_nn_propagate(n, s, graph, nodes)), s, 1, false);
    gate = lt_nn_sigmoid(n, lt_nn_dense(n, op, width, false, LT_NN_LINEAR));
    attention = lt_nn_norm(n, lt_nn_mul(n, gate, lt_nn_attend(n, k, graph)));
    return lt_nn_add(n, flow, attention, 0.5, relu); /* the norm's shift is the layer's bias */
}

static int body(struct lt_nn *n, int x, int op, const double *graph, int nodes, int width, int layers) {
    for (int k = 0; k < layers; k++) x = layer(n, x, op, graph, nodes, width, k < layers - 1);
    return x;
}

/* The embedding of each operation, given all that the output node has heard. */
static int refine(struct lt_nn *n, int op, int y, const double *last, int width) {
    y = lt_nn_propagate(n, y, last, 1);
    for (int k = 0; k < 3; k++) y = lt_nn_dense(n, y, width, k < 2, LT_NN_LINEAR);
    op = lt_nn_dense(n, lt_nn_concat(n, op, y), width, true, LT_NN_LINEAR);
    return lt_nn_dense(n, op, OP + HW, false, LT_NN_LINEAR);
}

static int score(struct lt_nn *n, int y, struct nasflat_net *out, bool dropout) {
    for (int k = 0; k < 3; k++) {
        y = lt_nn_dense(n, y, MLP, true, LT_NN_LINEAR);
        out->drop[k] = dropout ? lt_nn_input(n, 1, MLP, false) : -1;
        if (dropout) y = lt_nn_mul(n, y, out->drop[k]);
    }
    return lt_nn_dense(n, y, 1, false, LT_NN_LINEAR);
}

lt_status nasflat_network(const struct nasflat *f, int slots, int items, bool dropout, enum lt_nn_purpose purpose,
                          struct nasflat_net *out, struct lt_err *e) {
    int nodes = f->view->n_nodes, width = (int)f->cfg->width, place, x, op, refined;
    double *graph = lt_calloc((size_t)(nodes * (nodes + 1)), sizeof(*graph)), *last = graph + nodes * nodes;
    struct nasflat_net r = {.nodes = nodes, .slots = slots};
    lt_status s;

    if (!graph) return lt_fail(e, LT_ENOMEM, "predictor 'nasflat': out of memory");
    for (int i = 0; i < nodes; i++)
        for (int j = 0; j < nodes; j++) graph[i * nodes + j] = f->view->hears[i * (nodes + 1) + j];
    last[nodes - 1] = 1;
    r.nn = lt_nn_new();
    r.ops = lt_nn_input(r.nn, nodes, f->view->n_features, false);
    r.device = lt_nn_input(r.nn, 1, slots, false);
    place = lt_nn_input(r.nn, nodes, 2, true); /* the input node, or another */
    r.weight = lt_nn_input(r.nn, nodes, 1, false);
    r.table = lt_nn_param(r.nn, slots * HW, sqrt(3), 0); /* unit variance */
    op = lt_nn_concat(r.nn, lt_nn_dense(r.nn, r.ops, OP, false, LT_NN_TABLE),
                      lt_nn_dense_at(r.nn, r.device, HW, false, r.table, -1));
    x = lt_nn_dense(r.nn, lt_nn_dense(r.nn, place, NODE, false, LT_NN_TABLE), HIDDEN, false, LT_NN_LINEAR);
    refined = refine(r.nn, op, body(r.nn, x, op, graph, nodes, width, 2), last, width);
    score(r.nn, lt_nn_pool(r.nn, body(r.nn, x, refined, graph, nodes, width, 3), r.weight), &r, dropout);
    lt_free(graph);
    if ((s = lt_nn_ready(r.nn, items, purpose, e))) {
        lt_nn_free(r.nn);
        return s;
    }
    for (int i = 0; i < nodes; i++) lt_nn_value(r.nn, place)[2 * i + (i > 0)] = 1;
    *out = r;
    return LT_OK;
}

void nasflat_network_release(struct nasflat_net *n) {
    lt_nn_free(n->nn);
    *n = (struct nasflat_net){0};
}

void nasflat_put(const struct nasflat *f, struct nasflat_net *n, int item, const struct lt_arch *a, int slot) {
    size_t size = (size_t)n->nodes * (size_t)f->view->n_features;
    float row[(LT_NN_MAX_NODES + 1)], *device = lt_nn_value(n->nn, n->device) + (size_t)item * (size_t)n->slots,
                                      *weight = lt_nn_value(n->nn, n->weight) + (size_t)item * (size_t)n->nodes;

    lt_nn_space_graph(f->view, a, lt_nn_value(n->nn, n->ops) + (size_t)item * size, row);
    memset(device, 0, (size_t)n->slots * sizeof(*device));
    device[slot] = 1;
    weight[0] = 0;
    for (int i = 1; i < n->nodes; i++) weight[i] = row[i] / (float)(n->nodes - 1);
}

void nasflat_scores(const struct nasflat *f, struct nasflat_net *n, const float *theta, const struct lt_arch *a,
                    int count, int slot, double *score_of) {
    for (int i = 0; i < count; i += NASFLAT_CHUNK) {
        int k = count - i < NASFLAT_CHUNK ? count - i : NASFLAT_CHUNK;

        for (int j = 0; j < k; j++) nasflat_put(f, n, j, &a[i + j], slot);
        lt_nn_forward(n->nn, k, theta);
        for (int j = 0; j < k; j++) score_of[i + j] = lt_nn_output(n->nn)[j];
    }
}
