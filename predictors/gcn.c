/*
 * Predictor "gcn": the latency predictor of BRP-NAS (Dudziak, Chau, Abdelfattah, Lee, Kim, Lane, "BRP-NAS:
 * prediction-based NAS using GCNs", NeurIPS 2020). Four graph convolutions of 600 columns, each with layer
 * normalisation and ReLU, over the graph of operations and a node that sees all of them; that node's row gives the
 * latency. One device, from its own measurements; nothing is transferred. Mean absolute error of latencies in units of
 * their mean, AdamW with step 4e-4 and decay 5e-4, 250 epochs. The published schedule halves the step on a plateau of a
 * validation set; measurements are dear here, so none is set apart and the step follows a cosine. Its dropout of 0.002
 * is left out.
 *
 * The stated deviation is relative: the root mean square error of a network trained on four fifths of the measurements
 * on the rest, widened by Student's t for the few that those are. It costs a second training.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/model_file.h"
#include "predictors/nn.h"
#include "predictors/nn_space.h"

enum { PREDICT_BATCH = 32 };

struct config {
    int64_t epochs, hidden, batch;
    double rate;
};
static const struct lt_opt opts[] = {
    {.key = "epochs",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "250",
     .min = 1,
     .max = 1e6,
     .offset = offsetof(struct config, epochs),
     .help = "passes over the measurements"},
    {.key = "hidden",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "600",
     .min = 1,
     .max = 10000,
     .offset = offsetof(struct config, hidden),
     .help = "columns of a graph convolution"},
    {.key = "batch",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "16",
     .min = 1,
     .max = 10000,
     .offset = offsetof(struct config, batch),
     .help = "architectures in a step"},
    {.key = "rate",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "4e-4",
     .min = 1e-9,
     .max = 1,
     .offset = offsetof(struct config, rate),
     .help = "AdamW's step"},
    {.key = NULL},
};

struct gcn {
    const struct config *cfg;
    uint64_t seed;
    struct lt_nn_space *view;
    double *graph; /* [nodes + 1][nodes + 1] with itself */
    float *theta;  /* [n_theta], NULL before a fit */
    int n_theta;
    double unit_s, floor_s, error; /* mean and a tenth of the least latency measured; relative deviation */
};

static int row_size(const struct gcn *g) { return (g->view->n_nodes + 1) * g->view->n_features; }

static lt_status open_gcn(const struct lt_space *space, const void *cfg, uint64_t seed, void **self, struct lt_err *e) {
    struct gcn *g = lt_calloc(1, sizeof(*g));
    lt_status s;
    int n;

    if (!g) return lt_fail(e, LT_ENOMEM, "predictor 'gcn': out of memory");
    g->cfg = cfg;
    g->seed = seed;
    if ((s = lt_nn_space_new(space, &g->view, e))) goto out;
    n = g->view->n_nodes + 1;
    if (!(g->graph = lt_malloc((size_t)(n * n) * sizeof(double)))) {
        s = lt_fail(e, LT_ENOMEM, "predictor 'gcn': out of memory");
        goto out;
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) g->graph[i * n + j] = i == j || g->view->hears[i * n + j] != 0;
    *self = g;
    return LT_OK;
out:
    lt_nn_space_free(g->view);
    lt_free(g);
    return s;
}

static void close_gcn(void *self) {
    struct gcn *g = self;

    lt_nn_space_free(g->view);
    lt_free(g->graph);
    lt_free(g->theta);
    lt_free(g);
}

/* Tensor 0 is the input: rows summed over what a node hears already. */
static lt_status network(const struct gcn *g, int items, enum lt_nn_purpose purpose, struct lt_nn **out,
                         struct lt_err *e) {
    int n = g->view->n_nodes + 1, h = (int)g->cfg->hidden, x;
    struct lt_nn *net = lt_nn_new();
    lt_status s;

    x = lt_nn_input(net, n, g->view->n_features, false);
    for (int k = 0; k < 4; k++) {
        if (k == 1 || k == 2) x = lt_nn_propagate(net, x, g->graph, n);
        if (k == 3) x = lt_nn_propagate(net, x, g->graph + (n - 1) * n, 1);
        x = lt_nn_relu(net, lt_nn_norm(net, lt_nn_dense(net, x, h, false, LT_NN_GRAPH)));
    }
    lt_nn_dense(net, x, 1, false, LT_NN_LINEAR);
    if ((s = lt_nn_ready(net, items, purpose, e))) {
        lt_nn_free(net);
        return s;
    }
    *out = net;
    return LT_OK;
}

struct training {
    const struct gcn *g;
    struct lt_nn *net;
    int batch;
    const float *x, *y; /* [rows][row_size], [rows] */
    float *theta, *grad, *target;
    struct lt_nn_adam adam;
};

/* Trains on the rows of `order`, from the start. */
static void train(struct training *t, int32_t *order, int n) {
    const struct gcn *g = t->g;
    size_t size = (size_t)row_size(g);
    int batch = t->batch < n ? t->batch : n, steps = (n + batch - 1) / batch, epochs = (int)g->cfg->epochs;

    lt_nn_init(t->net, t->theta, g->seed, 0);
    memset(t->grad, 0, (size_t)t->adam.n * sizeof(*t->grad));
    memset(t->adam.m, 0, (size_t)t->adam.n * sizeof(float));
    memset(t->adam.v, 0, (size_t)t->adam.n * sizeof(float));
    t->adam.step = 0;
    for (int k = 0; k < epochs; k++) {
        struct lt_rng r;

        lt_rng_at(&r, g->seed, LT_RNG_SHUFFLE, 1, (uint64_t)k);
        lt_rng_shuffle(&r, order, n);
        for (int i = 0; i < steps; i++) {
            int from = (int)((int64_t)n * i / steps), count = (int)((int64_t)n * (i + 1) / steps) - from;

            for (int j = 0; j < count; j++) {
                memcpy(lt_nn_value(t->net, 0) + (size_t)j * size, t->x + (size_t)order[from + j] * size,
                       size * sizeof(float));
                t->target[j] = t->y[order[from + j]];
            }
            lt_nn_forward(t->net, count, t->theta);
            lt_nn_l1(t->net, t->target);
            lt_nn_backward(t->net, t->theta, t->grad);
            t->adam.rate = lt_nn_cosine(g->cfg->rate, 0, k * steps + i, epochs * steps);
            lt_nn_adam_step(&t->adam, t->grad, t->theta);
        }
    }
}

/* 95% point of Student's t over that of the normal distribution: how much wider an interval is when the deviation is
 * known from `n` errors only. Within 2% of the exact value from n = 2 on. */
static double widening(int n) { return 1 + 1.0 / n + 1.2 / ((double)n * n); }

static double held_out_error(struct training *t, int32_t *order, int n) {
    size_t size = (size_t)row_size(t->g);
    double sum = 0;
    int held = n / 5;

    if (held < 1) { /* too few to set one aside: what a constant would be wrong by */
        for (int i = 0; i < n; i++) sum += pow((double)t->y[i] - 1, 2) / n;
        return sqrt(sum);
    }
    for (int i = 0; i < n; i++) order[i] = i; /* rows come in an order that depends on nothing but what they are */
    train(t, order, n - held);
    for (int i = n - held; i < n; i++) {
        memcpy(lt_nn_value(t->net, 0), t->x + (size_t)order[i] * size, size * sizeof(float));
        lt_nn_forward(t->net, 1, t->theta);
        sum += pow((double)lt_nn_output(t->net)[0] / t->y[order[i]] - 1, 2) / held;
    }
    return sqrt(sum) * widening(held);
}

static lt_status fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e) {
    struct gcn *g = self;
    struct training t = {.g = g, .batch = (int)g->cfg->batch < n ? (int)g->cfg->batch : n};
    size_t size = (size_t)row_size(g);
    float *x = lt_malloc((size_t)n * size * sizeof(*x)), *y = lt_malloc((size_t)(2 * n) * sizeof(*y));
    int32_t *order = lt_malloc((size_t)n * sizeof(*order));
    double unit = 0, least = INFINITY, error;
    int p;
    lt_status s = LT_ENOMEM;

    if (!x || !y || !order) {
        lt_fail(e, LT_ENOMEM, "predictor 'gcn': out of memory for %d architectures", n);
        goto out;
    }
    if ((s = network(g, t.batch, LT_NN_GRADIENT, &t.net, e))) goto out;
    p = lt_nn_n_params(t.net);
    t.adam = (struct lt_nn_adam){.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 5e-4, .n = p};
    t.adam.m = lt_malloc((size_t)p * sizeof(float));
    t.adam.v = lt_malloc((size_t)p * sizeof(float));
    t.grad = lt_aligned((size_t)p * sizeof(float));
    t.theta = lt_aligned((size_t)p * sizeof(float));
    if (!t.adam.m || !t.adam.v || !t.grad || !t.theta) {
        s = lt_fail(e, LT_ENOMEM, "predictor 'gcn': out of memory for %d weights", p);
        goto out;
    }
    t.x = x;
    t.y = y;
    t.target = y + n;
    for (int i = 0; i < n; i++) {
        unit += latency_s[i] / n;
        least = fmin(least, latency_s[i]);
    }
    for (int i = 0; i < n; i++) {
        lt_nn_space_sums(g->view, &a[i], x + (size_t)i * size);
        y[i] = (float)(latency_s[i] / unit);
    }
    error = held_out_error(&t, order, n);
    for (int i = 0; i < n; i++) order[i] = i;
    train(&t, order, n);
    for (int i = 0; i < p; i++) {
        if (isfinite(t.theta[i])) continue;
        s = lt_fail(e, LT_EFAIL, "predictor 'gcn': training diverged; try a smaller rate than %g", g->cfg->rate);
        goto out;
    }
    lt_free(g->theta);
    g->theta = t.theta;
    t.theta = NULL;
    g->n_theta = p;
    g->unit_s = unit;
    g->floor_s = least / 10;
    g->error = fmax(error, 1e-3);
out:
    lt_nn_free(t.net);
    lt_free(t.adam.m);
    lt_free(t.adam.v);
    lt_free(t.grad);
    lt_free(t.theta);
    lt_free(x);
    lt_free(y);
    lt_free(order);
    return s;
}

static lt_status predict(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s,
                         struct lt_err *e) {
    const struct gcn *g = self;
    struct lt_nn *net = NULL;
    size_t size = (size_t)row_size(g);
    lt_status s = network(g, PREDICT_BATCH, LT_NN_FORWARD, &net, e);

    if (s) return s;
    for (int i = 0; i < n; i += PREDICT_BATCH) {
        int k = n - i < PREDICT_BATCH ? n - i : PREDICT_BATCH;

        for (int j = 0; j < k; j++) lt_nn_space_sums(g->view, &a[i + j], lt_nn_value(net, 0) + (size_t)j * size);
        lt_nn_forward(net, k, g->theta);
        for (int j = 0; j < k; j++) {
            mean_s[i + j] = fmax((double)lt_nn_output(net)[j] * g->unit_s, g->floor_s);
            if (sd_s) sd_s[i + j] = g->error * mean_s[i + j];
        }
    }
    lt_nn_free(net);
    return LT_OK;
}

static lt_status save(const void *self, struct lt_blob_writer *w, struct lt_err *e) {
    const struct gcn *g = self;

    (void)e;
    lt_blob_note(w, "network", "graph convolutions over %s of %d nodes", g->view->cell ? "a cell" : "a chain",
                 g->view->n_nodes);
    lt_blob_put(w, "gcn.theta", LT_BLOB_F32, g->theta, (size_t)g->n_theta);
    lt_blob_put(w, "gcn.scale", LT_BLOB_F64, (double[]){g->unit_s, g->floor_s, g->error}, 3);
    return LT_OK;
}

static lt_status load(void *self, const struct lt_blob_reader *r, struct lt_err *e) {
    struct gcn *g = self;
    struct lt_nn *net = NULL;
    float *theta = NULL;
    double scale[3];
    size_t n = 0;
    lt_status s;

    if ((s = lt_blob_get_finite(r, "gcn.scale", scale, 3, e)) ||
        (s = lt_blob_get_new(r, "gcn.theta", LT_BLOB_F32, (void **)&theta, &n, e)) ||
        (s = network(g, 1, LT_NN_FORWARD, &net, e)))
        goto out;
    if (n && (n != (size_t)lt_nn_n_params(net) || !(scale[0] > 0 && scale[1] > 0 && scale[2] > 0))) {
        s = lt_blob_bad(r, "gcn.theta", e, "%zu numbers where this space and these options need %d", n,
                        lt_nn_n_params(net));
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        if (isfinite(theta[i])) continue;
        s = lt_blob_bad(r, "gcn.theta", e, "number %zu is %g", i, (double)theta[i]);
        goto out;
    }
    lt_free(g->theta);
    g->theta = theta;
    theta = NULL;
    g->n_theta = (int)n;
    g->unit_s = scale[0];
    g->floor_s = scale[1];
    g->error = scale[2];
out:
    lt_nn_free(net);
    lt_free(theta);
    return s;
}

const struct lt_predictor_ops lt_predictor_gcn = {
    .name = "gcn",
    .source = "Dudziak et al., BRP-NAS, NeurIPS 2020",
    .about = "graph convolutions over the operations, trained on the device's own measurements (hundreds)",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .open = open_gcn,
    .close = close_gcn,
    .fit = fit,
    .predict = predict,
    .save = save,
    .load = load,
};
