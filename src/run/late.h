/*
 * Room: run. late.jsonl: results that are finished and wait for others before them, so that they cannot be recorded
 * yet. A search that is killed finds them again. Lines have a CRC like those of the journal; what is torn or damaged is
 * ignored, for it costs an evaluation and nothing else. Rank 0 only.
 */
#ifndef LT_RUN_LATE_H
#define LT_RUN_LATE_H
#include "lathe/searcher.h"
#include "run/store.h"

struct lt_late;
lt_status lt_late_open(const struct lt_store *st, const struct lt_score_names *names, struct lt_late **out,
                       struct lt_err *e);
void lt_late_close(struct lt_late *l);
/* A result kept by an earlier run; why: LT_WHY_BYTES. */
bool lt_late_find(const struct lt_late *l, const char *arch, struct lt_scores *out, double *eval_s, char *why);
/* Keeps one, if it took long enough to be worth it. */
lt_status lt_late_keep(struct lt_late *l, const char *arch, const struct lt_scores *s, double eval_s, const char *why,
                       struct lt_err *e);
void lt_late_remove(struct lt_late *l); /* the file: the search is over */
#endif
