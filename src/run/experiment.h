/*
 * Room: run. An experiment as the user wrote it, checked: every key goes through an option table, so unknown keys,
 * wrong units and values out of range are errors with file:line:column and the nearest known key. Format:
 * docs/formats/experiment.md.
 *
 *   lt_experiment_load("experiments/quickstart.yaml", sets, n_sets, &x, e);     sets: "supernet.epochs=2"
 *   ...
 *   lt_experiment_free(x);
 *
 * Relative paths in an experiment are looked up beside the experiment, in the folder above it, in the working
 * directory, and in the installed data folder.
 */
#ifndef LT_RUN_EXPERIMENT_H
#define LT_RUN_EXPERIMENT_H
#include "lathe/data.h"
#include "lathe/quant.h"
#include "lathe/searcher.h"
#include "lathe/space.h"
#include "lathe/supernet.h"
#include "run/evaluator.h"

struct lt_predict_cfg {
    int64_t samples;
    double holdout;
    char *model; /* of the predictor, trained before; NULL: none */
};
struct lt_verify_cfg {
    int64_t candidates, rounds;
};
struct lt_deploy_cfg {
    int format;
    bool verify;
};
/* What the engine reads of the section `search`; the searcher reads the other keys. */
enum { LT_BASELINE_NONE, LT_BASELINE_RANDOM };
struct lt_search_cfg {
    int64_t ahead; /* 0: the searcher's own window */
    int baseline;
    int64_t repeats;
};
extern const struct lt_opt lt_predict_opts[], lt_verify_opts[], lt_deploy_opts[], lt_search_opts[];

/* One side of a constraint: a number in the score's unit, or a multiple of what the largest f32 network has. */
struct lt_bound {
    bool set, of_largest;
    double value;
};
struct lt_limit {
    int score;
    struct lt_bound min, max;
};

/* A list in the place of one limit: one answer for each. */
enum { LT_MAX_SWEEP = 16 };
struct lt_sweep {
    int n, limit; /* n 0: none; place in lt_experiment.limit */
    bool is_max;
    struct lt_bound value[LT_MAX_SWEEP];
};

struct lt_yaml_edit;
struct lt_experiment {
    char *path, *name;
    uint64_t seed;
    struct lt_yaml_edit *doc; /* owns the tree behind the maps below */
    struct lt_space *space;
    char *space_path;
    struct lt_score_names names;    /* scores beyond the built-in ones */
    struct lt_evaluator *evaluator; /* ready to score, unless it trains: then the run's stages are its scores */
    /* data, train, device, predictor, verify, quant, deploy: only with an evaluator that trains */
    struct lt_data_cfg data;
    struct lt_train_cfg train;
    const struct lt_yaml *device, *predictor, *search; /* maps with `name` and the plug-in's own keys */
    struct lt_search_cfg engine;
    struct lt_predict_cfg predict;
    struct lt_goal goal; /* objectives; constraints are filled by lt_experiment_goal */
    int n_limits;
    struct lt_limit limit[LT_MAX_SCORES];
    struct lt_sweep sweep;
    bool quantize; /* the section is there and int8 is among formats and precisions */
    struct lt_quant_cfg quant;
    struct lt_verify_cfg verify;
    struct lt_deploy_cfg deploy;
    char *resolved; /* canonical YAML text, defaults included */
};

lt_status lt_experiment_load(const char *path, const char *const *set, int n_set, struct lt_experiment **out,
                             struct lt_err *e);
void lt_experiment_free(struct lt_experiment *x);
/* Constraints in numbers. largest: scores of the largest f32 network, as far as known; an unknown one that a relative
 * limit needs is left open. */
void lt_experiment_goal(const struct lt_experiment *x, const struct lt_scores *largest, struct lt_goal *out);
/* The same with the k-th limit of the sweep in its place; the one above has the first. */
void lt_experiment_goal_at(const struct lt_experiment *x, const struct lt_scores *largest, int k, struct lt_goal *out);
/* "latency <= 0.8 ms, size <= 600 kB" */
void lt_goal_text(const struct lt_goal *g, struct lt_buf *out);
/* Every key of the resolved experiment as "section.key" with its value as text, in file order. */
struct lt_flat {
    int n;
    struct lt_flat_item {
        char *key, *value;
    } * item;
};
lt_status lt_experiment_flatten(const struct lt_experiment *x, struct lt_flat *out, struct lt_err *e);
void lt_flat_release(struct lt_flat *f);
/* Keys that may differ between the two parts of one run. */
bool lt_experiment_key_is_free(const char *key);
/* A file or folder named in an experiment; *out: lt_free. The error lists what was tried. */
lt_status lt_experiment_find(const char *experiment_path, const char *name, const struct lt_yaml *at, char **out,
                             struct lt_err *e);
#endif
