/*
 * Room: comm. The farm of lathe/comm.h over messages: rank 0 gives every free rank one item and answers each result
 * with the next item. Ranks sleep until a message comes, or for a while, to look whether they should stop; so a rank
 * that has nothing to do costs next to nothing. Rank 0's own items are computed by a helper thread, which uses nothing
 * of the communicator but wake().
 */
#include "comm/comm_priv.h"
#include "lathe/mem.h"

#include <pthread.h>
#include <string.h>

enum kind { MSG_ITEM, MSG_END, MSG_RESULT, MSG_FAILED, MSG_STOP };
struct message {
    int32_t kind, stopped; /* stopped: of END */
    char bytes[LT_FARM_BYTES];
};
static const size_t head_bytes = offsetof(struct message, bytes);
enum { WAIT_US = 20000 };

/* Rank 0's own worker. */
struct helper {
    const struct lt_farm *f;
    struct lt_comm *c;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    enum { IDLE, BUSY, READY, QUIT } state;
    bool started;
    lt_status status;
    struct lt_err err;
    char item[LT_FARM_BYTES], result[LT_FARM_BYTES];
};

static void *helper_main(void *arg) {
    struct helper *h = arg;
    pthread_mutex_lock(&h->lock);
    for (;;) {
        while (h->state == IDLE || h->state == READY) pthread_cond_wait(&h->moved, &h->lock);
        if (h->state == QUIT) break;
        pthread_mutex_unlock(&h->lock);
        lt_status s = h->f->work(h->f->arg, h->item, h->result, &h->err);
        pthread_mutex_lock(&h->lock);
        h->status = s;
        if (h->state != QUIT) h->state = READY; /* the farm may have broken off meanwhile */
        h->c->ops->wake(h->c);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

static void helper_set(struct helper *h, int state) {
    pthread_mutex_lock(&h->lock);
    h->state = state;
    pthread_cond_signal(&h->moved);
    pthread_mutex_unlock(&h->lock);
}

static lt_status helper_start(struct helper *h, struct lt_err *e) {
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->moved, NULL);
    if (pthread_create(&h->thread, NULL, helper_main, h)) return lt_fail(e, LT_EFAIL, "cannot start a thread");
    h->started = true;
    return LT_OK;
}

static void helper_end(struct helper *h) {
    if (h->started) {
        helper_set(h, QUIT);
        pthread_join(h->thread, NULL);
    }
    pthread_cond_destroy(&h->moved);
    pthread_mutex_destroy(&h->lock);
}

static bool helper_ready(struct helper *h) {
    pthread_mutex_lock(&h->lock);
    bool ready = h->state == READY;
    if (ready) h->state = IDLE;
    pthread_mutex_unlock(&h->lock);
    return ready;
}

struct master {
    struct lt_comm *c;
    const struct lt_farm *f;
    struct helper help;
    char *item; /* [size][item_bytes] what each rank is working on */
    bool *busy; /* [size] */
    int n_busy;
    bool closed, stopped; /* closed: nothing more is handed out */
    lt_status status;     /* of next(), done() or rank 0's own work */
    struct message msg;
};

static bool wants_stop(const struct lt_farm *f) { return f->stop && f->stop(f->arg); }

static void fail(struct master *m, lt_status s) {
    m->status = s;
    m->closed = true;
}

/* Items for all who are free, rank 0 last: it has other things to do. A non-OK return: the ranks cannot talk. */
static lt_status hand_out(struct master *m, struct lt_err *e) {
    for (int i = 1; i <= m->c->size && !m->closed; i++) {
        int rank = i % m->c->size;
        char *item = m->item + (size_t)rank * m->f->item_bytes;
        bool have = false;
        lt_status s;
        if (m->busy[rank]) continue;
        if ((s = m->f->next(m->f->arg, item, &have, e))) fail(m, s);
        if (s || !have) break;
        m->busy[rank] = true;
        m->n_busy++;
        if (rank) {
            m->msg.kind = MSG_ITEM;
            memcpy(m->msg.bytes, item, m->f->item_bytes);
            if ((s = m->c->ops->send(m->c, rank, &m->msg, head_bytes + m->f->item_bytes, e))) return s;
        } else {
            memcpy(m->help.item, item, m->f->item_bytes);
            helper_set(&m->help, BUSY);
        }
    }
    return LT_OK;
}

static void collect(struct master *m, int rank, const void *result, struct lt_err *e) {
    m->busy[rank] = false;
    m->n_busy--;
    if (m->status) return;
    lt_status s = m->f->done(m->f->arg, m->item + (size_t)rank * m->f->item_bytes, result, rank, e);
    if (s) fail(m, s);
}

/* What has happened, if anything has within WAIT_US. */
static lt_status look(struct master *m, struct lt_err *e) {
    int from = -1, wait_us = WAIT_US;
    size_t n = 0;
    if (helper_ready(&m->help)) {
        if (m->help.status) {
            m->busy[0] = false;
            m->n_busy--;
            fail(m, lt_fail(e, m->help.status, "%s", m->help.err.msg));
        } else {
            collect(m, 0, m->help.result, e);
        }
        wait_us = 0;
    }
    lt_status s = m->c->ops->recv(m->c, &m->msg, wait_us, &from, &n, e);
    if (s || from < 0) return s;
    if (m->msg.kind == MSG_RESULT) {
        collect(m, from, m->msg.bytes, e);
    } else if (m->msg.kind == MSG_FAILED) { /* it says itself why, when the ranks agree */
        m->busy[from] = false;
        m->n_busy--;
        m->closed = true;
    } else if (m->msg.kind == MSG_STOP) {
        m->closed = m->stopped = true;
    }
    return LT_OK;
}

static lt_status master_loop(struct master *m, struct lt_err *e) {
    for (;;) {
        lt_status s;
        if (!m->closed && wants_stop(m->f)) m->closed = m->stopped = true;
        if (!m->closed && m->n_busy < m->c->size && (s = hand_out(m, e))) return s;
        if (!m->n_busy) break;
        if ((s = look(m, e))) return s;
    }
    m->msg.kind = MSG_END;
    m->msg.stopped = m->stopped;
    for (int r = 1; r < m->c->size; r++) {
        lt_status s = m->c->ops->send(m->c, r, &m->msg, head_bytes, e);
        if (s) return s;
    }
    return LT_OK;
}

static lt_status run_master(struct lt_comm *c, const struct lt_farm *f, bool *stopped, lt_status *mine,
                            struct lt_err *e) {
    struct master *m = lt_calloc(1, sizeof(*m));
    lt_status s = LT_OK;
    if (m) {
        m->c = c;
        m->f = m->help.f = f;
        m->help.c = c;
        m->item = lt_calloc((size_t)c->size, f->item_bytes);
        m->busy = lt_calloc((size_t)c->size, sizeof(*m->busy));
    }
    if (!m || !m->item || !m->busy)
        LT_BUG("out of memory for a farm of %d ranks", c->size); /* the others are waiting for items already */
    if ((*mine = helper_start(&m->help, e))) m->closed = true;
    s = master_loop(m, e);
    helper_end(&m->help);
    if (m->status) *mine = m->status;
    *stopped = m->stopped;
    lt_free(m->busy);
    lt_free(m->item);
    lt_free(m);
    return s;
}

static lt_status run_worker(struct lt_comm *c, const struct lt_farm *f, bool *stopped, lt_status *mine,
                            struct lt_err *e) {
    struct message msg;
    char result[LT_FARM_BYTES];
    bool told = false;
    for (;;) {
        int from = -1;
        size_t n = 0;
        lt_status s = c->ops->recv(c, &msg, WAIT_US, &from, &n, e);
        if (s) return s;
        if (from >= 0 && msg.kind == MSG_END) break;
        if (from >= 0) *mine = f->work(f->arg, msg.bytes, result, e);
        /* before the result: if that was the last one in flight, the farm would end without knowing why */
        if (!told && wants_stop(f)) {
            told = true;
            msg.kind = MSG_STOP;
            if ((s = c->ops->send(c, 0, &msg, head_bytes, e))) return s;
        }
        if (from >= 0) {
            msg.kind = *mine ? MSG_FAILED : MSG_RESULT;
            if (!*mine) memcpy(msg.bytes, result, f->result_bytes);
            if ((s = c->ops->send(c, 0, &msg, head_bytes + (*mine ? 0 : f->result_bytes), e))) return s;
        }
    }
    *stopped = msg.stopped != 0;
    return LT_OK;
}

/* One rank, or items not worth a message: one after another, in the order in which they are handed out. */
static lt_status run_alone(const struct lt_farm *f, bool *stopped, struct lt_err *e) {
    char item[LT_FARM_BYTES], result[LT_FARM_BYTES];
    for (;;) {
        bool have = false;
        lt_status s;
        if (wants_stop(f)) {
            *stopped = true;
            return LT_OK;
        }
        if ((s = f->next(f->arg, item, &have, e)) || !have) return s;
        if ((s = f->work(f->arg, item, result, e)) || (s = f->done(f->arg, item, result, 0, e))) return s;
    }
}

lt_status lt_comm_farm(struct lt_comm *c, const struct lt_farm *f, bool *stopped, struct lt_err *e) {
    lt_status mine = LT_OK, s = LT_OK;
    int8_t any = 0;
    LT_CHECK(f->item_bytes <= LT_FARM_BYTES && f->result_bytes <= LT_FARM_BYTES);
    *stopped = false;
    if (c->size == 1) return run_alone(f, stopped, e);
    if (f->local)
        mine = c->rank == 0 ? run_alone(f, stopped, e) : LT_OK;
    else
        s = c->rank == 0 ? run_master(c, f, stopped, &mine, e) : run_worker(c, f, stopped, &mine, e);
    if (s) return s;
    if ((s = lt_comm_agree(c, mine, e)) || !f->local) return s;
    any = *stopped;
    s = lt_comm_bcast(c, &any, sizeof(any), 0, e);
    *stopped = any != 0;
    return s;
}
