/*
 * Operators that copy: the same for every backend.
 */
#include "runtime/infer_seq.h"
#include <math.h>
#include <string.h>

void lt_copy_runs(const float *x, int64_t from, float *y, int64_t to, int64_t run, int64_t pieces) {
    for (int64_t i = 0; i < pieces; i++) memcpy(y + i * to, x + i * from, (size_t)run * sizeof(float));
}

void lt_iseq_concat(const struct lt_iseq *t) {
    const struct lt_shape *out = &t->node->out;
    int64_t whole = lt_run(out, t->node->axis), pieces = t->batch * lt_shape_count(out) / whole, at = 0;
    for (int i = 0; i < t->node->n_in; i++) {
        int64_t run = lt_run(lt_iseq_in(t, i), t->node->axis);
        lt_copy_runs(t->in[i], run, t->dst + at, whole, run, pieces);
        at += run;
    }
}

void lt_iseq_slice(const struct lt_iseq *t) {
    const struct lt_shape *in = lt_iseq_in(t, 0);
    int64_t whole = lt_run(in, t->node->axis), one = whole / in->d[t->node->axis];
    lt_copy_runs(t->in[0] + t->node->start * one, whole, t->dst, lt_run(&t->node->out, t->node->axis),
                 lt_run(&t->node->out, t->node->axis), t->batch * lt_shape_count(in) / whole);
}

void lt_iseq_shuffle(const struct lt_iseq *t) {
    int64_t c = t->node->out.d[1], groups = t->node->groups, per = c / groups;
    int64_t pixels = t->batch * lt_shape_count(&t->node->out) / c;
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t i = 0; i < groups; i++)
            for (int64_t j = 0; j < per; j++) t->dst[p * c + j * groups + i] = t->in[0][p * c + i * per + j];
}

void lt_iseq_zero(const struct lt_iseq *t) {
    memset(t->dst, 0, (size_t)(t->batch * lt_shape_count(&t->node->out)) * sizeof(float));
}

/* A row of a window is contiguous on both sides. */
void lt_iseq_window(const struct lt_iseq *t) {
    const struct lt_shape *s = t->node->inverse ? &t->node->out : lt_iseq_in(t, 0);
    int64_t h = s->d[2], w = s->d[3], c = s->d[1], side = t->node->window, run = side * c, at = 0;
    for (int b = 0; b < t->batch; b++)
        for (int64_t wy = 0; wy < h / side; wy++)
            for (int64_t wx = 0; wx < w / side; wx++)
                for (int64_t y = 0; y < side; y++, at += run) {
                    int64_t image = ((b * h + wy * side + y) * w + wx * side) * c;
                    memcpy(t->dst + (t->node->inverse ? image : at), t->in[0] + (t->node->inverse ? at : image),
                           (size_t)run * sizeof(float));
                }
}

void lt_iseq_embed(const struct lt_iseq *t) {
    int64_t c = t->node->out.d[1], tokens = t->batch * t->node->out.d[2];
    float last = (float)(t->g->param[t->node->param[0]].dim[0] - 1);
    for (int64_t i = 0; i < tokens; i++) {
        float number = rintf(t->in[0][i]);
        int64_t row = (int64_t)(number > 0 ? number < last ? number : last : 0); /* NaN is token 0 */
        memcpy(t->dst + i * c, t->w[0] + row * c, (size_t)c * sizeof(float));
    }
}

void lt_iseq_position(const struct lt_iseq *t) {
    int64_t count = lt_shape_count(&t->node->out);
    for (int b = 0; b < t->batch; b++) t->k->add(t->in[0] + b * count, t->w[0], count, t->dst + b * count);
}

void lt_iseq_prepend(const struct lt_iseq *t) {
    int64_t out = lt_shape_count(&t->node->out), in = lt_shape_count(lt_iseq_in(t, 0)), head = out - in;
    for (int b = 0; b < t->batch; b++) {
        memcpy(t->dst + b * out, t->w[0], (size_t)head * sizeof(float));
        memcpy(t->dst + b * out + head, t->in[0] + b * in, (size_t)in * sizeof(float));
    }
}
