# Room: the program, the only code that prints or exits.
lathe_cli_sources += src/cli/main.c src/cli/cli.h src/cli/args.c src/cli/ui_terminal.c src/cli/cmd_run.c src/cli/cmd_run.h src/cli/cmd_check.c src/cli/cmd_train.c \
  src/cli/cmd_space.c src/cli/cmd_device.c src/cli/cmd_measure.c src/cli/cmd_report.c src/cli/cmd_version.c
lathe_cli_sources += src/cli/cmd_predictor.c src/cli/cmd_predictor.h src/cli/cmd_predictor_train.c src/cli/cmd_predictor_eval.c src/cli/cmd_predictor_page.c

# The page of `lathe predictor eval --html` as a C string.
src/cli/predictor_page.inc: src/cli/predictor_page.html
	@$(MKDIR_P) src/cli
	$(AM_V_GEN)( echo 'static const char predictor_page_text[] ='; $(SED) -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/  "/' -e 's/$$/\\n"/' $(srcdir)/src/cli/predictor_page.html; echo '  ;' ) > $@.tmp && mv $@.tmp $@
BUILT_SOURCES += src/cli/predictor_page.inc
CLEANFILES += src/cli/predictor_page.inc
EXTRA_DIST += src/cli/predictor_page.html
src/cli/cmd_predictor_page.$(OBJEXT): src/cli/predictor_page.inc
lathe_cli_sources += src/cli/space_cmd.h src/cli/space_show.c src/cli/space_metric.c src/cli/space_where.c src/cli/space_sample.c src/cli/space_export.c \
  src/cli/space_svg.h src/cli/space_svg.c src/cli/space_svg_cell.c src/cli/space_check.c src/cli/space_schema.h src/cli/space_schema.c src/cli/space_schema_json.c src/cli/space_schema_cells.c
