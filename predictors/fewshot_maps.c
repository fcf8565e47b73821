/* The components of predictor "fewshot"'s prior that need no device: fewshot_basis.h says which. */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/fewshot_math.h"
#include "predictors/fewshot_survey.h"

/* How much alike two choices must cost to be taken for alike: a step of this length in log cost, a column of the
 * description scaled to 0..1, for ten columns. */
#define ALIKE 0.5
#define ALIKE_COLUMNS 10.0
/* What a choice without cost of its own may cost: this share of the cheapest other one, as a standard deviation. */
#define FREE_CHOICE 0.3

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "predictor 'fewshot': out of memory"); }

int lt_few_group_of(int raw) {
    return raw < LT_FEW_RAW_LIVE    ? LT_FEW_TOTAL
           : raw < LT_FEW_RAW_SMALL ? LT_FEW_LIVE
           : raw < LT_FEW_RAW_PART  ? LT_FEW_SMALL
                                    : LT_FEW_PART;
}

static lt_status map_columns(struct lt_few_survey *v, int group, struct lt_err *e) {
    struct lt_few_basis *b = v->b;
    int r = 0, at = 0;
    double *l;
    lt_status s;

    for (int k = 0; k < b->n_kept; k++) r += lt_few_group_of(b->kept[k]) == group;
    if (!r) return LT_OK;
    if (!(l = lt_few_doubles((size_t)b->p, (size_t)r))) return no_memory(e);
    for (int k = 0; k < b->n_kept; k++) {
        if (lt_few_group_of(b->kept[k]) != group) continue;
        if (!b->additive) l[(size_t)(1 + b->n_choices + k) * (size_t)r + (size_t)at] = 1 / sqrt(r);
        for (int j = 0; b->additive && j < b->n_choices; j++)
            l[(size_t)(1 + j) * (size_t)r + (size_t)at] =
                v->step[(size_t)j * (size_t)v->n_raw + (size_t)b->kept[k]] * b->per[k] / sqrt(r);
        at++;
    }
    s = lt_few_set_map(b, group, l, r, e);
    lt_free(l);
    return s;
}

/* Description of choices: log of what each costs, by class and sum, columns scaled to 0..1; size: the square root of
 * its share in all costs. Returns the columns used. */
static int describe(const struct lt_few_survey *v, double *log_cost, double *size) {
    int n = v->b->n_choices, used = 0;
    double sum = 0, least = INFINITY;

    for (int k = 0; k < LT_FEW_BLOCK; k++) {
        double most = 0, total = 0;

        for (int j = 0; j < n; j++) {
            double x = v->times[j] ? fmax(0, v->extra[(size_t)j * LT_FEW_BLOCK + (size_t)k] / v->times[j]) : 0;
            log_cost[(size_t)j * LT_FEW_BLOCK + (size_t)k] = log1p(x);
            most = fmax(most, log1p(x));
            total += x;
        }
        if (most <= 0) continue;
        used++;
        for (int j = 0; j < n; j++) {
            double *x = &log_cost[(size_t)j * LT_FEW_BLOCK + (size_t)k];
            size[j] += expm1(*x) / total;
            *x /= most;
        }
    }
    for (int j = 0; j < n; j++) sum += size[j] / n;
    for (int j = 0; j < n; j++) {
        size[j] = sum > 0 ? sqrt(size[j] / sum) : 1;
        if (size[j] > 0) least = fmin(least, size[j]);
    }
    for (int j = 0; j < n; j++)
        if (size[j] <= 0) size[j] = FREE_CHOICE * least;
    return used;
}

/* Mean variance of the sampled networks under weights of covariance k on the one-hot. */
static double typical_variance(const struct lt_few_survey *v, const double *k, double *x, double *kx) {
    const struct lt_few_basis *b = v->b;
    size_t n = (size_t)b->n_choices;
    double sum = 0;

    for (size_t i = 0; i < LT_FEW_SAMPLES; i++) {
        for (size_t j = 0; j < n; j++) x[j] = v->onehot[i * n + j] - b->mean[j];
        memset(kx, 0, n * sizeof(*kx));
        lt_few_mul(x, k, kx, 1, (int)n, (int)n);
        sum += lt_few_dot(x, kx, (int)n) / LT_FEW_SAMPLES;
    }
    return sum > 0 ? sum : 1;
}

static lt_status map_choices(struct lt_few_survey *v, struct lt_err *e) {
    struct lt_few_basis *b = v->b;
    size_t n = (size_t)b->n_choices;
    double *d = lt_few_doubles(n, LT_FEW_BLOCK), *size = lt_few_doubles(n, 1), *k = lt_few_doubles(n, n),
           *l = lt_few_doubles(n + 1 + (size_t)b->n_kept, n), *x = lt_few_doubles(2, n);
    lt_status s = d && size && k && l && x ? LT_OK : no_memory(e);
    int used = s ? 0 : describe(v, d, size);

    for (int c = LT_FEW_CELL; !s && c <= LT_FEW_CHOICE; c++) {
        double scale, trace = 0;

        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++) {
                double far = 0;
                for (int q = 0; q < LT_FEW_BLOCK; q++)
                    far += pow(d[i * LT_FEW_BLOCK + (size_t)q] - d[j * LT_FEW_BLOCK + (size_t)q], 2);
                far *= ALIKE_COLUMNS / fmax(used, 1);
                k[i * n + j] = c == LT_FEW_CELL ? exp(-far / (2 * ALIKE * ALIKE)) * size[i] * size[j]
                                                : (i == j) * size[i] * size[i];
            }
        }
        scale = typical_variance(v, k, x, x + n);
        for (size_t i = 0; i < n; i++) trace += k[i * n + i] / (double)n;
        for (size_t i = 0; i < n; i++) k[i * n + i] += 1e-7 * trace;
        if (!lt_few_cholesky(k, (int)n)) {
            s = lt_fail(e, LT_EFAIL, "predictor 'fewshot': the prior over choices is not positive");
            break;
        }
        memset(l, 0, (size_t)b->p * n * sizeof(*l));
        for (size_t i = 0; i < n * n; i++) l[n + i] = k[i] / sqrt(scale);
        s = lt_few_set_map(b, c, l, (int)n, e);
    }
    lt_free(d);
    lt_free(size);
    lt_free(k);
    lt_free(l);
    lt_free(x);
    return s;
}

static bool same_labels(const struct lt_gene *a, const struct lt_gene *b) {
    bool same = a->n_choices == b->n_choices;
    for (int i = 0; same && i < a->n_choices; i++) same = !strcmp(a->label[i], b->label[i]);
    return same;
}

static lt_status map_labels(struct lt_few_survey *v, struct lt_err *e) {
    struct lt_few_basis *b = v->b;
    size_t n = (size_t)b->n_choices;
    int *id = lt_calloc(n, sizeof(*id)), r = 0;
    double *k = lt_few_doubles(n, n), *l = lt_few_doubles((size_t)b->p, n), *x = lt_few_doubles(2, n), scale;
    lt_status s = id && k && l && x ? LT_OK : no_memory(e);

    if (s) goto out;
    for (int g = 0; g < b->n_genes; g++) {
        int like = 0, labels = b->first[g + 1] - b->first[g];

        while (!same_labels(lt_space_gene(b->space, like), lt_space_gene(b->space, g))) like++;
        for (int o = 0; o < labels; o++) id[b->first[g] + o] = like == g ? r + o : id[b->first[like] + o];
        if (like == g) r += labels;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) k[i * n + j] = id[i] == id[j];
    scale = typical_variance(v, k, x, x + n);
    for (size_t j = 0; j < n; j++) l[(1 + j) * (size_t)r + (size_t)id[j]] = 1 / sqrt(scale);
    s = lt_few_set_map(b, LT_FEW_LABEL, l, r, e);
out:
    lt_free(id);
    lt_free(k);
    lt_free(l);
    lt_free(x);
    return s;
}

lt_status lt_few_make_maps(struct lt_few_survey *v, struct lt_err *e) {
    static const int groups[] = {LT_FEW_SMALL, LT_FEW_TOTAL, LT_FEW_LIVE, LT_FEW_PART};
    struct lt_few_basis *b = v->b;
    double *one = lt_few_doubles((size_t)b->p, 1);
    lt_status s;

    if (!one) return no_memory(e);
    one[0] = 1;
    s = lt_few_set_map(b, LT_FEW_CONSTANT, one, 1, e);
    lt_free(one);
    for (size_t i = 0; !s && i < sizeof(groups) / sizeof(*groups); i++) s = map_columns(v, groups[i], e);
    if (!s) s = map_labels(v, e);
    return s ? s : map_choices(v, e);
}
