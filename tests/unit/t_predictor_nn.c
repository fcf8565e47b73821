/*
 * What the learned predictors stand on: how architectures look to a network, against what is published; the small
 * networks' steps against closed forms; and that training allocates nothing.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "predictors/help_net.h"
#include "predictors/nn.h"
#include "predictors/predictor_priv.h"
#include "predictors/nn_space.h"
#include "tests/tap.h"

enum { SEED = 3 };

static struct lt_space *load(const char *name) {
    const char *dir = getenv("LT_SRCDIR");
    char path[1024];
    struct lt_space *s = NULL;
    struct lt_err e = {0};

    snprintf(path, sizeof(path), "%s/spaces/%s.yaml", dir ? dir : ".", name);
    if (lt_space_load(path, &s, &e)) lt_ok(false, "%s: %s", path, e.msg);
    return s;
}

static int gene(const struct lt_space *s, const char *name) {
    for (int i = 0; i < lt_space_n_genes(s); i++)
        if (!strcmp(lt_space_gene(s, i)->name, name)) return i;
    return -1;
}

static double sum(const float *x, int n) {
    double s = 0;

    for (int i = 0; i < n; i++) s += x[i];
    return s;
}

/* The cell as HELP and BRP-NAS draw it: input, six operations, output, and the node that hears all. */
static void cell(void) {
    static const char *const edges[] = {"0>1", "0>2", "1>2", "0>3", "1>3", "2>3"};
    static const int hears[][2] = {{1, 0}, {2, 0}, {4, 0}, {3, 1}, {5, 1}, {6, 2}, {6, 3}, {7, 4}, {7, 5}, {7, 6}};
    struct lt_space *s = load("nasbench201");
    struct lt_nn_space *v = NULL;
    struct lt_err e = {0};
    struct lt_arch a;
    float x[8 * 8], works[8], sums[9 * 8];
    double expected[81] = {0}, wrong = 0;
    int node[6], ones = 0;

    if (!s || !lt_ok(!lt_nn_space_new(s, &v, &e), "the cell of NAS-Bench-201 is seen: %s", e.msg)) return;
    lt_ok(v->cell && v->n_nodes == 8 && v->n_features == 8, "8 nodes of 8 kinds (%d, %d)", v->n_nodes, v->n_features);
    for (int i = 0; i < 6; i++) node[i] = 1 + gene(s, edges[i]); /* nodes come in the order of the genes */
    for (size_t i = 0; i < sizeof(hears) / sizeof(*hears); i++) {
        int to = hears[i][0], from = hears[i][1];

        to = to == 7 ? 7 : node[to - 1];
        from = from == 0 ? 0 : node[from - 1];
        expected[to * 9 + from] = 1;
    }
    for (int i = 0; i < 8; i++) expected[8 * 9 + i] = 1;
    lt_ok(!memcmp(expected, v->hears, sizeof(expected)), "an operation hears those that end where it starts");
    lt_space_largest(s, &a);
    for (int i = 0; i < 6; i++) a.g[gene(s, edges[i])] = (uint8_t)(i < 5 ? i : 0); /* choice 0 is none */
    lt_nn_space_graph(v, &a, x, works);
    for (int i = 0; i < 8; i++) ones += sum(x + 8 * i, 8) == 1;
    lt_ok(ones == 8, "each node is one thing");
    lt_ok(works[0] == 0 && works[node[0]] == 0 && works[node[5]] == 0 && works[node[1]] == 1 && works[7] == 1,
          "none does nothing");
    lt_nn_space_sums(v, &a, sums);
    for (int i = 0; i < 9; i++) {
        for (int f = 0; f < 8; f++) {
            double want = i < 8 ? x[i * 8 + f] : f == 2; /* the third kind is the node that hears all */
            for (int j = 0; j < 8; j++) want += expected[i * 9 + j] * x[j * 8 + f];
            wrong += fabs(want - sums[i * 8 + f]);
        }
    }
    lt_ok(wrong == 0, "sums over what a node hears and itself are the first propagation");
    lt_nn_space_free(v);
    lt_space_free(s);
}

static void layers(void) {
    struct lt_space *s = load("fbnet");
    struct lt_nn_space *v = NULL;
    struct lt_err e = {0};
    struct lt_arch a;
    float x[256];

    if (!s || !lt_ok(!lt_nn_space_new(s, &v, &e), "FBNet is seen: %s", e.msg)) return;
    lt_ok(!v->cell && v->n_flat == 132 && v->n_nodes == 24, "22 layers of 6 columns, as HELP writes it (%d)",
          v->n_flat);
    lt_space_smallest(s, &a);
    for (int i = 0; i < a.n; i++) a.g[i] = 8; /* skip */
    a.g[0] = 5;                               /* k5_e1_g2 */
    lt_nn_space_flat(v, &a, x);
    lt_ok(sum(x, 132) == 2 && x[1] == 1 && x[3] == 1, "k5_e1_g2 is k5 and e1_g2; skip is nothing");
    lt_nn_space_free(v);
    lt_space_free(s);

    if (!(s = load("ofa-mobilenetv3"))) return;
    if (!lt_ok(!lt_nn_space_new(s, &v, &e), "Once-for-all is seen: %s", e.msg)) return;
    lt_ok(v->n_flat == 20 * 6 + 25 + 2, "20 layers of kernel and expansion, 25 resolutions, 2 widths (%d)", v->n_flat);
    lt_space_smallest(s, &a);
    lt_nn_space_flat(v, &a, x);
    lt_ok(sum(x, v->n_flat) == 10 * 2 + 2, "two layers in each of five stages, the others are zeros (%g)",
          sum(x, v->n_flat));
    lt_nn_space_free(v);
    lt_space_free(s);
}

static void steps(void) {
    float m[16] = {0}, v[16] = {0}, theta[16], g[16];
    struct lt_nn_adam adam = {.rate = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .n = 16, .m = m, .v = v};
    double worst = 0;

    for (int i = 0; i < 16; i++) {
        theta[i] = (float)i;
        g[i] = (float)(i % 2 ? 3 : -0.01) * (float)(i + 1);
    }
    lt_nn_adam_step(&adam, g, theta);
    /* the first step has the length `rate`, whatever the gradient's; single precision near 15 is good to 1e-6 */
    for (int i = 0; i < 16; i++) worst = fmax(worst, fabs(theta[i] - (i + (i % 2 ? -0.1 : 0.1))));
    lt_ok(worst < 2e-6, "Adam's first step is its rate (%.1e)", worst);
    adam = (struct lt_nn_adam){
        .rate = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.5, .n = 16, .m = m, .v = v};
    memset(m, 0, sizeof(m));
    memset(v, 0, sizeof(v));
    memset(g, 0, sizeof(g));
    theta[3] = 2;
    lt_nn_adam_step(&adam, g, theta);
    lt_ok(fabs(theta[3] - 1.9) < 1e-6, "decay alone takes rate * decay of a weight (%g)", (double)theta[3]);
    lt_ok(lt_nn_cosine(2, 1, 0, 10) == 2 && fabs(lt_nn_cosine(2, 1, 5, 10) - 1.5) < 1e-12 &&
              fabs(lt_nn_cosine(2, 1, 10, 10) - 1) < 1e-12,
          "the cosine goes from the first to the last, through the middle");
}

static void correlation(void) {
    enum { N = 60 };
    double a[N], b[N], worst = 0;

    for (int k = 0; k < 10; k++) {
        struct lt_rng r;

        lt_rng_at(&r, SEED, LT_RNG_TEST, 1, (uint64_t)k);
        for (int i = 0; i < N; i++) {
            a[i] = lt_rng_normal(&r);
            b[i] = floor(2 * (a[i] + lt_rng_normal(&r))); /* with ties */
        }
        worst = fmax(worst, fabs(lt_nn_rank_correlation(a, b, N) - lt_spearman(a, b, N)));
    }
    lt_ok(worst < 1e-12, "rank correlation is Spearman's (%.1e)", worst);
}

/* A network's answer for an architecture does not depend on what stands beside it, and sigmoid's own exponential is
 * right over the whole range. */
static void forward(void) {
    enum { ITEMS = 33, COLS = 7 };
    struct lt_nn *n = lt_nn_new();
    struct lt_err e = {0};
    int x = lt_nn_input(n, 1, COLS, false), y = lt_nn_sigmoid(n, x);
    float *theta, many[ITEMS];
    double worst = 0, apart = 0;

    lt_nn_dense(n, lt_nn_norm(n, lt_nn_dense(n, y, 20, true, LT_NN_LINEAR)), 1, false, LT_NN_LINEAR);
    if (!lt_ok(!lt_nn_ready(n, ITEMS, LT_NN_FORWARD, &e), "a network: %s", e.msg)) return;
    theta = lt_calloc((size_t)lt_nn_n_params(n), sizeof(*theta));
    lt_nn_init(n, theta, SEED, 0);
    for (int i = 0; i < ITEMS * COLS; i++) lt_nn_value(n, x)[i] = (float)(-100 + 200.0 * i / (ITEMS * COLS - 1));
    lt_nn_forward(n, ITEMS, theta);
    memcpy(many, lt_nn_output(n), sizeof(many));
    for (int i = 0; i < ITEMS * COLS; i++) {
        double t = lt_nn_value(n, x)[i], s = 1 / (1 + exp(-fmax(fmin(t, 80), -80)));
        worst = fmax(worst, fabs(lt_nn_value(n, y)[i] / s - 1));
    }
    /* e^-t with |t| up to 80 in single precision: the argument alone is known to 80 * 6e-8 */
    lt_ok(worst < 6e-6, "sigmoid, relative error %.1e", worst);
    for (int i = 0; i < ITEMS; i++) {
        for (int j = 0; j < COLS; j++)
            lt_nn_value(n, x)[j] = (float)(-100 + 200.0 * (i * COLS + j) / (ITEMS * COLS - 1));
        lt_nn_forward(n, 1, theta);
        apart = fmax(apart, fabs(lt_nn_output(n)[0] - many[i]));
    }
    /* a product of one row may be summed in another order */
    lt_ok(apart < 1e-5, "alone or among others (%.1e)", apart);
    lt_free(theta);
    lt_nn_free(n);
}

/* Meta-training on a toy family: y = slope of the device * first column + offset by its references. */
static void learns(void) {
    enum { ROWS = 60, COLS = 6, REFS = 5, DEVICES = 4, EPISODES = 400 };
    const struct lt_help_shape shape = {.nodes = 1, .cols = COLS, .references = REFS, .hidden = 16};
    struct lt_help_net *n = NULL;
    struct lt_err e = {0};
    float x[ROWS * COLS], y[DEVICES][ROWS], ref[DEVICES][REFS], noise[3 * 33], *learned, *grad, *m, *v;
    int32_t row[ROWS];
    struct lt_nn_adam adam = {.rate = 3e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    double first = 0, last = 0;
    struct lt_rng r;
    int p;

    if (!lt_ok(!lt_help_net_new(&shape, 5, 20, &n, &e), "a network that adapts: %s", e.msg)) return;
    p = lt_help_net_learned(n);
    learned = lt_calloc((size_t)p, sizeof(float));
    grad = lt_calloc((size_t)p, sizeof(float));
    m = lt_calloc((size_t)p, sizeof(float));
    v = lt_calloc((size_t)p, sizeof(float));
    adam.n = p;
    adam.m = m;
    adam.v = v;
    lt_help_net_init(n, learned, SEED);
    lt_rng_at(&r, SEED, LT_RNG_TEST, 2, 0);
    for (int i = 0; i < ROWS * COLS; i++) x[i] = (float)lt_rng_u01(&r);
    for (int d = 0; d < DEVICES; d++) {
        for (int i = 0; i < ROWS; i++) y[d][i] = (x[i * COLS + d] + x[i * COLS + 5]) / 2;
        for (int k = 0; k < REFS; k++) ref[d][k] = y[d][k];
    }
    for (int i = 0; i < ROWS; i++) row[i] = i;
    lt_mem_fail_at(1); /* whoever allocates from here on gets nothing */
    for (int k = 0; k < EPISODES; k++) {
        double loss = 0;

        memset(grad, 0, (size_t)p * sizeof(float));
        for (int d = 0; d < DEVICES; d++) {
            struct lt_help_task t = {.reference = ref[d],
                                     .noise = noise,
                                     .all_x = x,
                                     .y = y[d],
                                     .support = row,
                                     .query = row + 5,
                                     .n_support = 5,
                                     .n_query = 20};

            lt_rng_shuffle(&r, row, ROWS);
            for (int i = 0; i < n->n_latent; i++) noise[i] = (float)lt_rng_normal(&r);
            loss += lt_help_net_task(n, learned, &t, 0, 1.0 / DEVICES, grad);
        }
        lt_nn_adam_step(&adam, grad, learned);
        if (k < 10) first += loss / 10;
        if (k >= EPISODES - 10) last += loss / 10;
    }
    lt_mem_fail_at(0);
    lt_ok(last < first / 8, "meta-training lowers the error after adaptation from %.4f to %.4f, without allocating",
          first, last);
    lt_free(learned);
    lt_free(grad);
    lt_free(m);
    lt_free(v);
    lt_help_net_free(n);
}

static void references(const char *name) {
    struct lt_arch a[LT_PUBLISHED_REFERENCES + 1];
    struct lt_space *space = load(name);
    int n, same = 0;

    if (!space) return;
    n = lt_published_references(space, a, LT_PUBLISHED_REFERENCES + 1);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++) same += lt_arch_equal(&a[i], &a[k]);
    lt_ok(n == LT_PUBLISHED_REFERENCES && !same, "%s: %d published references, all different", name, n);
    lt_space_free(space);
}

/* HELP's references are measured on the training devices even where the rows for training lack them; an evaluation
 * must not judge on them then. */
static void references_are_seen(void) {
    enum { N = 60, DEVICES = 2 };
    const char cfg_text[] = "{name: help, episodes: 2, hidden: 8, query: 8, tasks: 2}";
    struct lt_space *space = load("fbnet");
    struct lt_predictor *p = NULL;
    struct lt_yaml *cfg = NULL;
    struct lt_err e = {0};
    struct lt_arch a[N];
    double y[DEVICES][N];
    struct lt_latency_device device[DEVICES] = {{.name = "x", .latency_s = y[0]}, {.name = "y", .latency_s = y[1]}};
    int row[N], which[DEVICES] = {0, 1}, n_seen = 0, n_ref, found = 0;

    if (!space) return;
    n_ref = lt_published_references(space, a, N);
    for (int i = 0; i < N; i++) {
        struct lt_rng r;
        double sum = 10;
        lt_rng_at(&r, 1, LT_RNG_TEST, 0, (uint64_t)i);
        if (i >= n_ref) lt_space_sample(space, &r, &a[i]);
        for (int g = 0; g < a[i].n; g++) sum += a[i].g[g] * (1 + g % 3);
        for (int d = 0; d < DEVICES; d++) y[d][i] = 1e-4 * (d + 1) * (sum + (d ? a[i].g[0] : 0));
        row[i] = n_ref + i; /* the rows after the references */
    }
    struct lt_latency_set set = {
        .space = space, .dir = "set", .n = N, .arch = a, .n_devices = DEVICES, .device = device};
    struct lt_meta m = {&set, which, DEVICES, row, N - n_ref, NULL};
    lt_ok(!lt_yaml_parse("cfg", cfg_text, strlen(cfg_text), &cfg, &e) && !lt_predictor_open(cfg, space, 1, &p, &e) &&
              !lt_predictor_meta_fit(p, &m, &e),
          "help learns with published references beside its rows: %s", e.msg);
    const uint64_t *seen = p ? lt_predictor_seen(p, &n_seen) : NULL;
    for (int k = 0; k < n_ref; k++)
        for (int i = 0; i < n_seen; i++) found += seen[i] == lt_arch_hash(space, &a[k]);
    lt_ok(found == n_ref && n_seen == N, "%d references of %d count as seen, %d architectures in all", found, n_ref,
          n_seen);
    lt_predictor_close(p);
    lt_yaml_free(cfg);
    lt_space_free(space);
}

int main(void) {
    lt_note("seed %d", SEED);
    cell();
    layers();
    steps();
    correlation();
    forward();
    learns();
    references("nasbench201");
    references("fbnet");
    references("ofa-mobilenetv3");
    references_are_seen();
    lt_ok(lt_mem_live() == 0, "nothing leaks");
    return lt_done();
}
