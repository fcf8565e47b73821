/*
 * All the parallelism between processes there is: a few verbs on bytes. "self" (one process), "mpi" (the only code that
 * knows MPI), "fake" (N ranks as threads of one process, with injectable faults and delays, for tests). Waiting ranks
 * sleep instead of spinning, so that a rank that measures has a quiet machine. Every verb is collective, called by the
 * same thread on each rank, in the same order. A failing rank makes all ranks return an error (statuses are exchanged
 * before data).
 */
#ifndef LATHE_COMM_H
#define LATHE_COMM_H
#include "lathe/status.h"
#ifdef __cplusplus
extern "C" {
#endif
struct lt_comm;
struct lt_comm_ops {
    const char *name;
    void (*close)(struct lt_comm *c);
    lt_status (*barrier)(struct lt_comm *c, struct lt_err *e);
    lt_status (*bcast)(struct lt_comm *c, void *p, size_t n, int root, struct lt_err *e);
    lt_status (*allgatherv)(struct lt_comm *c, const void *mine, size_t n_mine, void *all, const size_t *n_each,
                            struct lt_err *e);
    lt_status (*next)(struct lt_comm *c, int64_t *item); /* shared counter since the last next_reset: uneven work */
    lt_status (*next_reset)(struct lt_comm *c, struct lt_err *e);
    /* Messages of a farm, small ones: at most LT_MESSAGE_BYTES. send does not wait for the receiver. recv takes one
     * from anybody; none within wait_us: *from = -1. Not called where there is one rank. */
    lt_status (*send)(struct lt_comm *c, int to, const void *p, size_t n, struct lt_err *e);
    lt_status (*recv)(struct lt_comm *c, void *p, int wait_us, int *from, size_t *n, struct lt_err *e);
    void (*wake)(struct lt_comm *c); /* ends the recv of this rank early; from any thread */
    void (*abort)(struct lt_comm *c, int code);
};
enum { LT_MESSAGE_BYTES = 4000 };
struct lt_comm {
    const struct lt_comm_ops *ops;
    int rank, size;
    void *impl;
};
/* mode: "auto" (mpi when launcher variables are set and built in), "self", "mpi". */
lt_status lt_comm_open(const char *mode, int *argc, char ***argv, struct lt_comm **out, struct lt_err *e);
void lt_comm_close(struct lt_comm *c);
/* All ranks return the same status: the most severe of all ranks' own; the message is that of the lowest failing rank,
 * prefixed "rank N: " when it is not ours. */
lt_status lt_comm_agree(struct lt_comm *c, lt_status mine, struct lt_err *e);
lt_status lt_comm_or(struct lt_comm *c, bool mine, bool *any, struct lt_err *e);
lt_status lt_comm_bcast(struct lt_comm *c, void *p, size_t n, int root, struct lt_err *e);
lt_status lt_comm_allgatherv(struct lt_comm *c, const void *mine, size_t n_mine, void *all, const size_t *n_each,
                             struct lt_err *e);
/* Item i of [0,n) is computed by fn on some rank into out + i*item_bytes; on return all ranks hold all of out, whatever
 * the number of ranks. Uneven work is balanced by a shared counter. An item's failure is inside its bytes; a non-OK
 * return of fn fails the map on all ranks. */
typedef lt_status (*lt_comm_item_fn)(void *arg, int64_t item, void *out, struct lt_err *e);
lt_status lt_comm_map(struct lt_comm *c, int64_t n, void *out, size_t item_bytes, lt_comm_item_fn fn, void *arg,
                      struct lt_err *e);
/*
 * A farm: rank 0 hands out items one at a time to whoever is free and collects the results; all ranks compute, rank 0
 * in a thread of its own, so that the others never wait for it. Which rank computes what depends on speed alone; what
 * next() hands out may depend on the results so far. Ranks without work sleep.
 *
 *   next   rank 0: writes an item and sets *have, or leaves *have false: nothing now. Nothing now and nothing in flight
 *          ends the farm.
 *   done   rank 0: a result, in whatever order they finish.
 *   work   any rank, in any thread but one at a time on each rank, at the same time as next() and done() of rank 0. An
 *          item's failure is inside its bytes; a non-OK return ends the farm on all ranks.
 *   stop   any rank, often: true ends the farm early, *stopped then says so on all ranks. May be NULL.
 *
 * However a farm ends, results in flight are waited for and given to done(), unless done() itself failed. Collective.
 */
struct lt_farm {
    void *arg;
    size_t item_bytes, result_bytes; /* each at most LT_FARM_BYTES */
    bool local;                      /* an item costs less than a message: rank 0 computes all of them itself */
    lt_status (*next)(void *arg, void *item, bool *have, struct lt_err *e);
    lt_status (*work)(void *arg, const void *item, void *result, struct lt_err *e);
    lt_status (*done)(void *arg, const void *item, const void *result, int rank, struct lt_err *e);
    bool (*stop)(void *arg);
};
enum { LT_FARM_BYTES = 1400 };
lt_status lt_comm_farm(struct lt_comm *c, const struct lt_farm *f, bool *stopped, struct lt_err *e);
/* Sum of `shards` float vectors of length n in a fixed binary tree over shard index (shards = 2^k), wherever they were
 * computed: equal bits for any number of ranks. Rank r holds shards [first, first + count) contiguously in `parts`
 * (count * n floats, overwritten); the sum is left in `sum` on all ranks. lt_comm_shards gives a rank's range: aligned
 * blocks; ranks beyond the number of shards hold none. */
void lt_comm_shards(const struct lt_comm *c, int shards, int *first, int *count);
lt_status lt_comm_sum_tree(struct lt_comm *c, int shards, float *parts, int64_t n, float *sum, struct lt_err *e);
/* Tests: n ranks as threads; body runs once a rank. fault: rank `fail_rank` fails at its `fail_at`-th collective (0 =
 * never); jitter_us: random delay before each. */
struct lt_fake_opt {
    int n, fail_rank;
    int64_t fail_at;
    int jitter_us;
    uint64_t seed;
};
lt_status lt_comm_fake_run(const struct lt_fake_opt *o,
                           lt_status (*body)(struct lt_comm *c, void *arg, struct lt_err *e), void *arg,
                           lt_status *each, struct lt_err *e);
#ifdef __cplusplus
}
#endif
#endif
