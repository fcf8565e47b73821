/*
 * A value of a space file: a constant, a choice (a list in brackets; it becomes a gene), the same choice as another
 * (`tie`), or an expression of choices. Also the readers of single keys that all sections of a space file share.
 * Private to spaces/.
 */
#ifndef SPACES_VALUE_H
#define SPACES_VALUE_H
#include "lathe/space.h"

/* A gene (or a segment) exists while gene `gene` exists and its choice number is in the set. */
#define LT_MAX_CONDS 4
struct lt_cond {
    int gene;       /* an earlier one */
    uint64_t on[4]; /* bit k of word k/64: exists at choice k */
};

struct lt_expr;
struct lt_choice {
    int n;                    /* >= 1; 0 with expr */
    const double *v;          /* [n] */
    const char *const *label; /* [n] where values have names, else NULL */
    int gene;                 /* -1 when n == 1 */
    bool own;                 /* the gene was made for this value (not a tie) */
    bool exact;               /* given by an expression: channels are taken as they are */
    bool conditional;         /* the gene may be missing where the value is still needed: `otherwise` */
    double otherwise;
    const struct lt_expr *expr; /* of several choices */
    const char *file;
    int line, col;
};

/* What a number may be. `list`: may it be a choice? */
struct lt_rule {
    bool whole, odd, list;
    double min, max;
    const char *const *names; /* values 0, 1, ... are written as these names, NULL-ended */
};

/* Where a value stands: how its gene is named and when it exists. */
struct lt_scope {
    struct lt_space *s;
    const char *prefix; /* gene name: prefix.key, or key alone when NULL */
    int n_conds;
    struct lt_cond cond[LT_MAX_CONDS];
    int index, count;        /* `index` and `count` in expressions: number of the block; -1: unknown there */
    const char *repeat_name; /* of the repetition around it, NULL none */
    double repeat_value;
};

/* A value under `key`. A list makes a gene in s. */
lt_status lt_value_read(const struct lt_scope *sc, const struct lt_yaml *n, const char *key, const struct lt_rule *r,
                        struct lt_choice *out, struct lt_err *e);
void lt_value_const(struct lt_choice *out, struct lt_arena *a, double v,
                    const struct lt_yaml *at); /* v NULL on ENOMEM */
const char *lt_expr_text(const struct lt_expr *x);
double lt_expr_eval(const struct lt_expr *x, const struct lt_space *s, const struct lt_arch *a);
double lt_choice_value(const struct lt_space *s, const struct lt_choice *c, const struct lt_arch *a);
double lt_choice_max(const struct lt_choice *c); /* of a choice without expr */
/* Appends the genes that the value depends on, each once; at most LT_MAX_GENES. */
void lt_choice_genes(const struct lt_space *s, const struct lt_choice *c, int *gene, int *n);
/* Channels, from the node of their key: a list must still differ once rounded. */
lt_status lt_channels_read(const struct lt_scope *sc, const struct lt_yaml *n, struct lt_choice *out, struct lt_err *e);
/* All that it says, for the hash of a space. */
void lt_choice_hash(const struct lt_space *s, struct lt_buf *text, const struct lt_choice *c);
/* `when: {name: value | [values]}` appended to conditions. */
lt_status lt_when_read(struct lt_space *s, const struct lt_yaml *when, int *n_conds, struct lt_cond *cond,
                       struct lt_err *e);

/* As a label: whole numbers without a point. */
void lt_value_print(double v, char buf[32]);

lt_status lt_read_required(const struct lt_yaml *map, const char *key, const struct lt_yaml **out, struct lt_err *e);
/* A whole number that is no choice; dflt < min: required. */
lt_status lt_read_int(const struct lt_yaml *map, const char *key, int min, int max, int dflt, int *out,
                      struct lt_err *e);
lt_status lt_read_bool(const struct lt_yaml *map, const char *key, bool dflt, bool *out, struct lt_err *e);
lt_status lt_read_act(const struct lt_yaml *n, enum lt_act *out, struct lt_err *e);
/* Names end up in node names, arch strings and file names: letters, digits, '_' (and '-', '.' where `dots`), starting
 * with a letter. */
lt_status lt_read_name(struct lt_space *s, const struct lt_yaml *n, bool dots, const char **out, struct lt_err *e);

/* expr.c: compiles; place and text from n. */
lt_status lt_expr_parse(const struct lt_scope *sc, const struct lt_yaml *n, const struct lt_expr **out,
                        struct lt_err *e);
void lt_expr_genes(const struct lt_space *s, const struct lt_expr *x, int *gene, int *n);
#endif
