/* Room: cli. The pieces of which a JSON Schema is put together. */
#ifndef LT_CLI_SPACE_SCHEMA_H
#define LT_CLI_SPACE_SCHEMA_H
#include "cli/space_cmd.h"

/* Key and value inside of an object that is open: */
void schema_type(struct lt_jw *w, const char *name);
void schema_words(struct lt_jw *w, const char *key, const char *const *word);
void schema_number(struct lt_jw *w, const char *key, const char *about, double min, double max);
void schema_fixed(struct lt_jw *w, const char *key, const char *about, double min, double max);
void schema_string(struct lt_jw *w, const char *key, const char *about);
void schema_any(struct lt_jw *w, const char *key, const char *about);
void schema_named(struct lt_jw *w, const char *key, const char *to);
void schema_list_of(struct lt_jw *w, const char *key, const char *about, const char *to, int min);
void schema_required(struct lt_jw *w, const char *a, const char *b);
/* A value: a reference, an object that is left open, one number or name, a value of the language (which may be a
 * choice). */
void schema_ref(struct lt_jw *w, const char *to);
void schema_object(struct lt_jw *w);
void schema_scalar(struct lt_jw *w, bool whole, double min, double max, const char *const *names);
void schema_value(struct lt_jw *w, const char *about, bool whole, double min, double max, const char *const *names);
/* The definitions that spaces of cells need. */
void schema_cells(struct lt_jw *w);
#endif
