/*
 * The shared vector: a subnetwork is a view (against slicing by plain loops), gradients come back through the same view
 * (against finite differences), one subnetwork's recalibration touches no other, and files of weights are whole, ours,
 * or refused.
 */
#include "lathe/data.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/supernet.h"
#include "tests/tap.h"
#include "tests/unit/mini_space.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEED = 4242, MAX_TAPS = 49 };

static void random_arch(const struct lt_space *s, int i, struct lt_arch *a) {
    struct lt_rng r;
    lt_rng_at(&r, SEED, LT_RNG_TEST, 1, (uint64_t)i);
    if (i == 0)
        lt_space_largest(s, a);
    else if (i == 1)
        lt_space_smallest(s, a);
    else
        lt_space_sample(s, &r, a);
}

static struct lt_graph *expand(const struct lt_space *s, const struct lt_arch *a) {
    struct lt_graph *g = NULL;
    struct lt_err e;
    if (lt_space_expand(s, a, &g, &e)) LT_BUG("%s", e.msg);
    return g;
}

static struct lt_weights *weights(const struct lt_graph *g) {
    struct lt_weights *w = NULL;
    struct lt_err e;
    if (lt_weights_new(g, &w, &e)) LT_BUG("%s", e.msg);
    return w;
}

/* Taps of the kernel of side k made from `full` of side kf through `step` matrices: m[0] makes the largest smaller
 * side, and so on down. */
static void make_kernel(const float *full, int kf, int k, const float *const *m, float *out) {
    float now[MAX_TAPS], next[MAX_TAPS];
    memcpy(now, full, sizeof(float) * (size_t)(kf * kf));
    for (int side = kf; side > k; side -= 2, m++) {
        int s = side - 2;
        for (int i = 0; i < s * s; i++) {
            double v = 0;
            for (int y = 0; y < s; y++)
                for (int x = 0; x < s; x++) v += (double)(*m)[i * s * s + y * s + x] * now[(y + 1) * side + x + 1];
            next[i] = (float)v;
        }
        memcpy(now, next, sizeof(float) * (size_t)(s * s));
    }
    memcpy(out, now, sizeof(float) * (size_t)(k * k));
}

/* The layout that the header promises nothing about, found from outside: where each parameter of the largest network
 * lies in the shared vector. */
static int64_t place_of(const struct lt_graph *g, int p) {
    int64_t at = 0;
    for (int i = 0; i < p; i++)
        if (g->param[i].role != LT_PARAM_MEAN && g->param[i].role != LT_PARAM_VAR) at += g->param[i].count;
    return at;
}

static void fill_random(float *v, int64_t n, float sd, uint64_t item) {
    struct lt_rng r;
    lt_rng_at(&r, SEED, LT_RNG_TEST, 2, item);
    for (int64_t i = 0; i < n; i++) v[i] = sd * (float)lt_rng_normal(&r);
}

static void views(const struct lt_space *s) {
    struct lt_supernet *sn = NULL;
    struct lt_err e;
    struct lt_arch a;
    if (!lt_ok(!lt_supernet_new(s, SEED, &sn, &e), "a supernet of the mini space")) return;
    random_arch(s, 0, &a);
    struct lt_graph *big = expand(s, &a);
    struct lt_weights *bw = weights(big);
    int64_t own = place_of(big, big->n_params), transforms = 0;
    for (int i = 0; i < big->n_params; i++)
        if (big->param[i].n_dims == 4 && big->param[i].dim[2] > 3)
            transforms += big->param[i].dim[2] == 7 ? 625 + 81 : 81;
    lt_ok(lt_supernet_n_params(sn) == own + transforms,
          "%lld parameters are those of the largest network and %lld of kernel transforms",
          (long long)lt_supernet_n_params(sn), (long long)transforms);

    for (int perturbed = 0; perturbed < 2; perturbed++) {
        float *params = lt_supernet_params(sn);
        if (perturbed) { /* transforms that are no identity, distinct per layer */
            float *noise = lt_malloc(sizeof(float) * (size_t)transforms);
            fill_random(noise, transforms, 0.2f, 1);
            for (int64_t i = 0; i < transforms; i++) params[own + i] += noise[i];
            lt_free(noise);
        }
        LT_CHECK(!lt_supernet_gather(sn, big, bw, &e));
        for (int n = 1; n < 12; n++) {
            random_arch(s, n, &a);
            struct lt_graph *g = expand(s, &a);
            struct lt_weights *w = weights(g);
            lt_status st = lt_supernet_gather(sn, g, w, &e);
            double worst = 0;
            for (int i = 0; i < g->n_params && !st; i++) {
                const struct lt_param *p = &g->param[i];
                int b = lt_graph_find_param(big, p->name);
                const struct lt_param *q = &big->param[b];
                if (p->role == LT_PARAM_MEAN || p->role == LT_PARAM_VAR) {
                    for (int64_t k = 0; k < p->count; k++)
                        worst = fmax(worst, fabs(w->data[i][k] - (p->role == LT_PARAM_VAR)));
                    continue;
                }
                if (p->n_dims == 1) {
                    worst = fmax(worst, memcmp(w->data[i], bw->data[b], sizeof(float) * (size_t)p->count) ? 1 : 0);
                } else if (p->n_dims == 2) {
                    for (int64_t o = 0; o < p->dim[0]; o++)
                        for (int64_t k = 0; k < p->dim[1]; k++)
                            worst = fmax(worst, fabs(w->data[i][o * p->dim[1] + k] - bw->data[b][o * q->dim[1] + k]));
                } else {
                    int k = (int)p->dim[2], kf = (int)q->dim[2];
                    /* The matrices of this layer: behind the parameters, by layer in order; within a layer the smallest
                     * side first. */
                    const float *m[2] = {NULL, NULL};
                    int64_t at = own;
                    for (int l = 0; l < b; l++)
                        if (big->param[l].n_dims == 4 && big->param[l].dim[2] > 3)
                            at += big->param[l].dim[2] == 7 ? 625 + 81 : 81;
                    m[0] = params + at + (kf == 7 ? 81 : 0);
                    m[1] = params + at;
                    for (int64_t o = 0; o < p->dim[0]; o++)
                        for (int64_t c = 0; c < p->dim[1]; c++) {
                            float want[MAX_TAPS];
                            make_kernel(bw->data[b] + (o * q->dim[1] + c) * kf * kf, kf, k, m, want);
                            for (int t = 0; t < k * k; t++)
                                worst = fmax(worst, fabs(want[t] - w->data[i][(o * p->dim[1] + c) * k * k + t]));
                        }
                }
            }
            /* a copy is exact; a transformed kernel is a sum of 25 products of size 1 in f32 */
            lt_ok(!st && worst <= (perturbed ? 1e-5 : 0),
                  "%s transforms, arch %d: parameters are first channels and (transformed) centres, off by %.1e",
                  perturbed ? "perturbed" : "identity", n, worst);
            lt_weights_free(w);
            lt_graph_free(g);
        }
    }
    lt_weights_free(bw);
    lt_graph_free(big);
    lt_supernet_free(sn);
}

static double dot(const float *a, const float *b, int64_t n) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += (double)a[i] * b[i];
    return s;
}

/* Perturbs parameters and transforms so that no gradient is zero by symmetry. */
static struct lt_supernet *perturbed(const struct lt_space *s) {
    struct lt_supernet *sn = NULL;
    struct lt_err e;
    if (lt_supernet_new(s, SEED, &sn, &e)) LT_BUG("%s", e.msg);
    int64_t n = lt_supernet_n_params(sn);
    float *noise = lt_malloc(sizeof(float) * (size_t)n);
    fill_random(noise, n, 0.1f, 3);
    for (int64_t i = 0; i < n; i++) lt_supernet_params(sn)[i] += noise[i];
    lt_free(noise);
    return sn;
}

/* <gradient, change of the gathered parameters> = <scattered gradient, change of the shared ones>, for any direction.
 */
static void adjoint(const struct lt_space *s) {
    struct lt_supernet *sn = perturbed(s);
    int64_t n = lt_supernet_n_params(sn);
    float *params = lt_supernet_params(sn), *keep = lt_malloc(sizeof(float) * (size_t)n),
          *d = lt_malloc(sizeof(float) * (size_t)n);
    float *back = lt_malloc(sizeof(float) * (size_t)n);
    struct lt_err e;
    memcpy(keep, params, sizeof(float) * (size_t)n);
    for (int k = 0; k < 8; k++) {
        struct lt_arch a;
        random_arch(s, k, &a);
        struct lt_graph *g = expand(s, &a);
        struct lt_weights *up = weights(g), *down = weights(g), *grad = weights(g);
        const float h =
            1.0f / 256; /* the view is cubic in (kernel, transforms): the error is h^2 times its third derivative */
        fill_random(d, n, 1, 10 + (uint64_t)k);
        for (int i = 0; i < g->n_params; i++)
            fill_random(grad->data[i], g->param[i].count, 1, 100 + (uint64_t)(1000 * k + i));
        for (int64_t i = 0; i < n; i++) params[i] = keep[i] + h * d[i];
        LT_CHECK(!lt_supernet_gather(sn, g, up, &e));
        for (int64_t i = 0; i < n; i++) params[i] = keep[i] - h * d[i];
        LT_CHECK(!lt_supernet_gather(sn, g, down, &e));
        memcpy(params, keep, sizeof(float) * (size_t)n);
        double forward = 0, size = 0;
        for (int i = 0; i < g->n_params; i++)
            for (int64_t t = 0; t < g->param[i].count; t++) {
                double c = (up->data[i][t] - down->data[i][t]) / (2.0 * h) * grad->data[i][t];
                forward += c;
                size += c * c;
            }
        memset(back, 0, sizeof(float) * (size_t)n);
        lt_status st = lt_supernet_scatter(sn, g, grad, back, &e);
        double backward = dot(back, d, n), scale = sqrt(size);
        lt_ok(!st && fabs(forward - backward) < 5e-4 * scale,
              "arch %d: scatter is the adjoint of gather: %.5f and %.5f (scale %.1f)", k, forward, backward, scale);
        LT_CHECK(!lt_supernet_scatter(sn, g, grad, back, &e));
        lt_ok(fabs(dot(back, d, n) - 2 * backward) < 1e-4 * scale, "arch %d: scatter adds", k);
        lt_weights_free(up);
        lt_weights_free(down);
        lt_weights_free(grad);
        lt_graph_free(g);
    }
    lt_free(keep);
    lt_free(d);
    lt_free(back);
    lt_supernet_free(sn);
}

static struct lt_data_set *patterns(int n, int size) {
    struct lt_data_cfg c;
    struct lt_data_set *d = NULL;
    struct lt_err e;
    LT_CHECK(!lt_opts_default(lt_data_opts, &c, &e));
    c.format = 2;
    c.limit = n;
    c.validation = n / 4;
    c.size = size;
    if (lt_data_load(&c, SEED, &d, &e)) LT_BUG("%s", e.msg);
    lt_opts_release(lt_data_opts, &c);
    return d;
}

/* Loss of a subnetwork as a function of the shared vector. */
static double loss_of(const struct lt_supernet *sn, const struct lt_graph *g, struct lt_weights *w,
                      struct lt_session *s, const float *x, const uint8_t *labels, int n, float *dlogits) {
    float logits[16 * 10];
    struct lt_err e;
    if (lt_supernet_gather(sn, g, w, &e) || lt_session_weights(s, w, &e) ||
        lt_session_forward(s, x, n, LT_BN_BATCH, logits, &e))
        LT_BUG("%s", e.msg);
    return lt_softmax_xent(logits, labels, NULL, n, 10, 0, 1, dlogits);
}

/* The whole way: shared vector -> view -> forward -> loss, and its gradient back, against central differences. */
static void end_to_end(const struct lt_space *s) {
    struct lt_supernet *sn = perturbed(s);
    struct lt_data_set *set = patterns(64, 16);
    struct lt_backend *b = NULL;
    struct lt_err e;
    enum { BATCH = 16 };
    int64_t n = lt_supernet_n_params(sn);
    float *params = lt_supernet_params(sn), *keep = lt_malloc(sizeof(float) * (size_t)n),
          *d = lt_malloc(sizeof(float) * (size_t)n);
    float *back = lt_calloc((size_t)n, sizeof(float)), *x = lt_malloc(sizeof(float) * BATCH * 16 * 16),
          dlogits[BATCH * 10], unused[BATCH * 10];
    memcpy(keep, params, sizeof(float) * (size_t)n);
    LT_CHECK(!lt_backend_open("reference", &b, &e));
    for (int k = 0; k < 6; k++) {
        struct lt_arch a;
        random_arch(s, k, &a);
        struct lt_graph *g = expand(s, &a);
        struct lt_weights *w = weights(g), *grad = weights(g);
        struct lt_session *session = NULL;
        int32_t item[BATCH];
        uint8_t labels[BATCH];
        for (int i = 0; i < BATCH; i++) item[i] = i;
        lt_data_batch(lt_data_train(set), item, BATCH, lt_space_resolution(s, &a), NULL, x, labels);
        if (lt_session_new(b, g, &(struct lt_session_opt){.kind = LT_SESSION_TRAIN, .batch = BATCH}, &session, &e))
            LT_BUG("%s", e.msg);
        loss_of(sn, g, w, session, x, labels, BATCH, dlogits);
        if (lt_session_backward(session, dlogits, grad, &e)) LT_BUG("%s", e.msg);
        memset(back, 0, sizeof(float) * (size_t)n);
        LT_CHECK(!lt_supernet_scatter(sn, g, grad, back, &e));
        /* Along its own gradient a loss changes most, so rounding matters least; half random so that other directions
         * count too. */
        fill_random(d, n, 1, 50 + (uint64_t)k);
        double norm = sqrt(dot(back, back, n)), random_norm = sqrt(dot(d, d, n));
        for (int64_t i = 0; i < n; i++) d[i] = (float)(back[i] / norm + 0.5 * d[i] / random_norm);
        const float h = 2e-3f;
        double side[2];
        for (int sign = 0; sign < 2; sign++) {
            for (int64_t i = 0; i < n; i++) params[i] = keep[i] + (sign ? h : -h) * d[i];
            side[sign] = loss_of(sn, g, w, session, x, labels, BATCH, unused);
        }
        memcpy(params, keep, sizeof(float) * (size_t)n);
        double numeric = (side[1] - side[0]) / (2.0 * h), analytic = dot(back, d, n);
        /* loss of size 2 in f32 over a step of 4e-3 resolves about 1e-4; activations that cross zero add up to a
         * percent */
        lt_ok(fabs(numeric - analytic) < 0.02 * fabs(analytic) + 1e-3,
              "arch %d: gradient of the shared vector %.5f, by differences %.5f", k, analytic, numeric);
        lt_session_free(session);
        lt_weights_free(w);
        lt_weights_free(grad);
        lt_graph_free(g);
    }
    lt_backend_close(b);
    lt_data_free(set);
    lt_free(keep);
    lt_free(d);
    lt_free(back);
    lt_free(x);
    lt_supernet_free(sn);
}

static void recalibration(const struct lt_space *s) {
    struct lt_supernet *sn = perturbed(s);
    struct lt_data_set *set = patterns(400, 16);
    const struct lt_data *train = lt_data_train(set), *val = lt_data_validation(set);
    struct lt_backend *b = NULL;
    struct lt_err e;
    struct lt_arch a, other;
    struct lt_graph *g = NULL, *g2 = NULL;
    struct lt_weights *w = NULL, *w2 = NULL, *once = NULL;
    struct lt_session *session = NULL;
    double before = -1, after = -2;
    uint64_t hash = lt_supernet_hash(sn);
    random_arch(s, 0, &a);
    random_arch(s, 5, &other);
    LT_CHECK(!lt_backend_open("auto", &b, &e));
    lt_status st = lt_supernet_evaluate(sn, b, &a, train, val, 100, 100, SEED, &before, &e);
    if (!lt_ok(!st, "evaluation %s", st ? e.msg : "")) goto out;
    LT_CHECK(!lt_supernet_subnet(sn, b, &a, train, 100, SEED, &g, &w, &e));
    LT_CHECK(!lt_supernet_subnet(sn, b, &other, train, 100, SEED, &g2, &w2, &e));
    lt_graph_free(g2);
    lt_weights_free(w2);
    g2 = NULL;
    w2 = NULL;
    LT_CHECK(!lt_supernet_subnet(sn, b, &a, train, 100, SEED, &g2, &w2, &e));
    lt_ok(w->count == w2->count && !memcmp(w->storage, w2->storage, sizeof(float) * (size_t)w->count),
          "recalibrating another subnetwork in between leaves this one's weights and statistics as they were");
    LT_CHECK(!lt_supernet_evaluate(sn, b, &a, train, val, 100, 100, SEED, &after, &e));
    lt_ok(before == after, "the accuracy is the same afterwards: %.4f and %.4f", before, after);
    lt_ok(hash == lt_supernet_hash(sn), "the shared vector is untouched");

    /* All 300 training images in several batches against one batch that holds them all: exact for the first BN, whose
     * input no other BN touches. */
    enum { ALL = 300 };
    lt_graph_free(g2);
    lt_weights_free(w2);
    g2 = NULL;
    w2 = NULL;
    LT_CHECK(!lt_supernet_subnet(sn, b, &a, train, ALL, SEED, &g2, &w2, &e));
    int32_t item[ALL];
    int res = lt_space_resolution(s, &a), bn = lt_graph_find(g2, "stem.bn");
    float *x = lt_malloc(sizeof(float) * ALL * (size_t)(res * res));
    for (int i = 0; i < ALL; i++) item[i] = i;
    lt_data_batch(train, item, ALL, res, NULL, x, NULL);
    once = weights(g2);
    st = lt_session_new(b, g2, &(struct lt_session_opt){.kind = LT_SESSION_TRAIN, .batch = ALL, .forward_only = true},
                        &session, &e);
    if (!st) st = lt_session_weights(session, w2, &e);
    if (!st) st = lt_session_forward(session, x, ALL, LT_BN_BATCH, NULL, &e);
    if (!st) st = lt_session_bn_stats(session, once, &e);
    if (lt_ok(!st && bn >= 0, "one batch of all images %s", st ? e.msg : "")) {
        const struct lt_node *n = &g2->node[bn];
        double worst = 0, count = ALL * (double)(n->out.d[2] * n->out.d[3]);
        for (int64_t c = 0; c < n->out.d[1]; c++) {
            double var = once->data[n->param[3]][c] * count / (count - 1), sd = sqrt(var) + 1e-6;
            worst = fmax(worst, fabs(w2->data[n->param[2]][c] - once->data[n->param[2]][c]) / sd);
            worst = fmax(worst, fabs(w2->data[n->param[3]][c] - var) / (var + 1e-6));
        }
        lt_ok(worst < 1e-4, "pooled mean and variance are those of all images at once, off by %.1e", worst);
    }
    lt_free(x);
out:
    lt_session_free(session);
    lt_graph_free(g);
    lt_graph_free(g2);
    lt_weights_free(w);
    lt_weights_free(w2);
    lt_weights_free(once);
    lt_backend_close(b);
    lt_data_free(set);
    lt_supernet_free(sn);
}

/* Writes the file changed by `at` (flip a byte) or cut to `len`, and loads it. */
static lt_status load_damaged(struct lt_supernet *sn, const char *path, const struct lt_buf *good, size_t len, long at,
                              struct lt_err *e) {
    char *bytes = lt_malloc(good->len);
    struct lt_err ignore;
    memcpy(bytes, good->data, good->len);
    if (at >= 0) bytes[at] ^= 0x40;
    LT_CHECK(!lt_file_write_atomic(path, bytes, len, &ignore));
    lt_free(bytes);
    return lt_supernet_load(sn, path, e);
}

static void files(const struct lt_space *s) {
    char path[] = "/tmp/t_supernet.XXXXXX";
    int fd = mkstemp(path);
    struct lt_supernet *a = perturbed(s), *b = NULL, *foreign = NULL;
    struct lt_buf good = LT_BUF_INIT;
    struct lt_err e;
    LT_CHECK(fd >= 0);
    close(fd);
    LT_CHECK(!lt_supernet_new(s, SEED + 1, &b, &e));
    lt_ok(lt_supernet_hash(a) != lt_supernet_hash(b), "another seed, other values");
    lt_status st = lt_supernet_save(a, path, &e);
    if (!st) st = lt_supernet_load(b, path, &e);
    lt_ok(!st && lt_supernet_hash(a) == lt_supernet_hash(b), "saved and loaded: the same bits %s", st ? e.msg : "");
    LT_CHECK(!lt_file_read(path, 1 << 26, &good, &e));
    uint64_t hash = lt_supernet_hash(b);
    lt_ok(load_damaged(b, path, &good, good.len / 2, -1, &e) == LT_EIO && strstr(e.msg, path), "cut in half: %s",
          e.msg);
    lt_ok(load_damaged(b, path, &good, 5, -1, &e) == LT_EIO, "cut in the magic: %s", e.msg);
    lt_ok(load_damaged(b, path, &good, good.len, 2, &e) == LT_EIO && strstr(e.msg, "offset 0"), "another magic: %s",
          e.msg);
    lt_ok(load_damaged(b, path, &good, good.len, 8, &e) == LT_EIO && strstr(e.msg, "version"), "another version: %s",
          e.msg);
    lt_ok(load_damaged(b, path, &good, good.len, (long)good.len - 100, &e) == LT_EIO && strstr(e.msg, "checksum"),
          "a flipped bit: %s", e.msg);
    struct lt_buf other = LT_BUF_INIT;
    lt_buf_puts(&other, mini_yaml);
    char *at = strstr(other.data, "channels: [16, 24]");
    LT_CHECK(at);
    memcpy(at, "channels: [16, 28]", 18);
    struct lt_yaml *y = NULL;
    struct lt_space *s2 = NULL;
    LT_CHECK(!lt_yaml_parse("other.yaml", other.data, other.len, &y, &e) && !lt_space_parse_yaml(y, &s2, &e) &&
             !lt_supernet_new(s2, SEED, &foreign, &e));
    LT_CHECK(!lt_supernet_save(a, path, &e));
    lt_ok(lt_supernet_load(foreign, path, &e) == LT_EINVAL && strstr(e.msg, "mini"), "another space: %s", e.msg);
    lt_ok(hash == lt_supernet_hash(b), "failed loads change nothing");
    struct lt_arch big;
    lt_space_largest(s2, &big);
    struct lt_graph *g = expand(s2, &big);
    struct lt_weights *w = weights(g);
    lt_ok(lt_supernet_gather(a, g, w, &e) == LT_EINVAL && strstr(e.msg, "s2."),
          "a graph of a larger space is refused: %s", e.msg);
    lt_weights_free(w);
    lt_graph_free(g);
    lt_yaml_free(y);
    lt_supernet_free(foreign);
    lt_space_free(s2);
    lt_buf_release(&other);
    lt_buf_release(&good);
    lt_supernet_free(a);
    lt_supernet_free(b);
    unlink(path);
}

/* Memory that runs out anywhere: LT_ENOMEM, outputs untouched, nothing kept. Every 7th allocation stands for all. */
static void out_of_memory(const struct lt_space *s) {
    struct lt_data_set *set = patterns(100, 16);
    struct lt_supernet *sn = NULL;
    struct lt_backend *b = NULL;
    struct lt_err e;
    struct lt_arch a;
    lt_status st = LT_ENOMEM;
    int64_t live = lt_mem_live(), tried = 0;
    bool clean = true;
    for (int64_t at = 1; st; at += 7, tried++) {
        lt_mem_fail_at(at);
        st = lt_supernet_new(s, SEED, &sn, &e);
        lt_mem_fail_at(0);
        clean &= !st || (st == LT_ENOMEM && !sn && lt_mem_live() == live);
    }
    lt_ok(clean && tried > 5, "a new supernet without memory, failing at %lld places", (long long)tried);
    LT_CHECK(!lt_backend_open("auto", &b, &e));
    lt_space_smallest(s, &a);
    double accuracy = -1;
    /* once before counting: a backend keeps what it has built */
    LT_CHECK(
        !lt_supernet_evaluate(sn, b, &a, lt_data_train(set), lt_data_validation(set), 20, 20, SEED, &accuracy, &e));
    accuracy = -1;
    live = lt_mem_live();
    st = LT_ENOMEM;
    tried = 0;
    for (int64_t at = 1; st; at += 7, tried++) {
        lt_mem_fail_at(at);
        st = lt_supernet_evaluate(sn, b, &a, lt_data_train(set), lt_data_validation(set), 20, 20, SEED, &accuracy, &e);
        lt_mem_fail_at(0);
        clean &= !st || (st == LT_ENOMEM && accuracy == -1 && lt_mem_live() <= live);
    }
    lt_ok(clean && tried > 5, "an evaluation without memory, failing at %lld places", (long long)tried);
    lt_backend_close(b);
    lt_supernet_free(sn);
    lt_data_free(set);
}

int main(void) {
    struct lt_space *s = mini_space();
    lt_note("seed %d", SEED);
    views(s);
    adjoint(s);
    files(s);
    end_to_end(s);
    recalibration(s);
    out_of_memory(s);
    lt_space_free(s);
    lt_ok(lt_mem_live() == 0, "nothing leaks: %lld blocks", (long long)lt_mem_live());
    return lt_done();
}
