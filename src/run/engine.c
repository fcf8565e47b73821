/* Room: run. The search loop; see engine.h. */
#include "run/engine.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "run/late.h"
#include "run/stages.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const double sync_s = 0.2, progress_s = 0.1;

struct item {
    int64_t ask;
    struct lt_arch arch;
    struct lt_scores cheap;
};
struct result {
    struct lt_scores scores;
    double eval_s;
    bool abandoned;
    char why[LT_WHY_BYTES];
};

/* A candidate between ask and tell. */
struct slot {
    struct lt_arch arch;
    char *text;
    enum { ASKED, FLYING, DONE, REPEATED } state; /* REPEATED: as one before it, which answers when it is told */
    bool known;                                   /* the journal has it */
    int rank;
    struct result r;
};

struct engine {
    const struct lt_engine_job *j;
    int window, asked, told, handed; /* candidates told <= handed <= asked, window apart at most */
    bool waiting, finished;          /* the searcher needs results first; has no more */
    struct slot *slot;               /* [window] candidate k is slot[k % window] */
    struct lt_arch *batch;           /* [window] */
    struct lt_late *late;
    struct lt_buf buf;
    int recorded, budget; /* records of our type; evaluations the searcher speaks of */
    double best, shown_s;
    struct lt_engine_result out;
};

static struct slot *at(struct engine *g, int k) { return &g->slot[k % g->window]; }

static void read_eval(const struct lt_engine_job *j, const struct lt_json *rec, struct lt_scores *out) {
    const char *status;
    *out = (struct lt_scores){0};
    lt_scores_read(lt_json_get(rec, "scores"), j->goal->names, out);
    if (!lt_json_str(rec, "status", &status, NULL) && strcmp(status, lt_status_name(LT_OK))) out->status = LT_EFAIL;
}

static bool answer(const struct lt_engine_job *j, const char *text, struct lt_scores *out) {
    const struct lt_json *rec = lt_store_find(j->store, "eval", text);
    if (!rec && strcmp(j->type, "eval") != 0) rec = lt_store_find(j->store, j->type, text);
    if (rec) read_eval(j, rec, out);
    return rec != NULL;
}

/* A score that the goal names is missing: it was not asked for when this was evaluated. */
static bool lacks_score(const struct lt_goal *g, const struct lt_scores *s) {
    bool all = true;
    for (int i = 0; i < g->n_objectives; i++) all = all && s->have[g->objective[i].score];
    for (int i = 0; i < g->n_constraints; i++) all = all && s->have[g->constraint[i].score];
    return !s->status && !all;
}

/* Evaluated before, by a search of another type or an earlier run: recorded once more, under our type. */
static bool copied(const struct lt_engine_job *j, const char *text, struct result *out) {
    static const char *const types[] = {"base", "known"};
    for (int i = 0; i < 2; i++) {
        const struct lt_json *rec = lt_store_find(j->store, types[i], text);
        if (!rec) continue;
        const char *why = lt_json_text(rec, "why");
        read_eval(j, rec, &out->scores);
        if (lacks_score(j->goal, &out->scores)) {
            out->scores = (struct lt_scores){0};
            continue;
        }
        snprintf(out->why, sizeof(out->why), "%s", why ? why : "");
        out->eval_s = lt_json_num_or(lt_json_get(rec, "meta"), "eval_s", 0);
        return true;
    }
    return false;
}

/* A new candidate: answered by the journal, a repetition, or to be evaluated. */
static lt_status take_in(struct engine *g, const struct lt_arch *a, struct lt_err *e) {
    struct slot *s = at(g, g->asked);
    lt_free(s->text);
    *s = (struct slot){.arch = *a, .text = lt_run_arch_text(g->j->space, a), .state = ASKED};
    if (!s->text) return lt_fail(e, LT_ENOMEM, "candidate");
    if (answer(g->j, s->text, &s->r.scores)) {
        s->state = DONE;
        s->known = true;
    }
    for (int k = g->told; k < g->asked && s->state == ASKED; k++)
        if (!at(g, k)->known && lt_arch_equal(&at(g, k)->arch, a)) s->state = REPEATED;
    g->asked++;
    if (s->state != ASKED) return LT_OK;
    if (copied(g->j, s->text, &s->r) || lt_late_find(g->late, s->text, &s->r.scores, &s->r.eval_s, s->r.why)) {
        s->state = DONE;
        return LT_OK;
    }
    return g->j->cheap ? g->j->cheap(g->j->arg, a, 1, &s->r.scores, e) : LT_OK;
}

/* Asks for as many as the window has room for. */
static lt_status fill(struct engine *g, struct lt_err *e) {
    while (!g->finished && !g->waiting && g->asked - g->told < g->window) {
        int n = 0;
        lt_status s = lt_searcher_ask(g->j->searcher, g->window - (g->asked - g->told), g->batch, &n, e);
        for (int i = 0; i < n && !s; i++) s = take_in(g, &g->batch[i], e);
        if (s) return s;
        if (n) continue;
        if (g->asked == g->told)
            g->finished = true;
        else
            g->waiting = true;
    }
    return LT_OK;
}

static lt_status record(struct engine *g, const struct slot *s, struct lt_err *e) {
    const struct lt_engine_job *j = g->j;
    struct lt_jw w;
    lt_record_begin(&w, &g->buf, j->type, s->text);
    lt_jw_kint(&w, "ask", g->recorded++);
    lt_jw_kstr(&w, "arch", s->text);
    lt_jw_kstr(&w, "status", lt_status_name(s->r.scores.status));
    if (s->r.why[0]) lt_jw_kstr(&w, "why", s->r.why);
    lt_jw_key(&w, "scores");
    lt_scores_write(&w, j->goal->names, &s->r.scores);
    lt_jw_key(&w, "meta");
    lt_jw_obj(&w);
    lt_jw_knum(&w, "eval_s", s->r.eval_s);
    lt_jw_kint(&w, "rank", s->rank);
    lt_jw_obj_end(&w);
    lt_record_end(&w);
    lt_status st = lt_store_add(j->store, &g->buf, e);
    if (!st) st = lt_store_append(j->store, e);
    return st ? st : lt_store_sync(j->store, sync_s, e);
}

static void show(struct engine *g, bool last) {
    const struct lt_goal *goal = g->j->goal;
    double now = lt_now_s();
    char note[120] = "";
    if (!last && now - g->shown_s < progress_s) return;
    g->shown_s = now;
    if (isfinite(g->best)) {
        int score = goal->objective[0].score;
        bool share = !strcmp(lt_score_unit(goal->names, score), "fraction");
        snprintf(note, sizeof(note), "best %s %.*f%s", lt_score_name(goal->names, score), share ? 2 : 4,
                 share ? 100 * g->best : g->best, share ? " %" : "");
    }
    lt_ui_progress(g->j->ui, g->j->what, g->told, last ? g->told : g->budget > g->told ? g->budget : g->told + 1, note);
}

static void note_result(struct engine *g, const struct slot *s) {
    const struct lt_objective *o = &g->j->goal->objective[0];
    const struct lt_scores *sc = &s->r.scores;
    if (sc->status) {
        if (!g->out.failed++)
            lt_ui_say(g->j->ui, LT_UI_WARN,
                      "%s: the evaluation failed%s%s; it is recorded as failed, the search goes on", s->text,
                      s->r.why[0] ? ": " : "", s->r.why);
    } else if (sc->have[o->score] && lt_goal_violation(g->j->goal, sc, NULL) == 0) {
        double v = sc->v[o->score];
        if (isnan(g->best) || (o->maximize ? v > g->best : v < g->best)) g->best = v;
    }
    g->out.replayed += s->known;
    if (g->j->told) g->j->told(g->j->listener, s->text, sc);
}

/* Tells what is there in ask order, one at a time, asking again after each as the window says. */
static lt_status pump(struct engine *g, struct lt_err *e) {
    lt_status st = fill(g, e);
    while (!st && g->told < g->asked) {
        struct slot *s = at(g, g->told);
        if (s->state == REPEATED) {
            LT_CHECK(answer(g->j, s->text, &s->r.scores));
            s->known = true;
        } else if (s->state != DONE) {
            break;
        }
        if (!s->known && (st = record(g, s, e))) break;
        if ((st = lt_searcher_tell(g->j->searcher, &s->arch, &s->r.scores, 1, e))) break;
        note_result(g, s);
        g->told++;
        if (g->handed < g->told) g->handed = g->told;
        g->waiting = false;
        show(g, false);
        st = fill(g, e);
    }
    return st;
}

static lt_status next(void *arg, void *bytes, bool *have, struct lt_err *e) {
    struct engine *g = arg;
    for (;;) {
        while (g->handed < g->asked && at(g, g->handed)->state != ASKED) g->handed++;
        if (g->handed < g->asked) break;
        int told = g->told, asked = g->asked;
        lt_status st = pump(g, e);
        if (st) return st;
        if (g->told == told && g->asked == asked) return LT_OK;
    }
    struct slot *s = at(g, g->handed);
    struct item it = {.ask = g->handed, .arch = s->arch, .cheap = s->r.scores};
    s->state = FLYING;
    g->handed++;
    memcpy(bytes, &it, sizeof(it));
    *have = true;
    return LT_OK;
}

static lt_status work(void *arg, const void *bytes, void *out, struct lt_err *e) {
    const struct engine *g = arg;
    struct item it;
    struct result r = {0};
    memcpy(&it, bytes, sizeof(it));
    r.scores = it.cheap;
    double t = lt_now_s();
    lt_status s = it.cheap.status ? LT_OK : g->j->evaluate(g->j->arg, &it.arch, &r.scores, r.why, &r.abandoned, e);
    r.eval_s = lt_now_s() - t;
    memcpy(out, &r, sizeof(r));
    return s;
}

static lt_status done(void *arg, const void *bytes, const void *out, int rank, struct lt_err *e) {
    struct engine *g = arg;
    struct item it;
    memcpy(&it, bytes, sizeof(it));
    struct slot *s = at(g, (int)it.ask);
    memcpy(&s->r, out, sizeof(s->r));
    s->rank = rank;
    s->state = s->r.abandoned ? FLYING : DONE; /* abandoned: the search stops, and it is asked again another time */
    if (s->state == DONE && it.ask > g->told) {
        lt_status st = lt_late_keep(g->late, s->text, &s->r.scores, s->r.eval_s, s->r.why, e);
        if (st) return st;
    }
    return pump(g, e);
}

static bool stop(void *arg) { return lt_ui_stop(((struct engine *)arg)->j->ui); }

static int count_records(const struct lt_store *st, const char *wanted) {
    int n = 0;
    const char *type;
    for (int i = 0; i < lt_store_count(st); i++)
        if (!lt_json_str(lt_store_at(st, i), "type", &type, NULL) && !strcmp(type, wanted)) n++;
    return n;
}

static lt_status start(struct engine *g, const struct lt_engine_job *j, struct lt_err *e) {
    *g = (struct engine){.j = j, .best = NAN, .buf = LT_BUF_INIT};
    if (j->comm->rank) return LT_OK;
    g->window = lt_searcher_ahead(j->searcher);
    g->budget = lt_searcher_budget(j->searcher);
    g->recorded = count_records(j->store, j->type);
    g->slot = lt_calloc((size_t)g->window, sizeof(*g->slot));
    g->batch = lt_calloc((size_t)g->window, sizeof(*g->batch));
    if (!g->slot || !g->batch) return lt_fail(e, LT_ENOMEM, "search with a window of %d", g->window);
    return lt_late_open(j->store, j->goal->names, &g->late, e);
}

static void release(struct engine *g) {
    for (int i = 0; i < g->window && g->slot; i++) lt_free(g->slot[i].text);
    lt_free(g->slot);
    lt_free(g->batch);
    lt_late_close(g->late);
    lt_buf_release(&g->buf);
}

static double cpu_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

lt_status lt_engine_run(const struct lt_engine_job *j, struct lt_engine_result *out, struct lt_err *e) {
    struct engine g;
    bool stopped = false;
    struct lt_farm farm = {.arg = &g,
                           .item_bytes = sizeof(struct item),
                           .result_bytes = sizeof(struct result),
                           .local = j->local,
                           .next = next,
                           .work = work,
                           .done = done,
                           .stop = stop};
    lt_status s = lt_comm_agree(j->comm, start(&g, j, e), e);
    double cpu = cpu_s();
    if (s) goto out;
    s = lt_comm_farm(j->comm, &farm, &stopped, e);
    g.out.master_s = cpu_s() - cpu;
    if (s) {
        if (j->comm->rank == 0) lt_store_sync(j->store, 0, NULL);
        goto out;
    }
    if ((s = lt_store_commit(j->store, LT_OK, e))) goto out;
    if (stopped) {
        s = lt_fail(e, LT_EINTR, "stopped during the search; the same command continues it");
        goto out;
    }
    g.out.told = g.told;
    if ((s = lt_comm_bcast(j->comm, &g.out, sizeof(g.out), 0, e))) goto out;
    if (j->comm->rank == 0) {
        show(&g, true);
        lt_late_remove(g.late);
    }
    if (g.out.replayed)
        lt_ui_say(j->ui, LT_UI_DEBUG, "%d of %d evaluations came from the journal", g.out.replayed, g.out.told);
    *out = g.out;
out:
    release(&g);
    return s;
}
