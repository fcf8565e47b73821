/*
 * Room: cli. What a human sees while a run works: on a terminal one bar, redrawn at most five times a second, with the
 * time left from what has been done since the bar began; elsewhere one plain line a minute. Also the signals that ask a
 * run to stop: the first one finishes the current unit, a second one ends the program at once.
 */
#include "cli/cli.h"
#include "lathe/stats.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The command line is the one place with state of its own; there is one terminal. */
static struct {
    bool prints, verbose, terminal, drawn;
    char what[64];
    double began_s, first_done, shown_s;
} term;
static _Atomic int stop_signals;

/*
 * Signals are taken by a thread of their own, never by one that computes: oneDNN's generated matrix kernels use the
 * stack pointer as an ordinary register, so a handler that the kernel starts on the stack of such a thread would write
 * its frame into the middle of the heap.
 */
static void *watch_signals(void *set) {
    for (int sig; !sigwait(set, &sig);) {
        if (atomic_fetch_add(&stop_signals, 1) == 0) continue;
        sigset_t one; /* asked twice: end now, as if the signal had never been taken */
        sigemptyset(&one);
        sigaddset(&one, sig);
        signal(sig, SIG_DFL);
        pthread_sigmask(SIG_UNBLOCK, &one, NULL);
        raise(sig);
    }
    return NULL;
}

void cli_signals_init(void) {
    static const int sigs[] = {SIGINT, SIGTERM, SIGUSR1};
    static sigset_t set; /* the thread reads it as long as the program runs */
    pthread_t thread;
    sigemptyset(&set);
    for (int i = 0; i < 3; i++) {
        signal(sigs[i], SIG_DFL); /* a shell without job control starts its background programs deaf to SIGINT */
        sigaddset(&set, sigs[i]);
    }
    if (!pthread_sigmask(SIG_BLOCK, &set, NULL)) { /* inherited by every thread from here on */
        if (pthread_create(&thread, NULL, watch_signals, &set))
            pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        else
            pthread_detach(thread);
    }
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error like any other, */
    signal(SIGXFSZ, SIG_IGN); /* and so is a file that may not grow */
}

static bool stop(void *arg) {
    (void)arg;
    return atomic_load(&stop_signals) > 0;
}

void cli_ui_clear(void) {
    if (!term.drawn) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    term.drawn = false;
}

static void message(void *arg, enum lt_ui_level level, const char *text) {
    (void)arg;
    if (!term.prints || (level == LT_UI_DEBUG && !term.verbose)) return;
    cli_ui_clear();
    fprintf(stderr, "%s%s\n", level == LT_UI_WARN ? "lathe: warning: " : "lathe: ", text);
}

static void duration(char *out, size_t n, double s) {
    if (!isfinite(s) || s < 0 || s > 1e7)
        snprintf(out, n, "?");
    else if (s < 3600)
        snprintf(out, n, "%d:%02d", (int)s / 60, (int)s % 60);
    else
        snprintf(out, n, "%d:%02d:%02d", (int)s / 3600, (int)s / 60 % 60, (int)s % 60);
}

/* A bar that wraps could not be drawn over again. */
static int columns(void) {
    struct winsize w;
    return !ioctl(STDERR_FILENO, TIOCGWINSZ, &w) && w.ws_col > 1 ? w.ws_col : 80;
}

static void progress(void *arg, const char *what, double done, double total, const char *note) {
    enum { WIDTH = 24 };
    double now = lt_now_s(), share = total > 0 ? done / total : 0;
    char left[32], bar[WIDTH + 1], line[256];
    (void)arg;
    if (!term.prints) return;
    bool ends = done >= total;
    if (strncmp(what, term.what, sizeof(term.what) - 1)) {
        snprintf(term.what, sizeof(term.what), "%s", what);
        term.began_s = term.shown_s = now;
        term.first_done = done;
        if (term.terminal) term.shown_s = 0;
    }
    if (!ends && now - term.shown_s < (term.terminal ? 0.2 : 60)) return;
    term.shown_s = now;
    double moved = done - term.first_done;
    duration(left, sizeof(left),
             ends        ? now - term.began_s
             : moved > 0 ? (now - term.began_s) / moved * (total - done)
                         : INFINITY);
    if (ends) {
        cli_ui_clear();
        fprintf(stderr, "lathe: %s: done in %s%s%s\n", what, left, note && *note ? "; " : "", note ? note : "");
        term.what[0] = 0;
    } else if (term.terminal) {
        int full = (int)(share * WIDTH);
        for (int i = 0; i < WIDTH; i++) bar[i] = i < full ? '#' : '.';
        bar[WIDTH] = 0;
        snprintf(line, sizeof(line), "%s [%s] %3.0f %%, %s left%s%s", what, bar, 100 * share, left,
                 note && *note ? "; " : "", note ? note : "");
        fprintf(stderr, "\r\033[K%.*s", columns() - 1, line);
        term.drawn = true;
    } else {
        fprintf(stderr, "lathe: %s: %.0f %%, %s left%s%s\n", what, 100 * share, left, note && *note ? "; " : "",
                note ? note : "");
    }
    fflush(stderr);
}

void cli_ui_init(struct lt_ui *ui, bool prints, bool verbose) {
    term.prints = prints;
    term.verbose = verbose;
    term.terminal = isatty(STDERR_FILENO) != 0;
    *ui = (struct lt_ui){.message = message, .progress = progress, .stop = stop};
}
