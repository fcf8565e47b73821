/* Room: predictors. What the files of the registry share; plug-ins need none of it. */
#ifndef PREDICTORS_PREDICTOR_PRIV_H
#define PREDICTORS_PREDICTOR_PRIV_H
#include "lathe/predictor.h"

enum { LT_MOST_PREFERRED = 64 }; /* architectures that a method may want measured on every device */

struct lt_predictor {
    const struct lt_predictor_ops *ops;
    const struct lt_space *space;
    struct lt_space *own_space; /* where load had to find it */
    uint64_t seed;
    void *cfg, *self;
    bool fitted, has_meta;
    int n_measured; /* of the last fit */
    int n_devices;
    char **device;
    uint64_t *meta_hash, *fit_hash, *seen; /* ascending, each once; seen: both together */
    int n_meta_hash, n_fit_hash, n_seen;
};

/* cfg: keys of the method alone may stand in it, and those of `skip`. */
lt_status lt_predictor_open_kind(const struct lt_predictor_ops *ops, const struct lt_yaml *cfg, const char *const *skip,
                                 const struct lt_space *space, uint64_t seed, struct lt_predictor **out,
                                 struct lt_err *e);
const struct lt_predictor_ops *lt_predictor_named(const char *name); /* NULL when there is none */
/* Joins meta_hash and fit_hash into seen. */
lt_status lt_predictor_join_seen(struct lt_predictor *p, struct lt_err *e);
/* The reference architectures that were published with HELP for this space, at most `most` of them (there are
 * LT_PUBLISHED_REFERENCES); how many: 0 for other spaces. */
enum { LT_PUBLISHED_REFERENCES = 10 };
int lt_published_references(const struct lt_space *s, struct lt_arch *out, int most);
/* The default of propose: in every step the candidate whose choices are farthest from all that are measured or taken;
 * the first is the candidate nearest to the middle of all. */
lt_status lt_propose_spread(const struct lt_space *s, const struct lt_arch *done, int n_done,
                            const struct lt_arch *among, int n_among, int n, struct lt_arch *out, struct lt_err *e);
#endif
