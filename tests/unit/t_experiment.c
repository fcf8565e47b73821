/* Reading experiments: every mistake is reported with its place and what would be right; a resolved experiment reads
 * back to itself. */
#include "lathe/file.h"
#include "lathe/mem.h"
#include "run/experiment.h"
#include "tests/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/lathe-t_experiment-XXXXXX";
static char *path;
static const char *space;

/* Line 1 is schema, 2 space, 3 data; the rest is `tail`, from line 4. */
static lt_status load(const char *tail, const char *const *set, int n_set, struct lt_experiment **x, struct lt_err *e) {
    char *text = lt_asprintf("schema: 1\nspace: {file: \"%s\"}\ndata: {format: synthetic, size: 12}\n%s", space, tail);
    lt_status s = lt_file_write_atomic(path, text, strlen(text), e);
    lt_free(text);
    *x = NULL;
    return s ? s : lt_experiment_load(path, set, n_set, x, e);
}

static void test_bad(void) {
    static const struct {
        const char *name, *tail, *place, *says;
    } bad[] = {
        {"unknown section", "serch: {name: random}\n", ":4:1:", "search"},
        {"unknown key", "supernet: {epoch: 3}\n", ":4:12:", "epochs"},
        {"unknown key of a plug-in", "search: {name: evolution, populaton: 3}\n", ":4:27:", "population"},
        {"unknown key of the predictor's run part", "predictor: {name: linear, sampels: 30}\n", ":4:27:", "samples"},
        {"wrong type", "supernet: {epochs: many}\n", ":4:20:", "many"},
        {"out of range", "predictor: {name: linear, samples: 201}\n", ":4:36:", "200"},
        {"negative", "supernet: {lr: -0.1}\n", ":4:16:", "-0.1"},
        {"not finite", "supernet: {lr: .inf}\n", ":4:16:", "inf"},
        {"wrong unit of latency", "constraints: {latency_ms: {max: 600 kB}}\n", ":4:33:", "600 kB"},
        {"wrong unit of size", "constraints: {size_kb: {max: 3 ms}}\n", ":4:30:", "3 ms"},
        {"unknown score", "constraints: {latncy_ms: {max: 1}}\n", ":4:15:", "latency_ms"},
        {"a limit without a side", "constraints: {latency_ms: {}}\n", ":4:27:", "max"},
        {"a limit that is no map", "constraints: {latency_ms: 0.8}\n", ":4:27:", ""},
        {"an unknown side", "constraints: {latency_ms: {most: 1}}\n", ":4:28:", "max"},
        {"min above max", "constraints: {macs: {min: 5, max: 4}}\n", ":4:21:", "above"},
        {"a relative limit without a number", "constraints: {latency_ms: {max: half largest}}\n",
         ":4:33:", "0.45 largest"},
        {"a negative relative limit", "constraints: {latency_ms: {max: -1 largest}}\n", ":4:33:", "largest"},
        {"unknown sense", "objectives: {accuracy: most}\n", ":4:24:", "maximize"},
        {"no objective", "objectives: {}\n", ":4:13:", "at least one"},
        {"unknown device", "device: {name: hots}\n", ":4:16:", "host"},
        {"a device without name", "device: {threads: 1}\n", ":4:9:", "name"},
        {"unknown predictor", "predictor: {name: liner}\n", ":4:19:", "linear"},
        {"shards that are no power of two", "supernet: {shards: 3, batch: 12}\n", ":4:20:", "power of two"},
        {"a batch that does not divide", "supernet: {shards: 4, batch: 30}\n", ":4:30:", "4 shards"},
        {"a batch with one image a shard", "supernet: {batch: 4}\n", ":4:19:", "4 shards"},
        {"shards that the batch does not hold", "supernet: {shards: 128}\n", ":4:20:", "128 shards"},
        {"a choice that is none", "quantize: {search: bisect}\n", ":4:20:", "bisection"},
        {"a section that is no map", "verify: 5\n", ":4:9:", ""},
        {"a key twice", "seed: 1\nseed: 2\n", ":5:", "seed"},
        {"a name that is a path", "name: ../x\n", ":4:7:", "folder"},
        {"a negative seed", "seed: -1\n", ":4:7:", "-1"},
        {"another schema", "schema: 2\n", ":4:", "schema"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct lt_experiment *x = NULL;
        struct lt_err e = {0};
        int64_t live = lt_mem_live();
        lt_status s = load(bad[i].tail, NULL, 0, &x, &e);
        bool there = strstr(e.msg, path) && strstr(e.msg, bad[i].place) && strstr(e.msg, bad[i].says);
        lt_ok(s == LT_EINVAL && !x && there && lt_mem_live() == live, "%s: %s", bad[i].name, e.msg);
        lt_experiment_free(x);
    }
}

static void test_set(void) {
    static const struct {
        const char *set, *says;
    } bad[] = {
        {"supernet.epochs=many", "--set supernet.epochs:1:1:"},
        {"supernet.epoks=3", "--set supernet.epoks"},
        {"supernet", "section.key=value"},
        {"=3", "section.key=value"},
        {"a..b=3", "empty"},
        {"seed.deep=3", "map"},
        {"supernet.lr=[", "--set supernet.lr"},
    };
    struct lt_experiment *x = NULL;
    struct lt_err e = {0};
    const char *const good[] = {"supernet.epochs=2.5",
                                "name=other",
                                "constraints.latency_ms.max=3 us",
                                "search={name: random, samples: 9}",
                                "seed=77",
                                "seed=78"};
    lt_status s = load("seed: 5\nconstraints: {size_kb: {max: 7}}\n", good, 6, &x, &e);
    lt_ok(s == LT_OK, "good settings: %s", e.msg);
    if (x) {
        lt_ok(x->train.epochs == 2.5 && !strcmp(x->name, "other") && x->seed == 78,
              "values are those of the command line, the last one wins");
        struct lt_goal g;
        lt_experiment_goal(x, NULL, &g);
        lt_ok(g.n_constraints == 2 && g.constraint[0].score == LT_SCORE_SIZE_KB && g.constraint[1].max == 0.003,
              "a key is added beside those of the file, its unit converted");
        lt_ok(strstr(x->resolved, "samples: 9") != NULL, "a whole section can be replaced");
    }
    lt_experiment_free(x);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *one[] = {bad[i].set};
        s = load("seed: 5\n", one, 1, &x, &e);
        lt_ok(s == LT_EINVAL && !x && strstr(e.msg, bad[i].says), "--set %s: %s", bad[i].set, e.msg);
    }
}

static lt_status load_text(const char *file, const char *text, struct lt_experiment **x, struct lt_err *e) {
    lt_status s = lt_file_write_atomic(file, text, strlen(text), e);
    *x = NULL;
    return s ? s : lt_experiment_load(file, NULL, 0, x, e);
}

/* What a run leaves in its folder can be run again: with the space by name, in a file with an odd name, with paths
 * that YAML would read otherwise. */
static void test_again(const char *src) {
    static const char *const texts[] = {"schema: 1\nspace: {name: tiny}\ndata: {format: synthetic, size: 12}\n",
                                        "schema: 1\nspace: {file: \"an \\\"odd\\\" # {name}: \\\\.yaml\"}\n"
                                        "data: {format: synthetic, size: 12, dir: \"a: \\\"b\\\"\"}\n"};
    struct lt_buf tiny = LT_BUF_INIT;
    struct lt_err e = {0};
    char *odd = lt_asprintf("%s/my: \"run\" #1.yaml", dir), *copy = lt_asprintf("%s/an \"odd\" # {name}: \\.yaml", dir);
    if (!src || chdir(src)) { /* names are looked up in spaces/ */
        lt_skip("the source folder is not known");
        goto out;
    }
    LT_CHECK(!lt_file_read(space, 1 << 20, &tiny, &e) && !lt_file_write_atomic(copy, tiny.data, tiny.len, &e));
    for (int i = 0; i < 2; i++) {
        struct lt_experiment *x, *y = NULL;
        lt_status s = load_text(odd, texts[i], &x, &e);
        if (!s) s = load_text(path, x->resolved, &y, &e);
        lt_ok(!s && !strcmp(x->resolved, y->resolved) && !strcmp(x->name, "my___run___1") &&
                  lt_space_hash(x->space) == lt_space_hash(y->space) && !x->data.dir == !y->data.dir &&
                  (!x->data.dir || !strcmp(x->data.dir, y->data.dir)),
              "resolves to itself, %s: %s", i ? "odd paths" : "a space by name", e.msg);
        lt_experiment_free(x);
        lt_experiment_free(y);
    }
    LT_CHECK(!remove(odd) && !remove(copy));
out:
    lt_buf_release(&tiny);
    lt_free(odd);
    lt_free(copy);
}

static void test_good(void) {
    struct lt_experiment *x = NULL, *y = NULL;
    struct lt_err e = {0};
    struct lt_flat a = {0}, b = {0};
    lt_status s = load("constraints: {latency_ms: {max: 0.45 largest}, size_kb: {max: 600, min: 1 KiB}, macs: {max: "
                       "2e6}}\nquantize: {max_accuracy_drop: 0.5%}\n"
                       "device: {name: fake, noise: 2%}\n",
                       NULL, 0, &x, &e);
    if (!lt_ok(s == LT_OK, "a good experiment: %s", e.msg)) return;
    struct lt_scores largest = {.v = {[LT_SCORE_LATENCY_MS] = 2}, .have = {[LT_SCORE_LATENCY_MS] = true}};
    struct lt_goal g;
    lt_experiment_goal(x, NULL, &g);
    lt_ok(g.n_constraints == 3 && isinf(g.constraint[0].max),
          "a relative limit is open while the largest network is not known");
    lt_experiment_goal(x, &largest, &g);
    lt_ok(g.constraint[0].max == 0.9 && isinf(g.constraint[0].min) && g.constraint[1].max == 600 &&
              g.constraint[1].min == 1.024 && g.constraint[2].max == 2e6,
          "limits in numbers");
    lt_ok(g.n_objectives == 1 && g.objective[0].score == LT_SCORE_ACCURACY && g.objective[0].maximize,
          "accuracy is maximized when nothing is said");
    lt_ok(x->quantize && x->quant.max_accuracy_drop == 0.005 && x->seed == 42, "defaults and units");

    lt_ok(lt_file_write_atomic(path, x->resolved, strlen(x->resolved), &e) == LT_OK &&
              lt_experiment_load(path, NULL, 0, &y, &e) == LT_OK,
          "the resolved text is an experiment: %s", e.msg);
    if (y) lt_ok(!strcmp(x->resolved, y->resolved), "which resolves to itself");
    if (y && !lt_experiment_flatten(x, &a, &e) && !lt_experiment_flatten(y, &b, &e)) {
        int differ = a.n != b.n;
        bool lr = false, noise = false;
        for (int i = 0; i < a.n && !differ; i++) {
            differ += strcmp(a.item[i].key, b.item[i].key) || strcmp(a.item[i].value, b.item[i].value);
            lr = lr || !strcmp(a.item[i].key, "supernet.lr");
            noise = noise || !strcmp(a.item[i].key, "device.noise");
        }
        lt_ok(!differ && lr && noise && a.n > 40, "%d keys, defaults of the run and of plug-ins among them", a.n);
    }
    lt_flat_release(&a);
    lt_flat_release(&b);
    lt_experiment_free(x);
    lt_experiment_free(y);

    static const char missing[] = "schema: 1\nspace: {file: nowhere.yaml}\ndata: {format: synthetic}\n";
    x = NULL;
    s = lt_file_write_atomic(path, missing, sizeof(missing) - 1, &e);
    if (!s) s = lt_experiment_load(path, NULL, 0, &x, &e);
    lt_ok(s == LT_EINVAL && strstr(e.msg, ":2:15:") && strstr(e.msg, "nowhere.yaml"), "a space that is not there: %s",
          e.msg);
    s = load("quantize:\ndevice: {name: fake, precisions: [f32]}\n", NULL, 0, &x, &e);
    lt_ok(s == LT_OK && !x->quantize, "no int8 among the precisions, no quantization: %s", e.msg);
    lt_experiment_free(x);
}

int main(void) {
    const char *src = getenv("LT_SRCDIR");
    if (!mkdtemp(dir)) return 99;
    path = lt_asprintf("%s/x.yaml", dir);
    char *tiny = lt_path_join(src ? src : ".", "spaces/tiny.yaml");
    space = tiny;
    test_bad();
    test_set();
    test_good();
    test_again(src);
    if (remove(path) || remove(dir)) lt_note("%s stays", dir);
    lt_free(path);
    lt_free(tiny);
    lt_ok(lt_mem_live() == 0, "no memory is left: %lld blocks", (long long)lt_mem_live());
    return lt_done();
}
