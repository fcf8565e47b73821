/*
 * Evaluators. Commands: whatever a program does (crashes, prints garbage, nothing, far too much, forks and hangs) is a
 * failure of one candidate, with the reason, within its time, and leaves no process behind. Tables: every malformed one
 * is refused with file and place; a good one gives its numbers, and exact ranges.
 */
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "run/attain.h"
#include "run/baseline.h"
#include "run/experiment.h"
#include "tests/tap.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/lathe-t_evaluator-XXXXXX";

static void put(const char *name, const char *text) {
    char *path = lt_path_join(dir, name);
    struct lt_err e;
    if (lt_file_write_atomic(path, text, strlen(text), &e)) LT_BUG("%s", e.msg);
    lt_free(path);
}

static const char small_space[] =
    "schema: 1\nname: small\nabout: sixteen networks\ninput: {channels: 1, resolution: [8, 12]}\nclasses: 10\nact: "
    "relu\n"
    "divisor: 4\nstem: {block: conv, channels: 8, kernel: 3, stride: 1}\nstages:\n"
    "  - {name: s1, block: mbconv, channels: 8, depth: 1, stride: 2, kernel: [3, 5], expand: [1, 2]}\n"
    "  - {name: s2, block: mbconv, channels: 12, depth: 1, stride: 2, kernel: 3, expand: [2, 3]}\nhead: {channels: "
    "32}\n";

static lt_status load(const char *tail, struct lt_experiment **x, struct lt_err *e) {
    char *text = lt_asprintf("schema: 1\nspace: {file: small.yaml}\n%s", tail), *path = lt_path_join(dir, "x.yaml");
    put("x.yaml", text);
    *x = NULL;
    lt_status s = lt_experiment_load(path, NULL, 0, x, e);
    lt_free(path);
    lt_free(text);
    return s;
}

/* One evaluation of the smallest network by a command; the status of the candidate. */
static lt_status command(const char *run, const char *timeout, struct lt_scores *sc, char why[LT_WHY_BYTES],
                         bool *abandoned, const struct lt_ui *ui) {
    struct lt_experiment *x = NULL;
    struct lt_err e = {0};
    struct lt_arch a;
    put("run.sh", run);
    char *tail =
        lt_asprintf("evaluator: {name: command, run: 'sh %s/run.sh \"$1\"', timeout: %s}\n"
                    "search: {name: random, samples: 4}\nobjectives: {accuracy: maximize, my_score: minimize}\n",
                    dir, timeout);
    lt_status s = load(tail, &x, &e);
    lt_free(tail);
    if (s) LT_BUG("%s", e.msg);
    lt_space_smallest(x->space, &a);
    memset(sc, 0, sizeof(*sc));
    *why = 0;
    s = x->evaluator->ops->evaluate(x->evaluator->self, &a, ui, sc, why, abandoned, &e);
    if (s) LT_BUG("%s", e.msg);
    lt_experiment_free(x);
    return sc->status;
}

static bool gone(const char *file) {
    struct lt_buf b = LT_BUF_INIT;
    char *path = lt_path_join(dir, file);
    pid_t pid = lt_file_read(path, 100, &b, NULL) ? 0 : (pid_t)atoi(b.data);
    bool is = false;
    for (int i = 0; i < 200 && pid > 0 && !is; i++) { /* its parent, whoever that is now, must see to it first */
        char *stat = lt_asprintf("/proc/%d/stat", (int)pid);
        lt_buf_clear(&b);
        is = kill(pid, 0) && errno == ESRCH;
        if (!is && !lt_file_read(stat, 4096, &b, NULL)) is = strstr(b.data, ") Z ") != NULL;
        lt_free(stat);
        if (!is) usleep(10000);
    }
    lt_buf_release(&b);
    lt_free(path);
    return is;
}

static bool always(void *arg) {
    (void)arg;
    return true;
}

static void test_commands(void) {
    static const struct {
        const char *name, *run, *says;
    } bad[] = {
        {"exits 1", "echo accuracy 1; echo my_score 2; exit 1", "exit status 1"},
        {"exits 1 and says why", "echo the reason >&2; echo >&2; exit 3", "exit status 3: the reason"},
        {"does not exist", "/nonexistent/program", "127"},
        {"is killed", "kill -SEGV $$", "signal 11"},
        {"prints nothing", ":", "printed nothing"},
        {"prints garbage", "echo hello out there", "line 1 of its output is not 'name value': 'hello out'"},
        {"prints bytes", "printf 'accuracy 1\\n\\0\\n'", "not text"},
        {"prints one word", "echo accuracy 1; echo accuracy", "line 2"},
        {"prints three words", "echo accuracy 1 2", "line 1"},
        {"prints NaN", "echo my_score 1; echo accuracy nan", "not a finite number"},
        {"prints a number too large", "echo my_score 1e999", "not a finite number"},
        {"prints a percentage", "echo my_score 1; echo accuracy 93.4", "line 2 of its output: accuracy 93.4 is not"},
        {"prints a value twice", "echo my_score 1; echo my_score 1", "second value"},
        {"leaves a score out", "echo accuracy 0.5", "no value for my_score"},
        {"prints 10 MB", "head -c 10000000 /dev/zero | tr '\\0' a", "more than 1048576 bytes"},
        {"prints without end", "while :; do echo accuracy 1; done", "more than 1048576 bytes"},
        {"reads without end", "cat > /dev/null; cat /dev/null; echo accuracy", "not 'name value'"},
    };
    struct lt_scores sc;
    char why[LT_WHY_BYTES];
    bool abandoned = false;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        lt_status s = command(bad[i].run, "20 s", &sc, why, &abandoned, NULL);
        lt_ok(s == LT_EFAIL && strstr(why, bad[i].says) && !abandoned, "a command that %s: %s", bad[i].name, why);
    }
    lt_status s =
        command("read a; [ \"$a\" = \"$1\" ] && echo '# a comment' && echo && echo other 7 && echo my_score -3e1 "
                "&& printf 'accuracy\\t0.25'",
                "20 s", &sc, why, &abandoned, NULL);
    lt_ok(!s && sc.v[LT_SCORE_ACCURACY] == 0.25 && sc.have[LT_N_SCORES] && sc.v[LT_N_SCORES] == -30,
          "one that does what it should, with the architecture as argument and on standard input: %s", why);

    double t = lt_now_s();
    char *run = lt_asprintf("sleep 100 & echo $! > %s/child; echo hanging >&2; sleep 100", dir);
    s = command(run, "300 ms", &sc, why, &abandoned, NULL);
    t = lt_now_s() - t;
    lt_ok(s == LT_EFAIL && strstr(why, "no end after 0.3 s: killed: hanging") && t < 5, "one that forks and hangs: %s",
          why);
    lt_ok(gone("child"), "its child is killed with it");
    lt_free(run);
    run = lt_asprintf("sleep 100 & echo $! > %s/child; echo accuracy 1; echo my_score 1", dir);
    t = lt_now_s();
    s = command(run, "50 s", &sc, why, &abandoned, NULL);
    lt_ok(!s && lt_now_s() - t < 5 && gone("child"), "one that ends and leaves a child with its output: %s", why);
    lt_free(run);
    struct lt_ui ui = {.stop = always};
    t = lt_now_s();
    command("sleep 100", "50 s", &sc, why, &abandoned, &ui);
    lt_ok(abandoned && lt_now_s() - t < 5, "asked to stop: abandoned");
}

/* archs.csv, accuracy.csv, latency/dev.csv of all networks of the small space; n rows are written. */
static int write_table(int n_archs, int n_accuracy, int n_latency, const char *arch_row, const char *accuracy_row,
                       const char *latency_row) {
    struct lt_space *s = NULL;
    struct lt_err e;
    struct lt_buf a = LT_BUF_INIT, acc = LT_BUF_INIT, lat = LT_BUF_INIT, t = LT_BUF_INIT;
    char *path = lt_path_join(dir, "small.yaml"), *folder = lt_path_join(dir, "table/latency");
    int n = 0;
    if (lt_space_load(path, &s, &e) || lt_mkdirs(folder, &e)) LT_BUG("%s", e.msg);
    lt_buf_puts(&a, "arch\n");
    lt_buf_puts(&acc, "top1,top5\n");
    lt_buf_puts(&lat, "latency_ms\n");
    int total = 1;
    for (int g = 0; g < lt_space_n_genes(s); g++) total *= lt_space_gene(s, g)->n_choices;
    for (int i = 0; i < total; i++, n++) {
        struct lt_arch x;
        lt_space_smallest(s, &x);
        for (int g = 0, k = i; g < lt_space_n_genes(s); g++) {
            x.g[g] = (uint8_t)(k % lt_space_gene(s, g)->n_choices);
            k /= lt_space_gene(s, g)->n_choices;
        }
        lt_space_canonical(s, &x);
        lt_buf_clear(&t);
        lt_arch_print(s, &x, &t);
        if (i < n_archs) lt_buf_printf(&a, "\"%s\"\n", i == 5 && arch_row ? arch_row : t.data);
        if (i < n_accuracy) {
            if (i == 5 && accuracy_row)
                lt_buf_printf(&acc, "%s\n", accuracy_row);
            else
                lt_buf_printf(&acc, "%d.5,%d\n", 40 + (i * 7) % 16, 90 - i);
        }
        if (i < n_latency) {
            if (i == 5 && latency_row)
                lt_buf_printf(&lat, "%s\n", latency_row);
            else
                lt_buf_printf(&lat, "%d.25\n", 1 + i % 8);
        }
    }
    put("table/archs.csv", a.data);
    put("table/accuracy.csv", acc.data);
    put("table/latency/dev.csv", lat.data);
    lt_buf_release(&a);
    lt_buf_release(&acc);
    lt_buf_release(&lat);
    lt_buf_release(&t);
    lt_space_free(s);
    lt_free(folder);
    lt_free(path);
    return n;
}

static const char good_tail[] =
    "evaluator: {name: table, dir: table, device: dev}\nsearch: {name: random, samples: 8}\n"
    "objectives: {top1: maximize}\nconstraints: {latency_ms: {max: 4000 us}, latency_ms@dev: {min: 1}}\n";

static void test_tables(void) {
    static const struct {
        const char *name;
        int n_archs, n_accuracy, n_latency;
        const char *arch, *accuracy, *latency, *says;
    } bad[] = {
        {"accuracies of fewer rows", 16, 15, 16, NULL, NULL, NULL, "15 rows"},
        {"latencies of fewer rows", 16, 16, 12, NULL, NULL, NULL, "12 rows"},
        {"an accuracy that is NaN", 16, 16, 16, NULL, "nan,1", NULL, "accuracy.csv:7:"},
        {"an accuracy that is no number", 16, 16, 16, NULL, "high,1", NULL, "accuracy.csv:7:"},
        {"a missing accuracy", 16, 16, 16, NULL, ",1", NULL, "accuracy.csv:7:"},
        {"a row of another length", 16, 16, 16, NULL, "50", NULL, "accuracy.csv:7"},
        {"a latency that is NaN", 16, 16, 16, NULL, NULL, "nan", "dev.csv:7:"},
        {"a latency of zero", 16, 16, 16, NULL, NULL, "0", "dev.csv:7:"},
        {"a latency that is no number", 16, 16, 16, NULL, NULL, "fast", "dev.csv:7"},
        {"an architecture of another space", 16, 16, 16, "tiny:r8|x", NULL, NULL, "archs.csv:7"},
        {"an architecture twice", 16, 16, 16, "small:r8|s1:k3e1|s2:e2", NULL, NULL, "rows 1 and 6 are the same"},
        {"a part of the space", 7, 7, 7, NULL, NULL, NULL, "7 of the 16"},
        {"no row", 0, 0, 0, NULL, NULL, NULL, "no row"},
    };
    struct lt_experiment *x = NULL;
    struct lt_err e = {0};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        write_table(bad[i].n_archs, bad[i].n_accuracy, bad[i].n_latency, bad[i].arch, bad[i].accuracy, bad[i].latency);
        memset(&e, 0, sizeof(e));
        lt_status s = load(good_tail, &x, &e);
        lt_ok(s && strstr(e.msg, bad[i].says), "a table with %s: %s", bad[i].name, e.msg);
        lt_experiment_free(x);
    }
    int n = write_table(16, 16, 16, NULL, NULL, NULL);
    lt_status s = load(good_tail, &x, &e);
    if (!lt_ok(!s && n == 16, "a whole table: %s", e.msg)) return;
    struct lt_arch a;
    struct lt_scores sc, full;
    x->evaluator->ops->at(x->evaluator->self, 5, &a, &full);
    s = lt_evaluator_cheap(x->evaluator, &a, 1, &sc, &e);
    bool abandoned;
    char why[LT_WHY_BYTES] = "";
    int top1 = -1, top5 = -1, at_dev = -1;
    lt_ok(!s && sc.have[LT_SCORE_LATENCY_MS] && sc.v[LT_SCORE_LATENCY_MS] == 6.25 && !sc.have[LT_SCORE_ACCURACY],
          "its latencies are known at once");
    lt_score_parse(&x->names, "top1", &top1);
    lt_score_parse(&x->names, "top5", &top5);
    lt_score_parse(&x->names, "latency_ms@dev", &at_dev);
    lt_ok(top1 >= LT_N_SCORES && !sc.have[top1] && sc.v[at_dev] == 6.25, "a column only by asking");
    s = x->evaluator->ops->evaluate(x->evaluator->self, &a, NULL, &sc, why, &abandoned, &e);
    lt_ok(!s && sc.v[top1] == 43.5 && sc.v[top5] == 85, "then it is there, also one that nobody named (%g, %g)",
          sc.v[top1], sc.v[top5]);
    lt_ok(x->limit[0].max.value == 4 && !strcmp(lt_score_unit(&x->names, at_dev), "ms"), "units by name");
    struct lt_attain t;
    struct lt_goal g;
    lt_experiment_goal(x, NULL, &g);
    lt_attain_init(&t);
    if (lt_attain_enumerate(&t, x->evaluator, &g, &e)) LT_BUG("%s", e.msg);
    lt_ok(t.exact && t.samples == 16 && t.n_feasible == 6 && t.min[LT_SCORE_LATENCY_MS] == 1.25 && t.max[top1] == 55.5,
          "ranges are exact (%d feasible)", t.n_feasible);
    lt_ok(!lt_attain_check(&t, x->space, &g, NULL, &e), "and the limits can be met");
    g.constraint[0].max = 1;
    lt_attain_init(&t);
    if (lt_attain_enumerate(&t, x->evaluator, &g, &e)) LT_BUG("%s", e.msg);
    s = lt_attain_check(&t, x->space, &g, NULL, &e);
    lt_ok(s == LT_INFEASIBLE && strstr(e.msg, "latency_ms <= 1") && strstr(e.msg, "all its 16"), "or not: %s", e.msg);
    g.constraint[0].max = 2;
    g.constraint[1] = (struct lt_constraint){top1, 55, INFINITY};
    lt_attain_init(&t);
    if (lt_attain_enumerate(&t, x->evaluator, &g, &e)) LT_BUG("%s", e.msg);
    s = lt_attain_check(&t, x->space, &g, NULL, &e);
    lt_ok(s == LT_INFEASIBLE && strstr(e.msg, "together"), "or each, but not together: %s", e.msg);
    lt_experiment_free(x);
    s = load("evaluator: {name: table, dir: table}\nobjectives: {top5: maximize}\n", &x, &e);
    if (!lt_ok(!s, "a table of which no latency is wanted: %s", e.msg)) return;
    lt_experiment_goal(x, NULL, &g);
    lt_attain_init(&t);
    if (lt_attain_enumerate(&t, x->evaluator, &g, &e)) LT_BUG("%s", e.msg);
    lt_score_parse(&x->names, "top5", &top5);
    lt_ok(t.samples == 16 && t.min[top5] == 75 && t.max[top5] == 90, "is read without it");
    lt_experiment_free(x);
    s = load("evaluator: {name: table, dir: table}\nobjectives: {top5: maximize}\nconstraints: {params: {max: 10}}\n",
             &x, &e);
    if (!lt_ok(!s, "a limit on a cost, which the table does not have: %s", e.msg)) return;
    lt_experiment_goal(x, NULL, &g);
    lt_attain_init(&t);
    if (lt_attain_enumerate(&t, x->evaluator, &g, &e)) LT_BUG("%s", e.msg);
    s = lt_attain_check(&t, x->space, &g, NULL, &e);
    lt_ok(s == LT_INFEASIBLE && strstr(e.msg, "params <= 10") && strstr(e.msg, "all its 16"), "is counted: %s", e.msg);
    lt_experiment_free(x);
    put("table/accuracy.csv", "accuracy\n0\n1\n0\n1\n0\n93.4\n0\n0\n0\n0\n0\n0\n0\n0\n0\n0\n");
    s = load("evaluator: {name: table, dir: table}\nobjectives: {accuracy: maximize}\n", &x, &e);
    lt_ok(s == LT_EINVAL && strstr(e.msg, "row 6: accuracy 93.4 is not a fraction"), "percentages as accuracy: %s",
          e.msg);
    lt_experiment_free(x);
}

static void test_experiments(void) {
    static const struct {
        const char *name, *tail, *says;
    } bad[] = {
        {"an unknown evaluator", "evaluator: {name: tabel, dir: table}\n",
         ":3:19: name: evaluator 'tabel' is not known; did you mean 'table'"},
        {"a table without folder", "evaluator: {name: table}\nobjectives: {top1: maximize}\n",
         ":3:12: evaluator: evaluator 'table' needs the folder"},
        {"a folder that is not there", "evaluator: {name: table, dir: tabel}\nobjectives: {top1: maximize}\n",
         ":3:31: dir: tabel does not exist"},
        {"no objective", "evaluator: {name: table, dir: table}\n", "objectives: are required"},
        {"a column that is not there", "evaluator: {name: table, dir: table}\nobjectives: {top2: maximize}\n",
         ":4:14: top2: unknown score 'top2'"},
        {"a device that is not there", "evaluator: {name: table, dir: table}\nobjectives: {latency_ms@den: minimize}\n",
         "there are: dev"},
        {"a latency of no device", "evaluator: {name: table, dir: table}\nobjectives: {latency_ms: minimize}\n",
         "needs `device`"},
        {"a section of a training",
         "evaluator: {name: table, dir: table}\ndata: {format: synthetic}\nobjectives: {top1: maximize}\n",
         ":4:7: data: has no meaning with evaluator 'table'"},
        {"a command without program", "evaluator: {name: command}\nobjectives: {a: maximize}\n", "needs a program"},
        {"a score that cannot be a name", "evaluator: {name: command, run: x}\nobjectives: {\"a b\": maximize}\n",
         "cannot name a score"},
        {"a wrong unit",
         "evaluator: {name: command, run: x}\nobjectives: {a: maximize}\nconstraints: {energy_mj: {max: 3 ms}}\n",
         ":5:32:"},
        {"a unit where there is none",
         "evaluator: {name: command, run: x}\nobjectives: {a: maximize}\nconstraints: {a: {max: 3 ms}}\n",
         "plain number"},
        {"an unknown baseline",
         "evaluator: {name: command, run: x}\nsearch: {name: random, baseline: rand}\nobjectives: {a: maximize}\n",
         "random"},
        {"an empty sweep",
         "evaluator: {name: command, run: x}\nobjectives: {a: maximize}\nconstraints: {b: {max: []}}\n", "1 to 16"},
        {"two sweeps",
         "evaluator: {name: command, run: x}\nobjectives: {a: maximize}\nconstraints: {b: {max: [1, 2]}, c: {min: [1, "
         "2]}}\n",
         "second list"},
        {"a sweep with a limit twice",
         "evaluator: {name: command, run: x}\nobjectives: {a: maximize}\nconstraints: {b: {max: [1, 2, 1]}}\n",
         "twice"},
        {"a sweep below its minimum",
         "evaluator: {name: command, run: x}\nobjectives: {a: maximize}\nconstraints: {b: {min: 2, max: [3, 1]}}\n",
         "min 2 is above max 1"},
        {"a score limited twice",
         "evaluator: {name: command, run: x}\nobjectives: {a: maximize}\nconstraints: {peak_act: {max: 1}, "
         "peak_act_bytes: {max: 2}}\n",
         "twice"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct lt_experiment *x = NULL;
        struct lt_err e = {0};
        int64_t live = lt_mem_live();
        lt_status s = load(bad[i].tail, &x, &e);
        lt_ok(s == LT_EINVAL && !x && strstr(e.msg, bad[i].says) && lt_mem_live() == live, "%s: %s", bad[i].name,
              e.msg);
        lt_experiment_free(x);
    }
    struct lt_experiment *x = NULL;
    struct lt_err e = {0};
    lt_status s =
        load("evaluator: {name: command, run: x, scores: 'extra, more_mw'}\n"
             "search: {name: aging, ahead: 12, baseline: random, repeats: 3}\n"
             "objectives: {accuracy: maximize, energy_mj: minimize}\n"
             "constraints: {peak_act: {max: 320KiB}, macs: {max: 3 MMAC}, energy_mj: {max: 0.5 J, min: [1, 2]}}\n",
             &x, &e);
    if (!lt_ok(!s, "named scores, units, ranges, a sweep: %s", e.msg)) return;
    struct lt_goal g;
    lt_experiment_goal_at(x, NULL, 1, &g);
    lt_ok(g.constraint[0].score == LT_SCORE_PEAK_ACT_BYTES && g.constraint[0].max == 327680 &&
              g.constraint[1].max == 3e6 && g.constraint[2].max == 500 && g.constraint[2].min == 2 &&
              g.n_objectives == 2,
          "limits in the scores' own units");
    lt_ok(x->engine.ahead == 12 && x->engine.baseline == LT_BASELINE_RANDOM && x->engine.repeats == 3 &&
              x->names.n == 3,
          "what the engine reads of the search");
    char *again = lt_strdup(x->resolved);
    lt_ok(strstr(again, "energy_mj: {min: [1 mJ, 2 mJ], max: 500 mJ}") &&
              strstr(again, "peak_act_bytes: {max: 327680}"),
          "resolved: %s", again);
    lt_experiment_free(x);
    put("again.yaml", again);
    char *path = lt_path_join(dir, "again.yaml");
    s = lt_experiment_load(path, NULL, 0, &x, &e);
    lt_ok(!s && !strcmp(x->resolved, again), "the resolved experiment reads back to itself: %s", e.msg);
    if (!s) lt_experiment_free(x);
    lt_free(path);
    lt_free(again);
}

static void test_verdict(void) {
    double a[10], b[10], p, lo, hi;
    for (int i = 0; i < 10; i++) {
        a[i] = i;
        b[i] = i + 0.5;
    }
    lt_ok(lt_precedence(a, b, 10, &p) == 0 && p == 1, "no lead: chance");
    int lead = lt_precedence(b, a, 10, &p);
    lt_ok(lead == 1 && p == 0.5, "a lead of one: %g", p);
    for (int i = 0; i < 10; i++) a[i] = 100 + i;
    lead = lt_precedence(a, b, 10, &p);
    lt_ok(lead == 10 && fabs(p - 1 / 184756.0) < 1e-12, "all ahead: one choice of 10 out of 20: %g", p);
    a[3] = b[2] = NAN;
    lt_ok(lt_precedence(a, b, 10, &p) == 9, "what failed leads nothing");
    for (int i = 0; i < 10; i++) b[i] = NAN;
    lt_ok(lt_precedence(a, b, 10, &p) == 9, "against nothing feasible");
    double d[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    lt_bootstrap_mean(d, 8, 3, 0.95, &lo, &hi);
    lt_ok(lo > 2.5 && lo < 3.5 && hi > 5.5 && hi < 6.5, "the bootstrap interval of a mean of 4.5: %.2f to %.2f", lo,
          hi);
}

int main(void) {
    alarm(110);
    if (!mkdtemp(dir)) return 99;
    put("small.yaml", small_space);
    test_commands();
    test_tables();
    test_experiments();
    test_verdict();
    char *rm = lt_asprintf("rm -rf '%s'", dir);
    lt_ok(system(rm) == 0, "the folders go away");
    lt_free(rm);
    lt_ok(lt_mem_live() == 0, "and all memory is given back");
    return lt_done();
}
