/* Base room: how text becomes a YAML scalar. */
#ifndef LT_BASE_YAML_TEXT_H
#define LT_BASE_YAML_TEXT_H
#include "lathe/buf.h"

/* Appends t as a scalar that reads back as the same text: plain when that is possible and `quote` is false, else in
 * double quotes. */
void lt_yaml_scalar(struct lt_buf *out, const char *t, bool quote);
#endif
