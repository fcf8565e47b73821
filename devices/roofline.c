/*
 * Analytic device: per operator max(compute, traffic) + overhead, no noise. Also the model behind `fake`.
 * What a runtime fuses costs nothing here: activations, other shapes of the same values. Conversions between f32 and int8 are not charged.
 */
#include "devices/devices.h"
#include "lathe/cost.h"
#include "lathe/mem.h"
#include <math.h>

static bool fused(const struct lt_node *n) {
    return n->op == LT_OP_INPUT || n->op == LT_OP_ACT || lt_op_renames(n->op) || n->op == LT_OP_BN;
}

double lt_roofline_node_s(const struct lt_roofline *r, const struct lt_graph *g, const struct lt_plan *plan, int node,
                          int batch) {
    struct lt_cost_node c;
    if (fused(&g->node[node])) return 0;
    lt_node_cost(g, plan, node, &c);
    double peak = plan && plan->is_int8[node] ? r->macs_per_s_int8 : r->macs_per_s_f32;
    return fmax((double)c.macs * batch / peak, (double)(c.read_bytes + c.written_bytes) * batch / r->bytes_per_s) +
           r->overhead_s;
}

double lt_roofline_graph_s(const struct lt_roofline *r, const struct lt_graph *g, const struct lt_plan *plan,
                           int batch) {
    double s = 0;
    for (int i = 0; i < g->n_nodes; i++) s += lt_roofline_node_s(r, g, plan, i, batch);
    return s;
}

lt_status lt_roofline_units(const struct lt_roofline *r, const struct lt_graph *g, const struct lt_plan *plan,
                            int batch, struct lt_unit_time **out, int *n, struct lt_err *e) {
    struct lt_unit_time *u = lt_calloc((size_t)g->n_nodes, sizeof(*u));
    int k = 0;
    if (!u) return lt_fail(e, LT_ENOMEM, "unit times");
    for (int i = 0; i < g->n_nodes; i++)
        if (!fused(&g->node[i]))
            u[k++] = (struct lt_unit_time){.kind = LT_UNIT_OP,
                                           .node = i,
                                           .last = i,
                                           .dtype = plan && plan->is_int8[i] ? LT_I8 : LT_F32,
                                           .out_dtype = LT_F32,
                                           .median_s = lt_roofline_node_s(r, g, plan, i, batch)};
    *out = u;
    *n = k;
    return LT_OK;
}

struct state {
    struct lt_roofline r;
    int64_t batch;
    unsigned precisions;
};
#define AT(f) offsetof(struct state, f)

/* Defaults: one Zen 4 core, oneDNN 2.6.3, batch 1 (f32 1x1 convolutions reach 50 G MAC/s, int8 ones 150 to 250, small
 * networks stay in cache). */
static const struct lt_opt opts[] = {
    {"macs_per_s_f32", LT_OPT_DOUBLE, "", "5e10", 1, 1e18, AT(r.macs_per_s_f32), NULL,
     "peak multiply-adds per second in f32"},
    {"macs_per_s_int8", LT_OPT_DOUBLE, "", "2e11", 1, 1e18, AT(r.macs_per_s_int8), NULL,
     "peak multiply-adds per second in int8"},
    {"bytes_per_s", LT_OPT_DOUBLE, "", "4e10", 1, 1e18, AT(r.bytes_per_s), NULL, "memory traffic per second"},
    {"overhead_s", LT_OPT_DOUBLE, "s", "0.5 us", 0, 1, AT(r.overhead_s), NULL, "fixed time of every operator"},
    {"batch", LT_OPT_INT, "", "1", 1, 65536, AT(batch), NULL, "samples per run"},
    {"precisions", LT_OPT_SET, "", "f32,int8", 0, 0, AT(precisions), LT_PRECISION_CHOICES,
     "what the device can compute in"},
    {0}};

static bool supports(const void *self, enum lt_op op, enum lt_dtype t) {
    (void)op;
    return lt_precision_has(((const struct state *)self)->precisions, t);
}

static lt_status measure(void *self, const struct lt_graph *g, const struct lt_plan *plan,
                         const struct lt_measure_opt *o, struct lt_measurement *out, struct lt_err *e) {
    const struct state *s = self;
    int batch = o->batch > 0 ? o->batch : (int)s->batch;
    return lt_measurement_exact(out, lt_roofline_graph_s(&s->r, g, plan, batch), batch, e);
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
    lt_jw_kint(w, "batch", s->batch);
}

const struct lt_device_ops lt_device_roofline = {
    .name = "roofline",
    .about = "analytic: compute or traffic, whichever is slower, plus an overhead per operator",
    .opts = opts,
    .state_size = sizeof(struct state),
    .supports = supports,
    .measure = measure,
    .measure_units = measure_units,
    .describe = describe,
};
