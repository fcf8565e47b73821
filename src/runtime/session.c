/*
 * Sessions as callers see them: checks that both kinds share, then the kind's own function.
 */
#include "runtime/session_priv.h"

lt_status lt_session_new(struct lt_backend *b, const struct lt_graph *g, const struct lt_session_opt *opt,
                         struct lt_session **out, struct lt_err *e) {
    if (opt->batch < 1) return lt_fail(e, LT_EINVAL, "%s: batch %d, must be at least 1", g->name, opt->batch);
    for (int i = 0; i < g->n_nodes; i++) {
        const struct lt_node *n = &g->node[i];
        if (!lt_backend_supports(b, n, LT_F32))
            return lt_fail(e, LT_EUNAVAIL, "%s: backend %s does not do %s", n->name, lt_backend_name(b),
                           lt_op_name(n->op));
        if (opt->kind == LT_SESSION_TRAIN && !lt_train_supports(n))
            return lt_fail(e, LT_EUNAVAIL, "%s: there is no training of %s, only inference", n->name,
                           lt_op_name(n->op));
        if (opt->kind == LT_SESSION_INFER && n->op == LT_OP_BN)
            return lt_fail(e, LT_EINVAL, "%s: inference sessions take a graph with its batch norms folded", n->name);
    }
    return opt->kind == LT_SESSION_TRAIN ? lt_train_session_new(b, g, opt, out, e)
                                         : lt_infer_session_new(b, g, opt, out, e);
}

void lt_session_free(struct lt_session *s) {
    if (s) s->vt->free(s);
}

lt_status lt_session_weights(struct lt_session *s, const struct lt_weights *w, struct lt_err *e) {
    return s->vt->weights(s, w, e);
}

lt_status lt_session_forward(struct lt_session *s, const float *x, int n, enum lt_bn_mode mode, float *logits,
                             struct lt_err *e) {
    return s->vt->forward(s, x, n, mode, logits, e);
}

lt_status lt_session_backward(struct lt_session *s, const float *dlogits, struct lt_weights *grad, struct lt_err *e) {
    return s->vt->backward ? s->vt->backward(s, dlogits, grad, e)
                           : lt_fail(e, LT_EINVAL, "only training sessions go backward");
}

lt_status lt_session_bn_stats(const struct lt_session *s, struct lt_weights *sums, struct lt_err *e) {
    return s->vt->bn_stats ? s->vt->bn_stats(s, sums, e)
                           : lt_fail(e, LT_EINVAL, "only training sessions have batch statistics");
}

const float *lt_session_tap(const struct lt_session *s, int node) { return s->vt->tap ? s->vt->tap(s, node) : NULL; }

lt_status lt_session_profile(struct lt_session *s, bool on, struct lt_err *e) {
    return s->vt->profile ? s->vt->profile(s, on, e)
                          : lt_fail(e, LT_EINVAL, "this kind of session has no profile by node");
}

const struct lt_profile *lt_session_profile_get(const struct lt_session *s) {
    return s->vt->profile_get ? s->vt->profile_get(s) : NULL;
}
