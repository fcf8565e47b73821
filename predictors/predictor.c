/* Predictors: the registry, opening by name, checks that every plug-in may rely on, and one order of rows for all:
 * what a plug-in is given is sorted by architecture, so that no answer depends on the order of the caller's rows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/predictor_priv.h"

#define LT_PREDICTOR(name) extern const struct lt_predictor_ops lt_predictor_##name;
#include "predictors/predictors.def"
#undef LT_PREDICTOR

static const struct lt_predictor_ops *const predictors[] = {
#define LT_PREDICTOR(name) &lt_predictor_##name,
#include "predictors/predictors.def"
#undef LT_PREDICTOR
};

#define N_PREDICTORS ((int)(sizeof(predictors) / sizeof(*predictors)))

int lt_predictor_count(void) { return N_PREDICTORS; }
const struct lt_predictor_ops *lt_predictor_at(int i) { return predictors[i]; }
const char *lt_predictor_name(const struct lt_predictor *p) { return p->ops->name; }
const struct lt_predictor_ops *lt_predictor_kind(const struct lt_predictor *p) { return p->ops; }
const struct lt_space *lt_predictor_space(const struct lt_predictor *p) { return p->space; }
bool lt_predictor_fitted(const struct lt_predictor *p) { return p->fitted; }
int lt_predictor_n_devices(const struct lt_predictor *p) { return p->n_devices; }
const char *lt_predictor_device(const struct lt_predictor *p, int i) { return p->device[i]; }

const uint64_t *lt_predictor_seen(const struct lt_predictor *p, int *n) {
    *n = p->n_seen;
    return p->seen;
}

const struct lt_predictor_ops *lt_predictor_named(const char *name) {
    for (int i = 0; i < N_PREDICTORS; i++)
        if (!strcmp(predictors[i]->name, name)) return predictors[i];
    return NULL;
}

static lt_status find(const struct lt_yaml *cfg, const struct lt_predictor_ops **out, struct lt_err *e) {
    const char *names[N_PREDICTORS + 1] = {NULL};
    const struct lt_yaml *name = cfg ? lt_yaml_get(cfg, "name") : NULL;
    int i = 0;
    lt_status s = LT_OK;

    for (int k = 0; k < N_PREDICTORS; k++) names[k] = predictors[k]->name;
    if (name && (s = lt_yaml_pick(name, "predictor", names, &i, e))) return s;
    *out = predictors[i];
    return LT_OK;
}

lt_status lt_predictor_open_kind(const struct lt_predictor_ops *ops, const struct lt_yaml *cfg, const char *const *skip,
                                 const struct lt_space *space, uint64_t seed, struct lt_predictor **out,
                                 struct lt_err *e) {
    struct lt_predictor *p = lt_calloc(1, sizeof(*p));
    lt_status s;

    if (!p) return lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", ops->name);
    p->ops = ops;
    p->space = space;
    p->seed = seed;
    if (!(p->cfg = lt_calloc(1, ops->cfg_size ? ops->cfg_size : 1))) {
        s = lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", ops->name);
        goto out;
    }
    if ((s = lt_opts_read(ops->opts, cfg, skip, p->cfg, e)) || (s = ops->open(space, p->cfg, seed, &p->self, e)))
        goto out;
    *out = p;
    p = NULL;
out:
    lt_predictor_close(p);
    return s;
}

lt_status lt_predictor_open(const struct lt_yaml *cfg, const struct lt_space *space, uint64_t seed,
                            struct lt_predictor **out, struct lt_err *e) {
    static const char *const skip[] = {"name", "samples", "holdout", "model",
                                       NULL}; /* the last three belong to the run that collects the data */
    const struct lt_predictor_ops *ops;
    lt_status s = find(cfg, &ops, e);

    return s ? s : lt_predictor_open_kind(ops, cfg, skip, space, seed, out, e);
}

static void free_devices(struct lt_predictor *p) {
    for (int i = 0; i < p->n_devices; i++) lt_free(p->device[i]);
    lt_free(p->device);
    p->device = NULL;
    p->n_devices = 0;
}

void lt_predictor_close(struct lt_predictor *p) {
    if (!p) return;
    if (p->self) p->ops->close(p->self);
    if (p->cfg) lt_opts_release(p->ops->opts, p->cfg);
    free_devices(p);
    lt_free(p->meta_hash);
    lt_free(p->fit_hash);
    lt_free(p->seen);
    lt_free(p->cfg);
    lt_space_free(p->own_space);
    lt_free(p);
}

lt_status lt_predictor_name_device(struct lt_predictor *p, const char *name, struct lt_err *e) {
    char **list = lt_calloc(1, sizeof(*list)), *copy = lt_strdup(name);

    if (!list || !copy) {
        lt_free(list);
        lt_free(copy);
        return lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", p->ops->name);
    }
    free_devices(p);
    list[0] = copy;
    p->device = list;
    p->n_devices = 1;
    return LT_OK;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int sort_unique(uint64_t *v, int n) {
    int m = 0;
    if (n) qsort(v, (size_t)n, sizeof(*v), by_value);
    for (int i = 0; i < n; i++)
        if (!m || v[m - 1] != v[i]) v[m++] = v[i];
    return m;
}

lt_status lt_predictor_join_seen(struct lt_predictor *p, struct lt_err *e) {
    size_t n = (size_t)p->n_meta_hash + (size_t)p->n_fit_hash;
    uint64_t *v = lt_malloc((n ? n : 1) * sizeof(*v));

    if (!v) return lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", p->ops->name);
    if (p->n_meta_hash) memcpy(v, p->meta_hash, (size_t)p->n_meta_hash * sizeof(*v));
    if (p->n_fit_hash) memcpy(v + p->n_meta_hash, p->fit_hash, (size_t)p->n_fit_hash * sizeof(*v));
    lt_free(p->seen);
    p->seen = v;
    p->n_seen = sort_unique(v, (int)n);
    return LT_OK;
}

struct row {
    uint64_t hash;
    double latency_s;
    int i;
};

static int by_hash(const void *a, const void *b) {
    const struct row *x = a, *y = b;

    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->latency_s < y->latency_s ? -1 : x->latency_s > y->latency_s;
}

static lt_status check_measured(const struct lt_predictor *p, const double *latency_s, int n, struct lt_err *e) {
    int least = p->ops->least > 2 ? p->ops->least : 2;

    if (n < least)
        return lt_fail(e, LT_EINVAL, "predictor '%s': %d measured architectures are too few, at least %d are needed",
                       p->ops->name, n, least);
    for (int i = 0; i < n; i++) {
        if (!isfinite(latency_s[i]) || latency_s[i] <= 0)
            return lt_fail(e, LT_EINVAL, "predictor '%s': latency %g s of architecture %d is not a positive number",
                           p->ops->name, latency_s[i], i);
    }
    if (p->ops->needs_meta && !p->has_meta)
        return lt_fail(e, LT_EINVAL,
                       "predictor '%s' adapts what it has learned on other devices, and it has learned from none yet: "
                       "train it on a latency data set first",
                       p->ops->name);
    return LT_OK;
}

lt_status lt_predictor_fit(struct lt_predictor *p, const struct lt_arch *a, const double *latency_s, int n,
                           struct lt_err *e) {
    struct row *row = NULL;
    struct lt_arch *x = NULL;
    double *y = NULL;
    uint64_t *hash = NULL;
    lt_status s = check_measured(p, latency_s, n, e);

    if (s) return s;
    row = lt_malloc((size_t)n * sizeof(*row));
    x = lt_malloc((size_t)n * sizeof(*x));
    y = lt_malloc((size_t)n * sizeof(*y));
    hash = lt_malloc((size_t)n * sizeof(*hash));
    if (!row || !x || !y || !hash) {
        s = lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", p->ops->name);
        goto out;
    }
    for (int i = 0; i < n; i++) row[i] = (struct row){lt_arch_hash(p->space, &a[i]), latency_s[i], i};
    qsort(row, (size_t)n, sizeof(*row), by_hash);
    for (int i = 0; i < n; i++) {
        x[i] = a[row[i].i];
        y[i] = row[i].latency_s;
        hash[i] = row[i].hash;
    }
    if ((s = p->ops->fit(p->self, x, y, n, e))) goto out;
    p->fitted = true;
    p->n_measured = n;
    lt_free(p->fit_hash);
    p->fit_hash = hash;
    p->n_fit_hash = sort_unique(hash, n);
    hash = NULL;
    s = lt_predictor_join_seen(p, e);
out:
    lt_free(row);
    lt_free(x);
    lt_free(y);
    lt_free(hash);
    return s;
}

lt_status lt_predictor_predict(const struct lt_predictor *p, const struct lt_arch *a, int n, double *mean_s,
                               double *sd_s, struct lt_err *e) {
    if (!p->fitted && !p->ops->zero_shot)
        return lt_fail(e, LT_EINVAL,
                       "predictor '%s' has not been fitted to a device's measurements: adapt it to a few of them first",
                       p->ops->name);
    if (!p->fitted && p->ops->needs_meta && !p->has_meta)
        return lt_fail(e, LT_EINVAL, "predictor '%s' has learned from no device", p->ops->name);
    return p->ops->predict(p->self, a, n, mean_s, sd_s, e);
}

static int usable(const struct lt_meta *m, int d) {
    const double *y = m->set->device[d].latency_s;
    int n = 0;

    for (int i = 0; i < m->n_rows; i++) n += y[m->row[i]] > 0;
    return n;
}

static lt_status check_meta(const struct lt_predictor *p, const struct lt_meta *m, struct lt_err *e) {
    if (!p->ops->meta_fit)
        return lt_fail(e, LT_EINVAL, "predictor '%s' learns from the device itself and from no other", p->ops->name);
    if (lt_space_hash(m->set->space) != lt_space_hash(p->space))
        return lt_fail(e, LT_EINVAL, "predictor '%s' of space '%s': the data set is of space '%s'", p->ops->name,
                       lt_space_name(p->space), lt_space_name(m->set->space));
    if (m->n_devices < 1) return lt_fail(e, LT_EINVAL, "predictor '%s': no device to learn from", p->ops->name);
    for (int i = 0; i < m->n_devices; i++) {
        int n = usable(m, m->device[i]);
        if (n < 4)
            return lt_fail(e, LT_EINVAL, "%s: device '%s': %d usable latencies to learn from, at least 4 are needed",
                           m->set->dir, m->set->device[m->device[i]].name, n);
        for (int k = 0; k < i; k++)
            if (m->device[k] == m->device[i])
                return lt_fail(e, LT_EINVAL, "%s: device '%s' twice", m->set->dir, m->set->device[m->device[i]].name);
    }
    return LT_OK;
}

/* Devices by name and rows by architecture; rows that another row repeats stay. */
static void sort_meta(const struct lt_meta *m, struct row *row, int *device) {
    for (int i = 0; i < m->n_devices; i++) {
        int k = i;
        for (; k > 0 && strcmp(m->set->device[device[k - 1]].name, m->set->device[m->device[i]].name) > 0; k--)
            device[k] = device[k - 1];
        device[k] = m->device[i];
    }
    for (int i = 0; i < m->n_rows; i++)
        row[i] = (struct row){lt_arch_hash(m->set->space, &m->set->arch[m->row[i]]), m->row[i], m->row[i]};
    qsort(row, (size_t)m->n_rows, sizeof(*row), by_hash);
}

static lt_status keep_names(struct lt_predictor *p, const struct lt_meta *m, struct lt_err *e) {
    free_devices(p);
    if (!(p->device = lt_calloc((size_t)m->n_devices, sizeof(*p->device))))
        return lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", p->ops->name);
    for (; p->n_devices < m->n_devices; p->n_devices++)
        if (!(p->device[p->n_devices] = lt_strdup(m->set->device[m->device[p->n_devices]].name)))
            return lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", p->ops->name);
    return LT_OK;
}

lt_status lt_predictor_meta_fit(struct lt_predictor *p, const struct lt_meta *given, struct lt_err *e) {
    size_t n = (size_t)(given->n_rows > 0 ? given->n_rows : 1),
           k = (size_t)(given->n_devices > 0 ? given->n_devices : 1);
    struct row *row = lt_malloc(n * sizeof(*row));
    uint64_t *hash = lt_malloc((n + LT_MOST_PREFERRED) * sizeof(*hash));
    struct lt_arch preferred[LT_MOST_PREFERRED];
    int n_preferred;
    int *device = lt_malloc(k * sizeof(*device)), *order = lt_malloc(n * sizeof(*order));
    struct lt_meta m = *given;
    lt_status s;

    if (!row || !hash || !device || !order) {
        s = lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", p->ops->name);
        goto out;
    }
    if ((s = check_meta(p, given, e))) goto out;
    sort_meta(given, row, device);
    for (int i = 0; i < m.n_rows; i++) {
        order[i] = row[i].i;
        hash[i] = row[i].hash;
    }
    m.row = order;
    m.device = device;
    if ((s = p->ops->meta_fit(p->self, &m, e)) || (s = keep_names(p, &m, e))) goto out;
    p->has_meta = true;
    p->fitted = false;
    p->n_measured = p->n_fit_hash = 0;
    /* References are measured on the training devices, too, and need not be among the rows. */
    n_preferred = lt_predictor_prefers(p, preferred, LT_MOST_PREFERRED);
    for (int i = 0; i < n_preferred; i++) hash[m.n_rows + i] = lt_arch_hash(p->space, &preferred[i]);
    lt_free(p->meta_hash);
    p->meta_hash = hash;
    p->n_meta_hash = sort_unique(hash, m.n_rows + n_preferred);
    hash = NULL;
    s = lt_predictor_join_seen(p, e);
out:
    lt_free(row);
    lt_free(hash);
    lt_free(device);
    lt_free(order);
    return s;
}
