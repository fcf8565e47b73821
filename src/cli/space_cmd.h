/* Room: cli. What the files of `lathe space` share. Results are appended to job->out; cmd_space prints them. */
#ifndef LT_CLI_SPACE_CMD_H
#define LT_CLI_SPACE_CMD_H
#include "cli/cli.h"
#include "lathe/cost.h"
#include "lathe/json.h"
#include "lathe/space.h"

/* What a network costs, by name. Those up to SPACE_TABLED come from per-block tables, the others need the graph. */
enum space_metric {
    SPACE_MACS,
    SPACE_PARAMS,
    SPACE_SIZE,  /* bytes of a file, f32 */
    SPACE_BYTES, /* read and written, batch norm folded */
    SPACE_OPS,
    SPACE_TABLED = SPACE_OPS,
    SPACE_PEAK, /* bytes of live activations */
    SPACE_N_METRICS
};
extern const char *const space_metric_names[SPACE_N_METRICS + 1];

enum { SPACE_MAX_CONDITIONS = 32 };
struct space_condition { /* metric or gene, compared with a number */
    int metric, gene;    /* one of them is -1 */
    enum { SPACE_LE, SPACE_LT, SPACE_GE, SPACE_GT, SPACE_EQ } op;
    double value;
    const char *text;
};

struct space_job {
    struct cli *c;
    struct lt_space *sp;
    struct lt_space_costs *costs; /* made when first needed */
    struct lt_space_range range;  /* computed when first needed */
    bool has_range;
    struct lt_buf out;
    const char *arch, *file, *svg, *convention, *balance, *uniform, *weights, *sample_file;
    int64_t n, seed;
    bool csv, with_costs;
    struct cli_list where;
    int n_conditions;
    struct space_condition condition[SPACE_MAX_CONDITIONS];
};

/* "largest", "smallest", or an architecture string. */
lt_status space_arch(const struct space_job *j, const char *text, struct lt_arch *out, struct lt_err *e);
void space_json_begin(struct lt_jw *w, struct lt_buf *b, const char *type);
void space_json_end(struct lt_jw *w, struct lt_buf *b);

/* space_metric.c: values[i] of metric i for those in the set `want` (bit i); the others are untouched. */
lt_status space_costs(struct space_job *j, const struct lt_arch *a, unsigned want, double values[SPACE_N_METRICS],
                      struct lt_err *e);
lt_status space_metric_parse(const struct space_job *j, const char *name, int *out, struct lt_err *e);
struct space_range {
    double lo, hi;
    bool exact; /* else what changing one choice at a time finds from several starts */
};
lt_status space_find_range(struct space_job *j, enum space_metric m, struct space_range *out, struct lt_err *e);

/* space_where.c */
lt_status space_conditions_parse(struct space_job *j, struct lt_err *e);
/* 0 when all hold, else how much they are missed by, relative to what they ask. */
lt_status space_violation(struct space_job *j, const struct lt_arch *a, double *out, struct lt_err *e);

lt_status space_list(struct space_job *j, struct lt_err *e);
lt_status space_show(struct space_job *j, struct lt_err *e);
lt_status space_sample(struct space_job *j, struct lt_err *e);
lt_status space_schema(struct space_job *j, struct lt_err *e);
lt_status space_export(struct space_job *j, struct lt_err *e);
lt_status space_check(struct space_job *j, const char *path, struct lt_err *e);
/* space_svg.c: a drawing of one network. */
lt_status space_svg(const struct lt_space *sp, const struct lt_arch *a, struct lt_buf *out, struct lt_err *e);
#endif
