/* Runs a program without a shell: output captured, time limited. posix_spawn, because the caller may have threads. */
#include "config.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "deploy/deploy_priv.h"
#include "lathe/stats.h"

#define MAX_OUTPUT ((size_t)1 << 20)
extern char **environ;

static lt_status make_pipe(int fd[2], struct lt_err *e) {
    if (pipe(fd)) {
        fd[0] = fd[1] = -1;
        return lt_fail(e, LT_EIO, "pipe: %s", strerror(errno));
    }
    for (int i = 0; i < 2; i++) /* the child keeps only what is duplicated onto 1 and 2 */
        fcntl(fd[i], F_SETFD, FD_CLOEXEC);
    return LT_OK;
}

static void shut(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static lt_status start(const char *const *argv, int out_w, int err_w, pid_t *pid, struct lt_err *e) {
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    sigset_t none, dflt;
    int r;
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&at);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&fa, out_w, 1);
    posix_spawn_file_actions_adddup2(&fa, err_w, 2);
    sigemptyset(&none);
    sigemptyset(&dflt);
    sigaddset(&dflt, SIGPIPE);
    sigaddset(&dflt, SIGINT);
    sigaddset(&dflt, SIGTERM);
    posix_spawnattr_setpgroup(&at, 0); /* its own group, so that a timeout ends its children too */
    posix_spawnattr_setsigmask(&at, &none);
    posix_spawnattr_setsigdefault(&at, &dflt);
    posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    r = posix_spawnp(pid, argv[0], &fa, &at, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&at);
    return r ? lt_fail(e, LT_EUNAVAIL, "%s cannot be started: %s", argv[0], strerror(r)) : LT_OK;
}

/* One read; closes the descriptor at the end. */
static void drain(int *fd, struct lt_buf *b) {
    char chunk[4096];
    ssize_t n = read(*fd, chunk, sizeof(chunk));
    if (n > 0 && b->len < MAX_OUTPUT) lt_buf_add(b, chunk, (size_t)n);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) shut(fd);
}

/* Waits for the child until the deadline. False: it still runs. */
static bool reap(pid_t pid, double deadline_s, int *status) {
    for (;;) {
        pid_t r = waitpid(pid, status, WNOHANG);
        if (r == pid || (r < 0 && errno != EINTR)) return true;
        if (lt_now_s() >= deadline_s) return false;
        poll(NULL, 0, 10);
    }
}

lt_status lt_run_program(const char *const *argv, double timeout_s, struct lt_buf *out, struct lt_buf *err,
                         int *exit_code, struct lt_err *e) {
    int po[2] = {-1, -1}, pe[2] = {-1, -1}, status = 0;
    double deadline_s = lt_now_s() + timeout_s;
    pid_t pid = -1;
    lt_status s;
    if ((s = make_pipe(po, e)) || (s = make_pipe(pe, e)) || (s = start(argv, po[1], pe[1], &pid, e))) goto out;
    shut(&po[1]);
    shut(&pe[1]);
    while (po[0] >= 0 || pe[0] >= 0) {
        struct pollfd p[2] = {{.fd = po[0], .events = POLLIN}, {.fd = pe[0], .events = POLLIN}};
        double left = deadline_s - lt_now_s();
        if (left <= 0) break;
        if (poll(p, 2, left > 1 ? 1000 : (int)(left * 1000) + 1) < 0 && errno != EINTR) break;
        if (p[0].revents) drain(&po[0], out);
        if (p[1].revents) drain(&pe[0], err);
    }
    if (!reap(pid, deadline_s, &status)) {
        kill(-pid, SIGKILL);
        waitpid(pid, &status, 0);
        s = lt_fail(e, LT_EFAIL, "%s did not finish within %g s and was ended", argv[0], timeout_s);
        goto out;
    }
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (!(s = lt_buf_ok(out, e))) s = lt_buf_ok(err, e);
out:
    shut(&po[0]);
    shut(&po[1]);
    shut(&pe[0]);
    shut(&pe[1]);
    return s;
}
