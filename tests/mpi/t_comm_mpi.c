/*
 * The verbs over MPI. Prints one line that must be the same for any number of ranks; run_np.sh compares 1, 2, 3 and 4.
 * Items take uneven time, so that the shared counter has something to balance while rank 0 computes. Exit code 77: this
 * build has no MPI.
 */
#include "lathe/comm.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/rng.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ITEMS = 60, SHARDS = 8, LENGTH = 300001 };

static lt_status item(void *arg, int64_t i, void *out, struct lt_err *e) {
    double v = 1.0 / (double)(i + 1);
    (void)e;
    ++*(int64_t *)arg;
    nanosleep(&(struct timespec){.tv_nsec = (i % 7) * 500000}, NULL);
    memcpy(out, &v, sizeof(v));
    return LT_OK;
}

static lt_status fail_on_last(void *arg, int64_t i, void *out, struct lt_err *e) {
    (void)arg;
    (void)out;
    return i == ITEMS - 1 ? lt_fail(e, LT_INFEASIBLE, "as asked") : LT_OK;
}

/* Items made as results come, one of them slow: the sum is the same, and who waits sleeps. */
struct farming {
    int made, got;
    int64_t sum;
};

static lt_status farm_next(void *arg, void *item, bool *have, struct lt_err *e) {
    struct farming *f = arg;
    (void)e;
    if (f->made == ITEMS || f->made > f->got + 20) return LT_OK;
    *(int *)item = f->made++;
    *have = true;
    return LT_OK;
}

static lt_status farm_work(void *arg, const void *item, void *result, struct lt_err *e) {
    int k = *(const int *)item;
    (void)arg;
    (void)e;
    if (k == 5) nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    *(int *)result = k * k;
    return LT_OK;
}

static lt_status farm_done(void *arg, const void *item, const void *result, int rank, struct lt_err *e) {
    struct farming *f = arg;
    (void)item;
    (void)rank;
    (void)e;
    f->got++;
    f->sum += *(const int *)result;
    return LT_OK;
}

static lt_status farm(struct lt_comm *c, struct lt_err *e) {
    struct farming f = {0};
    struct lt_farm job = {.arg = &f,
                          .item_bytes = sizeof(int),
                          .result_bytes = sizeof(int),
                          .next = farm_next,
                          .work = farm_work,
                          .done = farm_done};
    struct timespec a, b;
    bool stopped;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    lt_status s = lt_comm_farm(c, &job, &stopped, e);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    if (s) return s;
    double used = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
    if (used > 0.15)
        s = lt_fail(e, LT_EFAIL, "rank %d used %.2f s of processor time in a farm of waiting", c->rank, used);
    if (c->rank == 0) printf("farm %d results, sum %lld\n", f.got, (long long)f.sum);
    return lt_comm_agree(c, s, e);
}

static lt_status run(struct lt_comm *c, struct lt_err *e) {
    double v[ITEMS] = {0};
    int64_t computed = 0;
    int first, count;
    float *parts = lt_calloc((size_t)SHARDS * LENGTH, sizeof(float)), *sum = lt_calloc(LENGTH, sizeof(float));
    char *big = lt_calloc(3, 1 << 20);
    lt_status s = parts && sum && big ? LT_OK : lt_fail(e, LT_ENOMEM, "buffers");
    if ((s = lt_comm_agree(c, s, e))) goto out;
    if ((s = lt_comm_map(c, ITEMS, v, sizeof(v[0]), item, &computed, e))) goto out;
    lt_comm_shards(c, SHARDS, &first, &count);
    for (int k = 0; k < count; k++) {
        struct lt_rng r;
        lt_rng_at(&r, 1, LT_RNG_TEST, 0, (uint64_t)(first + k));
        for (int64_t i = 0; i < LENGTH; i++) parts[(int64_t)k * LENGTH + i] = (float)lt_rng_normal(&r);
    }
    if ((s = lt_comm_sum_tree(c, SHARDS, parts, LENGTH, sum, e))) goto out;
    if (c->rank == c->size - 1) memset(big, 'x', 3 << 20);
    if ((s = lt_comm_bcast(c, big, 3 << 20, c->size - 1, e))) goto out;
    if (lt_comm_map(c, ITEMS, v + 0, 0, fail_on_last, NULL, e) != LT_INFEASIBLE || !strstr(e->msg, "as asked"))
        s = lt_fail(e, LT_EFAIL, "a failing item was lost");
    if ((s = lt_comm_agree(c, s, e))) goto out;
    if ((s = farm(c, e))) goto out;
    uint32_t sums[3] = {lt_crc32(0, v, sizeof(v)), lt_crc32(0, sum, LENGTH * sizeof(float)), lt_crc32(0, big, 3 << 20)},
             all[3];
    memcpy(all, sums, sizeof(all));
    if ((s = lt_comm_bcast(c, all, sizeof(all), 0, e))) goto out;
    if (memcmp(all, sums, sizeof(all))) s = lt_fail(e, LT_EFAIL, "rank %d holds other results than rank 0", c->rank);
    if ((s = lt_comm_agree(c, s, e))) goto out;
    if (c->rank == 0) printf("map %08x sum %08x bcast %08x\n", sums[0], sums[1], sums[2]);
    /* one rank keeps the others waiting: they must sleep, which shows in the processor time they use */
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    if (c->rank == 0) nanosleep(&(struct timespec){.tv_nsec = 400000000}, NULL);
    if ((s = c->ops->barrier(c, e))) goto out;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double used = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
    if (used > 0.2)
        s = lt_fail(e, LT_EFAIL, "rank %d used %.2f s of processor time while it waited 0.4 s", c->rank, used);
    s = lt_comm_agree(c, s, e);
out:
    lt_free(big);
    lt_free(sum);
    lt_free(parts);
    return s;
}

int main(int argc, char **argv) {
    struct lt_comm *c = NULL;
    struct lt_err e = {0};
    alarm(60);
    lt_status s = lt_comm_open("mpi", &argc, &argv, &c, &e);
    if (s == LT_EUNAVAIL) {
        fprintf(stderr, "%s\n", e.msg);
        return 77;
    }
    if (!s) s = run(c, &e);
    if (s) fprintf(stderr, "rank %d: %s\n", c ? c->rank : -1, e.msg);
    lt_comm_close(c);
    return s ? 1 : 0;
}
