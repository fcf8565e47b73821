/* The journal: what was committed is there again; a torn end is dropped, a damaged middle and a foreign file are
 * refused with file and line. */
#include "lathe/comm.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "run/store.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/lathe-t_store-XXXXXX";

static lt_status put(struct lt_store *st, int i, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw w;
    char key[32];
    snprintf(key, sizeof(key), "item %d", i);
    lt_record_begin(&w, &b, "thing", key);
    lt_jw_kint(&w, "value", 10 * i);
    lt_jw_kstr(&w, "text", "line\nbreak \"quoted\" }{");
    lt_record_end(&w);
    lt_status s = lt_store_add(st, &b, e);
    lt_buf_release(&b);
    return s;
}

static lt_status fill(struct lt_comm *c, const char *where, int n, struct lt_err *e) {
    struct lt_store *st = NULL;
    lt_status s = lt_store_open(where, c, NULL, &st, e);
    for (int i = 0; i < n && !s; i++) {
        s = c->rank == 0 ? put(st, i, e) : LT_OK;
        if (!s && i % 3 == 2) s = lt_store_commit(st, LT_OK, e);
    }
    if (!s) s = lt_store_commit(st, LT_OK, e);
    lt_store_close(st);
    return s;
}

static bool has(const struct lt_store *st, int i) {
    char key[32];
    double v = 0;
    snprintf(key, sizeof(key), "item %d", i);
    const struct lt_json *r = lt_store_find(st, "thing", key);
    return r && !lt_json_num(r, "value", &v, NULL) && v == 10 * i;
}

/* Opens a journal of this text. */
static lt_status open_text(struct lt_comm *c, const char *text, size_t n, struct lt_store **st, struct lt_err *e) {
    char *path = lt_path_join(dir, "evaluations.jsonl");
    struct lt_err mine = {0};
    lt_status s = lt_file_write_atomic(path, text, n, e);
    *st = NULL;
    if (!s) s = lt_store_open(dir, c, NULL, st, &mine);
    if (s) lt_fail(e, s, "%s", mine.msg);
    lt_free(path);
    return s;
}

/* What rank 0 appends alone is found there at once, in the file, and everywhere after the next commit; unless solo. */
static lt_status alone(struct lt_comm *c, void *arg, struct lt_err *e) {
    struct lt_store *st = NULL;
    lt_status s = lt_store_open(arg, c, NULL, &st, e);
    if (s) goto out;
    if (c->rank == 0 && !(s = put(st, 300, e)) && !(s = lt_store_append(st, e)) && !(s = lt_store_sync(st, 0, e)) &&
        !has(st, 300))
        s = lt_fail(e, LT_EFAIL, "rank 0 does not find what it appended");
    if (!s && c->rank && has(st, 300)) s = lt_fail(e, LT_EFAIL, "known before the commit");
    if ((s = lt_store_commit(st, s, e))) goto out;
    if (!has(st, 300)) s = lt_fail(e, LT_EFAIL, "rank %d does not know it after the commit", c->rank);
    lt_store_solo(st);
    if (!s && c->rank == 0) s = put(st, 301, e);
    if ((s = lt_store_commit(st, s, e))) goto out;
    if (has(st, 301) != (c->rank == 0)) s = lt_fail(e, LT_EFAIL, "rank %d: a record for rank 0 alone", c->rank);
    s = lt_comm_agree(c, s, e);
out:
    lt_store_close(st);
    return s;
}

static lt_status on_ranks(struct lt_comm *c, void *arg, struct lt_err *e) {
    struct lt_store *st = NULL;
    lt_status s = lt_store_open(arg, c, NULL, &st, e);
    if (!s && c->rank == 0) s = put(st, 100, e);
    if ((s = st ? lt_store_commit(st, s, e) : s)) goto out;
    if (!has(st, 3) || !has(st, 100) || lt_store_count(st) != 11)
        s = lt_fail(e, LT_EFAIL, "rank %d misses records", c->rank);
    if ((s = lt_comm_agree(c, s, e))) goto out;
    if (c->rank == 0) s = put(st, 200, e);
    /* a rank that failed: nothing of the batch is written */
    s = lt_store_commit(st, c->rank == 1 ? lt_fail(e, LT_EINVAL, "not me") : s, e);
    s = s == LT_EINVAL && lt_store_count(st) == 11
            ? LT_OK
            : lt_fail(e, LT_EFAIL, "rank %d: a failed commit gave %s", c->rank, lt_status_name(s));
out:
    lt_store_close(st);
    return s;
}

int main(void) {
    struct lt_comm *c = NULL;
    struct lt_store *st = NULL, *other = NULL;
    struct lt_buf whole = LT_BUF_INIT;
    struct lt_err e = {0};
    alarm(120);
    if (!mkdtemp(dir) || lt_comm_open("self", NULL, NULL, &c, &e)) return 99;
    char *path = lt_path_join(dir, "evaluations.jsonl");

    lt_ok(fill(c, dir, 10, &e) == LT_OK, "ten records are written");
    lt_ok(lt_store_open(dir, c, NULL, &st, &e) == LT_OK && lt_store_count(st) == 10, "and read again");
    int n = 0;
    for (int i = 0; i < 10; i++) n += has(st, i);
    lt_ok(n == 10 && !lt_store_find(st, "thing", "item 10") && !lt_store_find(st, "other", "item 1"),
          "each is found by type and key, and no other");
    lt_ok(lt_store_open(dir, c, NULL, &other, &e) == LT_EFAIL && strstr(e.msg, "another lathe"),
          "a folder in use is refused: %s", e.msg);
    lt_store_close(st);
    lt_ok(lt_file_read(path, 1 << 20, &whole, &e) == LT_OK && whole.len > 100, "the journal is a file");

    /* every length: a journal is its whole lines */
    int bad = 0;
    for (size_t len = 0; len <= whole.len; len += len + 40 < whole.len ? 7 : 1) {
        int lines = 0;
        for (size_t i = 0; i < len; i++) lines += whole.data[i] == '\n';
        if (open_text(c, whole.data, len, &st, &e) || lt_store_count(st) != lines) bad++;
        lt_store_close(st);
    }
    lt_ok(bad == 0, "a journal cut at any byte holds its whole records");

    /* after a torn line the next record starts on a line of its own */
    lt_ok(open_text(c, whole.data, whole.len - 5, &st, &e) == LT_OK && lt_store_count(st) == 9,
          "torn last record dropped");
    lt_ok(put(st, 9, &e) == LT_OK && lt_store_commit(st, LT_OK, &e) == LT_OK, "and written again");
    lt_store_close(st);
    struct lt_buf again = LT_BUF_INIT;
    lt_ok(lt_file_read(path, 1 << 20, &again, &e) == LT_OK && again.len == whole.len &&
              !memcmp(again.data, whole.data, whole.len),
          "to the same bytes");
    lt_buf_release(&again);

    /* a byte changed in the middle */
    char *second = memchr(whole.data, '\n', whole.len);
    char keep = second[20];
    second[20] ^= 1;
    lt_ok(open_text(c, whole.data, whole.len, &st, &e) == LT_EIO && strstr(e.msg, "evaluations.jsonl:2:1:"),
          "a wrong CRC before the end is refused: %s", e.msg);
    second[20] = keep;
    /* a byte changed in the last record: torn */
    whole.data[whole.len - 30] ^= 1;
    lt_ok(open_text(c, whole.data, whole.len, &st, &e) == LT_OK && lt_store_count(st) == 9,
          "a wrong CRC of the last record drops it");
    lt_store_close(st);
    whole.data[whole.len - 30] ^= 1;
    /* a record twice */
    struct lt_buf twice = LT_BUF_INIT;
    lt_buf_add(&twice, whole.data, whole.len);
    lt_buf_add(&twice, whole.data, whole.len);
    lt_ok(open_text(c, twice.data, twice.len, &st, &e) == LT_EIO && strstr(e.msg, ":11"),
          "a second record of one key is refused: %s", e.msg);
    lt_buf_release(&twice);
    /* something else */
    static const char foreign[] = "a,b,c\n1,2,3\n4,5,6\n";
    lt_ok(open_text(c, foreign, sizeof(foreign) - 1, &st, &e) == LT_EIO && strstr(e.msg, "evaluations.jsonl:1:1:"),
          "a foreign file is refused: %s", e.msg);

    lt_ok(open_text(c, whole.data, whole.len, &st, &e) == LT_OK, "the good journal again");
    lt_store_close(st);
    lt_status each[3];
    lt_ok(lt_comm_fake_run(&(struct lt_fake_opt){.n = 3, .seed = 1, .jitter_us = 200}, on_ranks, dir, each, &e) ==
              LT_OK,
          "all ranks see all records: %s", e.msg);

    lt_ok(lt_comm_fake_run(&(struct lt_fake_opt){.n = 3, .seed = 1, .jitter_us = 200}, alone, dir, each, &e) == LT_OK,
          "records that rank 0 appends alone: %s", e.msg);
    lt_ok(lt_store_open(dir, c, NULL, &st, &e) == LT_OK && lt_store_count(st) == 13 &&
              lt_store_restart(st, false, &e) == LT_OK && lt_store_count(st) == 0,
          "restart starts empty");
    char *old = lt_path_join(dir, "old-1/evaluations.jsonl");
    lt_ok(lt_path_exists(old), "and keeps the old journal");
    lt_ok(put(st, 1, &e) == LT_OK && lt_store_commit(st, LT_OK, &e) == LT_OK, "and can be written");
    lt_store_close(st);
    lt_ok(lt_store_open(dir, c, NULL, &st, &e) == LT_OK && has(st, 1) && lt_store_count(st) == 1,
          "what was written after a restart is read again");
    lt_store_close(st);
    lt_free(old);
    lt_free(path);
    lt_buf_release(&whole);
    lt_comm_close(c);
    char *rm = lt_asprintf("rm -rf %s", dir);
    if (rm && system(rm)) lt_note("%s stays", dir);
    lt_free(rm);
    return lt_done();
}
