/*
 * Shared vector -> a subnetwork's parameters: rows copied, kernels of elastic convolutions run through their
 * transforms. Called once a sampled subnetwork and thread in every training step, so nothing is allocated.
 */
#include "supernet/supernet_priv.h"
#include "lathe/mem.h"
#include <string.h>

#define ALIGN_FLOATS 16 /* as lt_weights_new: a parameter starts on a cache line */

/* centre[c*c] of taps[k*k] */
static void centre(const float *taps, int k, int c, float *out) {
    int edge = (k - c) / 2;
    for (int y = 0; y < c; y++) memcpy(out + y * c, taps + (y + edge) * k + edge, (size_t)c * sizeof(float));
}

void kernel_chain(const struct shared_param *s, const float *params, const float *taps, int from, int to, float *out,
                  float (*step)[SHARED_MAX_TAPS]) {
    float now[SHARED_MAX_TAPS], read[SHARED_MAX_TAPS];
    memcpy(now, taps, (size_t)(s->kernel[from] * s->kernel[from]) * sizeof(float));
    for (int i = from - 1; i >= to; i--) {
        int k = s->kernel[i], n = k * k;
        /* Only the rows that the next transform (or the result) reads are computed. */
        int used = i > to ? s->kernel[i - 1] : k, edge = (k - used) / 2;
        const float *m = params + s->transform[i];
        centre(now, s->kernel[i + 1], k, read);
        if (step) memcpy(step[i], read, (size_t)n * sizeof(float));
        for (int y = edge; y < edge + used; y++)
            for (int x = edge; x < edge + used; x++) {
                const float *row = m + (y * k + x) * n;
                float v = 0;
                for (int t = 0; t < n; t++) v += row[t] * read[t];
                now[y * k + x] = v;
            }
    }
    memcpy(out, now, (size_t)(s->kernel[to] * s->kernel[to]) * sizeof(float));
}

static void gather_conv(const struct lt_supernet *sn, const struct shared_param *s, const struct lt_param *p,
                        float *out) {
    int top = s->n_kernels - 1, to = 0;
    int64_t big = s->dim[2] * s->dim[3], small = p->dim[2] * p->dim[3];
    const float *in = sn->params + s->offset;
    if (big == small) {
        int64_t row = p->dim[1] * small;
        if (p->dim[1] == s->dim[1]) {
            memcpy(out, in, (size_t)(p->dim[0] * row) * sizeof(float));
            return;
        }
        for (int64_t o = 0; o < p->dim[0]; o++)
            memcpy(out + o * row, in + o * s->dim[1] * big, (size_t)row * sizeof(float));
        return;
    }
    while (s->kernel[to] != p->dim[2]) to++;
    for (int64_t o = 0; o < p->dim[0]; o++)
        for (int64_t i = 0; i < p->dim[1]; i++, out += small)
            kernel_chain(s, sn->params, in + (o * s->dim[1] + i) * big, top, to, out, NULL);
}

lt_status lt_supernet_gather(const struct lt_supernet *sn, const struct lt_graph *g, struct lt_weights *w,
                             struct lt_err *e) {
    if (w->n != g->n_params)
        return lt_fail(e, LT_EINVAL, "graph '%s' has %d parameters, the weights %d", g->name, g->n_params, w->n);
    const struct shared_param *s;
    lt_status st;
    for (int i = 0; i < g->n_params; i++) /* all checks before the first write */
        if (g->param[i].role != LT_PARAM_MEAN && g->param[i].role != LT_PARAM_VAR &&
            (st = shared_resolve(sn, g, i, &s, e)))
            return st;
    for (int i = 0; i < g->n_params; i++) {
        const struct lt_param *p = &g->param[i];
        if (p->role == LT_PARAM_MEAN || p->role == LT_PARAM_VAR) {
            for (int64_t k = 0; k < p->count; k++) w->data[i][k] = p->role == LT_PARAM_VAR ? 1.0f : 0.0f;
            continue;
        }
        s = shared_find(sn, p->name);
        if (p->n_dims == 4) {
            gather_conv(sn, s, p, w->data[i]);
        } else if (p->n_dims == 2) {
            for (int64_t o = 0; o < p->dim[0]; o++)
                memcpy(w->data[i] + o * p->dim[1], sn->params + s->offset + o * s->dim[1],
                       (size_t)p->dim[1] * sizeof(float));
        } else {
            memcpy(w->data[i], sn->params + s->offset, (size_t)p->count * sizeof(float));
        }
    }
    return LT_OK;
}

lt_status weights_pool_init(struct weights_pool *p, const struct lt_supernet *sn, struct lt_err *e) {
    memset(p, 0, sizeof(*p));
    p->cap_tensors = sn->max_tensors;
    p->cap_floats = sn->max_floats;
    p->w.data = lt_calloc((size_t)p->cap_tensors, sizeof(*p->w.data));
    p->w.storage = lt_aligned((size_t)p->cap_floats * sizeof(float));
    if (!p->w.data || !p->w.storage) {
        weights_pool_release(p);
        return lt_fail(e, LT_ENOMEM, "weights of a subnetwork");
    }
    return LT_OK;
}

void weights_pool_release(struct weights_pool *p) {
    lt_free(p->w.data);
    lt_free(p->w.storage);
    memset(p, 0, sizeof(*p));
}

void weights_pool_bind(struct weights_pool *p, const struct lt_graph *g) {
    int64_t at = 0;
    LT_CHECK(g->n_params <= p->cap_tensors);
    for (int i = 0; i < g->n_params; i++) {
        p->w.data[i] = p->w.storage + at;
        at += (g->param[i].count + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    }
    LT_CHECK(at <= p->cap_floats);
    p->w.n = g->n_params;
    p->w.count = at;
}

void weights_pool_zero(struct weights_pool *p) { memset(p->w.storage, 0, (size_t)p->w.count * sizeof(float)); }
