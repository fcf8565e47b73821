/*
 * This machine's CPU through the runtime's inference session, one thread by default.
 *
 * One measurement at a time per machine: an exclusive flock on one file in /tmp is held from the creation of the
 * session to the last sample, so ranks, jobs and users take turns. A sample is a block of back-to-back runs of at least
 * 200 us (the clock and interrupts are then below 1%); samples are taken in groups with pauses in between, so that one
 * short disturbance does not colour all of them; nothing is thrown away. Warm-up ends when a window of runs is no
 * faster than the one before it by more than 1%.
 */
#include "devices/devices.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "lathe/stats.h"
#include <math.h>
#include <string.h>
#include <time.h>

enum { GROUP = 8, MIN_GROUPS = 4, MAX_WINDOWS = 12, N_RANDOM = 4096 };
static const double MIN_SAMPLE_S = 200e-6, WINDOW_S = 1.5e-3;

struct state {
    int64_t threads, batch;
    double pause_s;
    char *lock;
    unsigned precisions;
    char *lock_path;
    struct lt_backend *backend;
    struct lt_buf runtime; /* description of libraries and CPU */
};
#define AT(f) offsetof(struct state, f)

static const struct lt_opt opts[] = {
    {"threads", LT_OPT_INT, "", "1", 1, 1024, AT(threads), NULL, "threads of one inference"},
    {"batch", LT_OPT_INT, "", "1", 1, 65536, AT(batch), NULL, "samples per inference"},
    {"pause", LT_OPT_DOUBLE, "s", "1 ms", 0, 10, AT(pause_s), NULL, "rest between groups of samples"},
    {"lock", LT_OPT_STRING, "", "lathe-host", 0, 0, AT(lock), NULL,
     "name of the lock in /tmp that all users of the machine share, or an absolute path"},
    {"precisions", LT_OPT_SET, "", "f32,int8", 0, 0, AT(precisions), LT_PRECISION_CHOICES, "what may be used"},
    {0}};

static lt_status open_host(void *self, struct lt_err *e) {
    struct state *s = self;
    if (!s->lock || !*s->lock) return lt_fail(e, LT_EINVAL, "device host: option `lock` is empty");
    s->lock_path = s->lock[0] == '/' ? lt_strdup(s->lock) : lt_asprintf("/tmp/%s.lock", s->lock);
    if (!s->lock_path) return lt_fail(e, LT_ENOMEM, "device host");
    lt_runtime_describe(&s->runtime);
    lt_status r = lt_buf_ok(&s->runtime, e);
    return r ? r : lt_backend_open("auto", &s->backend, e);
}

static void close_host(void *self) {
    struct state *s = self;
    lt_backend_close(s->backend);
    lt_buf_release(&s->runtime);
    lt_free(s->lock_path);
}

static bool supports(const void *self, enum lt_op op, enum lt_dtype t) {
    const struct state *s = self;
    struct lt_node n = {.op = op, .kernel = 1, .stride = 1, .groups = 1};
    return lt_precision_has(s->precisions, t) && op != LT_OP_BN &&
           (t == LT_F32 || op == LT_OP_CONV || op == LT_OP_LINEAR) && lt_backend_supports(s->backend, &n, t);
}

/*
 * Values of the size that a trained network has, so that activations neither vanish into denormals nor overflow; beyond
 * that latency does not depend on them. One short random table is repeated: drawing a million normals would take longer
 * than the measurement.
 */
static void fill(float *p, int64_t n, float scale, const float *table, int64_t *at) {
    for (int64_t i = 0; i < n; i++) p[i] = scale * table[(*at)++ % N_RANDOM];
}

struct rig {
    struct lt_lock *lock;
    struct lt_weights *w;
    struct lt_plan *plan;
    struct lt_session *session;
    float *x, *y;
    int batch;
};

static void rig_release(struct rig *r) {
    lt_session_free(r->session);
    lt_plan_free(r->plan);
    lt_weights_free(r->w);
    lt_free(r->x);
    lt_free(r->y);
    lt_lock_release(r->lock);
    *r = (struct rig){0};
}

static lt_status rig_make(const struct state *s, const struct lt_graph *g, const struct lt_plan *plan, int batch,
                          struct rig *r, struct lt_err *e) {
    float table[N_RANDOM];
    struct lt_rng rng;
    int64_t at = 0, in = lt_shape_count(&g->node[0].out), out = lt_shape_count(&g->node[g->output].out);
    lt_status st;
    r->batch = batch > 0 ? batch : (int)s->batch;
    lt_rng_at(&rng, 0, LT_RNG_BENCH, 0, 0);
    for (int i = 0; i < N_RANDOM; i++) table[i] = (float)(lt_rng_u01(&rng) * 2 - 1);
    if ((st = lt_lock_acquire_shared(s->lock_path, &r->lock, e)) || (st = lt_weights_new(g, &r->w, e))) return st;
    for (int i = 0; i < g->n_params; i++) {
        const struct lt_param *p = &g->param[i];
        bool weight = p->role == LT_PARAM_WEIGHT;
        fill(r->w->data[i], p->count, weight ? sqrtf(6 * (float)p->dim[0] / (float)p->count) : 0.1f, table, &at);
    }
    if (!(r->x = lt_aligned((size_t)(in * r->batch) * sizeof(float))) ||
        !(r->y = lt_aligned((size_t)(out * r->batch) * sizeof(float))))
        return lt_fail(e, LT_ENOMEM, "%s: input of a measurement", g->name);
    fill(r->x, in * r->batch, 1, table, &at);
    if (plan) { /* a plan may come before calibration: any scale will do */
        if ((st = lt_plan_copy(plan, &r->plan, e))) return st;
        for (int i = 0; i < r->plan->n_nodes; i++)
            if (!(r->plan->out[i].scale > 0)) r->plan->out[i].scale = 0.05f;
    }
    struct lt_session_opt o = {
        .kind = LT_SESSION_INFER, .batch = r->batch, .threads = (int)s->threads, .plan = r->plan};
    if ((st = lt_session_new(s->backend, g, &o, &r->session, e))) return st;
    return lt_session_weights(r->session, r->w, e);
}

/* Seconds per run of k back-to-back runs. */
static lt_status timed(const struct rig *r, int k, double *out, struct lt_err *e) {
    double then = lt_now_s();
    for (int i = 0; i < k; i++) {
        lt_status s = lt_session_forward(r->session, r->x, r->batch, LT_BN_RUNNING, r->y, e);
        if (s) return s;
    }
    *out = (lt_now_s() - then) / k;
    return LT_OK;
}

/* Windows of runs until one is no faster than the last; leaves the number of runs that make a sample long enough. */
static lt_status warm_up(const struct rig *r, double deadline, struct lt_measurement *out, struct lt_err *e) {
    double last = 0, now;
    lt_status s = timed(r, 1, &last, e); /* the first run touches everything: it says nothing about the second */
    out->n_warmup = 1;
    if (!s) s = timed(r, 1, &last, e);
    out->n_warmup++;
    for (int i = 0; !s && i < MAX_WINDOWS && lt_now_s() < deadline; i++) {
        int k = (int)fmax(2, fmin(WINDOW_S / last, 1e5));
        if ((s = timed(r, k, &now, e))) break;
        out->n_warmup += k;
        bool still = now > 0.99 * last;
        last = now;
        if (still) break;
    }
    out->runs_per_sample = (int)fmax(1, ceil(MIN_SAMPLE_S / fmax(last, 1e-9)));
    return s;
}

static void rest(double s) {
    struct timespec t = {.tv_sec = (time_t)s, .tv_nsec = (long)((s - floor(s)) * 1e9)};
    if (s > 0) nanosleep(&t, NULL);
}

static lt_status measure(void *self, const struct lt_graph *g, const struct lt_plan *plan,
                         const struct lt_measure_opt *o, struct lt_measurement *out, struct lt_err *e) {
    const struct state *s = self;
    struct rig r = {0};
    double discard;
    bool settled = false;
    lt_status st = rig_make(s, g, plan, o->batch, &r, e);
    if (st) goto out;
    out->batch = r.batch;
    if (!(out->sample_s = lt_malloc((size_t)o->max_runs * sizeof(double)))) {
        st = lt_fail(e, LT_ENOMEM, "measurement");
        goto out;
    }
    double deadline = lt_now_s() + o->max_s;
    if ((st = warm_up(&r, lt_now_s() + o->max_s / 4, out, e))) goto out;
    for (int group = 1; !settled; group++) {
        if (group > 1) { /* caches and clock are warm again before the first sample after a pause */
            rest(s->pause_s);
            if ((st = timed(&r, 1, &discard, e))) goto out;
        }
        for (int i = 0; i < GROUP && out->n < o->max_runs; i++, out->n++)
            if ((st = timed(&r, out->runs_per_sample, &out->sample_s[out->n], e))) goto out;
        settled = lt_measurement_settle(out, o) && (group >= MIN_GROUPS || out->n >= o->max_runs);
        if (!settled && (out->n >= o->max_runs || lt_now_s() >= deadline)) {
            out->status = LT_EUNSTABLE;
            break;
        }
    }
out:
    rig_release(&r);
    return st;
}

static lt_status measure_units(void *self, const struct lt_graph *g, const struct lt_plan *plan, int runs,
                               struct lt_unit_time **out, int *n, struct lt_err *e) {
    struct rig r = {0};
    lt_status st = rig_make(self, g, plan, 0, &r, e);
    if (!st) st = lt_session_time_units(r.session, r.x, runs, out, n, e);
    rig_release(&r);
    return st;
}

static void describe(const void *self, struct lt_jw *w) {
    const struct state *s = self;
    lt_jw_kstr(w, "cpu", lt_runtime_cpu_model());
    lt_jw_kstr(w, "runtime", s->runtime.data);
    lt_jw_kstr(w, "backend", lt_backend_name(s->backend));
    lt_jw_kint(w, "threads", s->threads);
    lt_jw_kint(w, "batch", s->batch);
}

const struct lt_device_ops lt_device_host = {
    .name = "host",
    .about = "this machine's CPU, through the runtime's inference session",
    .opts = opts,
    .state_size = sizeof(struct state),
    .open = open_host,
    .close = close_host,
    .supports = supports,
    .measure = measure,
    .measure_units = measure_units,
    .describe = describe,
    .is_real = true,
};
