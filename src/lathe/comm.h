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
    void (*abort)(struct lt_comm *c, int code);
};
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
