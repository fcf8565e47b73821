/* Room: cli. The table of commands, exit codes, and the promise that what was printed has arrived. */
#include "cli/cli.h"
#include "lathe/mem.h"
#include "lathe/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct cli_command cli_commands[] = {
    {"run", "EXPERIMENT [options]", "the whole job; the same command continues an interrupted run", true, cmd_run},
    {"check", "EXPERIMENT [options]", "verify an experiment, estimate its time, and what can be attained", true,
     cmd_check},
    {"train", "EXPERIMENT [options]", "the training of a run alone; --profile: where the time goes", true, cmd_train},
    {"search", "EXPERIMENT [options]", "a run up to its search", true, cmd_search},
    {"quantize", "EXPERIMENT [options]", "a run up to its quantization", true, cmd_quantize},
    {"deploy", "EXPERIMENT [options]", "a run up to its deployment", true, cmd_deploy},
    {"space", "list|show|count|sample|export|schema|check ...", "search spaces: what is in them, samples, drawings, ONNX files", false, cmd_space},
    {"device", "list|show [NAME]", "devices that can be measured", false, cmd_device},
    {"measure", "SPACE [ARCH...] [options]", "a latency data set of architectures on a device", false, cmd_measure},
    {"predictor", "train|propose|adapt|predict|eval [MODEL] [options]",
     "latency predictors that adapt to a device by a few measurements; VERB -h tells more", false, cmd_predictor},
    {"report", "RUN", "write report.html of a run folder again", false, cmd_report},
    {"version", "", "version and what this build has", false, cmd_version},
    {NULL, NULL, NULL, false, NULL},
};

const struct cli_command *cli_find(const char *name) {
    for (const struct cli_command *k = cli_commands; k->name; k++)
        if (!strcmp(k->name, name)) return k;
    return NULL;
}

static void usage(FILE *f) {
    fputs("lathe: turns a device and a budget into a network\n\nusage: lathe COMMAND [arguments]\n\n", f);
    for (const struct cli_command *k = cli_commands; k->name; k++)
        fprintf(f, "  %-9s %-32s %s\n", k->name, k->usage, k->summary);
    fputs("\n`lathe COMMAND -h` tells more. `mpirun -n N lathe run ...` distributes a run.\n"
          "Exit codes: 0 done; 1 failed; 2 usage or invalid input; 3 not available here; 4 no feasible architecture; "
          "75 interrupted, the same command continues.\n",
          f);
}

/* A result that did not reach the disk is a failure. */
static int finish(int code, bool speaks) {
    bool lost = fflush(stdout) != 0 || ferror(stdout) != 0;
    int why = errno;
    if (close(STDOUT_FILENO) && errno != EBADF) {
        lost = true;
        why = errno;
    }
    if (lost && !code) {
        if (speaks) fprintf(stderr, "lathe: standard output: %s\n", strerror(why));
        return 1;
    }
    return code;
}

static int unknown(const char *name) {
    const char *names[32];
    int n = 0;
    for (const struct cli_command *k = cli_commands; k->name && n < 31; k++) names[n++] = k->name;
    names[n] = NULL;
    const char *near = lt_nearest(name, names);
    fprintf(stderr, "lathe: '%s' is not a command%s%s%s; `lathe --help` lists them\n", name,
            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return 2;
}

int main(int argc, char **argv) {
    struct lt_err e = {0};
    struct lt_ui ui;
    struct cli c = {0};
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
        usage(stdout);
        return finish(0, true);
    }
    const struct cli_command *k = cli_find(!strcmp(argv[1], "--version") ? "version" : argv[1]);
    if (!k) return unknown(argv[1]);
    bool asks_help = false;
    for (int i = 2; i < argc; i++) {
        asks_help = asks_help || !strcmp(argv[i], "-h") || !strcmp(argv[i], "--help");
        c.verbose = c.verbose || !strcmp(argv[i], "-v") || !strcmp(argv[i], "--verbose");
    }
    cli_signals_init(); /* before anything starts a thread */
    lt_status s = lt_comm_open(k->distributed && !asks_help ? "auto" : "self", &argc, &argv, &c.comm, &e);
    if (s) {
        fprintf(stderr, "lathe: %s\n", e.msg);
        return lt_status_exit_code(s);
    }
    bool speaks = c.comm->rank == 0;
    cli_ui_init(&ui, speaks, c.verbose);
    c.ui = &ui;
    c.command = k->name;
    s = k->run(&c, argc - 1, argv + 1, &e);
    int code = lt_status_exit_code(s);
    cli_ui_clear();
    if (s && speaks) fprintf(stderr, "lathe: %s\n", e.msg[0] ? e.msg : lt_status_name(s));
    code = finish(code, speaks);
    lt_comm_close(c.comm);
    return code;
}
