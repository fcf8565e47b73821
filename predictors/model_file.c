/* Room: predictors. Model files; see model_file.h. A file is built in memory and written at once. */
#include "predictors/model_file.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "lathe/file.h"
#include "lathe/mem.h"

enum { VERSION = 1, FIXED = 8 + 4 + 4, CRC = 4, NAME = 48, MAX_SECTIONS = 1000 };
static const char magic[9] = "LATHEPRD";
#define MOST_BYTES ((size_t)2 << 30)

static const struct {
    const char *name;
    size_t size;
} types[LT_N_BLOB_TYPES] = {{"bytes", 1}, {"i32", 4}, {"u64", 8}, {"f32", 4}, {"f64", 8}};

struct section {
    char name[NAME];
    enum lt_blob_type type;
    size_t count, at; /* at: offset in `body` (writer), in the file (reader) */
};

struct sections {
    int n, cap;
    struct section *of;
};

struct lt_blob_writer {
    struct lt_buf json, body;
    struct lt_jw jw;
    struct sections s;
    struct lt_err err; /* the first */
};

struct lt_blob_reader {
    char *path;
    struct lt_buf file;
    struct lt_json *header;
    struct sections s;
};

static struct section *find(const struct sections *s, const char *name) {
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->of[i].name, name)) return &s->of[i];
    return NULL;
}

static struct section *add(struct sections *s, const char *name, enum lt_blob_type t, size_t count) {
    if (s->n == s->cap) {
        int cap = s->cap ? 2 * s->cap : 16;
        struct section *v = lt_realloc(s->of, (size_t)cap * sizeof(*v));
        if (!v) return NULL;
        s->of = v;
        s->cap = cap;
    }
    struct section *x = &s->of[s->n++];
    *x = (struct section){.type = t, .count = count};
    snprintf(x->name, sizeof(x->name), "%s", name);
    return x;
}

/* The file's byte order is little-endian; `size` bytes are turned around on machines of the other order. */
static void put_le(struct lt_buf *b, const void *v, size_t size, size_t n) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    const unsigned char *p = v;
    for (size_t i = 0; i < n; i++)
        for (size_t k = size; k-- > 0;) lt_buf_add(b, p + i * size + k, 1);
#else
    lt_buf_add(b, v, size * n);
#endif
}

static void get_le(void *out, const char *from, size_t size, size_t n) {
    if (n) memcpy(out, from, size * n);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    unsigned char *p = out;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < size / 2; k++) {
            unsigned char t = p[i * size + k];
            p[i * size + k] = p[i * size + size - 1 - k];
            p[i * size + size - 1 - k] = t;
        }
#endif
}

static uint32_t get_u32(const char *from) {
    uint32_t v;
    get_le(&v, from, sizeof(v), 1);
    return v;
}

lt_status lt_blob_writer_new(struct lt_blob_writer **out, struct lt_err *e) {
    struct lt_blob_writer *w = lt_calloc(1, sizeof(*w));
    if (!w) return lt_fail(e, LT_ENOMEM, "model file: out of memory");
    lt_jw_init(&w->jw, &w->json);
    lt_jw_obj(&w->jw);
    *out = w;
    return LT_OK;
}

void lt_blob_writer_free(struct lt_blob_writer *w) {
    if (!w) return;
    lt_buf_release(&w->json);
    lt_buf_release(&w->body);
    lt_free(w->s.of);
    lt_free(w);
}

struct lt_jw *lt_blob_header(struct lt_blob_writer *w) {
    return &w->jw;
}

void lt_blob_put(struct lt_blob_writer *w, const char *name, enum lt_blob_type t, const void *v, size_t n) {
    struct section *x;
    if (w->err.status) return;
    if (strlen(name) >= NAME || find(&w->s, name)) LT_BUG("model file: section '%s' twice, or its name too long", name);
    if ((n && !v) || !(x = add(&w->s, name, t, n))) {
        lt_fail(&w->err, LT_ENOMEM, "model file: out of memory");
        return;
    }
    x->at = w->body.len;
    if (n) put_le(&w->body, v, types[t].size, n);
}

void lt_blob_put_num(struct lt_blob_writer *w, const char *name, double v) { lt_blob_put(w, name, LT_BLOB_F64, &v, 1); }

void lt_blob_note(struct lt_blob_writer *w, const char *key, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    lt_jw_kstr(&w->jw, key, text);
}

lt_status lt_blob_write(struct lt_blob_writer *w, const char *path, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    uint32_t version = VERSION, length, crc;
    lt_status s;

    lt_jw_key(&w->jw, "sections");
    lt_jw_arr(&w->jw);
    for (int i = 0; i < w->s.n; i++) {
        lt_jw_obj(&w->jw);
        lt_jw_kstr(&w->jw, "name", w->s.of[i].name);
        lt_jw_kstr(&w->jw, "type", types[w->s.of[i].type].name);
        lt_jw_kint(&w->jw, "count", (int64_t)w->s.of[i].count);
        lt_jw_obj_end(&w->jw);
    }
    lt_jw_arr_end(&w->jw);
    lt_jw_obj_end(&w->jw);
    lt_buf_puts(&w->json, "\n");
    if (w->err.status) {
        if (e) *e = w->err;
        return w->err.status;
    }
    length = (uint32_t)w->json.len;
    lt_buf_add(&b, magic, 8);
    put_le(&b, &version, 4, 1);
    put_le(&b, &length, 4, 1);
    lt_buf_add(&b, w->json.data, w->json.len);
    if (w->body.len) lt_buf_add(&b, w->body.data, w->body.len);
    if ((s = lt_buf_ok(&w->json, e)) || (s = lt_buf_ok(&w->body, e)) || (s = lt_buf_ok(&b, e))) goto out;
    crc = lt_crc32(0, b.data, b.len);
    put_le(&b, &crc, 4, 1);
    if (!(s = lt_buf_ok(&b, e))) s = lt_file_write_atomic(path, b.data, b.len, e);
out:
    lt_buf_release(&b);
    return s;
}

/* The table of sections, as the header lists them, fitted to the file's length. */
static lt_status read_sections(struct lt_blob_reader *r, size_t at, struct lt_err *e) {
    const struct lt_json *list = lt_json_get(r->header, "sections");
    size_t end = r->file.len - CRC;

    if (!list || list->kind != LT_JSON_ARR || list->n > MAX_SECTIONS)
        return lt_fail(e, LT_EIO, "%s: its header has no list of sections", r->path);
    for (int i = 0; i < list->n; i++) {
        const char *name, *type;
        double count;
        int t = 0;
        struct section *x;
        if (lt_json_str(list->child[i], "name", &name, NULL) || lt_json_str(list->child[i], "type", &type, NULL) ||
            lt_json_num(list->child[i], "count", &count, NULL) || strlen(name) >= NAME || find(&r->s, name))
            return lt_fail(e, LT_EIO, "%s: its header's section %d is not a section", r->path, i);
        while (t < LT_N_BLOB_TYPES && strcmp(types[t].name, type)) t++;
        if (t == LT_N_BLOB_TYPES || !(count >= 0) || count > (double)((end - at) / types[t].size) ||
            count != floor(count))
            return lt_fail(e, LT_EIO, "%s: section '%s' (%g values of type '%s') does not fit into the file", r->path,
                           name, count, type);
        if (!(x = add(&r->s, name, (enum lt_blob_type)t, (size_t)count)))
            return lt_fail(e, LT_ENOMEM, "%s: out of memory", r->path);
        x->at = at;
        at += x->count * types[t].size;
    }
    if (at != end) return lt_fail(e, LT_EIO, "%s: %zu bytes more than its sections have", r->path, end - at);
    return LT_OK;
}

static lt_status check_frame(const struct lt_blob_reader *r, uint32_t *length, struct lt_err *e) {
    const struct lt_buf *b = &r->file;
    uint32_t version;

    if (b->len < 8 || memcmp(b->data, magic, 8))
        return lt_fail(e, LT_EIO, "%s: not a predictor's model file: it does not begin with %s", r->path, magic);
    if (b->len < FIXED + CRC) return lt_fail(e, LT_EIO, "%s: torn: %zu bytes only", r->path, b->len);
    version = get_u32(b->data + 8);
    if (version > VERSION && version < 1000)
        return lt_fail(e, LT_EIO, "%s: version %u of the format, written by a newer lathe; this one reads version %d",
                       r->path, version, VERSION);
    if (get_u32(b->data + b->len - CRC) != lt_crc32(0, b->data, b->len - CRC))
        return lt_fail(e, LT_EIO, "%s: torn or damaged: the checksum of its %zu bytes does not match", r->path, b->len);
    *length = get_u32(b->data + 12);
    if (version != VERSION || *length > b->len - FIXED - CRC)
        return lt_fail(e, LT_EIO, "%s: version %u, header of %u bytes in a file of %zu: not a model file", r->path,
                       version, *length, b->len);
    return LT_OK;
}

lt_status lt_blob_read(const char *path, struct lt_blob_reader **out, struct lt_err *e) {
    struct lt_blob_reader *r = lt_calloc(1, sizeof(*r));
    uint32_t length = 0;
    lt_status s;

    if (!r || !(r->path = lt_strdup(path))) {
        s = lt_fail(e, LT_ENOMEM, "%s: out of memory", path);
        goto out;
    }
    if ((s = lt_file_read(path, MOST_BYTES, &r->file, e)) || (s = check_frame(r, &length, e))) goto out;
    if ((s = lt_json_parse(path, r->file.data + FIXED, length, &r->header, e))) {
        if (s == LT_EINVAL) s = LT_EIO;
        if (e) e->status = s;
        goto out;
    }
    if (r->header->kind != LT_JSON_OBJ) {
        s = lt_fail(e, LT_EIO, "%s: its header is not a JSON object", path);
        goto out;
    }
    if ((s = read_sections(r, FIXED + length, e))) goto out;
    *out = r;
    r = NULL;
out:
    lt_blob_reader_free(r);
    return s;
}

void lt_blob_reader_free(struct lt_blob_reader *r) {
    if (!r) return;
    lt_json_free(r->header);
    lt_buf_release(&r->file);
    lt_free(r->s.of);
    lt_free(r->path);
    lt_free(r);
}

const struct lt_json *lt_blob_read_header(const struct lt_blob_reader *r) { return r->header; }
const char *lt_blob_path(const struct lt_blob_reader *r) { return r->path; }
bool lt_blob_has(const struct lt_blob_reader *r, const char *name) { return find(&r->s, name) != NULL; }

size_t lt_blob_count(const struct lt_blob_reader *r, const char *name) {
    const struct section *x = find(&r->s, name);
    return x ? x->count : 0;
}

lt_status lt_blob_bad(const struct lt_blob_reader *r, const char *name, struct lt_err *e, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return lt_fail(e, LT_EIO, "%s: section '%s': %s", r->path, name, text);
}

static lt_status locate(const struct lt_blob_reader *r, const char *name, enum lt_blob_type t,
                        const struct section **out, struct lt_err *e) {
    const struct section *x = find(&r->s, name);
    if (!x) return lt_blob_bad(r, name, e, "is not there");
    if (x->type != t) return lt_blob_bad(r, name, e, "holds %s, not %s", types[x->type].name, types[t].name);
    *out = x;
    return LT_OK;
}

lt_status lt_blob_get(const struct lt_blob_reader *r, const char *name, enum lt_blob_type t, void *out, size_t n,
                      struct lt_err *e) {
    const struct section *x;
    lt_status s = locate(r, name, t, &x, e);
    if (s) return s;
    if (x->count != n) return lt_blob_bad(r, name, e, "%zu values where %zu are needed", x->count, n);
    get_le(out, r->file.data + x->at, types[t].size, n);
    return LT_OK;
}

lt_status lt_blob_get_num(const struct lt_blob_reader *r, const char *name, double *out, struct lt_err *e) {
    return lt_blob_get(r, name, LT_BLOB_F64, out, 1, e);
}

lt_status lt_blob_get_finite(const struct lt_blob_reader *r, const char *name, double *out, size_t n,
                             struct lt_err *e) {
    lt_status s = lt_blob_get(r, name, LT_BLOB_F64, out, n, e);
    for (size_t i = 0; i < n && !s; i++)
        if (!isfinite(out[i])) s = lt_blob_bad(r, name, e, "value %zu is not a finite number", i);
    return s;
}

lt_status lt_blob_get_new(const struct lt_blob_reader *r, const char *name, enum lt_blob_type t, void **out, size_t *n,
                          struct lt_err *e) {
    const struct section *x;
    void *v;
    lt_status s = locate(r, name, t, &x, e);
    if (s) return s;
    if (!(v = lt_malloc((x->count ? x->count : 1) * types[t].size)))
        return lt_fail(e, LT_ENOMEM, "%s: out of memory", r->path);
    get_le(v, r->file.data + x->at, types[t].size, x->count);
    *out = v;
    *n = x->count;
    return LT_OK;
}
