/* Base room: option tables: one table serves the YAML, --set, --help and the written-out experiment. */
#include "lathe/opt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml_text.h"
#include "lathe/mem.h"

static const char *unit_of(const struct lt_opt *o) { return o->unit ? o->unit : ""; }
static void *field(const struct lt_opt *o, void *cfg) { return (char *)cfg + o->offset; }

/* Index of the word of length n in "a|b|c", or -1. */
static int choice_index(const char *choices, const char *word, size_t n) {
    int at = 0;
    for (const char *c = choices; c; at++) {
        const char *bar = strchr(c, '|');
        size_t len = bar ? (size_t)(bar - c) : strlen(c);
        if (len == n && !memcmp(c, word, n)) return at;
        c = bar ? bar + 1 : NULL;
    }
    return -1;
}

static lt_status not_a_choice(const struct lt_opt *o, const char *word, size_t n, struct lt_err *e) {
    return lt_fail(e, LT_EINVAL, "'%.*s' is not one of %s", (int)n, word, o->choices);
}

static lt_status in_range(const struct lt_opt *o, double v, const char *text, struct lt_err *e) {
    if ((o->min != 0 || o->max != 0) && (v < o->min || v > o->max))
        return lt_fail(e, LT_EINVAL, "%s is out of range; allowed are %.12g to %.12g%s%s", text, o->min, o->max,
                       *unit_of(o) ? " " : "", unit_of(o));
    return LT_OK;
}

/* Parses text into the field; strings replace what is there. */
static lt_status put(const struct lt_opt *o, const char *text, void *cfg, struct lt_err *e) {
    void *to = field(o, cfg);
    lt_status s;
    switch (o->type) {
    case LT_OPT_INT: {
        char *end;
        double v;
        errno = 0;
        long long whole = strtoll(text, &end, 10);
        if (end == text || *end || errno) { /* "2 KiB" and "1e6" are whole numbers too */
            if ((s = lt_unit_parse(text, unit_of(o), &v, e))) return s;
            if (v < -9e15 || v > 9e15 || v != (double)(int64_t)v)
                return lt_fail(e, LT_EINVAL, "'%s' is not a whole number", text);
            whole = (int64_t)v;
        }
        if ((s = in_range(o, (double)whole, text, e))) return s;
        *(int64_t *)to = whole;
        return LT_OK;
    }
    case LT_OPT_DOUBLE: {
        double v;
        if ((s = lt_unit_parse(text, unit_of(o), &v, e)) || (s = in_range(o, v, text, e))) return s;
        *(double *)to = v;
        return LT_OK;
    }
    case LT_OPT_BOOL:
        if (!strcmp(text, "true") || !strcmp(text, "yes"))
            *(bool *)to = true;
        else if (!strcmp(text, "false") || !strcmp(text, "no"))
            *(bool *)to = false;
        else
            return lt_fail(e, LT_EINVAL, "'%s' is neither true nor false", text);
        return LT_OK;
    case LT_OPT_STRING: {
        char *copy = lt_strdup(text);
        if (!copy) return lt_fail(e, LT_ENOMEM, "option '%s': out of memory", o->key);
        lt_free(*(char **)to);
        *(char **)to = copy;
        return LT_OK;
    }
    case LT_OPT_ENUM: {
        int i = choice_index(o->choices, text, strlen(text));
        if (i < 0) return not_a_choice(o, text, strlen(text), e);
        *(int *)to = i;
        return LT_OK;
    }
    case LT_OPT_SET: {
        unsigned set = 0;
        for (const char *w = text; *w;) {
            size_t n = strcspn(w, ", ");
            if (n) {
                int i = choice_index(o->choices, w, n);
                if (i < 0) return not_a_choice(o, w, n, e);
                set |= 1u << i;
            }
            w += n;
            w += strspn(w, ", ");
        }
        if (!set) return lt_fail(e, LT_EINVAL, "at least one of %s is needed", o->choices);
        *(unsigned *)to = set;
        return LT_OK;
    }
    }
    return LT_OK;
}

lt_status lt_opts_default(const struct lt_opt *t, void *cfg, struct lt_err *e) {
    for (; t->key; t++) {
        if (t->type == LT_OPT_STRING) *(char **)field(t, cfg) = NULL;
        if (!t->dflt) {
            if (t->type == LT_OPT_INT) *(int64_t *)field(t, cfg) = 0;
            if (t->type == LT_OPT_DOUBLE) *(double *)field(t, cfg) = 0;
            if (t->type == LT_OPT_BOOL) *(bool *)field(t, cfg) = false;
            if (t->type == LT_OPT_ENUM) *(int *)field(t, cfg) = 0;
            if (t->type == LT_OPT_SET) *(unsigned *)field(t, cfg) = 0;
            continue;
        }
        lt_status s = put(t, t->dflt, cfg, e);
        if (s == LT_ENOMEM) return s;
        if (s) LT_BUG("default of option '%s': %s", t->key, e ? e->msg : t->dflt);
    }
    return LT_OK;
}

static const struct lt_opt *find(const struct lt_opt *t, const char *key) {
    for (; t->key; t++)
        if (!strcmp(t->key, key)) return t;
    return NULL;
}

enum { MAX_KEYS = 128 };
static void key_list(const struct lt_opt *t, const char *const *skip, const char **out) {
    int n = 0;
    for (; t->key && n < MAX_KEYS - 1; t++) out[n++] = t->key;
    for (; skip && *skip && n < MAX_KEYS - 1; skip++) out[n++] = *skip;
    out[n] = NULL;
}

static lt_status put_node(const struct lt_opt *o, const struct lt_yaml *n, void *cfg, struct lt_err *e) {
    struct lt_err why;
    struct lt_buf joined = LT_BUF_INIT;
    const char *text = n->text;
    lt_status s;
    if (o->type == LT_OPT_SET && n->kind == LT_YAML_SEQ) {
        for (int i = 0; i < n->n; i++) {
            if ((s = lt_yaml_expect(n->child[i], LT_YAML_SCALAR, e))) goto out;
            if (choice_index(o->choices, n->child[i]->text, strlen(n->child[i]->text)) < 0) {
                s = lt_yaml_fail(e, n->child[i], "'%s' is not one of %s", n->child[i]->text, o->choices);
                goto out;
            }
            lt_buf_printf(&joined, "%s%s", i ? "," : "", n->child[i]->text);
        }
        if ((s = lt_buf_ok(&joined, e))) goto out;
        text = joined.data ? joined.data : "";
    } else if ((s = lt_yaml_expect(n, LT_YAML_SCALAR, e))) {
        goto out;
    }
    if ((s = put(o, text, cfg, &why)))
        s = s == LT_EINVAL ? lt_yaml_fail(e, n, "%s", why.msg) : lt_fail(e, s, "%s", why.msg);
out:
    lt_buf_release(&joined);
    return s;
}

lt_status lt_opts_read(const struct lt_opt *t, const struct lt_yaml *map, const char *const *skip, void *cfg,
                       struct lt_err *e) {
    const char *known[MAX_KEYS];
    lt_status s = lt_opts_default(t, cfg, e);
    if (s || !map || map->kind == LT_YAML_NULL) goto out;
    key_list(t, skip, known);
    if ((s = lt_yaml_known(map, known, e))) goto out;
    for (int i = 0; i < map->n; i++) {
        const struct lt_opt *o = find(t, map->child[i]->key);
        if (o && (s = put_node(o, map->child[i], cfg, e))) goto out;
    }
out:
    if (s) lt_opts_release(t, cfg);
    return s;
}

lt_status lt_opts_set(const struct lt_opt *t, const char *key, const char *value, void *cfg, struct lt_err *e) {
    const struct lt_opt *o = find(t, key);
    if (!o) {
        const char *known[MAX_KEYS], *near;
        key_list(t, NULL, known);
        near = lt_nearest(key, known);
        return near ? lt_fail(e, LT_EINVAL, "unknown key '%s'; did you mean '%s'?", key, near)
                    : lt_fail(e, LT_EINVAL, "unknown key '%s'", key);
    }
    struct lt_err why;
    lt_status s = put(o, value, cfg, &why);
    return s ? lt_fail(e, s, "%s: %s", key, why.msg) : LT_OK;
}

void lt_opts_help(const struct lt_opt *t, struct lt_buf *out) {
    static const char *const type[] = {"whole number", "number", "true|false", "text", "", "list of "};
    for (; t->key; t++) {
        lt_buf_printf(out, "  %-22s %s%s%s%s", t->key, type[t->type], t->choices ? t->choices : "",
                      *unit_of(t) ? ", " : "", unit_of(t));
        if (t->min != 0 || t->max != 0) lt_buf_printf(out, ", %.12g to %.12g", t->min, t->max);
        if (t->dflt) lt_buf_printf(out, "; default %s", t->dflt);
        lt_buf_printf(out, "\n  %-22s   %s\n", "", t->help);
    }
}

static void emit_words(const char *choices, unsigned set, const char *between, struct lt_buf *out) {
    int at = 0;
    bool first = true;
    for (const char *c = choices; c; at++) {
        const char *bar = strchr(c, '|');
        size_t len = bar ? (size_t)(bar - c) : strlen(c);
        if (set >> at & 1) {
            if (!first) lt_buf_puts(out, between);
            lt_buf_add(out, c, len);
            first = false;
        }
        c = bar ? bar + 1 : NULL;
    }
}

static void emit_double(double v, const char *unit, struct lt_buf *out) {
    char t[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(t, sizeof t, "%.*g", digits, v);
        if (strtod(t, NULL) == v) break;
    }
    lt_buf_printf(out, "%s%s%s", t, *unit && strcmp(unit, "fraction") ? " " : "", strcmp(unit, "fraction") ? unit : "");
}

void lt_opts_emit(const struct lt_opt *t, const void *cfg, struct lt_buf *out) {
    bool first = true;
    lt_buf_puts(out, "{");
    for (; t->key; t++) {
        const void *from = (const char *)cfg + t->offset;
        if (t->type == LT_OPT_STRING && !*(char *const *)from) continue;
        lt_buf_printf(out, "%s%s: ", first ? "" : ", ", t->key);
        first = false;
        switch (t->type) {
        case LT_OPT_INT:
            lt_buf_printf(out, "%lld%s%s", (long long)*(const int64_t *)from, *unit_of(t) ? " " : "", unit_of(t));
            break;
        case LT_OPT_DOUBLE:
            emit_double(*(const double *)from, unit_of(t), out);
            break;
        case LT_OPT_BOOL:
            lt_buf_puts(out, *(const bool *)from ? "true" : "false");
            break;
        case LT_OPT_STRING:
            lt_yaml_scalar(out, *(char *const *)from, true);
            break;
        case LT_OPT_ENUM:
            emit_words(t->choices, 1u << *(const int *)from, "", out);
            break;
        case LT_OPT_SET:
            lt_buf_puts(out, "[");
            emit_words(t->choices, *(const unsigned *)from, ", ", out);
            lt_buf_puts(out, "]");
            break;
        }
    }
    lt_buf_puts(out, "}");
}

void lt_opts_release(const struct lt_opt *t, void *cfg) {
    for (; t->key; t++) {
        if (t->type != LT_OPT_STRING) continue;
        lt_free(*(char **)field(t, cfg));
        *(char **)field(t, cfg) = NULL;
    }
}
