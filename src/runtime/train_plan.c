/*
 * The memory of a TRAIN session: walks through the steps as forward and backward will run them, gives every tensor a
 * place when it appears and takes the place back after its last reader. A gradient that a sum passes on unchanged is
 * not copied: several values hold one block, and whoever wants to write into it while others hold it takes a new one.
 */
#include "lathe/mem.h"
#include "runtime/train_priv.h"

struct walk {
    const struct lt_backend *b;
    struct lt_tplan *p;
    struct lt_place place;
    int batch;
    bool forward_only;
    int n_held, held[LT_MAX_IN + 1]; /* blocks that live until the end of a backward step */
};

static size_t batch_count(const struct walk *k, int v) { return (size_t)lt_tcount(&k->p->value[v]) * (size_t)k->batch; }

static size_t at(const struct walk *k, int block) { return k->place.block[block].at; }

/* Which inputs (bit j) backward reads again; bit 7: the output. */
static int backward_reads(const struct walk *k, const struct lt_tstep *t) {
    bool a = t->in[0] >= 0 && k->p->value[t->in[0]].need_grad;
    switch (t->kind) {
    case LT_T_POINTWISE:
    case LT_T_DEPTHWISE:
    case LT_T_DENSE:
    case LT_T_BN:
    case LT_T_LAYERNORM:
        return 1;
    case LT_T_ACT:
        return a;
    case LT_T_POOL:
        return a; /* read by max only, and rarely worth the difference */
    case LT_T_MUL:
        return k->p->value[t->out].need_grad ? 3 : 0;
    case LT_T_SOFTMAX:
        return a ? 128 : 0;
    default:
        return 0;
    }
}

static void count_uses(struct walk *k) {
    for (int i = 0; i < k->p->n_steps; i++) {
        const struct lt_tstep *t = &k->p->step[i];
        int reads = k->forward_only ? 0 : backward_reads(k, t);
        for (int j = 0; j < LT_MAX_IN; j++) {
            if (t->in[j] < 0) continue;
            k->p->value[t->in[j]].fwd_uses++;
            k->p->value[t->in[j]].bwd_uses += reads >> j & 1;
        }
        k->p->value[t->out].bwd_uses += reads >> 7;
    }
    for (int i = 0; i < k->p->n_steps; i++) {
        struct lt_tvalue *y = &k->p->value[k->p->step[i].out];
        if (k->p->step[i].kind == LT_T_BN && k->p->step[i].in[1] < 0 && y->bwd_uses) y->bn_step = i;
    }
    k->p->value[k->p->output].fwd_uses++; /* the caller */
}

/* Does backward read the place that forward wrote? */
static bool is_kept(const struct lt_tvalue *v) { return v->bwd_uses && v->bn_step < 0; }

static void release_if_done(struct walk *k, int v, bool forward) {
    struct lt_tvalue *x = &k->p->value[v];
    if (x->block < 0 || (forward ? x->fwd_uses || is_kept(x) : x->bwd_uses)) return;
    lt_place_unref(&k->place, x->block);
    x->block = -1;
}

/* An input whose memory the step's output may take: elementwise, same size, read by nobody later. */
static int in_place_input(const struct walk *k, const struct lt_tstep *t) {
    if (t->kind != LT_T_BN && t->kind != LT_T_ACT && t->kind != LT_T_ADD && t->kind != LT_T_MUL) return -1;
    for (int j = 0; j < LT_MAX_IN; j++) {
        const struct lt_tvalue *v = t->in[j] < 0 ? NULL : &k->p->value[t->in[j]];
        if (v && v->fwd_uses == 1 && !is_kept(v) && !(j == 1 && t->kind == LT_T_MUL)) return t->in[j];
    }
    return -1;
}

static size_t scratch_count(const struct walk *k, const struct lt_tstep *t, bool backward) {
    struct lt_conv c = t->conv;
    c.n = k->batch;
    if (t->kind == LT_T_DENSE) return (size_t)k->b->ops->dense->scratch(&c);
    if (t->kind == LT_T_POINTWISE && backward && t->flip)
        return (size_t)k->p->value[t->in[0]].c * (size_t)k->p->value[t->out].c;
    if (t->kind == LT_T_DEPTHWISE && backward)
        return (size_t)t->window.kernel * (size_t)t->window.kernel * (size_t)t->window.c;
    return 0;
}

static void walk_forward(struct walk *k) {
    for (int i = 0; i < k->p->n_steps; i++) {
        struct lt_tstep *t = &k->p->step[i];
        struct lt_tvalue *out = &k->p->value[t->out];
        int same = in_place_input(k, t), packed = -1, scratch;
        if (t->kind == LT_T_DEPTHWISE) {
            packed =
                lt_place_alloc(&k->place, (size_t)t->window.kernel * (size_t)t->window.kernel * (size_t)t->window.c);
            t->packed = at(k, packed);
        }
        if (same >= 0) {
            out->block = k->p->value[same].block;
            k->place.block[out->block].refs++;
        } else {
            out->block = lt_place_alloc(&k->place, batch_count(k, t->out));
        }
        out->at = out->back_at = at(k, out->block);
        scratch = lt_place_alloc(&k->place, scratch_count(k, t, false));
        t->scratch = at(k, scratch);
        lt_place_unref(&k->place, scratch);
        if (packed >= 0 && k->forward_only)
            lt_place_unref(&k->place, packed); /* a training plan keeps it: backward reads it */
        for (int j = 0; j < LT_MAX_IN; j++)
            if (t->in[j] >= 0) {
                k->p->value[t->in[j]].fwd_uses--;
                release_if_done(k, t->in[j], true);
            }
    }
    k->p->value[k->p->output].fwd_uses--;
    if (!k->forward_only) release_if_done(k, k->p->output, true);
}

/* The gradient that stands in block `from` (held by the caller) becomes or is added to that of value v. */
static void contribute(struct walk *k, struct lt_tdx *d, int v, int from) {
    struct lt_tvalue *x = &k->p->value[v];
    struct lt_block *old;
    if (x->grad < 0) {
        x->grad = from;
        k->place.block[from].refs++;
        return;
    }
    old = &k->place.block[x->grad];
    d->add = true;
    d->with = old->at;
    if (old->refs == 1) {
        d->sum = d->with;
        return;
    }
    int sum = lt_place_alloc(&k->place, batch_count(k, v));
    d->sum = at(k, sum);
    lt_place_unref(&k->place, x->grad);
    x->grad = sum;
}

static void plan_passed_on(struct walk *k, struct lt_tstep *t, int j, int dy) {
    struct lt_tdx *d = &t->dx[j];
    d->need = k->p->value[t->in[j]].need_grad;
    d->at = at(k, dy);
    if (d->need) contribute(k, d, t->in[j], dy);
}

/* in_place: the operator may write over dy. always: it writes even when nobody wants the result. */
static void plan_computed(struct walk *k, struct lt_tstep *t, int j, int dy, bool in_place, bool can_accumulate,
                          bool always) {
    struct lt_tdx *d = &t->dx[j];
    struct lt_tvalue *x = &k->p->value[t->in[j]];
    int block;
    d->need = x->need_grad;
    if (!d->need && !always) return;
    d->write = true;
    if (d->need && can_accumulate && x->grad >= 0 && k->place.block[x->grad].refs == 1) {
        d->accumulate = true;
        d->at = at(k, x->grad);
        return;
    }
    if (in_place && k->place.block[dy].refs == 1) {
        block = dy;
        k->place.block[block].refs++;
    } else {
        block = lt_place_alloc(&k->place, batch_count(k, t->in[j]));
    }
    d->at = at(k, block);
    if (d->need) contribute(k, d, t->in[j], block);
    k->held[k->n_held++] = block; /* the step's other results must not land in it */
}

/* The order of inputs here is the order in which train_backward.c adds contributions up: passed on before computed,
 * then 0 before 1. */
static void plan_backward_step(struct walk *k, struct lt_tstep *t, int dy) {
    k->held[k->n_held++] = lt_place_alloc(&k->place, scratch_count(k, t, true));
    t->back_scratch = at(k, k->held[0]);
    switch (t->kind) {
    case LT_T_BN:
        if (t->in[1] >= 0) plan_passed_on(k, t, 1, dy);
        plan_computed(k, t, 0, dy, true, false, true);
        break;
    case LT_T_ADD:
        plan_passed_on(k, t, 0, dy);
        plan_passed_on(k, t, 1, dy);
        break;
    case LT_T_MUL:
        plan_computed(k, t, 0, dy, true, false, true);
        plan_computed(k, t, 1, dy, false, false, true);
        break;
    case LT_T_LAYERNORM:
        plan_computed(k, t, 0, dy, true, false, true);
        break;
    case LT_T_MOVE:
        for (int j = 0; j < LT_MAX_IN; j++)
            if (t->in[j] >= 0) plan_computed(k, t, j, dy, false, false, true);
        break;
    case LT_T_ACT:
    case LT_T_SOFTMAX:
        plan_computed(k, t, 0, dy, true, false, false);
        break;
    case LT_T_POINTWISE:
        plan_computed(k, t, 0, dy, false, true, false);
        break;
    default:
        plan_computed(k, t, 0, dy, false, false, false);
        break;
    }
    while (k->n_held > 0) lt_place_unref(&k->place, k->held[--k->n_held]);
}

static void compute_again(struct walk *k, struct lt_tstep *t, int j) {
    struct lt_tvalue *x = &k->p->value[t->in[j]];
    if (x->block >= 0) return;
    LT_CHECK(x->bn_step >= 0);
    x->block = lt_place_alloc(&k->place, batch_count(k, t->in[j]));
    x->back_at = at(k, x->block);
    t->again[j] = true;
}

static void walk_backward(struct walk *k) {
    struct lt_tvalue *out = &k->p->value[k->p->output];
    out->grad = lt_place_alloc(&k->place, batch_count(k, k->p->output));
    for (int i = k->p->n_steps - 1; i >= 0; i--) {
        struct lt_tstep *t = &k->p->step[i];
        struct lt_tvalue *y = &k->p->value[t->out];
        int reads = backward_reads(k, t);
        for (int j = 0; j < LT_MAX_IN; j++)
            if (t->in[j] >= 0 && reads >> j & 1) compute_again(k, t, j);
        t->backward = y->need_grad && y->grad >= 0;
        if (t->backward) {
            t->dy = at(k, y->grad);
            plan_backward_step(k, t, y->grad);
        }
        if (y->grad >= 0) lt_place_unref(&k->place, y->grad);
        for (int j = 0; j < LT_MAX_IN; j++)
            if (t->in[j] >= 0 && reads >> j & 1) {
                k->p->value[t->in[j]].bwd_uses--;
                release_if_done(k, t->in[j], false);
            }
        if (reads >> 7) {
            y->bwd_uses--;
            release_if_done(k, t->out, false);
        }
    }
}

lt_status lt_tplan_make(const struct lt_backend *b, const struct lt_graph *g, int batch, bool forward_only,
                        struct lt_tplan *out, struct lt_err *e) {
    struct lt_tplan p = {0};
    struct walk k = {.b = b, .p = &p, .batch = batch, .forward_only = forward_only};
    char *tmp = NULL;
    lt_status s = lt_tsteps_make(g, &p, e);
    if (s) goto out;
    /* A step allocates at most: its output, packed weights, scratch twice, two inputs again, and for each input a
     * gradient and a sum. */
    k.place.cap_blocks = (6 + 2 * LT_MAX_IN) * p.n_steps + 1;
    tmp =
        lt_malloc((size_t)k.place.cap_blocks * (sizeof(*k.place.block) + sizeof(*k.place.gap)) + sizeof(*k.place.gap));
    if (!tmp) {
        s = lt_fail(e, LT_ENOMEM, "%s: memory plan", g->name);
        goto out;
    }
    k.place.block = (struct lt_block *)(void *)tmp;
    k.place.gap = (struct lt_gap *)(void *)(k.place.block + k.place.cap_blocks);
    count_uses(&k);
    walk_forward(&k);
    if (!forward_only) walk_backward(&k);
    p.ws_count = k.place.top;
    *out = p;
    p.memory = NULL;
out:
    lt_free(tmp);
    lt_tplan_release(&p);
    return s;
}

void lt_tplan_release(struct lt_tplan *p) {
    lt_free(p->memory);
    p->memory = NULL;
}
