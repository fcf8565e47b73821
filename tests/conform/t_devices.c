/*
 * Every registered device through one suite, then what each promises on its own. The host is measured for real, on a
 * small graph.
 */
#include "lathe/device.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "tests/tap.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

static struct lt_err err;
static char dir[] = "/tmp/lathe-t_devices-XXXXXX";

static struct lt_graph *small(int width, bool bn) {
    struct lt_graph *g = NULL;
    char name[32];
    snprintf(name, sizeof(name), "small%d", width);
    if (lt_graph_new(name, &g, &err)) return NULL;
    int x = lt_graph_input(g, "image", 1, 14, 14);
    x = lt_graph_conv(g, "stem", x,
                      &(struct lt_conv_attr){.out = width, .kernel = 3, .stride = 1, .groups = 1, .bias = !bn});
    if (bn) x = lt_graph_bn(g, "stem.bn", x);
    x = lt_graph_act(g, "stem.act", x, LT_ACT_RELU);
    int y = lt_graph_conv(
        g, "dw", x, &(struct lt_conv_attr){.out = width, .kernel = 3, .stride = 1, .groups = width, .bias = true});
    y = lt_graph_conv(g, "pw", lt_graph_act(g, "dw.act", y, LT_ACT_RELU),
                      &(struct lt_conv_attr){.out = width, .kernel = 1, .stride = 1, .groups = 1, .bias = true});
    x = lt_graph_gap(g, "gap", lt_graph_add(g, "add", x, y));
    lt_graph_output(g, lt_graph_linear(g, "head", x, 10));
    if (lt_graph_finish(g, &err)) {
        lt_graph_free(g);
        return NULL;
    }
    return g;
}

static struct lt_device *opened(const char *yaml) {
    struct lt_yaml *y = NULL;
    struct lt_device *d = NULL;
    if (!lt_yaml_parse("test.yaml", yaml, strlen(yaml), &y, &err)) lt_device_open(y, &d, &err);
    lt_yaml_free(y);
    return d;
}

static bool write_table(const struct lt_graph *const *g, int n, char *path, size_t size) {
    struct lt_buf b = LT_BUF_INIT;
    snprintf(path, size, "%s/table.csv", dir);
    lt_buf_puts(&b, "arch,latency_ms\n");
    for (int i = 0; i < n; i++) lt_buf_printf(&b, "%s,%g\n", g[i]->name, 0.25 * (i + 1));
    bool ok = !lt_buf_ok(&b, &err) && !lt_file_write_atomic(path, b.data, b.len, &err);
    lt_buf_release(&b);
    return ok;
}

static bool ordered(const struct lt_measurement *m) {
    bool ok = m->n > 0 && m->sample_s && m->median_s > 0 && m->lo_s <= m->median_s && m->median_s <= m->hi_s &&
              m->runs_per_sample > 0;
    for (int i = 0; ok && i < m->n; i++) ok = m->sample_s[i] > 0;
    return ok && fabs(lt_median(m->sample_s, m->n) - m->median_s) <= 1e-12 * m->median_s;
}

/* What every device owes. cfg: how to open it. */
static void conform(const char *name, const char *cfg, const struct lt_graph *g, const struct lt_graph *with_bn) {
    struct lt_device *d = opened(cfg), *d2 = opened(cfg);
    struct lt_measurement m = {0}, m2 = {0};
    struct lt_measure_opt o = {.max_s = 2};
    struct lt_buf b = LT_BUF_INIT, b2 = LT_BUF_INIT;
    struct lt_plan *p = NULL;
    struct lt_jw w;
    lt_ok(d && d2, "%s opens: %s", name, d && d2 ? "" : err.msg);
    if (!d || !d2) goto out;
    const struct lt_device_ops *ops = lt_device_ops_of(d);
    lt_ok(!strcmp(lt_device_name(d), name) && ops == lt_device_ops_find(name) && ops->about && *ops->about,
          "%s is what it says", name);
    lt_device_describe(d, (lt_jw_init(&w, &b), &w));
    lt_device_describe(d2, (lt_jw_init(&w, &b2), &w));
    struct lt_json *j = NULL;
    lt_ok(!lt_buf_ok(&b, &err) && !lt_json_parse("describe", b.data, b.len, &j, &err) && !strcmp(b.data, b2.data),
          "%s describes itself: %s", name, b.data);
    lt_json_free(j);
    lt_ok(lt_device_hash(d) && lt_device_hash(d) == lt_device_hash(d2), "%s has one identity", name);

    lt_status s = lt_device_measure(d, g, NULL, &o, &m, &err);
    lt_ok(!s && ordered(&m), "%s measures: %.1f us in [%.1f, %.1f], %d samples of %d runs, %d warm-up, %s, %.0f ms",
          name, m.median_s * 1e6, m.lo_s * 1e6, m.hi_s * 1e6, m.n, m.runs_per_sample, m.n_warmup,
          lt_status_name(m.status), m.wall_s * 1e3);
    if (!s && m.status == LT_OK && m.level > 0)
        lt_ok((m.hi_s - m.lo_s) / 2 <= 0.02 * m.median_s, "%s: the interval is as narrow as asked", name);
    lt_buf_clear(&b);
    lt_measurement_json(&m, true, (lt_jw_init(&w, &b), &w));
    j = NULL;
    double median = 0;
    lt_ok(!lt_json_parse("measurement", b.data, b.len, &j, &err) && !lt_json_num(j, "median_s", &median, &err) &&
              median == m.median_s && lt_json_get(j, "samples_s") && lt_json_get(j, "samples_s")->n == m.n,
          "%s: a measurement as JSON keeps every sample", name);
    lt_json_free(j);

    s = lt_device_measure(d2, with_bn, NULL, &o, &m2, &err);
    lt_ok(!s, "%s: batch norm is folded away: %s", name, s ? err.msg : "");
    if (!s && !ops->is_real) lt_ok(m2.median_s == m.median_s, "%s: and costs nothing", name);
    lt_measurement_release(&m2);
    if (!ops->is_real) {
        s = lt_device_measure(d2, g, NULL, &o, &m2, &err);
        lt_ok(!s && m2.n == m.n && !memcmp(m.sample_s, m2.sample_s, (size_t)m.n * sizeof(double)),
              "%s is deterministic", name);
        lt_measurement_release(&m2);
    }

    if (!lt_plan_new(g, &p, &err)) {
        p->n_nodes--;
        lt_ok(lt_device_measure(d, g, p, &o, &m2, &err) == LT_EINVAL && !m2.sample_s,
              "%s: a plan of another graph is refused: %s", name, err.msg);
        p->n_nodes++;
        if (lt_device_supports(d, LT_OP_CONV, LT_I8) && strcmp(name, "table")) {
            for (int i = 0; i < g->n_nodes; i++)
                p->is_int8[i] = g->node[i].op == LT_OP_CONV || g->node[i].op == LT_OP_LINEAR;
            s = lt_device_measure(d, g, p, &o, &m2, &err);
            lt_ok(!s && ordered(&m2), "%s measures int8: %.1f us %s", name, m2.median_s * 1e6, s ? err.msg : "");
            lt_measurement_release(&m2);
        }
    }
    struct lt_unit_time *u = NULL;
    int n = 0, conv = 0;
    s = lt_device_measure_units(d, g, p, 5, &u, &n, &err);
    for (int i = 0; !s && i < n; i++)
        conv += u[i].kind == LT_UNIT_OP &&
                (g->node[u[i].node].op == LT_OP_CONV || g->node[u[i].node].op == LT_OP_LINEAR) && u[i].median_s >= 0;
    lt_ok(ops->measure_units ? !s && conv == 4 : s == LT_EUNAVAIL, "%s: times of %d units, %d of them conv or linear",
          name, n, conv);
    lt_free(u);
out:
    lt_measurement_release(&m);
    lt_buf_release(&b);
    lt_buf_release(&b2);
    lt_plan_free(p);
    lt_device_close(d);
    lt_device_close(d2);
}

static void bad(const char *cfg, const char *expect) {
    err.msg[0] = 0;
    struct lt_device *d = opened(cfg);
    lt_ok(!d && strstr(err.msg, expect), "'%s' is refused with '%s': %s", cfg, expect, err.msg);
    lt_device_close(d);
}

static void check_errors(void) {
    char text[128];
    bad("{name: hots}", "host");
    bad("{name: hots}", "test.yaml:1:");
    bad("{threads: 1}", "name");
    bad("[host]", "test.yaml:1:");
    bad("{name: host, threads: 0}", "test.yaml:1:");
    bad("{name: host, thread: 2}", "threads");
    bad("{name: fake, overhead_s: 3 MiB}", "test.yaml:1:");
    bad("{name: fake, noise: nan}", "test.yaml:1:");
    bad("{name: table}", "file");
    bad("{name: table, file: /nonexistent/x.csv}", "/nonexistent/x.csv");
    static const char *const tables[][2] = {
        {"arch,ms\na,1\n", "latency_ms"},          {"name,latency_ms\na,1\n", "arch"},
        {"arch,latency_ms\na,-1\n", "-1"},         {"arch,latency_ms\na,1\na,2\n", "two rows"},
        {"graph_hash,latency_ms\nxyz,1\n", "xyz"}, {"arch,latency_ms\na,1ms\n", "1ms"}};
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
        snprintf(text, sizeof(text), "%s/bad.csv", dir);
        if (lt_file_write_atomic(text, tables[i][0], strlen(tables[i][0]), &err)) continue;
        snprintf(text, sizeof(text), "{name: table, file: %s/bad.csv}", dir);
        bad(text, tables[i][1]);
        bad(text, "bad.csv");
    }
}

static void check_fake(const struct lt_graph *a, const struct lt_graph *b) {
    struct lt_measurement m = {0}, m2 = {0};
    struct lt_device *d = opened("{name: fake, noise: 5%, seed: 1}"), *d2 = opened("{name: fake, noise: 5%, seed: 2}");
    lt_device_measure(d, a, NULL, NULL, &m, &err);
    lt_device_measure(d2, a, NULL, NULL, &m2, &err);
    lt_ok(m.median_s != m2.median_s && fabs(m.median_s / m2.median_s - 1) < 0.1,
          "fake: another seed is another noise: %g, %g", m.median_s, m2.median_s);
    lt_ok(lt_device_hash(d) != lt_device_hash(d2), "fake: and another identity");
    lt_ok(m.level == 0.95 && m.lo_s < m.hi_s && m.n >= 20, "fake: an interval from %d samples", m.n);
    lt_measurement_release(&m2);
    lt_device_measure(d, b, NULL, NULL, &m2, &err);
    lt_ok(m2.median_s > 1.2 * m.median_s, "fake: a larger network takes longer: %g, %g", m.median_s, m2.median_s);
    lt_measurement_release(&m);
    lt_measurement_release(&m2);
    lt_device_close(d);
    lt_device_close(d2);
    d = opened("{name: fake, unstable: 1}");
    lt_ok(d && !lt_device_measure(d, a, NULL, &(struct lt_measure_opt){.max_runs = 50}, &m, &err) &&
              m.status == LT_EUNSTABLE && m.n == 50 && m.median_s > 0,
          "fake: unstable is a result with all %d samples", m.n);
    lt_measurement_release(&m);
    lt_device_close(d);
    d = opened("{name: fake, fail_every: 1}");
    lt_ok(d && lt_device_measure(d, a, NULL, NULL, &m, &err) == LT_EIO && !m.sample_s && strstr(err.msg, a->name),
          "fake: fails when asked: %s", err.msg);
    lt_device_close(d);
    d = opened("{name: fake, precisions: [f32]}");
    struct lt_plan *p = NULL;
    if (d && !lt_plan_new(a, &p, &err)) {
        p->is_int8[1] = 1;
        lt_ok(lt_device_measure(d, a, p, NULL, &m, &err) == LT_EUNAVAIL && strstr(err.msg, "stem"),
              "fake without int8 says so: %s", err.msg);
    }
    lt_plan_free(p);
    lt_device_close(d);
}

static void check_table(const char *cfg, const struct lt_graph *const *g) {
    struct lt_device *d = opened(cfg);
    struct lt_measurement m = {0};
    struct lt_graph *other = small(17, false);
    lt_ok(d && !lt_device_measure(d, g[1], NULL, NULL, &m, &err) && m.median_s == 0.5e-3 && m.n == 1 && m.level == 0,
          "table: the recorded value");
    lt_measurement_release(&m);
    lt_ok(d && other && lt_device_measure(d, other, NULL, NULL, &m, &err) == LT_EUNAVAIL && strstr(err.msg, "small17"),
          "table: absent: %s", err.msg);
    lt_graph_free(other);
    lt_device_close(d);
}

/* The wanted precision cannot be had: the answer is a result that says so, in bounded time. */
static void check_host_unstable(const struct lt_graph *g) {
    struct lt_device *d = opened("{name: host}");
    struct lt_measurement m = {0};
    struct lt_measure_opt o = {.rel_halfwidth = 1e-9, .max_s = 0.1};
    lt_status s = d ? lt_device_measure(d, g, NULL, &o, &m, &err) : LT_EFAIL;
    lt_ok(!s && m.status == LT_EUNSTABLE && ordered(&m) && m.wall_s < 30,
          "host: an interval that cannot be reached is reported: %s after %.0f ms", lt_status_name(m.status),
          m.wall_s * 1e3);
    lt_measurement_release(&m);
    lt_device_close(d);
}

/* While this process holds the host's lock, a measurement in another one waits. */
static void check_host_lock(const struct lt_graph *g) {
    char cfg[128], path[96];
    struct lt_lock *l = NULL;
    int up[2], go[2], status = -1;
    char c = 'g';
    snprintf(path, sizeof(path), "%s/host.lock", dir);
    snprintf(cfg, sizeof(cfg), "{name: host, lock: %s}", path);
    if (pipe(up) || pipe(go)) {
        lt_ok(false, "pipe");
        return;
    }
    fflush(stdout);
    pid_t pid = fork(); /* before the lock is taken: a fork would share it */
    if (pid == 0) {
        struct lt_measurement m = {0};
        if (read(go[0], &c, 1) != 1) _exit(1);
        struct lt_device *d = opened(cfg);
        if (!d || write(up[1], "r", 1) != 1) _exit(2);
        lt_status s = lt_device_measure(d, g, NULL, NULL, &m, &err);
        if (write(up[1], "d", 1) != 1) _exit(3);
        _exit(s ? 4 : m.wall_s < 0.2 ? 5 : 0); /* it counts the time it waited */
    }
    bool locked = !lt_lock_acquire(path, true, &l, &err);
    lt_ok(locked && write(go[1], &c, 1) == 1, "host: the lock of %s: %s", cfg, locked ? "held" : err.msg);
    close(go[1]);
    close(up[1]);
    bool ready = read(up[0], &c, 1) == 1 && c == 'r';
    usleep(300000);
    struct timeval none = {0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(up[0], &set);
    lt_ok(ready && select(up[0] + 1, &set, NULL, NULL, &none) == 0,
          "host: a second measurement waits while the lock is held");
    lt_lock_release(l);
    bool done = read(up[0], &c, 1) == 1 && c == 'd';
    waitpid(pid, &status, 0);
    lt_ok(done && WIFEXITED(status) && WEXITSTATUS(status) == 0, "host: and goes on when it is released (%d)",
          WEXITSTATUS(status));
    close(up[0]);
    close(go[0]);
}

int main(void) {
    struct lt_graph *g[2] = {small(16, false), small(64, false)}, *bn = small(16, true);
    char path[96], cfg[160], host[96];
    if (!mkdtemp(dir) || !g[0] || !g[1] || !bn ||
        !write_table((const struct lt_graph *const *)g, 2, path, sizeof(path))) {
        lt_ok(false, "setup: %s", err.msg);
        return lt_done();
    }
    snprintf(cfg, sizeof(cfg), "{name: table, file: %s}", path);
    snprintf(host, sizeof(host), "{name: host, lock: %s/suite.lock}", dir);
    for (int i = 0; i < lt_device_count(); i++) {
        const char *name = lt_device_ops_at(i)->name;
        char plain[64];
        snprintf(plain, sizeof(plain), "{name: %s}", name);
        for (int k = 0; k < i; k++)
            if (!strcmp(name, lt_device_ops_at(k)->name)) lt_ok(false, "two devices are called %s", name);
        conform(name, !strcmp(name, "table") ? cfg : !strcmp(name, "host") ? host : plain, g[0], bn);
    }
    lt_ok(!lt_device_ops_at(-1) && !lt_device_ops_at(lt_device_count()) && !lt_device_ops_find("nothing"),
          "outside the registry there is nothing");
    check_errors();
    check_fake(g[0], g[1]);
    check_table(cfg, (const struct lt_graph *const *)g);
    check_host_unstable(g[0]);
    check_host_lock(g[0]);
    static const char *const left[] = {"table.csv", "bad.csv", "host.lock", "suite.lock"};
    for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, left[i]);
        unlink(path);
    }
    rmdir(dir);
    lt_graph_free(g[0]);
    lt_graph_free(g[1]);
    lt_graph_free(bn);
    return lt_done();
}
