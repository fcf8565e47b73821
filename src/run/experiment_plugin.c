/* Room: run. Sections of an experiment that name a plug-in; see experiment_priv.h. */
#include "run/experiment_priv.h"
#include "run/yaml_edit.h"
#include "lathe/device.h"
#include "lathe/mem.h"
#include "lathe/predictor.h"

#include <string.h>

bool lt_opts_have(const struct lt_opt *t, const char *key) {
    for (; t && t->key; t++)
        if (!strcmp(t->key, key)) return true;
    return false;
}

static void device_at(int i, const char **name, const struct lt_opt **opts, size_t *size) {
    const struct lt_device_ops *o = lt_device_ops_at(i);
    *name = o->name;
    *opts = o->opts;
    *size = o->state_size;
}

static void predictor_at(int i, const char **name, const struct lt_opt **opts, size_t *size) {
    const struct lt_predictor_ops *o = lt_predictor_at(i);
    *name = o->name;
    *opts = o->opts;
    *size = o->cfg_size;
}

static void searcher_at(int i, const char **name, const struct lt_opt **opts, size_t *size) {
    const struct lt_searcher_ops *o = lt_searcher_at(i);
    *name = o->name;
    *opts = o->opts;
    *size = o->cfg_size;
}

static void evaluator_at(int i, const char **name, const struct lt_opt **opts, size_t *size) {
    static const struct lt_opt none[] = {{0}};
    const struct lt_evaluator_ops *o = lt_evaluator_at(i);
    *name = o->name;
    *opts = o->opts ? o->opts : none;
    *size = o->cfg_size;
}

const struct lt_plugin_kind lt_plugin_evaluator = {"evaluator", lt_evaluator_count, evaluator_at};
const struct lt_plugin_kind lt_plugin_device = {"device", lt_device_count, device_at};
const struct lt_plugin_kind lt_plugin_predictor = {"predictor", lt_predictor_count, predictor_at};
const struct lt_plugin_kind lt_plugin_searcher = {"search", lt_searcher_count, searcher_at};

void lt_experiment_put_section(struct lt_buf *b, const char *key, const char *first, const char *second,
                               const char *flow) {
    const char *rest = flow ? flow : "{}";
    lt_buf_printf(b, "%s: {%s", key, first ? first : "");
    bool any = first && *first;
    const char *more[2] = {second, rest};
    for (int i = 0; i < 2; i++) {
        size_t len = more[i] ? strlen(more[i]) : 0;
        if (len <= 2) continue; /* "{}" */
        if (any) lt_buf_puts(b, ", ");
        lt_buf_add(b, more[i] + 1, len - 2);
        any = true;
    }
    lt_buf_puts(b, "}\n");
}

void lt_experiment_trim(struct lt_buf *b) {
    while (b->len && (b->data[b->len - 1] == '\n' || b->data[b->len - 1] == ' ')) b->data[--b->len] = 0;
}

lt_status lt_experiment_plugin(struct lt_experiment *x, const struct lt_plugin_kind *k, const char *const *ours,
                               const struct lt_opt *our_opts, void *our_cfg, const struct lt_yaml **out,
                               struct lt_buf *resolved, struct lt_err *e) {
    static const char *const name_key[] = {"name", NULL};
    const struct lt_yaml *n = lt_experiment_section(x, k->section), *name, *map, *own = NULL;
    const struct lt_opt *opts = NULL;
    const char *names[64];
    size_t size = 0;
    void *cfg = NULL;
    struct lt_buf a = LT_BUF_INIT, b = LT_BUF_INIT, first = LT_BUF_INIT;
    int n_names = 0, found = -1;
    lt_status s;
    k->at(0, &names[0], &opts, &size);
    lt_buf_printf(&first, "{name: %s}", names[0]);
    if (!n && (s = lt_yaml_edit_parse(x->doc, k->section, first.data, &n, e))) goto out;
    if ((s = lt_yaml_expect(n, LT_YAML_MAP, e))) goto out;
    if (!(name = lt_yaml_get(n, "name"))) {
        s = lt_yaml_fail(e, n, "needs a name, as in '%s'", first.data);
        goto out;
    }
    if ((s = lt_yaml_expect(name, LT_YAML_SCALAR, e))) goto out;
    opts = NULL;
    for (int i = 0; i < k->count() && n_names < 63; i++) {
        const struct lt_opt *o;
        size_t z;
        k->at(i, &names[n_names], &o, &z);
        if (!strcmp(names[n_names], name->text)) {
            found = i;
            opts = o;
            size = z;
        }
        n_names++;
    }
    names[n_names] = NULL;
    if (found < 0) {
        for (int i = 0; i < n_names; i++) lt_buf_printf(&a, "%s%s", i ? ", " : "", names[i]);
        const char *near = lt_nearest(name->text, names);
        s = near ? lt_yaml_fail(e, name, "%s '%s' is not known; did you mean '%s'? known: %s", k->section, name->text,
                                near, a.data)
                 : lt_yaml_fail(e, name, "%s '%s' is not known; known: %s", k->section, name->text,
                                a.data ? a.data : "none");
        goto out;
    }
    map = n;
    if (ours && (s = lt_yaml_edit_without(x->doc, n, ours, &map, e))) goto out;
    /* check the plug-in's keys; a typo of one of ours is reported with the plug-in's nearest key, so ours are looked at
     * first */
    for (int i = 0; i < map->n; i++) {
        const char *key = map->child[i]->key;
        if (!strcmp(key, "name") || lt_opts_have(opts, key)) continue;
        const char *known[64] = {"name"};
        int m = 1;
        for (const struct lt_opt *t = opts; t && t->key && m < 60; t++) known[m++] = t->key;
        for (int j = 0; ours && ours[j] && m < 62; j++) known[m++] = ours[j];
        known[m] = NULL;
        s = lt_yaml_known(n, known, e);
        goto out;
    }
    if (our_opts) {
        const char *skip[64] = {"name"};
        int m = 1;
        for (const struct lt_opt *t = opts; t && t->key && m < 60; t++) skip[m++] = t->key;
        skip[m] = NULL;
        if ((s = lt_opts_read(our_opts, n, skip, our_cfg, e))) goto out;
        lt_opts_emit(our_opts, our_cfg, &a);
    }
    if (opts) {
        if (!(cfg = lt_calloc(1, size ? size : 1))) {
            s = lt_fail(e, LT_ENOMEM, "%s", k->section);
            goto out;
        }
        if ((s = lt_opts_read(opts, map, name_key, cfg, e))) goto out;
        lt_opts_emit(opts, cfg, &b);
    } else if ((s = lt_yaml_edit_without(x->doc, map, name_key, &own, e)) || (s = lt_yaml_known(own, name_key, e))) {
        goto out;
    }
    lt_buf_clear(&first);
    lt_buf_printf(&first, "name: %s", name->text);
    lt_experiment_trim(&a);
    lt_experiment_trim(&b);
    lt_experiment_put_section(resolved, k->section, first.data, a.data, b.data);
    if ((s = lt_buf_ok(&a, e)) || (s = lt_buf_ok(&b, e)) || (s = lt_buf_ok(&first, e))) goto out;
    *out = map;
out:
    if (cfg) lt_opts_release(opts, cfg);
    lt_free(cfg);
    lt_buf_release(&first);
    lt_buf_release(&b);
    lt_buf_release(&a);
    return s;
}
