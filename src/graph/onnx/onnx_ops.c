/*
 * ONNX forms of the operators that move values and of those on tokens [N,C,T,1], all of rank 4 and of opset 13: layer
 * normalization is written out (its own operator came with opset 17), the batch stays symbolic.
 */
#include "config.h"
#if LT_WITH_PROTOBUF_C
#include <math.h>
#include "graph/onnx/onnx_writer.h"

static char *sub(struct lt_ow *o, const char *out, const char *what) { return lt_om_name(&o->m, out, what); }

char *lt_ow_reshape(struct lt_ow *o, const char *x, const char *out, const char *what, const int64_t *dim, int n) {
    char *name = sub(o, out, what), *shape = name ? sub(o, name, "/shape") : NULL;
    if (!x || !shape) return NULL;
    lt_om_i64(&o->m, shape, dim, (int64_t[]){n}, 1);
    return lt_om_node(&o->m, "Reshape", name, name, x, shape, NULL);
}

char *lt_ow_transpose(struct lt_ow *o, const char *x, const char *out, const char *what, const int64_t *perm, int n) {
    char *name = sub(o, out, what), *y;
    if (!x || !name) return NULL;
    if ((y = lt_om_node(&o->m, "Transpose", name, name, x, NULL))) lt_om_attr_ints(&o->m, "perm", perm, (size_t)n);
    return y;
}

/* One node of one or two inputs. */
static char *step(struct lt_ow *o, const char *op, const char *out, const char *what, const char *a, const char *b) {
    char *name = sub(o, out, what);
    return name && a ? lt_om_node(&o->m, op, name, name, a, b, NULL) : NULL;
}

/* x * (1 + erf(x / sqrt 2)) / 2 */
char *lt_ow_gelu(struct lt_ow *o, const char *x, const char *out) {
    if (!o->have_gelu) {
        lt_om_f32(&o->m, "gelu_scale", (float[]){0.70710678f}, NULL, 0);
        lt_om_f32(&o->m, "gelu_one", (float[]){1}, NULL, 0);
        lt_om_f32(&o->m, "gelu_half", (float[]){0.5f}, NULL, 0);
    }
    o->have_gelu = true;
    char *t = step(o, "Mul", out, "/scaled", x, "gelu_scale");
    t = step(o, "Add", out, "/above", step(o, "Erf", out, "/erf", t, NULL), "gelu_one");
    return step(o, "Mul", out, "", step(o, "Mul", out, "/gated", x, t), "gelu_half");
}

static char *mean_over_channels(struct lt_ow *o, const char *x, const char *out, const char *what) {
    char *y = step(o, "ReduceMean", out, what, x, NULL);
    if (y) {
        lt_om_attr_ints(&o->m, "axes", (int64_t[]){1}, 1);
        lt_om_attr_int(&o->m, "keepdims", 1);
    }
    return y;
}

/* A parameter as a constant of another shape. */
static char *param(struct lt_ow *o, const struct lt_node *n, int k, const int64_t *dim, int n_dims) {
    char *name = sub(o, o->g->param[n->param[k]].name, "");
    if (name) lt_om_f32(&o->m, name, o->w->data[n->param[k]], dim, n_dims);
    return name;
}

static char *write_layernorm(struct lt_ow *o, const struct lt_node *n, const char *x, const char *out) {
    const int64_t dim[3] = {n->out.d[1], 1, 1};
    char *eps = sub(o, out, "/eps"), *y, *gamma = param(o, n, 0, dim, 3);
    if (!eps || !gamma) return NULL;
    lt_om_f32(&o->m, eps, &n->eps, NULL, 0);
    if (!n->rms) x = step(o, "Sub", out, "/centred", x, mean_over_channels(o, x, out, "/mean"));
    y = mean_over_channels(o, step(o, "Mul", out, "/square", x, x), out, "/variance");
    y = step(o, "Sqrt", out, "/deviation", step(o, "Add", out, "/guarded", y, eps), NULL);
    y = step(o, "Div", out, "/normal", x, y);
    if (n->rms) return step(o, "Mul", out, "", y, gamma);
    y = step(o, "Mul", out, "/scaled", y, gamma);
    return step(o, "Add", out, "", y, param(o, n, 1, dim, 3));
}

static char *write_slice(struct lt_ow *o, const struct lt_node *n, const char *x, const char *out) {
    char *from = sub(o, out, "/from"), *to = sub(o, out, "/to"), *axis = sub(o, out, "/axis");
    if (!from || !to || !axis) return NULL;
    lt_om_i64(&o->m, from, (int64_t[]){n->start}, (int64_t[]){1}, 1);
    lt_om_i64(&o->m, to, (int64_t[]){n->stop}, (int64_t[]){1}, 1);
    lt_om_i64(&o->m, axis, (int64_t[]){n->axis}, (int64_t[]){1}, 1);
    return lt_om_node(&o->m, "Slice", out, out, x, from, to, axis, NULL);
}

/* `what`, a constant [..], repeated for each sample of x: [N, dim]. */
static char *for_each_sample(struct lt_ow *o, const char *x, const char *what, const int64_t dim[3], const char *out,
                             const char *as) {
    char *name = sub(o, out, as), *rest = name ? sub(o, name, "/rest") : NULL,
         *zero = name ? sub(o, name, "/first") : NULL, *one = name ? sub(o, name, "/second") : NULL,
         *shape = step(o, "Shape", out, "/input_shape", x, NULL);
    char *batch = name ? sub(o, name, "/batch") : NULL, *full = name ? sub(o, name, "/shape") : NULL, *y;
    if (!rest || !zero || !one || !shape || !batch || !full) return NULL;
    lt_om_i64(&o->m, rest, dim, (int64_t[]){3}, 1);
    lt_om_i64(&o->m, zero, (int64_t[]){0}, (int64_t[]){1}, 1);
    lt_om_i64(&o->m, one, (int64_t[]){1}, (int64_t[]){1}, 1);
    batch = lt_om_node(&o->m, "Slice", batch, batch, shape, zero, one, NULL);
    if (!batch || !(y = lt_om_node(&o->m, "Concat", full, full, batch, rest, NULL))) return NULL;
    lt_om_attr_int(&o->m, "axis", 0);
    return lt_om_node(&o->m, "Expand", name, name, what, y, NULL);
}

static char *write_zero(struct lt_ow *o, const struct lt_node *n, const char *x, const char *out) {
    char *value = sub(o, out, "/value");
    if (!value) return NULL;
    lt_om_f32(&o->m, value, (float[]){0}, NULL, 0);
    return for_each_sample(o, x, value, n->out.d + 1, out, "");
}

/* A [T,C] parameter as a constant [C,T,1]. */
static char *table(struct lt_ow *o, const struct lt_node *n) {
    const struct lt_param *p = &o->g->param[n->param[0]];
    const int64_t rows = p->dim[0], c = p->dim[1], dim[3] = {c, rows, 1};
    char *name = sub(o, p->name, "");
    float *v = lt_om_alloc(&o->m, (size_t)p->count * sizeof(*v));
    if (!name || !v) return NULL;
    for (int64_t t = 0; t < rows; t++)
        for (int64_t i = 0; i < c; i++) v[i * rows + t] = o->w->data[n->param[0]][t * c + i];
    lt_om_f32(&o->m, name, v, dim, 3);
    return name;
}

static char *write_prepend(struct lt_ow *o, const struct lt_node *n, const char *x, const char *out) {
    const int64_t dim[3] = {n->out.d[1], n->stop, 1};
    char *head = table(o, n), *y;
    if (!head || !(head = for_each_sample(o, x, head, dim, out, "/head"))) return NULL;
    if ((y = lt_om_node(&o->m, "Concat", out, out, head, x, NULL))) lt_om_attr_int(&o->m, "axis", 2);
    return y;
}

/* Numbers are rounded and clamped as the runtime does, then looked up. */
static char *write_embed(struct lt_ow *o, const struct lt_node *n, const char *x, const char *out) {
    const struct lt_param *p = &o->g->param[n->param[0]];
    char *lo = sub(o, out, "/lowest"), *hi = sub(o, out, "/highest"), *axis = sub(o, out, "/axis"), *rows, *y;
    const float top = (float)(p->dim[0] - 1), bottom = 0;
    if (!lo || !hi || !axis || !(rows = param(o, n, 0, p->dim, 2))) return NULL;
    lt_om_f32(&o->m, lo, &bottom, NULL, 0);
    lt_om_f32(&o->m, hi, &top, NULL, 0);
    lt_om_i64(&o->m, axis, (int64_t[]){3}, (int64_t[]){1}, 1);
    y = lt_ow_reshape(o, x, out, "/flat", (int64_t[]){0, n->out.d[2]}, 2);
    char *limited = sub(o, out, "/limited"), *number = sub(o, out, "/number"), *found = sub(o, out, "/found");
    if (!(y = step(o, "Round", out, "/round", y, NULL)) || !limited || !number || !found) return NULL;
    y = lt_om_node(&o->m, "Clip", limited, limited, y, lo, hi, NULL);
    if (!y || !(y = lt_om_node(&o->m, "Cast", number, number, y, NULL))) return NULL;
    lt_om_attr_int(&o->m, "to", ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
    if (!(y = lt_om_node(&o->m, "Gather", found, found, rows, y, NULL))) return NULL;
    y = lt_ow_transpose(o, y, out, "/features", (int64_t[]){0, 2, 1}, 3);
    return y ? lt_om_node(&o->m, "Unsqueeze", out, out, y, axis, NULL) : NULL;
}

static char *write_shuffle(struct lt_ow *o, const struct lt_node *n, const char *x, const char *out) {
    const int64_t *d = n->out.d, groups = n->groups;
    char *y = lt_ow_reshape(o, x, out, "/groups", (int64_t[]){0, groups, d[1] / groups, d[2] * d[3]}, 4);
    y = lt_ow_transpose(o, y, out, "/mixed", (int64_t[]){0, 2, 1, 3}, 4);
    return lt_ow_reshape(o, y, out, "", (int64_t[]){0, d[1], d[2], d[3]}, 4);
}

/* [H/s,s,W/s,s] <-> [H/s,W/s,s,s] */
static char *write_window(struct lt_ow *o, const struct lt_node *n, const char *x, const char *out) {
    const struct lt_shape *image = n->inverse ? &n->out : &o->g->node[n->in[0]].out;
    const int64_t *d = n->out.d, s = n->window, rows = image->d[2] / s, columns = image->d[3] / s;
    const int64_t cut[6] = {0, d[1], rows, s, columns, s}, squares[6] = {0, d[1], rows, columns, s, s};
    char *y = lt_ow_reshape(o, x, out, "/cut", n->inverse ? squares : cut, 6);
    y = lt_ow_transpose(o, y, out, "/squares", (int64_t[]){0, 1, 2, 4, 3, 5}, 6);
    return lt_ow_reshape(o, y, out, "", (int64_t[]){0, d[1], d[2], d[3]}, 4);
}

static char *write_shortconv(struct lt_ow *o, const struct lt_node *n, const char *x, const char *out) {
    const int64_t before = n->causal ? n->kernel - 1 : n->kernel / 2, pads[4] = {before, 0, n->kernel - 1 - before, 0};
    char *w = param(o, n, 0, o->g->param[n->param[0]].dim, 4), *y;
    if (!w || !(y = lt_om_node(&o->m, "Conv", out, out, x, w, NULL))) return NULL;
    lt_om_attr_ints(&o->m, "kernel_shape", (int64_t[]){n->kernel, 1}, 2);
    lt_om_attr_ints(&o->m, "pads", pads, 4);
    lt_om_attr_int(&o->m, "group", n->out.d[1]);
    return y;
}

static char *write_concat(struct lt_ow *o, const struct lt_node *n, const char *out) {
    char *x[LT_MAX_IN] = {NULL}, *y; /* the list that lt_om_node takes ends at the first NULL */
    for (int k = 0; k < n->n_in; k++)
        if (!(x[k] = lt_ow_ranked(o, n->in[k], R4))) return NULL;
    if ((y = lt_om_node(&o->m, "Concat", out, out, x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], NULL)))
        lt_om_attr_int(&o->m, "axis", n->axis);
    return y;
}
_Static_assert(LT_MAX_IN == 8, "write_concat lists them");

lt_status lt_ow_op(struct lt_ow *o, int i, const char *out, struct lt_err *e) {
    const struct lt_node *n = &o->g->node[i];
    char **to = &o->v[i].r[R4], *x = lt_ow_ranked(o, n->in[0], R4);
    if (!x) return LT_OK; /* lt_om_pack reports it */
    switch (n->op) {
    case LT_OP_CONCAT:
        *to = write_concat(o, n, out);
        return LT_OK;
    case LT_OP_SLICE:
        *to = write_slice(o, n, x, out);
        return LT_OK;
    case LT_OP_SHUFFLE:
        *to = write_shuffle(o, n, x, out);
        return LT_OK;
    case LT_OP_ZERO:
        *to = write_zero(o, n, x, out);
        return LT_OK;
    case LT_OP_LAYERNORM:
        *to = write_layernorm(o, n, x, out);
        return LT_OK;
    case LT_OP_TOKENS:
    case LT_OP_GRID:
        *to = lt_ow_reshape(o, x, out, "", (int64_t[]){0, n->out.d[1], n->out.d[2], n->out.d[3]}, 4);
        return LT_OK;
    case LT_OP_WINDOW:
        *to = write_window(o, n, x, out);
        return LT_OK;
    case LT_OP_EMBED:
        *to = write_embed(o, n, x, out);
        return LT_OK;
    case LT_OP_POSITION: {
        char *rows = table(o, n);
        if (rows) *to = step(o, "Add", out, "", x, rows);
        return LT_OK;
    }
    case LT_OP_PREPEND:
        *to = write_prepend(o, n, x, out);
        return LT_OK;
    case LT_OP_SHORTCONV:
        *to = write_shortconv(o, n, x, out);
        return LT_OK;
    case LT_OP_ATTENTION:
        return lt_ow_attention(o, i, out, e);
    case LT_OP_LINATTN:
        return lt_ow_linattn(o, i, out, e);
    case LT_OP_BN:
        return lt_fail(e, LT_EINVAL, "%s: bn is not exported; fold batch norm first", n->name);
    default:
        return lt_fail(e, LT_EUNAVAIL, "%s: there is no ONNX form of %s here", n->name, lt_op_name(n->op));
    }
}
#else
typedef int lt_onnx_ops_not_built; /* ISO C wants something in a file */
#endif
