/*
 * Gradients of the learned latency predictors against central finite differences. The networks are compiled in double
 * precision for this test, so that a difference over 2e-6 keeps about nine digits and a relative error of 1e-5 means a
 * wrong formula and not rounding. Kinks (ReLU, hinge) are points; a place whose two one-sided differences disagree is
 * near one and counts as nothing, and most places must count.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/help_net.h"
#include "predictors/nn.h"
#include "tests/tap.h"

enum { SEED = 11, ITEMS = 5 };
#define STEP 1e-6

static void fill(lt_real *x, int n, int item, double scale) {
    struct lt_rng r;

    lt_rng_at(&r, SEED, LT_RNG_TEST, 2, (uint64_t)item);
    for (int i = 0; i < n; i++) x[i] = scale * lt_rng_normal(&r);
}

typedef double (*loss_fn)(void *ctx, const lt_real *theta);

/* Compares every k-th component. */
static void compare(const char *name, loss_fn f, void *ctx, lt_real *theta, int n, const lt_real *g, int every) {
    double at = f(ctx, theta), worst = 0, largest = 0;
    int kinks = 0, nonzero = 0, tried = 0, where = 0;

    for (int i = 0; i < n; i++) largest = fmax(largest, fabs(g[i]));
    for (int i = 0; i < n; i += every) {
        double was = theta[i], up, down, slope;

        theta[i] = was + STEP;
        up = (f(ctx, theta) - at) / STEP;
        theta[i] = was - STEP;
        down = (at - f(ctx, theta)) / STEP;
        theta[i] = was;
        slope = (up + down) / 2;
        tried++;
        /* curvature makes the sides differ by STEP * f'', far below this */
        if (fabs(up - down) > 1e-3 * (fabs(slope) + 0.01 * largest) + 1e-8) {
            kinks++;
            continue;
        }
        nonzero += g[i] != 0;
        if (fabs(slope - g[i]) / (fabs(slope) + 1e-3 * largest + 1e-7) > worst) {
            worst = fabs(slope - g[i]) / (fabs(slope) + 1e-3 * largest + 1e-7);
            where = i;
        }
    }
    /* the difference quotient itself is known to about 1e-16 / STEP of the loss, relative to 1e-3 of the largest */
    lt_ok(worst < 1e-4 && kinks * 5 < tried && nonzero * 4 > tried,
          "%s: %d of %d components, %d near kinks, worst relative error %.1e (component %d)", name, nonzero, tried,
          kinks, worst, where);
}

enum loss { MSE, L1, HINGE };
struct one {
    struct lt_nn *n;
    enum loss loss;
    lt_real target[ITEMS];
};

static double loss_of(void *ctx, const lt_real *theta) {
    static const int32_t pair[] = {0, 1, 1, 2, 3, 2, 4, 0, 3, 4, 0, 2};
    struct one *o = ctx;

    lt_nn_forward(o->n, ITEMS, theta);
    return o->loss == MSE  ? lt_nn_mse(o->n, o->target)
           : o->loss == L1 ? lt_nn_l1(o->n, o->target)
                           : lt_nn_hinge(o->n, o->target, pair, 6, 2.5);
}

/* From here on, networks that end in one column. */
enum { NODES = 4, COLS = 3 };
static const double line[NODES * NODES] = {1, 0, 0, 0, 1, 1, 0, 0, 0, 0.5, 1, 0, 1, 1, 1, 1};

static int op_dense(struct lt_nn *n) {
    int x = lt_nn_input(n, 1, COLS, false);

    return lt_nn_dense(n, lt_nn_dense(n, x, 7, true, LT_NN_LINEAR), 6, false, LT_NN_NO_BIAS);
}
static int op_table(struct lt_nn *n) { return lt_nn_dense(n, lt_nn_input(n, 1, COLS, false), 6, false, LT_NN_TABLE); }
static int op_graph(struct lt_nn *n) {
    int x = lt_nn_input(n, NODES, COLS, false);

    x = lt_nn_dense(n, lt_nn_propagate(n, x, line, NODES), 6, true, LT_NN_LINEAR);
    x = lt_nn_dense(n, lt_nn_propagate(n, x, line, NODES), 6, true, LT_NN_GRAPH);
    return lt_nn_propagate(n, x, line + (NODES - 1) * NODES, 1);
}
static int op_pool(struct lt_nn *n) {
    int x = lt_nn_input(n, NODES, COLS, false), w = lt_nn_input(n, NODES, 1, false);

    return lt_nn_pool(n, lt_nn_dense(n, x, 6, true, LT_NN_LINEAR), w);
}
static int op_norm(struct lt_nn *n) {
    return lt_nn_norm(n, lt_nn_dense(n, lt_nn_input(n, 1, COLS, false), 6, false, LT_NN_LINEAR));
}
static int op_relu(struct lt_nn *n) {
    int x = lt_nn_dense(n, lt_nn_input(n, 1, COLS, false), 6, false, LT_NN_LINEAR);

    return lt_nn_add(n, lt_nn_relu(n, x), x, 1, false);
}
static int op_sigmoid(struct lt_nn *n) {
    return lt_nn_sigmoid(n, lt_nn_dense(n, lt_nn_input(n, 1, COLS, false), 6, false, LT_NN_LINEAR));
}
/* A tensor of each item with one that all share, and with one row for each item; both read twice. */
static int op_two(struct lt_nn *n) {
    int x = lt_nn_dense(n, lt_nn_input(n, NODES, COLS, false), 6, false, LT_NN_LINEAR),
        s = lt_nn_dense(n, lt_nn_input(n, NODES, COLS, true), 6, false, LT_NN_LINEAR),
        one = lt_nn_dense(n, lt_nn_input(n, 1, COLS, false), 6, false, LT_NN_LINEAR),
        all = lt_nn_dense(n, lt_nn_input(n, 1, COLS, true), 6, false, LT_NN_LINEAR);

    x = lt_nn_add(n, lt_nn_mul(n, x, s), s, 0.5, true);
    x = lt_nn_concat(n, lt_nn_mul(n, lt_nn_concat(n, x, one), lt_nn_concat(n, x, one)), all);
    return lt_nn_propagate(n, x, line + (NODES - 1) * NODES, 1);
}
static int op_attend(struct lt_nn *n) {
    int x = lt_nn_dense(n, lt_nn_input(n, NODES, COLS, false), 6, false, LT_NN_LINEAR);

    x = lt_nn_add(n, lt_nn_attend(n, x, line), x, 0.5, false);
    return lt_nn_propagate(n, x, line + (NODES - 1) * NODES, 1);
}

static void operators(void) {
    static const struct {
        const char *name;
        int (*build)(struct lt_nn *n);
        enum loss loss;
        int inputs;
    } t[] = {{"dense, mean squared error", op_dense, MSE, 1},
             {"dense, mean absolute error", op_dense, L1, 1},
             {"dense, hinge on pairs", op_dense, HINGE, 1},
             {"table", op_table, MSE, 1},
             {"graph convolution", op_graph, MSE, 1},
             {"weighted sum over nodes", op_pool, MSE, 2},
             {"layer normalisation", op_norm, MSE, 1},
             {"ReLU", op_relu, MSE, 1},
             {"sigmoid", op_sigmoid, MSE, 1},
             {"sum, product, concatenation", op_two, MSE, 4},
             {"graph attention", op_attend, MSE, 1}};

    for (size_t k = 0; k < sizeof(t) / sizeof(*t); k++) {
        struct one o = {.n = lt_nn_new(), .loss = t[k].loss};
        struct lt_err e = {0};
        lt_real *theta, *g;
        int y = t[k].build(o.n), p;

        lt_nn_dense(o.n, y, 1, false, LT_NN_LINEAR);
        if (lt_nn_ready(o.n, ITEMS, LT_NN_GRADIENT, &e)) {
            lt_ok(false, "%s: %s", t[k].name, e.msg);
            continue;
        }
        p = lt_nn_n_params(o.n);
        theta = lt_calloc((size_t)p, sizeof(*theta));
        g = lt_calloc((size_t)p, sizeof(*g));
        lt_nn_init(o.n, theta, SEED, k);
        fill(o.target, ITEMS, 1, 1);
        for (int i = 0, found = 0; found < t[k].inputs; i++) { /* inputs are the tensors without parameters above */
            if (!lt_nn_is_input(o.n, i)) continue;
            found++;
            fill(lt_nn_value(o.n, i), lt_nn_rows_of(o.n, i, ITEMS) * lt_nn_cols(o.n, i), 10 + i, 1);
        }
        loss_of(&o, theta);
        lt_nn_backward(o.n, theta, g);
        compare(t[k].name, loss_of, &o, theta, p, g, 1);
        lt_free(theta);
        lt_free(g);
        lt_nn_free(o.n);
    }
}

/* Which components of theta are no padding do not matter: those have no gradient, and the count of non-zero ones is
 * only asked to be a quarter. */
struct meta {
    struct lt_help_net *n;
    struct lt_help_task *t;
    lt_real *scratch;
    double kl;
};

static double meta_loss(void *ctx, const lt_real *learned) {
    struct meta *m = ctx;

    return lt_help_net_task(m->n, learned, m->t, m->kl, 0.5, m->scratch);
}

static void meta_gradient(bool cell) {
    enum { ROWS = 12, REFS = 4 };
    const struct lt_help_shape shape = {.nodes = cell ? NODES : 1,
                                        .cols = cell ? COLS : 6,
                                        .graph = cell ? line : NULL,
                                        .references = REFS,
                                        .hidden = 8};
    static const int32_t support[] = {3, 7, 1, 9}, query[] = {0, 2, 4, 5, 6, 8};
    lt_real x[ROWS * NODES * COLS], y[ROWS], ref[REFS] = {0, 0.3, 1, 0.6}, noise[64];
    struct lt_help_task t = {.reference = ref,
                             .noise = noise,
                             .all_x = x,
                             .support = support,
                             .query = query,
                             .n_support = 4,
                             .n_query = 6,
                             .y = y};
    struct meta m = {.t = &t, .kl = 0.1};
    struct lt_err e = {0};
    lt_real *learned, *g;
    const char *kind = cell ? "cell" : "layers";
    char name[64];
    int n;

    if (lt_help_net_new(&shape, 4, 6, &m.n, &e)) {
        lt_ok(false, "help: %s", e.msg);
        return;
    }
    n = lt_help_net_learned(m.n);
    learned = lt_calloc((size_t)n, sizeof(*learned));
    g = lt_calloc((size_t)n, sizeof(*g));
    m.scratch = lt_calloc((size_t)n, sizeof(*g));
    fill(x, ROWS * NODES * COLS, 3, 1);
    fill(y, ROWS, 4, 1);
    fill(noise, 64, 5, 1);
    lt_help_net_init(m.n, learned, SEED);
    for (int i = 0; i < m.n->n_theta; i++) { /* far from the start: large and unequal steps, so that H matters */
        struct lt_rng r;
        lt_rng_at(&r, SEED, LT_RNG_TEST, 6, (uint64_t)i);
        learned[m.n->n_theta + i] = 0.05 + 0.15 * lt_rng_u01(&r);
        if (cell) learned[i] *= 3; /* the published start of graph convolutions is small */
    }
    lt_help_net_task(m.n, learned, &t, m.kl, 0.5, g);
    snprintf(name, sizeof(name), "help, %s: weights", kind);
    compare(name, meta_loss, &m, learned, m.n->n_theta, g, 3);
    /* The same with step sizes and z, whose arrays follow. */
    for (int part = 1; part < 3; part++) {
        struct meta *ctx = &m;
        int at = part * m.n->n_theta, count = part == 1 ? m.n->n_theta : m.n->n_z;
        double worst = 0, largest = 0;
        int used = 0;

        for (int i = 0; i < count; i++) largest = fmax(largest, fabs(g[at + i]));
        for (int i = 0; i < count; i += 3) {
            double was = learned[at + i], up, down;

            learned[at + i] = was + STEP;
            up = meta_loss(ctx, learned);
            learned[at + i] = was - STEP;
            down = meta_loss(ctx, learned);
            learned[at + i] = was;
            used += g[at + i] != 0;
            worst = fmax(worst, fabs((up - down) / (2 * STEP) - g[at + i]) / (fabs(g[at + i]) + 1e-3 * largest));
        }
        lt_ok(worst < 1e-4 && used > 20, "help, %s: %s, %d components, worst relative error %.1e", kind,
              part == 1 ? "step sizes" : "the network that gives z", used, worst);
    }
    lt_free(learned);
    lt_free(g);
    lt_free(m.scratch);
    lt_help_net_free(m.n);
}

int main(void) {
    lt_note("seed %d", SEED);
    operators();
    meta_gradient(false);
    meta_gradient(true);
    lt_ok(lt_mem_live() == 0, "nothing leaks");
    return lt_done();
}
