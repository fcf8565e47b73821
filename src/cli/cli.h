/*
 * Room: cli. The only code that prints or exits. Results go to stdout, everything else to stderr. Commands are rows of
 * a table in main.c; their options are rows of tables too (struct cli_opt), which serve parsing and -h alike.
 */
#ifndef LT_CLI_CLI_H
#define LT_CLI_CLI_H
#include "lathe/buf.h"
#include "lathe/comm.h"
#include "lathe/status.h"
#include "lathe/ui.h"

enum cli_opt_kind { CLI_FLAG, CLI_TEXT, CLI_LIST, CLI_INT };
struct cli_opt {
    const char *name; /* long name without dashes */
    char letter;      /* 0 = none */
    enum cli_opt_kind kind;
    void *to;        /* bool, const char *, struct cli_list, int64_t */
    const char *arg; /* in -h: "DIR" */
    const char *help;
};
enum { CLI_MAX_LIST = 256 };
struct cli_list {
    int n;
    const char *item[CLI_MAX_LIST];
};

struct cli {
    struct lt_comm *comm; /* always there; one rank unless the command is distributed and was launched so */
    const struct lt_ui *ui;
    const char *command; /* for messages and -h */
    bool json, verbose;
};

struct cli_command {
    const char *name, *usage, *summary;
    bool distributed;
    lt_status (*run)(struct cli *c, int argc, char **argv, struct lt_err *e); /* argv[0] is the command's name */
};
extern const struct cli_command cli_commands[];
const struct cli_command *cli_find(const char *name);

/* Options of `t` (ended by a NULL name) and the common ones (-h, --json, -v). *help: -h was given and has been
 * answered. Words that are no options go to `words`. */
lt_status cli_parse(struct cli *c, const struct cli_opt *t, int argc, char **argv, struct cli_list *words, bool *help,
                    struct lt_err *e);
/* Results: rank 0's stdout. Write errors (a full disk) are found. */
lt_status cli_print(const struct cli *c, const struct lt_buf *b, struct lt_err *e);
lt_status cli_usage(struct lt_err *e, const struct cli *c, const char *fmt, ...) LT_PRINTF(3, 4);

/* Messages and a progress bar with the time left; only the rank that prints draws anything. Not reentrant. */
void cli_ui_init(struct lt_ui *ui, bool prints, bool verbose);
void cli_ui_clear(void); /* removes the bar before something else is printed */
void cli_signals_init(void);

/* Stages of `lathe run` under other names. */
lt_status cmd_run(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status cmd_check(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status cmd_train(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status cmd_search(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status cmd_quantize(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status cmd_deploy(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status cmd_space(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status cmd_device(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status cmd_measure(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status cmd_predictor(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status cmd_report(struct cli *c, int argc, char **argv, struct lt_err *e);
lt_status cmd_version(struct cli *c, int argc, char **argv, struct lt_err *e);
#endif
