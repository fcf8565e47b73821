/*
 * Room: run. A YAML document with changes on top: --set section.key=value, and maps with some of their keys taken out
 * (so that a plug-in's reader sees only its own). Nodes that nobody changed are the parsed ones, with their places; a
 * value that was set on the command line says so in its place.
 */
#ifndef LT_RUN_YAML_EDIT_H
#define LT_RUN_YAML_EDIT_H
#include "lathe/yaml.h"

struct lt_yaml_edit;
lt_status lt_yaml_edit_load(const char *path, struct lt_yaml_edit **out, struct lt_err *e);
void lt_yaml_edit_free(struct lt_yaml_edit *d);
const struct lt_yaml *lt_yaml_edit_root(const struct lt_yaml_edit *d);
/* "a.b=value": value is YAML. Makes the maps on the way. Earlier borrowed nodes stay valid but do not show the change.
 */
lt_status lt_yaml_edit_set(struct lt_yaml_edit *d, const char *assignment, struct lt_err *e);
/* A copy of a map without the NULL-terminated keys; dies with d. */
lt_status lt_yaml_edit_without(struct lt_yaml_edit *d, const struct lt_yaml *map, const char *const *keys,
                               const struct lt_yaml **out, struct lt_err *e);
/* Parses text as if it stood in the document (for sections that are not there); dies with d. */
lt_status lt_yaml_edit_parse(struct lt_yaml_edit *d, const char *name, const char *text, const struct lt_yaml **out,
                             struct lt_err *e);
#endif
