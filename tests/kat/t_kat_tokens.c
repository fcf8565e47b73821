/*
 * Published sizes of transformers, counted on architectures of the shipped spaces.
 *   ViT-B/16      Dosovitskiy et al., ICLR 2021; 86,567,656 parameters in the usual implementation, 17.6 G MACs at 224
 *   DeiT-Ti       Touvron et al., ICML 2021: 5.72 M parameters; 1.26 G MACs as fvcore counts, which adds five for each
 *                 of the 197 * 192 values of 25 layer norms
 *   BERT-base     Devlin et al., NAACL 2019: 109,482,240 parameters with pooler, plus a classifier of two classes
 *   HAT           Wang et al., ACL 2020: the largest of its WMT'14 En-De table (450.9 ms on a Xeon): 56.73 M parameters
 *                 and 3.53 GFLOPs for 30 tokens, both without embeddings and output layer
 *   LFM2-1.2B     Liquid AI, 2025: 1,170,340,608 parameters, of which 768 are norms of queries and keys, not built here
 *   Qwen2.5-0.5B  Qwen team, 2024: 494,032,768 parameters, 357,898,112 without embedding; 27,648 of them are biases of
 *                 queries, keys and values, not built here
 *   Hiera-T       Ryali et al., ICML 2023: 28 M parameters, 5 G MACs
 *   Next-ViT-S    Li et al., 2022: 31.7 M parameters, 5.8 G MACs
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/cost.h"
#include "lathe/space.h"
#include "tests/tap.h"

struct known {
    const char *what, *space, *head; /* the arch string: head, then item `n` times, then tail */
    const char *item;
    int n;
    const char *tail, *convention;
    double macs, macs_slack; /* published, and half of its last digit; 0: not published */
    int64_t params, params_slack;
};

static const struct known known[] = {
    {"ViT-B/16", "vit", "vit:dim=768|s1:", "h12m4", 12, "", "default", 17.6e9, 5e7, 86567656, 0},
    {"DeiT-Ti", "vit", "vit:dim=192|s1:", "h3m4", 12, "", "default", 1.26e9 - 5.0 * 25 * 197 * 192, 5e6, 5720000, 5000},
    {"BERT-base", "bert", "bert:dim=768|r512|s1:", "h12f3072", 12, "", "default", 0, 0, 109482240 + 768 * 2 + 2, 0},
    {"HAT at 450.9 ms on a Xeon", "hat",
     "hat:encoder_dim=512|decoder_dim=512|encoder:h4f3072,h4f3072,h8f3072,h8f3072,h8f3072,h4f3072|decoder:h8x4l1f3072,"
     "h8x8l2f3072,h8x8l2f3072,h4x8l2f3072,h4x8l1f3072,h4x8l1f3072",
     "", 0, "", "no-embedding", 3.53e9 / 2, 5e6 / 2, 56730000, 5000},
    {"LFM2-1.2B", "hybrid-lm",
     "hybrid-lm:dim=2048|vocab=65536|r512|s1:conv-f8192,conv-f8192,grouped-f8192k8,conv-f8192,conv-f8192,grouped-"
     "f8192k8,"
     "conv-f8192,conv-f8192,grouped-f8192k8,conv-f8192,grouped-f8192k8,conv-f8192,grouped-f8192k8,conv-f8192,"
     "grouped-f8192k8,conv-f8192",
     "", 0, "", "default", 0, 0, 1170340608 - 768, 0},
    {"Qwen2.5-0.5B", "hybrid-lm", "hybrid-lm:dim=896|vocab=151936|r512|s1:", "grouped-f4864k2", 24, "", "default", 0, 0,
     494032768 - 27648, 0},
    {"Qwen2.5-0.5B without embedding", "hybrid-lm", "hybrid-lm:dim=896|vocab=151936|r512|s1:", "grouped-f4864k2", 24,
     "", "no-embedding", 0, 0, 357898112 - 27648, 0},
    {"Hiera-T", "hiera", "hiera:dim=96|s1:m4|s2:m4,m4|s3:", "m4", 7, "|s4:m4,m4", "default", 4.9e9, 5e7, 27910000,
     5000},
    {"Next-ViT-S", "next-vit",
     "next-vit:s1:m3,m3,m3|s2:m3,m3,m3|s2t:m2|s3a:m3,m3,m3,m3|s3at:m2|s3b:m3,m3,m3,m3|s3bt:m2|s4:m3,m3|s4t:m2", "", 0,
     "", "default", 5.8e9, 5e7, 31750000, 50000},
};

static void check(const struct known *k) {
    const char *src = getenv("LT_SRCDIR");
    char path[4096];
    struct lt_buf text = LT_BUF_INIT;
    struct lt_space *s = NULL;
    struct lt_graph *g = NULL;
    struct lt_cost c = {0};
    struct lt_arch a;
    struct lt_err e = {0};
    int convention = lt_cost_convention_find(k->convention);

    snprintf(path, sizeof(path), "%s/spaces/%s.yaml", src ? src : ".", k->space);
    lt_buf_puts(&text, k->head);
    for (int i = 0; i < k->n; i++) lt_buf_printf(&text, "%s%s", i ? "," : "", k->item);
    lt_buf_puts(&text, k->tail);
    if (convention < 0 || lt_space_load(path, &s, &e) || lt_arch_parse(s, text.data, &a, &e) ||
        lt_space_expand(s, &a, &g, &e)) {
        lt_ok(false, "%s: %s", k->what, e.msg);
    } else {
        lt_graph_cost_as(g, convention, &c);
        lt_ok(llabs(c.params - k->params) <= k->params_slack, "%s: %" PRId64 " parameters (%s)", k->what, c.params,
              k->convention);
        if (k->macs > 0)
            lt_ok((double)c.macs >= k->macs - k->macs_slack && (double)c.macs <= k->macs + k->macs_slack,
                  "%s: %" PRId64 " MACs (%s)", k->what, c.macs, k->convention);
    }
    lt_graph_free(g);
    lt_space_free(s);
    lt_buf_release(&text);
}

int main(void) {
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) check(&known[i]);
    return lt_done();
}
