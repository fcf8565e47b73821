/* Room: cli. What the files that draw share. */
#ifndef LT_CLI_SPACE_SVG_H
#define LT_CLI_SPACE_SVG_H
#include "cli/space_cmd.h"

enum { SVG_WIDTH = 1000, SVG_LEFT = 28, SVG_ROW = 26 };
extern const char *const svg_colour[8];
void svg_text(struct lt_buf *b, double x, double y, const char *class, const char *text);
/* Draws below `top`; returns where the next drawing may begin. */
double svg_cell(const struct lt_cell_view *v, double top, struct lt_buf *b);
#endif
