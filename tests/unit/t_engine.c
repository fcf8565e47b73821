/*
 * The search engine: the journal is the same for any number of ranks of any speed, with any searcher; candidates are
 * asked exactly as the window says; failures of candidates are results, failures of ranks and of evaluations end the
 * search with the same status everywhere, and what was recorded is continued to the same end.
 */
#include "lathe/comm.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "run/engine.h"
#include "run/store.h"
#include "tests/tap.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char root[] = "/tmp/lathe-t_engine-XXXXXX";
static struct lt_space *space;
static int n_folders;

static char *new_folder(void) { return lt_asprintf("%s/%d", root, n_folders++); }

/* One search of a case; shared by its ranks. */
struct trial {
    const char *dir, *searcher;
    int ahead;
    bool local;
    /* what goes wrong */
    int64_t fail_after, stop_after; /* evaluations in all; 0: never */
    uint64_t slow[2];               /* hashes of architectures: the first takes longest, and for nothing */
    atomic_int evaluations;
    /* what came out */
    struct lt_engine_result res[8];
    lt_status each[8];
    struct lt_err err[8];
};

static double value_of(const struct lt_arch *a) {
    struct lt_rng r;
    double sum = 0;
    for (int i = 0; i < a->n; i++) sum += a->g[i];
    lt_rng_at(&r, 1, LT_RNG_TEST, 7, lt_arch_hash(space, a));
    return 0.02 * sum + 0.3 * lt_rng_u01(&r);
}

static lt_status cheap(void *arg, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e) {
    (void)arg;
    (void)e;
    memset(out, 0, (size_t)n * sizeof(*out));
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < a[i].n; k++) sum += a[i].g[k] * (1 + k % 3);
        out[i].v[LT_SCORE_LATENCY_MS] = 1 + sum;
        out[i].have[LT_SCORE_LATENCY_MS] = true;
    }
    return LT_OK;
}

static void pause_us(long us) {
    nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}, NULL);
}

static lt_status evaluate(void *arg, const struct lt_arch *a, struct lt_scores *io, char why[LT_WHY_BYTES],
                          bool *abandoned, struct lt_err *e) {
    struct trial *t = arg;
    int n = atomic_fetch_add(&t->evaluations, 1) + 1;
    uint64_t h = lt_arch_hash(space, a);
    (void)abandoned;
    if (t->fail_after && n > t->fail_after) return lt_fail(e, LT_EIO, "the evaluator broke");
    for (int i = 0; i < 2 && t->slow[0]; i++) {
        if (h != t->slow[i]) continue;
        pause_us(i ? 1050000 : 1800000);
        if (!i) return lt_fail(e, LT_EIO, "the evaluator broke");
    }
    pause_us((long)(h >> 20) % 400);
    if (h % 11 == 0) {
        io->status = LT_EFAIL;
        snprintf(why, LT_WHY_BYTES, "candidate %016llx is \"bad\"", (unsigned long long)h);
        return LT_OK;
    }
    io->v[LT_SCORE_ACCURACY] = value_of(a);
    io->have[LT_SCORE_ACCURACY] = true;
    return LT_OK;
}

static bool stop(void *arg) {
    struct trial *t = arg;
    return t->stop_after && atomic_load(&t->evaluations) >= t->stop_after;
}

static const struct lt_goal goal = {.n_objectives = 1,
                                    .objective = {{LT_SCORE_ACCURACY, true}},
                                    .n_constraints = 1,
                                    .constraint = {{LT_SCORE_LATENCY_MS, -INFINITY, 20}}};

static lt_status open_searcher(const struct trial *t, const struct lt_probe *probe, struct lt_yaml **cfg,
                               struct lt_searcher **x, struct lt_err *e) {
    struct lt_search_env env = {.space = space, .goal = &goal, .probe = probe, .seed = 5, .ahead = t->ahead};
    lt_status s = lt_yaml_parse("t", t->searcher, strlen(t->searcher), cfg, e);
    return s ? s : lt_searcher_open(*cfg, &env, x, e);
}

static lt_status body(struct lt_comm *c, void *arg, struct lt_err *e) {
    struct trial *t = arg;
    struct lt_store *store = NULL;
    struct lt_searcher *x = NULL;
    struct lt_yaml *cfg = NULL;
    struct lt_probe probe = {.arg = t, .cheap = cheap};
    struct lt_ui ui = {.arg = t, .stop = stop};
    lt_status s = open_searcher(t, &probe, &cfg, &x, e);
    if (!s) s = lt_store_open(t->dir, c, NULL, &store, e);
    struct lt_engine_job job = {.space = space,
                                .goal = &goal,
                                .searcher = x,
                                .comm = c,
                                .store = store,
                                .ui = &ui,
                                .type = "eval",
                                .what = "search",
                                .arg = t,
                                .cheap = cheap,
                                .evaluate = evaluate,
                                .local = t->local};
    if (!s) s = lt_engine_run(&job, &t->res[c->rank], e);
    if (e) t->err[c->rank] = *e;
    lt_store_close(store);
    lt_searcher_close(x);
    lt_yaml_free(cfg);
    return s;
}

static lt_status run(struct trial *t, const struct lt_fake_opt *o, struct lt_err *e) {
    atomic_store(&t->evaluations, 0);
    return lt_comm_fake_run(o, body, t, t->each, e);
}

/* The journal without what may differ. lt_free. */
static char *journal(const char *dir) {
    char *path = lt_path_join(dir, "evaluations.jsonl"), *out;
    struct lt_buf text = LT_BUF_INIT, b = LT_BUF_INIT;
    if (!lt_file_read(path, 1 << 26, &text, NULL)) {
        for (char *p = text.data, *nl; p && *p && (nl = strchr(p, '\n')); p = nl + 1) {
            char *meta = strstr(p, ",\"meta\":");
            lt_buf_add(&b, p, (size_t)((meta && meta < nl ? meta : nl) - p));
            lt_buf_puts(&b, "\n");
        }
    }
    lt_buf_puts(&b, "");
    out = lt_buf_take(&b);
    lt_buf_release(&text);
    lt_free(path);
    return out;
}

static bool same(const char *a, const char *dir) {
    char *b = journal(dir);
    bool eq = !strcmp(a, b);
    lt_free(b);
    return eq;
}

static int lines(const char *s) {
    int n = 0;
    for (; *s; s++) n += *s == '\n';
    return n;
}

static const char *const searchers[] = {"{name: evolution, population: 12, generations: 5}",
                                        "{name: random, samples: 60}", "{name: aging, samples: 60, population: 10}"};

static void test_ranks(void) {
    static const int ranks[] = {2, 3, 4, 8};
    for (size_t k = 0; k < 3; k++) {
        struct lt_err e = {0};
        struct trial t = {.dir = new_folder(), .searcher = searchers[k], .ahead = 7};
        lt_status s = run(&t, &(struct lt_fake_opt){.n = 1}, &e);
        char *ref = journal(t.dir);
        lt_ok(!s && lines(ref) == 60 && t.res[0].told == 60 && t.res[0].failed > 0,
              "%s: 60 evaluations, %d of them failed: %s", searchers[k], t.res[0].failed, e.msg);
        lt_ok(strstr(ref, "is \\\"bad\\\"") != NULL, "%s: why is in the journal", searchers[k]);
        lt_free((char *)t.dir);
        for (size_t i = 0; i < 4; i++) {
            t.dir = new_folder();
            s = run(&t, &(struct lt_fake_opt){.n = ranks[i], .jitter_us = 300, .seed = i}, &e);
            lt_ok(!s && same(ref, t.dir) && t.res[ranks[i] - 1].told == 60, "%s: %d ranks, the same journal: %s",
                  searchers[k], ranks[i], e.msg);
            lt_free((char *)t.dir);
        }
        t.dir = new_folder();
        t.local = true;
        s = run(&t, &(struct lt_fake_opt){.n = 3}, &e);
        lt_ok(!s && same(ref, t.dir) && t.res[2].told == 60, "%s: rank 0 alone evaluates, the same journal: %s",
              searchers[k], e.msg);
        lt_free((char *)t.dir);
        lt_free(ref);
    }
}

/* The rule of lathe/searcher.h, one at a time. */
static char *by_the_book(const struct trial *t) {
    enum { MAX = 400 };
    struct lt_probe probe = {.arg = NULL, .cheap = cheap};
    struct lt_searcher *x = NULL;
    struct lt_yaml *cfg = NULL;
    struct lt_err e = {0};
    struct lt_buf b = LT_BUF_INIT;
    struct lt_arch *a = lt_calloc(MAX, sizeof(*a));
    int asked = 0, told = 0;
    if (open_searcher(t, &probe, &cfg, &x, &e)) LT_BUG("%s", e.msg);
    for (bool waiting = false;;) {
        int n = 0;
        if (!waiting && asked - told < t->ahead) {
            if (lt_searcher_ask(x, 1, &a[asked], &n, &e)) LT_BUG("%s", e.msg);
            if (!n && asked == told) break;
            waiting = !n;
            asked += n;
            continue;
        }
        struct trial plain = {0};
        struct lt_scores s;
        char why[LT_WHY_BYTES];
        bool abandoned;
        cheap(NULL, &a[told], 1, &s, &e);
        evaluate(&plain, &a[told], &s, why, &abandoned, &e);
        if (lt_searcher_tell(x, &a[told], &s, 1, &e)) LT_BUG("%s", e.msg);
        lt_arch_print(space, &a[told++], &b);
        lt_buf_puts(&b, "\n");
        waiting = false;
    }
    lt_searcher_close(x);
    lt_yaml_free(cfg);
    lt_free(a);
    return lt_buf_take(&b);
}

static void test_window(void) {
    static const int ahead[] = {1, 3, 20};
    char *at[3];
    for (int i = 0; i < 3; i++) {
        struct lt_err e = {0};
        struct trial t = {.dir = new_folder(), .searcher = searchers[2], .ahead = ahead[i]};
        char *book = by_the_book(&t), *line = book;
        lt_status s = run(&t, &(struct lt_fake_opt){.n = 4, .jitter_us = 200, .seed = 3}, &e);
        char *j = journal(t.dir);
        bool ok = !s;
        for (char *p = j, *nl; ok && (nl = strchr(p, '\n')); p = nl + 1) {
            char *end = strchr(line, '\n'), *key = strstr(p, "\"key\":\"");
            ok = end && key && !strncmp(key + 7, line, (size_t)(end - line));
            line = end ? end + 1 : line;
        }
        lt_ok(ok && !*line, "a window of %d: asked as the rule says, one at a time: %s", ahead[i], e.msg);
        lt_free(book);
        lt_free((char *)t.dir);
        at[i] = j;
    }
    lt_ok(strcmp(at[0], at[1]) != 0 && strcmp(at[1], at[2]) != 0, "and the window matters to aging evolution");
    for (int i = 0; i < 3; i++) lt_free(at[i]);
    struct lt_err e = {0};
    struct trial t = {.dir = new_folder(), .searcher = searchers[0], .ahead = 1}, u = t;
    u.dir = new_folder();
    u.ahead = 100;
    lt_status s = run(&t, &(struct lt_fake_opt){.n = 2}, &e);
    if (!s) s = run(&u, &(struct lt_fake_opt){.n = 2}, &e);
    char *j = journal(t.dir);
    lt_ok(!s && same(j, u.dir), "and not to one that works in generations: %s", e.msg);
    lt_free(j);
    lt_free((char *)t.dir);
    lt_free((char *)u.dir);
}

static bool all_are(const struct trial *t, int n, lt_status want) {
    for (int i = 0; i < n; i++)
        if (t->each[i] != want) return false;
    return true;
}

static void test_broken(void) {
    struct lt_err e = {0};
    struct trial t = {.dir = new_folder(), .searcher = searchers[2], .ahead = 8};
    lt_status s = run(&t, &(struct lt_fake_opt){.n = 1}, &e);
    char *ref = journal(t.dir);
    lt_free((char *)t.dir);
    lt_ok(!s, "an undisturbed search");
    t.dir = new_folder();
    t.fail_after = 25;
    s = run(&t, &(struct lt_fake_opt){.n = 4}, &e);
    char *j = journal(t.dir);
    lt_ok(s == LT_EIO && all_are(&t, 4, LT_EIO) && strstr(t.err[0].msg, "the evaluator broke"),
          "an evaluator that breaks: every rank says so: %s", t.err[0].msg);
    lt_ok(!strncmp(ref, j, strlen(j)) && lines(j) >= 10, "%d results are recorded, in order", lines(j));
    lt_free(j);
    t.fail_after = 0;
    s = run(&t, &(struct lt_fake_opt){.n = 3}, &e);
    lt_ok(!s && same(ref, t.dir), "continued to the same end: %s", e.msg);
    lt_free((char *)t.dir);

    t.dir = new_folder();
    int total = 0;
    for (int round = 0; round < 8; round++) {
        t.stop_after = 9;
        s = run(&t, &(struct lt_fake_opt){.n = 1 + round % 4}, &e);
        total += atomic_load(&t.evaluations);
        if (s != LT_EINTR || !all_are(&t, 1 + round % 4, LT_EINTR)) break;
    }
    lt_ok(!s && same(ref, t.dir) && total == 60,
          "stopped again and again: 75 on every rank, %d evaluations in all, none lost or made twice: %s", total,
          e.msg);
    lt_free((char *)t.dir);
    lt_free(ref);
}

/* A fault of a rank at its every so many-th message or collective: nobody hangs, and the search continues. */
static void test_faults(void) {
    struct lt_err e = {0};
    struct trial t = {.dir = new_folder(), .searcher = "{name: random, samples: 12}", .ahead = 6};
    lt_status s = run(&t, &(struct lt_fake_opt){.n = 1}, &e);
    char *ref = journal(t.dir);
    int failed = 0, errors = 0, continued = 0, tries = 0;
    lt_free((char *)t.dir);
    for (int rank = 0; rank < 3 && !s; rank++) {
        for (int at = 1; at < 40; at += rank ? 2 : 3) {
            struct lt_err why = {0};
            t.dir = new_folder();
            tries++;
            run(&t, &(struct lt_fake_opt){.n = 3, .fail_rank = rank, .fail_at = at}, &why);
            bool bad = t.each[0] || t.each[1] || t.each[2];
            failed += bad;
            errors += bad && t.each[0] && t.each[1] && t.each[2];
            struct lt_err again = {0};
            continued += !run(&t, &(struct lt_fake_opt){.n = 2}, &again) && same(ref, t.dir);
            lt_free((char *)t.dir);
        }
    }
    lt_ok(failed > 10 && errors == failed, "%d faults at messages and collectives: an error on every rank (%d)", failed,
          errors);
    lt_ok(continued == tries, "and all of them continue to the same journal (%d of %d)", continued, tries);
    lt_free(ref);
}

/* The first candidate takes longest, and breaks; the second is ready after more than a second and waits for it. */
static void test_late(void) {
    struct lt_err e = {0};
    struct trial t = {.dir = new_folder(), .searcher = "{name: random, samples: 6}", .ahead = 6};
    lt_status s = run(&t, &(struct lt_fake_opt){.n = 1}, &e);
    char *ref = journal(t.dir), *late;
    lt_free((char *)t.dir);
    t.dir = new_folder();
    late = lt_path_join(t.dir, "late.jsonl");
    char *p = ref;
    for (int i = 0; i < 2; i++, p = strchr(p, '\n') + 1) {
        struct lt_arch a;
        char *key = strstr(p, "\"key\":\"") + 7, text[200];
        snprintf(text, sizeof(text), "%.*s", (int)(strchr(key, '"') - key), key);
        if (lt_arch_parse(space, text, &a, &e)) LT_BUG("%s", e.msg);
        t.slow[i] = lt_arch_hash(space, &a);
    }
    s = run(&t, &(struct lt_fake_opt){.n = 2}, &e);
    char *j = journal(t.dir);
    bool kept = lt_path_exists(late);
    lt_ok(s == LT_EIO && !lines(j) && kept, "a result that waits for one before it is kept apart");
    lt_free(j);
    t.slow[0] = 0;
    s = run(&t, &(struct lt_fake_opt){.n = 1}, &e);
    lt_ok(!s && same(ref, t.dir) && atomic_load(&t.evaluations) == 5, "and is not evaluated again (%d evaluations): %s",
          atomic_load(&t.evaluations), e.msg);
    lt_ok(!lt_path_exists(late), "and its file is gone at the end");
    lt_free(late);
    lt_free((char *)t.dir);
    lt_free(ref);
}

int main(void) {
    struct lt_err e = {0};
    const char *src = getenv("LT_SRCDIR");
    char *path = lt_asprintf("%s/spaces/tiny.yaml", src ? src : ".");
    alarm(100);
    if (!mkdtemp(root) || lt_space_load(path, &space, &e)) {
        printf("Bail out! %s\n", e.msg);
        return 99;
    }
    test_ranks();
    test_window();
    test_broken();
    test_faults();
    test_late();
    lt_space_free(space);
    lt_free(path);
    char *rm = lt_asprintf("rm -rf '%s'", root);
    lt_ok(system(rm) == 0, "the folders go away");
    lt_free(rm);
    lt_ok(lt_mem_live() == 0, "and all memory is given back");
    return lt_done();
}
