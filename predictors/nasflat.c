/*
 * Predictor "nasflat": NASFLAT (Akhauri and Abdelfattah, "On latency predictors for neural architecture search", MLSys
 * 2024), trained from scratch: an embedding of the device beside that of every operation, refined by a graph network;
 * layers that are the mean of dense graph flow and graph attention; a hinge loss on pairs of architectures of one
 * device; for a new device, the embedding of the training device that ranks its measurements best, then all weights
 * tuned. Constants as published: embeddings 40 + 8, layers of 128, margin 0.1, 4 n pairs, AdamW 1e-3 with decay 1e-5
 * and a cosine, 150 epochs of batches of 128, 512 (cells) or 800 architectures of each device; 30 epochs of tuning with
 * step 1e-3.
 *
 * Different: pairs are drawn within chunks of 16 architectures of one device (a batch is eight chunks); operations of a
 * chain know their place in it; the training device is chosen by the scores that the network gives for it, since the
 * measured architectures need not be among those it has learned from; no supplementary encodings (zero-cost proxies,
 * arch2vec, CATE), which need trained networks of their own.
 *
 * The scores are ranks only. Milliseconds come from a line through scores and latencies of the measurements (or through
 * their logarithms, whichever is better on measurements left out), and the stated deviation is relative: the error of
 * the whole procedure on measurements left out, in five parts.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/nasflat_priv.h"

static const struct lt_opt opts[] = {
    {.key = "epochs",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "150",
     .min = 1,
     .max = 1e6,
     .offset = offsetof(struct nasflat_config, epochs),
     .help = "passes over the training devices"},
    {.key = "samples",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "0",
     .min = 0,
     .max = 1e6,
     .offset = offsetof(struct nasflat_config, samples),
     .help = "architectures of each of them at most; 0 = as published, 512 for cells and 800 else"},
    {.key = "batch",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "128",
     .min = 1,
     .max = 65536,
     .offset = offsetof(struct nasflat_config, batch),
     .help = "architectures in a step, in chunks of 16"},
    {.key = "width",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "128",
     .min = 2,
     .max = 4096,
     .offset = offsetof(struct nasflat_config, width),
     .help = "columns of a graph layer"},
    {.key = "rate",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "1e-3",
     .min = 1e-9,
     .max = 1,
     .offset = offsetof(struct nasflat_config, rate),
     .help = "AdamW's step"},
    {.key = "margin",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "0.1",
     .min = 0,
     .max = 100,
     .offset = offsetof(struct nasflat_config, margin),
     .help = "of the hinge loss"},
    {.key = "tune_epochs",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "30",
     .min = 0,
     .max = 1e6,
     .offset = offsetof(struct nasflat_config, tune_epochs),
     .help = "passes over the measurements of a new device"},
    {.key = "tune_rate",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "1e-3",
     .min = 1e-9,
     .max = 1,
     .offset = offsetof(struct nasflat_config, tune_rate),
     .help = "AdamW's step there"},
    {.key = NULL},
};

static lt_status open_nasflat(const struct lt_space *space, const void *cfg, uint64_t seed, void **self,
                              struct lt_err *e) {
    struct nasflat *f = lt_calloc(1, sizeof(*f));
    lt_status s;

    if (!f) return lt_fail(e, LT_ENOMEM, "predictor 'nasflat': out of memory");
    f->cfg = cfg;
    f->space = space;
    f->seed = seed;
    if ((s = lt_nn_space_new(space, &f->view, e))) {
        lt_free(f);
        return s;
    }
    *self = f;
    return LT_OK;
}

static void close_nasflat(void *self) {
    struct nasflat *f = self;

    lt_nn_space_free(f->view);
    lt_free(f->theta);
    lt_free(f->tuned);
    lt_free(f);
}

static lt_status predict(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s,
                         struct lt_err *e) {
    const struct nasflat *f = self;
    struct nasflat_net net;
    lt_status s = nasflat_network(f, f->n_devices + 1, NASFLAT_CHUNK, false, LT_NN_FORWARD, &net, e);

    if (s) return s;
    nasflat_scores(f, &net, f->tuned, a, n, f->n_devices, mean_s);
    for (int i = 0; i < n; i++) {
        mean_s[i] = nasflat_apply(&f->map, mean_s[i]);
        if (sd_s) sd_s[i] = f->map.error * mean_s[i];
    }
    nasflat_network_release(&net);
    return LT_OK;
}

static lt_status save(const void *self, struct lt_blob_writer *w, struct lt_err *e) {
    const struct nasflat *f = self;
    const struct nasflat_map *m = &f->map;

    (void)e;
    lt_blob_note(w, "network", "%s of %d nodes, %d devices", f->view->cell ? "a cell" : "a chain", f->view->n_nodes,
                 f->n_devices);
    lt_blob_put_num(w, "nasflat.devices", f->n_devices);
    lt_blob_put(w, "nasflat.theta", LT_BLOB_F32, f->theta, f->theta ? (size_t)f->n_theta : 0);
    lt_blob_put(w, "nasflat.tuned", LT_BLOB_F32, f->tuned, f->tuned ? (size_t)f->n_theta : 0);
    lt_blob_put(w, "nasflat.map", LT_BLOB_F64, (double[]){m->is_log, m->a, m->b, m->floor_s, m->error}, 5);
    return LT_OK;
}

static lt_status get_weights(const struct lt_blob_reader *r, const char *name, size_t want, float **out,
                             struct lt_err *e) {
    size_t n;
    lt_status s = lt_blob_get_new(r, name, LT_BLOB_F32, (void **)out, &n, e);

    if (s) return s;
    if (n && n != want) return lt_blob_bad(r, name, e, "%zu numbers where %zu are needed", n, want);
    for (size_t i = 0; i < n; i++)
        if (!isfinite((*out)[i])) return lt_blob_bad(r, name, e, "number %zu is %g", i, (double)(*out)[i]);
    if (!n) {
        lt_free(*out);
        *out = NULL;
    }
    return LT_OK;
}

static lt_status load(void *self, const struct lt_blob_reader *r, struct lt_err *e) {
    struct nasflat *f = self;
    struct nasflat_net net = {0};
    float *theta = NULL, *tuned = NULL;
    double devices, map[5];
    lt_status s;

    if ((s = lt_blob_get_num(r, "nasflat.devices", &devices, e)) ||
        (s = lt_blob_get_finite(r, "nasflat.map", map, 5, e)))
        return s;
    if (!(devices >= 0 && devices <= 4096 && devices == floor(devices)))
        return lt_blob_bad(r, "nasflat.devices", e, "%g devices", devices);
    if ((s = nasflat_network(f, (int)devices + 1, 1, false, LT_NN_FORWARD, &net, e)) ||
        (s = get_weights(r, "nasflat.theta", (size_t)lt_nn_n_params(net.nn), &theta, e)) ||
        (s = get_weights(r, "nasflat.tuned", (size_t)lt_nn_n_params(net.nn), &tuned, e)))
        goto out;
    if (tuned && (!theta || !(map[3] > 0 && map[4] > 0))) {
        s = lt_blob_bad(r, "nasflat.map", e, "a floor of %g s and a deviation of %g", map[3], map[4]);
        goto out;
    }
    lt_free(f->theta);
    lt_free(f->tuned);
    f->theta = theta;
    f->tuned = tuned;
    f->n_devices = (int)devices;
    f->n_theta = lt_nn_n_params(net.nn);
    f->map = (struct nasflat_map){map[0] != 0, map[1], map[2], map[3], map[4]};
    theta = tuned = NULL;
out:
    nasflat_network_release(&net);
    lt_free(theta);
    lt_free(tuned);
    return s;
}

const struct lt_predictor_ops lt_predictor_nasflat = {
    .name = "nasflat",
    .source = "Akhauri and Abdelfattah, NASFLAT, MLSys 2024",
    .about = "graph network with a device embedding beside every operation, learned from pairs and tuned to a device",
    .opts = opts,
    .cfg_size = sizeof(struct nasflat_config),
    .open = open_nasflat,
    .close = close_nasflat,
    .fit = nasflat_fit,
    .predict = predict,
    .meta_fit = nasflat_meta_fit,
    .propose = nasflat_propose,
    .save = save,
    .load = load,
    .needs_meta = true,
};
