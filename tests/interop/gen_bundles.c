/*
 * gen_bundles DIR COUNT SEED BACKEND: writes COUNT deployment bundles DIR/f32-<i> and DIR/int8-<i> of random networks
 * with the logits that the backend computes, and DIR/seq-<i> of networks of random_seq.h. The int8 ones have a random
 * half of their layers in int8, every fourth one all of them. Prints nothing; exit 77: cannot in this build.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/deploy.h"
#include "lathe/mem.h"
#include "lathe/runtime.h"
#include "quant/quant_priv.h"
#include "tests/interop/random_net.h"
#include "tests/interop/random_seq.h"

#define N 16

static int die(const struct lt_err *e) {
    fprintf(stderr, "gen_bundles: %s\n", e->msg);
    return e->status == LT_EUNAVAIL ? 77 : 1;
}

/* Scales from the very images of the sample, so that nothing is clipped by surprise. */
static lt_status calibrate(struct lt_backend *b, const struct lt_graph *g, const struct lt_weights *w, const float *x,
                           struct lt_rng *r, bool all, struct lt_plan *p, struct lt_err *e) {
    struct lt_session_opt opt = {.kind = LT_SESSION_INFER, .batch = N, .keep = true};
    struct lt_session *s = NULL;
    struct lt_observer *o = lt_malloc(sizeof(*o));
    lt_status st;
    if (!o) return lt_fail(e, LT_ENOMEM, "observer");
    if ((st = lt_session_new(b, g, &opt, &s, e)) || (st = lt_session_weights(s, w, e)) ||
        (st = lt_session_forward(s, x, N, LT_BN_RUNNING, NULL, e)))
        goto out;
    for (int i = 0; i < g->n_nodes; i++) {
        if (g->node[i].op != LT_OP_CONV && g->node[i].op != LT_OP_LINEAR) continue;
        int in = g->node[i].in[0], from = in;
        const float *v;
        while (!(v = lt_session_tap(s, from)) && lt_op_renames(g->node[from].op)) from = g->node[from].in[0];
        if (!v) v = x;
        lt_observer_init(o);
        if (!lt_observer_add(o, v, N * lt_shape_count(&g->node[in].out))) {
            st = lt_fail(e, LT_EFAIL, "values of %s are not finite", g->node[in].name);
            goto out;
        }
        p->out[in] = lt_observer_qparam(o, LT_QUANT_MINMAX, 1);
        p->is_int8[i] = all || lt_rng_below(r, 2);
    }
out:
    lt_session_free(s);
    lt_free(o);
    return st;
}

static lt_status write_one(struct lt_backend *b, const char *root, const char *kind, int i, const struct lt_graph *g,
                           const struct lt_weights *w, const struct lt_plan *p, const float *x, struct lt_err *e) {
    struct lt_session_opt opt = {.kind = LT_SESSION_INFER, .batch = N, .plan = p};
    struct lt_deploy_info info = {.arch = "random",
                                  .seed = (uint64_t)i,
                                  .accuracy_test = NAN,
                                  .accuracy_f32_test = NAN,
                                  .accuracy_validation = NAN,
                                  .predicted_ms = NAN,
                                  .measured_ms = NAN,
                                  .measured_lo_ms = NAN,
                                  .measured_hi_ms = NAN,
                                  .f32_measured_ms = NAN,
                                  .size_bytes = NAN,
                                  .channels = (int)g->node[0].out.d[1],
                                  .resolution = (int)g->node[0].out.d[2]};
    struct lt_session *s = NULL;
    float logits[N * 10];
    char dir[512];
    lt_status st;
    snprintf(dir, sizeof(dir), "%s/%s-%d", root, kind, i);
    if (!(st = lt_session_new(b, g, &opt, &s, e)) && !(st = lt_session_weights(s, w, e)) &&
        !(st = lt_session_forward(s, x, N, LT_BN_RUNNING, logits, e)))
        st = lt_deploy_write(dir, g, w, p, &info, x, logits, N, e);
    lt_session_free(s);
    return st;
}

static lt_status write_seq(struct lt_backend *b, const char *root, uint64_t seed, int i, struct lt_err *e) {
    struct lt_graph *g = NULL, *f = NULL;
    struct lt_weights *w = NULL, *fw = NULL;
    float *x = NULL;
    struct lt_rng r;
    lt_status s;
    lt_rng_at(&r, seed, LT_RNG_TEST, 4, (uint64_t)i);
    if (!(s = rseq_make(seed, (uint64_t)i, &g, &w, e)) && !(s = lt_graph_fold_bn(g, w, &f, &fw, e))) {
        int64_t n = N * lt_shape_count(&f->node[0].out);
        bool numbers = !strcmp(f->node[0].name, "numbers"); /* of tokens: some fractions, some outside of the table */
        if (!(x = lt_malloc((size_t)n * sizeof(*x)))) s = lt_fail(e, LT_ENOMEM, "images");
        for (int64_t k = 0; x && k < n; k++)
            x[k] = (float)((numbers ? 12 : 1) * lt_rng_normal(&r) + (numbers ? 12 : 0));
        if (x) s = write_one(b, root, "seq", i, f, fw, NULL, x, e);
    }
    lt_free(x);
    lt_weights_free(fw);
    lt_weights_free(w);
    lt_graph_free(f);
    lt_graph_free(g);
    return s;
}

int main(int argc, char **argv) {
    struct lt_backend *b = NULL;
    struct lt_err e = {0};
    if (argc != 5) {
        fprintf(stderr, "usage: gen_bundles DIR COUNT SEED BACKEND\n");
        return 2;
    }
    int count = atoi(argv[2]);
    uint64_t seed = strtoull(argv[3], NULL, 10);
    lt_status s = lt_backend_open(argv[4], &b, &e);
    for (int i = 0; !s && i < count; i++) {
        struct lt_graph *g = NULL, *f = NULL;
        struct lt_weights *w = NULL, *fw = NULL;
        struct lt_plan *p = NULL;
        float *x = NULL;
        struct lt_rng r;
        lt_rng_at(&r, seed, LT_RNG_TEST, 2, (uint64_t)i);
        if (!(s = rnet_make(seed, (uint64_t)i, &g, &w, &e)) && !(s = lt_graph_fold_bn(g, w, &f, &fw, &e)) &&
            !(s = lt_plan_new(f, &p, &e))) {
            int64_t n = N * lt_shape_count(&f->node[0].out);
            x = lt_malloc((size_t)n * sizeof(*x));
            for (int64_t k = 0; x && k < n; k++) x[k] = (float)lt_rng_normal(&r);
            p->weight_qmax = lt_rng_below(&r, 2) ? 127 : 63;
            if (!x)
                s = lt_fail(&e, LT_ENOMEM, "images");
            else if (!(s = write_one(b, argv[1], "f32", i, f, fw, NULL, x, &e)) &&
                     !(s = calibrate(b, f, fw, x, &r, i % 4 == 0, p, &e)))
                s = write_one(b, argv[1], "int8", i, f, fw, p, x, &e);
        }
        lt_free(x);
        lt_plan_free(p);
        lt_weights_free(fw);
        lt_weights_free(w);
        lt_graph_free(f);
        lt_graph_free(g);
    }
    for (int i = 0; !s && i < count; i++) s = write_seq(b, argv[1], seed, i, &e);
    lt_backend_close(b);
    return s ? die(&e) : 0;
}
