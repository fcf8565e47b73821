/*
 * Room: cli. `lathe space check`: every mistake of a space file, not only the first. The reader stops at the first one;
 * so what it complains about is left out (the key, the item, or for broken YAML the line), or something plausible put
 * in its place where it must be there, and the rest is read again, until nothing is left to say. Complaints that only
 * follow from that are not passed on.
 */
#include "cli/space_cmd.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 200, MAX_BYTES = 4 << 20 };

struct gap {
    const struct lt_yaml *node;
    struct lt_yaml *instead; /* NULL: left out */
};
struct mistake {
    char *text; /* the whole message */
    struct place {
        const char *file; /* the path of the file that is checked, another text for others, NULL: none */
        int line, col;
        size_t len; /* of "file:line:col: " in the message */
    } at;
};
struct checker {
    struct space_job *j;
    const char *path;
    struct lt_buf text;
    struct lt_arena *arena; /* of the tree with gaps */
    int n_gaps, n_mistakes;
    struct mistake mistake[2 * MOST];
    struct gap gap[MOST];
    struct lt_yaml stand_in[MOST];
    char stand_in_text[MOST][32];
};

/* The place that a message begins with. */
static struct place place_of(const char *msg, const char *path) {
    struct place p = {NULL, 0, 0, 0};
    /* the file's name may hold colons; the place is the first ":number:number: " */
    for (const char *at = strchr(msg, ':'); at; at = strchr(at + 1, ':')) {
        int line, col, len = 0;
        if (sscanf(at, ":%d:%d: %n", &line, &col, &len) != 2 || !len) continue;
        p.line = line;
        p.col = col;
        p.len = (size_t)(at - msg) + (size_t)len;
        p.file = (size_t)(at - msg) == strlen(path) && !strncmp(msg, path, strlen(path)) ? path : "";
        break;
    }
    return p;
}

static void tell(struct checker *k, const char *msg, const struct place *p) {
    struct mistake *m = &k->mistake[k->n_mistakes];
    if (k->n_mistakes == 2 * MOST || !(m->text = lt_strdup(msg))) return;
    m->at = *p;
    k->n_mistakes++;
}

/* In the order of the file; what has no place comes last. */
static int by_place(const void *a, const void *b) {
    const struct mistake *x = a, *y = b;
    int lx = x->at.file ? x->at.line : 1 << 30, ly = y->at.file ? y->at.line : 1 << 30;
    if (lx != ly) return lx < ly ? -1 : 1;
    return x->at.col == y->at.col ? strcmp(x->text, y->text) : x->at.col < y->at.col ? -1 : 1;
}

static void report(struct checker *k) {
    qsort(k->mistake, (size_t)k->n_mistakes, sizeof(k->mistake[0]), by_place);
    for (int i = 0; i < k->n_mistakes; i++) {
        struct mistake *m = &k->mistake[i];
        struct lt_jw w;
        if (k->j->c->json) {
            space_json_begin(&w, &k->j->out, "mistake");
            lt_jw_kstr(&w, "file", k->path);
            if (m->at.file == k->path) {
                lt_jw_kint(&w, "line", m->at.line);
                lt_jw_kint(&w, "column", m->at.col);
            }
            lt_jw_kstr(&w, "message", m->at.file == k->path ? m->text + m->at.len : m->text);
            space_json_end(&w, &k->j->out);
        } else {
            lt_buf_printf(&k->j->out, "%s\n", m->text);
        }
        lt_free(m->text);
    }
}

/* ---- the tree with gaps ---- */

static struct gap *gap_of(const struct checker *k, const struct lt_yaml *n) {
    for (int i = 0; i < k->n_gaps; i++) {
        if (k->gap[i].node == n) return (struct gap *)&k->gap[i];
    }
    return NULL;
}

static bool is_gone(const struct checker *k, const struct lt_yaml *n) {
    const struct gap *g = gap_of(k, n);
    return g && !g->instead;
}

static struct lt_yaml *copy(struct checker *k, const struct lt_yaml *n) {
    struct lt_yaml *c = lt_arena_alloc(k->arena, sizeof(*c));
    struct lt_yaml **child = lt_arena_alloc(k->arena, (size_t)(n->n + 1) * sizeof(*child));
    const struct gap *g = gap_of(k, n);
    if (!c || !child) return NULL;
    *c = g ? *g->instead : *n;
    c->n = 0;
    c->child = child;
    for (int i = 0; !g && i < n->n; i++) {
        if (is_gone(k, n->child[i])) continue;
        if (!(child[c->n++] = copy(k, n->child[i]))) return NULL;
    }
    return c;
}

static bool quoted_in(const char *msg, const char *word) {
    size_t n = word ? strlen(word) : 0;
    for (const char *at = n ? strchr(msg, '\'') : NULL; at; at = strchr(at + 1, '\'')) {
        if (!strncmp(at + 1, word, n) && (at[1 + n] == '\'' || at[1 + n] == '.')) return true;
    }
    return false;
}

/* The innermost node whose key (or whose value) stands at the place. */
static const struct lt_yaml *find(const struct checker *k, const struct lt_yaml *n, const struct place *p, bool key) {
    if (is_gone(k, n)) return NULL;
    for (int i = 0; i < n->n; i++) {
        const struct lt_yaml *found = find(k, n->child[i], p, key);
        if (found) return found;
    }
    if (key) return n->key && n->key_line == p->line && n->key_col == p->col ? n : NULL;
    return n->line == p->line && n->col == p->col ? n : NULL;
}

/* The scalar in whose text the place is, as that of an expression. */
static const struct lt_yaml *around(const struct checker *k, const struct lt_yaml *n, const struct place *p,
                                    const struct lt_yaml *best) {
    if (is_gone(k, n)) return best;
    if (n->kind == LT_YAML_SCALAR && n->line == p->line && n->col < p->col && (!best || n->col > best->col)) best = n;
    for (int i = 0; i < n->n; i++) best = around(k, n->child[i], p, best);
    return best;
}

/* A map begins where its first key does; the key is meant when the message names it. */
static const struct lt_yaml *culprit(const struct checker *k, const struct lt_yaml *root, const char *msg,
                                     const struct place *p) {
    const struct lt_yaml *by_key, *n;
    if (p->file != k->path) return NULL;
    if ((by_key = find(k, root, p, true)) && quoted_in(msg, by_key->key)) return by_key;
    if ((n = find(k, root, p, false))) return n;
    return by_key ? by_key : around(k, root, p, NULL);
}

static const struct lt_yaml *parent_of(const struct lt_yaml *root, const struct lt_yaml *n) {
    for (int i = 0; i < root->n; i++) {
        if (root->child[i] == n) return root;
        const struct lt_yaml *p = parent_of(root->child[i], n);
        if (p) return p;
    }
    return NULL;
}

/* The part of the map that the message says is missing, where we have left it out; NULL when the file has. */
static struct gap *missing(const struct checker *k, const struct lt_yaml *map, const char *msg) {
    if (!strstr(msg, "is missing")) return NULL;
    for (int i = 0; i < map->n; i++) {
        if (gap_of(k, map->child[i]) && quoted_in(msg, map->child[i]->key)) return gap_of(k, map->child[i]);
    }
    return NULL;
}

/* Does the complaint only follow from what was left out: a gap in the node itself, or a name that is gone? */
static bool follows(const struct checker *k, const struct lt_yaml *n, const char *msg) {
    const struct gap *own = n ? gap_of(k, n) : NULL;
    if (own) return true; /* the stand-in does not fit either */
    if (n && strstr(msg, "is missing")) return missing(k, n, msg) != NULL;
    for (int i = 0; n && i < n->n; i++) {
        if (gap_of(k, n->child[i])) return true;
    }
    for (int i = 0; i < k->n_gaps; i++) {
        const struct lt_yaml *g = k->gap[i].node, *name = g->kind == LT_YAML_MAP ? lt_yaml_get(g, "name") : NULL;
        if (quoted_in(msg, g->key) && !strstr(msg, "unknown key")) return true;
        if (name && quoted_in(msg, name->text)) return true;
    }
    return false;
}

/* Something plausible in the place of a value that must be there. */
static void stand_in(struct checker *k, struct gap *g) {
    static const struct {
        const char *key, *text;
    } usual[] = {{"name", NULL},    {"block", "conv"}, {"channels", "16"}, {"resolution", "224"}, {"classes", "10"},
                 {"depth", "1"},    {"kernel", "3"},   {"expand", "3"},    {"nodes", "2"},        {"schema", "1"},
                 {"operation", ""}, {"cell", ""},      {"steps", ""}};
    int at = (int)(g - k->gap);
    const char *text = "1";
    for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++) {
        if (!strcmp(g->node->key, usual[i].key)) text = usual[i].text;
    }
    if (text)
        snprintf(k->stand_in_text[at], sizeof(k->stand_in_text[at]), "%s", text);
    else
        snprintf(k->stand_in_text[at], sizeof(k->stand_in_text[at]), "mistake%d", at);
    k->stand_in[at] = *g->node;
    k->stand_in[at].kind = LT_YAML_SCALAR;
    k->stand_in[at].quoted = false;
    k->stand_in[at].n = 0;
    k->stand_in[at].text = k->stand_in_text[at];
    g->instead = &k->stand_in[at];
}

/* Leaves out what the complaint is about, or what has to go with what was left out before; false when there is nothing
 * left to leave out. */
static bool leave_out(struct checker *k, const struct lt_yaml *root, const char *msg, const struct place *p) {
    const struct lt_yaml *n = culprit(k, root, msg, p);
    bool silent = follows(k, n, msg);
    struct gap *g = n ? missing(k, n, msg) : NULL;
    if (!silent) tell(k, msg, p);
    if (!n || k->n_gaps == MOST) return false;
    if (g && !g->instead) {
        stand_in(k, g);
        return true;
    }
    if (gap_of(k, n)) n = parent_of(root, n);
    if (n == root || !n) return false;
    k->gap[k->n_gaps++] = (struct gap){n, NULL};
    return true;
}

/* ---- the two loops ---- */

/* Broken YAML: the line is blanked and the text read again. */
static lt_status parse(struct checker *k, struct lt_yaml **root, struct lt_err *e) {
    for (int tries = 0;; tries++) {
        struct lt_err why = {0};
        lt_status s = lt_yaml_parse(k->path, k->text.data, k->text.len, root, &why);
        if (s != LT_EINVAL) return s ? lt_fail(e, s, "%s", why.msg) : LT_OK;
        struct place p = place_of(why.msg, k->path);
        tell(k, why.msg, &p);
        char *at = k->text.data, *end;
        for (int line = 1; p.file && line < p.line && at; line++) {
            at = strchr(at, '\n');
            if (at) at++;
        }
        if (!p.file || !at || !*at || tries == MOST) return LT_EINVAL;
        end = strchr(at, '\n');
        memset(at, ' ', end ? (size_t)(end - at) : strlen(at));
    }
}

static lt_status read_all(struct checker *k, const struct lt_yaml *root, struct lt_space **out, struct lt_err *e) {
    for (;;) {
        struct lt_err why = {0};
        lt_arena_free(k->arena);
        k->arena = lt_arena_new();
        struct lt_yaml *tree = k->arena ? copy(k, root) : NULL;
        if (!tree) return lt_fail(e, LT_ENOMEM, "%s: out of memory", k->path);
        lt_status s = lt_space_parse_yaml(tree, out, &why);
        if (!s) return LT_OK;
        if (s == LT_ENOMEM) return lt_fail(e, s, "%s", why.msg);
        struct place p = place_of(why.msg, k->path);
        if (!leave_out(k, root, why.msg, &p)) return LT_EINVAL;
    }
}

static void praise(struct checker *k, const struct lt_space *sp) {
    struct lt_buf n = LT_BUF_INIT;
    struct lt_jw w;
    lt_space_size_text(sp, &n);
    if (k->j->c->json) {
        space_json_begin(&w, &k->j->out, "check");
        lt_jw_kstr(&w, "file", k->path);
        lt_jw_kint(&w, "mistakes", 0);
        lt_jw_kstr(&w, "space", lt_space_name(sp));
        lt_jw_kstr(&w, "networks", n.data);
        lt_jw_kint(&w, "published", lt_space_n_networks(sp));
        space_json_end(&w, &k->j->out);
    } else {
        lt_buf_printf(&k->j->out, "%s: no mistakes; space %s, %s networks", k->path, lt_space_name(sp),
                      n.data ? n.data : "");
        if (lt_space_n_networks(sp))
            lt_buf_printf(&k->j->out, ", the counts of %d published ones as stated", lt_space_n_networks(sp));
        lt_buf_puts(&k->j->out, "\n");
    }
    lt_buf_release(&n);
}

/* The counts of published networks, once the file is read without complaint. */
static lt_status check_counts(struct checker *k, const struct lt_space *sp, struct lt_err *e) {
    struct lt_err why = {0};
    lt_status s = lt_space_check_networks(sp, &why);
    if (s != LT_EINVAL) return s ? lt_fail(e, s, "%s", why.msg) : LT_OK;
    tell(k, why.msg, &(struct place){NULL, 0, 0, 0});
    return s;
}

lt_status space_check(struct space_job *j, const char *path, struct lt_err *e) {
    struct checker *k = lt_calloc(1, sizeof(*k));
    struct lt_yaml *root = NULL;
    struct lt_space *sp = NULL;
    lt_status s;
    if (!k) return lt_fail(e, LT_ENOMEM, "%s: out of memory", path);
    k->j = j;
    k->path = path;
    s = lt_file_read(path, MAX_BYTES, &k->text, e);
    if (!s && !(s = parse(k, &root, e)) && !(s = read_all(k, root, &sp, e)) && !k->n_mistakes)
        s = check_counts(k, sp, e);
    if (!k->n_mistakes && !s) praise(k, sp);
    report(k);
    if (k->n_mistakes && (!s || s == LT_EINVAL))
        s = lt_fail(e, LT_EINVAL, "%s: %d mistake%s", path, k->n_mistakes, k->n_mistakes > 1 ? "s" : "");
    lt_space_free(sp);
    lt_yaml_free(root);
    lt_arena_free(k->arena);
    lt_buf_release(&k->text);
    lt_free(k);
    return s;
}
