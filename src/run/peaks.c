/*
 * Room: run. See peaks.h. Compute: a pointwise convolution that stays in cache (256 channels, 14x14), through the
 * backend that training uses: the rate of dense f32 arithmetic that can be had here. Memory: a triad a = b + s*c over
 * 64 MiB a thread, counted as three streams (McCalpin, STREAM, 1995).
 */
#include "run/peaks.h"
#include "lathe/mem.h"
#include "lathe/runtime.h"
#include "lathe/stats.h"

#include <pthread.h>

enum { CHANNELS = 256, SIDE = 14, BATCH = 8, TRIAD = (64 << 20) / (3 * (int)sizeof(float)) };

struct probe {
    pthread_t thread;
    double seconds, flops, bytes_s;
    lt_status status;
    struct lt_err err;
};

static lt_status pointwise(struct lt_graph **out, struct lt_err *e) {
    struct lt_graph *g = NULL;
    lt_status s = lt_graph_new("peak", &g, e);
    if (s) return s;
    int x = lt_graph_input(g, "x", CHANNELS, SIDE, SIDE);
    x = lt_graph_conv(g, "conv", x, &(struct lt_conv_attr){.out = CHANNELS, .kernel = 1, .stride = 1, .groups = 1});
    lt_graph_output(g, x);
    if ((s = lt_graph_finish(g, e))) {
        lt_graph_free(g);
        return s;
    }
    *out = g;
    return LT_OK;
}

static lt_status compute_peak(double seconds, double *flops, struct lt_err *e) {
    struct lt_graph *g = NULL;
    struct lt_weights *w = NULL;
    struct lt_backend *b = NULL;
    struct lt_session *ses = NULL;
    float *x = lt_calloc((size_t)BATCH * CHANNELS * SIDE * SIDE, sizeof(*x));
    lt_status s = x ? pointwise(&g, e) : lt_fail(e, LT_ENOMEM, "peak");
    if (!s) s = lt_weights_new(g, &w, e);
    if (!s) s = lt_backend_open("auto", &b, e);
    if (!s) s = lt_session_new(b, g, &(struct lt_session_opt){.kind = LT_SESSION_INFER, .batch = BATCH}, &ses, e);
    if (!s) s = lt_session_weights(ses, w, e);
    if (!s) s = lt_session_forward(ses, x, BATCH, LT_BN_RUNNING, NULL, e);
    const double each = 2.0 * BATCH * CHANNELS * CHANNELS * SIDE * SIDE;
    double end = lt_now_s() + seconds, best = 0;
    while (!s && lt_now_s() < end) {
        double t = lt_now_s();
        for (int i = 0; i < 4 && !s; i++) s = lt_session_forward(ses, x, BATCH, LT_BN_RUNNING, NULL, e);
        double rate = 4 * each / (lt_now_s() - t);
        if (rate > best) best = rate;
    }
    if (!s) *flops = best;
    lt_session_free(ses);
    lt_backend_close(b);
    lt_weights_free(w);
    lt_graph_free(g);
    lt_free(x);
    return s;
}

static lt_status memory_peak(double seconds, double *bytes_s, struct lt_err *e) {
    float *v = lt_calloc((size_t)TRIAD * 3, sizeof(*v));
    if (!v) return lt_fail(e, LT_ENOMEM, "peak");
    float *restrict a = v;
    const float *b = v + TRIAD, *c = v + 2 * (size_t)TRIAD;
    double end = lt_now_s() + seconds, best = 0;
    for (float scale = 1; lt_now_s() < end; scale += 1) {
        double t = lt_now_s();
        for (int i = 0; i < TRIAD; i++) a[i] = b[i] + scale * c[i];
        double rate = 3.0 * TRIAD * sizeof(float) / (lt_now_s() - t);
        if (rate > best) best = rate;
        v[TRIAD] = a[TRIAD / 2]; /* the result is used, so the loop stays */
    }
    lt_free(v);
    *bytes_s = best;
    return LT_OK;
}

static void *probe_main(void *arg) {
    struct probe *p = arg;
    p->status = compute_peak(p->seconds, &p->flops, &p->err);
    if (!p->status) p->status = memory_peak(p->seconds, &p->bytes_s, &p->err);
    return NULL;
}

lt_status lt_machine_peaks(int threads, double seconds, struct lt_peaks *out, struct lt_err *e) {
    struct probe *p = lt_calloc((size_t)threads, sizeof(*p));
    struct lt_peaks sum = {0};
    int started = 0;
    lt_status s = LT_OK;
    if (!p) return lt_fail(e, LT_ENOMEM, "peak");
    for (; started < threads; started++) {
        p[started].seconds = seconds;
        if (pthread_create(&p[started].thread, NULL, probe_main, &p[started])) {
            s = lt_fail(e, LT_EFAIL, "cannot start thread %d", started);
            break;
        }
    }
    for (int i = 0; i < started; i++) {
        pthread_join(p[i].thread, NULL);
        if (!s && p[i].status) s = lt_fail(e, p[i].status, "%s", p[i].err.msg);
        sum.flops += p[i].flops;
        sum.bytes_s += p[i].bytes_s;
    }
    lt_free(p);
    if (!s) *out = sum;
    return s;
}
