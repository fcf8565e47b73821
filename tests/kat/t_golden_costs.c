/*
 * Published sizes of well-known networks, exactly. MobileNetV2 1.0 at 224 (Sandler et al., CVPR 2018: 300M
 * multiply-adds, 3.4M parameters; 300,774,272 and 3,504,872 in the usual implementation with a bias in the classifier),
 * read as a space without choices; ResNet-18 at 224 (He et al., CVPR 2016: 1.8 * 10^9; 1,814,073,344 and 11,689,512),
 * by the builders; and the shipped spaces.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/cost.h"
#include "lathe/space.h"
#include "tests/tap.h"

static void costs(const struct lt_graph *g, const char *what, int64_t macs, int64_t params) {
    struct lt_cost c;

    lt_graph_cost(g, NULL, &c);
    lt_ok(c.macs == macs, "%s: %" PRId64 " MACs", what, c.macs);
    lt_ok(c.params == params, "%s: %" PRId64 " parameters", what, c.params);
}

static void mobilenet_v2(void) {
    static const char text[] =
        "schema: 1\nname: mobilenet_v2\ninput: {channels: 3, resolution: 224}\nclasses: 1000\nact: relu6\n"
        "stem: {block: conv, channels: 32, kernel: 3, stride: 2}\nstages:\n"
        "  - {name: s1, block: mbconv, channels: 16, depth: 1, stride: 1, kernel: 3, expand: 1}\n"
        "  - {name: s2, block: mbconv, channels: 24, depth: 2, stride: 2, kernel: 3, expand: 6}\n"
        "  - {name: s3, block: mbconv, channels: 32, depth: 3, stride: 2, kernel: 3, expand: 6}\n"
        "  - {name: s4, block: mbconv, channels: 64, depth: 4, stride: 2, kernel: 3, expand: 6}\n"
        "  - {name: s5, block: mbconv, channels: 96, depth: 3, stride: 1, kernel: 3, expand: 6}\n"
        "  - {name: s6, block: mbconv, channels: 160, depth: 3, stride: 2, kernel: 3, expand: 6}\n"
        "  - {name: s7, block: mbconv, channels: 320, depth: 1, stride: 1, kernel: 3, expand: 6}\n"
        "head: {channels: 1280}\n";
    struct lt_yaml *root = NULL;
    struct lt_space *s = NULL;
    struct lt_graph *g = NULL;
    struct lt_arch a;
    struct lt_err e = {0};

    if (lt_yaml_parse("mobilenet_v2", text, sizeof(text) - 1, &root, &e) || lt_space_parse_yaml(root, &s, &e)) {
        lt_ok(false, "MobileNetV2 is read: %s", e.msg);
    } else {
        lt_ok(!lt_arch_parse(s, "mobilenet_v2", &a, &e) && !lt_space_expand(s, &a, &g, &e), "MobileNetV2 expands: %s",
              e.msg);
        costs(g, "MobileNetV2 1.0 at 224", 300774272, 3504872);
    }
    lt_graph_free(g);
    lt_space_free(s);
    lt_yaml_free(root);
}

static int conv_bn(struct lt_graph *g, const char *name, int x, int out, int kernel, int stride) {
    char bn[64];

    snprintf(bn, sizeof(bn), "%s.bn", name);
    x = lt_graph_conv(g, name, x, &(struct lt_conv_attr){.out = out, .kernel = kernel, .stride = stride, .groups = 1});
    return lt_graph_bn(g, bn, x);
}

/* Basic block: two 3x3 convolutions and a shortcut, 1x1 where shapes change. */
static int basic(struct lt_graph *g, int stage, int block, int x, int out, int stride) {
    char n[32];
    int y, shortcut = x;

    snprintf(n, sizeof(n), "s%d.b%d.c1", stage, block);
    y = conv_bn(g, n, x, out, 3, stride);
    snprintf(n, sizeof(n), "s%d.b%d.a1", stage, block);
    y = lt_graph_act(g, n, y, LT_ACT_RELU);
    snprintf(n, sizeof(n), "s%d.b%d.c2", stage, block);
    y = conv_bn(g, n, y, out, 3, 1);
    snprintf(n, sizeof(n), "s%d.b%d.down", stage, block);
    if (stride > 1) shortcut = conv_bn(g, n, x, out, 1, stride);
    snprintf(n, sizeof(n), "s%d.b%d.add", stage, block);
    x = lt_graph_add(g, n, y, shortcut);
    snprintf(n, sizeof(n), "s%d.b%d.a2", stage, block);
    return lt_graph_act(g, n, x, LT_ACT_RELU);
}

static void resnet18(void) {
    struct lt_graph *g = NULL;
    struct lt_err e = {0};
    int x;

    if (lt_graph_new("resnet18", &g, &e)) return;
    x = lt_graph_input(g, "image", 3, 224, 224);
    x = lt_graph_act(g, "a1", conv_bn(g, "c1", x, 64, 7, 2), LT_ACT_RELU);
    x = lt_graph_pool(g, "pool", x, LT_POOL_MAX, 3, 2, 1);
    for (int s = 0; s < 4; s++) {
        for (int b = 0; b < 2; b++) x = basic(g, s, b, x, 64 << s, s && !b ? 2 : 1);
    }
    x = lt_graph_linear(g, "fc", lt_graph_gap(g, "gap", x), 1000);
    lt_graph_output(g, x);
    lt_ok(!lt_graph_finish(g, &e), "ResNet-18 is built: %s", e.msg);
    costs(g, "ResNet-18 at 224", 1814073344, 11689512);
    lt_graph_free(g);
}

/* A shipped space: at least 10^8 networks, and a largest and a smallest that fit what its file is for. */
static void shipped(const char *name, int64_t largest_macs, int64_t smallest_macs) {
    const char *srcdir = getenv("LT_SRCDIR");
    struct lt_space *s = NULL;
    struct lt_graph *large = NULL, *small = NULL;
    struct lt_arch a;
    struct lt_cost c;
    struct lt_err e = {0};
    char path[512];

    snprintf(path, sizeof(path), "%s/spaces/%s.yaml", srcdir ? srcdir : ".", name);
    lt_ok(!lt_space_load(path, &s, &e), "%s is read: %s", name, e.msg);
    if (!s) return;
    lt_ok(lt_space_log10_size(s) >= 8, "%s has at least 10^8 networks (10^%.2f)", name, lt_space_log10_size(s));
    lt_space_largest(s, &a);
    lt_ok(!lt_space_expand(s, &a, &large, &e), "its largest network expands");
    if (large) {
        lt_graph_cost(large, NULL, &c);
        lt_ok(c.macs <= largest_macs, "its largest: %.2f M MACs, %.0f k parameters, %.0f kB peak", (double)c.macs / 1e6,
              (double)c.params / 1e3, (double)c.peak_act_bytes / 1e3);
    }
    lt_space_smallest(s, &a);
    lt_ok(!lt_space_expand(s, &a, &small, &e), "its smallest network expands");
    if (small) {
        lt_graph_cost(small, NULL, &c);
        lt_ok(c.macs <= smallest_macs, "its smallest: %.2f M MACs, %.0f k parameters, %.0f kB peak", (double)c.macs / 1e6,
              (double)c.params / 1e3, (double)c.peak_act_bytes / 1e3);
    }
    lt_graph_free(large);
    lt_graph_free(small);
    lt_space_free(s);
}

int main(void) {
    mobilenet_v2();
    resnet18();
    shipped("mobile28", 8000000, 1000000);
    shipped("mobile32", 60000000, 4000000);
    return lt_done();
}
