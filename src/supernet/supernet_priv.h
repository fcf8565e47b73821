/*
 * The supernet room's inside. shared.c lays out the shared vector; gather.c and scatter.c move parameters and gradients
 * between it and a subnetwork; train.c drives the steps, worker.c computes shards on threads, sgd.c and schedule.c
 * update, checkpoint.c saves and resumes; evaluate.c recalibrates and evaluates; profile.c times.
 */
#ifndef LT_SUPERNET_SUPERNET_PRIV_H
#define LT_SUPERNET_SUPERNET_PRIV_H
#include "lathe/supernet.h"

#define SHARED_MAX_KERNELS 8 /* different kernel sizes of one convolution */
#define SHARED_MAX_KERNEL 15 /* largest side with elastic kernel */
#define SHARED_MAX_TAPS (SHARED_MAX_KERNEL * SHARED_MAX_KERNEL)

/* One parameter of the shared vector: the largest extent that any subnetwork asks of that name. */
struct shared_param {
    char *name; /* in the supernet's arena */
    enum lt_param_role role;
    int n_dims;
    int64_t dim[4], count, offset; /* offset in floats */
    bool zero_init;                /* gamma of the last BN of a residual branch */
    /* Elastic kernel: sides ascending; transform[i] is the offset of the [k*k, k*k] matrix, k = kernel[i], that makes
     * the kernel of side kernel[i] from the centre of the one of side kernel[i + 1] (row = tap made, column = tap
     * read). */
    int n_kernels, kernel[SHARED_MAX_KERNELS];
    int64_t transform[SHARED_MAX_KERNELS];
};

struct lt_supernet {
    const struct lt_space *space; /* borrowed */
    struct lt_arena *arena;
    int n_entries, cap_entries;
    struct shared_param *entry;
    int n_slots, *slot; /* open addressing by name: entry index or -1; n_slots = 2^k */
    int64_t n_params;   /* floats of the shared vector */
    int64_t max_floats; /* no subnetwork's weights need more, padding included */
    int max_tensors;    /* no subnetwork has more parameters */
    float *params;
};

/* Entry of that name, or NULL. */
const struct shared_param *shared_find(const struct lt_supernet *sn, const char *name);
/* The entry behind parameter p of g; fails when the graph does not belong to the supernet's space. */
lt_status shared_resolve(const struct lt_supernet *sn, const struct lt_graph *g, int p, const struct shared_param **out,
                         struct lt_err *e);

/* Forward of the kernel chain for one kernel: taps of side kernel[from] -> taps of side kernel[to], to < from. step[i]
 * (NULL ok) receives the taps that transform i read, as needed by the gradient. */
void kernel_chain(const struct shared_param *s, const float *params, const float *taps, int from, int to, float *out,
                  float (*step)[SHARED_MAX_TAPS]);

/* A lt_weights over storage that is used again for many graphs: no allocation per subnetwork. */
struct weights_pool {
    struct lt_weights w;
    int cap_tensors;
    int64_t cap_floats;
};
lt_status weights_pool_init(struct weights_pool *p, const struct lt_supernet *sn, struct lt_err *e);
void weights_pool_release(struct weights_pool *p);
/* Points the pool's weights at g's parameters. Contents undefined. */
void weights_pool_bind(struct weights_pool *p, const struct lt_graph *g);
void weights_pool_zero(struct weights_pool *p);
#endif
