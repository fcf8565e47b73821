/*
 * A search space: choices read from a YAML file, and how a choice vector becomes an operator graph.
 * What searches sees only lt_arch. An arch is canonical when genes that have no effect (blocks beyond a stage's depth)
 * are 0; all functions here return canonical archs, hashes are of the canonical form and its space. Thread safe for
 * readers. Not collective. Format: docs/formats/space.md.
 */
#ifndef LATHE_SPACE_H
#define LATHE_SPACE_H
#include "lathe/graph.h"
#include "lathe/rng.h"
#include "lathe/yaml.h"
#ifdef __cplusplus
extern "C" {
#endif
#define LT_MAX_GENES 192
struct lt_arch {
    int32_t n;
    uint8_t g[LT_MAX_GENES]; /* g[i] in [0, cardinality of gene i) */
};
struct lt_gene {
    const char *name; /* "s2.b1.kernel", "resolution", ... */
    int n_choices;
    const char *const *label; /* [n_choices] "3", "5", "7" */
    const double *value;      /* [n_choices] the number behind the label */
};
struct lt_space;
/* A path, or a name that is looked up as <name>.yaml in ./spaces and the installed spaces folder. Verifies that the
 * smallest and the largest network expand. */
lt_status lt_space_load(const char *name_or_path, struct lt_space **out, struct lt_err *e);
lt_status lt_space_parse_yaml(const struct lt_yaml *root, struct lt_space **out, struct lt_err *e);
void lt_space_free(struct lt_space *s);
const char *lt_space_name(const struct lt_space *s);
uint64_t lt_space_hash(const struct lt_space *s); /* of everything that changes meaning of an arch */
int lt_space_n_genes(const struct lt_space *s);
const struct lt_gene *lt_space_gene(const struct lt_space *s, int i);
double lt_space_log10_size(const struct lt_space *s); /* number of canonical archs */
/* Number of canonical archs: exact decimal where it fits in 128 bits, else "1.23e45". */
void lt_space_size_text(const struct lt_space *s, struct lt_buf *out);
int lt_space_classes(const struct lt_space *s);
int lt_space_input_channels(const struct lt_space *s);
int lt_space_resolution(const struct lt_space *s, const struct lt_arch *a);
int lt_space_max_resolution(const struct lt_space *s);

void lt_space_largest(const struct lt_space *s, struct lt_arch *out);
void lt_space_smallest(const struct lt_space *s, struct lt_arch *out);
void lt_space_sample(const struct lt_space *s, struct lt_rng *r, struct lt_arch *out); /* each gene uniform */
/* At least one effective gene changes. */
void lt_space_mutate(const struct lt_space *s, struct lt_rng *r, double p_gene, struct lt_arch *a);
void lt_space_crossover(const struct lt_space *s, struct lt_rng *r, const struct lt_arch *a, const struct lt_arch *b,
                        struct lt_arch *out);
void lt_space_canonical(const struct lt_space *s, struct lt_arch *a);
bool lt_space_gene_active(const struct lt_space *s, const struct lt_arch *a, int gene);
uint64_t lt_arch_hash(const struct lt_space *s, const struct lt_arch *a);
bool lt_arch_equal(const struct lt_arch *a, const struct lt_arch *b);
/* One line, parsed back exactly: "mobile28:r28|c16|s1:c24,k3e4,k5e3|..." ; errors name the column. */
void lt_arch_print(const struct lt_space *s, const struct lt_arch *a, struct lt_buf *out);
lt_status lt_arch_parse(const struct lt_space *s, const char *text, struct lt_arch *out, struct lt_err *e);

/* The network of an arch. Caller frees. Graph name = arch string. Output = logits (no softmax). */
lt_status lt_space_expand(const struct lt_space *s, const struct lt_arch *a, struct lt_graph **out, struct lt_err *e);
/* Features for predictors, in [0,1]: per gene one-hot (zeros when inactive). */
int lt_space_n_features(const struct lt_space *s);
void lt_space_features(const struct lt_space *s, const struct lt_arch *a, double *out);
#ifdef __cplusplus
}
#endif
#endif
