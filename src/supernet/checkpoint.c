/*
 * Checkpoints of a training: dir/step-NNNNNNNNNN.ltc, each whole or not at all, the newest two kept. Layout (machine
 * byte order, which is marked): struct fixed; u32 length and text of the configuration (YAML flow map, compared key by
 * key on resume so that a refusal can name what differs); log points; params [n_params]; velocity [n_params]; u32
 * CRC-32 of all before it. Rank 0 writes and reads; on resume every rank gets rank 0's bytes, so a folder that other
 * machines do not see is enough.
 */
#include "supernet/train_priv.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VERSION = 1, ORDER = 0x01020304, KEEP = 2 };

struct fixed {
    char magic[8];
    uint32_t version, order;
    uint64_t space_hash, data_hash, seed;
    int64_t n_params, step, n_log, sum_steps;
    double seconds, sum_largest, sum_smallest, sum_seconds;
    uint64_t config_length;
};
static const char magic[9] = "LTTRAIN1";

/* Keys that change speed or a later stage, not the trained values. */
static bool ignored(const char *key) {
    static const char *const name[] = {"threads", "checkpoint_s", "calib_images", "eval_images"};
    for (size_t i = 0; i < sizeof(name) / sizeof(*name); i++)
        if (!strcmp(name[i], key)) return true;
    return false;
}

static void config_text(const struct train_identity *id, struct lt_buf *out) {
    lt_buf_puts(out, "supernet: ");
    lt_opts_emit(lt_train_opts, id->cfg, out);
    lt_buf_printf(out, "\ndata: {flip: %s, crop: %lld}\n", id->aug->flip ? "true" : "false", (long long)id->aug->crop);
}

static lt_status compare_section(const char *path, const char *section, const struct lt_yaml *then,
                                 const struct lt_yaml *now, struct lt_err *e) {
    const struct lt_yaml *a = lt_yaml_get(then, section), *b = lt_yaml_get(now, section);
    for (int i = 0; b && i < b->n; i++) {
        const struct lt_yaml *old = a ? lt_yaml_get(a, b->child[i]->key) : NULL;
        const char *was = old && old->text ? old->text : "absent", *is = b->child[i]->text ? b->child[i]->text : "";
        if (!ignored(b->child[i]->key) && strcmp(was, is))
            return lt_fail(
                e, LT_EINVAL,
                "%s: was trained with %s: %s: %s, this run has %s; change it back or start in another folder", path,
                section, b->child[i]->key, was, is);
    }
    return LT_OK;
}

static lt_status compare_config(const char *path, const char *text, size_t len, const struct train_identity *id,
                                struct lt_err *e) {
    struct lt_buf now = LT_BUF_INIT;
    struct lt_yaml *a = NULL, *b = NULL;
    lt_status st;
    config_text(id, &now);
    if ((st = lt_buf_ok(&now, e)) || (st = lt_yaml_parse(path, text, len, &a, e)) ||
        (st = lt_yaml_parse("this run", now.data, now.len, &b, e)) || (st = compare_section(path, "supernet", a, b, e)))
        goto out;
    st = compare_section(path, "data", a, b, e);
out:
    lt_yaml_free(a);
    lt_yaml_free(b);
    lt_buf_release(&now);
    return st;
}

/* Step numbers of the checkpoints in dir, newest first; *out: lt_free. A missing folder holds none. */
static lt_status list(const char *dir, int64_t **out, int *n, struct lt_err *e) {
    int64_t *step = NULL;
    int count = 0, cap = 0;
    DIR *d = opendir(dir);
    if (!d && errno != ENOENT) return lt_fail(e, LT_EIO, "%s: %s", dir, strerror(errno));
    for (struct dirent *f; d && (f = readdir(d));) {
        int64_t s;
        int end = 0;
        if (sscanf(f->d_name, "step-%10" SCNd64 ".ltc%n", &s, &end) != 1 || !end || f->d_name[end]) continue;
        if (count == cap) {
            int64_t *more = lt_realloc(step, (size_t)(cap = cap ? 2 * cap : 8) * sizeof(*step));
            if (!more) {
                lt_free(step);
                closedir(d);
                return lt_fail(e, LT_ENOMEM, "%s: list of checkpoints", dir);
            }
            step = more;
        }
        int at = count++;
        for (; at > 0 && step[at - 1] < s; at--) step[at] = step[at - 1];
        step[at] = s;
    }
    if (d) closedir(d);
    *out = step;
    *n = count;
    return LT_OK;
}

static char *path_of(const char *dir, int64_t step) { return lt_asprintf("%s/step-%010" PRId64 ".ltc", dir, step); }

lt_status checkpoint_write(const char *dir, const struct lt_supernet *sn, const struct train_state *t,
                           const struct train_identity *id, char **path, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT, config = LT_BUF_INIT;
    char *name = path_of(dir, t->step);
    int64_t *step = NULL;
    int n = 0;
    lt_status st;
    if (!name) return lt_fail(e, LT_ENOMEM, "checkpoint");
    config_text(id, &config);
    struct fixed f = {.version = VERSION,
                      .order = ORDER,
                      .space_hash = lt_space_hash(sn->space),
                      .data_hash = id->data_hash,
                      .seed = id->seed,
                      .n_params = sn->n_params,
                      .step = t->step,
                      .n_log = t->log.n,
                      .sum_steps = t->sum_steps,
                      .seconds = t->seconds,
                      .sum_largest = t->sum_largest,
                      .sum_smallest = t->sum_smallest,
                      .sum_seconds = t->sum_seconds,
                      .config_length = config.len};
    memcpy(f.magic, magic, 8);
    lt_buf_add(&b, &f, sizeof(f));
    lt_buf_add(&b, config.data, config.len);
    lt_buf_add(&b, t->log.point, (size_t)t->log.n * sizeof(*t->log.point));
    lt_buf_add(&b, sn->params, (size_t)sn->n_params * sizeof(float));
    lt_buf_add(&b, t->velocity, (size_t)sn->n_params * sizeof(float));
    uint32_t crc = lt_crc32(0, b.data, b.len);
    lt_buf_add(&b, &crc, sizeof(crc));
    if ((st = lt_buf_ok(&config, e)) || (st = lt_buf_ok(&b, e)) || (st = lt_mkdirs(dir, e)) ||
        (st = lt_file_write_atomic(name, b.data, b.len, e)) || (st = list(dir, &step, &n, e)))
        goto out;
    for (int i = KEEP; i < n; i++) {
        char *old = path_of(dir, step[i]);
        if (old) unlink(old); /* best effort: an extra old checkpoint harms nobody */
        lt_free(old);
    }
    lt_free(*path);
    *path = name;
    name = NULL;
out:
    lt_buf_release(&b);
    lt_buf_release(&config);
    lt_free(step);
    lt_free(name);
    return st;
}

/* Where the parts of a checkpoint lie in its bytes. */
struct parts {
    struct fixed f;
    const char *config, *log, *params, *velocity;
};

/* LT_EIO: torn or foreign, an older one may serve. LT_EINVAL: whole, but of another run. */
static lt_status dissect(const char *path, const struct lt_buf *b, const struct lt_supernet *sn,
                         const struct train_identity *id, struct parts *p, struct lt_err *e) {
    uint32_t crc;
    if (b->len < sizeof(p->f) + 4) return lt_fail(e, LT_EIO, "%s: ends after %zu bytes", path, b->len);
    memcpy(&p->f, b->data, sizeof(p->f));
    memcpy(&crc, b->data + b->len - 4, 4);
    if (memcmp(p->f.magic, magic, 8) || p->f.version != VERSION || p->f.order != ORDER)
        return lt_fail(e, LT_EIO, "%s: offset 0: not a checkpoint of version %d of this byte order", path, VERSION);
    if (crc != lt_crc32(0, b->data, b->len - 4))
        return lt_fail(e, LT_EIO, "%s: the checksum of its %zu bytes does not match", path, b->len);
    if (p->f.space_hash != lt_space_hash(sn->space) || p->f.n_params != sn->n_params)
        return lt_fail(e, LT_EINVAL,
                       "%s: was trained on another space than '%s' (hash %016" PRIx64 ", not %016" PRIx64 ")", path,
                       lt_space_name(sn->space), p->f.space_hash, lt_space_hash(sn->space));
    if (p->f.n_log < 0 || p->f.n_log > INT32_MAX || p->f.config_length > b->len ||
        b->len != sizeof(p->f) + p->f.config_length + (size_t)p->f.n_log * sizeof(struct lt_train_point) +
                      2 * (size_t)p->f.n_params * sizeof(float) + 4)
        return lt_fail(e, LT_EIO, "%s: %zu bytes do not fit its header", path, b->len);
    if (p->f.seed != id->seed)
        return lt_fail(e, LT_EINVAL,
                       "%s: was trained with seed: %" PRIu64 ", this run has %" PRIu64
                       "; change it back or start in another folder",
                       path, p->f.seed, id->seed);
    if (p->f.data_hash != id->data_hash)
        return lt_fail(e, LT_EINVAL,
                       "%s: was trained on other data (files, validation, limit or split differ); change data: back or "
                       "start in another "
                       "folder",
                       path);
    p->config = b->data + sizeof(p->f);
    p->log = p->config + p->f.config_length;
    p->params = p->log + (size_t)p->f.n_log * sizeof(struct lt_train_point);
    p->velocity = p->params + (size_t)p->f.n_params * sizeof(float);
    return compare_config(path, p->config, p->f.config_length, id, e);
}

/* Rank 0: the bytes of the newest whole checkpoint; len 0 = none. A torn one is named and passed over. */
static lt_status newest(const char *dir, const struct lt_supernet *sn, const struct train_identity *id,
                        const struct lt_ui *ui, struct lt_buf *out, char **path, struct lt_err *e) {
    int64_t *step = NULL;
    int n = 0;
    lt_status st = list(dir, &step, &n, e);
    if (!st && n > 0) st = lt_sweep_temporaries(dir, e);
    for (int i = 0; i < n && !st; i++) {
        struct lt_err why = {0};
        struct parts p;
        lt_free(*path);
        if (!(*path = path_of(dir, step[i]))) {
            st = lt_fail(e, LT_ENOMEM, "checkpoint");
            break;
        }
        lt_buf_clear(out);
        lt_status bad = lt_file_read(*path, (size_t)16 << 30, out, &why);
        if (!bad) bad = dissect(*path, out, sn, id, &p, &why);
        if (!bad) goto out;
        if (bad != LT_EIO) {
            st = lt_fail(e, bad, "%s", why.msg);
            goto out;
        }
        lt_ui_say(ui, LT_UI_WARN, "checkpoint %s; %s", why.msg,
                  i + 1 < n ? "using the previous one" : "training starts from the beginning");
    }
    lt_buf_clear(out);
    lt_free(*path);
    *path = NULL;
out:
    lt_free(step);
    return st;
}

lt_status checkpoint_resume(const char *dir, struct lt_supernet *sn, struct train_state *t,
                            const struct train_identity *id, struct lt_comm *comm, const struct lt_ui *ui, char **path,
                            bool *found, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    struct parts p;
    struct lt_train_point *point = NULL;
    char *bytes = NULL, *from = NULL;
    uint64_t len;
    lt_status st = comm->rank == 0 ? newest(dir, sn, id, ui, &b, &from, e) : LT_OK;
    if ((st = lt_comm_agree(comm, st, e))) goto out;
    len = b.len;
    if ((st = lt_comm_bcast(comm, &len, sizeof(len), 0, e))) goto out;
    *found = false;
    if (len == 0) goto out;
    if (comm->rank != 0 && !(bytes = lt_malloc(len)))
        st = lt_fail(e, LT_ENOMEM, "checkpoint of %" PRIu64 " bytes", len);
    if ((st = lt_comm_agree(comm, st, e)) || (st = lt_comm_bcast(comm, bytes ? bytes : b.data, len, 0, e))) goto out;
    struct lt_buf all = {.data = bytes ? bytes : b.data, .len = len};
    st = dissect(from ? from : "checkpoint of rank 0", &all, sn, id, &p, e);
    if (!st && p.f.n_log > 0 && !(point = lt_malloc((size_t)p.f.n_log * sizeof(*point))))
        st = lt_fail(e, LT_ENOMEM, "training log");
    if ((st = lt_comm_agree(comm, st, e))) goto out;
    if (point) memcpy(point, p.log, (size_t)p.f.n_log * sizeof(*point));
    memcpy(sn->params, p.params, (size_t)sn->n_params * sizeof(float));
    memcpy(t->velocity, p.velocity, (size_t)sn->n_params * sizeof(float));
    lt_free(t->log.point);
    t->log = (struct lt_train_log){.n = (int)p.f.n_log, .point = point};
    point = NULL;
    t->step = p.f.step;
    t->seconds = p.f.seconds;
    t->sum_largest = p.f.sum_largest;
    t->sum_smallest = p.f.sum_smallest;
    t->sum_seconds = p.f.sum_seconds;
    t->sum_steps = p.f.sum_steps;
    *found = true;
    if (from) {
        lt_free(*path);
        *path = from;
        from = NULL;
    }
out:
    lt_buf_release(&b);
    lt_free(bytes);
    lt_free(point);
    lt_free(from);
    return st;
}
