/*
 * How fast one network trains and where the time goes, by operator class: what `lathe train --profile` prints. The
 * steps are those of training (assembly, forward, loss, backward, scatter, sum, update) with one subnetwork; the
 * parameters are put back afterwards.
 */
#include "supernet/train_priv.h"
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "lathe/stats.h"
#include <stdio.h>
#include <string.h>

/* The row of a class by name, made on first use; the last row takes what does not fit. */
static struct lt_profile_row *row_of(struct lt_profile_report *r, const char *name) {
    for (int i = 0; i < r->n_rows; i++)
        if (!strcmp(r->row[i].name, name)) return &r->row[i];
    if (r->n_rows == LT_PROFILE_ROWS) return &r->row[LT_PROFILE_ROWS - 1];
    struct lt_profile_row *row = &r->row[r->n_rows++];
    snprintf(row->name, sizeof(row->name), "%s", name);
    return row;
}

static void class_name(const struct lt_node *n, char *out, size_t size) {
    if (lt_node_is_depthwise(n))
        snprintf(out, size, "depthwise %dx%d", n->kernel, n->kernel);
    else if (n->op == LT_OP_CONV)
        snprintf(out, size, "%s %dx%d", n->groups > 1 ? "grouped" : "dense", n->kernel, n->kernel);
    else if (n->op == LT_OP_BN || n->op == LT_OP_ACT)
        snprintf(out, size, "norm and act");
    else if (n->op == LT_OP_LINEAR)
        snprintf(out, size, "classifier");
    else
        snprintf(out, size, "pool and other");
}

/* Adds one thread's times; work is what `calls` forwards of `n` images do. */
static void add_times(struct lt_profile_report *r, const struct lt_graph *g, const struct lt_profile *p, int n) {
    for (int i = 0; i < g->n_nodes; i++) {
        const struct lt_node *node = &g->node[i];
        struct lt_cost_node cost;
        char name[sizeof(r->row[0].name)];
        if (node->op == LT_OP_INPUT) continue;
        class_name(node, name, sizeof(name));
        lt_node_cost(g, NULL, i, &cost);
        struct lt_profile_row *row = row_of(r, name);
        bool weights = node->op == LT_OP_CONV || node->op == LT_OP_LINEAR;
        double images = (double)p->calls * n, bytes = (double)(cost.read_bytes + cost.written_bytes);
        if (node->op == LT_OP_BN ||
            node->op == LT_OP_ACT) /* cost has them in place, training reads one tensor and writes another */
            bytes = 2.0 * sizeof(float) * (double)lt_shape_count(&node->out);
        for (int k = 0; k < 3; k++) {
            if ((k == 2 && !weights) || (k == 1 && node->in[0] == 0)) /* no gradient of the image is made */
                continue;
            row->ms[k] += 1e3 * p->s[k][i];
            row->gflop_s[k] += weights ? 2e-9 * (double)cost.macs * images : 0;
            /* A gradient pass of an elementwise operator reads two tensors and writes one. */
            row->gb_s[k] += 1e-9 * bytes * images * (!weights && k == 1 ? 1.5 : 1);
        }
    }
}

/* Sums -> per step and per second. */
static void finish(struct lt_profile_report *r, int64_t steps) {
    for (int i = 0; i < r->n_rows; i++)
        for (int k = 0; k < 3; k++) {
            struct lt_profile_row *row = &r->row[i];
            double wall_s = 1e-3 * row->ms[k] / r->threads;
            row->gflop_s[k] = wall_s > 0 ? row->gflop_s[k] / wall_s : 0;
            row->gb_s[k] = wall_s > 0 ? row->gb_s[k] / wall_s : 0;
            row->ms[k] = 1e3 * wall_s / (double)steps;
        }
}

lt_status lt_supernet_profile(struct lt_supernet *sn, const struct lt_data *train, const struct lt_train_cfg *cfg,
                              const struct lt_arch *a, int batch, double seconds, int threads,
                              struct lt_profile_report *out, struct lt_err *e) {
    struct lt_profile_report r = {.batch = batch};
    struct lt_graph *g = NULL;
    struct train_pool *pool = NULL;
    int shards = (int)cfg->shards;
    uint64_t place;
    lt_status st;
    if (threads < 1) threads = train_processors(&place);
    if (shards < 1 || batch < 2 * shards || batch % shards || batch > train->n)
        return lt_fail(e, LT_EINVAL,
                       "profile: batch: %d is not a multiple of shards: %d, or more than the %d training images", batch,
                       shards, train->n);
    if (train->channels != lt_space_input_channels(sn->space) || train->classes != lt_space_classes(sn->space))
        return lt_fail(e, LT_EINVAL, "profile: data and space '%s' differ in channels or classes",
                       lt_space_name(sn->space));
    int64_t n = sn->n_params, stride = n + N_STATS;
    float *parts = lt_aligned((size_t)(shards * stride) * sizeof(float)),
          *velocity = lt_aligned((size_t)n * sizeof(float));
    float *before = lt_aligned((size_t)n * sizeof(float));
    int32_t *item = lt_malloc((size_t)batch * sizeof(*item));
    if (!parts || !velocity || !before || !item) {
        st = lt_fail(e, LT_ENOMEM, "profile: %d gradients of %lld values", shards, (long long)stride);
        goto out;
    }
    memcpy(before, sn->params, (size_t)n * sizeof(float));
    memset(velocity, 0, (size_t)n * sizeof(float));
    for (int i = 0; i < batch; i++) item[i] = i;
    if ((st = lt_space_expand(sn->space, a, &g, e)) ||
        (st = train_pool_new(sn, train, threads, shards, batch / shards, &pool, e)))
        goto out;
    struct lt_augment aug = {.flip = true, .crop = 2};
    struct train_step step = {.sn = sn,
                              .data = train,
                              .item = item,
                              .aug = &aug,
                              .n_subnets = 1,
                              .shards = shards,
                              .count = shards,
                              .shard_batch = batch / shards,
                              .parts = parts,
                              .stride = stride,
                              .smoothing = cfg->label_smoothing};
    step.subnet[0] = (struct train_subnet){g, lt_space_resolution(sn->space, a), 0};
    r.threads = train_pool_threads(pool);
    int64_t steps = 0;
    double began = 0, timed = 0;
    for (int warm = 2; warm > 0 || timed < seconds || steps < 2; warm--) {
        if (warm == 0) {
            if ((st = train_pool_profile(pool, true, e))) goto out;
            began = lt_now_s();
        }
        aug.epoch++;
        if ((st = train_pool_run(pool, &step, e))) goto out;
        for (int s = 1; s < shards; s++) /* any order serves here: values are thrown away */
            for (int64_t k = 0; k < n; k++) parts[k] += parts[s * stride + k];
        train_sgd(sn, sn->params, velocity, parts, 1, 1e-6f, 0.9f, 0);
        if (warm <= 0) {
            steps++;
            timed = lt_now_s() - began;
        }
    }
    for (int i = 0; i < r.threads; i++) add_times(&r, g, train_pool_profile_get(pool, i), batch / shards);
    finish(&r, steps);
    r.step_ms = 1e3 * timed / (double)steps;
    r.images_per_s = batch * (double)steps / timed;
    r.outside_ms = r.step_ms;
    for (int i = 0; i < r.n_rows; i++) r.outside_ms -= r.row[i].ms[0] + r.row[i].ms[1] + r.row[i].ms[2];
    *out = r;
out:
    if (before && sn->params && pool) memcpy(sn->params, before, (size_t)n * sizeof(float));
    train_pool_free(pool);
    lt_graph_free(g);
    lt_free(parts);
    lt_free(velocity);
    lt_free(before);
    lt_free(item);
    return st;
}
