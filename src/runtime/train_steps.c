/*
 * A graph's live nodes as the steps of a TRAIN session: which values exist, which step reads which, what is fused.
 * A batch norm takes in the activation and the residual sum behind it when nobody else reads what lies between; it is
 * then computed where the last of them stands, so that the residual is there. Of a sum of two such chains the second
 * operand's is taken in.
 */
#include "lathe/mem.h"
#include "runtime/train_priv.h"

/* Those on tokens, which stand last in enum lt_op, only infer. */
bool lt_train_supports(const struct lt_node *n) { return n->op <= LT_OP_LAYERNORM; }

struct compile {
    const struct lt_graph *g;
    struct lt_tplan *p;
    int *value_of; /* [n_nodes] value that holds the node's output; -1: fused away or dead */
    int *head;     /* [n_nodes] the BN whose chain ends here, or -1 */
    int *from;     /* [n_nodes] the node before this one in its chain */
    bool *live, *absorbed;
};

static void find_live(struct compile *c) {
    c->live[c->g->output] = c->live[0] = true;
    for (int i = c->g->n_nodes - 1; i > 0; i--)
        for (int j = 0; c->live[i] && j < c->g->node[i].n_in; j++) c->live[c->g->node[i].in[j]] = true;
}

static void find_chains(struct compile *c) {
    for (int i = 0; i < c->g->n_nodes; i++) {
        const struct lt_node *n = &c->g->node[i];
        c->head[i] = -1;
        if (!c->live[i]) continue;
        if (n->op == LT_OP_BN) c->head[i] = i;
        for (int j = n->n_in - 1; j >= 0 && (n->op == LT_OP_ACT || n->op == LT_OP_ADD); j--) {
            int x = n->in[j];
            const struct lt_node *in = &c->g->node[x];
            if (c->head[x] < 0 || in->n_readers != 1 ||
                (in->op != LT_OP_BN && (n->op == LT_OP_ACT || in->op != LT_OP_ACT)))
                continue;
            c->head[i] = c->head[x];
            c->absorbed[x] = true;
            c->from[i] = x;
            break;
        }
    }
}

static int new_value(struct compile *c, int ch, int h, int w, bool need_grad) {
    c->p->value[c->p->n_values] =
        (struct lt_tvalue){.c = ch, .h = h, .w = w, .need_grad = need_grad, .bn_step = -1, .block = -1, .grad = -1};
    return c->p->n_values++;
}

static struct lt_tstep *new_step(struct compile *c, enum lt_tkind kind, int node, int a, int b,
                                 const struct lt_shape *out) {
    struct lt_tstep *t = &c->p->step[c->p->n_steps++];
    bool grad = (kind != LT_T_FLATTEN && c->g->node[node].n_params > 0) || (a >= 0 && c->p->value[a].need_grad) ||
                (b >= 0 && c->p->value[b].need_grad);
    *t = (struct lt_tstep){.kind = kind, .node = node, .in = {a, b}};
    for (int j = 2; j < LT_MAX_IN; j++) t->in[j] = -1;
    t->out = new_value(c, (int)out->d[1], (int)out->d[2], (int)out->d[3], grad);
    return t;
}

/* A value in [C*H*W] order; one pixel is in that order already. */
static int flattened(struct compile *c, int node, int x) {
    const struct lt_tvalue *v = &c->p->value[x];
    if (v->h * v->w == 1) return x;
    return new_step(c, LT_T_FLATTEN, node, x, -1, &(struct lt_shape){{1, lt_tcount(v), 1, 1}})->out;
}

static struct lt_window window(const struct lt_node *n, const struct lt_tvalue *x) {
    return (struct lt_window){.h = x->h,
                              .w = x->w,
                              .c = x->c,
                              .oh = (int)n->out.d[2],
                              .ow = (int)n->out.d[3],
                              .kernel = n->kernel,
                              .stride = n->stride,
                              .pad = n->pad,
                              .dilation = n->dilation};
}

/*
 * What n columns of a product cost in matrix kernels whose widest tile has 48 (oneDNN, AVX-512; measured on Zen 4: 16
 * columns take as long as 22, 24 as long as 32). [O,I] or [I,O], whichever is cheaper: for 96 outputs and 24 inputs 117
 * instead of 84 GFLOP/s.
 */
static int64_t column_cost(int n) {
    int rest = n % 48;
    return n - rest + (rest == 0 ? 0 : rest <= 16 ? 22 : rest <= 32 ? 32 : 48);
}

static void pointwise_step(struct compile *c, struct lt_tstep *t) {
    int in = c->p->value[t->in[0]].c, out = c->p->value[t->out].c;
    t->kind = LT_T_POINTWISE;
    t->bias = c->g->node[t->node].n_params > 1;
    t->flip = column_cost(in) * out > column_cost(out) * in;
}

static void conv_step(struct compile *c, int i, int x) {
    const struct lt_node *n = &c->g->node[i];
    struct lt_tvalue v = c->p->value[x];
    bool depthwise = n->groups > 1 && n->groups == v.c && n->groups == n->out.d[1];
    struct lt_tstep *t = new_step(c, depthwise ? LT_T_DEPTHWISE : LT_T_DENSE, i, x, -1, &n->out);
    t->bias = n->n_params > 1;
    t->window = window(n, &v);
    t->conv = (struct lt_conv){.h = v.h,
                               .w = v.w,
                               .ic = v.c,
                               .oc = (int)n->out.d[1],
                               .oh = (int)n->out.d[2],
                               .ow = (int)n->out.d[3],
                               .kernel = n->kernel,
                               .stride = n->stride,
                               .pad = n->pad,
                               .groups = n->groups,
                               .dilation = n->dilation};
    if (n->kernel == 1 && n->stride == 1 && n->pad == 0 && n->groups == 1) pointwise_step(c, t);
}

/* Zeros depend on nothing, so nothing gets a gradient from them. */
static void move_step(struct compile *c, int i) {
    const struct lt_node *n = &c->g->node[i];
    struct lt_tstep *t =
        new_step(c, n->op == LT_OP_LAYERNORM ? LT_T_LAYERNORM : LT_T_MOVE, i, c->value_of[n->in[0]], -1, &n->out);
    struct lt_tvalue *y = &c->p->value[t->out];
    for (int k = 1; k < n->n_in; k++) {
        t->in[k] = c->value_of[n->in[k]];
        y->need_grad |= c->p->value[t->in[k]].need_grad;
    }
    if (n->op == LT_OP_ZERO) y->need_grad = false;
}

/* The step whose output is node i's. */
static void node_step(struct compile *c, int i) {
    const struct lt_node *n = &c->g->node[i];
    int a = n->n_in > 0 ? c->value_of[n->in[0]] : -1, b = n->n_in > 1 ? c->value_of[n->in[1]] : -1;
    struct lt_tstep *t;
    if (c->head[i] >= 0) { /* a chain: BN (+ act) (+ residual) */
        const struct lt_node *bn = &c->g->node[c->head[i]];
        int res = n->op == LT_OP_ADD ? c->value_of[n->in[0] == c->from[i] ? n->in[1] : n->in[0]] : -1;
        t = new_step(c, LT_T_BN, c->head[i], c->value_of[bn->in[0]], res, &n->out);
        for (int k = i; k != c->head[i]; k = c->from[k])
            if (c->g->node[k].op == LT_OP_ACT) t->act = c->g->node[k].act;
        t->bn = c->p->n_bn_channels;
        c->p->n_bn_channels += (int)((bn->out.d[1] + 15) / 16 * 16);
        return;
    }
    switch (n->op) {
    case LT_OP_INPUT:
        new_step(c, LT_T_LAYOUT, i, -1, -1, &n->out);
        return;
    case LT_OP_CONV:
        conv_step(c, i, a);
        return;
    case LT_OP_LINEAR:
        a = flattened(c, i, a);
        pointwise_step(c, new_step(c, LT_T_POINTWISE, i, a, -1, &n->out));
        return;
    case LT_OP_ACT:
        new_step(c, LT_T_ACT, i, a, -1, &n->out)->act = n->act;
        return;
    case LT_OP_POOL:
        t = new_step(c, LT_T_POOL, i, a, -1, &n->out);
        t->window = window(n, &c->p->value[a]);
        return;
    case LT_OP_GAP:
        new_step(c, LT_T_GAP, i, a, -1, &n->out);
        return;
    case LT_OP_ADD:
        new_step(c, LT_T_ADD, i, a, b, &n->out);
        return;
    case LT_OP_MUL:
        t = new_step(c, LT_T_MUL, i, a, b, &n->out);
        t->broadcast = c->p->value[b].h * c->p->value[b].w == 1 && c->p->value[a].h * c->p->value[a].w > 1;
        return;
    case LT_OP_FLATTEN:
        c->value_of[i] = flattened(c, i, a);
        return;
    case LT_OP_SOFTMAX:
        new_step(c, LT_T_SOFTMAX, i, a, -1, &n->out);
        return;
    case LT_OP_CONCAT:
    case LT_OP_SLICE:
    case LT_OP_SHUFFLE:
    case LT_OP_ZERO:
    case LT_OP_LAYERNORM:
        move_step(c, i);
        return;
    default:
        LT_BUG("%s: operator %d", n->name, (int)n->op);
    }
}

static void emit(struct compile *c) {
    for (int i = 0; i < c->g->n_nodes; i++) {
        c->value_of[i] = -1;
        if (!c->live[i] || c->absorbed[i]) continue;
        node_step(c, i);
        if (c->value_of[i] < 0) c->value_of[i] = c->p->step[c->p->n_steps - 1].out;
    }
    c->p->input = c->value_of[0];
    c->p->output = c->value_of[c->g->output];
}

lt_status lt_tsteps_make(const struct lt_graph *g, struct lt_tplan *p, struct lt_err *e) {
    size_t n = (size_t)g->n_nodes, cap = 2 * n; /* every node may need its input flattened */
    struct compile c = {.g = g, .p = p};
    char *tmp = lt_calloc(n, 3 * sizeof(int) + 2 * sizeof(bool));
    p->memory = lt_calloc(cap, sizeof(*p->step) + sizeof(*p->value));
    if (!tmp || !p->memory) {
        lt_free(tmp);
        lt_free(p->memory);
        p->memory = NULL;
        return lt_fail(e, LT_ENOMEM, "%s: steps of a training session", g->name);
    }
    p->step = p->memory;
    p->value = (struct lt_tvalue *)(p->step + cap);
    c.value_of = (int *)(void *)tmp;
    c.head = c.value_of + n;
    c.from = c.head + n;
    c.live = (bool *)(c.from + n);
    c.absorbed = c.live + n;
    find_live(&c);
    find_chains(&c);
    emit(&c);
    lt_free(tmp);
    return LT_OK;
}
