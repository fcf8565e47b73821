/* Room: predictors. */
#include "predictors/fewshot_basis.h"
#include <string.h>
#include "lathe/mem.h"
#include "predictors/fewshot_math.h"

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "predictor 'fewshot': out of memory"); }

lt_status lt_few_basis_init(struct lt_few_basis *b, const struct lt_space *s, struct lt_err *e) {
    *b = (struct lt_few_basis){.space = s, .n_genes = lt_space_n_genes(s)};
    if (!(b->first = lt_calloc((size_t)b->n_genes + 1, sizeof(*b->first)))) return no_memory(e);
    for (int g = 0; g < b->n_genes; g++) {
        b->first[g] = b->n_choices;
        b->n_choices += lt_space_gene(s, g)->n_choices;
    }
    b->first[b->n_genes] = b->n_choices;
    return LT_OK;
}

void lt_few_basis_forget(struct lt_few_basis *b) {
    for (int c = 0; c < LT_FEW_N; c++) {
        lt_free(b->map[c].l);
        lt_free(b->cov[c]);
        b->map[c] = (struct lt_few_map){0};
        b->cov[c] = NULL;
    }
    lt_free(b->mean);
    lt_free(b->kept);
    lt_free(b->centre);
    lt_free(b->per);
    lt_free(b->memo);
    lt_free(b->parts);
    lt_few_table_free(b->table);
    b->mean = b->centre = b->per = NULL;
    b->kept = NULL;
    b->memo = NULL;
    b->parts = NULL;
    b->table = NULL;
    b->n_kept = b->n_memo = b->p = 0;
    b->ready = b->additive = false;
}

void lt_few_basis_release(struct lt_few_basis *b) {
    lt_few_basis_forget(b);
    lt_free(b->first);
    b->first = NULL;
}

static void one_hot(const struct lt_few_basis *b, const struct lt_arch *a, double *out) {
    for (int j = 0; j < b->n_choices; j++) out[j] = -b->mean[j];
    for (int g = 0; g < b->n_genes; g++)
        if (b->additive || lt_space_gene_active(b->space, a, g)) out[b->first[g] + a->g[g]] += 1;
}

int lt_few_basis_index(const struct lt_few_basis *b, const struct lt_arch *a) {
    int index = 0;
    for (int g = 0; g < b->n_genes; g++) index = index * (b->first[g + 1] - b->first[g]) + a->g[g];
    return index;
}

lt_status lt_few_psi(const struct lt_few_basis *b, const struct lt_arch *a, double *out, struct lt_err *e) {
    double *x = out + 1 + b->n_choices, *raw = NULL;
    lt_status s;

    out[0] = 1;
    one_hot(b, a, out + 1);
    if (!b->n_kept) return LT_OK;
    if (b->n_memo) {
        const float *m = b->memo + (size_t)lt_few_basis_index(b, a) * (size_t)b->n_kept;
        for (int k = 0; k < b->n_kept; k++) x[k] = (double)m[k];
        return LT_OK;
    }
    if (!(raw = lt_few_doubles(1, (size_t)lt_few_raw_count(b->parts)))) return no_memory(e);
    s = lt_few_raw(b->parts, b->space, a, raw, e);
    /* Rounded as the memo is, so that enumerating changes nothing. */
    for (int k = 0; !s && k < b->n_kept; k++) x[k] = (double)(float)((raw[b->kept[k]] - b->centre[k]) * b->per[k]);
    lt_free(raw);
    return s;
}

lt_status lt_few_set_map(struct lt_few_basis *b, int c, const double *l, int r, struct lt_err *e) {
    double *copy = lt_few_doubles((size_t)b->p, (size_t)r), *cov = lt_few_doubles((size_t)b->p, (size_t)b->p);

    if (!copy || !cov) {
        lt_free(copy);
        lt_free(cov);
        return no_memory(e);
    }
    memcpy(copy, l, (size_t)b->p * (size_t)r * sizeof(*copy));
    lt_few_mul_bt(l, l, cov, b->p, r, b->p);
    lt_free(b->map[c].l);
    lt_free(b->cov[c]);
    b->map[c] = (struct lt_few_map){r, copy};
    b->cov[c] = cov;
    return LT_OK;
}

double *lt_few_project(const struct lt_few_basis *b, int c, const double *psi, int n) {
    double *out = lt_few_doubles((size_t)n, (size_t)b->map[c].r);
    if (out && b->map[c].r) lt_few_mul(psi, b->map[c].l, out, n, b->p, b->map[c].r);
    return out;
}
