/*
 * Dense and grouped convolutions of training by oneDNN: activations channels-last, weights reordered from and to
 * [O,I/g,K,K] around each call (they change at every step). Primitives are kept by shape; a shape that oneDNN only has
 * a reference loop for, and dilated ones, go through im2col instead.
 */
#include "lathe/mem.h"
#include "runtime/onednn/dnnl_compat.h"
#include "runtime/onednn/dnnl_util.h"
#include "runtime/train_priv.h"
#include <string.h>

/* More than elastic training of one space meets; when full, everything is dropped and made again. */
enum { N_SLOTS = 1024, MAX_ENTRIES = 512 };

enum { X, W, Y, PAD, N_MEM };

struct entry {
    struct lt_conv d;
    enum lt_conv_pass pass;
    dnnl_primitive_t conv;    /* NULL: im2col */
    dnnl_memory_t mem[N_MEM]; /* of the primitive; handles are set at each call */
    dnnl_primitive_t reorder; /* NULL: the primitive takes plain weights */
    dnnl_memory_t plain;
    size_t packed_bytes, pad_bytes;
};

struct state {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct entry *slot[N_SLOTS];
    int n_entries;
    char *scratch; /* packed weights, then oneDNN's own; or im2col's */
    size_t scratch_bytes;
};

static lt_status failed(struct lt_err *e, const struct lt_conv *d, dnnl_status_t r) {
    return lt_fail(e, r == dnnl_out_of_memory ? LT_ENOMEM : LT_EFAIL,
                   "oneDNN convolution %d to %d channels, kernel %d: status %d", d->ic, d->oc, d->kernel, (int)r);
}

static void entry_free(struct entry *n) {
    if (!n) return;
    for (int i = 0; i < N_MEM; i++)
        if (n->mem[i]) dnnl_memory_destroy(n->mem[i]);
    if (n->plain) dnnl_memory_destroy(n->plain);
    if (n->conv) dnnl_primitive_destroy(n->conv);
    if (n->reorder) dnnl_primitive_destroy(n->reorder);
    lt_free(n);
}

static void drop_all(struct state *s) {
    for (int i = 0; i < N_SLOTS; i++) {
        entry_free(s->slot[i]);
        s->slot[i] = NULL;
    }
    s->n_entries = 0;
}

static void conv_close(struct lt_backend *b) {
    struct state *s = b->dense_state;
    if (!s) return;
    drop_all(s);
    if (s->stream) dnnl_stream_destroy(s->stream);
    if (s->engine) dnnl_engine_destroy(s->engine);
    lt_free(s->scratch);
    lt_free(s);
    b->dense_state = NULL;
}

static lt_status conv_open(struct lt_backend *b, struct lt_err *e) {
    struct state *s = lt_calloc(1, sizeof(*s));
    if (!s) return lt_fail(e, LT_ENOMEM, "oneDNN engine");
    b->dense_state = s;
    if (dnnl_engine_create(&s->engine, dnnl_cpu, 0) ||
        dnnl_stream_create(&s->stream, s->engine, dnnl_stream_default_flags))
        return lt_fail(e, LT_EFAIL, "oneDNN: no CPU engine");
    return LT_OK;
}

static int64_t conv_scratch(const struct lt_conv *d) {
    (void)d;
    return 0; /* known only after a primitive was made: kept by the state */
}

static lt_status reserve(struct state *s, size_t bytes, struct lt_err *e) {
    if (bytes <= s->scratch_bytes) return LT_OK;
    lt_free(s->scratch);
    s->scratch_bytes = 0;
    if (!(s->scratch = lt_aligned(bytes))) return lt_fail(e, LT_ENOMEM, "%zu bytes of convolution scratch", bytes);
    s->scratch_bytes = bytes;
    return LT_OK;
}

static dnnl_status_t weights_md(const struct lt_conv *d, bool plain, lt_md *md) {
    if (d->groups > 1) {
        dnnl_dims_t dims = {d->groups, d->oc / d->groups, d->ic / d->groups, d->kernel, d->kernel};
        return lt_md_make(md, 5, dims, dnnl_f32, plain ? dnnl_goihw : dnnl_format_tag_any);
    }
    dnnl_dims_t dims = {d->oc, d->ic, d->kernel, d->kernel};
    return lt_md_make(md, 4, dims, dnnl_f32, plain ? dnnl_oihw : dnnl_format_tag_any);
}

/* What the last row or column reads beyond the image; less than pad where the stride leaves pixels over. */
static int pad_after(int in, int out, const struct lt_conv *d) {
    return (out - 1) * d->stride + d->kernel - in - d->pad;
}

static dnnl_status_t make_pds(const struct state *s, const struct entry *n, dnnl_primitive_desc_t *pd) {
    const struct lt_conv *d = &n->d;
    dnnl_dims_t xd = {d->n, d->ic, d->h, d->w}, yd = {d->n, d->oc, d->oh, d->ow}, stride = {d->stride, d->stride},
                before = {d->pad, d->pad};
    dnnl_dims_t after = {pad_after(d->h, d->oh, d), pad_after(d->w, d->ow, d)};
    lt_md x = {0}, w = {0}, y = {0};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t fwd = NULL;
    dnnl_status_t r;
    if ((r = lt_md_make(&x, 4, xd, dnnl_f32, dnnl_nhwc)) || (r = lt_md_make(&y, 4, yd, dnnl_f32, dnnl_nhwc)) ||
        (r = weights_md(d, false, &w)) || (r = dnnl_primitive_attr_create(&attr)) ||
        (r = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user)) ||
        (r = lt_conv_pd(&fwd, s->engine, LT_CONV_FORWARD, lt_md_of(&x), lt_md_of(&w), lt_md_of(&y), stride, before,
                        after, attr, NULL)))
        goto out;
    if (n->pass == LT_CONV_FORWARD) {
        *pd = fwd;
        fwd = NULL;
    } else {
        r = lt_conv_pd(pd, s->engine, n->pass, lt_md_of(&x), lt_md_of(&w), lt_md_of(&y), stride, before, after, attr,
                       fwd);
    }
out:
    if (fwd) dnnl_primitive_desc_destroy(fwd);
    if (attr) dnnl_primitive_attr_destroy(attr);
    lt_md_release(&x);
    lt_md_release(&w);
    lt_md_release(&y);
    return r;
}

/* Forward and data: plain -> packed. Weights: packed is added to plain. */
static dnnl_status_t make_reorder(const struct state *s, struct entry *n, lt_md_ref packed) {
    lt_md plain = {0};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t po = NULL;
    dnnl_primitive_desc_t pd = NULL;
    bool add = n->pass == LT_CONV_WEIGHTS;
    dnnl_status_t r;
    if ((r = weights_md(&n->d, true, &plain)) ||
        (r = dnnl_memory_create(&n->plain, lt_md_of(&plain), s->engine, DNNL_MEMORY_NONE)))
        goto out;
    if (!add && dnnl_memory_desc_equal(lt_md_of(&plain), packed)) goto out;
    if (add && ((r = dnnl_primitive_attr_create(&attr)) || (r = dnnl_post_ops_create(&po)) || (r = lt_post_sum(po)) ||
                (r = dnnl_primitive_attr_set_post_ops(attr, po))))
        goto out;
    if (add)
        r = dnnl_reorder_primitive_desc_create(&pd, packed, s->engine, lt_md_of(&plain), s->engine, attr);
    else
        r = dnnl_reorder_primitive_desc_create(&pd, lt_md_of(&plain), s->engine, packed, s->engine, NULL);
    if (!r) r = dnnl_primitive_create(&n->reorder, pd);
out:
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (po) dnnl_post_ops_destroy(po);
    if (attr) dnnl_primitive_attr_destroy(attr);
    lt_md_release(&plain);
    return r;
}

static dnnl_status_t build(const struct state *s, struct entry *n) {
    dnnl_primitive_desc_t pd = NULL;
    const char *impl = NULL;
    dnnl_status_t r = n->d.dilation > 1 ? dnnl_unimplemented : make_pds(s, n, &pd);
    if (!r) r = dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &impl);
    if (r == dnnl_unimplemented || (!r && !strncmp(impl, "ref", 3))) {
        r = dnnl_success; /* im2col */
        goto out;
    }
    if (r) goto out;
    bool data = n->pass == LT_CONV_DATA, weights = n->pass == LT_CONV_WEIGHTS;
    lt_md_ref md[N_MEM] = {
        dnnl_primitive_desc_query_md(pd, data ? dnnl_query_diff_src_md : dnnl_query_src_md, 0),
        dnnl_primitive_desc_query_md(pd, weights ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0),
        dnnl_primitive_desc_query_md(pd, data || weights ? dnnl_query_diff_dst_md : dnnl_query_dst_md, 0),
        dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0),
    };
    for (int i = 0; i < N_MEM; i++)
        if ((r = dnnl_memory_create(&n->mem[i], md[i], s->engine, DNNL_MEMORY_NONE))) goto out;
    n->packed_bytes = (dnnl_memory_desc_get_size(md[W]) + 63) / 64 * 64;
    n->pad_bytes = dnnl_memory_desc_get_size(md[PAD]);
    if ((r = make_reorder(s, n, md[W]))) goto out;
    r = dnnl_primitive_create(&n->conv, pd);
out:
    if (pd) dnnl_primitive_desc_destroy(pd);
    return r;
}

static uint64_t hash(const struct lt_conv *d, enum lt_conv_pass pass) {
    const int v[] = {d->n, d->h, d->w, d->ic, d->oc, d->kernel, d->stride, d->pad, d->groups, d->dilation, (int)pass};
    uint64_t h = 1469598103934665603u; /* FNV-1a over the numbers */
    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) h = (h ^ (uint64_t)v[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static bool same(const struct entry *n, const struct lt_conv *d, enum lt_conv_pass pass) {
    const struct lt_conv *a = &n->d;
    return n->pass == pass && a->n == d->n && a->h == d->h && a->w == d->w && a->ic == d->ic && a->oc == d->oc &&
           a->oh == d->oh && a->ow == d->ow && a->kernel == d->kernel && a->stride == d->stride && a->pad == d->pad &&
           a->groups == d->groups && a->dilation == d->dilation;
}

static lt_status find(struct state *s, const struct lt_conv *d, enum lt_conv_pass pass, struct entry **out,
                      struct lt_err *e) {
    uint64_t i = hash(d, pass) % N_SLOTS;
    struct entry *n;
    dnnl_status_t r;
    for (; s->slot[i]; i = (i + 1) % N_SLOTS)
        if (same(s->slot[i], d, pass)) {
            *out = s->slot[i];
            return LT_OK;
        }
    if (!(n = lt_calloc(1, sizeof(*n)))) return lt_fail(e, LT_ENOMEM, "oneDNN convolution");
    n->d = *d;
    n->pass = pass;
    if ((r = build(s, n))) {
        entry_free(n);
        return failed(e, d, r);
    }
    if (s->n_entries == MAX_ENTRIES) {
        drop_all(s);
        i = hash(d, pass) % N_SLOTS;
    }
    s->slot[i] = n;
    s->n_entries++;
    *out = n;
    return LT_OK;
}

static dnnl_status_t reorder(const struct state *s, const struct entry *n) {
    bool add = n->pass == LT_CONV_WEIGHTS;
    dnnl_exec_arg_t arg[] = {{DNNL_ARG_FROM, add ? n->mem[W] : n->plain}, {DNNL_ARG_TO, add ? n->plain : n->mem[W]}};
    return dnnl_primitive_execute(n->reorder, s->stream, 2, arg);
}

/* w: plain weights, or their gradient. */
static dnnl_status_t execute(const struct state *s, struct entry *n, const void *x, void *w, const void *y) {
    bool data = n->pass == LT_CONV_DATA, weights = n->pass == LT_CONV_WEIGHTS;
    dnnl_exec_arg_t arg[] = {
        {data ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, n->mem[X]},
        {weights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, n->mem[W]},
        {data || weights ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST, n->mem[Y]},
        {DNNL_ARG_SCRATCHPAD, n->mem[PAD]},
    };
    dnnl_status_t r;
    if ((r = dnnl_memory_set_data_handle(n->mem[X], (void *)(uintptr_t)x)) ||
        (r = dnnl_memory_set_data_handle(n->mem[Y], (void *)(uintptr_t)y)) ||
        (r = dnnl_memory_set_data_handle(n->plain, w)) ||
        (r = dnnl_memory_set_data_handle(n->mem[W], n->reorder ? s->scratch : w)) ||
        (n->pad_bytes && (r = dnnl_memory_set_data_handle(n->mem[PAD], s->scratch + n->packed_bytes))))
        return r;
    if ((!weights && n->reorder && (r = reorder(s, n))) ||
        (r = dnnl_primitive_execute(n->conv, s->stream, n->pad_bytes ? 4 : 3, arg)) || (weights && (r = reorder(s, n))))
        return r;
    return dnnl_stream_wait(s->stream);
}

static lt_status prepare(struct lt_backend *b, const struct lt_conv *d, enum lt_conv_pass pass, struct entry **n,
                         struct lt_err *e) {
    struct state *s = b->dense_state;
    lt_status r = find(s, d, pass, n, e);
    if (r) return r;
    return reserve(s, (*n)->conv ? (*n)->packed_bytes + (*n)->pad_bytes : (size_t)lt_conv_scratch(d) * sizeof(float),
                   e);
}

static lt_status conv_forward(struct lt_backend *b, const struct lt_conv *d, const float *x, const float *w, float *y,
                              float *scratch, struct lt_err *e) {
    struct state *s = b->dense_state;
    struct entry *n = NULL;
    lt_status st = prepare(b, d, LT_CONV_FORWARD, &n, e);
    dnnl_status_t r;
    (void)scratch;
    if (st) return st;
    if (!n->conv) {
        lt_conv_forward(d, b->gemm, x, w, NULL, y, (float *)(void *)s->scratch);
        return LT_OK;
    }
    r = execute(s, n, x, (void *)(uintptr_t)w, y);
    return r ? failed(e, d, r) : LT_OK;
}

static lt_status conv_data(struct lt_backend *b, const struct lt_conv *d, const float *dy, const float *w, float *dx,
                           float *scratch, struct lt_err *e) {
    struct state *s = b->dense_state;
    struct entry *n = NULL;
    lt_status st = prepare(b, d, LT_CONV_DATA, &n, e);
    dnnl_status_t r;
    (void)scratch;
    if (st) return st;
    if (!n->conv) {
        lt_conv_backward_data(d, b->gemm, dy, w, dx, (float *)(void *)s->scratch);
        return LT_OK;
    }
    r = execute(s, n, dx, (void *)(uintptr_t)w, dy);
    return r ? failed(e, d, r) : LT_OK;
}

static lt_status conv_weights(struct lt_backend *b, const struct lt_conv *d, const float *x, const float *dy, float *gw,
                              float *scratch, struct lt_err *e) {
    struct state *s = b->dense_state;
    struct entry *n = NULL;
    lt_status st = prepare(b, d, LT_CONV_WEIGHTS, &n, e);
    dnnl_status_t r;
    (void)scratch;
    if (st) return st;
    if (!n->conv) {
        lt_conv_backward_weights(d, b->gemm, x, dy, gw, (float *)(void *)s->scratch);
        return LT_OK;
    }
    r = execute(s, n, x, gw, dy);
    return r ? failed(e, d, r) : LT_OK;
}

const struct lt_dense lt_dense_dnnl = {
    .name = "oneDNN",
    .open = conv_open,
    .close = conv_close,
    .scratch = conv_scratch,
    .forward = conv_forward,
    .backward_data = conv_data,
    .backward_weights = conv_weights,
};
