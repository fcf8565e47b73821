/*
 * Operations of cells: lists of steps, from YAML to nodes.
 *   sep_conv_3x3: [relu, {dw: 3}, {conv: 1}, bn, relu, {dw: 3}, {conv: 1}, bn]
 *   skip_connect: {steps: [], strided: [relu, factorized, bn]}
 * A stride goes to the first step that can take one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "spaces/cell.h"

static const char *const step_name[] = {"conv", "dw", "bn", NULL, "max", "avg", "zero", "factorized"};

static bool is_window(enum cell_step_kind k) {
    return k == CELL_CONV || k == CELL_DW || k == CELL_MAX || k == CELL_AVG;
}

/* ---- reading ---- */

static lt_status whole(const struct lt_yaml *map, const char *key, int64_t min, int64_t max, int *out,
                       struct lt_err *e) {
    const struct lt_yaml *n = lt_yaml_get(map, key);
    int64_t v;
    lt_status s;

    if (!n) return LT_OK;
    if (!(s = lt_yaml_int(n, min, max, &v, e))) *out = (int)v;
    return s;
}

static lt_status word(const struct lt_yaml *n, struct cell_step *st, struct lt_err *e) {
    const char *names[LT_N_ACTS + 4] = {"bn", "zero", "factorized"};
    int k, n_names = 3;
    lt_status s;

    for (int i = 1; i < LT_N_ACTS; i++) names[n_names++] = lt_act_name((enum lt_act)i);
    if (is_window(CELL_CONV) && n->kind == LT_YAML_SCALAR) {
        for (int i = CELL_CONV; i <= CELL_AVG; i++) {
            if (step_name[i] && is_window((enum cell_step_kind)i) && !strcmp(n->text, step_name[i]))
                return lt_yaml_fail(e, n, "'%s' needs its kernel: {%s: 3}", n->text, n->text);
        }
    }
    if ((s = lt_yaml_pick(n, "step", names, &k, e))) return s;
    if (k > 2) {
        st->kind = CELL_ACT;
        st->act = (enum lt_act)(k - 2);
    } else {
        st->kind = k == 0 ? CELL_BN : k == 1 ? CELL_ZERO : CELL_FACTORIZED;
    }
    return LT_OK;
}

/* {conv: 3, stride: 2} and the like: what the step is, is its first key. */
static lt_status window(const struct lt_yaml *n, struct cell_step *st, struct lt_err *e) {
    static const char *const conv[] = {"conv", "stride", "dilation", "pad", "groups", "channels", "expand", NULL};
    static const char *const dw[] = {"dw", "stride", "dilation", "pad", NULL};
    static const char *const max[] = {"max", "stride", "pad", NULL}, *const avg[] = {"avg", "stride", "pad", NULL};
    static const char *const *const known[] = {[CELL_CONV] = conv, [CELL_DW] = dw, [CELL_MAX] = max, [CELL_AVG] = avg};
    int found = -1, span;
    lt_status s;

    for (int i = 0; i <= CELL_AVG; i++) {
        if (is_window((enum cell_step_kind)i) && lt_yaml_get(n, step_name[i])) found = i;
    }
    if (found < 0)
        return lt_yaml_fail(e, n,
                            "a step is bn, zero, factorized, an activation, or one of {conv: K}, {dw: K}, "
                            "{max: K}, {avg: K}");
    st->kind = (enum cell_step_kind)found;
    if ((s = lt_yaml_known(n, known[found], e)) || (s = whole(n, step_name[found], 1, 31, &st->kernel, e)) ||
        (s = whole(n, "stride", 1, 8, &st->stride, e)) || (s = whole(n, "dilation", 1, 32, &st->dilation, e)) ||
        (s = whole(n, "pad", 0, 496, &st->pad, e)) || (s = whole(n, "groups", 1, 16384, &st->groups, e)) ||
        (s = whole(n, "channels", 1, 16384, &st->channels, e)))
        return s;
    if (lt_yaml_get(n, "expand") && (s = lt_yaml_double(lt_yaml_get(n, "expand"), "", 0.01, 64, &st->expand, e)))
        return s;
    if (st->channels && st->expand != 1) return lt_yaml_fail(e, n, "'channels' and 'expand' say the same; give one");
    span = st->dilation * (st->kernel - 1) + 1;
    if (st->pad >= span)
        return lt_yaml_fail(e, lt_yaml_get(n, "pad"), "pad %d must be smaller than the kernel's span %d", st->pad,
                            span);
    return LT_OK;
}

static lt_status read_steps(const struct lt_yaml *n, struct cell_steps *out, struct lt_err *e) {
    lt_status s = lt_yaml_expect(n, LT_YAML_SEQ, e);

    if (s) return s;
    if (n->n > CELL_MAX_STEPS) return lt_yaml_fail(e, n, "%d steps, at most %d are possible", n->n, CELL_MAX_STEPS);
    for (out->n = 0; out->n < n->n; out->n++) {
        const struct lt_yaml *y = n->child[out->n];
        struct cell_step *st = &out->step[out->n];

        *st = (struct cell_step){.dilation = 1, .pad = -1, .groups = 1, .expand = 1, .line = y->line, .col = y->col};
        if ((s = y->kind == LT_YAML_MAP ? window(y, st, e) : word(y, st, e))) return s;
    }
    return LT_OK;
}

lt_status cell_read_operation(struct lt_space *s, const struct lt_yaml *n, const char *name, struct cell_op *out,
                              struct lt_err *e) {
    static const char *const known[] = {"steps", "strided", NULL};
    const struct lt_yaml *plain = n, *strided = NULL;
    lt_status st;

    *out = (struct cell_op){.line = n->line, .col = n->col};
    if (!(out->name = lt_arena_strdup(s->arena, name))) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    if (n->kind == LT_YAML_MAP) {
        if ((st = lt_yaml_known(n, known, e))) return st;
        if (!(plain = lt_yaml_get(n, "steps"))) return lt_yaml_fail(e, n, "'steps' is missing");
        strided = lt_yaml_get(n, "strided");
    }
    if ((st = read_steps(plain, &out->plain, e))) return st;
    if (strided && (st = read_steps(strided, &out->strided, e))) return st;
    out->has_strided = strided != NULL;
    out->zero = out->plain.n == 1 && out->plain.step[0].kind == CELL_ZERO;
    return LT_OK;
}

/* ---- building ---- */

static int fail_at(const struct lt_space *s, const struct cell_op *op, const struct cell_place *p, const char *why,
                   struct lt_err *e) {
    lt_fail(e, LT_EINVAL, "%s:%d:%d: operation '%s' at %s: %s", s->file, op->line, op->col, op->name, p->prefix, why);
    return -1;
}

/* Two 1x1 convolutions of stride 2, the second on what the first one steps over, side by side. */
static int factorized(const char *name, int x, int channels, struct lt_graph *g) {
    char n[LT_NODE_NAME + 16];
    const struct lt_shape in = g->node[x].out;
    int a, b, half[2];

    snprintf(n, sizeof(n), "%s.even", name);
    a = lt_graph_conv(
        g, n, x,
        &(struct lt_conv_attr){.out = channels / 2, .kernel = 1, .stride = 2, .groups = 1, .pad = LT_PAD_VALID});
    snprintf(n, sizeof(n), "%s.rows", name);
    b = lt_graph_slice(g, n, x, 2, 1, (int)in.d[2]);
    snprintf(n, sizeof(n), "%s.columns", name);
    b = lt_graph_slice(g, n, b, 3, 1, (int)in.d[3]);
    snprintf(n, sizeof(n), "%s.odd", name);
    b = lt_graph_conv(g, n, b,
                      &(struct lt_conv_attr){
                          .out = channels - channels / 2, .kernel = 1, .stride = 2, .groups = 1, .pad = LT_PAD_VALID});
    snprintf(n, sizeof(n), "%s.join", name);
    half[0] = a;
    half[1] = b;
    return a < 0 || b < 0 ? -1 : lt_graph_concat(g, n, half, 2, 1);
}

static int add_window(const struct lt_space *s, const struct cell_step *st, const char *name, int x, int channels,
                      int stride, struct lt_graph *g) {
    int in = (int)g->node[x].out.d[1], out = in;
    int pad = st->pad >= 0 ? st->pad : st->dilation * (st->kernel - 1) / 2;

    if (st->kind == CELL_MAX || st->kind == CELL_AVG)
        return lt_graph_pool(g, name, x, st->kind == CELL_MAX ? LT_POOL_MAX : LT_POOL_AVG, st->kernel, stride, pad);
    if (st->kind == CELL_CONV)
        out = st->channels      ? st->channels
              : st->expand == 1 ? channels
                                : lt_make_divisible(channels * st->expand, s->divisor);
    return lt_graph_conv(g, name, x,
                         &(struct lt_conv_attr){.out = out,
                                                .kernel = st->kernel,
                                                .stride = stride,
                                                .groups = st->kind == CELL_DW ? in : st->groups,
                                                .dilation = st->dilation,
                                                .pad = pad ? pad : LT_PAD_VALID});
}

/* Name of a step's node: its kind, and a number from the second of the kind on. */
static void step_node_name(const struct cell_steps *t, int i, const char *prefix, char *out, size_t size) {
    const char *what = t->step[i].kind == CELL_ACT ? "act" : step_name[t->step[i].kind];
    int nth = 1;

    for (int j = 0; j < i; j++) nth += t->step[j].kind == t->step[i].kind;
    if (nth == 1)
        snprintf(out, size, "%s.%s", prefix, what);
    else
        snprintf(out, size, "%s.%s%d", prefix, what, nth);
}

int cell_build_op(const struct lt_space *s, const struct cell_op *op, const struct cell_place *p, struct lt_graph *g,
                  struct lt_err *e) {
    const struct cell_steps *t = p->stride > 1 && op->has_strided ? &op->strided : &op->plain;
    int x = p->in, stride = p->stride;
    char name[LT_NODE_NAME];

    for (int i = 0; i < t->n && x >= 0; i++) {
        const struct cell_step *st = &t->step[i];
        int mine = 1;

        step_node_name(t, i, p->prefix, name, sizeof(name));
        if (st->kind != CELL_BN && st->kind != CELL_ACT) {
            mine = st->stride ? st->stride : stride;
            if (!st->stride) stride = 1;
        }
        if (is_window(st->kind)) {
            x = add_window(s, st, name, x, p->channels, mine, g);
        } else if (st->kind == CELL_BN) {
            x = lt_graph_bn(g, name, x);
        } else if (st->kind == CELL_ACT) {
            x = lt_graph_act(g, name, x, st->act);
        } else if (st->kind == CELL_ZERO) {
            x = lt_graph_zero(g, name, x, mine);
        } else {
            const struct lt_shape in = g->node[x].out;

            if (mine != 2) return fail_at(s, op, p, "'factorized' halves the size; it stands on stride 2 only", e);
            if (in.d[2] % 2 || in.d[3] % 2 || p->channels < 2)
                return fail_at(s, op, p, "'factorized' needs an even size and at least 2 channels", e);
            x = factorized(name, x, p->channels, g);
        }
    }
    if (x >= 0 && stride > 1)
        return fail_at(s, op, p, "no step takes the stride; give it steps for that case (`strided:`)", e);
    return x;
}
