/*
 * Data sets: IDX and CIFAR-10 files written here, whole and broken in every way a file can be; the split; batches
 * against plain code. Fashion-MNIST itself is checked where Debian's package is installed.
 */
#include "lathe/data.h"
#include "lathe/data_test.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "tests/tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { N = 60, SIDE = 8, SEED = 20260101 };
static const char fashion[] = "/usr/share/datasets/fashion-mnist";

static void put32(struct lt_buf *b, uint32_t v) {
    uint8_t p[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    lt_buf_add(b, p, 4);
}

static void write_file(const char *dir, const char *name, const struct lt_buf *b, size_t len, bool gz) {
    char *path = lt_asprintf("%s/%s", dir, name);
    struct lt_err e;
    if (gz) {
        uLongf n = compressBound(b->len) + 64;
        uint8_t *z = lt_malloc(n);
        z_stream s = {0};
        deflateInit2(&s, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
        s.next_in = (uint8_t *)b->data;
        s.avail_in = (uInt)b->len;
        s.next_out = z;
        s.avail_out = (uInt)n;
        deflate(&s, Z_FINISH);
        n = s.total_out;
        deflateEnd(&s);
        LT_CHECK(!lt_file_write_atomic(path, z, len < n ? len : n, &e));
        lt_free(z);
    } else {
        LT_CHECK(!lt_file_write_atomic(path, b->data, len < b->len ? len : b->len, &e));
    }
    lt_free(path);
}

/* What can be wrong with the pair of IDX files. */
struct idx_case {
    const char *what, *says;
    uint32_t images_magic, n_images, n_labels, side, bad_label;
    size_t keep_images, keep_labels;
    bool gz;
};

static uint8_t pixel(int image, int y, int x) { return (uint8_t)(image * 37 + y * 11 + x * 5); }

static void write_idx(const char *dir, const struct idx_case *c) {
    struct lt_buf images = LT_BUF_INIT, labels = LT_BUF_INIT;
    put32(&images, c->images_magic);
    put32(&images, c->n_images);
    put32(&images, c->side);
    put32(&images, c->side);
    for (int i = 0; i < N; i++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                uint8_t v = pixel(i, y, x);
                lt_buf_add(&images, &v, 1);
            }
    put32(&labels, 0x801);
    put32(&labels, c->n_labels);
    for (int i = 0; i < (int)c->n_labels; i++) {
        uint8_t v = i == 7 && c->bad_label ? (uint8_t)c->bad_label : (uint8_t)(i % 10);
        lt_buf_add(&labels, &v, 1);
    }
    static const char *const image_name[] = {"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"};
    static const char *const label_name[] = {"train-labels-idx1-ubyte", "train-labels-idx1-ubyte.gz"};
    for (int gz = 0; gz < 2; gz++) { /* leave only this case's pair */
        char *a = lt_asprintf("%s/%s", dir, image_name[gz]), *b = lt_asprintf("%s/%s", dir, label_name[gz]);
        unlink(a);
        unlink(b);
        lt_free(a);
        lt_free(b);
    }
    write_file(dir, image_name[c->gz], &images, c->keep_images ? c->keep_images : SIZE_MAX, c->gz);
    write_file(dir, label_name[c->gz], &labels, c->keep_labels ? c->keep_labels : SIZE_MAX, c->gz);
    lt_buf_release(&images);
    lt_buf_release(&labels);
}

static struct lt_data_cfg config(const char *format, const char *dir, const char *validation) {
    struct lt_data_cfg c;
    struct lt_err e;
    LT_CHECK(!lt_opts_default(lt_data_opts, &c, &e));
    LT_CHECK(!lt_opts_set(lt_data_opts, "format", format, &c, &e));
    LT_CHECK(!lt_opts_set(lt_data_opts, "dir", dir, &c, &e));
    LT_CHECK(!lt_opts_set(lt_data_opts, "validation", validation, &c, &e));
    return c;
}

static void idx_files(const char *dir) {
    static const struct idx_case good[] = {
        {"plain", NULL, 0x803, N, N, SIDE, 0, 0, 0, false},
        {"gzip", NULL, 0x803, N, N, SIDE, 0, 0, 0, true},
    };
    static const struct idx_case bad[] = {
        {"wrong magic", "magic number 0x00000802", 0x802, N, N, SIDE, 0, 0, 0, false},
        {"other counts", "60 images, but", 0x803, N, N - 1, SIDE, 0, 0, 0, false},
        {"label of an 11th class", "offset 15: label 10", 0x803, N, N, SIDE, 10, 0, 0, false},
        {"images cut short", "bytes follow the header", 0x803, N, N, SIDE, 0, 1000, 0, false},
        {"images cut in the header", "inside its header", 0x803, N, N, SIDE, 0, 9, 0, false},
        {"labels cut short", "bytes follow the header", 0x803, N, N, SIDE, 0, 0, 30, false},
        {"gzip cut short", "train-images-idx3-ubyte.gz", 0x803, N, N, SIDE, 0, 60, 0, true},
        {"no images", "dimension 0 is 0", 0x803, 0, N, SIDE, 0, 0, 0, false},
        {"sides beyond reason", "dimension 1 is 5000", 0x803, N, N, 5000, 0, 0, 0, false},
    };
    struct lt_data_cfg c = config("idx", dir, "20");
    struct lt_err e;
    for (size_t k = 0; k < sizeof(good) / sizeof(*good); k++) {
        struct lt_data_set *d = NULL;
        write_idx(dir, &good[k]);
        lt_status s = lt_data_load(&c, SEED, &d, &e);
        lt_ok(!s, "idx %s: loads %s", good[k].what, s ? e.msg : "");
        if (s) continue;
        const struct lt_data *t = lt_data_train(d), *v = lt_data_validation(d);
        lt_ok(t->n == 40 && v->n == 20 && t->channels == 1 && t->height == SIDE && t->width == SIDE && t->classes == 10,
              "idx %s: sizes", good[k].what);
        int seen[N] = {0}, right = 1;
        for (int i = 0; i < t->n + v->n; i++) {
            int row = i < t->n ? t->index[i] : v->index[i - t->n];
            seen[row]++;
            right &= t->labels[row] == row % 10 && t->pixels[row * SIDE * SIDE + 13] == pixel(row, 1, 5);
        }
        for (int i = 0; i < N; i++) right &= seen[i] == 1;
        lt_ok(right, "idx %s: train and validation share no image and miss none; pixels and labels stay together",
              good[k].what);
        double sum = 0, square = 0;
        for (int i = 0; i < t->n; i++)
            for (int p = 0; p < SIDE * SIDE; p++) {
                double q = t->pixels[t->index[i] * SIDE * SIDE + p] / 255.0;
                sum += q;
                square += q * q;
            }
        double mean = sum / (40 * 64), sd = sqrt(square / (40 * 64) - mean * mean);
        lt_ok(fabs(t->mean[0] - mean) < 1e-6 && fabs(t->sd[0] - sd) < 1e-6 && v->mean[0] == t->mean[0],
              "idx %s: statistics are those of the train part", good[k].what);
        lt_data_free(d);
    }
    for (size_t k = 0; k < sizeof(bad) / sizeof(*bad); k++) {
        struct lt_data_set *d = NULL;
        write_idx(dir, &bad[k]);
        lt_status s = lt_data_load(&c, SEED, &d, &e);
        lt_ok(s && !d && strstr(e.msg, dir) && strstr(e.msg, bad[k].says), "idx %s: refused: %s", bad[k].what,
              s ? e.msg : "loaded");
    }
    write_idx(dir, &good[0]);
    struct lt_data_cfg too_many = config("idx", dir, "60"), nowhere = config("idx", "/nonexistent", "20");
    struct lt_data_set *d = NULL;
    lt_ok(lt_data_load(&too_many, SEED, &d, &e) == LT_EINVAL && strstr(e.msg, "60 of 60"),
          "validation that leaves nothing: %s", e.msg);
    lt_ok(lt_data_load(&nowhere, SEED, &d, &e) == LT_EIO && strstr(e.msg, "/nonexistent") &&
              strstr(e.msg, "dataset-fashion-mnist"),
          "missing file names path and package: %s", e.msg);
    lt_ok(!d, "nothing is left behind by failures");
    lt_opts_release(lt_data_opts, &c);
    lt_opts_release(lt_data_opts, &too_many);
    lt_opts_release(lt_data_opts, &nowhere);
}

static void write_cifar(const char *dir, const char *name, int records, int bad_label, size_t keep) {
    struct lt_buf b = LT_BUF_INIT;
    for (int i = 0; i < records; i++) {
        uint8_t label = (uint8_t)(bad_label && i == 1 ? bad_label : i % 10);
        lt_buf_add(&b, &label, 1);
        for (int p = 0; p < 3072; p++) {
            uint8_t v = (uint8_t)(p / 1024 * 80 + i);
            lt_buf_add(&b, &v, 1);
        }
    }
    write_file(dir, name, &b, keep ? keep : SIZE_MAX, false);
    lt_buf_release(&b);
}

static void cifar_files(const char *dir) {
    struct lt_data_cfg c = config("cifar10", dir, "10");
    struct lt_data_set *d = NULL, *t = NULL;
    struct lt_err e;
    lt_ok(lt_data_load(&c, SEED, &d, &e) == LT_EIO && strstr(e.msg, "data_batch_1.bin"), "cifar10 missing: %s", e.msg);
    for (int f = 1; f <= 5; f++) {
        char name[32];
        snprintf(name, sizeof(name), "data_batch_%d.bin", f);
        write_cifar(dir, name, 5, 0, 0);
    }
    write_cifar(dir, "test_batch.bin", 7, 0, 0);
    lt_status s = lt_data_load(&c, SEED, &d, &e);
    lt_ok(!s, "cifar10 loads %s", s ? e.msg : "");
    if (!s) {
        const struct lt_data *p = lt_data_train(d);
        int row = p->index[0], right = p->n == 15 && p->channels == 3 && p->height == 32;
        right &= p->labels[row] == row % 5 && p->pixels[row * 3072 + 1024] == 80 + row % 5 &&
                 p->pixels[row * 3072 + 3071] == 160 + row % 5;
        lt_ok(right, "cifar10: planes, labels and sizes");
        lt_ok(!lt_data_load_test(&c, SEED, d, &t, &e) && lt_data_test_part(t)->n == 7 &&
                  lt_data_test_part(t)->mean[2] == p->mean[2],
              "cifar10: test part, normalised as the train part");
    }
    lt_data_free(d);
    lt_data_free(t);
    d = NULL;
    write_cifar(dir, "data_batch_3.bin", 5, 11, 0);
    lt_ok(lt_data_load(&c, SEED, &d, &e) == LT_EINVAL && strstr(e.msg, "offset 3073: label 11"),
          "cifar10 wrong label: %s", e.msg);
    write_cifar(dir, "data_batch_3.bin", 5, 0, 10000);
    lt_ok(lt_data_load(&c, SEED, &d, &e) == LT_EIO && strstr(e.msg, "data_batch_3.bin: offset 9219"),
          "cifar10 cut short: %s", e.msg);
    lt_opts_release(lt_data_opts, &c);
}

static struct lt_data_set *synthetic(int limit, int size, int channels, uint64_t seed) {
    struct lt_data_cfg c;
    struct lt_data_set *d = NULL;
    struct lt_err e;
    LT_CHECK(!lt_opts_default(lt_data_opts, &c, &e));
    c.format = 2;
    c.limit = limit;
    c.validation = limit / 4;
    c.size = size;
    c.channels = channels;
    LT_CHECK(!lt_data_load(&c, seed, &d, &e));
    lt_opts_release(lt_data_opts, &c);
    return d;
}

static void split(void) {
    struct lt_data_set *a = synthetic(400, 8, 1, 1), *b = synthetic(400, 8, 1, 1), *c = synthetic(400, 8, 1, 2);
    lt_ok(lt_data_hash(a) == lt_data_hash(b) &&
              !memcmp(lt_data_train(a)->index, lt_data_train(b)->index, 300 * sizeof(int32_t)),
          "the same seed gives the same split and hash");
    lt_ok(lt_data_hash(a) != lt_data_hash(c) &&
              memcmp(lt_data_train(a)->index, lt_data_train(c)->index, 300 * sizeof(int32_t)),
          "another seed gives another");
    lt_data_free(a);
    lt_data_free(b);
    lt_data_free(c);
}

/* A pixel of the cropped and flipped window, normalised, as the definition says. */
static double window(const struct lt_data *d, int row, int c, int y, int x, int dy, int dx, bool flip) {
    if (flip) x = d->width - 1 - x;
    x += dx;
    y += dy;
    double v = 0;
    if (x >= 0 && x < d->width && y >= 0 && y < d->height)
        v = d->pixels[((int64_t)(row * d->channels + c) * d->height + y) * d->width + x] / 255.0;
    return (v - d->mean[c]) / d->sd[c];
}

static double resized(const struct lt_data *d, int row, int c, int y, int x, int res, int dy, int dx, bool flip) {
    double py = fmin(fmax((y + 0.5) * d->height / res - 0.5, 0), d->height - 1),
           px = fmin(fmax((x + 0.5) * d->width / res - 0.5, 0), d->width - 1);
    int y0 = (int)py, x0 = (int)px, y1 = y0 + 1 < d->height ? y0 + 1 : y0, x1 = x0 + 1 < d->width ? x0 + 1 : x0;
    double wy = py - y0, wx = px - x0;
    return (1 - wy) *
               ((1 - wx) * window(d, row, c, y0, x0, dy, dx, flip) + wx * window(d, row, c, y0, x1, dy, dx, flip)) +
           wy * ((1 - wx) * window(d, row, c, y1, x0, dy, dx, flip) + wx * window(d, row, c, y1, x1, dy, dx, flip));
}

static void batches(void) {
    static const struct {
        int size, channels, res, crop;
        bool flip;
    } t[] = {
        {28, 1, 28, 0, false}, {28, 1, 28, 2, true}, {28, 1, 24, 2, true}, {28, 1, 20, 0, true},
        {12, 3, 32, 4, true},  {12, 3, 5, 0, false}, {6, 1, 6, 9, true},
    };
    enum { BATCH = 40 };
    for (size_t k = 0; k < sizeof(t) / sizeof(*t); k++) {
        struct lt_data_set *set = synthetic(80, t[k].size, t[k].channels, SEED + k);
        const struct lt_data *d = lt_data_train(set);
        int res = t[k].res, plane = res * res;
        float *x = lt_malloc(sizeof(*x) * BATCH * (size_t)t[k].channels * plane),
              *again = lt_malloc(sizeof(*x) * (size_t)t[k].channels * plane);
        int32_t item[BATCH];
        uint8_t label[BATCH];
        for (int i = 0; i < BATCH; i++) item[i] = (i * 7) % d->n;
        struct lt_augment aug = {.seed = SEED, .epoch = 3, .flip = t[k].flip, .crop = t[k].crop};
        lt_data_batch(d, item, BATCH, res, &aug, x, label);
        double worst = 0;
        int labels = 1, matched = 0, flips = 0;
        for (int i = 0; i < BATCH; i++) {
            int row = d->index[item[i]], best_flip = 0;
            double best = INFINITY;
            labels &= label[i] == d->labels[row];
            for (int f = 0; f < (t[k].flip ? 2 : 1);
                 f++) /* which augmentation was drawn is not part of the contract: find it */
                for (int dy = -t[k].crop; dy <= t[k].crop; dy++)
                    for (int dx = -t[k].crop; dx <= t[k].crop; dx++) {
                        double diff = 0;
                        for (int c = 0; c < t[k].channels && diff < best; c++)
                            for (int p = 0; p < plane && diff < best; p++)
                                diff = fmax(diff, fabs(x[(i * t[k].channels + c) * plane + p] -
                                                       resized(d, row, c, p / res, p % res, res, dy, dx, f)));
                        if (diff < best) {
                            best = diff;
                            best_flip = f;
                        }
                    }
            worst = fmax(worst, best);
            matched += best < 1e-4;
            flips += best_flip;
        }
        /* f32 against double on values of a few units: 1e-4 is far above rounding, far below one grey level (1/255/sd ~
         * 0.02) */
        lt_ok(matched == BATCH && labels, "batch %dx%d to %d, crop %d, flip %d: equals the plain code (worst %.1e)",
              t[k].size, t[k].size, res, t[k].crop, t[k].flip, worst);
        if (t[k].flip)
            lt_ok(flips > BATCH / 5 && flips < BATCH - BATCH / 5, "about half are flipped: %d of %d", flips, BATCH);
        lt_data_batch(d, item + 11, 1, res, &aug, again, label);
        lt_ok(!memcmp(again, x + 11 * t[k].channels * plane, sizeof(*x) * (size_t)t[k].channels * plane),
              "an image's augmentation does not depend on its batch");
        aug.epoch = 4;
        lt_data_batch(d, item, BATCH, res, &aug, x, label);
        if (t[k].crop)
            lt_ok(memcmp(again, x + 11 * t[k].channels * plane, sizeof(*x) * (size_t)t[k].channels * plane) != 0,
                  "another epoch draws another one");
        lt_free(x);
        lt_free(again);
        lt_data_free(set);
    }
}

static void fashion_mnist(void) {
    char path[sizeof(fashion) + 40];
    snprintf(path, sizeof(path), "%s/train-images-idx3-ubyte.gz", fashion);
    if (!lt_path_exists(path)) {
        lt_skip("Fashion-MNIST: Debian package dataset-fashion-mnist is not installed");
        return;
    }
    struct lt_data_cfg c = config("idx", fashion, "5000");
    struct lt_data_set *d = NULL, *t = NULL;
    struct lt_err e;
    double began = lt_now_s();
    lt_status s = lt_data_load(&c, SEED, &d, &e);
    double loaded = lt_now_s() - began;
    if (!s) s = lt_data_load_test(&c, SEED, d, &t, &e);
    lt_ok(!s, "Fashion-MNIST loads in %.2f s %s", loaded, s ? e.msg : "");
    if (!s) {
        int count[10] = {0}, test_count[10] = {0}, right = 1;
        for (int i = 0; i < 60000; i++) count[lt_data_train(d)->labels[i]]++;
        for (int i = 0; i < lt_data_test_part(t)->n; i++) test_count[lt_data_test_part(t)->labels[i]]++;
        for (int k = 0; k < 10; k++) right &= count[k] == 6000 && test_count[k] == 1000;
        lt_ok(lt_data_train(d)->n == 55000 && lt_data_validation(d)->n == 5000 && lt_data_test_part(t)->n == 10000 &&
                  right,
              "Fashion-MNIST: 55000 + 5000 + 10000 images, 6000 and 1000 of each class");
        /* published: mean 0.2860, sd 0.3530 over the 60000 */
        lt_ok(fabs(lt_data_train(d)->mean[0] - 0.2860) < 0.001 && fabs(lt_data_train(d)->sd[0] - 0.3530) < 0.001,
              "Fashion-MNIST: mean %.4f, sd %.4f", lt_data_train(d)->mean[0], lt_data_train(d)->sd[0]);
    }
    lt_data_free(d);
    lt_data_free(t);
    lt_opts_release(lt_data_opts, &c);
}

int main(void) {
    char dir[] = "/tmp/t_data.XXXXXX";
    LT_CHECK(mkdtemp(dir));
    idx_files(dir);
    cifar_files(dir);
    split();
    batches();
    fashion_mnist();
    char *command = lt_asprintf("rm -rf '%s'", dir);
    LT_CHECK(system(command) == 0);
    lt_free(command);
    lt_ok(lt_mem_live() == 0, "nothing leaks: %lld blocks", (long long)lt_mem_live());
    return lt_done();
}
