/*
 * Sequence operators by plain loops, straight from their definitions: what the fast ones are compared with. Sums in
 * double.
 */
#include "runtime/infer_seq.h"
#include <math.h>

/* May query i meet key j? Queries are the last tq of the tk positions. */
static bool meets(const struct lt_node *n, const struct lt_heads *s, int64_t i, int64_t j) {
    int64_t at = i + s->tk - s->tq;
    if (n->block && i / n->block != j / (n->block * s->tk / s->tq)) return false;
    if (n->causal && j > at) return false;
    if (n->window && (at - j >= n->window || j - at >= n->window)) return false;
    return true;
}

/* Feature f of a head's vector x of d, turned to position `at`. */
static double turned(const float *x, int f, int d, double base, int64_t at) {
    if (!(base > 0)) return x[f]; /* then d may be odd, even 1 */
    int half = d / 2, i = f % half;
    double angle = (double)at * pow(base, -2.0 * i / d);
    return f < half ? x[f] * cos(angle) - x[f + half] * sin(angle) : x[f] * cos(angle) + x[i] * sin(angle);
}

void lt_iseq_attention_plain(const struct lt_iseq *t) {
    const struct lt_node *n = t->node;
    const struct lt_heads s = lt_heads_of(t);
    float *p = t->scratch;
    for (int b = 0; b < t->batch; b++)
        for (int h = 0; h < s.heads; h++)
            for (int64_t i = 0; i < s.tq; i++) {
                const float *q = t->in[0] + (b * s.tq + i) * s.ldq + h * s.d;
                double top = -INFINITY, sum = 0;
                for (int64_t j = 0; j < s.tk; j++) {
                    const float *k = t->in[1] + (b * s.tk + j) * s.ldk + h / s.share * s.d;
                    double dot = 0;
                    p[j] = -INFINITY;
                    if (!meets(n, &s, i, j)) continue;
                    for (int f = 0; f < s.d; f++)
                        dot += turned(q, f, s.d, n->rope, i + s.tk - s.tq) * turned(k, f, s.d, n->rope, j);
                    p[j] = (float)(dot / sqrt(s.d));
                    top = fmax(top, p[j]);
                }
                for (int64_t j = 0; j < s.tk; j++) sum += exp(p[j] - top);
                for (int f = 0; f < s.dv; f++) {
                    double y = 0;
                    for (int64_t j = 0; j < s.tk; j++)
                        y += exp(p[j] - top) / sum * t->in[2][(b * s.tk + j) * s.ldv + h / s.share * s.dv + f];
                    t->dst[(b * s.tq + i) * s.ldo + h * s.dv + f] = (float)y;
                }
            }
}

static double feature(float x) { return x > 0 ? x + 1.0 : exp(x); }

/* y_i = sum_j phi(q_i).phi(k_j) v_j / sum_j phi(q_i).phi(k_j), over j up to i when causal. */
void lt_iseq_linattn_plain(const struct lt_iseq *t) {
    const struct lt_heads s = lt_heads_of(t);
    float *p = t->scratch;
    for (int b = 0; b < t->batch; b++)
        for (int h = 0; h < s.heads; h++)
            for (int64_t i = 0; i < s.tq; i++) {
                const float *q = t->in[0] + (b * s.tq + i) * s.ldq + h * s.d;
                int64_t last = t->node->causal ? i + 1 : s.tk;
                double sum = 0;
                for (int64_t j = 0; j < last; j++) {
                    const float *k = t->in[1] + (b * s.tk + j) * s.ldk + h / s.share * s.d;
                    double dot = 0;
                    for (int f = 0; f < s.d; f++) dot += feature(q[f]) * feature(k[f]);
                    p[j] = (float)dot;
                    sum += dot;
                }
                for (int f = 0; f < s.dv; f++) {
                    double y = 0;
                    for (int64_t j = 0; j < last; j++)
                        y += p[j] * (double)t->in[2][(b * s.tk + j) * s.ldv + h / s.share * s.dv + f];
                    t->dst[(b * s.tq + i) * s.ldo + h * s.dv + f] = (float)(y / sum);
                }
            }
}

void lt_iseq_shortconv_plain(const struct lt_iseq *t) {
    const struct lt_node *n = t->node;
    int64_t c = n->out.d[1], tokens = n->out.d[2], before = n->causal ? n->kernel - 1 : n->kernel / 2;
    for (int b = 0; b < t->batch; b++)
        for (int64_t i = 0; i < tokens; i++)
            for (int64_t ch = 0; ch < c; ch++) {
                double y = 0;
                for (int64_t k = 0; k < n->kernel; k++) {
                    int64_t at = i + k - before;
                    if (at >= 0 && at < tokens)
                        y += (double)t->in[0][(b * tokens + at) * c + ch] * t->w[0][ch * n->kernel + k];
                }
                t->dst[(b * tokens + i) * c + ch] = (float)y;
            }
}
