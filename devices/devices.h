/*
 * What devices share: the statement that samples make, and the cost model behind `roofline` and `fake`. Private to this
 * folder.
 */
#ifndef LT_DEVICES_H
#define LT_DEVICES_H
#include "lathe/device.h"

/* Median and interval of out->sample_s[0..n) at o->level; true when the interval is as narrow as o wants (and n >=
 * o->min_runs). */
bool lt_measurement_settle(struct lt_measurement *out, const struct lt_measure_opt *o);
/* One exact value: a model's or a recorded one. */
lt_status lt_measurement_exact(struct lt_measurement *out, double seconds, int batch, struct lt_err *e);

#define LT_PRECISION_CHOICES "f32|int8"
enum { LT_PRECISION_F32 = 1, LT_PRECISION_INT8 = 2 }; /* bits of a `precisions` option */
bool lt_precision_has(unsigned precisions, enum lt_dtype t);

/* Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009, per operator: max(MACs / peak, bytes / bandwidth) +
 * overhead. */
struct lt_roofline {
    double macs_per_s_f32, macs_per_s_int8, bytes_per_s, overhead_s;
};
double lt_roofline_node_s(const struct lt_roofline *r, const struct lt_graph *g, const struct lt_plan *plan, int node,
                          int batch);
double lt_roofline_graph_s(const struct lt_roofline *r, const struct lt_graph *g, const struct lt_plan *plan,
                           int batch);
/* One entry per operator that is not fused away, times `factor`. */
lt_status lt_roofline_units(const struct lt_roofline *r, const struct lt_graph *g, const struct lt_plan *plan,
                            int batch, struct lt_unit_time **out, int *n, struct lt_err *e);
#endif
