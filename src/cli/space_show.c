/* Room: cli. `lathe space list` and `show`: what spaces there are, what is in one, what one network costs. */
#include "cli/space_cmd.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/yaml.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#ifndef LT_PKGDATADIR
#define LT_PKGDATADIR "/usr/local/share/lathe"
#endif

/* ---- list ---- */

static int is_yaml(const struct dirent *d) {
    size_t n = strlen(d->d_name);
    return n > 5 && !strcmp(d->d_name + n - 5, ".yaml");
}

static void list_one(struct space_job *j, const char *path) {
    struct lt_space *sp = NULL;
    struct lt_err why = {0};
    struct lt_jw w;
    lt_status s = lt_space_load(path, &sp, &why);
    if (j->c->json) {
        lt_jw_init(&w, &j->out);
        lt_jw_obj(&w);
        lt_jw_kint(&w, "schema", 1);
        lt_jw_kstr(&w, "file", path);
        lt_jw_kstr(&w, "name", s ? NULL : lt_space_name(sp));
        lt_jw_kstr(&w, "error", s ? why.msg : NULL);
        if (!s) lt_jw_kint(&w, "genes", lt_space_n_genes(sp));
        if (!s) lt_jw_knum(&w, "log10", lt_space_log10_size(sp));
        lt_jw_obj_end(&w);
        lt_buf_puts(&j->out, "\n");
    } else if (s) {
        lt_buf_printf(&j->out, "%-32s invalid: %s\n", path, why.msg);
    } else {
        lt_buf_printf(&j->out, "%-32s %-16s %d genes, 10^%.1f networks\n", path, lt_space_name(sp),
                      lt_space_n_genes(sp), lt_space_log10_size(sp));
    }
    lt_space_free(sp);
}

lt_status space_list(struct space_job *j, struct lt_err *e) {
    static const char *const folder[] = {"spaces", LT_PKGDATADIR "/spaces"};
    lt_status s = LT_OK;
    for (int k = 0; k < 2 && !s; k++) {
        struct dirent **d;
        int n = scandir(folder[k], &d, is_yaml, alphasort);
        for (int i = 0; i < n; i++) {
            char *path = lt_path_join(folder[k], d[i]->d_name);
            if (path)
                list_one(j, path);
            else
                s = lt_fail(e, LT_ENOMEM, "spaces");
            lt_free(path);
            free(d[i]); /* scandir's */
        }
        if (n >= 0) free(d);
    }
    if (!s && !j->out.len) lt_ui_say(j->c->ui, LT_UI_WARN, "no space is in ./spaces or " LT_PKGDATADIR "/spaces");
    return s;
}

/* ---- one network ---- */

/* Which conventions to show: one, or all of them. */
static lt_status pick_conventions(const struct space_job *j, int *first, int *last, struct lt_err *e) {
    const char *names[32] = {NULL}, *near;
    struct lt_buf all = LT_BUF_INIT;
    lt_status s;
    int n = 0;
    for (; n < 30 && lt_cost_convention_at(n); n++) {
        names[n] = lt_cost_convention_at(n)->name;
        lt_buf_printf(&all, "%s, ", names[n]);
    }
    names[n] = "all";
    *first = j->convention ? lt_cost_convention_find(j->convention) : 0;
    *last = *first;
    if (j->convention && !strcmp(j->convention, "all")) {
        *first = 0;
        *last = n - 1;
    }
    if (*first >= 0) {
        lt_buf_release(&all);
        return LT_OK;
    }
    near = lt_nearest(j->convention, names);
    if (!(s = lt_buf_ok(&all, e)))
        s = cli_usage(e, j->c, "--convention '%s' is not known%s%s%s; there are %sall", j->convention,
                      near ? ", did you mean '" : "", near ? near : "", near ? "'" : "", all.data);
    lt_buf_release(&all);
    return s;
}

/* What `export --weights` needs: names and shapes. */
static void parameters_json(struct lt_jw *w, const struct lt_graph *g) {
    lt_jw_key(w, "parameters");
    lt_jw_arr(w);
    for (int i = 0; i < g->n_params; i++) {
        lt_jw_obj(w);
        lt_jw_kstr(w, "name", g->param[i].name);
        lt_jw_key(w, "shape");
        lt_jw_arr(w);
        for (int k = 0; k < g->param[i].n_dims; k++) lt_jw_int(w, g->param[i].dim[k]);
        lt_jw_arr_end(w);
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
}

static void network_json(struct space_job *j, const struct lt_graph *g, const char *role, int convention, bool nodes) {
    struct lt_cost cost;
    struct lt_jw w;
    lt_graph_cost_as(g, convention, &cost);
    space_json_begin(&w, &j->out, "network");
    lt_jw_kstr(&w, "role", role);
    lt_jw_kstr(&w, "arch", g->name);
    lt_jw_kstr(&w, "convention", lt_cost_convention_at(convention)->name);
    lt_jw_kint(&w, "macs", cost.macs);
    lt_jw_kint(&w, "params", cost.params);
    lt_jw_kint(&w, "size_bytes", cost.size_bytes);
    lt_jw_kint(&w, "peak_act_bytes", cost.peak_act_bytes);
    lt_jw_kint(&w, "operators", g->n_nodes);
    if (nodes) parameters_json(&w, g);
    space_json_end(&w, &j->out);
}

static void network_text(struct space_job *j, const struct lt_graph *g, const char *role, int first, int last) {
    struct lt_buf *b = &j->out;
    struct lt_cost cost;
    lt_graph_cost_as(g, first, &cost);
    lt_buf_printf(b, "%s: %.3f M MACs, %.1f k parameters, %.1f kB, peak activations %.1f kB, %d operators\n  %s\n",
                  role, (double)cost.macs / 1e6, (double)cost.params / 1e3, (double)cost.size_bytes / 1e3,
                  (double)cost.peak_act_bytes / 1e3, g->n_nodes, g->name);
    for (int i = first; j->convention && i <= last; i++) {
        lt_graph_cost_as(g, i, &cost);
        const struct lt_cost_convention *c = lt_cost_convention_at(i);
        lt_buf_printf(b, "  %-14s %15lld %-5s %13lld parameters   %s\n", c->name, (long long)cost.macs,
                      strcmp(c->name, "flops") ? "MACs" : "FLOPs", (long long)cost.params, c->about);
    }
}

static lt_status network(struct space_job *j, const struct lt_arch *a, const char *role, bool nodes, struct lt_err *e) {
    struct lt_graph *g = NULL;
    int first, last;
    lt_status s = pick_conventions(j, &first, &last, e);
    if (s || (s = lt_space_expand(j->sp, a, &g, e))) return s;
    if (j->c->json) {
        for (int i = first; i <= last; i++) network_json(j, g, role, i, nodes && i == first);
    } else {
        network_text(j, g, role, first, last);
        if (nodes) lt_graph_print(g, &j->out);
    }
    lt_graph_free(g);
    return LT_OK;
}

/* ---- a space ---- */

static void genes_json(struct space_job *j) {
    struct lt_buf n = LT_BUF_INIT;
    struct lt_jw w;
    lt_space_size_text(j->sp, &n);
    space_json_begin(&w, &j->out, "space");
    lt_jw_kstr(&w, "space", lt_space_name(j->sp));
    lt_jw_kstr(&w, "networks", n.data);
    lt_jw_knum(&w, "log10", lt_space_log10_size(j->sp));
    lt_jw_kint(&w, "classes", lt_space_classes(j->sp));
    lt_jw_kint(&w, "channels", lt_space_input_channels(j->sp));
    lt_jw_kint(&w, "max_resolution", lt_space_max_resolution(j->sp));
    lt_jw_key(&w, "genes");
    lt_jw_obj(&w);
    for (int i = 0; i < lt_space_n_genes(j->sp); i++) {
        const struct lt_gene *g = lt_space_gene(j->sp, i);
        lt_jw_key(&w, g->name);
        lt_jw_arr(&w);
        for (int k = 0; k < g->n_choices; k++) lt_jw_str(&w, g->label[k]);
        lt_jw_arr_end(&w);
    }
    lt_jw_obj_end(&w);
    space_json_end(&w, &j->out);
    lt_buf_release(&n);
}

static void genes_text(struct space_job *j) {
    lt_buf_printf(&j->out, "space %s: ", lt_space_name(j->sp));
    lt_space_size_text(j->sp, &j->out);
    lt_buf_printf(&j->out, " networks, %d classes, ", lt_space_classes(j->sp));
    if (!lt_space_takes_tokens(j->sp)) lt_buf_printf(&j->out, "%d channels, ", lt_space_input_channels(j->sp));
    lt_buf_printf(&j->out, "up to %d %s\n", lt_space_max_resolution(j->sp),
                  lt_space_takes_tokens(j->sp) ? "tokens" : "pixels a side");
    for (int i = 0; i < lt_space_n_genes(j->sp); i++) {
        const struct lt_gene *g = lt_space_gene(j->sp, i);
        lt_buf_printf(&j->out, "  %-20s", g->name);
        for (int k = 0; k < g->n_choices; k++) lt_buf_printf(&j->out, " %s", g->label[k]);
        lt_buf_puts(&j->out, "\n");
    }
}

/* What can be reached by choices alone: MACs, parameters, peak memory. */
static lt_status ranges(struct space_job *j, struct lt_err *e) {
    static const enum space_metric metric[] = {SPACE_MACS, SPACE_PARAMS, SPACE_PEAK};
    static const char *const what[] = {"MACs", "parameters", "bytes of activations at the peak"};
    struct space_range r;
    struct lt_jw w;
    lt_status s;
    for (int i = 0; i < 3; i++) {
        if ((s = space_find_range(j, metric[i], &r, e))) return s;
        if (j->c->json) {
            space_json_begin(&w, &j->out, "range");
            lt_jw_kstr(&w, "of", space_metric_names[metric[i]]);
            lt_jw_kint(&w, "min", (int64_t)r.lo);
            lt_jw_kint(&w, "max", (int64_t)r.hi);
            lt_jw_kbool(&w, "exact", r.exact);
            space_json_end(&w, &j->out);
        } else {
            lt_buf_printf(&j->out, "attainable: %s%.0f to %.0f %s\n", r.exact ? "" : "at least ", r.lo, r.hi, what[i]);
        }
    }
    return LT_OK;
}

/* Counts as published, rounded ones with what they were rounded to; `lathe space check` compares them. */
static void published(struct space_job *j) {
    for (int i = 0; i < lt_space_n_networks(j->sp); i++) {
        const struct lt_space_network *n = lt_space_network(j->sp, i);
        struct lt_buf arch = LT_BUF_INIT;
        struct lt_jw w;
        lt_arch_print(j->sp, &n->arch, &arch);
        if (j->c->json) {
            space_json_begin(&w, &j->out, "published");
            lt_jw_kstr(&w, "name", n->name);
            lt_jw_kstr(&w, "arch", arch.data);
            if (n->macs >= 0) lt_jw_knum(&w, "macs", n->macs);
            if (n->params >= 0) lt_jw_knum(&w, "params", n->params);
            lt_jw_kstr(&w, "convention", lt_cost_convention_at(n->convention)->name);
            lt_jw_kstr(&w, "source", n->source);
            space_json_end(&w, &j->out);
        } else {
            lt_buf_printf(&j->out, "published: %s", n->name);
            if (n->macs >= 0) lt_buf_printf(&j->out, ", %.10g M MACs", n->macs / 1e6);
            if (n->params >= 0) lt_buf_printf(&j->out, ", %.10g M parameters", n->params / 1e6);
            if (n->convention) lt_buf_printf(&j->out, " (%s)", lt_cost_convention_at(n->convention)->name);
            lt_buf_printf(&j->out, ": %s\n  %s\n", n->source, arch.data ? arch.data : "");
        }
        lt_buf_release(&arch);
    }
}

static lt_status drawing(struct space_job *j, const struct lt_arch *a, struct lt_err *e) {
    struct lt_buf svg = LT_BUF_INIT;
    lt_status s = space_svg(j->sp, a, &svg, e);
    if (!s && !(s = lt_buf_ok(&svg, e))) s = lt_file_write_atomic(j->svg, svg.data, svg.len, e);
    lt_buf_release(&svg);
    return s;
}

lt_status space_show(struct space_job *j, struct lt_err *e) {
    struct lt_arch a;
    lt_status s;
    if (j->arch) {
        if ((s = space_arch(j, j->arch, &a, e)) || (s = network(j, &a, "architecture", true, e))) return s;
    } else {
        if (j->c->json)
            genes_json(j);
        else
            genes_text(j);
        if ((s = ranges(j, e))) return s;
        published(j);
        lt_space_smallest(j->sp, &a);
        if ((s = network(j, &a, "smallest", false, e))) return s;
        lt_space_largest(j->sp, &a);
        if ((s = network(j, &a, "largest", false, e))) return s;
    }
    return j->svg ? drawing(j, &a, e) : LT_OK; /* without an architecture: of the largest */
}
