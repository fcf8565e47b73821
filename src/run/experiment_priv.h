/* Room: run. What the files that read an experiment share; nothing else includes this. */
#ifndef LT_RUN_EXPERIMENT_PRIV_H
#define LT_RUN_EXPERIMENT_PRIV_H
#include "run/experiment.h"

const struct lt_yaml *lt_experiment_root(const struct lt_experiment *x);
const struct lt_yaml *lt_experiment_section(const struct lt_experiment *x, const char *key); /* NULL: not there */
/* Objectives and constraints; then the evaluator is ready. Appends both sections as resolved. */
lt_status lt_experiment_read_goal(struct lt_experiment *x, struct lt_buf *resolved, struct lt_err *e);
/* One row a kind of plug-in: how to list its names and option tables; the first one is the default. */
struct lt_plugin_kind {
    const char *section;
    int (*count)(void);
    void (*at)(int i, const char **name, const struct lt_opt **opts, size_t *size);
};
extern const struct lt_plugin_kind lt_plugin_device, lt_plugin_predictor, lt_plugin_searcher, lt_plugin_evaluator;
/*
 * A section that names a plug-in. Keys in `ours` (may be NULL) belong to the run and are read by our_opts; all others
 * must be known to the plug-in, and are checked by its own option table now, so that `lathe check` finds every mistake
 * without opening a device. *out: the map without ours. Appends the section as resolved.
 */
lt_status lt_experiment_plugin(struct lt_experiment *x, const struct lt_plugin_kind *k, const char *const *ours,
                               const struct lt_opt *our_opts, void *our_cfg, const struct lt_yaml **out,
                               struct lt_buf *resolved, struct lt_err *e);
bool lt_opts_have(const struct lt_opt *t, const char *key);
/* Appends "key: {a: b, ...}\n" where `flow` is what lt_opts_emit wrote, merged behind `first` ("name: host"). */
void lt_experiment_put_section(struct lt_buf *b, const char *key, const char *first, const char *second,
                               const char *flow);
void lt_experiment_trim(struct lt_buf *b); /* white space at the end */
#endif
