/*
 * Base room: YAML through libyaml's event parser into a tree that remembers places. Refused: duplicate keys, anchors,
 * aliases, tags, several documents, keys that are not plain text, more than 32 levels, 200,000 nodes, 10,000 keys in
 * one map or 16 MiB (so that hostile input can exhaust neither memory, stack nor patience).
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/opt.h"
#include "lathe/yaml.h"

enum { MAX_DEPTH = 32, MAX_NODES = 200000, MAX_KEYS = 10000, MAX_KEY = 256, MAX_BYTES = 16 << 20 };
struct root {
    struct lt_yaml node;
    struct lt_arena *arena;
};
struct builder {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    struct lt_arena *arena;
    const char *file, *text;
    size_t len;
    int depth, nodes;
    struct lt_err *e;
};

lt_status lt_yaml_fail(struct lt_err *e, const struct lt_yaml *at, const char *fmt, ...) {
    char text[900];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!at) return lt_fail(e, LT_EINVAL, "%s", text);
    return lt_fail(e, LT_EINVAL, "%s:%d:%d: %s%s%s", at->file, at->line, at->col, at->key ? at->key : "",
                   at->key ? ": " : "", text);
}

static lt_status no_memory(struct builder *b) { return lt_fail(b->e, LT_ENOMEM, "%s: out of memory", b->file); }

static lt_status next(struct builder *b) {
    if (b->has_event) yaml_event_delete(&b->event);
    b->has_event = false;
    if (!yaml_parser_parse(&b->parser, &b->event)) {
        if (b->parser.error == YAML_READER_ERROR) { /* bytes that are no text: libyaml says only at which byte */
            int line = 1, col = 1;
            for (size_t i = 0; i < b->len && i < b->parser.problem_offset; i++)
                col = b->text[i] == '\n' ? line++, 1 : col + 1;
            return lt_fail(b->e, LT_EINVAL, "%s:%d:%d: not YAML: %s", b->file, line, col, b->parser.problem);
        }
        const yaml_mark_t *m = b->parser.problem_mark.line || b->parser.problem_mark.column ? &b->parser.problem_mark
                                                                                            : &b->parser.context_mark;
        return lt_fail(b->e, b->parser.error == YAML_MEMORY_ERROR ? LT_ENOMEM : LT_EINVAL, "%s:%d:%d: not YAML: %s",
                       b->file, (int)m->line + 1, (int)m->column + 1,
                       b->parser.problem ? b->parser.problem : "unreadable");
    }
    b->has_event = true;
    return LT_OK;
}

static lt_status bad_here(struct builder *b, const char *what) {
    return lt_fail(b->e, LT_EINVAL, "%s:%d:%d: %s", b->file, (int)b->event.start_mark.line + 1,
                   (int)b->event.start_mark.column + 1, what);
}

struct children {
    struct lt_yaml **v;
    int n, cap;
};

static lt_status grow(struct builder *b, struct children *l, struct lt_yaml *c) {
    if (l->n == l->cap) {
        int cap = l->cap ? 2 * l->cap : 8;
        struct lt_yaml **v = lt_realloc(l->v, (size_t)cap * sizeof *v);
        if (!v) return no_memory(b);
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = c;
    return LT_OK;
}

static lt_status seal(struct builder *b, struct lt_yaml *n, const struct children *l) {
    n->n = l->n;
    if (!l->n) return LT_OK;
    struct lt_yaml **v = lt_arena_alloc(b->arena, (size_t)l->n * sizeof *v);
    if (!v) return no_memory(b);
    memcpy(v, l->v, (size_t)l->n * sizeof *v);
    n->child = v;
    return LT_OK;
}

static lt_status check_scalar(struct builder *b) {
    const yaml_event_t *v = &b->event;
    if (v->data.scalar.anchor) return bad_here(b, "anchors are not supported");
    if (v->data.scalar.tag) return bad_here(b, "tags are not supported");
    if (strlen((const char *)v->data.scalar.value) != v->data.scalar.length)
        return bad_here(b, "a NUL character inside a value");
    return LT_OK;
}

static lt_status build(struct builder *b, struct lt_yaml *n);

static lt_status build_children(struct builder *b, struct lt_yaml *n, bool map) {
    struct children l = {0};
    lt_status s;
    if (++b->depth > MAX_DEPTH) return bad_here(b, "nested deeper than 32 levels");
    for (;;) {
        if ((s = next(b))) goto out;
        if (b->event.type == (map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT)) break;
        struct lt_yaml *c = lt_arena_alloc(b->arena, sizeof *c);
        if (!c) {
            s = no_memory(b);
            goto out;
        }
        if (map) {
            if (b->event.type != YAML_SCALAR_EVENT) {
                s = bad_here(b, "a key must be plain text");
                goto out;
            }
            if ((s = check_scalar(b))) goto out;
            if (b->event.data.scalar.length > MAX_KEY || l.n == MAX_KEYS) {
                s = bad_here(b,
                             l.n == MAX_KEYS ? "more than 10000 keys in one map" : "a key of more than 256 characters");
                goto out;
            }
            if (!(c->key = lt_arena_strdup(b->arena, (const char *)b->event.data.scalar.value))) {
                s = no_memory(b);
                goto out;
            }
            c->key_line = (int)b->event.start_mark.line + 1;
            c->key_col = (int)b->event.start_mark.column + 1;
            for (int i = 0; i < l.n; i++) {
                if (strcmp(l.v[i]->key, c->key)) continue;
                s = lt_fail(b->e, LT_EINVAL, "%s:%d:%d: key '%s' was already given in line %d", b->file, c->key_line,
                            c->key_col, c->key, l.v[i]->key_line);
                goto out;
            }
            if ((s = next(b))) goto out;
        }
        if ((s = build(b, c)) || (s = grow(b, &l, c))) goto out;
    }
    s = seal(b, n, &l);
    b->depth--;
out:
    lt_free(l.v);
    return s;
}

/* The current event begins node n. */
static lt_status build(struct builder *b, struct lt_yaml *n) {
    const yaml_event_t *v = &b->event;
    lt_status s;
    n->file = b->file;
    n->line = (int)v->start_mark.line + 1;
    n->col = (int)v->start_mark.column + 1;
    if (++b->nodes > MAX_NODES) return bad_here(b, "more than 200000 values in one document");
    switch (v->type) {
    case YAML_SCALAR_EVENT:
        if ((s = check_scalar(b))) return s;
        n->quoted = v->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        if (!n->quoted && (!v->data.scalar.length || !strcmp((const char *)v->data.scalar.value, "~") ||
                           !strcmp((const char *)v->data.scalar.value, "null")))
            return LT_OK;
        n->kind = LT_YAML_SCALAR;
        return (n->text = lt_arena_strdup(b->arena, (const char *)v->data.scalar.value)) ? LT_OK : no_memory(b);
    case YAML_SEQUENCE_START_EVENT:
        if (v->data.sequence_start.anchor) return bad_here(b, "anchors are not supported");
        if (v->data.sequence_start.tag) return bad_here(b, "tags are not supported");
        n->kind = LT_YAML_SEQ;
        return build_children(b, n, false);
    case YAML_MAPPING_START_EVENT:
        if (v->data.mapping_start.anchor) return bad_here(b, "anchors are not supported");
        if (v->data.mapping_start.tag) return bad_here(b, "tags are not supported");
        n->kind = LT_YAML_MAP;
        return build_children(b, n, true);
    case YAML_ALIAS_EVENT:
        return bad_here(b, "aliases are not supported");
    default:
        return bad_here(b, "a value was expected");
    }
}

lt_status lt_yaml_parse(const char *name, const char *text, size_t len, struct lt_yaml **out, struct lt_err *e) {
    struct builder b = {.text = text, .len = len, .e = e};
    struct root *root = NULL;
    lt_status s;
    if (len > MAX_BYTES) return lt_fail(e, LT_EINVAL, "%s: larger than 16 MiB", name);
    if (!yaml_parser_initialize(&b.parser)) return lt_fail(e, LT_ENOMEM, "%s: out of memory", name);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
    b.file = name;
    if (!(b.arena = lt_arena_new()) || !(root = lt_arena_alloc(b.arena, sizeof *root)) ||
        !(b.file = lt_arena_strdup(b.arena, name))) {
        s = lt_fail(e, LT_ENOMEM, "%s: out of memory", name);
        goto out;
    }
    root->arena = b.arena;
    if ((s = next(&b)) || (s = next(&b))) goto out; /* stream start, document start */
    if (b.event.type == YAML_STREAM_END_EVENT) {
        s = lt_fail(e, LT_EINVAL, "%s:1:1: empty document", name);
        goto out;
    }
    if ((s = next(&b)) || (s = build(&b, &root->node)) || (s = next(&b)) || (s = next(&b))) goto out;
    if (b.event.type != YAML_STREAM_END_EVENT) {
        s = bad_here(&b, "a second document; one is allowed");
        goto out;
    }
    *out = &root->node;
    b.arena = NULL;
out:
    if (b.has_event) yaml_event_delete(&b.event);
    yaml_parser_delete(&b.parser);
    lt_arena_free(b.arena);
    return s;
}

lt_status lt_yaml_load(const char *path, struct lt_yaml **out, struct lt_err *e) {
    struct lt_buf text = LT_BUF_INIT;
    lt_status s = lt_file_read(path, MAX_BYTES, &text, e);
    if (!s) s = lt_yaml_parse(path, text.data, text.len, out, e);
    lt_buf_release(&text);
    return s;
}

void lt_yaml_free(struct lt_yaml *root) {
    if (root) lt_arena_free(((struct root *)root)->arena);
}

const struct lt_yaml *lt_yaml_get(const struct lt_yaml *map, const char *key) {
    if (!map || map->kind != LT_YAML_MAP) return NULL;
    for (int i = 0; i < map->n; i++)
        if (!strcmp(map->child[i]->key, key)) return map->child[i];
    return NULL;
}

lt_status lt_yaml_expect(const struct lt_yaml *n, enum lt_yaml_kind kind, struct lt_err *e) {
    static const char *const name[] = {"nothing", "a single value", "a list", "a map of keys and values"};
    return n->kind == kind ? LT_OK : lt_yaml_fail(e, n, "%s where %s is needed", name[n->kind], name[kind]);
}

lt_status lt_yaml_known(const struct lt_yaml *map, const char *const *known, struct lt_err *e) {
    lt_status s = lt_yaml_expect(map, LT_YAML_MAP, e);
    if (s) return s;
    for (int i = 0; i < map->n; i++) {
        const struct lt_yaml *c = map->child[i];
        int k = 0;
        while (known[k] && strcmp(known[k], c->key)) k++;
        if (known[k]) continue;
        const char *near = lt_nearest(c->key, known);
        if (near)
            return lt_fail(e, LT_EINVAL, "%s:%d:%d: unknown key '%s'; did you mean '%s'?", c->file, c->key_line,
                           c->key_col, c->key, near);
        struct lt_buf all = LT_BUF_INIT;
        for (k = 0; known[k]; k++) lt_buf_printf(&all, "%s%s", k ? ", " : "", known[k]);
        s = lt_fail(e, LT_EINVAL, "%s:%d:%d: unknown key '%s'; known here: %s", c->file, c->key_line, c->key_col,
                    c->key, all.data ? all.data : "none");
        lt_buf_release(&all);
        return s;
    }
    return LT_OK;
}

lt_status lt_yaml_int(const struct lt_yaml *n, int64_t min, int64_t max, int64_t *out, struct lt_err *e) {
    lt_status s = lt_yaml_expect(n, LT_YAML_SCALAR, e);
    if (s) return s;
    char *end;
    errno = 0;
    long long v = strtoll(n->text, &end, 10);
    if (end == n->text || *end || n->quoted) return lt_yaml_fail(e, n, "'%s' is not a whole number", n->text);
    if (errno || v < min || v > max)
        return lt_yaml_fail(e, n, "%s is out of range; allowed are %lld to %lld", n->text, (long long)min,
                            (long long)max);
    *out = v;
    return LT_OK;
}

lt_status lt_yaml_double(const struct lt_yaml *n, const char *unit, double min, double max, double *out,
                         struct lt_err *e) {
    lt_status s = lt_yaml_expect(n, LT_YAML_SCALAR, e);
    struct lt_err why;
    double v;
    if (s) return s;
    if (lt_unit_parse(n->text, unit, &v, &why)) return lt_yaml_fail(e, n, "%s", why.msg);
    if (v < min || v > max)
        return lt_yaml_fail(e, n, "%s is out of range; allowed are %g to %g%s%s", n->text, min, max, *unit ? " " : "",
                            unit);
    *out = v;
    return LT_OK;
}
