/* Base room: a strict JSON reader (RFC 8259). Recursion is bounded; every error names file, line and column. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/json.h"
#include "lathe/mem.h"

enum { MAX_DEPTH = 64 };
struct root {
    struct lt_json node;
    struct lt_arena *arena;
}; /* what lt_json_free gets */
struct reader {
    const char *name, *text, *at, *end;
    struct lt_arena *arena;
    struct lt_err *e;
    int depth;
};
struct list {
    struct lt_json **v;
    int n, cap;
};

static lt_status bad(struct reader *r, const char *what) {
    int line = 1, col = 1;
    for (const char *p = r->text; p < r->at; p++) {
        col++;
        if (*p == '\n') line++, col = 1;
    }
    return lt_fail(r->e, LT_EINVAL, "%s:%d:%d: not JSON: %s", r->name, line, col, what);
}

static lt_status no_memory(struct reader *r) { return lt_fail(r->e, LT_ENOMEM, "%s: out of memory", r->name); }

static void blanks(struct reader *r) {
    while (r->at < r->end && strchr(" \t\r\n", *r->at) && *r->at) r->at++;
}

static int hex4(const char *p) {
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i], d = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (d < 0) return -1;
        v = v * 16 + d;
    }
    return v;
}

static char *utf8(char *o, unsigned c) {
    if (c < 0x80) {
        *o++ = (char)c;
    } else if (c < 0x800) {
        *o++ = (char)(0xC0 | c >> 6);
        *o++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *o++ = (char)(0xE0 | c >> 12);
        *o++ = (char)(0x80 | (c >> 6 & 63));
        *o++ = (char)(0x80 | (c & 63));
    } else {
        *o++ = (char)(0xF0 | c >> 18);
        *o++ = (char)(0x80 | (c >> 12 & 63));
        *o++ = (char)(0x80 | (c >> 6 & 63));
        *o++ = (char)(0x80 | (c & 63));
    }
    return o;
}

static lt_status read_string(struct reader *r, const char **out) {
    const char *p = r->at + 1;
    while (p < r->end && *p != '"') p += *p == '\\' && p + 1 < r->end ? 2 : 1;
    if (p >= r->end) return bad(r, "a string without its closing quote");
    char *o = lt_arena_alloc(r->arena, (size_t)(p - r->at)), *text = o; /* escapes only ever shrink */
    if (!o) return no_memory(r);
    for (r->at++; *r->at != '"';) {
        unsigned char c = (unsigned char)*r->at;
        if (c < 0x20) return bad(r, "a control character inside a string");
        if (c != '\\') {
            *o++ = *r->at++;
            continue;
        }
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *f = r->at[1] ? strchr(from, r->at[1]) : NULL;
        if (f) {
            *o++ = to[f - from];
            r->at += 2;
            continue;
        }
        int u = r->at[1] == 'u' && p - r->at >= 6 ? hex4(r->at + 2) : -1;
        if (u < 0) return bad(r, "an unknown escape");
        r->at += 6;
        if (u >= 0xD800 && u < 0xDC00) {
            int v = p - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u' ? hex4(r->at + 2) : -1;
            if (v < 0xDC00 || v > 0xDFFF) return bad(r, "half of a surrogate pair");
            u = 0x10000 + ((u - 0xD800) << 10) + (v - 0xDC00);
            r->at += 6;
        } else if (u >= 0xDC00 && u < 0xE000) {
            return bad(r, "half of a surrogate pair");
        }
        if (u == 0) return bad(r, "a NUL character inside a string");
        o = utf8(o, (unsigned)u);
    }
    *o = '\0';
    r->at++;
    *out = text;
    return LT_OK;
}

static lt_status read_number(struct reader *r, struct lt_json *n) {
    const char *p = r->at, *e = r->end;
    if (p < e && *p == '-') p++;
    const char *digits = p;
    while (p < e && *p >= '0' && *p <= '9') p++;
    if (p == digits || (*digits == '0' && p - digits > 1)) return bad(r, "a value was expected");
    if (p < e && *p == '.') {
        const char *d = ++p;
        while (p < e && *p >= '0' && *p <= '9') p++;
        if (p == d) return bad(r, "digits are missing after the decimal point");
    }
    if (p < e && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < e && (*p == '+' || *p == '-')) p++;
        const char *d = p;
        while (p < e && *p >= '0' && *p <= '9') p++;
        if (p == d) return bad(r, "digits are missing in the exponent");
    }
    char t[64];
    size_t len = (size_t)(p - r->at);
    if (len >= sizeof t) return bad(r, "a number of more than 63 characters");
    memcpy(t, r->at, len);
    t[len] = '\0';
    n->kind = LT_JSON_NUM;
    n->num = strtod(t, NULL);
    if (!isfinite(n->num)) return bad(r, "a number too large for a double");
    r->at = p;
    return LT_OK;
}

static bool word(struct reader *r, const char *w) {
    size_t n = strlen(w);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, w, n)) return false;
    r->at += n;
    return true;
}

static lt_status read_value(struct reader *r, struct lt_json *n);

static lt_status read_members(struct reader *r, struct lt_json *n, bool object) {
    struct list l = {0};
    lt_status s = LT_OK;
    const char close = object ? '}' : ']';
    if (++r->depth > MAX_DEPTH) return bad(r, "nested deeper than 64 levels");
    r->at++;
    blanks(r);
    if (r->at < r->end && *r->at == close) {
        r->at++;
    } else {
        for (;;) {
            if (l.n == l.cap) {
                int cap = l.cap ? 2 * l.cap : 8;
                struct lt_json **v = lt_realloc(l.v, (size_t)cap * sizeof *v);
                if (!v) {
                    s = no_memory(r);
                    goto out;
                }
                l.v = v;
                l.cap = cap;
            }
            struct lt_json *c = lt_arena_alloc(r->arena, sizeof *c);
            if (!c) {
                s = no_memory(r);
                goto out;
            }
            l.v[l.n++] = c;
            blanks(r);
            if (object) {
                if (r->at >= r->end || *r->at != '"') {
                    s = bad(r, "a key in quotes was expected");
                    goto out;
                }
                if ((s = read_string(r, &c->key))) goto out;
                blanks(r);
                if (r->at >= r->end || *r->at != ':') {
                    s = bad(r, "':' was expected after the key");
                    goto out;
                }
                r->at++;
            }
            if ((s = read_value(r, c))) goto out;
            blanks(r);
            if (r->at < r->end && *r->at == ',') {
                r->at++;
                continue;
            }
            if (r->at < r->end && *r->at == close) {
                r->at++;
                break;
            }
            s = bad(r, object ? "',' or '}' was expected" : "',' or ']' was expected");
            goto out;
        }
    }
    n->kind = object ? LT_JSON_OBJ : LT_JSON_ARR;
    n->n = l.n;
    if (l.n) {
        struct lt_json **v = lt_arena_alloc(r->arena, (size_t)l.n * sizeof *v);
        if (!v) {
            s = no_memory(r);
            goto out;
        }
        memcpy(v, l.v, (size_t)l.n * sizeof *v);
        n->child = v;
    }
    r->depth--;
out:
    lt_free(l.v);
    return s;
}

static lt_status read_value(struct reader *r, struct lt_json *n) {
    blanks(r);
    if (r->at >= r->end) return bad(r, "the text ends where a value was expected");
    switch (*r->at) {
    case '{':
        return read_members(r, n, true);
    case '[':
        return read_members(r, n, false);
    case '"':
        n->kind = LT_JSON_STR;
        return read_string(r, &n->str);
    default:
        break;
    }
    if (word(r, "true")) return n->kind = LT_JSON_BOOL, n->b = true, LT_OK;
    if (word(r, "false")) return n->kind = LT_JSON_BOOL, LT_OK;
    if (word(r, "null")) return LT_OK;
    return read_number(r, n);
}

lt_status lt_json_parse(const char *name, const char *text, size_t len, struct lt_json **out, struct lt_err *e) {
    struct reader r = {.name = name, .text = text, .at = text, .end = text + len, .e = e};
    lt_status s;
    if (!(r.arena = lt_arena_new())) return no_memory(&r);
    struct root *root = lt_arena_alloc(r.arena, sizeof *root);
    if (!root) {
        s = no_memory(&r);
        goto out;
    }
    root->arena = r.arena;
    if ((s = read_value(&r, &root->node))) goto out;
    blanks(&r);
    if (r.at != r.end) {
        s = bad(&r, "something follows the value");
        goto out;
    }
    *out = &root->node;
    r.arena = NULL;
out:
    lt_arena_free(r.arena);
    return s;
}

void lt_json_free(struct lt_json *root) {
    if (root) lt_arena_free(((struct root *)root)->arena);
}

const struct lt_json *lt_json_get(const struct lt_json *obj, const char *key) {
    if (!obj || obj->kind != LT_JSON_OBJ) return NULL;
    for (int i = 0; i < obj->n; i++)
        if (!strcmp(obj->child[i]->key, key)) return obj->child[i];
    return NULL;
}

lt_status lt_json_num(const struct lt_json *obj, const char *key, double *out, struct lt_err *e) {
    const struct lt_json *v = lt_json_get(obj, key);
    if (!v || v->kind != LT_JSON_NUM)
        return lt_fail(e, LT_EINVAL, "key '%s' is %s, a number is needed", key, v ? "of another type" : "missing");
    *out = v->num;
    return LT_OK;
}

lt_status lt_json_str(const struct lt_json *obj, const char *key, const char **out, struct lt_err *e) {
    const struct lt_json *v = lt_json_get(obj, key);
    if (!v || v->kind != LT_JSON_STR)
        return lt_fail(e, LT_EINVAL, "key '%s' is %s, a string is needed", key, v ? "of another type" : "missing");
    *out = v->str;
    return LT_OK;
}
