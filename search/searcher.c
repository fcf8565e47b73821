/*
 * Searchers: the registry, opening by name, and the bookkeeping that plug-ins may rely on: what is told is what was
 * asked, in that order.
 */
#include <string.h>
#include "lathe/mem.h"
#include "lathe/searcher.h"

#define LT_SEARCHER(name) extern const struct lt_searcher_ops lt_searcher_##name;
#include "search/searchers.def"
#undef LT_SEARCHER

static const struct lt_searcher_ops *const searchers[] = {
#define LT_SEARCHER(name) &lt_searcher_##name,
#include "search/searchers.def"
#undef LT_SEARCHER
};

#define N_SEARCHERS ((int)(sizeof(searchers) / sizeof(*searchers)))

struct lt_searcher {
    const struct lt_searcher_ops *ops;
    struct lt_search_env env;
    void *cfg, *self;
    struct lt_arch *pending; /* [first, first + n_pending): asked and not told yet, oldest first */
    int first, n_pending, cap_pending, ahead;
};

int lt_searcher_count(void) { return N_SEARCHERS; }
const struct lt_searcher_ops *lt_searcher_at(int i) { return searchers[i]; }

static lt_status find(const struct lt_yaml *cfg, const struct lt_searcher_ops **out, struct lt_err *e) {
    const char *names[N_SEARCHERS + 1] = {NULL};
    const struct lt_yaml *name = cfg ? lt_yaml_get(cfg, "name") : NULL;
    int i = 0;
    lt_status s = LT_OK;

    for (int k = 0; k < N_SEARCHERS; k++) names[k] = searchers[k]->name;
    if (name && (s = lt_yaml_pick(name, "searcher", names, &i, e))) return s;
    *out = searchers[i];
    return LT_OK;
}

lt_status lt_searcher_open(const struct lt_yaml *cfg, const struct lt_search_env *env, struct lt_searcher **out,
                           struct lt_err *e) {
    static const char *const skip[] = {"name", NULL};
    const struct lt_searcher_ops *ops;
    struct lt_searcher *s = NULL;
    lt_status st;

    if ((st = find(cfg, &ops, e))) return st;
    if (env->goal->n_objectives < 1) return lt_fail(e, LT_EINVAL, "searcher '%s': there is no objective", ops->name);
    if (!(s = lt_calloc(1, sizeof(*s)))) return lt_fail(e, LT_ENOMEM, "searcher '%s': out of memory", ops->name);
    s->ops = ops;
    s->env = *env;
    if (!(s->cfg = lt_calloc(1, ops->cfg_size ? ops->cfg_size : 1))) {
        st = lt_fail(e, LT_ENOMEM, "searcher '%s': out of memory", ops->name);
        goto out;
    }
    s->ahead = env->ahead > 0 ? env->ahead : ops->ahead > 0 ? ops->ahead : LT_AHEAD_DEFAULT;
    if ((st = lt_opts_read(ops->opts, cfg, skip, s->cfg, e)) || (st = ops->open(&s->env, s->cfg, &s->self, e)))
        goto out;
    *out = s;
    s = NULL;
out:
    lt_searcher_close(s);
    return st;
}

void lt_searcher_close(struct lt_searcher *s) {
    if (!s) return;
    if (s->self) s->ops->close(s->self);
    if (s->cfg) lt_opts_release(s->ops->opts, s->cfg);
    lt_free(s->pending);
    lt_free(s->cfg);
    lt_free(s);
}

/* Room for n more. What is pending moves to the front only when at least as many have been told since. */
static lt_status reserve(struct lt_searcher *s, int n, struct lt_err *e) {
    int cap = 2 * (s->n_pending + n);
    struct lt_arch *p;

    if (s->first + s->n_pending + n <= s->cap_pending) return LT_OK;
    if (s->n_pending + n > s->cap_pending / 2) {
        if (!(p = lt_realloc(s->pending, (size_t)cap * sizeof(*p))))
            return lt_fail(e, LT_ENOMEM, "searcher '%s': out of memory", s->ops->name);
        s->pending = p;
        s->cap_pending = cap;
    }
    if (s->n_pending) memmove(s->pending, s->pending + s->first, (size_t)s->n_pending * sizeof(*p));
    s->first = 0;
    return LT_OK;
}

lt_status lt_searcher_ask(struct lt_searcher *s, int n, struct lt_arch *out, int *n_out, struct lt_err *e) {
    int got = 0;
    lt_status st;

    if (n < 1) return lt_fail(e, LT_EINVAL, "searcher '%s': asked for %d architectures", s->ops->name, n);
    if ((st = reserve(s, n, e)) || (st = s->ops->ask(s->self, n, out, &got, e))) return st;
    memcpy(s->pending + s->first + s->n_pending, out, (size_t)got * sizeof(*out));
    s->n_pending += got;
    *n_out = got;
    return LT_OK;
}

lt_status lt_searcher_tell(struct lt_searcher *s, const struct lt_arch *a, const struct lt_scores *sc, int n,
                           struct lt_err *e) {
    lt_status st;

    if (n < 0 || n > s->n_pending)
        return lt_fail(e, LT_EINVAL, "searcher '%s': told %d results, %d are awaited", s->ops->name, n, s->n_pending);
    for (int i = 0; i < n; i++) {
        if (!lt_arch_equal(&a[i], &s->pending[s->first + i]))
            return lt_fail(e, LT_EINVAL, "searcher '%s': result %d is not of the architecture that was asked",
                           s->ops->name, i);
    }
    if ((st = s->ops->tell(s->self, a, sc, n, e))) return st;
    s->n_pending -= n;
    s->first += n;
    return LT_OK;
}

int lt_searcher_ahead(const struct lt_searcher *s) { return s->ahead; }

int lt_searcher_budget(const struct lt_searcher *s) { return s->ops->budget ? s->ops->budget(s->self) : 0; }
