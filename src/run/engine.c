/* Room: run. The search loop; see engine.h. */
#include "run/engine.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "run/stages.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct outcome {
    struct lt_scores scores;
    double eval_s;
    int rank;
    bool done;
};

struct batch {
    const struct lt_engine_job *job;
    int n, n_new;             /* asked, and of these not in the journal */
    struct lt_arch *arch;     /* [batch] */
    char **text;              /* [batch] */
    struct lt_scores *scores; /* [batch] */
    int *fresh;               /* [n_new] places in arch */
    struct outcome *outcome;  /* [n_new] */
};

static lt_status evaluate_item(void *arg, int64_t i, void *out, struct lt_err *e) {
    struct batch *b = arg;
    struct outcome o = {.rank = b->job->comm->rank};
    lt_status s = LT_OK;
    /* asked to stop: leave the item undone rather than fail, so that what others finished is kept */
    if (!lt_ui_stop(b->job->ui)) {
        double t = lt_now_s();
        s = b->job->evaluate(b->job->arg, &b->arch[b->fresh[i]], &o.scores, e);
        o.eval_s = lt_now_s() - t;
        o.done = !s;
    }
    memcpy(out, &o, sizeof(o));
    return s;
}

static void write_record(struct lt_jw *w, struct lt_buf *buf, const struct batch *b, int place, int ask,
                         const struct outcome *o) {
    lt_record_begin(w, buf, "eval", b->text[place]);
    lt_jw_kint(w, "ask", ask);
    lt_jw_kstr(w, "arch", b->text[place]);
    lt_jw_kstr(w, "status", lt_status_name(o->scores.status));
    lt_jw_key(w, "scores");
    lt_scores_write(w, &o->scores);
    lt_jw_key(w, "meta");
    lt_jw_obj(w);
    lt_jw_knum(w, "eval_s", o->eval_s);
    lt_jw_kint(w, "rank", o->rank);
    lt_jw_obj_end(w);
    lt_record_end(w);
}

/* What the journal knows about an arch. */
static bool answer(const struct lt_engine_job *j, const char *text, struct lt_scores *out) {
    const struct lt_json *rec = lt_store_find(j->store, "eval", text);
    const char *status;
    if (!rec) return false;
    *out = (struct lt_scores){0};
    lt_scores_read(lt_json_get(rec, "scores"), out);
    if (!lt_json_str(rec, "status", &status, NULL) && strcmp(status, lt_status_name(LT_OK))) out->status = LT_EFAIL;
    return true;
}

/* Fills texts and known scores; lists the rest in fresh, each arch once. */
static lt_status look_up(struct batch *b, struct lt_err *e) {
    b->n_new = 0;
    for (int i = 0; i < b->n; i++) {
        lt_free(b->text[i]);
        if (!(b->text[i] = lt_run_arch_text(b->job->space, &b->arch[i]))) return lt_fail(e, LT_ENOMEM, "candidate");
        if (answer(b->job, b->text[i], &b->scores[i])) continue;
        bool twice = false;
        for (int k = 0; k < b->n_new && !twice; k++) twice = !strcmp(b->text[b->fresh[k]], b->text[i]);
        if (!twice) b->fresh[b->n_new++] = i;
    }
    return LT_OK;
}

/* Evaluates what is fresh and records it in ask order, up to the first that was left undone. */
static lt_status evaluate(struct batch *b, int *n_recorded, struct lt_buf *buf, struct lt_err *e) {
    const struct lt_engine_job *j = b->job;
    struct lt_jw w;
    lt_status s = lt_comm_map(j->comm, b->n_new, b->outcome, sizeof(b->outcome[0]), evaluate_item, b, e);
    bool cut = false;
    if (s) return s;
    for (int k = 0; k < b->n_new && !cut && !s; k++) {
        cut = !b->outcome[k].done;
        if (cut || j->comm->rank) continue;
        write_record(&w, buf, b, b->fresh[k], *n_recorded + k, &b->outcome[k]);
        s = lt_store_add(j->store, buf, e);
    }
    if ((s = lt_store_commit(j->store, s, e))) return s;
    *n_recorded += b->n_new;
    return cut ? lt_fail(e, LT_EINTR, "stopped during the search; the same command continues it") : LT_OK;
}

static int count_evals(const struct lt_store *st) {
    int n = 0;
    const char *type;
    for (int i = 0; i < lt_store_count(st); i++)
        if (!lt_json_str(lt_store_at(st, i), "type", &type, NULL) && !strcmp(type, "eval")) n++;
    return n;
}

lt_status lt_engine_run(const struct lt_engine_job *j, int *asked, struct lt_err *e) {
    const int cap = j->batch > 0 ? j->batch : 32;
    int budget = lt_searcher_budget(j->searcher), told = 0, recorded = count_evals(j->store), replayed = 0;
    double best = -INFINITY;
    struct lt_buf buf = LT_BUF_INIT;
    struct batch b = {.job = j};
    lt_status s = LT_OK;
    b.arch = lt_calloc((size_t)cap, sizeof(*b.arch));
    b.text = lt_calloc((size_t)cap, sizeof(*b.text));
    b.scores = lt_calloc((size_t)cap, sizeof(*b.scores));
    b.fresh = lt_calloc((size_t)cap, sizeof(*b.fresh));
    b.outcome = lt_calloc((size_t)cap, sizeof(*b.outcome));
    if (!b.arch || !b.text || !b.scores || !b.fresh || !b.outcome) s = lt_fail(e, LT_ENOMEM, "search");
    if ((s = lt_comm_agree(j->comm, s, e))) goto out;
    for (;;) {
        b.n = 0;
        s = lt_searcher_ask(j->searcher, cap, b.arch, &b.n, e);
        if ((s = lt_comm_agree(j->comm, s, e)) || b.n == 0) goto out;
        if ((s = lt_comm_agree(j->comm, look_up(&b, e), e))) goto out;
        replayed += b.n - b.n_new;
        if (b.n_new && (s = evaluate(&b, &recorded, &buf, e))) goto out;
        for (int i = 0; i < b.n; i++) {
            LT_CHECK(answer(j, b.text[i], &b.scores[i]));
            if (b.scores[i].have[LT_SCORE_ACCURACY]) best = fmax(best, b.scores[i].v[LT_SCORE_ACCURACY]);
        }
        s = lt_searcher_tell(j->searcher, b.arch, b.scores, b.n, e);
        if ((s = lt_comm_agree(j->comm, s, e))) goto out;
        told += b.n;
        char note[64];
        snprintf(note, sizeof(note), "best accuracy %.2f %%%s", 100 * best, b.n_new ? "" : ", from the journal");
        lt_ui_progress(j->ui, "search", told, budget > told ? budget : told + 1, note);
    }
out:
    if (!s) {
        *asked = told;
        char note[64] = "";
        if (isfinite(best)) snprintf(note, sizeof(note), "best accuracy %.2f %%", 100 * best);
        lt_ui_progress(j->ui, "search", told, told, note);
        if (replayed) lt_ui_say(j->ui, LT_UI_DEBUG, "%d of %d evaluations came from the journal", replayed, told);
    }
    for (int i = 0; i < cap && b.text; i++) lt_free(b.text[i]);
    lt_free(b.arch);
    lt_free(b.text);
    lt_free(b.scores);
    lt_free(b.fresh);
    lt_free(b.outcome);
    lt_buf_release(&buf);
    return s;
}
