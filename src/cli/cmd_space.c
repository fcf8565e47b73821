/* Room: cli. `lathe space`: what spaces there are, what is in one, how many networks it has, samples, one network as a
 * file, and whether a file is right. */
#include "cli/space_cmd.h"

#include <string.h>

void space_json_begin(struct lt_jw *w, struct lt_buf *b, const char *type) {
    lt_jw_init(w, b);
    lt_jw_obj(w);
    lt_jw_kint(w, "schema", 1);
    lt_jw_kstr(w, "type", type);
}

void space_json_end(struct lt_jw *w, struct lt_buf *b) {
    lt_jw_obj_end(w);
    lt_buf_puts(b, "\n");
}

lt_status space_arch(const struct space_job *j, const char *text, struct lt_arch *out, struct lt_err *e) {
    if (!strcmp(text, "largest"))
        lt_space_largest(j->sp, out);
    else if (!strcmp(text, "smallest"))
        lt_space_smallest(j->sp, out);
    else
        return lt_arch_parse(j->sp, text, out, e);
    return LT_OK;
}

static lt_status count(struct space_job *j, struct lt_err *e) {
    struct lt_buf n = LT_BUF_INIT;
    struct lt_jw w;
    lt_status s;
    lt_space_size_text(j->sp, &n);
    if (!(s = lt_buf_ok(&n, e)) && j->c->json) {
        space_json_begin(&w, &j->out, "count");
        lt_jw_kstr(&w, "space", lt_space_name(j->sp));
        lt_jw_kstr(&w, "networks", n.data); /* a text: it may have more digits than a number holds */
        lt_jw_knum(&w, "log10", lt_space_log10_size(j->sp));
        space_json_end(&w, &j->out);
    } else if (!s) {
        lt_buf_printf(&j->out, "%s\n", n.data);
    }
    lt_buf_release(&n);
    return s;
}

static const struct verb {
    const char *name;
    int min, max; /* words after it */
    const char *needs;
    lt_status (*run)(struct space_job *j, struct lt_err *e);
    const char *options; /* that mean something to it, by long name */
} verbs[] = {
    {"list", 0, 0, "takes no space", space_list, ""},
    {"show", 1, 2, "needs one space, a file or a name, and at most one architecture", space_show,
     " arch convention svg "},
    {"count", 1, 1, "needs one space: a file, or a name", count, ""},
    {"sample", 1, 1, "needs one space: a file, or a name", space_sample,
     " number seed balance where uniform csv costs "},
    {"export", 2, 2, "needs a space and an architecture (or: largest, smallest)", space_export,
     " seed out weights sample "},
    {"schema", 0, 0, "takes no space", space_schema, ""},
    {"check", 1, CLI_MAX_LIST, "needs one or more files", NULL, ""},
    {0},
};

static lt_status pick_verb(const struct cli *c, const struct cli_list *words, const struct verb **out,
                           struct lt_err *e) {
    if (!words->n) return cli_usage(e, c, "one of list, show, count, sample, export, check, schema is needed");
    for (const struct verb *v = verbs; v->name; v++) {
        if (strcmp(v->name, words->item[0])) continue;
        if (words->n - 1 < v->min || words->n - 1 > v->max) return cli_usage(e, c, "%s %s", v->name, v->needs);
        *out = v;
        return LT_OK;
    }
    return cli_usage(e, c, "'%s' is not one of list, show, count, sample, export, check, schema", words->item[0]);
}

/* An option that the verb would not look at is a mistake, not a decoration. */
static lt_status refuse_others(const struct cli *c, const struct verb *v, const char *const *given, struct lt_err *e) {
    char word[32];
    for (; *given; given++) {
        size_t n = strlen(*given);
        if (n + 3 > sizeof(word)) continue;
        word[0] = ' ';
        memcpy(word + 1, *given, n);
        memcpy(word + 1 + n, " ", 2);
        if (!strstr(v->options, word)) return cli_usage(e, c, "%s has no option --%s", v->name, *given);
    }
    return LT_OK;
}

static lt_status dispatch(struct space_job *j, const struct verb *v, const struct cli_list *words, struct lt_err *e) {
    lt_status s = LT_OK;
    if (!v->run) { /* check: all files, and the last complaint is the answer */
        for (int i = 1; i < words->n; i++) {
            lt_status t = space_check(j, words->item[i], e);
            if (t) s = t;
        }
        return s;
    }
    if (words->n > 1 && (s = lt_space_load(words->item[1], &j->sp, e))) return s;
    if (words->n > 2) j->arch = words->item[2];
    return v->run(j, e);
}

lt_status cmd_space(struct cli *c, int argc, char **argv, struct lt_err *e) {
    struct space_job j = {.c = c, .out = LT_BUF_INIT, .n = INT64_MIN, .seed = INT64_MIN};
    struct cli_list words = {0};
    const struct verb *v = NULL;
    bool help = false;
    const struct cli_opt opts[] = {
        {"arch", 'a', CLI_TEXT, &j.arch, "ARCH", "show: this architecture (as the second word)"},
        {"convention", 'C', CLI_TEXT, &j.convention, "NAME",
         "show: MACs and parameters as NAME counts them; all: under every convention"},
        {"svg", 0, CLI_TEXT, &j.svg, "FILE", "show: a drawing of the architecture (of the largest when none is given)"},
        {"number", 'n', CLI_INT, &j.n, "N", "sample: how many [1]"},
        {"seed", 's', CLI_INT, &j.seed, "SEED", "sample, export: seed [42]"},
        {"uniform", 0, CLI_TEXT, &j.uniform, "WHAT",
         "sample: genes: each choice uniform [default]; archs: each architecture equally likely"},
        {"balance", 0, CLI_TEXT, &j.balance, "COST",
         "sample: evenly over the range of macs, params, size, bytes, ops or peak"},
        {"where", 'w', CLI_LIST, &j.where, "COND",
         "sample: only where COND holds, as macs<=300M or s2.depth>=3; repeatable"},
        {"csv", 0, CLI_FLAG, &j.csv, NULL, "sample: the space's table columns, with a header"},
        {"costs", 0, CLI_FLAG, &j.with_costs, NULL, "sample: with macs, params, size, bytes, ops"},
        {"out", 'o', CLI_TEXT, &j.file, "FILE", "export: the ONNX file"},
        {"weights", 0, CLI_TEXT, &j.weights, "DIR", "export: DIR/<parameter>.npy, float32 [random weights of --seed]"},
        {"sample", 0, CLI_TEXT, &j.sample_file, "FILE",
         "export: a few inputs and this program's logits as JSON, to verify the ONNX file with"},
        {0},
    };
    lt_status s = cli_parse(c, opts, argc, argv, &words, &help, e);
    if (s || help) return s;
    const char *given[16] = {NULL};
    int n_given = 0;
    for (const struct cli_opt *o = opts; o->name; o++) {
        bool set = o->kind == CLI_TEXT   ? *(const char **)o->to != NULL
                   : o->kind == CLI_INT  ? *(int64_t *)o->to != INT64_MIN
                   : o->kind == CLI_FLAG ? *(bool *)o->to
                                         : ((struct cli_list *)o->to)->n > 0;
        if (set) given[n_given++] = o->name;
    }
    if ((s = pick_verb(c, &words, &v, e)) || (s = refuse_others(c, v, given, e))) return s;
    if (j.arch && words.n > 2)
        return cli_usage(e, c, "show has two architectures: '%s' and '%s'", j.arch, words.item[2]);
    if (j.n == INT64_MIN) j.n = 1;
    if (j.seed == INT64_MIN) j.seed = 42;
    if (j.n < 0 || j.n > 1000000) return cli_usage(e, c, "-n %lld is not between 0 and 1000000", (long long)j.n);
    s = dispatch(&j, v, &words, e);
    if (!s || !v->run) { /* what check has found is its result */
        lt_status t = cli_print(c, &j.out, s ? NULL : e);
        if (!s) s = t;
    }
    lt_space_costs_free(j.costs);
    lt_space_free(j.sp);
    lt_buf_release(&j.out);
    return s;
}
