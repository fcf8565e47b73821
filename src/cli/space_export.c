/*
 * Room: cli. `lathe space export`: one network as ONNX, with random weights (for measuring and comparing) or with
 * given ones, and on request a few inputs with the logits that this program computes, to verify the file elsewhere.
 */
#include "cli/space_cmd.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/onnx.h"
#include "lathe/rng.h"
#include "lathe/runtime.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_SAMPLES = 2 };

/* ---- weights ---- */

/* The last layer of each residual branch: its output, normalised or not, is added to something. */
static bool ends_branch(const struct lt_graph *g, int node) {
    for (int i = node + 1; i < g->n_nodes; i++) {
        for (int k = 0; k < g->node[i].n_in; k++) {
            if (g->node[i].in[k] != node) continue;
            if (g->node[i].op == LT_OP_ADD) return true;
            if (g->node[i].op == LT_OP_BN) return ends_branch(g, i);
        }
    }
    return false;
}

/* He et al., ICCV 2015 for what multiplies, a fifth of it where a residual branch ends (Fixup, Zhang et al., ICLR 2019:
 * else a sum of many branches grows until softmax only picks its largest entry); statistics and affine parameters near
 * the neutral ones, so that activations keep their size through any depth and no two channels are alike. */
static void fill_random(const struct lt_graph *g, struct lt_weights *w, int64_t seed) {
    for (int i = 0; i < g->n_params; i++) {
        const struct lt_param *p = &g->param[i];
        int64_t fan_in = p->n_dims > 1 ? p->count / p->dim[0] : 1;
        double sd = p->role == LT_PARAM_WEIGHT ? sqrt(2.0 / (double)fan_in) : 0.1;
        if (p->role == LT_PARAM_WEIGHT && ends_branch(g, p->node)) sd *= 0.2;
        double mean = p->role == LT_PARAM_GAMMA || p->role == LT_PARAM_VAR ? 1 : 0;
        struct lt_rng r;
        lt_rng_at(&r, (uint64_t)seed, LT_RNG_INIT, 0, (uint64_t)i);
        for (int64_t k = 0; k < p->count; k++) {
            double v = mean + sd * lt_rng_normal(&r);
            w->data[i][k] = (float)(p->role == LT_PARAM_VAR && v < 0.5 ? 0.5 : v);
        }
    }
}

/* Text between `key` and the next ',' or '}' or ')' of a .npy header; NULL when there is none. */
static const char *npy_field(const char *header, const char *key) {
    const char *at = strstr(header, key);
    return at ? at + strlen(key) + strspn(at + strlen(key), ": ") : NULL;
}

/* A NumPy array file of little-endian float32 in C order, as numpy.save writes it (format versions 1 to 3). */
static lt_status read_npy(const char *path, const struct lt_param *p, float *out, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    char *header = NULL;
    size_t start, bytes = (size_t)p->count * sizeof(float);
    const char *field;
    int64_t count = 1;
    lt_status s = lt_file_read(path, (size_t)16 << 30, &b, e);
    if (s) goto out;
    if (b.len < 12 || memcmp(b.data, "\x93NUMPY", 6)) {
        s = lt_fail(e, LT_EIO, "%s: not a NumPy array file", path);
        goto out;
    }
    const unsigned char *u = (const unsigned char *)b.data;
    start = u[6] == 1 ? 10 + (size_t)(u[8] | u[9] << 8)
                      : 12 + ((size_t)u[8] | (size_t)u[9] << 8 | (size_t)u[10] << 16 | (size_t)u[11] << 24);
    if (start > b.len) {
        s = lt_fail(e, LT_EIO, "%s: torn: %zu bytes, and its header alone has %zu", path, b.len, start);
        goto out;
    }
    if (!(header = lt_malloc(start + 1))) {
        s = lt_fail(e, LT_ENOMEM, "%s", path);
        goto out;
    }
    memcpy(header, b.data, start);
    for (size_t i = 0; i < 12 && i < start; i++) header[i] = ' ';
    header[start] = 0;
    if (!strstr(header, "'<f4'") || !(field = npy_field(header, "'fortran_order'")) || strncmp(field, "False", 5)) {
        s = lt_fail(e, LT_EINVAL, "%s: must hold little-endian float32 ('<f4') in C order", path);
        goto out;
    }
    if ((field = npy_field(header, "'shape'")) && *field == '(') {
        for (field++; *field && *field != ')';) {
            char *end;
            long long d = strtoll(field, &end, 10);
            if (end == field || d < 1 || d > p->count) {
                count = -1;
                break;
            }
            count = count <= p->count ? count * d : count;
            field = end + strspn(end, ", ");
        }
    }
    if (!field || count != p->count || b.len - start != bytes) {
        s = lt_fail(e, LT_EINVAL, "%s: %s has %lld values; the file has %lld and %zu bytes of them", path, p->name,
                    (long long)p->count, (long long)count, b.len - start);
        goto out;
    }
    memcpy(out, b.data + start, bytes);
out:
    lt_free(header);
    lt_buf_release(&b);
    return s;
}

static lt_status fill_given(const char *dir, const struct lt_graph *g, struct lt_weights *w, struct lt_err *e) {
    for (int i = 0; i < g->n_params; i++) {
        char *name = lt_asprintf("%s.npy", g->param[i].name);
        char *path = name ? lt_path_join(dir, name) : NULL;
        lt_status s = path ? read_npy(path, &g->param[i], w->data[i], e) : lt_fail(e, LT_ENOMEM, "%s", dir);
        lt_free(path);
        lt_free(name);
        if (s) return s;
    }
    return LT_OK;
}

/* ---- the inputs and logits to verify with ---- */

static lt_status run(const struct space_job *j, const struct lt_graph *folded, const struct lt_weights *w,
                     const float *x, float *logits, struct lt_err *e) {
    struct lt_backend *b = NULL;
    struct lt_session *session = NULL;
    lt_status s;
    (void)j;
    if ((s = lt_backend_open("auto", &b, e))) return s;
    if (!(s = lt_session_new(b, folded, &(struct lt_session_opt){.kind = LT_SESSION_INFER, .batch = N_SAMPLES},
                             &session, e)) &&
        !(s = lt_session_weights(session, w, e)))
        s = lt_session_forward(session, x, N_SAMPLES, LT_BN_RUNNING, logits, e);
    lt_session_free(session);
    lt_backend_close(b);
    return s;
}

/* Token numbers where the network begins with an embedding, else normal values. */
static void fill_input(const struct lt_graph *g, int64_t seed, float *x, int64_t n) {
    int64_t vocab = 0;
    struct lt_rng r;
    for (int i = 0; i < g->n_nodes; i++) {
        if (g->node[i].op == LT_OP_EMBED) vocab = g->param[g->node[i].param[0]].dim[0];
    }
    lt_rng_at(&r, (uint64_t)seed, LT_RNG_INIT, 1, 0);
    for (int64_t i = 0; i < n; i++) x[i] = vocab ? (float)lt_rng_below(&r, (uint32_t)vocab) : (float)lt_rng_normal(&r);
}

static lt_status write_sample(const struct space_job *j, const struct lt_graph *folded, const struct lt_weights *w,
                              struct lt_err *e) {
    int64_t in = N_SAMPLES * lt_shape_count(&folded->node[0].out);
    int64_t out = N_SAMPLES * lt_shape_count(&folded->node[folded->output].out);
    float *x = lt_malloc((size_t)(in + out) * sizeof(*x));
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw jw;
    lt_status s;
    if (!x) return lt_fail(e, LT_ENOMEM, "%s", j->sample_file);
    fill_input(folded, j->seed, x, in);
    if (!(s = run(j, folded, w, x, x + in, e))) {
        space_json_begin(&jw, &b, "sample");
        lt_jw_key(&jw, "shape");
        lt_jw_arr(&jw);
        lt_jw_int(&jw, N_SAMPLES);
        for (int i = 1; i < 4; i++) lt_jw_int(&jw, folded->node[0].out.d[i]);
        lt_jw_arr_end(&jw);
        lt_jw_key(&jw, "input");
        lt_jw_arr(&jw);
        for (int64_t i = 0; i < in; i++) lt_jw_num(&jw, x[i]);
        lt_jw_arr_end(&jw);
        lt_jw_key(&jw, "logits");
        lt_jw_arr(&jw);
        for (int64_t i = 0; i < out; i++) lt_jw_num(&jw, x[in + i]);
        lt_jw_arr_end(&jw);
        space_json_end(&jw, &b);
        if (!(s = lt_buf_ok(&b, e))) s = lt_file_write_atomic(j->sample_file, b.data, b.len, e);
    }
    lt_buf_release(&b);
    lt_free(x);
    return s;
}

/* ---- the command ---- */

static void report(struct space_job *j, const struct lt_graph *g, const struct lt_graph *folded, size_t bytes) {
    struct lt_cost cost;
    struct lt_jw w;
    lt_graph_cost(g, NULL, &cost);
    int64_t values = 0;
    for (int i = 0; i < folded->n_params; i++) values += folded->param[i].count;
    if (j->c->json) {
        space_json_begin(&w, &j->out, "export");
        lt_jw_kstr(&w, "file", j->file);
        lt_jw_kstr(&w, "arch", g->name);
        lt_jw_kint(&w, "macs", cost.macs);
        lt_jw_kint(&w, "params", cost.params);
        lt_jw_kint(&w, "values", values);
        lt_jw_kint(&w, "bytes", (int64_t)bytes);
        space_json_end(&w, &j->out);
        return;
    }
    lt_buf_printf(&j->out, "%s: %zu bytes, %lld MACs, %lld parameters (%lld values after folding batch norm)\n  %s\n",
                  j->file, bytes, (long long)cost.macs, (long long)cost.params, (long long)values, g->name);
}

lt_status space_export(struct space_job *j, struct lt_err *e) {
    struct lt_graph *g = NULL, *folded = NULL;
    struct lt_weights *w = NULL, *fw = NULL;
    struct lt_buf model = LT_BUF_INIT, note = LT_BUF_INIT;
    struct lt_arch a;
    lt_status s;
    if (!j->file) return cli_usage(e, j->c, "export needs -o FILE");
    if ((s = space_arch(j, j->arch, &a, e)) || (s = lt_space_expand(j->sp, &a, &g, e)) ||
        (s = lt_weights_new(g, &w, e)))
        goto out;
    if (j->weights) {
        if ((s = fill_given(j->weights, g, w, e))) goto out;
        lt_buf_printf(&note, "lathe space export; weights of %s", j->weights);
    } else {
        fill_random(g, w, j->seed);
        lt_buf_printf(&note, "lathe space export; random weights, seed %lld", (long long)j->seed);
    }
    if ((s = lt_buf_ok(&note, e)) || (s = lt_graph_fold_bn(g, w, &folded, &fw, e)) ||
        (s = lt_onnx_write(folded, fw, NULL, note.data, &model, e)))
        goto out;
    if (j->sample_file && (s = write_sample(j, folded, fw, e))) goto out;
    if ((s = lt_file_write_atomic(j->file, model.data, model.len, e))) goto out;
    report(j, g, folded, model.len);
out:
    lt_buf_release(&note);
    lt_buf_release(&model);
    lt_weights_free(fw);
    lt_weights_free(w);
    lt_graph_free(folded);
    lt_graph_free(g);
    return s;
}
