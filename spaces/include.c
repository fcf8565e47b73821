/*
 * `include:` and `override:`. A file takes everything of the files that it includes (paths relative to it, the later
 * over the earlier), then its own keys over it: maps are merged key by key, everything else is replaced. `override:`
 * reaches into lists by name: {stages.s2.depth: [2, 3]}. Every node keeps the file and place that it was written at.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/file.h"
#include "spaces/space_priv.h"

enum { MAX_INCLUDED = 16 };
struct reader {
    struct lt_arena *arena;
    int depth;
    char *path[MAX_INCLUDED]; /* files being read, outermost first */
    int n_trees;
    struct lt_err *e;
};

static lt_status no_memory(const struct reader *r) {
    return lt_fail(r->e, LT_ENOMEM, "reading included files: out of memory");
}

/* A copy whose nodes and texts belong to the arena; the yaml tree may go. */
static struct lt_yaml *copy(struct reader *r, const struct lt_yaml *n, const char *file) {
    struct lt_yaml *c = lt_arena_alloc(r->arena, sizeof(*c)), **child = NULL;

    if (!c) return NULL;
    *c = *n;
    c->file = file;
    if ((n->key && !(c->key = lt_arena_strdup(r->arena, n->key))) ||
        (n->text && !(c->text = lt_arena_strdup(r->arena, n->text))))
        return NULL;
    if (!n->n) return c;
    if (!(child = lt_arena_alloc(r->arena, (size_t)n->n * sizeof(*child)))) return NULL;
    for (int i = 0; i < n->n; i++) {
        if (!(child[i] = copy(r, n->child[i], file))) return NULL;
    }
    c->child = child;
    return c;
}

static int find(const struct lt_yaml *map, const char *key) {
    for (int i = 0; map->kind == LT_YAML_MAP && i < map->n; i++) {
        if (!strcmp(map->child[i]->key, key)) return i;
    }
    return -1;
}

/* `over` on top of `base`: a new map; its own place is that of `over`. */
static struct lt_yaml *merge(struct reader *r, const struct lt_yaml *base, const struct lt_yaml *over) {
    struct lt_yaml *m = lt_arena_alloc(r->arena, sizeof(*m)), **child;

    child = m ? lt_arena_alloc(r->arena, (size_t)(base->n + over->n + 1) * sizeof(*child)) : NULL;
    if (!child) return NULL;
    *m = *over;
    m->n = 0;
    m->child = child;
    for (int i = 0; i < base->n; i++) {
        int k = find(over, base->child[i]->key);
        struct lt_yaml *old = base->child[i], *new = k < 0 ? NULL : over->child[k];

        if (new &&new->kind == LT_YAML_MAP && old->kind == LT_YAML_MAP && !(new = merge(r, old, new))) return NULL;
        child[m->n++] = new ? new : old;
    }
    for (int i = 0; i < over->n; i++) {
        if (find(base, over->child[i]->key) < 0) child[m->n++] = over->child[i];
    }
    return m;
}

static lt_status without(struct reader *r, const struct lt_yaml *map, const char *key, struct lt_yaml **out) {
    struct lt_yaml *m = lt_arena_alloc(r->arena, sizeof(*m)), **child;

    child = m ? lt_arena_alloc(r->arena, (size_t)(map->n + 1) * sizeof(*child)) : NULL;
    if (!child) return no_memory(r);
    *m = *map;
    m->n = 0;
    m->child = child;
    for (int i = 0; i < map->n; i++) {
        if (strcmp(map->child[i]->key, key)) child[m->n++] = map->child[i];
    }
    *out = m;
    return LT_OK;
}

/* ---- override ---- */

/* Which child a step of a path means: the key of a map, or the `name` of a member of a list. */
static int step(const struct lt_yaml *n, const char *word, size_t len) {
    for (int i = 0; i < n->n; i++) {
        const struct lt_yaml *name = n->kind == LT_YAML_MAP ? NULL : lt_yaml_get(n->child[i], "name");
        const char *text = n->kind == LT_YAML_MAP ? n->child[i]->key : name && name->text ? name->text : "";

        if (strlen(text) == len && !memcmp(text, word, len)) return i;
    }
    return -1;
}

/* A copy of n with what stands at `path` replaced (or, the last key of a map, added). */
static lt_status replace(struct reader *r, const struct lt_yaml *n, const char *path, const struct lt_yaml *value,
                         struct lt_yaml **out) {
    size_t len = strcspn(path, ".");
    struct lt_yaml *c = lt_arena_alloc(r->arena, sizeof(*c)), **child, *new;
    int at = step(n, path, len);
    lt_status st;

    child = c ? lt_arena_alloc(r->arena, (size_t)(n->n + 1) * sizeof(*child)) : NULL;
    if (!child) return no_memory(r);
    if (at < 0 && (path[len] || n->kind != LT_YAML_MAP))
        return lt_fail(r->e, LT_EINVAL, "%s:%d:%d: override: '%s': there is no '%.*s'", value->file, value->key_line,
                       value->key_col, value->key, (int)len, path);
    *c = *n;
    if (n->n) memcpy(child, n->child, (size_t)n->n * sizeof(*child));
    c->child = child;
    if (path[len]) {
        if ((st = replace(r, n->child[at], path + len + 1, value, &child[at]))) return st;
    } else {
        if (!(new = lt_arena_alloc(r->arena, sizeof(*new)))) return no_memory(r);
        *new = *value;
        new->key = n->kind == LT_YAML_MAP ? path : NULL;
        if (at < 0) at = c->n++;
        child[at] = new;
    }
    *out = c;
    return LT_OK;
}

static lt_status override(struct reader *r, struct lt_yaml **root) {
    const struct lt_yaml *map = lt_yaml_get(*root, "override");
    lt_status st;

    if (!map) return LT_OK;
    if ((st = lt_yaml_expect(map, LT_YAML_MAP, r->e)) || (st = without(r, *root, "override", root))) return st;
    for (int i = 0; i < map->n; i++) {
        if ((st = replace(r, *root, map->child[i]->key, map->child[i], root))) return st;
    }
    return LT_OK;
}

/* ---- include ---- */

static lt_status resolve(struct reader *r, const struct lt_yaml *root, struct lt_yaml **out);

static lt_status load(struct reader *r, const struct lt_yaml *at, struct lt_yaml **out) {
    const char *slash = at->file ? strrchr(at->file, '/') : NULL, *file;
    struct lt_yaml *tree = NULL, *own;
    char *path, *real = NULL;
    lt_status st;

    if ((st = lt_yaml_expect(at, LT_YAML_SCALAR, r->e))) return st;
    path = slash && at->text[0] != '/' ? lt_asprintf("%.*s/%s", (int)(slash - at->file), at->file, at->text)
                                       : lt_strdup(at->text);
    if (!path) return no_memory(r);
    if (!(real = realpath(path, NULL))) {
        st = lt_yaml_fail(r->e, at, "%s cannot be read", path);
        goto out;
    }
    for (int i = 0; i < r->depth; i++) {
        if (r->path[i] && !strcmp(r->path[i], real)) {
            st = lt_yaml_fail(r->e, at, "%s includes itself", path);
            goto out;
        }
    }
    if (r->depth == MAX_INCLUDED) {
        st = lt_yaml_fail(r->e, at, "files include each other more than %d deep", MAX_INCLUDED);
        goto out;
    }
    if (++r->n_trees > 64) {
        st = lt_yaml_fail(r->e, at, "more than 64 files");
        goto out;
    }
    if ((st = lt_yaml_load(path, &tree, r->e))) goto out;
    if (!(file = lt_arena_strdup(r->arena, path)) || !(own = copy(r, tree, file))) {
        st = no_memory(r);
        goto out;
    }
    r->path[r->depth++] = real;
    st = lt_yaml_expect(own, LT_YAML_MAP, r->e);
    if (!st) st = resolve(r, own, out);
    r->depth--;
out:
    lt_yaml_free(tree);
    free(real); /* realpath's */
    lt_free(path);
    return st;
}

static lt_status resolve(struct reader *r, const struct lt_yaml *root, struct lt_yaml **out) {
    const struct lt_yaml *list = lt_yaml_get(root, "include");
    struct lt_yaml *base = NULL, *own, *one, *all;
    lt_status st;
    int n = !list ? 0 : list->kind == LT_YAML_SEQ ? list->n : 1;

    if ((st = without(r, root, "include", &own))) return st;
    all = own;
    for (int i = 0; i < n; i++) {
        if ((st = load(r, list->kind == LT_YAML_SEQ ? list->child[i] : list, &one))) return st;
        if (!(base = base ? merge(r, base, one) : one)) return no_memory(r);
    }
    if (base && !(all = merge(r, base, own))) return no_memory(r);
    if ((st = override(r, &all))) return st;
    *out = all;
    return LT_OK;
}

lt_status lt_space_include(struct lt_arena *arena, const struct lt_yaml *root, const struct lt_yaml **out,
                           struct lt_err *e) {
    struct reader r = {.arena = arena, .depth = 1, .e = e};
    struct lt_yaml *all = NULL;
    lt_status st;

    if (root->kind != LT_YAML_MAP || (!lt_yaml_get(root, "include") && !lt_yaml_get(root, "override"))) return LT_OK;
    r.path[0] = root->file ? realpath(root->file, NULL) : NULL;
    st = resolve(&r, root, &all);
    free(r.path[0]); /* realpath's */
    if (!st) *out = all;
    return st;
}
