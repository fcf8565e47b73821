/*
 * What a space attains: least and most MACs, parameters and peak memory. Exact where segments add up and their states
 * are few: dynamic programming over the segments, whose states are the shapes carried and the genes that a later
 * segment or condition still needs. Else from samples, and said so.
 */
#include <math.h>
#include <string.h>
#include "lathe/file.h"
#include "spaces/costs.h"

enum { MAX_STATES = 60000, MAX_FILLED = 40000, MAX_STEPS = 1 << 22, SAMPLES = 4000 };

struct point { /* a state: genes still needed (others 0), the shapes carried, and what led here */
    struct lt_arch a;
    int state;
    double min[LT_N_MEASURES], max[LT_N_MEASURES];
};
struct layer {
    int n, cap;
    struct point *p;
    int32_t *slot; /* hash of (a, state) -> index + 1 */
    int cap_slots;
};
struct walk {
    const struct lt_space *s;
    struct lt_space_costs *costs;
    int first[LT_MAX_GENES], last[LT_MAX_GENES]; /* segments that need the gene; first = n_segments: none */
    struct layer now, next;
    int steps; /* choices of genes tried: many of them may lead to few states */
    bool too_many;
    struct lt_err *e;
};

/* ---- which segments need which genes ---- */

static void use(struct walk *w, int gene, int first, int last) {
    int n;
    const struct lt_cond *c = lt_gene_conds(w->s, gene, &n);

    if (first < w->first[gene]) w->first[gene] = first;
    if (last > w->last[gene]) w->last[gene] = last;
    for (int i = 0; i < n; i++) { /* known when the gene is introduced */
        if (first < w->first[c[i].gene]) w->first[c[i].gene] = first;
        if (first > w->last[c[i].gene]) w->last[c[i].gene] = first;
    }
}

static void find_uses(struct walk *w) {
    int gene[LT_MAX_GENES], n = 0;

    for (int i = 0; i < w->s->n_genes; i++) {
        w->first[i] = w->s->n_segments;
        w->last[i] = -1;
    }
    lt_choice_genes(w->s, &w->s->resolution, gene, &n);
    for (int i = 0; i < n; i++) use(w, gene[i], 0, 0);
    for (int i = 0; i < w->s->n_segments; i++) {
        const struct lt_segment *seg = &w->s->segment[i];

        for (int k = 0; k < seg->n_conds; k++) use(w, seg->all[k].gene, i, i);
        for (int k = 0; k < seg->n_genes; k++) use(w, seg->gene[k], i, i);
    }
}

/* ---- layers of states ---- */

static void release(struct layer *l) {
    lt_free(l->p);
    lt_free(l->slot);
    *l = (struct layer){0};
}

static uint64_t key_of(const struct point *p) {
    return lt_hash64(p->a.g, sizeof(p->a.g), 0x7a11e7 + (uint64_t)p->state);
}

static bool same(const struct point *a, const struct point *b) {
    return a->state == b->state && !memcmp(a->a.g, b->a.g, sizeof(a->a.g));
}

static lt_status grow(struct walk *w, struct layer *l) {
    int cap = l->cap ? 2 * l->cap : 256, slots = 4 * cap;
    struct point *p = lt_realloc(l->p, (size_t)cap * sizeof(*p));
    int32_t *slot;

    if (!p) return lt_fail(w->e, LT_ENOMEM, "range of a space: out of memory");
    l->p = p;
    l->cap = cap;
    if (!(slot = lt_calloc((size_t)slots, sizeof(*slot))))
        return lt_fail(w->e, LT_ENOMEM, "range of a space: out of memory");
    for (int i = 0; i < l->n; i++) {
        uint64_t h = key_of(&l->p[i]);

        while (slot[h & (uint64_t)(slots - 1)]) h++;
        slot[h & (uint64_t)(slots - 1)] = i + 1;
    }
    lt_free(l->slot);
    l->slot = slot;
    l->cap_slots = slots;
    return LT_OK;
}

/* Adds a point, or widens the one that is there. */
static lt_status put(struct walk *w, struct layer *l, const struct point *p) {
    uint64_t h = key_of(p);
    lt_status st;

    if (l->n == l->cap && (st = grow(w, l))) return st;
    for (;; h++) {
        int32_t *slot = &l->slot[h & (uint64_t)(l->cap_slots - 1)];
        struct point *old;

        if (!*slot) {
            l->p[l->n++] = *p;
            *slot = l->n;
            return LT_OK;
        }
        old = &l->p[*slot - 1];
        if (!same(old, p)) continue;
        for (int m = 0; m < LT_N_MEASURES; m++) {
            if (p->min[m] < old->min[m]) old->min[m] = p->min[m];
            if (p->max[m] > old->max[m]) old->max[m] = p->max[m];
        }
        return LT_OK;
    }
}

/* ---- one segment ---- */

static void widen(struct point *p, const struct lt_seg_cost *c) {
    double peak = (double)c->peak_bytes;

    p->min[LT_MEASURE_MACS] += c->trained_macs;
    p->max[LT_MEASURE_MACS] += c->trained_macs;
    p->min[LT_MEASURE_PARAMS] += c->trained_params;
    p->max[LT_MEASURE_PARAMS] += c->trained_params;
    if (peak > p->min[LT_MEASURE_PEAK_BYTES]) p->min[LT_MEASURE_PEAK_BYTES] = peak;
    if (peak > p->max[LT_MEASURE_PEAK_BYTES]) p->max[LT_MEASURE_PEAK_BYTES] = peak;
}

static lt_status through(struct walk *w, int seg, const struct point *from) {
    struct point p = *from;
    const struct lt_seg_cost *cost;
    lt_status st;

    if (seg == 0 && (st = lt_costs_start(w->costs, &p.a, &p.state, w->e))) return st;
    if (lt_segment_exists(w->s, &w->s->segment[seg], &p.a)) {
        if ((st = lt_costs_segment(w->costs, seg, p.state, &p.a, &cost, w->e))) return st;
        widen(&p, cost);
        p.state = cost->next;
        /* Who reads what else is carried depends on the segments that follow. */
        if (lt_costs_carried(w->costs, p.state) > 1 && !lt_head_reads_taps(w->s)) w->too_many = true;
    }
    for (int i = 0; i < w->s->n_genes; i++) {
        if (w->last[i] <= seg) p.a.g[i] = 0;
    }
    if (++w->steps > MAX_STEPS || w->next.n > MAX_STATES || lt_costs_filled(w->costs) > MAX_FILLED) w->too_many = true;
    return w->too_many ? LT_OK : put(w, &w->next, &p);
}

/* Every choice of the genes from `gene` on that segment `seg` is the first to need. */
static lt_status introduce(struct walk *w, int seg, int gene, struct point *p) {
    lt_status st = LT_OK;
    int n;

    while (gene < w->s->n_genes && w->first[gene] != seg) gene++;
    if (gene == w->s->n_genes) return through(w, seg, p);
    n = lt_space_gene_active(w->s, &p->a, gene) ? w->s->gene[gene].n_choices : 1;
    for (int k = 0; k < n && !st && !w->too_many; k++) {
        p->a.g[gene] = (uint8_t)k;
        st = introduce(w, seg, gene + 1, p);
    }
    p->a.g[gene] = 0;
    return st;
}

static lt_status exact(struct walk *w, struct lt_space_range *out) {
    struct point start = {.a.n = w->s->n_genes};
    lt_status st;

    find_uses(w);
    for (int i = 0; i < w->s->n_genes; i++) {
        /* A gene that decides on another but that no segment needs itself is known from the start. */
        if (w->last[i] < 0) w->too_many = true;
    }
    if (w->too_many) return LT_OK;
    if ((st = put(w, &w->now, &start))) return st;
    for (int seg = 0; seg < w->s->n_segments && !w->too_many; seg++) {
        struct layer swap;

        for (int i = 0; i < w->now.n && !w->too_many; i++) {
            struct point p = w->now.p[i];

            if ((st = introduce(w, seg, 0, &p))) return st;
        }
        release(&w->now);
        swap = w->now;
        w->now = w->next;
        w->next = swap;
    }
    if (w->too_many) return LT_OK;
    *out = (struct lt_space_range){.exact = true};
    for (int m = 0; m < LT_N_MEASURES; m++) {
        out->min[m] = HUGE_VAL;
        out->max[m] = -HUGE_VAL;
        for (int i = 0; i < w->now.n; i++) {
            if (w->now.p[i].min[m] < out->min[m]) out->min[m] = w->now.p[i].min[m];
            if (w->now.p[i].max[m] > out->max[m]) out->max[m] = w->now.p[i].max[m];
        }
    }
    return LT_OK;
}

/* ---- samples ---- */

static lt_status sampled(const struct lt_space *s, struct lt_space_costs *costs, struct lt_space_range *out,
                         struct lt_err *e) {
    struct lt_space_range r = {.exact = false};
    lt_status st;

    for (int m = 0; m < LT_N_MEASURES; m++) {
        r.min[m] = HUGE_VAL;
        r.max[m] = -HUGE_VAL;
    }
    for (int i = 0; i < SAMPLES; i++) {
        double v[LT_N_MEASURES];
        struct lt_arch a;
        struct lt_rng rng;

        lt_rng_at(&rng, 1, LT_RNG_SAMPLE, 1, (uint64_t)i);
        if (i < 2)
            a = i ? s->largest : s->smallest;
        else if (i % 2)
            lt_space_sample(s, &rng, &a);
        else
            lt_space_sample_uniform(s, &rng, &a);
        if ((st = lt_costs_measure(costs, &a, v, e))) return st;
        for (int m = 0; m < LT_N_MEASURES; m++) {
            if (v[m] < r.min[m]) r.min[m] = v[m];
            if (v[m] > r.max[m]) r.max[m] = v[m];
        }
    }
    *out = r;
    return LT_OK;
}

lt_status lt_space_attainable(const struct lt_space *s, struct lt_space_range *out, struct lt_err *e) {
    struct walk *w = lt_calloc(1, sizeof(*w));
    struct lt_space_range r = {.exact = false};
    lt_status st;

    if (!w) return lt_fail(e, LT_ENOMEM, "range of a space: out of memory");
    w->s = s;
    w->e = e;
    if ((st = lt_space_costs_new(s, &w->costs, e))) goto out;
    if ((st = exact(w, &r))) goto out;
    if (!r.exact && (st = sampled(s, w->costs, &r, e))) goto out;
    *out = r;
out:
    release(&w->now);
    release(&w->next);
    lt_space_costs_free(w->costs);
    lt_free(w);
    return st;
}
