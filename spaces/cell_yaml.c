/* Reads `cells:` (docs/formats/space.md): operations, kinds of cells, the stack. Every complaint has its place. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "spaces/cell.h"

#define MAX_CELL_NAME 32

/* Names end up in node names and architecture strings. */
static lt_status read_name(struct lt_space *s, const struct lt_yaml *at, const char *text, const char **out,
                           struct lt_err *e) {
    bool ok = isalpha((unsigned char)text[0]);

    for (const char *p = text; *p && ok; p++) ok = isalnum((unsigned char)*p) || *p == '_';
    if (!ok || strlen(text) > MAX_CELL_NAME)
        return lt_yaml_fail(e, at, "'%s' is no name: at most %d letters, digits and '_', starting with a letter", text,
                            MAX_CELL_NAME);
    if (!(*out = lt_arena_strdup(s->arena, text))) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    return LT_OK;
}

static lt_status need(const struct lt_yaml *map, const char *key, enum lt_yaml_kind kind, const struct lt_yaml **out,
                      struct lt_err *e) {
    lt_status st = lt_read_required(map, key, out, e);

    return st ? st : lt_yaml_expect(*out, kind, e);
}

/* ---- operations ---- */

static lt_status read_operations(struct lt_space *s, struct cell_space *c, const struct lt_yaml *map,
                                 struct lt_err *e) {
    const char *name = NULL;
    lt_status st;

    if (map->n < 1) return lt_yaml_fail(e, map, "there must be at least one operation");
    if (map->n > CELL_MAX_OPS)
        return lt_yaml_fail(e, map, "%d operations, at most %d are possible", map->n, CELL_MAX_OPS);
    for (int i = 0; i < map->n; i++) {
        const struct lt_yaml *n = map->child[i];

        if ((st = read_name(s, n, n->key, &name, e)) || (st = cell_read_operation(s, n, name, &c->op[i], e))) return st;
        c->n_named = c->n_ops = i + 1;
    }
    return LT_OK;
}

static lt_status find_op(const struct cell_space *c, const struct lt_yaml *n, int *out, struct lt_err *e) {
    const char *names[CELL_MAX_OPS + 1] = {NULL};

    for (int i = 0; i < c->n_named; i++) names[i] = c->op[i].name;
    return lt_yaml_pick(n, "operation", names, out, e);
}

/* One operation, or a list of different ones. */
static lt_status read_ops(const struct cell_space *c, const struct lt_yaml *n, int *n_out, int *out, struct lt_err *e) {
    int count = n->kind == LT_YAML_SEQ ? n->n : 1;
    lt_status s;

    if (count < 1) return lt_yaml_fail(e, n, "an empty list is no choice; give at least one operation");
    if (count > CELL_MAX_OPS) return lt_yaml_fail(e, n, "%d choices, at most %d are possible", count, CELL_MAX_OPS);
    for (int i = 0; i < count; i++) {
        const struct lt_yaml *y = n->kind == LT_YAML_SEQ ? n->child[i] : n;

        if ((s = find_op(c, y, &out[i], e))) return s;
        for (int j = 0; j < i; j++) {
            if (out[j] == out[i]) return lt_yaml_fail(e, y, "operation '%s' is listed twice", c->op[out[i]].name);
        }
    }
    *n_out = count;
    return LT_OK;
}

/* ---- kinds ---- */

static lt_status read_edge(const struct cell_space *c, const struct lt_yaml *map, const int *choice, int n_choice,
                           struct cell_kind *k, struct lt_err *e) {
    static const char *const known[] = {"from", "to", "operation", NULL};
    struct cell_edge edge = {.gene = -1, .n_ops = n_choice};
    const struct lt_yaml *op;
    int at, same = 0;
    lt_status s;

    if ((s = lt_yaml_expect(map, LT_YAML_MAP, e)) || (s = lt_yaml_known(map, known, e)) ||
        (s = lt_read_int(map, "to", k->n_inputs, k->n_nodes - 1, -1, &edge.to, e)) ||
        (s = lt_read_int(map, "from", 0, edge.to - 1, -1, &edge.from, e)))
        return s;
    memcpy(edge.op, choice, sizeof(edge.op));
    if ((op = lt_yaml_get(map, "operation")) && (s = read_ops(c, op, &edge.n_ops, edge.op, e))) return s;
    if (!edge.n_ops) return lt_yaml_fail(e, map, "'operation' is missing, and the cells have no 'choices'");
    for (int i = 0; i < k->n_edges; i++) same += k->edge[i].to == edge.to;
    if (same == CELL_MAX_NODES)
        return lt_yaml_fail(e, map, "more than %d edges lead to node %d", CELL_MAX_NODES, edge.to);
    for (at = k->n_edges; at > 0 && k->edge[at - 1].to > edge.to; at--) k->edge[at] = k->edge[at - 1];
    k->edge[at] = edge;
    k->n_edges++;
    return LT_OK;
}

static lt_status read_edges(const struct cell_space *c, const struct lt_yaml *map, const int *choice, int n_choice,
                            struct cell_kind *k, struct lt_err *e) {
    const struct lt_yaml *list = lt_yaml_get(map, "edges");
    int all = 0;
    lt_status s;

    if (list) {
        if ((s = lt_yaml_expect(list, LT_YAML_SEQ, e))) return s;
        if (list->n > CELL_MAX_EDGES)
            return lt_yaml_fail(e, list, "%d edges, at most %d are possible", list->n, CELL_MAX_EDGES);
        for (int i = 0; i < list->n; i++) {
            if ((s = read_edge(c, list->child[i], choice, n_choice, k, e))) return s;
        }
        for (int to = k->n_inputs; to < k->n_nodes; to++) {
            bool reached = false;

            for (int i = 0; i < k->n_edges; i++) reached |= k->edge[i].to == to;
            if (!reached) return lt_yaml_fail(e, list, "no edge leads to node %d of cell '%s'", to, k->name);
        }
        return LT_OK;
    }
    for (int to = k->n_inputs; to < k->n_nodes; to++) all += to;
    if (all > CELL_MAX_EDGES)
        return lt_yaml_fail(e, map, "%d edges between all nodes, at most %d are possible; list them as 'edges'", all,
                            CELL_MAX_EDGES);
    for (int to = k->n_inputs; to < k->n_nodes; to++) {
        for (int from = 0; from < to; from++) {
            struct cell_edge *edge = &k->edge[k->n_edges++];

            *edge = (struct cell_edge){.from = from, .to = to, .n_ops = n_choice, .gene = -1};
            memcpy(edge->op, choice, sizeof(edge->op));
        }
    }
    return LT_OK;
}

static lt_status read_keep(const struct cell_space *c, const struct lt_yaml *map, const int *choice, int n_choice,
                           struct cell_kind *k, struct lt_err *e) {
    const struct lt_yaml *keep = lt_yaml_get(map, "keep");

    if (lt_yaml_get(map, "edges"))
        return lt_yaml_fail(e, keep, "'keep' chooses among all edges; it does not go together with 'edges'");
    if (k->n_inputs < k->keep)
        return lt_yaml_fail(e, keep, "the first node of cell '%s' has %d possible inputs; it cannot keep %d", k->name,
                            k->n_inputs, k->keep);
    for (int i = 0; i < n_choice; i++) {
        if (c->op[choice[i]].zero)
            return lt_yaml_fail(e, map, "a kept input with operation '%s' is none; leave it out of the choices",
                                c->op[choice[i]].name);
    }
    if (cell_set_count(k->n_nodes - 1, k->keep) > LT_MAX_CHOICES)
        return lt_yaml_fail(e, keep, "the last node of cell '%s' has %d sets of inputs, at most %d are possible",
                            k->name, cell_set_count(k->n_nodes - 1, k->keep), LT_MAX_CHOICES);
    k->n_ops = n_choice;
    memcpy(k->op, choice, sizeof(k->op));
    return LT_OK;
}

static lt_status read_kind(struct lt_space *s, struct cell_space *c, const struct lt_yaml *map, const int *all,
                           int n_all, struct lt_err *e) {
    static const char *const known[] = {"name",       "inputs", "nodes", "stride",  "keep",
                                        "preprocess", "output", "edges", "choices", NULL};
    static const char *const outputs[] = {"last", "concat", "sum", NULL};
    struct cell_kind *k = &c->kind[c->n_kinds];
    const struct lt_yaml *n;
    int choice[CELL_MAX_OPS] = {0}, n_choice = n_all, output = CELL_OUT_LAST;
    lt_status st;

    *k = (struct cell_kind){.line = map->line, .col = map->col, .preprocess = -1};
    if ((st = lt_yaml_expect(map, LT_YAML_MAP, e)) || (st = lt_yaml_known(map, known, e)) ||
        (st = need(map, "name", LT_YAML_SCALAR, &n, e)) || (st = lt_read_name(s, n, false, &k->name, e)))
        return st;
    for (int i = 0; i < c->n_kinds; i++) {
        if (!strcmp(k->name, c->kind[i].name)) return lt_yaml_fail(e, n, "two cells are called '%s'", k->name);
    }
    memcpy(choice, all, sizeof(choice));
    if ((n = lt_yaml_get(map, "choices")) && (st = read_ops(c, n, &n_choice, choice, e))) return st;
    if ((n = lt_yaml_get(map, "preprocess")) && (st = find_op(c, n, &k->preprocess, e))) return st;
    if ((n = lt_yaml_get(map, "output")) && (st = lt_yaml_pick(n, "output", outputs, &output, e))) return st;
    k->output = (enum cell_output)output;
    if ((st = lt_read_int(map, "inputs", 1, CELL_MAX_INPUTS, 1, &k->n_inputs, e)) ||
        (st = lt_read_int(map, "nodes", 1, CELL_MAX_NODES - k->n_inputs, 0, &k->n_nodes, e)) ||
        (st = lt_read_int(map, "stride", 1, 8, 1, &k->stride, e)) ||
        (st = lt_read_int(map, "keep", 1, CELL_MAX_INPUTS, 1, &k->keep, e)))
        return st;
    if (k->output == CELL_OUT_CONCAT && k->n_nodes > LT_MAX_IN)
        return lt_yaml_fail(e, map, "%d nodes are joined at the output; at most %d are possible", k->n_nodes,
                            LT_MAX_IN);
    k->n_nodes += k->n_inputs;
    if (!lt_yaml_get(map, "keep")) k->keep = 0;
    if (!n_choice && (k->keep || !lt_yaml_get(map, "edges")))
        return lt_yaml_fail(e, map, "cell '%s' has no choices: give 'choices', or 'edges' with an operation each",
                            k->name);
    st = k->keep ? read_keep(c, map, choice, n_choice, k, e) : read_edges(c, map, choice, n_choice, k, e);
    if (st) return st;
    if (k->n_inputs > c->history) c->history = k->n_inputs;
    c->n_kinds++;
    return LT_OK;
}

static lt_status read_kinds(struct lt_space *s, struct cell_space *c, const struct lt_yaml *map, struct lt_err *e) {
    const struct lt_yaml *list, *n = lt_yaml_get(map, "choices");
    int choice[CELL_MAX_OPS] = {0}, n_choice = 0;
    lt_status st;

    if (n && (st = read_ops(c, n, &n_choice, choice, e))) return st;
    if ((st = need(map, "kinds", LT_YAML_SEQ, &list, e))) return st;
    if (list->n < 1) return lt_yaml_fail(e, list, "there must be at least one kind of cell");
    if (list->n > CELL_MAX_KINDS)
        return lt_yaml_fail(e, list, "%d kinds of cells, at most %d are possible", list->n, CELL_MAX_KINDS);
    for (int i = 0; i < list->n; i++) {
        if ((st = read_kind(s, c, list->child[i], choice, n_choice, e))) return st;
    }
    return LT_OK;
}

/* ---- the stack ---- */

static lt_status entry_name(struct lt_space *s, const struct cell_space *c, const struct lt_yaml *n,
                            struct cell_entry *t, struct lt_err *e) {
    static const char *const reserved[] = {"head", "image", "gap", "fc"};
    lt_status st = lt_read_name(s, n, false, &t->name, e);

    if (st) return st;
    for (int i = 0; i < 4; i++) {
        if (!strcmp(t->name, reserved[i]))
            return lt_yaml_fail(e, n, "'%s' is not free: it names another part of the network", t->name);
    }
    for (int i = 0; i < c->n_entries; i++) {
        if (!strcmp(t->name, c->entry[i].name))
            return lt_yaml_fail(e, n, "two parts of the stack are called '%s'", t->name);
    }
    return LT_OK;
}

/* How many cells in a row. */
static lt_status read_repeat(struct lt_space *s, const struct lt_yaml *map, struct cell_entry *t, struct lt_err *e) {
    static const struct lt_rule rule = {.whole = true, .list = true, .min = 1, .max = CELL_MAX_REPEAT};
    const struct lt_yaml *n = lt_yaml_get(map, "repeat");
    lt_status st;

    if (!n) {
        lt_value_const(&t->repeat, s->arena, 1, map);
        return t->repeat.v ? LT_OK : lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    }
    if ((st = lt_value_read(&(struct lt_scope){.s = s, .prefix = t->name, .index = -1}, n, "repeat", &rule, &t->repeat,
                            e)))
        return st;
    return t->repeat.expr || t->repeat.conditional
               ? lt_yaml_fail(e, n, "a repetition must follow from one choice that always exists")
               : LT_OK;
}

/* So that other values can be tied to them. */
static lt_status name_values(struct lt_space *s, const struct cell_entry *t, struct lt_err *e) {
    char name[LT_NODE_NAME];
    lt_status st;

    snprintf(name, sizeof(name), "%s.repeat", t->name);
    if (t->kind >= 0 && (st = lt_space_add_named(s, name, &t->repeat, NULL, e))) return st;
    snprintf(name, sizeof(name), "%s.channels", t->name);
    return t->has_channels ? lt_space_add_named(s, name, &t->channels, NULL, e) : LT_OK;
}

static lt_status read_entry(struct lt_space *s, struct cell_space *c, const struct lt_yaml *map, struct lt_err *e) {
    static const char *const known_cell[] = {"name", "cell", "repeat", "channels", NULL};
    static const char *const known_steps[] = {"name", "steps", "channels", NULL};
    const char *kinds[CELL_MAX_KINDS + 1] = {NULL};
    struct cell_entry *t = &c->entry[c->n_entries];
    const struct lt_yaml *n, *cell = lt_yaml_get(map, "cell");
    lt_status st;

    *t = (struct cell_entry){.kind = -1, .line = map->line, .col = map->col};
    if ((st = lt_yaml_expect(map, LT_YAML_MAP, e))) return st;
    if (!cell == !lt_yaml_get(map, "steps"))
        return lt_yaml_fail(e, map, "a part of the stack has either 'cell' or 'steps'");
    if ((st = lt_yaml_known(map, cell ? known_cell : known_steps, e)) ||
        (st = need(map, "name", LT_YAML_SCALAR, &n, e)) || (st = entry_name(s, c, n, t, e)))
        return st;
    if (cell) {
        for (int i = 0; i < c->n_kinds; i++) kinds[i] = c->kind[i].name;
        if ((st = lt_yaml_pick(cell, "cell", kinds, &t->kind, e)) || (st = read_repeat(s, map, t, e)) ||
            (st = lt_read_required(map, "channels", &n, e)))
            return st;
    } else {
        t->steps = c->n_ops;
        if ((st = cell_read_operation(s, lt_yaml_get(map, "steps"), t->name, &c->op[c->n_ops], e))) return st;
        lt_value_const(&t->repeat, s->arena, 1, map);
        if (!t->repeat.v) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
        c->n_ops++;
    }
    if ((n = lt_yaml_get(map, "channels")) &&
        (st = lt_channels_read(&(struct lt_scope){.s = s, .prefix = t->name, .index = -1}, n, &t->channels, e)))
        return st;
    t->has_channels = n != NULL;
    if ((st = name_values(s, t, e))) return st;
    c->n_entries++;
    return LT_OK;
}

static lt_status read_stack(struct lt_space *s, struct cell_space *c, const struct lt_yaml *map, struct lt_err *e) {
    const struct lt_yaml *list;
    lt_status st = need(map, "stack", LT_YAML_SEQ, &list, e);

    if (st) return st;
    if (list->n < 1) return lt_yaml_fail(e, list, "there must be at least one part");
    if (list->n > CELL_MAX_ENTRIES)
        return lt_yaml_fail(e, list, "%d parts, at most %d are possible", list->n, CELL_MAX_ENTRIES);
    for (int i = 0; i < list->n; i++) {
        if ((st = read_entry(s, c, list->child[i], e))) return st;
    }
    for (int k = 0; k < c->n_kinds; k++) {
        bool used = false;

        for (int i = 0; i < c->n_entries; i++) used |= c->entry[i].kind == k;
        if (!used)
            return lt_fail(e, LT_EINVAL, "%s:%d:%d: cell '%s' is in no part of the stack", s->file, c->kind[k].line,
                           c->kind[k].col, c->kind[k].name);
    }
    return LT_OK;
}

lt_status cell_read(struct lt_space *s, const struct lt_yaml *root, void **body, struct lt_err *e) {
    static const char *const known[] = {"operations", "choices", "unused", "kinds", "stack", NULL};
    static const char *const unused[] = {"drop", "keep", NULL};
    const struct lt_yaml *map = lt_yaml_get(root, "cells"), *n;
    struct cell_space *c = lt_arena_alloc(s->arena, sizeof(*c));
    int keep = 0;
    lt_status st;

    if (!c) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    memset(c, 0, sizeof(*c));
    if ((st = lt_yaml_expect(map, LT_YAML_MAP, e)) || (st = lt_yaml_known(map, known, e)) ||
        (st = need(map, "operations", LT_YAML_MAP, &n, e)) || (st = read_operations(s, c, n, e)))
        return st;
    if ((n = lt_yaml_get(map, "unused")) && (st = lt_yaml_pick(n, "way", unused, &keep, e))) return st;
    c->drop = !keep;
    if ((st = read_kinds(s, c, map, e)) || (st = read_stack(s, c, map, e)) || (st = cell_add_genes(s, c, e))) return st;
    *body = c;
    return LT_OK;
}
