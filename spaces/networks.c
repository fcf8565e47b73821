/*
 * `networks:` of a space: published networks, their counts and who published them. A count without a suffix is exact;
 * "216.6M" holds when rounding to as many digits gives it.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/cost.h"
#include "spaces/space_priv.h"

int lt_space_n_networks(const struct lt_space *s) { return s->n_networks; }

const struct lt_space_network *lt_space_network(const struct lt_space *s, int i) { return &s->network[i]; }

static lt_status read_count(const struct lt_yaml *map, const char *key, double *count, double *slack,
                            struct lt_err *e) {
    const struct lt_yaml *n = lt_yaml_get(map, key);
    const char *dot;
    double v, unit = 1;
    lt_status st;
    char *end;

    *count = -1;
    *slack = 0;
    if (!n) return LT_OK;
    if ((st = lt_yaml_expect(n, LT_YAML_SCALAR, e))) return st;
    v = strtod(n->text, &end);
    if (end == n->text || !isfinite(v) || v < 0 || !isdigit((unsigned char)n->text[0]) || strpbrk(n->text, "eExX"))
        return lt_yaml_fail(e, n, "'%s' is no count like 5483032 or 216.6M", n->text);
    if (*end == 'k' || *end == 'M' || *end == 'G') {
        unit = *end == 'k' ? 1e3 : *end == 'M' ? 1e6 : 1e9;
        dot = strchr(n->text, '.');
        *slack = unit * 0.5 * pow(10, dot ? -(double)(end - dot - 1) : 0) * (1 + 1e-9);
        end++;
    }
    if (*end || (unit == 1 && v != floor(v)))
        return lt_yaml_fail(e, n, "'%s' is no count like 5483032 or 216.6M", n->text);
    *count = v * unit;
    return LT_OK;
}

static lt_status read_convention(const struct lt_yaml *map, int *out, struct lt_err *e) {
    const struct lt_yaml *n = lt_yaml_get(map, "convention");
    const char *names[32] = {NULL};

    *out = 0;
    for (int i = 0; i < 31 && lt_cost_convention_at(i); i++) names[i] = lt_cost_convention_at(i)->name;
    return n ? lt_yaml_pick(n, "convention", names, out, e) : LT_OK;
}

static lt_status read_network(struct lt_space *s, const struct lt_yaml *map, struct lt_space_network *w,
                              struct lt_err *e) {
    static const char *const known[] = {"name",          "arch",       "macs",   "params",
                                        "folded_params", "convention", "source", NULL};
    const struct lt_yaml *n;
    struct lt_err why = {0};
    lt_status st;

    if ((st = lt_yaml_expect(map, LT_YAML_MAP, e)) || (st = lt_yaml_known(map, known, e)) ||
        (st = lt_read_required(map, "name", &n, e)) || (st = lt_read_name(s, n, true, &w->name, e)) ||
        (st = lt_read_required(map, "source", &n, e)) || (st = lt_yaml_expect(n, LT_YAML_SCALAR, e)))
        return st;
    if (!(w->source = lt_arena_strdup(s->arena, n->text))) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    if ((n = lt_yaml_get(map, "arch")) && (st = lt_yaml_expect(n, LT_YAML_SCALAR, e))) return st;
    if ((st = lt_arch_parse(s, n ? n->text : s->name, &w->arch, &why)))
        return st == LT_ENOMEM ? lt_fail(e, st, "%s", why.msg) : lt_yaml_fail(e, n ? n : map, "%s", why.msg);
    if ((st = read_count(map, "macs", &w->macs, &w->macs_slack, e)) ||
        (st = read_count(map, "params", &w->params, &w->params_slack, e)) ||
        (st = read_count(map, "folded_params", &w->folded_params, &w->folded_slack, e)))
        return st;
    if (w->macs < 0 && w->params < 0 && w->folded_params < 0)
        return lt_yaml_fail(e, map, "neither `macs` nor `params` is stated");
    return read_convention(map, &w->convention, e);
}

lt_status lt_networks_read(struct lt_space *s, const struct lt_yaml *root, struct lt_err *e) {
    const struct lt_yaml *list = lt_yaml_get(root, "networks");
    struct lt_space_network *w;
    lt_status st;

    if (!list) return LT_OK;
    if ((st = lt_yaml_expect(list, LT_YAML_SEQ, e))) return st;
    if (!(w = lt_arena_alloc(s->arena, (size_t)(list->n ? list->n : 1) * sizeof(*w))))
        return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    for (int i = 0; i < list->n; i++) {
        if ((st = read_network(s, list->child[i], &w[i], e))) return st;
        for (int k = 0; k < i; k++) {
            if (!strcmp(w[k].name, w[i].name))
                return lt_yaml_fail(e, list->child[i], "two networks are called '%s'", w[i].name);
        }
    }
    s->network = w;
    s->n_networks = list->n;
    return LT_OK;
}

static lt_status check(const struct lt_space *s, const struct lt_space_network *w, const char *what, double count,
                       double wanted, double slack, struct lt_err *e) {
    if (wanted < 0 || fabs(count - wanted) <= slack) return LT_OK;
    return lt_fail(e, LT_EINVAL, "%s: network '%s' has %.0f %s; published are %.0f%s (%s)", s->file, w->name, count,
                   what, wanted, slack > 0 ? ", rounded" : "", w->source);
}

lt_status lt_space_check_networks(const struct lt_space *s, struct lt_err *e) {
    lt_status st = LT_OK;

    for (int i = 0; i < s->n_networks && !st; i++) {
        const struct lt_space_network *w = &s->network[i];
        struct lt_graph *g = NULL;
        struct lt_cost c;

        if ((st = lt_space_expand(s, &w->arch, &g, e))) return st;
        lt_graph_cost_as(g, w->convention, &c);
        lt_graph_free(g);
        if ((st = check(s, w, "parameters with batch norm folded", (double)c.size_bytes / 4, w->folded_params,
                        w->folded_slack, e)))
            return st;
        if (!(st = check(s, w, "MACs", (double)c.macs, w->macs, w->macs_slack, e)))
            st = check(s, w, "parameters", (double)c.params, w->params, w->params_slack, e);
    }
    return st;
}
