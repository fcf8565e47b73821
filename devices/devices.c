/*
 * The registry of devices and what is done once for all of them: options, folding, checks, defaults, JSON.
 */
#include "devices/devices.h"
#include "lathe/buf.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include <string.h>

#define LT_DEVICE(n) extern const struct lt_device_ops lt_device_##n;
#include "devices/devices.def"
#undef LT_DEVICE
#define LT_DEVICE(n) &lt_device_##n,
static const struct lt_device_ops *const registry[] = {
#include "devices/devices.def"
};
#undef LT_DEVICE
enum { N_DEVICES = (int)(sizeof(registry) / sizeof(*registry)) };

struct lt_device {
    const struct lt_device_ops *ops;
    void *state;
};

int lt_device_count(void) { return N_DEVICES; }

const struct lt_device_ops *lt_device_ops_at(int i) { return i >= 0 && i < N_DEVICES ? registry[i] : NULL; }

const struct lt_device_ops *lt_device_ops_find(const char *name) {
    for (int i = 0; i < N_DEVICES; i++)
        if (!strcmp(registry[i]->name, name)) return registry[i];
    return NULL;
}

static lt_status find(const struct lt_yaml *cfg, const struct lt_device_ops **out, struct lt_err *e) {
    const struct lt_yaml *name = cfg;
    const char *names[N_DEVICES + 1] = {0};
    int i;
    lt_status s;
    if (!cfg) {
        *out = lt_device_ops_find("host");
        return LT_OK;
    }
    if (cfg->kind == LT_YAML_MAP && !(name = lt_yaml_get(cfg, "name")))
        return lt_yaml_fail(e, cfg, "a device needs a name, as in {name: host}");
    if (name->kind != LT_YAML_SCALAR) return lt_yaml_fail(e, name, "a device is a name, or a map {name: host, ...}");
    for (int k = 0; k < N_DEVICES; k++) names[k] = registry[k]->name;
    if ((s = lt_yaml_pick(name, "device", names, &i, e))) return s;
    *out = registry[i];
    return LT_OK;
}

lt_status lt_device_open(const struct lt_yaml *cfg, struct lt_device **out, struct lt_err *e) {
    static const char *const skip[] = {"name", NULL};
    const struct lt_device_ops *ops = NULL;
    struct lt_device *d = NULL;
    lt_status s;
    if ((s = find(cfg, &ops, e))) return s;
    if (!(d = lt_calloc(1, sizeof(*d))) || !(d->state = lt_calloc(1, ops->state_size))) {
        lt_free(d);
        return lt_fail(e, LT_ENOMEM, "device %s", ops->name);
    }
    d->ops = ops;
    if ((s = lt_opts_read(ops->opts, cfg && cfg->kind == LT_YAML_MAP ? cfg : NULL, skip, d->state, e)) ||
        (ops->open && (s = ops->open(d->state, e)))) {
        lt_device_close(d);
        return s;
    }
    *out = d;
    return LT_OK;
}

void lt_device_close(struct lt_device *d) {
    if (!d) return;
    if (d->ops->close) d->ops->close(d->state);
    lt_opts_release(d->ops->opts, d->state);
    lt_free(d->state);
    lt_free(d);
}

const char *lt_device_name(const struct lt_device *d) { return d->ops->name; }

const struct lt_device_ops *lt_device_ops_of(const struct lt_device *d) { return d->ops; }

bool lt_device_supports(const struct lt_device *d, enum lt_op op, enum lt_dtype t) {
    return d->ops->supports(d->state, op, t);
}

static bool has_bn(const struct lt_graph *g) {
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i].op == LT_OP_BN) return true;
    return false;
}

static lt_status check(const struct lt_device *d, const struct lt_graph *g, const struct lt_plan *plan,
                       struct lt_err *e) {
    if (plan && plan->n_nodes != g->n_nodes)
        return lt_fail(e, LT_EINVAL, "%s: plan of %d nodes for a graph of %d (plans belong to the folded graph)",
                       g->name, plan->n_nodes, g->n_nodes);
    for (int i = 0; i < g->n_nodes; i++) {
        enum lt_dtype t = plan && plan->is_int8[i] ? LT_I8 : LT_F32;
        if (g->node[i].op != LT_OP_INPUT && g->node[i].op != LT_OP_BN && !lt_device_supports(d, g->node[i].op, t))
            return lt_fail(e, LT_EUNAVAIL, "device %s does not run %s (%s) in %s", d->ops->name,
                           lt_op_name(g->node[i].op), g->node[i].name, t == LT_F32 ? "f32" : "int8");
    }
    return LT_OK;
}

static struct lt_measure_opt defaults(const struct lt_measure_opt *o) {
    struct lt_measure_opt m = o ? *o : (struct lt_measure_opt){0};
    if (!(m.rel_halfwidth > 0)) m.rel_halfwidth = 0.02;
    if (!(m.level > 0)) m.level = 0.95;
    if (!(m.max_s > 0)) m.max_s = 1.0;
    if (m.min_runs <= 0) m.min_runs = 20;
    if (m.max_runs <= 0) m.max_runs = 2000;
    if (m.max_runs < m.min_runs) m.max_runs = m.min_runs;
    return m;
}

lt_status lt_device_measure(struct lt_device *d, const struct lt_graph *g, const struct lt_plan *plan,
                            const struct lt_measure_opt *opt, struct lt_measurement *out, struct lt_err *e) {
    struct lt_measure_opt o = defaults(opt);
    struct lt_measurement m = {0};
    struct lt_graph *folded = NULL;
    struct lt_weights *w = NULL, *fw = NULL;
    double start = lt_now_s();
    lt_status s = check(d, g, plan, e);
    if (s) return s;
    if (has_bn(g)) {
        if (plan) return lt_fail(e, LT_EINVAL, "%s: a plan needs a graph whose batch norm is folded", g->name);
        if ((s = lt_weights_new(g, &w, e)) || (s = lt_graph_fold_bn(g, w, &folded, &fw, e))) goto out;
    }
    if ((s = d->ops->measure(d->state, folded ? folded : g, plan, &o, &m, e))) goto out;
    m.wall_s = lt_now_s() - start;
    *out = m;
    m = (struct lt_measurement){0};
out:
    lt_measurement_release(&m);
    lt_weights_free(w);
    lt_weights_free(fw);
    lt_graph_free(folded);
    return s;
}

lt_status lt_device_measure_units(struct lt_device *d, const struct lt_graph *g, const struct lt_plan *plan, int runs,
                                  struct lt_unit_time **out, int *n, struct lt_err *e) {
    lt_status s = check(d, g, plan, e);
    if (s) return s;
    if (has_bn(g))
        return lt_fail(e, LT_EINVAL, "%s: units name the nodes of a graph whose batch norm is folded", g->name);
    if (!d->ops->measure_units) return lt_fail(e, LT_EUNAVAIL, "device %s has no times by operator", d->ops->name);
    return d->ops->measure_units(d->state, g, plan, runs > 0 ? runs : 30, out, n, e);
}

void lt_device_describe(const struct lt_device *d, struct lt_jw *w) {
    lt_jw_obj(w);
    lt_jw_kstr(w, "name", d->ops->name);
    d->ops->describe(d->state, w);
    lt_jw_obj_end(w);
}

uint64_t lt_device_hash(const struct lt_device *d) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw w;
    uint64_t h = 0;
    lt_jw_init(&w, &b);
    lt_device_describe(d, &w);
    if (!lt_buf_ok(&b, NULL)) h = lt_hash64(b.data, b.len, 0);
    lt_buf_release(&b);
    return h;
}

void lt_measurement_release(struct lt_measurement *m) {
    if (!m) return;
    lt_free(m->sample_s);
    *m = (struct lt_measurement){0};
}

void lt_measurement_json(const struct lt_measurement *m, bool samples, struct lt_jw *w) {
    lt_jw_obj(w);
    lt_jw_kstr(w, "status", lt_status_name(m->status));
    lt_jw_knum(w, "median_s", m->median_s);
    lt_jw_key(w, "ci");
    lt_jw_arr(w);
    lt_jw_num(w, m->lo_s);
    lt_jw_num(w, m->hi_s);
    lt_jw_arr_end(w);
    lt_jw_knum(w, "level", m->level);
    lt_jw_kint(w, "batch", m->batch);
    lt_jw_kint(w, "n", m->n);
    lt_jw_kint(w, "runs_per_sample", m->runs_per_sample);
    lt_jw_kint(w, "n_warmup", m->n_warmup);
    if (samples) {
        lt_jw_key(w, "samples_s");
        lt_jw_arr(w);
        for (int i = 0; i < m->n; i++) lt_jw_num(w, m->sample_s[i]);
        lt_jw_arr_end(w);
    }
    lt_jw_obj_end(w);
}

bool lt_measurement_settle(struct lt_measurement *m, const struct lt_measure_opt *o) {
    m->median_s = lt_median(m->sample_s, m->n);
    if (lt_median_ci(m->sample_s, m->n, o->level, &m->lo_s, &m->hi_s)) {
        m->level = o->level;
        return m->n >= o->min_runs && (m->hi_s - m->lo_s) / 2 <= o->rel_halfwidth * m->median_s;
    }
    m->level = 0;
    m->lo_s = m->hi_s = m->sample_s[0];
    for (int i = 1; i < m->n; i++) {
        m->lo_s = m->sample_s[i] < m->lo_s ? m->sample_s[i] : m->lo_s;
        m->hi_s = m->sample_s[i] > m->hi_s ? m->sample_s[i] : m->hi_s;
    }
    return false;
}

lt_status lt_measurement_exact(struct lt_measurement *out, double seconds, int batch, struct lt_err *e) {
    if (!(out->sample_s = lt_malloc(sizeof(double)))) return lt_fail(e, LT_ENOMEM, "measurement");
    out->sample_s[0] = out->median_s = out->lo_s = out->hi_s = seconds;
    out->n = out->runs_per_sample = 1;
    out->batch = batch;
    return LT_OK;
}

bool lt_precision_has(unsigned precisions, enum lt_dtype t) {
    return t == LT_F32 ? precisions & LT_PRECISION_F32 : (t == LT_I8 || t == LT_U8) && (precisions & LT_PRECISION_INT8);
}
