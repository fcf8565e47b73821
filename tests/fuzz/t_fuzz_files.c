/*
 * Damaged input of what the toolkit keeps or takes in: architecture strings, spaces, weights, checkpoints, IDX files.
 * Each is cut, flipped and mixed deterministically. The answer is a result that holds together or a refusal with a
 * message, nothing of the caller's changes on a refusal, and memory is given back. Binary files are tried twice: as
 * damaged (the checksum must refuse) and, every other time, with the checksum made right again, so that what lies
 * behind it is reached too. LT_LONG=1 in the environment: 20 times as much.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lathe/file.h"
#include "lathe/mem.h"
#include "supernet/supernet_priv.h"
#include "supernet/train_priv.h"
#include "tests/tap.h"

enum { SEED = 5, MOST_REPORTED = 3 };
static const char space_text[] =
    "schema: 1\nname: mini\ninput: {channels: 1, resolution: [8, 12]}\nclasses: 10\nact: relu\ndivisor: 4\nwidth: [0.5, 1]\n"
    "stem: {block: conv, channels: 8, kernel: 3, stride: 1}\nstages:\n"
    "  - {name: s1, block: mbconv, channels: [8, 12], depth: [1, 2], stride: 2, kernel: [3, 5], expand: [1, 2], se: 0.25}\n"
    "  - {name: s2, block: conv, channels: [12, 16], depth: [1, 2], stride: 2, kernel: [3, 5]}\nhead: {channels: [16, 24]}\n";

static char dir[64];
static struct lt_space *space;
static struct lt_supernet *net;
static struct lt_comm *self;
static struct lt_buf weights, checkpoint, images, labels; /* whole files */
static float *kept, *velocity;                            /* [n_params]: before a load; of the checkpoint */
static struct lt_train_cfg train_cfg;
static struct lt_data_cfg aug;

static char *in_dir(const char *name) {
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

/* Plain writes: thousands of fsyncs would take minutes. */
static void put(const char *name, const char *bytes, size_t n) {
    const char *path = in_dir(name);
    unlink(path);
    FILE *f = fopen(path, "wb");
    LT_CHECK(f && fwrite(bytes, 1, n, f) == n && !fclose(f));
}

/* A flipped bit, another byte, a lost tail, a lost middle, doubled bytes, or bytes from elsewhere; one to three times. `text`
 * keeps to printable pieces half of the time. Returns the new length; t has room for `cap`. */
static size_t damage(struct lt_rng *r, char *t, size_t n, size_t cap, const char *pieces) {
    uint32_t times = 1 + lt_rng_below(r, 3);
    for (uint32_t i = 0; i < times && n; i++) {
        size_t at = lt_rng_below(r, (uint32_t)n), len = 1 + lt_rng_below(r, 16);
        if (!pieces && lt_rng_below(r, 2)) at = lt_rng_below(r, (uint32_t)(n < 64 ? n : 64)); /* headers matter most */
        if (len > n - at) len = n - at;
        switch (lt_rng_below(r, 6)) {
        case 0:
            t[at] ^= (char)(1u << lt_rng_below(r, 8));
            break;
        case 1:
            t[at] = pieces ? pieces[lt_rng_below(r, (uint32_t)strlen(pieces))] : (char)lt_rng_below(r, 256);
            break;
        case 2:
            n = at;
            break;
        case 3:
            memmove(t + at, t + at + len, n - at - len);
            n -= len;
            break;
        case 4:
            if (n + len > cap) break;
            memmove(t + at + len, t + at, n - at);
            n += len;
            break;
        default:
            memmove(t + at, t + lt_rng_below(r, (uint32_t)(n - len + 1)), len);
        }
    }
    return n;
}

/* Makes the last four bytes the checksum of all before them. */
static void reseal(char *t, size_t n) {
    if (n < 4) return;
    uint32_t crc = lt_crc32(0, t, n - 4);
    memcpy(t + n - 4, &crc, 4);
}

static bool same_params(void) {
    return !memcmp(lt_supernet_params(net), kept, (size_t)lt_supernet_n_params(net) * sizeof(float));
}

/* Each makes one damaged input out of its whole one and returns NULL, or what is wrong with the answer. */
static const char *try_arch(struct lt_rng *r) {
    struct lt_buf b = LT_BUF_INIT, again = LT_BUF_INIT;
    struct lt_arch a, c;
    struct lt_graph *g = NULL;
    struct lt_err e = {0};
    const char *wrong = NULL;
    lt_space_sample(space, r, &a);
    lt_arch_print(space, &a, &b);
    size_t n = b.len;
    char *t = lt_malloc(2 * n + 1);
    LT_CHECK(t != NULL);
    memcpy(t, b.data, n);
    n = damage(r, t, n, 2 * n, "|:,rwscdekh0123456789");
    t[n] = 0;
    memset(&c, 0x5a, sizeof(c));
    struct lt_arch untouched = c;
    lt_status s = lt_arch_parse(space, t, &c, &e);
    if (s) {
        if (s != LT_EINVAL || !e.msg[0]) wrong = "a refusal without a message";
        if (memcmp(&c, &untouched, sizeof(c))) wrong = "a refusal that changed the result";
    } else {
        lt_arch_print(space, &c, &again);
        if (strcmp(again.data, t)) wrong = "a text was accepted that is not how its architecture is printed";
        if (lt_space_expand(space, &c, &g, &e)) wrong = "an accepted architecture does not expand";
    }
    lt_graph_free(g);
    lt_free(t);
    lt_buf_release(&again);
    lt_buf_release(&b);
    return wrong;
}

static const char *try_space(struct lt_rng *r) {
    size_t n = sizeof(space_text) - 1;
    char *t = lt_malloc(2 * n);
    struct lt_yaml *y = NULL;
    struct lt_space *sp = NULL;
    struct lt_err e = {0};
    const char *wrong = NULL;
    LT_CHECK(t != NULL);
    memcpy(t, space_text, n);
    n = damage(r, t, n, 2 * n, "[]{},: -\n0123456789.aems");
    if (lt_yaml_parse("f", t, n, &y, &e)) goto out; /* the reader itself is fuzzed by t_fuzz_base */
    lt_status s = lt_space_parse_yaml(y, &sp, &e);
    if (s) {
        if (s != LT_EINVAL || strncmp(e.msg, "f:", 2) || sp) wrong = "a refusal without its place";
        goto out;
    }
    for (int i = 0; i < 3 && !wrong; i++) {
        struct lt_arch a, back;
        struct lt_graph *g = NULL;
        struct lt_buf b = LT_BUF_INIT;
        if (i == 0)
            lt_space_smallest(sp, &a);
        else if (i == 1)
            lt_space_largest(sp, &a);
        else
            lt_space_sample(sp, r, &a);
        lt_arch_print(sp, &a, &b);
        if (lt_arch_parse(sp, b.data, &back, &e) || !lt_arch_equal(&a, &back))
            wrong = "an accepted space does not read its own architecture strings";
        if (lt_space_expand(sp, &a, &g, &e)) wrong = "an accepted space has a network that does not expand";
        lt_graph_free(g);
        lt_buf_release(&b);
    }
out:
    if (wrong) lt_note("%s", e.msg);
    lt_space_free(sp);
    lt_yaml_free(y);
    lt_free(t);
    return wrong;
}

static char *damaged_copy(struct lt_rng *r, const struct lt_buf *whole, size_t *n, bool *sealed, bool *same) {
    char *t = lt_malloc(whole->len + 64);
    LT_CHECK(t != NULL);
    memcpy(t, whole->data, whole->len);
    *n = damage(r, t, whole->len, whole->len + 64, NULL);
    if ((*sealed = lt_rng_below(r, 2))) reseal(t, *n);
    *same = *n == whole->len && !memcmp(t, whole->data, *n);
    return t;
}

static const char *try_weights(struct lt_rng *r) {
    struct lt_err e = {0};
    const char *wrong = NULL;
    bool sealed, same;
    size_t n;
    char *t = damaged_copy(r, &weights, &n, &sealed, &same);
    put("w.ltw", t, n);
    lt_status s = lt_supernet_load(net, in_dir("w.ltw"), &e);
    if (!s && !sealed && !same) wrong = "damage that the checksum missed";
    if (!s && n != weights.len) wrong = "a file of another length was accepted";
    if (s && s != LT_EIO && s != LT_EINVAL) wrong = "an unexpected status";
    if (s && !strstr(e.msg, "w.ltw")) wrong = "a refusal that does not name the file";
    if (s && !same_params()) wrong = "a refusal that changed the weights";
    memcpy(lt_supernet_params(net), kept, (size_t)lt_supernet_n_params(net) * sizeof(float));
    lt_free(t);
    return wrong;
}

static const char *try_checkpoint(struct lt_rng *r) {
    struct train_identity id = {.cfg = &train_cfg, .aug = &aug, .seed = SEED, .data_hash = 77};
    struct train_state state = {.velocity = velocity};
    struct lt_err e = {0};
    const char *wrong = NULL;
    char *path = NULL;
    bool sealed, same, found = false;
    size_t n;
    char *t = damaged_copy(r, &checkpoint, &n, &sealed, &same);
    put("step-0000000009.ltc", t, n);
    lt_status s = checkpoint_resume(dir, net, &state, &id, self, NULL, &path, &found, &e);
    if (!s && found && !sealed && !same) wrong = "damage that the checksum missed";
    if (s && s != LT_EINVAL) wrong = "an unexpected status: a torn checkpoint is passed over";
    if (s && !strstr(e.msg, "step-0000000009.ltc")) wrong = "a refusal that does not name the file";
    if ((s || !found) && (!same_params() || state.step || state.log.n)) wrong = "a refusal that changed the training";
    memcpy(lt_supernet_params(net), kept, (size_t)lt_supernet_n_params(net) * sizeof(float));
    lt_train_log_release(&state.log);
    lt_free(path);
    lt_free(t);
    return wrong;
}

static const char *try_idx(struct lt_rng *r) {
    struct lt_data_cfg cfg = {.dir = dir, .validation = 3, .classes = 10};
    struct lt_data_set *d = NULL;
    struct lt_err e = {0};
    const char *wrong = NULL;
    bool of_labels = lt_rng_below(r, 2);
    const struct lt_buf *whole = of_labels ? &labels : &images;
    char *t = lt_malloc(whole->len + 64);
    LT_CHECK(t != NULL);
    memcpy(t, whole->data, whole->len);
    size_t n = damage(r, t, whole->len, whole->len + 64, NULL);
    put("train-labels-idx1-ubyte", of_labels ? t : labels.data, of_labels ? n : labels.len);
    put("train-images-idx3-ubyte", of_labels ? images.data : t, of_labels ? images.len : n);
    lt_status s = lt_data_load(&cfg, SEED, &d, &e);
    if (s) {
        if ((s != LT_EIO && s != LT_EINVAL) || d) wrong = "an unexpected status";
        if (!e.msg[0]) wrong = "a refusal without a message";
    } else { /* every image must be there to be read */
        const struct lt_data *part[2] = {lt_data_train(d), lt_data_validation(d)};
        for (int k = 0; k < 2; k++)
            for (int32_t i = 0; i < part[k]->n; i++) {
                float x[256];
                uint8_t y;
                lt_data_batch(part[k], &i, 1, 8, NULL, x, &y);
                if (y >= 10) wrong = "a label out of range";
            }
    }
    lt_data_free(d);
    lt_free(t);
    return wrong;
}

static void whole_files(void) {
    struct lt_err e = {0};
    struct lt_yaml *y = NULL;
    char *path = NULL;
    enum { N = 12, SIDE = 8 };
    if (lt_yaml_parse("mini.yaml", space_text, sizeof(space_text) - 1, &y, &e) || lt_space_parse_yaml(y, &space, &e) ||
        lt_supernet_new(space, SEED, &net, &e) || lt_comm_open("self", NULL, NULL, &self, &e) ||
        lt_opts_default(lt_train_opts, &train_cfg, &e) || lt_opts_default(lt_data_opts, &aug, &e))
        LT_BUG("%s", e.msg);
    lt_yaml_free(y);
    size_t n = (size_t)lt_supernet_n_params(net);
    kept = lt_malloc(n * sizeof(float));
    velocity = lt_calloc(n, sizeof(float));
    LT_CHECK(kept && velocity);
    memcpy(kept, lt_supernet_params(net), n * sizeof(float));
    struct lt_train_point point[2] = {{.epoch = 0.5, .loss_largest = 2}, {.epoch = 1, .loss_largest = 1}};
    struct train_state state = {.step = 9, .velocity = velocity, .log = {.n = 2, .point = point}};
    struct train_identity id = {.cfg = &train_cfg, .aug = &aug, .seed = SEED, .data_hash = 77};
    if (lt_supernet_save(net, in_dir("w.ltw"), &e) || lt_file_read(in_dir("w.ltw"), 1 << 24, &weights, &e) ||
        checkpoint_write(dir, net, &state, &id, &path, &e) || lt_file_read(path, 1 << 24, &checkpoint, &e))
        LT_BUG("%s", e.msg);
    lt_free(path);
    static const char image_head[16] = {0, 0, 8, 3, 0, 0, 0, N, 0, 0, 0, SIDE, 0, 0, 0, SIDE},
                      label_head[8] = {0, 0, 8, 1, 0, 0, 0, N};
    lt_buf_add(&images, image_head, sizeof(image_head));
    lt_buf_add(&labels, label_head, sizeof(label_head));
    for (int i = 0; i < N; i++) {
        char label = (char)(i % 10), pixel[SIDE * SIDE];
        memset(pixel, i * 20, sizeof(pixel));
        lt_buf_add(&labels, &label, 1);
        lt_buf_add(&images, pixel, sizeof(pixel));
    }
    LT_CHECK(!lt_buf_ok(&images, NULL) && !lt_buf_ok(&labels, NULL));
}

static const struct {
    const char *name;
    const char *(*run)(struct lt_rng *);
    int rounds;
} kind[] = {{"architecture strings", try_arch, 10000},
            {"spaces", try_space, 4000},
            {"weights", try_weights, 2000},
            {"checkpoints", try_checkpoint, 1000},
            {"IDX files", try_idx, 2000}};

int main(void) {
    const int times = getenv("LT_LONG") ? 20 : 1;
    snprintf(dir, sizeof(dir), "t_fuzz_files.%ld", (long)getpid());
    LT_CHECK(!mkdir(dir, 0777));
    whole_files();
    for (int k = 0; k < (int)(sizeof(kind) / sizeof(*kind)); k++) {
        int bad = 0, ran = 0;
        for (int i = 0; i < kind[k].rounds * times && bad < MOST_REPORTED; i++, ran++) {
            struct lt_rng r;
            lt_rng_at(&r, SEED, LT_RNG_TEST, (uint64_t)k, (uint64_t)i);
            int64_t live = lt_mem_live();
            const char *wrong = kind[k].run(&r);
            if (!wrong && lt_mem_live() != live) wrong = "memory is left behind";
            if (wrong) {
                lt_note("%s: input %d: %s", kind[k].name, i, wrong);
                bad++;
            }
        }
        lt_ok(bad == 0, "%s: %d damaged inputs, seed %d", kind[k].name, ran, SEED);
    }
    static const char *const name[] = {"w.ltw", "step-0000000009.ltc", "train-labels-idx1-ubyte",
                                       "train-images-idx3-ubyte"};
    for (int i = 0; i < 4; i++) unlink(in_dir(name[i]));
    lt_ok(!rmdir(dir), "no other file was left in the folder");
    lt_buf_release(&weights);
    lt_buf_release(&checkpoint);
    lt_buf_release(&images);
    lt_buf_release(&labels);
    lt_opts_release(lt_train_opts, &train_cfg);
    lt_opts_release(lt_data_opts, &aug);
    lt_free(kept);
    lt_free(velocity);
    lt_comm_close(self);
    lt_supernet_free(net);
    lt_space_free(space);
    lt_ok(lt_mem_live() == 0, "no memory is left behind");
    return lt_done();
}
