/*
 * JSON: a writer that appends to a lt_buf and keeps commas and nesting right, and a strict reader.
 * Doubles are written %.17g (shortest that reads back equal), non-finite ones as null.
 */
#ifndef LATHE_JSON_H
#define LATHE_JSON_H
#include "lathe/status.h"
#include "lathe/buf.h"
#ifdef __cplusplus
extern "C" {
#endif
struct lt_jw {
    struct lt_buf *out;
    int depth;
    uint64_t comma;
    bool after_key;
}; /* depth <= 60 */
void lt_jw_init(struct lt_jw *w, struct lt_buf *out);
void lt_jw_obj(struct lt_jw *w);
void lt_jw_obj_end(struct lt_jw *w);
void lt_jw_arr(struct lt_jw *w);
void lt_jw_arr_end(struct lt_jw *w);
void lt_jw_key(struct lt_jw *w, const char *key);
void lt_jw_str(struct lt_jw *w, const char *s); /* NULL -> null */
void lt_jw_int(struct lt_jw *w, int64_t v);
void lt_jw_num(struct lt_jw *w, double v);
void lt_jw_bool(struct lt_jw *w, bool v);
void lt_jw_null(struct lt_jw *w);
/* key + value in one call */
void lt_jw_kstr(struct lt_jw *w, const char *k, const char *s);
void lt_jw_kint(struct lt_jw *w, const char *k, int64_t v);
void lt_jw_knum(struct lt_jw *w, const char *k, double v);
void lt_jw_kbool(struct lt_jw *w, const char *k, bool v);

enum lt_json_kind { LT_JSON_NULL, LT_JSON_BOOL, LT_JSON_NUM, LT_JSON_STR, LT_JSON_ARR, LT_JSON_OBJ };
struct lt_json {
    enum lt_json_kind kind;
    const char *key;
    double num;
    bool b;
    const char *str;
    int n;
    struct lt_json *const *child;
};
lt_status lt_json_parse(const char *name, const char *text, size_t len, struct lt_json **out,
                        struct lt_err *e); /* free root */
void lt_json_free(struct lt_json *root);
/* Writes a parsed value again, as it was; NULL -> null. */
void lt_json_copy(struct lt_jw *w, const struct lt_json *j);
const struct lt_json *lt_json_get(const struct lt_json *obj, const char *key);
lt_status lt_json_num(const struct lt_json *obj, const char *key, double *out, struct lt_err *e);
lt_status lt_json_str(const struct lt_json *obj, const char *key, const char **out, struct lt_err *e); /* borrowed */
#ifdef __cplusplus
}
#endif
#endif
