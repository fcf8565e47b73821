/* A space as an object: loading, hash, extremes, features. How its file is read is in space_yaml.c. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "lathe/file.h"
#include "spaces/space_priv.h"

#ifndef LT_PKGDATADIR
#define LT_PKGDATADIR "/usr/local/share/lathe"
#endif

lt_status lt_space_load(const char *name_or_path, struct lt_space **out, struct lt_err *e) {
    static const char *const folder[] = {"spaces", LT_PKGDATADIR "/spaces"};
    struct lt_yaml *root = NULL;
    size_t len = strlen(name_or_path);
    char *path = NULL;
    lt_status s;

    if (strchr(name_or_path, '/') || (len > 5 && !strcmp(name_or_path + len - 5, ".yaml"))) {
        path = lt_strdup(name_or_path);
    } else {
        for (int i = 0; i < 2; i++) {
            lt_free(path);
            if (!(path = lt_asprintf("%s/%s.yaml", folder[i], name_or_path)) || !access(path, R_OK)) break;
            if (i == 1) {
                s = lt_fail(e, LT_EINVAL, "space '%s': neither %s/%s.yaml nor %s/%s.yaml can be read", name_or_path,
                            folder[0], name_or_path, folder[1], name_or_path);
                goto out;
            }
        }
    }
    if (!path) {
        s = lt_fail(e, LT_ENOMEM, "space '%s': out of memory", name_or_path);
        goto out;
    }
    if ((s = lt_yaml_load(path, &root, e))) goto out;
    s = lt_space_parse_yaml(root, out, e);
out:
    lt_yaml_free(root);
    lt_free(path);
    return s;
}

void lt_space_free(struct lt_space *s) {
    if (s) lt_arena_free(s->arena);
}

const char *lt_space_file_of(struct lt_space *s, const struct lt_yaml *n) {
    return !n->file || !strcmp(n->file, s->file) ? s->file : lt_arena_strdup(s->arena, n->file);
}

/* ---- hash ---- */

/* Of a text that says everything about the space once. */
static lt_status make_hash(struct lt_space *s, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    lt_status st;

    lt_buf_printf(&b, "space 2 %s in %d tokens %d classes %d divisor %d body %s;", s->name, s->in_channels, s->tokens,
                  s->classes, s->divisor, s->ops->name);
    lt_choice_hash(s, &b, &s->resolution);
    lt_choice_hash(s, &b, &s->width);
    for (int i = 0; i < s->n_genes; i++) {
        const struct lt_gene *g = &s->gene[i];

        lt_buf_printf(&b, "gene %s", g->name);
        for (int k = 0; k < g->n_choices; k++) lt_buf_printf(&b, " %s=%.17g", g->label[k], g->value[k]);
        for (int k = 0; k < s->info[i].n_conds; k++) {
            const struct lt_cond *c = &s->info[i].cond[k];

            lt_buf_printf(&b, " if %d %jx %jx %jx %jx", c->gene, (uintmax_t)c->on[0], (uintmax_t)c->on[1],
                          (uintmax_t)c->on[2], (uintmax_t)c->on[3]);
        }
        lt_buf_puts(&b, ";");
    }
    s->ops->hash(s, s->body, &b);
    lt_head_hash(s, &b);
    if (!(st = lt_buf_ok(&b, e))) s->hash = lt_hash64(b.data, b.len, 0);
    lt_buf_release(&b);
    return st;
}

/* ---- extremes ---- */

static lt_status check_expands(const struct lt_space *s, const struct lt_arch *a, struct lt_err *e) {
    struct lt_graph *g = NULL;
    lt_status st = lt_space_expand(s, a, &g, e);

    lt_graph_free(g);
    return st;
}

/* Of every choice without an order of size, the one of fewest (most) MACs, one after the other. */
static lt_status order_by_macs(struct lt_space *s, struct lt_arch *a, bool most, struct lt_err *e) {
    struct lt_space_costs *costs = NULL;
    struct lt_totals t;
    lt_status st = LT_OK;

    for (int i = 0; i < s->n_genes && !st; i++) {
        double best = 0;
        int at = -1;

        if (!s->info[i].unordered || !lt_space_gene_active(s, a, i)) continue;
        if (!costs && (st = lt_space_costs_new(s, &costs, e))) break;
        for (int k = 0; k < s->gene[i].n_choices && !st; k++) {
            struct lt_arch b = *a;

            b.g[i] = (uint8_t)k;
            lt_space_canonical(s, &b);
            if ((st = lt_space_costs_totals(costs, &b, 1, &t, e))) break;
            if (at < 0 || (most ? t.macs > best : t.macs < best)) {
                best = t.macs;
                at = k;
            }
        }
        if (!st) a->g[i] = (uint8_t)at;
    }
    lt_space_costs_free(costs);
    return st;
}

static lt_status make_extremes(struct lt_space *s, struct lt_err *e) {
    lt_status st;

    s->smallest.n = s->largest.n = s->n_genes;
    for (int i = 0; i < s->n_genes; i++) s->largest.g[i] = (uint8_t)(s->gene[i].n_choices - 1);
    if ((st = order_by_macs(s, &s->smallest, false, e)) || (st = order_by_macs(s, &s->largest, true, e))) return st;
    lt_space_canonical(s, &s->smallest);
    lt_space_canonical(s, &s->largest);
    if ((st = check_expands(s, &s->smallest, e))) return st;
    return check_expands(s, &s->largest, e);
}

lt_status lt_space_finish(struct lt_space *s, struct lt_err *e) {
    lt_status st;

    if ((st = make_hash(s, e)) || (st = make_extremes(s, e))) return st;
    return lt_counter_new(s, e);
}

/* ---- facts ---- */

const char *lt_space_name(const struct lt_space *s) { return s->name; }
uint64_t lt_space_hash(const struct lt_space *s) { return s->hash; }
int lt_space_n_genes(const struct lt_space *s) { return s->n_genes; }
const struct lt_gene *lt_space_gene(const struct lt_space *s, int i) { return &s->gene[i]; }
int lt_space_classes(const struct lt_space *s) { return s->classes; }
int lt_space_input_channels(const struct lt_space *s) { return s->in_channels; }
int lt_space_resolution(const struct lt_space *s, const struct lt_arch *a) {
    return (int)lt_choice_value(s, &s->resolution, a);
}
bool lt_space_takes_tokens(const struct lt_space *s) { return s->tokens > 0; }

int lt_space_max_resolution(const struct lt_space *s) {
    return s->resolution.expr ? lt_space_resolution(s, &s->largest) : (int)lt_choice_max(&s->resolution);
}

/* ---- features ---- */

int lt_space_n_features(const struct lt_space *s) { return s->n_features; }

void lt_space_features(const struct lt_space *s, const struct lt_arch *a, double *out) {
    for (int i = 0; i < s->n_genes; i++) {
        for (int k = 0; k < s->gene[i].n_choices; k++) *out++ = 0;
        if (lt_space_gene_active(s, a, i)) out[a->g[i] - s->gene[i].n_choices] = 1;
    }
}
