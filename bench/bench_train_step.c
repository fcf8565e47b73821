/*
 * One training step (forward, loss, backward) of an inverted-bottleneck network on one thread: images/s, and where the
 * time goes by class of operator. bench_train_step [BACKEND [BATCH]]      native, 32 Each figure is the least of
 * several steps, node by node, so the classes add up to a little less than the median step. GFLOP/s count two
 * operations a multiply-add, padding included; GB/s count what batch norm must move at least: 3 passes over a tensor
 * forward (x twice, y), 5 backward (x and dy twice, dx), one more for a residual.
 */
#include "lathe/graph.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "lathe/runtime.h"
#include "lathe/stats.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STEPS = 15, CLASSES = 10 };
enum group { DENSE1, DENSEK, DW3, DW5, DW7, BN, LINEAR, OTHER, N_GROUPS };
static const char *const group_name[N_GROUPS] = {"dense 1x1",   "dense kxk", "depthwise 3", "depthwise 5",
                                                 "depthwise 7", "bn+act",    "linear",      "other"};

static int block(struct lt_graph *g, int i, int x, int mid, int out, int kernel, int stride) {
    char nm[32];
#define NAME(s) (snprintf(nm, sizeof(nm), "b%d.%s", i, s), nm)
    int in = (int)g->node[x].out.d[1], y = x;
    y = lt_graph_conv(g, NAME("expand"), y, &(struct lt_conv_attr){.out = mid, .kernel = 1, .stride = 1, .groups = 1});
    y = lt_graph_act(g, NAME("act1"), lt_graph_bn(g, NAME("bn1"), y), LT_ACT_RELU);
    y = lt_graph_conv(g, NAME("dw"), y,
                      &(struct lt_conv_attr){.out = mid, .kernel = kernel, .stride = stride, .groups = mid});
    y = lt_graph_act(g, NAME("act2"), lt_graph_bn(g, NAME("bn2"), y), LT_ACT_RELU);
    y = lt_graph_conv(g, NAME("project"), y, &(struct lt_conv_attr){.out = out, .kernel = 1, .stride = 1, .groups = 1});
    y = lt_graph_bn(g, NAME("bn3"), y);
    return in == out && stride == 1 ? lt_graph_add(g, NAME("add"), x, y) : y;
#undef NAME
}

static lt_status network(struct lt_graph **out, struct lt_err *e) {
    struct lt_graph *g = NULL;
    lt_status s = lt_graph_new("bench", &g, e);
    if (s) return s;
    int x = lt_graph_input(g, "image", 1, 28, 28);
    x = lt_graph_conv(g, "stem", x, &(struct lt_conv_attr){.out = 16, .kernel = 3, .stride = 2, .groups = 1});
    x = lt_graph_act(g, "stem.act", lt_graph_bn(g, "stem.bn", x), LT_ACT_RELU);
    x = block(g, 0, x, 96, 24, 3, 1);
    x = block(g, 1, x, 96, 24, 5, 1);
    x = block(g, 2, x, 144, 24, 7, 1);
    x = block(g, 3, x, 144, 32, 5, 2);
    x = block(g, 4, x, 192, 32, 3, 1);
    x = block(g, 5, x, 192, 32, 5, 1);
    x = block(g, 6, x, 192, 40, 7, 1);
    x = block(g, 7, x, 160, 40, 5, 1);
    x = block(g, 8, x, 160, 40, 3, 1);
    lt_graph_output(g, lt_graph_linear(g, "classifier", lt_graph_gap(g, "gap", x), CLASSES));
    if ((s = lt_graph_finish(g, e)))
        lt_graph_free(g);
    else
        *out = g;
    return s;
}

static enum group group_of(const struct lt_node *n) {
    if (n->op == LT_OP_BN) return BN;
    if (n->op == LT_OP_LINEAR) return LINEAR;
    if (n->op != LT_OP_CONV) return OTHER;
    if (lt_node_is_depthwise(n)) return n->kernel == 3 ? DW3 : n->kernel == 5 ? DW5 : DW7;
    return n->kernel == 1 ? DENSE1 : DENSEK;
}

/* Nominal work of one kind for the whole batch: operations, or bytes for batch norm. */
static double work(const struct lt_graph *g, int i, int kind, int batch) {
    const struct lt_node *n = &g->node[i];
    double out = (double)lt_shape_count(&n->out) * batch;
    if (n->op == LT_OP_CONV || n->op == LT_OP_LINEAR)
        return 2 * out * (double)(g->param[n->param[0]].count / g->param[n->param[0]].dim[0]);
    return n->op == LT_OP_BN && kind < 2 ? out * 4 * (kind == 0 ? 3 : 5) : 0;
}

/* Of this thread: what a step costs when others want the processor too. */
static double cpu_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fill(float *x, int64_t n, double sd, uint64_t item) {
    struct lt_rng r;
    lt_rng_at(&r, 1, LT_RNG_BENCH, 0, item);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(sd * lt_rng_normal(&r));
}

static void breakdown(const struct lt_graph *g, double *const least[3], int batch, double cpu_step_s) {
    double t[N_GROUPS][3] = {{0}}, ops[N_GROUPS][3] = {{0}}, all = 0, kernels = 0;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < 3; k++) {
            t[group_of(&g->node[i])][k] += least[k][i];
            ops[group_of(&g->node[i])][k] += work(g, i, k, batch);
            all += least[k][i];
        }
    printf("# class          forward ms  G/s | data grad ms  G/s | weight grad ms  G/s | share\n");
    for (int c = 0; c < N_GROUPS; c++) {
        double sum = t[c][0] + t[c][1] + t[c][2];
        printf("%-12s", group_name[c]);
        for (int k = 0; k < 3; k++)
            printf("   %8.3f %6.1f  ", t[c][k] * 1e3, t[c][k] > 1e-6 ? ops[c][k] / t[c][k] * 1e-9 : 0);
        printf("  %5.1f%%\n", 100 * sum / all);
        if (c <= DW7) kernels += sum;
    }
    printf("# convolutions %.1f%% of %.2f ms in operators; the rest of a median step's processor time: %.2f ms\n",
           100 * kernels / all, all * 1e3, (cpu_step_s - all) * 1e3);
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "native";
    int batch = argc > 2 ? atoi(argv[2]) : 32, n_param = 0;
    struct lt_err e = {0};
    struct lt_graph *g = NULL;
    struct lt_weights *w = NULL, *grad = NULL;
    struct lt_backend *b = NULL;
    struct lt_session *s = NULL;
    struct lt_buf text = LT_BUF_INIT;
    float *x = NULL, *logits = NULL, *d = NULL;
    double *least[3] = {NULL, NULL, NULL}, each[STEPS], cpu[STEPS], made_s, sum = 0;
    uint8_t *labels = NULL;
    int rc = 1;
    if (batch < 1 || network(&g, &e) || lt_weights_new(g, &w, &e) || lt_weights_new(g, &grad, &e) ||
        lt_backend_open(name, &b, &e))
        goto out;
    x = lt_malloc((size_t)batch * 28 * 28 * sizeof(float));
    logits = lt_malloc((size_t)batch * CLASSES * sizeof(float));
    d = lt_malloc((size_t)batch * CLASSES * sizeof(float));
    labels = lt_calloc((size_t)batch, 1);
    for (int k = 0; k < 3; k++) least[k] = lt_calloc((size_t)g->n_nodes, sizeof(double));
    if (!x || !logits || !d || !labels || !least[0] || !least[1] || !least[2]) goto out;
    fill(x, (int64_t)batch * 28 * 28, 1, 0);
    for (int i = 0; i < g->n_params; i++) {
        const struct lt_param *p = &g->param[i];
        fill(w->data[i], p->count, p->role == LT_PARAM_WEIGHT ? sqrt(2.0 * (double)p->dim[0] / (double)p->count) : 0,
             (uint64_t)i + 1);
        for (int64_t j = 0; j < p->count && (p->role == LT_PARAM_GAMMA || p->role == LT_PARAM_VAR); j++)
            w->data[i][j] = 1;
        n_param += (int)p->count;
    }
    made_s = lt_now_s();
    if (lt_session_new(b, g, &(struct lt_session_opt){.kind = LT_SESSION_TRAIN, .batch = batch}, &s, &e)) goto out;
    made_s = lt_now_s() - made_s;
    if (lt_session_weights(s, w, &e)) goto out;
    for (int i = -3; i < 2 * STEPS; i++) { /* warm up; whole steps; then node by node */
        double start = lt_now_s(), start_cpu = cpu_s();
        if ((i >= STEPS && lt_session_profile(s, true, &e)) || lt_session_forward(s, x, batch, LT_BN_BATCH, logits, &e))
            goto out;
        lt_softmax_xent(logits, labels, NULL, batch, CLASSES, 0.1, 1, d);
        if (lt_session_backward(s, d, grad, &e)) goto out;
        if (i >= 0 && i < STEPS) {
            each[i] = lt_now_s() - start;
            cpu[i] = cpu_s() - start_cpu;
        }
        const struct lt_profile *p = i >= STEPS ? lt_session_profile_get(s) : NULL;
        for (int k = 0; p && k < 3; k++)
            for (int j = 0; j < g->n_nodes; j++) least[k][j] = i == STEPS ? p->s[k][j] : fmin(least[k][j], p->s[k][j]);
    }
    for (int i = 0; i < g->n_params; i++)
        for (int64_t j = 0; j < g->param[i].count; j++) sum += fabs((double)grad->data[i][j]);
    lt_runtime_describe(&text);
    printf("# %s: %s; %s\n# %d parameters, %d nodes, batch %d; session made in %.0f us; sum of |gradients| %.6g\n",
           name, lt_runtime_cpu_model(), text.failed ? "" : text.data, n_param, g->n_nodes, batch, made_s * 1e6, sum);
    printf("images/s %.0f (median step %.2f ms, least %.2f); images per second of processor time %.0f (%.2f ms)\n",
           batch / lt_median(each, STEPS), lt_median(each, STEPS) * 1e3, lt_quantile(each, STEPS, 0) * 1e3,
           batch / lt_median(cpu, STEPS), lt_median(cpu, STEPS) * 1e3);
    breakdown(g, least, batch, lt_median(cpu, STEPS));
    rc = 0;
out:
    if (rc) fprintf(stderr, "bench_train_step: %s\n", e.msg[0] ? e.msg : "out of memory, or not a batch size");
    lt_buf_release(&text);
    lt_session_free(s);
    lt_backend_close(b);
    lt_weights_free(grad);
    lt_weights_free(w);
    lt_graph_free(g);
    for (int k = 0; k < 3; k++) lt_free(least[k]);
    lt_free(x);
    lt_free(logits);
    lt_free(d);
    lt_free(labels);
    return rc;
}
