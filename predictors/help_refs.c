/* HELP: reference architectures, and architectures in model files. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/help_priv.h"
#include "predictors/predictor_priv.h"

static bool usable(const struct lt_meta *m, int row) {
    for (int d = 0; d < m->n_devices; d++)
        if (!(m->set->device[m->device[d]].latency_s[row] > 0)) return false;
    return true;
}

/* False where the set lacks one of the published architectures, or a training device its latency. */
static bool from_publication(const struct help *h, const struct lt_meta *m, int *row, int *n) {
    struct lt_arch a[LT_PUBLISHED_REFERENCES];
    int count = lt_published_references(h->space, a, LT_PUBLISHED_REFERENCES);

    for (int k = 0; k < count; k++) {
        int i = 0;
        while (i < m->set->n && !(lt_arch_equal(&m->set->arch[i], &a[k]) && usable(m, i))) i++;
        if (i == m->set->n) return false;
        row[k] = i;
    }
    *n = count;
    return count > 0;
}

struct ranked {
    double slow;
    int row;
};

static int by_slow(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;

    return x->slow < y->slow ? -1 : x->slow > y->slow ? 1 : x->row - y->row;
}

/* The usable rows, from fast to slow by the mean over devices of latency in units of the device's mean. */
static int rank_rows(const struct lt_meta *m, struct ranked *r) {
    int n = 0;

    for (int i = 0; i < m->n_rows; i++)
        if (usable(m, m->row[i])) r[n++] = (struct ranked){0, m->row[i]};
    for (int d = 0; d < m->n_devices; d++) {
        const double *y = m->set->device[m->device[d]].latency_s;
        double mean = 0;

        for (int i = 0; i < n; i++) mean += y[r[i].row] / n;
        for (int i = 0; i < n; i++) r[i].slow += y[r[i].row] / mean;
    }
    qsort(r, (size_t)n, sizeof(*r), by_slow);
    return n;
}

/* Equal parts of that order have one reference each: the one whose choices are farthest from those before it. */
static lt_status spread_over_latency(const struct help *h, const struct lt_meta *m, int *row, int *n,
                                     struct lt_err *e) {
    int p = lt_space_n_features(h->space), want = (int)h->cfg->n_references, usable_rows;
    struct ranked *r = lt_malloc((size_t)m->n_rows * sizeof(*r));
    double *x = lt_malloc((size_t)((want + 1) * p) * sizeof(*x));
    lt_status s = LT_OK;

    if (!r || !x) {
        s = lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory");
        goto out;
    }
    usable_rows = rank_rows(m, r);
    if (usable_rows < 2 * want) {
        s = lt_fail(e, LT_EINVAL,
                    "predictor 'help': %d architectures have a latency on all training devices; %d references need %d",
                    usable_rows, want, 2 * want);
        goto out;
    }
    for (int k = 0; k < want; k++) {
        int from = (int)((int64_t)usable_rows * k / want), to = (int)((int64_t)usable_rows * (k + 1) / want);
        double best = -1, *y = x + want * p;

        for (int i = from; i < to; i++) {
            double near = INFINITY;

            lt_space_features(h->space, &m->set->arch[r[i].row], y);
            for (int j = 0; j < k; j++) {
                double d = 0;
                for (int f = 0; f < p; f++) d += (x[j * p + f] - y[f]) * (x[j * p + f] - y[f]);
                near = fmin(near, d);
            }
            if (near > best) {
                best = near;
                row[k] = r[i].row;
            }
        }
        lt_space_features(h->space, &m->set->arch[row[k]], x + k * p);
    }
    *n = want;
out:
    lt_free(r);
    lt_free(x);
    return s;
}

lt_status help_choose_references(const struct help *h, const struct lt_meta *m, int *row, int *n, struct lt_err *e) {
    if (h->cfg->references == 0 && from_publication(h, m, row, n)) return LT_OK;
    return spread_over_latency(h, m, row, n, e);
}

lt_status help_spread(const struct help *h, const struct lt_arch *done, int n_done, const struct lt_arch *among,
                      int n_among, int n, struct lt_arch *out, struct lt_err *e) {
    int p = lt_space_n_features(h->space);
    double *x = lt_malloc((size_t)(2 * p) * sizeof(*x)), *near = lt_malloc((size_t)n_among * sizeof(*near)), *y = x + p;

    if (!x || !near) {
        lt_free(x);
        lt_free(near);
        return lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory");
    }
    for (int i = 0; i < n_among; i++) near[i] = INFINITY;
    for (int k = -n_done; k < n; k++) { /* what is measured already, then one after another */
        int best = 0;

        if (k >= 0) {
            for (int i = 1; i < n_among; i++)
                if (near[i] > near[best]) best = i;
            out[k] = among[best];
        }
        lt_space_features(h->space, k < 0 ? &done[k + n_done] : &out[k], x);
        for (int i = 0; i < n_among; i++) {
            double d = 0;

            lt_space_features(h->space, &among[i], y);
            for (int f = 0; f < p; f++) d += (x[f] - y[f]) * (x[f] - y[f]);
            near[i] = lt_arch_equal(k < 0 ? &done[k + n_done] : &out[k], &among[i]) ? -1 : fmin(near[i], d);
        }
    }
    lt_free(x);
    lt_free(near);
    return LT_OK;
}

void help_put_archs(struct lt_blob_writer *w, const char *name, const struct lt_arch *a, int n,
                    const struct lt_space *space) {
    size_t genes = (size_t)lt_space_n_genes(space);
    uint8_t *g = lt_malloc((size_t)n * genes + 1);

    for (int i = 0; g && i < n; i++) memcpy(g + (size_t)i * genes, a[i].g, genes);
    lt_blob_put(w, name, LT_BLOB_BYTES, g, g ? (size_t)n * genes : (size_t)n * genes + 1); /* NULL: the writer fails */
    lt_free(g);
}

lt_status help_get_archs(const struct lt_blob_reader *r, const char *name, const struct lt_space *space,
                         struct lt_arch *out, int most, struct lt_arch **fresh, int *n, struct lt_err *e) {
    size_t genes = (size_t)lt_space_n_genes(space), count = 0, rows;
    struct lt_arch *a = out;
    uint8_t *g = NULL;
    lt_status s;

    if ((s = lt_blob_get_new(r, name, LT_BLOB_BYTES, (void **)&g, &count, e))) return s;
    rows = count / genes;
    if (count % genes || (out && rows > (size_t)most)) {
        s = lt_blob_bad(r, name, e, "%zu bytes for architectures of %zu choices", count, genes);
        goto out;
    }
    if (!out && !(a = lt_malloc((rows + 1) * sizeof(*a)))) {
        s = lt_fail(e, LT_ENOMEM, "predictor: out of memory");
        goto out;
    }
    for (size_t i = 0; i < rows; i++) {
        memset(&a[i], 0, sizeof(a[i]));
        a[i].n = (int32_t)genes;
        memcpy(a[i].g, g + i * genes, genes);
        for (size_t k = 0; k < genes; k++) {
            if (a[i].g[k] < lt_space_gene(space, (int)k)->n_choices) continue;
            s = lt_blob_bad(r, name, e, "architecture %zu: choice %d of '%s', which has %d", i, a[i].g[k],
                            lt_space_gene(space, (int)k)->name, lt_space_gene(space, (int)k)->n_choices);
            goto out;
        }
    }
    *n = (int)rows;
    if (fresh) *fresh = a;
    a = NULL;
out:
    if (!out) lt_free(a);
    lt_free(g);
    return s;
}
