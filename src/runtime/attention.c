/*
 * Sequence operators by matrix products. Softmax attention goes through a block of queries at a time, so that no more
 * than ROWS rows of scores exist, and only over the keys that some query of the block meets. Causal linear attention
 * goes through chunks (Katharopoulos et al., "Transformers are RNNs", ICML 2020, section 3.3): what a chunk's queries
 * meet before it is in a d x dv state, what they meet within it is a small masked product.
 */
#include "runtime/infer_seq.h"
#include <math.h>
#include <string.h>

enum { ROWS = 64, CHUNK = 32 };

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- softmax attention ---- */

/* Keys [*lo, *hi) that query i meets. */
static void keys_of(const struct lt_node *n, const struct lt_heads *s, int64_t i, int64_t *lo, int64_t *hi) {
    int64_t at = i + s->tk - s->tq;
    *lo = 0;
    *hi = s->tk;
    if (n->block) {
        int64_t keys = n->block * s->tk / s->tq;
        *lo = i / n->block * keys;
        *hi = *lo + keys;
    }
    if (n->causal) *hi = min64(*hi, at + 1);
    if (n->window) {
        if (*lo < at - n->window + 1) *lo = at - n->window + 1;
        *hi = min64(*hi, at + n->window);
    }
}

/* y = scale * x, turned to the position where base > 0; for each of `heads` vectors of d. */
static void turn(const float *x, int heads, int d, double base, int64_t at, float scale, float *y) {
    int half = d / 2;
    if (!(base > 0)) {
        for (int i = 0; i < heads * d; i++) y[i] = scale * x[i];
        return;
    }
    for (int i = 0; i < half; i++) {
        double angle = (double)at * pow(base, -2.0 * i / d);
        float c = scale * (float)cos(angle), sn = scale * (float)sin(angle);
        for (int h = 0; h < heads; h++) {
            float a = x[h * d + i], b = x[h * d + i + half];
            y[h * d + i] = a * c - b * sn;
            y[h * d + i + half] = b * c + a * sn;
        }
    }
}

int64_t lt_attention_scratch(const struct lt_iseq *t) {
    struct lt_heads s = lt_heads_of(t);
    return s.tq * s.ldq + (t->node->rope > 0 ? s.tk * s.ldk : 0) + ROWS * s.tk;
}

/* Scores of `rows` queries from i0 on over keys [lo, hi) into weights; outside of what a query meets they are 0. */
static void normalize_rows(const struct lt_iseq *t, const struct lt_heads *s, float *score, int64_t i0, int64_t rows,
                           int64_t lo, int64_t hi) {
    for (int64_t r = 0; r < rows; r++) {
        float *row = score + r * (hi - lo);
        int64_t first, last;
        keys_of(t->node, s, i0 + r, &first, &last);
        for (int64_t j = lo; j < first; j++) row[j - lo] = 0;
        for (int64_t j = last; j < hi; j++) row[j - lo] = 0;
        t->k->softmax(row + first - lo, last - first);
    }
}

static void attend(const struct lt_iseq *t, const struct lt_heads *s, const float *q, const float *k, const float *v,
                   float *score, float *y) {
    int64_t most = t->node->block && t->node->block < ROWS ? t->node->block : ROWS, rows, lo, hi, unused;
    for (int64_t i0 = 0; i0 < s->tq; i0 += rows) {
        rows = min64(most, s->tq - i0);
        if (t->node->block) rows = min64(rows, t->node->block - i0 % t->node->block);
        keys_of(t->node, s, i0, &lo, &unused);
        keys_of(t->node, s, i0 + rows - 1, &unused, &hi);
        t->gemm(&(struct lt_gemm){.m = (int)rows,
                                  .n = (int)(hi - lo),
                                  .k = s->d,
                                  .a = q + i0 * s->ldq,
                                  .lda = (int)s->ldq,
                                  .b = k + lo * s->ldk,
                                  .ldb = (int)s->ldk,
                                  .tb = true,
                                  .c = score,
                                  .ldc = (int)(hi - lo)});
        normalize_rows(t, s, score, i0, rows, lo, hi);
        t->gemm(&(struct lt_gemm){.m = (int)rows,
                                  .n = s->dv,
                                  .k = (int)(hi - lo),
                                  .a = score,
                                  .lda = (int)(hi - lo),
                                  .b = v + lo * s->ldv,
                                  .ldb = (int)s->ldv,
                                  .c = y + i0 * s->ldo,
                                  .ldc = (int)s->ldo});
    }
}

void lt_iseq_attention(const struct lt_iseq *t) {
    struct lt_heads s = lt_heads_of(t);
    const double base = t->node->rope;
    float *q = t->scratch, *turned = q + s.tq * s.ldq, *score = turned + (base > 0 ? s.tk * s.ldk : 0);
    for (int b = 0; b < t->batch; b++) {
        const float *k = t->in[1] + b * s.tk * s.ldk, *v = t->in[2] + b * s.tk * s.ldv;
        for (int64_t i = 0; i < s.tq; i++)
            turn(t->in[0] + (b * s.tq + i) * s.ldq, s.heads, s.d, base, i + s.tk - s.tq, 1 / sqrtf((float)s.d),
                 q + i * s.ldq);
        for (int64_t j = 0; j < s.tk && base > 0; j++) turn(k + j * s.ldk, s.kv, s.d, base, j, 1, turned + j * s.ldk);
        if (base > 0) k = turned;
        for (int h = 0; h < s.heads; h++)
            attend(t, &s, q + h * s.d, k + h / s.share * s.d, v + h / s.share * s.dv, score,
                   t->dst + b * s.tq * s.ldo + h * s.dv);
    }
}

/* ---- linear attention ---- */

int64_t lt_linattn_scratch(const struct lt_iseq *t) {
    struct lt_heads s = lt_heads_of(t);
    return s.tq * s.ldq + s.tk * s.ldk + (int64_t)s.d * s.dv + s.d + CHUNK * CHUNK + CHUNK;
}

/* What has been seen of a head's keys and values: sum of phi(k) v^T [d,dv], sum of phi(k) [d]. */
struct state {
    float *kv, *k;
};

static void take_in(const struct lt_iseq *t, const struct lt_heads *s, const struct state *st, const float *k,
                    const float *v, int64_t tokens) {
    t->gemm(&(struct lt_gemm){.m = s->d,
                              .n = s->dv,
                              .k = (int)tokens,
                              .a = k,
                              .lda = (int)s->ldk,
                              .ta = true,
                              .b = v,
                              .ldb = (int)s->ldv,
                              .c = st->kv,
                              .ldc = s->dv,
                              .accumulate = true});
    for (int64_t j = 0; j < tokens; j++)
        for (int f = 0; f < s->d; f++) st->k[f] += k[j * s->ldk + f];
}

/* Read-out of `rows` queries; norm [rows]: what each is to be divided by. */
static void read_out(const struct lt_iseq *t, const struct lt_heads *s, const struct state *st, const float *q,
                     int64_t rows, float *norm, float *y) {
    t->gemm(&(struct lt_gemm){.m = (int)rows,
                              .n = s->dv,
                              .k = s->d,
                              .a = q,
                              .lda = (int)s->ldq,
                              .b = st->kv,
                              .ldb = s->dv,
                              .c = y,
                              .ldc = (int)s->ldo});
    for (int64_t i = 0; i < rows; i++) {
        float sum = 0;
        for (int f = 0; f < s->d; f++) sum += q[i * s->ldq + f] * st->k[f];
        norm[i] = sum;
    }
}

/* Adds what `rows` causal queries meet among their own keys. */
static void within_chunk(const struct lt_iseq *t, const struct lt_heads *s, const float *q, const float *k,
                         const float *v, int64_t rows, float *score, float *norm, float *y) {
    t->gemm(&(struct lt_gemm){.m = (int)rows,
                              .n = (int)rows,
                              .k = s->d,
                              .a = q,
                              .lda = (int)s->ldq,
                              .b = k,
                              .ldb = (int)s->ldk,
                              .tb = true,
                              .c = score,
                              .ldc = (int)rows});
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < rows; j++) {
            if (j > i) score[i * rows + j] = 0;
            norm[i] += score[i * rows + j];
        }
    t->gemm(&(struct lt_gemm){.m = (int)rows,
                              .n = s->dv,
                              .k = (int)rows,
                              .a = score,
                              .lda = (int)rows,
                              .b = v,
                              .ldb = (int)s->ldv,
                              .c = y,
                              .ldc = (int)s->ldo,
                              .accumulate = true});
}

static void linear_head(const struct lt_iseq *t, const struct lt_heads *s, const float *q, const float *k,
                        const float *v, float *scratch, float *y) {
    struct state st = {.kv = scratch, .k = scratch + (int64_t)s->d * s->dv};
    float *score = st.k + s->d, *norm = score + CHUNK * CHUNK;
    memset(scratch, 0, (size_t)((int64_t)s->d * s->dv + s->d) * sizeof(float));
    if (!t->node->causal) take_in(t, s, &st, k, v, s->tk);
    for (int64_t i0 = 0, rows; i0 < s->tq; i0 += rows) {
        rows = min64(CHUNK, s->tq - i0);
        read_out(t, s, &st, q + i0 * s->ldq, rows, norm, y + i0 * s->ldo);
        if (t->node->causal) {
            within_chunk(t, s, q + i0 * s->ldq, k + i0 * s->ldk, v + i0 * s->ldv, rows, score, norm, y + i0 * s->ldo);
            take_in(t, s, &st, k + i0 * s->ldk, v + i0 * s->ldv, rows);
        }
        for (int64_t i = 0; i < rows; i++)
            for (int f = 0; f < s->dv; f++) y[(i0 + i) * s->ldo + f] /= norm[i];
    }
}

void lt_iseq_linattn(const struct lt_iseq *t) {
    struct lt_heads s = lt_heads_of(t);
    float *q = t->scratch, *k = q + s.tq * s.ldq, *rest = k + s.tk * s.ldk;
    for (int b = 0; b < t->batch; b++) {
        t->k->elu1(t->in[0] + b * s.tq * s.ldq, s.tq * s.ldq, q);
        t->k->elu1(t->in[1] + b * s.tk * s.ldk, s.tk * s.ldk, k);
        for (int h = 0; h < s.heads; h++)
            linear_head(t, &s, q + h * s.d, k + h / s.share * s.d, t->in[2] + b * s.tk * s.ldv + h / s.share * s.dv,
                        rest, t->dst + b * s.tq * s.ldo + h * s.dv);
    }
}

/* ---- short convolution: one multiply-add of all tokens a tap ---- */
void lt_iseq_shortconv(const struct lt_iseq *t) {
    const struct lt_node *n = t->node;
    int64_t c = n->out.d[1], tokens = n->out.d[2], before = n->causal ? n->kernel - 1 : n->kernel / 2;
    memset(t->dst, 0, (size_t)(t->batch * tokens * c) * sizeof(float));
    for (int b = 0; b < t->batch; b++)
        for (int64_t k = 0; k < n->kernel; k++) {
            int64_t shift = k - before, first = shift < 0 ? -shift : 0, last = min64(tokens, tokens - shift);
            float *y = t->dst + (b * tokens + first) * c;
            if (first < last)
                t->k->affine(t->in[0] + (b * tokens + first + shift) * c, last - first, (int)c, t->w[0] + k * c, NULL,
                             LT_ACT_NONE, y, y);
        }
}
