/* Room: predictors. Interactions; see pairs.h. */
#include "predictors/pairs.h"
#include <math.h>
#include "lathe/mem.h"

static int count_choices(const struct lt_space *s, int *gene) {
    int m = 0, same = 0;

    for (int i = 0; i < lt_space_n_genes(s); i++) {
        int k = lt_space_gene(s, i)->n_choices;
        for (int c = 0; c < k; c++) gene[m++] = i;
        same += k * (k - 1) / 2 + k;
    }
    return m * (m + 1) / 2 - same; /* pairs of columns of different genes */
}

static int count_columns(const struct lt_space *s, double *row, int *numeric) {
    struct lt_arch a;
    int m = 0;

    lt_space_largest(s, &a);
    lt_space_row(s, &a, row);
    for (int i = 0; i < lt_space_n_columns(s); i++) m += !isnan(row[i]);
    *numeric = m;
    return m + m * (m + 1) / 2;
}

lt_status lt_pairs_init(struct lt_pairs *p, const struct lt_space *s, enum lt_pairs_kind kind, struct lt_err *e) {
    int cols = lt_space_n_columns(s), hot = lt_space_n_features(s), width = cols > hot ? cols : hot, n = 0;

    *p = (struct lt_pairs){.space = s, .kind = kind};
    p->gene = lt_calloc((size_t)hot + 1, sizeof(*p->gene));
    p->centre = lt_calloc((size_t)cols + 1, sizeof(*p->centre));
    p->spread = lt_calloc((size_t)cols + 1, sizeof(*p->spread));
    p->row = lt_calloc((size_t)width + 1, sizeof(*p->row));
    if (!p->gene || !p->centre || !p->spread || !p->row) {
        lt_pairs_release(p);
        return lt_fail(e, LT_ENOMEM, "interactions: out of memory");
    }
    if (kind == LT_PAIRS_CHOICES) {
        n = count_choices(s, p->gene);
        p->m = hot;
    } else if (kind == LT_PAIRS_COLUMNS) {
        n = count_columns(s, p->row, &p->m);
    }
    if (n <= LT_PAIRS_MOST) p->n = n;
    return LT_OK;
}

void lt_pairs_release(struct lt_pairs *p) {
    lt_free(p->gene);
    lt_free(p->centre);
    lt_free(p->spread);
    lt_free(p->row);
    *p = (struct lt_pairs){0};
}

void lt_pairs_centre(struct lt_pairs *p, const struct lt_arch *a, int n) {
    int cols = lt_space_n_columns(p->space);

    if (p->kind != LT_PAIRS_COLUMNS || !p->n) return;
    for (int j = 0; j < cols; j++) p->centre[j] = p->spread[j] = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < n; i++) {
            lt_space_row(p->space, &a[i], p->row);
            for (int j = 0; j < cols; j++) {
                if (isnan(p->row[j])) continue;
                if (pass == 0)
                    p->centre[j] += p->row[j] / n;
                else
                    p->spread[j] += pow(p->row[j] - p->centre[j], 2) / n;
            }
        }
    }
    for (int j = 0; j < cols; j++) p->spread[j] = sqrt(p->spread[j]);
}

static void of_columns(const struct lt_pairs *p, const struct lt_arch *a, double *out) {
    int m = 0, k = 0;

    lt_space_row(p->space, a, p->row);
    for (int j = 0; j < lt_space_n_columns(p->space); j++)
        if (!isnan(p->row[j])) p->row[m++] = p->spread[j] > 0 ? (p->row[j] - p->centre[j]) / p->spread[j] : 0;
    for (int i = 0; i < m && i < p->m; i++) out[k++] = p->row[i];
    for (int i = 0; i < m && i < p->m; i++)
        for (int j = i; j < m && j < p->m; j++) out[k++] = p->row[i] * p->row[j];
    while (k < p->n) out[k++] = 0;
}

static void of_choices(const struct lt_pairs *p, const struct lt_arch *a, double *out) {
    int k = 0;

    lt_space_features(p->space, a, p->row);
    for (int i = 0; i < p->m; i++)
        for (int j = i + 1; j < p->m; j++)
            if (p->gene[i] != p->gene[j]) out[k++] = p->row[i] * p->row[j];
}

void lt_pairs_of(const struct lt_pairs *p, const struct lt_arch *a, double *out) {
    if (!p->n) return;
    if (p->kind == LT_PAIRS_COLUMNS)
        of_columns(p, a, out);
    else
        of_choices(p, a, out);
}
