/*
 * Model files of predictors, damaged: bytes flipped, cut, doubled, with and without a checksum that is right again, so
 * that what lies behind it is reached too. Whatever comes: an error, or a predictor that answers without reading where
 * it may not. Prints TAP. LT_FUZZ_ROUNDS: how many a method.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/predictor.h"
#include "tests/tap.h"

enum { N = 40, META = 60, DEVICES = 3 };
static struct lt_space *space;
static struct lt_arch arch[META];
static double y[META];

static const struct {
    const char *name, *options;
} settings[] = {{"mlp", ", steps: 3, width: 8, layers: 1, batch: 4"},
                {"gcn", ", epochs: 2, hidden: 4"},
                {"help", ", episodes: 2, hidden: 4"},
                {"nasflat", ", epochs: 1, tune_epochs: 1"},
                {NULL, ""}};

static const char *options_of(const char *name) {
    int i = 0;
    while (settings[i].name && strcmp(settings[i].name, name)) i++;
    return settings[i].options;
}

static struct lt_latency_set *others(const char *dir) {
    struct lt_buf archs = LT_BUF_INIT, latency = LT_BUF_INIT;
    struct lt_latency_set *set = NULL;
    struct lt_err e = {0};
    char path[256];

    lt_buf_puts(&archs, "arch\n");
    for (int i = 0; i < META; i++) {
        lt_buf_puts(&archs, "\"");
        lt_arch_print(space, &arch[i], &archs);
        lt_buf_puts(&archs, "\"\n");
    }
    snprintf(path, sizeof(path), "%s/latency", dir);
    lt_mkdirs(path, &e);
    snprintf(path, sizeof(path), "%s/archs.csv", dir);
    lt_file_write_atomic(path, archs.data, archs.len, &e);
    for (int d = 0; d < DEVICES; d++) {
        lt_buf_clear(&latency);
        lt_buf_puts(&latency, "latency_ms\n");
        for (int i = 0; i < META; i++) lt_buf_printf(&latency, "%.9g\n", 1e3 * y[i] * (d + 1) + 0.01 * d * (i % 7));
        snprintf(path, sizeof(path), "%s/latency/d%d.csv", dir, d);
        lt_file_write_atomic(path, latency.data, latency.len, &e);
    }
    if (lt_latency_set_load(dir, space, NULL, &set, &e)) lt_ok(false, "data set: %s", e.msg);
    lt_buf_release(&archs);
    lt_buf_release(&latency);
    return set;
}

static struct lt_predictor *learned(const struct lt_predictor_ops *ops, const struct lt_latency_set *set,
                                    struct lt_err *e) {
    int device[DEVICES] = {0, 1, 2}, row[META];
    struct lt_meta m = {set, device, DEVICES, row, META, NULL};
    struct lt_yaml *cfg = NULL;
    struct lt_predictor *p = NULL;
    char yaml[160];
    lt_status s;

    for (int i = 0; i < META; i++) row[i] = i;
    snprintf(yaml, sizeof(yaml), "{name: %s%s}", ops->name, options_of(ops->name));
    if (!(s = lt_yaml_parse("cfg", yaml, strlen(yaml), &cfg, e))) s = lt_predictor_open(cfg, space, 1, &p, e);
    if (!s && ops->meta_fit) s = lt_predictor_meta_fit(p, &m, e);
    if (!s) s = lt_predictor_fit(p, arch, y, N, e);
    lt_yaml_free(cfg);
    if (!s) return p;
    lt_predictor_close(p);
    return NULL;
}

static void set_crc(char *data, size_t n) {
    uint32_t crc = lt_crc32(0, data, n - 4);
    memcpy(data + n - 4, &crc, 4); /* as on little-endian machines; elsewhere it stays wrong, which is a test too */
}

/* One damaged copy; returns its length. */
static size_t damage(const struct lt_buf *whole, struct lt_rng *r, char *out) {
    size_t n = whole->len;
    uint32_t kind = lt_rng_below(r, 8);

    memcpy(out, whole->data, n);
    if (kind == 0) {
        n = lt_rng_below(r, (uint32_t)n);
    } else if (kind == 1) {
        size_t at = lt_rng_below(r, (uint32_t)n), k = 1 + lt_rng_below(r, 64);
        if (at + k < n) {
            memmove(out + at, out + at + k, n - at - k);
            n -= k;
        }
    } else {
        uint32_t flips = 1 + lt_rng_below(r, 4), from = lt_rng_below(r, 3) ? 16 : 0;
        for (uint32_t i = 0; i < flips; i++) {
            size_t at = from + lt_rng_below(r, (uint32_t)(n - from));
            out[at] = kind == 2 ? (char)0xff : kind == 3 ? 0 : (char)lt_rng_u32(r);
        }
    }
    if (n > 20 && lt_rng_below(r, 4)) set_crc(out, n);
    return n;
}

static void fuzz(const struct lt_predictor_ops *ops, const struct lt_latency_set *set, const char *dir, int rounds) {
    char path[256], *copy;
    double mean[META], sd[META];
    struct lt_err e = {0};
    struct lt_predictor *p = learned(ops, set, &e);
    struct lt_buf whole = LT_BUF_INIT;
    int64_t live;
    int refused = 0, named = 0;

    snprintf(path, sizeof(path), "%s/%s.ltp", dir, ops->name);
    if (!lt_ok(p && !lt_predictor_save(p, path, "fuzz", &e) && !lt_file_read(path, 1 << 28, &whole, &e), "%s: %s",
               ops->name, e.msg))
        return;
    lt_predictor_close(p);
    copy = malloc(whole.len);
    live = lt_mem_live();
    for (int i = 0; i < rounds; i++) {
        struct lt_rng r;
        size_t n;
        lt_rng_at(&r, 1, LT_RNG_TEST, 3, (uint64_t)i);
        n = damage(&whole, &r, copy);
        if (lt_file_write_atomic(path, copy, n, &e)) break;
        e.msg[0] = 0;
        if (lt_predictor_load(path, space, &p, &e)) {
            refused++;
            named += strstr(e.msg, path) != NULL || strstr(e.msg, "predictor '") != NULL;
            continue;
        }
        lt_predictor_predict(p, arch, META, mean, sd, &e);
        if (i % 10 == 0) lt_predictor_fit(p, arch, y, N, &e);
        lt_predictor_close(p);
    }
    free(copy);
    lt_buf_release(&whole);
    lt_ok(lt_mem_live() >= live - 1 && refused > rounds / 4, "%s: %d of %d damaged files refused", ops->name, refused,
          rounds);
    lt_ok(named == refused, "%s: by name", ops->name);
}

int main(void) {
    const char *src = getenv("LT_SRCDIR"), *more = getenv("LT_FUZZ_ROUNDS");
    char path[1024], dir[] = "/tmp/lathe-fuzz-XXXXXX", command[64];
    struct lt_err e = {0};
    struct lt_latency_set *set;

    snprintf(path, sizeof(path), "%s/spaces/tiny.yaml", src ? src : ".");
    if (!mkdtemp(dir) || !lt_ok(!lt_space_load(path, &space, &e), "the space: %s", e.msg)) return lt_done();
    for (int i = 0; i < META; i++) {
        struct lt_rng r;
        lt_rng_at(&r, 1, LT_RNG_TEST, 0, (uint64_t)i);
        lt_space_sample(space, &r, &arch[i]);
        y[i] = 1e-3 * (1 + lt_rng_u01(&r));
    }
    if ((set = others(dir)))
        for (int i = 0; i < lt_predictor_count(); i++)
            if (lt_predictor_at(i)->save) fuzz(lt_predictor_at(i), set, dir, more ? atoi(more) : 60);
    lt_latency_set_free(set);
    lt_space_free(space);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (system(command)) lt_note("%s: not removed", dir);
    return lt_done();
}
