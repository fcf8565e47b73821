# Room: the program, the only code that prints or exits.
lathe_cli_sources += src/cli/main.c src/cli/cli.h src/cli/args.c src/cli/ui_terminal.c src/cli/cmd_run.c src/cli/cmd_run.h src/cli/cmd_check.c src/cli/cmd_train.c \
  src/cli/cmd_space.c src/cli/cmd_device.c src/cli/cmd_measure.c src/cli/cmd_report.c src/cli/cmd_version.c
