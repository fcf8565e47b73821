/* Reads `stem:`, `blocks:` and `stages:` (docs/space-language.md): the stages themselves. */
#include <stdio.h>
#include <string.h>
#include "spaces/stages.h"

static const struct lt_rule depth_rule = {.whole = true, .list = true, .min = 1, .max = LT_MAX_DEPTH};

lt_status lt_stage_each(const struct lt_yaml *n, int b, int n_blocks, const struct lt_yaml **out, struct lt_err *e) {
    static const char *const known[] = {"each", NULL};
    const struct lt_yaml *list = n && n->kind == LT_YAML_MAP ? lt_yaml_get(n, "each") : NULL;
    lt_status st;

    *out = n;
    if (!list) return LT_OK;
    if ((st = lt_yaml_known(n, known, e)) || (st = lt_yaml_expect(list, LT_YAML_SEQ, e))) return st;
    if (list->n != n_blocks)
        return lt_yaml_fail(e, list, "%d values for the %d blocks of the deepest network", list->n, n_blocks);
    *out = list->child[b];
    return LT_OK;
}

/* ---- keys ---- */

static lt_status check_keys(const struct lt_yaml *map, const struct lt_cand *cand, int n, bool is_stem, bool is_first,
                            struct lt_err *e) {
    static const char *const common[] = {"block", "channels", "stride", "name", "depth", "when", "first", "tap"};
    const char *known[8 + LT_MAX_CANDS * LT_MAX_FIELDS + 1] = {NULL};
    int k = 0;

    for (int i = 0; !is_first && i < (is_stem ? 3 : 8); i++) known[k++] = common[i];
    for (int c = 0; c < n; c++) {
        bool again = false; /* each kind's keys once */

        for (int j = 0; j < c; j++) again = again || cand[j].ops == cand[c].ops;
        for (const struct lt_block_field *f = cand[c].ops->fields; f->key && !again; f++) known[k++] = f->key;
    }
    return lt_yaml_known(map, known, e);
}

static lt_status read_stage_name(struct lt_space *s, struct lt_stages *all, const struct lt_yaml *map,
                                 const struct lt_scope *sc, const char **out, struct lt_err *e) {
    static const char *const reserved[] = {"stem", "head", "image", "gap", "fc", "resolution", "width"};
    const struct lt_yaml *n;
    struct lt_yaml filled;
    char text[256], var[80];
    const char *at;
    lt_status st;

    if ((st = lt_read_required(map, "name", &n, e)) || (st = lt_yaml_expect(n, LT_YAML_SCALAR, e))) return st;
    filled = *n;
    if (sc->repeat_name) { /* {i} is the number of the repetition */
        snprintf(var, sizeof(var), "{%s}", sc->repeat_name);
        if (!(at = strstr(n->text, var)))
            return lt_yaml_fail(e, n, "the name of a repeated stage must hold %s, or all would be called alike", var);
        snprintf(text, sizeof(text), "%.*s%d%s", (int)(at - n->text), n->text, (int)sc->repeat_value, at + strlen(var));
        filled.text = text;
    }
    if ((st = lt_read_name(s, &filled, false, out, e))) return st;
    for (int i = 0; i < 7; i++) {
        if (!strcmp(*out, reserved[i]))
            return lt_yaml_fail(e, n, "'%s' is not free for a stage: it names another part of the network", *out);
    }
    for (int i = 0; i < all->n; i++) {
        if (!strcmp(*out, all->stage[i].name)) return lt_yaml_fail(e, n, "two stages are called '%s'", *out);
    }
    return LT_OK;
}

static lt_status read_depth(const struct lt_scope *sc, const struct lt_yaml *map, struct lt_stage *t,
                            struct lt_err *e) {
    const struct lt_yaml *n;
    lt_status st;

    if ((st = lt_read_required(map, "depth", &n, e)) || (st = lt_value_read(sc, n, "depth", &depth_rule, &t->depth, e)))
        return st;
    if (t->depth.expr || t->depth.conditional)
        return lt_yaml_fail(e, n, "a depth must follow from one choice that always exists");
    t->n_sites = (int)lt_choice_max(&t->depth);
    return LT_OK;
}

static lt_status read_channels(const struct lt_scope *sc, const struct lt_yaml *map, struct lt_stage *t,
                               struct lt_err *e) {
    const struct lt_yaml *n;
    lt_status st;

    if (t->same_channels && !lt_yaml_get(map, "channels")) {
        t->one_channels = true;
        lt_value_const(&t->channels, sc->s->arena, 0, map);
        return t->channels.v ? LT_OK : lt_fail(e, LT_ENOMEM, "%s: out of memory", map->file);
    }
    if ((st = lt_read_required(map, "channels", &n, e))) return st;
    t->one_channels = !(n->kind == LT_YAML_MAP && lt_yaml_get(n, "each"));
    if (!t->one_channels) {
        lt_value_const(&t->channels, sc->s->arena, 0, n);
        return t->channels.v ? LT_OK : lt_fail(e, LT_ENOMEM, "%s: out of memory", n->file);
    }
    return lt_channels_read(sc, n, &t->channels, e);
}

/* Strides and channels of every block. */
static lt_status read_sites(struct lt_space *s, const struct lt_yaml *map, struct lt_stage *t,
                            const struct lt_scope *outer, struct lt_err *e) {
    const struct lt_yaml *stride = lt_yaml_get(map, "stride"), *channels = lt_yaml_get(map, "channels"), *n;
    bool each = stride && stride->kind == LT_YAML_MAP;
    lt_status st;
    int64_t v;

    if (!(t->site = lt_arena_alloc(s->arena, (size_t)t->n_sites * sizeof(*t->site))))
        return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    for (int b = 0; b < t->n_sites; b++) {
        t->site[b].stride = 1;
        if (stride && (each || b == 0)) {
            if ((st = lt_stage_each(stride, b, t->n_sites, &n, e))) return st;
            if (n->kind == LT_YAML_SEQ) return lt_yaml_fail(e, n, "this cannot be a choice; give one value");
            if ((st = lt_yaml_int(n, 1, 32, &v, e))) return st;
            t->site[b].stride = (int)v;
        }
        t->site[b].channels = t->channels;
        t->site[b].channels.own = false;
        if (!t->one_channels) {
            struct lt_scope sc = *outer;
            char prefix[LT_NODE_NAME];

            snprintf(prefix, sizeof(prefix), "%s.b%d", t->name, b);
            sc.prefix = prefix;
            sc.index = b;
            sc.count = t->n_sites;
            if ((st = lt_stage_each(channels, b, t->n_sites, &n, e)) ||
                (st = lt_channels_read(&sc, n, &t->site[b].channels, e)))
                return st;
        }
    }
    return LT_OK;
}

static lt_status add_names(struct lt_space *s, const struct lt_stage *t, struct lt_err *e) {
    char name[LT_NODE_NAME];
    lt_status st;

    if (t->one_channels && (t->channels.expr || lt_choice_max(&t->channels) > 0)) {
        snprintf(name, sizeof(name), "%s.channels", t->name);
        if ((st = lt_space_add_named(s, name, &t->channels, NULL, e))) return st;
    }
    snprintf(name, sizeof(name), "%s.depth", t->name);
    return lt_space_add_named(s, name, &t->depth, NULL, e);
}

/* `tap: output` (of the stage) or `tap: expand` (inside its first block) is kept for a head that reads it. */
static lt_status read_tap(const struct lt_stages *all, const struct lt_yaml *map, struct lt_stage *t,
                          struct lt_err *e) {
    static const char *const names[] = {"none", "output", "expand", NULL};
    const struct lt_yaml *n = lt_yaml_get(map, "tap");
    lt_status st;

    if (!n) return LT_OK;
    if ((st = lt_yaml_pick(n, "tap", names, &t->tap, e))) return st;
    t->tap_slot = 1;
    for (int i = 0; i < all->n; i++) t->tap_slot += all->stage[i].tap != LT_TAP_NONE;
    if (t->tap_slot >= LT_MAX_CARRY) return lt_yaml_fail(e, n, "more than %d taps", LT_MAX_CARRY - 1);
    if (t->n_conds) return lt_yaml_fail(e, n, "a stage that may be missing cannot be tapped");
    return LT_OK;
}

static lt_status read_stage(struct lt_space *s, struct lt_stages *all, const struct lt_yaml *map, bool is_stem,
                            const struct lt_scope *outer, struct lt_err *e) {
    struct lt_stage *t = &all->stage[all->n];
    struct lt_scope sc = *outer;
    struct lt_cand cand[LT_MAX_CANDS];
    const struct lt_yaml *n;
    bool per_stage;
    lt_status st;

    if (all->n == LT_MAX_STAGES) return lt_yaml_fail(e, map, "more than %d stages", LT_MAX_STAGES - 1);
    if ((st = lt_yaml_expect(map, LT_YAML_MAP, e))) return st;
    *t = (struct lt_stage){.name = "stem",
                           .is_stem = is_stem,
                           .file = lt_space_file_of(s, map),
                           .line = map->line,
                           .col = map->col,
                           .kind_gene = -1,
                           .n_sites = 1};
    if (!t->file) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    if ((st = lt_stage_read_cands(s, map, t, cand, &per_stage, e)) ||
        (st = check_keys(map, cand, t->n_cands, is_stem, false, e)))
        return st;
    if ((n = lt_yaml_get(map, "first")) &&
        ((st = lt_yaml_expect(n, LT_YAML_MAP, e)) || (st = check_keys(n, cand, t->n_cands, is_stem, true, e))))
        return st;
    if (!is_stem && (st = read_stage_name(s, all, map, outer, &t->name, e))) return st;
    if ((n = lt_yaml_get(map, "when")) && (st = lt_when_read(s, n, &t->n_conds, t->cond, e))) return st;
    if (t->n_conds > 2) return lt_yaml_fail(e, n, "more than 2 conditions for a stage");
    if ((st = read_tap(all, map, t, e))) return st;
    sc.prefix = t->name;
    sc.n_conds = t->n_conds;
    memcpy(sc.cond, t->cond, sizeof(sc.cond));
    if ((st = read_channels(&sc, map, t, e))) return st;
    if (is_stem)
        lt_value_const(&t->depth, s->arena, 1, map);
    else if ((st = read_depth(&sc, map, t, e)))
        return st;
    if (!t->depth.v) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    if ((st = read_sites(s, map, t, &sc, e)) || (st = lt_stage_read_blocks(s, map, t, cand, per_stage, &sc, all->n, e)))
        return st;
    all->n++;
    return is_stem ? LT_OK : add_names(s, t, e);
}

/* {repeat: 3, as: i, stages: [...]}: i is 1, 2, 3 in names and expressions. */
static lt_status read_repeat(struct lt_space *s, struct lt_stages *all, const struct lt_yaml *map, struct lt_err *e) {
    static const char *const known[] = {"repeat", "as", "stages", NULL};
    struct lt_scope sc = {.s = s, .index = -1, .count = -1};
    const struct lt_yaml *n;
    lt_status st;
    int times;

    if ((st = lt_yaml_known(map, known, e)) || (st = lt_read_int(map, "repeat", 1, LT_MAX_STAGES, 0, &times, e)) ||
        (st = lt_read_required(map, "as", &n, e)) || (st = lt_read_name(s, n, false, &sc.repeat_name, e)) ||
        (st = lt_read_required(map, "stages", &n, e)) || (st = lt_yaml_expect(n, LT_YAML_SEQ, e)))
        return st;
    for (int i = 1; i <= times; i++) {
        sc.repeat_value = i;
        for (int k = 0; k < n->n; k++) {
            if ((st = read_stage(s, all, n->child[k], false, &sc, e))) return st;
        }
    }
    return LT_OK;
}

lt_status lt_stages_read(struct lt_space *s, const struct lt_yaml *root, void **body, struct lt_err *e) {
    const struct lt_scope sc = {.s = s, .index = -1, .count = -1};
    const struct lt_yaml *n = lt_yaml_get(root, "stem"), *blocks = lt_yaml_get(root, "blocks");
    struct lt_stages *all = lt_arena_alloc(s->arena, sizeof(*all));
    lt_status st;

    if (!all) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    if (blocks && (st = lt_yaml_expect(blocks, LT_YAML_MAP, e))) return st;
    if (n && (st = read_stage(s, all, n, true, &sc, e))) return st;
    if ((st = lt_read_required(root, "stages", &n, e)) || (st = lt_yaml_expect(n, LT_YAML_SEQ, e))) return st;
    if (n->n < 1) return lt_yaml_fail(e, n, "there must be at least one stage");
    for (int i = 0; i < n->n; i++) {
        const struct lt_yaml *map = n->child[i];

        st = lt_yaml_get(map, "repeat") ? read_repeat(s, all, map, e) : read_stage(s, all, map, false, &sc, e);
        if (st) return st;
    }
    *body = all;
    return LT_OK;
}
