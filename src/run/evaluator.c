/* Room: run. The registry of evaluators, and what they share: costs counted from the graph; see evaluator.h. */
#include "run/evaluator.h"
#include "lathe/cost.h"
#include "lathe/mem.h"

#include <string.h>

#define LT_EVALUATOR(name) extern const struct lt_evaluator_ops lt_evaluator_##name;
#include "run/evaluators.def"
#undef LT_EVALUATOR

/* The run itself: stage_search.c. */
const struct lt_evaluator_ops lt_evaluator_supernet = {
    .name = "supernet",
    .about = "accuracy of the subnetwork with the weights that the run has trained; latency from its predictor",
    .trains = true,
};

static const struct lt_evaluator_ops *const all[] = {
#define LT_EVALUATOR(name) &lt_evaluator_##name,
#include "run/evaluators.def"
#undef LT_EVALUATOR
};

int lt_evaluator_count(void) { return (int)(sizeof(all) / sizeof(*all)); }
const struct lt_evaluator_ops *lt_evaluator_at(int i) { return all[i]; }

lt_status lt_evaluator_open(const struct lt_evaluator_ops *ops, const struct lt_yaml *cfg,
                            const struct lt_evaluator_env *env, struct lt_evaluator **out, struct lt_err *e) {
    static const char *const skip[] = {"name", NULL};
    struct lt_evaluator *ev = lt_calloc(1, sizeof(*ev));
    lt_status s;
    if (!ev || !(ev->cfg = lt_calloc(1, ops->cfg_size ? ops->cfg_size : 1))) {
        lt_free(ev);
        return lt_fail(e, LT_ENOMEM, "evaluator '%s'", ops->name);
    }
    ev->ops = ops;
    ev->env = *env;
    if (ops->opts && (s = lt_opts_read(ops->opts, cfg, skip, ev->cfg, e))) goto out;
    if (ops->open && (s = ops->open(&ev->env, ev->cfg, &ev->self, e))) goto out;
    *out = ev;
    return LT_OK;
out:
    lt_evaluator_free(ev);
    return s;
}

void lt_evaluator_free(struct lt_evaluator *ev) {
    if (!ev) return;
    if (ev->self) ev->ops->close(ev->self);
    if (ev->ops->opts) lt_opts_release(ev->ops->opts, ev->cfg);
    lt_free(ev->cfg);
    lt_free(ev);
}

static bool is_cost(int score) {
    return score == LT_SCORE_SIZE_KB || score == LT_SCORE_MACS || score == LT_SCORE_PARAMS ||
           score == LT_SCORE_PEAK_ACT_BYTES;
}

lt_status lt_evaluator_want(struct lt_evaluator *ev, const char *name, int *score, struct lt_err *e) {
    struct lt_err why = {0};
    lt_status s;
    if (ev->ops->trains) {
        if (lt_score_parse(NULL, name, score)) return LT_OK;
        const char *names[LT_N_SCORES + 1] = {NULL};
        for (int i = 0; i < LT_N_SCORES; i++) names[i] = lt_score_name(NULL, i);
        const char *near = lt_nearest(name, names);
        if (near) return lt_fail(e, LT_EINVAL, "unknown score '%s'; did you mean '%s'?", name, near);
        return lt_fail(e, LT_EINVAL,
                       "unknown score '%s'; known: accuracy, latency_ms, size_kb, macs, params, peak_act_bytes", name);
    }
    if ((s = lt_score_add(ev->env.names, name, score, e))) return s;
    if (!(s = ev->ops->want(ev->self, name, *score, &why))) return LT_OK;
    if (!is_cost(*score)) return lt_fail(e, s, "%s", why.msg);
    ev->costs |= 1u << *score;
    return LT_OK;
}

lt_status lt_evaluator_ready(struct lt_evaluator *ev, struct lt_err *e) {
    return ev->ops->ready ? ev->ops->ready(ev->self, e) : LT_OK;
}

lt_status lt_evaluator_costs(const struct lt_evaluator *ev, const struct lt_arch *a, struct lt_scores *io,
                             struct lt_err *e) {
    struct lt_graph *g = NULL;
    struct lt_cost c;
    if (!ev->costs) return LT_OK;
    lt_status s = lt_space_expand(ev->env.space, a, &g, e);
    if (s) return s;
    lt_graph_cost(g, NULL, &c);
    lt_graph_free(g);
    const double v[LT_N_SCORES] = {[LT_SCORE_SIZE_KB] = (double)c.size_bytes / 1000,
                                   [LT_SCORE_MACS] = (double)c.macs,
                                   [LT_SCORE_PARAMS] = (double)c.params,
                                   [LT_SCORE_PEAK_ACT_BYTES] = (double)c.peak_act_bytes};
    for (int k = 0; k < LT_N_SCORES; k++) {
        if (!(ev->costs & 1u << k)) continue;
        io->v[k] = v[k];
        io->have[k] = true;
    }
    return LT_OK;
}

lt_status lt_evaluator_cheap(struct lt_evaluator *ev, const struct lt_arch *a, int n, struct lt_scores *out,
                             struct lt_err *e) {
    memset(out, 0, (size_t)n * sizeof(*out));
    if (ev->ops->cheap) {
        lt_status s = ev->ops->cheap(ev->self, a, n, out, e);
        if (s) return s;
    }
    for (int i = 0; i < n; i++) {
        lt_status s = lt_evaluator_costs(ev, &a[i], &out[i], e);
        if (s) return s;
    }
    return LT_OK;
}
