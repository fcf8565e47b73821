/* Base room: the JSON writer. Commas come from one bit a nesting level; doubles are the shortest text that reads back
 * equal. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "lathe/json.h"

enum { MAX_DEPTH = 60 };

void lt_jw_init(struct lt_jw *w, struct lt_buf *out) { *w = (struct lt_jw){.out = out}; }

static void before_value(struct lt_jw *w) {
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    uint64_t bit = (uint64_t)1 << w->depth;
    if (w->depth > 0 && (w->comma & bit)) lt_buf_puts(w->out, ",");
    w->comma |= bit;
}

static void open_level(struct lt_jw *w, const char *c) {
    before_value(w);
    LT_CHECK(w->depth < MAX_DEPTH);
    lt_buf_puts(w->out, c);
    w->depth++;
    w->comma &= ~((uint64_t)1 << w->depth);
}

static void close_level(struct lt_jw *w, const char *c) {
    LT_CHECK(w->depth > 0 && !w->after_key);
    lt_buf_puts(w->out, c);
    w->depth--;
}

void lt_jw_obj(struct lt_jw *w) { open_level(w, "{"); }
void lt_jw_obj_end(struct lt_jw *w) { close_level(w, "}"); }
void lt_jw_arr(struct lt_jw *w) { open_level(w, "["); }
void lt_jw_arr_end(struct lt_jw *w) { close_level(w, "]"); }

static void quoted(struct lt_jw *w, const char *s) {
    lt_buf_puts(w->out, "\"");
    for (int n; *s; s += n) {
        uint32_t c;
        n = lt_utf8_next(s, &c);
        if (c == '"' || c == '\\')
            lt_buf_printf(w->out, "\\%c", (int)c);
        else if (c == '\n')
            lt_buf_puts(w->out, "\\n");
        else if (c == '\t')
            lt_buf_puts(w->out, "\\t");
        else if (c < 0x20 || c == 0xFFFD)
            lt_buf_printf(w->out, "\\u%04x", (unsigned)c); /* bytes that are no UTF-8 become U+FFFD */
        else
            lt_buf_add(w->out, s, (size_t)n);
    }
    lt_buf_puts(w->out, "\"");
}

void lt_jw_key(struct lt_jw *w, const char *key) {
    before_value(w);
    quoted(w, key);
    lt_buf_puts(w->out, ":");
    w->after_key = true;
}

void lt_jw_str(struct lt_jw *w, const char *s) {
    if (!s) {
        lt_jw_null(w);
        return;
    }
    before_value(w);
    quoted(w, s);
}

void lt_jw_int(struct lt_jw *w, int64_t v) {
    before_value(w);
    lt_buf_printf(w->out, "%lld", (long long)v);
}

void lt_jw_num(struct lt_jw *w, double v) {
    if (!isfinite(v)) {
        lt_jw_null(w);
        return;
    }
    before_value(w);
    char t[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(t, sizeof t, "%.*g", digits, v);
        if (strtod(t, NULL) == v) break;
    }
    lt_buf_puts(w->out, t);
}

void lt_jw_bool(struct lt_jw *w, bool v) {
    before_value(w);
    lt_buf_puts(w->out, v ? "true" : "false");
}

void lt_jw_null(struct lt_jw *w) {
    before_value(w);
    lt_buf_puts(w->out, "null");
}

void lt_jw_kstr(struct lt_jw *w, const char *k, const char *s) { lt_jw_key(w, k), lt_jw_str(w, s); }
void lt_jw_kint(struct lt_jw *w, const char *k, int64_t v) { lt_jw_key(w, k), lt_jw_int(w, v); }
void lt_jw_knum(struct lt_jw *w, const char *k, double v) { lt_jw_key(w, k), lt_jw_num(w, v); }
void lt_jw_kbool(struct lt_jw *w, const char *k, bool v) { lt_jw_key(w, k), lt_jw_bool(w, v); }

void lt_json_copy(struct lt_jw *w, const struct lt_json *j) {
    switch (j ? j->kind : LT_JSON_NULL) {
    case LT_JSON_NULL:
        lt_jw_null(w);
        break;
    case LT_JSON_BOOL:
        lt_jw_bool(w, j->b);
        break;
    case LT_JSON_NUM:
        lt_jw_num(w, j->num);
        break;
    case LT_JSON_STR:
        lt_jw_str(w, j->str);
        break;
    case LT_JSON_ARR:
        lt_jw_arr(w);
        for (int i = 0; i < j->n; i++) lt_json_copy(w, j->child[i]);
        lt_jw_arr_end(w);
        break;
    case LT_JSON_OBJ:
        lt_jw_obj(w);
        for (int i = 0; i < j->n; i++) {
            lt_jw_key(w, j->child[i]->key);
            lt_json_copy(w, j->child[i]);
        }
        lt_jw_obj_end(w);
        break;
    }
}
