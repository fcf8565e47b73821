/* Readers of single keys that all sections of a space file share. */
#include <ctype.h>
#include <string.h>
#include "spaces/space_priv.h"

#define MAX_NAME 32

lt_status lt_read_required(const struct lt_yaml *map, const char *key, const struct lt_yaml **out, struct lt_err *e) {
    if (!(*out = lt_yaml_get(map, key))) return lt_yaml_fail(e, map, "'%s' is missing", key);
    return LT_OK;
}

lt_status lt_read_int(const struct lt_yaml *map, const char *key, int min, int max, int dflt, int *out,
                      struct lt_err *e) {
    const struct lt_yaml *n = lt_yaml_get(map, key);
    int64_t v;
    lt_status s;

    if (!n) {
        if (dflt < min) return lt_yaml_fail(e, map, "'%s' is missing", key);
        *out = dflt;
        return LT_OK;
    }
    if (n->kind == LT_YAML_SEQ) return lt_yaml_fail(e, n, "this cannot be a choice; give one value");
    if ((s = lt_yaml_int(n, min, max, &v, e))) return s;
    *out = (int)v;
    return LT_OK;
}

lt_status lt_read_bool(const struct lt_yaml *map, const char *key, bool dflt, bool *out, struct lt_err *e) {
    static const char *const names[] = {"false", "true", NULL};
    const struct lt_yaml *n = lt_yaml_get(map, key);
    lt_status s;
    int k = dflt;

    if (n && (s = lt_yaml_pick(n, "value", names, &k, e))) return s;
    *out = k;
    return LT_OK;
}

lt_status lt_read_act(const struct lt_yaml *n, enum lt_act *out, struct lt_err *e) {
    const char *names[LT_N_ACTS + 1] = {NULL};
    lt_status s;
    int k;

    if (n->kind == LT_YAML_SEQ) return lt_yaml_fail(e, n, "an activation cannot be a choice; give one name");
    for (int i = 0; i < LT_N_ACTS; i++) names[i] = lt_act_name((enum lt_act)i);
    if ((s = lt_yaml_pick(n, "activation", names, &k, e))) return s;
    *out = (enum lt_act)k;
    return LT_OK;
}

lt_status lt_read_name(struct lt_space *s, const struct lt_yaml *n, bool dots, const char **out, struct lt_err *e) {
    lt_status st = lt_yaml_expect(n, LT_YAML_SCALAR, e);
    bool ok;

    if (st) return st;
    ok = isalpha((unsigned char)n->text[0]);
    for (const char *p = n->text; *p && ok; p++)
        ok = isalnum((unsigned char)*p) || *p == '_' || (dots && (*p == '-' || *p == '.'));
    if (!ok || strlen(n->text) > MAX_NAME)
        return lt_yaml_fail(e, n, "'%s' is no name: at most %d letters, digits%s and '_', starting with a letter",
                            n->text, MAX_NAME, dots ? ", '-', '.'" : "");
    if (!(*out = lt_arena_strdup(s->arena, n->text))) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    return LT_OK;
}
