/*
 * Reads a space from YAML (docs/space-language.md). A value in brackets is a choice. Everything is checked here, with
 * the place in the file, so that the rest of the room works on sound numbers: types, ranges, ascending choices, unique
 * names, unknown keys. What belongs to the body, the head or the table is read by their files.
 */
#include <ctype.h>
#include <string.h>
#include "spaces/space_priv.h"

static const struct lt_rule resolution_rule = {.whole = true, .list = true, .min = 1, .max = 4096};
static const struct lt_rule tokens_rule = {.whole = true, .list = true, .min = 1, .max = 1 << 20};
static const struct lt_rule width_rule = {.list = true, .min = 0.01, .max = 16};
static const struct lt_rule any_rule = {.list = true, .min = -1e9, .max = 1e9};

/* Is `name` decided below what has been read so far? */
bool lt_space_comes_later(const struct lt_space *s, const char *name) {
    const struct lt_yaml *choices = lt_yaml_get(s->root, "choices"), *stages = lt_yaml_get(s->root, "stages"), *n;
    const char *dot = strchr(name, '.');
    size_t len = dot ? (size_t)(dot - name) : strlen(name);

    if (!strcmp(name, "width") || !strcmp(name, "resolution")) return true;
    if (choices && lt_yaml_get(choices, name)) return true;
    for (int i = 0; dot && stages && stages->kind == LT_YAML_SEQ && i < stages->n; i++) {
        n = lt_yaml_get(stages->child[i], "name");
        if (n && n->kind == LT_YAML_SCALAR && strlen(n->text) == len && !memcmp(n->text, name, len)) return true;
    }
    return dot && !strncmp(name, "head.", 5);
}

/* ---- named choices ---- */

static lt_status read_word_choice(struct lt_space *s, const struct lt_yaml *n, struct lt_choice *out,
                                  struct lt_err *e) {
    const char **names = lt_arena_alloc(s->arena, ((size_t)n->n + 1) * sizeof(*names));
    const struct lt_scope sc = {.s = s, .index = -1, .count = -1};
    lt_status st;

    if (!names) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    for (int i = 0; i < n->n; i++) {
        if ((st = lt_read_name(s, n->child[i], false, &names[i], e))) return st;
    }
    return lt_value_read(&sc, n, n->key, &(struct lt_rule){.list = true, .names = names}, out, e);
}

static lt_status read_choices(struct lt_space *s, const struct lt_yaml *map, struct lt_err *e) {
    static const char *const taken[] = {"resolution", "width", "index", "count", "min",
                                        "max",        "floor", "ceil",  "round"};
    const struct lt_scope sc = {.s = s, .index = -1, .count = -1};
    lt_status st;

    if (!map) return LT_OK;
    if ((st = lt_yaml_expect(map, LT_YAML_MAP, e))) return st;
    for (int i = 0; i < map->n; i++) {
        const struct lt_yaml *n = map->child[i];
        struct lt_choice *c = lt_arena_alloc(s->arena, sizeof(*c));
        struct lt_yaml key = *n;
        const char *name;
        bool *used = lt_arena_alloc(s->arena, sizeof(*used));

        if (!c || !used) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
        key = (struct lt_yaml){
            .kind = LT_YAML_SCALAR, .file = n->file, .line = n->key_line, .col = n->key_col, .text = n->key};
        if ((st = lt_read_name(s, &key, false, &name, e))) return st;
        for (int k = 0; k < 9; k++) {
            if (!strcmp(name, taken[k])) return lt_yaml_fail(e, &key, "'%s' is not free for a choice", name);
        }
        if (n->kind == LT_YAML_SEQ && n->n && n->child[0]->kind == LT_YAML_SCALAR &&
            isalpha((unsigned char)n->child[0]->text[0]))
            st = read_word_choice(s, n, c, e);
        else
            st = lt_value_read(&sc, n, name, &any_rule, c, e);
        if (st || (st = lt_space_add_named(s, name, c, used, e))) return st;
        c->exact = false;
    }
    s->n_choices = s->n_named;
    return LT_OK;
}

/* A choice that nothing depends on would make many architectures of one. */
static lt_status check_used(const struct lt_space *s, const struct lt_yaml *choices, struct lt_err *e) {
    for (int i = 0; i < s->n_choices; i++) {
        const struct lt_yaml *n = choices->child[i];

        if (!*s->named[i].used)
            return lt_fail(e, LT_EINVAL, "%s:%d:%d: choices: nothing in the space depends on '%s'", n->file,
                           n->key_line, n->key_col, n->key);
    }
    return LT_OK;
}

/* ---- the root ---- */

static lt_status read_input(struct lt_space *s, const struct lt_yaml *n, struct lt_err *e) {
    static const char *const known[] = {"channels", "resolution", "tokens", NULL};
    const struct lt_scope sc = {.s = s, .index = -1, .count = -1};
    const struct lt_yaml *tokens;
    lt_status st;

    if ((st = lt_yaml_expect(n, LT_YAML_MAP, e)) || (st = lt_yaml_known(n, known, e))) return st;
    if ((tokens = lt_yaml_get(n, "tokens"))) {
        if (n->n > 1) return lt_yaml_fail(e, n, "either `tokens`, or `channels` and `resolution`");
        s->in_channels = s->tokens = 1;
        return lt_value_read(&sc, tokens, "tokens", &tokens_rule, &s->resolution, e);
    }
    if ((st = lt_read_int(n, "channels", 1, 1024, 0, &s->in_channels, e)) ||
        (st = lt_read_required(n, "resolution", &tokens, e)))
        return st;
    return lt_value_read(&sc, tokens, "resolution", &resolution_rule, &s->resolution, e);
}

static lt_status find_body(struct lt_space *s, const struct lt_yaml *root, struct lt_err *e) {
    static const char *const known[] = {"schema", "name", "about", "input",   "classes",  "act",     "divisor",
                                        "width",  "head", "table", "choices", "networks", "include", "override"};
    const char *keys[128] = {NULL};
    int n = 0;

    s->ops = lt_body_at(0);
    for (int i = 0; i < 14; i++) keys[n++] = known[i];
    for (int i = 0; i < lt_body_count(); i++) {
        const struct lt_body_ops *ops = lt_body_at(i);

        if (lt_yaml_get(root, ops->keys[0])) s->ops = ops;
    }
    for (int k = 0; s->ops->keys[k] && n < 127; k++) keys[n++] = s->ops->keys[k];
    return lt_yaml_known(root, keys, e);
}

static lt_status read_globals(struct lt_space *s, const struct lt_yaml *root, struct lt_err *e) {
    const struct lt_scope sc = {.s = s, .index = -1, .count = -1};
    const struct lt_yaml *n;
    lt_status st;

    if ((st = lt_read_required(root, "name", &n, e)) || (st = lt_read_name(s, n, true, &s->name, e))) return st;
    if ((n = lt_yaml_get(root, "about")) && (st = lt_yaml_expect(n, LT_YAML_SCALAR, e))) return st;
    if ((st = read_choices(s, lt_yaml_get(root, "choices"), e))) return st;
    if ((st = lt_read_required(root, "input", &n, e)) || (st = read_input(s, n, e))) return st;
    if ((st = lt_read_int(root, "classes", 2, 1 << 20, 0, &s->classes, e)) ||
        (st = lt_read_int(root, "divisor", 1, 256, 8, &s->divisor, e)))
        return st;
    s->act = LT_ACT_RELU;
    if ((n = lt_yaml_get(root, "act")) && (st = lt_read_act(n, &s->act, e))) return st;
    lt_value_const(&s->width, s->arena, 1, root);
    if (!s->width.v) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    if ((n = lt_yaml_get(root, "width")) && (st = lt_value_read(&sc, n, "width", &width_rule, &s->width, e))) return st;
    if ((st = lt_space_add_named(s, "resolution", &s->resolution, NULL, e))) return st;
    return lt_space_add_named(s, "width", &s->width, NULL, e);
}

static lt_status read_space(struct lt_space *s, const struct lt_yaml *root, struct lt_err *e) {
    const struct lt_yaml *n;
    lt_status st;
    int schema;

    if ((st = lt_yaml_expect(root, LT_YAML_MAP, e))) return st;
    if ((st = lt_read_int(root, "schema", 1, 1, 1, &schema, e)))
        return st; /* a newer schema is said to be newer, not full of unknown keys */
    s->root = root;
    if ((st = find_body(s, root, e)) || (st = lt_read_required(root, "schema", &n, e)) ||
        (st = read_globals(s, root, e)) || (st = s->ops->read(s, root, &s->body, e)) ||
        (st = lt_head_read(s, root, e)) || (st = check_used(s, lt_yaml_get(root, "choices"), e)) ||
        (st = lt_space_finish(s, e)) || (st = lt_table_read(s, root, e)) || (st = lt_networks_read(s, root, e)))
        return st;
    s->root = NULL;
    return LT_OK;
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
    if ((st = lt_space_include(arena, root, &root, e)) || (st = read_space(s, root, e))) {
        lt_space_free(s);
        return st;
    }
    *out = s;
    return LT_OK;
}
