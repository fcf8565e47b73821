/*
 * Published networks: every network that a shipped space names has the counts that were published (the sources stand
 * beside them in the files), and spaces have their published sizes.
 */
#include "lathe/cost.h"
#include "tests/unit/shipped_spaces.h"

static void networks(const char *name, const struct lt_space *s) {
    struct lt_err e = {0};

    if (lt_space_n_networks(s) > 0)
        lt_ok(!lt_space_check_networks(s, &e), "%s: %d published networks have the published counts: %s", name,
              lt_space_n_networks(s), e.msg);
}

static struct lt_space *load(const char *name) {
    const char *src = getenv("LT_SRCDIR");
    struct lt_space *s = NULL;
    struct lt_err e = {0};
    char path[700];

    snprintf(path, sizeof(path), "%s/spaces/%s.yaml", src ? src : ".", name);
    lt_ok(!lt_space_load(path, &s, &e), "%s is read: %s", name, e.msg);
    return s;
}

/* The space and its exact number of networks. */
static void size(const char *name, const char *networks_text, const char *why) {
    struct lt_space *s = load(name);
    struct lt_buf b = LT_BUF_INIT;

    if (!s) return;
    lt_space_size_text(s, &b);
    lt_ok(!strcmp(b.data, networks_text), "%s has %s networks: %s", name, b.data, why);
    lt_buf_release(&b);
    lt_space_free(s);
}

static void must_name(const char *name, int n) {
    struct lt_space *s = load(name);

    lt_ok(s && lt_space_n_networks(s) >= n, "%s names at least %d published networks", name, n);
    lt_space_free(s);
}

/* ---- MobileDets: the authors' layer lists (TensorFlow Object Detection API, ssd_mobiledet_feature_extractor.py) added
 * up by plain arithmetic, against the backbones of the graphs ---- */

enum kind { IBN, FUSED, TUCKER };
struct layer {
    enum kind kind;
    int kernel, stride, filters, expand; /* TUCKER: expand / 100 and in percent the input's rate, the output's rate */
};
struct backbone {
    const char *space, *arch;
    int stem, se;
    int n;
    struct layer layer[24];
};

static double macs, params;

/* Convolution and batch norm, output size out x out. */
static void add_conv(double in, double outc, int kernel, double groups, int out) {
    double weights = in / groups * outc * kernel * kernel;

    macs += weights * out * out;
    params += weights + 2 * outc;
}

static int round8(double v) { return (int)(v / 8 + 0.5) * 8 < 8 ? 8 : (int)(v / 8 + 0.5) * 8; }

static void add_layer(const struct layer *l, int in, int *size, bool se) {
    int before = *size, after = (before + l->stride - 1) / l->stride, hidden = in * l->expand;

    if (l->kind == TUCKER) {
        int rank_in = round8(in * (l->expand / 100) / 100.0), rank_out = round8(l->filters * (l->expand % 100) / 100.0);

        add_conv(in, rank_in, 1, 1, before);
        add_conv(rank_in, rank_out, l->kernel, 1, after);
        add_conv(rank_out, l->filters, 1, 1, after);
    } else {
        if (l->kind == FUSED) add_conv(in, hidden, l->kernel, 1, after);
        if (l->kind == IBN && l->expand > 1) add_conv(in, hidden, 1, 1, before);
        if (l->kind == IBN) add_conv(hidden, hidden, l->kernel, hidden, after);
        if (se) { /* two 1x1 convolutions with bias on one position */
            double squeezed = round8(hidden * 0.25);

            macs += 2 * hidden * squeezed;
            params += 2 * hidden * squeezed + hidden + squeezed;
        }
        add_conv(hidden, l->filters, 1, 1, after);
    }
    *size = after;
}

static const struct backbone mobiledets[] = {
    {"mobiledet-cpu",
     "mobiledet-cpu",
     16,
     1,
     19,
     {{IBN, 3, 1, 8, 1},
      {IBN, 3, 2, 16, 4},
      {IBN, 3, 2, 32, 8},
      {IBN, 3, 1, 32, 4},
      {IBN, 3, 1, 32, 4},
      {IBN, 3, 1, 32, 4},
      {IBN, 5, 2, 72, 8},
      {IBN, 3, 1, 72, 8},
      {IBN, 5, 1, 72, 4},
      {IBN, 3, 1, 72, 4},
      {IBN, 3, 1, 72, 8},
      {IBN, 3, 1, 72, 8},
      {IBN, 3, 1, 72, 8},
      {IBN, 3, 1, 72, 8},
      {IBN, 5, 2, 104, 8},
      {IBN, 5, 1, 104, 4},
      {IBN, 5, 1, 104, 4},
      {IBN, 3, 1, 104, 4},
      {IBN, 3, 1, 144, 8}}},
    {"mobiledets",
     "mobiledets:s1:c24,mbconv|s2:c32,fused_mbconv-k3e4,fused_mbconv-k3e4,mbconv-k3e4,tucker-k3p0.25q0.75|s3:c64,"
     "fused_mbconv-k3e8,mbconv-k3e4,fused_mbconv-k3e4,fused_mbconv-k3e4|s4:c120,fused_mbconv-k3e8,mbconv-k3e4,mbconv-"
     "k3e8,"
     "mbconv-k3e8|s5:c144,fused_mbconv-k3e8,mbconv-k3e8,mbconv-k3e8,mbconv-k3e8|s6:c160,mbconv-k3e4,mbconv-k3e4,"
     "fused_mbconv-k3e4,tucker-k3p0.75q0.75|s7:c240,mbconv-k3e8",
     32,
     0,
     22,
     {{IBN, 3, 1, 24, 1},        {FUSED, 3, 2, 32, 4},  {FUSED, 3, 1, 32, 4}, {IBN, 3, 1, 32, 4},
      {TUCKER, 3, 1, 32, 2575},  {FUSED, 3, 2, 64, 8},  {IBN, 3, 1, 64, 4},   {FUSED, 3, 1, 64, 4},
      {FUSED, 3, 1, 64, 4},      {FUSED, 3, 2, 120, 8}, {IBN, 3, 1, 120, 4},  {IBN, 3, 1, 120, 8},
      {IBN, 3, 1, 120, 8},       {FUSED, 3, 1, 144, 8}, {IBN, 3, 1, 144, 8},  {IBN, 3, 1, 144, 8},
      {IBN, 3, 1, 144, 8},       {IBN, 3, 2, 160, 4},   {IBN, 3, 1, 160, 4},  {FUSED, 3, 1, 160, 4},
      {TUCKER, 3, 1, 160, 7575}, {IBN, 3, 1, 240, 8}}},
    {"mobiledets",
     "mobiledets:s1:c16,tucker-p0.25q0.75|s2:c16,fused_mbconv-k3e8,fused_mbconv-k3e4,fused_mbconv-k3e8,fused_mbconv-"
     "k3e4|"
     "s3:c40,fused_mbconv-k5e8,fused_mbconv-k3e4,fused_mbconv-k3e4,fused_mbconv-k3e4|s4:c72,mbconv-k3e8,mbconv-k3e8,"
     "fused_mbconv-k3e4,fused_mbconv-k3e4|s5:c96,mbconv-k5e8,mbconv-k5e8,mbconv-k3e8,mbconv-k3e8|s6:c120,mbconv-k5e8,"
     "mbconv-k3e8,mbconv-k5e4,mbconv-k3e8|s7:c384,mbconv-k5e8",
     32,
     0,
     22,
     {{TUCKER, 3, 1, 16, 2575}, {FUSED, 3, 2, 16, 8}, {FUSED, 3, 1, 16, 4}, {FUSED, 3, 1, 16, 8}, {FUSED, 3, 1, 16, 4},
      {FUSED, 5, 2, 40, 8},     {FUSED, 3, 1, 40, 4}, {FUSED, 3, 1, 40, 4}, {FUSED, 3, 1, 40, 4}, {IBN, 3, 2, 72, 8},
      {IBN, 3, 1, 72, 8},       {FUSED, 3, 1, 72, 4}, {FUSED, 3, 1, 72, 4}, {IBN, 5, 1, 96, 8},   {IBN, 5, 1, 96, 8},
      {IBN, 3, 1, 96, 8},       {IBN, 3, 1, 96, 8},   {IBN, 5, 2, 120, 8},  {IBN, 3, 1, 120, 8},  {IBN, 5, 1, 120, 4},
      {IBN, 3, 1, 120, 8},      {IBN, 5, 1, 384, 8}}},
};

static void backbone(const struct backbone *b) {
    struct lt_space *s = load(b->space);
    struct lt_graph *g = NULL;
    struct lt_arch a;
    struct lt_err e = {0};
    double got_macs = 0, got_params = 0;
    int size = 160, in = b->stem;

    macs = params = 0;
    add_conv(3, b->stem, 3, 1, size);
    for (int i = 0; i < b->n; i++) {
        add_layer(&b->layer[i], in, &size, b->se);
        in = b->layer[i].filters;
    }
    if (s && !lt_arch_parse(s, b->arch, &a, &e) && !lt_space_expand(s, &a, &g, &e)) {
        for (int i = 0; i < g->n_nodes; i++) {
            struct lt_cost_node c;

            if (!strncmp(g->node[i].name, "head.", 5)) continue;
            lt_node_cost(g, NULL, i, &c);
            got_macs += (double)c.macs;
            got_params += (double)c.params;
        }
    }
    lt_ok(got_macs == macs && got_params == params && macs > 0,
          "backbone of %.20s: %.0f MACs (%.0f), %.0f parameters (%.0f) %s", b->arch, got_macs, macs, got_params, params,
          e.msg);
    lt_graph_free(g);
    lt_space_free(s);
}

int main(void) {
    each_shipped_space(networks);
    must_name("mobilenet-v2", 2);
    must_name("mobilenet-v3-large", 2);
    must_name("resnet50", 1);
    must_name("proxyless", 1);
    must_name("mnasnet", 2);
    must_name("fbnet", 3);
    must_name("fbnet-released", 1);
    must_name("fbnet-released-bc", 2);
    must_name("mobilenet-v2-ssdlite", 2);
    /* (9^2 + 9^3 + 9^4)^5 = 7371^5 for each of 25 resolutions and 2 widths: 2.18e19 each. */
    size("ofa-mobilenetv3", "1087932774628624292550",
         "50 * 7371^5, 2.18e19 a resolution and width (Cai et al. 2020: 2e19)");
    size("fbnet", "984770902183611232881", "9^22 (Wu et al. 2019)");
    /* 6 choices for a block that changes shape, 7 for one that may be skipped: 6^6 * 7^15. */
    size("proxyless", "221502229807900608", "6^6 * 7^15");
    for (int i = 0; i < 3; i++) backbone(&mobiledets[i]);
    return lt_done();
}
