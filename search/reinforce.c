/*
 * Searcher "reinforce": a policy of one independent distribution a choice, moved by policy gradient (Williams, "Simple
 * statistical gradient-following algorithms for connectionist reinforcement learning", Machine Learning 8, 1992), with
 * one of two rewards: MnasNet's quality * (score / target)^w (Tan et al., CVPR 2019) or TuNAS' absolute one, quality +
 * beta * |score / target - 1| (Bender et al., CVPR 2020). The quality is the first objective; score and target are
 * those of the first constraint with an upper limit; without one the reward is the quality. Limits stay hard: a draw
 * that misses them is not asked but repaired, and teaches the policy with the mean quality seen so far; a draw that has
 * been evaluated before teaches it again without another evaluation.
 */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "search/explore.h"

#define GIVE_UP 200 /* draws in a row that were all asked before: the policy has converged */
#define FLOOR 0.01  /* least probability of a choice, shared among all choices of a gene */

enum { REWARD_MNASNET, REWARD_ABSOLUTE };
struct config {
    int64_t samples, tries;
    int reward;
    double exponent, beta, rate, memory;
};
static const struct lt_opt opts[] = {
    {.key = "samples",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "1000",
     .min = 1,
     .max = 10000000,
     .offset = offsetof(struct config, samples),
     .help = "architectures to evaluate"},
    {.key = "reward",
     .type = LT_OPT_ENUM,
     .unit = "",
     .dflt = "absolute",
     .offset = offsetof(struct config, reward),
     .choices = "mnasnet|absolute",
     .help = "quality * (score / target)^exponent, or quality + beta * |score / target - 1|"},
    {.key = "exponent",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "-0.07",
     .min = -100,
     .max = 0,
     .offset = offsetof(struct config, exponent),
     .help = "of the mnasnet reward"},
    {.key = "beta",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "-0.07",
     .min = -100,
     .max = 0,
     .offset = offsetof(struct config, beta),
     .help = "of the absolute reward, in units of the quality"},
    {.key = "rate",
     .type = LT_OPT_DOUBLE,
     .unit = "",
     .dflt = "0.05",
     .min = 0,
     .max = 10,
     .offset = offsetof(struct config, rate),
     .help = "step of a choice's logit for a result one standard deviation above the mean"},
    {.key = "memory",
     .type = LT_OPT_DOUBLE,
     .unit = "fraction",
     .dflt = "0.95",
     .min = 0,
     .max = 0.9999,
     .offset = offsetof(struct config, memory),
     .help = "of the running mean and spread of rewards"},
    {.key = "tries",
     .type = LT_OPT_INT,
     .unit = "",
     .dflt = "5",
     .min = 1,
     .max = 100000,
     .offset = offsetof(struct config, tries),
     .help = "draws before one is repaired"},
    {.key = NULL},
};

struct result {
    struct lt_arch a;
    uint64_t key;
    double reward; /* NAN: missing or failed */
};

struct reinforce {
    const struct config *cfg;
    struct lt_explorer x;
    int n_genes, n_logits, offset[LT_MAX_GENES];
    double *logit, *p; /* [n_logits] */
    struct result *result;
    int asked, told, cap;
    double mean, spread; /* of rewards; running */
    double quality;      /* running mean */
    int n_learned;
    int64_t item;
    bool exhausted;
};

static void close_reinforce(void *self) {
    struct reinforce *s = self;

    lt_explorer_release(&s->x);
    lt_free(s->logit);
    lt_free(s->p);
    lt_free(s->result);
    lt_free(s);
}

static lt_status open_reinforce(const struct lt_search_env *env, const void *cfg, void **self, struct lt_err *e) {
    struct reinforce *s = lt_calloc(1, sizeof(*s));
    lt_status st;

    if (!s) return lt_fail(e, LT_ENOMEM, "searcher 'reinforce': out of memory");
    s->cfg = cfg;
    s->n_genes = lt_space_n_genes(env->space);
    for (int g = 0; g < s->n_genes; g++) {
        s->offset[g] = s->n_logits;
        s->n_logits += lt_space_gene(env->space, g)->n_choices;
    }
    s->logit = lt_calloc((size_t)s->n_logits + 1, sizeof(*s->logit));
    s->p = lt_calloc((size_t)s->n_logits + 1, sizeof(*s->p));
    if (!s->logit || !s->p) {
        st = lt_fail(e, LT_ENOMEM, "searcher 'reinforce': out of memory");
        goto out;
    }
    if ((st = lt_explorer_init(&s->x, env, e))) goto out;
    *self = s;
    s = NULL;
out:
    if (s) close_reinforce(s);
    return st;
}

static void probabilities(struct reinforce *s, int gene) {
    int k = lt_space_gene(s->x.env->space, gene)->n_choices;
    double *l = s->logit + s->offset[gene], *p = s->p + s->offset[gene], most = -INFINITY, sum = 0;

    for (int c = 0; c < k; c++) most = fmax(most, l[c]);
    for (int c = 0; c < k; c++) sum += p[c] = exp(l[c] - most);
    for (int c = 0; c < k; c++) p[c] = (1 - FLOOR) * p[c] / sum + FLOOR / k;
}

static void draw(void *arg, struct lt_rng *r, struct lt_arch *out) {
    struct reinforce *s = arg;
    const struct lt_space *space = s->x.env->space;

    lt_space_smallest(space, out);
    for (int g = 0; g < s->n_genes; g++) {
        int k = lt_space_gene(space, g)->n_choices, c = 0;
        double u = lt_rng_u01(r);

        probabilities(s, g);
        for (; c + 1 < k && u >= s->p[s->offset[g] + c]; c++) u -= s->p[s->offset[g] + c];
        out->g[g] = (uint8_t)c;
    }
    lt_space_canonical(space, out);
}

/* NAN when the quality is unknown. */
static double reward_of(const struct reinforce *s, double quality, const struct lt_scores *sc) {
    const struct lt_goal *goal = s->x.env->goal;

    for (int i = 0; i < goal->n_constraints; i++) {
        const struct lt_constraint *c = &goal->constraint[i];
        double ratio;

        if (!isfinite(c->max) || !(c->max > 0) || !sc->have[c->score] || !isfinite(sc->v[c->score])) continue;
        ratio = fmax(sc->v[c->score] / c->max, 1e-6);
        if (s->cfg->reward == REWARD_MNASNET) return quality > 0 ? quality * pow(ratio, s->cfg->exponent) : quality;
        return quality + s->cfg->beta * fabs(ratio - 1);
    }
    return quality;
}

/* One step along the gradient of log p(a), by how much better than usual the reward is. */
static void learn(struct reinforce *s, const struct lt_arch *a, double reward, bool known) {
    const struct lt_space *space = s->x.env->space;
    double memory = fmin(s->cfg->memory, 1 - 1.0 / (s->n_learned + 1)), advantage;

    if (!isfinite(reward)) return;
    advantage = s->n_learned > 1 ? (reward - s->mean) / fmax(sqrt(s->spread), 1e-9) : 0; /* two give a spread */
    advantage = fmax(-3, fmin(3, advantage));
    if (known) { /* what a repaired draw would have been worth is a guess: it does not move the yardstick */
        if (s->n_learned) s->spread = memory * s->spread + (1 - memory) * (reward - s->mean) * (reward - s->mean);
        s->mean = memory * s->mean + (1 - memory) * reward;
        s->n_learned++;
    }
    for (int g = 0; g < s->n_genes; g++) {
        int k = lt_space_gene(space, g)->n_choices;
        double *l = s->logit + s->offset[g];

        if (!lt_space_gene_active(space, a, g)) continue;
        probabilities(s, g);
        for (int c = 0; c < k; c++) l[c] += s->cfg->rate * advantage * ((c == a->g[g]) - s->p[s->offset[g] + c]);
    }
}

static const struct result *find(const struct reinforce *s, uint64_t key) {
    for (int i = s->told - 1; i >= 0; i--) {
        if (s->result[i].key == key) return &s->result[i];
    }
    return NULL;
}

static lt_status reserve(struct reinforce *s, struct lt_err *e) {
    int cap = s->cap ? 2 * s->cap : 64;
    struct result *r;

    if (s->asked < s->cap) return LT_OK;
    if (!(r = lt_realloc(s->result, (size_t)cap * sizeof(*r))))
        return lt_fail(e, LT_ENOMEM, "searcher 'reinforce': out of memory for %d results", cap);
    s->result = r;
    s->cap = cap;
    return LT_OK;
}

/* Draws from the policy until one is new and feasible; *ok = false after `tries` that are not. What was drawn in vain
 * teaches, too. */
static lt_status draw_new(struct reinforce *s, struct lt_rng *r, struct lt_arch *out, bool *ok, struct lt_err *e) {
    const struct lt_search_env *env = s->x.env;
    struct lt_scores sc;
    lt_status st;

    *ok = false;
    for (int64_t t = 0; t < s->cfg->tries && !*ok; t++) {
        draw(s, r, out);
        if (lt_explorer_seen(&s->x, out)) {
            uint64_t h = lt_arch_hash(env->space, out);
            const struct result *old = find(s, h ? h : 1);

            if (old) learn(s, out, old->reward, true);
            continue;
        }
        memset(&sc, 0, sizeof(sc));
        if ((st = env->probe->cheap(env->probe->arg, out, 1, &sc, e))) return st;
        if (!sc.status && lt_goal_violation(env->goal, &sc, NULL) == 0) return lt_explorer_take(&s->x, out, ok, e);
        if (s->n_learned && !sc.status) learn(s, out, reward_of(s, s->quality, &sc), false);
    }
    return LT_OK;
}

static lt_status ask(void *self, int n, struct lt_arch *out, int *n_out, struct lt_err *e) {
    struct reinforce *s = self;
    struct lt_rng r;
    int misses = 0, got = 0;
    bool ok;
    lt_status st;

    if ((st = lt_explorer_start(&s->x, e))) return st;
    while (got < n && s->asked < s->cfg->samples && !s->exhausted) {
        if ((st = reserve(s, e))) return st;
        lt_rng_at(&r, s->x.env->seed, LT_RNG_SEARCH, 0, (uint64_t)s->item++);
        if ((st = draw_new(s, &r, &out[got], &ok, e))) return st;
        if (!ok && (st = lt_explorer_new(&s->x, &r, 1, draw, s, &out[got], &ok, e))) return st;
        if (!ok) {
            s->exhausted = s->x.scanned || ++misses == GIVE_UP;
            continue;
        }
        s->result[s->asked++] = (struct result){.a = out[got], .key = s->x.key, .reward = NAN};
        got++;
        misses = 0;
    }
    *n_out = got;
    return LT_OK;
}

static lt_status tell(void *self, const struct lt_arch *a, const struct lt_scores *sc, int n, struct lt_err *e) {
    struct reinforce *s = self;
    const struct lt_objective *o = &s->x.env->goal->objective[0];

    (void)a;
    (void)e;
    for (int i = 0; i < n; i++) {
        struct result *x = &s->result[s->told++];
        double quality = o->maximize ? sc[i].v[o->score] : -sc[i].v[o->score];

        if (sc[i].status || !sc[i].have[o->score] || !isfinite(quality)) continue;
        s->quality += (quality - s->quality) / (s->n_learned + 1 < 20 ? s->n_learned + 1 : 20);
        x->reward = reward_of(s, quality, &sc[i]);
        learn(s, &x->a, x->reward, true);
    }
    return LT_OK;
}

static int budget(const void *self) { return (int)((const struct reinforce *)self)->cfg->samples; }

const struct lt_searcher_ops lt_searcher_reinforce = {
    .name = "reinforce",
    .source = "Tan et al., CVPR 2019; Bender et al., CVPR 2020",
    .about = "policy gradient with MnasNet's or TuNAS' reward; asks ahead",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .ahead = 16,
    .open = open_reinforce,
    .close = close_reinforce,
    .ask = ask,
    .tell = tell,
    .budget = budget,
};
