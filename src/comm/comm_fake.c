/*
 * Room: comm. N pretend ranks as threads of one process, for tests: delays between them, and a fault at any collective.
 * All ranks meet at every collective; what they bring (and whether they failed) is read by the others between two
 * meetings. A rank that has left its body, or calls something else than the others, makes everybody else return an
 * error instead of waiting for ever.
 */
#include "comm/comm_priv.h"
#include "lathe/mem.h"
#include "lathe/rng.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum call { CALL_BARRIER, CALL_BCAST, CALL_GATHER, CALL_RESET };

struct deposit {
    enum call call;
    const void *p;
    size_t n;
    int root;
    bool failed;
};

struct letter {
    struct letter *next;
    int from;
    size_t n;
    char bytes[];
};

struct world {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    const struct lt_fake_opt *opt;
    int waiting, left;
    int64_t generation, next;
    bool aborted;
    struct deposit *brought; /* [n] */
    struct letter **box;     /* [n] messages that wait for a rank, oldest first */
};

struct rank {
    struct world *w;
    struct lt_comm comm;
    int64_t calls; /* collectives and next so far: where faults are counted */
    struct lt_rng rng;
    bool woken; /* by wake, under the world's lock */
    lt_status (*body)(struct lt_comm *c, void *arg, struct lt_err *e);
    void *arg;
    lt_status status;
    struct lt_err err;
};

static void jitter(struct rank *r) {
    if (r->w->opt->jitter_us <= 0) return;
    long us = (long)lt_rng_below(&r->rng, (uint32_t)r->w->opt->jitter_us + 1);
    nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = (us % 1000000) * 1000}, NULL);
}

static bool fault(struct rank *r) {
    const struct lt_fake_opt *o = r->w->opt;
    r->calls++;
    return o->fail_at > 0 && o->fail_rank == r->comm.rank && r->calls == o->fail_at;
}

/* Waits for all ranks. False when that cannot happen any more. */
static bool meet(struct world *w) {
    pthread_mutex_lock(&w->lock);
    int64_t g = w->generation;
    if (++w->waiting == w->opt->n) {
        w->waiting = 0;
        w->generation++;
        pthread_cond_broadcast(&w->moved);
    } else {
        while (w->generation == g && !w->left && !w->aborted) pthread_cond_wait(&w->moved, &w->lock);
        if (w->generation == g) w->waiting--;
    }
    bool ok = w->generation != g && !w->aborted;
    pthread_mutex_unlock(&w->lock);
    return ok;
}

/* First half of a collective: brings d, and on LT_OK may read what the others brought until finish(). */
static lt_status start(struct lt_comm *c, struct deposit d, struct lt_err *e) {
    struct rank *r = c->impl;
    struct world *w = r->w;
    d.failed = fault(r);
    jitter(r);
    w->brought[c->rank] = d;
    if (!meet(w)) return lt_fail(e, LT_EFAIL, "another rank has gone away");
    for (int i = 0; i < c->size; i++) {
        const struct deposit *o = &w->brought[i];
        lt_status s = LT_OK;
        if (o->failed)
            s = lt_fail(e, LT_EFAIL, "rank %d: injected fault", i);
        else if (o->call != d.call || o->root != d.root)
            s = lt_fail(e, LT_EFAIL, "rank %d called another collective (%d, not %d)", i, (int)o->call, (int)d.call);
        if (s) {
            meet(w); /* nobody may overwrite its deposit before all have seen it */
            return s;
        }
    }
    return LT_OK;
}

static lt_status finish(struct lt_comm *c, lt_status s, struct lt_err *e) {
    struct rank *r = c->impl;
    if (!meet(r->w) && !s) return lt_fail(e, LT_EFAIL, "another rank has gone away");
    return s;
}

static void close_fake(struct lt_comm *c) { (void)c; /* owned by lt_comm_fake_run */ }

static lt_status barrier(struct lt_comm *c, struct lt_err *e) {
    lt_status s = start(c, (struct deposit){.call = CALL_BARRIER}, e);
    return s ? s : finish(c, LT_OK, e);
}

static lt_status bcast(struct lt_comm *c, void *p, size_t n, int root, struct lt_err *e) {
    struct world *w = ((struct rank *)c->impl)->w;
    lt_status s = start(c, (struct deposit){.call = CALL_BCAST, .p = p, .n = n, .root = root}, e);
    if (s) return s;
    for (int i = 0; i < c->size && !s; i++)
        if (w->brought[i].n != w->brought[root].n)
            s = lt_fail(e, LT_EFAIL, "broadcast of %zu bytes, rank %d expects %zu", w->brought[root].n, i,
                        w->brought[i].n);
    if (!s && n && c->rank != root) memcpy(p, w->brought[root].p, n);
    return finish(c, s, e);
}

static lt_status allgatherv(struct lt_comm *c, const void *mine, size_t n_mine, void *all, const size_t *n_each,
                            struct lt_err *e) {
    struct world *w = ((struct rank *)c->impl)->w;
    lt_status s = start(c, (struct deposit){.call = CALL_GATHER, .p = mine, .n = n_mine}, e);
    if (s) return s;
    char *to = all;
    for (int i = 0; i < c->size && !s; i++) {
        if (w->brought[i].n != n_each[i]) {
            s = lt_fail(e, LT_EFAIL, "gather: rank %d brings %zu bytes where %zu were announced", i, w->brought[i].n,
                        n_each[i]);
        } else if (n_each[i]) {
            memmove(to, w->brought[i].p, n_each[i]);
            to += n_each[i];
        }
    }
    return finish(c, s, e);
}

static lt_status next(struct lt_comm *c, int64_t *item) {
    struct rank *r = c->impl;
    if (fault(r)) return LT_EFAIL;
    jitter(r);
    pthread_mutex_lock(&r->w->lock);
    *item = r->w->next++;
    pthread_mutex_unlock(&r->w->lock);
    return LT_OK;
}

static lt_status next_reset(struct lt_comm *c, struct lt_err *e) {
    struct world *w = ((struct rank *)c->impl)->w;
    lt_status s = start(c, (struct deposit){.call = CALL_RESET}, e);
    if (s) return s;
    if (c->rank == 0) {
        pthread_mutex_lock(&w->lock);
        w->next = 0;
        pthread_mutex_unlock(&w->lock);
    }
    return finish(c, LT_OK, e);
}

static lt_status send_fake(struct lt_comm *c, int to, const void *p, size_t n, struct lt_err *e) {
    struct rank *r = c->impl;
    struct world *w = r->w;
    LT_CHECK(n <= LT_MESSAGE_BYTES);
    if (fault(r)) return lt_fail(e, LT_EFAIL, "rank %d: injected fault", c->rank);
    jitter(r);
    struct letter *l = lt_malloc(sizeof(*l) + n), **at;
    if (!l) return lt_fail(e, LT_ENOMEM, "message of %zu bytes", n);
    *l = (struct letter){.from = c->rank, .n = n};
    memcpy(l->bytes, p, n);
    pthread_mutex_lock(&w->lock);
    for (at = &w->box[to]; *at;) at = &(*at)->next;
    *at = l;
    pthread_cond_broadcast(&w->moved);
    pthread_mutex_unlock(&w->lock);
    return LT_OK;
}

static lt_status recv_fake(struct lt_comm *c, void *p, int wait_us, int *from, size_t *n, struct lt_err *e) {
    struct rank *r = c->impl;
    struct world *w = r->w;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += wait_us * 1000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&w->lock);
    while (!w->box[c->rank] && !w->left && !w->aborted && !r->woken && wait_us > 0 &&
           !pthread_cond_timedwait(&w->moved, &w->lock, &until)) {}
    r->woken = false;
    struct letter *l = w->box[c->rank];
    bool gone = !l && (w->left || w->aborted);
    if (l) w->box[c->rank] = l->next;
    pthread_mutex_unlock(&w->lock);
    *from = -1;
    if (gone) return lt_fail(e, LT_EFAIL, "another rank has gone away");
    if (!l) return LT_OK;
    *from = l->from;
    *n = l->n;
    memcpy(p, l->bytes, l->n);
    lt_free(l);
    return fault(r) ? lt_fail(e, LT_EFAIL, "rank %d: injected fault", c->rank) : LT_OK;
}

static void wake_fake(struct lt_comm *c) {
    struct rank *r = c->impl;
    pthread_mutex_lock(&r->w->lock);
    r->woken = true;
    pthread_cond_broadcast(&r->w->moved);
    pthread_mutex_unlock(&r->w->lock);
}

static void abort_fake(struct lt_comm *c, int code) {
    struct world *w = ((struct rank *)c->impl)->w;
    (void)code;
    pthread_mutex_lock(&w->lock);
    w->aborted = true;
    pthread_cond_broadcast(&w->moved);
    pthread_mutex_unlock(&w->lock);
}

static const struct lt_comm_ops fake_ops = {
    .name = "fake",
    .close = close_fake,
    .barrier = barrier,
    .bcast = bcast,
    .allgatherv = allgatherv,
    .next = next,
    .next_reset = next_reset,
    .send = send_fake,
    .recv = recv_fake,
    .wake = wake_fake,
    .abort = abort_fake,
};

static void *rank_main(void *arg) {
    struct rank *r = arg;
    struct world *w = r->w;
    r->status = r->body(&r->comm, r->arg, &r->err);
    pthread_mutex_lock(&w->lock);
    w->left++;
    pthread_cond_broadcast(&w->moved);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

lt_status lt_comm_fake_run(const struct lt_fake_opt *o,
                           lt_status (*body)(struct lt_comm *c, void *arg, struct lt_err *e), void *arg,
                           lt_status *each, struct lt_err *e) {
    struct world w = {.opt = o};
    struct rank *r = NULL;
    pthread_t *thread = NULL;
    int started = 0;
    lt_status s = LT_OK;
    if (o->n < 1) return lt_fail(e, LT_EINVAL, "%d ranks", o->n);
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.moved, NULL);
    r = lt_calloc((size_t)o->n, sizeof(*r));
    thread = lt_calloc((size_t)o->n, sizeof(*thread));
    w.brought = lt_calloc((size_t)o->n, sizeof(*w.brought));
    w.box = lt_calloc((size_t)o->n, sizeof(*w.box));
    if (!r || !thread || !w.brought || !w.box) {
        s = lt_fail(e, LT_ENOMEM, "%d ranks", o->n);
        goto out;
    }
    for (int i = 0; i < o->n; i++) {
        r[i] = (struct rank){.w = &w, .body = body, .arg = arg};
        r[i].comm = (struct lt_comm){.ops = &fake_ops, .rank = i, .size = o->n, .impl = &r[i]};
        lt_rng_at(&r[i].rng, o->seed, LT_RNG_TEST, 0, (uint64_t)i);
    }
    for (; started < o->n; started++) {
        if (pthread_create(&thread[started], NULL, rank_main, &r[started])) {
            s = lt_fail(e, LT_EFAIL, "cannot start rank %d as a thread", started);
            abort_fake(&r[0].comm, 1);
            break;
        }
    }
    for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < started; i++) {
        if (each) each[i] = r[i].status;
        if (!s && r[i].status) s = lt_fail(e, r[i].status, "%s", r[i].err.msg);
    }
out:
    for (int i = 0; w.box && i < o->n; i++) {
        for (struct letter *l = w.box[i], *next; l; l = next) {
            next = l->next;
            lt_free(l);
        }
    }
    lt_free(w.box);
    lt_free(w.brought);
    lt_free(thread);
    lt_free(r);
    pthread_cond_destroy(&w.moved);
    pthread_mutex_destroy(&w.lock);
    return s;
}
