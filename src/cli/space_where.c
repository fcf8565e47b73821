/* Room: cli. Conditions on architectures: "macs<=300M", "s2.depth>=3". */
#include "cli/space_cmd.h"
#include "lathe/mem.h"
#include "lathe/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* 300M, 4.2k, 1e6 */
static bool number(const char *text, double *out) {
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (end == text || errno || !isfinite(v)) return false;
    if (*end == 'k' || *end == 'K')
        v *= 1e3, end++;
    else if (*end == 'M')
        v *= 1e6, end++;
    else if (*end == 'G')
        v *= 1e9, end++;
    if (*end) return false;
    *out = v;
    return true;
}

static lt_status unknown(const struct space_job *j, const char *name, const char *text, struct lt_err *e) {
    int n = lt_space_n_genes(j->sp), k = 0;
    const char **names = lt_malloc((size_t)(n + SPACE_N_METRICS + 1) * sizeof(*names)), *near = NULL;
    lt_status s;
    if (names) {
        for (int i = 0; i < SPACE_N_METRICS; i++) names[k++] = space_metric_names[i];
        for (int i = 0; i < n; i++) names[k++] = lt_space_gene(j->sp, i)->name;
        names[k] = NULL;
        near = lt_nearest(name, names);
    }
    s = cli_usage(
        e, j->c,
        "--where '%s': '%s' is neither a cost (macs, params, size, peak, bytes, ops) nor a choice of space %s%s%s%s",
        text, name, lt_space_name(j->sp), near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    lt_free(names);
    return s;
}

static lt_status gene_value(const struct space_job *j, const struct lt_gene *g, const char *text, const char *from,
                            double *out, struct lt_err *e) {
    if (number(from, out)) return LT_OK;
    for (int k = 0; k < g->n_choices; k++) {
        if (strcmp(g->label[k], from)) continue;
        *out = g->value[k];
        return LT_OK;
    }
    return cli_usage(e, j->c, "--where '%s': '%s' is neither a number nor a value of %s", text, from, g->name);
}

static lt_status parse_one(struct space_job *j, const char *text, struct lt_err *e) {
    struct space_condition c = {.metric = -1, .gene = -1, .text = text};
    size_t len = 0;
    char name[128];
    lt_status s;
    /* a gene's name may hold '>' ("0>1"): the comparison is the last one in the text */
    for (size_t i = strlen(text); i > 0 && !len; i--) {
        if (strchr("<>=", text[i - 1])) len = i - 1;
    }
    if (len && text[len] == '=' && strchr("<>=", text[len - 1])) len--;
    if (!len || len >= sizeof(name))
        return cli_usage(e, j->c, "--where '%s' is no condition; write for example macs<=300M", text);
    memcpy(name, text, len);
    name[len] = 0;
    const char *op = text + len, *value = op + 1 + (op[1] == '=');
    c.op = op[0] == '='   ? SPACE_EQ
           : op[0] == '<' ? (op[1] == '=' ? SPACE_LE : SPACE_LT)
                          : (op[1] == '=' ? SPACE_GE : SPACE_GT);
    for (int i = 0; i < SPACE_N_METRICS; i++) {
        if (!strcmp(space_metric_names[i], name)) c.metric = i;
    }
    for (int i = 0; i < lt_space_n_genes(j->sp) && c.metric < 0; i++) {
        if (!strcmp(lt_space_gene(j->sp, i)->name, name)) c.gene = i;
    }
    if (c.metric < 0 && c.gene < 0) return unknown(j, name, text, e);
    if (c.gene >= 0 && (s = gene_value(j, lt_space_gene(j->sp, c.gene), text, value, &c.value, e))) return s;
    if (c.metric >= 0 && !number(value, &c.value))
        return cli_usage(e, j->c, "--where '%s': '%s' is no number (a number, with k, M or G behind it)", text, value);
    j->condition[j->n_conditions++] = c;
    return LT_OK;
}

lt_status space_conditions_parse(struct space_job *j, struct lt_err *e) {
    lt_status s;
    if (j->where.n > SPACE_MAX_CONDITIONS)
        return cli_usage(e, j->c, "%d conditions, at most %d are possible", j->where.n, SPACE_MAX_CONDITIONS);
    for (int i = 0; i < j->where.n; i++) {
        if ((s = parse_one(j, j->where.item[i], e))) return s;
    }
    return LT_OK;
}

static double missed(const struct space_condition *c, double v) {
    double by = 0;
    switch (c->op) {
    case SPACE_LE:
        by = v - c->value;
        break;
    case SPACE_LT:
        by = v < c->value ? 0 : v - c->value + 1e-9 * (fabs(v) + 1);
        break;
    case SPACE_GE:
        by = c->value - v;
        break;
    case SPACE_GT:
        by = v > c->value ? 0 : c->value - v + 1e-9 * (fabs(v) + 1);
        break;
    case SPACE_EQ:
        by = fabs(v - c->value);
    }
    return by > 0 ? by / (fabs(c->value) + 1) : 0;
}

lt_status space_violation(struct space_job *j, const struct lt_arch *a, double *out, struct lt_err *e) {
    double sum = 0, v[SPACE_N_METRICS];
    unsigned want = 0;
    lt_status s;
    for (int i = 0; i < j->n_conditions; i++) {
        const struct space_condition *c = &j->condition[i];
        if (c->metric >= 0)
            want |= 1u << c->metric;
        else if (!lt_space_gene_active(j->sp, a, c->gene))
            sum += 1; /* a choice that does not exist has no value */
        else
            sum += missed(c, lt_space_gene(j->sp, c->gene)->value[a->g[c->gene]]);
    }
    if (want && (s = space_costs(j, a, want, v, e))) return s;
    for (int i = 0; i < j->n_conditions; i++) {
        const struct space_condition *c = &j->condition[i];
        if (c->metric >= 0) sum += missed(c, v[c->metric]);
    }
    *out = sum;
    return LT_OK;
}
