/*
 * Base room: a file is written whole or not at all: temporary file in the same directory, write, fsync, close, rename,
 * fsync of the directory. The failing step is named. Temporaries are called ".<name>.tmp.<pid>.<n>", so that those of
 * killed processes can be told from live ones.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lathe/file.h"
#include "lathe/mem.h"

static _Atomic unsigned serial; /* makes names of threads of one process differ */

static lt_status fail(struct lt_err *e, const char *path, const char *step) {
    return lt_fail(e, LT_EIO, "%s: %s: %s", path, step, strerror(errno));
}

static char *dir_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return lt_strdup(".");
    if (slash == path) return lt_strdup("/");
    return lt_asprintf("%.*s", (int)(slash - path), path);
}

lt_status lt_file_write_atomic(const char *path, const void *p, size_t n, struct lt_err *e) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    char *dir = dir_of(path), *tmp = NULL;
    int fd = -1, dfd = -1;
    bool there = false;
    lt_status s = LT_OK;
    if (!dir) {
        s = lt_fail(e, LT_ENOMEM, "%s: out of memory", path);
        goto out;
    }
    /* A name can be taken: by a killed process that had our pid, or by one with our pid on another machine that shares
     * the folder. */
    for (int tries = 0; tries < 1000; tries++) {
        lt_free(tmp);
        if (!(tmp = lt_asprintf("%s/.%s.tmp.%ld.%u", dir, base, (long)getpid(), atomic_fetch_add(&serial, 1)))) {
            s = lt_fail(e, LT_ENOMEM, "%s: out of memory", path);
            goto out;
        }
        fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) break;
    }
    if (fd < 0) {
        s = fail(e, path, "creating a temporary file beside it");
        goto out;
    }
    there = true;
    for (const char *at = p; n > 0;) {
        ssize_t w = write(fd, at, n < 1u << 30 ? n : 1u << 30);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) {
            s = fail(e, path, "writing");
            goto out;
        }
        at += w;
        n -= (size_t)w;
    }
    if (fsync(fd) && errno != EINVAL && errno != EROFS) {
        s = fail(e, path, "fsync");
        goto out;
    }
    int closed = close(fd);
    fd = -1;
    if (closed) {
        s = fail(e, path, "closing");
        goto out;
    }
    if (rename(tmp, path)) {
        s = fail(e, path, "renaming the finished file into place");
        goto out;
    }
    there = false;
    dfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dfd >= 0 && fsync(dfd) && errno != EINVAL && errno != EROFS) s = fail(e, path, "fsync of its folder");
out:
    if (dfd >= 0) close(dfd);
    if (fd >= 0) close(fd);
    if (there) unlink(tmp);
    lt_free(tmp);
    lt_free(dir);
    return s;
}

/* The pid in ".<name>.tmp.<pid>.<n>", or 0 when the name is not of that form. */
static long temporary_pid(const char *name) {
    const char *t = NULL, *p = name[0] == '.' ? name : "";
    while ((p = strstr(p, ".tmp."))) t = p++; /* the last one: the name of the file itself may hold another */
    if (!t) return 0;
    char *end;
    if (t[5] < '0' || t[5] > '9') return 0;
    long pid = strtol(t + 5, &end, 10);
    if (pid <= 0 || pid > INT_MAX || end[0] != '.' || end[1] < '0' || end[1] > '9') return 0;
    strtoul(end + 1, &end, 10);
    return *end ? 0 : pid;
}

lt_status lt_sweep_temporaries(const char *dir, struct lt_err *e) {
    DIR *d = opendir(dir);
    if (!d) return errno == ENOENT ? LT_OK : lt_fail(e, LT_EIO, "%s: opening the folder: %s", dir, strerror(errno));
    for (struct dirent *x; (x = readdir(d));) {
        long pid = temporary_pid(x->d_name);
        if (pid == 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH) continue;
        unlinkat(dirfd(d), x->d_name, 0);
    }
    closedir(d);
    return LT_OK;
}

lt_status lt_mkdirs(const char *path, struct lt_err *e) {
    char *p = lt_strdup(path);
    if (!p) return lt_fail(e, LT_ENOMEM, "%s: out of memory", path);
    lt_status s = LT_OK;
    for (char *c = p + 1; !s; c++) {
        if (*c != '/' && *c != '\0') continue;
        char keep = *c;
        *c = '\0';
        struct stat st;
        if (mkdir(p, 0777) && (errno != EEXIST || stat(p, &st) || !S_ISDIR(st.st_mode))) {
            if (errno == EEXIST) errno = ENOTDIR;
            s = lt_fail(e, LT_EIO, "%s: creating the folder: %s", p, strerror(errno));
        }
        *c = keep;
        if (!keep) break;
    }
    lt_free(p);
    return s;
}
