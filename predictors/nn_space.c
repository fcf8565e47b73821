/* Architectures for networks. See nn_space.h. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/nn_space.h"

#define MAX_PARTS 64
enum { COLUMN_INPUT, COLUMN_OUTPUT, COLUMN_ALL, N_COLUMNS }; /* the first features of a graph's node */

/* Where a gene's choices go. */
struct lt_nn_column {
    bool used, pairs;
    int flat, n_first, n_flat;       /* first column of the row; of pairs: columns of first parts, columns in all */
    int node, feature;               /* node of the graph, first feature of its choices */
    int place;                       /* feature that says where in the chain; -1 none */
    uint8_t first[256], second[256]; /* pairs: column of the parts of a choice, 255 none */
    bool none[256];                  /* the choice is to do nothing */
};

/* Where "k3_e6" splits into its parts: after the first '_', else before the second letter that follows a digit. */
static bool split(const char *label, char first[32], char second[32]) {
    const char *cut = strchr(label, '_');
    size_t n;

    if (cut == label) return false;
    if (!cut) {
        for (cut = label; *cut && !(cut > label && isalpha((unsigned char)*cut) && isdigit((unsigned char)cut[-1]));
             cut++) {}
        if (!*cut) return false;
    }
    n = (size_t)(cut - label);
    cut += *cut == '_';
    if (!n || n > 31 || !*cut || strlen(cut) > 31) return false;
    memcpy(first, label, n);
    first[n] = 0;
    strcpy(second, cut);
    return true;
}

static int part(char list[MAX_PARTS][32], int *n, const char *text) {
    for (int i = 0; i < *n; i++)
        if (!strcmp(list[i], text)) return i;
    if (*n >= MAX_PARTS) return -1;
    strcpy(list[*n], text);
    return (*n)++;
}

/* Are the labels pairs, and does writing them as such save columns? One may be no pair. */
static void find_pairs(const struct lt_gene *g, struct lt_nn_column *c) {
    char first[MAX_PARTS][32], second[MAX_PARTS][32], a[32], b[32];
    int n_first = 0, n_second = 0, whole = 0;

    if (g->n_choices > 255) return;
    for (int k = 0; k < g->n_choices; k++) {
        int i = 255, j = 255;

        if (!split(g->label[k], a, b))
            whole++;
        else if ((i = part(first, &n_first, a)) < 0 || (j = part(second, &n_second, b)) < 0)
            return;
        c->first[k] = (uint8_t)i;
        c->second[k] = (uint8_t)j;
    }
    if (whole > 1 || n_first + n_second >= g->n_choices) return;
    c->pairs = true;
    c->n_first = n_first;
    c->n_flat = n_first + n_second;
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
}

/* "0>1" or "op01": an edge from node 0 to node 1. */
static bool edge(const char *name, int *from, int *to) {
    size_t n = strlen(name), gap = n >= 3 && name[n - 2] == '>';

    if (n < 2 + gap || !isdigit((unsigned char)name[n - 1]) || !isdigit((unsigned char)name[n - 2 - gap]) ||
        (n > 2 + gap && isdigit((unsigned char)name[n - 3 - gap])))
        return false;
    *from = name[n - 2 - gap] - '0';
    *to = name[n - 1] - '0';
    return *from < *to;
}

/* All genes are edges of one cell, with the same choices. */
static bool is_cell(const struct lt_space *space) {
    int n = lt_space_n_genes(space), from, to, last = 0, seen[100] = {0};
    const struct lt_gene *g0;

    if (n < 2 || n + 2 > LT_NN_MAX_NODES) return false;
    g0 = lt_space_gene(space, 0);
    for (int i = 0; i < n; i++) {
        const struct lt_gene *g = lt_space_gene(space, i);

        if (!edge(g->name, &from, &to) || seen[from * 10 + to]++ || g->n_choices != g0->n_choices) return false;
        for (int k = 0; k < g->n_choices; k++)
            if (strcmp(g->label[k], g0->label[k])) return false;
        if (to > last) last = to;
    }
    return seen[1] && n == last * (last + 1) / 2; /* every pair of nodes once */
}

static void cell_graph(struct lt_nn_space *s) {
    int n = lt_space_n_genes(s->space), size, last = 0, from, to, f, t;

    s->n_nodes = n + 2;
    size = s->n_nodes + 1;
    for (int i = 0; i < n; i++) {
        edge(lt_space_gene(s->space, i)->name, &from, &to);
        if (to > last) last = to;
    }
    for (int i = 0; i < n; i++) {
        edge(lt_space_gene(s->space, i)->name, &from, &to);
        s->column[i].node = i + 1;
        s->column[i].feature = N_COLUMNS;
        if (from == 0) s->hears[(i + 1) * size] = 1;
        if (to == last) s->hears[(n + 1) * size + i + 1] = 1;
        for (int j = 0; j < n; j++) {
            edge(lt_space_gene(s->space, j)->name, &f, &t);
            if (t == from) s->hears[(i + 1) * size + j + 1] = 1;
        }
    }
    s->n_features = N_COLUMNS + lt_space_gene(s->space, 0)->n_choices;
}

/* What a gene varies: "s1.b0.kernel" -> "kernel", "b12" -> "b". */
static void kind_of(const char *name, char out[64]) {
    const char *dot = strrchr(name, '.');
    size_t n;

    snprintf(out, 64, "%s", dot ? dot + 1 : name);
    n = strlen(out);
    while (n > 1 && isdigit((unsigned char)out[n - 1])) out[--n] = 0;
}

static bool same_labels(const struct lt_gene *a, const struct lt_gene *b) {
    if (a->n_choices != b->n_choices) return false;
    for (int k = 0; k < a->n_choices; k++)
        if (strcmp(a->label[k], b->label[k])) return false;
    return true;
}

/* The layer that a gene belongs to: what stands before the last '.', or all of the name. */
static size_t layer_length(const char *name) {
    const char *dot = strrchr(name, '.');

    return dot ? (size_t)(dot - name) : strlen(name);
}

static lt_status chain_graph(struct lt_nn_space *s, struct lt_err *e) {
    int n = lt_space_n_genes(s->space), nodes = 1, features = N_COLUMNS, size;

    for (int i = 0; i < n; i++) {
        const struct lt_gene *g = lt_space_gene(s->space, i), *o;
        struct lt_nn_column *c = &s->column[i];
        char a[64], b[64];

        if (!c->used) continue;
        c->node = c->feature = -1;
        kind_of(g->name, a);
        for (int j = 0; j < i; j++) {
            if (!s->column[j].used) continue;
            o = lt_space_gene(s->space, j);
            kind_of(o->name, b);
            if (!strcmp(a, b) && same_labels(g, o)) c->feature = s->column[j].feature;
            if (layer_length(o->name) == layer_length(g->name) && !strncmp(o->name, g->name, layer_length(g->name)))
                c->node = s->column[j].node;
        }
        if (c->node < 0) c->node = nodes++;
        if (c->feature < 0) {
            c->feature = features;
            features += g->n_choices;
        }
    }
    if (nodes + 1 > LT_NN_MAX_NODES)
        return lt_fail(e, LT_EINVAL, "space '%s' has %d layers, a network for latencies reads at most %d",
                       lt_space_name(s->space), nodes - 1, LT_NN_MAX_NODES - 2);
    for (int i = 0; i < n; i++) s->column[i].place = features + s->column[i].node - 1;
    s->n_features = features + nodes - 1;
    s->n_nodes = nodes + 1;
    size = s->n_nodes + 1;
    for (int i = 1; i < s->n_nodes; i++) s->hears[i * size + i - 1] = 1;
    return LT_OK;
}

lt_status lt_nn_space_new(const struct lt_space *space, struct lt_nn_space **out, struct lt_err *e) {
    int n = lt_space_n_genes(space);
    struct lt_nn_space *s = lt_calloc(1, sizeof(*s));
    lt_status st = LT_ENOMEM;

    if (!s || !(s->column = lt_calloc((size_t)n, sizeof(*s->column))) ||
        !(s->hears = lt_calloc((LT_NN_MAX_NODES + 1) * (LT_NN_MAX_NODES + 1), sizeof(double)))) {
        lt_fail(e, LT_ENOMEM, "space '%s' for a network: out of memory", lt_space_name(space));
        goto out;
    }
    s->space = space;
    s->cell = is_cell(space);
    for (int i = 0; i < n; i++) {
        const struct lt_gene *g = lt_space_gene(space, i);
        struct lt_nn_column *c = &s->column[i];

        c->used = !ends_with(g->name, "depth");
        c->place = -1;
        c->n_flat = g->n_choices;
        for (int k = 0; k < g->n_choices && k < 256; k++)
            c->none[k] = !strcmp(g->label[k], "none") || !strcmp(g->label[k], "zero");
        if (!c->used) continue;
        if (!s->cell) find_pairs(g, c);
        c->flat = s->n_flat;
        s->n_flat += c->n_flat;
    }
    if (s->cell)
        cell_graph(s);
    else if ((st = chain_graph(s, e)))
        goto out;
    for (int i = 0; i < s->n_nodes; i++) s->hears[s->n_nodes * (s->n_nodes + 1) + i] = 1;
    *out = s;
    return LT_OK;
out:
    lt_nn_space_free(s);
    return st;
}

void lt_nn_space_free(struct lt_nn_space *s) {
    if (!s) return;
    lt_free(s->column);
    lt_free(s->hears);
    lt_free(s);
}

void lt_nn_space_flat(const struct lt_nn_space *s, const struct lt_arch *a, float *x) {
    memset(x, 0, (size_t)s->n_flat * sizeof(*x));
    for (int i = 0; i < a->n; i++) {
        const struct lt_nn_column *c = &s->column[i];

        if (!c->used || !lt_space_gene_active(s->space, a, i)) continue;
        if (!c->pairs) {
            x[c->flat + a->g[i]] = 1;
        } else if (c->first[a->g[i]] != 255) {
            x[c->flat + c->first[a->g[i]]] = 1;
            x[c->flat + c->n_first + c->second[a->g[i]]] = 1;
        }
    }
}

/* One more at a feature of a node, and of those that hear it when `spread`. */
static void count(const struct lt_nn_space *s, int node, int feature, bool spread, float *x) {
    int n = s->n_nodes + 1;

    x[node * s->n_features + feature]++;
    for (int i = 0; spread && i < n; i++)
        if (i != node && s->hears[i * n + node] != 0) x[i * s->n_features + feature]++;
}

static void describe(const struct lt_nn_space *s, const struct lt_arch *a, bool spread, float *x, float *works) {
    int n = s->n_nodes;

    memset(x, 0, (size_t)((n + spread) * s->n_features) * sizeof(*x));
    if (works) memset(works, 0, (size_t)n * sizeof(*works));
    count(s, 0, COLUMN_INPUT, spread, x);
    count(s, n - 1, COLUMN_OUTPUT, spread, x);
    if (spread) count(s, n, COLUMN_ALL, spread, x);
    if (works) works[n - 1] = 1;
    for (int i = 0; i < a->n; i++) {
        const struct lt_nn_column *c = &s->column[i];

        if (!c->used || !lt_space_gene_active(s->space, a, i)) continue;
        count(s, c->node, c->feature + a->g[i], spread, x);
        if (c->place >= 0 && x[c->node * s->n_features + c->place] == 0) count(s, c->node, c->place, spread, x);
        if (works && !c->none[a->g[i]]) works[c->node] = 1;
    }
}

void lt_nn_space_graph(const struct lt_nn_space *s, const struct lt_arch *a, float *x, float *works) {
    describe(s, a, false, x, works);
}

void lt_nn_space_sums(const struct lt_nn_space *s, const struct lt_arch *a, float *x) { describe(s, a, true, x, NULL); }
