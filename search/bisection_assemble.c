/* Searcher "bisection": networks put together from what each choice costs. Source in bisection.c. */
#include <math.h>
#include <stdlib.h>
#include "lathe/stats.h"
#include "lathe/mem.h"
#include "search/bisection.h"

static int by_falling_price(const void *a, const void *b) {
    const struct lt_bisection_choice *x = a, *y = b;

    if (x->price != y->price) return x->price > y->price ? -1 : 1;
    return x->value > y->value ? -1 : x->value < y->value;
}

/* Losses of a gene's choices, sorted by falling price, made to rise: neighbours that fall are averaged. */
static void make_monotone(struct lt_bisection_choice *c, int n) {
    double sum[UINT8_MAX + 1]; /* no gene has more choices */
    int count[UINT8_MAX + 1], blocks = 0, at = 0;

    for (int i = 0; i < n; i++) {
        if (isinf(c[i].loss)) continue;
        sum[blocks] = c[i].loss;
        count[blocks++] = 1;
        for (; blocks > 1 && sum[blocks - 2] / count[blocks - 2] >= sum[blocks - 1] / count[blocks - 1]; blocks--) {
            sum[blocks - 2] += sum[blocks - 1];
            count[blocks - 2] += count[blocks - 1];
        }
    }
    for (int i = 0, b = 0; i < n; i++) {
        if (isinf(c[i].loss)) continue;
        c[i].loss = sum[b] / count[b];
        if (++at == count[b]) {
            b++;
            at = 0;
        }
    }
}

static void losses(struct lt_bisection *s) {
    for (int g = 0; g < lt_space_n_genes(s->x.env->space); g++) {
        struct lt_bisection_choice *c = s->choice + s->first[g];
        int n = s->first[g + 1] - s->first[g];

        for (int i = 0; i < n; i++) {
            bool known = c[i].result >= 0 && c[i].against >= 0 && isfinite(s->quality[c[i].result]) &&
                         isfinite(s->quality[c[i].against]);

            c[i].loss = known ? s->quality[c[i].against] - s->quality[c[i].result] : INFINITY;
            if (c[i].value == s->high.g[g]) c[i].loss = 0;
        }
        qsort(c, (size_t)n, sizeof(*c), by_falling_price);
        make_monotone(c, n);
    }
}

/* Every choice at its cheapest with a loss of at most `allowed`, at its best where none is that good. */
static struct lt_arch assemble(const struct lt_bisection *s, double allowed) {
    struct lt_arch a = s->high;

    for (int g = 0; g < lt_space_n_genes(s->x.env->space); g++) {
        const struct lt_bisection_choice *c = s->choice + s->first[g], *pick = NULL;
        int n = s->first[g + 1] - s->first[g];

        for (int i = 0; i < n; i++) {
            if (isinf(c[i].loss)) continue;
            if (!pick || c[i].loss <= allowed) pick = &c[i];
        }
        if (pick) a.g[g] = (uint8_t)pick->value;
    }
    lt_space_canonical(s->x.env->space, &a);
    return a;
}

static const struct lt_bisection_choice *chosen(const struct lt_bisection *s, const struct lt_arch *a, int gene) {
    for (int i = s->first[gene]; i < s->first[gene + 1]; i++) {
        if (s->choice[i].value == a->g[gene]) return &s->choice[i];
    }
    return NULL;
}

/* Spends what is left of the limits: again and again the choice that regains most for its price, while it fits. */
static lt_status spend(struct lt_bisection *s, struct lt_arch *a, struct lt_err *e) {
    const struct lt_space *space = s->x.env->space;
    lt_status st;

    for (int step = 0; step < s->n_choices; step++) {
        struct lt_arch next = *a;
        double best = 0;

        for (int i = 0; i < s->n_choices; i++) {
            const struct lt_bisection_choice *c = &s->choice[i], *now = chosen(s, a, c->gene);
            double gain, v;
            struct lt_arch b;

            if (!now || isinf(c->loss) || isinf(now->loss) || !lt_space_gene_active(space, a, c->gene)) continue;
            gain = (now->loss - c->loss) / fmax(c->price - now->price, 1e-9);
            if (!(now->loss > c->loss) || gain <= best) continue;
            b = lt_bisection_with(s, a, c->gene, c->value);
            if ((st = lt_explorer_violation(&s->x, &b, &v, e))) return st;
            if (v > 0) continue;
            best = gain;
            next = b;
        }
        if (best == 0) break;
        *a = next;
    }
    return LT_OK;
}

lt_status lt_bisection_propose(struct lt_bisection *s, struct lt_err *e) {
    double *loss = lt_malloc(((size_t)s->n_choices + 1) * sizeof(*loss)), v;
    int n = 1, lo = 0, hi, from = s->n, k;
    struct lt_rng r;
    lt_status st = LT_OK;

    if (!loss) return lt_fail(e, LT_ENOMEM, "searcher 'bisection': out of memory");
    losses(s);
    loss[0] = -INFINITY; /* every choice at its best */
    for (int i = 0; i < s->n_choices; i++) {
        if (isfinite(s->choice[i].loss)) loss[n++] = s->choice[i].loss;
    }
    lt_sort_doubles(loss, n);
    for (hi = n - 1; lo < hi;) {
        int mid = (lo + hi) / 2;
        struct lt_arch a = assemble(s, loss[mid]);

        if ((st = lt_explorer_violation(&s->x, &a, &v, e))) goto out;
        if (v > 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < n && s->n - from < s->cfg->candidates; lo++) {
        struct lt_arch a = assemble(s, loss[lo]), b;

        lt_rng_at(&r, s->x.env->seed, LT_RNG_SEARCH, (uint64_t)s->round + 1, (uint64_t)lo);
        if ((st = lt_explorer_repair(&s->x, &r, &a, &v, e))) goto out;
        if (v > 0) continue;
        b = a;
        if ((st = spend(s, &b, e)) || (st = lt_bisection_result_of(s, &b, &k, e))) goto out;
        if (s->n - from < s->cfg->candidates && (st = lt_bisection_result_of(s, &a, &k, e))) goto out;
    }
out:
    lt_free(loss);
    return st;
}
