/* Room: cli. What networks of a space cost, and the range of it. */
#include "cli/space_cmd.h"
#include "lathe/yaml.h"

#include <string.h>

const char *const space_metric_names[SPACE_N_METRICS + 1] = {"macs", "params", "size", "bytes", "ops", "peak", NULL};

lt_status space_metric_parse(const struct space_job *j, const char *name, int *out, struct lt_err *e) {
    const char *near;
    for (int i = 0; i < SPACE_N_METRICS; i++) {
        if (strcmp(space_metric_names[i], name)) continue;
        *out = i;
        return LT_OK;
    }
    near = lt_nearest(name, space_metric_names);
    return cli_usage(e, j->c, "'%s' is not one of macs, params, size, peak, bytes, ops%s%s%s", name,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static lt_status from_graph(const struct space_job *j, const struct lt_arch *a, double *values, struct lt_err *e) {
    struct lt_graph *g = NULL;
    struct lt_cost cost;
    lt_status s = lt_space_expand(j->sp, a, &g, e);
    if (s) return s;
    lt_graph_cost(g, NULL, &cost);
    values[SPACE_PEAK] = (double)cost.peak_act_bytes;
    lt_graph_free(g);
    return LT_OK;
}

lt_status space_costs(struct space_job *j, const struct lt_arch *a, unsigned want, double values[SPACE_N_METRICS],
                      struct lt_err *e) {
    double graph[SPACE_N_METRICS];
    struct lt_totals t;
    lt_status s;
    if (want & ((2u << SPACE_TABLED) - 1)) {
        if (!j->costs && (s = lt_space_costs_new(j->sp, &j->costs, e))) return s;
        if ((s = lt_space_costs_totals(j->costs, a, 1, &t, e))) return s;
        values[SPACE_MACS] = t.trained_macs;
        values[SPACE_PARAMS] = t.trained_params;
        values[SPACE_SIZE] = 4 * t.params;
        values[SPACE_BYTES] = t.moved_bytes;
        values[SPACE_OPS] = t.n_ops;
    }
    if (want >> (SPACE_TABLED + 1)) {
        if ((s = from_graph(j, a, graph, e))) return s;
        for (int i = SPACE_TABLED + 1; i < SPACE_N_METRICS; i++) values[i] = graph[i];
    }
    return LT_OK;
}

/* Changes one choice after the other to the best for `sign * metric`, until none helps. */
static lt_status climb(struct space_job *j, enum space_metric m, double sign, struct lt_arch *a, double *best,
                       struct lt_err *e) {
    double v[SPACE_N_METRICS];
    bool better = true;
    lt_status s = space_costs(j, a, 1u << m, v, e);
    if (s) return s;
    *best = v[m];
    for (int sweep = 0; better && sweep < 8; sweep++) {
        better = false;
        for (int i = 0; i < lt_space_n_genes(j->sp); i++) {
            for (int k = 0; k < lt_space_gene(j->sp, i)->n_choices; k++) {
                struct lt_arch b = *a;
                if (k == a->g[i] || !lt_space_gene_active(j->sp, a, i)) continue;
                b.g[i] = (uint8_t)k;
                lt_space_canonical(j->sp, &b);
                if ((s = space_costs(j, &b, 1u << m, v, e))) return s;
                if (sign * v[m] <= sign * *best) continue;
                *best = v[m];
                *a = b;
                better = true;
            }
        }
    }
    return LT_OK;
}

static lt_status searched(struct space_job *j, enum space_metric m, struct space_range *out, struct lt_err *e) {
    enum { SAMPLES = 32 };
    struct space_range r = {0};
    struct lt_arch at_lo = {0}, at_hi = {0};
    double v[SPACE_N_METRICS];
    lt_status s;
    for (int i = 0; i < SAMPLES + 2; i++) {
        struct lt_arch a;
        struct lt_rng rng;
        if (i == 0) {
            lt_space_smallest(j->sp, &a);
        } else if (i == 1) {
            lt_space_largest(j->sp, &a);
        } else {
            lt_rng_at(&rng, 1, LT_RNG_SAMPLE, 1u << 30, (uint64_t)i);
            lt_space_sample(j->sp, &rng, &a);
        }
        if ((s = space_costs(j, &a, 1u << m, v, e))) return s;
        if (!i || v[m] < r.lo) {
            r.lo = v[m];
            at_lo = a;
        }
        if (!i || v[m] > r.hi) {
            r.hi = v[m];
            at_hi = a;
        }
    }
    if ((s = climb(j, m, -1, &at_lo, &r.lo, e)) || (s = climb(j, m, 1, &at_hi, &r.hi, e))) return s;
    *out = r;
    return LT_OK;
}

lt_status space_find_range(struct space_job *j, enum space_metric m, struct space_range *out, struct lt_err *e) {
    int k = m == SPACE_MACS     ? LT_MEASURE_MACS
            : m == SPACE_PARAMS ? LT_MEASURE_PARAMS
            : m == SPACE_PEAK   ? LT_MEASURE_PEAK_BYTES
                                : -1;
    lt_status s;
    if (lt_space_n_cells(j->sp)) k = -1; /* choices shared by all cells: never exact, and slower than searching */
    if (k >= 0 && !j->has_range) {
        if ((s = lt_space_attainable(j->sp, &j->range, e))) return s;
        j->has_range = true;
    }
    if (k < 0 || !j->range.exact) return searched(j, m, out, e);
    *out = (struct space_range){.lo = j->range.min[k], .hi = j->range.max[k], .exact = true};
    return LT_OK;
}
