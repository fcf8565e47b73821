/* Room: run. summary.json: what the search found; see stages.h. */
#include "run/stages.h"

#include <math.h>
#include <string.h>

static void put_axis(struct lt_jw *w, const char *key, const struct lt_goal *g, int i, bool swept) {
    lt_jw_key(w, key);
    if (i >= g->n_objectives) {
        lt_jw_null(w);
        return;
    }
    const struct lt_objective *o = &g->objective[i];
    lt_jw_obj(w);
    lt_jw_kstr(w, "score", lt_score_name(g->names, o->score));
    lt_jw_kstr(w, "unit", lt_score_unit(g->names, o->score));
    lt_jw_kbool(w, "maximize", o->maximize);
    lt_jw_knum(w, "limit_max", swept ? NAN : lt_goal_max(g, o->score));
    lt_jw_obj_end(w);
}

static const struct lt_candidate *find(const struct lt_candidate *c, int n, const char *text) {
    for (int i = 0; text && i < n; i++)
        if (!strcmp(c[i].text, text)) return &c[i];
    return NULL;
}

static void put_answers(struct lt_jw *w, const struct lt_run *r, const struct lt_candidate *c, int n) {
    const struct lt_json *list = lt_json_list(lt_store_find(r->store, "search", NULL), "answers");
    lt_jw_key(w, "answers");
    lt_jw_arr(w);
    for (int i = 0; list && i < list->n; i++) {
        const char *best = lt_json_text(list->child[i], "best");
        const struct lt_candidate *a = find(c, n, best);
        lt_jw_obj(w);
        lt_jw_kstr(w, "goal", lt_json_text(list->child[i], "goal"));
        lt_jw_kstr(w, "arch", best);
        lt_jw_key(w, "scores");
        if (a)
            lt_scores_write(w, r->goal.names, &a->scores);
        else
            lt_jw_null(w);
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
}

static void put_baselines(struct lt_jw *w, const struct lt_run *r) {
    static const char *const keys[] = {"searcher", "baseline",      "score",          "evaluations",   "repeats",
                                       "text",     "exceeds_noise", "curve_searcher", "curve_baseline"};
    lt_jw_key(w, "baselines");
    lt_jw_arr(w);
    for (int i = 0; i < lt_store_count(r->store); i++) {
        const struct lt_json *rec = lt_store_at(r->store, i);
        const char *type = lt_json_text(rec, "type");
        if (!type || strcmp(type, "baseline") != 0) continue;
        lt_jw_obj(w);
        lt_jw_kstr(w, "goal", lt_json_text(rec, "key"));
        for (int k = 0; k < (int)(sizeof(keys) / sizeof(*keys)); k++) {
            lt_jw_key(w, keys[k]);
            lt_json_copy(w, lt_json_get(rec, keys[k]));
        }
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
}

void lt_summary_search(struct lt_jw *w, const struct lt_run *r, const struct lt_candidate *c, int n) {
    struct lt_goal shown;
    int failed = 0;
    lt_front_goal(r, &r->goal, &shown);
    lt_jw_key(w, "axes");
    lt_jw_obj(w);
    put_axis(w, "y", &shown, 0, false);
    put_axis(w, "x", &shown, 1, r->x->sweep.n > 0);
    lt_jw_obj_end(w);
    for (int i = 0; i < n; i++) failed += c[i].scores.status != LT_OK;
    lt_jw_kint(w, "failed", failed);
    put_answers(w, r, c, n);
    put_baselines(w, r);
}
