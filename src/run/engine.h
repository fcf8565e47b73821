/*
 * Room: run. The search loop: ask, answer from the journal what it knows, spread the rest over the ranks, record, tell
 * in ask order. The searcher runs replicated on every rank and sees the same answers, so the result is the same for any
 * number of ranks, and resuming is replaying.
 */
#ifndef LT_RUN_ENGINE_H
#define LT_RUN_ENGINE_H
#include "lathe/comm.h"
#include "lathe/searcher.h"
#include "lathe/ui.h"
#include "run/store.h"

struct lt_engine_job {
    const struct lt_space *space;
    struct lt_searcher *searcher;
    struct lt_comm *comm;
    struct lt_store *store;
    const struct lt_ui *ui;
    /* Scores of one arch, on any rank. A non-OK return ends the search; a candidate's own failure goes into
     * out->status. */
    lt_status (*evaluate)(void *arg, const struct lt_arch *a, struct lt_scores *out, struct lt_err *e);
    void *arg;
    int batch; /* archs asked for at once; fixed, so that it does not depend on the number of ranks; 0 = 32 */
};
/* *asked: evaluations told in all. Collective. LT_EINTR: stopped, everything finished is in the journal. */
lt_status lt_engine_run(const struct lt_engine_job *j, int *asked, struct lt_err *e);
#endif
