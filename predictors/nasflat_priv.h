/* Inside of predictors/nasflat*.c. */
#ifndef PREDICTORS_NASFLAT_PRIV_H
#define PREDICTORS_NASFLAT_PRIV_H
#include "predictors/model_file.h"
#include "predictors/nn.h"
#include "predictors/nn_space.h"

enum { NASFLAT_CHUNK = 16 }; /* architectures that go through the network at a time, all of one device */

struct nasflat_config {
    int64_t epochs, samples, batch, width, tune_epochs;
    double rate, tune_rate, margin;
};
struct nasflat_net {
    struct lt_nn *nn;
    int ops, device, weight, drop[3]; /* inputs: operations, one-hot device, weights of nodes, dropout (-1 none) */
    int table;                        /* place of the devices' embeddings in the parameters, 8 numbers each */
    int nodes, slots;
};
struct nasflat_map { /* from scores to seconds: a + b * score, or the exponential of that */
    bool is_log;
    double a, b, floor_s, error; /* error: relative deviation */
};
struct nasflat {
    const struct nasflat_config *cfg;
    const struct lt_space *space;
    uint64_t seed;
    struct lt_nn_space *view;
    int n_devices; /* learned from; the target's slot comes after them */
    int n_theta;
    float *theta, *tuned; /* after meta_fit; after fit */
    struct nasflat_map map;
};
/* slots: devices that embeddings are kept for. dropout: for training. */
lt_status nasflat_network(const struct nasflat *f, int slots, int items, bool dropout, enum lt_nn_purpose purpose,
                          struct nasflat_net *out, struct lt_err *e);
void nasflat_network_release(struct nasflat_net *n);
/* Puts an architecture into place `item` of a network, for the device of a slot. */
void nasflat_put(const struct nasflat *f, struct nasflat_net *n, int item, const struct lt_arch *a, int slot);
/* Scores of any number of architectures; n->nn has room for NASFLAT_CHUNK. */
void nasflat_scores(const struct nasflat *f, struct nasflat_net *n, const float *theta, const struct lt_arch *a,
                    int count, int slot, double *score);
double nasflat_apply(const struct nasflat_map *m, double score); /* seconds */
lt_status nasflat_meta_fit(void *self, const struct lt_meta *m, struct lt_err *e);
lt_status nasflat_fit(void *self, const struct lt_arch *a, const double *latency_s, int n, struct lt_err *e);
lt_status nasflat_propose(const void *self, const struct lt_arch *done, const double *latency_s, int n_done,
                          const struct lt_arch *among, int n_among, int n, struct lt_arch *out, struct lt_err *e);
#endif
