/*
 * Room: run. The journal of a run: append-only records, one JSON object a line, a CRC per record, rank 0 the only
 * writer; all ranks hold all records in memory. Format: docs/formats/run-folder.md.
 *
 *   lt_store_open(dir, comm, ui, &st, e);                  collective; takes the folder's lock, drops a torn last line
 *   const struct lt_json *r = lt_store_find(st, "eval", arch);
 *   if (comm->rank == 0) {
 *       lt_record_begin(&w, &b, "eval", arch);
 *       ...
 *       lt_record_end(&w);
 *       s = lt_store_add(st, &b, e);
 *   }
 *   s = lt_store_commit(st, s, e);                         collective: statuses agreed, records written and synced,
 *                                                          known everywhere
 */
#ifndef LT_RUN_STORE_H
#define LT_RUN_STORE_H
#include "lathe/comm.h"
#include "lathe/json.h"
#include "lathe/ui.h"

struct lt_store;
lt_status lt_store_open(const char *dir, struct lt_comm *comm, const struct lt_ui *ui, struct lt_store **out,
                        struct lt_err *e);
void lt_store_close(struct lt_store *st);
const char *lt_store_dir(const struct lt_store *st);
/* dir/name; lt_free. */
char *lt_store_path(const struct lt_store *st, const char *name);
/* NULL when absent; key NULL means "". Records live as long as the store. */
const struct lt_json *lt_store_find(const struct lt_store *st, const char *type, const char *key);
int lt_store_count(const struct lt_store *st);
const struct lt_json *lt_store_at(const struct lt_store *st, int i); /* in file order */

void lt_record_begin(struct lt_jw *w, struct lt_buf *b, const char *type, const char *key);
void lt_record_end(struct lt_jw *w);
/* Queues the record in b, which is cleared. Not collective; what other ranks than 0 queue is ignored. */
lt_status lt_store_add(struct lt_store *st, struct lt_buf *b, struct lt_err *e);
/* Rank 0 alone: writes what is queued, one write a record; found by lt_store_find on rank 0 from then on, on the others
 * after the next commit. Not synced yet: a killed process loses nothing, a machine without power what is younger than
 * the last lt_store_sync, which begins to sync, in a thread of its own, when the last time is at least age_s ago (0:
 * now, and waits for it). */
lt_status lt_store_append(struct lt_store *st, struct lt_err *e);
lt_status lt_store_sync(struct lt_store *st, double age_s, struct lt_err *e);
/* On all ranks: records that are added from now on are known on rank 0 alone, for nobody else needs them. */
void lt_store_solo(struct lt_store *st);
/* Collective. mine != LT_OK on any rank: nothing more is written and all return the agreed status. */
lt_status lt_store_commit(struct lt_store *st, lt_status mine, struct lt_err *e);
/* Collective. Moves the journal and what was made from it to old-N/ (weights too unless kept); what rank 0 has queued
 * is the new journal. */
lt_status lt_store_restart(struct lt_store *st, bool keep_weights, struct lt_err *e);

/* "...}" without its CRC -> line with CRC and newline; the inverse of what reading checks. */
lt_status lt_record_seal(const struct lt_buf *record, struct lt_buf *line, struct lt_err *e);
#endif
