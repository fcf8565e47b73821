/* Base room: reading whole files, plain or gzip (through zlib), paths, and exclusive locks. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "lathe/file.h"
#include "lathe/mem.h"

lt_status lt_file_read(const char *path, size_t max_bytes, struct lt_buf *out, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    lt_status s = LT_OK;
    char part[65536];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return lt_fail(e, LT_EIO, "%s: %s", path, strerror(errno));
    if (!fstat(fd, &st) && S_ISDIR(st.st_mode)) {
        s = lt_fail(e, LT_EIO, "%s: is a folder, a file is needed", path);
        goto out;
    }
    for (;;) {
        ssize_t n = read(fd, part, sizeof part);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            s = lt_fail(e, LT_EIO, "%s: reading: %s", path, strerror(errno));
            goto out;
        }
        if (n == 0) break;
        if (b.len + (size_t)n > max_bytes) {
            s = lt_fail(e, LT_EINVAL, "%s: larger than the %zu bytes that are allowed here", path, max_bytes);
            goto out;
        }
        lt_buf_add(&b, part, (size_t)n);
    }
    lt_buf_add(&b, "", 0);
    if ((s = lt_buf_ok(&b, e))) goto out;
    lt_buf_release(out);
    *out = b;
    b = (struct lt_buf)LT_BUF_INIT;
out:
    lt_buf_release(&b);
    close(fd);
    return s;
}

lt_status lt_file_read_gz(const char *path, size_t max_bytes, struct lt_buf *out, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    lt_status s = LT_OK;
    char part[65536];
    errno = 0;
    gzFile f = gzopen(path, "rb");
    if (!f) return lt_fail(e, errno ? LT_EIO : LT_ENOMEM, "%s: %s", path, errno ? strerror(errno) : "out of memory");
    for (;;) {
        int n = gzread(f, part, sizeof part), code;
        if (n > 0) {
            if (b.len + (size_t)n > max_bytes) {
                s = lt_fail(e, LT_EINVAL, "%s: unpacks to more than the %zu bytes that are allowed here", path,
                            max_bytes);
                goto out;
            }
            lt_buf_add(&b, part, (size_t)n);
            continue;
        }
        const char *why = gzerror(f, &code);
        if (n == 0 && code == Z_OK) break;
        if (code == Z_BUF_ERROR) why = "the gzip stream ends too early";
        if (code == Z_ERRNO) why = strerror(errno);
        s = lt_fail(e, LT_EIO, "%s: after %zu unpacked bytes: %s", path, b.len, why);
        goto out;
    }
    lt_buf_add(&b, "", 0);
    if ((s = lt_buf_ok(&b, e))) goto out;
    lt_buf_release(out);
    *out = b;
    b = (struct lt_buf)LT_BUF_INIT;
out:
    lt_buf_release(&b);
    gzclose_r(f);
    return s;
}

bool lt_path_exists(const char *path) { return access(path, F_OK) == 0; }

char *lt_path_join(const char *dir, const char *name) {
    if (name[0] == '/' || !dir[0]) return lt_strdup(name);
    return lt_asprintf("%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name);
}

struct lt_lock {
    int fd;
};

/* Takes over fd. */
static lt_status lock_fd(const char *path, int fd, bool wait, struct lt_lock **out, struct lt_err *e) {
    lt_status s;
    struct lt_lock *l;
    int r;
    do r = flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
    while (r && errno == EINTR);
    if (r && (errno == ENOLCK || errno == EOPNOTSUPP)) r = 0; /* a file system without locks: they only stop mistakes */
    if (r)
        s = errno == EWOULDBLOCK ? lt_fail(e, LT_EUNAVAIL, "%s: held by another process", path)
                                 : lt_fail(e, LT_EIO, "%s: locking: %s", path, strerror(errno));
    else if (!(l = lt_calloc(1, sizeof *l)))
        s = lt_fail(e, LT_ENOMEM, "%s: out of memory", path);
    else {
        l->fd = fd;
        *out = l;
        return LT_OK;
    }
    close(fd);
    return s;
}

lt_status lt_lock_acquire(const char *path, bool wait, struct lt_lock **out, struct lt_err *e) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return lt_fail(e, LT_EIO, "%s: opening the lock file: %s", path, strerror(errno));
    return lock_fd(path, fd, wait, out, e);
}

/*
 * An existing file is opened without O_CREAT and for reading: Linux refuses O_CREAT on another user's file in a sticky
 * directory (fs.protected_regular), and flock needs no more. EACCES may pass: between its creation and fchmod a new
 * file has the mode that its maker's umask left. O_NONBLOCK: a fifo would wait for a writer.
 */
static int open_shared(const char *path) {
    int fd = -1;
    for (int i = 0; i < 10; i++) {
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 || (errno != ENOENT && errno != EACCES)) return fd;
        if (errno == EACCES) {
            if (i < 9) nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
            continue;
        }
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd >= 0 && fchmod(fd, 0666)) {
            int why = errno;
            close(fd);
            errno = why;
            return -1;
        }
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return fd;
}

lt_status lt_lock_acquire_shared(const char *path, struct lt_lock **out, struct lt_err *e) {
    struct stat held, now;
    for (;;) {
        struct lt_lock *l;
        lt_status s;
        int fd = open_shared(path);
        if (fd < 0)
            return lt_fail(e, LT_EIO, "%s: opening the lock file: %s", path,
                           errno == ELOOP ? "it is a symbolic link" : strerror(errno));
        if (fstat(fd, &held) || !S_ISREG(held.st_mode)) {
            close(fd);
            return lt_fail(e, LT_EIO, "%s: the lock file is not a regular file", path);
        }
        if ((s = lock_fd(path, fd, true, &l, e))) return s;
        /* Removed while we waited, by a cleaner of /tmp: others lock its successor. */
        if (!lstat(path, &now) && now.st_dev == held.st_dev && now.st_ino == held.st_ino) {
            *out = l;
            return LT_OK;
        }
        lt_lock_release(l);
    }
}

void lt_lock_release(struct lt_lock *l) {
    if (!l) return;
    close(l->fd);
    lt_free(l);
}
