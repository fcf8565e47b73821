/* Room: cli. What the commands that work on an experiment share. */
#ifndef LT_CLI_CMD_RUN_H
#define LT_CLI_CMD_RUN_H
#include "cli/cli.h"
#include "lathe/json.h"
#include "run/experiment.h"

/* Exactly one word: the experiment. Collective. */
lt_status cli_load_experiment(struct cli *c, const struct cli_list *words, const struct cli_list *sets,
                              struct lt_experiment **out, struct lt_err *e);
/* Runs x up to a stage (NULL: all) and tells the result. Collective. */
lt_status cli_run_stage(struct cli *c, const struct lt_experiment *x, const char *dir, const char *until, bool force,
                        struct lt_err *e);
#endif
