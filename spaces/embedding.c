/*
 * Block "embedding": token numbers become vectors: a table, and where asked learned positions, the table of sentence
 * segments (all tokens in the first), and a norm (Devlin et al., "BERT", NAACL 2019).
 * With `target: 1` the sequence holds two sentences of equal length (Vaswani et al., NeurIPS 2017): the first half is
 * embedded, the second kept for block "target".
 */
#include "spaces/token_parts.h"

enum { VOCAB, POSITIONS, SEGMENTS, NORM, TARGET };
static const struct lt_block_field fields[] = {
    [VOCAB] = {.key = "vocab",
               .type = LT_FIELD_INT,
               .letter = 'v',
               .required = true,
               .min = 1,
               .max = 1 << 24,
               .help = "tokens that the table knows"},
    [POSITIONS] = {.key = "positions",
                   .type = LT_FIELD_INT,
                   .letter = 'o',
                   .dflt = 0,
                   .min = 0,
                   .max = 1,
                   .help = "1: a learned vector is added at each position"},
    [SEGMENTS] = {.key = "segments",
                  .type = LT_FIELD_INT,
                  .letter = 'g',
                  .dflt = 0,
                  .min = 0,
                  .max = 16,
                  .help = "rows of the table of segments; 0 = none"},
    [NORM] = {.key = "norm",
              .type = LT_FIELD_INT,
              .letter = 'n',
              .dflt = 0,
              .min = 0,
              .max = 1,
              .help = "1: a layer norm at the end"},
    [TARGET] = {.key = "target",
                .type = LT_FIELD_INT,
                .letter = 't',
                .dflt = 0,
                .min = 0,
                .max = 1,
                .help = "1: the second half of the tokens is another sequence, for block `target`"},
    {.key = NULL},
};

/* x [1,1,T,1] -> [1,out,T,1], or [1,out,T/2,1] */
static int build(struct lt_graph *g, const struct lt_block *b) {
    char name[LT_NODE_NAME];
    int tokens = b->in, x;

    if (!lt_token_no_stride(g, b)) return -1;
    if (b->v[TARGET] > 0 && tokens >= 0 && b->carry) {
        int half = (int)g->node[tokens].out.d[2] / 2;

        if (g->node[tokens].out.d[2] % 2)
            return lt_token_refuse(g, b, "%d tokens are not two sequences of equal length", 2 * half + 1);
        b->carry->node[1] = lt_graph_slice(g, lt_block_name(name, b, "target"), tokens, 2, half, 2 * half);
        b->carry->n = 2;
        tokens = lt_graph_slice(g, lt_block_name(name, b, "source"), tokens, 2, 0, half);
    }
    x = lt_graph_embed(g, lt_block_name(name, b, "table"), tokens, (int)b->v[VOCAB], b->out_channels);
    if (b->v[SEGMENTS] > 0) {
        int s = lt_graph_zero(g, lt_block_name(name, b, "segment"), tokens, 1);

        s = lt_graph_embed(g, lt_block_name(name, b, "segments"), s, (int)b->v[SEGMENTS], b->out_channels);
        x = lt_graph_add(g, lt_block_name(name, b, "add"), x, s);
    }
    if (b->v[POSITIONS] > 0) x = lt_graph_position(g, lt_block_name(name, b, "position"), x);
    return b->v[NORM] > 0 ? lt_token_norm(g, b, "norm", x, false) : x;
}

const struct lt_block_ops lt_block_embedding = {
    .name = "embedding",
    .about = "token numbers become vectors; positions, segments, norm where asked",
    .fields = fields,
    .build = build,
};
