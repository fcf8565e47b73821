/* Room: run. The end of a run as a table for a terminal, out of summary.json. */
#include "run/run.h"
#include "lathe/file.h"
#include "lathe/json.h"
#include "lathe/mem.h"
#include "run/stages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRONT_ROWS = 8 };

static int by_latency(const void *pa, const void *pb) {
    double a = lt_json_num_or(*(const struct lt_json *const *)pa, "latency_ms", INFINITY),
           b = lt_json_num_or(*(const struct lt_json *const *)pb, "latency_ms", INFINITY);
    return (a > b) - (a < b);
}

static void cell(struct lt_buf *b, int width, double v, double times, int digits, const char *unit) {
    if (isnan(v))
        lt_buf_printf(b, "  %*s%*s", width, "-", (int)strlen(unit), "");
    else
        lt_buf_printf(b, "  %*.*f%s", width, digits, v * times, unit);
}

static lt_status put_front(struct lt_buf *b, const struct lt_json *root, struct lt_err *e) {
    const struct lt_json *all = lt_json_list(root, "candidates"), **front;
    int n = 0;
    if (!all || !all->n) return LT_OK;
    if (!(front = lt_calloc((size_t)all->n, sizeof(*front)))) return lt_fail(e, LT_ENOMEM, "table");
    for (int i = 0; i < all->n; i++) {
        const struct lt_json *on = lt_json_get(all->child[i], "front");
        if (on && on->b) front[n++] = all->child[i];
    }
    qsort(front, (size_t)n, sizeof(*front), by_latency);
    lt_buf_printf(b, "Pareto front, %d of %d evaluated networks (validation accuracy, predicted latency; * chosen)\n",
                  n, all->n);
    int shown = n < FRONT_ROWS ? n : FRONT_ROWS;
    for (int k = 0; k < shown; k++) {
        const struct lt_json *c = front[shown > 1 ? (int)((int64_t)k * (n - 1) / (shown - 1)) : 0],
                             *chosen = lt_json_get(c, "chosen");
        lt_buf_printf(b, "  %s", chosen && chosen->b ? "*" : " ");
        cell(b, 6, lt_json_num_or(c, "accuracy", NAN), 100, 2, " %");
        cell(b, 8, lt_json_num_or(c, "latency_ms", NAN), 1, 4, " ms");
        cell(b, 7, lt_json_num_or(c, "size_kb", NAN), 1, 0, " kB");
        lt_buf_printf(b, "  %s\n", lt_json_text(c, "arch"));
    }
    lt_free(front);
    return LT_OK;
}

static void put_final(struct lt_buf *b, const struct lt_json *root) {
    const struct lt_json *rows = lt_json_list(root, "final"), *big = NULL, *dep = NULL;
    if (!rows || !rows->n) return;
    lt_buf_puts(
        b, "\n                        test accuracy  measured latency [95 % interval]       predicted       size\n");
    for (int i = 0; i < rows->n; i++) {
        const struct lt_json *r = rows->child[i], *unstable = lt_json_get(r, "unstable");
        const char *role = lt_json_text(r, "role");
        if (role && !strcmp(role, "largest")) big = r;
        if (role && !strcmp(role, "deployed")) dep = r;
        lt_buf_printf(b, "  %-20s", lt_json_text(r, "role_text"));
        cell(b, 11, lt_json_num_or(r, "accuracy", NAN), 100, 2, " %");
        cell(b, 9, lt_json_num_or(r, "latency_ms", NAN), 1, 4, " ms");
        lt_buf_printf(b, " [%.4f, %.4f]%s", lt_json_num_or(r, "lo_ms", NAN), lt_json_num_or(r, "hi_ms", NAN),
                      unstable && unstable->b ? "?" : " ");
        cell(b, 9, lt_json_num_or(r, "predicted_ms", NAN), 1, 4, " ms");
        cell(b, 6, lt_json_num_or(r, "size_kb", NAN), 1, 0, " kB");
        lt_buf_puts(b, "\n");
    }
    if (big && dep)
        lt_buf_printf(b, "  deployed against largest: %.2f x the latency, %+.2f points of accuracy\n",
                      lt_json_num_or(dep, "latency_ms", NAN) / lt_json_num_or(big, "latency_ms", NAN),
                      100 * (lt_json_num_or(dep, "accuracy", NAN) - lt_json_num_or(big, "accuracy", NAN)));
    if (dep) lt_buf_printf(b, "  deployed architecture: %s\n", lt_json_text(dep, "arch"));
}

lt_status lt_summary_text(const char *dir, struct lt_buf *out, struct lt_err *e) {
    struct lt_buf text = LT_BUF_INIT;
    struct lt_json *root = NULL;
    char *path = lt_path_join(dir, "summary.json");
    lt_status s = path ? lt_file_read(path, (size_t)1 << 30, &text, e) : lt_fail(e, LT_ENOMEM, "%s", dir);
    if (!s) s = lt_json_parse(path, text.data, text.len, &root, e);
    if (s) goto out;
    static const char *const lines[] = {"constraints_text", "predictor_text", "train_text"};
    static const char *const heads[] = {"limits:    ", "", "training:  "};
    for (int i = 0; i < 3; i++)
        if (lt_json_text(root, lines[i])) lt_buf_printf(out, "%s%s\n", heads[i], lt_json_text(root, lines[i]));
    if ((s = put_front(out, root, e))) goto out;
    put_final(out, root);
    if (lt_json_text(root, "layers_text")) lt_buf_printf(out, "  %s\n", lt_json_text(root, "layers_text"));
    s = lt_buf_ok(out, e);
out:
    lt_json_free(root);
    lt_buf_release(&text);
    lt_free(path);
    return s;
}
