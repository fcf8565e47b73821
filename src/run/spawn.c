/* Room: run. A watched shell command; see spawn.h. */
#define _GNU_SOURCE /* pipe2 */
#include "run/spawn.h"
#include "lathe/mem.h"
#include "lathe/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
enum { SHORT_MS = 1, LONG_MS = 20, TAIL_BYTES = 512 };

struct child {
    pid_t pid;
    int fd[2]; /* what it prints on standard output and error */
    bool open[2], gone;
    int status;
    char tail[TAIL_BYTES + 1]; /* end of standard error */
    size_t n_tail;
};

static void close_pipe(int p[2]) {
    for (int i = 0; i < 2; i++)
        if (p[i] >= 0) close(p[i]);
}

static int start_in_group(pid_t *pid, const char *command, const char *line, const int in[2], const int out[2],
                          const int err[2]) {
    char *argv[] = {"sh", "-c", (char *)command, "lathe", (char *)line, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, dflt;
    sigemptyset(&none);
    sigemptyset(&dflt);
    static const int sigs[] = {SIGINT, SIGTERM, SIGUSR1, SIGPIPE, SIGXFSZ};
    for (int i = 0; i < 5; i++) sigaddset(&dflt, sigs[i]);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &dflt);
    int code = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!code) code = posix_spawn_file_actions_adddup2(&files, in[0], 0);
    if (!code) code = posix_spawn_file_actions_adddup2(&files, out[1], 1);
    if (!code) code = posix_spawn_file_actions_adddup2(&files, err[1], 2);
    if (!code) code = posix_spawn(pid, "/bin/sh", &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return code;
}

/* The line fits into the pipe, so it is written before anybody reads. */
static lt_status start(struct child *c, const char *command, const char *line, struct lt_err *e) {
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, code = 0;
    lt_status s = LT_OK;
    size_t n = strlen(line);
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
        s = lt_fail(e, LT_EFAIL, "evaluator 'command': pipe: %s", strerror(errno));
    } else if (write(in[1], line, n) != (ssize_t)n || write(in[1], "\n", 1) != 1) {
        s = lt_fail(e, LT_EFAIL, "evaluator 'command': pipe: %s", strerror(errno));
    } else if ((code = start_in_group(&c->pid, command, line, in, out, err))) {
        s = lt_fail(e, LT_EFAIL, "evaluator 'command': /bin/sh cannot be started: %s", strerror(code));
    } else {
        c->fd[0] = out[0];
        c->fd[1] = err[0];
        c->open[0] = c->open[1] = true;
        for (int i = 0; i < 2; i++) fcntl(c->fd[i], F_SETFL, O_NONBLOCK);
        out[0] = err[0] = -1;
    }
    close_pipe(in);
    close_pipe(out);
    close_pipe(err);
    return s;
}

static void keep_tail(struct child *c, const char *p, size_t n) {
    if (n >= TAIL_BYTES) {
        memcpy(c->tail, p + n - TAIL_BYTES, TAIL_BYTES);
        c->n_tail = TAIL_BYTES;
    } else {
        size_t keep = c->n_tail + n > TAIL_BYTES ? TAIL_BYTES - n : c->n_tail;
        memmove(c->tail, c->tail + c->n_tail - keep, keep);
        memcpy(c->tail + keep, p, n);
        c->n_tail = keep + n;
    }
    c->tail[c->n_tail] = 0;
}

/* What is there now. False: more than the limit on standard output. */
static bool read_some(struct child *c, struct lt_buf *out) {
    char block[65536];
    for (int i = 0; i < 2; i++) {
        while (c->open[i]) {
            ssize_t k = read(c->fd[i], block, sizeof(block));
            if (k < 0 && errno == EINTR) continue;
            if (k < 0 && errno == EAGAIN) break;
            if (k <= 0) {
                c->open[i] = false;
            } else if (i) {
                keep_tail(c, block, (size_t)k);
            } else {
                if (out->len + (size_t)k > LT_SPAWN_OUTPUT_BYTES) return false;
                lt_buf_add(out, block, (size_t)k);
            }
        }
    }
    return true;
}

/* The last line on standard error that says anything, in printable characters. */
static void add_tail(struct child *c, struct lt_spawn_end *end) {
    size_t last = c->n_tail, first, n = strlen(end->why);
    while (last && strchr(" \t\r\n", c->tail[last - 1])) last--;
    for (first = last; first && c->tail[first - 1] != '\n';) first--;
    if (first == last) return;
    n += (size_t)snprintf(end->why + n, sizeof(end->why) - n, ": ");
    for (; first < last && n + 1 < sizeof(end->why); first++)
        end->why[n++] = c->tail[first] >= ' ' && c->tail[first] < 127 ? c->tail[first] : '?';
    end->why[n] = 0;
}

static void judge(struct child *c, struct lt_spawn_end *end) {
    if (WIFSIGNALED(c->status))
        snprintf(end->why, sizeof(end->why), "killed by signal %d (%s)", WTERMSIG(c->status),
                 strsignal(WTERMSIG(c->status)));
    else if (WEXITSTATUS(c->status) > 128 && WEXITSTATUS(c->status) <= 128 + 31) /* as shells say it */
        snprintf(end->why, sizeof(end->why), "exit status %d, killed by signal %d", WEXITSTATUS(c->status),
                 WEXITSTATUS(c->status) - 128);
    else if (WEXITSTATUS(c->status))
        snprintf(end->why, sizeof(end->why), "exit status %d", WEXITSTATUS(c->status));
    if (end->why[0]) add_tail(c, end);
}

lt_status lt_spawn_shell(const char *command, const char *line, double timeout_s, const struct lt_ui *ui,
                         struct lt_buf *out, struct lt_spawn_end *end, struct lt_err *e) {
    struct child c = {.fd = {-1, -1}};
    double until = lt_now_s() + timeout_s;
    int wait_ms = SHORT_MS;
    lt_status s = start(&c, command, line, e);
    if (s) return s;
    while (!end->why[0] && !end->stopped) {
        struct pollfd p[2] = {{c.open[0] ? c.fd[0] : -1, POLLIN, 0}, {c.open[1] ? c.fd[1] : -1, POLLIN, 0}};
        /* a group's leader may be gone while others of it still hold the pipes: what it has printed is there by then */
        siginfo_t info = {0};
        /* it is not reaped yet, so that the number of its group stays its own until the group is killed */
        c.gone = !waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid == c.pid;
        if (!read_some(&c, out)) {
            snprintf(end->why, sizeof(end->why), "more than %d bytes of output: killed", LT_SPAWN_OUTPUT_BYTES);
            break;
        }
        if (c.gone) break;
        if (lt_now_s() >= until) {
            snprintf(end->why, sizeof(end->why), "no end after %g s: killed", timeout_s);
            add_tail(&c, end);
        } else if (lt_ui_stop(ui)) {
            end->stopped = true;
        } else {
            poll(p, 2, wait_ms);
            wait_ms = !c.open[0] && !c.open[1] ? SHORT_MS : 2 * wait_ms < LONG_MS ? 2 * wait_ms : LONG_MS;
        }
    }
    kill(-c.pid, SIGKILL);
    while (waitpid(c.pid, &c.status, 0) < 0 && errno == EINTR) {}
    if (c.gone) judge(&c, end);
    for (int i = 0; i < 2; i++) close(c.fd[i]);
    return lt_buf_ok(out, e);
}
