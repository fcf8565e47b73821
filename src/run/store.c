/* Room: run. The journal; see store.h. */
#include "run/store.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "run/syncer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CRC_TAIL = 18 }; /* ,"crc":"01234567"} */
static const size_t max_journal = (size_t)1 << 31;
static const char journal_name[] = "evaluations.jsonl";

struct record {
    uint64_t hash;
    struct lt_json *json;
    const char *type, *key;
};

struct lt_store {
    char *dir, *path;
    struct lt_comm *comm;
    struct lt_lock *lock;
    int fd; /* rank 0 only, else -1 */
    int n, cap;
    struct record *rec;
    int n_slots, *slot;     /* open addressing: record index + 1, 0 = free */
    struct lt_buf queue;    /* sealed lines that are not written */
    struct lt_buf unshared; /* written by rank 0, and not known to the others yet */
    bool unsynced, solo;
    struct lt_syncer *syncer;
    double synced_s; /* when fsync was called last */
};

static uint64_t record_hash(const char *type, const char *key) {
    return lt_hash64(key, strlen(key), lt_hash64(type, strlen(type), 1));
}

static int find(const struct lt_store *st, const char *type, const char *key) {
    if (!st->n_slots) return -1;
    uint64_t h = record_hash(type, key);
    for (int i = (int)(h & (uint64_t)(st->n_slots - 1)); st->slot[i]; i = (i + 1) & (st->n_slots - 1)) {
        const struct record *r = &st->rec[st->slot[i] - 1];
        if (r->hash == h && !strcmp(r->type, type) && !strcmp(r->key, key)) return st->slot[i] - 1;
    }
    return -1;
}

static void put_slot(struct lt_store *st, int index) {
    int i = (int)(st->rec[index].hash & (uint64_t)(st->n_slots - 1));
    while (st->slot[i]) i = (i + 1) & (st->n_slots - 1);
    st->slot[i] = index + 1;
}

static lt_status grow(struct lt_store *st, struct lt_err *e) {
    int cap = st->cap ? 2 * st->cap : 256;
    struct record *r = lt_realloc(st->rec, (size_t)cap * sizeof(*r));
    if (r) st->rec = r;
    int *slot = lt_calloc((size_t)cap * 2, sizeof(*slot));
    if (!r || !slot) {
        lt_free(slot);
        return lt_fail(e, LT_ENOMEM, "%s: records", st->path);
    }
    lt_free(st->slot);
    st->slot = slot;
    st->n_slots = 2 * cap;
    st->cap = cap;
    for (int i = 0; i < st->n; i++) put_slot(st, i);
    return LT_OK;
}

/* One line with a good CRC. */
static lt_status index_line(struct lt_store *st, const char *line, size_t len, int line_no, struct lt_err *e) {
    struct lt_json *j = NULL;
    struct lt_err why = {0};
    const char *type, *key;
    char *name = lt_asprintf("%s:%d", st->path, line_no);
    lt_status s = name ? lt_json_parse(name, line, len, &j, e) : lt_fail(e, LT_ENOMEM, "%s", st->path);
    if (s) goto out;
    if (lt_json_str(j, "type", &type, &why) || lt_json_str(j, "key", &key, &why)) {
        s = lt_fail(e, LT_EIO, "%s: not a record of a run: %s", name, why.msg);
        goto out;
    }
    if (find(st, type, key) >= 0) {
        s = lt_fail(e, LT_EIO, "%s: a second record '%s' for '%s'", name, type, key);
        goto out;
    }
    if (st->n == st->cap && (s = grow(st, e))) goto out;
    st->rec[st->n] = (struct record){.hash = record_hash(type, key), .json = j, .type = type, .key = key};
    put_slot(st, st->n++);
    j = NULL;
out:
    lt_json_free(j);
    lt_free(name);
    return s;
}

/* Length of the good part of the journal in text; what follows is one torn line. */
static lt_status check_lines(const char *path, const char *text, size_t len, size_t *good, struct lt_err *e) {
    size_t at = 0;
    for (int line = 1; at < len; line++) {
        const char *nl = memchr(text + at, '\n', len - at);
        size_t n = nl ? (size_t)(nl - (text + at)) : len - at;
        const char *why = NULL;
        char want[CRC_TAIL + 1];
        if (!nl) {
            why = "is not terminated";
        } else if (n <= CRC_TAIL || memcmp(text + at + n - CRC_TAIL, ",\"crc\":\"", 8)) {
            why = "has no CRC";
        } else {
            snprintf(want, sizeof(want), ",\"crc\":\"%08x\"}", (unsigned)lt_crc32(0, text + at, n - CRC_TAIL));
            if (memcmp(want, text + at + n - CRC_TAIL, CRC_TAIL)) why = "does not match its CRC";
        }
        if (why) {
            if (nl && at + n + 1 < len)
                return lt_fail(e, LT_EIO,
                               "%s:%d:1: the record %s, and others follow it: the file was damaged by something else "
                               "than an interrupted run; "
                               "restore it, or start again in another folder (-o)",
                               path, line, why);
            break;
        }
        at += n + 1;
    }
    *good = at;
    return LT_OK;
}

static lt_status index_all(struct lt_store *st, const char *text, size_t len, struct lt_err *e) {
    int line = 1;
    for (size_t at = 0; at < len; line++) {
        const char *nl = memchr(text + at, '\n', len - at);
        size_t n = (size_t)(nl - (text + at));
        lt_status s = index_line(st, text + at, n, line, e);
        if (s) return s;
        at += n + 1;
    }
    return LT_OK;
}

static lt_status store_new(const char *dir, struct lt_comm *comm, struct lt_store **out, struct lt_err *e) {
    struct lt_store *st = lt_calloc(1, sizeof(*st));
    if (st) {
        st->fd = -1;
        st->comm = comm;
        st->dir = lt_strdup(dir);
        st->path = lt_path_join(dir, journal_name);
    }
    if (!st || !st->dir || !st->path) {
        lt_store_close(st);
        return lt_fail(e, LT_ENOMEM, "%s", dir);
    }
    *out = st;
    return LT_OK;
}

/* Another run that was killed a moment ago may still hold the lock: a few tries before giving up. */
static lt_status take_lock(struct lt_store *st, struct lt_err *e) {
    struct lt_err why = {0};
    char *path = lt_path_join(st->dir, "lock");
    lt_status s = path ? LT_OK : lt_fail(e, LT_ENOMEM, "%s", st->dir);
    for (int i = 0; !s; i++) {
        s = lt_lock_acquire(path, false, &st->lock, &why);
        if (s != LT_EUNAVAIL) {
            if (s) lt_fail(e, s, "%s", why.msg);
            break;
        }
        if (i == 30) {
            s = lt_fail(e, LT_EFAIL, "%s: another lathe is working in this folder", st->dir);
            break;
        }
        s = LT_OK;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    lt_free(path);
    return s;
}

/* Rank 0: lock, read, drop what is torn, open for appending. */
static lt_status open_writer(struct lt_store *st, struct lt_buf *text, const struct lt_ui *ui, struct lt_err *e) {
    size_t good = 0;
    lt_status s;
    if ((s = lt_mkdirs(st->dir, e)) || (s = take_lock(st, e)) || (s = lt_sweep_temporaries(st->dir, e))) return s;
    if (lt_path_exists(st->path)) {
        if ((s = lt_file_read(st->path, max_journal, text, e))) return s;
        if ((s = check_lines(st->path, text->data, text->len, &good, e))) return s;
    }
    st->fd = open(st->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (st->fd < 0) return lt_fail(e, LT_EIO, "%s: open: %s", st->path, strerror(errno));
    if (good < text->len) {
        lt_ui_say(ui, LT_UI_WARN, "%s: the last record was torn by an interruption (%zu bytes) and is dropped",
                  st->path, text->len - good);
        if (ftruncate(st->fd, (off_t)good) || fsync(st->fd))
            return lt_fail(e, LT_EIO, "%s: truncate: %s", st->path, strerror(errno));
        text->len = good;
    }
    return LT_OK;
}

/* Rank 0's bytes on all ranks. */
static lt_status share(struct lt_comm *c, struct lt_buf *b, struct lt_err *e) {
    size_t n = b->len;
    lt_status s = lt_comm_bcast(c, &n, sizeof(n), 0, e);
    if (s || c->size == 1) return s;
    char *p = lt_malloc(n + 1);
    s = lt_comm_agree(c, p ? LT_OK : lt_fail(e, LT_ENOMEM, "journal of %zu bytes", n), e);
    if (!s && c->rank == 0 && n) memcpy(p, b->data, n);
    if (!s) s = lt_comm_bcast(c, p, n, 0, e);
    if (!s && c->rank) {
        lt_buf_clear(b);
        lt_buf_add(b, p, n);
    }
    lt_free(p);
    return lt_comm_agree(c, s ? s : lt_buf_ok(b, e), e);
}

lt_status lt_store_open(const char *dir, struct lt_comm *comm, const struct lt_ui *ui, struct lt_store **out,
                        struct lt_err *e) {
    struct lt_store *st = NULL;
    struct lt_buf text = LT_BUF_INIT;
    lt_status s = store_new(dir, comm, &st, e);
    if (!s && comm->rank == 0) s = open_writer(st, &text, ui, e);
    if ((s = lt_comm_agree(comm, s, e))) goto out;
    if ((s = share(comm, &text, e))) goto out;
    s = lt_comm_agree(comm, index_all(st, text.data, text.len, e), e);
    if (s) goto out;
    *out = st;
    st = NULL;
out:
    lt_buf_release(&text);
    lt_store_close(st);
    return s;
}

static void forget(struct lt_store *st) {
    for (int i = 0; i < st->n; i++) lt_json_free(st->rec[i].json);
    lt_free(st->rec);
    lt_free(st->slot);
    st->rec = NULL;
    st->slot = NULL;
    st->n = st->cap = st->n_slots = 0;
}

void lt_store_close(struct lt_store *st) {
    if (!st) return;
    forget(st);
    lt_buf_release(&st->queue);
    lt_buf_release(&st->unshared);
    lt_syncer_free(st->syncer);
    if (st->fd >= 0) close(st->fd);
    lt_lock_release(st->lock);
    lt_free(st->path);
    lt_free(st->dir);
    lt_free(st);
}

const char *lt_store_dir(const struct lt_store *st) { return st->dir; }

char *lt_store_path(const struct lt_store *st, const char *name) { return lt_path_join(st->dir, name); }

const struct lt_json *lt_store_find(const struct lt_store *st, const char *type, const char *key) {
    int i = find(st, type, key ? key : "");
    return i < 0 ? NULL : st->rec[i].json;
}

int lt_store_count(const struct lt_store *st) { return st->n; }

const struct lt_json *lt_store_at(const struct lt_store *st, int i) { return st->rec[i].json; }

void lt_record_begin(struct lt_jw *w, struct lt_buf *b, const char *type, const char *key) {
    lt_buf_clear(b);
    lt_jw_init(w, b);
    lt_jw_obj(w);
    lt_jw_kstr(w, "type", type);
    lt_jw_kstr(w, "key", key ? key : "");
}

void lt_record_end(struct lt_jw *w) { lt_jw_obj_end(w); }

lt_status lt_record_seal(const struct lt_buf *record, struct lt_buf *line, struct lt_err *e) {
    size_t n = record->len;
    while (n && (record->data[n - 1] == '\n' || record->data[n - 1] == ' ')) n--;
    LT_CHECK(n > 2 && record->data[n - 1] == '}' && !memchr(record->data, '\n', n));
    n--;
    lt_buf_add(line, record->data, n);
    lt_buf_printf(line, ",\"crc\":\"%08x\"}\n", (unsigned)lt_crc32(0, record->data, n));
    return lt_buf_ok(line, e);
}

lt_status lt_store_add(struct lt_store *st, struct lt_buf *b, struct lt_err *e) {
    lt_status s = lt_buf_ok(b, e);
    if (!s) s = lt_record_seal(b, &st->queue, e);
    lt_buf_clear(b);
    return s;
}

/* Rank 0: each queued line with one write. A line that could not be written whole is taken back. */
static lt_status write_queue(struct lt_store *st, struct lt_err *e) {
    const char *p = st->queue.data, *end = p + st->queue.len;
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)(nl - p) + 1;
        off_t before = lseek(st->fd, 0, SEEK_END);
        for (size_t done = 0; done < n;) { /* a short write goes on, to learn why it was short */
            ssize_t k = write(st->fd, p + done, n - done);
            if (k < 0 && errno == EINTR) continue;
            if (k <= 0) {
                int why = k < 0 ? errno : ENOSPC;
                lt_status s =
                    lt_fail(e, LT_EIO, "%s: write: %s; what is recorded so far is kept", st->path, strerror(why));
                if (done && before >= 0 && ftruncate(st->fd, before))
                    s = lt_fail(e, LT_EIO, "%s: write: %s; truncate: %s", st->path, strerror(why), strerror(errno));
                return s;
            }
            done += (size_t)k;
        }
        st->unsynced = true;
        p += n;
    }
    return LT_OK;
}

static lt_status sync_file(struct lt_store *st, struct lt_err *e) {
    lt_status s = lt_syncer_wait(st->syncer, st->path, e);
    if (s || !st->unsynced) return s;
    if (fsync(st->fd)) return lt_fail(e, LT_EIO, "%s: fsync: %s", st->path, strerror(errno));
    st->unsynced = false;
    st->synced_s = lt_now_s();
    return LT_OK;
}

lt_status lt_store_append(struct lt_store *st, struct lt_err *e) {
    lt_status s;
    LT_CHECK(st->comm->rank == 0);
    if ((s = write_queue(st, e)) || (s = index_all(st, st->queue.data, st->queue.len, e))) return s;
    if (st->comm->size > 1 && !st->solo) lt_buf_add(&st->unshared, st->queue.data, st->queue.len);
    lt_buf_clear(&st->queue);
    return lt_buf_ok(&st->unshared, e);
}

void lt_store_solo(struct lt_store *st) { st->solo = true; }

lt_status lt_store_sync(struct lt_store *st, double age_s, struct lt_err *e) {
    bool begun;
    if (age_s <= 0) return sync_file(st, e);
    if (!st->unsynced || lt_now_s() - st->synced_s < age_s) return LT_OK;
    lt_status s = lt_syncer_request(&st->syncer, st->fd, st->path, &begun, e);
    if (!s && begun) {
        st->unsynced = false; /* what is written from now on is again */
        st->synced_s = lt_now_s();
    }
    return s;
}

lt_status lt_store_commit(struct lt_store *st, lt_status mine, struct lt_err *e) {
    struct lt_comm *c = st->comm;
    lt_status s = lt_comm_agree(c, mine, e);
    if (c->rank) lt_buf_clear(&st->queue);
    if (!s) {
        if (c->rank == 0) {
            s = st->queue.len ? lt_store_append(st, e) : LT_OK;
            if (!s) s = sync_file(st, e);
        }
        s = lt_comm_agree(c, s, e);
    }
    if (!s && !st->solo) s = share(c, &st->unshared, e);
    if (!s && !st->solo)
        s = lt_comm_agree(c, c->rank ? index_all(st, st->unshared.data, st->unshared.len, e) : LT_OK, e);
    lt_buf_clear(&st->queue);
    lt_buf_clear(&st->unshared);
    return s;
}

/* The journal comes last, and is replaced whole: until then it says whose run this is, and the same command does this
 * again. */
static lt_status move_aside(struct lt_store *st, bool keep_weights, struct lt_err *e) {
    static const char *const what[] = {"weights",     "deploy",          "summary.json",
                                       "report.html", "experiment.yaml", "late.jsonl"};
    const size_t n_what = sizeof(what) / sizeof(what[0]);
    struct lt_buf text = LT_BUF_INIT;
    char *to = NULL, *copy = NULL;
    lt_status s = LT_OK;
    for (int n = 1; n < 10000; n++) {
        lt_free(to);
        if (!(to = lt_asprintf("%s/old-%d", st->dir, n))) return lt_fail(e, LT_ENOMEM, "%s", st->dir);
        if (!lt_path_exists(to)) break;
    }
    s = lt_mkdirs(to, e);
    for (size_t i = keep_weights; !s && i < n_what; i++) {
        char *a = lt_path_join(st->dir, what[i]), *b = lt_path_join(to, what[i]);
        if (!a || !b)
            s = lt_fail(e, LT_ENOMEM, "%s", st->dir);
        else if (lt_path_exists(a) && rename(a, b))
            s = lt_fail(e, LT_EIO, "%s: rename to %s: %s", a, b, strerror(errno));
        lt_free(a);
        lt_free(b);
    }
    if (!s && !(copy = lt_path_join(to, journal_name))) s = lt_fail(e, LT_ENOMEM, "%s", st->dir);
    if (!s) s = lt_file_read(st->path, max_journal, &text, e);
    if (!s) s = lt_file_write_atomic(copy, text.data, text.len, e);
    if (!s) s = lt_file_write_atomic(st->path, st->queue.len ? st->queue.data : "", st->queue.len, e);
    lt_buf_release(&text);
    lt_free(copy);
    lt_free(to);
    if (!s) s = lt_syncer_wait(st->syncer, st->path, e);
    if (s) return s;
    close(st->fd);
    st->fd = open(st->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    return st->fd < 0 ? lt_fail(e, LT_EIO, "%s: open: %s", st->path, strerror(errno)) : LT_OK;
}

lt_status lt_store_restart(struct lt_store *st, bool keep_weights, struct lt_err *e) {
    lt_status s = LT_OK;
    if (st->comm->rank == 0) s = move_aside(st, keep_weights, e);
    s = lt_comm_agree(st->comm, s, e);
    if (!s) forget(st);
    lt_buf_clear(&st->unshared);
    if (!s) s = share(st->comm, &st->queue, e);
    if (!s) s = lt_comm_agree(st->comm, index_all(st, st->queue.data, st->queue.len, e), e);
    lt_buf_clear(&st->queue);
    return s;
}
