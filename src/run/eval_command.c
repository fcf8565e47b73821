/*
 * Room: run. Evaluator "command": any program. It gets the architecture string as "$1" and as one line on standard
 * input, and prints one `name value` line a score. It runs in a process group of its own, for a limited time; crashing,
 * printing something else, nothing or far too much, and hanging are failures of that architecture, with the reason, and
 * not of the search. When it is over, however it ended, what is left of its group is killed.
 */
#include "lathe/file.h"
#include "lathe/mem.h"
#include "run/evaluator.h"
#include "run/spawn.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config {
    char *run, *scores;
    double timeout_s;
};
static const struct lt_opt opts[] = {
    {.key = "run",
     .type = LT_OPT_STRING,
     .unit = "",
     .offset = offsetof(struct config, run),
     .help = "shell command; the architecture is \"$1\" and one line on standard input; it prints `name value` lines"},
    {.key = "timeout",
     .type = LT_OPT_DOUBLE,
     .unit = "s",
     .dflt = "3600",
     .min = 0.01,
     .max = 1e7,
     .offset = offsetof(struct config, timeout_s),
     .help = "time for one architecture; then it is killed with its process group, and has failed"},
    {.key = "scores",
     .type = LT_OPT_STRING,
     .unit = "",
     .offset = offsetof(struct config, scores),
     .help =
         "names of further scores to record, comma-separated; those of objectives and constraints are by themselves"},
    {0},
};

struct command {
    const struct config *cfg;
    const struct lt_space *space;
    struct lt_score_names *names;
    int n_wanted, wanted[LT_MAX_SCORES];
    uint64_t hash;
};

static void close_command(void *self) { lt_free(self); }

/* Changed programs are another experiment: every word of the command that is a path of a file counts. */
static uint64_t contents(const char *run) {
    struct lt_buf text = LT_BUF_INIT;
    uint64_t h = 1;
    char *words = lt_strdup(run);
    for (char *save = NULL, *w = words ? strtok_r(words, " \t\n\"';|&<>()", &save) : NULL; w;
         w = strtok_r(NULL, " \t\n\"';|&<>()", &save)) {
        lt_buf_clear(&text);
        if (strchr(w, '/') && strncmp(w, "/dev/", 5) && !lt_file_read(w, (size_t)1 << 26, &text, NULL))
            h = lt_hash64(text.data, text.len, h);
    }
    lt_free(words);
    lt_buf_release(&text);
    return h;
}

static lt_status open_command(const struct lt_evaluator_env *env, const void *cfg, void **self, struct lt_err *e) {
    const struct config *c = cfg;
    struct command *m;
    if (!c->run || !*c->run)
        return lt_yaml_fail(e, env->at, "evaluator 'command' needs a program, as in {name: command, run: ./score.py}");
    if (!(m = lt_calloc(1, sizeof(*m)))) return lt_fail(e, LT_ENOMEM, "command");
    m->cfg = c;
    m->space = env->space;
    m->names = env->names;
    *self = m;
    return LT_OK;
}

static lt_status want(void *self, const char *name, int score, struct lt_err *e) {
    struct command *m = self;
    if (score == LT_SCORE_SIZE_KB || score == LT_SCORE_MACS || score == LT_SCORE_PARAMS ||
        score == LT_SCORE_PEAK_ACT_BYTES)
        return lt_fail(e, LT_EINVAL, "%s is counted from the graph", name);
    for (int i = 0; i < m->n_wanted; i++)
        if (m->wanted[i] == score) return LT_OK;
    m->wanted[m->n_wanted++] = score;
    return LT_OK;
}

static lt_status ready(void *self, struct lt_err *e) {
    struct command *m = self;
    char *names = lt_strdup(m->cfg->scores ? m->cfg->scores : "");
    lt_status s = names ? LT_OK : lt_fail(e, LT_ENOMEM, "command");
    for (char *save = NULL, *w = names ? strtok_r(names, ", ", &save) : NULL; w && !s;
         w = strtok_r(NULL, ", ", &save)) {
        int score;
        s = lt_score_add(m->names, w, &score, e);
        if (!s) s = want(m, w, score, e);
    }
    lt_free(names);
    m->hash = contents(m->cfg->run);
    return s;
}

/* One line: blank, a comment, or "name value". False: something else, and why says so. */
static bool take_line(const struct command *m, char *line, int number, struct lt_scores *out, char why[LT_WHY_BYTES]) {
    char *save = NULL, *name = strtok_r(line, " \t\r", &save), *value = strtok_r(NULL, " \t\r", &save), *end;
    int score;
    if (!name || *name == '#') return true;
    double v = value ? strtod(value, &end) : NAN;
    if (!value || *end || end == value || strtok_r(NULL, " \t\r", &save)) {
        snprintf(why, LT_WHY_BYTES, "line %d of its output is not 'name value': '%.60s%s%.60s'", number, name,
                 value ? " " : "", value ? value : "");
        return false;
    }
    if (!isfinite(v)) {
        snprintf(why, LT_WHY_BYTES, "line %d of its output: %.60s is not a finite number", number, name);
        return false;
    }
    if (!lt_score_parse(m->names, name, &score)) return true; /* nobody asked for it */
    if (score == LT_SCORE_ACCURACY && (v < 0 || v > 1)) {
        snprintf(why, LT_WHY_BYTES, "line %d of its output: accuracy %g is not a fraction from 0 to 1", number, v);
        return false;
    }
    for (int i = 0; i < m->n_wanted; i++) {
        if (m->wanted[i] != score) continue;
        if (out->have[score]) {
            snprintf(why, LT_WHY_BYTES, "line %d of its output: a second value for %.60s", number, name);
            return false;
        }
        out->v[score] = v;
        out->have[score] = true;
    }
    return true;
}

static bool parse(const struct command *m, struct lt_buf *text, struct lt_scores *out, char why[LT_WHY_BYTES]) {
    struct lt_scores got = *out;
    if (!text->len) {
        snprintf(why, LT_WHY_BYTES, "it printed nothing");
        return false;
    }
    if (memchr(text->data, 0, text->len)) {
        snprintf(why, LT_WHY_BYTES, "its output is not text");
        return false;
    }
    int number = 1;
    for (char *p = text->data, *nl; p && *p; p = nl ? nl + 1 : NULL, number++) {
        if ((nl = strchr(p, '\n'))) *nl = 0;
        if (!take_line(m, p, number, &got, why)) return false;
    }
    for (int i = 0; i < m->n_wanted; i++) {
        if (got.have[m->wanted[i]]) continue;
        snprintf(why, LT_WHY_BYTES, "it printed no value for %s", lt_score_name(m->names, m->wanted[i]));
        return false;
    }
    *out = got;
    return true;
}

static lt_status evaluate(void *self, const struct lt_arch *a, const struct lt_ui *ui, struct lt_scores *io,
                          char why[LT_WHY_BYTES], bool *abandoned, struct lt_err *e) {
    const struct command *m = self;
    struct lt_buf arch = LT_BUF_INIT, text = LT_BUF_INIT;
    struct lt_spawn_end end = {0};
    lt_arch_print(m->space, a, &arch);
    lt_status s = lt_buf_ok(&arch, e);
    if (!s) s = lt_spawn_shell(m->cfg->run, arch.data, m->cfg->timeout_s, ui, &text, &end, e);
    if (!s && end.stopped) {
        *abandoned = true;
    } else if (!s && end.why[0]) {
        io->status = LT_EFAIL;
        snprintf(why, LT_WHY_BYTES, "%s", end.why);
    } else if (!s && !parse(m, &text, io, why)) {
        io->status = LT_EFAIL;
    }
    lt_buf_release(&text);
    lt_buf_release(&arch);
    return s;
}

static uint64_t hash(const void *self) { return ((const struct command *)self)->hash; }

const struct lt_evaluator_ops lt_evaluator_command = {
    .name = "command",
    .about = "any program that prints the scores of an architecture",
    .opts = opts,
    .cfg_size = sizeof(struct config),
    .open = open_command,
    .close = close_command,
    .want = want,
    .ready = ready,
    .evaluate = evaluate,
    .hash = hash,
};
