/*
 * The shared vector of a supernet: which parameters exist, how large the largest use of each is, where it lies, and its
 * initial values. Nothing here knows how a space names its genes: the layout is found by expanding the largest network
 * and every network that differs from it in one gene. So any space whose subnetworks are views by name can be trained.
 *
 * A convolution whose kernel is elastic keeps its largest kernel and, for every next smaller side, a matrix over taps
 * shared by all its channels, initialised to identity (Cai, Gan, Wang, Zhang, Han, "Once-for-All: Train One Network and
 * Specialize it for Efficient Deployment", ICLR 2020, section 3.3 "Elastic Kernel Size"; there for depthwise
 * convolutions, here for all).
 */
#include "supernet/supernet_priv.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include <math.h>
#include <string.h>

static uint64_t name_hash(const char *name) { return lt_hash64(name, strlen(name), 0); }

static void slot_put(struct lt_supernet *sn, int entry) {
    uint64_t i = name_hash(sn->entry[entry].name);
    while (sn->slot[i & (uint64_t)(sn->n_slots - 1)] >= 0) i++;
    sn->slot[i & (uint64_t)(sn->n_slots - 1)] = entry;
}

const struct shared_param *shared_find(const struct lt_supernet *sn, const char *name) {
    for (uint64_t i = name_hash(name);; i++) {
        int at = sn->slot[i & (uint64_t)(sn->n_slots - 1)];
        if (at < 0) return NULL;
        if (!strcmp(sn->entry[at].name, name)) return &sn->entry[at];
    }
}

static lt_status add_entry(struct lt_supernet *sn, const struct lt_param *p, struct shared_param **out) {
    if (sn->n_entries == sn->cap_entries) {
        int cap = sn->cap_entries ? 2 * sn->cap_entries : 128;
        struct shared_param *entry = lt_realloc(sn->entry, (size_t)cap * sizeof(*entry));
        if (!entry) return LT_ENOMEM;
        sn->entry = entry;
        sn->cap_entries = cap;
    }
    if (2 * (sn->n_entries + 1) > sn->n_slots) {
        int n = sn->n_slots ? 2 * sn->n_slots : 256;
        int *slot = lt_realloc(sn->slot, (size_t)n * sizeof(*slot));
        if (!slot) return LT_ENOMEM;
        sn->slot = slot;
        sn->n_slots = n;
        for (int i = 0; i < n; i++) slot[i] = -1;
        for (int i = 0; i < sn->n_entries; i++) slot_put(sn, i);
    }
    struct shared_param *s = &sn->entry[sn->n_entries];
    memset(s, 0, sizeof(*s));
    if (!(s->name = lt_arena_strdup(sn->arena, p->name))) return LT_ENOMEM;
    s->role = p->role;
    s->n_dims = p->n_dims;
    slot_put(sn, sn->n_entries++);
    *out = s;
    return LT_OK;
}

/* Keeps s->kernel ascending and without repeats. */
static lt_status add_kernel(struct shared_param *s, int k, const char *graph, struct lt_err *e) {
    int at = 0;
    while (at < s->n_kernels && s->kernel[at] < k) at++;
    if (at < s->n_kernels && s->kernel[at] == k) return LT_OK;
    if (s->n_kernels == SHARED_MAX_KERNELS)
        return lt_fail(e, LT_EINVAL, "%s: %s: more than %d kernel sizes", graph, s->name, SHARED_MAX_KERNELS);
    memmove(s->kernel + at + 1, s->kernel + at, (size_t)(s->n_kernels - at) * sizeof(*s->kernel));
    s->kernel[at] = k;
    s->n_kernels++;
    return LT_OK;
}

/* A residual branch ends in the BN that is the later input of an ADD; its gamma starts at 0 only if that holds in every
 * subnetwork. */
static void mark_residual_ends(struct lt_supernet *sn, const struct lt_graph *g) {
    for (int i = 0; i < g->n_nodes; i++) {
        const struct lt_node *n = &g->node[i];
        if (n->op != LT_OP_BN) continue;
        bool ends = false;
        for (int j = i + 1; j < g->n_nodes; j++) {
            const struct lt_node *a = &g->node[j];
            if (a->op == LT_OP_ADD && (a->in[0] > a->in[1] ? a->in[0] : a->in[1]) == i) ends = true;
        }
        struct shared_param *s = (struct shared_param *)shared_find(sn, g->param[n->param[0]].name);
        if (s) s->zero_init = s->zero_init && ends;
    }
}

/* Grows the table by what one subnetwork needs. */
static lt_status discover(struct lt_supernet *sn, const struct lt_arch *a, struct lt_err *e) {
    struct lt_graph *g = NULL;
    lt_status st = lt_space_expand(sn->space, a, &g, e);
    if (st) return st;
    for (int i = 0; i < g->n_params; i++) {
        const struct lt_param *p = &g->param[i];
        if (p->role == LT_PARAM_MEAN || p->role == LT_PARAM_VAR) continue;
        struct shared_param *s = (struct shared_param *)(sn->n_slots ? shared_find(sn, p->name) : NULL);
        if (!s) {
            if (add_entry(sn, p, &s)) {
                st = lt_fail(e, LT_ENOMEM, "shared parameters");
                goto out;
            }
            s->zero_init = p->role == LT_PARAM_GAMMA;
        }
        if (s->role != p->role || s->n_dims != p->n_dims) {
            st = lt_fail(
                e, LT_EINVAL,
                "space '%s': parameter '%s' has %d dimensions in one network and %d in another: it cannot be shared",
                lt_space_name(sn->space), p->name, s->n_dims, p->n_dims);
            goto out;
        }
        for (int d = 0; d < p->n_dims; d++)
            if (p->dim[d] > s->dim[d]) s->dim[d] = p->dim[d];
        if (p->n_dims == 4 && (st = add_kernel(s, (int)p->dim[2], g->name, e))) goto out;
    }
    mark_residual_ends(sn, g);
out:
    lt_graph_free(g);
    return st;
}

/* Offsets of parameters, then of the kernel transforms. */
static lt_status lay_out(struct lt_supernet *sn, struct lt_err *e) {
    int64_t at = 0;
    for (int i = 0; i < sn->n_entries; i++) {
        struct shared_param *s = &sn->entry[i];
        s->count = 1;
        for (int d = 0; d < s->n_dims; d++) s->count *= s->dim[d];
        s->offset = at;
        at += s->count;
        /* Bounds for any subnetwork's weights: each parameter padded to a cache line; BN's MEAN and VAR, which the
         * table does not hold, are as many and as long as its gammas and betas. */
        int times = s->n_dims == 1 ? 2 : 1;
        sn->max_floats += times * (s->count + 16);
        sn->max_tensors += times;
    }
    for (int i = 0; i < sn->n_entries; i++) {
        struct shared_param *s = &sn->entry[i];
        if (s->n_kernels > 1 && s->kernel[s->n_kernels - 1] > SHARED_MAX_KERNEL)
            return lt_fail(e, LT_EINVAL, "space '%s': %s: elastic kernels go up to %d, not %d",
                           lt_space_name(sn->space), s->name, SHARED_MAX_KERNEL, s->kernel[s->n_kernels - 1]);
        for (int k = 0; k + 1 < s->n_kernels; k++) {
            int64_t taps = (int64_t)s->kernel[k] * s->kernel[k];
            s->transform[k] = at;
            at += taps * taps;
        }
    }
    sn->n_params = at;
    return LT_OK;
}

/* Initial values by name, so that editing one stage of a space leaves the others' draws alone. Weights: He et al., ICCV
 * 2015, with the fan-in of the largest network; the classifier: sd 1/sqrt(fan-in). */
static void init_values(struct lt_supernet *sn, uint64_t seed) {
    for (int i = 0; i < sn->n_entries; i++) {
        const struct shared_param *s = &sn->entry[i];
        float *v = sn->params + s->offset;
        if (s->role == LT_PARAM_WEIGHT) {
            struct lt_rng r;
            lt_rng_at(&r, seed, LT_RNG_INIT, name_hash(s->name), 0);
            double sd = sqrt((s->n_dims == 4 ? 2.0 : 1.0) * (double)s->dim[0] / (double)s->count);
            for (int64_t k = 0; k < s->count; k++) v[k] = (float)(sd * lt_rng_normal(&r));
        } else {
            float value = s->role == LT_PARAM_GAMMA && !s->zero_init ? 1.0f : 0.0f;
            for (int64_t k = 0; k < s->count; k++) v[k] = value;
        }
        for (int k = 0; k + 1 < s->n_kernels; k++) {
            int taps = s->kernel[k] * s->kernel[k];
            float *m = sn->params + s->transform[k];
            memset(m, 0, (size_t)taps * taps * sizeof(float));
            for (int t = 0; t < taps; t++) m[t * taps + t] = 1.0f;
        }
    }
}

lt_status lt_supernet_new(const struct lt_space *s, uint64_t seed, struct lt_supernet **out, struct lt_err *e) {
    struct lt_arch largest, a;
    lt_status st;
    struct lt_supernet *sn = lt_calloc(1, sizeof(*sn));
    if (!sn || !(sn->arena = lt_arena_new())) {
        st = lt_fail(e, LT_ENOMEM, "supernet");
        goto out;
    }
    sn->space = s;
    lt_space_largest(s, &largest);
    if ((st = discover(sn, &largest, e))) goto out;
    lt_space_smallest(s, &a);
    if ((st = discover(sn, &a, e))) goto out;
    for (int g = 0; g < lt_space_n_genes(s); g++)
        for (int c = 0; c < lt_space_gene(s, g)->n_choices; c++) {
            a = largest;
            if (!lt_space_gene_active(s, &a, g) || a.g[g] == c) continue;
            a.g[g] = (uint8_t)c;
            lt_space_canonical(s, &a);
            if ((st = discover(sn, &a, e))) goto out;
        }
    if ((st = lay_out(sn, e))) goto out;
    if (!(sn->params = lt_aligned((size_t)sn->n_params * sizeof(float)))) {
        st = lt_fail(e, LT_ENOMEM, "supernet: %lld parameters", (long long)sn->n_params);
        goto out;
    }
    init_values(sn, seed);
    *out = sn;
    sn = NULL;
out:
    lt_supernet_free(sn);
    return st;
}

void lt_supernet_free(struct lt_supernet *sn) {
    if (!sn) return;
    lt_arena_free(sn->arena);
    lt_free(sn->entry);
    lt_free(sn->slot);
    lt_free(sn->params);
    lt_free(sn);
}

int64_t lt_supernet_n_params(const struct lt_supernet *sn) { return sn->n_params; }

float *lt_supernet_params(struct lt_supernet *sn) { return sn->params; }

uint64_t lt_supernet_hash(const struct lt_supernet *sn) {
    return lt_hash64(sn->params, (size_t)sn->n_params * sizeof(float), lt_space_hash(sn->space));
}

lt_status shared_resolve(const struct lt_supernet *sn, const struct lt_graph *g, int p, const struct shared_param **out,
                         struct lt_err *e) {
    const struct lt_param *q = &g->param[p];
    const struct shared_param *s = shared_find(sn, q->name);
    if (!s || s->role != q->role || s->n_dims != q->n_dims)
        return lt_fail(e, LT_EINVAL, "graph '%s': parameter '%s' is not in the supernet of space '%s'", g->name,
                       q->name, lt_space_name(sn->space));
    for (int d = 0; d < q->n_dims; d++)
        if (q->dim[d] > s->dim[d])
            return lt_fail(
                e, LT_EINVAL,
                "graph '%s': parameter '%s' has extent %lld in dimension %d, the supernet of space '%s' only %lld",
                g->name, q->name, (long long)q->dim[d], d, lt_space_name(sn->space), (long long)s->dim[d]);
    if (q->n_dims == 4) {
        int k = 0;
        while (k < s->n_kernels && s->kernel[k] != q->dim[2]) k++;
        if (k == s->n_kernels || q->dim[2] != q->dim[3])
            return lt_fail(e, LT_EINVAL, "graph '%s': parameter '%s': kernel %lldx%lld is not a choice of space '%s'",
                           g->name, q->name, (long long)q->dim[2], (long long)q->dim[3], lt_space_name(sn->space));
    }
    *out = s;
    return LT_OK;
}
