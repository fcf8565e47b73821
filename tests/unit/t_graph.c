/* The operator graph: shapes, errors that stick, names, liveness facts, hash, plans, weights, and what happens when
 * memory runs out. */
#include <stdint.h>
#include <string.h>
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "tests/tap.h"

/* image [1,c,h,w] -> conv -> output; finish's status. */
static lt_status one_conv(int c, int h, int w, struct lt_conv_attr a, struct lt_shape *shape, struct lt_err *e) {
    struct lt_graph *g = NULL;
    lt_status s = lt_graph_new("g", &g, e);
    int x;

    if (s) return s;
    x = lt_graph_conv(g, "c1", lt_graph_input(g, "image", c, h, w), &a);
    lt_graph_output(g, x);
    if (!(s = lt_graph_finish(g, e))) *shape = g->node[x].out;
    lt_graph_free(g);
    return s;
}

static void shapes(void) {
    static const struct {
        int c, h, w, out, k, s, p, groups;
        int64_t want[4];
    } t[] = {
        {3, 32, 32, 16, 3, 1, 0, 1, {1, 16, 32, 32}}, /* pad 0 and -1 mean kernel/2 */
        {3, 32, 32, 16, 3, 2, -1, 1, {1, 16, 16, 16}}, {3, 28, 20, 8, 5, 2, 0, 1, {1, 8, 14, 10}},
        {3, 7, 7, 8, 3, 2, 0, 1, {1, 8, 4, 4}},        {3, 32, 32, 16, 3, 1, LT_PAD_VALID, 1, {1, 16, 30, 30}},
        {3, 32, 32, 16, 7, 4, 3, 1, {1, 16, 8, 8}},    {8, 5, 5, 8, 5, 1, LT_PAD_VALID, 8, {1, 8, 1, 1}},
        {4, 1, 1, 6, 1, 1, 0, 2, {1, 6, 1, 1}},
    };
    struct lt_err e;

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        struct lt_shape got = {{0}};
        lt_status s =
            one_conv(t[i].c, t[i].h, t[i].w,
                     (struct lt_conv_attr){
                         .out = t[i].out, .kernel = t[i].k, .stride = t[i].s, .groups = t[i].groups, .pad = t[i].p},
                     &got, &e);

        lt_ok(!s && !memcmp(got.d, t[i].want, sizeof(got.d)), "conv shape %d", (int)i);
    }
}

static void conv_errors(void) {
    static const struct {
        struct lt_conv_attr a;
        const char *says;
    } t[] = {
        {{.out = 0, .kernel = 3, .stride = 1, .groups = 1}, "0 output channels"},
        {{.out = 8, .kernel = 3, .stride = 1, .groups = 3}, "3 groups must divide"},
        {{.out = 8, .kernel = 3, .stride = 1, .groups = 0}, "0 groups"},
        {{.out = 8, .kernel = 0, .stride = 1, .groups = 1}, "kernel 0"},
        {{.out = 8, .kernel = 3, .stride = 0, .groups = 1}, "stride 0"},
        {{.out = 8, .kernel = 9, .stride = 1, .groups = 1, .pad = LT_PAD_VALID}, "does not fit into input [1,4,8,8]"},
        {{.out = 8, .kernel = 3, .stride = 1, .groups = 1, .pad = 3}, "pad 3 must be smaller"},
        {{.out = 8, .kernel = 3, .stride = 1, .groups = 1, .pad = -7}, NULL}, /* any other negative means kernel/2 */
        {{.out = 1 << 30, .kernel = 3, .stride = 1, .groups = 1}, "too large"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        struct lt_err e = {0};
        struct lt_shape got;
        lt_status s = one_conv(4, 8, 8, t[i].a, &got, &e);

        if (t[i].says)
            lt_ok(s == LT_EINVAL && !strncmp(e.msg, "c1: ", 4) && strstr(e.msg, t[i].says), "conv error %d: %s", (int)i,
                  e.msg);
        else
            lt_ok(s == LT_OK, "conv without error %d", (int)i);
    }
}

static const struct lt_conv_attr plain = {.out = 8, .kernel = 3, .stride = 1, .groups = 1};

static void other_errors(void) {
    for (int k = 0; k < 12; k++) {
        static const char *const says[] = {
            "sum: cannot add",      "prod: cannot multiply", "c1: two nodes", "has no output",
            "input 0 is node 99",   "first: c: 0 output",    "one input",     "input node must come first",
            "which does not exist", "each must be in",       "p: pad 2",      "activation 42"};
        struct lt_graph *g = NULL;
        struct lt_err e = {0};
        int x, y;

        if (lt_graph_new("g", &g, &e)) break;
        if (k == 7) {
            lt_graph_output(g, lt_graph_conv(g, "c1", 0, &plain));
        } else {
            x = k == 9 ? lt_graph_input(g, "image", 4, 0, 8) : lt_graph_input(g, "image", 4, 8, 8);
            y = lt_graph_conv(g, "c1", x, &plain);
            if (k == 0) y = lt_graph_add(g, "sum", x, y);
            if (k == 1) y = lt_graph_mul(g, "prod", y, lt_graph_gap(g, "gap", x));
            if (k == 2) y = lt_graph_conv(g, "c1", y, &plain);
            if (k == 4) y = lt_graph_bn(g, "bn", 99);
            if (k == 5) {
                struct lt_conv_attr zero = plain;
                zero.out = 0;
                y = lt_graph_conv(g, "first: c", y, &zero);
                y = lt_graph_gap(g, "gap", lt_graph_act(g, "a", lt_graph_bn(g, "b", y), LT_ACT_RELU));
                lt_ok(y == -1, "-1 is passed on after an error");
                y = 1;
            }
            if (k == 6) y = lt_graph_input(g, "again", 1, 1, 1);
            if (k == 8) y = 1000;
            if (k == 10) y = lt_graph_pool(g, "p", y, LT_POOL_MAX, 2, 2, 2);
            if (k == 11) y = lt_graph_act(g, "a", y, (enum lt_act)42);
            if (k != 3) lt_graph_output(g, y);
        }
        lt_ok(lt_graph_finish(g, &e) == LT_EINVAL && strstr(e.msg, says[k]), "graph error %d: %s", k, e.msg);
        lt_graph_free(g);
    }
}

/* A network with everything in it. `variant` changes one attribute; `prefix` the names; `swap` the order of the two
 * branches. */
static struct lt_graph *everything(int variant, const char *prefix, bool swap) {
    struct lt_graph *g = NULL;
    char n[16][32];
    int x, y = -1, z = -1, se;

    for (int i = 0; i < 16; i++) snprintf(n[i], sizeof(n[i]), "%s%d", prefix, i);
    if (lt_graph_new(prefix, &g, NULL)) return NULL;
    x = lt_graph_input(g, n[0], 4, 9, 9);
    for (int k = 0; k < 2; k++) {
        if ((k == 0) != swap)
            y = lt_graph_act(g, n[1], lt_graph_bn(g, n[2], lt_graph_conv(g, n[3], x, &plain)),
                             variant == 1 ? LT_ACT_SILU : LT_ACT_RELU);
        else
            z = lt_graph_conv(g, n[4], x,
                              &(struct lt_conv_attr){.out = 8,
                                                     .kernel = variant == 2 ? 5 : 3,
                                                     .stride = 1,
                                                     .groups = variant == 3 ? 2 : 1,
                                                     .bias = variant == 4});
    }
    se = lt_graph_act(
        g, n[5],
        lt_graph_conv(g, n[6], lt_graph_gap(g, n[7], y),
                      &(struct lt_conv_attr){.out = 8, .kernel = 1, .stride = 1, .groups = 1, .bias = true}),
        LT_ACT_HSIGMOID);
    y = lt_graph_mul(g, n[8], y, se);
    x = variant == 7 ? lt_graph_add(g, n[9], z, y) : lt_graph_add(g, n[9], y, z);
    x = lt_graph_pool(g, n[10], x, variant == 5 ? LT_POOL_AVG : LT_POOL_MAX, 2, 2, 0);
    x = lt_graph_linear(g, n[12], lt_graph_flatten(g, n[11], x), variant == 6 ? 11 : 10);
    x = lt_graph_softmax(g, n[13], x);
    lt_graph_output(g, x);
    if (!lt_graph_finish(g, NULL)) return g;
    lt_graph_free(g);
    return NULL;
}

static void hashes(void) {
    struct lt_graph *a = everything(0, "a", false), *b;
    uint64_t h = lt_graph_hash(a);

    b = everything(0, "other", false);
    lt_ok(lt_graph_hash(b) == h, "names do not change the hash");
    lt_graph_free(b);
    b = everything(0, "a", true);
    lt_ok(lt_graph_hash(b) == h, "the order of independent nodes does not change the hash");
    lt_graph_free(b);
    b = everything(7, "a", false);
    lt_ok(lt_graph_hash(b) == h, "the order of a sum does not change the hash");
    lt_graph_free(b);
    for (int v = 1; v <= 6; v++) {
        b = everything(v, "a", false);
        lt_ok(lt_graph_hash(b) != h, "attribute %d changes the hash", v);
        lt_graph_free(b);
    }
    lt_graph_free(a);
}

static void facts(void) {
    struct lt_graph *g = everything(0, "n", false);
    struct lt_buf text = LT_BUF_INIT;
    int i = lt_graph_find_param(g, "n3.weight"), c = lt_graph_find(g, "n3");
    const struct lt_param *p = &g->param[i];

    lt_ok(g->n_nodes == 14 && c == 1, "14 nodes, the first convolution after the image");
    lt_ok(p->node == c && p->n_dims == 4 && p->dim[0] == 8 && p->dim[1] == 4 && p->dim[2] == 3 && p->dim[3] == 3 &&
              p->count == 288 && p->role == LT_PARAM_WEIGHT,
          "weight [8,4,3,3]");
    lt_ok(lt_graph_find_param(g, "n2.gamma") >= 0 && lt_graph_find_param(g, "n2.beta") >= 0 &&
              lt_graph_find_param(g, "n2.mean") >= 0 && lt_graph_find_param(g, "n2.var") >= 0,
          "batch norm has gamma, beta, mean, var");
    lt_ok(lt_graph_find_param(g, "n3.bias") < 0 && lt_graph_find_param(g, "n6.bias") >= 0, "bias only where asked");
    p = &g->param[lt_graph_find_param(g, "n12.weight")];
    lt_ok(p->n_dims == 2 && p->dim[0] == 10 && p->dim[1] == 8 * 4 * 4, "linear weight [10,128]");
    lt_ok(lt_graph_find(g, "nowhere") == -1 && lt_graph_find_param(g, "nowhere") == -1, "absent names are -1");
    lt_ok(g->node[0].last_use == lt_graph_find(g, "n4") && g->node[0].n_readers == 2, "the image lives until its second reader");
    lt_ok(g->node[g->output].last_use == g->n_nodes, "the output lives to the end");
    lt_ok(lt_node_in_place(g, lt_graph_find(g, "n2")) && lt_node_in_place(g, lt_graph_find(g, "n1")) &&
              !lt_node_in_place(g, lt_graph_find(g, "n8")),
          "batch norm and activation are in place, the product is not");
    lt_graph_print(g, &text);
    lt_ok(!lt_buf_ok(&text, NULL) && strstr(text.data, "[1,8,9,9]") && strstr(text.data, "kernel 3 stride 1 pad 1") &&
              strstr(text.data, "(output)"),
          "printed for humans");
    lt_buf_release(&text);
    lt_graph_free(g);
}

static void plans_and_weights(void) {
    struct lt_graph *g = everything(0, "n", false);
    struct lt_plan *p = NULL, *q = NULL;
    struct lt_weights *w = NULL;
    bool aligned = true, zero = true;
    int64_t sum = 0;
    uint64_t h;

    lt_ok(!lt_plan_new(g, &p, NULL) && p->n_nodes == g->n_nodes && p->weight_qmax == 127, "a new plan");
    lt_ok(lt_plan_hash(p) == lt_plan_hash(NULL), "an all-f32 plan is no plan");
    p->out[0] = (struct lt_qparam){0.5f, true};
    lt_ok(lt_plan_hash(p) == lt_plan_hash(NULL), "observed scales alone change nothing");
    p->is_int8[1] = 1;
    h = lt_plan_hash(p);
    lt_ok(h != lt_plan_hash(NULL), "an int8 node does");
    lt_ok(!lt_plan_copy(p, &q, NULL) && lt_plan_hash(q) == h && q->out[0].scale == 0.5f && q->weight_qmax == 127,
          "a copy is equal");
    q->out[0].scale = 0.25f;
    lt_ok(lt_plan_hash(q) == h && p->out[0].scale == 0.5f, "scales are not hashed, copies are apart");
    q->out[0].is_signed = false;
    lt_ok(lt_plan_hash(q) != h, "signedness is hashed");
    lt_plan_free(p);
    lt_plan_free(q);
    lt_plan_free(NULL);

    lt_ok(!lt_weights_new(g, &w, NULL) && w->n == g->n_params, "new weights");
    for (int i = 0; i < w->n; i++) {
        aligned &= (uintptr_t)w->data[i] % 64 == 0;
        sum += g->param[i].count;
        for (int64_t k = 0; k < g->param[i].count; k++) zero &= w->data[i][k] == 0;
        if (i) aligned &= w->data[i] >= w->data[i - 1] + g->param[i - 1].count;
    }
    lt_ok(aligned && zero && w->count >= sum && w->data[0] == w->storage, "aligned, apart, zero, in one block");
    lt_weights_free(w);
    lt_weights_free(NULL);
    lt_graph_free(g);
}

static void out_of_memory(void) {
    int64_t live = lt_mem_live(), tries = 0;
    bool clean = true;

    for (int64_t n = 1; n < 1000; n++) {
        struct lt_graph *g;

        lt_mem_fail_at(n);
        g = everything(0, "n", false);
        lt_mem_fail_at(0);
        if (g) {
            lt_graph_free(g);
            break;
        }
        tries = n;
        clean &= lt_mem_live() == live;
    }
    lt_ok(tries > 0 && tries < 999 && clean, "each of the first %d allocations may fail: no leak, no crash",
          (int)tries);
}

static void names(void) {
    enum lt_act a;
    bool ok = true;

    for (int i = 0; i < LT_N_ACTS; i++) ok &= lt_act_parse(lt_act_name((enum lt_act)i), &a) && a == (enum lt_act)i;
    for (int i = 0; i < LT_N_OPS; i++) ok &= strlen(lt_op_name((enum lt_op)i)) > 1;
    lt_ok(ok && !lt_act_parse("relu7", &a) && !strcmp(lt_op_name((enum lt_op)77), "?"),
          "names of operators and activations");
}

int main(void) {
    shapes();
    conv_errors();
    other_errors();
    hashes();
    facts();
    plans_and_weights();
    out_of_memory();
    names();
    return lt_done();
}
