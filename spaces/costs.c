/* Tables of segment costs: direct indices by the segment's own genes, one table for each state that it is entered in.
 */
#include <string.h>
#include "lathe/file.h"
#include "spaces/seg_cost.h"

#define N_SUMS (LT_N_CLASSES * LT_N_SUMS)
enum { DIRECT = 4096, CHUNK = 64 };

struct index { /* mixed radix over some genes */
    int n;
    int gene[LT_MAX_GENES];
    int64_t stride[LT_MAX_GENES], size;
};
struct segment {
    struct index at;
    int cap;                        /* of by_state */
    struct lt_seg_cost ***by_state; /* [state][index], where the index is small */
};
struct key { /* of what has too large an index */
    int seg, state;
    uint64_t genes;
    struct lt_seg_cost *cost;
};
struct lt_space_costs {
    const struct lt_space *s;
    struct lt_arena *arena;
    struct index input;
    int *start; /* [input.size] state, -1 unknown */
    int n_states, cap_states;
    struct lt_state *state;
    struct segment *seg;
    struct key *hash; /* open addressing; cap_hash a power of two */
    int n_hash, cap_hash;
    struct lt_seg_cost *chunk;
    int in_chunk;
    int64_t n_filled;
};

static lt_status no_memory(struct lt_err *e) { return lt_fail(e, LT_ENOMEM, "costs of a space: out of memory"); }

static void make_index(const struct lt_space *s, struct index *x, const int *gene, int n) {
    x->size = 1;
    x->n = n;
    for (int i = 0; i < n; i++) {
        x->gene[i] = gene[i];
        x->stride[i] = x->size;
        if (x->size < (int64_t)1 << 40) x->size *= s->gene[gene[i]].n_choices;
    }
}

static inline int64_t index_of(const struct index *x, const struct lt_arch *a) {
    int64_t k = 0;

    for (int i = 0; i < x->n; i++) k += x->stride[i] * a->g[x->gene[i]];
    return k;
}

lt_status lt_space_costs_new(const struct lt_space *s, struct lt_space_costs **out, struct lt_err *e) {
    struct lt_arena *arena = lt_arena_new();
    struct lt_space_costs *c = arena ? lt_arena_alloc(arena, sizeof(*c)) : NULL;
    int gene[LT_MAX_GENES], n = 0;

    if (!c) goto fail;
    c->arena = arena;
    c->s = s;
    lt_choice_genes(s, &s->resolution, gene, &n);
    make_index(s, &c->input, gene, n);
    c->seg = lt_arena_alloc(arena, (size_t)s->n_segments * sizeof(*c->seg));
    c->start = c->input.size <= 1 << 20 ? lt_arena_alloc(arena, (size_t)c->input.size * sizeof(*c->start)) : NULL;
    if (!c->seg || !c->start) goto fail;
    for (int64_t i = 0; i < c->input.size; i++) c->start[i] = -1;
    for (int i = 0; i < s->n_segments; i++) make_index(s, &c->seg[i].at, s->segment[i].gene, s->segment[i].n_genes);
    *out = c;
    return LT_OK;
fail:
    lt_arena_free(arena);
    return no_memory(e);
}

void lt_space_costs_free(struct lt_space_costs *c) {
    if (!c) return;
    lt_free(c->state);
    lt_free(c->hash);
    lt_arena_free(c->arena);
}

int lt_costs_carried(const struct lt_space_costs *c, int state) { return c->state[state].n; }

int64_t lt_costs_filled(const struct lt_space_costs *c) { return c->n_filled; }

/* ---- states ---- */

static lt_status intern(struct lt_space_costs *c, const struct lt_state *st, int *out, struct lt_err *e) {
    for (int i = 0; i < c->n_states; i++) {
        if (!memcmp(&c->state[i], st, sizeof(*st))) {
            *out = i;
            return LT_OK;
        }
    }
    if (c->n_states == c->cap_states) {
        int cap = c->cap_states ? 2 * c->cap_states : 64;
        struct lt_state *v = lt_realloc(c->state, (size_t)cap * sizeof(*v));

        if (!v) return no_memory(e);
        c->state = v;
        c->cap_states = cap;
    }
    c->state[c->n_states] = *st;
    *out = c->n_states++;
    return LT_OK;
}

lt_status lt_costs_start(struct lt_space_costs *c, const struct lt_arch *a, int *state, struct lt_err *e) {
    int *known = &c->start[index_of(&c->input, a)];
    struct lt_graph *g = NULL;
    struct lt_carry x = {.n = 1};
    struct lt_state first;
    lt_status st;

    if (*known < 0) {
        if ((st = lt_graph_new("input", &g, e))) return st;
        x.node[0] = lt_space_input(c->s, a, g);
        st = x.node[0] < 0 ? lt_fail(e, g->err.status, "%s", g->err.msg) : LT_OK;
        if (!st) lt_state_of(g, &x, &first);
        lt_graph_free(g);
        if (st || (st = intern(c, &first, known, e))) return st;
    }
    *state = *known;
    return LT_OK;
}

lt_status lt_costs_last(struct lt_space_costs *c, int *state, struct lt_err *e) {
    struct lt_state st = c->state[*state];

    if (st.n < 2 || lt_head_reads_taps(c->s)) return LT_OK;
    st.last = true;
    return intern(c, &st, state, e);
}

int lt_costs_last_segment(const struct lt_space *s, const struct lt_arch *a) {
    for (int i = s->n_segments - 2; i >= 0; i--) {
        if (lt_segment_exists(s, &s->segment[i], a)) return i;
    }
    return -1;
}

/* ---- where a cost is kept ---- */

/* The place of a combination in the table of its state; NULL on exhausted memory. */
static struct lt_seg_cost **direct(struct lt_space_costs *c, struct segment *seg, int state, int64_t k) {
    if (state >= seg->cap) {
        int cap = 2 * state + 8;
        struct lt_seg_cost ***v = lt_arena_alloc(c->arena, (size_t)cap * sizeof(*v));

        if (!v) return NULL;
        if (seg->cap) memcpy(v, seg->by_state, (size_t)seg->cap * sizeof(*v));
        seg->by_state = v;
        seg->cap = cap;
    }
    if (!seg->by_state[state] &&
        !(seg->by_state[state] = lt_arena_alloc(c->arena, (size_t)seg->at.size * sizeof(**seg->by_state))))
        return NULL;
    return &seg->by_state[state][k];
}

static uint64_t genes_hash(const struct index *x, const struct lt_arch *a) {
    uint8_t v[LT_MAX_GENES];

    for (int i = 0; i < x->n; i++) v[i] = a->g[x->gene[i]];
    return lt_hash64(v, (size_t)x->n, 0x5eed);
}

static struct key *probe(struct key *table, int cap, int seg, int state, uint64_t genes) {
    uint64_t h = genes ^ ((uint64_t)seg * 0x9e3779b97f4a7c15u) ^ ((uint64_t)state * 0xc2b2ae3d27d4eb4fu);

    for (uint64_t i = h;; i++) {
        struct key *k = &table[i & (uint64_t)(cap - 1)];

        if (!k->cost || (k->seg == seg && k->state == state && k->genes == genes)) return k;
    }
}

static struct lt_seg_cost **hashed(struct lt_space_costs *c, int seg, int state, uint64_t genes) {
    struct key *k;

    if (2 * (c->n_hash + 1) > c->cap_hash) {
        int cap = c->cap_hash ? 2 * c->cap_hash : 1024;
        struct key *v = lt_calloc((size_t)cap, sizeof(*v));

        if (!v) return NULL;
        for (int i = 0; i < c->cap_hash; i++) {
            if (c->hash[i].cost) *probe(v, cap, c->hash[i].seg, c->hash[i].state, c->hash[i].genes) = c->hash[i];
        }
        lt_free(c->hash);
        c->hash = v;
        c->cap_hash = cap;
    }
    k = probe(c->hash, c->cap_hash, seg, state, genes);
    if (!k->cost) {
        k->seg = seg;
        k->state = state;
        k->genes = genes;
    }
    return &k->cost;
}

static lt_status fill(struct lt_space_costs *c, int seg, int state, const struct lt_arch *a, struct lt_seg_cost **to,
                      struct lt_err *e) {
    const struct lt_state before = c->state[state];
    struct lt_seg_cost cost;
    struct lt_state after;
    lt_status st;

    if ((st = lt_segment_cost(c->s, &c->s->segment[seg], &before, a, &cost, &after, e)) ||
        (st = intern(c, &after, &cost.next, e)))
        return st;
    if (c->in_chunk == 0) {
        if (!(c->chunk = lt_arena_alloc(c->arena, CHUNK * sizeof(*c->chunk)))) return no_memory(e);
        c->in_chunk = CHUNK;
    }
    *to = c->chunk++;
    c->in_chunk--;
    **to = cost;
    c->n_filled++;
    return LT_OK;
}

lt_status lt_costs_segment(struct lt_space_costs *c, int seg, int state, const struct lt_arch *a,
                           const struct lt_seg_cost **out, struct lt_err *e) {
    struct segment *sg = &c->seg[seg];
    struct lt_seg_cost **at;
    lt_status st;

    if (sg->at.size <= DIRECT) {
        int64_t k = index_of(&sg->at, a);

        if (state < sg->cap && sg->by_state[state] && sg->by_state[state][k]) {
            *out = sg->by_state[state][k];
            return LT_OK;
        }
        at = direct(c, sg, state, k);
    } else {
        at = hashed(c, seg, state, genes_hash(&sg->at, a));
    }
    if (!at) return no_memory(e);
    if (!*at) {
        if ((st = fill(c, seg, state, a, at, e))) return st;
        if (sg->at.size > DIRECT) c->n_hash++;
    }
    *out = *at;
    return LT_OK;
}

/* ---- totals ---- */

static void finish_totals(struct lt_totals *t) {
    t->macs = t->params = t->moved_bytes = t->n_ops = 0;
    for (int k = 0; k < LT_N_CLASSES; k++) {
        t->macs += t->sum[k][LT_SUM_MACS];
        t->params += t->sum[k][LT_SUM_PARAMS];
        t->moved_bytes += t->sum[k][LT_SUM_BYTES];
        t->n_ops += t->sum[k][LT_SUM_OPS];
    }
}

void lt_graph_totals(const struct lt_graph *folded, struct lt_totals *out) {
    struct lt_totals t = {0};

    lt_graph_sums(folded, t.sum);
    finish_totals(&t);
    *out = t;
}

static lt_status one(struct lt_space_costs *c, const struct lt_arch *a, struct lt_totals *out, struct lt_err *e) {
    const struct lt_space *s = c->s;
    struct lt_totals t = {0};
    double *sum = &t.sum[0][0];
    const struct lt_seg_cost *seg;
    lt_status st;
    int state, last = lt_costs_last_segment(s, a);

    if ((st = lt_costs_start(c, a, &state, e))) return st;
    for (int i = 0; i < s->n_segments; i++) {
        if (!lt_segment_exists(s, &s->segment[i], a)) continue;
        if ((i == last && (st = lt_costs_last(c, &state, e))) || (st = lt_costs_segment(c, i, state, a, &seg, e)))
            return st;
        for (int k = 0; k < N_SUMS; k++) sum[k] += (&seg->sum[0][0])[k];
        t.trained_macs += seg->trained_macs;
        t.trained_params += seg->trained_params;
        state = seg->next;
    }
    finish_totals(&t);
    *out = t;
    return LT_OK;
}

lt_status lt_space_costs_totals(struct lt_space_costs *c, const struct lt_arch *a, int n, struct lt_totals *out,
                                struct lt_err *e) {
    lt_status st;

    for (int i = 0; i < n; i++) {
        if (a[i].n != c->s->n_genes)
            return lt_fail(e, LT_EINVAL, "an architecture of %d genes does not belong to space '%s', which has %d",
                           (int)a[i].n, c->s->name, c->s->n_genes);
        if ((st = one(c, &a[i], &out[i], e))) return st;
    }
    return LT_OK;
}

lt_status lt_costs_measure(struct lt_space_costs *c, const struct lt_arch *a, double v[LT_N_MEASURES],
                           struct lt_err *e) {
    const struct lt_seg_cost *seg;
    int state, last = lt_costs_last_segment(c->s, a);
    lt_status st;

    for (int m = 0; m < LT_N_MEASURES; m++) v[m] = 0;
    if ((st = lt_costs_start(c, a, &state, e))) return st;
    for (int i = 0; i < c->s->n_segments; i++) {
        if (!lt_segment_exists(c->s, &c->s->segment[i], a)) continue;
        if ((i == last && (st = lt_costs_last(c, &state, e))) || (st = lt_costs_segment(c, i, state, a, &seg, e)))
            return st;
        v[LT_MEASURE_MACS] += seg->trained_macs;
        v[LT_MEASURE_PARAMS] += seg->trained_params;
        if ((double)seg->peak_bytes > v[LT_MEASURE_PEAK_BYTES]) v[LT_MEASURE_PEAK_BYTES] = (double)seg->peak_bytes;
        state = seg->next;
    }
    return LT_OK;
}
