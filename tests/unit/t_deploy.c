/* The bundle: whole or not at all, its config and sample files, programs that are run with a limit, what verification
 * answers to bad input. */
#include "config.h"
#include "tests/tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "deploy/deploy_priv.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include "lathe/yaml.h"

static char root[64];

static const char *at(const char *name) {
    static char path[4][160];
    static int k;
    k = (k + 1) % 4;
    snprintf(path[k], sizeof(path[k]), "%s/%s", root, name);
    return path[k];
}

static void test_program(void) {
    struct lt_buf out = LT_BUF_INIT, err = LT_BUF_INIT;
    struct lt_err e = {0};
    int code = -1;
    lt_ok(!lt_run_program((const char *const[]){"sh", "-c", "echo out; echo err >&2; cat; exit 3", NULL}, 20, &out,
                          &err, &code, &e) &&
              code == 3 && !strcmp(out.data, "out\n") && !strcmp(err.data, "err\n"),
          "output, errors and exit status are caught, stdin is empty");
    lt_buf_clear(&out);
    lt_status s =
        lt_run_program((const char *const[]){"sh", "-c", "head -c 3000000 /dev/zero", NULL}, 20, &out, &err, &code, &e);
    lt_ok(!s && code == 0 && out.len >= 1 << 20 && out.len < 1100000, "output is bounded: %zu bytes", out.len);
    lt_ok(!lt_run_program((const char *const[]){"sh", "-c", "kill -9 $$", NULL}, 20, &out, &err, &code, &e) &&
              code == 128 + 9,
          "death by a signal is seen");
    s = lt_run_program((const char *const[]){"/nonexistent/program", NULL}, 20, &out, &err, &code, &e);
    lt_ok(s == LT_EUNAVAIL && strstr(e.msg, "/nonexistent/program"), "a missing program: %s", e.msg);
    double t0 = lt_now_s();
    s = lt_run_program((const char *const[]){"sh", "-c", "sleep 60 & sleep 60", NULL}, 0.3, &out, &err, &code, &e);
    lt_ok(s == LT_EFAIL && lt_now_s() - t0 < 10, "a program that hangs is ended: %s", e.msg);
    lt_buf_release(&out);
    lt_buf_release(&err);
}

static void test_sample(void) {
    struct lt_bundle_sample in = {.n = 2, .channels = 1, .height = 2, .width = 3, .classes = 4}, out = {0};
    float x[12], y[8];
    struct lt_buf b = LT_BUF_INIT;
    struct lt_err e = {0};
    for (int i = 0; i < 12; i++) x[i] = (float)i;
    for (int i = 0; i < 8; i++) y[i] = (float)-i;
    char path[160];
    snprintf(path, sizeof(path), "%s", at("sample.bin"));
    lt_status s = lt_bundle_sample_write(&in, x, y, &b, &e);
    lt_ok(!s && b.len == 36 + 4 * 20, "sample: %zu bytes", b.len);
    LT_CHECK(!lt_file_write_atomic(path, b.data, b.len, NULL));
    lt_ok(!lt_bundle_sample_check(path, &out, &e) && !memcmp(&in, &out, sizeof(in)), "reads back");
    int refused = 0;
    for (size_t i = 0; i < b.len; i++) { /* any damaged byte, any length */
        char was = b.data[i];
        b.data[i] ^= 0x10;
        LT_CHECK(!lt_file_write_atomic(path, b.data, b.len, NULL));
        refused += lt_bundle_sample_check(path, &out, &e) == LT_EIO;
        b.data[i] = was;
    }
    lt_ok(refused == (int)b.len, "a flipped bit anywhere is refused (%d of %zu): %s", refused, b.len, e.msg);
    refused = 0;
    for (size_t n = 0; n < b.len; n += 5) {
        LT_CHECK(!lt_file_write_atomic(path, b.data, n, NULL));
        refused += lt_bundle_sample_check(path, &out, &e) == LT_EIO;
    }
    lt_ok(refused == (int)((b.len + 4) / 5), "a cut file is refused: %s", e.msg);
    s = lt_bundle_sample_check(at("absent"), &out, &e);
    lt_ok(s == LT_EIO && strstr(e.msg, "absent"), "no file: %s", e.msg);
    lt_buf_release(&b);
    unlink(path);
}

#if LT_WITH_PROTOBUF_C
static const struct lt_yaml *need(const struct lt_yaml *m, const char *key) {
    const struct lt_yaml *v = lt_yaml_get(m, key);
    if (!v) printf("# no key %s\n", key);
    return v;
}

static const char *text(const struct lt_yaml *m, const char *key) {
    const struct lt_yaml *v = need(m, key);
    return v && v->text ? v->text : "";
}

/* Logits that the model does not give: just inside the limit of its precision, and above it. */
static void test_refused(const char *dir, const struct lt_graph *g, const struct lt_weights *w, const struct lt_plan *p,
                         const struct lt_deploy_info *from) {
    static const struct {
        bool int8;
        float off;
        lt_status want;
    } t[] = {{false, 0.5e-4f, LT_OK}, {false, 3e-4f, LT_EFAIL}, {true, 0.015f, LT_OK}, {true, 0.03f, LT_EFAIL}};
    struct lt_deploy_info info = *from;
    float x[16], logits[3], *bias = w->data[g->node[g->output].param[1]];
    struct lt_err e = {0};
    info.device_json = NULL;
    for (int i = 0; i < 16; i++) x[i] = 0;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        double diff = -1, agree = -1;
        for (int k = 0; k < 3; k++) logits[k] = bias[k] = (float)(k + 1) / 3; /* of a zero image: the bias */
        logits[0] += t[i].off;
        LT_CHECK(!lt_deploy_write(dir, g, w, t[i].int8 ? p : NULL, &info, x, logits, 1, &e));
        lt_status s = lt_deploy_verify(dir, NULL, &diff, &agree, &e);
        if (s == LT_EUNAVAIL) {
            lt_skip("ONNX Runtime: %s", e.msg);
            return;
        }
        lt_ok(s == t[i].want && fabs(diff - (double)t[i].off) < 1e-6 && agree == 1, "%s, logits %g off: %s",
              t[i].int8 ? "int8" : "f32", (double)t[i].off, s ? e.msg : "accepted");
        if (s) lt_ok(strstr(e.msg, "100.0 %") && strstr(e.msg, "model.onnx"), "both numbers are said");
    }
    logits[2] = 0; /* another class altogether, and a model with a changed weight */
    double diff = -1, agree = -1;
    LT_CHECK(!lt_deploy_write(dir, g, w, NULL, &info, x, logits, 1, &e));
    lt_status s = lt_deploy_verify(dir, NULL, &diff, &agree, &e);
    lt_ok(s == LT_EFAIL && agree == 0, "another first class: %s", e.msg);
    for (int k = 0; k < 3; k++) logits[k] = bias[k];
    bias[1] += 0.25f;
    LT_CHECK(!lt_deploy_write(dir, g, w, NULL, &info, x, logits, 1, &e));
    s = lt_deploy_verify(dir, NULL, &diff, &agree, &e);
    lt_ok(s == LT_EFAIL && fabs(diff - 0.25) < 1e-6, "a changed weight: %s", e.msg);
}

static void test_bundle(void) {
    struct lt_graph *g;
    struct lt_weights *w;
    struct lt_plan *p;
    struct lt_err e = {0};
    float x[2 * 16] = {0}, logits[2 * 3] = {0};
    const double mean[1] = {0.25}, sd[1] = {1e-05};
    const char *reason[4] = {NULL, "int8", NULL, "too \"sensitive\""};
    struct lt_deploy_info info = {.arch = "k3e4|k5e3",
                                  .space = "s.yaml",
                                  .device_json = "{\"name\":\"host\",\"cpus\":[1,2],\"turbo\":false}",
                                  .seed = 42,
                                  .accuracy_test = 0.9125,
                                  .accuracy_f32_test = NAN,
                                  .accuracy_validation = 0.5,
                                  .predicted_ms = 0.1,
                                  .measured_ms = 0.2,
                                  .measured_lo_ms = 0.19,
                                  .measured_hi_ms = 0.21,
                                  .f32_measured_ms = NAN,
                                  .size_bytes = 123,
                                  .n_samples = 20,
                                  .mean = mean,
                                  .sd = sd,
                                  .channels = 1,
                                  .resolution = 4,
                                  .reason = reason};
    LT_CHECK(!lt_graph_new("net", &g, NULL));
    int n = lt_graph_input(g, "image", 1, 4, 4);
    n = lt_graph_conv(g, "conv", n,
                      &(struct lt_conv_attr){.out = 2, .kernel = 3, .stride = 1, .groups = 1, .bias = true});
    n = lt_graph_linear(g, "fc", lt_graph_gap(g, "gap", n), 3);
    lt_graph_output(g, n);
    LT_CHECK(!lt_graph_finish(g, NULL) && !lt_weights_new(g, &w, NULL) && !lt_plan_new(g, &p, NULL));
    w->data[0][0] = 1.27f;
    p->is_int8[1] = 1;
    p->out[0] = (struct lt_qparam){.scale = 1e-05f, .is_signed = true};

    char dir[160];
    snprintf(dir, sizeof(dir), "%s", at("a/b/bundle/"));
    lt_status s = lt_deploy_write(dir, g, w, p, &info, x, logits, 2, &e);
    lt_ok(!s, "written into new directories: %s", e.msg);
    struct lt_yaml *y = NULL;
    struct lt_buf model = LT_BUF_INIT;
    LT_CHECK(!lt_file_read(at("a/b/bundle/model.onnx"), 1 << 20, &model, NULL));
    s = lt_yaml_load(at("a/b/bundle/config.yaml"), &y, &e);
    if (lt_ok(!s, "config.yaml parses: %s", e.msg)) {
        char crc[9];
        snprintf(crc, sizeof(crc), "%08x", lt_crc32(0, model.data, model.len));
        lt_ok(!strcmp(text(need(y, "model"), "crc32"), crc) && atol(text(need(y, "model"), "bytes")) == (long)model.len,
              "model's size and CRC");
        lt_ok(!strcmp(text(need(y, "accuracy"), "test"), "0.9125") &&
                  need(need(y, "accuracy"), "test_f32")->kind == LT_YAML_NULL,
              "known and unknown accuracy");
        lt_ok(!strcmp(text(y, "architecture"), "k3e4|k5e3") && !strcmp(text(need(y, "provenance"), "seed"), "42"),
              "provenance");
        const struct lt_yaml *dev = need(need(y, "provenance"), "device");
        lt_ok(dev && dev->kind == LT_YAML_MAP && !strcmp(text(dev, "name"), "host") && need(dev, "cpus")->n == 2,
              "device description");
        const struct lt_yaml *layers = need(y, "layers"), *t = need(y, "tensors");
        lt_ok(layers && layers->n == 2 && !strcmp(text(layers->child[0], "precision"), "int8") &&
                  !strcmp(text(layers->child[1], "precision"), "f32") &&
                  !strcmp(text(layers->child[1], "reason"), "too \"sensitive\"") &&
                  need(layers->child[0], "weight_scale")->n == 2,
              "layers");
        lt_ok(strtof(need(layers->child[0], "weight_scale")->child[0]->text, NULL) == 1.27f / 127.0f,
              "weight scale: %s", need(layers->child[0], "weight_scale")->child[0]->text);
        lt_ok(t && t->n == 1 && !strcmp(text(t->child[0], "name"), "image") &&
                  !strcmp(text(t->child[0], "type"), "int8") && strtof(text(t->child[0], "scale"), NULL) == 1e-05f &&
                  strchr(text(t->child[0], "scale"), '.'),
              "tensors; a number has a point: %s", text(t->child[0], "scale"));
    }
    lt_yaml_free(y);
    info.seed = 43;
    lt_ok(!lt_deploy_write(dir, g, w, NULL, &info, x, logits, 2, &e) && !lt_path_exists(at("a/b/bundle.new.tmp")) &&
              !lt_path_exists(at("a/b/bundle.old.tmp")),
          "replaces an older bundle, leaves nothing beside it");
    struct lt_buf second = LT_BUF_INIT;
    LT_CHECK(!lt_file_read(at("a/b/bundle/model.onnx"), 1 << 20, &second, NULL));
    lt_ok(second.len != model.len || memcmp(second.data, model.data, model.len), "and it is the new one");

    float *v = w->data[0], was = *v;
    *v = NAN;
    s = lt_deploy_write(dir, g, w, NULL, &info, x, logits, 2, &e);
    lt_ok(s == LT_EINVAL && !lt_path_exists(at("a/b/bundle.new.tmp")), "a model that cannot be written: %s", e.msg);
    *v = was;
    lt_buf_clear(&model);
    LT_CHECK(!lt_file_read(at("a/b/bundle/model.onnx"), 1 << 20, &model, NULL));
    lt_ok(model.len == second.len && !memcmp(model.data, second.data, model.len), "leaves the earlier bundle alone");
    /* As a killed writer leaves them. */
    LT_CHECK(!rename(at("a/b/bundle"), at("a/b/bundle.old.tmp")) && !mkdir(at("a/b/bundle.new.tmp"), 0777));
    LT_CHECK(!lt_file_write_atomic(at("a/b/bundle.new.tmp/model.onnx"), "torn", 4, NULL));
    *v = NAN;
    s = lt_deploy_write(dir, g, w, NULL, &info, x, logits, 2, &e);
    *v = was;
    lt_ok(s == LT_EINVAL && lt_path_exists(at("a/b/bundle.old.tmp/model.onnx")),
          "an old bundle is not lost to a bad model");
    s = lt_deploy_write(dir, g, w, NULL, &info, x, logits, 2, &e);
    lt_ok(!s && lt_path_exists(at("a/b/bundle/sample.bin")) && !lt_path_exists(at("a/b/bundle.new.tmp")) &&
              !lt_path_exists(at("a/b/bundle.old.tmp")),
          "leftovers of a killed writer are cleaned up: %s", e.msg);
    LT_CHECK(!lt_file_write_atomic(at("a/b/bundle/notes.txt"), "mine", 4, NULL));
    s = lt_deploy_write(dir, g, w, NULL, &info, x, logits, 2, &e);
    lt_ok(s == LT_EINVAL && lt_path_exists(at("a/b/bundle/notes.txt")), "a user's file is not deleted: %s", e.msg);
    LT_CHECK(!lt_file_write_atomic(at("file"), "x", 1, NULL));
    s = lt_deploy_write(at("file/bundle"), g, w, NULL, &info, x, logits, 2, &e);
    lt_ok(s == LT_EIO, "a file in the way: %s", e.msg);
    info.device_json = "{\"name\": ";
    s = lt_deploy_write(at("other"), g, w, NULL, &info, x, logits, 2, &e);
    lt_ok(s != LT_OK && !lt_path_exists(at("other")), "bad device description: %s", e.msg);

    double diff = -1, agree = -1;
    unlink(at("a/b/bundle/notes.txt"));
    s = lt_deploy_verify(at("nowhere"), NULL, &diff, &agree, &e);
    lt_ok(s == LT_EIO && diff == -1, "nothing to verify: %s", e.msg);
    s = lt_deploy_verify(dir, "/nonexistent/python", &diff, &agree, &e);
    lt_ok(s == LT_EUNAVAIL && diff == -1, "no such Python: %s", e.msg);
    s = lt_deploy_verify(dir, "true", &diff, &agree, &e);
    lt_ok(s == LT_EFAIL && diff == -1, "a Python that says nothing: %s", e.msg);
    s = lt_deploy_verify(dir, "false", &diff, &agree, &e);
    lt_ok(s == LT_EFAIL && diff == -1, "a Python that fails: %s", e.msg);
    s = lt_deploy_verify(dir, NULL, &diff, &agree, &e);
    if (s == LT_EUNAVAIL)
        lt_skip("ONNX Runtime: %s", e.msg);
    else /* the sample's logits are zeros, as an all-zero network gives */
        lt_ok(!s && diff == 0 && agree == 1, "ONNX Runtime agrees: %s", s ? e.msg : "0 apart");
    test_refused(dir, g, w, p, &info);
    lt_weights_free(w);
    lt_plan_free(p);
    lt_graph_free(g);
    lt_buf_release(&model);
    lt_buf_release(&second);
}
#endif

int main(void) {
    const char *tmp = getenv("TMPDIR");
    snprintf(root, sizeof(root), "%.40s/lt_deploy_XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(root)) {
        perror(root);
        return 1;
    }
    test_program();
    test_sample();
#if LT_WITH_PROTOBUF_C
    test_bundle();
#else
    lt_skip("built without protobuf-c");
#endif
    struct lt_buf out = LT_BUF_INIT, err = LT_BUF_INIT;
    int code;
    LT_CHECK(!lt_run_program((const char *const[]){"rm", "-rf", root, NULL}, 20, &out, &err, &code, NULL));
    lt_buf_release(&out);
    lt_buf_release(&err);
    lt_ok(lt_mem_live() == 0, "no block is left");
    return lt_done();
}
