/* Room: cli. `lathe space`: what spaces there are, what is in one, how many networks it has, and samples of it. */
#include "cli/cli.h"
#include "lathe/cost.h"
#include "lathe/file.h"
#include "lathe/json.h"
#include "lathe/mem.h"
#include "lathe/space.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#ifndef LT_PKGDATADIR
#define LT_PKGDATADIR "/usr/local/share/lathe"
#endif

static int is_yaml(const struct dirent *d) {
    size_t n = strlen(d->d_name);
    return n > 5 && !strcmp(d->d_name + n - 5, ".yaml");
}

static lt_status list(struct cli *c, struct lt_buf *b, struct lt_err *e) {
    static const char *const folder[] = {"spaces", LT_PKGDATADIR "/spaces"};
    lt_status s = LT_OK;
    for (int k = 0; k < 2 && !s; k++) {
        struct dirent **d;
        int n = scandir(folder[k], &d, is_yaml, alphasort);
        for (int i = 0; i < n; i++) {
            struct lt_space *sp = NULL;
            struct lt_err why = {0};
            char *path = lt_path_join(folder[k], d[i]->d_name);
            if (!path) s = lt_fail(e, LT_ENOMEM, "spaces");
            lt_status t = path ? lt_space_load(path, &sp, &why) : LT_ENOMEM;
            if (c->json) {
                struct lt_jw w;
                lt_jw_init(&w, b);
                lt_jw_obj(&w);
                lt_jw_kint(&w, "schema", 1);
                lt_jw_kstr(&w, "file", path);
                lt_jw_kstr(&w, "name", t ? NULL : lt_space_name(sp));
                lt_jw_kstr(&w, "error", t ? why.msg : NULL);
                lt_jw_obj_end(&w);
                lt_buf_puts(b, "\n");
            } else if (t) {
                lt_buf_printf(b, "%-32s invalid: %s\n", path ? path : "", why.msg);
            } else {
                lt_buf_printf(b, "%-32s %-16s %d genes, 10^%.1f networks\n", path, lt_space_name(sp),
                              lt_space_n_genes(sp), lt_space_log10_size(sp));
            }
            lt_space_free(sp);
            lt_free(path);
            free(d[i]); /* scandir's */
        }
        if (n >= 0) free(d);
    }
    return s;
}

static void json_begin(struct lt_jw *w, struct lt_buf *b, const char *type) {
    lt_jw_init(w, b);
    lt_jw_obj(w);
    lt_jw_kint(w, "schema", 1);
    lt_jw_kstr(w, "type", type);
}

static void json_end(struct lt_jw *w, struct lt_buf *b) {
    lt_jw_obj_end(w);
    lt_buf_puts(b, "\n");
}

static void count_all(const struct cli *c, struct lt_buf *b, const struct lt_space *sp) {
    struct lt_buf n = LT_BUF_INIT;
    struct lt_jw w;
    lt_space_size_text(sp, &n);
    if (c->json) {
        json_begin(&w, b, "count");
        lt_jw_kstr(&w, "space", lt_space_name(sp));
        lt_jw_kstr(&w, "networks", n.data); /* a text: it may have more digits than a number holds */
        lt_jw_knum(&w, "log10", lt_space_log10_size(sp));
        json_end(&w, b);
    } else {
        lt_buf_printf(b, "%s\n", n.data ? n.data : "");
    }
    lt_buf_release(&n);
}

static lt_status cost_json(struct lt_buf *b, const struct lt_space *sp, const struct lt_arch *a, const char *what,
                           struct lt_err *e) {
    struct lt_graph *g = NULL;
    struct lt_cost cost;
    struct lt_jw w;
    lt_status s = lt_space_expand(sp, a, &g, e);
    if (s) return s;
    lt_graph_cost(g, NULL, &cost);
    json_begin(&w, b, "network");
    lt_jw_kstr(&w, "role", what);
    lt_jw_kstr(&w, "arch", g->name);
    lt_jw_kint(&w, "macs", cost.macs);
    lt_jw_kint(&w, "params", cost.params);
    lt_jw_kint(&w, "size_bytes", cost.size_bytes);
    lt_jw_kint(&w, "peak_act_bytes", cost.peak_act_bytes);
    lt_jw_kint(&w, "operators", g->n_nodes);
    json_end(&w, b);
    lt_graph_free(g);
    return LT_OK;
}

static lt_status show_json(struct lt_buf *b, const struct lt_space *sp, const char *arch, struct lt_err *e) {
    struct lt_arch a;
    struct lt_jw w;
    lt_status s;
    if (arch) {
        if ((s = lt_arch_parse(sp, arch, &a, e))) return s;
        return cost_json(b, sp, &a, "architecture", e);
    }
    json_begin(&w, b, "space");
    lt_jw_kstr(&w, "space", lt_space_name(sp));
    lt_jw_knum(&w, "log10", lt_space_log10_size(sp));
    lt_jw_kint(&w, "classes", lt_space_classes(sp));
    lt_jw_kint(&w, "channels", lt_space_input_channels(sp));
    lt_jw_kint(&w, "max_resolution", lt_space_max_resolution(sp));
    lt_jw_key(&w, "genes");
    lt_jw_obj(&w);
    for (int i = 0; i < lt_space_n_genes(sp); i++) {
        const struct lt_gene *g = lt_space_gene(sp, i);
        lt_jw_key(&w, g->name);
        lt_jw_arr(&w);
        for (int k = 0; k < g->n_choices; k++) lt_jw_str(&w, g->label[k]);
        lt_jw_arr_end(&w);
    }
    lt_jw_obj_end(&w);
    json_end(&w, b);
    lt_space_largest(sp, &a);
    if ((s = cost_json(b, sp, &a, "largest", e))) return s;
    lt_space_smallest(sp, &a);
    return cost_json(b, sp, &a, "smallest", e);
}

static lt_status put_cost(struct lt_buf *b, const struct lt_space *sp, const struct lt_arch *a, const char *what,
                          bool nodes, struct lt_err *e) {
    struct lt_graph *g = NULL;
    struct lt_cost cost;
    lt_status s = lt_space_expand(sp, a, &g, e);
    if (s) return s;
    lt_graph_cost(g, NULL, &cost);
    lt_buf_printf(b, "%s: %.3f M MACs, %.1f k parameters, %.1f kB, peak activations %.1f kB, %d operators\n  %s\n",
                  what, (double)cost.macs / 1e6, (double)cost.params / 1e3, (double)cost.size_bytes / 1e3,
                  (double)cost.peak_act_bytes / 1e3, g->n_nodes, g->name);
    if (nodes) lt_graph_print(g, b);
    lt_graph_free(g);
    return LT_OK;
}

static lt_status show(struct lt_buf *b, const struct lt_space *sp, const char *arch, struct lt_err *e) {
    struct lt_arch a;
    lt_status s;
    if (arch) {
        if ((s = lt_arch_parse(sp, arch, &a, e))) return s;
        return put_cost(b, sp, &a, "architecture", true, e);
    }
    lt_buf_printf(b, "space %s: ", lt_space_name(sp));
    lt_space_size_text(sp, b);
    lt_buf_printf(b, " networks, %d classes, %d channels, up to %d pixels\n", lt_space_classes(sp),
                  lt_space_input_channels(sp), lt_space_max_resolution(sp));
    for (int i = 0; i < lt_space_n_genes(sp); i++) {
        const struct lt_gene *g = lt_space_gene(sp, i);
        lt_buf_printf(b, "  %-20s", g->name);
        for (int k = 0; k < g->n_choices; k++) lt_buf_printf(b, " %s", g->label[k]);
        lt_buf_puts(b, "\n");
    }
    lt_space_largest(sp, &a);
    if ((s = put_cost(b, sp, &a, "largest", false, e))) return s;
    lt_space_smallest(sp, &a);
    return put_cost(b, sp, &a, "smallest", false, e);
}

static lt_status sample(struct cli *c, struct lt_buf *b, const struct lt_space *sp, int64_t n, int64_t seed) {
    for (int64_t i = 0; i < n; i++) {
        struct lt_rng r;
        struct lt_arch a;
        struct lt_buf text = LT_BUF_INIT;
        lt_rng_at(&r, (uint64_t)seed, LT_RNG_SAMPLE, 0, (uint64_t)i);
        lt_space_sample(sp, &r, &a);
        lt_arch_print(sp, &a, &text);
        if (c->json) {
            struct lt_jw w;
            lt_jw_init(&w, b);
            lt_jw_obj(&w);
            lt_jw_kint(&w, "schema", 1);
            lt_jw_kstr(&w, "arch", text.data);
            lt_jw_obj_end(&w);
        } else {
            lt_buf_puts(b, text.data ? text.data : "");
        }
        lt_buf_puts(b, "\n");
        lt_buf_release(&text);
    }
    return LT_OK;
}

lt_status cmd_space(struct cli *c, int argc, char **argv, struct lt_err *e) {
    struct cli_list words = {0};
    const char *arch = NULL;
    int64_t n = 1, seed = 42;
    bool help = false;
    struct lt_space *sp = NULL;
    struct lt_buf b = LT_BUF_INIT;
    const struct cli_opt opts[] = {
        {"arch", 'a', CLI_TEXT, &arch, "ARCH", "show: the network of this architecture, operator by operator"},
        {"number", 'n', CLI_INT, &n, "N", "sample: how many [1]"},
        {"seed", 's', CLI_INT, &seed, "SEED", "sample: seed [42]"},
        {0},
    };
    lt_status s = cli_parse(c, opts, argc, argv, &words, &help, e);
    if (s || help) return s;
    const char *verb = words.n ? words.item[0] : "";
    bool known = !strcmp(verb, "list") || !strcmp(verb, "show") || !strcmp(verb, "count") || !strcmp(verb, "sample");
    if (!known)
        return words.n ? cli_usage(e, c, "'%s' is not one of list, show, count, sample", verb)
                       : cli_usage(e, c, "one of list, show, count, sample is needed");
    if (words.n != (strcmp(verb, "list") ? 2 : 1))
        return cli_usage(e, c, strcmp(verb, "list") ? "%s needs one space: a file, or a name" : "%s takes no space",
                         verb);
    if (n < 0 || n > 1000000) return cli_usage(e, c, "-n %lld is not between 0 and 1000000", (long long)n);
    if (!strcmp(verb, "list")) {
        s = list(c, &b, e);
        if (!s && !b.len) lt_ui_say(c->ui, LT_UI_WARN, "no space is in ./spaces or " LT_PKGDATADIR "/spaces");
    } else if (!(s = lt_space_load(words.item[1], &sp, e))) {
        if (!strcmp(verb, "show")) {
            s = c->json ? show_json(&b, sp, arch, e) : show(&b, sp, arch, e);
        } else if (!strcmp(verb, "count")) {
            count_all(c, &b, sp);
        } else {
            s = sample(c, &b, sp, n, seed);
        }
    }
    if (!s) s = cli_print(c, &b, e);
    lt_space_free(sp);
    lt_buf_release(&b);
    return s;
}
