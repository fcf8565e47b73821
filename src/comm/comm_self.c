/* Room: comm. One process: every collective is a copy or nothing at all. */
#include "comm/comm_priv.h"
#include "lathe/mem.h"

#include <stdlib.h>
#include <string.h>

struct self {
    int64_t next;
};

static void close_self(struct lt_comm *c) {
    lt_free(c->impl);
    lt_free(c);
}

static lt_status barrier(struct lt_comm *c, struct lt_err *e) {
    (void)c;
    (void)e;
    return LT_OK;
}

static lt_status bcast(struct lt_comm *c, void *p, size_t n, int root, struct lt_err *e) {
    (void)c;
    (void)p;
    (void)n;
    return root == 0 ? LT_OK : lt_fail(e, LT_EFAIL, "broadcast from rank %d of 1", root);
}

static lt_status allgatherv(struct lt_comm *c, const void *mine, size_t n_mine, void *all, const size_t *n_each,
                            struct lt_err *e) {
    (void)c;
    if (n_each[0] != n_mine)
        return lt_fail(e, LT_EFAIL, "gather of %zu bytes where %zu were announced", n_mine, n_each[0]);
    if (n_mine && all != mine) memmove(all, mine, n_mine);
    return LT_OK;
}

static lt_status next(struct lt_comm *c, int64_t *item) {
    *item = ((struct self *)c->impl)->next++;
    return LT_OK;
}

static lt_status next_reset(struct lt_comm *c, struct lt_err *e) {
    (void)e;
    ((struct self *)c->impl)->next = 0;
    return LT_OK;
}

static lt_status send_self(struct lt_comm *c, int to, const void *p, size_t n, struct lt_err *e) {
    (void)c;
    (void)p;
    (void)n;
    return lt_fail(e, LT_EFAIL, "message to rank %d of 1", to);
}

static lt_status recv_self(struct lt_comm *c, void *p, int wait_us, int *from, size_t *n, struct lt_err *e) {
    (void)c;
    (void)p;
    (void)wait_us;
    (void)from;
    (void)n;
    return lt_fail(e, LT_EFAIL, "a message is awaited by the only rank");
}

static void wake_self(struct lt_comm *c) { (void)c; }

static void abort_self(struct lt_comm *c, int code) {
    (void)c;
    _Exit(code);
}

const struct lt_comm_ops lt_comm_self_ops = {
    .name = "self",
    .close = close_self,
    .barrier = barrier,
    .bcast = bcast,
    .allgatherv = allgatherv,
    .next = next,
    .next_reset = next_reset,
    .send = send_self,
    .recv = recv_self,
    .wake = wake_self,
    .abort = abort_self,
};

lt_status lt_comm_self_open(struct lt_comm **out, struct lt_err *e) {
    struct lt_comm *c = lt_calloc(1, sizeof(*c));
    struct self *p = lt_calloc(1, sizeof(*p));
    if (!c || !p) {
        lt_free(c);
        lt_free(p);
        return lt_fail(e, LT_ENOMEM, "communicator");
    }
    *c = (struct lt_comm){.ops = &lt_comm_self_ops, .rank = 0, .size = 1, .impl = p};
    *out = c;
    return LT_OK;
}
