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

/* Score and unit of an axis; accuracies in percent. */
static void put_score(struct lt_buf *b, const struct lt_json *axis, const struct lt_json *scores) {
    const char *name = lt_json_text(axis, "score"), *unit = lt_json_text(axis, "unit");
    if (!name) return;
    bool share = unit && !strcmp(unit, "fraction");
    double v = lt_json_num_or(scores, name, NAN);
    if (isnan(v))
        lt_buf_printf(b, "  %10s", "-");
    else
        lt_buf_printf(b, "  %10.5g", share ? 100 * v : v);
    if (unit && *unit) lt_buf_printf(b, " %s", share ? "%" : unit);
}

struct row {
    double x;
    const struct lt_json *c;
};

static int by_axis(const void *pa, const void *pb) {
    const struct row *a = pa, *b = pb;
    return (a->x > b->x) - (a->x < b->x);
}

/* The front of a run that trains nothing: its own scores as columns. */
static lt_status put_found(struct lt_buf *b, const struct lt_json *root, struct lt_err *e) {
    const struct lt_json *all = lt_json_list(root, "candidates"), *axes = lt_json_get(root, "axes"),
                         *y = axes ? lt_json_get(axes, "y") : NULL, *x = axes ? lt_json_get(axes, "x") : NULL;
    const char *along = lt_json_text(x, "score"), *up = lt_json_text(y, "score");
    struct row *front;
    int n = 0, failed = (int)lt_json_num_or(root, "failed", 0);
    if (!all || !all->n || !up) return LT_OK;
    if (!(front = lt_calloc((size_t)all->n, sizeof(*front)))) return lt_fail(e, LT_ENOMEM, "table");
    for (int i = 0; i < all->n; i++) {
        const struct lt_json *on = lt_json_get(all->child[i], "front");
        if (!on || !on->b) continue;
        front[n].c = all->child[i];
        front[n++].x = lt_json_num_or(all->child[i], along ? along : up, NAN);
    }
    qsort(front, (size_t)n, sizeof(*front), by_axis);
    lt_buf_printf(b, "Pareto front, %d of %d evaluated architectures (%s%s%s; * best)\n", n, all->n, up,
                  along ? ", " : "", along ? along : "");
    int shown = n < FRONT_ROWS ? n : FRONT_ROWS;
    for (int k = 0; k < shown; k++) {
        const struct lt_json *c = front[shown > 1 ? (int)((int64_t)k * (n - 1) / (shown - 1)) : 0].c,
                             *chosen = lt_json_get(c, "chosen");
        lt_buf_printf(b, "  %s", chosen && chosen->b ? "*" : " ");
        put_score(b, y, c);
        put_score(b, x, c);
        lt_buf_printf(b, "  %s\n", lt_json_text(c, "arch"));
    }
    if (failed) lt_buf_printf(b, "  %d evaluation%s failed; the journal says why\n", failed, failed == 1 ? "" : "s");
    lt_free(front);
    return LT_OK;
}

static void put_answers(struct lt_buf *b, const struct lt_json *root) {
    const struct lt_json *list = lt_json_list(root, "answers"), *axes = lt_json_get(root, "axes"),
                         *bases = lt_json_list(root, "baselines");
    if (list && list->n) lt_buf_puts(b, "One answer a limit\n");
    for (int i = 0; list && i < list->n; i++) {
        const struct lt_json *a = list->child[i], *scores = lt_json_get(a, "scores");
        lt_buf_printf(b, "  %-24s", lt_json_text(a, "goal"));
        put_score(b, axes ? lt_json_get(axes, "y") : NULL, scores);
        put_score(b, axes ? lt_json_get(axes, "x") : NULL, scores);
        lt_buf_printf(b, "  %s\n", lt_json_text(a, "arch") ? lt_json_text(a, "arch") : "none found");
    }
    for (int i = 0; bases && i < bases->n; i++) {
        const char *goal = lt_json_text(bases->child[i], "goal"), *text = lt_json_text(bases->child[i], "text");
        lt_buf_printf(b, "%s%s%s\n", goal && *goal ? goal : "", goal && *goal ? ": " : "", text ? text : "");
    }
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
    const char *evaluator = lt_json_text(root, "evaluator");
    bool trains = !evaluator || !strcmp(evaluator, "supernet");
    if ((s = trains ? put_front(out, root, e) : put_found(out, root, e))) goto out;
    put_answers(out, root);
    put_final(out, root);
    if (lt_json_text(root, "layers_text")) lt_buf_printf(out, "  %s\n", lt_json_text(root, "layers_text"));
    s = lt_buf_ok(out, e);
out:
    lt_json_free(root);
    lt_buf_release(&text);
    lt_free(path);
    return s;
}
