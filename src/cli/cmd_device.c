/* Room: cli. `lathe device`: which devices this build knows, their options, and what one says about itself. */
#include "cli/cli.h"
#include "lathe/device.h"
#include "lathe/json.h"

#include <string.h>

static lt_status open_named(const char *text, struct lt_device **out, struct lt_yaml **cfg, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    /* a bare name, or a map as in an experiment */
    if (strchr(text, ':'))
        lt_buf_puts(&b, text);
    else
        lt_buf_printf(&b, "{name: %s}", text);
    lt_status s = lt_buf_ok(&b, e);
    if (!s) s = lt_yaml_parse("device", b.data, b.len, cfg, e);
    if (!s) s = lt_device_open(*cfg, out, e);
    lt_buf_release(&b);
    return s;
}

static void list(struct cli *c, struct lt_buf *b) {
    for (int i = 0; i < lt_device_count(); i++) {
        const struct lt_device_ops *o = lt_device_ops_at(i);
        if (!c->json) {
            lt_buf_printf(b, "%-10s %s\n", o->name, o->about);
            continue;
        }
        struct lt_jw w;
        lt_jw_init(&w, b);
        lt_jw_obj(&w);
        lt_jw_kint(&w, "schema", 1);
        lt_jw_kstr(&w, "name", o->name);
        lt_jw_kstr(&w, "about", o->about);
        lt_jw_kbool(&w, "is_real", o->is_real);
        lt_jw_obj_end(&w);
        lt_buf_puts(b, "\n");
    }
}

static lt_status show(struct cli *c, const char *name, struct lt_buf *b, struct lt_err *e) {
    struct lt_device *d = NULL;
    struct lt_yaml *cfg = NULL;
    struct lt_jw w;
    lt_status s = open_named(name, &d, &cfg, e);
    if (s) goto out;
    if (!c->json && lt_device_ops_of(d)->opts) {
        lt_buf_printf(b, "options of device '%s':\n", lt_device_name(d));
        lt_opts_help(lt_device_ops_of(d)->opts, b);
        lt_buf_puts(b, "this one:\n");
    }
    lt_jw_init(&w, b);
    if (c->json) {
        lt_jw_obj(&w);
        lt_jw_kint(&w, "schema", 1);
        lt_jw_key(&w, "device");
    }
    lt_device_describe(d, &w);
    if (c->json) lt_jw_obj_end(&w);
    lt_buf_puts(b, "\n");
out:
    lt_device_close(d);
    lt_yaml_free(cfg);
    return s;
}

lt_status cmd_device(struct cli *c, int argc, char **argv, struct lt_err *e) {
    struct cli_list words = {0};
    struct lt_buf b = LT_BUF_INIT;
    bool help = false;
    lt_status s = cli_parse(c, NULL, argc, argv, &words, &help, e);
    if (s || help) return s;
    const char *verb = words.n ? words.item[0] : "";
    if (!strcmp(verb, "list") && words.n == 1)
        list(c, &b);
    else if (!strcmp(verb, "show") && words.n <= 2)
        s = show(c, words.n == 2 ? words.item[1] : "host", &b, e);
    else
        s = cli_usage(e, c, "expected 'list', or 'show' and a device: a name, or '{name: host, threads: 2}'");
    if (!s) s = cli_print(c, &b, e);
    lt_buf_release(&b);
    return s;
}
