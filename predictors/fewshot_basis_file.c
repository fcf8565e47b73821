/* A basis of predictor "fewshot" in a model file. The maps MEAN and DEVICE are made again from the devices' weights. */
#include "lathe/mem.h"
#include "predictors/fewshot_math.h"
#include "predictors/fewshot_basis.h"

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "predictor 'fewshot': out of memory"); }

void lt_few_basis_save(const struct lt_few_basis *b, struct lt_blob_writer *w) {
    static const char *const names[LT_FEW_N] = {"map.constant", "map.mean", "map.device", "map.small", "map.total",
                                                "map.live",     "map.part", "map.label",  "map.cell",  "map.choice"};
    int32_t shape[4] = {b->p, b->n_kept, b->additive, b->n_memo};

    lt_blob_put(w, "basis", LT_BLOB_I32, shape, 4);
    if (!b->ready) return;
    lt_blob_put(w, "basis.mean", LT_BLOB_F64, b->mean, (size_t)b->n_choices);
    lt_blob_put(w, "basis.kept", LT_BLOB_I32, b->kept, (size_t)b->n_kept);
    lt_blob_put(w, "basis.centre", LT_BLOB_F64, b->centre, (size_t)b->n_kept);
    lt_blob_put(w, "basis.per", LT_BLOB_F64, b->per, (size_t)b->n_kept);
    lt_blob_put(w, "basis.memo", LT_BLOB_F32, b->memo, (size_t)b->n_memo * (size_t)b->n_kept);
    for (int c = 0; c < LT_FEW_N; c++)
        if (c != LT_FEW_MEAN && c != LT_FEW_DEVICE)
            lt_blob_put(w, names[c], LT_BLOB_F64, b->map[c].l, (size_t)b->p * (size_t)b->map[c].r);
}

static lt_status load_map(struct lt_few_basis *b, const struct lt_blob_reader *r, int c, const char *name,
                          struct lt_err *e) {
    size_t n = lt_blob_count(r, name), p = (size_t)b->p;
    double *l;
    lt_status s;

    if (n % p || n / p > p) return lt_blob_bad(r, name, e, "%zu numbers are no map of %zu columns", n, p);
    if (!n) return LT_OK;
    if (!(l = lt_few_doubles(p, n / p))) return no_memory(e);
    if (!(s = lt_blob_get_finite(r, name, l, n, e))) s = lt_few_set_map(b, c, l, (int)(n / p), e);
    lt_free(l);
    return s;
}

static lt_status load_columns(struct lt_few_basis *b, const struct lt_blob_reader *r, struct lt_err *e) {
    size_t n = (size_t)b->n_choices, k = (size_t)b->n_kept, cells = (size_t)b->n_memo * k;
    lt_status s;

    if (b->n_memo && (b->n_memo != lt_few_basis_networks(b) || !k))
        return lt_blob_bad(r, "basis", e, "%d networks are not all of the space", b->n_memo);
    b->mean = lt_few_doubles(n, 1);
    b->kept = lt_calloc(k ? k : 1, sizeof(*b->kept));
    b->centre = lt_few_doubles(k, 1);
    b->per = lt_few_doubles(k, 1);
    if (cells) b->memo = lt_calloc(cells, sizeof(*b->memo));
    if (!b->mean || !b->kept || !b->centre || !b->per || (cells && !b->memo)) return no_memory(e);
    if ((s = lt_blob_get_finite(r, "basis.mean", b->mean, n, e)) ||
        (s = lt_blob_get(r, "basis.kept", LT_BLOB_I32, b->kept, k, e)) ||
        (s = lt_blob_get_finite(r, "basis.centre", b->centre, k, e)) ||
        (s = lt_blob_get_finite(r, "basis.per", b->per, k, e)) ||
        (cells && (s = lt_blob_get(r, "basis.memo", LT_BLOB_F32, b->memo, cells, e))))
        return s;
    for (size_t i = 0; i < k; i++)
        if (b->kept[i] < 0 || b->kept[i] >= lt_few_raw_count(b->parts))
            return lt_blob_bad(r, "basis.kept", e, "there is no sum number %d", b->kept[i]);
    return LT_OK;
}

lt_status lt_few_basis_load(struct lt_few_basis *b, const struct lt_blob_reader *r, struct lt_err *e) {
    static const char *const names[LT_FEW_N] = {"map.constant", NULL,       NULL,        "map.small", "map.total",
                                                "map.live",     "map.part", "map.label", "map.cell",  "map.choice"};
    int32_t shape[4];
    lt_status s;

    if ((s = lt_blob_get(r, "basis", LT_BLOB_I32, shape, 4, e))) return s;
    lt_few_basis_forget(b);
    if (!shape[0]) return LT_OK; /* nothing was known yet */
    if ((s = lt_few_parts_new(b->space, &b->parts, e))) return s;
    b->additive = shape[2] != 0;
    b->n_kept = shape[1];
    b->n_memo = shape[3];
    b->p = shape[0];
    if (b->n_kept < 0 || b->n_kept > lt_few_raw_count(b->parts) || b->p != 1 + b->n_choices + b->n_kept ||
        b->n_memo < 0 || b->n_memo > LT_FEW_MOST_ENUMERATED)
        s = lt_blob_bad(r, "basis", e, "%d columns are not those of this space", b->p);
    if (!s) s = load_columns(b, r, e);
    for (int c = 0; !s && c < LT_FEW_N; c++)
        if (names[c]) s = load_map(b, r, c, names[c], e);
    if (!s && b->n_memo) s = lt_few_table_make(b, e);
    if (s)
        lt_few_basis_forget(b);
    else
        b->ready = true;
    return s;
}
