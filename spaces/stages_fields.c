/* Reads what the blocks of a stage are: their candidates, and the fields of each as constants or choices. */
#include <stdio.h>
#include <string.h>
#include "spaces/stages.h"

/* ---- candidates ---- */

static lt_status find_kind(const struct lt_yaml *blocks, const struct lt_yaml *n, struct lt_cand *out,
                           struct lt_err *e) {
    const char *names[256] = {NULL};
    const struct lt_yaml *def = blocks ? lt_yaml_get(blocks, n->text) : NULL, *kind;
    int k = 0, i, n_defs = 0;
    lt_status st;

    out->label = n->text;
    if (def) {
        if ((st = lt_yaml_expect(def, LT_YAML_MAP, e)) || (st = lt_read_required(def, "block", &kind, e)) ||
            (st = lt_yaml_expect(kind, LT_YAML_SCALAR, e)))
            return st;
        out->def = def;
        n = kind;
    } else {
        for (i = 0; blocks && i < blocks->n && k < 150; i++) names[k++] = blocks->child[i]->key;
        n_defs = k;
    }
    for (i = 0; i < lt_block_count() && k < 255; i++) names[k++] = lt_block_at(i)->name;
    if ((st = lt_yaml_pick(n, "block", names, &i, e))) return st;
    out->ops = lt_block_at(i - n_defs);
    if (def) {
        const char *known[LT_MAX_FIELDS + 2] = {"block"};

        for (i = 0; out->ops->fields[i].key; i++) known[i + 1] = out->ops->fields[i].key;
        return lt_yaml_known(def, known, e);
    }
    return LT_OK;
}

lt_status lt_stage_read_cands(struct lt_space *s, const struct lt_yaml *map, struct lt_stage *t, struct lt_cand *cand,
                              bool *per_stage, struct lt_err *e) {
    static const char *const known[] = {"choice", "per", NULL}, *const per[] = {"block", "stage", NULL};
    const struct lt_yaml *n, *p, *blocks = lt_yaml_get(s->root, "blocks");
    const char *name;
    lt_status st;
    int k = 0;

    if ((st = lt_read_required(map, "block", &n, e))) return st;
    if (n->kind == LT_YAML_MAP) {
        if ((st = lt_yaml_known(n, known, e))) return st;
        if ((p = lt_yaml_get(n, "per")) && (st = lt_yaml_pick(p, "scope", per, &k, e))) return st;
        if ((st = lt_read_required(n, "choice", &n, e)) || (st = lt_yaml_expect(n, LT_YAML_SEQ, e))) return st;
    }
    *per_stage = k == 1;
    t->same_channels = true;
    memset(cand, 0, LT_MAX_CANDS * sizeof(*cand));
    if (n->kind == LT_YAML_SCALAR) {
        t->n_cands = 1;
        if ((st = find_kind(blocks, n, &cand[0], e))) return st;
        t->same_channels = cand[0].ops->same_channels;
        cand[0].label = lt_arena_strdup(s->arena, n->text);
        return cand[0].label ? LT_OK : lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    }
    if ((st = lt_yaml_expect(n, LT_YAML_SEQ, e))) return st;
    if (n->n < 1 || n->n > LT_MAX_CANDS)
        return lt_yaml_fail(e, n,
                            n->n ? "%d kinds of blocks, at most %d are possible"
                                 : "an empty list is no choice; give at least one kind of block",
                            n->n, LT_MAX_CANDS);
    for (int i = 0; i < n->n; i++) {
        if ((st = lt_read_name(s, n->child[i], false, &name, e)) || (st = find_kind(blocks, n->child[i], &cand[i], e)))
            return st;
        for (int j = 0; j < i; j++) {
            if (!strcmp(cand[j].label, name)) return lt_yaml_fail(e, n->child[i], "'%s' is listed twice", name);
            if (cand[j].ops != cand[i].ops && cand[i].ops != &lt_block_skip && cand[j].ops != &lt_block_skip)
                t->labelled = true;
        }
        cand[i].label = name;
        t->same_channels = t->same_channels && cand[i].ops->same_channels;
    }
    t->n_cands = n->n;
    return LT_OK;
}

/* ---- fields ---- */

struct reader {
    struct lt_space *s;
    const struct lt_yaml *map;
    struct lt_stage *t;
    const struct lt_scope *outer;
    int stage, b; /* number of the stage, of the block */
    int kind_gene;
    struct lt_err *e;
};

static bool per_stage(const struct lt_yaml *n) {
    const struct lt_yaml *p = n && n->kind == LT_YAML_MAP ? lt_yaml_get(n, "per") : NULL;

    return p && p->kind == LT_YAML_SCALAR && !strcmp(p->text, "stage");
}

/* Where candidate k has its value of a field: *own when in `blocks:`. */
static lt_status field_node(const struct reader *r, int k, const struct lt_cand *c, const char *key,
                            const struct lt_yaml **out, bool *own) {
    const struct lt_yaml *first = lt_yaml_get(r->map, "first"), *n = c->def ? lt_yaml_get(c->def, key) : NULL;

    (void)k;
    *own = n != NULL;
    if (!n && first && r->b == 0) n = lt_yaml_get(first, key);
    if (!n) n = lt_yaml_get(r->map, key);
    return lt_stage_each(n, r->b, r->t->n_sites, out, r->e);
}

static const struct lt_block_field *find_field(const struct lt_block_ops *ops, const char *key, int *index) {
    for (int f = 0; ops->fields[f].key; f++) {
        if (!strcmp(ops->fields[f].key, key)) {
            *index = f;
            return &ops->fields[f];
        }
    }
    return NULL;
}

static struct lt_rule rule_of(const struct lt_block_field *f) {
    return (struct lt_rule){
        f->type == LT_FIELD_INT, f->odd, true, f->min, f->max, f->type == LT_FIELD_NAME ? f->names : NULL};
}

/* Two kinds that share a value must agree on what it may be. */
static lt_status check_shared(const struct reader *r, const struct lt_yaml *n, const struct lt_block_field *a,
                              const struct lt_block_field *b, const struct lt_choice *c) {
    double min = b->min, max = b->max;

    if (a->type != b->type || a->names != b->names)
        return lt_yaml_fail(r->e, n, "means different things in the kinds of this stage; give it in `blocks:`");
    for (int i = 0; i < c->n && a->type != LT_FIELD_ACT; i++) {
        if (c->v[i] < min || c->v[i] > max)
            return lt_yaml_fail(r->e, n, "the value %.6g is outside %.6g..%.6g", c->v[i], min, max);
    }
    return LT_OK;
}

/* The candidates that take this field's value from the stage. */
static uint32_t sharing(const struct reader *r, const struct lt_site *site, const char *key) {
    uint32_t mask = 0;
    int f;

    for (int k = 0; k < r->t->n_cands; k++) {
        const struct lt_cand *c = &site->cand[k];

        if (find_field(c->ops, key, &f) && !(c->def && lt_yaml_get(c->def, key))) mask |= (uint32_t)1 << k;
    }
    return mask;
}

static lt_status scope_of(const struct reader *r, const struct lt_site *site, int k, bool own, bool stage_wide,
                          const char *key, char prefix[LT_NODE_NAME], struct lt_scope *sc, const struct lt_yaml *n) {
    const struct lt_stage *t = r->t;
    uint32_t mask = own ? (uint32_t)1 << k : sharing(r, site, key);
    const char *label = own && t->n_cands > 1 ? site->cand[k].label : NULL;

    *sc = *r->outer;
    if (t->is_stem || stage_wide)
        snprintf(prefix, LT_NODE_NAME, "%s%s%s", t->name, label ? "." : "", label ? label : "");
    else
        snprintf(prefix, LT_NODE_NAME, "%s.b%d%s%s", t->name, r->b, label ? "." : "", label ? label : "");
    sc->prefix = prefix;
    sc->index = stage_wide ? -1 : r->b;
    sc->count = t->n_sites;
    if (!stage_wide && !t->is_stem) lt_stage_block_cond(t, r->b, sc->cond, &sc->n_conds);
    if (t->n_cands > 1 && mask != (uint32_t)(((uint64_t)1 << t->n_cands) - 1)) {
        struct lt_cond c = {.gene = r->kind_gene};

        if (stage_wide && t->kind_gene < 0)
            return lt_yaml_fail(r->e, n, "one choice a stage cannot belong to kinds that are chosen block by block");
        if (sc->n_conds == LT_MAX_CONDS) return lt_yaml_fail(r->e, n, "more than %d conditions together", LT_MAX_CONDS);
        for (int i = 0; i < t->n_cands; i++) {
            if (mask >> i & 1) lt_cond_add(&c, i);
        }
        sc->cond[sc->n_conds++] = c;
    }
    return LT_OK;
}

static lt_status add_item(const struct reader *r, struct lt_item *item, int gene, char letter) {
    if (item->n == LT_MAX_ITEM_GENES)
        return lt_yaml_fail(r->e, r->map, "more than %d choices in one block", LT_MAX_ITEM_GENES);
    item->part[item->n].gene = gene;
    item->part[item->n++].letter = letter;
    return LT_OK;
}

static lt_status read_field(const struct reader *r, struct lt_site *site, int k, int f) {
    struct lt_cand *c = &site->cand[k];
    const struct lt_block_field *field = &c->ops->fields[f];
    const struct lt_rule rule = rule_of(field);
    const struct lt_yaml *n;
    enum lt_act act = r->s->act;
    char prefix[LT_NODE_NAME];
    struct lt_scope sc;
    bool own, wide;
    lt_status st;
    int other;

    if ((st = field_node(r, k, c, field->key, &n, &own))) return st;
    wide = per_stage(n);
    if (n && !own) { /* an earlier candidate may have read it already */
        for (int j = 0; j < k; j++) {
            if (!(sharing(r, site, field->key) >> j & 1) || !find_field(site->cand[j].ops, field->key, &other))
                continue;
            c->field[f] = site->cand[j].field[other];
            c->field[f].own = false;
            return check_shared(r, n, &site->cand[j].ops->fields[other], field, &c->field[f]);
        }
    }
    if (wide && r->b > 0) { /* and the stage's first block, what is the same for all */
        c->field[f] = r->t->site[0].cand[k].field[f];
        c->field[f].own = false;
        return LT_OK;
    }
    if (field->type == LT_FIELD_ACT) {
        if (field->has_act) act = (enum lt_act)field->dflt;
        if (n && (st = lt_read_act(n, &act, r->e))) return st;
        lt_value_const(&c->field[f], r->s->arena, act, n ? n : r->map);
    } else if (n) {
        if ((st = scope_of(r, site, k, own, wide, field->key, prefix, &sc, n)) ||
            (st = lt_value_read(&sc, n, field->key, &rule, &c->field[f], r->e)))
            return st;
        if (c->field[f].own) return add_item(r, wide ? &r->t->item : &site->item, c->field[f].gene, field->letter);
    } else if (field->required) {
        return lt_yaml_fail(r->e, c->def ? c->def : r->map, "'%s' is missing: %s", field->key, field->help);
    } else {
        lt_value_const(&c->field[f], r->s->arena, field->dflt, r->map);
    }
    return c->field[f].v || c->field[f].expr ? LT_OK : lt_fail(r->e, LT_ENOMEM, "%s: out of memory", r->s->file);
}

/* The gene that chooses the kind, for a block or (b < 0) for the stage. */
static lt_status kind_gene(const struct reader *r, const struct lt_cand *cand, int b, int *gene) {
    struct lt_stage *t = r->t;
    const char *label[LT_MAX_CANDS];
    struct lt_gene_spec spec = {.n = t->n_cands,
                                .label = label,
                                .n_conds = t->n_conds,
                                .line = r->map->line,
                                .col = r->map->col,
                                .file = r->map->file};
    char name[LT_NODE_NAME];
    lt_status st;

    for (int k = 0; k < t->n_cands; k++) label[k] = cand[k].label;
    memcpy(spec.cond, t->cond, sizeof(spec.cond));
    if (b < 0 || t->is_stem) {
        snprintf(name, sizeof(name), "%s.block", t->name);
    } else {
        snprintf(name, sizeof(name), "%s.b%d.block", t->name, b);
        lt_stage_block_cond(t, b, spec.cond, &spec.n_conds);
    }
    spec.name = name;
    if ((st = lt_space_add_gene(r->s, &spec, gene, r->e))) return st;
    return add_item(r, b < 0 ? &t->item : &t->site[b].item, *gene, 0);
}

/* A block as a link of the chain. */
static lt_status add_segment(const struct reader *r, const struct lt_site *site) {
    const struct lt_stage *t = r->t;
    struct lt_segment seg = {.name = t->name, .file = t->file, .line = t->line, .col = t->col, .n_conds = t->n_conds};
    int gene[LT_MAX_GENES], n = 0;

    memcpy(seg.cond, t->cond, sizeof(seg.cond));
    if (!t->is_stem) lt_stage_block_cond(t, r->b, seg.cond, &seg.n_conds);
    lt_choice_genes(r->s, &site->channels, gene, &n);
    if (!site->channels.exact) lt_choice_genes(r->s, &r->s->width, gene, &n);
    if (r->kind_gene >= 0) gene[n++] = r->kind_gene;
    for (int k = 0; k < t->n_cands; k++) {
        for (int f = 0; site->cand[k].ops->fields[f].key; f++) lt_choice_genes(r->s, &site->cand[k].field[f], gene, &n);
    }
    seg.gene = gene;
    seg.n_genes = n;
    seg.user[0] = r->stage;
    seg.user[1] = r->b;
    seg.user[2] = r->kind_gene;
    return lt_space_add_segment(r->s, &seg, r->e);
}

static lt_status read_block(struct reader *r, const struct lt_cand *cand) {
    struct lt_site *site = &r->t->site[r->b];
    lt_status st;

    r->kind_gene = r->t->kind_gene;
    if (!(site->cand = lt_arena_alloc(r->s->arena, (size_t)r->t->n_cands * sizeof(*cand))))
        return lt_fail(r->e, LT_ENOMEM, "%s: out of memory", r->s->file);
    memcpy(site->cand, cand, (size_t)r->t->n_cands * sizeof(*cand));
    if (r->t->n_cands > 1 && r->kind_gene < 0 && (st = kind_gene(r, cand, r->b, &r->kind_gene))) return st;
    for (int k = 0; k < r->t->n_cands; k++) {
        for (int f = 0; cand[k].ops->fields[f].key; f++) {
            if ((st = read_field(r, site, k, f))) return st;
        }
    }
    if (site->channels.gene >= 0 && !r->t->one_channels && (st = add_item(r, &site->item, site->channels.gene, 'c')))
        return st;
    if (site->item.n) r->t->site_items = true;
    return add_segment(r, site);
}

lt_status lt_stage_read_blocks(struct lt_space *s, const struct lt_yaml *map, struct lt_stage *t,
                               const struct lt_cand *cand, bool per_stage_kind, const struct lt_scope *sc, int stage,
                               struct lt_err *e) {
    struct reader r = {.s = s, .map = map, .t = t, .outer = sc, .stage = stage, .e = e};
    lt_status st;

    if (t->n_cands > 1 && per_stage_kind && (st = kind_gene(&r, cand, -1, &t->kind_gene))) return st;
    for (r.b = 0; r.b < t->n_sites; r.b++) {
        if ((st = read_block(&r, cand))) return st;
    }
    return LT_OK;
}
