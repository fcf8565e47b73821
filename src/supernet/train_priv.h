/*
 * The training room's inside: what one step is, the threads that compute it, and the state that a checkpoint holds.
 */
#ifndef LT_SUPERNET_TRAIN_PRIV_H
#define LT_SUPERNET_TRAIN_PRIV_H
#include "supernet/supernet_priv.h"

enum train_schedule { TRAIN_COSINE, TRAIN_ONECYCLE, TRAIN_CONSTANT };

/* Numbers that travel behind a shard's gradient through the same tree sum, so that one collective a step is enough and
 * all ranks see the same loss, failure and wish to stop. */
enum train_stat { STAT_LOSS, STAT_LARGEST, STAT_SMALLEST, STAT_FAILED, STAT_STOP, N_STATS = 8 };

#define TRAIN_MAX_RANDOM 16
#define TRAIN_MAX_SUBNETS (TRAIN_MAX_RANDOM + 2)

struct train_subnet {
    const struct lt_graph *g;
    int resolution;
    int keep; /* slot of a session kept over steps, -1 = made for this step */
};

/* What the threads of a rank compute in one step. Shard s of the batch is items [s * shard_batch, (s + 1) *
 * shard_batch). */
struct train_step {
    const struct lt_supernet *sn;
    const struct lt_data *data;
    const int32_t *item; /* [shards * shard_batch] of the whole batch */
    const struct lt_augment *aug;
    int n_subnets; /* subnet[0] is the largest and teaches; [1] the smallest; the rest random */
    struct train_subnet subnet[TRAIN_MAX_SUBNETS];
    int shards, first, count, shard_batch; /* this rank's shards are [first, first + count) */
    bool distill;
    double smoothing;
    float *parts; /* [count][stride]: gradient of n_params floats, then N_STATS */
    int64_t stride;
};

struct train_times {
    double gather_s, session_s, batch_s, forward_s, loss_s, backward_s, scatter_s;
};

struct train_pool;
/* shard_batch and resolution bound the buffers. Each thread opens its own backend. */
lt_status train_pool_new(const struct lt_supernet *sn, const struct lt_data *data, int threads, int max_shards,
                         int shard_batch, struct train_pool **out, struct lt_err *e);
void train_pool_free(struct train_pool *p);
lt_status train_pool_run(struct train_pool *p, const struct train_step *step, struct lt_err *e);
int train_pool_threads(const struct train_pool *p);
struct train_times train_pool_times(const struct train_pool *p); /* summed over threads since the start */
/* Profiling of the sessions kept in slot 0. */
lt_status train_pool_profile(struct train_pool *p, bool on, struct lt_err *e);
const struct lt_profile *train_pool_profile_get(const struct train_pool *p, int thread);
/* Threads for this rank: cfg's, else the processors that this rank may use, divided among the ranks that share them.
 * Collective. */
/* Processors this process may use, and a hash that is equal for processes that share them. */
int train_processors(uint64_t *place);
lt_status train_threads(const struct lt_train_cfg *cfg, struct lt_comm *comm, int *out, struct lt_err *e);

/* Learning rate of a step, steps counted from 0. */
double train_rate(const struct lt_train_cfg *cfg, int64_t step, int64_t total, int64_t steps_per_epoch);
/* Euclidean norm, summed in a fixed order in double. */
double train_norm(const float *v, int64_t n);
/* v = momentum * v + g, params -= rate * (g + momentum * v), g = scale * grad + weight_decay * params (weights only).
 */
void train_sgd(const struct lt_supernet *sn, float *params, float *velocity, const float *grad, float scale, float rate,
               float momentum, float weight_decay);

struct train_state {
    int64_t step;                                  /* steps done */
    double seconds;                                /* of training, over all sittings */
    double sum_largest, sum_smallest, sum_seconds; /* since the last log point */
    int64_t sum_steps;
    float *velocity; /* [n_params] */
    struct lt_train_log log;
};
/* What must agree between a checkpoint and the run that continues it. */
struct train_identity {
    const struct lt_train_cfg *cfg;
    const struct lt_data_cfg *aug;
    uint64_t seed, data_hash;
};

lt_status log_add(struct lt_train_log *l, const struct lt_train_point *p, struct lt_err *e);
/* Writes dir/step-N.ltc and removes all but the newest two. *path (lt_free) replaces the previous value. */
lt_status checkpoint_write(const char *dir, const struct lt_supernet *sn, const struct train_state *t,
                           const struct train_identity *id, char **path, struct lt_err *e);
/* Newest whole checkpoint of dir, read by rank 0 and given to all. *found = false when there is none. Collective. */
lt_status checkpoint_resume(const char *dir, struct lt_supernet *sn, struct train_state *t,
                            const struct train_identity *id, struct lt_comm *comm, const struct lt_ui *ui, char **path,
                            bool *found, struct lt_err *e);
#endif
