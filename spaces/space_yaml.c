/*
 * Reads a space from YAML (docs/formats/space.md). A value in brackets is a choice. Everything is checked here, with
 * the place in the file, so that the rest of the room works on sound numbers: types, ranges, ascending choices, unique
 * names, unknown keys.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "spaces/space_priv.h"

#define MAX_NAME 32

/* What a number may be. `list`: may it be a choice? */
struct rule {
    bool whole, odd, list;
    double min, max;
};

static const struct rule channels_rule = {true, false, true, 1, 16384};
static const struct rule depth_rule = {true, false, true, 1, 64};
static const struct rule resolution_rule = {true, false, true, 1, 4096};
static const struct rule width_rule = {false, false, true, 0.01, 16};

static lt_status read_number(const struct lt_yaml *n, const struct rule *r, double *out, struct lt_err *e) {
    char text[32];
    int64_t whole;
    lt_status s;
    double v;

    if (r->whole) {
        if ((s = lt_yaml_int(n, (int64_t)r->min, (int64_t)r->max, &whole, e))) return s;
        if (r->odd && whole % 2 == 0) return lt_yaml_fail(e, n, "%d is even; a kernel must be odd", (int)whole);
        *out = (double)whole;
        return LT_OK;
    }
    if ((s = lt_yaml_double(n, "", r->min, r->max, &v, e))) return s;
    lt_value_print(v, text);
    /* Labels in arch strings must give back the very number. */
    if (strchr(text, 'e') || strtod(text, NULL) != v)
        return lt_yaml_fail(e, n, "%s has more than 6 significant digits", n->text);
    *out = v;
    return LT_OK;
}

static lt_status read_choice(const struct lt_yaml *n, const struct rule *r, struct lt_choice *out, struct lt_err *e) {
    struct lt_choice c = {.n = 1, .gene = -1, .line = n->line, .col = n->col};
    lt_status s;

    if (n->kind != LT_YAML_SEQ) {
        if ((s = read_number(n, r, &c.v[0], e))) return s;
        *out = c;
        return LT_OK;
    }
    if (!r->list) return lt_yaml_fail(e, n, "this cannot be a choice; give one value");
    if (n->n < 1) return lt_yaml_fail(e, n, "an empty list is no choice; give at least one value");
    if (n->n > LT_MAX_CHOICES) return lt_yaml_fail(e, n, "%d choices, at most %d are possible", n->n, LT_MAX_CHOICES);
    for (c.n = 0; c.n < n->n; c.n++) {
        if ((s = read_number(n->child[c.n], r, &c.v[c.n], e))) return s;
        if (c.n && c.v[c.n] <= c.v[c.n - 1])
            return lt_yaml_fail(e, n->child[c.n], "%.6g after %.6g: choices must be listed in ascending order",
                                c.v[c.n], c.v[c.n - 1]);
    }
    *out = c;
    return LT_OK;
}

static lt_status required(const struct lt_yaml *map, const char *key, const struct lt_yaml **out, struct lt_err *e) {
    if (!(*out = lt_yaml_get(map, key))) return lt_yaml_fail(e, map, "'%s' is missing", key);
    return LT_OK;
}

static lt_status read_required(const struct lt_yaml *map, const char *key, const struct rule *r, struct lt_choice *out,
                               struct lt_err *e) {
    const struct lt_yaml *n;
    lt_status s = required(map, key, &n, e);

    return s ? s : read_choice(n, r, out, e);
}

/* A whole number that is no choice. */
static lt_status read_int(const struct lt_yaml *map, const char *key, int min, int max, int dflt, int *out,
                          struct lt_err *e) {
    const struct lt_yaml *n = lt_yaml_get(map, key);
    struct lt_choice c;
    lt_status s;

    if (!n) {
        if (dflt < min) return lt_yaml_fail(e, map, "'%s' is missing", key);
        *out = dflt;
        return LT_OK;
    }
    if ((s = read_choice(n, &(struct rule){true, false, false, min, max}, &c, e))) return s;
    *out = (int)c.v[0];
    return LT_OK;
}

static lt_status read_act(const struct lt_yaml *n, enum lt_act *out, struct lt_err *e) {
    const char *names[LT_N_ACTS + 1] = {NULL}, *near;
    lt_status s;

    if (n->kind == LT_YAML_SEQ) return lt_yaml_fail(e, n, "an activation cannot be a choice; give one name");
    if ((s = lt_yaml_expect(n, LT_YAML_SCALAR, e))) return s;
    if (lt_act_parse(n->text, out)) return LT_OK;
    for (int i = 0; i < LT_N_ACTS; i++) names[i] = lt_act_name((enum lt_act)i);
    near = lt_nearest(n->text, names);
    return lt_yaml_fail(
        e, n, "unknown activation '%s'%s%s%s; there are none, relu, relu6, hswish, hsigmoid, sigmoid, silu, tanh",
        n->text, near ? ", did you mean '" : "", near ? near : "", near ? "'" : "");
}

/* Names end up in node names, arch strings and file names: letters, digits, '_' (and '-', '.' where `dots`), starting
 * with a letter. */
static lt_status read_name(struct lt_space *s, const struct lt_yaml *n, bool dots, const char **out, struct lt_err *e) {
    lt_status st = lt_yaml_expect(n, LT_YAML_SCALAR, e);
    bool ok;

    if (st) return st;
    ok = isalpha((unsigned char)n->text[0]);
    for (const char *p = n->text; *p && ok; p++)
        ok = isalnum((unsigned char)*p) || *p == '_' || (dots && (*p == '-' || *p == '.'));
    if (!ok || strlen(n->text) > MAX_NAME)
        return lt_yaml_fail(e, n, "'%s' is no name: at most %d letters, digits%s and '_', starting with a letter",
                            n->text, MAX_NAME, dots ? ", '-', '.'" : "");
    if (!(*out = lt_arena_strdup(s->arena, n->text))) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    return LT_OK;
}

/* Two channel counts that are rounded to the same number at every width would be one network under two names. */
static lt_status check_rounding(const struct lt_space *s, const struct lt_yaml *n, const struct lt_choice *c,
                                struct lt_err *e) {
    for (int k = 1; k < c->n; k++) {
        bool same = true;

        for (int w = 0; w < s->width.n && same; w++)
            same = lt_make_divisible(c->v[k - 1] * s->width.v[w], s->divisor) ==
                   lt_make_divisible(c->v[k] * s->width.v[w], s->divisor);
        if (same)
            return lt_yaml_fail(e, n->child[k], "%d and %d channels are both rounded to %d (divisor: %d)",
                                (int)c->v[k - 1], (int)c->v[k],
                                lt_make_divisible(c->v[k] * s->width.v[s->width.n - 1], s->divisor), s->divisor);
    }
    return LT_OK;
}

static lt_status read_channels(const struct lt_space *s, const struct lt_yaml *map, struct lt_choice *out,
                               struct lt_err *e) {
    lt_status st = read_required(map, "channels", &channels_rule, out, e);

    return st ? st : check_rounding(s, lt_yaml_get(map, "channels"), out, e);
}

static lt_status read_block_kind(const struct lt_yaml *map, const struct lt_block_ops **out, struct lt_err *e) {
    const char *names[64] = {NULL}, *near;
    const struct lt_yaml *n;
    struct lt_buf all = LT_BUF_INIT;
    lt_status s;

    if ((s = required(map, "block", &n, e)) || (s = lt_yaml_expect(n, LT_YAML_SCALAR, e))) return s;
    for (int i = 0; i < lt_block_count() && i < 63; i++) {
        names[i] = lt_block_at(i)->name;
        if (!strcmp(names[i], n->text)) {
            *out = lt_block_at(i);
            return LT_OK;
        }
    }
    for (int i = 0; names[i]; i++) lt_buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    near = lt_nearest(n->text, names);
    if (!(s = lt_buf_ok(&all, e)))
        s = lt_yaml_fail(e, n, "unknown block '%s'%s%s%s; there are %s", n->text, near ? ", did you mean '" : "",
                         near ? near : "", near ? "'" : "", all.data);
    lt_buf_release(&all);
    return s;
}

static lt_status read_fields(const struct lt_space *s, const struct lt_yaml *map, struct lt_stage *t,
                             struct lt_err *e) {
    lt_status st;

    for (const struct lt_block_field *f = t->block->fields; f->key; f++) {
        struct lt_choice *c = &t->field[t->n_fields++];
        const struct lt_yaml *n = lt_yaml_get(map, f->key);
        enum lt_act act = s->act;

        *c = (struct lt_choice){.n = 1, .v = {f->dflt}, .gene = -1, .line = map->line, .col = map->col};
        if (f->type == LT_FIELD_ACT) {
            if (n && (st = read_act(n, &act, e))) return st;
            c->v[0] = (double)act;
        } else if (n) {
            if ((st = read_choice(n, &(struct rule){f->type == LT_FIELD_INT, f->odd, true, f->min, f->max}, c, e)))
                return st;
        } else if (f->required) {
            return lt_yaml_fail(e, map, "'%s' is missing: %s", f->key, f->help);
        }
    }
    return LT_OK;
}

static lt_status read_stage(struct lt_space *s, const struct lt_yaml *map, bool is_stem, struct lt_err *e) {
    static const char *const common[] = {"block", "channels", "stride", "name",
                                         "depth"}; /* the stem has the first three */
    const char *known[LT_MAX_FIELDS + 6] = {NULL};
    struct lt_stage *t = &s->stage[s->n_stages];
    const struct lt_yaml *n;
    int n_known = 0;
    lt_status st;

    if ((st = lt_yaml_expect(map, LT_YAML_MAP, e))) return st;
    *t = (struct lt_stage){.name = "stem",
                           .is_stem = is_stem,
                           .line = map->line,
                           .col = map->col,
                           .depth = {.n = 1, .v = {1}, .gene = -1}};
    if ((st = read_block_kind(map, &t->block, e))) return st;
    for (int i = 0; i < (is_stem ? 3 : 5); i++) known[n_known++] = common[i];
    for (const struct lt_block_field *f = t->block->fields; f->key; f++) known[n_known++] = f->key;
    if ((st = lt_yaml_known(map, known, e))) return st;
    if (!is_stem) {
        static const char *const reserved[] = {"stem", "head", "image", "gap", "fc"};

        if ((st = required(map, "name", &n, e)) || (st = read_name(s, n, false, &t->name, e))) return st;
        for (int i = 0; i < 5; i++) {
            if (!strcmp(t->name, reserved[i]))
                return lt_yaml_fail(e, n, "'%s' is not free for a stage: it names another part of the network",
                                    t->name);
        }
        for (int i = 0; i < s->n_stages; i++) {
            if (!strcmp(t->name, s->stage[i].name)) return lt_yaml_fail(e, n, "two stages are called '%s'", t->name);
        }
        if ((st = read_required(map, "depth", &depth_rule, &t->depth, e))) return st;
    }
    if ((st = read_channels(s, map, &t->channels, e)) || (st = read_int(map, "stride", 1, 8, 1, &t->stride, e)) ||
        (st = read_fields(s, map, t, e)))
        return st;
    s->n_stages++;
    return LT_OK;
}

static lt_status read_stages(struct lt_space *s, const struct lt_yaml *root, struct lt_err *e) {
    const struct lt_yaml *n = lt_yaml_get(root, "stem");
    lt_status st;

    if (n && (st = read_stage(s, n, true, e))) return st;
    if ((st = required(root, "stages", &n, e)) || (st = lt_yaml_expect(n, LT_YAML_SEQ, e))) return st;
    if (n->n < 1) return lt_yaml_fail(e, n, "there must be at least one stage");
    if (n->n > LT_MAX_STAGES - 1)
        return lt_yaml_fail(e, n, "%d stages, at most %d are possible", n->n, LT_MAX_STAGES - 1);
    for (int i = 0; i < n->n; i++) {
        if ((st = read_stage(s, n->child[i], false, e))) return st;
    }
    return LT_OK;
}

static lt_status read_head(struct lt_space *s, const struct lt_yaml *head, struct lt_err *e) {
    static const char *const known[] = {"channels", "act", NULL};
    const struct lt_yaml *n;
    lt_status st;

    if (!head) return LT_OK;
    if ((st = lt_yaml_expect(head, LT_YAML_MAP, e)) || (st = lt_yaml_known(head, known, e)) ||
        (st = read_channels(s, head, &s->head, e)))
        return st;
    s->head_act = s->act;
    s->has_head = true;
    n = lt_yaml_get(head, "act");
    return n ? read_act(n, &s->head_act, e) : LT_OK;
}

static lt_status read_space(struct lt_space *s, const struct lt_yaml *root, struct lt_err *e) {
    static const char *const known[] = {"schema",  "name",  "about", "input",  "classes", "act",
                                        "divisor", "width", "stem",  "stages", "head",    NULL};
    static const char *const known_input[] = {"channels", "resolution", NULL};
    const struct lt_yaml *n;
    lt_status st;
    int schema;

    if ((st = lt_yaml_expect(root, LT_YAML_MAP, e))) return st;
    if ((st = read_int(root, "schema", 1, 1, 1, &schema, e)))
        return st; /* a newer schema is said to be newer, not full of unknown keys */
    if ((st = lt_yaml_known(root, known, e)) || (st = required(root, "schema", &n, e))) return st;
    if ((st = required(root, "name", &n, e)) || (st = read_name(s, n, true, &s->name, e))) return st;
    if ((n = lt_yaml_get(root, "about")) && (st = lt_yaml_expect(n, LT_YAML_SCALAR, e))) return st;
    if ((st = required(root, "input", &n, e)) || (st = lt_yaml_expect(n, LT_YAML_MAP, e)) ||
        (st = lt_yaml_known(n, known_input, e)))
        return st;
    if ((st = read_int(n, "channels", 1, 1024, 0, &s->in_channels, e)) ||
        (st = read_required(n, "resolution", &resolution_rule, &s->resolution, e)))
        return st;
    if ((st = read_int(root, "classes", 2, 65536, 0, &s->classes, e)) ||
        (st = read_int(root, "divisor", 1, 256, 8, &s->divisor, e)))
        return st;
    s->act = LT_ACT_RELU;
    if ((n = lt_yaml_get(root, "act")) && (st = read_act(n, &s->act, e))) return st;
    s->width = (struct lt_choice){.n = 1, .v = {1}, .gene = -1};
    if ((n = lt_yaml_get(root, "width")) && (st = read_choice(n, &width_rule, &s->width, e))) return st;
    if ((st = read_stages(s, root, e)) || (st = read_head(s, lt_yaml_get(root, "head"), e))) return st;
    return lt_space_finish(s, e);
}

lt_status lt_space_parse_yaml(const struct lt_yaml *root, struct lt_space **out, struct lt_err *e) {
    struct lt_arena *arena = lt_arena_new();
    struct lt_space *s = arena ? lt_arena_alloc(arena, sizeof(*s)) : NULL;
    lt_status st;

    if (!s || !(s->file = lt_arena_strdup(arena, root->file ? root->file : "space"))) {
        lt_arena_free(arena);
        return lt_fail(e, LT_ENOMEM, "space: out of memory");
    }
    s->arena = arena;
    if ((st = read_space(s, root, e))) {
        lt_space_free(s);
        return st;
    }
    *out = s;
    return LT_OK;
}
