/*
 * How many threads a rank may use. A launcher may have bound ranks to processors or not, and may have put several on a
 * machine: ranks that see the same processors of the same machine divide them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "supernet/train_priv.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include <sched.h>
#include <string.h>
#include <unistd.h>

int train_processors(uint64_t *place) {
    char host[256] = "";
    int n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    gethostname(host, sizeof(host) - 1);
    *place = lt_hash64(host, strlen(host), 0);
#ifdef __linux__
    cpu_set_t set;
    CPU_ZERO(&set);
    if (!sched_getaffinity(0, sizeof(set), &set)) {
        n = CPU_COUNT(&set);
        *place = lt_hash64(&set, sizeof(set), *place);
    }
#endif
    return n > 0 ? n : 1;
}

lt_status train_threads(const struct lt_train_cfg *cfg, struct lt_comm *comm, int *out, struct lt_err *e) {
    if (cfg->threads > 0) {
        *out = (int)cfg->threads;
        return LT_OK;
    }
    uint64_t mine;
    int n = train_processors(&mine), sharing = 0;
    uint64_t *all = lt_malloc((size_t)comm->size * sizeof(*all));
    size_t *each = lt_malloc((size_t)comm->size * sizeof(*each));
    lt_status st = all && each ? LT_OK : lt_fail(e, LT_ENOMEM, "places of %d ranks", comm->size);
    if ((st = lt_comm_agree(comm, st, e))) goto out;
    for (int r = 0; r < comm->size; r++) each[r] = sizeof(mine);
    if ((st = lt_comm_allgatherv(comm, &mine, sizeof(mine), all, each, e))) goto out;
    for (int r = 0; r < comm->size; r++) sharing += all[r] == mine;
    *out = n / sharing > 0 ? n / sharing : 1;
out:
    lt_free(all);
    lt_free(each);
    return st;
}
