/* Inside of predictors/help*.c: the predictor around help_net.h. */
#ifndef PREDICTORS_HELP_PRIV_H
#define PREDICTORS_HELP_PRIV_H
#include "predictors/help_net.h"
#include "predictors/model_file.h"
#include "predictors/nn_space.h"

#define HELP_MOST_REFERENCES 64
#define HELP_LOW 0.05  /* label of the fastest reference */
#define HELP_RANGE 0.9 /* to the slowest */

struct help_config {
    int references;
    int64_t n_references, episodes, tasks, support, query, hidden, draws;
    double rate, kl;
};
struct help_meta { /* learned from the training devices */
    float *learned;
    int n_learned, n_references, n_devices;
    struct lt_arch reference[HELP_MOST_REFERENCES];
    double *reference_s; /* [n_devices][n_references] */
    double error;        /* root mean square of the label's error on them, adapted to the references */
    double *graph;
};
struct help_fit {
    int n; /* measured; 0 = not fitted */
    struct lt_arch *arch;
    double *latency_s;
    float *theta; /* [draws][n_theta] */
    float embedding[HELP_MOST_REFERENCES];
    double low_s, high_s, floor_s, error2;
};
struct help {
    const struct help_config *cfg;
    const struct lt_space *space;
    uint64_t seed;
    struct lt_nn_space *view;
    struct help_meta meta;
    struct help_fit fit;
};
/* help.c */
void help_release_fit(struct help_fit *f);
void help_release_meta(struct help_meta *m);
int help_row_size(const struct help *h);
void help_encode(const struct help *h, const struct lt_arch *a, float *x);
/* m->graph is made when it is not there and has to outlive the network. */
lt_status help_network(const struct help *h, struct help_meta *m, int max_support, int max_query,
                       struct lt_help_net **out, struct lt_err *e);
/* help_refs.c */
lt_status help_choose_references(const struct help *h, const struct lt_meta *m, int *row, int *n, struct lt_err *e);
lt_status help_spread(const struct help *h, const struct lt_arch *done, int n_done, const struct lt_arch *among,
                      int n_among, int n, struct lt_arch *out, struct lt_err *e);
void help_put_archs(struct lt_blob_writer *w, const char *name, const struct lt_arch *a, int n,
                    const struct lt_space *space);
/* Into `out` of `most`, or, when that is NULL, into fresh memory. Every gene is checked. */
lt_status help_get_archs(const struct lt_blob_reader *r, const char *name, const struct lt_space *space,
                         struct lt_arch *out, int most, struct lt_arch **fresh, int *n, struct lt_err *e);
/* help_learn.c, help_adapt.c */
lt_status help_meta_fit(void *self, const struct lt_meta *m, struct lt_err *e);
lt_status help_fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e);
/* Labels and embedding from a device's latencies on the references. False when they are all the same. */
bool help_scale(const double *reference_s, int n, float *embedding, double *low_s, double *high_s);
#endif
