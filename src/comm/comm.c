/*
 * Room: comm. What every implementation gets for free: choosing one, agreeing on a status, a balanced map over items,
 * and the sum over shards in a fixed tree. All of it is written on top of the few operations of struct lt_comm_ops.
 */
#include "config.h"
#include "comm/comm_priv.h"
#include "lathe/mem.h"

#include <stdlib.h>
#include <string.h>

static bool launched_by_mpi(int *ranks) {
    /* What Open MPI, MPICH/Hydra, Intel MPI and PMIx launchers leave in the environment of a rank. SLURM_* alone says
     * nothing: a batch script has it too. */
    static const char *const sized[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", NULL};
    static const char *const named[] = {"PMIX_RANK", "PMI_RANK", NULL};
    for (int i = 0; sized[i]; i++) {
        const char *v = getenv(sized[i]);
        if (v && *v) {
            *ranks = atoi(v);
            return true;
        }
    }
    for (int i = 0; named[i]; i++) {
        if (getenv(named[i])) {
            *ranks = 0;
            return true;
        }
    }
    return false;
}

lt_status lt_comm_open(const char *mode, int *argc, char ***argv, struct lt_comm **out, struct lt_err *e) {
    int ranks = 1;
    bool want_mpi = false;
    if (!mode || !strcmp(mode, "auto")) {
        want_mpi = launched_by_mpi(&ranks);
    } else if (!strcmp(mode, "mpi")) {
        want_mpi = true;
    } else if (strcmp(mode, "self")) {
        return lt_fail(e, LT_EINVAL, "communication '%s' is not one of auto, self, mpi", mode);
    }
    if (!want_mpi) return lt_comm_self_open(out, e);
#if LT_WITH_MPI
    return lt_comm_mpi_open(argc, argv, out, e);
#else
    (void)argc;
    (void)argv;
    /* A launcher of a single process needs no MPI; several copies that do not know of each other would write the same
     * files. */
    if (mode && !strcmp(mode, "auto") && ranks == 1) return lt_comm_self_open(out, e);
    return lt_fail(e, LT_EUNAVAIL,
                   "this build has no MPI (configure --with-mpi), so it cannot be started by an MPI launcher");
#endif
}

void lt_comm_close(struct lt_comm *c) {
    if (c) c->ops->close(c);
}

lt_status lt_comm_bcast(struct lt_comm *c, void *p, size_t n, int root, struct lt_err *e) {
    return c->ops->bcast(c, p, n, root, e);
}

lt_status lt_comm_allgatherv(struct lt_comm *c, const void *mine, size_t n_mine, void *all, const size_t *n_each,
                             struct lt_err *e) {
    return c->ops->allgatherv(c, mine, n_mine, all, n_each, e);
}

/* How bad a status is when ranks differ: what a user must act on wins over what merely ends the run. */
static int severity(lt_status s) {
    switch (s) {
    case LT_OK:
        return 0;
    case LT_EUNSTABLE:
        return 1;
    case LT_INFEASIBLE:
        return 2;
    case LT_EINTR:
        return 3;
    case LT_EUNAVAIL:
        return 4;
    case LT_EINVAL:
        return 5;
    case LT_EIO:
        return 6;
    case LT_ENOMEM:
        return 7;
    case LT_EFAIL:
        return 8;
    }
    return 9;
}

/* Every rank's `mine` in a vector of c->size; small and fixed, so it needs no allocation for up to SMALL ranks. */
enum { SMALL = 64 };
struct gathered {
    int32_t small[SMALL], *v;
    size_t small_each[SMALL], *each;
};

static lt_status gather_i32(struct lt_comm *c, int32_t mine, struct gathered *g, struct lt_err *e) {
    g->v = g->small;
    g->each = g->small_each;
    if (c->size > SMALL) {
        g->v = lt_calloc((size_t)c->size, sizeof(*g->v));
        g->each = lt_calloc((size_t)c->size, sizeof(*g->each));
        if (!g->v || !g->each) return lt_fail(e, LT_ENOMEM, "statuses of %d ranks", c->size);
    }
    for (int r = 0; r < c->size; r++) g->each[r] = sizeof(mine);
    return c->ops->allgatherv(c, &mine, sizeof(mine), g->v, g->each, e);
}

static void gathered_release(struct gathered *g) {
    if (g->v != g->small) lt_free(g->v);
    if (g->each != g->small_each) lt_free(g->each);
}

lt_status lt_comm_agree(struct lt_comm *c, lt_status mine, struct lt_err *e) {
    struct gathered g;
    struct lt_err other = {0};
    char msg[sizeof(other.msg)] = "";
    int worst = 0;
    if (c->size == 1) return mine;
    lt_status s = gather_i32(c, (int32_t)mine, &g, &other);
    if (s) {
        /* our own reason is worth more than the news that the ranks could not talk about it */
        s = mine && severity(mine) >= severity(s) ? mine : lt_fail(e, s, "%s", other.msg);
        gathered_release(&g);
        return s;
    }
    for (int r = 1; r < c->size; r++)
        if (severity((lt_status)g.v[r]) > severity((lt_status)g.v[worst])) worst = r;
    s = (lt_status)g.v[worst];
    gathered_release(&g);
    if (s == LT_OK) return LT_OK;
    if (c->rank == worst && e) memcpy(msg, e->msg, sizeof(msg));
    lt_status t = c->ops->bcast(c, msg, sizeof(msg), worst, &other);
    if (t) {
        if (mine != s) lt_fail(e, s, "rank %d failed, and its message was lost: %s", worst, other.msg);
        return s;
    }
    msg[sizeof(msg) - 1] = 0;
    if (c->rank != worst) lt_fail(e, s, "rank %d: %s", worst, msg);
    return s;
}

lt_status lt_comm_or(struct lt_comm *c, bool mine, bool *any, struct lt_err *e) {
    struct gathered g;
    if (c->size == 1) {
        *any = mine;
        return LT_OK;
    }
    lt_status s = gather_i32(c, mine, &g, e);
    if (!s) {
        bool all = false;
        for (int r = 0; r < c->size; r++) all = all || g.v[r];
        *any = all;
    }
    gathered_release(&g);
    return s;
}

/* This rank's share of a map: the indices it computed, their bytes behind each other. */
struct share {
    int64_t *index, n, cap;
};

static lt_status share_add(struct share *sh, int64_t item, struct lt_err *e) {
    if (sh->n == sh->cap) {
        int64_t cap = sh->cap ? 2 * sh->cap : 64;
        int64_t *p = lt_realloc(sh->index, (size_t)cap * sizeof(*p));
        if (!p) return lt_fail(e, LT_ENOMEM, "items of a map");
        sh->index = p;
        sh->cap = cap;
    }
    sh->index[sh->n++] = item;
    return LT_OK;
}

/* Puts together what the ranks have: records of (index, bytes) gathered on all ranks. */
static lt_status map_gather(struct lt_comm *c, int64_t n, char *out, size_t item_bytes, const struct share *sh,
                            struct lt_err *e) {
    const size_t rec = sizeof(int64_t) + item_bytes;
    size_t *each = lt_calloc((size_t)c->size, sizeof(*each)), total = 0;
    size_t *n_each = lt_calloc((size_t)c->size, sizeof(*n_each));
    char *mine = lt_malloc((size_t)sh->n * rec + 1), *all = lt_malloc((size_t)n * rec + 1),
         *seen = lt_calloc((size_t)n + 1, 1);
    lt_status s = LT_OK;
    if (!each || !n_each || !mine || !all || !seen) s = lt_fail(e, LT_ENOMEM, "results of %lld items", (long long)n);
    if ((s = lt_comm_agree(c, s, e))) goto out;
    for (int64_t i = 0; i < sh->n; i++) {
        memcpy(mine + (size_t)i * rec, &sh->index[i], sizeof(int64_t));
        memcpy(mine + (size_t)i * rec + sizeof(int64_t), out + (size_t)sh->index[i] * item_bytes, item_bytes);
    }
    size_t bytes = (size_t)sh->n * rec;
    for (int r = 0; r < c->size; r++) n_each[r] = sizeof(bytes);
    if ((s = c->ops->allgatherv(c, &bytes, sizeof(bytes), each, n_each, e))) goto out;
    for (int r = 0; r < c->size; r++) total += each[r];
    /* the same on all ranks, so no further agreement is needed */
    if (total != (size_t)n * rec) {
        s = lt_fail(e, LT_EFAIL, "a map of %lld items gathered %zu bytes instead of %zu", (long long)n, total,
                    (size_t)n * rec);
        goto out;
    }
    if ((s = c->ops->allgatherv(c, mine, bytes, all, each, e))) goto out;
    for (int64_t i = 0; i < n; i++) {
        int64_t item;
        memcpy(&item, all + (size_t)i * rec, sizeof(item));
        LT_CHECK(item >= 0 && item < n && !seen[item]);
        seen[item] = 1;
        memcpy(out + (size_t)item * item_bytes, all + (size_t)i * rec + sizeof(item), item_bytes);
    }
out:
    lt_free(seen);
    lt_free(all);
    lt_free(mine);
    lt_free(n_each);
    lt_free(each);
    return s;
}

lt_status lt_comm_map(struct lt_comm *c, int64_t n, void *out, size_t item_bytes, lt_comm_item_fn fn, void *arg,
                      struct lt_err *e) {
    struct share sh = {0};
    lt_status s = c->ops->next_reset(c, e);
    if (s) return s;
    for (;;) {
        int64_t item;
        if ((s = c->ops->next(c, &item))) {
            s = lt_fail(e, s, "the shared counter of a map failed");
            break;
        }
        if (item >= n) break;
        if ((s = fn(arg, item, (char *)out + (size_t)item * item_bytes, e))) break;
        if (c->size > 1 && (s = share_add(&sh, item, e))) break;
    }
    s = lt_comm_agree(c, s, e);
    if (!s && c->size > 1) s = map_gather(c, n, out, item_bytes, &sh, e);
    lt_free(sh.index);
    return s;
}

/* The tree over `shards` leaves is cut so that every rank holds one whole subtree: a node with k leaves and m ranks
 * gives its left half to the first (m + 1) / 2 of them; with one leaf left the first rank takes it and the others hold
 * nothing. */
static void block(int shards, int ranks, int rank, int *first, int *count) {
    int lo = 0, k = shards, m = ranks, r = rank;
    while (m > 1 && k > 1) {
        int left = (m + 1) / 2;
        k /= 2;
        if (r < left) {
            m = left;
        } else {
            lo += k;
            r -= left;
            m -= left;
        }
    }
    *first = lo;
    *count = r == 0 ? k : 0;
}

void lt_comm_shards(const struct lt_comm *c, int shards, int *first, int *count) {
    block(shards, c->size, c->rank, first, count);
}

static void add_into(float *a, const float *b, int64_t n) {
    for (int64_t i = 0; i < n; i++) a[i] += b[i];
}

/* Sums `count` (a power of two) vectors of length n, `stride` apart, into the first: the fixed tree below one node. */
static void sum_block(float *v, int count, int64_t stride, int64_t n) {
    for (int step = 1; step < count; step *= 2)
        for (int i = 0; i + step < count; i += 2 * step) add_into(v + i * stride, v + (i + step) * stride, n);
}

/* The tree above the ranks: part[r] is the sum of rank r's block (NULL for a rank without shards). Overwrites parts;
 * returns the root's vector. */
static float *sum_ranks(float *const *part, int shards, int ranks, int64_t n) {
    if (ranks == 1 || shards == 1) return part[0];
    int left = (ranks + 1) / 2;
    float *a = sum_ranks(part, shards / 2, left, n), *b = sum_ranks(part + left, shards / 2, ranks - left, n);
    add_into(a, b, n);
    return a;
}

lt_status lt_comm_sum_tree(struct lt_comm *c, int shards, float *parts, int64_t n, float *sum, struct lt_err *e) {
    /* Gathered piece by piece, so that memory does not grow with ranks * n. 2^18 floats = 1 MiB a rank. */
    const int64_t piece = n < (1 << 18) ? n : (1 << 18);
    int first, count;
    LT_CHECK(shards >= 1 && (shards & (shards - 1)) == 0 && n >= 0);
    lt_comm_shards(c, shards, &first, &count);
    sum_block(parts, count, n, n);
    if (c->size == 1) {
        if (sum != parts) memmove(sum, parts, (size_t)n * sizeof(*sum));
        return LT_OK;
    }
    float *all = lt_malloc((size_t)piece * (size_t)c->size * sizeof(*all) + 1),
          **part = lt_calloc((size_t)c->size, sizeof(*part));
    size_t *each = lt_calloc((size_t)c->size, sizeof(*each));
    lt_status s = LT_OK;
    if (!all || !part || !each) s = lt_fail(e, LT_ENOMEM, "sum over %d ranks", c->size);
    if ((s = lt_comm_agree(c, s, e))) goto out;
    for (int64_t at = 0; at < n; at += piece) {
        int64_t m = n - at < piece ? n - at : piece, offset = 0;
        for (int r = 0; r < c->size; r++) {
            int f, k;
            block(shards, c->size, r, &f, &k);
            each[r] = k ? (size_t)m * sizeof(float) : 0;
            part[r] = k ? all + offset : NULL;
            offset += k ? m : 0;
        }
        if ((s = c->ops->allgatherv(c, parts + (count ? at : 0), each[c->rank], all, each, e))) goto out;
        memcpy(sum + at, sum_ranks(part, shards, c->size, m), (size_t)m * sizeof(*sum));
    }
out:
    lt_free(each);
    lt_free(part);
    lt_free(all);
    return s;
}
