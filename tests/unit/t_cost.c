/* Analytic costs: numbers computed by hand, and peak memory against a simulation that shares no code with it. */
#include <inttypes.h>
#include <string.h>
#include "lathe/cost.h"
#include "lathe/rng.h"
#include "tests/tap.h"

/* image [1,3,8,8] - conv 16 k3 s2 - bn - relu - dw k3 - bn - relu - project 16 - bn - add - gap - fc 10 */
static struct lt_graph *small(void) {
    struct lt_graph *g = NULL;
    int x, y;

    if (lt_graph_new("small", &g, NULL)) return NULL;
    x = lt_graph_input(g, "image", 3, 8, 8);
    x = lt_graph_conv(g, "c1", x, &(struct lt_conv_attr){.out = 16, .kernel = 3, .stride = 2, .groups = 1});
    x = lt_graph_act(g, "a1", lt_graph_bn(g, "b1", x), LT_ACT_RELU);
    y = lt_graph_conv(g, "dw", x, &(struct lt_conv_attr){.out = 16, .kernel = 3, .stride = 1, .groups = 16});
    y = lt_graph_act(g, "a2", lt_graph_bn(g, "b2", y), LT_ACT_RELU);
    y = lt_graph_conv(g, "pr", y, &(struct lt_conv_attr){.out = 16, .kernel = 1, .stride = 1, .groups = 1});
    y = lt_graph_bn(g, "b3", y);
    x = lt_graph_add(g, "add", x, y);
    x = lt_graph_linear(g, "fc", lt_graph_gap(g, "gap", x), 10);
    lt_graph_output(g, x);
    if (!lt_graph_finish(g, NULL)) return g;
    lt_graph_free(g);
    return NULL;
}

static void by_hand(void) {
    struct lt_graph *g = small(), *f = NULL;
    struct lt_plan *plan = NULL;
    struct lt_cost_node n;
    struct lt_cost c;

    lt_graph_cost(g, NULL, &c);
    /* [16,4,4] maps: 16*27*16 + 16*9*16 + 16*16*16 + 160 */
    lt_ok(c.macs == 6912 + 2304 + 4096 + 160, "macs %" PRId64, c.macs);
    /* 432 + 144 + 256 weights, three batch norms of 2*16, fc 160 + 10 */
    lt_ok(c.params == 432 + 144 + 256 + 96 + 170, "params %" PRId64, c.params);
    /* folded: each batch norm leaves 16 biases */
    lt_ok(c.size_bytes == 4 * (432 + 144 + 256 + 48 + 170), "bytes as deployed %" PRId64, c.size_bytes);
    /* conv, dw, project, add, gap, fc */
    lt_ok(c.n_ops == 6, "operators %d", c.n_ops);
    /* weights and biases as above; conv 192 -> 256, dw 256 -> 256, project 256 -> 256, add 512 -> 256, gap 256 -> 16,
     * fc 16 -> 10 */
    lt_ok(c.moved_bytes == c.size_bytes + 4 * (192 + 256 + 256 + 256 + 256 + 256 + 512 + 256 + 256 + 16 + 16 + 10),
          "bytes moved %" PRId64, c.moved_bytes);
    /* three maps of 256 at the sum */
    lt_ok(c.peak_act_bytes == 4 * 3 * 256, "peak bytes %" PRId64, c.peak_act_bytes);
    lt_node_cost(g, NULL, lt_graph_find(g, "dw"), &n);
    lt_ok(n.macs == 2304 && n.params == 144 && n.read_bytes == 4 * (256 + 144 + 16) && n.written_bytes == 4 * 256,
          "one node");
    lt_node_cost(g, NULL, lt_graph_find(g, "a1"), &n);
    lt_ok(n.macs == 0 && n.read_bytes == 0 && n.written_bytes == 0, "an activation in place moves nothing");

    lt_ok(!lt_graph_fold_bn(g, NULL, &f, NULL, NULL), "folded");
    {
        struct lt_cost d;

        lt_graph_cost(f, NULL, &d);
        lt_ok(d.macs == c.macs && d.size_bytes == c.size_bytes && d.moved_bytes == c.moved_bytes &&
                  d.peak_act_bytes == c.peak_act_bytes && d.n_ops == c.n_ops,
              "folding changes no cost of deployment");
        lt_ok(d.params == 432 + 144 + 256 + 48 + 170, "but the parameters: %" PRId64, d.params);
    }
    /* dw and project in int8: dw reads one byte of a map that the sum reads too (5 bytes an element); between dw and
     * project it is one byte */
    if (lt_plan_new(f, &plan, NULL)) return;
    plan->is_int8[lt_graph_find(f, "dw")] = plan->is_int8[lt_graph_find(f, "pr")] = 1;
    lt_graph_cost(f, plan, &c);
    lt_ok(c.size_bytes == 4 * (432 + 16 + 170) + (144 + 64 + 64) + (256 + 64 + 64), "int8 bytes as deployed %" PRId64,
          c.size_bytes);
    lt_ok(c.peak_act_bytes == 256 * (5 + 4 + 4), "int8 peak %" PRId64, c.peak_act_bytes);
    lt_node_cost(f, plan, lt_graph_find(f, "pr"), &n);
    lt_ok(n.read_bytes == 256 * 1 + (256 + 64 + 64) && n.written_bytes == 256 * 4,
          "int8 node reads bytes, writes floats");
    lt_node_cost(f, plan, lt_graph_find(f, "dw"), &n);
    lt_ok(n.written_bytes == 256, "its output is read by int8 only: one byte");
    lt_plan_free(plan);
    lt_graph_free(g);
    lt_graph_free(f);
}

#define MAX_N 32

/* Who owns the memory of node i's output, straight from the definition. */
static int readers_of(const struct lt_graph *g, int node) {
    int readers = g->output == node;

    for (int j = 0; j < g->n_nodes; j++) {
        for (int k = 0; k < g->node[j].n_in; k++) readers += g->node[j].in[k] == node;
    }
    return readers;
}

static bool only_a_name(enum lt_op op) { return op == LT_OP_FLATTEN || op == LT_OP_TOKENS || op == LT_OP_GRID; }

static int owner(const struct lt_graph *g, int i) {
    const struct lt_node *n = &g->node[i];
    int x;

    if (only_a_name(n->op)) return owner(g, n->in[0]);
    if (n->op != LT_OP_BN && n->op != LT_OP_ACT) return i;
    for (x = n->in[0];; x = g->node[x].in[0]) {
        if (readers_of(g, x) > 1 || g->node[x].op == LT_OP_INPUT) return i;
        if (!only_a_name(g->node[x].op)) return owner(g, x);
    }
}

static int64_t simulate(const struct lt_graph *g, const struct lt_plan *plan) {
    int64_t peak = 0;

    for (int t = 0; t < g->n_nodes; t++) {
        int64_t sum = 0;

        for (int o = 0; o <= t; o++) {
            bool live = o == t, f32 = false, int8 = false;

            if (owner(g, o) != o) continue;
            for (int j = 0; j < g->n_nodes; j++) {
                for (int k = 0; k < g->node[j].n_in; k++) {
                    if (owner(g, g->node[j].in[k]) != o) continue;
                    if (j >= t) live = true;
                    if (owner(g, j) == o) continue;
                    if (plan && plan->is_int8[j])
                        int8 = true;
                    else
                        f32 = true;
                }
            }
            if (owner(g, g->output) == o) live = f32 = true;
            if (live) sum += lt_shape_count(&g->node[o].out) * ((int8 ? 1 : 0) + (f32 || !int8 ? 4 : 0));
        }
        if (sum > peak) peak = sum;
    }
    return peak;
}

/* A random network, dead ends included. */
static struct lt_graph *random_graph(struct lt_rng *r, int n_nodes) {
    struct lt_graph *g = NULL;
    struct lt_err e;
    char name[16];

    if (lt_graph_new("random", &g, NULL)) return NULL;
    lt_graph_input(g, "image", 1 + (int)lt_rng_below(r, 5), 6, 6);
    while (g->n_nodes < n_nodes && !g->err.status) {
        int x = lt_rng_below(r, 3) ? g->n_nodes - 1 : (int)lt_rng_below(r, (uint32_t)g->n_nodes), y = -1;
        bool square = g->node[x].out.d[2] >= 2 && g->node[x].out.d[3] >= 2;

        snprintf(name, sizeof(name), "n%d", g->n_nodes);
        for (int k = 0; k < g->n_nodes; k++) {
            if (k != x && !memcmp(&g->node[k].out, &g->node[x].out, sizeof(struct lt_shape))) y = k;
        }
        switch (lt_rng_below(r, 13)) {
        case 0:
            lt_graph_conv(g, name, x,
                          &(struct lt_conv_attr){.out = 1 + (int)lt_rng_below(r, 9),
                                                 .kernel = 3,
                                                 .stride = 1 + (int)lt_rng_below(r, 2),
                                                 .groups = 1});
            break;
        case 1:
            lt_graph_conv(
                g, name, x,
                &(struct lt_conv_attr){
                    .out = (int)g->node[x].out.d[1], .kernel = 3, .stride = 1, .groups = (int)g->node[x].out.d[1]});
            break;
        case 2:
            lt_graph_bn(g, name, x);
            break;
        case 3:
        case 4:
            lt_graph_act(g, name, x, LT_ACT_RELU);
            break;
        case 5:
            lt_graph_add(g, name, x, y >= 0 && lt_rng_below(r, 4) ? y : x);
            break;
        case 6:
            lt_graph_pool(g, name, x, LT_POOL_AVG, square ? 2 : 1, square ? 2 : 1, 0);
            break;
        case 7:
            lt_graph_flatten(g, name, x);
            break;
        case 8:
            lt_graph_concat(g, name, (int[]){x, y >= 0 ? y : x}, lt_shape_count(&g->node[x].out) < 4096 ? 2 : 1,
                            1 + (int)lt_rng_below(r, 3));
            break;
        case 9:
            lt_graph_tokens(g, name, x);
            break;
        case 10:
            if (g->node[x].out.d[3] == 1)
                lt_graph_grid(g, name, x, g->node[x].out.d[2] % 2 ? 1 : 2);
            else
                lt_graph_slice(g, name, x, 3, 1, (int)g->node[x].out.d[3]);
            break;
        case 11:
            if (g->node[x].out.d[3] == 1)
                lt_graph_attention(g, name, x, y >= 0 ? y : x, x, &(struct lt_attention_attr){.heads = 1});
            else
                lt_graph_zero(g, name, x, 1);
            break;
        default:
            lt_graph_linear(g, name, x, 1 + (int)lt_rng_below(r, 20));
            break;
        }
    }
    lt_graph_output(g, lt_rng_below(r, 4) ? g->n_nodes - 1 : (int)lt_rng_below(r, (uint32_t)g->n_nodes));
    if (!lt_graph_finish(g, &e)) return g;
    lt_note("%s", e.msg);
    lt_graph_free(g);
    return NULL;
}

static bool is_sum_of_nodes(const struct lt_graph *g, const struct lt_plan *plan, const struct lt_cost *c) {
    struct lt_cost s = {0};

    for (int i = 0; i < g->n_nodes; i++) {
        struct lt_cost_node n;

        lt_node_cost(g, plan, i, &n);
        s.macs += n.macs;
        s.params += n.params;
        s.moved_bytes += n.read_bytes + n.written_bytes;
    }
    return s.macs == c->macs && s.params == c->params && s.moved_bytes == c->moved_bytes;
}

static void peak_is_the_simulated_one(void) {
    const uint64_t seed = 1;
    int bad = 0, shared = 0, built = 0, apart = 0;

    lt_note("seed %d", (int)seed);
    for (int i = 0; i < 600; i++) {
        struct lt_rng r;
        struct lt_graph *g;
        struct lt_plan *plan = NULL;
        struct lt_cost c;

        lt_rng_at(&r, seed, LT_RNG_TEST, 0, (uint64_t)i);
        if (!(g = random_graph(&r, 2 + (int)lt_rng_below(&r, MAX_N - 2)))) continue;
        built++;
        lt_graph_cost(g, NULL, &c);
        bad += c.peak_act_bytes != simulate(g, NULL);
        apart += !is_sum_of_nodes(g, NULL, &c);
        for (int k = 0; k < g->n_nodes; k++) shared += owner(g, k) != k;
        if (!lt_plan_new(g, &plan, NULL)) {
            for (int k = 0; k < g->n_nodes; k++)
                plan->is_int8[k] =
                    (g->node[k].op == LT_OP_CONV || g->node[k].op == LT_OP_LINEAR) && lt_rng_below(&r, 2);
            lt_graph_cost(g, plan, &c);
            bad += c.peak_act_bytes != simulate(g, plan);
            apart += !is_sum_of_nodes(g, plan, &c);
        } else
            bad++;
        lt_plan_free(plan);
        lt_graph_free(g);
    }
    lt_ok(built == 600 && bad == 0, "peak memory of 600 random graphs, f32 and mixed, is the simulated one (%d differ)",
          bad);
    lt_ok(!apart, "costs of graphs are the sums of those of their nodes (%d are not)", apart);
    lt_ok(shared > 600, "the random graphs do share memory (%d nodes in place)", shared);
}

int main(void) {
    by_hand();
    peak_is_the_simulated_one();
    return lt_done();
}
