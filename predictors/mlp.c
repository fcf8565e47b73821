/*
 * Predictor "mlp": the latency predictor of HAT (Wang et al., "HAT: Hardware-Aware Transformers for Efficient Natural
 * Language Processing", ACL 2020): three hidden layers of 400, Adam with rate 1e-5, 5000 steps on batches of 128 drawn
 * with replacement, squared error of the latency divided by the largest. What goes in are the columns of the space's
 * table, each divided by its largest value, where that table sums up the genes (as HAT's ten columns do), and the
 * choices otherwise. It needs hundreds of measurements of the device itself.
 *
 * Published it states no deviation; here a tenth of the measurements is held out for it.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/model_file.h"
#include "predictors/nn.h"

enum { AUTO, COLUMNS, CHOICES };
enum { CHUNK = 256, LEAST_HELD = 4, HOLD_FROM = 20 };
struct config {
    int64_t width, layers, steps, batch;
    double rate;
    int input;
};
static const struct lt_opt opts[] = {
    {.key = "width",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "400",
     .min = 1,
     .max = 4096,
     .offset = offsetof(struct config, width),
     .help = "neurons of a hidden layer"},
    {.key = "layers",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "3",
     .min = 1,
     .max = 16,
     .offset = offsetof(struct config, layers),
     .help = "hidden layers"},
    {.key = "rate",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "1e-5",
     .min = 1e-9,
     .max = 1,
     .offset = offsetof(struct config, rate),
     .help = "Adam's step size"},
    {.key = "steps",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "5000",
     .min = 1,
     .max = 10000000,
     .offset = offsetof(struct config, steps),
     .help = "training steps"},
    {.key = "batch",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "128",
     .min = 1,
     .max = 4096,
     .offset = offsetof(struct config, batch),
     .help = "architectures of a step"},
    {.key = "input",
     .type = LT_OPT_ENUM,
     .unit = "",
     .dflt = "auto",
     .choices = "auto|columns|choices",
     .offset = offsetof(struct config, input),
     .help = "the table's columns, or one-hot choices; auto = columns where they are fewer than the genes"},
    {.key = NULL},
};

struct mlp {
    const struct lt_space *space;
    const struct config *cfg;
    uint64_t seed;
    bool columns;
    int cols;
    struct lt_nn *net; /* for one chunk, forward only */
    int input, n_params;
    lt_real *theta;      /* [n_params] */
    double *scale, *row; /* [cols] divisor of a column; scratch */
    double unit_s, rel_sd;
    bool fitted;
};

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "predictor 'mlp': out of memory"); }

static lt_status build(const struct mlp *m, int items, enum lt_nn_purpose purpose, struct lt_nn **out, int *input,
                       struct lt_err *e) {
    struct lt_nn *n = lt_nn_new();
    int x = lt_nn_input(n, 1, m->cols, false);
    lt_status s;

    *input = x;
    for (int i = 0; i < (int)m->cfg->layers; i++) x = lt_nn_dense(n, x, (int)m->cfg->width, true, LT_NN_LINEAR);
    lt_nn_dense(n, x, 1, false, LT_NN_LINEAR);
    if ((s = lt_nn_ready(n, items, purpose, e))) {
        lt_nn_free(n);
        return s;
    }
    *out = n;
    return LT_OK;
}

static void close_mlp(void *self) {
    struct mlp *m = self;

    lt_nn_free(m->net);
    lt_free(m->theta);
    lt_free(m->scale);
    lt_free(m->row);
    lt_free(m);
}

/* Whether all columns are numbers, and fewer than the genes. */
static bool sums_up(const struct lt_space *s, double *row) {
    struct lt_arch a;

    lt_space_largest(s, &a);
    lt_space_row(s, &a, row);
    for (int i = 0; i < lt_space_n_columns(s); i++)
        if (isnan(row[i])) return false;
    return lt_space_n_columns(s) < lt_space_n_genes(s);
}

static lt_status open_mlp(const struct lt_space *space, const void *cfg, uint64_t seed, void **self, struct lt_err *e) {
    struct mlp *m = lt_calloc(1, sizeof(*m));
    int cols = lt_space_n_columns(space), hot = lt_space_n_features(space), most = cols > hot ? cols : hot;
    bool numbers;
    lt_status s;

    if (!m) return no_memory(e);
    m->space = space;
    m->cfg = cfg;
    m->seed = seed;
    m->scale = lt_calloc((size_t)most + 1, sizeof(*m->scale));
    m->row = lt_calloc((size_t)most + 1, sizeof(*m->row));
    if (!m->scale || !m->row) {
        s = no_memory(e);
        goto out;
    }
    numbers = sums_up(space, m->row);
    m->columns = m->cfg->input == COLUMNS || (m->cfg->input == AUTO && numbers);
    if (m->columns && isnan(m->row[0])) {
        s = lt_fail(e, LT_EINVAL, "predictor 'mlp': space '%s' has no columns of numbers", lt_space_name(space));
        goto out;
    }
    m->cols = m->columns ? cols : hot;
    if ((s = build(m, CHUNK, LT_NN_FORWARD, &m->net, &m->input, e))) goto out;
    m->n_params = lt_nn_n_params(m->net);
    if (!(m->theta = lt_calloc((size_t)m->n_params, sizeof(*m->theta)))) {
        s = no_memory(e);
        goto out;
    }
    *self = m;
    m = NULL;
out:
    if (m) close_mlp(m);
    return s;
}

static void raw(const struct mlp *m, const struct lt_arch *a) {
    if (m->columns)
        lt_space_row(m->space, a, m->row);
    else
        lt_space_features(m->space, a, m->row);
}

static void input_of(const struct mlp *m, const struct lt_arch *a, lt_real *out) {
    raw(m, a);
    for (int j = 0; j < m->cols; j++) out[j] = (lt_real)(m->row[j] * m->scale[j]);
}

static void learn_scales(struct mlp *m, const struct lt_arch *a, const double *latency_s, int n) {
    for (int j = 0; j < m->cols; j++) m->scale[j] = 0;
    m->unit_s = 0;
    for (int i = 0; i < n; i++) {
        raw(m, &a[i]);
        for (int j = 0; j < m->cols; j++)
            if (isfinite(m->row[j])) m->scale[j] = fmax(m->scale[j], fabs(m->row[j]));
        m->unit_s = fmax(m->unit_s, latency_s[i]);
    }
    for (int j = 0; j < m->cols; j++) m->scale[j] = m->scale[j] > 0 ? 1 / m->scale[j] : 0;
}

struct rows {
    int n;          /* of them */
    lt_real *x, *y; /* [n][cols], [n] in units of the largest latency */
};

static lt_status train(struct mlp *m, const struct rows *r, struct lt_err *e) {
    struct lt_nn *net = NULL;
    int input, batch = (int)m->cfg->batch;
    size_t cols = (size_t)m->cols, bytes = (size_t)m->n_params * sizeof(lt_real);
    lt_real *g = lt_aligned(bytes), *target = lt_calloc((size_t)batch, sizeof(*target));
    struct lt_nn_adam adam = {.rate = m->cfg->rate, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .n = m->n_params};
    lt_status s;

    adam.m = lt_calloc((size_t)m->n_params, sizeof(*adam.m));
    adam.v = lt_calloc((size_t)m->n_params, sizeof(*adam.v));
    if (!g || !target || !adam.m || !adam.v) {
        s = no_memory(e);
        goto out;
    }
    if ((s = build(m, batch, LT_NN_GRADIENT, &net, &input, e))) goto out;
    lt_nn_init(net, m->theta, m->seed, 0);
    for (int64_t step = 0; step < m->cfg->steps; step++) {
        struct lt_rng rng;
        lt_rng_at(&rng, m->seed, LT_RNG_SHUFFLE, 1, (uint64_t)step);
        for (int i = 0; i < batch; i++) {
            size_t k = lt_rng_below(&rng, (uint32_t)r->n);
            memcpy(lt_nn_value(net, input) + (size_t)i * cols, r->x + k * cols, cols * sizeof(lt_real));
            target[i] = r->y[k];
        }
        lt_nn_forward(net, batch, m->theta);
        lt_nn_mse(net, target);
        lt_nn_backward(net, m->theta, g);
        lt_nn_adam_step(&adam, g, m->theta);
    }
out:
    lt_nn_free(net);
    lt_free(g);
    lt_free(target);
    lt_free(adam.m);
    lt_free(adam.v);
    return s;
}

/* Answers in units of the largest latency of the fit. */
static void answer(const struct mlp *m, const lt_real *x, int n, lt_real *out) {
    for (int i = 0; i < n; i += CHUNK) {
        int k = n - i < CHUNK ? n - i : CHUNK;
        memcpy(lt_nn_value(m->net, m->input), x + (size_t)i * (size_t)m->cols,
               (size_t)k * (size_t)m->cols * sizeof(*x));
        lt_nn_forward(m->net, k, m->theta);
        memcpy(out + i, lt_nn_output(m->net), (size_t)k * sizeof(*out));
    }
}

/* Root mean square of the relative errors on rows [from, to). */
static lt_status relative_error(const struct mlp *m, const struct rows *r, int from, int to, double *out,
                                struct lt_err *e) {
    lt_real *y = lt_calloc((size_t)(to - from) + 1, sizeof(*y));
    double sum = 0;

    if (!y) return no_memory(e);
    answer(m, r->x + (size_t)from * (size_t)m->cols, to - from, y);
    for (int i = from; i < to; i++) sum += pow((double)y[i - from] / (double)r->y[i] - 1, 2);
    lt_free(y);
    *out = sqrt(sum / (to - from));
    return LT_OK;
}

static lt_status fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e) {
    struct mlp *m = self;
    int held = n >= HOLD_FROM ? (n / 10 > LEAST_HELD ? n / 10 : LEAST_HELD) : 0;
    struct rows all = {.n = n,
                       .x = lt_calloc((size_t)n * (size_t)m->cols, sizeof(lt_real)),
                       .y = lt_calloc((size_t)n, sizeof(lt_real))},
                part;
    int32_t *order = lt_malloc((size_t)n * sizeof(*order));
    struct lt_rng rng;
    double off = 0;
    lt_status s;

    if (!all.x || !all.y || !order) {
        s = no_memory(e);
        goto out;
    }
    for (int i = 0; i < n; i++) order[i] = i;
    lt_rng_at(&rng, m->seed, LT_RNG_HOLDOUT, 1, 0);
    lt_rng_shuffle(&rng, order, n);
    learn_scales(m, a, latency_s, n);
    for (int i = 0; i < n; i++) {
        input_of(m, &a[order[i]], all.x + (size_t)i * (size_t)m->cols);
        all.y[i] = (lt_real)(latency_s[order[i]] / m->unit_s);
    }
    part = all;
    part.n = n - held;
    if ((s = train(m, &part, e))) goto out;
    if ((s = relative_error(m, &all, held ? n - held : 0, n, &off, e))) goto out;
    m->rel_sd = fmax(held ? off : 2 * off, 1e-4); /* on what it was fitted to it looks better than it is */
    m->fitted = true;
out:
    lt_free(all.x);
    lt_free(all.y);
    lt_free(order);
    return s;
}

static lt_status predict(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s,
                         struct lt_err *e) {
    const struct mlp *m = self;

    (void)e;
    for (int i = 0; i < n; i += CHUNK) {
        int k = n - i < CHUNK ? n - i : CHUNK;
        for (int j = 0; j < k; j++) input_of(m, &a[i + j], lt_nn_value(m->net, m->input) + (size_t)j * (size_t)m->cols);
        lt_nn_forward(m->net, k, m->theta);
        for (int j = 0; j < k; j++) {
            mean_s[i + j] = fmax((double)lt_nn_output(m->net)[j], 1e-3) * m->unit_s;
            if (sd_s) sd_s[i + j] = mean_s[i + j] * m->rel_sd;
        }
    }
    return LT_OK;
}

static lt_status save(const void *self, struct lt_blob_writer *w, struct lt_err *e) {
    const struct mlp *m = self;
    double number[] = {m->unit_s, m->rel_sd, m->fitted};

    (void)e;
    lt_blob_note(w, "features", "%d %s", m->cols, m->columns ? "columns of the space's table" : "one-hot choices");
    lt_blob_put(w, "mlp", LT_BLOB_F64, number, 3);
    lt_blob_put(w, "mlp.scale", LT_BLOB_F64, m->scale, (size_t)m->cols);
    lt_blob_put(w, "mlp.theta", LT_BLOB_F32, m->theta, (size_t)m->n_params);
    return LT_OK;
}

static lt_status load(void *self, const struct lt_blob_reader *r, struct lt_err *e) {
    struct mlp *m = self;
    double number[3];
    lt_status s;

    if ((s = lt_blob_get_finite(r, "mlp", number, 3, e)) ||
        (s = lt_blob_get_finite(r, "mlp.scale", m->scale, (size_t)m->cols, e)) ||
        (s = lt_blob_get(r, "mlp.theta", LT_BLOB_F32, m->theta, (size_t)m->n_params, e)))
        return s;
    m->unit_s = number[0];
    m->rel_sd = number[1];
    m->fitted = number[2] != 0;
    return LT_OK;
}

const struct lt_predictor_ops lt_predictor_mlp = {
    .name = "mlp",
    .source = "Wang et al., HAT, ACL 2020",
    .about = "a network of dense layers on the device's own measurements; needs hundreds",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .open = open_mlp,
    .close = close_mlp,
    .fit = fit,
    .predict = predict,
    .save = save,
    .load = load,
};
