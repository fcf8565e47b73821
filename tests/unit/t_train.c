/*
 * Training: it learns, and its bits depend on nothing but inputs: not on threads, not on ranks, not on interruptions. A
 * torn checkpoint is passed over, another configuration is refused by the key that differs, divergence is found within
 * a step on every rank.
 */
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "lathe/supernet.h"
#include "supernet/train_priv.h"
#include "tests/tap.h"
#include "tests/unit/mini_space.h"
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEED = 77 };

/* Collects messages, and asks to stop at the n-th question. */
struct watcher {
    struct lt_ui ui;
    int stop_at, asked;
    char said[4096];
};

static void message(void *arg, enum lt_ui_level level, const char *text) {
    struct watcher *w = arg;
    if (level >= LT_UI_INFO) snprintf(w->said + strlen(w->said), sizeof(w->said) - strlen(w->said), "[%s]", text);
}

static bool stop(void *arg) {
    struct watcher *w = arg;
    return ++w->asked == w->stop_at;
}

static struct watcher *watch(struct watcher *w, int stop_at) {
    *w = (struct watcher){.ui = {.arg = w, .message = message, .stop = stop}, .stop_at = stop_at};
    return w;
}

static struct lt_data_set *patterns(int n, struct lt_data_cfg *c) {
    struct lt_data_set *d = NULL;
    struct lt_err e;
    LT_CHECK(!lt_opts_default(lt_data_opts, c, &e));
    c->format = 2;
    c->limit = n;
    c->validation = n / 5;
    c->size = 16;
    c->flip = false; /* a mirrored pattern may be another class's */
    c->crop = 1;
    if (lt_data_load(c, SEED, &d, &e)) LT_BUG("%s", e.msg);
    return d;
}

static struct lt_train_cfg config(double epochs, int threads) {
    struct lt_train_cfg c;
    struct lt_err e;
    LT_CHECK(!lt_opts_default(lt_train_opts, &c, &e));
    c.epochs = epochs;
    c.batch = 64;
    c.threads = threads;
    c.checkpoint_s = 0; /* after every step */
    c.random = 1;
    return c;
}

struct setting {
    const struct lt_space *space;
    const struct lt_data *data;
    const struct lt_data_cfg *aug;
};

/* Trains a fresh supernet; *hash is that of the trained values. */
static lt_status train(const struct setting *s, const struct lt_train_cfg *c, struct lt_comm *comm, const char *dir,
                       struct watcher *w, struct lt_train_log *log, uint64_t *hash, struct lt_err *e) {
    struct lt_supernet *sn = NULL;
    struct lt_comm *own = NULL;
    lt_status st = comm ? LT_OK : lt_comm_open("self", NULL, NULL, &own, e);
    if (!st && !(st = lt_supernet_new(s->space, SEED, &sn, e)))
        st = lt_supernet_train(sn, s->data, s->aug, c, SEED, comm ? comm : own, dir, w ? &w->ui : NULL, log, e);
    if (sn) *hash = lt_supernet_hash(sn);
    lt_supernet_free(sn);
    lt_comm_close(own);
    return st;
}

static void learns(const struct setting *s, const struct lt_data *validation) {
    struct lt_train_cfg c = config(6, 2);
    struct lt_train_log log = {0};
    struct lt_supernet *sn = NULL;
    struct lt_comm *comm = NULL;
    struct lt_backend *b = NULL;
    struct lt_err e;
    double began = lt_now_s();
    LT_CHECK(!lt_comm_open("self", NULL, NULL, &comm, &e) && !lt_supernet_new(s->space, SEED, &sn, &e) &&
             !lt_backend_open("auto", &b, &e));
    lt_status st = lt_supernet_train(sn, s->data, s->aug, &c, SEED, comm, NULL, NULL, &log, &e);
    if (lt_ok(!st && log.n > 10, "training ends after %.1f s %s", lt_now_s() - began, st ? e.msg : "")) {
        const struct lt_train_point *first = &log.point[0], *last = &log.point[log.n - 1];
        lt_ok(first->loss_largest > 1.5 && last->loss_largest < 0.6 * first->loss_largest &&
                  last->loss_smallest < 0.8 * first->loss_smallest,
              "losses fall: largest %.2f to %.2f, smallest %.2f to %.2f", first->loss_largest, last->loss_largest,
              first->loss_smallest, last->loss_smallest);
        lt_ok(fabs(last->epoch - c.epochs) < 1e-9 && last->images_per_s > 0 && last->lr < 0.01 * c.lr,
              "the log ends at the last epoch, with a small rate");
        for (int k = 0; k < 3; k++) {
            static const char *const name[] = {"largest", "smallest", "a random"};
            static const double bar[] = {0.95, 0.85, 0.85}; /* chance is 0.1 */
            struct lt_arch a;
            struct lt_rng r;
            double accuracy = 0;
            lt_rng_at(&r, SEED, LT_RNG_TEST, 0, 0);
            if (k == 0)
                lt_space_largest(s->space, &a);
            else if (k == 1)
                lt_space_smallest(s->space, &a);
            else
                lt_space_sample(s->space, &r, &a);
            st = lt_supernet_evaluate(sn, b, &a, s->data, validation, 500, 500, SEED, &accuracy, &e);
            lt_ok(!st && accuracy > bar[k], "%s network: validation accuracy %.3f, more than %.2f %s", name[k],
                  accuracy, bar[k], st ? e.msg : "");
        }
    }
    lt_train_log_release(&log);
    lt_backend_close(b);
    lt_supernet_free(sn);
    lt_comm_close(comm);
}

struct ranks {
    const struct setting *s;
    const struct lt_train_cfg *c;
    uint64_t hash[4];
    bool poison;
    char said[4][1024];
};

static lt_status rank_body(struct lt_comm *comm, void *arg, struct lt_err *e) {
    struct ranks *r = arg;
    struct lt_supernet *sn = NULL;
    lt_status st = lt_supernet_new(r->s->space, SEED, &sn, e);
    if (!st && r->poison) lt_supernet_params(sn)[100] = NAN;
    if (!st) st = lt_supernet_train(sn, r->s->data, r->s->aug, r->c, SEED, comm, NULL, NULL, NULL, e);
    if (st && e) snprintf(r->said[comm->rank], sizeof(r->said[0]), "%s", e->msg);
    if (sn) r->hash[comm->rank] = lt_supernet_hash(sn);
    lt_supernet_free(sn);
    return st;
}

static void same_bits(const struct setting *s, uint64_t *reference) {
    struct lt_err e;
    *reference = 0;
    for (int threads = 1; threads <= 4; threads *= 2) {
        struct lt_train_cfg c = config(0.5, threads);
        uint64_t hash = 1;
        lt_status st = train(s, &c, NULL, NULL, NULL, NULL, &hash, &e);
        if (threads == 1) *reference = hash;
        lt_ok(!st && hash == *reference, "%d threads: the same bits (%016llx) %s", threads, (unsigned long long)hash,
              st ? e.msg : "");
    }
    for (int n = 1; n <= 4; n *= 2) {
        struct lt_train_cfg c = config(0.5, 1);
        struct ranks r = {.s = s, .c = &c};
        lt_status st =
            lt_comm_fake_run(&(struct lt_fake_opt){.n = n, .jitter_us = 200, .seed = SEED}, rank_body, &r, NULL, &e);
        int same = 0;
        for (int i = 0; i < n; i++) same += r.hash[i] == *reference;
        lt_ok(!st && same == n, "%d ranks: all hold the same bits %s", n, st ? e.msg : "");
    }
}

/* A rank that fails in the middle of a training: all return, none hangs. */
static void failing_rank(const struct setting *s) {
    struct lt_train_cfg c = config(0.5, 1);
    struct lt_err e;
    for (int at = 1; at <= 7; at += 3) {
        struct ranks r = {.s = s, .c = &c};
        lt_status each[2];
        lt_comm_fake_run(&(struct lt_fake_opt){.n = 2, .fail_rank = 1, .fail_at = at, .seed = SEED}, rank_body, &r,
                         each, &e);
        lt_ok(each[0] && each[1], "a fault at collective %d of rank 1: both return an error: %s", at, r.said[0]);
    }
}

static void diverges(const struct setting *s) {
    struct lt_train_cfg c = config(0.5, 1);
    struct ranks r = {.s = s, .c = &c, .poison = true};
    lt_status each[2];
    struct lt_err e;
    lt_comm_fake_run(&(struct lt_fake_opt){.n = 2, .seed = SEED}, rank_body, &r, each, &e);
    lt_ok(each[0] == LT_EFAIL && each[1] == LT_EFAIL && strstr(r.said[0], "step 1 of") && strstr(r.said[0], "lr"),
          "NaN: found in step 1 on both ranks: %s", r.said[0]);
    uint64_t hash;
    c = config(3, 1);
    c.lr = 100;
    c.warmup_epochs = 0;
    c.clip = 0;
    lt_status st = train(s, &c, NULL, NULL, NULL, NULL, &hash, &e);
    lt_ok(st == LT_EFAIL && strstr(e.msg, "diverged"), "lr 100: %s", st ? e.msg : "trained");
}

static void remove_folder(const char *dir) {
    DIR *d = opendir(dir);
    for (struct dirent *f; d && (f = readdir(d));) {
        char *path = lt_path_join(dir, f->d_name);
        if (f->d_name[0] != '.') unlink(path);
        lt_free(path);
    }
    if (d) closedir(d);
    rmdir(dir);
}

/* The newest checkpoint's path; *n = how many there are. */
static char *newest(const char *dir, int *n) {
    char *best = NULL;
    DIR *d = opendir(dir);
    *n = 0;
    for (struct dirent *f; d && (f = readdir(d));)
        if (strstr(f->d_name, ".ltc")) {
            char *path = lt_path_join(dir, f->d_name);
            ++*n;
            if (!best || strcmp(path, best) > 0) {
                lt_free(best);
                best = path;
                path = NULL;
            }
            lt_free(path);
        }
    if (d) closedir(d);
    return best;
}

static void resumes(const struct setting *s, uint64_t reference) {
    char dir[] = "/tmp/t_train.XXXXXX";
    struct lt_train_cfg c = config(0.5, 2);
    struct lt_train_log log = {0};
    struct watcher w;
    struct lt_err e;
    uint64_t hash = 0;
    int n = 0;
    LT_CHECK(mkdtemp(dir));
    lt_status st = train(s, &c, NULL, dir, watch(&w, 4), NULL, &hash, &e);
    lt_ok(st == LT_EINTR && strstr(e.msg, "step 4 of"), "asked to stop: %s", st ? e.msg : "trained on");
    char *path = newest(dir, &n);
    lt_ok(n == 2 && path && strstr(path, "step-0000000004.ltc"), "two checkpoints are kept: %s", path ? path : "none");

    /* Other configurations are refused, by key. */
    struct lt_train_cfg other = c;
    other.lr = 0.07;
    lt_ok(train(s, &other, NULL, dir, NULL, NULL, &hash, &e) == LT_EINVAL && strstr(e.msg, "lr: 0.1") &&
              strstr(e.msg, "0.07"),
          "another lr: %s", e.msg);
    struct lt_data_cfg other_aug = *s->aug;
    other_aug.crop = 3;
    struct setting changed = {s->space, s->data, &other_aug};
    lt_ok(train(&changed, &c, NULL, dir, NULL, NULL, &hash, &e) == LT_EINVAL && strstr(e.msg, "crop: 1"),
          "another crop: %s", e.msg);
    struct lt_data fewer = *s->data;
    fewer.n--;
    changed = (struct setting){s->space, &fewer, s->aug};
    lt_ok(train(&changed, &c, NULL, dir, NULL, NULL, &hash, &e) == LT_EINVAL && strstr(e.msg, "other data"),
          "other data: %s", e.msg);

    /* A torn newest checkpoint: the previous one is used, and said so. */
    struct lt_buf b = LT_BUF_INIT;
    LT_CHECK(!lt_file_read(path, 1 << 26, &b, &e) && !lt_file_write_atomic(path, b.data, b.len * 2 / 3, &e));
    lt_buf_release(&b);
    other = c;
    other.threads = 1; /* may differ */
    st = train(s, &other, NULL, dir, watch(&w, 0), &log, &hash, &e);
    lt_ok(!st && strstr(w.said, "step-0000000004.ltc") && strstr(w.said, "previous") &&
              strstr(w.said, "continues at step 3"),
          "torn: %s", st ? e.msg : w.said);
    lt_ok(!st && hash == reference, "interrupted, torn and resumed: the bits of a training without interruption");
    lt_ok(log.n == 8, "the log holds both sittings: %d points", log.n);
    int points = log.n;
    lt_train_log_release(&log);

    /* Called again when finished. */
    hash = 0;
    st = train(s, &c, NULL, dir, watch(&w, 0), &log, &hash, &e);
    lt_ok(!st && hash == reference && log.n == points && w.asked == 0,
          "finished: called again it loads the result and trains no step %s", st ? e.msg : "");
    lt_train_log_release(&log);
    struct lt_supernet *sn = NULL;
    char *final = lt_path_join(dir, "final.ltw");
    LT_CHECK(!lt_supernet_new(s->space, 1, &sn, &e));
    st = lt_supernet_load(sn, final, &e);
    lt_ok(!st && lt_supernet_hash(sn) == reference, "final.ltw holds it %s", st ? e.msg : "");
    lt_supernet_free(sn);

    /* No whole checkpoint at all: from the beginning, with the same end. */
    for (char *p; (p = newest(dir, &n));) {
        lt_free(path);
        path = p;
        unlink(p);
    }
    LT_CHECK(!lt_file_write_atomic(path, "LTTRAIN1 nonsense", 17, &e));
    st = train(s, &c, NULL, dir, watch(&w, 0), NULL, &hash, &e);
    lt_ok(!st && hash == reference && strstr(w.said, "from the beginning"), "only a foreign file there: %s",
          st ? e.msg : w.said);
    lt_free(path);
    lt_free(final);
    remove_folder(dir);
}

static void refusals(const struct setting *s) {
    static const struct {
        const char *what;
        int batch, shards;
    } bad[] = {{"shards: 3", 64, 3}, {"batch: 66", 66, 4}, {"batch: 4", 4, 4}, {"batch: 65536", 65536, 4}};
    struct lt_err e;
    uint64_t hash;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct lt_train_cfg c = config(1, 1);
        c.batch = bad[i].batch;
        c.shards = bad[i].shards;
        lt_ok(train(s, &c, NULL, NULL, NULL, NULL, &hash, &e) == LT_EINVAL && strstr(e.msg, bad[i].what), "refused: %s",
              e.msg);
    }
}

static void rates(void) {
    struct lt_train_cfg c = config(1, 1);
    c.lr = 1;
    c.warmup_epochs = 1;
    c.schedule = TRAIN_COSINE;
    lt_ok(train_rate(&c, 0, 1000, 100) < 0.01 && fabs(train_rate(&c, 99, 1000, 100) - 1) < 0.01 &&
              train_rate(&c, 999, 1000, 100) < 1e-5 && fabs(train_rate(&c, 549, 1000, 100) - 0.5) < 0.01,
          "cosine: warm-up, top, middle, end");
    c.schedule = TRAIN_ONECYCLE;
    lt_ok(fabs(train_rate(&c, 0, 1000, 100) - 0.04) < 0.01 && fabs(train_rate(&c, 299, 1000, 100) - 1) < 0.01 &&
              train_rate(&c, 999, 1000, 100) < 1e-5,
          "one cycle: start, top, end");
    c.schedule = TRAIN_CONSTANT;
    lt_ok(train_rate(&c, 500, 1000, 100) == 1 && train_rate(&c, 999, 1000, 100) == 1 &&
              train_rate(&c, 0, 10, 100) < 0.2,
          "constant: with warm-up, at most half of the run");
}

static void profile(const struct setting *s) {
    struct lt_train_cfg c = config(1, 2);
    struct lt_supernet *sn = NULL;
    struct lt_profile_report r = {0};
    struct lt_arch a;
    struct lt_err e;
    LT_CHECK(!lt_supernet_new(s->space, SEED, &sn, &e));
    uint64_t hash = lt_supernet_hash(sn);
    lt_space_largest(s->space, &a);
    lt_status st = lt_supernet_profile(sn, s->data, &c, &a, 64, 0.3, 2, &r, &e);
    double sum = r.outside_ms;
    bool found[3] = {false};
    for (int i = 0; i < r.n_rows; i++) {
        sum += r.row[i].ms[0] + r.row[i].ms[1] + r.row[i].ms[2];
        found[0] |= !strcmp(r.row[i].name, "dense 1x1") && r.row[i].gflop_s[2] > 0;
        found[1] |= !strcmp(r.row[i].name, "depthwise 7x7") && r.row[i].gb_s[0] > 0;
        found[2] |= !strcmp(r.row[i].name, "norm and act") && r.row[i].ms[1] > 0;
    }
    lt_ok(!st && r.images_per_s > 0 && r.threads == 2 && fabs(sum - r.step_ms) < 1e-6 * r.step_ms && found[0] &&
              found[1] && found[2],
          "profile: %.0f images/s, %d classes that add up to the step of %.2f ms, %.2f outside %s", r.images_per_s,
          r.n_rows, r.step_ms, r.outside_ms, st ? e.msg : "");
    lt_ok(hash == lt_supernet_hash(sn), "profiling leaves the parameters alone");
    lt_ok(lt_supernet_profile(sn, s->data, &c, &a, 63, 0.1, 1, &r, &e) == LT_EINVAL, "refused: %s", e.msg);
    lt_supernet_free(sn);
}

int main(void) {
    struct lt_space *space = mini_space();
    struct lt_data_cfg aug;
    struct lt_data_set *set = patterns(3000, &aug);
    struct setting s = {space, lt_data_train(set), &aug};
    struct lt_data few = *s.data;
    few.n = 1024; /* 16 steps an epoch */
    struct setting small = {space, &few, &aug};
    uint64_t reference;
    lt_note("seed %d", SEED);
    rates();
    refusals(&s);
    same_bits(&small, &reference);
    failing_rank(&small);
    diverges(&small);
    resumes(&small, reference);
    profile(&s);
    learns(&s, lt_data_validation(set));
    lt_data_free(set);
    lt_opts_release(lt_data_opts, &aug);
    lt_space_free(space);
    lt_ok(lt_mem_live() == 0, "nothing leaks: %lld blocks", (long long)lt_mem_live());
    return lt_done();
}
