/*
 * A subnetwork's gradient -> the shared vector's gradient, added: the adjoint of gather.c, through the kernel
 * transforms, whose own gradient it adds as well.
 */
#include "supernet/supernet_priv.h"
#include <string.h>

static void add(float *restrict to, const float *restrict from, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

/* Gradient of one kernel: `taps` is the shared kernel, grad that of the kernel made from it; adds to gtaps and to the
 * transforms. */
static void chain_back(const struct shared_param *s, const float *params, const float *taps, int from, int to,
                       const float *grad, float *gtaps, float *gparams) {
    float step[SHARED_MAX_KERNELS][SHARED_MAX_TAPS], made[SHARED_MAX_TAPS], back[SHARED_MAX_TAPS];
    int used = s->kernel[to]; /* side of the non-zero centre of `now`, all else is zero and skipped */
    float now[SHARED_MAX_TAPS];
    kernel_chain(s, params, taps, from, to, made, step);
    memcpy(now, grad, (size_t)(used * used) * sizeof(float));
    for (int i = to; i < from; i++) {
        int k = s->kernel[i], n = k * k, edge = (k - used) / 2;
        const float *m = params + s->transform[i];
        float *gm = gparams + s->transform[i];
        memset(back, 0, (size_t)n * sizeof(float));
        for (int y = 0; y < used; y++)
            for (int x = 0; x < used; x++) {
                int row = (y + edge) * k + x + edge;
                float g = now[y * used + x];
                for (int t = 0; t < n; t++) {
                    gm[row * n + t] += g * step[i][t];
                    back[t] += g * m[row * n + t];
                }
            }
        memcpy(now, back, (size_t)n * sizeof(float)); /* gradient of the centre of side k of the next larger kernel */
        used = k;
    }
    int side = s->kernel[from], edge = (side - used) / 2;
    for (int y = 0; y < used; y++) add(gtaps + (y + edge) * side + edge, now + y * used, used);
}

static void scatter_conv(const struct lt_supernet *sn, const struct shared_param *s, const struct lt_param *p,
                         const float *grad, float *shared) {
    int top = s->n_kernels - 1, to = 0;
    int64_t big = s->dim[2] * s->dim[3], small = p->dim[2] * p->dim[3];
    if (big == small) {
        int64_t row = p->dim[1] * small;
        if (p->dim[1] == s->dim[1]) {
            add(shared + s->offset, grad, p->dim[0] * row);
            return;
        }
        for (int64_t o = 0; o < p->dim[0]; o++) add(shared + s->offset + o * s->dim[1] * big, grad + o * row, row);
        return;
    }
    while (s->kernel[to] != p->dim[2]) to++;
    for (int64_t o = 0; o < p->dim[0]; o++)
        for (int64_t i = 0; i < p->dim[1]; i++, grad += small) {
            int64_t at = s->offset + (o * s->dim[1] + i) * big;
            chain_back(s, sn->params, sn->params + at, top, to, grad, shared + at, shared);
        }
}

lt_status lt_supernet_scatter(const struct lt_supernet *sn, const struct lt_graph *g, const struct lt_weights *grad,
                              float *grad_shared, struct lt_err *e) {
    const struct shared_param *s;
    lt_status st;
    if (grad->n != g->n_params)
        return lt_fail(e, LT_EINVAL, "graph '%s' has %d parameters, the gradient %d", g->name, g->n_params, grad->n);
    for (int i = 0; i < g->n_params; i++)
        if (g->param[i].role != LT_PARAM_MEAN && g->param[i].role != LT_PARAM_VAR &&
            (st = shared_resolve(sn, g, i, &s, e)))
            return st;
    for (int i = 0; i < g->n_params; i++) {
        const struct lt_param *p = &g->param[i];
        if (p->role == LT_PARAM_MEAN || p->role == LT_PARAM_VAR) continue;
        s = shared_find(sn, p->name);
        if (p->n_dims == 4)
            scatter_conv(sn, s, p, grad->data[i], grad_shared);
        else if (p->n_dims == 2)
            for (int64_t o = 0; o < p->dim[0]; o++)
                add(grad_shared + s->offset + o * s->dim[1], grad->data[i] + o * p->dim[1], p->dim[1]);
        else
            add(grad_shared + s->offset, grad->data[i], p->count);
    }
    return LT_OK;
}
