/* Room: cli. The pieces of a JSON Schema; see space_schema.h. */
#include "cli/space_schema.h"

void schema_type(struct lt_jw *w, const char *name) { lt_jw_kstr(w, "type", name); }

void schema_ref(struct lt_jw *w, const char *to) {
    lt_jw_obj(w);
    lt_jw_kstr(w, "$ref", to);
    lt_jw_obj_end(w);
}

void schema_words(struct lt_jw *w, const char *key, const char *const *word) {
    lt_jw_key(w, key);
    lt_jw_arr(w);
    for (; *word; word++) lt_jw_str(w, *word);
    lt_jw_arr_end(w);
}

void schema_object(struct lt_jw *w) {
    lt_jw_obj(w);
    schema_type(w, "object");
    lt_jw_kbool(w, "additionalProperties", false);
}

/* {"type": ..., ranges} of one number, or the names that stand for numbers. */
void schema_scalar(struct lt_jw *w, bool whole, double min, double max, const char *const *names) {
    lt_jw_obj(w);
    if (names) {
        schema_words(w, "enum", names);
    } else {
        schema_type(w, whole ? "integer" : "number");
        lt_jw_knum(w, "minimum", min);
        lt_jw_knum(w, "maximum", max);
    }
    lt_jw_obj_end(w);
}

/* A value that may be a choice. */
void schema_value(struct lt_jw *w, const char *about, bool whole, double min, double max, const char *const *names) {
    lt_jw_obj(w);
    if (about) lt_jw_kstr(w, "description", about);
    lt_jw_key(w, "anyOf");
    lt_jw_arr(w);
    schema_scalar(w, whole, min, max, names);
    lt_jw_obj(w);
    schema_type(w, "array");
    lt_jw_kint(w, "minItems", 1);
    lt_jw_key(w, "items");
    schema_scalar(w, whole, min, max, names);
    lt_jw_obj_end(w);
    if (!names) schema_ref(w, "#/definitions/expression");
    schema_ref(w, "#/definitions/choice");
    schema_ref(w, "#/definitions/tie");
    schema_ref(w, "#/definitions/each");
    lt_jw_arr_end(w);
    lt_jw_obj_end(w);
}

void schema_number(struct lt_jw *w, const char *key, const char *about, double min, double max) {
    lt_jw_key(w, key);
    schema_value(w, about, true, min, max, NULL);
}

void schema_fixed(struct lt_jw *w, const char *key, const char *about, double min, double max) {
    lt_jw_key(w, key);
    lt_jw_obj(w);
    lt_jw_kstr(w, "description", about);
    schema_type(w, "integer");
    lt_jw_knum(w, "minimum", min);
    lt_jw_knum(w, "maximum", max);
    lt_jw_obj_end(w);
}

void schema_string(struct lt_jw *w, const char *key, const char *about) {
    lt_jw_key(w, key);
    lt_jw_obj(w);
    lt_jw_kstr(w, "description", about);
    schema_type(w, "string");
    lt_jw_obj_end(w);
}

void schema_any(struct lt_jw *w, const char *key, const char *about) {
    lt_jw_key(w, key);
    lt_jw_obj(w);
    lt_jw_kstr(w, "description", about);
    lt_jw_obj_end(w);
}

void schema_named(struct lt_jw *w, const char *key, const char *to) {
    lt_jw_key(w, key);
    schema_ref(w, to);
}

void schema_list_of(struct lt_jw *w, const char *key, const char *about, const char *to, int min) {
    lt_jw_key(w, key);
    lt_jw_obj(w);
    lt_jw_kstr(w, "description", about);
    schema_type(w, "array");
    lt_jw_kint(w, "minItems", min);
    lt_jw_key(w, "items");
    schema_ref(w, to);
    lt_jw_obj_end(w);
}

void schema_required(struct lt_jw *w, const char *a, const char *b) {
    const char *const word[] = {a, b, NULL};
    schema_words(w, "required", word);
}
