/* Files: whole or not at all, truncated gzip, full disks, leftovers of killed processes, locks, checksums. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <dirent.h>
#include <zlib.h>

#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "tests/tap.h"

static char dir[64];

static char *in(const char *name) { /* few and small: never freed before the end */
    static char text[16][160];
    static int at;
    at = (at + 1) % 16;
    snprintf(text[at], sizeof text[at], "%s/%s", dir, name);
    return text[at];
}

static bool holds(const char *path, const char *want, size_t n) {
    struct lt_buf b = LT_BUF_INIT;
    bool same = !lt_file_read(path, 1 << 24, &b, NULL) && b.len == n && !memcmp(b.data, want, n);
    lt_buf_release(&b);
    return same;
}

static int entries(const char *where) {
    int n = 0;
    DIR *d = opendir(where);
    for (struct dirent *x; d && (x = readdir(d));) n += strcmp(x->d_name, ".") && strcmp(x->d_name, "..");
    if (d) closedir(d);
    return n;
}

/* Runs f in a child and returns its exit status. */
static int child(int (*f)(void)) {
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) _exit(f());
    int status = -1;
    while (waitpid(p, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void reading_and_writing(void) {
    struct lt_err e = {0};
    struct lt_buf b = LT_BUF_INIT;
    lt_ok(!lt_mkdirs(in("x/y//z/"), &e) && lt_path_exists(in("x/y/z")), "folders are made %s", e.msg);
    lt_ok(!lt_mkdirs(in("x/y/z"), &e), "and may be there already");
    lt_ok(!lt_file_write_atomic(in("a"), "one", 3, &e) && holds(in("a"), "one", 3), "written and read %s", e.msg);
    lt_ok(!lt_file_write_atomic(in("a"), "two\0!", 5, &e) && holds(in("a"), "two\0!", 5),
          "replaced, NUL bytes included");
    lt_ok(!lt_file_write_atomic(in("empty"), NULL, 0, &e) && holds(in("empty"), "", 0), "an empty file");
    lt_buf_puts(&b, "before");
    lt_ok(lt_file_read(in("a"), 4, &b, &e) == LT_EINVAL && !strcmp(b.data, "before"),
          "too large, and the output is untouched: %s", e.msg);
    lt_ok(!lt_file_read(in("a"), 5, &b, &e) && b.len == 5, "exactly the size allowed");
    lt_ok(lt_file_read(in("none"), 100, &b, &e) == LT_EIO && strstr(e.msg, "none"), "no such file: %s", e.msg);
    lt_ok(lt_file_read(dir, 100, &b, &e) == LT_EIO && strstr(e.msg, dir), "a folder: %s", e.msg);
    lt_ok(lt_mkdirs(in("a/b"), &e) == LT_EIO && strstr(e.msg, "a"), "a file in the way: %s", e.msg);
    lt_ok(lt_file_write_atomic(in("none/a"), "x", 1, &e) == LT_EIO && strstr(e.msg, "creating"), "no such folder: %s",
          e.msg);
    lt_ok(lt_file_write_atomic(in("x"), "x", 1, &e) == LT_EIO && strstr(e.msg, "renaming"), "a folder in the way: %s",
          e.msg);
    lt_ok(entries(dir) == 3, "nothing else is left in the folder (%d entries)", entries(dir));
    lt_buf_release(&b);
    char *p = lt_path_join("d", "n"), *q = lt_path_join("d/", "n"), *r = lt_path_join("d", "/n"),
         *s = lt_path_join("", "n");
    lt_ok(!strcmp(p, "d/n") && !strcmp(q, "d/n") && !strcmp(r, "/n") && !strcmp(s, "n"), "paths are joined");
    lt_free(p), lt_free(q), lt_free(r), lt_free(s);
}

/* A disk that is full: a file size limit makes write fail with EFBIG, in the middle of the file. */
static int write_too_much(void) {
    struct rlimit lim = {1000, 1000};
    static char big[5000];
    struct lt_err e = {0};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &lim)) return 1;
    if (lt_file_write_atomic(in("a"), big, sizeof big, &e) != LT_EIO) return 2;
    return strstr(e.msg, "writing") && strstr(e.msg, strerror(EFBIG)) ? 0 : 3;
}

static void full_disk(void) {
    int before = entries(dir);
    int r = child(write_too_much);
    lt_ok(r == 0, "a write that stops half way is an error that names the step (%d)", r);
    lt_ok(holds(in("a"), "two\0!", 5) && entries(dir) == before,
          "the old file is still whole and no temporary is left");

    struct lt_err e = {0};
    lt_ok(lt_file_write_atomic("/proc/lathe-none", "x", 1, &e) == LT_EIO && strstr(e.msg, "/proc/lathe-none"),
          "a folder that takes no files: %s", e.msg);
}

/* A child that is killed between two writes, again and again: the file is always one whole version. */
static int write_for_ever(void) {
    static char v[200000];
    for (unsigned i = 0;; i++) {
        memset(v, 'a' + (int)(i % 26), sizeof v);
        lt_file_write_atomic(in("killed"), v, sizeof v, NULL);
    }
    return 0;
}

static void killed(void) {
    struct lt_rng r;
    int torn = 0, seen = 0;
    lt_rng_at(&r, 5, LT_RNG_TEST, 0, 0);
    for (int i = 0; i < 20; i++) {
        fflush(stdout);
        pid_t p = fork();
        if (p == 0) _exit(write_for_ever());
        usleep(2000 + lt_rng_below(&r, 8000));
        kill(p, SIGKILL);
        waitpid(p, NULL, 0);
        struct lt_buf b = LT_BUF_INIT;
        if (!lt_path_exists(in("killed"))) continue;
        seen++;
        bool whole = !lt_file_read(in("killed"), 1 << 20, &b, NULL) && b.len == 200000;
        for (size_t k = 1; whole && k < b.len; k++) whole = b.data[k] == b.data[0];
        torn += !whole;
        lt_buf_release(&b);
    }
    lt_ok(seen > 0 && torn == 0, "killed 20 times while writing: %d files seen, %d torn", seen, torn);
    struct lt_err e = {0};
    lt_ok(!lt_sweep_temporaries(dir, &e), "leftovers are swept %s", e.msg);
    unlink(in("killed"));
    lt_ok(entries(dir) == 3, "and gone (%d entries)", entries(dir));
}

static int nothing(void) { return 0; }

static void touch(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT, 0666);
    if (fd >= 0) close(fd);
}

static void sweeping(void) {
    char dead[80], live[80], odd[80], mine[80];
    struct lt_err e = {0};
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) _exit(nothing());
    waitpid(p, NULL, 0); /* now surely a dead process */
    snprintf(dead, sizeof dead, ".f.tmp.x.tmp.%ld.3", (long)p);
    snprintf(live, sizeof live, ".f.tmp.%ld.3", (long)getpid());
    snprintf(odd, sizeof odd, ".f.tmp.%ld", (long)p);
    snprintf(mine, sizeof mine, "f.tmp.%ld.1", (long)p);
    const char *all[] = {dead, live, odd, mine};
    for (int i = 0; i < 4; i++) touch(in(all[i]));
    lt_ok(!lt_sweep_temporaries(dir, &e), "swept %s", e.msg);
    lt_ok(!lt_path_exists(in(dead)), "a dead process's temporary is removed");
    lt_ok(lt_path_exists(in(live)), "a live process's stays");
    lt_ok(lt_path_exists(in(odd)) && lt_path_exists(in(mine)), "files that only look similar stay");
    for (int i = 1; i < 4; i++) unlink(in(all[i]));
    lt_ok(!lt_sweep_temporaries(in("none"), &e), "a folder that does not exist has none");

    /* In containers a new process often has the pid of the killed one. */
    for (int i = 0; i < 200; i++) {
        char name[80];
        snprintf(name, sizeof name, ".same.tmp.%ld.%d", (long)getpid(), i);
        touch(in(name));
    }
    lt_ok(!lt_file_write_atomic(in("same"), "x", 1, &e) && holds(in("same"), "x", 1),
          "leftovers of a process with our pid do not stop us %s", e.msg);
    for (int i = 0; i < 200; i++) {
        char name[80];
        snprintf(name, sizeof name, ".same.tmp.%ld.%d", (long)getpid(), i);
        unlink(in(name));
    }
    unlink(in("same"));
}

static void gzip(void) {
    enum { N = 300000 };
    static unsigned char raw[N];
    struct lt_rng r;
    struct lt_buf b = LT_BUF_INIT, z = LT_BUF_INIT;
    struct lt_err e = {0};
    lt_rng_at(&r, 9, LT_RNG_TEST, 0, 0);
    for (int i = 0; i < N; i++) raw[i] = (unsigned char)lt_rng_below(&r, 40);
    gzFile f = gzopen(in("g.gz"), "wb");
    lt_ok(f && gzwrite(f, raw, N) == N && gzclose(f) == Z_OK, "a gzip file to read");
    lt_ok(!lt_file_read_gz(in("g.gz"), N, &b, &e) && b.len == N && !memcmp(b.data, raw, N), "reads back equal %s",
          e.msg);
    lt_ok(lt_file_read_gz(in("g.gz"), N - 1, &b, &e) == LT_EINVAL && b.len == N, "a limit on what it unpacks to: %s",
          e.msg);
    LT_CHECK(!lt_file_read(in("g.gz"), 1 << 24, &z, NULL));
    int wrong = 0;
    size_t cut[] = {2, 5, 9, 10, 11, 100, z.len / 2, z.len - 9, z.len - 8, z.len - 5, z.len - 1};
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        LT_CHECK(!lt_file_write_atomic(in("torn.gz"), z.data, cut[i], NULL));
        lt_status s = lt_file_read_gz(in("torn.gz"), 1 << 24, &b, &e);
        if (s != LT_EIO || b.len != N || !strstr(e.msg, "torn.gz"))
            lt_note("cut at %zu: status %d %s", cut[i], s, e.msg), wrong++;
    }
    lt_ok(wrong == 0, "cut anywhere it is torn, and said so: %s", e.msg);
    z.data[z.len / 2] ^= 0x55;
    LT_CHECK(!lt_file_write_atomic(in("torn.gz"), z.data, z.len, NULL));
    lt_ok(lt_file_read_gz(in("torn.gz"), 1 << 24, &b, &e) == LT_EIO, "a flipped byte: %s", e.msg);
    lt_ok(!lt_file_read_gz(in("a"), 100, &b, &e) && b.len == 5, "a plain file is read as it is");
    lt_ok(lt_file_read_gz(in("none"), 100, &b, &e) == LT_EIO && strstr(e.msg, "none"), "no such file: %s", e.msg);
    lt_buf_release(&b);
    lt_buf_release(&z);
    unlink(in("g.gz"));
    unlink(in("torn.gz"));
}

static int lock_elsewhere(void) {
    struct lt_lock *l = NULL;
    struct lt_err e;
    lt_status s = lt_lock_acquire(in("lock"), false, &l, &e);
    return s == LT_OK ? 0 : s == LT_EUNAVAIL ? 3 : 1;
}

static void locks(void) {
    struct lt_lock *l = NULL;
    struct lt_err e = {0};
    lt_ok(!lt_lock_acquire(in("lock"), false, &l, &e) && l, "a lock is taken %s", e.msg);
    lt_ok(child(lock_elsewhere) == 3, "nobody else gets it");
    lt_lock_release(l);
    lt_ok(child(lock_elsewhere) == 0, "once released, others do");
    l = NULL;
    lt_ok(!lt_lock_acquire(in("lock"), true, &l, &e), "and it vanished with that process");
    lt_lock_release(l);
    lt_lock_release(NULL);
    lt_ok(lt_lock_acquire(in("none/lock"), true, &l, &e) == LT_EIO, "a lock file that cannot be made: %s", e.msg);
    unlink(in("lock"));
}

static char shared[64]; /* in /tmp itself, where other users can reach it */

static int shared_elsewhere(void) {
    struct lt_lock *l = NULL;
    struct lt_err e;
    if (geteuid() == 0 && setuid(65534)) return 2; /* somebody else, where this process may become that */
    return lt_lock_acquire_shared(shared, &l, &e) == LT_OK ? 0 : 1;
}

static void shared_locks(void) {
    struct lt_lock *l = NULL;
    struct lt_err e = {0};
    struct stat st;
    snprintf(shared, sizeof(shared), "/tmp/lathe-t-file-%d.lock", (int)getpid());
    mode_t was = umask(077);
    lt_status s = lt_lock_acquire_shared(shared, &l, &e);
    umask(was);
    lt_ok(!s && !stat(shared, &st) && (st.st_mode & 0777) == 0666, "a shared lock is for all, whatever the umask: %s",
          e.msg);
    int fd = open(shared, O_RDONLY);
    lt_ok(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK, "and it is held");
    close(fd);
    lt_lock_release(l);
    lt_ok(child(shared_elsewhere) == 0, "released, another %s gets it", geteuid() ? "process" : "user");
    l = NULL;
    lt_ok(!lt_lock_acquire_shared(shared, &l, &e), "and again, though the file is there already");
    lt_lock_release(l);
    unlink(shared);
    lt_ok(!symlink(in("elsewhere"), shared) && lt_lock_acquire_shared(shared, &l, &e) == LT_EIO &&
              access(in("elsewhere"), F_OK),
          "no symbolic link is followed: %s", e.msg);
    unlink(shared);
    lt_ok(!mkfifo(shared, 0600) && lt_lock_acquire_shared(shared, &l, &e) == LT_EIO, "nor a fifo waited for: %s",
          e.msg);
    unlink(shared);
}

static void sums(void) {
    lt_ok(lt_crc32(0, "123456789", 9) == 0xCBF43926u, "CRC-32 check value");
    lt_ok(lt_crc32(lt_crc32(0, "12345", 5), "6789", 4) == 0xCBF43926u && lt_crc32(0, "", 0) == 0,
          "in pieces, and of nothing");
    int flips = 0;
    char t[32] = "the quick brown fox jumps over..";
    uint64_t h = lt_hash64(t, 32, 0);
    for (int bit = 0; bit < 256; bit++) {
        t[bit / 8] ^= (char)(1 << bit % 8);
        flips += __builtin_popcountll(h ^ lt_hash64(t, 32, 0));
        t[bit / 8] ^= (char)(1 << bit % 8);
    }
    /* Each of 256 flips should change 32 of 64 bits: 8192 of 16384, standard deviation 64. */
    lt_ok(flips > 8192 - 640 && flips < 8192 + 640, "one flipped bit changes half of the hash (%d of 16384 bits)",
          flips);
    lt_ok(lt_hash64(t, 32, 0) != lt_hash64(t, 32, 1) && lt_hash64(t, 31, 0) != h, "seed and length count");
    lt_ok(lt_hash64("", 0, 0) == 0xc3817c016ba4ff30u, "a value that must never change: %016llx",
          (unsigned long long)lt_hash64("", 0, 0));
    lt_ok(lt_hash64("lathe", 5, 42) == 0x4c6b9f47a815d076u, "another: %016llx",
          (unsigned long long)lt_hash64("lathe", 5, 42));
}

int main(void) {
    snprintf(dir, sizeof dir, "t_file.%ld", (long)getpid());
    LT_CHECK(!lt_mkdirs(dir, NULL));
    reading_and_writing();
    full_disk();
    killed();
    sweeping();
    gzip();
    locks();
    shared_locks();
    sums();
    unlink(in("a"));
    unlink(in("empty"));
    const char *made[] = {"x/y/z", "x/y", "x"};
    for (int i = 0; i < 3; i++) rmdir(in(made[i]));
    lt_ok(entries(dir) == 0 && rmdir(dir) == 0, "nothing is left on disk");
    lt_ok(lt_mem_live() == 0, "no memory is left behind");
    return lt_done();
}
