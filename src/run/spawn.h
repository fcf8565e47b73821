/*
 * Room: run. A shell command in a process group of its own, watched: its output read up to a limit, its time limited,
 * its whole group killed at the end, however it ended. Safe in any thread; signals that this program blocks are not
 * blocked in the command.
 */
#ifndef LT_RUN_SPAWN_H
#define LT_RUN_SPAWN_H
#include "lathe/buf.h"
#include "lathe/ui.h"

enum { LT_SPAWN_OUTPUT_BYTES = 1 << 20, LT_SPAWN_WHY_BYTES = 280 };
struct lt_spawn_end {
    bool stopped;                 /* the run was asked to stop, and the command was killed for it */
    char why[LT_SPAWN_WHY_BYTES]; /* empty: it ended well; else how it failed, with its last line on standard error */
};
/* line: "$1", and one line on standard input. Not LT_OK: it could not be started. */
lt_status lt_spawn_shell(const char *command, const char *line, double timeout_s, const struct lt_ui *ui,
                         struct lt_buf *out, struct lt_spawn_end *end, struct lt_err *e);
#endif
