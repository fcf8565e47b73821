/*
 * Room: comm. The only file that knows MPI; compiled with MPI's flags, and only in builds with MPI.
 *
 * Waiting: every collective is a meeting (a nonblocking barrier, tested with sleeps growing from 20 us to 1 ms, so that
 * a rank that waits for minutes leaves the machine to one that measures or computes) followed by the data, for which
 * everybody is present and which is polled without long sleeps. The shared counter lives in memory shared by the ranks
 * of a node and is changed with processor atomics, so it moves while the other ranks compute. Across nodes every node
 * owns a fixed share of the items in proportion to its ranks: balanced inside a node, static between nodes.
 */
#define _GNU_SOURCE /* syscall */
#include "comm/comm_priv.h"
#include "lathe/mem.h"

#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

enum { SHORT_US = 20, SLEEP_US = 1000 };

struct letter {
    struct letter *next;
    MPI_Request request; /* MPI_REQUEST_NULL: free */
    char bytes[LT_MESSAGE_BYTES];
};

struct mpi {
    MPI_Comm comm, node; /* comm: our duplicate of the world */
    MPI_Win win;
    bool has_win, ours; /* ours: we initialised MPI, so we finalize it */
    int64_t *counter;   /* of this node; own memory when there is no window */
    int64_t alone;
    int n_slots, *slot;  /* world ranks on this node, ascending */
    int *place;          /* [size] their places in slot; -1: on another node */
    struct bell *bell;   /* [n_slots] in shared memory; NULL without it */
    uint32_t heard;      /* count of our bell when we looked for messages last */
    struct letter *sent; /* messages that may still be on their way */
    int idle_us;         /* the next sleep of a recv that nobody can wake */
};
/* A rank that waits for messages sleeps on its bell (futex), and who sends to it on the same node rings it. */
struct bell {
    uint32_t count, waiting;
    char line[56]; /* to each a cache line */
};

static lt_status mpi_fail(struct lt_err *e, const char *what, int code) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;
    MPI_Error_string(code, text, &n);
    return lt_fail(e, LT_EFAIL, "%s: %s", what, text);
}

static lt_status wait_idle(MPI_Request *q, const char *what, struct lt_err *e) {
    long ns = 20000;
    for (int done = 0;;) {
        int code = MPI_Test(q, &done, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS) return mpi_fail(e, what, code);
        if (done) return LT_OK;
        nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
        if (ns < 1000000) ns += ns / 2;
        if (ns > 1000000) ns = 1000000;
    }
}

static lt_status wait_busy(MPI_Request *q, const char *what, struct lt_err *e) {
    for (int done = 0, tries = 0;; tries++) {
        int code = MPI_Test(q, &done, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS) return mpi_fail(e, what, code);
        if (done) return LT_OK;
        /* a partner may sit on our core, or have been stopped in the middle of a transfer */
        if (tries < 20000)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
}

static lt_status meet(struct lt_comm *c, struct lt_err *e) {
    MPI_Request q;
    int code = MPI_Ibarrier(((struct mpi *)c->impl)->comm, &q);
    if (code != MPI_SUCCESS) return mpi_fail(e, "MPI_Ibarrier", code);
    return wait_idle(&q, "MPI_Ibarrier", e);
}

static lt_status bcast(struct lt_comm *c, void *p, size_t n, int root, struct lt_err *e) {
    struct mpi *m = c->impl;
    lt_status s = meet(c, e);
    for (size_t at = 0; !s && at < n;) {
        size_t k = n - at < (size_t)1 << 28 ? n - at : (size_t)1 << 28;
        MPI_Request q;
        int code = MPI_Ibcast((char *)p + at, (int)k, MPI_BYTE, root, m->comm, &q);
        s = code == MPI_SUCCESS ? wait_busy(&q, "MPI_Ibcast", e) : mpi_fail(e, "MPI_Ibcast", code);
        at += k;
    }
    return s;
}

static lt_status allgatherv(struct lt_comm *c, const void *mine, size_t n_mine, void *all, const size_t *n_each,
                            struct lt_err *e) {
    struct mpi *m = c->impl;
    size_t total = 0, before = 0;
    for (int r = 0; r < c->size; r++) {
        if (r == c->rank) before = total;
        total += n_each[r];
    }
    if (n_each[c->rank] != n_mine)
        LT_BUG("rank %d gathers %zu bytes where %zu were announced", c->rank, n_mine, n_each[c->rank]);
    if (total > INT_MAX) { /* MPI counts are int: rank after rank */
        lt_status s = LT_OK;
        if (n_mine) memmove((char *)all + before, mine, n_mine);
        char *to = all;
        for (int r = 0; r < c->size && !s; to += n_each[r], r++) s = bcast(c, to, n_each[r], r, e);
        return s;
    }
    int *count = lt_calloc((size_t)c->size, sizeof(*count)), *at = lt_calloc((size_t)c->size, sizeof(*at));
    lt_status s = meet(c, e);
    if (!s && (!count || !at))
        LT_BUG("out of memory for %d counts", c->size); /* the others are waiting for us already */
    if (!s) {
        int sum = 0;
        for (int r = 0; r < c->size; r++) {
            at[r] = sum;
            count[r] = (int)n_each[r];
            sum += count[r];
        }
        MPI_Request q;
        int code = MPI_Iallgatherv(mine, (int)n_mine, MPI_BYTE, all, count, at, MPI_BYTE, m->comm, &q);
        s = code == MPI_SUCCESS ? wait_busy(&q, "MPI_Iallgatherv", e) : mpi_fail(e, "MPI_Iallgatherv", code);
    }
    lt_free(at);
    lt_free(count);
    return s;
}

/* k-th item of this node: of every round of `size` items a node owns those at its ranks' places. */
static lt_status next(struct lt_comm *c, int64_t *item) {
    struct mpi *m = c->impl;
    int64_t k = __atomic_fetch_add(m->counter, 1, __ATOMIC_RELAXED);
    *item = k / m->n_slots * c->size + m->slot[k % m->n_slots];
    return LT_OK;
}

static lt_status next_reset(struct lt_comm *c, struct lt_err *e) {
    struct mpi *m = c->impl;
    lt_status s = meet(c, e); /* nobody draws from the old sequence any more */
    if (s) return s;
    if (m->slot[0] == c->rank) __atomic_store_n(m->counter, 0, __ATOMIC_SEQ_CST);
    return meet(c, e);
}

static void ring(struct bell *b) {
    __atomic_fetch_add(&b->count, 1, __ATOMIC_SEQ_CST);
#ifdef __linux__
    if (__atomic_load_n(&b->waiting, __ATOMIC_SEQ_CST)) syscall(SYS_futex, &b->count, FUTEX_WAKE, 1, NULL, NULL, 0);
#endif
}

/* Until the bell is no longer at `seen`, or for wait_us. */
static void wait_bell(struct bell *b, uint32_t seen, int wait_us) {
    struct timespec t = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000L};
#ifdef __linux__
    __atomic_store_n(&b->waiting, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &b->count, FUTEX_WAIT, seen, &t, NULL, 0);
    __atomic_store_n(&b->waiting, 0, __ATOMIC_SEQ_CST);
#else
    (void)b;
    (void)seen;
    if (wait_us > SLEEP_US) t = (struct timespec){.tv_nsec = SLEEP_US * 1000L};
    nanosleep(&t, NULL);
#endif
}

static struct bell *bell_of(const struct mpi *m, int rank) {
    return m->bell && m->place[rank] >= 0 ? &m->bell[m->place[rank]] : NULL;
}

/* A place for a message on its way: one that has arrived by now, else a new one. */
static struct letter *free_letter(struct mpi *m) {
    struct letter *l;
    for (l = m->sent; l; l = l->next) {
        int done = 0;
        if (MPI_Test(&l->request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done) return l;
    }
    if (!(l = lt_malloc(sizeof(*l)))) return NULL;
    l->next = m->sent;
    l->request = MPI_REQUEST_NULL;
    m->sent = l;
    return l;
}

/* Small enough to be sent eagerly by every transport: it arrives without the sender's further help. But shared-memory
 * transports call a send complete only when the receiver has taken it, so nobody waits for that. */
static lt_status send_mpi(struct lt_comm *c, int to, const void *p, size_t n, struct lt_err *e) {
    struct mpi *m = c->impl;
    struct letter *l = free_letter(m);
    LT_CHECK(n <= LT_MESSAGE_BYTES);
    if (!l) return lt_fail(e, LT_ENOMEM, "message of %zu bytes", n);
    memcpy(l->bytes, p, n);
    int code = MPI_Isend(l->bytes, (int)n, MPI_BYTE, to, 1, m->comm, &l->request);
    if (code != MPI_SUCCESS) return mpi_fail(e, "MPI_Isend", code);
    struct bell *b = bell_of(m, to);
    if (b) ring(b);
    return LT_OK;
}

/* Nothing is there: until the bell rings, or, where some ranks are on other nodes, a sleep that grows. */
static void wait_message(struct mpi *m, struct bell *mine, uint32_t seen, int wait_us, bool one_node) {
    if (one_node) {
        wait_bell(mine, seen, wait_us);
        return;
    }
    if (wait_us > m->idle_us) wait_us = m->idle_us;
    m->idle_us += m->idle_us / 2;
    if (m->idle_us > SLEEP_US) m->idle_us = SLEEP_US;
    if (mine)
        wait_bell(mine, seen, wait_us);
    else
        nanosleep(&(struct timespec){.tv_nsec = wait_us * 1000L}, NULL);
}

static lt_status recv_mpi(struct lt_comm *c, void *p, int wait_us, int *from, size_t *n, struct lt_err *e) {
    struct mpi *m = c->impl;
    struct bell *mine = bell_of(m, c->rank);
    MPI_Message msg;
    MPI_Status st;
    int there = 0, bytes = 0, code = MPI_SUCCESS;
    for (int look = 0; look < 2 && !there; look++) {
        uint32_t seen = mine ? __atomic_load_n(&mine->count, __ATOMIC_SEQ_CST) : 0;
        bool rung = seen != m->heard; /* since the last look: what it was for may be no message */
        m->heard = seen;
        code = MPI_Improbe(MPI_ANY_SOURCE, 1, m->comm, &there, &msg, &st);
        if (code != MPI_SUCCESS) return mpi_fail(e, "MPI_Improbe", code);
        if (there || look || rung || wait_us <= 0) break;
        wait_message(m, mine, seen, wait_us, mine && m->n_slots == c->size);
    }
    *from = -1;
    if (!there) return LT_OK;
    m->idle_us = SHORT_US;
    MPI_Get_count(&st, MPI_BYTE, &bytes);
    LT_CHECK(bytes >= 0 && bytes <= LT_MESSAGE_BYTES);
    MPI_Request q;
    int sender = st.MPI_SOURCE;
    if ((code = MPI_Imrecv(p, bytes, MPI_BYTE, &msg, &q)) != MPI_SUCCESS) return mpi_fail(e, "MPI_Imrecv", code);
    lt_status s = wait_busy(&q, "MPI_Imrecv", e);
    if (s) return s;
    *from = sender;
    *n = (size_t)bytes;
    return LT_OK;
}

static void wake_mpi(struct lt_comm *c) {
    struct bell *b = bell_of(c->impl, c->rank);
    if (b) ring(b);
}

static void abort_mpi(struct lt_comm *c, int code) {
    MPI_Abort(((struct mpi *)c->impl)->comm, code);
    _Exit(code);
}

static void close_mpi(struct lt_comm *c) {
    struct mpi *m = c->impl;
    struct lt_err ignored;
    if (m) {
        meet(c, &ignored); /* MPI_Finalize would spin while it waits */
        for (struct letter *l = m->sent, *next; l; l = next) {
            next = l->next;
            wait_busy(&l->request, "MPI_Isend", &ignored);
            lt_free(l);
        }
        if (m->has_win) MPI_Win_free(&m->win);
        if (m->node != MPI_COMM_NULL) MPI_Comm_free(&m->node);
        if (m->comm != MPI_COMM_NULL) MPI_Comm_free(&m->comm);
        if (m->ours) MPI_Finalize();
        lt_free(m->place);
        lt_free(m->slot);
        lt_free(m);
    }
    lt_free(c);
}

static const struct lt_comm_ops mpi_ops = {
    .name = "mpi",
    .close = close_mpi,
    .barrier = meet,
    .bcast = bcast,
    .allgatherv = allgatherv,
    .next = next,
    .next_reset = next_reset,
    .send = send_mpi,
    .recv = recv_mpi,
    .wake = wake_mpi,
    .abort = abort_mpi,
};

/* One counter per node in shared memory; without it (no shared memory at all) every rank is a node of its own, which is
 * right and less balanced. */
static lt_status open_counter(struct lt_comm *c, struct lt_err *e) {
    struct mpi *m = c->impl;
    int node_rank = 0, node_size = 1, ok = 0, all_ok = 0;
    void *base = NULL;
    if (MPI_Comm_split_type(m->comm, MPI_COMM_TYPE_SHARED, c->rank, MPI_INFO_NULL, &m->node) == MPI_SUCCESS &&
        m->node != MPI_COMM_NULL) {
        MPI_Comm_set_errhandler(m->node, MPI_ERRORS_RETURN);
        MPI_Comm_rank(m->node, &node_rank);
        MPI_Comm_size(m->node, &node_size);
        ok = node_size == 1 ||
             MPI_Win_allocate_shared(node_rank ? 0 : (MPI_Aint)(64 + (size_t)node_size * sizeof(struct bell)), 1,
                                     MPI_INFO_NULL, m->node, &base, &m->win) == MPI_SUCCESS;
        m->has_win = ok && node_size > 1;
    }
    int code = MPI_Allreduce(&ok, &all_ok, 1, MPI_INT, MPI_MIN, m->comm);
    if (code != MPI_SUCCESS) return mpi_fail(e, "MPI_Allreduce", code);
    m->counter = &m->alone;
    if (!all_ok) node_size = 1;
    m->n_slots = node_size;
    m->slot = lt_calloc((size_t)node_size, sizeof(*m->slot));
    m->place = lt_malloc((size_t)c->size * sizeof(*m->place));
    m->idle_us = SHORT_US;
    if (!m->slot || !m->place) LT_BUG("out of memory for %d ranks", c->size);
    for (int r = 0; r < c->size; r++) m->place[r] = -1;
    if (node_size == 1) {
        m->slot[0] = c->rank;
        return LT_OK;
    }
    MPI_Aint bytes;
    int unit;
    code = MPI_Win_shared_query(m->win, 0, &bytes, &unit, &base);
    if (code != MPI_SUCCESS) return mpi_fail(e, "MPI_Win_shared_query", code);
    m->counter = base;
    m->bell = (struct bell *)((char *)base + 64);
    code = MPI_Allgather(&c->rank, 1, MPI_INT, m->slot, 1, MPI_INT, m->node);
    if (code != MPI_SUCCESS) return mpi_fail(e, "MPI_Allgather", code);
    for (int i = 0; i < node_size; i++) m->place[m->slot[i]] = i;
    m->bell[m->place[c->rank]] = (struct bell){0};
    return LT_OK;
}

lt_status lt_comm_mpi_open(int *argc, char ***argv, struct lt_comm **out, struct lt_err *e) {
    int is_init = 0, provided = 0, code;
    struct mpi *m = lt_calloc(1, sizeof(*m));
    struct lt_comm *c = lt_calloc(1, sizeof(*c));
    lt_status s;
    if (!m || !c) {
        s = lt_fail(e, LT_ENOMEM, "communicator");
        goto fail;
    }
    MPI_Initialized(&is_init);
    if (!is_init && (code = MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided)) != MPI_SUCCESS) {
        s = lt_fail(e, LT_EUNAVAIL, "MPI_Init_thread failed with code %d", code);
        goto fail;
    }
    m->ours = !is_init;
    m->node = MPI_COMM_NULL;
    if ((code = MPI_Comm_dup(MPI_COMM_WORLD, &m->comm)) != MPI_SUCCESS) {
        s = mpi_fail(e, "MPI_Comm_dup", code);
        goto fail;
    }
    MPI_Comm_set_errhandler(m->comm, MPI_ERRORS_RETURN);
    *c = (struct lt_comm){.ops = &mpi_ops, .impl = m};
    MPI_Comm_rank(m->comm, &c->rank);
    MPI_Comm_size(m->comm, &c->size);
    if ((s = open_counter(c, e)) || (s = next_reset(c, e))) {
        close_mpi(c);
        return s;
    }
    *out = c;
    return LT_OK;
fail:
    lt_free(m);
    lt_free(c);
    return s;
}
