/*
 * Training of what moves values (concatenation, slices, shuffles, zeros) and of layer normalization. Forward is that of
 * INFER sessions; the gradient of a copy goes the way back.
 */
#include "runtime/infer_seq.h"
#include "runtime/train_priv.h"
#include <string.h>

static struct lt_iseq step_of(const struct lt_train *s, const struct lt_tstep *t) {
    struct lt_iseq q;
    lt_iseq_init(&q, s->g, t->node, s->b->ops->reference, s->b->kernels, s->b->gemm);
    q.batch = s->n;
    return q;
}

void lt_train_move_forward(struct lt_train *s, const struct lt_tstep *t) {
    struct lt_iseq q = step_of(s, t);
    for (int k = 0; k < q.node->n_in; k++) q.in[k] = lt_tvalue_at(s, t->in[k]);
    for (int k = 0; k < q.node->n_params; k++) q.w[k] = lt_tparam(s, t, k);
    q.dst = lt_tvalue_at(s, t->out);
    q.fn(&q);
}

static void concat_backward(const struct lt_iseq *q, const struct lt_train *s, const struct lt_tstep *t) {
    int64_t whole = lt_run(&q->node->out, q->node->axis), at = 0;
    for (int k = 0; k < q->node->n_in; k++) {
        const struct lt_shape *in = lt_iseq_in(q, k);
        int64_t run = lt_run(in, q->node->axis);
        lt_copy_runs(lt_tat(s, t->dy) + at, whole, lt_tat(s, t->dx[k].at), run, run, s->n * lt_shape_count(in) / run);
        at += run;
    }
}

static void slice_backward(const struct lt_iseq *q, const struct lt_train *s, const struct lt_tstep *t) {
    const struct lt_shape *in = lt_iseq_in(q, 0);
    int64_t whole = lt_run(in, q->node->axis), run = lt_run(&q->node->out, q->node->axis);
    float *dx = lt_tat(s, t->dx[0].at);
    memset(dx, 0, (size_t)(s->n * lt_shape_count(in)) * sizeof(float));
    lt_copy_runs(lt_tat(s, t->dy), run, dx + q->node->start * (whole / in->d[q->node->axis]), whole, run,
                 s->n * lt_shape_count(in) / whole);
}

void lt_train_move_backward(const struct lt_train *s, const struct lt_tstep *t, struct lt_weights *grad) {
    struct lt_iseq q = step_of(s, t);
    struct lt_node turned;
    const int *p = q.node->param;
    int64_t c = q.node->out.d[1];
    switch (q.node->op) {
    case LT_OP_CONCAT:
        concat_backward(&q, s, t);
        break;
    case LT_OP_SLICE:
        slice_backward(&q, s, t);
        break;
    case LT_OP_SHUFFLE: /* undone by a shuffle of the other factor */
        turned = *q.node;
        turned.groups = (int)c / turned.groups;
        q.node = &turned;
        q.in[0] = lt_tat(s, t->dy);
        q.dst = lt_tat(s, t->dx[0].at);
        q.fn(&q);
        break;
    case LT_OP_LAYERNORM:
        lt_layernorm_backward(lt_tat(s, s->plan.value[t->in[0]].back_at), lt_tat(s, t->dy),
                              s->n * lt_shape_count(&q.node->out) / c, (int)c, lt_tparam(s, t, 0), q.node->eps,
                              q.node->rms, lt_tat(s, t->dx[0].at), grad->data[p[0]],
                              q.node->rms ? NULL : grad->data[p[1]]);
        break;
    default:
        LT_BUG("%s: no gradient of %s", q.node->name, lt_op_name(q.node->op));
    }
}
