/* Room: run. Results that wait for others before them; see late.h. */
#include "run/late.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "run/engine.h"
#include "run/stages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const double worth_s = 1; /* of evaluation time */
enum { CRC_TAIL = 18, MAX_LATE_BYTES = 1 << 28 };

struct lt_late {
    char *path;
    const struct lt_score_names *names;
    int fd; /* -1 before the first one kept */
    int n;
    struct lt_json **rec;
    struct lt_buf buf, line;
};

static bool whole(const char *line, size_t n) {
    char want[CRC_TAIL + 1];
    if (n <= CRC_TAIL) return false;
    snprintf(want, sizeof(want), ",\"crc\":\"%08x\"}", (unsigned)lt_crc32(0, line, n - CRC_TAIL));
    return !memcmp(want, line + n - CRC_TAIL, CRC_TAIL);
}

static lt_status read_old(struct lt_late *l, struct lt_err *e) {
    struct lt_buf text = LT_BUF_INIT;
    lt_status s = lt_file_read(l->path, MAX_LATE_BYTES, &text, e);
    for (size_t i = 0; i < text.len && !s;) {
        const char *nl = memchr(text.data + i, '\n', text.len - i);
        size_t n = nl ? (size_t)(nl - text.data) - i : text.len - i;
        struct lt_json *j = NULL, **rec;
        if (whole(text.data + i, n) && !lt_json_parse(l->path, text.data + i, n, &j, NULL)) {
            if ((rec = lt_realloc(l->rec, (size_t)(l->n + 1) * sizeof(*rec)))) {
                l->rec = rec;
                l->rec[l->n++] = j;
            } else {
                lt_json_free(j);
                s = lt_fail(e, LT_ENOMEM, "%s", l->path);
            }
        }
        i += n + 1;
    }
    lt_buf_release(&text);
    return s;
}

lt_status lt_late_open(const struct lt_store *st, const struct lt_score_names *names, struct lt_late **out,
                       struct lt_err *e) {
    struct lt_late *l = lt_calloc(1, sizeof(*l));
    lt_status s = LT_OK;
    if (!l || !(l->path = lt_store_path(st, "late.jsonl"))) {
        lt_free(l);
        return lt_fail(e, LT_ENOMEM, "late results");
    }
    l->fd = -1;
    l->names = names;
    if (lt_path_exists(l->path) && (s = read_old(l, e))) {
        lt_late_close(l);
        return s;
    }
    *out = l;
    return LT_OK;
}

void lt_late_close(struct lt_late *l) {
    if (!l) return;
    for (int i = 0; i < l->n; i++) lt_json_free(l->rec[i]);
    if (l->fd >= 0) close(l->fd);
    lt_buf_release(&l->line);
    lt_buf_release(&l->buf);
    lt_free(l->rec);
    lt_free(l->path);
    lt_free(l);
}

bool lt_late_find(const struct lt_late *l, const char *arch, struct lt_scores *out, double *eval_s, char *why) {
    for (int i = 0; i < l->n; i++) {
        const char *key = lt_json_text(l->rec[i], "key"), *status = lt_json_text(l->rec[i], "status"),
                   *reason = lt_json_text(l->rec[i], "why");
        if (!key || !status || strcmp(key, arch) != 0) continue;
        *out = (struct lt_scores){.status = strcmp(status, lt_status_name(LT_OK)) ? LT_EFAIL : LT_OK};
        lt_scores_read(lt_json_get(l->rec[i], "scores"), l->names, out);
        *eval_s = lt_json_num_or(l->rec[i], "eval_s", 0);
        snprintf(why, LT_WHY_BYTES, "%s", reason ? reason : "");
        return true;
    }
    return false;
}

lt_status lt_late_keep(struct lt_late *l, const char *arch, const struct lt_scores *sc, double eval_s, const char *why,
                       struct lt_err *e) {
    struct lt_jw w;
    if (eval_s < worth_s) return LT_OK;
    if (l->fd < 0) l->fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (l->fd < 0) return lt_fail(e, LT_EIO, "%s: open: %s", l->path, strerror(errno));
    lt_record_begin(&w, &l->buf, "late", arch);
    lt_jw_kstr(&w, "status", lt_status_name(sc->status));
    lt_jw_kstr(&w, "why", why);
    lt_jw_knum(&w, "eval_s", eval_s);
    lt_jw_key(&w, "scores");
    lt_scores_write(&w, l->names, sc);
    lt_record_end(&w);
    lt_buf_clear(&l->line);
    lt_buf_puts(&l->line, "\n"); /* after a torn line the next one is whole again */
    lt_status s = lt_buf_ok(&l->buf, e);
    if (!s) s = lt_record_seal(&l->buf, &l->line, e);
    errno = 0; /* a short write leaves it */
    if (!s && write(l->fd, l->line.data, l->line.len) != (ssize_t)l->line.len)
        s = lt_fail(e, LT_EIO, "%s: write: %s; what is recorded so far is kept", l->path,
                    errno ? strerror(errno) : "no space");
    return s;
}

void lt_late_remove(struct lt_late *l) { unlink(l->path); }
