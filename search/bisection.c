/*
 * Searcher "bisection": one-shot sensitivity and a search for the allowed degradation, as FastNAS (NVIDIA Model
 * Optimizer) prunes networks. One choice at a time is changed in the largest network that meets the limits, and what
 * that costs in the first objective is measured, as many evaluations as there are choices; the losses are made monotone
 * in what a choice costs (isotonic regression by pooling adjacent violators; Ayer et al., Ann. Math. Stat. 26, 1955);
 * then the smallest allowed loss is bisected with which every choice at its cheapest meets the limits. The network of
 * that loss, those of the next larger ones, and each of them with what is left of the budget spent greedily, are
 * evaluated. Deviations: further rounds measure around the best network found; limits are hard here, so a choice that
 * does not fit into the largest network is measured in the smallest one instead.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/mem.h"
#include "search/explore.h"

#define MAX_CHOICES 64

struct config {
    int64_t samples, candidates, rounds;
};
static const struct lt_opt opts[] = {
    {.key = "samples",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "2000",
     .min = 1,
     .max = 10000000,
     .offset = offsetof(struct config, samples),
     .help = "architectures to evaluate at most"},
    {.key = "candidates",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "16",
     .min = 1,
     .max = 10000,
     .offset = offsetof(struct config, candidates),
     .help = "of them, networks that are put together from the sensitivities, in a round"},
    {.key = "rounds",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "3",
     .min = 1,
     .max = 1000,
     .offset = offsetof(struct config, rounds),
     .help = "the next one measures around the best network so far"},
    {.key = NULL},
};

/* One choice of one gene: where it was measured. Results are numbered in ask order; -1: not measured. */
struct choice {
    int gene, value;
    int result, against; /* loss = quality[against] - quality[result] */
    double price;        /* share of the limits that the largest network has with it */
    double loss;         /* INFINITY: never to be taken */
};

enum phase { MEASURE, ASSEMBLE, DONE };
struct bisection {
    const struct config *cfg;
    struct lt_explorer x;
    enum phase phase;
    bool planned;
    struct lt_arch high, low; /* the largest and the smallest that meet the limits */
    struct choice *choice;    /* by gene */
    int n_choices, first[LT_MAX_GENES + 1];
    struct lt_arch *queue;
    double *quality; /* of results; -INFINITY: failed */
    int n, n_asked, n_told, cap;
    int64_t round;
};

static void close_bisection(void *self) {
    struct bisection *s = self;

    lt_explorer_release(&s->x);
    lt_free(s->choice);
    lt_free(s->queue);
    lt_free(s->quality);
    lt_free(s);
}

static lt_status open_bisection(const struct lt_search_env *env, const void *cfg, void **self, struct lt_err *e) {
    struct bisection *s = lt_calloc(1, sizeof(*s));
    lt_status st;
    int n = 0;

    if (!s) return lt_fail(e, LT_ENOMEM, "searcher 'bisection': out of memory");
    s->cfg = cfg;
    for (int g = 0; g < lt_space_n_genes(env->space); g++) n += lt_space_gene(env->space, g)->n_choices;
    if (!(s->choice = lt_calloc((size_t)n + 1, sizeof(*s->choice)))) {
        st = lt_fail(e, LT_ENOMEM, "searcher 'bisection': out of memory for %d choices", n);
        goto out;
    }
    if ((st = lt_explorer_init(&s->x, env, e))) goto out;
    *self = s;
    s = NULL;
out:
    if (s) close_bisection(s);
    return st;
}

/* ---- measuring ---- */

/* Number of the result of an architecture, asked now unless it has been; -1 when it is infeasible or the budget is
 * spent. */
static lt_status result_of(struct bisection *s, const struct lt_arch *a, int *out, struct lt_err *e) {
    double v;
    bool ok;
    lt_status st;

    *out = -1;
    for (int i = 0; i < s->n; i++) {
        if (!lt_arch_equal(a, &s->queue[i])) continue;
        *out = i;
        return LT_OK;
    }
    if (s->n >= s->cfg->samples) return LT_OK;
    if ((st = lt_explorer_violation(&s->x, a, &v, e)) || v > 0) return st;
    if (s->n == s->cap) {
        int cap = s->cap ? 2 * s->cap : 64;
        struct lt_arch *q = lt_realloc(s->queue, (size_t)cap * sizeof(*q));
        double *y;

        if (!q) return lt_fail(e, LT_ENOMEM, "searcher 'bisection': out of memory for %d results", cap);
        s->queue = q;
        if (!(y = lt_realloc(s->quality, (size_t)cap * sizeof(*y))))
            return lt_fail(e, LT_ENOMEM, "searcher 'bisection': out of memory for %d results", cap);
        s->quality = y;
        s->cap = cap;
    }
    if ((st = lt_explorer_take(&s->x, a, &ok, e))) return st;
    s->queue[s->n] = *a;
    *out = s->n++;
    return LT_OK;
}

/* How much of the limits an architecture takes: sum of cheap scores in units of their upper limits; without limits
 * the number of MACs, else what the choice's place says. */
static lt_status price_of(struct bisection *s, const struct lt_arch *a, int value, double *out, struct lt_err *e) {
    const struct lt_search_env *env = s->x.env;
    struct lt_scores sc;
    bool any = false;
    lt_status st;

    memset(&sc, 0, sizeof(sc));
    if ((st = env->probe->cheap(env->probe->arg, a, 1, &sc, e))) return st;
    *out = 0;
    for (int i = 0; i < env->goal->n_constraints; i++) {
        const struct lt_constraint *c = &env->goal->constraint[i];

        if (!isfinite(c->max) || !sc.have[c->score] || !isfinite(sc.v[c->score])) continue;
        *out += sc.v[c->score] / fmax(fabs(c->max), 1e-12);
        any = true;
    }
    if (!any) *out = sc.have[LT_SCORE_MACS] ? sc.v[LT_SCORE_MACS] : value;
    return LT_OK;
}

static struct lt_arch with(const struct bisection *s, const struct lt_arch *a, int gene, int value) {
    struct lt_arch b = *a;

    b.g[gene] = (uint8_t)value;
    lt_space_canonical(s->x.env->space, &b);
    return b;
}

static lt_status measure(struct bisection *s, struct choice *c, struct lt_err *e) {
    const struct lt_space *space = s->x.env->space;
    struct lt_arch a = with(s, &s->high, c->gene, c->value);
    lt_status st;

    c->result = c->against = -1;
    if ((st = price_of(s, &a, c->value, &c->price, e))) return st;
    if ((st = result_of(s, &s->high, &c->against, e)) || (st = result_of(s, &a, &c->result, e)) || c->result >= 0)
        return st;
    if (!lt_space_gene_active(space, &s->low, c->gene)) return LT_OK;
    a = with(s, &s->low, c->gene, s->high.g[c->gene]);
    if ((st = result_of(s, &a, &c->against, e)) || c->against < 0) return st;
    a = with(s, &s->low, c->gene, c->value);
    return result_of(s, &a, &c->result, e);
}

/* What a round measures around `high`. */
static lt_status measure_all(struct bisection *s, struct lt_err *e) {
    const struct lt_space *space = s->x.env->space;
    lt_status st;
    int k;

    s->n_choices = 0;
    if ((st = result_of(s, &s->high, &k, e)) || (st = result_of(s, &s->low, &k, e))) return st;
    for (int g = 0; g < lt_space_n_genes(space); g++) {
        s->first[g] = s->n_choices;
        for (int c = 0; c < lt_space_gene(space, g)->n_choices && lt_space_gene_active(space, &s->high, g); c++) {
            s->choice[s->n_choices] = (struct choice){.gene = g, .value = c};
            if ((st = measure(s, &s->choice[s->n_choices++], e))) return st;
        }
        s->first[g + 1] = s->n_choices;
    }
    return LT_OK;
}

static lt_status plan(struct bisection *s, struct lt_err *e) {
    const struct lt_space *space = s->x.env->space;
    struct lt_rng r;
    double v;
    lt_status st;

    lt_rng_at(&r, s->x.env->seed, LT_RNG_SEARCH, 0, 0);
    lt_space_largest(space, &s->high);
    if ((st = lt_explorer_repair(&s->x, &r, &s->high, &v, e))) return st;
    if (v > 0) s->high = s->x.anchor;
    lt_space_smallest(space, &s->low);
    if ((st = lt_explorer_repair(&s->x, &r, &s->low, &v, e))) return st;
    if (v > 0) s->low = s->x.anchor;
    if ((st = measure_all(s, e))) return st;
    s->planned = true;
    return LT_OK;
}

/* Another round around the best network so far, when there is something left to measure. */
static lt_status plan_again(struct bisection *s, struct lt_err *e) {
    int best = 0, n = s->n;
    lt_status st;

    for (int i = 1; i < s->n; i++) {
        if (s->quality[i] > s->quality[best]) best = i;
    }
    s->high = s->queue[best];
    if ((st = measure_all(s, e))) return st;
    s->round++;
    s->phase = s->n > n ? MEASURE : ASSEMBLE;
    return LT_OK;
}

/* ---- assembling ---- */

static int by_falling_price(const void *a, const void *b) {
    const struct choice *x = a, *y = b;

    if (x->price != y->price) return x->price > y->price ? -1 : 1;
    return x->value > y->value ? -1 : x->value < y->value;
}

/* Losses of a gene's choices, sorted by falling price, made to rise: neighbours that fall are averaged. */
static void make_monotone(struct choice *c, int n) {
    double sum[MAX_CHOICES];
    int count[MAX_CHOICES], blocks = 0, at = 0;

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

static void losses(struct bisection *s) {
    for (int g = 0; g < lt_space_n_genes(s->x.env->space); g++) {
        struct choice *c = s->choice + s->first[g];
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
static struct lt_arch assemble(const struct bisection *s, double allowed) {
    struct lt_arch a = s->high;

    for (int g = 0; g < lt_space_n_genes(s->x.env->space); g++) {
        const struct choice *c = s->choice + s->first[g], *pick = NULL;
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

static const struct choice *chosen(const struct bisection *s, const struct lt_arch *a, int gene) {
    for (int i = s->first[gene]; i < s->first[gene + 1]; i++) {
        if (s->choice[i].value == a->g[gene]) return &s->choice[i];
    }
    return NULL;
}

/* Spends what is left of the limits: again and again the choice that regains most for its price, while it fits. */
static lt_status spend(struct bisection *s, struct lt_arch *a, struct lt_err *e) {
    const struct lt_space *space = s->x.env->space;
    lt_status st;

    for (int step = 0; step < s->n_choices; step++) {
        struct lt_arch next = *a;
        double best = 0;

        for (int i = 0; i < s->n_choices; i++) {
            const struct choice *c = &s->choice[i], *now = chosen(s, a, c->gene);
            double gain, v;
            struct lt_arch b;

            if (!now || isinf(c->loss) || isinf(now->loss) || !lt_space_gene_active(space, a, c->gene)) continue;
            gain = (now->loss - c->loss) / fmax(c->price - now->price, 1e-9);
            if (!(now->loss > c->loss) || gain <= best) continue;
            b = with(s, a, c->gene, c->value);
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

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Asks for the networks of the least allowed loss that meets the limits, and of the next larger ones. */
static lt_status propose(struct bisection *s, struct lt_err *e) {
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
    qsort(loss, (size_t)n, sizeof(*loss), by_value);
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
        if ((st = spend(s, &b, e)) || (st = result_of(s, &b, &k, e))) goto out;
        if (s->n - from < s->cfg->candidates && (st = result_of(s, &a, &k, e))) goto out;
    }
out:
    lt_free(loss);
    return st;
}

static lt_status ask(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e) {
    struct bisection *s = self;
    int got = 0;
    lt_status st;

    if ((st = lt_explorer_start(&s->x, e)) || (!s->planned && (st = plan(s, e)))) return st;
    while (s->n_told == s->n) { /* all that follows is made of all results */
        if (s->phase == MEASURE) s->phase = ASSEMBLE;
        if (s->phase == ASSEMBLE) {
            if ((st = propose(s, e))) return st;
            s->phase = DONE;
        } else if (s->round + 1 < s->cfg->rounds && s->n < s->cfg->samples) {
            if ((st = plan_again(s, e))) return st;
        } else {
            break;
        }
    }
    for (; got < n && s->n_asked < s->n; got++) out[got] = s->queue[s->n_asked++];
    *n_out = got;
    return LT_OK;
}

static lt_status tell(void *self, const struct lt_arch *a, const struct lt_scores *sc, int n, struct lt_err *e) {
    struct bisection *s = self;
    const struct lt_objective *o = &s->x.env->goal->objective[0];

    (void)a;
    (void)e;
    for (int i = 0; i < n; i++) {
        double v = o->maximize ? sc[i].v[o->score] : -sc[i].v[o->score];

        s->quality[s->n_told++] = sc[i].status == LT_OK && sc[i].have[o->score] && isfinite(v) ? v : -INFINITY;
    }
    return LT_OK;
}

static int budget(const void *self) {
    const struct bisection *s = self;
    double most = 2;

    for (int g = 0; g < lt_space_n_genes(s->x.env->space); g++)
        most += 2 * lt_space_gene(s->x.env->space, g)->n_choices;
    most = (most + (double)s->cfg->candidates) * (double)s->cfg->rounds;
    return (int)(most < (double)s->cfg->samples ? most : (double)s->cfg->samples);
}

const struct lt_searcher_ops lt_searcher_bisection = {
    .name = "bisection",
    .source = "FastNAS, NVIDIA Model Optimizer",
    .about = "what each choice costs, measured alone; then the least loss that fits",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .open = open_bisection,
    .close = close_bisection,
    .ask = ask,
    .tell = tell,
    .budget = budget,
};
