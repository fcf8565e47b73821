/*
 * Predictor "help": HELP (Lee, Lee, Chong, Hwang, "HELP: hardware-adaptive efficient latency prediction for NAS via
 * meta-learning", NeurIPS 2021), trained from scratch. The network and its meta-gradient are in help_net.h.
 *
 * A device is known by its latencies on ten reference architectures, scaled to 0..1. Everything measured counts: with
 * ten measurements the references are also what the network adapts to; further ones are added to (published: ten
 * further ones, so twenty measurements).
 *
 * Different from the published code, which knows more about the target than was measured: there labels are scaled by
 * the 10% and 90% quantiles of the target's latencies over its pool; here by the smallest and the largest latency of
 * the references, on the training devices as on the target, to 0.05..0.95. So no scale has to be guessed, and
 * predictions return to seconds by the same map. A reference that was not measured on the target is estimated from the
 * training devices, each weighted by how well it explains what was measured.
 *
 * Published pools have 3200 architectures of a device for FBNet and 720 for cells. With fewer than 1600 of a space of
 * layers the default is a larger step and fewer episodes, which ranks better there.
 *
 * The stated deviation: the spread over draws of z, and the error of the adapted network on measurements left out of
 * the adaptation, but not less than its error on architectures that the training did not use (of the training device in
 * the middle).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/help_priv.h"

static const struct lt_opt opts[] = {
    {.key = "references",
     .type = LT_OPT_ENUM,
     .unit = "",
     .dflt = "published",
     .choices = "published|spread",
     .offset = offsetof(struct help_config, references),
     .help = "which architectures stand for a device: those of the publication where the data set has them, or spread "
             "over latencies and choices"},
    {.key = "n_references",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "10",
     .min = 3,
     .max = HELP_MOST_REFERENCES,
     .offset = offsetof(struct help_config, n_references),
     .help = "how many of them, where they are spread"},
    {.key = "episodes",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "0",
     .min = 0,
     .max = 1e6,
     .offset = offsetof(struct help_config, episodes),
     .help = "steps of meta-training; 0 = as published, 2000 for cells and 4000 else, or 1000 with that larger rate"},
    {.key = "tasks",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "8",
     .min = 1,
     .max = 1000,
     .offset = offsetof(struct help_config, tasks),
     .help = "devices in an episode, at most those there are"},
    {.key = "support",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "10",
     .min = 1,
     .max = 1000,
     .offset = offsetof(struct help_config, support),
     .help = "architectures that a device adapts to in training"},
    {.key = "query",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "200",
     .min = 1,
     .max = 10000,
     .offset = offsetof(struct help_config, query),
     .help = "architectures that judge the adapted network in training"},
    {.key = "hidden",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "100",
     .min = 4,
     .max = 1000,
     .offset = offsetof(struct help_config, hidden),
     .help = "width of the network"},
    {.key = "rate",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "0",
     .min = 0,
     .max = 1,
     .offset = offsetof(struct help_config, rate),
     .help = "Adam's step; 0 = as published, 1e-4, or 1e-3 for layers with fewer than 1600 architectures of a device"},
    {.key = "kl",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "0.1",
     .min = 0,
     .max = 1000,
     .offset = offsetof(struct help_config, kl),
     .help = "weight of the divergence of z"},
    {.key = "draws",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "10",
     .min = 1,
     .max = 1000,
     .offset = offsetof(struct help_config, draws),
     .help = "draws of z that a prediction is the mean of"},
    {.key = NULL},
};

static lt_status open_help(const struct lt_space *space, const void *cfg, uint64_t seed, void **self,
                           struct lt_err *e) {
    struct help *h = lt_calloc(1, sizeof(*h));
    lt_status s;

    if (!h) return lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory");
    h->cfg = cfg;
    h->space = space;
    h->seed = seed;
    if ((s = lt_nn_space_new(space, &h->view, e))) {
        lt_free(h);
        return s;
    }
    *self = h;
    return LT_OK;
}

void help_release_fit(struct help_fit *f) {
    lt_free(f->theta);
    lt_free(f->arch);
    lt_free(f->latency_s);
    *f = (struct help_fit){0};
}

void help_release_meta(struct help_meta *m) {
    lt_free(m->learned);
    lt_free(m->reference_s);
    lt_free(m->graph);
    *m = (struct help_meta){0};
}

static void close_help(void *self) {
    struct help *h = self;

    help_release_fit(&h->fit);
    help_release_meta(&h->meta);
    lt_nn_space_free(h->view);
    lt_free(h);
}

/* ---- architectures as rows ---- */

int help_row_size(const struct help *h) {
    return h->view->cell ? (h->view->n_nodes + 1) * h->view->n_features : h->view->n_flat;
}

/* As the network reads it: a cell's rows are summed over what each node hears and itself. */
void help_encode(const struct help *h, const struct lt_arch *a, float *x) {
    if (h->view->cell)
        lt_nn_space_sums(h->view, a, x);
    else
        lt_nn_space_flat(h->view, a, x);
}

lt_status help_network(const struct help *h, struct help_meta *m, int max_support, int max_query,
                       struct lt_help_net **out, struct lt_err *e) {
    const struct lt_nn_space *v = h->view;
    int n = v->n_nodes + 1;
    struct lt_help_shape s = {
        .nodes = 1, .cols = v->n_flat, .references = m->n_references, .hidden = (int)h->cfg->hidden};

    if (v->cell) {
        if (!m->graph) {
            if (!(m->graph = lt_malloc((size_t)(n * n) * sizeof(double))))
                return lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory");
            for (int i = 0; i < n; i++)
                for (int j = 0; j < n; j++) m->graph[i * n + j] = i == j || v->hears[i * n + j];
        }
        s.nodes = n;
        s.cols = v->n_features;
        s.graph = m->graph;
    }
    return lt_help_net_new(&s, max_support, max_query, out, e);
}

static lt_status predict(const void *self, const struct lt_arch *a, int n, double *mean_s, double *sd_s,
                         struct lt_err *e) {
    enum { BATCH = 128 };
    const struct help *h = self;
    const struct help_fit *f = &h->fit;
    struct help_meta m = h->meta; /* shallow: the graph is there, so that nothing is written */
    struct lt_help_net *net = NULL;
    int size = help_row_size(h), draws = (int)h->cfg->draws;
    float *x = lt_calloc((size_t)(BATCH * size), sizeof(*x)), y[BATCH];
    double sum[BATCH], sum2[BATCH], unit = (f->high_s - f->low_s) / HELP_RANGE;
    lt_status s;

    if (!x) return lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory");
    if ((s = help_network(h, &m, 1, BATCH, &net, e))) goto out;
    for (int i = 0; i < n; i += BATCH) {
        int k = n - i < BATCH ? n - i : BATCH;

        for (int j = 0; j < k; j++) {
            help_encode(h, &a[i + j], x + (size_t)j * (size_t)size);
            sum[j] = sum2[j] = 0;
        }
        for (int d = 0; d < draws; d++) {
            lt_help_net_predict(net, f->theta + (size_t)d * (size_t)net->n_theta, f->embedding, x, NULL, k, y);
            for (int j = 0; j < k; j++) {
                sum[j] += y[j];
                sum2[j] += (double)y[j] * y[j];
            }
        }
        for (int j = 0; j < k; j++) {
            double mean = sum[j] / draws, spread = fmax(sum2[j] / draws - mean * mean, 0), s2 = spread + f->error2,
                   value = f->low_s + (mean - HELP_LOW) * unit;

            mean_s[i + j] = fmax(value, f->floor_s);
            if (sd_s) sd_s[i + j] = sqrt(s2) * unit;
        }
    }
out:
    lt_free(x);
    lt_help_net_free(net);
    return s;
}

/* References first, then a spread. */
static lt_status propose(const void *self, const struct lt_arch *done, const double *latency_s, int n_done,
                         const struct lt_arch *among, int n_among, int n, struct lt_arch *out, struct lt_err *e) {
    const struct help *h = self;
    struct lt_arch *measured = lt_malloc((size_t)(n_done + n) * sizeof(*measured));
    int k = 0;
    lt_status s = LT_OK;

    (void)latency_s;
    if (!measured) return lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory");
    for (int r = 0; r < h->meta.n_references && k < n; r++) {
        const struct lt_arch *ref = &h->meta.reference[r];
        bool there = false, had = false;

        for (int i = 0; i < n_among && !there; i++) there = lt_arch_equal(&among[i], ref);
        for (int i = 0; i < n_done && !had; i++) had = lt_arch_equal(&done[i], ref);
        if (there && !had) out[k++] = *ref;
    }
    if (k < n) {
        if (n_done) memcpy(measured, done, (size_t)n_done * sizeof(*measured));
        memcpy(measured + n_done, out, (size_t)k * sizeof(*measured));
        s = help_spread(h, measured, n_done + k, among, n_among, n - k, out + k, e);
    }
    lt_free(measured);
    return s;
}

static int prefers(const void *self, struct lt_arch *out, int most) {
    const struct help *h = self;
    int n = h->meta.n_references < most ? h->meta.n_references : most;

    memcpy(out, h->meta.reference, (size_t)n * sizeof(*out));
    return n;
}

static lt_status save(const void *self, struct lt_blob_writer *w, struct lt_err *e) {
    const struct help *h = self;
    const struct help_meta *m = &h->meta;
    const struct help_fit *f = &h->fit;

    (void)e;
    lt_blob_note(w, "network", "%s, %d references, %d devices",
                 h->view->cell ? "graph convolutions over the cell" : "dense layers", m->n_references, m->n_devices);
    lt_blob_put(w, "help.learned", LT_BLOB_F32, m->learned, (size_t)m->n_learned);
    help_put_archs(w, "help.reference", m->reference, m->n_references, h->space);
    lt_blob_put(w, "help.reference_s", LT_BLOB_F64, m->reference_s, (size_t)(m->n_devices * m->n_references));
    lt_blob_put_num(w, "help.error", m->error);
    help_put_archs(w, "help.arch", f->arch, f->n, h->space);
    lt_blob_put(w, "help.latency_s", LT_BLOB_F64, f->latency_s, (size_t)f->n);
    return LT_OK;
}

/* What adapting gives follows from the measurements, so these are kept and it is done again. */
static lt_status load(void *self, const struct lt_blob_reader *r, struct lt_err *e) {
    struct help *h = self;
    struct help_meta m = {0};
    struct lt_arch *arch = NULL;
    struct lt_help_net *net = NULL;
    double *y = NULL;
    int n = 0;
    size_t count;
    lt_status s;

    if ((s = help_get_archs(r, "help.reference", h->space, m.reference, HELP_MOST_REFERENCES, NULL, &m.n_references,
                            e)) ||
        (s = lt_blob_get_num(r, "help.error", &m.error, e)) ||
        (s = lt_blob_get_new(r, "help.reference_s", LT_BLOB_F64, (void **)&m.reference_s, &count, e)) ||
        (s = lt_blob_get_new(r, "help.learned", LT_BLOB_F32, (void **)&m.learned, (size_t[]){0}, e)))
        goto out;
    m.n_learned = (int)lt_blob_count(r, "help.learned");
    if (m.n_learned) {
        if (m.n_references < 3 || count % (size_t)m.n_references) {
            s = lt_blob_bad(r, "help.reference_s", e, "%zu latencies for %d references", count, m.n_references);
            goto out;
        }
        m.n_devices = (int)count / m.n_references;
        if ((s = help_network(h, &m, 1, 1, &net, e))) goto out;
        if (lt_help_net_learned(net) != m.n_learned) {
            s = lt_blob_bad(r, "help.learned", e, "%d numbers where this space and these options need %d", m.n_learned,
                            lt_help_net_learned(net));
            goto out;
        }
        for (int i = 0; i < m.n_learned; i++) {
            if (isfinite(m.learned[i])) continue;
            s = lt_blob_bad(r, "help.learned", e, "number %d is %g", i, (double)m.learned[i]);
            goto out;
        }
    }
    if ((s = help_get_archs(r, "help.arch", h->space, NULL, 0, &arch, &n, e)) ||
        (s = lt_blob_get_new(r, "help.latency_s", LT_BLOB_F64, (void **)&y, &count, e)))
        goto out;
    for (int i = 0; i < n; i++) {
        if ((size_t)n == count && isfinite(y[i]) && y[i] > 0) continue;
        s = lt_blob_bad(r, "help.latency_s", e, "%zu latencies for %d architectures, or one that is not positive",
                        count, n);
        goto out;
    }
    help_release_meta(&h->meta);
    help_release_fit(&h->fit);
    h->meta = m;
    m = (struct help_meta){0};
    if (n && h->meta.n_learned) s = help_fit(h, arch, y, n, e);
out:
    lt_help_net_free(net);
    help_release_meta(&m);
    lt_free(arch);
    lt_free(y);
    return s;
}

const struct lt_predictor_ops lt_predictor_help = {
    .name = "help",
    .source = "Lee et al., HELP, NeurIPS 2021",
    .about = "meta-learned network that adapts to a device by its latencies on ten reference architectures",
    .opts = opts,
    .cfg_size = sizeof(struct help_config),
    .open = open_help,
    .close = close_help,
    .fit = help_fit,
    .predict = predict,
    .meta_fit = help_meta_fit,
    .propose = propose,
    .prefers = prefers,
    .save = save,
    .load = load,
    .needs_meta = true,
};
