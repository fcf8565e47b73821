/*
 * Training by the sandwich rule with in-place distillation (Yu et al., "BigNAS: Scaling up Neural Architecture Search
 * with Big Single-Stage Models", ECCV 2020): per step the largest network on labels, then the smallest and some random
 * ones on the largest's softmax; gradients summed over subnetworks. Images of a step are the same for all, each at its
 * own resolution.
 *
 * Every rank holds parameters and optimiser and does the same update on the same sum. What is drawn (order of images,
 * subnetworks, augmentation) is keyed by epoch or step, so a run that continues from a checkpoint draws what it would
 * have drawn.
 */
#include "supernet/data_priv.h"
#include "supernet/train_priv.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct lt_opt lt_train_opts[] = {
    {"epochs", LT_OPT_DOUBLE, "", "6", 0.001, 10000, offsetof(struct lt_train_cfg, epochs), NULL,
     "passes over the training images"},
    {"batch", LT_OPT_INT, "", "128", 2, 65536, offsetof(struct lt_train_cfg, batch), NULL, "images a step"},
    {"shards", LT_OPT_INT, "", "4", 1, 1024, offsetof(struct lt_train_cfg, shards), NULL,
     "parts of a batch that are computed apart, each with its own batch-norm statistics; a power of two, at least "
     "ranks times threads for full speed"},
    {"threads", LT_OPT_INT, "", "0", 0, 1024, offsetof(struct lt_train_cfg, threads), NULL,
     "threads of a rank; 0 = the processors it may use"},
    {"lr", LT_OPT_DOUBLE, "", "0.1", 1e-6, 100, offsetof(struct lt_train_cfg, lr), NULL, "highest learning rate"},
    {"momentum", LT_OPT_DOUBLE, "", "0.9", 0, 0.9999, offsetof(struct lt_train_cfg, momentum), NULL,
     "Nesterov momentum"},
    {"weight_decay", LT_OPT_DOUBLE, "", "0.0001", 0, 1, offsetof(struct lt_train_cfg, weight_decay), NULL,
     "L2 penalty of convolution and classifier weights"},
    {"label_smoothing", LT_OPT_DOUBLE, "fraction", "0.1", 0, 0.9, offsetof(struct lt_train_cfg, label_smoothing), NULL,
     "of the labels that the largest network learns from"},
    {"warmup_epochs", LT_OPT_DOUBLE, "", "0.5", 0, 1000, offsetof(struct lt_train_cfg, warmup_epochs), NULL,
     "linear warm-up of the learning rate"},
    {"clip", LT_OPT_DOUBLE, "", "5", 0, 1e6, offsetof(struct lt_train_cfg, clip), NULL,
     "largest norm of a step's gradient; 0 = no limit"},
    {"random", LT_OPT_INT, "", "2", 0, TRAIN_MAX_RANDOM, offsetof(struct lt_train_cfg, random), NULL,
     "random subnetworks a step, besides the largest and the smallest"},
    {"distill", LT_OPT_BOOL, "", "true", 0, 0, offsetof(struct lt_train_cfg, distill), NULL,
     "smaller networks learn from the largest one's predictions instead of labels"},
    {"schedule", LT_OPT_ENUM, "", "cosine", 0, 0, offsetof(struct lt_train_cfg, schedule), "cosine|onecycle|constant",
     "course of the learning rate"},
    {"checkpoint_s", LT_OPT_DOUBLE, "s", "20", 0, 1e6, offsetof(struct lt_train_cfg, checkpoint_s), NULL,
     "time between checkpoints; 0 = every step"},
    {"calib_images", LT_OPT_INT, "", "1000", 2, 1e9, offsetof(struct lt_train_cfg, calib_images), NULL,
     "training images that recalibrate the batch norm of an evaluated subnetwork"},
    {"eval_images", LT_OPT_INT, "", "2000", 1, 1e9, offsetof(struct lt_train_cfg, eval_images), NULL,
     "validation images that a candidate is judged on during the search"},
    {0}};

#define EXPLODED 10.0 /* times the loss of guessing */

struct trainer {
    struct lt_supernet *sn;
    const struct lt_data *data;
    const struct lt_train_cfg *cfg;
    struct train_identity id;
    struct lt_comm *comm;
    const char *dir;
    const struct lt_ui *ui;
    struct train_pool *pool;
    struct lt_graph *largest, *smallest, *drawn[TRAIN_MAX_RANDOM];
    int largest_resolution, smallest_resolution;
    int64_t steps_per_epoch, total, log_every;
    int32_t *order; /* images of the present epoch */
    int64_t order_epoch;
    int first, count;
    int64_t stride;
    float *parts, *sum;
    struct train_state state;
    char *checkpoint; /* newest good one, NULL = none */
    double saved_at;  /* lt_now_s of the last checkpoint; rank 0 */
    lt_status late;   /* rank 0: a checkpoint failed after the step's exchange */
    struct lt_err late_err;
};

void lt_train_log_release(struct lt_train_log *l) {
    lt_free(l->point);
    memset(l, 0, sizeof(*l));
}

lt_status log_add(struct lt_train_log *l, const struct lt_train_point *p, struct lt_err *e) {
    struct lt_train_point *more = lt_realloc(l->point, (size_t)(l->n + 1) * sizeof(*more));
    if (!more) return lt_fail(e, LT_ENOMEM, "training log");
    l->point = more;
    more[l->n++] = *p;
    return LT_OK;
}

static lt_status check(const struct lt_supernet *sn, const struct lt_data *d, const struct lt_train_cfg *c,
                       struct lt_err *e) {
    if (c->shards < 1 || (c->shards & (c->shards - 1)))
        return lt_fail(e, LT_EINVAL, "supernet: shards: %lld is not a power of two", (long long)c->shards);
    if (c->batch % c->shards || c->batch / c->shards < 2)
        return lt_fail(e, LT_EINVAL,
                       "supernet: batch: %lld is not a multiple of shards: %lld with at least 2 images each",
                       (long long)c->batch, (long long)c->shards);
    if (d->n < c->batch)
        return lt_fail(e, LT_EINVAL, "supernet: batch: %lld is more than the %d training images", (long long)c->batch,
                       d->n);
    if (d->channels != lt_space_input_channels(sn->space))
        return lt_fail(e, LT_EINVAL, "data: images have %d channels, space '%s' expects %d", d->channels,
                       lt_space_name(sn->space), lt_space_input_channels(sn->space));
    if (d->classes != lt_space_classes(sn->space))
        return lt_fail(e, LT_EINVAL, "data: %d classes, space '%s' has %d", d->classes, lt_space_name(sn->space),
                       lt_space_classes(sn->space));
    if (c->random < 0 || c->random > TRAIN_MAX_RANDOM)
        return lt_fail(e, LT_EINVAL, "supernet: random: %lld, expected 0 to %d", (long long)c->random,
                       TRAIN_MAX_RANDOM);
    return LT_OK;
}

static lt_status set_up(struct trainer *t, int threads, struct lt_err *e) {
    const struct lt_space *space = t->sn->space;
    const struct lt_train_cfg *c = t->cfg;
    struct lt_arch a;
    lt_status st;
    t->steps_per_epoch = t->data->n / c->batch;
    t->total = (int64_t)llround(c->epochs * (double)t->steps_per_epoch);
    if (t->total < 1) t->total = 1;
    t->log_every = t->total >= 200 ? t->total / 200 : 1;
    t->order_epoch = -1;
    lt_comm_shards(t->comm, (int)c->shards, &t->first, &t->count);
    t->stride = t->sn->n_params + N_STATS;
    t->order = lt_malloc((size_t)t->data->n * sizeof(*t->order));
    t->parts = lt_aligned((size_t)(t->count > 0 ? t->count : 1) * (size_t)t->stride * sizeof(float));
    t->sum = lt_aligned((size_t)t->stride * sizeof(float));
    t->state.velocity = lt_aligned((size_t)t->sn->n_params * sizeof(float));
    if (!t->order || !t->parts || !t->sum || !t->state.velocity)
        return lt_fail(e, LT_ENOMEM, "training: %d gradients of %lld values", t->count, (long long)t->stride);
    memset(t->state.velocity, 0, (size_t)t->sn->n_params * sizeof(float));
    lt_space_largest(space, &a);
    t->largest_resolution = lt_space_resolution(space, &a);
    if ((st = lt_space_expand(space, &a, &t->largest, e))) return st;
    lt_space_smallest(space, &a);
    t->smallest_resolution = lt_space_resolution(space, &a);
    if ((st = lt_space_expand(space, &a, &t->smallest, e))) return st;
    return train_pool_new(t->sn, t->data, threads, t->count, (int)(c->batch / c->shards), &t->pool, e);
}

static void tear_down(struct trainer *t) {
    train_pool_free(t->pool); /* its sessions borrow the graphs */
    lt_graph_free(t->largest);
    lt_graph_free(t->smallest);
    lt_free(t->order);
    lt_free(t->parts);
    lt_free(t->sum);
    lt_free(t->state.velocity);
    lt_train_log_release(&t->state.log);
    lt_free(t->checkpoint);
}

/* Draws this step's random subnetworks into t->drawn. */
static lt_status draw(struct trainer *t, struct train_step *s, struct lt_err *e) {
    const struct lt_space *space = t->sn->space;
    lt_status st;
    for (int k = 0; k < (int)t->cfg->random; k++) {
        struct lt_rng r;
        struct lt_arch a;
        lt_rng_at(&r, t->id.seed, LT_RNG_SUBNET, (uint64_t)t->state.step, (uint64_t)k);
        lt_space_sample(space, &r, &a);
        if ((st = lt_space_expand(space, &a, &t->drawn[k], e))) return st;
        s->subnet[s->n_subnets++] = (struct train_subnet){t->drawn[k], lt_space_resolution(space, &a), -1};
    }
    return LT_OK;
}

/* This rank's shards of the present step into t->parts. */
static lt_status compute(struct trainer *t, struct lt_err *e) {
    int64_t epoch = t->state.step / t->steps_per_epoch, at = t->state.step % t->steps_per_epoch;
    struct lt_augment aug = {
        .seed = t->id.seed, .epoch = (uint64_t)epoch, .flip = t->id.aug->flip, .crop = (int)t->id.aug->crop};
    struct train_step s = {.sn = t->sn,
                           .data = t->data,
                           .aug = &aug,
                           .n_subnets = 2,
                           .shards = (int)t->cfg->shards,
                           .first = t->first,
                           .count = t->count,
                           .shard_batch = (int)(t->cfg->batch / t->cfg->shards),
                           .distill = t->cfg->distill,
                           .smoothing = t->cfg->label_smoothing,
                           .parts = t->parts,
                           .stride = t->stride};
    if (t->order_epoch != epoch) {
        struct lt_rng r;
        for (int32_t i = 0; i < t->data->n; i++) t->order[i] = i;
        lt_rng_at(&r, t->id.seed, LT_RNG_SHUFFLE, (uint64_t)epoch, 0);
        lt_rng_shuffle(&r, t->order, t->data->n);
        t->order_epoch = epoch;
    }
    s.item = t->order + at * t->cfg->batch;
    s.subnet[0] = (struct train_subnet){t->largest, t->largest_resolution, 0};
    s.subnet[1] = (struct train_subnet){t->smallest, t->smallest_resolution, 1};
    lt_status st = draw(t, &s, e);
    if (!st) st = train_pool_run(t->pool, &s, e);
    for (int k = 0; k < TRAIN_MAX_RANDOM; k++) {
        lt_graph_free(t->drawn[k]);
        t->drawn[k] = NULL;
    }
    return st;
}

static lt_status save(struct trainer *t, struct lt_err *e) {
    lt_status st =
        t->dir && t->comm->rank == 0 ? checkpoint_write(t->dir, t->sn, &t->state, &t->id, &t->checkpoint, e) : LT_OK;
    t->saved_at = lt_now_s();
    return st;
}

/* One step: compute, sum over ranks, update. *stop: some rank was asked to stop before this step. */
static lt_status step(struct trainer *t, bool *stop, struct lt_err *e) {
    double began = lt_now_s();
    struct lt_err err = t->late_err;
    bool wish = lt_ui_stop(t->ui);
    lt_status mine = t->late ? t->late : compute(t, &err), st;
    for (int i = 0; i < t->count; i++) {
        float *part = t->parts + i * t->stride;
        if (mine) /* half-made gradients must not reach the others */
            memset(part, 0, (size_t)t->stride * sizeof(float));
        part[t->sn->n_params + STAT_FAILED] = mine != LT_OK;
        part[t->sn->n_params + STAT_STOP] = wish;
    }
    if ((st = lt_comm_sum_tree(t->comm, (int)t->cfg->shards, t->parts, t->stride, t->sum, e))) return st;
    const float *stats = t->sum + t->sn->n_params;
    if (stats[STAT_FAILED] > 0) {
        if (mine) lt_fail(e, mine, "%s", err.msg);
        return lt_comm_agree(t->comm, mine, e);
    }
    double loss = stats[STAT_LARGEST], norm = train_norm(t->sum, t->sn->n_params);
    if (!isfinite(stats[STAT_LOSS]) || !isfinite(norm) || loss > EXPLODED * log(lt_space_classes(t->sn->space)))
        return lt_fail(e, LT_EFAIL,
                       "training: step %lld of %lld: loss %g of the largest network, gradient norm %g: diverged; last "
                       "good checkpoint: %s; a smaller lr "
                       "than %g or more warmup_epochs than %g may help",
                       (long long)t->state.step + 1, (long long)t->total, loss, norm,
                       t->checkpoint ? t->checkpoint : "none", t->cfg->lr, t->cfg->warmup_epochs);
    double rate = train_rate(t->cfg, t->state.step, t->total, t->steps_per_epoch);
    double scale = t->cfg->clip > 0 && norm > t->cfg->clip ? t->cfg->clip / norm : 1;
    train_sgd(t->sn, t->sn->params, t->state.velocity, t->sum, (float)scale, (float)rate, (float)t->cfg->momentum,
              (float)t->cfg->weight_decay);
    struct train_state *s = &t->state;
    double took = lt_now_s() - began;
    s->step++;
    s->seconds += took;
    s->sum_seconds += took;
    s->sum_largest += loss;
    s->sum_smallest += stats[STAT_SMALLEST];
    s->sum_steps++;
    *stop = stats[STAT_STOP] > 0;
    if (s->step % t->log_every == 0 || s->step == t->total) {
        struct lt_train_point p = {.epoch = (double)s->step / (double)t->steps_per_epoch,
                                   .loss_largest = s->sum_largest / (double)s->sum_steps,
                                   .loss_smallest = s->sum_smallest / (double)s->sum_steps,
                                   .lr = rate,
                                   .images_per_s = (double)(s->sum_steps * t->cfg->batch) / s->sum_seconds,
                                   .seconds = s->seconds};
        if ((st = lt_comm_agree(t->comm, log_add(&s->log, &p, e), e))) return st;
        s->sum_largest = s->sum_smallest = s->sum_seconds = 0;
        s->sum_steps = 0;
    }
    return LT_OK;
}

static void tell(const struct trainer *t) {
    char note[120] = "";
    if (t->state.log.n > 0) {
        const struct lt_train_point *p = &t->state.log.point[t->state.log.n - 1];
        snprintf(note, sizeof(note), "loss %.3f largest, %.3f smallest, %.0f images/s", p->loss_largest,
                 p->loss_smallest, p->images_per_s);
    }
    if (t->comm->rank == 0) lt_ui_progress(t->ui, "training", (double)t->state.step, (double)t->total, note);
}

/* Where the time of this sitting went, for those who asked for debug messages. */
static void tell_times(const struct trainer *t, double wall_s) {
    struct train_times s = train_pool_times(t->pool);
    double n = train_pool_threads(t->pool);
    if (t->comm->rank == 0)
        lt_ui_say(
            t->ui, LT_UI_DEBUG,
            "training: %.1f s on %.0f threads; a thread spent forward %.1f, backward %.1f, gather %.2f, scatter %.2f, "
            "sessions %.2f, batches %.2f, losses %.2f s",
            wall_s, n, s.forward_s / n, s.backward_s / n, s.gather_s / n, s.scatter_s / n, s.session_s / n,
            s.batch_s / n, s.loss_s / n);
}

static lt_status run(struct trainer *t, struct lt_err *e) {
    bool found = false, stop = false;
    double began = lt_now_s();
    lt_status st;
    if (t->dir && (st = checkpoint_resume(t->dir, t->sn, &t->state, &t->id, t->comm, t->ui, &t->checkpoint, &found, e)))
        return st;
    if (found && t->comm->rank == 0)
        lt_ui_say(t->ui, LT_UI_INFO, "training continues at step %lld of %lld (%s)", (long long)t->state.step,
                  (long long)t->total, t->checkpoint);
    t->saved_at = lt_now_s();
    int64_t from = t->state.step;
    while (t->state.step < t->total && !stop) {
        if ((st = step(t, &stop, e))) return st;
        tell(t);
        if (t->state.step < t->total && !stop && lt_now_s() - t->saved_at >= t->cfg->checkpoint_s)
            t->late = save(t, &t->late_err); /* rank 0's failure travels with the next step */
    }
    st = t->late;
    if (st)
        lt_fail(e, st, "%s", t->late_err.msg);
    else if (t->state.step > from) /* a finished training that is called again writes nothing new */
        st = save(t, e);
    if (!st && !stop && t->dir && t->comm->rank == 0) {
        char *path = lt_path_join(t->dir, "final.ltw");
        st = path ? lt_supernet_save(t->sn, path, e) : lt_fail(e, LT_ENOMEM, "path of the weights");
        lt_free(path);
    }
    tell_times(t, lt_now_s() - began);
    if ((st = lt_comm_agree(t->comm, st, e))) return st;
    if (stop && t->state.step < t->total)
        return lt_fail(e, LT_EINTR, "training: interrupted at step %lld of %lld%s; the same command continues",
                       (long long)t->state.step, (long long)t->total, t->dir ? ", checkpoint written" : "");
    return LT_OK;
}

lt_status lt_supernet_train(struct lt_supernet *sn, const struct lt_data *train, const struct lt_data_cfg *aug,
                            const struct lt_train_cfg *cfg, uint64_t seed, struct lt_comm *comm, const char *dir,
                            const struct lt_ui *ui, struct lt_train_log *log, struct lt_err *e) {
    struct trainer t = {.sn = sn,
                        .data = train,
                        .cfg = cfg,
                        .comm = comm,
                        .dir = dir,
                        .ui = ui,
                        .id = {.cfg = cfg, .aug = aug, .seed = seed, .data_hash = data_part_hash(train)}};
    int threads = 1;
    lt_status st = check(sn, train, cfg, e);
    if (!st) st = train_threads(cfg, comm, &threads, e);
    if (!st) st = set_up(&t, threads, e);
    if (!(st = lt_comm_agree(comm, st, e))) st = run(&t, e);
    if (!st && log) {
        *log = t.state.log;
        memset(&t.state.log, 0, sizeof(t.state.log));
    }
    tear_down(&t);
    return st;
}
