/*
 * Looking at a space for predictor "fewshot": analytic sums of sampled networks, and of two networks with every gene
 * varied, tell which columns psi has, whether the space is additive, and what a choice costs.
 */
#include <math.h>
#include "lathe/mem.h"
#include "predictors/fewshot_math.h"
#include "predictors/fewshot_survey.h"

enum { CHECKED = 32 };

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "predictor 'fewshot': out of memory"); }

static void survey_release(struct lt_few_survey *v) {
    lt_free(v->raw);
    lt_free(v->onehot);
    lt_free(v->base);
    lt_free(v->step);
    lt_free(v->extra);
    lt_free(v->times);
    lt_free(v->row);
}

static lt_status survey_init(struct lt_few_survey *v, struct lt_few_basis *b, struct lt_err *e) {
    size_t n = (size_t)b->n_choices, w;

    v->b = b;
    v->n_raw = lt_few_raw_count(b->parts);
    w = (size_t)v->n_raw;
    v->raw = lt_few_doubles(LT_FEW_SAMPLES, w);
    v->onehot = lt_few_doubles(LT_FEW_SAMPLES, n);
    v->base = lt_few_doubles(1, w);
    v->step = lt_few_doubles(n, w);
    v->extra = lt_few_doubles(n, LT_FEW_BLOCK);
    v->times = lt_few_doubles(n, 1);
    v->row = lt_few_doubles(1, w);
    b->mean = lt_few_doubles(n, 1);
    b->kept = lt_calloc(w, sizeof(*b->kept));
    b->centre = lt_few_doubles(w, 1);
    b->per = lt_few_doubles(w, 1);
    return v->raw && v->onehot && v->base && v->step && v->extra && v->times && v->row && b->mean && b->kept &&
                   b->centre && b->per
               ? LT_OK
               : no_memory(e);
}

/* Which networks are looked at: LT_FEW_SAMPLES drawn ones; the contexts are the largest and the first of them. */
static lt_status sample(struct lt_few_survey *v, uint64_t seed, bool *all_active, struct lt_err *e) {
    struct lt_few_basis *b = v->b;
    lt_status s;

    *all_active = true;
    lt_space_largest(b->space, &v->context[0]);
    for (int i = 0; i < LT_FEW_SAMPLES; i++) {
        struct lt_rng r;
        struct lt_arch a;

        lt_rng_at(&r, seed, LT_RNG_SAMPLE, 0xf, (uint64_t)i);
        lt_space_sample(b->space, &r, &a);
        if (i + 1 < LT_FEW_CONTEXTS) v->context[i + 1] = a;
        if ((s = lt_few_raw(b->parts, b->space, &a, v->raw + (size_t)i * (size_t)v->n_raw, e))) return s;
        for (int g = 0; g < b->n_genes; g++) {
            if (lt_space_gene_active(b->space, &a, g))
                v->onehot[(size_t)i * (size_t)b->n_choices + (size_t)(b->first[g] + a.g[g])] = 1;
            else
                *all_active = false;
        }
    }
    for (int j = 0; j < b->n_choices; j++)
        for (int i = 0; i < LT_FEW_SAMPLES; i++)
            b->mean[j] += v->onehot[(size_t)i * (size_t)b->n_choices + (size_t)j] / LT_FEW_SAMPLES;
    return lt_few_raw(b->parts, b->space, &v->context[0], v->base, e);
}

/* Every choice of gene g in a context: adds what it costs more than the cheapest. */
static lt_status vary(struct lt_few_survey *v, int context, int g, struct lt_err *e) {
    const struct lt_few_basis *b = v->b;
    int first = b->first[g], n = b->first[g + 1] - first;
    double least[LT_FEW_BLOCK];
    lt_status s;

    if (!lt_space_gene_active(b->space, &v->context[context], g)) return LT_OK;
    for (int pass = 0; pass < 2; pass++) {
        for (int o = 0; o < n; o++) {
            struct lt_arch a = v->context[context];
            double *to = v->extra + (size_t)(first + o) * LT_FEW_BLOCK;

            if (pass) { /* subtracts the least of what the first pass has added */
                for (int k = 0; k < LT_FEW_BLOCK; k++) to[k] -= least[k];
                v->times[first + o]++;
                continue;
            }
            a.g[g] = (uint8_t)o;
            lt_space_canonical(b->space, &a);
            if ((s = lt_few_raw(b->parts, b->space, &a, v->row, e))) return s;
            for (int k = 0; k < LT_FEW_BLOCK; k++) {
                least[k] = o ? fmin(least[k], v->row[k]) : v->row[k];
                to[k] += v->row[k];
            }
            for (int k = 0; context == 0 && k < v->n_raw; k++)
                v->step[(size_t)(first + o) * (size_t)v->n_raw + (size_t)k] = v->row[k] - v->base[k];
        }
    }
    return LT_OK;
}

static bool is_additive(const struct lt_few_survey *v) {
    const struct lt_few_basis *b = v->b;

    for (int i = 0; i < CHECKED; i++) {
        for (int k = 0; k < v->n_raw; k++) {
            double sum = v->base[k], truth = v->raw[(size_t)i * (size_t)v->n_raw + (size_t)k];
            for (int j = 0; j < b->n_choices; j++)
                if (v->onehot[(size_t)i * (size_t)b->n_choices + (size_t)j] > 0)
                    sum += v->step[(size_t)j * (size_t)v->n_raw + (size_t)k];
            if (fabs(sum - truth) > 1e-9 * fmax(fabs(truth), fabs(v->base[k]))) return false;
        }
    }
    return true;
}

static double standard(const struct lt_few_survey *v, int i, int k) {
    const struct lt_few_basis *b = v->b;
    return (v->raw[(size_t)i * (size_t)v->n_raw + (size_t)b->kept[k]] - b->centre[k]) * b->per[k];
}

/* Whether a kept column of the same group, or of TOTAL for LIVE, says the same on all samples. */
static bool is_repeated(const struct lt_few_survey *v, int k) {
    const struct lt_few_basis *b = v->b;
    int group = lt_few_group_of(b->kept[k]);

    for (int q = 0; q < k; q++) {
        int i = 0, other = lt_few_group_of(b->kept[q]);

        if (other != group && !(group == LT_FEW_LIVE && other == LT_FEW_TOTAL)) continue;
        while (i < LT_FEW_SAMPLES && fabs(standard(v, i, k) - standard(v, i, q)) < 1e-7) i++;
        if (i == LT_FEW_SAMPLES) return true;
    }
    return false;
}

static void choose_columns(struct lt_few_survey *v) {
    struct lt_few_basis *b = v->b;

    for (int r = 0; r < v->n_raw; r++) {
        double m = 0, var = 0;

        for (int i = 0; i < LT_FEW_SAMPLES; i++) m += v->raw[(size_t)i * (size_t)v->n_raw + (size_t)r] / LT_FEW_SAMPLES;
        for (int i = 0; i < LT_FEW_SAMPLES; i++)
            var += pow(v->raw[(size_t)i * (size_t)v->n_raw + (size_t)r] - m, 2) / LT_FEW_SAMPLES;
        if (var <= 1e-16 * m * m) continue;
        b->kept[b->n_kept] = r;
        b->centre[b->n_kept] = m;
        b->per[b->n_kept] = 1 / sqrt(var);
        if (!is_repeated(v, b->n_kept)) b->n_kept++;
    }
}

lt_status lt_few_basis_prepare(struct lt_few_basis *b, uint64_t seed, struct lt_err *e) {
    struct lt_few_survey v = {0};
    bool all_active;
    lt_status s;

    if (b->ready) return LT_OK;
    lt_few_basis_forget(b);
    if ((s = lt_few_parts_new(b->space, &b->parts, e)) || (s = survey_init(&v, b, e)) ||
        (s = sample(&v, seed, &all_active, e)))
        goto out;
    for (int g = 0; g < b->n_genes; g++)
        if ((s = vary(&v, 0, g, e))) goto out;
    b->additive = all_active && is_additive(&v);
    for (int c = 1; !b->additive && c < LT_FEW_CONTEXTS; c++)
        for (int g = 0; g < b->n_genes; g++)
            if ((s = vary(&v, c, g, e))) goto out;
    choose_columns(&v);
    b->p = 1 + b->n_choices + (b->additive ? 0 : b->n_kept);
    if ((s = lt_few_make_maps(&v, e))) goto out;
    if (b->additive) b->n_kept = 0;
    b->ready = true;
out:
    survey_release(&v);
    if (s) lt_few_basis_forget(b);
    return s;
}
