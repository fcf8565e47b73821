/* Base room: what library code says to a human goes through the interface that the command line filled. */
#include "lathe/ui.h"

#include <stdio.h>

void lt_ui_say(const struct lt_ui *ui, enum lt_ui_level level, const char *fmt, ...) {
    if (!ui || !ui->message) return;
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ui->message(ui->arg, level, text);
}

void lt_ui_progress(const struct lt_ui *ui, const char *what, double done, double total, const char *note) {
    if (ui && ui->progress) ui->progress(ui->arg, what, done, total, note);
}

bool lt_ui_stop(const struct lt_ui *ui) { return ui && ui->stop && ui->stop(ui->arg); }
