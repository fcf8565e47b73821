/*
 * The threads of a training rank. Each owns a backend, buffers and sessions, and takes whole shards: forward, loss,
 * backward and scatter of every subnetwork of the step. Which thread takes a shard changes nothing in the result: a
 * shard's gradient goes to its own slot, its subnetworks in order.
 */
#include "supernet/train_priv.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 2 };

struct worker {
    struct train_pool *pool;
    int index;
    pthread_t thread;
    bool started;
    struct lt_backend *backend;
    struct weights_pool weights, grad;
    struct lt_session *kept[KEPT];
    const struct lt_graph *kept_graph[KEPT];
    float *x, *logits, *dlogits; /* one shard */
    uint8_t *labels;
    struct train_times times;
    lt_status status;
    struct lt_err err;
};

struct train_pool {
    const struct lt_supernet *sn;
    int n, shard_batch, classes;
    bool profile;
    struct worker *worker;
    float *teacher; /* [max_shards][shard_batch][classes] softmax of the largest */
    const struct train_step *step;
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    uint64_t round; /* counts steps; threads wait for the next */
    int running;
    bool quit;
};

/* Mean cross-entropy on labels without smoothing: the curve that a human reads, whatever the training objective is. */
static double label_loss(const float *logits, const uint8_t *labels, int n, int k) {
    double sum = 0;
    for (int i = 0; i < n; i++, logits += k) {
        double top = logits[0], z = 0;
        for (int c = 1; c < k; c++) top = fmax(top, logits[c]);
        for (int c = 0; c < k; c++) z += exp(logits[c] - top);
        sum += log(z) + top - logits[labels[i]];
    }
    return sum / n;
}

/* The session for a subnetwork: kept ones are made once and stay with the worker, others belong to the caller. */
static lt_status session_for(struct worker *w, const struct train_subnet *n, struct lt_session **out,
                             struct lt_err *e) {
    struct lt_session_opt opt = {.kind = LT_SESSION_TRAIN, .batch = w->pool->shard_batch};
    struct lt_session *s;
    lt_status st;
    if (n->keep >= 0 && w->kept[n->keep] && w->kept_graph[n->keep] == n->g) {
        *out = w->kept[n->keep];
        return LT_OK;
    }
    if ((st = lt_session_new(w->backend, n->g, &opt, &s, e))) return st;
    if (n->keep >= 0) {
        lt_session_free(w->kept[n->keep]);
        w->kept[n->keep] = s;
        w->kept_graph[n->keep] = n->g;
        if (n->keep == 0 && w->pool->profile && (st = lt_session_profile(s, true, e))) return st;
    }
    *out = s;
    return LT_OK;
}

static lt_status run_shard(struct worker *w, const struct train_step *t, int k, int shard, struct lt_session *s,
                           struct lt_err *e) {
    const struct train_subnet *net = &t->subnet[k];
    int n = t->shard_batch, classes = w->pool->classes;
    float *part = t->parts + (shard - t->first) * t->stride, *stats = part + t->stride - N_STATS;
    float *teacher = w->pool->teacher + (int64_t)(shard - t->first) * n * classes;
    double t0 = lt_now_s(), t1;
    lt_status st;

    lt_data_batch(t->data, t->item + (int64_t)shard * n, n, net->resolution, t->aug, w->x, w->labels);
    w->times.batch_s += (t1 = lt_now_s()) - t0;
    if ((st = lt_session_forward(s, w->x, n, LT_BN_BATCH, w->logits, e))) return st;
    w->times.forward_s += (t0 = lt_now_s()) - t1;
    bool taught = k > 0 && t->distill;
    float scale =
        1.0f / (float)t->shards; /* the gradient is that of the mean over the batch, summed over subnetworks */
    double loss = lt_softmax_xent(w->logits, taught ? NULL : w->labels, taught ? teacher : NULL, n, classes,
                                  k == 0 ? t->smoothing : 0, scale, w->dlogits);
    if (k == 0 && t->distill && t->n_subnets > 1) lt_softmax(w->logits, n, classes, teacher);
    stats[STAT_LOSS] += (float)loss * scale;
    if (k < 2)
        stats[k == 0 ? STAT_LARGEST : STAT_SMALLEST] += (float)label_loss(w->logits, w->labels, n, classes) * scale;
    w->times.loss_s += (t1 = lt_now_s()) - t0;
    weights_pool_zero(&w->grad);
    if ((st = lt_session_backward(s, w->dlogits, &w->grad.w, e))) return st;
    w->times.backward_s += (t0 = lt_now_s()) - t1;
    if ((st = lt_supernet_scatter(t->sn, net->g, &w->grad.w, part, e))) return st;
    w->times.scatter_s += lt_now_s() - t0;
    return LT_OK;
}

/* All subnetworks, and within each this worker's shards: a session lives for one subnetwork only. */
static lt_status run_step(struct worker *w, const struct train_step *t, struct lt_err *e) {
    lt_status st = LT_OK;
    for (int i = w->index; i < t->count; i += w->pool->n)
        memset(t->parts + i * t->stride, 0, (size_t)t->stride * sizeof(float));
    for (int k = 0; k < t->n_subnets && !st && w->index < t->count; k++) {
        const struct train_subnet *net = &t->subnet[k];
        struct lt_session *s = NULL;
        double t0 = lt_now_s(), t1;
        weights_pool_bind(&w->weights, net->g);
        weights_pool_bind(&w->grad, net->g);
        if ((st = lt_supernet_gather(t->sn, net->g, &w->weights.w, e))) break;
        w->times.gather_s += (t1 = lt_now_s()) - t0;
        if (!(st = session_for(w, net, &s, e))) st = lt_session_weights(s, &w->weights.w, e);
        w->times.session_s += (t0 = lt_now_s()) - t1;
        for (int i = w->index; i < t->count && !st; i += w->pool->n) st = run_shard(w, t, k, t->first + i, s, e);
        t0 = lt_now_s();
        if (net->keep < 0) lt_session_free(s);
        w->times.session_s += lt_now_s() - t0;
    }
    return st;
}

static void *loop(void *arg) {
    struct worker *w = arg;
    struct train_pool *p = w->pool;
    uint64_t seen = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->round == seen && !p->quit) pthread_cond_wait(&p->start, &p->lock);
        if (p->quit) break;
        seen = p->round;
        pthread_mutex_unlock(&p->lock);
        w->status = run_step(w, p->step, &w->err);
        pthread_mutex_lock(&p->lock);
        if (--p->running == 0) pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

lt_status train_pool_new(const struct lt_supernet *sn, const struct lt_data *data, int threads, int max_shards,
                         int shard_batch, struct train_pool **out, struct lt_err *e) {
    struct train_pool *p = lt_calloc(1, sizeof(*p));
    int res = lt_space_max_resolution(sn->space);
    lt_status st = LT_OK;
    if (!p) return lt_fail(e, LT_ENOMEM, "training threads");
    if (threads > max_shards) threads = max_shards > 0 ? max_shards : 1;
    p->sn = sn;
    p->n = threads;
    p->shard_batch = shard_batch;
    p->classes = lt_space_classes(sn->space);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->start, NULL);
    pthread_cond_init(&p->done, NULL);
    int64_t logits = (int64_t)shard_batch * p->classes, pixels = (int64_t)shard_batch * data->channels * res * res;
    p->worker = lt_calloc((size_t)threads, sizeof(*p->worker));
    p->teacher = lt_aligned((size_t)(logits * (max_shards > 0 ? max_shards : 1)) * sizeof(float));
    if (!p->worker || !p->teacher) {
        st = lt_fail(e, LT_ENOMEM, "training threads");
        goto out;
    }
    for (int i = 0; i < threads; i++) {
        struct worker *w = &p->worker[i];
        w->pool = p;
        w->index = i;
        w->x = lt_aligned((size_t)pixels * sizeof(float));
        w->logits = lt_aligned((size_t)logits * sizeof(float));
        w->dlogits = lt_aligned((size_t)logits * sizeof(float));
        w->labels = lt_malloc((size_t)shard_batch);
        if (!w->x || !w->logits || !w->dlogits || !w->labels) {
            st = lt_fail(e, LT_ENOMEM, "buffers of training thread %d", i);
            goto out;
        }
        if ((st = lt_backend_open("auto", &w->backend, e)) || (st = weights_pool_init(&w->weights, sn, e)) ||
            (st = weights_pool_init(&w->grad, sn, e)))
            goto out;
    }
    for (int i = 1; i < threads; i++) { /* worker 0 is the calling thread */
        if (pthread_create(&p->worker[i].thread, NULL, loop, &p->worker[i])) {
            st = lt_fail(e, LT_EFAIL, "training: cannot start thread %d of %d", i + 1, threads);
            goto out;
        }
        p->worker[i].started = true;
    }
    *out = p;
    p = NULL;
out:
    train_pool_free(p);
    return st;
}

void train_pool_free(struct train_pool *p) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->quit = true;
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; p->worker && i < p->n; i++) {
        struct worker *w = &p->worker[i];
        if (w->started) pthread_join(w->thread, NULL);
        for (int k = 0; k < KEPT; k++) lt_session_free(w->kept[k]);
        lt_backend_close(w->backend);
        weights_pool_release(&w->weights);
        weights_pool_release(&w->grad);
        lt_free(w->x);
        lt_free(w->logits);
        lt_free(w->dlogits);
        lt_free(w->labels);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->start);
    pthread_cond_destroy(&p->done);
    lt_free(p->worker);
    lt_free(p->teacher);
    lt_free(p);
}

lt_status train_pool_run(struct train_pool *p, const struct train_step *step, struct lt_err *e) {
    pthread_mutex_lock(&p->lock);
    p->step = step;
    p->running = p->n - 1;
    p->round++;
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
    p->worker[0].status = run_step(&p->worker[0], step, &p->worker[0].err);
    pthread_mutex_lock(&p->lock);
    while (p->running > 0) pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n; i++)
        if (p->worker[i].status) return lt_fail(e, p->worker[i].status, "%s", p->worker[i].err.msg);
    return LT_OK;
}

int train_pool_threads(const struct train_pool *p) { return p->n; }

struct train_times train_pool_times(const struct train_pool *p) {
    struct train_times sum = {0};
    for (int i = 0; i < p->n; i++) {
        const struct train_times *t = &p->worker[i].times;
        sum.gather_s += t->gather_s;
        sum.session_s += t->session_s;
        sum.batch_s += t->batch_s;
        sum.forward_s += t->forward_s;
        sum.loss_s += t->loss_s;
        sum.backward_s += t->backward_s;
        sum.scatter_s += t->scatter_s;
    }
    return sum;
}

lt_status train_pool_profile(struct train_pool *p, bool on, struct lt_err *e) {
    lt_status st = LT_OK;
    p->profile = on;
    for (int i = 0; i < p->n && !st; i++)
        if (p->worker[i].kept[0]) st = lt_session_profile(p->worker[i].kept[0], on, e);
    return st;
}

const struct lt_profile *train_pool_profile_get(const struct train_pool *p, int thread) {
    return p->worker[thread].kept[0] ? lt_session_profile_get(p->worker[thread].kept[0]) : NULL;
}
