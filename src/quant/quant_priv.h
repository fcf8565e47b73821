/* What the files of src/quant share: observers, metrics, the state of a search. */
#ifndef LT_QUANT_PRIV_H
#define LT_QUANT_PRIV_H
#include "lathe/quant.h"

/* ---- observer.c ---- */
#define LT_OBSERVER_BINS 2048
struct lt_observer {
    double range; /* a power of two above every magnitude seen; 0 before the first */
    float min, max;
    int64_t n, n_zero;
    /* [0] positive, [1] negative: bin i holds magnitudes in [i, i+1) * range / BINS; zeros are in n_zero only. */
    int64_t bin[2][LT_OBSERVER_BINS];
};
void lt_observer_init(struct lt_observer *o);
bool lt_observer_add(struct lt_observer *o, const float *x,
                     int64_t n); /* false: a value was not finite (the rest is not read) */
struct lt_qparam lt_observer_qparam(const struct lt_observer *o, enum lt_quant_observer kind, double percentile);

/* ---- evaluate.c ---- */
struct lt_qimages {
    int n;
    int64_t per;
    int classes;
    float *x;
    uint8_t *label;
}; /* x [n,C,H,W] */
/* n images of a part, drawn without replacement by (seed, LT_RNG_QUANT, 0, 0); fewer when the part has fewer. item:
 * lt_free. */
lt_status lt_quant_draw(const struct lt_data *part, int64_t n, uint64_t seed, int32_t **item, int *n_out,
                        struct lt_err *e);
lt_status lt_qimages_load(const struct lt_quant_job *job, int64_t n, struct lt_qimages *out,
                          struct lt_err *e); /* of job->calib */
void lt_qimages_release(struct lt_qimages *q);

/* ---- metrics ---- */
struct lt_quant_metric_ops {
    const char *name, *source;
    /* Sensitivity of each of the n layers (nodes), >= 0, larger = quantized later. */
    lt_status (*score)(const struct lt_quant_job *job, const struct lt_quant_cfg *cfg, const int *layer, int n,
                       double *out, struct lt_err *e);
    /* What that costs, in forward passes of one image; NULL: next to nothing. */
    double (*images)(const struct lt_quant_cfg *cfg, int n);
};
int lt_quant_metric_count(void);
const struct lt_quant_metric_ops *lt_quant_metric_at(int i);
int lt_quant_weight_param(const struct lt_graph *g, int layer); /* index into g->param */
/* Sum of squared int8 rounding errors of a layer's weights, with its scales as lathe/graph.h defines them. */
double lt_quant_weight_error(const struct lt_quant_job *job, int layer);
/* trace(H_ii) of the mean loss on the images, for each layer's weights, estimated without bias from that many products
 * of H with a vector: of all layers together, or of each. */
lt_status lt_quant_hessian_trace(const struct lt_quant_job *job, const struct lt_qimages *im,
                                 enum lt_quant_probing probing, int products, const int *layer, int n, double *trace,
                                 struct lt_err *e);

/* ---- search: bisect.c, greedy.c, order.c, search.c ---- */
struct lt_qsearch {
    /* Runs the network with these layers in int8: fills correct[n_images] and counts it. */
    lt_status (*run)(struct lt_qsearch *q, const uint8_t *on, int *n_correct, struct lt_err *e);
    void *arg; /* of run */
    const struct lt_ui *ui;
    const struct lt_quant_cfg *cfg;
    int n;               /* candidate layers */
    const double *saved; /* [n] > 0, seconds, or multiply-adds where nothing was measured */
    double base_s;       /* predicted time of the f32 network; NaN where nothing was measured */
    int n_images, f32_n_correct;
    uint8_t *f32_correct, *correct; /* [n_images] */
    uint8_t *best;                  /* [n] layers of the best accepted set; valid when have_best */
    bool have_best;
    double best_saved;
    int best_n_correct;
    int n_seen, cap_seen; /* every set evaluated: [n_seen][n], and its outcome in eval */
    uint8_t *seen;
    struct lt_quant_eval *eval;
};
void lt_qsearch_release(struct lt_qsearch *q); /* what searches allocate (seen, eval); the rest is the caller's */
/* Evaluates the set (or remembers it) and keeps it if it meets the limit and saves more than the best so far. */
lt_status lt_qsearch_try(struct lt_qsearch *q, const uint8_t *on, bool *accepted, struct lt_err *e);
lt_status lt_qsearch_bisect(struct lt_qsearch *q, const int *order, struct lt_err *e);
/* From the best set (or none): adds layers one by one in the given order while they are accepted; at most `budget`
 * trials. */
lt_status lt_qsearch_greedy(struct lt_qsearch *q, const int *order, int64_t budget, struct lt_err *e);
/* order[0..n): ascending sensitivity / saved; ties by the larger saving, then by index. */
lt_status lt_quant_order(const double *sensitivity, const double *saved, int n, int *order, struct lt_err *e);
/* Accuracy drop of a plan as it is judged, from paired outcomes on the same images: lost = right in f32 only, won =
 * right in the plan only. */
double lt_quant_judged_drop(int64_t lost, int64_t won, int64_t n, double guard);
#endif
