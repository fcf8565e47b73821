/*
 * YAML documents as a tree that remembers where everything stood, so that every complaint can say file:line:column.
 * Duplicate keys, anchors/aliases and several documents in a file are refused. The tree owns all its strings and dies
 * at once with lt_yaml_free(root). Getters fail with LT_EINVAL and a message "file:line:col: key: ...".
 */
#ifndef LATHE_YAML_H
#define LATHE_YAML_H
#include "lathe/status.h"
#include "lathe/buf.h"
#ifdef __cplusplus
extern "C" {
#endif
enum lt_yaml_kind { LT_YAML_NULL, LT_YAML_SCALAR, LT_YAML_SEQ, LT_YAML_MAP };
struct lt_yaml {
    enum lt_yaml_kind kind;
    const char *file; /* shared by the whole tree */
    int line, col;    /* 1-based, of the value */
    const char *key;  /* the key under which a map holds this node, else NULL */
    int key_line, key_col;
    const char *text; /* scalar text, else NULL */
    bool quoted;
    int n; /* children of SEQ or MAP, in file order */
    struct lt_yaml *const *child;
};
lt_status lt_yaml_load(const char *path, struct lt_yaml **out, struct lt_err *e);
lt_status lt_yaml_parse(const char *name, const char *text, size_t len, struct lt_yaml **out, struct lt_err *e);
void lt_yaml_free(struct lt_yaml *root);                                       /* root only */
const struct lt_yaml *lt_yaml_get(const struct lt_yaml *map, const char *key); /* NULL when absent or not a map */
lt_status lt_yaml_fail(struct lt_err *e, const struct lt_yaml *at, const char *fmt, ...)
    LT_PRINTF(3, 4); /* LT_EINVAL with place */
lt_status lt_yaml_expect(const struct lt_yaml *n, enum lt_yaml_kind kind, struct lt_err *e);
/* known: NULL-terminated list; an unknown key is an error that names the nearest known key. */
lt_status lt_yaml_known(const struct lt_yaml *map, const char *const *known, struct lt_err *e);
lt_status lt_yaml_int(const struct lt_yaml *n, int64_t min, int64_t max, int64_t *out, struct lt_err *e);
/* Number with optional unit text; `unit` is the unit of *out ("ms", "bytes", "KiB", "%", "" ...; see lathe/opt.h).
 * NaN/inf are refused. */
lt_status lt_yaml_double(const struct lt_yaml *n, const char *unit, double min, double max, double *out,
                         struct lt_err *e);
/* Canonical text that parses to the same tree. The program itself never needs it: it is what the tests check the
 * reader with (write, read, compare), and what a program that makes experiments needs. */
lt_status lt_yaml_emit(const struct lt_yaml *root, struct lt_buf *out, struct lt_err *e);
/* Which of the NULL-terminated names the scalar holds; else LT_EINVAL with the place, the nearest one and all of them:
 * "unknown <what> 'x', did you mean 'y'; there are y, z". */
lt_status lt_yaml_pick(const struct lt_yaml *n, const char *what, const char *const *names, int *out, struct lt_err *e);
/* Nearest of the NULL-terminated names by edit distance, or NULL when none is near. */
const char *lt_nearest(const char *word, const char *const *names);
#ifdef __cplusplus
}
#endif
#endif
