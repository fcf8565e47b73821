/*
 * From a folded graph to fused units, values and an arena.
 * A unit is placed where its last node stands, so a residual that comes from a later branch is ready. Buffers are
 * assigned greedily, largest first, at the lowest offset that overlaps no buffer alive at the same time (the "greedy by
 * size" rule of Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020).
 */
#include "runtime/infer_priv.h"
#include "lathe/mem.h"
#include <stdlib.h>
#include <string.h>

struct maker {
    const struct lt_graph *g;
    const struct lt_iplan_opt *o;
    int *readers; /* of each node; the graph's output counts as one */
    int *reader;  /* some reader of each node, the only one where readers == 1 */
    int *alias;   /* node whose value this node's is (FLATTEN of [C,1,1], TOKENS, GRID) */
    int *unit_at; /* unit whose last node it is, or -1 */
    bool *taken;
    struct lt_iplan p;
    int cap_values, cap_ops;
};

static bool conv_op(enum lt_op op) { return op == LT_OP_CONV || op == LT_OP_LINEAR; }

static int64_t area(const struct lt_graph *g, int n) { return g->node[n].out.d[2] * g->node[n].out.d[3]; }

/* Only another shape, with channels last in memory. */
static bool same_memory(const struct lt_graph *g, const struct lt_node *n) {
    return n->op == LT_OP_TOKENS || n->op == LT_OP_GRID || (n->op == LT_OP_FLATTEN && area(g, n->in[0]) == 1);
}

static int resolve(const struct maker *m, int n) {
    while (m->alias[n] != n) n = m->alias[n];
    return n;
}

/* LINEAR takes [C,H,W] as it stands: it is computed as an HxW convolution, so a FLATTEN before it is only a name. */
static int resolve_linear(const struct maker *m, int n) {
    n = resolve(m, n);
    if (m->g->node[n].op == LT_OP_FLATTEN) n = resolve(m, m->g->node[n].in[0]);
    return n;
}

static void try_fuse(struct maker *m, struct lt_iunit *u) {
    const struct lt_graph *g = m->g;
    bool added = false;
    for (;;) {
        int r = m->reader[u->last];
        if (m->readers[u->last] != 1 || r < 0 || m->taken[r]) return;
        const struct lt_node *n = &g->node[r];
        if (n->op == LT_OP_ACT && (added ? u->act2 : u->act1) == LT_ACT_NONE) {
            if (added)
                u->act2 = n->act;
            else
                u->act1 = n->act;
        } else if (n->op == LT_OP_ADD && !added && n->in[0] != n->in[1]) {
            u->residual = resolve(m, n->in[0] == u->last ? n->in[1] : n->in[0]);
            added = true;
        } else {
            return;
        }
        m->taken[r] = true;
        u->last = r;
        if (added && u->act2 != LT_ACT_NONE) return;
    }
}

static lt_status make_unit(struct maker *m, int i, struct lt_err *e) {
    const struct lt_node *n = &m->g->node[i];
    const struct lt_plan *plan = m->o->plan;
    struct lt_iunit *u = &m->p.unit[m->p.n_units];
    *u = (struct lt_iunit){.node = i, .last = i, .residual = -1, .n_in = n->n_in};
    for (int k = 0; k < n->n_in; k++)
        u->in[k] = n->op == LT_OP_LINEAR ? resolve_linear(m, n->in[k]) : resolve(m, n->in[k]);
    if (n->op == LT_OP_ACT) u->act1 = n->act;
    if (plan && plan->is_int8[i]) {
        u->int8 = true;
        u->in_q = plan->out[n->in[0]];
        if (!(u->in_q.scale > 0))
            return lt_fail(e, LT_EINVAL, "%s: int8, but its input %s has no scale", n->name, m->g->node[n->in[0]].name);
    }
    if (conv_op(n->op) && m->o->fuse) try_fuse(m, u);
    m->p.n_units++;
    return LT_OK;
}

static lt_status make_units(struct maker *m, struct lt_err *e) {
    const struct lt_graph *g = m->g;
    lt_status s;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct lt_node *n = &g->node[i];
        m->reader[i] = -1;
        m->unit_at[i] = -1;
        m->alias[i] = same_memory(g, n) ? n->in[0] : i;
        if (n->op == LT_OP_BN)
            return lt_fail(e, LT_EINVAL, "%s: an inference session takes a graph with batch norm folded", n->name);
        if (m->o->plan && m->o->plan->is_int8[i] && !conv_op(n->op))
            return lt_fail(e, LT_EINVAL, "%s: plan wants int8, but only conv and linear nodes can be", n->name);
        for (int k = 0; k < n->n_in; k++) {
            m->readers[n->in[k]]++;
            m->reader[n->in[k]] = i;
        }
    }
    m->readers[g->output]++;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct lt_node *n = &g->node[i];
        if (n->op == LT_OP_INPUT || m->taken[i] || m->alias[i] != i) continue;
        if (n->op == LT_OP_FLATTEN && i != g->output && m->readers[i] > 0) {
            bool needed = false; /* by anything but LINEAR? */
            for (int j = i + 1; j < g->n_nodes; j++)
                for (int k = 0; k < g->node[j].n_in; k++)
                    needed |= g->node[j].in[k] == i && g->node[j].op != LT_OP_LINEAR;
            if (!needed) continue;
        }
        if ((s = make_unit(m, i, e))) return s;
    }
    for (int i = 0; i < m->p.n_units; i++) m->unit_at[m->p.unit[i].last] = i;
    return LT_OK;
}

int lt_iplan_value(const struct lt_iplan *p, int node, const struct lt_qparam *q) {
    for (int i = 0; i < p->n_values; i++) {
        const struct lt_ivalue *v = &p->value[i];
        if (v->node == node && v->quantized == (q != NULL) &&
            (!q || (v->q.scale == q->scale && v->q.is_signed == q->is_signed)))
            return i;
    }
    return -1;
}

static int add_value(struct maker *m, int node, const struct lt_qparam *q, int at) {
    int i = m->p.n_values++;
    LT_CHECK(i < m->cap_values);
    struct lt_ivalue *v = &m->p.value[i];
    *v = (struct lt_ivalue){.node = node,
                            .quantized = q != NULL,
                            .count = lt_shape_count(&m->g->node[node].out),
                            .first = at,
                            .last = at,
                            .shares = -1};
    if (q) v->q = *q;
    v->bytes = ((size_t)v->count * (size_t)m->o->batch * (q ? 1 : sizeof(float)) + 127) &
               ~(size_t)63; /* vector kernels may read past */
    return i;
}

static int add_op(struct maker *m, enum lt_unit_kind kind, int unit, int src, int dst) {
    int i = m->p.n_ops++;
    LT_CHECK(i < m->cap_ops);
    m->p.op[i] = (struct lt_iop){.kind = kind, .unit = unit, .src = {src}, .dst = dst};
    for (int k = 1; k < LT_MAX_IN; k++) m->p.op[i].src[k] = -1;
    return i;
}

/* f32 value of a node; every distinct int8 form of it that some unit reads. */
static bool reads_f32(const struct maker *m, int node, const struct lt_iunit *but) {
    for (int i = 0; i < m->p.n_units; i++) {
        const struct lt_iunit *u = &m->p.unit[i];
        if (u == but) continue;
        for (int k = 0; k < u->n_in; k++)
            if (u->in[k] == node && !(u->int8 && k == 0)) return true;
        if (u->residual == node) return true;
    }
    return resolve(m, m->g->output) == node;
}

static const struct lt_qparam *next_q(const struct maker *m, int node) {
    for (int i = 0; i < m->p.n_units; i++) {
        const struct lt_iunit *u = &m->p.unit[i];
        if (u->int8 && u->in[0] == node && lt_iplan_value(&m->p, node, &u->in_q) < 0) return &u->in_q;
    }
    return NULL;
}

static int n_forms(const struct maker *m, int node) {
    const struct lt_qparam *first = NULL;
    int n = 0;
    for (int i = 0; i < m->p.n_units; i++) {
        const struct lt_iunit *u = &m->p.unit[i];
        if (!u->int8 || u->in[0] != node) continue;
        if (!first || first->scale != u->in_q.scale || first->is_signed != u->in_q.is_signed) n++;
        if (!first) first = &u->in_q;
    }
    return n;
}

static void touch(struct maker *m, int value, int at) {
    if (value >= 0 && m->p.value[value].last < at) m->p.value[value].last = at;
}

static void add_quantizers(struct maker *m, int node, int value) {
    const struct lt_qparam *q;
    while ((q = next_q(m, node))) {
        int at = m->p.n_ops, v = add_value(m, node, q, at);
        add_op(m, LT_UNIT_QUANTIZE, -1, value, v);
        touch(m, value, at);
    }
}

/* Last position at which anything reads the f32 value of `node` is at or before unit `ui`? Units are walked in
 * placement order. */
static bool dies_at(const struct maker *m, int node, const struct lt_iunit *u) {
    if (resolve(m, m->g->output) == node) return false;
    for (int i = 0; i < m->p.n_units; i++) {
        const struct lt_iunit *w = &m->p.unit[i];
        if (w == u || w->last < u->last) continue;
        if (w->residual == node) return false;
        for (int k = 0; k < w->n_in; k++)
            if (w->in[k] == node && !(w->int8 && k == 0)) return false;
    }
    return true;
}

static void place_unit(struct maker *m, int ui) {
    struct lt_iunit *u = &m->p.unit[ui];
    int node = u->last, share = -1;
    int src = lt_iplan_value(&m->p, u->in[0], u->int8 ? &u->in_q : NULL);
    LT_CHECK(src >= 0);
    bool conv = conv_op(m->g->node[u->node].op);
    u->direct_q = m->o->direct_q && !m->o->keep && conv && u->int8 && u->residual < 0 && !reads_f32(m, node, NULL) &&
                  n_forms(m, node) == 1;
    if (u->residual >= 0) { /* oneDNN sums into the destination: overwrite the residual where it dies here */
        int r = lt_iplan_value(&m->p, u->residual, NULL);
        LT_CHECK(r >= 0);
        if (m->o->keep || r == src || !dies_at(m, u->residual, u)) {
            int at = m->p.n_ops, c = add_value(m, node, NULL, at);
            add_op(m, LT_UNIT_LAYOUT, -1, r, c);
            touch(m, r, at);
            int k = add_op(m, LT_UNIT_OP, ui, src, c);
            touch(m, src, k);
            touch(m, c, k);
            add_quantizers(m, node, c);
            return;
        }
        share = r;
    }
    int at = m->p.n_ops;
    int v = add_value(m, node, u->direct_q ? next_q(m, node) : NULL, at);
    m->p.value[v].shares = share;
    add_op(m, LT_UNIT_OP, ui, src, v);
    touch(m, src, at);
    for (int k = 1; k < u->n_in; k++) {
        m->p.op[at].src[k] = lt_iplan_value(&m->p, u->in[k], NULL);
        touch(m, m->p.op[at].src[k], at);
    }
    touch(m, share, at);
    if (!u->direct_q) add_quantizers(m, node, v);
}

/* ---- arena ---- */
struct slot {
    int root, first, last;
    size_t bytes, offset;
};

static int by_size(const void *a, const void *b) {
    const struct slot *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->root - y->root;
}

static lt_status place_values(struct lt_iplan *p, bool keep, struct lt_err *e) {
    struct slot *s = lt_calloc((size_t)p->n_values, sizeof(*s));
    int n = 0;
    if (!s) return lt_fail(e, LT_ENOMEM, "inference arena");
    for (int i = 0; i < p->n_values;
         i++) { /* chains of in-place residuals are one slot; a chain's head has a smaller index */
        int root = i;
        while (p->value[root].shares >= 0) root = p->value[root].shares;
        if (root == i) {
            s[n++] = (struct slot){
                .root = i, .first = p->value[i].first, .last = p->value[i].last, .bytes = p->value[i].bytes};
            continue;
        }
        for (int k = 0; k < n; k++)
            if (s[k].root == root && s[k].last < p->value[i].last) s[k].last = p->value[i].last;
    }
    qsort(s, (size_t)n, sizeof(*s), by_size);
    for (int i = 0; i < n; i++) {
        size_t at = 0;
        for (bool moved = true; moved;) { /* push up past every placed slot that is alive at the same time */
            moved = false;
            for (int k = 0; k < i; k++)
                if ((keep || (s[k].first <= s[i].last && s[i].first <= s[k].last)) && at < s[k].offset + s[k].bytes &&
                    s[k].offset < at + s[i].bytes) {
                    at = s[k].offset + s[k].bytes;
                    moved = true;
                }
        }
        s[i].offset = at;
        if (at + s[i].bytes > p->arena_bytes) p->arena_bytes = at + s[i].bytes;
    }
    for (int i = 0; i < p->n_values; i++) {
        int root = i;
        while (p->value[root].shares >= 0) root = p->value[root].shares;
        for (int k = 0; k < n; k++)
            if (s[k].root == root) p->value[i].offset = s[k].offset;
    }
    lt_free(s);
    return LT_OK;
}

lt_status lt_iplan_make(const struct lt_graph *g, const struct lt_iplan_opt *o, struct lt_iplan *out,
                        struct lt_err *e) {
    struct maker m = {.g = g, .o = o};
    size_t n = (size_t)g->n_nodes;
    lt_status s;
    if (o->plan && o->plan->n_nodes != g->n_nodes)
        return lt_fail(e, LT_EINVAL, "%s: plan of %d nodes for a graph of %d (plans belong to the folded graph)",
                       g->name, o->plan->n_nodes, g->n_nodes);
    m.cap_values = 3 * g->n_nodes; /* f32, and at most one int8 form per reader */
    m.cap_ops = 4 * g->n_nodes;
    m.p.g = g;
    m.readers = lt_calloc(n, sizeof(int));
    m.reader = lt_calloc(n, sizeof(int));
    m.alias = lt_calloc(n, sizeof(int));
    m.unit_at = lt_calloc(n, sizeof(int));
    m.taken = lt_calloc(n, sizeof(bool));
    m.p.unit = lt_calloc(n, sizeof(*m.p.unit));
    m.p.value = lt_calloc((size_t)m.cap_values, sizeof(*m.p.value));
    m.p.op = lt_calloc((size_t)m.cap_ops, sizeof(*m.p.op));
    if (!m.readers || !m.reader || !m.alias || !m.unit_at || !m.taken || !m.p.unit || !m.p.value || !m.p.op) {
        s = lt_fail(e, LT_ENOMEM, "inference session of %s", g->name);
        goto out;
    }
    if ((s = make_units(&m, e))) goto out;
    int in = add_value(&m, 0, NULL, 0);
    add_op(&m, LT_UNIT_LAYOUT, -1, -1, in);
    add_quantizers(&m, 0, in);
    for (int i = 0; i < g->n_nodes; i++)
        if (m.unit_at[i] >= 0) place_unit(&m, m.unit_at[i]);
    m.p.out_value = lt_iplan_value(&m.p, resolve(&m, g->output), NULL);
    LT_CHECK(m.p.out_value >= 0);
    m.p.value[m.p.out_value].last = m.p.n_ops;
    if ((s = place_values(&m.p, o->keep, e))) goto out;
    *out = m.p;
    memset(&m.p, 0, sizeof(m.p));
out:
    lt_iplan_release(&m.p);
    lt_free(m.readers);
    lt_free(m.reader);
    lt_free(m.alias);
    lt_free(m.unit_at);
    lt_free(m.taken);
    return s;
}

void lt_iplan_release(struct lt_iplan *p) {
    lt_free(p->unit);
    lt_free(p->value);
    lt_free(p->op);
    *p = (struct lt_iplan){0};
}
