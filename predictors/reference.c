/*
 * Room: predictors. Reference architectures: the same few on every device. Those of three spaces are the ones that HELP
 * (Lee et al., "Hardware-adaptive efficient latency prediction for NAS via meta-learning", NeurIPS 2021) measures on
 * each device, as architecture strings or as rows of the space's table. Other spaces, and more than ten, get a spread
 * over the choices.
 */
#include <stdio.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/evaluate.h"
#include "predictors/predictor_priv.h"

enum { MAX_COLUMNS = 64 };
static const struct {
    const char *space, *row[LT_PUBLISHED_REFERENCES];
} published[] = {
    {"nasbench201",
     {"nasbench201:|avg_pool_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
      "nasbench201:|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|",
      "nasbench201:|skip_connect~0|+|skip_connect~0|avg_pool_3x3~1|+|none~0|skip_connect~1|none~2|",
      "nasbench201:|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
      "nasbench201:|none~0|+|nor_conv_1x1~0|none~1|+|nor_conv_3x3~0|nor_conv_1x1~1|nor_conv_1x1~2|",
      "nasbench201:|skip_connect~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|",
      "nasbench201:|nor_conv_3x3~0|+|avg_pool_3x3~0|skip_connect~1|+|none~0|nor_conv_1x1~1|avg_pool_3x3~2|",
      "nasbench201:|skip_connect~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
      "nasbench201:|avg_pool_3x3~0|+|none~0|skip_connect~1|+|none~0|nor_conv_1x1~1|avg_pool_3x3~2|",
      "nasbench201:|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"}},
    {"fbnet",
     {"1,8,6,6,8,0,3,4,3,7,8,7,4,3,2,5,7,3,0,1,3,7", "5,4,8,5,1,6,8,5,3,0,4,8,0,2,4,5,0,6,6,0,0,5",
      "7,2,7,5,4,6,8,0,6,6,5,1,2,4,0,7,5,6,0,3,3,2", "8,1,6,1,6,2,7,1,6,8,7,5,2,0,1,8,0,3,2,2,5,4",
      "1,7,0,7,4,3,4,6,6,1,1,0,5,6,7,7,6,7,6,3,1,2", "2,2,4,5,7,2,5,7,2,2,1,2,3,1,4,6,3,6,3,2,0,1",
      "4,4,5,5,3,1,1,0,4,2,2,4,2,0,5,0,5,6,2,5,2,5", "8,8,4,4,6,8,1,8,0,3,1,2,8,8,5,8,2,2,8,1,4,8",
      "0,7,6,7,3,3,6,1,7,4,3,7,7,0,8,4,8,5,6,8,5,1", "1,2,4,0,7,3,0,5,6,4,5,7,0,1,4,3,2,3,3,3,0,6"}},
    {"ofa-mobilenetv3",
     {"4,3,3,4,2,7,7,5,5,7,7,3,5,7,7,5,7,3,5,3,3,3,5,5,7,3,6,3,6,6,4,3,6,4,6,6,3,3,4,4,3,3,3,3,4,196",
      "3,2,2,3,2,7,3,3,7,5,3,7,3,5,7,7,7,3,7,5,5,3,5,7,7,4,3,6,6,6,6,4,3,3,6,3,4,6,3,3,4,6,3,4,3,172",
      "2,2,2,2,3,7,5,7,3,3,3,7,3,7,7,5,7,5,5,7,7,7,7,7,3,4,4,6,6,4,4,4,6,6,3,6,6,3,6,3,3,3,6,4,6,204",
      "4,3,4,4,4,3,7,5,7,3,3,5,7,3,3,5,3,7,5,3,7,7,5,5,3,4,3,3,6,3,3,4,4,6,6,4,6,3,6,6,6,4,4,4,6,200",
      "2,2,2,3,2,5,7,3,5,7,7,3,7,7,3,7,7,7,7,7,3,7,7,5,5,4,6,6,3,4,6,6,6,4,3,3,3,6,4,4,3,4,6,4,4,136",
      "4,2,3,4,4,7,7,5,7,3,7,3,5,3,7,7,5,3,3,7,7,3,5,7,7,6,4,3,6,6,6,6,3,6,4,6,6,6,6,4,3,4,6,6,3,224",
      "4,2,4,2,3,5,5,7,3,3,3,3,7,7,3,3,5,7,3,3,7,3,3,3,5,6,3,4,4,3,3,3,6,3,3,4,4,3,3,6,4,3,6,6,3,132",
      "2,4,2,4,4,7,3,7,3,3,7,5,7,7,3,3,3,3,3,3,7,7,7,3,7,3,6,6,4,6,4,3,4,6,4,4,3,6,3,4,3,4,3,3,6,152",
      "2,4,3,4,4,7,3,3,5,3,7,3,5,5,5,5,3,5,5,3,5,5,5,3,7,4,4,4,6,6,3,6,4,4,4,4,4,3,4,6,4,6,3,3,3,152",
      "4,4,3,4,2,3,3,7,7,7,7,7,7,5,7,3,7,3,5,5,3,3,7,3,5,3,3,4,6,6,6,4,3,6,3,3,3,3,3,6,3,6,6,6,3,200"}},
};

static lt_status parse(const struct lt_space *s, const char *row, struct lt_arch *out) {
    char text[256];
    const char *cell[MAX_COLUMNS];
    int n = 0;

    if (strchr(row, ':')) return lt_arch_parse(s, row, out, NULL);
    snprintf(text, sizeof(text), "%s", row);
    for (char *p = text; p && n < MAX_COLUMNS;) {
        char *comma = strchr(p, ',');
        cell[n++] = p;
        if (comma) *comma++ = 0;
        p = comma;
    }
    return n == lt_space_n_columns(s) ? lt_space_row_parse(s, cell, out, NULL) : LT_EINVAL;
}

int lt_published_references(const struct lt_space *s, struct lt_arch *out, int most) {
    int n = 0;

    for (size_t k = 0; k < sizeof(published) / sizeof(*published); k++) {
        if (strcmp(published[k].space, lt_space_name(s))) continue;
        for (int r = 0; r < LT_PUBLISHED_REFERENCES && n < most; r++) n += !parse(s, published[k].row[r], &out[n]);
    }
    return n;
}

lt_status lt_reference_rows(const struct lt_latency_set *set, const int *pool, int n_pool, int n, int *out, int *n_out,
                            struct lt_err *e) {
    struct lt_arch *among = lt_malloc(((size_t)n_pool + 1) * sizeof(*among)), *chosen = NULL;
    struct lt_arch reference[LT_PUBLISHED_REFERENCES];
    int found = 0, n_published;
    lt_status s = LT_OK;

    if (!among || !(chosen = lt_malloc(((size_t)n + 1) * sizeof(*chosen)))) {
        s = lt_fail(e, LT_ENOMEM, "reference architectures: out of memory");
        goto out;
    }
    for (int i = 0; i < n_pool; i++) among[i] = set->arch[pool[i]];
    n_published = lt_published_references(set->space, reference, LT_PUBLISHED_REFERENCES);
    for (int r = 0; r < n_published && found < n; r++) {
        int i = 0;
        while (i < n_pool && !lt_arch_equal(&among[i], &reference[r])) i++;
        if (i == n_pool) continue;
        chosen[found] = reference[r];
        out[found++] = pool[i];
    }
    if (found < n && found < n_pool) {
        int more = n - found < n_pool - found ? n - found : n_pool - found, first = found;
        if ((s = lt_propose_spread(set->space, chosen, found, among, n_pool, more, chosen + found, e))) goto out;
        for (int k = first; k < first + more; k++) {
            int i = 0;
            while (i < n_pool && !lt_arch_equal(&among[i], &chosen[k])) i++;
            out[found++] = pool[i];
        }
    }
    *n_out = found;
out:
    lt_free(among);
    lt_free(chosen);
    return s;
}
