/*
 * Every registered backend through one suite of training: what it says it supports it does, forward with running
 * statistics is the folded network, gradients accumulate, a batch may be short, the same inputs give the same bits,
 * also beside other threads, and misuse is refused.
 */
#include "lathe/graph.h"
#include "tests/tap.h"
#include "tests/train_net.h"
#include <pthread.h>

enum { BATCH = 4, CLASSES = NET_CLASSES, N_NETS = 6 };

static const struct lt_session_opt train_opt = {.kind = LT_SESSION_TRAIN, .batch = BATCH};
static const uint8_t labels[BATCH] = {1, 3, 0, 4};

struct net {
    struct lt_graph *g;
    struct lt_weights *w;
    float *x;
};

static bool net_open(struct net *n, uint64_t seed) {
    n->g = net_random(seed, false);
    n->w = n->g ? net_weights(n->g, seed) : NULL;
    n->x = n->g ? net_noise(BATCH * lt_shape_count(&n->g->node[0].out), seed) : NULL;
    return n->w && n->x;
}

static void net_close(struct net *n) {
    lt_graph_free(n->g);
    lt_weights_free(n->w);
    lt_free(n->x);
}

/* Loss gradient of n samples added to grad; logits [BATCH * CLASSES] out. */
static lt_status step(struct lt_session *s, const struct net *net, int first, int n, enum lt_bn_mode mode,
                      float *logits, struct lt_weights *grad) {
    float d[BATCH * CLASSES];
    lt_status r =
        lt_session_forward(s, net->x + first * lt_shape_count(&net->g->node[0].out), n, mode, logits, &net_err);
    if (r || !grad) return r;
    lt_softmax_xent(logits, labels + first, NULL, n, CLASSES, 0.1, (float)n, d); /* sum, not mean, over samples */
    return lt_session_backward(s, d, grad, &net_err);
}

static bool session(struct lt_backend *b, const struct net *net, struct lt_session **s, struct lt_weights **grad) {
    return !lt_session_new(b, net->g, &train_opt, s, &net_err) && !lt_session_weights(*s, net->w, &net_err) &&
           (!grad || !lt_weights_new(net->g, grad, &net_err));
}

static double grad_distance(const struct lt_weights *a, const struct lt_weights *b) {
    return net_distance(a->storage, b->storage, a->count, 0);
}

static void folded(struct lt_backend *b, const struct net *net, const char *name) {
    struct net f = {.x = net->x};
    struct lt_session *s = NULL, *t = NULL, *only = NULL;
    struct lt_session_opt forward_only = train_opt;
    float logits[BATCH * CLASSES], other[BATCH * CLASSES], third[BATCH * CLASSES];
    forward_only.forward_only = true;
    bool ok = !lt_graph_fold_bn(net->g, net->w, &f.g, &f.w, &net_err) && session(b, net, &s, NULL) &&
              session(b, &f, &t, NULL) && !step(s, net, 0, BATCH, LT_BN_RUNNING, logits, NULL) &&
              !step(t, &f, 0, BATCH, LT_BN_RUNNING, other, NULL) &&
              !lt_session_new(b, net->g, &forward_only, &only, &net_err) &&
              !lt_session_weights(only, net->w, &net_err) && !step(only, net, 0, BATCH, LT_BN_RUNNING, third, NULL);
    double d = ok ? net_distance(logits, other, BATCH * CLASSES, 0) : INFINITY;
    lt_ok(d < 1e-4,
          "%s: running statistics give the folded network's logits, within 1e-4 (rounding of folded weights): %.1e",
          name, d);
    lt_ok(ok && !memcmp(logits, third, sizeof(logits)), "%s: a session for forward only gives the same bits", name);
    lt_ok(only && lt_session_backward(only, third, net->w, &net_err) == LT_EINVAL,
          "%s: a session for forward only refuses backward", name);
    lt_session_free(s);
    lt_session_free(t);
    lt_session_free(only);
    lt_graph_free(f.g);
    lt_weights_free(f.w);
}

static void accumulates(struct lt_backend *b, const struct net *net, const char *name) {
    struct lt_session *s = NULL;
    struct lt_weights *once = NULL, *twice = NULL, *parts = NULL, *whole = NULL;
    float logits[BATCH * CLASSES], part[BATCH * CLASSES];
    bool ok = session(b, net, &s, &once) && !lt_weights_new(net->g, &twice, &net_err) &&
              !lt_weights_new(net->g, &parts, &net_err) && !lt_weights_new(net->g, &whole, &net_err) &&
              !step(s, net, 0, BATCH, LT_BN_BATCH, logits, once) &&
              !step(s, net, 0, BATCH, LT_BN_BATCH, logits, twice) &&
              !step(s, net, 0, BATCH, LT_BN_BATCH, logits, twice);
    for (int64_t i = 0; ok && i < once->count; i++) once->storage[i] *= 2;
    double d = ok ? grad_distance(twice, once) : INFINITY;
    lt_ok(d < 1e-5, "%s: two backward passes add up to twice the gradient, within 1e-5 (another order of sums): %.1e",
          name, d);
    /* With running statistics samples are independent: parts of the batch must sum to the whole. */
    ok = ok && !step(s, net, 0, BATCH, LT_BN_RUNNING, logits, whole) &&
         !step(s, net, 0, 1, LT_BN_RUNNING, part, parts) &&
         !step(s, net, 1, BATCH - 1, LT_BN_RUNNING, part + CLASSES, parts);
    d = ok ? net_distance(part, logits, BATCH * CLASSES, 0) : INFINITY;
    lt_ok(d < 1e-5, "%s: logits of n < batch samples, within 1e-5: %.1e", name, d);
    d = ok ? grad_distance(parts, whole) : INFINITY;
    lt_ok(d < 1e-4, "%s: gradients of parts of a batch sum to the whole's, within 1e-4: %.1e", name, d);
    lt_session_free(s);
    lt_weights_free(once);
    lt_weights_free(twice);
    lt_weights_free(parts);
    lt_weights_free(whole);
}

/* Statistics of the image's own batch norm can be computed here: the network is BN and a linear layer. */
static void batch_statistics(struct lt_backend *b, const char *name) {
    struct lt_graph *g = NULL;
    struct net net = {0};
    struct lt_session *s = NULL;
    struct lt_weights *sums = NULL;
    enum { C = 3, HW = 20 };
    double worst = 0;
    bool ok = !lt_graph_new("stats", &g, &net_err);
    if (ok) {
        int x = lt_graph_bn(g, "bn", lt_graph_input(g, "image", C, 4, 5));
        lt_graph_output(g, lt_graph_linear(g, "post", x, CLASSES));
        net = (struct net){.g = g, .x = net_noise(BATCH * C * HW, 5)};
        ok = !lt_graph_finish(g, &net_err) && (net.w = net_weights(g, 5)) && net.x && session(b, &net, &s, &sums);
    }
    if (!lt_ok(ok, "%s: batch norm of an image", name)) goto out;
    const int *param = g->node[lt_graph_find(g, "bn")].param;
    lt_ok(!step(s, &net, 0, BATCH, LT_BN_RUNNING, (float[BATCH * CLASSES]){0}, NULL) &&
              lt_session_bn_stats(s, sums, &net_err) == LT_EINVAL,
          "%s: no batch statistics after a pass with running ones", name);
    ok = true;
    for (int pass = 0; pass < 2; pass++) /* the same batch twice: sums are twice its statistics */
        ok = ok && !step(s, &net, 0, BATCH, LT_BN_BATCH, (float[BATCH * CLASSES]){0}, NULL) &&
             !lt_session_bn_stats(s, sums, &net_err);
    for (int c = 0; c < C; c++) {
        double mean = 0, var = 0;
        for (int n = 0; n < BATCH; n++)
            for (int p = 0; p < HW; p++) mean += net.x[(n * C + c) * HW + p] / (double)(BATCH * HW);
        for (int n = 0; n < BATCH; n++)
            for (int p = 0; p < HW; p++)
                var += (net.x[(n * C + c) * HW + p] - mean) * (net.x[(n * C + c) * HW + p] - mean) / (BATCH * HW);
        worst = fmax(worst, fmax(fabs(sums->data[param[2]][c] - 2 * mean), fabs(sums->data[param[3]][c] - 2 * var)));
    }
    lt_ok(ok && worst < 1e-5, "%s: batch statistics are the biased ones, added up: %.1e", name, worst);
out:
    lt_session_free(s);
    lt_weights_free(sums);
    net_close(&net);
}

/* Two sessions of one backend: the second forward takes the first's activations away. */
static void one_at_a_time(struct lt_backend *b, const struct net *net, const char *name) {
    struct lt_session *s = NULL, *t = NULL;
    struct lt_weights *grad = NULL;
    float logits[BATCH * CLASSES], again[BATCH * CLASSES];
    bool ok = session(b, net, &s, &grad) && session(b, net, &t, NULL);
    lt_ok(ok && lt_session_backward(s, logits, grad, &net_err) == LT_EINVAL, "%s: backward before forward is refused",
          name);
    ok = ok && !step(s, net, 0, BATCH, LT_BN_BATCH, logits, NULL) && !step(t, net, 0, BATCH, LT_BN_BATCH, again, NULL);
    lt_ok(ok && lt_session_backward(s, logits, grad, &net_err) == LT_EINVAL,
          "%s: backward after another session's forward is refused", name);
    lt_ok(ok && !lt_session_backward(t, again, grad, &net_err), "%s: the other session goes backward", name);
    lt_ok(ok && lt_session_backward(t, again, grad, &net_err) == LT_EINVAL, "%s: backward twice is refused", name);
    lt_ok(ok && lt_session_forward(s, net->x, BATCH + 1, LT_BN_BATCH, logits, &net_err) == LT_EINVAL &&
              lt_session_forward(s, net->x, 0, LT_BN_BATCH, logits, &net_err) == LT_EINVAL,
          "%s: n of 0 or above batch is refused", name);
    lt_session_free(s);
    lt_session_free(t);
    lt_weights_free(grad);
}

static void profile(struct lt_backend *b, const struct net *net, const char *name) {
    struct lt_session *s = NULL;
    struct lt_weights *grad = NULL;
    float logits[BATCH * CLASSES];
    double sum[3] = {0}, stem = 0;
    bool ok = session(b, net, &s, &grad) && !lt_session_profile(s, true, &net_err) &&
              !step(s, net, 0, BATCH, LT_BN_BATCH, logits, grad) && !step(s, net, 0, BATCH, LT_BN_BATCH, logits, grad);
    const struct lt_profile *p = ok ? lt_session_profile_get(s) : NULL;
    int conv = lt_graph_find(net->g, "stem");
    for (int k = 0; p && k < 3; k++)
        for (int i = 0; i < p->n_nodes; i++) sum[k] += p->s[k][i];
    if (p) stem = p->s[1][conv];
    lt_ok(p && p->calls == 2 && p->n_nodes == net->g->n_nodes && sum[0] > 0 && sum[1] > 0 && sum[2] > 0,
          "%s: a profile of 2 calls has all three kinds", name);
    lt_ok(p && stem < 0.05 * (sum[0] + sum[1] + sum[2]) && p->s[2][conv] > 0,
          "%s: the first convolution computes no gradient of the image", name);
    lt_session_free(s);
    lt_weights_free(grad);
}

/* ---- the same bits, whatever else happens ---- */
struct run {
    const char *backend;
    int rounds;
    float logits[N_NETS][BATCH * CLASSES];
    struct lt_weights *grad[N_NETS];
    struct net *net;
    bool ok;
};

static void *run_all(void *arg) {
    struct run *r = arg;
    struct lt_backend *b = NULL;
    r->ok = !lt_backend_open(r->backend, &b, NULL);
    for (int k = 0; k < r->rounds; k++)
        for (int i = 0; r->ok && i < N_NETS; i++) {
            struct lt_session *s = NULL;
            float d[BATCH * CLASSES];
            memset(r->grad[i]->storage, 0, (size_t)r->grad[i]->count * sizeof(float));
            r->ok = !lt_session_new(b, r->net[i].g, &train_opt, &s, NULL) &&
                    !lt_session_weights(s, r->net[i].w, NULL) &&
                    !lt_session_forward(s, r->net[i].x, BATCH, LT_BN_BATCH, r->logits[i], NULL);
            if (r->ok) {
                lt_softmax_xent(r->logits[i], labels, NULL, BATCH, CLASSES, 0, 1, d);
                r->ok = !lt_session_backward(s, d, r->grad[i], NULL);
            }
            lt_session_free(s);
        }
    lt_backend_close(b);
    return NULL;
}

static bool same_bits(const struct run *a, const struct run *b) {
    for (int i = 0; i < N_NETS; i++)
        if (memcmp(a->logits[i], b->logits[i], sizeof(a->logits[i])) ||
            memcmp(a->grad[i]->storage, b->grad[i]->storage, (size_t)a->grad[i]->count * sizeof(float)))
            return false;
    return true;
}

static void same_everywhere(const char *name, struct net *net) {
    struct run r[4] = {{0}};
    pthread_t th[2];
    bool ok = true, started[2] = {false, false};
    for (int k = 0; k < 4; k++) {
        r[k] = (struct run){.backend = name, .rounds = k < 2 ? 1 : 4, .net = net};
        for (int i = 0; i < N_NETS; i++) ok = ok && !lt_weights_new(net[i].g, &r[k].grad[i], &net_err);
    }
    if (ok) {
        run_all(&r[0]);
        run_all(&r[1]);
        for (int k = 0; k < 2; k++) started[k] = !pthread_create(&th[k], NULL, run_all, &r[2 + k]);
        for (int k = 0; k < 2; k++)
            if (started[k]) pthread_join(th[k], NULL);
    }
    lt_ok(ok && r[0].ok && r[1].ok && same_bits(&r[0], &r[1]), "%s: a second backend gives the same bits", name);
    lt_ok(ok && r[2].ok && r[3].ok && same_bits(&r[0], &r[2]) && same_bits(&r[0], &r[3]),
          "%s: two threads at once give those bits too", name);
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < N_NETS; i++) lt_weights_free(r[k].grad[i]);
}

/* What supports() promises for each node of every network, sessions keep. */
static void supports(struct lt_backend *b, const struct net *net, const char *name) {
    struct lt_session *s = NULL;
    bool all = true, int8 = true;
    for (int i = 0; i < net->g->n_nodes; i++) {
        const struct lt_node *n = &net->g->node[i];
        all = all && lt_backend_supports(b, n, LT_F32);
        int8 = int8 && (!lt_backend_supports(b, n, LT_I8) || n->op == LT_OP_CONV || n->op == LT_OP_LINEAR);
    }
    lt_status r = lt_session_new(b, net->g, &train_opt, &s, &net_err);
    lt_ok(all ? r == LT_OK : r == LT_EUNAVAIL, "%s: a session exists exactly where every operator is supported", name);
    lt_ok(int8, "%s: only convolutions and linear layers claim int8", name);
    lt_session_free(s);
}

/* Out of memory at any allocation is an error, leaks nothing, and leaves the backend usable. */
static void no_memory(struct lt_backend *b, const struct net *net, const char *name) {
    int failed = 0;
    bool clean = true;
    for (int at = 1; at < 200; at++) {
        struct lt_session *s = NULL;
        int64_t live = lt_mem_live();
        lt_mem_fail_at(at);
        lt_status r = lt_session_new(b, net->g, &train_opt, &s, &net_err);
        lt_mem_fail_at(0);
        failed += r != LT_OK;
        lt_session_free(s);
        clean = clean && (r == LT_OK || r == LT_ENOMEM) && lt_mem_live() == live;
        if (r == LT_OK) break;
    }
    lt_ok(clean && failed > 1, "%s: without memory no session, and nothing leaks (%d places)", name, failed);
}

int main(void) {
    struct net net[N_NETS] = {{0}};
    struct lt_backend *b = NULL;
    struct lt_buf text = LT_BUF_INIT;
    bool ok = true;
    for (int i = 0; i < N_NETS; i++) ok = net_open(&net[i], (uint64_t)(40 + i)) && ok;
    if (!lt_ok(ok, "networks")) return lt_done();
    lt_ok(lt_backend_open("nativ", &b, &net_err) == LT_EINVAL && strstr(net_err.msg, "reference"),
          "an unknown backend is refused: %s", net_err.msg);
    lt_ok(!lt_backend_open("auto", &b, &net_err) && !strcmp(lt_backend_name(b), lt_backend_name_at(0)),
          "auto is the first backend");
    lt_backend_close(b);
    lt_runtime_describe(&text);
    lt_ok(text.len > 0 && strstr(text.data, "kernels") && strlen(lt_runtime_cpu_model()) > 0, "%s on %s, vnni %d",
          text.data, lt_runtime_cpu_model(), lt_runtime_has_vnni());
    lt_buf_release(&text);
    for (int k = 0; k < lt_backend_count(); k++) {
        const char *name = lt_backend_name_at(k);
        if (!lt_ok(!lt_backend_open(name, &b, &net_err), "%s opens", name)) continue;
        for (int i = 0; i < N_NETS; i++) {
            supports(b, &net[i], name);
            folded(b, &net[i], name);
            accumulates(b, &net[i], name);
        }
        batch_statistics(b, name);
        one_at_a_time(b, &net[0], name);
        profile(b, &net[1], name);
        no_memory(b, &net[2], name);
        lt_backend_close(b);
        same_everywhere(name, net);
    }
    for (int i = 0; i < N_NETS; i++) net_close(&net[i]);
    return lt_done();
}
