/*
 * Room: cli. A cell as SVG: nodes are columns, every edge is a line of its own from one to another with its operation
 * in a box on it, so that nothing crosses.
 */
#include "cli/space_svg.h"

#include <stdio.h>
#include <string.h>

/* In turn; after Okabe and Ito's palette, lightened. */
const char *const svg_colour[8] = {"#a6cee3", "#b8e0b0", "#fdd49e", "#d9c2e6",
                                   "#f7c6c5", "#c9e4de", "#e6dcb8", "#cfd8e8"};

void svg_text(struct lt_buf *b, double x, double y, const char *class, const char *text) {
    lt_buf_printf(b, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
    for (; *text; text++) {
        if (*text == '<')
            lt_buf_puts(b, "&lt;");
        else if (*text == '>')
            lt_buf_puts(b, "&gt;");
        else if (*text == '&')
            lt_buf_puts(b, "&amp;");
        else
            lt_buf_add(b, text, 1);
    }
    lt_buf_puts(b, "</text>\n");
}

double svg_cell(const struct lt_cell_view *v, double top, struct lt_buf *b) {
    int columns = v->n_nodes + (v->joined ? 1 : 0);
    double step = (double)(SVG_WIDTH - 2 * SVG_LEFT - 120) / (columns > 1 ? columns - 1 : 1), x0 = SVG_LEFT + 60;
    double y = top + 46, bottom;
    char name[48];
    int lines = v->n_links + (v->joined ? 1 : 0);
    svg_text(b, SVG_LEFT, top + 4, "h", v->name);
    bottom = y + 14 + lines * SVG_ROW;
    for (int i = 0; i < columns; i++) {
        double x = x0 + i * step;
        bool in = i < v->n_inputs, out = i == v->n_nodes || (!v->joined && i == v->n_nodes - 1);
        lt_buf_printf(b, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"life\"/>\n", x, y, x, bottom);
        if (in)
            snprintf(name, sizeof(name), "%d: input", i);
        else if (i == v->n_nodes)
            snprintf(name, sizeof(name), "output");
        else
            snprintf(name, sizeof(name), "%d%s", i, out ? ": output" : "");
        lt_buf_printf(b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"72\" height=\"22\" rx=\"11\" class=\"%s\"/>\n", x - 36,
                      y - 22,
                      in    ? "in"
                      : out ? "out"
                            : "node");
        svg_text(b, x, y - 7, "m", name);
    }
    y += 6;
    for (int i = 0; i < v->n_links; i++) {
        const struct lt_cell_link *l = &v->link[i];
        double x1 = x0 + l->from * step, x2 = x0 + l->to * step, mid = x2 - step / 2;
        double w = 7.2 * (double)strlen(l->operation) + 14;
        y += SVG_ROW;
        if (w > step - 14) w = step - 14;
        lt_buf_printf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" class=\"dot\"/>", x1, y);
        lt_buf_printf(b,
                      "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\" marker-end=\"url(#a)\"/>\n",
                      x1, y, x2 - 1, y, l->nothing ? "none" : "edge");
        lt_buf_printf(b,
                      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"18\" rx=\"3\" fill=\"%s\" class=\"op\"/>\n",
                      mid - w / 2, y - 9, w, l->nothing ? "#f4f4f4" : svg_colour[l->operation_index % 8]);
        svg_text(b, mid, y + 4, l->nothing ? "m gray" : "m", l->operation);
    }
    if (v->joined) {
        y += SVG_ROW;
        for (int i = v->n_inputs; i < v->n_nodes; i++)
            lt_buf_printf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" class=\"dot\"/>", x0 + i * step, y);
        lt_buf_printf(b,
                      "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"edge\" marker-end=\"url(#a)\"/>\n",
                      x0 + v->n_inputs * step, y, x0 + v->n_nodes * step - 1, y);
        svg_text(b, x0 + (v->n_nodes - 0.5) * step, y - 5, "m gray", v->joined);
    }
    return bottom + 30;
}
