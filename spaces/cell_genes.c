/* The choices of cells as genes, the stack as segments, and what a choice vector says about a cell. */
#include <stdio.h>
#include <string.h>
#include "spaces/cell.h"

/* ---- sets of inputs ---- */

int cell_set_count(int n, int keep) {
    int64_t count = 1;

    for (int i = 1; i <= keep; i++) count = count * (n - keep + i) / i;
    return (int)count;
}

void cell_set_members(int n, int keep, int index, int *out) {
    int v = 0;

    for (int i = 0; i < keep; i++, v++) {
        /* How many sets have v as their i-th member, given those before it. */
        for (int with; index >= (with = cell_set_count(n - v - 1, keep - i - 1)); v++) index -= with;
        out[i] = v;
    }
}

int cell_set_index(int n, int keep, const int *member) {
    int index = 0, v = 0;

    for (int i = 0; i < keep; i++, v++) {
        for (; v < member[i]; v++) index += cell_set_count(n - v - 1, keep - i - 1);
    }
    return index;
}

/* ---- genes ---- */

struct maker {
    struct lt_space *s;
    struct cell_space *c;
    struct cell_kind *k;
    char prefix[LT_NODE_NAME]; /* "normal." where several kinds have choices */
};

static lt_status add(struct maker *m, const char *name, int n, const char *const *label, int *gene, struct lt_err *e) {
    char full[2 * LT_NODE_NAME];
    struct lt_gene_spec spec = {.name = full, .n = n, .label = label, .line = m->k->line, .col = m->k->col};
    lt_status st;

    *gene = -1;
    if (n < 2) return LT_OK;
    snprintf(full, sizeof(full), "%s%s", m->prefix, name);
    if ((st = lt_space_add_gene(m->s, &spec, gene, e))) return st;
    if (m->k->n_genes >= CELL_MAX_EDGES)
        return lt_fail(e, LT_EINVAL, "%s:%d:%d: cell '%s' has more than %d choices", m->s->file, m->k->line, m->k->col,
                       m->k->name, CELL_MAX_EDGES);
    m->k->gene[m->k->n_genes++] = *gene;
    return LT_OK;
}

static lt_status add_op_gene(struct maker *m, const char *name, const int *op, int n, int *gene, struct lt_err *e) {
    const char *label[CELL_MAX_OPS];

    for (int i = 0; i < n; i++) label[i] = m->c->op[op[i]].name;
    return add(m, name, n, label, gene, e);
}

static lt_status edge_genes(struct maker *m, struct lt_err *e) {
    struct cell_kind *k = m->k;
    char name[64];
    lt_status st;

    for (int i = 0; i < k->n_edges; i++) {
        struct cell_edge *edge = &k->edge[i];
        int nth = 1;

        for (int j = 0; j < i; j++) nth += k->edge[j].from == edge->from && k->edge[j].to == edge->to;
        snprintf(name, sizeof(name), nth > 1 ? "%d>%d.%d" : "%d>%d", edge->from, edge->to, nth);
        if ((st = add_op_gene(m, name, edge->op, edge->n_ops, &edge->gene, e))) return st;
    }
    return LT_OK;
}

/* Node `to`: which of its inputs are kept, and an operation for each of them. */
static lt_status keep_genes(struct maker *m, int to, struct lt_err *e) {
    struct cell_kind *k = m->k;
    int n = cell_set_count(to, k->keep), member[CELL_MAX_NODES];
    char text[LT_MAX_CHOICES][32], name[64];
    const char *label[LT_MAX_CHOICES];
    lt_status st;

    for (int i = 0; i < n; i++) {
        size_t at = 0;

        cell_set_members(to, k->keep, i, member);
        for (int j = 0; j < k->keep; j++)
            at += (size_t)snprintf(text[i] + at, sizeof(text[i]) - at, "%s%d", j ? "+" : "", member[j]);
        label[i] = text[i];
    }
    snprintf(name, sizeof(name), "%d.inputs", to);
    if ((st = add(m, name, n, label, &k->set_gene[to], e))) return st;
    for (int j = 0; j < k->keep; j++) {
        snprintf(name, sizeof(name), "%d.op%d", to, j);
        if ((st = add_op_gene(m, name, k->op, k->n_ops, &k->op_gene[to][j], e))) return st;
    }
    return LT_OK;
}

/* ---- segments ---- */

static lt_status add_segment(struct lt_space *s, const struct cell_space *c, int entry, int at, struct lt_err *e) {
    const struct cell_entry *t = &c->entry[entry];
    int gene[LT_MAX_GENES], n = 0;
    char name[LT_NODE_NAME];
    struct lt_segment seg = {.name = name, .line = t->line, .col = t->col, .gene = gene, .user = {entry, at}};

    if (t->kind >= 0) {
        snprintf(name, sizeof(name), "%s.c%d", t->name, at);
        for (int i = 0; i < c->kind[t->kind].n_genes; i++) gene[n++] = c->kind[t->kind].gene[i];
    } else {
        snprintf(name, sizeof(name), "%s", t->name);
    }
    if (t->has_channels) {
        lt_choice_genes(s, &t->channels, gene, &n);
        lt_choice_genes(s, &s->width, gene, &n);
    }
    seg.n_genes = n;
    if (t->repeat.gene >= 0 && at >= (int)t->repeat.v[0]) {
        seg.n_conds = 1;
        seg.cond[0].gene = t->repeat.gene;
        for (int k = 0; k < t->repeat.n; k++) {
            if (at < (int)t->repeat.v[k]) lt_cond_add(&seg.cond[0], k);
        }
    }
    return lt_space_add_segment(s, &seg, e);
}

lt_status cell_add_genes(struct lt_space *s, struct cell_space *c, struct lt_err *e) {
    int varied = 0;
    lt_status st;

    for (int i = 0; i < c->n_kinds; i++) {
        const struct cell_kind *k = &c->kind[i];
        bool any = k->keep > 0;

        for (int j = 0; j < k->n_edges; j++) any |= k->edge[j].n_ops > 1;
        varied += any;
    }
    for (int i = 0; i < c->n_kinds; i++) {
        struct maker m = {.s = s, .c = c, .k = &c->kind[i]};

        if (varied > 1) snprintf(m.prefix, sizeof(m.prefix), "%s.", m.k->name);
        if (!m.k->keep && (st = edge_genes(&m, e))) return st;
        for (int to = m.k->n_inputs; m.k->keep && to < m.k->n_nodes; to++) {
            if ((st = keep_genes(&m, to, e))) return st;
        }
    }
    for (int i = 0; i < c->n_entries; i++) {
        for (int at = 0; at < (int)c->entry[i].repeat.v[c->entry[i].repeat.n - 1]; at++) {
            if ((st = add_segment(s, c, i, at, e))) return st;
        }
    }
    return LT_OK;
}

/* ---- the choices of one network ---- */

void cell_resolve(const struct cell_kind *k, const struct lt_arch *a, struct cell_plan *p) {
    int member[CELL_MAX_NODES];

    memset(p->n, 0, sizeof(p->n));
    for (int i = 0; i < k->n_edges; i++) {
        const struct cell_edge *edge = &k->edge[i];

        p->link[edge->to][p->n[edge->to]++] =
            (struct cell_link){edge->from, edge->op[edge->gene >= 0 ? a->g[edge->gene] : 0]};
    }
    for (int to = k->n_inputs; k->keep && to < k->n_nodes; to++) {
        cell_set_members(to, k->keep, k->set_gene[to] >= 0 ? a->g[k->set_gene[to]] : 0, member);
        for (int j = 0; j < k->keep; j++) {
            int gene = k->op_gene[to][j];

            p->link[to][p->n[to]++] = (struct cell_link){member[j], k->op[gene >= 0 ? a->g[gene] : 0]};
        }
    }
}
