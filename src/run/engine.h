/*
 * Room: run. The search loop: ask, answer from the journal what it knows, farm the rest out over the ranks, record and
 * tell in ask order. Only rank 0 asks and tells; which results are missing when a candidate is asked follows from the
 * window alone ("Asking ahead" in lathe/searcher.h), so the result is the same for any number of ranks of any speed,
 * and resuming is replaying.
 *
 * A result waits in memory until all before it are there; one that took longer than a second also waits in the file
 * late.jsonl of the run's folder, so that a killed run does not lose it.
 */
#ifndef LT_RUN_ENGINE_H
#define LT_RUN_ENGINE_H
#include "lathe/comm.h"
#include "lathe/searcher.h"
#include "lathe/ui.h"
#include "run/store.h"

enum { LT_WHY_BYTES = 300 };
typedef void (*lt_told_fn)(void *listener, const char *text, const struct lt_scores *s);
struct lt_engine_job {
    const struct lt_space *space;
    const struct lt_goal *goal;
    struct lt_searcher *searcher; /* used on rank 0 */
    struct lt_comm *comm;
    struct lt_store *store;
    const struct lt_ui *ui;
    const char *type; /* of the records: "eval"; what is recorded under "eval" answers searches of any type */
    const char *what; /* for the progress line: "search" */
    void *arg;
    /* Scores that cost next to nothing, before an arch is evaluated: rank 0. NULL: none. */
    lt_status (*cheap)(void *arg, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e);
    /* Adds the others; any rank, and on rank 0 in a thread of its own while the searcher and cheap() run. A candidate's
     * own failure goes into io->status, with the reason in `why`. Asked to stop, it may set *abandoned. A non-OK return
     * ends the search. */
    lt_status (*evaluate)(void *arg, const struct lt_arch *a, struct lt_scores *io, char why[LT_WHY_BYTES],
                          bool *abandoned, struct lt_err *e);
    bool local; /* evaluate() costs less than a message: rank 0 does it all */
    /* In ask order, on rank 0; NULL: nobody listens. */
    lt_told_fn told;
    void *listener;
};
struct lt_engine_result {
    int told, failed, replayed; /* evaluations told in all; of these failed; of these answered by the journal */
    double master_s; /* processor time of rank 0's own part; evaluations apart, unless rank 0 makes them all */
};
/* Collective, the result is the same on all ranks (master_s apart). LT_EINTR: stopped, everything finished is in the
 * journal. */
lt_status lt_engine_run(const struct lt_engine_job *j, struct lt_engine_result *out, struct lt_err *e);
#endif
