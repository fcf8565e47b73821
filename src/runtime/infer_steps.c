/*
 * From an inference plan to steps: which kernel computes each operation, on which buffers. Backends differ in what
 * provides convolutions and in whether sequence operators are plain.
 */
#include "config.h"
#include "lathe/mem.h"
#include "runtime/infer_steps.h"
#include <string.h>

static void conv_spec(const struct lt_infer *s, const struct lt_iunit *u, const struct lt_ivalue *dst,
                      struct lt_iconv_spec *c) {
    const struct lt_node *n = &s->g->node[u->node];
    const struct lt_shape *in = &s->g->node[n->op == LT_OP_LINEAR ? u->in[0] : n->in[0]].out, *out = &n->out;
    *c = (struct lt_iconv_spec){.n = s->batch,
                                .ic = (int)in->d[1],
                                .ih = (int)in->d[2],
                                .iw = (int)in->d[3],
                                .oc = (int)out->d[1],
                                .oh = (int)out->d[2],
                                .ow = (int)out->d[3],
                                .kh = n->kernel,
                                .kw = n->kernel,
                                .stride = n->stride,
                                .pad = n->pad,
                                .groups = n->groups,
                                .dilation = n->dilation,
                                .int8 = u->int8,
                                .in_q = u->in_q,
                                .dst = LT_F32,
                                .act1 = u->act1,
                                .act2 = u->act2,
                                .residual = u->residual >= 0,
                                .weight_qmax = s->weight_qmax,
                                .threads = s->threads,
                                .kernels = s->kernels,
                                .gemm = s->gemm,
                                .dnnl = s->dnnl};
    if (n->op == LT_OP_LINEAR) { /* a convolution over the whole input: [O, C*H*W] is [O,C,H,W] */
        c->kh = c->ih;
        c->kw = c->iw;
        c->stride = c->groups = c->dilation = 1;
        c->pad = 0;
        c->oh = c->ow = 1;
    }
    if (dst->quantized) {
        c->dst = LT_U8;
        c->out_q = dst->q;
    }
}

#if LT_WITH_DNNL
/*
 * Depthwise f32 at one thread: time of our kernel / time of oneDNN 2.6.3 at batch 1 on Zen 4, over 15 shapes (20 to 300
 * channels, 4 to 28 pixels): AVX-512 0.59 to 1.03; AVX2 1.1 to 1.4 for 3x3 and strided 5x5, 0.94 for 5x5 with stride 1,
 * 0.82 to 1.05 for 7x7.
 */
static bool ours_is_faster(const struct lt_iconv_spec *c) {
    if (c->int8 || c->threads > 1 || c->dilation > 1 || c->groups < 2 || c->groups != c->ic || c->ic != c->oc)
        return false;
    if (!strcmp(c->kernels->name, "avx512")) return true;
    return !strcmp(c->kernels->name, "avx2") && (c->kh > 5 || (c->kh == 5 && c->stride == 1));
}
#endif

static lt_status make_conv(struct lt_infer *s, const struct lt_iunit *u, const struct lt_iop *op, struct lt_istep *st,
                           struct lt_err *e) {
    struct lt_iconv_spec spec;
    lt_status r = LT_EUNAVAIL;
    conv_spec(s, u, &s->p.value[op->dst], &spec);
    if (!s->reference) {
#if LT_WITH_DNNL
        if (!ours_is_faster(&spec)) r = lt_iconv_dnnl_new(&spec, &st->conv, e);
#endif
        if (r == LT_EUNAVAIL) r = lt_iconv_kernel_new(&spec, &st->conv, e);
    }
    if (r == LT_EUNAVAIL) r = lt_iconv_plain_new(&spec, &st->conv, e);
    if (r) return r;
    st->conv->src = lt_infer_buffer(s, op->src[0]);
    st->conv->dst = lt_infer_buffer(s, op->dst);
    return LT_OK;
}

static lt_status make_unit_step(struct lt_infer *s, const struct lt_iop *op, struct lt_istep *st, struct lt_err *e) {
    const struct lt_iunit *u = &s->p.unit[op->unit];
    const struct lt_node *n = &s->g->node[u->node];
    const struct lt_shape *in = &s->g->node[n->in[0]].out;
    st->node = u->node;
    st->last = u->last;
    st->dtype = u->int8 ? LT_I8 : LT_F32;
    st->out_dtype = !s->p.value[op->dst].quantized ? LT_F32 : s->p.value[op->dst].q.is_signed ? LT_I8 : LT_U8;
    if (n->op == LT_OP_CONV || n->op == LT_OP_LINEAR) return make_conv(s, u, op, st, e);
    lt_iseq_init(&st->seq, s->g, u->node, s->reference, s->kernels, s->gemm);
    if (st->seq.fn) {
        st->seq.batch = s->batch;
        for (int k = 0; k < n->n_in; k++) st->seq.in[k] = lt_infer_buffer(s, op->src[k]);
        st->seq.dst = lt_infer_buffer(s, op->dst);
        return LT_OK;
    }
    st->el = (struct lt_iel){.k = s->kernels,
                             .n = s->batch,
                             .c = in->d[1],
                             .h = in->d[2],
                             .w = in->d[3],
                             .oh = n->out.d[2],
                             .ow = n->out.d[3],
                             .kernel = n->kernel,
                             .stride = n->stride,
                             .pad = n->pad,
                             .act = n->act,
                             .pool = n->pool,
                             .a = lt_infer_buffer(s, op->src[0]),
                             .b = lt_infer_buffer(s, op->src[1]),
                             .dst = lt_infer_buffer(s, op->dst)};
    switch (n->op) {
    case LT_OP_ACT:
        st->fn = lt_iel_act;
        break;
    case LT_OP_POOL:
        st->fn = lt_iel_pool;
        break;
    case LT_OP_GAP:
        st->fn = lt_iel_gap;
        break;
    case LT_OP_ADD:
        st->fn = lt_iel_add;
        break;
    case LT_OP_SOFTMAX:
        st->fn = lt_iel_softmax;
        break;
    case LT_OP_FLATTEN:
        st->fn = lt_iel_nchw;
        break;
    case LT_OP_MUL: {
        const struct lt_shape *b = &s->g->node[n->in[1]].out;
        st->fn = lt_iel_mul;
        st->el.broadcast = b->d[2] * b->d[3] == 1 && in->d[2] * in->d[3] > 1;
        break;
    }
    default:
        LT_BUG("%s: operator %s in an inference session", n->name, lt_op_name(n->op));
    }
    return LT_OK;
}

static lt_status share_scratch(struct lt_infer *s, struct lt_err *e) {
    int64_t most = 0, count;
    for (int i = 0; i < s->n_steps; i++)
        if (s->step[i].seq.fn && (count = lt_iseq_scratch(&s->step[i].seq)) > most) most = count;
    if (most && !(s->scratch = lt_aligned((size_t)most * sizeof(float))))
        return lt_fail(e, LT_ENOMEM, "%s: %lld floats of scratch", s->g->name, (long long)most);
    for (int i = 0; i < s->n_steps; i++) s->step[i].seq.scratch = s->scratch;
    return LT_OK;
}

lt_status lt_infer_make_steps(struct lt_infer *s, struct lt_err *e) {
    const struct lt_graph *g = s->g;
    lt_status r;
    if (!(s->step = lt_calloc((size_t)s->p.n_ops, sizeof(*s->step))))
        return lt_fail(e, LT_ENOMEM, "%s: inference steps", g->name);
    for (int i = 0; i < s->p.n_ops; i++) {
        const struct lt_iop *op = &s->p.op[i];
        const struct lt_ivalue *v = &s->p.value[op->dst];
        const struct lt_shape *sh = &g->node[v->node].out;
        struct lt_istep *st = &s->step[s->n_steps++];
        st->kind = op->kind;
        if (op->kind == LT_UNIT_OP) {
            if ((r = make_unit_step(s, op, st, e))) return r;
            continue;
        }
        st->node = st->last = v->node;
        st->el = (struct lt_iel){.k = s->kernels,
                                 .n = s->batch,
                                 .c = sh->d[1],
                                 .h = sh->d[2],
                                 .w = sh->d[3],
                                 .q = v->q,
                                 .a = lt_infer_buffer(s, op->src[0]),
                                 .dst = lt_infer_buffer(s, op->dst)};
        st->dtype = st->out_dtype = !v->quantized ? LT_F32 : v->q.is_signed ? LT_I8 : LT_U8;
        st->fn = op->kind == LT_UNIT_QUANTIZE ? lt_iel_quantize : op->src[0] < 0 ? lt_iel_nhwc : lt_iel_copy;
    }
    if ((r = share_scratch(s, e))) return r;
    const struct lt_ivalue *v = &s->p.value[s->p.out_value];
    const struct lt_shape *sh = &g->node[v->node].out;
    s->out = (struct lt_iel){.k = s->kernels,
                             .n = s->batch,
                             .c = sh->d[1],
                             .h = sh->d[2],
                             .w = sh->d[3],
                             .a = lt_infer_buffer(s, s->p.out_value)};
    return LT_OK;
}
