/* Base room: a YAML tree as canonical text (flow style, scalars quoted where plain text would read back as something
 * else). */
#include <string.h>

#include "base/utf8.h"
#include "base/yaml_text.h"
#include "lathe/yaml.h"

/* Bytes that make plain text something else somewhere in block or flow context. */
static bool plain_ok(const char *t) {
    size_t n = strlen(t);
    if (n == 0 || t[0] == ' ' || t[n - 1] == ' ' || strpbrk(t, ":#,[]{}&*!|>'\"@`\\")) return false;
    if (!strcmp(t, "~") || !strcmp(t, "null") || !strcmp(t, "...")) return false;
    if (*t == '?' || *t == '%' || *t == '=' || (*t == '-' && !(t[1] >= '0' && t[1] <= '9'))) return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)t[i] < 0x20 || (unsigned char)t[i] >= 0x7F) return false;
    return true;
}

void lt_yaml_scalar(struct lt_buf *out, const char *t, bool quote) {
    if (!quote && plain_ok(t)) {
        lt_buf_puts(out, t);
        return;
    }
    lt_buf_puts(out, "\"");
    for (int n; *t; t += n) {
        uint32_t c;
        n = lt_utf8_next(t, &c);
        if (c == '"' || c == '\\')
            lt_buf_printf(out, "\\%c", (int)c);
        else if (c == '\n')
            lt_buf_puts(out, "\\n");
        else if (c < 0x20)
            lt_buf_printf(out, "\\x%02x", (unsigned)c);
        /* Not printable, or a line break to YAML, or no UTF-8 (becomes U+FFFD): only an escape brings it back. */
        else if ((c >= 0x7F && c <= 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF || (c >= 0xFFFD && c < 0x10000))
            lt_buf_printf(out, "\\u%04x", (unsigned)c);
        else
            lt_buf_add(out, t, (size_t)n);
    }
    lt_buf_puts(out, "\"");
}

static void flow(const struct lt_yaml *n, struct lt_buf *out) {
    bool map = n->kind == LT_YAML_MAP;
    if (n->kind == LT_YAML_NULL) {
        lt_buf_puts(out, "null");
        return;
    }
    if (n->kind == LT_YAML_SCALAR) {
        /* A value that was quoted stays quoted: "8" and 8 are different things. */
        lt_yaml_scalar(out, n->text, n->quoted);
        return;
    }
    lt_buf_puts(out, map ? "{" : "[");
    for (int i = 0; i < n->n; i++) {
        if (i) lt_buf_puts(out, ", ");
        if (map) {
            lt_yaml_scalar(out, n->child[i]->key, false);
            lt_buf_puts(out, ": ");
        }
        flow(n->child[i], out);
    }
    lt_buf_puts(out, map ? "}" : "]");
}

lt_status lt_yaml_emit(const struct lt_yaml *root, struct lt_buf *out, struct lt_err *e) {
    if (root->kind != LT_YAML_MAP || root->n == 0) {
        flow(root, out);
        lt_buf_puts(out, "\n");
        return lt_buf_ok(out, e);
    }
    for (int i = 0; i < root->n; i++) { /* one top-level key a line, so that people can read and diff it */
        lt_yaml_scalar(out, root->child[i]->key, false);
        lt_buf_puts(out, ": ");
        flow(root->child[i], out);
        lt_buf_puts(out, "\n");
    }
    return lt_buf_ok(out, e);
}
