/* Room: predictors. A predictor in a file and back; docs/formats/predictor-model.md. */
#include <stdio.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/model_file.h"
#include "predictors/predictor_priv.h"

static lt_status write_header(const struct lt_predictor *p, struct lt_jw *w, const char *command, struct lt_err *e) {
    struct lt_buf config = LT_BUF_INIT;
    char hash[20];
    lt_status s;

    lt_opts_emit(p->ops->opts, p->cfg, &config);
    if ((s = lt_buf_ok(&config, e))) goto out;
    snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)lt_space_hash(p->space));
    lt_jw_kint(w, "schema", 1);
    lt_jw_kstr(w, "kind", "latency predictor");
    lt_jw_kstr(w, "method", p->ops->name);
    lt_jw_kstr(w, "source", p->ops->source);
    lt_jw_kstr(w, "config", config.data ? config.data : "{}");
    lt_jw_kstr(w, "space", lt_space_name(p->space));
    lt_jw_kstr(w, "space_hash", hash);
    snprintf(hash, sizeof(hash), "%llu", (unsigned long long)p->seed);
    lt_jw_kstr(w, "seed", hash); /* a text: 64 bits are more than a JSON number holds */
    lt_jw_kstr(w, "command", command);
    lt_jw_kbool(w, "trained", p->has_meta);
    lt_jw_kbool(w, "fitted", p->fitted);
    lt_jw_kint(w, "measured", p->n_measured);
    lt_jw_key(w, "devices");
    lt_jw_arr(w);
    for (int i = 0; i < p->n_devices; i++) lt_jw_str(w, p->device[i]);
    lt_jw_arr_end(w);
out:
    lt_buf_release(&config);
    return s;
}

lt_status lt_predictor_save(const struct lt_predictor *p, const char *path, const char *command, struct lt_err *e) {
    struct lt_blob_writer *w = NULL;
    lt_status s;

    if (!p->ops->save || !p->ops->load)
        return lt_fail(e, LT_EUNAVAIL, "predictor '%s' cannot be kept in a file", p->ops->name);
    if ((s = lt_blob_writer_new(&w, e)) || (s = write_header(p, lt_blob_header(w), command, e))) goto out;
    lt_blob_put(w, "seen.trained", LT_BLOB_U64, p->meta_hash, (size_t)p->n_meta_hash);
    lt_blob_put(w, "seen.fitted", LT_BLOB_U64, p->fit_hash, (size_t)p->n_fit_hash);
    if (!(s = p->ops->save(p->self, w, e))) s = lt_blob_write(w, path, e);
out:
    lt_blob_writer_free(w);
    return s;
}

static lt_status flag(const struct lt_json *h, const char *path, const char *key, bool *out, struct lt_err *e) {
    const struct lt_json *v = lt_json_get(h, key);

    if (!v || v->kind != LT_JSON_BOOL) return lt_fail(e, LT_EIO, "%s: its header has no '%s'", path, key);
    *out = v->b;
    return LT_OK;
}

struct header {
    const char *method, *config, *space;
    uint64_t space_hash, seed;
    bool trained, fitted;
    double measured;
    const struct lt_json *devices;
};

static lt_status read_header(const struct lt_blob_reader *r, struct header *o, struct lt_err *e) {
    const struct lt_json *h = lt_blob_read_header(r);
    const char *path = lt_blob_path(r), *kind, *hash, *seed;
    unsigned long long v;
    char end;
    lt_status s;

    if (lt_json_str(h, "kind", &kind, NULL) || strcmp(kind, "latency predictor"))
        return lt_fail(e, LT_EIO, "%s: not a latency predictor", path);
    if (lt_json_str(h, "method", &o->method, NULL) || lt_json_str(h, "config", &o->config, NULL) ||
        lt_json_str(h, "space", &o->space, NULL) || lt_json_str(h, "space_hash", &hash, NULL) ||
        lt_json_str(h, "seed", &seed, NULL) || lt_json_num(h, "measured", &o->measured, NULL) ||
        !(o->measured >= 0 && o->measured <= 2e9))
        return lt_fail(e, LT_EIO, "%s: its header lacks the method, its configuration, the space or the seed", path);
    if (sscanf(hash, "%llx%c", &v, &end) != 1)
        return lt_fail(e, LT_EIO, "%s: its header's space_hash '%s' is not a number", path, hash);
    o->space_hash = v;
    if (sscanf(seed, "%llu%c", &v, &end) != 1)
        return lt_fail(e, LT_EIO, "%s: its header's seed '%s' is not a number", path, seed);
    o->seed = v;
    if ((s = flag(h, path, "trained", &o->trained, e)) || (s = flag(h, path, "fitted", &o->fitted, e))) return s;
    o->devices = lt_json_get(h, "devices");
    if (!o->devices || o->devices->kind != LT_JSON_ARR || o->devices->n > 10000)
        return lt_fail(e, LT_EIO, "%s: its header has no list of devices", path);
    for (int i = 0; i < o->devices->n; i++)
        if (o->devices->child[i]->kind != LT_JSON_STR)
            return lt_fail(e, LT_EIO, "%s: its header's device %d is not a name", path, i);
    return LT_OK;
}

static lt_status read_hashes(const struct lt_blob_reader *r, const char *name, uint64_t **out, int *n_out,
                             struct lt_err *e) {
    size_t n;
    void *v;
    lt_status s = lt_blob_get_new(r, name, LT_BLOB_U64, &v, &n, e);

    if (s) return s;
    if (n > 1u << 30) {
        lt_free(v);
        return lt_blob_bad(r, name, e, "%zu architectures are too many", n);
    }
    *out = v;
    *n_out = (int)n;
    return LT_OK;
}

static lt_status open_as(const struct header *h, const char *path, const struct lt_space *space,
                         struct lt_predictor **out, struct lt_err *e) {
    const struct lt_predictor_ops *ops = lt_predictor_named(h->method);
    struct lt_yaml *cfg = NULL;
    lt_status s;

    if (!ops || !ops->load)
        return lt_fail(e, LT_EUNAVAIL, "%s: a model of method '%s', which this build does not have", path, h->method);
    if (strcmp(h->space, lt_space_name(space)) || h->space_hash != lt_space_hash(space))
        return lt_fail(e, LT_EINVAL, "%s: a model of space '%s' (hash %016llx), not of space '%s' (hash %016llx)", path,
                       h->space, (unsigned long long)h->space_hash, lt_space_name(space),
                       (unsigned long long)lt_space_hash(space));
    if ((s = lt_yaml_parse(path, h->config, strlen(h->config), &cfg, e)) ||
        (s = lt_predictor_open_kind(ops, cfg, NULL, space, h->seed, out, e))) {
        if (s == LT_EINVAL) {
            s = LT_EIO; /* nobody typed it */
            if (e) e->status = s;
        }
    }
    lt_yaml_free(cfg);
    return s;
}

static lt_status read_devices(struct lt_predictor *p, const struct lt_json *list, struct lt_err *e) {
    if (!(p->device = lt_calloc((size_t)list->n + 1, sizeof(*p->device))))
        return lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", p->ops->name);
    for (; p->n_devices < list->n; p->n_devices++)
        if (!(p->device[p->n_devices] = lt_strdup(list->child[p->n_devices]->str)))
            return lt_fail(e, LT_ENOMEM, "predictor '%s': out of memory", p->ops->name);
    return LT_OK;
}

lt_status lt_predictor_load(const char *path, const struct lt_space *space, struct lt_predictor **out,
                            struct lt_err *e) {
    struct lt_blob_reader *r = NULL;
    struct lt_space *own = NULL;
    struct lt_predictor *p = NULL;
    struct header h;
    lt_status s;

    if ((s = lt_blob_read(path, &r, e)) || (s = read_header(r, &h, e))) goto out;
    if (!space) {
        if ((s = lt_space_load(h.space, &own, e))) goto out;
        space = own;
    }
    if ((s = open_as(&h, path, space, &p, e))) goto out;
    p->own_space = own;
    own = NULL;
    if ((s = read_devices(p, h.devices, e)) ||
        (s = read_hashes(r, "seen.trained", &p->meta_hash, &p->n_meta_hash, e)) ||
        (s = read_hashes(r, "seen.fitted", &p->fit_hash, &p->n_fit_hash, e)) || (s = lt_predictor_join_seen(p, e)) ||
        (s = p->ops->load(p->self, r, e)))
        goto out;
    p->has_meta = h.trained;
    p->fitted = h.fitted;
    p->n_measured = (int)h.measured;
    *out = p;
    p = NULL;
out:
    lt_predictor_close(p);
    lt_space_free(own);
    lt_blob_reader_free(r);
    return s;
}
