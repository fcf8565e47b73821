/*
 * How library code tells a human something and learns that it should stop: by an interface that the command line fills.
 * Only src/cli prints. NULL ui = silent, never stops. Called from the main thread of any rank; rank 0's is the one that
 * prints.
 */
#ifndef LATHE_UI_H
#define LATHE_UI_H
#include "lathe/status.h"
#ifdef __cplusplus
extern "C" {
#endif
enum lt_ui_level { LT_UI_DEBUG, LT_UI_INFO, LT_UI_WARN };
struct lt_ui {
    void *arg;
    void (*message)(void *arg, enum lt_ui_level level, const char *text);
    void (*progress)(void *arg, const char *what, double done, double total,
                     const char *note); /* done == total ends the bar */
    bool (*stop)(void *arg);            /* SIGINT/SIGTERM/SIGUSR1 seen */
};
void lt_ui_say(const struct lt_ui *ui, enum lt_ui_level level, const char *fmt, ...) LT_PRINTF(3, 4);
void lt_ui_progress(const struct lt_ui *ui, const char *what, double done, double total, const char *note);
bool lt_ui_stop(const struct lt_ui *ui);
#ifdef __cplusplus
}
#endif
#endif
