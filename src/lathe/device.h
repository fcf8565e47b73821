/*
 * Devices: how long does a graph take there. A measurement is a statement with a confidence interval: warm-up, repeats
 * until the distribution-free interval of the median is narrow, or status LT_EUNSTABLE inside the measurement, which is
 * a result and not an error.
 *
 *   lt_device_open(cfg, &d, e);                      cfg: map {name: host, threads: 1}; NULL = host with defaults
 *   struct lt_measurement m = {0};
 *   lt_device_measure(d, g, NULL, NULL, &m, e);      m.median_s, m.lo_s, m.hi_s, m.status, all raw samples
 *   lt_measurement_release(&m);
 *   lt_device_close(d);
 *
 * Graphs may still hold batch norm when no plan is given: the framework folds it before a device sees the graph. A plan
 * belongs to the folded graph that is passed. Real devices hold an exclusive lock of the machine while they measure, so
 * that ranks and jobs take turns. A device is used by one thread at a time. Not collective.
 */
#ifndef LATHE_DEVICE_H
#define LATHE_DEVICE_H
#include "lathe/graph.h"
#include "lathe/infer_profile.h"
#include "lathe/json.h"
#include "lathe/opt.h"
#include "lathe/yaml.h"
#ifdef __cplusplus
extern "C" {
#endif
struct lt_measure_opt {     /* zero fields mean the default in parentheses */
    double rel_halfwidth;   /* (0.02) wanted: (hi - lo) / 2 <= rel_halfwidth * median */
    double level;           /* (0.95) coverage of the interval */
    double max_s;           /* (1.0) wall budget of one measurement, session creation excluded */
    int min_runs, max_runs; /* (20, 2000) samples */
    int batch;              /* (the device's own option, else 1) */
};
struct lt_measurement {
    lt_status status;            /* LT_OK, or LT_EUNSTABLE: max_s or max_runs ended before the interval was narrow */
    double median_s, lo_s, hi_s; /* seconds per run of the network (whole batch) */
    double level;        /* of [lo_s, hi_s]; 0 when too few samples for an interval (lo and hi are then min and max) */
    int n;               /* samples, all kept, outliers too, in time order */
    double *sample_s;    /* [n] seconds per run; owned */
    int n_warmup;        /* runs before the first sample */
    int runs_per_sample; /* a sample is the mean of that many back-to-back runs (timer noise) */
    int batch;
    double wall_s; /* that this measurement took, session creation and waiting for the lock included */
};
void lt_measurement_release(struct lt_measurement *m); /* frees the samples, zeroes; NULL ok */
/* One object: {"status", "median_s", "ci": [lo, hi], "level", "batch", "n", "runs_per_sample", "n_warmup",
 * "samples_s"}. */
void lt_measurement_json(const struct lt_measurement *m, bool samples, struct lt_jw *w);

/* One row a device: devices/<name>.c exports `const struct lt_device_ops lt_device_<name>` and devices/devices.def
 * lists it. */
struct lt_device_ops {
    const char *name, *about;
    const struct lt_opt *opts;                       /* into the state below; read by the framework before open */
    size_t state_size;                               /* zeroed by the framework; options live in it */
    lt_status (*open)(void *self, struct lt_err *e); /* optional; LT_EUNAVAIL: not on this machine */
    void (*close)(void *self); /* optional; after a failed open too; opts' strings are freed for it */
    bool (*supports)(const void *self, enum lt_op op, enum lt_dtype t);
    /* g has no batch norm, o has no zero field but batch, *out is zeroed. */
    lt_status (*measure)(void *self, const struct lt_graph *g, const struct lt_plan *plan,
                         const struct lt_measure_opt *o, struct lt_measurement *out, struct lt_err *e);
    /* Optional: time of each fused unit; see lathe/infer_profile.h. */
    lt_status (*measure_units)(void *self, const struct lt_graph *g, const struct lt_plan *plan, int runs,
                               struct lt_unit_time **out, int *n, struct lt_err *e);
    /* Keys and values into an open object; same machine and settings: same text. */
    void (*describe)(const void *self, struct lt_jw *w);
    bool is_real; /* times come from a clock: two measurements of one graph differ */
};
int lt_device_count(void);
const struct lt_device_ops *lt_device_ops_at(int i);
const struct lt_device_ops *lt_device_ops_find(const char *name); /* NULL when absent */

struct lt_device;
/* LT_EINVAL with file:line:column for an unknown name or key, a wrong unit or value; LT_EUNAVAIL when the device is not
 * here. */
lt_status lt_device_open(const struct lt_yaml *cfg, struct lt_device **out, struct lt_err *e);
void lt_device_close(struct lt_device *d);
const char *lt_device_name(const struct lt_device *d);
const struct lt_device_ops *lt_device_ops_of(const struct lt_device *d);
bool lt_device_supports(const struct lt_device *d, enum lt_op op, enum lt_dtype t);
/* opt NULL = defaults. *out must be zeroed or released; untouched on failure. LT_EUNSTABLE is never returned: see
 * out->status. */
lt_status lt_device_measure(struct lt_device *d, const struct lt_graph *g, const struct lt_plan *plan,
                            const struct lt_measure_opt *opt, struct lt_measurement *out, struct lt_err *e);
/* *out: lt_free. LT_EUNAVAIL where a device cannot time units. g must be batch-norm folded, since units name its nodes.
 */
lt_status lt_device_measure_units(struct lt_device *d, const struct lt_graph *g, const struct lt_plan *plan,
                                  int runs /* 0 = 30 */, struct lt_unit_time **out, int *n, struct lt_err *e);
/* Identity: what makes recorded times comparable (name, options that matter, CPU model, library version). 0 only
 * without memory. */
uint64_t lt_device_hash(const struct lt_device *d);
void lt_device_describe(const struct lt_device *d, struct lt_jw *w); /* one object {"name": ..., ...} */
#ifdef __cplusplus
}
#endif
#endif
