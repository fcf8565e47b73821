/* Room: cli. Options: tables in, values out; --name value, --name=value, -n value, flags, and -- for words that look
 * like options. */
#include "cli/cli.h"
#include "lathe/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

lt_status cli_usage(struct lt_err *e, const struct cli *c, const char *fmt, ...) {
    struct lt_err what = {0};
    va_list ap;
    va_start(ap, fmt);
    lt_vfail(&what, LT_EINVAL, fmt, ap);
    va_end(ap);
    return lt_fail(e, LT_EINVAL, "%s: %.800s; `lathe %s -h` tells more", c->command, what.msg, c->command);
}

lt_status cli_print(const struct cli *c, const struct lt_buf *b, struct lt_err *e) {
    lt_status s = lt_buf_ok(b, e);
    if (s || c->comm->rank || !b->len) return s;
    cli_ui_clear();
    if (fwrite(b->data, 1, b->len, stdout) != b->len || fflush(stdout))
        return lt_fail(e, LT_EIO, "standard output: %s", strerror(errno));
    return LT_OK;
}

static void help_row(struct lt_buf *b, const struct cli_opt *o) {
    char left[64];
    snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->letter ? "-" : " ", o->letter ? o->letter : ' ',
             o->letter ? ", " : "  ", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
    lt_buf_printf(b, "  %-28s %s\n", left, o->help);
}

static lt_status give_help(const struct cli *c, const struct cli_opt *t, const struct cli_opt *common,
                           struct lt_err *e) {
    const struct cli_command *k = cli_find(c->command);
    struct lt_buf b = LT_BUF_INIT;
    lt_buf_printf(&b, "usage: lathe %s %s\n\n%s\n\n", k->name, k->usage, k->summary);
    for (; t && t->name; t++) help_row(&b, t);
    for (; common->name; common++) help_row(&b, common);
    lt_status s = cli_print(c, &b, e);
    lt_buf_release(&b);
    return s;
}

static const struct cli_opt *find(const struct cli_opt *t, const char *name, size_t len, char letter) {
    for (; t && t->name; t++)
        if (letter ? t->letter == letter : strlen(t->name) == len && !strncmp(t->name, name, len)) return t;
    return NULL;
}

static lt_status unknown(struct lt_err *e, const struct cli *c, const char *word, size_t len, const struct cli_opt *t,
                         const struct cli_opt *common) {
    const char *names[64];
    char plain[64];
    int n = 0;
    for (; t && t->name && n < 50; t++) names[n++] = t->name;
    for (; common->name; common++) names[n++] = common->name;
    names[n] = NULL;
    snprintf(plain, sizeof(plain), "%.*s", (int)(len < 60 ? len : 60), word);
    const char *near = lt_nearest(plain, names);
    if (near) return cli_usage(e, c, "option --%s is not known; did you mean --%s?", plain, near);
    return cli_usage(e, c, "option --%s is not known", plain);
}

static lt_status assign(const struct cli_opt *o, const char *value, const struct cli *c, struct lt_err *e) {
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->to = true;
        break;
    case CLI_TEXT:
        if (!*value) return cli_usage(e, c, "--%s needs a value (%s), and this one is empty", o->name, o->arg);
        *(const char **)o->to = value;
        break;
    case CLI_LIST: {
        struct cli_list *l = o->to;
        if (l->n == CLI_MAX_LIST) return cli_usage(e, c, "more than %d times --%s", CLI_MAX_LIST, o->name);
        l->item[l->n++] = value;
        break;
    }
    case CLI_INT: {
        char *end;
        errno = 0;
        long long v = strtoll(value, &end, 10);
        if (end == value || *end || errno) return cli_usage(e, c, "--%s: '%s' is not a whole number", o->name, value);
        *(int64_t *)o->to = v;
        break;
    }
    }
    return LT_OK;
}

lt_status cli_parse(struct cli *c, const struct cli_opt *t, int argc, char **argv, struct cli_list *words, bool *help,
                    struct lt_err *e) {
    bool want_help = false, plain = false;
    const struct cli_opt common[] = {
        {"json", 0, CLI_FLAG, &c->json, NULL, "results as JSON Lines"},
        {"verbose", 'v', CLI_FLAG, &c->verbose, NULL, "say more on stderr"},
        {"help", 'h', CLI_FLAG, &want_help, NULL, "this text"},
        {0},
    };
    lt_status s;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *value = NULL, *name = a + 1;
        size_t len = 0;
        if (plain || a[0] != '-' || !a[1]) {
            if (words->n == CLI_MAX_LIST) return cli_usage(e, c, "more than %d arguments", CLI_MAX_LIST);
            words->item[words->n++] = a;
            continue;
        }
        if (!strcmp(a, "--")) {
            plain = true;
            continue;
        }
        const struct cli_opt *o;
        if (a[1] == '-') {
            name = a + 2;
            len = strcspn(name, "=");
            if (name[len]) value = name + len + 1;
            o = find(t, name, len, 0);
            if (!o) o = find(common, name, len, 0);
            if (!o) return unknown(e, c, name, len, t, common);
        } else {
            o = find(t, NULL, 0, a[1]);
            if (!o) o = find(common, NULL, 0, a[1]);
            if (!o) return cli_usage(e, c, "option -%c is not known", a[1]);
            if (a[2]) value = a + 2;
        }
        if (o->kind == CLI_FLAG && value) return cli_usage(e, c, "--%s takes no value", o->name);
        if (o->kind != CLI_FLAG && !value) {
            if (++i == argc) return cli_usage(e, c, "--%s needs a value (%s)", o->name, o->arg);
            value = argv[i];
        }
        if ((s = assign(o, value, c, e))) return s;
    }
    *help = want_help;
    return want_help ? give_help(c, t, common, e) : LT_OK;
}
