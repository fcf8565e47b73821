/*
 * Communication verbs on the self and the fake communicator, 1 to 5 ranks: results do not depend on the number of
 * ranks, and a fault at any collective makes every rank return an error while none hangs (an alarm ends the test if one
 * does).
 */
#include "lathe/comm.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "tests/tap.h"

#include <string.h>
#include <unistd.h>

enum { ITEMS = 37, SHARDS = 8, LENGTH = 1000, MAX_RANKS = 5 };

struct result {
    int64_t item[ITEMS];
    float sum[LENGTH];
    char text[16];
    int gathered[MAX_RANKS];
    bool any;
    int wrong;        /* checks that failed inside a rank */
    int64_t computed; /* items this rank computed */
    int farmed;       /* rank 0: results of the farm */
    double farm_sum;
};
struct shared {
    struct result r[MAX_RANKS];
    int64_t fail_item;
    int n;
};
struct item_arg {
    struct result *r;
    int64_t fail_item;
};

static lt_status square(void *arg, int64_t item, void *out, struct lt_err *e) {
    struct item_arg *a = arg;
    int64_t v = item * item + 1;
    if (item == a->fail_item) return lt_fail(e, LT_EIO, "item %d is bad", (int)item);
    a->r->computed++;
    memcpy(out, &v, sizeof(v));
    return LT_OK;
}

static void fill_shard(int shard, float *v) {
    struct lt_rng rng;
    lt_rng_at(&rng, 7, LT_RNG_TEST, 1, (uint64_t)shard);
    for (int i = 0; i < LENGTH; i++) v[i] = (float)lt_rng_normal(&rng);
}

/* A farm whose items follow from results: 1, then each result twice as large, up to 2^7, four chains at a time. */
enum { CHAINS = 4, DOUBLINGS = 7 };
struct farming {
    struct result *r;
    double ready[CHAINS];
    int n_ready;
    bool started;
};

static lt_status farm_next(void *arg, void *item, bool *have, struct lt_err *e) {
    struct farming *f = arg;
    (void)e;
    if (!f->started)
        for (f->started = true; f->n_ready < CHAINS; f->n_ready++) f->ready[f->n_ready] = 1;
    if (!f->n_ready) return LT_OK;
    memcpy(item, &f->ready[--f->n_ready], sizeof(double));
    *have = true;
    return LT_OK;
}

static lt_status farm_work(void *arg, const void *item, void *result, struct lt_err *e) {
    double v;
    (void)arg;
    (void)e;
    memcpy(&v, item, sizeof(v));
    v *= 2;
    memcpy(result, &v, sizeof(v));
    return LT_OK;
}

static lt_status farm_done(void *arg, const void *item, const void *result, int rank, struct lt_err *e) {
    struct farming *f = arg;
    double in, v;
    (void)e;
    memcpy(&in, item, sizeof(in));
    memcpy(&v, result, sizeof(v));
    f->r->wrong += v != 2 * in || rank < 0;
    f->r->farmed++;
    f->r->farm_sum += v;
    if (v < 1 << DOUBLINGS) f->ready[f->n_ready++] = v;
    return LT_OK;
}

static lt_status farm_all(struct lt_comm *c, struct result *r, bool local, struct lt_err *e) {
    struct farming f = {.r = r};
    struct lt_farm farm = {.arg = &f,
                           .item_bytes = sizeof(double),
                           .result_bytes = sizeof(double),
                           .local = local,
                           .next = farm_next,
                           .work = farm_work,
                           .done = farm_done};
    bool stopped = true;
    lt_status s;
    r->farmed = 0;
    r->farm_sum = 0;
    if ((s = lt_comm_farm(c, &farm, &stopped, e))) return s;
    r->wrong += stopped || (c->rank == 0 && (r->farmed != CHAINS * DOUBLINGS || r->farm_sum != CHAINS * 254));
    return LT_OK;
}

/* Every verb once or twice, with the checks that hold on any rank. */
static lt_status body(struct lt_comm *c, void *arg, struct lt_err *e) {
    struct shared *sh = arg;
    struct result *r = &sh->r[c->rank];
    size_t each[MAX_RANKS];
    int mine[MAX_RANKS], first, count;
    struct item_arg ia = {r, sh->fail_item};
    float *parts = lt_calloc((size_t)SHARDS * LENGTH, sizeof(*parts));
    lt_status s = parts ? LT_OK : lt_fail(e, LT_ENOMEM, "parts");
    if ((s = lt_comm_agree(c, s, e))) goto out;
    if ((s = c->ops->barrier(c, e))) goto out;
    int root = c->size - 1;
    strcpy(r->text, c->rank == root ? "from the last" : "");
    if ((s = lt_comm_bcast(c, r->text, sizeof(r->text), root, e))) goto out;
    for (int i = 0; i < c->size; i++) each[i] = sizeof(int) * (size_t)(i % 2); /* even ranks bring nothing */
    mine[0] = 100 + c->rank;
    if ((s = lt_comm_allgatherv(c, mine, each[c->rank], r->gathered, each, e))) goto out;
    if ((s = lt_comm_or(c, c->rank == c->size / 2, &r->any, e))) goto out;
    if ((s = lt_comm_map(c, ITEMS, r->item, sizeof(r->item[0]), square, &ia, e))) goto out;
    if ((s = lt_comm_map(c, 0, r->item, sizeof(r->item[0]), square, &ia, e))) goto out;
    if ((s = farm_all(c, r, false, e)) || (s = farm_all(c, r, true, e))) goto out;
    lt_comm_shards(c, SHARDS, &first, &count);
    for (int i = 0; i < count; i++) fill_shard(first + i, parts + (int64_t)i * LENGTH);
    if ((s = lt_comm_sum_tree(c, SHARDS, parts, LENGTH, r->sum, e))) goto out;
    for (int i = 0; i < ITEMS; i++) r->wrong += r->item[i] != (int64_t)i * i + 1;
    for (int i = 1, k = 0; i < c->size; i += 2, k++) r->wrong += r->gathered[k] != 100 + i;
    r->wrong += !r->any + (strcmp(r->text, "from the last") != 0);
out:
    lt_free(parts);
    return s;
}

static lt_status agree_body(struct lt_comm *c, void *arg, struct lt_err *e) {
    lt_status mine = LT_OK;
    (void)arg;
    if (c->rank == 1) mine = lt_fail(e, LT_EINTR, "stop");
    if (c->rank == 2) mine = lt_fail(e, LT_EIO, "disk");
    if (c->rank == 3) mine = lt_fail(e, LT_EIO, "other disk");
    lt_status s = lt_comm_agree(c, mine, e);
    const char *want = c->rank == 2 ? "disk" : "rank 2: disk";
    return s == LT_EIO && !strcmp(e->msg, want)
               ? LT_OK
               : lt_fail(e, LT_EFAIL, "rank %d got %s '%s'", c->rank, lt_status_name(s), e->msg);
}

static lt_status leave_body(struct lt_comm *c, void *arg, struct lt_err *e) {
    (void)arg;
    if (c->rank == 1) return lt_fail(e, LT_EIO, "gone");
    return c->ops->barrier(c, e);
}

/* The last item in flight is given up because its rank, and no other, was asked to stop. */
static _Thread_local bool asked_to_stop;
static bool last_stop(void *arg) {
    (void)arg;
    return asked_to_stop;
}
static lt_status last_next(void *arg, void *item, bool *have, struct lt_err *e) {
    bool *given = arg;
    (void)e;
    memset(item, 1, sizeof(int));
    *have = !*given;
    *given = true;
    return LT_OK;
}
static lt_status last_work(void *arg, const void *item, void *result, struct lt_err *e) {
    (void)arg;
    (void)item;
    (void)e;
    memset(result, 0, sizeof(int));
    asked_to_stop = true;
    return LT_OK;
}
static lt_status last_done(void *arg, const void *item, const void *result, int rank, struct lt_err *e) {
    (void)arg;
    (void)item;
    (void)result;
    (void)rank;
    (void)e;
    return LT_OK;
}
static lt_status stop_body(struct lt_comm *c, void *arg, struct lt_err *e) {
    bool given = false, stopped = false;
    struct lt_farm farm = {.arg = &given,
                           .item_bytes = sizeof(int),
                           .result_bytes = sizeof(int),
                           .next = last_next,
                           .work = last_work,
                           .done = last_done,
                           .stop = last_stop};
    (void)arg;
    lt_status s = lt_comm_farm(c, &farm, &stopped, e);
    return s || stopped ? s : lt_fail(e, LT_EFAIL, "rank %d: the farm ended as if all were done", c->rank);
}

static void test_shards(void) {
    int bad = 0;
    for (int shards = 1; shards <= 64; shards *= 2) {
        for (int n = 1; n <= 70; n++) {
            int at = 0;
            for (int r = 0; r < n; r++) {
                int first, count;
                lt_comm_shards(&(struct lt_comm){.rank = r, .size = n}, shards, &first, &count);
                if (!count) continue;
                bad += first != at || (count & (count - 1)) || first % count;
                at += count;
            }
            bad += at != shards;
        }
    }
    lt_ok(bad == 0, "shards: every rank holds one aligned subtree, together all of them, in rank order");
}

int main(void) {
    static struct shared one, sh;
    struct lt_err e = {0};
    struct lt_comm *self = NULL;
    alarm(240);
    one.fail_item = sh.fail_item = -1;
    lt_ok(lt_comm_open("self", NULL, NULL, &self, &e) == LT_OK && self->size == 1, "self opens");
    lt_ok(self && body(self, &one, &e) == LT_OK && one.r[0].wrong == 0, "self: all verbs");
    lt_comm_close(self);
    self = NULL;
    lt_ok(lt_comm_open("carrier pigeon", NULL, NULL, &self, &e) == LT_EINVAL && !self &&
              strstr(e.msg, "carrier pigeon"),
          "an unknown mode is refused by name");
    test_shards();
    for (int n = 1; n <= MAX_RANKS; n++) {
        lt_status each[MAX_RANKS];
        struct lt_fake_opt o = {.n = n, .jitter_us = 300, .seed = (uint64_t)n};
        memset(sh.r, 0, sizeof(sh.r));
        lt_status s = lt_comm_fake_run(&o, body, &sh, each, &e);
        int wrong = 0, differ = 0;
        int64_t computed = 0;
        for (int r = 0; r < n; r++) {
            wrong += sh.r[r].wrong;
            computed += sh.r[r].computed;
            differ += memcmp(sh.r[r].sum, one.r[0].sum, sizeof(one.r[0].sum)) != 0;
            differ += memcmp(sh.r[r].item, one.r[0].item, sizeof(one.r[0].item)) != 0;
        }
        lt_ok(s == LT_OK && wrong == 0 && computed == ITEMS, "fake np=%d: all verbs, every item computed once", n);
        lt_ok(differ == 0, "fake np=%d: sums and items equal those of one process, bit for bit", n);

        int runs = 0, bad = 0;
        for (int64_t at = 1;; at++) {
            int failed = 0;
            o = (struct lt_fake_opt){.n = n, .fail_rank = n / 2, .fail_at = at, .jitter_us = 0, .seed = 1};
            memset(sh.r, 0, sizeof(sh.r));
            s = lt_comm_fake_run(&o, body, &sh, each, &e);
            for (int r = 0; r < n; r++) failed += each[r] != LT_OK;
            if (!failed) break;
            bad += failed != n || s == LT_OK;
            runs++;
        }
        lt_ok(bad == 0 && runs >= 8, "fake np=%d: a fault at any of %d collectives reaches every rank", n, runs);

        sh.fail_item = 20;
        o = (struct lt_fake_opt){.n = n, .jitter_us = 100, .seed = 3};
        s = lt_comm_fake_run(&o, body, &sh, each, &e);
        int same = 0;
        for (int r = 0; r < n; r++) same += each[r] == LT_EIO;
        lt_ok(same == n && strstr(e.msg, "item 20 is bad"),
              "fake np=%d: a failing item fails the map on all ranks with its message", n);
        sh.fail_item = -1;
    }
    lt_ok(lt_comm_fake_run(&(struct lt_fake_opt){.n = 4}, agree_body, NULL, NULL, &e) == LT_OK,
          "agree: the worst status wins, lowest rank's message: %s", e.msg);
    lt_status each[3];
    lt_comm_fake_run(&(struct lt_fake_opt){.n = 3}, leave_body, NULL, each, &e);
    lt_ok(each[0] && each[1] && each[2], "a rank that leaves does not hang the others");
    for (int n = 2; n <= MAX_RANKS; n++) {
        lt_status s = lt_comm_fake_run(&(struct lt_fake_opt){.n = n, .jitter_us = 200}, stop_body, NULL, NULL, &e);
        lt_ok(s == LT_OK, "fake np=%d: one rank asked to stop with the last item stops the farm: %s", n,
              s ? e.msg : "");
    }
    return lt_done();
}
