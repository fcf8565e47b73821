/* Room: run. fsync in a thread of its own: on a busy disk it takes tens of milliseconds, and rank 0 has ranks that wait
 * for candidates. Used by the store alone. */
#ifndef LT_RUN_SYNCER_H
#define LT_RUN_SYNCER_H
#include "lathe/status.h"

struct lt_syncer;
/* Begins an fsync of fd, unless one is going on; *s NULL: starts the thread. An error is that of an earlier one. */
lt_status lt_syncer_request(struct lt_syncer **s, int fd, const char *path, bool *begun, struct lt_err *e);
/* Until none is going on; NULL is fine. */
lt_status lt_syncer_wait(struct lt_syncer *s, const char *path, struct lt_err *e);
void lt_syncer_free(struct lt_syncer *s);
#endif
