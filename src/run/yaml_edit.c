/* Room: run. See yaml_edit.h. */
#include "run/yaml_edit.h"
#include "lathe/mem.h"

#include <string.h>

struct lt_yaml_edit {
    struct lt_yaml *base;       /* as parsed */
    const struct lt_yaml *root; /* base or its latest changed copy */
    struct lt_arena *arena;     /* changed nodes and their child lists */
    int n_parsed;
    struct lt_yaml **parsed; /* values of --set and of missing sections */
};

lt_status lt_yaml_edit_load(const char *path, struct lt_yaml_edit **out, struct lt_err *e) {
    struct lt_yaml_edit *d = lt_calloc(1, sizeof(*d));
    lt_status s = LT_OK;
    if (!d || !(d->arena = lt_arena_new())) s = lt_fail(e, LT_ENOMEM, "%s", path);
    if (!s) s = lt_yaml_load(path, &d->base, e);
    if (!s) s = lt_yaml_expect(d->base, LT_YAML_MAP, e);
    if (s) {
        lt_yaml_edit_free(d);
        return s;
    }
    d->root = d->base;
    *out = d;
    return LT_OK;
}

void lt_yaml_edit_free(struct lt_yaml_edit *d) {
    if (!d) return;
    for (int i = 0; i < d->n_parsed; i++) lt_yaml_free(d->parsed[i]);
    lt_free(d->parsed);
    lt_yaml_free(d->base);
    lt_arena_free(d->arena);
    lt_free(d);
}

const struct lt_yaml *lt_yaml_edit_root(const struct lt_yaml_edit *d) { return d->root; }

lt_status lt_yaml_edit_parse(struct lt_yaml_edit *d, const char *name, const char *text, const struct lt_yaml **out,
                             struct lt_err *e) {
    struct lt_yaml **p = lt_realloc(d->parsed, (size_t)(d->n_parsed + 1) * sizeof(struct lt_yaml *));
    if (!p) return lt_fail(e, LT_ENOMEM, "%s", name);
    d->parsed = p;
    lt_status s = lt_yaml_parse(name, text, strlen(text), &d->parsed[d->n_parsed], e);
    if (s) return s;
    *out = d->parsed[d->n_parsed++];
    return LT_OK;
}

/* A copy of `map` (NULL: an empty one placed like `like`) with room for one more child. */
static lt_status copy_map(struct lt_yaml_edit *d, const struct lt_yaml *map, const struct lt_yaml *like,
                          struct lt_yaml **out, struct lt_yaml ***child, struct lt_err *e) {
    struct lt_yaml *m = lt_arena_alloc(d->arena, sizeof(*m));
    int n = map ? map->n : 0;
    struct lt_yaml **c = lt_arena_alloc(d->arena, (size_t)(n + 1) * sizeof(struct lt_yaml *));
    if (!m || !c) return lt_fail(e, LT_ENOMEM, "changed experiment");
    *m = map ? *map : *like;
    m->kind = LT_YAML_MAP;
    m->text = NULL;
    m->n = n;
    for (int i = 0; i < n; i++) c[i] = map->child[i];
    m->child = c;
    *out = m;
    *child = c;
    return LT_OK;
}

/* map with key `path[0..len)` replaced by a new value; recursion over the parts of the path. */
static lt_status set_in(struct lt_yaml_edit *d, const struct lt_yaml *map, const char *path,
                        const struct lt_yaml *value, const struct lt_yaml **out, struct lt_err *e) {
    const char *dot = strchr(path, '.');
    size_t len = dot ? (size_t)(dot - path) : strlen(path);
    struct lt_yaml *m, **child, *v;
    if (!len) return lt_fail(e, LT_EINVAL, "--set %s: a key is empty", path);
    char *key = lt_arena_alloc(d->arena, len + 1);
    if (!key) return lt_fail(e, LT_ENOMEM, "--set");
    memcpy(key, path, len);
    key[len] = 0;
    if (map && map->kind == LT_YAML_NULL) map = NULL;
    if (map && map->kind != LT_YAML_MAP) return lt_yaml_fail(e, map, "--set goes into a map, and this is none");
    lt_status s = copy_map(d, map, map ? map : value, &m, &child, e);
    if (s) return s;
    int at = 0;
    while (at < m->n && strcmp(child[at]->key ? child[at]->key : "", key)) at++;
    const struct lt_yaml *inner = value;
    if (dot && (s = set_in(d, at < m->n ? child[at] : NULL, dot + 1, value, &inner, e))) return s;
    if (!(v = lt_arena_alloc(d->arena, sizeof(*v)))) return lt_fail(e, LT_ENOMEM, "--set");
    *v = *inner;
    v->key = key;
    v->key_line = value->line;
    v->key_col = value->col;
    if (dot && at < m->n) {
        v->key_line = child[at]->key_line;
        v->key_col = child[at]->key_col;
    }
    child[at] = v;
    if (at == m->n) m->n++;
    *out = m;
    return LT_OK;
}

lt_status lt_yaml_edit_set(struct lt_yaml_edit *d, const char *assignment, struct lt_err *e) {
    const char *eq = strchr(assignment, '=');
    const struct lt_yaml *value;
    lt_status s;
    if (!eq || eq == assignment) return lt_fail(e, LT_EINVAL, "--set %s: expected section.key=value", assignment);
    if (!eq[1 + strspn(eq + 1, " \t")])
        return lt_fail(e, LT_EINVAL, "--set %s: a value is missing after '='", assignment);
    size_t len = (size_t)(eq - assignment);
    char *path = lt_arena_alloc(d->arena, len + 1), *name = lt_arena_alloc(d->arena, len + 8);
    if (!path || !name) return lt_fail(e, LT_ENOMEM, "--set");
    memcpy(path, assignment, len);
    path[len] = 0;
    memcpy(name, "--set ", 6);
    memcpy(name + 6, path, len + 1);
    if ((s = lt_yaml_edit_parse(d, name, eq + 1, &value, e))) return s;
    return set_in(d, d->root, path, value, &d->root, e);
}

lt_status lt_yaml_edit_without(struct lt_yaml_edit *d, const struct lt_yaml *map, const char *const *keys,
                               const struct lt_yaml **out, struct lt_err *e) {
    struct lt_yaml *m, **child;
    lt_status s = copy_map(d, map, map, &m, &child, e);
    if (s) return s;
    int n = 0;
    for (int i = 0; i < map->n; i++) {
        bool drop = false;
        for (int k = 0; keys[k]; k++) drop = drop || !strcmp(keys[k], map->child[i]->key);
        if (!drop) child[n++] = map->child[i];
    }
    m->n = n;
    *out = m;
    return LT_OK;
}
