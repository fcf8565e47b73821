/* Room: run. An experiment as numbers (its limits) and as a flat list of keys (its identity); see experiment.h. */
#include "run/experiment.h"
#include "lathe/mem.h"

#include <math.h>
#include <string.h>

static double bound_value(const struct lt_bound *b, int score, const struct lt_scores *largest, double open) {
    if (!b->set) return open;
    if (!b->of_largest) return b->value;
    return largest && largest->have[score] ? b->value * largest->v[score] : open;
}

void lt_experiment_goal(const struct lt_experiment *x, const struct lt_scores *largest, struct lt_goal *out) {
    lt_experiment_goal_at(x, largest, 0, out);
}

void lt_experiment_goal_at(const struct lt_experiment *x, const struct lt_scores *largest, int k, struct lt_goal *out) {
    *out = x->goal;
    out->n_constraints = 0;
    for (int i = 0; i < x->n_limits; i++) {
        struct lt_limit swept = x->limit[i];
        const struct lt_limit *l = &swept;
        if (x->sweep.n && x->sweep.limit == i) *(x->sweep.is_max ? &swept.max : &swept.min) = x->sweep.value[k];
        out->constraint[out->n_constraints++] =
            (struct lt_constraint){.score = l->score,
                                   .min = bound_value(&l->min, l->score, largest, -INFINITY),
                                   .max = bound_value(&l->max, l->score, largest, INFINITY)};
    }
}

void lt_goal_text(const struct lt_goal *g, struct lt_buf *out) {
    bool any = false;
    for (int i = 0; i < g->n_constraints; i++) {
        const struct lt_constraint *c = &g->constraint[i];
        const char *name = lt_score_name(g->names, c->score);
        if (isfinite(c->min)) {
            lt_buf_printf(out, "%s%s >= %.6g", any ? ", " : "", name, c->min);
            any = true;
        }
        if (isfinite(c->max)) {
            lt_buf_printf(out, "%s%s <= %.6g", any ? ", " : "", name, c->max);
            any = true;
        }
    }
    if (!any) lt_buf_puts(out, "no constraints");
}

bool lt_experiment_key_is_free(const char *key) {
    /* what changes how a run is computed but not what comes out; the contents behind the two paths are compared by
     * their hashes */
    static const char *const keys[] = {"supernet.threads", "supernet.checkpoint_s",
                                       "deploy.verify",    "space.file",
                                       "space.name",       "data.dir",
                                       "evaluator.dir",    NULL};
    for (int i = 0; keys[i]; i++)
        if (!strcmp(keys[i], key)) return true;
    return false;
}

void lt_flat_release(struct lt_flat *f) {
    for (int i = 0; i < f->n; i++) {
        lt_free(f->item[i].key);
        lt_free(f->item[i].value);
    }
    lt_free(f->item);
    *f = (struct lt_flat){0};
}

static lt_status flatten(const struct lt_yaml *n, const char *prefix, struct lt_flat *out, struct lt_err *e) {
    if (n->kind == LT_YAML_MAP && n->n) {
        for (int i = 0; i < n->n; i++) {
            char *key = lt_asprintf("%s%s%s", prefix, *prefix ? "." : "", n->child[i]->key);
            lt_status s = key ? flatten(n->child[i], key, out, e) : lt_fail(e, LT_ENOMEM, "experiment");
            lt_free(key);
            if (s) return s;
        }
        return LT_OK;
    }
    struct lt_buf v = LT_BUF_INIT;
    if (n->kind == LT_YAML_SEQ) {
        for (int i = 0; i < n->n; i++)
            lt_buf_printf(&v, "%s%s", i ? ", " : "", n->child[i]->text ? n->child[i]->text : "");
    } else {
        lt_buf_puts(&v, n->text ? n->text : "");
    }
    struct lt_flat_item *item = lt_realloc(out->item, (size_t)(out->n + 1) * sizeof(*item));
    if (item) out->item = item;
    struct lt_flat_item it = {lt_strdup(prefix), lt_buf_take(&v)};
    if (!item || !it.key || !it.value) {
        lt_free(it.key);
        lt_free(it.value);
        return lt_fail(e, LT_ENOMEM, "experiment");
    }
    out->item[out->n++] = it;
    return LT_OK;
}

lt_status lt_experiment_flatten(const struct lt_experiment *x, struct lt_flat *out, struct lt_err *e) {
    struct lt_yaml *root = NULL;
    struct lt_flat f = {0};
    lt_status s = lt_yaml_parse(x->path, x->resolved, strlen(x->resolved), &root, e);
    if (!s) s = flatten(root, "", &f, e);
    lt_yaml_free(root);
    if (s) {
        lt_flat_release(&f);
        return s;
    }
    *out = f;
    return LT_OK;
}
