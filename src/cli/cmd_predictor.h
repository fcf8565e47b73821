/* Room: cli. `lathe predictor`: its verbs and what they share. */
#ifndef LT_CLI_CMD_PREDICTOR_H
#define LT_CLI_CMD_PREDICTOR_H
#include "cli/cli.h"
#include "lathe/predictor.h"
#include "predictors/evaluate.h"

lt_status predictor_train(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status predictor_propose(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status predictor_adapt(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status predictor_predict(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status predictor_eval(struct cli *c, int argc, char **argv, struct lt_err *e);

/* The model file of the command line, with its space: the one named, else the one that the file names. */
struct predictor_model {
    struct lt_space *space; /* NULL: the predictor owns it */
    struct lt_predictor *p;
};
lt_status predictor_model_load(struct predictor_model *m, const char *path, const char *space, struct lt_err *e);
void predictor_model_release(struct predictor_model *m);
/* "a,b,c", and the option given several times; NULL-ended, lt_free(*out) frees all. NULL when none is given. */
lt_status predictor_names(const struct cli_list *given, const char ***out, int *n, struct lt_err *e);
/* "lathe predictor train ..." for the model file; lt_free. */
char *predictor_command(int argc, char **argv);
/* Says on stderr what of the set is not used and why. */
void predictor_say_excluded(const struct cli *c, const struct lt_latency_set *set);

struct predictor_result { /* of one device */
    const char *device;
    double resolution; /* of the clock, as a share of the median latency */
    struct lt_eval v;
};
/* One self-contained page with the table, scatter and calibration plots. */
lt_status predictor_page(const char *path, const struct lt_predictor *p, const char *model,
                         const struct lt_eval_options *o, const struct predictor_result *r, int n, bool *has_plots,
                         struct lt_err *e);
#endif
