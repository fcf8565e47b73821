/*
 * The evaluation of infer_eval.h for operators that move values and for those of sequences: element by element in
 * [N,C,H,W], double accumulation. Static functions.
 */
#ifndef LT_TESTS_INFER_EVAL_SEQ_H
#define LT_TESTS_INFER_EVAL_SEQ_H
#include "lathe/graph.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* A tensor of one sample, and one element of it. */
struct cube {
    const float *x;
    int64_t c, h, w;
};

static double at3(const struct cube *t, int64_t c, int64_t h, int64_t w) {
    return (double)t->x[(c * t->h + h) * t->w + w];
}

/* One element of an operator that only moves or adds. weight: its first parameter. */
static double moved(const struct lt_node *n, const struct cube *in, const float *weight, int64_t vocab, int64_t c,
                    int64_t h, int64_t w) {
    int64_t at[4] = {0, c, h, w}, side = n->window, t;
    switch (n->op) {
    case LT_OP_CONCAT:
        for (int i = 0; i < n->n_in; i++) {
            int64_t size = n->axis == 1 ? in[i].c : n->axis == 2 ? in[i].h : in[i].w;
            if (at[n->axis] < size) return at3(&in[i], at[1], at[2], at[3]);
            at[n->axis] -= size;
        }
        return NAN;
    case LT_OP_SLICE:
        at[n->axis] += n->start;
        return at3(in, at[1], at[2], at[3]);
    case LT_OP_SHUFFLE: /* [groups][C/groups] transposed */
        return at3(in, c % n->groups * (in->c / n->groups) + c / n->groups, h, w);
    case LT_OP_ZERO:
        return 0;
    case LT_OP_TOKENS:
        return at3(in, c, h / in->w, h % in->w);
    case LT_OP_GRID:
        return at3(in, c, h * n->width + w, 0);
    case LT_OP_WINDOW:
        if (n->inverse) {
            t = (h / side * (n->width / side) + w / side) * side * side + h % side * side + w % side;
            return at3(in, c, t, 0);
        }
        t = h / (side * side); /* which window */
        return at3(in, c, t / (in->w / side) * side + h % (side * side) / side, t % (in->w / side) * side + h % side);
    case LT_OP_EMBED:
        t = (int64_t)fmin(fmax(rint(at3(in, 0, h, 0)), 0), (double)(vocab - 1));
        return (double)weight[t * n->out.d[1] + c];
    case LT_OP_POSITION:
        return at3(in, c, h, 0) + (double)weight[h * in->c + c];
    case LT_OP_PREPEND:
        return h < n->stop ? (double)weight[h * in->c + c] : at3(in, c, h - n->stop, 0);
    default:
        return NAN;
    }
}

static double layernorm(const struct lt_node *n, const struct cube *in, const float *gamma, const float *beta,
                        int64_t c, int64_t h, int64_t w) {
    double mean = 0, square = 0;
    for (int64_t i = 0; i < in->c; i++) mean += at3(in, i, h, w) / (double)in->c;
    if (n->rms) mean = 0;
    for (int64_t i = 0; i < in->c; i++) square += pow(at3(in, i, h, w) - mean, 2) / (double)in->c;
    return (at3(in, c, h, w) - mean) / sqrt(square + (double)n->eps) * (double)gamma[c] + (beta ? (double)beta[c] : 0);
}

static double shortconv(const struct lt_node *n, const struct cube *in, const float *weight, int64_t c, int64_t h) {
    double y = 0;
    for (int64_t k = 0; k < n->kernel; k++) {
        int64_t t = h + k - (n->causal ? n->kernel - 1 : (n->kernel - 1) / 2);
        if (t >= 0 && t < in->h) y += (double)weight[c * n->kernel + k] * at3(in, c, t, 0);
    }
    return y;
}

/* Feature f of head `head` of token t, as a complex rotation of the pair (i, i + d/2). */
static double rotated(const struct cube *x, int d, int head, int f, int64_t t, int64_t position, double base) {
    int i = f % (d / 2 > 0 ? d / 2 : 1);
    double angle, re, im;
    if (base <= 0) return at3(x, head * d + f, t, 0);
    angle = (double)position / pow(base, (double)(2 * i) / d);
    re = at3(x, head * d + i, t, 0);
    im = at3(x, head * d + i + d / 2, t, 0);
    return f < d / 2 ? re * cos(angle) - im * sin(angle) : re * sin(angle) + im * cos(angle);
}

/* How much query i of a head attends to key j, before normalization. */
static double affinity(const struct lt_node *n, const struct cube *in, int head, int64_t i, int64_t j) {
    const struct cube *q = &in[0], *k = &in[1];
    int d = (int)q->c / n->heads, kv = head / (n->heads / n->kv_heads);
    int64_t back = i + k->h - q->h - j; /* how far the key lies behind the query */
    double dot = 0;
    if (n->causal && back < 0) return 0;
    if (n->op == LT_OP_LINATTN) {
        for (int f = 0; f < d; f++) {
            double a = at3(q, head * d + f, i, 0), b = at3(k, kv * d + f, j, 0);
            dot += (a > 0 ? a + 1 : exp(a)) * (b > 0 ? b + 1 : exp(b));
        }
        return dot;
    }
    if (n->window && llabs((long long)back) >= n->window) return 0;
    if (n->block && i / n->block != j / (n->block * (k->h / q->h))) return 0;
    for (int f = 0; f < d; f++)
        dot +=
            rotated(q, d, head, f, i, i + k->h - q->h, (double)n->rope) * rotated(k, d, kv, f, j, j, (double)n->rope);
    return exp(dot / sqrt(d));
}

static void attend(const struct lt_node *n, const struct cube *in, float *out) {
    int dv = (int)in[2].c / n->kv_heads;
    int64_t tq = in[0].h, tk = in[1].h;
    for (int head = 0; head < n->heads; head++)
        for (int64_t i = 0; i < tq; i++) {
            double sum = 0;
            for (int64_t j = 0; j < tk; j++) sum += affinity(n, in, head, i, j);
            for (int f = 0; f < dv; f++) out[(head * dv + f) * tq + i] = 0;
            for (int64_t j = 0; j < tk; j++) {
                double a = affinity(n, in, head, i, j) / sum;
                for (int f = 0; f < dv && a != 0; f++)
                    out[(head * dv + f) * tq + i] +=
                        (float)(a * at3(&in[2], head / (n->heads / n->kv_heads) * dv + f, j, 0));
            }
        }
}

/* One sample of node n; in: its inputs. */
static void eval_seq(const struct lt_graph *g, const struct lt_weights *w, const struct lt_node *n,
                     const struct cube *in, float *out) {
    const float *p[2] = {n->n_params > 0 ? w->data[n->param[0]] : NULL, n->n_params > 1 ? w->data[n->param[1]] : NULL};
    if (n->op == LT_OP_ATTENTION || n->op == LT_OP_LINATTN) {
        attend(n, in, out);
        return;
    }
    for (int64_t c = 0; c < n->out.d[1]; c++)
        for (int64_t h = 0; h < n->out.d[2]; h++)
            for (int64_t x = 0; x < n->out.d[3]; x++)
                *out++ = (float)(n->op == LT_OP_LAYERNORM ? layernorm(n, in, p[0], p[1], c, h, x)
                                 : n->op == LT_OP_SHORTCONV
                                     ? shortconv(n, in, p[0], c, h)
                                     : moved(n, in, p[0], p[0] ? g->param[n->param[0]].dim[0] : 0, c, h, x));
}
#endif
