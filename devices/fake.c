/*
 * A device without hardware, for tests and dry runs: the roofline model times lognormal noise. Everything is keyed by
 * (seed, graph, plan, sample), so results do not depend on call order or ranks; also which graphs fail or never settle.
 */
#include "devices/devices.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include <math.h>

struct state {
    struct lt_roofline r;
    double noise;
    int64_t seed, batch, unstable, fail_every;
    unsigned precisions;
};
#define AT(f) offsetof(struct state, f)

static const struct lt_opt opts[] = {
    {"macs_per_s_f32", LT_OPT_DOUBLE, "", "2e10", 1, 1e18, AT(r.macs_per_s_f32), NULL,
     "multiply-adds per second in f32"},
    {"macs_per_s_int8", LT_OPT_DOUBLE, "", "6e10", 1, 1e18, AT(r.macs_per_s_int8), NULL,
     "multiply-adds per second in int8"},
    {"bytes_per_s", LT_OPT_DOUBLE, "", "1e10", 1, 1e18, AT(r.bytes_per_s), NULL, "memory traffic per second"},
    {"overhead_s", LT_OPT_DOUBLE, "s", "1 us", 0, 1, AT(r.overhead_s), NULL, "fixed time of every operator"},
    {"noise", LT_OPT_DOUBLE, "fraction", "1%", 0, 2, AT(noise), NULL,
     "standard deviation of the logarithm of a sample"},
    {"seed", LT_OPT_INT, "", "0", 0, 9e15, AT(seed), NULL, "of the noise"},
    {"batch", LT_OPT_INT, "", "1", 1, 65536, AT(batch), NULL, "samples per run"},
    {"unstable", LT_OPT_INT, "", "0", 0, 1e9, AT(unstable), NULL,
     "1: no measurement settles; n: one graph in n does not; 0: all do"},
    {"fail_every", LT_OPT_INT, "", "0", 0, 1e9, AT(fail_every), NULL,
     "1: every measurement fails; n: one graph in n does; 0: none"},
    {"precisions", LT_OPT_SET, "", "f32,int8", 0, 0, AT(precisions), LT_PRECISION_CHOICES,
     "what the device can compute in"},
    {0}};

static bool supports(const void *self, enum lt_op op, enum lt_dtype t) {
    (void)op;
    return lt_precision_has(((const struct state *)self)->precisions, t);
}

static bool chosen(uint64_t key, int64_t every) { return every > 0 && key % (uint64_t)every == 0; }

static lt_status measure(void *self, const struct lt_graph *g, const struct lt_plan *plan,
                         const struct lt_measure_opt *o, struct lt_measurement *out, struct lt_err *e) {
    const struct state *s = self;
    uint64_t key = lt_graph_hash(g) ^ lt_plan_hash(plan) * 0x9E3779B97F4A7C15u;
    int batch = o->batch > 0 ? o->batch : (int)s->batch;
    double base = lt_roofline_graph_s(&s->r, g, plan, batch);
    bool unstable = chosen(key, s->unstable), settled = false;
    if (chosen(key, s->fail_every))
        return lt_fail(e, LT_EIO, "device fake: %s: failed as asked by fail_every", g->name);
    if (!(out->sample_s = lt_malloc((size_t)o->max_runs * sizeof(double)))) return lt_fail(e, LT_ENOMEM, "measurement");
    out->batch = batch;
    out->runs_per_sample = 1;
    while (out->n < o->max_runs && !settled) {
        struct lt_rng r;
        lt_rng_at(&r, (uint64_t)s->seed, LT_RNG_FAKE_DEVICE, key, (uint64_t)out->n);
        double sd = unstable ? fmax(s->noise, 2) : s->noise;
        out->sample_s[out->n++] = base * exp(sd * lt_rng_normal(&r));
        settled = out->n >= o->min_runs && lt_measurement_settle(out, o) && !unstable;
    }
    if (!settled) {
        lt_measurement_settle(out, o);
        out->status = LT_EUNSTABLE;
    }
    return LT_OK;
}

static lt_status measure_units(void *self, const struct lt_graph *g, const struct lt_plan *plan, int runs,
                               struct lt_unit_time **out, int *n, struct lt_err *e) {
    const struct state *s = self;
    (void)runs;
    return lt_roofline_units(&s->r, g, plan, (int)s->batch, out, n, e);
}

static void describe(const void *self, struct lt_jw *w) {
    const struct state *s = self;
    lt_jw_knum(w, "macs_per_s_f32", s->r.macs_per_s_f32);
    lt_jw_knum(w, "macs_per_s_int8", s->r.macs_per_s_int8);
    lt_jw_knum(w, "bytes_per_s", s->r.bytes_per_s);
    lt_jw_knum(w, "overhead_s", s->r.overhead_s);
    lt_jw_knum(w, "noise", s->noise);
    lt_jw_kint(w, "seed", s->seed);
    lt_jw_kint(w, "batch", s->batch);
}

const struct lt_device_ops lt_device_fake = {
    .name = "fake",
    .about = "no hardware: a roofline model with reproducible noise, for tests",
    .opts = opts,
    .state_size = sizeof(struct state),
    .supports = supports,
    .measure = measure,
    .measure_units = measure_units,
    .describe = describe,
};
