/* Example device "permac": a chip of which one knows a single number, the time of a multiply-add. Exact, so no samples
 * are drawn. */
#include "devices/devices.h"
#include "lathe/cost.h"

struct state {
    double s_per_mac;
    int64_t batch;
};
#define AT(f) offsetof(struct state, f)

static const struct lt_opt opts[] = {
    {"s_per_mac", LT_OPT_DOUBLE, "s", "1 ns", 1e-15, 1, AT(s_per_mac), NULL, "time of one multiply-add"},
    {"batch", LT_OPT_INT, "", "1", 1, 65536, AT(batch), NULL, "samples per run"},
    {0}};

static bool supports(const void *self, enum lt_op op, enum lt_dtype t) {
    (void)self;
    (void)op;
    return t == LT_F32; /* refusing is an answer: the quantizer then leaves everything in f32 */
}

static lt_status measure(void *self, const struct lt_graph *g, const struct lt_plan *plan,
                         const struct lt_measure_opt *o, struct lt_measurement *out, struct lt_err *e) {
    const struct state *s = self;
    struct lt_cost cost;
    int batch = o->batch > 0 ? o->batch : (int)s->batch;
    lt_graph_cost(g, plan, &cost);
    return lt_measurement_exact(out, (double)cost.macs * batch * s->s_per_mac, batch, e);
}

static void describe(const void *self, struct lt_jw *w) {
    const struct state *s = self;
    lt_jw_knum(w, "s_per_mac", s->s_per_mac); /* all that makes two recorded times comparable */
    lt_jw_kint(w, "batch", s->batch);
}

const struct lt_device_ops lt_device_permac = {
    .name = "permac",
    .about = "time proportional to multiply-adds",
    .opts = opts,
    .state_size = sizeof(struct state),
    .supports = supports,
    .measure = measure,
    .describe = describe,
};
