/* A space as an object: loading, genes, counting, hash, features. How its file is read is in space_yaml.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "lathe/file.h"
#include "spaces/space_priv.h"

#ifndef LT_PKGDATADIR
#define LT_PKGDATADIR "/usr/local/share/lathe"
#endif

lt_status lt_space_load(const char *name_or_path, struct lt_space **out, struct lt_err *e) {
    static const char *const folder[] = {"spaces", LT_PKGDATADIR "/spaces"};
    struct lt_yaml *root = NULL;
    size_t len = strlen(name_or_path);
    char *path = NULL;
    lt_status s;

    if (strchr(name_or_path, '/') || (len > 5 && !strcmp(name_or_path + len - 5, ".yaml"))) {
        path = lt_strdup(name_or_path);
    } else {
        for (int i = 0; i < 2; i++) {
            lt_free(path);
            if (!(path = lt_asprintf("%s/%s.yaml", folder[i], name_or_path)) || !access(path, R_OK)) break;
            if (i == 1) {
                s = lt_fail(e, LT_EINVAL, "space '%s': neither %s/%s.yaml nor %s/%s.yaml can be read", name_or_path,
                            folder[0], name_or_path, folder[1], name_or_path);
                goto out;
            }
        }
    }
    if (!path) {
        s = lt_fail(e, LT_ENOMEM, "space '%s': out of memory", name_or_path);
        goto out;
    }
    if ((s = lt_yaml_load(path, &root, e))) goto out;
    s = lt_space_parse_yaml(root, out, e);
out:
    lt_yaml_free(root);
    lt_free(path);
    return s;
}

void lt_space_free(struct lt_space *s) {
    if (s) lt_arena_free(s->arena);
}

void lt_value_print(double v, char buf[32]) { snprintf(buf, 32, "%.6g", v); }

/* ---- genes ---- */

static lt_status add_gene(struct lt_space *s, const char *name, const struct lt_choice *c, int stage, int block,
                          int *gene, struct lt_err *e) {
    const char **label;
    double *value;
    char buf[32];

    *gene = -1;
    if (c->n < 2) return LT_OK;
    if (s->n_genes >= LT_MAX_GENES)
        return lt_fail(e, LT_EINVAL, "%s:%d:%d: '%s' is choice number %d of the space; at most %d are possible",
                       s->file, c->line, c->col, name, s->n_genes + 1, LT_MAX_GENES);
    label = lt_arena_alloc(s->arena, (size_t)c->n * sizeof(*label));
    value = lt_arena_alloc(s->arena, (size_t)c->n * sizeof(*value));
    name = lt_arena_strdup(s->arena, name);
    if (!label || !value || !name) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    for (int i = 0; i < c->n; i++) {
        lt_value_print(c->v[i], buf);
        value[i] = c->v[i];
        if (!(label[i] = lt_arena_strdup(s->arena, buf))) return lt_fail(e, LT_ENOMEM, "%s: out of memory", s->file);
    }
    s->gene[s->n_genes] = (struct lt_gene){name, c->n, label, value};
    s->place[s->n_genes] = (struct lt_gene_place){stage, block};
    s->n_features += c->n;
    *gene = s->n_genes++;
    return LT_OK;
}

static lt_status add_stage_genes(struct lt_space *s, int index, struct lt_err *e) {
    struct lt_stage *t = &s->stage[index];
    char name[LT_NODE_NAME];
    lt_status st;
    int gene;

    snprintf(name, sizeof(name), "%s.channels", t->name);
    if ((st = add_gene(s, name, &t->channels, index, -1, &t->channels.gene, e))) return st;
    snprintf(name, sizeof(name), "%s.depth", t->name);
    if ((st = add_gene(s, name, &t->depth, index, -1, &t->depth.gene, e))) return st;
    t->first_block_gene = s->n_genes;
    for (int f = 0; f < t->n_fields; f++) t->slot[f] = t->field[f].n > 1 ? t->n_block_genes++ : -1;
    for (int b = 0; b < lt_stage_max_depth(t); b++) {
        for (int f = 0; f < t->n_fields; f++) {
            if (t->is_stem)
                snprintf(name, sizeof(name), "%s.%s", t->name, t->block->fields[f].key);
            else
                snprintf(name, sizeof(name), "%s.b%d.%s", t->name, b, t->block->fields[f].key);
            if ((st = add_gene(s, name, &t->field[f], index, b, &gene, e))) return st;
        }
    }
    return LT_OK;
}

static void hash_choice(struct lt_buf *b, const struct lt_choice *c) {
    for (int i = 0; i < c->n; i++) lt_buf_printf(b, "%s%.17g", i ? "," : "", c->v[i]);
    lt_buf_puts(b, ";");
}

/* Of a text that says everything about the space once. */
static lt_status make_hash(struct lt_space *s, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    lt_status st;

    lt_buf_printf(&b, "space 1 %s in %d classes %d divisor %d act %d;", s->name, s->in_channels, s->classes, s->divisor,
                  (int)s->act);
    hash_choice(&b, &s->resolution);
    hash_choice(&b, &s->width);
    for (int i = 0; i < s->n_stages; i++) {
        const struct lt_stage *t = &s->stage[i];

        lt_buf_printf(&b, "stage %s %d %s stride %d;", t->name, t->is_stem, t->block->name, t->stride);
        hash_choice(&b, &t->channels);
        hash_choice(&b, &t->depth);
        for (int f = 0; f < t->n_fields; f++) hash_choice(&b, &t->field[f]);
    }
    if (s->has_head) {
        lt_buf_printf(&b, "head %d;", (int)s->head_act);
        hash_choice(&b, &s->head);
    }
    if (!(st = lt_buf_ok(&b, e))) s->hash = lt_hash64(b.data, b.len, 0);
    lt_buf_release(&b);
    return st;
}

static lt_status check_expands(const struct lt_space *s, const struct lt_arch *a, struct lt_err *e) {
    struct lt_graph *g = NULL;
    lt_status st = lt_space_expand(s, a, &g, e);

    lt_graph_free(g);
    return st;
}

lt_status lt_space_finish(struct lt_space *s, struct lt_err *e) {
    struct lt_arch a;
    lt_status st;

    if ((st = add_gene(s, "resolution", &s->resolution, -1, -1, &s->resolution.gene, e))) return st;
    if ((st = add_gene(s, "width", &s->width, -1, -1, &s->width.gene, e))) return st;
    for (int i = 0; i < s->n_stages; i++) {
        if ((st = add_stage_genes(s, i, e))) return st;
    }
    if (s->has_head && (st = add_gene(s, "head.channels", &s->head, -1, -1, &s->head.gene, e))) return st;
    if ((st = make_hash(s, e))) return st;
    /* Shapes shrink with resolution and grow with everything else: if the extremes are sound, all between are. */
    lt_space_smallest(s, &a);
    if ((st = check_expands(s, &a, e))) return st;
    lt_space_largest(s, &a);
    return check_expands(s, &a, e);
}

/* ---- facts ---- */

const char *lt_space_name(const struct lt_space *s) { return s->name; }
uint64_t lt_space_hash(const struct lt_space *s) { return s->hash; }
int lt_space_n_genes(const struct lt_space *s) { return s->n_genes; }
const struct lt_gene *lt_space_gene(const struct lt_space *s, int i) { return &s->gene[i]; }
int lt_space_classes(const struct lt_space *s) { return s->classes; }
int lt_space_input_channels(const struct lt_space *s) { return s->in_channels; }
int lt_space_resolution(const struct lt_space *s, const struct lt_arch *a) {
    return (int)lt_choice_value(&s->resolution, a);
}
int lt_space_max_resolution(const struct lt_space *s) { return (int)s->resolution.v[s->resolution.n - 1]; }

/* Choices of one block of a stage, all its fields together. */
static double block_choices(const struct lt_stage *t) {
    double k = 1;

    for (int f = 0; f < t->n_fields; f++) k *= t->field[f].n;
    return k;
}

/* The number of canonical archs: for a stage, channels * sum over depths d of (choices of a block)^d, since blocks
 * beyond the depth do not count. */
bool lt_space_count(const struct lt_space *s, unsigned __int128 *out) {
    unsigned __int128 total = 1;

    if (__builtin_mul_overflow(total, (unsigned)(s->resolution.n * s->width.n * (s->has_head ? s->head.n : 1)), &total))
        return false;
    for (int i = 0; i < s->n_stages; i++) {
        const struct lt_stage *t = &s->stage[i];
        unsigned __int128 sum = 0, power;

        for (int d = 0; d < t->depth.n; d++) {
            power = 1;
            for (int b = 0; b < (int)t->depth.v[d]; b++) {
                if (__builtin_mul_overflow(power, (unsigned __int128)block_choices(t), &power)) return false;
            }
            if (__builtin_add_overflow(sum, power, &sum)) return false;
        }
        if (__builtin_mul_overflow(sum, (unsigned)t->channels.n, &sum) || __builtin_mul_overflow(total, sum, &total))
            return false;
    }
    *out = total;
    return true;
}

double lt_space_log10_size(const struct lt_space *s) {
    long double log_total = log10l((long double)s->resolution.n * s->width.n * (s->has_head ? s->head.n : 1));

    for (int i = 0; i < s->n_stages; i++) {
        const struct lt_stage *t = &s->stage[i];
        long double sum = 0;

        for (int d = 0; d < t->depth.n; d++) sum += powl(block_choices(t), t->depth.v[d]);
        log_total += log10l(sum * t->channels.n);
    }
    return (double)log_total;
}

void lt_space_size_text(const struct lt_space *s, struct lt_buf *out) {
    char digits[48];
    unsigned __int128 n;
    int at = (int)sizeof(digits) - 1;
    double lg;

    if (!lt_space_count(s, &n)) {
        lg = lt_space_log10_size(s);
        lt_buf_printf(out, "%.2fe%d", pow(10, lg - floor(lg)), (int)floor(lg));
        return;
    }
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + (int)(n % 10));
    } while (n /= 10);
    lt_buf_puts(out, digits + at);
}

/* ---- features ---- */

int lt_space_n_features(const struct lt_space *s) { return s->n_features; }

void lt_space_features(const struct lt_space *s, const struct lt_arch *a, double *out) {
    for (int i = 0; i < s->n_genes; i++) {
        for (int k = 0; k < s->gene[i].n_choices; k++) *out++ = 0;
        if (lt_space_gene_active(s, a, i)) out[a->g[i] - s->gene[i].n_choices] = 1;
    }
}
