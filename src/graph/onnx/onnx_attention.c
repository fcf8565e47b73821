/*
 * Softmax and linear attention as matrix products over [N, kv heads, (heads that share them), (blocks), tokens,
 * features]; the dimensions in parentheses exist only where they are not 1. Who may not be met is a constant added to
 * the scores. Rotary positions are x * cos + turned(x) * sin with constant tables.
 */
#include "config.h"
#if LT_WITH_PROTOBUF_C
#include <math.h>
#include "graph/onnx/onnx_writer.h"

struct form {
    const struct lt_node *n;
    int64_t tq, tk, kv, share, blocks, d, dv;
};

static struct form form_of(const struct lt_ow *o, const struct lt_node *n) {
    const struct lt_shape *q = &o->g->node[n->in[0]].out, *k = &o->g->node[n->in[1]].out,
                          *v = &o->g->node[n->in[2]].out;
    return (struct form){.n = n,
                         .tq = q->d[2],
                         .tk = k->d[2],
                         .kv = n->kv_heads,
                         .share = n->heads / n->kv_heads,
                         .blocks = n->block ? q->d[2] / n->block : 1,
                         .d = q->d[1] / n->heads,
                         .dv = v->d[1] / n->kv_heads};
}

/* Sizes and order of a tensor's dimensions: of memory [N,kv,share,d,blocks,t], wanted [N,kv,share,blocks,t,d] or, with
 * `upright`, [N,kv,share,blocks,d,t]. */
static int view(const struct form *f, int64_t share, int64_t d, int64_t t, bool upright, int64_t *dim, int64_t *perm) {
    int n = 0, at_share = -1, at_d, at_blocks = -1, at_t, to = 0;
    dim[n++] = 0;
    dim[n++] = f->kv;
    if (f->share > 1) {
        at_share = n;
        dim[n++] = share;
    }
    at_d = n;
    dim[n++] = d;
    if (f->blocks > 1) {
        at_blocks = n;
        dim[n++] = f->blocks;
    }
    at_t = n;
    dim[n++] = t / f->blocks;
    perm[to++] = 0;
    perm[to++] = 1;
    if (at_share >= 0) perm[to++] = at_share;
    if (at_blocks >= 0) perm[to++] = at_blocks;
    perm[to++] = upright ? at_d : at_t;
    perm[to++] = upright ? at_t : at_d;
    return n;
}

/* x [N,heads*d,T,1] as heads, for a product. */
static char *heads_of(struct lt_ow *o, const struct form *f, const char *x, const char *out, const char *const what[2],
                      int64_t share, int64_t d, int64_t t, bool upright) {
    int64_t dim[6], perm[6];
    int n = view(f, share, d, t, upright, dim, perm);
    char *y = lt_ow_reshape(o, x, out, what[0], dim, n);
    bool straight = true;
    for (int i = 0; i < n; i++) straight &= perm[i] == i;
    return straight ? y : lt_ow_transpose(o, y, out, what[1], perm, n);
}

static char *two(struct lt_ow *o, const char *op, const char *out, const char *what, const char *a, const char *b) {
    char *name = lt_om_name(&o->m, out, what);
    return name && a && b ? lt_om_node(&o->m, op, name, name, a, b, NULL) : NULL;
}

/* Half of the features of each head: [N,heads,d,T] from feature `from` on. */
static char *half_of(struct lt_ow *o, const char *x, const char *out, const char *what, int64_t from, int64_t count) {
    char *name = lt_om_name(&o->m, out, what), *a = name ? lt_om_name(&o->m, name, "/from") : NULL,
         *b = name ? lt_om_name(&o->m, name, "/to") : NULL, *axis = name ? lt_om_name(&o->m, name, "/axis") : NULL;
    if (!a || !b || !axis) return NULL;
    lt_om_i64(&o->m, a, (int64_t[]){from}, (int64_t[]){1}, 1);
    lt_om_i64(&o->m, b, (int64_t[]){from + count}, (int64_t[]){1}, 1);
    lt_om_i64(&o->m, axis, (int64_t[]){2}, (int64_t[]){1}, 1);
    return lt_om_node(&o->m, "Slice", name, name, x, a, b, axis, NULL);
}

/* Rotary positions first + 0, 1, ... of x [N,heads*d,T,1]. */
static char *turned(struct lt_ow *o, const struct form *f, const char *x, int64_t heads, int64_t tokens, int64_t first,
                    const char *node, const char *what) {
    const int64_t half = f->d / 2, dim[2] = {f->d, tokens}, split[4] = {0, heads, f->d, tokens};
    char *out = lt_om_name(&o->m, node, what), *cosine = out ? lt_om_name(&o->m, out, "/cos") : NULL,
         *sine = out ? lt_om_name(&o->m, out, "/sin") : NULL, *lo, *hi, *y;
    float *c = lt_om_alloc(&o->m, (size_t)(f->d * tokens) * sizeof(*c)),
          *s = lt_om_alloc(&o->m, (size_t)(f->d * tokens) * sizeof(*s));
    if (!cosine || !sine || !c || !s) return NULL;
    for (int64_t i = 0; i < f->d; i++)
        for (int64_t t = 0; t < tokens; t++) {
            double angle = (double)(first + t) * pow((double)f->n->rope, -2.0 * (double)(i % half) / (double)f->d);
            c[i * tokens + t] = (float)cos(angle);
            s[i * tokens + t] = (float)(i < half ? -sin(angle) : sin(angle));
        }
    lt_om_f32(&o->m, cosine, c, dim, 2);
    lt_om_f32(&o->m, sine, s, dim, 2);
    if (!(x = lt_ow_reshape(o, x, out, "/heads", split, 4))) return NULL;
    lo = half_of(o, x, out, "/low", 0, half);
    hi = half_of(o, x, out, "/high", half, half);
    if (!(y = two(o, "Concat", out, "/swapped", hi, lo))) return NULL;
    lt_om_attr_int(&o->m, "axis", 2);
    y = two(o, "Mul", out, "/across", y, sine);
    y = two(o, "Add", out, "/sum", two(o, "Mul", out, "/along", x, cosine), y);
    return lt_ow_reshape(o, y, out, "", (int64_t[]){0, heads * f->d, tokens, 1}, 4);
}

static char *known_mask(const struct lt_ow *o, const struct lt_ow_mask *m) {
    for (int i = 0; i < o->n_masks; i++) {
        const struct lt_ow_mask *x = &o->mask[i];
        if (x->q == m->q && x->k == m->k && x->window == m->window && x->causal == m->causal && x->no == m->no)
            return x->name;
    }
    return NULL;
}

/* [queries, keys] of a block: `yes` where they meet, `no` where not. NULL in *name when everybody meets. */
static lt_status mask(struct lt_ow *o, const struct form *f, const char *out, float yes, float no, char **name,
                      struct lt_err *e) {
    const struct lt_node *n = f->n;
    const int64_t q = f->tq / f->blocks, k = f->tk / f->blocks, dim[2] = {q, k};
    struct lt_ow_mask made = {.q = q, .k = k, .window = n->window, .causal = n->causal, .no = no};
    float *v;
    *name = NULL;
    if ((!n->causal && !n->window) || (*name = known_mask(o, &made))) return LT_OK;
    v = lt_om_alloc(&o->m, (size_t)(q * k) * sizeof(*v));
    *name = lt_om_name(&o->m, out, "/mask");
    if (!v || !*name) return lt_fail(e, LT_ENOMEM, "ONNX mask of %s: out of memory", n->name);
    for (int64_t i = 0; i < q; i++)
        for (int64_t j = 0; j < k; j++) {
            int64_t back = i + k - q - j;
            bool meets = (!n->causal || back >= 0) && (!n->window || (back < n->window && -back < n->window));
            v[i * k + j] = meets ? yes : no;
        }
    lt_om_f32(&o->m, *name, v, dim, 2);
    made.name = *name;
    if (o->n_masks < LT_OW_MASKS) o->mask[o->n_masks++] = made;
    return LT_OK;
}

/* q, k, v as heads. */
struct qkv {
    char *q, *k, *v;
};

static struct qkv heads_of_inputs(struct lt_ow *o, const struct form *f, char *q, char *k, char *v, const char *out) {
    static const char *const qn[2] = {"/q_heads", "/q"}, *const kn[2] = {"/k_heads", "/k"},
                             *const vn[2] = {"/v_heads", "/v"};
    return (struct qkv){.q = heads_of(o, f, q, out, qn, f->share, f->d, f->tq, false),
                        .k = heads_of(o, f, k, out, kn, 1, f->d, f->tk, true),
                        .v = heads_of(o, f, v, out, vn, 1, f->dv, f->tk, false)};
}

/* What the products gave, back as [N,heads*dv,T,1]. */
static char *tokens_of(struct lt_ow *o, const struct form *f, const char *y, const char *out) {
    int64_t dim[6], perm[6], back[6];
    int rank = view(f, f->share, f->dv, f->tq, false, dim, perm);
    for (int r = 0; r < rank; r++) back[perm[r]] = r;
    y = lt_ow_transpose(o, y, out, "/by_feature", back, rank);
    return lt_ow_reshape(o, y, out, "", (int64_t[]){0, f->n->out.d[1], f->n->out.d[2], 1}, 4);
}

lt_status lt_ow_attention(struct lt_ow *o, int i, const char *out, struct lt_err *e) {
    const struct lt_node *n = &o->g->node[i];
    const struct form f = form_of(o, n);
    const float scale = (float)(1 / sqrt((double)f.d));
    char *q = lt_ow_ranked(o, n->in[0], R4), *k = lt_ow_ranked(o, n->in[1], R4), *v = lt_ow_ranked(o, n->in[2], R4),
         *scaled = lt_om_name(&o->m, out, "/scale"), *weights = lt_om_name(&o->m, out, "/weights"), *hidden, *y;
    lt_status s = mask(o, &f, out, 0, -1e30f, &hidden, e);
    if (s) return s;
    if (!q || !k || !v || !scaled || !weights) return LT_OK; /* lt_om_pack reports it */
    lt_om_f32(&o->m, scaled, &scale, NULL, 0);
    if (n->rope > 0) {
        q = turned(o, &f, q, n->heads, f.tq, f.tk - f.tq, out, "/q_turned");
        k = turned(o, &f, k, n->kv_heads, f.tk, 0, out, "/k_turned");
    }
    struct qkv h = heads_of_inputs(o, &f, q, k, v, out);
    y = two(o, "Mul", out, "/scaled", two(o, "MatMul", out, "/scores", h.q, h.k), scaled);
    if (hidden) y = two(o, "Add", out, "/masked", y, hidden);
    if (!y || !(y = lt_om_node(&o->m, "Softmax", weights, weights, y, NULL))) return LT_OK;
    lt_om_attr_int(&o->m, "axis", -1);
    o->v[i].r[R4] = tokens_of(o, &f, two(o, "MatMul", out, "/mixed", y, h.v), out);
    return LT_OK;
}

/* elu(x) + 1 */
static char *feature(struct lt_ow *o, const char *x, const char *one, const char *out, const char *elu,
                     const char *what) {
    char *name = lt_om_name(&o->m, out, elu), *y;
    if (!x || !name || !(y = lt_om_node(&o->m, "Elu", name, name, x, NULL))) return NULL;
    return two(o, "Add", out, what, y, one);
}

static char *sum_of_last(struct lt_ow *o, const char *x, const char *out, const char *what) {
    char *name = lt_om_name(&o->m, out, what), *axis = name ? lt_om_name(&o->m, name, "/axis") : NULL, *y;
    if (!x || !axis) return NULL;
    lt_om_i64(&o->m, axis, (int64_t[]){-1}, (int64_t[]){1}, 1);
    if ((y = lt_om_node(&o->m, "ReduceSum", name, name, x, axis, NULL))) lt_om_attr_int(&o->m, "keepdims", 1);
    return y;
}

/* phi(q) (phi(k)^T v) over phi(q) sum phi(k): linear in the tokens. Causal: through all scores with a mask, for ONNX
 * has no running sum of products. */
lt_status lt_ow_linattn(struct lt_ow *o, int i, const char *out, struct lt_err *e) {
    const struct lt_node *n = &o->g->node[i];
    const struct form f = form_of(o, n);
    char *q = lt_ow_ranked(o, n->in[0], R4), *k = lt_ow_ranked(o, n->in[1], R4), *v = lt_ow_ranked(o, n->in[2], R4),
         *one = lt_om_name(&o->m, out, "/one"), *lower, *y, *norm;
    lt_status s = mask(o, &f, out, 1, 0, &lower, e);
    if (s) return s;
    if (!q || !k || !v || !one) return LT_OK; /* lt_om_pack reports it */
    lt_om_f32(&o->m, one, (float[]){1}, NULL, 0);
    struct qkv h = heads_of_inputs(o, &f, feature(o, q, one, out, "/q_elu", "/q_feature"),
                                   feature(o, k, one, out, "/k_elu", "/k_feature"), v, out);
    if (lower) {
        y = two(o, "Mul", out, "/masked", two(o, "MatMul", out, "/scores", h.q, h.k), lower);
        norm = sum_of_last(o, y, out, "/sum");
        y = two(o, "MatMul", out, "/mixed", y, h.v);
    } else {
        norm = two(o, "MatMul", out, "/norm", h.q, sum_of_last(o, h.k, out, "/sum"));
        y = two(o, "MatMul", out, "/mixed", h.q, two(o, "MatMul", out, "/state", h.k, h.v));
    }
    o->v[i].r[R4] = tokens_of(o, &f, two(o, "Div", out, "/normal", y, norm), out);
    return LT_OK;
}
#else
typedef int lt_onnx_attention_not_built; /* ISO C wants something in a file */
#endif
