/*
 * What a space attains, and sampling towards costs: exact ranges are those of enumerating every network; no sample of a
 * shipped space is outside of its exact range; samples inside bounds are inside; balanced samples cover the range;
 * uniform sampling is uniform.
 */
#include <math.h>
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "tests/unit/shipped_spaces.h"

#define SEED 3
#define TOP "schema: 1\nname: t\ninput: {channels: 3, resolution: [8, 11]}\nclasses: 4\ndivisor: 2\n"

static struct lt_space *read_space(const char *text) {
    struct lt_yaml *root = NULL;
    struct lt_space *s = NULL;
    struct lt_err e = {0};

    if (lt_yaml_parse("t.yaml", text, strlen(text), &root, &e) || lt_space_parse_yaml(root, &s, &e))
        lt_ok(false, "space is read: %s", e.msg);
    lt_yaml_free(root);
    return s;
}

static const char *const small[] = {
    TOP "stages:\n  - {name: a, block: mbconv, channels: [4, 8], depth: [1, 2], stride: 2, kernel: [1, 3], expand: [1, "
        "2]}\n"
        "  - {name: b, block: conv, channels: a.channels, depth: [1, 3]}\nhead: {channels: [6, 8]}\n",
    TOP "width: [0.5, 1]\nblocks: {wide: {block: mbconv, expand: [2, 4]}}\nstages:\n"
        "  - {name: a, block: [wide, fused_mbconv, skip], channels: 8, depth: [1, 2], kernel: [1, 3], expand: 2}\n",
    TOP "choices:\n  deep: [no, yes]\n  w: {choice: [4, 8], when: {deep: yes}, else: 6}\nstages:\n"
        "  - {name: a, block: conv, channels: round2(w * 1.5), depth: 1, kernel: {choice: [1, 3], when: {deep: no}, "
        "else: 5}}\n"
        "  - {name: b, block: conv, channels: 4, depth: [1, 2], kernel: [1, 3], when: {deep: yes}}\n"
        "  - {name: c, block: {choice: [conv, tucker], per: stage}, channels: 8, depth: [1, 2], in_rate: 0.5, "
        "out_rate: {choice: [0.5, 1], per: stage}, kernel: 3}\n",
};

static bool next(const struct lt_space *s, struct lt_arch *a) {
    for (int k = 0; k < a->n; k++) {
        if (++a->g[k] < lt_space_gene(s, k)->n_choices) return true;
        a->g[k] = 0;
    }
    return false;
}

static bool costs_of(const struct lt_space *s, const struct lt_arch *a, double v[LT_N_MEASURES]) {
    struct lt_graph *g = NULL;
    struct lt_cost c;

    if (lt_space_expand(s, a, &g, NULL)) return false;
    lt_graph_cost(g, NULL, &c);
    v[LT_MEASURE_MACS] = (double)c.macs;
    v[LT_MEASURE_PARAMS] = (double)c.params;
    v[LT_MEASURE_PEAK_BYTES] = (double)c.peak_act_bytes;
    lt_graph_free(g);
    return true;
}

static void enumerated(int which) {
    struct lt_space *s = read_space(small[which]);
    struct lt_arch a = {0}, canonical;
    struct lt_space_range got, want = {.exact = true};
    struct lt_buf size = LT_BUF_INIT;
    struct lt_err e = {0};
    int n = 0;
    bool ok = true;

    if (!s) return;
    a.n = lt_space_n_genes(s);
    for (int m = 0; m < LT_N_MEASURES; m++) {
        want.min[m] = HUGE_VAL;
        want.max[m] = -HUGE_VAL;
    }
    do {
        double v[LT_N_MEASURES];

        canonical = a;
        lt_space_canonical(s, &canonical);
        if (!lt_arch_equal(&canonical, &a)) continue;
        n++;
        ok = ok && costs_of(s, &a, v);
        for (int m = 0; ok && m < LT_N_MEASURES; m++) {
            if (v[m] < want.min[m]) want.min[m] = v[m];
            if (v[m] > want.max[m]) want.max[m] = v[m];
        }
    } while (next(s, &a));
    lt_space_size_text(s, &size);
    lt_ok(ok && atoi(size.data) == n, "space %d: %s networks, %d enumerated, all expand", which, size.data, n);
    ok = !lt_space_attainable(s, &got, &e) && got.exact;
    for (int m = 0; m < LT_N_MEASURES; m++) ok = ok && got.min[m] == want.min[m] && got.max[m] == want.max[m];
    lt_ok(ok, "its range is exact: macs %.0f..%.0f (%.0f..%.0f), peak %.0f..%.0f (%.0f..%.0f) %s", got.min[0],
          got.max[0], want.min[0], want.max[0], got.min[2], got.max[2], want.min[2], want.max[2], e.msg);
    lt_buf_release(&size);
    lt_space_free(s);
}

static int by_hash(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Each of n networks as often as any other: chi squared within 5 deviations of its mean, n - 1. */
static void uniform(int which) {
    enum { MAX = 4096, EACH = 40 };
    static uint64_t hash[MAX];
    static int count[MAX];
    struct lt_space *s = read_space(small[which]);
    struct lt_arch a = {0}, canonical;
    double chi = 0;
    int n = 0;

    if (!s) return;
    a.n = lt_space_n_genes(s);
    do {
        canonical = a;
        lt_space_canonical(s, &canonical);
        if (lt_arch_equal(&canonical, &a) && n < MAX) hash[n++] = lt_arch_hash(s, &a);
    } while (next(s, &a));
    qsort(hash, (size_t)n, sizeof(*hash), by_hash);
    memset(count, 0, sizeof(count));
    for (int i = 0; i < n * EACH; i++) {
        struct lt_rng r;
        uint64_t h, *at;

        lt_rng_at(&r, SEED, LT_RNG_TEST, 7, (uint64_t)i);
        lt_space_sample_uniform(s, &r, &a);
        h = lt_arch_hash(s, &a);
        if ((at = bsearch(&h, hash, (size_t)n, sizeof(h), by_hash))) count[at - hash]++;
    }
    for (int i = 0; i < n; i++) chi += (count[i] - EACH) * (double)(count[i] - EACH) / EACH;
    lt_ok(fabs(chi - (n - 1)) < 5 * sqrt(2.0 * (n - 1)), "space %d: uniform sampling, chi squared %.0f of %d networks",
          which, chi, n);
    lt_space_free(s);
}

static void towards(const char *name, const struct lt_space *s) {
    struct lt_space_range r;
    struct lt_space_costs *c = NULL;
    struct lt_err e = {0};
    int inside = 0, n = 0, low = 0, high = 0, outside = 0;
    double mid, low_end;

    if (lt_space_n_genes(s) == 0) return;
    if (lt_space_attainable(s, &r, &e) || lt_space_costs_new(s, &c, &e)) {
        lt_ok(false, "%s: %s", name, e.msg);
        return;
    }
    low_end = r.min[LT_MEASURE_MACS];
    mid = 0.5 * (r.min[LT_MEASURE_MACS] + r.max[LT_MEASURE_MACS]);
    for (int i = 0; i < 20; i++) {
        struct lt_space_bounds b = {.max = {[LT_MEASURE_MACS] = mid}, .min = {[LT_MEASURE_MACS] = low_end}};
        struct lt_arch a;
        struct lt_rng rng;
        double v[LT_N_MEASURES];

        lt_rng_at(&rng, SEED, LT_RNG_TEST, 1, (uint64_t)i);
        lt_space_sample(s, &rng, &a);
        if (costs_of(s, &a, v)) {
            for (int m = 0; m < LT_N_MEASURES && r.exact; m++) outside += v[m] < r.min[m] || v[m] > r.max[m];
        }
        if (!lt_space_sample_within(s, c, &b, 2000, &rng, &a, &e) && costs_of(s, &a, v)) {
            n++;
            inside += v[LT_MEASURE_MACS] <= mid && v[LT_MEASURE_MACS] >= low_end;
        }
        if (!lt_space_sample_balanced(s, c, &r, 300, &rng, &a, &e) && costs_of(s, &a, v)) {
            low += v[LT_MEASURE_MACS] < mid;
            high += v[LT_MEASURE_MACS] >= mid;
        }
    }
    lt_ok(inside == n && outside == 0 && n == 20,
          "%s (%s range): %d samples inside their bounds, none outside the range", name, r.exact ? "exact" : "sampled",
          n);
    lt_ok(low + high == 20 && (!r.exact || (low >= 3 && high >= 3)),
          "%s: balanced over MACs: %d below the middle, %d above", name, low, high);
    lt_space_costs_free(c);
}

static void infeasible(void) {
    struct lt_space *s = read_space(small[0]);
    struct lt_space_costs *c = NULL;
    struct lt_space_bounds b = {.max = {[LT_MEASURE_PARAMS] = 1}};
    struct lt_arch a;
    struct lt_rng r;
    struct lt_err e = {0};

    if (!s || lt_space_costs_new(s, &c, &e)) return;
    lt_rng_at(&r, SEED, LT_RNG_TEST, 2, 0);
    lt_ok(lt_space_sample_within(s, c, &b, 200, &r, &a, &e) == LT_INFEASIBLE && strstr(e.msg, "200 tries"),
          "no network of one parameter: %s", e.msg);
    lt_space_costs_free(c);
    lt_space_free(s);
}

/* Billions of combinations for a stage that is not there, all of one state: given up in time, and sampled. */
static void many_steps(void) {
    struct lt_buf text = LT_BUF_INIT;
    struct lt_space *s;
    struct lt_space_range r;
    struct lt_err e = {0};

    lt_buf_puts(&text, TOP "choices:\n  m: [a, b]\n  x: [1");
    for (int i = 2; i <= 32; i++) lt_buf_printf(&text, ", %d", i);
    lt_buf_puts(&text, "]\n  q: [0.004");
    for (int i = 2; i <= 240; i++) lt_buf_printf(&text, ", %.3f", i * 0.004);
    lt_buf_puts(&text, "]\n  c: [8");
    for (int i = 2; i <= 240; i++) lt_buf_printf(&text, ", %d", 8 * i);
    lt_buf_puts(&text, "]\n  d: [0");
    for (int i = 1; i <= 240; i++) lt_buf_printf(&text, ", %d", i);
    lt_buf_puts(&text, "]\nstages:\n  - {name: a, block: conv, channels: 8, depth: 1, stride: 2, kernel: [1, 3]}\n"
                       "  - {name: b, block: mbconv, channels: c, depth: 1, expand: x, se: q, se_divisor: d, "
                       "when: {m: b}}\n");
    s = read_space(text.data);
    if (s && lt_ok(!lt_space_attainable(s, &r, &e) && !r.exact, "billions of combinations: sampled %s", e.msg))
        lt_ok(r.min[LT_MEASURE_MACS] < r.max[LT_MEASURE_MACS], "and it has a range");
    lt_space_free(s);
    lt_buf_release(&text);
}

int main(void) {
    int64_t live = lt_mem_live();

    for (int i = 0; i < (int)(sizeof(small) / sizeof(*small)); i++) {
        enumerated(i);
        uniform(i);
    }
    infeasible();
    many_steps();
    each_shipped_space(towards);
    lt_ok(lt_mem_live() == live, "nothing leaks");
    return lt_done();
}
