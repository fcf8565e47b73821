/*
 * Room: cli. A drawing of one network as SVG: its cells (where the space has cells) as nodes with their edges, one edge
 * a line, so that nothing crosses; then the network from image to logits, one line a block: a bar as wide as the
 * block's channels, what is in it, its output, its share of the MACs. Equal blocks in a row are one line.
 */
#include "cli/space_svg.h"
#include "lathe/mem.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NAME = 64, MAX_TEXT = 96 };

static void quantity(double v, char out[32]) {
    static const char unit[] = " kMGT";
    int i = 0;
    for (; v >= 999.5 && i < 4; i++) v /= 1000;
    snprintf(out, 32, i ? "%.3g %c" : "%.3g", v, unit[i]);
}

/* ---- the network ---- */

struct part { /* the nodes of one block */
    char name[MAX_NAME], text[MAX_TEXT];
    struct lt_shape in, out;
    double macs, params;
    int stage, n; /* how many equal ones */
    bool residual;
};

/* "s1.b0" of "s1.b0.dw", "stem" of "stem.conv", "fc" of "fc". */
static void part_name(const char *node, char out[MAX_NAME]) {
    size_t first = strcspn(node, "."), len = first;
    if (node[first]) {
        size_t second = strcspn(node + first + 1, ".");
        bool digit = false;
        for (size_t i = 0; i < second; i++) digit |= isdigit((unsigned char)node[first + 1 + i]) != 0;
        if (digit && node[first + 1 + second] && second < 6) len = first + 1 + second;
    }
    if (len >= MAX_NAME) len = MAX_NAME - 1;
    memcpy(out, node, len);
    out[len] = 0;
}

static void describe_window(const struct lt_node *n, int in, struct lt_buf *b) {
    const char *stride = n->stride == 2 ? "/2" : n->stride > 2 ? "/n" : "";
    char dil[16] = "";
    if (n->dilation > 1) snprintf(dil, sizeof(dil), " d%d", n->dilation);
    if (n->op == LT_OP_POOL)
        lt_buf_printf(b, "%s %d×%d%s", n->pool == LT_POOL_MAX ? "max" : "mean", n->kernel, n->kernel, stride);
    else if (lt_node_is_depthwise(n))
        lt_buf_printf(b, "dw %d×%d%s%s", n->kernel, n->kernel, stride, dil);
    else if (n->groups > 1)
        lt_buf_printf(b, "%d×%d%s g%d→%d", n->kernel, n->kernel, stride, n->groups, (int)n->out.d[1]);
    else
        lt_buf_printf(b, "%d×%d%s%s %d→%d", n->kernel, n->kernel, stride, dil, in, (int)n->out.d[1]);
}

/* What a node is for a reader; false for those that go without saying. */
static bool describe(const struct lt_graph *g, const struct lt_node *n, struct lt_buf *b) {
    switch (n->op) {
    case LT_OP_CONV:
    case LT_OP_POOL:
        describe_window(n, (int)g->node[n->in[0]].out.d[1], b);
        return true;
    case LT_OP_LINEAR:
        lt_buf_printf(b, "linear %d→%d", (int)lt_shape_count(&g->node[n->in[0]].out), (int)n->out.d[1]);
        return true;
    case LT_OP_ATTENTION:
        lt_buf_printf(b, "attention %d heads", n->heads);
        if (n->kv_heads && n->kv_heads < n->heads) lt_buf_printf(b, " / %d", n->kv_heads);
        if (n->window) lt_buf_printf(b, " window %d", n->window);
        return true;
    case LT_OP_LINATTN:
        lt_buf_printf(b, "linear attention %d heads", n->heads);
        return true;
    case LT_OP_EMBED:
        lt_buf_printf(b, "table %d×%d", (int)g->param[n->param[0]].dim[0], (int)n->out.d[1]);
        return true;
    case LT_OP_SHORTCONV:
        lt_buf_printf(b, "conv over %d", n->kernel);
        return true;
    case LT_OP_GAP:
    case LT_OP_MUL:
    case LT_OP_CONCAT:
    case LT_OP_ZERO:
    case LT_OP_SHUFFLE:
        lt_buf_puts(b, n->op == LT_OP_GAP ? "mean" : lt_op_name(n->op));
        return true;
    default:
        return false;
    }
}

/* The gate of squeeze-and-excitation is one word: from GAP to MUL. */
static int skip_gate(const struct lt_graph *g, int at, int end, struct lt_buf *b) {
    if (g->node[at].op != LT_OP_GAP) return at;
    for (int i = at + 1; i < end && i < at + 8; i++) {
        if (g->node[i].op != LT_OP_MUL) continue;
        lt_buf_printf(b, "gate %d", (int)g->node[at + 1].out.d[1]);
        return i + 1;
    }
    return at;
}

static bool over_tokens(const struct lt_node *n) {
    return n->op == LT_OP_CONV && n->kernel == 1 && n->out.d[3] == 1 && n->out.d[2] > 1;
}

/* Kinds and numbers, for what is too much for a line. Attention and its relatives are named one by one. */
static void count_kinds(const struct lt_graph *g, int begin, int end, struct lt_buf *b) {
    static const char *const kind[] = {"dense conv", "depthwise", "pooling", "addition", "linear"};
    int n[5] = {0}, widest = 0;
    const char *comma = "";
    for (int i = begin; i < end; i++) {
        const struct lt_node *t = &g->node[i];
        if (over_tokens(t))
            n[4]++;
        else if (t->op == LT_OP_CONV)
            n[lt_node_is_depthwise(t)]++;
        n[2] += t->op == LT_OP_POOL;
        n[3] += t->op == LT_OP_ADD;
        if (over_tokens(t) && t->out.d[1] > widest) widest = (int)t->out.d[1];
        if (t->op != LT_OP_ATTENTION && t->op != LT_OP_LINATTN && t->op != LT_OP_SHORTCONV) continue;
        lt_buf_puts(b, comma);
        describe(g, t, b);
        comma = ", ";
    }
    for (int i = 0; i < 5; i++) {
        if (!n[i] || (i == 3 && n[4])) continue;
        lt_buf_printf(b, "%s%d %s", comma, n[i], kind[i]);
        if (i == 4) lt_buf_printf(b, " up to %d", widest);
        comma = ", ";
    }
    if (!*comma) lt_buf_puts(b, "no operators");
}

static void fill_part(const struct lt_graph *g, int begin, int end, struct part *p) {
    struct lt_buf b = LT_BUF_INIT;
    int n_ops = 0;
    p->n = 1;
    p->in = g->node[g->node[begin].n_in ? g->node[begin].in[0] : begin].out;
    p->out = g->node[end - 1].out;
    for (int i = begin; i < end; i++) {
        struct lt_cost_node c;
        lt_node_cost(g, NULL, i, &c);
        p->macs += (double)c.macs;
        p->params += (double)c.params;
        for (int k = 0; g->node[i].op == LT_OP_ADD && k < g->node[i].n_in; k++)
            p->residual |= g->node[i].in[k] == g->node[begin].in[0];
    }
    for (int i = begin; i < end; i++) {
        size_t before = b.len;
        int next;
        if (before) lt_buf_puts(&b, ", ");
        size_t start = b.len;
        next = skip_gate(g, i, end, &b);
        bool said = next > i || describe(g, &g->node[i], &b);
        if (next > i) i = next - 1;
        n_ops += said;
        if (b.len == start && !b.failed && b.data) b.data[b.len = before] = 0;
    }
    /* "×" and "→" take more bytes than columns */
    if (n_ops > 5 || b.len > MAX_TEXT - 1 || b.failed) {
        lt_buf_clear(&b);
        count_kinds(g, begin, end, &b);
    }
    if (!b.len && g->node[begin].op == LT_OP_INPUT)
        lt_buf_puts(&b, g->node[begin].out.d[3] > 1 ? "image" : "token numbers");
    snprintf(p->text, sizeof(p->text), "%.*s", MAX_TEXT - 1, b.data ? b.data : "");
    lt_buf_release(&b);
}

static bool same_part(const struct part *a, const struct part *b) {
    return a->stage == b->stage && a->macs == b->macs && a->params == b->params && a->residual == b->residual &&
           !memcmp(&a->out, &b->out, sizeof(a->out)) && !strcmp(a->text, b->text);
}

/* "s1.b0" and two more: "s1.b0-2". */
static void extend_name(struct part *p, const char *last) {
    const char *digits = last + strlen(last);
    size_t len = strcspn(p->name, "-");
    while (digits > last && isdigit((unsigned char)digits[-1])) digits--;
    if (len + strlen(digits) + 2 < MAX_NAME) snprintf(p->name + len, MAX_NAME - len, "-%s", digits);
}

static int find_parts(const struct lt_graph *g, struct part *p) {
    int n = 0, stage = -1;
    char name[MAX_NAME], stage_name[MAX_NAME] = "";
    for (int begin = 0, end; begin < g->n_nodes; begin = end) {
        part_name(g->node[begin].name, name);
        for (end = begin + 1; end < g->n_nodes; end++) {
            char other[MAX_NAME];
            part_name(g->node[end].name, other);
            if (strcmp(name, other)) break;
        }
        p[n] = (struct part){0};
        snprintf(p[n].name, MAX_NAME, "%s", name);
        name[strcspn(name, ".")] = 0;
        if (strcmp(name, stage_name)) stage++;
        snprintf(stage_name, MAX_NAME, "%s", name);
        p[n].stage = stage;
        fill_part(g, begin, end, &p[n]);
        if (n && same_part(&p[n - 1], &p[n])) {
            p[n - 1].n++;
            extend_name(&p[n - 1], p[n].name);
        } else {
            n++;
        }
    }
    return n;
}

static void draw_part(const struct part *p, double y, double most_macs, double most_channels, struct lt_buf *b) {
    double middle = SVG_LEFT + 90, w = 40 + 130 * log1p((double)p->out.d[1]) / log1p(most_channels), share;
    char text[64], number[32];
    lt_buf_printf(b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"20\" rx=\"4\" fill=\"%s\" class=\"op\"/>\n",
                  middle - w / 2, y - 14, w, svg_colour[p->stage % 8]);
    svg_text(b, middle, y, "m", p->name);
    if (p->residual)
        lt_buf_printf(b, "<path d=\"M%.1f %.1f c-16 0 -16 12 -1 12\" class=\"skip\" marker-end=\"url(#a)\"/>\n",
                      middle - w / 2, y - 10);
    svg_text(b, 222, y, "t", p->text);
    if (p->n > 1) {
        snprintf(text, sizeof(text), "× %d", p->n);
        svg_text(b, 590, y, "b", text);
    }
    if (p->out.d[3] > 1 || p->out.d[2] == 1)
        snprintf(text, sizeof(text), "%d × %d × %d", (int)p->out.d[1], (int)p->out.d[2], (int)p->out.d[3]);
    else
        snprintf(text, sizeof(text), "%d × %d", (int)p->out.d[1], (int)p->out.d[2]);
    svg_text(b, 630, y, "t", text);
    share = most_macs > 0 ? p->macs * p->n / most_macs : 0;
    if (share > 0)
        lt_buf_printf(b, "<rect x=\"750\" y=\"%.1f\" width=\"%.1f\" height=\"14\" fill=\"%s\" class=\"op\"/>\n", y - 11,
                      100 * share < 0.6 ? 0.6 : 100 * share, svg_colour[p->stage % 8]);
    quantity(p->macs * p->n, number);
    svg_text(b, 858, y, "t", number);
    quantity(p->params * p->n, number);
    svg_text(b, 922, y, "t", number);
}

static double draw_network(const struct lt_graph *g, const struct part *p, int n, double y, struct lt_buf *b) {
    double most_macs = 0, most_channels = 1;
    (void)g;
    for (int i = 0; i < n; i++) {
        if (p[i].macs * p[i].n > most_macs) most_macs = p[i].macs * p[i].n;
        if ((double)p[i].out.d[1] > most_channels) most_channels = (double)p[i].out.d[1];
    }
    svg_text(b, SVG_LEFT, y, "h", "network");
    svg_text(b, 222, y, "t gray", "operators (batch norm and activations not listed)");
    svg_text(b, 630, y, "t gray", "output");
    svg_text(b, 750, y, "t gray", "MACs");
    svg_text(b, 922, y, "t gray", "parameters");
    y += 30;
    for (int i = 0; i < n; i++, y += SVG_ROW) {
        if (i)
            lt_buf_printf(b, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" class=\"edge\"/>\n", SVG_LEFT + 90,
                          y - SVG_ROW + 6, SVG_LEFT + 90, y - 14);
        draw_part(&p[i], y, most_macs, most_channels, b);
    }
    return y;
}

static const char style[] =
    "<style>text{font-family:system-ui,'DejaVu Sans',sans-serif;font-size:12px;fill:#222}"
    ".m{text-anchor:middle}.h{font-size:15px;font-weight:600}.b{font-weight:600}.gray{fill:#777}"
    ".mono{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:11px;fill:#555}"
    ".life{stroke:#ccc}.edge{stroke:#555;stroke-width:1.3}.none{stroke:#bbb;stroke-dasharray:3 4}"
    ".op{stroke:#00000033}.dot{fill:#555}.skip{fill:none;stroke:#888;stroke-width:1.2}"
    ".in{fill:#e8f0fa;stroke:#6b8fb8}.out{fill:#e9f6e6;stroke:#6aa35c}.node{fill:#fff;stroke:#777}</style>\n"
    "<defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" "
    "orient=\"auto\">"
    "<path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/></marker></defs>\n";

/* The architecture's text, broken into lines. */
static double draw_text(const char *text, double y, struct lt_buf *b) {
    enum { LINE = 138 };
    char line[LINE + 1];
    for (size_t n = strlen(text); n > 0; y += 15) {
        size_t k = n < LINE ? n : LINE;
        if (k < n) { /* behind a separator, if one is near */
            for (size_t i = k; i > k - 40; i--) {
                if (strchr("|+,;", text[i - 1])) {
                    k = i;
                    break;
                }
            }
        }
        memcpy(line, text, k);
        line[k] = 0;
        svg_text(b, SVG_LEFT, y, "mono", line);
        text += k;
        n -= k;
    }
    return y;
}

static void draw_all(const struct lt_space *sp, const struct lt_arch *a, const struct lt_graph *g, const struct part *p,
                     int n, struct lt_buf *out, struct lt_buf *body) {
    struct lt_cell_view v;
    struct lt_cost cost;
    char text[256], macs[32], params[32], peak[32];
    double y = 70;
    lt_graph_cost(g, NULL, &cost);
    quantity((double)cost.macs, macs);
    quantity((double)cost.params, params);
    quantity((double)cost.peak_act_bytes, peak);
    snprintf(text, sizeof(text), "%s MACs, %s parameters, %sB of activations at the peak", macs, params, peak);
    svg_text(body, SVG_LEFT, 34, "h", lt_space_name(sp));
    svg_text(body, SVG_LEFT, 52, "t", text);
    y = draw_text(g->name, y, body) + 24;
    for (int i = 0; i < lt_space_n_cells(sp); i++) {
        lt_space_cell(sp, a, i, &v);
        y = svg_cell(&v, y, body);
    }
    y = draw_network(g, p, n, y + 6, body);
    lt_buf_printf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\">\n%s"
                  "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                  SVG_WIDTH, y, SVG_WIDTH, y, style);
    lt_buf_add(out, body->data, body->len);
    lt_buf_puts(out, "</svg>\n");
}

lt_status space_svg(const struct lt_space *sp, const struct lt_arch *a, struct lt_buf *out, struct lt_err *e) {
    struct lt_buf body = LT_BUF_INIT;
    struct lt_graph *g = NULL;
    struct part *p = NULL;
    lt_status s;
    if ((s = lt_space_expand(sp, a, &g, e))) return s;
    if (!(p = lt_calloc((size_t)g->n_nodes, sizeof(*p)))) {
        s = lt_fail(e, LT_ENOMEM, "drawing of %s", g->name);
        goto out;
    }
    draw_all(sp, a, g, p, find_parts(g, p), out, &body);
    if (!(s = lt_buf_ok(&body, e))) s = lt_buf_ok(out, e);
out:
    lt_free(p);
    lt_graph_free(g);
    lt_buf_release(&body);
    return s;
}
